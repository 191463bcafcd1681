//! The engine of Firesteel: Spark SQL over columnar blocks, windows and watermarks as Spark Structured Streaming
//! has them. It knows neither files nor clocks nor threads; `firesteel-io` brings those.
//!
//! Rooms, each using only those before it: `error` `limits` `digits` `time` · `schema` · `block` · `codec` · `hash`
//! `sketch` · `simd` · `ring` · `expr` · `window` `watermark` · `agg` `state` · `plan` · `sql` · `exec`.
#![cfg_attr(not(feature = "std"), no_std)]

extern crate alloc;

pub mod agg;
pub mod block;
mod codec;
pub mod digits;
pub mod error;
pub mod exec;
pub mod expr;
pub mod hash;
pub mod limits;
pub mod plan;
pub mod ring;
pub mod schema;
pub mod simd;
pub mod sketch;
#[cfg(feature = "sql")]
pub mod sql;
pub mod state;
pub mod time;
pub mod watermark;
pub mod window;

pub use error::{Error, Result};
