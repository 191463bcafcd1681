//! Writers: from a frame to where its rows go.

use std::{fmt, path::Path, time::Duration};

use firesteel_core::{
    Error, Result,
    plan::{OutputMode, Table},
};

use super::{DataFrame, reader::text_of, state::needs_stream, statement::plain};
use crate::{
    engine::{CheckpointOptions, QueryOptions, StreamingQuery, Trigger},
    sink::{ForeachBatchSink, MemorySink, Sink},
};

/// What becomes of what is there already.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum SaveMode {
    /// Rows are added.
    #[default]
    Append,
    /// Rows replace it.
    Overwrite,
}

/// Writes the rows of a batch frame.
///
/// ```
/// # use firesteel_io::session::Session;
/// # let path = std::env::temp_dir().join(format!("firesteel-doc-writer-{}", std::process::id()));
/// let session = Session::new()?;
/// session.range(0, 3).write().format("json").save(&path)?;
/// assert_eq!(session.read().schema("id BIGINT").json(&path)?.count()?, 3);
/// # std::fs::remove_dir_all(&path).or_else(|_| std::fs::remove_file(&path)).unwrap();
/// # Ok::<(), firesteel_core::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct DataWriter {
    frame: DataFrame,
    provider: Option<String>,
    options: Vec<(String, String)>,
    mode: SaveMode,
}

impl DataWriter {
    pub(super) fn new(frame: DataFrame) -> Self {
        Self { frame, provider: None, options: Vec::new(), mode: SaveMode::Append }
    }

    /// What to write: `"json"`, `"csv"`, `"ring"`, ... as after `USING`.
    pub fn format(mut self, provider: &str) -> Self {
        self.provider = Some(provider.to_lowercase());
        self
    }

    /// An option, as in `OPTIONS (...)`.
    pub fn option(mut self, key: &str, value: impl fmt::Display) -> Self {
        self.options.push((key.into(), value.to_string()));
        self
    }

    /// What becomes of what is there already.
    pub fn mode(mut self, mode: SaveMode) -> Self {
        self.mode = mode;
        self
    }

    /// Runs the query into a path.
    pub fn save(self, path: impl AsRef<Path>) -> Result<()> {
        let path = text_of(path.as_ref())?.to_string();
        self.option("path", path).run()
    }

    /// Runs the query into what format and options say.
    pub fn run(self) -> Result<()> {
        let overwrite = self.mode == SaveMode::Overwrite;
        let table = sink_table(self.provider, self.options)?;
        let sink = self.frame.open_sink(&table, OutputMode::Append, overwrite)?;
        run_batch(&self.frame, sink)
    }

    /// Runs the query into a table of the session, by position.
    pub fn insert_into(self, table: &str) -> Result<()> {
        let overwrite = self.mode == SaveMode::Overwrite;
        let insert = self.frame.session().insert(&[table.into()], (&[], false), overwrite, self.frame.clone())?;
        run_batch(&insert.frame, insert.sink(OutputMode::Append)?)
    }
}

/// What a stream writes into, if it is not a table.
type EachBatch = Box<dyn FnMut(DataFrame, u64) -> Result<()> + Send>;

/// Writes a stream for as long as it runs.
pub struct DataStreamWriter {
    frame: DataFrame,
    provider: Option<String>,
    options: Vec<(String, String)>,
    mode: OutputMode,
    name: Option<String>,
    trigger: Trigger,
    cores: Vec<usize>,
    each_batch: Option<EachBatch>,
}

impl DataStreamWriter {
    pub(super) fn new(frame: DataFrame) -> Self {
        Self {
            frame,
            provider: None,
            options: Vec::new(),
            mode: OutputMode::Append,
            name: None,
            trigger: Trigger::default(),
            cores: Vec::new(),
            each_batch: None,
        }
    }

    /// What an epoch hands out.
    pub fn output_mode(mut self, mode: OutputMode) -> Self {
        self.mode = mode;
        self
    }

    /// What to write: `"json"`, `"ring"`, `"memory"`, ... as after `USING`. A `memory` sink is a table of the session
    /// under the query's name.
    pub fn format(mut self, provider: &str) -> Self {
        self.provider = Some(provider.to_lowercase());
        self
    }

    /// An option, as in `OPTIONS (...)`. With `checkpointLocation`, a folder of its own, the query goes on after a
    /// crash where it was.
    pub fn option(mut self, key: &str, value: impl fmt::Display) -> Self {
        self.options.push((key.into(), value.to_string()));
        self
    }

