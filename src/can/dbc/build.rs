//! From statements to the model.
//!
//! `can-dbc` keeps only 16 bits of an identifier without bit 31, which loses opendbc's multiplexed form and lets wrong
//! ones pass, so identifiers are read from the statement itself.

use std::borrow::Cow;
use std::collections::BTreeMap;

use can_dbc::{AttributeValue, DbcError, MultiplexIndicator, NumericValue, SignalExtendedValueType, ValueDescription};

use crate::can::frame::CanId;

use super::finding::{Finding, Findings, Problem};
use super::text::{Keyword, Statement, statements};
use super::{ByteOrder, Kind, MAX_MUX_RANGES, MAX_SIGNALS_PER_MESSAGE, Message, Mux, Signal};

/// `VECTOR__INDEPENDENT_SIG_MSG`: signals that are in no message.
const INDEPENDENT_SIGNALS: u32 = 0xC000_0000;
const EXTENDED: u32 = 0x8000_0000;
/// opendbc's form: this bit, the selector in bits 16 to 23, the identifier below.
const SELECTED: u32 = 0x4000_0000;
const CYCLE_TIME: &str = "GenMsgCycleTime";

/// Builds the messages; statements that are wrong are reported and left out.
pub(super) fn build(text: &str, errors: &mut Findings, warnings: &mut Findings) -> Vec<Message> {
    let mut builder = Builder {
        errors,
        warnings,
        drafts: Vec::new(),
        by_id: BTreeMap::new(),
        current: Current::None,
        default_cycle_time_ms: None,
    };
    let statements = statements(text);
    for statement in &statements {
        builder.define(statement);
    }
    for statement in statements.iter().filter(|statement| !statement.open_quote) {
        builder.refer(statement);
    }
    builder.finish()
}

/// The message that signal statements belong to.
#[derive(Clone, Copy)]
enum Current {
    /// There has been none yet.
    None,
    /// It was wrong, or is to be passed over.
    Dropped,
    /// Index into the drafts.
    Draft(usize),
}

struct Draft {
    message: Message,
    has_cycle_time: bool,
    indicators: Vec<MultiplexIndicator>,
    /// By signal: what `SG_MUL_VAL_` says.
    mux_values: BTreeMap<usize, MuxValues>,
    by_name: BTreeMap<String, usize>,
}

struct MuxValues {
    line: usize,
    multiplexor: String,
    ranges: Vec<(u64, u64)>,
}

struct Builder<'a> {
    errors: &'a mut Findings,
    warnings: &'a mut Findings,
    drafts: Vec<Draft>,
    by_id: BTreeMap<u32, usize>,
    current: Current,
    default_cycle_time_ms: Option<u32>,
}

