//! Expressions as users write them: names unresolved, types unknown. SQL text and the DataFrame API both build
//! these, so that the two mean the same.

use alloc::{boxed::Box, string::String, vec::Vec};

use crate::{block::Value, error::Span, schema::DataType};

/// An expression and where it stands in the job text (if it came from one).
#[derive(Clone, Debug, PartialEq)]
pub struct Expr {
    /// What it is.
    pub kind: ExprKind,
    /// Where it stands; `None` from the API.
    pub span: Option<Span>,
}

/// The forms of an expression.
#[derive(Clone, Debug, PartialEq)]
pub enum ExprKind {
    /// `name`, `qualifier.name`, `struct.field...`: the parts as written, resolved left to right as Spark does.
    Column(Vec<String>),
    /// A literal of a known type. `text` is how Spark names it (`1.50`, `2025-01-01`), if not as the value prints.
    Literal {
        /// The value.
        value: Value,
        /// Its type.
        data_type: DataType,
    },
    /// `*` or `qualifier.*`
    Star(Option<String>),
    /// `f(args)`: scalar, aggregate or window-making function, decided by name when bound.
    Function {
        /// Name as written.
        name: String,
        /// Arguments; `count(*)` has one [`ExprKind::Star`].
        args: Vec<Expr>,
        /// `DISTINCT` before the arguments.
        distinct: bool,
        /// `FILTER (WHERE ...)`
        filter: Option<Box<Expr>>,
        /// `IGNORE NULLS`
        ignore_nulls: bool,
        /// `WITHIN GROUP (ORDER BY ...)`
        within_group: Vec<SortKey>,
    },
    /// `op x`
    Unary(UnaryOp, Box<Expr>),
    /// `x op y`
    Binary(Box<Expr>, BinaryOp, Box<Expr>),
    /// `CAST(x AS t)`, `x::t`; `try_cast` gives NULL instead of an error.
    Cast {
        /// What is cast.
        expr: Box<Expr>,
        /// To what.
        data_type: DataType,
        /// NULL instead of an error.
        is_try: bool,
    },
    /// `CASE [operand] WHEN .. THEN .. ELSE .. END`
    Case {
        /// The value compared with each WHEN, if written.
        operand: Option<Box<Expr>>,
        /// WHEN and THEN.
        branches: Vec<(Expr, Expr)>,
        /// ELSE.
        otherwise: Option<Box<Expr>>,
    },
    /// `x [NOT] IN (a, b, ...)`
    InList {
        /// x
        expr: Box<Expr>,
        /// The list.
        list: Vec<Expr>,
        /// NOT
        negated: bool,
    },
    /// `x [NOT] BETWEEN low AND high`
    Between {
        /// x
        expr: Box<Expr>,
        /// Lower bound, inclusive.
        low: Box<Expr>,
        /// Upper bound, inclusive.
        high: Box<Expr>,
        /// NOT
        negated: bool,
    },
    /// `x.field` where x is no plain name, e.g. `window(ts, '1 minute').start`
    Field(Box<Expr>, String),
    /// `x[index]`
    Index(Box<Expr>, Box<Expr>),
    /// `x AS name`
    Alias(Box<Expr>, String),
}

/// Operators with one operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "they are SQL's own")]
pub enum UnaryOp {
    Negate,
    Plus,
    Not,
    BitNot,
    IsNull,
    IsNotNull,
    IsTrue,
    IsNotTrue,
    IsFalse,
    IsNotFalse,
}

/// Operators with two operands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "they are SQL's own")]
pub enum BinaryOp {
    Add,
    Subtract,
    Multiply,
    Divide,
    IntegerDivide,
    Modulo,
    And,
    Or,
    Eq,
    NotEq,
    Less,
    LessEq,
    Greater,
    GreaterEq,
    /// `<=>`
    NullSafeEq,
    /// `||`
    Concat,
    BitAnd,
    BitOr,
    BitXor,
    Like,
    NotLike,
    ILike,
    NotILike,
    RLike,
    NotRLike,
}

/// One key of an ORDER BY.
#[derive(Clone, Debug, PartialEq)]
pub struct SortKey {
    /// What is compared.
    pub expr: Expr,
    /// DESC
    pub descending: bool,
    /// NULLS FIRST or LAST as written; Spark's default is first if ascending, last if descending.
    pub nulls_first: Option<bool>,
}

impl SortKey {
    /// Puts NULLs first.
    pub fn nulls_first(self) -> Self {
        Self { nulls_first: Some(true), ..self }
    }

