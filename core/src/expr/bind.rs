//! Names to columns, operators and functions to typed calls: [`Expr`] to [`BoundExpr`].
//!
//! A [`Scope`] says which names there are, and may take whole sub-expressions for itself: a plan binds aggregate
//! calls, grouping expressions and `window(...)` that way to columns of the node below.

use alloc::{boxed::Box, format, string::String, vec::Vec};

use super::{
    BoundExpr, BoundKind, Expr, ExprKind, Settings, cast,
    decimal::Shape,
    fold, function, lit,
    operator::{self, Site, access, logic},
    suggest,
};
use crate::{
    block::Value,
    error::{Error, Result, Span},
    expr::{BinaryOp, EvalMode, UnaryOp},
    limits::EXPRESSION_DEPTH_MAX,
    schema::{DataType, Schema, same_name},
};

/// What names mean in a place.
pub trait Scope {
    /// The columns there are.
    fn schema(&self) -> &Schema;

    /// Asked first for every node of an expression, from the outside in: `Some` takes the node, operands and all.
    fn resolve_special(&mut self, _expr: &Expr) -> Option<Result<BoundExpr>> {
        None
    }

    /// Names of functions that exist but are not scalar, so that an error can say so: those of aggregates.
    fn aggregate_names(&self) -> Box<dyn Iterator<Item = &'static str>> {
        Box::new(core::iter::empty())
    }
}

/// A scope of nothing but columns.
#[derive(Clone, Copy, Debug)]
pub struct SchemaScope<'a>(pub &'a Schema);

impl Scope for SchemaScope<'_> {
    fn schema(&self) -> &Schema {
        self.0
    }
}

/// Resolves and types an expression.
pub fn bind(expr: &Expr, scope: &mut dyn Scope, settings: &Settings) -> Result<BoundExpr> {
    Binder { scope, settings, depth: 0 }.bind(expr)
}

/// Binds a condition: a boolean, or what is cast to one on its own.
pub fn bind_condition(expr: &Expr, scope: &mut dyn Scope, settings: &Settings) -> Result<BoundExpr> {
    let bound = bind(expr, scope, settings)?;
    let found = bound.data_type.clone();
    cast::implicit(bound, &DataType::Boolean, settings).map_err(|_| {
        let text = format!("a condition must be a BOOLEAN, not {found}");
        Error::unsupported("DATATYPE_MISMATCH.FILTER_NOT_BOOLEAN", text).at(expr.span)
    })
}

/// Where a column name leads: the column, and the fields of structs below it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ColumnPath<'a> {
    /// Position in the schema.
    pub index: usize,
    /// The rest of the name.
    pub fields: &'a [String],
}

/// Resolves a name as Spark does: `qualifier.column` before `column.field`, ignoring case.
pub fn resolve_column<'a>(parts: &'a [String], schema: &Schema, span: Option<Span>) -> Result<ColumnPath<'a>> {
    if let [qualifier, name, fields @ ..] = parts
        && let Some(index) = only(schema.positions(Some(qualifier), name), parts, schema, span)?
    {
        return Ok(ColumnPath { index, fields });
    }
    if let [name, fields @ ..] = parts
        && let Some(index) = only(schema.positions(None, name), parts, schema, span)?
    {
        return Ok(ColumnPath { index, fields });
    }
    Err(unresolved(parts, schema, span))
}

fn only(
    mut found: impl Iterator<Item = usize>,
    parts: &[String],
    schema: &Schema,
    span: Option<Span>,
) -> Result<Option<usize>> {
    let first = found.next();
    let rest: Vec<usize> = found.collect();
    let Some(first) = first.filter(|_| !rest.is_empty()) else { return Ok(first) };
    let full = |i: usize| match &schema.field(i).qualifier {
        Some(qualifier) => format!("`{qualifier}`.`{}`", schema.field(i).name),
        None => format!("`{}`", schema.field(i).name),
    };
    let candidates: Vec<String> = core::iter::once(first).chain(rest).map(full).collect();
    let text = format!("`{}` is ambiguous: it could be {}", parts.join("."), candidates.join(" or "));
    Err(Error::unsupported("AMBIGUOUS_REFERENCE", text).at(span).hint("put the name of its table before it"))
}

