//! From one process to the next: what is taken along, and that nothing lives longer for it.

use super::*;
use crate::connection::Failure;
use crate::engine::Space;
use crate::export::{KEY, Refused, Scope};
use proptest::prelude::*;
use std::sync::atomic::AtomicI64;

const SECRET: [u8; KEY] = [7; KEY];
const DAY: u32 = 24 * HOUR;
/// What the wall clock says when a test begins: an evening in 2025, in milliseconds.
const EVENING: i64 = 1_760_000_000_000;

/// A process: its own cache and monotonic clock, and the wall clock that all processes share.
struct Process {
    world: World,
    wall: Arc<AtomicI64>,
}

impl Process {
    fn first(options: Options) -> Self {
        Self::begin(options, START, Arc::new(AtomicI64::new(EVENING)), None)
    }

    fn begin(options: Options, start: u64, wall: Arc<AtomicI64>, not_after: Option<i64>) -> Self {
        let time = Arc::new(AtomicU64::new(start));
        let (read, read_wall) = (Arc::clone(&time), Arc::clone(&wall));
        let clock = Clock::BothDriven(
            Box::new(move || read.load(Relaxed)),
            Box::new(move || read_wall.load(Relaxed)),
        );
        let config = Config {
            identity: Identity::Given((*b"verifies").into()),
            client_not_after: not_after,
            ..Config::new(&Cache::over(options, clock, None))
        };
        let world = World {
            time,
            config: Arc::new(config),
        };
        Self { world, wall }
    }

    /// One that begins so much later; its monotonic clock has nothing to do with the other's.
    fn next(&self, options: Options, later: i64) -> Self {
        self.wall.fetch_add(later, Relaxed);
        Self::begin(options, 5, Arc::clone(&self.wall), None)
    }

    fn pass(&self, milliseconds: u64) {
        self.world.time.fetch_add(milliseconds, Relaxed);
        self.wall
            .fetch_add(i64::try_from(milliseconds).expect("small"), Relaxed);
    }

    fn config_named(&self, identity: &[u8]) -> Arc<Config> {
        Arc::new(Config {
            identity: Identity::Given(identity.into()),
            client_not_after: None,
            ..Config::new(&self.world.config.cache)
        })
    }

    fn scope(&self) -> Scope<'_> {
        scope(&self.world.config)
    }

    fn export(&self) -> Vec<u8> {
        export(&self.scope())
    }

    fn import(&self, export: &[u8]) -> Result<usize, Refused> {
        self.scope().import(&SECRET, export)
    }

    /// A full handshake that brings sessions, told apart by their bytes.
    fn full(&self, version: u16, lifetime: u32, sessions: &[&[u8]]) {
        full(&self.world.config, &HOST, version, lifetime, sessions);
    }

    /// Takes all that there is for the host, newest first; a reusable one ends it.
    fn take_all(&self) -> Vec<Vec<u8>> {
        let mut all = Vec::new();
        loop {
            let attempt = self.world.connect();
            match offered(&attempt) {
                None => return all,
                Some(bytes) if all.contains(&bytes) => return all,
                Some(bytes) => all.push(bytes),
            }
            attempt.failed(Failure::LOGIN).expect("open");
        }
    }
}

fn scope(config: &Config) -> Scope<'_> {
    Scope::of(config).expect("it has an identity")
}

fn export(scope: &Scope<'_>) -> Vec<u8> {
    scope.export(&SECRET, usize::MAX).expect("room").sealed
}

fn full(
    config: &Arc<Config>,
    endpoint: &Endpoint<'_>,
    version: u16,
    lifetime: u32,
    sessions: &[&[u8]],
) {
    let attempt = connect(config, endpoint);
    receive_bytes(&attempt, version, lifetime, sessions);
    attempt.established(false).expect("open");
}

fn receive_bytes(attempt: &Connection, version: u16, lifetime: u32, sessions: &[&[u8]]) {
    for bytes in sessions {
        let payload = Payload::Bytes(attempt.keep(bytes).expect("kept"));
        attempt
            .receive(payload, bytes.len(), &received(version, lifetime))
            .map_err(|(why, _)| why)
            .expect("kept");
    }
}

