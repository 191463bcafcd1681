//! Runs bound expressions a block at a time.
//!
//! An [`Evaluator`] is the tree of a [`BoundExpr`] in which every node that computes something owns the column it
//! computes into, so that after the first block nothing is allocated. Columns of the block are lent on, literals
//! are constant columns. AND, OR, CASE and COALESCE are lazy: they narrow the selection to the rows that are still
//! open before they evaluate the next operand, so that an error never comes from a row that was not asked about:
//! `CASE WHEN x <> 0 THEN 1 / x END` is safe.

use alloc::{boxed::Box, sync::Arc, vec::Vec};
use core::fmt;

use super::{BoundExpr, BoundKind, EvalContext, ScalarFunction, lazy};
use crate::{
    block::{Bitmap, BlockRef, Column, ColumnRef, Values},
    error::{Result, Span},
    schema::DataType,
};

/// A bound expression with the memory it computes in.
pub struct Evaluator {
    data_type: DataType,
    node: Node,
}

enum Node {
    Column(usize),
    Literal(Column),
    Call(Call),
    And(Logic),
    Or(Logic),
    Choice(lazy::Choice),
}

struct Call {
    function: Arc<dyn ScalarFunction>,
    args: Vec<Evaluator>,
    span: Option<Span>,
    out: Column,
}

/// AND and OR, which differ only in what the left side must be for the right side to matter.
struct Logic {
    left: Box<Evaluator>,
    right: Box<Evaluator>,
    /// Rows for which the right side is asked.
    open: Bitmap,
    valid: Bitmap,
    out: Column,
}

/// Calls with up to so many arguments gather them on the stack; longer ones (`array(...)` of many) allocate.
const ARGS_INLINE: usize = 8;

static VOID: DataType = DataType::Null;
/// Stands where no column is yet.
const NOTHING: ColumnRef<'static> =
    ColumnRef { data_type: &VOID, values: Values::Null, validity: None, is_constant: true };

impl Evaluator {
    /// Prepares an expression for evaluation.
    pub fn new(expr: &BoundExpr) -> Self {
        let node = match &expr.kind {
            BoundKind::Column(index) => Node::Column(*index),
            BoundKind::Literal(value) => {
                Node::Literal(Column::from_values(expr.data_type.clone(), core::slice::from_ref(value)))
            }
            BoundKind::Call(call) => Node::Call(Call {
                function: call.function.clone(),
                args: call.args.iter().map(Self::new).collect(),
                span: call.span,
                out: Column::new(expr.data_type.clone()),
            }),
            BoundKind::And(a, b) => Node::And(Logic::new(a, b)),
            BoundKind::Or(a, b) => Node::Or(Logic::new(a, b)),
            BoundKind::Case { branches, otherwise } => Node::Choice(lazy::Choice::case(branches, otherwise)),
            BoundKind::Coalesce(args) => Node::Choice(lazy::Choice::coalesce(args, &expr.data_type)),
        };
        Self { data_type: expr.data_type.clone(), node }
    }

    /// Type of the result.
    pub fn data_type(&self) -> &DataType {
        &self.data_type
    }

    /// The column that the expression is, if it is no more than that.
    pub fn as_column(&self) -> Option<usize> {
        match self.node {
            Node::Column(index) => Some(index),
            _ => None,
        }
    }

    /// The column that it reads first, if it always reads one.
    pub fn first_column(&self) -> Option<usize> {
        match &self.node {
            Node::Column(index) => Some(*index),
            Node::Call(call) => call.args.iter().find_map(Self::first_column),
            Node::And(logic) | Node::Or(logic) => logic.left.first_column(),
            Node::Literal(_) | Node::Choice(_) => None,
        }
    }

