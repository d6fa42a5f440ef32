//! From numbers to payloads: the inverse of the decode plan, for the simulated car and for actuators.
//!
//! A value that its bits cannot hold is refused, never clipped or wrapped; so is a multiplexed signal whose
//! multiplexor, as it stands in the payload, does not choose it.

use super::dbc::{ByteOrder, Kind, Message, Signal};
use super::frame::{Frame, FrameKind};
use super::plan::Raw;

/// Why a value cannot be sent. The caller must act: nothing of it comes from outside.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum EncodeError {
    /// The message has no such signal.
    #[error("message {message} has no signal {signal}: correct the name")]
    UnknownSignal {
        /// The message.
        message: String,
        /// The name that was asked for.
        signal: String,
    },
    /// The signal has too few bits for the value, or no sign.
    #[error("{signal} cannot hold {value}: stay within its bits")]
    OutOfRange {
        /// The signal.
        signal: String,
        /// The physical value, or the raw one where that was given.
        value: f64,
    },
    /// The raw value is of another kind than the signal: an integer for a float, signed for unsigned.
    #[error("{0} is sent as another kind of number: use the kind that the database states")]
    Kind(String),
    /// The payload ends before the signal does.
    #[error("{0} lies behind the end of the payload: use a longer frame")]
    TooShort(String),
    /// Its multiplexor has a value that does not choose it.
    #[error("{0} is not there with this multiplexor value: set the multiplexor first")]
    NotChosen(String),
}

/// A data frame of the message, all bits zero but for these physical values, which are put in the given order: a
/// multiplexor before what it chooses. Messages of more than eight bytes become FD frames.
pub fn frame(message: &Message, values: &[(&str, f64)]) -> Result<Frame, EncodeError> {
    let mut payload = blank(message);
    for &(name, value) in values {
        put(message, &mut payload, name, value)?;
    }
    let kind = if payload.len() > 8 { FrameKind::Fd { brs: true, esi: false } } else { FrameKind::Data };
    Frame::new(message.id, kind, &payload).ok_or_else(|| EncodeError::TooShort(message.name.clone()))
}

/// A payload of the message: zeros, and the selector where messages share an identifier.
#[must_use]
pub fn blank(message: &Message) -> Vec<u8> {
    let mut payload = vec![0; usize::from(message.size)];
    if let Some((first, selector)) = payload.first_mut().zip(message.selector) {
        *first = selector;
    }
    payload
}

/// Puts a physical value into a payload, rounded to the nearest raw one.
pub fn put(message: &Message, payload: &mut [u8], name: &str, physical: f64) -> Result<(), EncodeError> {
    let signal = signal_of(message, name)?;
    let raw = raw_of(signal, physical)?;
    write(message, payload, signal, raw)
}

/// Puts a raw value into a payload.
pub fn put_raw(message: &Message, payload: &mut [u8], name: &str, raw: Raw) -> Result<(), EncodeError> {
    write(message, payload, signal_of(message, name)?, raw)
}

fn signal_of<'a>(message: &'a Message, name: &str) -> Result<&'a Signal, EncodeError> {
    message
        .signal(name)
        .ok_or_else(|| EncodeError::UnknownSignal { message: message.name.clone(), signal: name.to_owned() })
}

#[expect(clippy::cast_possible_truncation, reason = "the value is whole and its range is checked just before")]
#[expect(clippy::cast_sign_loss, reason = "the value's range is checked just before")]
fn raw_of(signal: &Signal, physical: f64) -> Result<Raw, EncodeError> {
    let exact = (physical - signal.offset) / signal.factor;
    let whole = exact.round();
    // 2^63 and 2^64 are exact as doubles, their predecessors as integers are not: the bounds are exclusive above.
    match signal.kind {
        Kind::Float => Ok(Raw::Float(exact as f32)),
        Kind::Double => Ok(Raw::Double(exact)),
        Kind::Unsigned if (0.0..2_f64.powi(64)).contains(&whole) => Ok(Raw::Unsigned(whole as u64)),
        Kind::Signed if (-2_f64.powi(63)..2_f64.powi(63)).contains(&whole) => Ok(Raw::Signed(whole as i64)),
        Kind::Unsigned | Kind::Signed => Err(out_of_range(signal, physical)),
    }
}

