//! A join with a side that is complete before the other starts: batch with batch, stream with static table.
//!
//! The complete side is *built* into a hash table by the equality keys; the other side *probes* it block by block.
//! The driver finishes the build side's stage before the first probe block comes. Outer rows of the build side come
//! out when the probe side ends, which only a batch does.

use alloc::vec::Vec;
use core::any::Any;

use super::{
    join_partners::{Joined, NO_ROW, Partners, with_partner, without_partner},
    lazy::LazyColumns,
    project::evaluate,
};
use crate::{
    block::{Bitmap, Block, BlockRef, Column},
    error::Result,
    exec::operator::{Epoch, Operator, Output},
    expr::{BoundExpr, Evaluator},
    plan::{Join, JoinKind},
    schema::{Field, Schema},
    state::KeyTable,
};

/// Pairs that are found before the first of them go on: some megabytes, however many there are in all.
const PAIRS_MAX: usize = 1 << 18;

/// Port of the side that is built.
pub(in crate::exec) const BUILD_PORT: usize = 1;

#[derive(Debug)]
pub(in crate::exec) struct JoinOperator {
    // Properties.
    kind: JoinKind,
    build_is_left: bool,
    probe_keys: Vec<Evaluator>,
    build_keys: Vec<Evaluator>,
    residual: Option<Evaluator>,
    block_rows: usize,
    probe_width: usize,
    build_width: usize,
    // State: the build side, its rows by key id, and which of them have found a partner.
    keys: KeyTable,
    partners: Partners,
    built: Block,
    matched: Bitmap,
    // Scratch.
    ids: Vec<u32>,
    pairs: Vec<(u32, Option<u32>)>,
    made: Block,
    candidate: Block,
    passed: Bitmap,
    gathered: LazyColumns,
}

impl JoinOperator {
    pub(in crate::exec) fn new(join: &Join, build_is_left: bool, block_rows: usize) -> Self {
        let (left, right) = (join.left.schema(), join.right.schema());
        let (probe, build) = if build_is_left { (right, left) } else { (left, right) };
        let key = |pick: fn(&(BoundExpr, BoundExpr)) -> &BoundExpr| -> Vec<Evaluator> {
            join.on.iter().map(|pair| Evaluator::new(pick(pair))).collect()
        };
        let (left_keys, right_keys) = (key(|p| &p.0), key(|p| &p.1));
        let (probe_keys, build_keys) = if build_is_left { (right_keys, left_keys) } else { (left_keys, right_keys) };
        let both: Vec<Field> = left.fields().iter().chain(right.fields()).cloned().collect();
        Self {
            kind: join.kind,
            build_is_left,
            probe_keys,
            build_keys,
            residual: join.residual.as_ref().map(Evaluator::new),
            block_rows,
            probe_width: probe.len(),
            build_width: build.len(),
            keys: KeyTable::new(join.on.iter().map(|(l, _)| l.data_type.clone()).collect()),
            partners: Partners::default(),
            gathered: LazyColumns::new(build.len()),
            built: Block::new(build),
            matched: Bitmap::new(),
            ids: Vec::new(),
            pairs: Vec::new(),
            made: Block::new(&join.schema),
            candidate: Block::new(&Schema::new(both)),
            passed: Bitmap::new(),
        }
    }

    /// Forgets the build side: it is about to be read again.
    pub(in crate::exec) fn reset_build(&mut self) {
        self.keys.clear();
        self.partners.clear();
        self.built.clear();
        self.matched.clear();
    }

    fn build(&mut self, block: &BlockRef<'_>, epoch: &Epoch) -> Result<()> {
        let mut ids = core::mem::take(&mut self.ids);
        let keys = evaluate(&mut self.build_keys, block, epoch)?;
        self.keys.assign(keys.columns(), &block.rows(), &mut ids)?;
        self.partners.grow(self.keys.id_bound());
        let mut position = self.built.len() as u32;
        block.rows().for_each(|row| {
            // NULL equals nothing, so rows with a NULL key stay out of the table; outer joins still emit them.
            if keys.columns().iter().all(|k| k.is_valid(row)) {
                self.partners.insert(ids[row], position);
            }
            position += 1;
        });
        drop(keys);
        self.built.append(block);
        self.matched.resize(self.built.len(), false);
        self.ids = ids;
        Ok(())
    }

