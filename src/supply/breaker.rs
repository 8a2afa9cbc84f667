//! Leaves alone an endpoint where offering a session does harm.
//!
//! Some servers hang, reset or refuse the login when a session is resumed: always, at one node of several,
//! or now and then. A failure alone says little: the server may be down, or the password wrong. So attempts
//! that offered a session are compared with those that did not, handshakes and logins each by themselves, and
//! only the failures that full handshakes do not have as well count as harm. Harm has a budget: so many
//! connections an hour, and no more.

use crate::engine::Time;
use std::collections::VecDeque;

const MINUTE_MS: u64 = 60_000;
const HOUR_MS: u64 = 60 * MINUTE_MS;

/// How long the first pause is in which nothing is offered, and how long a later one can become.
const FIRST_PAUSE_MS: u64 = MINUTE_MS;
const LONGEST_PAUSE_MS: u64 = HOUR_MS;

/// By how many standard deviations more attempts may fail after an offer than without one, before it is looked into.
const DOUBT: f64 = 1.5;

/// How many failures in a row, less what is usual, make a change: see `Streak`.
const CHANGE: f64 = 4.0;

/// After this time a trial or a probe of which nobody has told the end is taken for one that hangs: another
/// may take its place.
const HANGS_MS: u64 = 10_000;

/// How an attempt ended, as far as the server had to do with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Established,
    HandshakeFailed,
    /// The handshake succeeded.
    LoginFailed,
}

/// What an attempt may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Permit {
    /// Offer what there is.
    Offer,
    /// Offer, and decide with that whether others may again.
    Probe(Turn),
    /// Offer nothing, to be compared with those that did.
    Trial(Turn),
    /// Offer nothing.
    Withheld,
}

/// Which trial or probe of a breaker it is: one may end after another has taken its place.
pub(super) type Turn = u32;

impl Permit {
    /// As a number that is not 0.
    pub(super) fn to_bits(self) -> u64 {
        match self {
            Self::Offer => 1,
            Self::Probe(turn) => 2 | u64::from(turn) << 32,
            Self::Trial(turn) => 3 | u64::from(turn) << 32,
            Self::Withheld => 4,
        }
    }

    pub(super) fn from_bits(bits: u64) -> Option<Self> {
        let turn = (bits >> 32) as Turn;
        match bits & 0xff {
            1 => Some(Self::Offer),
            2 => Some(Self::Probe(turn)),
            3 => Some(Self::Trial(turn)),
            4 => Some(Self::Withheld),
            _ => None,
        }
    }
}

/// What happened to a breaker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    Opened,
    Closed,
}

#[derive(Default)]
pub(super) struct Breaker {
    handshakes: Comparison,
    logins: Comparison,
    /// When the comparisons were last brought up to date.
    aged: Time,
    /// Until when nothing is offered; `None`: the breaker is closed.
    open: Option<Time>,
    pause_ms: u64,
    /// The latest trial or probe, and until when it is believed to be under way.
    under_way: Option<(Turn, Time)>,
    /// How many there were.
    turns: Turn,
    /// An offer was followed by a failure, and nothing that could explain it since.
    suspected: bool,
    /// What decides, as if by chance, which attempts are trials.
    chance: u64,
}

/// Attempts that offered a session against those that did not. What is an hour old weighs a third.
#[derive(Default)]
struct Comparison {
    offered: Sample,
    full: Sample,
    /// When attempts failed after an offer, a minute each, within the last hour; oldest first.
    failures: VecDeque<(Time, u32)>,
    streak: Streak,
}

/// What happened since attempts that offered a session began to fail one after the other.
///
/// A server that is visited often, and where one login in twenty fails anyhow, would have to do much harm
/// before the difference to all that was before is beyond chance. So what was before is forgotten if there is
/// a change.
#[derive(Default)]
struct Streak {
    /// Failures after an offer, less what is usual; 0: there is no streak.
    score: f64,
    /// Failures of full handshakes, less what is usual: then there is another reason.
    excuse: f64,
    offered: Sample,
    full: Sample,
    /// Attempts that failed after an offer; nothing of it is forgotten.
    failures: u32,
    /// The harm that was known before it.
    harm: f64,
}

