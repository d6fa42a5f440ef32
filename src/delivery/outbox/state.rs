//! The lane of last known states: only the newest of a group matters, so it is replaced, not queued.
//!
//! A state gets its sequence number when it is sent, so that what was replaced before leaves no hole in the numbers.
//! Once it has a number it is sent until it is acknowledged, even if a newer one waits: a number that was given to
//! something that may have arrived must not be given to something else. No group is in flight twice, so an old state
//! never overtakes a newer one.

use std::collections::VecDeque;

use crate::delivery::draft::{Draft, PushError};
use crate::delivery::record::{BootId, Lane, Record, RecordId};
use crate::gateway::PublishToken;
use crate::time::MonoTime;

use super::STATE_GROUPS_MAX;
use super::stat::LaneStat;

#[derive(Debug)]
struct Sent {
    record: Record,
    flight: Option<PublishToken>,
    pushed: MonoTime,
}

/// The lane of last known states.
#[derive(Debug)]
pub(super) struct StateLane {
    boot: BootId,
    last_seq: u32,
    /// Goes before everything else of all lanes: presence.
    announcement: Option<(Draft, MonoTime)>,
    /// One for each group, in the order in which they became due.
    waiting: VecDeque<(Draft, MonoTime)>,
    /// Numbered, not acknowledged; at most the window.
    sent: VecDeque<Sent>,
    pub(super) stat: LaneStat,
}

impl StateLane {
    pub(super) fn new(boot: BootId) -> Self {
        Self {
            boot,
            last_seq: 0,
            announcement: None,
            waiting: VecDeque::new(),
            sent: VecDeque::new(),
            stat: LaneStat::default(),
        }
    }

    /// Takes the newest state of a group. A group that waits keeps its turn.
    pub(super) fn push(&mut self, now: MonoTime, draft: Draft) -> Result<(), PushError> {
        if let Some(slot) = self.waiting.iter_mut().find(|(old, _)| old.topic == draft.topic) {
            *slot = (draft, now);
        } else if self.waiting.len() < STATE_GROUPS_MAX {
            self.waiting.push_back((draft, now));
        } else {
            self.stat.refused += 1;
            return Err(PushError::TooManyGroups(draft.topic));
        }
        self.stat.pushed += 1;
        Ok(())
    }

    /// Takes what goes before everything else.
    pub(super) fn announce(&mut self, now: MonoTime, draft: Draft) {
        self.announcement = Some((draft, now));
        self.stat.pushed += 1;
    }

    /// Something goes before everything else: an announcement, or an older one of the same kind that was rewound.
    pub(super) fn is_urgent(&self) -> bool {
        self.announcement.as_ref().is_some_and(|(draft, _)| self.is_free(draft) || self.has_rewound())
    }

    /// Something could be sent.
    pub(super) fn has_next(&self) -> bool {
        self.has_rewound() || self.is_urgent() || self.waiting.iter().any(|(draft, _)| self.is_free(draft))
    }

    /// Puts the state whose turn it is under way: first what has a number already.
    pub(super) fn send_next(&mut self, token: PublishToken) -> Option<&Record> {
        let at = match self.sent.iter().position(|sent| sent.flight.is_none()) {
            Some(at) => at,
            None => self.number_next()?,
        };
        let sent = self.sent.get_mut(at)?;
        sent.flight = Some(token);
        self.stat.published += 1;
        self.stat.in_flight += 1;
        Some(&sent.record)
    }

    fn number_next(&mut self) -> Option<usize> {
        let (draft, pushed) = if self.is_urgent() {
            self.announcement.take()?
        } else {
            let at = self.waiting.iter().position(|(draft, _)| self.is_free(draft))?;
            self.waiting.remove(at)?
        };
        self.last_seq = self.last_seq.checked_add(1)?;
        let id = RecordId { boot: self.boot, lane: Lane::State, seq: self.last_seq };
        self.sent.push_back(Sent { record: draft.into_record(id), flight: None, pushed });
        Some(self.sent.len() - 1)
    }

    /// The broker has it; when it was pushed.
    pub(super) fn acked(&mut self, position: u64) -> Option<MonoTime> {
        let at = self.sent.iter().position(|sent| sent.record.id.key().position == position)?;
        let sent = self.sent.remove(at)?;
        self.stat.in_flight -= 1;
        self.stat.acked += 1;
        Some(sent.pushed)
    }

    /// The client did not take it: its turn comes again.
    pub(super) fn rewind(&mut self, position: u64) {
        let mut sent = self.sent.iter_mut();
        if let Some(sent) = sent.find(|sent| sent.record.id.key().position == position && sent.flight.is_some()) {
            sent.flight = None;
            self.stat.in_flight -= 1;
        }
    }

    /// The link is gone: everything in flight has its turn again.
    pub(super) fn rewind_all(&mut self) {
        self.sent.iter_mut().for_each(|sent| sent.flight = None);
        self.stat.in_flight = 0;
    }

    pub(super) fn stat(&self) -> LaneStat {
        let waiting = self.waiting.len() + usize::from(self.announcement.is_some());
        LaneStat { in_memory: (waiting + self.sent.len()) as u64, ..self.stat }
    }

    fn has_rewound(&self) -> bool {
        self.sent.iter().any(|sent| sent.flight.is_none())
    }

    /// No older one of its group is without its acknowledgement.
    fn is_free(&self, draft: &Draft) -> bool {
        self.sent.iter().all(|sent| sent.record.topic != draft.topic)
    }
}
