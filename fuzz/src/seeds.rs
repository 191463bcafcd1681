//! The seeds that a program can write better than a hand: lanes with rows in them, and states that queries have saved.
//! All others in `seeds/` were written by hand or found.

use firesteel_core::ring::region::Region;

use super::{checkpoint, ring};

/// Seeds by target and name.
pub fn all() -> Vec<(&'static str, String, Vec<u8>)> {
    let mut seeds = Vec::new();
    for query in 0..checkpoint::QUERY_COUNT {
        for epochs in [0, 3] {
            seeds.push(("checkpoint", format!("state-{query}-{epochs}"), checkpoint::saved(query, epochs)));
        }
    }
    seeds.push(("checkpoint", "file".into(), [&[0], &*checkpoint::file(&checkpoint::saved(5, 1)[2..])].concat()));
    for (name, program) in PROGRAMS {
        seeds.push(("ring", (*name).into(), program.to_vec()));
    }
    // The zeroes at a lane's end are asked for in words; a file is also told where to start.
    let (lane, zeroes) = lane();
    seeds.push(("ring", "memory".into(), [&[5, 0, zeroes[0], zeroes[1]], &*lane].concat()));
    seeds.push(("ring", "file".into(), [&[7, 0, 0, zeroes[0], zeroes[1]], &*lane].concat()));
    seeds
}

/// Geometry, policy, mode; then steps: 4 rows, 8 lend, 0 store, 6 and 7 start anew.
const PROGRAMS: &[(&str, &[u8])] = &[
    ("rows", &[0, 0, 0, 0, 4, 5, 8, 7, 20, 0, 0, 0, 4, 9, 8, 6, 6, 0, 8, 7, 60, 0]),
    ("in-place", &[0, 2, 0, 1, 4, 15, 8, 7, 20, 0, 4, 15, 8, 7, 20, 0, 8, 1, 3, 0, 0, 0, 0, 0, 0, 0, 8, 7, 5, 0]),
    ("overwritten", &[0, 1, 2, 0, 4, 15, 4, 15, 8, 7, 1, 0, 2, 0, 4, 15, 8, 7, 8, 0, 8, 2, 8, 7, 3, 0, 3, 4, 3, 3]),
    ("stored-over", &[0, 0, 0, 0, 4, 5, 0, 0, 2, 3, 4, 8, 7, 9, 0, 0, 2, 3, 7, 0, 19, 2, 9, 9, 8, 7, 9, 0, 6, 7, 8, 3]),
    ("dropped", &[0, 0, 1, 0, 4, 15, 4, 15, 4, 15, 8, 0, 9, 8, 7, 30, 0, 8, 4, 2, 8, 7, 1, 0, 2, 2, 2]),
];

/// A lane with a few rows without the zeroes at its end, and how many words of them there are.
fn lane() -> (Vec<u8>, [u8; 2]) {
    let region = Region::new(ring::lane_with_rows());
    let mut bytes = vec![0; region.len()];
    region.read_bytes(0, &mut bytes);
    let len = bytes.iter().rposition(|&byte| byte != 0).map_or(0, |last| (last + 8) / 8 * 8);
    bytes.truncate(len);
    (bytes, (((region.len() - len) / 8) as u16).to_le_bytes())
}
