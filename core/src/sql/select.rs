//! SELECT: the select list, GROUP BY, HAVING.

use alloc::{format, string::String, vec, vec::Vec};

use super::{
    expr::Exprs,
    grouping::GroupingSets,
    query::{Planner, Scope, Tail},
    subquery::{Row, Rows, Scalars, beside},
    tree::{self, GroupBy as Groups, Grouping},
};
use crate::{
    agg,
    block::Value,
    error::{Error, Result, Span},
    expr::{BinaryOp, Expr, ExprKind},
    plan::{GroupBy, PlanBuilder, Select},
    schema::{Field, Schema, same_name},
};

/// Functions that make several rows of one.
const GENERATORS: &[&str] = &["explode", "explode_outer", "posexplode", "posexplode_outer", "inline", "inline_outer"];

/// The name of what a generator in the select list makes, until the list gives it another: no user can type it.
const GENERATED: &str = "(generated)";

/// An item of the select list: mostly one expression.
#[derive(Debug)]
enum Item {
    Expr(Expr),
    /// `*` without these columns.
    StarExcept(Option<String>, Vec<Vec<String>>, Option<Span>),
    /// A generator and the names for its columns.
    Generator(Expr, Vec<String>),
}

impl Planner<'_> {
    /// A SELECT, with the ORDER BY and LIMIT of its query.
    pub(super) fn select(&self, select: &tree::Select, tail: Tail, scope: Option<&Scope<'_>>) -> Result<PlanBuilder> {
        let mut plan = self.from(&select.from, scope)?;
        plan = self.lateral_views(plan, select)?;
        let visible = plan.schema().clone();
        if let Some(condition) = &select.selection {
            plan = self.filtered(plan, condition, scope)?;
        }
        let rows = Rows::default();
        let take = |e: &tree::Expr| self.scalar(e, &rows, scope);
        let exprs = Exprs { scalars: Some(Scalars(&take)), ..self.exprs };
        let items = select.items.iter().map(|item| one_item(&exprs, item)).collect::<Result<Vec<_>>>()?;
        let mut having = select.having.as_ref().map(|e| exprs.expr(e)).transpose()?;
        let values: Vec<Expr> = rows.borrow().iter().map(Row::column).collect();
        let plan = beside(plan, rows)?;
        let (plan, mut projection) = expand(plan, &visible, items)?;
        let is_global = !has_groups(select) && (having.is_some() || self.aggregates(select));
        if is_global && !values.is_empty() {
            projection = projection.into_iter().map(|e| any_of(e, &values)).collect();
            having = having.map(|e| any_of(e, &values));
        }
        let Tail { order_by, limit, offset, .. } = tail;
        let mut rest =
            Select { projection, group_by: None, having, distinct: select.distinct, order_by, limit, offset };
        let settings = self.exprs.settings;
        let plan = match GroupingSets::of(&self.exprs, &select.group_by, &rest.projection, plan.schema())? {
            Some(sets) => {
                sets.apply(&mut rest, plan.schema(), settings);
                sets.joined(plan, settings)?
            }
            None => {
                rest.group_by = self.group_by(&select.group_by)?;
                // The values of subqueries are the same for all rows.
                if let Some(GroupBy::Exprs(keys)) = &mut rest.group_by {
                    keys.extend(values);
                }
                plan
            }
        };
        plan.select(rest).map_err(|e| e.at(Some(select.span)))
    }

    /// LATERAL VIEW, each over what those before it made.
    pub(super) fn lateral_views(&self, mut plan: PlanBuilder, select: &tree::Select) -> Result<PlanBuilder> {
        for view in &select.lateral_views {
            let generator = self.exprs.expr(&view.generator)?;
            let span = generator.span;
            plan = plan
                .explode(generator, view.outer, view.table.clone(), view.columns.clone())
                .map_err(|e| e.at(span))?;
        }
        Ok(plan)
    }

    fn group_by(&self, group_by: &Groups) -> Result<Option<GroupBy>> {
        if group_by.all {
            return Ok(Some(GroupBy::All));
        }
        let key = |element: &Grouping| match element {
            Grouping::Key(e) => self.exprs.expr(e),
            _ => Err(Error::internal("grouping sets where there are none")),
        };
        let keys = group_by.elements.iter().map(key).collect::<Result<Vec<_>>>()?;
        Ok(if keys.is_empty() { None } else { Some(GroupBy::Exprs(keys)) })
    }
}

