//! Leaves alone an endpoint where offering a session does harm.

use crate::engine::Time;

/// The longest time between two probes, in seconds.
const LONGEST_PAUSE_SECONDS: u32 = 3600;

/// When a breaker opens, and for how long at first.
#[derive(Clone, Copy)]
pub(super) struct Limits {
    pub(super) failures: u32,
    pub(super) pause_seconds: u32,
}

/// What happened to a breaker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    Opened,
    Closed,
}

/// Some servers hang or reset when they are offered a session. One attempt that fails after an offer
/// says little: the server may be down. So a failure counts once a full handshake has succeeded after
/// it, and several that fail together count as one.
#[derive(Default)]
pub(super) struct Breaker {
    state: State,
    /// An offer was followed by a failure, and no connection was established since.
    suspected: bool,
    /// Suspicions in a row that a full handshake confirmed.
    confirmed: u32,
    /// How long it was open the last time.
    pause_seconds: u32,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum State {
    #[default]
    Closed,
    /// Nothing is offered until then; the first attempt after it is the probe.
    Open(Time),
    /// One attempt may offer, and its end decides. Should it never be told, another may from then on.
    Probing(Time),
}

impl Breaker {
    pub(super) fn is_closed(&self) -> bool {
        self.state == State::Closed
    }

    /// Whether an attempt may offer a session now. Where the breaker is not closed, that makes the
    /// attempt the probe.
    pub(super) fn allows(&mut self, now: Time) -> bool {
        match self.state {
            State::Closed => true,
            State::Open(until) | State::Probing(until) if until <= now => {
                self.state = State::Probing(now.plus_seconds(self.pause_seconds));
                true
            }
            State::Open(_) | State::Probing(_) => false,
        }
    }

    /// An attempt that had offered a session failed.
    pub(super) fn failed(&mut self, now: Time, probe: bool, limits: Limits) -> Option<Change> {
        if probe && self.is_probing() {
            let pause = self.pause_seconds.saturating_mul(2);
            return Some(self.open(
                now,
                pause.min(LONGEST_PAUSE_SECONDS).max(limits.pause_seconds),
            ));
        }
        self.suspected = true;
        None
    }

    /// An attempt that had offered a session was established: resumed, or refused in good order.
    pub(super) fn withstood(&mut self) -> Option<Change> {
        let closed = self.is_closed();
        *self = Self::default();
        (!closed).then_some(Change::Closed)
    }

    /// An attempt that had offered nothing was established.
    pub(super) fn full(&mut self, now: Time, limits: Limits) -> Option<Change> {
        if !std::mem::take(&mut self.suspected) || !self.is_closed() {
            return None;
        }
        self.confirmed += 1;
        (self.confirmed >= limits.failures).then(|| self.open(now, limits.pause_seconds))
    }

    fn is_probing(&self) -> bool {
        matches!(self.state, State::Probing(_))
    }

    /// The probe ended and decided nothing: another may take its place.
    pub(super) fn undecided(&mut self, now: Time) {
        if self.is_probing() {
            self.state = State::Open(now);
        }
    }

    fn open(&mut self, now: Time, pause_seconds: u32) -> Change {
        self.state = State::Open(now.plus_seconds(pause_seconds));
        self.pause_seconds = pause_seconds;
        self.suspected = false;
        self.confirmed = 0;
        Change::Opened
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits {
        failures: 3,
        pause_seconds: 60,
    };
    const START: Time = Time(1_000_000);

    fn after(seconds: u32) -> Time {
        START.plus_seconds(seconds)
    }

    /// A breaker that has just opened.
    fn opened() -> Breaker {
        let mut breaker = Breaker::default();
        for round in 1..=LIMITS.failures {
            assert!(breaker.allows(START));
            assert_eq!(breaker.failed(START, false, LIMITS), None);
            let opens = (round == LIMITS.failures).then_some(Change::Opened);
            assert_eq!(breaker.full(START, LIMITS), opens);
        }
        breaker
    }

    #[test]
    fn it_opens_when_offers_fail_in_a_row_and_full_handshakes_succeed() {
        let mut breaker = opened();
        assert!(!breaker.is_closed());
        assert!(!breaker.allows(after(59)));
    }

    #[test]
    fn a_server_that_is_down_does_not_open_it() {
        let mut breaker = Breaker::default();
        for _ in 0..100 {
            assert_eq!(breaker.failed(START, false, LIMITS), None);
        }
        // However many failed, they count as one once the server is back.
        assert_eq!(breaker.full(START, LIMITS), None);
        assert_eq!(breaker.full(START, LIMITS), None);
        assert!(breaker.allows(START));
    }

    #[test]
    fn an_offer_that_the_server_withstands_restarts_the_count() {
        let mut breaker = Breaker::default();
        for _ in 0..10 {
            for _ in 1..LIMITS.failures {
                assert_eq!(breaker.failed(START, false, LIMITS), None);
                assert_eq!(breaker.full(START, LIMITS), None);
            }
            assert_eq!(breaker.withstood(), None);
        }
    }

    #[test]
    fn one_probe_decides() {
        let mut breaker = opened();
        assert!(breaker.allows(after(60)));
        assert!(!breaker.allows(after(60)), "only one probe at a time");
        assert_eq!(breaker.withstood(), Some(Change::Closed));
        assert!(breaker.is_closed() && breaker.allows(after(60)));
    }

    #[test]
    fn each_probe_that_fails_doubles_the_pause_up_to_an_hour() {
        let mut breaker = opened();
        let mut now = START;
        for pause in [60, 120, 240, 480, 960, 1920, 3600, 3600] {
            assert!(!breaker.allows(Time(now.plus_seconds(pause).0 - 1)));
            now = now.plus_seconds(pause);
            assert!(breaker.allows(now));
            assert_eq!(breaker.failed(now, true, LIMITS), Some(Change::Opened));
        }
    }

    #[test]
    fn a_probe_that_decided_nothing_is_none() {
        let mut breaker = opened();
        assert!(breaker.allows(after(60)));
        breaker.undecided(after(61));
        assert!(breaker.allows(after(61)));
        // Of this one nobody says anything.
        assert!(!breaker.allows(after(120)));
        assert!(breaker.allows(after(121)));
    }

    #[test]
    fn what_was_in_flight_when_it_opened_decides_nothing_by_failing() {
        let mut breaker = opened();
        assert_eq!(breaker.failed(after(1), false, LIMITS), None);
        assert_eq!(breaker.full(after(2), LIMITS), None);
        assert!(breaker.allows(after(60)));
    }
}
