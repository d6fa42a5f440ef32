//! The speed of the car over the last seconds, from the wheels or from GNSS, and its heading.

use std::time::Duration;

use crate::crash::ring::Ring;
use crate::crash::thresholds as limit;
use crate::time::MonoTime;

/// Speeds closer than this are one: 2.5 s fit.
const SPACING: Duration = Duration::from_millis(10);
const POINTS: usize = 256;

/// So many intervals tell what is usual.
const INTERVALS: usize = 4;

#[derive(Debug, Clone, Copy)]
struct Point {
    at: MonoTime,
    mps: f32,
}

/// Wheels that do not roll as fast as the car goes, or may not.
#[derive(Debug, Clone, Copy)]
pub(super) struct Slip {
    /// What was told last while they gripped.
    pub(super) gripped: f32,
    /// The car is faster, whatever its brakes have done meanwhile.
    pub(super) is_evident: bool,
}

/// One source of speed.
#[derive(Debug, Clone)]
pub(super) struct Speed {
    points: Ring<Point>,
    latest: Option<Point>,
    /// The last jump that no car makes.
    jumped: Option<MonoTime>,
}

impl Speed {
    pub(super) fn new() -> Self {
        Self { points: Ring::new(POINTS), latest: None, jumped: None }
    }

    /// False when the value cannot be one.
    pub(super) fn observe(&mut self, at: MonoTime, mps: f32) -> bool {
        if !(0.0..=limit::FASTEST_MPS).contains(&mps) || self.latest.is_some_and(|latest| at < latest.at) {
            return false;
        }
        if let Some(latest) = self.latest {
            let most = limit::SPEED_STEP_MPS + limit::SPEED_SLOPE_MPS2 * at.since(latest.at).as_secs_f32();
            if (mps - latest.mps).abs() > most {
                self.jumped = Some(at);
            }
        }
        let point = Point { at, mps };
        self.latest = Some(point);
        if self.points.newest().is_none_or(|newest| at.since(newest.at) >= SPACING) {
            self.points.push(point);
        }
        true
    }

    /// The newest speed, when it is no older than `age` and has not jumped.
    pub(super) fn fresh(&self, now: MonoTime, age: Duration) -> Option<f32> {
        let is_steady = self.jumped.is_none_or(|jumped| now.since(jumped) > limit::SPEED_WINDOW);
        self.latest.filter(|latest| is_steady && now.since(latest.at) <= age).map(|latest| latest.mps)
    }

    /// When a speed was told last.
    pub(super) fn told(&self) -> Option<MonoTime> {
        self.latest.map(|latest| latest.at)
    }

    /// The usual time between the last messages, however late one of them was; none before there were enough.
    pub(super) fn interval(&self) -> Option<Duration> {
        let (last, _) = self.points.position_last_where(|_| true)?;
        let first = last.checked_sub(INTERVALS)?;
        let mut spans = [Duration::ZERO; INTERVALS];
        for (index, span) in (first..).zip(&mut spans) {
            *span = self.points.get(index + 1)?.at.since(self.points.get(index)?.at);
        }
        spans.sort_unstable();
        spans.get(INTERVALS / 2).copied()
    }

    /// The speed before `moment`, at most `age` before it, and the newest one, which has not jumped; and the time between.
    pub(super) fn change_since(&self, moment: MonoTime, age: Duration, now: MonoTime) -> Option<(f32, Duration)> {
        let before = self.points.last_where(|point| point.at <= moment)?;
        let latest = self.latest.filter(|_| self.fresh(now, limit::SPEED_FRESH).is_some())?;
        (moment.since(before.at) <= age).then(|| (latest.mps - before.mps, latest.at.since(before.at)))
    }

