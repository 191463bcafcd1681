//! What Spark answers to single expressions, line by line: `spark/answers/*.txt` hold
//! `expression  =>  type : value  ::  column name`, as `spark/answers.py` got them from Spark, and every line must
//! come out the same here. `SET name=value` lines change the session from there on.

use std::{fmt::Write, path::Path};

use firesteel_core::{
    Error, Result,
    block::{Block, Value},
    expr::{EvalContext, Evaluator, Settings, cast::print, decimal},
    plan::{Catalog, LogicalPlan, PlanBuilder},
    schema::DataType,
    sql::{StatementKind, parse, plan_query},
    time::{format_date, format_timestamp, zone},
};

#[test]
fn expressions_answer_as_spark() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/spark/answers");
    let files = std::fs::read_dir(folder).expect("the answers are in the repository");
    let mut paths: Vec<_> = files.map(|file| file.expect("a readable folder").path()).collect();
    paths.sort();
    assert!(!paths.is_empty(), "no answers in {folder}");
    let wrong: Vec<String> = paths.iter().flat_map(|path| check(path)).collect();
    assert!(wrong.is_empty(), "{} wrong answers:\n{}", wrong.len(), wrong.join("\n"));
}

/// The wrong answers of a file.
fn check(path: &Path) -> Vec<String> {
    let answers = std::fs::read_to_string(path).expect("a readable file");
    let mut session = Session(Settings::default());
    let mut wrong = Vec::new();
    for line in answers.lines() {
        let (text, expected) = line.split_once("  =>  ").unwrap_or_else(|| panic!("{}: {line}", path.display()));
        if let Some(setting) = text.strip_prefix("SET ") {
            session.set(setting);
            continue;
        }
        let answer = session.answer(text).unwrap_or_else(|e| format!("ERROR {}", e.error_class().unwrap_or("None")));
        if !is_same(&answer, expected) {
            wrong.push(format!("{text}\n    Spark: {expected}\n    here:  {answer}"));
        }
    }
    wrong
}

/// Settings, and no tables.
struct Session(Settings);

impl Catalog for Session {
    fn relation(&self, name: &[String], _: bool, _: &[(String, String)]) -> Result<PlanBuilder> {
        Err(Error::invalid(format!("there is no table {}", name.join("."))))
    }

    fn relation_names(&self) -> Vec<String> {
        Vec::new()
    }

    fn settings(&self) -> &Settings {
        &self.0
    }
}

impl Session {
    fn set(&mut self, setting: &str) {
        match setting.split_once('=').expect("name=value") {
            ("spark.sql.session.timeZone", name) => {
                self.0.time_zone = zone::find(name).expect("a zone");
                self.0.time_zone_name = name.into();
            }
            ("spark.sql.ansi.enabled", on) => self.0.ansi = on == "true",
            (name, _) => panic!("unknown setting {name}"),
        }
    }

    fn answer(&self, expression: &str) -> Result<String> {
        let statements = parse(&format!("SELECT {expression}"), &|_| None)?;
        let Some(StatementKind::Query(query)) = statements.into_iter().next().map(|s| s.kind) else {
            return Err(Error::internal("a SELECT is a query"));
        };
        let plan = plan_query(&query, self)?.into_plan();
        let LogicalPlan::Project { exprs, schema, .. } = plan else {
            return Err(Error::internal("a SELECT of one expression is a projection"));
        };
        let mut one_row = Block::default();
        one_row.set_len(1);
        let cx = EvalContext { now_us: 1_700_000_000_000_000 };
        let value = Evaluator::new(&exprs[0]).eval(&cx, &one_row.view())?.value(0);
        let data_type = &exprs[0].data_type;
        let name = schema.field(0).name.replace('\n', "\\n").replace('\t', "\\t").replace('\r', "\\r");
        Ok(format!("{} : {}  ::  {name}", type_name(data_type), json(&value, data_type)))
    }
}

