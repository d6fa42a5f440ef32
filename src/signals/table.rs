//! The signals of the loaded profile with their current readings.

use std::collections::BTreeMap;

use crate::time::MonoTime;

use super::value::{At, Cause, Quality, Reading, SignalId, Value};

/// VSS data types, folded to what the value can hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Datatype {
    /// `boolean`
    Bool,
    /// `int8` to `int64`, `uint8` to `uint64`
    Int,
    /// `float`, `double`
    Float,
    /// `string` with allowed values
    Label,
}

/// Of a signal that was not received.
const NEVER: Reading = Reading { value: None, quality: Quality::Stale, at: At::Unknown };

/// What is known of a signal beforehand.
#[derive(Debug, Clone, PartialEq)]
pub struct SignalDef {
    /// VSS path, instances spelled out: `Vehicle.Cabin.Door.Row1.DriverSide.IsOpen`.
    pub path: String,
    /// The kind of its values.
    pub datatype: Datatype,
    /// VSS unit: `km/h`, `percent`, `degrees`; empty where VSS has none.
    pub unit: String,
    /// The allowed values of a [`Datatype::Label`], by index.
    pub labels: Vec<String>,
    /// It tells where the car is: never leaves it in privacy mode.
    pub tells_position: bool,
}

/// All signals of the profile: definitions, readings, and which readings changed since somebody last looked.
#[derive(Debug, Default)]
pub struct Signals {
    defs: Vec<SignalDef>,
    readings: Vec<Reading>,
    by_path: BTreeMap<String, SignalId>,
    changed: Vec<SignalId>,
    is_changed: Vec<bool>,
}

impl Signals {
    /// A table of these signals, none received yet. More than 65,535 are refused, and so is a path that repeats.
    pub fn new(defs: Vec<SignalDef>) -> Result<Self, TableError> {
        let mut by_path = BTreeMap::new();
        for (index, def) in defs.iter().enumerate() {
            let id = SignalId(u16::try_from(index).map_err(|_| TableError::TooMany(defs.len()))?);
            if by_path.insert(def.path.clone(), id).is_some() {
                return Err(TableError::Repeated(def.path.clone()));
            }
        }
        let count = defs.len();
        Ok(Self {
            defs,
            readings: vec![NEVER; count],
            by_path,
            changed: Vec::with_capacity(count),
            is_changed: vec![false; count],
        })
    }

    /// The signal with that VSS path, if the profile has it.
    #[must_use]
    pub fn id(&self, path: &str) -> Option<SignalId> {
        self.by_path.get(path).copied()
    }

    /// What is known of a signal beforehand.
    #[must_use]
    pub fn def(&self, id: SignalId) -> &SignalDef {
        &self.defs[usize::from(id.0)]
    }

    /// The current reading.
    #[must_use]
    pub fn get(&self, id: SignalId) -> Reading {
        self.readings[usize::from(id.0)]
    }

    /// The text of a label value.
    #[must_use]
    pub fn label(&self, id: SignalId, value: Value) -> Option<&str> {
        match value {
            Value::Label(index) => self.def(id).labels.get(usize::from(index)).map(String::as_str),
            Value::Bool(_) | Value::Int(_) | Value::Float(_) => None,
        }
    }

    /// Every signal, in the order of the profile.
    pub fn iter(&self) -> impl Iterator<Item = (SignalId, &SignalDef, Reading)> {
        (0_u16..)
            .zip(self.defs.iter().zip(&self.readings))
            .map(|(index, (def, reading))| (SignalId(index), def, *reading))
    }

    /// How many signals there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.defs.len()
    }

    /// Whether the profile has no signals.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.defs.is_empty()
    }

    /// A believed value was received.
    pub fn set(&mut self, id: SignalId, value: Value, at: MonoTime) {
        self.put(id, Reading { value: Some(value), quality: Quality::Good, at: At::Mono(at) });
    }

    /// The newest word was not believed: the last good value and its time stay.
    pub fn distrust(&mut self, id: SignalId, cause: Cause) {
        self.put(id, Reading { quality: Quality::Invalid(cause), ..self.get(id) });
    }

    /// The message stopped: the last good value and its time stay.
    pub fn expire(&mut self, id: SignalId) {
        self.put(id, Reading { quality: Quality::Stale, ..self.get(id) });
    }

    /// A value from before the restart; does nothing when a newer one was received already.
    pub fn restore(&mut self, id: SignalId, value: Value, at: At) {
        if self.get(id).value.is_none() {
            self.put(id, Reading { value: Some(value), quality: Quality::Stale, at });
        }
    }

    /// Forgets the readings that tell where the car is, as if they had never been received. Nobody is told of it; the
    /// next one that is received is a change.
    pub fn forget_positions(&mut self) {
        for (def, reading) in self.defs.iter().zip(&mut self.readings) {
            if def.tells_position {
                *reading = NEVER;
            }
        }
    }

    /// Moves the signals whose value or quality changed since the last call to the end of `out`, each once, in the
    /// order of their first change. A value that was received again unchanged is no change.
    pub fn take_changed(&mut self, out: &mut Vec<SignalId>) {
        for id in &self.changed {
            self.is_changed[usize::from(id.0)] = false;
        }
        out.append(&mut self.changed);
    }

    fn put(&mut self, id: SignalId, reading: Reading) {
        let index = usize::from(id.0);
        let old = std::mem::replace(&mut self.readings[index], reading);
        if (old.value != reading.value || old.quality != reading.quality) && !self.is_changed[index] {
            self.is_changed[index] = true;
            self.changed.push(id);
        }
    }
}

/// Why a signal table cannot be built. The profile's author must act.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TableError {
    /// More signals than a [`SignalId`] can number.
    #[error("{0} signals, but a profile can have at most 65535: map fewer")]
    TooMany(usize),
    /// Two entries write the same path.
    #[error("{0} is mapped twice: remove one of the entries")]
    Repeated(String),
}
