//! Who works where: the threads of a query, their cores, and what each would read of what is there now.

use std::{collections::BTreeMap, fmt::Write};

use firesteel_core::plan::{LogicalPlan, Scan};

use super::Session;
use crate::{
    engine::{Share, share_out},
    source::{self, Meter, Part, SourceContext},
};

/// Lanes of one table that are told one by one.
const LANES_TOLD: usize = 8;

/// The lines of a query that runs on these cores and can be shared out, or not.
pub(super) fn explain(session: &Session, plan: &LogicalPlan, cores: &[usize], has_workers: bool) -> String {
    let Some((first, rest)) = cores.split_first() else { return "    one thread, not pinned\n".into() };
    if !has_workers {
        return format!("    core {first}: everything; the query cannot be shared out\n");
    }
    if rest.is_empty() {
        return format!("    core {first}: everything, on one thread\n");
    }
    let scans: Vec<&Scan> = plan.scans();
    let shares = share_out(&what_is_there(session, &scans), cores.len());
    let mut text = String::new();
    for (hand, core) in cores.iter().enumerate() {
        let role = if hand == 0 {
            "reading, all operators, the sink"
        } else {
            "a worker: reading, up to the lowest aggregation"
        };
        let _ = writeln!(text, "    core {core}: {role}");
        let share = shares.as_ref().and_then(|shares| shares.get(hand));
        share.into_iter().flat_map(|share| tell(share, &scans)).for_each(|line| _ = writeln!(text, "      {line}"));
    }
    text + match shares {
        Some(_) => "    Tables as they are now; each epoch is shared out anew, equally, by runs of blocks.\n",
        None => "    Epochs are shared out equally, by runs of blocks; those of few rows are read by the first core.\n",
    }
}

/// What one epoch over all that is there would read: input and part.
fn what_is_there(session: &Session, scans: &[&Scan]) -> Share {
    let mut all = Share::new();
    for (input, scan) in scans.iter().enumerate() {
        if scan.table.provider.eq_ignore_ascii_case("ring") || source::is_bounded(&scan.table) {
            // Looked at as a batch would: nothing is made, no reader is added. What cannot be opened says so when run.
            let _ = look(session, &Scan { is_stream: false, ..(*scan).clone() }, input, &mut all);
        }
    }
    all
}

fn look(session: &Session, scan: &Scan, input: usize, all: &mut Share) -> firesteel_core::Result<()> {
    let conf = session.conf();
    let memory = session.memory_tables();
    let context = SourceContext { block_rows: conf.block_rows, memory, meter: Meter::default() };
    let mut source = source::open(scan, &conf.settings, &context)?;
    source.freeze()?;
    let mut parts = Vec::new();
    while source.plan(&mut parts)? {
        source.commit()?;
    }
    all.extend(parts.into_iter().map(|part| (input, part)));
    Ok(())
}

/// A share in words, a line for a lane or table.
fn tell(share: &Share, scans: &[&Scan]) -> Vec<String> {
    let mut lines = Vec::new();
    let mut others: BTreeMap<usize, (usize, u64)> = BTreeMap::new();
    for (input, part) in share {
        let name = &scans[*input].table.name;
        match part {
            Part::Lane { key, start, end } if lines.len() < LANES_TOLD => {
                let lane = key.split_once('#').map_or(&**key, |(lane, _)| lane);
                lines.push(format!("{name}: lane {lane}, rows {start} to {end}"));
            }
            Part::File { bytes, .. } => {
                let sum = others.entry(*input).or_default();
                *sum = (sum.0 + 1, sum.1 + bytes);
            }
            _ => others.entry(*input).or_default().0 += 1,
        }
    }
    lines.extend(others.into_iter().map(|(input, (parts, bytes))| {
        let bytes = if bytes > 0 { format!(", {bytes} bytes") } else { String::new() };
        format!("{}: {parts} parts{bytes}", scans[input].table.name)
    }));
    lines
}
