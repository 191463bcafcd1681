//! An owned column: values in Arrow's layout plus validity, reused from block to block. `push` appends to it.

mod push;

use alloc::{boxed::Box, vec::Vec};

use super::{Bitmap, BitmapRef, Buffer, BytesRef, ColumnRef, Value, Values};
use crate::{
    schema::{DataType, Physical},
    time::Interval,
};

/// An owned column. Fill it with `push_*` or through [`Column::native_mut`], read it through [`Column::view`].
#[derive(Clone, Debug)]
pub struct Column {
    data_type: DataType,
    len: usize,
    /// One bit a row once `nulls > 0`; meaningless before.
    validity: Bitmap,
    nulls: usize,
    values: ColumnValues,
}

/// The values of an owned column, by physical type.
#[derive(Clone, Debug)]
#[allow(missing_docs, reason = "the variants are those of Physical, described there")]
pub enum ColumnValues {
    Null,
    Boolean(Bitmap),
    Int8(Buffer<i8>),
    Int16(Buffer<i16>),
    Int32(Buffer<i32>),
    Int64(Buffer<i64>),
    Float32(Buffer<f32>),
    Float64(Buffer<f64>),
    Int128(Buffer<i128>),
    Bytes { offsets: Buffer<i32>, bytes: Buffer<u8> },
    Interval(Buffer<Interval>),
    Struct(Vec<Column>),
    Array { offsets: Buffer<i32>, elements: Box<Column> },
}

impl ColumnValues {
    fn memory_bytes(&self) -> usize {
        match self {
            Self::Null => 0,
            Self::Boolean(bits) => bits.memory_bytes(),
            Self::Int8(values) => values.memory_bytes(),
            Self::Int16(values) => values.memory_bytes(),
            Self::Int32(values) => values.memory_bytes(),
            Self::Int64(values) => values.memory_bytes(),
            Self::Float32(values) => values.memory_bytes(),
            Self::Float64(values) => values.memory_bytes(),
            Self::Int128(values) => values.memory_bytes(),
            Self::Bytes { offsets, bytes } => offsets.memory_bytes() + bytes.memory_bytes(),
            Self::Interval(values) => values.memory_bytes(),
            Self::Struct(fields) => fields.iter().map(Column::memory_bytes).sum(),
            Self::Array { offsets, elements } => offsets.memory_bytes() + elements.memory_bytes(),
        }
    }
}

/// Fixed-width values that lie in a column one after the other.
pub trait Native: bytemuck::Pod + core::fmt::Debug + PartialOrd + Default {
    /// Name of the Rust type, for messages.
    const NAME: &'static str;
    /// The slice, if the values are of this type.
    fn slice<'a>(values: Values<'a>) -> Option<&'a [Self]>;
    /// The buffer, if the values are of this type.
    fn buffer(values: &mut ColumnValues) -> Option<&mut Buffer<Self>>;
}

macro_rules! native {
    ($($t:ty => $variant:ident),*) => {$(
        impl Native for $t {
            const NAME: &'static str = stringify!($t);

            #[inline]
            fn slice<'a>(values: Values<'a>) -> Option<&'a [Self]> {
                match values {
                    Values::$variant(v) => Some(v),
                    _ => None,
                }
            }

            #[inline]
            fn buffer(values: &mut ColumnValues) -> Option<&mut Buffer<Self>> {
                match values {
                    ColumnValues::$variant(v) => Some(v),
                    _ => None,
                }
            }
        }
    )*};
}

native!(i8 => Int8, i16 => Int16, i32 => Int32, i64 => Int64, f32 => Float32, f64 => Float64, i128 => Int128);

impl Column {
    /// Bytes that it has set aside.
    pub fn memory_bytes(&self) -> usize {
        self.validity.memory_bytes() + self.values.memory_bytes()
    }

    /// An empty column; allocates nothing.
    pub fn new(data_type: DataType) -> Self {
        let values = ColumnValues::new(&data_type);
        Self { data_type, len: 0, validity: Bitmap::new(), nulls: 0, values }
    }

    /// A column of these values.
    pub fn from_values(data_type: DataType, values: &[Value]) -> Self {
        let mut column = Self::new(data_type);
        values.iter().for_each(|v| column.push_value(v));
        column
    }

    /// Type of the values.
    pub fn data_type(&self) -> &DataType {
        &self.data_type
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.len
    }

    /// True if there are no rows.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Number of NULL rows.
    pub fn null_count(&self) -> usize {
        self.nulls
    }

