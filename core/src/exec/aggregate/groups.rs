//! The groups of an aggregation and their accumulators: rows come in by pane or key, groups go when the watermark
//! passes them.
//!
//! Lateness works on *windows*, state on *panes*. A pane belongs to several windows; a row is dropped only when all
//! of its windows are late, and a window that closed in an earlier epoch is never emitted again, so that a pane may
//! go on collecting rows for its later windows. This gives Spark's answer without keeping a state row per window.

use alloc::{collections::BTreeMap, vec::Vec};
use core::ops::Range;

use super::{
    accumulators::Accumulators,
    hand_over::Handed,
    late::LateGroups,
    room::Room,
    times::{are_after, are_runs, keep_live, pane_range, time_range},
};
use crate::{
    block::{Bitmap, BitmapRef, BlockRef, ColumnRef, Foresight, Rows, Upcoming},
    codec::{self, Scalar},
    error::{Error, Result},
    exec::{
        operator::{Epoch, StateMetrics},
        operators::event_time,
    },
    plan::{Aggregate, EventKey, OutputMode},
    schema::DataType,
    simd,
    state::{Dropped, Groups, KeyTable, NO_GROUP, Pane},
    window::Panes,
};

/// Panes of one block among which rows are shared out by comparing with each pane's start.
const PANES_AT_ONCE: usize = 16;

/// Rows whose groups are looked up together: a group that is new to them is found by those that follow. As many are
/// asked together whether the epoch has touched all their groups.
const KNOWN_ROWS: usize = 512;

/// Rows of the next block that are asked for while this one is added up, if it has as many itself: of eight bytes a row
/// that is a page.
const FIRST_ROWS: usize = 512;

/// Of saved state.
const VERSION: u8 = 1;

/// The pane of aggregations that have no panes.
pub(super) const ONLY_PANE: i64 = 0;

/// How groups relate to event time.
#[derive(Debug)]
pub(super) enum Event {
    /// Groups are (window, key), kept as (pane, key); under a watermark rows can be late and windows close.
    Window { panes: Panes, has_watermark: bool },
    /// One key column is an event time under a watermark; `closing` has the keys by the time at which they close.
    Column { position: usize, closing: BTreeMap<i64, Vec<u32>> },
    /// Groups never close.
    None,
}

#[derive(Debug)]
pub(super) struct GroupState {
    // State.
    pub(super) event: Event,
    pub(super) keys: KeyTable,
    pub(super) groups: Groups,
    pub(super) accumulators: Accumulators,
    pub(super) touched: Touched,
    /// The first pane that this epoch's rows fell into.
    pub(super) changed_from: i64,
    // Metrics of the epoch.
    pub(super) late: LateGroups,
    pub(super) room: Room,
    metrics: StateMetrics,
    // Scratch.
    key_ids: Vec<u32>,
    group_ids: Vec<u32>,
    /// `group_ids` is so many times this group.
    filled_with: Option<(u32, usize)>,
    pane_numbers: Vec<u32>,
    /// Of the times.
    foresight: Foresight,
    live: Bitmap,
    pub(super) handed: Handed,
    pub(super) dropped: Dropped,
}

/// Groups that changed in this epoch, for update mode.
#[derive(Debug, Default)]
pub(super) struct Touched {
    /// By group id: whether it is one of `groups`.
    is_touched: Vec<bool>,
    /// (pane, key id, group id)
    pub(super) groups: Vec<(i64, u32, u32)>,
}

impl GroupState {
    pub(super) fn new(aggregate: &Aggregate, key_types: Vec<DataType>) -> Self {
        let event = Event::of(aggregate);
        // Sliding windows hand out most keys again and again.
        let is_sliding = matches!(event, Event::Window { panes, .. } if !panes.is_tumbling());
        Self {
            event,
            keys: if is_sliding { KeyTable::with_columns(key_types) } else { KeyTable::new(key_types) },
            groups: Groups::new(),
            accumulators: Accumulators::new(&aggregate.aggregates),
            touched: Touched::default(),
            changed_from: i64::MAX,
            late: LateGroups::default(),
            room: Room::default(),
            metrics: StateMetrics { operator_name: "stateStoreSave", ..StateMetrics::default() },
            key_ids: Vec::new(),
            group_ids: Vec::new(),
            filled_with: None,
            pane_numbers: Vec::new(),
            foresight: Foresight::default(),
            live: Bitmap::new(),
            handed: Handed::default(),
            dropped: Dropped::default(),
        }
    }

