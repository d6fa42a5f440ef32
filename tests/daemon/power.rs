//! The power fails under the whole daemon: what its metrics called stored is in the store afterwards, and it opens in
//! time. There is no broker, so nothing leaves the store.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::thread::sleep;
use std::time::Duration;

use telltale::rng::Rng;
use tokio::time::Instant;

use crate::bench;
use crate::car::Cluster;
use crate::daemon::Deployment;
use crate::number;

/// Unless `TELLTALE_POWER_CUTS` says otherwise.
const CUTS: u32 = 2;

/// From the start of the daemon until its store is open, on a machine that does nothing else.
const OPEN_LIMIT: Duration = Duration::from_secs(2);

/// What the bench ends with when it has cut the power.
const CUT: i32 = 137;

/// On the bench: the directory on the disk that loses its power.
const DIRECTORY: &str = "TELLTALE_POWER_DIRECTORY";

/// On the bench: so many events were stored; and only that is to be seen.
const PROMISED: &str = "TELLTALE_POWER_PROMISED";
const LOOK_ONLY: &str = "TELLTALE_POWER_LOOK_ONLY";

#[test]
fn what_the_daemon_called_stored_outlives_power_cuts() {
    if let Some(directory) = std::env::var_os(DIRECTORY) {
        return live(Path::new(&directory));
    }
    let Some(bench) = bench::program() else { return };
    let cuts = number("TELLTALE_POWER_CUTS").unwrap_or(CUTS);
    let seed = number("TELLTALE_SEED").unwrap_or_else(std::process::id);
    println!("daemon_powercut: seed {seed}, {cuts} cuts");
    let mut random = Rng::new(seed.into());
    let mut rig = Rig::new(bench);
    for cut in 0..cuts {
        // In turn from the first promise on, however late that is, and from the start, mostly while the store opens.
        let (after_s, when) = if cut % 2 == 0 {
            (3.0 * random.unit(), format!("grep -q '^stored ' '{}'", rig.output.display()))
        } else {
            (0.1 + 4.0 * random.unit(), ":".to_owned())
        };
        let status = rig.boot(&["--cut-after", &after_s.to_string(), "--cut-when", &when], false);
        assert_eq!(status.code(), Some(CUT), "seed {seed}, cut {cut}: {}", rig.words());
    }
    let status = rig.boot(&[], true);
    assert!(status.success(), "seed {seed}: {}", rig.words());
    let Rig { promised, open_ms, .. } = rig;
    println!("daemon_powercut: cuts={cuts} events_stored={promised} lost=0 gaps=0 open_ms_max={open_ms}");
    assert!(promised > 0, "seed {seed}: nothing was ever stored");
    // The short form runs beside all other tests.
    assert!(cuts <= CUTS || u128::from(open_ms) <= OPEN_LIMIT.as_millis(), "seed {seed}: {open_ms} ms to open");
}

/// The disk, and what is known of it from outside.
struct Rig {
    bench: PathBuf,
    folder: tempfile::TempDir,
    /// What the last boot printed.
    output: PathBuf,
    promised: u64,
    open_ms: u64,
}

impl Rig {
    fn new(bench: PathBuf) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let image = folder.path().join("image");
        File::create(&image).and_then(|file| file.set_len(96 << 20)).expect("a file");
        fs::create_dir(folder.path().join("disk")).expect("a directory");
        let made = Command::new("/sbin/mkfs.ext4").args(["-q", "-F"]).arg(&image).status();
        assert!(made.expect("e2fsprogs is installed").success());
        Self { bench, output: folder.path().join("output"), folder, promised: 0, open_ms: 0 }
    }

    fn boot(&mut self, options: &[&str], look_only: bool) -> ExitStatus {
        let [image, disk] = ["image", "disk"].map(|name| self.folder.path().join(name).display().to_string());
        let output = File::create(&self.output).expect("a file");
        let mut bench = Command::new(&self.bench);
        bench.args(["--disk", &format!("{image}:{disk}"), "--timeout", "300"]).args(options);
        bench.arg("--").arg(std::env::current_exe().expect("own path")).args(["power::", "--nocapture"]);
        bench.env(DIRECTORY, &disk).env(PROMISED, self.promised.to_string());
        if look_only {
            bench.env(LOOK_ONLY, "yes");
        }
        let errors = output.try_clone().expect("a file");
        let status = bench.stdout(output).stderr(errors).status().expect("the bench is a script");
        for line in self.words().lines() {
            let figure = |name: &str| line.strip_prefix(name)?.strip_suffix('.')?.trim().parse::<u64>().ok();
            self.promised = figure("stored ").map_or(self.promised, |stored| stored.max(self.promised));
            self.open_ms = figure("opened_ms ").map_or(self.open_ms, |took| took.max(self.open_ms));
        }
        status
    }

    fn words(&self) -> String {
        // A console ends its lines as terminals do.
        fs::read_to_string(&self.output).unwrap_or_default().replace('\r', "")
    }
}

/// On the bench: looks at what the last life left, then lives until the power fails.
fn live(disk: &Path) {
    let interface = bench::interface().expect("the bench says so");
    let mut car = Deployment::new(1);
    car.interface = interface;
    car.store = disk.join("store");
    car.write("info");
    if car.store.exists() {
        look(&car);
    }
    if std::env::var_os(LOOK_ONLY).is_some() {
        return;
    }
    let began = Instant::now();
    let mut daemon = car.start();
    daemon.says("the store is open");
    // Ended by a full stop: a line that was cut is not taken for a whole one.
    println!("\nopened_ms {} .", began.elapsed().as_millis());
    let cluster = Cluster::start(&car.interface);
    let mut stored = 0.0;
    for turn in 0_u32.. {
        cluster.set_ignition(turn % 2 == 0);
        // The supply is debounced for 500 ms.
        sleep(Duration::from_millis(600));
        let now = car.metric("telltale_lane_stored_records{lane=\"event\"}").expect("a figure of the page");
        if now > stored {
            stored = now;
            println!("stored {now} .");
        }
    }
}

/// Everything that was promised is there, and no boot has a gap.
fn look(car: &Deployment) {
    let promised = number(PROMISED).expect("the rig says so");
    let mut boots: BTreeMap<String, Vec<u32>> = BTreeMap::new();
    for record in car.stored() {
        let id = record["id"].as_str().expect("a record has an id").to_owned();
        if let Some((boot, sequence)) = id.split_once("-event-") {
            boots.entry(boot.to_owned()).or_default().push(sequence.parse().expect("a number"));
        }
    }
    let found: usize = boots.values().map(Vec::len).sum();
    println!("\nfound {found} of {promised} promised");
    assert!(found >= promised as usize, "{found} of {promised}: {boots:?}");
    for (boot, sequences) in boots {
        assert!(
            (1..).zip(&sequences).all(|(expected, sequence)| *sequence == expected),
            "{boot} has gaps: {sequences:?}"
        );
    }
}
