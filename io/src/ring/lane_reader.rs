//! One lane, read: what a [`super::Reader`] has several of, and what a worker reads its share with.

use std::{path::Path, sync::Arc};

use firesteel_core::{
    Error, Result,
    block::BlockRef,
    ring::{Consumer, OnFull, rows_since},
};

#[cfg(target_os = "linux")]
use super::sealed::hub::SealedLane;
use super::{
    StreamFolder, about, claim,
    lane::{self, Access, OpenLane},
};
use crate::sys::file;

/// One lane being read.
///
/// On its own it reads given rows of a lane, for workers that share out what one [`super::Reader`] has found: the
/// reader's cursor keeps the rows in the lane until they are committed there.
#[derive(Debug)]
pub struct LaneReader {
    pub(super) name: String,
    pub(super) key: Arc<str>,
    pub(super) open: Arc<OpenLane>,
    pub(super) consumer: Consumer,
    /// The published word when there was nothing to read.
    pub(super) seen: Option<u64>,
    /// Found unreadable; left alone since.
    pub(super) is_broken: bool,
    /// Its file is no longer there under its name, and nobody writes it.
    pub(super) is_gone: bool,
    /// It was handed over a socket.
    #[cfg(target_os = "linux")]
    pub(super) sealed: Option<Arc<SealedLane>>,
}

/// More rows than a lane can gain while its reader is away: 10 million a second for most of a year.
const ROWS_AHEAD_MAX: u64 = 1 << 48;

/// What is known of a lane.
#[derive(Clone, Debug)]
pub struct LaneStatus {
    /// The lane's name.
    pub name: String,
    /// Name of its position.
    pub key: String,
    /// Rows before the next one to be read.
    pub position: u64,
    /// Rows published.
    pub end: u64,
    /// Its producer said that no more rows will come.
    pub is_finished: bool,
    /// Its producer lives.
    pub has_producer: bool,
    /// Rows read by this reader.
    pub rows_read: u64,
    /// Rows that were overwritten before this reader came to them.
    pub rows_lost: u64,
    /// Rows that producers dropped because the lane was full.
    pub rows_dropped: u64,
}

/// Who failed while a block was lent.
#[derive(Debug)]
pub(crate) enum Failure {
    Lane(Error),
    Taker(Error),
}

impl LaneReader {
    /// Opens the lane with this key (`NAME#ID`, as [`super::Reader::positions`] has them) of the stream at `path`; only
    /// the given columns are needed. It is held if the cursor of a [`super::Reader`] keeps the rows in the lane until
    /// they are read; else they are copied out of it first, if somebody may overwrite them.
    pub fn open(path: &Path, key: &str, columns: Option<&[usize]>, is_held: bool) -> Result<Self> {
        let (name, _) = key.split_once('#').unwrap_or((key, ""));
        let path = StreamFolder::open(path)?.lane_path(name)?;
        let access = if is_held { Access::Stream } else { Access::Once };
        let lane = Self::new(name.into(), lane::open(&path, access)?.into(), columns, is_held)?;
        if *lane.key != *key {
            return Err(Error::corrupt(format!("{}: the lane was removed and made anew", path.display()))
                .hint("start the query again: it takes the new lane from its beginning"));
        }
        Ok(lane)
    }

    /// A second reader of a lane that is open already.
    pub(crate) fn of(key: &str, open: Arc<OpenLane>, columns: Option<&[usize]>, is_held: bool) -> Result<Self> {
        let (name, _) = key.rsplit_once('#').unwrap_or((key, ""));
        Self::new(name.into(), open, columns, is_held)
    }

    /// Opens a lane file by itself.
    pub fn open_file(path: &Path, columns: Option<&[usize]>) -> Result<Self> {
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        Self::new(name, lane::open(path, Access::Once)?.into(), columns, false)
    }

    /// The number of the row behind the one read last.
    pub fn position(&self) -> u64 {
        self.consumer.position()
    }

