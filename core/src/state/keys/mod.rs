//! Key columns → dense key ids.
//!
//! Keys are encoded rows, packed into 32 bytes where they fit. A hash table finds their ids; integers that lie close
//! together are found faster, through an array. Ids of removed keys are used again.

mod assign;
mod emit;
mod recall;
mod saved;

use alloc::vec::Vec;
use core::hash::BuildHasher;

use hashbrown::{DefaultHashBuilder, HashTable};

use super::{
    integers::{are_integers_packed, digits_of, integer_width},
    packed::{Packed, TEXT_AT, hash_bytes, is_same},
    radix::{Digits, Radix},
    sparse::Sparse,
    texts::{Short, Texts},
};
use crate::{
    block::{Column, ColumnRef, Native},
    error::{Error, Result},
    limits::GROUPS_MAX,
    schema::{DataType, Physical},
};

const NONE: u32 = u32::MAX;

/// A table of distinct keys.
#[derive(Debug)]
pub struct KeyTable {
    // State: keys by id, and what finds them.
    types: Vec<DataType>,
    keys: Vec<Packed>,
    free: Vec<u32>,
    long: Vec<Vec<u8>>,
    long_free: Vec<usize>,
    /// Keys that `radix` does not know: all, or while it has a table those that are not of integers.
    hashed: HashTable<u32>,
    radix: Radix,
    texts: Texts,
    /// Keys of one integer, while they lie too far apart for an array.
    sparse: Sparse,
    /// Keys are one string, whose bytes are hashed rather than the encoded row.
    is_text: bool,
    /// Keys are integers that fit into a packed key, and none of them was NULL.
    are_whole_integers: bool,
    /// The keys by column, a row an id, if that was asked for; behind the times once keys are no whole integers.
    columns: Option<Vec<Column>>,
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
            columns: None,
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

    /// An empty table that keeps [`KeyTable::columns`].
    pub fn with_columns(types: Vec<DataType>) -> Self {
        let columns = types.iter().map(|t| Column::new(t.clone())).collect();
        Self { columns: Some(columns), ..Self::new(types) }
    }

    /// The id of an encoded key, made if it is new.
    pub fn id_of_encoded(&mut self, row: &[u8]) -> Result<u32> {
        match Packed::of_bytes(row) {
            Some(packed) => self.id_of_packed(packed),
            None => self.id_of_long(row),
        }
    }

    /// The encoded key of an id in use.
    pub fn encoded(&self, id: u32) -> &[u8] {
        let key = &self.keys[id as usize];
        match key.place() {
            Some((place, _)) => &self.long[place],
            None => key.bytes().unwrap_or_else(|| panic!("key {id} is not in use")),
        }
    }

