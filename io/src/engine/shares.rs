//! Who reads what of an epoch: parts dealt out to hands in runs, so that each hand reads rows that lie side by side.
//!
//! ```text
//!   few rows of several lanes       a ──────── | b ────────      by lane, cut where the shares are equal
//!   many rows of a lane             a ─── | ───   b ─── | ───    each lane by itself: hands see different times
//!   files                           by bytes, whole parts
//! ```
//! Hand 0 has the first run of each table, and so on: taken together in order of hands the rows of one lane or file
//! are in order. What a hand gets depends on the parts alone, never on the clock.

use std::ops::Range;

use firesteel_core::{limits::BLOCK_ROWS, ring::rows_since};

use crate::source::Part;

/// Lanes whose epoch has fewer rows are not worth a second hand: starting it costs as much as reading them.
const ROWS_WORTH_SHARING: u64 = 4 * BLOCK_ROWS as u64;
/// Rows for each hand from which on a lane is cut by itself.
const ROWS_OF_A_RUN: u64 = 1 << 16;

/// Input and part, in order.
pub(crate) type Share = Vec<(usize, Part)>;

/// Deals `parts` out to so many hands: `give` gets hand, input and part.
pub(super) fn deal(parts: &[(usize, Part)], hands: usize, give: &mut impl FnMut(usize, usize, Part)) {
    let is_own = |part: &Part| is_lane(part) && weight(part) >= ROWS_OF_A_RUN * hands as u64;
    let mut rest = parts;
    while let Some((input, first)) = rest.first() {
        let len = match is_own(first) {
            true => 1,
            false => rest.iter().take_while(|(other, part)| other == input && !is_own(part)).count(),
        };
        let (table, others) = rest.split_at(len);
        deal_table(*input, table, hands, give);
        rest = others;
    }
}

/// The share of each hand; `None` if one hand had better read everything.
pub(crate) fn share_out(parts: &[(usize, Part)], hands: usize) -> Option<Vec<Share>> {
    if !is_worth_sharing(parts) {
        return None;
    }
    let mut shares = vec![Share::new(); hands];
    deal(parts, hands, &mut |hand: usize, input, part| shares[hand].push((input, part)));
    Some(shares)
}

/// Whether it is not better to let one hand read them.
pub(super) fn is_worth_sharing(parts: &[(usize, Part)]) -> bool {
    let lanes = parts.iter().filter(|(_, part)| is_lane(part));
    let rows: u64 = lanes.map(|(_, part)| weight(part)).sum();
    let others = parts.iter().filter(|(_, part)| matches!(part, Part::File { .. } | Part::Rows { .. })).count();
    rows >= ROWS_WORTH_SHARING || others > 1
}

/// One run a hand out of the parts of one table.
fn deal_table(input: usize, parts: &[(usize, Part)], hands: usize, give: &mut impl FnMut(usize, usize, Part)) {
    let total: u64 = parts.iter().map(|(_, part)| weight(part)).sum();
    let bound = |hand: usize| (u128::from(total) * hand as u128 / hands as u128) as u64;
    let hand_at = |place: u64| (0..hands).rev().find(|&hand| bound(hand) <= place).unwrap_or(0);
    let mut place = 0;
    for (_, part) in parts {
        let end = place + weight(part);
        match part {
            Part::Lane { key, start, end: last } => {
                let rows = |hand: usize| bound(hand).clamp(place, end) - place;
                for hand in 0..hands {
                    let range = rows(hand)..rows(hand + 1);
                    let Range { start: from, end: to } = at_blocks(*start, *last, range, end - place);
                    if from != to {
                        give(hand, input, Part::Lane { key: key.clone(), start: from, end: to });
                    }
                }
            }
            // A live input has one reader, which belongs to the query's own thread.
            Part::Live => give(0, input, part.clone()),
            Part::File { .. } | Part::Rows { .. } => give(hand_at(place + (end - place) / 2), input, part.clone()),
        }
        place = end;
    }
}

/// The rows of a lane from `range.start` to `range.end`, counted from `start`, moved to where blocks begin. The first
/// and the last of the lane's `len` rows stay where they are.
fn at_blocks(start: u64, last: u64, range: Range<u64>, len: u64) -> Range<u64> {
    let place = |rows: u64| match rows {
        0 => start,
        rows if rows == len => last,
        rows => {
            let row = start.wrapping_add(rows);
            let begin = row.wrapping_sub(row % BLOCK_ROWS as u64);
            if rows_since(begin, start).is_some() { begin } else { start }
        }
    };
    place(range.start)..place(range.end)
}

