//! The operators without groups, one file each.

mod buffered;
mod deduplicate;
mod explode;
mod filter;
mod join;
mod join_partners;
mod join_streams;
mod lazy;
mod limit;
mod project;
mod sort;
mod watermark;
mod window;

pub(super) use deduplicate::DeduplicateOperator;
pub(super) use explode::ExplodeOperator;
pub(super) use filter::FilterOperator;
pub(super) use join::{BUILD_PORT, JoinOperator};
pub(super) use join_streams::StreamJoinOperator;
pub(super) use limit::LimitOperator;
pub(super) use project::{ProjectOperator, evaluate};
pub(super) use sort::SortOperator;
pub(super) use watermark::{WatermarkOperator, event_time};
pub(super) use window::WindowOperator;
