//! Looking into arrays: size, element_at, get, array_contains, array_position, arrays_overlap, array_join.

use alloc::{format, string::String};
use core::cmp::Ordering;

use super::{
    super::{Call, Function, define::each_row, order::compare},
    array_at, coerce_element, element_type, index_of_zero,
};
use crate::{
    block::{ColumnRef, Value, Values},
    error::{Error, Result},
    expr::BoundExpr,
    schema::DataType,
};

pub(in super::super) const FUNCTIONS: &[Function] = &[
    Function { names: &["size", "cardinality"], bind: size },
    Function { names: &["array_size"], bind: array_size },
    Function { names: &["element_at"], bind: |call| element_at(call, false) },
    Function { names: &["try_element_at"], bind: |call| element_at(call, true) },
    Function { names: &["get"], bind: get },
    Function { names: &["array_contains"], bind: array_contains },
    Function { names: &["array_position"], bind: array_position },
    Function { names: &["array_join"], bind: array_join },
];

/// Number of elements. Before ANSI mode the size of NULL was -1.
fn size(call: Call<'_>) -> Result<BoundExpr> {
    call.arity(1..=1)?;
    let null_size = (!call.settings.ansi).then_some(-1);
    size_of(call, null_size)
}

fn array_size(call: Call<'_>) -> Result<BoundExpr> {
    call.arity(1..=1)?;
    size_of(call, None)
}

fn size_of(call: Call<'_>, null_size: Option<i32>) -> Result<BoundExpr> {
    if *call.type_of(0) == DataType::Null {
        return Ok(BoundExpr::literal(null_size.map_or(Value::Null, Value::Int32), DataType::Int32));
    }
    element_type(&call, 0)?;
    let never_null = null_size.is_some();
    let sized = call.run(DataType::Int32, move |_, args, rows, out| {
        for row in 0..rows.len() {
            match (args[0].is_valid(row), null_size) {
                (true, _) => out.push(array_at(&args[0], row).1.len() as i32),
                (false, Some(size)) => out.push(size),
                (false, None) => out.push_null(),
            }
        }
        Ok(())
    })?;
    let nullable = sized.nullable && !never_null;
    Ok(sized.nullable(nullable))
}

/// From 1, or from the end if negative.
fn element_at(mut call: Call<'_>, is_try: bool) -> Result<BoundExpr> {
    call.arity(2..=2)?;
    let element = element_type(&call, 0)?;
    if !matches!(call.type_of(1), DataType::Int8 | DataType::Int16 | DataType::Int32) {
        return Err(call.unexpected_type(1, "INT"));
    }
    call.coerce(1, &DataType::Int32)?;
    let strict = call.settings.ansi && !is_try;
    call.run_nullable(element, move |_, args, rows, out| {
        each_row(args, rows, out, |row, out| {
            let (elements, range) = array_at(&args[0], row);
            let index = args[1].as_slice::<i32>()[args[1].index(row)];
            let count = range.len() as i64;
            let position = match i64::from(index) {
                0 => return Err(index_of_zero()),
                index if index > 0 => index - 1,
                index => count + index,
            };
            match (0..count).contains(&position) {
                true => out.push_from(&elements, range.start + position as usize),
                false if strict => return Err(no_element(index, range.len())),
                false => out.push_null(),
            }
            Ok(())
        })
    })
}

fn no_element(index: i32, count: usize) -> Error {
    let text = format!("the index {index} is out of bounds: the array has {count} elements");
    Error::data("INVALID_ARRAY_INDEX_IN_ELEMENT_AT", text).hint("try_element_at() gives NULL instead")
}

/// From 0; NULL outside of the array.
fn get(mut call: Call<'_>) -> Result<BoundExpr> {
    call.arity(2..=2)?;
    let element = element_type(&call, 0)?;
    call.coerce(1, &DataType::Int32)?;
    call.run_nullable(element, |_, args, rows, out| {
        each_row(args, rows, out, |row, out| {
            let (elements, range) = array_at(&args[0], row);
            let index = args[1].as_slice::<i32>()[args[1].index(row)];
            match usize::try_from(index).ok().filter(|index| *index < range.len()) {
                Some(index) => out.push_from(&elements, range.start + index),
                None => out.push_null(),
            }
            Ok(())
        })
    })
}

/// TRUE if found, NULL if not but an element is NULL.
fn array_contains(mut call: Call<'_>) -> Result<BoundExpr> {
    call.arity(2..=2)?;
    if (0..2).any(|i| *call.type_of(i) == DataType::Null) {
        let text = "array_contains() does not take a bare NULL";
        return Err(Error::invalid(text).class("DATATYPE_MISMATCH.NULL_TYPE").at(call.span));
    }
    coerce_element(&mut call, 0, 1)?;
    call.run_nullable(DataType::Boolean, |_, args, rows, out| {
        each_row(args, rows, out, |row, out| {
            let (elements, range) = array_at(&args[0], row);
            match find(&elements, range.clone(), &args[1], row) {
                Some(_) => out.push_bool(true),
                None if range.clone().all(|i| elements.is_valid(i)) => out.push_bool(false),
                None => out.push_null(),
            }
            Ok(())
        })
    })
}

/// Where among the elements the value of a row stands first.
fn find(
    elements: &ColumnRef<'_>,
    mut range: core::ops::Range<usize>,
    value: &ColumnRef<'_>,
    row: usize,
) -> Option<usize> {
    if let (Values::Int32(v), Values::Int32(wanted)) = (elements.values, value.values) {
        let wanted = wanted[value.index(row)];
        return range.find(|&i| v[i] == wanted && elements.is_valid(i));
    }
    range.find(|&i| elements.is_valid(i) && compare(elements, i, value, row) == Ordering::Equal)
}

/// Position of the first such element from 1, or 0.
fn array_position(mut call: Call<'_>) -> Result<BoundExpr> {
    call.arity(2..=2)?;
    coerce_element(&mut call, 0, 1)?;
    call.run(DataType::Int64, |_, args, rows, out| {
        each_row(args, rows, out, |row, out| {
            let (elements, range) = array_at(&args[0], row);
            let found = find(&elements, range.clone(), &args[1], row);
            out.push(found.map_or(0, |i| (i - range.start) as i64 + 1));
            Ok(())
        })
    })
}

/// `array_join(array, separator [, replacement of NULLs])`; without replacement NULLs are left out.
fn array_join(mut call: Call<'_>) -> Result<BoundExpr> {
    call.arity(2..=3)?;
    call.coerce(0, &DataType::Array(DataType::String.into()))?;
    (1..call.args.len()).try_for_each(|i| call.uncast(i, &DataType::String))?;
    call.run(DataType::String, |_, args, rows, out| {
        let mut text = String::new();
        each_row(args, rows, out, |row, out| {
            let (elements, range) = array_at(&args[0], row);
            let replacement = args.get(2).map(|a| a.str_at(row));
            let parts = range.filter_map(|i| if elements.is_valid(i) { Some(elements.str_at(i)) } else { replacement });
            text.clear();
            for (n, part) in parts.enumerate() {
                if n > 0 {
                    text.push_str(args[1].str_at(row));
                }
                text.push_str(part);
            }
            out.push_str(&text);
            Ok(())
        })
    })
}