    fn probe(&mut self, block: &BlockRef<'_>, epoch: &Epoch, out: &mut dyn Output) -> Result<()> {
        if self.partners.are_single() && self.residual.is_none() && !self.keeps_unmatched() {
            return self.probe_single(block, epoch, out);
        }
        let rows_max = (PAIRS_MAX / self.partners.most()).max(1);
        if block.rows().count() <= rows_max {
            return self.probe_pairs(block, epoch, out);
        }
        let mut rows = Vec::with_capacity(block.len());
        block.rows().for_each(|row| rows.push(row));
        let mut part = Bitmap::new();
        rows.chunks(rows_max).try_for_each(|rows| {
            part.clear();
            part.resize(block.len(), false);
            rows.iter().for_each(|&row| part.set(row, true));
            self.probe_pairs(&block.select(Some(part.view())), epoch, out)
        })
    }

    /// Joins rows that have a bounded number of partners.
    fn probe_pairs(&mut self, block: &BlockRef<'_>, epoch: &Epoch, out: &mut dyn Output) -> Result<()> {
        self.find_pairs(block, epoch)?;
        self.check_residual(block, epoch)?;
        self.settle(block);
        let pairs = core::mem::take(&mut self.pairs);
        for chunk in pairs.chunks(self.block_rows) {
            self.emit(Some(block), chunk, out)?;
        }
        self.pairs = pairs;
        Ok(())
    }

    /// The way of joins in which a row has one partner at most: no row is copied.
    fn probe_single(&mut self, block: &BlockRef<'_>, epoch: &Epoch, out: &mut dyn Output) -> Result<()> {
        let rows = block.rows();
        let keys = evaluate(&mut self.probe_keys, block, epoch)?;
        self.keys.find(keys.columns(), &rows, &mut self.ids);
        self.partners.replace_ids(&mut self.ids);
        if keys.columns().iter().any(|k| k.validity.is_some()) {
            let has_key = |row: usize| keys.columns().iter().all(|k| k.is_valid(row));
            rows.for_each(|row| self.ids[row] = if has_key(row) { self.ids[row] } else { NO_ROW });
        }
        drop(keys);
        let selection = match self.kind {
            JoinKind::Inner | JoinKind::Cross | JoinKind::LeftSemi => {
                with_partner(&self.ids, &rows, &mut self.passed).or(rows.selection())
            }
            JoinKind::LeftAnti => Some(without_partner(&self.ids, &rows, &mut self.passed)),
            JoinKind::Left | JoinKind::Right | JoinKind::Full => rows.selection(),
        };
        if selection.is_some_and(|bits| bits.count() == 0) {
            return Ok(());
        }
        self.gathered.take_back();
        let joined = Joined {
            probe: block.select(selection),
            built: &self.built,
            build_is_left: self.build_is_left,
            probe_width: self.probe_width,
            at: &self.ids,
            gathered: &self.gathered,
        };
        out.push(&BlockRef::new(&joined, block.len()).select(selection))
    }

    /// All pairs with equal keys, in the order of the probe rows.
    fn find_pairs(&mut self, block: &BlockRef<'_>, epoch: &Epoch) -> Result<()> {
        let keys = evaluate(&mut self.probe_keys, block, epoch)?;
        self.keys.find(keys.columns(), &block.rows(), &mut self.ids);
        let (pairs, ids, partners) = (&mut self.pairs, &self.ids, &self.partners);
        pairs.clear();
        block.rows().for_each(|row| {
            if keys.columns().iter().all(|k| k.is_valid(row)) {
                pairs.extend(partners.of(ids[row]).map(|b| (row as u32, Some(b))));
            }
        });
        Ok(())
    }

    /// Drops pairs that the rest of the condition rejects.
    fn check_residual(&mut self, block: &BlockRef<'_>, epoch: &Epoch) -> Result<()> {
        let Some(residual) = &mut self.residual else { return Ok(()) };
        let mut kept = Vec::new();
        for chunk in self.pairs.chunks(self.block_rows) {
            self.candidate.clear();
            let (probe_at, build_at) = if self.build_is_left { (self.build_width, 0) } else { (0, self.probe_width) };
            let built = self.built.view();
            for &(probe, build) in chunk {
                let columns = self.candidate.columns_mut();
                copy_at(block, Some(probe), &mut columns[probe_at..probe_at + self.probe_width]);
                copy_at(&built, build, &mut columns[build_at..build_at + self.build_width]);
            }
            self.candidate.set_len(chunk.len());
            residual.eval_filter(&epoch.eval, &self.candidate.view(), &mut self.passed)?;
            self.passed.view().for_each_set(|i| kept.push(chunk[i]));
        }
        self.pairs = kept;
        Ok(())
    }

