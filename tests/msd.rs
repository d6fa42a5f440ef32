//! The minimum set of data against vectors of others (asn1tools wrote them, pycrate and rasn agreed), and the command
//! that translates it.

#![expect(clippy::expect_used, reason = "a test fails by panicking")]

use std::io::Write as _;
use std::process::{Command, Output, Stdio};

use serde_json::{Value as Json, json};
use telltale::crash::msd::{Msd, hex};
use tempfile::TempDir;

#[path = "common/data.rs"]
mod data;
#[path = "common/telltaled.rs"]
#[expect(dead_code, reason = "another test uses the rest")]
mod program;

use program::{telltaled, text, write};

/// All of them are canonical, so each must come out of the encoder bit for bit.
#[test]
fn every_vector_decodes_to_its_values_and_encodes_to_its_bytes() {
    let vectors = vectors();
    for (number, vector) in vectors.iter().enumerate() {
        let hex = vector["hex"].as_str().expect("hex");
        let expected: Msd = serde_json::from_value(our_form(vector)).expect("values that a message can hold");
        let decoded = Msd::decode(&hex::decode(hex).expect("hex")).expect("a message");
        assert_eq!(decoded, expected, "vector {number}");
        assert_eq!(hex::encode(&expected.encode().expect("a message")), hex, "vector {number}");
    }
    if !vectors.is_empty() {
        let of = |version: u8| vectors.iter().filter(|vector| vector["version"] == version).count();
        assert_eq!((of(2), of(3)), (30, 30));
    }
}

/// Each additional data of the vectors is an incident information, and is made again from what it says.
#[test]
fn every_incident_of_the_vectors_is_understood() {
    for vector in vectors() {
        let mut form = our_form(&vector);
        if form["additional_data"].is_null() {
            continue;
        }
        let msd: Msd = serde_json::from_value(form.clone()).expect("a message");
        let json = serde_json::to_value(&msd).expect("a JSON form");
        let incident = &json["additional_data"]["incident_information"];
        assert!(incident.is_object(), "{json}");
        form["additional_data"] = json!({"oid": "8.1", "incident_information": incident});
        assert_eq!(serde_json::from_value::<Msd>(form).expect("a message"), msd);
    }
}

/// The page shows the form as the program prints it.
#[test]
fn the_example_of_the_page_is_what_comes_back() {
    let page = std::fs::read_to_string("docs/msd.md").expect("the page");
    let example = page.split("```json").nth(1).and_then(|rest| rest.split("```").next()).expect("an example");
    let msd: Msd = serde_json::from_str(example).expect("a message");
    let again = Msd::decode(&msd.encode().expect("bytes")).expect("the same message");
    let shown: Json = serde_json::from_str(example).expect("JSON");
    assert_eq!(serde_json::to_value(again).expect("a JSON form"), shown);
}

#[test]
fn the_command_translates_there_and_back() {
    let folder = TempDir::new().expect("a folder");
    let forms: Vec<String> = vectors().iter().map(|vector| format!("{:#}\n", our_form(vector))).collect();
    let vectors: Vec<String> = vectors().iter().filter_map(|vector| Some(vector["hex"].as_str()?.to_owned())).collect();
    let [first, ..] = &vectors[..] else { return };
    let encoded = telltaled(&["msd", "encode", &write(&folder, "messages.json", forms.concat())]);
    assert_code(&encoded, 0);
    assert!(text(&encoded.stdout).lines().eq(&vectors));
    let decoded = with_input(&["msd", "decode", "-"], &encoded.stdout);
    assert_code(&decoded, 0);
    assert_eq!(text(&decoded.stdout).lines().count(), vectors.len());
    let again = with_input(&["msd", "encode"], &decoded.stdout);
    assert_eq!(text(&again.stdout), text(&encoded.stdout));
    let one = telltaled(&["msd", "decode", first]);
    assert_eq!(text(&one.stdout).lines().next(), text(&decoded.stdout).lines().next());
}

