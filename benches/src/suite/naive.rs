//! The answers by definition: every row goes into a table of its second, every window adds up its seconds.

use std::collections::{BTreeMap, HashMap};

use firesteel_core::{block::BlockRef, time::MICROS_PER_SECOND};

use super::{Answer, data};

/// Keys of a row, and its value in quarters.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// As many as the query has, zeros after them.
    pub keys: [i64; 4],
    /// Zero where nothing is added up.
    pub quarters: i64,
}

/// What is known of a group.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cell {
    quarters: i64,
    count: i64,
    last: i64,
}

/// The results of a group, one or two, and how many.
pub type Results = ([i64; 2], usize);

/// What the closed windows of a stream hold, in order.
#[derive(Debug)]
pub struct Naive {
    window: (i64, i64),
    seconds: BTreeMap<i64, HashMap<[i64; 4], Cell>>,
}

impl Naive {
    /// Windows of a length at a distance, in seconds.
    pub fn new(window: (i64, i64)) -> Self {
        Self { window, seconds: BTreeMap::new() }
    }

    /// Adds a block, whose first column is the time.
    pub fn add(&mut self, block: &BlockRef<'_>, row: fn(&BlockRef<'_>, usize) -> Option<Row>) {
        let times = block.column(0).as_slice::<i64>();
        for (r, &time) in times.iter().enumerate() {
            let second = self.seconds.entry(time / MICROS_PER_SECOND).or_default();
            if let Some(Row { keys, quarters }) = row(block, r) {
                let cell = second.entry(keys).or_default();
                *cell = Cell { quarters: cell.quarters + quarters, count: cell.count + 1, last: cell.last.max(time) };
            }
        }
    }

    /// The rows of all windows that end at or before the last second, with `keys` keys each.
    pub fn answers(&self, keys: usize, result: fn(&Cell) -> Option<Results>) -> Vec<Answer> {
        let (size, slide) = self.window;
        let last = self.seconds.keys().next_back().copied().unwrap_or_default();
        let first = self.seconds.keys().next().copied().unwrap_or_default() - size;
        let mut answers = Vec::new();
        for start in (first.div_euclid(slide) * slide..).step_by(slide as usize).take_while(|s| s + size <= last) {
            let mut groups: HashMap<[i64; 4], Cell> = HashMap::new();
            for (keys, cell) in self.seconds.range(start..start + size).flat_map(|(_, second)| second) {
                let all = groups.entry(*keys).or_default();
                all.quarters += cell.quarters;
                all.count += cell.count;
                all.last = all.last.max(cell.last);
            }
            for (group, cell) in &groups {
                if let Some((results, count)) = result(cell) {
                    let mut answer = Answer::default();
                    answer[0] = start * MICROS_PER_SECOND;
                    answer[1..=keys].copy_from_slice(&group[..keys]);
                    answer[1 + keys..1 + keys + count].copy_from_slice(&results[..count]);
                    answers.push(answer);
                }
            }
        }
        answers
    }
}

fn int(block: &BlockRef<'_>, column: usize, row: usize) -> i64 {
    block.column(column).as_slice::<i32>()[row].into()
}

fn quarters(block: &BlockRef<'_>, column: usize, row: usize) -> i64 {
    (block.column(column).as_slice::<f32>()[row] * 4.0) as i64
}

/// CM1: cpu by category.
pub fn cm1(block: &BlockRef<'_>, row: usize) -> Option<Row> {
    Some(Row { keys: [int(block, 6, row), 0, 0, 0], quarters: quarters(block, 8, row) })
}

/// SG1: the value.
pub fn sg1(block: &BlockRef<'_>, row: usize) -> Option<Row> {
    Some(Row { keys: [0; 4], quarters: quarters(block, 1, row) })
}

/// SG2: the value by plug, household and house.
pub fn sg2(block: &BlockRef<'_>, row: usize) -> Option<Row> {
    let keys = [int(block, 3, row), int(block, 4, row), int(block, 5, row), 0];
    Some(Row { keys, quarters: quarters(block, 1, row) })
}

/// LRB1: speed by highway, direction and segment.
pub fn lrb1(block: &BlockRef<'_>, row: usize) -> Option<Row> {
    let keys = [int(block, 3, row), int(block, 5, row), int(block, 6, row) / 5_280, 0];
    Some(Row { keys, quarters: quarters(block, 2, row) })
}

/// LRB2: rows by vehicle, highway, direction and segment.
pub fn lrb2(block: &BlockRef<'_>, row: usize) -> Option<Row> {
    let keys = [int(block, 1, row), int(block, 3, row), int(block, 5, row), int(block, 6, row) / 5_280];
    Some(Row { keys, quarters: 0 })
}

/// YSB: views by the campaign of their advertisement.
pub fn ysb(block: &BlockRef<'_>, row: usize) -> Option<Row> {
    thread_local! {
        static CAMPAIGNS: Vec<i64> = data::campaigns().columns()[1].view().as_slice::<i64>().to_vec();
    }
    let [ad, event] = [3, 5].map(|c| block.column(c).as_slice::<i64>()[row]);
    let campaign = CAMPAIGNS.with(|campaigns| campaigns[ad as usize]);
    (event == 0).then_some(Row { keys: [campaign, 0, 0, 0], quarters: 0 })
}

/// The sum as a DOUBLE.
pub fn sum(cell: &Cell) -> Option<Results> {
    Some(([(cell.quarters as f64 / 4.0).to_bits() as i64, 0], 1))
}

/// The mean.
pub fn mean(cell: &Cell) -> Option<Results> {
    Some(([(cell.quarters as f64 / 4.0 / cell.count as f64).to_bits() as i64, 0], 1))
}

/// The mean if it is below 40.
pub fn slow(cell: &Cell) -> Option<Results> {
    mean(cell).filter(|(results, _)| f64::from_bits(results[0] as u64) < 40.0)
}

/// The number of rows.
pub fn count(cell: &Cell) -> Option<Results> {
    Some(([cell.count, 0], 1))
}

/// The number of rows, and the time of the last.
pub fn count_and_last(cell: &Cell) -> Option<Results> {
    Some(([cell.count, cell.last], 2))
}
