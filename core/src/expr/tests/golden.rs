//! Expressions over small tables, with the answers that Spark 4.3 gave.

use alloc::{boxed::Box, vec, vec::Vec};

use super::Table;
use crate::{
    block::Value,
    expr::{BinaryOp, EvalMode, Expr, ExprKind, Settings, UnaryOp, cast, col, lit},
    schema::{DataType, Field},
    time::{interval::Unit, parse_date, parse_timestamp, zone},
};
use DataType::{Boolean, Date, Decimal, Float64, Int32, Int64, String as Text, Timestamp};

fn typed(value: impl Into<Value>, data_type: DataType) -> Expr {
    Expr::new(ExprKind::Literal { value: value.into(), data_type })
}

fn decimal(digits: i128, precision: u8, scale: i8) -> Expr {
    typed(Value::Decimal(digits), Decimal(precision, scale))
}

fn seconds(count: i64) -> Expr {
    typed(count * 1_000_000, DataType::IntervalDayTime(Unit::Second, Unit::Second))
}

fn ts(text: &str) -> Value {
    let utc = jiff::tz::TimeZone::UTC;
    parse_timestamp(text.as_bytes(), &utc).map_or(Value::Null, Value::Int64)
}

fn date(text: &str) -> Value {
    parse_date(text.as_bytes()).map_or(Value::Null, Value::Int32)
}

fn try_cast(expr: Expr, data_type: DataType) -> Expr {
    Expr::new(ExprKind::Cast { expr: Box::new(expr), data_type, is_try: true })
}

fn in_list(expr: Expr, list: Vec<Expr>, negated: bool) -> Expr {
    Expr::new(ExprKind::InList { expr: Box::new(expr), list, negated })
}

fn between(expr: Expr, low: Expr, high: Expr) -> Expr {
    let [expr, low, high] = [expr, low, high].map(Box::new);
    Expr::new(ExprKind::Between { expr, low, high, negated: false })
}

fn case(operand: Option<Expr>, branches: Vec<(Expr, Expr)>, otherwise: Option<Expr>) -> Expr {
    Expr::new(ExprKind::Case { operand: operand.map(Box::new), branches, otherwise: otherwise.map(Box::new) })
}

fn legacy() -> Settings {
    Settings { ansi: false, ..Settings::default() }
}

fn null() -> Expr {
    lit(Value::Null)
}

fn numbers() -> Table {
    let n = Value::Null;
    let d = |x: i128| Value::Decimal(x);
    Table::new(
        &[("i", Int32), ("j", Int32), ("l", Int64), ("d", Float64), ("c", Decimal(10, 2))],
        &[
            &[7.into(), 2.into(), 7_i64.into(), 7.0.into(), d(700)],
            &[(-7).into(), 2.into(), (-7_i64).into(), (-7.5).into(), d(-725)],
            &[7.into(), (-2).into(), 10_000_000_000_i64.into(), 0.5.into(), d(1)],
            &[0.into(), 3.into(), 0_i64.into(), (-0.0).into(), d(0)],
            &[n.clone(), 3.into(), n.clone(), n.clone(), n],
            &[i32::MAX.into(), 1.into(), (i64::MAX - 1).into(), 1e300.into(), d(9_999_999_999)],
            &[(-8).into(), (-3).into(), 5_i64.into(), 2.5.into(), d(115)],
        ],
    )
}

#[test]
fn arithmetic() {
    use BinaryOp::{IntegerDivide, Modulo};
    numbers().check([
        (col("i") / col("j"), "3.5 | -3.5 | -3.5 | 0.0 | null | 2.147483647E9 | 2.6666666666666665"),
        (col("i").binary(IntegerDivide, col("j")), "3 | -3 | -3 | 0 | null | 2147483647 | 2"),
        (col("i").binary(Modulo, col("j")), "1 | -1 | 1 | 0 | null | 0 | -2"),
        (col("l") + 1, "8 | -6 | 10000000001 | 1 | null | 9223372036854775807 | 6"),
        (col("d") * 2, "14.0 | -15.0 | 1.0 | -0.0 | null | 2.0E300 | 5.0"),
        (col("i").unary(UnaryOp::Negate), "-7 | 7 | -7 | 0 | null | -2147483647 | 8"),
        (col("c") / 3, "2.333333 | -2.416667 | 0.003333 | 0.000000 | null | 33333333.330000 | 0.383333"),
        (col("i") * decimal(15, 2, 1), "10.5 | -10.5 | 10.5 | 0.0 | null | 3221225470.5 | -12.0"),
        (col("i") / (col("j") - 2), "DIVIDE_BY_ZERO"),
        (col("i") % (col("j") - 2), "REMAINDER_BY_ZERO"),
        (col("i") + 1, "ARITHMETIC_OVERFLOW"),
        (lit("5") + 1, "6 | 6 | 6 | 6 | 6 | 6 | 6"),
        (lit("x") + col("i"), "CAST_INVALID_INPUT"),
        (lit(true) + 1, "DATATYPE_MISMATCH.BINARY_OP_DIFF_TYPES"),
        (null() + col("i"), "null | null | null | null | null | null | null"),
        (col("i").binary(BinaryOp::BitXor, 1), "6 | -8 | 6 | 1 | null | 2147483646 | -7"),
    ]);
}