fn is_lane(part: &Part) -> bool {
    matches!(part, Part::Lane { .. })
}

/// What reading a part costs, in some unit of its table.
fn weight(part: &Part) -> u64 {
    match part {
        Part::File { bytes, .. } => (*bytes).max(1),
        Part::Rows { start, end, .. } => end.saturating_sub(*start).unsigned_abs().max(1),
        Part::Lane { start, end, .. } => rows_since(*end, *start).unwrap_or_default(),
        Part::Live => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BLOCK: u64 = BLOCK_ROWS as u64;

    fn lane(key: &str, start: u64, end: u64) -> (usize, Part) {
        (0, Part::Lane { key: key.into(), start, end })
    }

    fn file(bytes: u64) -> (usize, Part) {
        (1, Part::File { path: format!("{bytes}").into(), start: 0, end: None, bytes })
    }

    fn dealt(parts: Share, hands: usize) -> Vec<Share> {
        share_out(&parts, hands).unwrap()
    }

    fn show(share: &Share) -> Vec<String> {
        let part = |(_, part): &(usize, Part)| match part {
            Part::Lane { key, start, end } => format!("{key} {start}..{end}"),
            Part::File { bytes, .. } => format!("{bytes} bytes"),
            other => format!("{other:?}"),
        };
        share.iter().map(part).collect()
    }

    #[test]
    fn few_rows_stay_with_one_hand() {
        for (parts, is_worth_it) in [
            (vec![lane("a", 5, 5 + ROWS_WORTH_SHARING - 1)], false),
            (vec![lane("a", 5, 5 + ROWS_WORTH_SHARING)], true),
            (vec![lane("a", 0, ROWS_WORTH_SHARING / 2), lane("b", 0, ROWS_WORTH_SHARING / 2)], true),
            // A part of a file is not cut.
            (vec![file(1 << 30)], false),
            (vec![file(1), file(2)], true),
            (vec![(0, Part::Live), (1, Part::Live)], false),
        ] {
            assert_eq!(is_worth_sharing(&parts), is_worth_it, "{parts:?}");
        }
    }

    #[test]
    fn lanes_go_to_hands_as_they_are_and_are_cut_where_one_has_more() {
        let shares = dealt(vec![lane("a", 0, 4 * BLOCK), lane("b", 7, 4 * BLOCK + 7)], 2);
        assert_eq!(shares.iter().map(show).collect::<Vec<_>>(), [["a 0..16384"], ["b 7..16391"]]);
        let shares = dealt(vec![lane("a", 0, 6 * BLOCK), lane("b", 0, 2 * BLOCK)], 2);
        assert_eq!(show(&shares[0]), ["a 0..16384"]);
        assert_eq!(show(&shares[1]), ["a 16384..24576", "b 0..8192"]);
    }

    #[test]
    fn lanes_with_many_rows_are_cut_each_by_itself() {
        let many = 4 * ROWS_OF_A_RUN;
        let shares = dealt(vec![lane("a", 0, many), lane("b", 0, many)], 2);
        assert_eq!(show(&shares[0]), ["a 0..131072", "b 0..131072"]);
        assert_eq!(show(&shares[1]), ["a 131072..262144", "b 131072..262144"]);
    }

    #[test]
    fn every_row_is_dealt_once_and_in_order() {
        for hands in 1..9 {
            for (start, len) in [(0, 1 << 20), (u64::MAX - 100_000, 300_000), (4_095, 16_385), (17, 1 << 15)] {
                let shares = dealt(vec![lane("a", start, start.wrapping_add(len))], hands);
                let mut at = start;
                for (_, part) in shares.iter().flatten() {
                    let &Part::Lane { start, end, .. } = part else { unreachable!() };
                    assert_eq!(start, at, "{hands} hands, {len} rows");
                    at = end;
                }
                assert_eq!(at, start.wrapping_add(len));
            }
        }
    }

    #[test]
    fn files_are_dealt_by_bytes_and_live_inputs_to_the_first() {
        let shares = dealt(vec![file(10), file(20), file(30), (2, Part::Live)], 2);
        assert_eq!(show(&shares[0]), ["10 bytes", "20 bytes", "Live"]);
        assert_eq!(show(&shares[1]), ["30 bytes"]);
    }
}
