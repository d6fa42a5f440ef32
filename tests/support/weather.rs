//! What happens to a link, by chance: faults of the proxy, and a broker that is restarted.

use std::collections::BTreeMap;
use std::time::Duration;

use telltale::rng::Rng;
use tokio::time::Instant;

use crate::chaos_proxy::{ChaosProxy, Fault};
use crate::mosquitto::Mosquitto;

pub(crate) struct Weather {
    random: Rng,
    pub(crate) proxy: ChaosProxy,
    broker: Mosquitto,
    /// Faults so far.
    pub(crate) strikes: u64,
    /// How often each fault struck.
    pub(crate) struck: BTreeMap<&'static str, u64>,
    /// While a fault lasts: its end.
    ends: Option<Instant>,
}

impl Weather {
    pub(crate) fn new(random: Rng, proxy: ChaosProxy, broker: Mosquitto) -> Self {
        Self { random, proxy, broker, strikes: 0, struck: BTreeMap::new(), ends: None }
    }

    /// No fault lasts.
    pub(crate) fn is_fair(&self) -> bool {
        self.ends.is_none()
    }

    /// Ends a fault whose time has come; says whether it did. To be called often.
    pub(crate) fn clear_up(&mut self) -> bool {
        let is_over = self.ends.is_some_and(|ends| ends <= Instant::now());
        if is_over {
            self.ends = None;
            self.broker.resume();
            self.proxy.heal();
        }
        is_over
    }

    /// Begins a fault that lasts up to `longest`; one that only cuts is over at once.
    pub(crate) fn strike(&mut self, longest: Duration) {
        self.strikes += 1;
        let mut lasts = Duration::from_millis(50) + longest.mul_f64(self.random.unit());
        let (name, fault) = match self.random.below(8) {
            0 => ("cut", Some(Fault::Cut)),
            1 | 2 => ("cut in a packet", Some(Fault::CutAfter(self.random.index(16_384)))),
            3 => ("stall", Some(Fault::Stall)),
            4 => ("half-open up", Some(Fault::HalfOpenUp)),
            5 => ("half-open down", Some(Fault::HalfOpenDown)),
            6 => ("refuse", Some(Fault::Refuse)),
            _ => ("broker restart", None),
        };
        match fault {
            None => self.broker.stop(),
            Some(fault) => self.proxy.strike(fault),
        }
        if matches!(fault, Some(Fault::Cut | Fault::CutAfter(_))) {
            lasts = Duration::from_millis(self.random.below(200));
        }
        *self.struck.entry(name).or_default() += 1;
        self.ends = Some(Instant::now() + lasts);
    }

    /// A number below that.
    pub(crate) fn draw(&mut self, bound: u64) -> u64 {
        self.random.below(bound)
    }
}
