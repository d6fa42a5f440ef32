//! The promise: what happened arrives, in order, once it can.
//!
//! A service makes a [`Draft`]. The [`Outbox`] checks it, gives it its number, keeps it in RAM and store, and hands it
//! out when its turn has come. The [`Encoder`] makes a CloudEvent of it, and is where privacy mode is enforced. The
//! [`Link`] decides when there is a session to send it on. Read [`outbox`] first.

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
