//! One row of a result, for programs that want values rather than columns.

use std::{fmt, sync::Arc};

use firesteel_core::{
    Error, Result,
    block::{BlockRef, Column, Value},
    expr::{
        Settings,
        cast::print::{Style, write_value},
    },
    schema::{DataType, Physical, Schema},
};

/// A row: values by position or name. Prints as Spark's: `[1,a,null]`.
#[derive(Clone, PartialEq)]
pub struct Row {
    shape: Arc<RowShape>,
    values: Vec<Value>,
}

/// What the rows of one result share.
#[derive(Debug)]
pub(crate) struct RowShape {
    schema: Schema,
    settings: Arc<Settings>,
}

impl RowShape {
    pub(crate) fn new(schema: Schema, settings: Arc<Settings>) -> Self {
        Self { schema, settings }
    }
}

impl PartialEq for RowShape {
    fn eq(&self, other: &Self) -> bool {
        self.schema == other.schema
    }
}

/// How a value of a row is named: by position or by name.
pub trait RowIndex: fmt::Display {
    /// The position in a row of these columns.
    fn position(&self, schema: &Schema) -> Option<usize>;
}

impl RowIndex for usize {
    fn position(&self, schema: &Schema) -> Option<usize> {
        (*self < schema.len()).then_some(*self)
    }
}

impl RowIndex for &str {
    fn position(&self, schema: &Schema) -> Option<usize> {
        schema.positions(None, self).next()
    }
}

/// What a [`Value`] can become: Rust's own types, and `Option` of them for NULL.
pub trait FromValue: Sized {
    /// The value, if it is of this type.
    fn from_value(value: &Value) -> Option<Self>;
}

macro_rules! from_value {
    ($($type:ty: $pattern:pat => $result:expr),* $(,)?) => {$(
        impl FromValue for $type {
            fn from_value(value: &Value) -> Option<Self> {
                match value {
                    $pattern => Some($result),
                    _ => None,
                }
            }
        }
    )*};
}

from_value! {
    bool: Value::Boolean(x) => *x,
    i8: Value::Int8(x) => *x,
    i16: Value::Int16(x) => *x,
    i32: Value::Int32(x) => *x,
    i128: Value::Decimal(x) => *x,
    f32: Value::Float32(x) => *x,
    String: Value::String(x) => x.clone(),
    Vec<u8>: Value::Binary(x) => x.clone(),
}

impl FromValue for Value {
    fn from_value(value: &Value) -> Option<Self> {
        Some(value.clone())
    }
}

impl FromValue for i64 {
    fn from_value(value: &Value) -> Option<Self> {
        value.as_i64()
    }
}

impl FromValue for f64 {
    fn from_value(value: &Value) -> Option<Self> {
        value.as_f64()
    }
}

impl<T: FromValue> FromValue for Option<T> {
    fn from_value(value: &Value) -> Option<Self> {
        if value.is_null() { Some(None) } else { T::from_value(value).map(Some) }
    }
}

impl Row {
    pub(crate) fn of_block(shape: Arc<RowShape>, block: &BlockRef<'_>, row: usize) -> Self {
        let values = (0..shape.schema.len()).map(|column| block.column(column).value(row)).collect();
        Self { shape, values }
    }

    /// The columns.
    pub fn schema(&self) -> &Schema {
        &self.shape.schema
    }

    /// The values in order.
    pub fn values(&self) -> &[Value] {
        &self.values
    }

    /// A value by position or name (in any case), if there is such a column. Timestamps are microseconds since 1970
    /// UTC, dates are days.
    pub fn value(&self, index: impl RowIndex) -> Option<&Value> {
        self.values.get(index.position(self.schema())?)
    }

    /// A value as a type of Rust's; `Option<T>` for what may be NULL.
    ///
    /// ```
    /// # use firesteel_io::session::Session;
    /// let row = Session::new()?.sql("SELECT 7 AS n, 'x' AS s, NULL AS nothing")?.first()?.unwrap();
    /// assert_eq!(row.get::<i64>("n")?, 7);
    /// assert_eq!(row.get::<String>(1)?, "x");
    /// assert_eq!(row.get::<Option<f64>>("nothing")?, None);
    /// assert!(row.get::<bool>("n").is_err());
    /// # Ok::<(), firesteel_core::Error>(())
    /// ```
    pub fn get<T: FromValue>(&self, index: impl RowIndex) -> Result<T> {
        let Some(position) = index.position(self.schema()) else {
            let names: Vec<&str> = self.schema().fields().iter().map(|f| f.name.as_str()).collect();
            return Err(Error::invalid(format!("the row has no column {index}"))
                .hint(format!("its columns are {}", names.join(", "))));
        };
        T::from_value(&self.values[position]).ok_or_else(|| {
            let field = self.schema().field(position);
            let what = if self.values[position].is_null() { "NULL" } else { "" };
            let rust = std::any::type_name::<T>();
            Error::invalid(format!("column `{}` {} {what} is no {rust}", field.name, field.data_type))
        })
    }

