//! Schemas as Spark's DDL text, both ways: `ts TIMESTAMP, sensor INT NOT NULL, s STRUCT<x: INT>`. Rings keep their
//! schema in this form, options such as a file's `schema` take it. What [`Schema::to_ddl`] prints,
//! [`Schema::parse_ddl`] reads back to the same schema.

use alloc::{boxed::Box, format, string::String, vec::Vec};

use super::{DataType, Field, Schema};
use crate::{
    error::{Error, Result},
    limits::EXPRESSION_DEPTH_MAX,
    time::interval::Unit,
};

/// Most digits a DECIMAL may have.
const PRECISION_MAX: u8 = 38;

impl Schema {
    /// Reads `name TYPE [NOT NULL] [COMMENT '...'], ...`; a colon may stand between name and type.
    pub fn parse_ddl(text: &str) -> Result<Self> {
        let mut parser = Parser { text, at: 0, depth: 0 };
        let fields = parser.fields()?;
        parser.end()?;
        Ok(Self::new(fields))
    }

    /// The schema as one line that [`Schema::parse_ddl`] reads.
    pub fn to_ddl(&self) -> String {
        let columns: Vec<String> = self.fields().iter().map(column_ddl).collect();
        columns.join(", ")
    }
}

impl DataType {
    /// Reads one type: `INT`, `DECIMAL(10,2)`, `ARRAY<STRUCT<x: INT>>`.
    pub fn parse(text: &str) -> Result<Self> {
        let mut parser = Parser { text, at: 0, depth: 0 };
        let data_type = parser.data_type()?;
        parser.end()?;
        Ok(data_type)
    }
}

fn column_ddl(field: &Field) -> String {
    format!("{} {}{}", quoted(&field.name), type_ddl(&field.data_type), not_null(field))
}

/// As `Display`, but names that need backticks get them and `NOT NULL` is kept.
fn type_ddl(data_type: &DataType) -> String {
    match data_type {
        DataType::Array(element) => format!("ARRAY<{}>", type_ddl(element)),
        DataType::Struct(fields) => {
            let parts: Vec<String> = fields
                .iter()
                .map(|f| format!("{}: {}{}", quoted(&f.name), type_ddl(&f.data_type), not_null(f)))
                .collect();
            format!("STRUCT<{}>", parts.join(", "))
        }
        plain => format!("{plain}"),
    }
}

fn not_null(field: &Field) -> &'static str {
    if field.nullable { "" } else { " NOT NULL" }
}

fn quoted(name: &str) -> String {
    let plain = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        && name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    if plain { name.into() } else { format!("`{}`", name.replace('`', "``")) }
}

const TYPES: &str = "BOOLEAN, TINYINT, SMALLINT, INT, BIGINT, FLOAT, DOUBLE, DECIMAL(p,s), STRING, BINARY, DATE, \
                     TIMESTAMP, TIMESTAMP_NTZ, ARRAY<...> and STRUCT<...>";

struct Parser<'a> {
    text: &'a str,
    /// Byte position of the next character.
    at: usize,
    depth: usize,
}

impl<'a> Parser<'a> {
    fn fields(&mut self) -> Result<Vec<Field>> {
        let mut fields = Vec::new();
        loop {
            fields.push(self.field()?);
            if !self.eat(',') {
                return Ok(fields);
            }
        }
    }

    fn field(&mut self) -> Result<Field> {
        let name = self.name()?;
        self.eat(':');
        let mut field = Field::new(name, self.data_type()?);
        if self.eat_word("NOT") {
            self.expect_word("NULL")?;
            field.nullable = false;
        } else {
            self.eat_word("NULL");
        }
        if self.eat_word("COMMENT") {
            self.string_literal()?;
        }
        Ok(field)
    }

    fn data_type(&mut self) -> Result<DataType> {
        self.depth += 1;
        if self.depth > EXPRESSION_DEPTH_MAX {
            return Err(Error::limit(format!("types are nested deeper than {EXPRESSION_DEPTH_MAX}")));
        }
        let word = self.word().ok_or_else(|| self.wrong("a type"))?;
        let data_type = self.type_named(word)?;
        self.depth -= 1;
        Ok(data_type)
    }

    fn type_named(&mut self, word: &str) -> Result<DataType> {
        Ok(match word.to_ascii_uppercase().as_str() {
            "VOID" | "NULL" => DataType::Null,
            "BOOLEAN" => DataType::Boolean,
            "TINYINT" | "BYTE" => DataType::Int8,
            "SMALLINT" | "SHORT" => DataType::Int16,
            "INT" | "INTEGER" => DataType::Int32,
            "BIGINT" | "LONG" => DataType::Int64,
            "FLOAT" | "REAL" => DataType::Float32,
            "DOUBLE" => DataType::Float64,
            "STRING" => DataType::String,
            "VARCHAR" | "CHAR" | "CHARACTER" => self.sized_string()?,
            "BINARY" => DataType::Binary,
            "DATE" => DataType::Date,
            "TIMESTAMP" | "TIMESTAMP_LTZ" => DataType::Timestamp,
            "TIMESTAMP_NTZ" => DataType::TimestampNtz,
            "DECIMAL" | "DEC" | "NUMERIC" => self.decimal()?,
            "INTERVAL" => self.interval()?,
            "ARRAY" => {
                self.expect('<')?;
                let element = self.data_type()?;
                self.expect('>')?;
                DataType::Array(Box::new(element))
            }
            "STRUCT" => self.structure()?,
            other => {
                let message = format!("Unsupported data type \"{other}\".");
                return Err(Error::unsupported("UNSUPPORTED_DATATYPE", message).hint(format!("types are {TYPES}")));
            }
        })
    }