fn unresolved(parts: &[String], schema: &Schema, span: Option<Span>) -> Error {
    let name = parts.join(".");
    let text = format!("there is no column `{name}`");
    let error = Error::unsupported("UNRESOLVED_COLUMN.WITH_SUGGESTION", text).at(span);
    let last = parts.last().map_or("", String::as_str);
    let known = || schema.fields().iter().map(|f| f.name.as_str());
    if let Some(hint) = suggest::hint(&name, known()).or_else(|| suggest::hint(last, known())) {
        return error.hint(hint);
    }
    if schema.is_empty() {
        return error.hint("there are no columns here");
    }
    let some: Vec<String> = known().take(8).map(|name| format!("`{name}`")).collect();
    let more = if schema.len() > some.len() { ", ..." } else { "" };
    error.hint(format!("the columns here are {}{more}", some.join(", ")))
}

struct Binder<'a> {
    scope: &'a mut dyn Scope,
    settings: &'a Settings,
    depth: usize,
}

impl Binder<'_> {
    fn bind(&mut self, expr: &Expr) -> Result<BoundExpr> {
        if let Some(special) = self.scope.resolve_special(expr) {
            return special.map_err(|e| e.at(expr.span));
        }
        if self.depth == EXPRESSION_DEPTH_MAX {
            let text = format!("the expression is nested more than {EXPRESSION_DEPTH_MAX} deep");
            return Err(Error::too_complex(text).at(expr.span));
        }
        self.depth += 1;
        let bound = self.bind_kind(expr).map_err(|e| e.at(expr.span));
        self.depth -= 1;
        bound
    }

    fn bind_kind(&mut self, expr: &Expr) -> Result<BoundExpr> {
        let site = Site::new(self.settings, expr.span);
        match &expr.kind {
            ExprKind::Column(parts) => self.column(parts, site),
            ExprKind::Literal { value, data_type } => Ok(BoundExpr::literal(value.clone(), data_type.clone())),
            ExprKind::Star(_) => {
                Err(Error::unsupported("INVALID_USAGE_OF_STAR_OR_REGEX", "`*` cannot stand in an expression"))
            }
            ExprKind::Function { .. } => self.function(expr),
            ExprKind::Unary(op, operand) => match least_integer(*op, operand) {
                Some(literal) => Ok(literal),
                None => operator::unary(*op, self.bind(operand)?, site),
            },
            ExprKind::Binary(left, op, right) => {
                let (a, b) = (self.bind(left)?, self.bind(right)?);
                let (of_a, of_b) = (a.data_type.clone(), b.data_type.clone());
                operator::binary(self.beside(left, a, &of_b), *op, self.beside(right, b, &of_a), site)
            }
            ExprKind::Cast { expr, data_type, is_try } => {
                let mode = if *is_try { EvalMode::Try } else { self.settings.mode() };
                Ok(cast::explicit(self.bind(expr)?, data_type, mode, self.settings)?.at(site.span))
            }
            ExprKind::Case { operand, branches, otherwise } => {
                self.case(operand.as_deref(), branches, otherwise.as_deref(), site)
            }
            ExprKind::InList { expr, list, negated } => {
                let list = list.iter().map(|e| self.bind(e)).collect::<Result<_>>()?;
                operator::in_list(self.bind(expr)?, list, *negated, site)
            }
            ExprKind::Between { expr, low, high, negated } => self.between(expr, low, high, *negated, site),
            ExprKind::Field(expr, name) => access::field(self.bind(expr)?, name, site),
            ExprKind::Index(expr, index) => access::index(self.bind(expr)?, self.bind(index)?, site),
            ExprKind::Alias(expr, _) => self.bind(expr),
        }
    }

    /// Beside a decimal only what is written as a literal takes as many digits as it has: another constant takes those
    /// of its type.
    fn beside(&self, written: &Expr, bound: BoundExpr, other: &DataType) -> BoundExpr {
        let is_constant = bound.data_type.is_integer() && bound.as_literal().is_some() && !is_literal(written);
        match Shape::of(&bound.data_type).filter(|_| is_constant && matches!(other, DataType::Decimal(..))) {
            Some(shape) => cast::coerced(bound, &shape.data_type(), self.settings),
            None => bound,
        }
    }

    fn column(&mut self, parts: &[String], site: Site<'_>) -> Result<BoundExpr> {
        let schema = self.scope.schema();
        let path = resolve_column(parts, schema, site.span)?;
        let field = schema.field(path.index);
        let column = BoundExpr::column(path.index, field.data_type.clone(), field.nullable);
        path.fields.iter().try_fold(column, |column, name| access::field(column, name, site))
    }

    fn function(&mut self, expr: &Expr) -> Result<BoundExpr> {
        let ExprKind::Function { name, args, distinct, filter, ignore_nulls, within_group } = &expr.kind else {
            panic!("{expr:?} is no call")
        };
        let Some((known, entry)) = function::lookup(name) else { return Err(self.unknown_function(name)) };
        if *distinct || filter.is_some() || *ignore_nulls || !within_group.is_empty() {
            let text =
                format!("{known}() is no aggregate: DISTINCT, FILTER, IGNORE NULLS and WITHIN GROUP are for those");
            return Err(Error::unsupported("INVALID_SQL_SYNTAX.FUNCTION_WITH_UNSUPPORTED_SYNTAX", text));
        }
        if known == "struct" {
            return self.function(&named_struct(args).at(expr.span));
        }
        let bound = args.iter().map(|arg| self.bind(arg)).collect::<Result<_>>()?;
        let call = function::Call { name: known, args: bound, settings: self.settings, span: expr.span };
        let called = (entry.bind)(call).map(fold::constant)?;
        Ok(if known == "arrays_zip" { zipped(called, args) } else { called })
    }

    fn unknown_function(&self, name: &str) -> Error {
        if self.scope.aggregate_names().any(|known| same_name(known, name)) {
            let text = format!("the aggregate {name}() cannot stand here");
            return Error::unsupported("UNSUPPORTED_EXPR_FOR_OPERATOR", text).hint(
                "aggregates stand in SELECT and HAVING of a query that groups, not inside each other or in WHERE",
            );
        }
        let error = Error::unsupported("UNRESOLVED_ROUTINE", format!("there is no function {name}()"));
        match suggest::hint(name, function::names().chain(self.scope.aggregate_names())) {
            Some(hint) => error.hint(hint),
            None => error,
        }
    }

    /// `CASE x WHEN a` is `CASE WHEN x = a`. No ELSE is ELSE NULL.
    fn case(
        &mut self,
        operand: Option<&Expr>,
        branches: &[(Expr, Expr)],
        otherwise: Option<&Expr>,
        site: Site<'_>,
    ) -> Result<BoundExpr> {
        let operand = operand.map(|operand| self.bind(operand)).transpose()?;
        let bound = branches.iter().map(|(when, then)| {
            let condition = match &operand {
                Some(operand) => operator::binary(operand.clone(), BinaryOp::Eq, self.bind(when)?, site)?,
                None => condition(self.bind(when)?, when.span)?,
            };
            Ok((condition, self.bind(then)?))
        });
        let branches: Vec<(BoundExpr, BoundExpr)> = bound.collect::<Result<_>>()?;
        let otherwise = match otherwise {
            Some(otherwise) => self.bind(otherwise)?,
            None => BoundExpr::literal(Value::Null, DataType::Null),
        };
        choose(branches, otherwise, site)
    }

    fn between(&mut self, x: &Expr, low: &Expr, high: &Expr, negated: bool, site: Site<'_>) -> Result<BoundExpr> {
        let x = self.bind(x)?;
        let above = operator::binary(x.clone(), BinaryOp::GreaterEq, self.bind(low)?, site)?;
        let below = operator::binary(x, BinaryOp::LessEq, self.bind(high)?, site)?;
        let both = logic::combine(above, BinaryOp::And, below, site)?;
        if negated { logic::not(both, site) } else { Ok(both) }
    }
}

