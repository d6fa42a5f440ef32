//! What makes an accelerometer faulty, what heals it, and what is learnt of its signs and its zero.

use std::time::Duration;

/// A live sensor in a moving car does not repeat itself for so long: at 83 Hz that would be 166 equal samples.
pub const STUCK_AFTER: Duration = Duration::from_secs(2);

/// A car that is faster than this shakes every sensor, in m/s.
pub const MOVING_MPS: f32 = 3.0;

/// An axis without a value is dead after so long.
pub const DEAD_AFTER: Duration = Duration::from_secs(2);

/// An axis that repeats a value no larger than this is dead rather than stuck, in m/s².
pub const DEAD_VALUE_MPS2: f32 = 0.1;

/// A fault is over when it was not seen for so long.
pub const RECOVERED_AFTER: Duration = Duration::from_secs(10);

/// So many seconds that show a zero where it should be, and none that does not, end its shift.
pub const ZERO_FINE_WINDOWS: u8 = 10;

/// A shifted zero is taken for fine when nothing showed it for so long: bends, and speeds that are not told, hide it.
pub const SHIFT_HIDDEN_FOR: Duration = Duration::from_secs(600);

/// A pulse shorter than this does not tell resonance from a spike.
pub const RESONANCE_SPAN: Duration = Duration::from_millis(12);

/// A pulse whose pushes add up to less is too weak to tell, in m/s (recorded: the loose sensor pushes 2 m/s within
/// 13 ms of contact).
pub const RESONANCE_PATH_MPS: f32 = 1.5;

/// Pushes that cancel each other out to less than this share are resonance: above the 0.40 of the loose sensor, below the 0.70
/// of healthy ones (recorded, see [`super::COHERENT_SHARE`]).
pub const RESONANCE_SHARE: f32 = 0.45;

/// Readings and driving are compared over windows of this length: longer than any manoeuvre's edges, shorter than most
/// manoeuvres.
pub const LEARN_WINDOW: Duration = Duration::from_secs(1);

/// What is learnt fades by this share with every window: half of it is two minutes old.
pub const LEARN_FADE: f32 = 0.006;

/// A window at standstill counts so much: it shows the offset, but also the slope that the car happens to stand on.
pub const LEARN_STANDING_SHARE: f32 = 0.1;

/// No road shakes a sensor along the road by more on the mean of a second, in m/s² (recorded: 3.3 in a phone on a rough one).
pub const SHAKEN_MPS2: f32 = 6.0;

/// So many seconds in a row must show it.
pub const SHAKEN_WINDOWS: u8 = 2;

/// Windows before a sign is believed: twelve seconds of driving (assumed).
pub const LEARN_WEIGHT: f32 = 12.0;

/// Standard deviation of the car's own acceleration before a sign is believed, in m/s²: a drive
/// that changes less shows no sign (assumed).
pub const LEARN_SPREAD_MPS2: f32 = 0.25;

/// Correlation of readings and driving before a sign is believed: half of what is read is explained by the drive (assumed).
pub const LEARN_CORRELATION: f32 = 0.7;

/// The largest offset that is calibrated away, in m/s²: 30 % of slope, or 0.6 % of ±50 g.
pub const MAX_OFFSET_MPS2: f32 = 3.0;

/// A mean that is off by more than this, with all that slopes may add (30 %: 2.8), is a shifted zero, in m/s².
pub const ZERO_SHIFT_MPS2: f32 = 5.0;

/// So many windows in a row must show it.
pub const ZERO_SHIFT_WINDOWS: u8 = 2;

/// No pulse is longer: what stays off the baseline, or at one end of the range, for longer is a shifted zero or a stuck
/// axis (the longest recorded one: 0.2 s).
pub const LONGEST_PULSE: Duration = Duration::from_millis(350);

/// The same for a sensor that clips: the trip of a rollover in soil (340 to 680 ms at up to 2.5 g, assumed) holds it at
/// its end, though not from the first to the last of it.
pub const LONGEST_CLIPPED: Duration = Duration::from_millis(600);

/// Once a crash is confirmed, what pushes for so long, harder than tires can on the mean, is a shifted zero (physics: at
/// that, the longest trip in soil is over, and a car of 54 km/h stands).
pub const LONGEST_PUSH: Duration = Duration::from_secs(1);

/// A zero that shifts pushes as hard at first as it does later; one that a crash has shifted pushes harder at first. Up to
/// this factor between the mean while a crash is graded and that of the whole push, all of it counts as shift: also a crash
/// of less than a seventh of what the shift adds up to in a second (assumed).
pub const EVEN_FACTOR: f32 = 1.3;

/// A shifted zero pushes into one direction only (see [`super::COHERENT_SHARE`]).
pub const SHIFTED_SHARE: f32 = 0.9;
