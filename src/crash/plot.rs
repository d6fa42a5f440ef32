//! A picture of a pulse as SVG: traces over time in panels, with marks. Pure text, no fonts or scripts from elsewhere.

use std::fmt::Write as _;

use super::sensor::AXES;

/// One line of a panel.
#[derive(Debug, Clone, PartialEq)]
pub struct Trace {
    /// The name in the legend.
    pub label: String,
    /// Seconds and values, in the order of time; what is not finite is left out.
    pub points: Vec<(f32, f32)>,
}

/// Lines that share a vertical axis.
#[derive(Debug, Clone, PartialEq)]
pub struct Panel {
    /// What the axis shows, with its unit.
    pub axis: String,
    /// The lines.
    pub traces: Vec<Trace>,
}

/// Everything that a picture shows but marks.
#[derive(Debug, Clone, PartialEq)]
pub struct PlotSeries {
    /// Above the picture.
    pub title: String,
    /// From top to bottom, over the same time.
    pub panels: Vec<Panel>,
}

/// A moment that matters.
#[derive(Debug, Clone, PartialEq)]
pub struct Mark {
    /// When, in seconds of the series.
    pub at_s: f32,
    /// What.
    pub label: String,
}

const WIDTH: f32 = 960.0;
const PANEL_HEIGHT: f32 = 220.0;
/// Room for the times below a panel and the legend above the next one.
const PANEL_GAP: f32 = 56.0;
const LEFT: f32 = 78.0;
const RIGHT: f32 = 24.0;
/// Where the marks begin, below the title.
const MARKS: f32 = 50.0;
/// A row of marks, and the legend below them.
const ROW: f32 = 18.0;
const BOTTOM: f32 = 52.0;
/// Rows of marks at most: what is beyond shares the last one.
const ROWS_MAX: usize = 6;
/// A letter takes about so much.
const LETTER: f32 = 7.5;
/// Between two words of a row.
const SPACE: f32 = 10.0;
/// A shorter rest says nothing of what a sensor shows at rest.
const REST_S: f32 = 0.01;
/// A line of more points is thinned to the extremes of so many columns: more than the picture has pixels.
const COLUMNS: usize = 1_200;
/// Words stay readable where a line passes behind them.
const HALO: &str = "text { stroke: #fff; stroke-width: 4px; paint-order: stroke; }";
const DASHES: &str = " stroke-dasharray=\"5 4\"";
/// Distinct also for eyes that confuse red and green (Okabe and Ito 2008).
const COLORS: [&str; 4] = ["#0072b2", "#d55e00", "#009e73", "#cc79a7"];

impl PlotSeries {
    /// Accelerations in m/s² by time in seconds, and below them the change of velocity that they add up to, in km/h.
    /// The first values, up to the time `from_s`, are taken as rest, unless that is no time at all.
    #[must_use]
    pub fn of_acceleration(title: &str, samples: &[(f32, [Option<f32>; 3])], from_s: f32) -> Self {
        let mut panels = [("acceleration in m/s²", vec![]), ("change of velocity in km/h", vec![])];
        for (index, name) in AXES.into_iter().enumerate() {
            let points: Vec<(f32, f32)> =
                samples.iter().filter_map(|(time_s, axes)| axes[index].map(|value| (*time_s, value))).collect();
            if points.is_empty() {
                continue;
            }
            if index < 2 {
                panels[1].1.push(Trace { label: format!("ΔV{name}"), points: velocity(&points, from_s) });
            }
            panels[0].1.push(Trace { label: format!("a{name}"), points });
        }
        let panels = panels.into_iter().map(|(axis, traces)| Panel { axis: axis.to_owned(), traces });
        Self { title: title.to_owned(), panels: panels.collect() }
    }
}

