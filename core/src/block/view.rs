//! Borrowed columns and the rows that count: what expressions, aggregates and formats read.

use alloc::{string::String, vec::Vec};

use super::{BitmapRef, Column, Value, column::Native};
use crate::{schema::DataType, time::Interval};

/// A borrowed column.
///
/// A *constant* column holds one value that stands for every row (a literal): index it with [`ColumnRef::index`].
#[derive(Clone, Copy, Debug)]
pub struct ColumnRef<'a> {
    /// Type of the values.
    pub data_type: &'a DataType,
    /// The values; those of NULL rows are unspecified.
    pub values: Values<'a>,
    /// Set bits are not NULL; `None` if no row is NULL.
    pub validity: Option<BitmapRef<'a>>,
    /// One value stands for all rows.
    pub is_constant: bool,
}

/// The values of a borrowed column, by physical type.
#[derive(Clone, Copy, Debug)]
pub enum Values<'a> {
    /// Only NULLs
    Null,
    /// One bit a value
    Boolean(BitmapRef<'a>),
    /// TINYINT
    Int8(&'a [i8]),
    /// SMALLINT
    Int16(&'a [i16]),
    /// INT, DATE, year-month intervals
    Int32(&'a [i32]),
    /// BIGINT, timestamps, day-time intervals
    Int64(&'a [i64]),
    /// FLOAT
    Float32(&'a [f32]),
    /// DOUBLE
    Float64(&'a [f64]),
    /// DECIMAL
    Int128(&'a [i128]),
    /// STRING and BINARY
    Bytes(BytesRef<'a>),
    /// CALENDAR INTERVAL
    Interval(&'a [Interval]),
    /// STRUCT: one column a field
    Struct(&'a [Column]),
    /// ARRAY: row `i` is `elements[offsets[i]..offsets[i + 1]]`
    Array {
        /// One more than there are rows, ascending.
        offsets: &'a [i32],
        /// All elements of all rows.
        elements: &'a Column,
    },
}

/// Strings or binaries: row `i` is `bytes[offsets[i]..offsets[i + 1]]`.
#[derive(Clone, Copy, Debug)]
pub struct BytesRef<'a> {
    /// One more than there are rows, ascending.
    pub offsets: &'a [i32],
    /// All bytes of all rows.
    pub bytes: &'a [u8],
}

impl<'a> BytesRef<'a> {
    /// The bytes of row `i`.
    #[inline]
    pub fn get(&self, i: usize) -> &'a [u8] {
        &self.bytes[self.offsets[i] as usize..self.offsets[i + 1] as usize]
    }
}

impl<'a> ColumnRef<'a> {
    /// Where row `row` lies in the values: 0 for a constant.
    #[inline]
    pub fn index(&self, row: usize) -> usize {
        if self.is_constant { 0 } else { row }
    }

    /// Whether row `row` is not NULL.
    #[inline]
    pub fn is_valid(&self, row: usize) -> bool {
        self.validity.is_none_or(|bits| bits.get(self.index(row)))
    }

    /// Whether every row has a value of its own.
    #[inline]
    pub fn is_plain(&self) -> bool {
        self.validity.is_none() && !self.is_constant
    }

    /// The values as a slice of `T`. Panics if the column is of another physical type: plans are typed.
    #[inline]
    pub fn as_slice<T: Native>(&self) -> &'a [T] {
        T::slice(self.values).unwrap_or_else(|| panic!("{} is not stored as {}", self.data_type, T::NAME))
    }

    /// The bytes of row `row` of a STRING or BINARY column; unspecified if NULL.
    #[inline]
    pub fn bytes_at(&self, row: usize) -> &'a [u8] {
        match self.values {
            Values::Bytes(bytes) => bytes.get(self.index(row)),
            _ => panic!("{} is not stored as bytes", self.data_type),
        }
    }

    /// The text of row `row` of a STRING column. Columns hold valid UTF-8 by construction (rings check it when
    /// they lend a block); should a byte be wrong all the same, the text ends before it.
    #[inline]
    pub fn str_at(&self, row: usize) -> &'a str {
        let bytes = self.bytes_at(row);
        core::str::from_utf8(bytes)
            .unwrap_or_else(|e| core::str::from_utf8(&bytes[..e.valid_up_to()]).unwrap_or_default())
    }

    /// The boolean of row `row`; unspecified if NULL.
    #[inline]
    pub fn bool_at(&self, row: usize) -> bool {
        match self.values {
            Values::Boolean(bits) => bits.get(self.index(row)),
            _ => panic!("{} is not stored as booleans", self.data_type),
        }
    }

    /// Row `row` as a value. Slow; for results handed to users, literals and tests.
    pub fn value(&self, row: usize) -> Value {
        if !self.is_valid(row) {
            return Value::Null;
        }
        let i = self.index(row);
        match self.values {
            Values::Null => Value::Null,
            Values::Boolean(bits) => Value::Boolean(bits.get(i)),
            Values::Int8(v) => Value::Int8(v[i]),
            Values::Int16(v) => Value::Int16(v[i]),
            Values::Int32(v) => Value::Int32(v[i]),
            Values::Int64(v) => Value::Int64(v[i]),
            Values::Float32(v) => Value::Float32(v[i]),
            Values::Float64(v) => Value::Float64(v[i]),
            Values::Int128(v) => Value::Decimal(v[i]),
            Values::Bytes(_) if *self.data_type == DataType::String => Value::String(String::from(self.str_at(row))),
            Values::Bytes(bytes) => Value::Binary(bytes.get(i).into()),
            Values::Interval(v) => Value::Interval(v[i]),
            Values::Struct(fields) => Value::Struct(fields.iter().map(|f| f.view().value(i)).collect()),
            Values::Array { offsets, elements } => {
                let elements = elements.view();
                let range = offsets[i] as usize..offsets[i + 1] as usize;
                Value::Array(range.map(|j| elements.value(j)).collect::<Vec<_>>())
            }
        }
    }
}

/// The rows of a block that count: all of them, or those with a set bit.
///
/// Kernels may compute every row, but must not fail because of a row that does not count: under ANSI rules an
/// error belongs to a row that the query asked about.
#[derive(Clone, Copy, Debug)]
pub struct Rows<'a> {
    len: usize,
    selection: Option<BitmapRef<'a>>,
}

impl<'a> Rows<'a> {
    /// `len` rows, of which those with a set bit count (all if `None`).
    pub fn new(len: usize, selection: Option<BitmapRef<'a>>) -> Self {
        Self { len, selection }
    }

    /// Rows in the block, counting or not: how long result columns must be.
    #[inline]
    pub fn len(&self) -> usize {
        self.len
    }

    /// True if the block has no rows.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The selection, if not all rows count.
    #[inline]
    pub fn selection(&self) -> Option<BitmapRef<'a>> {
        self.selection
    }

    /// Whether row `row` counts.
    #[inline]
    pub fn contains(&self, row: usize) -> bool {
        self.selection.is_none_or(|bits| bits.get(row))
    }

    /// How many rows count.
    pub fn count(&self) -> usize {
        self.selection.map_or(self.len, |bits| bits.count())
    }

    /// Calls `f` with every row that counts, in order.
    #[inline]
    pub fn for_each(&self, mut f: impl FnMut(usize)) {
        match self.selection {
            None => (0..self.len).for_each(f),
            Some(bits) => bits.for_each_set(&mut f),
        }
    }

    /// Calls `f` with every row that counts, in order, until it fails.
    #[inline]
    pub fn try_for_each<E>(&self, mut f: impl FnMut(usize) -> Result<(), E>) -> Result<(), E> {
        match self.selection {
            None => (0..self.len).try_for_each(f),
            Some(bits) => {
                let mut result = Ok(());
                bits.for_each_set(|i| {
                    if result.is_ok() {
                        result = f(i);
                    }
                });
                result
            }
        }
    }
}
