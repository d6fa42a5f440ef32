//! Sequences of everything that can happen to the gateway, in any order.

#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../tests/common/gateway_inputs.rs"]
mod gateway_inputs;
#[path = "../../tests/common/tiny_profile.rs"]
mod tiny_profile;

fuzz_target!(|data: &[u8]| gateway_inputs::check(data));
