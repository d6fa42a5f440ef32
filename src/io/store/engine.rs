//! sled, one directory of it, with every call that can fail in a way that Rust does not see behind a guard.
//!
//! Each lane has a tree, keyed as `rows` says; `values` holds the named values. `meta` holds the seal, changed in one
//! transaction with whatever else changes: the mark, a count of the commits, by which an older or empty store is told
//! from the one that was left, and the tally, the sum of the checksums of all rows. sled opens a file with a page
//! overwritten in its middle without a word and without the rows of that page; the tally notices.
//!
//! # What a commit costs the flash
//!
//! Measured on ext4 with blocks of 4 KiB, for an event of 600 bytes and a state of 300: 9 KiB, of which 4 KiB are the
//! block in which sled announces a transaction and the rest that with its rows. Two things keep it there:
//!
//! - One commit is one transaction. sled writes and syncs twice for each, so that three for the same changes (the
//!   record, the state, removals of older records) cost 38 KiB.
//! - The file has its length before it has its contents ([`Engine::fill_segment`]). A commit that makes the file longer
//!   takes new blocks, which the file system writes to its journal: 24 KiB instead of 9.

use std::any::Any;
use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::thread;
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use sled::transaction::{ConflictableTransactionError, TransactionError, Transactional, TransactionalTree};
use sled::{Batch, Db, Mode, Tree};

use super::rows::{Join, cut, key};
use crate::delivery::{Lane, StoreKey};
use crate::gateway::{LaneInventory, StoreInventory};

/// The page cache (bytes). The store is written once and read once; 1 MiB holds the leaves at both ends of each lane.
const CACHE_BYTES: u64 = 1024 * 1024;

/// The unit in which sled's file grows and is used again (bytes); sled's own default.
const SEGMENT_BYTES: usize = 512 * 1024;

/// Zeros are written in pieces of this (bytes).
const ZEROS: [u8; 16 * 1024] = [0; 16 * 1024];

/// A store whose files are larger than this (bytes) and [`REBUILD_WASTE`] times larger than what they hold is written
/// anew at opening, because sled never shrinks a file. Below, the waste is not worth the writing.
const REBUILD_ABOVE: u64 = 8 * 1024 * 1024;

/// See [`REBUILD_ABOVE`]. sled itself needs 2 to 7 times the size of small records.
const REBUILD_WASTE: u64 = 8;

/// Rows copied at once by a rebuild; with [`super::rows`] they take 1 MiB of memory.
const REBUILD_ROWS: usize = 256;

/// How long the file of an engine that was let go may stay locked: sled's own threads finish first what they have
/// begun. Nobody else can hold the lock, because the directory is claimed. So many times [`LOCK_PAUSE`] are 2 s.
const LOCK_TRIES: u32 = 200;

/// Between two looks at the lock.
const LOCK_PAUSE: Duration = Duration::from_millis(10);

/// See [`within`].
const DEADLINE_PARTS: u32 = 20;

const VALUES: &str = "values";
const META: &str = "meta";
const SEAL: &[u8] = b"seal";

/// What `meta` holds: 16 bytes, big-endian, the mark first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Seal {
    mark: u64,
    tally: u64,
}

impl Seal {
    fn parse(bytes: &[u8]) -> Self {
        let number = |part: Option<&[u8; 8]>| part.map_or(0, |part| u64::from_be_bytes(*part));
        Self { mark: number(bytes.first_chunk()), tally: number(bytes.last_chunk()) }
    }

    fn bytes(self) -> Vec<u8> {
        [self.mark.to_be_bytes(), self.tally.to_be_bytes()].concat()
    }
}

/// The part of a row in the tally.
fn weight(name: &[u8], row: &[u8]) -> u64 {
    let mut crc = crc32fast::Hasher::new();
    crc.update(name);
    crc.update(row);
    u64::from(crc.finalize())
}

/// What a look at everything found.
#[derive(Debug)]
pub(super) struct Survey {
    /// For the core; without incident.
    pub inventory: StoreInventory,
    /// The mark of the last commit; 0 in a new store.
    pub mark: u64,
    /// Whether the rows are those that were written.
    pub adds_up: bool,
}

