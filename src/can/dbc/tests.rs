use super::*;

const HEAD: &str = "VERSION \"\"\nNS_ :\n\tCM_\n\tSG_MUL_VAL_\nBS_:\nBU_: ECU\n";

fn parse(body: &str) -> Dbc {
    Dbc::parse(format!("{HEAD}{body}").as_bytes()).unwrap()
}

fn errors(body: &str) -> Vec<(usize, String, String, Problem)> {
    let findings = Dbc::parse(format!("{HEAD}{body}").as_bytes()).unwrap_err();
    // Lines are counted from the body's first.
    findings.iter().map(|f| (f.line - 6, f.message.clone(), f.signal.clone(), f.problem.clone())).collect()
}

#[test]
fn a_signal_keeps_all_that_the_file_says() {
    let dbc = parse(
        "BO_ 291 Engine: 8 ECU\n SG_ Speed : 7|16@0- (0.5,-10) [-40|80.5] \"km/h\" ECU\n\
         BO_ 2147484000 Body: 3 Vector__XXX\n SG_ Door : 4|2@1+ (1,0) [0|0] \"\" ECU\n\
         BA_DEF_ BO_ \"GenMsgCycleTime\" INT 0 1000;\nBA_DEF_DEF_ \"GenMsgCycleTime\" 50;\n\
         BA_ \"GenMsgCycleTime\" BO_ 291 20;\nVAL_ 2147484000 Door 3 \"ajar\" 0 \"closed\" ;\n",
    );
    assert!(dbc.warnings.is_empty(), "{}", dbc.warnings);
    let engine = dbc.message("Engine").unwrap();
    assert_eq!((engine.id, engine.size, engine.sender.as_deref()), (CanId::base(291).unwrap(), 8, Some("ECU")));
    assert_eq!((engine.line, engine.cycle_time_ms), (7, Some(20)));
    let speed = engine.signal("Speed").unwrap();
    assert_eq!((speed.line, speed.start, speed.length), (8, 7, 16));
    assert_eq!((speed.byte_order, speed.kind), (ByteOrder::BigEndian, Kind::Signed));
    assert_eq!((speed.factor, speed.offset, speed.min, speed.max), (0.5, -10.0, -40.0, 80.5));
    assert_eq!((speed.unit.as_str(), speed.needs_bytes()), ("km/h", 2));
    let body = dbc.message("Body").unwrap();
    assert_eq!((body.id, body.sender.as_deref()), (CanId::extended(352).unwrap(), None));
    assert_eq!(body.cycle_time_ms, Some(50), "the attribute's default");
    let door = body.signal("Door").unwrap();
    assert_eq!((door.label(0), door.label(3), door.label(1)), (Some("closed"), Some("ajar"), None));
}

#[test]
fn every_error_is_reported_at_once_with_line_and_name() {
    let found = errors(
        "BO_ 1 A: 8 ECU\n SG_ Zero : 0|8@1+ (0,0) [0|0] \"\" ECU\n SG_ Broken : 0|8@1+ (1,0) [0|0] ECU\n\
         \x20SG_ Long : 0|65@1+ (1,0) [0|0] \"\" ECU\n SG_ Far : 510|8@1+ (1,0) [0|0] \"\" ECU\n\
         \x20SG_ Alone m1 : 0|8@1+ (1,0) [0|0] \"\" ECU\n SG_ Twice : 0|1@1+ (1,0) [0|0] \"\" ECU\n\
         \x20SG_ Twice : 1|1@1+ (1,0) [0|0] \"\" ECU\nBO_ 1 B: 8 ECU\nBO_ 2 C: 65 ECU\nBO_ 4096 D: 8 ECU\n\
         BO_ 3 A: 8 ECU\nVAL_ 3 ;\n",
    );
    let names: Vec<_> = found.iter().map(|(line, message, signal, _)| (*line, &**message, &**signal)).collect();
    let expected = [
        (2, "A", "Zero"),
        (3, "", ""),
        (4, "A", "Long"),
        (5, "A", "Far"),
        (6, "A", "Alone"),
        (8, "A", "Twice"),
        (9, "B", ""),
        (10, "C", ""),
        (11, "D", ""),
        (12, "A", ""),
        (13, "", ""),
    ];
    assert_eq!(names, expected);
    assert_eq!(found[0].3, Problem::Scale { factor: 0.0, offset: 0.0 });
    let Problem::Syntax { reason, near } = &found[1].3 else { panic!("{found:?}") };
    assert!(reason.contains("expected unit") && near.contains("Broken"), "{reason}: {near}");
    assert_eq!(found[2].3, Problem::Length(65));
    assert_eq!(found[3].3, Problem::OutsideFrame(518));
    assert_eq!(found[4].3, Problem::NoMultiplexor);
    assert_eq!(found[5].3, Problem::RepeatedSignal(13));
    assert_eq!(found[6].3, Problem::RepeatedIdentifier { name: "A".to_owned(), line: 7 });
    assert_eq!(found[7].3, Problem::Size(65));
    assert_eq!(found[8].3, Problem::Identifier("4096".to_owned()));
    assert_eq!(found[9].3, Problem::RepeatedMessage(7));
}

