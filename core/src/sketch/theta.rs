//! Theta sketches: the least hashes seen, all below `theta`; theta says which part of all hashes they are. Unions,
//! intersections and differences of sketches are sketches.
//!
//! ```text
//!   serial version 4   0 preamble longs (1, or 2 with theta) · 1 version · 2 family · 3 bits a hash ·
//!                      4 bytes of the count · 5 flags · 6 seed hash · [theta] · count · differences, packed big-endian
//!   serial version 3   0 preamble longs · 1 version · 2 family · 5 flags · 6 seed hash
//!                      [count, 1.0f · [theta]] · hashes
//! ```
//! Version 3 is for what cannot be compressed: no hash, or one and no theta.

use alloc::{vec, vec::Vec};

use hashbrown::HashSet;

use super::{Item, Reader};

/// Least lg of nominal entries.
pub const LG_K_MIN: u8 = 4;
/// Most lg of nominal entries.
pub const LG_K_MAX: u8 = 26;
/// DataSketches' default lg of nominal entries.
pub const LG_K_DEFAULT: u8 = 12;

/// No hash was dropped yet.
const THETA_MAX: u64 = i64::MAX as u64;

const FAMILY: u8 = 3;
const SEED_HASH: [u8; 2] = [0xcc, 0x93];
const FLAGS: u8 = 2 | 8 | 16; // read-only, compact, ordered
const FLAG_EMPTY: u8 = 4;
const FLAG_SINGLE: u8 = 32;

/// A sketch that takes values and other sketches.
#[derive(Clone, Debug)]
pub struct Builder {
    lg_k: u8,
    theta: u64,
    hashes: HashSet<u64>,
    is_empty: bool,
}

/// A finished sketch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Theta {
    theta: u64,
    /// Ascending, all below theta.
    hashes: Vec<u64>,
    /// Nothing was ever counted; a sketch without hashes need not be empty.
    is_empty: bool,
}

impl Builder {
    /// An empty sketch that keeps `2^lg_k` hashes.
    pub fn new(lg_k: u8) -> Self {
        assert!((LG_K_MIN..=LG_K_MAX).contains(&lg_k), "lg_k {lg_k}");
        Self { lg_k, theta: THETA_MAX, hashes: HashSet::new(), is_empty: true }
    }

    /// Counts a value.
    #[inline]
    pub fn update(&mut self, item: Item<'_>) {
        if let Some((h1, _)) = item.hash() {
            self.is_empty = false;
            self.insert(h1 >> 1);
        }
    }

    /// Counts an array as one value: its elements as little-endian bytes.
    pub fn update_bytes(&mut self, bytes: &[u8]) {
        self.update(Item::Bytes(bytes));
    }

    /// Adds another sketch.
    pub fn union(&mut self, other: &Theta) {
        self.is_empty &= other.is_empty;
        self.lower_theta(other.theta);
        other.hashes.iter().for_each(|&h| self.insert(h));
    }

    /// Adds another builder.
    pub fn merge(&mut self, other: &Self) {
        self.is_empty &= other.is_empty;
        self.lower_theta(other.theta);
        other.hashes.iter().for_each(|&h| self.insert(h));
    }

    /// The sketch of what was counted.
    pub fn finish(&self) -> Theta {
        let mut hashes: Vec<u64> = self.hashes.iter().copied().collect();
        hashes.sort_unstable();
        let k = 1 << self.lg_k;
        let theta = if hashes.len() > k { hashes[k] } else { self.theta };
        hashes.truncate(k);
        Theta { theta, hashes, is_empty: self.is_empty }
    }

    /// Memory outside of the builder itself.
    pub fn heap(&self) -> usize {
        self.hashes.allocation_size()
    }

    fn insert(&mut self, hash: u64) {
        if hash != 0 && hash < self.theta && self.hashes.insert(hash) {
            // The result depends on the least hashes alone, so when to drop the others is free: at twice as many.
            if self.hashes.len() > 2 << self.lg_k {
                self.shrink();
            }
        }
    }