/// Why the store did not do what it should.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Fault {
    /// The files are damaged, or sled came to grief over them: move them aside.
    #[error("{0}")]
    Damaged(String),
    /// Disk full, read-only, no rights, no memory: the files may be good. Try again later.
    #[error("{0}")]
    Environment(String),
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        use io::ErrorKind as Kind;
        let environment = matches!(
            error.kind(),
            Kind::StorageFull
                | Kind::QuotaExceeded
                | Kind::FileTooLarge
                | Kind::ReadOnlyFilesystem
                | Kind::PermissionDenied
                | Kind::OutOfMemory
                | Kind::ResourceBusy
                | Kind::WouldBlock
                | Kind::Interrupted
                | Kind::Other // sled: the directory is locked
        ) || matches!(error.raw_os_error(), Some(nix::libc::EMFILE | nix::libc::ENFILE));
        if environment { Self::Environment(error.to_string()) } else { Self::Damaged(error.to_string()) }
    }
}

impl From<sled::Error> for Fault {
    fn from(error: sled::Error) -> Self {
        match error {
            sled::Error::Io(error) => error.into(),
            // A worker of sled's pool died; the pool is one for the process and does not recover.
            sled::Error::ReportableBug(text) if text.contains("IO thread") => {
                Self::Environment(format!("{text}; the daemon must be restarted"))
            }
            other => Self::Damaged(other.to_string()),
        }
    }
}

/// An open store. Clones share it.
#[derive(Clone)]
pub(super) struct Engine {
    db: Db,
    lanes: [Tree; Lane::ALL.len()],
    values: Tree,
    meta: Tree,
    file: Arc<File>,
}

/// What one transaction is to change; of each key or name the last holds.
#[derive(Debug, Default)]
pub(super) struct Changes {
    /// Records to add (`Some`) and to remove (`None`); those to remove need not be there.
    pub records: BTreeMap<StoreKey, Option<Vec<u8>>>,
    /// Named values to set; an empty one removes the name.
    pub values: BTreeMap<String, Vec<u8>>,
}

impl Changes {
    pub(super) fn is_empty(&self) -> bool {
        self.records.is_empty() && self.values.is_empty()
    }
}

/// Rows to write (`Some`) and to remove (`None`) in one tree.
type Rows = Vec<(Vec<u8>, Option<Vec<u8>>)>;

impl Engine {
    /// Opens the store in `dir`, or makes an empty one there, and makes its directory entries durable.
    pub(super) fn open(dir: &Path) -> Result<Self, Fault> {
        fs::create_dir_all(dir)?;
        remove_unfinished_snapshots(dir)?;
        wait_for_lock(&dir.join("db"))?;
        let db = sled::Config::new()
            .path(dir)
            .segment_size(SEGMENT_BYTES)
            .cache_capacity(CACHE_BYTES)
            .flush_every_ms(None)
            .mode(Mode::LowSpace)
            .use_compression(false)
            .temporary(false)
            .create_new(false)
            .print_profile_on_drop(false)
            .open()?;
        let [a, b, c, d] = Lane::ALL.map(|lane| db.open_tree(lane.name()));
        let engine = Self {
            lanes: [a?, b?, c?, d?],
            values: db.open_tree(VALUES)?,
            meta: db.open_tree(META)?,
            file: Arc::new(OpenOptions::new().read(true).write(true).open(dir.join("db"))?),
            db,
        };
        engine.commit()?;
        engine.fill_segment()?;
        sync_files(dir)?;
        Ok(engine)
    }

    /// Makes everything before durable. The only place that does.
    #[expect(clippy::disallowed_methods, reason = "the one place that syncs what it flushed")]
    pub(super) fn commit(&self) -> Result<(), Fault> {
        self.db.flush()?;
        // flush() ends in sync_file_range(2), which neither waits for the disk's cache nor writes the file's size.
        self.file.sync_data()?;
        Ok(())
    }

