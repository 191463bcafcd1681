//! The session: settings, names, what is running. Cheap to clone; all clones are one session.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard},
};

use firesteel_core::{
    Error, Result,
    block::{Block, Value},
    plan::{Catalog, LogicalPlan, PlanBuilder, Table},
    schema::{DataType, Field, Schema},
    sql,
};

use super::{
    DataFrame, DataReader, DataStreamReader, IntoSchema, StreamingQueryManager, Streams,
    catalog::{QueryCatalog, Relation, Relations},
    conf::Conf,
    level,
    memory::{self, Held, Memory},
    row,
    statement::Action,
};
use crate::{engine::QueryListener, source::MemoryTable};

/// Where tables are known by name, and queries are made and run.
///
/// ```
/// use firesteel_io::session::Session;
///
/// let session = Session::builder().config("spark.sql.session.timeZone", "Europe/Berlin").build()?;
/// let row = session.sql("SELECT hour(TIMESTAMP '2025-07-01 12:00:00Z') AS hour")?.first()?.unwrap();
/// assert_eq!(row.get::<i32>("hour")?, 14);
/// # Ok::<(), firesteel_core::Error>(())
/// ```
#[derive(Clone)]
pub struct Session {
    pub(super) shared: Arc<Shared>,
}

pub(super) struct Shared {
    state: Mutex<State>,
    pub(super) memory: Arc<Memory>,
    pub(super) streams: StreamingQueryManager,
}

#[derive(Clone, Default)]
struct State {
    conf: Conf,
    relations: Arc<Relations>,
    /// Rows that views read.
    kept: Vec<Arc<Held>>,
    warnings: Vec<String>,
}

/// Settings of a session to be.
#[derive(Clone, Debug, Default)]
pub struct SessionBuilder {
    settings: Vec<(String, String)>,
}

impl SessionBuilder {
    /// Sets a key, as `SET key = value` does.
    pub fn config(mut self, key: impl Into<String>, value: impl fmt::Display) -> Self {
        self.settings.push((key.into(), value.to_string()));
        self
    }

    /// The session; an error names the setting that will not do. The first session of a process also looks at
    /// `FIRESTEEL_SIMD`, which names the instruction set that kernels use: `scalar`, `sse2`, `neon`, `avx2`, `avx512`.
    pub fn build(self) -> Result<Session> {
        let session = Session::empty(State::default(), Arc::default());
        session.warn(level::use_environment()?);
        self.settings.iter().try_for_each(|(key, value)| session.set(key, value))?;
        Ok(session)
    }
}

impl Session {
    /// A session with Spark's defaults: ANSI, UTC.
    pub fn new() -> Result<Self> {
        Self::builder().build()
    }

    /// A session with settings of its own.
    pub fn builder() -> SessionBuilder {
        SessionBuilder::default()
    }

    /// Sets a key, as `SET key = value` does. It holds for queries made after it.
    pub fn set(&self, key: &str, value: &str) -> Result<()> {
        let warning = self.state().conf.set(key, value)?;
        self.warn(warning);
        Ok(())
    }

    /// The value of a setting; the default if it is known and was not set.
    pub fn setting(&self, key: &str) -> Option<String> {
        self.state().conf.value(key).map(String::from)
    }

    /// Runs statements of SQL in order and gives the result of the last: its query, not run yet, or no rows. INSERT
    /// of a batch query runs at once, of a stream until it is stopped (see [`Session::streams`]).
    ///
    /// ```
    /// # use firesteel_io::session::Session;
    /// let session = Session::new()?;
    /// let odd = session.sql("CREATE TEMP VIEW odd AS SELECT id FROM range(10) WHERE id % 2 = 1; SELECT * FROM odd")?;
    /// assert_eq!(odd.count()?, 5);
    /// # Ok::<(), firesteel_core::Error>(())
    /// ```
    pub fn sql(&self, text: &str) -> Result<DataFrame> {
        let mut last = None;
        for statement in sql::parse(text, &|_| None)? {
            let span = Some(statement.span);
            last = match self.apply(&statement.kind, &Streams::AsWritten).map_err(|e| e.at(span))? {
                Action::Done => None,
                Action::Rows(frame) => Some(frame),
                Action::Insert(insert) => {
                    insert.start(self).map_err(|e| e.at(span))?;
                    None
                }
            };
        }
        Ok(last.unwrap_or_else(|| self.empty_frame()))
    }

    /// Reads files, rings and other tables as they are when an action runs.
    pub fn read(&self) -> DataReader {
        DataReader::new(self.clone())
    }

    /// Reads files, rings and other tables as streams.
    pub fn read_stream(&self) -> DataStreamReader {
        DataStreamReader::new(self.clone())
    }

    /// A table or view by name, as `FROM name` reads it.
    pub fn table(&self, name: &str) -> Result<DataFrame> {
        let parts: Vec<String> = name.split('.').map(|part| part.trim_matches('`').into()).collect();
        self.relation(&parts, false)
    }

    /// Numbers from `start` up to `end`, in one BIGINT column `id`.
    pub fn range(&self, start: i64, end: i64) -> DataFrame {
        let schema = Schema::new(vec![Field::new("id", DataType::Int64).nullable(false)]);
        DataFrame::new(self.clone(), LogicalPlan::Range { start, end, step: 1, schema })
    }