#[test]
fn arithmetic_of_literals_has_spark_s_types() {
    let table = numbers();
    let cases = [
        (lit(7) / 2, Float64),
        (decimal(70, 2, 1) / 2, Decimal(7, 6)),
        (decimal(10, 2, 1) / 3, Decimal(7, 6)),
        (lit(3_i64) + typed(Value::Int16(4), DataType::Int16), Int64),
        (lit("5") + 1, Int64),
        (lit("5") + 1.5, Float64),
        (lit(7).binary(BinaryOp::IntegerDivide, 2), Int64),
        (col("c") + col("i"), Decimal(13, 2)),
        (col("c") % 7, Decimal(3, 2)),
        (col("c") + 1.5, Float64),
    ];
    for (expr, data_type) in cases {
        assert_eq!(table.bind(&expr).unwrap().data_type, data_type, "{}", expr.output_name());
    }
    let least = |digits: Expr| table.bind(&digits.unary(UnaryOp::Negate)).unwrap();
    assert_eq!(least(lit(2_147_483_648_i64)).as_literal(), Some(&i32::MIN.into()));
    assert_eq!(least(decimal(1 << 63, 19, 0)).as_literal(), Some(&i64::MIN.into()));
    assert_eq!(table.bind(&(lit(1) + 2)).unwrap().as_literal(), Some(&3.into()), "literals are folded");
    assert_eq!(table.bind(&(lit(1) / 0)).unwrap().as_literal(), None, "but not if they fail");
}

#[test]
fn before_ansi_mode_failures_wrap_or_are_null() {
    numbers().with(legacy()).check([
        (col("i") / (col("j") - 2), "null | null | -1.75 | 0.0 | null | -2.147483647E9 | 1.6"),
        (col("i") % (col("j") - 2), "null | null | 3 | 0 | null | 0 | -3"),
        (col("i") + col("j"), "9 | -5 | 5 | 3 | null | -2147483648 | -11"),
        (lit("abc").cast(Int32), "null | null | null | null | null | null | null"),
        (col("d").cast(Int32), "7 | -7 | 0 | 0 | null | 2147483647 | 2"),
        (col("l") + 2, "9 | -5 | 10000000002 | 2 | null | -9223372036854775808 | 7"),
        (lit("1.9").cast(Int32), "1 | 1 | 1 | 1 | 1 | 1 | 1"),
        (col("i").eq("7"), "true | false | true | false | null | false | false"),
        (col("i").eq("x"), "null | null | null | null | null | null | null"),
    ]);
}

