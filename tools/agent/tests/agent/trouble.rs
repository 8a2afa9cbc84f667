//! No agent, or a bad one, is never worse than none.

use crate::machine::{LONG, Machine, Process, offer, receive};
use crate::raw::{KEY, Raw};
use libtsc::agent::protocol::{Reply, Request, VERSION};
use libtsc::{Attempt, Failure, Options, Reason};
use rustix::process::Signal;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::thread;
use std::time::{Duration, Instant};

/// A budget that is over before an answer comes that does not come.
const SHORT: Duration = Duration::from_millis(20);

/// A process by itself resumes what it received.
fn goes_on_alone(process: &Process) {
    let attempt = process.begin();
    assert_eq!(offer(&attempt), None);
    assert_eq!(attempt.info().unwrap().reason, Reason::AgentAway);
    let away = process.cache.stats().agent_away;
    assert_eq!((offer(&attempt), away), (None, 1), "it is asked once");
    let ticket = receive(&attempt);
    attempt.established(false).unwrap();
    assert_eq!(process.take(), Some(ticket));
    assert_eq!(process.cache.stats().agent_away, away);
    assert_eq!(process.cache.stats().agent_leased, 0);
    assert_eq!(process.cache.stats().agent_stored, 0);
}

#[test]
fn without_an_agent_a_process_goes_on_alone() {
    let machine = Machine::without_agent();
    goes_on_alone(&machine.process());
}

/// A process beside something that listens in place of an agent.
fn beside(serve: impl Fn(UnixStream) + Send + 'static) {
    let machine = Machine::without_agent();
    let listener = UnixListener::bind(machine.socket()).unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            serve(stream.unwrap());
        }
    });
    let process = machine.process_with(Options::default(), SHORT);
    goes_on_alone(&process);
    let attempt = process.begin();
    attempt.wait(SHORT).unwrap();
    let away = process.cache.stats().agent_away;
    assert_eq!(offer(&attempt), None);
    assert_eq!(attempt.info().unwrap().reason, Reason::AgentAway);
    assert_eq!(process.cache.stats().agent_away, away);
}

#[test]
fn an_agent_that_never_answers() {
    // It keeps the connections.
    beside(std::mem::forget);
}

#[test]
fn an_agent_that_closes_every_connection() {
    beside(drop);
}

#[test]
fn an_agent_that_speaks_another_language() {
    beside(|mut stream| {
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
        std::mem::forget(stream);
    });
}

/// Has this to say to everybody.
fn says(mut stream: UnixStream, what: &[u8]) {
    let _ = stream.write_all(what);
    std::mem::forget(stream);
}

#[test]
fn an_agent_that_says_what_is_no_message() {
    beside(|stream| says(stream, &[0; 64]));
    beside(|stream| says(stream, &[0xff; 64]));
    beside(|stream| says(stream, &[0, 0, 0, 1, 200]));
    let (head, _) = Reply::Text { text: b"" }.encode();
    beside(move |stream| says(stream, &head.repeat(9)));
}

/// A loan to the attempt of that number.
pub(crate) fn loan(attempt: u64, tls_version: u16) -> Vec<u8> {
    let (age_ms, waited) = (0, false);
    let session = LOAN;
    let (head, tail) = Reply::Leased {
        attempt,
        tls_version,
        age_ms,
        left_ms: u64::MAX,
        lineage_ms: u64::MAX,
        waited,
        session,
    }
    .encode();
    [&head, tail].concat()
}

/// What the first attempts of a process offer, if an agent answers the first question with that.
fn offers(answer: Vec<u8>) -> [Option<Vec<u8>>; 2] {
    let machine = Machine::without_agent();
    let listener = UnixListener::bind(machine.socket()).unwrap();
    offers_beside(&machine, listener, answer)
}

