//! What a good programmer would write for one query by hand: dense arrays by group, a list of rows a second, sums to
//! which what enters a window is added and from which what leaves it is taken away (values are quarters, so nothing is
//! lost). A row at a time; rows of results go into a buffer that is used again.

use std::{
    collections::{HashMap, VecDeque},
    fmt::Debug,
    hash::{BuildHasherDefault, Hasher},
};

use firesteel_core::{block::BlockRef, time::MICROS_PER_SECOND};

use super::{Answer, data};

/// Rows of results that are handed on at once.
const BUFFER: usize = 4_096;

/// A query written by hand.
pub trait Plain: Debug {
    /// Adds a block and hands out the windows that it closes.
    fn push(&mut self, block: &BlockRef<'_>, out: &mut dyn FnMut(&[Answer]));
}

/// How one query reads rows.
trait Rows: Debug {
    type Columns<'a>;
    /// Seconds of a window.
    const SIZE: i64;
    const KEYS: usize;
    fn open<'a>(block: &BlockRef<'a>) -> Self::Columns<'a>;
    /// The number of a row's group, and its value.
    fn at(&mut self, columns: &Self::Columns<'_>, row: usize) -> (u32, f32);
    /// Keys by group.
    fn keys(&self) -> &[[i64; 4]];
    fn result(sum: f64, count: i64) -> Option<i64>;
}

/// Sliding windows that move a second at a time.
#[derive(Debug)]
struct Sliding<R> {
    rows: R,
    sums: Vec<(f64, i64)>,
    /// The rows of each second of the window.
    seconds: VecDeque<Vec<(u32, f32)>>,
    unused: Vec<Vec<(u32, f32)>>,
    now: Option<i64>,
    made: Vec<Answer>,
}

impl<R: Rows> Sliding<R> {
    fn new(rows: R) -> Self {
        let made = Vec::with_capacity(BUFFER);
        Self { rows, sums: Vec::new(), seconds: VecDeque::new(), unused: Vec::new(), now: None, made }
    }

    /// Ends the second that is open.
    fn close(&mut self, end: i64, out: &mut dyn FnMut(&[Answer])) {
        let start = (end - R::SIZE) * MICROS_PER_SECOND;
        for (&(sum, count), keys) in self.sums.iter().zip(self.rows.keys()) {
            if count > 0
                && let Some(result) = R::result(sum, count)
            {
                let mut answer = [start, keys[0], keys[1], keys[2], keys[3], 0];
                answer[1 + R::KEYS] = result;
                self.made.push(answer);
                if self.made.len() == BUFFER {
                    out(&self.made);
                    self.made.clear();
                }
            }
        }
        if self.seconds.len() as i64 == R::SIZE {
            let mut gone = self.seconds.pop_front().unwrap_or_default();
            for &(group, value) in &gone {
                let (sum, count) = &mut self.sums[group as usize];
                (*sum, *count) = (*sum - f64::from(value), *count - 1);
            }
            gone.clear();
            self.unused.push(gone);
        }
        self.seconds.push_back(self.unused.pop().unwrap_or_default());
    }
}

impl<R: Rows> Plain for Sliding<R> {
    fn push(&mut self, block: &BlockRef<'_>, out: &mut dyn FnMut(&[Answer])) {
        let times = block.column(0).as_slice::<i64>();
        let columns = R::open(block);
        for (row, &time) in times.iter().enumerate() {
            let second = time / MICROS_PER_SECOND;
            if self.now != Some(second) {
                for ended in self.now.map_or(second..second + 1, |now| now + 1..second + 1) {
                    self.close(ended, out);
                }
                self.now = Some(second);
            }
            let (group, value) = self.rows.at(&columns, row);
            if self.sums.len() <= group as usize {
                self.sums.resize(group as usize + 1, (0.0, 0));
            }
            let (sum, count) = &mut self.sums[group as usize];
            (*sum, *count) = (*sum + f64::from(value), *count + 1);
            self.seconds.back_mut().expect("an open second").push((group, value));
        }
        out(&self.made);
        self.made.clear();
    }
}

/// All combinations of keys below these bounds, the first counting fastest.
fn keys(bounds: [i64; 3]) -> Vec<[i64; 4]> {
    let at = |i: i64| [i % bounds[0], i / bounds[0] % bounds[1], i / bounds[0] / bounds[1], 0];
    (0..bounds.iter().product()).map(at).collect()
}

fn mean(sum: f64, count: i64) -> Option<i64> {
    Some((sum / count as f64).to_bits() as i64)
}

#[derive(Debug)]
struct Cluster(Vec<[i64; 4]>);

impl Rows for Cluster {
    type Columns<'a> = (&'a [i32], &'a [f32]);
    const SIZE: i64 = 60;
    const KEYS: usize = 1;

