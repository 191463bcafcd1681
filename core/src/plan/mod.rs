//! The logical plan: what a query means, resolved and typed. SQL text and the DataFrame API both build it through
//! [`PlanBuilder`], one verb a step, each checked against the schema below it.
//!
//! ```text
//!   PlanBuilder ──► LogicalPlan ──rewrite──► LogicalPlan ──check(mode)──► exec
//! ```
//! Every expression in a plan is bound: columns are indices into the output of the node below (for joins: left
//! columns, then right columns). Nodes keep their schema, so no name is ever looked up twice.

mod builder;
mod catalog;
mod check;
mod deduplicate;
mod explain;
mod generate;
mod grouped;
mod insert;
mod join_time;
mod lateral;
mod rewrite;
mod select;
mod share;
mod subqueries;
mod windows;

use alloc::{boxed::Box, string::String, sync::Arc, vec::Vec};

pub use builder::{JoinOn, PlanBuilder};
pub use catalog::{Catalog, Table};
pub use check::{OutputMode, check};
pub use deduplicate::Deduplicate;
pub(crate) use deduplicate::event_time_of;
pub(crate) use explain::describe_state;
pub use explain::explain;
pub(crate) use join_time::JoinConditions;
pub use join_time::JoinExpiry;
pub use rewrite::rewrite;
pub use select::{GroupBy, Select};

use crate::{agg::BoundAggregate, expr::BoundExpr, schema::Schema};

/// A node of a query, with what it stands on.
#[derive(Clone, Debug, PartialEq)]
pub enum LogicalPlan {
    /// A table: the only leaf that reads anything.
    Scan(Scan),
    /// `range(start, end, step)`: one BIGINT column `id`.
    Range {
        /// First value.
        start: i64,
        /// First value that is not in it.
        end: i64,
        /// Distance of two values, not zero.
        step: i64,
        /// One column.
        schema: Schema,
    },
    /// Rows written in the text; a SELECT without FROM has one row without columns.
    Values {
        /// One literal expression a column.
        rows: Vec<Vec<BoundExpr>>,
        /// The columns.
        schema: Schema,
    },
    /// The same rows under other names or qualifiers.
    Alias {
        /// The rows.
        input: Box<LogicalPlan>,
        /// As many fields as the input has.
        schema: Schema,
    },
    /// Declares the event-time column: rows advance the watermark as they pass here.
    Watermark {
        /// The rows.
        input: Box<LogicalPlan>,
        /// Index of the TIMESTAMP column.
        column: usize,
        /// How far the watermark stays behind the highest event time.
        delay_us: i64,
        /// The input's, with the column marked.
        schema: Schema,
    },
    /// The rows for which the predicate is true.
    Filter {
        /// The rows.
        input: Box<LogicalPlan>,
        /// BOOLEAN
        predicate: BoundExpr,
    },
    /// One expression a column.
    Project {
        /// The rows.
        input: Box<LogicalPlan>,
        /// The columns.
        exprs: Vec<BoundExpr>,
        /// Their names.
        schema: Schema,
    },
    /// Appends a column: the time window of each row; a row in several (sliding) windows is repeated.
    Window {
        /// The rows.
        input: Box<LogicalPlan>,
        /// Which windows.
        window: TimeWindow,
        /// The input's and the window column.
        schema: Schema,
    },
    /// Appends a column: the session that each row would open on its own, `[time, time + gap)`.
    Session {
        /// The rows.
        input: Box<LogicalPlan>,
        /// TIMESTAMP
        time: BoundExpr,
        /// CALENDAR INTERVAL; rows with a NULL, zero or negative gap are dropped.
        gap: BoundExpr,
        /// The input's and the session column.
        schema: Schema,
    },
    /// Repeats each row once an element of an array, appending the element.
    Explode {
        /// The rows.
        input: Box<LogicalPlan>,
        /// ARRAY
        array: BoundExpr,
        /// Rows with an empty or NULL array stay, with NULL.
        outer: bool,
        /// Appends the element's position before it.
        with_position: bool,
        /// The input's, the position if asked for, the element.
        schema: Schema,
    },
    /// Groups rows and aggregates each group.
    Aggregate(Aggregate),
    /// Keeps the first row of each key.
    Deduplicate(Deduplicate),
    /// Joins two inputs.
    Join(Join),
    /// All rows of all inputs, by position.
    Union {
        /// At least one, of the same types.
        inputs: Vec<LogicalPlan>,
        /// The first input's names.
        schema: Schema,
    },
    /// Orders all rows of a batch.
    Sort {
        /// The rows.
        input: Box<LogicalPlan>,
        /// Most significant first.
        keys: Vec<SortOrder>,
    },
    /// The first rows.
    Limit {
        /// The rows.
        input: Box<LogicalPlan>,
        /// At most so many; `None` for all.
        limit: Option<u64>,
        /// After skipping so many.
        offset: u64,
    },
}

