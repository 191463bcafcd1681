//! What the benches share: see the files in `benches/benches/`.

pub mod nexmark;
#[cfg(feature = "rivals")]
pub mod rivals;
pub mod stream;
pub mod suite;
pub mod text;
pub mod windows;
