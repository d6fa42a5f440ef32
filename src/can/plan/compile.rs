//! From databases to the plan.

use crate::can::dbc::{ByteOrder, Dbc, Kind, Message, Mux, Signal};
use crate::can::frame::CanId;

use super::{Block, Form, MessageIx, NO_BLOCK, Op, Plan, SignalIx, Slot, Switch, Table};

/// Operations, blocks and table entries of a plan, at most: about 16 MB. A signal is laid out once for each run of
/// multiplexor values that it shares with the same others, so nested ranges multiply.
const MAX_ENTRIES: usize = 1 << 18;
/// Multiplexors whose values stay below it get a table by value.
const DIRECT_VALUES: u64 = 256;

/// Why databases cannot be used together on one bus. Their author, or the profile's, must act.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// Two databases claim one identifier.
    #[error("{first} and {second} both have the identifier {id}: remove one of them")]
    RepeatedIdentifier {
        /// The identifier on the wire.
        id: CanId,
        /// The message in the earlier database.
        first: String,
        /// The message in the later one.
        second: String,
    },
    /// Two databases have a message of the same name.
    #[error("two databases of the bus have a message {0}: rename one")]
    RepeatedMessage(String),
    /// Nested multiplexor ranges multiply beyond the limit.
    #[error("message {0} has too many combinations of multiplexor ranges: split it or want fewer of its signals")]
    TooLarge(String),
}

type Wanted<'a> = &'a dyn Fn(&Message, &Signal) -> bool;

pub(super) fn compile(databases: &[&Dbc], wanted: Wanted<'_>) -> Result<Plan, PlanError> {
    let defs: Vec<Message> = databases.iter().flat_map(|dbc| dbc.messages.iter().cloned()).collect();
    let mut plan = Plan {
        first_signal: Vec::with_capacity(defs.len()),
        message_of: Vec::new(),
        base: vec![Slot::Unknown; CanId::MAX_BASE as usize + 1],
        extended: Vec::new(),
        families: Vec::new(),
        blocks: vec![Block { ops: 0..0, switches: 0..0, needs: 0, is_plain: true }; defs.len()],
        ops: Vec::new(),
        switches: Vec::new(),
        defs: Vec::new(),
    };
    index(&mut plan, &defs)?;
    let mut entries = 0;
    for (position, message) in defs.iter().enumerate() {
        let first_signal = count(plan.message_of.len());
        plan.first_signal.push(first_signal);
        plan.message_of.extend(message.signals.iter().map(|_| count(position)));
        let mut layout = Layout { plan: &mut plan, message, first_signal, wanted, entries: &mut entries };
        let root = layout.block(None)?;
        plan.blocks[position] = root;
    }
    plan.defs = defs;
    Ok(plan)
}

/// Fills the tables from identifiers to messages.
fn index(plan: &mut Plan, defs: &[Message]) -> Result<(), PlanError> {
    let mut keys: Vec<(CanId, Option<u8>, MessageIx)> =
        (0..).map(MessageIx).zip(defs).map(|(ix, def)| (def.id, def.selector, ix)).collect();
    keys.sort_unstable();
    let name = |ix: MessageIx| defs[ix.index()].name.clone();
    for same_id in keys.chunk_by(|a, b| a.0 == b.0) {
        let (id, selector, first) = same_id[0];
        // An unselected message besides selected ones would claim the same frames.
        let clash = same_id.windows(2).find(|pair| pair[0].1 == pair[1].1 || pair[0].1.is_none());
        if let Some(pair) = clash {
            let (first, second) = (pair[0].2.min(pair[1].2), pair[0].2.max(pair[1].2));
            return Err(PlanError::RepeatedIdentifier { id, first: name(first), second: name(second) });
        }
        let slot = if selector.is_none() {
            Slot::Message(first)
        } else {
            plan.families.push(same_id.iter().filter_map(|(_, selector, ix)| Some(((*selector)?, *ix))).collect());
            Slot::Family(count(plan.families.len() - 1))
        };
        if id.is_extended() {
            plan.extended.push((id.raw(), slot));
        } else {
            plan.base[id.raw() as usize] = slot;
        }
    }
    let mut names: Vec<&str> = defs.iter().map(|def| def.name.as_str()).collect();
    names.sort_unstable();
    match names.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => Err(PlanError::RepeatedMessage(pair[0].to_owned())),
        None => Ok(()),
    }
}

/// Counts of the plan stay far below 2^32: a database has at most 2^24 bytes.
fn count(len: usize) -> u32 {
    u32::try_from(len).unwrap_or(u32::MAX)
}

/// Lays out one message.
struct Layout<'a> {
    plan: &'a mut Plan,
    message: &'a Message,
    first_signal: u32,
    wanted: Wanted<'a>,
    entries: &'a mut usize,
}

