//! Any three files as deployment, profile and DBC: refused with reasons, or taken and driven without a surprise.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../tests/common/config_files.rs"]
mod config_files;

fuzz_target!(|data: &[u8]| {
    config_files::check(data);
});
