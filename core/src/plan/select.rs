//! Everything of a SELECT after FROM and WHERE: windows, grouping, aggregates, HAVING, DISTINCT, ORDER BY, LIMIT.
//!
//! The steps, each giving the node above the last:
//! ```text
//!   Window / Session      for window(...) and session_window(...) wherever they are written
//!   Explode               for explode(...) in the select list
//!   Aggregate             group expressions, then every distinct aggregate call
//!   Filter                HAVING
//!   Project               the select list (and what ORDER BY needs beyond it)
//!   Aggregate             DISTINCT: grouping by all columns
//!   Sort, Project, Limit
//! ```
//! Expressions above an aggregation are bound in two steps: first against the input with aggregate calls standing
//! for extra columns, then every sub-expression that equals a group expression becomes that group's column. What
//! still refers to the input after that is Spark's MISSING_AGGREGATION.

use alloc::{format, string::String, vec, vec::Vec};

use super::{
    Aggregate, AggregateExpr, LogicalPlan, PlanBuilder, TimeWindow,
    builder::{boolean, column_of, generator_form, ordinal, projected_field, sort_order, window_fields},
};
use crate::{
    agg::{self, AggregateCall},
    block::Value,
    error::{Error, Result, Span},
    expr::{BoundExpr, EvalMode, Expr, ExprKind, Scope, Settings, SortKey, bind, cast, function},
    limits::WINDOWS_PER_ROW_MAX,
    schema::{DataType, Field, Schema, same_name},
    time::interval::parse_interval,
    window::WindowTime,
};

/// The parts of a SELECT that come after FROM and WHERE.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Select {
    /// The select list.
    pub projection: Vec<Expr>,
    /// GROUP BY
    pub group_by: Option<GroupBy>,
    /// HAVING
    pub having: Option<Expr>,
    /// SELECT DISTINCT
    pub distinct: bool,
    /// ORDER BY
    pub order_by: Vec<SortKey>,
    /// LIMIT
    pub limit: Option<Expr>,
    /// OFFSET
    pub offset: Option<Expr>,
}

/// What rows are grouped by.
#[derive(Clone, Debug, PartialEq)]
pub enum GroupBy {
    /// `GROUP BY ALL`: every selected expression without an aggregate.
    All,
    /// Expressions, positions in the select list, or names given there.
    Exprs(Vec<Expr>),
}

impl PlanBuilder {
    /// Adds the rest of a SELECT.
    ///
    /// ```
    /// use firesteel_core::{expr::{Expr, Settings, col, lit}, plan::{PlanBuilder, Select}};
    ///
    /// let settings = Settings::default();
    /// let numbers = PlanBuilder::range(0, 10, 1, &settings)?;
    /// let sum = Expr::function("sum", [col("id")]).alias("total");
    /// let plan = numbers.select(Select { projection: vec![sum], ..Select::default() })?;
    /// assert_eq!(plan.schema().field(0).name, "total");
    /// # Ok::<(), firesteel_core::Error>(())
    /// ```
    pub fn select(self, mut select: Select) -> Result<Self> {
        let (builder, windows) = self.add_windows(&select)?;
        let builder = builder.add_generator(&mut select)?;
        select.projection = expand_stars(&select.projection, builder.schema(), windows.len())?;
        let Select { distinct, limit, offset, .. } = select.clone();
        let selected = Selected::new(builder, windows, select)?.build()?;
        let (builder, visible) = (selected.builder, selected.visible);
        let builder = if distinct { builder.distinct_columns(visible)? } else { builder };
        let builder = builder.sort_by(selected.sort);
        let builder = if builder.schema().len() > visible { builder.keep_first(visible) } else { builder };
        builder.limit(limit, offset)
    }

    /// SELECT DISTINCT of all columns.
    pub fn distinct(self) -> Result<Self> {
        let width = self.schema().len();
        self.distinct_columns(width)
    }