/// The picture.
#[must_use]
pub fn svg(series: &PlotSeries, marks: &[Mark]) -> String {
    let points = || series.panels.iter().flat_map(|panel| &panel.traces).flat_map(|trace| &trace.points);
    let time = Scale::over(points().map(|(time_s, _)| *time_s), LEFT, WIDTH - RIGHT, false);
    let marks = placed(marks, &time);
    let rows = marks.iter().map(|mark| mark.row + 1.0).fold(0.0, f32::max);
    let mut top = MARKS + rows * ROW + ROW;
    let mut body = String::new();
    for mark in &marks {
        line(&mut body, (mark.x, MARKS + mark.row * ROW - 10.0), (mark.x, top), "#000", DASHES);
    }
    for panel in &series.panels {
        draw_panel(&mut body, panel, top, &time);
        for mark in &marks {
            line(&mut body, (mark.x, top), (mark.x, top + PANEL_HEIGHT), "#000", DASHES);
        }
        top += PANEL_HEIGHT + PANEL_GAP;
    }
    for mark in &marks {
        text(&mut body, mark.begin, MARKS + mark.row * ROW, "start", mark.label);
    }
    let bottom = top - PANEL_GAP;
    text(&mut body, (LEFT + WIDTH - RIGHT) / 2.0, bottom + 40.0, "middle", "time in s");
    let height = bottom + BOTTOM;
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" font-family=\"sans-serif\" \
         font-size=\"13\">\n<style>{HALO}</style>\n<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n\
         <text x=\"{LEFT}\" y=\"24\" font-size=\"17\">{}</text>\n{body}</svg>\n",
        escape(&series.title)
    )
}

/// From values to pixels, with ticks at round numbers.
struct Scale {
    low: f32,
    high: f32,
    from: f32,
    to: f32,
    step: f32,
}

impl Scale {
    fn over(values: impl Iterator<Item = f32>, from: f32, to: f32, with_zero: bool) -> Self {
        let finite = values.filter(|value| value.is_finite());
        let start = if with_zero { (0.0, 0.0) } else { (f32::MAX, f32::MIN) };
        let (low, high) = finite.fold(start, |(low, high), value| (low.min(value), high.max(value)));
        // What is added to a large value must be large enough to be seen.
        let least = 1e-3_f32.max(low.abs() * 4.0 * f32::EPSILON);
        let (low, high) = if low > high { (0.0, 1.0) } else { (low, high.max(low + least)) };
        let step = round_step((high - low) / 8.0);
        let (low, high) =
            if with_zero { ((low / step).floor() * step, (high / step).ceil() * step) } else { (low, high) };
        Self { low, high, from, to, step }
    }

    fn pixel(&self, value: f32) -> f32 {
        self.from + (value - self.low) / (self.high - self.low) * (self.to - self.from)
    }

    fn ticks(&self) -> impl Iterator<Item = f32> + '_ {
        let first = (self.low / self.step).ceil();
        (0_u8..32)
            .map(move |index| (first + f32::from(index)) * self.step)
            .take_while(|tick| *tick <= self.high + self.step * 1e-3)
    }

    fn label(&self, tick: f32) -> String {
        let decimals = if self.step >= 1.0 {
            0
        } else if self.step >= 0.1 {
            1
        } else if self.step >= 0.01 {
            2
        } else {
            3
        };
        // Not "-0".
        format!("{:.decimals$}", tick + 0.0).replace("-0.000", "0.000")
    }
}

/// 1, 2 or 5 times a power of ten, no smaller than this.
fn round_step(least: f32) -> f32 {
    let least = if least.is_finite() && least > 1e-9 { least } else { 1.0 };
    let power = 10.0_f32.powf(least.log10().floor());
    [1.0, 2.0, 5.0].into_iter().map(|digit| digit * power).find(|step| *step >= least).unwrap_or(10.0 * power)
}

fn draw_panel(body: &mut String, panel: &Panel, top: f32, time: &Scale) {
    let values = panel.traces.iter().flat_map(|trace| &trace.points).map(|(_, value)| *value);
    let scale = Scale::over(values, top + PANEL_HEIGHT, top, true);
    let (left, right, bottom) = (LEFT, WIDTH - RIGHT, top + PANEL_HEIGHT);
    for tick in scale.ticks() {
        let y = scale.pixel(tick);
        line(body, (left, y), (right, y), if tick == 0.0 { "#666" } else { "#ddd" }, "");
        text(body, left - 8.0, y + 4.5, "end", &scale.label(tick));
    }
    for tick in time.ticks() {
        let x = time.pixel(tick);
        line(body, (x, top), (x, bottom), "#ddd", "");
        text(body, x, bottom + 17.0, "middle", &time.label(tick));
    }
    let _ = writeln!(
        body,
        "<text transform=\"translate(20 {:.1}) rotate(-90)\" text-anchor=\"middle\">{}</text>",
        top + PANEL_HEIGHT / 2.0,
        escape(&panel.axis)
    );
    let mut legend_x = left;
    for (trace, color) in panel.traces.iter().zip(COLORS.into_iter().cycle()) {
        body.push_str("<polyline fill=\"none\" stroke-width=\"1.5\" stroke=\"");
        body.push_str(color);
        body.push_str("\" points=\"");
        for (time_s, value) in thin(&trace.points) {
            let _ = write!(body, "{:.1},{:.1} ", time.pixel(time_s), scale.pixel(value));
        }
        body.push_str("\"/>\n");
        line(body, (legend_x, top - 11.0), (legend_x + 22.0, top - 11.0), color, " stroke-width=\"3\"");
        text(body, legend_x + 28.0, top - 6.5, "start", &trace.label);
        legend_x += 28.0 + width(&trace.label) + 2.0 * SPACE;
    }
}

