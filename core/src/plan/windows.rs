//! `window(...)` and `session_window(...)` in a SELECT: found wherever they are written, checked as Spark checks them,
//! made into a node below the SELECT, and replaced by its column.

use alloc::{boxed::Box, format, string::String, vec, vec::Vec};

use super::{
    LogicalPlan, PlanBuilder, TimeWindow,
    builder::{column_of, projected_field, window_fields},
    select::{Select, each_expr},
};
use crate::{
    agg::{self},
    block::Value,
    error::{Error, Result, Span},
    expr::{BoundExpr, EvalMode, Expr, ExprKind, Scope, Settings, bind, cast, function},
    limits::WINDOWS_PER_ROW_MAX,
    schema::{DataType, Field, Schema, same_name},
    time::interval::parse_interval,
    window::WindowTime,
};

impl PlanBuilder {
    /// Puts a Window or Session node under the SELECT if one is asked for anywhere in it.
    pub(super) fn add_windows(self, select: &Select) -> Result<(Self, Vec<WindowColumn>)> {
        let mut calls: Vec<&Expr> = Vec::new();
        each_expr(select, &mut |e| {
            let is_new = is_window_call(e) && !calls.iter().any(|c| c.kind == e.kind);
            if is_new {
                calls.push(e);
            }
        });
        let mut builder = self;
        let mut windows: Vec<WindowColumn> = Vec::new();
        for call in calls {
            let input = WindowScope { schema: builder.schema(), windows: &windows, settings: &builder.settings };
            let made = make_window(call, input)?;
            if let Some(same) = windows.iter().find(|w| w.made == made) {
                windows.push(WindowColumn { written: call.kind.clone(), ..same.clone() });
                continue;
            }
            if !windows.is_empty() {
                let text = "one SELECT can have only one time window";
                return Err(Error::unsupported("MULTI_TIME_WINDOW_EXPRESSIONS", text)
                    .at(call.span)
                    .hint("make the second window over a subquery that selects the first"));
            }
            let column = builder.schema().len();
            windows.push(WindowColumn { written: call.kind.clone(), made: made.clone(), column });
            builder = builder.push_window(made);
        }
        Ok((builder, windows))
    }

    pub(super) fn push_window(self, made: Made) -> Self {
        // A column of the input with that name keeps it: `window` then means that column, as in Spark.
        let (time, name) = match &made {
            Made::Window(window) => (&window.time, "window"),
            Made::Session { time, .. } => (time, "session_window"),
        };
        let is_taken = self.schema().positions(None, name).next().is_some();
        let name = if is_taken { "new window" } else { name };
        let mut field = Field::new(name, DataType::window_of(time.data_type.clone())).nullable(false);
        field.event_time = event_time_of(time, self.schema());
        let mut fields = self.schema().fields().to_vec();
        fields.push(field);
        let schema = Schema::new(fields);
        self.wrap(|input| match made {
            Made::Window(window) => LogicalPlan::Window { input, window, schema },
            Made::Session { time, gap } => LogicalPlan::Session { input, time, gap, schema },
        })
    }
}

/// A window that the SELECT makes: how it was written and the column it became.
#[derive(Clone, Debug)]
pub(super) struct WindowColumn {
    written: ExprKind,
    made: Made,
    column: usize,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Made {
    Window(TimeWindow),
    Session { time: BoundExpr, gap: BoundExpr },
}

/// The input's columns, with window calls standing for the window column, and `window_time`.
#[derive(Clone, Copy)]
pub(super) struct WindowScope<'a> {
    pub(super) schema: &'a Schema,
    pub(super) windows: &'a [WindowColumn],
    pub(super) settings: &'a Settings,
}

impl Scope for WindowScope<'_> {
    fn schema(&self) -> &Schema {
        self.schema
    }

    fn resolve_special(&mut self, expr: &Expr) -> Option<Result<BoundExpr>> {
        if let Some(window) = self.windows.iter().find(|w| w.written == expr.kind) {
            return Some(Ok(column_of(self.schema, window.column)));
        }
        match &expr.kind {
            ExprKind::Function { name, .. } if agg::lookup(name).is_some() && function::lookup(name).is_none() => {
                let text = format!("{name}() is an aggregate, which cannot stand here");
                Some(Err(Error::invalid(text)
                    .class("INVALID_WHERE_CONDITION")
                    .at(expr.span)
                    .hint("filter aggregates with HAVING, or aggregate in a subquery")))
            }
            ExprKind::Function { name, args, .. } if same_name(name, "window_time") => {
                Some(window_time(args, *self, expr.span))
            }
            _ => None,
        }
    }

    fn aggregate_names(&self) -> Box<dyn Iterator<Item = &'static str>> {
        Box::new(agg::names())
    }
}

/// `window(time, size[, slide[, start]])` or `session_window(time, gap)`, arguments checked as Spark does.
pub(super) fn make_window(call: &Expr, mut scope: WindowScope<'_>) -> Result<Made> {
    let ExprKind::Function { name, args, .. } = &call.kind else { unreachable!("is_window_call looked at the kind") };
    let settings = scope.settings;
    let is_session = same_name(name, "session_window");
    let allowed = if is_session { 2..=2 } else { 2..=4 };
    if !allowed.contains(&args.len()) {
        let text = format!("{name}() takes {} to {} arguments", allowed.start(), allowed.end());
        return Err(Error::invalid(text).class("WRONG_NUM_ARGS").at(call.span));
    }
    let time = window_source(bind(&args[0], &mut scope, settings)?, &args[0], settings)?;
    if is_session {
        return Ok(Made::Session { time, gap: session_gap(&args[1], scope)? });
    }
    let literal = |i: usize| args.get(i).map(|e| window_micros(e, name)).transpose();
    let size_us = literal(1)?.unwrap_or(0);
    let slide_us = literal(2)?.unwrap_or(size_us);
    let start_us = literal(3)?.unwrap_or(0);
    check_window(size_us, slide_us, start_us).map_err(|e| e.at(call.span))?;
    Ok(Made::Window(TimeWindow { time, size_us, slide_us, start_us }))
}

