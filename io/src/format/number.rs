//! Numbers as Java reads and prints them. Common numbers take an exact short cut; the rest goes through the standard
//! library, whose results are exact too.

use firesteel_core::{
    digits::leading,
    expr::decimal::{Reading, Shape},
};

/// Powers of ten that a double holds exactly.
pub(super) const EXACT_POWERS: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20,
    1e21, 1e22,
];

/// Bytes of a number above which it is no longer looked for in front of others.
const NUMBER_BYTES_MAX: usize = 300;

/// `Long.parseLong`: a sign perhaps, then digits and nothing else.
#[inline]
pub(super) fn parse_integer(text: &[u8]) -> Option<i64> {
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, text),
    };
    if digits.is_empty() {
        return None;
    }
    // Digits are summed as negative numbers, of which there is one more.
    let mut value = 0_i64;
    for byte in digits {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        value = value.checked_mul(10)?.checked_sub(digit.into())?;
    }
    if negative { Some(value) } else { value.checked_neg() }
}

/// `Double.parseDouble`, but for hexadecimal.
#[inline]
pub(super) fn parse_double(text: &[u8]) -> Option<f64> {
    let text = trim(text);
    if let Some(value) = Decimal::scan(text).and_then(|d| d.to_f64()) {
        return Some(value);
    }
    parse_slowly(text)
}

/// `Float.parseFloat`, but for hexadecimal.
pub(super) fn parse_float(text: &[u8]) -> Option<f32> {
    let text = trim(text);
    if let Some(value) = Decimal::scan(text).and_then(|d| d.to_f32()) {
        return Some(value);
    }
    parse_slowly(text)
}

/// Digits and an exponent of ten, if they fit into words.
#[derive(Clone, Copy, Debug)]
pub(super) struct Decimal {
    pub(super) negative: bool,
    pub(super) digits: u64,
    pub(super) exponent: i32,
}

impl Decimal {
    /// `-12.5e3`; `None` if it is something else or has too many digits.
    #[inline]
    fn scan(text: &[u8]) -> Option<Self> {
        let (negative, mut rest) = match text {
            [b'-', rest @ ..] => (true, rest),
            [b'+', rest @ ..] => (false, rest),
            _ => (false, text),
        };
        let (mut digits, mut count, mut exponent) = (0_u64, 0, 0_i32);
        let mut point = false;
        while let [byte, after @ ..] = rest {
            match byte {
                b'0'..=b'9' => {
                    digits = digits.wrapping_mul(10).wrapping_add(u64::from(byte - b'0'));
                    count += 1;
                    exponent -= i32::from(point);
                }
                b'.' if !point => point = true,
                _ => break,
            }
            rest = after;
        }
        // 19 digits fit into 64 bits; more may have wrapped.
        if count == 0 || count > 19 {
            return None;
        }
        if let [b'e' | b'E', power @ ..] = rest {
            exponent += i32::try_from(parse_integer(power)?).ok().filter(|e| e.abs() < 1000)?;
            rest = &[];
        }
        rest.is_empty().then_some(Self { negative, digits, exponent })
    }

    /// The double, if digits and power are exact, so that one operation rounds once.
    #[inline]
    pub(super) fn to_f64(self) -> Option<f64> {
        if self.digits > 1 << 53 {
            return None;
        }
        let power = *EXACT_POWERS.get(self.exponent.unsigned_abs() as usize)?;
        let magnitude = if self.exponent < 0 { self.digits as f64 / power } else { self.digits as f64 * power };
        Some(if self.negative { -magnitude } else { magnitude })
    }

    /// The float, if digits and power are exact.
    pub(super) fn to_f32(self) -> Option<f32> {
        if self.digits > 1 << 24 || self.exponent.unsigned_abs() > 10 {
            return None;
        }
        let power = EXACT_POWERS[self.exponent.unsigned_abs() as usize] as f32;
        let magnitude = if self.exponent < 0 { self.digits as f32 / power } else { self.digits as f32 * power };
        Some(if self.negative { -magnitude } else { magnitude })
    }
}

