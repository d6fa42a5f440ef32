use std::collections::BTreeSet;
use std::num::NonZeroU32;

use proptest::prelude::*;

use super::*;

/// A message has, before the fields of its propulsion storage, in bits: the marks of what is there, the identifier,
/// the control flags, the vehicle type and 17 characters of six bits.
const BITS_BEFORE_PROPULSION: [usize; 2] = [6 + 8 + 3 + 5 + 17 * 6, 4 + 8 + 3 + 6 + 17 * 6];
const STORAGES: usize = 7;

fn storages() -> impl Strategy<Value = BTreeSet<Storage>> {
    use Storage::{CompressedNaturalGas, Diesel, Electric, Gasoline, Hydrogen, LiquidPropaneGas, Other};
    let all = vec![Gasoline, Diesel, CompressedNaturalGas, LiquidPropaneGas, Electric, Hydrogen, Other];
    proptest::sample::subsequence(all, 0..=STORAGES).prop_map(BTreeSet::from_iter)
}

fn locations() -> impl Strategy<Value = Location> {
    (-324_000_000..=324_000_000, -648_000_000..=648_000_000)
        .prop_map(|(latitude, longitude)| Location::new(latitude, longitude).unwrap())
}

fn deltas() -> impl Strategy<Value = LocationDelta> {
    (-512..=511, -512..=511).prop_map(|(latitude, longitude)| {
        LocationDelta::new(latitude * DELTA_STEP_MAS, longitude * DELTA_STEP_MAS).unwrap()
    })
}

fn incidents() -> impl Strategy<Value = IncidentInformation> {
    let impact = proptest::sample::select(ImpactLocation::ALL.to_vec());
    (impact, any::<Option<bool>>(), 100..=255_u8, -255..=255_i16, -255..=255_i16).prop_map(
        |(location_of_impact, rollover_detected, limit, x, y)| IncidentInformation {
            location_of_impact,
            rollover_detected,
            delta_v: DeltaV::new(limit, x, y).unwrap(),
        },
    )
}

/// As much as always fits into a message.
fn additional_data() -> impl Strategy<Value = AdditionalData> {
    let oid = proptest::collection::vec(any::<u32>().prop_map(|arc| arc.to_string()), 1..=2);
    let data = proptest::collection::vec(any::<u8>(), 0..=80);
    prop_oneof![
        incidents().prop_map(|incident| AdditionalData::try_from(incident).unwrap()),
        (oid, data).prop_map(|(oid, data)| AdditionalData::new(oid.join(".").parse().unwrap(), data).unwrap()),
    ]
}

fn messages() -> impl Strategy<Value = Msd> {
    let head = (any::<bool>(), any::<u8>(), any::<bool>(), any::<bool>(), any::<bool>(), 0..23_usize);
    let vehicle = ("[0-9A-HJ-NPR-Z]{17}", storages(), any::<u32>());
    let place = (proptest::option::of(locations()), proptest::option::of(0..180_u16), deltas(), deltas());
    let rest = (any::<[bool; 2]>(), any::<Option<u8>>(), proptest::option::of(additional_data()));
    (head, vehicle, place, rest).prop_map(
        |(head, (vin, propulsion, timestamp), place, (has, occupants, additional))| {
            let (is_v3, message_identifier, is_automatic, test_call, position_can_be_trusted, vehicle_type) = head;
            let (location, direction, n1, n2) = place;
            Msd {
                version: if is_v3 { Version::V3 } else { Version::V2 },
                message_identifier,
                activation: if is_automatic { Activation::Automatic } else { Activation::Manual },
                test_call,
                position_can_be_trusted,
                vehicle_type: VehicleType::ALL[if is_v3 { vehicle_type } else { vehicle_type % 13 }],
                vin: vin.parse().unwrap(),
                propulsion,
                timestamp_s: NonZeroU32::new(timestamp),
                location,
                direction: direction.map(|step| Direction::new(2 * step).unwrap()),
                recent_location_n1: (is_v3 || has[0]).then_some(n1),
                recent_location_n2: (is_v3 || has[1]).then_some(n2),
                occupants,
                additional_data: additional,
            }
        },
    )
}

