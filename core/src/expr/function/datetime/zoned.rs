//! The present, and moving readings from zone to zone: current_timestamp, from_utc_timestamp, convert_timezone.

use alloc::{format, string::String};

use jiff::tz::TimeZone;

use super::super::{Call, Function, define::each_row};
use crate::{
    block::{Native, Value},
    error::{Error, Result},
    expr::{BoundExpr, EvalContext},
    schema::DataType,
    time::{Clock, MICROS_PER_DAY, Micros, zone},
};

pub(in super::super) const FUNCTIONS: &[Function] = &[
    Function { names: &["current_timestamp", "now"], bind: |call| present(call, DataType::Timestamp, |now, _| now) },
    Function { names: &["localtimestamp"], bind: |call| present(call, DataType::TimestampNtz, local) },
    Function {
        names: &["current_date", "curdate"],
        bind: |call| present(call, DataType::Date, |now, zone| local(now, zone).div_euclid(MICROS_PER_DAY) as i32),
    },
    Function { names: &["current_timezone"], bind: current_timezone },
    Function { names: &["from_utc_timestamp"], bind: |call| utc_timestamp(call, true) },
    Function { names: &["to_utc_timestamp"], bind: |call| utc_timestamp(call, false) },
    Function { names: &["convert_timezone"], bind: convert_timezone },
];

fn local(now: Micros, zone: &TimeZone) -> Micros {
    zone::instant_to_local(now, zone)
}

/// What is the same for every row of an epoch.
fn present<R: Native>(
    call: Call<'_>,
    data_type: DataType,
    f: impl Fn(Micros, &TimeZone) -> R + Send + Sync + 'static,
) -> Result<BoundExpr> {
    call.arity(0..=0)?;
    let zone = call.settings.time_zone.clone();
    call.run(data_type, move |cx: &EvalContext, _, rows, out| {
        out.native_mut::<R>(rows.len()).fill(f(cx.now_us, &zone));
        Ok(())
    })
}

fn current_timezone(call: Call<'_>) -> Result<BoundExpr> {
    call.arity(0..=0)?;
    Ok(BoundExpr::literal(Value::String(call.settings.time_zone_name.clone()), DataType::String))
}

fn utc_timestamp(mut call: Call<'_>, from_utc: bool) -> Result<BoundExpr> {
    call.typed(&[DataType::Timestamp, DataType::String])?;
    call.run(DataType::Timestamp, move |_, args, rows, out| {
        let mut zones = Zones::default();
        each_row(args, rows, out, |row, out| {
            let zone = zones.find(args[1].str_at(row))?;
            let time = args[0].as_slice::<i64>()[args[0].index(row)];
            let moved = if from_utc { Some(local(time, zone)) } else { zone::local_to_instant(time, zone) };
            out.push(super::fits(moved, "a timestamp is moved too far")?);
            Ok(())
        })
    })
}

/// `convert_timezone([from,] to, reading)`; the session's zone is the default `from`.
fn convert_timezone(mut call: Call<'_>) -> Result<BoundExpr> {
    call.arity(2..=3)?;
    if call.args.len() == 2 {
        let session = Value::String(call.settings.time_zone_name.clone());
        call.args.insert(0, BoundExpr::literal(session, DataType::String));
    }
    call.typed(&[DataType::String, DataType::String, DataType::TimestampNtz])?;
    call.run(DataType::TimestampNtz, |_, args, rows, out| {
        let (mut sources, mut targets) = (Zones::default(), Zones::default());
        each_row(args, rows, out, |row, out| {
            let source = sources.find(args[0].str_at(row))?;
            let target = targets.find(args[1].str_at(row))?;
            let reading = args[2].as_slice::<i64>()[args[2].index(row)];
            let instant = super::fits(Clock::new(source).instant(reading), "a timestamp is moved too far")?;
            out.push(Clock::new(target).local(instant));
            Ok(())
        })
    })
}

/// The zone that was named last, so that a constant name is looked up once a block.
#[derive(Default)]
pub(super) struct Zones {
    last: Option<(String, TimeZone)>,
}

impl Zones {
    pub(super) fn find(&mut self, name: &str) -> Result<&TimeZone> {
        let known = self.last.as_ref().is_some_and(|(last, _)| last == name);
        if !known {
            let zone = zone::find(name).ok_or_else(|| unknown_zone(name))?;
            self.last = Some((name.into(), zone));
        }
        let last = self.last.as_ref().map(|(_, zone)| zone);
        last.ok_or_else(|| unknown_zone(name))
    }
}

fn unknown_zone(name: &str) -> Error {
    Error::data("INVALID_TIMEZONE", format!("there is no time zone {name}"))
        .hint("a region such as 'Europe/Berlin' or an offset such as '+02:00'")
}
