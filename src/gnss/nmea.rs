//! One checked NMEA 0183 sentence to facts: GGA RMC GSA GST VTG ZDA GNS GLL, from any talker.
//!
//! We read the fields ourselves. The `nmea` crate (0.8.0) refuses every GNS of the four receivers at hand that send it
//! (96 sentences with three to five modes), a ZDA with signed time zone, a GSA with four dilutions, second 60 and
//! lines above 102 bytes; it takes `inf`, `nan` and 99 minutes of arc for good, and reads altitude as `f32`.
//!
//! An empty field is a fact that is not there. A field that is there and makes no sense condemns the sentence, because
//! a wrong value is worse than none. Fields behind those that we know are ignored: every version of the standard adds
//! some.

use jiff::civil;

use super::fix::Position;

/// Which sentence it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Gga,
    Rmc,
    Gns,
    Gll,
    Gsa,
    Gst,
    Vtg,
    Zda,
}

impl Kind {
    /// It tells a position, or that there is none.
    pub(super) fn is_positional(self) -> bool {
        matches!(self, Self::Gga | Self::Gns | Self::Rmc | Self::Gll)
    }
}

/// Talker and kind: what a receiver repeats in the same order in each epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tag {
    pub(super) talker: [u8; 2],
    pub(super) kind: Kind,
}

/// UTC since midnight in milliseconds; 86,400,000 and more in a leap second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct TimeOfDay(pub(super) u32);

/// Days since 1970-01-01.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Day(pub(super) i32);

/// How a position was found, worst first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Quality {
    Invalid,
    Synthetic,
    DeadReckoning,
    Gnss,
    Differential,
    RtkFloat,
    RtkFixed,
}

/// What a sentence says; a field that is empty or that the sentence does not have is `None`.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Facts {
    pub(super) time: Option<TimeOfDay>,
    pub(super) day: Option<Day>,
    pub(super) quality: Option<Quality>,
    pub(super) position: Option<Position>,
    pub(super) altitude_m: Option<f64>,
    pub(super) satellites: Option<u8>,
    pub(super) hdop: Option<f64>,
    /// 2 or 3.
    pub(super) dimensions: Option<u8>,
    pub(super) horizontal_m: Option<f64>,
    pub(super) speed_mps: Option<f64>,
    pub(super) course_deg: Option<f64>,
}

/// What became of a sentence.
#[derive(Debug, PartialEq)]
pub(super) enum Parsed {
    Facts(Tag, Facts),
    /// Of a kind that we do not read.
    Ignored,
    /// The checksum is right, a field is not.
    Malformed,
}

/// Dilutions from here on mean "unknown" (99.99 is what most receivers send without a fix).
const HDOP_UNKNOWN: f64 = 50.0;
/// One knot is 1,852 m/h by definition.
const MPS_PER_KNOT: f64 = 1852.0 / 3600.0;
const MPS_PER_KMH: f64 = 1.0 / 3.6;
/// Two-digit years from here on belong to the twentieth century: the GPS epoch is 1980.
const CENTURY_PIVOT: i16 = 80;

/// A field is there and makes no sense.
struct Nonsense;

type Field<T> = Result<Option<T>, Nonsense>;

/// Reads what stands between `$` and `*`.
pub(super) fn parse(body: &[u8]) -> Parsed {
    let fields = Fields(body);
    let &[first, second, ref name @ ..] = fields.get(0) else { return Parsed::Ignored };
    if first == b'P' {
        return Parsed::Ignored;
    }
    let (kind, facts) = match name {
        b"GGA" => (Kind::Gga, gga(&fields)),
        b"RMC" => (Kind::Rmc, rmc(&fields)),
        b"GNS" => (Kind::Gns, gns(&fields)),
        b"GLL" => (Kind::Gll, gll(&fields)),
        b"GSA" => (Kind::Gsa, gsa(&fields)),
        b"GST" => (Kind::Gst, gst(&fields)),
        b"VTG" => (Kind::Vtg, vtg(&fields)),
        b"ZDA" => (Kind::Zda, zda(&fields)),
        _ => return Parsed::Ignored,
    };
    match facts {
        Ok(facts) => Parsed::Facts(Tag { talker: [first, second], kind }, facts),
        Err(Nonsense) => Parsed::Malformed,
    }
}

