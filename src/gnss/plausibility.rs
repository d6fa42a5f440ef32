//! Which fixes are believed, and why not.
//!
//! A receiver that passes all its checksums can still be wrong: it jumps in an underground car park, sends its memory
//! before the first fix, stands still with a hung firmware, or comes up 1,024 weeks in the past. Nothing is altered or
//! dropped here; a [`Fix`] that is not believed carries the reason.
//!
//! **Place.** A fix is a *jump* when it lies further from the last believed one than a car gets in the time between:
//! at the faster of the two reported speeds plus [`ACCELERATION_LIMIT_MPS2`], never above [`SPEED_LIMIT_MPS`], plus
//! three sigma of both accuracies and [`JUMP_MARGIN_M`]. It is *frozen* when it has been the same to the last digit for
//! [`FROZEN_AFTER`] while the receiver reports more than [`FROZEN_SPEED_MPS`]. The null island and fixes that were
//! entered by hand or simulated are never believed.
//!
//! **Time.** A date outside the 1,024 weeks from the date floor is a week-rollover error (a car is not driven for 19.6
//! years with software of its first day): the position is kept, because receivers compute it from the time of week
//! alone. A UTC that moves by more than [`STEP_LIMIT`] against the monotonic clock has *stepped*, in either direction.
//!
//! **Persistence rule.** Who doubts must be able to err. A new place, or a new time, that stays plausible with itself
//! for [`PERSISTENCE`] and at least [`PERSISTENCE_FIXES`] fixes is believed from then on: the receiver was right after
//! all, or the car was carried.

use std::time::Duration;

use super::epoch::Draft;
use super::fix::{Fix, FixKind, Position, PositionDoubt, TimeDoubt};
use crate::time::{MonoTime, WallTime};

/// The GPS week has ten bits (IS-GPS-200, 20.3.3.3.1.1).
const ROLLOVER: Duration = Duration::from_secs(1_024 * 7 * 86_400);

/// No car, and no train that carries one, is faster: 400 km/h.
pub const SPEED_LIMIT_MPS: f64 = 400.0 / 3.6;
/// More than tyres can do in any direction (1.5 g).
pub const ACCELERATION_LIMIT_MPS2: f64 = 15.0;
/// For rounding, for receivers without accuracy, and for their habit of stepping between solutions.
pub const JUMP_MARGIN_M: f64 = 30.0;
/// What is taken as one sigma where the receiver gives no accuracy.
const ACCURACY_ASSUMED_M: f64 = 10.0;
/// Closer than this to zero in both coordinates, about 100 m.
const NULL_ISLAND_DEG: f64 = 0.001;
/// Longer than any receiver repeats a position on purpose.
pub const FROZEN_AFTER: Duration = Duration::from_secs(5);
/// Above the speed noise of a parked car.
pub const FROZEN_SPEED_MPS: f64 = 3.0;
/// More than arrival delay and a leap second explain.
pub const STEP_LIMIT: Duration = Duration::from_secs(2);
/// How long a surprise must last to be believed.
pub const PERSISTENCE: Duration = Duration::from_secs(10);
/// How many fixes at least must agree with it.
pub const PERSISTENCE_FIXES: u32 = 5;

/// Judges one fix after the other.
#[derive(Debug)]
pub(super) struct Judge {
    floor: WallTime,
    places: Persistent<Place>,
    times: Persistent<Offset>,
    /// The last position, and since when it is exactly that.
    still: Option<(Position, MonoTime)>,
}

impl Judge {
    pub(super) fn new(floor: WallTime) -> Self {
        Self { floor, places: Persistent::default(), times: Persistent::default(), still: None }
    }

    /// The fix with what we think of it.
    pub(super) fn judge(&mut self, draft: Draft) -> Fix {
        let mut fix = draft.fix;
        fix.time_doubt = self.time_doubt(&fix);
        fix.position_doubt = self.position_doubt(&fix, draft.synthetic);
        fix
    }

    fn time_doubt(&mut self, fix: &Fix) -> Option<TimeDoubt> {
        let utc = fix.utc?;
        if fix.kind == FixKind::None {
            return Some(TimeDoubt::NoFix);
        }
        if utc < self.floor || utc >= self.floor.plus(ROLLOVER) {
            return Some(TimeDoubt::WeekRollover);
        }
        let believed = self.times.offer(fix.at, Offset { at: fix.at, utc });
        (!believed).then_some(TimeDoubt::Stepped)
    }

