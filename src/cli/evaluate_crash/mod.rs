//! `telltaled evaluate-crash`: thousands of crashes and what only looks like one, through the sensors of profiles and
//! the classifier, counted.

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;

use crate::config::Profile;
use crate::sim::crash::{Case, Class, Rig};
use crate::sim::evaluation::{self, Finding, Goals, LAYOUTS, Plan, Recording, Results, Wanted};

use super::exit::{Code, Failure};
use super::output;

/// Which cases, which cars, and where the results go.
#[derive(Debug, Args)]
pub struct EvaluateCrash {
    /// The seed that all cases follow from.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Crashes, spread evenly over their classes.
    #[arg(long, value_name = "N", default_value_t = 2_000)]
    crashes: u32,
    /// Cases that are no crash, likewise.
    #[arg(long, value_name = "N", default_value_t = 20_000)]
    quiet: u32,
    /// A profile's folder; repeat it for others.
    #[arg(long, value_name = "FOLDER", default_values = ["profiles/demo-phev", "profiles/toyota-rav4"])]
    profile: Vec<PathBuf>,
    /// The folder of the real recordings, which are put before the classifier too where they are there; else the one
    /// that `TELLTALE_DATA` names.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Draws the figures into that folder.
    #[arg(long, value_name = "DIR")]
    svg: Option<PathBuf>,
    /// JSON lines instead of tables.
    #[arg(long)]
    json: bool,
    /// One case alone, by its name: every word of the classifier on it as a JSON line.
    #[arg(long, value_name = "CASE")]
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
    let plan = Plan { seed: arguments.seed, crashes: arguments.crashes, quiet: arguments.quiet };
    // A thread for each car: they share nothing but the plan.
    let results = std::thread::scope(|scope| {
        let cars: Vec<_> = rigs.iter().map(|rig| scope.spawn(move || evaluated(rig, plan))).collect();
        cars.into_iter().map(|car| car.join().map_err(|_| defect())).collect::<Result<Vec<_>, _>>()
    })?;
    let mut missed = Vec::new();
    for results in &results {
        if arguments.json {
            for row in evaluation::json(results) {
                output::line(&row)?;
            }
        } else {
            output::finish(writeln!(io::stdout().lock(), "{}", evaluation::text(results)))?;
        }
        missed.extend(Goals::STATED.missed(results));
    }
    let data = arguments.data.clone().or_else(|| std::env::var_os("TELLTALE_DATA").map(PathBuf::from));
    let findings = data.map_or_else(Vec::new, |data| recordings(&data, &profiles, &rigs, arguments.seed));
    report(&findings, arguments.json, &mut missed)?;
    if let Some(folder) = &arguments.svg {
        std::fs::create_dir_all(folder)
            .map_err(|error| Failure::new(Code::Io, format!("making {}: {error}", folder.display())))?;
        for figure in evaluation::figures(&results, arguments.seed) {
            write(&folder.join(figure.name), &figure.text)?;
        }
    }
    if missed.is_empty() { Ok(()) } else { Err(Failure::new(Code::Missed, missed.join("\n"))) }
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

/// The real recordings, as far as they are there.
fn recordings(data: &Path, profiles: &[Profile], rigs: &[Rig], seed: u64) -> Vec<Finding> {
    let mut findings = Vec::new();
    for layout in &LAYOUTS {
        let Ok(text) = std::fs::read_to_string(data.join(layout.file)) else { continue };
        let Some(recording) = Recording::read(layout, &text) else { continue };
        findings.extend(
            rigs.iter().map(|rig| evaluation::find(rig, recording.name, recording.wanted, &recording.heard(rig, seed))),
        );
    }
    // The drive of one car, which only its own profile can read.
    let own = profiles.iter().zip(rigs).find(|(profile, _)| profile.name == "toyota-rav4");
    let files = ["can/rav4_2016_wheel_speed.csv", "can/rav4_2016_gnss.csv"];
    let [wheels, gnss] = files.map(|file| std::fs::read_to_string(data.join(file)).unwrap_or_default());
    if let (Some((profile, rig)), Ok(log)) = (own, std::fs::read(data.join("can/rav4_2016.log"))) {
        let wheels = evaluation::columns(&wheels, &[1, 2, 3, 4]);
        let heard = evaluation::drive(profile, &log, &wheels, &evaluation::columns(&gnss, &[3]));
        findings.push(evaluation::find(rig, "RAV4, a drive", Wanted::Quiet, &heard));
    }
    findings
}

/// Prints them; what is not as it should be is added to what is missed.
fn report(findings: &[Finding], is_json: bool, missed: &mut Vec<String>) -> Result<(), Failure> {
    for Finding { name, profile, is_right, text } in findings {
        if is_json {
            output::line(&json!({"profile": profile, "row": "recording", "recording": name, "is_right": is_right,
                "text": text}))?;
        } else {
            let mark = if *is_right { "as it should be" } else { "WRONG" };
            output::finish(writeln!(io::stdout().lock(), "{profile:<14}{name:<24}{mark:<17}{text}"))?;
        }
        if !is_right {
            missed.push(format!("{profile}: {name}: {text}"));
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
