//! What the families build their functions from: a [`Defined`] function (a name and a closure over columns), checked
//! and typed arguments, and a row loop for results that are written rather than returned.
//!
//! A closure may capture what was known when it was bound; if two calls of one name can differ in what they
//! captured, the function's parameters must say so.

use alloc::{
    boxed::Box,
    string::{String, ToString},
    vec::Vec,
};
use core::fmt;

use super::{
    super::{Arg, BoundExpr, EvalContext, EvalMode, ScalarFunction, apply, cast, fold},
    Call,
};
use crate::{
    block::{Column, ColumnRef, Rows, Value},
    error::{Error, Result},
    schema::DataType,
};

/// A scalar function made of a name and a closure. One type for all closures: there are hundreds, and each would have
/// its own table and code for all that functions answer.
pub(super) struct Defined {
    name: &'static str,
    parameters: String,
    body: Box<dyn Body>,
}

/// What a function does with a block.
trait Body: Send + Sync {
    fn run(&self, cx: &EvalContext, args: &[ColumnRef<'_>], rows: &Rows<'_>, out: &mut Column) -> Result<()>;
}

impl<F> Body for F
where
    F: Fn(&EvalContext, &[ColumnRef<'_>], &Rows<'_>, &mut Column) -> Result<()> + Send + Sync,
{
    fn run(&self, cx: &EvalContext, args: &[ColumnRef<'_>], rows: &Rows<'_>, out: &mut Column) -> Result<()> {
        self(cx, args, rows, out)
    }
}

/// A function whose result depends on nothing but its arguments.
pub(super) fn define<F>(name: &'static str, run: F) -> Defined
where
    F: Fn(&EvalContext, &[ColumnRef<'_>], &Rows<'_>, &mut Column) -> Result<()> + Send + Sync + 'static,
{
    Defined { name, parameters: String::new(), body: Box::new(run) }
}

impl Defined {
    /// Says what the closure captured, to tell calls of one name apart.
    pub(super) fn with(mut self, parameters: impl fmt::Display) -> Self {
        self.parameters = parameters.to_string();
        self
    }
}

impl fmt::Debug for Defined {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}[{}]", self.name, self.parameters)
    }
}

impl ScalarFunction for Defined {
    fn name(&self) -> &'static str {
        self.name
    }

    fn parameters(&self) -> String {
        self.parameters.clone()
    }

    fn eval(&self, cx: &EvalContext, args: &[ColumnRef<'_>], rows: &Rows<'_>, out: &mut Column) -> Result<()> {
        self.body.run(cx, args, rows, out)
    }
}

impl Call<'_> {
    /// Exactly these arguments, each coerced to its type.
    pub(super) fn typed(&mut self, types: &[DataType]) -> Result<()> {
        self.typed_from(types.len(), types)
    }

    /// The first `required` of these arguments or more of them, each coerced to its type.
    pub(super) fn typed_from(&mut self, required: usize, types: &[DataType]) -> Result<()> {
        self.arity(required..=types.len())?;
        (0..self.args.len()).try_for_each(|i| self.coerce(i, &types[i]))
    }

    /// An argument that must be of this type, or NULL: Spark casts none of another.
    pub(super) fn uncast(&mut self, index: usize, to: &DataType) -> Result<()> {
        if self.type_of(index) != to && *self.type_of(index) != DataType::Null {
            return Err(self.unexpected_type(index, &to.to_string()));
        }
        self.coerce(index, to)
    }

    /// Casts these arguments to the narrowest type that holds all of them, which is the answer.
    pub(super) fn coerce_to_common(&mut self, range: core::ops::Range<usize>) -> Result<DataType> {
        let types = self.args[range.clone()].iter().map(|a| &a.data_type);
        let common = cast::common_type_of(types, self.settings).ok_or_else(|| self.different_types())?;
        for arg in &mut self.args[range] {
            let was = core::mem::replace(arg, BoundExpr::literal(Value::Null, DataType::Null));
            *arg = cast::coerced(was, &common, self.settings);
        }
        Ok(common)
    }

    /// Casts argument `index` as `CAST` or `TRY_CAST` would.
    pub(super) fn cast(&mut self, index: usize, to: &DataType, is_try: bool) -> Result<()> {
        let mode = if is_try { EvalMode::Try } else { self.settings.mode() };
        let arg = core::mem::replace(&mut self.args[index], BoundExpr::literal(Value::Null, DataType::Null));
        self.args[index] = cast::explicit(arg, to, mode, self.settings).map_err(|e| e.at(self.span))?;
        Ok(())
    }

    /// The arguments, whose number was checked.
    pub(super) fn take_args<const N: usize>(self) -> [BoundExpr; N] {
        let count = self.args.len();
        self.args
            .try_into()
            .unwrap_or_else(|_| panic!("{}() was checked to have {N} arguments, not {count}", self.name))
    }

    /// Adds the value of an argument that was left out.
    pub(super) fn default_arg(&mut self, index: usize, value: impl Into<Value>, data_type: DataType) {
        if self.args.len() == index {
            self.args.push(BoundExpr::literal(value.into(), data_type));
        }
    }

    /// A closure over the arguments as they are now; NULL only if an argument is.
    pub(super) fn run<F>(self, data_type: DataType, run: F) -> Result<BoundExpr>
    where
        F: Fn(&EvalContext, &[ColumnRef<'_>], &Rows<'_>, &mut Column) -> Result<()> + Send + Sync + 'static,
    {
        let name = self.name;
        self.finish(define(name, run), data_type)
    }

    /// As [`Call::run`], for closures that may give NULL for arguments that are not.
    pub(super) fn run_nullable<F>(self, data_type: DataType, run: F) -> Result<BoundExpr>
    where
        F: Fn(&EvalContext, &[ColumnRef<'_>], &Rows<'_>, &mut Column) -> Result<()> + Send + Sync + 'static,
    {
        let name = self.name;
        self.finish_nullable(define(name, run), data_type)
    }

    /// As [`Call::run`], for closures that never give NULL.
    pub(super) fn never_null<F>(self, data_type: DataType, run: F) -> Result<BoundExpr>
    where
        F: Fn(&EvalContext, &[ColumnRef<'_>], &Rows<'_>, &mut Column) -> Result<()> + Send + Sync + 'static,
    {
        Ok(self.run(data_type, run)?.nullable(false))
    }

    /// The first argument itself, for functions that only cast it.
    pub(super) fn into_first(self) -> Result<BoundExpr> {
        let first = self.args.into_iter().next();
        first.ok_or_else(|| Error::internal(alloc::format!("{}() has no argument", self.name)))
    }

    /// The value of an argument that needs no row to be known: a literal or an expression of literals.
    pub(super) fn constant(&self, index: usize) -> Result<Option<Value>> {
        let Some(arg) = self.args.get(index) else { return Ok(None) };
        if let Some(value) = arg.as_literal() {
            return Ok(Some(value.clone()));
        }
        Ok(fold::constant(arg.clone()).as_literal().cloned())
    }

    /// An argument that must be a constant.
    pub(super) fn required_constant(&self, index: usize) -> Result<Value> {
        self.constant(index)?.ok_or_else(|| self.not_a_literal(index))
    }

    /// The error for arguments that have no type in common.
    pub(super) fn different_types(&self) -> Error {
        let types: Vec<_> = self.args.iter().map(|a| a.data_type.to_string()).collect();
        let text = alloc::format!("arguments of {}() must be of one type, not {}", self.name, types.join(", "));
        Error::invalid(text).class("DATATYPE_MISMATCH.DATA_DIFF_TYPES").at(self.span)
    }

    /// The error for an argument that must be a constant.
    pub(super) fn not_a_literal(&self, index: usize) -> Error {
        let text = alloc::format!("argument {} of {}() must be a constant", index + 1, self.name);
        Error::invalid(text).class("DATATYPE_MISMATCH.NON_FOLDABLE_INPUT").at(self.span)
    }
}

/// The arguments of one row as a tuple.
pub(super) trait Args<'a>: Sized {
    /// How many there are.
    const COUNT: usize;
    /// The values of the row.
    fn at(columns: &[ColumnRef<'a>], row: usize) -> Self;
}

macro_rules! args {
    ($($t:ident $i:literal),*) => {
        impl<'a, $($t: Arg<'a>),*> Args<'a> for ($($t,)*) {
            const COUNT: usize = [$($i),*].len();

            #[inline]
            fn at(columns: &[ColumnRef<'a>], row: usize) -> Self {
                ($($t::at(&columns[$i], row),)*)
            }
        }
    };
}

args!(A 0);
args!(A 0, B 1);
args!(A 0, B 1, C 2);
args!(A 0, B 1, C 2, D 3);
args!(A 0, B 1, C 2, D 3, E 4);

/// What results are written into before they are appended to a column: text or bytes.
pub(super) trait Scratch: Default {
    /// Empties it, keeping the memory.
    fn reset(&mut self);
    /// What was written.
    fn written(&self) -> &[u8];
}

impl Scratch for String {
    fn reset(&mut self) {
        self.clear();
    }

    fn written(&self) -> &[u8] {
        self.as_bytes()
    }
}

impl Scratch for Vec<u8> {
    fn reset(&mut self) {
        self.clear();
    }

    fn written(&self) -> &[u8] {
        self
    }
}

/// Whether a row's writer made a value: `()` always, `Some(())` yes, `None` NULL.
pub(super) trait Wrote {
    /// False for NULL.
    fn wrote_value(self) -> bool;
}

impl Wrote for () {
    fn wrote_value(self) -> bool {
        true
    }
}

impl Wrote for Option<()> {
    fn wrote_value(self) -> bool {
        self.is_some()
    }
}

/// `out[row] =` what `f` writes for the arguments of the row, for every row that counts and has no NULL. One scratch
/// buffer serves all rows, so no row allocates.
pub(super) fn fill<'a, A: Args<'a>, B: Scratch, W: Wrote>(
    args: &[ColumnRef<'a>],
    rows: &Rows<'_>,
    out: &mut Column,
    mut f: impl FnMut(A, &mut B) -> Result<W>,
) -> Result<()> {
    let mut scratch = B::default();
    each_row(&args[..A::COUNT], rows, out, |row, out| {
        scratch.reset();
        match f(A::at(args, row), &mut scratch)?.wrote_value() {
            true => out.push_bytes(scratch.written()),
            false => out.push_null(),
        }
        Ok(())
    })
}

/// As [`apply::each_row`], of a closure that is not borrowed.
pub(super) fn each_row(
    args: &[ColumnRef<'_>],
    rows: &Rows<'_>,
    out: &mut Column,
    mut f: impl FnMut(usize, &mut Column) -> Result<()>,
) -> Result<()> {
    apply::each_row(args, rows, out, &mut f)
}
