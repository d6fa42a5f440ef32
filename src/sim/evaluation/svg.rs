//! Charts as SVG text: axes with units, light ground, one file each.

use std::fmt::Write as _;

/// Size of a chart in pixels.
const WIDTH: f32 = 900.0;
const HEIGHT: f32 = 420.0;
/// Around the plot: room for the title, the numbers and the legend.
const LEFT: f32 = 70.0;
const RIGHT: f32 = 210.0;
const TOP: f32 = 46.0;
const BOTTOM: f32 = 56.0;
/// So many numbers stand at an axis, about.
const TICKS: f32 = 8.0;

/// Colours that are told apart in print and by colour-blind eyes (Okabe and Ito).
const COLOURS: [&str; 7] = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#333333"];

/// The colour of a series by its number.
#[must_use]
pub(super) fn colour(index: usize) -> &'static str {
    COLOURS[index % COLOURS.len()]
}

/// A range of values along an axis, and what it is.
#[derive(Debug, Clone)]
pub(super) struct Axis {
    pub(super) label: String,
    pub(super) low: f32,
    pub(super) high: f32,
}

impl Axis {
    pub(super) fn new(label: &str, low: f32, high: f32) -> Self {
        Self { label: label.to_owned(), low, high: if high > low { high } else { low + 1.0 } }
    }

    /// Round numbers within it.
    fn ticks(&self) -> impl Iterator<Item = f32> + use<> {
        let rough = (self.high - self.low) / TICKS;
        let power = 10.0_f32.powf(rough.log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0].map(|part| part * power).into_iter().find(|step| *step >= rough);
        let step = step.unwrap_or(rough);
        let (first, high) = ((self.low / step).ceil(), self.high);
        (0..100_u8).map(move |count| (first + f32::from(count)) * step).take_while(move |value| *value <= high * 1.0001)
    }
}

/// A chart that is being drawn.
#[derive(Debug)]
pub(super) struct Chart {
    text: String,
    x: Axis,
    y: Axis,
    legends: usize,
}

