//! A generation of a checkpoint that nobody saved: refused or, with checks that fit, loaded into queries of every
//! stateful operator, which then go on. No panic, no memory beyond what the bytes can account for.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| firesteel_fuzz::checkpoint::run(bytes));
