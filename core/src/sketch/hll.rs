//! HyperLogLog with a byte a register (DataSketches' HLL_8), in three forms that a growing sketch passes through:
//!
//! ```text
//!   List ── 8 coupons ──► Set (lg_k >= 8) ── 3/4 full at 2^(lg_k-3) ──► Dense
//!     └───────── 8 coupons, lg_k < 8 ───────────────────────────────────►
//!
//!   byte   0        1        2       3     4       5      6              7
//!        preamble  serial  family   lg_k  lg of   flags  list: count    mode | HLL_8
//!        ints      version   7            slots          dense: least
//!   List  @8 slots, 4 bytes each       Set  @8 count, @12 slots
//!   Dense @8 hip, @16 kxq0, @24 kxq1 (doubles), @32 registers at the least value, @40 registers
//! ```
//! A coupon is 26 bits of address and 6 bits of rank. While values arrive one by one the dense form estimates by
//! historical inverse probability (`hip`); merging loses that history (`is_out_of_order`), and the estimate is made
//! of the registers alone.

use alloc::{borrow::Cow, boxed::Box, vec, vec::Vec};

use super::{Item, Reader, hll_tables as tables};

/// Least lg_k.
pub const LG_K_MIN: u8 = 4;
/// Most lg_k.
pub const LG_K_MAX: u8 = 21;
/// DataSketches' default lg_k.
pub const LG_K_DEFAULT: u8 = 12;

const ADDRESS: u32 = (1 << 26) - 1;
const LIST_SLOTS: usize = 8;
const LG_SET_SLOTS: u32 = 5;

const SERIAL_VERSION: u8 = 1;
const FAMILY: u8 = 7;
const FLAG_EMPTY: u8 = 4;
const FLAG_COMPACT: u8 = 8;
const FLAG_OUT_OF_ORDER: u8 = 16;
const MODE_LIST: u8 = 8;
const MODE_SET: u8 = 9;
const MODE_DENSE: u8 = 10;

/// A sketch.
#[derive(Clone, Debug, PartialEq)]
pub struct Hll {
    lg_k: u8,
    form: Form,
}

#[derive(Clone, Debug, PartialEq)]
enum Form {
    /// Coupons in order of arrival.
    List(Vec<u32>),
    Set(Set),
    Dense(Dense),
}

/// An open hash table of coupons; zero is an empty slot. Its order is part of the bytes.
#[derive(Clone, Debug, PartialEq)]
struct Set {
    slots: Vec<u32>,
    count: usize,
}

#[derive(Clone, Debug, PartialEq)]
struct Dense {
    registers: Box<[u8]>,
    /// Estimate by historical inverse probability.
    hip: f64,
    /// Sum of the inverse powers of two of the registers below 32.
    kxq0: f64,
    /// The same of the others, apart for precision.
    kxq1: f64,
    /// The least register, where a merge has looked for it.
    least: u8,
    /// Registers of the least value.
    at_least: u32,
    is_out_of_order: bool,
    /// The sums and the least register are those of before a merge. They are rebuilt when asked for, as the Java
    /// library does: coupons that come in between add to `hip` by the old sums.
    is_stale: bool,
}

impl Hll {
    /// An empty sketch of `2^lg_k` registers.
    pub fn new(lg_k: u8) -> Self {
        assert!((LG_K_MIN..=LG_K_MAX).contains(&lg_k), "lg_k {lg_k}");
        Self { lg_k, form: Form::List(Vec::new()) }
    }

    /// lg of the number of registers.
    pub fn lg_k(&self) -> u8 {
        self.lg_k
    }

    /// Counts a value.
    #[inline]
    pub fn update(&mut self, item: Item<'_>) {
        if let Some((h1, h2)) = item.hash() {
            let rank = h2.leading_zeros().min(62) + 1;
            self.add((h1 as u32 & ADDRESS) | (rank << 26));
        }
    }

    /// Adds another sketch; the result has at most `2^lg_k_max` registers. Coupons are entered in the other's order, so
    /// that the slots of sets come out as the Java library has them.
    pub fn union(&mut self, other: &Self, lg_k_max: u8) {
        match &other.form {
            Form::List(coupons) => coupons.iter().for_each(|&c| self.add(c)),
            Form::Set(_) if self.is_empty() && self.lg_k == other.lg_k => *self = other.clone(),
            Form::Set(set) => set.coupons().for_each(|c| self.add(c)),
            Form::Dense(dense) => self.union_dense(dense, other.lg_k, lg_k_max),
        }
    }

    /// How many distinct values were counted.
    pub fn estimate(&self) -> f64 {
        match &self.form {
            Form::List(coupons) => coupon_estimate(coupons.len()),
            Form::Set(set) => coupon_estimate(set.count),
            Form::Dense(dense) if dense.is_out_of_order => dense.fresh().composite_estimate(self.lg_k),
            Form::Dense(dense) => dense.hip,
        }
    }