    /// Writes zeros up to the end of the segment that sled has begun: the commits that fill it then change neither the
    /// length nor the blocks of the file. What cannot be written now is no fault.
    ///
    /// Only right after [`Engine::commit`]: sled writes changes that were applied and not flushed from threads of its own
    /// whenever it likes, and zeros beside such a write would fall on it, and cut off the log there.
    pub(super) fn fill_segment(&self) -> Result<(), Fault> {
        // After a flush nothing of sled's writes is under way, and the last segment is the one it appends to.
        let mut at = self.file.metadata()?.len();
        let end = at.next_multiple_of(SEGMENT_BYTES as u64);
        if at == end {
            return Ok(());
        }
        while at < end {
            let piece = usize::try_from(end - at).unwrap_or(usize::MAX).min(ZEROS.len());
            self.file.write_all_at(&ZEROS[..piece], at)?;
            at += piece as u64;
        }
        self.file.sync_data()?;
        Ok(())
    }

    /// Makes the changes, all or none, together with the mark.
    pub(super) fn apply(&self, changes: &Changes, mark: u64) -> Result<(), Fault> {
        let mut lanes: [Rows; Lane::ALL.len()] = [const { Rows::new() }; Lane::ALL.len()];
        for (at, value) in &changes.records {
            let (lane, name) = (lane_index(at.lane), at.position.to_be_bytes());
            match value {
                Some(value) => lanes[lane].extend(cut(value).map(|(row, bytes)| (key(&name, row), Some(bytes)))),
                None => lanes[lane].extend(gone(&self.lanes[lane], &name)?),
            }
        }
        let mut values = Rows::new();
        for (name, value) in &changes.values {
            let name = value_name(name);
            values.extend(gone(&self.values, &name)?);
            if !value.is_empty() {
                values.extend(cut(value).map(|(row, bytes)| (key(&name, row), Some(bytes))));
            }
        }
        let trees: Vec<(&Tree, &Rows)> = self.lanes.iter().zip(&lanes).chain([(&self.values, &values)]).collect();
        self.transact(&trees, mark)
    }

    /// At most `limit` records of a lane in key order.
    pub(super) fn load(&self, from: StoreKey, limit: usize) -> Result<Vec<(StoreKey, Vec<u8>)>, Fault> {
        let rows = self.lanes[lane_index(from.lane)].range(from.position.to_be_bytes()..);
        let mut records = Vec::new();
        for value in Values::of(rows).take(limit) {
            let (name, value) = value?;
            records.extend(position(&name).map(|position| (StoreKey { lane: from.lane, position }, value)));
        }
        Ok(records)
    }

    /// Looks at everything, so that damage shows now.
    pub(super) fn survey(&self) -> Result<Survey, Fault> {
        let mut inventory = StoreInventory::default();
        let mut tally: u64 = 0;
        for (&lane, tree) in Lane::ALL.iter().zip(&self.lanes) {
            let mut found: Option<LaneInventory> = None;
            let mut values = Values::of(tree.iter());
            for value in &mut values {
                let (name, value) = value?;
                let Some(position) = position(&name) else { continue };
                let here = StoreKey { lane, position };
                let seen = found.get_or_insert(LaneInventory { lane, first: here, last: here, count: 0, bytes: 0 });
                seen.last = here;
                seen.count += 1;
                seen.bytes += value.len() as u64;
            }
            inventory.lanes.extend(found);
            tally = tally.wrapping_add(values.tally);
        }
        let mut values = Values::of(self.values.iter());
        for value in &mut values {
            let (name, value) = value?;
            let name = String::from_utf8_lossy(name.strip_suffix(&[0]).unwrap_or(&name)).into_owned();
            inventory.values.push((name, value));
        }
        tally = tally.wrapping_add(values.tally);
        let seal = self.meta.get(SEAL)?.map_or_else(Seal::default, |bytes| Seal::parse(&bytes));
        if seal.tally != tally {
            self.meta.insert(SEAL, Seal { tally, ..seal }.bytes())?;
        }
        Ok(Survey { inventory, mark: seal.mark, adds_up: seal.tally == tally })
    }

