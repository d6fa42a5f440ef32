//! A series of accelerations and rates in CSV: columns by name, and the limits of what counts as a series of a crash.

use std::io::{self, BufRead, Read as _, Take};
use std::str;

/// What the whole file's time is moved by, so that series may begin before nought.
pub(super) const EPOCH_S: f64 = 1_000.0;

/// A recording often begins a few milliseconds before contact: the car is taken to have been calm for so long before.
/// The classifier believes no sensor that has just been started.
pub(super) const LEAD_S: f64 = 2.0;

/// Samples that are held at most, of the file and of all sensors together: an hour at 1 kHz of two sensors.
pub(super) const MAX_SAMPLES: u32 = 8_000_000;

/// Bytes of a line at most, its end included: a time and six values in full precision have some 170.
const MAX_LINE_BYTES: u64 = 512;

/// Bytes that are read at most: as many samples as there may be, each on a line of 192 bytes.
pub(super) const MAX_INPUT_BYTES: u64 = 192 * MAX_SAMPLES as u64;

/// The highest rate of a series.
pub(super) const MAX_RATE_HZ: f32 = 1_000_000.0;

/// The least time between two rows: half a step of the highest rate, so that rounded times pass.
const LEAST_STEP_S: f64 = 0.5e-6;

/// From the first row to the last at most: no crash lasts an hour.
const MAX_SPAN_S: f64 = 3_600.0;

/// No row is later than that: 30 years.
const LATEST_S: f64 = 1e9;

/// The largest magnitude, in m/s² and in °/s: beyond it nothing on a car was ever measured.
const MAX_MAGNITUDE: f64 = 1e6;

/// Columns that are known, by quantity and axis; all but the time may be missing.
const COLUMNS: [(&str, usize, usize); 6] = [
    ("ax_mps2", 0, 0),
    ("ay_mps2", 0, 1),
    ("az_mps2", 0, 2),
    ("roll_dps", 1, 0),
    ("pitch_dps", 1, 1),
    ("yaw_dps", 1, 2),
];

/// Accelerations and rates by axis.
pub(super) type Row = [[f32; 3]; 2];

/// A series: time, then accelerations and rates by axis.
#[derive(Debug, PartialEq)]
pub(super) struct Series {
    pub(super) has: [[bool; 3]; 2],
    pub(super) rows: Vec<(f64, Row)>,
}

/// Why there is no series.
#[derive(Debug)]
pub(super) enum Refused {
    /// The input cannot be read.
    Unread(io::Error),
    /// What it says is none.
    Unusable(String),
}

impl From<String> for Refused {
    fn from(wrong: String) -> Self {
        Self::Unusable(wrong)
    }
}

/// The lines of an input that are not blank, one at a time: nothing that has no end is held.
struct Lines<R> {
    input: Take<R>,
    most_bytes: u64,
    bytes: Vec<u8>,
    number: u64,
}

impl<R: BufRead> Lines<R> {
    fn new(input: R, most_bytes: u64) -> Self {
        Self { input: input.take(most_bytes), most_bytes, bytes: Vec::new(), number: 0 }
    }

    /// Goes to the next line; false where there is none.
    fn advance(&mut self) -> Result<bool, Refused> {
        loop {
            self.bytes.clear();
            self.number += 1;
            let mut line = self.input.by_ref().take(MAX_LINE_BYTES);
            let count = line.read_until(b'\n', &mut self.bytes).map_err(Refused::Unread)?;
            let is_whole = self.bytes.ends_with(b"\n");
            if self.input.limit() == 0 && !self.input.get_mut().fill_buf().map_err(Refused::Unread)?.is_empty() {
                let what = format!("the input goes on beyond {} bytes; cut out the part that matters", self.most_bytes);
                return Err(self.wrong(&what).into());
            }
            if count as u64 == MAX_LINE_BYTES && !is_whole {
                let what = format!("it has {MAX_LINE_BYTES} bytes and more; give a CSV file with one sample a line");
                return Err(self.wrong(&what).into());
            }
            if count == 0 {
                return Ok(false);
            }
            if !self.bytes.trim_ascii().is_empty() {
                return Ok(true);
            }
        }
    }

    /// The line that it is at.
    fn line(&self) -> Result<&str, String> {
        str::from_utf8(&self.bytes).map_err(|_| self.wrong("it is no text in UTF-8; give a CSV file"))
    }

    fn wrong(&self, what: &str) -> String {
        format!("line {}: {what}", self.number)
    }
}

