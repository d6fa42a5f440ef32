//! Nanoseconds per frame: the decode plan beside a hand-written shift/mask loop over the same frames, which is the
//! limit. Both put each raw and physical value into a table by signal, as the gateway does. `benches/decode_peers.sh` times cantools on the same database.
//!
//! The two run in turn over pieces that take well below a time slice, so that other work on the machine seldom falls
//! into one and burdens both alike; the medians are printed, and the median of the ratios of each pair.

#![expect(clippy::expect_used, clippy::print_stdout, reason = "a bench stops at the first surprise and prints")]

use std::hint::black_box;
use std::time::Instant;

use telltale::can::dbc::{ByteOrder, Dbc, Kind};
use telltale::can::plan::{Plan, Raw, Sample};
use telltale::can::{Frame, FrameKind};

#[path = "../tests/common/data.rs"]
mod data;

const FRAMES: usize = 200_000;
const ROUNDS: usize = 20;
/// Some 50 microseconds.
const PIECE: usize = 2_500;
const SEED: u64 = 20_261_121;
/// The budget: docs/performance.md.
const BUDGET_NS: f64 = 15.0;
const BUDGET_RATIO: f64 = 1.5;

fn main() {
    let Some(path) = data::data("dbc/toyota_new_mc_pt_generated.dbc") else { return };
    let dbc = Dbc::parse(&std::fs::read(path).expect("the database can be read")).expect("the database is right");
    let plan = Plan::compile(&[&dbc], |_, _| true).expect("the database compiles");
    let by_hand = ByHand::of(&dbc);
    let frames = random_frames(&dbc);
    let signals: usize = dbc.messages.iter().map(|message| message.signals.len()).sum();
    let (mut values, mut values_by_hand) = (vec![(0, 0.0); signals], vec![(0, 0.0); signals]);
    with_plan(&plan, &frames, &mut values);
    by_hand.run(&frames, &mut values_by_hand);
    assert!(values == values_by_hand, "the two must see the same");

    let (mut ours, mut limit, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        for piece in frames.chunks_exact(PIECE) {
            let plan_ns = ns_per_frame(|| with_plan(&plan, black_box(piece), black_box(&mut values)));
            let hand_ns = ns_per_frame(|| by_hand.run(black_box(piece), black_box(&mut values_by_hand)));
            ours.push(plan_ns);
            limit.push(hand_ns);
            ratios.push(plan_ns / hand_ns);
        }
    }
    let (ours, limit, ratio) = (median(&mut ours), median(&mut limit), median(&mut ratios));
    println!("{} messages, {signals} signals, {FRAMES} random frames, medians of {}", dbc.messages.len(), ratios.len());
    println!("decode plan        {ours:6.1} ns/frame  (budget {BUDGET_NS})");
    println!("hand-written loop  {limit:6.1} ns/frame");
    println!("ratio              {ratio:6.2}           (budget {BUDGET_RATIO})");
}

/// Raw and physical value, by signal.
type Values = [(u64, f64)];

#[inline(never)]
fn with_plan(plan: &Plan, frames: &[Frame], values: &mut Values) {
    for frame in frames {
        plan.decode(frame, |signal, outcome| {
            if let Ok(Sample { raw, physical }) = outcome {
                let bits = match raw {
                    Raw::Unsigned(raw) => raw,
                    Raw::Signed(raw) => raw.cast_unsigned(),
                    Raw::Float(_) | Raw::Double(_) => 0,
                };
                values[signal.index()] = (bits, physical);
            }
        });
    }
}

/// The loop that one would write for these messages alone: classic frames, integers, no multiplexors, full length.
struct ByHand {
    by_id: Vec<Vec<Place>>,
}

struct Place {
    signal: u32,
    big: bool,
    shift: u32,
    mask: u64,
    sign: u64,
    factor: f64,
    offset: f64,
}

impl ByHand {
    fn of(dbc: &Dbc) -> Self {
        let mut signals = 0..;
        let mut by_id: Vec<Vec<Place>> = (0..2048).map(|_| Vec::new()).collect();
        for message in &dbc.messages {
            by_id[message.id.raw() as usize] = message
                .signals
                .iter()
                .map(|signal| {
                    assert!(signal.mux.is_none() && matches!(signal.kind, Kind::Unsigned | Kind::Signed));
                    let (first, length) = (u32::from(signal.first_bit()), u32::from(signal.length));
                    let big = signal.byte_order == ByteOrder::BigEndian;
                    Place {
                        signal: signals.next().expect("below 2^32"),
                        big,
                        shift: if big { 64 - first - length } else { first },
                        mask: u64::MAX >> (64 - length),
                        sign: if signal.kind == Kind::Signed { 1 << (length - 1) } else { 0 },
                        factor: signal.factor,
                        offset: signal.offset,
                    }
                })
                .collect();
        }
        Self { by_id }
    }

    #[inline(never)]
    #[expect(clippy::cast_precision_loss, reason = "as the decoder does")]
    fn run(&self, frames: &[Frame], values: &mut Values) {
        for frame in frames {
            let mut bytes = [0; 8];
            bytes.copy_from_slice(&frame.padded()[..8]);
            let (little, big) = (u64::from_le_bytes(bytes), u64::from_be_bytes(bytes));
            for place in &self.by_id[frame.id().raw() as usize] {
                let word = if place.big { big } else { little };
                let raw = (word >> place.shift) & place.mask;
                let value = (raw ^ place.sign).wrapping_sub(place.sign);
                let physical = value.cast_signed() as f64 * place.factor + place.offset;
                values[place.signal as usize] = (value, physical);
            }
        }
    }
}

fn random_frames(dbc: &Dbc) -> Vec<Frame> {
    let mut state = SEED;
    // xorshift64*: Marsaglia 2003, Vigna 2016.
    let mut random = || {
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        state.wrapping_mul(0x2545_F491_4F6C_DD1D)
    };
    (0..FRAMES)
        .map(|_| {
            let pick = random() >> 32;
            let message = &dbc.messages[usize::try_from(pick).expect("32 bits") % dbc.messages.len()];
            let payload = random().to_le_bytes();
            Frame::new(message.id, FrameKind::Data, &payload[..usize::from(message.size)]).expect("at most 8 bytes")
        })
        .collect()
}

#[expect(clippy::disallowed_methods, reason = "a bench measures real time")]
#[expect(clippy::cast_precision_loss, reason = "a few milliseconds")]
fn ns_per_frame(run: impl FnOnce()) -> f64 {
    let begin = Instant::now();
    run();
    begin.elapsed().as_nanos() as f64 / PIECE as f64
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
