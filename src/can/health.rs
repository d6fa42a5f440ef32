//! How well a bus is, from the controller's error frames.
//!
//! The kernel reports errors as frames whose identifier holds error classes and whose eight bytes hold details
//! (linux/can/error.h). They are counted by class; out of them comes one state, and only its changes are reported,
//! because a broken bus floods its reader with error frames.

use super::frame::{Frame, FrameKind};

/// `CAN_ERR_CRTL`, linux/can/error.h: details in byte 1.
const CONTROLLER: u32 = 0x0004;
/// `CAN_ERR_BUSOFF`.
const BUS_OFF: u32 = 0x0040;
/// `CAN_ERR_RESTARTED`.
const RESTARTED: u32 = 0x0100;
/// `CAN_ERR_CNT`: error counters in bytes 6 (TX) and 7 (RX).
const COUNTERS: u32 = 0x0200;

/// `CAN_ERR_CRTL_RX_OVERFLOW` and `_TX_OVERFLOW`.
const OVERFLOW: u8 = 0x01 | 0x02;
/// `CAN_ERR_CRTL_RX_WARNING` and `_TX_WARNING`.
const WARNING: u8 = 0x04 | 0x08;
/// `CAN_ERR_CRTL_RX_PASSIVE` and `_TX_PASSIVE`.
const PASSIVE: u8 = 0x10 | 0x20;
/// `CAN_ERR_CRTL_ACTIVE`.
const ACTIVE: u8 = 0x40;

/// `CAN_ERROR_WARNING_THRESHOLD`.
const WARNING_FROM: u8 = 96;
/// `CAN_ERROR_PASSIVE_THRESHOLD`.
const PASSIVE_FROM: u8 = 128;

/// Names of the error classes, by bit of the identifier from `CAN_ERR_TX_TIMEOUT` up.
const CLASSES: [&str; 10] = [
    "tx_timeout",
    "lost_arbitration",
    "controller",
    "protocol",
    "transceiver",
    "no_ack",
    "bus_off",
    "bus_error",
    "restarted",
    "error_counters",
];

/// The state of the controller on its bus (ISO 11898-1, fault confinement).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum BusState {
    /// Takes part in full.
    #[default]
    Active,
    /// Takes part in full; an error counter is at 96 or above.
    Warning,
    /// May not flag errors actively any more; an error counter is at 128 or above.
    Passive,
    /// Takes no part: nothing is received, nothing can be sent.
    BusOff,
    /// Takes part again after bus-off.
    Restarted,
}

impl BusState {
    /// The name in metrics and payloads.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Warning => "warning",
            Self::Passive => "passive",
            Self::BusOff => "bus_off",
            Self::Restarted => "restarted",
        }
    }
}

/// The health of one bus.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct BusHealth {
    state: BusState,
    counts: [u64; CLASSES.len()],
    overflows: u64,
}

impl BusHealth {
    /// The current state.
    #[must_use]
    pub const fn state(&self) -> BusState {
        self.state
    }

    /// Error frames by class; one frame can be of several.
    pub fn counts(&self) -> impl Iterator<Item = (&'static str, u64)> {
        CLASSES.into_iter().zip(self.counts)
    }

    /// Times that the controller's own buffers overflowed.
    #[must_use]
    pub const fn overflows(&self) -> u64 {
        self.overflows
    }

    /// Takes a frame in; the state, if it changed. Frames that are no error frames change nothing.
    pub fn observe(&mut self, frame: &Frame) -> Option<BusState> {
        if frame.kind() != FrameKind::Error {
            return None;
        }
        let classes = frame.id().raw();
        for (bit, count) in self.counts.iter_mut().enumerate() {
            *count += u64::from(classes >> bit & 1);
        }
        let details = frame.padded();
        if classes & CONTROLLER != 0 && details[1] & OVERFLOW != 0 {
            self.overflows += 1;
        }
        let state = self.state_after(classes, details[1], details[6].max(details[7]));
        self.enter(state)
    }

    /// The interface was opened anew, so that nothing is known against it; the state, if it changed.
    pub fn reopened(&mut self) -> Option<BusState> {
        self.enter(BusState::Active)
    }

    fn enter(&mut self, state: BusState) -> Option<BusState> {
        let changed = state != self.state;
        self.state = state;
        changed.then_some(state)
    }