    fn open<'a>(block: &BlockRef<'a>) -> Self::Columns<'a> {
        (block.column(6).as_slice(), block.column(8).as_slice())
    }

    #[inline]
    fn at(&mut self, (category, cpu): &Self::Columns<'_>, row: usize) -> (u32, f32) {
        (category[row] as u32, cpu[row])
    }

    fn keys(&self) -> &[[i64; 4]] {
        &self.0
    }

    fn result(sum: f64, _: i64) -> Option<i64> {
        Some(sum.to_bits() as i64)
    }
}

#[derive(Debug)]
struct Grid(Vec<[i64; 4]>);

impl Rows for Grid {
    type Columns<'a> = &'a [f32];
    const SIZE: i64 = 3_600;
    const KEYS: usize = 0;

    fn open<'a>(block: &BlockRef<'a>) -> Self::Columns<'a> {
        block.column(1).as_slice()
    }

    #[inline]
    fn at(&mut self, value: &Self::Columns<'_>, row: usize) -> (u32, f32) {
        (0, value[row])
    }

    fn keys(&self) -> &[[i64; 4]] {
        &self.0
    }

    fn result(sum: f64, count: i64) -> Option<i64> {
        mean(sum, count)
    }
}

#[derive(Debug)]
struct Plugs(Vec<[i64; 4]>);

impl Rows for Plugs {
    type Columns<'a> = (&'a [f32], [&'a [i32]; 3]);
    const SIZE: i64 = 128;
    const KEYS: usize = 3;

    fn open<'a>(block: &BlockRef<'a>) -> Self::Columns<'a> {
        (block.column(1).as_slice(), [3, 4, 5].map(|c| block.column(c).as_slice()))
    }

    #[inline]
    fn at(&mut self, (value, [plug, household, house]): &Self::Columns<'_>, row: usize) -> (u32, f32) {
        ((plug[row] + 8 * (household[row] + 6 * house[row])) as u32, value[row])
    }

    fn keys(&self) -> &[[i64; 4]] {
        &self.0
    }

    fn result(sum: f64, count: i64) -> Option<i64> {
        mean(sum, count)
    }
}

#[derive(Debug)]
struct Segments(Vec<[i64; 4]>);

impl Rows for Segments {
    type Columns<'a> = (&'a [f32], [&'a [i32]; 3]);
    const SIZE: i64 = 300;
    const KEYS: usize = 3;

    fn open<'a>(block: &BlockRef<'a>) -> Self::Columns<'a> {
        (block.column(2).as_slice(), [3, 5, 6].map(|c| block.column(c).as_slice()))
    }

    #[inline]
    fn at(&mut self, (speed, [highway, direction, position]): &Self::Columns<'_>, row: usize) -> (u32, f32) {
        ((highway[row] + 2 * (direction[row] + 2 * (position[row] / 5_280))) as u32, speed[row])
    }

    fn keys(&self) -> &[[i64; 4]] {
        &self.0
    }

    fn result(sum: f64, count: i64) -> Option<i64> {
        let mean = sum / count as f64;
        (mean < 40.0).then_some(mean.to_bits() as i64)
    }
}

#[derive(Debug, Default)]
struct Vehicles {
    groups: HashMap<[i32; 4], u32, BuildHasherDefault<Multiply>>,
    keys: Vec<[i64; 4]>,
}

