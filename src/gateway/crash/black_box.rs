//! The gateway's hand on the black box.

use serde_json::json;
use tracing::{error, info, warn};

use crate::crash::black_box::{BlackBoxEvent, Channel, Contents, Recording, Stat};
use crate::crash::{Classifier, Stage, Verdict};
use crate::delivery::{Lane, RecordId};
use crate::gateway::crew::Occasion;
use crate::gateway::dispatch::Context;
use crate::gateway::{Effect, Gateway};
use crate::services::{Event, Moment, Recovered};
use crate::time::MonoTime;

use super::{Crash, Firing, recovery};

/// Reports that are made and not yet durable. An event makes one; more wait only while the store does not work, and then
/// the oldest is left to the next start, and counted.
pub(super) const UNKEPT_MAX: usize = 8;

impl Gateway {
    /// The disk of the black box answered.
    pub(in crate::gateway) fn black_box(&mut self, event: BlackBoxEvent) {
        let given_up = self.crash.recorder.stat().given_up;
        let was_opening = self.crash.recorder.is_opening();
        self.crash.recorder.handle(self.now, &event);
        if was_opening && !self.crash.recorder.is_opening() {
            // Services wait for what it says of earlier runs, or for that it says nothing.
            self.crew.call_all();
        }
        match event {
            BlackBoxEvent::Opened(contents) => self.black_box_opened(*contents),
            BlackBoxEvent::Unavailable(why) => {
                error!(%why, "running without a black box");
                self.report(Event::new("blackbox.failed", self.now, json!({ "what": "unavailable", "reason": why })));
            }
            BlackBoxEvent::Written(_) => {}
            BlackBoxEvent::Failed(_, why) => {
                if self.crash.recorder.stat().given_up > given_up {
                    error!(%why, "a part of a record of the black box is lost");
                    self.report(Event::new(
                        "blackbox.failed",
                        self.now,
                        json!({ "what": "not_written", "reason": why }),
                    ));
                }
            }
        }
    }

    fn black_box_opened(&mut self, contents: Contents) {
        info!(damage = contents.damage.len(), unreported = contents.recordings.len(), "the black box is open");
        if !contents.damage.is_empty() {
            let why: Vec<String> = contents.damage.iter().map(ToString::to_string).collect();
            let data = json!({ "what": "damaged", "reason": why.join("; ") });
            self.report(Event::new("blackbox.failed", self.now, data));
        }
        let own = self.dispatch.boot();
        let is_left = |recording: &Recording| recording.slot.is_unreported() && recording.slot.crash.boot() != own;
        self.crash.left = contents.recordings.into_iter().filter(is_left).collect();
    }

    /// What earlier runs left is looked at, and what is to be told of it is handed on: once the store has opened, so that
    /// what the classifier has learnt was read from there, or has not for too long. Then what they knew of the restraints
    /// counts too, which may make a crash of what this run was told before.
    fn recover(&mut self) {
        if !self.dispatch.knows_store() {
            return;
        }
        for recording in std::mem::take(&mut self.crash.left) {
            let slot = &recording.slot;
            let told = recovery::told_of(&recording, |start| {
                let mut classifier = Classifier::new(&start.sensors);
                if start.sensors == self.crash.specs {
                    // What the restraints had told then stands in the record.
                    classifier.restore_sensors(self.crash.classifier.calibration().sensors);
                }
                classifier
            });
            let Some(recovery::Told { report, verdict }) = told else {
                info!(crash = %slot.crash, "a suspicion of an earlier run comes to nothing");
                self.crash.recorder.recovered(slot.crash, Stage::Dismissed);
                continue;
            };
            warn!(crash = %slot.crash, id = %report.id, topic = report.topic, "an earlier run did not tell of a crash");
            self.crash.have_fired();
            let stage = verdict.stage.max(slot.stage.unwrap_or(Stage::Suspected));
            self.crash.recorder.recovered(slot.crash, stage);
            // A crash in privacy mode stays unsaid, though that has ended since.
            if stage >= Stage::Confirmed && !recovery::forbids_help(&recording) {
                let at = Moment::of(recovery::contact(&recording, &verdict), self.kernel, self.now);
                let recovered = Recovered { crash: slot.crash.to_string(), verdict, at };
                self.crash.recovered.push((report.id, recovered));
            }
            self.dispatch.recover(self.now, report);
        }
        if !self.crash.recorder.is_opening() {
            self.crash.take_kept();
        }
        if self.crash.firing == Firing::Unsaved && self.dispatch.has_store() {
            // A restraint that was weighed only now is kept together with the report of its crash, not before it.
            self.follow_crash();
        }
    }

    /// The services hear of what earlier runs could not tell, once they know what they knew then, and what the owner
    /// allows: without a store that is a later run.
    fn pass_on_recovered(&mut self) {
        if !self.crew.is_released() || !self.owner.says_of_help() {
            return;
        }
        while !self.crash.recovered.is_empty() {
            let (_, recovered) = self.crash.recovered.remove(0);
            self.crew.call_all();
            self.round(Occasion { recovered: Some(&recovered), ..Occasion::default() });
        }
    }

