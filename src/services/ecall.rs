//! eCall record: airbags fired, or somebody pressed SOS: the minimum set of data of EN 15722, as a message.
//!
//! This is no certified in-vehicle system (UN R144, Regulation (EU) 2015/758): no call is placed, no in-band modem is
//! driven, and a PSAP sees nothing of it. It is the record that such a system would send, published over MQTT for
//! whoever has to act on it. The law wants its position, so it has it whatever the privacy mode; it asks for no consent.
//!
//! # Inputs
//!
//! | signal | use |
//! |---|---|
//! | `Vehicle.Restraint.*`, `Vehicle.Cabin.Seat.*.Airbag.IsDeployed` | a restraint fired: an automatic record |
//! | `Vehicle.Cabin.EmergencyCall.IsButtonPressed` (overlay) | held for [`SOS_HOLD`]: a manual record |
//! | `Vehicle.Cabin.Seat.*.IsBelted`, `.OccupancyStatus` | occupants: fastened belts, or occupied seats where those are more |
//! | the last believed place, and those of [`WAY_STEP`] and twice that before | position, direction, N1, N2 |
//! | the classifier's verdict | additional data of Euro NCAP TB 040, where ΔV was measured in full |
//!
//! A restraint counts only after it was seen not to have fired, in this run or an earlier one: airbags stay fired until
//! they are replaced, and a daemon that starts in such a car saw no crash.
//!
//! # When a record is sent
//!
//! At once when it is triggered, message identifier 1. Again, one more each time, when what it says has become better:
//! the time or the position is known, the position can be trusted, the crash was graded or graded anew. Not sooner than
//! [`REPEAT_AFTER`] after the last, not later than [`ACTIVE`] after the incident, and [`MAX_MESSAGES`] times at most.
//! What fires within [`SAME_INCIDENT`] belongs to the same incident, and so does SOS; but airbags that fire after SOS
//! begin an incident of their own.
//!
//! The position can be trusted when twice its standard deviation (95 % and more) is at most 150 m and the receiver still
//! speaks. Without a way behind it N1 and N2 are zero, which version 3 requires. Without a VIN in the deployment
//! the record has the profile's WMI and zeros.
//!
//! # Restart
//!
//! The incident is saved in one commit with its record, so that no identifier comes twice and an interrupted incident
//! goes on; what the classifier said of it is saved as soon as it is said. Where the store opens later than the run
//! begins, it goes on then, unless there is one of this run. Nothing is sent again only because of a restart.
//! A record that went with the power is made by the next run, where the restraint still says that it has fired.
//!
//! # Events
//!
//! `ecall.msd`, critical lane; the subject is the incident. `location` holds the record itself, as it holds the
//! position: `hex`, and `decoded` in the form of `telltaled msd decode`.
//!
//! ```json
//! {"trigger": "automatic", "version": 3, "message_identifier": 1,
//!  "location": {"msd": {"hex": "03…", "decoded": {"version": 3, "message_identifier": 1, "…": null}}}}
//! ```
//!
//! # State: member `ecall` of group `safety`
//!
//! The last incident, or null.
//!
//! ```json
//! {"incident": {"id": "0000000100000000-ecall-1", "trigger": "automatic", "messages": 2,
//!  "time": "2026-11-21T09:00:14.200Z"}}
//! ```

mod inputs;
mod record;
mod way;

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};
use tracing::{error, warn};

use crate::config::{EcallSettings, VehicleFacts};
use crate::crash::msd::{Activation, IncidentInformation};
use crate::delivery::Lane;
use crate::signals::{SignalId, Signals};
use crate::time::{Clock, MonoTime, Stamp};

use super::moment::Moment;
use super::{Cx, Event, Service, View};
use inputs::{Inputs, Trigger};
use record::{Merit, Template, concerning};
use way::Way;

/// The button is held so long: longer than a sleeve brushes it, shorter than a hurt hand tires.
pub const SOS_HOLD: Duration = Duration::from_millis(500);

/// EN 15722 asks for recent positions about five seconds apart.
pub const WAY_STEP: Duration = Duration::from_secs(5);

