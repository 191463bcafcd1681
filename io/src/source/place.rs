//! Reading the positions that checkpoints remember. Their bytes come from a file: each value is checked, and what is
//! wrong is an error that names it.

use firesteel_core::{Error, Result};
use serde_json::{Map, Value as Json};

/// The fields of a position.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    kind: &'static str,
    fields: &'a Map<String, Json>,
}

impl<'a> Place<'a> {
    /// A position that a table of this kind has given; `None` if it is `null`: at the very beginning.
    pub fn open(kind: &'static str, position: &'a Json) -> Result<Option<Self>> {
        match position {
            Json::Null => Ok(None),
            Json::Object(fields) => Ok(Some(Self { kind, fields })),
            other => Err(unfit(kind, format!("{} is no position", short(other)))),
        }
    }

    /// A whole number.
    pub fn int(self, name: &str) -> Result<i64> {
        let value = self.get(name)?;
        value.as_i64().ok_or_else(|| self.wrong(name, "a whole number", value))
    }

    /// A whole number that is not negative; more than `i64::MAX` is none.
    pub fn count(self, name: &str) -> Result<u64> {
        let value = self.get(name)?;
        as_count(value).ok_or_else(|| self.wrong(name, "a count", value))
    }

    /// What is named inside.
    pub fn object(self, name: &str) -> Result<&'a Map<String, Json>> {
        let value = self.get(name)?;
        value.as_object().ok_or_else(|| self.wrong(name, "an object", value))
    }

    /// An error about a value.
    pub fn wrong(self, name: &str, expected: &str, found: &Json) -> Error {
        self.unfit(format!("\"{name}\" is {}, expected {expected}", short(found)))
    }

    /// An error about all of it.
    pub fn unfit(self, what: String) -> Error {
        unfit(self.kind, what)
    }

    fn get(self, name: &str) -> Result<&'a Json> {
        self.fields.get(name).ok_or_else(|| self.unfit(format!("it has no \"{name}\"")))
    }
}

/// A whole number that is not negative and not beyond what a row number or an offset can ever be.
pub fn as_count(value: &Json) -> Option<u64> {
    value.as_u64().filter(|count| i64::try_from(*count).is_ok())
}

fn unfit(kind: &str, what: String) -> Error {
    Error::corrupt(format!("the position is not one of a table of {kind}: {what}"))
        .hint("a checkpoint belongs to the job that wrote it; begin anew with another checkpoint folder")
}

/// A value as text that fits a message.
fn short(value: &Json) -> String {
    let text = value.to_string();
    match text.char_indices().nth(40) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn mistakes_name_the_field_and_what_was_found() {
        let position = json!({"a": -1, "b": u64::MAX, "c": [1], "d": "x".repeat(100), "e": 1.5});
        let place = Place::open("rows", &position).unwrap().unwrap();
        let cases = [
            (place.count("a").map(|_| ()), "\"a\" is -1"),
            (place.count("b").map(|_| ()), "\"b\" is 18446744073709551615"),
            (place.int("e").map(|_| ()), "\"e\" is 1.5"),
            (place.object("c").map(|_| ()), "\"c\" is [1]"),
            (place.object("d").map(|_| ()), "xxx..."),
            (place.int("f").map(|_| ()), "has no \"f\""),
        ];
        for (result, expected) in cases {
            let error = result.unwrap_err();
            assert!(error.is_corrupt() && error.message().contains(expected), "{error}");
            assert!(error.message().contains("a table of rows"), "{error}");
        }
        assert_eq!(place.int("a").unwrap(), -1);
        assert!(Place::open("rows", &Json::Null).unwrap().is_none());
        assert!(Place::open("rows", &json!(7)).is_err());
    }
}