#[test]
fn comparisons_meet_in_a_common_type() {
    let n = || Value::Null;
    let table = Table::new(
        &[("i", Int32), ("d", Float64), ("s", Text), ("c", Decimal(6, 2)), ("t", Timestamp), ("dt", Date)],
        &[
            &[1.into(), 1.0.into(), "1".into(), Value::Decimal(100), ts("2025-01-01"), date("2025-01-01")],
            &[2.into(), 2.5.into(), "3".into(), Value::Decimal(199), ts("2025-01-01 00:01:00"), date("2025-01-02")],
            &[n(), f64::NAN.into(), "7".into(), n(), n(), n()],
            &[5.into(), (-0.0).into(), "05".into(), Value::Decimal(501), ts("2025-01-02"), date("2024-12-31")],
        ],
    );
    table.check(
        [
            (col("i").eq(col("d")), "true | false | null | false"),
            (col("i").lt(col("c")), "false | false | null | true"),
            (col("s").eq(col("i")), "true | false | null | true"),
            (col("d").gt(col("c")), "false | true | null | false"),
            (col("t").gt("2025-01-01 00:00:30"), "false | true | null | true"),
            (col("dt").eq("2025-01-01"), "true | false | null | false"),
            (col("t").gt_eq(col("dt")), "true | false | null | true"),
            (col("s").gt("a"), "false | false | false | false"),
            (col("d").eq("NaN"), "false | false | true | false"),
            (col("i").eq(decimal(10, 2, 1)), "true | false | null | false"),
            (col("d").eq(0.0), "false | false | false | true"),
            (col("d").gt(f64::INFINITY), "false | false | true | false"),
            (col("i").binary(BinaryOp::NullSafeEq, null()), "false | false | true | false"),
            (col("i").binary(BinaryOp::NullSafeEq, col("c")), "true | false | true | false"),
            (in_list(col("i"), vec![lit(1), lit(5)], false), "true | false | null | true"),
            (in_list(col("i"), vec![lit(1), null()], false), "true | null | null | null"),
            (in_list(col("i"), vec![lit(2), null()], true), "null | false | null | null"),
            (in_list(col("s"), vec![lit(1), lit(3)], false), "true | true | false | false"),
            (in_list(col("d"), vec![lit(f64::NAN), lit(0.0)], false), "false | false | true | true"),
            (in_list(col("i"), vec![col("d"), lit(2)], false), "true | true | null | false"),
            (between(col("i"), lit(2), lit("5")), "false | true | null | true"),
            (col("i").eq(col("t")), "DATATYPE_MISMATCH.BINARY_OP_DIFF_TYPES"),
        ]
        .into_iter()
        .filter(|(_, expected)| !expected.contains("CAST")),
    );
    assert_eq!(table.print(&col("s").eq(true)).unwrap_err().error_class(), Some("CAST_INVALID_INPUT"));
}

#[test]
fn a_long_in_list_is_a_set() {
    let table = Table::new(&[("s", Text), ("l", Int64)], &[&["w7".into(), 7_i64.into()], &["x".into(), 70_i64.into()]]);
    let words: Vec<Expr> = ["w1", "w2", "w3", "w4", "w5", "w6", "w7", "w8", "w9", "w7"].map(lit).into();
    let numbers: Vec<Expr> = (0..20).rev().map(|i| lit(i64::from(i))).collect();
    table.check([
        (in_list(col("s"), words, false), "true | false"),
        (in_list(col("l"), numbers, false), "true | false"),
    ]);
}

fn logic_table() -> Table {
    let n = || Value::Null;
    Table::new(
        &[("a", Boolean), ("b", Boolean), ("x", Int32), ("y", Int32)],
        &[
            &[true.into(), true.into(), 1.into(), 1.into()],
            &[true.into(), false.into(), 1.into(), 2.into()],
            &[true.into(), n(), 2.into(), 1.into()],
            &[false.into(), n(), n(), 1.into()],
            &[n(), n(), n(), n()],
            &[false.into(), false.into(), 0.into(), 5.into()],
            &[n(), true.into(), 3.into(), n()],
            &[n(), false.into(), (-4).into(), (-4).into()],
        ],
    )
}

#[test]
fn logic_has_three_values() {
    let not_true = |e: Expr| e.unary(UnaryOp::IsNotTrue);
    logic_table().check([
        (col("a").and(col("b")), "true | false | null | false | null | false | null | false"),
        (col("a").or(col("b")), "true | true | true | null | null | false | true | null"),
        (col("a").unary(UnaryOp::Not), "false | false | false | true | null | true | null | null"),
        (col("a").eq(col("b")), "true | false | null | null | null | true | null | null"),
        (col("a").binary(BinaryOp::NullSafeEq, col("b")), "true | false | false | false | true | true | false | false"),
        (col("x").lt(col("y")), "false | true | false | null | null | true | null | false"),
        (col("x").binary(BinaryOp::NotEq, col("y")), "false | true | true | null | null | true | null | false"),
        (col("x").is_null(), "false | false | false | true | true | false | false | false"),
        (not_true(col("x").gt(0)), "false | false | false | true | true | true | false | true"),
        (col("a").unary(UnaryOp::IsFalse), "false | false | false | true | false | true | false | false"),
        (col("x").and(col("a")), "DATATYPE_MISMATCH.UNEXPECTED_INPUT_TYPE"),
    ]);
}

