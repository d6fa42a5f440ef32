//! Minimum sets of data: the input as a message, as the content of one of either version, and as JSON.

#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../tests/common/msd_fuzz.rs"]
mod msd_fuzz;

fuzz_target!(|data: &[u8]| {
    msd_fuzz::check(data);
});
