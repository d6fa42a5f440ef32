//! The daemon as a whole: the real binary, a real broker, real signals, and CAN where the bench has it.
//!
//! The long forms, with printed reports: `hil/scenarios/daemon_kill9`, `daemon_powercut` and `broker_chaos`.
#![expect(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "../support/bench.rs"]
mod bench;
mod can;
mod car;
mod chaos;
#[path = "../support/chaos_proxy.rs"]
mod chaos_proxy;
mod daemon;
mod kill;
mod lamps;
#[path = "../support/mosquitto.rs"]
mod mosquitto;
mod power;
mod subscriber;
mod surroundings;
#[path = "../support/weather.rs"]
mod weather;

/// A number in the environment.
fn number(variable: &str) -> Option<u32> {
    std::env::var(variable).ok()?.parse().ok()
}

/// Prints again those lines of the output of the bench that begin so.
fn print_report(output: Option<&str>, name: &str) {
    let lines = output.iter().flat_map(|output| output.lines());
    lines.filter(|line| line.starts_with(name)).for_each(|line| println!("{line}"));
}
