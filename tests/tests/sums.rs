//! `SET firesteel.sum = compensated` against exact arithmetic: sums and means of DOUBLE and FLOAT are within one unit
//! in the last place, however much of them cancels out (up to 10^8 times the sum), in whatever order, blocks, windows,
//! groups and workers they are added up, with the same bits on every instruction set.
#![allow(clippy::unwrap_used, reason = "what cannot be set up has failed")]

use firesteel::{Session, Value};
use firesteel_core::simd::Level;
use proptest::{collection::vec, prelude::*, sample::select};

const LIMBS: usize = 70;
/// How many times the sum its terms may be.
const CONDITION_MAX: f64 = 1e8;

/// A sum of doubles with all of its bits: digits to the base of 2^32, the first one worth 2^-1074.
#[derive(Clone)]
struct Exact([i64; LIMBS]);

impl Exact {
    fn of(values: impl IntoIterator<Item = f64>) -> Self {
        let mut sum = Self([0; LIMBS]);
        values.into_iter().for_each(|value| sum.add(value));
        sum
    }

    fn add(&mut self, value: f64) {
        let bits = value.to_bits();
        let (exponent, fraction) = (bits >> 52 & 0x7ff, bits & ((1 << 52) - 1));
        let mantissa = if exponent == 0 { fraction } else { fraction | 1 << 52 };
        let at = exponent.saturating_sub(1) as usize;
        let digits = u128::from(mantissa) << (at % 32);
        for i in 0..3 {
            let digit = (digits >> (32 * i)) as u32;
            self.0[at / 32 + i] += if value < 0.0 { -i64::from(digit) } else { i64::from(digit) };
        }
    }

    /// Nearly the sum: its first fifty bits or so.
    fn approximate(&self) -> f64 {
        let mut digits = self.0;
        for i in 0..LIMBS - 1 {
            digits[i + 1] += digits[i] >> 32;
            digits[i] &= 0xffff_ffff;
        }
        let mut sum = 0.0;
        for (i, &digit) in digits.iter().enumerate().rev() {
            sum = sum * 4_294_967_296.0 + digit as f64;
            if f64::abs(sum) >= 2_f64.powi(60) {
                return sum * 2_f64.powi(32 * i as i32 - 1_022) * 2_f64.powi(-52);
            }
        }
        sum * 2_f64.powi(-1_022) * 2_f64.powi(-52)
    }

    /// By how many units in its last place `result`, so many times, misses the sum.
    fn misses(&self, result: f64, times: usize) -> f64 {
        let mut rest = self.clone();
        (0..times).for_each(|_| rest.add(-result));
        let unit = result.abs().next_up() - result.abs();
        f64::abs(rest.approximate()) / unit / times as f64
    }
}

/// Terms of all sizes that nearly cancel out: what is left is 10^-`digits` of them.
fn terms(values: Vec<(f64, i32)>, digits: i32) -> Vec<f64> {
    let mut terms: Vec<f64> = values.into_iter().map(|(value, exponent)| value * 2_f64.powi(exponent)).collect();
    let all = Exact::of(terms.iter().copied());
    let size: f64 = terms.iter().map(|term| term.abs()).sum();
    terms.insert(terms.len() / 3, -all.approximate());
    terms.insert(terms.len() / 2, size / 10_f64.powi(digits));
    terms
}

fn condition(terms: &[f64]) -> f64 {
    terms.iter().map(|term| term.abs()).sum::<f64>() / f64::abs(Exact::of(terms.iter().copied()).approximate())
}

/// How a query is run.
#[derive(Clone, Debug)]
struct How {
    block_rows: usize,
    workers: usize,
    level: Level,
    has_nulls: bool,
}

fn how() -> impl Strategy<Value = How> {
    (select(vec![1, 7, 64, 4096]), 1..4_usize, select(Level::available().collect::<Vec<_>>()), any::<bool>())
        .prop_map(|(block_rows, workers, level, has_nulls)| How { block_rows, workers, level, has_nulls })
}

/// The answer to a query over rows `{ts, id, value}`, a millisecond apart.
fn ask(sql: &str, kind: &str, terms: &[f64], keys: usize, how: &How) -> Vec<Vec<Value>> {
    how.level.force();
    let session = Session::builder()
        .config("firesteel.sum", "compensated")
        .config("firesteel.blockRows", how.block_rows)
        .config("firesteel.workers", how.workers)
        .build()
        .unwrap();
    let table = session.create_memory_table("t", format!("ts TIMESTAMP, id INT, value {kind}").as_str()).unwrap();
    let value = |term: f64| if kind == "FLOAT" { Value::Float32(term as f32) } else { Value::Float64(term) };
    let mut rows = Vec::new();
    for (i, &term) in terms.iter().enumerate() {
        let head = [Value::Int64(i as i64 * 1_000), Value::Int32((i % keys) as i32)];
        rows.push([&head[..], &[value(term)]].concat());
        if how.has_nulls && i % 5 == 0 {
            rows.push([&head[..], &[Value::Null]].concat());
        }
    }
    table.add_rows(&rows);
    let rows = session.sql(sql).unwrap().collect().unwrap();
    Level::best().force();
    rows.iter().map(|row| row.values().to_vec()).collect()
}

