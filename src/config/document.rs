//! Walks a TOML file and remembers everything that is wrong with it.
//!
//! serde stops at the first error; an author wants them all. So a file is parsed into spanned values, and each section
//! takes its keys one by one: a key of the wrong type or out of range becomes a [`Problem`] with its line, and reading
//! goes on. What no section asked for is an unknown key.

use std::cell::RefCell;
use std::fmt::Display;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::problem::{MAX_PROBLEMS, Problem, Problems, did_you_mean};

/// A value and the line it stands in.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Lined<T> {
    pub(super) value: T,
    pub(super) line: u32,
}

/// A parsed file.
pub(super) struct Document<'t> {
    file: &'t str,
    line_starts: Vec<usize>,
    root: Spanned<DeTable<'t>>,
    problems: RefCell<Problems>,
}

impl<'t> Document<'t> {
    /// Parses `bytes`, at most `limit_bytes` of them. What is not TOML is one problem, with line and column.
    pub(super) fn parse(file: &'t str, bytes: &'t [u8], limit_bytes: usize) -> Result<Self, Problems> {
        let refuse = |line, text| {
            let mut problems = Problems::default();
            problems.push(Problem { file: file.to_owned(), line, text });
            problems
        };
        if bytes.len() > limit_bytes {
            let size = bytes.len();
            return Err(refuse(None, format!("{size} bytes, but at most {limit_bytes} are read; make it smaller")));
        }
        let text = std::str::from_utf8(bytes).map_err(|error| {
            let good = bytes.get(..error.valid_up_to()).unwrap_or_default();
            let line = good.split(|byte| *byte == b'\n').count();
            refuse(u32::try_from(line).ok(), "not UTF-8; save the file as UTF-8".to_owned())
        })?;
        let newlines = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        let line_starts = std::iter::once(0).chain(newlines.map(|(index, _)| index + 1)).collect();
        match DeTable::parse(text) {
            Ok(root) => Ok(Self { file, line_starts, root, problems: RefCell::default() }),
            Err(error) => {
                let offset = error.span().map_or(0, |span| span.start);
                let line = line_at(&line_starts, offset);
                let start = usize::try_from(line).ok().and_then(|line| line_starts.get(line.wrapping_sub(1)).copied());
                let column = offset.saturating_sub(start.unwrap_or(0)) + 1;
                let message = error.message().replace('\n', ", ");
                Err(refuse(Some(line), format!("column {column}: not TOML: {message}; correct the line")))
            }
        }
    }

    /// The file's top level.
    pub(super) fn root(&self) -> Section<'_> {
        Section { document: self, table: self.root.get_ref(), name: String::new(), line: 1, asked: RefCell::default() }
    }

    /// Notes a problem.
    pub(super) fn wrong(&self, line: u32, text: String) {
        self.problems.borrow_mut().push(Problem { file: self.file.to_owned(), line: Some(line), text });
    }

    /// Everything that was found so far, in the order of the lines.
    pub(super) fn into_problems(self) -> Problems {
        let mut problems = self.problems.into_inner();
        problems.sort_lines();
        problems
    }

    /// Whether more problems are only counted: no need to find good words for them.
    pub(super) fn is_full(&self) -> bool {
        self.problems.borrow().list().len() >= MAX_PROBLEMS
    }

    fn line(&self, offset: usize) -> u32 {
        line_at(&self.line_starts, offset)
    }
}

fn line_at(line_starts: &[usize], offset: usize) -> u32 {
    u32::try_from(line_starts.partition_point(|start| *start <= offset)).unwrap_or(u32::MAX)
}

/// A table of a file, being read.
pub(super) struct Section<'d> {
    document: &'d Document<'d>,
    table: &'d DeTable<'d>,
    name: String,
    line: u32,
    asked: RefCell<Vec<&'static str>>,
}

/// One entry of an array or of a table with free keys.
pub(super) type Entry<'d> = Lined<&'d DeValue<'d>>;

impl<'d> Section<'d> {
    /// Where it begins.
    pub(super) const fn line(&self) -> u32 {
        self.line
    }

    /// What it is called in problems from here on: `signal "Vehicle.Speed"`.
    pub(super) fn rename(&mut self, name: String) {
        self.name = name;
    }

    /// Notes that something about this section is wrong.
    pub(super) fn wrong(&self, line: u32, text: impl Display) {
        let text = if self.name.is_empty() { text.to_string() } else { format!("{}: {text}", self.name) };
        self.document.wrong(line, text);
    }

    /// Notes that a key is missing, when it is.
    pub(super) fn need(&self, key: &'static str, example: &str) {
        if !self.has(key) {
            self.wrong(self.line, format!("{key} is missing; add {key} = {example}"));
        }
    }

    /// Whether the key is there, of whatever type.
    pub(super) fn has(&self, key: &str) -> bool {
        self.table.get(key).is_some()
    }

