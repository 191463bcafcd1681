//! Rows in groups, waiting to be aggregated.

use firesteel_core::{
    Result,
    expr::Expr,
    plan::{GroupBy, Select},
};

use super::{DataFrame, IntoColumn, avg, count_all, max, min, sum};

/// What [`DataFrame::group_by`] gives: the result has the group columns, then the aggregates.
#[derive(Clone, Debug)]
pub struct GroupedData {
    frame: DataFrame,
    keys: Vec<Expr>,
}

impl GroupedData {
    pub(super) fn new(frame: DataFrame, keys: Vec<Expr>) -> Self {
        Self { frame, keys }
    }

    /// These aggregates of each group.
    pub fn agg(&self, aggregates: impl IntoIterator<Item = Expr>) -> Result<DataFrame> {
        let projection = self.keys.iter().cloned().chain(aggregates).collect();
        let group_by = Some(GroupBy::Exprs(self.keys.clone()));
        self.frame.build(|plan| plan.select(Select { projection, group_by, ..Select::default() }))
    }

    /// The number of rows of each group, as `count`.
    pub fn count(&self) -> Result<DataFrame> {
        self.agg([count_all().alias("count")])
    }

    /// The sums of these columns.
    pub fn sum<C: IntoColumn>(&self, columns: impl IntoIterator<Item = C>) -> Result<DataFrame> {
        self.agg(columns.into_iter().map(sum))
    }

    /// The means of these columns.
    pub fn avg<C: IntoColumn>(&self, columns: impl IntoIterator<Item = C>) -> Result<DataFrame> {
        self.agg(columns.into_iter().map(avg))
    }

    /// The least values of these columns.
    pub fn min<C: IntoColumn>(&self, columns: impl IntoIterator<Item = C>) -> Result<DataFrame> {
        self.agg(columns.into_iter().map(min))
    }

    /// The greatest values of these columns.
    pub fn max<C: IntoColumn>(&self, columns: impl IntoIterator<Item = C>) -> Result<DataFrame> {
        self.agg(columns.into_iter().map(max))
    }
}
