//! A plan as a chain of operators.
//!
//! Nodes are kept root first: a node's consumer always has a smaller index, so that a node and everything its rows
//! flow through are disjoint parts of one slice. Rows enter at *ports*, one a leaf of the plan.
//!
//! *Stages* order what must be complete before something else starts: the build side of a join is a stage that runs
//! before the stage of the probe side. Stage 0 is the query itself; its number grows with nesting, so stages run from
//! the highest number down. The sides of a join of two streams are of one stage: both wait for each other.
//!
//! Such a join holds rows back, so what stands on it must lag behind the query's watermark: each node knows by how
//! much and sees the epoch accordingly.

use alloc::{boxed::Box, string::String, vec, vec::Vec};

use super::{
    aggregate::{AggregateOperator, SessionOperator, input_of},
    operator::{BoxedOperator, Epoch, Output},
    operators::{
        BUILD_PORT, DeduplicateOperator, ExplodeOperator, FilterOperator, JoinOperator, LimitOperator, ProjectOperator,
        SortOperator, StreamJoinOperator, WatermarkOperator, WindowOperator,
    },
};
use crate::{
    block::{Block, BlockRef, Column, ColumnRef, Columns, Told},
    error::{Error, Result},
    expr::Evaluator,
    limits::ROWS_BETWEEN_MEMORY_CHECKS,
    plan::{Aggregate, EventKey, Join, JoinExpiry, JoinKind, LogicalPlan, Scan, describe_state},
    schema::DataType,
};

/// Node and port that rows go to; `None` is the sink.
type Target = Option<(usize, usize)>;

#[derive(Debug)]
pub(super) struct Pipeline {
    pub(super) nodes: Vec<Node>,
    pub(super) ports: Vec<Port>,
    /// Whether each stage reads no stream.
    pub(super) stages: Vec<StageInfo>,
    /// Delay of each `WATERMARK` clause, in the order of [`Pipeline::watermark_nodes`].
    pub(super) watermark_delays: Vec<i64>,
    pub(super) watermark_nodes: Vec<usize>,
    /// The ports below each.
    pub(super) watermark_ports: Vec<core::ops::Range<usize>>,
    block_rows: usize,
    /// Most bytes that the operators may hold while rows are made here; whoever pushes rows looks for itself.
    pub(super) memory_bytes_max: Option<u64>,
}

/// A query that outgrows what it may take fails alone.
pub fn check_memory(held: u64, most: Option<u64>) -> Result<()> {
    let Some(most) = most.filter(|most| held > *most) else { return Ok(()) };
    Err(Error::limit(alloc::format!("the query's state takes {held} bytes, and may take {most}"))
        .hint("give it more with --memory, group by fewer keys, or let a watermark close windows earlier"))
}

#[derive(Debug)]
pub(super) struct Node {
    pub(super) operator: BoxedOperator,
    next: Target,
    pub(super) stage: usize,
    /// Its state makes a stream go on without data until everything is emitted (aggregations, not LIMIT).
    pub(super) closes_groups: bool,
    /// How far the event times of its rows can be behind the query's watermark.
    pub(super) lag_us: i64,
    /// What its state is of, in words, if a stream must remember it from epoch to epoch: a state of other words is not
    /// for this operator.
    pub(super) remembers: Option<String>,
}

impl Node {
    /// Bytes that groups hold which can do without new ones.
    pub(super) fn group_bytes(&self) -> Option<u64> {
        self.operator.group_count().map(|_| self.operator.memory_bytes())
    }
}

#[derive(Debug)]
pub(super) struct Port {
    pub(super) leaf: Leaf,
    target: Target,
    pub(super) stage: usize,
    /// What stands for columns that are not needed.
    null: Column,
}

/// Where a port's rows come from.
#[derive(Debug)]
pub(super) enum Leaf {
    /// A table, read by the engine.
    Table(Scan),
    /// `range(...)`, made here.
    Range { start: i64, end: i64, step: i64, block: Block },
    /// Rows of the text, made here.
    Values(Block),
}

#[derive(Debug)]
pub(super) struct StageInfo {
    pub(super) is_static: bool,
    /// The join that this stage builds for.
    builds: Option<usize>,
}

