//! Datetime patterns as Spark 3 and later read them: Java's `DateTimeFormatter` letters, strictly resolved, in
//! English, with Spark's own rules on top (no week-based letters, fractions of variable length when parsing,
//! 1970-01-01 00:00 for what the pattern leaves out).
//!
//! ```text
//!   "dd/MM/yyyy[ HH:mm]"  ── compile ──►  items  ── parse ──►  Parsed fields  ── resolve ──►  date, time, zone
//!                                           └───── format ──►  text
//! ```
//! Compile once, use per row: neither parsing nor formatting allocates.

mod format;
mod parse;

use alloc::{format as text, string::String, vec, vec::Vec};

use crate::error::{Error, Result};

/// Java's name for the widest number a field may have.
const DIGITS_MAX: u8 = 19;

/// Letters that Spark 3 rejects because their weeks start on different days in different versions.
const WEEK_LETTERS: &str = "YWwuec";
/// Letters that Spark rejects outright.
const REJECTED_LETTERS: &str = "ABnNp";
/// Letters that Spark formats but does not parse.
const FORMAT_ONLY_LETTERS: &str = "EFqQ";

/// A compiled pattern.
#[derive(Clone, Debug, PartialEq)]
pub struct Pattern {
    items: Vec<Item>,
    /// Why this pattern cannot parse, if it only formats.
    format_only: Option<char>,
}

/// One step of a pattern.
#[derive(Clone, Debug, PartialEq)]
enum Item {
    Literal(String),
    Number(Number),
    /// `yy`: the years 2000 to 2099.
    YearOfCentury,
    /// `S...`: so many digits; one to so many when parsing.
    Fraction(u8),
    Text {
        field: Field,
        full: bool,
    },
    Offset(Offset),
    /// `O` and `ZZZZ`: `GMT+8`, `GMT+08:00`.
    GmtOffset {
        full: bool,
    },
    /// `VV`
    ZoneId,
    /// `z`, `zzzz`
    ZoneName {
        full: bool,
    },
    Optional(Vec<Item>),
}

/// A number of a field: how many digits, which signs, and how it shares a run of digits with its neighbours.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Number {
    field: Field,
    width_min: u8,
    width_max: u8,
    sign: Sign,
    /// Digits that the fixed-width numbers right behind this one need.
    reserved: u8,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Sign {
    /// No sign at all.
    Never,
    /// A minus if negative.
    Normal,
    /// And a plus if there are more digits than the minimum.
    ExceedsPad,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Field {
    Era,
    Year,
    YearOfEra,
    Quarter,
    Month,
    Day,
    DayOfYear,
    AlignedWeekday,
    Weekday,
    AmPm,
    /// 0-23
    Hour,
    /// 1-24
    ClockHour,
    /// 0-11
    HourOfHalf,
    /// 1-12
    ClockHourOfHalf,
    Minute,
    Second,
}

/// `X`, `x` and `Z` in their lengths.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Offset {
    colon: bool,
    /// Minutes are always there; else only if not zero.
    minutes: bool,
    /// Seconds may be there.
    seconds: bool,
    /// How an offset of zero is written, if specially.
    zero: Option<&'static str>,
}

impl Pattern {
    /// Reads a pattern; an error if Spark rejects it.
    pub fn compile(pattern: &str) -> Result<Self> {
        let mut compiler = Compiler { pattern, has_era: false, format_only: None };
        compiler.check_letters()?;
        let items = compiler.compile()?;
        Ok(Self { items, format_only: compiler.format_only })
    }

    /// Reads a pattern that will parse; an error if Spark uses some of its letters only to format.
    pub fn for_parsing(pattern: &str) -> Result<Self> {
        let compiled = Self::compile(pattern)?;
        match compiled.format_only {
            None => Ok(compiled),
            Some(letter) => Err(illegal_letter(letter, pattern)),
        }
    }
}

struct Compiler<'a> {
    pattern: &'a str,
    has_era: bool,
    format_only: Option<char>,
}

/// Items of one section, and the number that shares its digits with the fixed-width numbers that follow it.
#[derive(Default)]
struct Section {
    items: Vec<Item>,
    active_number: Option<usize>,
}

