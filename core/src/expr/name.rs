//! Names of columns that have no alias, as Spark makes them from the expression: `(temp * 2)`, `count(1)`,
//! `CASE WHEN (id = 1) THEN x ELSE s END`.
//!
//! A name is the expression as Spark writes it back in SQL, but for qualifiers, quotes around strings and casts that
//! Spark added, which are left out, and for arguments that were left out, which are filled in.

use alloc::{
    format,
    string::{String, ToString},
    vec::Vec,
};

use jiff::tz::TimeZone;

use super::{
    BinaryOp, Expr, ExprKind, SchemaScope, Settings, SortKey, UnaryOp,
    bind::{bind, resolve_column},
    cast::print,
    decimal,
    operator::symbol,
};
use crate::{
    block::Value,
    schema::{DataType, Schema},
    time::{
        format_date, format_timestamp,
        interval::{self, Unit},
    },
};

impl Expr {
    /// The name of this expression as a column. Without a schema `a.b` keeps both its parts inside an expression.
    pub fn output_name(&self) -> String {
        Namer { schema: None, settings: &Settings::default() }.top(self)
    }

    /// The name of this expression as a column over `schema`, which tells qualifiers from structs.
    pub fn output_name_in(&self, schema: &Schema, settings: &Settings) -> String {
        Namer { schema: Some(schema), settings }.top(self)
    }
}

struct Namer<'a> {
    schema: Option<&'a Schema>,
    settings: &'a Settings,
}

