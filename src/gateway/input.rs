//! Everything that the outside world can tell the core.

use crate::can::{BusId, Frame};
use crate::crash::black_box::BlackBoxEvent;
use crate::delivery::{Lane, StoreKey};
use crate::services::OwnerInput;
use crate::time::WallReading;

use super::effect::{PublishToken, StoreTicket};

/// One thing that happened outside.
#[derive(Debug)]
pub enum Input<'a> {
    /// A frame was received; `now` is its kernel time stamp.
    Frame(BusId, &'a Frame),
    /// Something happened to a bus or to the way to it.
    Bus(BusId, BusEvent),
    /// Bytes from the GNSS receiver, cut anywhere.
    Gnss(&'a [u8]),
    /// The way to the GNSS receiver changed.
    GnssPort(PortEvent),
    /// A look at the machine's clock: once a second, and at once when it was set.
    Clock(WallReading),
    /// The MQTT session.
    Link(LinkEvent),
    /// The store answered.
    Store(StoreEvent),
    /// The file of the black box answered. Its first answer comes before that of the store, so that what an earlier run
    /// has not told is known when the outbox takes the store over.
    BlackBox(BlackBoxEvent),
    /// The owner, or another who was asked, says something.
    Owner(OwnerInput),
    /// A route or an address of the machine changed: coverage may be back, so a waiting link tries at once.
    NetworkChanged,
    /// The time that [`super::Gateway::poll_timeout`] asked for has come.
    Timeout,
    /// The daemon is to stop: flush, say goodbye, then [`super::Effect::Stopped`].
    Shutdown,
}

/// The way to a CAN interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BusEvent {
    /// The interface is there, up, and being read.
    Up,
    /// The interface is there but down (`ENETDOWN`).
    Down,
    /// There is no such interface (`ENODEV`).
    Missing,
    /// The kernel dropped this many more frames because the receive queue was full (the counter of `SO_RXQ_OVFL`).
    Dropped(u32),
}

/// The way to the GNSS receiver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PortEvent {
    /// Opened.
    Up,
    /// Unplugged, or cannot be opened; the text says why.
    Down(String),
}

/// What the MQTT client saw.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LinkEvent {
    /// CONNACK with code 0.
    Up {
        /// The broker still has our session.
        session_present: bool,
    },
    /// The connection ended, or could not be made. Everything in flight is forgotten by the client.
    Down(LinkDown),
    /// PUBACK for that publication.
    Acked(PublishToken),
    /// The client has no room for that publication now: it was not taken.
    Refused(PublishToken),
}

/// Why there is no link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LinkDown {
    /// Name resolution, TCP, TLS transport or the broker ended it: try again soon.
    Transport(String),
    /// The broker refuses us (CONNACK 2, 4, 5), or a certificate is not accepted: a person is needed, try rarely.
    Credentials(String),
    /// It was taken down on the core's own demand.
    Requested,
}

/// What the store did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreEvent {
    /// Opened, possibly after an incident.
    Opened(StoreInventory),
    /// It cannot be opened: the run goes on without it.
    Unavailable(String),
    /// That request is durable.
    Done(StoreTicket),
    /// That request was not carried out; the text says why (disk full, read-only, I/O error).
    Failed(StoreTicket, String),
    /// The answer to [`super::StoreRequest::Load`]: records in key order, at most as many as asked for.
    Loaded(StoreTicket, Vec<(StoreKey, Vec<u8>)>),
}

/// What was found at opening.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StoreInventory {
    /// One entry for each lane that holds records.
    pub lanes: Vec<LaneInventory>,
    /// The named values, in order of their names.
    pub values: Vec<(String, Vec<u8>)>,
    /// What had to be done to open it.
    pub incident: Option<StoreIncident>,
}

/// What a lane holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LaneInventory {
    /// The lane.
    pub lane: Lane,
    /// The oldest record.
    pub first: StoreKey,
    /// The newest record.
    pub last: StoreKey,
    /// How many.
    pub count: u64,
    /// The sum of their sizes in bytes.
    pub bytes: u64,
}

/// The store was not as it was left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreIncident {
    /// Damaged, hung or panicking: moved aside, and an empty one begun. The text says what was seen.
    Quarantined(String),
    /// It opened, but without what the control file says was in it.
    LostContents(String),
}