impl Rows for Vehicles {
    type Columns<'a> = [&'a [i32]; 4];
    const SIZE: i64 = 30;
    const KEYS: usize = 4;

    fn open<'a>(block: &BlockRef<'a>) -> Self::Columns<'a> {
        [1, 3, 5, 6].map(|c| block.column(c).as_slice())
    }

    #[inline]
    fn at(&mut self, [vehicle, highway, direction, position]: &Self::Columns<'_>, row: usize) -> (u32, f32) {
        let key = [vehicle[row], highway[row], direction[row], position[row] / 5_280];
        let group = *self.groups.entry(key).or_insert_with(|| {
            self.keys.push(key.map(i64::from));
            self.keys.len() as u32 - 1
        });
        (group, 0.0)
    }

    fn keys(&self) -> &[[i64; 4]] {
        &self.keys
    }

    fn result(_: f64, count: i64) -> Option<i64> {
        Some(count)
    }
}

/// A hash that costs little.
#[derive(Debug, Default)]
pub struct Multiply(u64);

impl Hasher for Multiply {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(4) {
            let word = chunk.iter().rev().fold(0, |word, &byte| word << 8 | u64::from(byte));
            self.0 = (self.0.rotate_left(23) ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        }
    }

    fn write_i64(&mut self, word: i64) {
        let hash = (self.0.rotate_left(23) ^ word as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.0 = hash ^ hash >> 32;
    }
}

/// Views by campaign, in windows of 100 seconds one after the other.
#[derive(Debug)]
struct Campaigns {
    /// The campaign of each advertisement, by its place among the hundred.
    places: Vec<u32>,
    ids: Vec<i64>,
    table: Vec<(i64, i64)>,
    window: i64,
    made: Vec<Answer>,
}

const YSB_SECONDS: i64 = 100;

impl Plain for Campaigns {
    fn push(&mut self, block: &BlockRef<'_>, out: &mut dyn FnMut(&[Answer])) {
        let [times, ads, events] = [0, 3, 5].map(|c| block.column(c).as_slice::<i64>());
        for ((&time, &ad), &event) in times.iter().zip(ads).zip(events) {
            let window = time / (YSB_SECONDS * MICROS_PER_SECOND);
            if window != self.window {
                let start = self.window * YSB_SECONDS * MICROS_PER_SECOND;
                let seen = self.table.iter().zip(&self.ids).filter(|(cell, _)| cell.0 > 0);
                self.made.extend(seen.map(|(&(count, last), &id)| [start, id, count, last, 0, 0]));
                self.table.fill((0, 0));
                self.window = window;
            }
            if event == 0 {
                let cell = &mut self.table[self.places[ad as usize] as usize];
                *cell = (cell.0 + 1, cell.1.max(time));
            }
        }
        out(&self.made);
        self.made.clear();
    }
}

/// CM1 by hand.
pub fn cm1() -> Box<dyn Plain> {
    Box::new(Sliding::new(Cluster(keys([4, 1, 1]))))
}

/// SG1 by hand.
pub fn sg1() -> Box<dyn Plain> {
    Box::new(Sliding::new(Grid(keys([1, 1, 1]))))
}

/// SG2 by hand.
pub fn sg2() -> Box<dyn Plain> {
    Box::new(Sliding::new(Plugs(keys([8, 6, 10]))))
}

/// LRB1 by hand.
pub fn lrb1() -> Box<dyn Plain> {
    Box::new(Sliding::new(Segments(keys([2, 2, 64]))))
}

/// LRB2 by hand.
pub fn lrb2() -> Box<dyn Plain> {
    Box::new(Sliding::new(Vehicles::default()))
}

/// YSB by hand.
pub fn ysb() -> Box<dyn Plain> {
    let campaigns = data::campaigns();
    let of_ads = campaigns.columns()[1].view().as_slice::<i64>();
    let mut ids = of_ads.to_vec();
    ids.dedup();
    let place = |id: &i64| ids.iter().position(|other| other == id).expect("a campaign") as u32;
    let places = of_ads.iter().map(place).collect();
    let table = vec![(0, 0); ids.len()];
    Box::new(Campaigns { places, ids, table, window: 0, made: Vec::new() })
}
