//! What happens to cars that nobody drives, and is no crash.

use super::Class;
use super::scene::Scene;
use super::script::Wheels;
use super::wave::{Shape, Wave};

/// Writes a case of that class.
pub(super) fn write(class: Class, scene: &mut Scene) {
    match class {
        Class::CarWash => wash(scene),
        Class::Towing => towing(scene),
        Class::Ferry => ferry(scene),
        Class::Jacking => jacking(scene),
        _ => slams(scene),
    }
}

/// One to six slams of doors, bonnet or boot: 5 to 20 ms, 0.3 to 2 g, there and back.
fn slams(scene: &mut Scene) {
    let mut at_s = scene.stand();
    scene.script.ignition_on = scene.chance(0.6);
    let count = 1 + scene.rng.below(6);
    scene.variant = format!("{count} slams");
    for _ in 0..count {
        let (height, duration_s) = (scene.g(0.3, 2.0), scene.rng.between(0.005, 0.02));
        let (across, side) = (height * scene.sign(), scene.rng.between(-0.4, 0.4));
        let amplitude =
            if scene.chance(0.7) { [height * side, across, height * 0.5] } else { [across, height * side, height] };
        scene.wave(Wave::knock(at_s, duration_s, Shape::Swing, amplitude));
        let ring = Shape::Ring(scene.rng.between(20.0, 60.0), 0.04);
        scene.wave(Wave::knock(at_s + duration_s, 0.2, ring, amplitude.map(|axis| axis * 0.2)));
        scene.window(at_s - 0.01, at_s + 0.2);
        at_s += scene.rng.between(0.4, 2.5);
    }
    scene.script.duration_s = at_s + 2.0;
}

/// Brushes shake the car at 1 to 30 Hz with 0.2 to 1 m/s², rollers knock with up to 0.8 g; a conveyor pulls.
fn wash(scene: &mut Scene) {
    let event_s = scene.stand();
    scene.script.ignition_on = scene.chance(0.7);
    let hz = scene.rng.between(1.0, 30.0);
    let size = scene.rng.between(0.2, 1.0);
    scene.shake(event_s, f32::MAX, hz, hz * 0.3, [size * 0.7, size, size], false);
    let mut at_s = event_s;
    for _ in 0..4 + scene.rng.below(12) {
        at_s += scene.rng.between(0.1, 0.9);
        let height = scene.g(0.1, 0.8);
        let amplitude = [height * scene.rng.between(-1.0, 1.0), height * scene.rng.between(-1.0, 1.0), height * 0.5];
        let duration_s = scene.rng.between(0.02, 0.06);
        scene.wave(Wave::knock(at_s, duration_s, Shape::Swing, amplitude));
        scene.window(at_s, at_s + 0.08);
    }
    if scene.chance(0.5) {
        scene.say("conveyor");
        // Nobody drives: it rolls in neutral.
        scene.script.adrift = Some((event_s, [0.005, 0.6]));
        let pull = scene.rng.between(0.4, 1.2);
        scene.wave(Wave::push(event_s, 0.5, Shape::Bump, [pull, 0.0, 0.0]));
    }
    scene.script.duration_s = at_s + 2.5;
}

/// Lifted by 5 to 15° within 5 to 8 s, then pulled with jerks of 0.2 to 1.2 g for 80 to 250 ms; wheels roll or drag.
fn towing(scene: &mut Scene) {
    let event_s = scene.stand();
    scene.script.ignition_on = scene.chance(0.3);
    let (angle_deg, lift_s) = (scene.rng.between(5.0, 15.0) * scene.sign(), scene.rng.between(5.0, 8.0));
    scene.script.rates[1].plateau(event_s, 0.5, lift_s - 1.0, angle_deg / (lift_s - 0.5));
    let mut at_s = event_s + lift_s;
    let rolls = scene.chance(0.6);
    scene.say(if rolls { "wheels roll" } else { "wheels drag" });
    scene.script.adrift = Some((event_s, [0.01, 0.7]));
    if !rolls {
        scene.script.wheels.push((event_s, Wheels::Locked(0.1)));
    }
    for _ in 0..2 + scene.rng.below(4) {
        let (height, duration_s) = (scene.g(0.2, 1.2), scene.rng.between(0.08, 0.25));
        let across = height * scene.rng.between(-0.2, 0.2);
        scene.wave(Wave::push(at_s, duration_s, Shape::Bump, [height, across, 0.0]));
        let ring = Shape::Ring(scene.rng.between(4.0, 15.0), 0.15);
        scene.wave(Wave::knock(at_s, 0.5, ring, [height * 0.3, height * 0.1, height * 0.3]));
        scene.window(at_s, at_s + duration_s);
        at_s += scene.rng.between(0.4, 1.5);
    }
    scene.script.duration_s = at_s + 2.0;
}

