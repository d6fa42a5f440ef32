//! One position, velocity and time out of one epoch.

use crate::time::{MonoTime, TimeSource, WallReading, WallTime};
use std::time::Duration;

/// How long after the instant of an epoch its first byte may reach us: receivers compute for 50 to 250 ms, the serial
/// driver and a busy core add the rest. The true instant lies anywhere in that span before [`Fix::at`].
pub const ARRIVAL_DELAY_LIMIT: Duration = Duration::from_millis(500);

/// A place on WGS 84.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Position {
    /// Degrees, north positive, −90 to 90.
    pub latitude_deg: f64,
    /// Degrees, east positive, −180 to 180.
    pub longitude_deg: f64,
}

/// The mean radius of the Earth (IUGG), for distances on a sphere: within 0.6 % of the ellipsoid's.
const EARTH_RADIUS_M: f64 = 6_371_008.8;

impl Position {
    /// The great-circle distance in metres.
    #[must_use]
    pub fn distance_m(self, other: Self) -> f64 {
        let half_latitude = (other.latitude_deg - self.latitude_deg).to_radians() / 2.0;
        let half_longitude = (other.longitude_deg - self.longitude_deg).to_radians() / 2.0;
        let cosines = self.latitude_deg.to_radians().cos() * other.latitude_deg.to_radians().cos();
        let haversine = half_latitude.sin().powi(2) + cosines * half_longitude.sin().powi(2);
        2.0 * EARTH_RADIUS_M * haversine.clamp(0.0, 1.0).sqrt().asin()
    }
}

/// What kind of solution a fix is, worst first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum FixKind {
    /// The receiver has none.
    None,
    /// From wheels and gyroscope alone.
    DeadReckoning,
    /// Satellites, the height assumed.
    TwoD,
    /// Satellites.
    ThreeD,
    /// Satellites with differential corrections (SBAS or a base station).
    Differential,
    /// Carrier phase, ambiguities not yet fixed.
    RtkFloat,
    /// Carrier phase, ambiguities fixed.
    RtkFixed,
}

impl FixKind {
    /// The name in state documents and metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::DeadReckoning => "dead_reckoning",
            Self::TwoD => "2d",
            Self::ThreeD => "3d",
            Self::Differential => "dgnss",
            Self::RtkFloat => "rtk_float",
            Self::RtkFixed => "rtk_fixed",
        }
    }
}

/// How far off the position may be, horizontally, one sigma.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Accuracy {
    /// Metres.
    pub horizontal_m: f64,
    /// Who says so.
    pub from: AccuracySource,
}

/// Where an accuracy comes from, weakest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum AccuracySource {
    /// Horizontal dilution of precision times the range error that is usual for the kind of fix.
    Hdop,
    /// The receiver's own estimate in a GST sentence.
    Gst,
    /// The receiver's own estimate in UBX NAV-PVT.
    UbxHAcc,
}

/// Why a position is not believed. See [`super::plausibility`] for the rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PositionDoubt {
    /// The receiver says that it was entered by hand or simulated.
    Synthetic,
    /// Latitude and longitude zero: a receiver's empty memory, not the Gulf of Guinea.
    NullIsland,
    /// No car gets there from the last believed place in that time.
    Jump,
    /// It does not move although the receiver reports speed.
    Frozen,
}

/// Why a UTC time is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimeDoubt {
    /// The fix itself is not valid: the time runs on the receiver's own crystal.
    NoFix,
    /// Outside the 1,024 weeks that begin with the date floor: a week-rollover error or an unset clock.
    WeekRollover,
    /// It ran backwards or leapt against the monotonic clock.
    Stepped,
}

/// What the receiver said in one epoch, and what we think of it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Fix {
    /// When the first byte of the epoch came.
    pub at: MonoTime,
    /// The kind of solution. With [`FixKind::None`] there is no position.
    pub kind: FixKind,
    /// Where, as the receiver says.
    pub position: Option<Position>,
    /// Why that is not believed.
    pub position_doubt: Option<PositionDoubt>,
    /// How good it is.
    pub accuracy: Option<Accuracy>,
    /// Metres above mean sea level.
    pub altitude_m: Option<f64>,
    /// Speed over ground in m/s.
    pub speed_mps: Option<f64>,
    /// Course over ground, degrees from true north; receivers leave it out at rest.
    pub course_deg: Option<f64>,
    /// UTC of the epoch, as the receiver says.
    pub utc: Option<WallTime>,
    /// Why that is not believed.
    pub time_doubt: Option<TimeDoubt>,
    /// Satellites used, as far as the receiver's sentences count (GGA may stop at 12).
    pub satellites: Option<u8>,
}

impl Fix {
    /// The position, if it is believed.
    #[must_use]
    pub fn trusted_position(&self) -> Option<Position> {
        self.position.filter(|_| self.position_doubt.is_none())
    }

    /// What the fix says of the wall clock at [`Fix::at`], if its time is believed: the middle of
    /// [`ARRIVAL_DELAY_LIMIT`], give or take half of it.
    #[must_use]
    pub fn reading(&self) -> Option<WallReading> {
        let utc = self.utc.filter(|_| self.time_doubt.is_none())?;
        let half = ARRIVAL_DELAY_LIMIT / 2;
        Some(WallReading { wall: utc.plus(half), source: TimeSource::Gnss, uncertainty: half })
    }
}
