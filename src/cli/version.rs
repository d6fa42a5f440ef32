//! `telltaled version`: what this build is, as one JSON line.

use serde_json::json;

use super::exit::Failure;
use super::output;

/// Prints version, target and features.
pub(super) fn version() -> Result<(), Failure> {
    let line = json!({
        "name": "telltaled",
        "version": env!("CARGO_PKG_VERSION"),
        "arch": std::env::consts::ARCH,
        "os": std::env::consts::OS,
        "demo": cfg!(feature = "demo"),
        "profile_schema": 1,
        "vss": "6.0",
    });
    output::line(&line)
}
