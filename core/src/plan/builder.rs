//! One verb a step: each takes expressions as written, binds them against the columns below and gives the next
//! plan, or an error that says where and why. `select` has a file of its own.

use alloc::{boxed::Box, format, string::String, sync::Arc, vec, vec::Vec};

use super::{Join, JoinKind, LogicalPlan, Scan, SortOrder, Table, column_names, windows::WindowScope};
use crate::{
    block::Value,
    error::{Error, Result},
    expr::{BinaryOp, BoundExpr, BoundKind, Expr, ExprKind, SchemaScope, Settings, SortKey, bind, cast},
    schema::{DataType, EventTime, Field, Schema},
    time::Interval,
};

/// A plan under construction, and the settings its expressions are bound with.
#[derive(Clone, Debug)]
pub struct PlanBuilder {
    pub(super) plan: LogicalPlan,
    pub(super) settings: Arc<Settings>,
}

/// The condition of a join.
#[derive(Clone, Debug, PartialEq)]
pub enum JoinOn {
    /// None: every pair of rows.
    None,
    /// `ON condition`
    Condition(Expr),
    /// `USING (columns)`: the columns appear once in the result.
    Using(Vec<String>),
}

impl PlanBuilder {
    /// Continues from a finished plan.
    pub fn new(plan: LogicalPlan, settings: Arc<Settings>) -> Self {
        Self { plan, settings }
    }

    /// Reads a table.
    pub fn scan(table: Arc<Table>, is_stream: bool, settings: Arc<Settings>) -> Self {
        let schema = table.schema.with_qualifier(&table.name);
        let needed = vec![true; schema.len()];
        Self::new(LogicalPlan::Scan(Scan { table, is_stream, schema, needed }), settings)
    }

    /// SELECT without FROM: one row without columns.
    pub fn one_row(settings: &Settings) -> Self {
        let plan = LogicalPlan::Values { rows: vec![Vec::new()], schema: Schema::default() };
        Self::new(plan, Arc::new(settings.clone()))
    }

    /// `range(start, end, step)`
    pub fn range(start: i64, end: i64, step: i64, settings: &Settings) -> Result<Self> {
        if step == 0 {
            return Err(Error::invalid("the step of range() must not be 0"));
        }
        let schema = Schema::new(vec![Field::new("id", DataType::Int64).nullable(false)]);
        Ok(Self::new(LogicalPlan::Range { start, end, step, schema }, Arc::new(settings.clone())))
    }

    /// `VALUES (...), (...)`: columns `col1`, `col2`, ... unless named; each column has the rows' common type.
    pub fn values(rows: Vec<Vec<Expr>>, names: Option<Vec<String>>, settings: &Settings) -> Result<Self> {
        let empty = Schema::default();
        let bind_row = |row: &Vec<Expr>| row.iter().map(|e| bind(e, &mut SchemaScope(&empty), settings)).collect();
        let mut rows: Vec<Vec<BoundExpr>> = rows.iter().map(bind_row).collect::<Result<_>>()?;
        let width = rows.first().map_or(0, Vec::len);
        if rows.iter().any(|row| row.len() != width) {
            return Err(Error::invalid("rows of VALUES have different numbers of columns"));
        }
        let mut fields = Vec::new();
        for c in 0..width {
            let types: Vec<DataType> = rows.iter().map(|row| row[c].data_type.clone()).collect();
            let common = common_type(&types, settings)
                .ok_or_else(|| Error::invalid(format!("column {} of VALUES has types that do not mix", c + 1)))?;
            for row in &mut rows {
                row[c] = cast::implicit(row[c].clone(), &common, settings)?;
            }
            let name = names.as_ref().and_then(|n| n.get(c).cloned()).unwrap_or_else(|| format!("col{}", c + 1));
            fields.push(Field::new(name, common));
        }
        let plan = LogicalPlan::Values { rows, schema: Schema::new(fields) };
        Ok(Self::new(plan, Arc::new(settings.clone())))
    }

