//! Outcomes, counted.

use crate::crash::{Severity, Side};
use crate::sim::crash::{Class, KMH};

use super::examine::{Outcome, angle_between};
use super::stats::{Share, Sorted};

/// A crash of so many km/h and more must be found.
const FULL_KMH: f32 = 15.0;

/// What the figures of a group of crashes are.
#[derive(Debug, Clone)]
pub struct Crashes {
    /// Confirmed, of all.
    pub found: Share,
    /// Confirmed before contact.
    pub early: usize,
    /// Contact to suspicion, in ms.
    pub suspected_ms: Sorted,
    /// Contact to verdict, in ms.
    pub confirmed_ms: Sorted,
    /// Error of ΔV in km/h, where it is said to be known.
    pub delta_v_kmh: Sorted,
    /// The same as a share of the true one.
    pub delta_v_share: Sorted,
    /// Where only a lower bound is said: it is one, with a tenth of tolerance.
    pub bounds_hold: Share,
    /// Error of the direction in °, where one is said.
    pub direction_deg: Sorted,
    /// The right side, of those that say one.
    pub sides: Share,
    /// Rollovers recognized, of the rollovers.
    pub rollovers: Share,
    /// Verdicts that say rollover where there was none.
    pub false_rollovers: usize,
    /// A sensor was called faulty, of all; none was.
    pub faults: Share,
    /// Of those found: no class, minor, moderate, serious.
    pub severities: [usize; 4],
}

impl Crashes {
    /// Counts these.
    #[must_use]
    pub fn of(outcomes: &[&Outcome]) -> Self {
        let found: Vec<&Outcome> = outcomes.iter().copied().filter(|outcome| outcome.confirmed_s.is_some()).collect();
        let times = |time: fn(&Outcome) -> Option<f32>| {
            Sorted::new(found.iter().filter_map(|outcome| time(outcome)).map(|time_s| time_s * 1e3).collect())
        };
        let mut tally = Self {
            found: Share { hits: found.len(), of: outcomes.len() },
            early: outcomes.iter().filter(|outcome| outcome.false_alarm_s.is_some()).count(),
            suspected_ms: times(|outcome| outcome.suspected_s),
            confirmed_ms: times(|outcome| outcome.confirmed_s),
            delta_v_kmh: Sorted::default(),
            delta_v_share: Sorted::default(),
            bounds_hold: Share { hits: 0, of: 0 },
            direction_deg: Sorted::default(),
            sides: Share { hits: 0, of: 0 },
            rollovers: Share { hits: 0, of: 0 },
            false_rollovers: 0,
            faults: Share { hits: outcomes.iter().filter(|outcome| outcome.has_fault).count(), of: outcomes.len() },
            severities: [0; 4],
        };
        tally.measure(&found);
        tally
    }

    fn measure(&mut self, found: &[&Outcome]) {
        let (mut errors, mut shares, mut angles) = (Vec::new(), Vec::new(), Vec::new());
        for outcome in found {
            let (Some((crash, ideal)), Some(verdict)) = (outcome.crash, outcome.graded) else { continue };
            if let Some(delta_v) = verdict.delta_v {
                let error = delta_v.resultant_mps - ideal.delta_v_mps;
                if delta_v.is_lower_bound {
                    self.bounds_hold.of += 1;
                    self.bounds_hold.hits += usize::from(error < 0.1 * ideal.delta_v_mps);
                } else {
                    errors.push(error.abs() * KMH);
                    shares.push((error / ideal.delta_v_mps).abs());
                }
            }
            if let Some(direction) = verdict.direction {
                angles.push(angle_between(direction.pdof_deg, ideal.pdof_deg));
            }
            if verdict.side != Side::Unknown {
                self.sides.of += 1;
                self.sides.hits += usize::from(is_right_side(verdict.side, ideal.pdof_deg));
            }
            let rolled = outcome.last.or(outcome.graded).and_then(|last| last.rollover) == Some(true);
            if crash.rolls_over {
                self.rollovers.of += 1;
                self.rollovers.hits += usize::from(rolled);
            } else {
                self.false_rollovers += usize::from(rolled);
            }
            let class = match verdict.severity {
                None => 0,
                Some(Severity::Minor) => 1,
                Some(Severity::Moderate) => 2,
                Some(Severity::Serious) => 3,
            };
            self.severities[class] += 1;
        }
        self.delta_v_kmh = Sorted::new(errors);
        self.delta_v_share = Sorted::new(shares);
        self.direction_deg = Sorted::new(angles);
    }
}

/// The side that the true direction belongs to; within 15° of a corner both are right.
fn is_right_side(side: Side, pdof_deg: f32) -> bool {
    let middle = match side {
        Side::Front => 0.0,
        Side::Right => 90.0,
        Side::Rear => 180.0,
        Side::Left => -90.0,
        Side::Unknown => return false,
    };
    angle_between(middle, pdof_deg) <= 60.0
}

/// What the figures of a group of other cases are.
#[derive(Debug, Clone, Copy)]
pub struct Quiet {
    /// Confirmed, of all: must be none.
    pub confirmed: Share,
    /// Suspected, of all: costs the black box a write.
    pub suspected: Share,
    /// A sensor was called faulty, of all.
    pub faults: Share,
}

impl Quiet {
    /// Counts these.
    #[must_use]
    pub fn of(outcomes: &[&Outcome]) -> Self {
        let share = |is: fn(&Outcome) -> bool| Share {
            hits: outcomes.iter().filter(|outcome| is(outcome)).count(),
            of: outcomes.len(),
        };
        Self {
            confirmed: share(|outcome| outcome.false_alarm_s.is_some()),
            suspected: share(|outcome| outcome.false_suspicion),
            faults: share(|outcome| outcome.has_fault),
        }
    }
}

/// The outcomes of one car.
#[derive(Debug, Clone, Default)]
pub struct Results {
    /// The profile.
    pub profile: String,
    /// The largest acceleration that its sensors show, in m/s².
    pub range: f32,
    /// All of them.
    pub outcomes: Vec<Outcome>,
}

impl Results {
    /// Those of one class.
    #[must_use]
    pub fn class(&self, class: Class) -> Vec<&Outcome> {
        self.outcomes.iter().filter(|outcome| outcome.class == class).collect()
    }

    /// Crashes of 15 km/h and more, or those below.
    #[must_use]
    pub fn crashes(&self, is_full: bool) -> Vec<&Outcome> {
        let is_wanted = |outcome: &&Outcome| {
            outcome.crash.is_some_and(|(crash, _)| (crash.delta_v_mps * KMH >= FULL_KMH) == is_full)
        };
        self.outcomes.iter().filter(is_wanted).collect()
    }

    /// All crashes.
    #[must_use]
    pub fn all_crashes(&self) -> Vec<&Outcome> {
        self.outcomes.iter().filter(|outcome| outcome.crash.is_some()).collect()
    }

    /// Everything that is no crash.
    #[must_use]
    pub fn quiet(&self) -> Vec<&Outcome> {
        self.outcomes.iter().filter(|outcome| outcome.crash.is_none()).collect()
    }

    /// Crashes that were not found, and false confirmations.
    pub fn failures(&self) -> impl Iterator<Item = &Outcome> {
        self.outcomes.iter().filter(|outcome| {
            outcome.false_alarm_s.is_some() || (outcome.crash.is_some() && outcome.confirmed_s.is_none())
        })
    }
}
