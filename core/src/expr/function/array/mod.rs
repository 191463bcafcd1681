//! Arrays and structs, one file a topic: `build` makes them, `access` looks into them, `change` gives other arrays,
//! `set` compares arrays as sets, `sort` orders them.
//!
//! Elements may be NULL; an array that is NULL gives NULL.

pub(super) mod access;
pub(super) mod build;
pub(super) mod change;
pub(super) mod set;
pub(super) mod sort;

use core::ops::Range;

pub(super) use change::{concat, reverse};

use super::Call;
use crate::{
    block::{ColumnRef, Values},
    error::{Error, Result},
    expr::cast,
    schema::DataType,
};

/// The elements of an array column and where those of a row lie.
fn array_at<'a>(column: &ColumnRef<'a>, row: usize) -> (ColumnRef<'a>, Range<usize>) {
    match column.values {
        Values::Array { offsets, elements } => {
            let i = column.index(row);
            (elements.view(), offsets[i] as usize..offsets[i + 1] as usize)
        }
        _ => panic!("{} is not stored as an array", column.data_type),
    }
}

/// The type of the elements of argument `index`, which must be an array.
fn element_type(call: &Call<'_>, index: usize) -> Result<DataType> {
    match call.type_of(index) {
        DataType::Array(element) => Ok((**element).clone()),
        _ => Err(call.unexpected_type(index, "ARRAY")),
    }
}

/// Coerces an array and a value to one element type, without making text of numbers or numbers of text.
fn coerce_element(call: &mut Call<'_>, array: usize, value: usize) -> Result<DataType> {
    let (element, of) = (element_type(call, array)?, call.type_of(value).clone());
    let common = match call.name {
        "array_contains" => {
            let text = (element == DataType::String) != (of == DataType::String);
            let mixed = text && element != DataType::Null && of != DataType::Null;
            cast::common_type(&element, &of, call.settings).filter(|_| !mixed)
        }
        // By the rules of before ANSI mode, whatever the mode is.
        _ => cast::tightest(&element, &of, false),
    };
    let common = common.ok_or_else(|| different_elements(call))?;
    call.coerce(array, &DataType::Array(common.clone().into()))?;
    call.coerce(value, &common)?;
    Ok(common)
}

fn different_elements(call: &Call<'_>) -> Error {
    let text = alloc::format!("arguments of {}() do not have the same element type", call.name);
    Error::invalid(text).class("DATATYPE_MISMATCH.ARRAY_FUNCTION_DIFF_TYPES").at(call.span)
}

fn index_of_zero() -> Error {
    let text = "the index 0 is invalid: the first element has index 1, the last -1";
    Error::data("INVALID_INDEX_OF_ZERO", text)
}