    fn distinct_columns(self, visible: usize) -> Result<Self> {
        if visible < self.schema().len() {
            return Err(Error::invalid("ORDER BY of a SELECT DISTINCT must name selected columns")
                .class("UNRESOLVED_COLUMN.WITH_SUGGESTION"));
        }
        let schema = self.schema().clone();
        let group = (0..schema.len()).map(|i| column_of(&schema, i)).collect();
        Ok(self.wrap(|input| LogicalPlan::Aggregate(Aggregate { input, group, aggregates: Vec::new(), schema })))
    }

    fn sort_by(self, keys: Vec<super::SortOrder>) -> Self {
        if keys.is_empty() { self } else { self.wrap(|input| LogicalPlan::Sort { input, keys }) }
    }

    fn keep_first(self, count: usize) -> Self {
        let schema = self.schema().clone();
        let names = schema.fields()[..count].iter().map(|f| f.name.clone()).collect();
        self.project((0..count).map(|i| column_of(&schema, i)).collect(), names)
    }

    /// Puts a Window or Session node under the SELECT if one is asked for anywhere in it.
    fn add_windows(self, select: &Select) -> Result<(Self, Vec<WindowColumn>)> {
        let mut calls: Vec<&Expr> = Vec::new();
        each_expr(select, &mut |e| {
            let is_new = is_window_call(e) && !calls.iter().any(|c| c.kind == e.kind);
            if is_new {
                calls.push(e);
            }
        });
        let mut builder = self;
        let mut windows: Vec<WindowColumn> = Vec::new();
        for call in calls {
            let input = WindowScope { schema: builder.schema(), windows: &windows, settings: &builder.settings };
            let made = make_window(call, input)?;
            if let Some(same) = windows.iter().find(|w| w.made == made) {
                windows.push(WindowColumn { written: call.kind.clone(), ..same.clone() });
                continue;
            }
            if !windows.is_empty() {
                let text = "one SELECT can have only one time window";
                return Err(Error::unsupported("MULTI_TIME_WINDOW_EXPRESSIONS", text)
                    .at(call.span)
                    .hint("make the second window over a subquery that selects the first"));
            }
            let column = builder.schema().len();
            windows.push(WindowColumn { written: call.kind.clone(), made: made.clone(), column });
            builder = builder.push_window(made);
        }
        Ok((builder, windows))
    }

    fn push_window(self, made: Made) -> Self {
        // A column of the input with that name keeps it: `window` then means that column, as in Spark.
        let (time, name) = match &made {
            Made::Window(window) => (&window.time, "window"),
            Made::Session { time, .. } => (time, "session_window"),
        };
        let is_taken = self.schema().positions(None, name).next().is_some();
        let name = if is_taken { "new window" } else { name };
        let mut field = Field::new(name, DataType::window_of(time.data_type.clone())).nullable(false);
        field.event_time = event_time_of(time, self.schema());
        let mut fields = self.schema().fields().to_vec();
        fields.push(field);
        let schema = Schema::new(fields);
        self.wrap(|input| match made {
            Made::Window(window) => LogicalPlan::Window { input, window, schema },
            Made::Session { time, gap } => LogicalPlan::Session { input, time, gap, schema },
        })
    }

