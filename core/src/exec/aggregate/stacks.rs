//! Sliding windows out of panes in three merges a group, however many panes a window has.
//!
//! ```text
//!   panes      [ 1  2  3  4 | 5  6  7 ]       windows slide to the right, panes enter at the back
//!   front        1234 234 34 4                for each pane: it and all later ones up to the bar
//!   back                      567             everything behind the bar
//!   window 3..7 = front(3) + back             and when the front is used up, the back becomes the front
//! ```
//! Bars stand a window's size apart, wherever windows were first looked at: panes are always merged in the same order,
//! to the last bit of a sum. The two stacks of Tangwongsan, Hirzel and Schneider ("In-Order Sliding-Window Aggregation in Worst-Case Constant
//! Time", DEBS 2017), with a table of groups in place of a value. Merges keep the order of panes, so `first` and
//! `collect_list` see rows as they would in the window itself.

use alloc::{boxed::Box, vec::Vec};

use super::{accumulators::Accumulators, groups::GroupState};
use crate::{
    agg::Aggregate,
    block::{Bitmap, Column, Rows},
    codec::Scalar,
    error::{Error, Result},
    limits::BLOCK_ROWS_MAX,
    simd,
    state::{NO_GROUP, Pane},
    window::Panes,
};

/// Groups of all panes above which windows are merged as they are: the front would hold as many again.
const FRONT_GROUPS_MAX: usize = 600_000;
/// Windows of fewer panes are merged as they are.
const PANES_WORTH_IT: i64 = 4;
const NOT_MERGED: u32 = u32::MAX;

/// Places among which one in so many must be filled for panes to be merged key by key.
const EMPTY_PER_GROUP_MAX: usize = 4;

/// Merged panes: accumulators by place, and the place of each key. Flat accumulators of which most are filled have
/// their key as place: then merging is adding whole arrays.
#[derive(Debug, Default)]
pub(super) struct Merged {
    pub(super) accumulators: Vec<Box<dyn Aggregate>>,
    /// Places are keys.
    is_flat: bool,
    /// The keys that are in it, by place, and `0..keys.len()`; both empty if it is flat.
    keys: Vec<u32>,
    places: Vec<u32>,
    by_key: Vec<u32>,
    /// If it is flat: whether each key is in it.
    has: Vec<bool>,
    // Scratch.
    from: Vec<u32>,
    to: Vec<u32>,
}

impl Merged {
    pub(super) fn clear(&mut self) {
        if self.is_flat {
            self.accumulators.iter_mut().for_each(|a| a.reset_all(0..self.has.len()));
            self.has.clear();
        } else {
            self.accumulators.iter_mut().for_each(|a| a.reset(&self.places));
            self.keys.iter().for_each(|&key| self.by_key[key as usize] = NOT_MERGED);
        }
        self.keys.clear();
        self.places.clear();
    }

    /// Clears it and decides what places are.
    fn begin_as(&mut self, is_flat: bool) {
        self.clear();
        self.is_flat = is_flat;
    }

    /// The keys that are in it, and their places; it must not be flat.
    pub(super) fn entries(&self) -> (&[u32], &[u32]) {
        (&self.keys, &self.places)
    }

    /// Adds a pane, all of its keys or those of the sorted list `only`.
    pub(super) fn add_pane(&mut self, state: &GroupState, pane: &Pane, only: Option<&[u32]>) -> Result<()> {
        self.begin(state);
        if self.is_flat {
            return self.add_flat(state, pane);
        }
        for (&key, &group) in pane.keys().iter().zip(pane.groups()) {
            if only.is_none_or(|keys| keys.binary_search(&key).is_ok()) {
                self.from.push(group);
                self.place(key);
            }
        }
        self.grow(self.keys.len());
        state.accumulators.merge_into(&mut self.accumulators, &self.from, &self.to)
    }

    fn add_flat(&mut self, state: &GroupState, pane: &Pane) -> Result<()> {
        let Self { accumulators, has, .. } = self;
        let (Some(run), Some(by_key)) = (pane.run(), pane.by_key()) else {
            pane.keys().iter().for_each(|&key| has[key as usize] = true);
            return state.accumulators.merge_into(accumulators, pane.groups(), pane.keys());
        };
        match pane.len() == has.len() {
            true => has.fill(true),
            false => has.iter_mut().zip(by_key).for_each(|(has, &group)| *has |= group != NO_GROUP),
        }
        state.accumulators.merge_all_into(accumulators, run.start..run.end.min(run.start + has.len()))
    }

