//! Which casts exist, which happen on their own, and which type two types meet in.
//!
//! Spark has two sets of rules, for ANSI mode and for what came before it. They differ most in strings: under ANSI
//! a string beside a number becomes a number (and fails if it is none), before it became NULL or the number a string.

use alloc::format;

use crate::{
    error::{Error, Result},
    expr::{
        EvalMode, Settings,
        decimal::{PRECISION_MAX, Shape},
    },
    schema::{DataType, Field},
};
use DataType::{
    Array, Binary, Boolean, Date, Decimal, Float32, Float64, Int64, Interval, IntervalDayTime, IntervalYearMonth, Null,
    String, Struct, Timestamp, TimestampNtz,
};

/// Whether `CAST(from AS to)` exists.
pub fn is_allowed(from: &DataType, to: &DataType, mode: EvalMode) -> bool {
    let legacy = mode == EvalMode::Legacy;
    match (from, to) {
        (a, b) if a == b => true,
        (Null, _) | (_, String) => true,
        (Array(a), Array(b)) => is_allowed(a, b, mode),
        (Struct(a), Struct(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| is_allowed(&a.data_type, &b.data_type, mode))
        }
        (Array(_) | Struct(_), _) | (_, Array(_) | Struct(_)) => false,
        (String, to) => *to != Null,
        (from, Binary) => legacy && from.is_integer(),
        (Binary, _) => false,
        (Date | Timestamp | TimestampNtz, Date | Timestamp | TimestampNtz) => true,
        (Timestamp, to) => to.is_numeric() || (legacy && *to == Boolean),
        (Date, to) => legacy && (to.is_numeric() || *to == Boolean),
        (from, Timestamp) => from.is_numeric() || (legacy && *from == Boolean),
        (Boolean, to) | (to, Boolean) => to.is_numeric(),
        (IntervalDayTime(..), IntervalDayTime(..)) | (IntervalYearMonth(..), IntervalYearMonth(..)) => true,
        (IntervalDayTime(..) | IntervalYearMonth(..), to) => to.is_integer() || matches!(to, Decimal(..)),
        (from, IntervalDayTime(..) | IntervalYearMonth(..)) => from.is_integer() || matches!(from, Decimal(..)),
        (from, to) => from.is_numeric() && to.is_numeric(),
    }
}

/// Refuses a DECIMAL of more than 38 digits, or of more behind the point than it has.
pub(super) fn check_decimal(data_type: &DataType) -> Result<()> {
    let Decimal(precision, scale) = *data_type else { return Ok(()) };
    if precision == 0 || precision > PRECISION_MAX {
        let text = format!("{data_type}: a DECIMAL has 1 to {PRECISION_MAX} digits");
        return Err(Error::unsupported("DECIMAL_PRECISION_EXCEEDS_MAX_PRECISION", text));
    }
    if i16::from(scale) > i16::from(precision) || scale < 0 {
        let text = format!("{data_type}: the digits behind the point are 0 to {precision}");
        return Err(Error::unsupported("DECIMAL_SCALE_EXCEEDS_PRECISION", text));
    }
    Ok(())
}

/// Whether an argument of type `from` is cast to `to` without being asked.
pub(super) fn is_implicit(from: &DataType, to: &DataType) -> bool {
    match (from, to) {
        (a, b) if a == b => true,
        (Null, _) => true,
        (Array(a), Array(b)) => is_implicit(a, b),
        (Struct(a), Struct(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| is_implicit(&a.data_type, &b.data_type))
        }
        (Array(_) | Struct(_), _) | (_, Array(_) | Struct(_)) => false,
        (_, String) => true,
        (String, IntervalDayTime(..) | IntervalYearMonth(..)) => false,
        (String, Interval) => true,
        (String, _) => true,
        (Date | Timestamp | TimestampNtz, Date | Timestamp | TimestampNtz) => true,
        (IntervalDayTime(..), IntervalDayTime(..)) | (IntervalYearMonth(..), IntervalYearMonth(..)) => true,
        (from, to) => from.is_numeric() && to.is_numeric(),
    }
}

/// The type in which values of both can be compared, listed or chosen between: Spark's "wider type".
pub fn common_type(a: &DataType, b: &DataType, settings: &Settings) -> Option<DataType> {
    let wider = |a: &DataType, b: &DataType| common_type(a, b, settings);
    tightest(a, b, settings.ansi)
        .or_else(|| decimal(a, b))
        .or_else(|| with_string(a, b, settings.ansi))
        .or_else(|| nested(a, b, wider))
}

/// The common type of many; `None` if there is none, [`DataType::Null`] for no types at all.
pub fn common_type_of<'a>(types: impl IntoIterator<Item = &'a DataType>, settings: &Settings) -> Option<DataType> {
    let types: alloc::vec::Vec<&DataType> = types.into_iter().collect();
    // Before ANSI, a string wins over whatever the others have in common, so strings are looked at first.
    let strings = types.iter().filter(|t| !settings.ansi && ***t == String);
    let others = types.iter().filter(|t| settings.ansi || ***t != String);
    strings.chain(others).try_fold(Null, |common, t| common_type(&common, t, settings))
}

