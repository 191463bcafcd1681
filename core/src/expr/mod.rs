//! Expressions, in three forms:
//!
//! ```text
//!   Expr  ── bind(schema, functions, settings) ──►  BoundExpr  ── Evaluator::new ──►  Evaluator
//!   names, as written                               column indices, types,          the same tree with
//!   (SQL and API build it)                          casts made explicit              scratch columns: evaluates
//!                                                   (plans hold it)                  a block at a time
//! ```
//! `ast` is what users write and `name` what a column of it is called; `bind` resolves it by Spark's rules; `bound` is
//! what plans hold, compare and rewrite; `fold` computes what is constant; `eval` runs the rest, `lazy` those forms
//! that ask their operands only for some rows. `operator/`, `cast/` and `function/` have one file a family, each with
//! its coercion and its kernels; `kernel` and `apply` are the loops they share, `decimal` and `wide` exact arithmetic.

mod apply;
mod ast;
mod bind;
mod bound;
pub mod cast;
pub mod decimal;
mod eval;
pub(crate) mod fold;
pub mod function;
pub(crate) mod kernel;
mod lazy;
mod name;
pub mod operator;
pub mod suggest;
#[cfg(test)]
mod tests;
mod wide;

pub use apply::{Arg, Ret, apply1, apply2, apply3, check_column, check_text};
pub use ast::{BinaryOp, Expr, ExprKind, SortKey, UnaryOp, col, lit};
pub use bind::{ColumnPath, SchemaScope, Scope, bind, bind_condition, resolve_column};
pub use bound::{BoundExpr, BoundKind, EvalContext, EvalMode, FunctionCall, Part, ScalarFunction, Settings};
pub use eval::Evaluator;
