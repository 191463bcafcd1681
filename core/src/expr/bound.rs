//! Bound expressions: columns by index, every type known, every cast explicit. Plans hold, compare and rewrite them.

use alloc::{boxed::Box, string::String, sync::Arc, vec::Vec};
use core::fmt;

use jiff::tz::TimeZone;

use crate::{
    block::{Column, ColumnRef, Rows, Value},
    error::{Result, Span},
    schema::DataType,
};

/// Session settings that change what an expression means. Functions capture what they need when they are bound.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `spark.sql.ansi.enabled`: errors instead of NULL and wrap-around. On by default, as in Spark 4.
    pub ansi: bool,
    /// `spark.sql.session.timeZone`.
    pub time_zone: TimeZone,
    /// Spark's spelling of that zone, for messages and `current_timezone()`.
    pub time_zone_name: String,
    /// `firesteel.sum = compensated`: sums of DOUBLE and FLOAT keep what rounding takes from them.
    pub compensated_sums: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self { ansi: true, time_zone: TimeZone::UTC, time_zone_name: "UTC".into(), compensated_sums: false }
    }
}

/// What becomes of a row that has no result: an overflow, a division by zero, text that is no number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EvalMode {
    /// An error.
    Ansi,
    /// Wrap-around or NULL, as before ANSI mode.
    Legacy,
    /// NULL: `try_cast`, `try_add`.
    Try,
}

impl Settings {
    /// What `spark.sql.ansi.enabled` means for an operator.
    pub fn mode(&self) -> EvalMode {
        if self.ansi { EvalMode::Ansi } else { EvalMode::Legacy }
    }
}

/// What is constant during one epoch.
#[derive(Clone, Copy, Debug, Default)]
pub struct EvalContext {
    /// `current_timestamp()`: when the epoch began, microseconds since 1970 UTC.
    pub now_us: i64,
}

/// A typed expression over the columns of an input.
#[derive(Clone, Debug, PartialEq)]
pub struct BoundExpr {
    /// Type of the result.
    pub data_type: DataType,
    /// False only if the result cannot be NULL.
    pub nullable: bool,
    /// What it computes.
    pub kind: BoundKind,
}

/// The forms of a bound expression.
#[derive(Clone, Debug, PartialEq)]
pub enum BoundKind {
    /// An input column.
    Column(usize),
    /// A constant.
    Literal(Value),
    /// A function of its arguments, all of which are evaluated for every row that counts.
    Call(FunctionCall),
    /// AND / OR by three-valued logic. The right side is evaluated only for rows that the left leaves open.
    And(Box<BoundExpr>, Box<BoundExpr>),
    /// See `And`.
    Or(Box<BoundExpr>, Box<BoundExpr>),
    /// First branch whose condition is true, else `otherwise`; each side is evaluated only for its own rows.
    Case {
        /// Conditions and results.
        branches: Vec<(BoundExpr, BoundExpr)>,
        /// Else.
        otherwise: Box<BoundExpr>,
    },
    /// First argument that is not NULL; later ones are evaluated only where still needed.
    Coalesce(Vec<BoundExpr>),
}

/// A scalar function applied to arguments.
#[derive(Clone, Debug)]
pub struct FunctionCall {
    /// The function, with whatever it captured when it was bound.
    pub function: Arc<dyn ScalarFunction>,
    /// Its arguments, already of the types it wants.
    pub args: Vec<BoundExpr>,
    /// Where it stands in the job text, for errors at run time.
    pub span: Option<Span>,
}

/// A scalar function over columns.
///
/// Implementations are stateless values that hold what was known when they were bound (a compiled pattern, the
/// session's zone, ANSI or not).
pub trait ScalarFunction: fmt::Debug + Send + Sync {
    /// Spark's name in lower case; together with argument and result types and [`ScalarFunction::parameters`] it
    /// identifies the function, so that `GROUP BY upper(a)` is recognised in `SELECT upper(a)`.
    fn name(&self) -> &'static str;

    /// What the function captured beyond its arguments, if two calls of one name can differ in it.
    fn parameters(&self) -> String {
        String::new()
    }

    /// False if two evaluations over the same row may differ (`rand`, `uuid`): such a call is never moved.
    fn is_deterministic(&self) -> bool {
        true
    }

    /// Lends the result instead of computing it, where it is an argument or a part of one (a field of a struct).
    fn lend<'a>(&self, _args: &[ColumnRef<'a>]) -> Option<ColumnRef<'a>> {
        None
    }

    /// The part that this call takes of a result which calls of its name have in common.
    fn part(&self) -> Option<Part> {
        None
    }

    /// The function that gives all these parts at once: a struct with a field each, never NULL itself. A function with
    /// a part has one, and never fails.
    fn of_parts(&self, _parts: &[usize]) -> Option<Arc<dyn ScalarFunction>> {
        None
    }

    /// Computes `rows.len()` results into `out`, which is cleared by the caller. Rows that do not count may hold
    /// anything valid (or NULL) and must never cause an error. `args` are `rows.len()` long or constant.
    fn eval(&self, cx: &EvalContext, args: &[ColumnRef<'_>], rows: &Rows<'_>, out: &mut Column) -> Result<()>;
}

