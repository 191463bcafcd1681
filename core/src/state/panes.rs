//! Panes: their groups by key id, and the panes by start.
//!
//! Panes come and go in order of time, so they lie in a ring, where most are found by arithmetic; rows in no order
//! would push too many of them aside again and again, and then a tree has them.

use alloc::{
    boxed::Box,
    collections::{BTreeMap, VecDeque},
    vec::Vec,
};
use core::ops::Range;

use hashbrown::HashMap;

use crate::{block::Rows, simd};

/// "No group": never a group id.
pub const NO_GROUP: u32 = u32::MAX;

/// An array of ids may be this many times longer than the groups in it before a pane becomes a hash table: where there
/// are few panes they can have what many could not.
const SPARSENESS_MAX: usize = 16;
const SPARSENESS_MAX_OF_FEW: usize = 64;
const FEW_PANES: usize = 64;
/// Arrays up to this length are never converted.
const DENSE_ALWAYS: usize = 4096;
/// A pane with at least one group among so many ids is gone through id by id.
const EMPTY_PER_GROUP_MAX: usize = 4;
/// Rows after which a pane may have a group of every key: then there is nothing more to remember.
const RUN_ROWS: usize = 8;
/// Panes that make room for one between them, at most, before a tree takes all.
const MOVED_MAX: usize = 1024;

/// The panes by start.
#[derive(Debug, Default)]
pub(super) struct Panes {
    /// In order. Empty while there is a tree.
    ring: VecDeque<(i64, Box<Pane>)>,
    tree: BTreeMap<i64, Box<Pane>>,
}

/// The groups of one pane.
#[derive(Debug, Default)]
pub struct Pane {
    pub(super) ids: Ids,
    // Key and group ids in the order in which the groups appeared, `len` of each and anything behind them.
    keys: Vec<u32>,
    groups: Vec<u32>,
    len: usize,
    /// Its groups are in the lists alone, not yet in `ids`: most panes of few rows are never asked about them.
    is_listed: bool,
    /// It is one of few.
    is_of_few: bool,
    pub(super) run: Run,
    /// Some of its groups are not of its run.
    pub(super) has_others: bool,
}

/// Group ids that a pane has to itself: those of the keys `0..width`, in this order. There may be none.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Run {
    pub first: u32,
    pub width: u32,
}

#[derive(Debug)]
pub(super) enum Ids {
    Dense(Vec<u32>),
    /// By key, all of which are below `bound`.
    Sparse {
        ids: HashMap<u32, u32>,
        bound: usize,
    },
}

impl Default for Ids {
    fn default() -> Self {
        Self::Dense(Vec::new())
    }
}

impl Panes {
    pub fn len(&self) -> usize {
        self.ring.len() + self.tree.len()
    }

    pub fn get(&self, start: i64) -> Option<&Pane> {
        match self.place(start) {
            Ok(at) => Some(&self.ring[at].1),
            Err(_) => self.tree.get(&start).map(|pane| &**pane),
        }
    }

    pub fn get_mut(&mut self, start: i64) -> Option<&mut Pane> {
        match self.place(start) {
            Ok(at) => Some(&mut self.ring[at].1),
            Err(_) => self.tree.get_mut(&start).map(|pane| &mut **pane),
        }
    }

    /// The pane, made if there is none.
    pub fn get_or_make(&mut self, start: i64, make: impl FnOnce() -> Box<Pane>) -> &mut Pane {
        let place = self.place(start);
        let is_of_few = self.len() < FEW_PANES;
        let make = || {
            let mut pane = make();
            pane.is_of_few = is_of_few;
            pane
        };
        if place.is_err_and(|at| at.min(self.ring.len() - at) > MOVED_MAX) {
            self.tree = self.ring.drain(..).collect();
        }
        if !self.tree.is_empty() {
            return self.tree.entry(start).or_insert_with(make);
        }
        let at = place.unwrap_or_else(|at| {
            match at == self.ring.len() {
                true => self.ring.push_back((start, make())),
                false => self.ring.insert(at, (start, make())),
            }
            at
        });
        &mut self.ring[at].1
    }

    pub fn remove(&mut self, start: i64) -> Option<Box<Pane>> {
        match self.place(start) {
            Ok(at) => self.ring.remove(at).map(|(_, pane)| pane),
            Err(_) => self.tree.remove(&start),
        }
    }

