//! Texts that are remembered, found a block at a time.

use super::{KeyTable, NONE};
use crate::{
    block::{BytesRef, Upcoming},
    simd,
    state::{
        packed::hash_short,
        texts::{Short, TwoWords},
    },
};

/// Rows between two requests for what is upcoming: of eight bytes a row that is a cache line.
const LINE_ROWS: usize = 8;

impl KeyTable {
    /// Finds the texts that are remembered; true if all are. What is `upcoming` is asked for on the way.
    pub(super) fn recall(&self, texts: &BytesRef<'_>, ids: &mut [u32], upcoming: Option<Upcoming>) -> bool {
        let (low, high) = lengths(&texts.offsets[..=ids.len()]);
        if TwoWords::LENGTHS.contains(&low) && TwoWords::LENGTHS.contains(&high) {
            // Names of machines and sensors most often are so long; then a text is two words.
            return recall_each(texts, ids, upcoming, |text| {
                TwoWords::of(text).map_or(NONE, |text| self.texts.get_two_words(&text, text.hash(self.seed)))
            });
        }
        recall_each(texts, ids, upcoming, |text| {
            Short::of(text).map_or(NONE, |short| self.texts.get(&short, hash_short(&short, self.seed)))
        })
    }
}

/// The length of the shortest text and of the longest.
fn lengths(offsets: &[i32]) -> (usize, usize) {
    let lengths = offsets.iter().zip(&offsets[1..]).map(|(start, end)| end.wrapping_sub(*start) as u32);
    let (low, high) = lengths.fold((u32::MAX, 0), |(low, high), len| (low.min(len), high.max(len)));
    (low as usize, high as usize)
}

#[inline(always)]
fn recall_each(
    texts: &BytesRef<'_>,
    ids: &mut [u32],
    upcoming: Option<Upcoming>,
    id_of: impl Fn(&[u8]) -> u32,
) -> bool {
    let (bytes, ends) = (texts.bytes, &texts.offsets[1..]);
    let mut start = texts.offsets[0] as usize;
    let mut is_complete = true;
    for (line, (ids, ends)) in ids.chunks_mut(LINE_ROWS).zip(ends.chunks(LINE_ROWS)).enumerate() {
        if let Some(upcoming) = upcoming {
            simd::ask_for(upcoming, line * LINE_ROWS..line * LINE_ROWS + ids.len());
        }
        for (id, &end) in ids.iter_mut().zip(ends) {
            *id = id_of(&bytes[start..end as usize]);
            is_complete &= *id != NONE;
            start = end as usize;
        }
    }
    is_complete
}
