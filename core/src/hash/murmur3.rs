//! Murmur3 (x86, 32 bits) as Spark has it. Bytes after the last whole word are mixed one by one, sign-extended, which
//! the published algorithm does not do; Spark keeps it so for old tables, and so do we.

use super::Algorithm;

/// The algorithm, for [`super::update`] and [`super::hash_at`].
#[derive(Clone, Copy, Debug)]
pub struct Murmur3;

impl Algorithm for Murmur3 {
    type Hash = u32;

    #[inline]
    fn int(value: i32, seed: u32) -> u32 {
        finish(mix_hash(seed, value as u32), 4)
    }

    #[inline]
    fn long(value: i64, seed: u32) -> u32 {
        let low = mix_hash(seed, value as u32);
        finish(mix_hash(low, (value >> 32) as u32), 8)
    }

    fn bytes(value: &[u8], seed: u32) -> u32 {
        let (words, rest) = value.as_chunks::<4>();
        let hash = words.iter().fold(seed, |h, word| mix_hash(h, u32::from_le_bytes(*word)));
        let hash = rest.iter().fold(hash, |h, &byte| mix_hash(h, byte as i8 as u32));
        finish(hash, value.len() as u32)
    }
}

#[inline]
fn mix_hash(hash: u32, word: u32) -> u32 {
    let word = word.wrapping_mul(0xcc9e_2d51).rotate_left(15).wrapping_mul(0x1b87_3593);
    (hash ^ word).rotate_left(13).wrapping_mul(5).wrapping_add(0xe654_6b64)
}

#[inline]
fn finish(hash: u32, len: u32) -> u32 {
    let mut h = hash ^ len;
    h = (h ^ (h >> 16)).wrapping_mul(0x85eb_ca6b);
    h = (h ^ (h >> 13)).wrapping_mul(0xc2b2_ae35);
    h ^ (h >> 16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_of_spark_with_seed_42() {
        let spark = Murmur3::bytes(b"Spark", 42);
        let array = Murmur3::int(123, spark);
        assert_eq!(Murmur3::int(2, array) as i32, -1_321_691_492);
        assert_eq!(Murmur3::int(0, 42) as i32, 933_211_791);
        assert_eq!(Murmur3::long(0, 42) as i32, -1_670_924_195);
    }
}
