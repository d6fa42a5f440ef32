//! What stands in the blocks `Start` and `Data`.

use crate::crash::{Mounting, Orientation, Quantity, SensorSpec};
use crate::time::{KernelBoot, MonoTime, TimeSource, WallStamp, WallTime};

use super::channel::Channel;
use super::header::CrashId;
use super::wire::{Reader, Writer};

/// Sensors that a record describes. A car has two or three; with 255-byte names so many fit into a block.
pub const SENSORS_MAX: usize = 32;

/// In a data block, the tag of a slow value: this plus the channel's number. Below, it is a sensor's.
const SLOW: u8 = 0x80;

/// The bytes of the longest sample and of a slow value in a data block.
pub(super) const SAMPLE_BYTES: u64 = 6 + 12;
pub(super) const VALUE_BYTES: u64 = 5 + 8;

/// What one sensor said at one instant, as small as can be: rings hold tens of thousands.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TimedSample {
    /// When.
    pub at: MonoTime,
    /// Which sensor: an index into the record's list.
    pub sensor: u8,
    /// x, y, z in m/s² or °/s; NaN on an axis without a value.
    pub axes: [f32; 3],
}

/// A slow value from that moment on; NaN while it is not known.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TimedValue {
    /// Since when.
    pub at: MonoTime,
    /// Of which channel.
    pub channel: Channel,
    /// In the channel's unit.
    pub value: f64,
}

/// Who recorded what, and how things stood when the record begins.
#[derive(Debug, Clone, PartialEq)]
pub struct Start {
    /// The event.
    pub crash: CrashId,
    /// The boot that all times count from.
    pub kernel: KernelBoot,
    /// When the suspicion arose.
    pub suspected: MonoTime,
    /// What the wall clock said of that moment.
    pub wall: Option<WallStamp>,
    /// The profile that was loaded.
    pub profile_hash: u32,
    /// The sequence in the critical lane that the crash report will have if nothing comes between.
    pub report_seq: u32,
    /// What the record's samples are of.
    pub sensors: Vec<SensorSpec>,
    /// The values in force at the record's beginning, by channel; NaN where it is not known.
    pub base: [f64; Channel::COUNT],
}

impl Start {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = Writer::default();
        out.u32(self.crash.boot_counter);
        out.u32(self.crash.boot_random);
        out.u32(self.crash.event);
        out.u64(self.kernel.0);
        out.u64(self.suspected.as_nanos());
        out.u8(self.wall.map_or(0, |wall| 1 + wall.source as u8));
        if let Some(wall) = self.wall {
            out.u64(wall.wall.as_unix_micros().cast_unsigned());
            out.u64(wall.uncertainty_us);
        }
        out.u32(self.profile_hash);
        out.u32(self.report_seq);
        let sensors = &self.sensors[..self.sensors.len().min(SENSORS_MAX)];
        out.u8(u8::try_from(sensors.len()).unwrap_or(u8::MAX));
        for sensor in sensors {
            encode_sensor(&mut out, sensor);
        }
        out.u8(u8::try_from(Channel::COUNT).unwrap_or(u8::MAX));
        for value in self.base {
            out.f64(value);
        }
        out.0
    }

    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader(bytes);
        let crash = CrashId { boot_counter: reader.u32()?, boot_random: reader.u32()?, event: reader.u32()? };
        let kernel = KernelBoot(reader.u64()?);
        let suspected = MonoTime::from_nanos(reader.u64()?);
        let source = match reader.u8()? {
            0 => None,
            1 => Some(TimeSource::Rtc),
            2 => Some(TimeSource::Ntp),
            3 => Some(TimeSource::Gnss),
            _ => return None,
        };
        let wall = match source {
            Some(source) => Some(WallStamp {
                wall: WallTime::from_unix_micros(reader.u64()?.cast_signed()),
                source,
                uncertainty_us: reader.u64()?,
            }),
            None => None,
        };
        let (profile_hash, report_seq) = (reader.u32()?, reader.u32()?);
        let count = usize::from(reader.u8()?);
        if count > SENSORS_MAX {
            return None;
        }
        let sensors = (0..count).map(|_| decode_sensor(&mut reader)).collect::<Option<Vec<_>>>()?;
        // A later version may know more channels.
        let channels = usize::from(reader.u8()?);
        let mut base = [f64::NAN; Channel::COUNT];
        for channel in 0..channels {
            let value = reader.f64()?;
            if let Some(place) = base.get_mut(channel) {
                *place = value;
            }
        }
        reader.is_empty().then_some(Self { crash, kernel, suspected, wall, profile_hash, report_seq, sensors, base })
    }
}