    /// True before any value.
    pub fn is_empty(&self) -> bool {
        matches!(&self.form, Form::List(coupons) if coupons.is_empty())
    }

    /// Memory outside of the sketch itself.
    pub fn heap(&self) -> usize {
        match &self.form {
            Form::List(coupons) => coupons.capacity() * size_of::<u32>(),
            Form::Set(set) => set.slots.capacity() * size_of::<u32>(),
            Form::Dense(dense) => dense.registers.len(),
        }
    }

    /// The updatable bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let header = |ints, lg_slots, flags, byte6, mode| {
            vec![ints, SERIAL_VERSION, FAMILY, self.lg_k, lg_slots, flags, byte6, mode]
        };
        let mut out;
        match &self.form {
            Form::List(coupons) => {
                let flags = if coupons.is_empty() { FLAG_EMPTY } else { 0 };
                out = header(2, 3, flags, coupons.len() as u8, MODE_LIST);
                coupons.iter().for_each(|c| out.extend(c.to_le_bytes()));
                out.resize(8 + LIST_SLOTS * 4, 0);
            }
            Form::Set(set) => {
                out = header(3, set.slots.len().ilog2() as u8, 0, 0, MODE_SET);
                out.extend((set.count as u32).to_le_bytes());
                set.slots.iter().for_each(|c| out.extend(c.to_le_bytes()));
            }
            Form::Dense(dense) => {
                let dense = dense.fresh();
                let flags = if dense.is_out_of_order { FLAG_OUT_OF_ORDER } else { 0 };
                out = header(10, 0, flags, dense.least, MODE_DENSE);
                [dense.hip, dense.kxq0, dense.kxq1].iter().for_each(|x| out.extend(x.to_le_bytes()));
                out.extend(dense.at_least.to_le_bytes());
                out.extend([0; 4]);
                out.extend_from_slice(&dense.registers);
            }
        }
        out
    }

    /// The sketch of these bytes, updatable or compact; `None` if they are not an HLL_8 sketch.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader(bytes);
        let [ints, version, family, lg_k, lg_slots, flags, byte6, mode] = reader.array()?;
        if version != SERIAL_VERSION || family != FAMILY || !(LG_K_MIN..=LG_K_MAX).contains(&lg_k) {
            return None;
        }
        let is_compact = flags & FLAG_COMPACT != 0;
        let form = match (mode, ints) {
            (MODE_LIST, 2) => read_list(&mut reader, byte6)?,
            (MODE_SET, 3) => read_set(&mut reader, lg_slots, lg_k, is_compact)?,
            (MODE_DENSE, 10) => Form::Dense(Dense::read(&mut reader, lg_k, byte6, flags)?),
            _ => return None,
        };
        Some(Self { lg_k, form })
    }

    fn add(&mut self, coupon: u32) {
        match &mut self.form {
            Form::List(coupons) => {
                if !coupons.contains(&coupon) {
                    coupons.push(coupon);
                    self.grow_list();
                }
            }
            Form::Set(set) => {
                if set.insert(coupon) {
                    self.grow_set();
                }
            }
            Form::Dense(dense) => dense.add(coupon),
        }
    }

    fn grow_list(&mut self) {
        let Form::List(coupons) = &self.form else { return };
        if coupons.len() < LIST_SLOTS {
            return;
        }
        if self.lg_k < 8 {
            return self.densify();
        }
        let mut set = Set::new(LG_SET_SLOTS);
        coupons.iter().for_each(|&c| {
            set.insert(c);
        });
        self.form = Form::Set(set);
    }

    fn grow_set(&mut self) {
        let Form::Set(set) = &mut self.form else { return };
        if 4 * set.count <= 3 * set.slots.len() {
            return;
        }
        let lg_slots = set.slots.len().ilog2();
        if lg_slots == u32::from(self.lg_k) - 3 {
            return self.densify();
        }
        let mut larger = Set::new(lg_slots + 1);
        set.coupons().for_each(|c| {
            larger.insert(c);
        });
        *set = larger;
    }

    /// Turns coupons into registers; the estimate so far is where `hip` starts.
    fn densify(&mut self) {
        let hip = self.estimate();
        let mut dense = Dense::new(self.lg_k);
        match &self.form {
            Form::List(coupons) => coupons.iter().for_each(|&c| dense.add(c)),
            Form::Set(set) => set.coupons().for_each(|c| dense.add(c)),
            Form::Dense(_) => return,
        }
        dense.hip = hip;
        self.form = Form::Dense(dense);
    }

    fn union_dense(&mut self, other: &Dense, other_lg_k: u8, lg_k_max: u8) {
        if let Form::Dense(own) = &mut self.form {
            if other_lg_k < self.lg_k {
                *own = own.downsampled(other_lg_k);
                self.lg_k = other_lg_k;
            }
            return own.merge(other);
        }
        // Few coupons here: they go into a copy of the other.
        let lg_k = other_lg_k.min(lg_k_max);
        let copy = if lg_k < other_lg_k { other.downsampled(lg_k) } else { other.clone() };
        let coupons = core::mem::replace(self, Self { lg_k, form: Form::Dense(copy) });
        match coupons.form {
            Form::List(coupons) => coupons.into_iter().for_each(|c| self.add(c)),
            Form::Set(set) => set.coupons().for_each(|c| self.add(c)),
            Form::Dense(_) => unreachable!("handled above"),
        }
    }
}

