//! The file of a black box, whole, cut or damaged.

#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../tests/common/blackbox_fuzz.rs"]
mod blackbox_fuzz;

fuzz_target!(|data: &[u8]| {
    blackbox_fuzz::check(data);
});
