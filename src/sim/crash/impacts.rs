//! The crashes. Durations and peaks are those of the table in the module's documentation.

use crate::crash::Restraint;

use super::play::GRAVITY;
use super::scene::{Hit, KMH, Scene};
use super::wave::{Shape, Wave};
use super::{Class, Crash};

/// From here on an impact may bend metal into the wheels.
const SEVERE_KMH: f32 = 25.0;

/// Writes a crash of that class.
pub(super) fn write(class: Class, scene: &mut Scene) -> Crash {
    match class {
        Class::Offset => {
            let (kmh, duration_s) = (scene.skewed(15.0, 70.0), scene.rng.between(0.1, 0.13));
            let pdof_deg = scene.sign() * scene.rng.between(2.0, 20.0);
            let spin = scene.rng.between(0.5, 1.5);
            ahead(scene, kmh, duration_s, pdof_deg, spin)
        }
        Class::SmallOverlap => {
            let (kmh, duration_s) = (scene.skewed(15.0, 75.0), scene.rng.between(0.12, 0.14));
            // Over 399 of them the median is 26°.
            let pdof_deg = scene.sign() * (26.0 + 6.0 * scene.rng.gauss()).clamp(10.0, 42.0);
            let spin = scene.rng.between(1.5, 4.0);
            ahead(scene, kmh, duration_s, pdof_deg, spin)
        }
        Class::Side => side(scene, 15.0, 45.0),
        Class::Pole => pole(scene),
        Class::Rear => behind(scene, 15.0, 45.0),
        Class::Multiple => multiple(scene),
        Class::Rollover => rollover(scene),
        Class::LowSpeed => low_speed(scene),
        _ => {
            let (kmh, duration_s) = (scene.skewed(15.0, 80.0), scene.rng.between(0.08, 0.12));
            let pdof_deg = scene.rng.gauss() * 4.0;
            let spin = scene.rng.between(0.0, 0.2);
            ahead(scene, kmh, duration_s, pdof_deg, spin)
        }
    }
}

/// Something in front: a wall, another car. The driver may have braked. `spin` is °/s per km/h.
fn ahead(scene: &mut Scene, kmh: f32, duration_s: f32, pdof_deg: f32, spin: f32) -> Crash {
    let delta_v_mps = kmh / KMH;
    // A wall takes all of the speed and gives some of it back; another car may take less.
    let rebound = scene.rng.between(0.05, 0.3);
    let impact_mps =
        if scene.chance(0.5) { delta_v_mps / (1.0 + rebound) } else { delta_v_mps * scene.rng.between(0.9, 2.0) };
    let at_s = approach(scene, impact_mps);
    let hit = Hit { at_s, delta_v_mps, pdof_deg, duration_s };
    scene.variant = format!("{kmh:.0} km/h from {:.0} km/h", impact_mps * KMH);
    scene.strike(hit);
    scene.spin(hit, -pdof_deg.signum() * spin * kmh);
    scene.drift(at_s + 0.02, kmh > SEVERE_KMH);
    scene.restrain(hit, Restraint::Front);
    scene.cut_power(hit);
    crash(hit)
}

/// Drives to a place where the speed is that of the impact; 60 % brake before it.
fn approach(scene: &mut Scene, impact_mps: f32) -> f32 {
    if !scene.chance(0.6) {
        return scene.drive_to(impact_mps);
    }
    let (decel, braking_s) = (scene.g(0.3, 0.95), scene.rng.between(0.3, 1.5));
    let ramp_s = scene.rng.between(0.1, 0.25);
    let from_s = scene.drive_to(impact_mps + decel * (braking_s - ramp_s / 2.0));
    scene.brake(from_s, from_s + braking_s + 30.0, ramp_s, decel);
    from_s + braking_s
}

