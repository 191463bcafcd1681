//! Names of the select list inside it: `SELECT v * 2 AS w, w + 1 AS x`. A name means a column of FROM if there is one,
//! else the item before it that is called so.
//!
//! ```text
//!   plain     items that others mean become columns of a projection below, one projection a step of the chain
//!   grouped   what a name stands for takes its place: aggregates are calculated once, however often they are written
//! ```

use alloc::{format, string::String, vec, vec::Vec};

use super::{
    PlanBuilder,
    builder::column_of,
    column_names,
    grouped::{is_aggregate_call, unaliased},
    select::GroupBy,
    windows::{WindowColumn, WindowScope},
};
use crate::{
    error::{Error, Result},
    expr::{Expr, ExprKind, bind, resolve_column},
    limits::{LATERAL_CHAIN_MAX, LATERAL_NODES_MAX},
    schema::{DataType, Schema, same_name},
};

/// A select list and what its items mean by the names of others.
pub(super) struct Laterals {
    items: Vec<Expr>,
    /// The items that each item names.
    named: Vec<Vec<usize>>,
    /// What stands for an item where it is named.
    meaning: Vec<Expr>,
}

impl PlanBuilder {
    /// The select list without names of its own items, over a plan that has what they stand for as columns.
    pub(super) fn laterals(self, windows: &[WindowColumn], items: Vec<Expr>) -> Result<(Self, Vec<Expr>)> {
        let schema = self.schema().clone();
        let Some(mut laterals) = Laterals::of(items, &self)? else { return Ok((self, Vec::new())) };
        let steps = laterals.steps()?;
        let mut builder = self;
        for step in 0..steps.iter().max().copied().unwrap_or_default() {
            let made = |i: &usize| steps[*i] == step && laterals.is_calculated(*i);
            let made: Vec<usize> = (0..steps.len()).filter(made).collect();
            builder = laterals.calculated(builder, &made, windows, &schema)?;
        }
        let items = (0..steps.len()).map(|i| laterals.finished(i, &schema)).collect();
        Ok((builder, items))
    }

    /// The same for a SELECT that groups.
    pub(super) fn grouped_laterals(&self, items: Vec<Expr>, group_by: Option<&GroupBy>) -> Result<Vec<Expr>> {
        let schema = self.schema();
        let Some(mut laterals) = Laterals::of(items, self)? else { return Ok(Vec::new()) };
        laterals.refuse_inside_aggregates(schema)?;
        laterals.refuse_as_keys(group_by, schema)?;
        laterals.steps()?;
        for i in 0..laterals.items.len() {
            if laterals.size(i, schema) > LATERAL_NODES_MAX {
                let text = "the names of the select list stand for too much";
                return Err(Error::too_complex(text).at(laterals.items[i].span).hint("use a subquery"));
            }
            laterals.meaning[i] = laterals.meant(unaliased(&laterals.items[i]).clone(), i, schema);
        }
        Ok((0..laterals.items.len()).map(|i| laterals.finished(i, schema)).collect())
    }
}

impl Laterals {
    /// `None` if no item names another.
    fn of(mut items: Vec<Expr>, builder: &PlanBuilder) -> Result<Option<Self>> {
        let schema = builder.schema();
        let mut named = Vec::new();
        for (i, item) in items.iter().enumerate() {
            named.push(names(item, &items[..i], schema)?);
        }
        if named.iter().all(Vec::is_empty) {
            return Ok(None);
        }
        for (item, named) in items.iter_mut().zip(&named) {
            if !named.is_empty() && !matches!(item.kind, ExprKind::Alias(..)) {
                let name = shown(item.clone(), schema).output_name_in(schema, &builder.settings);
                *item = item.clone().alias(name);
            }
        }
        let meaning = items.iter().map(|item| unaliased(item).clone()).collect();
        Ok(Some(Self { items, named, meaning }))
    }

