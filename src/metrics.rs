//! Figures for the operator, in the Prometheus text exposition format 0.0.4.
//!
//! Rooms keep plain counters; the gateway writes them all into one [`Exposition`] when somebody asks. Nothing is
//! registered, nothing is global, and a scrape costs nothing while nobody scrapes.

use std::fmt::Write as _;

/// A page of metrics in the making.
#[derive(Debug, Default)]
pub struct Exposition {
    text: String,
    family: &'static str,
}

impl Exposition {
    /// A figure that only grows; its name ends in `_total`.
    pub fn counter(&mut self, name: &'static str, help: &str, labels: &[(&str, &str)], value: u64) {
        self.head(name, help, "counter");
        self.line(name, labels, None, &value.to_string());
    }

    /// A figure that goes up and down.
    pub fn gauge(&mut self, name: &'static str, help: &str, labels: &[(&str, &str)], value: f64) {
        self.head(name, help, "gauge");
        self.line(name, labels, None, &value.to_string());
    }

    /// A number of things, which goes up and down.
    pub fn level(&mut self, name: &'static str, help: &str, labels: &[(&str, &str)], value: u64) {
        self.head(name, help, "gauge");
        self.line(name, labels, None, &value.to_string());
    }

    /// Latencies in seconds: the upper bounds of the buckets, how many fell into each and above the last, their sum.
    pub fn histogram(
        &mut self,
        name: &'static str,
        help: &str,
        labels: &[(&str, &str)],
        (bounds_s, counts, sum_s): (&[f64], &[u64], f64),
    ) {
        self.head(name, help, "histogram");
        let mut below = 0;
        let all = counts.iter().sum::<u64>().to_string();
        for (bound, count) in bounds_s.iter().zip(counts) {
            below += count;
            self.line(&format!("{name}_bucket"), labels, Some(("le", &bound.to_string())), &below.to_string());
        }
        self.line(&format!("{name}_bucket"), labels, Some(("le", "+Inf")), &all);
        self.line(&format!("{name}_sum"), labels, None, &sum_s.to_string());
        self.line(&format!("{name}_count"), labels, None, &all);
    }

    /// The page.
    #[must_use]
    pub fn into_text(self) -> String {
        self.text
    }

    /// The lines of one name stand together below one head, so callers write them in a row.
    fn head(&mut self, name: &'static str, help: &str, kind: &str) {
        if self.family != name {
            self.family = name;
            self.write(format_args!("# HELP {name} {help}\n# TYPE {name} {kind}\n"));
        }
    }

    fn line(&mut self, name: &str, labels: &[(&str, &str)], last: Option<(&str, &str)>, value: &str) {
        self.write(format_args!("{name}"));
        let mut opening = '{';
        for (key, text) in labels.iter().copied().chain(last) {
            self.write(format_args!("{opening}{key}=\"{}\"", escaped(text)));
            opening = ',';
        }
        self.write(format_args!("{} {value}\n", if opening == ',' { "}" } else { "" }));
    }

    fn write(&mut self, what: std::fmt::Arguments<'_>) {
        // Writing to a String cannot fail.
        let _ = self.text.write_fmt(what);
    }
}

fn escaped(label: &str) -> String {
    label.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_what_prometheus_reads() {
        let mut page = Exposition::default();
        page.counter("telltale_frames_total", "CAN frames received.", &[("bus", "power\"train")], 7);
        page.counter("telltale_frames_total", "CAN frames received.", &[("bus", "body")], 8);
        page.gauge("telltale_link_up", "1 while the MQTT session is up.", &[], 1.0);
        assert_eq!(
            page.into_text(),
            "# HELP telltale_frames_total CAN frames received.\n\
             # TYPE telltale_frames_total counter\n\
             telltale_frames_total{bus=\"power\\\"train\"} 7\n\
             telltale_frames_total{bus=\"body\"} 8\n\
             # HELP telltale_link_up 1 while the MQTT session is up.\n\
             # TYPE telltale_link_up gauge\n\
             telltale_link_up 1\n"
        );
    }

    #[test]
    fn the_buckets_of_a_histogram_add_up() {
        let mut page = Exposition::default();
        page.histogram("telltale_ack_seconds", "Push to PUBACK.", &[], (&[0.001, 300.0], &[2, 3, 1], 401.0));
        let text = page.into_text();
        for line in ["bucket{le=\"0.001\"} 2", "bucket{le=\"300\"} 5", "bucket{le=\"+Inf\"} 6", "sum 401", "count 6"] {
            assert!(text.contains(&format!("telltale_ack_seconds_{line}\n")), "{line} in\n{text}");
        }
    }
}