/// `arrays_zip(a, array(1))` has the fields `a` and `1`.
fn zipped(mut called: BoundExpr, args: &[Expr]) -> BoundExpr {
    if let DataType::Array(of) = &called.data_type
        && let Some(fields) = of.struct_fields()
    {
        let mut fields = fields.to_vec();
        for (field, arg) in fields.iter_mut().zip(args) {
            match &arg.kind {
                ExprKind::Column(parts) => field.name = parts.last().cloned().unwrap_or_default(),
                ExprKind::Field(_, name) | ExprKind::Alias(_, name) => field.name.clone_from(name),
                _ => {}
            }
        }
        called.data_type = DataType::Array(DataType::Struct(fields).into());
    }
    called
}

/// `struct(a, x + 1, y AS b)` has the fields `a`, `col2` and `b`.
fn named_struct(args: &[Expr]) -> Expr {
    let name = |(i, arg): (usize, &Expr)| match &arg.kind {
        ExprKind::Column(parts) => parts.last().cloned().unwrap_or_default(),
        ExprKind::Field(_, name) | ExprKind::Alias(_, name) => name.clone(),
        _ => format!("col{}", i + 1),
    };
    let pairs = args.iter().enumerate().flat_map(|at| [lit(name(at).as_str()), at.1.clone()]);
    Expr::function("named_struct", pairs.collect::<Vec<_>>())
}