fn gga(fields: &Fields<'_>) -> Result<Facts, Nonsense> {
    let quality = match fields.get(6) {
        b"" | b"0" => Quality::Invalid,
        b"1" | b"3" => Quality::Gnss,
        // 9 is NovAtel's for SBAS.
        b"2" | b"9" => Quality::Differential,
        b"4" => Quality::RtkFixed,
        b"5" => Quality::RtkFloat,
        b"6" => Quality::DeadReckoning,
        b"7" | b"8" => Quality::Synthetic,
        _ => return Err(Nonsense),
    };
    Ok(Facts {
        time: fields.time(1)?,
        position: fields.position(2)?,
        quality: Some(quality),
        satellites: fields.count(7)?,
        hdop: fields.hdop(8)?,
        altitude_m: fields.number(9)?,
        ..Facts::default()
    })
}

fn rmc(fields: &Fields<'_>) -> Result<Facts, Nonsense> {
    Ok(Facts {
        time: fields.time(1)?,
        quality: Some(fields.status(2, 12)?),
        position: fields.position(3)?,
        speed_mps: fields.magnitude(7)?.map(|knots| knots * MPS_PER_KNOT),
        course_deg: fields.course(8)?,
        day: fields.day_two_digits(9)?,
        ..Facts::default()
    })
}

fn gns(fields: &Fields<'_>) -> Result<Facts, Nonsense> {
    let quality = fields.get(6).iter().map(|&mode| mode_quality(mode)).collect::<Option<Vec<_>>>().ok_or(Nonsense)?;
    Ok(Facts {
        time: fields.time(1)?,
        position: fields.position(2)?,
        quality: Some(quality.into_iter().max().unwrap_or(Quality::Invalid)),
        satellites: fields.count(7)?,
        hdop: fields.hdop(8)?,
        altitude_m: fields.number(9)?,
        ..Facts::default()
    })
}

fn gll(fields: &Fields<'_>) -> Result<Facts, Nonsense> {
    Ok(Facts {
        position: fields.position(1)?,
        time: fields.time(5)?,
        quality: Some(fields.status(6, 7)?),
        ..Facts::default()
    })
}

fn gsa(fields: &Fields<'_>) -> Result<Facts, Nonsense> {
    let dimensions = match fields.get(2) {
        b"" | b"1" => None,
        b"2" => Some(2),
        b"3" => Some(3),
        _ => return Err(Nonsense),
    };
    Ok(Facts { dimensions, hdop: fields.hdop(16)?, ..Facts::default() })
}

fn gst(fields: &Fields<'_>) -> Result<Facts, Nonsense> {
    let sigmas = fields.number(6)?.zip(fields.number(7)?);
    Ok(Facts {
        time: fields.time(1)?,
        horizontal_m: sigmas.map(|(latitude, longitude)| latitude.hypot(longitude)).filter(|&sigma| sigma > 0.0),
        ..Facts::default()
    })
}

fn vtg(fields: &Fields<'_>) -> Result<Facts, Nonsense> {
    // Before NMEA 2.0 there were no letters, and the fields stood elsewhere.
    if !matches!(fields.get(2), b"T" | b"") || matches!(fields.get(9), b"N") {
        return Ok(Facts::default());
    }
    let knots = fields.magnitude(5)?.map(|knots| knots * MPS_PER_KNOT);
    let kmh = fields.magnitude(7)?.map(|kmh| kmh * MPS_PER_KMH);
    Ok(Facts { course_deg: fields.course(1)?, speed_mps: knots.or(kmh), ..Facts::default() })
}

