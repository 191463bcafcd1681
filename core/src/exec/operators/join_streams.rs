//! A join of two streams. Both sides wait for each other: each new row is joined with the rows of the other side
//! that are waiting, then waits itself. So each pair meets once, when its later row comes.
//!
//! ```text
//!   left row  ──► late? ──► own condition? ──► joined with waiting right rows ──► waits ──┐
//!   right row ──► late? ──► own condition? ──► joined with waiting left rows  ──► waits ──┤
//!                                                              end of the epoch: expired ◄┘
//! ```
//! When the watermark says that no partner can come any more, a row leaves; if it is of a preserved side of an outer
//! join and has never found a partner, it comes out with NULLs then. A row that fails a condition on its own columns
//! can never find one, so it comes out at once. In a left semi join a left row comes out with its first partner.

use alloc::vec::Vec;
use core::any::Any;

use super::{
    buffered::{BufferedRows, NONE},
    project::evaluate,
    watermark::event_time,
};
use crate::{
    block::{Bitmap, Block, BlockRef, Column, ColumnRef, Rows},
    codec::{self, Scalar},
    error::Result,
    exec::operator::{Epoch, Operator, Output, StateMetrics},
    expr::{BoundExpr, Evaluator},
    plan::{Join, JoinConditions, JoinExpiry, JoinKind},
    schema::{Field, Schema},
    state::{KeyTable, decode_row, encode_row_exact},
};

/// Of saved state.
const VERSION: u8 = 1;

#[derive(Debug)]
pub(in crate::exec) struct StreamJoinOperator {
    // Properties.
    is_semi: bool,
    condition: Option<Evaluator>,
    block_rows: usize,
    // State.
    sides: [Side; 2],
    keys: KeyTable,
    metrics: StateMetrics,
    late_rows: u64,
    new_rows: u64,
    // Scratch: of a block's rows their key ids, times of expiry, whether they may have partners and have met one.
    ids: Vec<u32>,
    expiry: Vec<Option<i64>>,
    joinable: Bitmap,
    met: Bitmap,
    /// Row of the block, waiting row.
    pairs: Vec<(u32, u32)>,
    both: Block,
    passed: Bitmap,
}

#[derive(Debug)]
struct Side {
    /// Where its columns are among those of both sides.
    columns: core::ops::Range<usize>,
    /// Its rows come out even without a partner.
    is_preserved: bool,
    event_time: Option<usize>,
    /// The conditions on its columns alone.
    condition: Option<Evaluator>,
    keys: Vec<Evaluator>,
    expires: JoinExpiry,
    rows: BufferedRows,
}

const LEFT: usize = 0;

impl StreamJoinOperator {
    pub(in crate::exec) fn new(join: &Join, block_rows: usize) -> Self {
        let (left, right) = (join.left.schema(), join.right.schema());
        let both: Vec<Field> = left.fields().iter().chain(right.fields()).cloned().collect();
        let [left_expires, right_expires] = join.expiry();
        let JoinConditions { left: left_condition, right: right_condition, both: condition } = join.conditions();
        let side = |schema: &Schema, start, is_preserved, condition: Option<BoundExpr>, expires| Side {
            columns: start..start + schema.len(),
            is_preserved,
            event_time: schema.fields().iter().position(|f| f.event_time.is_some()),
            condition: condition.as_ref().map(Evaluator::new),
            keys: Vec::new(),
            expires,
            rows: BufferedRows::default(),
        };
        let keeps_left = matches!(join.kind, JoinKind::Left | JoinKind::Full);
        let keeps_right = matches!(join.kind, JoinKind::Right | JoinKind::Full);
        let mut sides = [
            side(left, 0, keeps_left, left_condition, left_expires),
            side(right, left.len(), keeps_right, right_condition, right_expires),
        ];
        for (left, right) in &join.on {
            sides[0].keys.push(Evaluator::new(left));
            sides[1].keys.push(Evaluator::new(right));
        }
        Self {
            is_semi: join.kind == JoinKind::LeftSemi,
            condition: condition.as_ref().map(Evaluator::new),
            block_rows,
            sides,
            keys: KeyTable::new(join.on.iter().map(|(l, _)| l.data_type.clone()).collect()),
            metrics: StateMetrics { operator_name: "symmetricHashJoin", ..StateMetrics::default() },
            late_rows: 0,
            new_rows: 0,
            ids: Vec::new(),
            expiry: Vec::new(),
            joinable: Bitmap::new(),
            met: Bitmap::new(),
            pairs: Vec::new(),
            both: Block::new(&Schema::new(both)),
            passed: Bitmap::new(),
        }
    }

