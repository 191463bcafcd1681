//! Values of any type in accumulators: how one is read out of a column, kept, compared by Spark's order, hashed,
//! pushed to a result and saved. Aggregates that keep whole values are generic over [`Item`], so that their loops
//! are compiled per physical type.

use alloc::{borrow::Cow, boxed::Box, vec::Vec};
use core::{cmp::Ordering, fmt::Debug, hash::Hasher, marker::PhantomData, ops::Range};

use super::codec::{self, Scalar};
use crate::{
    block::{BitmapRef, BytesRef, Column, ColumnRef, Native, Value, Values},
    error::{Error, Result},
    schema::DataType,
};

/// A way to keep values of one physical type.
pub(super) trait Item: Copy + Debug + Send + Sync + 'static {
    /// A value that is kept.
    type Owned: Clone + Debug + Send + Sync + 'static;
    /// An opened column.
    type Input<'a>: Copy;
    /// A value that is looked at.
    type Ref<'a>;

    /// Takes the column apart once, outside the loop.
    fn open<'a>(column: &ColumnRef<'a>) -> Self::Input<'a>;
    /// The value of a row that is not NULL.
    fn at<'a>(input: Self::Input<'a>, row: usize) -> Self::Ref<'a>
    where
        Self: 'a;
    /// Looks at a kept value.
    fn lend(owned: &Self::Owned) -> Self::Ref<'_>;
    /// Keeps a value.
    fn own(value: Self::Ref<'_>) -> Self::Owned;
    /// Spark's order: NaN last and equal to itself, -0.0 equal to 0.0, bytes unsigned.
    fn compare(a: &Self::Ref<'_>, b: &Self::Ref<'_>) -> Ordering;
    /// Whether `a` comes before `b`.
    #[inline]
    fn less(a: &Self::Ref<'_>, b: &Self::Ref<'_>) -> bool {
        Self::compare(a, b).is_lt()
    }
    /// Whether a row comes before (`MAX` false) or after a kept value.
    #[inline]
    fn beats<const MAX: bool>(input: Self::Input<'_>, row: usize, kept: &Self::Owned) -> bool {
        let (value, kept) = (Self::at(input, row), Self::lend(kept));
        if MAX { Self::less(&kept, &value) } else { Self::less(&value, &kept) }
    }
    /// Gives the rows of `rows` among which the greatest (`MAX`) or least value is, in order, if that can be told at
    /// little cost; false if it cannot. No value is NULL.
    fn contenders<const MAX: bool>(_: Self::Input<'_>, _rows: Range<usize>, _each: impl FnMut(usize)) -> bool {
        false
    }
    /// Hashes so that equal values (by `compare`) hash alike.
    fn hash(value: &Self::Ref<'_>, state: &mut impl Hasher);
    /// The value that stands for its equals in a set: 0.0 for -0.0, one NaN for all.
    fn normal(owned: Self::Owned) -> Self::Owned {
        owned
    }
    /// Appends to a column.
    fn push(owned: &Self::Owned, out: &mut Column);
    /// Appends the bytes.
    fn save(owned: &Self::Owned, out: &mut Vec<u8>);
    /// Reads what `save` wrote; what comes back is valid for the type.
    fn load(bytes: &mut &[u8], data_type: &DataType) -> Result<Self::Owned>;
    /// Memory outside of the value itself.
    fn heap(_owned: &Self::Owned) -> usize {
        0
    }
}

/// Fixed-width numbers, dates, timestamps.
#[derive(Clone, Copy, Debug)]
pub(super) struct Number<T>(PhantomData<T>);

/// Booleans.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bool;

/// Strings and binaries.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bytes;

/// Everything else, slowly: structs, arrays, calendar intervals, NULLs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Any;

/// Runs `$body` with `$item` standing for the [`Item`] of this data type.
macro_rules! with_item {
    ($data_type:expr, $item:ident => $body:expr) => {
        $crate::agg::item::with_item_of!($data_type, $item => $body,
            Boolean: Bool, Int8: Number<i8>, Int16: Number<i16>, Int32: Number<i32>, Int64: Number<i64>,
            Float32: Number<f32>, Float64: Number<f64>, Int128: Number<i128>, Bytes: Bytes)
    };
}
pub(super) use with_item;

/// As [`with_item`], for aggregates that do more with a value than look at it: the types that are seldom kept have
/// no code of their own, but share that of [`Any`].
macro_rules! with_kept_item {
    ($data_type:expr, $item:ident => $body:expr) => {
        $crate::agg::item::with_item_of!($data_type, $item => $body,
            Int32: Number<i32>, Int64: Number<i64>, Float64: Number<f64>, Bytes: Bytes)
    };
}
pub(super) use with_kept_item;

/// The items of some physical types; [`Any`] for all others.
macro_rules! with_item_of {
    ($data_type:expr, $item:ident => $body:expr, $($physical:ident: $own:ident $(<$t:ty>)?),+) => {
        match $data_type.physical() {
            $($crate::schema::Physical::$physical => {
                type $item = $crate::agg::item::$own $(<$t>)?;
                $body
            })+
            _ => {
                type $item = $crate::agg::item::Any;
                $body
            }
        }
    };
}
pub(super) use with_item_of;

/// Row numbers of a column: a constant's only value stands for every row.
#[derive(Clone, Copy, Debug)]
pub(super) struct Index(usize);

impl Index {
    pub fn of(column: &ColumnRef<'_>) -> Self {
        Self(if column.is_constant { 0 } else { usize::MAX })
    }

    #[inline]
    pub fn at(self, row: usize) -> usize {
        row & self.0
    }
}

/// Spark's order and identity of numbers.
pub(super) trait Ordered: Native + Scalar + Send + Sync {
    /// Whether `self` comes before `other`.
    fn less(self, other: Self) -> bool;
    /// Bits by which equals are recognised.
    fn bits(self) -> u128;
    /// The representative of its equals.
    fn normal(self) -> Self;
}

macro_rules! ordered_integer {
    ($($t:ty),*) => {$(
        impl Ordered for $t {
            #[inline]
            fn less(self, other: Self) -> bool {
                self < other
            }

            #[inline]
            fn bits(self) -> u128 {
                self as u128
            }

            #[inline]
            fn normal(self) -> Self {
                self
            }
        }
    )*};
}

macro_rules! ordered_float {
    ($($t:ty),*) => {$(
        impl Ordered for $t {
            /// The first comparison settles almost every row that does not win, NaN or not.
            #[expect(clippy::neg_cmp_op_on_partial_ord, reason = "NaN must pass on to the second comparison")]
            #[inline]
            fn less(self, other: Self) -> bool {
                !(self >= other) && !self.is_nan()
            }

            #[inline]
            fn bits(self) -> u128 {
                self.normal().to_bits().into()
            }

            #[inline]
            fn normal(self) -> Self {
                if self.is_nan() { Self::NAN } else { self + 0.0 }
            }
        }
    )*};
}

ordered_integer!(i8, i16, i32, i64, i128);
ordered_float!(f32, f64);

impl<T: Ordered> Item for Number<T> {
    type Owned = T;
    type Input<'a> = (&'a [T], Index);
    type Ref<'a> = T;

    fn open<'a>(column: &ColumnRef<'a>) -> Self::Input<'a> {
        (column.as_slice(), Index::of(column))
    }

    #[inline]
    fn at<'a>((values, index): Self::Input<'a>, row: usize) -> T
    where
        Self: 'a,
    {
        values[index.at(row)]
    }

    #[inline]
    fn lend(owned: &T) -> T {
        *owned
    }

    #[inline]
    fn own(value: T) -> T {
        value
    }

    #[inline]
    fn compare(a: &T, b: &T) -> Ordering {
        if Ordered::less(*a, *b) {
            Ordering::Less
        } else if Ordered::less(*b, *a) {
            Ordering::Greater
        } else {
            Ordering::Equal
        }
    }

    #[inline]
    fn less(a: &T, b: &T) -> bool {
        Ordered::less(*a, *b)
    }

    fn hash(value: &T, state: &mut impl Hasher) {
        let bits = value.bits();
        // Folding keeps values apart that differ in one half, as all but large decimals do.
        state.write_u64(bits as u64 ^ (bits >> 64) as u64);
    }

    fn normal(owned: T) -> T {
        Ordered::normal(owned)
    }

    fn push(owned: &T, out: &mut Column) {
        out.push(*owned);
    }

    fn save(owned: &T, out: &mut Vec<u8>) {
        Scalar::save(*owned, out);
    }

    fn load(bytes: &mut &[u8], _: &DataType) -> Result<T> {
        Scalar::load(bytes)
    }
}

