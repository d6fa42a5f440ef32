//! Databases of any bytes.

#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../tests/common/can_fuzz.rs"]
mod can_fuzz;

fuzz_target!(|data: &[u8]| can_fuzz::check_dbc(data));
