//! Any bytes as CSV, under any options: the same rows in any chunks and blocks, every record a row or counted.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| firesteel_fuzz::rows::csv(bytes));