    /// Computes the expression for every row of the block that counts. The result is as long as the block or
    /// constant; rows that do not count are unspecified in it.
    pub fn eval<'a>(&'a mut self, cx: &EvalContext, block: &BlockRef<'a>) -> Result<ColumnRef<'a>> {
        match &mut self.node {
            Node::Column(index) => Ok(block.column(*index)),
            Node::Literal(column) => Ok(column.view_constant()),
            Node::Call(call) => call.eval(cx, block),
            Node::And(logic) => logic.eval(cx, block, |left| !left.no, and),
            Node::Or(logic) => logic.eval(cx, block, |left| !left.yes, or),
            Node::Choice(choice) => choice.eval(cx, block),
        }
    }

    /// As [`Evaluator::eval`], but computes nothing if no row counts.
    pub(super) fn eval_some<'a>(&'a mut self, cx: &EvalContext, block: &BlockRef<'a>) -> Result<ColumnRef<'a>> {
        match block.rows().count() {
            0 => Ok(NOTHING),
            _ => self.eval(cx, block),
        }
    }

    /// Writes into `out` the rows of `block.rows()` for which the expression, a boolean, is TRUE.
    pub fn eval_filter(&mut self, cx: &EvalContext, block: &BlockRef<'_>, out: &mut Bitmap) -> Result<()> {
        match &mut self.node {
            Node::And(logic) => logic.filter_and(cx, block, out),
            Node::Or(logic) => logic.filter_or(cx, block, out),
            _ => {
                lazy::selected(&block.rows(), out);
                let truth = Truth::new(&self.eval(cx, block)?);
                out.words_mut().iter_mut().enumerate().for_each(|(w, word)| *word &= truth.word(w).yes);
                Ok(())
            }
        }
    }
}

impl fmt::Debug for Evaluator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.node {
            Node::Column(index) => write!(f, "#{index}"),
            Node::Literal(column) => write!(f, "{:?}", column.view().value(0)),
            Node::Call(call) => f.debug_tuple(call.function.name()).field(&call.args).finish(),
            Node::And(logic) => f.debug_tuple("And").field(&logic.left).field(&logic.right).finish(),
            Node::Or(logic) => f.debug_tuple("Or").field(&logic.left).field(&logic.right).finish(),
            Node::Choice(choice) => choice.fmt(f),
        }
    }
}

impl Call {
    fn eval<'a>(&'a mut self, cx: &EvalContext, block: &BlockRef<'a>) -> Result<ColumnRef<'a>> {
        let Self { function, args, span, out } = self;
        out.clear();
        let count = args.len();
        let (mut few, many);
        let columns = if count <= ARGS_INLINE {
            few = [NOTHING; ARGS_INLINE];
            for (column, arg) in few.iter_mut().zip(args) {
                *column = arg.eval(cx, block)?;
            }
            &few[..count]
        } else {
            many = args.iter_mut().map(|arg| arg.eval(cx, block)).collect::<Result<Vec<_>>>()?;
            &many[..]
        };
        if let Some(column) = function.lend(columns) {
            return Ok(column);
        }
        function.eval(cx, columns, &block.rows(), out).map_err(|e| e.at(*span))?;
        assert_eq!(out.len(), block.len(), "{} computes one result a row", function.name());
        Ok(out.view())
    }
}

impl Logic {
    fn new(left: &BoundExpr, right: &BoundExpr) -> Self {
        Self {
            left: Box::new(Evaluator::new(left)),
            right: Box::new(Evaluator::new(right)),
            open: Bitmap::new(),
            valid: Bitmap::new(),
            out: Column::new(DataType::Boolean),
        }
    }

