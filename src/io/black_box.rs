//! The file of the black box: made once in full, then written where the core says.
//!
//! # Goals
//!
//! What was answered with [`BlackBoxEvent::Written`] survives a power cut. A write never has to find room on the disk:
//! the file is written from end to end when it is made, and its size never changes. It decides nothing: what goes where,
//! and what a damaged file still holds, is said by `crash/black_box`.
//!
//! # Operation
//!
//! 1. [`BlackBox::start`] starts the thread `blackbox`, which opens the file, or makes it: under another name, with all
//!    its bytes on the disk, then renamed. A file of another size is no black box of this version: it is moved to
//!    `<name>.damaged` first, where a person can look at it; one such file is kept.
//! 2. It answers [`BlackBoxEvent::Opened`] with what the file holds, read slot by slot, or
//!    [`BlackBoxEvent::Unavailable`] when there can be none in this run: the disk is full or read-only, or another process
//!    has the file.
//! 3. Requests are carried out one after the other: every part with `pwrite`, then one `fdatasync`.
//! 4. Dropping it carries out what is queued and ends the thread.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::thread;
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};

use crate::crash::black_box::{
    BlackBoxEvent, BlackBoxRequest, Contents, FILE_BYTES, PAGE_BYTES, SLOT_BYTES, SLOTS, Slot, Survey,
};

/// The name of the file in the store's directory.
pub const FILE_NAME: &str = "blackbox";

/// Requests that wait. The core has one under way; more only when it gives one up.
pub const REQUESTS_MAX: usize = 4;

/// Room that is left on the disk beside the file: it must not be the one that fills the disk.
const FREE_MIN: u64 = 4 * 1024 * 1024;

/// The first bytes of the file, before the slots.
const TABLE_BYTES: u64 = FILE_BYTES - (SLOTS * SLOT_BYTES) as u64;

/// Why there is no black box in this run.
#[derive(Debug, thiserror::Error)]
pub enum BlackBoxError {
    /// Another process has the file. The operator must end it.
    #[error("the black box {} is in use by another process", .0.display())]
    Locked(PathBuf),
    /// The disk has no room for the file. The operator must make room; the next start tries again.
    #[error("no room for the black box {}: {free} bytes are free, {needed} are needed", .path.display())]
    Full {
        /// The file.
        path: PathBuf,
        /// What is free.
        free: u64,
        /// What it takes.
        needed: u64,
    },
    /// The file cannot be made, read or written. The operator must see to the directory's owner and mode, or to the disk.
    #[error("cannot {doing} the black box {}: {source}", .path.display())]
    Io {
        /// What was tried.
        doing: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// The way to the thread.
#[derive(Debug)]
pub struct BlackBox {
    requests: SyncSender<BlackBoxRequest>,
    ended: Receiver<()>,
}

impl BlackBox {
    /// Starts the thread and begins to open the file in `dir`; `on_event` is called on that thread.
    pub fn start(dir: &Path, on_event: impl FnMut(BlackBoxEvent) + Send + 'static) -> io::Result<Self> {
        let (requests, queue) = sync_channel(REQUESTS_MAX);
        let (end, ended) = sync_channel(0);
        let path = dir.join(FILE_NAME);
        thread::Builder::new().name("blackbox".into()).spawn(move || {
            work(&path, &queue, on_event);
            drop(end);
        })?;
        Ok(Self { requests, ended })
    }

    /// Hands a request over; when it cannot be taken, gives back the event that says so.
    pub fn submit(&self, request: BlackBoxRequest) -> Result<(), BlackBoxEvent> {
        self.requests.try_send(request).map_err(|error| match error {
            TrySendError::Full(request) => {
                BlackBoxEvent::Failed(request.ticket, "the disk is behind: the queue of the black box is full".into())
            }
            TrySendError::Disconnected(_) => BlackBoxEvent::Unavailable("the black box's thread has ended".into()),
        })
    }

    /// Carries out what is queued and ends; false when that took longer than `deadline`, and goes on without us.
    #[must_use]
    pub fn close(self, deadline: Duration) -> bool {
        drop(self.requests);
        self.ended.recv_timeout(deadline) == Err(RecvTimeoutError::Disconnected)
    }
}

/// Everything that a file holds, however damaged; for those who only look.
pub fn read(path: &Path) -> Result<Contents, BlackBoxError> {
    let file = File::open(path).map_err(|source| fault("open", path, source))?;
    survey(&file, |_| true).map_err(|source| fault("read", path, source))
}

/// The life of the thread.
fn work(path: &Path, queue: &Receiver<BlackBoxRequest>, mut on_event: impl FnMut(BlackBoxEvent)) {
    let opened = open(path).and_then(|file| {
        let contents = survey(&file, Slot::is_unreported).map_err(|source| fault("read", path, source))?;
        Ok((file, contents))
    });
    let file = match opened {
        Ok((file, contents)) => {
            for damage in &contents.damage {
                tracing::warn!(path = %path.display(), %damage, "the black box is not whole");
            }
            on_event(BlackBoxEvent::Opened(Box::new(contents)));
            file
        }
        Err(error) => {
            tracing::error!(%error, "running without a black box");
            on_event(BlackBoxEvent::Unavailable(error.to_string()));
            return;
        }
    };
    while let Ok(request) = queue.recv() {
        on_event(match carry_out(&file, &request) {
            Ok(()) => BlackBoxEvent::Written(request.ticket),
            Err(error) => {
                tracing::error!(path = %path.display(), %error, "the black box was not written");
                BlackBoxEvent::Failed(request.ticket, error.to_string())
            }
        });
    }
}

fn carry_out(file: &File, request: &BlackBoxRequest) -> io::Result<()> {
    for write in &request.writes {
        if write.offset.saturating_add(write.bytes.len() as u64) > FILE_BYTES {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "beyond the end of the black box"));
        }
        file.write_all_at(&write.bytes, write.offset)?;
    }
    file.sync_data()
}

