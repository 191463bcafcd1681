//! (pane, key id) → group id.
//!
//! Panes are few and move forward; each maps key ids to group ids, by a plain array while that is well filled and
//! by a hash table when it is not. Group ids of a dropped pane are used again.
//!
//! Where rows bring most keys to every short pane, a pane has a *run* of ids to itself, one a key: then groups are made
//! without a branch, and merged and emptied side by side.

use alloc::vec::Vec;
use core::ops::Range;

use super::{
    KeyTable,
    panes::{Ids, NO_GROUP, Pane, Panes},
    unused::Unused,
};
use crate::{
    block::Rows,
    codec::{self, Scalar},
    error::{Error, Result},
    limits::GROUPS_MAX,
    simd,
};

/// So many keys without a pane are kept, or twice as many as were ever in panes at once: most come again in the next
/// pane, and are found there faster than a new key is made.
const IDLE_KEYS: usize = 4096;
/// Panes that [`Groups::assign_panes`] takes at most.
const PANES_MAX: usize = 16;
/// So few rows are looked up and given groups in one go.
const FEW_ROWS: usize = 64;
/// Keys that runs have room for, at most.
const RUN_KEYS_MAX: usize = 4096;
/// At the ends of time, from here on, panes may be shorter than others.
const TIMES_ODD_FROM: u64 = 1 << 62;
/// A pane gets a run if there are no more keys than so many for each of its rows.
const RUN_KEYS_PER_ROW: usize = 2;

/// All groups of one operator, by pane. Operators without panes use pane 0.
#[derive(Debug, Default)]
pub struct Groups {
    panes: Panes,
    book: Book,
    unused: Unused,
}

/// Of all panes together: which ids are whose, and which keys are in use.
#[derive(Debug, Default)]
struct Book {
    /// Groups in use.
    len: usize,
    ids: GroupIds,
    uses: Uses,
    /// Scratch: see [`Pane::assign_listed`].
    by_key: Vec<u32>,
}

/// Ids of groups: all below `bound` are of groups, of runs or free.
#[derive(Debug, Default)]
pub(super) struct GroupIds {
    pub free: Vec<u32>,
    pub bound: u32,
}

/// How many panes use each key. Counted once there are so many keys that some may have to be forgotten.
#[derive(Debug, Default)]
struct Uses {
    is_counted: bool,
    by_key: Vec<u32>,
    /// Keys that a pane uses, and the most that there were since idle keys were last forgotten.
    live: usize,
    most_live: usize,
}

/// Groups that are no more: their accumulators are to be emptied.
#[derive(Debug, Default)]
pub struct Dropped {
    /// Those of no run.
    pub groups: Vec<u32>,
    /// Runs with all groups that were in them.
    pub runs: Vec<Range<usize>>,
    /// Groups, all together.
    pub count: usize,
}

impl Dropped {
    /// Nothing was dropped.
    pub fn clear(&mut self) {
        self.groups.clear();
        self.runs.clear();
        self.count = 0;
    }
}

impl Groups {
    /// No groups.
    pub fn new() -> Self {
        Self::default()
    }

    /// The group of a key in a pane, made if it is new; the flag says whether it is.
    pub fn group(&mut self, pane: i64, key: u32) -> (u32, bool) {
        let entry = self.panes.get_or_make(pane, || self.unused.take());
        match entry.get(key) {
            NO_GROUP => (self.book.new_group(entry, key), true),
            known => (known, false),
        }
    }

    /// Replaces key ids, all of them below `key_bound`, by group ids for the rows of a block that all fall into one
    /// pane.
    pub fn assign_pane(&mut self, pane: i64, keys: (&[u32], usize), rows: &Rows<'_>, groups: &mut [u32]) {
        let entry = self.panes.get_or_make(pane, || self.unused.take());
        self.book.assign(entry, keys, rows, groups);
    }

    /// As [`Groups::assign_pane`], of rows that may have their group already; [`NO_GROUP`] stands where they have not.
    pub fn assign_missing(&mut self, pane: i64, keys: &[u32], rows: &Rows<'_>, groups: &mut [u32]) {
        let entry = self.panes.get_or_make(pane, || self.unused.take());
        entry.index();
        self.book.assign_missing(entry, keys, rows, groups);
    }

