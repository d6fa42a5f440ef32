//! What the service of the traction battery reads off the signals.

use crate::services::doc;
use crate::signals::{At, Quality, SignalId, Signals};
use crate::time::MonoTime;

use super::Energy;

const BRANCH: &str = "Vehicle.Powertrain.TractionBattery.";

/// The signals, as far as the profile has them.
#[derive(Debug)]
pub(super) struct Inputs {
    pub(super) soc: Option<SignalId>,
    pub(super) range: Option<SignalId>,
    pub(super) limit: Option<SignalId>,
    pub(super) time_to_complete: Option<SignalId>,
    pub(super) charging: Option<SignalId>,
    cables: Vec<SignalId>,
    meter_kwh: Option<SignalId>,
    stored_kwh: Option<SignalId>,
    odometer_m: Option<SignalId>,
}

impl Inputs {
    /// None when there is nothing to tell.
    pub(super) fn of(signals: &Signals) -> Option<Self> {
        let id = |path: &str| signals.id(&format!("{BRANCH}{path}"));
        let is_cable = |path: &str| {
            path.starts_with("Vehicle.Powertrain.TractionBattery.Charging.ChargingPort.")
                && path.ends_with(".IsChargingCableConnected")
        };
        let inputs = Self {
            soc: id("StateOfCharge.Displayed").or_else(|| id("StateOfCharge.Current")),
            range: id("Range"),
            limit: id("Charging.ChargeLimit"),
            time_to_complete: id("Charging.TimeToComplete"),
            charging: id("Charging.IsCharging"),
            cables: signals.iter().filter(|(_, def, _)| is_cable(&def.path)).map(|(id, _, _)| id).collect(),
            meter_kwh: id("AccumulatedChargedEnergy"),
            stored_kwh: id("StateOfCharge.CurrentEnergy"),
            odometer_m: signals.id("Vehicle.TraveledDistance"),
        };
        let tells = inputs.soc.is_some() || inputs.charging.is_some() || inputs.has_plug();
        tells.then_some(inputs)
    }

    pub(super) fn all(&self) -> Vec<SignalId> {
        let single = [
            self.soc,
            self.range,
            self.limit,
            self.time_to_complete,
            self.charging,
            self.meter_kwh,
            self.stored_kwh,
            self.odometer_m,
        ];
        single.into_iter().flatten().chain(self.cables.iter().copied()).collect()
    }

    pub(super) fn has_plug(&self) -> bool {
        !self.cables.is_empty()
    }

    /// Whether a cable is connected; none while no port says yes and not all say no.
    pub(super) fn plugged(&self, signals: &Signals) -> Option<bool> {
        let mut words = self.cables.iter().map(|id| signals.get(*id).good_bool());
        let mut all_known = self.has_plug();
        let connected = words.any(|word| {
            all_known &= word.is_some();
            word == Some(true)
        });
        if connected { Some(true) } else { all_known.then_some(false) }
    }

    pub(super) fn charging(&self, signals: &Signals) -> Option<bool> {
        signals.get(self.charging?).good_bool()
    }

    pub(super) fn soc(&self, signals: &Signals) -> Option<f64> {
        number(self.soc, signals)
    }

    pub(super) fn limit(&self, signals: &Signals) -> Option<f64> {
        number(self.limit, signals)
    }

    pub(super) fn odometer(&self, signals: &Signals) -> Option<f64> {
        number(self.odometer_m, signals)
    }

    pub(super) fn energy(&self, signals: &Signals) -> Energy {
        Energy {
            soc_percent: self.soc(signals),
            meter_kwh: number(self.meter_kwh, signals),
            stored_kwh: number(self.stored_kwh, signals),
        }
    }

    pub(super) fn plug_quality(&self, signals: &Signals) -> Quality {
        doc::worst(self.cables.iter().map(|id| signals.get(*id).quality))
    }

    pub(super) fn charging_quality(&self, signals: &Signals) -> Quality {
        self.charging.map_or(Quality::Good, |id| signals.get(id).quality)
    }

    /// When the last word on charging was received in this boot.
    pub(super) fn last_word_on_charging(&self, signals: &Signals) -> Option<MonoTime> {
        received(self.charging?, signals)
    }

    pub(super) fn last_word_on_plug(&self, signals: &Signals) -> Option<MonoTime> {
        self.cables.iter().filter_map(|id| received(*id, signals)).max()
    }
}

fn number(id: Option<SignalId>, signals: &Signals) -> Option<f64> {
    signals.get(id?).good_f64()
}

fn received(id: SignalId, signals: &Signals) -> Option<MonoTime> {
    match signals.get(id).at {
        At::Mono(mono) => Some(mono),
        At::Wall(_) | At::Unknown => None,
    }
}
