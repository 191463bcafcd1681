//! GROUP BY session_window(...): rows whose `[time, time + gap)` overlap or touch share a session.
//!
//! Each key keeps its open sessions, few and sorted by start. A row extends a session, opens one, or bridges several,
//! whose accumulators are then merged. Late rows are judged by the session they would open on their own, as in Spark.

use alloc::{boxed::Box, vec::Vec};
use core::any::Any;

use super::{accumulators::Accumulators, emit::push_window, late::LateGroups, room::Room, times::time_range};
use crate::{
    agg::Aggregate as AggregateGroups,
    block::{Bitmap, BitmapRef, Block, BlockRef, Column, ColumnRef, Rows, Values},
    codec::{self, Scalar},
    error::{Error, Result},
    exec::{
        operator::{Epoch, Operator, Output, StateMetrics},
        operators::{evaluate, event_time},
    },
    expr::{BoundExpr, Evaluator},
    plan::{Aggregate, OutputMode},
    state::KeyTable,
    time::Interval,
};

/// A gap in months is as long as in a watermark's delay, so that the two can be compared.
const DAYS_PER_MONTH: i64 = 31;

/// Of saved state.
const VERSION: u8 = 1;

#[derive(Clone, Copy, Debug, PartialEq)]
struct Session {
    start_us: i64,
    end_us: i64,
    group: u32,
}

#[derive(Debug)]
pub(in crate::exec) struct SessionOperator {
    // Properties.
    time: Evaluator,
    gap: Evaluator,
    keys: Vec<Evaluator>,
    /// Which output column the session is, among the first `key_count`.
    position: usize,
    key_count: usize,
    has_watermark: bool,
    block_rows: usize,
    // State.
    state: Sessions,
    // Scratch.
    made: Block,
}

#[derive(Debug)]
struct Sessions {
    key_table: KeyTable,
    /// Open sessions by key id, sorted by start; neighbours do not touch.
    open: Vec<Vec<Session>>,
    /// No open session ends before this.
    earliest_end_us: i64,
    accumulators: Accumulators,
    free: Vec<u32>,
    group_bound: u32,
    /// One group's room, for merging within the accumulators.
    bridge: Vec<Box<dyn AggregateGroups>>,
    late: LateGroups,
    room: Room,
    metrics: StateMetrics,
    key_ids: Vec<u32>,
    group_ids: Vec<u32>,
    live: Bitmap,
}

impl SessionOperator {
    pub(in crate::exec) fn new(
        aggregate: &Aggregate,
        position: usize,
        (time, gap): (&BoundExpr, &BoundExpr),
        block_rows: usize,
    ) -> Self {
        let others: Vec<&BoundExpr> =
            aggregate.group.iter().enumerate().filter(|(g, _)| *g != position).map(|(_, e)| e).collect();
        let accumulators = Accumulators::new(&aggregate.aggregates);
        let bridge = accumulators.make_empty();
        let metrics = StateMetrics { operator_name: "sessionWindowStateStoreSaveExec", ..StateMetrics::default() };
        Self {
            time: Evaluator::new(time),
            gap: Evaluator::new(gap),
            keys: others.iter().map(|e| Evaluator::new(e)).collect(),
            position,
            key_count: aggregate.group.len(),
            has_watermark: aggregate.schema.field(position).event_time.is_some(),
            block_rows,
            state: Sessions {
                key_table: KeyTable::new(others.iter().map(|e| e.data_type.clone()).collect()),
                open: Vec::new(),
                earliest_end_us: i64::MAX,
                accumulators,
                free: Vec::new(),
                group_bound: 0,
                bridge,
                late: LateGroups::default(),
                room: Room::default(),
                metrics,
                key_ids: Vec::new(),
                group_ids: Vec::new(),
                live: Bitmap::new(),
            },
            made: Block::new(&aggregate.schema),
        }
    }

