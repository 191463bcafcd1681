//! Any text as a job: what cannot be read or planned is refused with a place in the text, what can is run over a few
//! rows. No panic, no end of the stack, no query that does not end.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| firesteel_fuzz::sql::run(bytes));
