//! From bits on the wire to numbers with a name.

pub mod candump;
pub mod dbc;
pub mod e2e;
pub mod encode;
pub mod frame;
pub mod health;
pub mod plan;
pub mod silence;
#[cfg(test)]
mod testkit;

pub use frame::{BusId, CanId, Frame, FrameKind};
