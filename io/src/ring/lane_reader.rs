//! One lane, read: what a [`super::Reader`] has several of, and what a worker reads its share with.

use std::{
    fs::File,
    path::{Path, PathBuf},
    sync::Arc,
};

use firesteel_core::{
    Error, Result,
    block::BlockRef,
    ring::{Consumer, OnFull},
};

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
    pub(super) lane_id: u64,
    pub(super) path: PathBuf,
    file: File,
    pub(super) on_full: OnFull,
    pub(super) consumer: Consumer,
    /// The published word when there was nothing to read.
    pub(super) seen: Option<u64>,
    /// Reported as unreadable; left alone since.
    pub(super) is_broken: bool,
}

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
pub(super) enum Failure {
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
        let lane = Self::new(name.into(), lane::open(&path, access)?, columns, is_held)?;
        if *lane.key != *key {
            return Err(Error::corrupt(format!("{}: the lane was removed and made anew", path.display()))
                .hint("start the query again: it takes the new lane from its beginning"));
        }
        Ok(lane)
    }

    /// Opens a lane file by itself.
    pub fn open_file(path: &Path, columns: Option<&[usize]>) -> Result<Self> {
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        Self::new(name, lane::open(path, Access::Once)?, columns, false)
    }

    /// The number of the row behind the one read last.
    pub fn position(&self) -> u64 {
        self.consumer.position()
    }

    /// Lends the rows from `start` up to `end`, and returns how many. Fewer only if some were overwritten meanwhile,
    /// which counts as lost. If `take` fails, its block counts as not read.
    pub fn read(&mut self, start: u64, end: u64, take: &mut dyn FnMut(&BlockRef<'_>) -> Result<()>) -> Result<u64> {
        if self.consumer.position() != start && !self.consumer.seek(start).map_err(about(&self.path))? {
            return Err(Error::internal(format!("row {start} of lane '{}' is not published", self.name)));
        }
        self.consumer.set_limit(Some(end));
        let mut total = 0;
        while self.consumer.position() != end {
            match self.read_block(&mut *take) {
                Ok(0) => break,
                Ok(rows) => total += rows,
                Err(Failure::Taker(error)) => return Err(error),
                Err(Failure::Lane(error)) => return Err(about(&self.path)(error)),
            }
        }
        Ok(total)
    }

    /// Rows that were overwritten before they were read.
    pub fn rows_lost(&self) -> u64 {
        self.consumer.rows_lost()
    }

    pub(super) fn new(name: String, open: OpenLane, columns: Option<&[usize]>, is_held: bool) -> Result<Self> {
        let mode = open.read_mode(is_held);
        let mut consumer = Consumer::new(open.region, &open.header, mode).map_err(about(&open.path))?;
        if let Some(columns) = columns {
            consumer.project(columns);
        }
        let lane_id = open.header.lane_id;
        Ok(Self {
            key: format!("{name}#{lane_id:016x}").into(),
            name,
            lane_id,
            path: open.path,
            file: open.file,
            on_full: open.header.on_full,
            consumer,
            seen: None,
            is_broken: false,
        })
    }

    /// First and last of the rows that are published and were not read.
    pub(super) fn ready(&mut self) -> Result<Option<(u64, u64)>> {
        let word = self.consumer.published_word();
        let (start, end) = (self.consumer.position(), self.consumer.end().map_err(about(&self.path))?);
        if start != end {
            self.consumer.prefetch();
            return Ok(Some((start, end)));
        }
        self.seen = Some(word);
        Ok(None)
    }

    /// Lends one block.
    pub(super) fn read_block(&mut self, take: impl FnOnce(&BlockRef<'_>) -> Result<()>) -> Result<u64, Failure> {
        let word = self.consumer.published_word();
        let Some(block) = self.consumer.next(usize::MAX).map_err(Failure::Lane)? else {
            self.seen = Some(word);
            return Ok(0);
        };
        let rows = block.len();
        take(&block.view()).map_err(Failure::Taker)?;
        self.consumer.advance(rows).map_err(Failure::Lane)?;
        Ok(rows as u64)
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
        file::is_same(&self.file, &self.path)
    }

    pub(super) fn status(&self) -> LaneStatus {
        let consumer = &self.consumer;
        let holder = claim::holder(consumer.region(), claim::LANE);
        LaneStatus {
            name: self.name.clone(),
            key: self.key.to_string(),
            position: consumer.position(),
            end: consumer.end().unwrap_or(consumer.position()),
            is_finished: consumer.is_finished(),
            has_producer: holder.is_alive(|| claim::is_locked(&self.file)),
            rows_read: consumer.rows_read(),
            rows_lost: consumer.rows_lost(),
            rows_dropped: consumer.rows_dropped(),
        }
    }
}
