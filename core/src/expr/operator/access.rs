//! Parts of values: `struct.field`, `array[index]`.

use alloc::{format, string::String, vec};

use super::Site;
use crate::{
    block::{Column, ColumnRef, Rows, Value, Values},
    error::{Error, Result},
    expr::{BoundExpr, EvalContext, EvalMode, ScalarFunction, fold},
    schema::{DataType, same_name},
};

/// `expr.name`; of an array of structs, the array of that field.
pub(crate) fn field(expr: BoundExpr, name: &str, site: Site<'_>) -> Result<BoundExpr> {
    let of_array = matches!(&expr.data_type, DataType::Array(element) if element.struct_fields().is_some());
    let holder = match &expr.data_type {
        DataType::Array(element) if of_array => &**element,
        other => other,
    };
    let Some(fields) = holder.struct_fields() else {
        let text = format!("`.{name}` needs a STRUCT before it, not {}", expr.data_type);
        return Err(Error::unsupported("INVALID_EXTRACT_BASE_FIELD_TYPE", text).at(site.span));
    };
    let mut found = fields.iter().enumerate().filter(|(_, field)| same_name(&field.name, name));
    let Some((index, field)) = found.next() else { return Err(no_field(&expr.data_type, name, site)) };
    if found.next().is_some() {
        let text = format!("the field `{name}` is there more than once in {}", expr.data_type);
        return Err(Error::unsupported("AMBIGUOUS_REFERENCE_TO_FIELDS", text).at(site.span));
    }
    if of_array {
        let (data_type, nullable) = (DataType::Array(field.data_type.clone().into()), expr.nullable);
        let call = BoundExpr::call(GetArrayFields { index }, vec![expr], data_type);
        return Ok(fold::constant(call.nullable(nullable)));
    }
    let (data_type, nullable) = (field.data_type.clone(), field.nullable || expr.nullable);
    Ok(fold::constant(BoundExpr::call(GetField { index }, vec![expr], data_type).nullable(nullable)))
}

fn no_field(data_type: &DataType, name: &str, site: Site<'_>) -> Error {
    let fields = data_type.struct_fields().unwrap_or_default();
    let error = Error::unsupported("FIELD_NOT_FOUND", format!("there is no field `{name}` in {data_type}"));
    let error = error.at(site.span);
    match crate::expr::suggest::nearest(name, fields.iter().map(|f| f.name.as_str())) {
        Some(near) => error.hint(format!("did you mean `{near}`?")),
        None => error,
    }
}

/// A field of every element of an array.
#[derive(Clone, Copy, Debug)]
struct GetArrayFields {
    index: usize,
}

impl ScalarFunction for GetArrayFields {
    fn name(&self) -> &'static str {
        "get_array_fields"
    }

    fn parameters(&self) -> String {
        format!("{}", self.index)
    }

    fn eval(&self, _: &EvalContext, args: &[ColumnRef<'_>], rows: &Rows<'_>, out: &mut Column) -> Result<()> {
        let array = &args[0];
        let Values::Array { offsets, elements } = array.values else { panic!("{} is no array", array.data_type) };
        let elements = elements.view();
        let Values::Struct(fields) = elements.values else { panic!("{} is no struct", elements.data_type) };
        let field = fields[self.index].view();
        for row in 0..rows.len() {
            if !rows.contains(row) || !array.is_valid(row) {
                out.push_null();
                continue;
            }
            let i = array.index(row);
            out.push_array(|to| {
                (offsets[i] as usize..offsets[i + 1] as usize).for_each(|j| match elements.is_valid(j) {
                    true => to.push_from(&field, j),
                    false => to.push_null(),
                });
            });
        }
        Ok(())
    }
}

/// `expr[index]`: of an array the element counted from 0, of a struct the field of that name.
pub(crate) fn index(expr: BoundExpr, index: BoundExpr, site: Site<'_>) -> Result<BoundExpr> {
    let element = match &expr.data_type {
        DataType::Array(element) => (**element).clone(),
        DataType::Struct(_) => match index.as_literal().and_then(Value::as_str) {
            Some(name) => return field(expr, &String::from(name), site),
            None => return Err(site.wrong_type("[ ]", "a field name", &index.data_type)),
        },
        other => {
            let text = format!("`[ ]` needs an ARRAY before it, not {other}");
            return Err(Error::unsupported("INVALID_EXTRACT_BASE_FIELD_TYPE", text).at(site.span));
        }
    };
    if !index.data_type.is_integer() && index.data_type != DataType::Null {
        return Err(site.wrong_type("[ ]", "an integer", &index.data_type));
    }
    let index = site.coerced(index, &DataType::Int64);
    let function = GetItem { mode: site.mode };
    Ok(fold::constant(BoundExpr::call(function, vec![expr, index], element).at(site.span)))
}

/// A field of a struct, which is lent as it is unless whole structs are NULL.
#[derive(Clone, Copy, Debug)]
struct GetField {
    index: usize,
}

impl ScalarFunction for GetField {
    fn name(&self) -> &'static str {
        "field"
    }

    fn parameters(&self) -> String {
        format!("{}", self.index)
    }

    fn lend<'a>(&self, args: &[ColumnRef<'a>]) -> Option<ColumnRef<'a>> {
        match args[0].values {
            Values::Struct(fields) if args[0].validity.is_none() => {
                Some(ColumnRef { is_constant: args[0].is_constant, ..fields[self.index].view() })
            }
            _ => None,
        }
    }

    fn eval(&self, _: &EvalContext, args: &[ColumnRef<'_>], rows: &Rows<'_>, out: &mut Column) -> Result<()> {
        let whole = &args[0];
        let Values::Struct(fields) = whole.values else {
            (0..rows.len()).for_each(|_| out.push_null());
            return Ok(());
        };
        let field = fields[self.index].view();
        for row in 0..rows.len() {
            match whole.is_valid(row) {
                true => out.push_from(&field, whole.index(row)),
                false => out.push_null(),
            }
        }
        Ok(())
    }
}

/// An element of an array.
#[derive(Clone, Copy, Debug)]
struct GetItem {
    mode: EvalMode,
}

impl ScalarFunction for GetItem {
    fn name(&self) -> &'static str {
        "item"
    }

    fn parameters(&self) -> String {
        format!("{:?}", self.mode)
    }

    fn eval(&self, _: &EvalContext, args: &[ColumnRef<'_>], rows: &Rows<'_>, out: &mut Column) -> Result<()> {
        let (array, index) = (&args[0], &args[1]);
        for row in 0..rows.len() {
            let counts = rows.contains(row) && array.is_valid(row) && index.is_valid(row);
            let Values::Array { offsets, elements } = array.values else { panic!("{} is no array", array.data_type) };
            let at = array.index(row);
            let count = (offsets[at + 1] - offsets[at]) as usize;
            let wanted = index.as_slice::<i64>()[index.index(row)];
            match usize::try_from(wanted) {
                _ if !counts => out.push_null(),
                Ok(wanted) if wanted < count => out.push_from(&elements.view(), offsets[at] as usize + wanted),
                _ if self.mode == EvalMode::Ansi => return Err(out_of_bounds(wanted, count)),
                _ => out.push_null(),
            }
        }
        Ok(())
    }
}

fn out_of_bounds(index: i64, count: usize) -> Error {
    Error::data("INVALID_ARRAY_INDEX", format!("the index {index} is out of bounds: the array has {count} element(s)"))
        .hint("get(array, index) gives NULL instead")
}