    /// As [`Groups::assign_pane`], for rows of several panes: row `row` falls into `panes[numbers[row]]`.
    pub fn assign_panes(&mut self, panes: &[i64], numbers: &[u32], keys: &[u32], rows: &Rows<'_>, groups: &mut [u32]) {
        static NO_IDS: Ids = Ids::Dense(Vec::new());
        panes.iter().filter_map(|&pane| self.panes.get_mut(pane).map(Pane::index)).for_each(drop);
        let entries: heapless::Vec<&Ids, PANES_MAX> =
            panes.iter().map(|&pane| self.panes.get(pane).map_or(&NO_IDS, |entry| &entry.ids)).collect();
        let arrays: heapless::Vec<&[u32], PANES_MAX> = entries.iter().filter_map(|ids| ids.as_array()).collect();
        if arrays.len() < panes.len() {
            rows.for_each(|row| groups[row] = entries[numbers[row] as usize].get(keys[row]));
        } else if simd::lookup_among(keys, numbers, &arrays, groups) {
            return;
        }
        drop((entries, arrays));
        rows.for_each(|row| {
            if groups[row] == NO_GROUP {
                groups[row] = self.group(panes[numbers[row] as usize], keys[row]).0;
            }
        });
    }

    /// As [`Groups::assign_pane`], for rows of many panes that lie in runs: `pane_of` gives the start of a time's pane,
    /// all of which are `pane_us` long. `run_rows` says of how many rows a run is, about, if panes with a run of ids
    /// are of any use.
    pub fn assign_runs(
        &mut self,
        grid: (impl Fn(i64) -> i64, i64),
        times: &[i64],
        (keys, key_bound): (&[u32], usize),
        run_rows: Option<usize>,
        rows: &Rows<'_>,
        groups: &mut [u32],
    ) {
        let Self { panes, book, unused } = self;
        let has_run = run_rows.is_some_and(|rows| key_bound <= RUN_KEYS_MAX && rows * RUN_KEYS_PER_ROW >= key_bound);
        if has_run {
            unused.widen_runs(key_bound, &mut book.ids);
        }
        each_run(grid, &times[..rows.len()], |start, run| {
            let make = || if has_run { unused.take_with_run(&mut book.ids) } else { unused.take() };
            let entry = panes.get_or_make(start, make);
            match rows.selection() {
                None => {
                    let rows = Rows::new(run.len(), None);
                    let (keys, groups) = (&keys[run.clone()], &mut groups[run]);
                    match entry.is_empty() && entry.run.width == 0 && rows.len() <= FEW_ROWS {
                        true => book.assign_listed(entry, (keys, key_bound), groups),
                        false => book.assign(entry, (keys, key_bound), &rows, groups),
                    }
                }
                Some(_) => run.filter(|&row| rows.contains(row)).for_each(|row| {
                    groups[row] = match entry.get(keys[row]) {
                        NO_GROUP => book.new_group(entry, keys[row]),
                        known => known,
                    };
                }),
            }
        });
    }

    /// As [`Groups::assign_runs`], where all rows have one key.
    pub fn fill_runs(&mut self, grid: (impl Fn(i64) -> i64, i64), times: &[i64], key: u32, groups: &mut [u32]) {
        each_run(grid, times, |start, run| groups[run].fill(self.group(start, key).0));
    }

    /// All group ids are below this: accumulators must have grown so far.
    pub fn group_bound(&self) -> usize {
        self.book.ids.bound as usize
    }

    /// Groups in use.
    pub fn len(&self) -> usize {
        self.book.len
    }

    /// True if there is no group.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// A pane, if it has groups.
    pub fn pane(&self, pane: i64) -> Option<&Pane> {
        self.panes.get(pane)
    }

    /// The panes in order of time.
    pub fn panes(&self) -> impl Iterator<Item = (i64, &Pane)> {
        self.panes.iter()
    }