    /// Forgets the rows, keeps the memory.
    pub fn clear(&mut self) {
        self.len = 0;
        self.nulls = 0;
        self.validity.clear();
        self.values.clear();
    }

    /// Borrows the column.
    pub fn view(&self) -> ColumnRef<'_> {
        ColumnRef {
            data_type: &self.data_type,
            values: self.values.view(),
            validity: (self.nulls > 0).then(|| self.validity.view()),
            is_constant: false,
        }
    }

    /// Borrows a column of one row as a constant that stands for every row.
    pub fn view_constant(&self) -> ColumnRef<'_> {
        assert_eq!(self.len, 1, "a constant has one value");
        ColumnRef { is_constant: true, ..self.view() }
    }

    /// Forgets the rows from `len` on. Children of a struct may be one row ahead: a reader takes back a row that it
    /// gave up in the middle.
    pub fn truncate(&mut self, len: usize) {
        assert!(len <= self.len, "cannot cut {} rows to {len}", self.len);
        if self.nulls > 0 {
            let lost = (len..self.len).filter(|&i| !self.validity.view().get(i)).count();
            self.nulls -= lost;
            self.validity.resize(len, false);
        }
        self.len = len;
        self.values.truncate(len);
    }

    /// Starts a block of `len` fixed-width values without NULLs (all default) and lends them to be written; NULLs
    /// are then marked with [`Column::set_null`].
    pub fn native_mut<T: Native>(&mut self, len: usize) -> &mut [T] {
        self.clear();
        self.len = len;
        let buffer = self.buffer::<T>();
        buffer.resize(len, T::default());
        buffer
    }

    /// As [`Column::native_mut`], but the values are whatever lay there: for loops that write every one of them.
    pub fn native_dirty<T: Native>(&mut self, len: usize) -> &mut [T] {
        self.clear();
        self.len = len;
        let buffer = self.buffer::<T>();
        buffer.resize_dirty(len);
        buffer
    }

    /// Starts a block of `len` booleans, all false and not NULL, and lends the bits to be written.
    pub fn bools_mut(&mut self, len: usize) -> &mut Bitmap {
        self.clear();
        self.len = len;
        match &mut self.values {
            ColumnValues::Boolean(bits) => {
                bits.resize(len, false);
                bits
            }
            _ => panic!("{} is not stored as booleans", self.data_type),
        }
    }

    /// Makes row `row` NULL.
    pub fn set_null(&mut self, row: usize) {
        assert!(row < self.len, "row {row} of {}", self.len);
        self.materialise_validity();
        if self.validity.view().get(row) {
            self.validity.set(row, false);
            self.nulls += 1;
        }
    }

    /// Makes every row NULL whose bit is not set.
    pub fn set_validity(&mut self, validity: Option<BitmapRef<'_>>) {
        let Some(bits) = validity else { return };
        assert_eq!(bits.len(), self.len, "validity has one bit a row");
        self.materialise_validity();
        self.validity.and(bits);
        self.nulls = self.len - self.validity.view().count();
    }

    /// The values by physical type, for columns that are assembled from parts.
    pub fn values_mut(&mut self) -> &mut ColumnValues {
        &mut self.values
    }

    /// Assembles a struct column from finished children of one length.
    pub fn from_struct(data_type: DataType, children: Vec<Column>, len: usize) -> Self {
        assert!(children.iter().all(|c| c.len == len), "children of a struct have one length");
        assert_eq!(data_type.struct_fields().map(<[_]>::len), Some(children.len()), "one child a field");
        Self { data_type, len, validity: Bitmap::new(), nulls: 0, values: ColumnValues::Struct(children) }
    }

    #[inline]
    fn buffer<T: Native>(&mut self) -> &mut Buffer<T> {
        match T::buffer(&mut self.values) {
            Some(buffer) => buffer,
            None => stored_otherwise(&self.data_type, T::NAME),
        }
    }

    fn materialise_validity(&mut self) {
        if self.nulls == 0 {
            self.validity.clear();
            self.validity.resize(self.len, true);
        }
    }
}

