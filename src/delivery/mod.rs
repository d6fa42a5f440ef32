//! The promise: what happened arrives, in order, once it can.

pub mod record;

pub use record::{BootId, Lane, Record, RecordId, StoreKey};