fn double(value: &Value) -> f64 {
    value.as_f64().unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn sums_and_means_are_within_one_unit_in_the_last_place(
        values in vec((-1.0..1.0_f64, -30..30_i32), 1..300),
        digits in 0..8_i32,
        keys in select(vec![1, 2, 17]),
        is_float in any::<bool>(),
        is_alone in any::<bool>(),
        how in how(),
    ) {
        let kind = if is_float { "FLOAT" } else { "DOUBLE" };
        let narrow = |x: f64| if is_float { f64::from(x as f32) } else { x };
        let terms: Vec<f64> = terms(values, digits).into_iter().map(narrow).collect();
        let extremes = if is_alone { "" } else { ", min(value), max(value)" };
        let sql = format!("SELECT id, sum(value), avg(value){extremes} FROM t GROUP BY id");
        let answer = ask(&sql, kind, &terms, keys, &how);
        for row in answer {
            let id = row[0].as_i64().unwrap() as usize;
            let own: Vec<f64> = terms.iter().copied().skip(id).step_by(keys).collect();
            if condition(&own) <= CONDITION_MAX {
                let exact = Exact::of(own.iter().copied());
                prop_assert!(exact.misses(double(&row[1]), 1) <= 1.0, "sum {:?} of {own:?}", row[1]);
                prop_assert!(exact.misses(double(&row[2]), own.len()) <= 1.0, "mean {:?} of {own:?}", row[2]);
            }
        }
    }

    #[test]
    fn windows_that_are_merged_lose_nothing(
        values in vec((-1.0..1.0_f64, -30..30_i32), 1..200),
        digits in 0..8_i32,
        slide in 1..20_usize,
        panes in 1..6_usize,
        how in how(),
    ) {
        let terms = terms(values, digits);
        let size = slide * panes;
        let sql = format!(
            "SELECT CAST(window.start AS DOUBLE), sum(value) FROM t \
             GROUP BY window(ts, '{size} milliseconds', '{slide} milliseconds')"
        );
        for row in ask(&sql, "DOUBLE", &terms, 1, &how) {
            let start = (double(&row[0]) * 1e3).round() as i64;
            let rows = (0..terms.len()).filter(|&i| (start..start + size as i64).contains(&(i as i64)));
            let own: Vec<f64> = rows.map(|i| terms[i]).collect();
            if condition(&own) <= CONDITION_MAX {
                let misses = Exact::of(own.iter().copied()).misses(double(&row[1]), 1);
                prop_assert!(misses <= 1.0, "sum {:?} of {own:?}", row[1]);
            }
        }
    }
}

#[test]
fn what_plain_sums_lose_is_kept() {
    let terms: Vec<f64> = [1e16, 1.0, -1e16].repeat(1_000);
    for level in Level::available() {
        let how = How { block_rows: 64, workers: 1, level, has_nulls: false };
        let answer = ask("SELECT sum(value), avg(value) FROM t", "DOUBLE", &terms, 1, &how);
        assert_eq!(answer, [[Value::Float64(1_000.0), Value::Float64(1_000.0 / 3_000.0)]]);
    }
}

#[test]
fn infinities_and_nan_are_what_they_are_in_plain_sums() {
    let (inf, nan) = (f64::INFINITY, f64::NAN);
    for (terms, sum) in [
        (vec![1.0, inf, 2.0], inf),
        (vec![-inf, 1.0], -inf),
        (vec![inf, 1.0, -inf], nan),
        (vec![nan, 1.0], nan),
        (vec![-0.0, -0.0], 0.0),
    ] {
        let how = How { block_rows: 4096, workers: 1, level: Level::best(), has_nulls: false };
        for sql in ["SELECT sum(value), avg(value) FROM t", "SELECT sum(value), avg(value), max(value) FROM t"] {
            let row = ask(sql, "DOUBLE", &terms, 1, &how).remove(0);
            let mean = sum / terms.len() as f64;
            assert_eq!(double(&row[0]).to_bits() << 1, sum.to_bits() << 1, "{terms:?}");
            assert_eq!(double(&row[1]).to_bits() << 1, mean.to_bits() << 1, "{terms:?}");
        }
    }
}
