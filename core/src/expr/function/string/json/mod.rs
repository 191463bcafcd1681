//! JSON in strings: get_json_object, json_array_length, json_object_keys; `convert` has to_json and from_json, `tree`
//! reads and writes the text.
//!
//! Only the first value of a text counts; text that is no JSON gives NULL. Strings may stand in single quotes.

pub(in crate::expr::function) mod convert;
mod tree;

use alloc::{string::String, vec::Vec};

use tree::Json;

use super::super::{
    Call, Function,
    define::{each_row, fill},
};
use crate::{
    error::Result,
    expr::{BoundExpr, apply1},
    schema::DataType,
};

pub(in crate::expr::function) const FUNCTIONS: &[Function] = &[
    Function { names: &["get_json_object"], bind: get_json_object },
    Function { names: &["json_array_length"], bind: json_array_length },
    Function { names: &["json_object_keys"], bind: json_object_keys },
];

fn get_json_object(mut call: Call<'_>) -> Result<BoundExpr> {
    call.typed(&[DataType::String, DataType::String])?;
    call.run_nullable(DataType::String, |_, args, rows, out| {
        let mut last: Option<(String, Option<Vec<Step>>)> = None;
        fill(args, rows, out, |(json, path): (&str, &str), text: &mut String| {
            if last.as_ref().is_none_or(|(known, _)| known != path) {
                last = Some((path.into(), parse_path(path)));
            }
            let steps = last.as_ref().and_then(|(_, steps)| steps.as_deref());
            let found = steps
                .zip(Json::parse(json))
                .is_some_and(|(steps, json)| Writer { text, needs_comma: false }.evaluate(&json, steps, Style::Raw));
            Ok(found.then_some(()))
        })
    })
}

fn json_array_length(mut call: Call<'_>) -> Result<BoundExpr> {
    call.typed(&[DataType::String])?;
    call.run_nullable(DataType::Int32, |_, args, rows, out| {
        apply1(args, rows, out, |json: &str| match Json::parse(json) {
            Some(Json::Array(items)) => Ok(Some(items.len() as i32)),
            _ => Ok(None),
        })
    })
}

fn json_object_keys(mut call: Call<'_>) -> Result<BoundExpr> {
    call.typed(&[DataType::String])?;
    call.run_nullable(DataType::Array(DataType::String.into()), |_, args, rows, out| {
        each_row(args, rows, out, |row, out| {
            match Json::parse(args[0].str_at(row)) {
                Some(Json::Object(fields)) => {
                    out.push_array(|keys| fields.iter().for_each(|(key, _)| keys.push_str(key)));
                }
                _ => out.push_null(),
            }
            Ok(())
        })
    })
}

/// A step of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    /// `.name`, `['name']`
    Name(String),
    /// `[3]`
    Index(usize),
    /// `[*]`
    All,
}

/// `$.a['b'][0][*]`; `None` if it is no path. `.*` is read by Spark but matches nothing.
fn parse_path(path: &str) -> Option<Vec<Step>> {
    let mut rest = path.strip_prefix('$')?;
    let mut steps = Vec::new();
    while !rest.is_empty() {
        let step;
        (step, rest) = if let Some(quoted) = rest.strip_prefix("['") {
            let (name, rest) = quoted.split_once("']")?;
            (Step::Name(name.into()), rest)
        } else if let Some(subscript) = rest.strip_prefix('[') {
            let (index, rest) = subscript.split_once(']')?;
            (if index == "*" { Step::All } else { Step::Index(index.parse().ok()?) }, rest)
        } else {
            let name = rest.strip_prefix('.')?;
            let end = name.find(['.', '[']).unwrap_or(name.len());
            if end == 0 || &name[..end] == "*" {
                return None;
            }
            (Step::Name(name[..end].into()), &name[end..])
        };
        steps.push(step);
    }
    Some(steps)
}

/// How matches are written, as in Hive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Style {
    /// A string without its quotes.
    Raw,
    /// As JSON.
    Quoted,
    /// As JSON, arrays as their items.
    Flat,
}

struct Writer<'t> {
    text: &'t mut String,
    needs_comma: bool,
}

impl Writer<'_> {
    /// Writes what the path leads to; false if it leads nowhere.
    fn evaluate(&mut self, json: &Json<'_>, path: &[Step], style: Style) -> bool {
        match (json, path) {
            (Json::String(s), []) if style == Style::Raw => {
                self.text.push_str(s);
                true
            }
            (Json::Array(items), []) if style == Style::Flat => self.evaluate_all(items, &[], style),
            (json, []) => {
                self.separate();
                json.write(self.text);
                true
            }
            (Json::Object(fields), [Step::Name(name), rest @ ..]) => {
                let named = fields.iter().filter(|(key, value)| key == name && *value != Json::Null);
                named.map(|(_, value)| value).any(|value| self.evaluate(value, rest, style))
            }
            (Json::Array(items), [Step::All, Step::All, rest @ ..]) => self.array(items, rest, Style::Flat),
            (Json::Array(items), [Step::All, rest @ ..]) if style == Style::Quoted => {
                self.array(items, rest, Style::Quoted)
            }
            (Json::Array(items), [Step::All, rest @ ..]) => self.unwrapped(items, rest, style),
            (Json::Array(items), [Step::Index(index), rest @ ..]) => {
                let style = if rest.first() == Some(&Step::All) { Style::Quoted } else { style };
                items.get(*index).is_some_and(|item| self.evaluate(item, rest, style))
            }
            _ => false,
        }
    }

    /// Every item is asked, found or not.
    fn evaluate_all(&mut self, items: &[Json<'_>], rest: &[Step], style: Style) -> bool {
        items.iter().filter(|item| self.evaluate(item, rest, style)).count() > 0
    }

    /// The matches of all items as an array.
    fn array(&mut self, items: &[Json<'_>], rest: &[Step], style: Style) -> bool {
        self.separate();
        self.text.push('[');
        self.needs_comma = false;
        let found = self.evaluate_all(items, rest, style);
        self.text.push(']');
        self.needs_comma = true;
        found
    }

    /// As an array if there are several matches; a single one alone.
    fn unwrapped(&mut self, items: &[Json<'_>], rest: &[Step], style: Style) -> bool {
        let inner_style = if style == Style::Raw { Style::Quoted } else { style };
        let mut matches = String::new();
        let mut inner = Writer { text: &mut matches, needs_comma: false };
        let count = items.iter().filter(|item| inner.evaluate(item, rest, inner_style)).count();
        if count == 0 {
            return false;
        }
        self.separate();
        if count == 1 {
            self.text.push_str(&matches);
        } else {
            self.text.extend(["[", &matches, "]"]);
        }
        true
    }

    fn separate(&mut self) {
        if self.needs_comma {
            self.text.push(',');
        }
        self.needs_comma = true;
    }
}
