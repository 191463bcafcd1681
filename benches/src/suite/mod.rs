//! The suite of queries that LightSaber (SIGMOD 2020) was measured with: data, SQL texts, and the plain loops that
//! answer the same.

pub mod data;
pub mod naive;
pub mod plain;

use firesteel_core::block::{Block, BlockRef, Values};

use crate::stream::{Input, Query, Ring};

/// One query of the suite.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    /// Its name there.
    pub name: &'static str,
    /// The query.
    pub sql: &'static str,
    /// The columns of the stream.
    pub ddl: &'static str,
    /// The rows.
    pub ring: fn() -> Ring,
    /// Length and distance of windows, seconds.
    pub window: (i64, i64),
    /// Blocks of an epoch: the rows that LightSaber takes at once.
    pub epoch_blocks: usize,
    /// Blocks that are enough to check the answer.
    pub checked_blocks: usize,
    /// The plain loop over the same blocks.
    pub plain: fn() -> Box<dyn plain::Plain>,
    /// Key columns and aggregate of a row, for the naive evaluator; `None` if a WHERE drops it.
    pub row: fn(&BlockRef<'_>, usize) -> Option<naive::Row>,
    /// Keys and results of a result row.
    pub width: (usize, usize),
    /// What comes out of a group, and whether.
    pub result: fn(&naive::Cell) -> Option<naive::Results>,
}

/// A row of a result: the start of its window, its keys, its results, each as 64 bits.
pub type Answer = [i64; 6];

impl Case {
    /// The query, ready to run.
    pub fn query(&self, campaigns: &Block) -> Query {
        let stream = Input { name: "events", ddl: self.ddl, rows: None };
        let table = Input { name: "campaigns", ddl: data::CAMPAIGNS, rows: Some(campaigns) };
        Query::new(self.sql, &[stream, table])
    }
}

/// The rows of a result block.
pub fn answers(block: &BlockRef<'_>, columns: usize, to: &mut Vec<Answer>) {
    block.rows().for_each(|row| {
        let mut answer = Answer::default();
        for (i, value) in answer[..columns].iter_mut().enumerate() {
            let column = block.column(i);
            let row = column.index(row);
            *value = match column.values {
                Values::Int32(v) => v[row].into(),
                Values::Int64(v) => v[row],
                Values::Float64(v) => v[row].to_bits() as i64,
                other => panic!("no result of these queries is {other:?}"),
            };
        }
        to.push(answer);
    });
}

/// The suite.
pub const CASES: [Case; 6] = [
    Case {
        name: "CM1",
        sql: "SELECT window.start AS at, category, sum(cpu) AS cpu
              FROM STREAM events WATERMARK ts DELAY OF INTERVAL 0 SECONDS
              GROUP BY window(ts, '60 seconds', '1 second'), category",
        ddl: data::CLUSTER,
        ring: data::cluster,
        window: (60, 1),
        epoch_blocks: 2,
        checked_blocks: 32,
        plain: plain::cm1,
        row: naive::cm1,
        width: (1, 1),
        result: naive::sum,
    },
    Case {
        name: "SG1",
        sql: "SELECT window.start AS at, avg(value) AS load
              FROM STREAM events WATERMARK ts DELAY OF INTERVAL 0 SECONDS
              GROUP BY window(ts, '3600 seconds', '1 second')",
        ddl: data::GRID,
        ring: data::grid,
        window: (3_600, 1),
        epoch_blocks: 4,
        checked_blocks: 128,
        plain: plain::sg1,
        row: naive::sg1,
        width: (0, 1),
        result: naive::mean,
    },
    Case {
        name: "SG2",
        sql: "SELECT window.start AS at, plug, household, house, avg(value) AS load
              FROM STREAM events WATERMARK ts DELAY OF INTERVAL 0 SECONDS
              GROUP BY window(ts, '128 seconds', '1 second'), plug, household, house",
        ddl: data::GRID,
        ring: data::grid,
        window: (128, 1),
        epoch_blocks: 4,
        checked_blocks: 32,
        plain: plain::sg2,
        row: naive::sg2,
        width: (3, 1),
        result: naive::mean,
    },
    Case {
        name: "LRB1",
        sql: "SELECT window.start AS at, highway, direction, position DIV 5280 AS segment, avg(speed) AS speed
              FROM STREAM events WATERMARK ts DELAY OF INTERVAL 0 SECONDS
              GROUP BY window(ts, '300 seconds', '1 second'), highway, direction, position DIV 5280
              HAVING avg(speed) < 40",
        ddl: data::ROAD,
        ring: data::road,
        window: (300, 1),
        epoch_blocks: 4,
        checked_blocks: 12,
        plain: plain::lrb1,
        row: naive::lrb1,
        width: (3, 1),
        result: naive::slow,
    },
    Case {
        name: "LRB2",
        sql: "SELECT window.start AS at, vehicle, highway, direction, position DIV 5280 AS segment, count(*) AS n
              FROM STREAM events WATERMARK ts DELAY OF INTERVAL 0 SECONDS
              GROUP BY window(ts, '30 seconds', '1 second'), vehicle, highway, direction, position DIV 5280",
        ddl: data::ROAD,
        ring: data::road,
        window: (30, 1),
        epoch_blocks: 2,
        checked_blocks: 8,
        plain: plain::lrb2,
        row: naive::lrb2,
        width: (4, 1),
        result: naive::count,
    },
    Case {
        name: "YSB",
        sql: "SELECT window.start AS at, campaign_id, count(*) AS n, max(ts) AS last
              FROM STREAM events WATERMARK ts DELAY OF INTERVAL 0 SECONDS
              JOIN campaigns ON ad_id = campaign_ad
              WHERE event_type = 0
              GROUP BY window(ts, '100 seconds'), campaign_id",
        ddl: data::ADS,
        ring: || data::ads(1 << 17, false),
        window: (100, 100),
        epoch_blocks: 2,
        checked_blocks: 80,
        plain: plain::ysb,
        row: naive::ysb,
        width: (1, 2),
        result: naive::count_and_last,
    },
];