fn zda(fields: &Fields<'_>) -> Result<Facts, Nonsense> {
    let time = fields.time(1)?;
    let day = match [fields.get(2), fields.get(3), fields.get(4)] {
        [b"", b"", b""] => None,
        [day, month, year] => Some(day_from(year, month, day).ok_or(Nonsense)?),
    };
    Ok(Facts { time, day, ..Facts::default() })
}

/// The mode indicator of NMEA 2.3 and later.
fn mode_quality(mode: u8) -> Option<Quality> {
    Some(match mode {
        b'N' => Quality::Invalid,
        b'A' | b'P' => Quality::Gnss,
        b'D' => Quality::Differential,
        b'E' => Quality::DeadReckoning,
        b'F' => Quality::RtkFloat,
        b'R' => Quality::RtkFixed,
        b'M' | b'S' => Quality::Synthetic,
        _ => return None,
    })
}

/// The comma-separated fields; the address is number 0. An empty field is none.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn get(&self, index: usize) -> &'a [u8] {
        self.0.split(|&byte| byte == b',').nth(index).unwrap_or_default()
    }

    fn read<T>(&self, index: usize, read: impl FnOnce(&'a [u8]) -> Option<T>) -> Field<T> {
        match self.get(index) {
            b"" => Ok(None),
            field => read(field).map(Some).ok_or(Nonsense),
        }
    }

    fn number(&self, index: usize) -> Field<f64> {
        self.read(index, decimal)
    }

    fn magnitude(&self, index: usize) -> Field<f64> {
        self.read(index, |field| decimal(field).filter(|&value| value >= 0.0))
    }

    fn count(&self, index: usize) -> Field<u8> {
        self.read(index, small)
    }

    fn hdop(&self, index: usize) -> Field<f64> {
        Ok(self.number(index)?.filter(|&hdop| hdop > 0.0 && hdop < HDOP_UNKNOWN))
    }

    fn course(&self, index: usize) -> Field<f64> {
        self.read(index, |field| decimal(field).filter(|course| (0.0..=360.0).contains(course)))
    }

    /// `hhmmss` with any number of decimals.
    fn time(&self, index: usize) -> Field<TimeOfDay> {
        self.read(index, |field| {
            let (&[h1, h0, m1, m0], seconds) = field.split_first_chunk()?;
            let (hours, minutes, seconds) = (small::<u32>(&[h1, h0])?, small::<u32>(&[m1, m0])?, decimal(seconds)?);
            if hours > 23 || minutes > 59 || !(0.0..61.0).contains(&seconds) {
                return None;
            }
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 61,000")]
            let millis = (seconds * 1_000.0).round() as u32;
            Some(TimeOfDay((hours * 60 + minutes) * 60_000 + millis))
        })
    }

    /// `ddmmyy`.
    fn day_two_digits(&self, index: usize) -> Field<Day> {
        self.read(index, |field| {
            let &[d1, d0, m1, m0, y1, y0] = field else { return None };
            let year: i16 = small(&[y1, y0])?;
            let century = if year >= CENTURY_PIVOT { 1_900 } else { 2_000 };
            day_of(century + year, small(&[m1, m0])?, small(&[d1, d0])?)
        })
    }

    /// Four fields: `ddmm.mm`, N or S, `dddmm.mm`, E or W.
    fn position(&self, index: usize) -> Field<Position> {
        let [latitude, north, longitude, east] = [0, 1, 2, 3].map(|offset| self.get(index + offset));
        if latitude.is_empty() && longitude.is_empty() {
            return Ok(None);
        }
        let latitude = degrees(latitude, 90.0).ok_or(Nonsense)?;
        let longitude = degrees(longitude, 180.0).ok_or(Nonsense)?;
        let latitude_deg = match north {
            b"N" => latitude,
            b"S" => -latitude,
            _ => return Err(Nonsense),
        };
        let longitude_deg = match east {
            b"E" => longitude,
            b"W" => -longitude,
            _ => return Err(Nonsense),
        };
        Ok(Some(Position { latitude_deg, longitude_deg }))
    }

    /// The status field `A` or `V`, made finer by the mode field where there is one.
    fn status(&self, status: usize, mode: usize) -> Result<Quality, Nonsense> {
        let usual = match self.get(status) {
            b"A" => Quality::Gnss,
            // Old Garmins.
            b"D" => Quality::Differential,
            b"V" | b"" => return Ok(Quality::Invalid),
            _ => return Err(Nonsense),
        };
        match self.get(mode) {
            b"" => Ok(usual),
            &[mode] => mode_quality(mode).ok_or(Nonsense),
            _ => Err(Nonsense),
        }
    }
}

