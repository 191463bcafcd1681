//! Columns by function: the aggregates and windows that most jobs need; [`call_function`] reaches all others by Spark's
//! name for them.

use firesteel_core::{
    Error, Result,
    expr::{Expr, ExprKind, Settings},
    time::interval::parse_interval,
};

pub use firesteel_core::expr::{col, lit};

use super::{IntoColumn, frame::one_expression};

/// `count(*)`: the number of rows.
pub fn count_all() -> Expr {
    Expr::function("count", [Expr::new(ExprKind::Star(None))])
}

macro_rules! aggregates {
    ($($(#[$doc:meta])* $name:ident)*) => {$(
        $(#[$doc])*
        pub fn $name(column: impl IntoColumn) -> Expr {
            Expr::function(stringify!($name), [column.into_column()])
        }
    )*};
}

aggregates! {
    /// The number of values that are not NULL.
    count
    /// The sum of the values.
    sum
    /// The mean of the values.
    avg
    /// The least value.
    min
    /// The greatest value.
    max
    /// The first value of the group, as rows come.
    first
    /// The last value of the group, as rows come.
    last
    /// About how many different values there are.
    approx_count_distinct
    /// The standard deviation of a sample.
    stddev
    /// One row for each element of an array.
    explode
}

/// The number of different values; batch only.
pub fn count_distinct(column: impl IntoColumn) -> Expr {
    let mut call = count(column);
    if let ExprKind::Function { distinct, .. } = &mut call.kind {
        *distinct = true;
    }
    call
}

/// Windows of event time that follow each other: `window("ts", "1 minute")?`.
pub fn window(time: impl IntoColumn, size: &str) -> Result<Expr> {
    Ok(Expr::function("window", [time.into_column(), duration(size)?]))
}

/// Windows of event time that overlap: one of length `size` begins every `slide`.
pub fn window_sliding(time: impl IntoColumn, size: &str, slide: &str) -> Result<Expr> {
    Ok(Expr::function("window", [time.into_column(), duration(size)?, duration(slide)?]))
}

/// Sessions: a window that stays open until nothing has come for `gap`.
pub fn session_window(time: impl IntoColumn, gap: &str) -> Result<Expr> {
    Ok(Expr::function("session_window", [time.into_column(), duration(gap)?]))
}

/// A function by its name in SQL: `call_function("upper", [col("name")])`.
pub fn call_function(name: &str, args: impl Into<Vec<Expr>>) -> Expr {
    Expr::function(name, args)
}

/// An expression as SQL text: `expr("v * 2 AS twice")?`. Literals of timestamps in it are read in UTC;
/// [`DataFrame::select_expr`](super::DataFrame::select_expr) reads them in the session's time zone.
///
/// ```
/// use firesteel_io::session::{Session, expr};
///
/// let frame = Session::new()?.range(0, 3).select([expr("id * id AS square")?])?;
/// assert_eq!(frame.columns(), ["square"]);
/// # Ok::<(), firesteel_core::Error>(())
/// ```
pub fn expr(text: &str) -> Result<Expr> {
    one_expression(text, &Settings::default())
}

fn duration(text: &str) -> Result<Expr> {
    if parse_interval(text).is_none() {
        return Err(Error::unsupported("CANNOT_PARSE_INTERVAL", format!("'{text}' is not an interval"))
            .hint("write a number and a unit: '5 seconds', '1 hour 30 minutes'"));
    }
    Ok(lit(text))
}
