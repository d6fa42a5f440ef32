//! How likely a serious injury is, and the class that follows.
//!
//! A logistic model of the shape of Kononen et al. 2011 (OnStar), fitted on 10,000 occupants of NASS/CDS crashes:
//! MAIS 3+ per occupant, grouped ten-fold AUC 0.886 without the occupants' age, which no car knows. Rows of one crash
//! repeat, so that errors look smaller than they are. At a probability of 0.10 it finds 53 % of the serious ones with
//! 95 % specificity.
//!
//! The class: *serious* from [`SERIOUS_FROM`] on; *moderate* from [`MODERATE_FROM`] on, and whenever a restraint fired
//! or the car rolled over, or ΔV is no more than a lower bound; *minor* below. Uncertainty is otherwise spoken by the
//! bounds of the probability, not by the class.

use super::observation::Belts;
use super::thresholds::{MODERATE_FROM, SERIOUS_FROM};
use super::verdict::{DeltaV, Probability, Severity, Side};

/// Miles per hour in a metre per second: the fit counts ΔV in mph.
const MPH_PER_MPS: f32 = 2.236_936;

/// Share of belted occupants in the sample (8,245 of 10,000): stands in where the car does not know.
const BELTED_SHARE: f32 = 0.8245;

// Coefficients of the fit without age ("car alone").
const CONSTANT: f32 = -6.0705;
const DELTA_V_PER_MPH: f32 = 0.1673;
const NEAR_SIDE: f32 = 1.5476;
const FAR_SIDE: f32 = 0.2047;
const REAR: f32 = -2.1913;
const ROLLOVER: f32 = 1.0157;
const BELTED: f32 = -1.1084;
const MULTIPLE: f32 = 0.9629;

/// What the model is asked.
#[derive(Debug, Clone, Copy)]
pub struct Question {
    /// Change of velocity.
    pub delta_v: DeltaV,
    /// Which side was struck.
    pub side: Side,
    /// It rolled over.
    pub rolled: bool,
    /// More than one impact.
    pub is_multiple: bool,
    /// Seats and belts, where the car knows.
    pub belts: Option<Belts>,
}

/// The probability that an occupant is injured seriously: of the occupant at the greatest risk.
///
/// A side impact counts as near side: on which side the driver sits is not known, and help errs to the safe side.
/// With several people in the car one of them sits there anyway. It counts as far side when the seats are sensed and
/// nobody is in the car but the driver, only half: both sides are as likely.
#[must_use]
pub fn mais3(question: &Question) -> Probability {
    let DeltaV { resultant_mps, uncertainty_mps, is_lower_bound, .. } = question.delta_v;
    Probability {
        value: at(question, resultant_mps),
        low: at(question, (resultant_mps - uncertainty_mps).max(0.0)),
        high: if is_lower_bound { 1.0 } else { at(question, resultant_mps + uncertainty_mps) },
    }
}

/// The class, by the rule above; `at_least_moderate` when a restraint fired, the car rolled over or ΔV is a lower bound.
#[must_use]
pub fn class(mais3: Option<Probability>, at_least_moderate: bool) -> Option<Severity> {
    let by_model = mais3.map(|probability| match probability.value {
        value if value >= SERIOUS_FROM => Severity::Serious,
        value if value >= MODERATE_FROM => Severity::Moderate,
        _ => Severity::Minor,
    });
    by_model.max(at_least_moderate.then_some(Severity::Moderate))
}

/// Occupied seats, and those of them that are belted.
#[must_use]
pub fn occupants(belts: Belts) -> Option<(u8, u8)> {
    let count = |seats: u16| u8::try_from(seats.count_ones()).unwrap_or(u8::MAX);
    (belts.sensed != 0).then(|| (count(belts.occupied), count(belts.occupied & belts.belted)))
}

fn at(question: &Question, delta_v_mps: f32) -> f32 {
    let side = match question.side {
        Side::Left | Side::Right => {
            let alone = question.belts.is_some_and(|belts| belts.sensed.count_ones() > 1 && belts.occupied == 1);
            if alone { f32::midpoint(NEAR_SIDE, FAR_SIDE) } else { NEAR_SIDE }
        }
        Side::Rear => REAR,
        Side::Front | Side::Unknown => 0.0,
    };
    let logit = CONSTANT
        + DELTA_V_PER_MPH * delta_v_mps * MPH_PER_MPS
        + side
        + if question.rolled { ROLLOVER } else { 0.0 }
        + if question.is_multiple { MULTIPLE } else { 0.0 };
    let belted = question.belts.and_then(occupants).map_or(BELTED_SHARE, |(occupied, belted)| {
        // The one at the greatest risk decides.
        if occupied > 0 && belted == occupied { 1.0 } else { 0.0 }
    });
    belted * logistic(logit + BELTED) + (1.0 - belted) * logistic(logit)
}

fn logistic(logit: f32) -> f32 {
    1.0 / (1.0 + (-logit).exp())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn question(delta_v_kph: f32) -> Question {
        let delta_v = DeltaV {
            x_mps: Some(-delta_v_kph / 3.6),
            y_mps: None,
            resultant_mps: delta_v_kph / 3.6,
            uncertainty_mps: 0.5,
            is_lower_bound: false,
        };
        let belts = Some(Belts { sensed: 0b11, occupied: 0b1, belted: 0b1 });
        Question { delta_v, side: Side::Front, rolled: false, is_multiple: false, belts }
    }

    #[test]
    fn the_fit_gives_the_probabilities_of_its_table() {
        // By hand: logit = −6.0705 + 0.1673 × 35 − 1.1084 at 35 mph, belted, frontal.
        let thirty_five_mph = mais3(&question(35.0 * 1.609_344));
        assert!((thirty_five_mph.value - 0.2106).abs() < 5e-4, "{thirty_five_mph:?}");
        let near = mais3(&Question { side: Side::Left, belts: None, ..question(20.0 * 1.609_344) });
        let (unbelted, belted) = (0.2357_f32, 0.0924_f32);
        assert!((near.value - (0.8245 * belted + 0.1755 * unbelted)).abs() < 5e-4, "{near:?}");
    }

    #[test]
    fn it_grows_with_all_that_makes_a_crash_worse() {
        let base = mais3(&question(40.0)).value;
        assert!(mais3(&question(41.0)).value > base);
        assert!(mais3(&Question { rolled: true, ..question(40.0) }).value > base);
        assert!(mais3(&Question { is_multiple: true, ..question(40.0) }).value > base);
        assert!(mais3(&Question { side: Side::Right, ..question(40.0) }).value > base);
        assert!(mais3(&Question { side: Side::Rear, ..question(40.0) }).value < base);
        let unbelted = Some(Belts { sensed: 0b11, occupied: 0b11, belted: 0b1 });
        assert!(mais3(&Question { belts: unbelted, ..question(40.0) }).value > base);
    }

    #[test]
    fn a_bound_has_no_upper_end_and_a_restraint_is_never_minor() {
        let mut bound = question(10.0);
        bound.delta_v.is_lower_bound = true;
        let probability = mais3(&bound);
        assert!(probability.high >= 1.0 && probability.low <= probability.value);
        assert_eq!(class(Some(probability), false), Some(Severity::Minor));
        assert_eq!(class(Some(probability), true), Some(Severity::Moderate));
        assert_eq!(class(None, true), Some(Severity::Moderate));
        assert_eq!(class(None, false), None);
        assert_eq!(class(Some(mais3(&question(70.0))), true), Some(Severity::Serious));
    }
}
