//! Going on where an earlier reader stood, which may have died: its positions come from a checkpoint, its cursor still
//! holds the rows behind them.
//!
//! ```text
//!    given back     held for the case of a crash     read next
//!   ───────────┼───────────────────────────────────┼──────────►   rows of a lane
//!          cursor (`give_back`)            place (`resume`)
//! ```

use firesteel_core::{
    Result,
    ring::{BlockNumber, Cursor, OnFull, rows_since},
};

use super::{super::about, LaneReader, Reader, Start};

impl Reader {
    /// Where to go on, for [`Reader::resume`]: one position for each lane name, and those of lanes that have not
    /// appeared again yet.
    pub fn place(&self) -> Vec<(String, u64)> {
        let lanes = self.lanes.iter().enumerate();
        // A lane that was made anew stands behind its older self, whose file nobody will find again.
        let current = lanes
            .filter(|(_, lane)| !lane.is_handed_over())
            .filter(|(i, lane)| self.lanes[i + 1..].iter().all(|later| later.name != lane.name));
        let mut place: Vec<(String, u64)> =
            current.map(|(_, lane)| (lane.key.to_string(), lane.consumer.position())).collect();
        let is_gone = |key: &str| self.lanes.iter().all(|lane| Some(lane.name.as_str()) != lane_name(key));
        place.extend(self.pending.iter().filter(|(key, _)| is_gone(key)).cloned());
        place
    }

    /// Goes on from the place of an earlier reader of the same stream; gives the number of rows that are gone. Lanes
    /// that it did not know are read from their beginning, lanes that are gone are waited for. A lane that ends before
    /// its position has lost rows that were read (the machine lost power): it goes on with those that come.
    pub fn resume(&mut self, place: &[(String, u64)]) -> Result<u64> {
        let lost_before = self.rows_lost();
        if self.has_skipped {
            let is_new = |lane: &&mut LaneReader| !place.iter().any(|(key, _)| **key == *lane.key);
            for lane in self.lanes.iter_mut().filter(is_new) {
                lane.consumer.rewind().map_err(about(&lane.open.path))?;
                lane.seen = None;
            }
        }
        self.has_skipped = false;
        // Lanes that come from here on are new to whoever stood there.
        self.options.start = Start::Oldest;
        self.seek(place)?;
        Ok(self.rows_lost() - lost_before)
    }

    /// Gives back the rows before this place; what was given back already stays so.
    pub fn give_back(&mut self, place: &[(String, u64)]) -> Result<()> {
        let Some(cursor) = &self.cursor else { return Ok(()) };
        let is_ahead = |(key, row): &&(String, u64)| {
            let lane = self.lanes.iter().find(|lane| *lane.key == **key);
            let given_back = lane.and_then(|lane| cursor.committed(lane.lane_id()));
            given_back.is_none_or(|given_back| rows_since(*row, given_back).is_some())
        };
        let ahead: Vec<(String, u64)> = place.iter().filter(is_ahead).cloned().collect();
        self.commit(&ahead)
    }

    /// The largest share of a lane that is taken by rows that were read and not given back; near 1 its producer waits
    /// or drops rows. Producers that overwrite do neither.
    pub fn held_share(&self) -> f64 {
        let Some(cursor) = &self.cursor else { return 0.0 };
        let shares = self.lanes.iter().filter_map(|lane| Some(share_held(lane, cursor.committed(lane.lane_id())?)));
        shares.fold(0.0, f64::max)
    }
}

/// Rows of a lane that are read and not given back, as a share of those it has room for.
fn share_held(lane: &LaneReader, given_back: u64) -> f64 {
    let held = rows_since(lane.consumer.position(), given_back).unwrap_or_default();
    if held == 0 || lane.on_full() == OnFull::Overwrite {
        return 0.0;
    }
    let room = rows_of_block(lane) * lane.consumer.layout().geometry().slot_count as f64;
    (held as f64 / room).min(1.0)
}

/// How many rows a block of this lane really gets: fewer than fit if long strings end it early.
fn rows_of_block(lane: &LaneReader) -> f64 {
    let most = lane.consumer.layout().geometry().block_rows;
    let published = Cursor::from_word(lane.consumer.published_word(), most);
    let end = lane.consumer.end().ok();
    let mean = published.zip(end).and_then(|(published, end)| {
        let blocks = published.block.since(BlockNumber::new(0)).filter(|blocks| *blocks > 0)?;
        Some(end.saturating_sub(published.rows as u64) as f64 / blocks as f64)
    });
    // Words of others: whatever they say, a block has some rows and no more than fit.
    mean.unwrap_or(most as f64).clamp(1.0, most as f64)
}

fn lane_name(key: &str) -> Option<&str> {
    key.rsplit_once('#').map(|(name, _)| name)
}
