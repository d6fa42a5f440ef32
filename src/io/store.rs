//! What must survive a power cut: records by lane and named values, in sled, on a thread of its own.
//!
//! # Goals
//!
//! A request that was answered with `Done` is on the disk, whatever happens next. Whatever the disk holds, full,
//! read-only, damaged, the daemon lives and says what it found. The store decides nothing else: retention, limits and
//! order are the core's, which keeps the contents within tens of MiB (sled's memory grows with them).
//!
//! # Files
//!
//! | in the store's directory | what |
//! |---|---|
//! | (itself) | locked with flock(2), so that two daemons cannot share it |
//! | `control` | starts of the daemon, which generation is the store, what it held (`store/control.rs`) |
//! | `data.<generation>` | sled (`store/engine.rs`, `store/rows.rs`) |
//! | `quarantine` | the last store that had to be moved aside, for a person to look at |
//!
//! # Operation
//!
//! 1. [`claim_boot`]: lock, and learn the number of this start of the daemon, which names this run's records. It writes
//!    nothing, so that the first frame does not wait for the disk; opening makes the number durable before all else.
//! 2. [`Store::start`] opens on the thread `store` and answers [`StoreEvent::Opened`], or [`StoreEvent::Unavailable`]
//!    when the surroundings forbid it. A store that is damaged, panics, or does not open in time is moved aside and an
//!    empty one begun. Each generation has a directory of its own, so an attempt that hangs and wakes up later cannot
//!    touch the new one.
//! 3. Requests are carried out in order; those that wait together share one commit.
//! 4. A request that fails in sled fails the store: its state in memory is not to be trusted then. What is not yet
//!    answered is answered [`StoreEvent::Failed`], then [`StoreEvent::Unavailable`]; opening is tried again after
//!    a [`TURN`], then ever more rarely, and [`StoreEvent::Opened`] tells, with a new inventory, when it worked. A record whose request failed
//!    may be in that inventory.
//! 5. [`Store::close`], or dropping it, carries out what is queued, notes in `control` what the store holds, and ends
//!    the thread.

mod control;
mod engine;
mod rows;
mod worker;

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::thread;
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};

use crate::gateway::{StoreEvent, StoreRequest, StoreTicket};
use control::Control;
use engine::{Engine, guarded};
use worker::Worker;

pub use rows::VALUE_MAX;

/// How long an attempt to open may take before the store counts as damaged. A healthy one of 64 MiB opens well within
/// 2 s; the rest is for a flash that the whole boot of the car is reading, because moving a good store aside loses it.
pub const OPEN_DEADLINE: Duration = Duration::from_secs(10);

/// Requests that wait. The core has only a few under way; when this is full, a request is refused.
pub const REQUESTS_MAX: usize = 256;

/// The longest name of a named value (bytes).
pub const NAME_MAX: usize = 128;

/// The thread looks up at least this often: it sees to removals that wait, tries to open a failed store again, and shows
/// by [`StoreStatus::turns`] that it is alive.
pub const TURN: Duration = Duration::from_secs(1);

