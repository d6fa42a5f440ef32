//! When to connect, when to give up, how long to wait.
//!
//! ```text
//!           start            CONNACK 0                    Down
//!   Idle ──────────► Connecting ──────► Online ──────────────────────► Waiting
//!                     │   ▲               │ nothing acknowledged for     │  ▲
//!            Down,    │   │ back-off over │ two keep-alives              │  │ Down, or
//!            refused  │   └───────────────┼──────────────────────────────┘  │ CLOSE_TIMEOUT
//!                     ▼                   ▼                                 │
//!                  Waiting             Closing ─────────────────────────────┘
//! ```
//!
//! Back-off is exponential with full jitter (AWS Architecture Blog, "Exponential Backoff And Jitter"): a wait is drawn
//! evenly between nothing and a ceiling that doubles from [`BACKOFF_BASE`] to [`BACKOFF_CAP`], so that a fleet that
//! loses its broker does not come back as one. It starts anew only after a session that held for [`GOOD_AFTER`]: a
//! broker that accepts and drops at once is not hammered. When the machine's network changes, coverage may be back, and
//! a waiting link tries at once ([`Link::hurry`]). Where coverage returns without such a sign the core can only try: with
//! an ordinary gap of seconds the ceiling is still low and the link is back within a second or two; after a long outage
//! it takes half of the cap in the mean.
//!
//! Refused credentials need a person, so the car asks rarely ([`CREDENTIALS_BACKOFF`]) and says so in the log once,
//! not at each attempt. A session that looks alive but acknowledges nothing (a half-open connection, a broker that
//! accepts TCP and is silent) is taken down by the watchdog after two keep-alives.
//!
//! The session itself may be lost by the broker (`session_present` false): that needs nothing here, as the outbox
//! takes everything unacknowledged back on each loss of the link and sends it again.

use std::time::Duration;

use tracing::{error, info, warn};

use crate::gateway::{Effect, LinkDown, LinkEvent};
use crate::rng::Rng;
use crate::time::MonoTime;

/// The first wait is drawn below this: a lost connection is back within a second.
pub const BACKOFF_BASE: Duration = Duration::from_secs(1);

/// No wait is drawn above this: half a minute after coverage is back, the car is back.
pub const BACKOFF_CAP: Duration = Duration::from_secs(30);

/// No wait is shorter: a broken resolver must not make a busy loop.
pub const BACKOFF_MIN: Duration = Duration::from_millis(100);

/// A session that lasted this long was good; the next loss starts the back-off anew.
pub const GOOD_AFTER: Duration = Duration::from_secs(30);

/// The wait after refused credentials is drawn between this and twice this.
pub const CREDENTIALS_BACKOFF: Duration = Duration::from_secs(300);

/// Name resolution, TCP, TLS and CONNACK together; a slow mobile link needs several seconds for a TLS handshake.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);

/// The client should say at once that it has taken the session down; after this the core stops waiting for it.
pub const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// How many keep-alives without an acknowledgement make a silent link.
pub const WATCHDOG_KEEP_ALIVES: u32 = 2;

/// A changed network is tried at once, but so often at most: a flapping interface must not make a busy loop.
pub const HURRY_EVERY: Duration = Duration::from_secs(1);

/// What the link did, for metrics.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LinkStat {
    /// There is a session now.
    pub online: bool,
    /// Attempts to connect.
    pub attempts: u64,
    /// Sessions.
    pub sessions: u64,
    /// Attempts that the broker refused for the credentials.
    pub credentials_refused: u64,
    /// Attempts that took longer than [`CONNECT_TIMEOUT`].
    pub connect_timeouts: u64,
    /// Sessions that the watchdog took down.
    pub watchdog: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Before `start` and after `stop`.
    Idle,
    Connecting {
        since: MonoTime,
    },
    Online {
        since: MonoTime,
    },
    /// A Disconnect was asked for, the client has not confirmed it.
    Closing {
        since: MonoTime,
    },
    Waiting {
        until: MonoTime,
    },
}

