//! The daemon as a whole: the real binary, a real broker, real signals, and CAN where the bench has it.
//!
//! The long form of the kills, with a printed report: `hil/scenarios/daemon_kill9`.
#![expect(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "../support/bench.rs"]
mod bench;
mod can;
mod car;
mod daemon;
mod kill;
#[expect(dead_code, reason = "the daemon's own TLS is tested with the client, in tests/broker")]
#[path = "../support/mosquitto.rs"]
mod mosquitto;
mod subscriber;
mod surroundings;
