//! Lanes that cannot be read: left alone from then on, reported once each, and forgotten when another file takes their
//! place. What others do to one lane must not stop the reader of all.

use firesteel_core::Error;

use super::{
    super::{StreamFolder, lane_reader::LaneStatus},
    LaneReader, Reader,
};
use crate::sys::file::{self, FileId};

/// A lane that cannot be read.
#[derive(Clone, Debug)]
pub struct BrokenLane {
    /// The lane's name.
    pub name: String,
    /// What is wrong with it.
    pub error: Error,
    /// The file that is: another one in its place is tried. None is to blame for what the system says.
    file: Option<FileId>,
    is_reported: bool,
}

/// Why the folder of the stream cannot be looked at.
#[derive(Clone, Debug)]
pub(super) struct Trouble {
    pub error: Error,
    pub is_reported: bool,
}

impl Reader {
    /// Lanes that cannot be read, the last state of each.
    pub fn broken_lanes(&self) -> &[BrokenLane] {
        &self.broken
    }

    /// How often a lane was found to be unreadable; a file that took the place of a bad one counts anew.
    pub fn lanes_broken(&self) -> u64 {
        self.breaks
    }

    /// Whether something is wrong with a lane, or with the folder of all.
    pub(crate) fn has_trouble(&self) -> bool {
        self.trouble.is_some() || !self.broken.is_empty()
    }

    /// What is wrong with the folder, if that was not told yet.
    pub(crate) fn trouble_report(&mut self) -> Option<Error> {
        let trouble = self.trouble.as_mut().filter(|trouble| !trouble.is_reported)?;
        trouble.is_reported = true;
        Some(trouble.error.clone())
    }

    /// What is wrong with a lane, if that was not told yet.
    pub(crate) fn next_report(&mut self) -> Option<Error> {
        let lane = self.broken.iter_mut().find(|lane| !lane.is_reported)?;
        lane.is_reported = true;
        Some(lane.error.clone())
    }

    /// Leaves a lane alone from now on.
    pub(super) fn break_lane(&mut self, index: usize, error: Error) {
        let lane = &mut self.lanes[index];
        if !std::mem::replace(&mut lane.is_broken, true) {
            let name = lane.name.clone();
            self.note_broken(&name, error);
        }
    }

    pub(super) fn note_broken(&mut self, name: &str, error: Error) {
        let path = self.folder.as_ref().and_then(|folder| folder.lane_path(name).ok());
        // What the file is not to blame for may be over the next time that lanes are listed.
        let file = path.filter(|_| !error.is_io()).and_then(|path| file::id(&path));
        let before = self.broken.iter().position(|lane| lane.name == name).map(|at| self.broken.swap_remove(at));
        let is_same = before.as_ref().is_some_and(|before| file.is_none() && before.error == error);
        let is_reported = is_same && before.is_some_and(|before| before.is_reported);
        self.breaks += u64::from(!is_same);
        self.broken.push(BrokenLane { name: name.into(), error, file, is_reported });
    }

    /// Whether a lane could not be read for what may be over by itself.
    pub(super) fn may_mend(&self) -> bool {
        self.broken.iter().any(|lane| lane.file.is_none())
    }

    /// Whether the file of this lane is one that was found bad before.
    pub(super) fn is_known_broken(&self, name: &str, folder: &StreamFolder) -> bool {
        let broken = self.broken.iter().find(|lane| lane.name == name);
        broken.is_some_and(|lane| folder.lane_path(name).is_ok_and(|path| file::id(&path) == lane.file))
    }

    pub(super) fn take_up(&mut self, lane: LaneReader) {
        self.broken.retain(|broken| broken.name != lane.name);
        self.open.add(&lane.key, &lane.open);
        self.lanes.push(lane);
    }

    /// The last of lanes that [`Reader::ready`] has let go of.
    pub(crate) fn take_retired(&mut self) -> Vec<LaneStatus> {
        std::mem::take(&mut self.retired)
    }

    /// Lets go of lanes of which nothing more can come. Indices of lanes change.
    pub(super) fn retire_lanes(&mut self) {
        for (key, error) in self.open.take_faults() {
            if let Some(index) = self.lanes.iter().position(|lane| lane.key == key) {
                self.break_lane(index, error);
            }
        }
        if !self.lanes.iter().any(|lane| lane.is_broken || lane.is_gone) {
            return;
        }
        let (open, handed, cursor, retired) = (&self.open, &self.handed, &mut self.cursor, &mut self.retired);
        self.lanes.retain(|lane| {
            let stays = !lane.is_over();
            if !stays {
                open.remove(&lane.key);
                retired.push(lane.status());
                handed.leave(lane);
            }
            if let (false, true, Some(cursor)) = (stays, lane.is_gone, cursor.as_mut()) {
                cursor.forget(lane.lane_id());
            }
            stays
        });
    }
}
