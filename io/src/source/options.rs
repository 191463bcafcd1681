//! Options of a table as numbers, sizes, durations and flags; each mistake names the option and shows how to write it.

use std::time::Duration;

use firesteel_core::{Error, Result, plan::Table};

/// A yes-or-no option.
pub fn flag(table: &Table, name: &str, default: bool) -> Result<bool> {
    match table.option(name) {
        None => Ok(default),
        Some(text) if text.trim().eq_ignore_ascii_case("true") => Ok(true),
        Some(text) if text.trim().eq_ignore_ascii_case("false") => Ok(false),
        Some(text) => Err(wrong(name, text, "must be true or false")),
    }
}

/// A whole number of at least `least`.
pub fn number(table: &Table, name: &str, least: i64) -> Result<Option<i64>> {
    let Some(text) = table.option(name) else { return Ok(None) };
    match text.trim().parse::<i64>() {
        Ok(number) if number >= least => Ok(Some(number)),
        _ => Err(wrong(name, text, &format!("must be a whole number of at least {least}"))),
    }
}

/// A size, at least one byte: `1000`, `64k`, `64MB`, `1.5 GiB`; multiples of 1024.
pub fn bytes(table: &Table, name: &str) -> Result<Option<u64>> {
    let Some(text) = table.option(name) else { return Ok(None) };
    let (number, unit) = split_unit(text);
    let shift = match unit.trim_end_matches("ib").trim_end_matches('b') {
        "" => Some(0),
        "k" => Some(10),
        "m" => Some(20),
        "g" => Some(30),
        "t" => Some(40),
        _ => None,
    };
    let size = number.zip(shift).map(|(number, shift)| (number * (1_u64 << shift) as f64) as u64);
    match size.filter(|size| *size > 0) {
        Some(size) => Ok(Some(size)),
        None => Err(wrong(name, text, "must be a size like 4096, 512k or 64MB")),
    }
}

/// A duration: `100ms`, `5 seconds`, `7d`, `1 week`. A number without unit is `bare` (Spark's habit differs from option
/// to option).
pub fn duration(table: &Table, name: &str, bare: Duration) -> Result<Option<Duration>> {
    let Some(text) = table.option(name) else { return Ok(None) };
    match parse_duration(text, bare) {
        Some(duration) => Ok(Some(duration)),
        None => Err(wrong(name, text, "must be a duration like '100ms', '5 seconds' or '2 minutes'")),
    }
}

/// A number and a unit of time; without a unit, of `bare`.
pub fn parse_duration(text: &str, bare: Duration) -> Option<Duration> {
    let (number, unit) = split_unit(text);
    let seconds = match unit.as_str() {
        "" => Some(bare.as_secs_f64()),
        "us" | "microsecond" | "microseconds" => Some(1e-6),
        "ms" | "millisecond" | "milliseconds" => Some(1e-3),
        "s" | "sec" | "second" | "seconds" => Some(1.0),
        "m" | "min" | "minute" | "minutes" => Some(60.0),
        "h" | "hour" | "hours" => Some(3_600.0),
        "d" | "day" | "days" => Some(86_400.0),
        "w" | "week" | "weeks" => Some(604_800.0),
        _ => None,
    };
    number.zip(seconds).and_then(|(number, unit)| Duration::try_from_secs_f64(number * unit).ok())
}

/// The option `path`, which the provider cannot do without.
pub fn path(table: &Table) -> Result<&str> {
    table.option("path").filter(|path| !path.is_empty()).ok_or_else(|| {
        Error::invalid(format!("table {} has no option `path`", table.name))
            .hint(format!("say where it is: USING {} OPTIONS (path '...')", table.provider))
    })
}

/// An option whose value will not do.
pub fn wrong(name: &str, value: &str, rule: &str) -> Error {
    Error::invalid(format!("option {name}: '{value}' {rule}"))
}

fn split_unit(text: &str) -> (Option<f64>, String) {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    (text[..digits].parse().ok(), text[digits..].trim().to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(value: &str) -> Table {
        Table { name: "t".into(), options: vec![("X".into(), value.into())], ..Table::default() }
    }

    #[test]
    fn values_are_read_with_their_units() {
        let ms = Duration::from_millis;
        for (text, expected) in [("100ms", ms(100)), ("5 seconds", ms(5000)), ("1 week", ms(604_800_000)), ("2", ms(2))]
        {
            assert_eq!(duration(&table(text), "x", ms(1)).unwrap(), Some(expected), "{text}");
        }
        for (text, expected) in [("1000", 1000), ("64k", 65_536), ("1.5 MiB", 3 << 19), ("2GB", 2 << 30)] {
            assert_eq!(bytes(&table(text), "x").unwrap(), Some(expected), "{text}");
        }
        assert_eq!(number(&table("7"), "x", 1).unwrap(), Some(7));
        assert_eq!(number(&table("7"), "y", 1).unwrap(), None);
        assert!(flag(&table("TRUE"), "x", false).unwrap());
    }

    #[test]
    fn mistakes_name_the_option() {
        for text in ["", "-1", "many", "5 parsecs", "0x10"] {
            let errors = [
                duration(&table(text), "x", Duration::from_secs(1)).map(drop),
                bytes(&table(text), "x").map(drop),
                number(&table(text), "x", 1).map(drop),
                flag(&table(text), "x", true).map(drop),
            ];
            for error in errors {
                let error = error.unwrap_err();
                assert!(error.is_invalid_job() && error.message().contains("option x: "), "{error}");
            }
        }
    }
}
