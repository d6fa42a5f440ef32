//! When a sensor is not believed: what its pulses, its windows and a crash that goes on for too long tell of it.

use std::time::Duration;

use crate::crash::classifier::health::is_resonance;
use crate::crash::classifier::learner::Driven;
use crate::crash::classifier::pulse::Pulse;
use crate::crash::sensor::Mounting;
use crate::crash::sensor_fault::FaultKind;
use crate::crash::thresholds as limit;
use crate::time::MonoTime;

use super::{Track, longest_pulse};

impl Track {
    /// What was summed up with axes that have failed or recovered since the last sample is void.
    pub(super) fn turn_over(&mut self) {
        let good = [0, 1, 2].map(|index| self.health.is_good(index));
        let has_changed = good[..2] != self.good[..2];
        for (is_stale, (now, before)) in self.is_stale.iter_mut().zip(good.iter().zip(self.good)) {
            *is_stale |= *now != before;
        }
        self.good = good;
        if has_changed {
            self.pulse = Pulse::default();
            if let Some(last) = &mut self.last {
                (last.held, last.off) = ([0.0; 2], [0.0; 3]);
            }
        }
    }

    /// The window is complete, and so far there was no crash in it.
    pub(in super::super) fn shaken(&mut self, at: MonoTime, report: &mut impl FnMut(usize, FaultKind)) {
        for (index, is_shaken) in self.learner.shaken().into_iter().enumerate() {
            if is_shaken && self.mounting == Mounting::Chassis {
                self.health.found(at, index, FaultKind::Resonance, report);
            }
        }
    }

    /// The window is complete, and the car did that in it.
    pub(in super::super) fn conclude(
        &mut self,
        at: MonoTime,
        driven: Driven,
        report: &mut impl FnMut(usize, FaultKind),
    ) {
        let exists =
            [0, 1, 2].map(|index| self.health.is_good(index) || self.health.fault(index) == Some(FaultKind::ZeroShift));
        for (index, zeroed) in self.learner.finish(driven, exists).into_iter().enumerate() {
            self.health.zeroed(at, index, zeroed, report);
        }
        self.apply();
    }

    /// A pulse that swings to and fro, or does not end, is no pulse.
    pub(super) fn judge(&mut self, at: MonoTime, report: &mut impl FnMut(usize, FaultKind)) {
        let pulse = &self.pulse;
        let Some(contact) = pulse.contact.filter(|_| pulse.is_active() && self.mounting == Mounting::Chassis) else {
            return;
        };
        let is_resonant = if self.is_full_range() {
            is_resonance(at.since(contact), pulse.path, pulse.coherence(), pulse.largest_delta_v)
        } else {
            at.since(contact) >= limit::SWINGING_AFTER && pulse.is_swinging()
        };
        if is_resonant {
            for index in 0..3 {
                self.health.found(at, index, FaultKind::Resonance, report);
            }
            self.pulse = Pulse::default();
        } else if at.since(contact) >= longest_pulse(self.range) {
            if pulse.is_shift(at.since(contact)) {
                self.health.found(at, pulse.main_axis(), FaultKind::ZeroShift, report);
            }
            self.pulse = Pulse::default();
        }
    }

    /// A push that was taken for a crash, and goes on as none does: the zero has shifted, or it swings.
    pub(super) fn disbelieve(&mut self, at: MonoTime, report: &mut impl FnMut(usize, FaultKind)) {
        let pulse = &self.pulse;
        let is_asked = pulse.is_active() && self.mounting == Mounting::Chassis;
        let span = pulse.contact.filter(|_| is_asked).map_or(Duration::ZERO, |contact| at.since(contact));
        if !self.is_full_range() {
            if span >= limit::LONGEST_THROWN && self.last.is_some_and(|last| pulse.is_thrown(&last)) {
                self.account.shown.is_void = true;
                for index in 0..2 {
                    self.health.found(at, index, FaultKind::Resonance, report);
                }
                self.pulse = Pulse::default();
            }
        } else if span >= limit::LONGEST_PUSH && pulse.is_shift(span) {
            if self.account.distrust(span) {
                self.health.found(at, pulse.main_axis(), FaultKind::ZeroShift, report);
            }
            self.pulse = Pulse::default();
        }
    }
}