    /// `SELECT ..., explode(x) AS y`: the generator becomes a node and the item a plain column.
    fn add_generator(self, select: &mut Select) -> Result<Self> {
        let is_generator =
            |e: &Expr| matches!(&unaliased(e).kind, ExprKind::Function { name, .. } if generator_form(name).is_some());
        let Some(position) = select.projection.iter().position(is_generator) else { return Ok(self) };
        if let Some(second) = select.projection.iter().skip(position + 1).find(|e| is_generator(e)) {
            return Err(Error::unsupported("UNSUPPORTED_GENERATOR.MULTI_GENERATOR", "one generator a SELECT")
                .at(second.span)
                .hint("put the others in LATERAL VIEW"));
        }
        let item = select.projection[position].clone();
        let alias = match &item.kind {
            ExprKind::Alias(_, name) => Some(name.clone()),
            _ => None,
        };
        let marker = "\u{1}generator";
        let builder = self.explode(unaliased(&item).clone(), false, Some(marker.into()), Vec::new())?;
        let added: Vec<String> = builder
            .schema()
            .fields()
            .iter()
            .filter(|f| f.qualifier.as_deref() == Some(marker))
            .map(|f| f.name.clone())
            .collect();
        let columns = added.into_iter().map(|name| {
            let column = Expr::new(ExprKind::Column(vec![marker.into(), name.clone()])).at(item.span);
            let shown = if name == "col" { alias.clone().unwrap_or(name) } else { name };
            column.alias(shown)
        });
        let columns: Vec<Expr> = columns.collect();
        select.projection.splice(position..=position, columns);
        Ok(builder)
    }
}

/// The select list and friends being turned into nodes.
struct Selected {
    builder: PlanBuilder,
    /// Columns that the user selected; ORDER BY may have added more behind them.
    visible: usize,
    sort: Vec<super::SortOrder>,
    // What is left to do.
    windows: Vec<WindowColumn>,
    select: Select,
}

impl Selected {
    fn new(builder: PlanBuilder, windows: Vec<WindowColumn>, select: Select) -> Result<Self> {
        let visible = select.projection.len();
        if visible == 0 {
            return Err(Error::invalid("SELECT needs at least one column"));
        }
        Ok(Self { builder, visible, sort: Vec::new(), windows, select })
    }

    fn build(self) -> Result<Self> {
        let mut has_aggregate = false;
        each_expr(&self.select, &mut |e| has_aggregate |= is_aggregate_call(e));
        if self.select.group_by.is_some() || self.select.having.is_some() || has_aggregate {
            self.build_aggregate()
        } else {
            self.build_projection()
        }
    }

    fn build_projection(mut self) -> Result<Self> {
        let schema = self.builder.schema().clone();
        let settings = self.builder.settings.clone();
        let mut scope = WindowScope { schema: &schema, windows: &self.windows, settings: &settings };
        let mut exprs = Vec::new();
        for item in &self.select.projection {
            exprs.push(bind(item, &mut scope, &settings)?);
        }
        let mut names: Vec<String> = self.select.projection.iter().map(Expr::output_name).collect();
        for key in &self.select.order_by {
            let bound = match self.selected_column(&key.expr)? {
                Some(i) => i,
                None => {
                    let bound = bind(&key.expr, &mut scope, &settings)?;
                    position_or_push(&mut exprs, &mut names, bound)
                }
            };
            self.sort
                .push(sort_order(key, BoundExpr::column(bound, exprs[bound].data_type.clone(), exprs[bound].nullable)));
        }
        self.builder = self.builder.project(exprs, names);
        Ok(self)
    }

    fn build_aggregate(mut self) -> Result<Self> {
        let schema = self.builder.schema().clone();
        let settings = self.builder.settings.clone();
        let written = self.group_exprs(&schema)?;
        let mut scope = WindowScope { schema: &schema, windows: &self.windows, settings: &settings };
        let mut group: Vec<BoundExpr> = Vec::new();
        for expr in &written {
            let bound = bind(expr, &mut scope, &settings)?;
            if !group.contains(&bound) {
                group.push(bound);
            }
        }
        let mut above = AboveAggregate { input: scope, settings: &settings, aliases: &[], aggregates: Vec::new() };
        let mut exprs = Vec::new();
        for item in &self.select.projection {
            exprs.push(above.bind(item, &group)?);
        }
        let mut names: Vec<String> = self.select.projection.iter().map(Expr::output_name).collect();
        above.aliases = &self.select.projection;
        let having = match &self.select.having {
            Some(expr) => Some(boolean(above.bind(expr, &group)?, expr)?),
            None => None,
        };
        for key in &self.select.order_by {
            let position = match self.selected_column(&key.expr)? {
                Some(i) => i,
                None => position_or_push(&mut exprs, &mut names, above.bind(&key.expr, &group)?),
            };
            let bound = BoundExpr::column(position, exprs[position].data_type.clone(), exprs[position].nullable);
            self.sort.push(sort_order(key, bound));
        }
        let aggregates = above.aggregates;
        let node_schema = aggregate_schema(&group, &aggregates, &schema);
        let mut builder = self
            .builder
            .wrap(|input| LogicalPlan::Aggregate(Aggregate { input, group, aggregates, schema: node_schema }));
        if let Some(predicate) = having {
            builder = builder.wrap(|input| LogicalPlan::Filter { input, predicate });
        }
        self.builder = builder.project(exprs, names);
        Ok(self)
    }

