//! The deployment file: which vehicle this is, what it is connected to, and where its messages go.
//!
//! `systemd/telltale.toml` is a commented example with every key. Secrets never stand in it: keys and passwords are
//! files, or systemd credentials by name (`credential:NAME`).

use core::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::crash::msd::Vin;

use super::document::{Document, Lined, Section};
use super::emergency::{self, Emergency};
use super::problem::{Problem, Problems, did_you_mean};
use super::profile::Profile;
use super::profile_file::{MAX_BUSES, spelled};
use super::realtime::{self, Realtime};

/// A deployment file has some fifty lines; 64 KiB is a thousand.
pub const MAX_DEPLOYMENT_BYTES: usize = 64 * 1024;

/// The store grows memory with its size (140 MB resident for 380 MB stored), hence no more than this.
pub const MAX_STORE_MIB: u32 = 64;

/// IFNAMSIZ with its terminating zero (linux/if.h).
const MAX_INTERFACE_BYTES: usize = 15;

/// `sun_path` with its terminating zero (unix(7)).
const MAX_SOCKET_PATH_BYTES: usize = 107;

/// One vehicle's settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deployment {
    /// The vehicle's id: a part of every topic.
    pub vehicle_id: String,
    /// The folder of the vehicle profile; as it was written it may be relative to the
    /// deployment file's own folder.
    pub profile: PathBuf,
    /// The interfaces, by the profile's bus names.
    pub buses: Vec<BusSettings>,
    /// The GNSS receiver, if there is one.
    pub gnss: Option<GnssSource>,
    /// The MQTT broker.
    pub broker: Broker,
    /// Where records are kept.
    pub store: StoreSettings,
    /// What happens after a crash.
    pub emergency: Emergency,
    /// Whether the thread of the buses goes before other programs.
    pub realtime: Realtime,
    /// Where metrics are served, if anywhere.
    pub metrics: Option<Listen>,
    /// What is logged, in the syntax of tracing's `EnvFilter`. May be changed while running (SIGHUP).
    pub log_filter: String,
}

/// A bus and its interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BusSettings {
    /// The bus's name in the profile.
    pub bus: String,
    /// The network interface: `can0`.
    pub interface: String,
    /// The line in the file, for problems that only the profile shows.
    pub(super) line: u32,
}

/// Where GNSS sentences come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GnssSource {
    /// A serial device, by a stable name.
    Serial {
        /// The device.
        device: PathBuf,
        /// The bit rate.
        baud: u32,
    },
    /// A file, FIFO or pty, read as it is.
    File(PathBuf),
}

/// The MQTT broker and how it is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broker {
    /// DNS name or IP address.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// MQTT client id.
    pub client_id: String,
    /// MQTT keep-alive.
    pub keep_alive: Duration,
    /// User name and password, if the broker wants them.
    pub login: Option<Login>,
    /// TLS; none only to loopback, or where the deployment says so.
    pub tls: Option<Tls>,
}

/// MQTT user name and password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Login {
    /// The user name.
    pub username: String,
    /// Where the password is.
    pub password: Secret,
}

/// TLS material, PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tls {
    /// The authorities that the broker's certificate must come from.
    pub ca: Secret,
    /// Our certificate and its key, if the broker wants one.
    pub client: Option<(Secret, Secret)>,
}

/// Where something confidential is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Secret {
    /// In a file.
    File(PathBuf),
    /// In a systemd credential of that name (`$CREDENTIALS_DIRECTORY/NAME`).
    Credential(String),
}

/// The store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreSettings {
    /// Its directory.
    pub path: PathBuf,
    /// Its size limit.
    pub limit_mib: u32,
}

/// An address that only this machine can reach.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Listen {
    /// A loopback address.
    Tcp(SocketAddr),
    /// A Unix socket.
    Unix(PathBuf),
}

/// What could be read of a deployment file, so that the profile is examined even where something else is wrong.
pub(super) struct Parsed {
    pub(super) profile: Option<PathBuf>,
    pub(super) buses: Vec<BusSettings>,
    /// None when something that cannot be done without is missing or wrong.
    pub(super) settings: Option<Deployment>,
}

