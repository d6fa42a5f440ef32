//! What will be decoded and published, for people: the output of `telltaled check`.

use std::fmt::{self, Write as _};

use crate::signals::intake::Conversion;
use crate::signals::{SignalDef, SignalId};

use crate::crash::{AXES, Mounting, Orientation, Quantity};

use super::{Bus, Config, GnssSource, InertialSensor, MessageRule, Source};

/// A table by bus, message and signal, with the VSS path, unit and policy of each.
#[must_use]
pub fn describe(config: &Config) -> String {
    Report(config).to_string()
}

/// By bus, message and signal: where it goes.
struct Report<'a>(&'a Config);

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Config { deployment, profile } = self.0;
        writeln!(
            f,
            "vehicle {} is a {} {}: {}",
            deployment.vehicle_id, profile.name, profile.version, profile.description
        )?;
        writeln!(f, "profile hash {:08x}, {} signals", profile.hash, profile.signals.len())?;
        let security = if deployment.broker.tls.is_some() { "TLS" } else { "plain TCP" };
        writeln!(f, "broker {}:{} over {security}", deployment.broker.host, deployment.broker.port)?;
        for (index, (bus, settings)) in profile.buses.iter().zip(&deployment.buses).enumerate() {
            writeln!(f, "\nbus {} on {}", bus.name, settings.interface)?;
            self.bus(f, index, bus)?;
        }
        self.gnss(f)?;
        writeln!(f)?;
        for group in &profile.groups {
            writeln!(f, "state/{} at most every {} ms", group.name, group.min_interval.as_millis())?;
        }
        Ok(())
    }
}

impl Report<'_> {
    fn bus(&self, f: &mut fmt::Formatter<'_>, bus_index: usize, bus: &Bus) -> fmt::Result {
        for (index, (_, message)) in bus.plan.messages().enumerate() {
            let mut signals = self.sources(bus_index, index).peekable();
            let is_here = |sensor: &&InertialSensor| usize::from(sensor.bus.0) == bus_index && sensor.message == index;
            let mut sensors = self.0.profile.inertial.iter().filter(is_here).peekable();
            if signals.peek().is_none() && sensors.peek().is_none() {
                continue;
            }
            let rule = bus.rules.iter().find(|rule| rule.message == index);
            writeln!(f, "  {} {}, {} bytes: {}", message.id, message.name, message.size, trust(rule))?;
            for (id, signal) in signals {
                let Some(def) = message.signals.get(signal) else { continue };
                self.signal(f, &format!("{}{}{}", def.name, in_unit(&def.unit), self.conversion(id)), id)?;
            }
            for sensor in sensors {
                writeln!(f, "    {}", inertial(sensor))?;
            }
        }
        Ok(())
    }

    fn gnss(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let source = match &self.0.deployment.gnss {
            Some(GnssSource::Serial { device, baud }) => format!("GNSS from {} at {baud} baud", device.display()),
            Some(GnssSource::File(path)) => format!("GNSS from {}", path.display()),
            None => "no GNSS receiver".to_owned(),
        };
        writeln!(
            f,
            "
{source}"
        )?;
        for (id, source) in (0..).map(SignalId).zip(&self.0.profile.sources) {
            if *source == Source::Gnss {
                self.signal(f, "fix", id)?;
            }
        }
        Ok(())
    }

    /// The VSS signals of a message, each with the index of its DBC signal.
    fn sources(&self, bus_index: usize, message: usize) -> impl Iterator<Item = (SignalId, usize)> {
        (0..).map(SignalId).zip(&self.0.profile.sources).filter_map(move |(id, source)| match source {
            Source::Can(can) if usize::from(can.bus.0) == bus_index && can.message == message => Some((id, can.signal)),
            Source::Can(_) | Source::Gnss => None,
        })
    }

    fn signal(&self, f: &mut fmt::Formatter<'_>, name: &str, id: SignalId) -> fmt::Result {
        let profile = &self.0.profile;
        let index = usize::from(id.0);
        let Some(SignalDef { path, unit, tells_position, .. }) = profile.signals.get(index) else { return Ok(()) };
        let unit = in_unit(unit);
        let private = if *tells_position { ", held back in privacy mode" } else { "" };
        writeln!(f, "    {name} -> {path}{unit}: {}{private}", self.policy(index))
    }

    /// What is done to a DBC value on its way, so that a forgotten one is seen between two units.
    fn conversion(&self, id: SignalId) -> String {
        let Some(Source::Can(source)) = self.0.profile.sources.get(usize::from(id.0)) else { return String::new() };
        match &source.conversion {
            Conversion::Float { scale, offset } | Conversion::Int { scale, offset } => {
                let times = if (scale - 1.0).abs() > 0.0 { format!(" x {scale}") } else { String::new() };
                let plus = if offset.abs() > 0.0 { format!(" + {offset}") } else { String::new() };
                times + &plus
            }
            Conversion::Switch => String::new(),
            Conversion::Map(pairs) => format!(" by {} mapped values", pairs.len()),
        }
    }

    fn policy(&self, index: usize) -> String {
        let Some(policy) = self.0.profile.policies.get(index) else { return String::new() };
        let mut parts = Vec::new();
        if let Some(group) = policy.group.and_then(|group| self.0.profile.groups.get(group)) {
            parts.push(format!("state/{}", group.name));
        }
        if let Some(interval) = policy.telemetry {
            parts.push(format!("telemetry every {} ms", interval.as_millis()));
        }
        if policy.on_change {
            parts.push("telemetry on change".to_owned());
        }
        if policy.dead_band > 0.0 {
            parts.push(format!("dead-band {}", policy.dead_band));
        }
        if parts.is_empty() { "for the services only".to_owned() } else { parts.join(", ") }
    }
}

fn in_unit(unit: &str) -> String {
    if unit.is_empty() { String::new() } else { format!(" [{unit}]") }
}

/// What the recognition of crashes gets from a sensor.
fn inertial(sensor: &InertialSensor) -> String {
    let spec = &sensor.spec;
    let (what, unit) = match spec.quantity {
        Quantity::Acceleration => ("acceleration", "m/s^2"),
        Quantity::AngularRate => ("angular rate", "degrees/s"),
    };
    let axes: Vec<String> = AXES
        .into_iter()
        .zip(sensor.gain)
        .zip(spec.axes)
        .filter(|(_, has)| *has)
        .map(|((axis, gain), _)| format!("{}{axis}", if gain < 0.0 { "-" } else { "+" }))
        .collect();
    let mounting = match spec.mounting {
        Mounting::Chassis => "chassis",
        Mounting::Device => "device",
    };
    let orientation = match spec.orientation {
        Orientation::Stated => "stated",
        Orientation::Learnt => "learnt",
    };
    let packed = if sensor.packed() > 1 { format!(", {} samples a frame", sensor.packed()) } else { String::new() };
    format!(
        "{} of {mounting} -> {what} {} [{unit}]: range {}, {} Hz{packed}, orientation {orientation}",
        spec.name,
        axes.join(" "),
        spec.range,
        spec.rate_hz,
    )
}

fn trust(rule: Option<&MessageRule>) -> String {
    let timeout = rule.and_then(|rule| rule.timeout);
    let mut text = timeout
        .map_or_else(|| "sent on change".to_owned(), |timeout| format!("stale after {} ms", timeout.as_millis()));
    if let Some(kind) = rule.and_then(|rule| rule.checksum) {
        let _ = write!(text, ", checksum {kind}");
    }
    if rule.is_some_and(|rule| rule.has_counter) {
        text.push_str(", counter");
    }
    text
}
