//! What happens to a car in one case, before any sensor looks at it.

use crate::crash::Quantity;

use super::wave::{Vibration, Wave};

/// Something that changes piecewise linearly with time: knots of time in s and value; constant beyond both ends.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Curve(Vec<(f32, f32)>);

impl Curve {
    /// Appends a knot; a time before the last one is taken as the last one.
    pub(super) fn to(&mut self, time_s: f32, value: f32) -> &mut Self {
        let time_s = self.0.last().map_or(time_s, |(last, _)| time_s.max(*last));
        self.0.push((time_s, value));
        self
    }

    /// Up, level and down again, by ramps of so many seconds; begins and ends at zero.
    pub(super) fn plateau(&mut self, start_s: f32, ramp_s: f32, level_s: f32, height: f32) -> &mut Self {
        self.to(start_s, 0.0).to(start_s + ramp_s, height);
        self.to(start_s + ramp_s + level_s, height).to(start_s + level_s + 2.0 * ramp_s, 0.0)
    }

    /// Forgets everything from that time on, and goes on from the value there.
    pub(super) fn cut(&mut self, time_s: f32) -> &mut Self {
        let value = self.at(time_s);
        self.0.retain(|(knot_s, _)| *knot_s < time_s);
        self.to(time_s, value)
    }

    pub(super) fn at(&self, time_s: f32) -> f32 {
        let after = self.0.partition_point(|(knot_s, _)| *knot_s <= time_s);
        match (after.checked_sub(1).and_then(|before| self.0.get(before)), self.0.get(after)) {
            (Some((from_s, from)), Some((to_s, to))) => from + (to - from) * (time_s - from_s) / (to_s - from_s),
            (Some((_, value)), None) | (None, Some((_, value))) => *value,
            (None, None) => 0.0,
        }
    }
}

/// What the wheels do, as far as their sensors show it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Wheels {
    /// They turn with the car.
    Rolling,
    /// They are brought to a stop within that many seconds: locked brakes, or bent metal.
    Locked(f32),
    /// Their message is no longer sent, or not valid.
    Missing,
    /// They turn with the car but for a slip that comes and goes: the depth, as a share of the speed, at 8 Hz.
    Abs(f32),
}

/// How the receiver shows the speed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct GnssFacts {
    pub(super) rate_hz: f32,
    pub(super) delay_s: f32,
    /// It has a fix.
    pub(super) sees_sky: bool,
}

/// Which bus something happens to, counted as the profile of the car has them. One bus is picked by this number modulo
/// their count.
pub(super) type BusPick = u8;

/// What happens to the messages.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum BusEvent {
    /// That share of frames is lost, and as large a share damaged, on all buses.
    Lossy(f32),
    /// One bus says nothing for a while; none is all of them. Too short to be called silence when below its deadline.
    Silent { bus: Option<BusPick>, from_s: f32, to_s: f32 },
    /// The control unit of the accelerometer starts anew: silence, then that share of the range on all axes for a while.
    Restart { from_s: f32, back_s: f32, until_s: f32, share: f32 },
}

/// What is wrong with one sensor.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Defect {
    /// The axes of the mask stay at what they showed, or at a share of the range.
    Stuck { axes: [bool; 3], from_s: f32, at_share: Option<f32> },
    /// An offset by axis in m/s² that comes within the ramp.
    Shift { from_s: f32, ramp_s: f32, offset: [f32; 3] },
    /// Axes that show nothing but zero from the start.
    Dead([bool; 3]),
    /// Samples at a share of the range: so many a second, each for so many samples, on one axis or all.
    Spikes { from_s: f32, to_s: f32, per_s: f32, samples: u8, share: f32, axis: Option<usize> },
    /// It is shaken by itself: loose on its bracket, or in somebody's hand.
    Shaken {
        waves: Vec<Wave>,
        vibrations: Vec<Vibration>,
        /// Its own roll and pitch in °.
        tilt: [Curve; 2],
        /// Its own yaw rate in °/s, which a rate sensor of the same unit shows too.
        turn: Curve,
    },
}

/// A defect and whose it is: of the car's sensors of that quantity the one with this number modulo their count.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Broken {
    pub(super) quantity: Quantity,
    pub(super) sensor: u8,
    pub(super) defect: Defect,
}

/// Everything that happens.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Script {
    pub(super) duration_s: f32,
    /// The event begins: before it a player may skip what no sensor learns from.
    pub(super) event_s: f32,
    /// Played at the fine step.
    pub(super) windows: Vec<(f32, f32)>,
    pub(super) start_mps: f32,
    /// What the driver wants: acceleration in m/s². It never drives backwards.
    pub(super) pedals: Curve,
    pub(super) braking: Vec<(f32, bool)>,
    pub(super) ignition_on: bool,
    /// Roll, pitch and yaw rate in °/s.
    pub(super) rates: [Curve; 3],
    /// Roll and pitch at the start in °.
    pub(super) tilt_deg: [f32; 2],
    pub(super) waves: Vec<Wave>,
    pub(super) vibrations: Vec<Vibration>,
    /// From then on nobody drives: the tires only drag, with these coefficients along and across.
    pub(super) adrift: Option<(f32, [f32; 2])>,
    pub(super) wheels: Vec<(f32, Wheels)>,
    pub(super) gnss: Option<GnssFacts>,
    /// Speed of the ship below the car.
    pub(super) carried_mps: f32,
    /// What the restraint control unit says, and when it is on the bus.
    pub(super) restraints: Vec<(f32, crate::crash::Restraint)>,
    pub(super) bus_events: Vec<BusEvent>,
    pub(super) broken: Option<Broken>,
}

impl Script {
    /// The width of the step at that time, where the rest may be as coarse as `coarse_s`.
    pub(super) fn step_s(&self, time_s: f32, coarse_s: f32) -> f32 {
        let is_fine = self.windows.iter().any(|(from_s, to_s)| time_s >= *from_s && time_s <= *to_s);
        if is_fine { super::wave::FINE_STEP_S } else { coarse_s }
    }
}
