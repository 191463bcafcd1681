//! The syntax tree of a query: what Spark SQL can say and we read, each node with its place in the text. Names are not
//! resolved in it, but literals are values and types are types.

use alloc::{boxed::Box, string::String, vec::Vec};

use crate::{
    block::Value,
    error::Span,
    expr::{BinaryOp, UnaryOp},
    plan::JoinKind,
    schema::DataType,
    time::Interval,
};

/// A name that something is given.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Name {
    pub(super) text: String,
    pub(super) span: Span,
}

/// `WITH ... body ORDER BY ... LIMIT ... OFFSET ...`
#[derive(Debug, PartialEq)]
pub(super) struct Query {
    pub(super) ctes: Vec<Cte>,
    pub(super) body: Body,
    pub(super) order_by: OrderBy,
    pub(super) limit: Option<Expr>,
    pub(super) offset: Option<Expr>,
    pub(super) span: Span,
}

/// `name (columns) AS (query)`
#[derive(Debug, PartialEq)]
pub(super) struct Cte {
    pub(super) alias: Alias,
    pub(super) query: Query,
}

#[derive(Debug, PartialEq)]
pub(super) enum Body {
    Select(Box<Select>),
    /// In parentheses.
    Query(Box<Query>),
    /// `VALUES rows AS name (columns)`
    Values(Vec<Row>, Option<Alias>),
    /// `TABLE name`
    Table(Vec<String>, Span),
    SetOperation {
        left: Box<Body>,
        op: SetOperator,
        quantifier: Quantifier,
        right: Box<Body>,
    },
}

impl Body {
    /// Where it begins, at least.
    pub(super) fn span(&self) -> Option<Span> {
        match self {
            Self::Select(select) => Some(select.span),
            Self::Query(query) => Some(query.span),
            Self::Values(rows, _) => rows.first().map(|row| row.span),
            Self::Table(_, span) => Some(*span),
            Self::SetOperation { left, .. } => left.span(),
        }
    }
}

/// A row of VALUES.
#[derive(Debug, PartialEq)]
pub(super) struct Row {
    pub(super) values: Vec<Expr>,
    pub(super) span: Span,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SetOperator {
    Union,
    Intersect,
    Except,
}

/// What stands after a set operator.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Quantifier {
    pub(super) all: bool,
    pub(super) by_name: bool,
}

#[derive(Debug, PartialEq)]
pub(super) enum OrderBy {
    /// None without ORDER BY.
    Keys(Vec<Key>),
    /// `ORDER BY ALL`
    All { descending: bool, nulls_first: Option<bool> },
}

/// A key of ORDER BY.
#[derive(Debug, PartialEq)]
pub(super) struct Key {
    pub(super) expr: Expr,
    pub(super) descending: bool,
    pub(super) nulls_first: Option<bool>,
}

#[derive(Debug, PartialEq)]
pub(super) struct Select {
    pub(super) distinct: bool,
    pub(super) items: Vec<Item>,
    pub(super) from: Vec<Joined>,
    pub(super) lateral_views: Vec<LateralView>,
    pub(super) selection: Option<Expr>,
    pub(super) group_by: GroupBy,
    pub(super) having: Option<Expr>,
    /// Of the word SELECT.
    pub(super) span: Span,
}

impl Select {
    /// Nothing but the word.
    pub(super) fn new(span: Span) -> Self {
        Self {
            distinct: false,
            items: Vec::new(),
            from: Vec::new(),
            lateral_views: Vec::new(),
            selection: None,
            group_by: GroupBy::default(),
            having: None,
            span,
        }
    }
}

/// An item of the select list.
#[derive(Debug, PartialEq)]
pub(super) enum Item {
    Expr(Expr),
    /// `expr AS name`
    Named(Expr, String),
    /// `expr AS (name, name)`
    NamedAll(Expr, Vec<String>),
    /// `*`, `t.*`, without some columns.
    Star {
        of: Option<String>,
        except: Option<Vec<Vec<String>>>,
        span: Span,
    },
}

#[derive(Debug, Default, PartialEq)]
pub(super) struct GroupBy {
    /// `GROUP BY ALL`
    pub(super) all: bool,
    pub(super) elements: Vec<Grouping>,
    /// What stands behind all elements and means all of them.
    pub(super) modifier: Option<Modifier>,
    pub(super) span: Option<Span>,
}

/// An element of GROUP BY.
#[derive(Debug, PartialEq)]
pub(super) enum Grouping {
    Key(Expr),
    Rollup(Vec<Vec<Expr>>),
    Cube(Vec<Vec<Expr>>, Span),
    Sets(Vec<Vec<Expr>>),
}

/// `GROUP BY a, b WITH ROLLUP`
#[derive(Debug, PartialEq)]
pub(super) enum Modifier {
    Rollup,
    Cube,
    Sets(Vec<Vec<Expr>>),
}