#[expect(clippy::cast_precision_loss, reason = "the value is only shown")]
#[expect(clippy::cast_sign_loss, reason = "the bit pattern is meant")]
fn write(message: &Message, payload: &mut [u8], signal: &Signal, raw: Raw) -> Result<(), EncodeError> {
    if payload.len() < signal.needs_bytes() {
        return Err(EncodeError::TooShort(signal.name.clone()));
    }
    if !is_chosen(message, payload, signal) {
        return Err(EncodeError::NotChosen(signal.name.clone()));
    }
    let spare = 64 - u32::from(signal.length);
    let bits = match (signal.kind, raw) {
        (Kind::Unsigned, Raw::Unsigned(raw)) if raw <= u64::MAX >> spare => raw,
        (Kind::Signed, Raw::Signed(raw)) if (i64::MIN >> spare..=i64::MAX >> spare).contains(&raw) => raw as u64,
        (Kind::Float, Raw::Float(raw)) => u64::from(raw.to_bits()),
        (Kind::Double, Raw::Double(raw)) => raw.to_bits(),
        (Kind::Unsigned, Raw::Unsigned(raw)) => return Err(out_of_range(signal, raw as f64)),
        (Kind::Signed, Raw::Signed(raw)) => return Err(out_of_range(signal, raw as f64)),
        _ => return Err(EncodeError::Kind(signal.name.clone())),
    };
    for (place, bit) in places(signal).enumerate() {
        let (byte, mask) = (usize::from(bit / 8), 1 << (bit % 8));
        if bits >> place & 1 == 1 {
            payload[byte] |= mask;
        } else {
            payload[byte] &= !mask;
        }
    }
    Ok(())
}

fn out_of_range(signal: &Signal, value: f64) -> EncodeError {
    EncodeError::OutOfRange { signal: signal.name.clone(), value }
}

/// Whether all multiplexors above the signal, as they stand in the payload, choose it.
fn is_chosen(message: &Message, payload: &[u8], signal: &Signal) -> bool {
    let mut above = signal.mux.as_ref();
    while let Some(mux) = above {
        let Some(multiplexor) = message.signals.get(mux.multiplexor) else { return false };
        if payload.len() < multiplexor.needs_bytes() {
            return false;
        }
        let value = places(multiplexor)
            .enumerate()
            .fold(0, |sum, (place, bit)| sum | u64::from(payload[usize::from(bit / 8)] >> (bit % 8) & 1) << place);
        if !mux.ranges.iter().any(|(low, high)| (*low..=*high).contains(&value)) {
            return false;
        }
        above = multiplexor.mux.as_ref();
    }
    true
}