    /// All of them, in order.
    pub fn iter(&self) -> impl Iterator<Item = (i64, &Pane)> {
        let ring = self.ring.iter().map(|(start, pane)| (*start, &**pane));
        ring.chain(self.tree.iter().map(|(start, pane)| (*start, &**pane)))
    }

    /// The first that starts at `start` or later.
    pub fn first_from(&self, start: i64) -> Option<(i64, &Pane)> {
        let at = self.place(start).unwrap_or_else(|at| at);
        match self.ring.get(at) {
            Some((start, pane)) => Some((*start, &**pane)),
            None => self.tree.range(start..).next().map(|(start, pane)| (*start, &**pane)),
        }
    }

    /// Those that start at `start` or later, in order.
    pub fn starting(&self, start: i64) -> impl Iterator<Item = (i64, &Pane)> {
        let from = self.place(start).unwrap_or_else(|at| at);
        let ring = self.ring.range(from..).map(|(start, pane)| (*start, &**pane));
        ring.chain(self.tree.range(start..).map(|(start, pane)| (*start, &**pane)))
    }

    /// Those that start in `start..end`, in order.
    pub fn between(&self, start: i64, end: i64) -> impl DoubleEndedIterator<Item = (i64, &Pane)> {
        let [from, to] = [start, end.max(start)].map(|us| self.place(us).unwrap_or_else(|at| at));
        let ring = self.ring.range(from..to).map(|(start, pane)| (*start, &**pane));
        ring.chain(self.tree.range(start..end.max(start)).map(|(start, pane)| (*start, &**pane)))
    }

    /// Where in the ring a pane is, or would be.
    fn place(&self, start: i64) -> Result<usize, usize> {
        let len = self.ring.len();
        let (Some((first, _)), Some((last, _))) = (self.ring.front(), self.ring.back()) else { return Err(0) };
        if start >= *last {
            return if start == *last { Ok(len - 1) } else { Err(len) };
        }
        if start <= *first {
            return if start == *first { Ok(0) } else { Err(0) };
        }
        // Most often all lie equally far apart.
        let apart = self.ring[1].0.wrapping_sub(*first) as u64;
        let guess = (start.wrapping_sub(*first) as u64 / apart.max(1)) as usize;
        match self.ring.get(guess) {
            Some((found, _)) if *found == start => Ok(guess),
            _ => self.ring.binary_search_by_key(&start, |(start, _)| *start),
        }
    }
}

impl Pane {
    /// The group of a key, or [`NO_GROUP`].
    #[inline]
    pub fn get(&self, key: u32) -> u32 {
        if self.is_listed {
            let at = self.keys().iter().position(|&known| known == key);
            return at.map_or(NO_GROUP, |at| self.groups[at]);
        }
        self.ids.get(key)
    }

    /// The groups by key id, [`NO_GROUP`] for keys without one; `None` if they are not kept in an array.
    pub fn by_key(&self) -> Option<&[u32]> {
        self.ids.as_array().filter(|_| !self.is_listed)
    }

    /// Lists the groups of keys, which are its first; makes them by `next`. Between calls all of `by_key`, which is as
    /// long as there are keys, is [`NO_GROUP`].
    pub(super) fn assign_listed(
        &mut self,
        keys: &[u32],
        groups: &mut [u32],
        by_key: &mut [u32],
        mut next: impl FnMut() -> u32,
    ) {
        assert!(self.is_empty() && self.run.width == 0, "a pane that has groups is asked about them");
        self.is_listed = true;
        for (&key, group) in keys.iter().zip(groups) {
            let known = &mut by_key[key as usize];
            if *known == NO_GROUP {
                *known = next();
                self.keys.push(key);
                self.groups.push(*known);
            }
            *group = *known;
        }
        self.count();
        self.keys.iter().for_each(|&key| by_key[key as usize] = NO_GROUP);
    }

    /// From now on groups are found by key.
    pub(super) fn index(&mut self) {
        if core::mem::take(&mut self.is_listed) {
            for i in 0..self.len {
                self.ids.insert(self.keys[i], self.groups[i], self.len * SPARSENESS_MAX);
            }
        }
    }

    /// Groups.
    pub fn len(&self) -> usize {
        self.len
    }

    /// True if there is no group.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Key ids, oldest group first.
    pub fn keys(&self) -> &[u32] {
        &self.keys[..self.len]
    }

    /// Group ids, in the order of [`Pane::keys`].
    pub fn groups(&self) -> &[u32] {
        &self.groups[..self.len]
    }

