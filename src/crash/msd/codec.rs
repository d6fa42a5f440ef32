//! A minimum set of data to bytes, and back.

use std::num::NonZeroU32;

use rasn::prelude::{OctetString, PrintableString};

use super::location::DIRECTION_STEP_DEG;
use super::{
    Activation, AdditionalData, DELTA_STEP_MAS, DecodeError, Direction, EncodeError, InvalidValue, Location,
    LocationDelta, MAX_BYTES, Msd, RelativeOid, Storage, VehicleType, Version, wire,
};

/// What stands for an unknown coordinate.
const UNKNOWN_COORDINATE: i32 = i32::MAX;
/// What stands for an unknown direction.
const UNKNOWN_DIRECTION: u8 = 255;
/// Version 2 has so many types of vehicle: M1 to L7e.
const VEHICLE_TYPES_V2: u8 = 13;

impl Msd {
    /// The message in its canonical form, at most [`MAX_BYTES`] long.
    pub fn encode(&self) -> Result<Vec<u8>, EncodeError> {
        let content = match self.version {
            Version::V2 => self.encode_v2(),
            Version::V3 => self.encode_v3(),
        }?;
        let message = wire::ECallMessage { msd_version: self.version.into(), msd: content.into() };
        let bytes = encode(&message)?;
        if bytes.len() > MAX_BYTES {
            return Err(EncodeError::TooLong { bytes: bytes.len() });
        }
        Ok(bytes)
    }

    fn encode_v2(&self) -> Result<Vec<u8>, EncodeError> {
        let index = self.vehicle_type as u8;
        if index >= VEHICLE_TYPES_V2 {
            return Err(EncodeError::VehicleType { vehicle_type: self.vehicle_type });
        }
        let structure = wire::MsdStructureV2 {
            common: self.common(wire::VehicleTypeV2 { is_extension: false, index })?,
            recent_n1: self.recent_location_n1.map(delta_to_wire),
            recent_n2: self.recent_location_n2.map(delta_to_wire),
            occupants: self.occupants,
        };
        encode(&wire::MsdMessage { structure, additional_data: self.additional_data.as_ref().map(additional_to_wire) })
    }

    fn encode_v3(&self) -> Result<Vec<u8>, EncodeError> {
        let required =
            |delta: Option<LocationDelta>, field| delta.map(delta_to_wire).ok_or(EncodeError::RecentLocation { field });
        let vehicle_type = wire::VehicleTypeV3 { is_extension: false, index: self.vehicle_type as u8 };
        let structure = wire::MsdStructureV3 {
            common: self.common(vehicle_type)?,
            recent_n1: required(self.recent_location_n1, "recent_location_n1")?,
            recent_n2: required(self.recent_location_n2, "recent_location_n2")?,
            occupants: self.occupants,
        };
        encode(&wire::MsdMessage { structure, additional_data: self.additional_data.as_ref().map(additional_to_wire) })
    }

    fn common<T>(&self, vehicle_type: T) -> Result<wire::Common<T>, EncodeError> {
        let coordinates = self.location.map(|location| (location.latitude_mas(), location.longitude_mas()));
        let (latitude, longitude) = coordinates.unwrap_or((UNKNOWN_COORDINATE, UNKNOWN_COORDINATE));
        let has = |storage| self.propulsion.contains(&storage);
        Ok(wire::Common {
            message_identifier: self.message_identifier,
            automatic_activation: self.activation == Activation::Automatic,
            test_call: self.test_call,
            position_can_be_trusted: self.position_can_be_trusted,
            vehicle_type,
            vin: PrintableString::try_from(self.vin.as_str())
                .map_err(|error| EncodeError::Encoder { why: error.to_string() })?,
            propulsion: wire::PropulsionStorage {
                gasoline: has(Storage::Gasoline),
                diesel: has(Storage::Diesel),
                compressed_natural_gas: has(Storage::CompressedNaturalGas),
                liquid_propane_gas: has(Storage::LiquidPropaneGas),
                electric: has(Storage::Electric),
                hydrogen: has(Storage::Hydrogen),
                other: has(Storage::Other),
            },
            timestamp: self.timestamp_s.map_or(0, NonZeroU32::get),
            latitude,
            longitude,
            direction: self.direction.map_or(UNKNOWN_DIRECTION, direction_to_wire),
        })
    }

    /// Reads a message of either version. DEFAULT values may be written out, and extensions that a later edition adds
    /// are passed over. Zero bytes may follow, as the in-band modem fills up its block of 140 bytes (3GPP TS 26.267);
    /// anything else behind the message is an error, and so are set bits behind its content.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        if bytes.len() > MAX_BYTES {
            return Err(DecodeError::Length { bytes: bytes.len() });
        }
        let first = *bytes.first().ok_or(DecodeError::Length { bytes: 0 })?;
        let version = Version::try_from(first).map_err(|_| DecodeError::Version { found: first })?;
        let (message, rest) =
            wire::decode::<wire::ECallMessage>(bytes).map_err(|why| DecodeError::Syntax { version, why })?;
        if rest.any() {
            return Err(DecodeError::Trailing { what: "the message", bits: rest.len() });
        }
        match version {
            Version::V2 => decode_v2(&message.msd),
            Version::V3 => decode_v3(&message.msd),
        }
    }
}

