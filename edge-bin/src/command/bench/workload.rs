//! What is measured: queries over rows `{ts, id, host, value}` in a ring, each with its rows.

/// How the keys of rows follow each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keys {
    /// Each equally likely, in no order.
    Uniform,
    /// The k-th most frequent 1/k times as often as the first.
    Zipf,
    /// 64 rows of one key after another.
    Runs,
    /// One key.
    Same,
}

/// The rows of a workload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Data {
    pub keys: Keys,
    /// Number of keys.
    pub count: u32,
    /// Keys are host names, too.
    pub has_hosts: bool,
    /// One row in ten is up to five seconds late.
    pub is_late: bool,
}

/// A query and the rows it is measured on.
#[derive(Clone, Copy, Debug)]
pub struct Workload {
    pub name: &'static str,
    pub data: Data,
    /// Over table `t`; its first column counts rows, its second sums values.
    pub sql: &'static str,
    /// Bytes that it reads of a row: of times nothing where blocks of one window tell between which two they lie.
    pub bytes: u32,
    /// Rows that it lets through and windows that a row is in: how often it counts each row on average; `None` if that
    /// depends on chance.
    pub times_counted: Option<u32>,
}

const PLAIN: Data = Data { keys: Keys::Uniform, count: 1_000, has_hosts: false, is_late: false };

macro_rules! aggregates {
    () => {
        "SELECT count(*) AS n, sum(value) AS total, min(value) AS low, max(value) AS high, avg(value) AS mean FROM t "
    };
}

const BY_ID: &str = concat!(aggregates!(), "GROUP BY window(ts, '1 second'), id");

/// All workloads, those that read the same rows side by side.
pub const ALL: &[Workload] = &[
    Workload {
        name: "1-second windows, no key",
        data: PLAIN,
        sql: concat!(aggregates!(), "GROUP BY window(ts, '1 second')"),
        bytes: 8,
        times_counted: Some(1),
    },
    Workload { name: "by 1,000 ids", data: PLAIN, sql: BY_ID, bytes: 12, times_counted: Some(1) },
    Workload {
        name: "sliding 60 s by 1 s, 1,000 ids",
        data: PLAIN,
        sql: concat!(aggregates!(), "GROUP BY window(ts, '60 seconds', '1 second'), id"),
        bytes: 12,
        times_counted: Some(60),
    },
    Workload {
        name: "sliding 10 s by 3 s, 1,000 ids",
        data: PLAIN,
        sql: concat!(aggregates!(), "GROUP BY window(ts, '10 seconds', '3 seconds'), id"),
        bytes: 12,
        times_counted: None,
    },
    Workload {
        name: "WHERE lets 10 % through, 1,000 ids",
        data: PLAIN,
        sql: concat!(aggregates!(), "WHERE value < 100 GROUP BY window(ts, '1 second'), id"),
        bytes: 12,
        times_counted: None,
    },
    Workload {
        name: "WHERE lets 50 % through, 1,000 ids",
        data: PLAIN,
        sql: concat!(aggregates!(), "WHERE value < 500 GROUP BY window(ts, '1 second'), id"),
        bytes: 12,
        times_counted: None,
    },
    Workload {
        name: "WHERE lets 90 % through, 1,000 ids",
        data: PLAIN,
        sql: concat!(aggregates!(), "WHERE value < 900 GROUP BY window(ts, '1 second'), id"),
        bytes: 12,
        times_counted: None,
    },
    Workload {
        name: "value * 1.8 + 32 by 1,000 ids",
        data: PLAIN,
        sql: "SELECT count(*) AS n, sum(f) AS total, min(f) AS low, max(f) AS high, avg(f) AS mean \
              FROM (SELECT ts, id, value * 1.8D + 32D AS f FROM t) GROUP BY window(ts, '1 second'), id",
        bytes: 12,
        times_counted: Some(1),
    },
    Workload {
        name: "sessions of 5 ms gaps, 1,000 ids",
        data: PLAIN,
        sql: concat!(aggregates!(), "GROUP BY session_window(ts, '5 milliseconds'), id"),
        bytes: 20,
        times_counted: Some(1),
    },
    Workload {
        name: "by 1,000 ids, Zipf",
        data: Data { keys: Keys::Zipf, ..PLAIN },
        sql: BY_ID,
        bytes: 12,
        times_counted: Some(1),
    },
    Workload {
        name: "by 1,000 ids, runs of 64",
        data: Data { keys: Keys::Runs, ..PLAIN },
        sql: BY_ID,
        bytes: 12,
        times_counted: Some(1),
    },
    Workload {
        name: "by 1,000 ids, all the same",
        data: Data { keys: Keys::Same, ..PLAIN },
        sql: BY_ID,
        bytes: 12,
        times_counted: Some(1),
    },
    Workload {
        name: "by 1,000 ids, 10 % late",
        data: Data { is_late: true, ..PLAIN },
        sql: BY_ID,
        bytes: 20,
        times_counted: Some(1),
    },
    Workload {
        name: "by 100,000 ids",
        data: Data { count: 100_000, ..PLAIN },
        sql: BY_ID,
        bytes: 12,
        times_counted: Some(1),
    },
    Workload {
        name: "by 1,000 host names",
        data: Data { has_hosts: true, ..PLAIN },
        sql: concat!(aggregates!(), "GROUP BY window(ts, '1 second'), host"),
        bytes: 21,
        times_counted: Some(1),
    },
];
