//! From bits on the wire to numbers with a name.

pub mod dbc;
pub mod frame;
pub mod plan;

pub use frame::{BusId, CanId, Frame, FrameKind};
