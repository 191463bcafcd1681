//! What Spark 4.3 answers, line by line: `answers/FAMILY.txt` holds `expression  =>  type : value` as Spark printed it,
//! and every line must come out the same here. `SET name=value` lines change the session from there on.
//!
//! The expressions are read by a small parser of its own (literals, calls, casts), so that functions can be tested
//! without the SQL front.

use alloc::{
    boxed::Box,
    format,
    string::{String, ToString},
    vec::Vec,
};

use super::{Call, conditional::catalog_name, lookup};
use crate::{
    block::{Block, Value},
    error::{Error, Result},
    expr::{BoundExpr, EvalContext, Evaluator, Settings, cast},
    schema::DataType,
    time::{self, zone},
};

#[test]
fn strings_answer_as_spark() {
    check(include_str!("answers/string.txt"));
}

#[test]
fn numbers_answer_as_spark() {
    check(include_str!("answers/math.txt"));
}

#[test]
fn choices_answer_as_spark() {
    check(include_str!("answers/conditional.txt"));
}

#[test]
fn times_answer_as_spark() {
    check(include_str!("answers/datetime.txt"));
}

#[test]
fn arrays_and_hashes_answer_as_spark() {
    check(include_str!("answers/array.txt"));
}

/// Every name can be found and no name twice.
#[test]
fn names_are_unique_and_lower_case() {
    let mut names: Vec<_> = super::names().collect();
    assert!(names.iter().all(|name| lookup(name).is_some() && *name == name.to_lowercase()));
    names.sort_unstable();
    let twice: Vec<_> = names.windows(2).filter(|pair| pair[0] == pair[1]).collect();
    assert!(twice.is_empty(), "{twice:?}");
}

fn check(answers: &str) {
    let mut settings = Settings::default();
    let mut wrong = Vec::new();
    for line in answers.lines().filter(|line| !line.is_empty() && !line.starts_with("--")) {
        let (text, expected) = line.split_once("  =>  ").expect("an answer");
        if let Some(setting) = text.strip_prefix("SET ") {
            set(&mut settings, setting);
            continue;
        }
        let answer = answer(text, &settings);
        if !same(&answer, expected) {
            wrong.push(format!("{text}\n    Spark: {expected}\n    here:  {answer}"));
        }
    }
    assert!(wrong.is_empty(), "{} wrong answers:\n{}", wrong.len(), wrong.join("\n"));
}

fn set(settings: &mut Settings, setting: &str) {
    match setting.split_once('=').expect("name=value") {
        ("spark.sql.session.timeZone", name) => {
            settings.time_zone = zone::find(name).expect("a zone");
            settings.time_zone_name = name.into();
        }
        ("spark.sql.ansi.enabled", on) => settings.ansi = on == "true",
        (name, _) => panic!("unknown setting {name}"),
    }
}

fn answer(text: &str, settings: &Settings) -> String {
    let parsed = Parser { rest: text, settings }.whole();
    let result = parsed.and_then(|expr| {
        let block = Block::from_columns(Vec::new(), 1);
        let mut evaluator = Evaluator::new(&expr);
        let value = evaluator.eval(&EvalContext { now_us: 1_700_000_000_000_000 }, &block.view())?.value(0);
        Ok(format!("{} : {}", catalog_name(&expr.data_type), render(&value, &expr.data_type)))
    });
    result.unwrap_or_else(|e| format!("ERROR {} | {e}", e.error_class().unwrap_or("none")))
}

/// Errors by the first part of their class, doubles by value, everything else by text.
fn same(answer: &str, expected: &str) -> bool {
    let class = |s: &str| s.strip_prefix("ERROR ").map(|s| s.split(['.', ' ']).next().unwrap_or("").to_string());
    if class(answer).is_some() || class(expected).is_some() {
        // Some of Spark's errors come from Java and have no class.
        return class(answer) == class(expected) || (expected == "ERROR None" && class(answer).is_some());
    }
    let expected = expected.replacen(" not null :", " :", 1);
    let number = |s: &str| s.strip_prefix("double : ").map(|v| v.trim_matches('"').parse::<f64>());
    match (number(answer), number(&expected)) {
        (Some(Ok(a)), Some(Ok(b))) => {
            a == b || (a.is_nan() && b.is_nan()) || libm::fabs(a - b) <= 1e-15 * libm::fabs(b)
        }
        _ => answer == expected,
    }
}

