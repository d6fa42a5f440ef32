//! Whether the axes of one sensor can be believed.
//!
//! Three things are watched sample by sample (a value that does not change, one that stays at the end of the range, an
//! axis that is silent beside its sisters), one pulse by pulse (pushes that cancel each other out), one second by
//! second (a mean that driving does not explain; see [`super::learner`]).

use std::time::Duration;

use crate::crash::sensor_fault::FaultKind;
use crate::crash::thresholds as limit;
use crate::time::MonoTime;

#[derive(Debug, Clone, Copy, Default)]
struct Axis {
    value: Option<f32>,
    /// The value is the same since, and the car moves since.
    same_since: MonoTime,
    /// At this end of the range since.
    edge_since: Option<MonoTime>,
    heard: MonoTime,
    fault: Option<FaultKind>,
    /// What made it a fault has not been seen since.
    fine_since: MonoTime,
    /// Windows since then that showed its zero where it should be.
    fine: u8,
}

/// What a sensor measures decides what it can repeat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Every road shakes it.
    Acceleration,
    /// A straight road leaves it at its zero.
    Rate,
}

/// What a window of time has shown of the zero of an axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Zeroed {
    Fine,
    /// It is off, for longer than the car explains.
    Shifted,
    /// It is off, and that may be the car.
    Off,
    /// It cannot be told from what the car does.
    #[default]
    Unknown,
}

/// What is asked of an axis.
#[derive(Debug, Clone, Copy)]
struct Limits {
    kind: Kind,
    edge: f32,
    /// So long no crash holds it at one end.
    longest_at_edge: Duration,
}

/// The axes of one sensor.
#[derive(Debug, Clone, Copy)]
pub(super) struct Health {
    axes: [Axis; 3],
    exists: [bool; 3],
    limits: Limits,
    began: Option<MonoTime>,
    looked: MonoTime,
}

impl Health {
    pub(super) fn new(exists: [bool; 3], range: f32, longest_at_edge: Duration, kind: Kind) -> Self {
        let limits = Limits { kind, edge: range * limit::CLIPPED_SHARE, longest_at_edge };
        Self { axes: [Axis::default(); 3], exists, limits, began: None, looked: MonoTime::ZERO }
    }

    /// The axis exists and has no fault.
    pub(super) fn is_good(&self, index: usize) -> bool {
        self.exists.get(index) == Some(&true) && self.axes.get(index).is_some_and(|axis| axis.fault.is_none())
    }

    pub(super) fn fault(&self, index: usize) -> Option<FaultKind> {
        self.axes.get(index).and_then(|axis| axis.fault)
    }

    /// Looks at a sample; `report` hears of every axis whose state changed.
    pub(super) fn observe(
        &mut self,
        at: MonoTime,
        values: [Option<f32>; 3],
        is_moving: bool,
        report: &mut impl FnMut(usize, FaultKind),
    ) {
        let began = *self.began.get_or_insert(at);
        // A bus that sleeps, and a crash that is under way: time without a look proves nothing.
        let has_paused = at.since(self.looked) >= limit::SENSOR_SILENCE;
        self.looked = at;
        for (index, value) in values.into_iter().enumerate() {
            if !self.exists[index] {
                continue;
            }
            let axis = &mut self.axes[index];
            if has_paused {
                (axis.heard, axis.same_since, axis.edge_since, axis.fine_since) = (at, at, None, at);
            }
            let value = value.filter(|value| value.is_finite());
            let seen = axis.look(at, value, is_moving, self.limits, began);
            match (axis.fault, seen) {
                (None, Some(kind)) => axis.fall(at, kind, |kind| report(index, kind)),
                (Some(fault), Some(kind)) if fault == kind => axis.fine_since = at,
                _ => axis.mend(at, |kind| report(index, kind)),
            }
        }
    }

