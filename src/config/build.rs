//! From a checked profile to the parts that run.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::can::dbc::Signal;
use crate::can::plan::{MessageIx, Probe};
use crate::can::{BusId, CanId};
use crate::crash::{SensorIx, SensorSpec};
use crate::signals::inertial::{InertialSetup, InertialValue};
use crate::signals::intake::{BUS_SILENT_AFTER, BusSetup, Intake, MessageSetup, SignalSetup};
use crate::signals::publish::Publisher;
use crate::signals::{SignalId, Signals, TableError};

use super::profile::{Bus, InertialSensor, Profile, Source};
use super::resolve_inertial::limits;

impl Profile {
    /// The signal table, nothing received yet.
    pub fn table(&self) -> Result<Signals, TableError> {
        Signals::new(self.signals.clone())
    }

    /// What takes the frames of all buses.
    #[must_use]
    pub fn intake(&self) -> Intake {
        Intake::new((0..).zip(&self.buses).map(|(index, bus)| self.bus_setup(index, bus)).collect())
    }

    /// So long without any frame, and the bus is silent: as long as its fastest cyclic message may be missing.
    #[must_use]
    pub fn silence(&self, bus: BusId) -> Duration {
        let rules = self.buses.get(usize::from(bus.0)).into_iter().flat_map(|bus| &bus.rules);
        rules.filter_map(|rule| rule.timeout).min().unwrap_or(BUS_SILENT_AFTER)
    }

    /// The inertial sensors, as the classifier numbers them.
    #[must_use]
    pub fn sensors(&self) -> Vec<SensorSpec> {
        self.inertial.iter().map(|sensor| sensor.spec.clone()).collect()
    }

    /// What decides on publishing.
    #[must_use]
    pub fn publisher(&self) -> Publisher {
        Publisher::new(self.policies.clone(), self.groups.clone())
    }

    /// The identifiers that are worth receiving on that bus, for filters in the kernel. None, which is no filter, when
    /// a mapped message is sent on change only: whether its values still hold is seen from the bus as a whole.
    #[must_use]
    pub fn filters(&self, bus: BusId) -> Vec<CanId> {
        let Some(described) = self.buses.get(usize::from(bus.0)) else { return Vec::new() };
        let mut ids = BTreeSet::new();
        for (index, (_, message)) in described.plan.messages().enumerate() {
            let is_sensed = self.inertial.iter().any(|sensor| sensor.bus == bus && sensor.message == index);
            if is_sensed {
                ids.insert(message.id);
            }
            let is_mapped = self.sources.iter().any(|source| match source {
                Source::Can(can) => can.bus == bus && can.message == index,
                Source::Gnss => false,
            });
            if is_mapped && !described.rules.iter().any(|rule| rule.message == index && rule.timeout.is_some()) {
                return Vec::new();
            }
            if is_mapped {
                ids.insert(message.id);
            }
        }
        ids.into_iter().collect()
    }

    fn bus_setup(&self, index: u8, bus: &Bus) -> BusSetup {
        let numbers: Vec<MessageIx> = bus.plan.messages().map(|(number, _)| number).collect();
        let signals = (0..).map(SignalId).zip(&self.sources).filter_map(|(id, source)| {
            let Source::Can(source) = source else { return None };
            let message = (source.bus.0 == index).then(|| numbers.get(source.message)).flatten().copied()?;
            let name = &bus.plan.message_def(message).signals.get(source.signal)?.name;
            Some(SignalSetup {
                message,
                signal: bus.plan.find_signal(message, name)?,
                id,
                conversion: source.conversion.clone(),
                not_available: source.not_available.clone(),
                range: source.range,
            })
        });
        let messages = bus.rules.iter().filter_map(|rule| {
            let message = *numbers.get(rule.message)?;
            Some(MessageSetup { message, timeout: rule.timeout, protection: rule.protection.clone() })
        });
        let inertial = (0..).map(SensorIx).zip(&self.inertial).filter_map(|(sensor, described)| {
            (described.bus.0 == index).then_some(())?;
            Some(inertial_setup(sensor, described, *numbers.get(described.message)?, bus))
        });
        BusSetup {
            signals: signals.collect(),
            messages: messages.collect(),
            inertial: inertial.collect(),
            plan: bus.plan.clone(),
        }
    }
}

fn inertial_setup(sensor: SensorIx, described: &InertialSensor, message: MessageIx, bus: &Bus) -> InertialSetup {
    let signals = &bus.plan.message_def(message).signals;
    let value = |signal: &Signal, gain: f64| {
        // What the database states is rounded, too: half a step more is the same value.
        let (min, max) = limits(signal);
        let half = signal.factor.abs() / 2.0;
        let range = (min - half, max + half);
        InertialValue { probe: Probe::new(signal), needs_bytes: signal.needs_bytes(), gain, range }
    };
    let mut gains = described.gain.into_iter();
    let axes = described.axes.each_ref().map(|indices| {
        let gain = gains.next().unwrap_or(1.0);
        indices.iter().filter_map(|index| signals.get(*index)).map(|signal| value(signal, gain)).collect()
    });
    InertialSetup {
        message,
        sensor,
        axes,
        sample_interval: described.sample_interval,
        not_available: described.not_available.clone(),
    }
}
