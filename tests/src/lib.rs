//! What the whole-house tests share: a naive evaluator to compare the engine with, and ways to run the engine.

pub mod level;
pub mod naive;
pub mod query;
pub mod stream;
