//! Looking after what is ours in a folder that others can write, too: a cursor or a bell that was cut off or removed is
//! made anew. Without the one producers would wait for ever or overwrite what we read, without the other we would not
//! hear of new lanes.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use firesteel_core::Result;

use super::{
    super::{bell::Bell, open_lanes::OpenLanes},
    Reader, Trouble,
};

/// How often a reader looks at its files, and for lanes that no bell told of, if it has nothing else to do.
pub(super) const CARE_AFTER: Duration = Duration::from_secs(1);

impl Reader {
    /// Puts lanes where those find them who read what [`Reader::ready`] found.
    pub(crate) fn share_lanes(&mut self, open: OpenLanes) {
        self.open = open;
        self.lanes.iter().for_each(|lane| self.open.add(&lane.key, &lane.open));
    }

    /// Says in the cursor for which checkpoint's folder it holds rows.
    pub(crate) fn note_checkpoint(&mut self, folder: &Path) -> Result<()> {
        self.cursor.as_mut().map_or(Ok(()), |cursor| cursor.note_checkpoint(folder))
    }

    /// Whether it is time to look, for a reader that waits, or has lanes that may have become readable.
    pub(super) fn is_due(&self) -> bool {
        (self.has_waited || self.may_mend()) && self.listed_at.elapsed() >= CARE_AFTER
    }

    /// The lanes are listed now.
    pub(super) fn note_listed(&mut self) {
        self.changes = self.bell.as_ref().map_or(0, Bell::changes);
        self.listed_at = Instant::now();
        self.has_waited = false;
    }

    /// Whether the folder could not be looked at a moment ago. What has come since is found when it can be.
    pub(super) fn is_put_off(&mut self) -> bool {
        let is_put_off = self.trouble.is_some() && self.listed_at.elapsed() < CARE_AFTER;
        if let (true, Some(bell)) = (is_put_off, &self.bell) {
            self.changes = bell.changes();
        }
        is_put_off
    }

    /// Whatever is wrong with the folder, the lanes that are open are read on.
    pub(super) fn note_looked(&mut self, looked: Result<()>) {
        match looked {
            Ok(()) => self.trouble = None,
            Err(error) => {
                self.note_listed();
                let is_reported = self.trouble.as_ref().is_some_and(|before| before.error == error);
                self.trouble = Some(Trouble { error, is_reported });
            }
        }
    }

    /// Makes the cursor and the bell anew if they are not what they were. At once if they were cut off, in a while if
    /// they were removed.
    pub(super) fn look_after_files(&mut self) -> Result<()> {
        let is_due = self.is_due();
        let Some(folder) = &self.folder else { return Ok(()) };
        let mut is_new = false;
        if let Some(bell) = self.bell.as_mut().filter(|bell| !bell.is_intact() || (is_due && !bell.is_there())) {
            *bell = Bell::renew(folder.path())?;
            is_new = true;
        }
        if let Some(cursor) = self.cursor.as_mut().filter(|c| !c.is_intact() || (is_due && !c.is_there())) {
            cursor.renew(folder)?;
            is_new = true;
        }
        if let Some(bell) = self.bell.as_ref().filter(|_| is_new) {
            bell.announce();
        }
        Ok(())
    }
}
