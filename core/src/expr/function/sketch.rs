//! Questions to sketches and operations on them: `hll_sketch_estimate`, `hll_union`, `theta_...`, `kll_sketch_...`.
//! The sketches themselves come from aggregates, here or in Spark.

use alloc::{format, string::String};

use super::{Call, Function, define::each_row};
use crate::{
    block::{Column, ColumnRef, Native, Value, Values},
    error::{Error, Result},
    expr::{BoundExpr, apply1, apply2, cast::print},
    schema::DataType,
    sketch::{
        hll::Hll,
        kll::{Kll, Number},
        theta::{self, Theta},
    },
};

pub(super) const FUNCTIONS: &[Function] = &[
    Function { names: &["hll_sketch_estimate"], bind: hll_estimate },
    Function { names: &["hll_union"], bind: hll_union },
    Function { names: &["theta_sketch_estimate"], bind: theta_estimate },
    Function { names: &["theta_union"], bind: theta_union },
    Function { names: &["theta_intersection"], bind: |call| theta_pair(call, Theta::intersection) },
    Function { names: &["theta_difference"], bind: |call| theta_pair(call, Theta::difference) },
    Function { names: &["kll_sketch_get_n_bigint"], bind: kll_n::<i64> },
    Function { names: &["kll_sketch_get_n_float"], bind: kll_n::<f32> },
    Function { names: &["kll_sketch_get_n_double"], bind: kll_n::<f64> },
    Function { names: &["kll_sketch_get_quantile_bigint"], bind: kll_quantile::<i64> },
    Function { names: &["kll_sketch_get_quantile_float"], bind: kll_quantile::<f32> },
    Function { names: &["kll_sketch_get_quantile_double"], bind: kll_quantile::<f64> },
    Function { names: &["kll_sketch_get_rank_bigint"], bind: kll_rank::<i64> },
    Function { names: &["kll_sketch_get_rank_float"], bind: kll_rank::<f32> },
    Function { names: &["kll_sketch_get_rank_double"], bind: kll_rank::<f64> },
    Function { names: &["kll_sketch_merge_bigint"], bind: kll_merge::<i64> },
    Function { names: &["kll_sketch_merge_float"], bind: kll_merge::<f32> },
    Function { names: &["kll_sketch_merge_double"], bind: kll_merge::<f64> },
    Function { names: &["kll_sketch_to_string_bigint"], bind: kll_to_string::<i64> },
    Function { names: &["kll_sketch_to_string_float"], bind: kll_to_string::<f32> },
    Function { names: &["kll_sketch_to_string_double"], bind: kll_to_string::<f64> },
];

fn hll_estimate(mut call: Call<'_>) -> Result<BoundExpr> {
    call.arity(1..=1)?;
    binary(&mut call, 0)?;
    let name = call.name;
    call.run(DataType::Int64, move |_, args, rows, out| {
        apply1(args, rows, out, |bytes: &[u8]| Ok(round(hll_of(bytes, name)?.estimate())))
    })
}

fn hll_union(mut call: Call<'_>) -> Result<BoundExpr> {
    call.arity(2..=3)?;
    call.default_arg(2, false, DataType::Boolean);
    binary(&mut call, 0)?;
    binary(&mut call, 1)?;
    call.coerce(2, &DataType::Boolean)?;
    let name = call.name;
    call.run(DataType::Binary, move |_, args, rows, out| {
        each_row(args, rows, out, |row, out| {
            let (a, b) = (hll_of(args[0].bytes_at(row), name)?, hll_of(args[1].bytes_at(row), name)?);
            if a.lg_k() != b.lg_k() && !args[2].bool_at(row) {
                let text = format!("sketches have different lgConfigK values: {} and {}", a.lg_k(), b.lg_k());
                let error = Error::data("HLL_UNION_DIFFERENT_LG_K", text);
                return Err(error.hint("pass true as the third argument to allow it"));
            }
            let lg_k = a.lg_k().min(b.lg_k());
            let mut union = Hll::new(lg_k);
            union.union(&a, lg_k);
            union.union(&b, lg_k);
            out.push_bytes(&union.to_bytes());
            Ok(())
        })
    })
}

