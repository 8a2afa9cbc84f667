#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| libtsc_fuzz::requests::run(data));