impl Namer<'_> {
    fn top(&self, expr: &Expr) -> String {
        match &expr.kind {
            ExprKind::Alias(_, name) => name.clone(),
            ExprKind::Column(parts) => parts.last().cloned().unwrap_or_default(),
            // A cast column keeps its name; a cast field of a struct does not.
            ExprKind::Cast { expr: inner, .. } => match &inner.kind {
                ExprKind::Column(parts) if !self.is_field(parts) => self.top(inner),
                ExprKind::Alias(..) => self.top(inner),
                _ => self.sql(expr),
            },
            ExprKind::Function { name, .. } if is_window(name) => name.to_lowercase(),
            _ => self.sql(expr),
        }
    }

    fn is_field(&self, parts: &[String]) -> bool {
        let path = self.schema.and_then(|schema| resolve_column(parts, schema, None).ok());
        path.is_some_and(|path| !path.fields.is_empty())
    }

    fn sql(&self, expr: &Expr) -> String {
        match &expr.kind {
            ExprKind::Column(parts) => self.column(parts),
            ExprKind::Literal { value, data_type } => self.literal(value, data_type),
            ExprKind::Star(None) => "*".into(),
            ExprKind::Star(Some(qualifier)) => format!("{qualifier}.*"),
            ExprKind::Function { name, args, distinct, filter, ignore_nulls, within_group } => {
                // One with IGNORE NULLS or an order is named after what it means.
                let named = match name.to_lowercase().as_str() {
                    "first_value" if *ignore_nulls => "first",
                    "last_value" if *ignore_nulls => "last",
                    "mode" if !within_group.is_empty() || is_true(args.get(1)) => {
                        return self.mode(args, within_group, filter.as_deref());
                    }
                    _ => name,
                };
                let call = self.call(named, args, *distinct, within_group);
                match filter {
                    Some(filter) => format!("{call} FILTER (WHERE {})", self.sql(filter)),
                    None => call,
                }
            }
            ExprKind::Unary(op, operand) => self.unary(*op, operand),
            ExprKind::Binary(left, op, right) => self.binary(left, *op, right),
            // Spark loses the cast of a nested type from its name.
            ExprKind::Cast { expr, data_type: DataType::Array(_) | DataType::Struct(_), .. } => self.sql(expr),
            ExprKind::Cast { expr, data_type, is_try } => {
                format!("{}CAST({} AS {data_type})", if *is_try { "TRY_" } else { "" }, self.sql(expr))
            }
            ExprKind::Case { operand, branches, otherwise } => {
                self.case(operand.as_deref(), branches, otherwise.as_deref())
            }
            ExprKind::InList { expr, list, negated } => {
                negate(*negated, format!("({} IN ({}))", self.sql(expr), self.list(list)))
            }
            ExprKind::Between { expr, low, high, negated } => {
                negate(*negated, format!("between({}, {}, {})", self.sql(expr), self.sql(low), self.sql(high)))
            }
            ExprKind::Field(expr, name) => match &expr.kind {
                ExprKind::Function { name: of, .. } if is_window(of) => format!("{}.{name}", of.to_lowercase()),
                _ => format!("{}.{name}", self.sql(expr)),
            },
            ExprKind::Index(expr, index) => format!("{}[{}]", self.sql(expr), self.sql(index)),
            ExprKind::Alias(expr, name) => format!("{} AS {name}", self.sql(expr)),
        }
    }

    /// Without its qualifier, if it is known to be one.
    fn column(&self, parts: &[String]) -> String {
        if parts.last().is_some_and(|name| name.starts_with("(subquery ")) {
            return "scalarsubquery()".into();
        }
        let path = self.schema.and_then(|schema| resolve_column(parts, schema, None).ok());
        let used = path.map_or(parts.len(), |path| path.fields.len() + 1);
        parts[parts.len() - used..].join(".")
    }

    fn list(&self, list: &[Expr]) -> String {
        list.iter().map(|e| self.sql(e)).collect::<Vec<_>>().join(", ")
    }

    fn unary(&self, op: UnaryOp, operand: &Expr) -> String {
        let text = self.sql(operand);
        match op {
            // Spark reads `-1` as one literal.
            UnaryOp::Negate if is_number(operand) && !text.starts_with('-') => format!("-{text}"),
            UnaryOp::Negate => format!("(- {text})"),
            UnaryOp::Plus => format!("(+ {text})"),
            UnaryOp::Not => format!("(NOT {text})"),
            UnaryOp::BitNot => format!("~{text}"),
            UnaryOp::IsNull => format!("({text} IS NULL)"),
            UnaryOp::IsNotNull => format!("({text} IS NOT NULL)"),
            UnaryOp::IsTrue => format!("({text} <=> true)"),
            UnaryOp::IsNotTrue => format!("(NOT ({text} <=> true))"),
            UnaryOp::IsFalse => format!("({text} <=> false)"),
            UnaryOp::IsNotFalse => format!("(NOT ({text} <=> false))"),
        }
    }

    fn binary(&self, left: &Expr, op: BinaryOp, right: &Expr) -> String {
        use BinaryOp::{Add, Concat, ILike, Like, Multiply, NotEq, NotILike, NotLike, NotRLike, RLike, Subtract};
        let (a, b) = (self.sql(left), self.sql(right));
        match op {
            NotEq => format!("(NOT ({a} = {b}))"),
            Concat => format!("concat({a}, {b})"),
            Like => format!("{a} LIKE {b}"),
            NotLike => format!("(NOT {a} LIKE {b})"),
            ILike => format!("ilike({a}, {b})"),
            NotILike => format!("(NOT ilike({a}, {b}))"),
            RLike => format!("RLIKE({a}, {b})"),
            NotRLike => format!("(NOT RLIKE({a}, {b}))"),
            Add | Subtract | Multiply => {
                let types = self.type_of(left).zip(self.type_of(right));
                let moved = types.and_then(|(left, right)| match (is_span(&left), is_span(&right)) {
                    // An interval stands before its factor.
                    (false, true) if op == Multiply => Some(format!("({b} * {a})")),
                    _ if op == Multiply => None,
                    (true, false) if op == Add => move_time(&b, &right, op, &a, &left),
                    _ if op == Add && right == DataType::Date => move_time(&b, &right, op, &a, &left),
                    _ if left == DataType::Null && is_time(&right) => move_time(&b, &right, op, &a, &left),
                    _ => move_time(&a, &left, op, &b, &right),
                });
                moved.unwrap_or_else(|| format!("({a} {} {b})", symbol(op)))
            }
            _ => format!("({a} {} {b})", symbol(op)),
        }
    }

    /// The type of an operand, if it can be known here: what moves a date is named apart.
    fn type_of(&self, expr: &Expr) -> Option<DataType> {
        if let ExprKind::Literal { data_type, .. } = &expr.kind {
            return Some(data_type.clone());
        }
        let nothing = Schema::default();
        let scope = &mut SchemaScope(self.schema.unwrap_or(&nothing));
        bind(expr, scope, self.settings).ok().map(|bound| bound.data_type)
    }

    /// `CASE x WHEN a` is named as what it means: `CASE WHEN (x = a)`.
    fn case(&self, operand: Option<&Expr>, branches: &[(Expr, Expr)], otherwise: Option<&Expr>) -> String {
        let operand = operand.map(|operand| self.sql(operand));
        let mut text = String::from("CASE");
        for (when, then) in branches {
            let condition = match &operand {
                Some(operand) => format!("({operand} = {})", self.sql(when)),
                None => self.sql(when),
            };
            text += &format!(" WHEN {condition} THEN {}", self.sql(then));
        }
        if let Some(otherwise) = otherwise {
            text += &format!(" ELSE {}", self.sql(otherwise));
        }
        text + " END"
    }

    fn call(&self, name: &str, args: &[Expr], distinct: bool, within_group: &[SortKey]) -> String {
        let name = name.to_lowercase();
        let mut texts: Vec<String> = args.iter().map(|arg| self.sql(arg)).collect();
        if let Some(text) = as_operator(&name, &texts) {
            return text;
        }
        if name == "count" && matches!(args, [Expr { kind: ExprKind::Star(None), .. }]) {
            texts = Vec::from(["1".into()]);
        }
        if name == "time_bucket" && args.len() == 2 && self.type_of(&args[1]) == Some(DataType::TimestampNtz) {
            texts.push("TIMESTAMP_NTZ '1970-01-01 00:00:00'".into());
        }
        fill_in(&name, &mut texts);
        let order = match within_group {
            [] => String::new(),
            keys => format!(" WITHIN GROUP (ORDER BY {})", self.order(&name, keys)),
        };
        let distinct = if distinct { "DISTINCT " } else { "" };
        format!("{}({distinct}{}){order}", pretty(&name, texts.len()), texts.join(", "))
    }

    /// The least of the most frequent values is the last by a descending order, which is how Spark names it.
    fn mode(&self, args: &[Expr], within_group: &[SortKey], filter: Option<&Expr>) -> String {
        let (of, is_least) = match within_group {
            [key, ..] => (Some(&key.expr), !key.descending),
            [] => (args.first(), true),
        };
        let direction = if is_least { " DESC" } else { "" };
        let call = format!(
            "mode() WITHIN GROUP (ORDER BY {}{direction})",
            self.list(of.map(core::slice::from_ref).unwrap_or_default())
        );
        match filter {
            Some(filter) => format!("{call} FILTER (WHERE {})", self.sql(filter)),
            None => call,
        }
    }

    /// Percentiles write the key and its direction, lists write all that a sort key has.
    fn order(&self, name: &str, keys: &[SortKey]) -> String {
        let key = |key: &SortKey| {
            let text = self.sql(&key.expr);
            let first = key.nulls_first.unwrap_or(!key.descending);
            match name {
                "percentile_cont" | "percentile_disc" if key.descending => format!("{text} DESC"),
                "percentile_cont" | "percentile_disc" => text,
                _ => {
                    let direction = if key.descending { "DESC" } else { "ASC" };
                    format!("{text} {direction} NULLS {}", if first { "FIRST" } else { "LAST" })
                }
            }
        };
        keys.iter().map(key).collect::<Vec<_>>().join(", ")
    }

    fn literal(&self, value: &Value, data_type: &DataType) -> String {
        match (value, data_type) {
            (Value::Null, _) => "NULL".into(),
            (Value::Boolean(x), _) => x.to_string(),
            (Value::Int32(days), DataType::Date) => format!("DATE '{}'", format_date(*days).as_str()),
            (Value::Int32(months), DataType::IntervalYearMonth(from, to)) => {
                let mut text = String::new();
                let _ = interval::write_year_month(&mut text, *months, *from, *to);
                text
            }
            (Value::Int64(us), DataType::Timestamp) => {
                format!("TIMESTAMP '{}'", format_timestamp(*us, &self.settings.time_zone).as_str())
            }
            (Value::Int64(us), DataType::TimestampNtz) => {
                format!("TIMESTAMP_NTZ '{}'", format_timestamp(*us, &TimeZone::UTC).as_str())
            }
            (Value::Int64(us), DataType::IntervalDayTime(from, to)) => {
                let mut text = String::new();
                let _ = interval::write_day_time(&mut text, *us, *from, *to);
                text
            }
            (Value::Int8(x), _) => x.to_string(),
            (Value::Int16(x), _) => x.to_string(),
            (Value::Int32(x), _) => x.to_string(),
            (Value::Int64(x), _) => x.to_string(),
            (Value::Float32(x), _) => print::float(*x),
            (Value::Float64(x), _) => print::double(*x),
            (Value::Decimal(x), DataType::Decimal(_, scale)) => decimal::format_java(*x, *scale),
            (Value::Decimal(x), _) => x.to_string(),
            (Value::String(text), _) => text.clone(),
            (Value::Binary(bytes), _) => {
                let digits: String = bytes.iter().map(|b| format!("{b:02X}")).collect();
                format!("X'{digits}'")
            }
            (Value::Interval(x), _) => format!("INTERVAL '{x}'"),
            (Value::Array(items), DataType::Array(element)) => {
                let items: Vec<String> = items.iter().map(|item| self.literal(item, element)).collect();
                format!("array({})", items.join(", "))
            }
            (value, _) => format!("{value:?}"),
        }
    }
}