    /// The ids that all its groups have: those of the keys `0..`, side by side; `None` if they are not all among them,
    /// or few of them groups.
    pub fn run(&self) -> Option<Range<usize>> {
        let Run { first, width } = self.run;
        let is_filled = self.len * EMPTY_PER_GROUP_MAX >= width as usize;
        (!self.has_others && width > 0 && is_filled).then_some(first as usize..(first + width) as usize)
    }

    /// Writes the groups of keys, all of them below `key_bound` and in the run, and makes those that are new.
    pub(super) fn assign_run(&mut self, (keys, key_bound): (&[u32], usize), groups: &mut [u32]) {
        let Ids::Dense(ids) = &mut self.ids else { unreachable!("panes with a run have an array") };
        let ids = &mut ids[..self.run.width as usize];
        let (new_keys, new_groups) = (&mut self.keys[..=ids.len()], &mut self.groups[..=ids.len()]);
        let first = self.run.first;
        groups.iter_mut().zip(keys).for_each(|(group, &key)| *group = first + key);
        for keys in keys.chunks(RUN_ROWS) {
            if self.len == key_bound {
                return;
            }
            let mut len = self.len;
            // Whether a key is new only says where the next one is written: no branch depends on it.
            for &key in keys {
                let group = first + key;
                let known = core::mem::replace(&mut ids[key as usize], group);
                (new_keys[len], new_groups[len]) = (key, group);
                len += usize::from(known == NO_GROUP);
            }
            self.len = len;
        }
    }

    /// Takes a run of ids, empty as it is.
    pub(super) fn take_run(&mut self, run: Run) {
        let mut ids = self.ids.as_array().unwrap_or_default().to_vec();
        ids.resize(ids.len().max(run.width as usize), NO_GROUP);
        self.ids = Ids::Dense(ids);
        // What is written and then not counted needs room, too.
        self.keys.resize(run.width as usize + 1, 0);
        self.groups.resize(run.width as usize + 1, 0);
        self.run = run;
    }

    /// Finds the groups of keys, [`NO_GROUP`] for those without one; whether all have one.
    pub(super) fn find(&self, keys: &[u32], rows: &Rows<'_>, groups: &mut [u32]) -> bool {
        match &self.ids {
            Ids::Dense(ids) => simd::lookup(keys, 0, ids, groups),
            Ids::Sparse { ids, .. } => {
                rows.for_each(|row| groups[row] = ids.get(&keys[row]).copied().unwrap_or(NO_GROUP));
                false
            }
        }
    }

    /// The array of ids, made so long that it has the key, and the lists of keys and groups; `None` if there is no
    /// array or keys are too far apart to say how long it should be, or some have their group already. What is appended
    /// counts after [`Pane::count`].
    #[inline]
    pub(super) fn array_up_to(&mut self, key: u32) -> Option<(&mut [u32], &mut Vec<u32>, &mut Vec<u32>)> {
        let Ids::Dense(ids) = &mut self.ids else { return None };
        if self.run.width > 0 {
            return None;
        }
        if key as usize >= ids.len() {
            let needed = (key as usize + 1).next_power_of_two();
            if needed > DENSE_ALWAYS {
                return None;
            }
            ids.resize(needed, NO_GROUP);
        }
        Some((ids, &mut self.keys, &mut self.groups))
    }

    /// Counts what was appended to the lists.
    pub(super) fn count(&mut self) {
        self.len = self.keys.len();
    }

    /// Forgets groups and run, keeps the memory.
    pub(super) fn clear_all(&mut self) {
        self.clear();
        self.keys.clear();
        self.groups.clear();
        self.run = Run::default();
    }

    /// Forgets groups, keeps the run.
    pub(super) fn clear(&mut self) {
        match &mut self.ids {
            _ if self.is_listed => self.is_listed = false,
            Ids::Dense(ids) if self.len * EMPTY_PER_GROUP_MAX >= ids.len() => ids.fill(NO_GROUP),
            Ids::Dense(ids) => self.keys[..self.len].iter().for_each(|&key| ids[key as usize] = NO_GROUP),
            Ids::Sparse { .. } => self.ids = Ids::default(),
        }
        self.has_others = false;
        self.len = 0;
    }

    /// Forgets the groups that `ids` has no more.
    pub(super) fn retain_known(&mut self) {
        let mut left = 0;
        for i in 0..self.len {
            let (key, group) = (self.keys[i], self.groups[i]);
            (self.keys[left], self.groups[left]) = (key, group);
            left += usize::from(self.ids.get(key) == group);
        }
        self.keys.truncate(left);
        self.groups.truncate(left);
        self.len = left;
    }

