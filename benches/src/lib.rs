//! What the benches share: see the files in `benches/benches/`.

pub mod text;
pub mod windows;