impl Item for Bool {
    type Owned = bool;
    type Input<'a> = (BitmapRef<'a>, Index);
    type Ref<'a> = bool;

    fn open<'a>(column: &ColumnRef<'a>) -> Self::Input<'a> {
        match column.values {
            Values::Boolean(bits) => (bits, Index::of(column)),
            _ => panic!("{} is not stored as booleans", column.data_type),
        }
    }

    #[inline]
    fn at<'a>((bits, index): Self::Input<'a>, row: usize) -> bool
    where
        Self: 'a,
    {
        bits.get(index.at(row))
    }

    fn lend(owned: &bool) -> bool {
        *owned
    }

    fn own(value: bool) -> bool {
        value
    }

    fn compare(a: &bool, b: &bool) -> Ordering {
        a.cmp(b)
    }

    fn hash(value: &bool, state: &mut impl Hasher) {
        state.write_u8(u8::from(*value));
    }

    fn push(owned: &bool, out: &mut Column) {
        out.push_bool(*owned);
    }

    fn save(owned: &bool, out: &mut Vec<u8>) {
        Scalar::save(*owned, out);
    }

    fn load(bytes: &mut &[u8], _: &DataType) -> Result<bool> {
        Scalar::load(bytes)
    }
}

impl Item for Bytes {
    type Owned = Box<[u8]>;
    type Input<'a> = (BytesRef<'a>, Index);
    type Ref<'a> = &'a [u8];

    fn open<'a>(column: &ColumnRef<'a>) -> Self::Input<'a> {
        match column.values {
            Values::Bytes(bytes) => (bytes, Index::of(column)),
            _ => panic!("{} is not stored as bytes", column.data_type),
        }
    }

    #[inline]
    fn at<'a>((bytes, index): Self::Input<'a>, row: usize) -> &'a [u8]
    where
        Self: 'a,
    {
        bytes.get(index.at(row))
    }

    fn lend(owned: &Box<[u8]>) -> &[u8] {
        owned
    }

    fn own(value: &[u8]) -> Box<[u8]> {
        value.into()
    }

    fn compare(a: &&[u8], b: &&[u8]) -> Ordering {
        a.cmp(b)
    }

    fn hash(value: &&[u8], state: &mut impl Hasher) {
        state.write(value);
    }

    fn push(owned: &Box<[u8]>, out: &mut Column) {
        out.push_bytes(owned);
    }

    fn save(owned: &Box<[u8]>, out: &mut Vec<u8>) {
        codec::save_bytes(owned, out);
    }

    fn load(bytes: &mut &[u8], data_type: &DataType) -> Result<Box<[u8]>> {
        let value = codec::load_bytes(bytes)?;
        if *data_type == DataType::String && core::str::from_utf8(value).is_err() {
            return Err(Error::corrupt("a saved string is not UTF-8"));
        }
        Ok(value.into())
    }

    fn heap(owned: &Box<[u8]>) -> usize {
        owned.len()
    }
}

