//! The evaluation of the crash classifier: cases through cars, outcomes counted, tables, pictures, goals.
//!
//! Each case meets a fresh classifier in each car. A crash is found when it is confirmed after contact; a confirmation
//! before contact, or without a crash, is a false one. Times count from contact to the arrival of the frame after which
//! the verdict was there, so that a frame that waits for its last sample costs what it costs. The change of velocity is
//! held against that of an ideal instrument within 300 ms of contact, the drag of the tires included, as a recorder by
//! 49 CFR 563 would count it.
//!
//! Shares come with Wilson's bounds of 95 %; none of n is at most 1 − 0.05^(1/n), the rule of three.

mod examine;
mod figures;
mod goals;
mod plan;
mod recordings;
mod report;
mod stats;
mod svg;
mod tally;

pub use examine::{Ideal, Outcome, Word, angle_between, examine, ideal, words};
pub use figures::{Figure, figures};
pub use goals::{Goals, Judged};
pub use plan::Plan;
pub use recordings::{Finding, LAYOUTS, Layout, Recording, Wanted, columns, drive, find};
pub use report::{json, text};
pub use stats::{Share, Sorted};
pub use tally::{Crashes, Quiet, Results};
