//! Hashes and digests: md5, sha1, sha2, crc32, hash, xxhash64.

use alloc::{string::String, vec::Vec};
use core::fmt::Write;

use md5::{Digest, Md5};
use sha1::Sha1;
use sha2::{Sha224, Sha256, Sha384, Sha512};

use super::{Call, Function, define::fill};
use crate::{
    error::Result,
    expr::{BoundExpr, apply1},
    hash::{self, Algorithm, murmur3::Murmur3, xxhash64::XxHash64},
    schema::DataType,
};

pub(super) const FUNCTIONS: &[Function] = &[
    Function { names: &["md5"], bind: |call| digest(call, push_digest::<Md5>) },
    Function { names: &["sha1", "sha"], bind: |call| digest(call, push_digest::<Sha1>) },
    Function { names: &["sha2"], bind: sha2 },
    Function { names: &["crc32"], bind: crc32 },
    Function { names: &["hash"], bind: |call| hash_of::<Murmur3>(call, DataType::Int32, |h, out| out.push(h as i32)) },
    Function {
        names: &["xxhash64"],
        bind: |call| hash_of::<XxHash64>(call, DataType::Int64, |h, out| out.push(h as i64)),
    },
];

/// A digest of the bytes in lower case hexadecimal digits.
fn digest(mut call: Call<'_>, push: fn(&[u8], &mut String)) -> Result<BoundExpr> {
    call.arity(1..=1)?;
    bytes_or_text(&mut call)?;
    call.run(DataType::String, move |_, args, rows, out| {
        fill(args, rows, out, |(bytes,): (&[u8],), text: &mut String| {
            push(bytes, text);
            Ok(())
        })
    })
}

/// The bytes of a text are what its binary would be.
fn bytes_or_text(call: &mut Call<'_>) -> Result<()> {
    if *call.type_of(0) == DataType::Binary { Ok(()) } else { call.uncast(0, &DataType::String) }
}

fn push_digest<D: Digest>(bytes: &[u8], text: &mut String) {
    for byte in D::digest(bytes) {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
}

/// `sha2(bytes, bits)`; 0 bits are 256, an unknown length gives NULL.
fn sha2(mut call: Call<'_>) -> Result<BoundExpr> {
    call.arity(2..=2)?;
    bytes_or_text(&mut call)?;
    call.coerce(1, &DataType::Int32)?;
    call.run_nullable(DataType::String, |_, args, rows, out| {
        fill(args, rows, out, |(bytes, bits): (&[u8], i32), text: &mut String| {
            match bits {
                0 | 256 => push_digest::<Sha256>(bytes, text),
                224 => push_digest::<Sha224>(bytes, text),
                384 => push_digest::<Sha384>(bytes, text),
                512 => push_digest::<Sha512>(bytes, text),
                _ => return Ok(None),
            }
            Ok(Some(()))
        })
    })
}

fn crc32(mut call: Call<'_>) -> Result<BoundExpr> {
    call.arity(1..=1)?;
    bytes_or_text(&mut call)?;
    call.run(DataType::Int64, |_, args, rows, out| {
        apply1(args, rows, out, |bytes: &[u8]| Ok(i64::from(crc32fast::hash(bytes))))
    })
}

/// The hash of a row of any columns, each seeded with the hash of those before it. Never NULL.
fn hash_of<A: Algorithm>(
    call: Call<'_>,
    data_type: DataType,
    push: fn(A::Hash, &mut crate::block::Column),
) -> Result<BoundExpr>
where
    A::Hash: From<u32> + 'static,
{
    call.arity(1..=usize::MAX)?;
    call.never_null(data_type, move |_, args, rows, out| {
        let mut hashes: Vec<A::Hash> = alloc::vec![hash::SEED.into(); rows.len()];
        args.iter().for_each(|column| hash::update::<A>(column, rows, &mut hashes));
        hashes.into_iter().for_each(|hash| push(hash, out));
        Ok(())
    })
}