    fn shrink(&mut self) {
        let k = 1 << self.lg_k;
        let mut hashes: Vec<u64> = self.hashes.iter().copied().collect();
        let (_, &mut theta, _) = hashes.select_nth_unstable(k);
        self.lower_theta(theta);
    }

    fn lower_theta(&mut self, theta: u64) {
        if theta < self.theta {
            self.theta = theta;
            self.hashes.retain(|&h| h < theta);
        }
    }
}

impl Theta {
    /// The sketch of no values.
    pub fn empty() -> Self {
        Self { theta: THETA_MAX, hashes: Vec::new(), is_empty: true }
    }

    /// How many distinct values were counted.
    pub fn estimate(&self) -> f64 {
        self.hashes.len() as f64 * (THETA_MAX as f64 / self.theta as f64)
    }

    /// What both have seen.
    pub fn intersection(&self, other: &Self) -> Self {
        if self.is_empty || other.is_empty {
            return Self::empty();
        }
        self.filtered(other, true)
    }

    /// What this one has seen and the other has not.
    pub fn difference(&self, other: &Self) -> Self {
        if self.is_empty || other.is_empty {
            return self.clone();
        }
        self.filtered(other, false)
    }

    /// Memory outside of the sketch itself.
    pub fn heap(&self) -> usize {
        self.hashes.capacity() * size_of::<u64>()
    }

    /// The bytes, compressed if they can be.
    pub fn to_bytes(&self) -> Vec<u8> {
        match self.hashes[..] {
            [] if self.is_empty => vec![1, 3, FAMILY, 0, 0, FLAGS | FLAG_EMPTY, 0, 0],
            [hash] if !self.is_estimating() => {
                let mut out = vec![1, 3, FAMILY, 0, 0, FLAGS | FLAG_SINGLE, SEED_HASH[0], SEED_HASH[1]];
                out.extend(hash.to_le_bytes());
                out
            }
            [] => {
                let mut out = vec![3, 3, FAMILY, 0, 0, FLAGS, SEED_HASH[0], SEED_HASH[1], 0, 0, 0, 0];
                out.extend(1.0_f32.to_le_bytes());
                out.extend(self.theta.to_le_bytes());
                out
            }
            _ => self.to_compressed(),
        }
    }