fn offered(attempt: &Connection) -> Option<Vec<u8>> {
    let bytes = |session: &Session| match &session.payload {
        Payload::Bytes(bytes) => bytes.to_vec(),
        Payload::Value(_) | Payload::Unique(_) => panic!("these tests store bytes"),
    };
    attempt.offer(|session, _| bytes(session)).expect("open")
}

#[test]
fn single_use_sessions_move_and_a_reusable_one_is_copied() {
    let old = Process::first(WIDE);
    old.full(TLS_1_3, HOUR, &[b"a", b"b"]);
    old.pass(1000);
    old.full(TLS_1_2, HOUR, &[b"r"]);
    old.pass(1000);
    old.full(TLS_1_3, HOUR, &[b"c"]);
    let export = old.export();
    let stats = old.world.engine().stats();
    assert_eq!((stats.sessions, stats.removed, stats.bytes), (1, 3, 1));
    assert_eq!(old.take_all(), [b"r"]);

    let new = old.next(WIDE, 0);
    assert_eq!(new.import(&export), Ok(4));
    assert_eq!(new.world.engine().stats().stored, 4);
    let attempt = new.world.connect();
    let shown =
        attempt.offer(|session, now| (session.label, session.kind, now.since(session.received)));
    assert_eq!(shown, Ok(Some((TLS_1_3, Kind::SingleUse, 0))));
    attempt.release();
    assert_eq!(new.take_all(), [&b"c"[..], b"r"]);
}

#[test]
fn what_is_exported_is_nowhere_in_the_export() {
    let old = Process::first(WIDE);
    old.full(TLS_1_3, HOUR, &[b"0123456789abcdef"]);
    old.full(TLS_1_2, HOUR, &[b"0123456789abcdef"]);
    let (one, other) = (old.export(), old.export());
    for word in [&b"0123456789"[..], b"db.example", b"verifies"] {
        assert!(!one.windows(word.len()).any(|window| window == word));
    }
    // The nonce is another each time, and so is all that comes after it.
    assert_ne!(one[16..28], other[16..28]);
    let same = one[28..].iter().zip(&other[28..]).filter(|(a, b)| a == b);
    assert!(same.count() < 10);
}

#[test]
fn too_little_room_leaves_everything_where_it_is() {
    let old = Process::first(WIDE);
    old.full(TLS_1_3, HOUR, &[b"a", b"b"]);
    let Err(Refused::TooSmall(needed)) = old.scope().export(&SECRET, 0).map(|_| ()) else {
        panic!("there is no room");
    };
    for room in 0..needed {
        let refused = old.scope().export(&SECRET, room).map(|_| ());
        assert_eq!(refused, Err(Refused::TooSmall(needed)));
    }
    assert_eq!(old.world.available(), 2);
    let export = old.scope().export(&SECRET, needed).expect("just enough");
    assert_eq!(export.sealed.len(), needed);
    assert_eq!(old.world.available(), 0);
    assert_eq!(old.next(WIDE, 0).import(&export.sealed), Ok(2));
}

#[test]
fn an_empty_export_can_be_imported() {
    let old = Process::first(WIDE);
    let export = old.export();
    assert_eq!(old.next(WIDE, 0).import(&export), Ok(0));
}

#[test]
fn objects_stay_and_are_counted() {
    let old = Process::first(WIDE);
    let attempt = old.world.connect();
    receive(&attempt, 1, TLS_1_3, HOUR).expect("kept");
    receive(&attempt, 2, TLS_1_2, HOUR).expect("kept");
    receive_bytes(&attempt, TLS_1_3, HOUR, &[b"bytes"]);
    attempt.established(false).expect("open");
    let export = old.scope().export(&SECRET, usize::MAX).expect("room");
    assert_eq!(export.left_out, 2);
    assert_eq!(old.world.available(), 2);
    let new = old.next(WIDE, 0);
    assert_eq!(new.import(&export.sealed), Ok(1));
    assert_eq!(new.take_all(), [b"bytes"]);
}