/// A table being read.
#[derive(Clone, Debug, PartialEq)]
pub struct Scan {
    /// The table.
    pub table: Arc<Table>,
    /// Read as a stream, epoch by epoch; otherwise whole.
    pub is_stream: bool,
    /// The table's columns, qualified.
    pub schema: Schema,
    /// Which columns the query uses; the others need not be parsed and hold no values.
    pub needed: Vec<bool>,
}

/// `window(time, size, slide, start)` with everything in microseconds.
#[derive(Clone, Debug, PartialEq)]
pub struct TimeWindow {
    /// The event time: TIMESTAMP or TIMESTAMP_NTZ.
    pub time: BoundExpr,
    /// Length, positive.
    pub size_us: i64,
    /// Distance of two window starts, positive, at most the size.
    pub slide_us: i64,
    /// Offset of window starts from the epoch, less than the slide either way.
    pub start_us: i64,
}

/// Grouping and aggregates. Output: group columns, then aggregates.
#[derive(Clone, Debug, PartialEq)]
pub struct Aggregate {
    /// The rows.
    pub input: Box<LogicalPlan>,
    /// Keys; none means one group that exists even without rows.
    pub group: Vec<BoundExpr>,
    /// What is computed of each group.
    pub aggregates: Vec<AggregateExpr>,
    /// Group columns, then aggregates.
    pub schema: Schema,
    /// It stands for SELECT DISTINCT.
    pub is_distinct: bool,
}

/// One aggregate of an [`Aggregate`] node.
#[derive(Clone, Debug, PartialEq)]
pub struct AggregateExpr {
    /// The function and its arguments.
    pub call: BoundAggregate,
    /// `FILTER (WHERE ...)`
    pub filter: Option<BoundExpr>,
    /// `DISTINCT`
    pub distinct: bool,
}

/// A join. `on` pairs are equalities of a left and a right expression; `residual` sees left columns, then right.
#[derive(Clone, Debug, PartialEq)]
pub struct Join {
    /// Left rows.
    pub left: Box<LogicalPlan>,
    /// Right rows.
    pub right: Box<LogicalPlan>,
    /// Which rows come out.
    pub kind: JoinKind,
    /// Equalities: an expression over the left input, one over the right input, of one type.
    pub on: Vec<(BoundExpr, BoundExpr)>,
    /// The rest of the condition, over both inputs.
    pub residual: Option<BoundExpr>,
    /// Left columns and, unless semi or anti, right columns.
    pub schema: Schema,
    /// It is what became of a subquery, and goes where the condition goes that the subquery stands in.
    pub subquery: bool,
}

/// Kinds of join.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "they are SQL's own")]
pub enum JoinKind {
    Inner,
    Left,
    Right,
    Full,
    LeftSemi,
    LeftAnti,
    Cross,
}

/// One key of a sort.
#[derive(Clone, Debug, PartialEq)]
pub struct SortOrder {
    /// What is compared.
    pub expr: BoundExpr,
    /// Highest first.
    pub descending: bool,
    /// Where NULLs go.
    pub nulls_first: bool,
}

impl LogicalPlan {
    /// The columns that come out.
    pub fn schema(&self) -> &Schema {
        match self {
            Self::Scan(scan) => &scan.schema,
            Self::Aggregate(aggregate) => &aggregate.schema,
            Self::Join(join) => &join.schema,
            Self::Deduplicate(deduplicate) => deduplicate.input.schema(),
            Self::Filter { input, .. } | Self::Sort { input, .. } | Self::Limit { input, .. } => input.schema(),
            Self::Range { schema, .. }
            | Self::Values { schema, .. }
            | Self::Alias { schema, .. }
            | Self::Watermark { schema, .. }
            | Self::Project { schema, .. }
            | Self::Window { schema, .. }
            | Self::Session { schema, .. }
            | Self::Explode { schema, .. }
            | Self::Union { schema, .. } => schema,
        }
    }

    /// The nodes it stands on, left to right.
    pub fn inputs(&self) -> Vec<&LogicalPlan> {
        match self {
            Self::Scan(_) | Self::Range { .. } | Self::Values { .. } => Vec::new(),
            Self::Aggregate(aggregate) => alloc::vec![&*aggregate.input],
            Self::Deduplicate(deduplicate) => alloc::vec![&*deduplicate.input],
            Self::Join(join) => alloc::vec![&*join.left, &*join.right],
            Self::Union { inputs, .. } => inputs.iter().collect(),
            Self::Alias { input, .. }
            | Self::Watermark { input, .. }
            | Self::Filter { input, .. }
            | Self::Project { input, .. }
            | Self::Window { input, .. }
            | Self::Session { input, .. }
            | Self::Explode { input, .. }
            | Self::Sort { input, .. }
            | Self::Limit { input, .. } => alloc::vec![&**input],
        }
    }

