//! Going before other programs: `SCHED_FIFO` for the calling thread, and memory that is not paged out.
//!
//! Neither is needed to run. What the system refuses is logged with what it would need, and the daemon goes on as an
//! ordinary program.

use nix::sys::mman::{MlockAllFlags, mlockall};
use tracing::{info, warn};

use crate::config::Realtime;

use super::sys;

/// Applies to the calling thread, and as far as memory goes to the whole process. Threads that it starts later are
/// ordinary ones again.
pub fn apply(settings: Realtime) {
    if let Some(priority) = settings.priority {
        match sys::run_fifo(i32::from(priority)) {
            Ok(()) => info!(priority, "the thread of the buses runs in real time"),
            Err(error) => warn!(
                priority,
                %error,
                "no real-time priority: it needs CAP_SYS_NICE or LimitRTPRIO=, and RestrictRealtime=no in the unit"
            ),
        }
    }
    if settings.lock_memory {
        match mlockall(MlockAllFlags::MCL_CURRENT | MlockAllFlags::MCL_FUTURE) {
            Ok(()) => info!("memory is locked"),
            Err(error) => warn!(%error, "memory is not locked: it needs CAP_IPC_LOCK or a larger LimitMEMLOCK="),
        }
    }
}
