//! Groups → rows: which groups come out in this epoch, panes merged into windows, results written column by column, or
//! lent where they lie.

use alloc::{collections::BTreeMap, vec::Vec};

use super::{
    gathered::{GATHERED_KEYS_MAX, Gathered},
    groups::{Event, GroupState, ONLY_PANE},
    stacks::{Merged, Stacks},
};
use crate::{
    block::{Bitmap, Block, BlockRef, Column, ColumnRef, Columns, Rows},
    error::Result,
    exec::operator::{Epoch, Output},
    plan::OutputMode,
    schema::Schema,
    window::Panes,
};

/// Windows of so many keys are blocks of their own, which borrow keys and results from where they lie.
const LENT_KEYS_MIN: usize = 256;

/// Hands out what an epoch has to hand out.
#[derive(Debug)]
pub(super) struct Emitter {
    // State: panes merged so far.
    stacks: Stacks,
    made: Made,
    // Scratch.
    some: Merged,
}

/// Result rows, pushed on when they are a block.
#[derive(Debug)]
struct Made {
    at: KeysAt,
    block_rows: usize,
    block: Block,
    /// The rows that count.
    marks: Bitmap,
    flat: Flat,
    /// Windows that come behind the rows of the block.
    gathered: Gathered,
}

/// Scratch: a window of which results lie by key id.
#[derive(Debug)]
struct Flat {
    /// Results, and in its column the window, once.
    block: Block,
    /// The ids that are in the window.
    marks: Bitmap,
    /// The same as a list.
    ids: Vec<u32>,
}

impl Emitter {
    /// `window` is the output column of the window, if there is one among the first `key_count` columns.
    pub(super) fn new(schema: &Schema, window: Option<usize>, key_count: usize, block_rows: usize) -> Self {
        Self {
            stacks: Stacks::default(),
            made: Made {
                at: KeysAt { window, key_count },
                block_rows,
                block: Block::new(schema),
                marks: Bitmap::new(),
                flat: Flat { block: Block::new(schema), marks: Bitmap::new(), ids: Vec::new() },
                gathered: Gathered::default(),
            },
            some: Merged::default(),
        }
    }

    pub(super) fn save(&self, out: &mut Vec<u8>) {
        self.stacks.save(out);
    }

    pub(super) fn load(&mut self, state: &GroupState, bytes: &mut &[u8]) -> Result<()> {
        self.stacks.load(state, bytes)
    }

    /// Emits what this epoch hands out.
    pub(super) fn emit(&mut self, state: &GroupState, epoch: &Epoch, out: &mut dyn Output) -> Result<()> {
        if epoch.mode != Some(OutputMode::Append) || state.changed_from < self.stacks.end() {
            self.stacks.invalidate();
        }
        match &state.event {
            Event::Window { panes, has_watermark } => self.emit_windows(state, *panes, *has_watermark, epoch, out)?,
            _ => self.emit_keys(state, epoch, out)?,
        }
        self.made.emit_gathered(state, out)?;
        self.made.flush(out)
    }

    fn emit_keys(&mut self, state: &GroupState, epoch: &Epoch, out: &mut dyn Output) -> Result<()> {
        let pane = state.groups.pane(ONLY_PANE);
        let (keys, groups): (Vec<u32>, Vec<u32>) = match (epoch.mode, &state.event) {
            (None | Some(OutputMode::Complete), _) => {
                let Some(pane) = pane else { return Ok(()) };
                return self.made.rows(state, None, [pane.keys(), pane.groups()], out);
            }
            (Some(OutputMode::Update), _) => state.touched.groups.iter().map(|&(_, key, group)| (key, group)).unzip(),
            (Some(OutputMode::Append), Event::Column { closing, .. }) => {
                let closed = closing.range(..=epoch.lateness.evict_us).flat_map(|(_, keys)| keys);
                closed.filter_map(|&key| Some((key, pane?.get(key)))).unzip()
            }
            (Some(OutputMode::Append), _) => return Ok(()),
        };
        self.made.rows(state, None, [&keys, &groups], out)
    }

