//! Arrays and structs element by element, and the few casts that only copy.

use super::Cast;
use crate::{
    block::{Bitmap, Column, ColumnRef, Rows, Values},
    error::Result,
    schema::DataType,
};

/// A cast to the same type, as parts of structs may be.
pub(super) fn copy(from: &ColumnRef<'_>, rows: &Rows<'_>, out: &mut Column) {
    (0..rows.len()).for_each(|row| match rows.contains(row) {
        true => out.push_from(from, row),
        false => out.push_null(),
    });
}

/// A cast from VOID.
pub(super) fn nulls(rows: &Rows<'_>, out: &mut Column) {
    (0..rows.len()).for_each(|_| out.push_null());
}

/// An integer's bytes, the highest first: legacy only.
pub(super) fn bytes_of_integer(from: &ColumnRef<'_>, data_type: &DataType, rows: &Rows<'_>, out: &mut Column) {
    for row in 0..rows.len() {
        if !rows.contains(row) || !from.is_valid(row) {
            out.push_null();
            continue;
        }
        let i = from.index(row);
        match from.values {
            Values::Int8(v) => out.push_bytes(&v[i].to_be_bytes()),
            Values::Int16(v) => out.push_bytes(&v[i].to_be_bytes()),
            Values::Int32(v) => out.push_bytes(&v[i].to_be_bytes()),
            Values::Int64(v) => out.push_bytes(&v[i].to_be_bytes()),
            _ => panic!("no cast from {data_type} to BINARY"),
        }
    }
}

impl Cast {
    /// Casts the parts for the rows that count, then puts arrays and structs together again, row by row.
    pub(super) fn convert_nested(&self, from: &ColumnRef<'_>, rows: &Rows<'_>, out: &mut Column) -> Result<()> {
        let counts = |row: usize| rows.contains(row) && from.is_valid(row);
        match (from.values, &self.to) {
            (Values::Struct(children), DataType::Struct(fields)) => {
                let len = children.first().map_or(0, Column::len);
                let asked = asked(from, rows, len, |i| i..i + 1);
                let part = |(child, field): (&Column, &crate::schema::Field)| {
                    self.cast_part(child, &field.data_type, &Rows::new(len, Some(asked.view())))
                };
                let parts = children.iter().zip(fields).map(part).collect::<Result<alloc::vec::Vec<_>>>()?;
                for row in 0..rows.len() {
                    let i = from.index(row);
                    let fill = |children: &mut [Column]| {
                        children.iter_mut().zip(&parts).for_each(|(child, part)| child.push_from(&part.view(), i));
                    };
                    if counts(row) { out.push_struct(fill) } else { out.push_null() }
                }
            }
            (Values::Array { offsets, elements }, DataType::Array(element)) => {
                let range = |i: usize| offsets[i] as usize..offsets[i + 1] as usize;
                let asked = asked(from, rows, elements.len(), range);
                let part = self.cast_part(elements, element, &Rows::new(elements.len(), Some(asked.view())))?;
                for row in 0..rows.len() {
                    let fill = |child: &mut Column| {
                        range(from.index(row)).for_each(|j| child.push_from(&part.view(), j));
                    };
                    if counts(row) { out.push_array(fill) } else { out.push_null() }
                }
            }
            _ => panic!("no cast from {} to {}", from.data_type, self.to),
        }
        Ok(())
    }

    fn cast_part(&self, part: &Column, to: &DataType, rows: &Rows<'_>) -> Result<Column> {
        let mut out = Column::new(to.clone());
        self.with_target(to).eval(&part.view(), rows, &mut out)?;
        Ok(out)
    }
}

/// The parts that belong to rows that count.
fn asked(
    from: &ColumnRef<'_>,
    rows: &Rows<'_>,
    parts: usize,
    range: impl Fn(usize) -> core::ops::Range<usize>,
) -> Bitmap {
    let mut asked = Bitmap::new();
    asked.resize(parts, false);
    rows.for_each(|row| {
        if from.is_valid(row) {
            range(from.index(row)).for_each(|part| asked.set(part, true));
        }
    });
    asked
}

#[cfg(test)]
mod tests {
    use crate::{
        block::Value,
        expr::{BoundExpr, EvalMode, Settings, cast},
        schema::DataType,
    };
    use alloc::vec;

    #[test]
    fn elements_are_cast_one_by_one() {
        let strings = DataType::Array(DataType::String.into());
        let literal = |a: &str| BoundExpr::literal(Value::Array(vec![a.into(), Value::Null]), strings.clone());
        let to = DataType::Array(DataType::Int32.into());
        let cast = |a, mode| cast::explicit(literal(a), &to, mode, &Settings::default()).unwrap();
        assert_eq!(cast("7", EvalMode::Ansi).as_literal(), Some(&Value::Array(vec![7.into(), Value::Null])));
        assert_eq!(cast("x", EvalMode::Try).as_literal(), Some(&Value::Array(vec![Value::Null, Value::Null])));
        assert_eq!(cast("x", EvalMode::Ansi).as_literal(), None);
    }
}