    /// The first pane that starts at `start` or later.
    pub fn first_pane_from(&self, start: i64) -> Option<(i64, &Pane)> {
        self.panes.first_from(start)
    }

    /// The panes that start at `start` or later, in order.
    pub fn panes_from(&self, start: i64) -> impl Iterator<Item = (i64, &Pane)> {
        self.panes.starting(start)
    }

    /// The panes that start in `start..end`, in order.
    pub fn panes_between(&self, start: i64, end: i64) -> impl DoubleEndedIterator<Item = (i64, &Pane)> {
        self.panes.between(start, end)
    }

    /// Drops a pane: its groups and, sooner or later, the keys that no other pane uses.
    pub fn drop_pane(&mut self, pane: i64, keys: &mut KeyTable, dropped: &mut Dropped) {
        let Some(pane) = self.panes.remove(pane) else { return };
        self.book.len -= pane.len();
        dropped.count += pane.len();
        match pane.run() {
            Some(run) => dropped.runs.push(run),
            None => dropped.groups.extend_from_slice(pane.groups()),
        }
        if self.book.uses.is_counted {
            pane.keys().iter().for_each(|&key| _ = self.book.uses.release(key));
        }
        self.unused.put(pane, &mut self.book.ids);
        if keys.len() <= IDLE_KEYS {
            return;
        }
        self.count_uses();
        let Uses { live, most_live, .. } = self.book.uses;
        if keys.len().saturating_sub(live) > IDLE_KEYS.max(2 * most_live) {
            self.forget_idle_keys(keys);
        }
    }

    /// Forgets the keys that no pane uses.
    pub fn forget_idle_keys(&mut self, keys: &mut KeyTable) {
        self.count_uses();
        let Uses { by_key, live, most_live, .. } = &mut self.book.uses;
        let is_idle = |key: &u32| by_key.get(*key as usize).is_none_or(|uses| *uses == 0);
        let idle: Vec<u32> = keys.ids().filter(is_idle).collect();
        idle.into_iter().for_each(|key| keys.remove(key));
        *most_live = *live;
    }

    /// Drops the groups of some keys of a pane, and those keys where no other pane uses them.
    pub fn drop_groups(&mut self, pane: i64, gone: &[u32], keys: &mut KeyTable, dropped: &mut Dropped) {
        if gone.is_empty() {
            return;
        }
        self.count_uses();
        let Some(entry) = self.panes.get_mut(pane) else { return };
        assert_eq!(entry.run.width, 0, "panes with runs are dropped whole");
        dropped.groups.extend(gone.iter().map(|&key| entry.ids.remove(key)));
        entry.retain_known();
        // Keys with an event time in them do not come again.
        gone.iter().filter(|&&key| self.book.uses.release(key)).for_each(|&key| keys.remove(key));
        self.book.len -= gone.len();
        self.book.ids.free.extend_from_slice(&dropped.groups[dropped.count..]);
        dropped.count += gone.len();
    }

    /// From now on it is known how many panes use a key.
    fn count_uses(&mut self) {
        let uses = &mut self.book.uses;
        if !core::mem::replace(&mut uses.is_counted, true) {
            self.panes.iter().for_each(|(_, pane)| pane.keys().iter().for_each(|&key| uses.add(key)));
        }
    }

    /// Appends all groups; gives their ids in the order in which they were saved.
    pub(crate) fn save(&self, out: &mut Vec<u8>) -> Vec<u32> {
        let mut saved = Vec::new();
        // When idle keys are forgotten, and with that which ids come next, hangs on it.
        codec::save_count(self.book.uses.most_live, out);
        codec::save_count(self.panes.len(), out);
        for (start, pane) in self.panes.iter() {
            start.save(out);
            codec::save_count(pane.len(), out);
            pane.keys().iter().for_each(|key| key.save(out));
            saved.extend_from_slice(pane.groups());
        }
        saved
    }

