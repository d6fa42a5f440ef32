//! Everything that the core can ask of the outside world.

use crate::crash::black_box::BlackBoxRequest;
use crate::delivery::StoreKey;

/// One thing to do outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Write to the black box: all parts, then durable, then answered by [`crate::crash::black_box::BlackBoxEvent`].
    /// Comes before every other effect of the same input; no publication comes before the first write of a record is
    /// answered, or has not been for [`crate::crash::black_box::BEFORE_NETWORK_MAX`].
    BlackBox(BlackBoxRequest),
    /// Do something with the store; the answer carries the ticket. Requests are carried out in order.
    Store(StoreTicket, StoreRequest),
    /// Open the MQTT session (the client never connects by itself).
    Connect,
    /// Take the MQTT session down; with `goodbye`, after an MQTT DISCONNECT, so that no last will is sent.
    Disconnect {
        /// Send DISCONNECT first.
        goodbye: bool,
    },
    /// Publish with QoS 1; answered by [`super::LinkEvent::Acked`], or by the loss of the link.
    Publish(Publication),
    /// The shutdown that was asked for is complete.
    Stopped,
}

/// Names a publication in flight; used once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublishToken(pub u64);

/// A message as it goes out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Publication {
    /// Names it in the answer.
    pub token: PublishToken,
    /// The full topic.
    pub topic: String,
    /// The payload: a CloudEvent in structured JSON.
    pub payload: Vec<u8>,
    /// The broker keeps it for later subscribers.
    pub retain: bool,
}

/// Names a store request in its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StoreTicket(pub u64);

/// What the store can do. It is dumb on purpose: every policy lives in `delivery`, where it can be simulated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreRequest {
    /// Add these records, set these named values (last known signals, service state), and make both durable, all or
    /// none. An empty value removes the name.
    Commit {
        /// What is to be delivered.
        records: Vec<(StoreKey, Vec<u8>)>,
        /// What is to be known after a restart.
        values: Vec<(String, Vec<u8>)>,
    },
    /// Remove these records; those that are not there are passed over. Need not be durable at once: after a power
    /// cut a record that was removed may be back, and is then sent again under the same id.
    Remove(Vec<StoreKey>),
    /// Read at most `limit` records of the lane of `from`, from that key on.
    Load {
        /// The first key wanted.
        from: StoreKey,
        /// How many at most.
        limit: usize,
    },
}
