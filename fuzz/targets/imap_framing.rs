#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| gatepost_fuzz::imap_framing::check(input));
