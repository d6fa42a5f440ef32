//! What a fed watchdog proves.
//!
//! systemd's watchdog is fed only while all of this holds, each looked at on the bus thread:
//!
//! - **bus**: the task that feeds runs, so the thread that reads CAN and runs the core is not stuck;
//! - **store**: no request waits for its answer for longer than [`STORE_LIMIT`];
//! - **uplink**: that thread's runtime has beaten within [`UPLINK_LIMIT`]; a broker that does not answer is no reason.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::gateway::{StoreEvent, StoreTicket};
use crate::time::MonoTime;

/// The slowest flush that is still taken for a flush: a worn eMMC stalls for some seconds.
pub(super) const STORE_LIMIT: Duration = Duration::from_secs(20);

/// The uplink beats once a second.
pub(super) const UPLINK_LIMIT: Duration = Duration::from_secs(10);

/// How often the uplink beats.
pub(super) const BEAT: Duration = Duration::from_secs(1);

/// The pulse of a thread, felt from another one.
#[derive(Debug, Clone, Default)]
pub(super) struct Pulse(Arc<AtomicU64>);

impl Pulse {
    pub(super) fn beat(&self, now: MonoTime) {
        self.0.store(now.as_nanos(), Ordering::Relaxed);
    }

    fn last(&self) -> MonoTime {
        MonoTime::from_nanos(self.0.load(Ordering::Relaxed))
    }
}

/// Who has done something lately.
#[derive(Debug, Default)]
pub(super) struct Progress {
    /// When each request that waits for its answer was made. The core bounds their number.
    waiting: RefCell<BTreeMap<StoreTicket, MonoTime>>,
    pub(super) uplink: Pulse,
}

impl Progress {
    pub(super) fn store_asked(&self, now: MonoTime, ticket: StoreTicket) {
        self.waiting.borrow_mut().insert(ticket, now);
    }

    pub(super) fn store_answered(&self, event: &StoreEvent) {
        match event {
            StoreEvent::Done(ticket) | StoreEvent::Failed(ticket, _) | StoreEvent::Loaded(ticket, _) => {
                self.waiting.borrow_mut().remove(ticket);
            }
            // What was under way when the store went has been answered, or never will be.
            StoreEvent::Unavailable(_) => self.waiting.borrow_mut().clear(),
            StoreEvent::Opened(_) => {}
        }
    }

    /// The name of what is stuck, if anything.
    pub(super) fn stuck(&self, now: MonoTime) -> Option<&'static str> {
        let oldest = self.waiting.borrow().values().min().copied();
        if oldest.is_some_and(|asked| now.since(asked) > STORE_LIMIT) {
            return Some("store");
        }
        (now.since(self.uplink.last()) > UPLINK_LIMIT).then_some("uplink")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_without_answer_and_a_silent_uplink_are_stuck() {
        let progress = Progress::default();
        let at = |secs: u64| MonoTime::from_millis(secs * 1_000);
        progress.uplink.beat(at(100));
        assert_eq!(progress.stuck(at(105)), None);
        progress.store_asked(at(100), StoreTicket(1));
        progress.uplink.beat(at(121));
        assert_eq!(progress.stuck(at(121)), Some("store"));
        progress.store_answered(&StoreEvent::Done(StoreTicket(1)));
        assert_eq!(progress.stuck(at(121)), None);
        assert_eq!(progress.stuck(at(132)), Some("uplink"));
    }
}
