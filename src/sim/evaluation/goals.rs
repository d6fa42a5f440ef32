//! What must be reached, and whether it was.

use std::fmt;

use super::stats::Share;
use super::tally::{Crashes, Results};

/// What must be reached.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Goals {
    /// Share of the crashes of 15 km/h and more that must be found.
    pub full: f64,
    /// Share of those of 8 to 15 km/h.
    pub low: f64,
    /// The median time to the verdict in ms with a sensor that sees a crash.
    pub full_range_ms: f32,
    /// The same with one that clips.
    pub clipped_ms: f32,
}

/// A goal, held against the results of one car.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judged {
    /// What must be reached.
    pub goal: String,
    /// What was reached; none without a case that can tell.
    pub reached: Option<String>,
    /// Whether that is enough; none without a case that can tell.
    pub is_met: Option<bool>,
}

impl Judged {
    /// Compares what was measured, if anything was.
    fn new<T: Copy>(
        goal: String,
        measured: Option<T>,
        is_enough: impl Fn(T) -> bool,
        show: impl Fn(T) -> String,
    ) -> Self {
        Self { goal, reached: measured.map(show), is_met: measured.map(is_enough) }
    }
}

impl fmt::Display for Judged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let standing = match self.is_met {
            Some(true) => "met",
            Some(false) => "missed",
            None => "not measured",
        };
        let reached = self.reached.as_deref().unwrap_or("no case can tell");
        write!(f, "{}: {standing}, {reached}", self.goal)
    }
}

impl Goals {
    /// Those of the project.
    pub const STATED: Self = Self { full: 0.995, low: 0.95, full_range_ms: 45.0, clipped_ms: 60.0 };
    /// A sensor that shows so many m/s² sees a crash: real cars hit 20 to 45 g, and 20 g is the mean of a hard one.
    const FULL_RANGE_MPS2: f32 = 200.0;

    /// The goal of the median time to the verdict for such a car.
    #[must_use]
    pub fn median_ms(&self, results: &Results) -> f32 {
        if results.range >= Self::FULL_RANGE_MPS2 { self.full_range_ms } else { self.clipped_ms }
    }

    /// How these results stand against each goal.
    #[must_use]
    pub fn judge(&self, results: &Results) -> [Judged; 4] {
        let found = |is_full| Crashes::of(&results.crashes(is_full)).found;
        [
            sensitivity("15 km/h and more", found(true), self.full),
            sensitivity("8 to 15 km/h", found(false), self.low),
            false_confirmations(results),
            self.median(results),
        ]
    }

    fn median(&self, results: &Results) -> Judged {
        let most_ms = self.median_ms(results);
        let median_ms = Crashes::of(&results.all_crashes()).confirmed_ms.median();
        let goal = format!("median time to the verdict, at most {most_ms:.0} ms");
        Judged::new(goal, median_ms, |median_ms| median_ms <= most_ms, |median_ms| format!("{median_ms:.1} ms"))
    }
}

fn sensitivity(which: &str, found: Share, least: f64) -> Judged {
    let goal = format!("sensitivity for {which}, at least {:.1} %", least * 100.0);
    Judged::new(goal, found.value(), |share| share >= least, |share| format!("{:.2} %", share * 100.0))
}

/// Confirmations before contact count too, but only what is no crash tells that there are none.
fn false_confirmations(results: &Results) -> Judged {
    let count = results.outcomes.iter().filter(|outcome| outcome.false_alarm_s.is_some()).count();
    let measured = (count > 0 || !results.quiet().is_empty()).then_some(count);
    Judged::new("false confirmations, none".to_owned(), measured, |count| count == 0, |count| count.to_string())
}

#[cfg(test)]
mod tests {
    use super::super::Ideal;
    use super::super::examine::Outcome;
    use super::*;
    use crate::sim::crash::{Case, Class};

    fn outcome(class: Class, confirmed_s: Option<f32>, false_alarm_s: Option<f32>) -> Outcome {
        let ideal = Ideal { delta_v_mps: 5.0, pdof_deg: 0.0 };
        Outcome {
            class,
            number: 0,
            variant: String::new(),
            crash: Case::new(1, class, 0).crash.map(|crash| (crash, ideal)),
            suspected_s: None,
            confirmed_s,
            false_alarm_s,
            false_suspicion: false,
            graded: None,
            last: None,
            has_fault: false,
        }
    }

    fn judged(outcomes: Vec<Outcome>) -> [Option<bool>; 4] {
        let results = Results { profile: "car".to_owned(), range: 490.0, outcomes };
        Goals::STATED.judge(&results).map(|judged| judged.is_met)
    }

    #[test]
    fn what_no_case_measured_is_not_met() {
        assert_eq!(judged(Vec::new()), [None; 4]);
        let full = || outcome(Class::FrontalFull, Some(0.03), None);
        assert_eq!(judged(vec![full()]), [Some(true), None, None, Some(true)]);
        let rest = || vec![outcome(Class::LowSpeed, Some(0.04), None), outcome(Class::Kerb, None, None)];
        assert_eq!(judged([vec![full()], rest()].concat()), [Some(true); 4]);
        assert_eq!(judged(rest()), [None, Some(true), Some(true), Some(true)]);
    }

    #[test]
    fn what_was_measured_and_falls_short_is_missed() {
        let late = outcome(Class::FrontalFull, Some(0.046), None);
        let unseen = outcome(Class::LowSpeed, None, None);
        let early = outcome(Class::Kerb, None, Some(0.1));
        assert_eq!(judged(vec![late, unseen, early]), [Some(true), Some(false), Some(false), Some(false)]);
        let before_contact = outcome(Class::FrontalFull, None, Some(0.1));
        assert_eq!(judged(vec![before_contact]), [Some(false), None, Some(false), None]);
    }

    #[test]
    fn a_sentence_says_how_a_goal_stands() {
        let results = Results { range: 490.0, outcomes: vec![outcome(Class::Kerb, None, None)], ..Results::default() };
        let said = Goals::STATED.judge(&results).map(|judged| judged.to_string());
        assert_eq!(said[0], "sensitivity for 15 km/h and more, at least 99.5 %: not measured, no case can tell");
        assert_eq!(said[2], "false confirmations, none: met, 0");
    }
}