/// The longest number that is read: more digits than that are no measurement.
const NUMBER_LIMIT: usize = 24;

/// A number as the standard has it: no exponent, no `inf`, no `nan`.
fn decimal(field: &[u8]) -> Option<f64> {
    let plain = field.iter().all(|&byte| matches!(byte, b'0'..=b'9' | b'.' | b'-' | b'+'));
    if !plain || field.len() > NUMBER_LIMIT {
        return None;
    }
    str::from_utf8(field).ok()?.parse().ok()
}

/// A whole number without sign.
fn small<T: std::str::FromStr>(field: &[u8]) -> Option<T> {
    field.iter().all(u8::is_ascii_digit).then(|| str::from_utf8(field).ok()?.parse().ok())?
}

/// `dddmm.mm` to degrees.
fn degrees(field: &[u8], limit: f64) -> Option<f64> {
    let value = decimal(field).filter(|&value| value >= 0.0)?;
    let whole = (value / 100.0).floor();
    let minutes = value - whole * 100.0;
    let degrees = whole + minutes / 60.0;
    (minutes < 60.0 && degrees <= limit).then_some(degrees)
}

fn day_from(year: &[u8], month: &[u8], day: &[u8]) -> Option<Day> {
    day_of(small(year)?, small(month)?, small(day)?)
}

