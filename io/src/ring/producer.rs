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

#[cfg(target_os = "linux")]
use super::sealed::link::Link;
use super::{
    StreamFolder, about,
    bell::Bell,
    check_name, claim,
    cursors::Readers,
    lane::{self, OwnedLane},
    wait::{Step, Wait, Waiting},
};

/// Name of the lane if none is given.
const LANE_DEFAULT: &str = "main";

/// The producer of one lane.
#[derive(Debug)]
pub struct Producer {
    name: String,
    ring: ring::Producer,
    home: Home,
}

/// Where the lane is, and who reads it.
#[derive(Debug)]
enum Home {
    /// A file of a stream's folder.
    Folder(Box<InFolder>),
    /// Memory that an engine handed us.
    #[cfg(target_os = "linux")]
    Engine(Box<Link>),
}

#[derive(Debug)]
struct InFolder {
    folder: StreamFolder,
    lane: OwnedLane,
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
        let home = InFolder { folder, lane, bell, readers: Readers::default() };
        Ok(Self { name: name.into(), ring, home: Home::Folder(home.into()) })
    }

    /// Asks the engine that listens at a socket (option `listen` of its ring) for a lane: for producers that the engine
    /// need not trust, and that may not see the ring's folder. The lane ends with the connection: what is in it then is
    /// still read. If the engine ends, storing rows becomes an error; those that it had not read are gone.
    #[cfg(target_os = "linux")]
    pub fn connect(socket: impl AsRef<Path>, lane: Option<&str>) -> Result<Self> {
        let name = lane.unwrap_or(LANE_DEFAULT);
        check_name("lane", name)?;
        let (link, header, region) = Link::open(socket.as_ref(), name)?;
        let ring = ring::Producer::attach(region, &header).map_err(about(link.path()))?;
        Ok(Self { name: name.into(), ring, home: Home::Engine(link.into()) })
    }

    /// Stores one row: one value a column. False if it was dropped because the lane is full and its policy says so.
    #[inline]
    pub fn push(&mut self, row: &[Cell<'_>]) -> Result<bool> {
        match self.ring.push(row)? {
            Pushed::All if self.home.is_cut() => self.check_home(false).map(|()| true),
            Pushed::All => Ok(true),
            Pushed::Full(_) => self.push_when_full(row),
        }
    }

    /// Lets readers see all rows stored so far.
    #[inline]
    pub fn publish(&mut self) {
        self.ring.publish();
        self.home.ring();
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
            self.check_home(false)?;
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
            self.check_home(true)?;
            let pushed = self.ring.append(block, done)?;
            self.home.ring();
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
            let wanted = self.ring.wanted().unwrap_or_default();
            if !self.home.sleep(&mut waiting, wanted) {
                return false;
            }
        }
    }

    /// Publishes, and marks the lane as finished: no more rows will come until another producer opens it.
    pub fn finish(mut self) {
        self.ring.finish();
        self.home.ring();
    }

    /// The lane's name.
    pub fn lane(&self) -> &str {
        &self.name
    }

    /// The stream's columns.
    pub fn schema(&self) -> &Schema {
        self.ring.layout().schema()
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
        self.check_home(true)?;
        self.home.ring();
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
            self.check_home(false)?;
        }
        match self.ring.push(row)? {
            Pushed::All => Ok(true),
            Pushed::Full(_) => Err(Error::internal(format!("lane '{}' is full after it was not", self.name))),
        }
    }

    /// What is stored behind the end of a file, or for an engine that is gone, is stored nowhere.
    fn check_home(&mut self, looks: bool) -> Result<()> {
        match &mut self.home {
            Home::Folder(home) if !self.ring.region().is_intact() => {
                Err(Error::corrupt(format!("{}: the file was cut off while it was written", home.lane.path.display()))
                    .hint("remove it and start the producer again; find out which program truncates it"))
            }
            Home::Folder(_) => Ok(()),
            #[cfg(target_os = "linux")]
            Home::Engine(link) => {
                if looks {
                    link.look();
                }
                link.check(self.ring.rows_published())
            }
        }
    }

    /// Tells the ring if the readers have given back the block it wants to reuse.
    fn ask_readers(&mut self, closely: bool) -> bool {
        let Some(wanted) = self.ring.wanted() else { return true };
        let is_free = self.home.has_read(wanted, closely);
        if is_free {
            self.ring.release(wanted);
        }
        is_free
    }
}

impl Home {
    /// Whether the engine is known to be gone.
    #[inline]
    fn is_cut(&self) -> bool {
        match self {
            Self::Folder(_) => false,
            #[cfg(target_os = "linux")]
            Self::Engine(link) => link.is_cut(),
        }
    }

    /// Wakes readers who sleep.
    #[inline]
    fn ring(&mut self) {
        match self {
            Self::Folder(home) => home.bell.rows().ring(),
            #[cfg(target_os = "linux")]
            Self::Engine(link) => link.ring(),
        }
    }

    fn has_read(&mut self, row: u64, closely: bool) -> bool {
        match self {
            Self::Folder(home) => {
                let InFolder { folder, lane, bell, readers } = &mut **home;
                readers.have_read(folder, bell, lane.header.lane_id, row, closely)
            }
            #[cfg(target_os = "linux")]
            Self::Engine(link) => link.has_read(row),
        }
    }

    /// Sleeps until the rows before this one may have been read; false if nobody is there to read them.
    fn sleep(&mut self, waiting: &mut Waiting, row: u64) -> bool {
        match self {
            Self::Folder(home) => {
                let InFolder { folder, lane, bell, readers } = &mut **home;
                let lane_id = lane.header.lane_id;
                bell.space().sleep(waiting, || readers.have_read(folder, bell, lane_id, row, false));
                true
            }
            #[cfg(target_os = "linux")]
            Self::Engine(link) => {
                waiting.nap();
                link.look();
                !link.is_cut()
            }
        }
    }
}

impl Drop for Producer {
    fn drop(&mut self) {
        self.publish();
        if let Home::Folder(home) = &self.home {
            claim::give_back(self.ring.region(), claim::LANE, home.lane.claim);
            home.bell.announce();
        }
    }
}