/// The file, locked, at its full size.
fn open(path: &Path) -> Result<Flock<File>, BlackBoxError> {
    if let Some(directory) = path.parent() {
        fs::create_dir_all(directory).map_err(|source| fault("make the directory of", path, source))?;
    }
    match fs::metadata(path) {
        Ok(metadata) if metadata.len() == FILE_BYTES => {}
        Ok(_) => {
            let aside = path.with_extension("damaged");
            tracing::error!(path = %path.display(), aside = %aside.display(), "not a black box of this version; moved aside");
            fs::rename(path, aside).map_err(|source| fault("move aside", path, source))?;
            make(path)?;
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => make(path)?,
        Err(source) => return Err(fault("look at", path, source)),
    }
    let file = OpenOptions::new().read(true).write(true).open(path).map_err(|source| fault("open", path, source))?;
    Flock::lock(file, FlockArg::LockExclusiveNonblock).map_err(|(_, errno)| match errno {
        Errno::EWOULDBLOCK => BlackBoxError::Locked(path.to_path_buf()),
        other => fault("lock", path, other.into()),
    })
}

/// Writes an empty file in full; it has its name only when all of it is on the disk.
fn make(path: &Path) -> Result<(), BlackBoxError> {
    let temporary = path.with_extension("new");
    let outcome = check_room(path).and_then(|()| {
        write_zeros(&temporary)
            .and_then(|()| fs::rename(&temporary, path))
            .and_then(|()| path.parent().map_or(Ok(()), |directory| File::open(directory)?.sync_all()))
            .map_err(|source| fault("make", path, source))
    });
    if outcome.is_err() {
        // What is half made only takes room; that it may not go is not the fault to be told.
        let _ = fs::remove_file(&temporary);
    }
    outcome
}

fn check_room(path: &Path) -> Result<(), BlackBoxError> {
    let directory = path.parent().unwrap_or(Path::new("."));
    let stat = nix::sys::statvfs::statvfs(directory).map_err(|errno| fault("look for room for", path, errno.into()))?;
    #[expect(clippy::useless_conversion, reason = "the types are narrower on 32-bit targets")]
    let free = u64::from(stat.blocks_available()).saturating_mul(u64::from(stat.fragment_size()));
    let needed = FILE_BYTES + FREE_MIN;
    if free < needed {
        return Err(BlackBoxError::Full { path: path.to_path_buf(), free, needed });
    }
    Ok(())
}

fn write_zeros(path: &Path) -> io::Result<()> {
    let file = File::create(path)?;
    let zeros = vec![0; 16 * PAGE_BYTES];
    let mut at = 0;
    while at < FILE_BYTES {
        let length = zeros.len().min(usize::try_from(FILE_BYTES - at).unwrap_or(zeros.len()));
        file.write_all_at(&zeros[..length], at)?;
        at += length as u64;
    }
    file.sync_all()
}

/// What the file holds, or what there is of it.
fn survey(file: &File, wanted: impl Fn(&Slot) -> bool) -> io::Result<Contents> {
    let mut survey = Survey::new(&part(file, 0, TABLE_BYTES)?);
    for index in 0..SLOTS {
        let at = TABLE_BYTES + (index * SLOT_BYTES) as u64;
        survey.slot(index, &part(file, at, SLOT_BYTES as u64)?, &wanted);
    }
    Ok(survey.finish())
}

/// So many bytes, or fewer at the end of the file.
fn part(file: &File, at: u64, length: u64) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; usize::try_from(length).unwrap_or(SLOT_BYTES)];
    let mut filled = 0;
    while filled < bytes.len() {
        match file.read_at(&mut bytes[filled..], at + filled as u64) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    bytes.truncate(filled);
    Ok(bytes)
}

