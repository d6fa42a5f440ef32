//! How much, how long, how often: every limit of the outbox with its reason.

use std::time::Duration;

/// Publications without PUBACK. Far below the client's and the broker's limits (field experience: packet identifiers
/// collide above), and enough for 1,000 messages a second at a round trip of 30 ms.
pub const WINDOW: usize = 32;

/// Places of the window that only critical records may take: they never wait for somebody else's PUBACK.
pub const WINDOW_CRITICAL: usize = 4;

/// Of so many publications, one goes to waiting states and one to waiting telemetry before events.
pub const TURNS: u8 = 8;

/// Records gather so long for one append; an append costs two writes and two syncs whatever its size.
pub const COMMIT_DELAY: Duration = Duration::from_millis(100);

/// So many gathered records are appended at once.
pub const COMMIT_RECORDS: usize = 64;

/// Telemetry that spills gathers so long: it may lose as much in a power cut, and saves flash.
pub const SPILL_COMMIT_DELAY: Duration = Duration::from_secs(5);

/// One append has at most so many records …
pub const APPEND_RECORDS_MAX: usize = 256;

/// … and, but for a single larger one, so many bytes.
pub const APPEND_BYTES_MAX: u64 = 256 * 1024;

/// Without a link for so long, telemetry is stored: shorter gaps (a tunnel, a handover) are bridged by RAM.
pub const SPILL_AFTER: Duration = Duration::from_secs(10);

/// A critical record is sent without its commit after so long: an eCall has to be under way within seconds.
pub const CRITICAL_PATIENCE: Duration = Duration::from_secs(2);

/// A store that does not answer for so long is treated as failed. A flush on worn flash may take seconds.
pub const STORE_PATIENCE: Duration = Duration::from_secs(10);

/// The first retry after a failed store request; doubled up to [`STORE_RETRY_CAP`].
pub const STORE_RETRY_BASE: Duration = Duration::from_secs(1);

/// The longest wait between retries: a full disk that was cleared is noticed within a minute.
pub const STORE_RETRY_CAP: Duration = Duration::from_secs(60);

/// Failed reads of one gap before it is left for the next start.
pub const LOAD_ATTEMPTS: u32 = 3;

/// Acknowledged records are removed when there are so many …
pub const REMOVE_RECORDS: usize = 64;

/// … or after so long. A power cut in between means that many repeats.
pub const REMOVE_DELAY: Duration = Duration::from_secs(1);

/// Removals that wait for a store that fails to remove. Above, the oldest is forgotten (repeated after the next start).
pub const REMOVALS_MAX: usize = 8_192;

/// Records of one page.
pub const LOAD_PAGE: usize = 32;

/// The front cache of a lane, in bytes: a page is made smaller where records are large.
pub const FRONT_BYTES: u64 = 512 * 1024;

/// What a record takes in the store beside its value: key, lengths, its share of the tree's nodes. Twelve bytes of
/// key and lengths at least; the tree's pages are on average three quarters full.
pub const RECORD_OVERHEAD_BYTES: u64 = 64;

/// State groups that wait at once. A profile has ten or so.
pub const STATE_GROUPS_MAX: usize = 64;

/// After a refusal by the client, so long at least nothing is submitted.
pub const REFUSED_PAUSE: Duration = Duration::from_millis(200);

/// What the deployment decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// What records may take in the store. sled needs about as much RAM as the store is large: 64 MiB at most.
    pub store_bytes: u64,
    /// Committed records of a lane that are held in RAM, at least [`WINDOW`] and two pages.
    pub front_records: usize,
    /// Uncommitted records of a lane in RAM, at least [`APPEND_RECORDS_MAX`] and the window.
    pub volatile_records: usize,
    /// Their bytes.
    pub volatile_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { store_bytes: 48 << 20, front_records: 128, volatile_records: 4_096, volatile_bytes: 2 << 20 }
    }
}
