//! No ticket is lost without a reason: what the processes count, what the agent counts and what the server saw is the
//! same.

use super::dice::{Dice, kills, lives};
use super::life::{CANCELLED, Life, MOST};
use super::mortal::{LONG_BUDGET, Mortal};
use super::owner::OWNERS;
use super::server::{Counts, Pipe, Server};
use crate::engine::Engine;
use crate::machine::{LONG, Machine};
use libtsc::{Options, SessionInfo};
use std::sync::Arc;
use std::thread;
use std::time::Instant;

/// Nobody dies, and no call ends before its answer is there: the numbers are the same to the last ticket.
fn live(machines: &[Machine], lives: u64, server: &Server) {
    thread::scope(|scope| {
        for number in 1..=4 {
            let machine = &machines[number as usize % machines.len()];
            scope.spawn(move || {
                let mut dice = Dice::of(number);
                for _ in 0..lives / 4 {
                    let life = Life {
                        cache: machine.process_with(Options::default(), LONG).cache,
                        owners: &OWNERS,
                        tell: &|line| server.hear(line),
                        before_sending: &|_, _| (),
                        failure: CANCELLED,
                    };
                    life.live(&mut dice);
                }
            });
        }
    });
}

#[test]
fn each_ticket_goes_for_one_reason() {
    // Less than they bring, so that some have to make room.
    let machine = Machine::new(&["--max-endpoints", "4", "--max-sessions", "8"]);
    let machines = [machine];
    let [machine] = &machines;
    let server = Server::default();
    live(&machines, lives(), &server);
    // How an attempt ended nobody waits to be heard.
    machine.wait_for("tsc_agent_attempts", 0);
    let counts = server.counts();
    let books = counts.books;
    let agent = |name: &str| machine.number(&format!("tsc_agent_{name}"));
    assert_eq!((books.issued, books.sent), (counts.issued, counts.sent));
    assert_eq!((books.kept, books.taken), (0, 0), "the agent has them");
    assert_eq!(books.issued, books.discarded + books.shared);
    assert_eq!(books.shared, agent("stored_total"));
    // What the agent kept for an attempt that waited, and that was refused meanwhile, it counts as returned, too.
    assert_eq!(counts.sent, books.leased - books.returned);
    assert_eq!(counts.sent, agent("taken_total") - agent("returned_total"));
    let left = ["expired", "evicted", "displaced", "removed"];
    let left = left.map(|name| agent(&format!("{name}_total")));
    let [expired, evicted, displaced, removed] = left;
    assert!(evicted > 0 && displaced > 0 && removed > 0, "{left:?}");
    let held = agent("sessions{");
    assert_eq!(
        counts.issued,
        counts.sent + books.discarded + expired + evicted + displaced + removed + held
    );
    machine.balance();
    // What it says that it holds is there.
    let process = machine.process();
    let taken = OWNERS.iter().map(|owner| {
        let take = || process.take_of(owner.begin(&process.cache).unwrap());
        let taken = std::iter::from_fn(take).map(|ticket| {
            let ticket = String::from_utf8(ticket).unwrap();
            server.hear(&format!("sent {owner} {ticket}"));
        });
        taken.count() as u64
    });
    assert_eq!(taken.sum::<u64>(), held);
    assert_eq!(agent("sessions{"), 0);
    server.judge("each ticket goes for one reason");
}