#[test]
fn case_is_lazy() {
    let many = || {
        let below = col("x").lt_eq(0);
        vec![(col("x").gt(1), lit("many")), (col("x").eq(1), lit("one")), (below, lit("none"))]
    };
    logic_table().check([
        (case(None, many(), None), "one | one | many | null | null | none | many | none"),
        (
            case(Some(col("x")), vec![(lit(1), lit(10)), (lit(2), lit(20))], Some(lit(0))),
            "10 | 10 | 20 | 0 | 0 | 0 | 0 | 0",
        ),
        (
            case(None, vec![(col("x").binary(BinaryOp::NotEq, 0), lit(1) / col("x"))], Some(lit(-1))),
            "1.0 | 1.0 | 0.5 | -1.0 | -1.0 | -1.0 | 0.3333333333333333 | -0.25",
        ),
        (
            col("x").is_null().or(col("x").eq(0)).or((lit(4) / col("x")).gt(1)),
            "true | true | true | true | true | true | true | false",
        ),
        (case(None, vec![(col("a"), lit("hi"))], Some(lit(0))), "CAST_INVALID_INPUT"),
        (case(None, vec![(col("x"), lit(1))], None), "DATATYPE_MISMATCH.UNEXPECTED_INPUT_TYPE"),
    ]);
}

#[test]
fn casts() {
    let rows: [(&str, f64, i32); 9] = [
        (" 42 ", 1.5, 0),
        ("-7", -2.9, 1),
        ("+5", 0.05, -3),
        ("", 0.0, 0),
        ("0012", 100.0, 5),
        ("99", 12345.67, 7),
        ("3", 1e-5, 2),
        ("1", 1e7, 9),
        ("2", 12345.125, 4),
    ];
    let rows: Vec<Vec<Value>> = rows
        .into_iter()
        .enumerate()
        .map(|(i, (s, d, n))| if i == 3 { vec![Value::Null; 3] } else { vec![s.into(), d.into(), n.into()] })
        .collect();
    let rows: Vec<&[Value]> = rows.iter().map(Vec::as_slice).collect();
    let table = Table::new(&[("s", Text), ("d", Float64), ("i", Int32)], &rows);
    table.check([
        (col("s").cast(Int32), "42 | -7 | 5 | null | 12 | 99 | 3 | 1 | 2"),
        (col("s").cast(Float64), "42.0 | -7.0 | 5.0 | null | 12.0 | 99.0 | 3.0 | 1.0 | 2.0"),
        (col("d").cast(Int32), "1 | -2 | 0 | null | 100 | 12345 | 0 | 10000000 | 12345"),
        (col("d").cast(Text), "1.5 | -2.9 | 0.05 | null | 100.0 | 12345.67 | 1.0E-5 | 1.0E7 | 12345.125"),
        (col("i").cast(Text), "0 | 1 | -3 | null | 5 | 7 | 2 | 9 | 4"),
        (col("i").cast(Boolean), "false | true | true | null | true | true | true | true | true"),
        (col("d").cast(Decimal(12, 1)), "1.5 | -2.9 | 0.1 | null | 100.0 | 12345.7 | 0.0 | 10000000.0 | 12345.1"),
        (col("i").cast(Float64), "0.0 | 1.0 | -3.0 | null | 5.0 | 7.0 | 2.0 | 9.0 | 4.0"),
        (col("d").cast(DataType::Int8), "CAST_OVERFLOW"),
        (col("d").cast(Decimal(4, 1)), "NUMERIC_VALUE_OUT_OF_RANGE"),
        (col("d").cast(Decimal(39, 1)), "DECIMAL_PRECISION_EXCEEDS_MAX_PRECISION"),
        (col("d").cast(Decimal(5, 6)), "DECIMAL_SCALE_EXCEEDS_PRECISION"),
        (col("i").cast(Date), "DATATYPE_MISMATCH.CAST_WITHOUT_SUGGESTION"),
    ]);
    assert_eq!(table.print(&lit("12x").cast(Int32)).unwrap_err().error_class(), Some("CAST_INVALID_INPUT"));
}

