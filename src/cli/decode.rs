//! `telltaled decode`: a candump log in, one JSON line per signal value out.
//!
//! The text of a line that its signal alone decides is made once; the rest is a time, an interface and two numbers.
//! Frames of unknown messages, signals that their frame is too short for, and lines that are no frames give no
//! output line: they are counted, and the first bad lines are named.

use std::io::{self, BufRead, BufWriter, Write};
use std::path::{Path, PathBuf};

use crate::can::candump::{self, LineError, Lines, Seconds};
use crate::can::dbc::{Dbc, Findings, Message, Signal};
use crate::can::plan::{Plan, PlanError, Raw, Sample};

use super::exit::{Code, Failure};
use super::output;

/// So many bad lines are named; the rest is counted.
const MAX_NAMED_LINES: u64 = 20;
/// A read for each line would cost more than all the rest, too.
const INPUT_BUFFER_BYTES: usize = 1 << 16;
/// Lines are some 150 bytes; a write for each would cost more than all the rest.
const OUTPUT_BUFFER_BYTES: usize = 1 << 16;

/// A database file.
#[derive(Debug, Clone, Copy)]
pub struct Database<'a> {
    /// How complaints call it.
    pub name: &'a str,
    /// Its content.
    pub bytes: &'a [u8],
}

/// What became of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Summary {
    /// Lines that are frames.
    pub frames: u64,
    /// Of these, those that no database knows, remote and error frames among them.
    pub unknown_frames: u64,
    /// Values written.
    pub values: u64,
    /// Signals that their frame was too short for.
    pub too_short: u64,
    /// Lines that are no frames.
    pub bad_lines: u64,
}

