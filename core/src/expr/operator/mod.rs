//! Operators: arithmetic, comparison, logic, bits, patterns, membership, fields. Each file binds its operators (which
//! types they take, what they are coerced to) and holds their kernels.

pub(crate) mod access;
pub(crate) mod arithmetic;
mod bits;
pub(crate) mod compare;
mod datetime;
mod decimals;
mod like;
pub(crate) mod logic;
mod membership;
pub(crate) mod negate;

use alloc::{format, vec};

use super::{BinaryOp, BoundExpr, EvalMode, Settings, UnaryOp, cast, fold, function};
use crate::{
    block::Value,
    error::{Error, Result, Span},
    schema::DataType,
};

pub(crate) use like::escaped as like_escaped;
pub(crate) use membership::in_list;

/// Where an operator stands, and by which rules it goes.
#[derive(Clone, Copy, Debug)]
pub struct Site<'a> {
    /// The session's settings.
    pub settings: &'a Settings,
    /// What a failure means: the session's mode, or [`EvalMode::Try`] for `try_add` and its like.
    pub mode: EvalMode,
    /// Where it stands in the job text.
    pub span: Option<Span>,
}

impl<'a> Site<'a> {
    /// A place where the session's mode rules.
    pub fn new(settings: &'a Settings, span: Option<Span>) -> Self {
        Self { settings, mode: settings.mode(), span }
    }

    pub(crate) fn coerced(&self, expr: BoundExpr, to: &DataType) -> BoundExpr {
        cast::coerced(expr, to, self.settings)
    }

    /// As Spark casts an operand on its own, or the error that it would not.
    pub(crate) fn implicit(&self, op: &str, expr: BoundExpr, to: &DataType) -> Result<BoundExpr> {
        let from = expr.data_type.clone();
        cast::implicit(expr, to, self.settings).map_err(|_| self.wrong_type(op, &alloc::format!("{to}"), &from))
    }

    pub(crate) fn wrong_type(&self, op: &str, wanted: &str, found: &DataType) -> Error {
        let text = format!("`{op}` takes {wanted}, not {found}");
        Error::unsupported("DATATYPE_MISMATCH.UNEXPECTED_INPUT_TYPE", text).at(self.span)
    }

    pub(crate) fn mismatch(&self, op: &str, left: &DataType, right: &DataType) -> Error {
        let text = format!("`{op}` cannot be applied to {left} and {right}");
        Error::unsupported("DATATYPE_MISMATCH.BINARY_OP_DIFF_TYPES", text)
            .at(self.span)
            .hint("CAST one side to the type of the other")
    }
}

/// `left op right`
pub fn binary(left: BoundExpr, op: BinaryOp, right: BoundExpr, site: Site<'_>) -> Result<BoundExpr> {
    use BinaryOp::*;
    let is_nothing = is_nothing(&left, op, &right);
    let bound = match op {
        And | Or => logic::combine(left, op, right, site),
        Add | Subtract | Multiply | Divide | IntegerDivide | Modulo => arithmetic::bind(left, op, right, site),
        Eq | NotEq | Less | LessEq | Greater | GreaterEq | NullSafeEq => compare::bind(left, op, right, site),
        BitAnd | BitOr | BitXor => bits::bind(left, op, right, site),
        Like | ILike | RLike => like::bind(left, op, right, site),
        NotLike => logic::not(like::bind(left, Like, right, site)?, site),
        NotILike => logic::not(like::bind(left, ILike, right, site)?, site),
        NotRLike => logic::not(like::bind(left, RLike, right, site)?, site),
        Concat => concat(left, right, site),
    };
    if is_nothing { bound.map(|e| BoundExpr::literal(Value::Null, e.data_type)) } else { bound }
}

/// Whether an operand is NULL and the operator gives nothing else then: Spark does not look at the other one.
fn is_nothing(left: &BoundExpr, op: BinaryOp, right: &BoundExpr) -> bool {
    let looks_at_both = matches!(op, BinaryOp::And | BinaryOp::Or | BinaryOp::NullSafeEq | BinaryOp::Concat);
    !looks_at_both && [left, right].iter().any(|e| e.as_literal().is_some_and(Value::is_null))
}

/// `op operand`
pub fn unary(op: UnaryOp, operand: BoundExpr, site: Site<'_>) -> Result<BoundExpr> {
    match op {
        UnaryOp::Negate => negate::bind(operand, site),
        UnaryOp::Plus => negate::plus(operand, site),
        UnaryOp::BitNot => bits::not(operand, site),
        UnaryOp::Not => logic::not(operand, site),
        UnaryOp::IsNull => Ok(logic::test(operand, logic::Test::Null)),
        UnaryOp::IsNotNull => Ok(logic::test(operand, logic::Test::NotNull)),
        UnaryOp::IsTrue => logic::is(operand, logic::Test::True, site),
        UnaryOp::IsNotTrue => logic::is(operand, logic::Test::NotTrue, site),
        UnaryOp::IsFalse => logic::is(operand, logic::Test::False, site),
        UnaryOp::IsNotFalse => logic::is(operand, logic::Test::NotFalse, site),
    }
}

/// `a || b` is `concat(a, b)`.
fn concat(left: BoundExpr, right: BoundExpr, site: Site<'_>) -> Result<BoundExpr> {
    let Some((name, concat)) = function::lookup("concat") else {
        return Err(Error::internal("concat() is not among the functions"));
    };
    let call = function::Call { name, args: vec![left, right], settings: site.settings, span: site.span };
    (concat.bind)(call).map(fold::constant)
}

/// The sign of an operator in SQL.
pub(crate) fn symbol(op: BinaryOp) -> &'static str {
    use BinaryOp::*;
    match op {
        Add => "+",
        Subtract => "-",
        Multiply => "*",
        Divide => "/",
        IntegerDivide => "div",
        Modulo => "%",
        And => "AND",
        Or => "OR",
        Eq => "=",
        NotEq => "<>",
        Less => "<",
        LessEq => "<=",
        Greater => ">",
        GreaterEq => ">=",
        NullSafeEq => "<=>",
        Concat => "||",
        BitAnd => "&",
        BitOr => "|",
        BitXor => "^",
        Like => "LIKE",
        NotLike => "NOT LIKE",
        ILike => "ILIKE",
        NotILike => "NOT ILIKE",
        RLike => "RLIKE",
        NotRLike => "NOT RLIKE",
    }
}
