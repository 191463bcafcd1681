//! Generators: `explode`, `posexplode` and `inline`, which make rows of the elements of an array.

use alloc::{format, string::String, vec, vec::Vec};

use super::{LogicalPlan, PlanBuilder, builder::column_of};
use crate::{
    error::{Error, Result, Span},
    expr::{
        BoundExpr, Expr, ExprKind, SchemaScope, bind,
        operator::{Site, access},
    },
    schema::{DataType, Field, Schema, same_name},
};

/// What a generator makes of an element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// A column.
    Element,
    /// Its position, from 0, and a column.
    Numbered,
    /// A column for each field of a struct.
    Fields,
}

impl PlanBuilder {
    /// `LATERAL VIEW [OUTER] explode(x) table_alias AS column_aliases`
    pub fn explode(
        self,
        generator: Expr,
        outer: bool,
        table_alias: Option<String>,
        column_aliases: Vec<String>,
    ) -> Result<Self> {
        let span = generator.span;
        let ExprKind::Function { name, args, .. } = &generator.kind else {
            return Err(Error::invalid("LATERAL VIEW takes explode(...), posexplode(...) or inline(...)").at(span));
        };
        let Some((form, is_outer)) = form_of(name) else {
            return Err(Error::invalid(format!("{name}() is not a generator"))
                .at(span)
                .hint("generators are explode, posexplode and inline, each with _outer as well"));
        };
        let [arg] = args.as_slice() else {
            return Err(Error::invalid(format!("{name}() takes 1 argument")).class("WRONG_NUM_ARGS").at(span));
        };
        let array = bind(arg, &mut SchemaScope(self.schema()), &self.settings)?;
        let mut added = columns(form, name, &array.data_type, span)?;
        if !column_aliases.is_empty() && column_aliases.len() != added.len() {
            let text = format!("{name}() gives {} column(s), not {}", added.len(), column_aliases.len());
            return Err(Error::invalid(text).class("UDTF_ALIAS_NUMBER_MISMATCH").at(span));
        }
        for (i, field) in added.iter_mut().enumerate() {
            field.name = column_aliases.get(i).cloned().unwrap_or_else(|| field.name.clone());
            field.qualifier.clone_from(&table_alias);
        }
        self.exploded(array, form, outer || is_outer, added, span)
    }

    fn exploded(
        self,
        array: BoundExpr,
        form: Form,
        outer: bool,
        added: Vec<Field>,
        span: Option<Span>,
    ) -> Result<Self> {
        let mut fields = self.schema().fields().to_vec();
        let width = fields.len();
        let element = match (form, &array.data_type) {
            (Form::Fields, DataType::Array(element)) => vec![Field::new("(element)", (**element).clone())],
            _ => added.clone(),
        };
        let schema = Schema::new([&fields[..], &element].concat());
        let with_position = form == Form::Numbered;
        let plan = self.wrap(|input| LogicalPlan::Explode { input, array, outer, with_position, schema });
        if form != Form::Fields {
            return Ok(plan);
        }
        let (below, settings) = (plan.schema().clone(), plan.settings.clone());
        let mut exprs: Vec<BoundExpr> = (0..width).map(|i| column_of(&below, i)).collect();
        let DataType::Struct(parts) = &element[0].data_type else {
            return Err(Error::internal("no struct to take apart"));
        };
        for part in parts.iter() {
            exprs.push(access::field(column_of(&below, width), &part.name, Site::new(&settings, span))?);
        }
        fields.extend(added);
        let schema = Schema::new(fields);
        Ok(plan.wrap(|input| LogicalPlan::Project { input, exprs, schema }))
    }
}

/// The columns that a generator adds.
fn columns(form: Form, name: &str, array: &DataType, span: Option<Span>) -> Result<Vec<Field>> {
    let wrong = |wanted: &str| {
        let text = format!("{name}() takes {wanted}, not {array}");
        Error::invalid(text).class("DATATYPE_MISMATCH.UNEXPECTED_INPUT_TYPE").at(span)
    };
    let DataType::Array(element) = array else { return Err(wrong("an ARRAY")) };
    Ok(match form {
        Form::Element => vec![Field::new("col", (**element).clone())],
        Form::Numbered => vec![Field::new("pos", DataType::Int32), Field::new("col", (**element).clone())],
        Form::Fields => {
            let fields = element.struct_fields().ok_or_else(|| wrong("an ARRAY of STRUCT"))?;
            fields.iter().map(|f| Field::new(f.name.as_str(), f.data_type.clone())).collect()
        }
    })
}

/// Whether a function is a generator.
pub(super) fn is_generator(name: &str) -> bool {
    form_of(name).is_some()
}

/// What a generator function makes, and whether arrays without elements make a row.
fn form_of(name: &str) -> Option<(Form, bool)> {
    let forms = [
        ("explode", (Form::Element, false)),
        ("explode_outer", (Form::Element, true)),
        ("posexplode", (Form::Numbered, false)),
        ("posexplode_outer", (Form::Numbered, true)),
        ("inline", (Form::Fields, false)),
        ("inline_outer", (Form::Fields, true)),
    ];
    forms.iter().find(|(n, _)| same_name(n, name)).map(|&(_, form)| form)
}
