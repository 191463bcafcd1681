//! Who looks after a query while its sink waits.

use firesteel_core::Error;

use super::QueryOptions;
use crate::{
    engine::{
        checkpointing::OnWarning,
        handle::{Doing, StreamingQuery},
    },
    sink::Attendant,
};

pub(super) struct SinkAttendant {
    handle: StreamingQuery,
    on_warning: Option<OnWarning>,
    has_checkpoint: bool,
}

impl SinkAttendant {
    pub(super) fn new(handle: &StreamingQuery, options: &QueryOptions) -> Self {
        let (on_warning, has_checkpoint) = (options.on_warning.clone(), options.checkpoint.is_some());
        Self { handle: handle.clone(), on_warning, has_checkpoint }
    }
}

impl Attendant for SinkAttendant {
    fn is_stop_requested(&self) -> bool {
        self.handle.is_stop_requested()
    }

    fn note_waiting(&self, waits: bool) {
        self.handle.set_doing(if waits { Doing::WaitingForSink } else { Doing::Processing });
    }

    fn warn(&self, text: &str) {
        if let Some(warn) = &self.on_warning {
            warn(text);
        }
    }

    fn cut_short(&self, reason: Error) -> Error {
        if !self.has_checkpoint {
            return reason.context("the query was stopped while it waited, with rows that are not written");
        }
        self.warn("the query stops before the rows of its last epoch are written: they come again from the checkpoint");
        Error::stopped()
    }
}