/// Digits at a place: their number, if they are at most 16, and how many they are.
#[inline(always)]
fn digits(bytes: &[u8], at: usize) -> Option<(u64, usize)> {
    let (high, count) = leading(*bytes.get(at..)?.first_chunk()?);
    if count < 8 {
        return Some((high, count));
    }
    let (low, more) = leading(*bytes.get(at + 8..)?.first_chunk()?);
    Some((high * POWERS[more] + low, 8 + more))
}

/// Powers of ten.
pub(super) const POWERS: [u64; 17] = {
    let mut powers = [1; 17];
    let mut i = 1;
    while i < powers.len() {
        powers[i] = powers[i - 1] * 10;
        i += 1;
    }
    powers
};

/// Digits as a number begins with them: some, perhaps with zeros in front.
#[inline(always)]
fn whole<const ZEROS: bool>(bytes: &[u8], at: usize) -> Option<(u64, usize)> {
    let (value, count) = digits(bytes, at)?;
    let is_number = count > 0 && (ZEROS || count == 1 || bytes[at] != b'0');
    is_number.then_some((value, count))
}

/// An integer of up to 16 digits, no zeros in front, that stands at a place, and what follows it. After more digits
/// nothing expected can follow.
#[inline(always)]
pub(super) fn integer_in_front(bytes: &[u8], at: usize) -> Option<(i64, usize)> {
    let negative = *bytes.get(at)? == b'-';
    let start = at + usize::from(negative);
    let (value, count) = whole::<false>(bytes, start)?;
    let value = value as i64;
    Some((if negative { -value } else { value }, start + count))
}

/// A double without exponent that stands at a place, and what follows it. `ZEROS`: it may have zeros in front.
#[inline(always)]
pub(super) fn double_in_front<const ZEROS: bool>(bytes: &[u8], at: usize) -> Option<(f64, usize)> {
    let negative = *bytes.get(at)? == b'-';
    let start = at + usize::from(negative);
    let (whole, count) = whole::<ZEROS>(bytes, start)?;
    let point = start + count;
    let (mut fraction, mut places) = (0, 0);
    if *bytes.get(point)? == b'.' {
        (fraction, places) = digits(bytes, point + 1)?;
        if places == 0 {
            return None;
        }
    }
    if count + places > 19 || places > 15 {
        return long_double(bytes, at, point);
    }
    let end = if places > 0 { point + 1 + places } else { point };
    let number = Decimal { negative, digits: whole * POWERS[places] + fraction, exponent: -(places as i32) };
    match number.to_f64() {
        Some(value) => Some((value, end)),
        None => long_double(bytes, at, point),
    }
}

/// A double of many digits: the slow way decides.
#[inline(never)]
fn long_double(bytes: &[u8], at: usize, point: usize) -> Option<(f64, usize)> {
    let skip_digits = |from: usize| from + bytes[from..].iter().take_while(|b| b.is_ascii_digit()).count();
    let mut end = skip_digits(point);
    if *bytes.get(end)? == b'.' {
        end = skip_digits(end + 1);
    }
    let text = bytes.get(at..end).filter(|text| text.len() <= NUMBER_BYTES_MAX)?;
    Some((parse_double(text)?, end))
}

/// What the short cut leaves: long numbers, Java's type suffixes, the words for the special values.
#[cold]
fn parse_slowly<T: std::str::FromStr + From<f32>>(text: &[u8]) -> Option<T> {
    match text {
        b"NaN" | b"+NaN" | b"-NaN" => return Some(f32::NAN.into()),
        b"Infinity" | b"+Infinity" => return Some(f32::INFINITY.into()),
        b"-Infinity" => return Some(f32::NEG_INFINITY.into()),
        _ => {}
    }
    let number = match text {
        [rest @ .., b'd' | b'D' | b'f' | b'F'] => rest,
        _ => text,
    };
    // Rust reads words too (`inf`, `nan`); a number begins with a digit, a point or a sign before these.
    let first = number.iter().find(|b| !matches!(b, b'+' | b'-'))?;
    if !matches!(first, b'0'..=b'9' | b'.') {
        return None;
    }
    std::str::from_utf8(number).ok()?.parse().ok()
}

