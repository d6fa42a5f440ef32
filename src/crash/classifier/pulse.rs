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
    /// The axis is at one end of its range.
    pub(super) is_at_end: [bool; 2],
}

impl Reading {
    /// Magnitude of the horizontal push.
    pub(super) fn push(&self) -> f32 {
        self.off[0].hypot(self.off[1])
    }

    pub(super) fn is_beyond_tires(&self) -> bool {
        self.horizontal >= limit::TIRE_LIMIT_MPS2 && self.push() >= limit::BEYOND_OFF_MPS2
    }
}

/// How an axis goes to and fro.
#[derive(Debug, Clone, Copy, Default)]
struct Swings {
    /// The end of its range that it was at last: the upper one, or the lower one.
    is_high: Option<bool>,
    /// So often it went from one end to the other, and when it did first.
    count: u8,
    turned: Option<MonoTime>,
    /// After an end it pushed the other way.
    is_back: bool,
}

impl Swings {
    fn add(&mut self, at: MonoTime, value: f32, is_at_end: bool) {
        let is_high = value > 0.0;
        let is_turned = self.is_high.is_some_and(|before| before != is_high);
        self.is_back |= is_turned && value.abs() >= limit::ONSET_MPS2;
        if is_at_end {
            self.count = self.count.saturating_add(u8::from(is_turned));
            self.turned = self.turned.or(is_turned.then_some(at));
            self.is_high = Some(is_high);
        }
    }
}

/// What the sensor did just before contact.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Before {
    /// For so long it was restless.
    pub(super) unrest: Duration,
    /// How fast its readings wandered, in m/s³.
    pub(super) roughness: f32,
}

/// How it goes beyond tires and comes back.
#[derive(Debug, Clone, Copy, Default)]
struct Edges {
    /// What was read just before it went beyond tires, whether it went to the end of the range at once, and whether it
    /// came back from there in one step.
    rose_from: [f32; 2],
    rose_at_once: bool,
    is_square: bool,
    /// So often it went from the end of the range to next to nothing in one step.
    drops: u8,
    /// Beyond tires both axes have read different numbers.
    differs: bool,
}

/// Readings that hardly differ, one after the other.
#[derive(Debug, Clone, Copy)]
struct Flat {
    low: f32,
    high: f32,
    since: MonoTime,
    until: MonoTime,
    /// None of the pulse were different before them.
    is_first: bool,
}

