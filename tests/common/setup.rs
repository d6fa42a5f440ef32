//! A gateway's first run, as most tests want it: what one needs otherwise it says itself.
#![expect(clippy::expect_used, reason = "a test fails by panicking")]

use std::time::Duration;

use telltale::config::{Emergency, Profile};
use telltale::delivery::{BootId, Limits, VehicleId};
use telltale::gateway::Setup;
use telltale::time::KernelBoot;

/// The defaults of a deployment, for this vehicle with this profile.
pub(crate) fn setup(vehicle: &str, profile: Profile) -> Setup {
    Setup {
        vehicle: VehicleId::new(vehicle).expect("a vehicle id"),
        profile,
        boot: BootId { counter: 1, random: 7 },
        kernel: KernelBoot(1),
        seed: 1,
        limits: Limits::default(),
        keep_alive: Duration::from_secs(60),
        emergency: Emergency::default(),
    }
}
