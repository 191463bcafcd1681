//! The bytes of one generation. Little-endian, without gaps:
//!
//! ```text
//!     0..8        magic          "FIRECKPT"
//!     8..12       version        1
//!    12..16       head check     CRC-32 of bytes 0..12
//!    16..24       generation     the number that is in the name, too
//!    24..32       header length  h
//!    32..40       state length   s
//!    40..40+h     header         JSON
//!      ..+s       state          bytes of the operators
//!      ..+4       CRC-32         of everything before it
//!      ..+8       XXH64          of everything before the CRC-32: seed 0 for bytes 0..40, whose hash is the seed for
//!                                the header, whose hash is the seed for the state
//! ```
//! The first 16 bytes stay as they are in all versions: they tell a file of a later version from a damaged one.
//!
//! Two checks, since they are good at different things. The CRC finds every change that lies within 32 bits, so every
//! flipped bit, for certain. What tears, shifts or mixes sectors of two files looks random to it, and one such file in
//! four billion would pass; XXH64 makes that one in 2⁶⁴ even without the CRC. Both take one pass over bytes that
//! are about to be written and synced, which takes longer.

use std::fmt;

use firesteel_core::hash::xxhash64::hash_bytes;

use super::{Checkpoint, Header};

/// Bytes before the header.
pub(super) const HEAD_BYTES: usize = 40;
/// Bytes after the state.
pub(super) const TAIL_BYTES: usize = 12;
const MAGIC: [u8; 8] = *b"FIRECKPT";
const VERSION: u32 = 1;

/// A generation's bytes, in pieces: the state is too large to be copied.
#[derive(Debug)]
pub(super) struct Encoded<'a> {
    head: [u8; HEAD_BYTES],
    header: Vec<u8>,
    state: &'a [u8],
    tail: [u8; TAIL_BYTES],
}

impl<'a> Encoded<'a> {
    pub(super) fn new(generation: u64, checkpoint: &'a Checkpoint) -> serde_json::Result<Self> {
        let header = serde_json::to_vec(&checkpoint.header)?;
        let state = checkpoint.state.as_slice();
        let head = encode_head(generation, header.len() as u64, state.len() as u64);
        let tail = checks(&head, &header, state);
        Ok(Self { head, header, state, tail })
    }

    pub(super) fn parts(&self) -> [&[u8]; 4] {
        [&self.head, &self.header, self.state, &self.tail]
    }

    pub(super) fn size(&self) -> u64 {
        self.parts().iter().map(|part| part.len() as u64).sum()
    }
}

/// What the first bytes of a good file say; the lengths are those of the file.
#[derive(Clone, Copy, Debug)]
pub(super) struct Head {
    generation: u64,
    header_bytes: usize,
}

impl Head {
    /// Checks the first bytes of a file of `file_bytes`, so that nothing is read in vain.
    pub(super) fn decode(bytes: &[u8], file_bytes: u64) -> Result<Self, Flaw> {
        if file_bytes == 0 {
            return Err(Flaw::Empty);
        }
        if !bytes.starts_with(&MAGIC) {
            let is_cut = MAGIC.starts_with(bytes);
            return Err(if is_cut { Flaw::Cut { bytes: file_bytes, of: None } } else { Flaw::Foreign });
        }
        let Some(head) = bytes.first_chunk::<HEAD_BYTES>() else {
            return Err(newer(bytes).unwrap_or(Flaw::Cut { bytes: file_bytes, of: None }));
        };
        if let Some(flaw) = newer(head) {
            return Err(flaw);
        }
        if word(head, 12) != crc32fast::hash(&head[..12]) || word(head, 8) != VERSION {
            return Err(Flaw::Damaged);
        }
        Self::lengths(head, file_bytes)
    }

    fn lengths(head: &[u8; HEAD_BYTES], file_bytes: u64) -> Result<Self, Flaw> {
        let (header_bytes, state_bytes) = (long(head, 24), long(head, 32));
        let fixed = (HEAD_BYTES + TAIL_BYTES) as u64;
        let expected = header_bytes.checked_add(state_bytes).and_then(|bytes| bytes.checked_add(fixed));
        match expected {
            Some(expected) if expected == file_bytes => {
                let header_bytes = usize::try_from(header_bytes).map_err(|_| Flaw::Damaged)?;
                Ok(Self { generation: long(head, 16), header_bytes })
            }
            Some(expected) if expected > file_bytes => Err(Flaw::Cut { bytes: file_bytes, of: Some(expected) }),
            Some(expected) => Err(Flaw::Long { bytes: file_bytes, of: expected }),
            None => Err(Flaw::Damaged),
        }
    }

