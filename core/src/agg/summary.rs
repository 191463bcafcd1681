//! Count, sum, mean, least and greatest of one DOUBLE or FLOAT argument, kept together: calls that ask for parts of
//! the same summary share one pass over the rows and one cell a group.
//!
//! `share` finds such calls. Whatever its company, a call's answer is the same: NULLs do not count, NaN is the
//! greatest value, of equals the first is kept.
//!
//! Sums that are to be compensated (`firesteel.sum`) keep beside the cells what rounding took from each.

use alloc::{collections::BTreeSet, sync::Arc, vec::Vec};
use core::{any::Any, fmt::Debug, marker::PhantomData};

use super::{Aggregate, batch::Batch, codec::Scalar, share::Part};
use crate::{
    block::{Column, ColumnRef, Native, Rows},
    error::{Error, Result},
    simd::{self, Summary},
};

/// From so many groups on (1 MiB of cells) room grows fourfold: what is never touched costs no memory, while moving
/// cells costs a page fault for each of their pages.
const MANY_GROUPS: usize = 1 << 15;

const VERSION: u8 = 1;
const VERSION_COMPENSATED: u8 = 2;

/// Numbers that are summed as doubles.
pub(super) trait Float: Native + Debug + Send {
    /// The values as doubles, converted into `scratch` if they are not.
    fn widen<'a>(values: &'a [Self], scratch: &'a mut Vec<f64>) -> &'a [f64];
    fn narrow(value: f64) -> Self;
}

impl Float for f64 {
    fn widen<'a>(values: &'a [Self], _: &'a mut Vec<f64>) -> &'a [f64] {
        values
    }

    fn narrow(value: f64) -> Self {
        value
    }
}

impl Float for f32 {
    fn widen<'a>(values: &'a [Self], scratch: &'a mut Vec<f64>) -> &'a [f64] {
        scratch.clear();
        scratch.extend(values.iter().map(|&v| f64::from(v)));
        scratch
    }

    fn narrow(value: f64) -> Self {
        value as f32
    }
}

/// The summaries of all groups.
#[derive(Debug)]
pub(super) struct Summaries<T> {
    parts: Arc<[Part]>,
    cells: Vec<Summary>,
    /// What rounding took from the sums, by group, if they are compensated; else empty.
    lost: Vec<f64>,
    is_compensated: bool,
    /// Rows whose value is NULL, by group; empty until there is one.
    nulls: Vec<i64>,
    /// Groups that have seen +infinity: without them, a least value of +infinity stands for none but NaN.
    infinite: BTreeSet<u32>,
    scratch: Vec<f64>,
    value: PhantomData<T>,
}

impl<T: Float> Summaries<T> {
    pub fn new(parts: Arc<[Part]>) -> Self {
        let is_compensated = parts.iter().any(|part| matches!(part, Part::CompensatedSum | Part::CompensatedMean));
        let (cells, lost, nulls, scratch) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        Self { parts, cells, lost, is_compensated, nulls, infinite: BTreeSet::new(), scratch, value: PhantomData }
    }

    /// A value of any kind, by Spark's order.
    #[inline]
    fn add(&mut self, group: u32, value: f64) {
        let cell = &mut self.cells[group as usize];
        let sum = cell.sum;
        // NaN stays the greatest: no value is greater.
        cell.add(value);
        if self.is_compensated {
            self.lost[group as usize] += simd::two_sum(sum, value).1;
        }
        if value < f64::INFINITY {
            return;
        }
        match value.is_nan() {
            true => cell.max = value,
            false => drop(self.infinite.insert(group)),
        }
    }

    /// Adds values that all count, of one group.
    fn add_all(&mut self, group: usize, values: &[f64]) -> bool {
        let mut summary = simd::summarize(values);
        // A sum that is a number has neither NaN nor infinity in it.
        if !summary.sum.is_finite() {
            return false;
        }
        let mut lost = 0.0;
        if self.is_compensated {
            (summary.sum, lost) = simd::sum_compensated(values);
        }
        self.merge_cell(group, &summary, lost);
        true
    }

    /// Adds values that all count, by group.
    fn add_by_group(&mut self, groups: &[u32], values: &[f64]) {
        let mut done = 0;
        while done < values.len() {
            let (groups_left, values_left) = (&groups[done..], &values[done..]);
            done += match self.is_compensated {
                false => simd::add_by_group(&mut self.cells, groups_left, values_left),
                true => simd::add_by_group_compensated(&mut self.cells, &mut self.lost, groups_left, values_left),
            };
            // Then comes a run with NaN or infinity in it, or nothing.
            let run = done..(done + simd::RUN).min(values.len());
            for (&value, &group) in values[run.clone()].iter().zip(&groups[run.clone()]) {
                self.add(group, value);
            }
            done = run.end;
        }
    }