    /// The sketch of these bytes, `None` if they are no theta sketch with the default seed.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader(bytes);
        let [longs, version, family, bits, count_bytes, flags, s0, s1] = reader.array()?;
        if family != FAMILY {
            return None;
        }
        if flags & FLAG_EMPTY != 0 {
            return Some(Self::empty());
        }
        let sketch = match version {
            3 => Self::read(&mut reader, longs)?,
            4 => Self::read_compressed(&mut reader, longs, bits, count_bytes)?,
            _ => return None,
        };
        let is_sane = sketch.hashes.is_sorted_by(|a, b| a < b)
            && sketch.hashes.iter().all(|&h| h != 0 && h < sketch.theta)
            && (1..=THETA_MAX).contains(&sketch.theta);
        ([s0, s1] == SEED_HASH && is_sane).then_some(sketch)
    }

    fn filtered(&self, other: &Self, keep_common: bool) -> Self {
        let theta = self.theta.min(other.theta);
        let is_kept = |h: &u64| *h < theta && other.hashes.binary_search(h).is_ok() == keep_common;
        let hashes: Vec<u64> = self.hashes.iter().copied().filter(is_kept).collect();
        let is_empty = hashes.is_empty() && theta == THETA_MAX;
        Self { theta, hashes, is_empty }
    }

    fn is_estimating(&self) -> bool {
        self.theta < THETA_MAX
    }

    /// Differences between neighbours, the first from zero.
    fn differences(&self) -> impl Iterator<Item = u64> + '_ {
        let before = core::iter::once(0).chain(self.hashes.iter().copied());
        self.hashes.iter().zip(before).map(|(h, b)| h - b)
    }

    fn to_compressed(&self) -> Vec<u8> {
        let bits = 64 - self.differences().fold(0, |all, d| all | d).leading_zeros();
        let count = self.hashes.len() as u32;
        let count_bytes = (32 - count.leading_zeros()).div_ceil(8) as u8;
        let longs = if self.is_estimating() { 2 } else { 1 };
        let mut out = vec![longs, 4, FAMILY, bits as u8, count_bytes, FLAGS, SEED_HASH[0], SEED_HASH[1]];
        if self.is_estimating() {
            out.extend(self.theta.to_le_bytes());
        }
        out.extend_from_slice(&count.to_le_bytes()[..count_bytes.into()]);
        let mut packer = Packer { out, free: 0 };
        self.differences().for_each(|d| packer.pack(d, bits));
        packer.out
    }

    fn read(reader: &mut Reader<'_>, longs: u8) -> Option<Self> {
        let (mut count, mut theta) = (1, THETA_MAX);
        if longs >= 2 {
            (count, _) = (reader.u32()? as usize, reader.u32()?);
        }
        if longs >= 3 {
            theta = reader.u64()?;
        }
        let bytes = reader.bytes(count.checked_mul(8)?)?;
        let mut hashes: Vec<u64> = bytes.as_chunks::<8>().0.iter().map(|h| u64::from_le_bytes(*h)).collect();
        hashes.sort_unstable();
        (1..=3).contains(&longs).then_some(Self { theta, hashes, is_empty: false })
    }

    fn read_compressed(reader: &mut Reader<'_>, longs: u8, bits: u8, count_bytes: u8) -> Option<Self> {
        let theta = match longs {
            1 => THETA_MAX,
            2 => reader.u64()?,
            _ => return None,
        };
        let mut count = [0; 8];
        count.get_mut(..count_bytes.into())?.copy_from_slice(reader.bytes(count_bytes.into())?);
        let count = usize::try_from(u64::from_le_bytes(count)).ok()?;
        let bits = u32::from(bits);
        if !(1..=63).contains(&bits) || count.checked_mul(bits as usize)?.div_ceil(8) > reader.0.len() {
            return None;
        }
        let mut unpacker = Unpacker { bytes: reader.0, at: 0 };
        let mut hash = 0_u64;
        let next = |_| {
            hash = hash.checked_add(unpacker.unpack(bits))?;
            Some(hash)
        };
        let hashes = (0..count).map(next).collect::<Option<_>>()?;
        Some(Self { theta, hashes, is_empty: false })
    }
}

/// Appends numbers bit after bit, the most significant first.
struct Packer {
    out: Vec<u8>,
    /// Bits still free in the last byte.
    free: u32,
}

impl Packer {
    fn pack(&mut self, value: u64, bits: u32) {
        let mut left = bits;
        while left > 0 {
            if self.free == 0 {
                self.out.push(0);
                self.free = 8;
            }
            let taken = left.min(self.free);
            let chunk = (value >> (left - taken)) as u8 & (0xff >> (8 - taken));
            let last = self.out.len() - 1;
            self.out[last] |= chunk << (self.free - taken);
            self.free -= taken;
            left -= taken;
        }
    }
}

/// Reads what [`Packer`] wrote.
struct Unpacker<'a> {
    bytes: &'a [u8],
    /// Position in bits.
    at: usize,
}