/// What agents fetch and publish meanwhile is on its way between two looks; in the end nothing is. If the engine took
/// longer for an answer than agents wait, what it was asked for may be missing, or be on both sides.
#[test]
fn each_ticket_goes_for_one_reason_on_two_hosts() {
    let engine = Engine::new(&[]);
    // Fewer than they bring.
    let few = ["--valkey-sessions", "20"];
    let machines = [engine.machine_with(&few), engine.machine_with(&few)];
    let server = Server::default();
    live(&machines, lives() / 4, &server);
    let heard = |machine: &Machine| machine.wait_for("tsc_agent_attempts", 0);
    machines.iter().for_each(heard);
    let counts = server.judge("two hosts");
    let total = |names: &[&str]| -> u64 {
        let numbers = names.iter().flat_map(|name| {
            let name = format!("tsc_agent_{name}");
            machines.each_ref().map(|machine| machine.number(&name))
        });
        numbers.sum()
    };
    let begun = Instant::now();
    loop {
        let lists = engine.names();
        let lists = lists.iter().map(|list| engine.tell::<u64>(&["LLEN", list]));
        let between = lists.sum::<u64>();
        // What an agent publishes it counts as removed, and what it fetched and may not use, too.
        let removed = total(&["removed_total"]) - total(&["valkey_published_total"]);
        let held = total(&[
            "expired_total",
            "evicted_total",
            "displaced_total",
            "valkey_displaced_total",
            "sessions{",
        ]);
        let went = counts.sent + counts.books.discarded + removed + held + between;
        let lost = total(&["valkey_lost_total"]);
        if went.abs_diff(counts.issued) <= lost {
            println!("{lost} of them lost between two hosts, at the most");
            break;
        }
        let issued = counts.issued;
        assert!(begun.elapsed() < LONG, "{went} of {issued}, {lost} lost");
    }
    assert!(total(&["valkey_fetched_total"]) > 0);
    machines.iter().for_each(Machine::balance);
}

/// Of a process that is killed, so many tickets at the most go without being counted anywhere: those that its one
/// connection has received and not given away, and the one that it was lent.
#[test]
fn a_process_that_is_killed_loses_what_it_has_in_hand() {
    let kills = kills();
    let machine = Machine::new(&["--max-endpoints", "4", "--max-sessions", "8"]);
    let server = Arc::new(Server::default());
    let pipe = Pipe::new(&server);
    let start = |which| Mortal::start(&machine.socket(), which, LONG_BUDGET, &pipe);
    let mut mortals: Vec<_> = (0..4).map(start).collect();
    let mut dice = Dice::of(0);
    for round in 0..kills {
        server.progress("processes are killed", round);
        // At any instant, or when somebody has just sent a ticket.
        if dice.roll(2) == 0 {
            server.wait_for_more(Counts::ended, dice.roll(60));
        } else {
            server.wait_for_more(|counts| counts.sent, 1 + dice.roll(10));
        }
        let chosen = dice.roll(4) as usize;
        mortals[chosen].kill();
        mortals[chosen] = start(4 + round);
    }
    mortals.iter_mut().for_each(Mortal::kill);
    pipe.close();
    let deaths = kills + 4;
    let counts = server.judge("processes are killed");
    machine.wait_for("tsc_agent_attempts", 0);
    let books = counts.books;
    let agent = |name: &str| machine.number(&format!("tsc_agent_{name}_total"));
    assert_eq!((books.kept, books.taken), (0, 0), "the agent has them");
    // Of the connections that were under way.
    let issued = counts.issued - books.issued;
    let sent = counts.sent - books.sent;
    let published = agent("stored") - books.shared;
    assert!(issued <= MOST * deaths, "{issued} of {deaths}");
    assert!(published <= issued, "{published} of {issued}");
    let lent = agent("taken") - agent("returned");
    let lost = lent - (books.leased - books.returned) - sent;
    assert!(lost <= deaths, "{lost} of {deaths}");
    machine.balance();
    println!(
        "{deaths} processes killed: {} tickets lost that they had received, {lost} that they were lent",
        issued - published
    );
}

#[test]
fn a_ticket_that_expires_is_counted() {
    // None has to make room before its time is over.
    let machine = Machine::new(&["--max-sessions", "1000000"]);
    let process = machine.process();
    let mut brought = 0;
    while machine.number("tsc_agent_expired_total") == 0 {
        let attempt = process.begin();
        attempt.sent().unwrap();
        let short = SessionInfo::tls13(2);
        attempt
            .receive(&short, crate::machine::new_ticket().as_bytes())
            .unwrap();
        attempt.established(false).unwrap();
        brought += 1;
    }
    assert_eq!(machine.number("tsc_agent_stored_total"), brought);
    machine.balance();
}
