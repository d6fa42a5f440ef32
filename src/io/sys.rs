//! What no safe crate of ours does. All `unsafe` of the project is here.

#![expect(
    unsafe_code,
    reason = "adjtimex(2), sched_setscheduler(2) and watching a descriptor have no safe interface; this is their one home"
)]

use std::io;
use std::ops::Deref;
use std::os::fd::OwnedFd;
use std::time::Duration;

use nix::errno::Errno;
use nix::libc;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// A descriptor that the runtime watches. It is only lent out shared: one that could be exchanged for another would be
/// watched under the wrong number.
#[derive(Debug)]
pub(super) struct Watched(AsyncFd<OwnedFd>);

impl Deref for Watched {
    type Target = AsyncFd<OwnedFd>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

/// Lets the runtime watch a non-blocking descriptor.
pub(super) fn watch(descriptor: OwnedFd, interest: Interest) -> io::Result<Watched> {
    // SAFETY: an `OwnedFd` gives the descriptor that it owns, open until it is dropped, and `Watched` lets nobody put
    // another in its place. The `AsyncFd` takes itself off the reactor before it drops it.
    Ok(Watched(unsafe { AsyncFd::register_with_interest(descriptor, interest) }?))
}

/// Puts the calling thread under `SCHED_FIFO` with this priority. What it forks or starts is not.
pub(super) fn run_fifo(priority: i32) -> Result<(), Errno> {
    // SAFETY: `sched_param` is a plain C struct of integers, for which all zeroes is a valid value.
    let mut param: libc::sched_param = unsafe { std::mem::zeroed() };
    param.sched_priority = priority;
    // SAFETY: the pointer is valid for the call, and the kernel only reads it. 0 is the calling thread.
    let outcome =
        unsafe { libc::sched_setscheduler(0, libc::SCHED_FIFO | libc::SCHED_RESET_ON_FORK, &raw const param) };
    Errno::result(outcome).map(drop)
}

/// How far the kernel's wall clock may be off, as the program that disciplines it says (`maxerror` of adjtimex(2));
/// none when nobody disciplines it.
pub(super) fn clock_error() -> Result<Option<Duration>, Errno> {
    // SAFETY: `timex` is a plain C struct of integers, for which all zeroes is a valid value.
    let mut timex: libc::timex = unsafe { std::mem::zeroed() };
    // SAFETY: the pointer is valid and unique for the call, and the kernel writes a `timex` and nothing more. `modes`
    // is zero, so that the clock is only read.
    let state = Errno::result(unsafe { libc::adjtimex(&raw mut timex) })?;
    let disciplined = state != libc::TIME_ERROR && timex.status & libc::STA_UNSYNC == 0;
    let micros = u64::try_from(timex.maxerror).unwrap_or(u64::MAX);
    Ok(disciplined.then(|| Duration::from_micros(micros)))
}
