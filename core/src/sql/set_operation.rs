//! UNION, INTERSECT and EXCEPT of two plans.

use alloc::{format, string::String, vec, vec::Vec};

use super::{
    query::Planner,
    subquery::hidden_name,
    tree::{Quantifier, SetOperator},
};
use crate::{
    error::{Error, Result},
    expr::{BinaryOp, Expr, ExprKind},
    plan::{JoinKind, JoinOn, PlanBuilder, Select},
};

impl Planner<'_> {
    /// Both sides as one; columns meet by position unless BY NAME says otherwise.
    pub(super) fn combined(
        &self,
        left: PlanBuilder,
        right: PlanBuilder,
        op: SetOperator,
        quantifier: Quantifier,
    ) -> Result<PlanBuilder> {
        match (op, quantifier) {
            (SetOperator::Union, Quantifier { all: true, by_name: false }) => left.union_all(right),
            (SetOperator::Union, Quantifier { all: false, by_name: false }) => left.union_all(right)?.distinct(),
            (SetOperator::Union, Quantifier { all: true, by_name: true }) => by_name(left, right),
            (SetOperator::Union, Quantifier { all: false, by_name: true }) => by_name(left, right)?.distinct(),
            (SetOperator::Intersect, Quantifier { all: false, by_name: false }) => {
                self.kept(left, right, JoinKind::LeftSemi)
            }
            (SetOperator::Except, Quantifier { all: false, by_name: false }) => {
                self.kept(left, right, JoinKind::LeftAnti)
            }
            (op, Quantifier { all, .. }) => {
                let op = if op == SetOperator::Intersect { "INTERSECT" } else { "EXCEPT" };
                let text = format!("{op} {} is not supported", if all { "ALL" } else { "BY NAME" });
                Err(Error::unsupported("UNSUPPORTED_FEATURE", text)
                    .hint("join instead: LEFT SEMI JOIN keeps common rows, LEFT ANTI JOIN removes them"))
            }
        }
    }

    /// The different rows of the left side that the right side has, or has not; here NULL equals NULL.
    fn kept(&self, left: PlanBuilder, right: PlanBuilder, kind: JoinKind) -> Result<PlanBuilder> {
        let width = left.schema().len();
        if right.schema().len() != width {
            let text = format!("a set operation of {width} and {} columns", right.schema().len());
            return Err(Error::unsupported("NUM_COLUMNS_MISMATCH", text));
        }
        let names: Vec<String> = left.schema().fields().iter().map(|f| f.name.clone()).collect();
        let (this, that) = (hidden_name(&self.hidden), hidden_name(&self.hidden));
        let columns: Vec<String> = (0..width).map(|i| format!("(column {i})")).collect();
        let column = |of: &String, i: usize| Expr::new(ExprKind::Column(vec![of.clone(), columns[i].clone()]));
        let pairs = (0..width).map(|i| column(&this, i).binary(BinaryOp::NullSafeEq, column(&that, i)));
        let on = pairs.reduce(Expr::and).map_or(JoinOn::None, JoinOn::Condition);
        let left = left.distinct()?.alias(&this, &columns)?;
        let projection = names.into_iter().enumerate().map(|(i, name)| column(&this, i).alias(name)).collect();
        left.join(right.alias(&that, &columns)?, kind, on)?.select(Select { projection, ..Select::default() })
    }
}

/// The right side's columns in the order of the left side's.
fn by_name(left: PlanBuilder, right: PlanBuilder) -> Result<PlanBuilder> {
    let names: Vec<String> = left.schema().fields().iter().map(|f| f.name.clone()).collect();
    if right.schema().len() != names.len() {
        let text = format!("UNION BY NAME of {} and {} columns", names.len(), right.schema().len());
        return Err(Error::unsupported("NUM_COLUMNS_MISMATCH", text));
    }
    let projection = names.into_iter().map(|name| Expr::new(ExprKind::Column(vec![name]))).collect();
    left.union_all(right.select(Select { projection, ..Select::default() })?)
}
