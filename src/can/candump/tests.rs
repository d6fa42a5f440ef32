use proptest::prelude::*;

use super::*;

fn read(text: &str) -> Line<'_> {
    parse(text.as_bytes()).unwrap().unwrap()
}

fn error(text: &str) -> LineError {
    parse(text.as_bytes()).unwrap_err()
}

fn data(id: u32, payload: &[u8]) -> Frame {
    Frame::new(CanId::base(id).unwrap(), FrameKind::Data, payload).unwrap()
}

#[test]
fn the_log_form_is_read_with_and_without_time_and_interface() {
    let frame = data(0x2C1, &[0x00, 0x14, 0xDF]);
    let time = Some(WallTime::from_unix_micros(1_533_224_127_000_013));
    let interface = Some("can0");
    assert_eq!(read("(1533224127.000013) can0 2C1#0014DF"), Line { time, interface, frame });
    assert_eq!(read("(1533224127.000013) 2C1#0014DF"), Line { time, interface: None, frame });
    assert_eq!(read("can0 2c1#00.14.df"), Line { time: None, interface, frame });
    assert_eq!(read(" 2C1#0014DF\r"), Line { time: None, interface: None, frame });
    assert_eq!(read("(1533224127.000013) can0 2C1#0014DF R"), Line { time, interface, frame });
    assert_eq!(parse(b"  \t"), Ok(None));
    assert_eq!(parse(b"# a remark"), Ok(None));
}

#[test]
fn the_screen_form_is_read_with_and_without_its_additions() {
    let frame = data(0x2C1, &[0x00, 0x14]);
    for text in [
        "  can0  2C1   [2]  00 14",
        " (1533224127.000013)  can0  2C1   [2]  00 14   '..'",
        "can0  TX - -  2C1   [2]  00 14",
        "2C1   [2]  00 14",
    ] {
        assert_eq!(read(text).frame, frame, "{text}");
    }
    assert_eq!(read("can0  2C1   [0] ").frame, data(0x2C1, &[]));
    let fd = read("can0  00001234  [12]  00 01 02 03 04 05 06 07 08 09 0A 0B").frame;
    assert_eq!((fd.len(), fd.kind()), (12, FrameKind::Fd { brs: false, esi: false }));
    assert_eq!(fd.id(), CanId::extended(0x1234).unwrap());
    assert_eq!(read("can0  2C1   [4]  remote request").frame, Frame::remote(CanId::base(0x2C1).unwrap(), 4).unwrap());
}

#[test]
fn fd_remote_and_error_frames_are_told_apart() {
    let fd = read("can0 123##3AABB").frame;
    assert_eq!((fd.kind(), fd.payload()), (FrameKind::Fd { brs: true, esi: true }, &[0xAA, 0xBB][..]));
    assert_eq!(read("can0 123#R").frame, Frame::remote(CanId::base(0x123).unwrap(), 0).unwrap());
    assert_eq!(read("can0 123#R8_C").frame, Frame::remote(CanId::base(0x123).unwrap(), 8).unwrap());
    assert_eq!(read("can0 123#1122334455667788_F").frame.len(), 8);
    for text in ["can0 20000004#0008000000006000", "can0  20000004   [8]  00 08 00 00 00 00 60 00   ERRORFRAME"] {
        let frame = read(text).frame;
        assert_eq!((frame.kind(), frame.id().raw()), (FrameKind::Error, 4), "{text}");
    }
}

