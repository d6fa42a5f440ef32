//! The uplink against a real broker: what `io::mqtt` promises, with mosquitto, broken links and broken brokers.
//!
//! `cfg(test)`, which always holds here, tells clippy that helpers may panic as tests may.

#[cfg(test)]
#[path = "../support/chaos_proxy.rs"]
mod chaos_proxy;
#[cfg(test)]
mod client;
#[cfg(test)]
mod fake_broker;
#[cfg(test)]
mod faults;
#[cfg(test)]
#[path = "../support/mosquitto.rs"]
mod mosquitto;
#[cfg(test)]
mod outbox;
#[cfg(test)]
#[path = "../support/seeded.rs"]
mod seeded;
#[cfg(test)]
mod session;
#[cfg(test)]
mod subscriber;
#[cfg(test)]
mod tls;