fn render(value: &Value, data_type: &DataType) -> String {
    let inner = |t: &DataType| if let DataType::Array(t) = t { (**t).clone() } else { DataType::Null };
    match (value, data_type) {
        (Value::Null, _) => "null".into(),
        (Value::Boolean(x), _) => x.to_string(),
        (Value::Decimal(x), DataType::Decimal(_, s)) => format!("\"{}\"", crate::expr::decimal::format(*x, *s)),
        (Value::Float64(x), _) if !x.is_finite() => format!("\"{}\"", cast::print::double(*x)),
        (Value::Float64(x), _) => format!("{x:?}"),
        (Value::Float32(x), _) => format!("{x:?}"),
        (Value::String(s), _) => quoted(s),
        (Value::Binary(b), _) => {
            let hex: String = b.iter().map(|b| format!("{b:02x}")).collect();
            format!("\"{hex}\"")
        }
        (Value::Int32(days), DataType::Date) => format!("\"{}\"", time::format_date(*days)),
        (Value::Int64(t), DataType::Timestamp | DataType::TimestampNtz) => {
            format!("\"{}\"", time::format_timestamp(*t, &jiff::tz::TimeZone::UTC))
        }
        (Value::Array(values), t) => {
            let values: Vec<_> = values.iter().map(|v| render(v, &inner(t))).collect();
            format!("[{}]", values.join(", "))
        }
        (Value::Struct(values), DataType::Struct(fields)) => {
            let fields: Vec<_> = fields
                .iter()
                .zip(values)
                .map(|(f, v)| format!("{}: {}", quoted(&f.name), render(v, &f.data_type)))
                .collect();
            format!("{{{}}}", fields.join(", "))
        }
        (value, _) => value.as_i64().map_or_else(|| format!("{value:?}"), |x| x.to_string()),
    }
}

/// As JSON.
fn quoted(s: &str) -> String {
    let mut text = String::from("\"");
    for c in s.chars() {
        match c {
            '"' => text.push_str("\\\""),
            '\\' => text.push_str("\\\\"),
            '\n' => text.push_str("\\n"),
            '\t' => text.push_str("\\t"),
            '\r' => text.push_str("\\r"),
            c if c < ' ' => text.push_str(&format!("\\u{:04x}", c as u32)),
            c => text.push(c),
        }
    }
    text + "\""
}

struct Parser<'a> {
    rest: &'a str,
    settings: &'a Settings,
}

impl<'a> Parser<'a> {
    fn whole(mut self) -> Result<BoundExpr> {
        let expr = self.expr()?;
        self.blanks();
        assert!(self.rest.is_empty(), "unread: {}", self.rest);
        Ok(expr)
    }

    fn expr(&mut self) -> Result<BoundExpr> {
        self.blanks();
        match self.rest.as_bytes()[0] {
            b'\'' => Ok(BoundExpr::literal(Value::String(self.string()), DataType::String)),
            b'0'..=b'9' | b'-' => Ok(self.number()),
            _ => self.named(),
        }
    }

    fn named(&mut self) -> Result<BoundExpr> {
        let end = self.rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(self.rest.len());
        let (name, rest) = self.rest.split_at(end);
        self.rest = rest;
        match name.to_lowercase().as_str() {
            "null" => Ok(BoundExpr::literal(Value::Null, DataType::Null)),
            "true" => Ok(BoundExpr::literal(Value::Boolean(true), DataType::Boolean)),
            "false" => Ok(BoundExpr::literal(Value::Boolean(false), DataType::Boolean)),
            "x" => {
                let hex = self.string();
                let byte = |i: usize| u8::from_str_radix(&hex[2 * i..2 * i + 2], 16).expect("hex");
                Ok(BoundExpr::literal(Value::Binary((0..hex.len() / 2).map(byte).collect()), DataType::Binary))
            }
            "date" if self.rest.starts_with('\'') => self.typed(DataType::Date),
            "timestamp" if self.rest.starts_with('\'') => self.typed(DataType::Timestamp),
            "timestamp_ntz" => self.typed(DataType::TimestampNtz),
            "interval" => Ok(self.interval()),
            "cast" => self.cast(),
            name => self.call(name),
        }
    }

    fn typed(&mut self, data_type: DataType) -> Result<BoundExpr> {
        let text = BoundExpr::literal(Value::String(self.string()), DataType::String);
        cast::implicit(text, &data_type, self.settings)
    }

    fn interval(&mut self) -> BoundExpr {
        self.blanks();
        let text = self.string();
        self.blanks();
        let unit = self.word();
        let (years, months) = text.split_once('-').filter(|_| unit == "year").unwrap_or((&text, "0"));
        let count: i64 = years.parse().expect("a count");
        let (value, data_type) = match unit.as_str() {
            "year" => (count * 12 + months.parse::<i64>().expect("months"), DataType::IntervalYearMonth),
            "month" => (count, DataType::IntervalYearMonth),
            "day" => (count * time::MICROS_PER_DAY, DataType::IntervalDayTime),
            "hour" => (count * time::MICROS_PER_HOUR, DataType::IntervalDayTime),
            "minute" => (count * time::MICROS_PER_MINUTE, DataType::IntervalDayTime),
            unit => panic!("unit {unit}"),
        };
        if unit == "year" && self.rest.trim_start().starts_with("to month") {
            self.blanks();
            self.rest = &self.rest["to month".len()..];
        }
        match data_type {
            DataType::IntervalYearMonth => BoundExpr::literal(Value::Int32(value as i32), data_type),
            _ => BoundExpr::literal(Value::Int64(value), data_type),
        }
    }