    /// The columns so far.
    pub fn schema(&self) -> &Schema {
        self.plan.schema()
    }

    /// The settings that expressions are bound with.
    pub fn settings(&self) -> &Arc<Settings> {
        &self.settings
    }

    /// The plan so far.
    pub fn plan(&self) -> &LogicalPlan {
        &self.plan
    }

    /// The finished plan.
    pub fn into_plan(self) -> LogicalPlan {
        self.plan
    }

    /// `WATERMARK expr DELAY OF delay`: a column by name, or `expr AS name`, which adds the column.
    pub fn with_watermark(self, expr: Expr, delay: Interval) -> Result<Self> {
        let span = expr.span;
        let delay_us = watermark_delay(delay).map_err(|e| e.at(span))?;
        let (builder, column) = self.event_time_column(&expr)?;
        let field = builder.schema().field(column);
        if !field.data_type.is_timestamp() && window_fields(&field.data_type).is_none() {
            let text = format!("the event time `{}` is {}, not a TIMESTAMP", field.name, field.data_type);
            return Err(Error::unsupported("EVENT_TIME_IS_NOT_ON_TIMESTAMP_TYPE", text).at(span));
        }
        if has_watermark(&builder.plan) {
            return Err(Error::unsupported("REDEFINE_WATERMARK", "a watermark is already defined below this one")
                .at(span)
                .hint("define the watermark once, beside the table"));
        }
        let mut fields = builder.schema().fields().to_vec();
        fields[column].event_time = Some(EventTime { delay_us });
        let schema = Schema::new(fields);
        Ok(builder.wrap(|input| LogicalPlan::Watermark { input, column, delay_us, schema }))
    }

    /// `WHERE predicate`
    pub fn filter(self, predicate: Expr) -> Result<Self> {
        let mut scope = WindowScope { schema: self.schema(), windows: &[], settings: &self.settings };
        let bound = bind(&predicate, &mut scope, &self.settings)?;
        let predicate = boolean(bound, &predicate)?;
        Ok(self.wrap(|input| LogicalPlan::Filter { input, predicate }))
    }

    /// `JOIN right ON ...`
    pub fn join(self, right: PlanBuilder, kind: JoinKind, on: JoinOn) -> Result<Self> {
        let both = concat_schemas(self.schema(), right.schema(), kind);
        let (condition, using) = match on {
            JoinOn::None => (None, Vec::new()),
            JoinOn::Condition(expr) => {
                let bound = bind(&expr, &mut SchemaScope(&both), &self.settings)?;
                (Some(boolean(bound, &expr)?), Vec::new())
            }
            JoinOn::Using(columns) => {
                let condition = using_condition(self.schema(), right.schema(), &columns, &self.settings)?;
                (Some(condition), columns)
            }
        };
        let width = self.schema().len();
        let (on, residual) = split_condition(condition, width);
        let schema = match kind {
            JoinKind::LeftSemi | JoinKind::LeftAnti => self.schema().clone(),
            _ => both,
        };
        let settings = self.settings.clone();
        let (left, right) = (Box::new(self.plan), Box::new(right.plan));
        let plan = LogicalPlan::Join(Join { left, right, kind, on, residual, schema, subquery: false });
        let joined = Self::new(plan, settings);
        if using.is_empty() { Ok(joined) } else { Ok(joined.merge_using(&using, width, kind)) }
    }

    /// What became of a subquery: a semi or anti join, or its one row beside all rows.
    #[cfg(feature = "sql")]
    pub(crate) fn join_subquery(self, right: PlanBuilder, kind: JoinKind, on: JoinOn) -> Result<Self> {
        let mut joined = self.join(right, kind, on)?;
        if let LogicalPlan::Join(join) = &mut joined.plan {
            join.subquery = true;
        }
        Ok(joined)
    }

