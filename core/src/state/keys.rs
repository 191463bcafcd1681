//! Key columns → dense key ids.
//!
//! Two indexes, chosen by the types: one integer column goes by value (small values through an array, others
//! through a hash table); anything else by the bytes of the encoded row. Ids of removed keys are used again.

use alloc::{boxed::Box, vec::Vec};
use core::hash::BuildHasher;

use hashbrown::{DefaultHashBuilder, HashMap, HashTable};

use super::{decode_row, encode_row};
use crate::{
    block::{Column, ColumnRef, Rows, Values},
    error::{Error, Result},
    limits::GROUPS_MAX,
    schema::{DataType, Physical},
};

/// Integer keys below this are looked up in an array of ids: 256 KiB at most, which L2 holds.
const DIRECT_KEYS: usize = 1 << 16;

const NONE: u32 = u32::MAX;

/// A table of distinct keys.
#[derive(Debug)]
pub struct KeyTable {
    // What it is for.
    types: Vec<DataType>,
    by_value: bool,
    // State: encoded keys by id, and the indexes over them.
    keys: Vec<Option<Box<[u8]>>>,
    free: Vec<u32>,
    direct: Vec<u32>,
    values: HashMap<i64, u32>,
    hashed: HashTable<u32>,
    hasher: DefaultHashBuilder,
    // Scratch.
    row: Vec<u8>,
    key_bytes: usize,
}

impl KeyTable {
    /// An empty table for keys of these types; no types means one key, the empty row.
    pub fn new(types: Vec<DataType>) -> Self {
        let integer =
            |t: &DataType| matches!(t.physical(), Physical::Int8 | Physical::Int16 | Physical::Int32 | Physical::Int64);
        Self {
            by_value: matches!(types.as_slice(), [t] if integer(t)),
            types,
            keys: Vec::new(),
            free: Vec::new(),
            direct: Vec::new(),
            values: HashMap::new(),
            hashed: HashTable::new(),
            hasher: DefaultHashBuilder::default(),
            row: Vec::new(),
            key_bytes: 0,
        }
    }