    /// The size of its files in bytes.
    pub(super) fn disk_bytes(&self) -> Result<u64, Fault> {
        Ok(self.db.size_on_disk()?)
    }

    /// Whether its files are much larger than the `inventory` in them.
    pub(super) fn is_wasteful(&self, inventory: &StoreInventory) -> Result<bool, Fault> {
        let records: u64 = inventory.lanes.iter().map(|lane| lane.bytes).sum();
        let values: u64 = inventory.values.iter().map(|(_, value)| value.len() as u64).sum();
        let disk = self.disk_bytes()?;
        Ok(disk > REBUILD_ABOVE && disk / REBUILD_WASTE > records + values)
    }

    /// Writes all that it holds to a new store in `dir`, durably.
    pub(super) fn rebuild(&self, dir: &Path) -> Result<Self, Fault> {
        if dir.exists() {
            fs::remove_dir_all(dir)?;
        }
        let new = Self::open(dir)?;
        for (from, to) in self.trees().zip(new.trees()) {
            let mut rows = from.iter().peekable();
            while rows.peek().is_some() {
                let mut batch = Batch::default();
                for row in rows.by_ref().take(REBUILD_ROWS) {
                    let (name, value) = row?;
                    batch.insert(name, value);
                }
                to.apply_batch(batch)?;
            }
        }
        new.commit()?;
        Ok(new)
    }

    fn trees(&self) -> impl Iterator<Item = &Tree> {
        self.lanes.iter().chain([&self.values, &self.meta])
    }

    /// Changes rows and the seal, all or none.
    fn transact(&self, changes: &[(&Tree, &Rows)], mark: u64) -> Result<(), Fault> {
        let touched: Vec<&(&Tree, &Rows)> = changes.iter().filter(|(_, rows)| !rows.is_empty()).collect();
        let mut trees: Vec<&Tree> = vec![&self.meta];
        trees.extend(touched.iter().map(|(tree, _)| *tree));
        let outcome = trees.as_slice().transaction(|views: &Vec<TransactionalTree>| {
            let Some((meta, views)) = views.split_first() else { return Ok(()) };
            let mut seal = meta.get(SEAL)?.map_or_else(Seal::default, |bytes| Seal::parse(&bytes));
            seal.mark = mark;
            for (view, (_, rows)) in views.iter().zip(&touched) {
                for (name, new) in *rows {
                    let old = match new {
                        Some(new) => view.insert(name.as_slice(), new.as_slice())?,
                        None => view.remove(name.as_slice())?,
                    };
                    let gone = old.map_or(0, |old| weight(name, &old));
                    let come = new.as_ref().map_or(0, |new| weight(name, new));
                    seal.tally = seal.tally.wrapping_sub(gone).wrapping_add(come);
                }
            }
            meta.insert(SEAL, seal.bytes())?;
            Ok::<(), ConflictableTransactionError<()>>(())
        });
        match outcome {
            Ok(()) => Ok(()),
            Err(TransactionError::Storage(error)) => Err(error.into()),
            Err(TransactionError::Abort(())) => Err(Fault::Damaged("the transaction was aborted".into())),
        }
    }
}

/// The values of a tree, in key order.
struct Values {
    rows: sled::Iter,
    join: Option<Join>,
    tally: u64,
}

impl Values {
    fn of(rows: sled::Iter) -> Self {
        Self { rows, join: Some(Join::default()), tally: 0 }
    }
}

impl Iterator for Values {
    type Item = Result<(Vec<u8>, Vec<u8>), Fault>;

    fn next(&mut self) -> Option<Self::Item> {
        while let Some(join) = &mut self.join {
            match self.rows.next() {
                Some(Ok((name, row))) => {
                    self.tally = self.tally.wrapping_add(weight(&name, &row));
                    if let Some(value) = join.push(&name, &row) {
                        return Some(Ok(value));
                    }
                }
                Some(Err(error)) => {
                    self.join = None;
                    return Some(Err(error.into()));
                }
                None => return self.join.take().and_then(Join::finish).map(Ok),
            }
        }
        None
    }
}

