//! [`DataFrame`]: a query being built, a verb at a time, and the actions that run it.

use std::sync::Arc;

use firesteel_core::{
    Error, Result,
    block::{BlockRef, Value},
    expr::{Expr, ExprKind, Settings, SortKey, col, lit},
    plan::{JoinKind, JoinOn, LogicalPlan, OutputMode, PlanBuilder, Select, Table},
    schema::{Schema, same_name},
    sql::parse_expressions,
    time::interval::parse_interval,
};

use super::{
    DataStreamWriter, DataWriter, GroupedData, Row, Session,
    memory::{BlockSink, Held},
    row::RowShape,
    show, statement,
};
use crate::sink::{self, Sink, SinkContext};

/// Rows that a query will give: lazy, immutable, cheap to clone. Verbs give new frames and check what they are given;
/// actions ([`DataFrame::collect`], [`DataFrame::count`], writers) run.
///
/// ```
/// use firesteel_io::session::{Session, avg, col, count_all};
///
/// let session = Session::new()?;
/// let rooms = session
///     .range(0, 100)
///     .with_column("room", col("id") % 2)?
///     .group_by(["room"])
///     .agg([count_all().alias("n"), avg("id").alias("mean")])?
///     .order_by(["room"])?;
/// let rows = rooms.collect()?;
/// assert_eq!(rows[1].to_string(), "[1,50,50.0]");
/// # Ok::<(), firesteel_core::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct DataFrame {
    session: Session,
    plan: Arc<LogicalPlan>,
    settings: Arc<Settings>,
    /// Rows without a name that the plan reads: they live as long as it.
    _held: Vec<Arc<Held>>,
}

/// What names a column: a name (`"dev"`, `"e.ts"`, `"*"`) or an expression.
pub trait IntoColumn {
    /// The expression.
    fn into_column(self) -> Expr;
}

impl IntoColumn for &str {
    fn into_column(self) -> Expr {
        match self.rsplit_once('.') {
            Some((qualifier, "*")) => Expr::new(ExprKind::Star(Some(qualifier.into()))),
            None if self == "*" => Expr::new(ExprKind::Star(None)),
            _ => col(self),
        }
    }
}

impl IntoColumn for String {
    fn into_column(self) -> Expr {
        self.as_str().into_column()
    }
}

impl IntoColumn for Expr {
    fn into_column(self) -> Expr {
        self
    }
}

/// A condition: an expression, or SQL text.
pub trait IntoPredicate {
    /// The expression.
    fn into_predicate(self, settings: &Settings) -> Result<Expr>;
}

impl IntoPredicate for Expr {
    fn into_predicate(self, _settings: &Settings) -> Result<Expr> {
        Ok(self)
    }
}

impl IntoPredicate for &str {
    fn into_predicate(self, settings: &Settings) -> Result<Expr> {
        one_expression(self, settings)
    }
}

/// A key of a sort: a column, or what [`Expr::asc`] and [`Expr::desc`] give.
pub trait IntoSortKey {
    /// The key.
    fn into_sort_key(self) -> SortKey;
}

impl IntoSortKey for SortKey {
    fn into_sort_key(self) -> SortKey {
        self
    }
}

impl<T: IntoColumn> IntoSortKey for T {
    fn into_sort_key(self) -> SortKey {
        self.into_column().asc()
    }
}

impl DataFrame {
    pub(crate) fn new(session: Session, plan: LogicalPlan) -> Self {
        let settings = session.conf().settings;
        Self::from_builder(session, PlanBuilder::new(plan, settings))
    }

    pub(crate) fn from_builder(session: Session, builder: PlanBuilder) -> Self {
        let settings = builder.settings().clone();
        let plan = Arc::new(builder.into_plan());
        let _held = session.shared.memory.held_by(&plan);
        Self { session, plan, settings, _held }
    }

    pub(crate) fn plan(&self) -> &LogicalPlan {
        &self.plan
    }

    pub(crate) fn session(&self) -> &Session {
        &self.session
    }

    /// The frame that a step of the plan gives.
    pub(crate) fn build(&self, step: impl FnOnce(PlanBuilder) -> Result<PlanBuilder>) -> Result<Self> {
        Ok(Self::from_builder(self.session.clone(), step(self.builder())?))
    }