    /// GROUP BY as expressions over the input: ALL, ordinals and aliases resolved.
    fn group_exprs(&self, schema: &Schema) -> Result<Vec<Expr>> {
        let items = &self.select.projection;
        let plain = |e: &Expr| unaliased(e).clone();
        match &self.select.group_by {
            None => Ok(Vec::new()),
            Some(GroupBy::All) => Ok(items.iter().filter(|e| !contains_aggregate(e)).map(plain).collect()),
            Some(GroupBy::Exprs(exprs)) => exprs.iter().map(|e| self.group_expr(e, schema)).collect(),
        }
    }

    fn group_expr(&self, expr: &Expr, schema: &Schema) -> Result<Expr> {
        let items = &self.select.projection;
        if let Some(position) = ordinal(expr, items.len(), "GROUP BY")? {
            if contains_aggregate(&items[position]) {
                let text = format!("GROUP BY position {} is an aggregate", position + 1);
                return Err(Error::invalid(text).class("GROUP_BY_POS_AGGREGATE").at(expr.span));
            }
            return Ok(unaliased(&items[position]).clone());
        }
        if contains_aggregate(expr) {
            return Err(Error::invalid("an aggregate cannot be grouped by").class("GROUP_BY_AGGREGATE").at(expr.span));
        }
        let ExprKind::Column(parts) = &expr.kind else { return Ok(expr.clone()) };
        let [name] = parts.as_slice() else { return Ok(expr.clone()) };
        if schema.positions(None, name).next().is_some() {
            return Ok(expr.clone());
        }
        let aliased = items.iter().find(|e| matches!(&e.kind, ExprKind::Alias(_, alias) if same_name(alias, name)));
        match aliased {
            Some(item) if contains_aggregate(item) => {
                Err(Error::invalid(format!("`{name}` is an aggregate and cannot be grouped by"))
                    .class("GROUP_BY_AGGREGATE")
                    .at(expr.span))
            }
            Some(item) => Ok(unaliased(item).clone()),
            None => Ok(expr.clone()),
        }
    }

    /// The select-list position that an ORDER BY key means: an ordinal, an alias or an item's own text.
    fn selected_column(&self, expr: &Expr) -> Result<Option<usize>> {
        let items = &self.select.projection;
        if let Some(position) = ordinal(expr, items.len(), "ORDER BY")? {
            return Ok(Some(position));
        }
        if let ExprKind::Column(parts) = &expr.kind
            && let [name] = parts.as_slice()
        {
            return Ok(items.iter().position(|e| same_name(&e.output_name(), name)));
        }
        Ok(items.iter().position(|e| unaliased(e).kind == expr.kind))
    }
}

/// A window that the SELECT makes: how it was written and the column it became.
#[derive(Clone, Debug)]
struct WindowColumn {
    written: ExprKind,
    made: Made,
    column: usize,
}

#[derive(Clone, Debug, PartialEq)]
enum Made {
    Window(TimeWindow),
    Session { time: BoundExpr, gap: BoundExpr },
}