    fn position_doubt(&mut self, fix: &Fix, synthetic: bool) -> Option<PositionDoubt> {
        let position = fix.position?;
        if synthetic {
            return Some(PositionDoubt::Synthetic);
        }
        if position.latitude_deg.abs() < NULL_ISLAND_DEG && position.longitude_deg.abs() < NULL_ISLAND_DEG {
            return Some(PositionDoubt::NullIsland);
        }
        if self.is_frozen(fix, position) {
            return Some(PositionDoubt::Frozen);
        }
        let place = Place {
            at: fix.at,
            utc: fix.utc.filter(|_| fix.time_doubt.is_none()),
            position,
            speed_mps: fix.speed_mps,
            accuracy_m: fix.accuracy.map_or(ACCURACY_ASSUMED_M, |accuracy| accuracy.horizontal_m),
        };
        (!self.places.offer(fix.at, place)).then_some(PositionDoubt::Jump)
    }

    fn is_frozen(&mut self, fix: &Fix, position: Position) -> bool {
        let moving = fix.speed_mps.is_some_and(|speed| speed > FROZEN_SPEED_MPS);
        match self.still {
            Some((last, since)) if last == position && moving => fix.at.since(since) >= FROZEN_AFTER,
            _ => {
                self.still = Some((position, fix.at));
                false
            }
        }
    }
}

/// Something of which the next one can be told to follow from the last.
trait Follows: Copy {
    fn follows(&self, earlier: &Self) -> bool;
}

/// The persistence rule.
#[derive(Debug)]
struct Persistent<T> {
    believed: Option<T>,
    rival: Option<Rival<T>>,
}

#[derive(Debug)]
struct Rival<T> {
    last: T,
    since: MonoTime,
    fixes: u32,
}

impl<T> Default for Persistent<T> {
    fn default() -> Self {
        Self { believed: None, rival: None }
    }
}

impl<T: Follows> Persistent<T> {
    /// Whether the new one is believed.
    fn offer(&mut self, now: MonoTime, new: T) -> bool {
        if self.believed.is_none_or(|believed| new.follows(&believed)) {
            self.believed = Some(new);
            self.rival = None;
            return true;
        }
        let rival = match self.rival.take() {
            Some(rival) if new.follows(&rival.last) => {
                Rival { last: new, since: rival.since, fixes: rival.fixes.saturating_add(1) }
            }
            _ => Rival { last: new, since: now, fixes: 1 },
        };
        if rival.fixes >= PERSISTENCE_FIXES && now.since(rival.since) >= PERSISTENCE {
            self.believed = Some(new);
            return true;
        }
        self.rival = Some(rival);
        false
    }
}

#[derive(Debug, Clone, Copy)]
struct Place {
    at: MonoTime,
    utc: Option<WallTime>,
    position: Position,
    speed_mps: Option<f64>,
    accuracy_m: f64,
}

impl Place {
    /// The longer of what the monotonic clock and what believed UTC says: bytes can be held up and come in a heap.
    fn seconds_since(&self, earlier: &Self) -> f64 {
        let mono = self.at.since(earlier.at);
        let utc = self
            .utc
            .zip(earlier.utc)
            .map_or(0, |(later, earlier)| later.as_unix_micros().saturating_sub(earlier.as_unix_micros()));
        mono.max(Duration::from_micros(u64::try_from(utc).unwrap_or(0))).as_secs_f64()
    }
}

impl Follows for Place {
    fn follows(&self, earlier: &Self) -> bool {
        let seconds = self.seconds_since(earlier);
        let speed_mps = match (self.speed_mps, earlier.speed_mps) {
            (Some(new), Some(old)) => (new.max(old) + ACCELERATION_LIMIT_MPS2 * seconds).min(SPEED_LIMIT_MPS),
            _ => SPEED_LIMIT_MPS,
        };
        let reach_m = speed_mps * seconds + 3.0 * (self.accuracy_m + earlier.accuracy_m) + JUMP_MARGIN_M;
        self.position.distance_m(earlier.position) <= reach_m
    }
}

#[derive(Debug, Clone, Copy)]
struct Offset {
    at: MonoTime,
    utc: WallTime,
}

impl Follows for Offset {
    fn follows(&self, earlier: &Self) -> bool {
        let expected = earlier.utc.plus(self.at.since(earlier.at));
        let off_us = self.utc.as_unix_micros().abs_diff(expected.as_unix_micros());
        u128::from(off_us) <= STEP_LIMIT.as_micros()
    }
}
