//! What else the car shows of a crash, beside the sensor that was pushed.
//!
//! Wheels, satellites, the yaw rate and the tires afterwards know nothing of what goes wrong inside an accelerometer.

use std::time::Duration;

use crate::crash::sensor::Mounting;
use crate::crash::thresholds as limit;
use crate::time::MonoTime;

use super::Classifier;
use super::account::Change;
use super::blow::{Bend, Blow};
use super::event::Event;
use super::motion::Speed;
use super::track::Track;
use super::zero::Driving;

impl Classifier {
    /// What is felt across the car at most, without sign.
    fn across_mps2(&self) -> f32 {
        let good = self.tracks().filter(|track| track.feels_across(self.now));
        good.map(|track| track.axes_now()[1].abs()).reduce(f32::max).unwrap_or(limit::TIRE_SUSTAINED_MPS2)
    }

    /// What the car does now, for its rate sensors.
    pub(super) fn driving(&self) -> Driving {
        Driving {
            speed_mps: self.wheels.fresh(self.now, limit::SPEED_FRESH),
            stands: self.has_stood() && !self.is_carried(),
            across_mps2: self.across_mps2(),
            yaw_dps: self.heading.rate_dps(self.now, limit::ROLL_MAX_GAP),
        }
    }

    /// Satellites see it move: a ferry or a lorry carries it, or its wheels tell nothing true.
    fn is_carried(&self) -> bool {
        self.gnss.fresh(self.now, limit::SPEED_WINDOW).is_some_and(|mps| mps >= limit::ROLLING_MPS)
    }

    /// What the bend of the car's way needs across it; everything where that is not known. One that stood when it was struck
    /// goes through no bend, however it spins.
    pub(super) fn bend(&self, speed_mps: Option<f32>) -> Bend {
        if self.event.as_ref().is_some_and(Event::is_standing) {
            return Bend::Signed(0.0);
        }
        match (speed_mps, self.heading.rate_dps(self.now, limit::ROLL_MAX_GAP)) {
            (Some(speed_mps), _) if speed_mps < limit::ROLLING_MPS => Bend::Signed(0.0),
            (Some(speed_mps), Some(rate_dps)) => {
                let mps2 = speed_mps * rate_dps.to_radians();
                // Wheels do not tell which way they turn, and an old rate not to which side the car turns by now.
                let is_fresh = self.heading.rate_dps(self.now, limit::TURN_FRESH).is_some();
                if is_fresh && speed_mps > limit::BACKWARDS_MPS { Bend::Signed(mps2) } else { Bend::Size(mps2.abs()) }
            }
            _ => Bend::Size(limit::TIRE_LIMIT_MPS2),
        }
    }

    /// Speed was lost or won that neither brakes nor engines explain.
    pub(super) fn speed_proves(&self, event: &Event, least_mps: f32) -> bool {
        self.speed_beyond_tires(event).is_some_and(|beyond| beyond >= least_mps)
    }

    /// It stood, and moves now: by its wheels, or aside, which only satellites see.
    pub(super) fn is_pushed_off(&self, event: &Event) -> bool {
        let Some(before) = event.wheels_before.filter(|before| *before < limit::ROLLING_MPS) else { return false };
        let wheels = self.wheels.fresh(self.now, limit::SPEED_FRESH);
        let is_rolling = wheels.is_some_and(|now| now - before >= limit::PUSHED_OFF_MPS);
        let stood = event.gnss_before.filter(|before| *before < limit::ROLLING_MPS);
        let gnss = self.gnss.fresh(self.now, limit::SPEED_FRESH);
        is_rolling || stood.zip(gnss).is_some_and(|(before, now)| now - before >= limit::PUSHED_ASIDE_MPS)
    }