impl Pipeline {
    pub(super) fn new(plan: &LogicalPlan, block_rows: usize) -> Result<Self> {
        let stages = vec![StageInfo { is_static: !plan.is_streaming(), builds: None }];
        let mut pipeline = Self {
            nodes: Vec::new(),
            ports: Vec::new(),
            stages,
            watermark_delays: Vec::new(),
            watermark_nodes: Vec::new(),
            watermark_ports: Vec::new(),
            block_rows,
            memory_bytes_max: None,
        };
        pipeline.add(plan, None, 0)?;
        Ok(pipeline)
    }

    /// Sends a block into a port; what reaches the end goes to `sink`.
    pub(super) fn push(
        &mut self,
        port: usize,
        block: &BlockRef<'_>,
        epoch: &Epoch,
        sink: &mut dyn Output,
    ) -> Result<()> {
        let Port { leaf, target, null, .. } = &self.ports[port];
        let Leaf::Table(scan) = leaf else { panic!("port {port} reads no table") };
        let mut downstream = Downstream { nodes: &mut self.nodes, next: *target, epoch, sink };
        if scan.needed.iter().all(|&needed| needed) {
            return downstream.push(block);
        }
        let pruned = Pruned { block, needed: &scan.needed, null };
        let pruned = BlockRef::new(&pruned, block.len()).select(block.rows().selection());
        downstream.push(&pruned.foresee(block.upcoming()))
    }

    /// Forgets what an earlier run of a build stage left.
    pub(super) fn begin_stage(&mut self, stage: usize) {
        let join = self.stages[stage].builds.map(|join| self.nodes[join].operator.as_any_mut());
        if let Some(join) = join.and_then(|join| join.downcast_mut::<JoinOperator>()) {
            join.reset_build();
        }
    }

    /// Makes the rows of the stage's leaves that no engine reads, then lets its operators finish, lowest first.
    pub(super) fn finish_stage(&mut self, stage: usize, epoch: &Epoch, sink: &mut dyn Output) -> Result<()> {
        for port in 0..self.ports.len() {
            if self.ports[port].stage == stage {
                self.push_inline(port, epoch, sink)?;
            }
        }
        for index in (0..self.nodes.len()).rev() {
            if self.nodes[index].stage == stage {
                let (consumers, rest) = self.nodes.split_at_mut(index);
                let next = rest[0].next;
                let own = epoch.behind(rest[0].lag_us);
                rest[0].operator.finish(&own, &mut Downstream { nodes: consumers, next, epoch, sink })?;
            }
        }
        Ok(())
    }

    /// The nodes that work on streams; others are batch queries inside one.
    pub(super) fn streaming_nodes(&mut self) -> impl Iterator<Item = &mut Node> {
        let Self { nodes, stages, .. } = self;
        nodes.iter_mut().filter(|node| !stages[node.stage].is_static)
    }

    fn push_inline(&mut self, port: usize, epoch: &Epoch, sink: &mut dyn Output) -> Result<()> {
        let Port { leaf, target, .. } = &mut self.ports[port];
        let mut downstream = Downstream { nodes: &mut self.nodes, next: *target, epoch, sink };
        let mut unchecked = 0;
        match leaf {
            Leaf::Table(_) => Ok(()),
            Leaf::Values(block) => downstream.push(&block.view()),
            Leaf::Range { start, end, step, block } => {
                let mut next = Some(*start);
                while let Some(first) = next.filter(|id| if *step > 0 { id < end } else { id > end }) {
                    block.clear();
                    next = fill_range(block, first, *end, *step, self.block_rows);
                    downstream.push(&block.view())?;
                    unchecked += block.len();
                    if self.memory_bytes_max.is_some() && unchecked >= ROWS_BETWEEN_MEMORY_CHECKS {
                        unchecked = 0;
                        let held = downstream.nodes.iter().map(|node| node.operator.memory_bytes()).sum();
                        check_memory(held, self.memory_bytes_max)?;
                    }
                    if !downstream.nodes.iter().all(|n| n.operator.wants_more()) {
                        break;
                    }
                }
                Ok(())
            }
        }
    }