fn read_list(reader: &mut Reader<'_>, count: u8) -> Option<Form> {
    let count = usize::from(count);
    let coupons = (0..count).map(|_| reader.u32().filter(|&c| c != 0)).collect::<Option<Vec<_>>>()?;
    (count < LIST_SLOTS).then_some(Form::List(coupons))
}

fn read_set(reader: &mut Reader<'_>, lg_slots: u8, lg_k: u8, is_compact: bool) -> Option<Form> {
    let count = reader.u32()? as usize;
    if lg_slots > lg_k.saturating_sub(3) || u32::from(lg_slots) < LG_SET_SLOTS || 4 * count > 3 << lg_slots {
        return None;
    }
    let slots = if is_compact { count } else { 1 << lg_slots };
    let coupons = reader.bytes(slots * 4)?.as_chunks::<4>().0.iter().map(|c| u32::from_le_bytes(*c));
    let set = if is_compact {
        let mut set = Set::new(lg_slots.into());
        coupons.for_each(|c| {
            set.insert(c);
        });
        set
    } else {
        // The order of the slots is part of the bytes; entering the coupons again could change it.
        let slots: Vec<u32> = coupons.collect();
        let count = slots.iter().filter(|&&c| c != 0).count();
        Set { slots, count }
    };
    (set.count == count).then_some(Form::Set(set))
}

impl Set {
    fn new(lg_slots: u32) -> Self {
        Self { slots: vec![0; 1 << lg_slots], count: 0 }
    }

    /// Enters a coupon, tells whether it is new. The table is never full.
    fn insert(&mut self, coupon: u32) -> bool {
        let mask = self.slots.len() - 1;
        let stride = ((coupon & ADDRESS) >> self.slots.len().ilog2()) as usize | 1;
        let mut probe = coupon as usize & mask;
        while self.slots[probe] != 0 {
            if self.slots[probe] == coupon {
                return false;
            }
            probe = (probe + stride) & mask;
        }
        self.slots[probe] = coupon;
        self.count += 1;
        true
    }

    fn coupons(&self) -> impl Iterator<Item = u32> + '_ {
        self.slots.iter().copied().filter(|&c| c != 0)
    }
}

impl Dense {
    fn new(lg_k: u8) -> Self {
        let k = 1_u32 << lg_k;
        let registers = vec![0; k as usize].into();
        Self {
            registers,
            hip: 0.0,
            kxq0: k.into(),
            kxq1: 0.0,
            least: 0,
            at_least: k,
            is_out_of_order: false,
            is_stale: false,
        }
    }

    fn add(&mut self, coupon: u32) {
        let (slot, new) = (coupon as usize & (self.registers.len() - 1), (coupon >> 26) as u8);
        let old = self.registers[slot];
        if new <= old {
            return;
        }
        self.registers[slot] = new;
        self.hip += self.registers.len() as f64 / (self.kxq0 + self.kxq1);
        *self.kxq(old) -= inverse_power(old);
        *self.kxq(new) += inverse_power(new);
        if old == 0 {
            self.at_least = self.at_least.saturating_sub(1);
        }
    }

    fn kxq(&mut self, rank: u8) -> &mut f64 {
        if rank < 32 { &mut self.kxq0 } else { &mut self.kxq1 }
    }

    /// Takes the greater of each register; `other` may have more of them.
    fn merge(&mut self, other: &Self) {
        let mask = self.registers.len() - 1;
        for (i, &rank) in other.registers.iter().enumerate() {
            let own = &mut self.registers[i & mask];
            *own = (*own).max(rank);
        }
        self.is_out_of_order = true;
        self.hip = 0.0;
        self.is_stale = true;
    }

