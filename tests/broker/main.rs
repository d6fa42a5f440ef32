//! The uplink against a real broker: what `io::mqtt` promises, with mosquitto, broken links and broken brokers.
//!
//! The long form of the chaos test, with a printed report:
//! `TELLTALE_CHAOS_CUTS=100 TELLTALE_CHAOS_EVENTS=20000 cargo test --release --test broker chaos -- --nocapture`
#![expect(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod chaos;
#[path = "../support/chaos_proxy.rs"]
mod chaos_proxy;
mod client;
mod fake_broker;
mod faults;
#[path = "../support/mosquitto.rs"]
mod mosquitto;
mod outbox;
mod session;
mod subscriber;
mod tls;
#[path = "../support/weather.rs"]
mod weather;