#[test]
fn try_cast_gives_null() {
    let texts = [
        "12",
        "12.5",
        "true",
        "2025-02-29",
        "2025-02-28 10:00",
        "abc",
        "",
        "99999999999",
        " y ",
        "1e3",
        "NaN",
        "2025",
        "1234.567",
        "inf",
        "-0",
        "2025-01-01T10:00:00.1234567Z",
    ];
    let rows: Vec<Value> = texts.into_iter().map(Value::from).collect();
    let rows: Vec<&[Value]> = rows.iter().map(core::slice::from_ref).collect();
    Table::new(&[("s", Text)], &rows).check([
        (
            try_cast(col("s"), Int32),
            "12 | null | null | null | null | null | null | null | null | null | null | 2025 | null | null | 0 | null",
        ),
        (
            try_cast(col("s"), Float64),
            "12.0 | 12.5 | null | null | null | null | null | 9.9999999999E10 | null | 1000.0 | NaN | 2025.0 | \
             1234.567 | Infinity | -0.0 | null",
        ),
        (
            try_cast(col("s"), Boolean),
            "null | null | true | null | null | null | null | null | true | null | null | null | null | null | null | \
             null",
        ),
        (
            try_cast(col("s"), Date),
            "null | null | null | null | 2025-02-28 | null | null | null | null | null | null | 2025-01-01 | null | \
             null | null | 2025-01-01",
        ),
        (
            try_cast(col("s"), Timestamp),
            "null | null | null | null | 2025-02-28 10:00:00 | null | null | null | null | null | null | 2025-01-01 \
             00:00:00 | null | null | null | 2025-01-01 10:00:00.123456",
        ),
        (
            try_cast(col("s"), Decimal(5, 2)),
            "12.00 | 12.50 | null | null | null | null | null | null | null | null | null | null | null | null | 0.00 \
             | null",
        ),
    ]);
}

#[test]
fn intervals() {
    let table = Table::new(
        &[("t", Timestamp), ("u", Timestamp)],
        &[
            &[ts("2025-01-01"), ts("2025-01-01 00:05:00")],
            &[ts("2025-01-31 12:00:00"), ts("2025-02-01")],
            &[Value::Null, ts("2025-01-01")],
            &[ts("2024-02-29"), ts("2024-02-29 00:00:00.5")],
            &[ts("2025-01-01 00:10:00"), ts("2025-01-01")],
        ],
    );
    let month = || typed(1, DataType::IntervalYearMonth(Unit::Month, Unit::Month));
    table.check([
        (
            col("t") + seconds(90),
            "2025-01-01 00:01:30 | 2025-01-31 12:01:30 | null | 2024-02-29 00:01:30 | 2025-01-01 00:11:30",
        ),
        (
            col("t") - seconds(86_400),
            "2024-12-31 00:00:00 | 2025-01-30 12:00:00 | null | 2024-02-28 00:00:00 | 2024-12-31 00:10:00",
        ),
        (
            col("t") + month(),
            "2025-02-01 00:00:00 | 2025-02-28 12:00:00 | null | 2024-03-29 00:00:00 | 2025-02-01 00:10:00",
        ),
        (
            (col("u") - col("t")).cast(Text),
            "INTERVAL '0 00:05:00' DAY TO SECOND | INTERVAL '0 12:00:00' DAY TO SECOND | null | INTERVAL '0 \
             00:00:00.5' DAY TO SECOND | INTERVAL '-0 00:10:00' DAY TO SECOND",
        ),
        (col("u").gt(col("t") + seconds(3600)), "false | true | null | false | false"),
        (between(col("t"), col("u") - seconds(600), col("u")), "true | false | null | true | false"),
        ((col("u") - col("t")).cast(Int64), "300 | 43200 | null | 0 | -600"),
        (col("t") * 2, "DATATYPE_MISMATCH.BINARY_OP_DIFF_TYPES"),
    ]);
    let one = Table::new(&[("d", Date)], &[&[date("2025-01-31")]]);
    let span = |e: Expr| e.cast(Text);
    one.check([
        (col("d") + 1, "2025-02-01"),
        (col("d") - 31, "2024-12-31"),
        (col("d") + month(), "2025-02-28"),
        (col("d") + typed(86_400_000_000_i64, DataType::IntervalDayTime(Unit::Day, Unit::Day)), "2025-02-01"),
        (col("d") + seconds(86_400), "2025-02-01 00:00:00"),
        (col("d") + seconds(3_600), "2025-01-31 01:00:00"),
        (span(col("d") - typed(date("2025-01-01"), Date)), "INTERVAL '30' DAY"),
        (span(seconds(2) * 3), "INTERVAL '0 00:00:06' DAY TO SECOND"),
        (span(decimal(15, 2, 1) * seconds(3)), "INTERVAL '0 00:00:04.5' DAY TO SECOND"),
        (span(seconds(10) / 4), "INTERVAL '0 00:00:02.5' DAY TO SECOND"),
        (span(typed(1_i64, DataType::DAY_TIME) / 2), "INTERVAL '0 00:00:00.000001' DAY TO SECOND"),
        (span(seconds(1) + seconds(2)), "INTERVAL '03' SECOND"),
        (span(month() - typed(14, DataType::YEAR_MONTH)), "INTERVAL '-1-1' YEAR TO MONTH"),
        (span(month() * 1.5), "INTERVAL '0-2' YEAR TO MONTH"),
        (seconds(1) / 0, "INTERVAL_DIVIDED_BY_ZERO"),
        (seconds(i64::MAX / 1_000_000) + seconds(i64::MAX / 1_000_000), "INTERVAL_ARITHMETIC_OVERFLOW"),
    ]);
}

