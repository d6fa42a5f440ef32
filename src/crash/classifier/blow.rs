//! A blow that is over, and what follows it.
//!
//! A car that was struck stays struck: it slides aside and its tires push back, gently. A sensor that swings comes back
//! as hard as it went.

use std::time::Duration;

use crate::crash::thresholds as limit;
use crate::time::MonoTime;

use super::pulse::{Before, Pulse, Reading};

/// What the bend of the car's way needs across it, in m/s².
#[derive(Debug, Clone, Copy)]
pub(super) enum Bend {
    /// To the left.
    Signed(f32),
    /// To one side or the other.
    Size(f32),
}

impl Bend {
    /// In the axis of a sensor with that sign.
    pub(super) fn seen_by(self, sign: Option<f32>) -> Self {
        match (self, sign) {
            (Self::Signed(mps2), Some(sign)) => Self::Signed(sign * mps2),
            (Self::Signed(mps2), None) => Self::Size(mps2.abs()),
            (Self::Size(_), _) => self,
        }
    }

    /// How much of what is felt towards that side it explains, at most.
    fn towards(self, side: f32) -> f32 {
        match self {
            Self::Signed(mps2) => (mps2 * side).max(0.0),
            Self::Size(mps2) => mps2,
        }
    }
}

/// What a pulse was, as a sensor that clips has seen it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Blow {
    pub(super) contact: MonoTime,
    /// When it was last above the end threshold, and when anything pushed harder than tires can after it.
    pub(super) ended: MonoTime,
    pushed: MonoTime,
    /// When anything was felt that begins a pulse.
    felt: MonoTime,
    pub(super) dwell: Duration,
    pub(super) clipped: Duration,
    /// How far it pushed into one direction.
    pub(super) coherence: f32,
    /// What the sensor did before.
    before: Before,
    /// See [`Pulse::is_shaken`], [`Pulse::swings`] and [`Pulse::is_square`].
    pub(super) form: Form,
    pub(super) swings: u8,
    /// What it changed of the velocity as far as could be seen, in m/s, and its direction.
    delta_v: f32,
    /// What is left of that at its end, and what was taken of it after, in m/s.
    left_mps: f32,
    taken_mps: f32,
    way: [f32; 2],
    /// What has pushed back across the car since, beyond what the bend of its way explains, in m/s.
    back_mps: f32,
    /// For how long it is being pushed back harder than tires can.
    hard: Duration,
    /// It came back as hard as it went.
    is_swing: bool,
    /// It came back when filters have long come to rest.
    rattles: bool,
}

/// See [`Pulse::is_shaken`] and [`Pulse::is_square`].
#[derive(Debug, Clone, Copy)]
pub(super) struct Form {
    pub(super) is_shaken: bool,
    pub(super) is_square: bool,
}

impl Blow {
    /// None of what never began.
    pub(super) fn of(pulse: &Pulse) -> Option<Self> {
        let length = pulse.largest_delta_v.max(f32::MIN_POSITIVE);
        Some(Self {
            contact: pulse.contact?,
            ended: pulse.last_above,
            pushed: pulse.last_above,
            felt: pulse.last_above,
            dwell: pulse.longest_dwell,
            clipped: pulse.clipped,
            coherence: pulse.best_coherence(),
            before: pulse.before,
            form: Form { is_shaken: pulse.is_shaken(), is_square: pulse.is_square() },
            swings: pulse.swings(),
            delta_v: pulse.largest_delta_v,
            left_mps: pulse.delta_v(),
            taken_mps: 0.0,
            way: pulse.largest.map(|part| part / length),
            back_mps: 0.0,
            hard: Duration::ZERO,
            is_swing: pulse.is_swing(),
            rattles: false,
        })
    }

    /// A later sample, also without what the baseline explains.
    pub(super) fn follow(&mut self, period: Duration, now: &Reading, bend: Bend) {
        let since = now.at.since(self.ended);
        if now.at <= self.ended || since > limit::SLIDE_WINDOW {
            return;
        }
        let back = -(now.off[0] * self.way[0] + now.off[1] * self.way[1]);
        self.taken_mps += back * period.as_secs_f32();
        let is_hard = back > limit::SWING_MPS2 && since <= limit::SWING_WINDOW;
        self.hard = if is_hard { self.hard + period } else { Duration::ZERO };
        self.is_swing |= self.hard >= limit::SWING_DWELL;
        self.rattles |= is_hard && since > limit::RINGING;
        if now.horizontal > limit::SWING_MPS2 {
            self.pushed = now.at;
        }
        if now.push() > limit::ONSET_MPS2 {
            self.felt = now.at;
        }
        let side = -self.way[1].signum();
        let beyond = now.held[1] * side - bend.towards(side) - limit::SLIDING_SLACK_MPS2;
        self.back_mps += beyond.max(0.0) * period.as_secs_f32();
    }