    /// `is_open` says for which left truths the right side matters, `combine` is the operator, 64 rows at a time.
    fn eval<'a>(
        &'a mut self,
        cx: &EvalContext,
        block: &BlockRef<'a>,
        is_open: impl Fn(TruthWord) -> u64,
        combine: impl Fn(TruthWord, TruthWord) -> TruthWord,
    ) -> Result<ColumnRef<'a>> {
        let Self { left, right, open, valid, out } = self;
        let left = Truth::new(&left.eval(cx, block)?);
        lazy::selected(&block.rows(), open);
        open.words_mut().iter_mut().enumerate().for_each(|(w, word)| *word &= is_open(left.word(w)));
        let open = &*open;
        let right = match open.view().words().iter().any(|&w| w != 0) {
            true => Truth::new(&right.eval(cx, &block.select(Some(open.view())))?),
            false => Truth::UNKNOWN,
        };
        valid.clear();
        valid.resize(block.len(), true);
        let bits = out.bools_mut(block.len());
        for (w, (bits, valid)) in bits.words_mut().iter_mut().zip(valid.words_mut()).enumerate() {
            let truth = combine(left.word(w), right.word(w));
            // `valid` still has a set bit a row and none past them: the tail stays zero.
            *bits = truth.yes & *valid;
            *valid &= truth.yes | truth.no;
        }
        if valid.view().count() < block.len() {
            out.set_validity(Some(valid.view()));
        }
        Ok(out.view())
    }

    /// Only rows that the left side passes are asked of the right side: a NULL cannot become TRUE again.
    fn filter_and(&mut self, cx: &EvalContext, block: &BlockRef<'_>, out: &mut Bitmap) -> Result<()> {
        self.left.eval_filter(cx, block, &mut self.open)?;
        if self.open.view().count() == 0 {
            out.copy_from(self.open.view());
            return Ok(());
        }
        self.right.eval_filter(cx, &block.select(Some(self.open.view())), out)
    }

    fn filter_or(&mut self, cx: &EvalContext, block: &BlockRef<'_>, out: &mut Bitmap) -> Result<()> {
        self.left.eval_filter(cx, block, &mut self.valid)?;
        lazy::selected(&block.rows(), &mut self.open);
        self.open.and_not(self.valid.view());
        if self.open.view().count() == 0 {
            out.copy_from(self.valid.view());
            return Ok(());
        }
        self.right.eval_filter(cx, &block.select(Some(self.open.view())), out)?;
        out.words_mut().iter_mut().zip(self.valid.view().words()).for_each(|(out, left)| *out |= left);
        Ok(())
    }
}

fn and(a: TruthWord, b: TruthWord) -> TruthWord {
    TruthWord { yes: a.yes & b.yes, no: a.no | b.no }
}

fn or(a: TruthWord, b: TruthWord) -> TruthWord {
    TruthWord { yes: a.yes | b.yes, no: a.no & b.no }
}

/// A boolean column by three-valued logic.
#[derive(Clone, Copy)]
pub(super) enum Truth<'a> {
    Constant(TruthWord),
    Column { values: &'a [u64], validity: Option<&'a [u64]> },
}

/// 64 rows: which are true and which are false; NULLs are neither. Bits past the last row are unspecified.
#[derive(Clone, Copy)]
pub(super) struct TruthWord {
    pub yes: u64,
    pub no: u64,
}

impl<'a> Truth<'a> {
    const UNKNOWN: Self = Self::Constant(TruthWord { yes: 0, no: 0 });

    pub fn new(column: &ColumnRef<'a>) -> Self {
        match column.values {
            Values::Null => Self::UNKNOWN,
            Values::Boolean(_) if column.is_constant => match column.is_valid(0) {
                false => Self::UNKNOWN,
                true if column.bool_at(0) => Self::Constant(TruthWord { yes: u64::MAX, no: 0 }),
                true => Self::Constant(TruthWord { yes: 0, no: u64::MAX }),
            },
            Values::Boolean(bits) => {
                Self::Column { values: bits.words(), validity: column.validity.map(|v| v.words()) }
            }
            _ => panic!("{} is not a condition", column.data_type),
        }
    }

    #[inline]
    pub fn word(&self, w: usize) -> TruthWord {
        match *self {
            Self::Constant(word) => word,
            Self::Column { values, validity: None } => TruthWord { yes: values[w], no: !values[w] },
            Self::Column { values, validity: Some(valid) } => {
                TruthWord { yes: values[w] & valid[w], no: !values[w] & valid[w] }
            }
        }
    }
}
