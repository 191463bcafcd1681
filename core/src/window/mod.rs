//! Time windows as arithmetic: timestamp → pane → windows. Everything is `i64` microseconds.
//!
//! A row goes to exactly one *pane*: panes are as long as the greatest common divisor of window size and slide, so
//! every window is a whole number of panes, and a row in many sliding windows is aggregated once.
//!
//! ```text
//!   size 10, slide 4, pane 2      pane │0 │2 │4 │6 │8 │10│12│
//!   windows                            [0            10)
//!                                           [4             14)
//! ```
//! Source of the rules: Spark's `TimeWindow` and `SessionWindow` expressions.

mod panes;
mod window_time;

pub use panes::Panes;
pub use window_time::WindowTime;