/// What a call takes of a result that several calls have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// Which part.
    pub index: usize,
    /// The common result is of so many leading arguments; those behind them name the part.
    pub args: usize,
}

impl PartialEq for FunctionCall {
    fn eq(&self, other: &Self) -> bool {
        self.function.name() == other.function.name()
            && self.function.parameters() == other.function.parameters()
            && self.args == other.args
    }
}

impl BoundExpr {
    /// An input column.
    pub fn column(index: usize, data_type: DataType, nullable: bool) -> Self {
        Self { data_type, nullable, kind: BoundKind::Column(index) }
    }

    /// A constant.
    pub fn literal(value: Value, data_type: DataType) -> Self {
        Self { data_type, nullable: value.is_null(), kind: BoundKind::Literal(value) }
    }

    /// A call.
    pub fn call(function: impl ScalarFunction + 'static, args: Vec<BoundExpr>, data_type: DataType) -> Self {
        let nullable = true;
        let call = FunctionCall { function: Arc::new(function), args, span: None };
        Self { data_type, nullable, kind: BoundKind::Call(call) }
    }

    /// Says whether the result can be NULL.
    pub fn nullable(mut self, nullable: bool) -> Self {
        self.nullable = nullable;
        self
    }

    /// Says where the call stands in the job text.
    pub fn at(mut self, span: Option<Span>) -> Self {
        if let BoundKind::Call(call) = &mut self.kind {
            call.span = call.span.or(span);
        }
        self
    }

    /// The value of a literal.
    pub fn as_literal(&self) -> Option<&Value> {
        match &self.kind {
            BoundKind::Literal(value) => Some(value),
            _ => None,
        }
    }

    /// The index of a plain column.
    pub fn as_column(&self) -> Option<usize> {
        match self.kind {
            BoundKind::Column(index) => Some(index),
            _ => None,
        }
    }

    /// The direct operands.
    pub fn children(&self) -> Vec<&BoundExpr> {
        match &self.kind {
            BoundKind::Column(_) | BoundKind::Literal(_) => Vec::new(),
            BoundKind::Call(call) => call.args.iter().collect(),
            BoundKind::And(a, b) | BoundKind::Or(a, b) => alloc::vec![a, b],
            BoundKind::Case { branches, otherwise } => {
                branches.iter().flat_map(|(when, then)| [when, then]).chain([&**otherwise]).collect()
            }
            BoundKind::Coalesce(args) => args.iter().collect(),
        }
    }

    /// Rebuilds the tree bottom-up, `f` replacing each node after its operands were rebuilt.
    pub fn transform(self, f: &mut dyn FnMut(BoundExpr) -> BoundExpr) -> BoundExpr {
        let kind = self.kind.map_operands(&mut |e| e.transform(f));
        f(BoundExpr { kind, ..self })
    }

    /// Rebuilds the tree top-down: where `f` gives a replacement, it stands for the whole sub-expression.
    pub fn replace(self, f: &mut dyn FnMut(&BoundExpr) -> Option<BoundExpr>) -> BoundExpr {
        if let Some(replacement) = f(&self) {
            return replacement;
        }
        let mut each = |e: BoundExpr| e.replace(f);
        let kind = self.kind.map_operands(&mut each);
        BoundExpr { kind, ..self }
    }

    /// Whether any node satisfies `f`.
    pub fn any(&self, f: &dyn Fn(&BoundExpr) -> bool) -> bool {
        f(self) || self.children().into_iter().any(|child| child.any(f))
    }

    /// False if two evaluations over the same row may differ.
    pub fn is_deterministic(&self) -> bool {
        !self.any(&|e| matches!(&e.kind, BoundKind::Call(call) if !call.function.is_deterministic()))
    }

    /// Adds the indices of the columns it reads, each once.
    pub fn collect_columns(&self, columns: &mut Vec<usize>) {
        if let Some(index) = self.as_column()
            && !columns.contains(&index)
        {
            columns.push(index);
        }
        self.children().into_iter().for_each(|child| child.collect_columns(columns));
    }
}

impl BoundKind {
    /// The same form with every direct operand replaced.
    fn map_operands(self, f: &mut dyn FnMut(BoundExpr) -> BoundExpr) -> Self {
        let mut boxed = |e: Box<BoundExpr>| Box::new(f(*e));
        match self {
            leaf @ (Self::Column(_) | Self::Literal(_)) => leaf,
            Self::Call(call) => Self::Call(FunctionCall { args: call.args.into_iter().map(f).collect(), ..call }),
            Self::And(a, b) => Self::And(boxed(a), boxed(b)),
            Self::Or(a, b) => Self::Or(boxed(a), boxed(b)),
            Self::Coalesce(args) => Self::Coalesce(args.into_iter().map(f).collect()),
            Self::Case { branches, otherwise } => {
                let otherwise = boxed(otherwise);
                Self::Case { branches: branches.into_iter().map(|(w, t)| (f(w), f(t))).collect(), otherwise }
            }
        }
    }
}