/// The same message, with each of its DEFAULT FALSE values written out, which only a canonical encoder leaves out.
fn with_defaults_written_out(message: &[u8]) -> Vec<u8> {
    let (version, content) = split(message);
    let mut bits = bits(content);
    let marks = BITS_BEFORE_PROPULSION[usize::from(version) - 2] + 1;
    for storage in 0..STORAGES {
        if !bits[marks + storage] {
            bits[marks + storage] = true;
            bits.insert(marks + STORAGES + storage, false);
        }
    }
    // The zeros that filled the last byte may now fill one more.
    let mut content = bytes(&bits);
    if Msd::decode(&join(version, &content)).is_err() && content.last() == Some(&0) {
        content.pop();
    }
    join(version, &content)
}

fn bits(bytes: &[u8]) -> Vec<bool> {
    bytes.iter().flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1 == 1)).collect()
}

/// Filled up with zeros.
fn bytes(bits: &[bool]) -> Vec<u8> {
    let byte = |bits: &[bool]| (0..8).fold(0, |byte, bit| byte << 1 | u8::from(bits.get(bit) == Some(&true)));
    bits.chunks(8).map(byte).collect()
}

/// The version, and the content behind the length.
fn split(message: &[u8]) -> (u8, &[u8]) {
    let content = if message[1] < 0x80 { &message[2..] } else { &message[3..] };
    (message[0], content)
}

fn join(version: u8, content: &[u8]) -> Vec<u8> {
    let length = u8::try_from(content.len()).unwrap();
    let length: &[u8] = if length < 0x80 { &[length] } else { &[0x80, length] };
    [&[version], length, content].concat()
}

proptest! {
    #[test]
    fn what_was_written_is_read(msd in messages()) {
        let bytes = msd.encode().unwrap();
        prop_assert!(bytes.len() <= MAX_BYTES);
        prop_assert_eq!(Msd::decode(&bytes), Ok(msd));
    }

    #[test]
    fn defaults_may_be_written_out(msd in messages()) {
        let bytes = msd.encode().unwrap();
        let longer = with_defaults_written_out(&bytes);
        if longer.len() <= MAX_BYTES {
            let read = Msd::decode(&longer);
            prop_assert_eq!(read.as_ref(), Ok(&msd), "{}", hex::encode(&longer));
            prop_assert_eq!(read.unwrap().encode(), Ok(bytes));
        }
    }

    #[test]
    fn the_json_form_says_the_same(msd in messages()) {
        let json = serde_json::to_string(&msd).unwrap();
        prop_assert_eq!(serde_json::from_str::<Msd>(&json).unwrap(), msd);
    }

    /// Wherever it is cut, and also where the length is cut to match.
    #[test]
    fn a_message_that_ends_early_is_refused(msd in messages()) {
        let bytes = msd.encode().unwrap();
        let (version, content) = split(&bytes);
        for length in 0..bytes.len() {
            prop_assert!(Msd::decode(&bytes[..length]).is_err(), "{} bytes of {}", length, hex::encode(&bytes));
        }
        for length in 0..content.len() {
            let short = join(version, &content[..length]);
            prop_assert!(Msd::decode(&short).is_err(), "{}", hex::encode(&short));
        }
    }

    /// A cut within a byte cannot always be noticed, as the format has no checksum: it gives an error or a message.
    #[test]
    fn a_message_of_which_the_last_bits_are_lost_is_harmless(msd in messages(), noise in any::<u8>()) {
        let bytes = msd.encode().unwrap();
        for bit in 0..8 * bytes.len() {
            let mut damaged = bytes.clone();
            damaged[bit / 8] = damaged[bit / 8] >> (7 - bit % 8) << (7 - bit % 8);
            for byte in &mut damaged[bit / 8 + 1..] {
                *byte = noise;
            }
            if let Ok(read) = Msd::decode(&damaged) {
                prop_assert!(read.encode().is_ok());
            }
        }
    }

    #[test]
    fn any_bytes_are_harmless(bytes in proptest::collection::vec(any::<u8>(), 0..=200), version in 0..5_u8) {
        for bytes in [bytes.clone(), join(version, &bytes)] {
            if let Ok(read) = Msd::decode(&bytes) {
                prop_assert_eq!(read.encode().map(|bytes| Msd::decode(&bytes)), Ok(Ok(read)));
            }
        }
    }

    #[test]
    fn degrees_come_to_the_nearest_milliarcsecond(location in locations(), course in -1000.0..1000.0) {
        let degrees = |mas: i32| f64::from(mas) / 3_600_000.0;
        let again = Location::from_degrees(degrees(location.latitude_mas()), degrees(location.longitude_mas()));
        prop_assert_eq!(again, Ok(location));
        let direction = Direction::from_degrees(course).unwrap();
        let off = (f64::from(direction.degrees()) - course).rem_euclid(360.0);
        prop_assert!(off <= 1.0 || off >= 359.0, "{} is {} off", direction.degrees(), off);
    }

    #[test]
    fn a_recent_location_is_found_again(later in locations(), delta in deltas(), off in (-49..=49_i32, -49..=49_i32)) {
        let turn: i32 = 1_296_000_000;
        let latitude = later.latitude_mas() + delta.latitude_mas() + off.0;
        let longitude = later.longitude_mas() + delta.longitude_mas() + off.1;
        let longitude = (longitude + turn / 2).rem_euclid(turn) - turn / 2;
        if let Ok(earlier) = Location::new(latitude, longitude) {
            prop_assert_eq!(LocationDelta::between(later, earlier), Ok(delta));
        }
    }
}

