//! What is wrong with sensors and buses while nothing happens to the car.

use crate::crash::Quantity;

use super::Class;
use super::play::GRAVITY;
use super::scene::{KMH, Scene};
use super::script::{Broken, BusEvent, Curve, Defect, Wheels};
use super::wave::{Shape, Vibration, Wave};

/// Writes a case of that class.
pub(super) fn write(class: Class, scene: &mut Scene) {
    match class {
        Class::LooseSensor => loose(scene),
        Class::Handling => handling(scene),
        Class::Stuck => stuck(scene),
        Class::ZeroShift => shift(scene),
        Class::Resonance => resonance(scene),
        Class::DeadAxis => dead(scene),
        Class::Spikes => spikes(scene),
        Class::RateFault => rate_fault(scene),
        Class::LostFrames => lost(scene),
        Class::FrameBursts => bursts(scene),
        Class::BusSilence => silence(scene),
        _ => restart(scene),
    }
}

/// An ordinary drive, with a braking of 0.2 to 0.9 g in half of the cases; gives the beginning of the event.
fn drive(scene: &mut Scene) -> f32 {
    let speed = scene.rng.between(20.0, 110.0) / KMH;
    let event_s = scene.drive_to(speed);
    if scene.chance(0.5) {
        let from_s = event_s + scene.rng.between(-1.0, 2.0);
        let (decel, ramp_s) = (scene.g(0.2, 0.9), scene.rng.between(0.1, 0.4));
        scene.say("braking, ");
        let until_s = from_s + scene.rng.between(1.0, 4.0);
        scene.brake(from_s, until_s, ramp_s, decel);
    }
    scene.script.duration_s = event_s + 6.0;
    event_s
}

fn break_sensor(scene: &mut Scene, defect: Defect) {
    break_one(scene, Quantity::Acceleration, defect);
}

fn break_one(scene: &mut Scene, quantity: Quantity, defect: Defect) {
    let sensor = u8::try_from(scene.rng.below(64)).unwrap_or(0);
    scene.script.broken = Some(Broken { quantity, sensor, defect });
}

/// Its bracket is loose: it rattles at 15 to 60 Hz with 2 to 12 m/s², knocks of 5 to 30 ms reach 4.3 g, it leans; one in
/// three swings slowly enough, 150 ms, that it seems to change its velocity by 12 km/h.
fn loose(scene: &mut Scene) {
    let event_s = drive(scene);
    let hz = scene.rng.between(15.0, 60.0);
    let along = scene.rng.between(1.0, 8.0);
    let sigma = [along, along * scene.rng.between(0.5, 1.5), along * 1.5];
    let shaking = Vibration { from_s: event_s, to_s: f32::MAX, hz, bandwidth_hz: 6.0, sigma, by_road: false };
    let mut waves = Vec::new();
    let mut at_s = event_s;
    for _ in 0..3 + scene.rng.below(15) {
        at_s += scene.rng.between(0.05, 0.6);
        let duration_s = scene.rng.between(0.005, 0.03);
        let amplitude = any_way(scene, 1.0, 4.3);
        waves.push(Wave::knock(at_s, duration_s, Shape::Swing, amplitude));
        scene.window(at_s - 0.01, at_s + 0.05);
    }
    if scene.chance(0.33) {
        scene.say("swings, ");
        let duration_s = scene.rng.between(0.2, 0.4);
        let amplitude = any_way(scene, 0.8, 3.5);
        waves.push(Wave::knock(event_s + 2.0, duration_s, Shape::Swing, amplitude));
    }
    scene.say(&format!("{along:.0} m/s2 at {hz:.0} Hz"));
    let tilt = [0, 1].map(|_| lean(scene, event_s, 30.0));
    let turn = lean(scene, event_s, 40.0);
    break_sensor(scene, Defect::Shaken { waves, vibrations: vec![shaking], tilt, turn });
}

fn any_way(scene: &mut Scene, low: f32, high: f32) -> [f32; 3] {
    let size = scene.g(low, high);
    let way = [scene.rng.gauss(), scene.rng.gauss(), scene.rng.gauss()];
    let length = way.iter().map(|axis| axis * axis).sum::<f32>().sqrt().max(0.1);
    way.map(|axis| axis / length * size)
}

/// An angle in °, or a rate in °/s, that wanders within the limit from then on.
fn lean(scene: &mut Scene, from_s: f32, limit_deg: f32) -> Curve {
    let mut curve = Curve::default();
    curve.to(0.0, 0.0).to(from_s, 0.0);
    let mut time_s = from_s;
    for _ in 0..8 {
        time_s += scene.rng.between(0.3, 1.2);
        curve.to(time_s, scene.rng.between(-limit_deg, limit_deg));
    }
    curve
}