    /// Adds what another has merged.
    pub(super) fn add(&mut self, state: &GroupState, other: &Self) -> Result<()> {
        self.begin(state);
        if self.is_flat {
            self.has.iter_mut().zip(&other.has).for_each(|(mine, &theirs)| *mine |= theirs);
            let pairs = self.accumulators.iter_mut().zip(&other.accumulators);
            return pairs.into_iter().try_for_each(|(mine, theirs)| mine.merge_all(0, &**theirs, 0..other.has.len()));
        }
        self.from.extend_from_slice(&other.places);
        other.keys.iter().for_each(|&key| self.place(key));
        self.grow(self.keys.len());
        let Self { accumulators, from, to, .. } = self;
        let pairs = accumulators.iter_mut().zip(&other.accumulators);
        pairs.into_iter().try_for_each(|(mine, theirs)| mine.merge(&**theirs, from, to))
    }

    /// Puts what another has merged, which is flat, behind what was put here before: all together there are at most
    /// `places`.
    pub(super) fn append(&mut self, state: &GroupState, other: &Self, places: usize) -> Result<()> {
        if self.accumulators.is_empty() {
            self.accumulators = state.accumulators.make_empty();
            self.is_flat = true;
            self.grow(places);
        }
        let at = self.has.len();
        self.has.extend_from_slice(&other.has);
        let pairs = self.accumulators.iter_mut().zip(&other.accumulators);
        pairs.into_iter().try_for_each(|(mine, theirs)| mine.merge_all(at, &**theirs, 0..other.has.len()))
    }

    /// Writes the results of two, both flat, that would have to be merged first: a row a place, and one column a call.
    /// Marks the places that have anything.
    pub(super) fn emit_pair(
        [front, back]: [&Self; 2],
        calls: &Accumulators,
        marks: &mut Bitmap,
        columns: &mut [Column],
    ) -> Result<()> {
        let places = front.has.len();
        marks.clear();
        marks.resize(places, false);
        mark_either(&front.has, &back.has, marks.words_mut());
        let rows = Rows::new(places, Some(marks.view()));
        calls.emit_pair([&front.accumulators, &back.accumulators], &rows, columns)
    }

    fn begin(&mut self, state: &GroupState) {
        if self.accumulators.is_empty() {
            self.accumulators = state.accumulators.make_empty();
        }
        let bound = state.keys.id_bound();
        if self.is_flat {
            if bound > self.has.len() {
                self.has.resize(bound, false);
                self.grow(bound);
            }
        } else if self.by_key.len() < bound {
            self.by_key.resize(bound, NOT_MERGED);
        }
        self.from.clear();
        self.to.clear();
    }

    #[inline]
    fn place(&mut self, key: u32) {
        let place = &mut self.by_key[key as usize];
        if *place == NOT_MERGED {
            *place = self.keys.len() as u32;
            self.places.push(*place);
            self.keys.push(key);
        }
        self.to.push(*place);
    }

    fn grow(&mut self, places: usize) {
        self.accumulators.iter_mut().for_each(|a| a.grow(places));
    }
}

/// The stacks, over the panes `start..end` of a stream of windows that move forward.
#[derive(Debug, Default)]
pub(super) struct Stacks {
    /// Pane starts, latest first, each with all panes from it up to the bar.
    front: Vec<(i64, Box<Merged>)>,
    back: Merged,
    /// No window before this can be answered.
    start: i64,
    /// Where the front ends and the back begins.
    bar: i64,
    /// The panes before this are in.
    end: i64,
    is_valid: bool,
    /// Whether places are keys.
    is_flat: bool,
    result: Merged,
    #[expect(clippy::vec_box, reason = "they move between here and the front, and are not small")]
    unused: Vec<Box<Merged>>,
}

impl Stacks {
    /// Forgets what was merged: panes have changed.
    pub(super) fn invalidate(&mut self) {
        self.is_valid = false;
    }

    /// Rows that fall into panes from here on leave what was merged as it was.
    pub(super) fn end(&self) -> i64 {
        self.end
    }

    /// Merges the groups of a window: flat ones lie side by side then and are added as they are emitted.
    pub(super) fn window(&mut self, state: &GroupState, panes: Panes, start: i64) -> Result<()> {
        let end = start.saturating_add(panes.size_us());
        let is_short = panes.size_us() < panes.pane_us().saturating_mul(PANES_WORTH_IT);
        if is_short || state.groups.len() > FRONT_GROUPS_MAX {
            (self.is_valid, self.is_flat) = (false, false);
            self.result.begin_as(false);
            let mut panes = state.groups.panes_between(start, end);
            return panes.try_for_each(|(_, pane)| self.result.add_pane(state, pane, None));
        }
        let goes_on = self.is_valid && start >= self.start && end >= self.end;
        let is_outgrown = self.is_flat && state.keys.id_bound() > BLOCK_ROWS_MAX;
        if !goes_on || is_outgrown || end.saturating_sub(self.bar) >= panes.size_us() {
            // The bar that lies behind this window's start and not behind its end.
            let first_pane = start.rem_euclid(panes.pane_us());
            let bar = end.saturating_sub(end.saturating_sub(first_pane).rem_euclid(panes.size_us()));
            self.is_flat = state.accumulators.are_flat() && is_filled(state, start, end);
            self.turn(state, start, bar)?;
        }
        self.start = start;
        while let Some((_, unused)) = self.front.pop_if(|(pane, _)| *pane < start) {
            self.unused.push(unused);
        }
        self.advance(state, end)?;
        self.settle(state)
    }