#[derive(Clone, Copy, Default)]
struct Sample {
    ended: f64,
    failed: f64,
}

impl Sample {
    fn count(&mut self, failed: bool) {
        self.ended += 1.0;
        self.failed += f64::from(u8::from(failed));
    }

    fn succeeded(&self) -> f64 {
        self.ended - self.failed
    }

    fn age(&mut self, factor: f64) {
        self.ended *= factor;
        self.failed *= factor;
    }
}

impl Comparison {
    /// An attempt ended. `harmful`: it failed, and what it offered may be to blame.
    fn count(&mut self, now: Time, offered: bool, failed: bool) {
        let harm = self.harm();
        let (ended, lost) = (self.full.ended, self.full.failed);
        let usual = (lost + 1.0) / (ended + 2.0);
        let arm = if offered {
            &mut self.offered
        } else {
            &mut self.full
        };
        arm.count(failed);
        if offered && failed {
            self.charge(now, 1);
        }
        if self.streak.count(offered, failed, usual, harm) {
            let streak = std::mem::take(&mut self.streak);
            // Where nobody succeeded before either, nothing has changed, and what full handshakes told counts.
            if self.offered.succeeded() - streak.offered.succeeded() < 0.5 {
                return;
            }
            self.offered = streak.offered;
            self.full = streak.full;
            self.failures.clear();
            self.charge(now, streak.failures + streak.harm.ceil() as u32);
        }
    }

    fn forget_success(&mut self, offered: bool) {
        let arm = if offered {
            &mut self.offered
        } else {
            &mut self.full
        };
        arm.ended = (arm.ended - 1.0).max(arm.failed);
    }

    fn charge(&mut self, now: Time, failures: u32) {
        match self.failures.back_mut() {
            Some((minute, failed)) if now.since(*minute) < MINUTE_MS => *failed += failures,
            _ => self.failures.push_back((now, failures)),
        }
    }

    /// When the first one failed after an offer, within the last hour.
    fn first_failure(&self) -> Option<Time> {
        self.failures.front().map(|&(first, _)| first)
    }

    fn failures(&self) -> u32 {
        self.failures.iter().map(|&(_, n)| n).sum()
    }

    /// How many connections failed within the last hour that a full handshake would have made.
    fn harm(&self) -> f64 {
        if self.offered.failed == 0.0 {
            return 0.0;
        }
        f64::from(self.failures()) * (1.0 - self.explained())
    }

    /// A minute of failures goes as a whole, when its last one may be an hour old.
    fn forget(&mut self, now: Time) {
        while let Some(&(minute, _)) = self.failures.front() {
            if now.since(minute) < HOUR_MS + MINUTE_MS {
                break;
            }
            self.failures.pop_front();
        }
    }

    fn age(&mut self, factor: f64) {
        let streak = &mut self.streak;
        for sample in [
            &mut self.offered,
            &mut self.full,
            &mut streak.offered,
            &mut streak.full,
        ] {
            sample.age(factor);
        }
        streak.score *= factor;
        streak.excuse *= factor;
    }

    /// How many of the failures after an offer full handshakes would have had, too, of each one: from 0 to 1.
    /// As long as no full handshake failed, that is none. Otherwise, what chance may explain is in it.
    fn explained(&self) -> f64 {
        if self.offered.failed == 0.0 {
            return 1.0;
        }
        if self.full.failed == 0.0 {
            return 0.0;
        }
        // A long record is looked at more often, so chance has more occasions.
        let deviations = if self.offered.ended + self.full.ended < 200.0 {
            3.0
        } else {
            4.0
        };
        (self.expected(deviations) / self.offered.failed).min(1.0)
    }

    /// How many attempts that offered a session would have failed without one, and so many standard deviations
    /// more.
    fn expected(&self, deviations: f64) -> f64 {
        let (offered, full) = (&self.offered, &self.full);
        let expected = offered.ended * full.failed / full.ended;
        let rate = (offered.failed + full.failed) / (offered.ended + full.ended);
        let spread = offered.ended * rate * (1.0 - rate) * (1.0 + offered.ended / full.ended);
        expected + deviations * spread.max(0.0).sqrt()
    }

