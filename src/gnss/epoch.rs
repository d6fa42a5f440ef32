//! The sentences of one epoch become one [`Fix`].
//!
//! A receiver sends several sentences for one instant, in an order of its own, at 1 to 10 Hz, and nothing says which is
//! the last. An epoch ends
//!
//! 1. when the sentences that came are exactly those of the last [`SHAPE_EPOCHS`] epochs (its learned *shape*): at once;
//! 2. when a positional sentence (GGA, GNS, RMC, GLL) of another time comes; or, where the receiver knows no time, one
//!    of a kind and talker that the epoch has already;
//! 3. when the port was quiet for [`QUIET`], or the epoch is older than [`EPOCH_LIMIT`].
//!
//! A sentence whose epoch is over gives its date and is dropped and counted; the shape was wrong, and each such error
//! makes the next shape harder to believe. An epoch without a positional sentence makes no fix.
//!
//! GSA and VTG carry no time and belong to the epoch that is open, else to the next. A position is taken from GGA
//! before GNS, RMC and GLL (GGA comes with the most digits); satellites are the most that any sentence counts; one RMC
//! or GLL that says *invalid* outweighs a GGA that does not, unless another RMC or GLL says *valid*.

use std::time::Duration;

use super::fix::{Accuracy, AccuracySource, Fix, FixKind, Position};
use super::nmea::{Day, Facts, Kind, Quality, Tag, TimeOfDay};
use crate::time::{MonoTime, WallTime};

/// An epoch is over when no byte came for this long: longer than what a busy USB stack holds back, shorter than the
/// pause after the epoch at 1 to 4 Hz. Faster receivers are told by shape and by time.
pub const QUIET: Duration = Duration::from_millis(200);

/// The longest epoch: 1 Hz, and the port never quiet (a slow line full of GSV, or noise).
pub const EPOCH_LIMIT: Duration = Duration::from_millis(1_500);

/// So many equal epochs in a row make a shape.
pub const SHAPE_EPOCHS: u32 = 3;

/// More sentences that count do not fit into an epoch; the rest is merged, but such an epoch has no shape. Eight
/// GSA and two talkers of each other kind are 22.
const TAGS_LIMIT: usize = 32;

/// The worst distrust against shapes: one that was wrong four times needs this many equal epochs.
const SHAPE_EPOCHS_LIMIT: u32 = 1_000;

/// A sentence with the time of the epoch that just ended is late for this long; after that, the receiver's clock
/// stands still and the sentence begins a new epoch.
const LATE: Duration = Duration::from_millis(500);

/// A date that RMC or ZDA told is carried to epochs without one for this long.
const DATE_LIMIT: Duration = Duration::from_secs(6 * 3_600);

/// The range error (one sigma, metres) that HDOP multiplies, where the receiver does not estimate its accuracy itself:
/// ionosphere and multipath in a street with a single-frequency receiver; what is left of them with corrections.
const RANGE_ERROR_AUTONOMOUS_M: f64 = 6.0;
const RANGE_ERROR_DIFFERENTIAL_M: f64 = 2.0;
const RANGE_ERROR_RTK_FLOAT_M: f64 = 0.5;
const RANGE_ERROR_RTK_FIXED_M: f64 = 0.02;

const DAY_MS: i64 = 86_400_000;

/// A fix as the receiver says it, and whether it was entered by hand or simulated.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Draft {
    pub(super) fix: Fix,
    pub(super) synthetic: bool,
}

/// Sentences in, at most one draft per epoch out.
#[derive(Debug)]
pub(super) struct Assembler {
    open: Option<Epoch>,
    shape: Shape,
    ended: Option<(TimeOfDay, MonoTime)>,
    date: Option<Date>,
    late: u64,
}

impl Assembler {
    pub(super) fn new() -> Self {
        Self { open: None, shape: Shape::new(), ended: None, date: None, late: 0 }
    }

    /// Sentences that came after their epoch had ended.
    pub(super) fn late(&self) -> u64 {
        self.late
    }

    /// Takes a sentence whose first byte came at `at`; what it completes goes to `out`, at most two.
    pub(super) fn add(&mut self, at: MonoTime, tag: Tag, facts: &Facts, out: &mut impl FnMut(Draft)) {
        if self.is_late(at, tag, facts) {
            self.late += 1;
            self.shape.was_wrong();
            self.date = Date::told(at, facts).or(self.date);
            return;
        }
        if self.open.as_ref().is_some_and(|epoch| epoch.is_ended_by(tag, facts)) {
            self.end(out);
        }
        let epoch = self.open.get_or_insert_with(|| Epoch::new(at));
        epoch.merge(tag, facts);
        if self.shape.is_completed_by(&epoch.tags) {
            self.end(out);
        }
    }

    /// Bytes came, whatever they are: the epoch goes on.
    pub(super) fn heard(&mut self, now: MonoTime) {
        if let Some(epoch) = &mut self.open {
            epoch.heard = now;
        }
    }

