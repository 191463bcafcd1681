//! (pane, key id) → group id.
//!
//! Panes are few and move forward; each maps key ids to group ids, by a plain array while that is well filled and
//! by a hash table when it is not. Group ids of a dropped pane are used again.

use alloc::{boxed::Box, vec::Vec};

use super::{
    KeyTable,
    panes::{Ids, NO_GROUP, Pane, Panes},
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
/// Memory of dropped panes that is kept for new ones.
const UNUSED_BYTES_MAX: usize = 4 << 20;

/// All groups of one operator, by pane. Operators without panes use pane 0.
#[derive(Debug, Default)]
pub struct Groups {
    panes: Panes,
    uses: Uses,
    free: Vec<u32>,
    group_bound: u32,
    /// Panes that were dropped: their memory is for the next ones.
    #[expect(clippy::vec_box, reason = "panes move between here and the ring, and are not small")]
    unused: Vec<Box<Pane>>,
    unused_bytes: usize,
}

/// How many panes use each key.
#[derive(Debug, Default)]
struct Uses {
    by_key: Vec<u32>,
    /// Keys that a pane uses, and the most that there were since idle keys were last forgotten.
    live: usize,
    most_live: usize,
}

impl Groups {
    /// No groups.
    pub fn new() -> Self {
        Self::default()
    }

    /// The group of a key in a pane, made if it is new; the flag says whether it is.
    pub fn group(&mut self, pane: i64, key: u32) -> (u32, bool) {
        let Self { panes, unused, unused_bytes, .. } = self;
        let entry = panes.get_or_make(pane, || take_unused(unused, unused_bytes));
        let known = entry.get(key);
        if known != NO_GROUP {
            return (known, false);
        }
        (new_group(entry, key, &mut self.free, &mut self.group_bound, &mut self.uses), true)
    }

    /// Replaces key ids by group ids for the rows of a block that all fall into one pane.
    pub fn assign_pane(&mut self, pane: i64, keys: &[u32], rows: &Rows<'_>, groups: &mut [u32]) {
        let Self { panes, unused, unused_bytes, free, group_bound, uses } = self;
        let entry = panes.get_or_make(pane, || take_unused(unused, unused_bytes));
        if entry.keys.is_empty() || rows.len() <= FEW_ROWS {
            groups.fill(NO_GROUP);
        } else if entry.find(keys, rows, groups) {
            return;
        }
        let mut top = 0;
        rows.for_each(|row| top = top.max(keys[row]));
        uses.make_room(top);
        let Some((ids, pane_keys, pane_groups)) = entry.array_up_to(top) else {
            return rows.for_each(|row| {
                if groups[row] == NO_GROUP {
                    groups[row] = match entry.get(keys[row]) {
                        NO_GROUP => new_group(entry, keys[row], free, group_bound, uses),
                        known => known,
                    };
                }
            });
        };
        rows.for_each(|row| {
            if groups[row] == NO_GROUP {
                let (key, id) = (keys[row], &mut ids[keys[row] as usize]);
                if *id == NO_GROUP {
                    *id = new_id(free, group_bound);
                    pane_keys.push(key);
                    pane_groups.push(*id);
                    uses.add(key);
                }
                groups[row] = *id;
            }
        });
    }

    /// As [`Groups::assign_pane`], for rows of several panes: row `row` falls into `panes[numbers[row]]`.
    pub fn assign_panes(&mut self, panes: &[i64], numbers: &[u32], keys: &[u32], rows: &Rows<'_>, groups: &mut [u32]) {
        static NO_IDS: Ids = Ids::Dense(Vec::new());
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
    /// all of which are `pane_us` long. Without keys, all rows are of one.
    pub fn assign_runs(
        &mut self,
        (pane_of, pane_us): (impl Fn(i64) -> i64, i64),
        times: &[i64],
        (keys, is_keyless): (&[u32], bool),
        rows: &Rows<'_>,
        groups: &mut [u32],
    ) {
        let mut from = 0;
        while from < rows.len() {
            let start = pane_of(times[from]);
            // Panes at the ends of time are shorter, and no row lies beyond them.
            let is_beyond = |time: &i64| time.wrapping_sub(start) as u64 >= pane_us as u64;
            let run = times[from..rows.len()].iter().position(is_beyond).unwrap_or(rows.len() - from).max(1);
            let range = from..from + run;
            from += run;
            match rows.selection() {
                None if is_keyless => {
                    let group = self.group(start, keys[range.start]).0;
                    groups[range].fill(group);
                }
                None => self.assign_pane(start, &keys[range.clone()], &Rows::new(run, None), &mut groups[range]),
                Some(_) => range.filter(|&row| rows.contains(row)).for_each(|row| {
                    groups[row] = self.group(start, keys[row]).0;
                }),
            }
        }
    }

    /// All group ids are below this: accumulators must have grown so far.
    pub fn group_bound(&self) -> usize {
        self.group_bound as usize
    }

    /// Groups in use.
    pub fn len(&self) -> usize {
        self.group_bound as usize - self.free.len()
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

    /// The panes that start in `start..end`, in order.
    pub fn panes_between(&self, start: i64, end: i64) -> impl DoubleEndedIterator<Item = (i64, &Pane)> {
        self.panes.between(start, end)
    }

    /// Drops a pane: its groups' ids and, sooner or later, the keys that no other pane uses. Appends the dropped group
    /// ids.
    pub fn drop_pane(&mut self, pane: i64, keys: &mut KeyTable, groups: &mut Vec<u32>) {
        let Some(mut dropped) = self.panes.remove(pane) else { return };
        dropped.keys.iter().for_each(|&key| _ = self.uses.release(key));
        self.free.extend_from_slice(&dropped.groups);
        groups.extend_from_slice(&dropped.groups);
        let bytes = dropped.memory_bytes();
        if self.unused_bytes + bytes <= UNUSED_BYTES_MAX {
            dropped.clear();
            self.unused_bytes += bytes;
            self.unused.push(dropped);
        }
        if keys.len().saturating_sub(self.uses.live) > IDLE_KEYS.max(2 * self.uses.most_live) {
            self.forget_idle_keys(keys);
        }
    }

    /// Forgets the keys that no pane uses.
    pub fn forget_idle_keys(&mut self, keys: &mut KeyTable) {
        let Uses { by_key, live, most_live } = &mut self.uses;
        let is_idle = |key: &u32| by_key.get(*key as usize).is_none_or(|uses| *uses == 0);
        let idle: Vec<u32> = keys.ids().filter(is_idle).collect();
        idle.into_iter().for_each(|key| keys.remove(key));
        *most_live = *live;
    }

    /// Drops the groups of some keys of a pane, and those keys where no other pane uses them. Gives the group ids.
    pub fn drop_groups(&mut self, pane: i64, dropped: &[u32], keys: &mut KeyTable) -> Vec<u32> {
        let Some(entry) = self.panes.get_mut(pane) else { return Vec::new() };
        let groups: Vec<u32> = dropped.iter().map(|&key| entry.ids.remove(key)).collect();
        if !groups.is_empty() {
            let Pane { ids, keys, groups, .. } = entry;
            let is_left: Vec<bool> = keys.iter().zip(&*groups).map(|(&key, &group)| ids.get(key) == group).collect();
            let (mut of_keys, mut of_groups) = (is_left.iter(), is_left.iter());
            keys.retain(|_| of_keys.next().is_some_and(|left| *left));
            groups.retain(|_| of_groups.next().is_some_and(|left| *left));
        }
        // Keys with an event time in them do not come again.
        dropped.iter().filter(|&&key| self.uses.release(key)).for_each(|&key| keys.remove(key));
        self.free.extend_from_slice(&groups);
        groups
    }

    /// Appends all groups; gives their ids in the order in which they were saved.
    pub(crate) fn save(&self, out: &mut Vec<u8>) -> Vec<u32> {
        let mut saved = Vec::new();
        // When idle keys are forgotten, and with that which ids come next, hangs on it.
        codec::save_count(self.uses.most_live, out);
        codec::save_count(self.panes.len(), out);
        for (start, pane) in self.panes.iter() {
            start.save(out);
            codec::save_count(pane.keys.len(), out);
            pane.keys.iter().for_each(|key| key.save(out));
            saved.extend_from_slice(&pane.groups);
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
        self.uses.most_live = usize::try_from(most_live).unwrap_or_default().min(GROUPS_MAX);
        Ok(loaded)
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        *self = Self::new();
    }

    /// Bytes held, about.
    pub fn memory_bytes(&self) -> usize {
        let panes: usize = self
            .panes
            .iter()
            .map(|(_, pane)| pane)
            .chain(self.unused.iter().map(|pane| &**pane))
            .map(Pane::memory_bytes)
            .sum();
        panes + (self.uses.by_key.capacity() + self.free.capacity()) * 4
    }
}

/// An empty pane, in the memory of one that was dropped if there is one.
#[expect(clippy::vec_box, reason = "see `Groups::unused`")]
fn take_unused(unused: &mut Vec<Box<Pane>>, bytes: &mut usize) -> Box<Pane> {
    let pane = unused.pop().unwrap_or_default();
    *bytes = bytes.saturating_sub(pane.memory_bytes());
    pane
}

/// A group for a key that has none in the pane.
fn new_group(pane: &mut Pane, key: u32, free: &mut Vec<u32>, group_bound: &mut u32, uses: &mut Uses) -> u32 {
    let group = new_id(free, group_bound);
    pane.insert(key, group);
    uses.make_room(key);
    uses.add(key);
    group
}

#[inline]
fn new_id(free: &mut Vec<u32>, group_bound: &mut u32) -> u32 {
    free.pop().unwrap_or_else(|| {
        *group_bound += 1;
        *group_bound - 1
    })
}

impl Uses {
    fn make_room(&mut self, key: u32) {
        if self.by_key.len() <= key as usize {
            self.by_key.resize(key as usize + 1, 0);
        }
    }

    #[inline]
    fn add(&mut self, key: u32) {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::DataType;
    use alloc::vec;

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
        let mut dropped = Vec::new();
        groups.drop_pane(0, &mut keys, &mut dropped);
        assert_eq!(dropped, [0, 1]);
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
            groups.drop_pane(pane - 1, &mut table, &mut Vec::new());
            assert!(table.len() <= IDLE_KEYS + 1_500, "{} keys", table.len());
        }
    }

    #[test]
    fn keys_that_come_again_keep_their_ids() {
        let mut table = keys(3);
        let mut groups = Groups::new();
        for pane in 0..10_000 {
            (0..3).for_each(|key| _ = groups.group(pane, key));
            groups.drop_pane(pane, &mut table, &mut Vec::new());
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
        let mut dropped = Vec::new();
        groups.drop_pane(7, &mut keys, &mut dropped);
        assert_eq!(dropped.len(), 4);
    }
}