impl Flat {
    fn after(before: Option<Self>, now: &Reading) -> Self {
        let push = now.push();
        if let Some(flat) = before {
            let (low, high) = (flat.low.min(push), flat.high.max(push));
            if high - low <= limit::FLAT_SHARE * high {
                return Self { low, high, until: now.at, ..flat };
            }
        }
        Self { low: push, high: push, since: now.at, until: now.at, is_first: before.is_none() }
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
    /// The path until then, and its direction.
    path_to_largest: f32,
    pub(super) largest: [f32; 2],
    /// For how long it is being pushed back hard against that direction.
    back: Duration,
    is_swing: bool,
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
    pub(super) before: Before,
    edges: Edges,
    /// What it holds still at, once it has risen.
    flat: Option<Flat>,
    swings: [Swings; 2],
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

    /// It has risen and does not change, or not yet: a step of the zero, no crumpling metal.
    pub(super) fn is_flat(&self) -> bool {
        self.flat.is_none_or(|flat| flat.is_first || flat.until.since(flat.since) >= limit::FLAT_FOR)
    }

    /// The structure shakes across the push as well: what breaks in a sensor breaks on one axis.
    pub(super) fn is_shaken(&self) -> bool {
        let aside = usize::from(self.net[0].abs() >= self.net[1].abs());
        self.travel[aside] >= limit::LIVELY_MPS2
    }

    /// The axis along which it pushed most, x or y.
    pub(super) fn main_axis(&self) -> usize {
        usize::from(self.largest[1].abs() > self.largest[0].abs())
    }

    /// For so long it has pushed into one direction harder than tires can: no crash, but a zero that shifted.
    pub(super) fn is_shift(&self, span: Duration) -> bool {
        self.delta_v() >= limit::TIRE_LIMIT_MPS2 * span.as_secs_f32() && self.coherence() >= limit::SHIFTED_SHARE
    }

    /// How often that axis went from one end of its range to the other.
    pub(super) fn swings(&self) -> u8 {
        self.swings[self.main_axis()].count
    }

    /// Both axes go to and fro, one again and again: what springs do, and cars do not.
    pub(super) fn is_swinging(&self) -> bool {
        let [x, y] = self.swings.map(|swings| swings.count);
        x.max(y) >= limit::RESONANCE_SWINGS && x.min(y) > 0
    }

    /// Across the car it has been at an end of its range.
    pub(super) fn is_clipped_across(&self) -> bool {
        self.swings[1].is_high.is_some()
    }

    /// An axis is at an end of its range that has gone from one to the other while structures ring.
    pub(super) fn is_thrown(&self, now: &Reading) -> bool {
        let Some(contact) = self.contact else { return false };
        let is_early = |turned: MonoTime| turned.since(contact) <= limit::SWINGING_AFTER;
        self.swings
            .iter()
            .zip(now.is_at_end)
            .any(|(swings, is_at_end)| is_at_end && swings.turned.is_some_and(is_early))
    }

    /// An axis that was at one end of its range pushes the other way.
    pub(super) fn is_torn(&self) -> bool {
        self.swings.iter().any(|swings| swings.is_back)
    }

    /// It went and came back between one sample and the next: numbers do that, masses do not.
    pub(super) fn is_square(&self) -> bool {
        if self.edges.drops > limit::MOST_DROPS {
            return true;
        }
        let longest = if self.edges.differs && self.is_shaken() { limit::CONFIRM_DWELL } else { limit::LONG_DWELL };
        self.edges.is_square && self.longest_dwell < longest
    }

    /// It came back as hard as it went.
    pub(super) const fn is_swing(&self) -> bool {
        self.is_swing
    }

    /// How far it pushed into one direction until it had pushed most: sensors swing back when it is over.
    pub(super) fn best_coherence(&self) -> f32 {
        if self.path_to_largest > 0.0 { self.largest_delta_v / self.path_to_largest } else { 0.0 }
    }

    /// The push is across the car.
    pub(super) fn is_lateral(&self) -> bool {
        self.net[1].abs() >= limit::LATERAL_RATIO * self.net[0].abs()
    }

    /// It came to its end as a pulse of a crash does.
    pub(super) fn is_complete(&self) -> bool {
        self.is_over && self.duration() <= limit::COMPLETE_PULSE
    }

    /// A sample that follows on the last one.
    pub(super) fn extend(&mut self, span: Duration, last: &Reading, now: &Reading, before: Before) {
        if !self.is_active() {
            if now.push() < limit::ONSET_MPS2 {
                return;
            }
            // Contact lies between the two: the last one was still below.
            *self = Self { contact: Some(last.at), last_above: now.at, before, ..Self::default() };
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
        if self.delta_v() >= self.largest_delta_v {
            (self.largest_delta_v, self.path_to_largest) = (self.delta_v(), self.path);
            self.largest = [self.net[0], self.net[1]];
        }
        self.peak = self.peak.max(now.filtered);
        let along = (now.held[0] * self.largest[0] + now.held[1] * self.largest[1]) / self.largest_delta_v;
        self.back = if along < -limit::SWING_MPS2 { self.back + span } else { Duration::ZERO };
        self.is_swing |= self.back >= limit::SWING_DWELL;
        for (index, swings) in self.swings.iter_mut().enumerate() {
            swings.add(now.at, now.held[index], now.is_at_end[index]);
        }
        if last.is_clipped && now.is_clipped {
            self.clipped += span;
        }
        if last.push().min(now.push()) >= limit::ONSET_MPS2 {
            self.held += span;
            if self.held >= limit::FLAT_FROM {
                self.flat = Some(Flat::after(self.flat, now));
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
            // What was before is not known, which is no calm.
            let before = Before { unrest: Duration::MAX, roughness: f32::MAX };
            *self = Self { contact: Some(now.at), last_above: now.at, before, ..Self::default() };
        }
    }

    fn count_dwell(&mut self, span: Duration, last: &Reading, now: &Reading) {
        match (last.is_beyond_tires(), now.is_beyond_tires()) {
            (false, true) => {
                self.dip = Duration::ZERO;
                (self.edges.rose_from, self.edges.rose_at_once) = (last.held, now.is_clipped);
            }
            (true, false) => {
                let is_drop = last.is_clipped && now.push() < limit::ONSET_MPS2;
                self.edges.drops = self.edges.drops.saturating_add(u8::from(is_drop));
                let is_step = self.edges.rose_at_once && last.is_clipped;
                self.edges.is_square = is_step && apart(now.held, self.edges.rose_from) < limit::SQUARE_MPS2;
            }
            _ => {}
        }
        match (last.is_beyond_tires(), now.is_beyond_tires()) {
            (true, true) => {
                self.dwell += span;
                self.dip = Duration::ZERO;
            }
            (_, true) => {}
            (_, false) => {
                self.dip += span;
                if self.dip > limit::DWELL_DIP.max(span) {
                    self.dwell = Duration::ZERO;
                }
            }
        }
        let [x, y] = now.held.map(f32::abs);
        self.edges.differs |= now.is_beyond_tires() && (x - y).abs() >= limit::DIFFERENT_MPS2;
        self.longest_dwell = self.longest_dwell.max(self.dwell);
    }
}

fn apart(one: [f32; 2], other: [f32; 2]) -> f32 {
    (one[0] - other[0]).hypot(one[1] - other[1])
}
