//! The traction battery, its charger and the low-voltage battery: charge in, charge out, and where the heat goes.

use crate::rng::Rng;

/// Cells in series.
pub(super) const CELLS: usize = 96;
/// Open-circuit voltage of the pack, empty, and what it gains until full: lithium cells of 3.45 to 4.10 V, taken as
/// linear over the usable window.
const EMPTY_V: f64 = 331.2;
const GAIN_V: f64 = 62.4;
/// Usable charge: 37 Ah, 13.4 kWh.
const CAPACITY_C: f64 = 37.0 * 3_600.0;
/// Inner resistance of the pack.
const RESISTANCE_OHM: f64 = 0.11;
/// Heat capacity of the pack, and what leaks out of it.
const HEAT_CAPACITY_J_PER_K: f64 = 110_000.0;
const HEAT_LEAK_W_PER_K: f64 = 4.0;
/// Single-phase AC charging at 16 A and 230 V.
const MAINS_V: f64 = 230.0;
const MAINS_W: f64 = 3_680.0;
const CHARGER_EFFICIENCY: f64 = 0.92;
/// Above this state of charge the charging power falls, down to the last trickle at full.
const TAPER_FROM: f64 = 0.90;
const TRICKLE: f64 = 0.12;
/// What the converter to the low-voltage net loses.
const DCDC_EFFICIENCY: f64 = 0.93;
/// Usable energy of the low-voltage battery: 45 Ah.
const LOW_VOLTAGE_J: f64 = 45.0 * 3_600.0 * 12.0;

/// The pack.
#[derive(Debug, Clone)]
pub(super) struct Battery {
    charge_c: f64,
    /// Positive into the battery.
    pub current_a: f64,
    pub temperature_c: f64,
    pub charged_j: f64,
    pub discharged_j: f64,
    cell_offsets_v: Vec<f64>,
}

impl Battery {
    pub(super) fn new(state_of_charge: f64, temperature_c: f64, rng: &mut Rng) -> Self {
        Self {
            charge_c: CAPACITY_C * state_of_charge,
            current_a: 0.0,
            temperature_c,
            charged_j: 3.1e9,
            discharged_j: 2.9e9,
            cell_offsets_v: (0..CELLS).map(|_| (rng.unit() - 0.5) * 0.012).collect(),
        }
    }

    /// 0 to 1.
    pub(super) fn state_of_charge(&self) -> f64 {
        self.charge_c / CAPACITY_C
    }

    fn open_v(&self) -> f64 {
        EMPTY_V + GAIN_V * self.state_of_charge()
    }

    /// At the terminals.
    pub(super) fn voltage_v(&self) -> f64 {
        self.open_v() + self.current_a * RESISTANCE_OHM
    }

    /// The chemical energy above empty.
    pub(super) fn energy_j(&self) -> f64 {
        let soc = self.state_of_charge();
        CAPACITY_C * (EMPTY_V * soc + GAIN_V * soc * soc / 2.0)
    }

    /// What it can give now.
    pub(super) fn discharge_limit_w(&self) -> f64 {
        90_000.0 * ((self.state_of_charge() - 0.05) / 0.10).clamp(0.0, 1.0)
    }

    /// What it can take now: little when full or cold.
    pub(super) fn charge_limit_w(&self) -> f64 {
        let room = ((1.0 - self.state_of_charge()) / 0.05).clamp(0.0, 1.0);
        let warmth = ((self.temperature_c + 10.0) / 25.0).clamp(0.1, 1.0);
        60_000.0 * room * warmth
    }

    /// Takes `power_w` at the terminals (negative: gives) for `dt_s`; returns the heat made, in joules.
    pub(super) fn exchange(&mut self, power_w: f64, dt_s: f64, ambient_c: f64) -> f64 {
        let open_v = self.open_v();
        // P = I (V + I R); the root with the small current.
        let root = (open_v * open_v + 4.0 * RESISTANCE_OHM * power_w).max(0.0).sqrt();
        self.current_a = (root - open_v) / (2.0 * RESISTANCE_OHM);
        self.charge_c = (self.charge_c + self.current_a * dt_s).clamp(0.0, CAPACITY_C);
        if power_w > 0.0 {
            self.charged_j += power_w * dt_s;
        } else {
            self.discharged_j -= power_w * dt_s;
        }
        let heat_j = self.current_a * self.current_a * RESISTANCE_OHM * dt_s;
        let leak_j = (self.temperature_c - ambient_c) * HEAT_LEAK_W_PER_K * dt_s;
        self.temperature_c += (heat_j - leak_j) / HEAT_CAPACITY_J_PER_K;
        heat_j
    }

    /// The voltage of cell 0 to 95.
    pub(super) fn cell_v(&self, cell: usize) -> f64 {
        let share = self.voltage_v() / 96.0;
        share + self.cell_offsets_v.get(cell).copied().unwrap_or(0.0)
    }
}

/// What the plug and the charger do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ChargeState {
    /// Nothing plugged in.
    #[default]
    Idle,
    /// Plugged in, waiting.
    Plugged,
    /// Energy flows.
    Charging,
    /// The limit is reached.
    Complete,
}

/// The on-board charger.
#[derive(Debug, Clone, Default)]
pub(super) struct Charger {
    pub state: ChargeState,
    pub plugged: bool,
    pub flap_open: bool,
    pub mains_w: f64,
    /// Into the battery.
    pub power_w: f64,
    pub session_j: f64,
    pub limit: f64,
    plugged_s: f64,
}

/// The handshake over the pilot line, before the contactor of the wall box closes (IEC 61851-1: seconds).
const HANDSHAKE_S: f64 = 4.0;

