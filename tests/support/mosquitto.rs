//! Debian's mosquitto as the real broker of the tests.

use std::fmt::Write as _;
use std::fs;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::thread::sleep;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};

/// How long mosquitto may take to listen, on a machine that does other things too.
const START_LIMIT: Duration = Duration::from_secs(20);

/// A certificate authority with the files that it made.
pub(crate) struct Pki {
    directory: tempfile::TempDir,
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate and its key.
pub(crate) struct Identity {
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
}

impl Pki {
    pub(crate) fn new(name: &str) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let mut params = CertificateParams::new([]).expect("no names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().expect("a key");
        let certificate = params.self_signed(&key).expect("a certificate");
        fs::write(directory.path().join("ca.pem"), certificate.pem()).expect("a file");
        Self { directory, issuer: Issuer::new(params, key) }
    }

    pub(crate) fn ca(&self) -> PathBuf {
        self.directory.path().join("ca.pem")
    }

    /// A certificate that this authority signed; the key is readable for its owner only.
    pub(crate) fn issue(&self, name: &str) -> Identity {
        let mut params = CertificateParams::new([name.to_owned(), "127.0.0.1".to_owned()]).expect("names");
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().expect("a key");
        let signed = params.signed_by(&key, &self.issuer).expect("a certificate");
        let identity = Identity {
            certificate: self.directory.path().join(format!("{name}.pem")),
            key: self.directory.path().join(format!("{name}.key")),
        };
        fs::write(&identity.certificate, signed.pem()).expect("a file");
        fs::write(&identity.key, key.serialize_pem()).expect("a file");
        set_mode(&identity.key, 0o600);
        identity
    }
}

pub(crate) fn set_mode(path: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("the mode of a file");
}

/// A running broker. The ports stay the same across restarts.
pub(crate) struct Mosquitto {
    directory: tempfile::TempDir,
    binary: PathBuf,
    child: Option<Child>,
    /// Plain TCP on 127.0.0.1.
    pub(crate) port: u16,
    /// TLS with client certificates on 127.0.0.1, where a PKI was given.
    pub(crate) tls_port: u16,
}

impl Mosquitto {
    /// Starts a broker that keeps its sessions across restarts when `persistence` is set. None, with a loud skip,
    /// where mosquitto is not installed; in CI it has to be.
    pub(crate) fn start(persistence: bool, pki: Option<&Pki>) -> Option<Self> {
        Self::start_with(|directory, port, tls_port| {
            config(directory, persistence, port, pki.map(|pki| (tls_port, pki)))
        })
    }

    /// Starts a broker with a configuration made for its directory, plain port and TLS port. One of the two must be
    /// listened on.
    pub(crate) fn start_with(configure: impl FnOnce(&Path, u16, u16) -> String) -> Option<Self> {
        let Some(binary) = ["/usr/sbin/mosquitto", "/usr/local/sbin/mosquitto"].iter().find(|p| Path::new(p).exists())
        else {
            assert!(std::env::var_os("CI").is_none(), "mosquitto is not installed, and CI is set");
            eprintln!("SKIPPED: mosquitto is not installed (Debian package mosquitto)");
            return None;
        };
        let directory = tempfile::tempdir().expect("a directory");
        let (port, tls_port) = (free_port(), free_port());
        let config = configure(directory.path(), port, tls_port);
        fs::write(directory.path().join("mosquitto.conf"), config).expect("a file");
        let mut broker = Self { directory, binary: binary.into(), child: None, port, tls_port };
        broker.resume();
        Some(broker)
    }

    /// Starts it again after [`Self::stop`]; does nothing when it runs.
    pub(crate) fn resume(&mut self) {
        if self.child.is_some() {
            return;
        }
        let log = fs::File::create(self.directory.path().join("mosquitto.log")).expect("a file");
        let child = Command::new(&self.binary)
            .arg("-c")
            .arg(self.directory.path().join("mosquitto.conf"))
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("mosquitto starts");
        self.child = Some(child);
        let step = Duration::from_millis(5);
        for _ in 0..START_LIMIT.as_millis() / step.as_millis() {
            if [self.port, self.tls_port].iter().any(|&port| TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok()) {
                return;
            }
            sleep(step);
        }
        let log = fs::read_to_string(self.directory.path().join("mosquitto.log")).unwrap_or_default();
        panic!("mosquitto does not listen after {START_LIMIT:?}; its log:\n{log}");
    }

    /// Ends it as an operator would; with persistence it writes its sessions down.
    pub(crate) fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let pid = Pid::from_raw(i32::try_from(child.id()).expect("a process id"));
            kill(pid, Signal::SIGTERM).expect("our own child");
            child.wait().expect("our own child");
        }
    }
}

impl Drop for Mosquitto {
    fn drop(&mut self) {
        self.stop();
    }
}

fn config(directory: &Path, persistence: bool, port: u16, tls: Option<(u16, &Pki)>) -> String {
    let here = directory.display();
    let mut text = format!(
        "user root\nallow_anonymous true\npersistence {persistence}\npersistence_location {here}/\nsys_interval 0\n\
         set_tcp_nodelay true\nmax_queued_messages 0\nmax_inflight_messages 100\nlog_dest stderr\n\
         listener {port} 127.0.0.1\n"
    );
    if let Some((tls_port, pki)) = tls {
        let Identity { certificate, key } = pki.issue("localhost");
        let (ca, certificate, key) = (pki.ca(), certificate.display().to_string(), key.display().to_string());
        writeln!(
            text,
            "listener {tls_port} 127.0.0.1\ncafile {}\ncertfile {certificate}\nkeyfile {key}\nrequire_certificate true",
            ca.display()
        )
        .expect("a string grows");
    }
    text
}

/// A port that is free now, below the ephemeral range (ip_local_port_range begins at 32768), so that no outgoing
/// connection takes it while the broker is down.
pub(crate) fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let base = 15_000 + u16::try_from(std::process::id() % 16_000).expect("below 16,000");
    loop {
        let port = base + NEXT.fetch_add(1, Ordering::Relaxed);
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return port;
        }
    }
}
