//! Bytes looked for eight at a time, in plain integer arithmetic: values of text are mostly too short for a call into
//! a vector routine to pay.
//!
//! A byte `x` of a word is marked where `x - 1` borrows and `x` has no high bit. Borrows only travel upwards, so the
//! lowest mark is always right, which is the one that is used.

const ONES: u64 = u64::MAX / 255;
const HIGH: u64 = ONES << 7;

/// From here on a vector routine is faster.
const LONG: usize = 64;

/// Where `byte` stands first.
#[inline]
pub(super) fn find(text: &[u8], byte: u8) -> Option<usize> {
    let mut at = 0;
    while let Some(eight) = text[at..].first_chunk::<8>() {
        let marks = equal(u64::from_le_bytes(*eight), byte);
        if marks != 0 {
            return Some(at + lowest(marks));
        }
        at += 8;
        if at == LONG {
            return memchr::memchr(byte, &text[at..]).map(|i| at + i);
        }
    }
    text[at..].iter().position(|b| *b == byte).map(|i| at + i)
}

/// Where the first double quote, backslash or control character stands; `None` also if the text ends less than eight
/// bytes behind it.
#[inline(always)]
pub(super) fn find_special(text: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        let word = u64::from_le_bytes(*text.get(at..)?.first_chunk()?);
        let controls = word.wrapping_sub(ONES * 0x20) & !word & HIGH;
        let marks = equal(word, b'"') | equal(word, b'\\') | controls;
        if marks != 0 {
            return Some(at + lowest(marks));
        }
        at += 8;
    }
}

/// Whether some byte is not ASCII.
#[inline(always)]
pub(super) fn non_ascii(text: &[u8]) -> bool {
    let (words, rest) = text.as_chunks::<8>();
    let high = words.iter().fold(0, |high, word| high | u64::from_le_bytes(*word));
    (high & HIGH != 0) || rest.iter().fold(0, |high, byte| high | byte) > 127
}

/// How many bytes, eight at a time, are certainly neither the quote nor a backslash nor a control character.
#[inline]
pub(super) fn plain_len(text: &[u8], quote: u8) -> usize {
    let mut len = 0;
    while let Some(eight) = text[len..].first_chunk::<8>() {
        let word = u64::from_le_bytes(*eight);
        let controls = word.wrapping_sub(ONES * 0x20) & !word & HIGH;
        let marks = equal(word, quote) | equal(word, b'\\') | controls;
        if marks != 0 {
            return len + lowest(marks);
        }
        len += 8;
    }
    len
}

/// Marks the bytes of a word that are `byte`, the lowest of them rightly.
#[inline]
fn equal(word: u64, byte: u8) -> u64 {
    let zeros = word ^ (ONES * u64::from(byte));
    zeros.wrapping_sub(ONES) & !zeros & HIGH
}

#[inline]
fn lowest(marks: u64) -> usize {
    marks.trailing_zeros() as usize / 8
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn words_find_what_bytes_find(text in prop::collection::vec(0_u8..70, 0..200), byte in 0_u8..70) {
            prop_assert_eq!(find(&text, byte), text.iter().position(|b| *b == byte));
        }

        #[test]
        fn high_bytes_do_no_harm(text in prop::collection::vec(any::<u8>(), 0..40), byte in any::<u8>()) {
            prop_assert_eq!(find(&text, byte), text.iter().position(|b| *b == byte));
            let special = |b: &u8| *b < b' ' || *b == b'\\' || *b == b'"';
            let end = text.iter().position(special).unwrap_or(text.len());
            let len = plain_len(&text, b'"');
            prop_assert!(len == end || (len < end && text.len() - len < 8), "{len} of {end}");
        }
    }
}