impl Charger {
    /// A charger that stops at this state of charge.
    pub(super) fn up_to(limit: f64) -> Self {
        Self { limit, ..Self::default() }
    }

    pub(super) fn plug(&mut self, plugged: bool) {
        *self = Self { plugged, flap_open: plugged, limit: self.limit, session_j: self.session_j, ..Self::default() };
        if plugged {
            self.state = ChargeState::Plugged;
            self.session_j = 0.0;
        }
    }

    /// Charging goes on for `dt_s`; returns what the mains gave and what the charger lost, in joules.
    pub(super) fn step(&mut self, battery: &Battery, dt_s: f64) -> (f64, f64) {
        (self.mains_w, self.power_w) = (0.0, 0.0);
        if !self.plugged {
            return (0.0, 0.0);
        }
        self.plugged_s += dt_s;
        let soc = battery.state_of_charge();
        match self.state {
            ChargeState::Plugged if self.plugged_s >= HANDSHAKE_S => self.state = ChargeState::Charging,
            ChargeState::Charging if soc >= self.limit => self.state = ChargeState::Complete,
            _ => {}
        }
        if self.state != ChargeState::Charging {
            return (0.0, 0.0);
        }
        self.mains_w = MAINS_W * curve(soc);
        self.power_w = self.mains_w * CHARGER_EFFICIENCY;
        self.session_j += self.power_w * dt_s;
        (self.mains_w * dt_s, (self.mains_w - self.power_w) * dt_s)
    }

    /// The handshake or the charge is under way: battery and charger talk.
    pub(super) fn is_busy(&self) -> bool {
        matches!(self.state, ChargeState::Plugged | ChargeState::Charging)
    }

    pub(super) fn mains_v(&self) -> f64 {
        if self.plugged { MAINS_V - self.mains_w / 1_500.0 } else { 0.0 }
    }

    /// Minutes until the limit, by the charge curve.
    pub(super) fn minutes_left(&self, battery: &Battery) -> f64 {
        let mut soc = battery.state_of_charge();
        let mut seconds = 0.0;
        while soc < self.limit {
            let step = 0.01_f64.min(self.limit - soc).max(1e-4);
            seconds += step * CAPACITY_C * (EMPTY_V + GAIN_V * soc) / (MAINS_W * CHARGER_EFFICIENCY * curve(soc));
            soc += step;
        }
        seconds / 60.0
    }
}

fn curve(soc: f64) -> f64 {
    (1.0 - (soc - TAPER_FROM).max(0.0) / (1.0 - TAPER_FROM)).max(TRICKLE)
}

/// The 12 V battery and the converter that feeds its net.
#[derive(Debug, Clone)]
pub(super) struct LowVoltage {
    pub energy_j: f64,
    pub voltage_v: f64,
    /// Positive into the battery.
    pub current_a: f64,
    pub converter_w: f64,
    pub converter_loss_w: f64,
}

impl LowVoltage {
    pub(super) fn new() -> Self {
        let energy_j = LOW_VOLTAGE_J * 0.93;
        Self { energy_j, voltage_v: 12.5, current_a: 0.0, converter_w: 0.0, converter_loss_w: 0.0 }
    }

    /// The net draws `load_w`; returns what the converter takes from the traction battery, in watts.
    pub(super) fn step(&mut self, converter_on: bool, load_w: f64, dt_s: f64) -> f64 {
        let filled = self.energy_j / LOW_VOLTAGE_J;
        if converter_on {
            let recharge_w = 1_500.0 * (1.0 - filled);
            self.converter_w = load_w + recharge_w;
            self.converter_loss_w = self.converter_w * (1.0 / DCDC_EFFICIENCY - 1.0);
            self.voltage_v = 14.2 - load_w / 5_000.0;
            self.current_a = recharge_w / self.voltage_v;
            self.energy_j += recharge_w * dt_s;
        } else {
            (self.converter_w, self.converter_loss_w) = (0.0, 0.0);
            self.voltage_v = 11.6 + 1.1 * filled - load_w / 1_000.0;
            self.current_a = -load_w / self.voltage_v;
            self.energy_j = (self.energy_j - load_w * dt_s).max(0.0);
        }
        self.converter_w + self.converter_loss_w
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_charge_fills_the_battery_and_the_energy_adds_up() {
        let mut battery = Battery::new(0.2, 15.0, &mut Rng::new(1));
        let mut charger = Charger::up_to(1.0);
        charger.plug(true);
        let before_j = battery.energy_j();
        let estimate_min = charger.minutes_left(&battery);
        let (mut mains_j, mut lost_j, mut seconds) = (0.0, 0.0, 0.0);
        let (mut strongest_w, mut last_w): (f64, f64) = (0.0, 0.0);
        while charger.state != ChargeState::Complete {
            let (gave, lost) = charger.step(&battery, 1.0);
            let heat = battery.exchange(charger.power_w, 1.0, 15.0);
            mains_j += gave;
            lost_j += lost + heat;
            seconds += 1.0;
            strongest_w = strongest_w.max(charger.power_w);
            last_w = if charger.power_w > 0.0 { charger.power_w } else { last_w };
            assert!(seconds < 20_000.0, "never full");
        }
        let stored_j = battery.energy_j() - before_j;
        assert!((mains_j - lost_j - stored_j).abs() < 1e-3 * mains_j, "{mains_j} - {lost_j} != {stored_j}");
        assert!(last_w < strongest_w / 2.0, "the current falls towards the end");
        assert!((seconds / 60.0 - estimate_min).abs() < 0.05 * estimate_min, "{seconds} s, said {estimate_min} min");
    }
}
