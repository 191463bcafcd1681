//! Any bytes as the rows of a table: CSV, JSON and lines of text, under options that the first bytes choose.
//!
//! What must hold, whatever the bytes are:
//! * in chunks and blocks of any size the rows, the counts and the error are the same;
//! * PERMISSIVE, DROPMALFORMED and FAILFAST agree on which records are malformed;
//! * a line of text is a row, and what a regular expression finds in it does not depend on its neighbours.

use firesteel_core::{
    Error, Result,
    block::{BlockRef, Value},
    plan::OutputMode,
    schema::Schema,
    sql::{StatementKind, parse},
    time::TimeZone,
};
use firesteel_io::format::{Decoder, Format, Options};

use super::{
    input::Input,
    queries::{self, Job, Tables},
};

const FLAT: &str = "i INT, s STRING, t TIMESTAMP, x DOUBLE, m DECIMAL(10,3), d DATE, o BOOLEAN, n TIMESTAMP_NTZ";
const NESTED: &str = "i INT, s STRING, t TIMESTAMP, x DOUBLE, m DECIMAL(10,3), d DATE, o BOOLEAN, \
     p ARRAY<STRUCT<x: FLOAT, y: BOOLEAN>>, q STRUCT<i: BIGINT, b: BINARY>";
const CORRUPT: &str = ", _corrupt_record STRING";

type Pairs = Vec<(&'static str, &'static str)>;

/// Bytes as CSV.
pub fn csv(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let mut options = Pairs::new();
    let flags = ["header", "multiLine", "ignoreLeadingWhiteSpace", "ignoreTrailingWhiteSpace", "enforceSchema"];
    choose_flags(&mut options, &flags, input.byte());
    let choices = input.half();
    choose(&mut options, "sep", &["", "||", ";", "\t"], choices);
    choose(&mut options, "quote", &["", "'"], choices >> 2);
    choose(&mut options, "escape", &["", "\""], choices >> 3);
    choose(&mut options, "comment", &["", "#"], choices >> 4);
    choose(&mut options, "nullValue", &["", "-"], choices >> 5);
    choose(&mut options, "lineSep", &["", "\r\n", "\n", ";"], choices >> 6);
    choose(&mut options, "timestampFormat", &["", "dd/MM/yyyy HH:mm[:ss]"], choices >> 8);
    choose(&mut options, "maxColumns", &["", "3"], choices >> 9);
    let schema = [FLAT.to_string(), FLAT.to_string() + CORRUPT][usize::from(choices >> 10) % 2].clone();
    Table { format: Format::Csv, schema, options }.check(input);
}

/// Bytes as JSON.
pub fn json(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let mut options = Pairs::new();
    let flags = [
        "multiLine",
        "allowComments",
        "allowUnquotedFieldNames",
        "allowSingleQuotes",
        "allowNumericLeadingZeros",
        "allowBackslashEscapingAnyCharacter",
        "allowUnquotedControlChars",
        "primitivesAsString",
    ];
    choose_flags(&mut options, &flags, input.byte());
    let choices = input.half();
    choose(&mut options, "allowNonNumericNumbers", &["", "true", "false"], choices);
    choose(&mut options, "lineSep", &["", "\r\n", ";"], choices >> 2);
    choose(&mut options, "timestampFormat", &["", "dd/MM/yyyy HH:mm[:ss]"], choices >> 4);
    choose(&mut options, "dateFormat", &["", "d.M.yy"], choices >> 5);
    let schema =
        [FLAT.to_string(), NESTED.to_string(), NESTED.to_string() + CORRUPT][usize::from(choices >> 6) % 3].clone();
    Table { format: Format::Json, schema, options }.check(input);
}

/// The flags whose bits are set.
fn choose_flags(options: &mut Pairs, names: &[&'static str], bits: u8) {
    options.extend(names.iter().enumerate().filter(|(i, _)| bits >> i & 1 == 1).map(|(_, &name)| (name, "true")));
}

/// One of these values, of which the empty one is the default.
fn choose(options: &mut Pairs, name: &'static str, values: &[&'static str], bits: u16) {
    let value = values[usize::from(bits & 3) % values.len()];
    if !value.is_empty() {
        options.push((name, value));
    }
}

struct Table {
    format: Format,
    schema: String,
    options: Pairs,
}

/// What came of a file.
#[derive(Debug, PartialEq)]
struct Answer {
    rows: Vec<String>,
    malformed: u64,
    lines: u64,
}

