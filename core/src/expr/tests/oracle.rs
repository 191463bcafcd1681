//! Random expressions over random rows: the evaluator, over any split into blocks and any selection, must say what an
//! interpreter says that goes row by row.

use alloc::{boxed::Box, vec::Vec};

use crate::{
    block::{Bitmap, Block, Value},
    expr::{BinaryOp, EvalContext, Evaluator, Expr, ExprKind, SchemaScope, Settings, UnaryOp, bind, col, lit},
    schema::{DataType, Field, Schema},
};

/// xorshift: the seed of a failure replays it.
struct Random(u64);

impl Random {
    fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % n
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len() as u64) as usize]
    }
}

const INTEGERS: [i64; 8] = [0, 1, -1, 2, 3, 7, i64::MAX, i64::MIN];
const FLOATS: [f64; 8] = [0.0, -0.0, 1.0, -2.5, 3.25, f64::NAN, f64::INFINITY, 1e300];

fn columns() -> Schema {
    Schema::new([
        Field::new("i", DataType::Int64),
        Field::new("j", DataType::Int64),
        Field::new("d", DataType::Float64),
        Field::new("b", DataType::Boolean),
    ])
}

fn row(random: &mut Random) -> Vec<Value> {
    let values = [
        Value::Int64(random.pick(&INTEGERS)),
        Value::Int64(random.pick(&INTEGERS)),
        Value::Float64(random.pick(&FLOATS)),
        Value::Boolean(random.below(2) == 0),
    ];
    values.into_iter().map(|value| if random.below(5) == 0 { Value::Null } else { value }).collect()
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Integer,
    Float,
    Boolean,
}

fn expression(random: &mut Random, kind: Kind, depth: u64) -> Expr {
    use BinaryOp::*;
    if depth == 0 || random.below(6) == 0 {
        return leaf(random, kind);
    }
    let choice = random.below(10);
    if choice == 0 {
        let when = expression(random, Kind::Boolean, depth - 1);
        let branches = Vec::from([(when, expression(random, kind, depth - 1))]);
        let otherwise = Some(Box::new(expression(random, kind, depth - 1)));
        return Expr::new(ExprKind::Case { operand: None, branches, otherwise });
    }
    let operator = |random: &mut Random, of: Kind, ops: &[BinaryOp]| {
        let left = expression(random, of, depth - 1);
        let op = random.pick(ops);
        left.binary(op, expression(random, of, depth - 1))
    };
    match (kind, choice) {
        (Kind::Integer, 1) => expression(random, kind, depth - 1).unary(UnaryOp::Negate),
        (Kind::Integer, _) => operator(random, kind, &[Add, Subtract, Multiply, Modulo, IntegerDivide, BitAnd]),
        (Kind::Float, _) => operator(random, kind, &[Add, Subtract, Multiply, Divide, Modulo]),
        (Kind::Boolean, 1..4) => operator(random, kind, &[And, Or]),
        (Kind::Boolean, 4) => expression(random, kind, depth - 1).unary(UnaryOp::Not),
        (Kind::Boolean, 5) => {
            // Not of anything that may fail: what cannot be NULL is not evaluated to learn that it is not.
            let of = random.pick(&[Kind::Integer, Kind::Float, Kind::Boolean]);
            leaf(random, of).unary(random.pick(&[UnaryOp::IsNull, UnaryOp::IsNotNull]))
        }
        (Kind::Boolean, _) => {
            let of = random.pick(&[Kind::Integer, Kind::Float, Kind::Boolean]);
            operator(random, of, &[Eq, NotEq, Less, LessEq, Greater, GreaterEq, NullSafeEq])
        }
    }
}

fn leaf(random: &mut Random, kind: Kind) -> Expr {
    match (kind, random.below(3)) {
        (Kind::Integer, 0) => lit(random.pick(&INTEGERS)),
        (Kind::Integer, _) => col(random.pick(&["i", "j"])),
        (Kind::Float, 0) => lit(random.pick(&FLOATS)),
        (Kind::Float, _) => col("d"),
        (Kind::Boolean, 0) => lit(random.below(2) == 0),
        (Kind::Boolean, _) => col("b"),
    }
}

/// One row, by the book; `Err` is an ANSI error.
fn interpret(expr: &Expr, row: &[Value]) -> Result<Value, ()> {
    use BinaryOp::*;
    Ok(match &expr.kind {
        ExprKind::Column(parts) => match parts[0].as_str() {
            "i" => row[0].clone(),
            "j" => row[1].clone(),
            "d" => row[2].clone(),
            _ => row[3].clone(),
        },
        ExprKind::Literal { value, .. } => value.clone(),
        ExprKind::Case { branches, otherwise, .. } => match interpret(&branches[0].0, row)? {
            Value::Boolean(true) => interpret(&branches[0].1, row)?,
            _ => interpret(otherwise.as_ref().expect("all have ELSE"), row)?,
        },
        ExprKind::Unary(op, operand) => match (op, interpret(operand, row)?) {
            (UnaryOp::IsNull, x) => x.is_null().into(),
            (UnaryOp::IsNotNull, x) => (!x.is_null()).into(),
            (UnaryOp::Not, Value::Boolean(x)) => (!x).into(),
            (UnaryOp::Negate, Value::Int64(x)) => x.checked_neg().ok_or(())?.into(),
            _ => Value::Null,
        },
        ExprKind::Binary(left, And, right) => match interpret(left, row)? {
            Value::Boolean(false) => false.into(),
            left => match (left, interpret(right, row)?) {
                (_, Value::Boolean(false)) => false.into(),
                (Value::Boolean(true), Value::Boolean(true)) => true.into(),
                _ => Value::Null,
            },
        },
        ExprKind::Binary(left, Or, right) => match interpret(left, row)? {
            Value::Boolean(true) => true.into(),
            left => match (left, interpret(right, row)?) {
                (_, Value::Boolean(true)) => true.into(),
                (Value::Boolean(false), Value::Boolean(false)) => false.into(),
                _ => Value::Null,
            },
        },
        ExprKind::Binary(left, op, right) => operate(interpret(left, row)?, *op, interpret(right, row)?)?,
        other => panic!("{other:?} is not generated"),
    })
}

