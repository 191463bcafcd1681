//! The store against damage, against the real file system, and against a file system that loses power.

mod damage;
mod real;
mod simulation;

use std::{io::ErrorKind, path::Path};

use serde_json::json;

use super::{Checkpoint, Header, SourceHeader, failed};

#[test]
fn errors_of_the_file_system_say_what_to_try() {
    let hints = [
        (ErrorKind::PermissionDenied, "owner"),
        (ErrorKind::ReadOnlyFilesystem, "can be written"),
        (ErrorKind::StorageFull, "space"),
        (ErrorKind::QuotaExceeded, "space"),
        (ErrorKind::NotFound, "removed"),
    ];
    for (kind, word) in hints {
        let error = failed("cannot write", Path::new("a.ckpt"), &kind.into());
        assert!(error.message().starts_with("cannot write a.ckpt: "), "{error}");
        assert!(error.hint_text().is_some_and(|hint| hint.contains(word)), "{error}");
    }
}

/// A checkpoint that no other number gives; `state_bytes` long.
fn checkpoint(number: u64, state_bytes: usize) -> Checkpoint {
    let source = SourceHeader { description: "MemoryStream[readings]".into(), position: json!({ "offset": number }) };
    let header = Header {
        query_id: "a7c0".into(),
        next_epoch: number,
        mode: "update".into(),
        operators: vec!["aggregate by sensor".into()],
        sources: vec![source],
        sink: json!(null),
    };
    let state = (0..state_bytes).map(|i| (number as usize * 31 + i * 7) as u8).collect();
    Checkpoint { header, state }
}