fn negate(negated: bool, text: String) -> String {
    if negated { format!("(NOT {text})") } else { text }
}

fn is_window(name: &str) -> bool {
    name.eq_ignore_ascii_case("window") || name.eq_ignore_ascii_case("session_window")
}

fn is_true(expr: Option<&Expr>) -> bool {
    matches!(expr.map(|e| &e.kind), Some(ExprKind::Literal { value: Value::Boolean(true), .. }))
}

fn is_number(expr: &Expr) -> bool {
    matches!(&expr.kind, ExprKind::Literal { data_type, .. } if data_type.is_numeric())
}

fn is_span(t: &DataType) -> bool {
    matches!(t, DataType::IntervalDayTime(..) | DataType::IntervalYearMonth(..) | DataType::Interval)
}

fn is_time(t: &DataType) -> bool {
    t.is_timestamp() || *t == DataType::Date
}

/// A date or timestamp moved by days or an interval; `None` if that is not what it is.
fn move_time(time: &str, of: &DataType, op: BinaryOp, by: &str, amount: &DataType) -> Option<String> {
    let adds = op == BinaryOp::Add;
    match (of, amount) {
        (DataType::Date, t) if t.is_integer() => {
            Some(format!("date_{}({time}, {by})", if adds { "add" } else { "sub" }))
        }
        (DataType::Date, DataType::IntervalDayTime(Unit::Day, Unit::Day)) => {
            let days = format!("extractansiintervaldays({by})");
            Some(if adds { format!("date_add({time}, {days})") } else { format!("date_add({time}, (- {days}))") })
        }
        // What is no date is text that becomes a timestamp; NULL is an interval.
        (of, t) if is_span(t) && !is_span(of) && *of != DataType::Null => Some(format!("{time} {} {by}", symbol(op))),
        (of, DataType::Null) if is_time(of) && adds => Some(format!("{time} + {by}")),
        _ => None,
    }
}

