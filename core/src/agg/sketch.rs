//! Aggregates that give sketches: `hll_sketch_agg`, `hll_union_agg`, `theta_sketch_agg`, `theta_union_agg`,
//! `theta_intersection_agg`, `kll_sketch_agg_...`, `kll_merge_agg_...`. The bytes are those that Spark gives; scalar
//! functions ask them.

use alloc::{format, vec::Vec};
use core::marker::PhantomData;

use super::{
    AggregateCall, AggregateFunction, BoundAggregate,
    batch::Batch,
    cells::Kernel,
    codec::{self, Scalar},
};
use crate::{
    block::{Column, ColumnRef, Native, Value, Values},
    error::{Error, Result, Span},
    schema::DataType,
    sketch::{
        Item,
        hll::{self, Hll},
        kll::{self, Kll},
        theta::{self, Theta},
    },
};

pub(super) const FUNCTIONS: &[AggregateFunction] = &[
    AggregateFunction { names: &["hll_sketch_agg"], bind: bind_hll },
    AggregateFunction { names: &["hll_union_agg"], bind: bind_hll_union },
    AggregateFunction { names: &["theta_sketch_agg"], bind: bind_theta },
    AggregateFunction { names: &["theta_union_agg"], bind: bind_theta_union },
    AggregateFunction { names: &["theta_intersection_agg"], bind: bind_theta_intersection },
    AggregateFunction { names: &["kll_sketch_agg_bigint"], bind: |call| bind_kll::<i64>(call, LONGS) },
    AggregateFunction { names: &["kll_sketch_agg_float"], bind: |call| bind_kll::<f32>(call, FLOATS) },
    AggregateFunction { names: &["kll_sketch_agg_double"], bind: |call| bind_kll::<f64>(call, DOUBLES) },
    AggregateFunction { names: &["kll_merge_agg_bigint"], bind: bind_kll_merge::<i64> },
    AggregateFunction { names: &["kll_merge_agg_float"], bind: bind_kll_merge::<f32> },
    AggregateFunction { names: &["kll_merge_agg_double"], bind: bind_kll_merge::<f64> },
];

const LONGS: &[DataType] = &[DataType::Int64, DataType::Int8, DataType::Int16, DataType::Int32];
const FLOATS: &[DataType] = &[DataType::Float32];
const DOUBLES: &[DataType] = &[DataType::Float64, DataType::Float32];

fn bind_hll(mut call: AggregateCall<'_>) -> Result<BoundAggregate> {
    call.arity(1..=2)?;
    let lg_k = match call.args.len() {
        1 => i64::from(hll::LG_K_DEFAULT),
        _ => take_int(&mut call, "HLL_K_MUST_BE_CONSTANT")?,
    };
    let lg_k = in_range(&call, lg_k, hll::LG_K_MIN, hll::LG_K_MAX, "HLL_INVALID_LG_K", "lgConfigK")?;
    let types = [DataType::Int32, DataType::Int64, DataType::String, DataType::Binary];
    accept(&mut call, &types)?;
    call.finish(HllSketch { lg_k }, DataType::Binary, false)
}

fn bind_hll_union(mut call: AggregateCall<'_>) -> Result<BoundAggregate> {
    call.arity(1..=2)?;
    let allow_different = match call.args.len() {
        1 => false,
        _ => call.take_constant(1, "allowDifferentLgConfigK")?.0 == Value::Boolean(true),
    };
    accept(&mut call, &[DataType::Binary])?;
    let place = Place::of(&call);
    call.finish(HllUnion { allow_different, place }, DataType::Binary, false)
}

fn bind_theta(mut call: AggregateCall<'_>) -> Result<BoundAggregate> {
    call.arity(1..=2)?;
    let lg_k = take_lg_nominal(&mut call)?;
    let arrays = [DataType::Int32, DataType::Int64].map(|t| DataType::Array(t.into()));
    let mut types = alloc::vec![DataType::Int32, DataType::Int64, DataType::Float32, DataType::Float64];
    types.extend([DataType::String, DataType::Binary]);
    types.extend(arrays);
    accept(&mut call, &types)?;
    call.finish(ThetaSketch { lg_k, unions: None }, DataType::Binary, false)
}

