//! What a query takes of the memory, as far as it is known before it runs: what is set aside at its start, and what
//! bounds the rest. Text has no size before it comes: where a sum leaves it out, the line says so.

use std::{fmt, fs, path::Path};

use firesteel_core::{
    Error, Result,
    exec::OnFullState,
    limits::GROUPS_MAX,
    plan::{LogicalPlan, Scan, Table},
    schema::{DataType, Physical, Schema},
};

use crate::{ring::StreamFolder, sink, source};

/// The memory of a query.
#[derive(Debug)]
pub(super) struct Memory {
    /// Set aside at the start, of its own.
    fixed: Vec<(String, u64)>,
    /// Mapped, and shared with whoever else has the rings open.
    mapped: Vec<(String, u64)>,
    /// What grows with the rows.
    state: Vec<String>,
    most: Option<u64>,
    on_full: OnFullState,
}

impl Memory {
    /// Of a plan that runs in `hands` threads into a table, or the output.
    pub(super) fn of(
        plan: &LogicalPlan,
        into: Option<&Table>,
        block_rows: usize,
        hands: usize,
        most: Option<u64>,
    ) -> Self {
        let mut memory =
            Self { fixed: Vec::new(), mapped: Vec::new(), state: Vec::new(), most, on_full: OnFullState::Fail };
        let rows = block_rows as u64;
        plan.scans().into_iter().for_each(|scan| memory.add_scan(scan, rows, hands as u64));
        let mut made = 0;
        plan.visit(&mut |node| {
            made += block_of(node, rows);
            memory.state.extend(state_of(node));
        });
        let threads = if hands > 1 { format!(", in {hands} threads") } else { String::new() };
        memory.fixed.push((format!("blocks of {rows} rows between operators{threads}"), made * hands as u64));
        memory.add_sink(into, plan.schema(), rows);
        memory
    }

    /// What the query does when its state takes all that it may.
    pub(super) fn when_full(self, on_full: OnFullState) -> Self {
        Self { on_full, ..self }
    }

    /// Refuses what does not fit before the first row.
    pub(super) fn check(&self) -> Result<()> {
        let (fixed, Some(most)) = (self.fixed_bytes(), self.most) else { return Ok(()) };
        if fixed <= most {
            return Ok(());
        }
        let text = format!("the query takes {} before its first row, and may take {}", size(fixed), size(most));
        Err(Error::limit(text).hint("give it more with --memory; `firesteel explain` shows what takes it"))
    }

    fn add_scan(&mut self, scan: &Scan, rows: u64, hands: u64) {
        let Table { name, provider, .. } = &*scan.table;
        let block = rows * row_bytes(&scan.schema);
        let buffer = source::buffer_bytes(&scan.table, block);
        let many = if hands > 1 { format!(", {hands} times") } else { String::new() };
        self.fixed.push((format!("reading {name} ({provider}){many}, without its text"), (buffer + block) * hands));
        self.add_mapped(&scan.table);
    }

    fn add_sink(&mut self, into: Option<&Table>, schema: &Schema, rows: u64) {
        let name = into.map_or("the output".into(), |table| format!("{} ({})", table.name, table.provider));
        let bytes = into.map_or(rows * row_bytes(schema), sink::buffer_bytes);
        self.fixed.push((format!("writing {name}"), bytes));
        into.into_iter().for_each(|table| self.add_mapped(table));
    }

    fn add_mapped(&mut self, table: &Table) {
        let path = table.option("path").filter(|_| table.provider.eq_ignore_ascii_case("ring"));
        let Some(path) = path else { return };
        let bytes = match StreamFolder::open(Path::new(path)) {
            Ok(folder) => folder.lane_bytes(),
            Err(_) => fs::metadata(path).map_or(0, |data| data.len()),
        };
        self.mapped.push((format!("lanes of {} that are there now, mapped", table.name), bytes));
    }

    fn fixed_bytes(&self) -> u64 {
        self.fixed.iter().map(|(_, bytes)| bytes).sum()
    }
}

