//! The GNSS receiver: where it believes the car to be, as NMEA 0183.
//!
//! Five epochs a second, each RMC, GGA, GSA, GST. The error wanders (atmosphere, reflections) and trembles (receiver
//! noise); in a tunnel there is no fix, and after it the error is larger for a while. Switched on, the receiver first
//! knows nothing, then the time, then the place.

use std::time::Duration;

use crate::rng::Rng;
use crate::time::WallTime;

use super::road::Spot;
use super::truth::Noise;

/// Between two epochs.
pub(super) const EPOCH: Duration = Duration::from_millis(200);
/// From power-on to the time, and to the first fix (a warm start).
const TIME_KNOWN_S: f64 = 1.5;
const FIX_S: f64 = 4.0;
/// From the end of a tunnel to the next fix.
const REACQUIRE_S: f64 = 1.4;
/// The error that wanders: its size per axis, and how long it remembers.
const WANDER_M: f64 = 1.1;
const WANDER_S: f64 = 40.0;
/// The error that trembles.
const TREMBLE_M: f64 = 0.12;
/// What the wandering error jumps to, at most, when the fix comes back.
const REACQUIRED_M: f64 = 3.0;
const METERS_PER_DEGREE: f64 = 111_195.0;
const KNOTS_PER_MPS: f64 = 1.943_844;
/// Below this the course is noise, and the receiver leaves it out.
const COURSE_FROM_MPS: f64 = 0.5;

/// The receiver.
#[derive(Debug, Clone)]
pub(super) struct Receiver {
    noise: Noise,
    wander_m: [f64; 3],
    on_s: f64,
    blind_s: f64,
    was_blind: bool,
}

impl Receiver {
    pub(super) fn new(rng: Rng) -> Self {
        Self { noise: Noise::new(rng), wander_m: [0.0; 3], on_s: 0.0, blind_s: 0.0, was_blind: true }
    }

    pub(super) fn power_off(&mut self) {
        (self.on_s, self.was_blind) = (0.0, true);
    }

    /// The sentences of the next epoch.
    pub(super) fn epoch(&mut self, spot: &Spot, speed_mps: f64, wall: WallTime, outage: bool) -> Vec<u8> {
        let dt_s = EPOCH.as_secs_f64();
        self.on_s += dt_s;
        let blind = spot.tunnel || outage || self.on_s < FIX_S;
        self.blind_s = if blind { REACQUIRE_S } else { (self.blind_s - dt_s).max(0.0) };
        self.wander(dt_s);
        let stamp = (self.on_s >= TIME_KNOWN_S).then(|| UtcStamp::of(wall));
        if blind || self.blind_s > 0.0 {
            self.was_blind = true;
            return no_fix(stamp);
        }
        let Some(stamp) = stamp else { return no_fix(None) };
        self.fix(spot, speed_mps, &stamp)
    }

    fn wander(&mut self, dt_s: f64) {
        let keep = (-dt_s / WANDER_S).exp();
        let kick = WANDER_M * (1.0 - keep * keep).sqrt();
        for axis in 0..3 {
            self.wander_m[axis] = self.wander_m[axis] * keep + kick * self.noise.normal();
        }
    }

    fn fix(&mut self, spot: &Spot, speed_mps: f64, stamp: &UtcStamp) -> Vec<u8> {
        if std::mem::take(&mut self.was_blind) {
            self.wander_m = [0.0; 3].map(|_: f64| (self.noise.unit() - 0.5) * 2.0 * REACQUIRED_M);
        }
        let [east_m, north_m, up_m] = self.wander_m.map(|wander| wander + TREMBLE_M * self.noise.normal());
        let latitude = spot.latitude_deg + north_m / METERS_PER_DEGREE;
        let longitude = spot.longitude_deg + east_m / METERS_PER_DEGREE / spot.latitude_deg.to_radians().cos();
        let altitude_m = spot.altitude_m + 1.6 * up_m;
        let knots = (speed_mps + 0.03 * self.noise.normal()).abs() * KNOTS_PER_MPS;
        let course = (spot.heading_deg + 0.3 * self.noise.normal()).rem_euclid(360.0);
        let course = if speed_mps > COURSE_FROM_MPS { format!("{:05.1}", course % 360.0) } else { String::new() };
        let (satellites, hdop, sigma_m) = if spot.valley { (9, 1.3, 1.9) } else { (14, 0.7, 1.2) };
        let place = format!("{},{}", degrees(latitude, 2, 'N', 'S'), degrees(longitude, 3, 'E', 'W'));
        let UtcStamp { time, date } = stamp;
        let in_view = "02,04,06,08,10,12,14,16,18,20,22,24";
        [
            sentence(&format!("GNRMC,{time},A,{place},{knots:.3},{course},{date},,,A")),
            sentence(&format!("GNGGA,{time},{place},1,{satellites:02},{hdop:.1},{altitude_m:.1},M,54.0,M,,")),
            sentence(&format!("GNGSA,A,3,{in_view},{:.1},{hdop:.1},{:.1}", hdop * 1.7, hdop * 1.4)),
            sentence(&format!("GNGST,{time},,,,,{sigma_m:.1},{sigma_m:.1},{:.1}", sigma_m * 1.6)),
        ]
        .concat()
    }
}

