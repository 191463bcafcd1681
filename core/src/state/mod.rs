//! What a stateful operator remembers: which groups exist. Aggregates keep the values, by group id.
//!
//! ```text
//!   key columns ──KeyTable──► key id ─┐
//!                                     ├─Groups──► group id ──► accumulators (agg/)
//!   event time  ──panes─────► pane  ──┘
//! ```
//! Keys become small dense ids once, whatever their types (`packed`, and `radix` for integers that lie close together);
//! a pane maps key ids to group ids by a plain array. Ids are reused when their pane or key is gone, so that memory
//! follows what is live.

mod encode;
mod groups;
mod integers;
mod keys;
mod packed;
mod panes;
mod radix;
mod runs;
mod sparse;
mod texts;
mod unused;

pub use encode::{decode_row, encode_row, encode_row_exact, skip_row};
pub use groups::{Dropped, Groups};
pub use keys::KeyTable;
pub use panes::{NO_GROUP, Pane};
