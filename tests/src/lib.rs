//! What the whole-house tests share: see the files in `tests/tests/`.
