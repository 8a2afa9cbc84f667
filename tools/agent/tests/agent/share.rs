//! What one process brought, another is lent, and nobody else.

use crate::machine::{ENDPOINT, LONG, Machine, offer, receive};
use libtsc::{Config, Endpoint, Failure, Options, Reason, SessionInfo};
use std::collections::HashSet;
use std::time::Duration;

#[test]
fn what_one_process_brings_others_are_lent_once() {
    let machine = Machine::new(&[]);
    let (one, two, three) = (machine.process(), machine.process(), machine.process());
    let _connection = one.connect(2);
    assert_eq!(one.cache.stats().agent_stored, 2);
    assert_eq!(one.cache.stats().stored, 0);
    let taken = [two.take(), three.take(), one.take(), two.take()];
    let tickets: HashSet<_> = taken.iter().flatten().collect();
    assert_eq!(tickets.len(), 2, "{taken:?}");
    assert_eq!(taken.iter().flatten().count(), 2, "{taken:?}");
    assert_eq!(machine.number("tsc_agent_lent_total"), 2);
}

#[test]
fn tickets_that_come_after_the_login_are_shared_as_well() {
    let machine = Machine::new(&[]);
    let connection = machine.process().connect(0);
    let ticket = receive(&connection);
    assert_eq!(machine.process().take(), Some(ticket));
}

#[test]
fn a_session_that_was_not_sent_is_anothers() {
    let machine = Machine::new(&[]);
    let one = machine.process();
    let _connection = one.connect(1);
    let two = machine.process();
    let attempt = two.begin();
    let ticket = offer(&attempt).unwrap();
    assert_eq!(one.take(), None);
    attempt.failed(Failure::NOT_SENT).unwrap();
    assert_eq!(two.cache.stats().agent_returned, 1);
    // Nobody waited for that.
    machine.wait_for("tsc_agent_returned_total", 1);
    let attempt = one.begin();
    assert_eq!(offer(&attempt).as_ref(), Some(&ticket));
    // The handle goes without a word.
    drop(attempt);
    machine.wait_for("tsc_agent_returned_total", 2);
    assert_eq!(two.take(), Some(ticket));
    assert_eq!(two.take(), None);
}

#[test]
fn an_attempt_asks_once_and_is_told_why_there_is_nothing() {
    let machine = Machine::new(&[]);
    let process = machine.process();
    let attempt = process.begin();
    assert_eq!(offer(&attempt), None);
    assert_eq!(attempt.info().unwrap().reason, Reason::NothingStored);
    attempt.established(false).unwrap();
    let _connection = process.connect(1);
    assert!(machine.process().take().is_some());
    let attempt = process.begin();
    assert_eq!(offer(&attempt), None);
    assert_eq!(attempt.info().unwrap().reason, Reason::Taken);
}

#[test]
fn a_refusal_drops_what_all_processes_have_of_the_lineage() {
    let machine = Machine::new(&[]);
    let (one, two) = (machine.process(), machine.process());
    let _connection = one.connect(3);
    let attempt = two.begin();
    assert!(offer(&attempt).is_some());
    let ticket = receive(&attempt);
    attempt.established(false).unwrap();
    assert!(attempt.info().unwrap().refused);
    assert_eq!(one.take(), Some(ticket));
    assert_eq!(one.take(), None);
}

#[test]
fn a_resumed_connection_brings_the_next_ones() {
    let machine = Machine::new(&[]);
    let _connection = machine.process().connect(1);
    for _ in 0..20 {
        let process = machine.process();
        let attempt = process.begin();
        assert!(offer(&attempt).is_some());
        receive(&attempt);
        attempt.established(true).unwrap();
        assert!(attempt.info().unwrap().resumed);
    }
    assert_eq!(machine.number("tsc_agent_resumed_total"), 20);
}

#[test]
fn what_descends_from_a_loan_lasts_as_long_as_its_lineage_allows() {
    let machine = Machine::new(&[]);
    let minute = Duration::from_secs(60);
    let lineage = 20 * minute;
    let mut options = Options::default();
    options.max_lineage_age_seconds = lineage.as_secs().try_into().unwrap();
    let first = machine.process_with(options, LONG).begin();
    let ticket_of_a_minute = b"ticket";
    let info = SessionInfo::tls13(minute.as_secs().try_into().unwrap());
    first.receive(&info, ticket_of_a_minute).unwrap();
    first.established(false).unwrap();

    // Others know neither the process that did the full handshake, nor its limit.
    let second = machine.process().begin();
    let lent = second.offer().unwrap().unwrap();
    assert_eq!(lent.bytes(), Some(&ticket_of_a_minute[..]));
    // How long this took is within the margins.
    assert!(lent.remaining() < 2 * minute);
    receive(&second);
    second.established(true).unwrap();
    let lent = machine.process().begin().offer().unwrap().unwrap();
    assert!(lent.remaining() > 2 * minute);
    assert!(lent.remaining() < 2 * lineage);
}