    /// The rows of the block that are not late.
    fn in_time(&mut self, port: usize, block: &BlockRef<'_>, epoch: &Epoch) -> Bitmap {
        let mut live = Bitmap::new();
        live.resize(block.len(), false);
        let times = self.sides[port].event_time.filter(|_| epoch.has_lateness()).map(|c| block.column(c));
        let (late_us, late_rows) = (epoch.lateness.late_us, &mut self.late_rows);
        block.rows().for_each(|row| {
            let is_late = times.as_ref().and_then(|t| event_time(t, row)).is_some_and(|ts| ts <= late_us);
            live.set(row, !is_late);
            *late_rows += u64::from(is_late);
        });
        live
    }

    /// Keeps the rows that meet the conditions on their own side; the others have no partner, ever.
    fn check_own(
        &mut self,
        port: usize,
        block: &BlockRef<'_>,
        live: &mut Bitmap,
        epoch: &Epoch,
        out: &mut dyn Output,
    ) -> Result<()> {
        let Some(condition) = &mut self.sides[port].condition else { return Ok(()) };
        condition.eval_filter(&epoch.eval, &block.select(Some(live.view())), &mut self.passed)?;
        let mut failed = live.clone();
        failed.and_not(self.passed.view());
        live.and(self.passed.view());
        if !self.sides[port].is_preserved || failed.view().count() == 0 {
            return Ok(());
        }
        let failed = block.select(Some(failed.view()));
        let own = self.start_lonely(port, failed.rows().count());
        let columns = &mut self.both.columns_mut()[own];
        for (c, column) in columns.iter_mut().enumerate() {
            let source = block.column(c);
            failed.rows().for_each(|row| column.push_from(&source, row));
        }
        self.both.set_len(failed.rows().count());
        out.push(&self.both.view())
    }

    /// Gives each row that counts its key's id and the time when it expires. NULL equals nothing: rows with a NULL
    /// key wait only if they come out on their own later.
    fn assign_keys(&mut self, port: usize, block: &BlockRef<'_>, live: &mut Bitmap, epoch: &Epoch) -> Result<()> {
        let side = &mut self.sides[port];
        let evaluated = evaluate(&mut side.keys, &block.select(Some(live.view())), epoch)?;
        let keys = evaluated.columns();
        self.joinable.copy_from(live.view());
        let rows = Rows::new(block.len(), Some(live.view()));
        rows.for_each(|row| self.joinable.set(row, keys.iter().all(|k| k.is_valid(row))));
        self.expiry.clear();
        self.expiry.resize(block.len(), None);
        let times = match side.expires {
            JoinExpiry::Never => None,
            JoinExpiry::Key(position) => Some(keys[position]),
            JoinExpiry::Column { column, .. } => Some(block.column(column)),
        };
        if let Some(times) = times {
            rows.for_each(|row| self.expiry[row] = event_time(&times, row));
        }
        let waiting = if side.is_preserved { live.view() } else { self.joinable.view() };
        self.keys.assign(keys, &Rows::new(block.len(), Some(waiting)), &mut self.ids)?;
        drop(evaluated);
        if !side.is_preserved {
            live.copy_from(self.joinable.view());
        }
        Ok(())
    }

