//! A simulated plug-in hybrid, after the profile `demo-phev`: what drives the demo, the tests and the rig.
//!
//! Deterministic from a seed and free of any clock: the car lives in virtual time, and whoever drives it paces it. It
//! is plausible rather than exact: forces, energy and heat add up, sensors are noisy and clip, messages come with
//! their real periods and some jitter, and the buses fall asleep when the car is parked. Trigonometry comes from the
//! platform's libm, so the same bytes are promised for the same build, not across platforms.
//!
//! [`Car`] is an iterator over what can be seen and heard of the car, in time order. [`Car::truth`] says what is
//! really so, [`Car::fail`] breaks something, [`record`] writes a run as the logs that `telltaled replay` reads.

mod battery;
mod body;
mod car;
mod chassis;
mod collision;
pub mod crash;
mod driver;
mod ecu;
pub mod evaluation;
mod gnss_track;
mod powertrain;
mod record;
mod road;
mod scenario;
mod sheet;
mod transmitter;
mod truth;
mod world;

pub use battery::ChargeState;
pub use body::{Ignition, LAMPS, Lamp};
pub use car::{BUSES, Begin, Car, Emission, Fault, What};
pub use record::{Recording, record};
pub use scenario::Scenario;
pub use transmitter::SendError;
pub use truth::{Energy, Impact, Truth};

#[cfg(test)]
mod tests;