/// A bound CASE: every result is cast to the type they have in common.
pub(crate) fn choose(branches: Vec<(BoundExpr, BoundExpr)>, otherwise: BoundExpr, site: Site<'_>) -> Result<BoundExpr> {
    let results = || branches.iter().map(|(_, then)| then).chain([&otherwise]);
    let Some(common) = cast::common_type_of(results().map(|e| &e.data_type), site.settings) else {
        let types: Vec<String> = results().map(|e| format!("{}", e.data_type)).collect();
        let text = format!("the branches of CASE have no type in common: {}", types.join(", "));
        return Err(Error::unsupported("DATATYPE_MISMATCH.DATA_DIFF_TYPES", text).at(site.span));
    };
    let nullable = results().any(|e| e.nullable);
    let cast = |e: BoundExpr| site.coerced(e, &common);
    let branches: Vec<_> = branches.into_iter().map(|(when, then)| (when, cast(then))).collect();
    let otherwise = Box::new(cast(otherwise));
    let kind = BoundKind::Case { branches, otherwise };
    Ok(fold::constant(BoundExpr { data_type: common, nullable, kind }))
}

/// A literal, with a sign or without.
fn is_literal(expr: &Expr) -> bool {
    match &expr.kind {
        ExprKind::Unary(UnaryOp::Negate, operand) => matches!(operand.kind, ExprKind::Literal { .. }),
        kind => matches!(kind, ExprKind::Literal { .. }),
    }
}

/// `-2147483648` and `-9223372036854775808` are an INT and a BIGINT, though their digits alone are neither.
fn least_integer(op: UnaryOp, operand: &Expr) -> Option<BoundExpr> {
    match (op, &operand.kind) {
        (UnaryOp::Negate, ExprKind::Literal { value: Value::Int64(2_147_483_648), data_type: DataType::Int64 }) => {
            Some(BoundExpr::literal(i32::MIN.into(), DataType::Int32))
        }
        (
            UnaryOp::Negate,
            ExprKind::Literal { value: Value::Decimal(9_223_372_036_854_775_808), data_type: DataType::Decimal(_, 0) },
        ) => Some(BoundExpr::literal(i64::MIN.into(), DataType::Int64)),
        _ => None,
    }
}

/// WHEN takes booleans as they are; Spark casts nothing here but NULL.
fn condition(expr: BoundExpr, span: Option<Span>) -> Result<BoundExpr> {
    match &expr.data_type {
        DataType::Boolean => Ok(expr),
        DataType::Null => Ok(BoundExpr::literal(Value::Null, DataType::Boolean)),
        other => {
            let text = format!("WHEN takes a BOOLEAN, not {other}");
            Err(Error::unsupported("DATATYPE_MISMATCH.UNEXPECTED_INPUT_TYPE", text).at(span))
        }
    }
}
