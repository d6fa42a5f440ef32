//! An event: from the first suspicion to the last word.

use crate::crash::thresholds as limit;
use crate::crash::verdict::{Stage, Verdict};
use crate::time::MonoTime;

use super::motion::Slip;

#[derive(Debug, Clone, Copy)]
pub(super) struct Event {
    pub(super) number: u32,
    pub(super) contact: MonoTime,
    /// Contact of its newest impact: one that began later than an impact is graded for.
    pub(super) impact: MonoTime,
    pub(super) opened: MonoTime,
    pub(super) stage: Stage,
    pub(super) impacts: u8,
    /// Restraints that fired in it: some control units report it for a moment only.
    pub(super) restraints: u8,
    /// The last time that something was above the end threshold.
    pub(super) last_active: MonoTime,
    /// Speed just before contact by the wheels, and by GNSS.
    pub(super) wheels_before: Option<f32>,
    pub(super) gnss_before: Option<f32>,
    /// How the wheels slipped just before contact.
    pub(super) slip: Option<Slip>,
    /// It rolled a second before contact: wheels of a car that goes aside stand.
    pub(super) was_rolling: bool,
    /// The car went aside just before contact: nobody steered it any more.
    pub(super) was_sliding: bool,
    /// When it had turned over by its roll rate.
    pub(super) rolled_at: Option<MonoTime>,
    /// Newest speed loss within [`limit::SPEED_WINDOW`] of contact.
    pub(super) speed_lost: Option<f32>,
    /// What of it was lost in the pulse, as far as rolling wheels tell.
    pub(super) pulse_loss: Option<f32>,
    /// Angle of gravity against before, at rest.
    pub(super) tilt_deg: Option<f32>,
    pub(super) bus_silent: bool,
    pub(super) next_review: MonoTime,
    pub(super) corrections: u8,
    /// What was said last.
    pub(super) said: Option<Verdict>,
}

impl Event {
    /// The car stood when it was struck, as far as its wheels tell.
    pub(super) fn is_standing(&self) -> bool {
        !self.was_rolling && self.wheels_before.is_some_and(|before| before < limit::ROLLING_MPS)
    }

    /// What the pulse took by wheels that still roll after it: those that stop may be locked, and those that slow to a
    /// third may roll backwards.
    pub(super) fn loss_of_rolling(&self, after: Option<f32>) -> Option<f32> {
        let (before, after) = self.wheels_before.zip(after)?;
        let is_rolling = after >= limit::ROLLING_MPS && after >= limit::KEPT_SHARE * before;
        is_rolling.then_some(before - after)
    }

    /// What of a gain the wheels only have back: those that a brake had locked before contact, and that grip again.
    pub(super) fn regained(&self, gain: f32) -> f32 {
        let lost = self.slip.zip(self.wheels_before).map_or(0.0, |(slip, before)| slip.gripped - before);
        lost.clamp(0.0, gain.max(0.0))
    }

    pub(super) fn is_confirmed(&self) -> bool {
        matches!(self.stage, Stage::Confirmed | Stage::Graded | Stage::Corrected)
    }

    /// When something is to be done if nothing comes in between.
    pub(super) fn deadline(&self) -> MonoTime {
        match self.stage {
            Stage::Suspected => self.last_active.max(self.contact) + limit::DISMISS_AFTER,
            Stage::Confirmed => self.contact + limit::GRADED_BY,
            _ => self.next_review.min(self.closes()),
        }
    }

    pub(super) fn closes(&self) -> MonoTime {
        self.last_active.max(self.opened) + limit::CLOSE_AFTER
    }

    /// Something pushed at that time: another impact, when it was calm for long enough before.
    pub(super) fn active(&mut self, began: MonoTime, until: MonoTime) {
        if began.since(self.last_active) >= limit::IMPACT_GAP {
            self.impacts = self.impacts.saturating_add(1);
        }
        self.last_active = self.last_active.max(until);
    }
}

/// Whether it is worth saying again.
pub(super) fn differs(old: &Verdict, new: &Verdict) -> bool {
    let moved = match (old.delta_v, new.delta_v) {
        (Some(old), Some(new)) => {
            let by = (new.resultant_mps - old.resultant_mps).abs();
            old.is_lower_bound != new.is_lower_bound
                || (by > limit::MATERIAL_DELTA_V_MPS && by > limit::MATERIAL_SHARE * old.resultant_mps)
        }
        (old, new) => old.is_some() != new.is_some(),
    };
    moved
        || old.side != new.side
        || old.impacts != new.impacts
        || old.rollover != new.rollover
        || old.severity != new.severity
        || old.evidence.restraints != new.evidence.restraints
        || old.evidence.tilt_deg.is_some() != new.evidence.tilt_deg.is_some()
        || old.evidence.bus_silent != new.evidence.bus_silent
}
