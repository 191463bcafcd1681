//! Values of the schema's types out of JSON text, straight into columns.
//!
//! Every reader here appends exactly one value, or fails with a syntax error and leaves the columns to be taken back.
//! A value that does not fit its type is appended as NULL and reported by its position.

use firesteel_core::{block::Column, time::MICROS_PER_SECOND};

use super::{
    super::{
        base64,
        convert::{parse_date, parse_day_time, parse_timestamp, parse_timestamp_ntz, parse_year_month},
        number::{self, parse_decimal, parse_double, parse_float, parse_integer},
    },
    plan::{Formats, Record, Target},
    scan::{Number, Scanner, Syntax, Text},
};
/// Buffers that values with escapes are put together in.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    text: Vec<u8>,
    bytes: Vec<u8>,
}

/// What came of a value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Outcome {
    /// All of it was read, or it was `null`.
    Good,
    /// Something inside it, at this position, was not; the rest is there.
    Partial(usize),
    /// It does not have the type: NULL was appended.
    Bad(usize),
}

/// Which column a field goes to.
#[derive(Clone, Copy, Debug)]
pub(super) enum Places<'a> {
    /// The one at the field's own position.
    Same,
    At(&'a [usize]),
}

impl Places<'_> {
    #[inline]
    fn of(self, field: usize) -> usize {
        match self {
            Self::Same => field,
            Self::At(places) => places[field],
        }
    }
}

/// Reads values.
#[derive(Debug)]
pub(super) struct Reader<'a> {
    pub(super) formats: &'a mut Formats,
    pub(super) scratch: &'a mut Scratch,
}

type Result<T> = std::result::Result<T, Syntax>;