#[test]
fn days_are_those_of_the_session_s_clock() {
    let name = "America/New_York";
    let settings = Settings {
        time_zone: zone::find(name).expect("a known zone"),
        time_zone_name: name.into(),
        ..Settings::default()
    };
    let instants = ["2025-03-09 06:30:00", "2025-11-02 05:30:00", "2025-11-02 06:30:00", "2025-01-01 03:00:00"];
    let rows: Vec<Value> = instants.into_iter().map(ts).collect();
    let rows: Vec<&[Value]> = rows.iter().map(core::slice::from_ref).collect();
    let table = Table::new(&[("t", Timestamp)], &rows).with(settings);
    table.check([
        (col("t").cast(Date), "2025-03-09 | 2025-11-02 | 2025-11-02 | 2024-12-31"),
        (col("t").cast(Text), "2025-03-09 01:30:00 | 2025-11-02 01:30:00 | 2025-11-02 01:30:00 | 2024-12-31 22:00:00"),
        (
            (col("t") + seconds(86_400)).cast(DataType::TimestampNtz),
            "2025-03-10 01:30:00 | 2025-11-03 01:30:00 | 2025-11-03 01:30:00 | 2025-01-01 22:00:00",
        ),
        ((col("t") + seconds(86_400)).cast(Int64), "1741584600 | 1762151400 | 1762151400 | 1735786800"),
        ((col("t") + seconds(82_800)).cast(Int64), "1741584600 | 1762144200 | 1762147800 | 1735783200"),
        (
            typed(date("2025-03-09"), Date).cast(Timestamp).cast(Int64),
            "1741496400 | 1741496400 | 1741496400 | 1741496400",
        ),
    ]);
}

#[test]
fn numbers_are_seconds() {
    let table = Table::new(
        &[("n", Int64), ("t", Timestamp)],
        &[
            &[0_i64.into(), ts("2025-01-01 00:00:00.123456")],
            &[(-1_i64).into(), ts("1969-12-31 23:59:59.999")],
            &[Value::Null, Value::Null],
        ],
    );
    table.check([
        (col("n").cast(Timestamp), "1970-01-01 00:00:00 | 1969-12-31 23:59:59 | null"),
        (col("t").cast(Int64), "1735689600 | -1 | null"),
        (col("t").cast(Decimal(20, 3)), "1735689600.123 | -0.001 | null"),
        (col("t").cast(Int32), "1735689600 | -1 | null"),
        (col("t").cast(DataType::Int8), "CAST_OVERFLOW"),
        (lit(1.5).cast(Timestamp), "1970-01-01 00:00:01.5 | 1970-01-01 00:00:01.5 | 1970-01-01 00:00:01.5"),
    ]);
}