    /// Turns matching pairs into what the kind of join emits for this block.
    fn settle(&mut self, block: &BlockRef<'_>) {
        for &(_, build) in &self.pairs {
            if let Some(build) = build {
                self.matched.set(build as usize, true);
            }
        }
        let probe_outer = match self.kind {
            JoinKind::Left => !self.build_is_left,
            JoinKind::Right => self.build_is_left,
            JoinKind::Full => true,
            JoinKind::LeftSemi | JoinKind::LeftAnti => return self.settle_semi(block),
            JoinKind::Inner | JoinKind::Cross => false,
        };
        if probe_outer {
            let mut all = Vec::with_capacity(self.pairs.len());
            let mut rest = self.pairs.iter().copied().peekable();
            block.rows().for_each(|row| {
                let before = all.len();
                while let Some(pair) = rest.next_if(|pair| pair.0 == row as u32) {
                    all.push(pair);
                }
                if all.len() == before {
                    all.push((row as u32, None));
                }
            });
            drop(rest);
            self.pairs = all;
        }
    }

    /// Each probe row once: those with a partner (semi) or without (anti).
    fn settle_semi(&mut self, block: &BlockRef<'_>) {
        let wants_match = self.kind == JoinKind::LeftSemi;
        let mut has_match = Bitmap::new();
        has_match.resize(block.len(), false);
        self.pairs.iter().for_each(|&(probe, _)| has_match.set(probe as usize, true));
        self.pairs.clear();
        let pairs = &mut self.pairs;
        block.rows().for_each(|row| {
            if has_match.view().get(row) == wants_match {
                pairs.push((row as u32, None));
            }
        });
    }

    fn emit(&mut self, probe: Option<&BlockRef<'_>>, pairs: &[(u32, Option<u32>)], out: &mut dyn Output) -> Result<()> {
        self.made.clear();
        let semi = matches!(self.kind, JoinKind::LeftSemi | JoinKind::LeftAnti);
        let (probe_at, build_at) = if self.build_is_left { (self.build_width, 0) } else { (0, self.probe_width) };
        let built = self.built.view();
        for &(row, build) in pairs {
            let columns = self.made.columns_mut();
            let probe_columns = &mut columns[probe_at..probe_at + self.probe_width];
            match probe {
                Some(block) => copy_at(block, Some(row), probe_columns),
                None => probe_columns.iter_mut().for_each(Column::push_null),
            }
            if !semi {
                copy_at(&built, build, &mut columns[build_at..build_at + self.build_width]);
            }
        }
        self.made.set_len(pairs.len());
        out.push(&self.made.view())
    }

    /// Whether rows of the build side come out without a partner.
    fn keeps_unmatched(&self) -> bool {
        match self.kind {
            JoinKind::Full => true,
            JoinKind::Left => self.build_is_left,
            JoinKind::Right => !self.build_is_left,
            _ => false,
        }
    }

    /// Build rows that never found a partner, for the joins that keep them.
    fn emit_unmatched(&mut self, out: &mut dyn Output) -> Result<()> {
        if !self.keeps_unmatched() {
            return Ok(());
        }
        let matched = self.matched.view();
        let lonely: Vec<_> = (0..self.built.len()).filter(|&b| !matched.get(b)).map(|b| (0, Some(b as u32))).collect();
        lonely.chunks(self.block_rows).try_for_each(|chunk| self.emit(None, chunk, out))
    }
}

impl Operator for JoinOperator {
    fn process(&mut self, port: usize, block: &BlockRef<'_>, epoch: &Epoch, out: &mut dyn Output) -> Result<()> {
        if port == BUILD_PORT { self.build(block, epoch) } else { self.probe(block, epoch, out) }
    }

    fn finish(&mut self, epoch: &Epoch, out: &mut dyn Output) -> Result<()> {
        if epoch.mode.is_none() { self.emit_unmatched(out) } else { Ok(()) }
    }

    fn memory_bytes(&self) -> u64 {
        (self.keys.memory_bytes() + self.partners.memory_bytes() + self.built.memory_bytes()) as u64
    }

    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }
}

fn copy_at(block: &BlockRef<'_>, row: Option<u32>, columns: &mut [Column]) {
    for (c, column) in columns.iter_mut().enumerate() {
        match row {
            Some(row) => column.push_from(&block.column(c), row as usize),
            None => column.push_null(),
        }
    }
}