    /// A table of rows that are here already. Whole numbers widen to the column's type, and become DOUBLE where it is.
    ///
    /// ```
    /// # use firesteel_io::session::{Session, col};
    /// let session = Session::new()?;
    /// let rows = [vec!["a".into(), 1.5.into()], vec!["b".into(), 3.into()]];
    /// let frame = session.create_data_frame(rows, "name STRING, v DOUBLE")?;
    /// assert_eq!(frame.filter(col("v").gt(2.0))?.count()?, 1);
    /// # Ok::<(), firesteel_core::Error>(())
    /// ```
    pub fn create_data_frame(
        &self,
        rows: impl IntoIterator<Item = Vec<Value>>,
        schema: impl IntoSchema,
    ) -> Result<DataFrame> {
        let schema = schema.into_schema()?;
        let rows_max = self.conf().block_rows;
        let mut blocks = vec![Block::new(&schema)];
        for (number, mut row) in rows.into_iter().enumerate() {
            row::fit(&mut row, &schema).map_err(|e| e.context(format!("row {number}")))?;
            if blocks.last().is_some_and(|block| block.len() == rows_max) {
                blocks.push(Block::new(&schema));
            }
            if let Some(block) = blocks.last_mut() {
                block.push_row(&row);
            }
        }
        Ok(self.memory_frame(schema, blocks))
    }

    /// The streams that run in this session.
    pub fn streams(&self) -> &StreamingQueryManager {
        &self.shared.streams
    }

    /// Tells `listener` what happens to every stream that starts from now on.
    pub fn add_listener(&self, listener: Arc<dyn QueryListener>) {
        self.shared.streams.add_listener(listener);
    }

    /// What was odd about settings and options since the last call, in words.
    pub fn take_warnings(&self) -> Vec<String> {
        std::mem::take(&mut self.state().warnings)
    }

    /// Keeps warnings for [`Session::take_warnings`], each once.
    pub(crate) fn warn(&self, warnings: impl IntoIterator<Item = String>) {
        let mut state = self.state();
        for warning in warnings {
            if !state.warnings.contains(&warning) {
                state.warnings.push(warning);
            }
        }
    }

    /// A session with the same settings and names, of which this one knows nothing.
    pub(crate) fn fork(&self) -> Self {
        Self::empty(self.state().clone(), self.shared.memory.clone())
    }

    fn empty(state: State, memory: Arc<Memory>) -> Self {
        let shared = Shared { state: Mutex::new(state), memory, streams: StreamingQueryManager::default() };
        Self { shared: Arc::new(shared) }
    }

    pub(crate) fn conf(&self) -> Conf {
        self.state().conf.clone()
    }

    pub(crate) fn relations(&self) -> Arc<Relations> {
        self.state().relations.clone()
    }

    /// Changes names.
    pub(crate) fn with_relations<T>(&self, f: impl FnOnce(&mut Relations) -> T) -> T {
        f(Arc::make_mut(&mut self.state().relations))
    }

    pub(crate) fn relation(&self, name: &[String], stream: bool) -> Result<DataFrame> {
        let catalog = QueryCatalog::new(self.relations(), self.conf().settings, &Streams::AsWritten);
        let plan = catalog.relation(name, stream, &[])?;
        Ok(DataFrame::from_builder(self.clone(), plan))
    }

    /// Reads a table that has no name.
    pub(crate) fn scan(&self, table: Table, is_stream: bool) -> DataFrame {
        let settings = self.conf().settings;
        DataFrame::from_builder(self.clone(), PlanBuilder::scan(Arc::new(table), is_stream, settings))
    }

    pub(crate) fn memory_frame(&self, schema: Schema, blocks: Vec<Block>) -> DataFrame {
        let (table, _held) = self.shared.memory.hold(schema, blocks);
        self.scan(table, false)
    }

    /// A new table in memory under a name, which programs fill and queries read, also as a stream (Spark's
    /// MemoryStream).
    ///
    /// ```
    /// # use firesteel_io::session::Session;
    /// let session = Session::new()?;
    /// let readings = session.create_memory_table("readings", "sensor INT, value DOUBLE")?;
    /// readings.add_rows(&[vec![1.into(), 20.5.into()], vec![2.into(), 21.5.into()]]);
    /// assert_eq!(session.sql("SELECT max(value) AS high FROM readings")?.first()?.unwrap().get::<f64>("high")?, 21.5);
    /// # Ok::<(), firesteel_core::Error>(())
    /// ```
    pub fn create_memory_table(&self, name: &str, schema: impl IntoSchema) -> Result<MemoryTable> {
        let schema = schema.into_schema()?;
        let rows = MemoryTable::new(schema.clone());
        self.shared.memory.tables.insert(name, rows.clone());
        let table = Table { name: name.into(), provider: memory::PROVIDER.into(), options: Vec::new(), schema };
        self.with_relations(|relations| relations.insert(&[name.into()], Relation::Table(Arc::new(table))));
        Ok(rows)
    }

    /// Keeps the unnamed rows that a view reads.
    pub(crate) fn keep(&self, frame: &DataFrame) {
        let held = self.shared.memory.held_by(frame.plan());
        self.state().kept.extend(held);
    }

    fn empty_frame(&self) -> DataFrame {
        DataFrame::new(self.clone(), LogicalPlan::Values { rows: Vec::new(), schema: Schema::default() })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A panic while the lock was held left plain data behind, which is as good as any.
        self.shared.state.lock().unwrap_or_else(|e| e.into_inner())
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.state();
        f.debug_struct("Session").field("names", &state.relations.names().collect::<Vec<_>>()).finish_non_exhaustive()
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").finish_non_exhaustive()
    }
}

/// For messages about the wrong kind of frame.
pub(super) fn needs_stream(what: &str) -> Error {
    Error::invalid(format!("{what} needs a stream"))
        .class("WRITE_STREAM_NOT_ALLOWED")
        .hint("read it with read_stream()")
}