/// The input's columns, with window calls standing for the window column, and `window_time`.
#[derive(Clone, Copy)]
struct WindowScope<'a> {
    schema: &'a Schema,
    windows: &'a [WindowColumn],
    settings: &'a Settings,
}

impl Scope for WindowScope<'_> {
    fn schema(&self) -> &Schema {
        self.schema
    }

    fn resolve_special(&mut self, expr: &Expr) -> Option<Result<BoundExpr>> {
        if let Some(window) = self.windows.iter().find(|w| w.written == expr.kind) {
            return Some(Ok(column_of(self.schema, window.column)));
        }
        match &expr.kind {
            ExprKind::Function { name, .. } if agg::lookup(name).is_some() && function::lookup(name).is_none() => {
                let text = format!("{name}() is an aggregate, which cannot stand here");
                Some(Err(Error::invalid(text)
                    .class("INVALID_WHERE_CONDITION")
                    .at(expr.span)
                    .hint("filter aggregates with HAVING, or aggregate in a subquery")))
            }
            ExprKind::Function { name, args, .. } if same_name(name, "window_time") => {
                Some(window_time(args, *self, expr.span))
            }
            _ => None,
        }
    }
}

/// Binds expressions above an aggregation; collects the aggregate calls it meets.
struct AboveAggregate<'a> {
    input: WindowScope<'a>,
    settings: &'a Settings,
    /// Select items whose names HAVING and ORDER BY may use.
    aliases: &'a [Expr],
    aggregates: Vec<AggregateExpr>,
}

impl Scope for AboveAggregate<'_> {
    fn schema(&self) -> &Schema {
        self.input.schema
    }

    fn resolve_special(&mut self, expr: &Expr) -> Option<Result<BoundExpr>> {
        if is_aggregate_call(expr) {
            return Some(self.aggregate(expr));
        }
        if let Some(aliased) = self.alias_target(expr) {
            let settings = self.settings;
            return Some(bind(aliased, self, settings));
        }
        self.input.resolve_special(expr)
    }
}

impl<'a> AboveAggregate<'a> {
    /// The expression over the aggregation's output.
    fn bind(&mut self, expr: &Expr, group: &[BoundExpr]) -> Result<BoundExpr> {
        let settings = self.settings;
        let bound = bind(expr, self, settings)?;
        let width = self.input.schema.len();
        let lifted = bound.replace(&mut |e| {
            if let Some(g) = group.iter().position(|key| key == e) {
                return Some(BoundExpr::column(MARK + g, e.data_type.clone(), e.nullable));
            }
            let aggregate = e.as_column()?.checked_sub(width)?;
            Some(BoundExpr::column(MARK + group.len() + aggregate, e.data_type.clone(), e.nullable))
        });
        // Whatever is not marked is an input column that was not grouped by.
        if lifted.any(&|e| e.as_column().is_some_and(|i| i < MARK)) {
            return Err(missing_aggregation(expr));
        }
        Ok(super::builder::map_columns(lifted, &|i| if i >= MARK { i - MARK } else { i }))
    }