fn no_fix(stamp: Option<UtcStamp>) -> Vec<u8> {
    let UtcStamp { time, date } = stamp.unwrap_or_default();
    [
        sentence(&format!("GNRMC,{time},V,,,,,,,{date},,,N")),
        sentence(&format!("GNGGA,{time},,,,,0,00,99.9,,,,,,")),
        sentence(&format!("GNGSA,A,1{}99.9,99.9,99.9", ",".repeat(13))),
        sentence(&format!("GNGST,{time},,,,,,,")),
    ]
    .concat()
}

/// With `$`, checksum and line end (NMEA 0183, 5.3).
fn sentence(body: &str) -> Vec<u8> {
    let sum = body.bytes().fold(0, |sum, byte| sum ^ byte);
    format!("${body}*{sum:02X}\r\n").into_bytes()
}

/// `ddmm.mmmmmm,N`: degrees with that many digits, minutes with six decimals.
fn degrees(value: f64, digits: usize, positive: char, negative: char) -> String {
    let side = if value < 0.0 { negative } else { positive };
    // Rounded as a whole, so that 59.9999999 minutes become a degree and not 60 minutes.
    let micro_minutes = (value.abs() * 60e6).round();
    let whole = (micro_minutes / 60e6).floor();
    let minutes = (micro_minutes - whole * 60e6) / 1e6;
    format!("{whole:0digits$.0}{minutes:09.6},{side}")
}

/// UTC as NMEA writes it: `hhmmss.sss` and `ddmmyy`; both empty while the time is not known.
#[derive(Debug, Clone, Default)]
struct UtcStamp {
    time: String,
    date: String,
}

impl UtcStamp {
    fn of(wall: WallTime) -> Self {
        let Ok(stamp) = jiff::Timestamp::from_microsecond(wall.as_unix_micros()) else { return Self::default() };
        let utc = stamp.to_zoned(jiff::tz::TimeZone::UTC).datetime();
        let (hour, minute, second, ms) = (utc.hour(), utc.minute(), utc.second(), utc.millisecond());
        Self {
            time: format!("{hour:02}{minute:02}{second:02}.{ms:03}"),
            date: format!("{:02}{:02}{:02}", utc.day(), utc.month(), utc.year() % 100),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences_have_the_published_checksum_and_form() {
        // The worked example of every NMEA text.
        let gga = sentence("GPGGA,092750.000,5321.6802,N,00630.3372,W,1,8,1.03,61.7,M,55.2,M,,");
        assert!(gga.ends_with(b"*76\r\n"));
        assert_eq!(degrees(44.999_999_999_9, 2, 'N', 'S'), "4500.000000,N");
        assert_eq!(degrees(-25.5, 3, 'E', 'W'), "02530.000000,W");
    }

    #[test]
    fn nothing_is_known_at_first_then_the_time_then_the_place_and_nothing_in_a_tunnel() {
        let mut receiver = Receiver::new(Rng::new(1));
        let wall = WallTime::from_unix_micros(1_772_434_800_000_000);
        let spot = Spot { latitude_deg: 44.0, longitude_deg: -25.0, ..Spot::default() };
        let mut run = |spot: &Spot, epochs: usize| -> String {
            let last = (0..epochs).map(|_| receiver.epoch(spot, 10.0, wall, false)).last();
            String::from_utf8(last.expect("some")).expect("ASCII")
        };
        assert!(run(&spot, 1).starts_with("$GNRMC,,V,"));
        assert!(run(&spot, 10).starts_with("$GNRMC,070000.000,V,,,,,,,020326,"));
        assert!(run(&spot, 30).starts_with("$GNRMC,070000.000,A,44"));
        assert!(run(&Spot { tunnel: true, ..spot }, 1).contains(",V,"));
        assert!(run(&spot, 1).contains(",V,"), "it takes a while to find the satellites again");
        assert!(run(&spot, 20).contains(",A,"));
    }
}
