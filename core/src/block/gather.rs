//! Columns made of the rows of another column, by number.

use super::{Column, ColumnRef, Native, Rows, Values};

impl Column {
    /// Becomes a column in which row `r` is row `at[r]` of `source`, and NULL where there is no such row. Rows that do
    /// not count may hold anything.
    pub fn gather(&mut self, source: &ColumnRef<'_>, at: &[u32], rows: &Rows<'_>) {
        match source.values {
            Values::Int8(values) => self.gather_native(values, at),
            Values::Int16(values) => self.gather_native(values, at),
            Values::Int32(values) => self.gather_native(values, at),
            Values::Int64(values) => self.gather_native(values, at),
            Values::Float32(values) => self.gather_native(values, at),
            Values::Float64(values) => self.gather_native(values, at),
            Values::Int128(values) => self.gather_native(values, at),
            _ => return self.gather_each(source, at, rows),
        }
        let len = source.len();
        let has_none = at.iter().fold(false, |none, &at| none | (at as usize >= len));
        if has_none || source.validity.is_some() {
            rows.for_each(|row| {
                if at[row] as usize >= len || !source.is_valid(at[row] as usize) {
                    self.set_null(row);
                }
            });
        }
    }

    fn gather_native<T: Native>(&mut self, values: &[T], at: &[u32]) {
        for (value, &at) in self.native_dirty::<T>(at.len()).iter_mut().zip(at) {
            *value = values.get(at as usize).copied().unwrap_or_default();
        }
    }

    /// Values that are not of fixed width: only those of rows that count are copied.
    fn gather_each(&mut self, source: &ColumnRef<'_>, at: &[u32], rows: &Rows<'_>) {
        self.clear();
        let len = source.len();
        (0..at.len()).for_each(|row| match at[row] as usize {
            from if from < len && rows.contains(row) => self.push_from(source, from),
            _ => self.push_null(),
        });
    }
}

impl ColumnRef<'_> {
    /// Values that there are: one of a constant.
    fn len(&self) -> usize {
        match self.values {
            Values::Null => 0,
            Values::Boolean(bits) => bits.len(),
            Values::Int8(v) => v.len(),
            Values::Int16(v) => v.len(),
            Values::Int32(v) => v.len(),
            Values::Int64(v) => v.len(),
            Values::Float32(v) => v.len(),
            Values::Float64(v) => v.len(),
            Values::Int128(v) => v.len(),
            Values::Bytes(bytes) => bytes.offsets.len().saturating_sub(1),
            Values::Interval(v) => v.len(),
            Values::Struct(fields) => fields.first().map_or(0, Column::len),
            Values::Array { offsets, .. } => offsets.len().saturating_sub(1),
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use crate::{
        block::{Bitmap, Column, Rows, Value},
        schema::DataType,
    };

    #[test]
    fn rows_come_by_number_and_are_null_where_there_is_none() {
        let at = [2, u32::MAX, 0, 1, 7, 2];
        let cases = [
            (DataType::Int32, vec![Value::Int32(1), Value::Null, Value::Int32(3)]),
            (DataType::Int64, vec![Value::Int64(1), Value::Int64(2), Value::Int64(3)]),
            (DataType::String, vec!["a".into(), Value::Null, "".into()]),
            (DataType::Boolean, vec![true.into(), false.into(), Value::Null]),
            (DataType::window_of(DataType::Timestamp), vec![Value::Struct(vec![1_i64.into(), 5_i64.into()]); 3]),
        ];
        for (data_type, values) in cases {
            let source = Column::from_values(data_type.clone(), &values);
            for counting in [0b11_1111, 0b10_0101] {
                let bits: Bitmap = (0..at.len()).map(|row| counting >> row & 1 != 0).collect();
                let rows = Rows::new(at.len(), Some(bits.view()));
                let mut made = Column::new(data_type.clone());
                made.gather(&source.view(), &at, &rows);
                assert_eq!(made.len(), at.len());
                rows.for_each(|row| {
                    let expected = values.get(at[row] as usize).cloned().unwrap_or(Value::Null);
                    assert_eq!(made.view().value(row), expected, "{data_type} {row}");
                });
            }
        }
    }
}