impl Series {
    /// Reads the columns by their names; where there is no time, rows are counted at that rate. No more than so many bytes
    /// are read.
    pub(super) fn read(input: impl BufRead, rate_hz: f32, most_bytes: u64) -> Result<Self, Refused> {
        let mut lines = Lines::new(input, most_bytes);
        if !lines.advance()? {
            return Err("it is empty; the first line names the columns".to_owned().into());
        }
        let columns = Columns::named(lines.line()?)?;
        let mut rows: Vec<(f64, Row)> = Vec::new();
        while lines.advance()? {
            let wrong = |what: String| lines.wrong(&what);
            if rows.len() >= MAX_SAMPLES as usize {
                return Err(wrong(format!("more than {MAX_SAMPLES} samples; cut out the part that matters")).into());
            }
            let (time_s, row) = columns.row(lines.line()?).map_err(wrong)?;
            #[expect(clippy::cast_precision_loss, reason = "far fewer rows than 2^52")]
            let counted = rows.len() as f64 / f64::from(rate_hz);
            let time_s = time_s.unwrap_or(counted);
            check_time(time_s, rows.first().map(|row| row.0), rows.last().map(|row| row.0)).map_err(wrong)?;
            rows.push((time_s, row));
        }
        if rows.len() < 2 {
            return Err("there are fewer than two samples".to_owned().into());
        }
        Ok(Self { has: columns.has(), rows })
    }

    /// When it begins.
    pub(super) fn first_s(&self) -> f64 {
        self.rows.first().map_or(0.0, |(time_s, _)| *time_s)
    }

    /// From the first row to the last.
    pub(super) fn span_s(&self) -> f64 {
        self.rows.last().map_or(0.0, |(time_s, _)| *time_s) - self.first_s()
    }

    /// What went before: rest, with the first row's vertical acceleration, at the series' own rate.
    pub(super) fn calm(&self) -> impl Iterator<Item = (f64, Row)> {
        let (first_s, step_s, up) = match self.rows[..] {
            [(first_s, row), (second_s, _), ..] => (first_s, second_s - first_s, row[0][2]),
            _ => (0.0, f64::INFINITY, 0.0),
        };
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "steps have a least size")]
        let count = (LEAD_S / step_s) as u32;
        let rest = [[0.0, 0.0, up], [0.0; 3]];
        (1..=count).rev().map(move |index| (first_s - f64::from(index) * step_s, rest))
    }
}

/// Whether a row may stand at that time, after the first and the last before it.
fn check_time(time_s: f64, first_s: Option<f64>, before_s: Option<f64>) -> Result<(), String> {
    let earliest_s = LEAD_S - EPOCH_S;
    if !(earliest_s..=LATEST_S).contains(&time_s) || before_s.is_some_and(|before_s| before_s >= time_s) {
        return Err(format!("t_s is {time_s}; it must grow, not begin before {earliest_s} s, nor pass {LATEST_S} s"));
    }
    if let Some(step_s) = before_s.map(|before_s| time_s - before_s).filter(|step_s| *step_s < LEAST_STEP_S) {
        return Err(format!(
            "t_s grows by {step_s:e} s only; give it in seconds, or leave rows out until it grows by \
             {LEAST_STEP_S:e} s or more"
        ));
    }
    if let Some(span_s) = first_s.map(|first_s| time_s - first_s).filter(|span_s| *span_s > MAX_SPAN_S) {
        return Err(format!(
            "t_s is {span_s} s after the first row; give it in seconds, or cut out the part that matters, \
             {MAX_SPAN_S} s at most"
        ));
    }
    Ok(())
}

/// Where the header has what is known.
struct Columns {
    /// How many there are in all.
    count: usize,
    time: Option<usize>,
    values: [Option<usize>; COLUMNS.len()],
}

impl Columns {
    fn named(header: &str) -> Result<Self, String> {
        let names: Vec<&str> = header.split(',').map(|name| name.trim().trim_start_matches('\u{feff}')).collect();
        let is_known = |name: &str| name == "t_s" || COLUMNS.iter().any(|(known, ..)| *known == name);
        if let Some(unknown) = names.iter().find(|name| !is_known(name)) {
            let known = COLUMNS.map(|(name, ..)| name).join(", ");
            return Err(format!("column `{unknown}` is not known; known are t_s, {known}"));
        }
        let column = |name: &str| names.iter().position(|known| *known == name);
        let columns = Self { count: names.len(), time: column("t_s"), values: COLUMNS.map(|(name, ..)| column(name)) };
        let [is_along, is_across, _] = columns.has()[0];
        if !is_along && !is_across {
            return Err("there is no horizontal acceleration; name a column ax_mps2 or ay_mps2".to_owned());
        }
        Ok(columns)
    }

    fn has(&self) -> [[bool; 3]; 2] {
        let mut has = [[false; 3]; 2];
        for ((_, quantity, axis), column) in COLUMNS.into_iter().zip(self.values) {
            has[quantity][axis] = column.is_some();
        }
        has
    }

    /// The time, where it is stated, and the values of a line.
    fn row(&self, line: &str) -> Result<(Option<f64>, Row), String> {
        let cells: Vec<&str> = line.split(',').map(str::trim).collect();
        if cells.len() != self.count {
            return Err(format!("{} cells where the header has {}", cells.len(), self.count));
        }
        let cell = |column: Option<usize>| column.and_then(|column| cells.get(column).copied());
        let mut row = [[0.0_f32; 3]; 2];
        for ((name, quantity, axis), column) in COLUMNS.into_iter().zip(self.values) {
            let value = cell(column).map_or(Ok(0.0), |cell| number(name, cell))?;
            if value.abs() > MAX_MAGNITUDE {
                return Err(format!("{name} is {value:e}; check its unit, no car feels more than {MAX_MAGNITUDE:e}"));
            }
            #[expect(clippy::cast_possible_truncation, reason = "sensors have no 24 bits")]
            let value = value as f32;
            row[quantity][axis] = value;
        }
        Ok((cell(self.time).map(|cell| number("t_s", cell)).transpose()?, row))
    }
}

