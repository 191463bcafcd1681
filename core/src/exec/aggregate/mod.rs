//! Grouping and aggregation, in batch and in every output mode.
//!
//! ```text
//!            ┌ event time ─► pane ┐
//!   block ───┤                    ├─► group ids ─► accumulators of each aggregate
//!            └ keys ─► key ids ───┘
//!   end of the epoch:   panes ─► windows that closed / changed / all ─► rows ─► next operator
//! ```
//! `operator` evaluates keys and follows the epoch, `groups` routes rows to groups and forgets them again, `emit`
//! turns groups into rows (`stacks` merges the panes of sliding
//! windows), `accumulators` holds the aggregate calls, `late` counts what came too late, `hand_over`
//! is between workers, `session` is the operator for session windows.

mod accumulators;
mod emit;
mod gathered;
mod groups;
mod hand_over;
mod late;
mod operator;
mod room;
mod session;
mod stacks;
mod times;

pub(super) use operator::{AggregateOperator, input_of};
pub(super) use session::SessionOperator;