    /// Joins the block's rows with the waiting rows of the other side.
    fn join(&mut self, port: usize, block: &BlockRef<'_>, epoch: &Epoch, out: &mut dyn Output) -> Result<()> {
        self.met.clear();
        self.met.resize(block.len(), false);
        let joinable = core::mem::take(&mut self.joinable);
        let skips_matched = self.is_semi && port != LEFT;
        Rows::new(block.len(), Some(joinable.view())).try_for_each(|row| {
            let mut slot = self.sides[1 - port].rows.first(self.ids[row]);
            while slot != NONE {
                if !(skips_matched && self.sides[1 - port].rows.is_matched(slot)) {
                    self.pairs.push((row as u32, slot));
                }
                slot = self.sides[1 - port].rows.after(slot);
                if self.pairs.len() >= self.block_rows {
                    self.settle_pairs(port, block, epoch, out)?;
                }
            }
            Ok(())
        })?;
        self.joinable = joinable;
        self.settle_pairs(port, block, epoch, out)?;
        if self.is_semi && port == LEFT && self.met.view().count() > 0 {
            out.push(&block.select(Some(self.met.view())))?;
        }
        Ok(())
    }

    /// Emits the pairs that meet the whole condition and remembers that their rows have met.
    fn settle_pairs(&mut self, port: usize, block: &BlockRef<'_>, epoch: &Epoch, out: &mut dyn Output) -> Result<()> {
        if self.pairs.is_empty() {
            return Ok(());
        }
        self.put_together(port, block)?;
        self.passed.clear();
        match &mut self.condition {
            Some(condition) => condition.eval_filter(&epoch.eval, &self.both.view(), &mut self.passed)?,
            None => self.passed.resize(self.pairs.len(), true),
        }
        let waiting = &mut self.sides[1 - port].rows;
        for (i, &(row, slot)) in self.pairs.iter().enumerate() {
            if self.passed.view().get(i) {
                if self.is_semi && port != LEFT && waiting.is_matched(slot) {
                    self.passed.set(i, false);
                }
                waiting.set_matched(slot);
                self.met.set(row as usize, true);
            }
        }
        self.pairs.clear();
        if (self.is_semi && port == LEFT) || self.passed.view().count() == 0 {
            return Ok(());
        }
        // For a semi join the left columns come first, and nobody looks at the others.
        out.push(&self.both.view().select(Some(self.passed.view())))
    }

    /// Writes the columns of both rows of every pair.
    fn put_together(&mut self, port: usize, block: &BlockRef<'_>) -> Result<()> {
        self.both.clear();
        let [own, other] = [port, 1 - port].map(|p| self.sides[p].columns.clone());
        let columns = self.both.columns_mut();
        for (c, column) in columns[own].iter_mut().enumerate() {
            let source = block.column(c);
            self.pairs.iter().for_each(|&(row, _)| column.push_from(&source, row as usize));
        }
        let waiting = &self.sides[1 - port].rows;
        for &(_, slot) in &self.pairs {
            decode_row(&mut waiting.bytes(slot), &mut columns[other.clone()])?;
        }
        self.both.set_len(self.pairs.len());
        Ok(())
    }

    /// Puts the block's rows to the others that wait. A left row of a semi join that has come out needs not.
    fn wait(&mut self, port: usize, block: &BlockRef<'_>) -> Result<()> {
        let side = &mut self.sides[port];
        let columns: Vec<ColumnRef<'_>> = (0..side.columns.len()).map(|c| block.column(c)).collect();
        let (met, is_done) = (self.met.view(), self.is_semi && port == LEFT);
        block.rows().try_for_each(|row| {
            if is_done && met.get(row) {
                return Ok(());
            }
            self.new_rows += 1;
            let write = |out: &mut Vec<u8>| encode_row_exact(&columns, row, out);
            side.rows.insert(self.ids[row], self.expiry[row], met.get(row), write)
        })
    }