    /// Writes the id of each counting row's key to `ids[row]`, making ids for new keys. `ids` becomes as long as
    /// the block; rows that do not count keep whatever was there.
    pub fn assign(&mut self, columns: &[ColumnRef<'_>], rows: &Rows<'_>, ids: &mut Vec<u32>) -> Result<()> {
        ids.resize(rows.len(), NONE);
        if let ([column], true) = (columns, self.by_value) {
            return match column.values {
                Values::Int8(v) => self.assign_values(column, v, rows, ids),
                Values::Int16(v) => self.assign_values(column, v, rows, ids),
                Values::Int32(v) => self.assign_values(column, v, rows, ids),
                Values::Int64(v) => self.assign_values(column, v, rows, ids),
                _ => self.assign_encoded(columns, rows, ids),
            };
        }
        self.assign_encoded(columns, rows, ids)
    }

    /// As [`KeyTable::assign`], but unknown keys get `u32::MAX` and are not remembered.
    pub fn find(&mut self, columns: &[ColumnRef<'_>], rows: &Rows<'_>, ids: &mut Vec<u32>) {
        ids.resize(rows.len(), NONE);
        let mut row_bytes = core::mem::take(&mut self.row);
        rows.for_each(|row| {
            row_bytes.clear();
            encode_row(columns, row, &mut row_bytes);
            ids[row] = self.id_of_known(&row_bytes).unwrap_or(NONE);
        });
        self.row = row_bytes;
    }

    /// The id of an encoded key, made if it is new.
    pub fn id_of_encoded(&mut self, row: &[u8]) -> Result<u32> {
        if self.by_value
            && let Some(value) = decode_integer(row)
        {
            return self.value_id(value);
        }
        self.encoded_id(row)
    }

    /// The encoded key of an id in use.
    pub fn encoded(&self, id: u32) -> &[u8] {
        self.keys[id as usize].as_deref().unwrap_or_else(|| panic!("key {id} is not in use"))
    }

    /// Appends the keys of these ids to one column a key type.
    pub fn emit(&self, ids: impl Iterator<Item = u32>, columns: &mut [Column]) -> Result<()> {
        for id in ids {
            decode_row(&mut &self.encoded(id)[..], columns)?;
        }
        Ok(())
    }

    /// Forgets keys; their ids will be given to others.
    pub fn remove(&mut self, id: u32) {
        let Some(key) = self.keys[id as usize].take() else { panic!("key {id} is removed twice") };
        self.key_bytes -= key.len();
        match decode_integer(&key).filter(|_| self.by_value) {
            Some(value) => self.remove_value(value),
            None => {
                let hash = self.hasher.hash_one(&key[..]);
                if let Ok(entry) = self.hashed.find_entry(hash, |&other| other == id) {
                    entry.remove();
                }
            }
        }
        self.free.push(id);
    }

    /// Forgets all keys, keeps the memory.
    pub fn clear(&mut self) {
        self.keys.clear();
        self.free.clear();
        self.direct.fill(NONE);
        self.values.clear();
        self.hashed.clear();
        self.key_bytes = 0;
    }

    /// Keys in use.
    pub fn len(&self) -> usize {
        self.keys.len() - self.free.len()
    }

    /// True if no key is in use.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All ids are below this.
    pub fn id_bound(&self) -> usize {
        self.keys.len()
    }

    /// Ids in use.
    pub fn ids(&self) -> impl Iterator<Item = u32> + '_ {
        self.keys.iter().enumerate().filter(|(_, key)| key.is_some()).map(|(id, _)| id as u32)
    }

    /// Bytes held, about.
    pub fn memory_bytes(&self) -> usize {
        let index = self.hashed.capacity() * 5 + self.values.capacity() * 17 + self.direct.capacity() * 4;
        self.key_bytes + self.keys.capacity() * size_of::<Option<Box<[u8]>>>() + index
    }

    fn assign_values<T: Copy + Into<i64>>(
        &mut self,
        column: &ColumnRef<'_>,
        values: &[T],
        rows: &Rows<'_>,
        ids: &mut [u32],
    ) -> Result<()> {
        rows.try_for_each(|row| {
            ids[row] = if column.is_valid(row) {
                let value = values[column.index(row)].into();
                match usize::try_from(value).ok().and_then(|v| self.direct.get(v)) {
                    Some(&id) if id != NONE => id,
                    _ => self.value_id(value)?,
                }
            } else {
                self.encoded_id(&[0])?
            };
            Ok(())
        })
    }

    fn value_id(&mut self, value: i64) -> Result<u32> {
        let slot = usize::try_from(value).ok().filter(|&v| v < DIRECT_KEYS);
        let known = match slot {
            Some(v) => self.direct.get(v).copied().filter(|&id| id != NONE),
            None => self.values.get(&value).copied(),
        };
        if let Some(id) = known {
            return Ok(id);
        }
        let id = self.new_id(encode_integer(&self.types[0], value))?;
        match slot {
            Some(v) => {
                if self.direct.len() <= v {
                    self.direct.resize((v + 1).next_power_of_two(), NONE);
                }
                self.direct[v] = id;
            }
            None => {
                self.values.insert(value, id);
            }
        }
        Ok(id)
    }

    fn id_of_known(&self, row: &[u8]) -> Option<u32> {
        if let Some(value) = decode_integer(row).filter(|_| self.by_value) {
            return match usize::try_from(value).ok().filter(|&v| v < DIRECT_KEYS) {
                Some(v) => self.direct.get(v).copied().filter(|&id| id != NONE),
                None => self.values.get(&value).copied(),
            };
        }
        let hash = self.hasher.hash_one(row);
        self.hashed.find(hash, |&id| self.keys[id as usize].as_deref() == Some(row)).copied()
    }

    fn remove_value(&mut self, value: i64) {
        match usize::try_from(value).ok().filter(|&v| v < DIRECT_KEYS) {
            Some(v) => self.direct[v] = NONE,
            None => {
                self.values.remove(&value);
            }
        }
    }

    fn assign_encoded(&mut self, columns: &[ColumnRef<'_>], rows: &Rows<'_>, ids: &mut [u32]) -> Result<()> {
        if columns.is_empty() {
            return self.assign_only_key(rows, ids);
        }
        let mut row_bytes = core::mem::take(&mut self.row);
        let result = rows.try_for_each(|row| {
            row_bytes.clear();
            encode_row(columns, row, &mut row_bytes);
            ids[row] = self.encoded_id(&row_bytes)?;
            Ok(())
        });
        self.row = row_bytes;
        result
    }

    /// All rows have the empty key.
    fn assign_only_key(&mut self, rows: &Rows<'_>, ids: &mut [u32]) -> Result<()> {
        if rows.count() > 0 {
            let id = self.encoded_id(&[])?;
            rows.for_each(|row| ids[row] = id);
        }
        Ok(())
    }

    fn encoded_id(&mut self, row: &[u8]) -> Result<u32> {
        let hash = self.hasher.hash_one(row);
        let keys = &self.keys;
        if let Some(&id) = self.hashed.find(hash, |&id| keys[id as usize].as_deref() == Some(row)) {
            return Ok(id);
        }
        let id = self.new_id(row.into())?;
        let (keys, hasher) = (&self.keys, &self.hasher);
        self.hashed.insert_unique(hash, id, |&id| hasher.hash_one(keys[id as usize].as_deref().unwrap_or_default()));
        Ok(id)
    }

    fn new_id(&mut self, key: Box<[u8]>) -> Result<u32> {
        self.key_bytes += key.len();
        if let Some(id) = self.free.pop() {
            self.keys[id as usize] = Some(key);
            return Ok(id);
        }
        if self.keys.len() >= GROUPS_MAX {
            return Err(Error::limit(alloc::format!("more than {GROUPS_MAX} keys")));
        }
        self.keys.push(Some(key));
        Ok(self.keys.len() as u32 - 1)
    }
}

/// A valid integer as [`encode_row`] writes it.
fn encode_integer(data_type: &DataType, value: i64) -> Box<[u8]> {
    let width = match data_type.physical() {
        Physical::Int8 => 1,
        Physical::Int16 => 2,
        Physical::Int32 => 4,
        _ => 8,
    };
    let mut bytes = Vec::with_capacity(1 + width);
    bytes.push(1);
    bytes.extend_from_slice(&value.to_le_bytes()[..width]);
    bytes.into()
}

/// The integer that [`encode_integer`] wrote; `None` for NULL.
fn decode_integer(row: &[u8]) -> Option<i64> {
    match row {
        [1, a] => Some(i64::from(*a as i8)),
        [1, a, b] => Some(i16::from_le_bytes([*a, *b]).into()),
        [1, rest @ ..] => match rest.len() {
            4 => Some(i32::from_le_bytes(rest.try_into().ok()?).into()),
            8 => Some(i64::from_le_bytes(rest.try_into().ok()?)),
            _ => None,
        },
        _ => None,
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
        let cases: [(DataType, [Value; 4]); 4] = [
            (DataType::Int32, [5.into(), Value::Null, (-5).into(), 1_000_000.into()]),
            (DataType::Int64, [5_i64.into(), Value::Null, i64::MIN.into(), i64::MAX.into()]),
            (DataType::String, ["a".into(), Value::Null, "".into(), "b".into()]),
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
            table.emit(table.ids(), &mut out).unwrap();
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
}