impl Builder<'_> {
    /// First pass: messages and signals, and the grammar of what changes no value.
    fn define(&mut self, statement: &Statement<'_>) {
        if statement.open_quote && !matches!(statement.keyword, Keyword::Skipped | Keyword::NewSymbols) {
            self.errors.add(Finding::of_line(statement.line, Problem::OpenQuote));
            if matches!(statement.keyword, Keyword::Message) {
                self.current = Current::Dropped;
            }
            return;
        }
        match statement.keyword {
            Keyword::Message => self.current = self.message(statement).map_or(Current::Dropped, Current::Draft),
            Keyword::Signal => self.signal(statement),
            Keyword::Checked => {
                self.parse(statement);
            }
            Keyword::Stray => self.errors.add(Finding::of_line(statement.line, Problem::Stray)),
            Keyword::Labels
            | Keyword::ValueType
            | Keyword::MuxValues
            | Keyword::Attribute
            | Keyword::AttributeDefault
            | Keyword::Skipped
            | Keyword::NewSymbols => {}
        }
    }

    fn message(&mut self, statement: &Statement<'_>) -> Option<usize> {
        let parsed = self.parse(statement)?.messages.pop()?;
        let token = id_token(statement.text, 1)?;
        if token.parse() == Ok(INDEPENDENT_SIGNALS) {
            return None;
        }
        let Some((raw, id, selector)) = identifier(token) else {
            let problem = Problem::Identifier(token.to_owned());
            self.errors.add(Finding::of_message(statement.line, &parsed.name, problem));
            return None;
        };
        let Some(size) = u8::try_from(parsed.size).ok().filter(|size| *size <= 64) else {
            self.errors.add(Finding::of_message(statement.line, &parsed.name, Problem::Size(parsed.size)));
            return None;
        };
        if let Some(first) = self.by_id.get(&raw).and_then(|index| self.drafts.get(*index)) {
            let problem = Problem::RepeatedIdentifier { name: first.message.name.clone(), line: first.message.line };
            self.errors.add(Finding::of_message(statement.line, &parsed.name, problem));
            return None;
        }
        let index = self.drafts.len();
        self.by_id.insert(raw, index);
        let message = Message {
            line: statement.line,
            id,
            selector,
            name: parsed.name,
            size,
            sender: parsed.transmitter,
            cycle_time_ms: None,
            signals: Vec::new(),
        };
        self.drafts.push(Draft {
            message,
            has_cycle_time: false,
            indicators: Vec::new(),
            mux_values: BTreeMap::new(),
            by_name: BTreeMap::new(),
        });
        Some(index)
    }

    fn signal(&mut self, statement: &Statement<'_>) {
        // The parser knows signals only within a message.
        let text = format!("BO_ 0 M: 8 X\n{}\n", statement.text.trim_end());
        let Some(mut parsed) = self.parse_text(&text, statement.line) else { return };
        let index = match self.current {
            Current::None => return self.errors.add(Finding::of_line(statement.line, Problem::Stray)),
            Current::Dropped => return,
            Current::Draft(index) => index,
        };
        let Some(draft) = self.drafts.get_mut(index) else { return };
        let Some(parsed) = parsed.messages.pop().and_then(|mut message| message.signals.pop()) else { return };
        let message = &mut draft.message;
        if message.signals.len() == MAX_SIGNALS_PER_MESSAGE {
            self.errors.add(Finding::of_message(message.line, &message.name, Problem::TooManySignals));
            self.current = Current::Dropped;
            return;
        }
        match signal(statement.line, &parsed) {
            Ok(signal) => {
                let signal_index = message.signals.len();
                if let Some(first) = draft.by_name.get(&signal.name).and_then(|first| message.signals.get(*first)) {
                    let problem = Problem::RepeatedSignal(first.line);
                    self.errors.add(Finding::of_signal(statement.line, &message.name, &signal.name, problem));
                    return;
                }
                draft.by_name.insert(signal.name.clone(), signal_index);
                draft.indicators.push(parsed.multiplexer_indicator);
                message.signals.push(signal);
            }
            Err(problem) => {
                self.errors.add(Finding::of_signal(statement.line, &message.name, &parsed.name, problem));
            }
        }
    }

    /// Second pass: statements that say more about messages and signals.
    fn refer(&mut self, statement: &Statement<'_>) {
        match statement.keyword {
            Keyword::Labels => self.labels(statement),
            Keyword::ValueType => self.value_type(statement),
            Keyword::MuxValues => self.mux_values(statement),
            Keyword::Attribute => self.attribute(statement),
            Keyword::AttributeDefault => self.attribute_default(statement),
            Keyword::Message
            | Keyword::Signal
            | Keyword::Checked
            | Keyword::Skipped
            | Keyword::NewSymbols
            | Keyword::Stray => {}
        }
    }

    fn labels(&mut self, statement: &Statement<'_>) {
        let Some(parsed) = self.parse(statement).and_then(|mut dbc| dbc.value_descriptions.pop()) else { return };
        let ValueDescription::Signal { name, value_descriptions, .. } = parsed else { return };
        let Some((draft, signal)) = self.find(statement, "VAL_", &name) else { return };
        let Some(signal) = self.drafts.get_mut(draft).and_then(|draft| draft.message.signals.get_mut(signal)) else {
            return;
        };
        signal.labels = value_descriptions.into_iter().map(|entry| (entry.id, entry.description)).collect();
        signal.labels.sort_by_key(|(value, _)| *value);
        signal.labels.dedup_by_key(|(value, _)| *value);
    }

    fn value_type(&mut self, statement: &Statement<'_>) {
        let Some(parsed) = self.parse(statement).and_then(|mut dbc| dbc.signal_extended_value_type_list.pop()) else {
            return;
        };
        let kind = match parsed.signal_extended_value_type {
            SignalExtendedValueType::SignedOrUnsignedInteger => return,
            SignalExtendedValueType::IEEEfloat32Bit => Kind::Float,
            SignalExtendedValueType::IEEEdouble64bit => Kind::Double,
        };
        let Some((draft, signal)) = self.find(statement, "SIG_VALTYPE_", &parsed.signal_name) else { return };
        if let Some(signal) = self.drafts.get_mut(draft).and_then(|draft| draft.message.signals.get_mut(signal)) {
            signal.kind = kind;
        }
    }

    fn mux_values(&mut self, statement: &Statement<'_>) {
        let Some(parsed) = self.parse(statement).and_then(|mut dbc| dbc.extended_multiplex.pop()) else { return };
        let Some((draft, signal)) = self.find(statement, "SG_MUL_VAL_", &parsed.signal_name) else { return };
        if let Some(draft) = self.drafts.get_mut(draft) {
            let values = MuxValues {
                line: statement.line,
                multiplexor: parsed.multiplexor_signal_name,
                ranges: parsed.mappings.iter().map(|range| (range.min_value, range.max_value)).collect(),
            };
            draft.mux_values.insert(signal, values);
        }
    }

    fn attribute(&mut self, statement: &Statement<'_>) {
        let Some(parsed) = self.parse(statement).and_then(|mut dbc| dbc.attribute_values_message.pop()) else {
            return;
        };
        if parsed.name != CYCLE_TIME {
            return;
        }
        let Some(index) = id_token(statement.text, 3).and_then(|token| self.draft_of(token)) else {
            self.warnings.add(Finding::of_line(statement.line, Problem::UnknownMessage(CYCLE_TIME)));
            return;
        };
        if let Some(draft) = self.drafts.get_mut(index) {
            draft.message.cycle_time_ms = milliseconds(&parsed.value);
            draft.has_cycle_time = true;
        }
    }

    fn attribute_default(&mut self, statement: &Statement<'_>) {
        let parsed = self.parse(statement).and_then(|mut dbc| dbc.attribute_defaults.pop());
        if let Some(default) = parsed.filter(|default| default.name == CYCLE_TIME) {
            self.default_cycle_time_ms = milliseconds(&default.value);
        }
    }

    /// The signal that a statement of the form `keyword id name …` is about; a warning if there is none, but none
    /// for signals that are passed over.
    fn find(&mut self, statement: &Statement<'_>, keyword: &'static str, name: &str) -> Option<(usize, usize)> {
        let token = id_token(statement.text, 1)?;
        if token.parse() == Ok(INDEPENDENT_SIGNALS) {
            return None;
        }
        let Some(index) = self.draft_of(token) else {
            self.warnings.add(Finding::of_line(statement.line, Problem::UnknownMessage(keyword)));
            return None;
        };
        let draft = self.drafts.get(index)?;
        let signal = draft.by_name.get(name).copied();
        if signal.is_none() {
            let problem = Problem::UnknownSignal(keyword);
            self.warnings.add(Finding::of_signal(statement.line, &draft.message.name, name, problem));
        }
        signal.map(|signal| (index, signal))
    }

    fn draft_of(&self, token: &str) -> Option<usize> {
        self.by_id.get(&token.parse().ok()?).copied()
    }

    fn finish(mut self) -> Vec<Message> {
        let drafts = std::mem::take(&mut self.drafts);
        drafts
            .into_iter()
            .map(|mut draft| {
                if !draft.has_cycle_time {
                    draft.message.cycle_time_ms = self.default_cycle_time_ms;
                }
                self.multiplex(&mut draft);
                draft.message
            })
            .collect()
    }

    fn multiplex(&mut self, draft: &mut Draft) {
        for (index, indicator) in draft.indicators.iter().enumerate() {
            let simple = match indicator {
                MultiplexIndicator::Plain | MultiplexIndicator::Multiplexor => None,
                MultiplexIndicator::MultiplexedSignal(value)
                | MultiplexIndicator::MultiplexorAndMultiplexedSignal(value) => Some(*value),
            };
            let (line, mux) = match (draft.mux_values.get(&index), simple) {
                (Some(values), _) => (values.line, extended_mux(draft, values)),
                (None, Some(value)) => (draft.message.signals[index].line, simple_mux(draft, index, value)),
                (None, None) => continue,
            };
            match mux {
                Ok(mux) => draft.message.signals[index].mux = Some(mux),
                Err(problem) => {
                    let signal = &draft.message.signals[index].name;
                    self.errors.add(Finding::of_signal(line, &draft.message.name, signal, problem));
                }
            }
        }
    }

    fn parse(&mut self, statement: &Statement<'_>) -> Option<can_dbc::Dbc> {
        let text = if statement.text.ends_with('\n') {
            Cow::Borrowed(statement.text)
        } else {
            Cow::Owned(format!("{}\n", statement.text))
        };
        self.parse_text(&text, statement.line)
    }

    fn parse_text(&mut self, text: &str, line: usize) -> Option<can_dbc::Dbc> {
        can_dbc::Dbc::try_from(text).map_err(|error| self.errors.add(Finding::of_line(line, syntax(text, &error)))).ok()
    }
}

