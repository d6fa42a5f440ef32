//! A bus that was talking and falls silent.
//!
//! Cyclic messages make the silence of a whole bus visible long before anybody misses a single one of them: where the
//! fastest message comes every 10 ms, 50 ms without any frame are no accident of arbitration. A frame only notes the
//! time; the deadline is looked at when it could have run out, and moved on. A silent bus has none, so that a parked car
//! is not woken.

use std::time::Duration;

use super::BusId;
use crate::time::MonoTime;

/// A limit below this would take a busy machine, which reads its sockets late, for a silent bus.
pub const SHORTEST_SILENCE: Duration = Duration::from_millis(25);

/// The buses, and when each was heard last.
#[derive(Debug)]
pub struct Silence {
    buses: Vec<Bus>,
    due: Option<MonoTime>,
}

#[derive(Debug)]
struct Bus {
    limit: Duration,
    last: MonoTime,
    is_talking: bool,
}

impl Silence {
    /// For buses that are silent after these times without a frame; the index is the [`BusId`].
    #[must_use]
    pub fn new(limits: impl IntoIterator<Item = Duration>) -> Self {
        let bus = |limit: Duration| Bus { limit: limit.max(SHORTEST_SILENCE), last: MonoTime::ZERO, is_talking: false };
        Self { buses: limits.into_iter().map(bus).collect(), due: None }
    }

    /// A frame was received; true when the bus begins to talk.
    #[inline]
    pub fn frame(&mut self, now: MonoTime, bus: BusId) -> bool {
        let Some(bus) = self.buses.get_mut(usize::from(bus.0)) else { return false };
        bus.last = now;
        if bus.is_talking {
            return false;
        }
        bus.is_talking = true;
        let due = now + bus.limit;
        self.due = Some(self.due.map_or(due, |earlier| earlier.min(due)));
        true
    }

    /// The next bus that has fallen silent, and when it was heard last.
    pub fn poll_silent(&mut self, now: MonoTime) -> Option<(BusId, MonoTime)> {
        if self.due.is_none_or(|due| due > now) {
            return None;
        }
        for (id, bus) in (0..).map(BusId).zip(&mut self.buses) {
            if bus.is_talking && bus.last + bus.limit <= now {
                bus.is_talking = false;
                return Some((id, bus.last));
            }
        }
        self.due = self.buses.iter().filter(|bus| bus.is_talking).map(|bus| bus.last + bus.limit).min();
        None
    }

    /// When [`Self::poll_silent`] has something to look at.
    #[must_use]
    pub const fn poll_timeout(&self) -> Option<MonoTime> {
        self.due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(ms: u64) -> MonoTime {
        MonoTime::from_millis(ms)
    }

    #[test]
    fn a_bus_is_silent_once_after_its_limit_and_back_with_its_next_frame() {
        let mut silence = Silence::new([Duration::from_millis(50), Duration::from_secs(5)]);
        assert_eq!(silence.poll_timeout(), None, "nobody waits for a bus that never spoke");
        assert!(silence.frame(ms(0), BusId(0)) && silence.frame(ms(5), BusId(1)));
        assert!(!silence.frame(ms(40), BusId(0)));
        assert_eq!(silence.poll_silent(ms(50)), None, "heard 10 ms ago");
        assert_eq!(silence.poll_timeout(), Some(ms(90)), "the earliest that could run out");
        assert_eq!(silence.poll_silent(ms(90)), Some((BusId(0), ms(40))));
        assert_eq!(silence.poll_silent(ms(200)), None, "told once");
        assert!(silence.frame(ms(210), BusId(0)));
        assert_eq!(silence.poll_silent(ms(6_000)), Some((BusId(0), ms(210))));
        assert_eq!(silence.poll_silent(ms(6_000)), Some((BusId(1), ms(5))));
        assert_eq!(silence.poll_silent(ms(6_000)), None);
        assert_eq!(silence.poll_timeout(), None, "a car that sleeps is not woken");
    }

    #[test]
    fn a_limit_shorter_than_a_busy_machine_s_delay_is_not_taken_at_its_word() {
        let mut silence = Silence::new([Duration::from_millis(5)]);
        silence.frame(ms(0), BusId(0));
        assert_eq!(silence.poll_silent(ms(24)), None);
        assert_eq!(silence.poll_silent(ms(25)), Some((BusId(0), ms(0))));
    }
}
