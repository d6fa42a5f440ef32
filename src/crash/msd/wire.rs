//! The messages as ASN.1 defines them, bit by bit (EN 15722, annex A; Euro NCAP TB 040, annex A.2; UPER, X.691).
//!
//! Three things are written otherwise than the standard writes them, with the same bits, because they are simpler so:
//!
//! * An extensible ENUMERATED is an extension bit and an index (X.691 §14).
//! * A RELATIVE-OID is a length and its bytes (X.691 §25), as an OCTET STRING is.
//! * What the two versions have in common stands in sequences of its own, and the four parts of the vehicle
//!   identification number are one string: a sequence without options and a string of a fixed size have no bits of
//!   their own (X.691 §19, §30).

#![expect(clippy::no_effect_underscore_binding, reason = "the derives of rasn write them")]

use rasn::error::DecodeErrorKind;
use rasn::prelude::{AsnType, Decode, Encode, OctetString, PrintableString};
use rasn::types::BitStr;
use rasn::{Decoder as _, Encoder as _, uper};

/// What every version begins with.
#[derive(Debug, AsnType, Encode, Decode)]
#[rasn(automatic_tags)]
pub(super) struct ECallMessage {
    #[rasn(value("0..=255"))]
    pub msd_version: u8,
    /// Contains the `MsdMessage` of that version.
    pub msd: OctetString,
}

/// `S` is the structure of the version.
#[derive(Debug, AsnType, Encode, Decode)]
#[rasn(automatic_tags)]
#[non_exhaustive]
pub(super) struct MsdMessage<S> {
    pub structure: S,
    pub additional_data: Option<AdditionalData>,
}

#[derive(Debug, AsnType, Encode, Decode)]
#[rasn(automatic_tags)]
pub(super) struct AdditionalData {
    pub oid: OctetString,
    pub data: OctetString,
}

#[derive(Debug, AsnType, Encode, Decode)]
#[rasn(automatic_tags)]
#[non_exhaustive]
pub(super) struct MsdStructureV2 {
    pub common: Common<VehicleTypeV2>,
    pub recent_n1: Option<VehicleLocationDelta>,
    pub recent_n2: Option<VehicleLocationDelta>,
    #[rasn(value("0..=255"))]
    pub occupants: Option<u8>,
}

#[derive(Debug, AsnType, Encode, Decode)]
#[rasn(automatic_tags)]
#[non_exhaustive]
pub(super) struct MsdStructureV3 {
    pub common: Common<VehicleTypeV3>,
    pub recent_n1: VehicleLocationDelta,
    pub recent_n2: VehicleLocationDelta,
    #[rasn(value("0..=255"))]
    pub occupants: Option<u8>,
}

/// What the structures of both versions begin with. `T` is the vehicle type of the version.
#[derive(Debug, AsnType, Encode, Decode)]
#[rasn(automatic_tags)]
pub(super) struct Common<T> {
    #[rasn(value("0..=255"))]
    pub message_identifier: u8,
    pub automatic_activation: bool,
    pub test_call: bool,
    pub position_can_be_trusted: bool,
    pub vehicle_type: T,
    #[rasn(size(17), from("0..=9", "A..=H", "J..=N", "P", "R..=Z"))]
    pub vin: PrintableString,
    pub propulsion: PropulsionStorage,
    #[rasn(value("0..=4294967295"))]
    pub timestamp: u32,
    #[rasn(value("-2147483648..=2147483647"))]
    pub latitude: i32,
    #[rasn(value("-2147483648..=2147483647"))]
    pub longitude: i32,
    #[rasn(value("0..=255"))]
    pub direction: u8,
}

#[derive(Debug, AsnType, Encode, Decode)]
#[rasn(automatic_tags)]
pub(super) struct VehicleTypeV2 {
    pub is_extension: bool,
    #[rasn(value("0..=12"))]
    pub index: u8,
}

#[derive(Debug, AsnType, Encode, Decode)]
#[rasn(automatic_tags)]
pub(super) struct VehicleTypeV3 {
    pub is_extension: bool,
    #[rasn(value("0..=22"))]
    pub index: u8,
}

#[derive(Debug, AsnType, Encode, Decode)]
#[rasn(automatic_tags)]
#[non_exhaustive]
#[expect(clippy::struct_excessive_bools, reason = "so the standard has it")]
pub(super) struct PropulsionStorage {
    #[rasn(default)]
    pub gasoline: bool,
    #[rasn(default)]
    pub diesel: bool,
    #[rasn(default)]
    pub compressed_natural_gas: bool,
    #[rasn(default)]
    pub liquid_propane_gas: bool,
    #[rasn(default)]
    pub electric: bool,
    #[rasn(default)]
    pub hydrogen: bool,
    #[rasn(default)]
    pub other: bool,
}

/// In units of 100 milliarcseconds.
#[derive(Debug, AsnType, Encode, Decode)]
#[rasn(automatic_tags)]
pub(super) struct VehicleLocationDelta {
    #[rasn(value("-512..=511"))]
    pub latitude: i16,
    #[rasn(value("-512..=511"))]
    pub longitude: i16,
}

/// The data of Euro NCAP's additional data.
#[derive(Debug, AsnType, Encode, Decode)]
#[rasn(automatic_tags)]
#[non_exhaustive]
pub(super) struct IncInfo {
    pub location_of_impact: IiLocation,
    pub rollover_detected: Option<bool>,
    pub delta_v: IiDeltaV,
}

#[derive(Debug, AsnType, Encode, Decode)]
#[rasn(automatic_tags)]
pub(super) struct IiLocation {
    pub is_extension: bool,
    #[rasn(value("0..=6"))]
    pub index: u8,
}

#[derive(Debug, AsnType, Encode, Decode)]
#[rasn(automatic_tags)]
#[non_exhaustive]
pub(super) struct IiDeltaV {
    #[rasn(value("100..=255"))]
    pub range_limit: u8,
    #[rasn(value("-255..=255"))]
    pub delta_vx: i16,
    #[rasn(value("-255..=255"))]
    pub delta_vy: i16,
}

/// The value's canonical encoding.
pub(super) fn encode<T: Encode>(value: &T) -> Result<Vec<u8>, String> {
    uper::encode(value).map_err(|error| error.kind.to_string())
}

/// The value, and the bits behind it.
pub(super) fn decode<T: Decode>(bytes: &[u8]) -> Result<(T, &BitStr), String> {
    let options = uper::de::DecoderOptions::unaligned();
    let mut decoder = uper::Decoder::<0, 0>::new(BitStr::from_slice(bytes), options);
    let value = T::decode(&mut decoder).map_err(|error| explain(*error.kind))?;
    Ok((value, decoder.input()))
}

/// The innermost field, and what is wrong with it.
fn explain(mut error: DecodeErrorKind) -> String {
    let mut field = "message";
    while let DecodeErrorKind::FieldError { name, nested } = error {
        field = name.rsplit('.').next().unwrap_or(name);
        error = *nested.kind;
    }
    match error {
        DecodeErrorKind::Incomplete { .. } => format!("they end before or within {field}"),
        other => format!("{field}: {other}"),
    }
}