#[test]
fn bad_lines_say_what_is_wrong() {
    for (text, expected) in [
        ("(1533224127) can0 123#00", LineError::Time),
        ("(15332x4127.000000) can0 123#00", LineError::Time),
        ("(99999999999999999999.0) can0 123#00", LineError::Time),
        ("(1.0", LineError::Time),
        ("(1.0) a-name-of-16-chr 123#00", LineError::Interface),
        ("can0 1234#00", LineError::Identifier),
        ("can0 12G#00", LineError::Identifier),
        ("can0 800#00", LineError::Identifier),
        ("can0 40000000#00", LineError::Identifier),
        ("can0 123#0", LineError::Data),
        ("can0 123#0G", LineError::Data),
        ("can0 123##", LineError::Data),
        ("can0 123  [2]  00", LineError::Data),
        ("hello world", LineError::Identifier),
        ("can0 123#001122334455667788", LineError::Length),
        ("can0 123#R9", LineError::Length),
        ("can0 123 [9] 00", LineError::Length),
    ] {
        assert_eq!(error(text), expected, "{text}");
    }
    assert_eq!(error(&format!("can0 123##0{}", "00".repeat(65))), LineError::Length);
    assert_eq!(error(&" ".repeat(MAX_LINE_BYTES + 1)), LineError::TooLong);
}

fn any_frame() -> impl Strategy<Value = Frame> {
    let id = prop_oneof![
        (0..=CanId::MAX_BASE).prop_map(|id| CanId::base(id).unwrap()),
        (0..=CanId::MAX_EXTENDED).prop_map(|id| CanId::extended(id).unwrap()),
    ];
    let bytes = proptest::collection::vec(any::<u8>(), 0..=64);
    (id, bytes, 0..4, any::<bool>(), any::<bool>()).prop_map(|(id, bytes, kind, brs, esi)| {
        let short = &bytes[..bytes.len().min(8)];
        match kind {
            0 => Frame::new(id, FrameKind::Data, short).unwrap(),
            1 => Frame::remote(id, u8::try_from(short.len()).unwrap()).unwrap(),
            2 => Frame::new(id, FrameKind::Fd { brs, esi }, &bytes).unwrap(),
            _ => Frame::new(CanId::extended(id.raw()).unwrap(), FrameKind::Error, short).unwrap(),
        }
    })
}

proptest! {
    #[test]
    fn what_is_written_is_read_again(
        frame in any_frame(),
        micros in proptest::option::of(0_i64..1 << 53),
        interface in proptest::option::of("[a-z]{1,10}[0-9]{1,5}"),
    ) {
        let time = micros.map(WallTime::from_unix_micros);
        let line = Line { time, interface: interface.as_deref(), frame };
        let text = line.to_string();
        prop_assert_eq!(parse(text.as_bytes()), Ok(Some(line)));
    }

    #[test]
    fn whatever_is_read_can_be_written(bytes in "[ -~]{0,20}[0-9a-f#RT\\[\\] _.()]{0,60}") {
        if let Ok(Some(line)) = parse(bytes.as_bytes()) {
            let text = line.to_string();
            prop_assert_eq!(parse(text.as_bytes()), Ok(Some(line)));
        }
    }

    #[test]
    fn lines_are_the_same_however_the_stream_is_cut(
        text in "([0-9a-f# ]{0,40}\n|x{500,530}\n){0,20}y{0,20}",
        cuts in proptest::collection::vec(0_usize..2000, 0..20),
    ) {
        let whole = collect(&[text.as_bytes()]);
        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut % (text.len() + 1)).collect();
        cuts.extend([0, text.len()]);
        cuts.sort_unstable();
        let pieces: Vec<&[u8]> = cuts.windows(2).map(|pair| &text.as_bytes()[pair[0]..pair[1]]).collect();
        prop_assert_eq!(collect(&pieces), whole);
        prop_assert_eq!(collect(&[text.as_bytes()]).len(), text.lines().count());
    }
}

fn collect(pieces: &[&[u8]]) -> Vec<(u64, Result<Vec<u8>, LineError>)> {
    let mut lines = Lines::default();
    let mut all = Vec::new();
    for piece in pieces {
        lines.feed(piece, |number, line| all.push((number, line.map(<[u8]>::to_vec))));
        assert!(lines.partial.len() <= MAX_LINE_BYTES);
    }
    lines.finish(|number, line| all.push((number, line.map(<[u8]>::to_vec))));
    all
}