    fn alias_target(&self, expr: &Expr) -> Option<&'a Expr> {
        let ExprKind::Column(parts) = &expr.kind else { return None };
        let [name] = parts.as_slice() else { return None };
        let target = self.aliases.iter().find(|e| matches!(&e.kind, ExprKind::Alias(_, a) if same_name(a, name)))?;
        Some(unaliased(target))
    }

    /// Binds an aggregate call and gives the column that stands for it: the input's width plus its position.
    fn aggregate(&mut self, expr: &Expr) -> Result<BoundExpr> {
        let ExprKind::Function { name, args, distinct, filter, ignore_nulls, within_group } = &expr.kind else {
            unreachable!("is_aggregate_call looked at the kind");
        };
        let (name, entry) = agg::lookup(name).ok_or_else(|| Error::internal("an aggregate vanished"))?;
        let count_star = matches!(args.as_slice(), [Expr { kind: ExprKind::Star(_), .. }]);
        let args = if count_star { &[][..] } else { &args[..] };
        let nested = args.iter().find(|a| contains_aggregate(a));
        if let Some(inner) = nested {
            return Err(Error::invalid("an aggregate inside an aggregate")
                .class("NESTED_AGGREGATE_FUNCTION")
                .at(inner.span)
                .hint("aggregate the inner one in a subquery"));
        }
        let (mut input, settings) = (self.input, self.settings);
        let mut bind_arg = |e: &Expr| bind(e, &mut input, settings);
        let mut bound: Vec<BoundExpr> = args.iter().map(&mut bind_arg).collect::<Result<_>>()?;
        for key in within_group {
            bound.push(bind_arg(&key.expr)?);
        }
        let call = (entry.bind)(AggregateCall {
            name,
            args: bound,
            ignore_nulls: *ignore_nulls,
            ordered: !within_group.is_empty(),
            descending: within_group.first().is_some_and(|key| key.descending),
            settings,
            span: expr.span,
        })?;
        let call = if *distinct { call.distinct() } else { call };
        let filter = match filter {
            Some(predicate) => Some(boolean(bind_arg(predicate)?, predicate)?),
            None => None,
        };
        let (data_type, nullable) = (call.data_type.clone(), call.nullable);
        let position = self.position_of(AggregateExpr { call, filter, distinct: *distinct });
        Ok(BoundExpr::column(self.input.schema.len() + position, data_type, nullable))
    }

    fn position_of(&mut self, aggregate: AggregateExpr) -> usize {
        let known = self.aggregates.iter().position(|a| *a == aggregate);
        known.unwrap_or_else(|| {
            self.aggregates.push(aggregate);
            self.aggregates.len() - 1
        })
    }
}

/// Added to the index of a column that is already one of the aggregation's output, while the rest is checked.
const MARK: usize = 1 << 32;

fn missing_aggregation(expr: &Expr) -> Error {
    let text = format!("`{}` is neither grouped by nor aggregated", expr.output_name());
    Error::unsupported("MISSING_AGGREGATION", text).at(expr.span).hint("add it to GROUP BY, or take any_value() of it")
}

fn aggregate_schema(group: &[BoundExpr], aggregates: &[AggregateExpr], input: &Schema) -> Schema {
    let keys = group.iter().enumerate().map(|(i, e)| {
        let name = e.as_column().map_or_else(|| format!("group{i}"), |c| input.field(c).name.clone());
        projected_field(e, name, input)
    });
    let results =
        aggregates.iter().map(|a| Field::new(a.call.name, a.call.data_type.clone()).nullable(a.call.nullable));
    Schema::new(keys.chain(results).collect::<Vec<_>>())
}

/// `window(time, size[, slide[, start]])` or `session_window(time, gap)`, arguments checked as Spark does.
fn make_window(call: &Expr, mut scope: WindowScope<'_>) -> Result<Made> {
    let ExprKind::Function { name, args, .. } = &call.kind else { unreachable!("is_window_call looked at the kind") };
    let settings = scope.settings;
    let is_session = same_name(name, "session_window");
    let allowed = if is_session { 2..=2 } else { 2..=4 };
    if !allowed.contains(&args.len()) {
        let text = format!("{name}() takes {} to {} arguments", allowed.start(), allowed.end());
        return Err(Error::invalid(text).class("WRONG_NUM_ARGS").at(call.span));
    }
    let time = window_source(bind(&args[0], &mut scope, settings)?, &args[0], settings)?;
    if is_session {
        return Ok(Made::Session { time, gap: session_gap(&args[1], scope)? });
    }
    let literal = |i: usize| args.get(i).map(|e| window_micros(e, name)).transpose();
    let size_us = literal(1)?.unwrap_or(0);
    let slide_us = literal(2)?.unwrap_or(size_us);
    let start_us = literal(3)?.unwrap_or(0);
    check_window(size_us, slide_us, start_us).map_err(|e| e.at(call.span))?;
    Ok(Made::Window(TimeWindow { time, size_us, slide_us, start_us }))
}