    /// Whether so many full handshakes were seen that some of them would have failed, did they fail as often
    /// as those that offered a session, and whether that and a little chance explains all failures.
    fn is_known(&self) -> bool {
        let (offered, full) = (&self.offered, &self.full);
        let enough = full.ended * offered.failed >= 6.0 * offered.ended
            && offered.failed <= self.expected(DOUBT);
        enough || offered.failed == 0.0
    }
}

impl Streak {
    /// An attempt ended. Says whether there is a change.
    fn count(&mut self, offered: bool, failed: bool, usual: f64, harm: f64) -> bool {
        if self.score == 0.0 {
            self.harm = harm;
        }
        let failure = f64::from(u8::from(failed));
        if offered {
            // Half way between what is usual and always.
            self.score += failure - (1.0 + usual) / 2.0;
        } else {
            self.excuse = (self.excuse + failure - usual).max(0.0);
        }
        if self.score <= 0.0 {
            *self = Self::default();
            return false;
        }
        let sample = if offered {
            &mut self.offered
        } else {
            &mut self.full
        };
        sample.count(failed);
        self.failures += u32::from(offered && failed);
        self.score - self.excuse >= CHANGE
    }
}

impl Breaker {
    /// `seed` is any number; endpoints had best have different ones.
    pub(super) fn seeded(seed: u64) -> Self {
        Self {
            chance: seed | 1,
            ..Self::default()
        }
    }

    pub(super) fn is_closed(&self) -> bool {
        self.open.is_none()
    }

    /// Whether an attempt has to ask before it offers.
    pub(super) fn is_watchful(&self) -> bool {
        self.open.is_some() || self.failures() != 0
    }

    /// What an attempt may do now, with a budget of so many failures an hour. `drawn`: its lot, when it asked before.
    pub(super) fn permit(&mut self, now: Time, budget: u32, drawn: bool) -> Permit {
        if budget == u32::MAX {
            return Permit::Offer;
        }
        self.age(now);
        let free = self.under_way.is_none_or(|(_, until)| until <= now);
        if let Some(until) = self.open {
            if until > now || !free || self.harm() + 1.0 > f64::from(budget) {
                return Permit::Withheld;
            }
            return Permit::Probe(self.take_turn(now));
        }
        if self.harm() + 1.0 > f64::from(budget) {
            return Permit::Withheld;
        }
        if self.wants_trial(free, drawn) {
            return Permit::Trial(self.take_turn(now));
        }
        Permit::Offer
    }

    fn take_turn(&mut self, now: Time) -> Turn {
        self.turns = self.turns.wrapping_add(1);
        self.under_way = Some((self.turns, now.plus_ms(HANGS_MS)));
        self.turns
    }

    /// Whether a connection may offer of which nobody will tell how it ended: it can decide nothing, so it may
    /// not try for the others.
    #[cfg(any(feature = "rustls", feature = "capi"))]
    pub(super) fn allows_unattended(&mut self, now: Time, budget: u32) -> bool {
        if budget == u32::MAX {
            return true;
        }
        self.age(now);
        let open = self
            .open
            .is_some_and(|until| until > now || self.failures() != 0);
        !open && self.harm() + 1.0 <= f64::from(budget)
    }

    /// Whether the next attempt is best made without a session, to learn how full handshakes fare. The first
    /// failures are looked into at once, by one at a time (`free`: there is none). Later it is left to chance: who
    /// comes right after a failure is not anybody, it may be the one client whose password is right. And one at a
    /// time would be too few among many. `drawn`: this one had its chance.
    fn wants_trial(&mut self, free: bool, drawn: bool) -> bool {
        if !self.draws_lots() {
            return self.failures() != 0 && free && self.suspected;
        }
        let known = self.handshakes.is_known() && self.logins.is_known();
        !drawn && self.toss() % 8 < if known { 1 } else { 6 }
    }

    /// Whether chance decides which attempts are trials.
    pub(super) fn draws_lots(&self) -> bool {
        self.failures() > 2
    }