fn operate(left: Value, op: BinaryOp, right: Value) -> Result<Value, ()> {
    use BinaryOp::*;
    use core::cmp::Ordering;
    if op == NullSafeEq && (left.is_null() || right.is_null()) {
        return Ok((left.is_null() && right.is_null()).into());
    }
    let order = match (&left, &right) {
        (Value::Null, _) | (_, Value::Null) => return Ok(Value::Null),
        (Value::Int64(x), Value::Int64(y)) => x.cmp(y),
        (Value::Boolean(x), Value::Boolean(y)) => x.cmp(y),
        (Value::Float64(x), Value::Float64(y)) => x.partial_cmp(y).unwrap_or_else(|| x.is_nan().cmp(&y.is_nan())),
        pair => panic!("{pair:?} is not generated"),
    };
    Ok(match op {
        Eq | NullSafeEq => (order == Ordering::Equal).into(),
        NotEq => (order != Ordering::Equal).into(),
        Less => (order == Ordering::Less).into(),
        LessEq => (order != Ordering::Greater).into(),
        Greater => (order == Ordering::Greater).into(),
        GreaterEq => (order != Ordering::Less).into(),
        _ => match (left, right) {
            (Value::Int64(x), Value::Int64(y)) => integers(x, op, y).ok_or(())?.into(),
            (Value::Float64(x), Value::Float64(y)) => match op {
                Add => (x + y).into(),
                Subtract => (x - y).into(),
                Multiply => (x * y).into(),
                _ if y == 0.0 => return Err(()),
                Divide => (x / y).into(),
                _ => (x % y).into(),
            },
            pair => panic!("{pair:?} is not generated"),
        },
    })
}

fn integers(x: i64, op: BinaryOp, y: i64) -> Option<i64> {
    match op {
        BinaryOp::Add => x.checked_add(y),
        BinaryOp::Subtract => x.checked_sub(y),
        BinaryOp::Multiply => x.checked_mul(y),
        BinaryOp::BitAnd => Some(x & y),
        BinaryOp::IntegerDivide => x.checked_div(y),
        _ if y == 0 => None,
        _ => Some(x.wrapping_rem(y)),
    }
}

fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Float64(x), Value::Float64(y)) => x.to_bits() == y.to_bits() || (x.is_nan() && y.is_nan()),
        (a, b) => a == b,
    }
}

#[test]
fn the_evaluator_agrees_with_a_row_at_a_time_interpreter() {
    let (schema, settings, cx) = (columns(), Settings::default(), EvalContext::default());
    for seed in 1..=1000_u64 {
        let random = &mut Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let kind = random.pick(&[Kind::Integer, Kind::Float, Kind::Boolean]);
        let expr = expression(random, kind, 4);
        let bound = bind(&expr, &mut SchemaScope(&schema), &settings).expect("well typed");
        let mut evaluator = Evaluator::new(&bound);
        for _ in 0..6 {
            let rows: Vec<Vec<Value>> = (0..random.below(150)).map(|_| row(random)).collect();
            let mut block = Block::new(&schema);
            rows.iter().for_each(|row| block.push_row(row));
            let all = random.below(2) == 0;
            let selection: Bitmap = rows.iter().map(|_| all || random.below(3) == 0).collect();
            let selection = selection.view();
            let view = block.view().select((!all).then_some(selection));
            let expected: Vec<Option<Result<Value, ()>>> =
                rows.iter().enumerate().map(|(r, row)| selection.get(r).then(|| interpret(&expr, row))).collect();
            let fails = expected.iter().flatten().any(Result::is_err);
            let context = || alloc::format!("seed {seed}: {}", expr.output_name());
            match evaluator.eval(&cx, &view) {
                Err(e) => assert!(fails, "{}: {e}", context()),
                Ok(column) => {
                    assert!(!fails, "{} should fail", context());
                    for (r, expected) in expected.iter().enumerate() {
                        let Some(Ok(expected)) = expected else { continue };
                        let found = column.value(r);
                        assert!(
                            same(&found, expected),
                            "{}: {found:?}, not {expected:?}, for {:?}",
                            context(),
                            rows[r]
                        );
                    }
                }
            }
            if kind == Kind::Boolean && !fails {
                let mut passed = Bitmap::new();
                evaluator.eval_filter(&cx, &view, &mut passed).expect("it did not fail before");
                for (r, expected) in expected.iter().enumerate() {
                    let wanted = matches!(expected, Some(Ok(Value::Boolean(true))));
                    assert_eq!(passed.view().get(r), wanted, "{} as a filter of {:?}", context(), rows[r]);
                }
            }
        }
    }
}
