//! What kind of vehicle it is, and what it carries to drive with.

use serde::{Deserialize, Serialize};

/// The vehicle's category (UNECE R.E.3 and Regulation (EU) 2018/858), in the order of the standard's enumeration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum VehicleType {
    /// Passenger car.
    M1,
    /// Bus or coach up to 5 t.
    M2,
    /// Bus or coach above 5 t.
    M3,
    /// Light commercial vehicle up to 3.5 t.
    N1,
    /// Heavy-duty vehicle up to 12 t.
    N2,
    /// Heavy-duty vehicle above 12 t.
    N3,
    /// Light two-wheeled powered vehicle.
    L1e,
    /// Three-wheeled moped.
    L2e,
    /// Two-wheeled motorcycle.
    L3e,
    /// Two-wheeled motorcycle with side-car.
    L4e,
    /// Powered tricycle.
    L5e,
    /// Light quadricycle.
    L6e,
    /// Heavy quadricycle: the last one of version 2.
    L7e,
    /// Trailer.
    O,
    /// Agricultural trailer.
    R,
    /// Towed agricultural equipment.
    S,
    /// Tractor.
    T,
    /// Off-road vehicle.
    G,
    /// Motor caravan.
    SA,
    /// Armoured vehicle.
    SB,
    /// Ambulance.
    SC,
    /// Hearse.
    SD,
    /// Any other.
    #[serde(rename = "other")]
    Other,
}

impl VehicleType {
    /// All, in the order of the standard's enumeration; version 2 has the first 13.
    pub(super) const ALL: [Self; 23] = [
        Self::M1,
        Self::M2,
        Self::M3,
        Self::N1,
        Self::N2,
        Self::N3,
        Self::L1e,
        Self::L2e,
        Self::L3e,
        Self::L4e,
        Self::L5e,
        Self::L6e,
        Self::L7e,
        Self::O,
        Self::R,
        Self::S,
        Self::T,
        Self::G,
        Self::SA,
        Self::SB,
        Self::SC,
        Self::SD,
        Self::Other,
    ];
}

/// An energy storage on board. A hybrid has two: gasoline and electric.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Storage {
    /// A tank of gasoline.
    Gasoline,
    /// A tank of diesel.
    Diesel,
    /// Compressed natural gas.
    CompressedNaturalGas,
    /// Liquid propane gas.
    LiquidPropaneGas,
    /// A traction battery.
    Electric,
    /// Hydrogen.
    Hydrogen,
    /// Any other.
    Other,
}