pub(crate) fn offers_beside(
    machine: &Machine,
    listener: UnixListener,
    answer: Vec<u8>,
) -> [Option<Vec<u8>>; 2] {
    thread::spawn(move || {
        for stream in listener.incoming() {
            // It hears a greeting and a question, lends that, and is gone.
            let mut raw = Raw(stream.unwrap());
            raw.hear().and_then(|_| raw.hear());
            let _ = raw.0.write_all(&answer);
        }
    });
    let process = machine.process_with(Options::default(), LONG);
    let attempts = [(); 2].map(|()| process.begin());
    let offered = attempts.each_ref().map(offer);
    let leased = offered.iter().flatten().count() as u64;
    assert_eq!(process.cache.stats().agent_leased, leased);
    offered
}

pub(crate) const TLS_1_3: u16 = 0x0304;
pub(crate) const LOAN: &[u8] = b"a session";

#[test]
fn an_agent_that_lends_what_is_no_session() {
    assert_eq!(offers(loan(1, TLS_1_3)), [Some(LOAN.to_vec()), None]);
    assert_eq!(offers(loan(1, 0x7777)), [None, None]);
}

#[test]
fn an_agent_that_lends_what_is_another_attempts() {
    assert_eq!(offers(loan(2, TLS_1_3)), [None, None]);
}

#[test]
fn an_agent_that_stops_answering() {
    let machine = Machine::without_agent();
    let listener = UnixListener::bind(machine.socket()).unwrap();
    let silent = thread::spawn(move || {
        let mut raw = Raw(listener.accept().unwrap().0);
        raw.hear().and_then(|_| raw.hear());
        let (attempt, reason, waited) = (1, 0, false);
        let none = Reply::None {
            attempt,
            reason,
            waited,
        };
        raw.0.write_all(&none.encode().0).unwrap();
        // What follows has no answer.
        raw.hear();
        raw
    });
    let process = machine.process_with(Options::default(), Duration::from_secs(3));
    let attempt = process.begin();
    assert_eq!(offer(&attempt), None);
    receive(&attempt);
    attempt.established(false).unwrap();
    // It may have arrived, so nobody here offers it.
    assert_eq!(process.take(), None);
    drop(silent.join().unwrap());
}

#[test]
fn an_agent_that_answers_twice() {
    let twice = loan(1, TLS_1_3).repeat(2);
    assert_eq!(offers(twice), [Some(LOAN.to_vec()), None]);
    let ahead = [loan(1, TLS_1_3), loan(2, TLS_1_3)].concat();
    assert_eq!(offers(ahead), [Some(LOAN.to_vec()), None]);
}

/// Whoever frees a connection may hold a lock of the language's.
#[test]
fn no_end_of_an_attempt_waits_for_the_agent() {
    let machine = Machine::new(&[]);
    let _connection = machine.process().connect(2);
    let process = machine.process();
    let ends: [fn(Attempt); 3] = [
        drop,
        |attempt| attempt.failed(Failure::NOT_SENT).unwrap(),
        |attempt| attempt.failed(Failure::HANDSHAKE).unwrap(),
    ];
    for end in ends {
        // One that was lent a session, and one that still waits for the answer.
        let (lent, asks) = (process.begin(), process.begin());
        assert!(offer(&lent).is_some());
        machine.signal(Signal::STOP);
        let waits = asks.wait_fd(LONG).unwrap().unwrap();
        let begun = Instant::now();
        end(lent);
        drop(waits);
        drop(asks);
        assert!(begun.elapsed() < LONG / 2);
        machine.signal(Signal::CONT);
        machine.wait_for("tsc_agent_attempts", 1);
    }
    assert_eq!(machine.number("tsc_agent_unfinished_total"), 0);
    machine.balance();
}

#[test]
fn a_folder_that_others_can_write_to() {
    let machine = Machine::new(&[]);
    let folder = machine.socket().parent().unwrap().to_path_buf();
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o777)).unwrap();
    goes_on_alone(&machine.process());
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o700)).unwrap();
    assert_eq!(machine.number("tsc_agent_stored_total"), 0);
}

