//! `telltaled msd encode|decode`: a minimum set of data from JSON to hex and back.

use std::fs::File;
use std::io::{self, Read, Write as _};
use std::path::Path;

use crate::crash::msd::{Msd, hex};

use super::exit::{Code, Failure};
use super::{MsdCommand, output};

/// A message has 140 bytes at most, and some 1000 in JSON: enough for many of them.
const MAX_INPUT_BYTES: u64 = 1 << 20;

/// Translates and prints.
pub(super) fn msd(command: &MsdCommand) -> Result<(), Failure> {
    match command {
        MsdCommand::Encode { file } => encode(&read(file.as_deref())?),
        MsdCommand::Decode { hex } if hex == "-" => decode(&read(None)?),
        MsdCommand::Decode { hex } => decode(hex.as_bytes()),
    }
}

fn encode(input: &[u8]) -> Result<(), Failure> {
    let documents = serde_json::Deserializer::from_slice(input).into_iter::<serde_json::Value>();
    let mut count = 0;
    for document in documents {
        count += 1;
        let fail = |error: &dyn std::fmt::Display| data_error(format!("message {count}: {error}"));
        let document = document.map_err(|error| fail(&format!("no JSON: {error}")))?;
        let msd: Msd = serde_path_to_error::deserialize(document).map_err(|error| fail(&error))?;
        let bytes = msd.encode().map_err(|error| fail(&error))?;
        output::finish(writeln!(io::stdout().lock(), "{}", hex::encode(&bytes)))?;
    }
    some_message(count)
}

fn decode(input: &[u8]) -> Result<(), Failure> {
    let mut count = 0;
    for line in String::from_utf8_lossy(input).lines().map(str::trim).filter(|line| !line.is_empty()) {
        count += 1;
        let fail = |error: &dyn std::fmt::Display| data_error(format!("message {count}: {error}"));
        let bytes = hex::decode(line).map_err(|error| fail(&error))?;
        let msd = Msd::decode(&bytes).map_err(|error| fail(&error))?;
        let json = serde_json::to_string(&msd).map_err(|error| Failure::new(Code::Software, error))?;
        output::finish(writeln!(io::stdout().lock(), "{json}"))?;
    }
    some_message(count)
}

/// Nothing in, nothing out would look like success.
fn some_message(count: u64) -> Result<(), Failure> {
    if count == 0 { Err(data_error("the input has no message".to_owned())) } else { Ok(()) }
}

fn read(file: Option<&Path>) -> Result<Vec<u8>, Failure> {
    let mut input = Vec::new();
    let limit = MAX_INPUT_BYTES + 1;
    match file.filter(|path| *path != Path::new("-")) {
        None => {
            let read = io::stdin().lock().take(limit).read_to_end(&mut input);
            read.map_err(|error| Failure::new(Code::Io, format!("reading standard input: {error}")))?;
        }
        Some(path) => {
            let read = File::open(path).and_then(|file| file.take(limit).read_to_end(&mut input));
            read.map_err(|error| Failure::new(Code::NoInput, format!("reading {}: {error}", path.display())))?;
        }
    }
    if input.len() as u64 > MAX_INPUT_BYTES {
        return Err(data_error(format!("the input has more than {MAX_INPUT_BYTES} bytes: give fewer messages")));
    }
    Ok(input)
}

fn data_error(text: String) -> Failure {
    Failure::new(Code::Data, text)
}