/// A record is not replaced sooner: grading, the first fix and the clock often come within one second.
pub const REPEAT_AFTER: Duration = Duration::from_secs(1);

/// So long after the incident better data are worth another record: help is on its way then.
pub const ACTIVE: Duration = Duration::from_secs(10 * 60);

/// Curtain and belts fire within a second of the first airbag, a second impact within some more.
pub const SAME_INCIDENT: Duration = Duration::from_secs(60);

/// One for each thing that can become better, and a few corrections of the grading.
pub const MAX_MESSAGES: u8 = 10;

/// The service.
#[derive(Debug)]
pub struct Ecall {
    inputs: Inputs,
    template: Template,
    way: Way,
    /// Incidents of this run.
    count: u32,
    incident: Option<Incident>,
    deadline: Option<MonoTime>,
}

/// Something that calls for help.
#[derive(Debug, Clone)]
struct Incident {
    id: String,
    activation: Activation,
    at: Moment,
    /// What the classifier said of it last.
    information: Option<IncidentInformation>,
    /// Records sent: the last message identifier.
    messages: u8,
    /// What the last one was worth, and when it went.
    merit: Merit,
    sent_at: Moment,
}

impl Incident {
    /// Airbags that fire after somebody pressed SOS are never part of it: that call did not tell of this crash.
    fn includes(&self, trigger: Trigger, clock: &Clock) -> bool {
        let is_recent = self.at.until(trigger.at, clock).is_some_and(|age| age < SAME_INCIDENT);
        is_recent && (self.activation == Activation::Automatic || trigger.activation == Activation::Manual)
    }

    /// Another record may follow.
    fn is_active(&self, cx: &Cx<'_>) -> bool {
        self.messages < MAX_MESSAGES && self.at.until(cx.now, cx.clock).is_some_and(|age| age < ACTIVE)
    }
}

#[derive(Serialize, Deserialize)]
struct Saved {
    /// The paths of the restraints that have not fired.
    armed: Vec<String>,
    incident: Option<SavedIncident>,
}

#[derive(Serialize, Deserialize)]
struct SavedIncident {
    id: String,
    activation: Activation,
    at: Stamp,
    information: Option<IncidentInformation>,
    messages: u8,
    merit: Merit,
    sent_at: Stamp,
}

impl Ecall {
    /// None when the profile has neither a restraint nor the button.
    #[must_use]
    pub fn new(signals: &Signals, facts: &VehicleFacts, settings: &EcallSettings) -> Option<Self> {
        Some(Self {
            inputs: Inputs::of(signals)?,
            template: Template::new(facts, settings)?,
            way: Way::default(),
            count: 0,
            incident: None,
            deadline: None,
        })
    }

    fn begin(&mut self, cx: &Cx<'_>, trigger: Trigger) {
        let at = trigger.at;
        if self.incident.as_ref().is_some_and(|incident| incident.includes(trigger, cx.clock)) {
            return;
        }
        warn!(activation = ?trigger.activation, "the vehicle calls for help");
        self.count += 1;
        self.incident = Some(Incident {
            id: format!("{}-ecall-{}", cx.boot, self.count),
            activation: trigger.activation,
            at: Moment::Here(at),
            information: None,
            messages: 0,
            merit: Merit::NONE,
            sent_at: Moment::Here(cx.now),
        });
    }

    /// Keeps what the classifier says: the next record may be made after a restart, when nobody says it any more.
    fn hear(&mut self, cx: &mut Cx<'_>) {
        let Some(incident) = self.incident.as_mut().filter(|incident| incident.is_active(cx)) else { return };
        let Some(verdict) = concerning(cx, incident.at) else { return };
        let said = self.template.information(verdict);
        if said != incident.information {
            incident.information = said;
            cx.out.save_now = true;
        }
    }

