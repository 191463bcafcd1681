//! Making arrays and structs: array, struct, named_struct, array_repeat, sequence.

use alloc::{format, string::String, vec::Vec};

use super::super::{Call, Function, define::each_row};
use crate::{
    block::{Column, ColumnRef, Native, Value, Values},
    error::{Error, Result},
    expr::BoundExpr,
    limits::{ARRAY_LENGTH_MAX, COLUMN_BYTES_MAX},
    schema::{DataType, Field},
    time::{Clock, Interval, MICROS_PER_DAY, date_add_months, timestamp_add},
};

pub(in super::super) const FUNCTIONS: &[Function] = &[
    Function { names: &["array"], bind: array },
    Function { names: &["struct"], bind: structure },
    Function { names: &["named_struct"], bind: named_struct },
    Function { names: &["array_repeat"], bind: array_repeat },
    Function { names: &["sequence"], bind: sequence },
];

fn array(mut call: Call<'_>) -> Result<BoundExpr> {
    let element = call.coerce_to_common(0..call.args.len())?;
    call.never_null(DataType::Array(element.into()), |_, args, rows, out| {
        for row in 0..rows.len() {
            out.push_array(|elements| args.iter().for_each(|a| elements.push_from(a, row)));
        }
        Ok(())
    })
}

/// Fields are `col1`, `col2`, ...; the binder names those that are columns or aliases through `named_struct`.
fn structure(call: Call<'_>) -> Result<BoundExpr> {
    call.arity(1..=usize::MAX)?;
    let names = (1..=call.args.len()).map(|n| format!("col{n}")).collect();
    structure_of(call, names)
}

/// `named_struct(name, value, ...)`
fn named_struct(mut call: Call<'_>) -> Result<BoundExpr> {
    if call.args.is_empty() || !call.args.len().is_multiple_of(2) {
        let text = format!("{}() takes pairs of a name and a value, not {} arguments", call.name, call.args.len());
        return Err(Error::invalid(text).class("WRONG_NUM_ARGS").at(call.span));
    }
    let mut names = Vec::new();
    for index in (0..call.args.len()).step_by(2) {
        match call.constant(index)? {
            Some(Value::String(name)) => names.push(name),
            _ => {
                let text = format!("names of fields in {}() must be constant strings", call.name);
                let class = "DATATYPE_MISMATCH.CREATE_NAMED_STRUCT_WITHOUT_FOLDABLE_STRING";
                return Err(Error::invalid(text).class(class).at(call.span));
            }
        }
    }
    let mut values = core::mem::take(&mut call.args).into_iter().skip(1).step_by(2).collect();
    core::mem::swap(&mut call.args, &mut values);
    structure_of(call, names)
}

fn structure_of(call: Call<'_>, names: Vec<String>) -> Result<BoundExpr> {
    let field = |(name, arg): (String, &BoundExpr)| Field::new(name, arg.data_type.clone()).nullable(arg.nullable);
    let fields: Vec<_> = names.into_iter().zip(&call.args).map(field).collect();
    call.never_null(DataType::Struct(fields), |_, args, rows, out| {
        out.push_structs(rows.len(), |children| {
            children.iter_mut().zip(args).for_each(|(child, arg)| child.push_rows(arg, rows.len()));
        });
        Ok(())
    })
}

/// `array_repeat(value, count)`; the value may be NULL.
fn array_repeat(mut call: Call<'_>) -> Result<BoundExpr> {
    call.arity(2..=2)?;
    call.uncast(1, &DataType::Int32)?;
    let to = DataType::Array(call.type_of(0).clone().into());
    let nullable = call.args[1].nullable;
    let repeated = call.run(to, |_, args, rows, out| {
        each_row(&args[1..], rows, out, |row, out| {
            let count = args[1].as_slice::<i32>()[args[1].index(row)].max(0) as usize;
            bounded(count)?;
            // What takes too much ends early here, and as an error behind the row.
            out.push_array(|elements| {
                for _ in 0..count {
                    if elements.memory_bytes() > COLUMN_BYTES_MAX {
                        break;
                    }
                    elements.push_from(&args[0], row);
                }
            });
            Ok(())
        })
    })?;
    Ok(repeated.nullable(nullable))
}