    /// A string.
    pub(super) fn text(&self, key: &'static str) -> Option<Lined<&'d str>> {
        self.typed(key, "a string", DeValue::as_str)
    }

    /// A boolean.
    pub(super) fn flag(&self, key: &'static str) -> Option<Lined<bool>> {
        self.typed(key, "true or false", DeValue::as_bool)
    }

    /// An integer from `min` to `max`.
    pub(super) fn int(&self, key: &'static str, min: i64, max: i64) -> Option<Lined<i64>> {
        let entry = self.typed(key, "an integer", integer)?;
        if (min..=max).contains(&entry.value) {
            return Some(entry);
        }
        self.wrong(entry.line, format!("{key} is {}; give a number from {min} to {max}", entry.value));
        None
    }

    /// A finite number.
    pub(super) fn number(&self, key: &'static str) -> Option<Lined<f64>> {
        self.typed(key, "a finite number", number)
    }

    /// A finite number above zero, at most `max`.
    pub(super) fn positive(&self, key: &'static str, max: f64) -> Option<Lined<f64>> {
        let entry = self.number(key)?;
        if entry.value > 0.0 && entry.value <= max {
            return Some(entry);
        }
        self.wrong(entry.line, format!("{key} is {}; give a number above 0 and at most {max}", entry.value));
        None
    }

    /// A list of at most `max` entries, each of which `read` can make something of.
    pub(super) fn list<T>(
        &self,
        key: &'static str,
        max: usize,
        wanted: &str,
        read: impl Fn(&'d DeValue<'d>) -> Option<T>,
    ) -> Option<Lined<Vec<Lined<T>>>> {
        let array = self.typed(key, "a list", DeValue::as_array)?;
        if array.value.len() > max {
            self.wrong(array.line, format!("{key} has {} entries; at most {max} are allowed", array.value.len()));
            return None;
        }
        let mut values = Vec::new();
        for entry in array.value {
            let line = self.document.line(entry.span().start);
            match read(entry.get_ref()) {
                Some(value) => values.push(Lined { value, line }),
                None => self.wrong(line, format!("{key} has an entry that is not {wanted}; correct it")),
            }
        }
        (values.len() == array.value.len()).then_some(Lined { value: values, line: array.line })
    }

    /// A list of strings.
    pub(super) fn texts(&self, key: &'static str, max: usize) -> Option<Lined<Vec<Lined<&'d str>>>> {
        self.list(key, max, "a string", DeValue::as_str)
    }

    /// A table whose keys are free: the keys with their values, at most `max`.
    pub(super) fn entries(&self, key: &'static str, max: usize) -> Option<Lined<Vec<(&'d str, Entry<'d>)>>> {
        let table = self.typed(key, "a table", DeValue::as_table)?;
        if table.value.len() > max {
            self.wrong(table.line, format!("{key} has {} entries; at most {max} are allowed", table.value.len()));
            return None;
        }
        let entries = table.value.iter().map(|(name, value)| {
            let line = self.document.line(name.span().start);
            (name.get_ref().as_ref(), Lined { value: value.get_ref(), line })
        });
        Some(Lined { value: entries.collect(), line: table.line })
    }

    /// A table with keys of its own.
    pub(super) fn section(&self, key: &'static str) -> Option<Section<'d>> {
        let table = self.typed(key, "a table", DeValue::as_table)?;
        let name = if self.name.is_empty() { format!("[{key}]") } else { format!("{}: {key}", self.name) };
        Some(self.child(table.value, name, table.line))
    }

    /// The tables of a table with free names, `[bus.can0]`; at most `max`.
    pub(super) fn named_sections(&self, key: &'static str, max: usize) -> Vec<(&'d str, Section<'d>)> {
        let mut sections = Vec::new();
        for (name, entry) in self.entries(key, max).map(|entries| entries.value).unwrap_or_default() {
            match entry.value.as_table() {
                Some(table) => sections.push((name, self.child(table, format!("[{key}.{name}]"), entry.line))),
                None => self.wrong(entry.line, format!("{key}.{name} must be a table: [{key}.{name}]")),
            }
        }
        sections
    }

    /// The tables of a list, `[[signal]]`; at most `max`.
    pub(super) fn sections(&self, key: &'static str, max: usize) -> Vec<Section<'d>> {
        let Some(tables) = self.list(key, max, "a table", DeValue::as_table) else { return Vec::new() };
        tables.value.into_iter().map(|entry| self.child(entry.value, format!("[[{key}]]"), entry.line)).collect()
    }

    /// Notes every key that nobody asked for.
    pub(super) fn finish(self) {
        let asked = self.asked.borrow();
        for key in self.table.keys() {
            let name = key.get_ref().as_ref();
            if !asked.contains(&name) {
                let advice = did_you_mean(name, asked.iter().copied(), "remove it");
                self.wrong(self.document.line(key.span().start), format!("unknown key {name}{advice}"));
            }
        }
    }

    fn child(&self, table: &'d DeTable<'d>, name: String, line: u32) -> Self {
        Section { document: self.document, table, name, line, asked: RefCell::default() }
    }

    fn typed<T>(
        &self,
        key: &'static str,
        wanted: &str,
        read: impl Fn(&'d DeValue<'d>) -> Option<T>,
    ) -> Option<Lined<T>> {
        self.asked.borrow_mut().push(key);
        let (name, value) = self.table.get_key_value(key)?;
        let line = self.document.line(name.span().start);
        let Some(value) = read(value.get_ref()) else {
            self.wrong(line, format!("{key} must be {wanted}; it is a TOML {}", value.get_ref().type_str()));
            return None;
        };
        Some(Lined { value, line })
    }
}

/// The integer, if it is one that fits.
pub(super) fn integer(value: &DeValue<'_>) -> Option<i64> {
    let integer = value.as_integer()?;
    i64::from_str_radix(integer.as_str(), integer.radix()).ok()
}

/// The number, if it is a finite one; integers are numbers too.
pub(super) fn number(value: &DeValue<'_>) -> Option<f64> {
    #[expect(clippy::cast_precision_loss, reason = "an author's number beyond 2^53 is rounded like any float literal")]
    let number = match value {
        DeValue::Float(float) => float.as_str().parse().ok()?,
        other => integer(other)? as f64,
    };
    f64::is_finite(number).then_some(number)
}