impl Table {
    fn check(&self, mut input: Input<'_>) {
        let (chunk, block_rows) = (1 + usize::from(input.byte()) % 64, 1 + usize::from(input.byte()) % 8);
        let bytes = input.rest();
        let permissive = self.read("PERMISSIVE", bytes, usize::MAX, 1000);
        for (chunk, block_rows) in [(chunk, block_rows), (1, 3)] {
            assert_eq!(self.read("PERMISSIVE", bytes, chunk, block_rows), permissive, "in chunks of {chunk}: {self:?}");
        }
        let Ok(permissive) = permissive else { return };
        let dropping = self.read("DROPMALFORMED", bytes, chunk, block_rows);
        let dropping = dropping.unwrap_or_else(|error| panic!("only FAILFAST fails: {error}"));
        assert_eq!(dropping.malformed, permissive.malformed, "{self:?}");
        assert_eq!(dropping.rows.len() as u64 + dropping.malformed, permissive.rows.len() as u64, "{self:?}");
        let strict = self.read("FAILFAST", bytes, chunk, block_rows);
        assert_eq!(strict.is_err(), permissive.malformed > 0, "{strict:?} {self:?}");
    }

    /// The rows of a file in chunks of so many bytes, and blocks of so many rows.
    fn read(&self, mode: &str, bytes: &[u8], chunk: usize, block_rows: usize) -> Result<Answer> {
        let schema = Schema::parse_ddl(&self.schema)?;
        let options = Options::from_iter(self.options.iter().copied().chain([("mode", mode)]));
        let needed = vec![true; schema.len()];
        let mut decoder = Decoder::new(self.format, &schema, &options, &needed, &TimeZone::UTC)?.block_rows(block_rows);
        let mut rows = Vec::new();
        let mut sink = |block: &BlockRef<'_>| {
            assert!((1..=block_rows).contains(&block.len()), "{} rows in a block", block.len());
            rows.extend(queries::values(block, schema.len()).iter().map(|row| format!("{row:?}")));
            Ok(())
        };
        decoder.begin_file("file");
        bytes.chunks(chunk).try_for_each(|part| decoder.push(part, &mut sink))?;
        decoder.end_file(&mut sink)?;
        decoder.flush(&mut sink)?;
        assert_eq!(decoder.rows(), rows.len() as u64, "rows are counted");
        Ok(Answer { rows, malformed: decoder.malformed().total(), lines: decoder.lines() })
    }
}

impl std::fmt::Debug for Table {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?} {:?} {}", self.format, self.options, self.schema)
    }
}

/// Bytes as a pattern and the lines of a log.
pub fn text(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let (choices, chunk, block_rows) = (input.byte(), 1 + usize::from(input.byte()), 1 + usize::from(input.byte()) % 8);
    let mut options = Pairs::new();
    choose(&mut options, "wholetext", &["", "true", "", ""], choices.into());
    choose(&mut options, "lineSep", &["", "\n", "\r\n", "; "], u16::from(choices) >> 2);
    let table = Table { format: Format::Text, schema: "value STRING".into(), options };
    let pattern = String::from_utf8_lossy(input.line()).into_owned();
    let lines = input.rest();
    let whole = table.read("PERMISSIVE", lines, usize::MAX, 1000).expect("lines are always rows");
    assert_eq!(table.read("PERMISSIVE", lines, chunk, block_rows).as_ref(), Ok(&whole), "{table:?}");
    assert_eq!(whole.malformed, 0, "no line is malformed");
    if !table.options.iter().any(|(name, _)| *name == "wholetext") {
        assert_eq!(whole.rows.len() as u64, whole.lines, "{table:?}");
    }
    let values: Vec<Vec<Value>> = lines.split(|&byte| byte == b'\n').map(line_value).collect();
    let Ok(job) = find(FINDERS[usize::from(choices >> 4) % FINDERS.len()], &pattern) else { return };
    let found = answer(&job, &values, 1000);
    assert_eq!(answer(&job, &values, block_rows), found, "{pattern:?} in blocks of {block_rows}");
    if let Ok(found) = found {
        assert_eq!(found.len(), values.len().min(1000), "a row for each line");
    }
}

fn line_value(line: &[u8]) -> Vec<Value> {
    vec![Value::String(String::from_utf8_lossy(line).into_owned())]
}

/// What SQL does with a pattern; `?` stands for it.
const FINDERS: [&str; 7] = [
    "value RLIKE ?",
    "regexp_extract(value, ?, 1)",
    "regexp_replace(value, ?, '<$0>')",
    "regexp_count(value, ?)",
    "split(value, ?)",
    "value LIKE ?",
    "regexp_instr(value, ?)",
];

fn find(finder: &str, pattern: &str) -> Result<Job> {
    let pattern = pattern.replace('\\', "\\\\").replace('\'', "\\'");
    let text = format!("SELECT {} FROM log", finder.replacen('?', &format!("'{pattern}'"), 1));
    let statement = parse(&text, &|_| None)?.remove(0);
    let StatementKind::Query(query) = statement.kind else { return Err(Error::internal("no query")) };
    Job::new(&query, &Tables::new(&[("log", "value STRING")]), OutputMode::Append)
}

fn answer(job: &Job, values: &[Vec<Value>], block_rows: usize) -> Result<Vec<Vec<Value>>, String> {
    let mut driver = job.driver(block_rows).map_err(|error| error.to_string())?;
    queries::epoch(job, &mut driver, &|_| values.to_vec(), block_rows).map_err(|error| error.to_string())
}
