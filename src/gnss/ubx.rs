//! UBX NAV-PVT, a whole epoch in one frame, decoded by the `ublox` crate.
//!
//! The frame was checked by [`super::stream`]; the crate's own framing is not used for the stream, because it neither
//! counts what it throws away nor bounds it. The layout of the 92-byte payload is the same from protocol 15 on
//! (u-blox M8); the 84-byte one of the u-blox 7 is refused and counted.

use jiff::civil;
use ublox::nav_pvt::common::{NavPvtFlags, NavPvtValidFlags};
use ublox::nav_pvt::proto23::NavPvtRef;
use ublox::proto23::{PacketRef, Proto23};
use ublox::{FixedBuffer, GnssFixType, Parser, UbxPacket};

use super::fix::{Accuracy, AccuracySource, Fix, FixKind, Position};
use crate::time::{MonoTime, WallTime};

/// What became of a frame.
#[derive(Debug, PartialEq)]
pub(super) enum Parsed {
    Fix(Fix),
    /// Of a class and id that we do not read.
    Ignored,
    /// The checksum is right, the contents are not.
    Malformed,
}

/// Class and id of NAV-PVT.
const NAV_PVT: &[u8] = &[0x01, 0x07];
/// A NAV-PVT frame has 100 bytes; the crate's buffer wants to hold a frame whole.
const PARSER_BUFFER: usize = 128;
/// Receivers that know nothing of their accuracy say 2^32 − 1 mm. Nothing above this is an estimate.
const ACCURACY_UNKNOWN_M: f64 = 1_000_000.0;

/// Reads a frame, from the sync bytes to the checksum.
pub(super) fn parse(at: MonoTime, frame: &[u8]) -> Parsed {
    if frame.get(2..4) != Some(NAV_PVT) {
        return Parsed::Ignored;
    }
    if frame.len() > PARSER_BUFFER {
        return Parsed::Malformed;
    }
    let mut parser = Parser::<FixedBuffer<PARSER_BUFFER>, Proto23>::with_fixed_buffer();
    match parser.consume_ubx(frame).next() {
        Some(Ok(UbxPacket::Proto23(PacketRef::NavPvt(pvt)))) => fix(at, &pvt).map_or(Parsed::Malformed, Parsed::Fix),
        _ => Parsed::Malformed,
    }
}

/// None when the receiver claims an impossible position.
fn fix(at: MonoTime, pvt: &NavPvtRef<'_>) -> Option<Fix> {
    let kind = kind(pvt);
    let position = Position { latitude_deg: pvt.latitude(), longitude_deg: pvt.longitude() };
    if position.latitude_deg.abs() > 90.0 || position.longitude_deg.abs() > 180.0 {
        return None;
    }
    let there = kind != FixKind::None;
    let horizontal_m = pvt.horizontal_accuracy();
    Some(Fix {
        at,
        kind,
        position: there.then_some(position),
        position_doubt: None,
        accuracy: (there && horizontal_m < ACCURACY_UNKNOWN_M)
            .then_some(Accuracy { horizontal_m, from: AccuracySource::UbxHAcc }),
        altitude_m: (there && kind != FixKind::TwoD).then(|| pvt.height_msl()),
        speed_mps: there.then(|| pvt.ground_speed_2d().abs()),
        course_deg: there.then(|| pvt.heading_motion().rem_euclid(360.0)),
        utc: utc(pvt),
        time_doubt: None,
        satellites: Some(pvt.num_satellites()),
    })
}

/// `gnssFixOK` is the receiver's own verdict over its masks; without it the numbers are not to be used.
fn kind(pvt: &NavPvtRef<'_>) -> FixKind {
    let flags = pvt.flags();
    if !flags.contains(NavPvtFlags::GPS_FIX_OK) || pvt.flags3().invalid_llh() {
        return FixKind::None;
    }
    let plain = match pvt.fix_type() {
        GnssFixType::DeadReckoningOnly => return FixKind::DeadReckoning,
        GnssFixType::Fix2D => FixKind::TwoD,
        GnssFixType::Fix3D | GnssFixType::GPSPlusDeadReckoning => FixKind::ThreeD,
        _ => return FixKind::None,
    };
    if flags.contains(NavPvtFlags::CARR_SOLN_FIXED) {
        FixKind::RtkFixed
    } else if flags.contains(NavPvtFlags::CARR_SOLN_FLOAT) {
        FixKind::RtkFloat
    } else if flags.contains(NavPvtFlags::DIFF_SOLN) {
        FixKind::Differential
    } else {
        plain
    }
}

/// The fraction counts from the second and may be negative.
fn utc(pvt: &NavPvtRef<'_>) -> Option<WallTime> {
    if !pvt.valid().contains(NavPvtValidFlags::VALID_DATE | NavPvtValidFlags::VALID_TIME) {
        return None;
    }
    let signed = |value: u8| i8::try_from(value).ok();
    let date = civil::Date::new(i16::try_from(pvt.year()).ok()?, signed(pvt.month())?, signed(pvt.day())?).ok()?;
    let days = i64::from(civil::date(1970, 1, 1).until(date).ok()?.get_days());
    if pvt.hour() > 23 || pvt.min() > 59 || pvt.sec() > 60 {
        return None;
    }
    let seconds = days * 86_400 + i64::from(pvt.hour()) * 3_600 + i64::from(pvt.min()) * 60 + i64::from(pvt.sec());
    Some(WallTime::from_unix_micros(seconds * 1_000_000 + i64::from(pvt.nanosec()) / 1_000))
}
