//! The core's face: [`Input`] in, [`Effect`] out, nothing else.
//!
//! The gateway owns every decision and touches no socket, file, clock or random source. The shell calls
//! [`Gateway::handle`] with what happened and the monotonic time, then drains [`Gateway::poll_effect`] until it is
//! empty, then re-arms its timer from [`Gateway::poll_timeout`]. The same inputs give the same effects, byte for byte.

mod effect;
mod input;

pub use effect::{Effect, Publication, PublishToken, StoreRequest, StoreTicket};
pub use input::{
    BusEvent, Input, LaneInventory, LinkDown, LinkEvent, PortEvent, StoreEvent, StoreIncident, StoreInventory,
};
