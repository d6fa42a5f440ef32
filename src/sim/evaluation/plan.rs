//! Which cases a run has.

use crate::sim::crash::Class;

/// How many cases, and from which seed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Plan {
    /// The seed of the run.
    pub seed: u64,
    /// Crashes, spread evenly over their classes.
    pub crashes: u32,
    /// Everything else, likewise.
    pub quiet: u32,
}

impl Plan {
    /// The classes and numbers of its cases, in the order of the classes.
    pub fn cases(&self) -> impl Iterator<Item = (Class, u32)> + use<> {
        let crashes = spread(&Class::CRASHES, self.crashes);
        crashes.into_iter().chain(spread(&Class::QUIET, self.quiet))
    }
}

fn spread(classes: &[Class], count: u32) -> Vec<(Class, u32)> {
    let of = u32::try_from(classes.len()).unwrap_or(u32::MAX).max(1);
    let each = |index: u32| count / of + u32::from(index < count % of);
    (0..).zip(classes).flat_map(|(index, class)| (0..each(index)).map(|number| (*class, number))).collect()
}