/// The common type that loses nothing and needs no string: Spark's "tightest common type".
pub(crate) fn tightest(a: &DataType, b: &DataType, ansi: bool) -> Option<DataType> {
    match (a, b) {
        (a, b) if a == b => Some(a.clone()),
        (Null, t) | (t, Null) => Some(t.clone()),
        (Decimal(..), t) | (t, Decimal(..)) if t.is_integer() => {
            let decimal = if t == a { b } else { a };
            Shape::of(decimal)?.holds(Shape::of(t)?).then(|| decimal.clone())
        }
        (Decimal(..), _) | (_, Decimal(..)) => None,
        (a, b) if a.is_numeric() && b.is_numeric() => {
            let wider = if rank(a) >= rank(b) { a } else { b };
            // An integer may not fit the 24 bits of a FLOAT.
            Some(if ansi && *wider == Float32 { Float64 } else { wider.clone() })
        }
        (Timestamp, Date | TimestampNtz) | (Date | TimestampNtz, Timestamp) => Some(Timestamp),
        (TimestampNtz, Date) | (Date, TimestampNtz) => Some(TimestampNtz),
        (IntervalDayTime(a, b), IntervalDayTime(c, d)) => Some(IntervalDayTime(*a.min(c), *b.max(d))),
        (IntervalYearMonth(a, b), IntervalYearMonth(c, d)) => Some(IntervalYearMonth(*a.min(c), *b.max(d))),
        (a, b) => nested(a, b, |a, b| tightest(a, b, ansi)),
    }
}

/// Decimals of two shapes, or a decimal and another number.
fn decimal(a: &DataType, b: &DataType) -> Option<DataType> {
    match (a, b) {
        (Decimal(..), t) | (t, Decimal(..)) if t.is_float() => Some(Float64),
        (Decimal(..), _) | (_, Decimal(..)) => Some(Shape::of(a)?.wider(Shape::of(b)?).data_type()),
        _ => None,
    }
}

fn with_string(a: &DataType, b: &DataType, ansi: bool) -> Option<DataType> {
    let other = match (a, b) {
        (String, other) | (other, String) => other,
        _ => return None,
    };
    if ansi { string_becomes(other) } else { is_atomic(other).then_some(String) }
}

/// What a string beside a value of this type is read as under ANSI rules.
pub(crate) fn string_becomes(other: &DataType) -> Option<DataType> {
    match other {
        t if t.is_integer() => Some(Int64),
        t if t.is_numeric() => Some(Float64),
        Boolean | Binary | Date | Timestamp | TimestampNtz => Some(other.clone()),
        _ => None,
    }
}

fn is_atomic(t: &DataType) -> bool {
    t.is_numeric() || t.is_timestamp() || matches!(t, Date | IntervalDayTime(..) | IntervalYearMonth(..))
}

fn nested(a: &DataType, b: &DataType, common: impl Fn(&DataType, &DataType) -> Option<DataType>) -> Option<DataType> {
    match (a, b) {
        (Array(a), Array(b)) => Some(Array(common(a, b)?.into())),
        (Struct(a), Struct(b)) if a.len() == b.len() => {
            let field = |(a, b): (&Field, &Field)| {
                let same = crate::schema::same_name(&a.name, &b.name);
                let data_type = common(&a.data_type, &b.data_type).filter(|_| same)?;
                Some(Field { data_type, nullable: a.nullable || b.nullable, ..a.clone() })
            };
            Some(Struct(a.iter().zip(b).map(field).collect::<Option<_>>()?))
        }
        _ => None,
    }
}

fn rank(t: &DataType) -> u8 {
    match t {
        DataType::Int8 => 0,
        DataType::Int16 => 1,
        DataType::Int32 => 2,
        Int64 => 3,
        Float32 => 4,
        _ => 5,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn common_types_are_spark_s() {
        let ansi = Settings::default();
        let legacy = Settings { ansi: false, ..Settings::default() };
        let decimal = |p, s| Decimal(p, s);
        let int = DataType::Int32;
        let cases = [
            (int.clone(), Int64, Some(Int64), Some(Int64)),
            (int.clone(), Float32, Some(Float64), Some(Float32)),
            (int.clone(), decimal(10, 2), Some(decimal(12, 2)), Some(decimal(12, 2))),
            (int.clone(), decimal(12, 2), Some(decimal(12, 2)), Some(decimal(12, 2))),
            (decimal(3, 1), Float32, Some(Float64), Some(Float64)),
            (decimal(38, 20), decimal(38, 0), Some(decimal(38, 0)), Some(decimal(38, 0))),
            (int.clone(), String, Some(Int64), Some(String)),
            (String, decimal(5, 2), Some(Float64), Some(String)),
            (String, Date, Some(Date), Some(String)),
            (String, Boolean, Some(Boolean), None),
            (Date, Timestamp, Some(Timestamp), Some(Timestamp)),
            (int.clone(), Boolean, None, None),
            (Array(int.clone().into()), Array(Int64.into()), Some(Array(Int64.into())), Some(Array(Int64.into()))),
            (Null, Date, Some(Date), Some(Date)),
        ];
        for (a, b, in_ansi, in_legacy) in cases {
            for (a, b) in [(&a, &b), (&b, &a)] {
                assert_eq!(common_type(a, b, &ansi), in_ansi, "{a} and {b}, ANSI");
                assert_eq!(common_type(a, b, &legacy), in_legacy, "{a} and {b}, legacy");
            }
        }
    }
}
