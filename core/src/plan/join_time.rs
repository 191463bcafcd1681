//! What a join of two streams knows of event time: when a buffered row can find no partner any more, and how far the
//! join's output may lag behind the watermark. Spark's rules.
//!
//! A row waits for partners of the other side, which come later than the watermark. If an equality includes an
//! event time, the row's own key tells when they have passed. Otherwise a comparison in the rest of the condition
//! may: brought into the form
//!
//! ```text
//!   other side's event time + offset < own time        (or <=)
//! ```
//! it bounds the own time from below as soon as the other's event time is known to be above the watermark.

use alloc::vec::Vec;

use super::{
    Join, LogicalPlan,
    builder::{Side, conjunction, conjuncts, map_columns, side_of},
};
use crate::{
    block::Value,
    expr::{BoundExpr, BoundKind},
    schema::{DataType, Schema},
    time::{MICROS_PER_DAY, MICROS_PER_MILLI, MICROS_PER_SECOND},
};

/// When rows of one side of a stream-stream join leave the buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JoinExpiry {
    /// Never: nothing bounds how late a partner may come.
    Never,
    /// When the watermark has reached the event time in this equality.
    Key(usize),
    /// When the watermark and the offset have reached this column of the side.
    Column {
        /// Index in the side's own schema.
        column: usize,
        /// Added to the watermark; whole milliseconds, as Spark's.
        offset_us: i64,
    },
}

/// The condition of a join beside its equalities, by the sides it needs.
#[derive(Clone, Debug, Default)]
pub(crate) struct JoinConditions {
    /// Over the left input.
    pub(crate) left: Option<BoundExpr>,
    /// Over the right input.
    pub(crate) right: Option<BoundExpr>,
    /// Over left columns, then right.
    pub(crate) both: Option<BoundExpr>,
}

impl Join {
    /// The condition in parts. What is not deterministic is asked of pairs only.
    pub(crate) fn conditions(&self) -> JoinConditions {
        let width = self.left.schema().len();
        let (mut left, mut right, mut both) = (Vec::new(), Vec::new(), Vec::new());
        for condition in self.residual.clone().map(conjuncts).unwrap_or_default() {
            match side_of(&condition, width).filter(|_| condition.is_deterministic()) {
                Some(Side::Left) => left.push(condition),
                Some(Side::Right) => right.push(map_columns(condition, &|i| i - width)),
                None => both.push(condition),
            }
        }
        JoinConditions { left: conjunction(left), right: conjunction(right), both: conjunction(both) }
    }

    /// When rows of the left and of the right side leave the buffer.
    pub fn expiry(&self) -> [JoinExpiry; 2] {
        if let Some(position) = self.event_key() {
            return [JoinExpiry::Key(position); 2];
        }
        [true, false].map(|left| {
            let schema = if left { self.left.schema() } else { self.right.schema() };
            let has_watermark = schema.fields().iter().any(|f| f.event_time.is_some());
            self.lower_bound(left).filter(|_| has_watermark).unwrap_or(JoinExpiry::Never)
        })
    }

    /// Which equality compares an event time, the left sides first.
    pub(super) fn event_key(&self) -> Option<usize> {
        let left = |pair: &(BoundExpr, BoundExpr)| is_event_time(&pair.0, self.left.schema());
        let right = |pair: &(BoundExpr, BoundExpr)| is_event_time(&pair.1, self.right.schema());
        self.on.iter().position(left).or_else(|| self.on.iter().position(right))
    }

    /// What the condition says about the times of one side's rows that can still find a partner. Of several bounds
    /// Spark takes the lowest.
    pub(super) fn lower_bound(&self, left: bool) -> Option<JoinExpiry> {
        let sides = Sides { left: self.left.schema(), right: self.right.schema(), of_left: left };
        let mut bounds = Vec::new();
        self.residual.iter().for_each(|condition| sides.collect_bounds(condition, &mut bounds));
        let first = bounds.first()?.0;
        let marked = bounds.iter().map(|b| b.0).find(|&column| sides.own().field(column).event_time.is_some());
        let column = marked.unwrap_or(first);
        let offset_us = bounds.iter().filter(|b| b.0 == column).map(|b| b.1).min()?;
        Some(JoinExpiry::Column { column, offset_us })
    }

    /// How far event times in the output can be behind the watermark of the inputs: the longest that a row waits.
    fn lag_us(&self) -> i64 {
        let lag = |expiry| match expiry {
            JoinExpiry::Column { offset_us, .. } => -offset_us,
            JoinExpiry::Key(_) | JoinExpiry::Never => 0,
        };
        self.expiry().into_iter().map(lag).fold(0, i64::max)
    }
}