/// A car from the side: 20 to 80 ms at 15 to 40 g, shorter where ΔV is small.
fn side(scene: &mut Scene, low_kmh: f32, high_kmh: f32) -> Crash {
    let kmh = scene.skewed(low_kmh, high_kmh);
    let speed = scene.rng.between(0.0, 60.0) / KMH;
    let at_s = if scene.chance(0.2) { scene.stand() } else { approach(scene, speed) };
    let from = scene.sign();
    let pdof_deg = from * (90.0 + scene.rng.gauss() * 12.0);
    let hit = Hit { at_s, delta_v_mps: kmh / KMH, pdof_deg, duration_s: stiff(scene, kmh) };
    scene.variant = format!("{kmh:.0} km/h on the {}", if from > 0.0 { "right" } else { "left" });
    scene.strike(hit);
    let rate_dps = scene.sign() * scene.rng.between(0.5, 4.0) * kmh;
    scene.spin(hit, rate_dps);
    scene.drift(at_s + 0.02, kmh > SEVERE_KMH);
    scene.restrain(hit, if from > 0.0 { Restraint::Right } else { Restraint::Left });
    scene.cut_power(hit);
    crash(hit)
}

/// The duration of a stiff impact of that ΔV whose peak is between 15 and 40 g.
fn stiff(scene: &mut Scene, kmh: f32) -> f32 {
    (2.0 * kmh / KMH / scene.g(15.0, 40.0)).clamp(0.02, 0.08)
}

/// A pole or tree: mostly with the side, after a skid, at times with the front, between the longitudinal members.
fn pole(scene: &mut Scene) -> Crash {
    if scene.chance(0.3) {
        let (kmh, duration_s) = (scene.skewed(15.0, 60.0), scene.rng.between(0.1, 0.14));
        let pdof_deg = scene.rng.gauss() * 6.0;
        let crash = ahead(scene, kmh, duration_s, pdof_deg, 0.3);
        scene.say(", front");
        return crash;
    }
    let kmh = scene.skewed(15.0, 35.0);
    let skid_s = scene.rng.between(0.6, 1.4);
    let speed = kmh / KMH + scene.rng.between(3.0, 12.0);
    let skid_at_s = scene.drive_to(speed);
    let rate_dps = scene.sign() * scene.rng.between(40.0, 75.0);
    let drag = [scene.rng.between(0.1, 0.4), scene.rng.between(0.5, 0.85)];
    scene.script.adrift = Some((skid_at_s, drag));
    scene.script.rates[2].cut(skid_at_s).to(skid_at_s + 0.3, rate_dps);
    let at_s = skid_at_s + skid_s;
    // Turning to the left it slides to the right, and is struck there.
    let from = rate_dps.signum();
    let pdof_deg = from * (90.0 + scene.rng.gauss() * 10.0);
    let duration_s = stiff(scene, kmh).max(0.03);
    let hit = Hit { at_s, delta_v_mps: kmh / KMH, pdof_deg, duration_s };
    scene.variant = format!("{kmh:.0} km/h, {}", if from > 0.0 { "right" } else { "left" });
    scene.strike(hit);
    let after_dps = rate_dps * scene.rng.between(0.0, 2.0);
    scene.spin(hit, after_dps);
    scene.drift(at_s, kmh > SEVERE_KMH);
    scene.restrain(hit, if from > 0.0 { Restraint::Right } else { Restraint::Left });
    scene.cut_power(hit);
    crash(hit)
}