    /// This, with what is derived from the registers rebuilt after a merge.
    fn fresh(&self) -> Cow<'_, Self> {
        match self.is_stale {
            true => {
                let mut copy = self.clone();
                copy.recount();
                Cow::Owned(copy)
            }
            false => Cow::Borrowed(self),
        }
    }

    fn recount(&mut self) {
        self.is_stale = false;
        (self.kxq0, self.kxq1) = (self.registers.len() as f64, 0.0);
        for i in 0..self.registers.len() {
            let rank = self.registers[i];
            if rank > 0 {
                *self.kxq(rank) += inverse_power(rank) - 1.0;
            }
        }
        self.least = self.registers.iter().copied().min().unwrap_or(0);
        self.at_least = self.registers.iter().filter(|&&r| r == self.least).count() as u32;
    }

    fn downsampled(&self, lg_k: u8) -> Self {
        let mut small = Self::new(lg_k);
        let coupons = self.registers.iter().enumerate().filter(|(_, r)| **r > 0);
        coupons.for_each(|(slot, &rank)| small.add(slot as u32 | (u32::from(rank) << 26)));
        small.hip = self.hip;
        small.is_out_of_order = self.is_out_of_order;
        small
    }

    fn read(reader: &mut Reader<'_>, lg_k: u8, least: u8, flags: u8) -> Option<Self> {
        let (hip, kxq0, kxq1) = (reader.f64()?, reader.f64()?, reader.f64()?);
        let (at_least, _) = (reader.u32()?, reader.u32()?);
        let registers = reader.bytes(1 << lg_k)?;
        let is_sane = registers.iter().all(|&r| r <= 63) && at_least <= 1 << lg_k && hip >= 0.0;
        let is_out_of_order = flags & FLAG_OUT_OF_ORDER != 0;
        let registers = registers.into();
        let dense = Self { registers, hip, kxq0, kxq1, least, at_least, is_out_of_order, is_stale: false };
        is_sane.then_some(dense)
    }

    /// The estimate from the registers alone: a raw one, corrected by a measured curve, or linear counting.
    fn composite_estimate(&self, lg_k: u8) -> f64 {
        let k = f64::from(1_u32 << lg_k);
        let raw = correction(lg_k) * k * k / (self.kxq0 + self.kxq1);
        let (curve, stride) = tables::curve(lg_k);
        let (first, last) = (curve[0], curve[curve.len() - 1]);
        if raw < first {
            return 0.0;
        }
        let top = stride * (curve.len() - 1) as f64;
        if raw > last {
            return raw * (top / last);
        }
        let adjusted = if raw == last { top } else { interpolate(curve, |i| stride * i as f64, raw) };
        if adjusted > 3.0 * k {
            return adjusted;
        }
        let linear = self.linear_estimate(k);
        let crossover = match lg_k {
            4 => 0.718,
            5 => 0.672,
            _ => 0.64,
        };
        if (adjusted + linear) / 2.0 > crossover * k { adjusted } else { linear }
    }

    fn linear_estimate(&self, k: f64) -> f64 {
        let zeros = if self.least == 0 { self.at_least } else { 0 };
        match zeros {
            0 => k * libm::log(k / 0.5),
            zeros => k * (harmonic(k as u32) - harmonic(zeros)),
        }
    }
}

fn correction(lg_k: u8) -> f64 {
    match lg_k {
        4 => 0.673,
        5 => 0.697,
        6 => 0.709,
        lg_k => 0.7213 / (1.0 + 1.079 / f64::from(1_u32 << lg_k)),
    }
}

/// `2^-rank`, exactly.
fn inverse_power(rank: u8) -> f64 {
    f64::from_bits((1023 - u64::from(rank)) << 52)
}

/// Distinct values behind so many distinct coupons.
fn coupon_estimate(coupons: usize) -> f64 {
    let x = coupons as f64;
    let y = |i: usize| tables::COUPON_ESTIMATES[i];
    interpolate(&tables::COUPONS, y, x).max(x)
}

/// The cubic through the four points around `x`, which lies below the last.
fn interpolate(xs: &[f64], y: impl Fn(usize) -> f64, x: f64) -> f64 {
    let straddle = xs.partition_point(|&p| p <= x).saturating_sub(1);
    let start = straddle.saturating_sub(1).min(xs.len() - 4);
    let mut sum = 0.0;
    for i in start..start + 4 {
        let others = || (start..start + 4).filter(|&j| j != i);
        let over: f64 = others().map(|j| x - xs[j]).product();
        let under: f64 = others().map(|j| xs[i] - xs[j]).product();
        sum += y(i) * over / under;
    }
    sum
}

/// The sum of `1/i` up to `n`.
fn harmonic(n: u32) -> f64 {
    const EULER_MASCHERONI: f64 = 0.577_215_664_901_532_9;
    if n < 25 {
        return (1..=n).map(|i| 1.0 / f64::from(i)).sum();
    }
    let x = f64::from(n);
    let square = 1.0 / (x * x);
    let tail = square * (1.0 / 12.0 - square * (1.0 / 120.0 - square * (1.0 / 252.0 - square / 240.0)));
    libm::log(x) + EULER_MASCHERONI + 1.0 / (2.0 * x) - tail
}

#[cfg(test)]
#[path = "hll_tests.rs"]
mod tests;