fn syntax(text: &str, error: &DbcError) -> Problem {
    let (reason, near) = match error {
        DbcError::Pest(error) => (error.variant.message().into_owned(), error.line()),
        other => (other.to_string(), text.lines().next_back().unwrap_or_default()),
    };
    Problem::Syntax { reason, near: near.trim().chars().take(120).collect() }
}

/// The word at `position` that may be an identifier; words are cut at white space and at `:`.
fn id_token(text: &str, position: usize) -> Option<&str> {
    text.split(|c: char| c.is_whitespace() || c == ':').filter(|word| !word.is_empty()).nth(position)
}

/// The identifier as the file keys it, on the wire, and its selector.
fn identifier(token: &str) -> Option<(u32, CanId, Option<u8>)> {
    let raw: u32 = token.parse().ok()?;
    let (id, selector) = if raw & EXTENDED != 0 {
        (CanId::extended(raw & !EXTENDED)?, None)
    } else if raw & SELECTED != 0 {
        (CanId::base(raw & 0xFFFF)?, Some(u8::try_from((raw & !SELECTED) >> 16).ok()?))
    } else {
        (CanId::base(raw)?, None)
    };
    Some((raw, id, selector))
}

fn signal(line: usize, parsed: &can_dbc::Signal) -> Result<Signal, Problem> {
    let length = u8::try_from(parsed.size).ok().filter(|length| (1..=64).contains(length));
    let length = length.ok_or(Problem::Length(parsed.size))?;
    let start = u16::try_from(parsed.start_bit).map_err(|_| Problem::OutsideFrame(parsed.start_bit))?;
    Ok(Signal {
        line,
        name: parsed.name.clone(),
        start,
        length,
        byte_order: match parsed.byte_order {
            can_dbc::ByteOrder::LittleEndian => ByteOrder::LittleEndian,
            can_dbc::ByteOrder::BigEndian => ByteOrder::BigEndian,
        },
        kind: match parsed.value_type {
            can_dbc::ValueType::Signed => Kind::Signed,
            can_dbc::ValueType::Unsigned => Kind::Unsigned,
        },
        factor: parsed.factor,
        offset: parsed.offset,
        min: number(parsed.min),
        max: number(parsed.max),
        unit: parsed.unit.clone(),
        labels: Vec::new(),
        mux: None,
    })
}