    /// A fault that was found elsewhere, seen (again) now.
    pub(super) fn found(
        &mut self,
        at: MonoTime,
        index: usize,
        kind: FaultKind,
        report: &mut impl FnMut(usize, FaultKind),
    ) {
        let Some(axis) = self.axes.get_mut(index).filter(|_| self.exists.get(index) == Some(&true)) else { return };
        match axis.fault {
            None => axis.fall(at, kind, |kind| report(index, kind)),
            Some(fault) if fault == kind => (axis.fine_since, axis.fine) = (at, 0),
            Some(_) => {}
        }
    }

    /// A window has shown that of the zero of an axis.
    pub(super) fn zeroed(
        &mut self,
        at: MonoTime,
        index: usize,
        zeroed: Zeroed,
        report: &mut impl FnMut(usize, FaultKind),
    ) {
        let is_open = self.fault(index) == Some(FaultKind::ZeroShift);
        match zeroed {
            Zeroed::Shifted => self.found(at, index, FaultKind::ZeroShift, report),
            Zeroed::Off if is_open => self.found(at, index, FaultKind::ZeroShift, report),
            Zeroed::Fine if is_open => {
                if let Some(axis) = self.axes.get_mut(index) {
                    axis.fine = axis.fine.saturating_add(1);
                }
            }
            _ => {}
        }
    }
}

impl Axis {
    fn look(
        &mut self,
        at: MonoTime,
        value: Option<f32>,
        is_moving: bool,
        limits: Limits,
        began: MonoTime,
    ) -> Option<FaultKind> {
        let Some(value) = value else {
            let is_silent = at.since(self.heard.max(began)) >= limit::DEAD_AFTER;
            return is_silent.then_some(FaultKind::DeadAxis);
        };
        self.heard = at;
        let is_same = self.value.is_some_and(|old| old.to_bits() == value.to_bits());
        let is_same_side = self.value.is_some_and(|old| old.is_sign_positive() == value.is_sign_positive());
        self.value = Some(value);
        if !is_same || !is_moving {
            self.same_since = at;
        }
        if value.abs() < limits.edge {
            self.edge_since = None;
        } else if self.edge_since.is_none() || !is_same_side {
            self.edge_since = Some(at);
        }
        if self.edge_since.is_some_and(|since| at.since(since) >= limits.longest_at_edge) {
            return Some(FaultKind::Stuck);
        }
        if at.since(self.same_since) < limit::STUCK_AFTER {
            return None;
        }
        match limits.kind {
            Kind::Rate => (value.abs() > limit::RATE_AT_REST_DPS).then_some(FaultKind::Stuck),
            Kind::Acceleration if value.abs() <= limit::DEAD_VALUE_MPS2 => Some(FaultKind::DeadAxis),
            Kind::Acceleration => Some(FaultKind::Stuck),
        }
    }

    fn fall(&mut self, at: MonoTime, kind: FaultKind, report: impl FnOnce(FaultKind)) {
        self.fault = Some(kind);
        (self.fine_since, self.fine) = (at, 0);
        report(kind);
    }

    fn mend(&mut self, at: MonoTime, report: impl FnOnce(FaultKind)) {
        let fine_for = at.since(self.fine_since);
        let is_over = match self.fault {
            None => false,
            Some(FaultKind::ZeroShift) => self.fine >= limit::ZERO_FINE_WINDOWS || fine_for >= limit::SHIFT_HIDDEN_FOR,
            Some(_) => fine_for >= limit::RECOVERED_AFTER,
        };
        if is_over {
            self.fault = None;
            report(FaultKind::Recovered);
        }
    }
}

/// Whether a pulse swings to and fro: a loose or resonant sensor, unless it proved a crash before.
pub(super) fn is_resonance(duration: Duration, path_mps: f32, coherence: f32, largest_mps: f32) -> bool {
    duration >= limit::RESONANCE_SPAN
        && path_mps >= limit::RESONANCE_PATH_MPS
        && coherence < limit::RESONANCE_SHARE
        && largest_mps < limit::CONFIRM_DELTA_V_MPS
}
