//! The streams of a session.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use firesteel_core::{Error, Result};

use crate::engine::{QueryListener, StreamingQuery};

/// How many queries that have ended a session remembers, for those who ask which one has.
const ENDED_MAX: usize = 100;

/// How often those who wait for any of several queries look at them.
const ANY_POLL: Duration = Duration::from_millis(10);

/// The streams that run in a session, and who is told about them.
#[derive(Default)]
pub struct StreamingQueryManager {
    queries: Mutex<Vec<StreamingQuery>>,
    listeners: Mutex<Vec<Arc<dyn QueryListener>>>,
}

impl StreamingQueryManager {
    /// The queries that still run.
    pub fn active(&self) -> Vec<StreamingQuery> {
        lock(&self.queries).iter().filter(|query| query.is_active()).cloned().collect()
    }

    /// The query with this identity, if it runs.
    pub fn get(&self, id: &str) -> Option<StreamingQuery> {
        self.active().into_iter().find(|query| query.id() == id)
    }

    /// Waits until one of the queries has ended, or finds that one has; its error if it failed.
    pub fn await_any_termination(&self) -> Result<()> {
        let queries = lock(&self.queries).clone();
        while !queries.is_empty() {
            if let Some(ended) = queries.iter().find(|query| !query.is_active()) {
                return ended.await_termination();
            }
            std::thread::sleep(ANY_POLL);
        }
        Ok(())
    }

    /// Forgets queries that have ended, so that [`StreamingQueryManager::await_any_termination`] waits for the others.
    pub fn reset_terminated(&self) {
        lock(&self.queries).retain(StreamingQuery::is_active);
    }

    /// Asks all queries to stop and waits until they have; the first error, if one has failed.
    pub fn stop_all(&self) -> Result<()> {
        let queries = lock(&self.queries).clone();
        queries.iter().for_each(StreamingQuery::request_stop);
        queries.iter().map(StreamingQuery::await_termination).fold(Ok(()), Result::and)
    }

    pub(super) fn add_listener(&self, listener: Arc<dyn QueryListener>) {
        lock(&self.listeners).push(listener);
    }

    pub(super) fn listeners(&self) -> Vec<Arc<dyn QueryListener>> {
        lock(&self.listeners).clone()
    }

    /// Refuses a name that a running query has.
    pub(super) fn check_name(&self, name: Option<&str>) -> Result<()> {
        match self.active().iter().find(|query| name.is_some() && query.name() == name) {
            None => Ok(()),
            Some(query) => {
                Err(Error::invalid(format!("a query named {:?} is running already", query.name().unwrap_or("")))
                    .hint("stop it first, or give another query_name"))
            }
        }
    }

    pub(super) fn add(&self, query: StreamingQuery) {
        let mut queries = lock(&self.queries);
        let ended = queries.iter().filter(|query| !query.is_active()).count();
        if ended >= ENDED_MAX
            && let Some(oldest) = queries.iter().position(|query| !query.is_active())
        {
            queries.remove(oldest);
        }
        queries.push(query);
    }
}

impl fmt::Debug for StreamingQueryManager {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamingQueryManager").field("active", &self.active()).finish_non_exhaustive()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A panic while the lock was held left plain data behind, which is as good as any.
    mutex.lock().unwrap_or_else(|e| e.into_inner())
}