#[test]
fn a_missing_quote_is_reported_where_it_is_and_hides_nothing() {
    let found = errors(
        "BO_ 1 A: 8 ECU\n SG_ X : 0|8@1+ (1,0) [0|0] \"km ECU\n SG_ Y : 8|8@1+ (0,0) [0|0] \"\" ECU\n\
         CM_ \"never closed\nBO_ 2 B: 8 ECU\n",
    );
    let lines: Vec<_> = found.iter().map(|finding| (finding.0, &finding.3)).collect();
    assert_eq!(lines.len(), 3, "{lines:?}");
    assert_eq!(lines[0], (2, &Problem::OpenQuote));
    assert_eq!(lines[1].0, 3);
    assert_eq!(lines[2], (4, &Problem::OpenQuote));
}

#[test]
fn bytes_that_are_not_utf8_are_windows_1252() {
    let mut file = format!("{HEAD}BO_ 1 A: 8 ECU\n SG_ T : 0|8@1+ (1,0) [0|0] \"").into_bytes();
    file.extend_from_slice(b"\xB0C \x80\" ECU\r\n");
    let dbc = Dbc::parse(&file).unwrap();
    assert_eq!(dbc.messages[0].signals[0].unit, "°C €");
}

#[test]
fn a_byte_order_mark_and_a_missing_last_line_break_do_no_harm() {
    let dbc = Dbc::parse("\u{FEFF}VERSION \"\"\nBO_ 1 A: 8 ECU\n SG_ T : 0|8@1+ (1,0) [0|0] \"\" ECU".as_bytes());
    assert_eq!(dbc.unwrap().messages[0].signals.len(), 1);
}

#[test]
fn comments_over_several_lines_may_hold_keywords() {
    let dbc = parse("BO_ 1 A: 8 ECU\nCM_ BO_ 1 \"first\nBO_ 2 B: 8 ECU\nsays \\\"no\\\"\";\nBO_ 3 C: 8 ECU\n");
    assert_eq!(dbc.messages.iter().map(|m| m.name.as_str()).collect::<Vec<_>>(), ["A", "C"]);
}

#[test]
fn opendbc_ids_share_one_identifier_on_the_wire() {
    let dbc = parse("BO_ 1074791968 S10: 8 ECU\nBO_ 1074857504 S11: 8 ECU\n");
    let found: Vec<_> = dbc.messages.iter().map(|m| (m.id, m.selector)).collect();
    let id = CanId::base(0x620).unwrap();
    assert_eq!(found, [(id, Some(0x10)), (id, Some(0x11))]);
}

#[test]
fn signals_without_a_message_are_passed_over() {
    let dbc = parse(
        "BO_ 3221225472 VECTOR__INDEPENDENT_SIG_MSG: 0 Vector__XXX\n SG_ X : 0|8@1+ (1,0) [0|0] \"\" ECU\n\
         VAL_ 3221225472 X 0 \"off\" ;\n",
    );
    assert!(dbc.messages.is_empty() && dbc.warnings.is_empty());
}

