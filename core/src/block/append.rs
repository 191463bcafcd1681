//! Copies of rows: what outlives the block that it was borrowed from.

use super::{Block, BlockRef, Column, ColumnRef, Rows, Values, column::Native};

impl Block {
    /// Copies the rows of a block that count behind those that are here. Columns must be of the same types.
    pub fn append(&mut self, block: &BlockRef<'_>) {
        let rows = block.rows();
        for (c, column) in self.columns_mut().iter_mut().enumerate() {
            append(column, &block.column(c), &rows);
        }
        let len = self.len() + rows.count();
        self.set_len(len);
    }
}

/// Whole columns of fixed width into an empty column are one copy of memory; anything else goes row by row.
fn append(to: &mut Column, from: &ColumnRef<'_>, rows: &Rows<'_>) {
    if !to.is_empty() || from.is_constant || rows.selection().is_some() {
        return rows.for_each(|row| to.push_from(from, row));
    }
    match from.values {
        Values::Int8(values) => copy(to, values, from, rows.len()),
        Values::Int16(values) => copy(to, values, from, rows.len()),
        Values::Int32(values) => copy(to, values, from, rows.len()),
        Values::Int64(values) => copy(to, values, from, rows.len()),
        Values::Float32(values) => copy(to, values, from, rows.len()),
        Values::Float64(values) => copy(to, values, from, rows.len()),
        Values::Int128(values) => copy(to, values, from, rows.len()),
        _ => rows.for_each(|row| to.push_from(from, row)),
    }
}

fn copy<T: Native>(to: &mut Column, values: &[T], from: &ColumnRef<'_>, len: usize) {
    to.native_mut::<T>(len).copy_from_slice(&values[..len]);
    to.set_validity(from.validity);
}

#[cfg(test)]
mod tests {
    use alloc::{vec, vec::Vec};

    use crate::{
        block::{Bitmap, Block, Value},
        schema::Schema,
    };

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