#[test]
fn a_scope_is_one_identity_or_the_callers_keys() {
    let old = Process::first(WIDE);
    let cache = old.world.engine();
    let (a, ab) = (old.config_named(b"a"), old.config_named(b"ab"));
    full(&a, &HOST, TLS_1_2, HOUR, &[b"of a"]);
    full(&ab, &HOST, TLS_1_2, HOUR, &[b"of ab"]);
    old.full(TLS_1_2, HOUR, &[b"of the config"]);
    // A key of the caller's own that looks like one of a config.
    let key = [&[1, 1, b'a'][..], b"own"].concat();
    let own = cache.key(Space::Caller, &key);
    let payload = Payload::Bytes(
        cache
            .keep(&cache.key(Space::Caller, b"key"), b"of the caller")
            .expect("kept"),
    );
    let of_the_caller = Session {
        payload,
        size: 13,
        ..session(Kind::SingleUse, 13, START)
    };
    cache.put(&own, of_the_caller).expect("kept");
    let exports = [
        export(&scope(&a)),
        export(&scope(&ab)),
        old.export(),
        export(&Scope::Caller(cache)),
    ];
    for (at, export) in exports.iter().enumerate() {
        let new = old.next(WIDE, 0);
        let (a, ab) = (new.config_named(b"a"), new.config_named(b"ab"));
        let scopes = [
            scope(&a),
            scope(&ab),
            new.scope(),
            Scope::Caller(new.world.engine()),
        ];
        for (other, scope) in scopes.iter().enumerate() {
            let expected = if at == other {
                Ok(1)
            } else {
                Err(Refused::NotAuthentic)
            };
            assert_eq!(scope.import(&SECRET, export), expected, "{at} into {other}");
        }
        assert_eq!(new.world.engine().stats().sessions, 1);
        let key = new.world.engine().key(Space::Caller, &key);
        assert_eq!(new.world.engine().available(&key), usize::from(at == 3));
    }
    let own = World::new(WIDE);
    assert!(Scope::of(&own.config).is_none());
}

#[test]
fn the_endpoint_used_last_is_the_last_to_go() {
    const HOSTS: u8 = 40;
    let old = Process::first(WIDE);
    let names: Vec<[u8; 1]> = (0..HOSTS).map(|host| [host]).collect();
    let hosts: Vec<_> = names.iter().map(|name| to(name, 1, b"", b"")).collect();
    for host in &hosts {
        full(&old.world.config, host, TLS_1_2, HOUR, &[b"session"]);
    }
    let small = Options {
        max_endpoints: u32::from(HOSTS) / 2,
        ..WIDE
    };
    let new = old.next(small, 0);
    assert_eq!(new.import(&old.export()), Ok(HOSTS.into()));
    for (at, host) in hosts.iter().enumerate() {
        let there = new.world.config.available(host).expect("good");
        assert_eq!(there == 1, at >= hosts.len() / 2, "{at}");
    }
}

#[test]
fn expired_sessions_are_not_exported() {
    let old = Process::first(WIDE);
    let attempt = old.world.connect();
    receive(&attempt, 1, TLS_1_3, 1).expect("kept");
    receive_bytes(&attempt, TLS_1_3, 1, &[b"a"]);
    receive_bytes(&attempt, TLS_1_3, 2, &[b"b"]);
    attempt.established(false).expect("open");
    old.pass(1000);
    let export = old.scope().export(&SECRET, usize::MAX).expect("room");
    assert_eq!(export.left_out, 0);
    let stats = old.world.engine().stats();
    assert_eq!((stats.expired, stats.removed), (2, 1));
    assert_eq!(old.next(WIDE, 0).import(&export.sealed), Ok(1));
}