fn one_item(exprs: &Exprs<'_>, item: &tree::Item) -> Result<Item> {
    match item {
        tree::Item::Expr(e) => match e.kind {
            tree::Kind::Subquery(_) => Ok(Item::Expr(exprs.expr(e)?.alias("scalarsubquery()"))),
            tree::Kind::LikeAny { ref expr, op, ref patterns, is_all } if patterns.iter().all(is_text) => {
                let name = of_patterns(exprs.expr(expr)?, op, is_all).output_name();
                Ok(Item::Expr(exprs.expr(e)?.alias(name)))
            }
            _ => Ok(generator_or(exprs.expr(e)?, Vec::new())),
        },
        tree::Item::Named(expr, name) => {
            let expr = exprs.expr(expr)?;
            let names = vec![name.clone()];
            Ok(if is_generator(&expr) { Item::Generator(expr, names) } else { Item::Expr(expr.alias(name)) })
        }
        tree::Item::NamedAll(expr, names) => match generator_or(exprs.expr(expr)?, names.clone()) {
            generator @ Item::Generator(..) => Ok(generator),
            _ => Err(Error::unsupported("UNSUPPORTED_FEATURE", "only generators have several names")
                .at(Some(expr.span))
                .hint("generators are explode, posexplode and inline")),
        },
        tree::Item::Star { of, except: None, span } => {
            Ok(Item::Expr(Expr::new(ExprKind::Star(of.clone())).at(Some(*span))))
        }
        tree::Item::Star { of, except: Some(names), span } => {
            Ok(Item::StarExcept(of.clone(), names.clone(), Some(*span)))
        }
    }
}

fn is_text(e: &tree::Expr) -> bool {
    matches!(e.kind, tree::Kind::Literal(Value::String(_), _))
}

/// What LIKE ANY over literals is named after: Spark has functions for it, which name no patterns.
fn of_patterns(value: Expr, op: BinaryOp, is_all: bool) -> Expr {
    let value = match op {
        BinaryOp::ILike | BinaryOp::NotILike => Expr::function("lower", [value]),
        _ => value,
    };
    let name = match (matches!(op, BinaryOp::NotLike | BinaryOp::NotILike), is_all) {
        (false, false) => "likeany",
        (false, true) => "likeall",
        (true, false) => "notlikeany",
        (true, true) => "notlikeall",
    };
    Expr::function(name, [value])
}

/// The items of a SELECT without FROM as plain expressions: generators stay calls, which the plan takes apart.
pub(super) fn expressions(exprs: &Exprs<'_>, select: &tree::Select) -> Result<Vec<Expr>> {
    let plain = |item: &tree::Item| match one_item(exprs, item)? {
        Item::Expr(expr) => Ok(expr),
        Item::Generator(expr, names) => Ok(match names.as_slice() {
            [name] => expr.alias(name.clone()),
            _ => expr,
        }),
        Item::StarExcept(_, _, span) => {
            Err(Error::unsupported("UNSUPPORTED_FEATURE", "EXCEPT cannot stand here").at(span))
        }
    };
    select.items.iter().map(plain).collect()
}

fn is_generator(expr: &Expr) -> bool {
    matches!(&expr.kind, ExprKind::Function { name, .. } if GENERATORS.iter().any(|g| name.eq_ignore_ascii_case(g)))
}

fn generator_or(expr: Expr, names: Vec<String>) -> Item {
    if is_generator(&expr) { Item::Generator(expr, names) } else { Item::Expr(expr) }
}