#[test]
fn a_failed_connection_shares_nothing() {
    let machine = Machine::new(&[]);
    let process = machine.process();
    let attempt = process.begin();
    assert_eq!(offer(&attempt), None);
    receive(&attempt);
    attempt.failed(Failure::LOGIN).unwrap();
    assert_eq!(machine.process().take(), None);
    // Nor does one that is broken off later.
    let connection = process.connect(1);
    connection
        .failed(Failure {
            alert: true,
            ..Failure::LOGIN
        })
        .unwrap();
    // Nobody waited for that.
    machine.wait_for("tsc_agent_removed_total", 1);
    assert_eq!(machine.process().take(), None);
}

#[test]
fn a_reusable_session_serves_everybody() {
    let machine = Machine::new(&[]);
    let attempt = machine.process().begin();
    assert_eq!(offer(&attempt), None);
    attempt.receive(&SessionInfo::tls12(300), b"by id").unwrap();
    attempt.established(false).unwrap();
    for _ in 0..3 {
        assert_eq!(machine.process().take().unwrap(), b"by id");
    }
}

#[test]
fn identities_and_endpoints_stay_apart() {
    let machine = Machine::new(&[]);
    let process = machine.process();
    let _connection = process.connect(1);
    let lent = |config: &Config, endpoint: &Endpoint<'_>| {
        let attempt = config.begin(endpoint).unwrap();
        let lent = offer(&attempt);
        attempt.failed(Failure::NOT_SENT).unwrap();
        lent
    };
    let other = machine.process();
    let (config, same) = (other.config(), Endpoint::new(ENDPOINT, 9142));
    for endpoint in [
        Endpoint::new(ENDPOINT, 9143),
        Endpoint::new("other.example", 9142),
        same.server_name("other.example"),
        same.group(b"group"),
        same.verification(b"more"),
    ] {
        assert_eq!(lent(&config, &endpoint), None, "{endpoint:?}");
    }
    let named = |identity: &[u8]| Config::new(&other.cache).identity(identity).unwrap();
    assert_eq!(lent(&named(b"two"), &same), None);
    assert_eq!(lent(&Config::new(&other.cache), &same), None);
    // A client certificate keeps them apart, unless both sides say otherwise.
    assert_eq!(lent(&config.clone().client_certificate(), &same), None);
    assert_eq!(
        lent(&config.clone().client_not_after(i64::MAX), &same),
        None
    );
    assert_eq!(lent(&config, &same.client_certificate()), None);
    let shared = config
        .clone()
        .client_certificate()
        .share_client_certificate();
    assert!(lent(&shared, &same).is_some());
    assert!(lent(&config, &Endpoint::new("DB.example", 9142)).is_some());
}

#[test]
fn what_a_config_keeps_to_itself_is_not_shared() {
    let machine = Machine::new(&[]);
    let process = machine.process();
    for config in [
        Config::new(&process.cache),
        process.config().client_certificate(),
    ] {
        let attempt = config.begin(&Endpoint::new(ENDPOINT, 9142)).unwrap();
        assert_eq!(offer(&attempt), None);
        receive(&attempt);
        attempt.established(false).unwrap();
    }
    assert_eq!(process.cache.stats().stored, 2);
    assert_eq!(machine.number("tsc_agent_stored_total"), 0);
}

/// Offers that do harm are the agent's concern, too: many processes have no more of a budget than one.
#[test]
fn processes_that_connect_once_are_harmed_no_more_than_one_that_connects_often() {
    let machine = Machine::new(&[]);
    let mut harmed = 0;
    for _ in 0..100 {
        let process = machine.process();
        let attempt = process.begin();
        if offer(&attempt).is_some() {
            harmed += 1;
            attempt.failed(Failure::LOGIN_RESUMED).unwrap();
        } else {
            receive(&attempt);
            attempt.established(false).unwrap();
        }
    }
    assert!((1..=12).contains(&harmed), "{harmed}");
}
