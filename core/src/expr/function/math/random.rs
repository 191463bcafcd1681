//! Chance: rand, randn, uuid.
//!
//! With a seed the numbers are Spark's for one partition: they begin anew with every epoch, as Spark's do with every
//! micro-batch. Without a seed they go on through all epochs from a seed that no two calls share.

use alloc::string::String;
use core::{
    fmt::Write,
    sync::atomic::{AtomicI64, AtomicU64, Ordering},
};

use super::super::{Call, Function};
use crate::{
    block::{Column, ColumnRef, Rows},
    error::Result,
    expr::{BoundExpr, EvalContext, ScalarFunction},
    hash::xxhash64::hash_long,
    schema::DataType,
};

pub(in super::super) const FUNCTIONS: &[Function] = &[
    Function { names: &["rand", "random"], bind: |call| numbers(call, Draw::Uniform) },
    Function { names: &["randn"], bind: |call| numbers(call, Draw::Normal) },
    Function { names: &["uuid"], bind: |call| numbers(call, Draw::Uuid) },
];

#[derive(Clone, Copy, Debug)]
enum Draw {
    /// In 0 to 1.
    Uniform,
    /// Of the standard normal distribution.
    Normal,
    /// Version 4.
    Uuid,
}

/// Tells calls without a seed apart. The count alone, nothing else hangs on it, so no ordering is needed.
static CALLS: AtomicU64 = AtomicU64::new(0);

fn numbers(mut call: Call<'_>, draw: Draw) -> Result<BoundExpr> {
    call.arity(0..=1)?;
    let mut seed = None;
    if call.args.len() == 1 {
        call.coerce(0, &DataType::Int64)?;
        seed = Some(call.required_constant(0)?.as_i64().unwrap_or(0));
        call.args.clear();
    }
    let data_type = if matches!(draw, Draw::Uuid) { DataType::String } else { DataType::Float64 };
    let nth_call = CALLS.fetch_add(1, Ordering::Relaxed);
    let random =
        Random { name: call.name, draw, seed, nth_call, state: AtomicU64::new(0), epoch: AtomicI64::new(i64::MIN) };
    Ok(call.finish(random, data_type)?.nullable(false))
}

#[derive(Debug)]
struct Random {
    name: &'static str,
    draw: Draw,
    seed: Option<i64>,
    nth_call: u64,
    /// Where the generator stands. Workers that share a call may draw the same numbers, no worse.
    state: AtomicU64,
    /// The epoch it was seeded in.
    epoch: AtomicI64,
}

impl ScalarFunction for Random {
    fn name(&self) -> &'static str {
        self.name
    }

    fn parameters(&self) -> String {
        let mut text = String::new();
        // Writing to a String cannot fail.
        let _ = match self.seed {
            Some(seed) => write!(text, "{seed}"),
            None => write!(text, "call {}", self.nth_call),
        };
        text
    }

    fn is_deterministic(&self) -> bool {
        false
    }

    fn eval(&self, cx: &EvalContext, _: &[ColumnRef<'_>], rows: &Rows<'_>, out: &mut Column) -> Result<()> {
        let mut generator = self.generator(cx);
        for _ in 0..rows.len() {
            match self.draw {
                Draw::Uniform => out.push(generator.uniform()),
                Draw::Normal => out.push(generator.normal()),
                Draw::Uuid => out.push_str(&generator.uuid()),
            }
        }
        self.state.store(generator.state, Ordering::Relaxed);
        Ok(())
    }
}

impl Random {
    fn generator(&self, cx: &EvalContext) -> Generator {
        let last_epoch = self.epoch.swap(cx.now_us, Ordering::Relaxed);
        match self.seed {
            Some(seed) if last_epoch != cx.now_us => Generator::new(seed),
            None if last_epoch == i64::MIN => Generator::new(hash_long(cx.now_us, self.nth_call) as i64),
            _ => Generator { state: self.state.load(Ordering::Relaxed), spare: None },
        }
    }
}