    /// `UNION ALL`: by position, each column widened to the common type.
    pub fn union_all(self, other: PlanBuilder) -> Result<Self> {
        let (left, right) = (self.schema().clone(), other.schema().clone());
        if left.len() != right.len() {
            let text = format!("UNION of {} and {} columns", left.len(), right.len());
            return Err(Error::unsupported("NUM_COLUMNS_MISMATCH", text));
        }
        if self.plan.is_streaming() != other.plan.is_streaming() {
            return Err(Error::invalid("a union of a stream and a batch table is not supported")
                .hint("read both as streams or both as batch tables"));
        }
        let mut types = Vec::new();
        for (l, r) in left.fields().iter().zip(right.fields()) {
            let common = common_type(&[l.data_type.clone(), r.data_type.clone()], &self.settings);
            types.push(common.ok_or_else(|| {
                let text = format!("UNION of `{}` {} and `{}` {}", l.name, l.data_type, r.name, r.data_type);
                Error::unsupported("INCOMPATIBLE_COLUMN_TYPE", text)
            })?);
        }
        let settings = self.settings.clone();
        let fields: Vec<Field> = (0..types.len())
            .map(|i| {
                let (l, r) = (left.field(i), right.field(i));
                // The first input says whether a column is an event time, as in Spark.
                Field { data_type: types[i].clone(), nullable: l.nullable || r.nullable, ..l.clone() }
            })
            .collect();
        let inputs = vec![self.cast_columns(&types)?.plan, other.cast_columns(&types)?.plan];
        Ok(Self::new(LogicalPlan::Union { inputs, schema: Schema::new(fields) }, settings))
    }

    /// ORDER BY after a set operation, or on a DataFrame: keys see the output columns, or ordinals.
    pub fn sort(self, keys: Vec<SortKey>) -> Result<Self> {
        if keys.is_empty() {
            return Ok(self);
        }
        let bind_key = |key: &SortKey| {
            let bound = match ordinal(&key.expr, self.schema().len(), "ORDER BY")? {
                Some(i) => column_of(self.schema(), i),
                None => bind(&key.expr, &mut SchemaScope(self.schema()), &self.settings)?,
            };
            Ok(sort_order(key, bound))
        };
        let keys = keys.iter().map(bind_key).collect::<Result<_>>()?;
        Ok(self.wrap(|input| LogicalPlan::Sort { input, keys }))
    }

    /// LIMIT and OFFSET: constant, not negative.
    pub fn limit(self, limit: Option<Expr>, offset: Option<Expr>) -> Result<Self> {
        let limit = limit.map(|e| self.constant_count(&e, "LIMIT")).transpose()?;
        let offset = offset.map(|e| self.constant_count(&e, "OFFSET")).transpose()?.unwrap_or(0);
        if limit.is_none() && offset == 0 {
            return Ok(self);
        }
        Ok(self.wrap(|input| LogicalPlan::Limit { input, limit, offset }))
    }

    /// `FROM x AS name(columns)`
    pub fn alias(self, name: &str, columns: &[String]) -> Result<Self> {
        if !columns.is_empty() && columns.len() != self.schema().len() {
            let text = format!("`{name}` has {} columns, not {}", self.schema().len(), columns.len());
            return Err(Error::invalid(text).class("ASSIGNMENT_ARITY_MISMATCH"));
        }
        let mut fields = self.schema().with_qualifier(name).fields().to_vec();
        fields.iter_mut().zip(columns).for_each(|(field, column)| field.name.clone_from(column));
        let schema = Schema::new(fields);
        Ok(self.wrap(|input| LogicalPlan::Alias { input, schema }))
    }

    pub(super) fn wrap(self, node: impl FnOnce(Box<LogicalPlan>) -> LogicalPlan) -> Self {
        Self { plan: node(Box::new(self.plan)), settings: self.settings }
    }

    /// A projection; event-time marks follow plain columns.
    pub(super) fn project(self, exprs: Vec<BoundExpr>, names: Vec<String>) -> Self {
        let input = self.schema();
        let fields: Vec<Field> = exprs.iter().zip(names).map(|(e, name)| projected_field(e, name, input)).collect();
        let schema = Schema::new(fields);
        self.wrap(|input| LogicalPlan::Project { input, exprs, schema })
    }