#[test]
fn what_comes_of_an_import_ends_with_its_lineage() {
    let bounded = Options {
        max_lineage_age_seconds: 100,
        ..WIDE
    };
    let old = Process::first(bounded);
    old.full(TLS_1_3, HOUR, &[b"a"]);
    old.pass(10_000);
    let export = old.export();
    let new = old.next(WIDE, 20_000);
    assert_eq!(new.import(&export), Ok(1));
    let attempt = new.world.connect();
    assert_eq!(offered(&attempt), Some(b"a".to_vec()));
    receive_bytes(&attempt, TLS_1_3, HOUR, &[b"renewed"]);
    attempt.established(true).expect("open");
    new.pass(69_999);
    assert_eq!(new.world.available(), 1);
    new.pass(1);
    assert_eq!(new.world.available(), 0);
}

#[test]
fn a_lineage_stays_together_and_apart_from_others() {
    let old = Process::first(WIDE);
    old.full(TLS_1_3, HOUR, &[b"a1", b"a2"]);
    old.pass(1);
    old.full(TLS_1_3, HOUR, &[b"b1", b"b2"]);
    let new = old.next(WIDE, 0);
    // The new process numbers its own lineages as the old one did.
    new.full(TLS_1_3, HOUR, &[b"x1"]);
    new.full(TLS_1_3, HOUR, &[b"y1"]);
    assert_eq!(new.import(&old.export()), Ok(4));
    new.full(TLS_1_3, HOUR, &[b"z1"]);
    let attempt = new.world.connect();
    let mut held = Vec::new();
    loop {
        let attempt = new.world.connect();
        match offered(&attempt).expect("there") {
            bytes if bytes == b"b2" => {
                attempt.established(false).expect("refused");
                break;
            }
            _ => held.push(attempt),
        }
    }
    held.iter()
        .for_each(|attempt| attempt.failed(Failure::NOT_SENT).expect("open"));
    drop(attempt);
    let mut left = new.take_all();
    left.sort();
    assert_eq!(left, [&b"a1"[..], b"a2", b"x1", b"y1", b"z1"]);
}

#[test]
fn a_wall_clock_that_stands_before_the_export_brings_nothing() {
    let old = Process::first(WIDE);
    old.full(TLS_1_3, DAY, &[b"a"]);
    old.full(TLS_1_2, DAY, &[b"b"]);
    let export = old.export();
    let new = old.next(WIDE, -1);
    assert_eq!(new.import(&export), Err(Refused::ClockBehind));
    assert_eq!(new.world.engine().stats().sessions, 0);
    let new = old.next(WIDE, i64::MIN / 2);
    assert_eq!(new.import(&export), Err(Refused::ClockBehind));
    // The first moment at which it is not before it.
    old.wall.store(EVENING, Relaxed);
    assert_eq!(old.next(WIDE, 0).import(&export), Ok(2));
}

#[test]
fn a_wall_clock_at_its_end_ends_everything() {
    let old = Process::first(WIDE);
    old.full(TLS_1_2, DAY, &[b"b"]);
    let export = old.export();
    let new = old.next(WIDE, i64::MAX - EVENING);
    assert_eq!(new.import(&export), Ok(0));
    assert_eq!(new.world.engine().stats().discarded_lifetime, 1);
}

#[test]
fn the_clients_certificate_ends_what_is_imported() {
    let old = Process::first(WIDE);
    old.full(TLS_1_2, DAY, &[b"b"]);
    let export = old.export();
    for (not_after, count) in [(1, 0), (i64::MAX, 1)] {
        let new = Process::begin(WIDE, 5, Arc::clone(&old.wall), Some(not_after));
        assert_eq!(new.import(&export), Ok(count));
    }
}

/// What bounds a session before and after, in seconds, and how much time passes.
#[derive(Clone, Debug)]
struct Journey {
    version: u16,
    lifetime: u32,
    ttl: [u32; 2],
    lineage_age: [u32; 2],
    /// Before the export, and until the import, in milliseconds.
    kept: u64,
    between: u64,
    /// How long the new process has been on its monotonic clock.
    started: u64,
}

