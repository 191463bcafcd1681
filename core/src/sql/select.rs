//! SELECT: the select list, WHERE, GROUP BY, HAVING, and the subqueries that can be written as joins.

use alloc::{format, string::String, vec, vec::Vec};

use sqlparser::ast::{self, BinaryOperator, GroupByExpr, SelectItem, SelectItemQualifiedWildcardKind, Spanned};

use super::{
    expr::{dotted, ident},
    query::{Planner, Scope, Tail},
    syntax::place,
};
use crate::{
    error::{Error, Result, Span},
    expr::{Expr, ExprKind},
    plan::{GroupBy, JoinKind, JoinOn, PlanBuilder, Select},
    schema::{Schema, same_name},
};

/// Functions that make several rows of one.
const GENERATORS: &[&str] = &["explode", "explode_outer", "posexplode", "posexplode_outer"];

/// The name of what a generator in the select list makes, until the list gives it another: no user can type it.
const GENERATED: &str = "(generated)";

/// An item of the select list: mostly one expression.
#[derive(Debug)]
enum Item {
    Expr(Expr),
    /// `*` without these columns.
    StarExcept(Option<String>, Vec<String>, Option<Span>),
    /// A generator and the names for its columns.
    Generator(Expr, Vec<String>),
}

impl Planner<'_> {
    /// A SELECT, with the ORDER BY and LIMIT of its query.
    pub(super) fn select(&self, select: &ast::Select, tail: Tail, scope: Option<&Scope<'_>>) -> Result<PlanBuilder> {
        refuse_parts(select)?;
        let mut plan = self.from(&select.from, scope)?;
        plan = self.lateral_views(plan, select)?;
        if let Some(condition) = &select.selection {
            plan = self.filter(plan, condition, scope)?;
        }
        let items = select.projection.iter().map(|item| self.item(item)).collect::<Result<Vec<_>>>()?;
        let (plan, projection) = expand(plan, items)?;
        let group_by = self.group_by(&select.group_by)?;
        let having = select.having.as_ref().map(|e| self.exprs.expr(e)).transpose()?;
        let distinct = matches!(select.distinct, Some(ast::Distinct::Distinct));
        let Tail { order_by, limit, offset } = tail;
        plan.select(Select { projection, group_by, having, distinct, order_by, limit, offset })
            .map_err(|e| e.at(place(select.select_token.0.span)))
    }

    fn lateral_views(&self, mut plan: PlanBuilder, select: &ast::Select) -> Result<PlanBuilder> {
        let start = place(select.select_token.0.span).map(|p| (p.line, p.column));
        let views = start.and_then(|start| self.clauses.lateral_views.get(&start));
        for view in views.into_iter().flatten() {
            let generator = self.exprs.expr(&view.generator)?;
            let span = generator.span;
            plan = plan
                .explode(generator, view.outer, view.table.clone(), view.columns.clone())
                .map_err(|e| e.at(span))?;
        }
        Ok(plan)
    }

    /// WHERE. `x IN (SELECT ...)` among its conjuncts is a semi join after the others have filtered.
    fn filter(&self, plan: PlanBuilder, condition: &ast::Expr, scope: Option<&Scope<'_>>) -> Result<PlanBuilder> {
        let mut conjuncts = Vec::new();
        split_and(condition, &mut conjuncts);
        let is_join = |e: &&ast::Expr| matches!(e, ast::Expr::InSubquery { .. });
        if !conjuncts.iter().any(is_join) {
            return plan.filter(self.exprs.expr(condition)?);
        }
        let (joins, filters): (Vec<&ast::Expr>, Vec<&ast::Expr>) = conjuncts.into_iter().partition(is_join);
        let mut plan = plan;
        for filter in filters {
            plan = plan.filter(self.exprs.expr(filter)?)?;
        }
        for (i, join) in joins.into_iter().enumerate() {
            plan = self.semi_join(plan, join, i + 1, scope)?;
        }
        Ok(plan)
    }

    fn semi_join(
        &self,
        plan: PlanBuilder,
        test: &ast::Expr,
        number: usize,
        scope: Option<&Scope<'_>>,
    ) -> Result<PlanBuilder> {
        let span = self.exprs.span(test);
        let ast::Expr::InSubquery { expr, subquery, negated } = test else { return Ok(plan) };
        if *negated {
            return Err(Error::unsupported("UNSUPPORTED_FEATURE", "NOT IN with a subquery is not supported")
                .at(span)
                .hint("write LEFT ANTI JOIN table ON ...; unlike NOT IN it does not mind NULLs"));
        }
        let tested = self.exprs.expr(expr)?;
        let list = self.query(subquery, scope)?;
        if list.schema().len() != 1 {
            let text = format!("the subquery after IN must have one column, not {}", list.schema().len());
            return Err(Error::invalid(text).class("DATATYPE_MISMATCH.IN_SUBQUERY_LENGTH_MISMATCH").at(span));
        }
        // A name that no user can type, so that no column of the left side is mistaken for it.
        let name = format!("(subquery {number})");
        let list = list.alias(&name, core::slice::from_ref(&name))?;
        let value = Expr::new(ExprKind::Column(vec![name.clone(), name])).at(span);
        plan.join(list, JoinKind::LeftSemi, JoinOn::Condition(tested.eq(value).at(span))).map_err(|e| e.at(span))
    }

    fn item(&self, item: &SelectItem) -> Result<Item> {
        match item {
            SelectItem::UnnamedExpr(e) => Ok(generator_or(self.exprs.expr(e)?, Vec::new())),
            SelectItem::ExprWithAlias { expr, alias } => {
                let (expr, name) = (self.exprs.expr(expr)?, ident(alias).map_err(|e| e.at(self.exprs.span(expr)))?);
                Ok(if is_generator(&expr) { Item::Generator(expr, vec![name]) } else { Item::Expr(expr.alias(name)) })
            }
            SelectItem::ExprWithAliases { expr, aliases } => {
                let names = aliases.iter().map(ident).collect::<Result<Vec<_>>>()?;
                match generator_or(self.exprs.expr(expr)?, names) {
                    generator @ Item::Generator(..) => Ok(generator),
                    _ => Err(Error::unsupported("UNSUPPORTED_FEATURE", "only generators have several names")
                        .at(self.exprs.span(expr))
                        .hint("generators are explode and posexplode")),
                }
            }
            SelectItem::Wildcard(options) => star(None, options, place(options.wildcard_token.0.span)),
            SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(name), options) => {
                star(Some(dotted(name)?), options, place(name.span()))
            }
            SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::Expr(e), _) => {
                Err(Error::unsupported("UNSUPPORTED_FEATURE", "* after an expression is not supported")
                    .at(self.exprs.span(e))
                    .hint("name the struct in a subquery, then select name.*"))
            }
        }
    }

    /// The items of a SELECT without FROM as plain expressions: generators stay calls, which the plan takes apart.
    pub(super) fn expressions(&self, select: &ast::Select) -> Result<Vec<Expr>> {
        refuse_parts(select)?;
        let plain = |item: &SelectItem| match self.item(item)? {
            Item::Expr(expr) => Ok(expr),
            Item::Generator(expr, names) => Ok(match names.as_slice() {
                [name] => expr.alias(name.clone()),
                _ => expr,
            }),
            Item::StarExcept(_, _, span) => {
                Err(Error::unsupported("UNSUPPORTED_FEATURE", "EXCEPT cannot stand here").at(span))
            }
        };
        select.projection.iter().map(plain).collect()
    }

    fn group_by(&self, group_by: &GroupByExpr) -> Result<Option<GroupBy>> {
        let (exprs, modifiers) = match group_by {
            GroupByExpr::All(modifiers) => (None, modifiers),
            GroupByExpr::Expressions(exprs, modifiers) => (Some(exprs), modifiers),
        };
        let is_set =
            |e: &ast::Expr| matches!(e, ast::Expr::Rollup(_) | ast::Expr::Cube(_) | ast::Expr::GroupingSets(_));
        let empty = |e: &ast::Expr| matches!(e, ast::Expr::Tuple(items) if items.is_empty());
        let sets = exprs.and_then(|exprs| exprs.iter().find(|e| is_set(e)));
        if sets.is_some() || !modifiers.is_empty() {
            let span = sets.and_then(|e| place(e.span())).or_else(|| place(group_by.span()));
            return Err(Error::unsupported("UNSUPPORTED_FEATURE", "GROUPING SETS, ROLLUP and CUBE are not supported")
                .at(span)
                .hint("group once per level, and put the results together with UNION ALL"));
        }
        match exprs {
            None => Ok(Some(GroupBy::All)),
            Some(exprs) if exprs.is_empty() => Ok(None),
            Some(exprs) if exprs.iter().any(empty) => {
                Err(Error::invalid("expected an expression in GROUP BY, found `()`")
                    .class("PARSE_SYNTAX_ERROR")
                    .at(place(group_by.span()))
                    .hint("leave out GROUP BY to aggregate all rows"))
            }
            Some(exprs) => Ok(Some(GroupBy::Exprs(self.exprs.exprs(exprs)?))),
        }
    }
}

