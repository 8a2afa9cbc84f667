//! Processes that hang with what they were lent, for longer than the lease, and then go on as if nothing was.

use super::dice::{Dice, kills};
use super::life::{CANCELLED, Life};
use super::mortal::{LONG_BUDGET, Me, Mortal, tell};
use super::owner::{OWNERS, Owner};
use super::server::{Pipe, Server};
use crate::machine::{Machine, Process, new_ticket};
use libtsc::SessionInfo;
use rustix::process::Signal;
use std::cell::Cell;
use std::collections::HashSet;
use std::sync::Arc;

/// The tests run this program again, as a process that says which ticket it is lent, and waits to be told to use it.
#[test]
fn sleeper() {
    let Some(me) = Me::from_environment() else {
        return;
    };
    let mut dice = me.dice();
    let hung = Cell::new(false);
    let hang = |owner: &Owner, ticket: Option<&str>| {
        if hung.replace(true) {
            return;
        }
        tell(&format!("hangs {owner} {}", ticket.unwrap()));
        std::io::stdin().read_line(&mut String::new()).unwrap();
    };
    let live = |dice: &mut Dice| {
        let life = me.life(dice, &tell, &hang);
        let failure = CANCELLED;
        Life { failure, ..life }.live(dice);
    };
    while !hung.get() {
        live(&mut dice);
    }
    live(&mut dice);
}

/// All that there is, which the server is sent.
fn take_all(process: &Process, server: &Server) -> HashSet<String> {
    let mut all = HashSet::new();
    for owner in &OWNERS {
        while let Some(ticket) = process.take_of(owner.begin(&process.cache).unwrap()) {
            let ticket = String::from_utf8(ticket).unwrap();
            server.hear(&format!("sent {owner} {ticket}"));
            all.insert(ticket);
        }
    }
    all
}

/// A connection for each owner, which brings so many.
fn bring(process: &Process, server: &Server, tickets: u32) {
    for owner in &OWNERS {
        let attempt = owner.begin(&process.cache).unwrap();
        attempt.sent().unwrap();
        for _ in 0..tickets {
            let ticket = new_ticket();
            server.hear(&format!("issued {owner} {ticket}"));
            let info = SessionInfo::tls13(7200);
            attempt.receive(&info, ticket.as_bytes()).unwrap();
        }
        attempt.established(false).unwrap();
    }
}

#[test]
fn what_a_process_hangs_with_is_used_at_most_once() {
    const SLEEPERS: u32 = 8;
    let machine = Machine::new(&["--lease", "1"]);
    let server = Arc::new(Server::default());
    let pipe = Pipe::new(&server);
    let process = machine.process();
    let mut dice = Dice::of(0);
    for round in 0..kills().div_ceil(500) {
        // Enough if all of them want the same owner's.
        bring(&process, &server, SLEEPERS);
        let many = u64::from(SLEEPERS);
        let mut sleepers: Vec<_> = (round * many..(round + 1) * many)
            .map(|which| {
                let test = "chaos::hang::sleeper";
                Mortal::start_as(test, &machine.socket(), which, LONG_BUDGET, &pipe)
            })
            .collect();
        let hanging = server.wait_for_hanging(((round + 1) * many) as usize);
        sleepers.iter().for_each(|one| one.signal(Signal::STOP));
        // Before and after their leases are over, and after they woke up, nobody gets what they have.
        let mut taken = take_all(&process, &server);
        machine.wait_for("tsc_agent_attempts", 0);
        bring(&process, &server, 2);
        taken.extend(take_all(&process, &server));
        for sleeper in &mut sleepers {
            drop(sleeper.stdin());
            if dice.roll(4) == 0 {
                sleeper.kill();
            } else {
                sleeper.signal(Signal::CONT);
                sleeper.join();
            }
        }
        machine.wait_for("tsc_agent_attempts", 0);
        taken.extend(take_all(&process, &server));
        assert_eq!(taken.intersection(&hanging).count(), 0);
    }
    pipe.close();
    // Everything goes on.
    bring(&process, &server, 1);
    assert_eq!(take_all(&machine.process(), &server).len(), OWNERS.len());
    server.judge("processes hang");
    machine.balance();
}