/// Reads a deployment file by itself, without the profile that it names. Not TOML at all is an error; what else is
/// wrong comes beside what is right.
pub(super) fn parse(file: &str, bytes: &[u8]) -> Result<(Parsed, Problems), Problems> {
    let document = Document::parse(file, bytes, MAX_DEPLOYMENT_BYTES)?;
    let parsed = read(&document);
    Ok((parsed, document.into_problems()))
}

/// The buses of the deployment in the order of the profile's. A bus that only one of the two knows is a problem.
pub(super) fn match_buses(
    file: &str,
    buses: &[BusSettings],
    profile: &Profile,
    problems: &mut Problems,
) -> Vec<BusSettings> {
    let mut wrong = |line, text| problems.push(Problem { file: file.to_owned(), line, text });
    for bus in buses.iter().filter(|bus| profile.bus(&bus.bus).is_none()) {
        let names = profile.buses.iter().map(|known| known.name.as_str());
        let advice = did_you_mean(&bus.bus, names, "remove it");
        wrong(Some(bus.line), format!("[bus.{}]: profile {} has no such bus{advice}", bus.bus, profile.name));
    }
    let mut ordered = Vec::new();
    for known in &profile.buses {
        if let Some(bus) = buses.iter().find(|bus| bus.bus == known.name) {
            ordered.push(bus.clone());
        } else {
            let text = format!("bus {} of profile {} has no interface; add [bus.{0}]", known.name, profile.name);
            wrong(None, text);
        }
    }
    ordered
}

fn read(document: &Document<'_>) -> Parsed {
    let root = document.root();
    for (key, example) in [("profile", "\"/usr/share/telltale/profiles/…\""), ("schema", "1")] {
        root.need(key, example);
    }
    root.int("schema", 1, 1);
    let profile = path(&root, "profile");
    let vehicle = needed_section(&root, "vehicle", vehicle);
    let (vehicle_id, vin) = vehicle.map_or((None, None), |(id, vin)| (Some(id), vin));
    if !root.has("bus") {
        root.wrong(1, "no bus has an interface; add [bus.NAME] with interface = \"can0\"");
    }
    let buses = buses(document, &root);
    let gnss = root.section("gnss").and_then(gnss);
    let broker = needed_section(&root, "broker", |section| broker(section, vehicle_id.as_deref().unwrap_or("")));
    let store = root.section("store").map_or_else(|| Some(StoreSettings::default()), store);
    let emergency = emergency::read(&root, vin);
    let realtime = realtime::read(&root);
    let metrics = root.section("metrics").and_then(metrics);
    let log_filter = root.section("log").map_or_else(|| Some(DEFAULT_FILTER.to_owned()), log);
    root.finish();
    let settings = || {
        Some(Deployment {
            vehicle_id: vehicle_id?,
            profile: profile.clone()?,
            buses: Vec::new(),
            gnss,
            broker: broker?,
            store: store?,
            emergency: emergency?,
            realtime,
            metrics,
            log_filter: log_filter?,
        })
    };
    Parsed { settings: settings(), profile, buses }
}

fn buses(document: &Document<'_>, root: &Section<'_>) -> Vec<BusSettings> {
    let sections = root.named_sections("bus", MAX_BUSES).into_iter();
    let mut buses: Vec<BusSettings> = sections.filter_map(|(name, section)| bus(name, section)).collect();
    buses.sort_by_key(|bus| bus.line);
    for (index, bus) in buses.iter().enumerate() {
        if let Some(other) = buses.iter().take(index).find(|other| other.interface == bus.interface) {
            let (interface, name) = (&bus.interface, &other.bus);
            document.wrong(bus.line, format!("interface {interface} is that of bus {name} already; give each its own"));
        }
    }
    buses
}

const DEFAULT_FILTER: &str = "info";

impl Default for StoreSettings {
    fn default() -> Self {
        Self { path: PathBuf::from("/var/lib/telltale"), limit_mib: 32 }
    }
}