fn journey() -> impl Strategy<Value = Journey> {
    let seconds = || prop_oneof![1..20u32, 1..10 * DAY, Just(u32::MAX)];
    let time = || prop_oneof![Just(0), 0..20_000u64, 0..u64::from(8 * DAY) * 1000];
    (
        prop_oneof![Just(TLS_1_2), Just(TLS_1_3)],
        seconds(),
        [seconds(), seconds()],
        [seconds(), seconds()],
        time(),
        time(),
        time(),
    )
        .prop_map(
            |(version, lifetime, ttl, lineage_age, kept, between, started)| Journey {
                version,
                lifetime,
                ttl,
                lineage_age,
                kept,
                between,
                started,
            },
        )
}

impl Journey {
    fn options(&self, at: usize) -> Options {
        Options {
            ttl_seconds: self.ttl[at],
            max_lineage_age_seconds: self.lineage_age[at],
            ..WIDE
        }
    }

    /// For how long after it was received the session may be offered, in milliseconds.
    fn lives(&self) -> u64 {
        let bounds = [
            self.lifetime,
            self.ttl[0],
            self.ttl[1],
            self.lineage_age[0],
            7 * DAY,
        ];
        let here = bounds.map(|seconds| u64::from(seconds) * 1000);
        // Where its lineage began is not known in the new process: at the latest when it came.
        let lineage = self.kept + self.between + u64::from(self.lineage_age[1]) * 1000;
        here.into_iter().min().expect("some").min(lineage)
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn an_import_lives_as_long_as_it_would_have_and_not_longer(journey in journey()) {
        let old = Process::first(journey.options(0));
        old.full(journey.version, journey.lifetime, &[b"session"]);
        old.pass(journey.kept);
        let export = old.export();
        let wall = Arc::clone(&old.wall);
        wall.fetch_add(journey.between as i64, Relaxed);
        let new = Process::begin(journey.options(1), journey.started, wall, None);

        let before = old.world.config.engine().options();
        let gone = journey.kept
            >= u64::from(journey.lifetime.min(before.ttl_seconds).min(7 * DAY).min(journey.lineage_age[0])) * 1000;
        let lives = journey.lives();
        let age = journey.kept + journey.between;
        let imported = new.import(&export).expect("authentic");
        prop_assert_eq!(imported, usize::from(!gone && age < lives));
        if imported == 1 {
            new.pass(lives - age - 1);
            prop_assert_eq!(new.world.available(), 1);
            new.pass(1);
            prop_assert_eq!(new.world.available(), 0);
        }
    }

    #[test]
    fn what_goes_there_and_back_is_what_it_was(
        sessions in prop::collection::vec((prop::collection::vec(any::<u8>(), 1..100), any::<bool>(), 0..4u8), 0..20),
    ) {
        let old = Process::first(WIDE);
        for (bytes, reusable, host) in &sessions {
            let version = if *reusable { TLS_1_2 } else { TLS_1_3 };
            full(&old.world.config, &to(&[b'a' + host], 1, b"", b""), version, HOUR, &[bytes]);
            old.pass(1);
        }
        let there = old.world.engine().stats();
        let export = old.export();
        let new = old.next(WIDE, 10);
        prop_assert_eq!(new.import(&export), Ok(there.sessions as usize));
        let here = new.world.engine().stats();
        prop_assert_eq!((here.sessions, here.bytes, here.endpoints), (there.sessions, there.bytes, there.endpoints));
        // The same again, from the new one; and of each endpoint the newest first.
        let newest = new.next(WIDE, 10);
        prop_assert_eq!(newest.import(&new.export()), Ok(here.sessions as usize));
        for host in 0..4 {
            let host_name = [b'a' + host];
            let of_host: Vec<_> = sessions.iter().filter(|(_, _, of)| *of == host).collect();
            let attempt = connect(&newest.world.config, &to(&host_name, 1, b"", b""));
            prop_assert_eq!(offered(&attempt), of_host.last().map(|(bytes, _, _)| bytes.clone()));
        }
    }

    #[test]
    fn nothing_comes_of_random_bytes(bytes in prop::collection::vec(any::<u8>(), 0..200), header in any::<bool>()) {
        let new = Process::first(WIDE);
        let mut bytes = bytes;
        if header {
            // A header that is in order as far as can be.
            let empty = new.export();
            bytes.splice(0..bytes.len().min(28), empty[..28].iter().copied());
        }
        prop_assert_eq!(new.import(&bytes), Err(Refused::NotAuthentic));
    }
}

/// An export of three sessions, and a process to try what came of it.
fn an_export() -> (Vec<u8>, Process) {
    let old = Process::first(WIDE);
    old.full(TLS_1_3, HOUR, &[b"one", b"two"]);
    old.full(TLS_1_2, HOUR, &[b"three"]);
    let export = old.export();
    let new = old.next(WIDE, 0);
    (export, new)
}

#[test]
fn an_export_that_was_altered_is_rejected_whole() {
    let (export, new) = an_export();
    let rejects = |altered: &[u8], how: &str| {
        assert_eq!(new.import(altered), Err(Refused::NotAuthentic), "{how}");
    };
    // Each takes Miri a second.
    let (bytes, bits) = if cfg!(miri) { (97, 7) } else { (1, 1) };
    for at in (0..export.len()).step_by(bytes) {
        for bit in (0..8).step_by(bits) {
            let mut altered = export.clone();
            altered[at] ^= 1 << bit;
            rejects(&altered, &format!("bit {bit} of byte {at}"));
        }
        rejects(&export[..at], &format!("cut to {at}"));
        rejects(&export[at + 1..], &format!("begun at {}", at + 1));
        let without = [&export[..at], &export[at + 1..]].concat();
        rejects(&without, &format!("without byte {at}"));
        let with = [&export[..at], &[0], &export[at..]].concat();
        rejects(&with, &format!("with a byte before {at}"));
    }
    rejects(&[&export[..], &[0]].concat(), "with a byte at the end");
    rejects(&[&export[..], &export[..]].concat(), "twice");
    assert_eq!(
        new.scope().import(&[8; KEY], &export),
        Err(Refused::NotAuthentic)
    );
    let mut key = SECRET;
    key[31] ^= 1;
    assert_eq!(
        new.scope().import(&key, &export),
        Err(Refused::NotAuthentic)
    );
    assert_eq!(new.world.engine().stats().sessions, 0);
    assert_eq!(new.import(&export), Ok(3));
}

/// An export of format 2, made once: what this reads must be read for as long as the format is 2, by
/// both builds, and what changes it must change the number.
#[test]
fn the_format_is_what_it_was() {
    const EXPORT: &str = "\
        747363780201000000000199c82cc000502a94ead5a95d0f43bd08e5992081346d5ca4ca4fecf14d3656b7fa55\
        9de89bbcd968b36cd4221dcbdc3a90e56dc9d413b10f2921ed9e3ff09216d753d72d30b6acc7702f733b649f62\
        d05aec2c11f0b2dbd1629e9e6ac2f43b0689d405d6a7b45a85773cbffa06b255d28b475e4cba0b6fa9541fac5c\
        4f626eb5e0803e6e8fa77ad0bf881c8ed33c6c373e3a3f4e99550ed9ab08e11310eb2096bc48c659dd8295eec3\
        65a0842d0fe14919efdb750edd4c10cac3f681080f334a80d0567196103b596b0cfcab8f8641280d4532de4947\
        1f318b3b3d7802a929aa2c9a24accae30d06a36995b7ae69d8250bd369e8de\
        ";
    let hex = |at: usize| u8::from_str_radix(&EXPORT[at..at + 2], 16).expect("hex");
    let export: Vec<u8> = (0..EXPORT.len()).step_by(2).map(hex).collect();
    let (made, new) = an_export();
    assert_eq!(made.len(), export.len());
    assert_eq!(made[..16], export[..16]);
    assert_eq!(new.import(&export), Ok(3));
    assert_eq!(new.take_all(), [b"three"]);
}

#[test]
fn an_import_is_bounded_by_the_limits_of_its_cache() {
    let old = Process::first(WIDE);
    old.full(TLS_1_3, HOUR, &[b"small", b"larger than that"]);
    let export = old.export();
    let strict = Options {
        max_session_bytes: 8,
        ..WIDE
    };
    let new = old.next(strict, 0);
    assert_eq!(new.import(&export), Ok(1));
    assert_eq!(new.world.engine().stats().discarded_too_large, 1);
    let disabled = Options {
        enabled: false,
        ..WIDE
    };
    assert_eq!(old.next(disabled, 0).import(&export), Ok(0));
}

#[test]
fn what_a_connection_holds_is_not_exported() {
    let old = Process::first(WIDE);
    old.full(TLS_1_3, HOUR, &[b"a", b"b"]);
    let attempt = old.world.connect();
    assert_eq!(offered(&attempt), Some(b"b".to_vec()));
    let staged = old.world.connect();
    receive_bytes(&staged, TLS_1_3, HOUR, &[b"c"]);
    let new = old.next(WIDE, 0);
    assert_eq!(new.import(&old.export()), Ok(1));
    assert_eq!(new.take_all(), [b"a"]);
    attempt.failed(Failure::NOT_SENT).expect("open");
    assert_eq!(old.take_all(), [b"b"]);
}

#[cfg(agent)]
mod one_by_one {
    use super::*;
    use crate::Error;

