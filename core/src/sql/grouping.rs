//! GROUPING SETS, ROLLUP and CUBE: each row is taken once a set, and the keys that are not in the set are NULL.
//!
//! ```text
//!   GROUP BY ROLLUP (a, b)  ──►  FROM ... CROSS JOIN (sets: number, id, has_a, has_b)
//!                                GROUP BY CASE WHEN has_a THEN a END, CASE WHEN has_b THEN b END, number, id
//! ```
//! Keys outside aggregates become those CASEs; inside aggregates they stay what they were, as in Spark. Keys of all
//! sets stay as they are everywhere, so that a window among them still is one.

use alloc::{format, string::String, vec, vec::Vec};

use super::{
    expr::Exprs,
    tree::{self, GroupBy as Groups, Grouping, Modifier},
};
use crate::{
    agg,
    error::{Error, Result},
    expr::{BinaryOp, Expr, ExprKind, Settings, lit},
    plan::{GroupBy, JoinKind, JoinOn, PlanBuilder, Select},
    schema::{DataType, Schema, same_name},
};

/// Most sets of one GROUP BY: a CUBE of twelve keys.
const SETS_MAX: usize = 1 << 12;

/// The relation of the sets and its columns: names that no user can type.
const SETS: &str = "(grouping sets)";
const NUMBER: &str = "(number)";
const ID: &str = "(id)";

/// Keys, and for each set which of them are in it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct GroupingSets {
    /// As written, to find them in the rest of the SELECT.
    keys: Vec<Expr>,
    /// The same with their tables, so that no name of the select list is mistaken for a column of theirs.
    qualified: Vec<Expr>,
    sets: Vec<Vec<bool>>,
}

impl GroupingSets {
    /// The sets of a GROUP BY that has some. Keys may be positions in the select list, or names given there.
    pub(super) fn of(
        exprs: &Exprs<'_>,
        group_by: &Groups,
        projection: &[Expr],
        schema: &Schema,
    ) -> Result<Option<Self>> {
        let Groups { all, elements, modifier, .. } = group_by;
        if *all && modifier.is_some() {
            return Err(unsupported(group_by));
        }
        if modifier.is_none() && elements.iter().all(|e| matches!(e, Grouping::Key(_))) {
            return Ok(None);
        }
        let mut keys = Keys { exprs, projection, keys: Vec::new() };
        let sets = match modifier {
            None => keys.crossed(elements)?.ok_or_else(|| unsupported(group_by))?,
            Some(modifier) => {
                let units =
                    elements.iter().map(single).collect::<Option<Vec<_>>>().ok_or_else(|| unsupported(group_by))?;
                let units = keys.units(&units)?;
                match modifier {
                    Modifier::Rollup => rollup(&units),
                    Modifier::Cube if units.len() > SETS_MAX.ilog2() as usize => {
                        return Err(too_many().at(group_by.span));
                    }
                    Modifier::Cube => cube(&units),
                    Modifier::Sets(listed) => keys.listed(listed)?,
                }
            }
        };
        let keys = keys.keys;
        let sets = sets.iter().map(|set| (0..keys.len()).map(|i| set.contains(&i)).collect()).collect();
        let qualified = keys.iter().map(|key| qualified(key.clone(), schema)).collect();
        Ok(Some(Self { keys, qualified, sets }))
    }

    /// The rows of a plan, each once a set.
    pub(super) fn joined(&self, plan: PlanBuilder, settings: &Settings) -> Result<PlanBuilder> {
        let row = |(number, set): (usize, &Vec<bool>)| {
            let number = [lit(number as i32), lit(id_of(set))];
            number.into_iter().chain(set.iter().map(|&is_in| lit(is_in))).collect()
        };
        let rows = self.sets.iter().enumerate().map(row).collect();
        let names: Vec<String> =
            [NUMBER.into(), ID.into()].into_iter().chain((0..self.keys.len()).map(presence)).collect();
        let sets = PlanBuilder::values(rows, None, settings)?.alias(SETS, &names)?;
        plan.join(sets, JoinKind::Cross, JoinOn::None)
    }