    /// A number that looks random (xorshift).
    fn toss(&mut self) -> u64 {
        let mut x = self.chance.max(1);
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        self.chance = x;
        x >> 32
    }

    /// An attempt ended. `offered`: it had offered a session; `resumed`: that was taken.
    pub(super) fn ended(
        &mut self,
        (began, now): (Time, Time),
        outcome: Outcome,
        (offered, resumed): (bool, bool),
        permit: Permit,
        budget: u32,
    ) -> Option<Change> {
        self.age(now);
        self.end_turn(permit);
        let harmful = match outcome {
            Outcome::Established => false,
            Outcome::HandshakeFailed => offered,
            Outcome::LoginFailed => resumed,
        };
        // Those that were under way when the first one failed say what that one said: a server that dies takes
        // them all along.
        let first = [&self.handshakes, &self.logins]
            .into_iter()
            .filter_map(Comparison::first_failure)
            .min();
        if harmful && first.is_some_and(|first| began < first) {
            return None;
        }
        let handshake_failed = outcome == Outcome::HandshakeFailed;
        self.handshakes.count(now, offered, handshake_failed);
        if !handshake_failed {
            // A session that the server did not take makes no difference to the login.
            let failed = outcome == Outcome::LoginFailed;
            self.logins.count(now, resumed, failed);
        }
        self.suspected = harmful;
        let probe = matches!(permit, Permit::Probe(_)) && offered;
        if self.open.is_some() {
            // Either the server takes offers again, or full handshakes fail as well.
            let acquitted = probe && outcome == Outcome::Established;
            if acquitted || self.harm() < 1.0 {
                return self.close();
            }
        }
        if harmful {
            self.failed(now, probe, budget)
        } else {
            None
        }
    }

    /// An attempt that was counted as established is to be counted again.
    pub(super) fn forget_success(&mut self, (offered, resumed): (bool, bool)) {
        self.handshakes.forget_success(offered);
        self.logins.forget_success(resumed);
    }

    /// A trial or a probe ended, or decides nothing: another may take its place, unless one has done so
    /// because this one seemed to hang.
    pub(super) fn end_turn(&mut self, permit: Permit) {
        if let Permit::Probe(turn) | Permit::Trial(turn) = permit {
            self.under_way = self.under_way.filter(|&(latest, _)| latest != turn);
        }
    }

    /// An attempt failed after an offer. The breaker opens at two thirds of the budget: the rest is for
    /// those that try again.
    fn failed(&mut self, now: Time, probe: bool, budget: u32) -> Option<Change> {
        if budget == u32::MAX {
            return None;
        }
        let opens = self.harm() >= (f64::from(budget) * 2.0 / 3.0).max(1.0);
        if self.open.is_some() && !probe || self.open.is_none() && !opens {
            return None;
        }
        self.pause_ms = (self.pause_ms * 2).clamp(FIRST_PAUSE_MS, LONGEST_PAUSE_MS);
        self.open = Some(now.plus_ms(self.pause_ms));
        Some(Change::Opened)
    }

    /// The pause stays as long as it was, for as long as there are failures: a server that breaks now and then
    /// closes its breaker as often as it opens it.
    fn close(&mut self) -> Option<Change> {
        self.open.take().map(|_| Change::Closed)
    }

    fn failures(&self) -> u32 {
        self.handshakes.failures() + self.logins.failures()
    }

    fn harm(&self) -> f64 {
        self.handshakes.harm() + self.logins.harm()
    }

    /// Forgets what is old.
    fn age(&mut self, now: Time) {
        let passed = now.since(self.aged);
        for comparison in [&mut self.handshakes, &mut self.logins] {
            comparison.forget(now);
        }
        if self.failures() == 0 && self.open.is_none() {
            self.pause_ms = 0;
        }
        if passed >= MINUTE_MS {
            self.aged = now;
            let factor = (-(passed as f64) / HOUR_MS as f64).exp();
            for comparison in [&mut self.handshakes, &mut self.logins] {
                comparison.age(factor);
            }
        }
    }
}
