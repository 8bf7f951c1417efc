//! The target `table` as a program of libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| morphograd_fuzz::target("table")(bytes));