    /// Groups by the keys of each set, and makes the rest of the SELECT mean these.
    pub(super) fn apply(&self, select: &mut Select, schema: &Schema, settings: &Settings) {
        let keys = (0..self.keys.len()).map(|i| self.masked(i));
        select.group_by = Some(GroupBy::Exprs(keys.chain([column(NUMBER), column(ID)]).collect()));
        for item in &mut select.projection {
            let name = match &item.kind {
                ExprKind::Alias(..) | ExprKind::Star(_) => None,
                _ => Some(item.output_name_in(schema, settings)),
            };
            let meant = self.meant(item.clone());
            *item = match name {
                Some(name) if meant != *item => meant.alias(name),
                _ => meant,
            };
        }
        select.having = select.having.take().map(|e| self.meant(e));
        for key in &mut select.order_by {
            key.expr = self.meant(key.expr.clone());
        }
    }

    /// An expression as it is after grouping.
    fn meant(&self, expr: Expr) -> Expr {
        if let Some(i) = self.keys.iter().position(|key| same(key, &expr)) {
            return self.masked(i).at(expr.span);
        }
        let span = expr.span;
        match &expr.kind {
            ExprKind::Function { name, args, .. } if same_name(name, "grouping") && args.len() == 1 => {
                match self.keys.iter().position(|key| same(key, &args[0])) {
                    Some(i) => self.is_left_out(i).at(span),
                    None => expr,
                }
            }
            ExprKind::Function { name, .. } if same_name(name, "grouping_id") => column(ID).at(span),
            ExprKind::Function { name, .. } if agg::lookup(name).is_some() => expr,
            _ => expr.map_children(&mut |child| self.meant(child)),
        }
    }

    fn masked(&self, key: usize) -> Expr {
        let expr = self.qualified[key].clone();
        if self.sets.iter().all(|set| set[key]) {
            return expr;
        }
        let branches = vec![(column(&presence(key)), expr)];
        Expr::new(ExprKind::Case { operand: None, branches, otherwise: None })
    }

    /// `grouping(key)`: its bit of the id.
    fn is_left_out(&self, key: usize) -> Expr {
        let shifted = Expr::function("shiftright", [column(ID), lit((self.keys.len() - 1 - key) as i32)]);
        shifted.binary(BinaryOp::BitAnd, lit(1_i64)).cast(DataType::Int8)
    }
}

/// The keys found so far.
struct Keys<'a> {
    exprs: &'a Exprs<'a>,
    projection: &'a [Expr],
    keys: Vec<Expr>,
}

impl Keys<'_> {
    /// The sets of elements with commas between them: each set of one with each of the others. `None` if they are too
    /// many.
    fn crossed(&mut self, elements: &[Grouping]) -> Result<Option<Vec<Vec<usize>>>> {
        let mut sets = vec![Vec::new()];
        for element in elements {
            let choices = self.choices(element)?;
            sets = sets.iter().flat_map(|set| choices.iter().map(|c| [&set[..], c].concat())).collect();
            if sets.len() > SETS_MAX {
                return Ok(None);
            }
        }
        Ok(Some(sets))
    }

    /// What one element of GROUP BY offers to choose from.
    fn choices(&mut self, element: &Grouping) -> Result<Vec<Vec<usize>>> {
        match element {
            Grouping::Rollup(units) => Ok(rollup(&self.listed(units)?)),
            Grouping::Cube(units, span) => {
                let units = self.listed(units)?;
                if units.len() > SETS_MAX.ilog2() as usize {
                    return Err(too_many().at(Some(*span)));
                }
                Ok(cube(&units))
            }
            Grouping::Sets(sets) => self.listed(sets),
            Grouping::Key(plain) => Ok(vec![vec![self.key(plain)?]]),
        }
    }

    fn listed(&mut self, units: &[Vec<tree::Expr>]) -> Result<Vec<Vec<usize>>> {
        self.units(&units.iter().map(|unit| unit.iter().collect()).collect::<Vec<_>>())
    }

    /// Keys that come and go together.
    fn units(&mut self, units: &[Vec<&tree::Expr>]) -> Result<Vec<Vec<usize>>> {
        units.iter().map(|unit| unit.iter().map(|e| self.key(e)).collect()).collect()
    }

    fn key(&mut self, e: &tree::Expr) -> Result<usize> {
        let expr = self.resolved(self.exprs.expr(e)?);
        let known = self.keys.iter().position(|key| same(key, &expr));
        Ok(known.unwrap_or_else(|| {
            self.keys.push(expr);
            self.keys.len() - 1
        }))
    }

    /// `1` and a name given in the select list stand for what is there.
    fn resolved(&self, expr: Expr) -> Expr {
        let named = |item: &&Expr| match (&item.kind, &expr.kind) {
            (ExprKind::Alias(_, name), ExprKind::Column(parts)) => parts.len() == 1 && same_name(name, &parts[0]),
            _ => false,
        };
        let ordinal = match &expr.kind {
            ExprKind::Literal { value, data_type: DataType::Int32 } => value.as_i64(),
            _ => None,
        };
        let item = match ordinal {
            Some(i) => usize::try_from(i - 1).ok().and_then(|i| self.projection.get(i)),
            None => self.projection.iter().find(named),
        };
        match item.map(|item| &item.kind) {
            Some(ExprKind::Alias(inner, _)) => (**inner).clone(),
            Some(_) => item.cloned().unwrap_or(expr),
            None => expr,
        }
    }
}

