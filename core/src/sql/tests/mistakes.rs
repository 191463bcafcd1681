//! Tests of errors: where they point, what they say, what they advise.

use alloc::{format, string::String};

use super::{TABLES, plan_job, refused};

#[test]
fn mistakes_have_a_place_and_a_hint() {
    // Column in the query, from 1; words of the message; words of the hint.
    let cases = [
        ("SELECT a FORM ev", 15, "found `ev`", "did you mean FROM"),
        ("SELECT n FROM ev WERE n > 1", 23, "found `n`", "did you mean WHERE"),
        ("SELECT n FROM ev GRUOP BY n", 24, "found `BY`", "did you mean GROUP"),
        ("SELECT n, FROM ev", 11, "found `FROM`", "remove the comma"),
        ("SELECT n v dev FROM ev", 12, "found `dev`", "comma missing before dev"),
        ("SELECT n FROM ev WHERE n > 1 v", 30, "found `v`", "AND or OR missing"),
        ("SELECT n FROM ev ORDER n", 24, "found `n`", "ORDER BY"),
        ("SELECT n AS FROM ev", 18, "found `ev`", "a name is missing after AS"),
        ("SELECT f(a b) FROM ev", 12, "expected `,` or `)`", "comma missing before b"),
        ("SELECT n FROM ev)", 17, "closes nothing", "remove it"),
        ("SELECT n FROM ev GROUP BY n EMIT CHANGES", 29, "found `EMIT`", "--output-mode"),
        ("SELECT * FROM TABLE(TUMBLE(TABLE ev, DESCRIPTOR(ts)))", 34, "found `ev`", "window(ts, '1 minute')"),
        ("SELECT dev FROM ev GROUP BY tumble(ts, '1 minute')", 29, "no function tumble", "window(ts, '1 minute')"),
        ("SELECT n FROM ev e WATERMARK ts DELAY OF INTERVAL 1 SECOND", 20, "before the alias", "AS e"),
        ("SELECT n FROM ev WATERMARK ts GROUP BY n", 31, "DELAY OF INTERVAL", "WATERMARK ts DELAY"),
        ("SELECT n FROM ev WATERMARK ts DELAY OF 10 SECONDS", 40, "expected INTERVAL", "INTERVAL 10 SECONDS"),
        ("SELECT n FROM ev WATERMARK f(ts) DELAY OF INTERVAL 1 DAY", 28, "needs a name", "AS name"),
        ("SELECT n FROM (ev JOIN dim) WATERMARK ts DELAY OF INTERVAL 1 DAY", 29, "after joined", "each table"),
        ("SELECT n FROM 'ev'", 15, "found the text 'ev'", "backticks"),
        ("SELECT n AS \"m\" FROM ev", 13, "found the text 'm'", "backticks"),
        ("SELECT n = 1 && n = 2 FROM ev", 14, "found `&&`", "write AND"),
        ("SELECT transform(tags, x -> x) FROM ev", 24, "lambda", "LATERAL VIEW"),
        ("SELECT sum(v) OVER (ORDER BY n) FROM ev", 8, "window functions", "max_by"),
        ("SELECT n FROM ev LIMIT", 23, "found the end", ""),
        ("SELECT n FROM (SELECT dev max v FROM ev) t", 31, "found `v`", "comma missing"),
        ("SELECT n FROM (SELECT max(v FROM ev) t", 29, "found `FROM`", ""),
        ("SELECT n FROM ev WHERE dev IN (SELECT dev dim x FROM dim)", 47, "found `x`", ""),
        ("WITH a AS (SELECT 1 x y FROM ev) SELECT * FROM a", 23, "found `y`", ""),
        ("SELECT CASE WHEN n > 1 THEN 2 FROM ev", 31, "expected END", ""),
        ("SELECT CAST(n INT) FROM ev", 15, "expected AS", ""),
        ("SELECT n BETWEEN 1 OR 2 FROM ev", 20, "expected AND", "BETWEEN low AND high"),
        ("SELECT TIMESTAMP 'abc' FROM ev", 8, "typed literal", "TIMESTAMP '2025"),
        ("SELECT n FROM ev TABLESAMPLE (10 PERCENT)", 15, "not supported", "TABLESAMPLE"),
        ("SELECT n FROM ev RIGHT SEMI JOIN dim", 18, "kind of join", "LEFT SEMI"),
        ("SELECT n FROM ev LEFT dim", 23, "expected JOIN", ""),
        ("SELECT n FROM ev, LATERAL (SELECT 1)", 19, "LATERAL joins", "LATERAL VIEW"),
        ("SELECT n FROM WHERE n > 1", 15, "expected a table", ""),
        ("SELECT n % ) FROM ev", 12, "closes nothing", "remove it"),
        ("SELECT n FROM ev SORT BY n", 18, "SORT BY is not supported", "ORDER BY"),
        ("SELECT TOP 3 n FROM ev", 8, "TOP is not supported", "LIMIT n"),
        ("WITH RECURSIVE a AS (SELECT 1) SELECT * FROM a", 1, "WITH RECURSIVE", ""),
        ("SELECT n FROM ev LIMIT 1 FOR UPDATE", 26, "FETCH and FOR", "LIMIT n"),
        ("SELECT n FROM ev INTERSECT ALL SELECT n FROM ev", 32, "INTERSECT", "LEFT SEMI JOIN"),
        ("SELECT n FROM ev GROUP BY ()", 27, "GROUP BY", "leave out"),
        ("SELECT n FROM ev WHERE v > (SELECT lim, room FROM dim)", 29, "one column", ""),
        ("SELECT n FROM ev WHERE v IN (SELECT * FROM dim)", 24, "1 column", ""),
        ("SELECT n FROM ev WHERE v = 1 OR v NOT IN (SELECT lim FROM dim)", 33, "subquery", "LEFT SEMI JOIN"),
    ];
    let offset = TABLES.chars().count() as u32;
    for (query, column, message, hint) in cases {
        let error = refused(query);
        assert!(error.message().contains(message), "{query}: {error}");
        assert!(error.hint_text().unwrap_or_default().contains(hint), "{query}: {:?}", error.hint_text());
        assert!(error.is_invalid_job(), "{query}");
        let place = error.span().map_or(0, |s| s.column - offset);
        assert!(column == 0 || place == column, "{query}: at {place}");
    }
}

#[test]
fn places_cover_what_they_mean() {
    let cases = [
        ("SELECT upper(missing)", "missing"),
        ("SELECT n + nosuch(v, 'x')", "nosuch(v, 'x')"),
        ("SELECT CAST(tags AS INT)", "CAST(tags AS INT)"),
        ("SELECT tags::INT", "tags::INT"),
        ("SELECT e.nope.x", "e.nope.x"),
        ("SELECT -(nope)", "nope"),
        ("SELECT 'täg', nope", "nope"),
        ("SELECT n\n -- a comment\n , nope", "nope"),
    ];
    for (select, marked) in cases {
        let text = format!("{TABLES}{select} FROM ev");
        let span = plan_job(&text).unwrap_err().span().unwrap();
        let line = text.lines().nth(span.line as usize - 1).unwrap();
        let length = (span.end_column - span.column + 1) as usize;
        let found: String = line.chars().skip(span.column as usize - 1).take(length).collect();
        assert_eq!(found, marked, "{select}");
    }
}
