//! An agent that accepts no connection any more, until there is no room for another one.

use super::mortal::{LONG_BUDGET, Mortal};
use super::server::{Counts, Pipe, Server};
use crate::machine::{Machine, fill};
use rustix::process::Signal;
use std::sync::Arc;

#[test]
fn processes_go_on_beside_an_agent_that_accepts_no_connection() {
    let machine = Machine::new(&[]);
    let server = Arc::new(Server::default());
    let pipe = Pipe::new(&server);
    machine.signal(Signal::STOP);
    fill(&machine.socket());
    // Also where a call may wait for an answer, nobody waits for room.
    for (which, budgets) in [&[2][..], &[50], LONG_BUDGET].into_iter().enumerate() {
        let mut mortal = Mortal::start(&machine.socket(), which as u64, budgets, &pipe);
        server.wait_for_more(Counts::ended, 100);
        mortal.kill();
    }
    let counts = server.counts();
    assert_eq!((counts.books.shared, counts.books.leased), (0, 0));
    machine.signal(Signal::CONT);
    let mut mortal = Mortal::start(&machine.socket(), 3, LONG_BUDGET, &pipe);
    server.wait_until(|counts| counts.books.leased >= 10);
    mortal.kill();
    pipe.close();
    server.judge("a full backlog");
}