    fn structure(&mut self) -> Result<DataType> {
        self.expect('<')?;
        if self.eat('>') {
            return Ok(DataType::Struct(Vec::new()));
        }
        let fields = self.fields()?;
        self.expect('>')?;
        Ok(DataType::Struct(fields))
    }

    /// `VARCHAR(n)`: the length is not enforced, as in a table that Spark reads.
    fn sized_string(&mut self) -> Result<DataType> {
        self.expect('(')?;
        self.number()?;
        self.expect(')')?;
        Ok(DataType::String)
    }

    /// `DECIMAL` is DECIMAL(10,0), `DECIMAL(p)` is DECIMAL(p,0).
    fn decimal(&mut self) -> Result<DataType> {
        if !self.eat('(') {
            return Ok(DataType::Decimal(10, 0));
        }
        let precision = self.number()?;
        let scale = if self.eat(',') { self.number()? } else { 0 };
        self.expect(')')?;
        if precision > u32::from(PRECISION_MAX) {
            return Err(Error::unsupported(
                "DECIMAL_PRECISION_EXCEEDS_MAX_PRECISION",
                format!("Decimal precision {precision} exceeds max precision {PRECISION_MAX}."),
            ));
        }
        if scale > precision {
            let message = format!("Decimal scale ({scale}) cannot be greater than precision ({precision}).");
            return Err(Error::unsupported("DECIMAL_SCALE_EXCEEDS_PRECISION", message));
        }
        Ok(DataType::Decimal(precision as u8, scale as i8))
    }

    fn interval(&mut self) -> Result<DataType> {
        const MONTHS: &[Unit] = &[Unit::Year, Unit::Month];
        const TIMES: &[Unit] = &[Unit::Day, Unit::Hour, Unit::Minute, Unit::Second];
        let Some(&from) = MONTHS.iter().chain(TIMES).find(|unit| self.eat_word(unit.name())) else {
            return Ok(DataType::Interval);
        };
        let family = if from <= Unit::Month { MONTHS } else { TIMES };
        let mut to = from;
        if self.eat_word("TO") {
            let narrower = family.iter().find(|unit| **unit > from && self.eat_word(unit.name()));
            to = *narrower.ok_or_else(|| self.wrong("a narrower unit of the same kind after TO"))?;
        }
        Ok(if from <= Unit::Month {
            DataType::IntervalYearMonth(from, to)
        } else {
            DataType::IntervalDayTime(from, to)
        })
    }

    fn name(&mut self) -> Result<String> {
        self.blanks();
        if !self.rest().starts_with('`') {
            return self.word().map(String::from).ok_or_else(|| self.wrong("a column name"));
        }
        self.enclosed('`').map(|name| name.replace("``", "`"))
    }