    /// A value as text, as Spark casts it.
    pub(crate) fn text(&self, position: usize) -> String {
        let data_type = &self.schema().field(position).data_type;
        if self.values[position].is_null() {
            return "NULL".into();
        }
        let mut text = String::new();
        // Writing into a String does not fail.
        let _ = self.write(&mut text, position, data_type);
        text
    }

    fn write(&self, out: &mut impl fmt::Write, position: usize, data_type: &DataType) -> fmt::Result {
        let column = Column::from_values(data_type.clone(), std::slice::from_ref(&self.values[position]));
        let style = Style { zone: &self.shape.settings.time_zone, plain_decimals: true };
        write_value(out, &column.view(), 0, style)
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[")?;
        for (position, value) in self.values.iter().enumerate() {
            if position > 0 {
                f.write_str(",")?;
            }
            match value {
                Value::Null => f.write_str("null")?,
                _ => self.write(f, position, &self.schema().field(position).data_type)?,
            }
        }
        f.write_str("]")
    }
}

impl fmt::Debug for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut map = f.debug_map();
        for (position, field) in self.schema().fields().iter().enumerate() {
            map.entry(&format_args!("{}", field.name), &format_args!("{}", self.text(position)));
        }
        map.finish()
    }
}

/// Makes a row that a program brought fit the columns.
pub(crate) fn fit(row: &mut [Value], schema: &Schema) -> Result<()> {
    if row.len() != schema.len() {
        return Err(Error::invalid(format!("{} values for {} columns", row.len(), schema.len())));
    }
    for (value, field) in row.iter_mut().zip(schema.fields()) {
        widen(value, &field.data_type);
        if value.is_null() && !field.nullable {
            return Err(Error::invalid(format!("NULL in column `{}`, which is NOT NULL", field.name))
                .class("NOT_NULL_ASSERT_VIOLATION"));
        }
        if !fits(value, &field.data_type) {
            return Err(Error::invalid(format!("column `{}` is {}, not {value:?}", field.name, field.data_type)));
        }
    }
    Ok(())
}

/// A whole number as the column's type, if that holds it.
fn widen(value: &mut Value, data_type: &DataType) {
    let Some(number) = value.as_i64() else { return };
    let wide = match data_type {
        DataType::Int8 => i8::try_from(number).ok().map(Value::Int8),
        DataType::Int16 => i16::try_from(number).ok().map(Value::Int16),
        DataType::Int32 => i32::try_from(number).ok().map(Value::Int32),
        DataType::Int64 => Some(Value::Int64(number)),
        DataType::Float64 => Some(Value::Float64(number as f64)),
        _ => None,
    };
    if let Some(wide) = wide {
        *value = wide;
    }
}

fn fits(value: &Value, data_type: &DataType) -> bool {
    match (value, data_type.physical()) {
        (Value::Null, _)
        | (Value::Boolean(_), Physical::Boolean)
        | (Value::Int8(_), Physical::Int8)
        | (Value::Int16(_), Physical::Int16)
        | (Value::Int32(_), Physical::Int32)
        | (Value::Int64(_), Physical::Int64)
        | (Value::Float32(_), Physical::Float32)
        | (Value::Float64(_), Physical::Float64)
        | (Value::Decimal(_), Physical::Int128)
        | (Value::Interval(_), Physical::Interval) => true,
        (Value::String(_), _) => *data_type == DataType::String,
        (Value::Binary(_), _) => *data_type == DataType::Binary,
        (Value::Struct(values), _) => data_type.struct_fields().is_some_and(|fields| {
            values.len() == fields.len() && values.iter().zip(fields).all(|(v, f)| fits(v, &f.data_type))
        }),
        (Value::Array(values), _) => match data_type {
            DataType::Array(element) => values.iter().all(|v| fits(v, element)),
            _ => false,
        },
        _ => false,
    }
}
