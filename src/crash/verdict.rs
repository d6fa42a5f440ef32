//! What the classifier says.

use std::time::Duration;

use crate::time::MonoTime;

/// Inside all is SI; what people read is km/h.
pub const KMH_PER_MPS: f64 = 3.6;

/// How far an event has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// Something that may become a crash has begun: the black box starts to write. Nothing is sent.
    Suspected,
    /// It is a crash: the preliminary verdict.
    Confirmed,
    /// Severity and direction as far as the sensors can tell, at most 300 ms after contact.
    Graded,
    /// Later evidence changed what was said: another impact, speed lost, a rollover, the car's attitude at rest.
    Corrected,
    /// The event is over; the last word.
    Closed,
    /// It was none: the suspicion is taken back. Nothing is sent.
    Dismissed,
}

impl Stage {
    /// The name in documents and metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Suspected => "suspected",
            Self::Confirmed => "confirmed",
            Self::Graded => "graded",
            Self::Corrected => "corrected",
            Self::Closed => "closed",
            Self::Dismissed => "dismissed",
        }
    }
}

/// From where the car was struck.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Within 45° of straight ahead.
    Front,
    /// From the right.
    Right,
    /// From behind.
    Rear,
    /// From the left.
    Left,
    /// The sensors cannot tell.
    Unknown,
}

impl Side {
    /// The name in documents and metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Front => "front",
            Self::Right => "right",
            Self::Rear => "rear",
            Self::Left => "left",
            Self::Unknown => "unknown",
        }
    }
}

/// Change of velocity of the car in m/s, in its own axes: negative x for a frontal impact.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DeltaV {
    /// Along x; none while the sign is unknown.
    pub x_mps: Option<f32>,
    /// Along y; none without that axis, or while the sign is unknown.
    pub y_mps: Option<f32>,
    /// The length of the horizontal vector.
    pub resultant_mps: f32,
    /// Standard uncertainty of the resultant.
    pub uncertainty_mps: f32,
    /// The sensor was saturated: the truth is at least so much.
    pub is_lower_bound: bool,
}

/// Principal direction of force.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Direction {
    /// From −180 to 180: 0 is straight ahead, positive from the right, as SAE J224 counts.
    pub pdof_deg: f32,
    /// 1 to 12.
    pub clock: u8,
}

/// A probability with the bounds that the uncertainty of ΔV gives it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Probability {
    /// At the most probable ΔV.
    pub value: f32,
    /// One standard uncertainty below.
    pub low: f32,
    /// One standard uncertainty above; 1 when ΔV is only a lower bound.
    pub high: f32,
}

/// How bad.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Injury is unlikely.
    Minor,
    /// Injury is possible.
    Moderate,
    /// Serious injury is likely enough to send help unasked.
    Serious,
}

impl Severity {
    /// All, the mildest first.
    pub const ALL: [Self; 3] = [Self::Minor, Self::Moderate, Self::Serious];

    /// The name in documents and metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Minor => "minor",
            Self::Moderate => "moderate",
            Self::Serious => "serious",
        }
    }
}

/// What speaks for the crash, with figures. None where there was nothing.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Evidence {
    /// Peak of the horizontal acceleration in m/s², filtered; at least so much when saturated.
    pub peak_mps2: Option<f32>,
    /// The largest ΔV within 150 ms in m/s, as 49 CFR 563 counts.
    pub delta_v_150ms_mps: Option<f32>,
    /// Time that the horizontal acceleration spent above what tires can do.
    pub dwell: Option<Duration>,
    /// Time that the sensor spent clipped.
    pub saturated: Option<Duration>,
    /// From contact to the end of the pulse.
    pub pulse: Option<Duration>,
    /// Restraints that the airbag control unit reported, one bit each in the order of [`super::Restraint`].
    pub restraints: u8,
    /// Speed lost between just before contact and the second after it, in m/s, by wheels or GNSS.
    pub speed_lost_mps: Option<f32>,
    /// Angle between gravity before and after, in degrees.
    pub tilt_deg: Option<f32>,
    /// Largest roll rate in °/s.
    pub roll_rate_dps: Option<f32>,
    /// A bus that was talking fell silent within the event.
    pub bus_silent: bool,
}

/// One word of the classifier on one event. Each replaces the one before it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Verdict {
    /// Counts the events of this run from 1, dismissed ones too.
    pub event: u32,
    /// How far it has come.
    pub stage: Stage,
    /// When this was said.
    pub at: MonoTime,
    /// When the first contact was, as far as it can be told.
    pub contact: MonoTime,
    /// What speaks for it.
    pub evidence: Evidence,
    /// How much; none when no sensor can tell.
    pub delta_v: Option<DeltaV>,
    /// Where the force came from; none when the sensors cannot tell.
    pub direction: Option<Direction>,
    /// The side that was struck.
    pub side: Side,
    /// It rolled over; none when no sensor can tell.
    pub rollover: Option<bool>,
    /// Impacts, at least 0.5 s below the end threshold between them.
    pub impacts: u8,
    /// Occupants, and belted ones, where the car knows.
    pub occupants: Option<(u8, u8)>,
    /// Probability that an occupant is injured seriously (MAIS 3+).
    pub mais3: Option<Probability>,
    /// The class that follows; none before [`Stage::Graded`] where only saturated sensors spoke.
    pub severity: Option<Severity>,
}

impl Verdict {
    /// That it happened, and nothing else.
    #[must_use]
    pub fn bare(event: u32, stage: Stage, at: MonoTime, contact: MonoTime) -> Self {
        Self {
            event,
            stage,
            at,
            contact,
            evidence: Evidence::default(),
            delta_v: None,
            direction: None,
            side: Side::Unknown,
            rollover: None,
            impacts: 1,
            occupants: None,
            mais3: None,
            severity: None,
        }
    }
}
