//! Casts written as functions: `int(x)`, `date(x)`, `string(x)`.

use super::{Call, Function};
use crate::{error::Result, expr::BoundExpr, schema::DataType};

pub(super) const FUNCTIONS: &[Function] = &[
    Function { names: &["boolean"], bind: |call| cast(call, DataType::Boolean) },
    Function { names: &["tinyint"], bind: |call| cast(call, DataType::Int8) },
    Function { names: &["smallint"], bind: |call| cast(call, DataType::Int16) },
    Function { names: &["int"], bind: |call| cast(call, DataType::Int32) },
    Function { names: &["bigint"], bind: |call| cast(call, DataType::Int64) },
    Function { names: &["float"], bind: |call| cast(call, DataType::Float32) },
    Function { names: &["double"], bind: |call| cast(call, DataType::Float64) },
    Function { names: &["decimal"], bind: |call| cast(call, DataType::Decimal(10, 0)) },
    Function { names: &["string"], bind: |call| cast(call, DataType::String) },
    Function { names: &["binary"], bind: |call| cast(call, DataType::Binary) },
    Function { names: &["date"], bind: |call| cast(call, DataType::Date) },
    Function { names: &["timestamp"], bind: |call| cast(call, DataType::Timestamp) },
];

fn cast(mut call: Call<'_>, to: DataType) -> Result<BoundExpr> {
    call.arity(1..=1)?;
    call.cast(0, &to, false)?;
    call.into_first()
}
