//! The stories: what the people around the car do, step by step.

use super::body::Ignition;
use super::collision::Kind;

/// A story that the simulated car can live through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scenario {
    /// A little of everything, again and again: a drive through the valley without coverage, where a tire loses air, a
    /// stop for air and fuel after a minute, around the island, home, a short charge.
    Tour,
    /// To work, half around the island; parked and locked there; back in the evening.
    Commute,
    /// A drive through the valley where there is no coverage.
    CoverageGap,
    /// A tire loses air: its lamp comes on, and goes off at the air pump.
    Lamp,
    /// To the filling station and home.
    Refuel,
    /// The left front against another car at some 50 km/h: airbags, hazard warning, the driver gets out.
    Crash,
    /// The same, the harness of the body bus is torn, and a second later the car is struck from behind.
    Pileup,
    /// Home, plugged in over night, buses asleep once it is full, off in the morning.
    NightCharge,
}

impl Scenario {
    /// Every story.
    pub const ALL: [Self; 8] = [
        Self::Tour,
        Self::Commute,
        Self::CoverageGap,
        Self::Lamp,
        Self::Refuel,
        Self::Crash,
        Self::Pileup,
        Self::NightCharge,
    ];

    /// The name on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tour => "tour",
            Self::Commute => "commute",
            Self::CoverageGap => "coverage-gap",
            Self::Lamp => "lamp",
            Self::Refuel => "refuel",
            Self::Crash => "crash",
            Self::Pileup => "pileup",
            Self::NightCharge => "night-charge",
        }
    }

    /// Starts again when it is over.
    #[must_use]
    pub const fn repeats(self) -> bool {
        matches!(self, Self::Tour)
    }

    /// State of charge (0 to 1) and fuel in liters at the beginning.
    pub(super) const fn stores(self) -> (f64, f64) {
        match self {
            Self::Tour | Self::Commute | Self::CoverageGap | Self::Lamp | Self::Crash | Self::Pileup => (0.62, 21.0),
            Self::Refuel => (0.16, 4.2),
            Self::NightCharge => (0.78, 30.0),
        }
    }

    /// The steps, one after the other, with the places on the road `from_m` further on.
    pub(super) fn steps(self, from_m: f64) -> Vec<Step> {
        let mut steps = self.first_round();
        for step in &mut steps {
            if let Step::DriveTo(meters) | Step::DriveInto(meters, _) = step {
                *meters += from_m;
            }
        }
        steps
    }

    fn first_round(self) -> Vec<Step> {
        match self {
            Self::Tour => [
                board().as_slice(),
                &[Step::Leak(1, 1.5), Step::DriveTo(760.0), Step::Say("the driver stops for air and fuel")],
                &halt(),
                &[Step::Inflate, Step::Pump(6.0)],
                &go_on(),
                &[Step::DriveTo(7_160.0)],
                &leave(),
                &[Step::Plug(true), Step::Wait(30.0), Step::Plug(false), Step::Wait(5.0)],
            ]
            .concat(),
            Self::Commute => [
                board().as_slice(),
                &[Step::DriveTo(3_580.0)],
                &leave(),
                &[Step::Wait(8.0 * 3_600.0)],
                &board(),
                &[Step::DriveTo(7_150.0)],
                &leave(),
                &[Step::Wait(60.0)],
            ]
            .concat(),
            Self::CoverageGap => {
                [board().as_slice(), &[Step::DriveTo(1_000.0)], &leave(), &[Step::Wait(20.0)]].concat()
            }
            Self::Lamp => [
                board().as_slice(),
                &[Step::Leak(1, 1.5), Step::DriveTo(1_000.0)],
                &halt(),
                &[Step::Inflate],
                &go_on(),
                &[Step::DriveTo(1_300.0)],
                &leave(),
                &[Step::Wait(20.0)],
            ]
            .concat(),
            Self::Refuel => [
                board().as_slice(),
                &[Step::DriveTo(900.0), Step::Say("the driver fills up")],
                &halt(),
                &[Step::Pump(30.0)],
                &go_on(),
                &[Step::DriveTo(1_500.0)],
                &leave(),
                &[Step::Wait(20.0)],
            ]
            .concat(),
            Self::Crash => [board().as_slice(), &[Step::DriveInto(140.0, Kind::Offset)], &get_out()].concat(),
            Self::Pileup => [board().as_slice(), &[Step::DriveInto(140.0, Kind::Pileup)], &get_out()].concat(),
            Self::NightCharge => [
                board().as_slice(),
                &[Step::DriveTo(500.0)],
                &leave(),
                &[Step::Plug(true), Step::Wait(9.0 * 3_600.0), Step::Plug(false)],
                &board(),
                &[Step::DriveTo(1_000.0)],
                &leave(),
                &[Step::Wait(20.0)],
            ]
            .concat(),
        }
    }
}

/// One thing that somebody does.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Step {
    /// Nothing, for so many seconds.
    Wait(f64),
    /// For the people who watch.
    Say(&'static str),
    Lock(bool),
    DriverDoor(bool),
    /// Gets in or out.
    Sit(bool),
    Belt(bool),
    Ignition(Ignition),
    /// Brake held, start button pressed: ready to drive, or not.
    Ready(bool),
    /// Lever in D and parking brake released, or lever in P and parking brake applied.
    Drive(bool),
    /// So many meters after the scenario's beginning, then stand.
    DriveTo(f64),
    /// Drive on, and collide so many meters after the scenario's beginning.
    DriveInto(f64, Kind),
    /// A tire (0 to 3: front left, front right, rear left, rear right) loses so many kPa a second, down to flat-ish.
    Leak(usize, f64),
    /// All tires are put right.
    Inflate,
    /// So many liters, at the speed of a pump.
    Pump(f64),
    Plug(bool),
}

fn board() -> Vec<Step> {
    vec![
        Step::Wait(0.5),
        Step::Say("the driver unlocks the car and gets in"),
        Step::Lock(false),
        Step::Wait(1.0),
        Step::DriverDoor(true),
        Step::Wait(0.8),
        Step::Sit(true),
        Step::Wait(0.7),
        Step::DriverDoor(false),
        Step::Wait(0.5),
        Step::Ignition(Ignition::On),
        Step::Wait(1.0),
        Step::Belt(true),
        Step::Wait(2.5),
        Step::Ready(true),
        Step::Wait(0.5),
        Step::Drive(true),
        Step::Say("off it goes"),
    ]
}

fn halt() -> Vec<Step> {
    vec![
        Step::Drive(false),
        Step::Wait(0.5),
        Step::Ready(false),
        Step::Ignition(Ignition::Off),
        Step::Belt(false),
        Step::Wait(0.5),
        Step::DriverDoor(true),
        Step::Wait(0.5),
        Step::Sit(false),
        Step::Wait(1.0),
        Step::DriverDoor(false),
        Step::Wait(1.0),
    ]
}

fn go_on() -> Vec<Step> {
    board().into_iter().skip(4).collect()
}

/// After a collision.
fn get_out() -> [Step; 7] {
    [
        Step::Say("the driver gets out of the wreck"),
        Step::Belt(false),
        Step::Wait(2.0),
        Step::DriverDoor(true),
        Step::Wait(1.5),
        Step::Sit(false),
        Step::Wait(20.0),
    ]
}

fn leave() -> Vec<Step> {
    let mut steps = halt();
    steps.extend([Step::Wait(1.0), Step::Lock(true), Step::Say("parked and locked")]);
    steps
}
