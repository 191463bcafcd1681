//! Aggregate functions: one file each, an entry in [`lookup`]'s tables, one trait.
//!
//! An [`Aggregate`] holds the accumulators of *all groups* of one aggregate call, laid out by dense group id. It
//! knows nothing of keys, windows or watermarks: `state/` gives it group ids, `exec/` tells it when to emit.
//!
//! ```text
//!   call, bound by name ──► AggregateFunction::bind ──► BoundAggregate ── make() ──► Aggregate
//!                            types, literals captured    plans hold it               Cells<Kernel>: one cell a group
//! ```
//! `cells` turns a `cells::Kernel` (what one cell does) into an [`Aggregate`]; `summary` serves several calls at once,
//! which `share` finds; `batch` has the loops over rows, `item` the values of any type that cells keep. All
//! other files are families of functions. [`BoundAggregate::distinct`] wraps any of them.

mod batch;
mod bits;
mod by;
mod call;
mod cells;
mod collect;
mod count;
mod covariance;
mod decimal;
mod distinct;
mod extreme;
mod first;
mod hll;
mod hll_tables;
mod item;
mod listagg;
mod mode;
mod moments;
mod percentile;
mod percentile_approx;
mod quantiles;
mod share;
mod sketch;
mod sum;
mod summary;
mod tally;
#[cfg(test)]
mod testing;

use alloc::{boxed::Box, string::String, sync::Arc, vec::Vec};
use core::{any::Any, fmt, ops::Range};

pub use share::{Part, Shared, share};

use crate::{
    block::{Column, ColumnRef, Rows},
    codec,
    error::{Result, Span},
    expr::{BoundExpr, Settings},
    schema::DataType,
};

/// Accumulators of one aggregate call, indexed by group id.
///
/// Life of a group id: [`grow`](Self::grow) makes it exist with the empty accumulator; any number of `update` and
/// `merge`; `emit` reads it without changing it (update and complete mode emit again later); `reset` returns it to
/// the empty accumulator, because the id is about to be used for another key.
pub trait Aggregate: Send {
    /// Makes ids `0..groups` exist; new ones are empty. Called before ids are used; never shrinks.
    fn grow(&mut self, groups: usize);

    /// Adds rows: row `r` of `args` goes to group `groups[r]`, for every `r` in `rows`. `groups` is as long as the
    /// block. NULLs are handled as the function says.
    fn update(&mut self, args: &[ColumnRef<'_>], groups: &[u32], rows: &Rows<'_>) -> Result<()>;

    /// Adds the accumulators `from[i]` of `other` (the same call elsewhere: another worker's, another pane's) to
    /// `to[i]` of this one, in order.
    fn merge(&mut self, other: &dyn Aggregate, from: &[u32], to: &[u32]) -> Result<()>;

    /// Whether accumulators are numbers that lie side by side, so that adding all of them, the empty ones too, costs
    /// less than picking some: what [`merge_all`](Self::merge_all) and [`reset_all`](Self::reset_all) are for.
    fn is_flat(&self) -> bool {
        false
    }

    /// Adds the accumulators `from` of `other` to as many of this one, from group `to` on.
    fn merge_all(&mut self, _to: usize, _other: &dyn Aggregate, _from: Range<usize>) -> Result<()> {
        unreachable!("only flat accumulators are merged whole")
    }

    /// As [`emit_part`](Self::emit_part), of what groups would be with those of `other` added: a row a group, from
    /// group 0 on. Rows that do not count are of empty groups and may come to anything. Both are flat.
    fn emit_pair(&self, _part: usize, _other: &dyn Aggregate, _rows: &Rows<'_>, _out: &mut Column) -> Result<()> {
        unreachable!("only flat accumulators are emitted in pairs")
    }

    /// Makes these groups empty again.
    fn reset_all(&mut self, _groups: Range<usize>) {
        unreachable!("only flat accumulators are emptied whole")
    }

    /// Appends the results of these groups to `out`, in order.
    fn emit(&self, groups: &[u32], out: &mut Column) -> Result<()>;

    /// As [`emit`](Self::emit), for accumulators that serve several calls: the result of one of them.
    fn emit_part(&self, part: usize, groups: &[u32], out: &mut Column) -> Result<()> {
        assert_eq!(part, 0, "these accumulators serve one call");
        self.emit(groups, out)
    }

    /// Makes these groups empty again.
    fn reset(&mut self, groups: &[u32]);

    /// Appends the accumulators of these groups to `out`, in a layout that starts with a version byte.
    fn save(&self, groups: &[u32], out: &mut Vec<u8>);

    /// Reads what `save` wrote for as many groups into these (empty) groups and advances `bytes` past it. The bytes
    /// may be corrupt: an error, never a panic.
    fn load(&mut self, groups: &[u32], bytes: &mut &[u8]) -> Result<()>;

    /// Bytes held, for `explain`, metrics and `--memory`.
    fn memory_bytes(&self) -> usize;

    /// For `merge`, which needs the concrete type of `other`.
    fn as_any(&self) -> &dyn Any;
}

impl fmt::Debug for dyn Aggregate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Aggregate of {} bytes", self.memory_bytes())
    }
}