    /// Lends the rows from `start` up to `end`, and returns how many. Fewer only if some were overwritten meanwhile,
    /// which counts as lost. If `take` fails, its block counts as not read.
    pub fn read(&mut self, start: u64, end: u64, take: &mut dyn FnMut(&BlockRef<'_>) -> Result<()>) -> Result<u64> {
        let mut total = 0;
        match self.read_rows(start, end, &mut total, take) {
            Ok(()) => Ok(total),
            Err(Failure::Taker(error) | Failure::Lane(error)) => Err(error),
        }
    }

    /// As [`LaneReader::read`], telling a lane that cannot be read from a taker that fails; `total` counts the rows up
    /// to then.
    pub(crate) fn read_rows(
        &mut self,
        start: u64,
        end: u64,
        total: &mut u64,
        take: &mut dyn FnMut(&BlockRef<'_>) -> Result<()>,
    ) -> Result<(), Failure> {
        let lane = |error| Failure::Lane(about(&self.open.path)(error));
        if self.consumer.position() != start && !self.consumer.seek(start).map_err(lane)? {
            return Err(lane(Error::corrupt(format!("row {start} is no longer published"))));
        }
        self.consumer.set_limit(Some(end));
        while self.consumer.position() != end {
            // Who finds more rows than fit is led on by a producer who breaks the rules.
            if *total > self.rows_max() {
                return Err(Failure::Lane(self.led_on()));
            }
            match self.read_block(&mut *take)? {
                0 => break,
                rows => *total += rows,
            }
        }
        Ok(())
    }

    /// Rows that were overwritten before they were read.
    pub fn rows_lost(&self) -> u64 {
        self.consumer.rows_lost()
    }

    pub(super) fn new(name: String, open: Arc<OpenLane>, columns: Option<&[usize]>, is_held: bool) -> Result<Self> {
        let mode = open.read_mode(is_held);
        let mut consumer = Consumer::new(open.region.clone(), &open.header, mode).map_err(about(&open.path))?;
        if let Some(columns) = columns {
            consumer.project(columns);
        }
        let key = format!("{name}#{:016x}", open.header.lane_id).into();
        Ok(Self {
            key,
            name,
            open,
            consumer,
            seen: None,
            is_broken: false,
            is_gone: false,
            #[cfg(target_os = "linux")]
            sealed: None,
        })
    }

    /// First and last of the rows that are published and were not read.
    pub(super) fn ready(&mut self) -> Result<Option<(u64, u64)>> {
        let word = self.consumer.published_word();
        let (start, end) = (self.consumer.position(), self.consumer.end().map_err(about(&self.open.path))?);
        if start != end {
            if rows_since(end, start).is_none_or(|rows| rows > ROWS_AHEAD_MAX) {
                return Err(self.led_on());
            }
            self.consumer.prefetch();
            return Ok(Some((start, end)));
        }
        self.seen = Some(word);
        Ok(None)
    }

    /// Lends one block.
    pub(super) fn read_block(&mut self, take: impl FnOnce(&BlockRef<'_>) -> Result<()>) -> Result<u64, Failure> {
        let word = self.consumer.published_word();
        let lane = |error| Failure::Lane(about(&self.open.path)(error));
        let Some(block) = self.consumer.next(usize::MAX).map_err(lane)? else {
            self.seen = Some(word);
            return Ok(0);
        };
        let rows = block.len();
        take(&block.view()).map_err(Failure::Taker)?;
        self.consumer.advance(rows).map_err(lane)?;
        Ok(rows as u64)
    }

    /// Whether there is nothing to wait for any more.
    pub(super) fn is_over(&self) -> bool {
        let is_drained = || self.consumer.end().is_ok_and(|end| end == self.consumer.position());
        self.is_broken || (self.is_gone && is_drained())
    }

    /// Rows that fit the lane.
    fn rows_max(&self) -> u64 {
        let geometry = self.consumer.layout().geometry();
        geometry.block_rows as u64 * geometry.slot_count as u64
    }

    #[cold]
    fn led_on(&self) -> Error {
        about(&self.open.path)(
            Error::corrupt("the lane broke the ring's rules: its row numbers jump")
                .hint("its producer is at fault, or another program wrote into the file"),
        )
    }

    /// Whether anything was published since there was nothing to read.
    pub(super) fn has_news(&self) -> bool {
        !self.is_broken && self.seen != Some(self.consumer.published_word())
    }

    pub(super) fn set_limit(&mut self, limits: Option<&[(String, u64)]>) {
        let limit = limits.map(|limits| {
            let own = limits.iter().find(|(key, _)| **key == *self.key);
            own.map_or(self.consumer.position(), |&(_, row)| row)
        });
        self.consumer.set_limit(limit);
        self.seen = None;
    }

    /// Whether the lane's name still leads to this lane.
    pub(super) fn is_current(&self) -> bool {
        !self.is_handed_over() && file::is_same(&self.open.file, &self.open.path)
    }

    pub(super) fn is_handed_over(&self) -> bool {
        self.open.is_handed_over
    }

    pub(super) fn has_producer(&self) -> bool {
        #[cfg(target_os = "linux")]
        if let Some(lane) = &self.sealed {
            return lane.is_connected();
        }
        claim::holder(self.consumer.region(), claim::LANE).is_alive(|| claim::is_locked(&self.open.file))
    }

    pub(super) fn lane_id(&self) -> u64 {
        self.open.header.lane_id
    }

    pub(super) fn on_full(&self) -> OnFull {
        self.open.header.on_full
    }

    pub(super) fn status(&self) -> LaneStatus {
        let consumer = &self.consumer;
        LaneStatus {
            name: self.name.clone(),
            key: self.key.to_string(),
            position: consumer.position(),
            end: consumer.end().unwrap_or(consumer.position()),
            is_finished: consumer.is_finished(),
            has_producer: self.has_producer(),
            rows_read: consumer.rows_read(),
            rows_lost: consumer.rows_lost(),
            rows_dropped: consumer.rows_dropped(),
        }
    }
}