    /// Writes sessions as rows, in blocks.
    fn emit(&mut self, sessions: &[(u32, Session)], out: &mut dyn Output) -> Result<()> {
        if sessions.is_empty() {
            return Ok(());
        }
        let mut key_columns: Vec<Column> = Vec::new();
        for (g, column) in self.made.columns()[..self.key_count].iter().enumerate() {
            if g != self.position {
                key_columns.push(Column::new(column.data_type().clone()));
            }
        }
        for chunk in sessions.chunks(self.block_rows) {
            self.made.clear();
            key_columns.iter_mut().for_each(Column::clear);
            let keys: Vec<u32> = chunk.iter().map(|&(key, _)| key).collect();
            self.state.key_table.emit(&keys, [&mut key_columns, &mut []])?;
            let groups: Vec<u32> = chunk.iter().map(|(_, s)| s.group).collect();
            let mut sources = key_columns.iter();
            let (key_part, results) = self.made.columns_mut().split_at_mut(self.key_count);
            for (g, column) in key_part.iter_mut().enumerate() {
                if g == self.position {
                    chunk.iter().for_each(|(_, s)| push_window(column, s.start_us, s.end_us));
                } else if let Some(source) = sources.next() {
                    (0..chunk.len()).for_each(|row| column.push_from(&source.view(), row));
                }
            }
            self.state.accumulators.emit(&groups, results)?;
            self.made.set_len(chunk.len());
            out.push(&self.made.view())?;
        }
        Ok(())
    }
}

impl Operator for SessionOperator {
    fn process(&mut self, _port: usize, block: &BlockRef<'_>, epoch: &Epoch, _: &mut dyn Output) -> Result<()> {
        let times = self.time.eval(&epoch.eval, block)?;
        let gaps = self.gap.eval(&epoch.eval, block)?;
        let keys = evaluate(&mut self.keys, block, epoch)?;
        // Unlike other aggregations, Spark's drops late rows from sessions in complete mode, too.
        let late_us = (self.has_watermark && epoch.mode.is_some()).then_some(epoch.lateness.late_us);
        self.state.update(block, &times, &gaps, keys.columns(), late_us, epoch)
    }

    fn finish(&mut self, epoch: &Epoch, out: &mut dyn Output) -> Result<()> {
        let evict_us = (self.has_watermark && epoch.has_lateness()).then_some(epoch.lateness.evict_us);
        let closed = match (epoch.mode, evict_us) {
            (Some(OutputMode::Complete), _) => {
                let all = self.state.all();
                self.emit(&all, out)?;
                Vec::new()
            }
            (None, _) => {
                let all = self.state.close(i64::MAX);
                self.emit(&all, out)?;
                all
            }
            (Some(_), Some(evict_us)) => {
                let closed = self.state.close(evict_us);
                self.emit(&closed, out)?;
                closed
            }
            (Some(_), None) => Vec::new(),
        };
        self.state.forget(&closed);
        self.state.metrics.rows_removed = closed.len() as u64;
        self.state.late.report(&mut self.state.metrics);
        self.state.room.report(&mut self.state.metrics);
        Ok(())
    }

    fn state_metrics(&self) -> Option<StateMetrics> {
        Some(self.state.metrics())
    }

    fn group_count(&self) -> Option<usize> {
        Some(self.state.session_count())
    }

    fn limit_groups(&mut self, most: usize) {
        self.state.room.limit(most);
    }

    fn absorb(&mut self, other: &mut dyn Operator, _: Option<&Epoch>) -> Result<()> {
        match other.as_any_mut().downcast_mut::<Self>() {
            Some(other) => self.state.absorb(&mut other.state),
            None => panic!("workers run the same operators"),
        }
    }

    fn save(&self, out: &mut Vec<u8>) {
        self.state.save(out);
    }

    fn load(&mut self, bytes: &mut &[u8]) -> Result<()> {
        self.state.load(bytes)
    }

    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }
}