fn decode_v2(content: &[u8]) -> Result<Msd, DecodeError> {
    let message: wire::MsdMessage<wire::MsdStructureV2> = decode_content(Version::V2, content)?;
    let structure = message.structure;
    let wire::VehicleTypeV2 { is_extension, index } = structure.common.vehicle_type;
    Ok(Msd {
        recent_location_n1: structure.recent_n1.map(|delta| delta_from_wire(&delta)).transpose()?,
        recent_location_n2: structure.recent_n2.map(|delta| delta_from_wire(&delta)).transpose()?,
        occupants: structure.occupants,
        additional_data: message.additional_data.as_ref().map(additional_from_wire).transpose()?,
        ..from_common(Version::V2, vehicle_type(Version::V2, is_extension, index)?, &structure.common)?
    })
}

fn decode_v3(content: &[u8]) -> Result<Msd, DecodeError> {
    let message: wire::MsdMessage<wire::MsdStructureV3> = decode_content(Version::V3, content)?;
    let structure = message.structure;
    let wire::VehicleTypeV3 { is_extension, index } = structure.common.vehicle_type;
    Ok(Msd {
        recent_location_n1: Some(delta_from_wire(&structure.recent_n1)?),
        recent_location_n2: Some(delta_from_wire(&structure.recent_n2)?),
        occupants: structure.occupants,
        additional_data: message.additional_data.as_ref().map(additional_from_wire).transpose()?,
        ..from_common(Version::V3, vehicle_type(Version::V3, is_extension, index)?, &structure.common)?
    })
}

/// Without what the versions do not have in common.
fn from_common<T>(version: Version, vehicle_type: VehicleType, common: &wire::Common<T>) -> Result<Msd, InvalidValue> {
    let is_known = common.latitude != UNKNOWN_COORDINATE && common.longitude != UNKNOWN_COORDINATE;
    let propulsion = &common.propulsion;
    let storages = [
        (Storage::Gasoline, propulsion.gasoline),
        (Storage::Diesel, propulsion.diesel),
        (Storage::CompressedNaturalGas, propulsion.compressed_natural_gas),
        (Storage::LiquidPropaneGas, propulsion.liquid_propane_gas),
        (Storage::Electric, propulsion.electric),
        (Storage::Hydrogen, propulsion.hydrogen),
        (Storage::Other, propulsion.other),
    ];
    Ok(Msd {
        version,
        message_identifier: common.message_identifier,
        activation: if common.automatic_activation { Activation::Automatic } else { Activation::Manual },
        test_call: common.test_call,
        position_can_be_trusted: common.position_can_be_trusted,
        vehicle_type,
        vin: String::from_utf8_lossy(common.vin.as_bytes()).parse()?,
        propulsion: storages.into_iter().filter_map(|(storage, is_there)| is_there.then_some(storage)).collect(),
        timestamp_s: NonZeroU32::new(common.timestamp),
        location: is_known.then(|| Location::new(common.latitude, common.longitude)).transpose()?,
        direction: (common.direction != UNKNOWN_DIRECTION)
            .then(|| direction_from_wire(common.direction))
            .transpose()?,
        recent_location_n1: None,
        recent_location_n2: None,
        occupants: None,
        additional_data: None,
    })
}

fn vehicle_type(version: Version, is_extension: bool, index: u8) -> Result<VehicleType, DecodeError> {
    let known = VehicleType::ALL.get(usize::from(index)).filter(|_| !is_extension);
    known.copied().ok_or_else(|| DecodeError::Syntax {
        version,
        why: "its vehicle type is one that only a later edition defines".to_owned(),
    })
}

fn direction_to_wire(direction: Direction) -> u8 {
    u8::try_from(direction.degrees() / DIRECTION_STEP_DEG).unwrap_or(UNKNOWN_DIRECTION)
}

fn direction_from_wire(steps: u8) -> Result<Direction, InvalidValue> {
    Direction::new(u16::from(steps) * DIRECTION_STEP_DEG)
}

fn delta_to_wire(delta: LocationDelta) -> wire::VehicleLocationDelta {
    let steps = |mas: i32| i16::try_from(mas / DELTA_STEP_MAS).unwrap_or_default();
    wire::VehicleLocationDelta { latitude: steps(delta.latitude_mas()), longitude: steps(delta.longitude_mas()) }
}

fn delta_from_wire(delta: &wire::VehicleLocationDelta) -> Result<LocationDelta, InvalidValue> {
    let mas = |steps: i16| i32::from(steps) * DELTA_STEP_MAS;
    LocationDelta::new(mas(delta.latitude), mas(delta.longitude))
}

fn additional_to_wire(additional: &AdditionalData) -> wire::AdditionalData {
    wire::AdditionalData { oid: additional.oid().to_bytes().into(), data: OctetString::from_slice(additional.data()) }
}

fn additional_from_wire(additional: &wire::AdditionalData) -> Result<AdditionalData, InvalidValue> {
    AdditionalData::new(RelativeOid::from_bytes(&additional.oid)?, additional.data.to_vec())
}

fn encode<T: rasn::Encode>(value: &T) -> Result<Vec<u8>, EncodeError> {
    wire::encode(value).map_err(|why| EncodeError::Encoder { why })
}

/// The content is filled up to whole bytes with zeros, and nothing follows.
fn decode_content<T: rasn::Decode>(version: Version, content: &[u8]) -> Result<T, DecodeError> {
    let (message, rest) = wire::decode(content).map_err(|why| DecodeError::Syntax { version, why })?;
    if rest.len() >= 8 || rest.any() {
        return Err(DecodeError::Trailing { what: "the content", bits: rest.len() });
    }
    Ok(message)
}