fn star(of: Option<String>, options: &ast::WildcardAdditionalOptions, span: Option<Span>) -> Result<Item> {
    match &options.opt_except {
        None => Ok(Item::Expr(Expr::new(ExprKind::Star(of)).at(span))),
        Some(except) => {
            let names = core::iter::once(&except.first_element).chain(&except.additional_elements);
            Ok(Item::StarExcept(of, names.map(ident).collect::<Result<_>>()?, span))
        }
    }
}

fn is_generator(expr: &Expr) -> bool {
    matches!(&expr.kind, ExprKind::Function { name, .. } if GENERATORS.iter().any(|g| name.eq_ignore_ascii_case(g)))
}

fn generator_or(expr: Expr, names: Vec<String>) -> Item {
    if is_generator(&expr) { Item::Generator(expr, names) } else { Item::Expr(expr) }
}

/// Makes plain expressions of the items: generators go below the SELECT, stars that leave something out are spelt.
fn expand(mut plan: PlanBuilder, items: Vec<Item>) -> Result<(PlanBuilder, Vec<Expr>)> {
    let schema = plan.schema().clone();
    let generates = items.iter().any(|item| matches!(item, Item::Generator(..)));
    let mut projection = Vec::new();
    let mut generated = false;
    for item in items {
        match item {
            Item::StarExcept(of, except, span) => projection.extend(spelt(&schema, of.as_deref(), &except, span)?),
            // What the generator adds is no part of the star.
            Item::Expr(Expr { kind: ExprKind::Star(None), span }) if generates => {
                projection.extend(spelt(&schema, None, &[], span)?);
            }
            Item::Expr(expr) => projection.push(expr),
            Item::Generator(generator, names) => {
                let span = generator.span;
                if core::mem::replace(&mut generated, true) {
                    return Err(Error::unsupported("UNSUPPORTED_GENERATOR.MULTI_GENERATOR", "one generator a SELECT")
                        .at(span)
                        .hint("use LATERAL VIEW for the others"));
                }
                plan = plan.explode(generator, false, Some(GENERATED.into()), Vec::new()).map_err(|e| e.at(span))?;
                projection.extend(generated_columns(plan.schema(), &schema, &names, span)?);
            }
        }
    }
    Ok((plan, projection))
}

