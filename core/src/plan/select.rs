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

use alloc::{format, string::String, vec, vec::Vec};

use super::{
    Aggregate, LogicalPlan, PlanBuilder,
    builder::{boolean, column_of, ordinal, sort_order},
    generate,
    grouped::{AboveAggregate, aggregate_schema, contains_aggregate, is_aggregate_call, unaliased},
    windows::{WindowColumn, WindowScope},
};
use crate::{
    error::{Error, Result},
    expr::{BoundExpr, Expr, ExprKind, SchemaScope, Scope, Settings, SortKey, bind},
    schema::{Field, Schema, same_name},
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
        let (builder, windows) = (builder.named_in(&windows, &mut select)?, windows);
        let Select { distinct, limit, offset, .. } = select.clone();
        let selected = Selected::new(builder, windows, select)?.build()?;
        let (builder, visible) = (selected.builder, selected.visible);
        let builder = if distinct { builder.distinct_columns(visible)? } else { builder };
        let builder = builder.sort_by(selected.sort);
        let builder = if builder.schema().len() > visible { builder.keep_first(visible) } else { builder };
        builder.limit(limit, offset)
    }

    /// Takes the names of its own items out of a select list.
    fn named_in(self, windows: &[WindowColumn], select: &mut Select) -> Result<Self> {
        let items = select.projection.clone();
        let (builder, items) = match is_grouped(select) {
            true => {
                let items = self.grouped_laterals(items, select.group_by.as_ref())?;
                (self, items)
            }
            false => self.laterals(windows, items)?,
        };
        if !items.is_empty() {
            select.projection = items;
        }
        Ok(builder)
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
        Ok(self.wrap(|input| {
            LogicalPlan::Aggregate(Aggregate { input, group, aggregates: Vec::new(), schema, is_distinct: true })
        }))
    }

    fn sort_by(self, keys: Vec<super::SortOrder>) -> Self {
        if keys.is_empty() { self } else { self.wrap(|input| LogicalPlan::Sort { input, keys }) }
    }

    fn keep_first(self, count: usize) -> Self {
        let schema = self.schema().clone();
        let names = schema.fields()[..count].iter().map(|f| f.name.clone()).collect();
        self.project((0..count).map(|i| column_of(&schema, i)).collect(), names)
    }

    /// `SELECT ..., explode(x) AS y`: the generator becomes a node and the item a plain column.
    fn add_generator(self, select: &mut Select) -> Result<Self> {
        let is_generator =
            |e: &Expr| matches!(&unaliased(e).kind, ExprKind::Function { name, .. } if generate::is_generator(name));
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
        if is_grouped(&self.select) { self.build_aggregate() } else { self.build_projection() }
    }

    fn build_projection(mut self) -> Result<Self> {
        let schema = self.builder.schema().clone();
        let settings = self.builder.settings.clone();
        let mut scope = WindowScope { schema: &schema, windows: &self.windows, settings: &settings };
        let mut exprs = Vec::new();
        for item in &self.select.projection {
            exprs.push(bind(item, &mut scope, &settings)?);
        }
        let mut names = self.names(&schema, &settings);
        for key in &self.select.order_by {
            let bound = match self.over_selected(key, &exprs, &names)? {
                Some(bound) => bound,
                None => {
                    let mut scope = NamesFirst { input: scope, items: &self.select.projection, exprs: &exprs };
                    let bound = bind(&key.expr, &mut scope, &settings)?;
                    column_or_push(&mut exprs, &mut names, bound)
                }
            };
            self.sort.push(sort_order(key, bound));
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
        let mut names = self.names(&schema, &settings);
        above.aliases = &self.select.projection;
        let having = match &self.select.having {
            Some(expr) => Some(boolean(above.bind(expr, &group)?, expr)?),
            None => None,
        };
        for key in &self.select.order_by {
            let bound = match self.over_selected(key, &exprs, &names)? {
                Some(bound) => bound,
                None => column_or_push(&mut exprs, &mut names, above.bind(&key.expr, &group)?),
            };
            self.sort.push(sort_order(key, bound));
        }
        let aggregates = above.aggregates;
        let node_schema = aggregate_schema(&group, &aggregates, &schema);
        let mut builder = self.builder.wrap(|input| {
            LogicalPlan::Aggregate(Aggregate { input, group, aggregates, schema: node_schema, is_distinct: false })
        });
        if let Some(predicate) = having {
            builder = builder.wrap(|input| LogicalPlan::Filter { input, predicate });
        }
        self.builder = builder.project(exprs, names);
        Ok(self)
    }

    /// The names of the selected columns.
    fn names(&self, schema: &Schema, settings: &Settings) -> Vec<String> {
        self.select.projection.iter().map(|e| e.output_name_in(schema, settings)).collect()
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

    /// An ORDER BY key over the selected columns, if they are all it needs: names mean those before the input's.
    fn over_selected(&self, key: &SortKey, exprs: &[BoundExpr], names: &[String]) -> Result<Option<BoundExpr>> {
        if let Some(i) = self.selected_column(&key.expr)? {
            return Ok(Some(BoundExpr::column(i, exprs[i].data_type.clone(), exprs[i].nullable)));
        }
        if contains_aggregate(&key.expr) {
            return Ok(None);
        }
        let selected = exprs.iter().zip(names).take(self.visible);
        let fields = selected.map(|(e, name)| Field::new(name.as_str(), e.data_type.clone()).nullable(e.nullable));
        let schema = Schema::new(fields.collect::<Vec<_>>());
        Ok(bind(&key.expr, &mut SchemaScope(&schema), &self.builder.settings).ok())
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

/// Whether a SELECT aggregates.
fn is_grouped(select: &Select) -> bool {
    let mut has_aggregate = false;
    each_expr(select, &mut |e| has_aggregate |= is_aggregate_call(e));
    select.group_by.is_some() || select.having.is_some() || has_aggregate
}

pub(super) fn each_expr<'a>(select: &'a Select, f: &mut dyn FnMut(&'a Expr)) {
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

/// The names of the select list, then the input's: what an ORDER BY key is made of that needs both.
struct NamesFirst<'a> {
    input: WindowScope<'a>,
    items: &'a [Expr],
    exprs: &'a [BoundExpr],
}

impl Scope for NamesFirst<'_> {
    fn schema(&self) -> &Schema {
        self.input.schema
    }

    fn resolve_special(&mut self, expr: &Expr) -> Option<Result<BoundExpr>> {
        let ExprKind::Column(parts) = &expr.kind else { return self.input.resolve_special(expr) };
        let [name] = parts.as_slice() else { return None };
        let is_named = |e: &Expr| matches!(&e.kind, ExprKind::Alias(_, alias) if same_name(alias, name));
        self.items.iter().position(is_named).map(|i| Ok(self.exprs[i].clone()))
    }
}

/// The column of the SELECT that an expression is; added behind the others if it is none yet.
fn column_or_push(exprs: &mut Vec<BoundExpr>, names: &mut Vec<String>, bound: BoundExpr) -> BoundExpr {
    let (data_type, nullable) = (bound.data_type.clone(), bound.nullable);
    let position = exprs.iter().position(|e| *e == bound).unwrap_or_else(|| {
        exprs.push(bound);
        names.push(format!("sort{}", exprs.len()));
        exprs.len() - 1
    });
    BoundExpr::column(position, data_type, nullable)
}