    /// Reads what [`Groups::save`] wrote, of these keys; gives the group ids in the order in which they were saved.
    pub(crate) fn load(&mut self, keys: &KeyTable, bytes: &mut &[u8]) -> Result<Vec<u32>> {
        let mut loaded = Vec::new();
        let most_live = u64::load(bytes)?;
        for _ in 0..codec::load_count(bytes, 16)? {
            let start = i64::load(bytes)?;
            for _ in 0..codec::load_count(bytes, 4)? {
                match self.group(start, keys.load_id(bytes)?) {
                    (group, true) => loaded.push(group),
                    (_, false) => return Err(Error::corrupt("a saved group is there twice")),
                }
            }
        }
        if most_live > 0 {
            self.count_uses();
        }
        self.book.uses.most_live = usize::try_from(most_live).unwrap_or_default().min(GROUPS_MAX);
        Ok(loaded)
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        *self = Self::new();
    }

    /// Bytes held, about.
    pub fn memory_bytes(&self) -> usize {
        let panes: usize = self.panes.iter().map(|(_, pane)| pane.memory_bytes()).sum();
        panes + self.unused.bytes + (self.book.uses.by_key.capacity() + self.book.ids.free.capacity()) * 4
    }
}

impl Book {
    /// A group for a key that has none in the pane.
    fn new_group(&mut self, pane: &mut Pane, key: u32) -> u32 {
        let group = if key < pane.run.width { pane.run.first + key } else { self.ids.next() };
        pane.insert(key, group);
        self.len += 1;
        if self.uses.is_counted {
            self.uses.add(key);
        }
        group
    }

    /// See [`Groups::assign_pane`].
    fn assign(&mut self, pane: &mut Pane, (keys, key_bound): (&[u32], usize), rows: &Rows<'_>, groups: &mut [u32]) {
        if rows.selection().is_none() && key_bound <= pane.run.width as usize {
            return self.assign_run(pane, (keys, key_bound), groups);
        }
        pane.index();
        if pane.is_empty() || rows.len() <= FEW_ROWS {
            groups.fill(NO_GROUP);
        } else if pane.find(keys, rows, groups) {
            return;
        }
        self.assign_missing(pane, keys, rows, groups);
    }

    /// See [`Groups::assign_missing`].
    fn assign_missing(&mut self, pane: &mut Pane, keys: &[u32], rows: &Rows<'_>, groups: &mut [u32]) {
        let mut top = 0;
        rows.for_each(|row| top = top.max(keys[row]));
        let Some((ids, pane_keys, pane_groups)) = pane.array_up_to(top) else {
            return rows.for_each(|row| {
                if groups[row] == NO_GROUP {
                    groups[row] = match pane.get(keys[row]) {
                        NO_GROUP => self.new_group(pane, keys[row]),
                        known => known,
                    };
                }
            });
        };
        let before = pane_keys.len();
        let group_ids = &mut self.ids;
        rows.for_each(|row| {
            if groups[row] == NO_GROUP {
                let (key, id) = (keys[row], &mut ids[keys[row] as usize]);
                if *id == NO_GROUP {
                    *id = group_ids.next();
                    pane_keys.push(key);
                    pane_groups.push(*id);
                }
                groups[row] = *id;
            }
        });
        pane.count();
        self.count_new(pane, before);
    }

    /// As [`Book::assign`], where all rows count and all keys are of the pane's run.
    fn assign_run(&mut self, pane: &mut Pane, keys: (&[u32], usize), groups: &mut [u32]) {
        let before = pane.len();
        pane.assign_run(keys, groups);
        self.count_new(pane, before);
    }

    /// As [`Book::assign`], for the few rows of a new pane, which all count.
    fn assign_listed(&mut self, pane: &mut Pane, (keys, key_bound): (&[u32], usize), groups: &mut [u32]) {
        if self.by_key.len() < key_bound {
            self.by_key.resize(key_bound, NO_GROUP);
        }
        let Self { ids, by_key, .. } = self;
        pane.assign_listed(keys, groups, by_key, || ids.next());
        self.count_new(pane, 0);
    }

    /// The pane had so many groups before.
    fn count_new(&mut self, pane: &Pane, before: usize) {
        let new = &pane.keys()[before..];
        self.len += new.len();
        if self.uses.is_counted {
            new.iter().for_each(|&key| self.uses.add(key));
        }
    }
}

