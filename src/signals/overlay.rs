//! Telltale's own additions to VSS 6.0, under names that VSS does not use.
//!
//! VSS has no branch for warning lamps. A lamp is `Vehicle.Telltale.<Name>` with the values [`LAMP_LABELS`]; its name
//! and colour follow ISO 2575 (symbols for controls, indicators and tell-tales) and UN Regulation No. 121, table 1.
//! Where these leave the colour open (airbag, steering, lamps of electric drives) the one usual in Europe is given: the
//! colour here says how urgent the lamp is, not what the cluster's glass looks like.

use super::vss::{self, Leaf, VssType};

/// What a lamp can be seen doing: the labels of every `Vehicle.Telltale.*` signal, in the order of their indices.
pub const LAMP_LABELS: &[&str] = &["OFF", "ON", "FLASHING"];

/// What the paths of lamps begin with.
pub const LAMP_BRANCH: &str = "Vehicle.Telltale.";

/// The colour of a lamp: how urgent it is (ISO 2575, clause on colours).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Color {
    /// Danger to persons or serious damage: at once.
    Red,
    /// Caution: outside of normal limits, a failure, damage is likely.
    Amber,
    /// In use, in order.
    Green,
    /// High beam, and nothing else.
    Blue,
    /// None of the others applies.
    White,
}

impl Color {
    /// The name in payloads.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Red => "red",
            Self::Amber => "amber",
            Self::Green => "green",
            Self::Blue => "blue",
            Self::White => "white",
        }
    }
}

/// A lamp that the cluster can show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Telltale {
    /// The last part of its path.
    pub name: &'static str,
    /// How urgent it is.
    pub color: Color,
    /// What it stands for, in the words of ISO 2575.
    pub meaning: &'static str,
}

/// The lamp of that name, if the overlay has it.
#[must_use]
pub fn telltale(name: &str) -> Option<&'static Telltale> {
    TELLTALES.binary_search_by_key(&name, |lamp| lamp.name).ok().and_then(|index| TELLTALES.get(index))
}

/// Every lamp, sorted by name.
pub const TELLTALES: &[Telltale] = &[
    lamp("Abs", Color::Amber, "anti-lock brake system failure"),
    lamp("Airbag", Color::Red, "airbag or belt tensioner failure"),
    lamp("BatteryCharge", Color::Red, "low-voltage battery is not being charged"),
    lamp("BrakePadWear", Color::Amber, "brake linings worn"),
    lamp("BrakeSystem", Color::Red, "brake system failure"),
    lamp("CruiseControl", Color::Green, "cruise control on"),
    lamp("DoorOpen", Color::Red, "a door is open"),
    lamp("EngineCoolantTemperature", Color::Red, "engine coolant too hot"),
    lamp("EngineMalfunction", Color::Amber, "engine or emission control failure (MIL)"),
    lamp("EngineOilLevel", Color::Amber, "engine oil level low"),
    lamp("EngineOilPressure", Color::Red, "engine oil pressure low"),
    lamp("Esc", Color::Amber, "electronic stability control acts (flashing) or failed"),
    lamp("EscOff", Color::Amber, "electronic stability control switched off"),
    lamp("ExteriorLampFailure", Color::Amber, "an exterior lamp failed"),
    lamp("FrontFog", Color::Green, "front fog lamps on"),
    lamp("FuelLow", Color::Amber, "fuel level low"),
    lamp("GlowPlug", Color::Amber, "diesel pre-heating"),
    lamp("HazardWarning", Color::Red, "hazard warning on"),
    lamp("HighBeam", Color::Blue, "high beam on"),
    lamp("HybridSystem", Color::Amber, "hybrid or electric drive failure"),
    lamp("Immobilizer", Color::Red, "immobilizer active or failed"),
    lamp("LeftTurn", Color::Green, "left direction indicator"),
    lamp("LowBeam", Color::Green, "low beam on"),
    lamp("ParkingBrake", Color::Red, "parking brake applied"),
    lamp("ParticulateFilter", Color::Amber, "particulate filter full"),
    lamp("PassengerAirbagOff", Color::Amber, "passenger airbag switched off"),
    lamp("PositionLamps", Color::Green, "position lamps on"),
    lamp("PowerSteering", Color::Red, "power steering failure"),
    lamp("Ready", Color::Green, "electric drive ready"),
    lamp("RearFog", Color::Amber, "rear fog lamp on"),
    lamp("RightTurn", Color::Green, "right direction indicator"),
    lamp("SeatBelt", Color::Red, "a seat belt is not fastened"),
    lamp("ServiceDue", Color::Amber, "service due"),
    lamp("TirePressure", Color::Amber, "tire pressure low, or its monitoring failed (flashing first)"),
    lamp("TractionBattery", Color::Red, "traction battery failure"),
    lamp("TractionBatteryLow", Color::Amber, "traction battery state of charge low"),
    lamp("WasherFluid", Color::Amber, "windshield washer fluid low"),
];

const fn lamp(name: &'static str, color: Color, meaning: &'static str) -> Telltale {
    Telltale { name, color, meaning }
}

/// The leaf at that path, if the overlay has it.
#[must_use]
pub fn lookup(path: &str) -> Option<Leaf> {
    if let Some(name) = path.strip_prefix(LAMP_BRANCH) {
        return telltale(name).map(|_| vss::label(LAMP_LABELS));
    }
    OTHERS.iter().find(|(other, _)| *other == path).map(|(_, leaf)| *leaf)
}

/// Every path of the overlay, lamps first.
pub fn paths() -> impl Iterator<Item = String> {
    let lamps = TELLTALES.iter().map(|lamp| format!("{LAMP_BRANCH}{}", lamp.name));
    lamps.chain(OTHERS.iter().map(|(path, _)| (*path).to_owned()))
}

/// What VSS lacks beside the lamps. The high-range accelerations are those of a sensor that covers a crash
/// (49 CFR 563.8: at least ±50 g), which VSS cannot tell from those of the stability control.
const OTHERS: &[(&str, Leaf)] = &[
    ("Vehicle.Acceleration.HighRange.Lateral", vss::number(VssType::Float, "m/s^2")),
    ("Vehicle.Acceleration.HighRange.Longitudinal", vss::number(VssType::Float, "m/s^2")),
    ("Vehicle.Acceleration.HighRange.Vertical", vss::number(VssType::Float, "m/s^2")),
    ("Vehicle.Cabin.EmergencyCall.IsButtonPressed", vss::SWITCH),
    ("Vehicle.Powertrain.IsReady", vss::SWITCH),
    ("Vehicle.Restraint.IsFrontDeployed", vss::SWITCH),
    ("Vehicle.Restraint.IsLeftDeployed", vss::SWITCH),
    ("Vehicle.Restraint.IsRearDeployed", vss::SWITCH),
    ("Vehicle.Restraint.IsRightDeployed", vss::SWITCH),
    ("Vehicle.Restraint.IsRolloverDetected", vss::SWITCH),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lamps_are_found_by_name_and_path() {
        assert!(TELLTALES.is_sorted_by(|a, b| a.name < b.name));
        for lamp in TELLTALES {
            assert_eq!(telltale(lamp.name), Some(lamp));
        }
        for path in paths() {
            assert!(lookup(&path).is_some(), "{path}");
            assert!(vss::lookup(&path).is_none(), "{path} is in VSS: use that");
        }
        assert_eq!(telltale("Abs").map(|lamp| lamp.color), Some(Color::Amber));
        assert_eq!(telltale("NoSuchLamp"), None);
        assert_eq!(lookup("Vehicle.Telltale.NoSuchLamp"), None);
    }
}