    /// How many others an item stands on, one upon the other.
    fn steps(&self) -> Result<Vec<usize>> {
        let mut steps: Vec<usize> = Vec::new();
        for (item, named) in self.items.iter().zip(&self.named) {
            let step = named.iter().map(|&j| steps[j] + 1).max().unwrap_or_default();
            if step > LATERAL_CHAIN_MAX {
                let text = format!("more than {LATERAL_CHAIN_MAX} names of the select list stand on each other");
                return Err(Error::too_complex(text).at(item.span).hint("use a subquery"));
            }
            steps.push(step);
        }
        Ok(steps)
    }

    /// Whether an item is named by others and no column as it is.
    fn is_calculated(&self, item: usize) -> bool {
        let is_column = matches!(unaliased(&self.items[item]).kind, ExprKind::Column(_)) && self.named[item].is_empty();
        !is_column && self.named.iter().any(|named| named.contains(&item))
    }

    /// Puts items under names that no user can type.
    fn calculated(
        &mut self,
        builder: PlanBuilder,
        made: &[usize],
        windows: &[WindowColumn],
        from: &Schema,
    ) -> Result<PlanBuilder> {
        let (schema, settings) = (builder.schema().clone(), builder.settings.clone());
        let mut exprs: Vec<_> = (0..schema.len()).map(|i| column_of(&schema, i)).collect();
        let mut names = column_names(&schema);
        let mut scope = WindowScope { schema: &schema, windows, settings: &settings };
        for &i in made {
            let expr = self.meant(unaliased(&self.items[i]).clone(), i, from);
            exprs.push(bind(&expr, &mut scope, &settings)?);
            names.push(format!("(item {i})"));
            self.meaning[i] = Expr::new(ExprKind::Column(vec![format!("(item {i})")]));
        }
        Ok(if made.is_empty() { builder } else { builder.project(exprs, names) })
    }

    /// An item as it is in the end.
    fn finished(&self, i: usize, from: &Schema) -> Expr {
        let item = self.items[i].clone();
        match item.kind {
            ExprKind::Alias(_, name) if self.is_calculated(i) => self.meaning[i].clone().at(item.span).alias(name),
            ExprKind::Alias(inner, name) => self.meant(*inner, i, from).alias(name).at(item.span),
            _ => item,
        }
    }

    /// An expression in item `i`, with what names stand for in their place.
    fn meant(&self, expr: Expr, i: usize, from: &Schema) -> Expr {
        if self.named[i].is_empty() {
            return expr;
        }
        let span = expr.span;
        let ExprKind::Column(parts) = &expr.kind else { return expr.map_children(&mut |e| self.meant(e, i, from)) };
        match self.target(parts, i, from) {
            Some(j) => parts[1..].iter().fold(self.meaning[j].clone().at(span), |of, field| of.field(field.as_str())),
            None => expr,
        }
    }

    /// The item that a name in item `i` stands for.
    fn target(&self, parts: &[String], i: usize, from: &Schema) -> Option<usize> {
        let is_meant = |j: &usize| is_called(&self.items[*j], &parts[0]);
        self.named[i].iter().copied().find(is_meant).filter(|_| !is_column(parts, from))
    }

    /// The nodes of item `i` once names are replaced.
    fn size(&self, i: usize, from: &Schema) -> usize {
        let mut nodes = 0;
        self.items[i].walk(&mut |e| {
            nodes += match &e.kind {
                ExprKind::Column(parts) => self.target(parts, i, from).map_or(1, |j| size(&self.meaning[j])),
                _ => 1,
            }
        });
        nodes
    }

    fn refuse_inside_aggregates(&self, from: &Schema) -> Result<()> {
        for (i, item) in self.items.iter().enumerate() {
            let mut found = None;
            item.walk(&mut |e| {
                let is_wrong = || {
                    e.children().iter().any(|child| names(child, &self.items[..i], from).is_ok_and(|n| !n.is_empty()))
                };
                if is_aggregate_call(e) && is_wrong() {
                    found = Some(e.span);
                }
            });
            if let Some(span) = found {
                let text = "an aggregate cannot take a name of the select list it stands in";
                return Err(Error::unsupported("UNSUPPORTED_FEATURE.LATERAL_COLUMN_ALIAS_IN_AGGREGATE_FUNC", text)
                    .at(span)
                    .hint("write what the name stands for, or give it in a subquery"));
            }
        }
        Ok(())
    }

