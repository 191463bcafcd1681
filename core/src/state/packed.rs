//! Encoded keys in 32 bytes: one vector register, one comparison, no pointer to follow.
//!
//! A key of up to 31 encoded bytes lies in the packed key itself, padded with zeros, its length in the last byte.
//! A longer one lies elsewhere; its packed form has the place and the hash, so that few of them are looked up in vain.

use alloc::vec::Vec;
use core::ops::RangeInclusive;

use super::{
    encode::encode_row,
    texts::{Short, TEXT_MAX, TwoWords},
};
use crate::block::{ColumnRef, Values};

/// Longest encoded key that is packed whole.
const BYTES_MAX: usize = 31;
/// Last byte of a key that lies elsewhere.
const ELSEWHERE: u8 = 0xff;
/// Where the bytes of a string begin in a key of one string: behind "not NULL" and the length.
pub(super) const TEXT_AT: usize = 5;
/// Last byte of a place without key.
const FREE: u8 = 0xfe;

/// An encoded key, or where it lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(align(32))]
pub(super) struct Packed([u8; 32]);

impl Packed {
    /// No key.
    pub const NONE: Self = Self::tagged(FREE);

    /// Row `row` of the columns; `None` if it is too long, and then it is in `bytes`, encoded.
    #[inline]
    pub fn of_row(columns: &[ColumnRef<'_>], row: usize, bytes: &mut Vec<u8>) -> Option<Self> {
        if let Some(packed) = Self::of_simple_row(columns, row) {
            return Some(packed);
        }
        bytes.clear();
        encode_row(columns, row, bytes);
        Self::of_bytes(bytes)
    }

    /// An encoded row; `None` if it is too long.
    pub fn of_bytes(bytes: &[u8]) -> Option<Self> {
        let mut packed = Self::tagged(u8::try_from(bytes.len()).ok().filter(|&len| usize::from(len) <= BYTES_MAX)?);
        packed.0[..bytes.len()].copy_from_slice(bytes);
        Some(packed)
    }

    /// A key that lies at this place of a list.
    pub fn elsewhere(place: usize, hash: u64) -> Self {
        let mut packed = Self::tagged(ELSEWHERE);
        packed.0[..8].copy_from_slice(&(place as u64).to_le_bytes());
        packed.0[8..16].copy_from_slice(&hash.to_le_bytes());
        packed
    }

    /// The encoded key, if it lies here.
    #[inline]
    pub fn bytes(&self) -> Option<&[u8]> {
        self.0.get(..usize::from(self.0[31])).filter(|_| usize::from(self.0[31]) <= BYTES_MAX)
    }

    /// The bytes of a key that lies here, and whatever follows them: for columns at a known place.
    #[inline]
    pub fn all_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The text of a key of one string that lies here and is not NULL.
    #[inline]
    pub fn text(&self) -> Option<&[u8]> {
        self.bytes().and_then(|bytes| bytes.get(TEXT_AT..))
    }

    /// Where the key lies, and its hash, if it does not lie here.
    pub fn place(&self) -> Option<(usize, u64)> {
        (self.0[31] == ELSEWHERE).then(|| (self.word(0) as usize, self.word(1)))
    }

    /// True if there is no key.
    pub fn is_none(&self) -> bool {
        self.0[31] == FREE
    }

    /// The hash of a key that lies here.
    #[inline]
    pub fn hash(&self, seed: u64) -> u64 {
        let (a, b, c, d) = (self.word(0), self.word(1), self.word(2), self.word(3));
        fold_multiply(fold_multiply(a ^ seed, b ^ MIXERS[0]) ^ c, fold_multiply(d ^ seed, MIXERS[1]) ^ MIXERS[2])
    }

    /// Rows of the commonest key types, as `encode_row` would encode them; `None` for all others.
    #[inline]
    fn of_simple_row(columns: &[ColumnRef<'_>], row: usize) -> Option<Self> {
        let mut packed = Self::tagged(0);
        let mut at = 0;
        for column in columns {
            if !column.is_valid(row) {
                return None;
            }
            let i = column.index(row);
            *packed.0.get_mut(at)? = 1;
            match column.values {
                Values::Int32(v) => packed.0.get_mut(at + 1..at + 5)?.copy_from_slice(&v[i].to_le_bytes()),
                Values::Int64(v) => packed.0.get_mut(at + 1..at + 9)?.copy_from_slice(&v[i].to_le_bytes()),
                Values::Bytes(v) => {
                    let text = v.get(i);
                    packed.0.get_mut(at + 1..at + 5)?.copy_from_slice(&(text.len() as u32).to_le_bytes());
                    packed.0.get_mut(at + 5..(at + 5).checked_add(text.len())?)?.copy_from_slice(text);
                    at += text.len();
                }
                _ => return None,
            }
            at += if matches!(column.values, Values::Int64(_)) { 9 } else { 5 };
        }
        packed.0[31] = u8::try_from(at).ok().filter(|_| at <= BYTES_MAX)?;
        Some(packed)
    }

    const fn tagged(tag: u8) -> Self {
        let mut bytes = [0; 32];
        bytes[31] = tag;
        Self(bytes)
    }

    #[inline]
    fn word(&self, i: usize) -> u64 {
        let (words, _) = self.0.as_chunks::<8>();
        u64::from_le_bytes(words[i])
    }
}

/// The hash of bytes of any length: of texts, and of keys that are too long to be packed.
#[inline]
pub(super) fn hash_bytes(bytes: &[u8], seed: u64) -> u64 {
    match Short::of(bytes) {
        Some(short) => hash_short(&short, seed),
        None => hash_long(bytes, seed ^ (bytes.len() as u64).wrapping_mul(MIXERS[2])),
    }
}

/// The hash of a short text.
#[inline]
pub(super) fn hash_short(text: &Short, seed: u64) -> u64 {
    let [first, middle, last] = text.words;
    let mut seed = seed ^ u64::from(text.len).wrapping_mul(MIXERS[2]);
    if text.len > 16 {
        seed = fold_multiply(middle ^ seed, MIXERS[1]);
    }
    fold_multiply(first ^ seed, last ^ MIXERS[0])
}

impl TwoWords {
    /// The lengths of texts that are ones.
    pub const LENGTHS: RangeInclusive<usize> = 8..=16;

    /// A text, if it is one: of one that is longer, anything.
    #[inline]
    pub fn of(bytes: &[u8]) -> Option<Self> {
        let (first, last) = (bytes.first_chunk::<8>()?, bytes.last_chunk::<8>()?);
        Some(Self { first: u64::from_le_bytes(*first), last: u64::from_le_bytes(*last), len: bytes.len() as u32 })
    }

    /// The hash of the text: that of [`hash_short`].
    #[inline]
    pub fn hash(&self, seed: u64) -> u64 {
        let seed = seed ^ u64::from(self.len).wrapping_mul(MIXERS[2]);
        fold_multiply(self.first ^ seed, self.last ^ MIXERS[0])
    }
}

impl Short {
    /// A text, if it is short.
    #[inline]
    pub fn of(bytes: &[u8]) -> Option<Self> {
        let (first, last) = ends(bytes);
        let middle = match bytes.len() {
            0..=16 => 0,
            17..=TEXT_MAX => bytes[8..].first_chunk::<8>().map_or(0, |word| u64::from_le_bytes(*word)),
            _ => return None,
        };
        Some(Self { words: [first, middle, last], len: bytes.len() as u32 })
    }
}

fn hash_long(bytes: &[u8], seed: u64) -> u64 {
    let (words, _) = bytes.as_chunks::<8>();
    let hash = words.iter().fold(seed, |hash, word| fold_multiply(hash ^ u64::from_le_bytes(*word), MIXERS[1]));
    // The last eight bytes, some of them once more: no loop over what is left.
    let last = bytes.last_chunk::<8>().map_or(0, |word| u64::from_le_bytes(*word));
    fold_multiply(hash ^ last, MIXERS[0])
}

/// Two words that tell apart any two byte strings of one length up to 16.
#[inline]
fn ends(bytes: &[u8]) -> (u64, u64) {
    if let (Some(first), Some(last)) = (bytes.first_chunk::<8>(), bytes.last_chunk::<8>()) {
        return (u64::from_le_bytes(*first), u64::from_le_bytes(*last));
    }
    if let (Some(first), Some(last)) = (bytes.first_chunk::<4>(), bytes.last_chunk::<4>()) {
        return (u32::from_le_bytes(*first).into(), u32::from_le_bytes(*last).into());
    }
    let at = |i: usize| u64::from(bytes.get(i).copied().unwrap_or_default());
    (at(0) | at(1) << 8 | at(2) << 16, 0)
}

/// Whether two byte strings are the same; a few instructions for short ones.
#[inline]
pub(super) fn is_same(a: &[u8], b: &[u8]) -> bool {
    match a.len() == b.len() {
        true if a.len() <= 16 => ends(a) == ends(b),
        true => a == b,
        false => false,
    }
}

/// Both halves of the product, folded: every bit of `a` and `b` reaches every bit of the hash.
#[inline]
fn fold_multiply(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    product as u64 ^ (product >> 64) as u64
}

/// Numbers with as many ones as zeros: the first digits of pi.
const MIXERS: [u64; 3] = [0x243f_6a88_85a3_08d3, 0x1319_8a2e_0370_7344, 0xa409_3822_299f_31d0];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        block::{Column, Value},
        schema::DataType,
    };