/// A mark and the place of its label.
struct Placed<'a> {
    label: &'a str,
    /// Of the line.
    x: f32,
    /// Where the label begins.
    begin: f32,
    /// From the top.
    row: f32,
}

/// Each mark within the time of the picture gets the first row in which its label overlaps no other.
fn placed<'a>(marks: &'a [Mark], time: &Scale) -> Vec<Placed<'a>> {
    let mut ends: Vec<f32> = Vec::new();
    let mut placed = Vec::new();
    for mark in marks.iter().filter(|mark| mark.at_s.is_finite() && (time.low..=time.high).contains(&mark.at_s)) {
        let x = time.pixel(mark.at_s);
        // A label that would leave the picture stands before its line.
        let is_last = x + 4.0 + width(&mark.label) > WIDTH - RIGHT;
        let begin = if is_last { x - 4.0 - width(&mark.label) } else { x + 4.0 };
        let free = ends.iter().position(|end| *end + SPACE <= begin);
        let row = free.unwrap_or(ends.len()).min(ROWS_MAX - 1);
        let end = begin + width(&mark.label);
        match ends.get_mut(row) {
            Some(last) => *last = end,
            None => ends.push(end),
        }
        placed.push(Placed { label: &mark.label, x, begin, row: f32::from(u8::try_from(row).unwrap_or(u8::MAX)) });
    }
    placed
}

/// About so wide are these words.
fn width(words: &str) -> f32 {
    f32::from(u16::try_from(words.chars().count()).unwrap_or(u16::MAX)) * LETTER
}

/// The extremes of as many columns as can be seen.
fn thin(points: &[(f32, f32)]) -> Vec<(f32, f32)> {
    let finite = |point: &&(f32, f32)| point.0.is_finite() && point.1.is_finite();
    let size = points.len().div_ceil(COLUMNS).max(1);
    let mut kept = Vec::new();
    for column in points.chunks(size) {
        let low = column.iter().filter(finite).min_by(|one, other| one.1.total_cmp(&other.1));
        let high = column.iter().filter(finite).max_by(|one, other| one.1.total_cmp(&other.1));
        let mut both: Vec<(f32, f32)> =
            low.into_iter().chain(high.filter(|high| Some(*high) != low)).copied().collect();
        both.sort_by(|one, other| one.0.total_cmp(&other.0));
        kept.append(&mut both);
    }
    kept
}

/// The integral in km/h.
fn velocity(points: &[(f32, f32)], from_s: f32) -> Vec<(f32, f32)> {
    let is_short = points.first().is_none_or(|(first_s, _)| from_s - first_s < REST_S);
    let rest: Vec<f32> =
        points.iter().filter(|(time_s, _)| !is_short && *time_s < from_s).map(|(_, value)| *value).collect();
    let count = f32::from(u16::try_from(rest.len()).unwrap_or(u16::MAX));
    let offset = if rest.is_empty() { 0.0 } else { rest.iter().take(usize::from(u16::MAX)).sum::<f32>() / count };
    let mut kph = 0.0;
    let mut previous: Option<(f32, f32)> = None;
    let mut sums = Vec::with_capacity(points.len());
    for (time_s, value) in points.iter().copied() {
        let value = value - offset;
        if let Some((before_s, before)) = previous
            && time_s > from_s
        {
            kph += 3.6 * f32::midpoint(before, value) * (time_s - before_s);
        }
        previous = Some((time_s, value));
        sums.push((time_s, kph));
    }
    sums
}

fn line(body: &mut String, from: (f32, f32), to: (f32, f32), color: &str, more: &str) {
    let _ = writeln!(
        body,
        "<line x1=\"{:.1}\" y1=\"{:.1}\" x2=\"{:.1}\" y2=\"{:.1}\" stroke=\"{color}\"{more}/>",
        from.0, from.1, to.0, to.1
    );
}

fn text(body: &mut String, x: f32, y: f32, anchor: &str, words: &str) {
    let _ = writeln!(body, "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{}</text>", escape(words));
}

