//! to_json and from_json.
//!
//! from_json is permissive: a field that does not fit its type is NULL, the others survive; text that is no JSON makes
//! every field NULL. Names of fields are case-sensitive, the last of equal ones wins.

use alloc::{string::String, vec::Vec};
use core::fmt::Write;

use jiff::tz::TimeZone;

use super::{
    super::{
        super::{Call, Function, define::each_row},
        encode::{push_base64, push_unbase64},
    },
    tree::{Json, write_string},
};
use crate::{
    block::{ColumnRef, Value, Values},
    error::{Error, Result},
    expr::{
        BoundExpr,
        cast::print::{Style, write_double, write_value},
        decimal::{Reading, Shape},
    },
    schema::{DataType, Schema},
    time::{MICROS_PER_SECOND, parse_date, parse_timestamp, parse_timestamp_ntz, pattern::Pattern},
};

pub(in crate::expr::function) const FUNCTIONS: &[Function] =
    &[Function { names: &["to_json"], bind: to_json }, Function { names: &["from_json"], bind: from_json }];

/// Structs and arrays as JSON; fields that are NULL are left out.
fn to_json(call: Call<'_>) -> Result<BoundExpr> {
    call.arity(1..=1)?;
    match call.type_of(0) {
        DataType::Null => return Ok(BoundExpr::literal(Value::Null, DataType::String)),
        DataType::Struct(_) | DataType::Array(_) => {}
        other => return Err(invalid_schema(&call, other)),
    }
    let writer = Writer {
        zone: call.settings.time_zone.clone(),
        timestamp: Pattern::compile("yyyy-MM-dd'T'HH:mm:ss.SSSXXX")?,
        reading: Pattern::compile("yyyy-MM-dd'T'HH:mm:ss.SSS")?,
    };
    call.run(DataType::String, move |_, args, rows, out| {
        let mut text = String::new();
        each_row(args, rows, out, |row, out| {
            text.clear();
            writer.write(&args[0], row, &mut text);
            out.push_str(&text);
            Ok(())
        })
    })
}

fn invalid_schema(call: &Call<'_>, found: &DataType) -> Error {
    let text = alloc::format!("{}() takes a struct or an array, not {found}", call.name);
    Error::invalid(text).class("DATATYPE_MISMATCH.INVALID_JSON_SCHEMA").at(call.span)
}

struct Writer {
    zone: TimeZone,
    timestamp: Pattern,
    reading: Pattern,
}

impl Writer {
    fn write(&self, column: &ColumnRef<'_>, row: usize, text: &mut String) {
        if !column.is_valid(row) {
            return text.push_str("null");
        }
        let i = column.index(row);
        match (column.values, column.data_type) {
            (Values::Struct(fields), DataType::Struct(names)) => {
                text.push('{');
                let present = fields.iter().zip(names).filter(|(field, _)| field.view().is_valid(i));
                for (n, (field, name)) in present.enumerate() {
                    text.push_str(if n > 0 { "," } else { "" });
                    write_string(&name.name, text);
                    text.push(':');
                    self.write(&field.view(), i, text);
                }
                text.push('}');
            }
            (Values::Array { offsets, elements }, _) => {
                text.push('[');
                let range = offsets[i] as usize..offsets[i + 1] as usize;
                for (n, j) in range.enumerate() {
                    text.push_str(if n > 0 { "," } else { "" });
                    self.write(&elements.view(), j, text);
                }
                text.push(']');
            }
            _ => self.write_plain(column, row, text),
        }
    }

    fn write_plain(&self, column: &ColumnRef<'_>, row: usize, text: &mut String) {
        let i = column.index(row);
        // Writing to a String cannot fail.
        let _ = match (column.values, column.data_type) {
            (_, DataType::String) => {
                write_string(column.str_at(row), text);
                Ok(())
            }
            (Values::Bytes(bytes), _) => {
                text.push('"');
                push_base64(bytes.get(i), text);
                text.push('"');
                Ok(())
            }
            (Values::Int64(v), DataType::Timestamp) => self.quoted(text, |s, t| s.timestamp.format(v[i], &s.zone, t)),
            (Values::Int64(v), DataType::TimestampNtz) => {
                self.quoted(text, |s, t| s.reading.format(v[i], &TimeZone::UTC, t))
            }
            (Values::Float64(v), _) if !v[i].is_finite() => self.quoted(text, |_, t| write_double(t, v[i])),
            (Values::Float32(v), _) if !v[i].is_finite() => self.quoted(text, |_, t| write_double(t, v[i].into())),
            (Values::Boolean(_), _) => self.value(column, row, text),
            (_, t) if t.is_numeric() => self.value(column, row, text),
            _ => self.quoted(text, |s, t| s.value(column, row, t)),
        };
    }

    fn value(&self, column: &ColumnRef<'_>, row: usize, text: &mut String) -> core::fmt::Result {
        write_value(text, column, row, Style { zone: &self.zone, plain_decimals: true })
    }

    fn quoted(
        &self,
        text: &mut String,
        write: impl FnOnce(&Self, &mut String) -> core::fmt::Result,
    ) -> core::fmt::Result {
        text.push('"');
        write(self, text)?;
        text.write_char('"')
    }
}

