//! How many sessions will come to an endpoint, and when.

use super::cohorts::{Cohort, Count};
use super::flight::{Flight, Handshake};
use super::flights::Flights;
use crate::engine::Time;

/// What an endpoint was seen to bring. A server changes its habits only when it is reconfigured, so
/// what was seen last is believed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Rates {
    pub(super) full: Rate,
    pub(super) resumed: Rate,
    /// One session serves any number of attempts: TLS 1.2, or a cache that reuses the last ticket.
    pub(super) reusable: bool,
}

/// What one kind of handshake brings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Rate {
    /// How many sessions; `None`: no such handshake was seen yet.
    pub(super) tickets: Option<u32>,
    /// Milliseconds from the beginning of an attempt to its first session.
    pub(super) millis: u64,
}

/// More than anybody asks for.
const UNLIMITED: u64 = u64::MAX;

/// An attempt is not overdue sooner than after this, nor later, unless handshakes take that long.
const LEAST_OVERDUE_MS: u64 = 1000;
const MOST_OVERDUE_MS: u64 = 10_000;

impl Rates {
    fn seen(&mut self, handshake: Handshake) -> &mut Rate {
        match handshake {
            Handshake::Full => &mut self.full,
            Handshake::Resumed => &mut self.resumed,
        }
    }

    /// What a handshake of this kind is expected to bring; `None`: nobody knows. A resumed one brings
    /// what a full one does, as long as none was seen.
    fn of(&self, handshake: Handshake) -> Option<(u32, u64)> {
        let known = |rate: Rate| rate.tickets.map(|tickets| (tickets, rate.millis));
        match handshake {
            Handshake::Full => known(self.full),
            Handshake::Resumed => known(self.resumed).or(known(self.full)),
        }
    }

    /// An attempt brought its `nth` session, so long after it had begun.
    pub(super) fn brought(&mut self, handshake: Handshake, nth: u32, millis: u64) {
        let rate = self.seen(handshake);
        if nth == 1 {
            rate.millis = match rate.tickets {
                Some(1..) => (rate.millis * 3 + millis) / 4,
                _ => millis,
            };
        }
        // Of the first of its kind, `brought_all` tells how many: until then what was expected stands.
        rate.tickets = rate.tickets.map(|tickets| tickets.max(nth));
    }

    /// An attempt will bring no more than these. Says whether that is less than was expected.
    pub(super) fn brought_all(&mut self, handshake: Handshake, tickets: u32) -> bool {
        let expected = self.of(handshake);
        self.seen(handshake).tickets = Some(tickets);
        expected.is_none_or(|(expected, _)| tickets < expected)
    }

    /// Whether an attempt that brings its `nth` session has brought all that is expected of it.
    pub(super) fn is_complete(&self, flight: &Flight, nth: u32) -> bool {
        let expected = flight.handshake().and_then(|kind| self.of(kind));
        flight.established().is_some() && expected.is_some_and(|(n, _)| nth >= n)
    }

    /// When those who have begun at `begun` to offer a session know whether the server takes it; at once, if
    /// nobody knows how long that takes.
    pub(super) fn verdict(&self, begun: Time, now: Time) -> Time {
        let (_, millis) = self.of(Handshake::Resumed).unwrap_or_default();
        arrival(begun, millis, now)
    }

    /// After so many milliseconds an attempt that is not established is taken for one that hangs: nothing is
    /// expected of it, and nobody is held back by it any more. That is many times what handshakes take here,
    /// if that is known.
    pub(super) fn overdue_ms(&self) -> u64 {
        let slowest = [self.full, self.resumed]
            .into_iter()
            .filter(|rate| rate.tickets.is_some())
            .map(|rate| rate.millis)
            .max();
        slowest.map_or(MOST_OVERDUE_MS, |millis| {
            let several = millis
                .saturating_mul(8)
                .clamp(LEAST_OVERDUE_MS, MOST_OVERDUE_MS);
            several.max(millis.saturating_mul(2))
        })
    }

    /// How many sessions attempts of this kind will still bring; `None`: nobody knows.
    pub(super) fn expected(&self, handshake: Handshake, count: Count) -> Option<u64> {
        let (each, _) = self.of(handshake)?;
        let all = u64::from(count.flights) * u64::from(each);
        Some(all.saturating_sub(count.brought))
    }