fn bind_theta_union(mut call: AggregateCall<'_>) -> Result<BoundAggregate> {
    call.arity(1..=2)?;
    let lg_k = take_lg_nominal(&mut call)?;
    accept(&mut call, &[DataType::Binary])?;
    let unions = Some(Place::of(&call));
    call.finish(ThetaSketch { lg_k, unions }, DataType::Binary, false)
}

fn bind_theta_intersection(mut call: AggregateCall<'_>) -> Result<BoundAggregate> {
    call.arity(1..=1)?;
    accept(&mut call, &[DataType::Binary])?;
    let place = Place::of(&call);
    call.finish(ThetaIntersection { place }, DataType::Binary, false)
}

fn bind_kll<T: Quantity>(mut call: AggregateCall<'_>, types: &[DataType]) -> Result<BoundAggregate> {
    call.arity(1..=2)?;
    let k = take_k(&mut call)?;
    accept(&mut call, types)?;
    call.coerce(0, &types[0], "a number")?;
    call.finish(KllSketch::<T> { k, merges: None, item: PhantomData }, DataType::Binary, false)
}

fn bind_kll_merge<T: Quantity>(mut call: AggregateCall<'_>) -> Result<BoundAggregate> {
    call.arity(1..=2)?;
    let k = take_k(&mut call)?;
    accept(&mut call, &[DataType::Binary])?;
    let merges = Some(Place::of(&call));
    call.finish(KllSketch::<T> { k, merges, item: PhantomData }, DataType::Binary, false)
}

fn take_lg_nominal(call: &mut AggregateCall<'_>) -> Result<u8> {
    let lg_k = match call.args.len() {
        1 => i64::from(theta::LG_K_DEFAULT),
        _ => take_int(call, "SKETCH_INVALID_LG_NOM_ENTRIES")?,
    };
    in_range(call, lg_k, theta::LG_K_MIN, theta::LG_K_MAX, "SKETCH_INVALID_LG_NOM_ENTRIES", "lgNomEntries")
}

fn take_k(call: &mut AggregateCall<'_>) -> Result<Option<u16>> {
    if call.args.len() < 2 {
        return Ok(None);
    }
    let k = take_int(call, "DATATYPE_MISMATCH.NON_FOLDABLE_INPUT")?;
    in_range(call, k, kll::K_MIN, u16::MAX, "KLL_SKETCH_K_OUT_OF_RANGE", "k").map(Some)
}

fn take_int(call: &mut AggregateCall<'_>, class: &'static str) -> Result<i64> {
    let (name, span) = (call.name, call.span);
    let constant = call.take_constant(1, "second argument").ok();
    constant.and_then(|(value, _)| value.as_i64()).ok_or_else(|| {
        Error::invalid(format!("the second argument of {name}() must be a constant integer")).class(class).at(span)
    })
}

fn in_range<T: TryFrom<i64> + PartialOrd + core::fmt::Display>(
    call: &AggregateCall<'_>,
    value: i64,
    low: T,
    high: T,
    class: &'static str,
    what: &str,
) -> Result<T> {
    let narrow = T::try_from(value).ok().filter(|v| *v >= low && *v <= high);
    narrow.ok_or_else(|| {
        let text = format!("the {what} of {}() must be between {low} and {high}, not {value}", call.name);
        Error::invalid(text).class(class).at(call.span)
    })
}

/// Sketches cast nothing: a value hashed as another type is another value.
fn accept(call: &mut AggregateCall<'_>, types: &[DataType]) -> Result<()> {
    let from = call.type_of(0).clone();
    match from {
        DataType::Null => call.coerce(0, &types[0], "a value"),
        from if types.contains(&from) => Ok(()),
        from => {
            let names: Vec<_> = types.iter().map(|t| format!("{t}")).collect();
            Err(call.unexpected(0, &from, &names.join(", ")))
        }
    }
}

/// Where a call stands, for errors while rows are read.
#[derive(Clone, Copy)]
struct Place {
    name: &'static str,
    span: Option<Span>,
}