    /// How far the yaw rate jumped with the blow, beyond what it was doing before, in °/s.
    pub(super) fn turn_dps(&self, contact: MonoTime) -> f32 {
        let before = contact - limit::TURNED_WITHIN;
        let was_turning = self.heading.jump_dps(before, limit::TURNED_WITHIN).unwrap_or_default();
        let jump = self.heading.jump_dps(contact, limit::TURNED_WITHIN).unwrap_or_default();
        (jump - was_turning).max(0.0)
    }

    /// The blow has turned the car, which turns on and ever more slowly: tires that grip stop it soon, and drivers do not.
    pub(super) fn turns_on(&self, blow: &Blow, event: &Event) -> bool {
        let by = |moment| self.heading.change_dps(blow.contact, moment);
        let (first, later) = (by(blow.ended + limit::RINGING), by(blow.ended + limit::TURN_LASTS));
        let first = first.filter(|first| first.abs() >= limit::TURNED_ON_DPS);
        let left = first.zip(later).map(|(first, later)| later / first);
        event.wheels_before.is_some_and(|mps| mps <= limit::TURNED_ON_BELOW_MPS)
            && self.turn_dps(blow.contact) >= limit::TURNED_ON_DPS
            && left.is_some_and(|left| (limit::TURN_LEFT_SHARE..=limit::TURN_FADED_SHARE).contains(&left))
    }

    /// A blow across the car has not turned it at all; false where that is not known.
    pub(super) fn goes_straight_on(&self, blow: &Blow) -> bool {
        let jump = self.heading.jump_dps(blow.contact, limit::TURNED_WITHIN);
        jump.is_some_and(|jump| jump < limit::TURNED_STANDING_DPS)
    }

    /// It stands, and did so for a while, as far as its wheels tell.
    pub(super) fn has_stood(&self) -> bool {
        let stands = |mps: f32| mps < limit::ROLLING_MPS;
        let earlier = self.wheels.at(self.now - limit::STOOD_SINCE, limit::SPEED_FRESH);
        earlier.is_some_and(stands) && self.wheels.fresh(self.now, limit::SPEED_FRESH).is_some_and(stands)
    }

    /// It turns faster than the blow has left it.
    pub(super) fn turns_more(&self, blow: &Blow) -> bool {
        let by_blow = self.heading.jump_dps(blow.contact, limit::TURNED_WITHIN).unwrap_or_default();
        let told = self.heading.told().filter(|told| self.now.since(*told) <= limit::TURN_FRESH);
        let now = told.and_then(|told| self.heading.change_dps(blow.contact, told));
        now.is_none_or(|now| now.abs() > by_blow + limit::SAME_TURN_DPS)
    }

    /// No wheels tell a speed: in this run none have, or they sleep since the car stood.
    pub(super) fn has_no_wheels(&self, event: &Event) -> bool {
        let Some(told) = self.wheels.told() else { return true };
        let stood = self.wheels.fresh(told, Duration::ZERO).is_some_and(|mps| mps < limit::ROLLING_MPS);
        stood && event.contact.since(told) > limit::SPEED_WINDOW
    }

    /// The speed of the wheels was told until the blow, and no longer, while the sensor that felt it goes on.
    pub(super) fn has_lost_wheels(&self, own: &Track, event: &Event) -> bool {
        let interval = self.wheels.interval().unwrap_or(limit::SLOWEST_WHEELS);
        let silence = limit::WHEELS_LOST.max(interval.mul_f32(limit::WHEELS_LOST_INTERVALS));
        let is_until_blow = |told: &MonoTime| {
            event.contact.since(*told) < silence && told.since(event.contact) <= limit::WHEELS_LOST_BY
        };
        let told = self.wheels.told().filter(is_until_blow);
        let is_long = |told: MonoTime| self.now.since(told.max(event.contact).max(own.speaks_since())) >= silence;
        !own.is_silent(self.now) && told.is_some_and(is_long)
    }