    fn word(&mut self) -> String {
        let end = self.rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        word.to_lowercase()
    }

    fn cast(&mut self) -> Result<BoundExpr> {
        self.eat('(');
        let expr = self.expr()?;
        self.blanks();
        assert_eq!(self.word(), "as");
        self.blanks();
        let to = self.data_type();
        self.eat(')');
        cast::explicit(expr, &to, self.settings.mode(), self.settings)
    }

    fn data_type(&mut self) -> DataType {
        match self.word().as_str() {
            "int" => DataType::Int32,
            "bigint" => DataType::Int64,
            "double" => DataType::Float64,
            "float" => DataType::Float32,
            "string" => DataType::String,
            "date" => DataType::Date,
            "timestamp" => DataType::Timestamp,
            "boolean" => DataType::Boolean,
            "decimal" => {
                self.eat('(');
                let p = self.word().parse().expect("precision");
                self.eat(',');
                self.blanks();
                let s = self.word().parse().expect("scale");
                self.eat(')');
                DataType::Decimal(p, s)
            }
            "array" => {
                self.eat('<');
                let element = self.data_type();
                self.eat('>');
                DataType::Array(Box::new(element))
            }
            other => panic!("type {other}"),
        }
    }

    fn call(&mut self, name: &str) -> Result<BoundExpr> {
        self.eat('(');
        let mut args = Vec::new();
        self.blanks();
        while !self.rest.starts_with(')') {
            args.push(self.expr()?);
            self.blanks();
            if self.rest.starts_with(',') {
                self.eat(',');
            }
        }
        self.eat(')');
        let (name, function) =
            lookup(name).ok_or_else(|| Error::unsupported("UNRESOLVED_ROUTINE", format!("no function {name}")))?;
        (function.bind)(Call { name, args, settings: self.settings, span: None })
    }

    fn string(&mut self) -> String {
        let mut text = String::new();
        let mut chars = self.rest[1..].char_indices();
        while let Some((at, c)) = chars.next() {
            match c {
                '\'' => {
                    self.rest = &self.rest[at + 2..];
                    return text;
                }
                '\\' => match chars.next().expect("an escaped character").1 {
                    'n' => text.push('\n'),
                    't' => text.push('\t'),
                    'r' => text.push('\r'),
                    '0' => text.push('\0'),
                    c @ ('%' | '_') => text.extend(['\\', c]),
                    c => text.push(c),
                },
                c => text.push(c),
            }
        }
        panic!("an open string")
    }

    fn number(&mut self) -> BoundExpr {
        let is_part = |(i, c): (usize, char)| {
            c.is_alphanumeric() || c == '.' || (i == 0 && c == '-') || (c == '-' && self.rest[..i].ends_with('e'))
        };
        let end = self.rest.char_indices().find(|&at| !is_part(at)).map_or(self.rest.len(), |(i, _)| i);
        let (text, rest) = self.rest.split_at(end);
        self.rest = rest;
        let upper = text.to_uppercase();
        let literal = |value: Value, t: DataType| BoundExpr::literal(value, t);
        if let Ok(x) = upper.parse::<i32>() {
            return literal(Value::Int32(x), DataType::Int32);
        }
        if let Ok(x) = upper.strip_suffix('L').unwrap_or(&upper).parse::<i64>() {
            return literal(Value::Int64(x), DataType::Int64);
        }
        if let Some(Ok(x)) = upper.strip_suffix('S').map(str::parse) {
            return literal(Value::Int16(x), DataType::Int16);
        }
        if let Some(Ok(x)) = upper.strip_suffix('Y').map(str::parse) {
            return literal(Value::Int8(x), DataType::Int8);
        }
        let plain = upper.strip_suffix("BD").unwrap_or(&upper);
        if let Ok(digits) = plain.parse::<i128>() {
            return literal(Value::Decimal(digits), DataType::Decimal(plain.len() as u8, 0));
        }
        if let (Some((_, fraction)), false) = (plain.split_once('.'), plain.contains('E') || plain.ends_with('D')) {
            let digits: i128 = plain.replace('.', "").parse().expect("digits");
            let integral = plain.trim_start_matches(['-', '0']).find('.').unwrap_or(0);
            let precision = (integral + fraction.len()).max(1);
            return literal(Value::Decimal(digits), DataType::Decimal(precision as u8, fraction.len() as i8));
        }
        let double = upper.strip_suffix('D').unwrap_or(&upper).parse().expect("a number");
        literal(Value::Float64(double), DataType::Float64)
    }

    fn eat(&mut self, c: char) {
        self.blanks();
        self.rest = self.rest.strip_prefix(c).unwrap_or_else(|| panic!("{c} expected before {}", self.rest));
    }

    fn blanks(&mut self) {
        self.rest = self.rest.trim_start();
    }
}