fn encode_sensor(out: &mut Writer, sensor: &SensorSpec) {
    let SensorSpec { name, quantity, axes, range, rate_hz, noise, mounting, orientation, is_protected } = sensor;
    out.name(name);
    out.flag(*quantity == Quantity::AngularRate);
    for has in axes {
        out.flag(*has);
    }
    out.f32(*range);
    out.f32(*rate_hz);
    out.f32(*noise);
    out.flag(*mounting == Mounting::Device);
    out.flag(*orientation == Orientation::Learnt);
    out.flag(*is_protected);
}

fn decode_sensor(reader: &mut Reader<'_>) -> Option<SensorSpec> {
    Some(SensorSpec {
        name: reader.name()?,
        quantity: if reader.flag()? { Quantity::AngularRate } else { Quantity::Acceleration },
        axes: [reader.flag()?, reader.flag()?, reader.flag()?],
        range: reader.f32()?,
        rate_hz: reader.f32()?,
        noise: reader.f32()?,
        mounting: if reader.flag()? { Mounting::Device } else { Mounting::Chassis },
        orientation: if reader.flag()? { Orientation::Learnt } else { Orientation::Stated },
        is_protected: reader.flag()?,
    })
}

/// The payload of a data block: microseconds from `from`, the earliest of all.
pub(super) fn encode_data<'a>(
    from: MonoTime,
    samples: impl Iterator<Item = &'a TimedSample>,
    values: impl Iterator<Item = &'a TimedValue>,
) -> Vec<u8> {
    let mut out = Writer::default();
    let since = |at: MonoTime| u32::try_from(at.since(from).as_micros()).unwrap_or(u32::MAX);
    for sample in samples {
        let present = sample.axes.map(|axis| !axis.is_nan());
        out.u8(sample.sensor & !SLOW);
        out.u8((0..3).filter(|axis| present[*axis]).map(|axis| 1 << axis).sum());
        out.u32(since(sample.at));
        sample.axes.iter().filter(|axis| !axis.is_nan()).for_each(|axis| out.f32(*axis));
    }
    for value in values {
        // `COUNT` is far below 128.
        out.u8(SLOW | value.channel as u8);
        out.u32(since(value.at));
        out.f64(value.value);
    }
    out.0
}

/// Reads the payload of a data block to the lists; false when something in it was not to be understood.
pub(super) fn decode_data(
    from: MonoTime,
    bytes: &[u8],
    samples: &mut Vec<TimedSample>,
    values: &mut Vec<TimedValue>,
) -> bool {
    let mut reader = Reader(bytes);
    while !reader.is_empty() {
        if read_entry(from, &mut reader, samples, values).is_none() {
            return false;
        }
    }
    true
}

fn read_entry(
    from: MonoTime,
    reader: &mut Reader<'_>,
    samples: &mut Vec<TimedSample>,
    values: &mut Vec<TimedValue>,
) -> Option<()> {
    let moment = |micros: u32| from + std::time::Duration::from_micros(u64::from(micros));
    let tag = reader.u8()?;
    if tag & SLOW == 0 {
        let mask = reader.u8()?;
        let at = moment(reader.u32()?);
        let mut axes = [f32::NAN; 3];
        for (axis, place) in axes.iter_mut().enumerate() {
            if mask & (1 << axis) != 0 {
                *place = reader.f32()?;
            }
        }
        samples.push(TimedSample { at, sensor: tag, axes });
    } else {
        let at = moment(reader.u32()?);
        let value = reader.f64()?;
        if let Some(channel) = Channel::from_index(tag & !SLOW) {
            values.push(TimedValue { at, channel, value });
        }
    }
    Some(())
}
