//! Sentences: the lines of the input, each given a right checksum, so that the fuzzer gets past it.

#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../tests/common/gnss_stream.rs"]
#[expect(dead_code, reason = "the other target uses the rest")]
mod gnss_stream;

fuzz_target!(|data: &[u8]| gnss_stream::check(&gnss_stream::with_nmea_checksums(data)));