impl LogicalPlan {
    /// How far event times in the rows of this node can be behind the query's watermark, because joins of streams
    /// below hold rows back.
    pub(crate) fn watermark_lag_us(&self) -> i64 {
        let below = self.inputs().into_iter().map(LogicalPlan::watermark_lag_us).fold(0, i64::max);
        match self {
            Self::Join(join) if join.left.is_streaming() && join.right.is_streaming() => below + join.lag_us(),
            _ => below,
        }
    }
}

fn is_event_time(expr: &BoundExpr, schema: &Schema) -> bool {
    expr.as_column().is_some_and(|i| schema.field(i).event_time.is_some())
}

/// The two sides of a join, one of which is asked about.
struct Sides<'a> {
    left: &'a Schema,
    right: &'a Schema,
    of_left: bool,
}

impl Sides<'_> {
    fn own(&self) -> &Schema {
        if self.of_left { self.left } else { self.right }
    }

    /// The own side's index of a column of the condition.
    fn own_column(&self, column: usize) -> Option<usize> {
        match (column.checked_sub(self.left.len()), self.of_left) {
            (None, true) => Some(column),
            (Some(column), false) => Some(column),
            _ => None,
        }
    }

    fn is_other_event_time(&self, column: usize) -> bool {
        let field = match column.checked_sub(self.left.len()) {
            None => self.left.field(column),
            Some(column) => self.right.field(column),
        };
        field.event_time.is_some()
    }

    /// Adds (own column, offset) of every conjunct that bounds an own column from below.
    fn collect_bounds(&self, condition: &BoundExpr, bounds: &mut Vec<(usize, i64)>) {
        match &condition.kind {
            BoundKind::And(a, b) => {
                self.collect_bounds(a, bounds);
                self.collect_bounds(b, bounds);
            }
            BoundKind::Call(call) => {
                let [a, b] = call.args.as_slice() else { return };
                let (low, high, is_strict) = match call.function.name() {
                    "<" => (a, b, true),
                    "<=" => (a, b, false),
                    ">" => (b, a, true),
                    ">=" => (b, a, false),
                    _ => return,
                };
                bounds.extend(self.bound(low, high, is_strict));
            }
            _ => {}
        }
    }

    /// Solves `low < high` for an own column in `high`.
    fn bound(&self, low: &BoundExpr, high: &BoundExpr, is_strict: bool) -> Option<(usize, i64)> {
        let mut sum = Sum::default();
        sum.add(low, 1)?;
        sum.add(high, -1)?;
        let is_own = |&(column, _): &(usize, i64)| self.own_column(column).is_some();
        let (own, other): (Vec<_>, Vec<_>) = sum.columns.iter().copied().partition(is_own);
        match (own.as_slice(), other.as_slice()) {
            ([(own, -1)], [(other, 1)]) if self.is_other_event_time(*other) => {
                // A partner at exactly the bound is still welcome unless the comparison is strict; Spark's
                // watermarks are milliseconds.
                let offset_ms = sum.micros.div_euclid(MICROS_PER_MILLI) - i64::from(!is_strict);
                Some((self.own_column(*own)?, offset_ms.checked_mul(MICROS_PER_MILLI)?))
            }
            _ => None,
        }
    }
}

/// A sum of columns, each with its sign, and a constant: points in time and spans as microseconds.
#[derive(Default)]
struct Sum {
    columns: Vec<(usize, i64)>,
    micros: i64,
}

impl Sum {
    /// Adds `sign` times the expression; `None` if it is no such sum.
    fn add(&mut self, expr: &BoundExpr, sign: i64) -> Option<()> {
        match &expr.kind {
            BoundKind::Column(column) => self.columns.push((*column, sign)),
            BoundKind::Literal(value) => {
                let micros = span_micros(value, &expr.data_type)?.checked_mul(sign)?;
                self.micros = self.micros.checked_add(micros)?;
            }
            BoundKind::Call(call) => match (call.function.name(), call.args.as_slice()) {
                ("time +" | "+", [a, b]) => {
                    self.add(a, sign)?;
                    self.add(b, sign)?;
                }
                ("time -" | "-", [a, b]) => {
                    self.add(a, sign)?;
                    self.add(b, -sign)?;
                }
                ("negative", [a]) => self.add(a, -sign)?,
                ("cast", [a]) if is_number_or_time(&expr.data_type) => self.add(a, sign)?,
                _ => return None,
            },
            _ => return None,
        }
        Some(())
    }
}

