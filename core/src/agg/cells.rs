//! One cell a group: what almost every aggregate is made of. A [`Kernel`] says what a cell is and how rows go into
//! it; [`Cells`] keeps the cells by group id and is the [`Aggregate`].

use alloc::vec::Vec;
use core::{any::Any, fmt::Debug, ops::Range};

use super::{Aggregate, batch::Batch, codec::Scalar};
use crate::{
    block::{Column, ColumnRef, Rows},
    error::{Error, Result},
};

/// Cells up to this size are flat: a sum, a mean, an extreme.
const FLAT_BYTES_MAX: usize = 32;

/// What one kind of aggregate does with the cell of a group.
pub(super) trait Kernel: Clone + Debug + Send + Sync + 'static {
    /// The accumulator of one group.
    type Cell: Send + 'static;

    /// First byte of what [`Cells`] saves; changes when the layout of a cell does.
    const VERSION: u8 = 1;

    /// The accumulator before any row.
    fn empty(&self) -> Self::Cell;

    /// Adds rows; gives by how much the cells' memory outside of themselves grew.
    fn update(&self, cells: &mut [Self::Cell], batch: &Batch<'_>) -> Result<isize>;

    /// Adds another accumulator.
    fn merge(&self, cell: &mut Self::Cell, other: &Self::Cell) -> Result<()>;

    /// Appends the result.
    fn emit(&self, cell: &Self::Cell, out: &mut Column) -> Result<()>;

    /// Appends the results of these cells.
    fn emit_many(&self, cells: &[Self::Cell], groups: &[u32], out: &mut Column) -> Result<()> {
        groups.iter().try_for_each(|&group| self.emit(&cells[group as usize], out))
    }

    /// Appends the results that cells would give with others added, which are as many; anything for rows that do not
    /// count.
    fn emit_pairs(&self, [first, second]: [&[Self::Cell]; 2], _rows: &Rows<'_>, out: &mut Column) -> Result<()> {
        first.iter().zip(second).try_for_each(|(first, second)| {
            let mut cell = self.empty();
            self.merge(&mut cell, first)?;
            self.merge(&mut cell, second)?;
            self.emit(&cell, out)
        })
    }

    /// Adds cells to cells, one by one.
    fn merge_many(&self, cells: &mut [Self::Cell], others: &[Self::Cell]) -> Result<()> {
        cells.iter_mut().zip(others).try_for_each(|(cell, other)| self.merge(cell, other))
    }

    /// Appends the accumulator's bytes.
    fn save(&self, cell: &Self::Cell, out: &mut Vec<u8>);

    /// Reads what `save` wrote.
    fn load(&self, bytes: &mut &[u8]) -> Result<Self::Cell>;

    /// Memory a cell holds outside of itself; must be cheap.
    #[inline]
    fn heap(&self, _cell: &Self::Cell) -> usize {
        0
    }

    /// Calls `f` with the cell of every row that has values in the first `args` arguments, and keeps count of the
    /// memory: for kernels whose cells grow.
    fn grow_each(
        &self,
        cells: &mut [Self::Cell],
        batch: &Batch<'_>,
        args: usize,
        mut f: impl FnMut(&mut Self::Cell, usize) -> Result<()>,
    ) -> Result<isize> {
        let mut grown = 0_isize;
        let mut result = Ok(());
        batch.each_valid_slowly(args, &mut |row, group| {
            if result.is_ok() {
                let cell = &mut cells[group];
                let before = self.heap(cell);
                result = f(cell, row);
                grown += self.heap(cell) as isize - before as isize;
            }
        });
        result.map(|()| grown)
    }
}

/// The cells of all groups.
pub(super) struct Cells<K: Kernel> {
    kernel: K,
    cells: Vec<K::Cell>,
    /// Sum of [`Kernel::heap`] over the cells.
    heap: usize,
}

impl<K: Kernel> Cells<K> {
    pub fn new(kernel: K) -> Self {
        Self { kernel, cells: Vec::new(), heap: 0 }
    }

    fn resize_heap(&mut self, before: usize, after: usize) {
        self.heap = self.heap + after - before;
    }