/// The state of the MQTT session.
#[derive(Debug)]
pub struct Link {
    state: State,
    rng: Rng,
    keep_alive: Duration,
    last_attempt: Option<MonoTime>,
    /// Losses since the last good session.
    failures: u32,
    /// The credentials were refused and have not been accepted since.
    credentials_bad: bool,
    /// Since when something is in flight without any acknowledgement.
    silent_since: Option<MonoTime>,
    effect: Option<Effect>,
    stat: LinkStat,
}

impl Link {
    /// A link that is not begun. `keep_alive` is the one given to the client at CONNECT.
    #[must_use]
    pub fn new(rng: Rng, keep_alive: Duration) -> Self {
        Self {
            state: State::Idle,
            rng,
            keep_alive,
            last_attempt: None,
            failures: 0,
            credentials_bad: false,
            silent_since: None,
            effect: None,
            stat: LinkStat::default(),
        }
    }

    /// Begins: the first attempt is made at once.
    pub fn start(&mut self, now: MonoTime) {
        if self.state == State::Idle {
            self.connect(now);
        }
    }

    /// Ends: says goodbye if there is anybody to say it to, and never connects again.
    pub fn stop(&mut self) {
        self.effect = match self.state {
            State::Online { .. } => Some(Effect::Disconnect { goodbye: true }),
            State::Connecting { .. } => Some(Effect::Disconnect { goodbye: false }),
            State::Idle | State::Closing { .. } | State::Waiting { .. } => None,
        };
        self.state = State::Idle;
        self.silent_since = None;
    }

    /// The machine's network changed, so coverage may be back: a waiting link tries at once, and the back-off starts
    /// anew. Refused credentials do not get better by it.
    pub fn hurry(&mut self, now: MonoTime) {
        let is_waiting = matches!(self.state, State::Waiting { .. }) && !self.credentials_bad;
        if is_waiting && self.last_attempt.is_none_or(|last| now.since(last) >= HURRY_EVERY) {
            self.failures = 0;
            self.connect(now);
        }
    }

    /// Takes what the client saw.
    pub fn handle(&mut self, now: MonoTime, event: &LinkEvent) {
        match event {
            LinkEvent::Up { session_present } => self.up(now, *session_present),
            LinkEvent::Down(why) => self.down(now, why),
            LinkEvent::Acked(_) => self.silent_since = self.silent_since.map(|_| now),
            LinkEvent::Refused(_) => {}
        }
    }

    /// Tells the watchdog whether anything waits for its acknowledgement; to be called after every drain.
    pub fn watch(&mut self, now: MonoTime, in_flight: usize) {
        let waits = in_flight > 0 && matches!(self.state, State::Online { .. });
        self.silent_since = waits.then(|| self.silent_since.unwrap_or(now));
    }

    /// Does what has become due.
    pub fn handle_timeout(&mut self, now: MonoTime) {
        if self.poll_timeout().is_none_or(|due| due > now) {
            return;
        }
        match self.state {
            State::Idle => {}
            State::Waiting { .. } => self.connect(now),
            State::Closing { .. } => self.wait(now),
            State::Connecting { .. } => {
                self.stat.connect_timeouts += 1;
                warn!(seconds = CONNECT_TIMEOUT.as_secs(), "connecting took too long, trying again");
                self.close(now);
            }
            State::Online { since } => {
                self.stat.watchdog += 1;
                warn!("the broker acknowledges nothing, connecting anew");
                self.judge(now, since);
                self.close(now);
            }
        }
    }

