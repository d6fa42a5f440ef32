//! Configuration: what is right is built, what is wrong is refused with everything that is wrong.
#![expect(clippy::panic, reason = "a test fails by panicking")]

#[path = "common/small_profile.rs"]
mod small_profile;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use telltale::config::{self, Config, GnssSource, Listen, Problems, Realtime, Secret};

use small_profile::{BODY, DBC, HEAD};

const DEPLOYMENT: &str = r#"
schema = 1
profile = "p"
[vehicle]
id = "car-1"
[bus.pt]
interface = "can0"
[broker]
host = "localhost"
"#;

fn load(deployment: &str, profile: &str, dbc: &str) -> Result<Config, Problems> {
    let files: BTreeMap<PathBuf, &str> = [("d/t.toml", deployment), ("d/p/profile.toml", profile), ("d/p/a.dbc", dbc)]
        .map(|(path, text)| (PathBuf::from(path), text))
        .into();
    Config::load(Path::new("d/t.toml"), &|path| {
        files.get(path).map(|text| text.as_bytes().to_vec()).ok_or_else(|| io::ErrorKind::NotFound.into())
    })
}

fn deployment(text: &str) -> Result<Config, Problems> {
    load(text, &format!("{HEAD}{BODY}"), DBC)
}

/// The problems of the profile that is made of `HEAD`, these lines, and the DBC file.
fn profile_problems(lines: &str) -> Vec<String> {
    match small_profile::load(&format!("{HEAD}{lines}"), DBC) {
        Ok(_) => Vec::new(),
        Err(problems) => problems.list().iter().map(ToString::to_string).collect(),
    }
}

#[test]
fn the_example_deployment_and_the_project_s_profiles_are_right() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("systemd/telltale.toml");
    let config = Config::load(&file, &|path| std::fs::read(path)).unwrap_or_else(|problems| panic!("{problems}"));
    let names: Vec<&str> = config.profile.buses.iter().map(|bus| bus.name.as_str()).collect();
    let order: Vec<&str> = config.deployment.buses.iter().map(|bus| bus.bus.as_str()).collect();
    assert_eq!(names, order);
    assert_eq!(config.deployment.broker.port, 8883);
    let tls = config.deployment.broker.tls.as_ref().expect("the example has TLS");
    let (_, key) = tls.client.as_ref().expect("the example has a client certificate");
    assert_eq!(*key, Secret::Credential("client.key".to_owned()));
    assert_eq!(config.deployment.metrics, Some(Listen::Tcp(([127, 0, 0, 1], 9108).into())));
    let description = config::describe(&config);
    for signal in &config.profile.signals {
        assert!(description.contains(&signal.path), "{} is not described", signal.path);
    }
}

#[test]
fn what_is_left_out_has_its_default() {
    let config = deployment(DEPLOYMENT).unwrap_or_else(|problems| panic!("{problems}"));
    let settings = config.deployment;
    assert_eq!(settings.profile, Path::new("d/p"));
    assert_eq!((settings.broker.port, settings.broker.client_id.as_str()), (1883, "telltale-car-1"));
    assert_eq!(settings.broker.keep_alive, Duration::from_secs(60));
    assert_eq!((settings.store.path.as_path(), settings.store.limit_mib), (Path::new("/var/lib/telltale"), 32));
    assert_eq!((settings.gnss, settings.metrics, settings.log_filter.as_str()), (None, None, "info"));
    assert_eq!(settings.realtime, Realtime { priority: None, lock_memory: false });
    let text = DEPLOYMENT.to_owned() + "[gnss]\ndevice = \"/dev/gnss0\"\n";
    let gnss = deployment(&text).unwrap_or_else(|problems| panic!("{problems}")).deployment.gnss;
    assert_eq!(gnss, Some(GnssSource::Serial { device: "/dev/gnss0".into(), baud: 9600 }));
}

#[test]
fn the_description_says_what_becomes_of_each_signal() {
    let config = deployment(DEPLOYMENT).unwrap_or_else(|problems| panic!("{problems}"));
    let text = config::describe(&config);
    for line in [
        "bus pt on can0",
        "  100 Cyclic, 8 bytes: stale after 100 ms, checksum e2e-p01, counter",
        "    Speed [km/h] -> Vehicle.Speed [km/h]: state/driving, telemetry every 1000 ms, dead-band 0.5",
        "    Odometer [km] x 1000 -> Vehicle.TraveledDistance [m]: for the services only",
        "    Lamp by 3 mapped values -> Vehicle.Telltale.Abs: state/telltales",
        "  200 OnChange, 2 bytes: sent on change",
        "state/driving at most every 5000 ms",
    ] {
        assert!(text.lines().any(|printed| printed == line), "{line:?} is missing in\n{text}");
    }
    assert!(
        text.contains("Vehicle.CurrentLocation.Latitude [degrees]: state/location, telemetry every 1000 ms, held back")
    );
}

