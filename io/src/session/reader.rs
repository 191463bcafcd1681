//! Readers: from a format and its options to a frame.

use firesteel_core::{Error, Result, plan::Table, schema::Schema};

use super::{
    DataFrame, Session,
    catalog::{Relation, with_schema},
};
use crate::source;

/// Columns: a [`Schema`], or Spark's DDL text (`"ts TIMESTAMP, v DOUBLE"`).
pub trait IntoSchema {
    /// The columns.
    fn into_schema(self) -> Result<Schema>;
}

impl IntoSchema for Schema {
    fn into_schema(self) -> Result<Schema> {
        Ok(self)
    }
}

impl IntoSchema for &str {
    fn into_schema(self) -> Result<Schema> {
        Schema::parse_ddl(self)
    }
}

/// What both readers gather.
#[derive(Clone, Debug)]
struct Request {
    session: Session,
    is_stream: bool,
    provider: Option<String>,
    options: Vec<(String, String)>,
    schema: Result<Schema>,
}

impl Request {
    fn new(session: Session, is_stream: bool) -> Self {
        Self { session, is_stream, provider: None, options: Vec::new(), schema: Ok(Schema::default()) }
    }

    fn load(self, path: Option<&str>) -> Result<DataFrame> {
        let provider = self.provider.ok_or_else(|| {
            Error::invalid("nothing says what to read")
                .hint("call format(\"json\"), or csv(path), json(path), text(path)")
        })?;
        let mut options = self.options;
        options.extend(path.map(|path| ("path".into(), path.into())));
        let table = Table { name: String::new(), provider, options, schema: self.schema? };
        let name = table.option("path").unwrap_or(&table.provider).into();
        let table = with_schema(Table { name, ..table }.into())?;
        self.session.warn(source::warnings(&table));
        source::find(&table.provider)?;
        Ok(self.session.scan(Table::clone(&table), self.is_stream))
    }

    fn table(self, name: &str) -> Result<DataFrame> {
        let parts: Vec<String> = name.split('.').map(|part| part.trim_matches('`').into()).collect();
        let relations = self.session.relations();
        match relations.find(&parts) {
            Some(Relation::Table(table)) => {
                let mut table = Table::clone(table);
                table.options.extend(self.options);
                let table = with_schema(table.into())?;
                Ok(self.session.scan(Table::clone(&table), self.is_stream))
            }
            _ => self.session.relation(&parts, self.is_stream),
        }
    }
}

macro_rules! reader {
    ($name:ident, $is_stream:literal) => {
        impl $name {
            pub(super) fn new(session: Session) -> Self {
                Self(Request::new(session, $is_stream))
            }

            /// What the table is: `"json"`, `"csv"`, `"ring"`, ... as after `USING`.
            pub fn format(mut self, provider: &str) -> Self {
                self.0.provider = Some(provider.to_lowercase());
                self
            }

            /// Its columns. Not needed where the table knows them itself, as rings do.
            pub fn schema(mut self, schema: impl IntoSchema) -> Self {
                self.0.schema = schema.into_schema();
                self
            }

            /// An option, as in `OPTIONS (...)`.
            pub fn option(mut self, key: &str, value: impl std::fmt::Display) -> Self {
                self.0.options.push((key.into(), value.to_string()));
                self
            }

            /// Several options.
            pub fn options<K: AsRef<str>, V: std::fmt::Display>(self, all: impl IntoIterator<Item = (K, V)>) -> Self {
                all.into_iter().fold(self, |reader, (key, value)| reader.option(key.as_ref(), value))
            }

            /// The frame of what format and options say.
            pub fn load(self) -> Result<DataFrame> {
                self.0.load(None)
            }

            /// The frame of what is at a path.
            pub fn load_path(self, path: impl AsRef<std::path::Path>) -> Result<DataFrame> {
                self.0.load(Some(text_of(path.as_ref())?))
            }

            /// Files of comma-separated values.
            pub fn csv(self, path: impl AsRef<std::path::Path>) -> Result<DataFrame> {
                self.format("csv").load_path(path)
            }

            /// Files of one JSON object a line.
            pub fn json(self, path: impl AsRef<std::path::Path>) -> Result<DataFrame> {
                self.format("json").load_path(path)
            }

            /// Files of lines: one column `value`.
            pub fn text(self, path: impl AsRef<std::path::Path>) -> Result<DataFrame> {
                self.format("text").load_path(path)
            }

            /// A table of the session by name.
            pub fn table(self, name: &str) -> Result<DataFrame> {
                self.0.table(name)
            }
        }
    };
}

/// Reads tables whole, as they are when an action runs; what never ends is read as far as it has come.
///
/// ```
/// # use firesteel_io::session::Session;
/// # let path = std::env::temp_dir().join(format!("firesteel-doc-reader-{}.csv", std::process::id()));
/// std::fs::write(&path, "a,1.5\nb,2.5\n").unwrap();
/// let frame = Session::new()?.read().schema("name STRING, v DOUBLE").csv(&path)?;
/// assert_eq!(frame.count()?, 2);
/// # std::fs::remove_file(&path).unwrap();
/// # Ok::<(), firesteel_core::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct DataReader(Request);

/// Reads tables as streams: what is there, then what comes.
#[derive(Clone, Debug)]
pub struct DataStreamReader(Request);

reader!(DataReader, false);
reader!(DataStreamReader, true);

/// Paths are options, and options are text.
pub(super) fn text_of(path: &std::path::Path) -> Result<&str> {
    path.to_str().ok_or_else(|| Error::invalid(format!("the path {} is not UTF-8", path.display())))
}
