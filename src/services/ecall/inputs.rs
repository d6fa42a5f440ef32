//! What calls for help, and who is on board.

use crate::crash::msd::Activation;
use crate::services::Cx;
use crate::services::debounce::Debounce;
use crate::signals::{SignalId, Signals, Value};
use crate::time::MonoTime;

use super::SOS_HOLD;

/// The button, in the overlay: VSS has none.
const SOS: &str = "Vehicle.Cabin.EmergencyCall.IsButtonPressed";

/// What fires in a crash.
const RESTRAINTS: &str = "Vehicle.Restraint.";
const AIRBAG: &str = "irbag.IsDeployed";

const BELT: &str = ".IsBelted";
const SEAT: &str = ".OccupancyStatus";
const OCCUPIED: &str = "OCCUPIED";

/// Somebody or something called for help.
#[derive(Debug, Clone, Copy)]
pub(super) struct Trigger {
    pub(super) activation: Activation,
    pub(super) at: MonoTime,
}

/// The signals, as far as the profile has them.
#[derive(Debug)]
pub(super) struct Inputs {
    restraints: Vec<Restraint>,
    sos: Option<SignalId>,
    button: Debounce<bool>,
    belts: Vec<SignalId>,
    seats: Vec<SignalId>,
    is_armed_changed: bool,
}

#[derive(Debug)]
struct Restraint {
    id: SignalId,
    /// It was seen not to have fired, and has not fired since.
    is_armed: bool,
}

impl Inputs {
    pub(super) fn of(signals: &Signals) -> Option<Self> {
        let of =
            |wanted: fn(&str) -> bool| signals.iter().filter(move |(_, def, _)| wanted(&def.path)).map(|(id, _, _)| id);
        let restraints = of(|path| path.starts_with(RESTRAINTS) || path.ends_with(AIRBAG));
        let restraints: Vec<_> = restraints.map(|id| Restraint { id, is_armed: false }).collect();
        let sos = signals.id(SOS);
        (sos.is_some() || !restraints.is_empty()).then(|| Self {
            restraints,
            sos,
            button: Debounce::new(Some(false)),
            belts: of(|path| path.ends_with(BELT)).collect(),
            seats: of(|path| path.ends_with(SEAT)).collect(),
            is_armed_changed: false,
        })
    }

    pub(super) fn all(&self) -> impl Iterator<Item = SignalId> {
        self.restraints.iter().map(|restraint| restraint.id).chain(self.sos)
    }

    /// What was triggered by the present readings; airbags before the button.
    pub(super) fn poll(&mut self, cx: &Cx<'_>) -> Option<Trigger> {
        let mut has_fired = false;
        for restraint in &mut self.restraints {
            let Some(fired) = cx.signals.get(restraint.id).good_bool() else { continue };
            has_fired |= fired && restraint.is_armed;
            self.is_armed_changed |= restraint.is_armed == fired;
            restraint.is_armed = !fired;
        }
        let pressed = self.sos.and_then(|id| cx.signals.get(id).good_bool());
        let pressed = self.button.offer(cx.now, pressed, SOS_HOLD).filter(|(pressed, _)| *pressed);
        if has_fired {
            Some(Trigger { activation: Activation::Automatic, at: cx.now })
        } else {
            pressed.map(|(_, since)| Trigger { activation: Activation::Manual, at: since })
        }
    }

    pub(super) fn deadline(&self) -> Option<MonoTime> {
        self.button.deadline()
    }

    /// Whether what is armed changed since the last call.
    pub(super) fn take_armed(&mut self) -> bool {
        std::mem::take(&mut self.is_armed_changed)
    }

    /// The paths of what is armed.
    pub(super) fn armed(&self, signals: &Signals) -> Vec<String> {
        let armed = self.restraints.iter().filter(|restraint| restraint.is_armed);
        armed.map(|restraint| signals.def(restraint.id).path.clone()).collect()
    }

    /// What an earlier run has seen armed is, beside what this one has.
    pub(super) fn arm(&mut self, paths: &[String], signals: &Signals) {
        for restraint in &mut self.restraints {
            restraint.is_armed |= paths.contains(&signals.def(restraint.id).path);
        }
    }

    /// The fewest that are on board: fastened belts, or occupied seats where those are more, as they were told last, since
    /// in a crash the bus may fall silent. None when nothing was ever told of either.
    pub(super) fn occupants(&self, signals: &Signals) -> Option<u8> {
        let belted = count(signals, &self.belts, |_, value| value == Value::Bool(true));
        let occupied = count(signals, &self.seats, |id, value| signals.label(id, value) == Some(OCCUPIED));
        belted.max(occupied)
    }
}

/// How many of the signals that have told anything told that.
fn count(signals: &Signals, ids: &[SignalId], that: impl Fn(SignalId, Value) -> bool) -> Option<u8> {
    let told = ids.iter().filter_map(|id| Some((*id, signals.get(*id).value?)));
    told.map(|(id, value)| u8::from(that(id, value))).reduce(u8::saturating_add)
}