    /// Whether a cohort may still bring something.
    pub(super) fn is_promising(&self, cohort: &Cohort) -> bool {
        Handshake::BOTH.iter().any(|&handshake| {
            let count = cohort.count(handshake);
            count.flights != 0 && self.expected(handshake, count) != Some(0)
        })
    }

    /// How many attempts can be given a session until `deadline` by those in flight, and by those that
    /// will be resumed with what they bring: each session that comes early is another's beginning. Does not
    /// count on beyond `enough`.
    pub(super) fn capacity(
        &self,
        flights: &Flights,
        now: Time,
        deadline: Time,
        enough: u64,
    ) -> u64 {
        let mut capacity = 0u64;
        let opening = flights
            .opening
            .iter()
            .map(|cohort| (cohort, Some(cohort.last)));
        // Of an established one they may come at any moment.
        let bringing = flights.bringing.iter().map(|cohort| (cohort, None));
        for (cohort, begun) in opening.chain(bringing) {
            for handshake in Handshake::BOTH {
                let count = cohort.count(handshake);
                if count.flights == 0 {
                    continue;
                }
                let (Some(tickets), Some((_, millis))) =
                    (self.expected(handshake, count), self.of(handshake))
                else {
                    // The first that is seen of this server: worth waiting for, once.
                    return UNLIMITED;
                };
                let comes = begun.map_or(now, |begun| arrival(begun, millis, now));
                if tickets == 0 || comes > deadline {
                    continue;
                }
                if self.reusable {
                    return UNLIMITED;
                }
                let (each, millis) = self.of(Handshake::Resumed).unwrap_or_default();
                let generations = deadline.since(comes) / millis.max(1);
                let missing = enough.saturating_sub(capacity);
                let come = descendants(tickets, each, generations, missing);
                capacity = capacity.saturating_add(come);
                if capacity >= enough {
                    return capacity;
                }
            }
        }
        capacity
    }
}

/// When an attempt that takes so long is through. One that is late is taken to need as long again as it
/// is late.
fn arrival(begun: Time, millis: u64, now: Time) -> Time {
    let due = begun.plus_ms(millis);
    now.max(due).plus_ms(now.since(due))
}

