//! The vehicle profile, built: everything that the gateway must know of a car model.

use std::path::Path;
use std::time::Duration;

use crate::can::BusId;
use crate::can::e2e::Protection;
use crate::can::plan::Plan;
use crate::crash::SensorSpec;
use crate::signals::SignalDef;
use crate::signals::publish::{Group, Policy};

use super::document::Document;
use super::problem::{Problem, Problems};
use super::{ReadFile, profile_file, resolve};

/// A profile of 4,096 signals with comments stays below this.
pub const MAX_PROFILE_BYTES: usize = 1024 * 1024;

/// How many periods without a believed frame make a message's signals stale, where the profile does not say. AUTOSAR
/// COM deadlines are commonly three to ten cycles; five rides out a lost arbitration or two.
pub const STALE_AFTER: u32 = 5;

/// How often a state group is published at most, in milliseconds, where the profile does not say.
pub(super) const MIN_INTERVAL_MS: i64 = 1000;

/// The file in the profile's folder.
const FILE_NAME: &str = "profile.toml";

/// A car model.
#[derive(Debug, Clone)]
pub struct Profile {
    /// Its name.
    pub name: String,
    /// Its version, as its author counts.
    pub version: String,
    /// One line for people.
    pub description: String,
    /// Facts of the model.
    pub vehicle: VehicleFacts,
    /// The buses; the index is the [`BusId`].
    pub buses: Vec<Bus>,
    /// The signals; the index is the [`crate::signals::SignalId`].
    pub signals: Vec<SignalDef>,
    /// Where each signal comes from, by the same index.
    pub sources: Vec<Source>,
    /// How each signal is published, by the same index.
    pub policies: Vec<Policy>,
    /// The state groups; the policies refer to them by index.
    pub groups: Vec<Group>,
    /// The inertial sensors; the index is the [`crate::crash::SensorIx`].
    pub inertial: Vec<InertialSensor>,
    /// CRC-32 of `profile.toml` and all DBC files in the order of the buses: tells two states of a profile apart.
    pub hash: u32,
}

/// Facts that hold for every car of the model.
#[derive(Debug, Clone, PartialEq)]
pub struct VehicleFacts {
    /// World manufacturer identifier.
    pub wmi: Option<String>,
    /// Vehicle category of UNECE R.E.3: `M1`.
    pub category: String,
    /// Kinds of energy on board.
    pub propulsion: Vec<Propulsion>,
    /// Usable fuel in litres.
    pub tank_capacity_l: Option<f64>,
    /// Traction battery, gross, in kWh.
    pub battery_gross_kwh: Option<f64>,
    /// Seats.
    pub seats: Option<u8>,
}

/// A kind of energy on board, as EN 15722 names them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Propulsion {
    /// Gasoline tank.
    Gasoline,
    /// Diesel tank.
    Diesel,
    /// Compressed natural gas.
    Cng,
    /// Liquid propane gas.
    Lpg,
    /// Electric energy storage of more than 42 V and 100 Ah.
    Electric,
    /// Hydrogen storage.
    Hydrogen,
    /// Something else.
    Other,
}

impl Propulsion {
    /// Every kind.
    pub const ALL: [Self; 7] =
        [Self::Gasoline, Self::Diesel, Self::Cng, Self::Lpg, Self::Electric, Self::Hydrogen, Self::Other];

    /// The name in profiles.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Gasoline => "gasoline",
            Self::Diesel => "diesel",
            Self::Cng => "cng",
            Self::Lpg => "lpg",
            Self::Electric => "electric",
            Self::Hydrogen => "hydrogen",
            Self::Other => "other",
        }
    }
}

/// A bus of the model.
#[derive(Debug, Clone)]
pub struct Bus {
    /// Its name.
    pub name: String,
    /// CAN FD frames are expected on it.
    pub fd: bool,
    /// What its DBC files say, all files together, compiled for the signals that are mapped.
    pub plan: Plan,
    /// How far its messages can be trusted; a message without a rule has neither period nor protection.
    pub rules: Vec<MessageRule>,
}

/// How far a message can be trusted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageRule {
    /// Index of the message in the plan.
    pub message: usize,
    /// So long without a believed frame, and its signals are stale.
    pub timeout: Option<Duration>,
    /// The kind of its checksum, as the profile names it.
    pub checksum: Option<&'static str>,
    /// It has an alive counter.
    pub has_counter: bool,
    /// Both, as they are checked.
    pub protection: Option<Protection>,
}

/// Where a signal comes from.
#[derive(Debug, Clone, PartialEq)]
pub enum Source {
    /// The GNSS receiver.
    Gnss,
    /// A CAN signal.
    Can(CanSource),
}

/// A CAN signal and what becomes of it.
#[derive(Debug, Clone, PartialEq)]
pub struct CanSource {
    /// The bus.
    pub bus: BusId,
    /// Index of the message in the plan.
    pub message: usize,
    /// Index into the message's signals.
    pub signal: usize,
    /// From DBC to VSS.
    pub conversion: crate::signals::intake::Conversion,
    /// Raw values that say "no value", sorted.
    pub not_available: Vec<i64>,
    /// The smallest and the largest believed value, in the VSS unit.
    pub range: (f64, f64),
}

/// An inertial sensor, and where its samples are.
#[derive(Debug, Clone, PartialEq)]
pub struct InertialSensor {
    /// What it is.
    pub spec: SensorSpec,
    /// The bus.
    pub bus: BusId,
    /// Index of the message in the plan.
    pub message: usize,
    /// By axis, x first: indices into the message's signals, oldest sample first; empty where it lacks the axis.
    pub axes: [Vec<usize>; 3],
    /// By axis: m/s² or °/s per DBC unit, negative where the sensor counts the other way.
    pub gain: [f64; 3],
    /// Raw values that say "no value".
    pub not_available: Vec<i64>,
    /// The time between two samples of a frame; zero with one sample a frame.
    pub sample_interval: Duration,
    /// By axis: the smallest difference that it can report, in m/s² or °/s; zero where it lacks the axis.
    pub step: [f64; 3],
}

impl InertialSensor {
    /// Samples of each axis in a frame.
    #[must_use]
    pub fn packed(&self) -> usize {
        self.axes.iter().map(Vec::len).max().unwrap_or_default()
    }
}

impl Profile {
    /// Reads the profile in that folder.
    pub fn load(folder: &Path, read: ReadFile<'_>) -> Result<Self, Problems> {
        let path = folder.join(FILE_NAME);
        let file = path.display().to_string();
        let bytes = read(&path).map_err(|error| {
            let mut problems = Problems::default();
            let text =
                format!("cannot be read: {error}; point the deployment file's profile at the folder that holds it");
            problems.push(Problem { file: file.clone(), line: None, text });
            problems
        })?;
        let document = Document::parse(&file, &bytes, MAX_PROFILE_BYTES)?;
        let mut elsewhere = Problems::default();
        let profile = resolve::resolve(&document, &profile_file::read(&document), folder, read, &mut elsewhere);
        let mut problems = document.into_problems();
        problems.extend(elsewhere);
        if !problems.is_empty() {
            return Err(problems);
        }
        let mut hash = crc32fast::Hasher::new();
        hash.update(&bytes);
        hash.update(&profile.dbc_hash.to_be_bytes());
        Ok(Self { hash: hash.finalize(), ..profile.profile })
    }

    /// The bus of that name.
    #[must_use]
    pub fn bus(&self, name: &str) -> Option<BusId> {
        self.buses.iter().position(|bus| bus.name == name).and_then(|index| u8::try_from(index).ok()).map(BusId)
    }
}