/// `LATERAL VIEW [OUTER] generator table AS columns`
#[derive(Debug, PartialEq)]
pub(super) struct LateralView {
    pub(super) generator: Expr,
    pub(super) outer: bool,
    pub(super) table: Option<String>,
    pub(super) columns: Vec<String>,
}

/// A relation and what is joined to it.
#[derive(Debug, PartialEq)]
pub(super) struct Joined {
    pub(super) relation: Relation,
    pub(super) joins: Vec<Join>,
    pub(super) span: Span,
}

#[derive(Debug, PartialEq)]
pub(super) struct Join {
    pub(super) kind: JoinKind,
    pub(super) relation: Relation,
    pub(super) constraint: Constraint,
    /// Of the relation and the constraint.
    pub(super) span: Span,
}

#[derive(Debug, PartialEq)]
pub(super) enum Constraint {
    None,
    Natural,
    On(Expr),
    Using(Vec<String>),
}

/// What rows come from, with what stands beside it.
#[derive(Debug, PartialEq)]
pub(super) struct Relation {
    pub(super) factor: Factor,
    pub(super) watermark: Option<Watermark>,
    pub(super) alias: Option<Alias>,
    /// Of what it is, without alias and clauses.
    pub(super) span: Span,
}

/// Options of a table as written, in order.
pub(super) type Options = Vec<(String, String)>;

#[derive(Debug, PartialEq)]
pub(super) enum Factor {
    /// A table, a view or a name of WITH.
    Table {
        name: Vec<String>,
        stream: bool,
        options: Options,
    },
    Function {
        name: String,
        args: Vec<Argument>,
    },
    Query(Box<Query>),
    /// Joined relations in parentheses.
    Joined(Box<Joined>),
}

/// `name (columns)`
#[derive(Debug, PartialEq)]
pub(super) struct Alias {
    pub(super) name: Name,
    pub(super) columns: Vec<String>,
}

/// `WATERMARK expr [AS name] DELAY OF delay`
#[derive(Debug, PartialEq)]
pub(super) struct Watermark {
    pub(super) expr: Expr,
    pub(super) name: Option<String>,
    pub(super) delay: Interval,
    pub(super) span: Span,
}

/// An expression and its place, from its first character to its last.
#[derive(Debug, PartialEq)]
pub(super) struct Expr {
    pub(super) kind: Kind,
    pub(super) span: Span,
}

#[derive(Debug, PartialEq)]
pub(super) enum Kind {
    /// `a.b.c`
    Name(Vec<String>),
    /// `expr.name`, where what is before the dot is no name.
    Field(Box<Expr>, String),
    /// `expr[index]`
    Index(Box<Expr>, Box<Expr>),
    Literal(Value, DataType),
    /// `TIMESTAMP 'text'`: what instant it is depends on the session's zone.
    Timestamp(String),
    /// In parentheses.
    Nested(Box<Expr>),
    Tuple(Vec<Expr>),
    Unary(UnaryOp, Box<Expr>),
    Binary(Box<Expr>, BinaryOp, Box<Expr>),
    InList {
        expr: Box<Expr>,
        list: Vec<Expr>,
        negated: bool,
    },
    Between {
        expr: Box<Expr>,
        low: Box<Expr>,
        high: Box<Expr>,
        negated: bool,
    },
    /// `expr LIKE pattern ESCAPE 'c'`, with one of LIKE's operators.
    Like {
        expr: Box<Expr>,
        op: BinaryOp,
        pattern: Box<Expr>,
        escape: Option<Box<Expr>>,
    },
    /// `expr LIKE ANY|ALL (patterns)`
    LikeAny {
        expr: Box<Expr>,
        op: BinaryOp,
        patterns: Vec<Expr>,
        is_all: bool,
    },
    Cast {
        expr: Box<Expr>,
        data_type: DataType,
        is_try: bool,
    },
    Case {
        operand: Option<Box<Expr>>,
        branches: Vec<(Expr, Expr)>,
        otherwise: Option<Box<Expr>>,
    },
    Call(Box<Call>),
    /// `expr AS name` among the fields of STRUCT.
    Named(Box<Expr>, String),
    /// A query that stands for a value.
    Subquery(Box<Query>),
    InSubquery {
        expr: Box<Expr>,
        query: Box<Query>,
        negated: bool,
    },
    Exists(Box<Query>),
}

/// A function, its arguments and what follows them.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Call {
    pub(super) name: String,
    pub(super) args: Vec<Argument>,
    pub(super) distinct: bool,
    pub(super) filter: Option<Expr>,
    /// `IGNORE NULLS` or, false, `RESPECT NULLS`.
    pub(super) ignore_nulls: Option<bool>,
    pub(super) within_group: Vec<Key>,
}

#[derive(Debug, PartialEq)]
pub(super) enum Argument {
    Expr(Expr),
    /// `*`, `t.*`
    Star(Option<String>, Span),
}