fn theta_estimate(mut call: Call<'_>) -> Result<BoundExpr> {
    call.arity(1..=1)?;
    binary(&mut call, 0)?;
    let name = call.name;
    call.run(DataType::Int64, move |_, args, rows, out| {
        apply1(args, rows, out, |bytes: &[u8]| Ok(round(theta_of(bytes, name)?.estimate())))
    })
}

fn theta_union(mut call: Call<'_>) -> Result<BoundExpr> {
    call.arity(2..=3)?;
    call.default_arg(2, i32::from(theta::LG_K_DEFAULT), DataType::Int32);
    binary(&mut call, 0)?;
    binary(&mut call, 1)?;
    call.coerce(2, &DataType::Int32)?;
    let name = call.name;
    call.run(DataType::Binary, move |_, args, rows, out| {
        each_row(args, rows, out, |row, out| {
            let lg_k = lg_nominal(args[2].as_slice::<i32>()[args[2].index(row)], name)?;
            let mut union = theta::Builder::new(lg_k);
            union.union(&theta_of(args[0].bytes_at(row), name)?);
            union.union(&theta_of(args[1].bytes_at(row), name)?);
            out.push_bytes(&union.finish().to_bytes());
            Ok(())
        })
    })
}

fn theta_pair(mut call: Call<'_>, combine: fn(&Theta, &Theta) -> Theta) -> Result<BoundExpr> {
    call.arity(2..=2)?;
    binary(&mut call, 0)?;
    binary(&mut call, 1)?;
    let name = call.name;
    call.run(DataType::Binary, move |_, args, rows, out| {
        apply2(args, rows, out, |a: &[u8], b: &[u8]| Ok(combine(&theta_of(a, name)?, &theta_of(b, name)?).to_bytes()))
    })
}

fn lg_nominal(lg_k: i32, name: &str) -> Result<u8> {
    let narrow = u8::try_from(lg_k).ok().filter(|k| (theta::LG_K_MIN..=theta::LG_K_MAX).contains(k));
    narrow.ok_or_else(|| {
        let (low, high) = (theta::LG_K_MIN, theta::LG_K_MAX);
        let text = format!("the lgNomEntries of {name}() must be between {low} and {high}, not {lg_k}");
        Error::data("SKETCH_INVALID_LG_NOM_ENTRIES", text)
    })
}

/// Numbers of KLL sketches in columns, and how Java prints them.
trait Quantity: Number + Native {
    /// Their SQL type.
    const TYPE: DataType;
    /// What stands for the least and greatest of none.
    const NONE: &'static str;
    /// As Java prints it.
    fn print(self) -> String;
}

impl Quantity for i64 {
    const TYPE: DataType = DataType::Int64;
    const NONE: &'static str = "NaN";

    fn print(self) -> String {
        format!("{self}")
    }
}

impl Quantity for f32 {
    const TYPE: DataType = DataType::Float32;
    const NONE: &'static str = "NaN";

    fn print(self) -> String {
        print::float(self)
    }
}

impl Quantity for f64 {
    const TYPE: DataType = DataType::Float64;
    const NONE: &'static str = "NaN";

    fn print(self) -> String {
        print::double(self)
    }
}

fn kll_n<T: Quantity>(mut call: Call<'_>) -> Result<BoundExpr> {
    call.arity(1..=1)?;
    binary(&mut call, 0)?;
    let name = call.name;
    call.run(DataType::Int64, move |_, args, rows, out| {
        apply1(args, rows, out, |bytes: &[u8]| Ok(kll_of::<T>(bytes, name)?.n() as i64))
    })
}