    fn event_time_column(self, expr: &Expr) -> Result<(Self, usize)> {
        let bound = bind(expr, &mut SchemaScope(self.schema()), &self.settings)?;
        if let (Some(column), ExprKind::Column(_)) = (bound.as_column(), &expr.kind) {
            return Ok((self, column));
        }
        let ExprKind::Alias(_, name) = &expr.kind else {
            let text = "the event time of a WATERMARK clause is a column, or an expression with a name";
            return Err(Error::unsupported("REQUIRES_EXPLICIT_NAME_IN_WATERMARK_CLAUSE", text)
                .at(expr.span)
                .hint("write WATERMARK <expression> AS <name> DELAY OF ..."));
        };
        let input = self.schema().clone();
        let mut exprs: Vec<BoundExpr> = (0..input.len()).map(|i| column_of(&input, i)).collect();
        exprs.push(bound);
        let mut fields = input.fields().to_vec();
        let data_type = exprs[input.len()].data_type.clone();
        fields.push(Field::new(name.clone(), data_type));
        let schema = Schema::new(fields);
        let column = input.len();
        Ok((self.wrap(|input| LogicalPlan::Project { input, exprs, schema }), column))
    }

    fn cast_columns(self, types: &[DataType]) -> Result<Self> {
        let schema = self.schema().clone();
        if schema.fields().iter().zip(types).all(|(f, t)| f.data_type == *t) {
            return Ok(self);
        }
        let mut exprs = Vec::new();
        for (i, data_type) in types.iter().enumerate() {
            exprs.push(cast::implicit(column_of(&schema, i), data_type, &self.settings)?);
        }
        Ok(self.project(exprs, column_names(&schema)))
    }

    /// After a join USING: the shared columns once and first, then the rest of the left, then of the right.
    fn merge_using(self, using: &[String], left_width: usize, kind: JoinKind) -> Self {
        let schema = self.schema().clone();
        let sides: Vec<(Option<usize>, Option<usize>)> = using
            .iter()
            .map(|name| {
                let positions: Vec<usize> = schema.positions(None, name).collect();
                let left = positions.iter().copied().find(|&i| i < left_width);
                (left, positions.iter().copied().find(|&i| i >= left_width))
            })
            .collect();
        let shared = |i: usize| sides.iter().any(|&(l, r)| l == Some(i) || r == Some(i));
        let mut exprs = Vec::new();
        for &(left, right) in &sides {
            let columns = [left, right].map(|c| c.map(|c| column_of(&schema, c)));
            exprs.push(match (kind, columns) {
                (JoinKind::Right, [_, Some(right)]) => right,
                (JoinKind::Full, [Some(left), Some(right)]) => {
                    let (data_type, nullable) = (left.data_type.clone(), left.nullable && right.nullable);
                    BoundExpr { data_type, nullable, kind: BoundKind::Coalesce(vec![left, right]) }
                }
                (_, [Some(left), _]) => left,
                _ => unreachable!("USING columns exist on both sides"),
            });
        }
        let mut names: Vec<String> = using.to_vec();
        for i in (0..schema.len()).filter(|&i| !shared(i)) {
            exprs.push(column_of(&schema, i));
            names.push(schema.field(i).name.clone());
        }
        self.project(exprs, names)
    }

    fn constant_count(&self, expr: &Expr, what: &str) -> Result<u64> {
        let bound = bind(expr, &mut SchemaScope(&Schema::default()), &self.settings)?;
        let value = bound.as_literal().and_then(Value::as_i64).and_then(|n| u64::try_from(n).ok());
        value.ok_or_else(|| {
            Error::invalid(format!("{what} takes a whole number that is not negative"))
                .class("INVALID_LIMIT_LIKE_EXPRESSION")
                .at(expr.span)
        })
    }
}