    /// How the wheels slip at the end of that time: they have slowed faster than tires slow a car, and have not come back.
    /// Wheels that a brake lets go in between come back each time.
    pub(super) fn slip(&self, from: MonoTime, until: MonoTime) -> Option<Slip> {
        let first = self.points.position_last_where(|point| point.at < from).map_or(0, |(index, _)| index + 1);
        let points = (first..).map_while(|index| self.points.get(index)).take_while(|point| point.at <= until);
        let (mut gripped, mut lowest, mut is_evident) = (0.0, None::<f32>, false);
        // The least that the car can have by then.
        let mut least = Point { at: from, mps: 0.0 };
        for point in points {
            let slowed = least.mps - limit::TIRE_SUSTAINED_MPS2 * point.at.since(least.at).as_secs_f32();
            is_evident = slowed - point.mps > limit::SPEED_STEP_MPS;
            // Tires could have taken the car by now to what locked wheels are held at: only those that rise have come back.
            let risen = lowest.map(|lowest| (point.mps - lowest, limit::REGRIP_SHARE * (gripped - lowest)));
            if is_evident {
                lowest = Some(lowest.map_or(point.mps, |lowest| lowest.min(point.mps)));
            } else if risen.is_none_or(|(risen, least)| risen > least.max(limit::SPEED_STEP_MPS)) {
                (gripped, lowest) = (point.mps, None);
            }
            least = Point { at: point.at, mps: slowed.max(point.mps) };
        }
        lowest.map(|_| Slip { gripped, is_evident })
    }

    /// The newest speed, when it was told since that moment and has not jumped.
    pub(super) fn since(&self, moment: MonoTime, now: MonoTime) -> Option<f32> {
        let mps = self.fresh(now, limit::SPEED_FRESH)?;
        self.latest.is_some_and(|latest| latest.at >= moment).then_some(mps)
    }

    /// The speed at that moment, when one was known at most `age` before it.
    pub(super) fn at(&self, moment: MonoTime, age: Duration) -> Option<f32> {
        let point = self.points.last_where(|point| point.at <= moment)?;
        (moment.since(point.at) <= age).then_some(point.mps)
    }
}

/// What the yaw rate was at a moment, and what it had added up to.
#[derive(Debug, Clone, Copy)]
struct Turn {
    at: MonoTime,
    angle_rad: f32,
    rate_dps: f32,
}

/// The yaw rate, its integral, and how far the car slides aside.
#[derive(Debug, Clone)]
pub(super) struct Heading {
    points: Ring<Turn>,
    last: Option<(MonoTime, f32)>,
    angle_rad: f32,
    slide: Slide,
}

/// The least angle between where the car points and where it goes: it turns by more than its tires can have bent its
/// way. Signs do not matter to it.
#[derive(Debug, Clone, Copy, Default)]
struct Slide {
    /// No car is slower: wheels that roll show it, wheels that slip show less.
    speed_mps: f32,
    angle_rad: f32,
    /// What is felt across, on the mean of the last fraction of a second, and when that was last as tires push.
    across_mps2: f32,
    felt: Option<MonoTime>,
    /// The angle is that of a slide since.
    since: Option<MonoTime>,
}

impl Slide {
    fn turn(&mut self, at: MonoTime, span_s: f32, rate_rad: f32, speed_mps: f32, across_mps2: f32) {
        let felt = (across_mps2 + limit::SLIDING_SLACK_MPS2).min(limit::TIRE_SUSTAINED_MPS2);
        self.speed_mps = speed_mps.max(self.speed_mps - felt * span_s);
        let turn_rad = if self.speed_mps < limit::SLIDING_MPS {
            -self.angle_rad / limit::SLIDING_FADE.as_secs_f32()
        } else {
            rate_rad.abs() - felt / self.speed_mps
        };
        self.angle_rad = (self.angle_rad + turn_rad * span_s).clamp(0.0, limit::SLIDING_MOST_DEG.to_radians());
        self.across_mps2 += (across_mps2 - self.across_mps2) * span_s / (limit::ROUGH_TAU.as_secs_f32() + span_s);
        if self.across_mps2 >= limit::SLIDING_FELT_MPS2 {
            self.felt = Some(at);
        }
        let is_felt = self.felt.is_some_and(|felt| at.since(felt) <= limit::SLIDING_PAUSE);
        let is_sliding = is_felt && self.angle_rad.to_degrees() >= limit::SLIDING_DEG;
        self.since = if is_sliding { self.since.or(Some(at)) } else { None };
    }
}

impl Heading {
    pub(super) fn new() -> Self {
        Self { points: Ring::new(POINTS), last: None, angle_rad: 0.0, slide: Slide::default() }
    }