/// Errors by the first part of their class, floating numbers by value, everything else by text.
fn is_same(answer: &str, expected: &str) -> bool {
    let class = |s: &str| s.strip_prefix("ERROR ").map(|s| s.split('.').next().unwrap_or_default().to_string());
    if class(answer).is_some() || class(expected).is_some() {
        // Some of Spark's errors come from Java and have no class.
        return class(answer) == class(expected) || (expected == "ERROR None" && class(answer).is_some());
    }
    let number = |s: &str| {
        let (value, name) = s.strip_prefix("double : ").or_else(|| s.strip_prefix("float : "))?.split_once("  ::  ")?;
        Some((value.trim_matches('"').parse::<f64>().ok()?, name.to_string()))
    };
    match (number(answer), number(expected)) {
        (Some((a, name)), Some((b, expected))) => {
            name == expected && (a == b || (a.is_nan() && b.is_nan()) || (a - b).abs() <= 1e-15 * b.abs())
        }
        _ => answer == expected,
    }
}

/// Spark's short spelling of a type.
fn type_name(t: &DataType) -> String {
    match t {
        DataType::Array(element) => format!("array<{}>", type_name(element)),
        DataType::Struct(fields) => {
            let fields: Vec<_> = fields.iter().map(|f| format!("{}:{}", f.name, type_name(&f.data_type))).collect();
            format!("struct<{}>", fields.join(","))
        }
        other => other.to_string().to_lowercase(),
    }
}

fn json(value: &Value, data_type: &DataType) -> String {
    let list = |items: Vec<String>| items.join(", ");
    match (value, data_type) {
        (Value::Null, _) => "null".into(),
        (Value::Boolean(x), _) => x.to_string(),
        (Value::Decimal(x), DataType::Decimal(_, scale)) => format!("\"{}\"", decimal::format(*x, *scale)),
        (Value::Float64(x), _) if !x.is_finite() => format!("\"{}\"", print::double(*x)),
        (Value::Float64(x), _) => format!("{x:?}"),
        (Value::Float32(x), _) if !x.is_finite() => format!("\"{}\"", print::double((*x).into())),
        (Value::Float32(x), _) => format!("{x:?}"),
        (Value::String(s), _) => quoted(s),
        (Value::Binary(bytes), _) => {
            let digits: String = bytes.iter().map(|b| format!("{b:02x}")).collect();
            format!("\"{digits}\"")
        }
        (Value::Int32(days), DataType::Date) => format!("\"{}\"", format_date(*days)),
        (Value::Int64(t), DataType::Timestamp | DataType::TimestampNtz) => {
            format!("\"{}\"", format_timestamp(*t, &zone::find("UTC").expect("a zone")))
        }
        (Value::Array(values), DataType::Array(element)) => {
            format!("[{}]", list(values.iter().map(|v| json(v, element)).collect()))
        }
        (Value::Struct(values), DataType::Struct(fields)) => {
            let field = |(f, v): (&firesteel_core::schema::Field, &Value)| {
                format!("{}: {}", quoted(&f.name), json(v, &f.data_type))
            };
            format!("{{{}}}", list(fields.iter().zip(values).map(field).collect()))
        }
        (value, _) => value.as_i64().map_or_else(|| format!("{value:?}"), |x| x.to_string()),
    }
}

fn quoted(s: &str) -> String {
    let mut text = String::from("\"");
    for c in s.chars() {
        match c {
            '"' => text.push_str("\\\""),
            '\\' => text.push_str("\\\\"),
            '\n' => text.push_str("\\n"),
            '\t' => text.push_str("\\t"),
            '\r' => text.push_str("\\r"),
            '\x08' => text.push_str("\\b"),
            '\x0c' => text.push_str("\\f"),
            c if c < ' ' => write!(text, "\\u{:04x}", c as u32).expect("strings grow"),
            c => text.push(c),
        }
    }
    text + "\""
}