impl fmt::Display for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (what, bytes) in &self.fixed {
            writeln!(f, "    {:>10}  {what}", size(*bytes))?;
        }
        writeln!(f, "    {:>10}  in all, before the first row", size(self.fixed_bytes()))?;
        for (what, bytes) in &self.mapped {
            writeln!(f, "    {:>10}  {what}", size(*bytes))?;
        }
        self.state.iter().try_for_each(|line| writeln!(f, "    {line}"))?;
        match self.most {
            Some(most) => {
                let all = self.fixed_bytes().saturating_add(most);
                let then = match self.on_full {
                    OnFullState::Fail => "the query fails",
                    OnFullState::DropNewKeys => "rows of new keys are dropped",
                };
                writeln!(f, "    {then} when its state takes more than {}", size(most))?;
                writeln!(f, "    {:>10}  at most in all, but for text and what is mapped", size(all))
            }
            None if self.state.is_empty() => Ok(()),
            None => writeln!(f, "    its state takes what it needs; --memory sets a bound"),
        }
    }
}

/// The block that a node makes of its own.
fn block_of(node: &LogicalPlan, rows: u64) -> u64 {
    match node {
        LogicalPlan::Scan(_)
        | LogicalPlan::Alias { .. }
        | LogicalPlan::Watermark { .. }
        | LogicalPlan::Filter { .. }
        | LogicalPlan::Limit { .. }
        | LogicalPlan::Union { .. }
        | LogicalPlan::Deduplicate(_) => 0,
        _ => rows * row_bytes(node.schema()),
    }
}

/// What a node keeps.
fn state_of(node: &LogicalPlan) -> Option<String> {
    match node {
        LogicalPlan::Aggregate(aggregate) => {
            let bytes = row_bytes(&aggregate.schema);
            Some(format!("aggregation: {bytes} bytes a group or more, at most {GROUPS_MAX} groups"))
        }
        LogicalPlan::Join(join) => {
            Some(format!("join: {} bytes a row of the smaller side or more", row_bytes(join.right.schema())))
        }
        LogicalPlan::Deduplicate(node) => {
            let schema = node.input.schema();
            let bytes: u64 = node.keys.iter().map(|&i| value_bytes(&schema.field(i).data_type)).sum();
            Some(format!("deduplication: {bytes} bytes a key or more, at most {GROUPS_MAX} keys"))
        }
        LogicalPlan::Sort { input, .. } => {
            Some(format!("sort: all rows, {} bytes a row or more", row_bytes(input.schema())))
        }
        _ => None,
    }
}

/// Bytes that a row takes in columns, of strings and arrays only the offsets.
fn row_bytes(schema: &Schema) -> u64 {
    schema.fields().iter().map(|field| value_bytes(&field.data_type)).sum()
}

fn value_bytes(data_type: &DataType) -> u64 {
    match data_type.physical() {
        Physical::Null => 0,
        Physical::Boolean | Physical::Int8 => 1,
        Physical::Int16 => 2,
        Physical::Int32 | Physical::Float32 | Physical::Bytes | Physical::Array => 4,
        Physical::Int64 | Physical::Float64 => 8,
        Physical::Int128 | Physical::Interval => 16,
        Physical::Struct => {
            data_type.struct_fields().unwrap_or_default().iter().map(|f| value_bytes(&f.data_type)).sum()
        }
    }
}

/// Bytes in the largest unit that keeps a digit before the point.
fn size(bytes: u64) -> String {
    let units = [(30, "GiB"), (20, "MiB"), (10, "KiB")];
    match units.into_iter().find(|(shift, _)| bytes >> shift > 0) {
        Some((shift, unit)) => format!("{:.1} {unit}", bytes as f64 / (1_u64 << shift) as f64),
        None => format!("{bytes} B"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_told_in_their_unit() {
        let cases = [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (64 << 20, "64.0 MiB"), (3 << 30, "3.0 GiB")];
        for (bytes, text) in cases {
            assert_eq!(size(bytes), text);
        }
    }
}
