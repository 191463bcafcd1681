//! Lanes that were handed over a socket, among those of the folder: taken up when a producer connects, let go of when
//! it has left and its rows are read. Their producers see what was given back in a page of their own.

use firesteel_core::Result;

use super::{
    super::{Listen, lane_reader::LaneReader},
    Reader, ReadyRows,
};

#[cfg(target_os = "linux")]
pub(super) use linux::Handed;
#[cfg(not(target_os = "linux"))]
pub(super) use other::Handed;

impl Reader {
    /// Hands out lanes at a socket from now on.
    pub(crate) fn listen(&mut self, listen: &Listen) -> Result<()> {
        let Some(folder) = &self.folder else { return Ok(()) };
        self.handed.join(folder, listen)
    }

    /// Takes over from another reader of the same ring, which has not read yet, what producers connect to.
    pub(crate) fn listen_as(&mut self, other: &mut Self) {
        self.handed = std::mem::take(&mut other.handed);
    }

    /// Gives back rows that were ready, of lanes that were handed over: they cannot be read again anyway.
    pub(crate) fn commit_handed_over(&mut self, ready: &[ReadyRows]) -> Result<()> {
        let lanes = ready.iter().filter(|rows| self.lanes[rows.lane].is_handed_over());
        lanes.for_each(|rows| self.handed.commit(&self.lanes[rows.lane], rows.end));
        Ok(())
    }

    /// Takes up lanes that were handed over since.
    pub(super) fn find_handed_over(&mut self) {
        let columns = self.options.columns.clone();
        for (name, result) in self.handed.new_lanes(&self.lanes, columns.as_deref()) {
            match result {
                Ok(mut lane) => {
                    lane.set_limit(self.limits.as_deref());
                    self.take_up(lane);
                }
                Err(error) => self.note_broken(&name, error),
            }
        }
    }
}

#[cfg(target_os = "linux")]
mod linux {
    use std::sync::Arc;

    use firesteel_core::{
        Result,
        ring::sync::{Ordering, fence},
    };

    use super::{
        super::super::{
            StreamFolder,
            sealed::hub::{Hub, Member, SealedLane},
        },
        LaneReader, Listen,
    };

    /// What a reader has to do with lanes that are handed out, if it has.
    #[derive(Debug, Default)]
    pub struct Handed(Option<Member>);

    impl Handed {
        pub fn join(&mut self, folder: &StreamFolder, listen: &Listen) -> Result<()> {
            self.0 = Some(Hub::join(folder, listen)?);
            Ok(())
        }

        pub fn new_lanes(&self, known: &[LaneReader], columns: Option<&[usize]>) -> Vec<(String, Result<LaneReader>)> {
            let Some(member) = &self.0 else { return Vec::new() };
            let is_new = |id: u64| !known.iter().any(|lane| lane.is_handed_over() && lane.lane_id() == id);
            let lanes = member.lanes().into_iter().filter(|(lane, _)| is_new(lane.open.header.lane_id));
            let take = |(lane, row): (Arc<SealedLane>, u64)| {
                let opened = LaneReader::new(lane.name.clone(), lane.open.clone(), columns, true);
                let opened = opened.and_then(|mut reader| {
                    reader.consumer.seek(row)?;
                    reader.sealed = Some(lane.clone());
                    Ok(reader)
                });
                if opened.is_err() {
                    member.leave(&lane);
                }
                (lane.name.clone(), opened)
            };
            lanes.map(take).collect()
        }

        pub fn commit(&self, lane: &LaneReader, row: u64) {
            if let (Some(member), Some(sealed)) = (&self.0, &lane.sealed) {
                member.commit(sealed, row);
            }
        }

        pub fn leave(&self, lane: &LaneReader) {
            if let (Some(member), Some(sealed)) = (&self.0, &lane.sealed) {
                member.leave(sealed);
            }
        }

        /// Asks all their producers to tell of rows, and then whether there are any: what they publish from here on
        /// they tell.
        pub fn would_sleep(&self, is_ready: impl FnOnce() -> bool) -> bool {
            if let Some(member) = &self.0 {
                member.lanes().iter().for_each(|(lane, _)| lane.set_asleep());
                // Pairs with the fence in `Link::ring`.
                fence(Ordering::SeqCst);
            }
            is_ready()
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod other {
    use firesteel_core::{Error, Result};

    use super::{super::super::StreamFolder, LaneReader, Listen};

    /// Nothing is handed out here.
    #[derive(Debug, Default)]
    pub struct Handed;

    impl Handed {
        pub fn join(&mut self, _folder: &StreamFolder, _listen: &Listen) -> Result<()> {
            Err(Error::invalid("option `listen` needs Linux"))
        }

        pub fn new_lanes(&self, _: &[LaneReader], _: Option<&[usize]>) -> Vec<(String, Result<LaneReader>)> {
            Vec::new()
        }

        pub fn commit(&self, _lane: &LaneReader, _row: u64) {}

        pub fn leave(&self, _lane: &LaneReader) {}

        pub fn would_sleep(&self, is_ready: impl FnOnce() -> bool) -> bool {
            is_ready()
        }
    }
}