/// From behind, four in ten at rest: 80 to 120 ms; a sled of 16 km/h has 91 ms and 10 g.
fn behind(scene: &mut Scene, low_kmh: f32, high_kmh: f32) -> Crash {
    let kmh = scene.skewed(low_kmh, high_kmh);
    let speed = scene.rng.between(0.0, 70.0) / KMH;
    let at_s = if scene.chance(0.4) { scene.stand() } else { approach(scene, speed) };
    let pdof_deg = 180.0 - scene.rng.gauss() * 8.0;
    let pdof_deg = if pdof_deg > 180.0 { pdof_deg - 360.0 } else { pdof_deg };
    let duration_s = scene.rng.between(0.08, 0.12);
    let hit = Hit { at_s, delta_v_mps: kmh / KMH, pdof_deg, duration_s };
    scene.variant = format!("{kmh:.0} km/h");
    scene.strike(hit);
    let rate_dps = scene.rng.gauss() * 0.3 * kmh;
    scene.spin(hit, rate_dps);
    scene.drift(at_s + 0.02, kmh > SEVERE_KMH + 10.0);
    scene.restrain(hit, Restraint::Rear);
    crash(hit)
}

/// A first impact of another class, then one or two more, 0.6 to 4 s later.
fn multiple(scene: &mut Scene) -> Crash {
    let first = scene.pick(&[Class::FrontalFull, Class::Offset, Class::Side, Class::Rear], Class::Offset);
    let mut crash = write(first, scene);
    let mut at_s = crash.contact_s;
    let more = if scene.chance(0.3) { 2 } else { 1 };
    for _ in 0..more {
        at_s += scene.rng.between(0.6, 4.0);
        let hit = Hit {
            at_s,
            delta_v_mps: scene.skewed(8.0, 35.0) / KMH,
            pdof_deg: scene.rng.between(-180.0, 180.0),
            duration_s: scene.rng.between(0.06, 0.12),
        };
        scene.strike(hit);
        scene.restrain(hit, Restraint::Unspecified);
        crash.impacts += 1;
    }
    scene.script.duration_s = scene.script.duration_s.max(at_s + 6.0);
    scene.variant = format!("{} as {}, then {more} more", scene.variant, first.name());
    crash
}

/// It slides sideways into soft ground (340 to 680 ms) or a kerb (106 to 212 ms), and rolls: up to 150 to 450 °/s, one to
/// eight quarter turns, striking the ground with each half turn. The least duration that a haversine of 2.5 or 8 g takes for
/// its ΔV is longer than most that are drawn.
fn rollover(scene: &mut Scene) -> Crash {
    let speed = scene.rng.between(35.0, 90.0) / KMH;
    let skid_at_s = scene.drive_to(speed);
    let from = scene.sign();
    let rate_dps = from * scene.rng.between(45.0, 80.0);
    scene.script.adrift = Some((skid_at_s, [scene.rng.between(0.1, 0.4), scene.rng.between(0.6, 0.85)]));
    let slide_s = scene.rng.between(0.7, 1.3);
    scene.script.rates[2].cut(skid_at_s).to(skid_at_s + 0.3, rate_dps).to(skid_at_s + slide_s, rate_dps);
    scene.script.rates[2].to(skid_at_s + slide_s + 0.5, 0.0);
    let at_s = skid_at_s + slide_s;
    let is_soil = scene.chance(0.6);
    let kmh = scene.rng.between(15.0, 30.0);
    let least_s = 2.0 * kmh / KMH / (if is_soil { 2.5 } else { 8.0 } * GRAVITY);
    let duration_s = if is_soil { scene.rng.between(0.2, 0.5) } else { scene.rng.between(0.08, 0.2) }.max(least_s);
    let hit = Hit { at_s, delta_v_mps: kmh / KMH, pdof_deg: from * 90.0, duration_s };
    scene.strike(hit);
    let quarters = 1 + scene.rng.below(8);
    let (peak_dps, end_s) = roll(scene, hit, quarters);
    scene.drift(at_s, true);
    scene.script.duration_s = end_s + 6.0;
    scene.restrain(Hit { at_s: at_s + duration_s * 0.5, ..hit }, Restraint::Rollover);
    scene.variant = format!("{quarters} quarter turns, {peak_dps:.0} deg/s, {}", if is_soil { "soil" } else { "kerb" });
    Crash { rolls_over: true, ..crash(hit) }
}