/// `new BigDecimal(text)`, rounded half up to `scale`, as unscaled digits; `None` if it is no number or has more than
/// `precision` digits. Commas are skipped, as Spark does.
pub(super) fn parse_decimal(text: &[u8], precision: u8, scale: i8) -> Option<i128> {
    let shape = Shape::new(precision, scale);
    if memchr::memchr(b',', text).is_none() {
        return Reading::parse(text)?.to_shape(shape);
    }
    let without: Vec<u8> = text.iter().copied().filter(|b| *b != b',').collect();
    Reading::parse(&without)?.to_shape(shape)
}

/// Without Java's blanks around it.
fn trim(text: &[u8]) -> &[u8] {
    match text {
        [first, .., last] if *first > b' ' && *last > b' ' => text,
        _ => {
            let start = text.iter().position(|b| *b > b' ').unwrap_or(text.len());
            let end = text.iter().rposition(|b| *b > b' ').map_or(start, |i| i + 1);
            &text[start..end]
        }
    }
}

/// `Double.toString` and `Float.toString`, given the shortest text of the number: `1.0E7`, `0.001`, `1.0E-4`.
pub(super) fn write_java(shortest: &str, out: &mut Vec<u8>) {
    let (sign, unsigned) = shortest.strip_prefix('-').map_or(("", shortest), |rest| ("-", rest));
    if is_java(unsigned.as_bytes()) {
        return out.extend_from_slice(shortest.as_bytes());
    }
    let (mantissa, power) = unsigned.split_once(['e', 'E']).unwrap_or((unsigned, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = [whole.as_bytes(), fraction.as_bytes()].concat();
    let zeros = digits.iter().take_while(|d| **d == b'0').count();
    let end = digits.iter().rposition(|d| *d != b'0').map_or(zeros, |i| i + 1);
    out.extend_from_slice(sign.as_bytes());
    if zeros == digits.len() {
        return out.extend_from_slice(b"0.0");
    }
    // The number is 0.DIGITS times ten to the power of `point`.
    let point = power.parse::<i32>().unwrap_or(0) + whole.len() as i32 - zeros as i32;
    write_layout(&digits[zeros..end], point, out);
}

/// Whether Java writes the number like this: most have up to seven digits, a point, and digits again.
fn is_java(shortest: &[u8]) -> bool {
    let whole = shortest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let has_fraction = matches!(&shortest[whole..], [b'.', rest @ ..] if rest.iter().all(u8::is_ascii_digit));
    has_fraction && shortest.len() > whole + 1 && (1..=7).contains(&whole) && shortest[0] != b'0'
}

fn write_layout(digits: &[u8], point: i32, out: &mut Vec<u8>) {
    let or_zero =
        |digits: &[u8], out: &mut Vec<u8>| out.extend_from_slice(if digits.is_empty() { b"0" } else { digits });
    match point {
        -2..=0 => {
            out.extend_from_slice(b"0.");
            out.resize(out.len() + point.unsigned_abs() as usize, b'0');
            out.extend_from_slice(digits);
        }
        1..=7 => {
            let point = point as usize;
            out.extend_from_slice(&digits[..point.min(digits.len())]);
            out.resize(out.len() + point.saturating_sub(digits.len()), b'0');
            out.push(b'.');
            or_zero(digits.get(point..).unwrap_or_default(), out);
        }
        _ => {
            out.extend_from_slice(&[digits[0], b'.']);
            or_zero(&digits[1..], out);
            out.push(b'E');
            out.extend_from_slice(itoa::Buffer::new().format(point - 1).as_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_are_digits_with_a_sign() {
        let cases = [
            ("0", Some(0)),
            ("+7", Some(7)),
            ("-0012", Some(-12)),
            ("9223372036854775807", Some(i64::MAX)),
            ("-9223372036854775808", Some(i64::MIN)),
            ("9223372036854775808", None),
            ("", None),
            ("-", None),
            (" 1", None),
            ("1.0", None),
            ("1e3", None),
        ];
        for (text, value) in cases {
            assert_eq!(parse_integer(text.as_bytes()), value, "{text:?}");
        }
    }

    #[test]
    fn doubles_are_those_of_the_standard_library() {
        for text in [
            "0",
            "-0",
            "1",
            "1.",
            ".5",
            "3.14159",
            "1e3",
            "1E-5",
            "12345678901234567890",
            "9007199254740993",
            "1e22",
            "1e23",
            "1e400",
            "4.9e-324",
            "2.2250738585072011e-308",
            "123456789012345678",
            "0.1",
            "-1.7976931348623157e308",
            "0.000000000000000000000000001",
            "1e999999",
            "9999999999999999999999",
        ] {
            let expected: f64 = text.parse().unwrap();
            assert_eq!(parse_double(text.as_bytes()).map(f64::to_bits), Some(expected.to_bits()), "{text}");
            let expected: f32 = text.parse().unwrap();
            assert_eq!(parse_float(text.as_bytes()).map(f32::to_bits), Some(expected.to_bits()), "{text}");
        }
    }

    #[test]
    fn doubles_have_java_s_words_and_suffixes() {
        for (text, value) in
            [(" 1.5 ", 1.5), ("1d", 1.0), ("2.5F", 2.5), ("Infinity", f64::INFINITY), ("-Infinity", f64::NEG_INFINITY)]
        {
            assert_eq!(parse_double(text.as_bytes()), Some(value), "{text:?}");
        }
        assert!(parse_double(b"NaN").is_some_and(f64::is_nan));
        for text in ["", " ", "inf", "nan", "-inf", "e5", ".", "1e", "1x", "1 2", "d", "--1", "+-1", "1_0", "Inf"] {
            assert_eq!(parse_double(text.as_bytes()), None, "{text:?}");
        }
    }

    #[test]
    fn decimals_round_half_up() {
        let cases = [
            ("1.5", 5, 2, Some(150)),
            ("1.005", 5, 2, Some(101)),
            ("-1.005", 5, 2, Some(-101)),
            ("1.004999", 5, 2, Some(100)),
            ("999.994", 5, 2, Some(99_999)),
            ("999.995", 5, 2, None),
            ("1e2", 5, 2, Some(10_000)),
            ("1e3", 5, 2, None),
            ("1.5e-2", 5, 2, Some(2)),
            (".5", 5, 0, Some(1)),
            ("5.", 5, 0, Some(5)),
            ("0.4", 5, 0, Some(0)),
            ("1,234.5", 6, 1, Some(12_345)),
            ("0e999999", 5, 2, Some(0)),
            ("1e999999", 5, 2, None),
            ("1e-999999", 5, 2, Some(0)),
            ("99999999999999999999999999999999999999", 38, 0, Some(10_i128.pow(38) - 1)),
            ("", 5, 2, None),
            (".", 5, 2, None),
            ("1e", 5, 2, None),
            (" 1", 5, 2, None),
            ("1.2.3", 5, 2, None),
            ("abc", 5, 2, None),
        ];
        for (text, precision, scale, value) in cases {
            assert_eq!(parse_decimal(text.as_bytes(), precision, scale), value, "{text:?}");
        }
    }

    #[test]
    fn printing_is_java_s() {
        let cases = [
            (0.0, "0.0"),
            (-0.0, "-0.0"),
            (1.0, "1.0"),
            (100.0, "100.0"),
            (1234567.0, "1234567.0"),
            (1e7, "1.0E7"),
            (12345678.9, "1.23456789E7"),
            (0.001, "0.001"),
            (0.05, "0.05"),
            (1e-5, "1.0E-5"),
            (-0.00012, "-1.2E-4"),
            (1.7976931348623157e308, "1.7976931348623157E308"),
            (0.30000000000000004, "0.30000000000000004"),
        ];
        for (value, expected) in cases {
            let mut out = Vec::new();
            write_java(zmij::Buffer::new().format_finite(value), &mut out);
            assert_eq!(String::from_utf8(out).unwrap(), expected);
        }
    }
}