    /// When the open epoch ends by itself.
    pub(super) fn deadline(&self) -> Option<MonoTime> {
        self.open.as_ref().map(|epoch| (epoch.heard + QUIET).min(epoch.at + EPOCH_LIMIT))
    }

    /// Ends the open epoch if its time is over.
    pub(super) fn expire(&mut self, now: MonoTime, out: &mut impl FnMut(Draft)) {
        if self.deadline().is_some_and(|deadline| now >= deadline) {
            self.end(out);
        }
    }

    /// The port was closed: what comes next has nothing to do with what came. The date is kept.
    pub(super) fn clear(&mut self) {
        self.open = None;
        self.ended = None;
        self.shape = Shape::new();
    }

    fn is_late(&self, at: MonoTime, tag: Tag, facts: &Facts) -> bool {
        let Some(time) = facts.time else { return false };
        let open = self.open.as_ref().and_then(|epoch| epoch.time);
        let just_ended =
            self.ended.is_some_and(|(ended, when)| ended == time && at.since(when) < LATE) && open != Some(time);
        // GST and ZDA of some receivers trail behind by an epoch; they do not open an old one again.
        let trails = !tag.kind.is_positional() && open.is_some_and(|open| time < open);
        just_ended || trails
    }

    fn end(&mut self, out: &mut impl FnMut(Draft)) {
        let Some(epoch) = self.open.take() else { return };
        self.shape.learn(&epoch.tags);
        if let Some(time) = epoch.time {
            self.ended = Some((time, epoch.heard));
        }
        let date = epoch.date(self.date);
        self.date = date.or(self.date);
        if epoch.tags.iter().any(|tag| tag.kind.is_positional()) {
            out(epoch.draft(date.map(Date::wall)));
        }
    }
}

/// The sentences that made up the last epochs, in order.
#[derive(Debug)]
struct Shape {
    tags: Vec<Tag>,
    seen: u32,
    needed: u32,
}

impl Shape {
    fn new() -> Self {
        Self { tags: Vec::new(), seen: 0, needed: SHAPE_EPOCHS }
    }

    fn is_completed_by(&self, tags: &[Tag]) -> bool {
        self.seen >= self.needed && self.tags == tags
    }

    fn learn(&mut self, tags: &[Tag]) {
        if tags.len() < TAGS_LIMIT && self.tags == tags {
            self.seen = self.seen.saturating_add(1);
        } else {
            self.tags.clear();
            self.tags.extend_from_slice(tags);
            self.seen = u32::from(tags.len() < TAGS_LIMIT);
        }
    }

    fn was_wrong(&mut self) {
        self.seen = 0;
        self.needed = (self.needed * 4).min(SHAPE_EPOCHS_LIMIT);
    }
}

/// A day and a time of that day, and when we heard of it.
#[derive(Debug, Clone, Copy)]
struct Date {
    day: Day,
    time: TimeOfDay,
    at: MonoTime,
}

impl Date {
    fn told(at: MonoTime, facts: &Facts) -> Option<Self> {
        Some(Self { day: facts.day?, time: facts.time?, at })
    }

    /// The date of a time of day that is less than half a day away.
    fn carried_to(self, time: TimeOfDay, at: MonoTime) -> Option<Self> {
        if at.since(self.at) > DATE_LIMIT {
            return None;
        }
        let ahead_ms = i64::from(time.0) - i64::from(self.time.0);
        let midnights = if ahead_ms < -DAY_MS / 2 {
            1
        } else if ahead_ms > DAY_MS / 2 {
            -1
        } else {
            0
        };
        Some(Self { day: Day(self.day.0.saturating_add(midnights)), time, at })
    }

    fn wall(self) -> WallTime {
        WallTime::from_unix_micros((i64::from(self.day.0) * DAY_MS + i64::from(self.time.0)) * 1_000)
    }
}

#[derive(Debug)]
struct Epoch {
    at: MonoTime,
    heard: MonoTime,
    time: Option<TimeOfDay>,
    tags: Vec<Tag>,
    day: Option<Day>,
    position: Option<(Kind, Position)>,
    quality: Option<Quality>,
    /// What RMC and GLL say: `Some(true)` when one says valid.
    status: Option<bool>,
    altitude_m: Option<f64>,
    satellites: Option<u8>,
    hdop: Option<f64>,
    dimensions: Option<u8>,
    horizontal_m: Option<f64>,
    velocity: Velocity,
}

/// RMC's before VTG's.
#[derive(Debug, Clone, Copy, Default)]
struct Velocity {
    speed_mps: Option<f64>,
    course_deg: Option<f64>,
}

impl Epoch {
    fn new(at: MonoTime) -> Self {
        Self {
            at,
            heard: at,
            time: None,
            tags: Vec::new(),
            day: None,
            position: None,
            quality: None,
            status: None,
            altitude_m: None,
            satellites: None,
            hdop: None,
            dimensions: None,
            horizontal_m: None,
            velocity: Velocity::default(),
        }
    }