    /// Forgets keys; their ids will be given to others.
    pub fn remove(&mut self, id: u32) {
        let key = core::mem::replace(&mut self.keys[id as usize], Packed::NONE);
        assert!(!key.is_none(), "key {id} is removed twice");
        let (hash, digits) = (hash_of(&key, self.is_text, self.seed), self.digits(&key));
        let is_hashed = !self.radix.has_table() || digits.is_none();
        if is_hashed && let Ok(entry) = self.hashed.find_entry(hash, |&other| other == id) {
            entry.remove();
        }
        if let Some(digits) = digits {
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
        self.columns.iter_mut().flatten().for_each(Column::clear);
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

    /// The keys, one column a key type, row `id` the key with that id, anything where there is none. `None` unless the
    /// table was made [`with_columns`](Self::with_columns) and all keys are integers.
    pub fn columns(&self) -> Option<&[Column]> {
        self.columns.as_deref().filter(|_| self.are_whole_integers)
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
        let columns: usize = self.columns.iter().flatten().map(Column::memory_bytes).sum();
        let index = self.hashed.capacity() * 5 + tables + columns;
        self.long_bytes + self.keys.capacity() * size_of::<Packed>() + index
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
        match self.find_packed(&packed) {
            Some(id) => Ok(id),
            None => self.insert(packed),
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
        self.insert(Packed::elsewhere(place, hash))
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
    fn find_packed(&self, packed: &Packed) -> Option<u32> {
        if self.radix.has_table()
            && let Some(digits) = self.digits(packed)
        {
            return self.radix.get(&digits);
        }
        let hash = hash_of(packed, self.is_text, self.seed);
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
    fn insert(&mut self, key: Packed) -> Result<u32> {
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
        self.keys[id as usize] = key;
        match self.digits(&key) {
            Some(digits) => {
                let (ids, columns) = (self.keys.len(), self.columns.iter_mut().flatten());
                columns.zip(&digits).for_each(|(column, &value)| write(column, ids, id, value));
                self.insert_integers(id, &digits);
            }
            None => {
                self.are_whole_integers = false;
                self.insert_hashed(id);
            }
        }
        Ok(id)
    }

    fn insert_integers(&mut self, id: u32, digits: &Digits) {
        let (count, had_table) = (self.len(), self.radix.has_table());
        let Self { types, keys, radix, sparse, .. } = self;
        let known = keys.iter().enumerate().filter_map(|(id, key)| Some((id as u32, digits_of(types, key)?)));
        radix.insert(digits, id, count, known.clone());
        match (radix.has_table(), &digits[..]) {
            (false, &[key]) => sparse.insert(key, id, count, known.map(|(id, digits)| (id, digits[0]))),
            _ => sparse.clear(),
        }
        match (had_table, self.radix.has_table()) {
            (true, true) => {}
            (false, false) => self.insert_hashed(id),
            (false, true) | (true, false) => self.hash_again(),
        }
    }

    fn insert_hashed(&mut self, id: u32) {
        let (keys, is_text, seed) = (&self.keys, self.is_text, self.seed);
        let hash_of = |id: &u32| hash_of(&keys[*id as usize], is_text, seed);
        self.hashed.insert_unique(hash_of(&id), id, hash_of);
    }

    /// Puts into the hash table what the array does not know.
    fn hash_again(&mut self) {
        self.hashed.clear();
        let is_hashed = |id: &u32| !self.radix.has_table() || self.digits(&self.keys[*id as usize]).is_none();
        let ids: Vec<u32> = self.ids().filter(is_hashed).collect();
        ids.into_iter().for_each(|id| self.insert_hashed(id));
    }

    fn digits(&self, key: &Packed) -> Option<Digits> {
        digits_of(&self.types, key)
    }
}

/// Sets a row of a column of integers, which gets as long as there are ids.
fn write(column: &mut Column, ids: usize, id: u32, value: i64) {
    match column.data_type().physical() {
        Physical::Int8 => write_native(column, ids, id, value as i8),
        Physical::Int16 => write_native(column, ids, id, value as i16),
        Physical::Int32 => write_native(column, ids, id, value as i32),
        _ => write_native(column, ids, id, value),
    }
}

fn write_native<T: Native>(column: &mut Column, ids: usize, id: u32, value: T) {
    column.push_repeated(value, ids - column.len());
    if let Some(values) = T::buffer(column.values_mut()) {
        values[id as usize] = value;
    }
}

/// The hash of a key: of its text, if keys are texts and it is not NULL.
#[inline]
fn hash_of(key: &Packed, is_text: bool, seed: u64) -> u64 {
    if let Some((_, hash)) = key.place() {
        return hash;
    }
    match key.text().filter(|_| is_text) {
        Some(text) => hash_bytes(text, seed),
        None => key.hash(seed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::block::{Rows, Value};
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
            let mut table = KeyTable::with_columns(vec![DataType::Int64, DataType::Int32]);
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
                    let columns = table.columns().expect("keys are integers");
                    let [a, b] = [0, 1].map(|c| columns[c].view().value(id as usize));
                    assert_eq!((a, b), (row.0.into(), row.1.into()), "columns have the keys");
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