#[test]
fn patterns() {
    let texts = ["abc", "abcd", "xbx", "50%off", "ABC1", "", "b12", "abc ", "a\nb", "é", "xby50%"];
    let rows: Vec<Value> = texts.into_iter().map(Value::from).collect();
    let mut rows: Vec<&[Value]> = rows.iter().map(core::slice::from_ref).collect();
    rows.push(&[Value::Null]);
    let s = |op, pattern: &str| col("s").binary(op, pattern);
    use BinaryOp::{ILike, Like, NotLike, RLike};
    let t = |set: &[usize]| -> alloc::string::String {
        let one = |i: usize| {
            if i == 11 {
                "null"
            } else if set.contains(&i) {
                "true"
            } else {
                "false"
            }
        };
        (0..12).map(one).collect::<Vec<_>>().join(" | ")
    };
    let table = Table::new(&[("s", Text)], &rows);
    for (expr, set) in [
        (s(Like, "a%"), &[0, 1, 7, 8][..]),
        (s(Like, "_b_"), &[0, 2]),
        (s(Like, "%50\\%%"), &[3, 10]),
        (s(RLike, "^[a-c]+[0-9]*$"), &[0, 6]),
        (s(ILike, "ABC%"), &[0, 1, 4, 7]),
        (s(NotLike, "%c"), &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10]),
        (col("s").eq("abc "), &[7]),
        (col("s").binary(Like, col("s")), &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10]),
    ] {
        assert_eq!(table.print(&expr).unwrap(), t(set), "{}", expr.output_name());
    }
    assert_eq!(table.print(&s(RLike, "(")).unwrap_err().error_class(), Some("INVALID_PARAMETER_VALUE.PATTERN"));
}

#[test]
fn names_lead_to_columns_and_fields() {
    let inner = DataType::Struct(vec![Field::new("x", Int32), Field::new("y", Text)]);
    let items = DataType::Array(Int32.into());
    let struct_of = |x: i32| Value::Struct(vec![x.into(), "p".into()]);
    let table = Table::new(
        &[("id", Int32), ("s", inner), ("a", items)],
        &[
            &[1.into(), struct_of(7), Value::Array(vec![4.into(), 5.into()])],
            &[2.into(), Value::Null, Value::Null],
            &[3.into(), struct_of(9), Value::Array(vec![])],
        ],
    );
    let index = |e: Expr, i: Expr| Expr::new(ExprKind::Index(Box::new(e), Box::new(i)));
    table.check([
        (col("s.x"), "7 | null | 9"),
        (col("S.X") + 1, "8 | null | 10"),
        (col("s").field("y"), "p | null | p"),
        (col("s.z"), "FIELD_NOT_FOUND"),
        (col("idd"), "UNRESOLVED_COLUMN.WITH_SUGGESTION"),
        (index(col("a"), lit(0)), "INVALID_ARRAY_INDEX"),
        (case(None, vec![(col("id").lt(3), index(col("a"), lit(1)))], None), "5 | null | null"),
        (Expr::function("no_such", []), "UNRESOLVED_ROUTINE"),
        (Expr::new(ExprKind::Star(None)), "INVALID_USAGE_OF_STAR_OR_REGEX"),
    ]);
    let error = table.print(&col("idd")).unwrap_err();
    assert_eq!(error.hint_text(), Some("did you mean `id`?"));
    let twice = table.schema.fields().iter().chain(table.schema.fields()).cloned().collect::<Vec<_>>();
    let twice = Table { schema: crate::schema::Schema::new(twice), ..table };
    assert_eq!(twice.print(&col("id")).unwrap_err().error_class(), Some("AMBIGUOUS_REFERENCE"));
}

#[test]
fn an_expression_may_be_deep_but_not_bottomless() {
    let table = numbers();
    let deep = |n: usize| (0..n).fold(col("i"), |e, _| e.unary(UnaryOp::BitNot));
    assert!(table.print(&deep(150)).is_ok());
    assert!(table.print(&deep(300)).unwrap_err().is_limit());
}

#[test]
fn implicit_casts_follow_the_mode() {
    let bound = |expr: &Expr| numbers().bind(expr).unwrap();
    let ansi = Settings::default();
    assert!(cast::implicit(bound(&col("i")), &Text, &ansi).is_ok());
    assert!(cast::implicit(bound(&col("i")), &Boolean, &ansi).is_err());
    assert!(cast::implicit(bound(&lit("1")), &DataType::DAY_TIME, &ansi).is_err());
    assert_eq!(cast::implicit(bound(&lit("5")), &Int32, &ansi).unwrap().as_literal(), Some(&5.into()));
    let failed = cast::explicit(bound(&lit("x")), &Int32, EvalMode::Try, &ansi).unwrap();
    assert_eq!(failed.as_literal(), Some(&Value::Null));
}
