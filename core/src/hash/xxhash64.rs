//! XxHash64 as Spark has it: the published algorithm over bytes, with short cuts for 4- and 8-byte integers that
//! give what the bytes of those integers would give.

use super::Algorithm;

const P1: u64 = 0x9E37_79B1_85EB_CA87;
const P2: u64 = 0xC2B2_AE3D_27D4_EB4F;
const P3: u64 = 0x1656_67B1_9E37_79F9;
const P4: u64 = 0x85EB_CA77_C2B2_AE63;
const P5: u64 = 0x27D4_EB2F_1656_67C5;

/// The algorithm, for [`super::update`] and [`super::hash_at`].
#[derive(Clone, Copy, Debug)]
pub struct XxHash64;

impl Algorithm for XxHash64 {
    type Hash = u64;

    #[inline]
    fn int(value: i32, seed: u64) -> u64 {
        hash_int(value, seed)
    }

    #[inline]
    fn long(value: i64, seed: u64) -> u64 {
        hash_long(value, seed)
    }

    fn bytes(value: &[u8], seed: u64) -> u64 {
        hash_bytes(value, seed)
    }
}

/// Hash of 32 bits.
#[inline]
pub fn hash_int(value: i32, seed: u64) -> u64 {
    let hash = seed.wrapping_add(P5).wrapping_add(4);
    avalanche(mix_word(hash, value as u32))
}

/// Hash of 64 bits.
#[inline]
pub fn hash_long(value: i64, seed: u64) -> u64 {
    let hash = seed.wrapping_add(P5).wrapping_add(8);
    avalanche(mix_long(hash, value as u64))
}

/// Hash of any bytes.
pub fn hash_bytes(bytes: &[u8], seed: u64) -> u64 {
    let (mut hash, rest) = stripes(bytes, seed);
    hash = hash.wrapping_add(bytes.len() as u64);
    let (longs, rest) = rest.as_chunks::<8>();
    hash = longs.iter().fold(hash, |h, word| mix_long(h, u64::from_le_bytes(*word)));
    let (words, rest) = rest.as_chunks::<4>();
    hash = words.iter().fold(hash, |h, word| mix_word(h, u32::from_le_bytes(*word)));
    avalanche(rest.iter().fold(hash, |h, &byte| mix_byte(h, byte)))
}

/// Consumes whole stripes of 32 bytes in four lanes; gives the folded lanes and the rest.
fn stripes(bytes: &[u8], seed: u64) -> (u64, &[u8]) {
    let (stripes, rest) = bytes.as_chunks::<32>();
    if stripes.is_empty() {
        return (seed.wrapping_add(P5), rest);
    }
    let mut lanes = [seed.wrapping_add(P1).wrapping_add(P2), seed.wrapping_add(P2), seed, seed.wrapping_sub(P1)];
    for stripe in stripes {
        for (lane, word) in lanes.iter_mut().zip(stripe.as_chunks::<8>().0) {
            *lane = round(*lane, u64::from_le_bytes(*word));
        }
    }
    let turns = [1, 7, 12, 18];
    let folded = lanes.iter().zip(turns).fold(0_u64, |h, (lane, turn)| h.wrapping_add(lane.rotate_left(turn)));
    let merge = |h: u64, lane: &u64| (h ^ round(0, *lane)).wrapping_mul(P1).wrapping_add(P4);
    (lanes.iter().fold(folded, merge), rest)
}

#[inline]
fn round(lane: u64, word: u64) -> u64 {
    lane.wrapping_add(word.wrapping_mul(P2)).rotate_left(31).wrapping_mul(P1)
}

#[inline]
fn mix_long(hash: u64, word: u64) -> u64 {
    (hash ^ round(0, word)).rotate_left(27).wrapping_mul(P1).wrapping_add(P4)
}

#[inline]
fn mix_word(hash: u64, word: u32) -> u64 {
    (hash ^ u64::from(word).wrapping_mul(P1)).rotate_left(23).wrapping_mul(P2).wrapping_add(P3)
}

#[inline]
fn mix_byte(hash: u64, byte: u8) -> u64 {
    (hash ^ u64::from(byte).wrapping_mul(P5)).rotate_left(11).wrapping_mul(P1)
}

#[inline]
fn avalanche(mut hash: u64) -> u64 {
    hash = (hash ^ (hash >> 33)).wrapping_mul(P2);
    hash = (hash ^ (hash >> 29)).wrapping_mul(P3);
    hash ^ (hash >> 32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn published_vectors_hold() {
        assert_eq!(hash_bytes(b"", 0), 0xEF46_DB37_51D8_E999);
        assert_eq!(hash_bytes(b"a", 0), 0xD24E_C4F1_A98C_6E5B);
        assert_eq!(hash_bytes(b"abc", 0), 0x44BC_2CF5_AD77_0999);
    }

    #[test]
    fn integers_hash_as_their_bytes() {
        for x in [0_i64, 1, -1, 42, i64::MIN, 0x0123_4567_89ab_cdef] {
            assert_eq!(hash_long(x, 42), hash_bytes(&x.to_le_bytes(), 42));
            assert_eq!(hash_int(x as i32, 42), hash_bytes(&(x as i32).to_le_bytes(), 42));
        }
    }

    #[test]
    fn answers_of_spark_with_seed_42() {
        let spark = hash_bytes(b"Spark", 42);
        let array = hash_int(123, spark);
        assert_eq!(hash_int(2, array) as i64, 5_602_566_077_635_097_486);
        assert_eq!(hash_bytes(b"", 42) as i64, -7_444_071_767_201_028_348);
    }
}
