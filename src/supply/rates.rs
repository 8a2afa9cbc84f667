//! How many sessions will come to an endpoint, and when.

use super::flight::{Flight, Handshake};
use crate::engine::Time;
use std::sync::Arc;

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

    /// Whether an attempt has brought all that is expected of it.
    pub(super) fn is_complete(&self, flight: &Flight) -> bool {
        let expected = flight.handshake().and_then(|kind| self.of(kind));
        flight.established().is_some() && expected.is_some_and(|(n, _)| flight.brought() >= n)
    }

    /// When it is known whether the server takes what a flight offers; at once, if nobody knows.
    pub(super) fn verdict(&self, flight: &Flight, now: Time) -> Time {
        let (_, millis) = self.of(Handshake::Resumed).unwrap_or_default();
        arrival(flight, millis, now)
    }

    /// How many attempts can be given a session until `deadline` by those in flight, and by those that
    /// will be resumed with what they bring: each session that comes early is another's beginning.
    pub(super) fn capacity(&self, flights: &[Arc<Flight>], now: Time, deadline: Time) -> u64 {
        let begun = flights
            .iter()
            .filter_map(|flight| flight.handshake().map(|handshake| (flight, handshake)));
        let mut capacity = 0u64;
        for (flight, handshake) in begun {
            let Some((tickets, millis)) = self.of(handshake) else {
                // The first that is seen of this server: worth waiting for, once.
                return UNLIMITED;
            };
            let tickets = tickets.saturating_sub(flight.brought());
            let comes = arrival(flight, millis, now);
            if tickets == 0 || comes > deadline {
                continue;
            }
            if self.reusable {
                return UNLIMITED;
            }
            let (each, millis) = self.of(Handshake::Resumed).unwrap_or_default();
            let generations = deadline.since(comes) / millis.max(1);
            capacity = capacity.saturating_add(descendants(tickets, each, generations));
        }
        capacity
    }
}

/// When an attempt that takes so long is through. One that is late is taken to need as long again as it
/// is late.
fn arrival(flight: &Flight, millis: u64, now: Time) -> Time {
    let due = Time(flight.begun().0.saturating_add(millis));
    Time(now.0.max(due.0).saturating_add(now.since(due)))
}

/// How many sessions come of some, if each brings `each` more in every generation.
fn descendants(tickets: u32, each: u32, generations: u64) -> u64 {
    let tickets = u64::from(tickets);
    match each {
        0 => tickets,
        1 => tickets.saturating_mul(generations.saturating_add(1)),
        _ => {
            let each = u64::from(each);
            let (mut all, mut last) = (tickets, tickets);
            for _ in 0..generations {
                last = last.saturating_mul(each);
                all = all.saturating_add(last);
                if all == UNLIMITED {
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
    use crate::engine::Lineage;

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

    fn full(begun: u64) -> Arc<Flight> {
        let flight = Flight::default();
        flight.begin_full(Time(begun));
        Arc::new(flight)
    }

    fn resumed(begun: u64) -> Arc<Flight> {
        let flight = Flight::default();
        let (id, ends) = (1, Time::NEVER);
        flight.begin_resumed(Time(begun), Lineage { id, ends });
        Arc::new(flight)
    }

    fn within(rates: Rates, flights: &[Arc<Flight>], millis: u64) -> u64 {
        rates.capacity(flights, NOW, Time(NOW.0 + millis))
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
        let flight = full(NOW.0);
        assert_eq!(within(rates, &[Arc::clone(&flight)], 1000), 2);
        flight.bring();
        assert_eq!(within(rates, &[Arc::clone(&flight)], 1000), 1);
        flight.bring();
        assert_eq!(within(rates, &[flight], 1000), 0);
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
        assert_eq!(within(unknown, &[Arc::default()], 1000), 0, "not begun");
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
        assert_eq!(descendants(u32::MAX, u32::MAX, u64::MAX), UNLIMITED);
        assert_eq!(descendants(u32::MAX, 1, u64::MAX), UNLIMITED);
        let rates = rates((u32::MAX, u64::MAX), Some((u32::MAX, 0)));
        assert_eq!(within(rates, &[full(NOW.0)], 0), 0);
        let flights = [full(0), full(u64::MAX)];
        let both = 2 * u64::from(u32::MAX);
        assert_eq!(rates.capacity(&flights, NOW, Time::NEVER), both);
    }
}
