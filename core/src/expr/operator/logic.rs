//! AND, OR, NOT, IS NULL, IS TRUE and their opposites.

use alloc::{boxed::Box, vec};

use super::{Site, symbol};
use crate::{
    block::{Column, ColumnRef, Rows},
    error::Result,
    expr::{BinaryOp, BoundExpr, BoundKind, EvalContext, ScalarFunction, eval::Truth, fold, kernel},
    schema::DataType,
};

/// `left AND right`, `left OR right`
pub(crate) fn combine(left: BoundExpr, op: BinaryOp, right: BoundExpr, site: Site<'_>) -> Result<BoundExpr> {
    let left = Box::new(site.implicit(symbol(op), left, &DataType::Boolean)?);
    let right = Box::new(site.implicit(symbol(op), right, &DataType::Boolean)?);
    let nullable = left.nullable || right.nullable;
    let kind = match op {
        BinaryOp::And => BoundKind::And(left, right),
        _ => BoundKind::Or(left, right),
    };
    Ok(fold::constant(BoundExpr { data_type: DataType::Boolean, nullable, kind }))
}

/// `NOT operand`
pub(crate) fn not(operand: BoundExpr, site: Site<'_>) -> Result<BoundExpr> {
    let operand = site.implicit("NOT", operand, &DataType::Boolean)?;
    let nullable = operand.nullable;
    Ok(fold::constant(BoundExpr::call(Not, vec![operand], DataType::Boolean).nullable(nullable)))
}

/// `operand IS [NOT] TRUE`, `operand IS [NOT] FALSE`
pub(crate) fn is(operand: BoundExpr, of: Test, site: Site<'_>) -> Result<BoundExpr> {
    Ok(test(site.implicit("IS", operand, &DataType::Boolean)?, of))
}

/// A test that is never NULL.
pub(crate) fn test(operand: BoundExpr, of: Test) -> BoundExpr {
    match of {
        Test::Null if !operand.nullable => BoundExpr::literal(false.into(), DataType::Boolean),
        Test::NotNull if !operand.nullable => BoundExpr::literal(true.into(), DataType::Boolean),
        _ => fold::constant(BoundExpr::call(of, vec![operand], DataType::Boolean).nullable(false)),
    }
}

#[derive(Clone, Copy, Debug)]
struct Not;

impl ScalarFunction for Not {
    fn name(&self) -> &'static str {
        "not"
    }

    fn eval(&self, _: &EvalContext, args: &[ColumnRef<'_>], rows: &Rows<'_>, out: &mut Column) -> Result<()> {
        if !kernel::all_null(&[&args[0]], rows, out) {
            let truth = Truth::new(&args[0]);
            by_words(rows, out, |w| truth.word(w).no);
            kernel::nulls_of(&[&args[0]], out);
        }
        Ok(())
    }
}

/// Tests of NULL and truth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Test {
    Null,
    NotNull,
    True,
    NotTrue,
    False,
    NotFalse,
}

impl ScalarFunction for Test {
    fn name(&self) -> &'static str {
        match self {
            Self::Null => "isnull",
            Self::NotNull => "isnotnull",
            Self::True => "is true",
            Self::NotTrue => "is not true",
            Self::False => "is false",
            Self::NotFalse => "is not false",
        }
    }

    fn eval(&self, _: &EvalContext, args: &[ColumnRef<'_>], rows: &Rows<'_>, out: &mut Column) -> Result<()> {
        let operand = &args[0];
        if let Self::Null | Self::NotNull = self {
            let flip = if *self == Self::Null { u64::MAX } else { 0 };
            let constant = if operand.is_valid(0) || rows.is_empty() { u64::MAX } else { 0 };
            match operand.validity {
                Some(valid) if !operand.is_constant => by_words(rows, out, |w| valid.words()[w] ^ flip),
                _ if operand.is_constant => by_words(rows, out, |_| constant ^ flip),
                _ => by_words(rows, out, |_| !flip),
            }
            return Ok(());
        }
        let truth = Truth::new(operand);
        match self {
            Self::True => by_words(rows, out, |w| truth.word(w).yes),
            Self::NotTrue => by_words(rows, out, |w| !truth.word(w).yes),
            Self::False => by_words(rows, out, |w| truth.word(w).no),
            _ => by_words(rows, out, |w| !truth.word(w).no),
        }
        Ok(())
    }
}

/// Writes 64 results at a time; bits past the last row are cut off.
fn by_words(rows: &Rows<'_>, out: &mut Column, f: impl Fn(usize) -> u64) {
    let len = rows.len();
    for (w, word) in out.bools_mut(len).words_mut().iter_mut().enumerate() {
        let rows = (len - w * 64).min(64);
        *word = f(w) & (u64::MAX >> (64 - rows));
    }
}
