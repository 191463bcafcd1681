//! Distinct values of a group, in order of first sight, each with something beside it (how often it came). Equal is
//! what Spark's order calls equal: NaN is one value, -0.0 is 0.0.

use alloc::vec::Vec;
use core::hash::{BuildHasher, Hasher};

use hashbrown::{DefaultHashBuilder, HashTable};

use super::{codec, item::Item};
use crate::{error::Result, schema::DataType};

/// Values and what is kept beside each.
#[derive(Clone, Debug)]
pub(super) struct Tally<I: Item, P> {
    entries: Vec<(I::Owned, P)>,
    /// Positions in `entries`, by hash.
    table: HashTable<u32>,
    hasher: DefaultHashBuilder,
    /// Memory that the values hold outside of themselves.
    heap: usize,
}

impl<I: Item, P> Tally<I, P> {
    pub fn new() -> Self {
        Self { entries: Vec::new(), table: HashTable::new(), hasher: DefaultHashBuilder::default(), heap: 0 }
    }

    /// The values in order of first sight.
    pub fn entries(&self) -> &[(I::Owned, P)] {
        &self.entries
    }

    /// What is beside this value, `new` if the value was not there; and whether it was not.
    #[inline]
    pub fn entry(&mut self, value: I::Ref<'_>, new: P) -> (&mut P, bool) {
        let hash = self.hash(&value);
        let is_same = |&i: &u32| I::compare(&I::lend(&self.entries[i as usize].0), &value).is_eq();
        if let Some(&position) = self.table.find(hash, is_same) {
            return (&mut self.entries[position as usize].1, false);
        }
        (self.insert(hash, I::own(value), new), true)
    }

    /// Out of the way of the rows whose value is known.
    #[inline(never)]
    fn insert(&mut self, hash: u64, owned: I::Owned, new: P) -> &mut P {
        let position = u32::try_from(self.entries.len()).unwrap_or_else(|_| panic!("fewer than 2^32 values a group"));
        let owned = I::normal(owned);
        self.heap += I::heap(&owned);
        self.entries.push((owned, new));
        let Self { entries, table, hasher, .. } = self;
        table.insert_unique(hash, position, |&i| hash_with::<I>(hasher, &I::lend(&entries[i as usize].0)));
        &mut entries[position as usize].1
    }

    /// Memory outside of the tally itself.
    pub fn heap(&self) -> usize {
        self.entries.capacity() * size_of::<(I::Owned, P)>() + self.table.allocation_size() + self.heap
    }

    /// Saves values and, through `save`, what is beside them.
    pub fn save(&self, out: &mut Vec<u8>, mut save: impl FnMut(&P, &mut Vec<u8>)) {
        codec::save_count(self.entries.len(), out);
        for (value, beside) in &self.entries {
            I::save(value, out);
            save(beside, out);
        }
    }

    /// Reads what `save` wrote.
    pub fn load(
        bytes: &mut &[u8],
        data_type: &DataType,
        mut load: impl FnMut(&mut &[u8]) -> Result<P>,
    ) -> Result<Self> {
        let mut tally = Self::new();
        for _ in 0..codec::load_count(bytes, 1)? {
            let value = I::load(bytes, data_type)?;
            let beside = load(bytes)?;
            tally.entry(I::lend(&value), beside);
        }
        Ok(tally)
    }

    fn hash(&self, value: &I::Ref<'_>) -> u64 {
        hash_with::<I>(&self.hasher, value)
    }
}

fn hash_with<I: Item>(hasher: &DefaultHashBuilder, value: &I::Ref<'_>) -> u64 {
    let mut state = hasher.build_hasher();
    I::hash(value, &mut state);
    state.finish()
}