#[test]
fn a_profile_has_one_hash_and_any_change_another() {
    let one = small_profile::small().hash;
    assert_eq!(one, small_profile::small().hash);
    let profile = format!("{HEAD}{BODY}");
    for (profile, dbc) in [(profile.clone() + "#\n", DBC.to_owned()), (profile, DBC.replace("0.01", "0.02"))] {
        let other = small_profile::load(&profile, &dbc).unwrap_or_else(|problems| panic!("{problems}"));
        assert_ne!(one, other.hash);
    }
}

#[test]
fn a_bus_is_filtered_only_when_all_that_is_mapped_is_cyclic() {
    let bus = telltale::can::BusId(0);
    assert!(small_profile::small().filters(bus).is_empty(), "one message is sent on change");
    let cyclic = format!("{HEAD}{BODY}[[message]]\nname = \"pt.OnChange\"\nperiod_ms = 1000\n");
    let profile = small_profile::load(&cyclic, DBC).unwrap_or_else(|problems| panic!("{problems}"));
    let ids: Vec<u32> = profile.filters(bus).iter().map(|id| id.raw()).collect();
    assert_eq!(ids, [0x100, 0x200, 0x300]);
}

/// Lines behind the head, the line among them that is wrong, and what is said of it.
#[test]
fn every_mistake_in_a_profile_is_named_with_its_line_and_a_remedy() {
    let speed = "[[signal]]\npath = \"Vehicle.Speed\"\nfrom = \"pt.Cyclic.Speed\"\n";
    let cases = [
        (format!("{speed}sclae = 2\n"), 4, "unknown key sclae; did you mean \"scale\"?"),
        (format!("{speed}scale = \"2\"\n"), 4, "scale must be a finite number; it is a TOML string"),
        (format!("{speed}scale = 0\n"), 4, "scale is 0, which makes every value the same; give another"),
        (format!("{speed}telemetry_ms = 5\n"), 4, "telemetry_ms is 5; give a number from 10 to 3600000"),
        (format!("{speed}range = [0, nan]\n"), 4, "range has an entry that is not a number; correct it"),
        (format!("{speed}range = [5, 1]\n"), 4, "range must be [min, max] with min at most max"),
        (format!("{speed}state = \"A/b\"\n"), 4, "state must be a group name: 1 to 32 of a-z 0-9 -"),
        (format!("{speed}not_available = [65536]\n"), 4, "not_available: raw 65536 cannot occur in Speed; remove it"),
        (format!("{speed}{speed}"), 5, "already mapped in line 9; one path has one source, remove one of the two"),
        (speed.replace("Speed\"\nf", "Sped\"\nf"), 2, "did you mean \"Vehicle.Speed\"?"),
        (speed.replace("Cyclic.Speed", "Cyclic.Sped"), 3, "has no signal Sped; did you mean \"Speed\"?"),
        (speed.replace("Cyclic", "Cyclc"), 3, "bus \"pt\" has no message Cyclc; did you mean \"Cyclic\"?"),
        (speed.replace("pt.", "tp."), 3, "there is no bus \"tp\"; add a [[bus]] of that name"),
        (speed.replace("pt.", ""), 3, "must be \"bus.MESSAGE.SIGNAL\" or \"gnss\""),
        (speed.replace("pt.Cyclic.Speed", "gnss"), 3, "from = \"gnss\" is for Vehicle.CurrentLocation with Latitude"),
        (
            "[[signal]]\npath = \"Vehicle.Telltale.Abs\"\nfrom = \"pt.Paged.Lamp\"\nmap = { 0 = \"OF\" }\n".to_owned(),
            4,
            "\"OF\" is not an allowed value; did you mean \"OFF\"?",
        ),
        (
            "[[signal]]\npath = \"Vehicle.Telltale.Abs\"\nfrom = \"pt.Paged.Lamp\"\n".to_owned(),
            2,
            "a string needs map = { raw = \"…\" } to OFF, ON, FLASHING",
        ),
        (
            "[[signal]]\npath = \"Vehicle.IsMoving\"\nfrom = \"pt.Cyclic.Door\"\nmap = { 0 = 1, 4 = true }\n"
                .to_owned(),
            4,
            "map: the path is a boolean; map to such values",
        ),
        (
            "[[message]]\nname = \"pt.Cyclic\"\nstale_after = 3\n".to_owned(),
            3,
            "stale_after counts periods; add period_ms",
        ),
        (
            "[[message]]\nname = \"pt.Cyclic\"\nchecksum = { kind = \"crc\", signal = \"Crc\" }\n".to_owned(),
            3,
            "kind \"crc\" is unknown; one of toyota, e2e-p01, e2e-p02",
        ),
        (
            "[[message]]\nname = \"pt.Cyclic\"\nchecksum = { kind = \"toyota\", signal = \"Crc\" }\n".to_owned(),
            3,
            "checksum: Crc must be the last byte of the message",
        ),
        (
            "[[message]]\nname = \"pt.Cyclic\"\ncounter = { signal = \"Alive\", modulus = 17 }\n".to_owned(),
            3,
            "a counter of 17 values does not fit its bits",
        ),
        ("[vehicle]\npropulsion = [\"petrol\"]\n".to_owned(), 2, "propulsion \"petrol\" is unknown; one of gasoline"),
        (
            "[[overlay]]\npath = \"Vehicle.Speed\"\ndatatype = \"float\"\ndescription = \"x\"\n".to_owned(),
            2,
            "VSS or Telltale's overlay has this path already; remove the entry and use that",
        ),
        ("colour = 1\n".to_owned(), 1, "unknown key colour"),
    ];
    let head_lines = HEAD.lines().count();
    for (lines, line, expected) in cases {
        let problems = profile_problems(&lines);
        let place = format!("p/profile.toml:{}: ", head_lines + line);
        let found = problems.iter().any(|problem| problem.starts_with(&place) && problem.contains(expected));
        assert!(found, "{lines}\nwanted {place}…{expected}\nfound {problems:#?}");
    }
}

