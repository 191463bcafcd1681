//! The producer's side: connects, checks what it is handed, and hears from the page how far the engine has read.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use firesteel_core::{
    Error, Result,
    ring::{
        LaneHeader,
        region::{Region, RegionMut},
        rows_since,
        sync::{Ordering, fence},
    },
};

use super::{
    super::{about, io_error},
    page,
    wire::{self, Welcome},
};
use crate::sys::{Mapping, memory, socket::Connection};

/// How long the engine may take to answer.
const WELCOME_TIMEOUT: Duration = Duration::from_secs(10);
/// Publishes between two looks whether the engine is still there: a look is a call.
const PUBLISHES_PER_LOOK: u32 = 256;

/// A producer's connection to its engine.
#[derive(Debug)]
pub struct Link {
    path: PathBuf,
    connection: Connection,
    page: Region,
    publishes: u32,
    is_cut: bool,
}

impl Link {
    /// Asks the engine that listens at `path` for a lane.
    pub fn open(path: &Path, lane: &str) -> Result<(Self, LaneHeader, RegionMut)> {
        let failed = |doing: &'static str| move |e: std::io::Error| io_error(doing, path, e);
        let connection = Connection::open(path).map_err(|e| {
            Error::io(format!("connecting to {}: {e}", path.display()))
                .hint("an engine listens there while it runs a job whose ring has the option `listen`")
        })?;
        connection.send(&wire::hello(lane)).map_err(failed("writing to"))?;
        let mut message = [0; wire::BYTES_MAX];
        let (len, files) = connection.receive_files(&mut message, WELCOME_TIMEOUT).map_err(failed("reading from"))?;
        if let Welcome::Refused(why) = wire::read_welcome(&message[..len]).map_err(about(path))? {
            return Err(Error::io(format!("{}: the engine hands out no lane: {why}", path.display())));
        }
        let [lane, page] = files.as_slice() else {
            return Err(Error::corrupt(format!("{}: a lane and a page should come, not {files:?}", path.display())));
        };
        let len = memory::fixed_len(lane).map_err(failed("checking the lane of"))?;
        let region = Mapping::writable(lane, len as usize, true).map_err(failed("mapping the lane of"))?;
        let header = LaneHeader::read(&region).map_err(about(path))?;
        if memory::fixed_len(page).map_err(failed("checking the page of"))? < page::BYTES {
            return Err(Error::corrupt(format!("{}: the page is too small", path.display())));
        }
        let page = Mapping::read_only(page, page::BYTES as usize, true).map_err(failed("mapping the page of"))?;
        let version = page.load_u32(page::VERSION_AT, Ordering::Acquire);
        if page.load_u64(0, Ordering::Acquire) != page::MAGIC || version != page::VERSION {
            return Err(Error::corrupt(format!("{}: the page is not of this version", path.display())));
        }
        Ok((Self { path: path.into(), connection, page, publishes: 0, is_cut: false }, header, region))
    }

    /// Tells the engine of rows, if it sleeps: called after they were published.
    #[inline]
    pub fn ring(&mut self) {
        // Pairs with the fence between the engine's flag and its last look for rows.
        fence(Ordering::SeqCst);
        self.publishes = self.publishes.wrapping_add(1);
        if self.page.load_u32(page::ASLEEP, Ordering::Relaxed) != 0 {
            // A message that finds no room is one of many that wait to be read.
            self.is_cut |= self.connection.send(&[1]).is_err();
        } else if self.publishes.is_multiple_of(PUBLISHES_PER_LOOK) {
            self.look();
        }
    }

    /// Whether the engine has given back all rows before `row`.
    #[inline]
    pub fn has_read(&self, row: u64) -> bool {
        // Pairs with the release store of the engine.
        rows_since(self.page.load_u64(page::GIVEN_BACK, Ordering::Acquire), row).is_some()
    }

    /// Looks whether the engine is still there.
    pub fn look(&mut self) {
        self.is_cut |= !self.connection.is_open();
    }

    /// Whether the engine was gone when it was last looked for.
    #[inline]
    pub fn is_cut(&self) -> bool {
        self.is_cut
    }

    /// The socket.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// An error if the engine is gone; `end` is what was published.
    pub fn check(&self, end: u64) -> Result<()> {
        if !self.is_cut {
            return Ok(());
        }
        let given_back = self.page.load_u64(page::GIVEN_BACK, Ordering::Acquire);
        let unread = rows_since(end, given_back).unwrap_or_default();
        let path = self.path.display();
        Err(Error::io(format!("the engine at {path} is gone; it had not given back {unread} rows of this lane"))
            .hint("connect again when it is back, and send those rows again if none may be missing"))
    }
}
