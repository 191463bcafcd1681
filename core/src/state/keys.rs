//! Key columns → dense key ids.
//!
//! Keys are encoded rows, packed into 32 bytes where they fit. A hash table finds their ids; integers that lie close
//! together are found faster, through an array. Ids of removed keys are used again.

use alloc::vec::Vec;
use core::hash::BuildHasher;

use hashbrown::{DefaultHashBuilder, HashTable};

use super::{
    decode_row,
    integers::{are_integers_packed, digits_of, integer_width},
    packed::{Packed, TEXT_AT, hash_bytes, hash_short, is_same},
    radix::{Digits, Radix},
    sparse::Sparse,
    texts::{Short, Texts},
};
use crate::{
    block::{BytesRef, Column, ColumnRef, Native, Rows, Values},
    codec::{self, Scalar},
    error::{Error, Result},
    limits::GROUPS_MAX,
    schema::{DataType, Physical},
};

const NONE: u32 = u32::MAX;

/// Rows without an id that are looked up one by one before the array is asked again.
const MISSING_MAX: usize = 64;

/// A table of distinct keys.
#[derive(Debug)]
pub struct KeyTable {
    // State: keys by id, and what finds them.
    types: Vec<DataType>,
    keys: Vec<Packed>,
    free: Vec<u32>,
    long: Vec<Vec<u8>>,
    long_free: Vec<usize>,
    hashed: HashTable<u32>,
    radix: Radix,
    texts: Texts,
    /// Keys of one integer, while they lie too far apart for an array.
    sparse: Sparse,
    /// Keys are one string, whose bytes are hashed rather than the encoded row.
    is_text: bool,
    /// Keys are integers that fit into a packed key, and none of them was NULL.
    are_whole_integers: bool,
    /// So that nobody who chooses keys can choose their hashes.
    seed: u64,
    // Scratch.
    row: Vec<u8>,
    long_bytes: usize,
}

impl KeyTable {
    /// An empty table for keys of these types; no types means one key, the empty row.
    pub fn new(types: Vec<DataType>) -> Self {
        let is_integer = |t: &DataType| integer_width(t).is_some();
        Self {
            radix: Radix::new(types.iter().all(is_integer).then_some(types.len())),
            is_text: matches!(&types[..], [t] if t.physical() == Physical::Bytes),
            are_whole_integers: are_integers_packed(&types),
            sparse: Sparse::default(),
            types,
            keys: Vec::new(),
            free: Vec::new(),
            long: Vec::new(),
            long_free: Vec::new(),
            hashed: HashTable::new(),
            texts: Texts::default(),
            seed: DefaultHashBuilder::default().hash_one(0_u64),
            row: Vec::new(),
            long_bytes: 0,
        }
    }

