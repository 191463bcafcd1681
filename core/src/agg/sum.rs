//! `sum`, `try_sum`, `avg`, `try_avg` over integers, floats and intervals; decimals are in `decimal`.
//!
//! Integers add up in 64 bits and fail (ANSI), give NULL (`try_sum`) or wrap when they overflow. Floats add up as
//! doubles as `simd::summary` defines it, in an order that is the same on every machine; what compensates them is in
//! `summary`.

use alloc::vec::Vec;
use core::marker::PhantomData;

use super::{
    AggregateCall, AggregateFunction, BoundAggregate,
    batch::Batch,
    cells::Kernel,
    codec::Scalar,
    decimal,
    item::{Item, Number, Ordered},
    share::{self, Part},
};
use crate::{
    block::{Column, Rows},
    error::{Error, Result},
    schema::{DataType, Physical},
    simd,
};

pub(super) const FUNCTIONS: &[AggregateFunction] = &[
    AggregateFunction { names: &["sum", "try_sum"], bind: bind_sum },
    AggregateFunction { names: &["avg", "mean", "try_avg"], bind: bind_avg },
];

/// What happens when a sum leaves its type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Overflow {
    /// ANSI: the query fails.
    Error,
    /// Not ANSI: integers wrap around, decimals become NULL.
    Wrap,
    /// `try_...`: NULL.
    Null,
}

impl Overflow {
    fn of(call: &AggregateCall<'_>) -> Self {
        match call.name.starts_with("try_") {
            true => Self::Null,
            false if call.settings.ansi => Self::Error,
            false => Self::Wrap,
        }
    }
}

fn bind_sum(mut call: AggregateCall<'_>) -> Result<BoundAggregate> {
    call.arity(1..=1)?;
    let overflow = Overflow::of(&call);
    coerce(&mut call)?;
    let data_type = call.type_of(0).clone();
    match &data_type {
        DataType::Decimal(p, s) => decimal::bind_sum(call, *p, *s, overflow),
        DataType::Int8 => call.finish(SumInteger::<i8>::new(overflow), DataType::Int64, true),
        DataType::Int16 => call.finish(SumInteger::<i16>::new(overflow), DataType::Int64, true),
        DataType::Int32 => call.finish(SumInteger::<i32>::new(overflow), DataType::Int64, true),
        DataType::Int64 => call.finish(SumInteger::<i64>::new(overflow), DataType::Int64, true),
        // A mean has all units of its kind, a sum those of its intervals.
        DataType::IntervalYearMonth(..) => call.finish(SumInteger::<i32>::interval(overflow), data_type, true),
        DataType::IntervalDayTime(..) => call.finish(SumInteger::<i64>::interval(overflow), data_type, true),
        DataType::Float32 => bind_float::<f32>(call, Finish::Sum),
        _ => bind_float::<f64>(call, Finish::Sum),
    }
}

fn bind_avg(mut call: AggregateCall<'_>) -> Result<BoundAggregate> {
    call.arity(1..=1)?;
    let overflow = Overflow::of(&call);
    coerce(&mut call)?;
    let data_type = call.type_of(0).clone();
    match &data_type {
        DataType::Decimal(p, s) => decimal::bind_avg(call, *p, *s, overflow),
        DataType::IntervalYearMonth(..) => call.finish(AvgInterval::<i32>::new(overflow), DataType::YEAR_MONTH, true),
        DataType::IntervalDayTime(..) => call.finish(AvgInterval::<i64>::new(overflow), DataType::DAY_TIME, true),
        DataType::Int8 => call.finish(SumFloat::<i8>::new(Finish::Mean), DataType::Float64, true),
        DataType::Int16 => call.finish(SumFloat::<i16>::new(Finish::Mean), DataType::Float64, true),
        DataType::Int32 => call.finish(SumFloat::<i32>::new(Finish::Mean), DataType::Float64, true),
        DataType::Int64 => call.finish(SumFloat::<i64>::new(Finish::Mean), DataType::Float64, true),
        DataType::Float32 => bind_float::<f32>(call, Finish::Mean),
        _ => bind_float::<f64>(call, Finish::Mean),
    }
}

