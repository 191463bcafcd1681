//! Other arrays of the same elements: append, remove, insert, slice, concat, flatten, reverse, arrays_zip.

use alloc::{format, string::String, vec::Vec};
use core::cmp::Ordering;

use super::{
    super::{Call, Function, define::each_row, order::compare},
    array_at, coerce_element, element_type, index_of_zero,
};
use crate::{
    block::Column,
    error::{Error, Result},
    expr::BoundExpr,
    limits::{ARRAY_LENGTH_MAX, COLUMN_BYTES_MAX},
    schema::{DataType, Field},
};

pub(in super::super) const FUNCTIONS: &[Function] = &[
    Function { names: &["array_append"], bind: |call| array_extend(call, false) },
    Function { names: &["array_prepend"], bind: |call| array_extend(call, true) },
    Function { names: &["array_remove"], bind: array_remove },
    Function { names: &["array_compact"], bind: array_compact },
    Function { names: &["array_insert"], bind: array_insert },
    Function { names: &["slice"], bind: slice },
    Function { names: &["flatten"], bind: flatten },
    Function { names: &["arrays_zip"], bind: arrays_zip },
];

/// The value may be NULL.
fn array_extend(mut call: Call<'_>, at_front: bool) -> Result<BoundExpr> {
    call.arity(2..=2)?;
    let element = coerce_element(&mut call, 0, 1)?;
    let nullable = call.args[0].nullable;
    let extended = call.run(DataType::Array(element.into()), move |_, args, rows, out| {
        each_row(&args[..1], rows, out, |row, out| {
            let (elements, range) = array_at(&args[0], row);
            out.push_array(|to| {
                if at_front {
                    to.push_from(&args[1], row);
                }
                range.for_each(|i| to.push_from(&elements, i));
                if !at_front {
                    to.push_from(&args[1], row);
                }
            });
            Ok(())
        })
    })?;
    Ok(extended.nullable(nullable))
}

fn array_remove(mut call: Call<'_>) -> Result<BoundExpr> {
    call.arity(2..=2)?;
    let element = coerce_element(&mut call, 0, 1)?;
    call.run(DataType::Array(element.into()), |_, args, rows, out| {
        each_row(args, rows, out, |row, out| {
            let (elements, mut range) = array_at(&args[0], row);
            let removed = |i| elements.is_valid(i) && compare(&elements, i, &args[1], row) == Ordering::Equal;
            out.push_array(|to| range.by_ref().filter(|i| !removed(*i)).for_each(|i| to.push_from(&elements, i)));
            Ok(())
        })
    })
}

/// Without its NULLs.
fn array_compact(call: Call<'_>) -> Result<BoundExpr> {
    call.arity(1..=1)?;
    element_type(&call, 0)?;
    let of = call.type_of(0).clone();
    call.run(of, |_, args, rows, out| {
        each_row(args, rows, out, |row, out| {
            let (elements, range) = array_at(&args[0], row);
            out.push_array(|to| range.filter(|i| elements.is_valid(*i)).for_each(|i| to.push_from(&elements, i)));
            Ok(())
        })
    })
}

/// `array_insert(array, position, value)`: positions from 1, from the end if negative; gaps are filled with NULL.
fn array_insert(mut call: Call<'_>) -> Result<BoundExpr> {
    call.arity(3..=3)?;
    if !matches!(call.type_of(1), DataType::Int8 | DataType::Int16 | DataType::Int32) {
        return Err(call.unexpected_type(1, "INT"));
    }
    call.coerce(1, &DataType::Int32)?;
    let element = coerce_element(&mut call, 0, 2)?;
    let nullable = call.args[..2].iter().any(|a| a.nullable);
    let inserted = call.run(DataType::Array(element.into()), |_, args, rows, out| {
        each_row(&args[..2], rows, out, |row, out| {
            let (elements, range) = array_at(&args[0], row);
            let position = args[1].as_slice::<i32>()[args[1].index(row)];
            let (before, at) = insertion(position, range.len())?;
            out.push_array(|to| {
                let (start, split) = (range.start, range.start + at.min(range.len()));
                if before > 0 {
                    // The value stands before the front: then the gap, then all elements.
                    to.push_from(&args[2], row);
                    (1..before).for_each(|_| to.push_null());
                    return (start..range.end).for_each(|i| to.push_from(&elements, i));
                }
                (start..split).for_each(|i| to.push_from(&elements, i));
                (range.len()..at).for_each(|_| to.push_null());
                to.push_from(&args[2], row);
                (split..range.end).for_each(|i| to.push_from(&elements, i));
            });
            Ok(())
        })
    })?;
    Ok(inserted.nullable(nullable))
}

