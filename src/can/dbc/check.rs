//! Whether a database makes sense as a whole.

use std::collections::BTreeMap;

use super::finding::{Finding, Findings, Problem};
use super::{ByteOrder, Kind, MAX_MUX_DEPTH, Message, Signal};

/// Bits of the largest frame.
const FRAME_BITS: u16 = 512;

pub(super) fn check(messages: &[Message], errors: &mut Findings, warnings: &mut Findings) {
    let mut names = BTreeMap::new();
    for message in messages {
        if let Some(line) = names.insert(message.name.as_str(), message.line) {
            errors.add(Finding::of_message(message.line, &message.name, Problem::RepeatedMessage(line)));
        }
        if message.size == 0 && !message.signals.is_empty() {
            errors.add(Finding::of_message(message.line, &message.name, Problem::Empty));
        }
        let before = errors.len();
        for signal in &message.signals {
            check_signal(message, signal, errors, warnings);
        }
        check_mux(message, errors);
        if errors.len() == before {
            check_overlap(message, warnings);
        }
    }
}

fn check_signal(message: &Message, signal: &Signal, errors: &mut Findings, warnings: &mut Findings) {
    let finding = |problem| Finding::of_signal(signal.line, &message.name, &signal.name, problem);
    let end = u64::from(signal.first_bit()) + u64::from(signal.length);
    if end > u64::from(FRAME_BITS) {
        errors.add(finding(Problem::OutsideFrame(end)));
    } else if signal.needs_bytes() > usize::from(message.size) && message.size > 0 {
        warnings.add(finding(Problem::OutsideMessage { needs: signal.needs_bytes(), size: message.size }));
    }
    if signal.factor == 0.0 || !signal.factor.is_finite() || !signal.offset.is_finite() {
        errors.add(finding(Problem::Scale { factor: signal.factor, offset: signal.offset }));
    }
    if signal.min > signal.max {
        warnings.add(finding(Problem::Range { min: signal.min, max: signal.max }));
    }
    let float_bits = match signal.kind {
        Kind::Unsigned | Kind::Signed => signal.length,
        Kind::Float => 32,
        Kind::Double => 64,
    };
    if signal.length != float_bits {
        errors.add(finding(Problem::FloatLength(signal.length)));
    }
}

/// Follows each signal's multiplexors up to the root.
fn check_mux(message: &Message, errors: &mut Findings) {
    for signal in &message.signals {
        let mut depth = 0;
        let mut above = signal;
        while let Some(multiplexor) = above.mux.as_ref().and_then(|mux| message.signals.get(mux.multiplexor)) {
            depth += 1;
            above = multiplexor;
            let problem = if std::ptr::eq(multiplexor, signal) {
                Problem::MuxCycle
            } else if depth > MAX_MUX_DEPTH {
                Problem::MuxDepth
            } else if depth == 1 && matches!(multiplexor.kind, Kind::Float | Kind::Double) {
                Problem::FloatMultiplexor
            } else {
                continue;
            };
            errors.add(Finding::of_signal(signal.line, &message.name, &signal.name, problem));
            break;
        }
    }
}

/// Reports, for each signal, the first later one that shares bits with it at the same time.
fn check_overlap(message: &Message, warnings: &mut Findings) {
    let bits: Vec<[u64; 8]> = message.signals.iter().map(occupied).collect();
    for (index, (signal, own)) in message.signals.iter().zip(&bits).enumerate() {
        let later = message.signals.iter().zip(&bits).skip(index + 1);
        let overlapped = later
            .filter(|(_, others)| own.iter().zip(*others).any(|(a, b)| a & b != 0))
            .find(|(other, _)| !exclude_each_other(message, signal, other));
        if let Some((other, _)) = overlapped {
            let problem = Problem::Overlap(other.name.clone());
            warnings.add(Finding::of_signal(signal.line, &message.name, &signal.name, problem));
        }
    }
}

/// The signal's bits in a frame, counted from the least significant bit of byte 0.
fn occupied(signal: &Signal) -> [u64; 8] {
    let mut bits = [0; 8];
    let first = signal.first_bit();
    for bit in first..first + u16::from(signal.length) {
        let bit = match signal.byte_order {
            ByteOrder::LittleEndian => bit,
            ByteOrder::BigEndian => bit ^ 7,
        };
        bits[usize::from(bit / 64)] |= 1 << (bit % 64);
    }
    bits
}

/// Whether some multiplexor never chooses both.
fn exclude_each_other(message: &Message, a: &Signal, b: &Signal) -> bool {
    choices(message, a).any(|(multiplexor_a, ranges_a)| {
        choices(message, b).any(|(multiplexor_b, ranges_b)| {
            multiplexor_a == multiplexor_b
                && !ranges_a.iter().any(|a| ranges_b.iter().any(|b| a.0 <= b.1 && b.0 <= a.1))
        })
    })
}

/// The multiplexor values that choose a signal, from its own multiplexor up.
fn choices<'a>(message: &'a Message, signal: &'a Signal) -> impl Iterator<Item = (usize, &'a [(u64, u64)])> {
    let mut above = signal.mux.as_ref();
    std::iter::from_fn(move || {
        let mux = above?;
        above = message.signals.get(mux.multiplexor).and_then(|signal| signal.mux.as_ref());
        Some((mux.multiplexor, mux.ranges.as_slice()))
    })
}