impl Item for Any {
    type Owned = Value;
    type Input<'a> = ColumnRef<'a>;
    type Ref<'a> = Cow<'a, Value>;

    fn open<'a>(column: &ColumnRef<'a>) -> ColumnRef<'a> {
        *column
    }

    fn at<'a>(input: ColumnRef<'a>, row: usize) -> Cow<'a, Value>
    where
        Self: 'a,
    {
        Cow::Owned(input.value(row))
    }

    fn lend(owned: &Value) -> Cow<'_, Value> {
        Cow::Borrowed(owned)
    }

    fn own(value: Cow<'_, Value>) -> Value {
        value.into_owned()
    }

    fn compare(a: &Cow<'_, Value>, b: &Cow<'_, Value>) -> Ordering {
        compare(a, b)
    }

    fn beats<const MAX: bool>(input: ColumnRef<'_>, row: usize, kept: &Value) -> bool {
        let order = compare_row(&input, row, kept);
        if MAX { order.is_gt() } else { order.is_lt() }
    }

    /// Of structs that begin with an integer, those where it is greatest or least.
    fn contenders<const MAX: bool>(input: ColumnRef<'_>, rows: Range<usize>, mut each: impl FnMut(usize)) -> bool {
        let Values::Struct([first, ..]) = input.values else { return false };
        let first = first.view();
        let (false, None, Values::Int64(values)) =
            (input.is_constant || first.is_constant, first.validity, first.values)
        else {
            return false;
        };
        let values = &values[rows.clone()];
        let best = if MAX { values.iter().max() } else { values.iter().min() };
        rows.zip(values).filter(|(_, value)| Some(*value) == best).for_each(|(row, _)| each(row));
        true
    }

    fn hash(value: &Cow<'_, Value>, state: &mut impl Hasher) {
        hash(value, state);
    }

    fn normal(owned: Value) -> Value {
        normal(owned)
    }

    fn push(owned: &Value, out: &mut Column) {
        out.push_value(owned);
    }

    fn save(owned: &Value, out: &mut Vec<u8>) {
        codec::save_value(owned, out);
    }

    fn load(bytes: &mut &[u8], data_type: &DataType) -> Result<Value> {
        codec::load_value(bytes, data_type)
    }

    fn heap(owned: &Value) -> usize {
        heap(owned)
    }
}

