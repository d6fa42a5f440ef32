//! What can be wrong with a minimum set of data.

use super::{MAX_BYTES, VehicleType, Version};

/// A value that its field cannot hold. Whoever filled in the field must act.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field} is {value}, which is not {range}: {remedy}")]
pub struct InvalidValue {
    /// Which field, as the JSON form names it.
    pub field: &'static str,
    /// What it was to hold.
    pub value: String,
    /// What it can hold.
    pub range: &'static str,
    /// What to do instead.
    pub remedy: &'static str,
}

/// Why there are no bytes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// The version does not know this type of vehicle. Whoever configured the vehicle must act.
    #[error(
        "vehicle_type is {vehicle_type:?}, which version 2 does not have: choose one of M1 to L7e, or send version 3"
    )]
    VehicleType {
        /// Which one.
        vehicle_type: VehicleType,
    },
    /// Version 3 has no message without both recent locations. The caller must act.
    #[error(
        "{field} is missing, which version 3 requires: give the difference to the position before, or send version 2"
    )]
    RecentLocation {
        /// The one that is missing.
        field: &'static str,
    },
    /// More than the modem carries. The caller must shorten the additional data.
    #[error("the message has {bytes} bytes, more than {MAX_BYTES}: shorten the additional data")]
    TooLong {
        /// So many it would be.
        bytes: usize,
    },
    /// The encoder refused what the types allow: a defect of this program, to be reported.
    #[error("cannot encode the message: {why}; please report this")]
    Encoder {
        /// What the encoder says.
        why: String,
    },
}

/// Why the bytes are no minimum set of data. The sender must act, or whoever cut or copied them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// There is nothing, or more than a message can be.
    #[error("{bytes} bytes are no minimum set of data, which has 1 to {MAX_BYTES}: give one whole message")]
    Length {
        /// So many there are.
        bytes: usize,
    },
    /// Versions 2 and 3 are known.
    #[error("the message says version {found}, and only 2 and 3 are known: check that it begins with its version byte")]
    Version {
        /// The version that it says.
        found: u8,
    },
    /// The bits end early, or say what the version does not define.
    #[error("the bytes are no message of version {}: {why}; check that nothing is missing or changed", u8::from(*version))]
    Syntax {
        /// The version that they say.
        version: Version,
        /// What the decoder says.
        why: String,
    },
    /// Something follows that belongs to no field.
    #[error("{what} is followed by {bits} bits that are not the zeros that may stand there: give one message only")]
    Trailing {
        /// After what.
        what: &'static str,
        /// How many bits.
        bits: usize,
    },
    /// A field holds what no vehicle can send.
    #[error(transparent)]
    Value(#[from] InvalidValue),
}