/// The example of Euro NCAP TB 040.
#[test]
fn the_published_incident_is_understood() {
    let data = AdditionalData::new(RelativeOid::euro_ncap(), hex::decode("0832D28480").unwrap()).unwrap();
    let incident = IncidentInformation {
        location_of_impact: ImpactLocation::Front,
        rollover_detected: None,
        delta_v: DeltaV::new(125, -45, 10).unwrap(),
    };
    assert_eq!(data.incident_information(), Some(incident));
    assert_eq!(AdditionalData::try_from(incident), Ok(data));
}

#[test]
fn data_that_are_no_incident_stay_what_they_are() {
    for (oid, data) in [("8.2", "0832D28480"), ("8.1", "0832D2"), ("8.1", "0832D28481"), ("8.1", "0832D2848000")] {
        let data = AdditionalData::new(oid.parse().unwrap(), hex::decode(data).unwrap()).unwrap();
        assert_eq!(data.incident_information(), None, "{data:?}");
    }
}

fn sample() -> Msd {
    serde_json::from_str(
        r#"{"version": 3, "message_identifier": 1, "activation": "automatic", "test_call": false,
            "position_can_be_trusted": true, "vehicle_type": "M1", "vin": "WM9VDSVDSYA123456",
            "propulsion": ["gasoline", "electric"], "timestamp_s": 1763722800,
            "location": {"latitude_mas": 173000000, "longitude_mas": 41000000}, "direction_deg": 42,
            "recent_location_n1": {"latitude_delta_mas": -1000, "longitude_delta_mas": -800},
            "recent_location_n2": {"latitude_delta_mas": -1100, "longitude_delta_mas": -700},
            "occupants": 2}"#,
    )
    .unwrap()
}

#[test]
fn what_a_version_lacks_is_said() {
    let without = Msd { recent_location_n2: None, ..sample() };
    assert_eq!(without.encode(), Err(EncodeError::RecentLocation { field: "recent_location_n2" }));
    let trailer = Msd { version: Version::V2, vehicle_type: VehicleType::O, ..sample() };
    assert_eq!(trailer.encode(), Err(EncodeError::VehicleType { vehicle_type: VehicleType::O }));
}

#[test]
fn a_message_that_the_modem_cannot_carry_is_not_made() {
    let with = |oid: &str, bytes| {
        let data = AdditionalData::new(oid.parse().unwrap(), vec![0xA5; bytes]).unwrap();
        Msd { additional_data: Some(data), ..sample() }.encode()
    };
    assert_eq!(with("8.1", MAX_ADDITIONAL_DATA_BYTES).map(|bytes| bytes.len()), Ok(137));
    let error = with("8.1.1.1.1.1", MAX_ADDITIONAL_DATA_BYTES);
    assert_eq!(error, Err(EncodeError::TooLong { bytes: 141 }));
    assert!(AdditionalData::new(RelativeOid::euro_ncap(), vec![0; MAX_ADDITIONAL_DATA_BYTES + 1]).is_err());
}

