//! A small catalog, and queries over a few rows of it, epoch by epoch, as an engine runs them: plan, check, rewrite,
//! driver.

use std::sync::Arc;

use firesteel_core::{
    Error, Result,
    block::{Block, BlockRef, Value},
    exec::{Driver, DriverOptions},
    expr::Settings,
    plan::{Catalog, LogicalPlan, OutputMode, PlanBuilder, Table, check, rewrite},
    schema::{DataType, Schema},
    sql::{Query, plan_query},
};

/// Tables that queries may name.
pub struct Tables {
    tables: Vec<Arc<Table>>,
    settings: Settings,
}

impl Tables {
    /// Tables of these names and columns.
    pub fn new(tables: &[(&str, &str)]) -> Self {
        let table = |&(name, ddl): &(&str, &str)| {
            let schema = Schema::parse_ddl(ddl).expect("columns");
            Arc::new(Table { name: name.into(), provider: "memory".into(), schema, ..Table::default() })
        };
        Self { tables: tables.iter().map(table).collect(), settings: Settings::default() }
    }
}

impl Catalog for Tables {
    fn relation(&self, name: &[String], is_stream: bool, _: &[(String, String)]) -> Result<PlanBuilder> {
        let table = self.tables.iter().find(|table| name.len() == 1 && table.name.eq_ignore_ascii_case(&name[0]));
        let unknown = || Error::invalid(format!("no table {}", name.join("."))).class("TABLE_OR_VIEW_NOT_FOUND");
        let table = table.ok_or_else(unknown)?.clone();
        Ok(PlanBuilder::scan(table, is_stream, Arc::new(self.settings.clone())))
    }

    fn relation_names(&self) -> Vec<String> {
        self.tables.iter().map(|table| table.name.clone()).collect()
    }

    fn settings(&self) -> &Settings {
        &self.settings
    }
}

/// A plan that can run, and the mode it runs in.
#[derive(Debug)]
pub struct Job {
    pub plan: LogicalPlan,
    pub mode: Option<OutputMode>,
}

impl Job {
    /// Plans a query; of a stream, in this mode.
    pub fn new(query: &Query, tables: &Tables, mode: OutputMode) -> Result<Self> {
        let plan = plan_query(query, tables)?.into_plan();
        let mode = plan.is_streaming().then_some(mode);
        mode.map_or(Ok(()), |mode| check(&plan, mode))?;
        Ok(Self { plan: rewrite(plan), mode })
    }

    pub fn driver(&self, block_rows: usize) -> Result<Driver> {
        Driver::new(&self.plan, DriverOptions { mode: self.mode, block_rows, ..DriverOptions::default() })
    }
}

/// Rows of an answer that are looked at: what a target costs is to be what the engine costs.
const ROWS_KEPT_MAX: usize = 1_000;

/// Rows of a table.
pub type Rows<'a> = &'a dyn Fn(&Table) -> Vec<Vec<Value>>;

/// Runs one epoch over these rows, so many a block; the answer's first rows, all its columns looked at.
pub fn epoch(job: &Job, driver: &mut Driver, rows: Rows<'_>, block_rows: usize) -> Result<Vec<Vec<Value>>> {
    let width = job.plan.schema().len();
    let mut answer = Vec::new();
    let mut sink = |block: &BlockRef<'_>| {
        answer.append(&mut values(block, width));
        answer.truncate(ROWS_KEPT_MAX);
        Ok(())
    };
    driver.begin_epoch(0);
    for stage in driver.stages() {
        driver.begin_stage(stage.stage);
        for scan in &stage.scans {
            for chunk in rows(&scan.scan.table).chunks(block_rows) {
                let mut block = Block::new(&scan.scan.schema);
                chunk.iter().for_each(|row| block.push_row(row));
                driver.push(scan.port, &block.view(), &mut sink)?;
            }
        }
        driver.finish_stage(stage.stage, &mut sink)?;
    }
    driver.end_epoch();
    Ok(answer)
}

/// All values of a block, row by row.
pub fn values(block: &BlockRef<'_>, columns: usize) -> Vec<Vec<Value>> {
    let mut rows = Vec::new();
    block.rows().for_each(|row| rows.push((0..columns).map(|column| block.column(column).value(row)).collect()));
    rows
}

/// A few rows for any table: NULLs, ends of ranges, values that repeat.
pub fn sample(table: &Table) -> Vec<Vec<Value>> {
    let value = |data_type: &DataType, row: i64| match data_type {
        _ if row == 3 => Value::Null,
        DataType::Boolean => Value::Boolean(row % 2 == 0),
        DataType::Int8 => Value::Int8([0, i8::MIN, 7][row as usize % 3]),
        DataType::Int16 => Value::Int16([0, i16::MIN, 7][row as usize % 3]),
        DataType::Int32 => Value::Int32([0, i32::MIN, 7][row as usize % 3]),
        DataType::Date => Value::Int32([0, 20_089, -1][row as usize % 3]),
        DataType::Int64 => Value::Int64([0, i64::MIN, 7][row as usize % 3]),
        DataType::Timestamp | DataType::TimestampNtz => Value::Int64(1_735_689_600_000_000 + row * 7_000_000),
        DataType::Float32 => Value::Float32([0.5, f32::NAN, -1e30][row as usize % 3]),
        DataType::Float64 => Value::Float64([0.5, f64::NEG_INFINITY, 1e300][row as usize % 3]),
        DataType::String => ["", "a,b=ç 12", "2025-01-01"][row as usize % 3].into(),
        _ => Value::Null,
    };
    (0..5).map(|row| table.schema.fields().iter().map(|f| value(&f.data_type, row)).collect()).collect()
}