/// Somebody has it in his hand while the car stands: it turns all ways, swings of 150 to 500 ms and knocks reach 4.3 g,
/// and 12.6 km/h within 150 ms, as phones have recorded. A rate sensor of the same unit turns too, by up to 150 °/s.
fn handling(scene: &mut Scene) {
    let event_s = scene.stand();
    scene.script.duration_s = event_s + 8.0;
    let mut waves = Vec::new();
    let mut at_s = event_s;
    for _ in 0..2 + scene.rng.below(8) {
        at_s += scene.rng.between(0.2, 1.2);
        if scene.chance(0.6) {
            let duration_s = scene.rng.between(0.15, 0.5);
            // 150 ms of it must not give more than 12.6 km/h.
            let most = (12.6 / KMH / (0.64 * duration_s.min(0.3) / 2.0) / GRAVITY).min(4.3);
            let amplitude = any_way(scene, 0.5, most);
            waves.push(Wave::knock(at_s, duration_s, Shape::Swing, amplitude));
        } else {
            let duration_s = scene.rng.between(0.005, 0.02);
            let amplitude = any_way(scene, 1.0, 4.3);
            waves.push(Wave::knock(at_s, duration_s, Shape::Swing, amplitude));
            scene.window(at_s, at_s + 0.03);
        }
    }
    let tilt = [lean(scene, event_s, 170.0), lean(scene, event_s, 80.0)];
    let turn = lean(scene, event_s, 150.0);
    break_sensor(scene, Defect::Shaken { waves, vibrations: Vec::new(), tilt, turn });
}

/// It shows its last value for ever, or one end of its range, or anything, on one axis or all.
fn stuck(scene: &mut Scene) {
    let from_s = drive(scene) + scene.rng.between(0.0, 1.0);
    let axes = one_or_all(scene, 0.6);
    let at_share = match scene.rng.below(10) {
        0..=2 => None,
        3..=6 => Some(scene.sign()),
        _ => Some(scene.rng.between(-1.0, 1.0)),
    };
    scene.say(&at_share.map_or_else(|| "held".to_owned(), |share| format!("{share:.2} of the range")));
    break_sensor(scene, Defect::Stuck { axes, from_s, at_share });
}

fn one_or_all(scene: &mut Scene, one: f32) -> [bool; 3] {
    if !scene.chance(one) {
        return [true; 3];
    }
    let axis = scene.rng.index(2);
    [axis == 0, axis == 1, false]
}

/// 0.5 to 30 m/s², at once or within 5 s; one in five as large as that of the recorded transducer, 14 g.
fn shift(scene: &mut Scene) {
    let from_s = drive(scene);
    let ramp_s = if scene.chance(0.5) { scene.rng.between(0.001, 0.05) } else { scene.rng.between(0.05, 5.0) };
    let size = if scene.chance(0.2) { scene.rng.between(30.0, 140.0) } else { scene.skewed(0.5, 30.0) };
    let way = any_way(scene, 1.0, 1.0001);
    let offset = if scene.chance(0.5) {
        way.map(|axis| axis / GRAVITY * size)
    } else {
        one_or_all(scene, 1.0).map(|has| if has { size * scene.sign() } else { 0.0 })
    };
    scene.say(&format!("{size:.0} m/s2 in {:.0} ms", ramp_s * 1e3));
    break_sensor(scene, Defect::Shift { from_s, ramp_s, offset });
}

/// 30 to 300 Hz, 3 to 80 m/s², for good or in bursts, on one axis or all.
fn resonance(scene: &mut Scene) {
    let event_s = drive(scene);
    let (hz, size) = (scene.rng.between(30.0, 300.0), scene.skewed(3.0, 80.0));
    let sigma = one_or_all(scene, 0.6).map(|has| if has { size } else { size * 0.1 });
    scene.say(&format!("{size:.0} m/s2 at {hz:.0} Hz"));
    let mut vibrations = Vec::new();
    let bursts = if scene.chance(0.5) { 1 } else { 2 + scene.rng.below(4) };
    let mut from_s = event_s;
    for _ in 0..bursts {
        let to_s = if bursts == 1 { event_s + 4.0 } else { from_s + scene.rng.between(0.1, 1.0) };
        let bandwidth_hz = scene.rng.between(1.0, 5.0);
        vibrations.push(Vibration { from_s, to_s, hz, bandwidth_hz, sigma, by_road: false });
        scene.window(from_s, to_s);
        from_s = to_s + scene.rng.between(0.2, 1.0);
    }
    let tilt = [Curve::default(), Curve::default()];
    break_sensor(scene, Defect::Shaken { waves: Vec::new(), vibrations, tilt, turn: Curve::default() });
}

/// Zero on one axis or all from the start, while the car drives and brakes.
fn dead(scene: &mut Scene) {
    drive(scene);
    let axes = one_or_all(scene, 0.8);
    break_sensor(scene, Defect::Dead(axes));
}

/// 0.3 to 10 a second, one to three samples each, at 0.3 to 1 of the range, on one axis or all.
fn spikes(scene: &mut Scene) {
    let from_s = drive(scene);
    let (per_s, share) = (scene.rng.between(0.3, 10.0), scene.sign() * scene.rng.between(0.3, 1.0));
    let samples = u8::try_from(1 + scene.rng.below(3)).unwrap_or(1);
    let axis = if scene.chance(0.7) { Some(scene.rng.index(2)) } else { None };
    scene.say(&format!("{per_s:.1} a second, {samples} samples at {share:.2} of the range"));
    break_sensor(scene, Defect::Spikes { from_s, to_s: f32::MAX, per_s, samples, share, axis });
}