    /// The same node on other inputs: `f` replaces each.
    pub fn map_inputs(self, f: &mut dyn FnMut(LogicalPlan) -> LogicalPlan) -> LogicalPlan {
        let mut apply = |input: Box<LogicalPlan>| Box::new(f(*input));
        match self {
            leaf @ (Self::Scan(_) | Self::Range { .. } | Self::Values { .. }) => leaf,
            Self::Aggregate(a) => Self::Aggregate(Aggregate { input: apply(a.input), ..a }),
            Self::Deduplicate(d) => Self::Deduplicate(Deduplicate { input: apply(d.input), ..d }),
            Self::Join(j) => {
                let (left, right) = (apply(j.left), apply(j.right));
                Self::Join(Join { left, right, ..j })
            }
            Self::Union { inputs, schema } => Self::Union { inputs: inputs.into_iter().map(f).collect(), schema },
            Self::Alias { input, schema } => Self::Alias { input: apply(input), schema },
            Self::Watermark { input, column, delay_us, schema } => {
                Self::Watermark { input: apply(input), column, delay_us, schema }
            }
            Self::Filter { input, predicate } => Self::Filter { input: apply(input), predicate },
            Self::Project { input, exprs, schema } => Self::Project { input: apply(input), exprs, schema },
            Self::Window { input, window, schema } => Self::Window { input: apply(input), window, schema },
            Self::Session { input, time, gap, schema } => Self::Session { input: apply(input), time, gap, schema },
            Self::Explode { input, array, outer, with_position, schema } => {
                Self::Explode { input: apply(input), array, outer, with_position, schema }
            }
            Self::Sort { input, keys } => Self::Sort { input: apply(input), keys },
            Self::Limit { input, limit, offset } => Self::Limit { input: apply(input), limit, offset },
        }
    }

    /// Whether any table below is read as a stream.
    pub fn is_streaming(&self) -> bool {
        match self {
            Self::Scan(scan) => scan.is_stream,
            _ => self.inputs().into_iter().any(LogicalPlan::is_streaming),
        }
    }

    /// Whether rows of a stream are aggregated here or below, so that they are not only added to.
    pub(crate) fn aggregates_stream(&self) -> bool {
        let mut found = false;
        self.visit(&mut |node| found |= matches!(node, Self::Aggregate(a) if a.input.is_streaming()));
        found
    }

    /// Calls `f` with every node, inputs before the nodes that stand on them.
    pub fn visit<'a>(&'a self, f: &mut dyn FnMut(&'a LogicalPlan)) {
        self.inputs().into_iter().for_each(|input| input.visit(f));
        f(self);
    }

    /// The tables read, in the order of their appearance.
    pub fn scans(&self) -> Vec<&Scan> {
        let mut scans = Vec::new();
        self.visit(&mut |node| {
            if let Self::Scan(scan) = node {
                scans.push(scan);
            }
        });
        scans
    }
}

impl Aggregate {
    /// How the groups relate to event time.
    pub fn event_key(&self) -> EventKey {
        let columns = self.group.iter().enumerate().filter_map(|(g, e)| Some((g, e.as_column()?)));
        for (position, column) in columns {
            match &*self.input {
                LogicalPlan::Window { window, schema, .. }
                    if column == schema.len() - 1 && !self.reads_beside(position, column) =>
                {
                    return EventKey::Window { position, window: window.clone() };
                }
                LogicalPlan::Session { schema, .. } if column == schema.len() - 1 => {
                    return EventKey::Session { position };
                }
                _ => {}
            }
        }
        // A window that is also read elsewhere is a column of its own; then rows are expanded below.
        let marked = (0..self.group.len()).find(|&g| self.schema.field(g).event_time.is_some());
        marked.map_or(EventKey::None, |position| EventKey::Column { position })
    }
}

impl Aggregate {
    /// Whether anything but group expression `position` reads the input column.
    fn reads_beside(&self, position: usize, column: usize) -> bool {
        let others = self.group.iter().enumerate().filter(|(g, _)| *g != position).map(|(_, e)| e);
        let args = self.aggregates.iter().flat_map(|a| a.call.args.iter().chain(&a.filter));
        others.chain(args).any(|e| e.any(&|e| e.as_column() == Some(column)))
    }
}

/// How the groups of an aggregation relate to event time: decides lateness, eviction and emission.
#[derive(Clone, Debug, PartialEq)]
pub enum EventKey {
    /// Grouped by a time window made right below: rows go to panes, panes merge into windows.
    Window {
        /// Which group column.
        position: usize,
        /// The window.
        window: TimeWindow,
    },
    /// Grouped by a session made right below.
    Session {
        /// Which group column.
        position: usize,
    },
    /// Grouped by a column that carries the watermark: a timestamp, or a window struct from a query below.
    Column {
        /// Which group column.
        position: usize,
    },
    /// Not grouped by event time: groups never close.
    None,
}

/// Names of a schema's columns, for messages.
pub(crate) fn column_names(schema: &Schema) -> Vec<String> {
    schema.fields().iter().map(|f| f.name.clone()).collect()
}