/// The roll itself; gives its peak rate and its end.
#[expect(clippy::cast_precision_loss, reason = "eight at most")]
fn roll(scene: &mut Scene, hit: Hit, quarters: u64) -> (f32, f32) {
    let angle_deg = 90.0 * quarters as f32;
    let mut peak_dps = scene.rng.between(150.0, 450.0).min(60.0 + angle_deg * 1.5);
    let begin_s = hit.at_s + 0.3 * hit.duration_s;
    let rise_s = scene.rng.between(0.3, 0.6);
    // The area below rise, level and fall is the angle.
    let fall_s = rise_s * 0.8;
    let ramps_deg = peak_dps * (rise_s + fall_s) / 2.0;
    if ramps_deg > angle_deg {
        peak_dps *= angle_deg / ramps_deg;
    }
    let level_s = (angle_deg - peak_dps * (rise_s + fall_s) / 2.0).max(0.0) / peak_dps;
    // A force from the right stops the right wheels: the car rolls over them, to its right, which is positive about x.
    let rate_dps = hit.pdof_deg.signum() * peak_dps;
    let end_s = begin_s + rise_s + level_s + fall_s;
    scene.script.rates[0].to(begin_s, 0.0).to(begin_s + rise_s, rate_dps).to(begin_s + rise_s + level_s, rate_dps);
    scene.script.rates[0].to(end_s, 0.0);
    for strike in 1..=quarters.div_ceil(2) {
        let at_s = begin_s + (end_s - begin_s) * (strike as f32) / (quarters.div_ceil(2) as f32) - 0.05;
        let amplitude = [scene.g(0.5, 2.0), scene.sign() * scene.g(2.0, 8.0), scene.sign() * scene.g(3.0, 12.0)];
        let duration_s = scene.rng.between(0.02, 0.06);
        scene.wave(Wave::knock(at_s, duration_s, Shape::Bump, amplitude));
        scene.window(at_s - 0.01, at_s + 0.15);
    }
    (peak_dps, end_s)
}

/// 8 to 15 km/h: bumper to bumper 80 to 140 ms (an RCAR bumper test of 10 km/h takes about 100 ms), a side 40 to 80 ms.
fn low_speed(scene: &mut Scene) -> Crash {
    let kmh = scene.rng.between(8.0, 15.0);
    match scene.rng.below(10) {
        0..=4 => {
            let duration_s = scene.rng.between(0.08, 0.14);
            let pdof_deg = scene.rng.gauss() * 15.0;
            let crash = ahead(scene, kmh, duration_s, pdof_deg, 0.5);
            scene.say(", front");
            crash
        }
        5..=7 => {
            let crash = behind(scene, kmh, kmh);
            scene.say(", rear");
            crash
        }
        _ => {
            let speed = scene.rng.between(0.0, 40.0) / KMH;
            let at_s = if scene.chance(0.3) { scene.stand() } else { approach(scene, speed) };
            let from = scene.sign();
            let pdof_deg = from * (90.0 + scene.rng.gauss() * 15.0);
            let hit = Hit { at_s, delta_v_mps: kmh / KMH, pdof_deg, duration_s: scene.rng.between(0.04, 0.08) };
            scene.variant = format!("{kmh:.0} km/h, side");
            scene.strike(hit);
            let rate_dps = scene.sign() * scene.rng.between(0.5, 3.0) * kmh;
            scene.spin(hit, rate_dps);
            scene.drift(at_s + 0.02, false);
            scene.restrain(hit, if from > 0.0 { Restraint::Right } else { Restraint::Left });
            crash(hit)
        }
    }
}

const fn crash(hit: Hit) -> Crash {
    Crash {
        contact_s: hit.at_s,
        delta_v_mps: hit.delta_v_mps,
        pdof_deg: hit.pdof_deg,
        pulse_s: hit.duration_s,
        rolls_over: false,
        impacts: 1,
    }
}