    /// The name of the query.
    pub fn query_name(mut self, name: &str) -> Self {
        self.name = Some(name.into());
        self
    }

    /// When epochs start.
    pub fn trigger(mut self, trigger: Trigger) -> Self {
        self.trigger = trigger;
        self
    }

    /// Cores to run on: the query's own thread takes the first, a worker each of the others.
    pub fn cores(mut self, cores: impl IntoIterator<Item = usize>) -> Self {
        self.cores = cores.into_iter().collect();
        self
    }

    /// Hands the rows of each epoch to `f` as a batch frame, with the epoch's number. If `f` fails, the query does.
    pub fn foreach_batch(mut self, f: impl FnMut(DataFrame, u64) -> Result<()> + Send + 'static) -> Self {
        self.each_batch = Some(Box::new(f));
        self
    }

    /// Starts the query on a thread of its own.
    pub fn start(self) -> Result<StreamingQuery> {
        let sink = |writer: &mut Self| writer.open_sink();
        self.start_with(sink)
    }

    /// Starts the query into a table of the session, by position.
    pub fn to_table(mut self, table: &str) -> Result<StreamingQuery> {
        let insert = self.frame.session().insert(&[table.into()], (&[], false), false, self.frame.clone())?;
        self.frame = insert.frame.clone();
        self.start_with(|writer| insert.sink(writer.mode))
    }

    fn start_with(mut self, sink: impl FnOnce(&mut Self) -> Result<Box<dyn Sink>>) -> Result<StreamingQuery> {
        if !self.frame.is_streaming() {
            return Err(needs_stream("write_stream()"));
        }
        let checkpoint = self.take_checkpoint();
        // A mistake in the query is told before the sink makes anything.
        self.frame.session().driver(self.frame.plan(), self.mode)?;
        let sink = sink(&mut self)?;
        let cores = self.cores.iter().copied().map(Some).collect();
        let (name, trigger) = (self.name, self.trigger);
        let options = QueryOptions { name, trigger, cores, checkpoint, ..QueryOptions::default() };
        self.frame.session().start_stream(self.frame.plan(), self.mode, sink, options)
    }

    /// What the option `checkpointLocation` asks for.
    fn take_checkpoint(&mut self) -> Option<CheckpointOptions> {
        let at = self.options.iter().position(|(key, _)| key.eq_ignore_ascii_case("checkpointLocation"))?;
        let (_, folder) = self.options.remove(at);
        Some(CheckpointOptions { folder: folder.into(), interval: Duration::ZERO, may_restart_from_scratch: false })
    }

    fn open_sink(&mut self) -> Result<Box<dyn Sink>> {
        if let Some(f) = self.each_batch.take() {
            return Ok(self.foreach_batch_sink(f));
        }
        if self.provider.as_deref() == Some("memory") {
            return self.memory_sink();
        }
        let table = sink_table(self.provider.take(), std::mem::take(&mut self.options))?;
        self.frame.open_sink(&table, self.mode, false)
    }

    fn foreach_batch_sink(&self, mut f: EachBatch) -> Box<dyn Sink> {
        let (session, schema) = (self.frame.session().clone(), self.frame.schema().clone());
        let columns = schema.clone();
        let take = move |blocks, epoch| f(session.memory_frame(columns.clone(), blocks), epoch);
        Box::new(ForeachBatchSink::new(schema, Box::new(take)))
    }

    fn memory_sink(&self) -> Result<Box<dyn Sink>> {
        let name = self.name.as_deref().ok_or_else(|| {
            Error::invalid("a memory sink needs a name").hint("call query_name(...): the table will have that name")
        })?;
        let table = self.frame.session().create_memory_table(name, plain(self.frame.schema()))?;
        Ok(Box::new(MemorySink::new(table, Some(self.mode))))
    }
}

impl fmt::Debug for DataStreamWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DataStreamWriter")
            .field("provider", &self.provider)
            .field("mode", &self.mode)
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

fn sink_table(provider: Option<String>, options: Vec<(String, String)>) -> Result<Table> {
    let provider = provider
        .ok_or_else(|| Error::invalid("nothing says where the rows go").hint("call format(\"json\"), for example"))?;
    let table = Table { provider, options, ..Table::default() };
    let name = table.option("path").unwrap_or(&table.provider).into();
    Ok(Table { name, ..table })
}

fn run_batch(frame: &DataFrame, sink: Box<dyn Sink>) -> Result<()> {
    if frame.is_streaming() {
        return Err(Error::invalid("write() writes batches").hint("write a stream with write_stream()"));
    }
    frame.session().run_batch(frame.plan(), sink)
}