    /// Writes the id of each counting row's key to `ids[row]`, making ids for new keys. `ids` becomes as long as
    /// the block; rows that do not count keep whatever was there.
    pub fn assign(&mut self, columns: &[ColumnRef<'_>], rows: &Rows<'_>, ids: &mut Vec<u32>) -> Result<()> {
        if columns.is_empty() && rows.count() > 0 {
            let id = self.id_of_encoded(&[])?;
            if ids.len() != rows.len() || ids.first() != Some(&id) {
                ids.clear();
                ids.resize(rows.len(), id);
            }
            return Ok(());
        }
        ids.resize(rows.len(), NONE);
        match self.radix.lookup(columns, ids).or_else(|| self.sparse.lookup(columns, ids)) {
            Some(true) => Ok(()),
            Some(false) => self.assign_missing(columns, rows, ids),
            None if self.is_text => self.assign_texts(&columns[0], rows, ids),
            None => rows.try_for_each(|row| {
                ids[row] = self.id_of_row(columns, row)?;
                Ok(())
            }),
        }
    }

    /// Rows without an id get one. Keys that are new to a block may fill it, so the array is asked again now and then.
    fn assign_missing(&mut self, columns: &[ColumnRef<'_>], rows: &Rows<'_>, ids: &mut [u32]) -> Result<()> {
        let mut missing = 0;
        rows.try_for_each(|row| {
            if ids[row] != NONE {
                return Ok(());
            }
            ids[row] = self.id_of_row(columns, row)?;
            missing += 1;
            if missing % MISSING_MAX == 0 {
                self.radix.lookup(columns, ids);
            }
            Ok(())
        })
    }

    /// Keys of one string: found by their text, and only new ones are encoded.
    fn assign_texts(&mut self, column: &ColumnRef<'_>, rows: &Rows<'_>, ids: &mut [u32]) -> Result<()> {
        let Values::Bytes(texts) = column.values else {
            return rows.try_for_each(|row| self.id_of_row(&[*column], row).map(|id| ids[row] = id));
        };
        if column.validity.is_some() || column.is_constant {
            ids.fill(NONE);
        } else if self.recall(&texts, ids) {
            return Ok(());
        }
        rows.try_for_each(|row| {
            if ids[row] == NONE {
                ids[row] = self.id_of_text(texts.get(column.index(row)), column, row)?;
            }
            Ok(())
        })
    }

    /// Finds the texts that are remembered; true if all are.
    fn recall(&self, texts: &BytesRef<'_>, ids: &mut [u32]) -> bool {
        let mut is_complete = true;
        for (id, ends) in ids.iter_mut().zip(texts.offsets.windows(2)) {
            let short = Short::of(&texts.bytes[ends[0] as usize..ends[1] as usize]);
            *id = short.map_or(NONE, |short| self.texts.get(&short, hash_short(&short, self.seed)));
            is_complete &= *id != NONE;
        }
        is_complete
    }

    fn id_of_text(&mut self, text: &[u8], column: &ColumnRef<'_>, row: usize) -> Result<u32> {
        match Short::of(text) {
            Some(short) if column.is_valid(row) => self.remember(short, column, row),
            None if column.is_valid(row) => self.find_text(text).map_or_else(|| self.id_of_row(&[*column], row), Ok),
            _ => self.id_of_row(&[*column], row),
        }
    }

    fn remember(&mut self, text: Short, column: &ColumnRef<'_>, row: usize) -> Result<u32> {
        let hash = hash_short(&text, self.seed);
        // An earlier row of the block may have brought it.
        let known = self.texts.get(&text, hash);
        if known != NONE {
            return Ok(known);
        }
        let id = self.id_of_row(&[*column], row)?;
        self.texts.put(text, hash, id, self.keys.len());
        Ok(id)
    }

    /// Writes `by_id[id]` for each row's key, where `u32::MAX` stands for none; false if a row got `u32::MAX`, or if
    /// keys of these types are not found so simply, and then `found` is of no use.
    pub fn find_through(&mut self, columns: &[ColumnRef<'_>], by_id: &[u32], found: &mut [u32]) -> bool {
        self.radix.lookup_twice(columns, by_id, found) == Some(true)
    }

    /// As [`KeyTable::assign`], but unknown keys get `u32::MAX` and are not remembered.
    pub fn find(&mut self, columns: &[ColumnRef<'_>], rows: &Rows<'_>, ids: &mut Vec<u32>) {
        ids.resize(rows.len(), NONE);
        if self.radix.lookup(columns, ids).is_some() {
            return;
        }
        let is_begun = match self.sparse.lookup(columns, ids) {
            Some(true) => return,
            asked => asked.is_some(),
        };
        let mut bytes = core::mem::take(&mut self.row);
        rows.for_each(|row| {
            if is_begun && ids[row] != NONE {
                return;
            }
            let found = match Packed::of_row(columns, row, &mut bytes) {
                Some(packed) => self.find_packed(&packed, self.hash_packed(&packed)),
                None => self.find_long(&bytes, self.hash_long(&bytes)),
            };
            ids[row] = found.unwrap_or(NONE);
        });
        self.row = bytes;
    }

    /// The id of an encoded key, made if it is new.
    pub fn id_of_encoded(&mut self, row: &[u8]) -> Result<u32> {
        match Packed::of_bytes(row) {
            Some(packed) => self.id_of_packed(packed),
            None => self.id_of_long(row),
        }
    }

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

    /// The encoded key of an id in use.
    pub fn encoded(&self, id: u32) -> &[u8] {
        let key = &self.keys[id as usize];
        match key.place() {
            Some((place, _)) => &self.long[place],
            None => key.bytes().unwrap_or_else(|| panic!("key {id} is not in use")),
        }
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

    /// Appends the keys of these ids to one column a key type; the columns may lie in two places.
    pub fn emit(&self, ids: &[u32], [first, second]: [&mut [Column]; 2]) -> Result<()> {
        if self.are_whole_integers {
            let mut at = 0;
            for (column, data_type) in first.iter_mut().chain(second).zip(&self.types) {
                self.emit_integers(ids, at, column);
                at += 1 + integer_width(data_type).unwrap_or_default();
            }
            return Ok(());
        }
        for &id in ids {
            let bytes = &mut self.encoded(id);
            decode_row(bytes, first)?;
            decode_row(bytes, second)?;
        }
        Ok(())
    }

    /// Forgets keys; their ids will be given to others.
    pub fn remove(&mut self, id: u32) {
        let key = core::mem::replace(&mut self.keys[id as usize], Packed::NONE);
        let hash = match key.place() {
            Some((_, hash)) => hash,
            None if key.is_none() => panic!("key {id} is removed twice"),
            None => self.hash_packed(&key),
        };
        if let Ok(entry) = self.hashed.find_entry(hash, |&other| other == id) {
            entry.remove();
        }
        if let Some(digits) = self.digits(&key) {
            self.radix.remove(&digits);
            if let [key] = digits[..] {
                self.sparse.remove(key, id);
            }
        }
        if let Some(short) = key.text().filter(|_| self.is_text).and_then(Short::of) {
            self.texts.remove(&short, hash);
        }
        if let Some((place, _)) = key.place() {
            self.long_bytes -= self.long[place].len();
            self.long_free.push(place);
        }
        self.free.push(id);
    }

    /// Forgets all keys, keeps the memory.
    pub fn clear(&mut self) {
        self.are_whole_integers = are_integers_packed(&self.types);
        self.keys.clear();
        self.free.clear();
        self.long.clear();
        self.long_free.clear();
        self.hashed.clear();
        self.radix.clear();
        self.texts.clear();
        self.sparse.clear();
        self.long_bytes = 0;
    }

    /// Keys in use.
    pub fn len(&self) -> usize {
        self.keys.len() - self.free.len()
    }

    /// True if no key is in use.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// True if there is but one key, the empty row.
    pub fn is_keyless(&self) -> bool {
        self.types.is_empty()
    }

    /// All ids are below this.
    pub fn id_bound(&self) -> usize {
        self.keys.len()
    }

    /// Ids in use.
    pub fn ids(&self) -> impl Iterator<Item = u32> + '_ {
        self.keys.iter().enumerate().filter(|(_, key)| !key.is_none()).map(|(id, _)| id as u32)
    }

    /// Bytes held, about.
    pub fn memory_bytes(&self) -> usize {
        let tables = self.radix.memory_bytes() + self.sparse.memory_bytes() + self.texts.memory_bytes();
        let index = self.hashed.capacity() * 5 + tables;
        self.long_bytes + self.keys.capacity() * size_of::<Packed>() + index
    }

    /// One column of keys of integers, which begins at byte `at` of each key with "not NULL".
    fn emit_integers(&self, ids: &[u32], at: usize, column: &mut Column) {
        match column.data_type().physical() {
            Physical::Int8 => self.emit_column(ids, at, column, i8::from_le_bytes),
            Physical::Int16 => self.emit_column(ids, at, column, i16::from_le_bytes),
            Physical::Int32 => self.emit_column(ids, at, column, i32::from_le_bytes),
            _ => self.emit_column(ids, at, column, i64::from_le_bytes),
        }
    }

    fn emit_column<T: Native, const N: usize>(
        &self,
        ids: &[u32],
        at: usize,
        to: &mut Column,
        read: impl Fn([u8; N]) -> T,
    ) {
        let value = |id: &u32| {
            let bytes = self.keys[*id as usize].all_bytes();
            read(bytes[at + 1..].first_chunk::<N>().copied().unwrap_or([0; N]))
        };
        to.push_many(ids.iter().map(value));
    }

    fn id_of_row(&mut self, columns: &[ColumnRef<'_>], row: usize) -> Result<u32> {
        if let Some(packed) = Packed::of_row(columns, row, &mut self.row) {
            return self.id_of_packed(packed);
        }
        let bytes = core::mem::take(&mut self.row);
        let id = self.id_of_long(&bytes);
        self.row = bytes;
        id
    }

    #[inline]
    fn id_of_packed(&mut self, packed: Packed) -> Result<u32> {
        let hash = self.hash_packed(&packed);
        match self.find_packed(&packed, hash) {
            Some(id) => Ok(id),
            None => self.insert(packed, hash),
        }
    }

    fn id_of_long(&mut self, row: &[u8]) -> Result<u32> {
        let hash = self.hash_long(row);
        if let Some(id) = self.find_long(row, hash) {
            return Ok(id);
        }
        let place = self.long_free.pop().unwrap_or_else(|| {
            self.long.push(Vec::new());
            self.long.len() - 1
        });
        self.long[place].clear();
        self.long[place].extend_from_slice(row);
        self.long_bytes += row.len();
        self.insert(Packed::elsewhere(place, hash), hash)
    }

    #[inline]
    fn hash_packed(&self, key: &Packed) -> u64 {
        hash_packed(key, self.is_text, self.seed)
    }

    /// The hash of an encoded key that is too long to be packed.
    fn hash_long(&self, row: &[u8]) -> u64 {
        hash_bytes(if self.is_text { &row[TEXT_AT..] } else { row }, self.seed)
    }

    #[inline]
    fn find_text(&self, text: &[u8]) -> Option<u32> {
        let is_key = |id: u32| {
            let key = &self.keys[id as usize];
            match key.text() {
                Some(known) => is_same(known, text),
                None => key.place().is_some_and(|(place, _)| &self.long[place][TEXT_AT..] == text),
            }
        };
        self.hashed.find(hash_bytes(text, self.seed), |&id| is_key(id)).copied()
    }

    #[inline]
    fn find_packed(&self, packed: &Packed, hash: u64) -> Option<u32> {
        self.hashed.find(hash, |&id| self.keys[id as usize] == *packed).copied()
    }

    fn find_long(&self, row: &[u8], hash: u64) -> Option<u32> {
        let is_same = |id: u32| {
            let place = self.keys[id as usize].place();
            place.is_some_and(|(place, other)| other == hash && self.long[place] == row)
        };
        self.hashed.find(hash, |&id| is_same(id)).copied()
    }

    #[cold]
    fn insert(&mut self, key: Packed, hash: u64) -> Result<u32> {
        let id = match self.free.pop() {
            Some(id) => id,
            None if self.keys.len() >= GROUPS_MAX => {
                return Err(Error::limit(alloc::format!("more than {GROUPS_MAX} keys")));
            }
            None => {
                self.keys.push(Packed::NONE);
                self.keys.len() as u32 - 1
            }
        };
        self.are_whole_integers &= digits_of(&self.types, &key).is_some();
        self.keys[id as usize] = key;
        let (keys, is_text, seed) = (&self.keys, self.is_text, self.seed);
        self.hashed.insert_unique(hash, id, |&id| {
            let key = &keys[id as usize];
            key.place().map_or_else(|| hash_packed(key, is_text, seed), |(_, hash)| hash)
        });
        if let Some(digits) = self.digits(&key) {
            let count = self.len();
            let Self { types, keys, radix, sparse, .. } = self;
            let known = keys.iter().enumerate().filter_map(|(id, key)| Some((id as u32, digits_of(types, key)?)));
            radix.insert(&digits, id, count, known.clone());
            match (radix.has_table(), &digits[..]) {
                (false, &[key]) => sparse.insert(key, id, count, known.map(|(id, digits)| (id, digits[0]))),
                _ => sparse.clear(),
            }
        }
        Ok(id)
    }

    fn digits(&self, key: &Packed) -> Option<Digits> {
        digits_of(&self.types, key)
    }
}

/// The hash of a packed key: of its text, if keys are texts and it is not NULL.
#[inline]
fn hash_packed(key: &Packed, is_text: bool, seed: u64) -> u64 {
    match key.text().filter(|_| is_text) {
        Some(text) => hash_bytes(text, seed),
        None => key.hash(seed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::block::Value;
    use alloc::vec;

    fn ids(table: &mut KeyTable, data_type: &DataType, values: &[Value]) -> Vec<u32> {
        let column = Column::from_values(data_type.clone(), values);
        let mut ids = Vec::new();
        table.assign(&[column.view()], &Rows::new(values.len(), None), &mut ids).unwrap();
        ids
    }

    #[test]
    fn equal_keys_share_an_id_and_ids_are_reused() {
        let long = "a key that does not fit into thirty-two bytes";
        let cases: [(DataType, [Value; 4]); 6] = [
            (DataType::Int32, [5.into(), Value::Null, (-5).into(), 1_000_000.into()]),
            (DataType::Int32, [5.into(), 6.into(), (-5).into(), 100.into()]),
            (DataType::Int64, [5_i64.into(), Value::Null, i64::MIN.into(), i64::MAX.into()]),
            (DataType::String, ["a".into(), Value::Null, "".into(), "b".into()]),
            (DataType::String, [long.into(), long.to_uppercase().as_str().into(), "".into(), (&long[1..]).into()]),
            (DataType::Float64, [0.0.into(), Value::Null, f64::NAN.into(), 1.0.into()]),
        ];
        for (data_type, values) in cases {
            let mut table = KeyTable::new(vec![data_type.clone()]);
            let first = ids(&mut table, &data_type, &values);
            assert_eq!(first, [0, 1, 2, 3]);
            assert_eq!(ids(&mut table, &data_type, &values), first);
            table.remove(2);
            table.remove(1);
            assert_eq!(table.len(), 2);
            assert_eq!(ids(&mut table, &data_type, &values[1..2]), [1], "the last freed id comes first");
            let mut out = [Column::new(data_type.clone())];
            table.emit(&table.ids().collect::<Vec<_>>(), [&mut out, &mut []]).unwrap();
            assert_eq!(out[0].len(), 3);
            let again: Vec<u32> = table
                .ids()
                .map(|id| table.encoded(id).to_vec())
                .collect::<Vec<_>>()
                .iter()
                .map(|k| table.id_of_encoded(k).unwrap())
                .collect();
            assert_eq!(again, table.ids().collect::<Vec<_>>());
        }
    }

    #[test]
    fn no_key_columns_is_one_group() {
        let mut table = KeyTable::new(Vec::new());
        let mut ids = Vec::new();
        table.assign(&[], &Rows::new(3, None), &mut ids).unwrap();
        assert_eq!(ids, [0, 0, 0]);
    }

    /// Against a map, while keys of every kind come and go.
    #[test]
    fn ids_are_those_of_a_map() {
        let spreads: [i64; 5] = [1, 3, 1_000, 1 << 20, 1 << 40];
        for spread in spreads {
            let mut table = KeyTable::new(vec![DataType::Int64, DataType::Int32]);
            let mut map = hashbrown::HashMap::new();
            for step in 0..60_i64 {
                let rows: Vec<(i64, i32)> =
                    (0..50).map(|i| ((step * 31 + i * 17) % 97 * spread - spread, (i % 5 - step % 3) as i32)).collect();
                let a = Column::from_values(DataType::Int64, &rows.iter().map(|r| r.0.into()).collect::<Vec<_>>());
                let b = Column::from_values(DataType::Int32, &rows.iter().map(|r| r.1.into()).collect::<Vec<_>>());
                let mut ids = Vec::new();
                table.assign(&[a.view(), b.view()], &Rows::new(rows.len(), None), &mut ids).unwrap();
                for (row, &id) in rows.iter().zip(&ids) {
                    assert_eq!(*map.entry(*row).or_insert(id), id, "one key, one id");
                }
                let mut found = Vec::new();
                table.find(&[a.view(), b.view()], &Rows::new(rows.len(), None), &mut found);
                assert_eq!(found, ids);
                assert_eq!(table.len(), map.len());
                if step % 4 == 3 {
                    let gone: Vec<(i64, i32)> =
                        map.keys().copied().filter(|k| (k.0 + i64::from(k.1)) % 3 == 0).collect();
                    gone.iter().for_each(|key| table.remove(map.remove(key).unwrap()));
                }
            }
        }
    }
}