#[test]
fn extended_multiplexing_is_resolved_by_name_and_range() {
    let dbc = parse(
        "BO_ 1 A: 8 ECU\n SG_ Root M : 0|8@1+ (1,0) [0|0] \"\" ECU\n SG_ Inner m1M : 8|8@1+ (1,0) [0|0] \"\" ECU\n\
         \x20SG_ Leaf m2 : 16|8@1+ (1,0) [0|0] \"\" ECU\n SG_ Other m3 : 16|8@1+ (1,0) [0|0] \"\" ECU\n\
         SG_MUL_VAL_ 1 Inner Root 1-1;\nSG_MUL_VAL_ 1 Leaf Inner 2-4, 7-7;\nSG_MUL_VAL_ 1 Other Root 3-3;\n",
    );
    assert!(dbc.warnings.is_empty(), "Leaf and Other exclude each other: {}", dbc.warnings);
    let message = &dbc.messages[0];
    assert_eq!(message.signals[2].mux, Some(Mux { multiplexor: 1, ranges: vec![(2, 4), (7, 7)] }));
    assert_eq!(message.signals[3].mux, Some(Mux { multiplexor: 0, ranges: vec![(3, 3)] }));
}

#[test]
fn multiplexors_that_make_no_sense_are_refused() {
    let found = errors(
        "BO_ 1 A: 8 ECU\n SG_ P m1M : 0|8@1+ (1,0) [0|0] \"\" ECU\n SG_ Q m1M : 8|8@1+ (1,0) [0|0] \"\" ECU\n\
         SG_MUL_VAL_ 1 P Q 1-1;\nSG_MUL_VAL_ 1 Q P 1-1;\n\
         BO_ 2 B: 8 ECU\n SG_ R M : 0|8@1+ (1,0) [0|0] \"\" ECU\n SG_ S m1 : 8|8@1+ (1,0) [0|0] \"\" ECU\n\
         SG_MUL_VAL_ 2 S R 5-4;\n",
    );
    let problems: Vec<_> = found.iter().map(|finding| finding.3.clone()).collect();
    assert_eq!(problems, [Problem::MuxCycle, Problem::MuxCycle, Problem::MuxRange(5, 4)]);
}

#[test]
fn what_has_one_meaning_is_only_a_warning() {
    let dbc = parse(
        "BO_ 1 A: 2 ECU\n SG_ X : 0|8@1+ (1,0) [0|0] \"\" ECU\n SG_ Y : 7|4@0+ (1,0) [9|1] \"\" ECU\n\
         \x20SG_ Z : 8|16@1+ (1,0) [0|0] \"\" ECU\nVAL_ 1 W 0 \"off\" ;\n",
    );
    let found: Vec<_> = dbc.warnings.iter().map(ToString::to_string).collect();
    assert_eq!(found.len(), 4, "{found:?}");
    assert!(found.iter().any(|f| f.starts_with("line 8, message A, signal X: overlaps Y")), "{found:?}");
    assert!(found.iter().any(|f| f.starts_with("line 9, message A, signal Y: the smallest value 9")), "{found:?}");
    assert!(found.iter().any(|f| f.starts_with("line 10, message A, signal Z: needs 3 bytes")), "{found:?}");
    assert!(found.iter().any(|f| f.starts_with("line 11, message A, signal W: VAL_")), "{found:?}");
}

#[test]
fn a_float_needs_its_length() {
    let text = "BO_ 1 A: 8 ECU\n SG_ X : 0|32@1- (1,0) [0|0] \"\" ECU\n SG_ Y : 32|16@1- (1,0) [0|0] \"\" ECU\n\
                SIG_VALTYPE_ 1 X : 1;\n";
    assert_eq!(parse(text).messages[0].signals[0].kind, Kind::Float);
    let found = errors(&format!("{text}SIG_VALTYPE_ 1 Y : 2;\n"));
    assert_eq!(found[0].3, Problem::FloatLength(16));
}