    /// Puts NULLs last.
    pub fn nulls_last(self) -> Self {
        Self { nulls_first: Some(false), ..self }
    }
}

impl Expr {
    /// An expression that stands nowhere in a text.
    pub fn new(kind: ExprKind) -> Self {
        Self { kind, span: None }
    }

    /// Says where it stands.
    pub fn at(mut self, span: Option<Span>) -> Self {
        self.span = span;
        self
    }

    /// `name(args)`
    pub fn function(name: &str, args: impl Into<Vec<Expr>>) -> Self {
        Self::new(ExprKind::Function {
            name: name.into(),
            args: args.into(),
            distinct: false,
            filter: None,
            ignore_nulls: false,
            within_group: Vec::new(),
        })
    }

    /// `self op other`
    pub fn binary(self, op: BinaryOp, other: impl Into<Expr>) -> Self {
        let span = self.span;
        Self::new(ExprKind::Binary(Box::new(self), op, Box::new(other.into()))).at(span)
    }

    /// `op self`
    pub fn unary(self, op: UnaryOp) -> Self {
        let span = self.span;
        Self::new(ExprKind::Unary(op, Box::new(self))).at(span)
    }

    /// `self AS name`
    pub fn alias(self, name: impl Into<String>) -> Self {
        let span = self.span;
        Self::new(ExprKind::Alias(Box::new(self), name.into())).at(span)
    }

    /// `CAST(self AS data_type)`
    pub fn cast(self, data_type: DataType) -> Self {
        let span = self.span;
        Self::new(ExprKind::Cast { expr: Box::new(self), data_type, is_try: false }).at(span)
    }

    /// Sorts by this, lowest first.
    pub fn asc(self) -> SortKey {
        SortKey { expr: self, descending: false, nulls_first: None }
    }

    /// Sorts by this, highest first.
    pub fn desc(self) -> SortKey {
        SortKey { expr: self, descending: true, nulls_first: None }
    }

    /// The direct operands, in the order they are written.
    pub fn children(&self) -> Vec<&Expr> {
        match &self.kind {
            ExprKind::Column(_) | ExprKind::Literal { .. } | ExprKind::Star(_) => Vec::new(),
            ExprKind::Function { args, filter, within_group, .. } => {
                args.iter().chain(filter.as_deref()).chain(within_group.iter().map(|key| &key.expr)).collect()
            }
            ExprKind::Unary(_, x) | ExprKind::Field(x, _) | ExprKind::Alias(x, _) => alloc::vec![&**x],
            ExprKind::Cast { expr, .. } => alloc::vec![&**expr],
            ExprKind::Binary(a, _, b) | ExprKind::Index(a, b) => alloc::vec![&**a, &**b],
            ExprKind::InList { expr, list, .. } => core::iter::once(&**expr).chain(list).collect(),
            ExprKind::Between { expr, low, high, .. } => alloc::vec![&**expr, &**low, &**high],
            ExprKind::Case { operand, branches, otherwise } => {
                let branches = branches.iter().flat_map(|(when, then)| [when, then]);
                operand.as_deref().into_iter().chain(branches).chain(otherwise.as_deref()).collect()
            }
        }
    }

    /// Calls `f` with this expression and every one inside it.
    pub fn walk<'a>(&'a self, f: &mut dyn FnMut(&'a Expr)) {
        f(self);
        self.children().into_iter().for_each(|child| child.walk(f));
    }