/// An entry of an aggregate family's table.
#[derive(Debug)]
pub struct AggregateFunction {
    /// Spark's name and its synonyms, lower case.
    pub names: &'static [&'static str],
    /// Checks and coerces the arguments.
    pub bind: fn(AggregateCall<'_>) -> Result<BoundAggregate>,
}

/// An aggregate call being bound: arguments bound, not yet coerced. `count(*)` has no arguments.
#[derive(Debug)]
pub struct AggregateCall<'a> {
    /// Name as in the table (lower case).
    pub name: &'static str,
    /// The arguments; `WITHIN GROUP (ORDER BY x)` puts `x` last.
    pub args: Vec<BoundExpr>,
    /// `IGNORE NULLS`
    pub ignore_nulls: bool,
    /// `WITHIN GROUP (ORDER BY x)` was written: the last argument is its `x`.
    pub ordered: bool,
    /// `WITHIN GROUP (ORDER BY x DESC)`
    pub descending: bool,
    /// The session's settings.
    pub settings: &'a Settings,
    /// Where the call stands in the job text.
    pub span: Option<Span>,
}

/// A typed aggregate call.
#[derive(Clone)]
pub struct BoundAggregate {
    /// Spark's name.
    pub name: &'static str,
    /// What distinguishes it from another call of this name with the same arguments (`ignoreNulls`, a percentage).
    pub parameters: String,
    /// Arguments evaluated for every row (literals that were captured are not among them).
    pub args: Vec<BoundExpr>,
    /// Type of the result.
    pub data_type: DataType,
    /// False only if the result cannot be NULL.
    pub nullable: bool,
    /// Makes empty accumulators.
    pub make: Arc<dyn Fn() -> Box<dyn Aggregate> + Send + Sync>,
    /// The part of a summary that would answer it, if one would.
    pub part: Option<Part>,
}

impl BoundAggregate {
    /// The same, for a function that a part of a summary would answer too.
    fn serving(self, part: Part) -> Self {
        Self { part: Some(part), ..self }
    }

    /// Whether the order of rows makes no difference to its answer, but for the rounding of sums.
    pub fn ignores_order(&self) -> bool {
        ORDERLESS.contains(&self.name)
    }
}

impl PartialEq for BoundAggregate {
    fn eq(&self, other: &Self) -> bool {
        (self.name, &self.parameters, &self.args, &self.data_type)
            == (other.name, &other.parameters, &other.args, &other.data_type)
    }
}

impl fmt::Debug for BoundAggregate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}({:?}) {}", self.name, self.args, self.parameters)
    }
}

/// See [`BoundAggregate::ignores_order`]; the names that families give to what they bind.
const ORDERLESS: &[&str] = &[
    "count",
    "count_if",
    "sum",
    "try_sum",
    "avg",
    "mean",
    "try_avg",
    "min",
    "max",
    "bool_and",
    "every",
    "bool_or",
    "some",
    "any",
    "bit_and",
    "bit_or",
    "bit_xor",
    "stddev",
    "std",
    "stddev_samp",
    "stddev_pop",
    "variance",
    "var_samp",
    "var_pop",
    "skewness",
    "kurtosis",
    "corr",
    "covar_pop",
    "covar_samp",
    "approx_count_distinct",
];

const FAMILIES: &[&[AggregateFunction]] = &[
    count::FUNCTIONS,
    sum::FUNCTIONS,
    extreme::FUNCTIONS,
    first::FUNCTIONS,
    moments::FUNCTIONS,
    covariance::FUNCTIONS,
    collect::FUNCTIONS,
    mode::FUNCTIONS,
    percentile::FUNCTIONS,
    percentile_approx::FUNCTIONS,
    by::FUNCTIONS,
    bits::FUNCTIONS,
    listagg::FUNCTIONS,
    hll::FUNCTIONS,
    sketch::FUNCTIONS,
];

/// The aggregate function of this name, ignoring case.
pub fn lookup(name: &str) -> Option<(&'static str, &'static AggregateFunction)> {
    let all = FAMILIES.iter().flat_map(|family| family.iter());
    all.flat_map(|f| f.names.iter().map(move |n| (*n, f))).find(|(n, _)| crate::schema::same_name(n, name))
}

/// Names of all aggregate functions, for hints.
pub fn names() -> impl Iterator<Item = &'static str> {
    FAMILIES.iter().flat_map(|family| family.iter()).flat_map(|f| f.names.iter().copied())
}