fn fault(doing: &'static str, path: &Path, source: io::Error) -> BlackBoxError {
    BlackBoxError::Io { doing, path: path.to_path_buf(), source }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use crate::crash::black_box::{Damage, Identity, Recorder, Write};
    use crate::crash::{Observation, Sample, SensorIx, Stage, Verdict};
    use crate::delivery::BootId;
    use crate::time::{KernelBoot, MonoTime};

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(60);

    fn start(dir: &Path) -> (BlackBox, Receiver<BlackBoxEvent>, BlackBoxEvent) {
        let (events, received) = channel();
        let black_box = BlackBox::start(dir, move |event| drop(events.send(event))).unwrap();
        let first = received.recv_timeout(PATIENCE).unwrap();
        (black_box, received, first)
    }

    fn recorder() -> Recorder {
        let identity = Identity { boot: BootId { counter: 1, random: 2 }, kernel: KernelBoot(3), profile_hash: 4 };
        Recorder::new(identity, &[])
    }

    #[test]
    fn what_was_written_is_there_at_the_next_start_and_only_what_waits_for_its_report() {
        let dir = tempfile::tempdir().unwrap();
        let (black_box, events, opened) = start(dir.path());
        assert_eq!(fs::metadata(dir.path().join(FILE_NAME)).unwrap().len(), FILE_BYTES);
        let mut recorder = recorder();
        recorder.handle(MonoTime::ZERO, &opened);
        let sample = Sample { sensor: SensorIx(0), axes: [Some(1.0), None, None] };
        recorder.observe(MonoTime::from_millis(5), &Observation::Sample(sample));
        let verdict = Verdict::bare(1, Stage::Suspected, MonoTime::from_millis(6), MonoTime::from_millis(5));
        recorder.verdict(verdict.at, &verdict, None, 7);
        while let Some(request) = recorder.poll(verdict.at) {
            black_box.submit(request).unwrap();
            recorder.handle(verdict.at, &events.recv_timeout(PATIENCE).unwrap());
        }
        assert!(black_box.close(PATIENCE));

        let (_black_box, _events, opened) = start(dir.path());
        let BlackBoxEvent::Opened(contents) = opened else { panic!("{opened:?}") };
        assert_eq!(contents.damage, []);
        assert_eq!(contents.recordings.len(), 1);
        assert_eq!(contents.recordings[0].samples.len(), 1);
        assert_eq!(contents.recordings[0].verdicts, [verdict]);
    }

    #[test]
    fn a_second_one_on_the_same_file_is_told_so() {
        let dir = tempfile::tempdir().unwrap();
        let (_first, _events, _opened) = start(dir.path());
        let (_second, _events, answer) = start(dir.path());
        assert!(matches!(&answer, BlackBoxEvent::Unavailable(why) if why.contains("in use")), "{answer:?}");
    }

    #[test]
    fn a_file_of_another_size_is_moved_aside_and_a_damaged_table_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(FILE_NAME);
        fs::write(&path, b"something else").unwrap();
        let (black_box, events, opened) = start(dir.path());
        assert!(matches!(opened, BlackBoxEvent::Opened(_)));
        assert_eq!(fs::read(path.with_extension("damaged")).unwrap(), b"something else");
        let damaged = Write { offset: 0, bytes: vec![7; 2 * PAGE_BYTES] };
        black_box.submit(BlackBoxRequest { ticket: 5, writes: vec![damaged] }).unwrap();
        assert_eq!(events.recv_timeout(PATIENCE).unwrap(), BlackBoxEvent::Written(5));
        assert!(black_box.close(PATIENCE));
        assert_eq!(read(&path).unwrap().damage, [Damage::Table]);
    }

    #[test]
    fn a_write_beyond_the_end_fails_and_changes_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let (black_box, events, _opened) = start(dir.path());
        let beyond = Write { offset: FILE_BYTES - 1, bytes: vec![7; 2] };
        black_box.submit(BlackBoxRequest { ticket: 6, writes: vec![beyond] }).unwrap();
        assert!(matches!(events.recv_timeout(PATIENCE).unwrap(), BlackBoxEvent::Failed(6, _)));
        assert_eq!(fs::metadata(dir.path().join(FILE_NAME)).unwrap().len(), FILE_BYTES);
    }

    #[test]
    fn a_directory_that_cannot_be_made_means_a_run_without() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("file"), b"").unwrap();
        let (_black_box, _events, answer) = start(&dir.path().join("file/below"));
        assert!(matches!(answer, BlackBoxEvent::Unavailable(_)), "{answer:?}");
    }
}
