//! Rows that follow each other with the same key: results of windows come in runs, one a window.

use crate::block::{ColumnRef, Values};

/// Where the run of rows equal to row `from` ends, as far as can be told cheaply: at most at `to`, and at least one row
/// behind `from`.
pub(super) fn run_end(columns: &[ColumnRef<'_>], from: usize, to: usize) -> usize {
    columns.iter().fold(to, |to, column| column_run_end(column, from, to))
}

fn column_run_end(column: &ColumnRef<'_>, from: usize, to: usize) -> usize {
    if column.is_constant {
        return to;
    }
    if column.validity.is_some() {
        return from + 1;
    }
    match column.values {
        Values::Int8(v) => equal_until(v, from, to),
        Values::Int16(v) => equal_until(v, from, to),
        Values::Int32(v) => equal_until(v, from, to),
        Values::Int64(v) => equal_until(v, from, to),
        Values::Struct(fields) => fields.iter().fold(to, |to, field| column_run_end(&field.view(), from, to)),
        _ => from + 1,
    }
}

fn equal_until<T: PartialEq>(values: &[T], from: usize, to: usize) -> usize {
    let later = &values[from + 1..to];
    later.iter().position(|value| *value != values[from]).map_or(to, |at| from + 1 + at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        block::{Column, Value},
        schema::{DataType, Field},
    };
    use alloc::{vec, vec::Vec};

    #[test]
    fn a_run_ends_where_any_column_changes() {
        let ints = |values: [i32; 6]| Column::from_values(DataType::Int32, &values.map(Value::from));
        let (a, b) = (ints([1, 1, 1, 1, 2, 2]), ints([5, 5, 5, 6, 6, 6]));
        let pairs: Vec<Value> = [(1, 5), (1, 5), (1, 5), (1, 6), (2, 6), (2, 6)]
            .map(|(a, b)| Value::Struct(vec![a.into(), b.into()]))
            .into();
        let fields = vec![Field::new("a", DataType::Int32), Field::new("b", DataType::Int32)];
        let both = Column::from_values(DataType::Struct(fields), &pairs);
        let some = Column::from_values(DataType::Int32, &[1.into(), 1.into(), Value::Null]);
        let text = Column::from_values(DataType::String, &["a".into(), "a".into()]);
        let cases: [(&[ColumnRef<'_>], usize, usize, usize); 8] = [
            (&[a.view()], 0, 6, 4),
            (&[a.view()], 0, 2, 2),
            (&[a.view(), b.view()], 0, 6, 3),
            (&[a.view(), b.view()], 3, 6, 4),
            (&[both.view()], 0, 6, 3),
            (&[both.view()], 4, 6, 6),
            (&[some.view()], 0, 3, 1),
            (&[text.view()], 0, 2, 1),
        ];
        for (columns, from, to, end) in cases {
            assert_eq!(run_end(columns, from, to), end, "{columns:?} from {from} to {to}");
        }
    }
}