/// A sum or mean of doubles or floats. One that is to be compensated is a summary even if it is alone.
fn bind_float<T: ToDouble>(call: AggregateCall<'_>, finish: Finish) -> Result<BoundAggregate> {
    let is_compensated = call.settings.compensated_sums;
    let part = match (finish, is_compensated) {
        (Finish::Sum, false) => Part::Sum,
        (Finish::Mean, false) => Part::Mean,
        (Finish::Sum, true) => Part::CompensatedSum,
        (Finish::Mean, true) => Part::CompensatedMean,
    };
    let bound = call.finish(SumFloat::<T>::new(finish), DataType::Float64, true)?.serving(part);
    Ok(if is_compensated { share::alone(bound, part) } else { bound })
}

fn coerce(call: &mut AggregateCall<'_>) -> Result<()> {
    match call.type_of(0) {
        DataType::IntervalYearMonth(..) | DataType::IntervalDayTime(..) => Ok(()),
        _ => call.coerce_numeric(0),
    }
}

/// The error for a sum of integers or intervals that does not fit.
fn overflow_error(is_interval: bool) -> Error {
    match is_interval {
        true => Error::data("INTERVAL_ARITHMETIC_OVERFLOW.WITH_SUGGESTION", "overflow in a sum of intervals")
            .hint("use try_sum, which gives NULL"),
        false => Error::data("ARITHMETIC_OVERFLOW", "overflow in a sum of integers")
            .hint("use try_sum, which gives NULL, or sum a DECIMAL: sum(CAST(x AS DECIMAL(38,0)))"),
    }
}

/// Sum of integers `T` in 64 bits.
#[derive(Clone, Copy, Debug)]
struct SumInteger<T> {
    overflow: Overflow,
    is_interval: bool,
    item: PhantomData<T>,
}

impl<T> SumInteger<T> {
    fn new(overflow: Overflow) -> Self {
        Self { overflow, is_interval: false, item: PhantomData }
    }

    /// Intervals never wrap.
    fn interval(overflow: Overflow) -> Self {
        let overflow = if overflow == Overflow::Wrap { Overflow::Error } else { overflow };
        Self { overflow, is_interval: true, item: PhantomData }
    }
}

/// A sum of integers and what is known about it.
#[derive(Clone, Copy, Debug, Default)]
struct IntegerCell {
    sum: i64,
    is_seen: bool,
    /// Only with [`Overflow::Null`].
    is_over: bool,
}

impl IntegerCell {
    #[inline]
    fn add(&mut self, value: i64) -> bool {
        let (sum, over) = self.sum.overflowing_add(value);
        self.sum = sum;
        self.is_seen = true;
        over
    }
}

impl<T: Ordered + Into<i64>> SumInteger<T> {
    /// Adds rows, tells whether any sum overflowed.
    fn add(&self, cells: &mut [IntegerCell], batch: &Batch<'_>) -> bool {
        let mut over = false;
        match batch.dense::<T>(0) {
            Some(values) => {
                for (&value, &group) in values.iter().zip(batch.groups) {
                    over |= cells[group as usize].add(value.into());
                }
            }
            None => {
                let input = Number::<T>::open(&batch.args[0]);
                batch.each_valid(1, |row, group| over |= cells[group].add(Number::<T>::at(input, row).into()));
            }
        }
        over
    }

    /// As `add`, marking the sums that overflowed.
    fn add_marking(&self, cells: &mut [IntegerCell], batch: &Batch<'_>) {
        let input = Number::<T>::open(&batch.args[0]);
        batch.each_valid(1, |row, group| {
            let cell = &mut cells[group];
            cell.is_over |= cell.add(Number::<T>::at(input, row).into());
        });
    }