/// How many sessions come of some, if each brings `each` more in every generation; not counted on beyond
/// `enough`.
fn descendants(tickets: u64, each: u32, generations: u64, enough: u64) -> u64 {
    match each {
        0 => tickets,
        1 => tickets.saturating_mul(generations.saturating_add(1)),
        _ => {
            let each = u64::from(each);
            let (mut all, mut last) = (tickets, tickets);
            for _ in 0..generations {
                last = last.saturating_mul(each);
                all = all.saturating_add(last);
                if all >= enough {
                    break;
                }
            }
            all
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Time = Time(10_000);

    fn rates(full: (u32, u64), resumed: Option<(u32, u64)>) -> Rates {
        let rate = |(tickets, millis)| Rate {
            tickets: Some(tickets),
            millis,
        };
        Rates {
            full: rate(full),
            resumed: resumed.map(rate).unwrap_or_default(),
            reusable: false,
        }
    }

    /// What an attempt does, and since when.
    type Begun = (Handshake, u64);

    fn full(begun: u64) -> Begun {
        (Handshake::Full, begun)
    }

    fn resumed(begun: u64) -> Begun {
        (Handshake::Resumed, begun)
    }

    fn flights(all: &[Begun]) -> (Flights, Vec<Flight>) {
        let mut flights = Flights::default();
        let begin = |&(handshake, begun): &Begun| {
            let flight = Flight::default();
            flights.begin(&flight, handshake, Time(begun));
            flight
        };
        let all = all.iter().map(begin).collect();
        (flights, all)
    }

    fn within(rates: Rates, all: &[Begun], millis: u64) -> u64 {
        in_time(rates, &flights(all).0, millis)
    }

    fn in_time(rates: Rates, flights: &Flights, millis: u64) -> u64 {
        rates.capacity(flights, NOW, Time(NOW.0 + millis), UNLIMITED)
    }

    #[test]
    fn two_on_every_connection_double_in_each_generation() {
        let rates = rates((2, 100), Some((2, 50)));
        let flights = [full(NOW.0)];
        let in_time = [99, 100, 149, 150, 200, 250, 300, 350].map(|t| within(rates, &flights, t));
        assert_eq!(in_time, [0, 2, 2, 6, 14, 30, 62, 126]);
    }

    #[test]
    fn two_and_one_grow_by_two_in_each_generation() {
        let rates = rates((2, 100), Some((1, 50)));
        let in_time = [100, 150, 200, 1100].map(|t| within(rates, &[full(NOW.0)], t));
        assert_eq!(in_time, [2, 4, 6, 42]);
        // A second full handshake is worth as much again.
        assert_eq!(within(rates, &[full(NOW.0), full(NOW.0)], 200), 12);
    }

    #[test]
    fn what_was_brought_is_not_expected_again() {
        let rates = rates((2, 100), Some((0, 50)));
        let (mut flights, all) = flights(&[full(NOW.0)]);
        for left in [2, 1, 0] {
            assert_eq!(in_time(rates, &flights, 1000), left);
            flights.bring(&all[0]);
        }
        // What one brings beyond that is learned.
        assert_eq!(in_time(rates, &flights, 1000), 0);
    }

    #[test]
    fn one_that_is_late_is_expected_as_much_later() {
        let rates = rates((2, 100), Some((0, 50)));
        // Due 30 ms ago.
        let flights = [full(NOW.0 - 130)];
        assert_eq!([29, 30].map(|t| within(rates, &flights, t)), [0, 2]);
    }

    #[test]
    fn of_an_unknown_server_anything_is_expected() {
        let unknown = Rates::default();
        assert_eq!(within(unknown, &[], 1000), 0);
        assert_eq!(within(unknown, &[full(NOW.0)], 1000), UNLIMITED);
        // A resumed handshake is taken for a full one until the first is seen.
        assert_eq!(within(rates((2, 100), None), &[resumed(NOW.0)], 250), 6);
    }

    #[test]
    fn a_server_that_issues_none_is_not_waited_for() {
        let rates = rates((0, 0), None);
        assert_eq!(within(rates, &[full(NOW.0), resumed(NOW.0)], 1000), 0);
    }

    #[test]
    fn one_reusable_session_is_enough_for_all() {
        let rates = Rates {
            reusable: true,
            ..rates((1, 100), None)
        };
        let in_time = [99, 100].map(|t| within(rates, &[full(NOW.0)], t));
        assert_eq!(in_time, [0, UNLIMITED]);
    }

    #[test]
    fn rates_are_learned() {
        let mut rates = Rates::default();
        rates.brought(Handshake::Full, 1, 80);
        assert_eq!(rates.full.tickets, None, "there may be more");
        rates.brought(Handshake::Full, 2, 80);
        rates.brought_all(Handshake::Full, 2);
        assert_eq!((rates.full.tickets, rates.full.millis), (Some(2), 80));
        // Slowly, since one connection says little about time.
        rates.brought(Handshake::Full, 1, 40);
        assert_eq!((rates.full.tickets, rates.full.millis), (Some(2), 70));
        assert_eq!(rates.resumed, Rate::default());
        assert!(!rates.brought_all(Handshake::Full, 2));
        assert!(rates.brought_all(Handshake::Full, 0));
        assert_eq!(rates.full.tickets, Some(0));
        rates.brought(Handshake::Full, 1, 10);
        assert_eq!((rates.full.tickets, rates.full.millis), (Some(1), 10));
    }

    #[test]
    fn the_first_resumed_handshake_is_compared_with_the_full_one() {
        let mut rates = rates((2, 100), None);
        rates.brought(Handshake::Resumed, 1, 50);
        assert!(
            rates.brought_all(Handshake::Resumed, 1),
            "two were expected"
        );
        rates.brought(Handshake::Resumed, 1, 50);
        assert!(!rates.brought_all(Handshake::Resumed, 1));
    }

    #[test]
    fn large_numbers_do_not_overflow() {
        let most = u64::from(u32::MAX);
        assert_eq!(descendants(most, u32::MAX, u64::MAX, UNLIMITED), UNLIMITED);
        assert_eq!(descendants(most, 1, u64::MAX, UNLIMITED), UNLIMITED);
        let rates = rates((u32::MAX, u64::MAX), Some((u32::MAX, 0)));
        assert_eq!(within(rates, &[full(NOW.0)], 0), 0);
        let (flights, _) = flights(&[full(0), full(u64::MAX)]);
        let both = rates.capacity(&flights, NOW, Time::NEVER, UNLIMITED);
        assert_eq!(both, 2 * most);
    }
}