    const ALL: usize = usize::MAX;

    fn sealed(process: &Process, most: usize) -> Vec<Vec<u8>> {
        let sealed = process.world.config.export_sessions(&HOST, &SECRET, most);
        let sealed = sealed.expect("it has an identity");
        sealed.into_iter().map(|session| session.sealed).collect()
    }

    fn import(process: &Process, sealed: &[u8]) -> Result<bool, Error> {
        process.world.config.import_session(&HOST, &SECRET, sealed)
    }

    #[test]
    fn tickets_leave_oldest_first_and_no_more_than_asked_for() {
        let process = Process::first(Options::default());
        process.full(TLS_1_3, HOUR, &[b"1", b"2", b"3"]);
        let two = sealed(&process, 2);
        assert_eq!(process.world.available(), 1);
        assert_eq!(process.take_all(), [b"3"]);
        let next = process.next(Options::default(), 0);
        for one in &two {
            assert_eq!(import(&next, one), Ok(true));
        }
        assert_eq!(next.take_all(), [b"2", b"1"]);
        assert_eq!(sealed(&process, ALL), Vec::<Vec<u8>>::new());
    }

    #[test]
    fn a_reusable_one_is_copied() {
        let process = Process::first(Options::default());
        process.full(TLS_1_2, HOUR, &[b"again"]);
        let config = &process.world.config;
        let sealed = config.export_sessions(&HOST, &SECRET, 0).expect("one");
        assert!(sealed[0].is_reusable);
        assert_eq!(process.take_all(), [b"again"]);
        let next = process.next(Options::default(), 0);
        assert_eq!(import(&next, &sealed[0].sealed), Ok(true));
        assert_eq!(next.take_all(), [b"again"]);
    }

