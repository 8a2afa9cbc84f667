//! Agents of several hosts share through an engine.

use crate::engine::{Engine, KEY, OTHER_KEY, free_ports, take_all, wait_and_take};
use crate::machine::{ENDPOINT, Machine, Process, offer, receive};
use libtsc::{Attempt, Config, Endpoint, SessionInfo};
use rustix::process::Signal;
use std::collections::HashSet;
use std::path::Path;
use std::process::Command;

pub const PUBLISHED: &str = "tsc_agent_valkey_published_total";
pub const LOST: &str = "tsc_agent_valkey_lost_total";
const FETCHED: &str = "tsc_agent_valkey_fetched_total";
const DROPPED: &str = "tsc_agent_valkey_dropped_total";

/// A connection that brings so many tickets, all but one of which are other hosts' then.
pub fn publish(machine: &Machine, tickets: u32) -> (Process, Attempt) {
    let before = machine.number(PUBLISHED);
    let process = machine.process();
    let connection = process.begin();
    let resumed = offer(&connection).is_some();
    (0..tickets).for_each(|_| drop(receive(&connection)));
    connection.established(resumed).unwrap();
    machine.wait_for(PUBLISHED, before + u64::from(tickets) - 1);
    (process, connection)
}

#[test]
fn what_one_host_brings_another_offers_and_none_twice() {
    let engine = Engine::new(&[]);
    let (one, two) = (engine.machine(), engine.machine());
    let (first, _connection) = publish(&one, 60);
    let second = two.process();
    let mut taken = Vec::new();
    // Both at once.
    std::thread::scope(|scope| {
        let other = scope.spawn(|| take_all(&second));
        taken = take_all(&first);
        taken.extend(other.join().unwrap());
    });
    // Those that one agent had at hand when the other found nothing.
    taken.extend(take_all(&first));
    taken.extend(take_all(&second));
    let tickets: HashSet<_> = taken.iter().collect();
    assert_eq!(tickets.len(), taken.len());
    assert_eq!(tickets.len(), 60);
    assert!(two.number(FETCHED) > 0);
    assert_eq!(one.number(DROPPED) + two.number(DROPPED), 0);
}

#[test]
fn an_agent_that_ends_gives_back_what_it_has() {
    let engine = Engine::new(&[]);
    let mut one = engine.machine_with(&["--valkey-stock", "16"]);
    let _connection = one.process().connect(5);
    assert_eq!(one.number(PUBLISHED), 0);
    one.stop();
    let two = engine.machine();
    assert_eq!(take_all(&two.process()).len(), 5);
}

