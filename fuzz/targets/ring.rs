//! A lane that anybody may have written: as a file, and as memory that changes between any two steps of its reader.
//! No panic, no byte outside the lane, no call that does not end; rows that were copied stay as they were.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| firesteel_fuzz::ring::run(bytes));
