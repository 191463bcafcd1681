//! Key tables as bytes, and keys that come from another table: every key keeps its id, or gets that of its twin.

use alloc::vec::Vec;

use super::{KeyTable, NONE};
use crate::{
    block::Column,
    codec::{self, Scalar},
    error::{Error, Result},
    state::{decode_row, packed::Packed},
};

impl KeyTable {
    /// Sets `known[id]`, for these ids of another table, to this table's id of the same key, made if it is new. What
    /// `known` held before is looked at first: most keys are where they were.
    pub fn adopt(&mut self, other: &Self, ids: &[u32], known: &mut Vec<u32>) -> Result<()> {
        if known.len() < other.keys.len() {
            known.resize(other.keys.len(), NONE);
        }
        for &id in ids {
            let (key, mine) = (&other.keys[id as usize], &mut known[id as usize]);
            if key.place().is_some() {
                *mine = self.id_of_long(other.encoded(id))?;
            } else if self.keys.get(*mine as usize) != Some(key) {
                *mine = self.id_of_packed(*key)?;
            }
        }
        Ok(())
    }

    /// Appends all keys with their ids, and the ids that are free in the order in which they will be used: the order of
    /// results may hang on it.
    pub(crate) fn save(&self, out: &mut Vec<u8>) {
        codec::save_count(self.free.len(), out);
        self.free.iter().for_each(|id| id.save(out));
        codec::save_count(self.len(), out);
        for id in self.ids() {
            id.save(out);
            codec::save_bytes(self.encoded(id), out);
        }
    }

    /// Reads what [`KeyTable::save`] wrote into an empty table.
    pub(crate) fn load(&mut self, bytes: &mut &[u8]) -> Result<()> {
        let free: Vec<u32> = (0..codec::load_count(bytes, 4)?).map(|_| u32::load(bytes)).collect::<Result<_>>()?;
        let count = codec::load_count(bytes, 12)?;
        let bound = free.len() + count;
        self.keys.resize(bound, Packed::NONE);
        let mut row: Vec<Column> = self.types.iter().map(|t| Column::new(t.clone())).collect();
        for number in 0..count {
            let id = codec::load_index(bytes, bound)?;
            let key = codec::load_bytes(bytes)?;
            row.iter_mut().for_each(Column::clear);
            let rest = &mut &*key;
            decode_row(rest, &mut row)?;
            // The next new key gets the id.
            self.free = alloc::vec![id as u32];
            let is_unused = self.keys[id].is_none();
            if !rest.is_empty() || !is_unused || self.id_of_encoded(key)? != id as u32 || !self.free.is_empty() {
                return Err(Error::corrupt(alloc::format!("saved key {number} is no key, or there twice")));
            }
        }
        let mut is_free: Vec<bool> = self.keys.iter().map(Packed::is_none).collect();
        // As many as there are, and each of them once.
        if !free.iter().all(|&id| is_free.get_mut(id as usize).is_some_and(core::mem::take)) {
            return Err(Error::corrupt("a saved key is in use and free"));
        }
        self.free = free;
        Ok(())
    }

    /// The saved id of a key in use.
    pub(crate) fn load_id(&self, bytes: &mut &[u8]) -> Result<u32> {
        let id = codec::load_index(bytes, self.keys.len())?;
        match self.keys[id].is_none() {
            false => Ok(id as u32),
            true => Err(Error::corrupt(alloc::format!("saved state names key {id}, which is not in use"))),
        }
    }
}
