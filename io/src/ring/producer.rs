//! The producer's handle: rows into one lane of a stream, by row or by block.
//!
//! Rows become visible when they are published: at `publish`, whenever a block is full, and when the handle is dropped.
//! A full lane is handled as the stream says: wait for the readers, drop and count, or overwrite.

use std::{path::Path, time::Duration};

use firesteel_core::{
    Error, Result,
    block::BlockRef,
    ring::{self, Cell, OnFull, Pushed},
    schema::Schema,
};

use super::{
    StreamFolder, about,
    bell::Bell,
    claim,
    cursors::Readers,
    lane::{self, OwnedLane},
    wait::{Step, Wait, Waiting},
};

/// Name of the lane if none is given.
const LANE_DEFAULT: &str = "main";

/// The producer of one lane.
#[derive(Debug)]
pub struct Producer {
    // Fixed properties.
    folder: StreamFolder,
    name: String,
    lane: OwnedLane,
    // State.
    ring: ring::Producer,
    bell: Bell,
    readers: Readers,
}

impl Producer {
    /// Starts to write the lane `lane` ("main" if not named) of the stream at `path`. A lane whose last producer is
    /// gone is continued behind its last published row; one that somebody writes is an error.
    pub fn open(path: impl AsRef<Path>, lane: Option<&str>) -> Result<Self> {
        Self::open_in(StreamFolder::open(path.as_ref())?, lane)
    }

    /// As [`Producer::open`], for a stream that is open already.
    pub fn open_in(folder: StreamFolder, lane: Option<&str>) -> Result<Self> {
        let name = lane.unwrap_or(LANE_DEFAULT);
        let bell = Bell::open(folder.path())?;
        let (lane, region) = lane::open_owned(&folder, name)?;
        let ring = ring::Producer::attach(region, &lane.header).map_err(about(&lane.path))?;
        bell.announce();
        Ok(Self { folder, name: name.into(), lane, ring, bell, readers: Readers::default() })
    }

    /// Stores one row: one value a column. False if it was dropped because the lane is full and its policy says so.
    #[inline]
    pub fn push(&mut self, row: &[Cell<'_>]) -> Result<bool> {
        match self.ring.push(row)? {
            Pushed::All => Ok(true),
            Pushed::Full(_) => self.push_when_full(row),
        }
    }

    /// Lets readers see all rows stored so far.
    #[inline]
    pub fn publish(&mut self) {
        self.ring.publish();
        self.bell.rows().ring();
    }

    /// Stores and publishes the rows of a block that count; waits for readers if the lane's policy says so. Returns how
    /// many were stored; the others were dropped and counted.
    pub fn append(&mut self, block: &BlockRef<'_>) -> Result<u64> {
        let total = block.rows().count();
        let mut done = 0;
        loop {
            // Who waits looks closely when it has waited a while.
            let is_patient = self.ring.on_full() == OnFull::Block;
            match self.append_some(block, done, !is_patient)? {
                Pushed::All => return Ok(total as u64),
                Pushed::Full(more) => done += more,
            }
            if !is_patient {
                self.ring.count_dropped((total - done) as u64);
                return Ok(done as u64);
            }
            self.wait_for_room(Duration::MAX);
        }
    }

    /// Stores and publishes the rows of a block that count, from the `skip`-th of them on, without ever waiting:
    /// `Full(n)` means that `n` were stored and the lane is full now.
    pub fn append_now(&mut self, block: &BlockRef<'_>, skip: usize) -> Result<Pushed> {
        self.append_some(block, skip, true)
    }

    fn append_some(&mut self, block: &BlockRef<'_>, skip: usize, closely: bool) -> Result<Pushed> {
        let total = block.rows().count();
        let mut done = skip;
        loop {
            self.check_intact()?;
            let pushed = self.ring.append(block, done)?;
            self.bell.rows().ring();
            match pushed {
                Pushed::All => return Ok(Pushed::All),
                Pushed::Full(more) => done += more,
            }
            debug_assert!(done < total, "{done} of {total} rows and full");
            let has_room = self.ask_readers(false) || (closely && self.ask_readers(true));
            if !has_room {
                return Ok(Pushed::Full(done - skip));
            }
        }
    }

    /// Waits until the next row fits, `timeout` at most. False if it still does not.
    pub fn wait_for_room(&mut self, timeout: Duration) -> bool {
        self.publish();
        self.ring.count_wait();
        let mut waiting = Waiting::up_to(timeout, Wait::Adaptive);
        loop {
            if self.ask_readers(false) {
                return true;
            }
            let step = waiting.step();
            if step == Step::Look {
                continue;
            }
            if self.ask_readers(true) {
                return true;
            }
            if step == Step::Over {
                return false;
            }
            let Self { folder, lane, ring, bell, readers, .. } = self;
            let wanted = ring.wanted().unwrap_or_default();
            let lane_id = lane.header.lane_id;
            bell.space().sleep(&mut waiting, || readers.have_read(folder, bell, lane_id, wanted, false));
        }
    }

    /// Publishes, and marks the lane as finished: no more rows will come until another producer opens it.
    pub fn finish(mut self) {
        self.ring.finish();
        self.bell.rows().ring();
    }

    /// The lane's name.
    pub fn lane(&self) -> &str {
        &self.name
    }

    /// The stream's columns.
    pub fn schema(&self) -> &Schema {
        self.folder.schema()
    }

    /// Rows published in this lane since it was created, by this producer and those before it.
    pub fn rows_published(&self) -> u64 {
        self.ring.rows_published()
    }

    /// Rows dropped in this lane since it was created.
    pub fn rows_dropped(&self) -> u64 {
        self.ring.dropped()
    }

    /// Times producers had to wait for readers in this lane since it was created.
    pub fn waits(&self) -> u64 {
        self.ring.waits()
    }

    #[cold]
    fn push_when_full(&mut self, row: &[Cell<'_>]) -> Result<bool> {
        self.check_intact()?;
        self.bell.rows().ring();
        let mut has_room = self.ask_readers(false);
        if !has_room && self.ring.on_full() == OnFull::DropNewest {
            has_room = self.ask_readers(true);
            if !has_room {
                self.ring.count_dropped(1);
                return Ok(false);
            }
        }
        while !has_room {
            has_room = self.wait_for_room(Duration::MAX);
        }
        match self.ring.push(row)? {
            Pushed::All => Ok(true),
            Pushed::Full(_) => Err(Error::internal(format!("lane '{}' is full after it was not", self.name))),
        }
    }

    /// What is stored behind the end of a file is stored nowhere.
    fn check_intact(&self) -> Result<()> {
        if self.ring.region().is_intact() {
            return Ok(());
        }
        Err(Error::corrupt(format!("{}: the file was cut off while it was written", self.lane.path.display()))
            .hint("remove it and start the producer again; find out which program truncates it"))
    }

    /// Tells the ring if the readers have given back the block it wants to reuse.
    fn ask_readers(&mut self, closely: bool) -> bool {
        let Some(wanted) = self.ring.wanted() else { return true };
        let is_free = self.readers.have_read(&self.folder, &self.bell, self.lane.header.lane_id, wanted, closely);
        if is_free {
            self.ring.release(wanted);
        }
        is_free
    }
}

impl Drop for Producer {
    fn drop(&mut self) {
        self.publish();
        claim::give_back(self.ring.region(), claim::LANE, self.lane.claim);
        self.bell.announce();
    }
}