    fn add(&mut self, plan: &LogicalPlan, target: Target, stage: usize) -> Result<()> {
        let block_rows = self.block_rows;
        match plan {
            LogicalPlan::Scan(scan) => self.add_port(Leaf::Table(scan.clone()), target, stage),
            LogicalPlan::Range { start, end, step, schema } => {
                let leaf = Leaf::Range { start: *start, end: *end, step: *step, block: Block::new(schema) };
                self.add_port(leaf, target, stage)
            }
            LogicalPlan::Values { rows, schema } => {
                let mut block = Block::new(schema);
                rows.iter().try_for_each(|row| push_literals(&mut block, row))?;
                self.add_port(Leaf::Values(block), target, stage)
            }
            LogicalPlan::Alias { input, .. } => self.add(input, target, stage),
            LogicalPlan::Union { inputs, .. } => inputs.iter().try_for_each(|input| self.add(input, target, stage)),
            LogicalPlan::Filter { input, predicate } => {
                self.add_node(Box::new(FilterOperator::new(predicate, input.schema().len())), input, target, stage)
            }
            LogicalPlan::Project { input, exprs, .. } => {
                self.add_node(Box::new(ProjectOperator::new(exprs)), input, target, stage)
            }
            LogicalPlan::Watermark { input, column, delay_us, .. } => {
                let clause = self.watermark_nodes.len();
                if plan.is_streaming() {
                    self.watermark_delays.push(*delay_us);
                    self.watermark_nodes.push(self.nodes.len());
                    self.watermark_ports.push(0..0);
                }
                let first = self.ports.len();
                self.add_node(Box::new(WatermarkOperator::new(*column)), input, target, stage)?;
                if plan.is_streaming() {
                    self.watermark_ports[clause] = first..self.ports.len();
                }
                Ok(())
            }
            LogicalPlan::Window { input, window, schema } => {
                self.add_node(Box::new(WindowOperator::new(window, schema, block_rows)), input, target, stage)
            }
            LogicalPlan::Session { .. } => Err(crate::Error::invalid(
                "session_window() works only in an aggregation: GROUP BY session_window(...)",
            )),
            LogicalPlan::Explode { input, array, outer, with_position, schema } => {
                let width = input.schema().len();
                let flags = (*outer, *with_position);
                let operator = ExplodeOperator::new(array, flags, schema, width, block_rows);
                self.add_node(Box::new(operator), input, target, stage)
            }
            LogicalPlan::Aggregate(aggregate) => self.add_aggregate(aggregate, target, stage),
            LogicalPlan::Deduplicate(node) => {
                let (closes_groups, lag_us) = (node.input.is_streaming(), node.input.watermark_lag_us());
                let operator = Box::new(DeduplicateOperator::new(node));
                let remembers = closes_groups.then(|| describe_state(plan));
                let index = self.push_node(Node { operator, next: target, stage, closes_groups, lag_us, remembers });
                self.add(&node.input, Some((index, 0)), stage)
            }
            LogicalPlan::Join(join) => self.add_join(join, target, stage),
            LogicalPlan::Sort { input, keys } => {
                self.add_node(Box::new(SortOperator::new(keys, input.schema(), block_rows)), input, target, stage)
            }
            LogicalPlan::Limit { input, limit, offset } => {
                let operator = LimitOperator::new(*limit, *offset, plan.is_streaming(), !input.aggregates_stream());
                self.add_node(Box::new(operator), input, target, stage)
            }
        }
    }

    fn add_aggregate(&mut self, aggregate: &Aggregate, target: Target, stage: usize) -> Result<()> {
        let operator: BoxedOperator = match (aggregate.event_key(), &*aggregate.input) {
            (EventKey::Session { position }, LogicalPlan::Session { time, gap, .. }) => {
                Box::new(SessionOperator::new(aggregate, position, (time, gap), self.block_rows))
            }
            _ => Box::new(AggregateOperator::new(aggregate, self.block_rows)),
        };
        let input = input_of(aggregate);
        let (closes_groups, lag_us) = (input.is_streaming(), input.watermark_lag_us());
        let remembers = closes_groups.then(|| describe_state(&LogicalPlan::Aggregate(aggregate.clone())));
        let index = self.push_node(Node { operator, next: target, stage, closes_groups, lag_us, remembers });
        self.add(input, Some((index, 0)), stage)
    }

    fn add_join(&mut self, join: &Join, target: Target, stage: usize) -> Result<()> {
        let build_is_left = match (join.left.is_streaming(), join.right.is_streaming()) {
            (true, true) => return self.add_stream_join(join, target, stage),
            (true, false) => false,
            (false, true) => true,
            (false, false) => join.kind == JoinKind::Right,
        };
        let (probe, build) = if build_is_left { (&join.right, &join.left) } else { (&join.left, &join.right) };
        let operator = Box::new(JoinOperator::new(join, build_is_left, self.block_rows));
        let lag_us = probe.watermark_lag_us();
        let node = Node { operator, next: target, stage, closes_groups: false, lag_us, remembers: None };
        let index = self.push_node(node);
        let build_stage = self.stages.len();
        self.stages.push(StageInfo { is_static: true, builds: Some(index) });
        self.add(build, Some((index, BUILD_PORT)), build_stage)?;
        self.add(probe, Some((index, 0)), stage)
    }

