//! The speed of the car over the last seconds, from the wheels or from GNSS, and its heading.

use std::time::Duration;

use crate::crash::ring::Ring;
use crate::crash::thresholds as limit;
use crate::time::MonoTime;

/// Speeds closer than this are one: 2.5 s fit.
const SPACING: Duration = Duration::from_millis(10);
const POINTS: usize = 256;

/// Faster than any car; what is above is no speed (m/s).
const FASTEST_MPS: f32 = 150.0;

#[derive(Debug, Clone, Copy)]
struct Point {
    at: MonoTime,
    mps: f32,
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
        if !(0.0..=FASTEST_MPS).contains(&mps) || self.latest.is_some_and(|latest| at < latest.at) {
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

    /// The speed at that moment, when one was known at most `age` before it.
    pub(super) fn at(&self, moment: MonoTime, age: Duration) -> Option<f32> {
        let point = self.points.last_where(|point| point.at <= moment)?;
        (moment.since(point.at) <= age).then_some(point.mps)
    }
}

/// The integral of the yaw rate.
#[derive(Debug, Clone)]
pub(super) struct Heading {
    points: Ring<(MonoTime, f32)>,
    last: Option<(MonoTime, f32)>,
    angle_rad: f32,
}

impl Heading {
    pub(super) fn new() -> Self {
        Self { points: Ring::new(POINTS), last: None, angle_rad: 0.0 }
    }

    pub(super) fn observe(&mut self, at: MonoTime, rate_dps: f32) {
        if !rate_dps.is_finite() {
            return;
        }
        if let Some((before, old)) = self.last {
            let span = at.since(before);
            if at < before || span > limit::ROLL_MAX_GAP {
                self.points.clear();
                self.angle_rad = 0.0;
            } else {
                self.angle_rad += f32::midpoint(old, rate_dps).to_radians() * span.as_secs_f32();
            }
        }
        self.last = Some((at, rate_dps));
        if self.points.newest().is_none_or(|(newest, _)| at.since(newest) >= SPACING) {
            self.points.push((at, self.angle_rad));
        }
    }

    /// The mean rate since then in rad/s.
    pub(super) fn rate_since(&self, began: MonoTime) -> Option<f32> {
        let (from, old) = self.points.last_where(|(at, _)| *at <= began)?;
        let (until, new) = self.points.newest()?;
        let span_s = until.since(from).as_secs_f32();
        (span_s > 0.0).then(|| (new - old) / span_s)
    }
}