/// Two calls at different places are the same aggregate.
impl core::fmt::Debug for Place {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(self.name)
    }
}

impl Place {
    fn of(call: &AggregateCall<'_>) -> Self {
        Self { name: call.name, span: call.span }
    }

    fn no_sketch(&self, class: &'static str) -> Error {
        let text = format!("the argument of {}() is not a sketch of its kind", self.name);
        Error::data(class, text).at(self.span).hint("pass what a sketch aggregate gave")
    }
}

fn corrupt(what: &str) -> Error {
    Error::corrupt(format!("a saved {what} sketch is not one"))
}

#[derive(Clone, Debug)]
struct HllSketch {
    lg_k: u8,
}

impl Kernel for HllSketch {
    type Cell = Hll;

    fn empty(&self) -> Hll {
        Hll::new(self.lg_k)
    }

    fn update(&self, cells: &mut [Hll], batch: &Batch<'_>) -> Result<isize> {
        let arg = &batch.args[0];
        self.grow_each(cells, batch, 1, |cell, row| {
            cell.update(item(arg, row));
            Ok(())
        })
    }

    fn merge(&self, cell: &mut Hll, other: &Hll) -> Result<()> {
        cell.union(other, self.lg_k);
        Ok(())
    }

    fn emit(&self, cell: &Hll, out: &mut Column) -> Result<()> {
        out.push_bytes(&cell.to_bytes());
        Ok(())
    }

    fn save(&self, cell: &Hll, out: &mut Vec<u8>) {
        codec::save_bytes(&cell.to_bytes(), out);
    }

    fn load(&self, bytes: &mut &[u8]) -> Result<Hll> {
        let sketch = Hll::from_bytes(codec::load_bytes(bytes)?);
        sketch.filter(|s| s.lg_k() == self.lg_k).ok_or_else(|| corrupt("HLL"))
    }

    fn heap(&self, cell: &Hll) -> usize {
        cell.heap()
    }
}

/// A value as sketches hash it.
#[inline]
fn item<'a>(arg: &ColumnRef<'a>, row: usize) -> Item<'a> {
    let i = arg.index(row);
    match arg.values {
        Values::Int32(v) => Item::Long(v[i].into()),
        Values::Int64(v) => Item::Long(v[i]),
        Values::Float32(v) => Item::Double(v[i].into()),
        Values::Float64(v) => Item::Double(v[i]),
        _ => Item::Bytes(arg.bytes_at(row)),
    }
}

#[derive(Clone, Debug)]
struct HllUnion {
    allow_different: bool,
    place: Place,
}

impl HllUnion {
    fn add(&self, cell: &mut Option<Hll>, sketch: &Hll) -> Result<()> {
        let union = cell.get_or_insert_with(|| Hll::new(sketch.lg_k()));
        let (left, right) = (union.lg_k(), sketch.lg_k());
        if left != right && !self.allow_different {
            let text = format!("sketches have different lgConfigK values: {left} and {right}");
            let error = Error::data("HLL_UNION_DIFFERENT_LG_K", text).at(self.place.span);
            return Err(error.hint("pass true as the last argument to allow it"));
        }
        union.union(sketch, left);
        Ok(())
    }
}

impl Kernel for HllUnion {
    type Cell = Option<Hll>;

    fn empty(&self) -> Self::Cell {
        None
    }

    fn update(&self, cells: &mut [Self::Cell], batch: &Batch<'_>) -> Result<isize> {
        let arg = &batch.args[0];
        self.grow_each(cells, batch, 1, |cell, row| {
            let sketch = Hll::from_bytes(arg.bytes_at(row));
            self.add(cell, &sketch.ok_or_else(|| self.place.no_sketch("HLL_INVALID_INPUT_SKETCH_BUFFER"))?)
        })
    }

    fn merge(&self, cell: &mut Self::Cell, other: &Self::Cell) -> Result<()> {
        other.as_ref().map_or(Ok(()), |sketch| self.add(cell, sketch))
    }