    /// The sensor of a car that stands was turning already, or nobody knows: it is in a hand.
    pub(super) fn was_turning(&self, contact: MonoTime) -> bool {
        let before = contact - limit::TURNED_WITHIN;
        let is_steady = |jump: f32| jump < limit::SAME_TURN_DPS;
        let is_still = |rate_dps: f32| rate_dps.abs() < limit::TURNED_STANDING_DPS;
        !(self.heading.jump_dps(before, limit::TURNED_WITHIN).is_some_and(is_steady)
            && self.heading.at_dps(contact).is_some_and(is_still))
    }

    /// The wheels slowed before the blow: what was felt then was the brake.
    pub(super) fn was_braking(&self, event: &Event) -> bool {
        let earlier = self.wheels.at(event.contact - limit::BRAKING_WINDOW, limit::SPEED_FRESH);
        earlier.zip(event.wheels_before).is_some_and(|(earlier, before)| earlier - before >= limit::BRAKING_MPS)
    }

    /// How much more speed was lost or won than tires explain, from the last that was told before contact; none where speed
    /// is not measured.
    pub(super) fn speed_beyond_tires(&self, event: &Event) -> Option<f32> {
        let by = |speed: &Speed, age| speed.change_since(event.contact, age, self.now);
        let wheels = by(&self.wheels, limit::SPEED_FRESH);
        let wheels = wheels.map(|(change, span)| (change - event.regained(change), span));
        let (change, span) = wheels.or_else(|| by(&self.gnss, limit::SPEED_WINDOW))?;
        Some(change.abs() - limit::TIRE_SUSTAINED_MPS2 * span.as_secs_f32())
    }

    /// Wheels roll on, and have lost no more along the car than a kerb takes.
    pub(super) fn wheels_tell_a_kerb(&self, blow: &Blow, event: &Event) -> bool {
        let after = self.wheels.at(blow.ended + limit::SPEED_LAG, limit::SPEED_LAG);
        let is_rolling = self.wheels.fresh(self.now, limit::SPEED_FRESH).is_some_and(|mps| mps >= limit::ROLLING_MPS);
        let lost = event.wheels_before.zip(after).map(|(before, after)| (before - after).abs());
        is_rolling && lost.is_some_and(|lost| lost < limit::KERB_MPS)
    }

    /// Brakes make wheels slip: they tell of much more than a sensor has felt that sees everything, or roll faster again
    /// though the car was pushed back.
    pub(super) fn has_slipped(&self, event: &Event) -> bool {
        let Some((change, _)) = self.wheels.change_since(event.contact, limit::SPEED_FRESH, self.now) else {
            return false;
        };
        let felt = self.tracks().filter(|track| track.has_seen(event.contact)).map(|track| track.shown().largest);
        let most = felt.map(Change::resultant).reduce(f32::max);
        let is_pushed_back = |track: &Track| {
            let felt = track.shown().largest;
            track.sign(0).is_some_and(|sign| sign * felt.x < 0.0) && felt.x.abs() > felt.y.abs()
        };
        // Wheels do not tell which way they turn, and a car that was creeping may be thrown back.
        let newest = self.wheels.fresh(self.now, limit::SPEED_FRESH);
        let rolls_faster = change > 0.0 && newest.is_some_and(|mps| mps > limit::BACKWARDS_MPS);
        let asked = || self.tracks().filter(|track| track.mounting == Mounting::Chassis && track.is_good());
        most.is_some_and(|felt| felt < limit::SLIP_SHARE * change.abs())
            || (rolls_faster && asked().any(is_pushed_back))
    }

    /// Another sensor of the structure felt nothing of it: a car that brakes feels something, but not across.
    pub(super) fn is_contradicted(&self, own: &Track, event: &Event) -> bool {
        let axis = own.pulse.main_axis();
        self.tracks().any(|track| track.name != own.name && track.contradicts(axis, event.contact, self.now))
    }

    /// Somebody sees better, or what sees is in doubt.
    pub(super) fn is_outdone(&self, own: &Track) -> bool {
        self.tracks().any(|track| track.has_fault() || (track.name != own.name && track.sees(self.now)))
            || own.is_distrusted(self.now)
    }
}
