//! Expressions of the syntax tree to the engine's, one for one.

use alloc::{
    boxed::Box,
    collections::BTreeMap,
    format,
    string::{String, ToString},
    vec,
    vec::Vec,
};

use sqlparser::ast::{self, AccessExpr, BinaryOperator, CastKind, Spanned, Subscript, UnaryOperator};

use super::{
    clauses::Start,
    dialect::{Found, Literal},
    literal,
    operator::balanced,
    prefix,
    subquery::Scalars,
    syntax::place,
};
use crate::{
    block::Value,
    error::{Error, Result, Span},
    expr::{BinaryOp, Expr, ExprKind, Settings, SortKey, UnaryOp, lit},
    schema::DataType,
    time::parse_timestamp,
};

/// What the tree's expressions refer to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Exprs<'a> {
    pub(super) found: &'a Found,
    pub(super) calls: &'a BTreeMap<Start, Start>,
    pub(super) settings: &'a Settings,
    /// What takes a subquery, where one can stand for a value.
    pub(super) scalars: Option<Scalars<'a>>,
}

impl Exprs<'_> {
    /// The engine's form of an expression. Subqueries are no expressions: who allows them looks for them before.
    pub(super) fn expr(&self, e: &ast::Expr) -> Result<Expr> {
        use ast::Expr as E;
        let span = self.span(e);
        let kind = match e {
            E::Identifier(name) => ExprKind::Column(vec![ident(name)?]),
            E::CompoundIdentifier(parts) => ExprKind::Column(parts.iter().map(ident).collect::<Result<_>>()?),
            E::CompoundFieldAccess { root, access_chain } => return self.access(root, access_chain),
            E::Value(value) => self.value(value)?,
            E::Nested(inner) => return Ok(self.expr(inner)?.at(span)),
            E::Tuple(items) => return Ok(tuple(self.exprs(items)?).at(span)),
            E::UnaryOp { op, expr } => {
                ExprKind::Unary(unary(op).ok_or_else(|| self.unsupported(e))?, self.boxed(expr)?)
            }
            E::BinaryOp { left, op, right } => return self.binary(e, left, op, right),
            E::IsNull(x) | E::IsUnknown(x) => ExprKind::Unary(UnaryOp::IsNull, self.boxed(x)?),
            E::IsNotNull(x) | E::IsNotUnknown(x) => ExprKind::Unary(UnaryOp::IsNotNull, self.boxed(x)?),
            E::IsTrue(x) => ExprKind::Unary(UnaryOp::IsTrue, self.boxed(x)?),
            E::IsNotTrue(x) => ExprKind::Unary(UnaryOp::IsNotTrue, self.boxed(x)?),
            E::IsFalse(x) => ExprKind::Unary(UnaryOp::IsFalse, self.boxed(x)?),
            E::IsNotFalse(x) => ExprKind::Unary(UnaryOp::IsNotFalse, self.boxed(x)?),
            E::IsNotDistinctFrom(a, b) => ExprKind::Binary(self.boxed(a)?, BinaryOp::NullSafeEq, self.boxed(b)?),
            E::IsDistinctFrom(a, b) => {
                let same = Expr::new(ExprKind::Binary(self.boxed(a)?, BinaryOp::NullSafeEq, self.boxed(b)?)).at(span);
                ExprKind::Unary(UnaryOp::Not, Box::new(same))
            }
            E::InList { expr, list, negated } => {
                ExprKind::InList { expr: self.boxed(expr)?, list: self.exprs(list)?, negated: *negated }
            }
            E::Between { expr, negated, low, high } => ExprKind::Between {
                expr: self.boxed(expr)?,
                low: self.boxed(low)?,
                high: self.boxed(high)?,
                negated: *negated,
            },
            E::Like { any: true, expr, pattern, .. } | E::ILike { any: true, expr, pattern, .. } => {
                return self.like_any(e, expr, pattern);
            }
            E::Like { negated, expr, pattern, escape_char, .. } => {
                let op = if *negated { BinaryOp::NotLike } else { BinaryOp::Like };
                ExprKind::Binary(self.boxed(expr)?, op, Box::new(self.pattern(pattern, escape_char.as_deref())?))
            }
            E::ILike { negated, expr, pattern, escape_char, .. } => {
                let op = if *negated { BinaryOp::NotILike } else { BinaryOp::ILike };
                ExprKind::Binary(self.boxed(expr)?, op, Box::new(self.pattern(pattern, escape_char.as_deref())?))
            }
            E::RLike { negated, expr, pattern, .. } => {
                let op = if *negated { BinaryOp::NotRLike } else { BinaryOp::RLike };
                ExprKind::Binary(self.boxed(expr)?, op, self.boxed(pattern)?)
            }
            E::Cast { kind, expr, data_type, .. } => self.cast(kind, expr, data_type)?,
            E::Case { operand, conditions, else_result, .. } => ExprKind::Case {
                operand: operand.as_deref().map(|x| self.boxed(x)).transpose()?,
                branches: conditions
                    .iter()
                    .map(|when| Ok((self.expr(&when.condition)?, self.expr(&when.result)?)))
                    .collect::<Result<_>>()?,
                otherwise: else_result.as_deref().map(|x| self.boxed(x)).transpose()?,
            },
            E::Function(function) => return self.call(function, span),
            E::Subquery(query) => return self.scalar(query, span),
            E::Named { expr, name } => ExprKind::Alias(self.boxed(expr)?, ident(name)?),
            _ => return Err(self.unsupported(e)),
        };
        Ok(Expr::new(kind).at(span))
    }

    /// Several expressions.
    pub(super) fn exprs(&self, list: &[ast::Expr]) -> Result<Vec<Expr>> {
        list.iter().map(|e| self.expr(e)).collect()
    }

    /// A key of ORDER BY.
    pub(super) fn sort_key(&self, key: &ast::OrderByExpr) -> Result<SortKey> {
        let descending = match key.options.sort {
            None | Some(ast::OrderBySort::Asc) => false,
            Some(ast::OrderBySort::Desc) => true,
            Some(ast::OrderBySort::Using(_)) => return Err(self.unsupported(&key.expr)),
        };
        Ok(SortKey { expr: self.expr(&key.expr)?, descending, nulls_first: key.options.nulls_first })
    }

    /// From its first character to its last, as far as the tree knows.
    pub(super) fn span(&self, e: &ast::Expr) -> Option<Span> {
        let span = match e {
            ast::Expr::RLike { expr, pattern, .. } => expr.span().union(&pattern.span()),
            ast::Expr::Cast { data_type: ast::DataType::Custom(name, _), .. } => name.span(),
            other => other.span(),
        };
        let mut span = place(span)?;
        if let ast::Expr::Function(function) = e
            && let Some(name) = function.name.0.last().and_then(|part| place(part.span()))
            && let Some(&close) = self.calls.get(&(name.line, name.column))
        {
            (span.end_line, span.end_column) = close.max((span.end_line, span.end_column));
        }
        Some(span)
    }

    fn boxed(&self, e: &ast::Expr) -> Result<Box<Expr>> {
        self.expr(e).map(Box::new)
    }

    fn value(&self, value: &ast::ValueWithSpan) -> Result<ExprKind> {
        let at = place(value.span);
        let (value, data_type) = match &value.value {
            ast::Value::Number(text, _) => literal::number(text).map_err(|e| e.at(at))?,
            ast::Value::SingleQuotedString(text) => (Value::String(text.clone()), DataType::String),
            ast::Value::Boolean(b) => (Value::Boolean(*b), DataType::Boolean),
            ast::Value::Null => (Value::Null, DataType::Null),
            ast::Value::Placeholder(index) => self.kept(index).map_err(|e| e.at(at))?,
            other => return Err(Error::invalid(format!("{other} is not supported")).at(at)),
        };
        Ok(ExprKind::Literal { value, data_type })
    }

    /// A literal that the dialect found.
    fn kept(&self, index: &str) -> Result<(Value, DataType)> {
        let literal = index.parse().ok().and_then(|i: usize| self.found.literals.get(i));
        match literal {
            Some(Literal::Value(value, data_type)) => Ok((value.clone(), data_type.clone())),
            Some(Literal::Timestamp(text)) => {
                let micros = parse_timestamp(text.as_bytes(), &self.settings.time_zone)
                    .ok_or_else(|| prefix::invalid_typed_literal("TIMESTAMP", text))?;
                Ok((Value::Int64(micros), DataType::Timestamp))
            }
            None => Err(Error::internal(format!("no literal {index} in this query"))),
        }
    }

    fn cast(&self, kind: &CastKind, expr: &ast::Expr, data_type: &ast::DataType) -> Result<ExprKind> {
        let index = match data_type {
            ast::DataType::Custom(name, _) => name.to_string().parse().ok(),
            _ => None,
        };
        let data_type = index
            .and_then(|i: usize| self.found.types.get(i))
            .ok_or_else(|| Error::internal(format!("no type {data_type} in this query")))?;
        let is_try = *kind == CastKind::TryCast;
        Ok(ExprKind::Cast { expr: self.boxed(expr)?, data_type: data_type.clone(), is_try })
    }

    /// `a.b[0].c`: the names before the first bracket are one name, as far as anyone can tell here.
    fn access(&self, root: &ast::Expr, chain: &[AccessExpr]) -> Result<Expr> {
        let mut base = self.expr(root)?;
        for link in chain {
            let span = place(link.span()).zip(base.span).map(|(end, start)| Span {
                end_line: end.end_line,
                end_column: end.end_column,
                ..start
            });
            base = match (base.kind, link) {
                (ExprKind::Column(mut parts), AccessExpr::Dot(ast::Expr::Identifier(name))) => {
                    parts.push(ident(name)?);
                    Expr::new(ExprKind::Column(parts))
                }
                (kind, AccessExpr::Dot(ast::Expr::Identifier(name))) => {
                    Expr::new(ExprKind::Field(Box::new(Expr::new(kind).at(base.span)), ident(name)?))
                }
                (kind, AccessExpr::Subscript(Subscript::Index { index })) => {
                    let whole = Box::new(Expr::new(kind).at(base.span));
                    Expr::new(ExprKind::Index(whole, self.boxed(index)?))
                }
                (_, AccessExpr::Dot(other)) => return Err(self.unsupported(other)),
                (_, AccessExpr::Subscript(_)) => {
                    return Err(Error::unsupported("UNSUPPORTED_FEATURE", "array slices are not supported")
                        .at(span)
                        .hint("write slice(array, start, length)"));
                }
            }
            .at(span.or(base.span));
        }
        Ok(base)
    }

    fn binary(&self, e: &ast::Expr, left: &ast::Expr, op: &BinaryOperator, right: &ast::Expr) -> Result<Expr> {
        let (left, right, span) = (self.expr(left)?, self.expr(right)?, self.span(e));
        let shift = match op {
            BinaryOperator::PGBitwiseShiftLeft => Some("shiftleft"),
            BinaryOperator::PGBitwiseShiftRight => Some("shiftright"),
            BinaryOperator::Custom(_) => Some("shiftrightunsigned"),
            _ => None,
        };
        if let Some(name) = shift {
            return Ok(Expr::function(name, [left, right]).at(span));
        }
        let op = binary_op(op).ok_or_else(|| self.unsupported(e))?;
        Ok(Expr::new(ExprKind::Binary(Box::new(left), op, Box::new(right))).at(span))
    }

    /// `LIKE ANY|ALL (patterns)`, a test each: ALL has its patterns in brackets of their own. NOT LIKE ANY is that one
    /// of them does not match.
    fn like_any(&self, e: &ast::Expr, value: &ast::Expr, patterns: &ast::Expr) -> Result<Expr> {
        let op = match e {
            ast::Expr::Like { negated: false, .. } => BinaryOp::Like,
            ast::Expr::Like { .. } => BinaryOp::NotLike,
            ast::Expr::ILike { negated: false, .. } => BinaryOp::ILike,
            _ => BinaryOp::NotILike,
        };
        let (joined, patterns) = match patterns {
            ast::Expr::Nested(all) => (BinaryOp::And, &**all),
            any => (BinaryOp::Or, any),
        };
        let ast::Expr::Tuple(patterns) = patterns else { return Err(self.unsupported(e)) };
        let (value, span) = (self.expr(value)?, self.span(e));
        let binary = |left, op, right| Expr::new(ExprKind::Binary(Box::new(left), op, Box::new(right))).at(span);
        let tests = patterns.iter().map(|pattern| Ok(binary(value.clone(), op, self.expr(pattern)?)));
        let tests = tests.collect::<Result<Vec<_>>>()?;
        Ok(balanced(tests, &|left, right| binary(left, joined, right)))
    }

    /// A pattern whose escape character is a backslash, whatever was declared.
    fn pattern(&self, pattern: &ast::Expr, escape: Option<&ast::Expr>) -> Result<Expr> {
        let pattern = self.expr(pattern)?;
        let Some(escape) = escape else { return Ok(pattern) };
        let escape = self.expr(escape)?;
        let wrong = || {
            Error::unsupported("UNSUPPORTED_FEATURE", "ESCAPE needs a constant pattern and one character")
                .at(escape.span)
                .hint("write a backslash before the % and _ that are to be found: LIKE '%50\\\\%%'")
        };
        let character = match &escape.kind {
            ExprKind::Literal { value: Value::String(s), .. } => {
                Some(s).filter(|s| s.chars().count() == 1).and_then(|s| s.chars().next()).ok_or_else(wrong)?
            }
            _ => return Err(wrong()),
        };
        match &pattern.kind {
            ExprKind::Literal { value: Value::String(text), .. } => {
                Ok(lit(with_backslashes(text, character).as_str()).at(pattern.span))
            }
            _ => Err(wrong()),
        }
    }

    fn call(&self, function: &ast::Function, span: Option<Span>) -> Result<Expr> {
        let name = self.function_name(function, span)?;
        let (arguments, distinct, inner_nulls) = self.arguments(function, span)?;
        let nulls = function.null_treatment.or(inner_nulls);
        let (name, arguments) = with_unit(name, arguments);
        let filter = function.filter.as_deref().map(|f| self.boxed(f)).transpose()?;
        let within_group = function.within_group.iter().map(|k| self.sort_key(k)).collect::<Result<_>>()?;
        let ignore_nulls = nulls == Some(ast::NullTreatment::IgnoreNulls);
        let kind = ExprKind::Function { name, args: arguments, distinct, filter, ignore_nulls, within_group };
        Ok(Expr::new(kind).at(span))
    }

    fn function_name(&self, function: &ast::Function, span: Option<Span>) -> Result<String> {
        let parts: Vec<String> = function.name.0.iter().map(name_part).collect::<Result<_>>()?;
        let name = parts.join(".");
        let foreign = ["tumble", "hop", "tumble_start", "tumble_end", "hop_start", "hop_end", "tumbling", "hopping"];
        if foreign.iter().any(|f| name.eq_ignore_ascii_case(f)) {
            return Err(Error::unsupported("UNRESOLVED_ROUTINE", format!("Spark has no function {name}()"))
                .at(span)
                .hint("write GROUP BY window(ts, '1 minute'), and window.start and window.end for its bounds"));
        }
        Ok(name)
    }

    fn arguments(
        &self,
        function: &ast::Function,
        span: Option<Span>,
    ) -> Result<(Vec<Expr>, bool, Option<ast::NullTreatment>)> {
        let list = match &function.args {
            ast::FunctionArguments::None => return Ok((Vec::new(), false, None)),
            ast::FunctionArguments::Subquery(_) => return Err(subquery(span)),
            ast::FunctionArguments::List(list) => list,
        };
        let mut nulls = None;
        for clause in &list.clauses {
            match clause {
                ast::FunctionArgumentClause::IgnoreOrRespectNulls(treatment) => nulls = Some(*treatment),
                other => {
                    return Err(Error::unsupported(
                        "UNSUPPORTED_FEATURE",
                        format!("{other} is not supported in a call"),
                    )
                    .at(span)
                    .hint("write FILTER (WHERE ...) or WITHIN GROUP (ORDER BY ...) after the call"));
                }
            }
        }
        let arguments = list.args.iter().map(|a| self.argument(a, span)).collect::<Result<_>>()?;
        Ok((arguments, list.duplicate_treatment == Some(ast::DuplicateTreatment::Distinct), nulls))
    }

    /// One argument of a function.
    pub(super) fn argument(&self, argument: &ast::FunctionArg, span: Option<Span>) -> Result<Expr> {
        use ast::{FunctionArg, FunctionArgExpr};
        match argument {
            FunctionArg::Unnamed(FunctionArgExpr::Expr(e)) => self.expr(e),
            FunctionArg::Unnamed(FunctionArgExpr::Wildcard) => Ok(Expr::new(ExprKind::Star(None)).at(span)),
            FunctionArg::Unnamed(FunctionArgExpr::QualifiedWildcard(name)) => {
                Ok(Expr::new(ExprKind::Star(Some(dotted(name)?))).at(place(name.span())))
            }
            other => Err(Error::unsupported("UNSUPPORTED_FEATURE", format!("the argument {other} is not supported"))
                .at(span)
                .hint("give arguments by position, without their names")),
        }
    }

    fn scalar(&self, query: &ast::Query, span: Option<Span>) -> Result<Expr> {
        let Scalars(take) = self.scalars.ok_or_else(|| subquery(span))?;
        Ok(take(query)?.at(span))
    }

    fn unsupported(&self, e: &ast::Expr) -> Error {
        let span = self.span(e);
        match e {
            ast::Expr::Subquery(_) | ast::Expr::InSubquery { .. } | ast::Expr::Exists { .. } => subquery(span),
            other => {
                Error::unsupported("UNSUPPORTED_FEATURE", format!("the expression {other} is not supported")).at(span)
            }
        }
    }
}