    fn emit(&self, cell: &Self::Cell, out: &mut Column) -> Result<()> {
        match cell {
            Some(union) => out.push_bytes(&union.to_bytes()),
            None => out.push_bytes(&Hll::new(hll::LG_K_DEFAULT).to_bytes()),
        }
        Ok(())
    }

    fn save(&self, cell: &Self::Cell, out: &mut Vec<u8>) {
        codec::save_bytes(&cell.as_ref().map(Hll::to_bytes).unwrap_or_default(), out);
    }

    fn load(&self, bytes: &mut &[u8]) -> Result<Self::Cell> {
        match codec::load_bytes(bytes)? {
            [] => Ok(None),
            bytes => Hll::from_bytes(bytes).map(Some).ok_or_else(|| corrupt("HLL")),
        }
    }

    fn heap(&self, cell: &Self::Cell) -> usize {
        cell.as_ref().map_or(0, Hll::heap)
    }
}

/// Sketches of values, or unions of sketches.
#[derive(Clone, Debug)]
struct ThetaSketch {
    lg_k: u8,
    unions: Option<Place>,
}

impl ThetaSketch {
    fn add(&self, cell: &mut theta::Builder, arg: &ColumnRef<'_>, row: usize, scratch: &mut Vec<u8>) -> Result<()> {
        if let Some(place) = self.unions {
            let sketch = Theta::from_bytes(arg.bytes_at(row));
            cell.union(&sketch.ok_or_else(|| place.no_sketch("THETA_INVALID_INPUT_SKETCH_BUFFER"))?);
        } else if let Values::Array { offsets, elements } = arg.values {
            let i = arg.index(row);
            scratch.clear();
            let elements = elements.view();
            (offsets[i] as usize..offsets[i + 1] as usize).for_each(|j| append_bytes(&elements, j, scratch));
            cell.update(Item::Bytes(scratch));
        } else {
            cell.update(item(arg, row));
        }
        Ok(())
    }
}

/// The little-endian bytes of an array's element.
fn append_bytes(elements: &ColumnRef<'_>, row: usize, out: &mut Vec<u8>) {
    match elements.values {
        Values::Int32(v) => v[row].save(out),
        Values::Int64(v) => v[row].save(out),
        _ => panic!("ARRAY<{}> is not hashed", elements.data_type),
    }
}

impl Kernel for ThetaSketch {
    type Cell = theta::Builder;

    fn empty(&self) -> theta::Builder {
        theta::Builder::new(self.lg_k)
    }

    fn update(&self, cells: &mut [theta::Builder], batch: &Batch<'_>) -> Result<isize> {
        let mut scratch = Vec::new();
        self.grow_each(cells, batch, 1, |cell, row| self.add(cell, &batch.args[0], row, &mut scratch))
    }

    fn merge(&self, cell: &mut theta::Builder, other: &theta::Builder) -> Result<()> {
        cell.merge(other);
        Ok(())
    }

    fn emit(&self, cell: &theta::Builder, out: &mut Column) -> Result<()> {
        out.push_bytes(&cell.finish().to_bytes());
        Ok(())
    }

    fn save(&self, cell: &theta::Builder, out: &mut Vec<u8>) {
        codec::save_bytes(&cell.finish().to_bytes(), out);
    }

    fn load(&self, bytes: &mut &[u8]) -> Result<theta::Builder> {
        let sketch = Theta::from_bytes(codec::load_bytes(bytes)?).ok_or_else(|| corrupt("theta"))?;
        let mut cell = self.empty();
        cell.union(&sketch);
        Ok(cell)
    }

    fn heap(&self, cell: &theta::Builder) -> usize {
        cell.heap()
    }
}

#[derive(Clone, Debug)]
struct ThetaIntersection {
    place: Place,
}

impl ThetaIntersection {
    fn add(cell: &mut Option<Theta>, sketch: &Theta) {
        *cell = Some(match cell.as_ref() {
            None => sketch.clone(),
            Some(common) => common.intersection(sketch),
        });
    }
}

impl Kernel for ThetaIntersection {
    type Cell = Option<Theta>;

    fn empty(&self) -> Self::Cell {
        None
    }