    #[inline]
    fn merge_cell(&mut self, group: usize, other: &Summary, lost: f64) {
        let cell = &mut self.cells[group];
        let sum = cell.sum;
        cell.merge(other);
        if self.is_compensated {
            self.lost[group] += simd::two_sum(sum, other.sum).1 + lost;
        }
    }

    /// The sum with what it lost, if that is known.
    fn sum(&self, cell: &Summary, group: u32) -> f64 {
        let sum = cell.sum + self.lost_by(group);
        if sum.is_finite() { sum } else { cell.sum }
    }

    /// The mean, corrected by what is left if it is multiplied back.
    fn mean(&self, cell: &Summary, group: u32) -> f64 {
        let (sum, lost) = simd::two_sum(cell.sum, self.lost_by(group));
        let mean = sum / cell.count;
        let exact = mean + (libm::fma(-mean, cell.count, sum) + lost) / cell.count;
        if exact.is_finite() { exact } else { cell.sum / cell.count }
    }

    fn lost_by(&self, group: u32) -> f64 {
        self.lost.get(group as usize).copied().unwrap_or_default()
    }

    fn add_nulls(&mut self, column: &ColumnRef<'_>, groups: &[u32], rows: &Rows<'_>) {
        self.nulls.resize(self.cells.len(), 0);
        rows.for_each(|row| {
            if !column.is_valid(row) {
                self.nulls[groups[row] as usize] += 1;
            }
        });
    }

    /// First byte of what is saved.
    fn version(&self) -> u8 {
        if self.is_compensated { VERSION_COMPENSATED } else { VERSION }
    }

    fn count_of_nulls(&self, group: u32) -> i64 {
        self.nulls.get(group as usize).copied().unwrap_or_default()
    }

    /// The least value; NaN if there was nothing but NaN.
    fn min(&self, cell: &Summary, group: u32) -> f64 {
        match cell.negated_min == f64::NEG_INFINITY && !self.infinite.contains(&group) {
            true => f64::NAN,
            false => -cell.negated_min,
        }
    }

    /// Appends what `result` makes of each group; NULL for groups without values.
    #[inline]
    fn push_each<V: Native>(&self, groups: &[u32], out: &mut Column, result: impl Fn(&Summary, u32) -> V) {
        if groups.iter().all(|&group| self.cells[group as usize].count > 0.0) {
            return out.push_many(groups.iter().map(|&group| result(&self.cells[group as usize], group)));
        }
        for &group in groups {
            let cell = &self.cells[group as usize];
            match cell.count > 0.0 {
                true => out.push(result(cell, group)),
                false => out.push_null(),
            }
        }
    }
}

impl<T: Float> Aggregate for Summaries<T> {
    fn grow(&mut self, groups: usize) {
        if groups > self.cells.len() {
            if groups > self.cells.capacity() && groups > MANY_GROUPS {
                self.cells.reserve_exact(3 * groups);
            }
            self.cells.resize(groups, Summary::EMPTY);
            if self.is_compensated {
                self.lost.resize(groups, 0.0);
            }
            if !self.nulls.is_empty() {
                self.nulls.resize(groups, 0);
            }
        }
    }

