//! Which restraints have fired, and which of that is news.
//!
//! Airbags stay fired until they are replaced, and their control unit says so at each start. So a restraint fires when it
//! is told fired after it was told not to have: in this run or in an earlier one, which is why that is kept over restarts.
//! One that never tells that it has not fired, as where a message comes in a crash only, fires when something else raises
//! a suspicion about the same time. So does one that has fired in this run already and took it back: it cannot fire again
//! before it is replaced, and a bit that flickers must not make a crash each time. And so does one that may have fired in a
//! crash that an earlier run recorded, until it tells otherwise.
//!
//! What earlier runs knew may come later than the first word of a control unit: then it is weighed once it is there.

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
    /// Of these it is not known whether they fired in a crash that an earlier run recorded.
    #[serde(default)]
    pub doubted: u8,
    /// Told anything in this run.
    #[serde(skip)]
    told: u8,
    /// Told fired in this run, while nothing was known of it: what an earlier run knew may make it news.
    #[serde(skip)]
    early: u8,
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
        let is_sure = (self.spent | self.doubted) & bit == 0;
        self.told |= bit;
        self.doubted &= !bit;
        if !has_fired {
            self.armed |= bit;
            self.known |= bit;
            self.early &= !bit;
            return News::None;
        }
        self.armed &= !bit;
        if self.known & bit == 0 {
            self.early |= bit & !self.spent;
            News::Hint
        } else if was_armed {
            if is_sure { News::Fires } else { News::Hint }
        } else {
            News::None
        }
    }

    /// They are part of a crash.
    pub(super) const fn spend(&mut self, fired: u8) {
        self.spent |= fired;
        self.early &= !fired;
    }

    /// These may have fired in a crash that an earlier run recorded, or before anything was known of them. What this one has
    /// heard is newer.
    pub(super) const fn have_fired(&mut self, fired: u8) {
        self.early &= !fired;
        self.doubted |= fired & !self.told;
    }

    /// What an earlier run knew; what this one knows already counts. What it was told too early to be weighed stays armed
    /// until [`Self::take_early`].
    pub const fn restore(&mut self, earlier: Self) {
        let open = self.early | !self.told;
        self.armed |= earlier.armed & open;
        self.doubted |= earlier.doubted & open;
        self.known |= earlier.known;
    }

    /// Once what an earlier run knew is there: those that have fired since, and those of which it is no news.
    pub(super) const fn take_early(&mut self) -> (u8, u8) {
        let (early, armed) = (self.early & self.known, self.armed & !self.doubted);
        self.early = 0;
        self.armed &= !early;
        self.doubted &= !early;
        (early & armed, early & !armed)
    }
}

/// The bit of a restraint in a set of them.
pub(super) const fn bit(restraint: Restraint) -> u8 {
    1 << restraint as u8
}