    #[test]
    fn short_texts_of_one_length_differ_in_their_words_where_they_differ() {
        for len in 0..=TEXT_MAX {
            let text = vec![b'x'; len];
            let short = Short::of(&text).unwrap();
            for at in 0..len {
                let mut other = text.clone();
                other[at] = b'y';
                let other = Short::of(&other).unwrap();
                assert_ne!(short.words, other.words, "byte {at} of {len}");
                assert_ne!(hash_short(&short, 1), hash_short(&other, 1), "byte {at} of {len}");
            }
        }
        assert_eq!(Short::of(&[b'x'; TEXT_MAX + 1]), None);
    }

    #[test]
    fn texts_of_two_words_are_short_texts() {
        for len in TwoWords::LENGTHS {
            let text = &b"0123456789abcdef"[..len];
            let (two, short) = (TwoWords::of(text).unwrap(), Short::of(text).unwrap());
            assert_eq!(([two.first, 0, two.last], two.len), (short.words, short.len));
            assert_eq!(two.hash(7), hash_short(&short, 7), "{len} bytes");
        }
    }

    #[test]
    fn a_packed_row_is_the_encoded_row() {
        let long = "x".repeat(30);
        let texts = ["", "a", "twenty-six bytes, and fits", "twenty-seven bytes: too long", &long];
        let text = Column::from_values(DataType::String, &texts.map(Value::from));
        let int = Column::from_values(DataType::Int32, &[1, -1, 0, 7, i32::MIN].map(Value::from));
        let wide = Column::from_values(
            DataType::Int64,
            &[Value::Null, 5_i64.into(), 0_i64.into(), 1_i64.into(), 2_i64.into()],
        );
        let sets: [&[ColumnRef<'_>]; 5] =
            [&[text.view()], &[int.view()], &[int.view(), wide.view()], &[text.view(), int.view()], &[]];
        for columns in sets {
            for row in 0..texts.len() {
                let (mut encoded, mut scratch) = (Vec::new(), Vec::new());
                encode_row(columns, row, &mut encoded);
                match Packed::of_row(columns, row, &mut scratch) {
                    Some(packed) => {
                        assert_eq!(packed.bytes(), Some(&encoded[..]));
                        assert_eq!(Packed::of_bytes(&encoded), Some(packed));
                    }
                    None => assert!(encoded.len() > BYTES_MAX && scratch == encoded),
                }
            }
        }
        for a in 0..40 {
            let (text, other) = ("abcdefgh".repeat(5), "abcdefgX".repeat(5));
            assert!(is_same(&text.as_bytes()[..a], &text.as_bytes()[..a]));
            assert_eq!(is_same(&text.as_bytes()[..a], &other.as_bytes()[..a]), a < 8);
            assert!(!is_same(&text.as_bytes()[..a], &text.as_bytes()[..a + 1]));
            let hash = |n: usize| hash_bytes(&text.as_bytes()[..n], 7);
            assert!((0..a).all(|b| hash(a) != hash(b)));
        }
        assert!(Packed::NONE.is_none() && Packed::NONE.bytes().is_none() && Packed::NONE.place().is_none());
        assert_eq!(Packed::elsewhere(7, 9).place(), Some((7, 9)));
    }
}