    fn string_literal(&mut self) -> Result<&'a str> {
        self.blanks();
        match self.rest().chars().next() {
            Some(quote @ ('\'' | '"')) => self.enclosed(quote),
            _ => Err(self.wrong("a quoted comment")),
        }
    }

    /// The text between two quotes; a doubled quote, or one after a backslash in a literal, does not end it.
    fn enclosed(&mut self, quote: char) -> Result<&'a str> {
        let start = self.at + quote.len_utf8();
        let mut rest = self.text[start..].char_indices().peekable();
        while let Some((i, c)) = rest.next() {
            if c == '\\' && quote != '`' {
                rest.next();
            } else if c == quote && rest.next_if(|&(_, next)| next == quote).is_none() {
                self.at = start + i + quote.len_utf8();
                return Ok(&self.text[start..start + i]);
            }
        }
        Err(self.wrong(&format!("a closing {quote}")))
    }

    fn number(&mut self) -> Result<u32> {
        self.blanks();
        let digits = self.rest().len() - self.rest().trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let number = self.rest()[..digits].parse().map_err(|_| self.wrong("a number"))?;
        self.at += digits;
        Ok(number)
    }

    /// A run of letters, digits and underscores.
    fn word(&mut self) -> Option<&'a str> {
        self.blanks();
        let rest = self.rest();
        let len = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
        self.at += len;
        (len > 0).then(|| &rest[..len])
    }

    fn eat_word(&mut self, wanted: &str) -> bool {
        let before = self.at;
        let found = self.word().is_some_and(|word| word.eq_ignore_ascii_case(wanted));
        if !found {
            self.at = before;
        }
        found
    }

    fn expect_word(&mut self, wanted: &str) -> Result<()> {
        if self.eat_word(wanted) { Ok(()) } else { Err(self.wrong(wanted)) }
    }

    fn eat(&mut self, wanted: char) -> bool {
        self.blanks();
        let found = self.rest().starts_with(wanted);
        if found {
            self.at += wanted.len_utf8();
        }
        found
    }

    fn expect(&mut self, wanted: char) -> Result<()> {
        if self.eat(wanted) { Ok(()) } else { Err(self.wrong(&format!("`{wanted}`"))) }
    }

    fn end(&mut self) -> Result<()> {
        self.blanks();
        if self.rest().is_empty() { Ok(()) } else { Err(self.wrong("`,` or the end")) }
    }

    fn blanks(&mut self) {
        self.at += self.rest().len() - self.rest().trim_start().len();
    }

    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn wrong(&self, expected: &str) -> Error {
        let found = match self.rest().chars().next() {
            Some(_) => format!("'{}'", self.rest().split_whitespace().next().unwrap_or_default()),
            None => "end of input".into(),
        };
        let column = self.text[..self.at].chars().count() + 1;
        let message = format!("Syntax error at or near {found} in column {column} of schema '{}'.", self.text);
        Error::invalid(message).class("PARSE_SYNTAX_ERROR").hint(format!("expected {expected}"))
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;

    #[test]
    fn what_is_printed_reads_back_the_same() {
        let cases = [
            "ts TIMESTAMP, sensor INT, name STRING, d DECIMAL(10,2), a ARRAY<INT>, s STRUCT<x: INT, y: STRING>",
            "id BIGINT NOT NULL, ok BOOLEAN, t TINYINT, u SMALLINT, f FLOAT, g DOUBLE, b BINARY, day DATE",
            "`odd name` INT, `tick``ed` STRING NOT NULL, n TIMESTAMP_NTZ",
            "aa ARRAY<ARRAY<STRUCT<x: INT NOT NULL>>>, `1st` INTERVAL DAY TO SECOND, m INTERVAL YEAR TO MONTH",
        ];
        for text in cases {
            let schema = Schema::parse_ddl(text).unwrap();
            assert_eq!(schema.to_ddl(), text);
            assert_eq!(Schema::parse_ddl(&schema.to_ddl()).unwrap(), schema);
        }
    }

    #[test]
    fn synonyms_case_colons_and_comments_are_spark_s() {
        let schema = Schema::parse_ddl(
            "a: integer comment 'it''s, \\'fine', b long NOT NULL COMMENT \"x\",\n c dec(5), d decimal, \
             e struct<x int, y:array<string>>, f varchar(10), g interval hour to minute, h timestamp_ltz, i struct<>",
        )
        .unwrap();
        assert_eq!(
            schema.to_ddl(),
            "a INT, b BIGINT NOT NULL, c DECIMAL(5,0), d DECIMAL(10,0), e STRUCT<x: INT, y: ARRAY<STRING>>, \
             f STRING, g INTERVAL HOUR TO MINUTE, h TIMESTAMP, i STRUCT<>"
        );
        assert_eq!(DataType::parse(" Array < Decimal( 3 , 1 ) > ").unwrap().to_string(), "ARRAY<DECIMAL(3,1)>");
    }

    #[test]
    fn mistakes_say_where_and_what_was_expected() {
        let cases = [
            ("", "end of input", "a column name"),
            ("a", "end of input", "a type"),
            ("a INT b INT", "'b'", "`,` or the end"),
            ("a INT,", "end of input", "a column name"),
            ("a ARRAY INT", "'INT'", "`<`"),
            ("a STRUCT<x: INT", "end of input", "`>`"),
            ("`a INT", "'`a'", "a closing `"),
            ("a INT NOT", "end of input", "NULL"),
            ("a DECIMAL(x)", "'x)'", "a number"),
        ];
        for (text, found, expected) in cases {
            let error = Schema::parse_ddl(text).unwrap_err();
            assert!(error.message().contains(found), "{text}: {error}");
            assert!(error.hint_text().unwrap().contains(expected), "{text}: {:?}", error.hint_text());
            assert!(error.is_invalid_job());
        }
        assert_eq!(Schema::parse_ddl("a FOO").unwrap_err().error_class(), Some("UNSUPPORTED_DATATYPE"));
        let wide = DataType::parse("DECIMAL(39,0)").unwrap_err();
        assert_eq!(wide.error_class(), Some("DECIMAL_PRECISION_EXCEEDS_MAX_PRECISION"));
        assert!(DataType::parse("DECIMAL(3,4)").is_err());
    }

    #[test]
    fn nesting_has_a_bound() {
        let deep = "ARRAY<".repeat(10_000);
        assert!(DataType::parse(&deep).unwrap_err().is_limit());
    }
}
