//! The command line: what each verb takes is described once, as data; reading, help and the errors of whoever mistypes
//! follow from the description. Everything is a constant: nothing is built to read a command line of ten words.

mod help;

use std::{ffi::OsString, path::PathBuf, str::FromStr};

use firesteel_core::{Error, Result, expr::suggest};

use crate::exit::Failure;

/// A word that says what to do.
pub struct Verb {
    pub name: &'static str,
    pub about: &'static str,
    pub takes: Takes,
}

/// What follows a verb.
pub enum Takes {
    /// Another one.
    Verbs(&'static [Verb]),
    /// What it needs, and what it may be given.
    Arguments { operand: Option<Operand>, flags: &'static [&'static [Flag]], run: fn(&Given) -> Result<(), Failure> },
}

/// A word without a flag, which must be there.
pub struct Operand {
    pub name: &'static str,
    pub help: &'static str,
}

/// `--name` or `--name VALUE`.
pub struct Flag {
    pub name: &'static str,
    pub value: Value,
    pub help: &'static str,
}

/// What follows a flag. The first text is what help calls it.
pub enum Value {
    None,
    Any(&'static str),
    /// If the flag is not there, it has this value.
    Default(&'static str, &'static str),
    /// The flag may be repeated.
    Many(&'static str),
    /// One of these words, the first unless the flag is there.
    OneOf(&'static str, &'static [&'static str]),
}

impl Flag {
    fn is_many(&self) -> bool {
        matches!(self.value, Value::Many(_))
    }

    /// What help calls its value.
    fn value_name(&self) -> Option<&'static str> {
        match self.value {
            Value::None => None,
            Value::Any(name) | Value::Default(name, _) | Value::Many(name) | Value::OneOf(name, _) => Some(name),
        }
    }

    fn default(&self) -> Option<&'static str> {
        match self.value {
            Value::Default(_, text) => Some(text),
            Value::OneOf(_, words) => words.first().copied(),
            _ => None,
        }
    }
}

/// What a verb was given.
pub struct Given {
    operand: OsString,
    flags: Vec<(&'static Flag, OsString)>,
    known: &'static [&'static [Flag]],
}

/// What a command line asks for.
pub enum Asked {
    /// A text to read.
    Text(String),
    /// Something to do.
    Run(fn(&Given) -> Result<(), Failure>, Given),
}

/// Reads a command line without its first word, the program's name.
pub fn read(root: &'static Verb, words: impl IntoIterator<Item = OsString>) -> Result<Asked> {
    let mut words = words.into_iter();
    let (mut verb, mut path) = (root, vec![root.name]);
    while let Takes::Verbs(verbs) = verb.takes {
        let Some(word) = words.next() else { return Err(no_verb(&path, verbs)) };
        match word.to_str().unwrap_or_default() {
            "-h" | "--help" => return Ok(Asked::Text(help::of(verb, &path))),
            "-V" | "--version" => return Ok(Asked::Text(format!("{} {}\n", root.name, env!("CARGO_PKG_VERSION")))),
            "help" => {
                let (verb, path) = followed(verb, path, words)?;
                return Ok(Asked::Text(help::of(verb, &path)));
            }
            _ => (verb, path) = step(verbs, path, &word)?,
        }
    }
    let Takes::Arguments { operand, flags, run } = &verb.takes else { return Err(Error::internal("a verb of verbs")) };
    let read = Given::read(operand.as_ref(), flags, words);
    let read = read.map_err(|e| e.hint(format!("{} --help says what it takes", path.join(" "))))?;
    Ok(match read {
        Some(given) => Asked::Run(*run, given),
        None => Asked::Text(help::of(verb, &path)),
    })
}

/// The verb that a word names.
fn step(
    verbs: &'static [Verb],
    mut path: Vec<&'static str>,
    word: &OsString,
) -> Result<(&'static Verb, Vec<&'static str>)> {
    let word = word.to_string_lossy();
    let Some(verb) = verbs.iter().find(|verb| verb.name == word) else {
        let error = Error::invalid(format!("{} has no verb `{word}`", path.join(" ")));
        return Err(error.hint(match suggest::nearest(&word, verbs.iter().map(|verb| verb.name)) {
            Some(near) => format!("did you mean {near}?"),
            None => format!("{} --help lists them", path.join(" ")),
        }));
    };
    path.push(verb.name);
    Ok((verb, path))
}

/// `help ring append`
fn followed(
    mut verb: &'static Verb,
    mut path: Vec<&'static str>,
    words: impl Iterator<Item = OsString>,
) -> Result<(&'static Verb, Vec<&'static str>)> {
    for word in words {
        let Takes::Verbs(verbs) = verb.takes else { break };
        (verb, path) = step(verbs, path, &word)?;
    }
    Ok((verb, path))
}

fn no_verb(path: &[&str], verbs: &[Verb]) -> Error {
    let names: Vec<&str> = verbs.iter().map(|verb| verb.name).collect();
    Error::invalid(format!("{} what? There are {}", path.join(" "), names.join(", ")))
        .hint(format!("{} --help says what each is for", path.join(" ")))
}

impl Given {
    /// `None` if help is asked for.
    fn read(
        operand: Option<&Operand>,
        known: &'static [&'static [Flag]],
        words: impl Iterator<Item = OsString>,
    ) -> Result<Option<Self>> {
        let mut given = Self { operand: OsString::new(), flags: Vec::new(), known };
        let (mut words, mut operands, mut only_operands) = (words, Vec::new(), false);
        while let Some(word) = words.next() {
            match word.to_str().unwrap_or_default() {
                "--" if !only_operands => only_operands = true,
                "-h" | "--help" if !only_operands => return Ok(None),
                text if text.len() > 1 && text.starts_with('-') && !only_operands => given.flag(text, &mut words)?,
                _ => operands.push(word),
            }
        }
        match (operand, operands.as_slice()) {
            (Some(_), [one]) => given.operand.clone_from(one),
            (None, []) => {}
            (Some(Operand { name, .. }), []) => return Err(Error::invalid(format!("<{name}> is missing"))),
            (Some(_), [_, more, ..]) | (None, [more, ..]) => {
                return Err(Error::invalid(format!("`{}` is one word too many", more.to_string_lossy())));
            }
        }
        Ok(Some(given))
    }

    /// Takes a flag and its value: `--name VALUE` or `--name=VALUE`.
    fn flag(&mut self, text: &str, words: &mut impl Iterator<Item = OsString>) -> Result<()> {
        let (name, value) = text.split_once('=').map_or((text, None), |(name, value)| (name, Some(value)));
        let all = || self.known.iter().copied().flatten();
        let Some(flag) = name.strip_prefix("--").and_then(|name| all().find(|flag| flag.name == name)) else {
            let error = Error::invalid(format!("there is no {name}"));
            return Err(match suggest::nearest(name.trim_start_matches('-'), all().map(|flag| flag.name)) {
                Some(near) => error.hint(format!("did you mean --{near}?")),
                None => error,
            });
        };
        if !flag.is_many() && self.has(flag.name) {
            return Err(Error::invalid(format!("--{} is there twice", flag.name)));
        }
        let value = match (flag.value_name(), value) {
            (None, None) => OsString::new(),
            (None, Some(_)) => return Err(Error::invalid(format!("--{} takes no value", flag.name))),
            (Some(_), Some(value)) => value.into(),
            (Some(value_name), None) => words
                .next()
                .filter(|value| !value.to_string_lossy().starts_with("--"))
                .ok_or_else(|| Error::invalid(format!("--{} needs a value: --{0} <{value_name}>", flag.name)))?,
        };
        self.flags.push((flag, value));
        Ok(())
    }

    /// The word without a flag.
    pub fn operand(&self) -> PathBuf {
        self.operand.clone().into()
    }

    /// Whether a flag is there.
    pub fn has(&self, name: &str) -> bool {
        debug_assert!(self.known.iter().copied().flatten().any(|flag| flag.name == name), "no verb has --{name}");
        self.flags.iter().any(|(flag, _)| flag.name == name)
    }

    /// The value of a flag, or its default.
    pub fn text(&self, name: &str) -> Result<Option<String>> {
        Ok(self.parsed_all(name, |text| Ok(text.to_string()))?.pop())
    }

    /// The value of a flag that always has one, for it has a default.
    pub fn word(&self, name: &str) -> Result<String> {
        self.text(name)?.ok_or_else(|| Error::invalid(format!("--{name} is missing")))
    }

    /// The value of a flag, a file or folder.
    pub fn path(&self, name: &str) -> Option<PathBuf> {
        self.flags.iter().find(|(flag, _)| flag.name == name).map(|(_, value)| value.into())
    }

    /// The value of a flag as something else.
    pub fn parsed<T>(&self, name: &str, parse: impl Fn(&str) -> Result<T, String>) -> Result<Option<T>> {
        Ok(self.parsed_all(name, parse)?.pop())
    }

    /// The value of a flag that has a default, a number within bounds.
    pub fn number<T: FromStr + PartialOrd + std::fmt::Display>(&self, name: &str, least: T, most: T) -> Result<T> {
        let number = |text: &str| match text.parse() {
            Ok(number) if least <= number && number <= most => Ok(number),
            _ => Err(format!("write a whole number from {least} to {most}")),
        };
        self.parsed(name, number)?.ok_or_else(|| Error::invalid(format!("--{name} is missing")))
    }

    /// All values of a flag that may be repeated; of any other, its value or default.
    pub fn parsed_all<T>(&self, name: &str, parse: impl Fn(&str) -> Result<T, String>) -> Result<Vec<T>> {
        let value = |flag: &Flag, text: &str| {
            let words = if let Value::OneOf(_, words) = flag.value { words } else { &[] };
            let parsed = match words.is_empty() || words.contains(&text) {
                true => parse(text),
                false => Err(format!("write {}", one_of(words))),
            };
            parsed.map_err(|hint| Error::invalid(format!("--{name} cannot be `{text}`")).hint(hint))
        };
        let there = self.flags.iter().filter(|(flag, _)| flag.name == name);
        let mut all = there.map(|(flag, text)| value(flag, &text.to_string_lossy())).collect::<Result<Vec<T>>>()?;
        let flag = self.known.iter().copied().flatten().find(|flag| flag.name == name);
        if let (true, Some(flag)) = (all.is_empty(), flag)
            && let Some(default) = flag.default()
        {
            all.push(value(flag, default)?);
        }
        Ok(all)
    }
}

/// `a, b or c`
fn one_of(words: &[&str]) -> String {
    match words {
        [] => String::new(),
        [word] => (*word).into(),
        [words @ .., last] => format!("{} or {last}", words.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FLAGS: &[Flag] = &[
        Flag { name: "stream", value: Value::None, help: "A stream" },
        Flag { name: "set", value: Value::Many("NAME=VALUE"), help: "A variable" },
        Flag { name: "runs", value: Value::Default("N", "5"), help: "Runs" },
        Flag { name: "format", value: Value::OneOf("FORMAT", &["table", "json"]), help: "Looks" },
        Flag { name: "folder", value: Value::Any("DIR"), help: "Where" },
    ];
    const RUN: Verb = Verb {
        name: "run",
        about: "Runs a job",
        takes: Takes::Arguments {
            operand: Some(Operand { name: "JOB", help: "The job" }),
            flags: &[FLAGS],
            run: |_| Ok(()),
        },
    };
    static ROOT: Verb = Verb { name: "tool", about: "A tool", takes: Takes::Verbs(&[RUN]) };

    fn ask(line: &str) -> Result<Asked> {
        read(&ROOT, line.split_whitespace().map(OsString::from))
    }

    fn given(line: &str) -> Given {
        match ask(line) {
            Ok(Asked::Run(_, given)) => given,
            Ok(Asked::Text(text)) => panic!("{line}: {text}"),
            Err(error) => panic!("{line}: {error}"),
        }
    }

    #[test]
    fn flags_stand_anywhere_and_values_beside_or_behind_them() {
        let job = given("run --set a=1 job.sql --set=b=2=3 --stream --folder x");
        assert_eq!(job.operand(), PathBuf::from("job.sql"));
        assert_eq!(job.parsed_all("set", |s| Ok(s.to_string())).unwrap(), ["a=1", "b=2=3"]);
        assert_eq!(job.path("folder"), Some("x".into()));
        assert!(job.has("stream") && !given("run -").has("stream"));
        assert_eq!(given("run -").operand(), PathBuf::from("-"));
        assert_eq!(given("run -- --stream").operand(), PathBuf::from("--stream"));
        assert_eq!(given("run j --folder -x").path("folder"), Some("-x".into()));
    }

    #[test]
    fn flags_that_are_missing_have_their_defaults() {
        let job = given("run j");
        assert_eq!(job.number("runs", 1, 9).unwrap(), 5);
        assert_eq!(job.word("format").unwrap(), "table");
        assert_eq!(job.text("folder").unwrap(), None);
        assert_eq!(given("run j --runs 9").number("runs", 1, 9).unwrap(), 9);
    }

    #[test]
    fn mistakes_say_what_is_wrong_and_what_to_write() {
        let cases = [
            ("", "tool what? There are run", "tool --help"),
            ("rnu j", "no verb `rnu`", "did you mean run?"),
            ("run", "<JOB> is missing", "tool run --help"),
            ("run a b", "`b` is one word too many", "tool run --help"),
            ("run a --fromat json", "there is no --fromat", "did you mean --format?"),
            ("run a -x", "there is no -x", "tool run --help"),
            ("run a --stream=yes", "--stream takes no value", "tool run --help"),
            ("run a --folder --stream", "--folder needs a value: --folder <DIR>", "tool run --help"),
            ("run a --runs 1 --runs 2", "--runs is there twice", "tool run --help"),
        ];
        for (line, message, hint) in cases {
            let Err(error) = ask(line) else { panic!("{line} is allowed") };
            assert!(error.message().contains(message), "{line}: {error}");
            assert!(error.hint_text().unwrap_or_default().contains(hint), "{line}: {:?}", error.hint_text());
            assert!(error.is_invalid_job(), "{line}");
        }
        let error = given("run j --format yaml").word("format").unwrap_err();
        assert_eq!((error.message(), error.hint_text()), ("--format cannot be `yaml`", Some("write table or json")));
        let error = given("run j --runs 10").number("runs", 1, 9).unwrap_err();
        assert_eq!(error.hint_text(), Some("write a whole number from 1 to 9"));
    }

    #[test]
    fn help_is_there_for_all_and_each() {
        for line in ["--help", "-h", "help"] {
            let Ok(Asked::Text(text)) = ask(line) else { panic!("{line} is no question") };
            assert!(text.starts_with("A tool\n\nUsage: tool <VERB>") && text.contains("  run  Runs a job"), "{text}");
        }
        for line in ["run --help", "run a b -h", "help run"] {
            let Ok(Asked::Text(text)) = ask(line) else { panic!("{line} is no question") };
            assert!(text.contains("Usage: tool run [FLAGS] <JOB>"), "{text}");
            assert!(text.contains("--runs <N>          Runs [default: 5]"), "{text}");
            assert!(text.contains("Looks: table or json [default: table]"), "{text}");
        }
        let Ok(Asked::Text(version)) = ask("--version") else { panic!("no version") };
        assert_eq!(version, format!("tool {}\n", env!("CARGO_PKG_VERSION")));
    }
}
