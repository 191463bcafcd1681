//! Ids of keys → key columns.

use super::KeyTable;
use crate::{
    block::{Column, Native},
    error::Result,
    schema::Physical,
    state::{decode_row, integers::integer_width},
};

impl KeyTable {
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
}
