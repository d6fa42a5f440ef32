//! Where the car came from.

use std::time::Duration;

use crate::crash::msd::{Direction, Location, LocationDelta};
use crate::services::{Cx, Motion, Place};
use crate::signals::At;
use crate::time::MonoTime;

use super::WAY_STEP;

/// Places along the way: those before and after the one that is nearest to [`WAY_STEP`] ago.
const STEPS: usize = 3;

/// A receiver speaks once a second: a fix that is due has come by then.
const LATE_FIX: Duration = Duration::from_secs(1);

/// The way behind the car.
#[derive(Debug, Default)]
pub(super) struct Way {
    /// The newest first, [`WAY_STEP`] apart.
    steps: [Option<Step>; STEPS],
    course_deg: Option<f64>,
}

#[derive(Debug, Clone, Copy)]
struct Step {
    at: MonoTime,
    location: Location,
}

impl Way {
    /// Takes a step when one is due.
    pub(super) fn follow(&mut self, cx: &Cx<'_>) {
        let Some((at, place)) = here(cx.place) else { return };
        self.course_deg = place.course_deg.or(self.course_deg);
        let [newest, second, _] = self.steps;
        if newest.is_some_and(|newest| at < newest.at + WAY_STEP) {
            return;
        }
        if let Ok(location) = Location::from_degrees(place.latitude_deg, place.longitude_deg) {
            self.steps = [Some(Step { at, location }), newest, second];
        }
    }

    /// The next step; a car that stands needs none.
    pub(super) fn deadline(&self, cx: &Cx<'_>) -> Option<MonoTime> {
        let is_moving = matches!(cx.drive.motion, Motion::Moving(_)) && here(cx.place).is_some();
        let [newest, ..] = self.steps;
        is_moving.then(|| newest.map_or(cx.now, |newest| newest.at + WAY_STEP).max(cx.now + LATE_FIX))
    }

    /// Course over ground, the last that was known.
    pub(super) fn direction(&self) -> Option<Direction> {
        Direction::from_degrees(self.course_deg?).ok()
    }

    /// The ways from `location` back to N1 and from there to N2; zero where they are not known.
    pub(super) fn back_from(&self, location: Location, at: MonoTime) -> (Option<LocationDelta>, Option<LocationDelta>) {
        let mut earlier = self.steps.iter().flatten().filter(|step| at.since(step.at) >= WAY_STEP / 2);
        let n1 = earlier.next().map_or(location, |step| step.location);
        let n2 = earlier.next().map_or(n1, |step| step.location);
        let delta = |later, earlier| LocationDelta::between(later, earlier).or_else(|_| LocationDelta::new(0, 0)).ok();
        (delta(location, n1), delta(n1, n2))
    }
}

/// Where the car is now, while the receiver speaks.
fn here(place: Option<Place>) -> Option<(MonoTime, Place)> {
    let place = place.filter(|place| place.is_fresh)?;
    match place.at {
        At::Mono(at) => Some((at, place)),
        At::Wall(_) | At::Unknown => None,
    }
}
