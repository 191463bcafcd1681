//! Arrays as sets: array_distinct, array_union, array_intersect, array_except, arrays_overlap. NULLs are equal to each
//! other here, NaNs and zeros too; the first of equal elements stays, in its place.

use alloc::vec::Vec;
use core::cmp::Ordering;

use hashbrown::HashMap;

use super::{
    super::{Call, Function, define::each_row, order::compare_nullable},
    array_at, different_elements, element_type,
};
use crate::{
    block::ColumnRef,
    error::Result,
    expr::{BoundExpr, cast},
    hash::{hash_at, xxhash64::XxHash64},
    schema::DataType,
};

pub(in super::super) const FUNCTIONS: &[Function] = &[
    Function { names: &["array_distinct"], bind: array_distinct },
    Function { names: &["array_union"], bind: |call| combine(call, Combination::Union) },
    Function { names: &["array_intersect"], bind: |call| combine(call, Combination::Intersect) },
    Function { names: &["array_except"], bind: |call| combine(call, Combination::Except) },
    Function { names: &["arrays_overlap"], bind: arrays_overlap },
];

/// A set of elements of one or two columns, by hash; `usize` is the position in its column.
#[derive(Default)]
struct Seen<'a> {
    buckets: HashMap<u64, Vec<(ColumnRef<'a>, usize)>>,
}

impl<'a> Seen<'a> {
    fn clear(&mut self) {
        self.buckets.clear();
    }

    fn contains(&self, elements: &ColumnRef<'_>, i: usize) -> bool {
        let bucket = self.buckets.get(&hash(elements, i));
        bucket.is_some_and(|b| b.iter().any(|(column, j)| compare_nullable(column, *j, elements, i).is_eq()))
    }

    /// False if it was there already.
    fn insert(&mut self, elements: &ColumnRef<'a>, i: usize) -> bool {
        let bucket = self.buckets.entry(hash(elements, i)).or_default();
        let is_new = bucket.iter().all(|(column, j)| compare_nullable(column, *j, elements, i) != Ordering::Equal);
        if is_new {
            bucket.push((*elements, i));
        }
        is_new
    }
}

fn hash(elements: &ColumnRef<'_>, i: usize) -> u64 {
    hash_at::<XxHash64>(elements, i, crate::hash::SEED.into())
}

fn array_distinct(call: Call<'_>) -> Result<BoundExpr> {
    call.arity(1..=1)?;
    element_type(&call, 0)?;
    let of = call.type_of(0).clone();
    call.run(of, |_, args, rows, out| {
        let mut seen = Seen::default();
        each_row(args, rows, out, |row, out| {
            let (elements, range) = array_at(&args[0], row);
            seen.clear();
            out.push_array(|to| {
                range.for_each(|i| {
                    if seen.insert(&elements, i) {
                        to.push_from(&elements, i);
                    }
                });
            });
            Ok(())
        })
    })
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Combination {
    Union,
    Intersect,
    Except,
}

/// Coerces two arrays to one type, without making text of numbers or numbers of text.
fn coerce_arrays(call: &mut Call<'_>) -> Result<DataType> {
    call.arity(2..=2)?;
    let (a, b) = (element_type(call, 0)?, element_type(call, 1)?);
    let text = (a == DataType::String) != (b == DataType::String);
    let mixed = text && a != DataType::Null && b != DataType::Null;
    let common = cast::common_type(&a, &b, call.settings).filter(|_| !mixed);
    let to = DataType::Array(common.ok_or_else(|| different_elements(call))?.into());
    call.coerce_all(&to)?;
    Ok(to)
}

fn combine(mut call: Call<'_>, combination: Combination) -> Result<BoundExpr> {
    let of = coerce_arrays(&mut call)?;
    call.run(of, move |_, args, rows, out| {
        let (mut seen, mut others) = (Seen::default(), Seen::default());
        each_row(args, rows, out, |row, out| {
            let ((a, range_a), (b, range_b)) = (array_at(&args[0], row), array_at(&args[1], row));
            seen.clear();
            others.clear();
            if combination != Combination::Union {
                range_b.clone().for_each(|i| _ = others.insert(&b, i));
            }
            out.push_array(|to| {
                let wanted = |i: usize| match combination {
                    Combination::Union => true,
                    Combination::Intersect => others.contains(&a, i),
                    Combination::Except => !others.contains(&a, i),
                };
                for i in range_a.filter(|i| wanted(*i)) {
                    if seen.insert(&a, i) {
                        to.push_from(&a, i);
                    }
                }
                for i in range_b.filter(|_| combination == Combination::Union) {
                    if seen.insert(&b, i) {
                        to.push_from(&b, i);
                    }
                }
            });
            Ok(())
        })
    })
}

/// TRUE if they share an element; NULL if they might because one has a NULL and neither is empty.
fn arrays_overlap(mut call: Call<'_>) -> Result<BoundExpr> {
    coerce_arrays(&mut call)?;
    call.run_nullable(DataType::Boolean, |_, args, rows, out| {
        let mut seen = Seen::default();
        each_row(args, rows, out, |row, out| {
            let ((a, range_a), (b, range_b)) = (array_at(&args[0], row), array_at(&args[1], row));
            seen.clear();
            range_a.clone().filter(|i| a.is_valid(*i)).for_each(|i| _ = seen.insert(&a, i));
            let has_null =
                |column: &ColumnRef<'_>, mut range: core::ops::Range<usize>| range.any(|i| !column.is_valid(i));
            if range_b.clone().any(|i| b.is_valid(i) && seen.contains(&b, i)) {
                out.push_bool(true);
            } else if !range_a.is_empty() && !range_b.is_empty() && (has_null(&a, range_a) || has_null(&b, range_b)) {
                out.push_null();
            } else {
                out.push_bool(false);
            }
            Ok(())
        })
    })
}
