//! Spark SQL text to statements, and their queries to [`crate::plan`] builder calls. Nothing is resolved here: names
//! and types are the plan's. What can be wrong with a text as such is found here, with its place and a hint.
//!
//! ```text
//!   text ──source──► characters of statements ──lexer──► tokens ──statement──► Statement
//!                    (comments, variables)                 │
//!                             of a query: depth, body, ◄───┘
//!                             table, operator, prefix ──► tree ──plan_query──► PlanBuilder
//! ```
//! Every place in an error is a place in the text as the user wrote it.

mod alias;
mod body;
mod call;
mod clauses;
mod cursor;
mod depth;
mod diagnostic;
mod expr;
mod grouping;
mod interval;
mod lexer;
mod literal;
mod operator;
mod options;
mod prefix;
mod query;
mod relation;
mod select;
mod set_operation;
mod source;
mod statement;
mod subquery;
mod syntax;
mod table;
#[cfg(test)]
mod tests;
mod token;
mod tree;
mod types;

use alloc::{string::String, vec::Vec};

pub use diagnostic::render;
pub use query::{Query, parse_expressions, plan_query};
pub use statement::{Statement, StatementKind};

use crate::error::Result;

/// Reads all statements of a job. `variables` gives the value of `${NAME}`; what it does not know is an error.
///
/// ```
/// use firesteel_core::sql::{StatementKind, parse};
///
/// let job = "CREATE TABLE t (v INT) USING json OPTIONS (path '${DIR}/t'); SELECT v FROM t WHERE v > 1;";
/// let statements = parse(job, &|name| (name == "DIR").then(|| "/data".into()))?;
/// let StatementKind::CreateTable { options, .. } = &statements[0].kind else { unreachable!() };
/// assert_eq!(options[0], ("path".into(), "/data/t".into()));
/// assert_eq!(statements[1].span.column, 62);
/// # Ok::<(), firesteel_core::Error>(())
/// ```
pub fn parse(text: &str, variables: &dyn Fn(&str) -> Option<String>) -> Result<Vec<Statement>> {
    source::split(text, variables)?.iter().map(statement::statement).collect()
}
