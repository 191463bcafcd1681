//! Any log under any regular expression: every line is one row, and patterns answer the same in blocks of any size.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| firesteel_fuzz::rows::text(bytes));