fn is_number_or_time(data_type: &DataType) -> bool {
    data_type.is_integer() || data_type.is_float() || matches!(data_type, DataType::Timestamp | DataType::Decimal(..))
}

/// The length of a literal span; a number counts seconds. Months have no length.
fn span_micros(value: &Value, data_type: &DataType) -> Option<i64> {
    match (value, data_type) {
        (Value::Int64(micros), DataType::IntervalDayTime(..)) => Some(*micros),
        (Value::Interval(span), _) if span.months == 0 => {
            i64::from(span.days).checked_mul(MICROS_PER_DAY)?.checked_add(span.micros)
        }
        (Value::Int64(seconds), DataType::Int64) => seconds.checked_mul(MICROS_PER_SECOND),
        (Value::Int32(seconds), DataType::Int32) => Some(i64::from(*seconds) * MICROS_PER_SECOND),
        (Value::Float64(seconds), DataType::Float64) => Some((seconds * MICROS_PER_SECOND as f64) as i64),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use alloc::{format, sync::Arc};

    use super::*;
    use crate::{
        expr::{BinaryOp, Expr, Settings, col, lit},
        plan::{JoinKind, JoinOn, PlanBuilder, Table},
        time::Interval,
    };

    fn side(name: &str) -> PlanBuilder {
        let schema = Schema::parse_ddl(&format!("{name}id INT, {name} TIMESTAMP, {name}sent TIMESTAMP")).unwrap();
        let table = Table { name: name.into(), provider: "memory".into(), schema, ..Table::default() };
        let scan = PlanBuilder::scan(Arc::new(table), true, Arc::new(Settings::default()));
        scan.with_watermark(col(name), Interval::default()).unwrap()
    }

    fn later(name: &str, seconds: i64) -> Expr {
        let op = if seconds < 0 { BinaryOp::Subtract } else { BinaryOp::Add };
        col(name).binary(op, lit(Value::Interval(Interval::from_micros(seconds.abs() * MICROS_PER_SECOND))))
    }

    /// When rows leave the buffers, in milliseconds after the watermark, and how far the output lags behind it.
    fn offsets(condition: Expr) -> ([Option<i64>; 2], i64) {
        let condition = JoinOn::Condition(col("lid").eq(col("rid")).and(condition));
        let plan = side("l").join(side("r"), JoinKind::Inner, condition).unwrap().into_plan();
        let LogicalPlan::Join(join) = &plan else { panic!("a join") };
        let offset = |expiry| match expiry {
            JoinExpiry::Column { column: 1, offset_us } => Some(offset_us / 1_000),
            JoinExpiry::Never => None,
            other => panic!("{other:?}"),
        };
        (join.expiry().map(offset), plan.watermark_lag_us() / 1_000)
    }

    #[test]
    fn comparisons_of_event_times_bound_how_long_rows_wait() {
        let (l, r) = (|| col("l"), || col("r"));
        let cases = [
            (r().gt_eq(l()).and(r().lt_eq(later("l", 20))), [Some(-20_001), Some(-1)], 20_001),
            (r().gt(l()).and(r().lt(later("l", 20))), [Some(-20_000), Some(0)], 20_000),
            (later("r", -20).lt_eq(l()).and(l().lt_eq(r())), [Some(-20_001), Some(-1)], 20_001),
            (l().gt(later("r", 3600)), [Some(3_600_000), None], 0),
            (r().gt_eq(l()), [None, Some(-1)], 1),
            (r().lt(later("l", 5)).and(r().lt(later("l", 9))), [Some(-9_000), None], 9_000),
            (
                r().cast(DataType::Int64).lt(l().cast(DataType::Int64).binary(BinaryOp::Add, lit(7_i64))),
                [Some(-7_000), None],
                7_000,
            ),
            (col("rsent").lt(l()), [None, None], 0),
            (r().lt(lit(5_i64).cast(DataType::Timestamp)), [None, None], 0),
            (l().lt(r()).or(r().lt(l())), [None, None], 0),
        ];
        for (condition, expected, lag) in cases {
            let text = format!("{condition:?}");
            assert_eq!(offsets(condition), (expected, lag), "{text}");
        }
    }

    #[test]
    fn an_event_time_among_the_keys_decides_alone() {
        let condition = JoinOn::Condition(col("lid").eq(col("rid")).and(later("l", 3).eq(col("r"))));
        let plan = side("l").join(side("r"), JoinKind::Left, condition).unwrap().into_plan();
        let LogicalPlan::Join(join) = &plan else { panic!("a join") };
        assert_eq!((join.expiry(), plan.watermark_lag_us()), ([JoinExpiry::Key(1); 2], 0));
    }
}
