//! The machine's clocks.
//!
//! Monotonic time is `CLOCK_BOOTTIME`. Wall time is `CLOCK_REALTIME`, and how far to trust it comes from the kernel: it
//! is disciplined (adjtimex(2) without `STA_UNSYNC`, by chrony, systemd-timesyncd or ntpd) within `maxerror`, or it
//! runs free since the RTC was read. A sandbox that forbids adjtimex (`ProtectClock=yes` in a systemd unit) makes every
//! clock look free-running.
//!
//! [`MonoClock::until_set_or`] wakes when anybody sets the wall clock: a timer that is cancelled by the step
//! (`TFD_TIMER_CANCEL_ON_SET`, timerfd_create(2)). A step in the moment between two calls is seen at the end of the
//! second wait.

use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;

use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId as TimerClock, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};
use nix::time::{ClockId, clock_gettime};
use tokio::io::Interest;

use super::sys;
use crate::time::{DATE_FLOOR, KernelBoot, MonoTime, TimeSource, WallReading, WallTime};

/// How far a free-running clock is trusted: an RTC at 20 ppm is ten minutes off after a year in storage.
pub const RTC_UNCERTAINTY: Duration = Duration::from_secs(600);

/// A clock before [`DATE_FLOOR`] was never set: it knows nothing.
pub const RTC_UNSET_UNCERTAINTY: Duration = Duration::from_secs(100 * 365 * 86_400);

/// A frame does not wait longer than this in a receive queue; a kernel stamp that says so was made before a clock step.
const STAMP_AGE_LIMIT: Duration = Duration::from_secs(10);

const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// Reads the machine's clocks.
#[derive(Debug, Clone)]
pub struct MonoClock {
    boot: KernelBoot,
}

impl MonoClock {
    /// Reads which boot this is, and sees that the clocks are there. An error means a kernel before 2.6.39 or a machine
    /// without /proc.
    pub fn new() -> io::Result<Self> {
        clock_gettime(ClockId::CLOCK_BOOTTIME)?;
        clock_gettime(ClockId::CLOCK_REALTIME)?;
        let text = std::fs::read_to_string(BOOT_ID)
            .map_err(|error| io::Error::new(error.kind(), format!("cannot read {BOOT_ID}: {error}")))?;
        let boot = boot_of(&text)
            .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, format!("{BOOT_ID} holds no UUID: {text:?}")))?;
        Ok(Self { boot })
    }

    /// This boot of the kernel.
    #[must_use]
    pub const fn boot(&self) -> KernelBoot {
        self.boot
    }

    /// Now.
    #[must_use]
    pub fn now(&self) -> MonoTime {
        MonoTime::ZERO + read(ClockId::CLOCK_BOOTTIME)
    }

    /// What the wall clock says, and the moment at which it says so.
    #[must_use]
    pub fn wall(&self) -> (MonoTime, WallReading) {
        let before = self.now();
        let wall = WallTime::from_unix_micros(0).plus(read(ClockId::CLOCK_REALTIME));
        let now = self.now();
        let (source, error) = trust(wall, sys::clock_error().ok().flatten());
        (now, WallReading { wall, source, uncertainty: error + now.since(before) })
    }

    /// The moment of a kernel time stamp of the wall clock (`SO_TIMESTAMP`, since the Unix epoch). One that lies in the
    /// future or long ago was made before the wall clock was set, and counts as made now.
    #[must_use]
    pub fn stamped(&self, stamp: Duration) -> MonoTime {
        stamp_to_mono(self.now(), read(ClockId::CLOCK_REALTIME), stamp)
    }

    /// Returns when the wall clock was set, or after `longest`.
    pub async fn until_set_or(&self, longest: Duration) {
        let sleep = tokio::time::sleep(longest);
        match step_timer() {
            Ok(timer) => {
                tokio::select! {
                    _ = timer.readable() => {}
                    () = sleep => {}
                }
            }
            Err(error) => {
                tracing::debug!(%error, "cannot be told of clock steps: looking at the clock now and then instead");
                sleep.await;
            }
        }
    }
}

/// A timer that never expires and is cancelled, and so becomes readable, when the wall clock is set.
fn step_timer() -> io::Result<sys::Watched> {
    let timer = TimerFd::new(TimerClock::CLOCK_REALTIME, TimerFlags::TFD_NONBLOCK | TimerFlags::TFD_CLOEXEC)?;
    let never = Expiration::OneShot(TimeSpec::new(i64::MAX / 1_000_000_000, 0));
    timer.set(never, TimerSetTimeFlags::TFD_TIMER_ABSTIME | TimerSetTimeFlags::TFD_TIMER_CANCEL_ON_SET)?;
    sys::watch(OwnedFd::from(timer), Interest::READABLE)
}