/// The signal's bits in the payload, the least significant one first, counted from that of byte 0.
fn places(signal: &Signal) -> impl Iterator<Item = u16> + use<> {
    let (first, length, order) = (signal.first_bit(), u16::from(signal.length), signal.byte_order);
    (0..length).map(move |place| match order {
        ByteOrder::LittleEndian => first + place,
        ByteOrder::BigEndian => (first + length - 1 - place) ^ 7,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::can::CanId;
    use crate::can::dbc::Dbc;
    use crate::can::plan::Plan;
    use crate::can::testkit::any_signal;

    fn decoded(plan: &Plan, frame: &Frame) -> Vec<(String, Raw, f64)> {
        let mut all = Vec::new();
        plan.decode(frame, |signal, outcome| {
            let sample = outcome.unwrap();
            all.push((plan.signal_def(signal).1.name.clone(), sample.raw, sample.physical));
        });
        all
    }

    #[expect(clippy::cast_possible_wrap, clippy::cast_possible_truncation, reason = "any bit pattern will do")]
    fn raw_from(signal: &Signal, bits: u64) -> Raw {
        let spare = 64 - u32::from(signal.length);
        match signal.kind {
            Kind::Unsigned => Raw::Unsigned(bits >> spare),
            Kind::Signed => Raw::Signed(bits as i64 >> spare),
            // Quiet NaNs would compare unequal to themselves.
            Kind::Float => Raw::Float(Some(f32::from_bits(bits as u32)).filter(|v| !v.is_nan()).unwrap_or(1.5)),
            Kind::Double => Raw::Double(Some(f64::from_bits(bits)).filter(|v| !v.is_nan()).unwrap_or(1.5)),
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn what_is_encoded_is_decoded_and_nothing_else_is_touched(
            body in any_signal(),
            bits in prop_oneof![any::<u64>(), Just(0), Just(u64::MAX), Just(1 << 63)],
            before in proptest::array::uniform32(any::<u16>()),
        ) {
            let dbc = Dbc::parse(body.as_bytes()).unwrap();
            let plan = Plan::compile(&[&dbc], |_, _| true).unwrap();
            let message = &dbc.messages[0];
            let signal = &message.signals[0];
            let before: Vec<u8> = before.iter().flat_map(|word| word.to_le_bytes()).collect();
            let raw = raw_from(signal, bits);
            let mut payload = before.clone();
            put_raw(message, &mut payload, "S", raw).unwrap();
            let frame = Frame::new(message.id, FrameKind::Fd { brs: false, esi: false }, &payload).unwrap();
            let found = decoded(&plan, &frame);
            prop_assert_eq!(found[0].1, raw);
            let own: Vec<u16> = places(signal).collect();
            for bit in (0..512).filter(|bit| !own.contains(bit)) {
                let (byte, shift) = (usize::from(bit / 8), bit % 8);
                prop_assert_eq!(payload[byte] >> shift & 1, before[byte] >> shift & 1);
            }
            // And back from the physical value, where a double holds the raw one exactly.
            if signal.length <= 48 && found[0].2.is_finite() {
                let mut again = before;
                put(message, &mut again, "S", found[0].2).unwrap();
                if !matches!(raw, Raw::Float(_)) {
                    prop_assert_eq!(again, payload);
                }
            }
        }
    }

    const MUXED: &str = "BO_ 1 M: 8 X\n SG_ Root M : 0|8@1+ (1,0) [0|0] \"\" X\n\
         \x20SG_ Inner m1M : 8|8@1+ (1,0) [0|0] \"\" X\n SG_ Leaf m2 : 16|8@1- (0.5,0) [0|0] \"\" X\n\
         SG_MUL_VAL_ 1 Inner Root 1-1;\nSG_MUL_VAL_ 1 Leaf Inner 2-4;\n";

    #[test]
    fn multiplexed_signals_are_put_where_their_multiplexor_leads() {
        let dbc = Dbc::parse(MUXED.as_bytes()).unwrap();
        let plan = Plan::compile(&[&dbc], |_, _| true).unwrap();
        let message = &dbc.messages[0];
        let sent = frame(message, &[("Root", 1.0), ("Inner", 3.0), ("Leaf", -2.5)]).unwrap();
        let found: Vec<_> = decoded(&plan, &sent).into_iter().map(|(name, _, value)| (name, value)).collect();
        let expected = [("Root", 1.0), ("Inner", 3.0), ("Leaf", -2.5)].map(|(name, value)| (name.to_owned(), value));
        assert_eq!(found, expected);
        let wrong = frame(message, &[("Root", 1.0), ("Inner", 5.0), ("Leaf", 0.0)]);
        assert_eq!(wrong, Err(EncodeError::NotChosen("Leaf".to_owned())));
    }

    #[test]
    fn what_cannot_be_sent_is_refused() {
        let dbc = Dbc::parse(MUXED.as_bytes()).unwrap();
        let message = &dbc.messages[0];
        let mut payload = blank(message);
        let name = "Root".to_owned();
        for value in [-1.0, 256.0, f64::NAN, f64::INFINITY] {
            let found = put(message, &mut payload, "Root", value).unwrap_err();
            assert!(matches!(found, EncodeError::OutOfRange { .. }), "{value}: {found}");
        }
        assert_eq!(put_raw(message, &mut payload, "Root", Raw::Signed(1)), Err(EncodeError::Kind(name)));
        let unknown = EncodeError::UnknownSignal { message: "M".to_owned(), signal: "Rot".to_owned() };
        assert_eq!(put(message, &mut payload, "Rot", 0.0), Err(unknown));
        let short = put(message, &mut [], "Root", 0.0);
        assert_eq!(short, Err(EncodeError::TooShort("Root".to_owned())));
        assert_eq!(payload, [0; 8], "a refused value changes nothing");
    }

    #[test]
    fn a_message_that_shares_its_identifier_says_which_it_is() {
        let dbc = Dbc::parse(b"BO_ 1074791968 S10: 8 X\n").unwrap();
        let sent = frame(&dbc.messages[0], &[]).unwrap();
        assert_eq!((sent.id(), sent.payload()[0], sent.len()), (CanId::base(0x620).unwrap(), 0x10, 8));
    }
}
