//! Calls that take parts of one result share it: `regexp_extract(line, p, 1)` and `regexp_extract(line, p, 2)` walk a
//! line once. Their common result becomes a column of a projection below, of which each takes its field.

use alloc::{boxed::Box, sync::Arc, vec::Vec};

use super::{Aggregate, LogicalPlan};
use crate::{
    expr::{
        BoundExpr, BoundKind, FunctionCall, Settings,
        operator::{Site, access::field},
    },
    schema::{DataType, Field, Schema},
};

/// Calls that differ in their parts alone.
struct Family {
    call: FunctionCall,
    /// How many leading arguments they have in common.
    args: usize,
    of: DataType,
    parts: Vec<usize>,
    /// How many calls there are.
    calls: usize,
}

/// The plan with shared results.
pub(super) fn share_parts(plan: LogicalPlan) -> LogicalPlan {
    match plan.map_inputs(&mut share_parts) {
        LogicalPlan::Project { input, mut exprs, schema } => {
            let input = share_with_filter(input, exprs.iter_mut().collect());
            LogicalPlan::Project { input, exprs, schema }
        }
        // A window stands right below its aggregation.
        LogicalPlan::Aggregate(aggregate)
            if !matches!(*aggregate.input, LogicalPlan::Window { .. } | LogicalPlan::Session { .. }) =>
        {
            let Aggregate { input, mut group, mut aggregates, schema, is_distinct } = aggregate;
            let args = aggregates.iter_mut().flat_map(|a| a.call.args.iter_mut().chain(&mut a.filter));
            let input = share_with_filter(input, group.iter_mut().chain(args).collect());
            LogicalPlan::Aggregate(Aggregate { input, group, aggregates, schema, is_distinct })
        }
        other => other,
    }
}

/// As [`share`]; a filter between, which asks for parts itself, stands above the common results.
fn share_with_filter(input: Box<LogicalPlan>, mut exprs: Vec<&mut BoundExpr>) -> Box<LogicalPlan> {
    let mut asked = Vec::new();
    match *input {
        LogicalPlan::Filter { input, mut predicate } => {
            collect(&predicate, &mut asked);
            if asked.is_empty() {
                return share(Box::new(LogicalPlan::Filter { input, predicate }), exprs);
            }
            let input = share(input, exprs.drain(..).chain([&mut predicate]).collect());
            Box::new(LogicalPlan::Filter { input, predicate })
        }
        other => share(Box::new(other), exprs),
    }
}

/// Puts common results of these expressions below them.
fn share(input: Box<LogicalPlan>, exprs: Vec<&mut BoundExpr>) -> Box<LogicalPlan> {
    let mut families = Vec::new();
    exprs.iter().for_each(|expr| collect(expr, &mut families));
    families.retain(|family| family.calls > 1);
    if families.is_empty() {
        return input;
    }
    let mut fields = input.schema().fields().to_vec();
    let columns = fields.iter().enumerate();
    let mut below: Vec<BoundExpr> =
        columns.map(|(i, f)| BoundExpr::column(i, f.data_type.clone(), f.nullable)).collect();
    let mut made: Vec<(Family, BoundExpr)> = Vec::new();
    for family in families {
        let Some(common) = family.common() else { continue };
        let column = BoundExpr::column(below.len(), common.data_type.clone(), false);
        let name = alloc::format!("{}_{}", family.call.function.name(), below.len());
        fields.push(Field { nullable: false, ..Field::new(name, common.data_type.clone()) });
        below.push(common);
        made.push((family, column));
    }
    for expr in exprs {
        let old = core::mem::replace(expr, BoundExpr::literal(crate::block::Value::Null, DataType::Null));
        *expr = old.replace(&mut |e| {
            let (family, column) = made.iter().find(|(family, _)| family.has(e))?;
            family.part_of(e, column)
        });
    }
    Box::new(LogicalPlan::Project { input, exprs: below, schema: Schema::new(fields) })
}

fn collect(expr: &BoundExpr, families: &mut Vec<Family>) {
    if let BoundKind::Call(call) = &expr.kind
        && let Some(part) = call.function.part()
        && expr.is_deterministic()
    {
        let index = families.iter().position(|family| family.has(expr)).unwrap_or_else(|| {
            let of = expr.data_type.clone();
            families.push(Family { call: call.clone(), args: part.args, of, parts: Vec::new(), calls: 0 });
            families.len() - 1
        });
        let family = &mut families[index];
        family.calls += 1;
        if !family.parts.contains(&part.index) {
            family.parts.push(part.index);
        }
    }
    expr.children().into_iter().for_each(|child| collect(child, families));
}

impl Family {
    fn has(&self, expr: &BoundExpr) -> bool {
        let BoundKind::Call(call) = &expr.kind else { return false };
        call.function.part().is_some()
            && call.function.name() == self.call.function.name()
            && call.args[..self.args] == self.call.args[..self.args]
    }

    /// All parts, as a struct.
    fn common(&self) -> Option<BoundExpr> {
        let function = self.call.function.of_parts(&self.parts)?;
        let field = |part: &usize| Field::new(alloc::format!("_{part}"), self.of.clone());
        let data_type = DataType::Struct(self.parts.iter().map(field).collect());
        let args = self.call.args[..self.args].to_vec();
        let kind = BoundKind::Call(FunctionCall { function: Arc::clone(&function), args, span: self.call.span });
        Some(BoundExpr { data_type, nullable: false, kind })
    }

    fn part_of(&self, expr: &BoundExpr, column: &BoundExpr) -> Option<BoundExpr> {
        let BoundKind::Call(call) = &expr.kind else { return None };
        let name = alloc::format!("_{}", call.function.part()?.index);
        field(column.clone(), &name, Site::new(&Settings::default(), call.span)).ok()
    }
}

#[cfg(all(test, feature = "sql"))]
mod tests {
    use super::*;
    use crate::expr::{Expr, col, lit};
    use crate::plan::{PlanBuilder, Table, explain, rewrite};

    fn extract(group: i32) -> Expr {
        Expr::function("regexp_extract", [col("line"), lit(r"^(\S+) (\d+)$"), lit(group)])
    }

    fn scan() -> PlanBuilder {
        let schema = Schema::parse_ddl("line STRING, n INT").expect("a schema");
        let table = Table { name: "t".into(), provider: "memory".into(), schema, ..Table::default() };
        PlanBuilder::scan(Arc::new(table), false, Arc::new(Settings::default()))
    }

    fn explained(plan: PlanBuilder, projection: Vec<Expr>) -> alloc::string::String {
        let select = crate::plan::Select { projection, ..Default::default() };
        explain(&rewrite(plan.select(select).expect("columns that are there").into_plan()))
    }

    #[test]
    fn groups_of_one_match_are_found_together_and_lone_ones_alone() {
        let together = explained(scan(), alloc::vec![extract(1), col("n"), extract(2), extract(1)]);
        assert_eq!(together.matches("regexp_extract_groups(").count(), 1, "{together}");
        assert_eq!(together.matches("regexp_extract_2._").count(), 3, "{together}");
        let alone = explained(scan(), alloc::vec![extract(1), col("n")]);
        assert_eq!(alone.matches("regexp_extract_groups").count(), 0, "{alone}");
    }

    #[test]
    fn a_filter_asks_for_a_part_of_the_same_match() {
        let plan = explained(scan().filter(extract(2).eq(lit("7"))).expect("a condition"), alloc::vec![extract(1)]);
        assert_eq!(plan.matches("regexp_extract_groups(").count(), 1, "{plan}");
        assert!(plan.contains("Filter (regexp_extract_2._2 = '7')"), "{plan}");
    }
}
