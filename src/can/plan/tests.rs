use proptest::prelude::*;

use super::*;
use crate::can::dbc::{ByteOrder, Dbc, Kind, Signal};
use crate::can::testkit::any_signal;

fn plan(body: &str) -> Plan {
    let dbc = Dbc::parse(body.as_bytes()).unwrap();
    Plan::compile(&[&dbc], |_, _| true).unwrap()
}

fn data(id: u32, payload: &[u8]) -> Frame {
    let kind = if payload.len() > 8 { FrameKind::Fd { brs: true, esi: false } } else { FrameKind::Data };
    Frame::new(CanId::base(id).unwrap(), kind, payload).unwrap()
}

/// Names and outcomes, in order.
fn decoded(plan: &Plan, frame: &Frame) -> Vec<(String, Result<Sample, TooShort>)> {
    let mut all = Vec::new();
    plan.decode(frame, |signal, outcome| all.push((plan.signal_def(signal).1.name.clone(), outcome)));
    all
}

fn names(plan: &Plan, frame: &Frame) -> Vec<String> {
    decoded(plan, frame).into_iter().map(|(name, _)| name).collect()
}

/// The signal's bits by the definition, one by one, most significant first.
fn bits_by_definition(signal: &Signal, payload: &[u8]) -> u64 {
    let bit = |index: u16| u64::from(payload[usize::from(index / 8)] >> (index % 8) & 1);
    match signal.byte_order {
        ByteOrder::LittleEndian => {
            (0..u16::from(signal.length)).rev().fold(0, |bits, index| bits << 1 | bit(signal.start + index))
        }
        ByteOrder::BigEndian => {
            let mut at = signal.start;
            (0..signal.length).fold(0, |bits, _| {
                let bits = bits << 1 | bit(at);
                at = if at.is_multiple_of(8) { at + 15 } else { at - 1 };
                bits
            })
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "that is how physical values are defined")]
fn by_definition(signal: &Signal, payload: &[u8]) -> Sample {
    let bits = bits_by_definition(signal, payload);
    let (raw, number) = match signal.kind {
        Kind::Unsigned => (Raw::Unsigned(bits), bits as f64),
        Kind::Signed => {
            let negative = bits >> (signal.length - 1) & 1 == 1;
            let value = i128::from(bits) - if negative { 1 << signal.length } else { 0 };
            (Raw::Signed(i64::try_from(value).unwrap()), value as f64)
        }
        Kind::Float => {
            let value = f32::from_bits(u32::try_from(bits).unwrap());
            (Raw::Float(value), f64::from(value))
        }
        Kind::Double => (Raw::Double(f64::from_bits(bits)), f64::from_bits(bits)),
    };
    Sample { raw, physical: number * signal.factor + signal.offset }
}

#[expect(clippy::float_cmp, reason = "the same operations on the same numbers give the same number")]
fn same(a: Sample, b: Sample) -> bool {
    let same_raw = match (a.raw, b.raw) {
        (Raw::Float(a), Raw::Float(b)) => a.to_bits() == b.to_bits(),
        (Raw::Double(a), Raw::Double(b)) => a.to_bits() == b.to_bits(),
        (a, b) => a == b,
    };
    same_raw && (a.physical == b.physical || a.physical.is_nan() && b.physical.is_nan())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn every_signal_is_decoded_as_defined(
        body in any_signal(),
        payload in proptest::array::uniform32(any::<u16>()),
        length in prop_oneof![Just(64_usize), 0_usize..=64],
    ) {
        let payload: Vec<u8> = payload.iter().flat_map(|word| word.to_le_bytes()).collect();
        let plan = plan(&body);
        let signal = &plan.defs[0].signals[0];
        let kind = FrameKind::Fd { brs: false, esi: false };
        let frame = Frame::new(CanId::base(1).unwrap(), kind, &payload[..length]).unwrap();
        let found = decoded(&plan, &frame);
        prop_assert_eq!(found.len(), 1);
        match found[0].1 {
            Ok(sample) => {
                prop_assert!(length >= signal.needs_bytes());
                let expected = by_definition(signal, &payload);
                prop_assert!(same(sample, expected), "{} {:?} {:?}", body, sample, expected);
            }
            Err(TooShort) => prop_assert!(length < signal.needs_bytes()),
        }
    }
}

const MUXED: &str = "BO_ 1 M: 8 X\n SG_ Root M : 0|8@1+ (1,0) [0|0] \"\" X\n SG_ Inner m1M : 8|8@1+ (1,0) [0|0] \"\" X\n\
     \x20SG_ Leaf m2 : 16|8@1+ (1,0) [0|0] \"\" X\n SG_ Other m3 : 16|16@1+ (1,0) [0|0] \"\" X\n\
     \x20SG_ Always : 56|8@1+ (1,0) [0|0] \"\" X\n\
     SG_MUL_VAL_ 1 Inner Root 1-1;\nSG_MUL_VAL_ 1 Leaf Inner 2-4, 7-7;\nSG_MUL_VAL_ 1 Other Root 3-3, 200-255;\n";

#[test]
fn multiplexors_choose_what_is_there() {
    let plan = plan(MUXED);
    let seen = |payload: [u8; 3]| {
        let [a, b, c] = payload;
        names(&plan, &data(1, &[a, b, c, 0, 0, 0, 0, 0])).join(" ")
    };
    assert_eq!(seen([0, 0, 0]), "Root Always");
    assert_eq!(seen([1, 0, 0]), "Root Always Inner");
    for inner in [2, 3, 4, 7] {
        assert_eq!(seen([1, inner, 0]), "Root Always Inner Leaf");
    }
    for inner in [1, 5, 6, 8] {
        assert_eq!(seen([1, inner, 0]), "Root Always Inner");
    }
    for root in [3, 200, 230, 255] {
        assert_eq!(seen([root, 2, 0]), "Root Always Other");
    }
    assert_eq!(seen([199, 2, 0]), "Root Always");
}

#[test]
fn wide_multiplexors_work_without_a_table() {
    let plan = plan(
        "BO_ 1 M: 8 X\n SG_ Root M : 0|32@1+ (1,0) [0|0] \"\" X\n SG_ A m0 : 32|8@1+ (1,0) [0|0] \"\" X\n\
         SG_MUL_VAL_ 1 A Root 70000-4294967295, 5-5;\n",
    );
    let seen = |root: u32| {
        let mut payload = [0; 8];
        payload[..4].copy_from_slice(&root.to_le_bytes());
        names(&plan, &data(1, &payload)).len()
    };
    assert_eq!([4, 5, 6, 69_999, 70_000, u32::MAX].map(seen), [1, 2, 1, 1, 2, 2]);
}

#[test]
fn a_short_frame_gives_what_it_holds_and_says_what_it_lacks() {
    let plan = plan(MUXED);
    let short = decoded(&plan, &data(1, &[3, 0, 9]));
    let seen: Vec<_> = short.iter().map(|(name, outcome)| (name.as_str(), outcome.is_ok())).collect();
    assert_eq!(seen, [("Root", true), ("Always", false), ("Other", false)]);
    let empty: Vec<_> =
        decoded(&plan, &data(1, &[])).into_iter().map(|(name, outcome)| (name, outcome.is_ok())).collect();
    assert_eq!(empty, [("Root".to_owned(), false), ("Always".to_owned(), false)]);
}

#[test]
fn remote_error_and_unknown_frames_are_no_message() {
    let plan = plan("BO_ 1 M: 8 X\nBO_ 2147483649 N: 8 X\n");
    let (base, extended) = (CanId::base(1).unwrap(), CanId::extended(1).unwrap());
    assert!(plan.message(&Frame::remote(base, 8).unwrap()).is_none());
    assert!(plan.message(&Frame::new(base, FrameKind::Error, &[0; 8]).unwrap()).is_none());
    assert!(plan.message(&data(2, &[])).is_none());
    let found = plan.message(&Frame::new(extended, FrameKind::Data, &[]).unwrap()).unwrap();
    assert_eq!(plan.message_def(found).name, "N");
    assert!(plan.message(&Frame::new(CanId::extended(2).unwrap(), FrameKind::Data, &[]).unwrap()).is_none());
}

#[test]
fn messages_that_share_an_identifier_are_told_apart_by_the_first_byte() {
    let plan = plan(
        "BO_ 1074857504 S11: 8 X\n SG_ B : 15|8@0+ (1,0) [0|0] \"\" X\nBO_ 1074791968 S10: 8 X\n\
         \x20SG_ A : 15|8@0+ (1,0) [0|0] \"\" X\n",
    );
    assert_eq!(names(&plan, &data(0x620, &[0x10, 5])), ["A"]);
    assert_eq!(names(&plan, &data(0x620, &[0x11, 5])), ["B"]);
    assert!(plan.message(&data(0x620, &[0x12, 5])).is_none());
    assert!(plan.message(&data(0x620, &[])).is_none());
}

#[test]
fn only_wanted_signals_are_decoded_but_all_messages_are_known() {
    let dbc = Dbc::parse(MUXED.as_bytes()).unwrap();
    let plan = Plan::compile(&[&dbc], |_, signal| signal.name == "Leaf").unwrap();
    assert_eq!(names(&plan, &data(1, &[1, 7, 0, 0, 0, 0, 0, 0])), ["Leaf"]);
    assert!(names(&plan, &data(1, &[3, 7, 0, 0, 0, 0, 0, 0])).is_empty());
    let message = plan.find_message("M").unwrap();
    let always = plan.find_signal(message, "Always").unwrap();
    assert_eq!(plan.signal_def(always).1.name, "Always");
    assert!(plan.find_signal(message, "Nothing").is_none());
}

#[test]
fn databases_of_one_bus_must_not_contradict_each_other() {
    let compile = |a: &str, b: &str| {
        let (a, b) = (Dbc::parse(a.as_bytes()).unwrap(), Dbc::parse(b.as_bytes()).unwrap());
        Plan::compile(&[&a, &b], |_, _| true).err()
    };
    let repeated = |first: &str, second: &str, id| {
        Some(PlanError::RepeatedIdentifier { id, first: first.to_owned(), second: second.to_owned() })
    };
    let id = CanId::base(0x620).unwrap();
    assert_eq!(compile("BO_ 1568 A: 8 X\n", "BO_ 1568 B: 8 X\n"), repeated("A", "B", id));
    assert_eq!(compile("BO_ 1074791968 A: 8 X\n", "BO_ 1568 B: 8 X\n"), repeated("A", "B", id));
    assert_eq!(compile("BO_ 1 A: 8 X\n", "BO_ 2 A: 8 X\n"), Some(PlanError::RepeatedMessage("A".to_owned())));
    assert_eq!(compile("BO_ 1 A: 8 X\n", "BO_ 2147483649 B: 8 X\n"), None);
}

#[test]
fn ranges_that_multiply_beyond_the_limit_are_refused() {
    use std::fmt::Write;
    let mut body = String::from("BO_ 1 M: 64 X\n");
    let mut values = String::new();
    for level in 0..6 {
        let indicator = if level == 0 { "M".to_owned() } else { "m0M".to_owned() };
        writeln!(body, " SG_ L{level} {indicator} : {}|8@1+ (1,0) [0|0] \"\" X", 8 * level).unwrap();
        for value in 0..20 {
            writeln!(body, " SG_ L{level}V{value} m{value} : 400|8@1+ (1,0) [0|0] \"\" X").unwrap();
            writeln!(values, "SG_MUL_VAL_ 1 L{level}V{value} L{level} {value}-{value};").unwrap();
        }
        if level > 0 {
            writeln!(values, "SG_MUL_VAL_ 1 L{level} L{} 0-255;", level - 1).unwrap();
        }
    }
    let dbc = Dbc::parse(format!("{body}{values}").as_bytes()).unwrap();
    assert_eq!(Plan::compile(&[&dbc], |_, _| true).unwrap_err(), PlanError::TooLarge("M".to_owned()));
}