    fn emit_windows(
        &mut self,
        state: &GroupState,
        panes: Panes,
        has_watermark: bool,
        epoch: &Epoch,
        out: &mut dyn Output,
    ) -> Result<()> {
        let end = |window: i64| window.saturating_add(panes.size_us());
        let late_us = if has_watermark { epoch.lateness.late_us } else { i64::MIN };
        match epoch.mode {
            Some(OutputMode::Update) => {
                let mut windows: BTreeMap<i64, Vec<u32>> = BTreeMap::new();
                for &(pane, key, _) in &state.touched.groups {
                    for window in panes.windows_of(pane).take_while(|&w| end(w) > late_us) {
                        windows.entry(window).or_default().push(key);
                    }
                }
                for (window, mut keys) in windows {
                    keys.sort_unstable();
                    keys.dedup();
                    self.window_of_keys(state, panes, window, &keys, out)?;
                }
                Ok(())
            }
            // What ended at or before `late_us` was emitted in an earlier epoch.
            Some(OutputMode::Append) => self.emit_ended(state, panes, late_us, epoch.lateness.evict_us, out),
            None | Some(OutputMode::Complete) => self.emit_ended(state, panes, i64::MIN, i64::MAX, out),
        }
    }

    /// Emits the windows that end after `after` and not after `until`, in order.
    fn emit_ended(
        &mut self,
        state: &GroupState,
        panes: Panes,
        after: i64,
        until: i64,
        out: &mut dyn Output,
    ) -> Result<()> {
        let mut window = panes.first_window_after(after.saturating_sub(panes.size_us()));
        // From pane to pane that there is: between two of them may lie years.
        while let Some((start, pane)) = state.groups.first_pane_from(window) {
            if start >= window.saturating_add(panes.size_us()) {
                window = panes.first_window(start);
            }
            if window.saturating_add(panes.size_us()) > until {
                break;
            }
            match panes.is_tumbling() {
                true => self.made.rows(state, Some((window, panes)), [pane.keys(), pane.groups()], out)?,
                false => self.merged_window(state, panes, window, None, out)?,
            }
            let next = window.saturating_add(panes.slide_us());
            if next == window {
                break;
            }
            window = next;
        }
        Ok(())
    }

    fn window_of_keys(
        &mut self,
        state: &GroupState,
        panes: Panes,
        window: i64,
        keys: &[u32],
        out: &mut dyn Output,
    ) -> Result<()> {
        let Some(pane) = state.groups.pane(window).filter(|_| panes.is_tumbling()) else {
            return self.merged_window(state, panes, window, Some(keys), out);
        };
        let groups: Vec<u32> = keys.iter().map(|&key| pane.get(key)).collect();
        self.made.rows(state, Some((window, panes)), [keys, &groups], out)
    }

    /// Rows of a sliding window, of all keys or of these (sorted) ones.
    fn merged_window(
        &mut self,
        state: &GroupState,
        panes: Panes,
        window: i64,
        only: Option<&[u32]>,
        out: &mut dyn Output,
    ) -> Result<()> {
        let Some(only) = only else { return self.whole_window(state, panes, window, out) };
        self.some.clear();
        let mut merged = state.groups.panes_between(window, window.saturating_add(panes.size_us()));
        merged.try_for_each(|(_, pane)| self.some.add_pane(state, pane, Some(only)))?;
        self.made.merged(state, (window, panes), &self.some, out)
    }

    fn whole_window(&mut self, state: &GroupState, panes: Panes, window: i64, out: &mut dyn Output) -> Result<()> {
        self.stacks.window(state, panes, window)?;
        match self.stacks.merged() {
            Some(merged) => self.made.merged(state, (window, panes), merged, out),
            None => self.made.flat(state, (window, panes), &self.stacks, out),
        }
    }
}

impl Made {
    /// Adds groups whose accumulators are complete as they are: their keys and their ids.
    fn rows(
        &mut self,
        state: &GroupState,
        window: Option<(i64, Panes)>,
        keys_and_groups: [&[u32]; 2],
        out: &mut dyn Output,
    ) -> Result<()> {
        let emit = |groups: &[u32], columns: &mut [Column]| state.accumulators.emit(groups, columns);
        self.each_block(state, window, keys_and_groups, emit, out)
    }

