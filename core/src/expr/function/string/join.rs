//! Putting strings together and turning them round: concat, concat_ws, elt, reverse.

use alloc::{string::String, vec::Vec};

use super::super::{
    Call, Function, array,
    define::{each_row, fill},
};
use crate::{
    block::{ColumnRef, Value, Values},
    error::{Error, Result},
    expr::{BoundExpr, check_text},
    schema::DataType,
};

pub(in super::super) const FUNCTIONS: &[Function] = &[
    Function { names: &["concat"], bind: concat },
    Function { names: &["concat_ws"], bind: concat_ws },
    Function { names: &["elt"], bind: elt },
    Function { names: &["reverse"], bind: reverse },
];

/// Of strings, binaries or arrays. NULL if an argument is.
fn concat(mut call: Call<'_>) -> Result<BoundExpr> {
    if call.args.is_empty() {
        return Ok(BoundExpr::literal(Value::from(""), DataType::String));
    }
    if call.args.iter().any(|a| matches!(a.data_type, DataType::Array(_))) {
        let only = call.args.iter().all(|a| matches!(a.data_type, DataType::Array(_)));
        return if only { array::concat(call) } else { Err(call.different_types()) };
    }
    let is_binary = call.args.iter().all(|a| a.data_type == DataType::Binary);
    let to = if is_binary { DataType::Binary } else { DataType::String };
    call.coerce_all(&to)?;
    call.run(to, |_, args, rows, out| {
        let mut bytes = Vec::new();
        each_row(args, rows, out, |row, out| {
            bytes.clear();
            args.iter().for_each(|a| bytes.extend_from_slice(a.bytes_at(row)));
            out.push_bytes(&bytes);
            Ok(())
        })
    })
}

/// Strings and arrays of strings with a separator between them. NULLs are left out, but a NULL separator gives NULL.
fn concat_ws(mut call: Call<'_>) -> Result<BoundExpr> {
    call.arity(1..=usize::MAX)?;
    call.coerce(0, &DataType::String)?;
    for index in 1..call.args.len() {
        let to = match call.type_of(index) {
            DataType::Array(_) => DataType::Array(DataType::String.into()),
            _ => DataType::String,
        };
        call.coerce(index, &to)?;
    }
    let nullable = call.args[0].nullable;
    let joined = call.run(DataType::String, |_, args, rows, out| {
        let mut text = String::new();
        each_row(&args[..1], rows, out, |row, out| {
            text.clear();
            let mut joiner = Joiner { text: &mut text, separator: args[0].str_at(row), is_first: true };
            let mut parts = args[1..].iter().filter(|a| a.is_valid(row));
            parts.try_for_each(|a| joiner.push_all(a, row))?;
            out.push_str(&text);
            Ok(())
        })
    })?;
    Ok(joined.nullable(nullable))
}

struct Joiner<'a> {
    text: &'a mut String,
    separator: &'a str,
    is_first: bool,
}

impl Joiner<'_> {
    fn push_all(&mut self, column: &ColumnRef<'_>, row: usize) -> Result<()> {
        let Values::Array { offsets, elements } = column.values else {
            return self.push(column.str_at(row));
        };
        let (i, elements) = (column.index(row), elements.view());
        let range = offsets[i] as usize..offsets[i + 1] as usize;
        range.filter(|j| elements.is_valid(*j)).try_for_each(|j| self.push(elements.str_at(j)))
    }

    fn push(&mut self, part: &str) -> Result<()> {
        if !self.is_first {
            self.text.push_str(self.separator);
        }
        self.is_first = false;
        self.text.push_str(part);
        check_text(self.text.len())
    }
}

/// The `n`-th of the other arguments.
fn elt(mut call: Call<'_>) -> Result<BoundExpr> {
    call.arity(2..=usize::MAX)?;
    call.coerce(0, &DataType::Int32)?;
    let is_binary = call.args[1..].iter().all(|a| a.data_type == DataType::Binary);
    let to = if is_binary { DataType::Binary } else { DataType::String };
    for index in 1..call.args.len() {
        call.coerce(index, &to)?;
    }
    let ansi = call.settings.ansi;
    call.run_nullable(to, move |_, args, rows, out| {
        each_row(&args[..1], rows, out, |row, out| {
            let n = args[0].as_slice::<i32>()[args[0].index(row)];
            match usize::try_from(n).ok().filter(|n| (1..args.len()).contains(n)) {
                Some(n) => out.push_from(&args[n], row),
                None if ansi => return Err(invalid_index(n, args.len() - 1)),
                None => out.push_null(),
            }
            Ok(())
        })
    })
}

fn invalid_index(index: i32, count: usize) -> Error {
    let text = alloc::format!("the index {index} is out of bounds: there are {count} elements");
    Error::data("INVALID_ARRAY_INDEX", text)
}

/// Characters of a string, bytes of a binary, elements of an array.
fn reverse(mut call: Call<'_>) -> Result<BoundExpr> {
    call.arity(1..=1)?;
    match call.type_of(0) {
        DataType::Array(_) => array::reverse(call),
        DataType::Binary => call.run(DataType::Binary, |_, args, rows, out| {
            fill(args, rows, out, |(b,): (&[u8],), bytes: &mut Vec<u8>| {
                bytes.extend(b.iter().rev());
                Ok(())
            })
        }),
        _ => {
            call.coerce(0, &DataType::String)?;
            call.run(DataType::String, |_, args, rows, out| {
                fill(args, rows, out, |(s,): (&str,), text: &mut String| {
                    text.extend(s.chars().rev());
                    Ok(())
                })
            })
        }
    }
}