    fn add_stream_join(&mut self, join: &Join, target: Target, stage: usize) -> Result<()> {
        for side in [&join.left, &join.right] {
            if side.schema().fields().iter().filter(|f| f.event_time.is_some()).count() > 1 {
                let text = "a side of a join of streams has more than one event-time column";
                return Err(crate::Error::unsupported("MULTIPLE_EVENT_TIME_COLUMNS", text)
                    .hint("select only one of them in a subquery below the join"));
            }
        }
        let operator = Box::new(StreamJoinOperator::new(join, self.block_rows));
        let closes_groups = join.expiry() != [JoinExpiry::Never; 2];
        let lag_us = join.left.watermark_lag_us().max(join.right.watermark_lag_us());
        let remembers = Some(describe_state(&LogicalPlan::Join(join.clone())));
        let index = self.push_node(Node { operator, next: target, stage, closes_groups, lag_us, remembers });
        self.add(&join.left, Some((index, 0)), stage)?;
        self.add(&join.right, Some((index, 1)), stage)
    }

    fn add_node(&mut self, operator: BoxedOperator, input: &LogicalPlan, target: Target, stage: usize) -> Result<()> {
        let lag_us = input.watermark_lag_us();
        let remembers = operator.state_metrics().map(|metrics| metrics.operator_name.into());
        let index = self.push_node(Node { operator, next: target, stage, closes_groups: false, lag_us, remembers });
        self.add(input, Some((index, 0)), stage)
    }

    fn push_node(&mut self, node: Node) -> usize {
        self.nodes.push(node);
        self.nodes.len() - 1
    }

    fn add_port(&mut self, leaf: Leaf, target: Target, stage: usize) -> Result<()> {
        let mut null = Column::new(DataType::Null);
        null.push_null();
        self.ports.push(Port { leaf, target, stage, null });
        Ok(())
    }
}

/// A table's block of which only some columns are there; the others read as NULL.
struct Pruned<'a> {
    block: &'a BlockRef<'a>,
    needed: &'a [bool],
    null: &'a Column,
}

impl Columns for Pruned<'_> {
    fn column(&self, index: usize) -> ColumnRef<'_> {
        if self.needed[index] { self.block.column(index) } else { self.null.view_constant() }
    }

    fn told(&self, index: usize) -> Option<Told> {
        self.block.told(index).filter(|_| self.needed[index])
    }
}

/// The nodes that a block can still flow through, and the sink behind them.
struct Downstream<'a> {
    nodes: &'a mut [Node],
    next: Target,
    epoch: &'a Epoch,
    sink: &'a mut dyn Output,
}

impl Output for Downstream<'_> {
    fn push(&mut self, block: &BlockRef<'_>) -> Result<()> {
        let Some((index, port)) = self.next else { return self.sink.push(block) };
        let (consumers, rest) = self.nodes.split_at_mut(index);
        let next = rest[0].next;
        let mut out = Downstream { nodes: consumers, next, epoch: self.epoch, sink: &mut *self.sink };
        rest[0].operator.process(port, block, &self.epoch.behind(rest[0].lag_us), &mut out)
    }
}

/// Fills a block from `first` on; gives the value after the last, `None` at the end of `i64`.
fn fill_range(block: &mut Block, first: i64, end: i64, step: i64, rows: usize) -> Option<i64> {
    let mut next = Some(first);
    let mut len = 0;
    while let Some(id) = next.filter(|id| len < rows && if step > 0 { *id < end } else { *id > end }) {
        block.columns_mut()[0].push(id);
        next = id.checked_add(step);
        len += 1;
    }
    block.set_len(len);
    next
}

/// Evaluates a row of VALUES: expressions without columns.
fn push_literals(block: &mut Block, row: &[crate::expr::BoundExpr]) -> Result<()> {
    let one = Block::from_columns(Vec::new(), 1);
    let cx = crate::expr::EvalContext::default();
    let mut values = Vec::with_capacity(row.len());
    for expr in row {
        values.push(Evaluator::new(expr).eval(&cx, &one.view())?.value(0));
    }
    block.push_row(&values);
    Ok(())
}