/// Functions that Spark writes back as operators, and casts by name, which leave no trace.
fn as_operator(name: &str, args: &[String]) -> Option<String> {
    Some(match (name, args) {
        ("if", [condition, yes, no]) => format!("(IF({condition}, {yes}, {no}))"),
        ("div", [a, b]) => format!("({a} div {b})"),
        ("isnull", [x]) => format!("({x} IS NULL)"),
        ("isnotnull", [x]) => format!("({x} IS NOT NULL)"),
        ("like", [a, b]) => format!("{a} LIKE {b}"),
        ("like", [a, b, escape]) if escape == "\\" => format!("{a} LIKE {b}"),
        ("like", [a, b, escape]) => format!("{a} LIKE {b} ESCAPE '{escape}'"),
        ("ilike", [a, b, _]) => format!("ilike({a}, {b})"),
        ("trim", [set, text]) => format!("TRIM(BOTH {set} FROM {text})"),
        ("ltrim", [set, text]) => format!("TRIM(LEADING {set} FROM {text})"),
        ("rtrim", [set, text]) => format!("TRIM(TRAILING {set} FROM {text})"),
        ("positive", [x]) => format!("(+ {x})"),
        ("extract" | "datepart", [field, x]) => format!("{name}({field} FROM {x})"),
        (
            "bigint" | "binary" | "boolean" | "date" | "decimal" | "double" | "float" | "int" | "smallint" | "string"
            | "timestamp" | "tinyint",
            [x],
        ) => x.clone(),
        _ => return None,
    })
}

