//! What a stream does when its state takes all the memory that it may: it fails, or lets nobody new in.
//!
//! Memory that groups leave is kept for those that follow, so bytes do not say when there is room again: groups do. A
//! stream that is full may have as many groups as it had then, and fewer if it still grows.

use super::pipeline::{Pipeline, check_memory};
use crate::{error::Result, limits::GROUPS_MAX};

/// Groups of a stream that drops new ones, whatever memory there is: keys that come again are kept for a while, and
/// then there may be three times as many keys as groups.
const GROUPS_MAX_WITH_IDLE_KEYS: usize = GROUPS_MAX / 4;
/// A state that is full has grown again if it is so much larger: an eighth.
const GROWTH: u64 = 8;

const RIGID_HINT: &str = "give it more with --memory: only groups of aggregations can do without new keys, rows that \
                          joins, deduplication and ORDER BY keep cannot be dropped";

/// What becomes of rows of new groups when the state of a stream is full.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnFullState {
    /// The query fails.
    #[default]
    Fail,
    /// They are dropped and counted; groups that are there go on.
    DropNewKeys,
}

/// How a stream that drops new groups stands.
#[derive(Debug, Default)]
pub(super) struct Fullness {
    /// While it is full: bytes held when it became so, and when groups were last counted.
    full: Option<(u64, u64)>,
}

impl Fullness {
    pub(super) fn is_full(&self) -> bool {
        self.full.is_some()
    }

    /// Before the first row, and when there is room again.
    pub(super) fn start(pipeline: &mut Pipeline) {
        pipeline.streaming_nodes().for_each(|node| node.operator.limit_groups(GROUPS_MAX_WITH_IDLE_KEYS));
    }

    /// Looks at what a stream holds beside `others`. It is an error if that is too much all the same:
    /// because it is not held by groups, or because groups that are there (lists, say) take as much again.
    pub(super) fn check(&mut self, pipeline: &mut Pipeline, others: u64, most: u64) -> Result<()> {
        let all = others + pipeline.nodes.iter().map(|node| node.operator.memory_bytes()).sum::<u64>();
        let in_groups: u64 = pipeline.streaming_nodes().filter_map(|node| node.group_bytes()).sum();
        check_memory(all - in_groups, Some(most)).map_err(|error| error.hint(RIGID_HINT))?;
        match self.full {
            None if all <= most => {}
            Some(_) if all <= most => {
                self.full = None;
                Self::start(pipeline);
            }
            None => {
                self.full = Some((all, all));
                limit(pipeline, 1, 1);
            }
            Some((first, _)) if all > first.saturating_add(most) => check_memory(all, Some(most))?,
            Some((first, last)) if all > last + last / GROWTH => {
                self.full = Some((first, all));
                limit(pipeline, GROWTH as usize - 1, GROWTH as usize);
            }
            Some(_) => {}
        }
        Ok(())
    }
}

/// Each may have this part of the groups that it has.
fn limit(pipeline: &mut Pipeline, part: usize, of: usize) {
    for node in pipeline.streaming_nodes() {
        if let Some(groups) = node.operator.group_count() {
            node.operator.limit_groups(groups / of * part + groups % of * part / of);
        }
    }
}