#[test]
fn sessions_are_fetched_ahead_for_an_endpoint_in_use() {
    let engine = Engine::new(&[]);
    let (one, two) = (
        engine.machine(),
        engine.machine_with(&["--valkey-stock", "8"]),
    );
    let (_process, _connection) = publish(&one, 60);
    // One that does not wait finds nothing, and has others find some.
    assert_eq!(two.process().take(), None);
    while two.number(FETCHED) <= 4 {
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
    assert!(two.process().take().is_some());
}

#[test]
fn a_reusable_session_is_everybodys() {
    let engine = Engine::new(&[]);
    let (one, two) = (engine.machine(), engine.machine());
    let attempt = one.process().begin();
    assert_eq!(offer(&attempt), None);
    attempt.receive(&SessionInfo::tls12(300), b"by id").unwrap();
    attempt.established(false).unwrap();
    one.wait_for(PUBLISHED, 1);
    for machine in [&two, &one, &two, &engine.machine()] {
        assert_eq!(wait_and_take(&machine.process()).unwrap(), b"by id");
    }
}

#[test]
fn what_lies_in_the_wrong_place_does_not_open() {
    let connect = |machine: &Machine, identity: &[u8], port: u16| {
        let process = machine.process();
        let config = Config::new(&process.cache).identity(identity).unwrap();
        let attempt = config.begin(&Endpoint::new(ENDPOINT, port)).unwrap();
        assert_eq!(offer(&attempt), None);
        receive(&attempt);
        receive(&attempt);
        attempt.established(false).unwrap();
        machine.wait_for(PUBLISHED, machine.number(PUBLISHED).max(1));
        attempt
    };
    let everybodys = ["--all-users", "--share-between-users"];
    for (identity, port, args) in [
        (&b"another"[..], 9142, &[][..]),
        (b"one", 9143, &[]),
        (b"one", 9142, &everybodys),
    ] {
        let engine = Engine::new(&[]);
        let other = engine.machine_with(args);
        let _connection = connect(&other, identity, port);
        let [theirs] = &engine.names()[..] else {
            panic!("one list")
        };
        let one = engine.machine();
        let _connection = connect(&one, b"one", 9142);
        let names = engine.names();
        let ours = names.iter().find(|name| *name != theirs).unwrap();
        let () = engine.tell(&["RENAME", theirs, ours]);
        let two = engine.machine();
        assert_eq!(wait_and_take(&two.process()), None);
        assert_eq!(two.number(DROPPED), 1);
    }
}

#[test]
fn nothing_is_offered_twice_after_an_engine_is_restored_from_a_dump() {
    let mut engine = Engine::new(&["--dbfilename", "dump"]);
    let (one, two) = (engine.machine(), engine.machine());
    let (_process, _connection) = publish(&one, 10);
    let () = engine.tell(&["SAVE"]);
    let mut taken = take_all(&two.process());
    assert_eq!(taken.len(), 9);
    engine.kill();
    engine.start();
    assert_eq!(engine.names().len(), 1, "the dump brought them back");
    // Agents notice by themselves, and go on with what comes now.
    let (_process, _connection) = publish(&one, 10);
    let again = loop {
        let again = take_all(&two.process());
        if !again.is_empty() {
            break again;
        }
    };
    taken.extend(again);
    taken.extend(take_all(&engine.machine().process()));
    let tickets: HashSet<_> = taken.iter().collect();
    assert_eq!(tickets.len(), taken.len());
}

#[test]
fn a_host_goes_on_alone_without_its_engine_and_comes_back() {
    let mut engine = Engine::new(&[]);
    let (one, two) = (engine.machine(), engine.machine());
    engine.kill();
    for machine in [&one, &two] {
        assert_eq!(wait_and_take(&machine.process()), None);
        let _connection = machine.process().connect(3);
        assert_eq!(take_all(&machine.process()).len(), 3);
        assert_eq!(machine.number("tsc_agent_valkey_up"), 0);
    }
    engine.start();
    one.wait_for("tsc_agent_valkey_up", 1);
    two.wait_for("tsc_agent_valkey_up", 1);
    let (_process, _connection) = publish(&one, 3);
    while wait_and_take(&two.process()).is_none() {}
}

#[test]
fn an_engine_that_does_not_answer_holds_nobody_up() {
    let engine = Engine::new(&[]);
    let (one, two) = (engine.machine(), engine.machine());
    let (_process, connection) = publish(&one, 3);
    engine.signal(Signal::STOP);
    // Would wait for half a minute.
    assert_eq!(wait_and_take(&two.process()), None);
    // It may have given one away, and may have got one.
    assert_eq!(two.number(LOST), 1);
    receive(&connection);
    one.wait_for(LOST, 1);
    let _connection = two.process().connect(1);
    assert!(two.process().take().is_some());
    engine.signal(Signal::CONT);
    two.wait_for("tsc_agent_valkey_up", 1);
}

#[test]
fn an_engine_without_memory_leaves_sessions_where_they_are() {
    let engine = Engine::new(&[]);
    let one = engine.machine();
    let () = engine.tell(&["CONFIG", "SET", "maxmemory", "1"]);
    let process = one.process();
    let _connection = process.connect(5);
    while !engine
        .tell::<String>(&["INFO", "errorstats"])
        .contains("errorstat_OOM")
    {
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
    assert_eq!(take_all(&process).len(), 5);
    assert_eq!(one.number("tsc_agent_valkey_up"), 1);
    assert!(engine.names().is_empty());
}

#[test]
fn the_engine_forgets_what_is_over() {
    let engine = Engine::new(&[]);
    let one = engine.machine();
    let connection = one.process().connect(0);
    for lifetime in [630, 90, 60] {
        let info = SessionInfo::tls13(lifetime);
        connection
            .receive(&info, format!("{lifetime}").as_bytes())
            .unwrap();
    }
    one.wait_for(PUBLISHED, 2);
    let [list] = &engine.names()[..] else {
        panic!("one list")
    };
    let left: i64 = engine.tell(&["PTTL", list]);
    assert!((1..=600_000).contains(&left), "{left}");
}

#[test]
fn no_more_is_kept_than_was_said() {
    let engine = Engine::new(&[]);
    let one = engine.machine_with(&["--valkey-sessions", "10"]);
    let (_process, _connection) = publish(&one, 50);
    let [list] = &engine.names()[..] else {
        panic!("one list")
    };
    assert_eq!(engine.tell::<u64>(&["LLEN", list]), 10);
    assert_eq!(one.number("tsc_agent_valkey_displaced_total"), 39);
}

#[test]
fn a_key_is_changed_while_agents_go_on() {
    let engine = Engine::new(&[]);
    let both = |first: &str, second: &str| format!("{first}\n{second}\n");
    engine.write("known", &both(KEY, OTHER_KEY));
    engine.write("used", &both(OTHER_KEY, KEY));
    engine.write("new", OTHER_KEY);
    let machine = |key: &str| engine.machine_at(&engine.url(), key, &[]);
    // One step after the other: each agent may be a step ahead of the next.
    for (ahead, behind) in [("known", "key"), ("used", "known"), ("new", "used")] {
        for (from, to) in [(ahead, behind), (behind, ahead)] {
            let (from, to) = (machine(from), machine(to));
            let (_process, _connection) = publish(&from, 3);
            assert_eq!(take_all(&to.process()).len(), 2);
        }
    }
    let (_process, _connection) = publish(&machine("new"), 3);
    assert!(take_all(&machine("key").process()).is_empty());
}

/// Of a user who shares, with a password.
pub const RIGHTS: &str =
    "on >secret ~tsc:* +multi +exec +info +rpush +rpop +llen +ltrim +pexpire +get +set";

/// Of this machine, and its key.
pub fn certificate(folder: &Path) -> (String, String) {
    let path = |name: &str| folder.join(name).display().to_string();
    let (certificate, key) = (path("certificate"), path("key"));
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt"])
        .args([
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-subj",
            "/CN=localhost",
        ])
        .args(["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"])
        .args(["-addext", "basicConstraints=critical,CA:FALSE"])
        .args(["-keyout", &key, "-out", &certificate])
        .output()
        .unwrap();
    assert!(made.status.success(), "{made:?}");
    (certificate, key)
}

#[test]
fn tls_and_a_user_with_few_rights_will_do() {
    let folder = tempfile::tempdir().unwrap();
    let (certificate, key) = certificate(folder.path());
    let [port] = free_ports();
    let files = [&certificate, &key, &certificate];
    let options = ["--tls-cert-file", "--tls-key-file", "--tls-ca-cert-file"];
    let files = options.into_iter().zip(files);
    let args = ["--tls-port", &port, "--user", "agent"];
    let args = args.into_iter().chain(RIGHTS.split(' '));
    let args: Vec<_> = args
        .chain(files.flat_map(|(option, file)| [option, file]))
        .collect();
    let engine = Engine::new(&args);
    let url = format!("rediss://agent:secret@localhost:{port}");
    let shown = ["--valkey-cert", &certificate, "--valkey-cert-key", &key];
    let args = [&["--valkey-ca", &certificate], &shown[..]].concat();
    let (one, two) = (
        engine.machine_at(&url, "key", &args),
        engine.machine_at(&url, "key", &args),
    );
    let (_process, _connection) = publish(&one, 3);
    assert_eq!(take_all(&two.process()).len(), 2);
}

#[test]
fn an_agent_that_is_not_configured_well_does_not_start() {
    let engine = Engine::new(&[]);
    let open = engine.write("open", KEY);
    std::fs::set_permissions(&open, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    let short = engine.write("short", "00");
    let (socket, url) = (engine.path("agent"), engine.url());
    let key = engine.path("key");
    let key = key.to_str().unwrap();
    for args in [
        &["--valkey", &url][..],
        &["--valkey-key", "key"],
        &["--valkey", &url, "--valkey-key", "/nowhere"],
        &["--valkey", &url, "--valkey-key", open.to_str().unwrap()],
        &["--valkey", &url, "--valkey-key", short.to_str().unwrap()],
        &["--valkey", "http://x", "--valkey-key", key],
        &["--valkey", "redis+sentinel://x", "--valkey-key", key],
        &["--valkey", "redis+sentinel:///x", "--valkey-key", key],
        &["--valkey", "redis+sentinel://x,y:z/x", "--valkey-key", key],
        &["--valkey", "redis+cluster://", "--valkey-key", key],
        &["--valkey", "redis+others://x", "--valkey-key", key],
    ] {
        let agent = Command::new(env!("CARGO_BIN_EXE_tsc-agent"))
            .arg("--socket")
            .arg(&socket)
            .args(args)
            .output()
            .unwrap();
        assert!(!agent.status.success(), "{args:?}");
    }
}

/// All hosts start at once, and there are few tickets.
#[test]
fn the_first_host_leaves_some_to_the_others() {
    let engine = Engine::new(&[]);
    let one = engine.machine();
    let (_process, _connection) = publish(&one, 9);
    for _ in 0..8 {
        let machine = engine.machine_with(&["--valkey-stock", "16"]);
        let process = machine.process();
        assert!(wait_and_take(&process).is_some());
        assert_eq!(machine.number(FETCHED), 1);
    }
}