    /// Adds a block of one group: narrow integers of a block cannot overflow 64 bits, so only the total can.
    fn add_whole(&self, cell: &mut IntegerCell, values: &[T]) -> bool {
        const { assert!(crate::limits::BLOCK_ROWS_MAX < 1 << 31) };
        cell.add(values.iter().fold(0_i64, |sum, &v| sum.wrapping_add(v.into())))
    }
}

impl<T: Ordered + Into<i64>> Kernel for SumInteger<T> {
    type Cell = IntegerCell;

    fn empty(&self) -> IntegerCell {
        IntegerCell::default()
    }

    fn update(&self, cells: &mut [IntegerCell], batch: &Batch<'_>) -> Result<isize> {
        let is_narrow = size_of::<T>() < size_of::<i64>();
        let over = match (batch.dense::<T>(0), self.overflow) {
            (_, Overflow::Null) => {
                self.add_marking(cells, batch);
                false
            }
            (Some(values), _) if is_narrow => match batch.only_group() {
                Some(group) => self.add_whole(&mut cells[group], values),
                None => self.add(cells, batch),
            },
            _ => self.add(cells, batch),
        };
        match over && self.overflow == Overflow::Error {
            true => Err(overflow_error(self.is_interval)),
            false => Ok(0),
        }
    }

    fn merge(&self, cell: &mut IntegerCell, other: &IntegerCell) -> Result<()> {
        if !other.is_seen {
            return Ok(());
        }
        let over = cell.add(other.sum);
        match self.overflow {
            Overflow::Error if over => return Err(overflow_error(self.is_interval)),
            Overflow::Null => cell.is_over |= over | other.is_over,
            _ => {}
        }
        Ok(())
    }

    fn emit(&self, cell: &IntegerCell, out: &mut Column) -> Result<()> {
        if !cell.is_seen || cell.is_over {
            out.push_null();
        } else if out.data_type().physical() == Physical::Int32 {
            match (i32::try_from(cell.sum), self.overflow) {
                (Ok(months), _) => out.push(months),
                (_, Overflow::Null) => out.push_null(),
                _ => return Err(overflow_error(self.is_interval)),
            }
        } else {
            out.push(cell.sum);
        }
        Ok(())
    }

    fn save(&self, cell: &IntegerCell, out: &mut Vec<u8>) {
        cell.sum.save(out);
        cell.is_seen.save(out);
        cell.is_over.save(out);
    }

    fn load(&self, bytes: &mut &[u8]) -> Result<IntegerCell> {
        Ok(IntegerCell { sum: i64::load(bytes)?, is_seen: bool::load(bytes)?, is_over: bool::load(bytes)? })
    }
}

/// So few cells are added faster than a kernel is called.
const FEW: usize = 8;

/// What a sum of doubles is turned into.
#[derive(Clone, Copy, Debug)]
enum Finish {
    Sum,
    Mean,
}

/// Sum of numbers `T` as doubles.
#[derive(Clone, Copy, Debug)]
struct SumFloat<T> {
    finish: Finish,
    item: PhantomData<T>,
}

impl<T> SumFloat<T> {
    fn new(finish: Finish) -> Self {
        Self { finish, item: PhantomData }
    }
}

#[derive(Clone, Copy, Debug, Default)]
struct FloatCell {
    sum: f64,
    count: i64,
}

impl FloatCell {
    #[inline]
    fn add(&mut self, value: f64) {
        self.sum += value;
        self.count += 1;
    }

    /// Both together. No stream is so long that counts overflow.
    #[inline]
    fn and(self, other: Self) -> Self {
        Self { sum: self.sum + other.sum, count: self.count.wrapping_add(other.count) }
    }
}

/// Numbers that become doubles by a plain conversion.
trait ToDouble: Ordered {
    fn to_double(self) -> f64;
}

macro_rules! to_double {
    ($($t:ty),*) => {$(
        impl ToDouble for $t {
            #[inline]
            fn to_double(self) -> f64 {
                self as f64
            }
        }
    )*};
}

to_double!(i8, i16, i32, i64, f32, f64);

impl<T: ToDouble> Kernel for SumFloat<T> {
    type Cell = FloatCell;

