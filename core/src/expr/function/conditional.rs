//! Functions about NULL and choice: coalesce, nvl, nullif, if, greatest, least, assert_true, typeof.

use alloc::{format, string::String, vec::Vec};
use core::cmp::Ordering;

use super::{Call, Function, define::define, order::compare};
use crate::{
    block::{Value, Values},
    error::{Error, Result},
    expr::{
        BinaryOp, BoundExpr, BoundKind,
        bind::choose,
        operator::{self, Site, logic},
    },
    schema::DataType,
};

pub(super) const FUNCTIONS: &[Function] = &[
    Function { names: &["coalesce"], bind: coalesce },
    Function { names: &["nvl", "ifnull"], bind: nvl },
    Function { names: &["nvl2"], bind: nvl2 },
    Function { names: &["nullif"], bind: nullif },
    Function { names: &["if"], bind: if_else },
    Function { names: &["isnull"], bind: |call| null_test(call, logic::Test::Null) },
    Function { names: &["isnotnull"], bind: |call| null_test(call, logic::Test::NotNull) },
    Function { names: &["nullifzero"], bind: nullifzero },
    Function { names: &["zeroifnull"], bind: zeroifnull },
    Function { names: &["equal_null"], bind: equal_null },
    Function { names: &["greatest"], bind: |call| extreme(call, Ordering::Greater) },
    Function { names: &["least"], bind: |call| extreme(call, Ordering::Less) },
    Function { names: &["assert_true"], bind: assert_true },
    Function { names: &["raise_error"], bind: raise_error },
    Function { names: &["typeof"], bind: type_of },
];

fn coalesce(mut call: Call<'_>) -> Result<BoundExpr> {
    call.arity(1..=usize::MAX)?;
    let data_type = call.coerce_to_common(0..call.args.len())?;
    let nullable = call.args.iter().all(|a| a.nullable);
    Ok(BoundExpr { data_type, nullable, kind: BoundKind::Coalesce(call.args) })
}

fn nvl(call: Call<'_>) -> Result<BoundExpr> {
    call.arity(2..=2)?;
    coalesce(call)
}

fn nvl2(call: Call<'_>) -> Result<BoundExpr> {
    call.arity(3..=3)?;
    let site = Site::new(call.settings, call.span);
    let [tested, some, none] = call.take_args();
    choose(alloc::vec![(logic::test(tested, logic::Test::NotNull), some)], none, site)
}

/// The first argument keeps its type; only the comparison is coerced.
fn nullif(call: Call<'_>) -> Result<BoundExpr> {
    call.arity(2..=2)?;
    let site = Site::new(call.settings, call.span);
    let [kept, other] = call.take_args();
    let null = BoundExpr::literal(Value::Null, kept.data_type.clone());
    let equal = operator::binary(kept.clone(), BinaryOp::Eq, other, site)?;
    choose(alloc::vec![(equal, null)], kept, site)
}

fn if_else(mut call: Call<'_>) -> Result<BoundExpr> {
    call.arity(3..=3)?;
    call.coerce(0, &DataType::Boolean)?;
    let site = Site::new(call.settings, call.span);
    let [condition, then, otherwise] = call.take_args();
    choose(alloc::vec![(condition, then)], otherwise, site)
}

fn null_test(call: Call<'_>, test: logic::Test) -> Result<BoundExpr> {
    call.arity(1..=1)?;
    let [tested] = call.take_args();
    Ok(logic::test(tested, test))
}

fn nullifzero(mut call: Call<'_>) -> Result<BoundExpr> {
    call.arity(1..=1)?;
    call.args.push(BoundExpr::literal(Value::Int32(0), DataType::Int32));
    nullif(call)
}

fn zeroifnull(mut call: Call<'_>) -> Result<BoundExpr> {
    call.arity(1..=1)?;
    call.args.push(BoundExpr::literal(Value::Int32(0), DataType::Int32));
    coalesce(call)
}

fn equal_null(call: Call<'_>) -> Result<BoundExpr> {
    call.arity(2..=2)?;
    let site = Site::new(call.settings, call.span);
    let [a, b] = call.take_args();
    operator::binary(a, BinaryOp::NullSafeEq, b, site)
}

/// Not NULL, nor of the type that has nothing but NULL.
fn is_value(column: &crate::block::ColumnRef<'_>, row: usize) -> bool {
    !matches!(column.values, Values::Null) && column.is_valid(row)
}

/// The largest or smallest argument that is not NULL; of equal ones the first.
fn extreme(mut call: Call<'_>, wanted: Ordering) -> Result<BoundExpr> {
    call.arity(2..=usize::MAX)?;
    let types: Vec<_> = call.args.iter().map(|a| a.data_type.clone()).collect();
    let strings = types.iter().filter(|t| **t == DataType::String).count();
    if strings > 0 && types.iter().any(|t| !matches!(t, DataType::String | DataType::Null)) {
        let text = format!("arguments of {}() must all be of one type", call.name);
        return Err(Error::invalid(text).class("DATATYPE_MISMATCH.DATA_DIFF_TYPES").at(call.span));
    }
    let data_type = call.coerce_to_common(0..call.args.len())?;
    let nullable = call.args.iter().all(|a| a.nullable);
    let run = define(call.name, move |_, args, rows, out| {
        for row in 0..rows.len() {
            let values = args.iter().filter(|a| is_value(a, row));
            let best = values.reduce(|best, a| if compare(a, row, best, row) == wanted { a } else { best });
            match best {
                Some(best) if rows.contains(row) => out.push_from(best, row),
                _ => out.push_null(),
            }
        }
        Ok(())
    });
    Ok(call.finish(run, data_type)?.nullable(nullable))
}

/// NULL for TRUE, an error for anything else.
fn assert_true(mut call: Call<'_>) -> Result<BoundExpr> {
    call.arity(1..=2)?;
    call.default_arg(1, "an asserted condition is not true", DataType::String);
    call.typed(&[DataType::Boolean, DataType::String])?;
    call.run_nullable(DataType::Null, |_, args, rows, out| {
        rows.try_for_each(|row| {
            let holds = is_value(&args[0], row) && args[0].bool_at(row);
            if holds { Ok(()) } else { Err(raised(args[1].str_at(row))) }
        })?;
        (0..rows.len()).for_each(|_| out.push_null());
        Ok(())
    })
}

fn raise_error(mut call: Call<'_>) -> Result<BoundExpr> {
    call.typed(&[DataType::String])?;
    call.run_nullable(DataType::Null, |_, args, rows, out| {
        rows.try_for_each(|row| Err(raised(args[0].str_at(row))))?;
        (0..rows.len()).for_each(|_| out.push_null());
        Ok(())
    })
}

fn raised(message: &str) -> Error {
    Error::data("USER_RAISED_EXCEPTION", message)
}

fn type_of(call: Call<'_>) -> Result<BoundExpr> {
    call.arity(1..=1)?;
    Ok(BoundExpr::literal(Value::String(catalog_name(call.type_of(0))), DataType::String))
}

/// Spark's short spelling of a type: lower case, no blanks, names of fields as they are.
pub(super) fn catalog_name(t: &DataType) -> String {
    match t {
        DataType::Array(element) => format!("array<{}>", catalog_name(element)),
        DataType::Struct(fields) => {
            let fields: Vec<_> = fields.iter().map(|f| format!("{}:{}", f.name, catalog_name(&f.data_type))).collect();
            format!("struct<{}>", fields.join(","))
        }
        other => format!("{other}").to_lowercase(),
    }
}
