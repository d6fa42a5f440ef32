//! The black box of the whole gateway in virtual time: nothing is told before it is on disk, and whatever the moment at
//! which the power goes, a confirmed crash is heard of under one id.
#![cfg(feature = "demo")]
#![expect(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod cuts;
#[path = "../common/demo_phev.rs"]
mod demo_phev;
#[path = "../common/black_box_disk.rs"]
mod disk;
mod earlier_runs;
mod first;
mod life;
#[path = "../common/setup.rs"]
mod setup;
