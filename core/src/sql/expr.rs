//! Expressions of the syntax tree to the engine's, one for one.

use alloc::{
    boxed::Box,
    format,
    string::{String, ToString},
    vec::Vec,
};

use super::{
    operator::balanced,
    prefix,
    subquery::{Scalars, holds_list, is_test},
    tree::{self, Argument, Call, Kind},
};
use crate::{
    block::Value,
    error::{Error, Result, Span},
    expr::{BinaryOp, Expr, ExprKind, Settings, SortKey, UnaryOp, lit},
    schema::DataType,
    time::parse_timestamp,
};

/// What the tree's expressions depend on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Exprs<'a> {
    pub(super) settings: &'a Settings,
    /// What takes a subquery, where one can stand for a value.
    pub(super) scalars: Option<Scalars<'a>>,
}

impl Exprs<'_> {
    /// The engine's form of an expression. Subqueries are no expressions: who allows them looks for them before.
    pub(super) fn expr(&self, e: &tree::Expr) -> Result<Expr> {
        let span = Some(e.span);
        let kind = match &e.kind {
            // A NOT belongs to the subquery that it stands before.
            Kind::Unary(UnaryOp::Not, _) if self.scalars.is_some() && is_test(e) => return self.scalar(e),
            Kind::Unary(UnaryOp::Not, x) if holds_list(x) => return Err(subquery(span)),
            Kind::Name(parts) => ExprKind::Column(parts.clone()),
            Kind::Field(of, name) => self.field(of, name)?,
            Kind::Index(of, index) => ExprKind::Index(self.boxed(of)?, self.boxed(index)?),
            Kind::Literal(value, data_type) => ExprKind::Literal { value: value.clone(), data_type: data_type.clone() },
            Kind::Timestamp(text) => self.timestamp(text).map_err(|e| e.at(span))?,
            Kind::Nested(inner) => return self.expr(inner),
            Kind::Tuple(items) => return Ok(tuple(self.exprs(items)?).at(span)),
            Kind::Unary(op, x) => ExprKind::Unary(*op, self.boxed(x)?),
            Kind::Binary(a, op, b) => ExprKind::Binary(self.boxed(a)?, *op, self.boxed(b)?),
            Kind::InList { expr, list, negated } => {
                ExprKind::InList { expr: self.boxed(expr)?, list: self.exprs(list)?, negated: *negated }
            }
            Kind::Between { expr, low, high, negated } => ExprKind::Between {
                expr: self.boxed(expr)?,
                low: self.boxed(low)?,
                high: self.boxed(high)?,
                negated: *negated,
            },
            Kind::Like { expr, op, pattern, escape } => {
                return self.like(e, expr, *op, pattern, escape.as_deref());
            }
            Kind::LikeAny { expr, op, patterns, is_all } => return self.like_any(e, expr, *op, patterns, *is_all),
            Kind::Cast { expr, data_type, is_try } => {
                ExprKind::Cast { expr: self.boxed(expr)?, data_type: data_type.clone(), is_try: *is_try }
            }
            Kind::Case { operand, branches, otherwise } => ExprKind::Case {
                operand: operand.as_deref().map(|x| self.boxed(x)).transpose()?,
                branches: branches
                    .iter()
                    .map(|(if_, then)| Ok((self.expr(if_)?, self.expr(then)?)))
                    .collect::<Result<_>>()?,
                otherwise: otherwise.as_deref().map(|x| self.boxed(x)).transpose()?,
            },
            Kind::Call(call) => self.call(call, e.span)?,
            Kind::Subquery(_) | Kind::InSubquery { .. } | Kind::Exists(_) => return self.scalar(e),
            Kind::Named(x, name) => ExprKind::Alias(self.boxed(x)?, name.clone()),
        };
        Ok(Expr::new(kind).at(span))
    }

    /// Several expressions.
    pub(super) fn exprs(&self, list: &[tree::Expr]) -> Result<Vec<Expr>> {
        list.iter().map(|e| self.expr(e)).collect()
    }

    /// A key of ORDER BY.
    pub(super) fn sort_key(&self, key: &tree::Key) -> Result<SortKey> {
        Ok(SortKey { expr: self.expr(&key.expr)?, descending: key.descending, nulls_first: key.nulls_first })
    }

    fn boxed(&self, e: &tree::Expr) -> Result<Box<Expr>> {
        self.expr(e).map(Box::new)
    }

    fn timestamp(&self, text: &str) -> Result<ExprKind> {
        let micros = parse_timestamp(text.as_bytes(), &self.settings.time_zone)
            .ok_or_else(|| prefix::invalid_typed_literal("TIMESTAMP", text))?;
        Ok(ExprKind::Literal { value: Value::Int64(micros), data_type: DataType::Timestamp })
    }

    /// What is reached into may be a name after all: `(a).b`.
    fn field(&self, of: &tree::Expr, name: &str) -> Result<ExprKind> {
        let of = self.expr(of)?;
        Ok(match of.kind {
            ExprKind::Column(mut parts) => {
                parts.push(name.to_string());
                ExprKind::Column(parts)
            }
            kind => ExprKind::Field(Box::new(Expr::new(kind).at(of.span)), name.to_string()),
        })
    }

    /// `LIKE ANY|ALL (patterns)`, a test each. NOT LIKE ANY is that one of them does not match.
    fn like_any(
        &self,
        e: &tree::Expr,
        value: &tree::Expr,
        op: BinaryOp,
        patterns: &[tree::Expr],
        is_all: bool,
    ) -> Result<Expr> {
        let value = self.expr(value)?;
        let binary =
            |left, op, right| Expr::new(ExprKind::Binary(Box::new(left), op, Box::new(right))).at(Some(e.span));
        let tests = patterns.iter().map(|pattern| Ok(binary(value.clone(), op, self.expr(pattern)?)));
        let joined = if is_all { BinaryOp::And } else { BinaryOp::Or };
        Ok(balanced(tests.collect::<Result<Vec<_>>>()?, &|left, right| binary(left, joined, right)))
    }

    /// `value LIKE pattern ESCAPE escape`, which is a function with that many arguments.
    fn like(
        &self,
        e: &tree::Expr,
        value: &tree::Expr,
        op: BinaryOp,
        pattern: &tree::Expr,
        escape: Option<&tree::Expr>,
    ) -> Result<Expr> {
        let (value, pattern) = (self.expr(value)?, self.expr(pattern)?);
        let span = Some(e.span);
        let Some(escape) = escape else {
            return Ok(Expr::new(ExprKind::Binary(Box::new(value), op, Box::new(pattern))).at(span));
        };
        let escape = self.expr(escape)?;
        let is_character = |text: &str| text.chars().count() == 1;
        if !matches!(&escape.kind, ExprKind::Literal { value: Value::String(text), .. } if is_character(text)) {
            let error = Error::invalid("ESCAPE takes a string of one character").class("INVALID_ESC");
            return Err(error.at(escape.span).hint("write for example LIKE '50/%' ESCAPE '/'"));
        }
        let name = if matches!(op, BinaryOp::ILike | BinaryOp::NotILike) { "ilike" } else { "like" };
        let matches = Expr::function(name, [value, pattern, escape]).at(span);
        Ok(if matches!(op, BinaryOp::NotLike | BinaryOp::NotILike) { matches.unary(UnaryOp::Not) } else { matches })
    }

    fn call(&self, call: &Call, span: Span) -> Result<ExprKind> {
        let foreign = ["tumble", "hop", "tumble_start", "tumble_end", "hop_start", "hop_end", "tumbling", "hopping"];
        if foreign.iter().any(|f| call.name.eq_ignore_ascii_case(f)) {
            return Err(Error::unsupported("UNRESOLVED_ROUTINE", format!("Spark has no function {}()", call.name))
                .at(Some(span))
                .hint("write GROUP BY window(ts, '1 minute'), and window.start and window.end for its bounds"));
        }
        let args = call.args.iter().map(|a| self.argument(a)).collect::<Result<_>>()?;
        let (name, args) = with_unit(call.name.clone(), args);
        let filter = call.filter.as_ref().map(|f| self.boxed(f)).transpose()?;
        let within_group = call.within_group.iter().map(|k| self.sort_key(k)).collect::<Result<_>>()?;
        let ignore_nulls = call.ignore_nulls == Some(true);
        Ok(ExprKind::Function { name, args, distinct: call.distinct, filter, ignore_nulls, within_group })
    }

    /// One argument of a function.
    pub(super) fn argument(&self, argument: &Argument) -> Result<Expr> {
        match argument {
            Argument::Expr(e) => self.expr(e),
            Argument::Star(of, span) => Ok(Expr::new(ExprKind::Star(of.clone())).at(Some(*span))),
        }
    }

    fn scalar(&self, e: &tree::Expr) -> Result<Expr> {
        let Scalars(take) = self.scalars.ok_or_else(|| subquery(Some(e.span)))?;
        Ok(take(e)?.at(Some(e.span)))
    }
}

