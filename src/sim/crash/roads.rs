//! Drives that are no crash: braking, and what roads do to a car.

use super::Class;
use super::play::GRAVITY;
use super::scene::{KMH, Scene, WHEELBASE_M};
use super::script::Wheels;
use super::wave::{Shape, Wave};

/// Writes a case of that class.
pub(super) fn write(class: Class, scene: &mut Scene) {
    match class {
        Class::EmergencyBraking => emergency(scene),
        Class::AbsRoughRoad => rough(scene),
        Class::Pothole => pothole(scene),
        Class::Kerb => kerb(scene),
        Class::SpeedBump => speed_bump(scene),
        _ => harsh(scene),
    }
}

/// Hard but ordinary: cornering up to 1 g, starting at 0.5 g, a lane change.
fn harsh(scene: &mut Scene) {
    let speed = scene.rng.between(30.0, 110.0) / KMH;
    let event_s = scene.drive_to(speed);
    let lateral = scene.sign() * scene.g(0.5, 1.0);
    let rate_dps = (lateral / speed).to_degrees();
    let (ramp_s, level_s) = (scene.rng.between(0.2, 0.5), scene.rng.between(0.3, 2.5));
    scene.variant = format!("{:.1} g across at {:.0} km/h", lateral / GRAVITY, speed * KMH);
    scene.script.rates[2].plateau(event_s, ramp_s, level_s, rate_dps);
    let mut end_s = event_s + level_s + 2.0 * ramp_s;
    if scene.chance(0.5) {
        scene.say(", and back");
        scene.script.rates[2].plateau(end_s, ramp_s, level_s, -rate_dps);
        end_s += level_s + 2.0 * ramp_s;
    }
    // Tires give about 1.05 g in all, across and along together.
    let left = (1.05_f32.powi(2) - (lateral / GRAVITY).powi(2)).max(0.0).sqrt();
    let pedal = scene.g(-left.min(0.6), left.min(0.5));
    scene.script.pedals.plateau(event_s, 0.3, 1.0, pedal);
    scene.script.duration_s = end_s + 2.0;
}

/// 0.6 to 1.1 g, from full speed to rest or to a release, with the ripple of the ABS, or with locked wheels; the car
/// rocks when it stops.
fn emergency(scene: &mut Scene) {
    let speed = scene.rng.between(30.0, 130.0) / KMH;
    let event_s = scene.drive_to(speed);
    let decel = scene.g(0.6, 1.1);
    let ramp_s = scene.rng.between(0.08, 0.3);
    let to_rest_s = speed / decel + ramp_s / 2.0;
    let braking_s = if scene.chance(0.6) { to_rest_s + 1.0 } else { to_rest_s * scene.rng.between(0.3, 0.9) };
    scene.variant = format!("{:.2} g from {:.0} km/h", decel / GRAVITY, speed * KMH);
    scene.brake(event_s, event_s + braking_s, ramp_s, decel);
    slipping(scene, event_s + ramp_s, event_s + braking_s.min(to_rest_s));
    let ripple = scene.rng.between(0.2, 1.2);
    let hz = scene.rng.between(6.0, 12.0);
    let stop_s = event_s + braking_s.min(to_rest_s);
    scene.shake(event_s + ramp_s, stop_s, hz, 3.0, [ripple, ripple * 0.3, ripple * 0.6], false);
    if braking_s > to_rest_s {
        // The body swings back: 1.5 to 3 Hz, as deep as half of the braking.
        let rock = Shape::Ring(scene.rng.between(1.5, 3.0), 0.3);
        let depth = decel * scene.rng.between(0.2, 0.5);
        scene.wave(Wave::knock(stop_s, 1.0, rock, [depth, 0.0, 1.0]));
    }
    scene.script.duration_s = event_s + braking_s + 2.0;
}

/// What the wheels show of a hard braking: slip under the ABS, or one in eight locked.
fn slipping(scene: &mut Scene, from_s: f32, to_s: f32) {
    let slip = if scene.chance(0.12) {
        Wheels::Locked(scene.rng.between(0.08, 0.3))
    } else {
        Wheels::Abs(scene.rng.between(0.03, 0.25))
    };
    scene.script.wheels.push((from_s, slip));
    scene.script.wheels.push((to_s, Wheels::Rolling));
}

/// 0.4 to 0.9 g on cobbles or gravel: wheel hop at 10 to 15 Hz, and stones.
fn rough(scene: &mut Scene) {
    let speed = scene.rng.between(25.0, 90.0) / KMH;
    let event_s = scene.drive_to(speed);
    let decel = scene.g(0.4, 0.9);
    let ramp_s = scene.rng.between(0.1, 0.3);
    let braking_s = speed / decel + ramp_s / 2.0 + 0.5;
    scene.brake(event_s, event_s + braking_s, ramp_s, decel);
    slipping(scene, event_s + ramp_s, event_s + braking_s - 0.5);
    let along = scene.rng.between(0.6, 2.0);
    let sigma = [along, along * 0.7, along * scene.rng.between(1.5, 2.2)];
    let hz = scene.rng.between(10.0, 15.0);
    scene.shake(event_s - 2.0, f32::MAX, hz, 3.0, sigma, true);
    scene.variant = format!("{:.2} g from {:.0} km/h, {along:.1} m/s2 along", decel / GRAVITY, speed * KMH);
    for _ in 0..scene.rng.below(8) {
        let at_s = event_s + scene.rng.between(-1.0, braking_s - 0.6);
        let duration_s = scene.rng.between(0.01, 0.03);
        let height = scene.g(0.5, 2.0);
        let amplitude = [-height * scene.rng.between(0.1, 0.6), height * scene.rng.between(-0.4, 0.4), height];
        scene.wave(Wave::knock(at_s, duration_s, Shape::Swing, amplitude));
        scene.window(at_s - 0.01, at_s + 0.05);
    }
    scene.script.duration_s = event_s + braking_s + 2.0;
}