impl Chart {
    pub(super) fn new(title: &str, x: Axis, y: Axis) -> Self {
        let mut text = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" width=\"{WIDTH}\" \
             height=\"{HEIGHT}\" font-family=\"sans-serif\" font-size=\"13\" fill=\"#222\">\n\
             <rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n\
             <text x=\"{LEFT}\" y=\"26\" font-size=\"17\">{}</text>\n",
            escaped(title)
        );
        let (right, bottom) = (WIDTH - RIGHT, HEIGHT - BOTTOM);
        let chart = Self { text: String::new(), x, y, legends: 0 };
        for value in chart.x.ticks() {
            let x = chart.at_x(value);
            put(&mut text, format_args!("<path d=\"M{x:.1} {TOP}V{bottom}\" stroke=\"#e4e4e4\"/>"));
            put(
                &mut text,
                format_args!(
                    "<text x=\"{x:.1}\" y=\"{}\" text-anchor=\"middle\">{}</text>",
                    bottom + 18.0,
                    number(value)
                ),
            );
        }
        for value in chart.y.ticks() {
            let y = chart.at_y(value);
            put(&mut text, format_args!("<path d=\"M{LEFT} {y:.1}H{right}\" stroke=\"#e4e4e4\"/>"));
            put(
                &mut text,
                format_args!(
                    "<text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
                    LEFT - 8.0,
                    y + 4.5,
                    number(value)
                ),
            );
        }
        put(&mut text, format_args!("<path d=\"M{LEFT} {TOP}V{bottom}H{right}\" fill=\"none\" stroke=\"#555\"/>"));
        let (middle_x, middle_y) = (f32::midpoint(LEFT, right), f32::midpoint(TOP, bottom));
        put(
            &mut text,
            format_args!(
                "<text x=\"{middle_x}\" y=\"{}\" text-anchor=\"middle\">{}</text>",
                HEIGHT - 14.0,
                escaped(&chart.x.label)
            ),
        );
        put(
            &mut text,
            format_args!(
                "<text transform=\"translate(20 {middle_y}) rotate(-90)\" text-anchor=\"middle\">{}</text>",
                escaped(&chart.y.label)
            ),
        );
        Self { text, ..chart }
    }

    fn at_x(&self, value: f32) -> f32 {
        LEFT + (value.clamp(self.x.low, self.x.high) - self.x.low) / (self.x.high - self.x.low) * (WIDTH - LEFT - RIGHT)
    }

    fn at_y(&self, value: f32) -> f32 {
        let share = (value.clamp(self.y.low, self.y.high) - self.y.low) / (self.y.high - self.y.low);
        HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM)
    }

    /// A line through points; values beyond an axis stand at its end.
    pub(super) fn line(&mut self, points: &[(f32, f32)], colour: &str) {
        let mut path = String::new();
        for (index, (x, y)) in points.iter().enumerate() {
            let (letter, x, y) = (if index == 0 { 'M' } else { 'L' }, self.at_x(*x), self.at_y(*y));
            // Writing to a string cannot fail.
            let _ = write!(path, "{letter}{x:.1} {y:.1}");
        }
        put(
            &mut self.text,
            format_args!("<path d=\"{path}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.6\"/>"),
        );
    }

    /// A dashed line across, at a height or at a place.
    pub(super) fn mark(&mut self, x: Option<f32>, y: Option<f32>, colour: &str) {
        let (right, bottom) = (WIDTH - RIGHT, HEIGHT - BOTTOM);
        let path = match (x, y) {
            (Some(x), _) => format!("M{:.1} {TOP}V{bottom}", self.at_x(x)),
            (_, Some(y)) => format!("M{LEFT} {:.1}H{right}", self.at_y(y)),
            _ => return,
        };
        put(&mut self.text, format_args!("<path d=\"{path}\" stroke=\"{colour}\" stroke-dasharray=\"6 4\"/>"));
    }

    /// Dots.
    pub(super) fn dots(&mut self, points: &[(f32, f32)], colour: &str) {
        for (x, y) in points {
            let (x, y) = (self.at_x(*x), self.at_y(*y));
            put(
                &mut self.text,
                format_args!("<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"2\" fill=\"{colour}\" fill-opacity=\"0.45\"/>"),
            );
        }
    }

    /// A value with its bounds.
    pub(super) fn bounded(&mut self, x: f32, y: f32, bounds: (f32, f32), colour: &str) {
        let (x, y, low, high) = (self.at_x(x), self.at_y(y), self.at_y(bounds.0), self.at_y(bounds.1));
        put(
            &mut self.text,
            format_args!("<path d=\"M{x:.1} {low:.1}V{high:.1}\" stroke=\"{colour}\" stroke-width=\"1.6\"/>"),
        );
        put(&mut self.text, format_args!("<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"4\" fill=\"{colour}\"/>"));
    }

    /// A line of the legend.
    pub(super) fn legend(&mut self, words: &str, colour: &str) {
        let (left, mut y) = (WIDTH - RIGHT + 14.0, TOP + 12.0);
        for _ in 0..self.legends {
            y += 20.0;
        }
        self.legends += 1;
        put(
            &mut self.text,
            format_args!("<rect x=\"{left}\" y=\"{}\" width=\"14\" height=\"4\" fill=\"{colour}\"/>", y - 6.0),
        );
        put(&mut self.text, format_args!("<text x=\"{}\" y=\"{y}\">{}</text>", left + 20.0, escaped(words)));
    }

    pub(super) fn finish(mut self) -> String {
        self.text.push_str("</svg>\n");
        self.text
    }
}

fn put(text: &mut String, element: std::fmt::Arguments<'_>) {
    // Writing to a string cannot fail.
    let _ = writeln!(text, "{element}");
}

fn number(value: f32) -> String {
    let rounded = (value * 1e4).round() / 1e4;
    format!("{}", if rounded == 0.0 { 0.0 } else { rounded })
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
