//! Joins of two streams, from SQL text to rows, epoch by epoch: Spark's answers to given rows, and any rows against
//! a naive model.

mod answers;
mod model;

use alloc::{format, string::String, sync::Arc, vec::Vec};

use crate::{
    block::{Block, BlockRef, Value},
    error::Result,
    exec::{Driver, DriverOptions},
    expr::Settings,
    plan::{Catalog, LogicalPlan, OutputMode, PlanBuilder, Table, check, rewrite},
    schema::{DataType, Schema},
    sql::{StatementKind, parse, plan_query},
    time::MICROS_PER_SECOND,
};

/// Times in the tests are seconds since this one, 2025-01-01.
pub(super) const START_S: i64 = 1_735_689_600;

/// Tables by name, all streams or all not.
pub(super) struct Tables {
    tables: Vec<Arc<Table>>,
    is_stream: bool,
    settings: Settings,
}

impl Tables {
    fn new(tables: &[(&str, &str)], is_stream: bool) -> Self {
        let table = |&(name, ddl): &(&str, &str)| {
            let schema = Schema::parse_ddl(ddl).unwrap();
            Arc::new(Table { name: name.into(), provider: "memory".into(), schema, ..Table::default() })
        };
        Self { tables: tables.iter().map(table).collect(), is_stream, settings: Settings::default() }
    }
}

impl Catalog for Tables {
    fn relation(&self, name: &[String], _: bool, _: &[(String, String)]) -> Result<PlanBuilder> {
        let table = self.tables.iter().find(|t| t.name == name[0]).unwrap().clone();
        Ok(PlanBuilder::scan(table, self.is_stream, Arc::new(self.settings.clone())))
    }

    fn relation_names(&self) -> Vec<String> {
        Vec::new()
    }

    fn settings(&self) -> &Settings {
        &self.settings
    }
}

/// The rows of a table in an epoch; `None` after the last.
pub(super) type Data<'a> = &'a dyn Fn(&str, usize) -> Option<Vec<Vec<Value>>>;

/// What a query runs over and how.
pub(super) struct Run<'a> {
    pub(super) tables: &'a [(&'a str, &'a str)],
    pub(super) mode: Option<OutputMode>,
    pub(super) block_rows: usize,
    /// Reads the tables in the order of the query, else the last first.
    pub(super) in_order: bool,
    /// Ends with an epoch in which everything closes.
    pub(super) is_ended: bool,
    /// After each epoch another driver goes on with what the last one saved.
    pub(super) restarts: bool,
    /// Leaves results in the order in which they came.
    pub(super) keeps_order: bool,
}

/// An epoch as the tests see it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Epoch {
    /// In order of their text.
    pub(super) rows: Vec<String>,
    pub(super) watermark_ms: Option<i64>,
    /// Rows waiting, rows dropped as late: of all stateful operators, topmost first.
    pub(super) state: Vec<(u64, u64)>,
}

impl Run<'_> {
    pub(super) fn plan(&self, query: &str) -> Result<LogicalPlan> {
        let tables = Tables::new(self.tables, self.mode.is_some());
        let StatementKind::Query(query) = parse(query, &|_| None)?.remove(0).kind else { panic!("a query") };
        let plan = plan_query(&query, &tables)?.into_plan();
        if let Some(mode) = self.mode {
            check(&plan, mode)?;
        }
        Ok(rewrite(plan))
    }

    /// Runs a query over the rows of each table, epoch by epoch.
    pub(super) fn run(&self, query: &str, data: Data<'_>) -> Result<Vec<Epoch>> {
        let plan = self.plan(query)?;
        let options = DriverOptions { mode: self.mode, block_rows: self.block_rows, ..DriverOptions::default() };
        let mut driver = Driver::new(&plan, options)?;
        let mut epochs = Vec::new();
        loop {
            let mut stages = driver.stages();
            if !self.in_order {
                stages.iter_mut().for_each(|stage| stage.scans.reverse());
            }
            let scans = || stages.iter().flat_map(|s| &s.scans);
            let has_data = scans().any(|s| data(&s.scan.table.name, epochs.len()).is_some());
            let is_last = !has_data && !driver.wants_empty_epoch();
            if is_last && !self.is_ended {
                return Ok(epochs);
            }
            let mut rows = Vec::new();
            let mut sink = |block: &BlockRef<'_>| {
                block.rows().for_each(|row| rows.push(show_row(&plan, block, row)));
                Ok(())
            };
            match is_last {
                true => driver.begin_final_epoch(0),
                false => driver.begin_epoch(0),
            }
            for stage in &stages {
                driver.begin_stage(stage.stage);
                for scan in &stage.scans {
                    let table = data(&scan.scan.table.name, epochs.len()).unwrap_or_default();
                    for chunk in table.chunks(self.block_rows) {
                        let mut block = Block::new(&scan.scan.schema);
                        chunk.iter().for_each(|row| block.push_row(row));
                        driver.push(scan.port, &block.view(), &mut sink)?;
                    }
                }
                driver.finish_stage(stage.stage, &mut sink)?;
            }
            let report = driver.end_epoch();
            if !self.keeps_order {
                rows.sort();
            }
            let state = driver.state_metrics().map(|s| (s.rows_total, s.rows_dropped_by_watermark)).collect();
            if self.restarts {
                driver = super::restarted(&driver, &plan, options);
            }
            epochs.push(Epoch { rows, watermark_ms: report.watermark_ms, state });
            if is_last || self.mode.is_none() {
                return Ok(epochs);
            }
        }
    }
}

fn show_row(plan: &LogicalPlan, block: &BlockRef<'_>, row: usize) -> String {
    let values = plan.schema().fields().iter().enumerate().map(|(c, field)| {
        match (&field.data_type, block.column(c).value(row)) {
            (_, Value::Null) => "-".into(),
            (DataType::Timestamp, Value::Int64(us)) => show_time(us),
            (_, Value::Int32(v)) => format!("{v}"),
            (_, Value::Int64(v)) => format!("{v}"),
            (_, Value::Float64(v)) => format!("{v}"),
            (_, Value::String(v)) => v,
            (_, other) => format!("{other:?}"),
        }
    });
    values.collect::<Vec<_>>().join(" ")
}

/// Seconds since the start, fractions only if there are any.
fn show_time(us: i64) -> String {
    let us = us - START_S * MICROS_PER_SECOND;
    match us % MICROS_PER_SECOND {
        0 => format!("{}", us / MICROS_PER_SECOND),
        _ => format!("{us}us"),
    }
}

/// Rows from text: `1 x 5 | 2 - 7` by the types of a table.
fn read_rows(ddl: &str, text: &str) -> Vec<Vec<Value>> {
    let schema = Schema::parse_ddl(ddl).unwrap();
    let value = |(data_type, word): (&DataType, &str)| match data_type {
        _ if word == "-" => Value::Null,
        DataType::Timestamp => ((START_S + word.parse::<i64>().unwrap()) * MICROS_PER_SECOND).into(),
        DataType::Int32 => word.parse::<i32>().unwrap().into(),
        DataType::Float64 => word.parse::<f64>().unwrap().into(),
        _ => word.into(),
    };
    let row = |row: &str| schema.fields().iter().map(|f| &f.data_type).zip(row.split_whitespace()).map(value).collect();
    text.split('|').filter(|row| !row.trim().is_empty()).map(row).collect()
}