    #[inline]
    fn empty(&self) -> FloatCell {
        FloatCell::default()
    }

    fn update(&self, cells: &mut [FloatCell], batch: &Batch<'_>) -> Result<isize> {
        match batch.dense::<T>(0) {
            Some(values) => match batch.only_group() {
                Some(group) => {
                    cells[group].sum += sum_in_lanes(values);
                    cells[group].count += values.len() as i64;
                }
                None => add_runs(cells, values, batch.groups),
            },
            None => {
                let input = Number::<T>::open(&batch.args[0]);
                batch.each_valid(1, |row, group| cells[group].add(Number::<T>::at(input, row).to_double()));
            }
        }
        Ok(0)
    }

    #[inline]
    fn merge(&self, cell: &mut FloatCell, other: &FloatCell) -> Result<()> {
        *cell = cell.and(*other);
        Ok(())
    }

    fn emit(&self, cell: &FloatCell, out: &mut Column) -> Result<()> {
        match (cell.count, self.finish) {
            (0, _) => out.push_null(),
            (_, Finish::Sum) => out.push(cell.sum),
            (count, Finish::Mean) => out.push(cell.sum / count as f64),
        }
        Ok(())
    }

    fn emit_many(&self, cells: &[FloatCell], groups: &[u32], out: &mut Column) -> Result<()> {
        let start = out.len();
        let cell = |&group: &u32| cells[group as usize];
        match self.finish {
            Finish::Sum => out.push_many(groups.iter().map(|group| cell(group).sum)),
            Finish::Mean => out.push_many(groups.iter().map(|group| cell(group).sum / cell(group).count as f64)),
        }
        let is_empty = |group: &u32| cell(group).count == 0;
        if groups.iter().fold(false, |any, group| any | is_empty(group)) {
            let empty = groups.iter().enumerate().filter(|(_, group)| is_empty(group));
            empty.for_each(|(i, _)| out.set_null(start + i));
        }
        Ok(())
    }

    fn emit_pairs(&self, [first, second]: [&[FloatCell]; 2], rows: &Rows<'_>, out: &mut Column) -> Result<()> {
        let start = out.len();
        push_pairs(self.finish, [first, second], out.push_dirty(rows.len()));
        for from in (0..rows.len()).step_by(64) {
            // What comes of no value is zero, or zero divided by zero.
            let results = &out.view().as_slice::<f64>()[start + from..start + rows.len().min(from + 64)];
            let (mut odd, mut padded) = ([0], [1.0; 64]);
            let results = if results.len() == 64 {
                results
            } else {
                padded[..results.len()].copy_from_slice(results);
                &padded
            };
            simd::mask_of(results, &mut odd, u64::MAX, |x| x.abs() > 0.0);
            odd[0] &= rows.selection().map_or(u64::MAX, |bits| bits.words()[from / 64]);
            while odd[0] != 0 {
                let row = from + odd[0].trailing_zeros() as usize;
                if first[row].and(second[row]).count == 0 {
                    out.set_null(start + row);
                }
                odd[0] &= odd[0] - 1;
            }
        }
        Ok(())
    }

    fn merge_many(&self, cells: &mut [FloatCell], others: &[FloatCell]) -> Result<()> {
        if cells.len() < FEW {
            cells.iter_mut().zip(others).for_each(|(cell, other)| *cell = cell.and(*other));
        } else {
            simd::fold_pairs(cells, others, FloatCell::and);
        }
        Ok(())
    }

    fn save(&self, cell: &FloatCell, out: &mut Vec<u8>) {
        cell.sum.save(out);
        cell.count.save(out);
    }

    fn load(&self, bytes: &mut &[u8]) -> Result<FloatCell> {
        Ok(FloatCell { sum: f64::load(bytes)?, count: i64::load(bytes)? })
    }
}

/// What pairs of cells come to; it means nothing for those without a value.
fn push_pairs(finish: Finish, [first, second]: [&[FloatCell]; 2], out: &mut [f64]) {
    match finish {
        Finish::Sum => simd::map_pairs(first, second, out, |first, second| first.and(second).sum),
        Finish::Mean => simd::map_pairs(first, second, out, |first, second| {
            let cell = first.and(second);
            cell.sum / cell.count as f64
        }),
    }
}

