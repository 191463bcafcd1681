//! Errors as a person reads them: the message, the place, the line with a mark under it, and what to try.
//!
//! ```text
//! error: [PARSE_SYNTAX_ERROR] expected the end of the statement, found `t`
//!   --> job.sql:3:15
//!    |
//!  3 | SELECT a FORM t
//!    |               ^
//! hint: did you mean FROM instead of FORM?
//! ```

use alloc::{
    format,
    string::{String, ToString},
};

use crate::error::{Error, Span};

/// Longest part of a line that is shown: longer ones are cut around the place.
const SHOWN_MAX: usize = 160;

/// An error about the text of a file, in lines without colours; the last one ends with a line break.
pub fn render(error: &Error, file: &str, text: &str) -> String {
    let mut out = format!("error: {error}\n");
    if let Some(span) = error.span() {
        out += &format!("  --> {file}:{}:{}\n", span.line, span.column);
        if let Some(line) = text.lines().nth(span.line.saturating_sub(1) as usize) {
            out += &marked(line, span);
        }
    }
    if let Some(hint) = error.hint_text() {
        out += &format!("hint: {hint}\n");
    }
    out
}

/// The line, and carets under the part of it that is meant. Tabs stay tabs in both, so that they line up.
fn marked(line: &str, span: Span) -> String {
    let first = span.column.saturating_sub(1) as usize;
    let length = line.chars().count();
    let end = if span.end_line > span.line { length } else { (span.end_column as usize).min(length) };
    let from = if length > SHOWN_MAX { first.saturating_sub(SHOWN_MAX / 2) } else { 0 };
    let shown: String = line.chars().skip(from).take(SHOWN_MAX).map(visible).collect();
    let blank: String = line.chars().skip(from).take(first.saturating_sub(from)).map(blank).collect();
    let width: usize = line.chars().skip(first).take(end.saturating_sub(first)).map(width).sum();
    let carets = "^".repeat(width.clamp(1, SHOWN_MAX));
    let number = span.line.to_string();
    let margin = " ".repeat(number.len());
    format!(" {margin} |\n {number} | {shown}\n {margin} | {blank}{carets}\n")
}

/// Characters that would move the cursor about are shown as one that does not.
fn visible(c: char) -> char {
    if c.is_control() && c != '\t' { '\u{fffd}' } else { c }
}

/// What stands above a caret's left in place of a character.
fn blank(c: char) -> &'static str {
    match c {
        '\t' => "\t",
        c if width(c) == 2 => "  ",
        _ => " ",
    }
}

/// Columns that a terminal gives to a character: two for the wide ones of East Asia and for emoji.
fn width(c: char) -> usize {
    let wide = matches!(u32::from(c),
        0x1100..=0x115F | 0x2E80..=0xA4CF | 0xAC00..=0xD7A3 | 0xF900..=0xFAFF | 0xFE30..=0xFE6F
        | 0xFF00..=0xFF60 | 0xFFE0..=0xFFE6 | 0x1F300..=0x1F64F | 0x1F900..=0x1F9FF | 0x20000..=0x3FFFD);
    if wide { 2 } else { 1 }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;

    fn at(line: u32, column: u32, end_line: u32, end_column: u32) -> Option<Span> {
        Some(Span { line, column, end_line, end_column })
    }

    #[test]
    fn the_place_is_marked_below_its_line() {
        let error = Error::invalid("no column `vv`").class("X_Y").at(at(2, 8, 2, 9)).hint("did you mean v?");
        assert_eq!(
            render(&error, "job.sql", "-- job\nSELECT vv FROM t\n"),
            "error: [X_Y] no column `vv`\n  --> job.sql:2:8\n   |\n 2 | SELECT vv FROM t\n   |        ^^\n\
             hint: did you mean v?\n"
        );
    }

    #[test]
    fn tabs_wide_characters_and_line_ends_keep_the_marks_in_place() {
        let cases = [
            ("\tSELECT x", at(1, 9, 1, 9), "   | \t       ^"),
            ("'漢字' x", at(1, 6, 1, 6), "   |        ^"),
            ("ä ö x", at(1, 5, 1, 5), "   |     ^"),
            ("SELECT (a", at(1, 8, 3, 1), "   |        ^^"),
            ("x", at(1, 2, 1, 2), "   |  ^"),
            ("x\r", at(1, 1, 1, 1), "   | ^"),
        ];
        for (text, span, marks) in cases {
            let lines = render(&Error::invalid("e").at(span), "f", text);
            assert_eq!(lines.lines().last().unwrap(), marks, "{text}");
        }
    }

    #[test]
    fn places_outside_the_text_and_errors_without_place_are_fine() {
        assert_eq!(render(&Error::invalid("e").at(at(9, 1, 9, 1)), "f", "x"), "error: e\n  --> f:9:1\n");
        assert_eq!(render(&Error::io("gone"), "f", "x"), "error: gone\n");
    }

    #[test]
    fn long_lines_are_cut_around_the_place() {
        let text = "a".repeat(1000) + "X" + &"b".repeat(1000);
        let lines = render(&Error::invalid("e").at(at(1, 1001, 1, 1001)), "f", &text);
        let shown: Vec<&str> = lines.lines().skip(3).collect();
        let column = shown[1].find('^').unwrap();
        assert_eq!(&shown[0][column..=column], "X");
        assert!(shown[0].len() < 200);
    }
}