    /// Adds a window that was merged.
    fn merged(
        &mut self,
        state: &GroupState,
        window: (i64, Panes),
        merged: &Merged,
        out: &mut dyn Output,
    ) -> Result<()> {
        let (keys, places) = merged.entries();
        let emit = |places: &[u32], columns: &mut [Column]| {
            state.accumulators.emit_from(&merged.accumulators, places, columns)
        };
        self.each_block(state, Some(window), [keys, places], emit, out)
    }

    fn each_block(
        &mut self,
        state: &GroupState,
        window: Option<(i64, Panes)>,
        [keys, places]: [&[u32]; 2],
        emit: impl Fn(&[u32], &mut [Column]) -> Result<()>,
        out: &mut dyn Output,
    ) -> Result<()> {
        self.emit_gathered(state, out)?;
        for (keys, places) in keys.chunks(self.block_rows).zip(places.chunks(self.block_rows)) {
            self.at.write(&mut self.block, state, window, keys)?;
            emit(places, &mut self.block.columns_mut()[self.at.key_count..])?;
            self.written(keys.len(), out)?;
        }
        Ok(())
    }

    /// Adds a window of which results lie by key id.
    fn flat(&mut self, state: &GroupState, window: (i64, Panes), stacks: &Stacks, out: &mut dyn Output) -> Result<()> {
        let ids = state.keys.id_bound();
        if state.keys.columns().is_some() && ids <= GATHERED_KEYS_MAX {
            self.gathered.add(state, window, stacks)?;
            return if self.gathered.is_full() { self.emit_gathered(state, out) } else { Ok(()) };
        }
        self.emit_gathered(state, out)?;
        match state.keys.columns() {
            Some(keys) if ids < LENT_KEYS_MIN => self.flat_copied(state, window, stacks, keys)?,
            Some(keys) => {
                self.flush(out)?;
                self.flat_results(state, stacks)?;
                self.flat_lent(window, keys, out)?;
            }
            None => {
                self.flat_results(state, stacks)?;
                self.flat_picked(state, window)?;
            }
        }
        self.written(0, out)
    }

    /// Hands on the windows that were gathered, and before them what is in the block.
    fn emit_gathered(&mut self, state: &GroupState, out: &mut dyn Output) -> Result<()> {
        if self.gathered.is_empty() {
            return Ok(());
        }
        self.flush(out)?;
        let Self { at, flat: Flat { block, marks, .. }, gathered, .. } = self;
        block.clear();
        let (keys, results) = block.columns_mut().split_at_mut(at.key_count);
        gathered.emit_results(&state.accumulators, marks, results)?;
        gathered.emit_keys(state, at.window, keys);
        gathered.clear();
        block.set_len(marks.len());
        let marks = Some(marks.view()).filter(|marks| marks.count() < marks.len());
        out.push(&block.view().select(marks))?;
        block.clear();
        Ok(())
    }

    /// Copies all ids, and marks those that are in the window.
    fn flat_copied(
        &mut self,
        state: &GroupState,
        (start, panes): (i64, Panes),
        stacks: &Stacks,
        keys: &[Column],
    ) -> Result<()> {
        let Self { at, block, marks, flat, .. } = self;
        let (key_columns, results) = block.columns_mut().split_at_mut(at.key_count);
        Merged::emit_pair(stacks.flat(), &state.accumulators, &mut flat.marks, results)?;
        let rows = Rows::new(flat.marks.len(), None);
        let mut keys = keys.iter();
        for (i, column) in key_columns.iter_mut().enumerate() {
            match at.window {
                Some(window) if window == i => push_windows(column, start, panes, rows.len()),
                _ => keys.next().map_or((), |key| column.append(&key.view(), &rows)),
            }
        }
        marks.resize(block.len(), true);
        marks.append(flat.marks.view());
        block.set_len(marks.len());
        Ok(())
    }

