//! `x IN (...)`: against a set if the list is literals, else as a chain of comparisons.

use alloc::{boxed::Box, format, string::String, vec, vec::Vec};
use core::cmp::Ordering;

use hashbrown::HashSet;

use super::{Site, compare, logic};
use crate::{
    block::{Column, ColumnRef, Rows, Value, Values, sort_rows},
    error::Result,
    expr::{BinaryOp, BoundExpr, EvalContext, ScalarFunction, cast, fold, function::order, kernel},
    schema::DataType,
};

/// Up to so many strings are compared one after the other; more are hashed.
const COMPARED_MAX: usize = 8;

/// `operand [NOT] IN (list)`, all cast to their common type.
pub(crate) fn in_list(operand: BoundExpr, list: Vec<BoundExpr>, negated: bool, site: Site<'_>) -> Result<BoundExpr> {
    let types = [&operand].into_iter().chain(&list).map(|e| &e.data_type);
    let Some(common) = cast::common_type_of(types, site.settings) else {
        let odd = list.iter().find(|e| cast::common_type(&operand.data_type, &e.data_type, site.settings).is_none());
        let odd = odd.map_or(&DataType::Null, |e| &e.data_type);
        return Err(site.mismatch("IN", &operand.data_type, odd));
    };
    let operand = site.coerced(operand, &common);
    let list: Vec<BoundExpr> = list.into_iter().map(|e| site.coerced(e, &common)).collect();
    let (literals, others): (Vec<_>, Vec<_>) = list.into_iter().partition(|e| e.as_literal().is_some());
    let set = (!literals.is_empty()).then(|| in_set(operand.clone(), &literals, &common, site));
    let others = others.into_iter().map(|other| compare::bind(operand.clone(), BinaryOp::Eq, other, site));
    let mut tests = set.into_iter().map(Ok).chain(others);
    let first = tests.next().unwrap_or_else(|| Ok(BoundExpr::literal(false.into(), DataType::Boolean)))?;
    // Three-valued OR is just what IN means: true if one is, else NULL if one is.
    let any = tests.try_fold(first, |any, test| logic::combine(any, BinaryOp::Or, test?, site))?;
    if negated { logic::not(any, site) } else { Ok(any) }
}

fn in_set(operand: BoundExpr, literals: &[BoundExpr], common: &DataType, site: Site<'_>) -> BoundExpr {
    let values: Vec<Value> = literals.iter().filter_map(BoundExpr::as_literal).cloned().collect();
    let has_null = values.iter().any(Value::is_null);
    let nullable = operand.nullable || has_null;
    let call = BoundExpr::call(Set::new(common.clone(), values, has_null), vec![operand], DataType::Boolean);
    fold::constant(call.nullable(nullable).at(site.span))
}

/// Membership in a set of values of one type.
#[derive(Debug)]
struct Set {
    /// As written, for telling two sets apart.
    written: String,
    has_null: bool,
    /// In order, without NULL.
    members: Column,
    /// The same members, if they are many strings.
    hashed: Option<HashSet<Box<[u8]>>>,
}

impl Set {
    fn new(data_type: DataType, values: Vec<Value>, has_null: bool) -> Self {
        let written = format!("{values:?}");
        let column = Column::from_values(data_type.clone(), &values);
        let view = column.view();
        let mut order: Vec<usize> = (0..values.len()).filter(|i| view.is_valid(*i)).collect();
        sort_rows(&mut order, &|a, b| order::compare(&view, a, &view, b));
        let mut members = Column::new(data_type);
        order.iter().for_each(|i| members.push_from(&view, *i));
        let hashed = match view.values {
            Values::Bytes(bytes) if order.len() > COMPARED_MAX => {
                Some(order.iter().map(|i| bytes.get(*i).into()).collect())
            }
            _ => None,
        };
        Self { written, has_null, members, hashed }
    }
}

impl ScalarFunction for Set {
    fn name(&self) -> &'static str {
        "in"
    }

    fn parameters(&self) -> String {
        self.written.clone()
    }

    fn eval(&self, _: &EvalContext, args: &[ColumnRef<'_>], rows: &Rows<'_>, out: &mut Column) -> Result<()> {
        let operand = &args[0];
        match (self.members.view().values, operand.values) {
            (Values::Int8(set), Values::Int8(x)) => self.ordered(operand, rows, out, set, x),
            (Values::Int16(set), Values::Int16(x)) => self.ordered(operand, rows, out, set, x),
            (Values::Int32(set), Values::Int32(x)) => self.ordered(operand, rows, out, set, x),
            (Values::Int64(set), Values::Int64(x)) => self.ordered(operand, rows, out, set, x),
            (Values::Int128(set), Values::Int128(x)) => self.ordered(operand, rows, out, set, x),
            (Values::Bytes(set), Values::Bytes(x)) => match &self.hashed {
                Some(hashed) => self.each(operand, rows, out, |row| hashed.contains(x.get(operand.index(row)))),
                None => {
                    let count = self.members.len();
                    self.each(operand, rows, out, |row| {
                        let wanted = x.get(operand.index(row));
                        (0..count).any(|i| set.get(i) == wanted)
                    });
                }
            },
            _ => self.each(operand, rows, out, |row| self.holds(operand, row)),
        }
        Ok(())
    }
}

impl Set {
    fn ordered<T: Ord>(&self, operand: &ColumnRef<'_>, rows: &Rows<'_>, out: &mut Column, set: &[T], x: &[T]) {
        match set.len() {
            0..=COMPARED_MAX => self.each(operand, rows, out, |row| set.contains(&x[operand.index(row)])),
            _ => self.each(operand, rows, out, |row| set.binary_search(&x[operand.index(row)]).is_ok()),
        }
    }

    /// By Spark's order, for types whose equality is not that of their bits.
    fn holds(&self, operand: &ColumnRef<'_>, row: usize) -> bool {
        let members = self.members.view();
        let (mut low, mut high) = (0, self.members.len());
        while low < high {
            let middle = (low + high) / 2;
            match order::compare(&members, middle, operand, row) {
                Ordering::Equal => return true,
                Ordering::Less => low = middle + 1,
                Ordering::Greater => high = middle,
            }
        }
        false
    }

    /// Not found beside a NULL is unknown.
    fn each(&self, operand: &ColumnRef<'_>, rows: &Rows<'_>, out: &mut Column, holds: impl Fn(usize) -> bool) {
        if !self.has_null {
            return kernel::predicate(&[operand], rows, out, holds);
        }
        for row in 0..rows.len() {
            match rows.contains(row) && operand.is_valid(row) && holds(row) {
                true => out.push_bool(true),
                false => out.push_null(),
            }
        }
    }
}
