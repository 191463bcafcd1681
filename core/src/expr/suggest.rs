//! "Did you mean ...?": the known name nearest to a wrong one.

use alloc::{string::String, vec::Vec};

/// The name that takes the fewest edits to reach, if that is no more than a third of its letters (and at least one).
pub fn nearest<'a>(wrong: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let wrong = wrong.to_lowercase();
    let near = known.into_iter().map(|name| (distance(&wrong, &name.to_lowercase()), name)).min()?;
    (near.0 <= (wrong.chars().count() / 3).max(1)).then_some(near.1)
}

/// Letters inserted, removed, replaced, or swapped with their neighbour.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = Vec::with_capacity(b.len() + 1);
        row.push(i);
        for j in 1..=b.len() {
            let same = usize::from(a[i - 1] != b[j - 1]);
            let mut best = (last[j] + 1).min(row[j - 1] + 1).min(last[j - 1] + same);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(before[j - 2] + 1);
            }
            row.push(best);
        }
        before = core::mem::replace(&mut last, row);
    }
    last[b.len()]
}

/// A hint for a wrong name.
pub fn hint<'a>(wrong: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    nearest(wrong, known).map(|near| alloc::format!("did you mean `{near}`?"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_suggested_if_it_is_near() {
        let known = ["sensor", "ts", "value", "temperature"];
        assert_eq!(nearest("senser", known), Some("sensor"));
        assert_eq!(nearest("Vlaue", known), Some("value"));
        assert_eq!(nearest("temprature", known), Some("temperature"));
        assert_eq!(nearest("st", known), Some("ts"));
        assert_eq!(nearest("humidity", known), None);
        assert_eq!(nearest("x", []), None);
    }
}