#[test]
fn an_agent_that_is_killed_is_missed_and_found_again() {
    let mut machine = Machine::new(&[]);
    let process = machine.process();
    let connection = process.connect(2);
    machine.kill();
    goes_on_without(&process);
    // What arrives on an older connection is not lost either.
    let late = receive(&connection);
    assert_eq!(process.take(), Some(late));
    machine.start();
    // It is tried again after a pause.
    while process.cache.stats().agent_stored == 2 {
        let attempt = process.begin();
        let lent = offer(&attempt).is_some();
        receive(&attempt);
        attempt.established(lent).unwrap();
        while process.take().is_some() {}
    }
    let _connection = machine.process().connect(1);
    assert!(machine.process().take().is_some());
}

#[test]
fn a_cache_that_is_off_asks_no_agent() {
    let machine = Machine::new(&[]);
    let _connection = machine.process().connect(1);
    let mut options = Options::default();
    options.enabled = false;
    let process = machine.process_with(options, LONG);
    let attempt = process.begin();
    assert_eq!(offer(&attempt), None);
    assert_eq!(attempt.info().unwrap().reason, Reason::CacheOff);
    assert_eq!(process.cache.stats().agent_away, 0);
    assert!(machine.process().take().is_some());
}

#[test]
fn an_attempt_that_may_not_wait_for_the_agent_says_so() {
    let machine = Machine::new(&[]);
    let _connection = machine.process().connect(1);
    let process = machine.process_with(Options::default(), Duration::ZERO);
    let attempt = process.begin();
    assert_eq!(offer(&attempt), None);
    assert_eq!(attempt.info().unwrap().reason, Reason::AgentAway);
    // It was not asked.
    assert_eq!(process.cache.stats().agent_away, 0);
}

fn goes_on_without(process: &Process) {
    let attempt = process.begin();
    assert_eq!(offer(&attempt), None);
    let ticket = receive(&attempt);
    attempt.established(false).unwrap();
    assert_eq!(process.take(), Some(ticket));
}

#[test]
fn a_process_that_talks_nonsense_harms_only_itself() {
    let machine = Machine::new(&[]);
    let process = machine.process();
    let _connection = process.connect(1);
    for nonsense in [
        &[0; 64][..],
        &[0xff; 64],
        &[0, 0, 0, 2, 8, 8],
        b"GET / HTTP/1.1\r\n\r\n",
    ] {
        let mut raw = Raw::new(&machine, [7; 16]);
        let _ = raw.0.write_all(nonsense);
        assert_eq!(raw.hear(), None);
    }
    // One of another version is not answered.
    let mut raw = Raw(UnixStream::connect(machine.socket()).unwrap());
    let (version, process_id) = (VERSION + 1, [7; 16]);
    raw.say(&Request::Hello {
        version,
        process: process_id,
    });
    assert_eq!(raw.hear(), None);
    // What is well formed and makes no sense is answered.
    let mut raw = Raw::new(&machine, [7; 16]);
    let attempt = 12;
    let established = Request::Established {
        attempt,
        resumed: true,
        lineage_ms: 1,
    };
    let keys: [&[u8]; 3] = [b"", &[1, 0], &[0; 300]];
    for request in [
        Request::Gone { attempt },
        Request::Failed {
            attempt,
            facts: 255,
        },
        Request::Cancel,
        established,
    ] {
        raw.say(&request);
    }
    // The others have no reply.
    let unknown = Reply::Unknown { attempt };
    assert_eq!(Reply::decode(&raw.hear().unwrap()), Some(unknown));
    for key in keys {
        raw.say(&Request::Lease {
            attempt,
            wait_ms: 5,
            key,
        });
        assert!(matches!(
            Reply::decode(&raw.hear().unwrap()),
            Some(Reply::None { .. })
        ));
    }
    assert!(process.take().is_some());
}