/// What may stand between tags; control characters are no XML at all.
fn escape(words: &str) -> String {
    let mut safe = String::with_capacity(words.len());
    for letter in words.chars() {
        match letter {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            letter if letter.is_control() => safe.push(' '),
            letter => safe.push(letter),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pulse(points: u16) -> Vec<(f32, [Option<f32>; 3])> {
        let sample = |index: u16| {
            let time_s = f32::from(index) / 1_000.0 - 0.05;
            let inside = (0.0..0.1).contains(&time_s);
            (time_s, [Some(if inside { -100.0 } else { 0.5 }), None, Some(9.81)])
        };
        (0..points).map(sample).collect()
    }

    #[test]
    fn the_change_of_velocity_is_the_integral_without_what_was_there_at_rest() {
        let series = PlotSeries::of_acceleration("", &pulse(300), 0.0);
        let [acceleration, velocity] = &series.panels[..] else { panic!("{} panels", series.panels.len()) };
        assert_eq!(acceleration.traces.len(), 2, "y is missing");
        let last = velocity.traces[0].points.last().unwrap().1;
        assert!((last + 10.05 * 3.6).abs() < 0.5, "{last} km/h");
    }

    #[test]
    fn hostile_words_and_values_stay_words_and_are_left_out() {
        let mut samples = pulse(20);
        samples[3].1 = [Some(f32::NAN), Some(f32::INFINITY), None];
        let marks = [
            Mark { at_s: 0.0 - 0.04, label: "<b>&\u{1}".to_owned() },
            Mark { at_s: f32::NAN, label: "never".to_owned() },
            Mark { at_s: 99.0, label: "outside".to_owned() },
        ];
        let picture = svg(&PlotSeries::of_acceleration("</text><script>", &samples, 0.0), &marks);
        assert!(picture.contains("&lt;/text&gt;&lt;script&gt;") && picture.contains("&lt;b&gt;&amp; "));
        assert!(!picture.contains("<script") && !picture.contains("never") && !picture.contains("outside"));
        assert!(!picture.contains("NaN") && !picture.contains("inf"), "{picture}");
    }

    #[test]
    fn an_empty_series_is_a_picture_too() {
        let picture = svg(&PlotSeries::of_acceleration("nothing", &[], 0.0), &[]);
        assert!(picture.starts_with("<svg") && picture.ends_with("</svg>\n") && !picture.contains("NaN"));
    }

    #[test]
    fn times_that_fall_together_are_a_picture_too() {
        let samples: Vec<_> = pulse(30).into_iter().map(|(_, axes)| (1e6, axes)).collect();
        let picture = svg(&PlotSeries::of_acceleration("late", &samples, 1e6), &[]);
        assert!(!picture.contains("NaN") && !picture.contains("inf"), "{picture}");
    }

    #[test]
    fn labels_stand_within_the_picture_and_beside_each_other() {
        let time = Scale::over([0.0, 1.0].into_iter(), LEFT, WIDTH - RIGHT, false);
        let mark = |at_s: f32| Mark { at_s, label: "suspected".to_owned() };
        let marks: Vec<Mark> = [0.0, 0.01, 0.02, 0.03, 0.5, 0.99, 1.0].map(mark).into();
        let placed = placed(&marks, &time);
        assert_eq!(placed.len(), marks.len());
        for (index, one) in placed.iter().enumerate() {
            assert!(one.begin >= LEFT && one.begin + width(one.label) <= WIDTH, "{}", one.begin);
            for other in &placed[index + 1..] {
                let apart = (one.begin - other.begin).abs();
                assert!(one.row.to_bits() != other.row.to_bits() || apart > width(one.label), "{apart}");
            }
        }
        assert!(placed[4].row == 0.0, "a label that has room stands on top");
    }

    #[test]
    fn of_a_rest_that_is_too_short_nothing_is_taken_off() {
        let series = PlotSeries::of_acceleration("", &pulse(300), -0.045);
        let last = series.panels[1].traces[0].points.last().unwrap().1;
        assert!((last + 10.0 * 3.6 - 0.5 * 0.195 * 3.6).abs() < 0.5, "{last} km/h");
    }

    #[test]
    fn a_long_series_is_thinned_to_its_extremes() {
        let points: Vec<(f32, f32)> =
            (0..60_000_u16).map(|index| (f32::from(index), if index == 31_234 { 50.0 } else { 1.0 })).collect();
        let thinned = thin(&points);
        assert!(thinned.len() <= 2 * COLUMNS, "{} points", thinned.len());
        assert!(thinned.iter().any(|(_, value)| *value >= 50.0), "the peak is still there");
    }
}