    #[test]
    fn none_opens_for_another_identity_endpoint_or_kind_of_export() {
        let process = Process::first(Options::default());
        process.full(TLS_1_3, HOUR, &[b"1", b"2"]);
        let one = sealed(&process, 1).remove(0);
        let next = process.next(Options::default(), 0);
        let named = next.config_named(b"another");
        let refused = Err(Error::NotAuthentic);
        assert_eq!(named.import_session(&HOST, &SECRET, &one), refused);
        let config = &next.world.config;
        for other in [
            Endpoint { port: 1, ..HOST },
            HOST.server_name("another"),
            HOST.verification(b"more"),
            HOST.group(b"group"),
        ] {
            assert_eq!(config.import_session(&other, &SECRET, &one), refused);
        }
        assert_eq!(config.import_session(&HOST, &[8; KEY], &one), refused);
        assert_eq!(next.import(&one), Err(Refused::NotAuthentic));
        assert_eq!(import(&next, &process.export()), refused);
        let own = Config::new(&config.cache);
        assert_eq!(
            own.import_session(&HOST, &SECRET, &one),
            Err(Error::Unsupported)
        );
        assert_eq!(next.world.available(), 0);
        assert_eq!(import(&next, &one), Ok(true));
    }

    /// Whichever host's clock is ahead, by half a minute at the most, nothing is offered past its time.
    #[test]
    fn clocks_that_differ_shorten_a_life_and_never_lengthen_it() {
        for ahead in [-30_000, -1, 0, 1, 30_000_i64] {
            let process = Process::first(Options::default());
            process.full(TLS_1_3, HOUR, &[b"ticket"]);
            process.pass(1000);
            let one = sealed(&process, 1).remove(0);
            let next = process.next(Options::default(), ahead);
            assert_eq!(import(&next, &one), Ok(true));
            let hour = u64::from(HOUR) * 1000;
            let lived = 1000 + (30_000 + ahead).unsigned_abs();
            next.pass(hour - lived - 1);
            assert_eq!(next.world.available(), 1, "{ahead}");
            next.pass(1);
            assert_eq!(next.world.available(), 0, "{ahead}");
        }
        let process = Process::first(Options::default());
        process.full(TLS_1_3, HOUR, &[b"ticket"]);
        let one = sealed(&process, 1).remove(0);
        let behind = process.next(Options::default(), -30_001);
        assert_eq!(import(&behind, &one), Err(Error::Discarded));
    }