    fn update(&mut self, args: &[ColumnRef<'_>], groups: &[u32], rows: &Rows<'_>) -> Result<()> {
        let batch = Batch::new(args, groups, rows);
        let column = &args[0];
        if column.validity.is_some() {
            self.add_nulls(column, groups, rows);
        }
        let len = if column.is_constant { 1 } else { rows.len() };
        // Taken out, because the values may lie in it while cells change.
        let mut scratch = core::mem::take(&mut self.scratch);
        let values = T::widen(&column.as_slice::<T>()[..len], &mut scratch);
        let is_dense = batch.dense::<T>(0).is_some();
        if !is_dense {
            batch.each_valid(1, |row, group| self.add(group as u32, values[column.index(row)]));
        } else if !batch.only_group().is_some_and(|group| self.add_all(group, values)) {
            self.add_by_group(groups, values);
        }
        self.scratch = scratch;
        Ok(())
    }

    fn merge(&mut self, other: &dyn Aggregate, from: &[u32], to: &[u32]) -> Result<()> {
        assert_eq!(from.len(), to.len(), "each accumulator goes somewhere");
        let other = other.as_any().downcast_ref::<Self>();
        let other = other.unwrap_or_else(|| panic!("a summary meets another aggregate"));
        for (&source, &target) in from.iter().zip(to) {
            let (theirs, mine) = (&other.cells[source as usize], &self.cells[target as usize]);
            let has_nan = theirs.max.is_nan() || mine.max.is_nan();
            self.merge_cell(target as usize, theirs, other.lost_by(source));
            if has_nan {
                self.cells[target as usize].max = f64::NAN;
            }
        }
        if !other.nulls.is_empty() {
            self.nulls.resize(self.cells.len(), 0);
            for (&source, &target) in from.iter().zip(to) {
                self.nulls[target as usize] += other.count_of_nulls(source);
            }
        }
        if !other.infinite.is_empty() {
            let infinite = from.iter().zip(to).filter(|(source, _)| other.infinite.contains(source));
            self.infinite.extend(infinite.map(|(_, &target)| target));
        }
        Ok(())
    }

    fn emit(&self, groups: &[u32], out: &mut Column) -> Result<()> {
        self.emit_part(0, groups, out)
    }

    fn emit_part(&self, part: usize, groups: &[u32], out: &mut Column) -> Result<()> {
        match self.parts[part] {
            Part::Rows => groups.iter().for_each(|&group| {
                out.push(self.cells[group as usize].count as i64 + self.count_of_nulls(group));
            }),
            Part::Count => groups.iter().for_each(|&group| out.push(self.cells[group as usize].count as i64)),
            Part::Sum => self.push_each(groups, out, |cell, _| cell.sum),
            Part::Mean => self.push_each(groups, out, |cell, _| cell.sum / cell.count),
            Part::CompensatedSum => self.push_each(groups, out, |cell, group| self.sum(cell, group)),
            Part::CompensatedMean => self.push_each(groups, out, |cell, group| self.mean(cell, group)),
            Part::Min => self.push_each(groups, out, |cell, group| T::narrow(self.min(cell, group))),
            Part::Max => self.push_each(groups, out, |cell, _| T::narrow(cell.max)),
        }
        Ok(())
    }

    fn reset(&mut self, groups: &[u32]) {
        for &group in groups {
            self.cells[group as usize] = Summary::EMPTY;
            if let Some(lost) = self.lost.get_mut(group as usize) {
                *lost = 0.0;
            }
            if let Some(nulls) = self.nulls.get_mut(group as usize) {
                *nulls = 0;
            }
            if !self.infinite.is_empty() {
                self.infinite.remove(&group);
            }
        }
    }

    fn save(&self, groups: &[u32], out: &mut Vec<u8>) {
        self.version().save(out);
        for &group in groups {
            let Summary { sum, count, negated_min, max } = self.cells[group as usize];
            (count as i64).save(out);
            [sum, negated_min, max].into_iter().for_each(|x| x.save(out));
            if self.is_compensated {
                self.lost_by(group).save(out);
            }
            self.count_of_nulls(group).save(out);
            self.infinite.contains(&group).save(out);
        }
    }

    fn load(&mut self, groups: &[u32], bytes: &mut &[u8]) -> Result<()> {
        let version = u8::load(bytes)?;
        if version != self.version() {
            let wanted = self.version();
            return Err(Error::corrupt(alloc::format!("saved summaries have version {version}, not {wanted}")));
        }
        for &group in groups {
            let count = i64::load(bytes)?;
            let (sum, negated_min, max) = (f64::load(bytes)?, f64::load(bytes)?, f64::load(bytes)?);
            let lost = if self.is_compensated { f64::load(bytes)? } else { 0.0 };
            let (nulls, is_infinite) = (i64::load(bytes)?, bool::load(bytes)?);
            if count < 0 || nulls < 0 || negated_min.is_nan() {
                return Err(Error::corrupt(alloc::format!("a saved summary has {count} values, {nulls} NULLs")));
            }
            self.cells[group as usize] = Summary { sum, count: count as f64, negated_min, max };
            if let Some(kept) = self.lost.get_mut(group as usize) {
                *kept = lost;
            }
            if nulls > 0 {
                self.nulls.resize(self.cells.len(), 0);
                self.nulls[group as usize] = nulls;
            }
            if is_infinite {
                self.infinite.insert(group);
            }
        }
        Ok(())
    }

    fn memory_bytes(&self) -> usize {
        self.cells.capacity() * size_of::<Summary>()
            + (self.lost.capacity() + self.nulls.capacity() + self.scratch.capacity()) * 8
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        agg::{
            BoundAggregate,
            share::{Shared, share},
            testing::bind,
        },
        block::{Bitmap, Value},
        expr::BoundExpr,
        schema::DataType,
    };
    use alloc::{boxed::Box, vec};

    const CALLS: [&str; 5] = ["count", "sum", "avg", "min", "max"];

    fn results(aggregates: &[(Box<dyn Aggregate>, usize)], types: &[DataType], groups: u32) -> Vec<Vec<Value>> {
        let ids: Vec<u32> = (0..groups).collect();
        let column = |((aggregate, part), data_type): (&(Box<dyn Aggregate>, usize), &DataType)| {
            let mut out = Column::new(data_type.clone());
            aggregate.emit_part(*part, &ids, &mut out).unwrap();
            ids.iter().map(|&g| out.view().value(g as usize)).collect()
        };
        aggregates.iter().zip(types).map(column).collect()
    }

    /// Values in which everything odd occurs, and blocks in which nothing does.
    fn blocks(data_type: &DataType) -> Vec<Column> {
        let value = |x: f64| if *data_type == DataType::Float32 { Value::Float32(x as f32) } else { Value::Float64(x) };
        let odd = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 0.0, -0.0, 1.5];
        let plain: Vec<Value> = (0..200).map(|i| value(f64::from(i * 7 % 31) - 9.0)).collect();
        let mixed: Vec<Value> =
            (0..90).map(|i| if i % 7 == 0 { Value::Null } else { value(odd[i * 5 % 11 % odd.len()]) }).collect();
        [plain.clone(), mixed, plain].iter().map(|v| Column::from_values(data_type.clone(), v)).collect()
    }