    /// Appends where the stacks stand: with the panes, that is all that they are.
    pub(super) fn save(&self, out: &mut Vec<u8>) {
        self.is_valid.save(out);
        self.is_flat.save(out);
        [self.start, self.bar, self.end].into_iter().for_each(|us| us.save(out));
    }

    /// Reads what [`Stacks::save`] wrote and merges the panes that were merged then.
    pub(super) fn load(&mut self, state: &GroupState, bytes: &mut &[u8]) -> Result<()> {
        let (is_valid, is_flat) = (bool::load(bytes)?, bool::load(bytes)?);
        let (start, bar, end) = (i64::load(bytes)?, i64::load(bytes)?, i64::load(bytes)?);
        if !is_valid {
            return Ok(());
        }
        if start > bar || bar > end || (is_flat && !state.accumulators.are_flat()) {
            return Err(Error::corrupt("saved panes were merged in no order"));
        }
        self.is_flat = is_flat;
        self.turn(state, start, bar)?;
        self.start = start;
        self.advance(state, end)
    }

    /// Lets the panes before `end` into the back.
    fn advance(&mut self, state: &GroupState, end: i64) -> Result<()> {
        for (_, pane) in state.groups.panes_from(self.end).take_while(|(start, _)| *start < end) {
            self.back.add_pane(state, pane, None)?;
        }
        self.end = end;
        Ok(())
    }

    /// What [`Stacks::window`] has merged: the keys and the accumulators, unless they are flat.
    pub(super) fn merged(&self) -> Option<&Merged> {
        (!self.is_flat).then_some(&self.result)
    }

    /// What [`Stacks::window`] has merged if it is flat, in two parts: places are key ids.
    pub(super) fn flat(&self) -> [&Merged; 2] {
        [self.front.last().map_or(&self.result, |(_, front)| &**front), &self.back]
    }

    /// Puts front and back together. Flat ones are only made as long as each other.
    fn settle(&mut self, state: &GroupState) -> Result<()> {
        let Self { front, back, result, is_flat, .. } = self;
        result.begin_as(*is_flat);
        let front = front.last_mut().map(|(_, front)| &mut **front);
        if *is_flat {
            front.unwrap_or(result).begin(state);
            back.begin(state);
            return Ok(());
        }
        front.map_or(Ok(()), |front| result.add(state, front))?;
        result.add(state, back)
    }

    /// The panes from here up to the next bar become the front.
    fn turn(&mut self, state: &GroupState, start: i64, bar: i64) -> Result<()> {
        self.unused.extend(self.front.drain(..).map(|(_, merged)| merged));
        self.back.begin_as(self.is_flat);
        for (start, pane) in state.groups.panes_between(start, bar).rev() {
            let mut merged = self.unused.pop().unwrap_or_default();
            merged.begin_as(self.is_flat);
            merged.add_pane(state, pane, None)?;
            if let Some((_, later)) = self.front.last() {
                merged.add(state, later)?;
            }
            self.front.push((start, merged));
        }
        (self.bar, self.end, self.is_valid) = (bar, bar, true);
        Ok(())
    }
}

/// Sets the bits of those places that are set in one of the two.
fn mark_either(front: &[bool], back: &[bool], words: &mut [u64]) {
    let either = |front, back| front | back;
    let (whole, rest) = words.split_at_mut(front.len() / 64);
    let [(front, front_rest), (back, back_rest)] = [front, back].map(|has| has.split_at(whole.len() * 64));
    simd::mask_of_two(front, back, whole, 0, either);
    // What is no whole word would be looked at one by one.
    let mut padded = [[false; 64]; 2];
    padded[0][..front_rest.len()].copy_from_slice(front_rest);
    padded[1][..back_rest.len()].copy_from_slice(back_rest);
    simd::mask_of_two(&padded[0][..rest.len() * 64], &padded[1][..rest.len() * 64], rest, 0, either);
}

/// Whether a window has groups of so many keys that it is worth going through all of them, a pane at a time.
fn is_filled(state: &GroupState, start: i64, end: i64) -> bool {
    let panes = || state.groups.panes_between(start, end);
    let groups: usize = panes().map(|(_, pane)| pane.len()).sum();
    let bound = state.keys.id_bound();
    let is_small = bound <= BLOCK_ROWS_MAX && panes().count() * bound <= FRONT_GROUPS_MAX;
    is_small && groups * EMPTY_PER_GROUP_MAX >= bound
}
