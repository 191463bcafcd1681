//! Rows as a table in text, as Spark's `show` prints them.

use super::Row;

/// Longest text of a cell; longer ones end in `...`.
const CELL_MAX: usize = 20;

/// The first `count` of the rows under their names; says so if there are more.
pub(super) fn table(names: &[&str], rows: &[Row], count: usize) -> String {
    let shown = &rows[..rows.len().min(count)];
    let cells: Vec<Vec<String>> =
        shown.iter().map(|row| (0..names.len()).map(|i| cut(&row.text(i))).collect()).collect();
    let width = |i: usize| {
        let longest = cells.iter().map(|row| length(&row[i])).max().unwrap_or(0);
        longest.max(length(names[i])).max(3)
    };
    let widths: Vec<usize> = (0..names.len()).map(width).collect();
    let rule: String = widths.iter().map(|w| "+".to_string() + &"-".repeat(*w)).collect::<String>() + "+\n";
    let mut out = rule.clone() + &line(names.iter().copied(), &widths) + &rule;
    for row in &cells {
        out += &line(row.iter().map(String::as_str), &widths);
    }
    out += &rule;
    if rows.len() > count {
        out += &format!("only showing top {count} rows\n");
    }
    out
}

fn line<'a>(cells: impl Iterator<Item = &'a str>, widths: &[usize]) -> String {
    let padded = cells.zip(widths).map(|(cell, width)| format!("|{}{cell}", " ".repeat(width - length(cell))));
    padded.collect::<String>() + "|\n"
}

fn cut(text: &str) -> String {
    if length(text) <= CELL_MAX {
        return text.into();
    }
    text.chars().take(CELL_MAX - 3).collect::<String>() + "..."
}

fn length(text: &str) -> usize {
    text.chars().count()
}

#[cfg(test)]
mod tests {
    use crate::session::Session;

    #[test]
    fn tables_look_like_spark_s() {
        let session = Session::new().unwrap();
        let rows = [vec!["a".into(), 1.5.into()], vec!["a long text that is cut".into(), 10.0.into()]];
        let frame = session.create_data_frame(rows, "name STRING, v DOUBLE").unwrap();
        let expected = "+--------------------+----+\n|                name|   v|\n+--------------------+----+\n\
                        |                   a| 1.5|\n|a long text that ...|10.0|\n+--------------------+----+\n";
        assert_eq!(frame.show_string(20).unwrap(), expected);
        assert!(frame.show_string(1).unwrap().ends_with("only showing top 1 rows\n"));
    }
}