    /// The pane of all rows whose times lie between these two, if it is one, and none of so many rows has to be looked
    /// at for being late, or for want of room.
    pub(super) fn only_pane(&self, (low, high): (i64, i64), rows: usize, epoch: &Epoch) -> Option<i64> {
        let Event::Window { panes, has_watermark } = self.event else { unreachable!("only windows have panes") };
        let pane = panes.pane_of(low);
        let late_us = (has_watermark && epoch.has_lateness()).then_some(epoch.lateness.late_us);
        let can_be_late = late_us.is_some_and(|late_us| panes.first_end(pane) <= late_us);
        (pane == panes.pane_of(high) && !can_be_late && self.has_room_for(rows)).then_some(pane)
    }

    /// Adds a block's rows by keys to their [only pane](Self::only_pane), without a look at their times.
    pub(super) fn update_pane(
        &mut self,
        block: &BlockRef<'_>,
        pane: i64,
        keys: &[ColumnRef<'_>],
        epoch: &Epoch,
    ) -> Result<()> {
        self.forget_handed();
        let rows = block.rows();
        if rows.count() == 0 {
            return Ok(());
        }
        let column = self.accumulators.upcoming(block);
        if self.keys.is_keyless() {
            // Nothing is looked up meanwhile. Kernels ask a page ahead in their column, but not for the next block's.
            let next = column.map(|column| self.foresight.behind_place(column));
            next.into_iter().for_each(|next| simd::ask_for(next, 0..FIRST_ROWS.min(block.len())));
        }
        self.route_pane(&rows, keys, pane, Upcoming::both(block.upcoming(), column), epoch)?;
        self.accumulate(block, rows.selection(), epoch)
    }

    /// Adds a block's rows by event time and keys.
    pub(super) fn update_panes(
        &mut self,
        block: &BlockRef<'_>,
        times: &ColumnRef<'_>,
        keys: &[ColumnRef<'_>],
        epoch: &Epoch,
    ) -> Result<()> {
        let Event::Window { panes, has_watermark } = self.event else { unreachable!("only windows have panes") };
        self.forget_handed();
        let mut live = core::mem::take(&mut self.live);
        let late_us = (has_watermark && epoch.has_lateness()).then_some(epoch.lateness.late_us);
        let mut range = pane_range(&block.rows(), times, panes);
        let first_end = |ts: i64| panes.first_end(panes.pane_of(ts));
        let can_be_late = late_us.is_some_and(|late_us| range.is_none_or(|(low, _)| first_end(low) <= late_us));
        let selection = if can_be_late || times.validity.is_some() {
            let late = &mut self.late;
            let untimed =
                keep_live(block, times, &mut live, |row, ts| late.check_windows(panes, late_us, keys, row, ts));
            late.add_untimed(untimed);
            range = time_range(&Rows::new(block.len(), Some(live.view())), times);
            Some(live.view())
        } else {
            block.rows().selection()
        };
        let mut kept = Bitmap::new();
        let (range, selection) = if range.is_some() && !self.has_room_for(block.len()) {
            let ts = times.as_slice::<i64>();
            let pane_at = |row: usize| panes.pane_of(ts[times.index(row)]);
            self.keep_fitting(&Rows::new(block.len(), selection), keys, pane_at, &mut kept)?;
            (time_range(&Rows::new(block.len(), Some(kept.view())), times), Some(kept.view()))
        } else {
            (range, selection)
        };
        if let Some((low, high)) = range {
            let rows = Rows::new(block.len(), selection);
            let (first, last) = (panes.pane_of(low), panes.pane_of(high));
            if first == last {
                // Times are only read, and whoever only reads waits for memory.
                let upcoming = Upcoming::both(block.upcoming(), self.foresight.behind(times));
                self.route_pane(&rows, keys, first, upcoming, epoch)?;
            } else {
                self.keys.assign(keys, &rows, &mut self.key_ids)?;
                self.route_panes(&rows, times, panes, (first, last), epoch.mode == Some(OutputMode::Append));
                let pane_at = |row: usize| panes.pane_of(times.as_slice::<i64>()[times.index(row)]);
                self.note_touched(epoch, &rows, |state, row| Ok((pane_at(row), state.key_ids[row])))?;
            }
            self.accumulate(block, selection, epoch)?;
        }
        self.live = live;
        Ok(())
    }

    /// Adds a block's rows by keys alone.
    pub(super) fn update_keys(&mut self, block: &BlockRef<'_>, keys: &[ColumnRef<'_>], epoch: &Epoch) -> Result<()> {
        let mut live = core::mem::take(&mut self.live);
        let selection = match self.event {
            Event::Column { position, .. }
                if epoch.has_lateness() && !are_after(&keys[position], block.len(), epoch.lateness.late_us) =>
            {
                let (late, late_us) = (&mut self.late, epoch.lateness.late_us);
                live.clear();
                live.resize(block.len(), false);
                block.rows().for_each(|row| {
                    let is_late = event_time(&keys[position], row).is_some_and(|ts| ts <= late_us);
                    live.set(row, !is_late);
                    if is_late {
                        late.add_row(&[], keys, row);
                    }
                });
                Some(live.view())
            }
            _ => block.rows().selection(),
        };
        let mut kept = Bitmap::new();
        let selection = if self.has_room_for(block.len()) {
            selection
        } else {
            self.keep_fitting(&Rows::new(block.len(), selection), keys, |_| ONLY_PANE, &mut kept)?;
            Some(kept.view())
        };
        let rows = Rows::new(block.len(), selection);
        self.keys.assign(keys, &rows, &mut self.key_ids)?;
        self.note_closing(&rows, keys);
        self.group_ids.resize(block.len(), 0);
        self.groups.assign_pane(ONLY_PANE, (&self.key_ids, self.keys.id_bound()), &rows, &mut self.group_ids);
        self.note_touched(epoch, &rows, |state, row| Ok((ONLY_PANE, state.key_ids[row])))?;
        self.accumulate(block, selection, epoch)?;
        self.live = live;
        Ok(())
    }

    /// A query without keys has its one group even without rows, and hands it out every epoch.
    pub(super) fn make_global_group(&mut self) -> Result<()> {
        let key = self.keys.id_of_encoded(&[])?;
        let (group, _) = self.groups.group(ONLY_PANE, key);
        self.accumulators.grow(self.groups.group_bound());
        self.touched.grow(self.groups.group_bound());
        self.touched.add(ONLY_PANE, key, group);
        Ok(())
    }

    /// Drops the groups that the watermark has passed and closes the epoch's books.
    pub(super) fn finish_epoch(&mut self, epoch: &Epoch) {
        self.dropped.clear();
        match epoch.mode {
            // A batch query has given its one answer.
            None => self.drop_all(),
            Some(OutputMode::Complete) => {}
            Some(_) => self.drop_closed(epoch.lateness.evict_us),
        }
        self.accumulators.reset_dropped(&self.dropped);
        self.metrics.rows_updated = self.touched.groups.len() as u64;
        self.metrics.rows_removed = self.dropped.count as u64;
        self.late.report(&mut self.metrics);
        self.room.report(&mut self.metrics);
        if self.room.is_limited() && self.dropped.count > 0 {
            self.groups.forget_idle_keys(&mut self.keys);
        }
        self.touched.clear();
        self.changed_from = i64::MAX;
    }

    pub(super) fn metrics(&self) -> StateMetrics {
        let memory = self.keys.memory_bytes() + self.groups.memory_bytes() + self.accumulators.memory_bytes();
        StateMetrics { rows_total: self.groups.len() as u64, memory_bytes: memory as u64, ..self.metrics.clone() }
    }

    pub(super) fn save(&self, out: &mut Vec<u8>) {
        VERSION.save(out);
        self.keys.save(out);
        let groups = self.groups.save(out);
        self.accumulators.save(&groups, out);
        if let Event::Column { closing, .. } = &self.event {
            codec::save_count(closing.len(), out);
            for (ts, keys) in closing {
                ts.save(out);
                codec::save_count(keys.len(), out);
                keys.iter().for_each(|key| key.save(out));
            }
        }
    }

    pub(super) fn load(&mut self, bytes: &mut &[u8]) -> Result<()> {
        codec::load_version(bytes, VERSION, "groups")?;
        self.keys.load(bytes)?;
        let groups = self.groups.load(&self.keys, bytes)?;
        self.accumulators.grow(self.groups.group_bound());
        self.accumulators.load(&groups, bytes)?;
        if let Event::Column { closing, .. } = &mut self.event {
            for _ in 0..codec::load_count(bytes, 16)? {
                let ts = i64::load(bytes)?;
                let count = codec::load_count(bytes, 4)?;
                let each: Vec<u32> = (0..count).map(|_| self.keys.load_id(bytes)).collect::<Result<_>>()?;
                // Whoever closes a key takes its group.
                let has_group = |&key: &u32| self.groups.pane(ONLY_PANE).is_some_and(|p| p.get(key) != NO_GROUP);
                if !each.iter().all(has_group) {
                    return Err(Error::corrupt("a saved key closes without a group"));
                }
                closing.insert(ts, each);
            }
            let mut all: Vec<u32> = closing.values().flatten().copied().collect();
            all.sort_unstable();
            if all.windows(2).any(|pair| pair[0] == pair[1]) {
                return Err(Error::corrupt("a saved key closes twice"));
            }
        }
        Ok(())
    }

    /// The way of most blocks: finds the group of every row where all fall into one pane. `upcoming` is asked for on
    /// the way.
    fn route_pane(
        &mut self,
        rows: &Rows<'_>,
        keys: &[ColumnRef<'_>],
        pane: i64,
        upcoming: Option<Upcoming>,
        epoch: &Epoch,
    ) -> Result<()> {
        self.changed_from = self.changed_from.min(pane);
        self.group_ids.resize(rows.len(), 0);
        let filled_with = self.filled_with.take();
        if self.keys.is_keyless() {
            // One group for all: what the last block left is right already, more often than not.
            let key = self.keys.id_of_encoded(&[])?;
            let group = self.groups.group(pane, key).0;
            if filled_with != Some((group, rows.len())) {
                self.group_ids.fill(group);
            }
            self.filled_with = Some((group, rows.len()));
            return self.note_touched(epoch, rows, |_, _| Ok((pane, key)));
        }
        if self.route_known(rows, keys, pane, upcoming, epoch)? {
            return Ok(());
        }
        self.keys.assign_asking(keys, rows, &mut self.key_ids, upcoming)?;
        self.groups.assign_pane(pane, (&self.key_ids, self.keys.id_bound()), rows, &mut self.group_ids);
        self.note_touched(epoch, rows, |state, row| Ok((pane, state.key_ids[row])))
    }

    /// Finds the group of every row in a pane that has nearly all of them, without a look at the ids of their keys.
    /// False if that is not so.
    fn route_known(
        &mut self,
        rows: &Rows<'_>,
        keys: &[ColumnRef<'_>],
        pane: i64,
        upcoming: Option<Upcoming>,
        epoch: &Epoch,
    ) -> Result<bool> {
        let is_update = epoch.mode == Some(OutputMode::Update);
        for from in (0..rows.len()).step_by(KNOWN_ROWS) {
            let range = from..rows.len().min(from + KNOWN_ROWS);
            let Some(by_key) = self.groups.pane(pane).and_then(Pane::by_key) else { return Ok(false) };
            let upcoming = upcoming.map(|upcoming| upcoming.from_row(from));
            let group_ids = &mut self.group_ids[range.clone()];
            let Some(are_known) = self.keys.find_through(keys, from, by_key, group_ids, upcoming) else {
                return Ok(false);
            };
            if !are_known || (is_update && !self.touched.has_all(group_ids)) {
                self.route_new(rows, keys, pane, range, is_update)?;
            }
        }
        Ok(true)
    }

    /// Of rows some of which are the first of their group, or the first that touch it.
    fn route_new(
        &mut self,
        rows: &Rows<'_>,
        keys: &[ColumnRef<'_>],
        pane: i64,
        range: Range<usize>,
        is_update: bool,
    ) -> Result<()> {
        let (from, selection) = (range.start, rows.selection());
        let has_no_group = |group_ids: &[u32], row: usize| group_ids[row] == NO_GROUP && rows.contains(row);
        if selection.is_some() && !is_update && !range.clone().any(|row| has_no_group(&self.group_ids, row)) {
            return Ok(());
        }
        self.key_ids.resize(self.key_ids.len().max(range.end), NO_GROUP);
        let key_ids = &mut self.key_ids[range.clone()];
        self.keys.assign_from(keys, from, rows, key_ids)?;
        if selection.is_none() {
            let group_ids = &mut self.group_ids[range.clone()];
            self.groups.assign_missing(pane, key_ids, &Rows::new(range.len(), None), group_ids);
        } else {
            for row in range.clone() {
                if has_no_group(&self.group_ids, row) {
                    self.group_ids[row] = self.groups.group(pane, self.key_ids[row]).0;
                }
            }
        }
        if is_update {
            self.touched.grow(self.groups.group_bound());
            for row in range.filter(|&row| rows.contains(row)) {
                self.touched.add(pane, self.key_ids[row], self.group_ids[row]);
            }
        }
        Ok(())
    }

    /// Finds the group of every row; the rows fall into the panes `first..=last`, more than one.
    fn route_panes(
        &mut self,
        rows: &Rows<'_>,
        times: &ColumnRef<'_>,
        panes: Panes,
        (first, last): (i64, i64),
        is_append: bool,
    ) {
        self.group_ids.resize(rows.len(), 0);
        self.filled_with = None;
        self.changed_from = self.changed_from.min(first);
        let between = last.saturating_sub(first) / panes.pane_us();
        let ts = times.as_slice::<i64>();
        if !times.is_constant && are_runs(&ts[..rows.len()], panes) {
            let grid = (|time| panes.pane_of(time), panes.pane_us());
            let keys = (&self.key_ids[..], self.keys.id_bound());
            // What merging gains by runs, windows that do not overlap have no use for, nor have keys by themselves.
            let is_merged = !panes.is_tumbling() && is_append && self.accumulators.are_flat();
            let run_rows = is_merged.then(|| rows.len() / (between as usize).saturating_add(1));
            match self.keys.is_keyless() && rows.selection().is_none() {
                true => self.groups.fill_runs(grid, &ts[..rows.len()], self.key_ids[0], &mut self.group_ids),
                false => self.groups.assign_runs(grid, ts, keys, run_rows, rows, &mut self.group_ids),
            }
        } else if between < PANES_AT_ONCE as i64 && !times.is_constant {
            let starts: heapless::Vec<i64, PANES_AT_ONCE> =
                (0..=between).map(|i| first.saturating_add(i * panes.pane_us())).collect();
            self.pane_numbers.resize(rows.len(), 0);
            simd::panes_between(&ts[..rows.len()], &starts[1..], &mut self.pane_numbers);
            self.groups.assign_panes(&starts, &self.pane_numbers, &self.key_ids, rows, &mut self.group_ids);
        } else {
            rows.for_each(|row| {
                let pane = panes.pane_of(ts[times.index(row)]);
                self.group_ids[row] = self.groups.group(pane, self.key_ids[row]).0;
            });
        }
    }

    fn accumulate(&mut self, block: &BlockRef<'_>, selection: Option<BitmapRef<'_>>, epoch: &Epoch) -> Result<()> {
        self.accumulators.grow(self.groups.group_bound());
        self.accumulators.update(block, selection, &self.group_ids, epoch)
    }

    /// Remembers the groups of these rows if the epoch hands out what it has touched; `place` gives the pane and the
    /// key id of a row.
    fn note_touched(
        &mut self,
        epoch: &Epoch,
        rows: &Rows<'_>,
        place: impl Fn(&mut Self, usize) -> Result<(i64, u32)>,
    ) -> Result<()> {
        if epoch.mode != Some(OutputMode::Update) {
            return Ok(());
        }
        self.touched.grow(self.groups.group_bound());
        for from in (0..rows.len()).step_by(KNOWN_ROWS) {
            let range = from..rows.len().min(from + KNOWN_ROWS);
            if rows.selection().is_none() && self.touched.has_all(&self.group_ids[range.clone()]) {
                continue;
            }
            for row in range.filter(|&row| rows.contains(row)) {
                let group = self.group_ids[row];
                if !self.touched.has(group) {
                    let (pane, key) = place(self, row)?;
                    self.touched.add(pane, key, group);
                }
            }
        }
        Ok(())
    }

    /// Remembers when new groups close.
    fn note_closing(&mut self, rows: &Rows<'_>, keys: &[ColumnRef<'_>]) {
        let Event::Column { position, closing } = &mut self.event else { return };
        let known = self.groups.pane(ONLY_PANE);
        let mut last = None;
        rows.for_each(|row| {
            let key = self.key_ids[row];
            if last.replace(key) == Some(key) {
                return;
            }
            let Some(ts) = event_time(&keys[*position], row) else { return };
            let is_known = known.is_some_and(|pane| pane.get(key) != NO_GROUP);
            let closing = closing.entry(ts).or_default();
            // Rows of one block repeat keys; a block has few event times, so the look-up is short.
            if !is_known && !closing.contains(&key) {
                closing.push(key);
            }
        });
    }

    fn drop_all(&mut self) {
        if let Event::Column { closing, .. } = &mut self.event {
            closing.clear();
        }
        self.dropped.groups.extend(0..self.groups.group_bound() as u32);
        self.dropped.count = self.groups.len();
        self.groups.clear();
        self.keys.clear();
    }

    fn drop_closed(&mut self, evict_us: i64) {
        match &mut self.event {
            Event::Window { panes, has_watermark: true } => {
                let is_expired = |start: &i64| panes.pane_expiry(*start) <= evict_us;
                while let Some(start) = self.groups.first_pane_from(i64::MIN).map(|(start, _)| start).filter(is_expired)
                {
                    self.groups.drop_pane(start, &mut self.keys, &mut self.dropped);
                }
            }
            Event::Column { closing, .. } => {
                let open = evict_us.checked_add(1).map(|us| closing.split_off(&us)).unwrap_or_default();
                let keys: Vec<u32> = core::mem::replace(closing, open).into_values().flatten().collect();
                self.groups.drop_groups(ONLY_PANE, &keys, &mut self.keys, &mut self.dropped);
            }
            _ => {}
        }
    }
}

impl Event {
    fn of(aggregate: &Aggregate) -> Self {
        match aggregate.event_key() {
            EventKey::Window { position, window } => Self::Window {
                panes: Panes::new(window.size_us, window.slide_us, window.start_us),
                has_watermark: aggregate.schema.field(position).event_time.is_some(),
            },
            EventKey::Column { position } => Self::Column { position, closing: BTreeMap::new() },
            EventKey::Session { .. } => unreachable!("sessions have an operator of their own"),
            EventKey::None => Self::None,
        }
    }
}

impl Touched {
    fn has(&self, group: u32) -> bool {
        self.is_touched.get(group as usize).is_some_and(|&is_touched| is_touched)
    }

    /// Asked without a branch a row: nearly all rows are of groups that others have touched before.
    fn has_all(&self, groups: &[u32]) -> bool {
        groups.iter().fold(true, |all, &group| all & self.has(group))
    }

    pub(super) fn add(&mut self, pane: i64, key: u32, group: u32) {
        if !core::mem::replace(&mut self.is_touched[group as usize], true) {
            self.groups.push((pane, key, group));
        }
    }

    pub(super) fn grow(&mut self, groups: usize) {
        if self.is_touched.len() < groups {
            self.is_touched.resize(groups, false);
        }
    }

    pub(super) fn clear(&mut self) {
        self.groups.drain(..).for_each(|(_, _, group)| self.is_touched[group as usize] = false);
    }
}