/// `timestampdiff(MINUTE, a, b)` takes the bare word as text. With three arguments, DATEADD and DATEDIFF are other
/// functions than with two.
fn with_unit(name: String, mut arguments: Vec<Expr>) -> (String, Vec<Expr>) {
    const UNITS: &[&str] = &[
        "YEAR",
        "QUARTER",
        "MONTH",
        "WEEK",
        "DAY",
        "DAYOFYEAR",
        "HOUR",
        "MINUTE",
        "SECOND",
        "MILLISECOND",
        "MICROSECOND",
    ];
    let target = match name.to_lowercase().as_str() {
        "timestampadd" | "dateadd" | "date_add" => "timestampadd",
        "timestampdiff" | "datediff" | "date_diff" | "timediff" => "timestampdiff",
        _ => return (name, arguments),
    };
    let [unit, _, _] = arguments.as_mut_slice() else { return (name, arguments) };
    let word = match &unit.kind {
        ExprKind::Column(parts) if parts.len() == 1 => parts[0].clone(),
        _ => return (name, arguments),
    };
    if !UNITS.contains(&word.to_uppercase().as_str()) {
        return (name, arguments);
    }
    *unit = lit(word.as_str()).at(unit.span);
    (target.into(), arguments)
}

/// `(x, y)` is a struct; Spark names the fields that are not columns by their position at once.
fn tuple(items: Vec<Expr>) -> Expr {
    let name = |(i, item): (usize, &Expr)| match &item.kind {
        ExprKind::Column(parts) => parts.last().cloned().unwrap_or_default(),
        _ => format!("col{}", i + 1),
    };
    let names: Vec<String> = items.iter().enumerate().map(name).collect();
    let pairs = names.into_iter().zip(items).flat_map(|(name, item)| [lit(name.as_str()), item]);
    Expr::function("named_struct", pairs.collect::<Vec<_>>())
}

/// The error for a subquery where none can be.
pub(super) fn subquery(span: Option<Span>) -> Error {
    Error::unsupported("UNSUPPORTED_FEATURE", "a subquery is not supported here")
        .at(span)
        .hint("join the other table: JOIN, or LEFT SEMI JOIN for EXISTS and LEFT ANTI JOIN for NOT EXISTS")
}