    /// It came out of the calm, or of a braking that the wheels have shown: what is loose rattles before.
    pub(super) fn is_sudden(&self, was_braking: bool) -> bool {
        let most = if self.dwell >= limit::LONG_DWELL { limit::TRIP_RISE } else { limit::BLOW_RISE };
        self.before.roughness <= limit::ROUGH_MPS3 && (self.before.unrest <= most || was_braking)
    }

    /// Nothing has pushed for so long, and nothing swung back.
    pub(super) fn has_settled(&self, now: MonoTime, calm: Duration) -> bool {
        !self.is_swing && now.since(self.pushed) >= calm
    }

    /// Nothing at all was felt for as long as a swing takes to come back.
    pub(super) fn is_followed_by_calm(&self, now: MonoTime) -> bool {
        !self.rattles && now.since(self.felt) >= limit::SWING_BACK
    }

    /// Nothing pushed harder than tires can after it.
    pub(super) fn is_alone(&self) -> bool {
        self.pushed <= self.ended + limit::RINGING
    }

    /// The sensor did not stir before it.
    pub(super) fn is_still(&self) -> bool {
        self.before.roughness <= limit::STILL_MPS3
    }

    /// It pushed into one direction.
    pub(super) fn is_one_way(&self) -> bool {
        self.swings <= limit::BLOW_SWINGS && self.coherence >= limit::COHERENT_SHARE
    }

    /// It did, and not as numbers do.
    pub(super) fn has_form(&self) -> bool {
        !self.form.is_square && self.is_one_way()
    }

    /// It is as long as a blow, and has more in it than a kerb and a brake together.
    pub(super) fn is_whole(&self) -> bool {
        let is_brief = self.is_lateral() || self.dwell <= limit::LONGEST_ALONG;
        let is_calm = self.before.unrest <= limit::BLOW_RISE;
        let is_held = self.is_across() || self.dwell >= limit::BRAKED_DWELL;
        let is_large = self.form.is_shaken && self.delta_v >= limit::BRAKED_KERB_MPS && is_held;
        let is_more = is_calm || self.is_trip() || is_large;
        is_brief && is_more
    }

    /// What pushed a sensor in a hand so far would have to stop it again.
    pub(super) fn is_out_of_reach(&self) -> bool {
        let is_far = self.left_mps >= limit::OUT_OF_REACH_MPS && self.taken_mps < limit::TAKEN_SHARE * self.left_mps;
        self.dwell >= limit::CONFIRM_DWELL && is_far && !self.is_swing
    }

    /// It was none, for all that the sensor itself shows.
    pub(super) fn is_dubious(&self) -> bool {
        self.is_swing || self.rattles || self.form.is_square || self.before.roughness > limit::ROUGH_MPS3
    }

    /// It was not long ago.
    pub(super) fn is_fresh(&self, now: MonoTime) -> bool {
        now.since(self.ended) <= limit::SLIDE_WINDOW
    }

    /// It is over, and nothing came back within the time that a swing takes.
    pub(super) fn is_past(&self, now: MonoTime) -> bool {
        !self.is_swing && now.since(self.ended) >= limit::SWING_BACK
    }

    /// It pushed for longer than anything but soil does, which turns a car over.
    pub(super) fn is_trip(&self) -> bool {
        !self.rattles && self.is_lateral() && self.dwell >= limit::LONG_DWELL
    }

    /// It came out of a calm that nothing that is loose has.
    pub(super) fn is_smooth(&self) -> bool {
        !self.rattles && self.before.roughness <= limit::SMOOTH_MPS3
    }

    /// The car slides aside after it.
    pub(super) fn slides(&self) -> bool {
        let is_brief = self.dwell < limit::CONFIRM_DWELL_LATERAL;
        let least = if is_brief { limit::SLIDE_PROOF_BRIEF_MPS } else { limit::SLIDE_PROOF_MPS };
        !self.is_swing && self.is_lateral() && self.back_mps >= least
    }

    /// Tires have pushed back by more than a kerb leaves for them.
    pub(super) fn is_pushed_back(&self) -> bool {
        !self.is_swing && self.is_lateral() && self.back_mps >= limit::PUSHED_BACK_MPS
    }

    /// It pushed across for so long that neither what is loose nor a kerb does, whatever came before and after it.
    pub(super) fn is_long_trip(&self) -> bool {
        self.is_lateral() && self.dwell >= limit::LONGEST_ALONG
    }

    /// It pushed more across the car than along it.
    pub(super) fn is_across(&self) -> bool {
        self.way[1].abs() > self.way[0].abs()
    }

    /// A good part of it pushed across the car.
    pub(super) fn is_lateral(&self) -> bool {
        self.way[1].abs() >= limit::ASIDE_SHARE
    }
}