/// A deck that rolls by 2 to 8° in 8 to 14 s and heaves, at 5 to 12 m/s over ground with wheels that stand; a bump when
/// it docks, and lashed neighbours that knock.
fn ferry(scene: &mut Scene) {
    let event_s = scene.stand();
    scene.script.ignition_on = scene.chance(0.3);
    scene.script.carried_mps = scene.rng.between(0.0, 12.0);
    scene.script.duration_s = event_s + scene.rng.between(10.0, 14.0);
    let (angle_deg, period_s) = (scene.rng.between(2.0, 8.0), scene.rng.between(8.0, 14.0));
    let pace = std::f32::consts::TAU / period_s;
    // On land the deck does not move it.
    for rates in &mut scene.script.rates[..2] {
        rates.to(event_s, 0.0);
    }
    let mut time_s = event_s + 0.25;
    while time_s < scene.script.duration_s {
        let phase = pace * (time_s - event_s);
        scene.script.rates[0].to(time_s, angle_deg * pace * phase.cos());
        scene.script.rates[1].to(time_s, angle_deg * 0.4 * pace * (phase * 1.3).cos());
        time_s += 0.25;
    }
    let heave = scene.rng.between(0.2, 1.0);
    scene.shake(event_s, f32::MAX, 0.15, 0.05, [heave * 0.3, heave * 0.4, heave], false);
    // The engines below.
    scene.shake(0.0, f32::MAX, 12.0, 2.0, [0.1, 0.1, 0.2], false);
    for _ in 0..scene.rng.below(5) {
        let at_s = scene.rng.between(event_s, event_s + 9.0);
        let height = scene.g(0.1, 1.0);
        let amplitude = [height * scene.rng.between(-1.0, 1.0), height, height * 0.4];
        let duration_s = scene.rng.between(0.01, 0.05);
        scene.wave(Wave::knock(at_s, duration_s, Shape::Swing, amplitude));
        scene.window(at_s, at_s + 0.06);
    }
    if scene.chance(0.4) {
        scene.say("docks");
        let duration_s = scene.rng.between(0.3, 1.0);
        let height = scene.sign() * scene.g(0.05, 0.25);
        scene.wave(Wave::knock(event_s + 8.0, duration_s, Shape::Bump, [height, height * 0.3, 0.0]));
    }
}

/// Lifted on one side or end by 4 to 12°; half of them slip off: a fall, a shock of 2 to 6 g upwards for 20 to 60 ms
/// with 0.2 to 1.2 g across, and rocking.
fn jacking(scene: &mut Scene) {
    let event_s = scene.stand();
    scene.script.ignition_on = scene.chance(0.4);
    let axis = scene.rng.index(2);
    let (angle_deg, lift_s) = (scene.rng.between(4.0, 12.0) * scene.sign(), scene.rng.between(5.0, 9.0));
    scene.script.rates[axis].plateau(event_s, 0.5, lift_s - 1.0, angle_deg / (lift_s - 0.5));
    let drop_s = event_s + lift_s + scene.rng.between(0.5, 2.0);
    scene.script.duration_s = drop_s + 3.0;
    if scene.chance(0.5) {
        scene.say("lifted");
        return;
    }
    scene.say("slips off");
    let fall_s = scene.rng.between(0.12, 0.25);
    scene.script.rates[axis].plateau(drop_s, fall_s / 2.0, 0.0, -2.0 * angle_deg / fall_s);
    let lightness = scene.g(0.3, 0.8);
    scene.wave(Wave::knock(drop_s, fall_s, Shape::Plateau(0.03), [0.0, 0.0, -lightness]));
    let amplitude = [scene.g(-1.2, 1.2), scene.sign() * scene.g(0.2, 1.2), scene.g(2.0, 6.0)];
    let duration_s = scene.rng.between(0.02, 0.06);
    scene.wave(Wave::knock(drop_s + fall_s, duration_s, Shape::Bump, [0.0, 0.0, amplitude[2]]));
    scene.wave(Wave::knock(drop_s + fall_s, duration_s * 1.5, Shape::Swing, [amplitude[0], amplitude[1], 0.0]));
    let rock = Shape::Ring(scene.rng.between(1.5, 4.0), 0.4);
    scene.wave(Wave::knock(drop_s + fall_s + duration_s, 1.5, rock, amplitude.map(|axis| axis * 0.2)));
    scene.window(drop_s, drop_s + 0.6);
}
