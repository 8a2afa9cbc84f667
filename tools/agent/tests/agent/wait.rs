//! A process waits for what another's connection brings.

use crate::machine::{LONG, Machine, offer, receive};
use libtsc::Reason;
use std::thread;

#[test]
fn one_full_handshake_serves_the_burst_of_all_processes() {
    const PROCESSES: usize = 16;
    let machine = Machine::new(&[]);
    let first = machine.process();
    let opening = first.begin();
    assert_eq!(offer(&opening), None);
    let resumed = thread::scope(|scope| {
        let waiters: Vec<_> = (1..PROCESSES)
            .map(|_| {
                scope.spawn(|| {
                    let process = machine.process();
                    let attempt = process.begin();
                    attempt.wait(LONG).unwrap();
                    let resumed = offer(&attempt).is_some();
                    receive(&attempt);
                    receive(&attempt);
                    attempt.established(resumed).unwrap();
                    resumed
                })
            })
            .collect();
        machine.wait_for("tsc_agent_attempts", PROCESSES as u64);
        receive(&opening);
        receive(&opening);
        opening.established(false).unwrap();
        waiters
            .into_iter()
            .map(|waiter| usize::from(waiter.join().unwrap()))
            .sum::<usize>()
    });
    assert_eq!(resumed, PROCESSES - 1);
    assert_eq!(machine.number("tsc_agent_waits_served_total"), 15);
}

#[test]
fn who_waits_in_vain_is_told() {
    let machine = Machine::new(&[]);
    let first = machine.process();
    let opening = first.begin();
    assert_eq!(offer(&opening), None);
    thread::scope(|scope| {
        let waiter = scope.spawn(|| {
            let attempt = machine.process().begin();
            attempt.wait(LONG).unwrap();
            assert_eq!(offer(&attempt), None);
            attempt.info().unwrap().reason
        });
        machine.wait_for("tsc_agent_attempts", 2);
        opening.failed(libtsc::Failure::HANDSHAKE).unwrap();
        assert_eq!(waiter.join().unwrap(), Reason::WaitedInVain);
    });
}

#[test]
fn nobody_waits_for_what_nobody_brings() {
    let machine = Machine::new(&[]);
    let attempt = machine.process().begin();
    // Would take a minute.
    attempt.wait(LONG).unwrap();
    assert_eq!(offer(&attempt), None);
    assert_eq!(machine.number("tsc_agent_waited_total"), 0);
}