    fn is_ended_by(&self, tag: Tag, facts: &Facts) -> bool {
        match (self.time, facts.time) {
            (Some(ours), Some(theirs)) => ours != theirs,
            (None, Some(_)) => self.tags.iter().any(|tag| tag.kind.is_positional()) && self.tags.contains(&tag),
            (_, None) => tag.kind.is_positional() && self.tags.contains(&tag),
        }
    }

    fn merge(&mut self, tag: Tag, facts: &Facts) {
        if self.tags.len() < TAGS_LIMIT {
            self.tags.push(tag);
        }
        self.time = self.time.or(facts.time);
        self.day = facts.day.or(self.day);
        self.quality = self.quality.max(facts.quality);
        if matches!(tag.kind, Kind::Rmc | Kind::Gll) {
            self.status = self.status.max(facts.quality.map(|quality| quality != Quality::Invalid));
        }
        if facts.quality.is_some_and(|quality| quality != Quality::Invalid)
            && let Some(position) = facts.position
            && self.position.is_none_or(|(kind, _)| rank(tag.kind) < rank(kind))
        {
            self.position = Some((tag.kind, position));
        }
        self.altitude_m = self.altitude_m.or(facts.altitude_m);
        self.satellites = self.satellites.max(facts.satellites);
        self.hdop = self.hdop.or(facts.hdop);
        self.dimensions = self.dimensions.max(facts.dimensions);
        self.horizontal_m = self.horizontal_m.or(facts.horizontal_m);
        let preferred = tag.kind == Kind::Rmc;
        let (first, second) = if preferred {
            ((facts.speed_mps, facts.course_deg), (self.velocity.speed_mps, self.velocity.course_deg))
        } else {
            ((self.velocity.speed_mps, self.velocity.course_deg), (facts.speed_mps, facts.course_deg))
        };
        self.velocity = Velocity { speed_mps: first.0.or(second.0), course_deg: first.1.or(second.1) };
    }

    fn date(&self, known: Option<Date>) -> Option<Date> {
        let time = self.time?;
        match self.day {
            Some(day) => Some(Date { day, time, at: self.at }),
            None => known?.carried_to(time, self.at),
        }
    }

    fn draft(&self, utc: Option<WallTime>) -> Draft {
        let quality = match self.position {
            Some(_) if self.status != Some(false) => self.quality.unwrap_or(Quality::Invalid),
            _ => Quality::Invalid,
        };
        let kind = self.kind(quality);
        let there = kind != FixKind::None;
        let fix = Fix {
            at: self.at,
            kind,
            position: self.position.filter(|_| there).map(|(_, position)| position),
            position_doubt: None,
            accuracy: self.accuracy(kind).filter(|_| there),
            altitude_m: self.altitude_m.filter(|_| there),
            speed_mps: self.velocity.speed_mps.filter(|_| there),
            course_deg: self.velocity.course_deg.filter(|_| there),
            utc,
            time_doubt: None,
            satellites: self.satellites,
        };
        Draft { fix, synthetic: quality == Quality::Synthetic }
    }

    /// Where no GSA says how many dimensions, an altitude is the sign of the third.
    fn kind(&self, quality: Quality) -> FixKind {
        match quality {
            Quality::Invalid => FixKind::None,
            Quality::DeadReckoning => FixKind::DeadReckoning,
            Quality::Differential => FixKind::Differential,
            Quality::RtkFloat => FixKind::RtkFloat,
            Quality::RtkFixed => FixKind::RtkFixed,
            Quality::Gnss | Quality::Synthetic => match self.dimensions {
                Some(2) => FixKind::TwoD,
                Some(_) => FixKind::ThreeD,
                None if self.altitude_m.is_some() => FixKind::ThreeD,
                None => FixKind::TwoD,
            },
        }
    }

    fn accuracy(&self, kind: FixKind) -> Option<Accuracy> {
        if let Some(horizontal_m) = self.horizontal_m {
            return Some(Accuracy { horizontal_m, from: AccuracySource::Gst });
        }
        let range_error_m = match kind {
            FixKind::None | FixKind::DeadReckoning => return None,
            FixKind::TwoD | FixKind::ThreeD => RANGE_ERROR_AUTONOMOUS_M,
            FixKind::Differential => RANGE_ERROR_DIFFERENTIAL_M,
            FixKind::RtkFloat => RANGE_ERROR_RTK_FLOAT_M,
            FixKind::RtkFixed => RANGE_ERROR_RTK_FIXED_M,
        };
        Some(Accuracy { horizontal_m: self.hdop? * range_error_m, from: AccuracySource::Hdop })
    }
}

/// Whose position is taken, best first.
fn rank(kind: Kind) -> u8 {
    match kind {
        Kind::Gga => 0,
        Kind::Gns => 1,
        Kind::Rmc => 2,
        _ => 3,
    }
}