/// What measures how the car turns is wrong on all its axes: it holds its last value, an end of its range or anything; its
/// zero moves by 5 to 300 °/s at once or within 5 s; or it has spikes. Half of the cars only drive, the others brake or meet
/// a hole or a kerb 0 to 8 s later. Then they drive on, 14 s in all.
fn rate_fault(scene: &mut Scene) {
    let from_s = if scene.chance(0.5) {
        drive(scene) + scene.rng.between(0.0, 1.0)
    } else {
        busy_road(scene);
        scene.say(", ");
        (scene.script.event_s - scene.rng.between(0.0, 8.0)).max(0.5)
    };
    let defect = match scene.rng.below(10) {
        0..=3 => {
            let share = scene.sign() * scene.rng.between(0.02, 1.0);
            let at_share = if scene.chance(0.3) { None } else { Some(share) };
            scene.say(&at_share.map_or_else(|| "held".to_owned(), |share| format!("{share:.2} of the range")));
            Defect::Stuck { axes: [true; 3], from_s, at_share }
        }
        4..=7 => {
            let size = scene.sign() * scene.skewed(5.0, 300.0);
            let ramp_s = if scene.chance(0.5) { scene.rng.between(0.001, 0.05) } else { scene.rng.between(0.05, 5.0) };
            scene.say(&format!("{size:.0} deg/s in {:.0} ms", ramp_s * 1e3));
            Defect::Shift { from_s, ramp_s, offset: [size; 3] }
        }
        _ => {
            let (per_s, share) = (scene.rng.between(0.3, 10.0), scene.sign() * scene.rng.between(0.1, 1.0));
            let samples = u8::try_from(1 + scene.rng.below(3)).unwrap_or(1);
            scene.say(&format!("{per_s:.1} a second, {samples} samples at {share:.2} of the range"));
            Defect::Spikes { from_s, to_s: f32::MAX, per_s, samples, share, axis: None }
        }
    };
    scene.script.duration_s = scene.script.duration_s.max(from_s + 14.0);
    break_one(scene, Quantity::AngularRate, defect);
}

/// 2 to 30 % of all frames lost and as many damaged, in a drive, an emergency braking or over a hole or kerb.
fn lost(scene: &mut Scene) {
    busy_road(scene);
    let share = scene.rng.between(0.02, 0.3);
    scene.say(&format!(", {:.0} % lost", share * 100.0));
    scene.script.bus_events.push(BusEvent::Lossy(share));
}

fn busy_road(scene: &mut Scene) {
    let class = scene.pick(
        &[Class::Harsh, Class::EmergencyBraking, Class::AbsRoughRoad, Class::Pothole, Class::Kerb, Class::SpeedBump],
        Class::Kerb,
    );
    super::roads::write(class, scene);
    scene.variant = format!("{}: {}", class.name(), scene.variant);
}

/// Two to eight holes of 20 to 400 ms in what one bus or all say.
fn bursts(scene: &mut Scene) {
    busy_road(scene);
    for _ in 0..2 + scene.rng.below(7) {
        let from_s = scene.script.event_s + scene.rng.between(-1.0, 2.0);
        let to_s = from_s + scene.rng.between(0.02, 0.4);
        let bus = any_bus(scene);
        scene.script.bus_events.push(BusEvent::Silent { bus, from_s, to_s });
    }
}

fn any_bus(scene: &mut Scene) -> Option<u8> {
    if scene.chance(0.3) { None } else { u8::try_from(scene.rng.below(3)).ok() }
}

/// One bus or all fall silent for 0.5 to 5 s: a controller that went bus-off, a fuse, a key turned.
fn silence(scene: &mut Scene) {
    if scene.chance(0.5) {
        busy_road(scene);
    } else {
        drive(scene);
    }
    let from_s = scene.script.event_s + scene.rng.between(0.0, 1.0);
    let to_s = from_s + scene.rng.between(0.5, 5.0);
    let bus = any_bus(scene);
    scene.script.bus_events.push(BusEvent::Silent { bus, from_s, to_s });
    scene.script.duration_s = scene.script.duration_s.max(to_s + 1.0);
}

/// The sensor's control unit starts anew: 50 ms to 1 s of silence, then for 20 to 300 ms the value that its memory
/// begins with, the lower end of the range or zero; wheels may show zero with it.
fn restart(scene: &mut Scene) {
    let from_s = drive(scene);
    let back_s = from_s + scene.rng.between(0.05, 1.0);
    let until_s = back_s + scene.rng.between(0.02, 0.3);
    let share = if scene.chance(0.5) { -1.0 } else { 0.0 };
    scene.say(&format!("begins with {share:.0} of the range for {:.0} ms", (until_s - back_s) * 1e3));
    scene.script.bus_events.push(BusEvent::Restart { from_s, back_s, until_s, share });
    if scene.chance(0.3) {
        scene.script.wheels.push((back_s, Wheels::Locked(0.001)));
        scene.script.wheels.push((until_s, Wheels::Rolling));
    }
}