    /// Lets the rows go that can find no partner any more.
    fn expire(&mut self, port: usize, epoch: &Epoch, out: &mut dyn Output) -> Result<u64> {
        let side = &mut self.sides[port];
        let evict_us = epoch.lateness.evict_us;
        let expired = match side.expires {
            _ if epoch.mode.is_none() => side.rows.take_all(),
            JoinExpiry::Never => Vec::new(),
            JoinExpiry::Key(_) => side.rows.take_expired(evict_us),
            JoinExpiry::Column { offset_us, .. } => side.rows.take_expired(evict_us.saturating_add(offset_us)),
        };
        if side.is_preserved {
            let lonely: Vec<u32> = expired.iter().copied().filter(|&slot| !side.rows.is_matched(slot)).collect();
            lonely.chunks(self.block_rows).try_for_each(|slots| self.emit_lonely(port, slots, out))?;
        }
        for &slot in &expired {
            let key = self.sides[port].rows.remove(slot);
            if self.sides.iter().all(|side| side.rows.first(key) == NONE) {
                self.keys.remove(key);
            }
        }
        Ok(expired.len() as u64)
    }

    fn emit_lonely(&mut self, port: usize, slots: &[u32], out: &mut dyn Output) -> Result<()> {
        let own = self.start_lonely(port, slots.len());
        for &slot in slots {
            decode_row(&mut self.sides[port].rows.bytes(slot), &mut self.both.columns_mut()[own.clone()])?;
        }
        self.both.set_len(slots.len());
        out.push(&self.both.view())
    }

    /// Begins rows of one side without a partner: the other side's columns are NULL. Gives the side's own columns.
    fn start_lonely(&mut self, port: usize, rows: usize) -> core::ops::Range<usize> {
        self.both.clear();
        let other = self.sides[1 - port].columns.clone();
        self.both.columns_mut()[other].iter_mut().for_each(|column: &mut Column| column.push_nulls(rows));
        self.sides[port].columns.clone()
    }
}

impl Operator for StreamJoinOperator {
    fn process(&mut self, port: usize, block: &BlockRef<'_>, epoch: &Epoch, out: &mut dyn Output) -> Result<()> {
        let mut live = self.in_time(port, block, epoch);
        self.check_own(port, block, &mut live, epoch, out)?;
        self.assign_keys(port, block, &mut live, epoch)?;
        self.join(port, block, epoch, out)?;
        self.wait(port, &block.select(Some(live.view())))
    }

    fn finish(&mut self, epoch: &Epoch, out: &mut dyn Output) -> Result<()> {
        let removed = self.expire(0, epoch, out)? + self.expire(1, epoch, out)?;
        let rows = self.sides.iter().map(|side| side.rows.len()).sum::<usize>();
        let bytes = self.sides.iter().map(|side| side.rows.memory_bytes()).sum::<usize>() + self.keys.memory_bytes();
        let late_rows = core::mem::take(&mut self.late_rows);
        self.metrics = StateMetrics {
            rows_total: rows as u64,
            rows_updated: core::mem::take(&mut self.new_rows),
            rows_removed: removed,
            rows_dropped_by_watermark: late_rows,
            rows_late: late_rows,
            memory_bytes: bytes as u64,
            ..self.metrics.clone()
        };
        Ok(())
    }

    fn state_metrics(&self) -> Option<StateMetrics> {
        Some(self.metrics.clone())
    }

    fn save(&self, out: &mut Vec<u8>) {
        VERSION.save(out);
        self.keys.save(out);
        self.sides.iter().for_each(|side| side.rows.save(out));
    }

    fn load(&mut self, bytes: &mut &[u8]) -> Result<()> {
        codec::load_version(bytes, VERSION, "rows")?;
        self.keys.load(bytes)?;
        let (keys, columns) = (&self.keys, self.both.columns());
        self.sides.iter_mut().try_for_each(|side| {
            let mut row = columns[side.columns.clone()].to_vec();
            row.iter_mut().for_each(Column::clear);
            side.rows.load(keys, &mut row, bytes)
        })
    }

    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }
}
