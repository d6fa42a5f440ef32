//! What the classifier hears of beside the inertial sensors: speeds, brake, restraints, belts.
//!
//! Only good values are handed on; what was last known holds where a signal stops.

use crate::crash::thresholds::BRAKING_PERCENT;
use crate::crash::{Belts, KMH_PER_MPS, Observation, Restraint};
use crate::signals::{At, Quality, SignalId, Signals};
use crate::time::MonoTime;

/// The wheels, in the order of VSS.
const WHEELS: [&str; 4] = [
    "Vehicle.Chassis.Axle.Row1.Wheel.Left.Speed",
    "Vehicle.Chassis.Axle.Row1.Wheel.Right.Speed",
    "Vehicle.Chassis.Axle.Row2.Wheel.Left.Speed",
    "Vehicle.Chassis.Axle.Row2.Wheel.Right.Speed",
];

const RESTRAINTS: [(&str, Restraint); 5] = [
    ("Vehicle.Restraint.IsFrontDeployed", Restraint::Front),
    ("Vehicle.Restraint.IsLeftDeployed", Restraint::Left),
    ("Vehicle.Restraint.IsRightDeployed", Restraint::Right),
    ("Vehicle.Restraint.IsRearDeployed", Restraint::Rear),
    ("Vehicle.Restraint.IsRolloverDetected", Restraint::Rollover),
];

/// Seats from left to right of a row, as [`Belts`] counts them.
const SEATS: [&str; 3] = ["DriverSide", "Middle", "PassengerSide"];

/// Rows that [`Belts`] has bits for.
const ROWS: usize = 5;

/// What a signal tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sense {
    Restraint(Restraint),
    /// An airbag of a seat: something fired.
    Airbag,
    Belt(u16),
    Occupant(u16),
    /// Position of the pedal in percent.
    Pedal,
    /// The brake light: any label but `INACTIVE`.
    BrakeLight,
}

/// What a restraint's signal has told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flag {
    Unheard,
    Off,
    On,
    /// One of several, it was told on before it was ever told off: it may have fired long ago.
    Old,
}

/// Listens to the signals.
#[derive(Debug)]
pub(super) struct Senses {
    /// What each signal tells.
    by_signal: Vec<Option<Sense>>,
    /// By signal.
    flags: Vec<Flag>,
    wheels: Vec<SignalId>,
    /// When the speed was received that was handed on last.
    wheels_at: Option<MonoTime>,
    is_braking: Option<bool>,
    belts: Belts,
}

impl Senses {
    pub(super) fn new(signals: &Signals) -> Self {
        let mut by_signal = vec![None; signals.len()];
        for (id, def, _) in signals.iter() {
            if let Some(sense) = by_signal.get_mut(usize::from(id.0)) {
                *sense = sense_of(&def.path);
            }
        }
        let mut wheels: Vec<SignalId> = WHEELS.into_iter().filter_map(|path| signals.id(path)).collect();
        if wheels.is_empty() {
            wheels.extend(signals.id("Vehicle.Speed"));
        }
        let flags = vec![Flag::Unheard; signals.len()];
        Self { by_signal, flags, wheels, wheels_at: None, is_braking: None, belts: Belts::default() }
    }

    /// Something tells of a crash though there is no inertial sensor.
    pub(super) fn has_restraints(&self) -> bool {
        self.by_signal.iter().flatten().any(|sense| matches!(sense, Sense::Restraint(_) | Sense::Airbag))
    }

    /// Of these several tell, of which one may have fired long ago: a set of [`Restraint`]s.
    pub(super) fn old(&self) -> u8 {
        let mut flags = self.by_signal.iter().zip(&self.flags);
        let is_old = flags.any(|(sense, flag)| *sense == Some(Sense::Airbag) && *flag == Flag::Old);
        u8::from(is_old) << Restraint::Unspecified as u8
    }

    /// The speed of the wheels, when it was received anew. Of several wheels it is the second fastest: one that spins
    /// does not count, nor do two that a braking driver has locked.
    #[inline]
    pub(super) fn poll_speed(&mut self, signals: &Signals) -> Option<Observation> {
        // The newest of all: one wheel whose sensor fails takes nothing from the others.
        let told = self.wheels.iter().map(|id| signals.get(*id)).filter(|reading| reading.quality == Quality::Good);
        let at = told.filter_map(|reading| if let At::Mono(at) = reading.at { Some(at) } else { None }).max()?;
        if Some(at) == self.wheels_at {
            return None;
        }
        self.wheels_at = Some(at);
        let (mut fastest, mut second) = (None, None);
        for kmh in self.wheels.iter().filter_map(|id| signals.get(*id).good_f64()).map(f64::abs) {
            if fastest.is_none_or(|fastest| kmh > fastest) {
                (second, fastest) = (fastest, Some(kmh));
            } else if second.is_none_or(|second| kmh > second) {
                second = Some(kmh);
            }
        }
        let kmh = second.or(fastest)?;
        #[expect(clippy::cast_possible_truncation, reason = "a car's speed has few digits")]
        Some(Observation::WheelSpeed((kmh / KMH_PER_MPS) as f32))
    }

