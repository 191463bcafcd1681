//! Order in arrays: sort_array, array_sort, array_max, array_min.

use alloc::vec::Vec;
use core::cmp::Ordering;

use super::{
    super::{
        Call, Function,
        define::{define, each_row},
        order::{compare, compare_nullable},
    },
    array_at, element_type,
};
use crate::{
    block::{Value, sort_rows},
    error::Result,
    expr::BoundExpr,
    schema::DataType,
};

pub(in super::super) const FUNCTIONS: &[Function] = &[
    Function { names: &["sort_array"], bind: sort_array },
    Function { names: &["array_sort"], bind: array_sort },
    Function { names: &["array_max"], bind: |call| extreme(call, Ordering::Greater) },
    Function { names: &["array_min"], bind: |call| extreme(call, Ordering::Less) },
];

/// `sort_array(array [, ascending])`: NULLs come first ascending, last descending.
fn sort_array(mut call: Call<'_>) -> Result<BoundExpr> {
    call.arity(1..=2)?;
    call.default_arg(1, true, DataType::Boolean);
    call.coerce(1, &DataType::Boolean)?;
    let ascending = call.required_constant(1)?;
    if ascending == Value::Null {
        return Ok(BoundExpr::literal(Value::Null, call.type_of(0).clone()));
    }
    let ascending = ascending != Value::Boolean(false);
    call.args.truncate(1);
    sort(call, ascending, false)
}

/// Ascending with NULLs last.
fn array_sort(call: Call<'_>) -> Result<BoundExpr> {
    call.arity(1..=1)?;
    sort(call, true, true)
}

fn sort(call: Call<'_>, ascending: bool, nulls_last: bool) -> Result<BoundExpr> {
    element_type(&call, 0)?;
    let of = call.type_of(0).clone();
    let run = define(call.name, move |_, args, rows, out| {
        let mut order: Vec<usize> = Vec::new();
        each_row(args, rows, out, |row, out| {
            let (elements, range) = array_at(&args[0], row);
            order.clear();
            order.extend(range);
            sort_rows(&mut order, &|i, j| {
                let natural = compare_nullable(&elements, i, &elements, j);
                match (nulls_last, ascending) {
                    (true, _) => elements.is_valid(j).cmp(&elements.is_valid(i)).then(natural),
                    (false, true) => natural,
                    (false, false) => natural.reverse(),
                }
            });
            out.push_array(|to| order.iter().for_each(|i| to.push_from(&elements, *i)));
            Ok(())
        })
    });
    call.finish(run.with(ascending), of)
}

/// NULLs do not take part; NaN is the largest.
fn extreme(call: Call<'_>, wanted: Ordering) -> Result<BoundExpr> {
    call.arity(1..=1)?;
    let element = element_type(&call, 0)?;
    call.run_nullable(element, move |_, args, rows, out| {
        each_row(args, rows, out, |row, out| {
            let (elements, range) = array_at(&args[0], row);
            let best = range
                .filter(|i| elements.is_valid(*i))
                .reduce(|best, i| if compare(&elements, i, &elements, best) == wanted { i } else { best });
            match best {
                Some(best) => out.push_from(&elements, best),
                None => out.push_null(),
            }
            Ok(())
        })
    })
}