/// Adds rows in the order of [`simd::add_by_group`].
fn add_runs<T: ToDouble>(cells: &mut [FloatCell], values: &[T], groups: &[u32]) {
    let (value_runs, values_rest) = values.as_chunks::<{ simd::RUN }>();
    let (group_runs, groups_rest) = groups.as_chunks::<{ simd::RUN }>();
    for (values, groups) in value_runs.iter().zip(group_runs) {
        if groups.iter().fold(0, |different, group| different | (group ^ groups[0])) == 0 {
            let cell = &mut cells[groups[0] as usize];
            cell.sum += simd::fold_lanes(values.map(ToDouble::to_double));
            cell.count += simd::RUN as i64;
        } else {
            values.iter().zip(groups).for_each(|(value, &group)| cells[group as usize].add(value.to_double()));
        }
    }
    values_rest.iter().zip(groups_rest).for_each(|(value, &group)| cells[group as usize].add(value.to_double()));
}

/// The sum in the order of [`simd::summarize`].
fn sum_in_lanes<T: ToDouble>(values: &[T]) -> f64 {
    let mut lanes = [0.0_f64; simd::LANES];
    let (chunks, rest) = values.as_chunks::<{ simd::LANES }>();
    for chunk in chunks {
        for (lane, &value) in lanes.iter_mut().zip(chunk) {
            *lane += value.to_double();
        }
    }
    for (lane, &value) in lanes.iter_mut().zip(rest) {
        *lane += value.to_double();
    }
    simd::fold_lanes(lanes)
}

/// Mean of intervals, rounded half away from zero.
#[derive(Clone, Copy, Debug)]
struct AvgInterval<T> {
    sum: SumInteger<T>,
}

impl<T> AvgInterval<T> {
    fn new(overflow: Overflow) -> Self {
        Self { sum: SumInteger::interval(overflow) }
    }
}

impl<T: Ordered + Into<i64>> Kernel for AvgInterval<T> {
    type Cell = (IntegerCell, i64);

    fn empty(&self) -> Self::Cell {
        Default::default()
    }

    fn update(&self, cells: &mut [Self::Cell], batch: &Batch<'_>) -> Result<isize> {
        let input = Number::<T>::open(&batch.args[0]);
        batch.try_each_valid(1, |row, group| {
            let (sum, count) = &mut cells[group];
            *count += 1;
            let value = IntegerCell { sum: Number::<T>::at(input, row).into(), is_seen: true, is_over: false };
            self.sum.merge(sum, &value)
        })?;
        Ok(0)
    }

    fn merge(&self, cell: &mut Self::Cell, other: &Self::Cell) -> Result<()> {
        cell.1 = cell.1.saturating_add(other.1);
        self.sum.merge(&mut cell.0, &other.0)
    }

    fn emit(&self, (sum, count): &Self::Cell, out: &mut Column) -> Result<()> {
        let mean = match count {
            ..=0 => IntegerCell::default(),
            &count => IntegerCell { sum: divide_half_up(sum.sum.into(), count) as i64, ..*sum },
        };
        self.sum.emit(&mean, out)
    }

    fn save(&self, cell: &Self::Cell, out: &mut Vec<u8>) {
        self.sum.save(&cell.0, out);
        cell.1.save(out);
    }

    fn load(&self, bytes: &mut &[u8]) -> Result<Self::Cell> {
        Ok((self.sum.load(bytes)?, i64::load(bytes)?))
    }
}

