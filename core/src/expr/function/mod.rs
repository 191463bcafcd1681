//! Scalar functions: one file a family, each file a table of [`Function`]s. Adding a function is one entry.

mod array;
mod casts;
mod conditional;
mod datetime;
mod define;
mod hash;
mod math;
pub(super) mod order;
mod sketch;
mod string;

use alloc::{format, string::String, vec::Vec};

pub(crate) use string::java;

use super::{BoundExpr, Settings, cast};
use crate::{
    block::Value,
    error::{Error, Result, Span},
    schema::{DataType, same_name},
};

/// An entry of a family's table.
#[derive(Debug)]
pub struct Function {
    /// Spark's name and its synonyms, lower case.
    pub names: &'static [&'static str],
    /// Checks and coerces the arguments and gives the typed expression.
    pub bind: fn(Call<'_>) -> Result<BoundExpr>,
}

/// A call being bound: its arguments are bound, not yet coerced.
#[derive(Debug)]
pub struct Call<'a> {
    /// Name as in the table (lower case).
    pub name: &'static str,
    /// The arguments.
    pub args: Vec<BoundExpr>,
    /// The session's settings.
    pub settings: &'a Settings,
    /// Where the call stands in the job text.
    pub span: Option<Span>,
}

const FAMILIES: &[&[Function]] = &[
    array::access::FUNCTIONS,
    array::build::FUNCTIONS,
    array::change::FUNCTIONS,
    array::set::FUNCTIONS,
    array::sort::FUNCTIONS,
    casts::FUNCTIONS,
    conditional::FUNCTIONS,
    datetime::epoch::FUNCTIONS,
    datetime::field::FUNCTIONS,
    datetime::make::FUNCTIONS,
    datetime::shift::FUNCTIONS,
    datetime::text::FUNCTIONS,
    datetime::trunc::FUNCTIONS,
    datetime::zoned::FUNCTIONS,
    hash::FUNCTIONS,
    math::arithmetic::FUNCTIONS,
    math::elementary::FUNCTIONS,
    math::integer::FUNCTIONS,
    math::random::FUNCTIONS,
    math::rounding::FUNCTIONS,
    sketch::FUNCTIONS,
    string::case::FUNCTIONS,
    string::encode::FUNCTIONS,
    string::format::FUNCTIONS,
    string::join::FUNCTIONS,
    string::json::FUNCTIONS,
    string::json::convert::FUNCTIONS,
    string::printf::FUNCTIONS,
    string::regex::FUNCTIONS,
    string::search::FUNCTIONS,
    string::slice::FUNCTIONS,
    string::web::FUNCTIONS,
];

/// The scalar function of this name, ignoring case.
pub fn lookup(name: &str) -> Option<(&'static str, &'static Function)> {
    let all = FAMILIES.iter().flat_map(|family| family.iter());
    all.flat_map(|f| f.names.iter().map(move |n| (*n, f))).find(|(n, _)| same_name(n, name))
}

/// Names of all scalar functions, for hints.
pub fn names() -> impl Iterator<Item = &'static str> {
    FAMILIES.iter().flat_map(|family| family.iter()).flat_map(|f| f.names.iter().copied())
}

impl Call<'_> {
    /// Refuses a wrong number of arguments, as Spark's WRONG_NUM_ARGS.
    pub fn arity(&self, allowed: core::ops::RangeInclusive<usize>) -> Result<()> {
        if allowed.contains(&self.args.len()) {
            return Ok(());
        }
        let wanted = match (*allowed.start(), *allowed.end()) {
            (a, b) if a == b => format!("{a}"),
            (a, usize::MAX) => format!("at least {a}"),
            (a, b) => format!("{a} to {b}"),
        };
        let text = format!("{}() takes {wanted} argument(s), not {}", self.name, self.args.len());
        Err(Error::invalid(text).class("WRONG_NUM_ARGS").at(self.span))
    }

    /// Casts argument `index` to `to` as Spark does implicitly, or says which type was expected.
    pub fn coerce(&mut self, index: usize, to: &DataType) -> Result<()> {
        let arg = core::mem::replace(&mut self.args[index], BoundExpr::literal(Value::Null, DataType::Null));
        let from = arg.data_type.clone();
        self.args[index] = cast::implicit(arg, to, self.settings).map_err(|_| {
            let text = format!("argument {} of {}() must be {to}, not {from}", index + 1, self.name);
            Error::invalid(text).class("DATATYPE_MISMATCH.UNEXPECTED_INPUT_TYPE").at(self.span)
        })?;
        Ok(())
    }

    /// Coerces every argument to one type.
    pub fn coerce_all(&mut self, to: &DataType) -> Result<()> {
        (0..self.args.len()).try_for_each(|i| self.coerce(i, to))
    }

    /// The type of argument `index`.
    pub fn type_of(&self, index: usize) -> &DataType {
        &self.args[index].data_type
    }

    /// A string literal argument; `None` if it is not a literal.
    pub fn literal_str(&self, index: usize) -> Option<String> {
        self.args.get(index)?.as_literal()?.as_str().map(String::from)
    }

    /// An integer literal argument; `None` if it is not a literal.
    pub fn literal_i64(&self, index: usize) -> Option<i64> {
        self.args.get(index)?.as_literal()?.as_i64()
    }

    /// The error for an argument that cannot be of this type.
    pub fn unexpected_type(&self, index: usize, wanted: &str) -> Error {
        let text =
            format!("argument {} of {}() must be {wanted}, not {}", index + 1, self.name, self.args[index].data_type);
        Error::invalid(text).class("DATATYPE_MISMATCH.UNEXPECTED_INPUT_TYPE").at(self.span)
    }

    /// Finishes the binding: `function` over the arguments, giving `data_type`. NULL only if an argument is.
    pub fn finish(self, function: impl super::ScalarFunction + 'static, data_type: DataType) -> Result<BoundExpr> {
        let nullable = self.args.iter().any(|a| a.nullable);
        Ok(BoundExpr::call(function, self.args, data_type).nullable(nullable).at(self.span))
    }

    /// As [`Call::finish`], for functions that may give NULL for arguments that are not.
    pub fn finish_nullable(
        self,
        function: impl super::ScalarFunction + 'static,
        data_type: DataType,
    ) -> Result<BoundExpr> {
        Ok(self.finish(function, data_type)?.nullable(true))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_lower_case() {
        let mut known: Vec<_> = names().collect();
        assert!(known.iter().all(|name| lookup(name).is_some() && *name == name.to_lowercase()));
        known.sort_unstable();
        let twice: Vec<_> = known.windows(2).filter(|pair| pair[0] == pair[1]).collect();
        assert!(twice.is_empty(), "{twice:?}");
    }
}
