//! KLL quantile sketches of Karnin, Lang and Liberty: levels of items, each item of a level standing for twice as many
//! values as one of the level below. A full level is halved: every other item, from a random start, moves up.
//!
//! ```text
//!   byte   0            1         2       3      4       6     7
//!        preamble ints  version   family  flags  k u16   m     -
//!   empty   (2, 1)  nothing more
//!   single  (2, 2)  @8 the item
//!   full    (5, 1)  @8 n u64 · @16 least k u16 · @18 levels · @20 start of each level, u32 · least · greatest · items
//! ```

use alloc::{collections::VecDeque, vec, vec::Vec};

use super::Reader;
use crate::block::sort_rows;

/// DataSketches' default k.
pub const K_DEFAULT: u16 = 200;
/// Least k.
pub const K_MIN: u16 = 8;

/// Least capacity of a level.
const M: usize = 8;
const LEVELS_MAX: usize = 60;
const FAMILY: u8 = 15;
const FLAG_EMPTY: u8 = 1;
const FLAG_LEVEL_ZERO_SORTED: u8 = 2;
const FLAG_SINGLE: u8 = 4;

/// Numbers that a KLL sketch holds.
pub trait Number: Copy + PartialEq + core::fmt::Debug + Send + Sync + 'static {
    /// Bytes of one item.
    const BYTES: usize;
    /// What the Java library calls the sketch.
    const NAME: &'static str;
    /// Order of the values, NaN excluded.
    fn less(self, other: Self) -> bool;
    /// Whether it is counted: NaN is not.
    fn is_number(self) -> bool;
    /// Appends the little-endian bytes.
    fn save(self, out: &mut Vec<u8>);
    /// Reads the bytes, exactly [`Number::BYTES`] of them.
    fn load(bytes: &[u8]) -> Option<Self>;
}

macro_rules! number {
    ($($t:ty, $name:literal, $is_number:expr;)*) => {$(
        impl Number for $t {
            const BYTES: usize = size_of::<$t>();
            const NAME: &'static str = $name;

            fn less(self, other: Self) -> bool {
                self < other
            }

            fn is_number(self) -> bool {
                $is_number(self)
            }

            fn save(self, out: &mut Vec<u8>) {
                out.extend(self.to_le_bytes());
            }

            fn load(bytes: &[u8]) -> Option<Self> {
                Some(Self::from_le_bytes(bytes.try_into().ok()?))
            }
        }
    )*};
}

number! {
    i64, "KllLongsSketch", |_| true;
    f32, "KllFloatsSketch", |x: f32| !x.is_nan();
    f64, "KllDoublesSketch", |x: f64| !x.is_nan();
}

/// A sketch.
#[derive(Clone, Debug, PartialEq)]
pub struct Kll<T> {
    k: u16,
    k_least: u16,
    n: u64,
    range: Option<(T, T)>,
    /// Level 0 newest first and unsorted, the others ascending.
    levels: Vec<VecDeque<T>>,
    is_level_zero_sorted: bool,
    /// State of the generator that decides which half moves up.
    random: u64,
}

impl<T: Number> Kll<T> {
    /// An empty sketch.
    pub fn new(k: u16) -> Self {
        let levels = vec![VecDeque::new()];
        Self { k, k_least: k, n: 0, range: None, levels, is_level_zero_sorted: false, random: 0x9e37_79b9_7f4a_7c15 }
    }

    /// Values counted.
    pub fn n(&self) -> u64 {
        self.n
    }

    /// Counts a value; NaN is skipped.
    pub fn update(&mut self, value: T) {
        if value.is_number() {
            self.widen(value, value);
            if self.retained() == self.capacity() {
                self.compact();
            }
            self.n += 1;
            self.levels[0].push_front(value);
            self.is_level_zero_sorted = false;
        }
    }