fn with_backslashes(pattern: &str, escape: char) -> String {
    let mut out = String::new();
    let mut rest = pattern.chars();
    while let Some(c) = rest.next() {
        match c {
            c if c == escape => {
                out.push('\\');
                out.extend(rest.next());
            }
            '\\' => out.push_str("\\\\"),
            c => out.push(c),
        }
    }
    out
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

fn unary(op: &UnaryOperator) -> Option<UnaryOp> {
    Some(match op {
        UnaryOperator::Minus => UnaryOp::Negate,
        UnaryOperator::Plus => UnaryOp::Plus,
        UnaryOperator::Not => UnaryOp::Not,
        UnaryOperator::BitwiseNot => UnaryOp::BitNot,
        _ => return None,
    })
}

fn binary_op(op: &BinaryOperator) -> Option<BinaryOp> {
    Some(match op {
        BinaryOperator::Plus => BinaryOp::Add,
        BinaryOperator::Minus => BinaryOp::Subtract,
        BinaryOperator::Multiply => BinaryOp::Multiply,
        BinaryOperator::Divide => BinaryOp::Divide,
        BinaryOperator::MyIntegerDivide => BinaryOp::IntegerDivide,
        BinaryOperator::Modulo => BinaryOp::Modulo,
        BinaryOperator::And => BinaryOp::And,
        BinaryOperator::Or => BinaryOp::Or,
        BinaryOperator::Eq => BinaryOp::Eq,
        BinaryOperator::NotEq => BinaryOp::NotEq,
        BinaryOperator::Lt => BinaryOp::Less,
        BinaryOperator::LtEq => BinaryOp::LessEq,
        BinaryOperator::Gt => BinaryOp::Greater,
        BinaryOperator::GtEq => BinaryOp::GreaterEq,
        BinaryOperator::Spaceship => BinaryOp::NullSafeEq,
        BinaryOperator::StringConcat => BinaryOp::Concat,
        BinaryOperator::BitwiseAnd => BinaryOp::BitAnd,
        BinaryOperator::BitwiseOr => BinaryOp::BitOr,
        BinaryOperator::BitwiseXor => BinaryOp::BitXor,
        _ => return None,
    })
}

/// The error for a subquery where none can be.
pub(super) fn subquery(span: Option<Span>) -> Error {
    Error::unsupported("UNSUPPORTED_FEATURE", "a subquery is not supported here")
        .at(span)
        .hint("join the other table: JOIN, or LEFT SEMI JOIN for EXISTS and LEFT ANTI JOIN for NOT EXISTS")
}

/// A name that is no text in quotes, which sqlparser would take too.
pub(super) fn ident(ident: &ast::Ident) -> Result<String> {
    match ident.quote_style {
        None | Some('`') => Ok(ident.value.clone()),
        Some(_) => Err(Error::invalid(format!("'{}' is text, not a name", ident.value))
            .class("PARSE_SYNTAX_ERROR")
            .at(place(ident.span))
            .hint("names stand in backticks: `name`")),
    }
}

/// One part of a dotted name.
pub(super) fn name_part(part: &ast::ObjectNamePart) -> Result<String> {
    match part {
        ast::ObjectNamePart::Identifier(name) => ident(name),
        other => Err(Error::invalid(format!("{other} is not a name")).at(place(other.span()))),
    }
}

/// A dotted name as one text.
pub(super) fn dotted(name: &ast::ObjectName) -> Result<String> {
    let parts: Vec<String> = name.0.iter().map(name_part).collect::<Result<_>>()?;
    Ok(parts.join("."))
}
