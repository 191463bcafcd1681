//! Casts: which type may become which, explicitly (`CAST`) and implicitly (coercion), and how values change.
//!
//! `rules` says what is allowed and which type two types have in common; the other files hold the kernels, one file
//! a family. A cast is a [`ScalarFunction`] like any other, so that plans compare and move it without knowing it.

mod datetime;
mod interval;
mod nested;
mod number;
mod parse;
pub mod print;
mod rules;

use alloc::{format, string::String};

use jiff::tz::TimeZone;

use super::{BinaryOp, BoundExpr, EvalContext, EvalMode, ScalarFunction, Settings, fold, function, kernel, operator};
use crate::{
    block::{Column, ColumnRef, Rows, Value},
    error::{Error, Result},
    schema::DataType,
};

pub use rules::{common_type, common_type_of, is_allowed};
pub(crate) use rules::{string_becomes, tightest};

/// `CAST(expr AS to)`; `mode` is the session's, or [`EvalMode::Try`] for `try_cast`.
pub fn explicit(expr: BoundExpr, to: &DataType, mode: EvalMode, settings: &Settings) -> Result<BoundExpr> {
    if expr.data_type == *to {
        return Ok(expr);
    }
    rules::check_decimal(to)?;
    if !is_allowed(&expr.data_type, to, mode) {
        let text = format!("cannot cast {} to {to}", expr.data_type);
        return Err(Error::unsupported("DATATYPE_MISMATCH.CAST_WITHOUT_SUGGESTION", text));
    }
    match expr.as_literal().and_then(Value::as_str).and_then(|text| special(text, to, settings)) {
        Some(moment) => Ok(moment),
        None => Ok(cast(expr, to, mode, settings)),
    }
}

/// The words that a literal may name a moment with: `epoch`, `now`, `today`, `yesterday`, `tomorrow`.
fn special(text: &str, to: &DataType, settings: &Settings) -> Option<BoundExpr> {
    if !matches!(to, DataType::Date | DataType::Timestamp) {
        return None;
    }
    let call = |name: &str| {
        let (name, function) = function::lookup(name)?;
        (function.bind)(function::Call { name, args: [].into(), settings, span: None }).ok()
    };
    let today = |days: i32| {
        let by = BoundExpr::literal(days.into(), DataType::Int32);
        let day =
            operator::binary(call("current_date")?, BinaryOp::Add, by, operator::Site::new(settings, None)).ok()?;
        Some(coerced(day, to, settings))
    };
    match text.trim().to_lowercase().as_str() {
        "epoch" if *to == DataType::Date => Some(BoundExpr::literal(0.into(), DataType::Date)),
        "epoch" => Some(BoundExpr::literal(0_i64.into(), DataType::Timestamp)),
        "now" if *to == DataType::Timestamp => call("current_timestamp"),
        "now" | "today" => today(0),
        "yesterday" => today(-1),
        "tomorrow" => today(1),
        _ => None,
    }
}

/// Casts as Spark does on its own where a function or operator wants type `to`; an error if it would not.
pub fn implicit(expr: BoundExpr, to: &DataType, settings: &Settings) -> Result<BoundExpr> {
    if expr.data_type == *to {
        return Ok(expr);
    }
    if !rules::is_implicit(&expr.data_type, to) {
        let text = format!("cannot use {} as {to}", expr.data_type);
        return Err(Error::unsupported("DATATYPE_MISMATCH.UNEXPECTED_INPUT_TYPE", text));
    }
    Ok(cast(expr, to, settings.mode(), settings))
}

/// Casts to a type that coercion has chosen; no cast if it is that type already.
pub(crate) fn coerced(expr: BoundExpr, to: &DataType, settings: &Settings) -> BoundExpr {
    if expr.data_type == *to { expr } else { cast(expr, to, settings.mode(), settings) }
}