    /// Adds another sketch.
    pub fn merge(&mut self, other: &Self) {
        let Some((low, high)) = other.range else { return };
        let n = self.n + other.n;
        other.levels[0].iter().for_each(|&value| self.update(value));
        if other.levels.len() > 1 {
            self.levels.resize(self.levels.len().max(other.levels.len()), VecDeque::new());
            for (own, level) in self.levels.iter_mut().zip(&other.levels).skip(1) {
                *own = merged(own, level);
            }
            self.k_least = self.k_least.min(other.k_least);
            while self.retained() > self.capacity() {
                self.compact();
            }
        }
        self.n = n;
        self.widen(low, high);
    }

    /// The value at a rank between 0 and 1, `None` for an empty sketch.
    pub fn quantile(&self, rank: f64) -> Option<T> {
        let (low, high) = self.range?;
        if rank <= 0.0 {
            return Some(low);
        }
        if rank >= 1.0 {
            return Some(high);
        }
        let wanted = libm::ceil(rank * self.n as f64) as u64;
        let mut upto = 0;
        let found = self.weighted().into_iter().find(|(_, weight)| {
            upto += weight;
            upto >= wanted.max(1)
        });
        Some(found.map_or(high, |(value, _)| value))
    }

    /// The part of values that do not exceed this one, `None` for an empty sketch.
    pub fn rank(&self, value: T) -> Option<f64> {
        let below = |v: &T| !value.less(*v);
        let levels = self.levels.iter().enumerate();
        let upto: u64 = levels.map(|(i, level)| (level.iter().filter(|v| below(v)).count() as u64) << i).sum();
        (self.n > 0).then(|| upto as f64 / self.n as f64)
    }

    /// Least and greatest value.
    pub fn range(&self) -> Option<(T, T)> {
        self.range
    }

    /// The parameter k.
    pub fn k(&self) -> u16 {
        self.k
    }

    /// The least k of the sketches that were merged into this one.
    pub fn k_least(&self) -> u16 {
        self.k_least
    }

    /// Number of levels.
    pub fn level_count(&self) -> usize {
        self.levels.len()
    }

    /// Whether level 0 is sorted.
    pub fn is_level_zero_sorted(&self) -> bool {
        self.is_level_zero_sorted
    }

    /// Items kept.
    pub fn retained(&self) -> usize {
        self.levels.iter().map(VecDeque::len).sum()
    }

    /// Items that fit before a level is halved.
    pub fn capacity(&self) -> usize {
        (0..self.levels.len()).map(|height| self.level_capacity(height)).sum()
    }

    /// Memory outside of the sketch itself.
    pub fn heap(&self) -> usize {
        let items: usize = self.levels.iter().map(VecDeque::capacity).sum();
        items * size_of::<T>() + self.levels.capacity() * size_of::<VecDeque<T>>()
    }