/// Why there can be no store in this run.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another process has the directory. The operator must end it, or give each its own.
    #[error("the store {} is in use by another process: stop it, or set another directory", .0.display())]
    Locked(PathBuf),
    /// The directory cannot be made or read. The operator must see to its owner and mode, or to the disk.
    #[error("cannot {doing} {}: {source}; check the owner and mode of the directory, and the disk", .path.display())]
    Io {
        /// What was tried.
        doing: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// The right to use a store, and the number of this start of the daemon on it.
#[derive(Debug)]
pub struct Claim {
    dir: PathBuf,
    control: Control,
    /// What of [`Self::control`] is in the file.
    kept: Option<Control>,
    _lock: Flock<File>,
}

impl Claim {
    /// Starts of the daemon on this store, this one included: the counter of [`crate::delivery::BootId`].
    #[must_use]
    pub const fn boot_counter(&self) -> u32 {
        self.control.boots
    }

    /// Makes the control file say what we know; where it says that already, two writes to the flash are saved.
    fn keep(&mut self) -> io::Result<()> {
        if self.kept != Some(self.control) {
            self.control.write(&self.dir)?;
            self.kept = Some(self.control);
        }
        Ok(())
    }
}

/// Locks the store in `dir`, made if need be, and gives this start of the daemon its number.
///
/// The number is not durable before the store opens, and no record is stored before. A start that never opened it
/// leaves its number to the next; what such a run sent differs by the part of its boot id that is drawn.
pub fn claim_boot(dir: &Path) -> Result<Claim, StoreError> {
    let fail = |doing| move |source| StoreError::Io { doing, path: dir.to_path_buf(), source };
    fs::create_dir_all(dir).map_err(fail("make the store directory"))?;
    let handle = File::open(dir).map_err(fail("open the store directory"))?;
    let lock = Flock::lock(handle, FlockArg::LockExclusiveNonblock).map_err(|(_, errno)| match errno {
        Errno::EWOULDBLOCK => StoreError::Locked(dir.to_path_buf()),
        other => fail("lock the store directory")(other.into()),
    })?;
    let mut control = match Control::read(dir).map_err(fail("read the control file of the store"))? {
        Some(control) => control,
        None => recover_control(dir).map_err(fail("list the store directory"))?,
    };
    control.boots = control.boots.saturating_add(1);
    Ok(Claim { dir: dir.to_path_buf(), control, kept: None, _lock: lock })
}

/// Without a control file the counter is found in the records, so that no key is used twice.
fn recover_control(dir: &Path) -> io::Result<Control> {
    let generations = generations(dir)?;
    let Some(&generation) = generations.first() else {
        return Ok(Control { generation: 1, ..Control::default() });
    };
    tracing::warn!(dir = %dir.display(), "the control file is missing or damaged; made anew from the records");
    let data = data_dir(dir, generation);
    let boots = guarded(OPEN_DEADLINE, move || {
        let inventory = Engine::open(&data)?.survey()?.inventory;
        Ok(inventory.lanes.iter().map(|lane| lane.last.position >> 32).max().unwrap_or(0))
    });
    let boots = boots.ok().and_then(|boots| u32::try_from(boots).ok()).unwrap_or(0);
    Ok(Control { boots, generation, mark: 0 })
}

/// What the store is up to, for metrics and the watchdog.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StoreStatus {
    /// The size of its files (bytes) at the last commit; 0 while it is not open.
    pub disk_bytes: u64,
    /// Commits since the start.
    pub commits: u64,
    /// Requests that failed since the start.
    pub failures: u64,
    /// Grows at least every [`TURN`] while the thread is alive; it stands still while a call into sled hangs.
    pub turns: u64,
}

#[derive(Debug, Default)]
struct Counters {
    disk_bytes: AtomicU64,
    commits: AtomicU64,
    failures: AtomicU64,
    turns: AtomicU64,
}

/// The way to the thread.
#[derive(Debug)]
pub struct Store {
    requests: SyncSender<(StoreTicket, StoreRequest)>,
    counters: Arc<Counters>,
    ended: Receiver<()>,
}

impl Store {
    /// Starts the thread and begins to open; `on_event` is called on that thread. Tests set a short `open_deadline`,
    /// the daemon [`OPEN_DEADLINE`].
    pub fn start(
        claim: Claim,
        open_deadline: Duration,
        on_event: impl FnMut(StoreEvent) + Send + 'static,
    ) -> io::Result<Self> {
        let (requests, queue) = sync_channel(REQUESTS_MAX);
        let (end, ended) = sync_channel(0);
        let counters = Arc::new(Counters::default());
        let worker = Worker::new(claim, open_deadline, Arc::clone(&counters), on_event);
        thread::Builder::new().name("store".into()).spawn(move || {
            worker.run(&queue);
            drop(end);
        })?;
        Ok(Self { requests, counters, ended })
    }

    /// Hands a request over; when there is no room for it, gives back the event that says so.
    pub fn submit(&self, ticket: StoreTicket, request: StoreRequest) -> Result<(), StoreEvent> {
        self.requests.try_send((ticket, request)).map_err(|error| {
            self.counters.failures.fetch_add(1, Ordering::Relaxed);
            let text = match error {
                TrySendError::Full(_) => "the store is behind: its queue is full",
                TrySendError::Disconnected(_) => "the store's thread has ended",
            };
            StoreEvent::Failed(ticket, text.into())
        })
    }

    /// What it is up to.
    #[must_use]
    pub fn status(&self) -> StoreStatus {
        StoreStatus {
            disk_bytes: self.counters.disk_bytes.load(Ordering::Relaxed),
            commits: self.counters.commits.load(Ordering::Relaxed),
            failures: self.counters.failures.load(Ordering::Relaxed),
            turns: self.counters.turns.load(Ordering::Relaxed),
        }
    }

    /// Carries out what is queued and ends; false when that took longer than `deadline`, and goes on without us.
    #[must_use]
    pub fn close(self, deadline: Duration) -> bool {
        drop(self.requests);
        self.ended.recv_timeout(deadline) == Err(RecvTimeoutError::Disconnected)
    }
}

fn data_dir(dir: &Path, generation: u64) -> PathBuf {
    dir.join(format!("data.{generation}"))
}

/// The generations that have a directory, oldest first. A newer one beside an older is an unfinished rebuild.
fn generations(dir: &Path) -> io::Result<Vec<u64>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir)? {
        let name = entry?.file_name();
        found.extend(name.to_string_lossy().strip_prefix("data.").and_then(|number| number.parse::<u64>().ok()));
    }
    found.sort_unstable();
    Ok(found)
}
