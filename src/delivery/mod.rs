//! The promise: what happened arrives, in order, once it can.

pub mod cloudevent;
pub mod codec;
pub mod draft;
pub mod link;
pub mod outbox;
pub mod presence;
pub mod record;
pub mod topics;

pub use cloudevent::{Encoder, Privacy};
pub use draft::{Draft, PushError};
pub use link::Link;
pub use outbox::{Limits, Outbox, OutboxStat};
pub use record::{BootId, Lane, Record, RecordId, StoreKey};
pub use topics::{Topics, VehicleId};
