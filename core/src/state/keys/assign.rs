//! Blocks of key columns → ids of keys, the commonest ways first: an array for integers that lie close together, a
//! small table for others, remembered texts; runs of rows with one key are looked up once; the rest goes row by row.

use alloc::vec::Vec;

use super::{KeyTable, NONE};
use crate::{
    block::{ColumnRef, Rows, Upcoming, Values},
    error::Result,
    state::{
        packed::{Packed, hash_short},
        runs::run_end,
        texts::Short,
    },
};

/// Rows without an id that are looked up one by one before the array is asked again.
const MISSING_MAX: usize = 64;
/// Rows after which a block whose keys hardly repeat is no longer searched for runs, and what "hardly" is.
const RUNS_PROBED: usize = 64;
const RUN_ROWS_MIN: usize = 4;

impl KeyTable {
    /// Writes the id of each counting row's key to `ids[row]`, making ids for new keys. `ids` becomes as long as
    /// the block; rows that do not count keep whatever was there.
    pub fn assign(&mut self, columns: &[ColumnRef<'_>], rows: &Rows<'_>, ids: &mut Vec<u32>) -> Result<()> {
        self.assign_asking(columns, rows, ids, None)
    }

    /// As [`KeyTable::assign`]. If that takes more than reading, what is `upcoming` is asked for on the way.
    pub fn assign_asking(
        &mut self,
        columns: &[ColumnRef<'_>],
        rows: &Rows<'_>,
        ids: &mut Vec<u32>,
        upcoming: Option<Upcoming>,
    ) -> Result<()> {
        if columns.is_empty() && rows.count() > 0 {
            let id = self.id_of_encoded(&[])?;
            if ids.len() != rows.len() || ids.first() != Some(&id) {
                ids.clear();
                ids.resize(rows.len(), id);
            }
            return Ok(());
        }
        ids.resize(rows.len(), NONE);
        match self.radix.lookup(columns, 0, ids).or_else(|| self.sparse.lookup(columns, ids)) {
            Some(true) => Ok(()),
            Some(false) => self.assign_missing(columns, rows, ids),
            None if self.is_text => self.assign_texts(&columns[0], rows, ids, upcoming),
            None => self.assign_rows(columns, rows, ids),
        }
    }

    /// Row by row, or run by run where the key stays the same for a while.
    fn assign_rows(&mut self, columns: &[ColumnRef<'_>], rows: &Rows<'_>, ids: &mut [u32]) -> Result<()> {
        let (mut id, mut end, mut runs) = (NONE, 0, 0);
        rows.try_for_each(|row| {
            if row >= end {
                id = self.id_of_row(columns, row)?;
                runs += 1;
                let is_worth_it = row < RUNS_PROBED || runs * RUN_ROWS_MIN <= row;
                end = if is_worth_it { run_end(columns, row, rows.len()) } else { row + 1 };
            }
            ids[row] = id;
            Ok(())
        })
    }

    /// Rows without an id get one. Keys that are new to a block may fill it, so the array is asked again now and then.
    fn assign_missing(&mut self, columns: &[ColumnRef<'_>], rows: &Rows<'_>, ids: &mut [u32]) -> Result<()> {
        let mut missing = 0;
        rows.try_for_each(|row| {
            if ids[row] != NONE {
                return Ok(());
            }
            if let Some(id) = self.radix.id_at(columns, row) {
                ids[row] = id;
                return Ok(());
            }
            ids[row] = self.id_of_row(columns, row)?;
            missing += 1;
            if missing % MISSING_MAX == 0 {
                self.radix.lookup(columns, row + 1, &mut ids[row + 1..]);
            }
            Ok(())
        })
    }

    /// Keys of one string: found by their text, and only new ones are encoded.
    fn assign_texts(
        &mut self,
        column: &ColumnRef<'_>,
        rows: &Rows<'_>,
        ids: &mut [u32],
        upcoming: Option<Upcoming>,
    ) -> Result<()> {
        let Values::Bytes(texts) = column.values else {
            return rows.try_for_each(|row| self.id_of_row(&[*column], row).map(|id| ids[row] = id));
        };
        if column.validity.is_some() || column.is_constant {
            ids.fill(NONE);
        } else if self.recall(&texts, ids, upcoming) {
            return Ok(());
        }
        // They are few: to look for the next costs less than to ask each row.
        let mut from = 0;
        while let Some(missing) = ids[from..].iter().position(|&id| id == NONE) {
            let row = from + missing;
            if rows.contains(row) {
                ids[row] = self.id_of_text(texts.get(column.index(row)), column, row)?;
            }
            from = row + 1;
        }
        Ok(())
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

    /// Writes `by_id[id]` for the keys of the rows from `from` on, as many as `found` takes, `u32::MAX` for keys that
    /// are not known or have no entry; tells whether all got one. `None` if keys of these types are not found so
    /// simply, and then `found` is untouched. On the way `upcoming` is asked for.
    pub fn find_through(
        &mut self,
        columns: &[ColumnRef<'_>],
        from: usize,
        by_id: &[u32],
        found: &mut [u32],
        upcoming: Option<Upcoming>,
    ) -> Option<bool> {
        self.radix.lookup_twice(columns, from, by_id, found, upcoming)
    }

    /// As [`KeyTable::assign`], for the rows from `from` on, as many as `ids` takes.
    pub fn assign_from(
        &mut self,
        columns: &[ColumnRef<'_>],
        from: usize,
        rows: &Rows<'_>,
        ids: &mut [u32],
    ) -> Result<()> {
        match self.radix.lookup(columns, from, ids) {
            Some(true) => return Ok(()),
            Some(false) => {}
            None => ids.fill(NONE),
        }
        for (row, id) in (from..).zip(ids) {
            if *id == NONE && rows.contains(row) {
                *id = self.id_at(columns, row)?;
            }
        }
        Ok(())
    }

    /// The id of one row's key, made if it is new.
    pub fn id_at(&mut self, columns: &[ColumnRef<'_>], row: usize) -> Result<u32> {
        match self.radix.id_at(columns, row) {
            Some(id) => Ok(id),
            None if columns.is_empty() => self.id_of_encoded(&[]),
            None => self.id_of_row(columns, row),
        }
    }

    /// The id of one row's key, if it is known.
    pub fn find_at(&mut self, columns: &[ColumnRef<'_>], row: usize) -> Option<u32> {
        if columns.is_empty() {
            return self.ids().next();
        }
        self.radix.id_at(columns, row).or_else(|| {
            let mut bytes = core::mem::take(&mut self.row);
            let found = self.find_row(columns, row, &mut bytes);
            self.row = bytes;
            found
        })
    }

    fn find_row(&self, columns: &[ColumnRef<'_>], row: usize, bytes: &mut Vec<u8>) -> Option<u32> {
        match Packed::of_row(columns, row, bytes) {
            Some(packed) => self.find_packed(&packed),
            None => self.find_long(bytes, self.hash_long(bytes)),
        }
    }

    /// As [`KeyTable::assign`], but unknown keys get `u32::MAX` and are not remembered.
    pub fn find(&mut self, columns: &[ColumnRef<'_>], rows: &Rows<'_>, ids: &mut Vec<u32>) {
        ids.resize(rows.len(), NONE);
        if self.radix.lookup(columns, 0, ids).is_some() {
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
            ids[row] = self.find_row(columns, row, &mut bytes).unwrap_or(NONE);
        });
        self.row = bytes;
    }
}