fn generated_columns(all: &Schema, before: &Schema, names: &[String], span: Option<Span>) -> Result<Vec<Expr>> {
    let added = &all.fields()[before.len()..];
    if !names.is_empty() && names.len() != added.len() {
        let text = format!("the generator makes {} column(s), not {}", added.len(), names.len());
        return Err(Error::invalid(text).class("UDTF_ALIAS_NUMBER_MISMATCH").at(span));
    }
    let column = |(i, name): (usize, &String)| {
        Expr::new(ExprKind::Column(vec![GENERATED.into(), name.clone()])).at(span).alias(names.get(i).unwrap_or(name))
    };
    Ok(added.iter().map(|f| &f.name).enumerate().map(column).collect())
}

/// The columns that a star stands for.
fn spelt(schema: &Schema, of: Option<&str>, except: &[String], span: Option<Span>) -> Result<Vec<Expr>> {
    let inside = |q: &Option<String>| of.is_none_or(|of| q.as_deref().is_some_and(|q| same_name(q, of)));
    if let Some(missing) = except.iter().find(|name| schema.positions(of, name).next().is_none()) {
        let text = format!("there is no column `{missing}` to leave out");
        return Err(Error::invalid(text).class("EXCEPT_COLUMNS_NOT_FOUND").at(span));
    }
    let fields = schema.fields().iter().filter(|f| inside(&f.qualifier));
    let kept = fields.filter(|f| !except.iter().any(|name| same_name(name, &f.name)));
    let parts = kept.map(|f| f.qualifier.iter().chain([&f.name]).cloned().collect());
    Ok(parts.map(|parts| Expr::new(ExprKind::Column(parts)).at(span)).collect())
}

fn split_and<'e>(e: &'e ast::Expr, out: &mut Vec<&'e ast::Expr>) {
    match e {
        ast::Expr::BinaryOp { left, op: BinaryOperator::And, right } => {
            split_and(left, out);
            split_and(right, out);
        }
        ast::Expr::Nested(inner) => split_and(inner, out),
        other => out.push(other),
    }
}

/// Says of the parts of SELECT that sqlparser knows and we do not, that we do not.
fn refuse_parts(select: &ast::Select) -> Result<()> {
    let span = place(select.select_token.0.span);
    let parts = [
        (select.top.is_some(), "TOP", "write LIMIT n at the end of the query"),
        (select.into.is_some(), "SELECT INTO", "write INSERT INTO table SELECT ..."),
        (select.qualify.is_some(), "QUALIFY", "filter in an outer query"),
        (!select.named_window.is_empty(), "WINDOW", "windows over time are made by GROUP BY window(ts, '1 minute')"),
        (!select.sort_by.is_empty(), "SORT BY", "write ORDER BY"),
        (!select.cluster_by.is_empty(), "CLUSTER BY", "leave it out"),
        (!select.distribute_by.is_empty(), "DISTRIBUTE BY", "leave it out"),
        (!select.connect_by.is_empty(), "CONNECT BY", "leave it out"),
        (matches!(select.distinct, Some(ast::Distinct::On(_))), "DISTINCT ON", "group, and take first(...)"),
        (select.projection.is_empty(), "SELECT without columns", "write SELECT *"),
    ];
    match parts.iter().find(|(there, ..)| *there) {
        None => Ok(()),
        Some((_, part, hint)) => {
            Err(Error::unsupported("UNSUPPORTED_FEATURE", format!("{part} is not supported")).at(span).hint(*hint))
        }
    }
}
