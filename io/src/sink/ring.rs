//! A ring as a result: rows go to a lane of a stream folder, where other jobs and programs read them at once.

use std::{path::PathBuf, time::Duration};

use firesteel_core::{
    Error, Result,
    block::BlockRef,
    plan::Table,
    ring::{OnFull, Pushed},
    schema::Schema,
};

use super::{Patience, Sink};
use crate::{
    ring::{Producer, StreamFolder},
    source::{options, ring_options},
};

/// How long it waits for readers without looking whether the query was asked to stop.
const STOP_POLL: Duration = Duration::from_millis(20);

/// Writes one lane of a ring. Readers see rows as soon as they are written; what happens when the lane is full is the
/// ring's own rule.
#[derive(Debug)]
pub struct RingSink {
    path: PathBuf,
    producer: Option<Producer>,
    finishes: bool,
    /// Whether it waits for readers when it is full.
    waits: bool,
    patience: Patience,
    rows: u64,
    rows_committed: u64,
    /// Rows for which there was no room, where the ring does not wait.
    rows_refused: u64,
}

impl RingSink {
    /// Opens the ring at the table's path, making it with these columns if there is none. A batch marks its lane as
    /// finished at the end.
    pub fn open(table: &Table, schema: &Schema, is_batch: bool) -> Result<Self> {
        let path = PathBuf::from(options::path(table)?);
        let options = ring_options(table)?;
        let folder = StreamFolder::open_or_create(&path, schema, &options)?;
        let waits = folder.on_full() == OnFull::Block;
        let producer = Producer::open_in(folder, options.lane.as_deref())?;
        Ok(Self {
            path,
            producer: Some(producer),
            finishes: is_batch,
            waits,
            patience: Patience::default(),
            rows: 0,
            rows_committed: 0,
            rows_refused: 0,
        })
    }
}

impl Sink for RingSink {
    fn description(&self) -> String {
        let path = std::path::absolute(&self.path).unwrap_or_else(|_| self.path.clone());
        format!("RingSink[file:{}]", path.display())
    }

    fn begin(&mut self, _epoch: u64) -> Result<()> {
        self.rows = 0;
        Ok(())
    }

    fn write(&mut self, block: &BlockRef<'_>) -> Result<()> {
        if let Some(producer) = &mut self.producer {
            let stored = match self.waits {
                true => append_patiently(producer, block, &self.patience)?,
                false => producer.append(block)?,
            };
            self.rows += stored;
            self.rows_refused += (block.rows().count() as u64).saturating_sub(stored);
        }
        Ok(())
    }

    fn commit(&mut self, _epoch: u64) -> Result<()> {
        self.rows_committed = self.rows;
        Ok(())
    }

    fn rows_written(&self) -> u64 {
        self.rows_committed
    }

    fn attend(&mut self, patience: Patience) {
        self.patience = patience;
    }

    fn rows_dropped(&self) -> Vec<(String, u64)> {
        let refused = Some(self.rows_refused).filter(|rows| *rows > 0);
        refused.into_iter().map(|rows| ("rowsDroppedWhenFull".into(), rows)).collect()
    }

    fn finish(&mut self) -> Result<()> {
        if let Some(producer) = self.producer.take().filter(|_| self.finishes) {
            producer.finish();
        }
        Ok(())
    }
}

/// Waits for readers, unless the query is asked to stop.
fn append_patiently(producer: &mut Producer, block: &BlockRef<'_>, patience: &Patience) -> Result<u64> {
    let mut done = 0;
    loop {
        match producer.append_now(block, done)? {
            Pushed::All => return Ok(block.rows().count() as u64),
            Pushed::Full(more) => done += more,
        }
        while !producer.wait_for_room(STOP_POLL) {
            if patience.is_over() {
                return Err(patience.cut_short(Error::io("the ring is full, and nobody reads it")));
            }
        }
        patience.note_done();
    }
}

#[cfg(test)]
mod tests {
    use firesteel_core::block::Block;

    use super::*;
    use crate::{
        ring,
        source::testing::{epochs, open, table},
    };

    #[test]
    fn jobs_chain_through_a_ring() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ring");
        let options = [("path", path.to_str().unwrap()), ("capacity", "1MB"), ("lane", "job")];
        let schema = Schema::parse_ddl("x BIGINT, s STRING").unwrap();
        let mut sink = RingSink::open(&table("ring", "", &options), &schema, true).unwrap();
        let mut source = open(table("ring", "x BIGINT, s STRING", &options[..1]), true).unwrap();
        let mut block = Block::new(&schema);
        (0..3_i64).for_each(|x| block.push_row(&[x.into(), "a".into()]));
        sink.begin(0).unwrap();
        sink.write(&block.view()).unwrap();
        sink.commit(0).unwrap();
        assert_eq!(sink.rows_written(), 3);
        assert_eq!(epochs(&mut *source), [[0, 1, 2]]);
        sink.finish().unwrap();
        let lane = ring::info(&path).unwrap().lanes[0].clone().unwrap();
        assert_eq!((lane.name.as_str(), lane.rows_published), ("job", 3));
        assert!(
            ring::Reader::open(path.join("job.lane"), ring::ReaderOptions::default()).unwrap().lanes()[0].is_finished
        );
        let narrow = Schema::parse_ddl("x BIGINT").unwrap();
        assert!(RingSink::open(&table("ring", "", &options), &narrow, true).unwrap_err().is_invalid_job());
    }
}