impl Sessions {
    fn update(
        &mut self,
        block: &BlockRef<'_>,
        times: &ColumnRef<'_>,
        gaps: &ColumnRef<'_>,
        keys: &[ColumnRef<'_>],
        late_us: Option<i64>,
        epoch: &Epoch,
    ) -> Result<()> {
        let gap_us = gaps.is_constant.then(|| gap_us(gaps, 0)).flatten();
        let is_plain = matches!(times.values, Values::Int64(_)) && times.validity.is_none();
        let lowest = is_plain.then(|| time_range(&block.rows(), times)).flatten().map(|(low, _)| low);
        let is_live = |low: i64, gap_us: i64| late_us.is_none_or(|late_us| low.saturating_add(gap_us) > late_us);
        let all_live = lowest.zip(gap_us).is_some_and(|(low, gap_us)| is_live(low, gap_us));
        let mut live = core::mem::take(&mut self.live);
        let selection = if all_live {
            block.rows().selection()
        } else {
            self.find_live(block, times, gaps, keys, late_us, &mut live);
            Some(live.view())
        };
        let rows = Rows::new(block.len(), selection);
        let mut kept = Bitmap::new();
        let is_roomy = self.room.left(self.session_count()) >= block.len();
        if is_roomy {
            self.key_table.assign(keys, &rows, &mut self.key_ids)?;
        } else {
            self.key_ids.resize(block.len(), 0);
            kept.resize(block.len(), false);
            rows.for_each(|row| kept.set(row, true));
        }
        self.open.resize_with(self.key_table.id_bound(), Vec::new);
        self.group_ids.resize(block.len(), 0);
        let mut pending = 0;
        rows.try_for_each(|row| {
            let start = event_time(times, row).unwrap_or_default();
            let gap_us = gap_us.or_else(|| self::gap_us(gaps, row)).unwrap_or_default();
            let end = start.saturating_add(gap_us);
            if !is_roomy {
                let Some(key) = self.fitting_key(keys, row, (start, end))? else {
                    kept.set(row, false);
                    return Ok(());
                };
                self.key_ids[row] = key;
            }
            let key = self.key_ids[row];
            if let Some(last) = self.open[key as usize].last_mut()
                && last.start_us <= start
                && start <= last.end_us
            {
                last.end_us = last.end_us.max(end);
                self.group_ids[row] = last.group;
                return Ok(());
            }
            // Rows are accumulated in runs between bridges: a merge needs the rows before it to have arrived.
            if self.bridges(key, start, end) {
                let selection = if is_roomy { selection } else { Some(kept.view()) };
                self.accumulate(block, selection, pending..row, epoch)?;
                pending = row;
            }
            self.group_ids[row] = self.place(key, start, end)?;
            Ok::<_, crate::Error>(())
        })?;
        let selection = if is_roomy { selection } else { Some(kept.view()) };
        self.accumulate(block, selection, pending..block.len(), epoch)?;
        self.live = live;
        Ok(())
    }

    /// The key of a row that belongs to an open session, or opens one that there is room for; counts others.
    #[cold]
    fn fitting_key(&mut self, keys: &[ColumnRef<'_>], row: usize, (start, end): (i64, i64)) -> Result<Option<u32>> {
        let known = self.key_table.find_at(keys, row);
        let is_open = |key: &u32| self.open[*key as usize].iter().any(|session| session.touches(start, end));
        if known.as_ref().is_some_and(is_open) {
            return Ok(known);
        }
        if self.room.left(self.session_count()) == 0 {
            self.room.drop_row();
            return Ok(None);
        }
        let key = self.key_table.id_at(keys, row)?;
        self.open.resize_with(self.key_table.id_bound(), Vec::new);
        Ok(Some(key))
    }

    fn session_count(&self) -> usize {
        self.group_bound as usize - self.free.len()
    }

    /// Sets the bits of the rows that open or extend a session; counts those that are too late for it.
    fn find_live(
        &mut self,
        block: &BlockRef<'_>,
        times: &ColumnRef<'_>,
        gaps: &ColumnRef<'_>,
        keys: &[ColumnRef<'_>],
        late_us: Option<i64>,
        live: &mut Bitmap,
    ) {
        live.clear();
        live.resize(block.len(), false);
        block.rows().for_each(|row| {
            if let Some((start, gap_us)) = event_time(times, row).zip(gap_us(gaps, row)) {
                let end = start.saturating_add(gap_us);
                let is_late = late_us.is_some_and(|late_us| end <= late_us);
                live.set(row, !is_late);
                if is_late {
                    self.late.add_row(&[start, end], keys, row);
                }
            } else {
                self.late.add_untimed(1);
            }
        });
    }

    /// Adds the selected rows of a range to their groups.
    fn accumulate(
        &mut self,
        block: &BlockRef<'_>,
        selection: Option<BitmapRef<'_>>,
        range: core::ops::Range<usize>,
        epoch: &Epoch,
    ) -> Result<()> {
        self.accumulators.grow(self.group_bound as usize);
        if range == (0..block.len()) {
            return self.accumulators.update(block, selection, &self.group_ids, epoch);
        }
        let is_selected = |row: usize| selection.is_none_or(|bits| bits.get(row));
        let part: Bitmap = (0..block.len()).map(|row| range.contains(&row) && is_selected(row)).collect();
        self.accumulators.update(block, Some(part.view()), &self.group_ids, epoch)
    }

    /// Whether `[start, end)` touches more than one open session of the key.
    fn bridges(&self, key: u32, start: i64, end: i64) -> bool {
        self.open[key as usize].iter().filter(|s| s.touches(start, end)).nth(1).is_some()
    }

    /// The group of the session that `[start, end)` belongs to, opened or merged as needed.
    fn place(&mut self, key: u32, start: i64, end: i64) -> Result<u32> {
        let sessions = &mut self.open[key as usize];
        let first = sessions.partition_point(|s| s.end_us < start);
        let last = first + sessions[first..].iter().take_while(|s| s.touches(start, end)).count();
        if first == last {
            let group = self.free.pop().unwrap_or_else(|| {
                self.group_bound += 1;
                self.group_bound - 1
            });
            sessions.insert(first, Session { start_us: start, end_us: end, group });
            self.earliest_end_us = self.earliest_end_us.min(end);
            self.metrics.rows_updated += 1;
            return Ok(group);
        }
        let merged: Vec<Session> = sessions.drain(first + 1..last).collect();
        let session = &mut sessions[first];
        session.start_us = session.start_us.min(start);
        session.end_us = merged.iter().map(|s| s.end_us).fold(session.end_us.max(end), i64::max);
        let group = session.group;
        merged.iter().try_for_each(|s| self.merge_groups(s.group, group))?;
        Ok(group)
    }

    /// Moves one group's accumulators into another's.
    fn merge_groups(&mut self, from: u32, to: u32) -> Result<()> {
        self.accumulators.grow(self.group_bound as usize);
        self.bridge.iter_mut().for_each(|b| b.grow(1));
        self.accumulators.merge_into(&mut self.bridge, &[from], &[0])?;
        self.accumulators.merge_from(&self.bridge, &[0], &[to])?;
        self.bridge.iter_mut().for_each(|b| b.reset(&[0]));
        self.accumulators.reset(&[from]);
        self.free.push(from);
        Ok(())
    }

    fn all(&self) -> Vec<(u32, Session)> {
        self.key_table.ids().flat_map(|key| self.open[key as usize].iter().map(move |&s| (key, s))).collect()
    }

    /// Takes out the sessions that end at or before the watermark.
    fn close(&mut self, evict_us: i64) -> Vec<(u32, Session)> {
        let mut closed = Vec::new();
        if evict_us < self.earliest_end_us {
            return closed;
        }
        self.earliest_end_us = i64::MAX;
        for (key, sessions) in self.open.iter_mut().enumerate() {
            let count = sessions.partition_point(|s| s.end_us <= evict_us);
            closed.extend(sessions.drain(..count).map(|s| (key as u32, s)));
            if let Some(next) = sessions.first() {
                self.earliest_end_us = self.earliest_end_us.min(next.end_us);
            }
        }
        closed
    }

    /// Frees the ids of closed sessions, and of keys that have none left.
    fn forget(&mut self, closed: &[(u32, Session)]) {
        let groups: Vec<u32> = closed.iter().map(|(_, s)| s.group).collect();
        self.accumulators.reset(&groups);
        self.free.extend_from_slice(&groups);
        let mut keys: Vec<u32> = closed.iter().map(|&(key, _)| key).collect();
        keys.dedup();
        for key in keys.into_iter().filter(|&key| self.open[key as usize].is_empty()) {
            self.key_table.remove(key);
        }
    }

    fn metrics(&self) -> StateMetrics {
        let sessions: usize = self.open.iter().map(Vec::len).sum();
        let memory = self.key_table.memory_bytes() + self.accumulators.memory_bytes() + sessions * size_of::<Session>();
        StateMetrics { rows_total: sessions as u64, memory_bytes: memory as u64, ..self.metrics.clone() }
    }

    fn save(&self, out: &mut Vec<u8>) {
        VERSION.save(out);
        self.key_table.save(out);
        let mut groups = Vec::new();
        for key in self.key_table.ids() {
            let sessions = &self.open[key as usize];
            codec::save_count(sessions.len(), out);
            for session in sessions {
                session.start_us.save(out);
                session.end_us.save(out);
                groups.push(session.group);
            }
        }
        self.accumulators.save(&groups, out);
    }

    fn load(&mut self, bytes: &mut &[u8]) -> Result<()> {
        codec::load_version(bytes, VERSION, "sessions")?;
        self.key_table.load(bytes)?;
        self.open.resize_with(self.key_table.id_bound(), Vec::new);
        for key in self.key_table.ids() {
            let sessions = &mut self.open[key as usize];
            for _ in 0..codec::load_count(bytes, 16)? {
                let (start_us, end_us) = (i64::load(bytes)?, i64::load(bytes)?);
                if start_us > end_us
                    || sessions.last().is_some_and(|last| last.touches(start_us, end_us) || last.start_us > start_us)
                {
                    return Err(Error::corrupt("saved sessions of a key are not in order"));
                }
                sessions.push(Session { start_us, end_us, group: self.group_bound });
                self.earliest_end_us = self.earliest_end_us.min(end_us);
                self.group_bound += 1;
            }
        }
        self.accumulators.grow(self.group_bound as usize);
        let groups: Vec<u32> = (0..self.group_bound).collect();
        self.accumulators.load(&groups, bytes)
    }

    fn absorb(&mut self, other: &mut Self) -> Result<()> {
        for (key, session) in other.all() {
            let mine = self.key_table.id_of_encoded(other.key_table.encoded(key))?;
            self.open.resize_with(self.key_table.id_bound(), Vec::new);
            let group = self.place(mine, session.start_us, session.end_us)?;
            self.accumulators.grow(self.group_bound as usize);
            self.accumulators.merge(&other.accumulators, &[session.group], &[group])?;
        }
        self.late.absorb(&mut other.late);
        self.room.absorb(&mut other.room);
        let closed = other.all();
        other.open.iter_mut().for_each(Vec::clear);
        other.forget(&closed);
        Ok(())
    }
}

impl Session {
    fn touches(&self, start: i64, end: i64) -> bool {
        self.start_us <= end && start <= self.end_us
    }
}

/// The gap of a row; `None` if it is NULL or not positive.
fn gap_us(gaps: &ColumnRef<'_>, row: usize) -> Option<i64> {
    let gap: Interval = match gaps.values {
        Values::Interval(v) if gaps.is_valid(row) => v[gaps.index(row)],
        Values::Int64(v) if gaps.is_valid(row) => Interval::from_micros(v[gaps.index(row)]),
        _ => return None,
    };
    gap.total_micros(DAYS_PER_MONTH).filter(|&us| us > 0)
}
