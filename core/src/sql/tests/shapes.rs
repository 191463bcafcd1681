//! Tests of expressions: each is read as a plainer one that means the same.

use alloc::{format, string::String};

use crate::{expr::Settings, sql::parse_expressions};

/// How an expression is read, places left out.
fn shape(expr: &str) -> String {
    let item = parse_expressions(expr, &Settings::default()).unwrap_or_else(|e| panic!("{expr}: {e}"));
    let places = regex::Regex::new(r"span: (None|Some\(Span \{[^}]*\}\))").unwrap();
    places.replace_all(&format!("{:?}", item[0]), "").into_owned()
}

#[test]
fn operators_bind_as_in_spark() {
    let same = [
        ("a + b * c - d", "(a + (b * c)) - d"),
        ("a || b + c", "(a || b) + c"),
        ("-a * b", "(-a) * b"),
        ("- a.b", "-(a.b)"),
        ("a DIV b % c", "(a div b) % c"),
        ("a = b = c", "(a = b) = c"),
        ("a == b", "a = b"),
        ("a != b", "a <> b"),
        ("a !> b", "a <= b"),
        ("a !< b", "a >= b"),
        ("a = b IS NULL", "(a = b) IS NULL"),
        ("NOT a = b AND c", "(NOT (a = b)) AND c"),
        ("NOT a IS NULL", "NOT (a IS NULL)"),
        ("! a OR b", "(NOT a) OR b"),
        ("a OR b AND c", "a OR (b AND c)"),
        ("a AND b AND c AND d", "(a AND b) AND (c AND d)"),
        ("a OR b OR c", "(a OR b) OR c"),
        ("a BETWEEN 1 AND 2 AND b", "(a BETWEEN 1 AND 2) AND b"),
        ("a NOT BETWEEN b + 1 AND c AND d", "(a NOT BETWEEN (b + 1) AND c) AND d"),
        ("a | b & c ^ d", "a | ((b & c) ^ d)"),
        ("a << 1 + 2", "a << (1 + 2)"),
        ("a << b", "shiftleft(a, b)"),
        ("a >> b", "shiftright(a, b)"),
        ("a >>> b", "shiftrightunsigned(a, b)"),
        ("a < b & c", "a < (b & c)"),
        ("~a + b", "(~a) + b"),
        ("a::int + b", "CAST(a AS INT) + b"),
        ("-1::string", "CAST((-1) AS STRING)"),
        ("a LIKE 'x' OR b", "(a LIKE 'x') OR b"),
        ("a LIKE b || '%'", "a LIKE (b || '%')"),
        ("a IN (1, 2) = b", "a IN (1, 2) = b"),
        ("a <=> b", "a IS NOT DISTINCT FROM b"),
        ("a IS DISTINCT FROM b", "NOT (a <=> b)"),
        ("a IS UNKNOWN", "a IS NULL"),
        ("a REGEXP 'x'", "a RLIKE 'x'"),
        ("a LIKE ANY ('x', b)", "(a LIKE 'x') OR (a LIKE b)"),
        ("a NOT LIKE ALL ('x', b)", "(a NOT LIKE 'x') AND (a NOT LIKE b)"),
        ("a LIKE b ESCAPE '!'", "like(a, b, '!')"),
        ("a NOT ILIKE '!!' ESCAPE '!'", "NOT ilike(a, '!!', '!')"),
    ];
    for (text, meant) in same {
        assert_eq!(shape(text), shape(meant), "{text} is not {meant}");
    }
}

#[test]
fn forms_that_mean_functions_and_literals() {
    let same = [
        ("'a' \"b\" r'c'", "'abc'"),
        ("date'2025-01-01'", "DATE \"2025-01-01\""),
        ("TIMESTAMP_LTZ '2025-01-01 10:00:00'", "TIMESTAMP '2025-01-01T10:00:00Z'"),
        ("x'CAFE'", "X 'cafe'"),
        ("EXTRACT(YEAR FROM a)", "EXTRACT('YEAR', a)"),
        ("TRIM(BOTH 'x' FROM a)", "trim('x', a)"),
        ("TRIM(LEADING 'x' FROM a)", "ltrim('x', a)"),
        ("TRIM(TRAILING FROM a)", "rtrim(a)"),
        ("SUBSTRING(a FROM 2 FOR 3)", "substring(a, 2, 3)"),
        ("SUBSTR(a FROM 2)", "substring(a, 2)"),
        ("OVERLAY(a PLACING b FROM 2 FOR 1)", "OVERLAY(a, b, 2, 1)"),
        ("POSITION(a || 'x' IN b)", "locate(a || 'x', b)"),
        ("timestampdiff(minute, a, b)", "timestampdiff('minute', a, b)"),
        ("DATEADD(day, 1, a)", "timestampadd('day', 1, a)"),
        ("date_diff(HOUR, a, b)", "timestampdiff('HOUR', a, b)"),
        ("current_date", "current_date()"),
        ("last(a IGNORE NULLS)", "last(a) IGNORE NULLS"),
        ("first(a) RESPECT NULLS", "first(a)"),
        ("count(ALL a)", "count(a)"),
        ("(a, b + 1)", "named_struct('a', a, 'col2', b + 1)"),
        ("INTERVAL 1 HOUR 30 MINUTES", "INTERVAL '1:30' HOUR TO MINUTE"),
    ];
    for (text, meant) in same {
        assert_eq!(shape(text), shape(meant), "{text} is not {meant}");
    }
}

#[test]
fn words_are_names_wherever_spark_lets_them() {
    for name in [
        "date",
        "timestamp",
        "interval",
        "end",
        "start",
        "value",
        "top",
        "position",
        "trim",
        "extract",
        "cast",
        "case",
        "left",
        "limit",
        "offset",
        "stream",
        "watermark",
        "delay",
        "window",
        "first",
        "count",
        "exists",
        "current",
        "time",
        "at",
        "overlay",
        "format",
        "group",
        "order",
        "1st",
        "größe",
        "`a b`",
    ] {
        let item = shape(name);
        assert!(item.contains("Column([") && item.contains(name.trim_matches('`')), "{name}: {item}");
        shape(&format!("1 AS {name}"));
    }
    assert!(shape("window.end").contains(r#"Column(["window", "end"])"#));
    assert!(shape("a.date.year").contains(r#"Column(["a", "date", "year"])"#));
    assert!(shape("a[0].date[b].x").starts_with("Expr { kind: Field("));
    assert!(shape("window(ts, '1 minute').start").starts_with("Expr { kind: Field("));
}