/// How many places before the front the value goes (0 if not before it), else behind how many elements.
fn insertion(position: i32, count: usize) -> Result<(usize, usize)> {
    let reach = position.unsigned_abs() as usize;
    if reach > ARRAY_LENGTH_MAX {
        return Err(Error::limit(format!("an array cannot have {reach} elements, only {ARRAY_LENGTH_MAX}")));
    }
    match position {
        0 => Err(index_of_zero()),
        p if p > 0 => Ok((0, reach - 1)),
        // -1 is behind the last element.
        _ if reach <= count + 1 => Ok((0, count + 1 - reach)),
        _ => Ok((reach - count, 0)),
    }
}

/// `slice(array, start, length)`, the start from 1 or from the end if negative.
fn slice(mut call: Call<'_>) -> Result<BoundExpr> {
    call.arity(3..=3)?;
    element_type(&call, 0)?;
    call.coerce(1, &DataType::Int32)?;
    call.coerce(2, &DataType::Int32)?;
    let of = call.type_of(0).clone();
    call.run(of, |_, args, rows, out| {
        each_row(args, rows, out, |row, out| {
            let (elements, range) = array_at(&args[0], row);
            let number = |i: usize| i64::from(args[i].as_slice::<i32>()[args[i].index(row)]);
            let (start, length) = (number(1), number(2));
            if start == 0 {
                let text = "the start of a slice must be positive or negative, not 0";
                return Err(Error::data("INVALID_PARAMETER_VALUE.START", text));
            }
            if length < 0 {
                let text = format!("the length of a slice must not be negative, but is {length}");
                return Err(Error::data("INVALID_PARAMETER_VALUE.LENGTH", text));
            }
            let count = range.len() as i64;
            let from = if start > 0 { start - 1 } else { count + start };
            let part = if from < 0 || from >= count { 0..0 } else { from..(from + length).min(count) };
            out.push_array(|to| part.for_each(|i| to.push_from(&elements, range.start + i as usize)));
            Ok(())
        })
    })
}

/// `concat` of arrays.
pub(in super::super) fn concat(mut call: Call<'_>) -> Result<BoundExpr> {
    let of = call.coerce_to_common(0..call.args.len())?;
    call.run(of, |_, args, rows, out| {
        each_row(args, rows, out, |row, out| {
            out.push_array(|to| args.iter().for_each(|a| push_all(&a.clone(), row, to)));
            Ok(())
        })
    })
}

fn push_all(array: &crate::block::ColumnRef<'_>, row: usize, to: &mut Column) {
    let (elements, range) = array_at(array, row);
    // What takes too much ends early here, and as an error behind the row.
    for i in range {
        if to.memory_bytes() > COLUMN_BYTES_MAX {
            break;
        }
        to.push_from(&elements, i);
    }
}

/// `reverse` of an array.
pub(in super::super) fn reverse(call: Call<'_>) -> Result<BoundExpr> {
    let of = call.type_of(0).clone();
    call.run(of, |_, args, rows, out| {
        each_row(args, rows, out, |row, out| {
            let (elements, range) = array_at(&args[0], row);
            out.push_array(|to| range.rev().for_each(|i| to.push_from(&elements, i)));
            Ok(())
        })
    })
}

/// An array of arrays as one; NULL if an inner one is.
fn flatten(call: Call<'_>) -> Result<BoundExpr> {
    call.arity(1..=1)?;
    let inner = element_type(&call, 0)?;
    if !matches!(inner, DataType::Array(_)) {
        return Err(call.unexpected_type(0, "ARRAY of ARRAY"));
    }
    call.run_nullable(inner, |_, args, rows, out| {
        each_row(args, rows, out, |row, out| {
            let (arrays, range) = array_at(&args[0], row);
            if range.clone().any(|i| !arrays.is_valid(i)) {
                out.push_null();
            } else {
                out.push_array(|to| range.for_each(|i| push_all(&arrays, i, to)));
            }
            Ok(())
        })
    })
}

/// The first elements as a struct, the second, ...; shorter arrays end in NULLs. Fields are `0`, `1`, ...
fn arrays_zip(call: Call<'_>) -> Result<BoundExpr> {
    call.arity(1..=usize::MAX)?;
    let types: Vec<_> = (0..call.args.len()).map(|i| element_type(&call, i)).collect::<Result<_>>()?;
    let name = |i: usize| -> String { format!("{i}") };
    let fields: Vec<_> = types.into_iter().enumerate().map(|(i, t)| Field::new(name(i), t)).collect();
    call.run(DataType::Array(DataType::Struct(fields).into()), |_, args, rows, out| {
        each_row(args, rows, out, |row, out| {
            let longest = args.iter().map(|a| array_at(a, row).1.len()).max().unwrap_or(0);
            out.push_array(|to| {
                (0..longest).for_each(|n| {
                    to.push_struct(|fields| {
                        for (field, arg) in fields.iter_mut().zip(args) {
                            let (elements, range) = array_at(arg, row);
                            match n < range.len() {
                                true => field.push_from(&elements, range.start + n),
                                false => field.push_null(),
                            }
                        }
                    });
                });
            });
            Ok(())
        })
    })
}
