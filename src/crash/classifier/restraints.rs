//! Which restraints have fired, and which of that is news.
//!
//! Airbags stay fired until they are replaced, and their control unit says so at each start. So a restraint fires when it
//! is told fired after it was told not to have: in this run or in an earlier one, which is why that is kept over restarts.
//! One that never tells that it has not fired, as where a message comes in a crash only, fires when something else raises
//! a suspicion about the same time. So does one that has fired in this run already and took it back: it cannot fire again
//! before it is replaced, and a bit that flickers must not make a crash each time.

use serde::{Deserialize, Serialize};

use crate::crash::observation::Restraint;

/// What has been heard of the restraints, to be kept over restarts: sets of [`Restraint`], a bit for each in the order of
/// [`Restraint::ALL`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Restraints {
    /// Told not to have fired, and not told fired since.
    pub armed: u8,
    /// Told not to have fired at any time.
    pub known: u8,
    /// Told anything in this run.
    #[serde(skip)]
    told: u8,
    /// Fired in this run.
    #[serde(skip)]
    spent: u8,
}

/// What it means that one is told fired, or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum News {
    None,
    /// It fires, whatever else is known.
    Fires,
    /// It fires if something else is suspicious about the same time.
    Hint,
}

impl Restraints {
    /// Each restraint.
    pub const ALL: u8 = (1 << Restraint::ALL.len()) - 1;

    /// Takes in what is told of one.
    pub(super) const fn tell(&mut self, restraint: Restraint, has_fired: bool) -> News {
        let bit = bit(restraint);
        let was_armed = self.armed & bit != 0;
        self.told |= bit;
        if !has_fired {
            self.armed |= bit;
            self.known |= bit;
            return News::None;
        }
        self.armed &= !bit;
        if was_armed && self.spent & bit == 0 {
            News::Fires
        } else if was_armed || self.is_unknown(restraint) {
            News::Hint
        } else {
            News::None
        }
    }

    /// They are part of a crash.
    pub(super) const fn spend(&mut self, fired: u8) {
        self.spent |= fired;
    }

    /// It has never told that it had not fired.
    const fn is_unknown(self, restraint: Restraint) -> bool {
        self.known & bit(restraint) == 0
    }

    /// These may have fired in a crash that an earlier run recorded. What this one has heard is newer, and what an earlier
    /// one has kept is older.
    pub(super) const fn have_fired(&mut self, fired: u8) {
        self.armed &= !(fired & !self.told);
        self.told |= fired;
    }

    /// What an earlier run knew; what this one knows already counts.
    pub const fn restore(&mut self, earlier: Self) {
        self.armed |= earlier.armed & !self.told;
        self.known |= earlier.known;
    }
}

/// The bit of a restraint in a set of them.
pub(super) const fn bit(restraint: Restraint) -> u8 {
    1 << restraint as u8
}