impl Uses {
    #[inline]
    fn add(&mut self, key: u32) {
        if self.by_key.len() <= key as usize {
            self.by_key.resize(key as usize + 1, 0);
        }
        let uses = &mut self.by_key[key as usize];
        *uses += 1;
        self.live += usize::from(*uses == 1);
        self.most_live = self.most_live.max(self.live);
    }

    /// Whether no pane uses the key any more.
    #[inline]
    fn release(&mut self, key: u32) -> bool {
        let uses = &mut self.by_key[key as usize];
        *uses -= 1;
        let is_idle = *uses == 0;
        self.live -= usize::from(is_idle);
        is_idle
    }
}

impl GroupIds {
    #[inline]
    fn next(&mut self) -> u32 {
        self.free.pop().unwrap_or_else(|| {
            self.bound += 1;
            self.bound - 1
        })
    }
}

/// Calls `f` with the start of the pane and the rows of each run of rows of one pane.
fn each_run((pane_of, pane_us): (impl Fn(i64) -> i64, i64), times: &[i64], mut f: impl FnMut(i64, Range<usize>)) {
    let (mut from, mut start) = (0, i64::MIN);
    while from < times.len() {
        // The next pane, most often.
        let next = start.checked_add(pane_us).filter(|next| next.unsigned_abs() < TIMES_ODD_FROM);
        let is_in = |next: &i64| (times[from].wrapping_sub(*next) as u64) < pane_us as u64;
        start = next.filter(is_in).unwrap_or_else(|| pane_of(times[from]));
        // Panes at the ends of time are shorter, and no row lies beyond them.
        let is_beyond = |time: &i64| time.wrapping_sub(start) as u64 >= pane_us as u64;
        let run = times[from..].iter().position(is_beyond).unwrap_or(times.len() - from).max(1);
        f(start, from..from + run);
        from += run;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{block::Bitmap, schema::DataType};
    use alloc::{
        collections::{BTreeMap, BTreeSet},
        vec,
    };

    fn keys(count: i64) -> KeyTable {
        let mut table = KeyTable::new(vec![DataType::Int64]);
        for value in 0..count {
            let mut row = vec![1];
            row.extend_from_slice(&value.to_le_bytes());
            table.id_of_encoded(&row).unwrap();
        }
        table
    }

    #[test]
    fn dropping_a_pane_frees_its_groups_and_its_last_keys() {
        let mut keys = keys(3);
        let mut groups = Groups::new();
        let a: Vec<u32> = [0, 1].iter().map(|&k| groups.group(0, k).0).collect();
        let b: Vec<u32> = [1, 2].iter().map(|&k| groups.group(10, k).0).collect();
        assert_eq!((groups.len(), &a[..], &b[..]), (4, &[0, 1][..], &[2, 3][..]));
        let mut dropped = Dropped::default();
        groups.drop_pane(0, &mut keys, &mut dropped);
        assert_eq!((&dropped.groups[..], dropped.count), (&[0, 1][..], 2));
        assert_eq!((groups.len(), keys.len()), (2, 3), "key 0 may come again");
        groups.forget_idle_keys(&mut keys);
        assert_eq!(keys.len(), 2, "key 0 is gone, key 1 lives in pane 10");
        assert!(groups.group(20, 2).0 < 2, "freed ids are used again");
    }

    #[test]
    fn keys_that_never_come_again_do_not_pile_up() {
        let mut table = KeyTable::new(vec![DataType::Int64]);
        let mut groups = Groups::new();
        for pane in 0..100_i64 {
            for key in 0..500_i64 {
                let mut row = vec![1];
                row.extend_from_slice(&(pane * 500 + key).to_le_bytes());
                groups.group(pane, table.id_of_encoded(&row).unwrap());
            }
            groups.drop_pane(pane - 1, &mut table, &mut Dropped::default());
            assert!(table.len() <= IDLE_KEYS + 1_500, "{} keys", table.len());
        }
    }

    #[test]
    fn keys_that_come_again_keep_their_ids() {
        let mut table = keys(3);
        let mut groups = Groups::new();
        for pane in 0..10_000 {
            (0..3).for_each(|key| _ = groups.group(pane, key));
            groups.drop_pane(pane, &mut table, &mut Dropped::default());
        }
        assert_eq!((groups.len(), table.len(), groups.group_bound()), (0, 3, 3));
        groups.forget_idle_keys(&mut table);
        assert!(table.is_empty());
    }

    #[test]
    fn a_sparse_pane_answers_like_a_dense_one() {
        let mut keys = keys(200_000);
        let mut groups = Groups::new();
        for key in (0..200_000).step_by(50_000) {
            groups.group(7, key);
        }
        let pane = groups.pane(7).unwrap();
        assert!(matches!(pane.ids, Ids::Sparse { .. }));
        assert_eq!(pane.get(100_000), 2);
        assert_eq!(pane.get(1), NO_GROUP);
        let mut dropped = Dropped::default();
        groups.drop_pane(7, &mut keys, &mut dropped);
        assert_eq!(dropped.count, 4);
    }
    /// Against maps, while keys become more, rows are few or many, and panes come and go.
    #[test]
    fn panes_with_and_without_runs_answer_alike() {
        let mut table = keys(3_000);
        let (mut groups, mut map) = (Groups::new(), BTreeMap::new());
        let (mut dropped, mut state, mut with_run) = (Dropped::default(), 1_u32, 0);
        let mut random = |bound: usize| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as usize % bound
        };
        for block in 0..400_i64 {
            let key_bound = [4, 4, 5, 60, 500, 3_000][block as usize / 70];
            let rows = 1 + random(600);
            let keys: Vec<u32> = (0..rows).map(|_| random(key_bound) as u32).collect();
            let times: Vec<i64> = (0..rows as i64).map(|row| block * 30 + row * 40 / rows as i64).collect();
            let picked: Bitmap = (0..rows).map(|row| row % 7 != 0).collect();
            let selection = (block % 5 == 4).then(|| picked.view());
            let mut found = vec![0; rows];
            let grid = (|time: i64| time / 10 * 10, 10);
            let (keys, rows) = ((&keys[..], key_bound), Rows::new(rows, selection));
            groups.assign_runs(grid, &times, keys, Some(rows.len() / 4), &rows, &mut found);
            rows.for_each(|row| {
                let place = (times[row] / 10 * 10, keys.0[row]);
                assert_eq!(*map.entry(place).or_insert(found[row]), found[row], "one group for {place:?}");
                assert_eq!(groups.pane(place.0).map(|pane| pane.get(place.1)), Some(found[row]));
            });
            while let Some(start) = groups.first_pane_from(i64::MIN).map(|(start, _)| start).filter(|s| *s < block * 30)
            {
                let pane = groups.pane(start).unwrap();
                assert_eq!(pane.keys().len(), pane.len());
                let mut listed = pane.groups().to_vec();
                listed
                    .iter()
                    .zip(pane.keys())
                    .for_each(|(group, key)| assert_eq!(map.remove(&(start, *key)), Some(*group)));
                if let Some(run) = pane.run() {
                    with_run += 1;
                    assert!(listed.iter().all(|group| run.contains(&(*group as usize))));
                }
                dropped.clear();
                groups.drop_pane(start, &mut table, &mut dropped);
                let mut emptied: Vec<u32> =
                    dropped.runs.iter().flat_map(|run| run.start as u32..run.end as u32).collect();
                emptied.extend(&dropped.groups);
                listed.retain(|group| !emptied.contains(group));
                assert!(listed.is_empty(), "{listed:?} are not emptied");
            }
            assert_eq!(groups.len(), map.len());
            let distinct: BTreeSet<u32> = map.values().copied().collect();
            assert_eq!(distinct.len(), map.len(), "no group twice");
            assert!(distinct.last().is_none_or(|last| (*last as usize) < groups.group_bound()));
        }
        assert!((400..1_000).contains(&with_run), "{with_run} of 1,200 panes have runs");
        assert!(groups.group_bound() < 60_000, "ids are used again, not {}", groups.group_bound());
    }
}
