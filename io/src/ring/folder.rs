//! The folder of a stream, and the text file in it that says what the stream is.

use std::{
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
};

use firesteel_core::{
    Error, Result,
    ring::{Geometry, LaneHeader, Layout, OnFull},
    schema::{Schema, same_name},
};

use super::{CAPACITY_DEFAULT, RingOptions, about, bell::Bell, check_name, io_error};
use crate::sys::file;

const NAME: &str = "stream";
const FIRST_LINE: &str = "firesteel stream, version 1";

/// A stream: where it is and what it is.
#[derive(Clone, Debug)]
pub struct StreamFolder {
    path: PathBuf,
    schema: Schema,
    capacity: u64,
    on_full: OnFull,
}

impl StreamFolder {
    /// Makes a new stream at `path`; one that exists already is an error.
    pub fn create(path: &Path, schema: &Schema, options: &RingOptions) -> Result<Self> {
        match Self::try_create(path, schema, options)? {
            Some(folder) => Ok(folder),
            None => Err(Error::io(format!("{} is a ring already", path.display()))
                .hint("`firesteel ring info` shows it; remove the folder to start anew")),
        }
    }

    /// Opens the stream at `path`, or makes it. One that exists must have this schema.
    pub fn open_or_create(path: &Path, schema: &Schema, options: &RingOptions) -> Result<Self> {
        if let Some(folder) = Self::try_create(path, schema, options)? {
            return Ok(folder);
        }
        let folder = Self::open(path)?;
        folder.check_schema(schema)?;
        Ok(folder)
    }

