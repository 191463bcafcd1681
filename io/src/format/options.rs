//! Options of a table or reader: Spark's names in any case, values as text. Unknown names are ignored, as Spark
//! ignores them, but one that is nearly a known name is worth a warning.

use firesteel_core::{
    Error, Result,
    time::{TimeZone, pattern::Pattern, zone},
};

use super::Format;

/// Options of one table.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Options {
    pairs: Vec<(String, String)>,
}

impl<K: Into<String>, V: Into<String>> FromIterator<(K, V)> for Options {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(pairs: I) -> Self {
        Self { pairs: pairs.into_iter().map(|(k, v)| (k.into(), v.into())).collect() }
    }
}

/// What becomes of a malformed record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(super) enum Mode {
    /// What cannot be read is NULL.
    #[default]
    Permissive,
    /// The record is left out.
    DropMalformed,
    /// The query fails.
    FailFast,
}

impl Options {
    /// The value of an option; the last one if it was given twice.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.pairs.iter().rev().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// The value of the first of these names that was given.
    pub(super) fn get_any(&self, names: &[&str]) -> Option<&str> {
        names.iter().find_map(|name| self.get(name))
    }

    /// A yes-or-no option.
    pub(super) fn flag(&self, name: &str, default: bool) -> Result<bool> {
        match self.get(name) {
            None => Ok(default),
            Some(value) if value.eq_ignore_ascii_case("true") => Ok(true),
            Some(value) if value.eq_ignore_ascii_case("false") => Ok(false),
            Some(value) => Err(Error::invalid(format!("the option {name} must be true or false, not {value:?}"))),
        }
    }

    /// An option of one ASCII character; nothing if it is empty or NUL.
    pub(super) fn character(&self, name: &str, default: Option<u8>) -> Result<Option<u8>> {
        match self.get(name).map(str::as_bytes) {
            None => Ok(default),
            Some([] | [0]) => Ok(None),
            Some(&[byte]) if byte.is_ascii() => Ok(Some(byte)),
            Some(_) => Err(Error::invalid(format!("the option {name} must be one ASCII character"))),
        }
    }

    /// An option that is a datetime pattern to parse with.
    pub(super) fn pattern(&self, name: &str) -> Result<Option<Pattern>> {
        self.get(name).map(Pattern::for_parsing).transpose().map_err(|e| e.context(format!("option {name}")))
    }

    /// The zone of clock readings without zone: the option `timeZone`, else the session's.
    pub(super) fn zone(&self, session: &TimeZone) -> Result<TimeZone> {
        match self.get("timeZone") {
            None => Ok(session.clone()),
            Some(name) => zone::find(name).ok_or_else(|| Error::invalid(format!("there is no time zone {name:?}"))),
        }
    }

    /// Spark takes an unknown mode for PERMISSIVE.
    pub(super) fn mode(&self) -> Mode {
        match self.get("mode").map(str::to_ascii_uppercase).as_deref() {
            Some("DROPMALFORMED") => Mode::DropMalformed,
            Some("FAILFAST") => Mode::FailFast,
            _ => Mode::Permissive,
        }
    }

    /// Spark, too, only warns of it.
    fn strange_mode(&self) -> Option<String> {
        let mode = self.get("mode").filter(|_| self.mode() == Mode::Permissive)?;
        let is_known = mode.eq_ignore_ascii_case("PERMISSIVE");
        (!is_known).then(|| format!("the mode {mode:?} is not PERMISSIVE, DROPMALFORMED or FAILFAST; it is PERMISSIVE"))
    }

    /// The name of the column that takes malformed records.
    pub(super) fn corrupt_record_column(&self) -> &str {
        self.get("columnNameOfCorruptRecord").unwrap_or("_corrupt_record")
    }

    /// What ends a record, if not any of LF, CR and CRLF.
    pub(super) fn line_separator(&self, format: Format) -> Result<Option<Vec<u8>>> {
        match self.get("lineSep") {
            None => Ok(None),
            Some("") => Err(Error::invalid("the option lineSep must not be empty")),
            Some(text) if format == Format::Csv && text.chars().count() > 2 => {
                Err(Error::invalid("the option lineSep can contain only 1 character"))
            }
            Some(text) => Ok(Some(text.into())),
        }
    }

    /// Only UTF-8 is read.
    pub(super) fn check_encoding(&self) -> Result<()> {
        let encoding = self.get_any(&["encoding", "charset"]).unwrap_or("UTF-8");
        if ["UTF-8", "UTF8", "US-ASCII"].iter().any(|name| encoding.eq_ignore_ascii_case(name)) {
            return Ok(());
        }
        let message = format!("the encoding {encoding:?} is not supported");
        Err(Error::unsupported("UNSUPPORTED_FEATURE", message).hint("convert the files to UTF-8"))
    }