/// How Spark spells a function whatever the user typed; most are the typed name in lower case.
fn pretty(name: &str, count: usize) -> String {
    match name {
        "ceil" | "floor" if count > 1 => name.into(),
        "array_agg" => "collect_list".into(),
        "curdate" => "current_date".into(),
        "dateadd" => "date_add".into(),
        "random" => "rand".into(),
        "to_varchar" => "to_char".into(),
        "acos" | "acosh" | "asin" | "asinh" | "atan" | "atan2" | "atanh" | "cbrt" | "ceil" | "cos" | "cosh" | "cot"
        | "csc" | "degrees" | "e" | "exp" | "expm1" | "floor" | "hypot" | "log" | "log10" | "log1p" | "log2" | "pi"
        | "power" | "radians" | "regexp" | "regexp_like" | "rlike" | "sec" | "signum" | "sin" | "sinh" | "sqrt"
        | "tan" | "tanh" => name.to_uppercase(),
        _ => name.into(),
    }
}

/// What Spark says an array is sorted by if nothing else is said.
const NATURAL_ORDER: &str = "lambdafunction((IF(((namedlambdavariable() IS NULL) AND (namedlambdavariable() IS NULL)), 0, \
     (IF((namedlambdavariable() IS NULL), 1, (IF((namedlambdavariable() IS NULL), -1, \
     (IF((namedlambdavariable() < namedlambdavariable()), -1, \
     (IF((namedlambdavariable() > namedlambdavariable()), 1, 0)))))))))), namedlambdavariable(), namedlambdavariable())";

/// Arguments that Spark adds when they are left out, and the few that it does not show.
fn fill_in(name: &str, args: &mut Vec<String>) {
    const STAMP: &str = "yyyy-MM-dd HH:mm:ss";
    let defaults: &[&str] = match (name, args.len()) {
        ("substr" | "substring", 2) => &["2147483647"],
        ("split", 2) => &["-1"],
        ("instr", 3) => &["1"],
        ("locate" | "position" | "regexp_extract" | "regexp_extract_all", 2) => &["1"],
        ("regexp_replace", 3) => &["1"],
        ("regexp_instr", 2) => &["0"],
        ("round" | "bround", 1) => &["0"],
        ("lpad" | "rpad", 2) => &[" "],
        ("from_unixtime" | "to_unix_timestamp" | "unix_timestamp", 1) => &[STAMP],
        ("unix_timestamp", 0) => &["current_timestamp()", STAMP],
        ("months_between", 2) => &["true"],
        ("sort_array", 1) => &["true"],
        ("array_sort", 1) => &[NATURAL_ORDER],
        ("replace", 2) => &[""],
        ("overlay", 3) => &["-1"],
        ("make_interval", count) => missing(&["0", "0", "0", "0", "0", "0", "0.000000"], count),
        ("make_dt_interval", count) => missing(&["0", "0", "0", "0.000000"], count),
        ("make_ym_interval", count) => missing(&["0", "0"], count),
        ("time_bucket", 2) => &["TIMESTAMP '1970-01-01 00:00:00'"],
        ("mask", count) => missing(&["", "X", "x", "n", "NULL"], count),
        ("percentile", 2) => &["1"],
        ("percentile_approx" | "approx_percentile", 2) => &["10000"],
        ("hll_sketch_agg" | "theta_sketch_agg" | "theta_union_agg", 1) | ("theta_union", 2) => &["12"],
        ("hll_union_agg", 1) | ("hll_union", 2) => &["false"],
        ("listagg" | "string_agg", 1) => &["NULL"],
        ("approx_top_k", 1) => &["5", "10000"],
        _ => &[],
    };
    args.extend(defaults.iter().map(|text| String::from(*text)));
    match (name, &args[..]) {
        ("log", [_]) => args.insert(0, "E()".into()),
        ("convert_timezone", [_, _]) => args.insert(0, "current_timezone()".into()),
        ("assert_true", [condition]) => args.push(format!("'{condition}' is not true!")),
        _ => {}
    }
    // IGNORE NULLS as an argument, the error of a sketch and a schema are no operands to Spark.
    if matches!(
        name,
        "from_json" | "first" | "first_value" | "last" | "last_value" | "any_value" | "approx_count_distinct"
    ) {
        args.truncate(1);
    }
}