/// No number in a row may fill the memory.
fn bounded(length: usize) -> Result<()> {
    if length <= ARRAY_LENGTH_MAX {
        return Ok(());
    }
    Err(Error::limit(format!("an array of {length} elements is longer than the allowed {ARRAY_LENGTH_MAX}"))
        .class("COLLECTION_SIZE_LIMIT_EXCEEDED.PARAMETER")
        .hint("no value of a row may fill the memory: make it shorter"))
}

/// `sequence(start, stop [, step])` of integers, dates or timestamps, stop included.
fn sequence(mut call: Call<'_>) -> Result<BoundExpr> {
    call.arity(2..=3)?;
    let mut of = call.coerce_to_common(0..2)?;
    if call.args.len() == 3 && of.is_integer() {
        if !matches!(call.type_of(2), DataType::String | DataType::Null) && !call.type_of(2).is_integer() {
            return Err(wrong_step(&call));
        }
        of = call.coerce_to_common(0..3)?;
    }
    match of {
        DataType::Int8 => integers::<i8>(call, of),
        DataType::Int16 => integers::<i16>(call, of),
        DataType::Int32 => integers::<i32>(call, of),
        DataType::Int64 => integers::<i64>(call, of),
        DataType::Date | DataType::Timestamp | DataType::TimestampNtz => times(call, of),
        _ => Err(call.unexpected_type(0, "an integer, DATE or TIMESTAMP")),
    }
}

fn wrong_step(call: &Call<'_>) -> Error {
    let text = format!("sequence() cannot go from {} in steps of {}", call.type_of(0), call.type_of(2));
    Error::invalid(text).class("DATATYPE_MISMATCH.SEQUENCE_WRONG_INPUT_TYPES").at(call.span)
}

fn integers<T: Native + Into<i64> + TryFrom<i64>>(call: Call<'_>, of: DataType) -> Result<BoundExpr> {
    call.run(DataType::Array(of.into()), |_, args, rows, out| {
        each_row(args, rows, out, |row, out| {
            let at = |i: usize| -> i64 { args[i].as_slice::<T>()[args[i].index(row)].into() };
            let (start, stop) = (at(0), at(1));
            let step = if args.len() == 3 { at(2) } else { default_sign(start, stop) };
            let count = length(start, stop, step)?;
            out.push_array(|elements| {
                let item = |i| start + i as i64 * step;
                // Between start and stop everything fits.
                (0..count).filter_map(|i| T::try_from(item(i)).ok()).for_each(|x| elements.push(x));
            });
            Ok(())
        })
    })
}

fn default_sign(start: i64, stop: i64) -> i64 {
    if start <= stop { 1 } else { -1 }
}

/// How many steps there are; an error if they lead away from the stop.
fn length(start: i64, stop: i64, step: i64) -> Result<usize> {
    let distance = i128::from(stop) - i128::from(start);
    let leads = if step == 0 { distance == 0 } else { distance == 0 || (distance > 0) == (step > 0) };
    if !leads {
        let text = format!("illegal sequence boundaries: {start} to {stop} by {step}");
        return Err(Error::data("INVALID_PARAMETER_VALUE", text));
    }
    let count = if step == 0 { 1 } else { (distance / i128::from(step)) as usize + 1 };
    bounded(count)?;
    Ok(count)
}

