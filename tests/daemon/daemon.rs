//! The process under test, and the files that it is started with.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::thread::sleep;
use std::time::Duration;

use nix::sys::signal::{self, Signal};
use nix::unistd::Pid;
use serde_json::Value as Json;

use crate::car;

/// For what must come at all, on a machine that does other things too.
const PATIENCE: Duration = Duration::from_secs(30);
const STEP: Duration = Duration::from_millis(20);

/// A shutdown is over within this, also on a busy machine: the unit's `TimeoutStopSec`.
pub(crate) const STOP_LIMIT: Duration = Duration::from_secs(15);

/// A deployment in a folder of its own.
pub(crate) struct Deployment {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) broker_port: u16,
    pub(crate) interface: String,
    pub(crate) store: PathBuf,
    /// More lines of the deployment file.
    pub(crate) more: String,
}

impl Deployment {
    /// A car whose interface is not there.
    pub(crate) fn new(broker_port: u16) -> Self {
        Self::of(broker_port, &car::dbc(), &car::profile())
    }

    /// The same for another car, which has a bus `pt`.
    pub(crate) fn of(broker_port: u16, dbc: &str, profile: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(folder.path().join("car.dbc"), dbc).expect("a file");
        fs::write(folder.path().join("profile.toml"), profile).expect("a file");
        let store = folder.path().join("store");
        Self { folder, broker_port, interface: "nocan0".to_owned(), store, more: String::new() }
    }

    pub(crate) fn file(&self) -> PathBuf {
        self.folder.path().join("telltale.toml")
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("metrics.sock")
    }

    /// Writes the deployment file.
    pub(crate) fn write(&self, log_filter: &str) {
        let Self { broker_port, interface, store, more, .. } = self;
        let (store, socket) = (store.display(), self.socket());
        let text = format!(
            "schema = 1\nprofile = \".\"\n[vehicle]\nid = \"car\"\n[bus.pt]\ninterface = \"{interface}\"\n\
             [broker]\nhost = \"127.0.0.1\"\nport = {broker_port}\nkeep_alive_s = 5\n[store]\npath = \"{store}\"\n\
             [metrics]\nlisten = \"unix:{}\"\n[log]\nfilter = \"{log_filter}\"\n{more}",
            socket.display()
        );
        fs::write(self.file(), text).expect("a file");
    }

    /// Starts a daemon on it.
    pub(crate) fn start(&self) -> Daemon {
        self.write("info");
        self.start_as_written()
    }

    /// Starts a daemon on the deployment file as it is.
    pub(crate) fn start_as_written(&self) -> Daemon {
        let log = self.folder.path().join("log");
        let sink = File::create(&log).expect("a file");
        let child = command(&["run", "--config"], &self.file())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(sink)
            .spawn()
            .expect("the daemon starts");
        Daemon { child, log }
    }

    /// A line of the metrics page: the value of the first series whose name and labels begin so.
    pub(crate) fn metric(&self, series: &str) -> Option<f64> {
        let page = self.metrics_page();
        let line = page.lines().find(|line| line.starts_with(series))?;
        line.rsplit(' ').next()?.parse().ok()
    }

    pub(crate) fn metrics_page(&self) -> String {
        let mut stream = wait(|| UnixStream::connect(self.socket()).ok()).expect("the page listens");
        stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: car\r\n\r\n").expect("the page reads");
        let mut page = String::new();
        stream.read_to_string(&mut page).expect("the page answers");
        assert!(page.starts_with("HTTP/1.1 200 "), "{page}");
        page
    }

    /// Waits for a series to be as it should.
    pub(crate) fn metric_until(&self, series: &str, is_right: impl Fn(f64) -> bool) -> f64 {
        let find = || self.metric(series).filter(|value| is_right(*value));
        wait(find).unwrap_or_else(|| panic!("{series} is not right:\n{}", self.metrics_page()))
    }

    /// What `telltaled outbox dump` says of the store, while no daemon runs.
    pub(crate) fn stored(&self) -> Vec<Json> {
        let output = command(&["outbox", "dump", "--config"], &self.file()).output().expect("the command runs");
        assert!(output.status.success(), "{output:?}");
        let lines = String::from_utf8(output.stdout).expect("UTF-8");
        lines.lines().map(|line| serde_json::from_str(line).expect("a JSON line")).collect()
    }

    /// Runs a daemon that is expected to refuse.
    pub(crate) fn run(&self) -> Output {
        command(&["run", "--config"], &self.file()).output().expect("the daemon starts")
    }
}

fn command(words: &[&str], file: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_telltaled"));
    // Logs belong into the pipe, whatever this test runs under.
    command.args(words).arg(file).env_remove("JOURNAL_STREAM").env_remove("TELLTALE_LOG").env_remove("NOTIFY_SOCKET");
    command
}

/// A daemon that runs; killed when it is dropped.
pub(crate) struct Daemon {
    child: Child,
    log: PathBuf,
}

impl Daemon {
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Waits for words in the log.
    pub(crate) fn says(&mut self, words: &str) {
        let said = wait(|| {
            assert!(self.is_alive(), "the daemon ended; its log:\n{}", self.log());
            self.log().contains(words).then_some(())
        });
        assert!(said.is_some(), "{words:?} is not in the log:\n{}", self.log());
    }

    pub(crate) fn is_alive(&mut self) -> bool {
        self.child.try_wait().expect("our own child").is_none()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(i32::try_from(self.child.id()).expect("a process id"));
        signal::kill(pid, signal).expect("our own child");
    }

    /// SIGTERM; it has to end within [`STOP_LIMIT`], with success.
    pub(crate) fn stop(mut self) {
        self.signal(Signal::SIGTERM);
        let status = wait_for(STOP_LIMIT, || self.child.try_wait().expect("our own child"));
        assert!(status.is_some_and(|status| status.success()), "{status:?}; its log:\n{}", self.log());
    }

    /// SIGKILL; it must have lived until then.
    pub(crate) fn kill(mut self) -> ExitStatus {
        assert!(self.is_alive(), "the daemon ended by itself; its log:\n{}", self.log());
        self.child.kill().expect("our own child");
        self.child.wait().expect("our own child")
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // It may have ended; then both fail, and nothing is to be done.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) fn wait<T>(find: impl FnMut() -> Option<T>) -> Option<T> {
    wait_for(PATIENCE, find)
}

fn wait_for<T>(limit: Duration, mut find: impl FnMut() -> Option<T>) -> Option<T> {
    for _ in 0..limit.as_millis() / STEP.as_millis() {
        if let Some(found) = find() {
            return Some(found);
        }
        sleep(STEP);
    }
    None
}