    fn builder(&self) -> PlanBuilder {
        PlanBuilder::new(LogicalPlan::clone(&self.plan), self.settings.clone())
    }

    // What it is -----------------------------------------------------------------------------------------------

    /// The columns.
    pub fn schema(&self) -> &Schema {
        self.plan.schema()
    }

    /// The names of the columns.
    pub fn columns(&self) -> Vec<&str> {
        self.schema().fields().iter().map(|field| field.name.as_str()).collect()
    }

    /// Whether it never ends: then only [`DataFrame::write_stream`] runs it.
    pub fn is_streaming(&self) -> bool {
        self.plan.is_streaming()
    }

    /// The plan as written and as it runs, in lines.
    pub fn explain(&self) -> String {
        statement::explain_plan(&self.plan)
    }

    // Verbs ----------------------------------------------------------------------------------------------------

    /// These columns; aggregates among them aggregate everything.
    pub fn select<C: IntoColumn>(&self, columns: impl IntoIterator<Item = C>) -> Result<Self> {
        let projection = columns.into_iter().map(IntoColumn::into_column).collect();
        self.build(|plan| plan.select(Select { projection, ..Select::default() }))
    }

    /// These columns, as SQL writes them: `"v * 2 AS twice"`.
    pub fn select_expr<'t>(&self, columns: impl IntoIterator<Item = &'t str>) -> Result<Self> {
        let mut projection = Vec::new();
        for text in columns {
            projection.extend(parse_expressions(text, &self.settings)?);
        }
        self.select(projection)
    }

    /// The rows for which the condition is true: an expression, or SQL text.
    ///
    /// ```
    /// # use firesteel_io::session::{Session, col};
    /// let numbers = Session::new()?.range(0, 10);
    /// assert_eq!(numbers.filter(col("id").gt_eq(8))?.count()?, 2);
    /// assert_eq!(numbers.filter("id % 5 = 0 OR id = 1")?.count()?, 3);
    /// # Ok::<(), firesteel_core::Error>(())
    /// ```
    pub fn filter(&self, condition: impl IntoPredicate) -> Result<Self> {
        let condition = condition.into_predicate(&self.settings)?;
        self.build(|plan| plan.filter(condition))
    }

    /// The same as [`DataFrame::filter`].
    pub fn where_(&self, condition: impl IntoPredicate) -> Result<Self> {
        self.filter(condition)
    }

    /// All columns and this one, which takes the place of one of the same name.
    pub fn with_column(&self, name: &str, value: impl Into<Expr>) -> Result<Self> {
        let value = value.into().alias(name);
        if self.schema().positions(None, name).next().is_none() {
            return self.select([Expr::new(ExprKind::Star(None)), value]);
        }
        let fields = self.schema().fields().iter();
        let columns = fields.map(|f| if same_name(&f.name, name) { value.clone() } else { column_of(f) });
        self.select(columns.collect::<Vec<_>>())
    }

    /// The same columns, one under another name.
    pub fn with_column_renamed(&self, from: &str, to: &str) -> Result<Self> {
        let fields = self.schema().fields().iter();
        let renamed = fields.map(|f| if same_name(&f.name, from) { column_of(f).alias(to) } else { column_of(f) });
        self.select(renamed.collect::<Vec<_>>())
    }

    /// All columns but these; names that no column has do no harm.
    pub fn drop<'n>(&self, names: impl IntoIterator<Item = &'n str>) -> Result<Self> {
        let names: Vec<&str> = names.into_iter().collect();
        let kept = self.schema().fields().iter().filter(|f| !names.iter().any(|name| same_name(name, &f.name)));
        self.select(kept.map(column_of).collect::<Vec<_>>())
    }

    /// The same rows under a name, by which columns can be told apart in joins.
    pub fn alias(&self, name: &str) -> Result<Self> {
        self.build(|plan| plan.alias(name, &[]))
    }

    /// Declares the event-time column: the watermark stays `delay` behind the latest event time seen.
    pub fn with_watermark(&self, column: &str, delay: &str) -> Result<Self> {
        let delay = parse_interval(delay).ok_or_else(|| {
            Error::unsupported("CANNOT_PARSE_INTERVAL", format!("'{delay}' is not an interval"))
                .hint("write a number and a unit: '2 seconds', '10 minutes'")
        })?;
        self.build(|plan| plan.with_watermark(col(column), delay))
    }

    /// Groups rows, for [`GroupedData::agg`] and its relatives.
    pub fn group_by<C: IntoColumn>(&self, columns: impl IntoIterator<Item = C>) -> GroupedData {
        GroupedData::new(self.clone(), columns.into_iter().map(IntoColumn::into_column).collect())
    }

    /// Aggregates all rows into one.
    pub fn agg(&self, aggregates: impl IntoIterator<Item = Expr>) -> Result<Self> {
        GroupedData::new(self.clone(), Vec::new()).agg(aggregates)
    }

    /// Each row once.
    pub fn distinct(&self) -> Result<Self> {
        // Of a stream, as in Spark, rows come out when they are first seen, in append mode too; SQL's DISTINCT groups.
        if self.is_streaming() { self.drop_duplicates([]) } else { self.build(PlanBuilder::distinct) }
    }

    /// The first row of those that agree in these columns; in all columns if none is named. A stream remembers what
    /// it has seen for good, unless the event time is one of the columns: then until the watermark has passed it.
    ///
    /// ```
    /// # use firesteel_io::session::{Session, col};
    /// let numbers = Session::new()?.range(0, 100).with_column("last_digit", col("id") % 10)?;
    /// assert_eq!(numbers.drop_duplicates(["last_digit"])?.count()?, 10);
    /// # Ok::<(), firesteel_core::Error>(())
    /// ```
    pub fn drop_duplicates<'n>(&self, columns: impl IntoIterator<Item = &'n str>) -> Result<Self> {
        let columns: Vec<String> = columns.into_iter().map(String::from).collect();
        self.build(|plan| plan.drop_duplicates(&columns))
    }

    /// The same for a stream with a watermark, which forgets a row once the watermark is the delay past it: enough
    /// for duplicates that come soon after each other, whatever the stream's length.
    pub fn drop_duplicates_within_watermark<'n>(&self, columns: impl IntoIterator<Item = &'n str>) -> Result<Self> {
        let columns: Vec<String> = columns.into_iter().map(String::from).collect();
        self.build(|plan| plan.drop_duplicates_within_watermark(&columns))
    }

    /// The rows of both, by position; nothing is left out (SQL's UNION ALL).
    pub fn union(&self, other: &DataFrame) -> Result<Self> {
        self.build(|plan| plan.union_all(other.builder()))
    }

    /// Pairs of rows for which the condition is true; `kind` says what becomes of rows without a partner.
    pub fn join(&self, other: &DataFrame, on: impl IntoPredicate, kind: JoinKind) -> Result<Self> {
        let on = on.into_predicate(&self.settings)?;
        self.build(|plan| plan.join(other.builder(), kind, JoinOn::Condition(on)))
    }

    /// Pairs of rows that agree in these columns, which the result has once.
    pub fn join_using<'n>(
        &self,
        other: &DataFrame,
        columns: impl IntoIterator<Item = &'n str>,
        kind: JoinKind,
    ) -> Result<Self> {
        let columns = columns.into_iter().map(String::from).collect();
        self.build(|plan| plan.join(other.builder(), kind, JoinOn::Using(columns)))
    }

    /// Every pair of rows.
    pub fn cross_join(&self, other: &DataFrame) -> Result<Self> {
        self.build(|plan| plan.join(other.builder(), JoinKind::Cross, JoinOn::None))
    }

    /// The rows in order.
    pub fn order_by<K: IntoSortKey>(&self, keys: impl IntoIterator<Item = K>) -> Result<Self> {
        let keys = keys.into_iter().map(IntoSortKey::into_sort_key).collect();
        self.build(|plan| plan.sort(keys))
    }

    /// The same as [`DataFrame::order_by`].
    pub fn sort<K: IntoSortKey>(&self, keys: impl IntoIterator<Item = K>) -> Result<Self> {
        self.order_by(keys)
    }

    /// The first rows.
    pub fn limit(&self, count: u32) -> Result<Self> {
        self.build(|plan| plan.limit(Some(lit(i64::from(count))), None))
    }

    /// Gives the frame a name in SQL, whatever had it before.
    pub fn create_or_replace_temp_view(&self, name: &str) -> Result<()> {
        self.session.create_view(&[name.into()], &[], true, self.clone())
    }

    // Actions --------------------------------------------------------------------------------------------------

    /// All rows, in memory.
    pub fn collect(&self) -> Result<Vec<Row>> {
        let shape = Arc::new(RowShape::new(self.schema().clone(), self.settings.clone()));
        let mut rows = Vec::new();
        self.for_each_block(|block| {
            block.rows().for_each(|row| rows.push(Row::of_block(shape.clone(), block, row)));
            Ok(())
        })?;
        Ok(rows)
    }

    /// The number of rows.
    pub fn count(&self) -> Result<u64> {
        let counted = self.agg([super::count_all()])?.first()?;
        let count = counted.and_then(|row| row.value(0).and_then(Value::as_i64));
        count.and_then(|n| u64::try_from(n).ok()).ok_or_else(|| Error::internal("count(*) gave no number"))
    }

    /// The first row, if there is one.
    pub fn first(&self) -> Result<Option<Row>> {
        Ok(self.limit(1)?.collect()?.into_iter().next())
    }

    /// Hands every block of the result to `take`, which may end it early with [`Error::stopped`].
    pub fn for_each_block(&self, take: impl FnMut(&BlockRef<'_>) -> Result<()> + Send) -> Result<()> {
        self.for_each_block_on(&[], take)
    }

    /// The same on these cores: this thread goes to the first, and stays there; a worker runs on each of the others.
    pub fn for_each_block_on(
        &self,
        cores: &[usize],
        take: impl FnMut(&BlockRef<'_>) -> Result<()> + Send,
    ) -> Result<()> {
        if self.is_streaming() {
            return Err(Error::unsupported("STREAMING_QUERY_NEEDS_WRITE_STREAM", "a stream has no end to wait for")
                .hint("start it with write_stream(), or read the table with read() instead of read_stream()"));
        }
        self.session.run_batch_on(&self.plan, cores, Box::new(BlockSink::new(take)))
    }

    /// Prints the first rows as a table.
    pub fn show(&self, rows: u32) -> Result<()> {
        let text = self.show_string(rows)?;
        let failed = |e| Error::io(format!("cannot write to standard output: {e}"));
        std::io::Write::write_all(&mut std::io::stdout().lock(), text.as_bytes()).map_err(failed)
    }

    /// The first rows as a table in text.
    pub fn show_string(&self, rows: u32) -> Result<String> {
        let found = self.limit(rows.saturating_add(1))?.collect()?;
        Ok(show::table(&self.columns(), &found, rows as usize))
    }

    /// Writes the rows of a batch.
    pub fn write(&self) -> DataWriter {
        DataWriter::new(self.clone())
    }

    /// Writes a stream, for as long as it runs.
    pub fn write_stream(&self) -> DataStreamWriter {
        DataStreamWriter::new(self.clone())
    }
}

impl DataFrame {
    /// Opens the sink of a table for these rows; `mode` matters for streams.
    pub(crate) fn open_sink(&self, table: &Table, mode: OutputMode, overwrite: bool) -> Result<Box<dyn Sink>> {
        let mut table = table.clone();
        if overwrite {
            table.options.push(("overwrite".into(), "true".into()));
        }
        let memory = self.session.shared.memory.tables.clone();
        let context = SinkContext { mode: self.is_streaming().then_some(mode), memory };
        sink::open(&table, self.schema(), &self.settings, &context)
    }
}

fn column_of(field: &firesteel_core::schema::Field) -> Expr {
    Expr::new(ExprKind::Column(field.qualifier.iter().chain([&field.name]).cloned().collect()))
}

pub(super) fn one_expression(text: &str, settings: &Settings) -> Result<Expr> {
    let exprs = parse_expressions(text, settings)?;
    <[Expr; 1]>::try_from(exprs).map(|[expr]| expr).map_err(|exprs| {
        Error::invalid(format!("`{text}` is {} expressions, not one", exprs.len())).class("PARSE_SYNTAX_ERROR")
    })
}