    #[test]
    fn a_shared_summary_answers_as_the_calls_alone() {
        for data_type in [DataType::Float64, DataType::Float32] {
            let blocks = blocks(&data_type);
            let args = || vec![BoundExpr::column(0, data_type.clone(), true)];
            let mut calls: Vec<BoundAggregate> = CALLS.iter().map(|name| bind(name, args(), |_| ()).unwrap()).collect();
            calls.push(bind("count", Vec::new(), |_| ()).unwrap());
            let types: Vec<DataType> = calls.iter().map(|c| c.data_type.clone()).collect();
            let shared = share(&calls.iter().enumerate().collect::<Vec<_>>());
            assert_eq!((shared.len(), &shared[0].calls[..]), (1, &[0, 1, 2, 3, 4, 5][..]));
            for (groups, picked) in [(1, 1), (1, 3), (13, 1), (13, 3)] {
                let mut alone: Vec<(Box<dyn Aggregate>, usize)> = calls.iter().map(|c| ((c.make)(), 0)).collect();
                let mut together: Vec<Box<dyn Aggregate>> = (0..2).map(|_| (shared[0].make)()).collect();
                alone.iter_mut().map(|(a, _)| a).chain(&mut together).for_each(|a| a.grow(groups as usize));
                for (b, block) in blocks.iter().enumerate() {
                    let ids: Vec<u32> = (0..block.len() as u32).map(|i| i / 9 % groups).collect();
                    let bits: Bitmap = (0..block.len()).map(|i| i % picked == 0).collect();
                    let rows = Rows::new(block.len(), (picked > 1).then(|| bits.view()));
                    for ((aggregate, _), call) in alone.iter_mut().zip(&calls) {
                        let args: &[ColumnRef<'_>] = if call.args.is_empty() { &[] } else { &[block.view()] };
                        aggregate.update(args, &ids, &rows).unwrap();
                    }
                    together[b % 2].update(&[block.view()], &ids, &rows).unwrap();
                }
                let all: Vec<u32> = (0..groups).collect();
                let (first, second) = together.split_at_mut(1);
                let mut bytes = Vec::new();
                first[0].save(&all, &mut bytes);
                let mut loaded = (shared[0].make)();
                loaded.grow(groups as usize);
                loaded.load(&all, &mut &bytes[..]).unwrap();
                loaded.merge(&*second[0], &all, &all).unwrap();
                let parts: Vec<_> = (0..calls.len()).map(|part| (clone_of(&*loaded, &shared[0], &all), part)).collect();
                assert_eq!(format_of(&results(&parts, &types, groups)), format_of(&results(&alone, &types, groups)));
                for cut in 0..bytes.len() {
                    assert!(loaded.load(&all, &mut &bytes[..cut]).is_err());
                }
                loaded.reset(&all);
                let empty: Vec<_> = (0..calls.len()).map(|part| (clone_of(&*loaded, &shared[0], &all), part)).collect();
                let fresh: Vec<_> = calls
                    .iter()
                    .map(|c| {
                        let mut made = (c.make)();
                        made.grow(groups as usize);
                        (made, 0)
                    })
                    .collect();
                assert_eq!(format_of(&results(&empty, &types, groups)), format_of(&results(&fresh, &types, groups)));
            }
        }
    }

    /// Values print alike if they are the same, NaN and the signs of zeros included.
    fn format_of(results: &[Vec<Value>]) -> Vec<alloc::string::String> {
        results.iter().map(|r| alloc::format!("{r:?}")).collect()
    }

    fn clone_of(aggregate: &dyn Aggregate, shared: &Shared, groups: &[u32]) -> Box<dyn Aggregate> {
        let (mut bytes, mut made) = (Vec::new(), (shared.make)());
        aggregate.save(groups, &mut bytes);
        made.grow(groups.len());
        made.load(groups, &mut &bytes[..]).unwrap();
        made
    }
}
