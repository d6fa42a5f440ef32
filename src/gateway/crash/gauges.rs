//! Signals that only the black box wants: how the car was driven.

use crate::crash::black_box::Channel;
use crate::signals::{Quality, SignalId, Signals};

/// Of two signals for one channel the first one that the profile has counts.
const GAUGES: [(&str, Channel); 5] = [
    ("Vehicle.Chassis.Accelerator.PedalPosition", Channel::Pedal),
    ("Vehicle.Powertrain.Transmission.CurrentGear", Channel::Gear),
    ("Vehicle.Powertrain.Transmission.SelectedGear", Channel::Gear),
    ("Vehicle.Powertrain.CombustionEngine.Speed", Channel::EngineSpeed),
    ("Vehicle.Telltale.Airbag", Channel::AirbagLamp),
];

/// A lamp that is not lit.
const OFF: &str = "OFF";

/// Listens to them.
#[derive(Debug)]
pub(super) struct Gauges(Vec<(SignalId, Channel)>);

impl Gauges {
    pub(super) fn new(signals: &Signals) -> Self {
        let mut found: Vec<(SignalId, Channel)> = Vec::new();
        for (path, channel) in GAUGES {
            if let Some(id) = signals.id(path)
                && found.iter().all(|(_, other)| *other != channel)
            {
                found.push((id, channel));
            }
        }
        Self(found)
    }

    /// What the change of a signal tells; NaN when it is no longer known.
    pub(super) fn changed(&self, id: SignalId, signals: &Signals) -> Option<(Channel, f64)> {
        let (_, channel) = self.0.iter().find(|(gauge, _)| *gauge == id)?;
        let reading = signals.get(id);
        if reading.quality != Quality::Good {
            return Some((*channel, f64::NAN));
        }
        let value = match channel {
            Channel::AirbagLamp => {
                reading.good().and_then(|value| signals.label(id, value)).map(|label| f64::from(u8::from(label != OFF)))
            }
            _ => reading.good_f64(),
        };
        Some((*channel, value.unwrap_or(f64::NAN)))
    }
}
