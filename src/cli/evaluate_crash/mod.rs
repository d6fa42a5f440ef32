//! `telltaled evaluate-crash`: thousands of crashes and what only looks like one, through the sensors of profiles and
//! the classifier, counted.

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;

use crate::config::Profile;
use crate::sim::crash::{Case, Class, Rig};
use crate::sim::evaluation::{self, Finding, Goals, Judged, Plan, Results};

use super::exit::{Code, Failure};
use super::output;

mod recordings;

use recordings::Recordings;

/// No threshold was chosen with its cases in view, and docs/crash.md has its figures.
const DEFAULT_SEED: u64 = 47;

/// Samplings of a recording at most: some minutes' work.
const MAX_SAMPLINGS: i64 = 1_000;

/// Which cases, which cars, and where the results go.
#[derive(Debug, Args)]
pub struct EvaluateCrash {
    /// The seed that all cases follow from.
    #[arg(long, default_value_t = DEFAULT_SEED)]
    seed: u64,
    /// Crashes, spread evenly over their classes.
    #[arg(long, value_name = "N", default_value_t = 18_000)]
    crashes: u32,
    /// Cases that are no crash, likewise.
    #[arg(long, value_name = "N", default_value_t = 20_000)]
    quiet: u32,
    /// A profile's folder; repeat it for others.
    #[arg(long, value_name = "FOLDER", default_values = ["profiles/demo-phev", "profiles/toyota-rav4"])]
    profile: Vec<PathBuf>,
    /// The folder of the real recordings, which are put before the classifier too and must all be there; else the one
    /// that `TELLTALE_DATA` names, of which those count that are there. With `--crashes 0 --quiet 0` they count alone.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Samples each recorded series so often, each time with other clocks and other noise of the sensors.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=MAX_SAMPLINGS))]
    samplings: u32,
    /// Draws the figures into that folder.
    #[arg(long, value_name = "DIR")]
    svg: Option<PathBuf>,
    /// JSON lines instead of tables.
    #[arg(long)]
    json: bool,
    /// One case alone, by its name: every word of the classifier on it as a JSON line.
    #[arg(long, value_name = "CASE", conflicts_with_all = ["crashes", "quiet", "data", "samplings", "svg", "json"])]
    only: Option<String>,
    /// Writes the car's motion in that case, as `telltaled classify` reads it.
    #[arg(long, value_name = "FILE", requires = "only")]
    csv: Option<PathBuf>,
}

/// The subcommand; fails where the goals are missed.
pub(super) fn evaluate_crash(arguments: &EvaluateCrash) -> Result<(), Failure> {
    let profiles = arguments.profile.iter().map(|folder| load(folder)).collect::<Result<Vec<_>, _>>()?;
    let rigs: Vec<Rig> = profiles.iter().map(Rig::new).collect();
    if let Some(name) = &arguments.only {
        return only(arguments, name, &rigs);
    }
    // First, so that a long evaluation does not end with a file that is missing.
    let recordings = Recordings::read(arguments.data.as_deref(), &profiles)?;
    if arguments.samplings > 1 && recordings.are_none() {
        let text = "--samplings samples recordings, and there are none; name their folder with --data".to_owned();
        return Err(Failure::new(Code::Usage, text));
    }
    let plan = Plan { seed: arguments.seed, crashes: arguments.crashes, quiet: arguments.quiet };
    // A thread for each car: they share nothing but the plan.
    let results = std::thread::scope(|scope| {
        let cars: Vec<_> = rigs.iter().map(|rig| scope.spawn(move || evaluated(rig, plan))).collect();
        cars.into_iter().map(|car| car.join().map_err(|_| defect())).collect::<Result<Vec<_>, _>>()
    })?;
    for results in &results {
        print(results, arguments.json)?;
    }
    let findings = recordings.findings(&profiles, &rigs, arguments.seed, arguments.samplings)?;
    // Without any case nobody asks for the goals, unless there is nothing else to ask for.
    let is_about_recordings = plan.crashes == 0 && plan.quiet == 0 && !findings.is_empty();
    let mut missed = if is_about_recordings { Vec::new() } else { results.iter().flat_map(missed).collect() };
    report(&findings, arguments.json, &mut missed)?;
    if let Some(folder) = &arguments.svg {
        draw(folder, &results, arguments.seed)?;
    }
    if missed.is_empty() { Ok(()) } else { Err(Failure::new(Code::Missed, missed.join("\n"))) }
}

fn print(results: &Results, is_json: bool) -> Result<(), Failure> {
    if !is_json {
        return output::finish(writeln!(io::stdout().lock(), "{}", evaluation::text(results)));
    }
    evaluation::json(results).iter().try_for_each(output::line)
}

/// The goals that are not met, one sentence each. A goal that no case measured is not met.
fn missed(results: &Results) -> Vec<String> {
    let judged = Goals::STATED.judge(results).into_iter().filter(|judged| judged.is_met != Some(true));
    judged.map(|judged| format!("{}: {judged}{}", results.profile, remedy(&judged))).collect()
}