/// As [`compare`], of a row and a value; structs are compared where they lie, as far as need be.
fn compare_row(column: &ColumnRef<'_>, row: usize, value: &Value) -> Ordering {
    if !column.is_valid(row) {
        return compare(&Value::Null, value);
    }
    let at = column.index(row);
    match (column.values, value) {
        (Values::Int32(values), Value::Int32(value)) => values[at].cmp(value),
        (Values::Int64(values), Value::Int64(value)) => values[at].cmp(value),
        (Values::Struct(fields), Value::Struct(values)) => {
            let pairs = fields.iter().zip(values);
            let mut orders = pairs.map(|(field, value)| compare_row(&field.view(), at, value));
            orders.find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
        }
        _ => compare(&column.value(row), value),
    }
}

/// Spark's order of two values of one type, NULL first.
pub(super) fn compare(a: &Value, b: &Value) -> Ordering {
    match (a, b) {
        (Value::Null, Value::Null) => Ordering::Equal,
        (Value::Null, _) => Ordering::Less,
        (_, Value::Null) => Ordering::Greater,
        (Value::Boolean(a), Value::Boolean(b)) => a.cmp(b),
        (Value::Int8(a), Value::Int8(b)) => a.cmp(b),
        (Value::Int16(a), Value::Int16(b)) => a.cmp(b),
        (Value::Int32(a), Value::Int32(b)) => a.cmp(b),
        (Value::Int64(a), Value::Int64(b)) => a.cmp(b),
        (Value::Float32(a), Value::Float32(b)) => Number::compare(a, b),
        (Value::Float64(a), Value::Float64(b)) => Number::compare(a, b),
        (Value::Decimal(a), Value::Decimal(b)) => a.cmp(b),
        (Value::String(a), Value::String(b)) => a.as_bytes().cmp(b.as_bytes()),
        (Value::Binary(a), Value::Binary(b)) => a.cmp(b),
        (Value::Interval(a), Value::Interval(b)) => (a.months, a.days, a.micros).cmp(&(b.months, b.days, b.micros)),
        (Value::Struct(a), Value::Struct(b)) | (Value::Array(a), Value::Array(b)) => {
            let first = a.iter().zip(b).map(|(x, y)| compare(x, y)).find(|o| o.is_ne());
            first.unwrap_or_else(|| a.len().cmp(&b.len()))
        }
        _ => panic!("{a:?} and {b:?} are of one column"),
    }
}

fn hash(value: &Value, state: &mut impl Hasher) {
    match value {
        Value::Null => state.write_u8(0),
        Value::Struct(values) | Value::Array(values) => values.iter().for_each(|v| hash(v, state)),
        Value::Float32(x) => Number::hash(x, state),
        Value::Float64(x) => Number::hash(x, state),
        Value::Boolean(x) => state.write_u8(u8::from(*x)),
        Value::Int8(x) => Number::hash(x, state),
        Value::Int16(x) => Number::hash(x, state),
        Value::Int32(x) => Number::hash(x, state),
        Value::Int64(x) => Number::hash(x, state),
        Value::Decimal(x) => Number::hash(x, state),
        Value::String(s) => state.write(s.as_bytes()),
        Value::Binary(b) => state.write(b),
        Value::Interval(x) => state.write_i64(x.micros ^ (i64::from(x.months) << 40) ^ i64::from(x.days)),
    }
}

/// The value that stands for its equals in a set.
pub(super) fn normal(value: Value) -> Value {
    match value {
        Value::Float32(x) => Value::Float32(Ordered::normal(x)),
        Value::Float64(x) => Value::Float64(Ordered::normal(x)),
        Value::Struct(values) => Value::Struct(values.into_iter().map(normal).collect()),
        Value::Array(values) => Value::Array(values.into_iter().map(normal).collect()),
        other => other,
    }
}

/// Memory a value holds outside of itself.
pub(super) fn heap(value: &Value) -> usize {
    match value {
        Value::String(s) => s.capacity(),
        Value::Binary(b) => b.capacity(),
        Value::Struct(values) | Value::Array(values) => {
            values.capacity() * size_of::<Value>() + values.iter().map(heap).sum::<usize>()
        }
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_order_as_in_spark() {
        let order = |a: f64, b: f64| Number::compare(&a, &b);
        assert_eq!(order(f64::NAN, f64::INFINITY), Ordering::Greater);
        assert_eq!(order(f64::NAN, -f64::NAN), Ordering::Equal);
        assert_eq!(order(-0.0, 0.0), Ordering::Equal);
        assert_eq!((-0.0_f64).bits(), 0.0_f64.bits());
        assert_eq!((-f64::NAN).bits(), f64::NAN.bits());
    }

    #[test]
    fn nested_values_order_field_by_field_with_null_first() {
        let array = |v: &[Option<i32>]| Value::Array(v.iter().map(|x| x.map_or(Value::Null, Value::Int32)).collect());
        assert_eq!(compare(&array(&[Some(1), Some(2)]), &array(&[Some(1)])), Ordering::Greater);
        assert_eq!(compare(&array(&[None]), &array(&[Some(1)])), Ordering::Less);
    }
}