#[test]
fn the_number_of_attempts_of_a_process_is_bounded() {
    let machine = Machine::new(&["--max-attempts", "3"]);
    let process = machine.process();
    let held: Vec<_> = (0..3).map(|_| process.connect(0)).collect();
    receive(&held[0]);
    assert_eq!(process.cache.stats().agent_stored, 1);
    // One more has what is here, and is no worse for it.
    let more = process.connect(1);
    assert_eq!(more.info().unwrap().reason, Reason::AgentAway);
    assert_eq!(process.cache.stats().stored, 1);
    drop((held, more));
    assert_eq!(machine.number("tsc_agent_attempts"), 0);
}

#[test]
fn a_number_that_is_in_use_begins_nothing_and_ends_nothing() {
    let machine = Machine::new(&[]);
    let mut raw = Raw::new(&machine, [7; 16]);
    let attempt = 1;
    assert!(raw.is_done(&Request::Begin { attempt, key: KEY }));
    let wait_ms = 60_000;
    let again = Request::Lease {
        attempt,
        wait_ms,
        key: KEY,
    };
    // Also not if it closes before the answer.
    for _ in 0..20 {
        Raw::new(&machine, [7; 16]).say(&again);
    }
    let denied = Raw::new(&machine, [7; 16]).ask(&again).unwrap();
    let (reason, waited) = (Reason::AgentAway as u8, false);
    let refused = Reply::None {
        attempt,
        reason,
        waited,
    };
    assert_eq!(Reply::decode(&denied), Some(refused));
    let (resumed, lineage_ms) = (false, 1000);
    assert!(raw.is_done(&Request::Established {
        attempt,
        resumed,
        lineage_ms
    }));
}

/// A user has two connections, and two processes, here.
const FEW: [&str; 1] = ["--max-user-connections=2"];

#[test]
fn the_number_of_connections_of_a_user_is_bounded() {
    let machine = Machine::new(&FEW);
    let mut held = [1, 2].map(|id| Raw::new(&machine, [id; 16]));
    for raw in &mut held {
        assert!(raw.is_alive());
    }
    assert!(!Raw::new(&machine, [3; 16]).is_alive());
    drop(held);
    // As soon as the agent has seen that they are closed.
    while !Raw::new(&machine, [3; 16]).is_alive() {}
}

#[test]
fn the_number_of_processes_of_a_user_is_bounded() {
    let machine = Machine::new(&FEW);
    for id in [1, 2] {
        // It may have a session on loan: its end is waited for.
        let attempt = 1;
        let mut raw = Raw::new(&machine, [id; 16]);
        while !raw.is_done(&Request::Begin { attempt, key: KEY }) {
            raw = Raw::new(&machine, [id; 16]);
        }
    }
    while machine.number("tsc_agent_connections") > 1 {}
    let attempt = 2;
    let begin = Request::Begin { attempt, key: KEY };
    assert_eq!(Raw::new(&machine, [3; 16]).ask(&begin), None);
    assert!(Raw::new(&machine, [2; 16]).is_done(&begin));
}

#[test]
fn the_number_of_attempts_of_a_user_is_bounded() {
    let machine = Machine::new(&["--max-user-attempts=2"]);
    let mut raws = [1, 2, 3].map(|id| Raw::new(&machine, [id; 16]));
    let attempt = 1;
    let begin = Request::Begin { attempt, key: KEY };
    assert_eq!(
        raws.each_mut().map(|raw| raw.is_done(&begin)),
        [true, true, false]
    );
    raws[0].say(&Request::Gone { attempt });
    // Another attempt of the same process: what it asks comes after that.
    let attempt = 2;
    assert!(raws[0].is_done(&Request::Begin { attempt, key: KEY }));
    raws[0].say(&Request::Gone { attempt });
    assert!(!raws[0].is_done(&Request::Established {
        attempt,
        resumed: false,
        lineage_ms: 1,
    }));
    assert!(raws[2].is_done(&begin));
}