/// The event time of a window: a timestamp, a date, or the `window_time` of a window struct.
fn window_source(bound: BoundExpr, written: &Expr, settings: &Settings) -> Result<BoundExpr> {
    if window_fields(&bound.data_type).is_some() {
        return Ok(window_end(bound));
    }
    match bound.data_type {
        DataType::Timestamp | DataType::TimestampNtz => Ok(bound),
        DataType::Date | DataType::String => cast::implicit(bound, &DataType::Timestamp, settings),
        ref other => Err(Error::invalid(format!("the time of a window must be a TIMESTAMP, not {other}"))
            .class("DATATYPE_MISMATCH.UNEXPECTED_INPUT_TYPE")
            .at(written.span)
            .hint("convert it, e.g. with to_timestamp(...) or timestamp_seconds(...)")),
    }
}

fn session_gap(gap: &Expr, mut scope: WindowScope<'_>) -> Result<BoundExpr> {
    let settings = scope.settings;
    let bound = bind(gap, &mut scope, settings)?;
    if let Some(text) = bound.as_literal().and_then(Value::as_str)
        && parse_interval(text).is_none()
    {
        return Err(invalid_interval(text, gap.span));
    }
    let from = bound.data_type.clone();
    cast::explicit(bound, &DataType::Interval, EvalMode::Legacy, settings).map_err(|_| {
        Error::invalid(format!("the gap of a session must be an interval such as '5 minutes', not {from}"))
            .class("DATATYPE_MISMATCH.UNEXPECTED_INPUT_TYPE")
            .at(gap.span)
    })
}

/// Spark takes only literals here: interval strings or microseconds.
fn window_micros(expr: &Expr, name: &str) -> Result<i64> {
    match &expr.kind {
        ExprKind::Literal { value: Value::String(text), .. } => {
            let interval = parse_interval(text).ok_or_else(|| invalid_interval(text, expr.span))?;
            if interval.months != 0 {
                return Err(Error::invalid("intervals greater than a month are not supported in windows")
                    .at(expr.span)
                    .hint("use days: '30 days'"));
            }
            interval.total_micros(31).ok_or_else(|| invalid_interval(text, expr.span))
        }
        ExprKind::Literal { value, data_type: DataType::Int32 | DataType::Int64 } => Ok(value.as_i64().unwrap_or(0)),
        _ => Err(Error::invalid(format!("the durations of {name}() must be literals such as '5 seconds'"))
            .class("DATATYPE_MISMATCH.UNEXPECTED_INPUT_TYPE")
            .at(expr.span)
            .hint("write a string, not INTERVAL: '5 seconds'")),
    }
}

fn invalid_interval(text: &str, span: Option<Span>) -> Error {
    Error::invalid(format!("'{text}' is not an interval"))
        .class("CANNOT_PARSE_INTERVAL")
        .at(span)
        .hint("write a number and a unit: '5 seconds', '1 hour 30 minutes'")
}

fn check_window(size_us: i64, slide_us: i64, start_us: i64) -> Result<()> {
    let problem = if size_us <= 0 {
        "the window duration must be greater than 0"
    } else if slide_us <= 0 {
        "the slide duration must be greater than 0"
    } else if slide_us > size_us {
        "the slide duration must not be longer than the window duration"
    } else if start_us.unsigned_abs() >= slide_us.unsigned_abs() {
        "the start time must be shorter than the slide duration"
    } else if size_us / slide_us > WINDOWS_PER_ROW_MAX {
        "each row would be in more than a million windows: the slide is too short for the window"
    } else {
        return Ok(());
    };
    Err(Error::invalid(problem).class("DATATYPE_MISMATCH.PARAMETER_CONSTRAINT_VIOLATION"))
}