/// Makes plain expressions of the items: generators go below the SELECT, stars that leave something out are spelt.
/// Columns that are not `visible` were added on the way, and are in no star.
fn expand(mut plan: PlanBuilder, visible: &Schema, items: Vec<Item>) -> Result<(PlanBuilder, Vec<Expr>)> {
    let generates = items.iter().any(|item| matches!(item, Item::Generator(..)));
    let adds = generates || plan.schema().len() != visible.len();
    let mut projection = Vec::new();
    let mut generated = false;
    for item in items {
        match item {
            Item::StarExcept(of, except, span) => projection.extend(spelt(visible, of.as_deref(), &except, span)?),
            Item::Expr(Expr { kind: ExprKind::Star(None), span }) if adds => {
                projection.extend(spelt(visible, None, &[], span)?);
            }
            Item::Expr(Expr { kind: ExprKind::Star(Some(of)), span }) if struct_fields(visible, &of).is_some() => {
                let fields = struct_fields(visible, &of).unwrap_or_default();
                projection
                    .extend(fields.into_iter().map(|f| Expr::new(ExprKind::Column(vec![of.clone(), f])).at(span)));
            }
            Item::Expr(expr) => projection.push(expr),
            Item::Generator(generator, names) => {
                let span = generator.span;
                if core::mem::replace(&mut generated, true) {
                    return Err(Error::unsupported("UNSUPPORTED_GENERATOR.MULTI_GENERATOR", "one generator a SELECT")
                        .at(span)
                        .hint("use LATERAL VIEW for the others"));
                }
                let before = plan.schema().len();
                plan = plan.explode(generator, false, Some(GENERATED.into()), Vec::new()).map_err(|e| e.at(span))?;
                projection.extend(generated_columns(&plan.schema().fields()[before..], &names, span)?);
            }
        }
    }
    Ok((plan, projection))
}

fn generated_columns(added: &[Field], names: &[String], span: Option<Span>) -> Result<Vec<Expr>> {
    if !names.is_empty() && names.len() != added.len() {
        let text = format!("the generator makes {} column(s), not {}", added.len(), names.len());
        return Err(Error::invalid(text).class("UDTF_ALIAS_NUMBER_MISMATCH").at(span));
    }
    let column = |(i, name): (usize, &String)| {
        Expr::new(ExprKind::Column(vec![GENERATED.into(), name.clone()])).at(span).alias(names.get(i).unwrap_or(name))
    };
    Ok(added.iter().map(|f| &f.name).enumerate().map(column).collect())
}

/// `s.*` of a struct `s`: its fields, unless there is a relation of that name.
fn struct_fields(schema: &Schema, of: &str) -> Option<Vec<String>> {
    let is_relation = |f: &Field| f.qualifier.as_deref().is_some_and(|q| same_name(q, of));
    if schema.fields().iter().any(is_relation) {
        return None;
    }
    let column = schema.positions(None, of).next()?;
    let fields = schema.field(column).data_type.struct_fields()?;
    Some(fields.iter().map(|f| f.name.clone()).collect())
}

/// The columns that a star stands for.
fn spelt(schema: &Schema, of: Option<&str>, except: &[Vec<String>], span: Option<Span>) -> Result<Vec<Expr>> {
    let inside = |f: &&Field| of.is_none_or(|of| f.qualifier.as_deref().is_some_and(|q| same_name(q, of)));
    let fields: Vec<&Field> = schema.fields().iter().filter(inside).collect();
    if let Some(missing) = except.iter().find(|name| !fields.iter().any(|f| is_named(f, name))) {
        let text = format!("there is no column `{}` to leave out", missing.join("."));
        return Err(Error::invalid(text).class("EXCEPT_COLUMNS_NOT_FOUND").at(span));
    }
    let kept = fields.into_iter().filter(|f| !except.iter().any(|name| is_named(f, name)));
    let parts = kept.map(|f| f.qualifier.iter().chain([&f.name]).cloned().collect());
    Ok(parts.map(|parts| Expr::new(ExprKind::Column(parts)).at(span)).collect())
}

/// Whether a field has this name, of which all but the last part is its table.
fn is_named(field: &Field, name: &[String]) -> bool {
    let mut parts = name.iter().rev();
    let named = parts.next().is_some_and(|last| same_name(last, &field.name));
    named && parts.next().is_none_or(|table| field.qualifier.as_deref().is_some_and(|q| same_name(q, table)))
}

/// An expression over all rows, of which each has the same `values`.
fn any_of(expr: Expr, values: &[Expr]) -> Expr {
    let span = expr.span;
    match &expr.kind {
        ExprKind::Column(_) if values.iter().any(|value| value.kind == expr.kind) => {
            Expr::function("any_value", [expr]).at(span)
        }
        ExprKind::Function { name, .. } if agg::lookup(name).is_some() => expr,
        ExprKind::Alias(inner, name) => any_of((**inner).clone(), values).alias(name.clone()).at(span),
        _ => expr.map_children(&mut |child| any_of(child, values)),
    }
}

fn has_groups(select: &tree::Select) -> bool {
    select.group_by != Groups::default()
}