/// Runs `job` on a thread of its own. A panic, or no answer within `deadline`, is damage; in the latter case the thread
/// is left behind, on files that nobody else uses any more.
pub(super) fn guarded<T: Send + 'static>(
    deadline: Duration,
    job: impl FnOnce() -> Result<T, Fault> + Send + 'static,
) -> Result<T, Fault> {
    let (answer, answered) = sync_channel(1);
    thread::Builder::new()
        .name("store-guard".into())
        .spawn(move || drop(answer.send(caught(job))))
        .map_err(|error| Fault::Environment(format!("no thread for the store: {error}")))?;
    match within(deadline, &answered) {
        Ok(outcome) => outcome,
        Err(RecvTimeoutError::Timeout) => Err(Fault::Damaged(format!("no answer within {} ms", deadline.as_millis()))),
        Err(RecvTimeoutError::Disconnected) => Err(Fault::Damaged("the thread ended without an answer".into())),
    }
}

/// Waits for an answer, part after part: a process that was frozen for longer than the deadline, with its threads (a
/// cgroup freezer, SIGSTOP, a paused virtual machine), has lost one part of it, and its healthy store is not given up.
fn within<T>(deadline: Duration, answered: &Receiver<T>) -> Result<T, RecvTimeoutError> {
    for _ in 1..DEADLINE_PARTS {
        match answered.recv_timeout(deadline / DEADLINE_PARTS) {
            Err(RecvTimeoutError::Timeout) => {}
            outcome => return outcome,
        }
    }
    answered.recv_timeout(deadline / DEADLINE_PARTS)
}

/// Runs `job`; a panic is damage.
pub(super) fn caught<T>(job: impl FnOnce() -> Result<T, Fault>) -> Result<T, Fault> {
    catch_unwind(AssertUnwindSafe(job)).unwrap_or_else(|panic| Err(Fault::Damaged(panic_text(panic.as_ref()))))
}

fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    format!("sled panicked: {}", text.unwrap_or("no text"))
}

/// A power cut during opening leaves `snap.<n>.generating`, and sled then takes it for a damaged snapshot (sled issue
/// 1527). Nothing is lost with it: the snapshot before it and the log say the same.
fn remove_unfinished_snapshots(dir: &Path) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.starts_with("snap.") && name.ends_with(".generating") {
            fs::remove_file(&path)?;
        }
    }
    Ok(())
}

/// Waits until nobody holds sled's lock on its file; sled itself gives up at once.
fn wait_for_lock(path: &Path) -> io::Result<()> {
    let mut file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        opened => opened?,
    };
    for _ in 0..LOCK_TRIES {
        file = match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Err((file, Errno::EWOULDBLOCK)) => file,
            // Dropped, and with it the lock: what is wrong otherwise sled will say.
            _ => break,
        };
        thread::sleep(LOCK_PAUSE);
    }
    Ok(())
}

/// sled syncs neither its `conf` file nor any directory.
fn sync_files(dir: &Path) -> io::Result<()> {
    let mut paths: Vec<PathBuf> = vec![dir.to_path_buf()];
    for entry in fs::read_dir(dir)? {
        paths.push(entry?.path());
    }
    paths.extend(dir.parent().map(Path::to_path_buf));
    for path in paths {
        File::open(path)?.sync_all()?;
    }
    Ok(())
}

/// The removal of all rows of that name.
fn gone(tree: &Tree, name: &[u8]) -> Result<Rows, Fault> {
    tree.scan_prefix(name).keys().map(|row| Ok((row?.to_vec(), None))).collect()
}

fn value_name(name: &str) -> Vec<u8> {
    [name.as_bytes(), &[0]].concat()
}

fn position(name: &[u8]) -> Option<u64> {
    Some(u64::from_be_bytes(name.try_into().ok()?))
}

const fn lane_index(lane: Lane) -> usize {
    match lane {
        Lane::Critical => 0,
        Lane::Event => 1,
        Lane::State => 2,
        Lane::Telemetry => 3,
    }
}