fn event_time_of(time: &BoundExpr, schema: &Schema) -> Option<crate::schema::EventTime> {
    projected_field(time, String::new(), schema).event_time
}

/// `window_time(w)`: the last microsecond of a window.
fn window_time(args: &[Expr], mut scope: WindowScope<'_>, span: Option<Span>) -> Result<BoundExpr> {
    let [arg] = args else {
        return Err(Error::invalid("window_time() takes 1 argument").class("WRONG_NUM_ARGS").at(span));
    };
    let settings = scope.settings;
    let bound = bind(arg, &mut scope, settings)?;
    if window_fields(&bound.data_type).is_none() {
        let text = format!("window_time() takes a window, not {}", bound.data_type);
        return Err(Error::invalid(text).class("DATATYPE_MISMATCH.UNEXPECTED_INPUT_TYPE").at(span));
    }
    Ok(window_end(bound).at(span))
}

fn window_end(window: BoundExpr) -> BoundExpr {
    let data_type = window_fields(&window.data_type).cloned().unwrap_or(DataType::Timestamp);
    let nullable = window.nullable;
    BoundExpr::call(WindowTime, vec![window], data_type).nullable(nullable)
}

fn is_window_call(expr: &Expr) -> bool {
    matches!(&expr.kind, ExprKind::Function { name, .. } if same_name(name, "window") || same_name(name, "session_window"))
}

fn is_aggregate_call(expr: &Expr) -> bool {
    match &expr.kind {
        ExprKind::Function { name, .. } => agg::lookup(name).is_some(),
        _ => false,
    }
}

fn contains_aggregate(expr: &Expr) -> bool {
    let mut found = false;
    expr.walk(&mut |e| found |= is_aggregate_call(e));
    found
}

fn unaliased(expr: &Expr) -> &Expr {
    match &expr.kind {
        ExprKind::Alias(inner, _) => inner,
        _ => expr,
    }
}

fn each_expr<'a>(select: &'a Select, f: &mut dyn FnMut(&'a Expr)) {
    let group: &[Expr] = match &select.group_by {
        Some(GroupBy::Exprs(exprs)) => exprs,
        _ => &[],
    };
    let keys = select.order_by.iter().map(|key| &key.expr);
    let all = select.projection.iter().chain(group).chain(&select.having).chain(keys);
    all.for_each(|e| e.walk(f));
}

/// `*` and `t.*` become columns; `window` columns that this SELECT made are not among them.
fn expand_stars(items: &[Expr], schema: &Schema, windows: usize) -> Result<Vec<Expr>> {
    let width = schema.len() - windows.min(1);
    let mut expanded = Vec::new();
    for item in items {
        let ExprKind::Star(qualifier) = &item.kind else {
            expanded.push(item.clone());
            continue;
        };
        let before = expanded.len();
        for field in &schema.fields()[..width] {
            if qualifier.as_ref().is_none_or(|q| field.qualifier.as_ref().is_some_and(|f| same_name(f, q))) {
                let parts = field.qualifier.iter().chain([&field.name]).cloned().collect();
                expanded.push(Expr::new(ExprKind::Column(parts)).at(item.span));
            }
        }
        if expanded.len() == before {
            let what = qualifier.as_ref().map_or("*".into(), |q| format!("{q}.*"));
            return Err(Error::invalid(format!("`{what}` stands for no column here"))
                .class("CANNOT_RESOLVE_STAR_EXPAND")
                .at(item.span));
        }
    }
    Ok(expanded)
}

fn position_or_push(exprs: &mut Vec<BoundExpr>, names: &mut Vec<String>, bound: BoundExpr) -> usize {
    exprs.iter().position(|e| *e == bound).unwrap_or_else(|| {
        exprs.push(bound);
        names.push(format!("sort{}", exprs.len()));
        exprs.len() - 1
    })
}