/// The defaults from the first argument that was left out.
fn missing(defaults: &'static [&'static str], count: usize) -> &'static [&'static str] {
    defaults.get(count..).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        expr::{col, lit},
        schema::Field,
    };
    use alloc::{boxed::Box, vec};

    fn case(operand: Option<Expr>, branches: Vec<(Expr, Expr)>, otherwise: Option<Expr>) -> Expr {
        Expr::new(ExprKind::Case { operand: operand.map(Box::new), branches, otherwise: otherwise.map(Box::new) })
    }

    fn typed(value: impl Into<Value>, data_type: DataType) -> Expr {
        Expr::new(ExprKind::Literal { value: value.into(), data_type })
    }

    #[test]
    fn names_are_spark_s() {
        let schema = Schema::new([
            Field::new("id", DataType::Int32),
            Field::new("Temp", DataType::Float64),
            Field::new("window", DataType::window_of(DataType::Timestamp)),
            Field::new("t", DataType::Timestamp),
        ])
        .with_qualifier("q");
        let second = || DataType::IntervalDayTime(Unit::Second, Unit::Second);
        let star = || Expr::new(ExprKind::Star(None));
        let cases = [
            (col("TEMP"), "TEMP"),
            (col("q.id"), "id"),
            (col("temp") * 2, "(temp * 2)"),
            (col("q.temp") * 2, "(temp * 2)"),
            (col("window.start"), "start"),
            (Expr::function("unix_seconds", [col("window.start")]), "unix_seconds(window.start)"),
            (Expr::function("UPPER", [col("s")]), "upper(s)"),
            (Expr::function("count", [star()]), "count(1)"),
            (Expr::function("sqrt", [col("x")]), "SQRT(x)"),
            (Expr::function("round", [col("x")]), "round(x, 0)"),
            (Expr::function("window", [col("ts"), lit("1 minute")]), "window"),
            (col("temp").gt(3).and(col("id").lt(3)), "((temp > 3) AND (id < 3))"),
            (case(None, vec![(col("id").eq(1), lit("x"))], Some(col("s"))), "CASE WHEN (id = 1) THEN x ELSE s END"),
            (case(Some(col("id")), vec![(lit(1), lit(1.5))], None), "CASE WHEN (id = 1) THEN 1.5 END"),
            (col("s").cast(DataType::String), "s"),
            (lit("10").cast(DataType::Int32), "CAST(10 AS INT)"),
            (col("s").cast(DataType::Int32) + 1, "(CAST(s AS INT) + 1)"),
            (col("temp").unary(UnaryOp::Negate), "(- temp)"),
            (lit(1).unary(UnaryOp::Negate), "-1"),
            (col("a").binary(BinaryOp::Concat, col("b")), "concat(a, b)"),
            (col("a").binary(BinaryOp::NotEq, lit(1e7)), "(NOT (a = 1.0E7))"),
            (col("s").binary(BinaryOp::Like, "a%"), "s LIKE a%"),
            (col("a").is_null(), "(a IS NULL)"),
            (typed(20_089, DataType::Date), "DATE '2025-01-01'"),
            (typed(Value::Decimal(150), DataType::Decimal(3, 2)), "1.50"),
            (typed(Value::Binary(vec![0xca, 0xfe]), DataType::Binary), "X'CAFE'"),
            (col("t") + typed(90_000_000_i64, second()), "t + INTERVAL '90' SECOND"),
            (lit(2) * typed(2_000_000_i64, second()), "(INTERVAL '02' SECOND * 2)"),
            (typed(14, DataType::YEAR_MONTH), "INTERVAL '1-2' YEAR TO MONTH"),
            (typed(20_089, DataType::Date) + 1, "date_add(DATE '2025-01-01', 1)"),
            (col("t") + col("t"), "(t + t)"),
            (lit(Value::Null), "NULL"),
            (lit(true), "true"),
        ];
        for (expr, name) in cases {
            assert_eq!(expr.output_name_in(&schema, &Settings::default()), name);
        }
        let list = Expr::new(ExprKind::InList { expr: Box::new(col("x")), list: vec![lit(1), lit(2)], negated: true });
        assert_eq!(list.output_name(), "(NOT (x IN (1, 2)))");
        let index = Expr::new(ExprKind::Index(Box::new(col("a")), Box::new(lit(0))));
        assert_eq!(index.output_name(), "a[0]");
    }
}