    /// What the change of a signal tells. `known` are the restraints that are known to tell that they have not fired.
    pub(super) fn changed(&mut self, id: SignalId, signals: &Signals, known: u8) -> Option<Observation> {
        let index = usize::from(id.0);
        let sense = (*self.by_signal.get(index)?)?;
        let reading = signals.get(id);
        if reading.quality != Quality::Good {
            return None;
        }
        match sense {
            Sense::Restraint(restraint) => self.restraint(index, reading.good_bool()?, restraint, known),
            Sense::Airbag => self.restraint(index, reading.good_bool()?, Restraint::Unspecified, known),
            Sense::Belt(bit) => {
                set(&mut self.belts.belted, bit, reading.good_bool()?);
                Some(Observation::Belts(self.belts))
            }
            Sense::Occupant(bit) => {
                let label = signals.label(id, reading.good()?)?;
                set(&mut self.belts.sensed, bit, label != "UNKNOWN");
                set(&mut self.belts.occupied, bit, label == "OCCUPIED");
                Some(Observation::Belts(self.belts))
            }
            Sense::Pedal => self.braking(reading.good_f64()? >= BRAKING_PERCENT),
            Sense::BrakeLight => self.braking(signals.label(id, reading.good()?)? != "INACTIVE"),
        }
    }

    fn braking(&mut self, is_braking: bool) -> Option<Observation> {
        let is_news = self.is_braking.replace(is_braking) != Some(is_braking);
        is_news.then_some(Observation::Braking(is_braking))
    }

    /// Several airbags tell of one thing: it is taken back when the last of them takes it back. Each of them counts once it
    /// has told that it has not fired: one may have fired long ago, and the others not. Where none ever does, as with
    /// messages that come in a crash only, the classifier decides.
    fn restraint(&mut self, index: usize, is_set: bool, restraint: Restraint, known: u8) -> Option<Observation> {
        let sense = *self.by_signal.get(index)?;
        let is_one_of_several = self.by_signal.iter().filter(|other| **other == sense).count() > 1;
        let flag = self.flags.get_mut(index)?;
        *flag = match *flag {
            _ if !is_set => Flag::Off,
            Flag::Unheard if is_one_of_several => Flag::Old,
            Flag::Old => Flag::Old,
            Flag::Unheard | Flag::Off | Flag::On => Flag::On,
        };
        if *flag == Flag::Old {
            let is_known = known >> restraint as u8 & 1 == 1;
            return (!is_known).then_some(Observation::Restraint(restraint, true));
        }
        let mut alike = self.by_signal.iter().zip(&self.flags).filter(|(other, _)| **other == sense);
        Some(Observation::Restraint(restraint, alike.any(|(_, flag)| *flag == Flag::On)))
    }
}

fn set(bits: &mut u16, bit: u16, on: bool) {
    *bits = if on { *bits | bit } else { *bits & !bit };
}

fn sense_of(path: &str) -> Option<Sense> {
    if let Some((_, restraint)) = RESTRAINTS.iter().find(|(known, _)| *known == path) {
        return Some(Sense::Restraint(*restraint));
    }
    match path {
        "Vehicle.Chassis.Brake.PedalPosition" => return Some(Sense::Pedal),
        "Vehicle.Body.Lights.Brake.IsActive" => return Some(Sense::BrakeLight),
        _ => {}
    }
    let (row, rest) = path.strip_prefix("Vehicle.Cabin.Seat.Row")?.split_once('.')?;
    let (seat, what) = rest.split_once('.')?;
    let row: usize = row.parse().ok().filter(|row| (1..=ROWS).contains(row))?;
    let seat = SEATS.iter().position(|name| *name == seat)?;
    let bit = 1_u16 << ((row - 1) * SEATS.len() + seat);
    match what {
        "Airbag.IsDeployed" => Some(Sense::Airbag),
        "IsBelted" => Some(Sense::Belt(bit)),
        "OccupancyStatus" => Some(Sense::Occupant(bit)),
        _ => None,
    }
}