fn remedy(judged: &Judged) -> &'static str {
    if judged.is_met.is_none() { "; give more --crashes and --quiet" } else { "" }
}

fn draw(folder: &Path, results: &[Results], seed: u64) -> Result<(), Failure> {
    std::fs::create_dir_all(folder)
        .map_err(|error| Failure::new(Code::Io, format!("making {}: {error}", folder.display())))?;
    let figures = evaluation::figures(results, seed);
    figures.iter().try_for_each(|figure| write(&folder.join(&figure.name), &figure.text))
}

/// All cases in one car.
fn evaluated(rig: &Rig, plan: Plan) -> Results {
    let outcomes = plan.cases().map(|(class, number)| evaluation::examine(rig, &Case::new(plan.seed, class, number)));
    Results { profile: rig.name.clone(), range: rig.range(), outcomes: outcomes.collect() }
}

fn defect() -> Failure {
    Failure::new(Code::Software, "the evaluation failed in a way that it must not; report the seed and the counts")
}

fn load(folder: &Path) -> Result<Profile, Failure> {
    Profile::load(folder, &|path| std::fs::read(path)).map_err(|problems| Failure::new(Code::Config, problems))
}

/// Prints them; what is not as it should be is added to what is missed.
fn report(findings: &[Finding], is_json: bool, missed: &mut Vec<String>) -> Result<(), Failure> {
    for finding in findings {
        let Finding { name, profile, samplings, right, crashes, faulty, suspicions, text } = finding;
        if is_json {
            output::line(&json!({"profile": profile, "row": "recording", "recording": name,
                "is_right": finding.is_right(), "samplings": samplings, "right": right, "crashes": crashes,
                "faulty": faulty, "suspicions": suspicions, "text": text}))?;
        } else {
            let mark = if finding.is_right() { "as it should be" } else { "WRONG" };
            let counts = format!("crash {crashes}/{samplings}, fault {faulty}/{samplings}, suspicions {suspicions}");
            output::finish(writeln!(io::stdout().lock(), "{profile:<14}{name:<24}{mark:<17}{counts}: {text}"))?;
        }
        if !finding.is_right() {
            let wrong = samplings - right;
            missed.push(format!("{profile}: {name}: not as it should be in {wrong}/{samplings} samplings: {text}"));
        }
    }
    Ok(())
}

/// One case: what each car's classifier says, word by word.
fn only(arguments: &EvaluateCrash, name: &str, rigs: &[Rig]) -> Result<(), Failure> {
    let found = name.rsplit_once('-').and_then(|(class, number)| Some((Class::named(class)?, number.parse().ok()?)));
    let (class, number) = found.ok_or_else(|| {
        Failure::new(Code::Usage, format!("there is no case {name}; give a class and a number, offset-17 for example"))
    })?;
    let case = Case::new(arguments.seed, class, number);
    let crash = case.crash.map(|crash| {
        json!({"contact_s": crash.contact_s, "delta_v_kmh": crash.delta_v_mps * 3.6, "pdof_deg": crash.pdof_deg,
            "pulse_ms": crash.pulse_s * 1e3, "rolls_over": crash.rolls_over, "impacts": crash.impacts})
    });
    output::line(&json!({"case": name, "seed": arguments.seed, "variant": case.variant, "event_s": case.event_s(),
        "duration_s": case.duration_s(), "crash": crash}))?;
    for rig in rigs {
        let (words, faults) = evaluation::words(rig, &rig.perceive(&case));
        for word in words {
            let verdict = format!("{:?}", word.verdict);
            output::line(
                &json!({"profile": rig.name, "said_s": word.said_s, "stage": format!("{:?}", word.verdict.stage),
                "after_contact_ms": case.crash.map(|crash| (word.said_s - crash.contact_s) * 1e3), "verdict": verdict}),
            )?;
        }
        for fault in faults {
            output::line(&json!({"profile": rig.name, "fault": format!("{:?}", fault.kind), "sensor": fault.sensor.0,
                "axis": fault.axis, "at_s": Rig::time_s(fault.at)}))?;
        }
    }
    arguments.csv.as_deref().map_or(Ok(()), |file| csv(file, &case))
}

/// The car's motion at 5 kHz around its event and 1 kHz elsewhere.
fn csv(file: &Path, case: &Case) -> Result<(), Failure> {
    let mut text = String::from("t_s,ax_mps2,ay_mps2,az_mps2,roll_dps,pitch_dps,yaw_dps\n");
    for moment in case.moments(0.0, 0.001) {
        let ([x, y, z], [roll, pitch, yaw]) = (moment.force, moment.rates);
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{:.4},{x:.4},{y:.4},{z:.4},{roll:.3},{pitch:.3},{yaw:.3}", moment.time_s);
    }
    write(file, &text)
}

fn write(file: &Path, text: &str) -> Result<(), Failure> {
    std::fs::write(file, text).map_err(|error| Failure::new(Code::Io, format!("writing {}: {error}", file.display())))
}
