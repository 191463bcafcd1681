//! WHERE: the rows that pass come out in order and whole, whether they are moved together or only selected.

use super::*;

/// Columns of fixed width of every kind, NULLs in each; with a text beside them nothing is moved.
const FIXED: &str = "v INT, a TINYINT, b SMALLINT, c BIGINT, d FLOAT, e DOUBLE, f BOOLEAN, g DECIMAL(30, 2)";

fn row(i: i32) -> Vec<Value> {
    let mut row = vec![
        Value::Int32(i),
        Value::Int8(i as i8),
        Value::Int16(i as i16),
        Value::Int64(i.into()),
        Value::Float32(i as f32),
        Value::Float64(i.into()),
        Value::Boolean(i % 3 == 0),
        Value::Decimal(i.into()),
        Value::String(alloc::format!("s{i}")),
    ];
    let count = row.len() as i32;
    if i % 4 == 1 {
        row[(1 + i % (count - 1)) as usize] = Value::Null;
    }
    row
}

fn passed(ddl: &str, rows: &[Vec<Value>], below: i32) -> Vec<Vec<Value>> {
    let schema = Schema::parse_ddl(ddl).unwrap();
    let width = schema.len();
    let table = Table { name: "t".into(), provider: "memory".into(), schema: schema.clone(), ..Table::default() };
    let plan = PlanBuilder::scan(Arc::new(table), false, Arc::new(Settings::default()));
    let plan = plan.filter(col("v").lt(lit(below))).unwrap().into_plan();
    let mut driver = Driver::new(&plan, DriverOptions::default()).unwrap();
    let stage = driver.stages().remove(0);
    let mut out = Vec::new();
    let mut sink = |block: &BlockRef<'_>| {
        block.rows().for_each(|row| out.push((0..width).map(|c| block.column(c).value(row)).collect::<Vec<_>>()));
        Ok(())
    };
    let mut block = Block::new(&schema);
    rows.iter().for_each(|row| block.push_row(&row[..width]));
    driver.begin_epoch(0);
    driver.push(stage.scans[0].port, &block.view(), &mut sink).unwrap();
    driver.finish_stage(stage.stage, &mut sink).unwrap();
    driver.end_epoch();
    out
}

#[test]
fn the_rows_that_pass_come_out_in_order() {
    let rows: Vec<Vec<Value>> = (0..500).map(|i| row(i * 37 % 100)).collect();
    for ddl in [FIXED.into(), alloc::format!("{FIXED}, h STRING")] {
        let width = Schema::parse_ddl(&ddl).unwrap().len();
        for below in [0, 1, 10, 50, 99, 100] {
            let wanted =
                rows.iter().filter(|row| row[0].as_i64().unwrap() < below.into()).map(|row| row[..width].to_vec());
            assert_eq!(passed(&ddl, &rows, below), wanted.collect::<Vec<_>>(), "{ddl}: v < {below}");
        }
    }
}
