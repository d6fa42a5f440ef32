//! What the gateway does with what the classifier says.

use crate::crash::Stage;
use crate::delivery::Lane;
use crate::gateway::crew::Occasion;
use crate::gateway::{Gateway, view};

use super::{Firing, GROUP};

impl Gateway {
    /// Tells of everything that the classifier has said since the last time, most urgent first. Of a suspicion and its
    /// end neither the services nor anybody outside hear.
    pub(in crate::gateway) fn follow_crash(&mut self) {
        while let Some(verdict) = self.crash.poll_verdict() {
            self.record_verdict(&verdict);
            let id = self.dispatch.next_id(Lane::Critical);
            let view = view(self.now, self.kernel, &self.signals, &self.clock);
            let Some(event) = self.crash.report(&verdict, &view) else { continue };
            self.report(event);
            if verdict.stage == Stage::Confirmed {
                self.record_report(verdict.event, id);
            }
            self.verdict = Some(verdict);
            self.crew.call_all();
            self.round(Occasion::default());
            if matches!(verdict.stage, Stage::Graded | Stage::Closed) {
                // What is known now may be the last that this machine gets to know.
                self.save(true);
            }
        }
        if self.crash.firing == Firing::Unsaved && self.dispatch.has_store() {
            self.save(false);
        }
        while let Some(event) = self.crash.poll_fault() {
            self.report(event);
        }
        if self.crash.take_changed() {
            self.publisher.touch(GROUP);
        }
    }
}
