//! Which aggregate calls share accumulators: those that ask for parts of one summary of one argument.

use alloc::{boxed::Box, sync::Arc, vec, vec::Vec};
use core::fmt::Debug;

use super::{Aggregate, BoundAggregate, summary::Summaries};
use crate::{expr::BoundExpr, schema::DataType};

/// What an aggregate call asks of a summary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// `count(*)`
    Rows,
    /// `count(x)`
    Count,
    /// `sum(x)`
    Sum,
    /// `avg(x)`
    Mean,
    /// `sum(x)` with what rounding took from it.
    CompensatedSum,
    /// `avg(x)` of such a sum.
    CompensatedMean,
    /// `min(x)`
    Min,
    /// `max(x)`
    Max,
}

/// Accumulators that serve one call or several.
#[derive(Clone)]
pub struct Shared {
    /// Evaluated for every row.
    pub args: Vec<BoundExpr>,
    /// Makes empty accumulators.
    pub make: Arc<dyn Fn() -> Box<dyn Aggregate> + Send + Sync>,
    /// The calls they serve, in the order of [`Aggregate::emit_part`]'s parts.
    pub calls: Vec<usize>,
}

impl Debug for Shared {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{:?} for calls {:?}", self.args, self.calls)
    }
}

/// Which calls share accumulators. `calls` are those of one operator that see the same rows.
pub fn share(calls: &[(usize, &BoundAggregate)]) -> Vec<Shared> {
    let mut left: Vec<(usize, &BoundAggregate)> = calls.to_vec();
    let mut shared = Vec::new();
    while let Some((arg, members)) = next_summary(&left) {
        left.retain(|(index, _)| !members.iter().any(|(member, _)| member == index));
        let parts: Arc<[Part]> = members.iter().map(|(_, part)| *part).collect();
        let make = make(&arg.data_type, parts);
        shared.push(Shared { args: vec![arg.clone()], make, calls: members.iter().map(|(index, _)| *index).collect() });
    }
    let alone = |(index, call): (usize, &BoundAggregate)| Shared {
        args: call.args.clone(),
        make: call.make.clone(),
        calls: vec![index],
    };
    shared.extend(left.into_iter().map(alone));
    shared
}

/// The call served by a summary of its own.
pub(super) fn alone(call: BoundAggregate, part: Part) -> BoundAggregate {
    let parameters = alloc::format!("{} {part:?}", call.parameters);
    BoundAggregate { make: make(&call.args[0].data_type, Arc::new([part])), parameters, ..call }
}

fn make(data_type: &DataType, parts: Arc<[Part]>) -> Arc<dyn Fn() -> Box<dyn Aggregate> + Send + Sync> {
    match data_type {
        DataType::Float32 => Arc::new(move || Box::new(Summaries::<f32>::new(parts.clone()))),
        _ => Arc::new(move || Box::new(Summaries::<f64>::new(parts.clone()))),
    }
}

/// The first argument of which several calls want a part, and those calls.
fn next_summary<'a>(calls: &[(usize, &'a BoundAggregate)]) -> Option<(&'a BoundExpr, Vec<(usize, Part)>)> {
    let is_float = |e: &BoundExpr| matches!(e.data_type, DataType::Float32 | DataType::Float64);
    calls.iter().find_map(|(_, call)| {
        let arg = call.args.first().filter(|arg| call.part.is_some() && is_float(arg) && arg.is_deterministic())?;
        let of_arg = |other: &&(usize, &BoundAggregate)| other.1.args.is_empty() || other.1.args == call.args;
        let members: Vec<(usize, Part)> =
            calls.iter().filter(of_arg).filter_map(|(index, other)| Some((*index, other.part?))).collect();
        let is_worth_it =
            members.len() > 1 && members.iter().any(|(_, part)| !matches!(part, Part::Rows | Part::Count));
        is_worth_it.then_some((arg, members))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agg::testing::{Table, bind};

    #[test]
    fn only_calls_that_gain_by_it_share() {
        let table = Table::doubles(&[&[Some(1.0)], &[Some(2.0)]]);
        let call = |name: &str, columns: &[usize]| {
            let args = columns.iter().map(|&c| table.args()[c].clone()).collect();
            bind(name, args, |_| ()).unwrap()
        };
        let groups = |calls: &[BoundAggregate]| {
            let shared = share(&calls.iter().enumerate().collect::<Vec<_>>());
            shared.into_iter().map(|s| s.calls).collect::<Vec<_>>()
        };
        assert_eq!(groups(&[call("sum", &[0]), call("sum", &[1])]), [[0], [1]]);
        assert_eq!(groups(&[call("count", &[]), call("count", &[0])]), [[0], [1]]);
        assert_eq!(groups(&[call("min", &[0]), call("count", &[]), call("max", &[0])]), [[0, 1, 2]]);
        assert_eq!(groups(&[call("min", &[0]).distinct(), call("max", &[0])]), [[0], [1]]);
        let mixed = [call("sum", &[0]), call("stddev", &[0]), call("avg", &[0]), call("avg", &[1]), call("min", &[1])];
        assert_eq!(groups(&mixed), [vec![0, 2], vec![3, 4], vec![1]]);
    }
}
