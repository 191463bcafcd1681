//! What Spark answers to single expressions, line by line: `spark/answers/*.txt` hold
//! `expression  =>  type : value  ::  column name`, as `spark/answers.py` got them from Spark, and every line must
//! come out the same here. `SET name=value` lines change the session from there on.

use std::{
    fmt::Write,
    path::{Path, PathBuf},
};

use firesteel_core::{
    Error, Result,
    block::{Bitmap, Block, Value},
    expr::{EvalContext, Evaluator, Settings, cast::print, decimal},
    plan::{Catalog, LogicalPlan, PlanBuilder},
    schema::DataType,
    sql::{StatementKind, parse, plan_query},
    time::{format_date, format_timestamp, zone},
};

#[test]
fn expressions_answer_as_spark() {
    let wrong: Vec<String> = paths().iter().flat_map(|path| check(path)).collect();
    assert!(wrong.is_empty(), "{} wrong answers:\n{}", wrong.len(), wrong.join("\n"));
}

/// The arguments of a call come from columns instead of literals, among them rows that are NULL and rows that do not
/// count: the rows that count have the same answers. Calls that need constants, or whose type hangs on the digits of a
/// literal, cannot be asked this way.
#[test]
fn columns_answer_as_literals_do() {
    let mut asked = 0;
    let mut wrong = Vec::new();
    for_each_answer(|session, text, expected| {
        let Some(answers) = split_call(text).and_then(|(name, args)| session.answers_of_rows(name, &args)) else {
            return;
        };
        let (types, expected) = (answers[0].split(" : ").next(), expected.split("  ::  ").next().unwrap_or_default());
        if types != expected.split(" : ").next() || expected.starts_with("ERROR") {
            return;
        }
        asked += 1;
        for answer in answers {
            if !is_same(&format!("{answer}  ::  "), &format!("{expected}  ::  ")) {
                wrong.push(format!("{text}\n    Spark: {expected}\n    here:  {answer}"));
            }
        }
    });
    assert!(wrong.is_empty(), "{} wrong answers:\n{}", wrong.len(), wrong.join("\n"));
    assert!(asked > 700, "only {asked} calls were asked");
}

/// `f(a, b(c), 'd')` as `f` and `a`, `b(c)`, `'d'`; `None` for anything but a plain call.
fn split_call(text: &str) -> Option<(&str, Vec<&str>)> {
    let (name, rest) = text.split_once('(')?;
    let body = rest.strip_suffix(')')?;
    let (mut depth, mut in_string, mut escaped, mut start) = (0_i32, false, false, 0);
    let mut args = Vec::new();
    for (at, c) in body.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '\'' => in_string = !in_string,
            _ if in_string => {}
            '(' | '[' => depth += 1,
            ')' | ']' => depth -= 1,
            ',' if depth == 0 => {
                args.push(body[start..at].trim());
                start = at + 1;
            }
            _ => {}
        }
        if depth < 0 {
            return None;
        }
    }
    args.push(body[start..].trim());
    let plain = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') && !args.iter().any(|a| a.is_empty());
    plain.then_some((name, args))
}

/// The wrong answers of a file.
fn check(path: &Path) -> Vec<String> {
    let mut wrong = Vec::new();
    for_each_line(path, &mut |session, text, expected| {
        let answer = session.answer(text).unwrap_or_else(|e| format!("ERROR {}", e.error_class().unwrap_or("None")));
        if !is_same(&answer, expected) {
            wrong.push(format!("{text}\n    Spark: {expected}\n    here:  {answer}"));
        }
    });
    wrong
}

fn for_each_answer(mut f: impl FnMut(&Session, &str, &str)) {
    paths().iter().for_each(|path| for_each_line(path, &mut f));
}

fn for_each_line(path: &Path, f: &mut dyn FnMut(&Session, &str, &str)) {
    let answers = std::fs::read_to_string(path).expect("a readable file");
    let mut session = Session(Settings::default());
    for line in answers.lines() {
        let (text, expected) = line.split_once("  =>  ").unwrap_or_else(|| panic!("{}: {line}", path.display()));
        match text.strip_prefix("SET ") {
            Some(setting) => session.set(setting),
            None => f(&session, text, expected),
        }
    }
}

fn paths() -> Vec<PathBuf> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/spark/answers");
    let files = std::fs::read_dir(folder).expect("the answers are in the repository");
    let mut paths: Vec<_> = files.map(|file| file.expect("a readable folder").path()).collect();
    paths.sort();
    assert!(!paths.is_empty(), "no answers in {folder}");
    paths
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

    /// `type : value` of a call for every row that counts; `None` if it cannot be asked over columns.
    fn answers_of_rows(&self, name: &str, args: &[&str]) -> Option<Vec<String>> {
        let columns: Vec<String> = (0..args.len()).map(|i| format!("c{i}")).collect();
        let (row, nulls) = (args.join(", "), vec!["NULL"; args.len()].join(", "));
        let columns = columns.join(", ");
        let text = format!("{name}({columns}) FROM VALUES ({row}), ({nulls}), ({row}), ({row}) AS t({columns})");
        let LogicalPlan::Project { input, exprs, .. } = self.plan(&text).ok()? else { return None };
        let block = values(&input)?;
        // The third row does not count.
        let selection = [true, true, false, true].into_iter().collect::<Bitmap>();
        let mut evaluator = Evaluator::new(&exprs[0]);
        let cx = EvalContext { now_us: 1_700_000_000_000_000 };
        let view = block.view().select(Some(selection.view()));
        let data_type = &exprs[0].data_type;
        // An error of the row of NULLs is no answer to the others.
        let column = evaluator.eval(&cx, &view).ok()?;
        let answer = |row| format!("{} : {}", type_name(data_type), json(&column.value(row), data_type));
        Some([0, 3].map(answer).to_vec())
    }

    fn plan(&self, select: &str) -> Result<LogicalPlan> {
        let statements = parse(&format!("SELECT {select}"), &|_| None)?;
        let Some(StatementKind::Query(query)) = statements.into_iter().next().map(|s| s.kind) else {
            return Err(Error::internal("a SELECT is a query"));
        };
        Ok(plan_query(&query, self)?.into_plan())
    }

    fn answer(&self, expression: &str) -> Result<String> {
        let LogicalPlan::Project { exprs, schema, .. } = self.plan(expression)? else {
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

/// The rows of VALUES below a plan.
fn values(plan: &LogicalPlan) -> Option<Block> {
    match plan {
        LogicalPlan::Values { rows, schema } => {
            let mut block = Block::new(schema);
            for row in rows {
                let row: Option<Vec<Value>> = row.iter().map(|e| e.as_literal().cloned()).collect();
                block.push_row(&row?);
            }
            Some(block)
        }
        LogicalPlan::Alias { input, .. } => values(input),
        _ => None,
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