/// Column `i` of a schema as an expression.
pub(super) fn column_of(schema: &Schema, i: usize) -> BoundExpr {
    let field = schema.field(i);
    BoundExpr::column(i, field.data_type.clone(), field.nullable)
}

/// The field that a projected expression becomes: plain columns keep qualifier and event-time mark.
pub(super) fn projected_field(expr: &BoundExpr, name: String, input: &Schema) -> Field {
    let source = expr.as_column().map(|i| input.field(i));
    Field {
        qualifier: source.filter(|s| s.name == name).and_then(|s| s.qualifier.clone()),
        event_time: source.and_then(|s| s.event_time).or_else(|| window_time_mark(expr, input)),
        name,
        data_type: expr.data_type.clone(),
        nullable: expr.nullable,
    }
}

/// `window_time(w)` carries the mark of the window it is taken of.
fn window_time_mark(expr: &BoundExpr, input: &Schema) -> Option<EventTime> {
    let BoundKind::Call(call) = &expr.kind else { return None };
    let column = call.args.first()?.as_column()?;
    (call.function.name() == "window_time").then(|| input.field(column).event_time)?
}

/// The timestamp type of a `STRUCT<start, end>` that is a time window.
pub(super) fn window_fields(data_type: &DataType) -> Option<&DataType> {
    match data_type.struct_fields()? {
        [start, end] if start.name == "start" && end.name == "end" && start.data_type.is_timestamp() => {
            Some(&start.data_type)
        }
        _ => None,
    }
}

/// A positive integer literal in GROUP BY or ORDER BY is the position of a column, from 1.
pub(super) fn ordinal(expr: &Expr, columns: usize, clause: &str) -> Result<Option<usize>> {
    let ExprKind::Literal { value, data_type: DataType::Int32 } = &expr.kind else { return Ok(None) };
    let position = value.as_i64().and_then(|i| usize::try_from(i).ok()).filter(|i| (1..=columns).contains(i));
    position.map(|i| Some(i - 1)).ok_or_else(|| {
        let text = format!("{clause} position is not in the select list, which has {columns} column(s)");
        Error::invalid(text).class("GROUP_BY_POS_OUT_OF_RANGE").at(expr.span)
    })
}

pub(super) fn sort_order(key: &SortKey, expr: BoundExpr) -> SortOrder {
    SortOrder { expr, descending: key.descending, nulls_first: key.nulls_first.unwrap_or(!key.descending) }
}

/// A condition must be BOOLEAN (or NULL).
pub(super) fn boolean(bound: BoundExpr, written: &Expr) -> Result<BoundExpr> {
    match bound.data_type {
        DataType::Boolean | DataType::Null => Ok(bound),
        other => Err(Error::invalid(format!("a condition must be BOOLEAN, not {other}"))
            .class("DATATYPE_MISMATCH.FILTER_NOT_BOOLEAN")
            .at(written.span)
            .hint("compare it with something")),
    }
}

/// The conjuncts of a condition.
pub(super) fn conjuncts(condition: BoundExpr) -> Vec<BoundExpr> {
    match condition.kind {
        BoundKind::And(a, b) => {
            let mut all = conjuncts(*a);
            all.extend(conjuncts(*b));
            all
        }
        _ => vec![condition],
    }
}

/// The conjunction of conditions; `None` of none.
pub(super) fn conjunction(conditions: Vec<BoundExpr>) -> Option<BoundExpr> {
    conditions.into_iter().reduce(|a, b| {
        let nullable = a.nullable || b.nullable;
        BoundExpr { data_type: DataType::Boolean, nullable, kind: BoundKind::And(Box::new(a), Box::new(b)) }
    })
}

/// The expression with every column index changed.
pub(super) fn map_columns(expr: BoundExpr, f: &dyn Fn(usize) -> usize) -> BoundExpr {
    expr.transform(&mut |e| match e.kind {
        BoundKind::Column(i) => BoundExpr { kind: BoundKind::Column(f(i)), ..e },
        _ => e,
    })
}