    /// The same expression over other operands: `f` replaces each of the direct ones.
    pub fn map_children(self, f: &mut dyn FnMut(Expr) -> Expr) -> Expr {
        let boxed = |e: Box<Expr>, f: &mut dyn FnMut(Expr) -> Expr| Box::new(f(*e));
        let kind = match self.kind {
            leaf @ (ExprKind::Column(_) | ExprKind::Literal { .. } | ExprKind::Star(_)) => leaf,
            ExprKind::Function { name, args, distinct, filter, ignore_nulls, within_group } => ExprKind::Function {
                name,
                args: args.into_iter().map(&mut *f).collect(),
                distinct,
                filter: filter.map(|e| boxed(e, f)),
                ignore_nulls,
                within_group: within_group.into_iter().map(|k| SortKey { expr: f(k.expr), ..k }).collect(),
            },
            ExprKind::Unary(op, x) => ExprKind::Unary(op, boxed(x, f)),
            ExprKind::Field(x, name) => ExprKind::Field(boxed(x, f), name),
            ExprKind::Alias(x, name) => ExprKind::Alias(boxed(x, f), name),
            ExprKind::Cast { expr, data_type, is_try } => ExprKind::Cast { expr: boxed(expr, f), data_type, is_try },
            ExprKind::Binary(a, op, b) => ExprKind::Binary(boxed(a, f), op, boxed(b, f)),
            ExprKind::Index(a, b) => ExprKind::Index(boxed(a, f), boxed(b, f)),
            ExprKind::InList { expr, list, negated } => {
                let expr = boxed(expr, f);
                ExprKind::InList { expr, list: list.into_iter().map(&mut *f).collect(), negated }
            }
            ExprKind::Between { expr, low, high, negated } => {
                ExprKind::Between { expr: boxed(expr, f), low: boxed(low, f), high: boxed(high, f), negated }
            }
            ExprKind::Case { operand, branches, otherwise } => ExprKind::Case {
                operand: operand.map(|e| boxed(e, f)),
                branches: branches.into_iter().map(|(when, then)| (f(when), f(then))).collect(),
                otherwise: otherwise.map(|e| boxed(e, f)),
            },
        };
        Expr { kind, span: self.span }
    }

    /// `self = other`
    pub fn eq(self, other: impl Into<Expr>) -> Self {
        self.binary(BinaryOp::Eq, other)
    }

    /// `self > other`
    pub fn gt(self, other: impl Into<Expr>) -> Self {
        self.binary(BinaryOp::Greater, other)
    }

    /// `self >= other`
    pub fn gt_eq(self, other: impl Into<Expr>) -> Self {
        self.binary(BinaryOp::GreaterEq, other)
    }

    /// `self < other`
    pub fn lt(self, other: impl Into<Expr>) -> Self {
        self.binary(BinaryOp::Less, other)
    }

    /// `self <= other`
    pub fn lt_eq(self, other: impl Into<Expr>) -> Self {
        self.binary(BinaryOp::LessEq, other)
    }

    /// `self AND other`
    pub fn and(self, other: impl Into<Expr>) -> Self {
        self.binary(BinaryOp::And, other)
    }

    /// `self OR other`
    pub fn or(self, other: impl Into<Expr>) -> Self {
        self.binary(BinaryOp::Or, other)
    }

    /// `self IS NULL`
    pub fn is_null(self) -> Self {
        self.unary(UnaryOp::IsNull)
    }

    /// `self IS NOT NULL`
    pub fn is_not_null(self) -> Self {
        self.unary(UnaryOp::IsNotNull)
    }

    /// `self.field`
    pub fn field(self, name: impl Into<String>) -> Self {
        let span = self.span;
        Self::new(ExprKind::Field(Box::new(self), name.into())).at(span)
    }
}

/// A column by name: `col("dev")`, `col("e.ts")`, `col("window.start")`.
pub fn col(name: &str) -> Expr {
    Expr::new(ExprKind::Column(name.split('.').map(String::from).collect()))
}

/// A literal: `lit(5)`, `lit("a")`, `lit(1.5)`, `lit(true)`.
pub fn lit(value: impl Into<Value>) -> Expr {
    let value = value.into();
    let data_type = match &value {
        Value::Null => DataType::Null,
        Value::Boolean(_) => DataType::Boolean,
        Value::Int8(_) => DataType::Int8,
        Value::Int16(_) => DataType::Int16,
        Value::Int32(_) => DataType::Int32,
        Value::Int64(_) => DataType::Int64,
        Value::Float32(_) => DataType::Float32,
        Value::Float64(_) => DataType::Float64,
        Value::Decimal(_) => DataType::Decimal(38, 0),
        Value::String(_) => DataType::String,
        Value::Binary(_) => DataType::Binary,
        Value::Interval(_) => DataType::Interval,
        Value::Struct(_) | Value::Array(_) => DataType::Null,
    };
    Expr::new(ExprKind::Literal { value, data_type })
}

impl<T: Into<Value>> From<T> for Expr {
    fn from(value: T) -> Self {
        lit(value)
    }
}

macro_rules! operator {
    ($($trait:ident :: $method:ident => $op:ident),*) => {$(
        impl<T: Into<Expr>> core::ops::$trait<T> for Expr {
            type Output = Expr;

            fn $method(self, other: T) -> Expr {
                self.binary(BinaryOp::$op, other)
            }
        }
    )*};
}

operator!(Add::add => Add, Sub::sub => Subtract, Mul::mul => Multiply, Div::div => Divide, Rem::rem => Modulo);
