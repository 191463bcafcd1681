//! How a running stream remembers, between epochs, and goes on from what an earlier run remembered.

use firesteel_core::{Error, Result, exec::Driver};

use super::{Execution, Input, QueryOptions};
use crate::{
    checkpoint::Lost,
    engine::{
        checkpointing::{self, Checkpointing, Outcome},
        handle::StreamingQuery,
        legacy::{Legacy, LegacyOf},
    },
    sink::Sink,
};

/// How often the last checkpoint is tried: what one call failed to write goes into a new file.
const LAST_TRIES: usize = 3;

impl Execution<'_> {
    /// A new query is remembered before its first epoch: the next run must know what is this one's.
    pub(super) fn remember_start(&mut self) -> Result<()> {
        if self.checkpointing.as_ref().is_some_and(Checkpointing::is_behind) {
            self.begin_checkpoint()?;
            self.settle_checkpoint(true)?;
            if let Some(error) = self.checkpointing.as_mut().and_then(Checkpointing::take_failure) {
                return Err(error.context("the first checkpoint"));
            }
        }
        Ok(())
    }

    /// Sees to checkpoints, between epochs.
    pub(super) fn remember(&mut self) -> Result<()> {
        if self.checkpointing.is_none() {
            return Ok(());
        }
        self.settle_checkpoint(false)?;
        let streams = self.inputs.iter().filter(|i| i.is_stream);
        let pressure = || streams.map(|i| i.source.pressure()).fold(0.0, f64::max);
        match self.checkpointing.as_ref().is_some_and(|c| c.is_due(pressure)) {
            true => self.begin_checkpoint(),
            false => Ok(()),
        }
    }

    /// The last checkpoint, unless the query has failed in the middle of an epoch.
    pub(super) fn remember_end(&mut self, is_whole: bool) -> Result<()> {
        self.settle_checkpoint(true)?;
        if !is_whole || !self.checkpointing.as_ref().is_some_and(Checkpointing::is_behind) {
            return Ok(());
        }
        for _ in 0..LAST_TRIES {
            self.begin_checkpoint()?;
            self.settle_checkpoint(true)?;
            if !self.checkpointing.as_ref().is_some_and(Checkpointing::is_failing) {
                break;
            }
        }
        match self.checkpointing.as_mut().and_then(Checkpointing::take_failure) {
            Some(error) => Err(error.context("the last checkpoint")),
            None => Ok(()),
        }
    }

    /// Leaves what it has, if somebody wants it.
    pub(super) fn leave(&mut self) {
        let Some(legacy) = self.options.legacy.clone().filter(LegacyOf::is_wanted) else { return };
        if let Err(error) = self.workers.gather(&mut self.driver) {
            return self.warn(&format!("the query cannot hand over what it has gathered: {error}"));
        }
        let mut state = Vec::new();
        self.driver.save(&mut state);
        let streams = self.inputs.iter().filter(|i| i.is_stream).map(|i| &*i.source);
        let header = checkpointing::header(self.handle.id(), &self.driver, streams, serde_json::Value::Null);
        let streams = std::mem::take(&mut self.inputs).into_iter().filter(|i| i.is_stream);
        legacy.leave(Legacy { header, state, sources: streams.map(|i| (i.reads, i.source)).collect() });
    }

    fn begin_checkpoint(&mut self) -> Result<()> {
        self.workers.gather(&mut self.driver)?;
        let prepared = self.sink.prepare()?;
        let mut state = Vec::new();
        self.driver.save(&mut state);
        let streams = self.inputs.iter().filter(|i| i.is_stream).map(|i| &*i.source);
        let position = prepared.position.clone();
        let header = checkpointing::header(self.handle.id(), &self.driver, streams, position);
        match &mut self.checkpointing {
            Some(checkpointing) => checkpointing.begin(header, state, prepared),
            None => Ok(()),
        }
    }

    /// What a checkpoint remembers is shown, and given back, when it is durable.
    fn settle_checkpoint(&mut self, waits: bool) -> Result<()> {
        let Some(checkpointing) = &mut self.checkpointing else { return Ok(()) };
        let was_failing = checkpointing.is_failing();
        let outcome = if waits { checkpointing.wait()? } else { checkpointing.poll()? };
        match outcome {
            None => {}
            Some(Outcome::Durable { sink, release }) => {
                let published = self.sink.publish(&sink);
                let streams = self.inputs.iter_mut().filter(|i| i.is_stream);
                let mut pairs = streams.zip(release.unwrap_or_default());
                pairs.try_for_each(|(input, position)| input.source.release(&position))?;
                if was_failing {
                    self.warn("checkpoints are written again");
                }
                self.note_published(published)?;
            }
            Some(Outcome::Failed { error, lost }) => {
                if !was_failing {
                    self.warn(&format!("a checkpoint could not be written, the one before it stays: {error}"));
                }
                self.note_lost(lost, error)?;
            }
        }
        Ok(())
    }

    /// A file that may be lost is written anew with the next checkpoint. Where nobody knows what is lost, the
    /// query has to go back to its last checkpoint.
    fn note_lost(&mut self, lost: Lost, error: Error) -> Result<()> {
        match lost {
            Lost::Nothing => Ok(()),
            Lost::File(file) => {
                self.sink.note_lost(&file);
                Ok(())
            }
            Lost::Names => Err(error),
        }
    }

    /// Results that cannot be shown now are with those of the next checkpoint, or of the next run.
    fn note_published(&mut self, result: Result<()>) -> Result<()> {
        match (result, &mut self.checkpointing) {
            (Ok(()), Some(checkpointing)) => {
                if checkpointing.note_published() {
                    self.warn("results are shown again");
                }
                Ok(())
            }
            (Err(error), Some(checkpointing)) if error.is_io() => {
                if checkpointing.note_unpublished() {
                    self.warn(&format!("{error}; what checkpoints remember is shown when this is over"));
                }
                Ok(())
            }
            (result, _) => result,
        }
    }

    fn warn(&self, text: &str) {
        if let Some(warn) = &self.options.on_warning {
            warn(text);
        }
    }
}