/// `from_json(text, 'a INT, b ARRAY<STRING>')`; the schema is a constant.
fn from_json(mut call: Call<'_>) -> Result<BoundExpr> {
    call.arity(2..=2)?;
    call.coerce(0, &DataType::String)?;
    let schema = call.required_constant(1)?;
    let schema = schema.as_str().ok_or_else(|| call.unexpected_type(1, "a constant STRING"))?;
    let to = match DataType::parse(schema) {
        Ok(DataType::Struct(fields)) => DataType::Struct(fields),
        Ok(DataType::Array(element)) => DataType::Array(element),
        Ok(other) => return Err(invalid_schema(&call, &other)),
        Err(_) => DataType::Struct(Schema::parse_ddl(schema).map_err(|e| e.at(call.span))?.fields().to_vec()),
    };
    call.args.truncate(1);
    let (zone, target) = (call.settings.time_zone.clone(), to.clone());
    call.run_nullable(to, move |_, args, rows, out| {
        each_row(args, rows, out, |row, out| {
            let text = args[0].str_at(row);
            let value = if text.trim().is_empty() { None } else { root(Json::parse(text), &target, &zone) };
            out.push_value(&value.unwrap_or(Value::Null));
            Ok(())
        })
    })
}

/// The whole text: an object where an array is wanted is its only element.
fn root(json: Option<Json<'_>>, to: &DataType, zone: &TimeZone) -> Option<Value> {
    match (json, to) {
        (Some(json @ Json::Object(_)), DataType::Struct(_)) => value(&json, to, zone),
        (Some(json @ Json::Object(_)), DataType::Array(element)) => {
            value(&json, element, zone).map(|v| Value::Array([v].into()))
        }
        (Some(json @ Json::Array(_)), DataType::Array(_)) => value(&json, to, zone),
        (_, DataType::Struct(fields)) => Some(Value::Struct(alloc::vec![Value::Null; fields.len()])),
        _ => None,
    }
}

/// A value of the type; `None` if it does not fit.
fn value(json: &Json<'_>, to: &DataType, zone: &TimeZone) -> Option<Value> {
    let integer = |n: &str| n.parse::<i64>().ok();
    Some(match (json, to) {
        (Json::Null, _) => Value::Null,
        (Json::String(s), DataType::String) => Value::String(s.clone().into_owned()),
        (json, DataType::String) => {
            let mut text = String::new();
            json.write(&mut text);
            Value::String(text)
        }
        (Json::Boolean(b), DataType::Boolean) => Value::Boolean(*b),
        (Json::Number(n), DataType::Int8) => Value::Int8(integer(n)?.try_into().ok()?),
        (Json::Number(n), DataType::Int16) => Value::Int16(integer(n)?.try_into().ok()?),
        (Json::Number(n), DataType::Int32) => Value::Int32(integer(n)?.try_into().ok()?),
        (Json::Number(n), DataType::Int64) => Value::Int64(integer(n)?),
        (Json::Number(n), DataType::Float32) => Value::Float32(n.parse().ok()?),
        (Json::Number(n), DataType::Float64) => Value::Float64(n.parse().ok()?),
        (Json::String(s), DataType::Float32) => Value::Float32(not_finite(s)? as f32),
        (Json::String(s), DataType::Float64) => Value::Float64(not_finite(s)?),
        (Json::Number(n), DataType::Decimal(..)) => decimal(n, to)?,
        (Json::String(s), DataType::Decimal(..)) => decimal(s, to)?,
        (Json::String(s), DataType::Timestamp) => Value::Int64(parse_timestamp(s.as_bytes(), zone)?),
        (Json::Number(n), DataType::Timestamp) => Value::Int64(integer(n)?.checked_mul(MICROS_PER_SECOND)?),
        (Json::String(s), DataType::TimestampNtz) => Value::Int64(parse_timestamp_ntz(s.as_bytes(), true)?),
        (Json::String(s), DataType::Date) => Value::Int32(parse_date(s.as_bytes())?),
        (Json::String(s), DataType::Binary) => {
            let mut bytes = Vec::new();
            push_unbase64(s, &mut bytes)?;
            Value::Binary(bytes)
        }
        (Json::Array(items), DataType::Array(element)) => {
            Value::Array(items.iter().map(|item| value(item, element, zone)).collect::<Option<_>>()?)
        }
        (Json::Object(members), DataType::Struct(fields)) => {
            let last = |name: &str| members.iter().rev().find(|(key, _)| key == name).map(|(_, json)| json);
            let field = |f: &crate::schema::Field| last(&f.name).and_then(|json| value(json, &f.data_type, zone));
            Value::Struct(fields.iter().map(|f| field(f).unwrap_or(Value::Null)).collect())
        }
        _ => return None,
    })
}

/// The only numbers that may stand in quotes.
fn not_finite(s: &str) -> Option<f64> {
    match s {
        "NaN" => Some(f64::NAN),
        "Infinity" | "INF" | "+INF" => Some(f64::INFINITY),
        "-Infinity" | "-INF" => Some(f64::NEG_INFINITY),
        _ => None,
    }
}

fn decimal(text: &str, to: &DataType) -> Option<Value> {
    Reading::parse(text.as_bytes())?.to_shape(Shape::of(to)?).map(Value::Decimal)
}