    /// The services have heard of everything that earlier runs left in the black box, or nobody can tell.
    pub(in crate::gateway) fn has_recalled(&self) -> bool {
        let Crash { recorder, left, recovered, .. } = &self.crash;
        !recorder.is_opening() && left.is_empty() && recovered.is_empty()
    }

    /// Marks what is told, of this run and of earlier ones. A crash that the services have not heard of, or of which
    /// something is known in memory only, stays in the black box for the next start, though its report be delivered.
    fn mark_told(&mut self) {
        self.crash.told.extend(self.dispatch.take_recovered());
        if self.crash.told.is_empty() && self.crash.unkept.is_empty() {
            return;
        }
        let is_settled = self.is_settled();
        let Crash { recovered, told, unkept, recorder, .. } = &mut self.crash;
        let mut mark = |id: &RecordId, is_told: bool| {
            if is_told {
                recorder.reported(*id);
            }
            !is_told
        };
        told.retain(|id| mark(id, is_settled && !recovered.iter().any(|(report, _)| report == id)));
        unkept.retain(|id| mark(id, is_settled && self.dispatch.is_kept(*id)));
    }

    /// Whatever was made of crashes so far is durable, or was delivered and is all that there is to know. A service that
    /// has not begun, or does not know what the owner allows, has made nothing of them yet.
    fn is_settled(&mut self) -> bool {
        let is_heard = self.crew.is_released() && self.owner.says_of_help();
        let has_saved = self.dispatch.has_saved();
        if has_saved && self.crash.firing == Firing::Saving {
            self.crash.firing = Firing::Kept;
        }
        let has_unsaved = self.crew.holds() || self.crash.firing != Firing::Kept;
        // Airbags fire, and help is offered, until it is graded.
        let is_under_way = self.verdict.is_some_and(|verdict| verdict.stage == Stage::Confirmed);
        let is_kept = self.dispatch.is_kept(self.dispatch.last_id(Lane::Critical));
        is_heard && is_kept && !is_under_way && (has_saved || !has_unsaved)
    }

    /// Hands a verdict to the recorder, before anybody else hears of it.
    pub(super) fn record_verdict(&mut self, verdict: &Verdict) {
        let next = self.dispatch.next_id(Lane::Critical);
        self.crash.recorder.verdict(self.now, verdict, self.clock.wall_at(self.now), next.seq);
    }

    /// The report of a crash was made under that id.
    pub(super) fn record_report(&mut self, event: u32, id: RecordId) {
        let Some(bytes) = self.dispatch.encoded(id) else { return };
        self.crash.recorder.report(self.now, event, id, bytes);
        if self.crash.unkept.len() >= UNKEPT_MAX {
            self.crash.unkept.remove(0);
            self.crash.recorder.leave_unmarked();
        }
        self.crash.unkept.push(id);
    }

    /// Tells what earlier runs left, records where the car is and what the owner allows, marks what is durable in the
    /// store, and keeps the id up to date that a report would have.
    pub(in crate::gateway) fn settle_black_box(&mut self) {
        let had_recalled = self.has_recalled();
        self.recover();
        self.pass_on_recovered();
        if self.has_recalled() && !had_recalled {
            self.crew.call_all();
            self.round(Occasion::default());
        }
        self.mark_told();
        if let Some(place) = self.position.place() {
            let may_be_told = self.position.may_be_told(self.owner.open_since());
            self.crash.place(self.now, place, may_be_told);
        }
        let may_be_offered = self.owner.allows_help().map_or(f64::NAN, |allows| f64::from(u8::from(allows)));
        self.crash.recorder.value(self.now, Channel::HelpMayBeOffered, may_be_offered);
        let next = self.dispatch.next_id(Lane::Critical);
        self.crash.recorder.expect_report(next.seq);
    }

    /// What is to be done outside next: the black box first, then the rest, but no publication before the first write of
    /// a record is answered, or has not been for too long.
    pub(in crate::gateway) fn next_effect(&mut self) -> Option<Effect> {
        if let Some(request) = self.crash.recorder.poll(self.now) {
            return Some(Effect::BlackBox(request));
        }
        let is_held = self.publishing_held_until().is_some();
        let context = Context { clock: &self.clock, privacy: self.owner.settings().privacy, is_held };
        let effect = self.dispatch.next_effect(self.now, context)?;
        if matches!(effect, Effect::Publish(_)) {
            self.crash.recorder.published();
        }
        Some(effect)
    }

    /// When messages go out again; none while they do.
    pub(in crate::gateway) fn publishing_held_until(&self) -> Option<MonoTime> {
        self.crash.recorder.held_until(self.now)
    }

    /// The daemon ends: the records are closed.
    pub(in crate::gateway) fn stop_black_box(&mut self) {
        self.crash.recorder.stop(self.now);
    }

    /// Nothing is left to be made durable or to be said.
    pub(in crate::gateway) fn is_drained(&self) -> bool {
        self.dispatch.is_drained(self.now) && self.crash.recorder.is_idle() && self.publishing_held_until().is_none()
    }

    /// What the black box has done.
    #[must_use]
    pub fn black_box_stat(&self) -> Stat {
        self.crash.recorder.stat()
    }

    /// The car shows something of a crash, so that a black box has something to record.
    #[must_use]
    pub fn wants_black_box(&self) -> bool {
        self.crash.is_equipped()
    }
}
