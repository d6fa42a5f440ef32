//! Crashes and what only looks like one: cases for the evaluation of the crash classifier, made from a seed.
//!
//! A [`Case`] says what happens to a car: what the driver does, what strikes it, what shakes it, what breaks. It is
//! played as motion, in 5 kHz steps where something is fast, and a [`Rig`] lets the gateway of a car with that profile
//! hear it: each sensor through its [`chain`](crate::crash::chain), wheels, receiver, restraint control unit, buses.
//! Speed is the integral of the acceleration that the sensors get, so that the pieces of evidence fit each other.
//!
//! Nothing here knows a threshold of the classifier, and no constant is shared with it. Class, seed of the run and
//! number give the same case for ever; the parameters are those of `docs/crash-evaluation.md`, whose table names their
//! sources, and each function states its own.
//!
//! It is a model of what sensors show, not of metal: no structure, no occupant, no ground is computed. Angles of roll
//! and pitch turn gravity only. Tires are Coulomb's law.

mod defect;
mod faulty;
mod impacts;
mod parked;
mod play;
mod rig;
mod roads;
mod scene;
mod script;
#[cfg(test)]
mod tests;
mod wave;

use crate::rng::Rng;

pub use play::Moment;
pub use rig::{Heard, Rig};

pub(in crate::sim) use play::GRAVITY;
pub(in crate::sim) use scene::KMH;

use play::Play;
use scene::Scene;
use script::Script;

/// A kind of case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// The full width of the front, 15 to 80 km/h.
    FrontalFull,
    /// About half of the front.
    Offset,
    /// A quarter of the front, outside the longitudinal member.
    SmallOverlap,
    /// Another car from the side.
    Side,
    /// A pole or tree, mostly from the side.
    Pole,
    /// Another car from behind.
    Rear,
    /// Two or three impacts.
    Multiple,
    /// A tripped rollover.
    Rollover,
    /// 8 to 15 km/h from any direction.
    LowSpeed,
    /// Hard cornering, accelerating, lane changes.
    Harsh,
    /// Emergency braking on a good road.
    EmergencyBraking,
    /// Hard braking on cobbles or gravel.
    AbsRoughRoad,
    /// Potholes.
    Pothole,
    /// Kerbs.
    Kerb,
    /// Speed bumps.
    SpeedBump,
    /// Doors, bonnet, boot.
    DoorSlam,
    /// Car wash.
    CarWash,
    /// Towed away.
    Towing,
    /// On a ship.
    Ferry,
    /// On a jack, and off it.
    Jacking,
    /// A sensor whose bracket is loose.
    LooseSensor,
    /// A sensor in somebody's hand.
    Handling,
    /// A sensor that shows the same for ever.
    Stuck,
    /// A sensor whose zero moved.
    ZeroShift,
    /// A sensor that resonates.
    Resonance,
    /// A sensor with a dead axis.
    DeadAxis,
    /// A sensor with spikes.
    Spikes,
    /// A rate sensor that is stuck, shifted or spiky.
    RateFault,
    /// Single frames are lost or damaged.
    LostFrames,
    /// Frames are lost in bursts.
    FrameBursts,
    /// A bus falls silent.
    BusSilence,
    /// A control unit starts anew.
    Restart,
}

impl Class {
    /// The crashes.
    pub const CRASHES: [Self; 9] = [
        Self::FrontalFull,
        Self::Offset,
        Self::SmallOverlap,
        Self::Side,
        Self::Pole,
        Self::Rear,
        Self::Multiple,
        Self::Rollover,
        Self::LowSpeed,
    ];

    /// Everything else.
    pub const QUIET: [Self; 23] = [
        Self::Harsh,
        Self::EmergencyBraking,
        Self::AbsRoughRoad,
        Self::Pothole,
        Self::Kerb,
        Self::SpeedBump,
        Self::DoorSlam,
        Self::CarWash,
        Self::Towing,
        Self::Ferry,
        Self::Jacking,
        Self::LooseSensor,
        Self::Handling,
        Self::Stuck,
        Self::ZeroShift,
        Self::Resonance,
        Self::DeadAxis,
        Self::Spikes,
        Self::RateFault,
        Self::LostFrames,
        Self::FrameBursts,
        Self::BusSilence,
        Self::Restart,
    ];

