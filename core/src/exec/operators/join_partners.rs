//! What a join has built: the rows of its complete side by key. While every key has at most one row, which is how
//! streams meet their dimension tables, a block is joined without being copied: the probing side's columns are handed
//! on as they are, the other side's are gathered, and only those that somebody asks for.

use alloc::vec::Vec;

use super::lazy::LazyColumns;
use crate::block::{Bitmap, BitmapRef, Block, BlockRef, Column, ColumnRef, Columns, Rows, Told};

/// No row.
pub(super) const NO_ROW: u32 = u32::MAX;

/// The rows of the built side, by key id.
#[derive(Debug, Default)]
pub(super) struct Partners {
    /// The first row of each key.
    first: Vec<u32>,
    /// All later ones; empty if no key has any.
    later: Vec<Vec<u32>>,
    /// The row of each key is its id.
    is_identity: bool,
    /// Rows of the key that has most.
    most: usize,
    /// Of `later`.
    later_bytes: usize,
}

impl Partners {
    pub(super) fn clear(&mut self) {
        self.first.clear();
        self.later.clear();
        self.is_identity = true;
        (self.most, self.later_bytes) = (0, 0);
    }

    /// Makes room for keys below `bound`.
    pub(super) fn grow(&mut self, bound: usize) {
        self.first.resize(bound, NO_ROW);
        if !self.later.is_empty() {
            self.later.resize_with(bound, Vec::new);
        }
    }

    pub(super) fn insert(&mut self, key: u32, row: u32) {
        let first = &mut self.first[key as usize];
        if *first == NO_ROW {
            *first = row;
            self.is_identity &= row == key;
        } else {
            if self.later.is_empty() {
                self.later.resize_with(self.first.len(), Vec::new);
            }
            let later = &mut self.later[key as usize];
            let before = later.capacity();
            later.push(row);
            self.later_bytes += (later.capacity() - before) * size_of::<u32>();
            self.most = self.most.max(later.len() + 1);
        }
    }

    /// The rows of a key, which need not be known.
    pub(super) fn of(&self, key: u32) -> impl Iterator<Item = u32> + '_ {
        let first = self.first.get(key as usize).copied().filter(|&row| row != NO_ROW);
        first.into_iter().chain(self.later.get(key as usize).into_iter().flatten().copied())
    }

    /// Rows of the key that has most of them.
    pub(super) fn most(&self) -> usize {
        self.most.max(1)
    }

    pub(super) fn memory_bytes(&self) -> usize {
        let lists = self.later.capacity() * size_of::<Vec<u32>>();
        self.first.capacity() * size_of::<u32>() + lists + self.later_bytes
    }

    /// Whether no key has more than one row.
    pub(super) fn are_single(&self) -> bool {
        self.later.is_empty()
    }

    /// Replaces key ids by the first rows of these keys, [`NO_ROW`] where there is none.
    pub(super) fn replace_ids(&self, ids: &mut [u32]) {
        if !self.is_identity {
            ids.iter_mut().for_each(|id| *id = self.first.get(*id as usize).copied().unwrap_or(NO_ROW));
        }
    }
}

/// Sets the bits of those counting rows that have a partner; `None` if that is all of them.
pub(super) fn with_partner<'b>(at: &[u32], rows: &Rows<'_>, found: &'b mut Bitmap) -> Option<BitmapRef<'b>> {
    if at.iter().fold(true, |all, &at| all & (at != NO_ROW)) {
        return None;
    }
    mark(at, rows, found, |at| at != NO_ROW);
    Some(found.view())
}

/// Sets the bits of those counting rows that have none.
pub(super) fn without_partner<'b>(at: &[u32], rows: &Rows<'_>, found: &'b mut Bitmap) -> BitmapRef<'b> {
    mark(at, rows, found, |at| at == NO_ROW);
    found.view()
}

fn mark(at: &[u32], rows: &Rows<'_>, found: &mut Bitmap, is_wanted: impl Fn(u32) -> bool) {
    found.clear();
    found.resize(at.len(), false);
    for (word, at) in found.words_mut().iter_mut().zip(at.chunks(u64::BITS as usize)) {
        *word = at.iter().enumerate().fold(0, |word, (i, &at)| word | u64::from(is_wanted(at)) << i);
    }
    if let Some(selection) = rows.selection() {
        found.and(selection);
    }
}

/// A probing block and the row of the built side that each of its rows has found.
pub(super) struct Joined<'a> {
    pub(super) probe: BlockRef<'a>,
    pub(super) built: &'a Block,
    pub(super) build_is_left: bool,
    pub(super) probe_width: usize,
    pub(super) at: &'a [u32],
    pub(super) gathered: &'a LazyColumns,
}

/// Where a column of the result comes from.
enum Side {
    Probe(usize),
    Built(usize),
}

impl Joined<'_> {
    fn side(&self, index: usize) -> Side {
        let build_width = self.built.columns().len();
        match self.build_is_left {
            true if index < build_width => Side::Built(index),
            true => Side::Probe(index - build_width),
            false if index < self.probe_width => Side::Probe(index),
            false => Side::Built(index - self.probe_width),
        }
    }

    fn built_column(&self, index: usize) -> ColumnRef<'_> {
        let built = &self.built.columns()[index];
        let gather = |spare: Option<Column>| {
            let mut column = spare.unwrap_or_else(|| Column::new(built.data_type().clone()));
            column.gather(&built.view(), self.at, &self.probe.rows());
            column
        };
        self.gathered.get(index, gather).view()
    }
}

impl Columns for Joined<'_> {
    fn column(&self, index: usize) -> ColumnRef<'_> {
        match self.side(index) {
            Side::Probe(index) => self.probe.column(index),
            Side::Built(index) => self.built_column(index),
        }
    }

    fn told(&self, index: usize) -> Option<Told> {
        match self.side(index) {
            Side::Probe(index) => self.probe.told(index),
            Side::Built(_) => None,
        }
    }
}