    fn update(&self, cells: &mut [Self::Cell], batch: &Batch<'_>) -> Result<isize> {
        let arg = &batch.args[0];
        self.grow_each(cells, batch, 1, |cell, row| {
            let sketch = Theta::from_bytes(arg.bytes_at(row));
            Self::add(cell, &sketch.ok_or_else(|| self.place.no_sketch("THETA_INVALID_INPUT_SKETCH_BUFFER"))?);
            Ok(())
        })
    }

    fn merge(&self, cell: &mut Self::Cell, other: &Self::Cell) -> Result<()> {
        other.iter().for_each(|sketch| Self::add(cell, sketch));
        Ok(())
    }

    fn emit(&self, cell: &Self::Cell, out: &mut Column) -> Result<()> {
        match cell {
            Some(common) => out.push_bytes(&common.to_bytes()),
            None => out.push_bytes(&Theta::empty().to_bytes()),
        }
        Ok(())
    }

    fn save(&self, cell: &Self::Cell, out: &mut Vec<u8>) {
        codec::save_bytes(&cell.as_ref().map(Theta::to_bytes).unwrap_or_default(), out);
    }

    fn load(&self, bytes: &mut &[u8]) -> Result<Self::Cell> {
        match codec::load_bytes(bytes)? {
            [] => Ok(None),
            bytes => Theta::from_bytes(bytes).map(Some).ok_or_else(|| corrupt("theta")),
        }
    }

    fn heap(&self, cell: &Self::Cell) -> usize {
        cell.as_ref().map_or(0, Theta::heap)
    }
}

/// Numbers that KLL sketches take from columns.
trait Quantity: kll::Number + Native {}

impl<T: kll::Number + Native> Quantity for T {}

/// Sketches of values, or merged sketches.
#[derive(Clone, Debug)]
struct KllSketch<T> {
    k: Option<u16>,
    merges: Option<Place>,
    item: PhantomData<T>,
}

impl<T: Quantity> KllSketch<T> {
    fn add(&self, cell: &mut Kll<T>, arg: &ColumnRef<'_>, row: usize) -> Result<()> {
        match self.merges {
            None => cell.update(arg.as_slice::<T>()[arg.index(row)]),
            Some(place) => {
                let sketch = Kll::from_bytes(arg.bytes_at(row));
                cell.merge(&sketch.ok_or_else(|| place.no_sketch("KLL_INVALID_INPUT_SKETCH_BUFFER"))?);
            }
        }
        Ok(())
    }
}

impl<T: Quantity> Kernel for KllSketch<T> {
    type Cell = Kll<T>;

    fn empty(&self) -> Kll<T> {
        Kll::new(self.k.unwrap_or(kll::K_DEFAULT))
    }

    fn update(&self, cells: &mut [Kll<T>], batch: &Batch<'_>) -> Result<isize> {
        self.grow_each(cells, batch, 1, |cell, row| self.add(cell, &batch.args[0], row))
    }

    fn merge(&self, cell: &mut Kll<T>, other: &Kll<T>) -> Result<()> {
        cell.merge(other);
        Ok(())
    }

    /// Spark merges the sketch of its first stage into an empty one, which turns level 0 around.
    fn emit(&self, cell: &Kll<T>, out: &mut Column) -> Result<()> {
        let mut whole = self.empty();
        whole.merge(cell);
        out.push_bytes(&whole.to_bytes());
        Ok(())
    }

    fn save(&self, cell: &Kll<T>, out: &mut Vec<u8>) {
        codec::save_bytes(&cell.to_bytes(), out);
    }

    fn load(&self, bytes: &mut &[u8]) -> Result<Kll<T>> {
        let sketch = Kll::from_bytes(codec::load_bytes(bytes)?);
        sketch.ok_or_else(|| corrupt("KLL"))
    }