    /// The name in reports and in the names of cases.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::FrontalFull => "frontal-full",
            Self::Offset => "offset",
            Self::SmallOverlap => "small-overlap",
            Self::Side => "side",
            Self::Pole => "pole",
            Self::Rear => "rear",
            Self::Multiple => "multiple",
            Self::Rollover => "rollover",
            Self::LowSpeed => "low-speed",
            Self::Harsh => "harsh-driving",
            Self::EmergencyBraking => "emergency-braking",
            Self::AbsRoughRoad => "abs-rough-road",
            Self::Pothole => "pothole",
            Self::Kerb => "kerb",
            Self::SpeedBump => "speed-bump",
            Self::DoorSlam => "door-slam",
            Self::CarWash => "car-wash",
            Self::Towing => "towing",
            Self::Ferry => "ferry",
            Self::Jacking => "jacking",
            Self::LooseSensor => "loose-sensor",
            Self::Handling => "handling",
            Self::Stuck => "stuck",
            Self::ZeroShift => "zero-shift",
            Self::Resonance => "resonance",
            Self::DeadAxis => "dead-axis",
            Self::Spikes => "spikes",
            Self::RateFault => "rate-fault",
            Self::LostFrames => "lost-frames",
            Self::FrameBursts => "frame-bursts",
            Self::BusSilence => "bus-silence",
            Self::Restart => "restart",
        }
    }

    /// The class of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::CRASHES.into_iter().chain(Self::QUIET).find(|class| class.name() == name)
    }

    /// It is a crash.
    #[must_use]
    pub fn is_crash(self) -> bool {
        Self::CRASHES.contains(&self)
    }
}

/// What is true of a crash.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Crash {
    /// First contact.
    pub contact_s: f32,
    /// Horizontal change of velocity by the first impact, in m/s.
    pub delta_v_mps: f32,
    /// Direction of its force as SAE J224 counts it: 0 from ahead, positive from the right.
    pub pdof_deg: f32,
    /// Its duration.
    pub pulse_s: f32,
    /// The car rolls over.
    pub rolls_over: bool,
    /// Impacts.
    pub impacts: u8,
}

/// One case: everything about it follows from class, seed of the run and number.
#[derive(Debug, Clone)]
pub struct Case {
    /// Its kind.
    pub class: Class,
    /// Its number within the class.
    pub number: u32,
    /// The seed of its own random numbers.
    pub seed: u64,
    /// What was drawn, for people.
    pub variant: String,
    /// None for what is no crash.
    pub crash: Option<Crash>,
    script: Script,
}

impl Case {
    /// Case `number` of that class in the run with that seed.
    #[must_use]
    pub fn new(run_seed: u64, class: Class, number: u32) -> Self {
        let mix = |state: u64, part: u64| Rng::new(state ^ part).next_u64();
        let of_class = class.name().bytes().fold(mix(0, run_seed), |state, byte| mix(state, u64::from(byte)));
        Self::of_seed(class, number, mix(of_class, u64::from(number)))
    }

    /// The case of that class that follows from its own seed; `number` is for its name only.
    #[must_use]
    pub fn of_seed(class: Class, number: u32, seed: u64) -> Self {
        let mut scene = Scene::new(Rng::new(seed));
        let crash = class.is_crash().then(|| impacts::write(class, &mut scene));
        if crash.is_none() {
            match class {
                Class::DoorSlam | Class::CarWash | Class::Towing | Class::Ferry | Class::Jacking => {
                    parked::write(class, &mut scene);
                }
                Class::Harsh
                | Class::EmergencyBraking
                | Class::AbsRoughRoad
                | Class::Pothole
                | Class::Kerb
                | Class::SpeedBump => roads::write(class, &mut scene),
                _ => faulty::write(class, &mut scene),
            }
        }
        Self { class, number, seed, variant: scene.variant, crash, script: scene.script }
    }

    /// The name: class and number.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{}-{}", self.class.name(), self.number)
    }

    /// The car's own moments from `from_s` on, in steps of `coarse_s` where nothing is fast.
    pub fn moments(&self, from_s: f32, coarse_s: f32) -> impl Iterator<Item = Moment> + '_ {
        Play::new(&self.script, from_s, coarse_s, Rng::new(self.seed ^ 0x009d_0153))
    }

    /// When it ends.
    #[must_use]
    pub const fn duration_s(&self) -> f32 {
        self.script.duration_s
    }

    /// When what the class is about begins; a crash's contact may be later.
    #[must_use]
    pub const fn event_s(&self) -> f32 {
        self.script.event_s
    }
}
