//! What the tests of this room share.

use proptest::prelude::*;

/// A database with one message `M` of 64 bytes and one signal `S` of any place, length, order, kind and scale.
pub(super) fn any_signal() -> impl Strategy<Value = String> {
    let shape = prop_oneof![
        4 => (1_u16..=64).prop_map(|length| (length, 0)),
        1 => Just((32, 1)),
        1 => Just((64, 2)),
    ];
    (shape, any::<bool>(), any::<bool>()).prop_flat_map(|((length, float), big, signed)| {
        (0..=512 - length, -50_i32..50).prop_map(move |(first, factor)| {
            let start = if big { first ^ 7 } else { first };
            let (order, sign) = (u8::from(!big), if signed { '-' } else { '+' });
            let factor = if factor == 0 { 0.5 } else { f64::from(factor) / 8.0 };
            format!(
                "BO_ 1 M: 64 X\n SG_ S : {start}|{length}@{order}{sign} ({factor},7.5) [0|0] \"\" X\n\
                 SIG_VALTYPE_ 1 S : {float};\n"
            )
        })
    })
}