fn kll_quantile<T: Quantity>(mut call: Call<'_>) -> Result<BoundExpr> {
    let result = kll_question(&mut call, &DataType::Float64, T::TYPE)?;
    let name = call.name;
    call.run_nullable(result, move |_, args, rows, out| {
        ask::<T, f64, T>(args, rows, out, name, |sketch, rank| {
            if !(0.0..=1.0).contains(&rank) {
                let text = format!("the quantile of {name}() must be between 0.0 and 1.0, not {rank}");
                return Err(Error::data("KLL_SKETCH_INVALID_QUANTILE_RANGE", text));
            }
            sketch.quantile(rank).ok_or_else(|| no_kll(name))
        })
    })
}

fn kll_rank<T: Quantity>(mut call: Call<'_>) -> Result<BoundExpr> {
    let result = kll_question(&mut call, &T::TYPE, DataType::Float64)?;
    let name = call.name;
    call.run_nullable(result, move |_, args, rows, out| {
        ask::<T, T, f64>(args, rows, out, name, |sketch, value| sketch.rank(value).ok_or_else(|| no_kll(name)))
    })
}

/// Casts `(sketch, one)` or `(sketch, array)`, and gives the type of the result: `answer` or an array of it.
fn kll_question(call: &mut Call<'_>, asked: &DataType, answer: DataType) -> Result<DataType> {
    call.arity(2..=2)?;
    binary(call, 0)?;
    if matches!(call.type_of(1), DataType::Array(_)) {
        call.cast(1, &DataType::Array(asked.clone().into()), false)?;
        return Ok(DataType::Array(answer.into()));
    }
    call.cast(1, asked, false)?;
    Ok(answer)
}

