//! Sketches of Apache DataSketches in the bytes of its Java library 6.2, which Spark ships: what an edge node
//! counts here, Spark merges there. Pure data structures; `agg` updates them, `expr` asks them.
//!
//! | sketch | answers | bytes |
//! |---|---|---|
//! | [`hll`] | how many distinct values | HLL_8, updatable |
//! | [`theta`] | the same, with union, intersection and difference | compact, compressed, serial version 4 |
//! | [`kll`] | quantiles and ranks | compact, serial versions 1 and 2 |
//!
//! Bytes are somebody else's: reading them gives `None` if they are not a sketch of the kind, never a panic, and
//! allocates no more than a small multiple of their length.

pub mod hll;
mod hll_tables;
pub mod kll;
mod murmur;
pub mod theta;

/// The seed that DataSketches hashes with unless told otherwise.
const SEED: u64 = 9001;

/// A value as the sketches hash it: an integer as the eight bytes of a long, a double by its bits with one zero and
/// one NaN, text and binary as they are.
#[derive(Clone, Copy, Debug)]
pub enum Item<'a> {
    /// Integers.
    Long(i64),
    /// Floating-point numbers.
    Double(f64),
    /// Strings and binaries; empty ones are not counted.
    Bytes(&'a [u8]),
}

impl Item<'_> {
    /// The 128 bits of Murmur3, `None` for an empty value.
    fn hash(self) -> Option<(u64, u64)> {
        match self {
            Self::Long(x) => Some(murmur::hash(&x.to_le_bytes(), SEED)),
            Self::Double(x) => Some(murmur::hash(&crate::hash::double_bits(x).to_le_bytes(), SEED)),
            Self::Bytes([]) => None,
            Self::Bytes(bytes) => Some(murmur::hash(bytes, SEED)),
        }
    }
}

/// Reads little-endian numbers from the front of somebody else's bytes.
#[derive(Debug)]
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*head)
    }

    fn bytes(&mut self, len: usize) -> Option<&'a [u8]> {
        let (head, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(head)
    }

    fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_le_bytes)
    }

    fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    fn f64(&mut self) -> Option<f64> {
        self.array().map(f64::from_le_bytes)
    }
}

#[cfg(test)]
mod testing {
    use alloc::vec::Vec;

    /// Bytes of a hexadecimal string.
    pub fn unhex(text: &str) -> Vec<u8> {
        let digit = |i: usize| u8::from_str_radix(&text[i..i + 2], 16).unwrap();
        (0..text.len()).step_by(2).map(digit).collect()
    }
}
