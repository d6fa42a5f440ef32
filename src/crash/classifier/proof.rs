//! When a suspicion is a crash.

use crate::crash::sensor::Mounting;
use crate::crash::thresholds as limit;
use crate::time::MonoTime;

use super::motion::Speed;
use super::pulse::Pulse;
use super::track::Track;
use super::{Classifier, Slot};

/// A crash may have begun: enough to start writing, not enough to say so.
pub(super) fn is_suspicious(track: &Track) -> bool {
    let pulse = &track.pulse;
    track.mounting == Mounting::Chassis
        && pulse.coherence() >= limit::COHERENT_SHARE
        && (pulse.longest_dwell >= limit::SUSPECT_DWELL
            || (track.is_full_range() && pulse.delta_v() >= limit::SUSPECT_DELTA_V_MPS))
}

impl Classifier {
    /// Whether the pulse of this sensor, together with what else is known, is a crash.
    pub(super) fn proves(&self, index: usize) -> bool {
        let Some(Slot::Acceleration(track)) = self.slots.get(index) else { return false };
        let pulse = &track.pulse;
        let Some(contact) = pulse.contact else { return false };
        let is_lifted = track.health.is_good(2) && pulse.net[2].abs() > limit::VERTICAL_SHARE * pulse.delta_v();
        if track.mounting == Mounting::Device
            || pulse.coherence() < limit::COHERENT_SHARE
            || pulse.held < limit::CONFIRM_HOLD
            || is_lifted
            || self.is_contradicted(index, contact)
        {
            return false;
        }
        if track.is_full_range() {
            let beyond = pulse.delta_v() - limit::TIRE_SUSTAINED_MPS2 * self.now.since(contact).as_secs_f32();
            return pulse.delta_v() >= limit::CONFIRM_DELTA_V_MPS
                && beyond >= limit::CONFIRM_BEYOND_MPS
                && pulse.peak >= limit::CONFIRM_PEAK_MPS2
                && !pulse.is_flat();
        }
        self.dwell_proves(pulse)
    }

    /// Whether the time beyond tires makes a crash of a pulse that a sensor could not follow.
    fn dwell_proves(&self, pulse: &Pulse) -> bool {
        let least = if pulse.is_lateral() { limit::CONFIRM_DWELL_LATERAL } else { limit::CONFIRM_DWELL };
        let Some(event) = self.event.as_ref().filter(|_| pulse.longest_dwell >= least) else { return false };
        let Some(before) = event.wheels_before else { return true };
        if self.speed_beyond_tires().is_some_and(|beyond| beyond >= limit::SPEED_PROOF_MPS) {
            return true;
        }
        // Hands carry sensors in cars that stand; a car that is struck there is pushed off.
        if before < limit::ROLLING_MPS {
            let now = self.wheels.fresh(self.now, limit::SPEED_FRESH);
            return now.is_some_and(|now| now - before >= limit::PUSHED_OFF_MPS);
        }
        let is_blow = pulse.unrest <= limit::BLOW_RISE && pulse.longest_dwell <= limit::LONGEST_DWELL;
        let is_alive = pulse.is_lively() && pulse.longest_dwell <= limit::LIVELY_DWELL;
        let is_clear = pulse.coherence() >= limit::CLEAR_SHARE && pulse.clipped >= limit::SUSPECT_DWELL;
        is_blow && is_clear && (pulse.is_complete() || is_alive)
    }

    /// Whether the speed that was lost in the meantime makes a crash of a pulse that could not prove it itself.
    pub(super) fn proves_late(&self) -> bool {
        let Some(event) = &self.event else { return false };
        let is_pushed = self.tracks().any(|track| {
            track.mounting == Mounting::Chassis
                && track.is_good()
                && (track.shown.dwell >= limit::SUSPECT_DWELL
                    || track.shown.largest.resultant() >= limit::SLOW_PUSH_MPS)
        });
        is_pushed
            && self.now.since(event.contact) <= limit::SPEED_WINDOW
            && self.speed_beyond_tires().is_some_and(|beyond| beyond >= limit::SLOW_PROOF_MPS)
    }

    /// Another sensor of the structure felt nothing of it.
    fn is_contradicted(&self, index: usize, contact: MonoTime) -> bool {
        self.slots.iter().enumerate().any(|(other, slot)| match slot {
            Slot::Acceleration(track) => other != index && track.contradicts(contact),
            Slot::Rate(_) => false,
        })
    }

    /// How much more speed was lost or won since contact than tires explain; none where speed is not measured.
    fn speed_beyond_tires(&self) -> Option<f32> {
        let event = self.event.as_ref()?;
        let by =
            |speed: &Speed, before: Option<f32>| Some((before? - speed.fresh(self.now, limit::SPEED_FRESH)?).abs());
        let change = by(&self.wheels, event.wheels_before).or_else(|| by(&self.gnss, event.gnss_before))?;
        Some(change - limit::TIRE_SUSTAINED_MPS2 * self.now.since(event.contact).as_secs_f32())
    }
}