/// `value / by`, rounded to nearest, halves away from zero. `by` is positive.
pub(super) fn divide_half_up(value: i128, by: i64) -> i128 {
    let by = i128::from(by);
    let (quotient, rest) = (value / by, value % by);
    if rest.abs() * 2 >= by { quotient + value.signum() } else { quotient }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        agg::testing::{Table, answer, answers, bind, bind_with},
        block::Value,
        expr::Settings,
    };

    fn longs(values: &[i64]) -> Table {
        let values: Vec<Value> = values.iter().map(|&x| x.into()).collect();
        Table::new(&[(DataType::Int64, &values)])
    }

    #[test]
    fn sums_and_means_widen_and_skip_null() {
        let table = Table::ints(&[Some(2_000_000_000), None, Some(2_000_000_001), Some(-7), None]);
        let groups = [0, 0, 0, 1, 2];
        let sum = bind("sum", table.args(), |_| ()).unwrap();
        let sums = answers(&sum, &table, &groups, 3).unwrap();
        assert_eq!(sums, [Value::Int64(4_000_000_001), Value::Int64(-7), Value::Null]);
        let avg = bind("avg", table.args(), |_| ()).unwrap();
        let means = answers(&avg, &table, &groups, 3).unwrap();
        assert_eq!(means, [Value::Float64(2_000_000_000.5), Value::Float64(-7.0), Value::Null]);
    }

    #[test]
    fn floats_add_up_in_row_order_within_a_group() {
        let table = Table::doubles(&[&[Some(0.1), Some(0.2), Some(0.3), Some(f64::NAN), Some(f64::INFINITY)]]);
        let sum = bind("sum", table.args(), |_| ()).unwrap();
        let sums = answers(&sum, &table, &[0, 0, 0, 1, 2], 3).unwrap();
        assert_eq!(sums[0], Value::Float64(0.600_000_000_000_000_1));
        assert!(matches!(sums[1..], [Value::Float64(nan), Value::Float64(f64::INFINITY)] if nan.is_nan()));
    }

    #[test]
    fn lanes_add_up_every_value() {
        for len in 0..40 {
            let values: Vec<i32> = (1..=len).collect();
            assert_eq!(sum_in_lanes(&values), f64::from(len * (len + 1) / 2));
        }
    }

    #[test]
    fn overflow_fails_wraps_or_is_null() {
        let table = longs(&[i64::MAX, 1]);
        let sum = bind("sum", table.args(), |_| ()).unwrap();
        let error = answers(&sum, &table, &[0, 0], 1).unwrap_err();
        assert_eq!(error.error_class(), Some("ARITHMETIC_OVERFLOW"));
        assert_eq!(answer(&bind("try_sum", table.args(), |_| ()).unwrap(), &table), Value::Null);
        let settings = Settings { ansi: false, ..Settings::default() };
        let wrapping = bind_with(&settings, "sum", table.args(), |_| ()).unwrap();
        assert_eq!(answer(&wrapping, &table), Value::Int64(i64::MIN));
        let mean = bind("avg", table.args(), |_| ()).unwrap();
        assert_eq!(answer(&mean, &table), Value::Float64(4.611686018427388e18));
    }

    #[test]
    fn intervals_add_up_and_their_mean_is_rounded() {
        let seconds = [86_400_000_000_i64, 172_800_000_000, 5_000_000].map(Value::from);
        let table = Table::new(&[(DataType::DAY_TIME, &seconds)]);
        let result = |name| answer(&bind(name, table.args(), |_| ()).unwrap(), &table);
        assert_eq!(result("sum"), Value::Int64(259_205_000_000));
        assert_eq!(result("avg"), Value::Int64(86_401_666_667));
        let months = [12, 2, 1].map(Value::from);
        let table = Table::new(&[(DataType::YEAR_MONTH, &months)]);
        let result = |name| answer(&bind(name, table.args(), |_| ()).unwrap(), &table);
        assert_eq!((result("sum"), result("avg")), (Value::Int32(15), Value::Int32(5)));
    }

    #[test]
    fn booleans_do_not_add_up() {
        let table = Table::new(&[(DataType::Boolean, &[Value::Boolean(true)])]);
        let error = bind("sum", table.args(), |_| ()).unwrap_err();
        assert_eq!(error.error_class(), Some("DATATYPE_MISMATCH.UNEXPECTED_INPUT_TYPE"));
    }
}
