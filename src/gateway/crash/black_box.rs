//! The gateway's hand on the black box.

use serde_json::json;
use tracing::{error, info, warn};

use crate::crash::black_box::{BlackBoxEvent, Contents, Recording, Stat};
use crate::crash::{Classifier, Stage, Verdict};
use crate::delivery::{Lane, RecordId};
use crate::gateway::Gateway;
use crate::gateway::crew::Occasion;
use crate::services::{Event, Recovered};

use super::recovery;

/// Reports that are made and not yet durable. An event makes one; more wait only while the store does not work, and then
/// the oldest is left to the next start.
pub(super) const UNKEPT_MAX: usize = 8;

impl Gateway {
    /// The disk of the black box answered.
    pub(in crate::gateway) fn black_box(&mut self, event: BlackBoxEvent) {
        let given_up = self.crash.recorder.stat().given_up;
        self.crash.recorder.handle(self.now, &event);
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
    /// what the classifier has learnt was read from there, or has not for too long.
    fn recover(&mut self) {
        if !self.dispatch.knows_store() {
            return;
        }
        for recording in std::mem::take(&mut self.crash.left) {
            let slot = &recording.slot;
            let told = recovery::told_of(&recording, |start| {
                let mut classifier = Classifier::new(&start.sensors);
                if start.sensors == self.crash.specs {
                    classifier.restore(self.crash.classifier.calibration());
                }
                classifier
            });
            let Some(recovery::Told { report, verdict }) = told else {
                info!(crash = %slot.crash, "a suspicion of an earlier run comes to nothing");
                self.crash.recorder.recovered(slot.crash, Stage::Dismissed);
                continue;
            };
            warn!(crash = %slot.crash, id = %report.id, topic = report.topic, "an earlier run did not tell of a crash");
            let stage = verdict.stage.max(slot.stage.unwrap_or(Stage::Suspected));
            self.crash.recorder.recovered(slot.crash, stage);
            // A crash in privacy mode stays unsaid, though that has ended since.
            if stage >= Stage::Confirmed && !recovery::was_private(&recording) {
                self.crash.recovered.push(Recovered { crash: slot.crash.to_string(), verdict });
            }
            self.dispatch.recover(self.now, report);
        }
    }

    /// The services hear of what earlier runs could not tell, once they know what they knew then.
    fn pass_on_recovered(&mut self) {
        if !self.crew.is_released() {
            return;
        }
        for recovered in std::mem::take(&mut self.crash.recovered) {
            self.crew.call_all();
            self.round(Occasion { recovered: Some(&recovered), ..Occasion::default() });
        }
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
        }
        self.crash.unkept.push(id);
    }

    /// Tells what earlier runs left, records where the car is, marks what is durable in the store, and keeps the id up to
    /// date that a report would have.
    pub(in crate::gateway) fn settle_black_box(&mut self) {
        self.recover();
        self.pass_on_recovered();
        if let Some(place) = self.position.place() {
            let may_be_told = self.position.may_be_told(self.owner.open_since());
            self.crash.place(self.now, place, may_be_told);
        }
        let dispatch = &mut self.dispatch;
        for id in dispatch.take_recovered() {
            self.crash.recorder.reported(id);
        }
        let recorder = &mut self.crash.recorder;
        self.crash.unkept.retain(|id| {
            let is_kept = dispatch.is_kept(*id);
            if is_kept {
                recorder.reported(*id);
            }
            !is_kept
        });
        recorder.expect_report(dispatch.next_id(Lane::Critical).seq);
    }

    /// The daemon ends: the records are closed.
    pub(in crate::gateway) fn stop_black_box(&mut self) {
        self.crash.recorder.stop(self.now);
    }

    /// Nothing is left to be made durable or to be said.
    pub(in crate::gateway) fn is_drained(&self) -> bool {
        self.dispatch.is_drained(self.now) && self.crash.recorder.is_idle()
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
