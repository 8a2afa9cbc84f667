//! Reusing the last ticket, at servers that take it again and at those that take it once.

use super::supply::{Asked, LONG};
use super::*;
use crate::connection::{Failure, Plan};

const REUSE: Options = Options {
    reuse_when_dry: true,
    ..WIDE
};

/// An attempt that may go on, with what it offers.
fn going(one: &Asked) -> Option<u32> {
    assert!(one.plan == Plan::Go || one.told() == 1);
    offer(&one.attempt).expect("open")
}

/// It is established, and brought these.
fn end(one: &Asked, resumed: bool, tickets: &[u32]) {
    for &ticket in tickets {
        receive(&one.attempt, ticket, TLS_1_3, HOUR).expect("staged");
    }
    one.attempt.established(resumed).expect("open");
}

/// Some at once after one that brought a ticket, and is still there; two of them have it.
fn two_of(world: &World, count: usize) -> (Arc<Connection>, Vec<Asked>) {
    let first = world.full(&[1]);
    let all: Vec<_> = (0..count).map(|_| world.ask(LONG)).collect();
    assert_eq!((going(&all[0]), going(&all[1])), (Some(1), Some(1)));
    let rest = &all[2..];
    assert!(rest.iter().all(|one| one.plan == Plan::Wait));
    (first, all)
}

fn told(all: &[Asked]) -> Vec<usize> {
    all.iter().map(Asked::told).collect()
}

#[test]
fn one_tries_whether_the_server_takes_a_ticket_again() {
    let world = World::new(REUSE);
    let (_first, all) = two_of(&world, 5);
    end(&all[0], true, &[]);
    assert_eq!(
        told(&all[2..]),
        [0, 0, 0],
        "that it takes it once was known"
    );
    end(&all[1], true, &[]);
    assert_eq!(told(&all[2..]), [1, 1, 1]);
    assert!(all[2..].iter().all(|one| going(one) == Some(1)));
    // And it need not be tried again.
    assert!((0..3).all(|_| going(&world.ask(LONG)) == Some(1)));
}

#[test]
fn where_it_takes_a_ticket_once_each_is_offered_once() {
    for accepted_first in [true, false] {
        let world = World::new(REUSE);
        let (_first, all) = two_of(&world, 8);
        let reused = world.engine().stats().reused;
        let mut ends = [(&all[0], true, 10), (&all[1], false, 11)];
        if !accepted_first {
            ends.reverse();
        }
        for (one, resumed, ticket) in ends {
            end(one, resumed, &[ticket]);
        }
        // The verdicts are known; of both come tickets, and each serves one. Those bring the others'.
        let mut next = 2;
        let mut used = Vec::new();
        while next < all.len() {
            let told: Vec<_> = all[next..]
                .iter()
                .take_while(|one| one.told() == 1)
                .collect();
            assert!(!told.is_empty(), "{next}");
            for one in told {
                let ticket = going(one).expect("a ticket");
                assert!(!used.contains(&ticket), "{ticket} again");
                used.push(ticket);
                end(one, true, &[ticket + 10]);
                next += 1;
            }
        }
        assert_eq!(used.len(), 6);
        let stats = world.engine().stats();
        // One ticket came before it was known, and stayed when it was given to the first that waited.
        assert_eq!(stats.reused, reused + 1, "{stats:?}");
        assert_eq!((stats.refused, stats.resumed), (1, 7), "{stats:?}");
    }
}

#[test]
fn two_tickets_that_are_taken_once_each_are_no_sign_that_one_is_taken_again() {
    let world = World::new(REUSE);
    let (_first, all) = two_of(&world, 8);
    end(&all[0], true, &[2]);
    assert_eq!(told(&all[2..]), [1, 0, 0, 0, 0, 0]);
    assert_eq!(going(&all[2]), Some(2));
    end(&all[2], true, &[3]);
    assert_eq!(told(&all[3..]), [1, 0, 0, 0, 0]);
    assert_eq!(going(&all[3]), Some(3));
    // The one that tries is refused, and each ticket serves one from now on.
    end(&all[1], false, &[4]);
    assert_eq!(told(&all[4..]), [1, 0, 0, 0]);
    assert_eq!(going(&all[4]), Some(4));
    end(&all[3], true, &[5]);
    assert_eq!(told(&all[5..]), [1, 0, 0]);
}

#[test]
fn a_verdict_that_comes_too_late_is_not_waited_for() {
    let world = World::new(REUSE);
    let first = world.connect();
    first.sent().expect("open");
    world.at(100);
    receive(&first, 1, TLS_1_3, HOUR).expect("staged");
    first.established(false).expect("open");
    for _ in 0..8 {
        let one = world.ask(50);
        assert_eq!((one.plan, going(&one)), (Plan::Go, Some(1)));
    }
}

#[test]
fn without_a_verdict_the_next_one_tries() {
    let ends: [fn(&Connection); 3] = [
        |attempt| attempt.failed(Failure::NOT_SENT).expect("open"),
        |attempt| attempt.failed(CANCELLED).expect("open"),
        |attempt| attempt.release(),
    ];
    for end_of in ends {
        let world = World::new(REUSE);
        let (_first, all) = two_of(&world, 4);
        end(&all[0], true, &[]);
        end_of(&all[1].attempt);
        assert_eq!(told(&all[2..]), [1, 0]);
        assert_eq!(going(&all[2]), Some(1));
        end(&all[2], true, &[]);
        assert_eq!(told(&all[2..]), [1, 1]);
    }
}

#[test]
fn a_refusal_long_after_is_no_sign_that_a_ticket_is_taken_once() {
    let world = World::new(REUSE);
    let (_first, one) = (world.full(&[1]), world.ask(LONG));
    assert_eq!(going(&one), Some(1));
    end(&one, true, &[]);
    // The server is started again, with another key.
    world.at(10);
    let other = world.ask(LONG);
    assert_eq!(going(&other), Some(1));
    end(&other, false, &[2]);
    let (one, other) = (world.ask(LONG), world.ask(LONG));
    assert_eq!((going(&one), going(&other)), (Some(2), Some(2)));
}

#[test]
fn that_a_ticket_is_taken_once_is_believed_for_an_hour() {
    let world = World::new(REUSE);
    let (_first, all) = two_of(&world, 2);
    end(&all[0], true, &[2]);
    end(&all[1], false, &[]);
    assert_eq!(offer(&world.connect()), Ok(Some(2)));
    assert_eq!(offer(&world.connect()), Ok(None));
    for (at, again) in [(3_599_999, None), (3_600_000, Some(3))] {
        world.at(at);
        let _one = world.full(&[3, 4]);
        assert_eq!(offer(&world.connect()), Ok(Some(4)));
        assert_eq!(offer(&world.connect()), Ok(Some(3)));
        assert_eq!(offer(&world.connect()), Ok(again));
        world.engine().clear();
    }
}

#[test]
fn a_ticket_that_was_used_goes_when_another_comes() {
    let world = World::new(REUSE);
    let (_first, one) = (world.full(&[1]), world.ask(LONG));
    assert_eq!(going(&one), Some(1));
    end(&one, true, &[2]);
    assert_eq!(world.available(), 1);
    assert_eq!(going(&world.ask(LONG)), Some(2));
    world.engine().check_books();
}