/// The only error is EINVAL for a clock that the kernel does not have, and [`MonoClock::new`] has seen that it has.
fn read(clock: ClockId) -> Duration {
    clock_gettime(clock).map(Duration::from).unwrap_or_default()
}

fn trust(wall: WallTime, disciplined: Option<Duration>) -> (TimeSource, Duration) {
    match disciplined {
        Some(error) => (TimeSource::Ntp, error),
        None if wall < DATE_FLOOR => (TimeSource::Rtc, RTC_UNSET_UNCERTAINTY),
        None => (TimeSource::Rtc, RTC_UNCERTAINTY),
    }
}

fn stamp_to_mono(now: MonoTime, wall: Duration, stamp: Duration) -> MonoTime {
    match wall.checked_sub(stamp) {
        Some(age) if age <= STAMP_AGE_LIMIT => now - age,
        _ => now,
    }
}

/// The halves of the UUID, which is random, folded into one.
fn boot_of(text: &str) -> Option<KernelBoot> {
    let hex: String = text.trim().chars().filter(|&c| c != '-').collect();
    let (high, low) = hex.split_at_checked(16)?;
    let half = |digits: &str| u64::from_str_radix(digits, 16).ok();
    (low.len() == 16).then(|| Some(KernelBoot(half(high)? ^ half(low)?)))?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_runs_and_knows_its_boot() {
        let clock = MonoClock::new().expect("this is Linux");
        let first = clock.now();
        std::thread::sleep(Duration::from_millis(20));
        let passed = clock.now().since(first);
        assert!(passed >= Duration::from_millis(20), "{passed:?}");
        assert_eq!(clock.boot(), MonoClock::new().expect("this is Linux").boot());
        assert_ne!(clock.boot(), KernelBoot(0));
    }

    #[test]
    fn the_wall_clock_comes_with_its_pedigree() {
        let clock = MonoClock::new().expect("this is Linux");
        let (now, reading) = clock.wall();
        assert!(clock.now().since(now) < Duration::from_secs(1));
        let system = std::fs::metadata("/proc/self").and_then(|own| own.modified()).expect("/proc is there");
        let system = system.duration_since(std::time::UNIX_EPOCH).expect("after 1970").as_secs();
        let ours = u64::try_from(reading.wall.as_unix_micros()).expect("after 1970") / 1_000_000;
        assert!(ours.abs_diff(system) < 3_600, "{ours} and {system}");
        assert!(matches!(reading.source, TimeSource::Ntp | TimeSource::Rtc));
        assert!(reading.source == TimeSource::Ntp || reading.uncertainty >= RTC_UNCERTAINTY);
    }

    #[test]
    fn an_unset_clock_is_not_trusted_and_a_disciplined_one_is() {
        let ten_ms = Duration::from_millis(10);
        let years = |years: i64| WallTime::from_unix_micros(years * 31_556_952_000_000);
        assert_eq!(trust(years(57), Some(ten_ms)), (TimeSource::Ntp, ten_ms));
        assert_eq!(trust(years(57), None), (TimeSource::Rtc, RTC_UNCERTAINTY));
        assert_eq!(trust(years(0), None), (TimeSource::Rtc, RTC_UNSET_UNCERTAINTY));
    }

    #[test]
    fn a_kernel_stamp_becomes_a_moment_unless_the_clock_was_set_since() {
        let (now, stamp) = (MonoTime::from_millis(60_000), Duration::from_secs(1_800_000_000));
        let age = Duration::from_millis(3);
        assert_eq!(stamp_to_mono(now, stamp + age, stamp), now - age);
        assert_eq!(stamp_to_mono(now, stamp, stamp + age), now, "the clock was set back");
        assert_eq!(stamp_to_mono(now, stamp + Duration::from_secs(3_600), stamp), now, "the clock was set forward");
    }

    #[test]
    fn a_boot_id_is_a_uuid() {
        let id = "6f1c3b0e-8f4a-4f0e-9a55-0123456789ab\n";
        assert_eq!(boot_of(id), Some(KernelBoot(0x6f1c_3b0e_8f4a_4f0e ^ 0x9a55_0123_4567_89ab)));
        for wrong in ["", "6f1c3b0e", "zf1c3b0e-8f4a-4f0e-9a55-0123456789ab", "6f1c3b0e-8f4a-4f0e-9a55-0123456789abcd"]
        {
            assert_eq!(boot_of(wrong), None, "{wrong}");
        }
    }

    #[tokio::test]
    async fn waiting_for_a_step_ends_in_time() {
        let clock = MonoClock::new().expect("this is Linux");
        assert!(step_timer().is_ok(), "the kernel has TFD_TIMER_CANCEL_ON_SET");
        let start = clock.now();
        clock.until_set_or(Duration::from_millis(50)).await;
        assert!(clock.now().since(start) >= Duration::from_millis(50), "nobody sets the clock of this machine");
    }
}
