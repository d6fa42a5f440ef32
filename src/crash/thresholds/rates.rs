//! How the car turns and leans: rollover, the rates and their faults, gravity before and after.

use std::time::Duration;

use super::SLIDING_SLACK_MPS2;

/// The car has rolled over when it has turned so far: beyond 50 to 60° no car comes back (static stability factor of
/// 1.0 to 1.5, physics).
pub const ROLLOVER_DEG: f32 = 60.0;

/// Of gravity as it was, a car that rolls feels no more than this share upwards: it leans by 45° and more, or flies (physics);
/// braking and bends leave it whole.
pub const UPSET_SHARE: f32 = 0.7;

/// Holes and bumps take it away for less, on the mean of [`GRAVITY_QUICK_TAU`]: it is 0.4 s in the air, from a jump 0.2 m high
/// (physics).
pub const UPSET_AFTER: Duration = Duration::from_millis(500);

/// A car that spins about its length flings a sensor below its axis outwards: 0.2 m at 400 °/s add a whole gravity (physics).
pub const FLUNG_SHARE: f32 = 1.5;

/// A rate that does not move is believed up to so much, in °/s: the zero of the sensor, and what a straight road leaves
/// (assumed: 0.8 °/s is one standard deviation of such zeros).
pub const RATE_AT_REST_DPS: f32 = 3.0;

/// What a rate of a car that stands may swing by within a second, in °/s: noise, doors and an engine that idles (assumed). What
/// swings more is in a hand.
pub const RATE_STILL_DPS: f32 = 4.0;

/// A second at standstill moves the zero of a rate by this share of what it shows.
pub const RATE_ZERO_SHARE: f32 = 0.3;

/// Across the car so much may be felt less than a yaw rate needs, in m/s²: twice [`SLIDING_SLACK_MPS2`].
pub const RATE_SHIFT_MPS2: f32 = 2.0 * SLIDING_SLACK_MPS2;

/// So many seconds in a row must show that the zero of a rate is off, and no more than [`RATE_AT_REST_DPS`] between two of
/// them: no slide ([`super::LONGEST_SLIDE`]), hill or body that leans is as long and as even.
pub const RATE_SHIFT_WINDOWS: u8 = 8;

/// Above this the wheels of a car turn, in m/s, which may turn itself.
pub const CREEPING_MPS: f32 = 0.05;

/// From one sample to the next no car turns by so much and back again, in °/s: it takes twice the blow of a crash
/// ([`super::TURNED_DPS`]), the second one against the first.
pub const RATE_JUMP_DPS: f32 = 25.0;

/// It is back within so long: three samples of the slowest known sensor.
pub const RATE_JUMP_BACK: Duration = Duration::from_millis(40);

/// It is back when it is so near to where it was, in °/s.
pub const RATE_RETURN_DPS: f32 = RATE_JUMP_DPS / 2.0;

/// So often, never more than [`super::RECOVERED_AFTER`] apart, is a fault.
pub const RATE_JUMPS: u8 = 3;

/// A car on its wheels does not spin faster than its rate sensors see for so long: it turns by half a turn and more in it; and
/// a rollover that gravity follows has been told by then (physics).
pub const LONGEST_SPIN: Duration = Duration::from_secs(1);

/// No car rolls for longer: eight quarter turns take 2 to 5 s (assumed). What has turned over for longer is a rate whose zero
/// has shifted.
pub const LONGEST_ROLL: Duration = Duration::from_secs(5);

/// Rates below this are a car on a road, in °/s (recorded: 15 at most on rough roads).
pub const ROLL_CALM_DPS: f32 = 15.0;

/// The roll angle is taken as nought again after so long a calm.
pub const ROLL_CALM_AFTER: Duration = Duration::from_secs(1);

/// Rates further apart than this are not integrated.
pub const ROLL_MAX_GAP: Duration = Duration::from_millis(200);

/// Time constant of gravity before an event: slower than bends and braking.
pub const GRAVITY_SLOW_TAU: Duration = Duration::from_secs(4);

/// Time constant of gravity at rest after an event.
pub const GRAVITY_QUICK_TAU: Duration = Duration::from_millis(300);

/// A car whose acceleration swings by no more than this lies still, in m/s².
pub const REST_SWING_MPS2: f32 = 1.5;

/// It must lie still for so long.
pub const REST_AFTER: Duration = Duration::from_millis(700);

/// What is measured is gravity when it is as long as that, within so much, in m/s².
pub const GRAVITY_TOLERANCE_MPS2: f32 = 2.0;