fn common_type(types: &[DataType], settings: &Settings) -> Option<DataType> {
    let mut types = types.iter().cloned();
    let first = types.next()?;
    types.try_fold(first, |a, b| cast::common_type(&a, &b, settings))
}

/// Spark's rules for the delay of a watermark: not negative, months of 31 days.
fn watermark_delay(delay: Interval) -> Result<i64> {
    let total = delay.total_micros(31).ok_or_else(|| Error::invalid("the watermark delay is too long"))?;
    if delay.months < 0 || total < 0 {
        return Err(Error::invalid("the watermark delay must not be negative"));
    }
    Ok(total)
}

/// A watermark below that no aggregation has consumed yet.
fn has_watermark(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::Watermark { .. } => true,
        LogicalPlan::Union { .. } | LogicalPlan::Join(_) => false,
        _ => plan.inputs().into_iter().any(has_watermark),
    }
}

fn concat_schemas(left: &Schema, right: &Schema, kind: JoinKind) -> Schema {
    let left_nulls = matches!(kind, JoinKind::Right | JoinKind::Full);
    let right_nulls = matches!(kind, JoinKind::Left | JoinKind::Full);
    let side = |schema: &Schema, nulls: bool| -> Vec<Field> {
        schema.fields().iter().map(|f| Field { nullable: f.nullable || nulls, ..f.clone() }).collect()
    };
    let mut fields = side(left, left_nulls);
    fields.extend(side(right, right_nulls));
    Schema::new(fields)
}

fn using_condition(left: &Schema, right: &Schema, columns: &[String], settings: &Settings) -> Result<BoundExpr> {
    let both = concat_schemas(&left.with_qualifier("l"), &right.with_qualifier("r"), JoinKind::Inner);
    let side = |q: &str, name: &String| Expr::new(ExprKind::Column(vec![q.into(), name.clone()]));
    let equal = |name: &String| side("l", name).binary(BinaryOp::Eq, side("r", name));
    let all = columns.iter().map(equal).reduce(Expr::and).ok_or_else(|| Error::invalid("USING needs a column"))?;
    bind(&all, &mut SchemaScope(&both), settings)
}

/// Splits a join condition into equalities between the sides and the rest.
pub(super) fn split_condition(
    condition: Option<BoundExpr>,
    width: usize,
) -> (Vec<(BoundExpr, BoundExpr)>, Option<BoundExpr>) {
    let (mut on, mut rest) = (Vec::new(), Vec::new());
    for conjunct in condition.map(conjuncts).unwrap_or_default() {
        match equality(&conjunct, width) {
            Some(pair) => on.push(pair),
            None => rest.push(conjunct),
        }
    }
    (on, conjunction(rest))
}

/// `left expression = right expression`, the right one re-indexed to its own input.
fn equality(condition: &BoundExpr, width: usize) -> Option<(BoundExpr, BoundExpr)> {
    let BoundKind::Call(call) = &condition.kind else { return None };
    let [a, b] = call.args.as_slice() else { return None };
    if call.function.name() != "=" || !condition.is_deterministic() {
        return None;
    }
    let to_right = |e: &BoundExpr| map_columns(e.clone(), &|i| i - width);
    match (side_of(a, width)?, side_of(b, width)?) {
        (Side::Left, Side::Right) => Some((a.clone(), to_right(b))),
        (Side::Right, Side::Left) => Some((b.clone(), to_right(a))),
        _ => None,
    }
}

#[derive(Clone, Copy, PartialEq)]
pub(super) enum Side {
    Left,
    Right,
}

/// The one side of a join that an expression reads.
pub(super) fn side_of(expr: &BoundExpr, width: usize) -> Option<Side> {
    let mut columns = Vec::new();
    expr.collect_columns(&mut columns);
    match (columns.iter().any(|&i| i < width), columns.iter().any(|&i| i >= width)) {
        (true, false) => Some(Side::Left),
        (false, true) => Some(Side::Right),
        _ => None,
    }
}