    fn replace(&mut self, group: u32, cell: K::Cell) {
        let after = self.kernel.heap(&cell);
        let before = self.kernel.heap(&core::mem::replace(&mut self.cells[group as usize], cell));
        self.resize_heap(before, after);
    }
}

impl<K: Kernel> Aggregate for Cells<K> {
    fn grow(&mut self, groups: usize) {
        if groups > self.cells.len() {
            self.cells.resize_with(groups, || self.kernel.empty());
        }
    }

    fn update(&mut self, args: &[ColumnRef<'_>], groups: &[u32], rows: &Rows<'_>) -> Result<()> {
        let grown = self.kernel.update(&mut self.cells, &Batch::new(args, groups, rows))?;
        self.heap = self.heap.saturating_add_signed(grown);
        Ok(())
    }

    fn merge(&mut self, other: &dyn Aggregate, from: &[u32], to: &[u32]) -> Result<()> {
        assert_eq!(from.len(), to.len(), "each accumulator goes somewhere");
        let other = other.as_any().downcast_ref::<Self>();
        let other = other.unwrap_or_else(|| stranger(&self.kernel));
        for (&source, &target) in from.iter().zip(to) {
            let cell = &mut self.cells[target as usize];
            let before = self.kernel.heap(cell);
            self.kernel.merge(cell, &other.cells[source as usize])?;
            let after = self.kernel.heap(cell);
            self.resize_heap(before, after);
        }
        Ok(())
    }

    fn is_flat(&self) -> bool {
        const { !core::mem::needs_drop::<K::Cell>() && size_of::<K::Cell>() <= FLAT_BYTES_MAX }
    }

    // What only flat cells are asked for is compiled for flat cells only.

    fn merge_all(&mut self, to: usize, other: &dyn Aggregate, from: Range<usize>) -> Result<()> {
        assert!(self.is_flat(), "only flat accumulators are merged whole");
        let other = other.as_any().downcast_ref::<Self>();
        let other = other.unwrap_or_else(|| stranger(&self.kernel));
        self.kernel.merge_many(&mut self.cells[to..to + from.len()], &other.cells[from])
    }

    fn emit_pair(&self, _: usize, other: &dyn Aggregate, rows: &Rows<'_>, out: &mut Column) -> Result<()> {
        assert!(self.is_flat(), "only flat accumulators are emitted in pairs");
        let other = other.as_any().downcast_ref::<Self>();
        let other = other.unwrap_or_else(|| stranger(&self.kernel));
        self.kernel.emit_pairs([&self.cells[..rows.len()], &other.cells[..rows.len()]], rows, out)
    }

    fn reset_all(&mut self, groups: Range<usize>) {
        assert!(self.is_flat(), "only flat accumulators are emptied whole");
        self.cells[groups].fill_with(|| self.kernel.empty());
    }

    fn emit(&self, groups: &[u32], out: &mut Column) -> Result<()> {
        self.kernel.emit_many(&self.cells, groups, out)
    }

    fn reset(&mut self, groups: &[u32]) {
        for &group in groups {
            let empty = self.kernel.empty();
            self.replace(group, empty);
        }
    }

    fn save(&self, groups: &[u32], out: &mut Vec<u8>) {
        K::VERSION.save(out);
        groups.iter().for_each(|&g| self.kernel.save(&self.cells[g as usize], out));
    }

    fn load(&mut self, groups: &[u32], bytes: &mut &[u8]) -> Result<()> {
        check_version(bytes, K::VERSION)?;
        for &group in groups {
            let cell = self.kernel.load(bytes)?;
            self.replace(group, cell);
        }
        Ok(())
    }

    fn memory_bytes(&self) -> usize {
        self.cells.capacity() * size_of::<K::Cell>() + self.heap
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

#[inline(never)]
fn check_version(bytes: &mut &[u8], wanted: u8) -> Result<()> {
    match u8::load(bytes)? {
        version if version == wanted => Ok(()),
        version => Err(Error::corrupt(alloc::format!("saved state has version {version}, not {wanted}"))),
    }
}

#[cold]
fn stranger(kernel: &dyn Debug) -> ! {
    panic!("{kernel:?} meets another aggregate")
}