impl Reader<'_> {
    /// An object to row `row` of the columns that `places` gives for its fields; says where the first value that
    /// could not be read is.
    #[inline]
    pub(super) fn object(
        &mut self,
        scanner: &mut Scanner<'_>,
        record: &Record,
        columns: &mut [Column],
        places: Places<'_>,
        row: usize,
    ) -> Result<Option<usize>> {
        scanner.open(b'{')?;
        let (mut bad, mut read, mut expected) = (None, 0, 0);
        let mut is_first = true;
        while scanner.next_key(is_first)? {
            is_first = false;
            let field = self.field(scanner, record, expected)?;
            scanner.colon()?;
            let Some(field) = field else {
                scanner.skip_value()?;
                continue;
            };
            expected = field + 1;
            let target = &record.fields[field].target;
            if matches!(target, Target::Skip) {
                scanner.skip_value()?;
                continue;
            }
            let column = &mut columns[places.of(field)];
            if column.len() > row {
                bad = bad.or(self.replace(scanner, target, column, row)?);
                continue;
            }
            read += 1;
            if let Outcome::Bad(at) | Outcome::Partial(at) = self.value(scanner, target, column)? {
                bad = bad.or(Some(at));
            }
        }
        if read < record.read {
            fill_missing(record, columns, places, row);
        }
        Ok(bad)
    }

    /// Which field the key at hand is; most often it is the one after the last.
    #[inline]
    fn field(&mut self, scanner: &mut Scanner<'_>, record: &Record, expected: usize) -> Result<Option<usize>> {
        if let Some(next) = record.fields.get(expected)
            && scanner.key_is(&next.quoted)
        {
            return Ok(Some(expected));
        }
        match scanner.key()? {
            Text::Plain(name) => Ok(record.find(name)),
            Text::Escaped(name) => {
                self.scratch.text.clear();
                Scanner::unescape(name, &mut self.scratch.text);
                Ok(record.find(&self.scratch.text))
            }
        }
    }

    /// A key that was there before: the last value that can be read stays.
    #[cold]
    fn replace(
        &mut self,
        scanner: &mut Scanner<'_>,
        target: &Target,
        column: &mut Column,
        row: usize,
    ) -> Result<Option<usize>> {
        let outcome = self.value(scanner, target, column)?;
        if let Outcome::Bad(at) = outcome {
            column.truncate(row + 1);
            return Ok(Some(at));
        }
        let last = column.view().value(row + 1);
        column.truncate(row);
        column.push_value(&last);
        Ok(if let Outcome::Partial(at) = outcome { Some(at) } else { None })
    }

    #[inline]
    pub(super) fn value(&mut self, scanner: &mut Scanner<'_>, target: &Target, column: &mut Column) -> Result<Outcome> {
        let first = scanner.peek()?;
        if first == b'n' {
            scanner.word("null")?;
            column.push_null();
            return Ok(Outcome::Good);
        }
        let at = scanner.at();
        let is_read = match target {
            Target::String => self.string(scanner, first, column)?,
            Target::Struct(record) if first == b'{' => return self.structure(scanner, record, column),
            Target::Array(element) if first == b'[' => return self.array(scanner, element, column),
            Target::Boolean if matches!(first, b't' | b'f') => {
                scanner.word(if first == b't' { "true" } else { "false" })?;
                column.push_bool(first == b't');
                true
            }
            _ if scanner.is_number(first) => match scanner.number()? {
                Some(number) => push_number(&number, target, column),
                None => push_special(scanner.special_number()?, target, column),
            },
            _ if scanner.is_string(first) => {
                let text = scanner.string()?;
                self.push_text(text, target, column, scanner.accepts_words())
            }
            _ => {
                scanner.skip_value()?;
                false
            }
        };
        if is_read {
            return Ok(Outcome::Good);
        }
        column.push_null();
        // VOID takes anything for NULL.
        Ok(if matches!(target, Target::Void) { Outcome::Good } else { Outcome::Bad(at) })
    }

    /// Anything is a string: what is not one is taken as it stands.
    #[inline]
    fn string(&mut self, scanner: &mut Scanner<'_>, first: u8, column: &mut Column) -> Result<bool> {
        if !scanner.is_string(first) {
            let start = scanner.at();
            scanner.skip_value()?;
            column.push_bytes(scanner.between(start, scanner.at()));
            return Ok(true);
        }
        match scanner.string()? {
            Text::Plain(text) => column.push_bytes(text),
            Text::Escaped(text) => {
                self.scratch.text.clear();
                Scanner::unescape(text, &mut self.scratch.text);
                column.push_bytes(&self.scratch.text);
            }
        }
        Ok(true)
    }

    fn structure(&mut self, scanner: &mut Scanner<'_>, record: &Record, column: &mut Column) -> Result<Outcome> {
        let row = column.len();
        let mut result = Ok(None);
        column.push_struct(|children| result = self.object(scanner, record, children, Places::Same, row));
        Ok(result?.map_or(Outcome::Good, Outcome::Partial))
    }

    /// One element that cannot be read makes the whole array NULL; one that can be read in part stays.
    fn array(&mut self, scanner: &mut Scanner<'_>, element: &Target, column: &mut Column) -> Result<Outcome> {
        let row = column.len();
        let mut result = Ok(Outcome::Good);
        column.push_array(|child| result = self.elements(scanner, element, child));
        let outcome = result?;
        if let Outcome::Bad(_) = outcome {
            column.truncate(row);
            column.push_null();
        }
        Ok(outcome)
    }

    fn elements(&mut self, scanner: &mut Scanner<'_>, element: &Target, child: &mut Column) -> Result<Outcome> {
        scanner.open(b'[')?;
        let mut whole = Outcome::Good;
        let mut is_first = true;
        while scanner.next_element(is_first)? {
            is_first = false;
            whole = match (whole, self.value(scanner, element, child)?) {
                (Outcome::Bad(at), _) => Outcome::Bad(at),
                (_, Outcome::Bad(at)) => Outcome::Bad(at),
                (Outcome::Partial(at), _) => Outcome::Partial(at),
                (Outcome::Good, other) => other,
            };
        }
        Ok(whole)
    }

    /// A string for a column of another type; false if it does not say a value of it.
    fn push_text(&mut self, text: Text<'_>, target: &Target, column: &mut Column, words: bool) -> bool {
        let text = match text {
            Text::Plain(text) => text,
            Text::Escaped(text) => {
                self.scratch.text.clear();
                Scanner::unescape(text, &mut self.scratch.text);
                &self.scratch.text
            }
        };
        let formats = &mut *self.formats;
        let pushed = match target {
            Target::Timestamp => {
                parse_timestamp(text, formats.timestamp.as_ref(), &mut formats.timestamps).map(|x| column.push(x))
            }
            Target::TimestampNtz => parse_timestamp_ntz(text, formats.timestamp_ntz.as_ref()).map(|x| column.push(x)),
            Target::Date => parse_date(text, formats.date.as_ref())
                .or_else(|| days_of_old(text).filter(|_| formats.date.is_none()))
                .map(|x| column.push(x)),
            Target::IntervalDayTime(from, to) => parse_day_time(text, *from, *to).map(|x| column.push(x)),
            Target::IntervalYearMonth(from, to) => parse_year_month(text, *from, *to).map(|x| column.push(x)),
            Target::Float64 if words => number_word(text).map(|x| column.push(x)),
            Target::Float32 if words => number_word(text).map(|x| column.push(x as f32)),
            Target::Decimal(precision, scale) => parse_decimal(text, *precision, *scale).map(|x| column.push(x)),
            Target::Binary => {
                self.scratch.bytes.clear();
                base64::decode(text, &mut self.scratch.bytes).map(|()| column.push_bytes(&self.scratch.bytes))
            }
            _ => None,
        };
        pushed.is_some()
    }
}