    /// Checks the whole file, and gives its checkpoint. `generation` is the number in its name.
    pub(super) fn checkpoint(self, mut bytes: Vec<u8>, generation: u64) -> Result<Checkpoint, Flaw> {
        // The file may have changed since its head was read.
        let flaw = Err(Flaw::Damaged);
        let Some((rest, tail)) = bytes.split_last_chunk::<TAIL_BYTES>() else { return flaw };
        let Some((head, rest)) = rest.split_first_chunk::<HEAD_BYTES>() else { return flaw };
        let Some((header, state)) = rest.split_at_checked(self.header_bytes) else { return flaw };
        if checks(head, header, state) != *tail {
            return flaw;
        }
        if self.generation != generation {
            return Err(Flaw::Misnamed { generation: self.generation });
        }
        let header: Header = serde_json::from_slice(header).map_err(|error| Flaw::Header(error.to_string()))?;
        bytes.truncate(bytes.len() - TAIL_BYTES);
        bytes.drain(..HEAD_BYTES + self.header_bytes);
        Ok(Checkpoint { header, state: bytes })
    }
}

/// Why a file is no good.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Flaw {
    Empty,
    Cut { bytes: u64, of: Option<u64> },
    Long { bytes: u64, of: u64 },
    Foreign,
    Newer { version: u32 },
    Damaged,
    Misnamed { generation: u64 },
    Header(String),
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("it is empty"),
            Self::Cut { bytes, of: Some(of) } => write!(f, "it was cut: {bytes} of {of} bytes are there"),
            Self::Cut { bytes, of: None } => write!(f, "it was cut: only {bytes} bytes are there"),
            Self::Long { bytes, of } => write!(f, "it is damaged: it has {bytes} bytes and should have {of}"),
            Self::Foreign => f.write_str("it is not a checkpoint of Firesteel"),
            Self::Newer { version } => {
                write!(f, "it was written by a newer version of Firesteel (format {version}; this one reads {VERSION})")
            }
            Self::Damaged => f.write_str("it is damaged: its contents do not match its checksum"),
            Self::Misnamed { generation } => write!(f, "it was renamed: it holds generation {generation}"),
            Self::Header(error) => write!(f, "its header cannot be understood: {error}"),
        }
    }
}

fn newer(bytes: &[u8]) -> Option<Flaw> {
    let head = bytes.first_chunk::<16>()?;
    let version = word(head, 8);
    (version > VERSION && word(head, 12) == crc32fast::hash(&head[..12])).then_some(Flaw::Newer { version })
}

fn encode_head(generation: u64, header_bytes: u64, state_bytes: u64) -> [u8; HEAD_BYTES] {
    let mut head = [0; HEAD_BYTES];
    head[..8].copy_from_slice(&MAGIC);
    head[8..12].copy_from_slice(&VERSION.to_le_bytes());
    let check = crc32fast::hash(&head[..12]);
    head[12..16].copy_from_slice(&check.to_le_bytes());
    head[16..24].copy_from_slice(&generation.to_le_bytes());
    head[24..32].copy_from_slice(&header_bytes.to_le_bytes());
    head[32..].copy_from_slice(&state_bytes.to_le_bytes());
    head
}

fn checks(head: &[u8], header: &[u8], state: &[u8]) -> [u8; TAIL_BYTES] {
    let mut crc = crc32fast::Hasher::new();
    [head, header, state].into_iter().for_each(|part| crc.update(part));
    let hash = [head, header, state].into_iter().fold(0, |seed, part| hash_bytes(part, seed));
    let mut tail = [0; TAIL_BYTES];
    tail[..4].copy_from_slice(&crc.finalize().to_le_bytes());
    tail[4..].copy_from_slice(&hash.to_le_bytes());
    tail
}

fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(array(bytes, at))
}

fn long(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(array(bytes, at))
}

/// The bytes from `at`; the places of fields are constants within the head.
fn array<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let mut array = [0; N];
    array.copy_from_slice(&bytes[at..at + N]);
    array
}