impl Compiler<'_> {
    /// Spark's own checks, made on the text outside quotes before Java sees the pattern.
    fn check_letters(&mut self) -> Result<()> {
        for part in self.pattern.split('\'').step_by(2) {
            if let Some(letter) = part.chars().find(|c| WEEK_LETTERS.contains(*c)) {
                let message = text!("the letter {letter:?} in the datetime pattern {:?} is week-based", self.pattern);
                let class = "INCONSISTENT_BEHAVIOR_CROSS_VERSION.DATETIME_WEEK_BASED_PATTERN";
                return Err(Error::unsupported(class, message).hint("for a calendar year use y"));
            }
            if let Some(letter) = part.chars().find(|c| REJECTED_LETTERS.contains(*c)) {
                return Err(illegal_letter(letter, self.pattern));
            }
            let too_long = ["GGGGG", "MMMMM", "LLLLL", "EEEEE", "QQQQQ", "qqqqq", "yyyyyyy"];
            if let Some(run) = too_long.iter().find(|run| part.contains(**run)) {
                let message = text!("the datetime pattern {:?} has too many letters in {run:?}", self.pattern);
                return Err(Error::unsupported("INVALID_DATETIME_PATTERN.LENGTH", message));
            }
            self.has_era |= part.contains('G');
            self.format_only = self.format_only.or(part.chars().find(|c| FORMAT_ONLY_LETTERS.contains(*c)));
        }
        Ok(())
    }

    fn compile(&mut self) -> Result<Vec<Item>> {
        let mut sections = vec![Section::default()];
        let mut rest = self.pattern;
        while let Some(first) = rest.chars().next() {
            let section = sections.last_mut().ok_or_else(|| self.invalid("brackets do not match"))?;
            match first {
                'a'..='z' | 'A'..='Z' => {
                    let count = rest.chars().take_while(|c| *c == first).count();
                    self.push_letters(section, first, count)?;
                    rest = &rest[count..];
                    continue;
                }
                '\'' => {
                    rest = self.push_quoted(section, &rest[1..])?;
                    continue;
                }
                '[' => sections.push(Section::default()),
                ']' => self.close(&mut sections)?,
                '#' | '{' | '}' => return Err(self.invalid("#, { and } are reserved")),
                other => section.push_literal(other.encode_utf8(&mut [0; 4])),
            }
            rest = &rest[first.len_utf8()..];
        }
        // Sections that are never closed end with the pattern, as in Java.
        while sections.len() > 1 {
            self.close(&mut sections)?;
        }
        Ok(sections.pop().map(|s| s.items).unwrap_or_default())
    }

    fn close(&self, sections: &mut Vec<Section>) -> Result<()> {
        match (sections.pop(), sections.last_mut()) {
            (Some(inner), Some(outer)) => outer.push(Item::Optional(inner.items)),
            _ => return Err(self.invalid("there is a ] without a [")),
        }
        Ok(())
    }

    /// Text up to the closing quote; two quotes are one.
    fn push_quoted<'a>(&self, section: &mut Section, text: &'a str) -> Result<&'a str> {
        if let Some(rest) = text.strip_prefix('\'') {
            section.push_literal("'");
            return Ok(rest);
        }
        let mut rest = text;
        loop {
            let end = rest.find('\'').ok_or_else(|| self.invalid("a quote is not closed"))?;
            section.push_literal(&rest[..end]);
            rest = &rest[end + 1..];
            match rest.strip_prefix('\'') {
                Some(after) => {
                    section.push_literal("'");
                    rest = after;
                }
                None => return Ok(rest),
            }
        }
    }

    fn push_letters(&self, section: &mut Section, letter: char, count: usize) -> Result<()> {
        let width = u8::try_from(count).map_err(|_| self.too_many(letter))?;
        match letter {
            'y' => self.push_year(section, width),
            'G' => section.push(Item::Text { field: Field::Era, full: width == 4 }),
            'M' | 'L' => section.push_month_or_quarter(Field::Month, width),
            'Q' | 'q' => section.push_month_or_quarter(Field::Quarter, width),
            'E' => section.push(Item::Text { field: Field::Weekday, full: width == 4 }),
            'D' if width <= 3 => section.push_day_of_year(width),
            'S' if width <= 9 => section.push(Item::Fraction(width)),
            'a' if width == 1 => section.push(Item::Text { field: Field::AmPm, full: false }),
            'V' if width == 2 => section.push(Item::ZoneId),
            'z' if width <= 4 => section.push(Item::ZoneName { full: width == 4 }),
            'O' if width == 1 || width == 4 => section.push(Item::GmtOffset { full: width == 4 }),
            'X' if width <= 5 => section.push(Item::Offset(Offset::new(width, Some("Z")))),
            'x' if width <= 5 => section.push(Item::Offset(Offset::new(width, Offset::zero_digits(width)))),
            'Z' if width <= 3 => section.push(Item::Offset(Offset::new(2, Some("+0000")))),
            'Z' if width == 4 => section.push(Item::GmtOffset { full: true }),
            'Z' if width == 5 => section.push(Item::Offset(Offset::new(5, Some("Z")))),
            'D' | 'S' | 'a' | 'z' | 'O' | 'X' | 'x' | 'Z' | 'V' => return Err(self.too_many(letter)),
            _ => {
                let field = two_digit_field(letter).ok_or_else(|| illegal_letter(letter, self.pattern))?;
                if width > 2 {
                    return Err(self.too_many(letter));
                }
                section.push_number(if width == 1 { Number::free(field) } else { Number::fixed(field, 2) });
            }
        }
        Ok(())
    }

    fn push_year(&self, section: &mut Section, width: u8) {
        let field = if self.has_era { Field::YearOfEra } else { Field::Year };
        match width {
            2 => section.push_year_of_century(),
            1 | 3 => section.push_number(Number { width_min: width, ..Number::free(field) }),
            _ => section.push_number(Number { width_min: width, sign: Sign::ExceedsPad, ..Number::free(field) }),
        }
    }

    fn too_many(&self, letter: char) -> Error {
        self.invalid(&text!("there are too many or too few letters {letter:?}"))
    }

    fn invalid(&self, why: &str) -> Error {
        let message = text!("the datetime pattern {:?} is invalid: {why}", self.pattern);
        Error::unsupported("INVALID_DATETIME_PATTERN", message)
    }
}