    fn flat_results(&mut self, state: &GroupState, stacks: &Stacks) -> Result<()> {
        let Self { at, flat, .. } = self;
        flat.block.clear();
        let results = &mut flat.block.columns_mut()[at.key_count..];
        Merged::emit_pair(stacks.flat(), &state.accumulators, &mut flat.marks, results)
    }

    /// Hands a window on as it lies.
    fn flat_lent(&mut self, (start, panes): (i64, Panes), keys: &[Column], out: &mut dyn Output) -> Result<()> {
        let Self { at, flat, .. } = self;
        if let Some(window) = at.window {
            push_windows(&mut flat.block.columns_mut()[window], start, panes, 1);
        }
        let lent = Lent { at: *at, keys, made: flat.block.columns() };
        out.push(&BlockRef::new(&lent, flat.marks.len()).select(Some(flat.marks.view())))
    }

    /// Copies those that are in the window.
    fn flat_picked(&mut self, state: &GroupState, (start, panes): (i64, Panes)) -> Result<()> {
        let Self { at, block, flat, .. } = self;
        flat.ids.clear();
        flat.marks.view().for_each_set(|id| flat.ids.push(id as u32));
        at.write(block, state, Some((start, panes)), &flat.ids)?;
        let rows = Rows::new(flat.marks.len(), Some(flat.marks.view()));
        let results = block.columns_mut().iter_mut().zip(flat.block.columns()).skip(at.key_count);
        results.for_each(|(to, from)| to.append(&from.view(), &rows));
        block.set_len(block.len() + flat.ids.len());
        Ok(())
    }

    /// So many rows more are in the block.
    fn written(&mut self, count: usize, out: &mut dyn Output) -> Result<()> {
        self.block.set_len(self.block.len() + count);
        if self.block.len() >= self.block_rows { self.flush(out) } else { Ok(()) }
    }

    fn flush(&mut self, out: &mut dyn Output) -> Result<()> {
        if self.block.is_empty() {
            return Ok(());
        }
        self.marks.resize(self.block.len(), true);
        let marks = Some(self.marks.view()).filter(|marks| marks.count() < marks.len());
        out.push(&self.block.view().select(marks))?;
        self.block.clear();
        self.marks.clear();
        Ok(())
    }
}

/// A window whose rows are key ids: keys as the table of keys has them, results by key id, the window once for all.
struct Lent<'a> {
    at: KeysAt,
    keys: &'a [Column],
    /// As the result, but without keys.
    made: &'a [Column],
}

impl Columns for Lent<'_> {
    fn column(&self, index: usize) -> ColumnRef<'_> {
        match self.at.window {
            _ if index >= self.at.key_count => self.made[index].view(),
            Some(window) if index == window => self.made[index].view_constant(),
            Some(window) if index > window => self.keys[index - 1].view(),
            _ => self.keys[index].view(),
        }
    }
}

/// Where in a block keys and windows go.
#[derive(Clone, Copy, Debug)]
struct KeysAt {
    window: Option<usize>,
    key_count: usize,
}

impl KeysAt {
    fn write(self, made: &mut Block, state: &GroupState, window: Option<(i64, Panes)>, keys: &[u32]) -> Result<()> {
        let columns = &mut made.columns_mut()[..self.key_count];
        let (before, rest) = columns.split_at_mut(self.window.unwrap_or(0).min(self.key_count));
        match (window, self.window) {
            (Some((start, panes)), Some(_)) => {
                let (window, after) = rest.split_at_mut(1);
                push_windows(&mut window[0], start, panes, keys.len());
                state.keys.emit(keys, [before, after])
            }
            _ => state.keys.emit(keys, [before, rest]),
        }
    }
}

/// Appends the window that starts there to a `STRUCT<start, end>` column so many times.
fn push_windows(column: &mut Column, start: i64, panes: Panes, count: usize) {
    column.push_structs(count, |bounds| {
        bounds[0].push_repeated(start, count);
        bounds[1].push_repeated(start.saturating_add(panes.size_us()), count);
    });
}

/// Appends a window to a `STRUCT<start, end>` column.
pub(super) fn push_window(column: &mut Column, start: i64, end: i64) {
    column.push_struct(|bounds| {
        bounds[0].push(start);
        bounds[1].push(end);
    });
}
