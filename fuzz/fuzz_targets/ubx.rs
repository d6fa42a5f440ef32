//! NAV-PVT frames: the input is payloads, cut and framed by its own first bytes; and the input as it is.

#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../tests/common/gnss_stream.rs"]
#[expect(dead_code, reason = "the other target uses the rest")]
mod gnss_stream;

fuzz_target!(|data: &[u8]| {
    gnss_stream::check(data);
    gnss_stream::check(&gnss_stream::with_ubx_frames(data));
});