fn cast(expr: BoundExpr, to: &DataType, mode: EvalMode, settings: &Settings) -> BoundExpr {
    if expr.as_literal().is_some_and(Value::is_null) {
        return BoundExpr::literal(Value::Null, to.clone());
    }
    // A NaN has no decimal; every other failure is an error in ANSI mode. Spark takes intervals from text for
    // nullable, so that asking whether they are NULL reads the text.
    let may_be_null =
        matches!(to, DataType::Decimal(..) | DataType::IntervalDayTime(..) | DataType::IntervalYearMonth(..));
    let nullable = expr.nullable || mode != EvalMode::Ansi || may_be_null;
    let function =
        Cast { to: to.clone(), mode, zone: settings.time_zone.clone(), zone_name: settings.time_zone_name.clone() };
    fold::constant(BoundExpr::call(function, [expr].into(), to.clone()).nullable(nullable))
}

/// A cast, with what the session said about it.
#[derive(Clone, Debug)]
struct Cast {
    to: DataType,
    mode: EvalMode,
    zone: TimeZone,
    zone_name: String,
}

impl ScalarFunction for Cast {
    fn name(&self) -> &'static str {
        if self.mode == EvalMode::Try { "try_cast" } else { "cast" }
    }

    fn parameters(&self) -> String {
        format!("{} {:?} {}", self.to, self.mode, self.zone_name)
    }

    fn eval(&self, _: &EvalContext, args: &[ColumnRef<'_>], rows: &Rows<'_>, out: &mut Column) -> Result<()> {
        self.eval(&args[0], rows, out)
    }
}

impl Cast {
    fn eval(&self, from: &ColumnRef<'_>, rows: &Rows<'_>, out: &mut Column) -> Result<()> {
        use DataType::{
            Array, Binary, Boolean, Date, Decimal, IntervalDayTime, IntervalYearMonth, Null, String, Struct,
        };
        if kernel::all_null(&[from], rows, out) {
            return Ok(());
        }
        match (from.data_type, &self.to) {
            (a, b) if a == b => nested::copy(from, rows, out),
            (Null, _) => nested::nulls(rows, out),
            (_, String) => self.print_text(from, rows, out),
            (String, _) => self.parse_text(from, rows, out)?,
            (Struct(_) | Array(_), _) => self.convert_nested(from, rows, out)?,
            (a, Binary) => nested::bytes_of_integer(from, a, rows, out),
            (Date, _) => self.convert_date(from, rows, out)?,
            (IntervalDayTime(..) | IntervalYearMonth(..), _) => self.convert_interval(from, rows, out)?,
            (a, b) if a.is_timestamp() || b.is_timestamp() => self.convert_timestamp(from, rows, out)?,
            (_, IntervalDayTime(..) | IntervalYearMonth(..)) => self.to_interval(from, rows, out)?,
            (Boolean, _) => self.convert_boolean(from, rows, out)?,
            (_, Boolean) => self.to_boolean(from, rows, out),
            (Decimal(..), _) => self.convert_decimal(from, rows, out)?,
            _ => self.convert_number(from, rows, out)?,
        }
        Ok(())
    }

    /// For text that is no value of the type.
    fn invalid_input(&self, text: &str) -> Error {
        self.malformed(&format!("'{text}'"), &DataType::String)
    }

    fn malformed(&self, value: &str, from: &DataType) -> Error {
        let message = format!("the value {value} of type {from} cannot be cast to {} because it is malformed", self.to);
        Error::data("CAST_INVALID_INPUT", message).hint("try_cast gives NULL instead")
    }

    /// For text that is no interval of the type's units.
    fn invalid_interval(&self, text: &str) -> Error {
        let message = format!("the value '{text}' of type STRING is no {}", self.to);
        Error::data("INVALID_INTERVAL_FORMAT", message).hint("try_cast gives NULL instead")
    }

    /// For a value that the type cannot hold.
    fn overflow(&self, value: &str, from: &DataType) -> Error {
        let message = format!("the value {value} of type {from} cannot be cast to {} due to an overflow", self.to);
        Error::data("CAST_OVERFLOW", message).hint("try_cast gives NULL instead")
    }

    /// For digits that a DECIMAL cannot hold.
    fn out_of_range(&self, value: &str) -> Error {
        let message = format!("the value {value} cannot be represented as {}", self.to);
        Error::data("NUMERIC_VALUE_OUT_OF_RANGE", message).hint("try_cast gives NULL instead")
    }

    fn with_target(&self, to: &DataType) -> Self {
        Self { to: to.clone(), ..self.clone() }
    }
}
