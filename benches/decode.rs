//! Nanoseconds per frame: the decode plan beside a hand-written shift/mask loop over the same frames, which is the
//! limit, with the same outputs consumed. `benches/decode_peers.sh` times cantools on the same database.
//!
//! The two run in turn, round by round, so that a busy machine burdens both; the medians are printed, and the median
//! of the ratios of each round.

#![expect(clippy::expect_used, clippy::print_stdout, reason = "a bench stops at the first surprise and prints")]

use std::hint::black_box;
use std::time::Instant;

use telltale::can::dbc::{ByteOrder, Dbc, Kind};
use telltale::can::plan::{Plan, Raw};
use telltale::can::{Frame, FrameKind};

#[path = "../tests/common/data.rs"]
mod data;

const FRAMES: usize = 200_000;
const ROUNDS: usize = 31;
const SEED: u64 = 20_261_121;
/// The budget: docs/architecture.md.
const BUDGET_NS: f64 = 15.0;
const BUDGET_RATIO: f64 = 1.5;

fn main() {
    let Some(path) = data::data("dbc/toyota_new_mc_pt_generated.dbc") else { return };
    let dbc = Dbc::parse(&std::fs::read(path).expect("the database can be read")).expect("the database is right");
    let plan = Plan::compile(&[&dbc], |_, _| true).expect("the database compiles");
    let by_hand = ByHand::of(&dbc);
    let frames = random_frames(&dbc);
    let signals: usize = dbc.messages.iter().map(|message| message.signals.len()).sum();
    assert_eq!(with_plan(&plan, &frames), by_hand.run(&frames), "the two must see the same");

    let mut ours = Vec::with_capacity(ROUNDS);
    let mut limit = Vec::with_capacity(ROUNDS);
    let mut ratios = Vec::with_capacity(ROUNDS);
    for _ in 0..ROUNDS {
        let plan_ns = ns_per_frame(|| with_plan(&plan, black_box(&frames)));
        let hand_ns = ns_per_frame(|| by_hand.run(black_box(&frames)));
        ours.push(plan_ns);
        limit.push(hand_ns);
        ratios.push(plan_ns / hand_ns);
    }
    let (ours, limit, ratio) = (median(&mut ours), median(&mut limit), median(&mut ratios));
    println!("{} messages, {signals} signals, {FRAMES} random frames, {ROUNDS} rounds, medians", dbc.messages.len());
    println!("decode plan        {ours:6.1} ns/frame  (budget {BUDGET_NS})");
    println!("hand-written loop  {limit:6.1} ns/frame");
    println!("ratio              {ratio:6.2}           (budget {BUDGET_RATIO})");
}

/// What both produce, so that neither can leave work out: all raw bits and the sum of all physical values.
type Consumed = (u64, f64, u64);

fn with_plan(plan: &Plan, frames: &[Frame]) -> Consumed {
    let (mut bits, mut sum, mut count) = (0, 0.0, 0);
    for frame in frames {
        plan.decode(frame, |_, outcome| {
            if let Ok(sample) = outcome {
                bits ^= match sample.raw {
                    Raw::Unsigned(raw) => raw,
                    Raw::Signed(raw) => raw.cast_unsigned(),
                    Raw::Float(_) | Raw::Double(_) => 0,
                };
                sum += sample.physical;
                count += 1;
            }
        });
    }
    (bits, sum, count)
}

/// The loop that one would write for these messages alone: classic frames, integers, no multiplexors, full length.
struct ByHand {
    by_id: Vec<Vec<Place>>,
}

struct Place {
    big: bool,
    shift: u32,
    mask: u64,
    sign: u64,
    factor: f64,
    offset: f64,
}

impl ByHand {
    fn of(dbc: &Dbc) -> Self {
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

    #[expect(clippy::cast_precision_loss, reason = "as the decoder does")]
    fn run(&self, frames: &[Frame]) -> Consumed {
        let (mut bits, mut sum, mut count) = (0, 0.0, 0);
        for frame in frames {
            let mut bytes = [0; 8];
            bytes.copy_from_slice(&frame.padded()[..8]);
            let (little, big) = (u64::from_le_bytes(bytes), u64::from_be_bytes(bytes));
            for place in &self.by_id[frame.id().raw() as usize] {
                let word = if place.big { big } else { little };
                let raw = (word >> place.shift) & place.mask;
                let value = (raw ^ place.sign).wrapping_sub(place.sign);
                bits ^= value;
                sum += value.cast_signed() as f64 * place.factor + place.offset;
                count += 1;
            }
        }
        (bits, sum, count)
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
fn ns_per_frame(run: impl Fn() -> Consumed) -> f64 {
    let begin = Instant::now();
    black_box(run());
    begin.elapsed().as_nanos() as f64 / FRAMES as f64
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