    fn state_after(&self, classes: u32, controller: u8, error_counter: u8) -> BusState {
        if classes & BUS_OFF != 0 {
            return BusState::BusOff;
        }
        if classes & RESTARTED != 0 {
            return BusState::Restarted;
        }
        if classes & CONTROLLER != 0 {
            if controller & PASSIVE != 0 {
                return BusState::Passive;
            }
            if controller & WARNING != 0 {
                return BusState::Warning;
            }
            if controller & ACTIVE != 0 {
                return BusState::Active;
            }
        }
        // Counters alone do not end bus-off (they are reset in it), and do not end the notice of a restart.
        match self.state {
            BusState::BusOff => BusState::BusOff,
            _ if classes & COUNTERS == 0 => self.state,
            _ if error_counter >= PASSIVE_FROM => BusState::Passive,
            _ if error_counter >= WARNING_FROM => BusState::Warning,
            BusState::Restarted => BusState::Restarted,
            BusState::Active | BusState::Warning | BusState::Passive => BusState::Active,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::can::CanId;

    fn error(classes: u32, details: [u8; 8]) -> Frame {
        Frame::new(CanId::extended(classes).unwrap(), FrameKind::Error, &details).unwrap()
    }

    fn controller(flags: u8) -> Frame {
        error(CONTROLLER, [0, flags, 0, 0, 0, 0, 0, 0])
    }

    #[test]
    fn only_changes_are_reported() {
        let mut health = BusHealth::default();
        assert_eq!(health.observe(&controller(0x08)), Some(BusState::Warning));
        assert_eq!(health.observe(&controller(0x04)), None);
        assert_eq!(health.observe(&controller(0x20 | 0x04)), Some(BusState::Passive));
        assert_eq!(health.observe(&error(BUS_OFF, [0; 8])), Some(BusState::BusOff));
        assert_eq!(health.observe(&error(BUS_OFF, [0; 8])), None);
        assert_eq!(health.observe(&error(RESTARTED, [0; 8])), Some(BusState::Restarted));
        assert_eq!(health.observe(&controller(0x40)), Some(BusState::Active));
        assert_eq!(health.state(), BusState::Active);
    }

    #[test]
    fn bus_errors_are_counted_and_change_no_state_by_themselves() {
        let mut health = BusHealth::default();
        for _ in 0..1000 {
            assert_eq!(health.observe(&error(0x88, [0; 8])), None);
        }
        let counts: Vec<_> = health.counts().filter(|(_, count)| *count > 0).collect();
        assert_eq!(counts, [("protocol", 1000), ("bus_error", 1000)]);
    }

    #[test]
    fn error_counters_tell_the_state_where_the_controller_says_nothing() {
        let mut health = BusHealth::default();
        let counters = |tx, rx| error(COUNTERS, [0, 0, 0, 0, 0, 0, tx, rx]);
        assert_eq!(health.observe(&counters(95, 0)), None);
        assert_eq!(health.observe(&counters(96, 0)), Some(BusState::Warning));
        assert_eq!(health.observe(&counters(0, 128)), Some(BusState::Passive));
        assert_eq!(health.observe(&counters(0, 10)), Some(BusState::Active));
        health.observe(&error(BUS_OFF, [0; 8]));
        assert_eq!(health.observe(&counters(0, 0)), None, "only a restart ends bus-off");
    }

    #[test]
    fn overflows_are_counted() {
        let mut health = BusHealth::default();
        assert_eq!(health.observe(&controller(0x01)), None);
        assert_eq!(health.overflows(), 1);
    }

    #[test]
    fn data_frames_change_nothing() {
        let mut health = BusHealth::default();
        let frame = Frame::new(CanId::base(0x40).unwrap(), FrameKind::Data, &[0xFF; 8]).unwrap();
        assert_eq!(health.observe(&frame), None);
        assert_eq!(health, BusHealth::default());
    }

    #[test]
    fn a_reopened_interface_starts_anew_but_keeps_its_counts() {
        let mut health = BusHealth::default();
        health.observe(&error(BUS_OFF, [0; 8]));
        assert_eq!(health.reopened(), Some(BusState::Active));
        assert_eq!(health.reopened(), None);
        assert!(health.counts().any(|count| count == ("bus_off", 1)));
    }
}