    /// Names that are nearly those of options of this format, and so do nothing: a line for the user each.
    pub fn warnings(&self, format: Format) -> Vec<String> {
        let known = || COMMON.iter().chain(known_names(format));
        let unknown = self.pairs.iter().filter(|(key, _)| !known().any(|name| name.eq_ignore_ascii_case(key)));
        let unknown = unknown.filter_map(|(key, _)| {
            let near = known().find(|name| is_near(key, name))?;
            Some(format!("the option {key:?} is not known and is ignored; did you mean {near:?}?"))
        });
        unknown.chain(self.strange_mode()).collect()
    }
}

fn known_names(format: Format) -> &'static [&'static str] {
    match format {
        Format::Csv => &CSV,
        Format::Json => &JSON,
        Format::Text => &["wholetext"],
    }
}

/// Options of every file source.
const COMMON: [&str; 30] = [
    "path",
    "paths",
    "maxFilesPerTrigger",
    "maxBytesPerTrigger",
    "latestFirst",
    "maxFileAge",
    "fileNameOnly",
    "maxCachedFiles",
    "discardCachedInputRatio",
    "cleanSource",
    "sourceArchiveDir",
    "pathGlobFilter",
    "recursiveFileLookup",
    "modifiedBefore",
    "modifiedAfter",
    "ignoreMissingFiles",
    "ignoreCorruptFiles",
    "basePath",
    "mergeSchema",
    "inferSchema",
    "samplingRatio",
    "compression",
    "codec",
    "encoding",
    "charset",
    "lineSep",
    "locale",
    "timeZone",
    "idleTimeout",
    "partitionOverwriteMode",
];

const CSV: [&str; 31] = [
    "sep",
    "delimiter",
    "quote",
    "escape",
    "comment",
    "header",
    "enforceSchema",
    "ignoreLeadingWhiteSpace",
    "ignoreTrailingWhiteSpace",
    "nullValue",
    "emptyValue",
    "nanValue",
    "positiveInf",
    "negativeInf",
    "dateFormat",
    "timestampFormat",
    "timestampNTZFormat",
    "enableDateTimeParsingFallback",
    "preferDate",
    "maxColumns",
    "maxCharsPerColumn",
    "mode",
    "columnNameOfCorruptRecord",
    "multiLine",
    "charToEscapeQuoteEscaping",
    "unescapedQuoteHandling",
    "escapeQuotes",
    "quoteAll",
    "inputBufferSize",
    "columnPruning",
    "timeFormat",
];

const JSON: [&str; 25] = [
    "primitivesAsString",
    "prefersDecimal",
    "allowComments",
    "allowUnquotedFieldNames",
    "allowSingleQuotes",
    "allowNumericLeadingZeros",
    "allowNonNumericNumbers",
    "allowBackslashEscapingAnyCharacter",
    "allowUnquotedControlChars",
    "mode",
    "columnNameOfCorruptRecord",
    "dateFormat",
    "timestampFormat",
    "timestampNTZFormat",
    "enableDateTimeParsingFallback",
    "multiLine",
    "dropFieldIfAllNull",
    "ignoreNullFields",
    "writeNonAsciiCharacterAsCodePoint",
    "maxNestingDepth",
    "maxNumLen",
    "maxStringLen",
    "pretty",
    "singleVariantColumn",
    "timeFormat",
];

/// Whether two names are within two typing errors, ignoring case. Short names allow one.
fn is_near(a: &str, b: &str) -> bool {
    let (a, b) = (a.to_ascii_lowercase(), b.to_ascii_lowercase());
    let allowed = if b.len() < 5 { 1 } else { 2 };
    a.len().abs_diff(b.len()) <= allowed && edit_distance(a.as_bytes(), b.as_bytes()) <= allowed
}

fn edit_distance(a: &[u8], b: &[u8]) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, y) in b.iter().enumerate() {
            let substituted = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_ignore_case_and_the_last_value_counts() {
        let options = Options::from_iter([("Header", "false"), ("HEADER", "TRUE"), ("sep", ";")]);
        assert_eq!(options.flag("header", false), Ok(true));
        assert_eq!(options.get_any(&["delimiter", "sep"]), Some(";"));
        assert!(Options::from_iter([("header", "yes")]).flag("header", false).is_err());
    }

    #[test]
    fn near_misses_are_named() {
        let options = Options::from_iter([("headr", "true"), ("header", "true"), ("whatever", "1"), ("path", "x")]);
        let warnings = options.warnings(Format::Csv);
        assert_eq!(warnings.len(), 1);
        assert!(warnings[0].contains("\"headr\"") && warnings[0].contains("\"header\""), "{warnings:?}");
        assert!(Options::from_iter([("timestampformat", "y")]).warnings(Format::Json).is_empty());
    }
}