    /// When [`Self::handle_timeout`] wants to be called.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<MonoTime> {
        match self.state {
            State::Idle => None,
            State::Waiting { until } => Some(until),
            State::Closing { since } => Some(since + CLOSE_TIMEOUT),
            State::Connecting { since } => Some(since + CONNECT_TIMEOUT),
            State::Online { .. } => self.silent_since.map(|since| since + self.keep_alive * WATCHDOG_KEEP_ALIVES),
        }
    }

    /// [`Effect::Connect`] or [`Effect::Disconnect`], if due.
    pub const fn poll_effect(&mut self) -> Option<Effect> {
        self.effect.take()
    }

    /// There is a session.
    #[must_use]
    pub const fn is_online(&self) -> bool {
        matches!(self.state, State::Online { .. })
    }

    /// For metrics.
    #[must_use]
    pub const fn stat(&self) -> LinkStat {
        LinkStat { online: self.is_online(), ..self.stat }
    }

    fn connect(&mut self, now: MonoTime) {
        self.stat.attempts += 1;
        self.last_attempt = Some(now);
        self.state = State::Connecting { since: now };
        self.effect = Some(Effect::Connect);
    }

    fn up(&mut self, now: MonoTime, session_present: bool) {
        if !matches!(self.state, State::Connecting { .. }) {
            // The answer to an attempt that was given up in the meantime; the Disconnect is under way.
            return;
        }
        info!(session_present, "link up");
        self.stat.sessions += 1;
        self.credentials_bad = false;
        self.silent_since = None;
        self.state = State::Online { since: now };
    }

    fn down(&mut self, now: MonoTime, why: &LinkDown) {
        match self.state {
            State::Idle | State::Waiting { .. } => return,
            State::Online { since } => {
                info!(?why, "link down");
                self.judge(now, since);
            }
            State::Connecting { .. } | State::Closing { .. } => {}
        }
        self.silent_since = None;
        if let LinkDown::Credentials(text) = why {
            self.credentials_refused(now, text);
        } else {
            self.wait(now);
        }
    }

    fn credentials_refused(&mut self, now: MonoTime, why: &str) {
        self.stat.credentials_refused += 1;
        if !self.credentials_bad {
            error!(
                why,
                "the broker refuses this car's credentials: check certificate, key and the broker's access list"
            );
        }
        self.credentials_bad = true;
        self.state = State::Waiting { until: now + CREDENTIALS_BACKOFF + CREDENTIALS_BACKOFF.mul_f64(self.rng.unit()) };
    }

    fn close(&mut self, now: MonoTime) {
        self.silent_since = None;
        self.effect = Some(Effect::Disconnect { goodbye: false });
        self.state = State::Closing { since: now };
    }

    /// A good session starts the back-off anew.
    fn judge(&mut self, now: MonoTime, since: MonoTime) {
        if now.since(since) >= GOOD_AFTER {
            self.failures = 0;
        }
    }

    fn wait(&mut self, now: MonoTime) {
        let ceiling = BACKOFF_BASE.saturating_mul(1 << self.failures.min(16)).min(BACKOFF_CAP);
        self.failures = self.failures.saturating_add(1);
        self.state = State::Waiting { until: now + ceiling.mul_f64(self.rng.unit()).max(BACKOFF_MIN) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gateway::PublishToken;

    const KEEP_ALIVE: Duration = Duration::from_secs(60);
    const UP: LinkEvent = LinkEvent::Up { session_present: true };

    fn lost() -> LinkEvent {
        LinkEvent::Down(LinkDown::Transport("reset".to_owned()))
    }

    fn connecting(seed: u64) -> Link {
        let mut link = Link::new(Rng::new(seed), KEEP_ALIVE);
        link.start(MonoTime::ZERO);
        assert_eq!(link.poll_effect(), Some(Effect::Connect));
        link
    }

    /// Waits for the next attempt; how long that took.
    fn next_attempt(link: &mut Link, now: &mut MonoTime) -> Duration {
        let due = link.poll_timeout().expect("waiting");
        let wait = due.since(*now);
        *now = due;
        link.handle_timeout(due);
        assert_eq!(link.poll_effect(), Some(Effect::Connect));
        wait
    }

    #[test]
    fn waits_grow_with_jitter_up_to_the_cap_and_start_anew_only_after_a_good_session() {
        for seed in 0..200 {
            let mut link = connecting(seed);
            let mut now = MonoTime::from_millis(1);
            for failure in 0..12_u32 {
                link.handle(now, &lost());
                let wait = next_attempt(&mut link, &mut now);
                let ceiling = (BACKOFF_BASE * 2_u32.pow(failure.min(10))).min(BACKOFF_CAP);
                assert!((BACKOFF_MIN..=ceiling).contains(&wait), "seed {seed}, failure {failure}: {wait:?}");
            }
            link.handle(now, &UP);
            now = now + Duration::from_secs(1);
            link.handle(now, &lost());
            assert_eq!(link.failures, 13, "a session of a second proves nothing");
            next_attempt(&mut link, &mut now);
            link.handle(now, &UP);
            now = now + GOOD_AFTER;
            link.handle(now, &lost());
            assert!(next_attempt(&mut link, &mut now) <= BACKOFF_BASE);
        }
    }

    #[test]
    fn a_fleet_does_not_come_back_as_one() {
        let mut waits: Vec<Duration> = (0..1_000)
            .map(|seed| {
                let mut link = connecting(seed);
                let mut now = MonoTime::ZERO;
                (0..6).for_each(|_| {
                    link.handle(now, &lost());
                    next_attempt(&mut link, &mut now);
                });
                link.handle(now, &lost());
                next_attempt(&mut link, &mut now)
            })
            .collect();
        waits.sort_unstable();
        assert!(waits[250] < BACKOFF_CAP * 3 / 8 && waits[750] > BACKOFF_CAP * 5 / 8, "{waits:?}");
    }

    #[test]
    fn refused_credentials_are_tried_rarely() {
        let mut link = connecting(1);
        let mut now = MonoTime::ZERO;
        for _ in 0..3 {
            link.handle(now, &LinkEvent::Down(LinkDown::Credentials("not authorized".to_owned())));
            let wait = next_attempt(&mut link, &mut now);
            assert!((CREDENTIALS_BACKOFF..=CREDENTIALS_BACKOFF * 2).contains(&wait), "{wait:?}");
        }
        assert_eq!(link.stat().credentials_refused, 3);
    }

    #[test]
    fn an_attempt_without_an_answer_is_given_up_even_if_the_client_says_nothing() {
        let mut link = connecting(1);
        let due = link.poll_timeout().expect("connecting");
        assert_eq!(due, MonoTime::ZERO + CONNECT_TIMEOUT);
        link.handle_timeout(due);
        assert_eq!(link.poll_effect(), Some(Effect::Disconnect { goodbye: false }));
        link.handle(due, &UP);
        assert!(!link.is_online(), "too late: it is being taken down");
        let mut now = due + CLOSE_TIMEOUT;
        link.handle_timeout(now);
        next_attempt(&mut link, &mut now);
    }

    #[test]
    fn the_watchdog_takes_down_a_link_that_acknowledges_nothing_and_no_other() {
        let mut link = connecting(1);
        let mut now = MonoTime::from_millis(10);
        link.handle(now, &UP);
        assert_eq!(link.poll_timeout(), None, "nothing in flight, nothing to wait for");
        link.watch(now, 3);
        for _ in 0..10 {
            now = now + KEEP_ALIVE;
            link.handle(now, &LinkEvent::Acked(PublishToken(1)));
            link.watch(now, 2);
            link.handle_timeout(now);
        }
        assert!(link.is_online());
        now = now + KEEP_ALIVE * WATCHDOG_KEEP_ALIVES;
        assert_eq!(link.poll_timeout(), Some(now));
        link.handle_timeout(now);
        assert_eq!(link.poll_effect(), Some(Effect::Disconnect { goodbye: false }));
        assert_eq!(link.stat().watchdog, 1);
        link.handle(now, &LinkEvent::Down(LinkDown::Requested));
        next_attempt(&mut link, &mut now);
    }

    #[test]
    fn stopping_says_goodbye_once_and_connects_no_more() {
        let mut link = connecting(1);
        link.handle(MonoTime::ZERO, &UP);
        link.stop();
        assert_eq!(link.poll_effect(), Some(Effect::Disconnect { goodbye: true }));
        link.handle(MonoTime::ZERO, &LinkEvent::Down(LinkDown::Requested));
        assert_eq!((link.poll_timeout(), link.poll_effect()), (None, None));
    }
}
