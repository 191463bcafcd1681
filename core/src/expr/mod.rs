//! Expressions, in three forms:
//!
//! ```text
//!   Expr  ── bind(schema, functions, settings) ──►  BoundExpr  ── Evaluator::new ──►  Evaluator
//!   names, as written                               column indices, types,          the same tree with
//!   (SQL and API build it)                          casts made explicit              scratch columns: evaluates
//!                                                   (plans hold it)                  a block at a time
//! ```
//! `ast` is what users write; `bind` resolves it and applies Spark's type coercion; `bound` is what plans hold,
//! compare and rewrite; `eval` runs it; `function/` has one file a family of scalar functions, each function an
//! entry in a table. `apply` has the loops that functions share.

mod apply;
mod ast;
mod bind;
mod bound;
pub mod cast;
pub mod decimal;
mod eval;
mod fold;
pub mod function;
pub(crate) mod kernel;
mod lazy;
mod name;
pub mod operator;
pub mod suggest;
#[cfg(test)]
mod tests;
mod wide;

pub use apply::{Arg, Ret, apply1, apply2, apply3};
pub use ast::{BinaryOp, Expr, ExprKind, SortKey, UnaryOp, col, lit};
pub use bind::{ColumnPath, SchemaScope, Scope, bind, bind_condition, resolve_column};
pub use bound::{BoundExpr, BoundKind, EvalContext, EvalMode, FunctionCall, ScalarFunction, Settings};
pub use eval::Evaluator;
