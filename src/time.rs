//! Two kinds of time that never mix.
//!
//! [`MonoTime`] orders things and measures intervals: nanoseconds of `CLOCK_BOOTTIME`, which counts through suspend
//! and which nobody can set. [`WallTime`] stamps things for people: microseconds UTC since the Unix epoch, known only
//! through a [`TimeSource`] and within an uncertainty. [`Clock`] holds the one mapping between the two.
//!
//! A jump of the wall clock moves the mapping and nothing else: no interval, deadline or order depends on it. What
//! happened before the wall time was known is stamped later, from its monotonic time ([`Clock::wall_at`]).

use std::fmt;
use std::ops::{Add, Sub};
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Nanoseconds since the machine booted, suspend included (`CLOCK_BOOTTIME`, clock_gettime(2)).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct MonoTime(u64);

impl MonoTime {
    /// The moment the machine booted.
    pub const ZERO: Self = Self(0);

    /// From nanoseconds since boot.
    #[must_use]
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// From milliseconds since boot.
    #[must_use]
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis.saturating_mul(1_000_000))
    }

    /// Nanoseconds since boot.
    #[must_use]
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// Milliseconds since boot, rounded down.
    #[must_use]
    pub const fn as_millis(self) -> u64 {
        self.0 / 1_000_000
    }

    /// Seconds since boot.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "2^53 ns are 104 days; beyond that a microsecond is exact enough")]
    pub const fn as_secs_f64(self) -> f64 {
        self.0 as f64 / 1e9
    }

    /// The time that passed since `earlier`; zero when `earlier` is the later one.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for MonoTime {
    type Output = Self;
    fn add(self, span: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)))
    }
}

impl Sub<Duration> for MonoTime {
    type Output = Self;
    fn sub(self, span: Duration) -> Self {
        Self(self.0.saturating_sub(u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)))
    }
}

/// Microseconds UTC since 1970-01-01T00:00:00Z, leap seconds not counted (POSIX).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct WallTime(i64);

impl WallTime {
    /// From microseconds since the Unix epoch.
    #[must_use]
    pub const fn from_unix_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// Microseconds since the Unix epoch.
    #[must_use]
    pub const fn as_unix_micros(self) -> i64 {
        self.0
    }

    /// The time `span` later.
    #[must_use]
    pub fn plus(self, span: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(span.as_micros()).unwrap_or(i64::MAX)))
    }

    /// The time `span` earlier.
    #[must_use]
    pub fn minus(self, span: Duration) -> Self {
        Self(self.0.saturating_sub(i64::try_from(span.as_micros()).unwrap_or(i64::MAX)))
    }
}

/// RFC 3339 with milliseconds, `2026-11-21T09:00:00.000Z`: the form of the CloudEvents `time` attribute.
impl fmt::Display for WallTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_microsecond(self.0) {
            Ok(stamp) => write!(f, "{stamp:.3}"),
            Err(_) => write!(f, "@{}us", self.0),
        }
    }
}

/// Where a wall time comes from, least trusted first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TimeSource {
    /// The machine's clock, set by nobody that we know of: a battery-backed RTC at best.
    Rtc,
    /// The machine's clock, which the kernel says is disciplined (`adjtimex`: not `STA_UNSYNC`).
    Ntp,
    /// A trusted GNSS fix.
    Gnss,
}

impl TimeSource {
    /// The name in metrics and in the `timesource` extension of a CloudEvent.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rtc => "rtc",
            Self::Ntp => "ntp",
            Self::Gnss => "gnss",
        }
    }
}

/// One look at the wall clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WallReading {
    /// The wall time at the moment of the reading.
    pub wall: WallTime,
    /// Who says so.
    pub source: TimeSource,
    /// Half of the interval that surely holds the true time.
    pub uncertainty: Duration,
}

/// A wall time with its pedigree: what a record is stamped with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct WallStamp {
    /// UTC.
    pub wall: WallTime,
    /// Who knew it.
    pub source: TimeSource,
    /// Half of the interval that surely holds the true time, in microseconds.
    pub uncertainty_us: u64,
}

/// The kernel's boot (`/proc/sys/kernel/random/boot_id`, hashed): two [`MonoTime`]s compare only within one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct KernelBoot(pub u64);

/// When something happened, kept so that it can be stamped later.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamp {
    /// The boot that `mono` counts from.
    pub boot: KernelBoot,
    /// The moment.
    pub mono: MonoTime,
    /// What the wall clock said of that moment when the stamp was made, if anything.
    pub wall: Option<WallStamp>,
}

/// 2026-01-01T00:00:00Z: no run of this version is earlier, so a clock that says so was never set, and a receiver that
/// says so has rolled over its week.
pub const DATE_FLOOR: WallTime = WallTime::from_unix_micros(1_767_225_600_000_000);

/// How much a free-running crystal may drift: 100 ppm covers the automotive temperature range
/// (an ordinary 32 kHz crystal: ±20 ppm at 25 °C, −0.034 ppm/°C² away from it).
pub const DRIFT_PPM: u32 = 100;

/// A step of the mapping larger than this is reported; smaller ones are the ordinary noise of a source.
pub const STEP_REPORTED: Duration = Duration::from_secs(1);