#[test]
fn all_problems_of_all_files_come_at_once() {
    let profile = format!("{HEAD}{BODY}\n[[signal]]\npath = \"Vehicle.Sped\"\nfrom = \"pt.Cyclic.Speed\"\nsacle = 1\n");
    let dbc = DBC.replace("SG_ Gear : 32|4@1+ (1,0)", "SG_ Gear : 62|4@1+ (0,0)");
    let settings =
        DEPLOYMENT.replace("can0", "an/interface").replace("[bus.pt]", "[bus.tp]") + "[store]\nlimit_mib = 65\n";
    let problems = load(&settings, &profile, &dbc).expect_err("everything is wrong");
    let text = problems.to_string();
    for expected in [
        "d/t.toml:7: [bus.tp]: interface is not a name that Linux allows",
        "d/t.toml:11: [store]: limit_mib is 65; give a number from 4 to 64",
        "signal \"Vehicle.Sped\": not in VSS 6.0 as built in, nor in an overlay; did you mean \"Vehicle.Speed\"?",
        "signal \"Vehicle.Sped\": unknown key sacle; did you mean \"scale\"?",
        "d/p/a.dbc:7: message Cyclic, signal Gear:",
    ] {
        assert!(text.contains(expected), "{expected} is missing in\n{text}");
    }
}

#[test]
fn a_deployment_file_never_exposes_anything() {
    let remote = DEPLOYMENT.replace("localhost", "broker.example.com");
    let cases = [
        (remote.clone(), "is not this machine, and there is no [broker.tls]"),
        (format!("{DEPLOYMENT}insecure_plaintext = true\n[broker.tls]\nca = \"/ca\"\n"), "exclude each other"),
        (format!("{DEPLOYMENT}[broker.tls]\nca = \"-----BEGIN CERTIFICATE-----\"\n"), "never holds the secret itself"),
        (format!("{DEPLOYMENT}username = \"u\"\npassword = \"geheim\"\n"), "never holds the secret itself"),
        (format!("{DEPLOYMENT}[broker.tls]\nca = \"credential:../x\"\n"), "a credential's name is"),
        (format!("{DEPLOYMENT}[broker.tls]\nca = \"/ca\"\nkey = \"/k\"\n"), "certificate and key belong together"),
        (format!("{DEPLOYMENT}[metrics]\nlisten = \"0.0.0.0:9108\"\n"), "metrics are for this machine only"),
        (DEPLOYMENT.replace("car-1", "car/+"), "id must be 1 to 64 of A-Z a-z 0-9 - _ ."),
        (DEPLOYMENT.replace("car-1", ""), "id must be 1 to 64 of A-Z a-z 0-9 - _ ."),
        (format!("{DEPLOYMENT}[gnss]\nfile = \"/f\"\ndevice = \"/d\"\n"), "give either device (with baud) or file"),
        (format!("{DEPLOYMENT}[bus.pt2]\ninterface = \"can0\"\n"), "interface can0 is that of bus pt already"),
        (DEPLOYMENT.replace("[bus.pt]", "[bus.pr]"), "bus pt of profile small has no interface; add [bus.pt]"),
        (format!("{DEPLOYMENT}[realtime]\npriority = 100\n"), "priority is 100; give a number from 1 to 99"),
        (format!("{DEPLOYMENT}port = 1 1\n"), "not TOML"),
    ];
    for (text, expected) in cases {
        let problems = deployment(&text).expect_err(expected).to_string();
        assert!(problems.contains(expected), "{expected} is missing in\n{problems}");
        assert!(!problems.contains("geheim"), "a secret that was put in by mistake must not be repeated");
    }
    let insecure = remote + "insecure_plaintext = true\n";
    assert!(deployment(&insecure).is_ok());
}