/// Why decoding ended early.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// A database is wrong; nothing was decoded. Its author must act.
    #[error("cannot read {name}:\n{findings}")]
    Database {
        /// Which one.
        name: String,
        /// Everything that is wrong with it.
        findings: Findings,
    },
    /// The databases contradict each other; nothing was decoded. Leave one of them out.
    #[error("cannot use the databases together: {0}")]
    Plan(#[from] PlanError),
    /// The log cannot be read any further.
    #[error("cannot read the log: {0}")]
    Input(#[source] io::Error),
    /// The values cannot be written: with `BrokenPipe`, the reader wants no more, and all is well.
    #[error("cannot write the values: {0}")]
    Output(#[source] io::Error),
}

/// The subcommand: reads the files, or standard input where no log or `-` is given; results go to standard output.
pub fn decode(databases: &[PathBuf], log: Option<&Path>) -> Result<(), Failure> {
    let unreadable = |path: &Path, error| Failure::new(Code::NoInput, format!("reading {}: {error}", path.display()));
    let mut files = Vec::new();
    for path in databases {
        let bytes = std::fs::read(path).map_err(|error| unreadable(path, error))?;
        files.push((path.display().to_string(), bytes));
    }
    let databases: Vec<_> = files.iter().map(|(name, bytes)| Database { name, bytes }).collect();
    let (stdout, stderr) = (io::stdout().lock(), io::stderr().lock());
    let result = match log.filter(|path| *path != Path::new("-")) {
        None => run(&databases, io::stdin().lock(), stdout, stderr),
        Some(path) => {
            let file = std::fs::File::open(path).map_err(|error| unreadable(path, error))?;
            run(&databases, io::BufReader::with_capacity(INPUT_BUFFER_BYTES, file), stdout, stderr)
        }
    };
    match result {
        Ok(Summary { frames: 0, bad_lines: 1.., .. }) => {
            Err(Failure::new(Code::Data, "no line of the log is a frame: give a candump log"))
        }
        Ok(summary) => {
            tracing::info!(?summary, "decoded");
            Ok(())
        }
        Err(DecodeError::Output(error)) => output::finish(Err(error)),
        Err(error @ (DecodeError::Database { .. } | DecodeError::Plan(_))) => Err(Failure::new(Code::Config, error)),
        Err(error @ DecodeError::Input(_)) => Err(Failure::new(Code::Io, error)),
    }
}

/// Decodes a log to its end. What is doubtful about the databases, and the first bad lines, go to `complaints`.
pub fn run(
    databases: &[Database<'_>],
    mut input: impl BufRead,
    output: impl Write,
    mut complaints: impl Write,
) -> Result<Summary, DecodeError> {
    let plan = load(databases, &mut complaints)?;
    let mut decoder = Decoder {
        texts: texts(&plan),
        plan,
        summary: Summary::default(),
        output: BufWriter::with_capacity(OUTPUT_BUFFER_BYTES, output),
        complaints,
    };
    let mut lines = Lines::default();
    loop {
        let bytes = match input.fill_buf() {
            Ok([]) => break,
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(DecodeError::Input(error)),
        };
        let mut outcome = Ok(());
        lines.feed(bytes, |number, line| {
            if outcome.is_ok() {
                outcome = decoder.line(number, line);
            }
        });
        outcome.map_err(DecodeError::Output)?;
        let taken = bytes.len();
        input.consume(taken);
    }
    let mut outcome = Ok(());
    lines.finish(|number, line| outcome = decoder.line(number, line));
    outcome.and_then(|()| decoder.output.flush()).map_err(DecodeError::Output)?;
    Ok(decoder.summary)
}

fn load(databases: &[Database<'_>], complaints: &mut impl Write) -> Result<Plan, DecodeError> {
    let mut parsed = Vec::new();
    for database in databases {
        let dbc = Dbc::parse(database.bytes)
            .map_err(|findings| DecodeError::Database { name: database.name.to_owned(), findings })?;
        for warning in dbc.warnings.iter() {
            // Complaints that nobody can read are no reason to stop.
            writeln!(complaints, "{}: {warning}", database.name).ok();
        }
        parsed.push(dbc);
    }
    Ok(Plan::compile(&parsed.iter().collect::<Vec<_>>(), |_, _| true)?)
}

/// What is the same in all lines of a signal.
struct Text {
    /// From `"id"` to `"raw":`.
    before: Vec<u8>,
    /// `,"unit":"…"`.
    unit: Vec<u8>,
    /// By raw value: `,"label":"…"`.
    labels: Vec<(i64, Vec<u8>)>,
}

fn texts(plan: &Plan) -> Vec<Text> {
    plan.messages().flat_map(|(_, message)| message.signals.iter().map(|signal| text(message, signal))).collect()
}

fn text(message: &Message, signal: &Signal) -> Text {
    let quoted = |text: &str| serde_json::Value::from(text).to_string();
    let (name, signal_name) = (quoted(&message.name), quoted(&signal.name));
    let labels = signal.labels.iter().map(|(raw, label)| (*raw, format!(",\"label\":{}", quoted(label)).into_bytes()));
    Text {
        before: format!("\"id\":\"{}\",\"message\":{name},\"signal\":{signal_name},\"raw\":", message.id).into_bytes(),
        unit: format!(",\"unit\":{}", quoted(&signal.unit)).into_bytes(),
        labels: labels.collect(),
    }
}

struct Decoder<O: Write, C> {
    plan: Plan,
    /// By signal.
    texts: Vec<Text>,
    summary: Summary,
    output: BufWriter<O>,
    complaints: C,
}

impl<O: Write, C: Write> Decoder<O, C> {
    fn line(&mut self, number: u64, line: Result<&[u8], LineError>) -> io::Result<()> {
        let line = match line.and_then(candump::parse) {
            Ok(Some(line)) => line,
            Ok(None) => return Ok(()),
            Err(error) => {
                self.complain(number, error);
                return Ok(());
            }
        };
        self.summary.frames += 1;
        let Self { plan, texts, summary, output, .. } = self;
        let Some(message) = plan.message(&line.frame) else {
            summary.unknown_frames += 1;
            return Ok(());
        };
        let mut result = Ok(());
        plan.decode_message(message, &line.frame, |signal, outcome| match outcome {
            Ok(sample) if result.is_ok() => {
                summary.values += 1;
                result = write_value(output, &line, &texts[signal.index()], sample);
            }
            Ok(_) => {}
            Err(_) => summary.too_short += 1,
        });
        result
    }

    fn complain(&mut self, number: u64, error: LineError) {
        self.summary.bad_lines += 1;
        if self.summary.bad_lines <= MAX_NAMED_LINES {
            writeln!(self.complaints, "line {number}: {error}").ok();
        }
    }
}

fn write_value(output: &mut impl Write, line: &candump::Line<'_>, text: &Text, sample: Sample) -> io::Result<()> {
    match line.time {
        Some(time) => write!(output, "{{\"t\":{},\"bus\":", Seconds(time))?,
        None => output.write_all(b"{\"t\":null,\"bus\":")?,
    }
    serde_json::to_writer(&mut *output, &line.interface)?;
    output.write_all(b",")?;
    output.write_all(&text.before)?;
    match sample.raw {
        Raw::Unsigned(raw) => serde_json::to_writer(&mut *output, &raw)?,
        Raw::Signed(raw) => serde_json::to_writer(&mut *output, &raw)?,
        // JSON knows no infinities and no NaN: these become null.
        Raw::Float(raw) => serde_json::to_writer(&mut *output, &raw)?,
        Raw::Double(raw) => serde_json::to_writer(&mut *output, &raw)?,
    }
    output.write_all(b",\"value\":")?;
    serde_json::to_writer(&mut *output, &sample.physical)?;
    output.write_all(&text.unit)?;
    let label = sample.raw.as_i64().and_then(|raw| text.labels.binary_search_by_key(&raw, |(value, _)| *value).ok());
    if let Some((_, label)) = label.and_then(|found| text.labels.get(found)) {
        output.write_all(label)?;
    }
    output.write_all(b"}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    const DBC: &[u8] = b"BO_ 291 Engine: 8 ECU\n SG_ Speed : 7|16@0- (0.5,-10) [0|0] \"km/h\" ECU\n\
        \x20SG_ Gear : 16|4@1+ (1,0) [0|0] \"\" ECU\nVAL_ 291 Gear 1 \"\xFCber\" ;\n";

    fn decode(log: &str) -> (Summary, String, String) {
        let (mut output, mut complaints) = (Vec::new(), Vec::new());
        let database = Database { name: "a.dbc", bytes: DBC };
        let summary = run(&[database], log.as_bytes(), &mut output, &mut complaints).unwrap();
        (summary, String::from_utf8(output).unwrap(), String::from_utf8(complaints).unwrap())
    }

    #[test]
    fn each_value_is_a_line() {
        let (summary, output, complaints) =
            decode("(1533224127.000013) can0 123#FFFE010000000000\n123#0003000000000000");
        let expected = "{\"t\":1533224127.000013,\"bus\":\"can0\",\"id\":\"123\",\"message\":\"Engine\",\
                        \"signal\":\"Speed\",\"raw\":-2,\"value\":-11.0,\"unit\":\"km/h\"}\n\
                        {\"t\":1533224127.000013,\"bus\":\"can0\",\"id\":\"123\",\"message\":\"Engine\",\
                        \"signal\":\"Gear\",\"raw\":1,\"value\":1.0,\"unit\":\"\",\"label\":\"über\"}\n\
                        {\"t\":null,\"bus\":null,\"id\":\"123\",\"message\":\"Engine\",\
                        \"signal\":\"Speed\",\"raw\":3,\"value\":-8.5,\"unit\":\"km/h\"}\n\
                        {\"t\":null,\"bus\":null,\"id\":\"123\",\"message\":\"Engine\",\
                        \"signal\":\"Gear\",\"raw\":0,\"value\":0.0,\"unit\":\"\"}\n";
        assert_eq!(output, expected);
        assert_eq!(complaints, "");
        assert_eq!(summary, Summary { frames: 2, values: 4, ..Summary::default() });
    }

    #[test]
    fn what_gives_no_value_is_counted() {
        let log = format!("123#00\nnonsense\n124#00\n123#R8\n{}\n", "bad\n".repeat(30));
        let (summary, output, complaints) = decode(&log);
        assert_eq!(output, "");
        let expected = Summary { frames: 3, unknown_frames: 2, values: 0, too_short: 2, bad_lines: 31 };
        assert_eq!(summary, expected);
        assert!(complaints.starts_with("line 2: the identifier is not"), "{complaints}");
        assert_eq!(complaints.lines().count(), 20);
    }

    #[test]
    fn a_wrong_database_is_named_with_its_errors() {
        let database = Database { name: "a.dbc", bytes: b"BO_ 4096 A: 8 X\nBO_ 1 A: 99 X\n" };
        let error = run(&[database], &b""[..], io::sink(), io::sink()).unwrap_err().to_string();
        assert!(error.starts_with("cannot read a.dbc:\nline 1, message A: 4096 is no"), "{error}");
        assert!(error.contains("\nline 2, message A: 99 bytes"), "{error}");
    }
}