impl Section {
    fn push(&mut self, item: Item) {
        self.items.push(item);
        self.active_number = None;
    }

    fn push_literal(&mut self, literal: &str) {
        match self.items.last_mut() {
            Some(Item::Literal(text)) => text.push_str(literal),
            _ => self.items.push(Item::Literal(literal.into())),
        }
        self.active_number = None;
    }

    /// Numbers that touch share one run of digits: the first takes what the fixed ones behind it leave.
    fn push_number(&mut self, number: Number) {
        let is_fixed = number.width_min == number.width_max && number.sign == Sign::Never;
        let first = self.active_number.filter(|_| is_fixed);
        if let Some(Item::Number(first)) = first.map(|i| &mut self.items[i]) {
            first.reserved += number.width_max;
        }
        self.items.push(Item::Number(number));
        self.active_number = first.or(Some(self.items.len() - 1));
    }

    fn push_year_of_century(&mut self) {
        if let Some(Item::Number(first)) = self.active_number.map(|i| &mut self.items[i]) {
            first.reserved += 2;
        }
        self.items.push(Item::YearOfCentury);
    }

    fn push_month_or_quarter(&mut self, field: Field, width: u8) {
        match width {
            1 => self.push_number(Number::free(field)),
            2 => self.push_number(Number::fixed(field, 2)),
            _ => self.push(Item::Text { field, full: width == 4 }),
        }
    }

    fn push_day_of_year(&mut self, width: u8) {
        let field = Field::DayOfYear;
        self.push_number(match width {
            1 => Number::free(field),
            _ => Number { width_max: 3, ..Number::fixed(field, width) },
        });
    }
}

impl Number {
    fn fixed(field: Field, width: u8) -> Self {
        Self { field, width_min: width, width_max: width, sign: Sign::Never, reserved: 0 }
    }

