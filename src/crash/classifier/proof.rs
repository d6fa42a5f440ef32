//! When a suspicion is a crash.

use crate::crash::sensor::Mounting;
use crate::crash::thresholds as limit;

use super::blow::Blow;
use super::event::Event;
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
        let (Some(Slot::Acceleration(track)), Some(event)) = (self.slots.get(index), &self.event) else { return false };
        let pulse = &track.pulse;
        let Some(contact) = pulse.contact else { return false };
        let is_lifted = track.health.is_good(2) && pulse.net[2].abs() > limit::VERTICAL_SHARE * pulse.delta_v();
        if track.mounting == Mounting::Device
            || pulse.coherence() < limit::COHERENT_SHARE
            || pulse.held < limit::CONFIRM_HOLD
            || is_lifted
            || self.is_contradicted(track, event)
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
        self.dwell_proves(track, event)
    }

    /// Whether the time beyond tires makes a crash of a pulse that a sensor could not follow.
    fn dwell_proves(&self, track: &Track, event: &Event) -> bool {
        let pulse = &track.pulse;
        let least = if pulse.is_lateral() { limit::CONFIRM_DWELL_LATERAL } else { limit::CONFIRM_DWELL };
        let has_slowed = || self.speed_proves(event, limit::SPEED_PROOF_MPS) && !self.has_slipped(event);
        if (pulse.longest_dwell >= limit::SUSPECT_DWELL && has_slowed())
            || (pulse.longest_dwell >= least && self.is_pushed_off(event))
        {
            return true;
        }
        if self.is_outdone(track) {
            return false;
        }
        if self.has_no_wheels(event) || (self.has_lost_wheels(track, event) && pulse.swings() == 0) {
            return pulse.longest_dwell >= least;
        }
        !pulse.is_torn()
            && !event.is_standing()
            && pulse.before.roughness <= limit::ROUGH_MPS3
            && pulse.longest_dwell >= limit::CONFIRM_DWELL_LATERAL
            && self.turn_dps(event.contact) >= limit::TURNED_DPS
            && self.now.since(event.contact) <= pulse.longest_dwell + limit::TURNED_WITHIN
    }

    /// Whether what followed makes a crash of a pulse that could not prove it itself.
    pub(super) fn proves_late(&self) -> bool {
        let Some(event) = &self.event else { return false };
        let is_cut = |track: &Track| event.bus_silent && track.cut_short(self.now).is_some();
        let is_seen = self.tracks().any(|track| track.sees(self.now) && track.is_whole());
        let is_pushed = self.tracks().filter(|track| track.mounting == Mounting::Chassis).any(|track| {
            let shown = track.shown();
            let is_slow = shown.largest.resultant() >= limit::SLOW_PUSH_MPS && shown.peak >= limit::CONFIRM_PEAK_MPS2;
            is_cut(track) || (track.is_good() && (is_slow || (!is_seen && shown.dwell >= limit::SUSPECT_DWELL)))
        });
        let is_held = || self.tracks().any(|track| track.is_good() && track.shown().dwell >= limit::CONFIRM_DWELL);
        let is_soon = self.now.since(event.contact) <= limit::SPEED_WINDOW;
        let has_slowed = || self.speed_proves(event, limit::SLOW_PROOF_MPS) && !self.has_slipped(event);
        let has_moved = || has_slowed() || (is_held() && self.is_pushed_off(event));
        is_pushed && ((is_soon && has_moved()) || self.blow_proves(event))
    }

    /// Whether late proof is of the newest impact: it took clearly more than those before, and they no more than a kerb and the
    /// brakes do, as far as wheels tell.
    pub(super) fn is_of_newest_impact(&self) -> bool {
        let Some((event, track)) = self.event.as_ref().zip(self.best()) else { return false };
        // Told since the first contact, by wheels that lag behind the car.
        let age = event.impact.since(event.contact + limit::SPEED_LAG).min(limit::SPEED_FRESH);
        let between = self.wheels.at(event.impact, age);
        let is_felt = track.is_struck_worse(limit::CLEARLY_WORSE);
        let Some((before, between)) = event.wheels_before.zip(between) else { return is_felt };
        let taken = (before - between).abs();
        let since = self.wheels.fresh(self.now, limit::SPEED_FRESH).map_or(0.0, |mps| (between - mps).abs());
        let brakes = limit::TIRE_SUSTAINED_MPS2 * event.impact.since(event.contact).as_secs_f32();
        taken < limit::KERB_MPS + brakes && (is_felt || since >= limit::CLEARLY_WORSE * taken)
    }

    /// Whether a blow that is over, or that a silent bus has cut off, was one on the car.
    fn blow_proves(&self, event: &Event) -> bool {
        self.tracks().any(|track| {
            let is_asked = track.mounting == Mounting::Chassis && !track.is_full_range() && !self.is_outdone(track);
            if is_asked && event.bus_silent && track.is_cut_off(self.now) {
                return true;
            }
            let Some(blow) = track.blow.filter(|blow| blow.contact >= event.contact && blow.is_fresh(self.now)) else {
                return false;
            };
            let has_lost_wheels = || {
                // A wall stops a car so fast, and lets go of it so fast, that it looks like a number.
                let is_clear = blow.has_form() || (blow.is_one_way() && blow.dwell >= limit::WALL_DWELL);
                is_clear && blow.swings == 0 && blow.dwell >= limit::CONFIRM_DWELL && self.has_lost_wheels(track, event)
            };
            let is_sudden = track.is_calm() && blow.is_sudden(self.was_braking(event));
            is_asked && (has_lost_wheels() || (is_sudden && self.is_blow_on_car(track, &blow, event)))
        })
    }

    fn is_blow_on_car(&self, track: &Track, blow: &Blow, event: &Event) -> bool {
        if event.is_standing() {
            return blow.has_form() && self.is_blow_on_standing_car(track, blow, event);
        }
        let has_turned = self.turn_dps(blow.contact) >= limit::TURNED_DPS;
        let is_out_of_the_calm = blow.is_smooth() && blow.is_alone() && blow.has_settled(self.now, limit::SWING_BACK);
        // Whoever slid or turns on was struck, also by what is too short to have a form.
        if is_out_of_the_calm && blow.clipped >= limit::CLIPPED_LEAST {
            let turns_on = self.turns_on(blow, event) && (has_turned || blow.is_one_way());
            if turns_on || (event.was_sliding && blow.is_one_way()) {
                return true;
            }
        }
        if !blow.has_form() {
            return false;
        }
        let slides = blow.slides() || (blow.is_pushed_back() && self.turn_dps(blow.contact) >= limit::TURNED_ASIDE_DPS);
        (has_turned && blow.has_settled(self.now, limit::SETTLE))
            || (event.was_sliding && blow.is_smooth() && blow.is_trip() && blow.is_past(self.now))
            || ((event.was_sliding || slides) && blow.is_long_trip() && blow.is_past(self.now))
            || (is_out_of_the_calm && (slides || self.is_blow_by_form(track, blow, event)))
    }

    /// Hands carry sensors in cars that stand: those do not begin at once, and neither slide nor keep what they pushed.
    fn is_blow_on_standing_car(&self, track: &Track, blow: &Blow, event: &Event) -> bool {
        if !blow.is_still() || track.was_suspicious(self.now) || self.was_turning(blow.contact) {
            return false;
        }
        let turn_dps = self.turn_dps(blow.contact);
        let has_turned = turn_dps >= limit::TURNED_STANDING_DPS && !self.turns_more(blow);
        let has_rolled = || turn_dps >= limit::TURNED_DPS && self.is_pushed_off(event);
        (has_turned && blow.has_settled(self.now, limit::SETTLE) && (blow.slides() || has_rolled()))
            || (blow.is_out_of_reach() && track.rests_after(blow, self.now))
    }

    /// No other witness: a first blow of the form of one, with calm around it.
    fn is_blow_by_form(&self, track: &Track, blow: &Blow, event: &Event) -> bool {
        blow.dwell >= limit::CONFIRM_DWELL
            && blow.clipped >= limit::CLIPPED_LEAST
            && blow.coherence >= limit::CLEAR_SHARE
            && blow.is_whole()
            && blow.contact.since(event.contact) <= limit::FIRST_BLOW
            && !track.was_suspicious(self.now)
            && (blow.is_trip() || blow.is_followed_by_calm(self.now))
            && if blow.is_across() { !self.goes_straight_on(blow) } else { !self.wheels_tell_a_kerb(blow, event) }
    }
}