/// The event time of a window: a timestamp, a date, or the `window_time` of a window struct.
pub(super) fn window_source(bound: BoundExpr, written: &Expr, settings: &Settings) -> Result<BoundExpr> {
    if window_fields(&bound.data_type).is_some() {
        return Ok(window_end(bound));
    }
    match bound.data_type {
        DataType::Timestamp | DataType::TimestampNtz => Ok(bound),
        DataType::Date | DataType::String => cast::implicit(bound, &DataType::Timestamp, settings),
        ref other => Err(Error::invalid(format!("the time of a window must be a TIMESTAMP, not {other}"))
            .class("DATATYPE_MISMATCH.UNEXPECTED_INPUT_TYPE")
            .at(written.span)
            .hint("convert it, e.g. with to_timestamp(...) or timestamp_seconds(...)")),
    }
}

pub(super) fn session_gap(gap: &Expr, mut scope: WindowScope<'_>) -> Result<BoundExpr> {
    let settings = scope.settings;
    let bound = bind(gap, &mut scope, settings)?;
    if let Some(text) = bound.as_literal().and_then(Value::as_str)
        && parse_interval(text).is_none()
    {
        return Err(invalid_interval(text, gap.span));
    }
    let from = bound.data_type.clone();
    cast::explicit(bound, &DataType::Interval, EvalMode::Legacy, settings).map_err(|_| {
        Error::invalid(format!("the gap of a session must be an interval such as '5 minutes', not {from}"))
            .class("DATATYPE_MISMATCH.UNEXPECTED_INPUT_TYPE")
            .at(gap.span)
    })
}

/// Spark takes only literals here: interval strings or microseconds.
pub(super) fn window_micros(expr: &Expr, name: &str) -> Result<i64> {
    match &expr.kind {
        ExprKind::Literal { value: Value::String(text), .. } => {
            let interval = parse_interval(text).ok_or_else(|| invalid_interval(text, expr.span))?;
            if interval.months != 0 {
                return Err(Error::invalid("intervals greater than a month are not supported in windows")
                    .at(expr.span)
                    .hint("use days: '30 days'"));
            }
            interval.total_micros(31).ok_or_else(|| invalid_interval(text, expr.span))
        }
        ExprKind::Literal { value, data_type: DataType::Int32 | DataType::Int64 } => Ok(value.as_i64().unwrap_or(0)),
        _ => Err(Error::invalid(format!("the durations of {name}() must be literals such as '5 seconds'"))
            .class("DATATYPE_MISMATCH.UNEXPECTED_INPUT_TYPE")
            .at(expr.span)
            .hint("write a string, not INTERVAL: '5 seconds'")),
    }
}

pub(super) fn invalid_interval(text: &str, span: Option<Span>) -> Error {
    Error::invalid(format!("'{text}' is not an interval"))
        .class("CANNOT_PARSE_INTERVAL")
        .at(span)
        .hint("write a number and a unit: '5 seconds', '1 hour 30 minutes'")
}

pub(super) fn check_window(size_us: i64, slide_us: i64, start_us: i64) -> Result<()> {
    let problem = if size_us <= 0 {
        "the window duration must be greater than 0"
    } else if slide_us <= 0 {
        "the slide duration must be greater than 0"
    } else if slide_us > size_us {
        "the slide duration must not be longer than the window duration"
    } else if start_us.unsigned_abs() >= slide_us.unsigned_abs() {
        "the start time must be shorter than the slide duration"
    } else if size_us / slide_us > WINDOWS_PER_ROW_MAX {
        "each row would be in more than a million windows: the slide is too short for the window"
    } else {
        return Ok(());
    };
    Err(Error::invalid(problem).class("DATATYPE_MISMATCH.PARAMETER_CONSTRAINT_VIOLATION"))
}

pub(super) fn event_time_of(time: &BoundExpr, schema: &Schema) -> Option<crate::schema::EventTime> {
    projected_field(time, String::new(), schema).event_time
}

/// `window_time(w)`: the last microsecond of a window.
pub(super) fn window_time(args: &[Expr], mut scope: WindowScope<'_>, span: Option<Span>) -> Result<BoundExpr> {
    let [arg] = args else {
        return Err(Error::invalid("window_time() takes 1 argument").class("WRONG_NUM_ARGS").at(span));
    };
    let settings = scope.settings;
    let bound = bind(arg, &mut scope, settings)?;
    if window_fields(&bound.data_type).is_none() {
        let text = format!("window_time() takes a window, not {}", bound.data_type);
        return Err(Error::invalid(text).class("DATATYPE_MISMATCH.UNEXPECTED_INPUT_TYPE").at(span));
    }
    Ok(window_end(bound).at(span))
}

pub(super) fn window_end(window: BoundExpr) -> BoundExpr {
    let data_type = window_fields(&window.data_type).cloned().unwrap_or(DataType::Timestamp);
    let nullable = window.nullable;
    BoundExpr::call(WindowTime, vec![window], data_type).nullable(nullable)
}
pub(super) fn is_window_call(expr: &Expr) -> bool {
    let is_window = |name: &str| ["window", "session_window"].iter().any(|window| same_name(name, window));
    matches!(&expr.kind, ExprKind::Function { name, .. } if is_window(name))
}