    pub(super) fn insert(&mut self, key: u32, group: u32) {
        self.index();
        if self.len == self.keys.len() {
            self.keys.push(key);
            self.groups.push(group);
        } else {
            (self.keys[self.len], self.groups[self.len]) = (key, group);
        }
        self.len += 1;
        self.has_others |= key >= self.run.width;
        let sparseness = if self.is_of_few { SPARSENESS_MAX_OF_FEW } else { SPARSENESS_MAX };
        self.ids.insert(key, group, self.len * sparseness);
    }

    pub(super) fn memory_bytes(&self) -> usize {
        let ids = match &self.ids {
            Ids::Dense(ids) => ids.capacity() * 4,
            Ids::Sparse { ids, .. } => ids.capacity() * 9,
        };
        ids + (self.keys.capacity() + self.groups.capacity()) * 4
    }
}

impl Ids {
    pub fn as_array(&self) -> Option<&[u32]> {
        match self {
            Self::Dense(ids) => Some(ids),
            Self::Sparse { .. } => None,
        }
    }

    #[inline]
    pub fn get(&self, key: u32) -> u32 {
        match self {
            Self::Dense(ids) => ids.get(key as usize).copied().unwrap_or(NO_GROUP),
            Self::Sparse { ids, .. } => ids.get(&key).copied().unwrap_or(NO_GROUP),
        }
    }

    pub fn remove(&mut self, key: u32) -> u32 {
        let id = match self {
            Self::Dense(ids) => ids.get_mut(key as usize).map(|id| core::mem::replace(id, NO_GROUP)),
            Self::Sparse { ids, .. } => ids.remove(&key),
        };
        id.unwrap_or_else(|| panic!("key {key} has no group in this pane"))
    }

    /// As an array while that is no longer than `len_max`.
    fn insert(&mut self, key: u32, group: u32, len_max: usize) {
        let needed = key as usize + 1;
        if let Self::Dense(ids) = self
            && needed > ids.len()
        {
            if needed > DENSE_ALWAYS && needed > len_max {
                let entries = ids.iter().enumerate().filter(|(_, id)| **id != NO_GROUP);
                *self = Self::Sparse { ids: entries.map(|(key, &id)| (key as u32, id)).collect(), bound: needed };
            } else {
                ids.resize(needed.next_power_of_two(), NO_GROUP);
            }
        }
        match self {
            Self::Dense(ids) => ids[key as usize] = group,
            Self::Sparse { ids, bound } => {
                ids.insert(key, group);
                *bound = (*bound).max(needed);
                if *bound <= len_max {
                    let mut dense = alloc::vec![NO_GROUP; bound.next_power_of_two()];
                    ids.iter().for_each(|(&key, &group)| dense[key as usize] = group);
                    *self = Self::Dense(dense);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Against a map, while panes come in several orders and go.
    #[test]
    fn panes_are_those_of_a_map() {
        let orders: [fn(i64) -> i64; 5] =
            [|i| i * 10, |i| -i * 7, |i| i * 7_919 % 9_973 * 10, |i| i / 3 * 60 + i % 3, |i| i * i * i];
        for order in orders {
            let (mut panes, mut map) = (Panes::default(), BTreeMap::new());
            for i in 0..6_000 {
                let start = order(i);
                let pane = panes.get_or_make(start, Box::default);
                if pane.get(0) == NO_GROUP {
                    pane.insert(0, i as u32);
                }
                map.entry(start).or_insert(i as u32);
                if i % 5 == 4 {
                    let gone = order(i / 2);
                    assert_eq!(panes.remove(gone).map(|pane| pane.get(0)), map.remove(&gone));
                }
                if i % 97 == 0 {
                    let first = panes.first_from(start + 1).map(|(start, _)| start);
                    assert_eq!(first, map.range(start + 1..).next().map(|(start, _)| *start));
                    let between: Vec<i64> = panes.between(start - 500, start + 500).map(|(start, _)| start).collect();
                    assert_eq!(between, map.range(start - 500..start + 500).map(|(at, _)| *at).collect::<Vec<_>>());
                    assert!(
                        [start, start + 1].iter().all(|at| panes.get(*at).map(|p| p.get(0)) == map.get(at).copied())
                    );
                }
            }
            assert_eq!(panes.len(), map.len());
            assert!(panes.iter().map(|(start, pane)| (start, pane.get(0))).eq(map.into_iter()));
        }
    }
}
