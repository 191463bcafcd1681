//! Copies of rows: what outlives the block that it was borrowed from.

use super::{Block, BlockRef, Column, ColumnRef, Rows, Values, column::Native};

impl Block {
    /// Copies the rows of a block that count behind those that are here. Columns must be of the same types.
    pub fn append(&mut self, block: &BlockRef<'_>) {
        let rows = block.rows();
        for (c, column) in self.columns_mut().iter_mut().enumerate() {
            column.append(&block.column(c), &rows);
        }
        let len = self.len() + rows.count();
        self.set_len(len);
    }
}

impl Column {
    /// Copies the rows that count of another column of the same type behind those that are here.
    pub fn append(&mut self, from: &ColumnRef<'_>, rows: &Rows<'_>) {
        let start = self.len();
        match from.values {
            Values::Int8(values) => self.append_native(values, from, rows),
            Values::Int16(values) => self.append_native(values, from, rows),
            Values::Int32(values) => self.append_native(values, from, rows),
            Values::Int64(values) => self.append_native(values, from, rows),
            Values::Float32(values) => self.append_native(values, from, rows),
            Values::Float64(values) => self.append_native(values, from, rows),
            Values::Int128(values) => self.append_native(values, from, rows),
            Values::Struct(fields) if from.is_constant && from.validity.is_none() => {
                return self.push_structs(rows.count(), |children| {
                    let pairs = children.iter_mut().zip(fields);
                    pairs.for_each(|(child, field)| child.append(&field.view_constant(), rows));
                });
            }
            _ => return rows.for_each(|row| self.push_from(from, row)),
        }
        if from.validity.is_some() {
            let mut at = start..;
            rows.for_each(|row| {
                if let Some(at) = at.next().filter(|_| !from.is_valid(row)) {
                    self.set_null(at);
                }
            });
        }
    }

    fn append_native<T: Native>(&mut self, values: &[T], from: &ColumnRef<'_>, rows: &Rows<'_>) {
        match rows.selection() {
            _ if from.is_constant => self.push_repeated(values[0], rows.count()),
            None => self.push_many(values[..rows.len()].iter().copied()),
            Some(_) => rows.for_each(|row| self.push(values[row])),
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::{vec, vec::Vec};

    use crate::{
        block::{Bitmap, Block, Column, Rows, Value},
        schema::Schema,
    };

    #[test]
    fn a_constant_is_appended_for_every_row_that_counts() {
        let schema = Schema::parse_ddl("a INT, b STRUCT<start: BIGINT, s: STRING>, c DOUBLE").unwrap();
        let values = [Value::Int32(7), Value::Struct(vec![Value::Int64(1), "x".into()]), Value::Null];
        let odd: Bitmap = (0..5).map(|i| i % 2 == 1).collect();
        for (field, value) in schema.fields().iter().zip(values) {
            let constant = Column::from_values(field.data_type.clone(), core::slice::from_ref(&value));
            let mut column = constant.clone();
            column.append(&constant.view_constant(), &Rows::new(5, Some(odd.view())));
            column.append(&constant.view_constant(), &Rows::new(2, None));
            let got: Vec<Value> = (0..column.len()).map(|row| column.view().value(row)).collect();
            assert_eq!(got, vec![value; 5]);
        }
    }

    #[test]
    fn appended_rows_are_the_rows_that_count() {
        let schema = Schema::parse_ddl("a INT, b STRING, c DOUBLE, d BOOLEAN, e ARRAY<BIGINT>").unwrap();
        let row = |i: i32| {
            let values = vec![
                Value::Int32(i),
                Value::String(alloc::format!("s{i}")),
                Value::Float64(f64::from(i)),
                Value::Boolean(i % 2 == 0),
                Value::Array(vec![Value::Int64(i.into())]),
            ];
            values.into_iter().enumerate().map(move |(c, v)| if c as i32 == i { Value::Null } else { v })
        };
        let rows: Vec<Vec<Value>> = (0..5).map(|i| row(i).collect()).collect();
        let mut source = Block::new(&schema);
        rows.iter().for_each(|row| source.push_row(row));
        let mut odd = Bitmap::new();
        (0..5).for_each(|i| odd.push(i % 2 == 1));
        let mut copy = Block::new(&schema);
        copy.append(&source.view());
        copy.append(&source.view().select(Some(odd.view())));
        let expected = rows.iter().chain([&rows[1], &rows[3]]);
        assert_eq!(copy.len(), 7);
        for (i, expected) in expected.enumerate() {
            let got: Vec<Value> = copy.columns().iter().map(|c| c.view().value(i)).collect();
            assert_eq!(got, *expected, "row {i}");
        }
    }
}