    /// A yaw rate; `speed_mps` is that of the wheels and `across_mps2` what is felt across the car, without sign.
    pub(super) fn observe(&mut self, at: MonoTime, rate_dps: f32, speed_mps: Option<f32>, across_mps2: f32) {
        if !rate_dps.is_finite() {
            return;
        }
        if let Some((before, old)) = self.last {
            let span = at.since(before);
            let most_dps = limit::YAW_SLOPE_DPS2 * span.max(limit::YAW_SPACING).as_secs_f32();
            let is_number = (rate_dps - old).abs() > most_dps;
            if at < before || span > limit::ROLL_MAX_GAP {
                self.points.clear();
                (self.angle_rad, self.slide) = (0.0, Slide::default());
            } else if is_number {
                // What it turned before cannot be compared with what it turns now; that it slid is as true as it was.
                self.points.clear();
            } else {
                let (span_s, rate_rad) = (span.as_secs_f32(), f32::midpoint(old, rate_dps).to_radians());
                self.angle_rad += rate_rad * span_s;
                self.slide.turn(at, span_s, rate_rad, speed_mps.unwrap_or(0.0), across_mps2);
            }
        }
        self.last = Some((at, rate_dps));
        if self.points.newest().is_none_or(|newest| at.since(newest.at) >= SPACING) {
            self.points.push(Turn { at, angle_rad: self.angle_rad, rate_dps });
        }
    }

    /// The newest yaw rate in °/s, when it is no older than `age`.
    pub(super) fn rate_dps(&self, now: MonoTime, age: Duration) -> Option<f32> {
        self.last.filter(|(at, _)| now.since(*at) <= age).map(|(_, rate_dps)| rate_dps)
    }

    /// How far the rate has gone from what it was at `from`, at most, until so long after it, in °/s.
    pub(super) fn jump_dps(&self, from: MonoTime, within: Duration) -> Option<f32> {
        let (first, before) = self.points.position_last_where(|turn| turn.at <= from)?;
        let later = (first + 1..).map_while(|index| self.points.get(index));
        let near = later.take_while(|turn| turn.at.since(from) <= within);
        near.map(|turn| (turn.rate_dps - before.rate_dps).abs()).reduce(f32::max)
    }

    /// When a yaw rate was told last.
    pub(super) fn told(&self) -> Option<MonoTime> {
        self.points.newest().map(|turn| turn.at)
    }

    /// How far the rate has gone between two moments, in °/s; none where it was not told at either, or not yet.
    pub(super) fn change_dps(&self, from: MonoTime, to: MonoTime) -> Option<f32> {
        (self.told()? >= to).then_some(self.at_dps(to)? - self.at_dps(from)?)
    }

    /// The rate as it was told last at that moment, in °/s.
    pub(super) fn at_dps(&self, moment: MonoTime) -> Option<f32> {
        let turn = self.points.last_where(|turn| turn.at <= moment)?;
        (moment.since(turn.at) <= limit::TURN_FRESH).then_some(turn.rate_dps)
    }

    /// It slides aside since before that moment, and not for longer than cars do.
    pub(super) fn was_sliding(&self, contact: MonoTime, now: MonoTime) -> bool {
        let is_fresh = self.last.is_some_and(|(at, _)| now.since(at) <= limit::ROLL_MAX_GAP);
        let is_slide = |since: MonoTime| since <= contact && now.since(since) <= limit::LONGEST_SLIDE;
        is_fresh && self.slide.since.is_some_and(is_slide)
    }

    /// What was told was wrong.
    pub(super) fn forget(&mut self) {
        self.points.clear();
        (self.last, self.angle_rad, self.slide) = (None, 0.0, Slide::default());
    }

    /// The mean rate since then in rad/s.
    pub(super) fn rate_since(&self, began: MonoTime) -> Option<f32> {
        let old = self.points.last_where(|turn| turn.at <= began)?;
        let new = self.points.newest()?;
        let span_s = new.at.since(old.at).as_secs_f32();
        (span_s > 0.0).then(|| (new.angle_rad - old.angle_rad) / span_s)
    }
}