#[test]
fn a_profile_cannot_reach_out_of_its_folder() {
    for name in ["../a.dbc", "/etc/passwd", "x/../../a.dbc", "", "./a.dbc/.."] {
        let profile = HEAD.replace("a.dbc", name) + BODY;
        let problems = small_profile::load(&profile, DBC).expect_err(name).to_string();
        assert!(problems.contains("must be a file inside of the profile's folder"), "{name}: {problems}");
    }
}

/// The page's example is right, and each of its errors is what is really printed.
#[test]
fn the_documentation_holds() {
    let page = include_str!("../docs/vehicle-profiles.md");
    let blocks: Vec<&str> = page.split("```").collect();
    let example = blocks.iter().find_map(|block| block.strip_prefix("toml\n")).expect("an example");
    let powertrain = "BU_: X\nBO_ 418 WHEELS: 8 X\n SG_ CRC : 0|8@1+ (1,0) [0|0] \"\" X\n \
        SG_ ALIVE : 8|4@1+ (1,0) [0|0] \"\" X\n SG_ SPEED : 16|16@1+ (0.01,0) [0|0] \"km/h\" X\n\
        BO_ 419 CLUSTER: 8 X\n SG_ ODOMETER : 0|20@1+ (1,0) [0|0] \"km\" X\n SG_ MIL : 24|2@1+ (1,0) [0|0] \"\" X\n";
    let body = "BU_: X\nBO_ 500 DOORS: 8 X\n SG_ DOOR_FL : 0|1@1+ (1,0) [0|0] \"\" X\n \
        SG_ TOW_HITCH : 1|1@1+ (1,0) [0|0] \"\" X\n\
        BO_ 501 IMPACT: 8 X\n SG_ ACCEL_X0 : 0|16@1- (0.02,0) [0|0] \"m/s^2\" X\n \
        SG_ ACCEL_Y0 : 16|16@1- (0.02,0) [0|0] \"m/s^2\" X\n SG_ ACCEL_X1 : 32|16@1- (0.02,0) [0|0] \"m/s^2\" X\n \
        SG_ ACCEL_Y1 : 48|16@1- (0.02,0) [0|0] \"m/s^2\" X\n";
    let read = |toml: String| {
        config::Profile::load(Path::new("profiles/my-car"), &move |path| match path
            .file_name()
            .and_then(|name| name.to_str())
        {
            Some("profile.toml") => Ok(toml.clone().into_bytes()),
            Some("powertrain.dbc") => Ok(powertrain.into()),
            Some("body.dbc") => Ok(body.into()),
            _ => Err(io::ErrorKind::NotFound.into()),
        })
    };
    let profile = read(example.to_owned()).unwrap_or_else(|problems| panic!("{problems}"));
    assert_eq!((profile.signals.len(), profile.inertial.len()), (6, 1));

    let wrong = example.to_owned()
        + "\n[[signal]]\npath = \"Vehicle.Sped\"\nfrom = \"pt.WHEELS.SPEED\"\n\
           [[signal]]\npath = \"Vehicle.Speed\"\nfrom = \"pt.WHEELS.SPEED\"\n\
           [[signal]]\npath = \"Vehicle.AverageSpeed\"\nfrom = \"pt.WHEELS.SPED\"\n";
    let problems = read(wrong).expect_err("three mistakes").to_string();
    let shown = blocks.iter().find(|block| block.contains("profile.toml:")).expect("sample errors");
    assert_eq!(problems, shown.trim());
}

/// Every lamp stands in the page, with its colour.
#[test]
fn the_documentation_names_every_lamp() {
    let page = include_str!("../docs/vehicle-profiles.md");
    for lamp in telltale::signals::overlay::TELLTALES {
        let row = format!("| `{}` | {} | {} |", lamp.name, lamp.color.name(), lamp.meaning);
        assert!(page.contains(&row), "the page lacks\n{row}");
    }
}
