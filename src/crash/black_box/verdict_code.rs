//! A verdict as bytes: the fields of [`Verdict`] in their order.

use std::time::Duration;

use crate::crash::verdict::{DeltaV, Direction, Evidence, Probability, Severity, Side, Stage, Verdict};
use crate::time::MonoTime;

use super::wire::{Reader, Writer, present};

const STAGES: [Stage; 6] =
    [Stage::Suspected, Stage::Confirmed, Stage::Graded, Stage::Corrected, Stage::Closed, Stage::Dismissed];
const SIDES: [Side; 5] = [Side::Front, Side::Right, Side::Rear, Side::Left, Side::Unknown];
const SEVERITIES: [Severity; 3] = [Severity::Minor, Severity::Moderate, Severity::Serious];

/// The place in its list, from 1: zero is none.
fn code<T: PartialEq>(list: &[T], value: &T) -> u8 {
    list.iter().position(|item| item == value).and_then(|at| u8::try_from(at + 1).ok()).unwrap_or(0)
}

fn pick<T: Copy>(list: &[T], code: u8) -> Option<T> {
    list.get(usize::from(code).checked_sub(1)?).copied()
}

/// The stage as one byte, never zero.
pub(super) fn stage_code(stage: Stage) -> u8 {
    code(&STAGES, &stage)
}

pub(super) fn stage(code: u8) -> Option<Stage> {
    pick(&STAGES, code)
}

/// The verdict as bytes.
pub(super) fn encode(verdict: &Verdict) -> Vec<u8> {
    // Taken apart in full, so that a new field cannot be forgotten here.
    let Verdict {
        event,
        stage,
        at,
        contact,
        evidence,
        delta_v,
        direction,
        side,
        rollover,
        impacts,
        occupants,
        mais3,
        severity,
    } = *verdict;
    let mut out = Writer::default();
    out.u32(event);
    out.u8(stage_code(stage));
    out.u64(at.as_nanos());
    out.u64(contact.as_nanos());
    encode_evidence(&mut out, &evidence);
    out.flag(delta_v.is_some());
    if let Some(DeltaV { x_mps, y_mps, resultant_mps, uncertainty_mps, is_lower_bound }) = delta_v {
        out.optional(x_mps);
        out.optional(y_mps);
        out.f32(resultant_mps);
        out.f32(uncertainty_mps);
        out.flag(is_lower_bound);
    }
    out.flag(direction.is_some());
    if let Some(Direction { pdof_deg, clock }) = direction {
        out.f32(pdof_deg);
        out.u8(clock);
    }
    out.u8(code(&SIDES, &side));
    out.u8(rollover.map_or(0, |rolled| 1 + u8::from(rolled)));
    out.u8(impacts);
    out.flag(occupants.is_some());
    if let Some((occupied, belted)) = occupants {
        out.u8(occupied);
        out.u8(belted);
    }
    out.flag(mais3.is_some());
    if let Some(Probability { value, low, high }) = mais3 {
        out.f32(value);
        out.f32(low);
        out.f32(high);
    }
    out.u8(severity.map_or(0, |severity| code(&SEVERITIES, &severity)));
    out.0
}

fn encode_evidence(out: &mut Writer, evidence: &Evidence) {
    let Evidence {
        peak_mps2,
        delta_v_150ms_mps,
        dwell,
        saturated,
        pulse,
        restraints,
        speed_lost_mps,
        tilt_deg,
        roll_rate_dps,
        bus_silent,
    } = *evidence;
    out.optional(peak_mps2);
    out.optional(delta_v_150ms_mps);
    for span in [dwell, saturated, pulse] {
        // 584 years stand for none.
        out.u64(span.map_or(u64::MAX, |span| u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)));
    }
    out.u8(restraints);
    out.optional(speed_lost_mps);
    out.optional(tilt_deg);
    out.optional(roll_rate_dps);
    out.flag(bus_silent);
}

/// The verdict that these bytes are; none when they are none.
pub(super) fn decode(bytes: &[u8]) -> Option<Verdict> {
    let mut reader = Reader(bytes);
    let verdict = Verdict {
        event: reader.u32()?,
        stage: stage(reader.u8()?)?,
        at: MonoTime::from_nanos(reader.u64()?),
        contact: MonoTime::from_nanos(reader.u64()?),
        evidence: decode_evidence(&mut reader)?,
        delta_v: if reader.flag()? { Some(decode_delta_v(&mut reader)?) } else { None },
        direction: if reader.flag()? { Some(Direction { pdof_deg: reader.f32()?, clock: reader.u8()? }) } else { None },
        side: pick(&SIDES, reader.u8()?)?,
        rollover: match reader.u8()? {
            0 => None,
            1 => Some(false),
            2 => Some(true),
            _ => return None,
        },
        impacts: reader.u8()?,
        occupants: if reader.flag()? { Some((reader.u8()?, reader.u8()?)) } else { None },
        mais3: if reader.flag()? {
            Some(Probability { value: reader.f32()?, low: reader.f32()?, high: reader.f32()? })
        } else {
            None
        },
        severity: match reader.u8()? {
            0 => None,
            code => Some(pick(&SEVERITIES, code)?),
        },
    };
    reader.is_empty().then_some(verdict)
}

fn decode_evidence(reader: &mut Reader<'_>) -> Option<Evidence> {
    let span = |nanos: u64| (nanos != u64::MAX).then(|| Duration::from_nanos(nanos));
    Some(Evidence {
        peak_mps2: present(reader.f32()?),
        delta_v_150ms_mps: present(reader.f32()?),
        dwell: span(reader.u64()?),
        saturated: span(reader.u64()?),
        pulse: span(reader.u64()?),
        restraints: reader.u8()?,
        speed_lost_mps: present(reader.f32()?),
        tilt_deg: present(reader.f32()?),
        roll_rate_dps: present(reader.f32()?),
        bus_silent: reader.flag()?,
    })
}

fn decode_delta_v(reader: &mut Reader<'_>) -> Option<DeltaV> {
    Some(DeltaV {
        x_mps: present(reader.f32()?),
        y_mps: present(reader.f32()?),
        resultant_mps: reader.f32()?,
        uncertainty_mps: reader.f32()?,
        is_lower_bound: reader.flag()?,
    })
}

#[cfg(test)]
mod tests {
    use super::super::testkit::verdict;
    use super::*;

    #[test]
    fn every_stage_side_and_none_is_read_as_written() {
        for stage in STAGES {
            for side in SIDES {
                let full = Verdict { side, ..verdict(3, stage, MonoTime::from_millis(7_000)) };
                assert_eq!(decode(&encode(&full)), Some(full));
                let bare = Verdict {
                    evidence: Evidence::default(),
                    delta_v: None,
                    direction: None,
                    rollover: None,
                    occupants: None,
                    mais3: None,
                    severity: None,
                    ..full
                };
                assert_eq!(decode(&encode(&bare)), Some(bare));
            }
        }
    }

    #[test]
    fn no_cut_and_no_appendix_passes() {
        let bytes = encode(&verdict(1, Stage::Graded, MonoTime::ZERO));
        for length in 0..bytes.len() {
            assert_eq!(decode(&bytes[..length]), None, "length {length}");
        }
        assert_eq!(decode(&[bytes.as_slice(), &[0]].concat()), None);
    }
}