/// An element that is a key of its own.
fn single(element: &Grouping) -> Option<Vec<&tree::Expr>> {
    match element {
        Grouping::Key(e) => Some(vec![e]),
        _ => None,
    }
}

/// All, all but the last, ..., none.
fn rollup(units: &[Vec<usize>]) -> Vec<Vec<usize>> {
    (0..=units.len()).rev().map(|count| units[..count].concat()).collect()
}

/// Every choice of units, all first.
fn cube(units: &[Vec<usize>]) -> Vec<Vec<usize>> {
    let chosen = |mask: usize| {
        let units = units.iter().enumerate().filter(move |(i, _)| mask >> (units.len() - 1 - i) & 1 == 1);
        units.flat_map(|(_, unit)| unit.iter().copied()).collect()
    };
    (0..1_usize << units.len()).rev().map(chosen).collect()
}

/// Spark's grouping_id: a bit a key, the first the highest, set if the key is not in the set.
fn id_of(set: &[bool]) -> i64 {
    set.iter().fold(0, |id, &is_in| id << 1 | i64::from(!is_in))
}

fn presence(key: usize) -> String {
    format!("(key {key})")
}

fn column(name: &str) -> Expr {
    Expr::new(ExprKind::Column(vec![SETS.into(), name.into()]))
}

/// Columns with the table they come from, where that is certain.
fn qualified(expr: Expr, schema: &Schema) -> Expr {
    let expr = expr.map_children(&mut |child| qualified(child, schema));
    let table = match &expr.kind {
        ExprKind::Column(parts) if parts.len() == 1 => {
            schema.positions(None, &parts[0]).next().and_then(|i| schema.field(i).qualifier.clone())
        }
        _ => None,
    };
    match (expr.kind, table) {
        (ExprKind::Column(parts), Some(table)) => {
            Expr::new(ExprKind::Column([&[table][..], &parts].concat())).at(expr.span)
        }
        (kind, _) => Expr::new(kind).at(expr.span),
    }
}

/// Whether two expressions are written alike: places, case of names, and a table before a column do not count.
fn same(a: &Expr, b: &Expr) -> bool {
    match (&a.kind, &b.kind) {
        (ExprKind::Column(a), ExprKind::Column(b)) => a.iter().rev().zip(b.iter().rev()).all(|(a, b)| same_name(a, b)),
        _ => plain(a.clone()) == plain(b.clone()),
    }
}

fn plain(expr: Expr) -> Expr {
    let mut expr = expr.map_children(&mut plain).at(None);
    match &mut expr.kind {
        ExprKind::Column(parts) => parts.iter_mut().for_each(|part| *part = part.to_lowercase()),
        ExprKind::Function { name, .. } => *name = name.to_lowercase(),
        _ => {}
    }
    expr
}

fn too_many() -> Error {
    Error::too_complex(format!("GROUP BY makes more than {SETS_MAX} grouping sets"))
        .hint("list the sets that are needed: GROUPING SETS ((a, b), (a))")
}

fn unsupported(group_by: &Groups) -> Error {
    Error::unsupported("UNSUPPORTED_FEATURE", "this combination of grouping sets is not supported")
        .at(group_by.span)
        .hint("list the sets that are needed: GROUPING SETS ((a, b), (a))")
}