    fn heap(&self, cell: &Kll<T>) -> usize {
        cell.heap()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agg::testing::{Table, answers, bind, lit};

    fn hex(value: &Value) -> alloc::string::String {
        let Value::Binary(bytes) = value else { panic!("{value:?} is not binary") };
        bytes.iter().map(|b| format!("{b:02x}")).collect()
    }

    #[test]
    fn sketches_of_the_same_rows_are_those_of_spark() {
        let table = Table::ints(&[Some(1), Some(2), None, Some(1), None]);
        let groups = [0, 0, 0, 0, 1];
        let run = |name| answers(&bind(name, table.args(), |_| ()).unwrap(), &table, &groups, 2).unwrap();
        let hll = run("hll_sketch_agg");
        assert!(hex(&hll[0]).starts_with("0201070c030002082bf2fb06862ff90d00000000"), "{}", hex(&hll[0]));
        assert!(hex(&hll[1]).starts_with("0201070c0304000800000000"), "{}", hex(&hll[1]));
        let theta = run("theta_sketch_agg");
        assert_eq!(hex(&theta[0]), "0104033d011acc93022d0c35ee5befc8ae3efa70d1dfa7ab80");
        assert_eq!(hex(&theta[1]), "01030300001e0000");
    }

    #[test]
    fn quantile_sketches_keep_the_order_of_rows() {
        let table = Table::doubles(&[&[Some(1.5), Some(9.0), Some(4.0), Some(3.0)]]);
        let call = bind("kll_sketch_agg_double", table.args(), |_| ()).unwrap();
        let mut aggregate = (call.make)();
        aggregate.grow(1);
        let column = Column::from_values(DataType::Float64, &[1.5, 9.0, 4.0, 3.0].map(Value::from));
        aggregate.update(&[column.view()], &[0; 4], &crate::block::Rows::new(4, None)).unwrap();
        let mut out = Column::new(DataType::Binary);
        aggregate.emit(&[0], &mut out).unwrap();
        let expected = "05010f00c80008000400000000000000c8000100c4000000000000000000f83f0000000000002240000000000000f83f\
                        000000000000224000000000000010400000000000000840";
        assert_eq!(hex(&out.view().value(0)), expected);
    }

    #[test]
    fn unions_take_sketches_of_one_size_unless_told() {
        let of = |lg_k: u8| {
            let mut sketch = Hll::new(lg_k);
            (0..100).for_each(|i| sketch.update(Item::Long(i)));
            Value::Binary(sketch.to_bytes())
        };
        let table = Table::new(&[(DataType::Binary, &[of(8), of(6), Value::Null])]);
        let strict = bind("hll_union_agg", table.args(), |_| ()).unwrap();
        let error = answers(&strict, &table, &[0; 3], 1).unwrap_err();
        assert_eq!(error.error_class(), Some("HLL_UNION_DIFFERENT_LG_K"));
        let args = [table.args(), [lit(true, DataType::Boolean)].into()].concat();
        let lenient = bind("hll_union_agg", args, |_| ()).unwrap();
        let union = answers(&lenient, &table, &[0; 3], 1).unwrap().remove(0);
        let Value::Binary(bytes) = union else { panic!("a sketch") };
        assert_eq!(Hll::from_bytes(&bytes).unwrap().lg_k(), 6);
    }

    #[test]
    fn what_is_no_sketch_or_no_size_is_refused() {
        let table = Table::new(&[(DataType::Binary, &[Value::Binary([1, 2, 3].into())])]);
        let cases = [
            ("hll_union_agg", "HLL_INVALID_INPUT_SKETCH_BUFFER"),
            ("theta_union_agg", "THETA_INVALID_INPUT_SKETCH_BUFFER"),
            ("theta_intersection_agg", "THETA_INVALID_INPUT_SKETCH_BUFFER"),
            ("kll_merge_agg_double", "KLL_INVALID_INPUT_SKETCH_BUFFER"),
        ];
        for (name, class) in cases {
            let call = bind(name, table.args(), |_| ()).unwrap();
            assert_eq!(answers(&call, &table, &[0], 1).unwrap_err().error_class(), Some(class), "{name}");
        }
        for (name, k) in [("hll_sketch_agg", 3), ("theta_sketch_agg", 27)] {
            let args = [table.args(), [lit(k, DataType::Int32)].into()].concat();
            assert!(bind(name, args, |_| ()).unwrap_err().is_invalid_job(), "{name}");
        }
    }
}