#[test]
fn the_command_says_what_is_wrong() {
    let folder = TempDir::new().expect("a folder");
    for (input, why) in [
        ("", "no message"),
        ("{", "no JSON"),
        (r#"{"version": 3}"#, "missing field"),
        (r#"{"version": 4}"#, "version: version is 4"),
        (r#"{"version": 3, "message_identifier": 256}"#, "message_identifier: invalid value"),
        (r#"{"version": 3, "speed": 1}"#, "speed: unknown field"),
    ] {
        let output = telltaled(&["msd", "encode", &write(&folder, "message.json", input)]);
        assert_code(&output, 65);
        assert!(text(&output.stderr).contains(why), "{input}: {}", text(&output.stderr));
    }
    for (input, why) in [
        ("", "no message"),
        ("022", "odd"),
        ("0x02", "character 2"),
        ("0202", "end before or within msd"),
        ("0102", "version 1"),
        (&"00".repeat(141), "141 bytes"),
    ] {
        let output = with_input(&["msd", "decode", "-"], input.as_bytes());
        assert_code(&output, 65);
        assert!(text(&output.stderr).contains(why), "{input}: {}", text(&output.stderr));
    }
    assert_code(&with_input(&["msd", "encode", "-"], &vec![b' '; (1 << 20) + 1]), 65);
    assert_code(&telltaled(&["msd", "encode", "/nonexistent"]), 66);
    assert_code(&telltaled(&["msd", "decode"]), 2);
}

fn vectors() -> Vec<Json> {
    let Some(path) = data::data("msd/vectors.json") else { return Vec::new() };
    let text = std::fs::read(path).expect("the vectors can be read");
    let mut file: Json = serde_json::from_slice(&text).expect("the vectors are JSON");
    serde_json::from_value(file["vectors"].take()).expect("an array")
}

/// A vector's values, which have the names and units of the standard, in the JSON form of this project.
fn our_form(vector: &Json) -> Json {
    let structure = &vector["value"]["msdStructure"];
    let control = &structure["control"];
    let part = |name| structure["vehicleIdentificationNumber"][name].as_str().expect("text");
    let vin = ["isowmi", "isovds", "isovisModelyear", "isovisSeqPlant"].map(part).concat();
    let location = &structure["vehicleLocation"];
    let unknown = json!(i32::MAX);
    let known = |value: &Json| (*value != unknown).then(|| value.clone());
    let location = known(&location["positionLatitude"])
        .map(|latitude| json!({"latitude_mas": latitude, "longitude_mas": location["positionLongitude"]}));
    let delta = |name| {
        let steps = |value: &Json| value.as_i64().expect("a number") * 100;
        structure.get(name).map(|delta| {
            json!({
                "latitude_delta_mas": steps(&delta["latitudeDelta"]),
                "longitude_delta_mas": steps(&delta["longitudeDelta"]),
            })
        })
    };
    let additional = vector["value"].get("optionalAdditionalData").map(|additional| {
        assert_eq!(additional["oid"], "0801");
        json!({"oid": "8.1", "data_hex": additional["data"]})
    });
    json!({
        "version": vector["version"],
        "message_identifier": structure["messageIdentifier"],
        "activation": if control["automaticActivation"] == true { "automatic" } else { "manual" },
        "test_call": control["testCall"],
        "position_can_be_trusted": control["positionCanBeTrusted"],
        "vehicle_type": category(control["vehicleType"].as_str().expect("text")),
        "vin": vin,
        "propulsion": propulsion(&structure["vehiclePropulsionStorageType"]),
        "timestamp_s": structure["timestamp"].as_u64().filter(|seconds| *seconds != 0),
        "location": location,
        "direction_deg": structure["vehicleDirection"].as_u64().filter(|steps| *steps != 255).map(|steps| 2 * steps),
        "recent_location_n1": delta("recentVehicleLocationN1"),
        "recent_location_n2": delta("recentVehicleLocationN2"),
        "occupants": structure.get("numberOfOccupants").or(structure.get("numberOfPassengers")),
        "additional_data": additional,
    })
}

/// The category at the end of the standard's name: `motorcyclesClassL3e`, `lightCommercialVehiclesN1`.
fn category(name: &str) -> &str {
    if name == "otherVehicleCategory" {
        return "other";
    }
    let tail = name.rsplit_once("Class").or(name.rsplit_once("Category")).or(name.rsplit_once("Vehicles"));
    tail.expect("a category at its end").1
}

fn propulsion(flags: &Json) -> Vec<&'static str> {
    let names = [
        ("gasolineTankPresent", "gasoline"),
        ("dieselTankPresent", "diesel"),
        ("compressedNaturalGas", "compressed_natural_gas"),
        ("liquidPropaneGas", "liquid_propane_gas"),
        ("electricEnergyStorage", "electric"),
        ("hydrogenStorage", "hydrogen"),
        ("otherStorage", "other"),
    ];
    names.into_iter().filter(|(theirs, _)| flags.get(theirs) == Some(&json!(true))).map(|(_, ours)| ours).collect()
}

fn with_input(arguments: &[&str], input: &[u8]) -> Output {
    let mut program = Command::new(env!("CARGO_BIN_EXE_telltaled"))
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    program.stdin.take().expect("its input").write_all(input).expect("it reads");
    program.wait_with_output().expect("it ends")
}

fn assert_code(output: &Output, code: i32) {
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(code), "{stdout}\n{stderr}");
}
