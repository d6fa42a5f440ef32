//! From bits on the wire to numbers with a name.

pub mod frame;

pub use frame::{BusId, CanId, Frame, FrameKind};