fn needed_section<'d, T>(
    root: &Section<'d>,
    key: &'static str,
    read: impl FnOnce(Section<'d>) -> Option<T>,
) -> Option<T> {
    if !root.has(key) {
        root.wrong(1, format!("[{key}] is missing; add it"));
    }
    root.section(key).and_then(read)
}

fn vehicle(section: Section<'_>) -> Option<(String, Option<Vin>)> {
    section.need("id", "\"car-0001\"");
    // A part of a topic: no separator, no wildcard, nothing that a broker's access list could read otherwise.
    let id = spelled(&section, "id", 64, "A-Z a-z 0-9 - _ .", |letter| {
        letter.is_ascii_alphanumeric() || "-_.".contains(letter)
    });
    let vin = emergency::vin(&section);
    section.finish();
    id.map(|id| (id.value.to_owned(), vin))
}

fn bus(name: &str, section: Section<'_>) -> Option<BusSettings> {
    section.need("interface", "\"can0\"");
    let line = section.line();
    let interface = section.text("interface").filter(|entry| {
        let fits = (1..=MAX_INTERFACE_BYTES).contains(&entry.value.len())
            && entry.value != "."
            && entry.value != ".."
            && entry.value.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'/' && byte != b':');
        if !fits {
            section.wrong(entry.line, "interface is not a name that Linux allows: 1 to 15 letters without / and :");
        }
        fits
    });
    section.finish();
    Some(BusSettings { bus: name.to_owned(), interface: interface?.value.to_owned(), line })
}

fn gnss(section: Section<'_>) -> Option<GnssSource> {
    let device = path(&section, "device");
    let file = path(&section, "file");
    let baud = section.int("baud", 4800, 921_600);
    if section.has("device") == section.has("file") {
        section.wrong(section.line(), "give either device (with baud) or file");
    }
    if let (Some(baud), true) = (baud, section.has("file")) {
        section.wrong(baud.line, "baud is for a device; remove it");
    }
    section.finish();
    let baud = baud.and_then(|baud| u32::try_from(baud.value).ok()).unwrap_or(9600);
    device.map(|device| GnssSource::Serial { device, baud }).or(file.map(GnssSource::File))
}

fn broker(section: Section<'_>, vehicle_id: &str) -> Option<Broker> {
    section.need("host", "\"broker.example.com\"");
    let host = spelled(&section, "host", 253, "letters of a DNS name or IP address", |letter| {
        letter.is_ascii_alphanumeric() || ".-:_".contains(letter)
    });
    let port = section.int("port", 1, 65535);
    // MQTT 3.1.1, 3.1.3.1: a server must take 1 to 23 of these letters, and may take more.
    let client_id = spelled(&section, "client_id", 128, "printable ASCII", |letter| letter.is_ascii_graphic());
    let keep_alive_s = section.int("keep_alive_s", 5, 3600).map_or(60, |entry| entry.value);
    let insecure = section.flag("insecure_plaintext");
    let login = login(&section);
    let has_tls = section.has("tls");
    let tls = section.section("tls").and_then(tls);
    if let (Some(insecure), true) = (insecure, has_tls) {
        section.wrong(insecure.line, "insecure_plaintext and [broker.tls] exclude each other; remove one");
    }
    if let (Some(host), false) = (host, has_tls || insecure.is_some_and(|entry| entry.value) || !section.has("host"))
        && !is_loopback(host.value)
    {
        section.wrong(
            host.line,
            format!(
                "host {} is not this machine, and there is no [broker.tls]; add it, or insecure_plaintext = true",
                host.value
            ),
        );
    }
    section.finish();
    let port = port.and_then(|entry| u16::try_from(entry.value).ok());
    Some(Broker {
        host: host?.value.to_owned(),
        port: port.unwrap_or(if has_tls { 8883 } else { 1883 }),
        client_id: client_id.map_or_else(|| format!("telltale-{vehicle_id}"), |entry| entry.value.to_owned()),
        keep_alive: Duration::from_secs(u64::try_from(keep_alive_s).unwrap_or(60)),
        login,
        tls,
    })
}

fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn login(section: &Section<'_>) -> Option<Login> {
    let username = spelled(section, "username", 128, "printable letters", |letter| !letter.is_control());
    let password = secret(section, "password");
    if section.has("username") != section.has("password") {
        section.wrong(section.line(), "username and password belong together; add the other one");
    }
    Some(Login { username: username?.value.to_owned(), password: password? })
}

fn tls(section: Section<'_>) -> Option<Tls> {
    section.need("ca", "\"/etc/telltale/ca.pem\"");
    let ca = secret(&section, "ca");
    let certificate = secret(&section, "certificate");
    let key = secret(&section, "key");
    if section.has("certificate") != section.has("key") {
        section.wrong(section.line(), "certificate and key belong together; add the other one");
    }
    section.finish();
    Some(Tls { ca: ca?, client: certificate.zip(key) })
}

fn store(section: Section<'_>) -> Option<StoreSettings> {
    let default = StoreSettings::default();
    let path = if section.has("path") { absolute(&section, "path") } else { Some(default.path) };
    let limit = section.int("limit_mib", 4, i64::from(MAX_STORE_MIB));
    let limit_mib = limit.and_then(|entry| u32::try_from(entry.value).ok()).unwrap_or(default.limit_mib);
    section.finish();
    Some(StoreSettings { path: path?, limit_mib })
}

fn metrics(section: Section<'_>) -> Option<Listen> {
    section.need("listen", "\"127.0.0.1:9108\"");
    let entry = section.text("listen");
    let listen = entry.and_then(|entry| {
        let listen = parse_listen(entry.value);
        if listen.is_none() {
            section.wrong(
                entry.line,
                "listen must be a loopback address with port (\"127.0.0.1:9108\") or \"unix:/absolute/path\": metrics are for this machine only",
            );
        }
        listen
    });
    section.finish();
    listen
}

fn parse_listen(text: &str) -> Option<Listen> {
    if let Some(path) = text.strip_prefix("unix:") {
        let fits = path.starts_with('/') && path.len() <= MAX_SOCKET_PATH_BYTES && !path.contains('\0');
        return fits.then(|| Listen::Unix(PathBuf::from(path)));
    }
    text.parse().ok().filter(|address: &SocketAddr| address.ip().is_loopback()).map(Listen::Tcp)
}

fn log(section: Section<'_>) -> Option<String> {
    let filter = if section.has("filter") {
        spelled(&section, "filter", 512, "printable ASCII", |letter| letter.is_ascii_graphic() || letter == ' ')
    } else {
        Some(Lined { value: DEFAULT_FILTER, line: section.line() })
    };
    section.finish();
    filter.map(|filter| filter.value.to_owned())
}

fn path(section: &Section<'_>, key: &'static str) -> Option<PathBuf> {
    spelled(section, key, 4096, "letters without control characters", |letter| !letter.is_control())
        .map(|entry| PathBuf::from(entry.value))
}

fn absolute(section: &Section<'_>, key: &'static str) -> Option<PathBuf> {
    let line = section.text(key).map_or(0, |entry| entry.line);
    let path = path(section, key)?;
    if path.is_absolute() {
        return Some(path);
    }
    section.wrong(line, format!("{key} must be an absolute path; begin it with /"));
    None
}

/// A path, or `credential:NAME`; the thing itself is refused, as far as it can be told.
fn secret(section: &Section<'_>, key: &'static str) -> Option<Secret> {
    let entry = section.text(key)?;
    if let Some(name) = entry.value.strip_prefix("credential:") {
        let fits = (1..=255).contains(&name.len())
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
            && !name.starts_with('.');
        if !fits {
            section.wrong(entry.line, format!("{key}: a credential's name is 1 to 255 of A-Z a-z 0-9 - _ ."));
        }
        return fits.then(|| Secret::Credential(name.to_owned()));
    }
    if !Path::new(entry.value).is_absolute() || entry.value.chars().any(char::is_control) {
        section.wrong(
            entry.line,
            format!("{key} must be an absolute path or \"credential:NAME\": the file never holds the secret itself"),
        );
        return None;
    }
    Some(Secret::File(PathBuf::from(entry.value)))
}
