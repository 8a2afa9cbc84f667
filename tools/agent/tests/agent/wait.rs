//! A process waits for what another's connection brings.

#![allow(unsafe_code, reason = "tokio takes descriptors so")]

use crate::machine::{LONG, Machine, offer, receive};
use crate::raw::{KEY, Raw};
use libtsc::agent::protocol::{Reply, Request};
use libtsc::{Attempt, Cache, Options, Reason};
use rustix::process::Signal;
use std::thread;
use std::time::Duration;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Waits for connections of all processes, on tokio.
async fn ready(attempt: &Attempt, max_wait: Duration) -> std::io::Result<()> {
    let waits = attempt.wait_fd(max_wait).map_err(std::io::Error::other)?;
    if let Some(over) = waits {
        // SAFETY: a WaitFd has the same descriptor for as long as it lives.
        let over = unsafe { AsyncFd::register_with_interest(over, Interest::READABLE) }?;
        over.readable().await?.retain_ready();
    }
    Ok(())
}

#[tokio::test]
async fn a_task_waits_for_another_process() {
    let machine = Machine::new(&[]);
    // Neither process blocks.
    let process = || machine.process_with(Options::default(), Duration::ZERO);
    let (first, second) = (process(), process());
    let opening = first.begin();
    ready(&opening, LONG).await.unwrap();
    assert_eq!(offer(&opening), None);
    let attempt = second.begin();
    let brings = async {
        while machine.number("tsc_agent_waited_total{") != 1 {
            tokio::task::yield_now().await;
        }
        let ticket = receive(&opening);
        opening.established(false).unwrap();
        ticket
    };
    let (waited, ticket) = tokio::join!(ready(&attempt, LONG), brings);
    waited.unwrap();
    assert_eq!(offer(&attempt), Some(ticket));
}

/// The agent goes on because the loop does.
#[tokio::test]
async fn a_loop_of_tokio_never_blocks() {
    let machine = Machine::new(&[]);
    let _connection = machine.process().connect(1);
    let process = machine.process_with(Options::default(), Duration::ZERO);
    machine.signal(Signal::STOP);
    let attempt = process.begin();
    let go_on = async {
        tokio::time::sleep(Duration::from_millis(20)).await;
        machine.signal(Signal::CONT);
    };
    let (waited, ()) = tokio::join!(ready(&attempt, LONG), go_on);
    waited.unwrap();
    assert!(offer(&attempt).is_some());
    machine.signal(Signal::STOP);
    receive(&attempt);
    attempt.established(true).unwrap();
    // Given up before the answer is there: that is no fault of the agent's.
    let gives_up = process.begin();
    let waits = gives_up.wait_fd(LONG).unwrap();
    assert_eq!(offer(&gives_up), None);
    assert_eq!(gives_up.info().unwrap().reason, Reason::AgentAway);
    drop((attempt, waits, gives_up));
    assert_eq!(process.cache.stats().agent_away, 0);
    machine.signal(Signal::CONT);
    machine.wait_for("tsc_agent_stored_total", 2);
    machine.wait_for("tsc_agent_attempts", 1);
    assert!(machine.process().take().is_some());
    machine.balance();
}

#[tokio::test]
async fn a_task_waits_alike_without_an_agent() {
    let cache = Cache::new(Options::default());
    let process = crate::machine::Process { cache };
    let (opening, attempt) = (process.begin(), process.begin());
    ready(&opening, LONG).await.unwrap();
    assert_eq!(offer(&opening), None);
    let waits = attempt
        .wait_fd(LONG)
        .unwrap()
        .expect("a ticket is on its way");
    // SAFETY: as above.
    let over = unsafe { AsyncFd::register_with_interest(waits, Interest::READABLE) }.unwrap();
    let early = tokio::time::timeout(Duration::from_millis(20), over.readable()).await;
    assert!(early.is_err());
    let ticket = receive(&opening);
    opening.established(false).unwrap();
    over.readable().await.unwrap().retain_ready();
    assert_eq!(offer(&attempt), Some(ticket));
}

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

/// What is kept for an attempt that waits may be of no use by the time that it takes it.
#[test]
fn a_session_that_was_only_reserved_does_not_count_as_lent() {
    let machine = Machine::new(&[]);
    let (mut brings, mut waits) = (Raw::new(&machine, [1; 16]), Raw::new(&machine, [2; 16]));
    let (attempt, key) = (1, KEY);
    assert!(brings.is_done(&Request::Begin { attempt, key }));
    waits.say(&Request::Lease {
        attempt,
        wait_ms: 60_000,
        key,
    });
    machine.wait_for("tsc_agent_waited_total{", 1);
    let received = Request::Received {
        attempt,
        tls_version: 0x0304,
        left_ms: 60_000,
        session: b"a session",
    };
    let established = Request::Established {
        attempt,
        resumed: false,
        lineage_ms: 60_000,
    };
    let alert = libtsc::Failure {
        alert: true,
        ..libtsc::Failure::LOGIN
    };
    let facts = alert.bits();
    // The agent reads all of it before anybody else has a turn.
    brings.say_all(&[received, established, Request::Failed { attempt, facts }]);
    let reply = waits.hear().unwrap();
    let reply = Reply::decode(&reply);
    assert!(matches!(reply, Some(Reply::None { .. })), "{reply:?}");
    assert_eq!(machine.number("tsc_agent_taken_total{"), 1);
    assert_eq!(machine.number("tsc_agent_lent_total{"), 0);
    machine.balance();
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
