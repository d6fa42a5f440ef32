//! What is wrong with a configuration: everything at once, each with its place and a remedy.

use std::fmt;

/// How many problems are kept: what a person reads in one sitting. The rest is counted.
pub const MAX_PROBLEMS: usize = 200;

/// One thing that is wrong. Its author must act: the one of the deployment file, of the profile, or of a DBC file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The file, as it was named.
    pub file: String,
    /// The line, from 1; none when it concerns the file as a whole.
    pub line: Option<u32>,
    /// What is wrong with what; what to do.
    pub text: String,
}

/// `file:line: text`
impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{}:{line}: {}", self.file, self.text),
            None => write!(f, "{}: {}", self.file, self.text),
        }
    }
}

/// All problems of a configuration, in the order of files and lines.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Problems {
    list: Vec<Problem>,
    left_out: usize,
}

impl Problems {
    /// The problems, at most [`MAX_PROBLEMS`].
    #[must_use]
    pub fn list(&self) -> &[Problem] {
        &self.list
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Adds one; beyond [`MAX_PROBLEMS`] it is only counted.
    pub(crate) fn push(&mut self, problem: Problem) {
        if self.list.len() < MAX_PROBLEMS {
            self.list.push(problem);
        } else {
            self.left_out += 1;
        }
    }

    /// Adds those of another file.
    pub(crate) fn extend(&mut self, other: Self) {
        self.left_out += other.left_out;
        for problem in other.list {
            self.push(problem);
        }
    }

    /// Brings those of one file into the order of its lines; what concerns the whole file comes first.
    pub(crate) fn sort_lines(&mut self) {
        self.list.sort_by_key(|problem| problem.line);
    }
}

/// One per line.
impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.list.iter().enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            write!(f, "{problem}")?;
        }
        if self.left_out > 0 {
            write!(f, "\nand {} more", self.left_out)?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

/// The candidate that `word` was probably meant to be: at most a third of its letters, rounded up, differ.
pub(crate) fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let limit = word.chars().count().div_ceil(3);
    candidates
        .into_iter()
        .filter(|candidate| candidate.len().abs_diff(word.len()) <= limit)
        .map(|candidate| (distance(word, candidate), candidate))
        .filter(|(distance, _)| *distance <= limit)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// `; did you mean "…"?`, or the other advice when nothing is near.
pub(crate) fn did_you_mean<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>, other: &str) -> String {
    nearest(word, candidates).map_or_else(|| format!("; {other}"), |near| format!("; did you mean \"{near}\"?"))
}

/// Levenshtein's distance, letters compared without case.
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().map(|letter| letter.to_ascii_lowercase()).collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (line, letter) in left.chars().map(|letter| letter.to_ascii_lowercase()).enumerate() {
        let mut diagonal = line;
        let mut last = line + 1;
        for (column, other) in right.iter().enumerate() {
            let above = row.get(column + 1).copied().unwrap_or(usize::MAX - 1);
            let cost = (diagonal + usize::from(letter != *other)).min(above + 1).min(last + 1);
            diagonal = above;
            if let Some(cell) = row.get_mut(column) {
                *cell = last;
            }
            last = cost;
        }
        if let Some(cell) = row.last_mut() {
            *cell = last;
        }
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_distance_is_levenshteins() {
        for (left, right, expected) in [
            ("", "", 0),
            ("a", "", 1),
            ("", "ab", 2),
            ("kitten", "sitting", 3),
            ("Abs", "aBS", 0),
            ("period", "peroid", 2),
        ] {
            assert_eq!(distance(left, right), expected, "{left} {right}");
            assert_eq!(distance(right, left), expected, "{right} {left}");
        }
    }

    #[test]
    fn a_suggestion_is_made_only_when_something_is_near() {
        assert_eq!(nearest("perod_ms", ["name", "period_ms"]), Some("period_ms"));
        assert_eq!(nearest("colour", ["name", "period_ms"]), None);
    }

    #[test]
    fn problems_are_bounded_and_the_rest_is_counted() {
        let mut problems = Problems::default();
        for line in 0..250 {
            problems.push(Problem { file: "f".into(), line: Some(line), text: "wrong".into() });
        }
        assert_eq!(problems.list().len(), MAX_PROBLEMS);
        assert!(problems.to_string().ends_with("and 50 more"));
    }
}
