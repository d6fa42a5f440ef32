//! A pulse: the time from leaving the baseline until coming to rest at it again.

use std::time::Duration;

use crate::crash::thresholds as limit;
use crate::time::MonoTime;

/// What one sample says.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reading {
    pub(super) at: MonoTime,
    /// Horizontal.
    pub(super) held: [f32; 2],
    /// Off the baseline.
    pub(super) off: [f32; 3],
    /// Magnitude of the horizontal acceleration.
    pub(super) horizontal: f32,
    /// The same after the low-pass.
    pub(super) filtered: f32,
    pub(super) is_clipped: bool,
}

impl Reading {
    /// Magnitude of the horizontal push.
    pub(super) fn push(&self) -> f32 {
        self.off[0].hypot(self.off[1])
    }

    fn is_beyond_tires(&self) -> bool {
        self.horizontal >= limit::TIRE_LIMIT_MPS2 && self.push() >= limit::ONSET_MPS2 / 2.0
    }
}

/// What has been summed up since contact.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Pulse {
    /// When it left the baseline.
    pub(super) contact: Option<MonoTime>,
    /// When it was last above the end threshold.
    pub(super) last_above: MonoTime,
    is_over: bool,
    /// ∫ off dt by axis, in m/s.
    pub(super) net: [f32; 3],
    /// ∫ |off| dt of the horizontal, in m/s.
    pub(super) path: f32,
    pub(super) largest_delta_v: f32,
    /// Time above the onset.
    pub(super) held: Duration,
    /// Time beyond tires, dips forgiven.
    pub(super) dwell: Duration,
    /// The longest one of this pulse.
    pub(super) longest_dwell: Duration,
    /// Below since.
    dip: Duration,
    pub(super) clipped: Duration,
    pub(super) peak: f32,
    /// How far the readings of x and y have traveled up and down since the pulse has begun to dwell.
    travel: [f32; 2],
    /// For how long it was restless before contact.
    pub(super) unrest: Duration,
    /// Smallest and largest push, once it has risen.
    flat: Option<(f32, f32)>,
}

impl Pulse {
    pub(super) fn delta_v(&self) -> f32 {
        self.net[0].hypot(self.net[1])
    }

    /// How far it pushes into one direction.
    pub(super) fn coherence(&self) -> f32 {
        if self.path > 0.0 { self.delta_v() / self.path } else { 0.0 }
    }

    pub(super) fn is_active(&self) -> bool {
        self.contact.is_some() && !self.is_over
    }

    /// From contact to the last time above the end threshold.
    pub(super) fn duration(&self) -> Duration {
        self.contact.map_or(Duration::ZERO, |contact| self.last_above.since(contact))
    }

    /// It has risen at once and does not change, or not yet: a step of the zero, no crumpling metal.
    pub(super) fn is_flat(&self) -> bool {
        self.flat.is_none_or(|(low, high)| high - low <= limit::FLAT_SHARE * high)
    }

    /// It lives on both axes: what breaks in a sensor breaks on one, or freezes both.
    pub(super) fn is_lively(&self) -> bool {
        self.travel[0].min(self.travel[1]) >= limit::LIVELY_MPS2
    }

    /// The push is across the car.
    pub(super) fn is_lateral(&self) -> bool {
        self.net[1].abs() >= limit::LATERAL_RATIO * self.net[0].abs()
    }

    /// It came to its end as a pulse of a crash does.
    pub(super) fn is_complete(&self) -> bool {
        self.is_over && self.duration() <= limit::COMPLETE_PULSE
    }

    /// A sample that follows on the last one, after so long a time of unrest.
    pub(super) fn extend(&mut self, span: Duration, last: &Reading, now: &Reading, unrest: Duration) {
        if !self.is_active() {
            if now.push() < limit::ONSET_MPS2 {
                return;
            }
            // Contact lies between the two: the last one was still below.
            *self = Self { contact: Some(last.at), last_above: now.at, unrest, ..Self::default() };
        } else if !self.dwell.is_zero() {
            for index in 0..2 {
                self.travel[index] += (now.held[index] - last.held[index]).abs();
            }
        }
        let span_s = span.as_secs_f32();
        for index in 0..3 {
            self.net[index] += f32::midpoint(last.off[index], now.off[index]) * span_s;
        }
        self.path += f32::midpoint(last.push(), now.push()) * span_s;
        self.largest_delta_v = self.largest_delta_v.max(self.delta_v());
        self.peak = self.peak.max(now.filtered);
        if last.is_clipped && now.is_clipped {
            self.clipped += span;
        }
        if last.push().min(now.push()) >= limit::ONSET_MPS2 {
            self.held += span;
            if self.held >= limit::FLAT_FROM {
                let (low, high) = self.flat.unwrap_or((now.push(), now.push()));
                self.flat = Some((low.min(now.push()), high.max(now.push())));
            }
        }
        self.count_dwell(span, last, now);
        if now.push() >= limit::END_ACCELERATION_MPS2 {
            self.last_above = now.at;
        } else if now.at.since(self.last_above) >= limit::END_WINDOW.max(span * 2) {
            self.is_over = true;
        }
    }

    /// A sample after a gap: what was between is not known.
    pub(super) fn gap(&mut self, now: &Reading) {
        if self.is_active() {
            self.is_over = true;
        } else if now.push() >= limit::ONSET_MPS2 {
            *self = Self { contact: Some(now.at), last_above: now.at, ..Self::default() };
        }
    }

    fn count_dwell(&mut self, span: Duration, last: &Reading, now: &Reading) {
        match (last.is_beyond_tires(), now.is_beyond_tires()) {
            (true, true) => {
                self.dwell += span;
                self.dip = Duration::ZERO;
            }
            (_, true) => self.dip = Duration::ZERO,
            (_, false) => {
                self.dip += span;
                if self.dip > limit::DWELL_DIP.max(span) {
                    self.dwell = Duration::ZERO;
                }
            }
        }
        self.longest_dwell = self.longest_dwell.max(self.dwell);
    }
}
