//! The road: a ring on an island that does not exist, seen as a function of the distance driven.
//!
//! Four times the same quarter, each turning left by 90 degrees in all, so that the ring closes exactly and a car can
//! drive on it for ever. Height is a sum of two waves along the ring, so that what goes up comes down. The island lies
//! in the middle of the Atlantic: no position in a recording is anybody's.

use std::f64::consts::{PI, TAU};

/// Where the ring begins, in degrees: water.
const ORIGIN_DEG: (f64, f64) = (44.0, -25.0);
/// Mean radius of the earth (IUGG R1); the ring is small enough for a tangent plane.
const EARTH_RADIUS_M: f64 = 6_371_008.8;

/// What a piece of one quarter looks like: length in meters, turn to the left in degrees.
const QUARTER: [(f64, f64); 8] = [
    (260.0, 0.0),
    (40.0, 60.0),
    (350.0, -20.0),
    (300.0, 0.0),
    (80.0, 50.0),
    (500.0, 0.0),
    (200.0, -30.0),
    (60.0, 30.0),
];

/// The speed limits of the pieces in km/h, quarter by quarter: village, country, highway, country.
const LIMITS_KMH: [[f64; 8]; 4] = [
    [50.0, 50.0, 50.0, 50.0, 50.0, 70.0, 70.0, 50.0],
    [80.0, 60.0, 80.0, 80.0, 80.0, 100.0, 80.0, 60.0],
    [100.0, 80.0, 120.0, 120.0, 100.0, 120.0, 120.0, 80.0],
    [80.0, 60.0, 80.0, 80.0, 70.0, 80.0, 70.0, 50.0],
];

/// Where the hills hide the base station, in meters along the ring.
const VALLEY_M: (f64, f64) = (150.0, 420.0);
/// Where rock hides the sky.
const TUNNEL_M: (f64, f64) = (2_700.0, 2_950.0);
/// Traffic lights.
pub(super) const LIGHTS_M: [f64; 3] = [1_690.0, 3_300.0, 6_900.0];

/// The ring.
#[derive(Debug, Clone)]
pub(super) struct Road {
    pieces: Vec<Piece>,
    length_m: f64,
}

#[derive(Debug, Clone, Copy)]
struct Piece {
    start_m: f64,
    east_m: f64,
    north_m: f64,
    /// Mathematical: counter-clockwise from east.
    angle: f64,
    curvature: f64,
    limit_mps: f64,
}

/// One spot of the road.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Spot {
    pub latitude_deg: f64,
    pub longitude_deg: f64,
    pub altitude_m: f64,
    /// Clockwise from true north, 0 to 360.
    pub heading_deg: f64,
    /// Per meter, positive to the left.
    pub curvature: f64,
    /// Rise per meter, uphill positive.
    pub grade: f64,
    pub limit_mps: f64,
    pub tunnel: bool,
    pub valley: bool,
}

impl Road {
    pub(super) fn ring() -> Self {
        let mut pieces = Vec::with_capacity(QUARTER.len() * LIMITS_KMH.len());
        let (mut start_m, mut east_m, mut north_m, mut angle) = (0.0, 0.0, 0.0, 0.3_f64);
        for limits in LIMITS_KMH {
            for ((length_m, turn_deg), limit_kmh) in QUARTER.into_iter().zip(limits) {
                let curvature = turn_deg.to_radians() / length_m;
                let piece = Piece { start_m, east_m, north_m, angle, curvature, limit_mps: limit_kmh / 3.6 };
                (east_m, north_m, angle) = piece.along(length_m);
                start_m += length_m;
                pieces.push(piece);
            }
        }
        Self { pieces, length_m: start_m }
    }

    pub(super) fn length_m(&self) -> f64 {
        self.length_m
    }

    /// The spot that many meters after the start, any number of rounds later.
    pub(super) fn at(&self, distance_m: f64) -> Spot {
        let on_ring_m = distance_m.rem_euclid(self.length_m);
        let index = self.pieces.partition_point(|piece| piece.start_m <= on_ring_m).saturating_sub(1);
        let Some(piece) = self.pieces.get(index) else { return Spot::default() };
        let (east_m, north_m, angle) = piece.along(on_ring_m - piece.start_m);
        let latitude_deg = ORIGIN_DEG.0 + (north_m / EARTH_RADIUS_M).to_degrees();
        let parallel_m = EARTH_RADIUS_M * ORIGIN_DEG.0.to_radians().cos();
        let (altitude_m, grade) = self.height(on_ring_m);
        let within = |(from, to): (f64, f64)| (from..to).contains(&on_ring_m);
        Spot {
            latitude_deg,
            longitude_deg: ORIGIN_DEG.1 + (east_m / parallel_m).to_degrees(),
            altitude_m,
            heading_deg: (90.0 - angle.to_degrees()).rem_euclid(360.0),
            curvature: piece.curvature,
            grade,
            limit_mps: piece.limit_mps,
            tunnel: within(TUNNEL_M),
            valley: within(VALLEY_M),
        }
    }

    fn height(&self, on_ring_m: f64) -> (f64, f64) {
        let mut altitude_m = 80.0;
        let mut grade = 0.0;
        for (waves, amplitude_m, phase) in [(1.0, 30.0, 0.0), (5.0, 6.0, PI / 3.0)] {
            let number = TAU * waves / self.length_m;
            altitude_m += amplitude_m * (number * on_ring_m + phase).sin();
            grade += amplitude_m * number * (number * on_ring_m + phase).cos();
        }
        (altitude_m, grade)
    }
}

impl Piece {
    /// East, north and angle after that many meters on this piece.
    fn along(&self, meters: f64) -> (f64, f64, f64) {
        let angle = self.angle + self.curvature * meters;
        if self.curvature == 0.0 {
            return (self.east_m + meters * angle.cos(), self.north_m + meters * angle.sin(), angle);
        }
        let radius = 1.0 / self.curvature;
        (
            self.east_m + radius * (angle.sin() - self.angle.sin()),
            self.north_m - radius * (angle.cos() - self.angle.cos()),
            angle,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ring_closes_and_has_no_gaps() {
        let road = Road::ring();
        let mut last = road.at(0.0);
        let steps = 7_160;
        for step in 1..=steps {
            let spot = road.at(f64::from(step));
            let north_m = (spot.latitude_deg - last.latitude_deg).to_radians() * EARTH_RADIUS_M;
            let east_m = (spot.longitude_deg - last.longitude_deg).to_radians()
                * EARTH_RADIUS_M
                * ORIGIN_DEG.0.to_radians().cos();
            assert!((north_m.hypot(east_m) - 1.0).abs() < 1e-2, "a meter on the road is a meter on the ground: {step}");
            assert!((spot.altitude_m - last.altitude_m - last.grade).abs() < 1e-3, "height and grade agree: {step}");
            last = spot;
        }
        assert!((road.length_m() - f64::from(steps)).abs() < 1e-9);
        let start = road.at(0.0);
        assert!((last.latitude_deg - start.latitude_deg).abs() < 1e-9);
        assert!((last.longitude_deg - start.longitude_deg).abs() < 1e-9);
    }
}