fn number(name: &str, cell: &str) -> Result<f64, String> {
    let value: f64 = cell.parse().map_err(|_| format!("`{cell}` is no number for {name}"))?;
    if value.is_finite() { Ok(value) } else { Err(format!("{name} is not finite")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str, rate_hz: f32) -> Result<Series, String> {
        Series::read(text.as_bytes(), rate_hz, MAX_INPUT_BYTES).map_err(said)
    }

    fn said(refused: Refused) -> String {
        match refused {
            Refused::Unread(error) => panic!("memory can be read: {error}"),
            Refused::Unusable(wrong) => wrong,
        }
    }

    #[test]
    fn an_input_without_an_end_is_given_up() {
        let said = |input: &mut dyn BufRead| said(Series::read(input, 100.0, 100_000).unwrap_err());
        let lines = said(&mut "\n".repeat(100_001).as_bytes());
        assert!(lines.contains("line 100000") && lines.contains("beyond 100000 bytes"), "{lines}");
        let line = said(&mut io::BufReader::new(io::repeat(0)));
        assert!(line.contains("line 1: ") && line.contains("512 bytes"), "{line}");
        assert!(said(&mut &b"ax_mps2\n\xff\n"[..]).contains("line 2: it is no text"));
        let whole = "ax_mps2\n1\n2";
        let length = whole.len() as u64;
        assert!(Series::read(whole.as_bytes(), 100.0, length).is_ok(), "a limit that is just met");
        assert!(Series::read(whole.as_bytes(), 100.0, length - 1).is_err());
        let wide = format!("ax_mps2\n1{}\n2\n", " ".repeat(510));
        assert_eq!(parse(&wide, 100.0).unwrap().rows.len(), 2, "512 bytes with the end of the line");
        assert!(parse(&wide.replace("1 ", "1  "), 100.0).is_err());
    }

    #[test]
    fn columns_are_found_by_name_and_time_is_counted_where_it_is_missing() {
        let series = parse("ay_mps2,ax_mps2\n1,2\n3,4\n", 100.0).unwrap();
        assert_eq!(series.has, [[true, true, false], [false; 3]]);
        assert_eq!(series.rows[1], (0.01, [[4.0, 3.0, 0.0], [0.0; 3]]));
        let timed = parse("t_s, ax_mps2, yaw_dps\n-0.05, 1, 9\n0, 2, 9\n", 100.0).unwrap();
        assert_eq!((timed.rows[0].0, timed.has[1]), (-0.05, [false, false, true]));
    }

    #[test]
    fn what_is_wrong_is_named_with_its_line() {
        for (text, word) in [
            ("", "empty"),
            ("t_s,az_mps2\n0,1\n1,1\n", "horizontal"),
            ("t_s,ax_g\n0,1\n", "ax_g"),
            ("t_s,ax_mps2\n0,1\n0,1\n", "line 3"),
            ("t_s,ax_mps2\n0,1\n1,x\n", "line 3"),
            ("t_s,ax_mps2\n0,1\n1,NaN\n", "line 3"),
            ("t_s,ax_mps2\n0,1\n1,-1e7\n", "line 3"),
            ("t_s,ax_mps2\n0,1\n1\n", "line 3"),
            ("t_s,ax_mps2\n0,1\n", "two samples"),
            ("t_s,ax_mps2\n0,1\n1e-9,1\n2e-9,1\n", "line 3"),
            ("t_s,ax_mps2\n0,1\n0.001,1\n1000000,1\n", "line 4"),
        ] {
            let wrong = parse(text, 100.0).unwrap_err();
            assert!(wrong.contains(word), "{text:?}: {wrong}");
        }
    }

    #[test]
    fn the_finest_and_the_longest_series_are_read() {
        let finest = parse("ax_mps2\n0\n1\n0\n", MAX_RATE_HZ).unwrap();
        assert_eq!(finest.calm().count(), 2_000_000);
        let far = parse("t_s,ax_mps2\n1000000,1\n1000000.000001,1\n", 1.0).unwrap();
        assert_eq!(far.rows.len(), 2, "a microsecond, rounded");
        let longest = parse("t_s,ax_mps2\n100,1\n3700,1\n", 1.0).unwrap();
        assert_eq!(longest.calm().count(), 0);
    }

    #[test]
    fn before_the_first_row_the_car_is_calm_up_to_it() {
        let series = parse("ax_mps2,az_mps2\n5,9.8\n6,9.8\n", 100.0).unwrap();
        let calm: Vec<_> = series.calm().collect();
        assert_eq!((calm.len(), calm[0].0), (200, -2.0));
        assert!((calm[199].0 + 0.01).abs() < 1e-9 && calm[199].1 == [[0.0, 0.0, 9.8], [0.0; 3]], "{:?}", calm[199]);
    }
}