/// Fields that the object did not have are NULL.
fn fill_missing(record: &Record, columns: &mut [Column], places: Places<'_>, row: usize) {
    for (i, field) in record.fields.iter().enumerate() {
        let column = &mut columns[places.of(i)];
        if !matches!(field.target, Target::Skip) && column.len() == row {
            column.push_null();
        }
    }
}

/// A number for a column; false if it does not fit.
#[inline]
fn push_number(number: &Number<'_>, target: &Target, column: &mut Column) -> bool {
    let integer = || number.to_i64();
    let pushed = match target {
        Target::Float64 => number.to_f64().map(|x| column.push(x)),
        Target::Int64 => integer().map(|x| column.push(x)),
        Target::Int32 => integer().and_then(|x| i32::try_from(x).ok()).map(|x| column.push(x)),
        Target::Int16 => integer().and_then(|x| i16::try_from(x).ok()).map(|x| column.push(x)),
        // Jackson takes unsigned bytes for bytes.
        Target::Int8 => integer().filter(|x| (-128..256).contains(x)).map(|x| column.push(x as i8)),
        Target::Float32 => number.to_f32().map(|x| column.push(x)),
        Target::Decimal(precision, scale) => parse_decimal(number.text, *precision, *scale).map(|x| column.push(x)),
        // Whole numbers are seconds; ones that do not fit wrap, as in Spark.
        Target::Timestamp => integer().map(|x| column.push(x.wrapping_mul(MICROS_PER_SECOND))),
        _ => None,
    };
    pushed.is_some()
}

fn push_special(value: f64, target: &Target, column: &mut Column) -> bool {
    match target {
        Target::Float64 => column.push(value),
        Target::Float32 => column.push(value as f32),
        _ => return false,
    }
    true
}

impl Number<'_> {
    #[inline]
    fn to_i64(self) -> Option<i64> {
        if !self.is_integer {
            return None;
        }
        if self.digit_count > 18 {
            return parse_integer(self.text);
        }
        Some(if self.negative { -(self.digits as i64) } else { self.digits as i64 })
    }

    #[inline]
    fn to_f64(self) -> Option<f64> {
        self.short().and_then(number::Decimal::to_f64).or_else(|| parse_double(self.text))
    }

    fn to_f32(self) -> Option<f32> {
        self.short().and_then(number::Decimal::to_f32).or_else(|| parse_float(self.text))
    }

    #[inline]
    fn short(self) -> Option<number::Decimal> {
        let exponent = self.exponent.filter(|_| self.digit_count <= 19)?;
        Some(number::Decimal { negative: self.negative, digits: self.digits, exponent })
    }
}

/// Strings that stand for special numbers.
fn number_word(text: &[u8]) -> Option<f64> {
    match text {
        b"NaN" => Some(f64::NAN),
        b"+INF" | b"+Infinity" | b"Infinity" => Some(f64::INFINITY),
        b"-INF" | b"-Infinity" => Some(f64::NEG_INFINITY),
        _ => None,
    }
}

/// Spark 1.5 wrote dates as days since the epoch.
fn days_of_old(text: &[u8]) -> Option<i32> {
    parse_integer(text).and_then(|days| i32::try_from(days).ok())
}