/// The in-band modem always carries 140 bytes.
#[test]
fn zeros_may_follow_a_message_and_nothing_else() {
    let mut block = sample().encode().unwrap();
    let length = block.len();
    block.resize(MAX_BYTES, 0);
    assert_eq!(Msd::decode(&block), Ok(sample()));
    block[MAX_BYTES - 1] = 1;
    let bits = 8 * (MAX_BYTES - length);
    assert_eq!(Msd::decode(&block), Err(DecodeError::Trailing { what: "the message", bits }));
    block.push(0);
    assert_eq!(Msd::decode(&block), Err(DecodeError::Length { bytes: MAX_BYTES + 1 }));
    assert_eq!(Msd::decode(&[]), Err(DecodeError::Length { bytes: 0 }));
}

#[test]
fn nothing_may_follow_the_content() {
    let bytes = sample().encode().unwrap();
    let (version, content) = split(&bytes);
    let mut content = content.to_vec();
    content.push(0);
    assert!(matches!(Msd::decode(&join(version, &content)), Err(DecodeError::Trailing { what: "the content", .. })));
}

#[test]
fn other_versions_are_named() {
    let mut bytes = sample().encode().unwrap();
    for version in [0, 1, 4, 255] {
        bytes[0] = version;
        assert_eq!(Msd::decode(&bytes), Err(DecodeError::Version { found: version }));
    }
}

/// What the bits can say and the world cannot: a latitude of more than 90°, a direction of 360°.
#[test]
fn impossible_values_are_refused_by_name() {
    for (field, wrong) in [
        ("location.latitude_mas", Location::new(324_000_001, 0).map(drop)),
        ("location.longitude_mas", Location::new(0, -648_000_001).map(drop)),
        ("location.latitude_mas", Location::from_degrees(f64::NAN, 0.0).map(drop)),
        ("location.longitude_mas", Location::from_degrees(0.0, f64::INFINITY).map(drop)),
        ("direction_deg", Direction::new(360).map(drop)),
        ("direction_deg", Direction::new(1).map(drop)),
        ("direction_deg", Direction::from_degrees(f64::NAN).map(drop)),
        ("latitude_delta_mas", LocationDelta::new(51_200, 0).map(drop)),
        ("longitude_delta_mas", LocationDelta::new(0, 150).map(drop)),
        ("delta_v.range_limit_kmh", DeltaV::new(99, 0, 0).map(drop)),
        ("delta_v.y_kmh", DeltaV::new(100, 0, 256).map(drop)),
        ("vin", "WM9VDSVDSYA12345".parse::<Vin>().map(drop)),
        ("vin", "WM9VDSVDSYA12345O".parse::<Vin>().map(drop)),
        ("vin", "wm9vdsvdsya123456".parse::<Vin>().map(drop)),
        ("vin", "WM9VDSVDSYA1234ü".parse::<Vin>().map(drop)),
        ("additional_data.oid", "8.".parse::<RelativeOid>().map(drop)),
        ("additional_data.oid", RelativeOid::from_bytes(&[8, 0x81]).map(drop)),
        ("additional_data.oid", RelativeOid::from_bytes(&[0x80, 1]).map(drop)),
        ("additional_data.oid", RelativeOid::from_bytes(&[0x90, 0x80, 0x80, 0x80, 0]).map(drop)),
        ("additional_data.oid", RelativeOid::from_bytes(&[]).map(drop)),
    ] {
        assert_eq!(wrong.unwrap_err().field, field);
    }
}

/// Where the time begins in [`sample`]: behind the extension bit, the marks and two values of its propulsion storage.
const BITS_BEFORE_TIME: usize = BITS_BEFORE_PROPULSION[1] + 1 + STORAGES + 2;

/// The sample, with these bits instead of its own.
fn sample_with(position: usize, instead: &[bool]) -> Result<Msd, DecodeError> {
    let message = sample().encode().unwrap();
    let (version, content) = split(&message);
    let mut bits = bits(content);
    bits[position..position + instead.len()].copy_from_slice(instead);
    Msd::decode(&join(version, &bytes(&bits)))
}