impl ColumnValues {
    fn new(data_type: &DataType) -> Self {
        match data_type.physical() {
            Physical::Null => Self::Null,
            Physical::Boolean => Self::Boolean(Bitmap::new()),
            Physical::Int8 => Self::Int8(Buffer::new()),
            Physical::Int16 => Self::Int16(Buffer::new()),
            Physical::Int32 => Self::Int32(Buffer::new()),
            Physical::Int64 => Self::Int64(Buffer::new()),
            Physical::Float32 => Self::Float32(Buffer::new()),
            Physical::Float64 => Self::Float64(Buffer::new()),
            Physical::Int128 => Self::Int128(Buffer::new()),
            Physical::Bytes => Self::Bytes { offsets: Buffer::from(&[0][..]), bytes: Buffer::new() },
            Physical::Interval => Self::Interval(Buffer::new()),
            Physical::Struct => {
                let fields = data_type.struct_fields().unwrap_or_default();
                Self::Struct(fields.iter().map(|f| Column::new(f.data_type.clone())).collect())
            }
            Physical::Array => {
                let DataType::Array(element) = data_type else { unreachable!("only ARRAY is stored as an array") };
                let elements = Box::new(Column::new((**element).clone()));
                Self::Array { offsets: Buffer::from(&[0][..]), elements }
            }
        }
    }

    fn clear(&mut self) {
        match self {
            Self::Null => {}
            Self::Boolean(v) => v.clear(),
            Self::Int8(v) => v.clear(),
            Self::Int16(v) => v.clear(),
            Self::Int32(v) => v.clear(),
            Self::Int64(v) => v.clear(),
            Self::Float32(v) => v.clear(),
            Self::Float64(v) => v.clear(),
            Self::Int128(v) => v.clear(),
            Self::Bytes { offsets, bytes } => {
                offsets.resize(1, 0);
                bytes.clear();
            }
            Self::Interval(v) => v.clear(),
            Self::Struct(children) => children.iter_mut().for_each(Column::clear),
            Self::Array { offsets, elements } => {
                offsets.resize(1, 0);
                elements.clear();
            }
        }
    }

    fn push_default(&mut self) {
        match self {
            Self::Null => {}
            Self::Boolean(v) => v.push(false),
            Self::Int8(v) => v.push(0),
            Self::Int16(v) => v.push(0),
            Self::Int32(v) => v.push(0),
            Self::Int64(v) => v.push(0),
            Self::Float32(v) => v.push(0.0),
            Self::Float64(v) => v.push(0.0),
            Self::Int128(v) => v.push(0),
            Self::Bytes { offsets, bytes } => offsets.push(offset(bytes.len())),
            Self::Interval(v) => v.push(Interval::default()),
            Self::Struct(children) => children.iter_mut().for_each(Column::push_null),
            Self::Array { offsets, elements } => offsets.push(offset(elements.len())),
        }
    }

    fn push_defaults(&mut self, count: usize) {
        match self {
            Self::Null => {}
            Self::Boolean(v) => v.resize(v.len() + count, false),
            Self::Int8(v) => v.resize(v.len() + count, 0),
            Self::Int16(v) => v.resize(v.len() + count, 0),
            Self::Int32(v) => v.resize(v.len() + count, 0),
            Self::Int64(v) => v.resize(v.len() + count, 0),
            Self::Float32(v) => v.resize(v.len() + count, 0.0),
            Self::Float64(v) => v.resize(v.len() + count, 0.0),
            Self::Int128(v) => v.resize(v.len() + count, 0),
            Self::Bytes { offsets, bytes } => offsets.resize(offsets.len() + count, offset(bytes.len())),
            Self::Interval(v) => v.resize(v.len() + count, Interval::default()),
            Self::Struct(children) => children.iter_mut().for_each(|c| c.push_nulls(count)),
            Self::Array { offsets, elements } => offsets.resize(offsets.len() + count, offset(elements.len())),
        }
    }

    fn truncate(&mut self, len: usize) {
        match self {
            Self::Null => {}
            Self::Boolean(v) => v.resize(len, false),
            Self::Int8(v) => v.resize(len, 0),
            Self::Int16(v) => v.resize(len, 0),
            Self::Int32(v) => v.resize(len, 0),
            Self::Int64(v) => v.resize(len, 0),
            Self::Float32(v) => v.resize(len, 0.0),
            Self::Float64(v) => v.resize(len, 0.0),
            Self::Int128(v) => v.resize(len, 0),
            Self::Bytes { offsets, bytes } => {
                offsets.resize(len + 1, 0);
                bytes.resize(offsets[len] as usize, 0);
            }
            Self::Interval(v) => v.resize(len, Interval::default()),
            Self::Struct(children) => children.iter_mut().for_each(|c| c.truncate(len)),
            Self::Array { offsets, elements } => {
                offsets.resize(len + 1, 0);
                elements.truncate(offsets[len] as usize);
            }
        }
    }

