//! Kernels over slices: what the hot paths do to whole columns.
//!
//! ```text
//!   kernel!(range of timestamps)          one algorithm over a fixed number of virtual lanes
//!      ├─ scalar    a row at a time, written for the eye: the oracle, always compiled
//!      └─ lanes     the same function compiled for each level: baseline (SSE2, NEON), AVX2, AVX-512
//! ```
//! Every level gives the same bits: the number of lanes and the order in which they are folded are part of an
//! algorithm's definition, and nothing contracts a multiplication with an addition. The level is found once and can be
//! forced lower, so that tests compare all that a machine has. An intrinsic is kept only where a bench shows that it
//! wins over what the compiler makes of the plain loop.
#![allow(unsafe_code, reason = "calls functions compiled for what the CPU was found to have")]

mod compensated;
mod level;
mod lookup;
mod mask;
mod pairs;
mod places;
mod prefetch;
mod select;
mod summary;
mod times;

pub use compensated::{add_by_group_compensated, sum_compensated, two_sum};
pub use level::Level;
pub use lookup::{Index, all_equal, lookup, lookup_among, lookup_radix, lookup_twice};
pub use mask::{mask_of, mask_of_two};
pub use pairs::{fold_pairs, map_pairs};
pub use places::{PLACES_BEHIND, places_of};
pub use prefetch::ask_for;
pub use select::Positions;
pub use summary::{LANES, RUN, Summary, add_by_group, fold_lanes, summarize};
pub use times::{panes_between, times, times_of};