/// One to three holes, each under both axles: 0.7 to 4 g upwards and 0.2 to 2.5 g along for 10 to 40 ms (recorded ones
/// reach 1.8 g upwards), and the wheel hop that follows.
fn pothole(scene: &mut Scene) {
    let speed = scene.rng.between(20.0, 100.0) / KMH;
    let event_s = scene.drive_to(speed);
    let mut at_s = event_s;
    scene.variant = format!("at {:.0} km/h", speed * KMH);
    for _ in 0..=scene.rng.below(3) {
        let up = GRAVITY * scene.skewed(0.7, 4.0);
        let amplitude =
            [-GRAVITY * scene.skewed(0.2, 2.5).min(up / GRAVITY), GRAVITY * scene.rng.between(-0.8, 0.8), up];
        let duration_s = scene.rng.between(0.01, 0.04);
        for axle_s in [at_s, at_s + WHEELBASE_M / speed] {
            axle_hit(scene, axle_s, duration_s, amplitude);
        }
        at_s += scene.rng.between(0.3, 1.5);
    }
    scene.script.duration_s = at_s + 2.5;
}

/// One axle over an edge: a push back, a swing upwards, and the hop of the wheel on its tire.
fn axle_hit(scene: &mut Scene, at_s: f32, duration_s: f32, amplitude: [f32; 3]) {
    let [x, y, z] = amplitude;
    scene.wave(Wave::push(at_s, duration_s, Shape::Bump, [x, y, 0.0]));
    scene.wave(Wave::knock(at_s, duration_s * 1.6, Shape::Swing, [0.0, 0.0, z]));
    let hop = Shape::Ring(scene.rng.between(10.0, 14.0), 0.08);
    scene.wave(Wave::knock(at_s + duration_s, 0.35, hop, [x * 0.15, y * 0.15, z * 0.3]));
    let ring = Shape::Ring(scene.rng.between(60.0, 120.0), 0.015);
    scene.wave(Wave::knock(at_s, 0.08, ring, [x * 0.3, y * 0.3, z * 0.2]));
    scene.window(at_s - 0.01, at_s + duration_s + 0.15);
}

/// 10 to 100 ms, 2 to 6 g, yet never more than 3 km/h of speed, so that the long ones are soft; up and, at an angle,
/// across. The second axle may follow.
fn kerb(scene: &mut Scene) {
    let speed = scene.rng.between(8.0, 50.0) / KMH;
    let event_s = scene.drive_to(speed);
    let duration_s = scene.rng.between(0.01, 0.1);
    let most_mps = scene.rng.between(0.8, 3.0) / KMH;
    let peak = scene.g(2.0, 6.0).min(2.0 * most_mps / duration_s);
    let angle = scene.sign() * scene.skewed(0.0, 70.0).to_radians();
    let up = scene.g(1.0, 6.0) * (0.02 / duration_s).clamp(0.3, 1.0);
    let amplitude = [-peak * angle.cos(), peak * angle.sin(), up];
    scene.variant = format!("{:.0} ms, {:.1} g at {:.0} km/h", duration_s * 1e3, peak / GRAVITY, speed * KMH);
    axle_hit(scene, event_s, duration_s, amplitude);
    let yaw_dps = scene.rng.between(0.0, 20.0) * angle.signum();
    let fall_s = scene.rng.between(0.05, 0.2);
    let yaw = scene.script.rates[2].to(event_s, 0.0).to(event_s + 0.1, yaw_dps);
    yaw.to(event_s + 0.2, yaw_dps).to(event_s + 0.2 + fall_s, 0.0);
    let mut end_s = event_s;
    if scene.chance(0.6) {
        let after = amplitude.map(|axis| axis * scene.rng.between(0.5, 1.0));
        end_s += WHEELBASE_M / speed;
        axle_hit(scene, end_s, duration_s, after);
    }
    if scene.chance(0.4) {
        let decel = scene.g(0.3, 0.8);
        scene.brake(event_s + 0.5, event_s + 2.0, 0.2, decel);
    }
    scene.script.duration_s = end_s + 3.0;
}

/// 0.4 to 2 g upwards for 100 to 300 ms under each axle; one in seven touches the ground with its belly.
fn speed_bump(scene: &mut Scene) {
    let speed = scene.rng.between(12.0, 50.0) / KMH;
    let event_s = scene.drive_to(speed);
    let duration_s = scene.rng.between(0.1, 0.3);
    let up = scene.g(0.4, 2.0);
    scene.variant = format!("at {:.0} km/h", speed * KMH);
    for axle_s in [event_s, event_s + WHEELBASE_M / speed] {
        let along = scene.g(0.1, 0.5);
        let across = scene.rng.between(-0.5, 0.5);
        scene.wave(Wave::knock(axle_s, duration_s, Shape::Swing, [-along, across, up]));
        scene.window(axle_s, axle_s + duration_s);
    }
    if scene.chance(0.15) {
        scene.say(", belly touches");
        let at_s = event_s + duration_s;
        let amplitude = [-scene.g(0.5, 2.5), scene.rng.gauss(), scene.g(2.0, 6.0)];
        let touch_s = scene.rng.between(0.015, 0.04);
        axle_hit(scene, at_s, touch_s, amplitude);
    }
    scene.script.duration_s = event_s + WHEELBASE_M / speed + 3.0;
}