fn day_of(year: i16, month: i8, day: i8) -> Option<Day> {
    let date = civil::Date::new(year, month, day).ok()?;
    let since = civil::date(1970, 1, 1).until(date).ok()?;
    Some(Day(since.get_days()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(body: &str) -> Facts {
        match parse(body.as_bytes()) {
            Parsed::Facts(_, facts) => facts,
            other => panic!("{body}: {other:?}"),
        }
    }

    #[test]
    fn every_kind_gives_its_facts() {
        let gga = facts("GNGGA,014500.00,4404.1306024,N,12118.8446777,W,2,12,0.49,1129.913,M,-21.350,M,,0278");
        assert_eq!(gga.time, Some(TimeOfDay(6_300_000)));
        let position = gga.position.expect("there is one");
        assert!((position.latitude_deg - 44.068_843_373).abs() < 1e-9);
        assert!((position.longitude_deg + 121.314_077_962).abs() < 1e-9);
        assert_eq!((gga.quality, gga.satellites, gga.hdop), (Some(Quality::Differential), Some(12), Some(0.49)));
        assert_eq!(gga.altitude_m, Some(1129.913));

        let rmc = facts("GPRMC,132820.60,A,4134.49821229,N,09345.03351845,W,3.252,92.308,180320,11.5985,E,D");
        assert_eq!((rmc.day, rmc.course_deg), (Some(Day(18_339)), Some(92.308)));
        assert!((rmc.speed_mps.expect("there is one") - 1.672_973).abs() < 1e-6);

        let gns = facts("GNGNS,120213.000,5957.0062,N,01100.6429,E,NDD,11,1.3,168.9,39.5,,,V");
        assert_eq!((gns.quality, gns.satellites), (Some(Quality::Differential), Some(11)));
        let gll = facts("GPGLL,4916.45,N,12311.12,W,225444,A");
        assert_eq!((gll.quality, gll.time), (Some(Quality::Gnss), Some(TimeOfDay(82_484_000))));
        let gsa = facts("GNGSA,A,3,21,30,46,13,17,51,14,44,15,19,07,01,0.98,0.49,0.84,1");
        assert_eq!((gsa.dimensions, gsa.hdop), (Some(3), Some(0.49)));
        assert_eq!(facts("GPGST,172814.0,0.006,0.023,0.020,273.6,3.0,4.0,0.031").horizontal_m, Some(5.0));
        let vtg = facts("GPVTG,220.86,T,,M,2.0,N,3.704,K,A");
        assert_eq!((vtg.course_deg, vtg.speed_mps), (Some(220.86), Some(2.0 * MPS_PER_KNOT)));
        assert_eq!(facts("GPVTG,,T,,M,,N,3.6,K,A").speed_mps, Some(1.0));
        let zda = facts("GPZDA,235960.00,31,12,2016,+00,00");
        assert_eq!((zda.time, zda.day), (Some(TimeOfDay(86_400_000)), Some(Day(17_166))));
    }

    #[test]
    fn any_talker_is_welcome_and_proprietary_sentences_are_not_ours() {
        for talker in ["GP", "GN", "GL", "GA", "GB", "BD", "GQ", "GI", "II"] {
            assert!(matches!(parse(format!("{talker}GLL,,,,,,V,N").as_bytes()), Parsed::Facts(_, _)), "{talker}");
        }
        for other in ["PUBX,00", "PGGGA,", "GPGSV,1,1,00", "", "G", "GPTXT,01,01,02,u-blox"] {
            assert_eq!(parse(other.as_bytes()), Parsed::Ignored, "{other}");
        }
    }

    #[test]
    fn empty_fields_are_no_facts_and_no_fix() {
        assert_eq!(facts("GPGGA,,,,,,0,,,,,,,,"), Facts { quality: Some(Quality::Invalid), ..Facts::default() });
        assert_eq!(facts("GPRMC,,V,,,,,,,,,,N"), Facts { quality: Some(Quality::Invalid), ..Facts::default() });
        assert_eq!(facts("GPVTG,,T,,M,,N,,K,N"), Facts::default());
        assert_eq!(facts("GPGSA,A,1,,,,,,,,,,,,,99.99,99.99,99.99"), Facts::default());
        assert_eq!(facts("GPZDA,,,,,,"), Facts::default());
    }

    #[test]
    fn a_field_that_makes_no_sense_condemns_the_sentence() {
        for body in [
            "GPGGA,254500.00,4404.13,N,12118.84,W,1,12,0.5,11.9,M,,M,,",
            "GPGGA,014500.00,4460.00,N,12118.84,W,1,12,0.5,11.9,M,,M,,",
            "GPGGA,014500.00,9000.01,N,12118.84,W,1,12,0.5,11.9,M,,M,,",
            "GPGGA,014500.00,4404.13,X,12118.84,W,1,12,0.5,11.9,M,,M,,",
            "GPGGA,014500.00,4404.13,N,,,1,12,0.5,11.9,M,,M,,",
            "GPGGA,014500.00,inf,N,12118.84,W,1,12,0.5,11.9,M,,M,,",
            "GPGGA,014500.00,4404.13,N,12118.84,W,1,12,1e1,11.9,M,,M,,",
            "GPGGA,014500.00,4404.13,N,12118.84,W,X,12,0.5,11.9,M,,M,,",
            "GPGGA,014500.00,4404.13,N,12118.84,W,1,300,0.5,11.9,M,,M,,",
            "GPGGA,0145,4404.13,N,12118.84,W,1,12,0.5,11.9,M,,M,,",
            "GPRMC,014500.00,A,4404.13,N,12118.84,W,0.0,,310221,,,A",
            "GPRMC,014500.00,A,4404.13,N,12118.84,W,0.0,361.0,010221,,,A",
            "GPRMC,014500.00,A,4404.13,N,12118.84,W,-1.0,,010221,,,A",
            "GPRMC,014500.00,Z,4404.13,N,12118.84,W,0.0,,010221,,,A",
        ] {
            assert_eq!(parse(body.as_bytes()), Parsed::Malformed, "{body}");
        }
    }
}