    /// The compact bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let header = |ints: u8, version: u8, flags: u8| {
            let k = self.k.to_le_bytes();
            vec![ints, version, FAMILY, flags, k[0], k[1], M as u8, 0]
        };
        let sorted = if self.is_level_zero_sorted { FLAG_LEVEL_ZERO_SORTED } else { 0 };
        let Some((low, high)) = self.range else { return header(2, 1, FLAG_EMPTY) };
        if self.n == 1 {
            let mut out = header(2, 2, FLAG_SINGLE | sorted);
            low.save(&mut out);
            return out;
        }
        let mut out = header(5, 1, sorted);
        out.extend(self.n.to_le_bytes());
        out.extend(self.k_least.to_le_bytes());
        out.extend([self.levels.len() as u8, 0]);
        let mut start = self.capacity() - self.retained();
        for level in &self.levels {
            out.extend((start as u32).to_le_bytes());
            start += level.len();
        }
        low.save(&mut out);
        high.save(&mut out);
        self.levels.iter().flatten().for_each(|item| item.save(&mut out));
        out
    }

    /// The sketch of these bytes, `None` if they are no compact sketch of this kind.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader(bytes);
        let [ints, version, family, flags, k0, k1, m, _] = reader.array()?;
        let k = u16::from_le_bytes([k0, k1]);
        if family != FAMILY || m as usize != M || k < K_MIN {
            return None;
        }
        let mut sketch = Self::new(k);
        sketch.is_level_zero_sorted = flags & FLAG_LEVEL_ZERO_SORTED != 0;
        match (ints, version) {
            (2, 1) if flags & FLAG_EMPTY != 0 => {}
            (2, 2) => {
                let item = T::load(reader.bytes(T::BYTES)?).filter(|x| x.is_number())?;
                sketch.levels[0].push_front(item);
                (sketch.n, sketch.range) = (1, Some((item, item)));
            }
            (5, 1) => sketch.read(&mut reader)?,
            _ => return None,
        }
        Some(sketch)
    }

    fn read(&mut self, reader: &mut Reader<'_>) -> Option<()> {
        self.n = reader.u64()?;
        self.k_least = reader.u16()?;
        let [count, _] = reader.array()?;
        if !(1..=LEVELS_MAX).contains(&count.into()) || self.k_least < K_MIN || self.k_least > self.k {
            return None;
        }
        let starts = (0..count).map(|_| reader.u32()).collect::<Option<Vec<_>>>()?;
        let mut number = || T::load(reader.bytes(T::BYTES)?).filter(|x| x.is_number());
        let range = (number()?, number()?);
        self.levels = vec![VecDeque::new(); count.into()];
        let end = self.capacity() as u32;
        let ends = starts.iter().copied().skip(1).chain([end]);
        let mut weight = 0_u64;
        for ((level, start), end) in self.levels.iter_mut().zip(&starts).zip(ends).map(|((l, s), e)| ((l, *s), e)) {
            *level = (0..end.checked_sub(start)?).map(|_| number()).collect::<Option<_>>()?;
        }
        for (i, level) in self.levels.iter().enumerate() {
            weight = weight.checked_add((level.len() as u64).checked_shl(i as u32)?)?;
        }
        self.range = Some(range);
        (weight == self.n && self.n < 1 << 60).then_some(())
    }

    fn widen(&mut self, low: T, high: T) {
        self.range = Some(match self.range {
            None => (low, high),
            Some((l, h)) => (if low.less(l) { low } else { l }, if h.less(high) { high } else { h }),
        });
    }

    /// Items of one level, which shrink by a third a level from the top down.
    fn level_capacity(&self, height: usize) -> usize {
        let depth = self.levels.len() - height - 1;
        let part = |k: usize, depth: usize| ((((k * 2) << depth) as u128 / 3_u128.pow(depth as u32)) as usize + 1) >> 1;
        let k = usize::from(self.k);
        let aux = if depth <= 30 { part(k, depth) } else { part(part(k, depth / 2), depth - depth / 2) };
        aux.max(M)
    }

    /// Halves the lowest full level.
    fn compact(&mut self) {
        let full = (0..self.levels.len()).find(|&i| self.levels[i].len() >= self.level_capacity(i));
        let level = full.unwrap_or(0);
        if level + 1 == self.levels.len() {
            self.levels.push(VecDeque::new());
        }
        let mut items: Vec<T> = core::mem::take(&mut self.levels[level]).into();
        let odd = if items.len() % 2 == 1 { Some(items.remove(0)) } else { None };
        if level == 0 {
            items.sort_unstable_by(order);
        }
        let start = self.random_bit();
        let half: VecDeque<T> = items.into_iter().skip(start).step_by(2).collect();
        self.levels[level + 1] = merged(&half, &self.levels[level + 1]);
        self.levels[level].extend(odd);
    }

    fn random_bit(&mut self) -> usize {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        (self.random & 1) as usize
    }

    /// All items ascending with the number of values each stands for.
    fn weighted(&self) -> Vec<(T, u64)> {
        let levels = self.levels.iter().enumerate();
        let all: Vec<_> = levels.flat_map(|(i, level)| level.iter().map(move |&v| (v, 1_u64 << i))).collect();
        let mut positions: Vec<usize> = (0..all.len()).collect();
        sort_rows(&mut positions, &|a, b| order(&all[a].0, &all[b].0));
        positions.into_iter().map(|i| all[i]).collect()
    }
}

fn order<T: Number>(a: &T, b: &T) -> core::cmp::Ordering {
    b.less(*a).cmp(&a.less(*b))
}

