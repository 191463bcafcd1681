//! Hashes and digests: md5, sha2, crc32, xxhash64, hash.

use super::Function;

pub(super) const FUNCTIONS: &[Function] = &[];