/// Asks the sketch of each row one question, or each question of an array.
fn ask<T: Quantity, Q: Native, A: Native>(
    args: &[ColumnRef<'_>],
    rows: &crate::block::Rows<'_>,
    out: &mut Column,
    name: &str,
    answer: impl Fn(&Kll<T>, Q) -> Result<A>,
) -> Result<()> {
    each_row(args, rows, out, |row, out| {
        let sketch = kll_of::<T>(args[0].bytes_at(row), name)?;
        let i = args[1].index(row);
        let Values::Array { offsets, elements } = args[1].values else {
            out.push(answer(&sketch, args[1].as_slice::<Q>()[i])?);
            return Ok(());
        };
        let elements = elements.view();
        let asked = &elements.as_slice::<Q>()[offsets[i] as usize..offsets[i + 1] as usize];
        let answers = asked.iter().map(|&q| answer(&sketch, q)).collect::<Result<alloc::vec::Vec<A>>>()?;
        out.push_array(|elements| answers.into_iter().for_each(|a| elements.push(a)));
        Ok(())
    })
}

fn kll_merge<T: Quantity>(mut call: Call<'_>) -> Result<BoundExpr> {
    call.arity(2..=2)?;
    binary(&mut call, 0)?;
    binary(&mut call, 1)?;
    let name = call.name;
    call.run(DataType::Binary, move |_, args, rows, out| {
        apply2(args, rows, out, |a: &[u8], b: &[u8]| {
            let mut merged = kll_of::<T>(a, name)?;
            merged.merge(&kll_of(b, name)?);
            Ok(merged.to_bytes())
        })
    })
}

fn kll_to_string<T: Quantity>(mut call: Call<'_>) -> Result<BoundExpr> {
    call.arity(1..=1)?;
    binary(&mut call, 0)?;
    let name = call.name;
    call.run(DataType::String, move |_, args, rows, out| {
        apply1(args, rows, out, |bytes: &[u8]| Ok(summary(&kll_of::<T>(bytes, name)?)))
    })
}

/// The summary that the Java library prints.
fn summary<T: Quantity>(sketch: &Kll<T>) -> String {
    let (capacity, retained, levels) = (sketch.capacity(), sketch.retained(), sketch.level_count());
    let k = f64::from(sketch.k_least());
    let percent = |factor: f64, power: f64| format!("{:.3}%", 100.0 * factor / libm::pow(k, power));
    let is_empty = sketch.n() == 0;
    let (low, high): (String, String) =
        sketch.range().map_or_else(|| (T::NONE.into(), T::NONE.into()), |(l, h)| (l.print(), h.print()));
    let lines = [
        ("K", format!("{}", sketch.k())),
        ("Dynamic min K", format!("{}", sketch.k_least())),
        ("M", "8".into()),
        ("N", format!("{}", sketch.n())),
        ("Epsilon", percent(2.296, 0.9723)),
        ("Epsilon PMF", percent(2.446, 0.9433)),
        ("Empty", format!("{is_empty}")),
        ("Estimation Mode", format!("{}", levels > 1)),
        ("Levels", format!("{levels}")),
        ("Level 0 Sorted", format!("{}", sketch.is_level_zero_sorted())),
        ("Capacity Items", format!("{capacity}")),
        ("Retained Items", format!("{retained}")),
        ("Free Space", format!("{}", capacity.saturating_sub(retained))),
        ("ReadOnly", "false".into()),
        ("Updatable Storage Bytes", format!("{}", 20 + 4 * (levels + 1) + (2 + capacity) * <T as Number>::BYTES)),
        ("Compact Storage Bytes", format!("{}", sketch.to_bytes().len())),
        ("Min Item", low),
        ("Max Item", high),
    ];
    let body: String = lines.iter().map(|(name, value)| format!("   {name:<23}: {value}\n")).collect();
    format!("\n### Kll{} Summary:\n{body}### End sketch summary\n", <T as Number>::NAME)
}

/// Refuses anything but BINARY: a string is no sketch.
fn binary(call: &mut Call<'_>, index: usize) -> Result<()> {
    match call.type_of(index) {
        DataType::Binary => Ok(()),
        DataType::Null => {
            call.args[index] = BoundExpr::literal(Value::Null, DataType::Binary);
            Ok(())
        }
        _ => Err(call.unexpected_type(index, "BINARY")),
    }
}

/// Java's `Math.round`: halves go up.
fn round(estimate: f64) -> i64 {
    libm::floor(estimate + 0.5) as i64
}

fn hll_of(bytes: &[u8], name: &str) -> Result<Hll> {
    Hll::from_bytes(bytes).ok_or_else(|| no_sketch("HLL_INVALID_INPUT_SKETCH_BUFFER", "HLL", name))
}

fn theta_of(bytes: &[u8], name: &str) -> Result<Theta> {
    Theta::from_bytes(bytes).ok_or_else(|| no_sketch("THETA_INVALID_INPUT_SKETCH_BUFFER", "theta", name))
}

fn kll_of<T: Quantity>(bytes: &[u8], name: &str) -> Result<Kll<T>> {
    Kll::from_bytes(bytes).ok_or_else(|| no_kll(name))
}

fn no_kll(name: &str) -> Error {
    no_sketch("KLL_INVALID_INPUT_SKETCH_BUFFER", "non-empty KLL", name)
}

fn no_sketch(class: &'static str, kind: &str, name: &str) -> Error {
    Error::data(class, format!("the argument of {name}() is not a {kind} sketch"))
        .hint("pass what a sketch aggregate gave")
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;
    use crate::{
        block::Block,
        expr::{EvalContext, Evaluator, Settings, function::lookup},
        sketch::Item,
    };

    fn call(name: &str, args: Vec<(Value, DataType)>) -> Result<Value> {
        let (name, function) = lookup(name).unwrap_or_else(|| panic!("there is a function {name}"));
        let args = args.into_iter().map(|(value, data_type)| BoundExpr::literal(value, data_type)).collect();
        let expr = (function.bind)(Call { name, args, settings: &Settings::default(), span: None })?;
        let mut evaluator = Evaluator::new(&expr);
        let row = Block::from_columns(Vec::new(), 1);
        Ok(evaluator.eval(&EvalContext::default(), &row.view())?.value(0))
    }

    fn binary(bytes: Vec<u8>) -> (Value, DataType) {
        (Value::Binary(bytes), DataType::Binary)
    }

    fn hll(n: i64, lg_k: u8) -> (Value, DataType) {
        let mut sketch = Hll::new(lg_k);
        (0..n).for_each(|i| sketch.update(Item::Long(i)));
        binary(sketch.to_bytes())
    }

    fn kll(values: impl IntoIterator<Item = f64>) -> (Value, DataType) {
        let mut sketch = Kll::new(200);
        values.into_iter().for_each(|v| sketch.update(v));
        binary(sketch.to_bytes())
    }

    #[test]
    fn sketches_answer_as_in_spark() {
        assert_eq!(call("hll_sketch_estimate", [hll(1000, 10)].into()).unwrap(), Value::Int64(1031));
        let sketch = || kll([1.5, 9.0, 4.0, 3.0]);
        let number = |x: f64| (Value::Float64(x), DataType::Float64);
        assert_eq!(call("kll_sketch_get_n_double", [sketch()].into()).unwrap(), Value::Int64(4));
        assert_eq!(call("kll_sketch_get_quantile_double", [sketch(), number(0.5)].into()).unwrap(), 3.0.into());
        assert_eq!(call("kll_sketch_get_rank_double", [sketch(), number(3.0)].into()).unwrap(), 0.5.into());
        let list = (Value::Array([0.0, 1.0].map(Value::from).into()), DataType::Array(DataType::Float64.into()));
        let ends = Value::Array([1.5, 9.0].map(Value::from).into());
        assert_eq!(call("kll_sketch_get_quantile_double", [sketch(), list].into()).unwrap(), ends);
        assert_eq!(call("hll_sketch_estimate", [(Value::Null, DataType::Null)].into()).unwrap(), Value::Null);
    }

    #[test]
    fn summaries_are_those_of_the_library() {
        let Value::String(text) = call("kll_sketch_to_string_double", [kll([1.5, 1e10])].into()).unwrap() else {
            panic!("a string")
        };
        let expected = "\n### KllKllDoublesSketch Summary:\n   K                      : 200\n   Dynamic min K          : 200\n   \
                        M                      : 8\n   N                      : 2\n   Epsilon                : 1.329%\n   \
                        Epsilon PMF            : 1.652%\n   Empty                  : false\n   Estimation Mode        : \
                        false\n   Levels                 : 1\n   Level 0 Sorted         : false\n   Capacity Items         \
                        : 200\n   Retained Items         : 2\n   Free Space             : 198\n   ReadOnly               : \
                        false\n   Updatable Storage Bytes: 1644\n   Compact Storage Bytes  : 56\n   Min Item               : \
                        1.5\n   Max Item               : 1.0E10\n### End sketch summary\n";
        assert_eq!(text, expected);
    }

    #[test]
    fn what_does_not_fit_is_refused_with_spark_s_class() {
        let junk = || binary([0].into());
        let class = |name, args| call(name, args).unwrap_err().error_class();
        assert_eq!(class("hll_union", [hll(9, 8), hll(9, 6)].into()), Some("HLL_UNION_DIFFERENT_LG_K"));
        assert_eq!(class("hll_sketch_estimate", [junk()].into()), Some("HLL_INVALID_INPUT_SKETCH_BUFFER"));
        assert_eq!(class("theta_union", [junk(), junk()].into()), Some("THETA_INVALID_INPUT_SKETCH_BUFFER"));
        let half = (Value::Float64(0.5), DataType::Float64);
        assert_eq!(
            class("kll_sketch_get_quantile_double", [kll([]), half].into()),
            Some("KLL_INVALID_INPUT_SKETCH_BUFFER")
        );
        let text = ("a".into(), DataType::String);
        assert_eq!(class("hll_sketch_estimate", [text].into()), Some("DATATYPE_MISMATCH.UNEXPECTED_INPUT_TYPE"));
    }
}
