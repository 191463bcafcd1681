//! Number literals: what type Spark gives to `10`, `10000000000`, `1.50`, `1e3`, `3L`.

use alloc::{format, string::String};

use super::lexer::Suffix;
use crate::{
    block::Value,
    error::{Error, Result},
    schema::DataType,
};

/// Most digits a DECIMAL may have.
const PRECISION_MAX: usize = 38;

/// The value and type of a number as written, with its sign.
pub(super) fn number(text: &str) -> Result<(Value, DataType)> {
    let (digits, suffix) = Suffix::cut(text);
    let is_whole = !digits.contains(['.', 'e', 'E']);
    let parsed = match suffix {
        Suffix::TinyInt => digits.parse().ok().map(|x| (Value::Int8(x), DataType::Int8)),
        Suffix::SmallInt => digits.parse().ok().map(|x| (Value::Int16(x), DataType::Int16)),
        Suffix::BigInt => digits.parse().ok().map(|x| (Value::Int64(x), DataType::Int64)),
        Suffix::Float => float(digits, f32::is_finite).map(|x| (Value::Float32(x), DataType::Float32)),
        Suffix::Double => float(digits, f64::is_finite).map(|x| (Value::Float64(x), DataType::Float64)),
        Suffix::Decimal => return decimal(digits),
        Suffix::None if is_whole => return whole(digits),
        Suffix::None if digits.contains(['e', 'E']) => {
            float(digits, f64::is_finite).map(|x| (Value::Float64(x), DataType::Float64))
        }
        Suffix::None => return decimal(digits),
    };
    parsed.ok_or_else(|| {
        Error::invalid(format!("the number {text} does not fit its type"))
            .class("INVALID_NUMERIC_LITERAL_RANGE")
            .hint("suffixes are Y (TINYINT), S (SMALLINT), L (BIGINT), F (FLOAT), D (DOUBLE), BD (DECIMAL)")
    })
}

/// INT if it fits, else BIGINT, else DECIMAL.
fn whole(digits: &str) -> Result<(Value, DataType)> {
    if let Ok(x) = digits.parse() {
        return Ok((Value::Int32(x), DataType::Int32));
    }
    match digits.parse() {
        Ok(x) => Ok((Value::Int64(x), DataType::Int64)),
        Err(_) => decimal(digits),
    }
}

fn float<T: core::str::FromStr + Copy>(digits: &str, is_finite: fn(T) -> bool) -> Option<T> {
    digits.parse().ok().filter(|x| is_finite(*x))
}

/// As Java's BigDecimal counts: leading zeros are no digits, zeros after the dot are.
fn decimal(text: &str) -> Result<(Value, DataType)> {
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let (sign, mantissa) = mantissa.strip_prefix('-').map_or((1, mantissa), |m| (-1, m));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let mut digits = String::from(whole) + fraction;
    let mut scale = exponent.parse::<i32>().ok().and_then(|e| (fraction.len() as i32).checked_sub(e));
    if let Some(negative) = scale.filter(|s| (-(PRECISION_MAX as i32)..0).contains(s)) {
        (0..-negative).for_each(|_| digits.push('0'));
        scale = Some(0);
    }
    let digits = digits.trim_start_matches('0');
    let scale = scale.and_then(|s| usize::try_from(s).ok());
    let precision = scale.map_or(PRECISION_MAX + 1, |s| digits.len().max(s).max(1));
    if precision > PRECISION_MAX {
        return Err(Error::invalid(format!("the number {text} has more than {PRECISION_MAX} digits"))
            .class("DECIMAL_PRECISION_EXCEEDS_MAX_PRECISION")
            .hint("write a DOUBLE: 1.5D or 1e3"));
    }
    let unscaled: i128 = if digits.is_empty() { 0 } else { digits.parse().unwrap_or(0) };
    let data_type = DataType::Decimal(precision as u8, scale.unwrap_or(0) as i8);
    Ok((Value::Decimal(sign * unscaled), data_type))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_type_follows_from_size_dot_exponent_and_suffix() {
        use DataType::{Decimal, Float32, Float64, Int8, Int16, Int32, Int64};
        let cases = [
            ("10", Value::Int32(10), Int32),
            ("-2147483648", Value::Int32(i32::MIN), Int32),
            ("2147483648", Value::Int64(2_147_483_648), Int64),
            ("-9223372036854775808", Value::Int64(i64::MIN), Int64),
            ("9223372036854775808", Value::Decimal(9_223_372_036_854_775_808), Decimal(19, 0)),
            ("1.50", Value::Decimal(150), Decimal(3, 2)),
            ("0.5", Value::Decimal(5), Decimal(1, 1)),
            ("0.05", Value::Decimal(5), Decimal(2, 2)),
            (".5", Value::Decimal(5), Decimal(1, 1)),
            ("0.0", Value::Decimal(0), Decimal(1, 1)),
            ("0.00", Value::Decimal(0), Decimal(2, 2)),
            ("-100.", Value::Decimal(-100), Decimal(3, 0)),
            ("1e3", Value::Float64(1000.0), Float64),
            ("1.5E-3", Value::Float64(0.0015), Float64),
            ("2.5D", Value::Float64(2.5), Float64),
            ("10d", Value::Float64(10.0), Float64),
            ("1.5f", Value::Float32(1.5), Float32),
            ("1.5BD", Value::Decimal(15), Decimal(2, 1)),
            ("1e3bd", Value::Decimal(1000), Decimal(4, 0)),
            ("12e-4BD", Value::Decimal(12), Decimal(4, 4)),
            ("3L", Value::Int64(3), Int64),
            ("-4S", Value::Int16(-4), Int16),
            ("127y", Value::Int8(127), Int8),
        ];
        for (text, value, data_type) in cases {
            assert_eq!(number(text).unwrap(), (value, data_type), "{text}");
        }
    }

    #[test]
    fn numbers_that_do_not_fit_are_refused() {
        for text in ["128Y", "32768S", "9223372036854775808L", "1e400", "1e40F", "1e39BD", "1e-39BD", "1e99999999999BD"]
        {
            assert!(number(text).is_err(), "{text}");
        }
        assert!(number(&"9".repeat(39)).is_err());
        assert_eq!(number(&"9".repeat(38)).unwrap().1, DataType::Decimal(38, 0));
    }
}
