//! One CAN frame, classic or FD, as it was on the wire.

use std::fmt;

/// The largest payload of a CAN FD frame in bytes (ISO 11898-1).
pub const MAX_PAYLOAD: usize = 64;

/// A bus of the vehicle, numbered as the profile lists them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BusId(pub u8);

/// An identifier of 11 bits (base format) or 29 bits (extended format).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CanId(u32);

impl CanId {
    const EXTENDED: u32 = 0x8000_0000;
    /// The largest identifier of the base format.
    pub const MAX_BASE: u32 = 0x7FF;
    /// The largest identifier of the extended format.
    pub const MAX_EXTENDED: u32 = 0x1FFF_FFFF;

    /// An 11-bit identifier; none when `id` does not fit.
    #[must_use]
    pub const fn base(id: u32) -> Option<Self> {
        if id <= Self::MAX_BASE { Some(Self(id)) } else { None }
    }

    /// A 29-bit identifier; none when `id` does not fit.
    #[must_use]
    pub const fn extended(id: u32) -> Option<Self> {
        if id <= Self::MAX_EXTENDED { Some(Self(id | Self::EXTENDED)) } else { None }
    }

    /// The identifier without its format.
    #[must_use]
    pub const fn raw(self) -> u32 {
        self.0 & Self::MAX_EXTENDED
    }

    /// Whether it has 29 bits.
    #[must_use]
    pub const fn is_extended(self) -> bool {
        self.0 & Self::EXTENDED != 0
    }
}

/// As candump prints it: three hex digits, or eight for the extended format.
impl fmt::Display for CanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_extended() { write!(f, "{:08X}", self.raw()) } else { write!(f, "{:03X}", self.raw()) }
    }
}

impl fmt::Debug for CanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What a frame is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FrameKind {
    /// Classic data frame, 0 to 8 bytes.
    Data,
    /// Classic remote frame: asks for data, carries none; its length is the one asked for.
    Remote,
    /// CAN FD data frame, up to 64 bytes.
    Fd {
        /// Bit rate switch: the payload was sent at the data bit rate.
        brs: bool,
        /// Error state indicator: the sender was error passive.
        esi: bool,
    },
    /// A report of the controller in the form of a frame (linux/can/error.h); the identifier holds the error class.
    Error,
}

/// A frame as it was received or is to be sent.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Frame {
    id: CanId,
    kind: FrameKind,
    len: u8,
    data: [u8; MAX_PAYLOAD],
}

impl Frame {
    /// A frame of `kind`; none when the payload is longer than the kind allows (8 bytes, FD 64).
    #[must_use]
    pub fn new(id: CanId, kind: FrameKind, payload: &[u8]) -> Option<Self> {
        let limit = if matches!(kind, FrameKind::Fd { .. }) { MAX_PAYLOAD } else { 8 };
        if payload.len() > limit {
            return None;
        }
        let mut data = [0; MAX_PAYLOAD];
        data[..payload.len()].copy_from_slice(payload);
        Some(Self { id, kind, len: u8::try_from(payload.len()).ok()?, data })
    }

    /// A remote frame that asks for `len` bytes; none above 8.
    #[must_use]
    pub const fn remote(id: CanId, len: u8) -> Option<Self> {
        if len > 8 {
            return None;
        }
        Some(Self { id, kind: FrameKind::Remote, len, data: [0; MAX_PAYLOAD] })
    }

    /// The identifier; of an error frame, the error class bits.
    #[must_use]
    pub const fn id(&self) -> CanId {
        self.id
    }

    /// What the frame is for.
    #[must_use]
    pub const fn kind(&self) -> FrameKind {
        self.kind
    }

    /// The payload; empty for a remote frame.
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        if matches!(self.kind, FrameKind::Remote) { &[] } else { &self.data[..usize::from(self.len)] }
    }

    /// The payload's length in bytes; of a remote frame, the length asked for.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len as usize
    }

    /// Whether [`Self::len`] is zero.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The whole buffer, zero behind the payload: lets the decoder load eight bytes at once.
    #[must_use]
    pub const fn padded(&self) -> &[u8; MAX_PAYLOAD] {
        &self.data
    }
}

impl fmt::Debug for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#", self.id)?;
        for byte in self.payload() {
            write!(f, "{byte:02X}")?;
        }
        write!(f, " {:?}", self.kind)
    }
}
