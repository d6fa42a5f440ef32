//! A DBC file as a list of statements with their lines.
//!
//! A statement begins at a line whose first word is a keyword, outside quotes, and goes on to the next such line.
//! Texts in quotes may run over several lines in comments and attributes, and nowhere else: elsewhere a missing quote
//! would swallow the rest of the file instead of being reported where it is.

use std::borrow::Cow;

/// The 32 characters of Windows-1252 that differ from Latin-1; the five unassigned ones stay what they are in Latin-1.
const WINDOWS_1252: [char; 32] = [
    '€', '\u{81}', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '\u{8D}', 'Ž', '\u{8F}', '\u{90}', '‘', '’',
    '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', '\u{9D}', 'ž', 'Ÿ',
];

/// The text of a file: UTF-8, else Windows-1252. A byte order mark is dropped.
pub(super) fn decode(bytes: &[u8]) -> Cow<'_, str> {
    let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
    match std::str::from_utf8(bytes) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => bytes
            .iter()
            .map(|&byte| match byte {
                0x80..=0x9F => WINDOWS_1252[usize::from(byte - 0x80)],
                _ => char::from(byte),
            })
            .collect::<String>()
            .into(),
    }
}

/// Statements that are understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Keyword {
    /// `BO_`
    Message,
    /// `SG_`
    Signal,
    /// `VAL_`
    Labels,
    /// `SIG_VALTYPE_`
    ValueType,
    /// `SG_MUL_VAL_`
    MuxValues,
    /// `BA_`
    Attribute,
    /// `BA_DEF_DEF_`
    AttributeDefault,
    /// Valid DBC that changes no value; its grammar is checked.
    Checked,
    /// Valid DBC that changes no value, obsolete and unknown to the parser; passed over.
    Skipped,
    /// `NS_`: the list of keywords that follows it is passed over.
    NewSymbols,
    /// A line before the first statement.
    Stray,
}

impl Keyword {
    fn of(word: &str) -> Option<Self> {
        Some(match word {
            "BO_" => Self::Message,
            "SG_" => Self::Signal,
            "VAL_" => Self::Labels,
            "SIG_VALTYPE_" => Self::ValueType,
            "SG_MUL_VAL_" => Self::MuxValues,
            "BA_" => Self::Attribute,
            "BA_DEF_DEF_" => Self::AttributeDefault,
            "VERSION" | "BS_" | "BU_" | "CM_" | "BA_DEF_" | "BA_DEF_REL_" | "BA_DEF_DEF_REL_" | "BA_REL_"
            | "VAL_TABLE_" | "SIG_GROUP_" | "BO_TX_BU_" | "EV_" | "ENVVAR_DATA_" => Self::Checked,
            "CAT_DEF_" | "CAT_" | "FILTER" | "EV_DATA_" | "SGTYPE_" | "SGTYPE_VAL_" | "BA_DEF_SGTYPE_"
            | "BA_SGTYPE_" | "SIG_TYPE_REF_" | "SIGTYPE_VALTYPE_" | "NS_DESC_" | "BU_SG_REL_" | "BU_EV_REL_"
            | "BU_BO_REL_" => Self::Skipped,
            "NS_" => Self::NewSymbols,
            _ => return None,
        })
    }

    const fn may_hold_line_breaks(self) -> bool {
        matches!(self, Self::Checked | Self::Attribute | Self::AttributeDefault)
    }
}

/// One statement.
#[derive(Debug, Clone, Copy)]
pub(super) struct Statement<'a> {
    /// Its first line, counted from 1.
    pub(super) line: usize,
    pub(super) keyword: Keyword,
    /// From its keyword to the line before the next statement.
    pub(super) text: &'a str,
    /// It ends within quotes.
    pub(super) open_quote: bool,
}

/// Cuts a file into statements.
pub(super) fn statements(text: &str) -> Vec<Statement<'_>> {
    let mut found: Vec<Statement<'_>> = Vec::new();
    let mut begins_at = 0;
    let mut quoted = false;
    let mut offset = 0;
    for (index, line) in text.split_inclusive('\n').enumerate() {
        let keyword = if quoted { None } else { first_word(line) };
        let keyword = keyword.filter(|_| !is_new_symbol(found.last(), line));
        let stray = found.is_empty() && keyword.is_none() && !is_blank(line);
        if let Some(keyword) = keyword.or(stray.then_some(Keyword::Stray)) {
            begins_at = offset;
            found.push(Statement { line: index + 1, keyword, text: "", open_quote: false });
        }
        offset += line.len();
        if let Some(last) = found.last_mut() {
            last.text = &text[begins_at..offset];
            quoted = ends_quoted(line, quoted);
            last.open_quote = quoted;
            quoted &= last.keyword.may_hold_line_breaks();
        }
    }
    found
}

fn first_word(line: &str) -> Option<Keyword> {
    let line = line.trim_start();
    let end = line.find(|c: char| !c.is_ascii_alphabetic() && c != '_').unwrap_or(line.len());
    Keyword::of(&line[..end])
}

/// Below `NS_` stand keywords, one a line, with nothing behind them.
fn is_new_symbol(last: Option<&Statement<'_>>, line: &str) -> bool {
    last.is_some_and(|statement| statement.keyword == Keyword::NewSymbols)
        && line.trim().bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_')
}

fn is_blank(line: &str) -> bool {
    let line = line.trim();
    line.is_empty() || line.starts_with("//")
}

/// Whether a line that begins within quotes, or not, ends within them. `\"` is no quote within quotes; `//` outside
/// of them begins a remark.
fn ends_quoted(line: &str, mut quoted: bool) -> bool {
    let mut before = 0;
    for byte in line.bytes() {
        match byte {
            b'"' if quoted && before == b'\\' => {}
            b'"' => quoted = !quoted,
            b'/' if !quoted && before == b'/' => return false,
            _ => {}
        }
        before = byte;
    }
    quoted
}