fn times(call: Call<'_>, of: DataType) -> Result<BoundExpr> {
    let is_interval = |t: &DataType| {
        matches!(t, DataType::Interval | DataType::IntervalDayTime(..) | DataType::IntervalYearMonth(..))
    };
    if call.args.len() == 3 && !is_interval(call.type_of(2)) {
        return Err(wrong_step(&call));
    }
    let zone = super::super::datetime::zone_of(&of, &call.settings.time_zone);
    let is_date = of == DataType::Date;
    call.run(DataType::Array(of.into()), move |_, args, rows, out| {
        let mut clock = Clock::new(&zone);
        each_row(args, rows, out, |row, out| {
            let at = |i: usize| match args[i].values {
                Values::Int32(v) => i64::from(v[args[i].index(row)]),
                _ => args[i].as_slice::<i64>()[args[i].index(row)],
            };
            let (start, stop) = (at(0), at(1));
            let step = match args.get(2) {
                Some(step) => step_at(step, row),
                None => Interval { months: 0, days: default_sign(start, stop) as i32, micros: 0 },
            };
            if is_date { push_dates(start, stop, step, out) } else { push_times(start, stop, step, &mut clock, out) }
        })
    })
}

/// The step of a row. The whole days in a day-time interval are calendar days.
fn step_at(column: &ColumnRef<'_>, row: usize) -> Interval {
    let i = column.index(row);
    match column.values {
        Values::Interval(v) => v[i],
        Values::Int32(v) => Interval { months: v[i], days: 0, micros: 0 },
        Values::Int64(v) => Interval { months: 0, days: (v[i] / MICROS_PER_DAY) as i32, micros: v[i] % MICROS_PER_DAY },
        _ => Interval::default(),
    }
}

fn push_dates(start: i64, stop: i64, step: Interval, out: &mut Column) -> Result<()> {
    if step.micros != 0 && step.days == 0 && step.months == 0 {
        let text = "the step of a sequence of dates must be days or months";
        return Err(Error::data("INVALID_PARAMETER_VALUE", text));
    }
    let item = |i: i32| {
        let months = date_add_months(start as i32, step.months.checked_mul(i)?)?;
        let hours = step.micros.checked_mul(i.into())?.div_euclid(MICROS_PER_DAY);
        i64::from(months.checked_add(step.days.checked_mul(i)?)?).checked_add(hours)
    };
    push_steps(start, stop, is_forward(step)?, item, |x, elements| elements.push(x as i32), out)
}

fn push_times(start: i64, stop: i64, step: Interval, clock: &mut Clock<'_>, out: &mut Column) -> Result<()> {
    let item = |i: i32| {
        let step = Interval {
            months: step.months.checked_mul(i)?,
            days: step.days.checked_mul(i)?,
            micros: step.micros.checked_mul(i.into())?,
        };
        timestamp_add(start, step, clock)
    };
    push_steps(start, stop, is_forward(step)?, item, |x, elements| elements.push(x), out)
}

/// The direction of a step; `None` if it stays where it is.
fn is_forward(step: Interval) -> Result<Option<bool>> {
    let length =
        step.total_micros(28).ok_or_else(|| Error::data("INVALID_PARAMETER_VALUE", "the step is too large"))?;
    Ok((length != 0).then_some(length > 0))
}

/// Items are counted from the start, so that months do not drift after a short one.
fn push_steps(
    start: i64,
    stop: i64,
    forward: Option<bool>,
    mut item: impl FnMut(i32) -> Option<i64>,
    push: impl Fn(i64, &mut Column),
    out: &mut Column,
) -> Result<()> {
    if start != stop && forward != Some(start < stop) {
        let text = "illegal sequence boundaries: the step does not lead from the start to the stop";
        return Err(Error::data("INVALID_PARAMETER_VALUE", text));
    }
    let mut items = Vec::new();
    for i in 0.. {
        match item(i) {
            Some(x) if (x <= stop && start <= stop) || (x >= stop && start >= stop) => items.push(x),
            _ => break,
        }
        bounded(items.len())?;
        if forward.is_none() {
            break;
        }
    }
    out.push_array(|elements| items.iter().for_each(|x| push(*x, elements)));
    Ok(())
}