/// A direction of 180 to 254 steps of 2° fits the bits and no compass.
#[test]
fn impossible_values_in_a_message_are_refused_by_name() {
    let direction = BITS_BEFORE_TIME + 3 * 32;
    let error = sample_with(direction, &bits(&[212])).unwrap_err();
    let expected = "direction_deg is 424, which is not an even number of degrees from 0 to 358: leave the direction \
                    out when it is unknown";
    assert_eq!(error.to_string(), expected);
    let latitude = BITS_BEFORE_TIME + 32;
    let error = sample_with(latitude, &bits(&[0; 4])).unwrap_err();
    assert!(matches!(error, DecodeError::Value(InvalidValue { field: "location.latitude_mas", .. })), "{error}");
}

#[test]
fn half_a_location_is_none() {
    for coordinate in [32, 64] {
        let read = sample_with(BITS_BEFORE_TIME + coordinate, &[true; 32]);
        assert_eq!(read, Ok(Msd { location: None, ..sample() }));
    }
}

#[test]
fn a_vehicle_type_of_a_later_edition_is_an_error() {
    let vehicle_type = 4 + 8 + 3;
    for unknown in [[true, false, false, false, false, false], [false, true, false, true, true, true]] {
        let error = sample_with(vehicle_type, &unknown).unwrap_err();
        assert!(matches!(error, DecodeError::Syntax { version: Version::V3, .. }), "{error}");
    }
}

/// Each with one addition of two bytes, behind the fields that this edition knows (X.691 §19).
#[test]
fn additions_of_a_later_edition_are_passed_over() {
    let message = sample().encode().unwrap();
    let (version, content) = split(&message);
    // The bit that tells of additions, and where they stand: in the propulsion storage, the structure, the message.
    let end = BITS_BEFORE_TIME + 3 * 32 + 8 + 4 * 10 + 8;
    for (mark, position) in [(BITS_BEFORE_PROPULSION[1], BITS_BEFORE_TIME), (2, end), (0, end)] {
        let mut bits = bits(content);
        bits[mark] = true;
        bits.truncate(end);
        // One addition (seven bits hold the number less one), it is there, two bytes.
        let addition = [bits_of(0, 7), bits_of(1, 1), bits_of(2, 8), bits_of(0xABCD, 16)].concat();
        bits.splice(position..position, addition);
        assert_eq!(Msd::decode(&join(version, &bytes(&bits))), Ok(sample()), "{mark}");
    }
}

fn bits_of(value: u32, count: usize) -> Vec<bool> {
    (0..count).rev().map(|bit| value >> bit & 1 == 1).collect()
}

#[test]
fn json_that_contradicts_itself_is_refused() {
    let with = |additional: &str| {
        let mut json = serde_json::to_value(sample()).unwrap();
        json["additional_data"] = serde_json::from_str(additional).unwrap();
        serde_json::from_value::<Msd>(json).map_err(|error| error.to_string())
    };
    let incident = r#"{"location_of_impact": "front", "delta_v": {"range_limit_kmh": 125, "x_kmh": -45, "y_kmh": 10}}"#;
    let made = with(&format!(r#"{{"oid": "8.1", "incident_information": {incident}}}"#)).unwrap();
    assert_eq!(made.additional_data.unwrap().data(), hex::decode("0832D28480").unwrap());
    for (wrong, why) in [
        (r#"{"oid": "8.1"}"#.to_owned(), "needs"),
        (r#"{"oid": "8.1", "data_hex": "123"}"#.to_owned(), "odd"),
        (r#"{"oid": "8.1", "data_hex": "0X"}"#.to_owned(), "character 2"),
        (format!(r#"{{"oid": "8.2", "incident_information": {incident}}}"#), "goes with oid 8.1"),
        (format!(r#"{{"oid": "8.1", "data_hex": "00", "incident_information": {incident}}}"#), "different"),
    ] {
        let error = with(&wrong).unwrap_err();
        assert!(error.contains(why), "{wrong}: {error}");
    }
}
