//! Appending to a column: one value, one value many times, a value of another column.

use super::{Column, ColumnValues, Native, offset};
use crate::{
    block::{ColumnRef, Value, Values},
    time::Interval,
};

impl Column {
    /// Appends a NULL.
    pub fn push_null(&mut self) {
        self.materialise_validity();
        self.validity.push(false);
        self.nulls += 1;
        self.len += 1;
        self.values.push_default();
    }

    /// Appends `count` NULLs.
    pub fn push_nulls(&mut self, count: usize) {
        if count == 0 {
            return;
        }
        self.materialise_validity();
        self.len += count;
        self.nulls += count;
        self.validity.resize(self.len, false);
        self.values.push_defaults(count);
    }

    /// Appends a fixed-width value. Panics if the column is of another physical type.
    #[inline]
    pub fn push<T: Native>(&mut self, value: T) {
        self.push_valid();
        self.buffer::<T>().push(value);
    }

    /// Appends a fixed-width value so many times.
    pub fn push_repeated<T: Native>(&mut self, value: T, count: usize) {
        self.push_all_valid(count);
        let len = self.len;
        self.buffer::<T>().resize(len, value);
    }

    /// Appends fixed-width values.
    #[inline]
    pub fn push_many<T: Native>(&mut self, values: impl ExactSizeIterator<Item = T>) {
        self.push_dirty::<T>(values.len()).iter_mut().zip(values).for_each(|(to, value)| *to = value);
    }

    /// Appends so many fixed-width values, whatever lay there, and lends them to be written.
    #[inline]
    pub fn push_dirty<T: Native>(&mut self, count: usize) -> &mut [T] {
        self.push_all_valid(count);
        let len = self.len;
        let buffer = self.buffer::<T>();
        buffer.resize_dirty(len);
        &mut buffer[len - count..]
    }

    /// Appends the values of `0..count` up to the first that there is none of; gives how many there were.
    #[inline]
    pub fn push_while<T: Native>(&mut self, count: usize, mut value: impl FnMut(usize) -> Option<T>) -> usize {
        let start = self.len;
        let buffer = self.buffer::<T>();
        buffer.resize_dirty(start + count);
        let mut pushed = 0;
        for to in &mut buffer[start..] {
            let Some(value) = value(pushed) else { break };
            *to = value;
            pushed += 1;
        }
        buffer.resize_dirty(start + pushed);
        self.push_all_valid(pushed);
        pushed
    }

    /// Appends a boolean.
    #[inline]
    pub fn push_bool(&mut self, value: bool) {
        self.push_valid();
        match &mut self.values {
            ColumnValues::Boolean(bits) => bits.push(value),
            _ => panic!("{} is not stored as booleans", self.data_type),
        }
    }

    /// Appends a string or binary value.
    #[inline]
    pub fn push_bytes(&mut self, value: &[u8]) {
        self.push_valid();
        match &mut self.values {
            ColumnValues::Bytes { offsets, bytes } => {
                bytes.extend_from_slice(value);
                offsets.push(offset(bytes.len()));
            }
            _ => panic!("{} is not stored as bytes", self.data_type),
        }
    }

    /// Appends a string.
    #[inline]
    pub fn push_str(&mut self, value: &str) {
        self.push_bytes(value.as_bytes());
    }

    /// Appends any value; panics if it is not of this column's type.
    pub fn push_value(&mut self, value: &Value) {
        match value {
            Value::Null => self.push_null(),
            Value::Boolean(x) => self.push_bool(*x),
            Value::Int8(x) => self.push(*x),
            Value::Int16(x) => self.push(*x),
            Value::Int32(x) => self.push(*x),
            Value::Int64(x) => self.push(*x),
            Value::Float32(x) => self.push(*x),
            Value::Float64(x) => self.push(*x),
            Value::Decimal(x) => self.push(*x),
            Value::String(s) => self.push_str(s),
            Value::Binary(b) => self.push_bytes(b),
            Value::Interval(x) => self.push_interval(*x),
            Value::Struct(fields) => self.push_struct(|children| {
                children.iter_mut().zip(fields).for_each(|(child, field)| child.push_value(field));
            }),
            Value::Array(elements) => self.push_array(|child| elements.iter().for_each(|e| child.push_value(e))),
        }
    }

    /// Appends a calendar interval.
    pub fn push_interval(&mut self, value: Interval) {
        self.push_valid();
        match &mut self.values {
            ColumnValues::Interval(v) => v.push(value),
            _ => panic!("{} is not stored as intervals", self.data_type),
        }
    }

    /// Appends a struct: `fill` must append one value to every child.
    pub fn push_struct(&mut self, fill: impl FnOnce(&mut [Column])) {
        self.push_structs(1, fill);
    }

    /// Appends `count` structs: `fill` must append as many values to every child.
    pub fn push_structs(&mut self, count: usize, fill: impl FnOnce(&mut [Column])) {
        self.push_all_valid(count);
        match &mut self.values {
            ColumnValues::Struct(children) => fill(children),
            _ => panic!("{} is not stored as a struct", self.data_type),
        }
    }

    /// Appends an array: `fill` appends its elements to the child column.
    pub fn push_array(&mut self, fill: impl FnOnce(&mut Column)) {
        self.push_valid();
        match &mut self.values {
            ColumnValues::Array { offsets, elements } => {
                fill(elements);
                offsets.push(offset(elements.len()));
            }
            _ => panic!("{} is not stored as an array", self.data_type),
        }
    }

    /// Appends the first `len` rows of another column of the same type.
    pub fn push_rows(&mut self, source: &ColumnRef<'_>, len: usize) {
        match source.values {
            Values::Int32(v) if source.is_plain() => self.push_many(v[..len].iter().copied()),
            Values::Int64(v) if source.is_plain() => self.push_many(v[..len].iter().copied()),
            Values::Float64(v) if source.is_plain() => self.push_many(v[..len].iter().copied()),
            _ => (0..len).for_each(|row| self.push_from(source, row)),
        }
    }

    /// Appends row `row` of another column of the same type.
    pub fn push_from(&mut self, source: &ColumnRef<'_>, row: usize) {
        if !source.is_valid(row) {
            return self.push_null();
        }
        let i = source.index(row);
        match source.values {
            Values::Null => self.push_null(),
            Values::Boolean(bits) => self.push_bool(bits.get(i)),
            Values::Int8(v) => self.push(v[i]),
            Values::Int16(v) => self.push(v[i]),
            Values::Int32(v) => self.push(v[i]),
            Values::Int64(v) => self.push(v[i]),
            Values::Float32(v) => self.push(v[i]),
            Values::Float64(v) => self.push(v[i]),
            Values::Int128(v) => self.push(v[i]),
            Values::Bytes(bytes) => self.push_bytes(bytes.get(i)),
            Values::Interval(v) => self.push_interval(v[i]),
            Values::Struct(fields) => self.push_struct(|children| {
                children.iter_mut().zip(fields).for_each(|(child, f)| child.push_from(&f.view(), i));
            }),
            Values::Array { offsets, elements } => self.push_array(|child| {
                let elements = elements.view();
                (offsets[i] as usize..offsets[i + 1] as usize).for_each(|j| child.push_from(&elements, j));
            }),
        }
    }

    fn push_all_valid(&mut self, count: usize) {
        self.len += count;
        if self.nulls > 0 {
            self.validity.resize(self.len, true);
        }
    }

    #[inline]
    fn push_valid(&mut self) {
        if self.nulls > 0 {
            self.validity.push(true);
        }
        self.len += 1;
    }
}