    /// Opens the stream at `path`.
    pub fn open(path: &Path) -> Result<Self> {
        if path.is_file() {
            return Err(Error::io(format!("{} is a file; a ring is a folder", path.display())));
        }
        let file = path.join(NAME);
        let text = match fs::read_to_string(&file) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let what = if path.is_dir() { "holds no ring (it has no file `stream`)" } else { "does not exist" };
                return Err(Error::io(format!("the ring {} {what}", path.display())).hint(format!(
                    "make one with `firesteel ring create {} --schema 'ts TIMESTAMP, value DOUBLE'`",
                    path.display()
                )));
            }
            Err(error) => return Err(io_error("reading", &file, error)),
        };
        Self::parse(path, &text).map_err(about(&file))
    }

    /// The file that says what the stream is.
    pub(super) const FILE: &str = NAME;

    /// Writes the file `stream` anew from what a lane says: the same columns, lanes as large.
    pub(super) fn restore(path: &Path, lane: &LaneHeader) -> Result<Self> {
        let options = RingOptions {
            capacity: Some(lane.layout.file_bytes()),
            on_full: Some(lane.on_full),
            ..RingOptions::default()
        };
        Self::create(path, lane.layout.schema(), &options)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its columns.
    pub fn schema(&self) -> &Schema {
        &self.schema
    }

    /// Bytes of each lane.
    pub fn capacity(&self) -> u64 {
        self.capacity
    }

    /// What producers do when their lane is full.
    pub fn on_full(&self) -> OnFull {
        self.on_full
    }

    /// Refuses a schema that is not the stream's: names may differ in case, types may not differ.
    pub fn check_schema(&self, schema: &Schema) -> Result<()> {
        let same = |(a, b): (&firesteel_core::schema::Field, &firesteel_core::schema::Field)| {
            same_name(&a.name, &b.name) && a.data_type == b.data_type
        };
        let fields = schema.fields().iter().zip(self.schema.fields());
        if schema.len() == self.schema.len() && fields.clone().all(same) {
            return Ok(());
        }
        Err(Error::invalid(format!("the ring {} has other columns: {}", self.path.display(), self.schema.to_ddl()))
            .hint(format!("the job wants: {}", schema.to_ddl())))
    }

    /// Layout of a lane of this stream.
    pub(super) fn layout(&self) -> Result<Layout> {
        Layout::new(self.schema.clone(), Geometry::fit(&self.schema, self.capacity)?)
    }

    /// The file of a lane.
    pub(super) fn lane_path(&self, name: &str) -> Result<PathBuf> {
        check_name("lane", name)?;
        Ok(self.path.join(format!("{name}.lane")))
    }

    /// The file of a reader.
    pub(super) fn cursor_path(&self, name: &str) -> Result<PathBuf> {
        check_name("reader", name)?;
        Ok(self.path.join(format!("{name}.cursor")))
    }

    /// Bytes of all lanes there are.
    pub fn lane_bytes(&self) -> u64 {
        let lanes = self.lanes().unwrap_or_default().into_iter();
        let len = |name: String| Some(std::fs::metadata(self.lane_path(&name).ok()?).ok()?.len());
        lanes.filter_map(len).sum()
    }

    /// Names of the lanes there are, in order.
    pub(super) fn lanes(&self) -> Result<Vec<String>> {
        names_with(&self.path, ".lane")
    }

    /// Names of the readers there are, in order.
    pub(super) fn readers(&self) -> Result<Vec<String>> {
        names_with(&self.path, ".cursor")
    }

    /// `None` if there is one.
    fn try_create(path: &Path, schema: &Schema, options: &RingOptions) -> Result<Option<Self>> {
        let unqualified: Vec<_> = schema
            .fields()
            .iter()
            .map(|f| firesteel_core::schema::Field::new(&f.name, f.data_type.clone()).nullable(f.nullable))
            .collect();
        let folder = Self {
            path: path.into(),
            schema: Schema::new(unqualified),
            capacity: options.capacity.unwrap_or(CAPACITY_DEFAULT),
            on_full: options.on_full.unwrap_or_default(),
        };
        let file = path.join(NAME);
        if file.symlink_metadata().is_ok() {
            return Ok(None);
        }
        folder.layout()?;
        fs::create_dir_all(path).map_err(|e| io_error("creating", path, e))?;
        Bell::open(path)?;
        match file::create_whole(&file, 0o640, |mut file| file.write_all(folder.text().as_bytes())) {
            Ok(()) => Ok(Some(folder)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(None),
            Err(error) => Err(io_error("creating", &file, error)),
        }
    }

    fn text(&self) -> String {
        let Self { schema, capacity, on_full, .. } = self;
        format!("{FIRST_LINE}\nschema {}\ncapacity {capacity}\non_full {}\n", schema.to_ddl(), on_full.name())
    }

    fn parse(path: &Path, text: &str) -> Result<Self> {
        let bad =
            |what: String| Error::corrupt(what).hint("a ring's file `stream` is written by `firesteel ring create`");
        let mut lines = text.lines();
        let first = lines.next().unwrap_or_default();
        if first != FIRST_LINE {
            return Err(bad(format!("it starts with '{first}', expected '{FIRST_LINE}'")));
        }
        let mut value = |key: &str| {
            let line = lines.next().unwrap_or_default();
            let value = line.strip_prefix(key).and_then(|rest| rest.strip_prefix(' '));
            value.map(String::from).ok_or_else(|| bad(format!("it has '{line}' where '{key} ...' was expected")))
        };
        let ddl = value("schema")?;
        let capacity = value("capacity")?;
        let on_full = value("on_full")?;
        Ok(Self {
            path: path.into(),
            schema: Schema::parse_ddl(&ddl).map_err(|e| bad(e.message().into()))?,
            capacity: capacity.parse().map_err(|_| bad(format!("its capacity is '{capacity}'")))?,
            on_full: OnFull::parse(&on_full).map_err(|e| bad(e.message().into()))?,
        })
    }
}

/// Names of the files in a folder that end so, without the ending. Names that are none of ours are skipped.
fn names_with(folder: &Path, ending: &str) -> Result<Vec<String>> {
    let entries = fs::read_dir(folder).map_err(|e| io_error("listing", folder, e))?;
    let name = |entry: fs::DirEntry| entry.file_name().to_str()?.strip_suffix(ending).map(String::from);
    let mut names: Vec<String> = entries.flatten().filter_map(name).collect();
    names.retain(|name| check_name("lane", name).is_ok());
    names.sort_unstable();
    Ok(names)
}
