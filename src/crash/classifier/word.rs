//! What is said of an event at one moment.

use crate::crash::sensor::Mounting;
use crate::crash::severity::{self, Question};
use crate::crash::thresholds as limit;
use crate::crash::verdict::{DeltaV, Direction, Evidence, Side, Stage, Verdict};

use super::event::Event;
use super::track::Track;
use super::{Classifier, Slot};

impl Classifier {
    /// The verdict at this moment.
    pub(super) fn word(&self, event: &Event, stage: Stage) -> Verdict {
        let track = self.best();
        let delta_v = track.map(|track| delta_v(track, event, stage));
        let direction = delta_v.as_ref().and_then(direction);
        let rollover = self.rollover(event);
        let rolled = rollover == Some(true);
        let side = direction.map_or(Side::Unknown, side);
        let is_blind = track.is_none_or(|track| !track.is_full_range() && !track.is_unclipped());
        let mais3 = delta_v.map(|delta_v| {
            let is_multiple = event.impacts > 1;
            severity::mais3(&Question { delta_v, side, rolled, is_multiple, belts: self.belts })
        });
        let is_bound = delta_v.is_some_and(|delta_v| delta_v.is_lower_bound);
        let at_least_moderate = is_bound || rolled || event.restraints != 0;
        let is_early = matches!(stage, Stage::Suspected | Stage::Confirmed);
        Verdict {
            event: event.number,
            stage,
            at: self.now,
            contact: event.contact,
            evidence: self.evidence(event, track),
            delta_v,
            direction,
            side,
            rollover,
            impacts: event.impacts,
            occupants: self.belts.and_then(severity::occupants),
            mais3,
            severity: if is_early && is_blind { None } else { severity::class(mais3, at_least_moderate) },
        }
    }

    /// The accelerometer that sees most.
    pub(super) fn best(&self) -> Option<&Track> {
        let is_asked =
            |track: &&Track| track.mounting == Mounting::Chassis && track.is_good() && !track.shown().is_void;
        let good = self.tracks().filter(is_asked);
        good.max_by(|one, other| one.range.total_cmp(&other.range))
    }

    fn rollover(&self, event: &Event) -> Option<bool> {
        let by_tilt = event.tilt_deg.map(|tilt| tilt >= limit::ROLLOVER_DEG);
        let by_rate = self.has_roll_rate(event).then_some(event.rolled_at.is_some());
        if by_tilt == Some(true) { by_tilt } else { by_rate }
    }

    /// A roll rate was told since contact.
    fn has_roll_rate(&self, event: &Event) -> bool {
        let sees = self.slots.iter().any(|slot| matches!(slot, Slot::Rate(rate) if rate.sees_roll()));
        sees && self.roll.told().is_some_and(|told| told >= event.contact)
    }

    fn evidence(&self, event: &Event, track: Option<&Track>) -> Evidence {
        let shown = track.map(Track::shown);
        Evidence {
            peak_mps2: shown.map(|shown| shown.peak),
            delta_v_150ms_mps: shown.map(|shown| shown.widest_150ms),
            dwell: shown.map(|shown| shown.dwell),
            saturated: shown.map(|shown| shown.clipped),
            pulse: shown.map(|shown| shown.pulse),
            restraints: event.restraints,
            speed_lost_mps: event.speed_lost,
            tilt_deg: event.tilt_deg,
            roll_rate_dps: self.has_roll_rate(event).then_some(self.roll.fastest_dps),
            bus_silent: event.bus_silent,
        }
    }
}

fn delta_v(track: &Track, event: &Event, stage: Stage) -> DeltaV {
    let change = track.shown().worst;
    let is_clipped = !track.is_unclipped() || (stage == Stage::Graded && track.is_pushed());
    let measured = change.resultant();
    let scale = limit::SCALE_UNCERTAINTY * measured;
    let offset = limit::OFFSET_UNCERTAINTY_MPS2 * limit::EVENT_WINDOW.as_secs_f32();
    // Wheels tell what was lost along the car; what a clipped sensor saw across it stays a bound.
    let is_across = track.shown().is_clipped_across || change.y.abs() > limit::ACROSS_SHARE * change.x.abs();
    let (resultant_mps, uncertainty_mps, is_lower_bound) = match event.pulse_loss.map(f32::abs) {
        Some(lost) if is_clipped => {
            let both = lost.max(change.x.abs()).hypot(change.y);
            (both.max(measured), scale.hypot(limit::WHEEL_UNCERTAINTY_MPS), is_across)
        }
        _ => (measured, scale.hypot(offset), is_clipped),
    };
    let axis = |index: usize, value: f32| track.sign(index).map(|sign| sign * value);
    DeltaV { x_mps: axis(0, change.x), y_mps: axis(1, change.y), resultant_mps, uncertainty_mps, is_lower_bound }
}

/// The principal direction of force: where the push came from.
fn direction(delta_v: &DeltaV) -> Option<Direction> {
    let (x, y) = (delta_v.x_mps?, delta_v.y_mps?);
    if x.hypot(y) < limit::SUSPECT_DELTA_V_MPS {
        return None;
    }
    let pdof_deg = y.atan2(-x).to_degrees();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 11 after the remainder")]
    let hour = (pdof_deg / 30.0).round().rem_euclid(12.0) as u8;
    Some(Direction { pdof_deg, clock: if hour == 0 { 12 } else { hour } })
}

fn side(direction: Direction) -> Side {
    match direction.pdof_deg {
        pdof if pdof.abs() <= limit::FRONT_WITHIN_DEG => Side::Front,
        pdof if pdof.abs() >= limit::REAR_FROM_DEG => Side::Rear,
        pdof if pdof > 0.0 => Side::Right,
        _ => Side::Left,
    }
}