/// Spark's `XORShiftRandom`.
struct Generator {
    state: u64,
    /// Normal numbers come in pairs.
    spare: Option<f64>,
}

impl Generator {
    /// The seed is hashed, because xorshift leaves seeds with few bits slowly.
    fn new(seed: i64) -> Self {
        const ARRAY_SEED: u32 = 0x3c07_4a61;
        let bytes = seed.to_be_bytes();
        let low = murmur3(&bytes, ARRAY_SEED);
        let high = murmur3(&bytes, low);
        Self { state: u64::from(high) << 32 | u64::from(low), spare: None }
    }

    fn bits(&mut self, count: u32) -> u64 {
        let mut x = self.state;
        x ^= x << 21;
        x ^= x >> 35;
        x ^= x << 4;
        self.state = x;
        x & ((1 << count) - 1)
    }

    fn uniform(&mut self) -> f64 {
        let high = self.bits(26) << 27;
        (high + self.bits(27)) as f64 * (1.0 / (1_u64 << 53) as f64)
    }

    /// Marsaglia's polar method, as Java has it.
    fn normal(&mut self) -> f64 {
        if let Some(spare) = self.spare.take() {
            return spare;
        }
        loop {
            let (x, y) = (2.0 * self.uniform() - 1.0, 2.0 * self.uniform() - 1.0);
            let square = x * x + y * y;
            if square < 1.0 && square != 0.0 {
                let factor = libm::sqrt(-2.0 * libm::log(square) / square);
                self.spare = Some(y * factor);
                return x * factor;
            }
        }
    }

    fn uuid(&mut self) -> String {
        let mut half = || self.bits(32) << 32 | self.bits(32);
        let high = half() & 0xffff_ffff_ffff_0fff | 0x4000;
        let low = half() & 0x3fff_ffff_ffff_ffff | 0x8000_0000_0000_0000;
        let mut text = String::with_capacity(36);
        let (a, b, c) = (high >> 32, high >> 16 & 0xffff, high & 0xffff);
        // Writing to a String cannot fail.
        let _ = write!(text, "{a:08x}-{b:04x}-{c:04x}-{:04x}-{:012x}", low >> 48, low & 0xffff_ffff_ffff);
        text
    }
}

/// Murmur3 of 8 bytes as Scala's library has it.
fn murmur3(bytes: &[u8; 8], seed: u32) -> u32 {
    let (words, _) = bytes.as_chunks::<4>();
    let mut hash = words.iter().fold(seed, |hash, word| {
        let word = u32::from_le_bytes(*word).wrapping_mul(0xcc9e_2d51).rotate_left(15).wrapping_mul(0x1b87_3593);
        (hash ^ word).rotate_left(13).wrapping_mul(5).wrapping_add(0xe654_6b64)
    });
    hash ^= bytes.len() as u32;
    hash = (hash ^ (hash >> 16)).wrapping_mul(0x85eb_ca6b);
    hash = (hash ^ (hash >> 13)).wrapping_mul(0xc2b2_ae35);
    hash ^ (hash >> 16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeded_numbers_are_spark_s() {
        assert_eq!(Generator::new(5).uniform(), 0.023_906_964_275_028_92);
        assert_eq!(Generator::new(0).uniform(), 0.760_495_375_828_591_5);
        assert_eq!(Generator::new(5).normal(), 1.529_849_647_724_301_5);
    }

    #[test]
    fn uuids_are_of_version_4() {
        let mut generator = Generator::new(7);
        for _ in 0..100 {
            let uuid = generator.uuid();
            let parts: alloc::vec::Vec<_> = uuid.split('-').map(str::len).collect();
            assert_eq!(parts, [8, 4, 4, 4, 12]);
            assert!(uuid[14..].starts_with('4') && ['8', '9', 'a', 'b'].contains(&uuid.as_bytes()[19].into()));
        }
    }
}
