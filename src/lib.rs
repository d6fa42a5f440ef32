//! Telltale: a vehicle-side gateway.

pub mod can;
pub mod cli;
pub mod config;
pub mod crash;
pub mod delivery;
pub mod gateway;
pub mod gnss;
pub mod io;
pub mod metrics;
pub mod rng;
pub mod runtime;
pub mod services;
pub mod signals;
#[cfg(feature = "demo")]
pub mod sim;
pub mod time;
