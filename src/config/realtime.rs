//! `[realtime]`: whether the thread that recognises crashes goes before other programs.

use super::document::Section;

/// The daemon's share of the machine beyond that of an ordinary program; off by default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Realtime {
    /// Priority of the thread `bus` under `SCHED_FIFO`, 1 to 99; none for ordinary scheduling.
    pub priority: Option<u8>,
    /// Keep the daemon's memory from being paged out.
    pub lock_memory: bool,
}

/// Reads the section; without it everything is off.
pub(super) fn read(root: &Section<'_>) -> Realtime {
    let Some(section) = root.section("realtime") else { return Realtime::default() };
    let priority = section.int("priority", 1, 99).and_then(|entry| u8::try_from(entry.value).ok());
    let lock_memory = section.flag("lock_memory").is_some_and(|entry| entry.value);
    section.finish();
    Realtime { priority, lock_memory }
}