/// Goes on from the newest checkpoint, if there is one: nothing is touched before it is known to fit.
pub(super) fn resume(
    driver: &mut Driver,
    inputs: &mut [Input],
    sink: &mut dyn Sink,
    options: &QueryOptions,
) -> Result<(StreamingQuery, Option<Checkpointing>)> {
    let Some(checkpoint) = &options.checkpoint else {
        let id = inherit(driver, inputs, options)?;
        return Ok((StreamingQuery::new(options.name.clone(), id), None));
    };
    let mut warnings = Vec::new();
    let streams = inputs.iter().filter(|i| i.is_stream).map(|i| &*i.source);
    let this = checkpointing::header("", driver, streams, serde_json::Value::Null);
    let (store, found) = checkpointing::open(checkpoint, &this, &mut warnings)?;
    if let Some(found) = &found {
        driver.load(&found.state).map_err(|e| e.context("the checkpoint"))?;
    }
    // It fits. What is not taken over is closed now: a ring has one cursor for each checkpoint.
    if let Some(legacy) = &options.legacy {
        legacy.settle();
    }
    for (i, input) in inputs.iter_mut().filter(|i| i.is_stream).enumerate() {
        input.source.hold(&checkpointing::reader_name(&checkpoint.folder, i), &checkpoint.folder)?;
        if let Some(found) = &found {
            input.source.seek(&found.header.sources[i].position)?;
        }
        if !input.source.is_replayable() {
            warnings.push(format!(
                "{} cannot be read again: after a crash, rows that came behind the last checkpoint are lost",
                input.source.description()
            ));
        }
    }
    sink.hold();
    if let Some(found) = &found {
        sink.recover(&found.header.sink, found.header.next_epoch)?;
    }
    if let Some(warn) = &options.on_warning {
        warnings.iter().for_each(|text| warn(text));
    }
    let id = found.as_ref().map(|found| found.header.query_id.clone());
    let durable = found.map(|found| found.header.into());
    let checkpointing = Checkpointing::start(store, checkpoint.interval, durable)?;
    Ok((StreamingQuery::new(options.name.clone(), id), Some(checkpointing)))
}

/// Goes on from what another run of the query has left in this process, if there is anything; gives its identity.
fn inherit(driver: &mut Driver, inputs: &mut [Input], options: &QueryOptions) -> Result<Option<String>> {
    let Some(legacy) = &options.legacy else { return Ok(None) };
    let streams = inputs.iter().filter(|i| i.is_stream).map(|i| &*i.source);
    let this = checkpointing::header("", driver, streams, serde_json::Value::Null);
    let found = legacy.with(|left| {
        if let Some(what) = checkpointing::difference(&left.header, &this) {
            return Err(Error::invalid(format!("the query cannot go on from what it has gathered: {what}")));
        }
        driver.load(&left.state).map_err(|e| e.context("what the query has gathered"))?;
        for (input, left) in inputs.iter_mut().filter(|i| i.is_stream).zip(&left.header.sources) {
            if !input.is_inherited {
                input.source.seek(&left.position)?;
            }
        }
        Ok(left.header.query_id.clone())
    });
    let id = found.transpose()?;
    legacy.settle();
    Ok(id)
}