/// What a reading changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClockChange {
    /// The wall time is known for the first time, or from a better source.
    Acquired(TimeSource),
    /// The wall time of one and the same moment moved by this many microseconds.
    Stepped(i64),
}

/// The mapping from monotonic to wall time, from the best reading so far.
#[derive(Debug, Clone, Default)]
pub struct Clock {
    anchor: Option<Anchor>,
}

#[derive(Debug, Clone, Copy)]
struct Anchor {
    mono: MonoTime,
    reading: WallReading,
}

impl Anchor {
    fn uncertainty_at(&self, mono: MonoTime) -> Duration {
        let span = mono.since(self.mono) + self.mono.since(mono);
        self.reading.uncertainty + span * DRIFT_PPM / 1_000_000
    }

    fn wall_at(&self, mono: MonoTime) -> WallTime {
        if mono >= self.mono {
            self.reading.wall.plus(mono.since(self.mono))
        } else {
            self.reading.wall.minus(self.mono.since(mono))
        }
    }
}

impl Clock {
    /// Takes a reading made at `now`. It replaces the mapping when it is at least as certain as what the old mapping,
    /// aged by [`DRIFT_PPM`], would still say; so an RTC never overrules a recent GNSS fix, and after a long tunnel
    /// NTP may.
    pub fn offer(&mut self, now: MonoTime, reading: WallReading) -> Option<ClockChange> {
        let Some(anchor) = self.anchor else {
            self.anchor = Some(Anchor { mono: now, reading });
            return Some(ClockChange::Acquired(reading.source));
        };
        if reading.uncertainty > anchor.uncertainty_at(now) && reading.source != anchor.reading.source {
            return None;
        }
        self.anchor = Some(Anchor { mono: now, reading });
        let step = reading.wall.as_unix_micros().saturating_sub(anchor.wall_at(now).as_unix_micros());
        if u128::from(step.unsigned_abs()) > STEP_REPORTED.as_micros() {
            return Some(ClockChange::Stepped(step));
        }
        (reading.source > anchor.reading.source).then_some(ClockChange::Acquired(reading.source))
    }

    /// The wall time of a moment of this boot, also of one that lies before the first reading.
    #[must_use]
    pub fn wall_at(&self, mono: MonoTime) -> Option<WallStamp> {
        self.anchor.map(|anchor| WallStamp {
            wall: anchor.wall_at(mono),
            source: anchor.reading.source,
            uncertainty_us: u64::try_from(anchor.uncertainty_at(mono).as_micros()).unwrap_or(u64::MAX),
        })
    }

    /// Who the wall time comes from at present; none before the first reading.
    #[must_use]
    pub fn source(&self) -> Option<TimeSource> {
        self.anchor.map(|anchor| anchor.reading.source)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(secs: i64, source: TimeSource, uncertainty_ms: u64) -> WallReading {
        WallReading {
            wall: WallTime::from_unix_micros(secs * 1_000_000),
            source,
            uncertainty: Duration::from_millis(uncertainty_ms),
        }
    }

    #[test]
    fn a_moment_before_the_first_reading_is_stamped_from_it() {
        let mut clock = Clock::default();
        assert_eq!(clock.wall_at(MonoTime::from_millis(10_000)), None);
        clock.offer(MonoTime::from_millis(60_000), reading(1_700_000_060, TimeSource::Gnss, 50));
        let stamp = clock.wall_at(MonoTime::from_millis(10_000)).expect("known now");
        assert_eq!(stamp.wall.as_unix_micros(), 1_700_000_010_000_000);
        assert_eq!(stamp.uncertainty_us, 50_000 + 5_000, "50 s at 100 ppm are 5 ms");
    }

    #[test]
    fn an_rtc_does_not_overrule_gnss_until_the_fix_has_aged_below_it() {
        let mut clock = Clock::default();
        clock.offer(MonoTime::ZERO, reading(1_000, TimeSource::Gnss, 50));
        assert_eq!(clock.offer(MonoTime::from_millis(1_000), reading(5_000, TimeSource::Rtc, 60_000)), None);
        assert_eq!(clock.source(), Some(TimeSource::Gnss));
        let eight_days = MonoTime::from_millis(8 * 86_400_000);
        assert!(clock.offer(eight_days, reading(5_000, TimeSource::Rtc, 60_000)).is_some());
        assert_eq!(clock.source(), Some(TimeSource::Rtc));
    }

    #[test]
    fn a_step_is_reported_with_its_size_both_ways() {
        let mut clock = Clock::default();
        clock.offer(MonoTime::ZERO, reading(1_000, TimeSource::Rtc, 1_000));
        let later = MonoTime::from_millis(1_000);
        assert_eq!(clock.offer(later, reading(1_101, TimeSource::Rtc, 1_000)), Some(ClockChange::Stepped(100_000_000)));
        assert_eq!(
            clock.offer(later, reading(1_001, TimeSource::Rtc, 1_000)),
            Some(ClockChange::Stepped(-100_000_000))
        );
    }

    #[test]
    fn wall_time_prints_as_rfc_3339() {
        assert_eq!(WallTime::from_unix_micros(1_533_224_127_004_572).to_string(), "2018-08-02T15:35:27.004Z");
        assert_eq!(WallTime::from_unix_micros(i64::MAX).to_string(), format!("@{}us", i64::MAX));
    }
}