    /// Refuses to group by items that name others.
    fn refuse_as_keys(&self, group_by: Option<&GroupBy>, from: &Schema) -> Result<()> {
        let item = |key: &Expr| match &key.kind {
            ExprKind::Literal { value, data_type: DataType::Int32 } => {
                value.as_i64().and_then(|i| usize::try_from(i - 1).ok()).filter(|&i| i < self.items.len())
            }
            ExprKind::Column(parts) if parts.len() == 1 && !is_column(parts, from) => {
                self.items.iter().position(|item| is_called(item, &parts[0]))
            }
            _ => None,
        };
        let keys: Vec<usize> = match group_by {
            None => Vec::new(),
            Some(GroupBy::All) => (0..self.items.len()).collect(),
            Some(GroupBy::Exprs(keys)) => keys.iter().filter_map(item).collect(),
        };
        match keys.into_iter().find(|&i| !self.named[i].is_empty()) {
            None => Ok(()),
            Some(i) => {
                let text = "GROUP BY cannot take what stands on another name of the select list";
                Err(Error::unsupported("UNSUPPORTED_FEATURE.LATERAL_COLUMN_ALIAS_IN_GROUP_BY", text)
                    .at(self.items[i].span)
                    .hint("give the names in a subquery, and group that"))
            }
        }
    }
}

/// The items before this one that it names.
fn names(item: &Expr, before: &[Expr], from: &Schema) -> Result<Vec<usize>> {
    let mut found = Ok(Vec::new());
    item.walk(&mut |e| {
        let ExprKind::Column(parts) = &e.kind else { return };
        let mut called = (0..before.len()).filter(|&j| is_called(&before[j], &parts[0]));
        let Some(first) = called.next().filter(|_| !is_column(parts, from)) else { return };
        match &mut found {
            Ok(_) if called.next().is_some() => found = Err(ambiguous(e, &parts[0])),
            Ok(named) if !named.contains(&first) => named.push(first),
            _ => {}
        }
    });
    found
}

fn ambiguous(e: &Expr, name: &str) -> Error {
    let text = format!("`{name}` is ambiguous: more than one item of the select list before it has that name");
    Error::unsupported("AMBIGUOUS_LATERAL_COLUMN_ALIAS", text).at(e.span).hint("give each item its own name")
}

fn is_called(item: &Expr, name: &str) -> bool {
    matches!(&item.kind, ExprKind::Alias(_, alias) if same_name(alias, name))
}

/// Whether a name means something in FROM, if only too much.
fn is_column(parts: &[String], from: &Schema) -> bool {
    let unknown = |e: &Error| e.error_class().is_some_and(|class| class.starts_with("UNRESOLVED_COLUMN"));
    resolve_column(parts, from, None).err().is_none_or(|e| !unknown(&e))
}

/// An item as Spark shows it in a column's name.
fn shown(expr: Expr, from: &Schema) -> Expr {
    fn inside(expr: Expr, from: &Schema) -> Expr {
        match &expr.kind {
            ExprKind::Column(parts) if !is_column(parts, from) => {
                let name = parts.last().map_or("", String::as_str);
                Expr::new(ExprKind::Column(vec![format!("lateralAliasReference({name})")]))
            }
            _ => expr.map_children(&mut |child| inside(child, from)),
        }
    }
    match &expr.kind {
        ExprKind::Column(_) => expr,
        ExprKind::Cast { expr: of, .. } if matches!(of.kind, ExprKind::Column(_)) => expr,
        _ => inside(expr, from),
    }
}

fn size(expr: &Expr) -> usize {
    let mut nodes = 0;
    expr.walk(&mut |_| nodes += 1);
    nodes
}