    #[inline]
    fn view(&self) -> Values<'_> {
        match self {
            Self::Null => Values::Null,
            Self::Boolean(v) => Values::Boolean(v.view()),
            Self::Int8(v) => Values::Int8(v),
            Self::Int16(v) => Values::Int16(v),
            Self::Int32(v) => Values::Int32(v),
            Self::Int64(v) => Values::Int64(v),
            Self::Float32(v) => Values::Float32(v),
            Self::Float64(v) => Values::Float64(v),
            Self::Int128(v) => Values::Int128(v),
            Self::Bytes { offsets, bytes } => Values::Bytes(BytesRef { offsets, bytes }),
            Self::Interval(v) => Values::Interval(v),
            Self::Struct(children) => Values::Struct(children),
            Self::Array { offsets, elements } => Values::Array { offsets, elements },
        }
    }
}

/// Out of the way of every push.
#[cold]
fn stored_otherwise(data_type: &DataType, name: &str) -> ! {
    panic!("{data_type} is not stored as {name}")
}

/// Offsets are 32 bits, as in Arrow: a block's strings together stay far below 2 GiB (see `limits`).
fn offset(bytes: usize) -> i32 {
    i32::try_from(bytes).unwrap_or_else(|_| panic!("a block holds at most 2 GiB of strings, not {bytes} bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    #[test]
    fn values_are_pushed_while_there_are_any() {
        let mut column = Column::new(DataType::Int32);
        let values = [Some(1), Some(2), None, Some(4)];
        assert_eq!(column.push_while(4, |i| values[i]), 2);
        column.push_null();
        assert_eq!(column.push_while(1, |i| values[3 + i]), 1);
        let expected = [Value::Int32(1), Value::Int32(2), Value::Null, Value::Int32(4)];
        assert_eq!((0..column.len()).map(|row| column.view().value(row)).collect::<vec::Vec<_>>(), expected);
    }

    #[test]
    fn values_come_back_as_they_were_pushed() {
        let cases = [
            (DataType::Int32, vec![Value::Int32(1), Value::Null, Value::Int32(3)]),
            (DataType::String, vec!["a".into(), Value::Null, "".into(), "bc".into()]),
            (DataType::Boolean, vec![Value::Null, true.into(), false.into()]),
            (
                DataType::Array(Box::new(DataType::Int64)),
                vec![Value::Array(vec![1_i64.into(), Value::Null]), Value::Null, Value::Array(vec![])],
            ),
            (
                DataType::window_of(DataType::Timestamp),
                vec![Value::Struct(vec![0_i64.into(), 5_i64.into()]), Value::Null],
            ),
        ];
        for (data_type, values) in cases {
            let column = Column::from_values(data_type.clone(), &values);
            let mut copy = Column::new(data_type);
            (0..values.len()).for_each(|i| copy.push_from(&column.view(), i));
            for (i, value) in values.iter().enumerate() {
                assert_eq!(column.view().value(i), *value);
                assert_eq!(copy.view().value(i), *value);
            }
        }
    }

    #[test]
    fn truncating_takes_back_what_was_pushed() {
        let cases = [
            (DataType::Int32, vec![Value::Int32(1), Value::Null, Value::Int32(3), Value::Null]),
            (DataType::String, vec![Value::Null, "b".into(), "".into(), "cd".into()]),
            (DataType::Boolean, vec![true.into(), Value::Null, false.into(), Value::Null]),
            (
                DataType::Array(Box::new(DataType::Int64)),
                vec![Value::Array(vec![1_i64.into(), Value::Null]), Value::Null, Value::Array(vec![2_i64.into()])],
            ),
            (
                DataType::window_of(DataType::Timestamp),
                vec![Value::Null, Value::Struct(vec![0_i64.into(), Value::Null])],
            ),
        ];
        for (data_type, values) in cases {
            for kept in 0..=values.len() {
                let mut column = Column::from_values(data_type.clone(), &values);
                column.truncate(kept);
                column.push_nulls(2);
                column.push_value(&values[0]);
                let expected = values[..kept].iter().chain([&Value::Null, &Value::Null, &values[0]]);
                assert_eq!(column.len(), kept + 3);
                assert_eq!(column.null_count(), expected.clone().filter(|v| v.is_null()).count());
                expected.enumerate().for_each(|(i, value)| assert_eq!(column.view().value(i), *value));
            }
        }
    }

    #[test]
    fn clearing_forgets_nulls() {
        let mut column = Column::from_values(DataType::Int64, &[Value::Null, 2_i64.into()]);
        column.native_mut::<i64>(2)[1] = 9;
        assert_eq!(column.view().value(0), Value::Int64(0));
        column.set_null(1);
        assert_eq!((column.view().value(1), column.null_count()), (Value::Null, 1));
    }
}