impl Layout<'_> {
    /// The signals that are there when `choice`, a multiplexor and its value, holds; without one, those that are
    /// there always.
    fn block(&mut self, choice: Option<(usize, u64)>) -> Result<Block, PlanError> {
        let members: Vec<usize> = (0..self.message.signals.len())
            .filter(|&index| match (&self.message.signals[index].mux, choice) {
                (None, None) => true,
                (Some(mux), Some((multiplexor, value))) => mux.multiplexor == multiplexor && holds(mux, value),
                (None, Some(_)) | (Some(_), None) => false,
            })
            .collect();
        let first_op = count(self.plan.ops.len());
        let mut needs = 0;
        let mut is_plain = true;
        for &index in &members {
            if (self.wanted)(self.message, &self.message.signals[index]) {
                let op = self.op(index);
                needs = needs.max(op.needs);
                is_plain &= op.at == 0 && matches!(op.form, Form::Little | Form::Big);
                self.plan.ops.push(op);
            }
        }
        let ops = first_op..count(self.plan.ops.len());
        // Choosing the members is work, too: charged so that a hostile file cannot make it endless.
        self.spend(ops.len() + 1 + self.message.signals.len() / 16)?;
        let mut switches = Vec::new();
        for &index in &members {
            if self.chooses_wanted(index) {
                switches.push(self.switch(index)?);
            }
        }
        is_plain &= switches.is_empty();
        let first_switch = count(self.plan.switches.len());
        self.plan.switches.extend(switches);
        Ok(Block { ops, switches: first_switch..count(self.plan.switches.len()), needs, is_plain })
    }

    /// Whether a wanted signal is behind this multiplexor, directly or through others.
    fn chooses_wanted(&self, multiplexor: usize) -> bool {
        self.message.signals.iter().filter(|signal| (self.wanted)(self.message, signal)).any(|signal| {
            let mut above = signal.mux.as_ref();
            while let Some(mux) = above {
                if mux.multiplexor == multiplexor {
                    return true;
                }
                above = self.message.signals[mux.multiplexor].mux.as_ref();
            }
            false
        })
    }

    fn switch(&mut self, multiplexor: usize) -> Result<Switch, PlanError> {
        let mut ranges = Vec::new();
        for (low, high) in segments(self.message, multiplexor) {
            let block = self.block(Some((multiplexor, low)))?;
            if block.ops.is_empty() && block.switches.is_empty() {
                continue;
            }
            ranges.push((low, high, count(self.plan.blocks.len())));
            self.plan.blocks.push(block);
        }
        let table = match ranges.last() {
            Some((_, high, _)) if *high < DIRECT_VALUES => {
                let mut blocks = Vec::new();
                for (value, range) in ranges.iter().flat_map(|range| (range.0..=range.1).map(move |v| (v, range))) {
                    blocks.resize(usize::try_from(value).unwrap_or_default(), NO_BLOCK);
                    blocks.push(range.2);
                }
                Table::Direct(blocks)
            }
            _ => Table::Ranges(ranges),
        };
        self.spend(match &table {
            Table::Direct(blocks) => blocks.len() / 4,
            Table::Ranges(ranges) => ranges.len(),
        })?;
        Ok(Switch { multiplexor: self.op(multiplexor), table })
    }

    fn op(&self, index: usize) -> Op {
        op(&self.message.signals[index], SignalIx(self.first_signal + count(index)))
    }

    fn spend(&mut self, entries: usize) -> Result<(), PlanError> {
        *self.entries += entries;
        if *self.entries > MAX_ENTRIES { Err(PlanError::TooLarge(self.message.name.clone())) } else { Ok(()) }
    }
}

fn holds(mux: &Mux, value: u64) -> bool {
    mux.ranges.iter().any(|(low, high)| (*low..=*high).contains(&value))
}

/// The values of a multiplexor, cut where some range begins or ends: within a segment all values choose the same
/// signals.
fn segments(message: &Message, multiplexor: usize) -> Vec<(u64, u64)> {
    let children = message.signals.iter().filter_map(|signal| signal.mux.as_ref());
    let mut begins: Vec<u64> = children
        .filter(|mux| mux.multiplexor == multiplexor)
        .flat_map(|mux| &mux.ranges)
        .flat_map(|(low, high)| [Some(*low), high.checked_add(1)])
        .flatten()
        .collect();
    begins.sort_unstable();
    begins.dedup();
    let ends = begins.iter().skip(1).map(|next| next - 1).chain([u64::MAX]);
    begins.iter().copied().zip(ends).collect()
}

/// A signal within eight bytes gets a window of eight that ends with its last byte, or begins with the frame.
pub(super) fn op(signal: &Signal, index: SignalIx) -> Op {
    let needs = signal.needs_bytes();
    let first = usize::from(signal.first_bit());
    let length = usize::from(signal.length);
    let big = signal.byte_order == ByteOrder::BigEndian;
    let narrow = needs - first / 8 <= 8;
    let form = match (signal.kind, big) {
        (Kind::Signed, false) if narrow => Form::Little,
        (Kind::Signed, true) if narrow => Form::Big,
        (Kind::Unsigned, false) if narrow && length < 64 => Form::Little,
        (Kind::Unsigned, true) if narrow && length < 64 => Form::Big,
        (kind, big) => Form::Other { big, kind },
    };
    let window = if matches!(form, Form::Other { .. }) { 16 } else { 8 };
    let at = needs.saturating_sub(window);
    let from_window_begin = first - 8 * at;
    let shift = if big { 8 * window - from_window_begin - length } else { from_window_begin };
    Op {
        mask: u64::MAX >> (64 - length),
        sign: if signal.kind == Kind::Signed { 1 << (length - 1) } else { 0 },
        factor: signal.factor,
        offset: signal.offset,
        signal: index,
        at: small(at),
        shift: small(shift),
        needs: small(needs),
        form,
    }
}

/// Bytes and bits of a window fit: the database was checked.
fn small(value: usize) -> u8 {
    u8::try_from(value).unwrap_or(u8::MAX)
}