    fn free(field: Field) -> Self {
        Self { field, width_min: 1, width_max: DIGITS_MAX, sign: Sign::Normal, reserved: 0 }
    }
}

impl Offset {
    fn new(width: u8, zero: Option<&'static str>) -> Self {
        Self { colon: matches!(width, 3 | 5), minutes: width > 1, seconds: width > 3, zero }
    }

    fn zero_digits(width: u8) -> Option<&'static str> {
        Some(match width {
            1 => "+00",
            3 | 5 => "+00:00",
            _ => "+0000",
        })
    }
}

fn two_digit_field(letter: char) -> Option<Field> {
    Some(match letter {
        'd' => Field::Day,
        'H' => Field::Hour,
        'k' => Field::ClockHour,
        'K' => Field::HourOfHalf,
        'h' => Field::ClockHourOfHalf,
        'm' => Field::Minute,
        's' => Field::Second,
        'F' => Field::AlignedWeekday,
        _ => return None,
    })
}

fn illegal_letter(letter: char, pattern: &str) -> Error {
    let message = text!("illegal pattern character {letter:?} in the datetime pattern {pattern:?}");
    Error::unsupported("INVALID_DATETIME_PATTERN.ILLEGAL_CHARACTER", message)
}

/// English names, as Java has them for Locale.US.
mod names {
    pub(super) const MONTHS: [&str; 12] = [
        "January",
        "February",
        "March",
        "April",
        "May",
        "June",
        "July",
        "August",
        "September",
        "October",
        "November",
        "December",
    ];
    pub(super) const WEEKDAYS: [&str; 7] =
        ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
    pub(super) const QUARTERS: [&str; 4] = ["1st quarter", "2nd quarter", "3rd quarter", "4th quarter"];
    pub(super) const QUARTERS_SHORT: [&str; 4] = ["Q1", "Q2", "Q3", "Q4"];
    pub(super) const ERAS: [&str; 2] = ["Before Christ", "Anno Domini"];
    pub(super) const ERAS_SHORT: [&str; 2] = ["BC", "AD"];
    pub(super) const HALVES: [&str; 2] = ["AM", "PM"];
    /// Months and weekdays are cut to so many letters.
    pub(super) const SHORT: usize = 3;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_spark_rejects_is_rejected() {
        let cases = [
            ("YYYY", "INCONSISTENT_BEHAVIOR_CROSS_VERSION.DATETIME_WEEK_BASED_PATTERN"),
            ("yyyy-MM-dd u", "INCONSISTENT_BEHAVIOR_CROSS_VERSION.DATETIME_WEEK_BASED_PATTERN"),
            ("yyyy n", "INVALID_DATETIME_PATTERN.ILLEGAL_CHARACTER"),
            ("yyyy j", "INVALID_DATETIME_PATTERN.ILLEGAL_CHARACTER"),
            ("MMMMM", "INVALID_DATETIME_PATTERN.LENGTH"),
            ("yyyyyyy", "INVALID_DATETIME_PATTERN.LENGTH"),
            ("HHH", "INVALID_DATETIME_PATTERN"),
            ("aa", "INVALID_DATETIME_PATTERN"),
            ("yyyy]", "INVALID_DATETIME_PATTERN"),
            ("'open", "INVALID_DATETIME_PATTERN"),
            ("{}", "INVALID_DATETIME_PATTERN"),
        ];
        for (pattern, class) in cases {
            let error = Pattern::compile(pattern).unwrap_err();
            assert_eq!(error.error_class(), Some(class), "{pattern}");
        }
        assert!(Pattern::compile("EEEE").is_ok() && Pattern::for_parsing("EEEE").is_err());
        assert!(Pattern::for_parsing("'E' yyyy").is_ok(), "quoted text is no letter");
    }

    #[test]
    fn touching_numbers_reserve_digits() {
        let pattern = Pattern::compile("yyyyMMdd").unwrap();
        let Item::Number(year) = &pattern.items[0] else { panic!("{pattern:?}") };
        assert_eq!((year.width_min, year.reserved), (4, 4));
    }
}