#[expect(clippy::cast_precision_loss, reason = "limits beyond 2^53 lose their last digits, which exclude no value")]
fn number(value: NumericValue) -> f64 {
    match value {
        NumericValue::Uint(value) => value as f64,
        NumericValue::Int(value) => value as f64,
        NumericValue::Double(value) => value,
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the range is checked just before")]
fn milliseconds(value: &AttributeValue) -> Option<u32> {
    let ms = match value {
        AttributeValue::Uint(ms) => u32::try_from(*ms).ok()?,
        AttributeValue::Double(ms) if (1.0..=f64::from(u32::MAX)).contains(ms) => *ms as u32,
        AttributeValue::Int(_) | AttributeValue::Double(_) | AttributeValue::String(_) => return None,
    };
    (ms > 0).then_some(ms)
}

fn extended_mux(draft: &Draft, values: &MuxValues) -> Result<Mux, Problem> {
    let multiplexor = draft.by_name.get(&values.multiplexor).copied();
    let multiplexor = multiplexor.filter(|index| is_multiplexor(draft.indicators.get(*index)));
    let multiplexor = multiplexor.ok_or_else(|| Problem::NotAMultiplexor(values.multiplexor.clone()))?;
    if values.ranges.len() > MAX_MUX_RANGES {
        return Err(Problem::TooManyMuxRanges);
    }
    if let Some((low, high)) = values.ranges.iter().find(|(low, high)| low > high) {
        return Err(Problem::MuxRange(*low, *high));
    }
    Ok(Mux { multiplexor, ranges: values.ranges.clone() })
}

/// Without `SG_MUL_VAL_`, the multiplexor is the message's only one.
fn simple_mux(draft: &Draft, index: usize, value: u64) -> Result<Mux, Problem> {
    let mut candidates = draft
        .indicators
        .iter()
        .enumerate()
        .filter(|(other, indicator)| *other != index && matches!(indicator, MultiplexIndicator::Multiplexor));
    match (candidates.next(), candidates.next()) {
        (Some((multiplexor, _)), None) => Ok(Mux { multiplexor, ranges: vec![(value, value)] }),
        (None, _) => Err(Problem::NoMultiplexor),
        (Some(_), Some(_)) => Err(Problem::AmbiguousMultiplexor),
    }
}

const fn is_multiplexor(indicator: Option<&MultiplexIndicator>) -> bool {
    matches!(indicator, Some(MultiplexIndicator::Multiplexor | MultiplexIndicator::MultiplexorAndMultiplexedSignal(_)))
}