impl Unpacker<'_> {
    fn unpack(&mut self, bits: u32) -> u64 {
        let mut value = 0;
        let mut left = bits;
        while left > 0 {
            let free = 8 - (self.at % 8) as u32;
            let taken = left.min(free);
            let chunk = (self.bytes[self.at / 8] >> (free - taken)) & (0xff >> (8 - taken));
            value = (value << taken) | u64::from(chunk);
            self.at += taken as usize;
            left -= taken;
        }
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sketch::testing::unhex;

    fn range(from: i64, to: i64, lg_k: u8) -> Theta {
        let mut builder = Builder::new(lg_k);
        (from..to).for_each(|i| builder.update(Item::Long(i)));
        builder.finish()
    }

    fn of(items: &[Item<'_>]) -> Theta {
        let mut builder = Builder::new(LG_K_DEFAULT);
        items.iter().for_each(|&item| builder.update(item));
        builder.finish()
    }

    /// Bytes that Spark 4.3 gave.
    #[test]
    fn bytes_are_those_of_spark() {
        let ints = |v: &[i32]| v.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<_>>();
        let cases = [
            (range(0, 0, 12), "01030300001E0000"),
            (range(0, 1, 12), "01030300003ACC93E56B61EEC8804420"),
            (
                range(0, 20, 4),
                "0204033D011ACC93BA40B3C1DA06695D100C79209C4BC9C7D90498AA908130068538AA182B61CA560198CEEB08AAD29432982140B3C5CA903FE\
                 12D7D486EFD329AA089346ED6003C0A3656E5EE5606BC64C92AF86B0033E0EBAD8171B080E3DD4D6AF69CB21791D29675416DCC33DA8B48C9A6\
                 9E93D25F2563A76840A83FD23D8F5ECF437D318246F173D6",
            ),
            (
                of(&[Item::Double(1.5), Item::Double(-0.0), Item::Double(0.0), Item::Double(f64::NAN)]),
                "0104033D011ACC930354422226B2F4C7A93C47D257EDAA0721963A75709855A8",
            ),
            (of(&[Item::Bytes(b""), Item::Bytes(b"a")]), "01030300003ACC9317C11D528507017B"),
            (of(&[Item::Bytes(&[1])]), "01030300003ACC93649F00331E40E803"),
            (of(&[Item::Bytes(&ints(&[1, 2]))]), "01030300003ACC93F9E7651C9BE3D926"),
        ];
        for (sketch, hex) in cases {
            assert_eq!(sketch.to_bytes(), unhex(hex));
            assert_eq!(Theta::from_bytes(&unhex(hex)).unwrap(), sketch);
        }
    }

    #[test]
    fn estimates_are_those_of_spark() {
        for (n, lg_k, expected) in [(20, 4, 22), (100, 5, 130), (3000, 12, 3000), (100_000, 12, 98_046)] {
            assert_eq!(libm::round(range(0, n, lg_k).estimate()), f64::from(expected), "range({n}), lg_k {lg_k}");
        }
    }

    #[test]
    fn set_operations_are_those_of_spark() {
        let union = |a: &Theta, b: &Theta, lg_k| {
            let mut builder = Builder::new(lg_k);
            builder.union(a);
            builder.union(b);
            builder.finish()
        };
        let (a, b) = (range(0, 5, 4), range(3, 8, 4));
        let cases = [
            (
                union(&a, &b, 12),
                "0104033E011ACC930816861AF72DF7E45429C550C15B0E52B21FAF4C4C7C8E2F840FF84B5F521BBF27437CEA822594181A71047DB64D422F49218474D475355F5A7CBF28D8B426",
            ),
            (a.intersection(&b), "0104033F011ACC9302107BB793C25DBC8154ACAC43821189E8"),
            (a.difference(&b), "0104033D011ACC93032D0C35EE5BEFC8AE3EFA70D1DFA7AB834E208FB6C9A844"),
        ];
        for (sketch, hex) in cases {
            assert_eq!(sketch.to_bytes(), unhex(hex));
        }
        let (a, b) = (range(0, 100, 4), range(30, 130, 5));
        let estimate = |sketch: Theta| libm::round(sketch.estimate());
        assert_eq!(estimate(union(&a, &b, 12)), 152.0);
        assert_eq!(estimate(union(&a, &b, 4)), 168.0);
        assert_eq!((estimate(a.intersection(&b)), estimate(a.difference(&b))), (93.0, 42.0));
    }

    #[test]
    fn corrupt_bytes_are_no_sketch() {
        for sketch in [range(0, 1, 4), range(0, 9, 4), range(0, 100, 4)] {
            let bytes = sketch.to_bytes();
            for i in 0..bytes.len() {
                assert_eq!(Theta::from_bytes(&bytes[..i]), None, "cut at {i}");
                let mut bent = bytes.clone();
                bent[i] ^= 0xff;
                if let Some(sketch) = Theta::from_bytes(&bent) {
                    let _ = (sketch.estimate(), sketch.to_bytes());
                }
            }
        }
    }
}