/// Two ascending lists as one.
fn merged<T: Number>(a: &VecDeque<T>, b: &VecDeque<T>) -> VecDeque<T> {
    let (mut a, mut b) = (a.iter().peekable(), b.iter().peekable());
    let next = || match (a.peek(), b.peek()) {
        (Some(x), Some(y)) if y.less(**x) => b.next(),
        (Some(_), _) => a.next(),
        _ => b.next(),
    };
    core::iter::from_fn(next).copied().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sketch::testing::unhex;

    fn of<T: Number>(values: impl IntoIterator<Item = T>, k: u16) -> Kll<T> {
        let mut sketch = Kll::new(k);
        values.into_iter().for_each(|v| sketch.update(v));
        sketch
    }

    #[test]
    fn bytes_are_those_of_spark() {
        fn check<T: Number>(sketch: Kll<T>, hex: &str) {
            assert_eq!(sketch.to_bytes(), unhex(hex));
            assert_eq!(Kll::<T>::from_bytes(&unhex(hex)).unwrap().to_bytes(), unhex(hex));
        }
        check(of([0_f64; 0], 200), "02010F01C8000800");
        check(of([1.0, f64::NAN], 200), "02020F04C8000800000000000000F03F");
        check(
            of([9.0_f32, 2.5, 1.5], 200),
            "05010F00C80008000300000000000000C8000100C50000000000C03F000010410000C03F0000204000001041",
        );
        let longs = |v: &[i64]| v.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<_>>();
        let mut bytes = unhex("05010F000800080008000000000000000800010000000000");
        bytes.extend(longs(&[0, 7, 7, 6, 5, 4, 3, 2, 1, 0]));
        assert_eq!(of(0..8_i64, 8).to_bytes(), bytes);
    }

    #[test]
    fn answers_are_those_of_spark() {
        let sketch = of(0..10_i64, 200);
        let quantiles = [0.0, 0.1, 0.5, 0.9, 1.0].map(|r| sketch.quantile(r).unwrap());
        assert_eq!(quantiles, [0, 0, 4, 8, 9]);
        assert_eq!([5, 0, 3, 100].map(|v| sketch.rank(v).unwrap()), [0.6, 0.1, 0.4, 1.0]);
        assert_eq!(Kll::<i64>::new(200).quantile(0.5), None);
    }

    #[test]
    fn merged_small_sketches_are_those_of_spark() {
        let mut merged = of(0..4_i64, 200);
        merged.merge(&of((0..4).map(|i| i * 2), 200));
        let items: Vec<i64> = merged.levels[0].iter().copied().collect();
        assert_eq!((items, merged.n()), ([0, 2, 4, 6, 3, 2, 1, 0].into(), 8));
    }

    #[test]
    fn many_values_stay_within_the_error() {
        let mut halves = [Kll::new(200), Kll::new(200)];
        (0..100_000_i64).for_each(|i| halves[(i % 2) as usize].update(i * 7919 % 100_003));
        let [mut whole, other] = halves;
        whole.merge(&other);
        assert_eq!(whole.n(), 100_000);
        assert!(whole.retained() < 1000, "{} kept", whole.retained());
        for rank in [0.01, 0.25, 0.5, 0.9, 0.99] {
            let value = whole.quantile(rank).unwrap() as f64 / 100_003.0;
            assert!((value - rank).abs() < 0.02, "{rank}: {value}");
        }
        let bytes = whole.to_bytes();
        assert_eq!(Kll::<i64>::from_bytes(&bytes).unwrap().to_bytes(), bytes);
    }

    #[test]
    fn corrupt_bytes_are_no_sketch() {
        for n in [1, 5, 3000] {
            let bytes = of(0..n as i64, 8).to_bytes();
            for i in 0..bytes.len() {
                assert_eq!(Kll::<i64>::from_bytes(&bytes[..i]), None, "cut at {i}");
                let mut bent = bytes.clone();
                bent[i] ^= 0xff;
                if let Some(mut sketch) = Kll::<i64>::from_bytes(&bent) {
                    (0..100).for_each(|x| sketch.update(x));
                    let _ = (sketch.quantile(0.5), sketch.rank(3), sketch.to_bytes());
                }
            }
        }
    }
}