    /// Sends a record when there is none yet or a better one.
    fn follow_up(&mut self, cx: &mut Cx<'_>) {
        let Some(incident) = self.incident.as_mut().filter(|incident| incident.is_active(cx)) else { return };
        let may_repeat = incident.sent_at.until(cx.now, cx.clock).is_none_or(|age| age >= REPEAT_AFTER);
        if incident.messages > 0 && !may_repeat {
            return;
        }
        let draft = self.template.fill(cx, &self.inputs, &self.way, incident);
        if incident.messages > 0 && !draft.merit.is_better_than(incident.merit) {
            return;
        }
        incident.messages += 1;
        incident.merit = draft.merit;
        incident.sent_at = Moment::Here(cx.now);
        let (trigger, number) = (activation_name(incident.activation), incident.messages);
        match draft.encode(number) {
            Ok(msd) => {
                let data = json!({ "trigger": trigger, "version": msd.version, "message_identifier": number });
                let at = incident.at.here().unwrap_or(cx.now);
                let event = Event::new("ecall.msd", at, data).about(&incident.id);
                cx.out.events.push(Event { lane: Lane::Critical, statutory: Some(msd.location), ..event });
            }
            Err(why) => error!(%why, "a minimum set of data could not be encoded; please report it"),
        }
        (cx.out.save, cx.out.state_changed) = (true, true);
    }

    fn next_deadline(&self, cx: &Cx<'_>) -> Option<MonoTime> {
        let incident = self.incident.as_ref().filter(|incident| incident.is_active(cx));
        let repeat = incident.map(|_| cx.now + REPEAT_AFTER);
        [repeat, self.inputs.deadline(), self.way.deadline(cx)].into_iter().flatten().min()
    }
}

impl Service for Ecall {
    fn name(&self) -> &'static str {
        "ecall"
    }

    fn group(&self) -> &'static str {
        "safety"
    }

    fn interests(&self) -> Vec<SignalId> {
        self.inputs.all().collect()
    }

    fn update(&mut self, cx: &mut Cx<'_>) {
        self.way.follow(cx);
        let trigger = self.inputs.poll(cx);
        cx.out.save |= self.inputs.take_armed();
        if let Some(trigger) = trigger {
            self.begin(cx, trigger);
        }
        self.hear(cx);
        self.follow_up(cx);
        self.deadline = self.next_deadline(cx);
    }

    fn deadline(&self) -> Option<MonoTime> {
        self.deadline
    }

    fn state(&self, view: &View<'_>) -> Json {
        let incident = self.incident.as_ref().map(|incident| {
            json!({
                "id": incident.id,
                "trigger": activation_name(incident.activation),
                "messages": incident.messages,
                "time": view.time(incident.at.at()),
            })
        });
        json!({ "incident": incident })
    }

    fn save(&self, view: &View<'_>) -> Json {
        let incident = self.incident.as_ref().map(|incident| SavedIncident {
            id: incident.id.clone(),
            activation: incident.activation,
            at: incident.at.stamp(view),
            information: incident.information,
            messages: incident.messages,
            merit: incident.merit,
            sent_at: incident.sent_at.stamp(view),
        });
        let saved = Saved { armed: self.inputs.armed(view.signals), incident };
        serde_json::to_value(saved).unwrap_or(Json::Null)
    }

    fn restore(&mut self, saved: &Json, view: &View<'_>) {
        // An incident of this run is the newer one, and what is armed belongs to it.
        if self.incident.is_some() {
            return;
        }
        let Ok(saved) = Saved::deserialize(saved) else { return };
        self.inputs.arm(&saved.armed, view.signals);
        self.incident = saved.incident.map(|incident| Incident {
            id: incident.id,
            activation: incident.activation,
            at: Moment::restored(incident.at, view),
            information: incident.information,
            messages: incident.messages,
            merit: incident.merit,
            sent_at: Moment::restored(incident.sent_at, view),
        });
    }

    fn rejoin(&mut self, saved: &Json, view: &View<'_>) {
        self.restore(saved, view);
    }
}

const fn activation_name(activation: Activation) -> &'static str {
    match activation {
        Activation::Automatic => "automatic",
        Activation::Manual => "manual",
    }
}

#[cfg(test)]
mod tests;