    #[test]
    fn what_would_end_on_the_way_goes_nowhere() {
        let process = Process::first(Options::default());
        process.full(TLS_1_3, 29, &[b"short"]);
        assert!(sealed(&process, ALL).is_empty());
        let process = Process::first(Options::default());
        process.full(TLS_1_3, 60, &[b"short"]);
        let config = &process.world.config;
        let one = config.export_sessions(&HOST, &SECRET, 1).expect("one");
        assert_eq!(one[0].remaining.as_secs(), 30);
        let next = process.next(Options::default(), 30_000);
        assert_eq!(import(&next, &one[0].sealed), Ok(false));
    }

    #[test]
    fn a_refusal_is_one_of_all_that_descend_from_the_same_handshake() {
        let process = Process::first(Options::default());
        process.full(TLS_1_3, HOUR, &[b"1", b"2", b"3"]);
        process.full(TLS_1_3, HOUR, &[b"other"]);
        let all = sealed(&process, ALL);
        let next = process.next(Options::default(), 0);
        assert_eq!(import(&next, &all[0]), Ok(true));
        assert_eq!(import(&next, &all[1]), Ok(true));
        let attempt = next.world.connect();
        assert_eq!(offered(&attempt).as_deref(), Some(&b"2"[..]));
        attempt.established(false).expect("open");
        assert_eq!(next.world.available(), 0);
        assert_eq!(import(&next, &all[2]), Ok(false));
        assert_eq!(next.world.available(), 0);
        assert_eq!(import(&next, &all[3]), Ok(true));
        assert_eq!(next.take_all(), [b"other"]);
    }

    #[test]
    fn one_that_waits_gets_what_comes() {
        let process = Process::first(Options::default());
        process.full(TLS_1_3, HOUR, &[b"ticket"]);
        let one = sealed(&process, 1).remove(0);
        let next = process.next(Options::default(), 0);
        let opening = next.world.connect();
        assert_eq!(offered(&opening), None);
        let attempt = crate::Attempt::of(next.world.connect());
        let mut ready = std::pin::pin!(attempt.ready(std::time::Duration::from_secs(60)));
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        assert!(ready.as_mut().poll(&mut context).is_pending());
        assert_eq!(import(&next, &one), Ok(true));
        assert!(ready.as_mut().poll(&mut context).is_ready());
    }
}
