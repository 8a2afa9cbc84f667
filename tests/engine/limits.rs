//! Limits and counts, where `model.rs` does not reach.

use super::*;
use crate::connection::Failure;
use crate::engine::{Key, Space, Stats};

#[test]
fn a_disabled_cache_keeps_and_offers_nothing() {
    let world = World::new(Options {
        enabled: false,
        ..WIDE
    });
    let attempt = world.connect();
    assert_eq!(offer(&attempt), Ok(None));
    assert_eq!(receive(&attempt, 1, TLS_1_3, HOUR), Err(Discard::Disabled));
    attempt.set_note(1);
    attempt.established(false).expect("open");
    assert_eq!(attempt.keep(b"bytes").err(), Some(Discard::Disabled));
    assert_eq!((attempt.note(), world.available()), (None, 0));
    let stats = world.engine().stats();
    assert_eq!(
        (stats.established, stats.discarded_disabled, stats.endpoints),
        (1, 2, 0)
    );
}

#[test]
fn a_closed_cache_keeps_and_offers_nothing() {
    let world = World::new(WIDE);
    world.full(&[1, 2]);
    let [leased, staged] = [(); 2].map(|()| world.connect());
    assert_eq!(offer(&leased), Ok(Some(2)));
    receive(&staged, 3, TLS_1_3, HOUR).expect("staged");
    staged.set_note(1);
    world.engine().close();
    assert!(world.engine().is_closed());
    // What was taken stays with who took it, and does not come back.
    assert_eq!(offer(&leased), Ok(Some(2)));
    leased.failed(Failure::NOT_SENT).expect("open");
    staged.established(false).expect("open");
    assert_eq!(receive(&staged, 4, TLS_1_3, HOUR), Err(Discard::Closed));
    assert_eq!(offer(&world.connect()), Ok(None));
    assert_eq!((counts(&staged).stored, staged.note()), (0, None));
    let stats = world.engine().stats();
    assert_eq!((stats.endpoints, stats.sessions, stats.bytes), (0, 0, 0));
    assert_eq!(
        (stats.returned, stats.removed, stats.discarded_disabled),
        (1, 2, 2)
    );
}

#[test]
fn a_session_over_its_limit_is_refused_when_it_comes() {
    let world = World::new(Options {
        max_bytes: 20,
        max_session_bytes: 10,
        ..WIDE
    });
    let attempt = world.connect();
    let receive = |size| {
        let info = received(TLS_1_3, HOUR);
        let received = attempt.receive(Payload::Value(Arc::new(7u32)), size, &info);
        received.map_err(|(why, payload)| {
            // The payload comes back with the answer.
            assert!(matches!(payload, Payload::Value(value) if value.is::<u32>()));
            why
        })
    };
    assert_eq!(receive(10), Ok(()));
    assert_eq!(receive(11), Err(Discard::TooLarge));
    assert_eq!(receive(usize::MAX), Err(Discard::TooLarge));
    assert_eq!(attempt.keep(&[1; 11]).err(), Some(Discard::TooLarge));
    assert_eq!(attempt.keep(&[1; 10]).ok().as_deref(), Some(&[1; 10][..]));
    attempt.established(false).expect("open");
    let stats = world.engine().stats();
    assert_eq!(
        (stats.discarded_too_large, stats.sessions, stats.bytes),
        (3, 1, 10)
    );
}

#[test]
fn bytes_come_out_as_they_went_in() {
    let world = World::new(WIDE);
    let cache = world.engine();
    let key = cache.key(Space::Caller, b"key");
    for kind in [Kind::Reusable, Kind::SingleUse] {
        for len in [1, 2, 63, 64, 1000] {
            let bytes: Vec<u8> = (0..len).map(|at| (at % 251) as u8).collect();
            let mut session = session(kind, len, START);
            session.payload = Payload::Bytes(cache.keep(&key, &bytes).expect("it fits"));
            cache.put(&key, session).expect("kept");
            let taken = cache.take(&key).expect("it is there");
            let Payload::Bytes(taken) = taken.payload else {
                panic!("bytes went in");
            };
            assert_eq!(*taken, *bytes);
        }
        cache.clear();
    }
}

#[test]
fn nothing_secret_is_in_debug_output() {
    let world = World::new(WIDE);
    let cache = world.engine();
    let mut session = session(Kind::Reusable, 6, START);
    session.payload = Payload::Bytes(
        cache
            .keep(&cache.key(Space::Caller, b"key"), b"secret")
            .expect("it fits"),
    );
    let shown = format!("{session:?} {cache:?} {:?}", world.connect());
    assert!(shown.contains("Payload(secret)"), "{shown}");
    assert!(!shown.contains("115, 101, 99"), "{shown}");
}

/// A session that is taken, is old, and comes back to where newer ones are.
fn old_one_comes_back(options: Options) -> Stats {
    let world = World::new(options);
    let cache = world.engine();
    let key = cache.key(Space::Caller, b"key");
    let put = |at| {
        cache
            .put(&key, session(Kind::SingleUse, 10, START + at))
            .expect("kept");
    };
    put(1);
    let old = cache.take(&key).expect("it is there");
    put(2);
    put(3);
    cache.put_back(&key, old);
    for expected in [3, 2] {
        let taken = cache.take(&key).expect("it is there");
        assert_eq!(taken.received, Time(START + expected));
    }
    assert_eq!(cache.available(&key), 0);
    cache.stats()
}

#[test]
fn what_comes_back_never_pushes_out_what_is_newer() {
    let by_number = old_one_comes_back(Options {
        max_sessions_per_endpoint: 2,
        ..WIDE
    });
    assert_eq!(by_number.displaced, 1);
    let by_bytes = old_one_comes_back(Options {
        max_bytes: 20,
        ..WIDE
    });
    assert_eq!(by_bytes.evicted, 1);
}

#[test]
fn an_expired_session_counts_as_expired_however_it_is_dropped() {
    let acts: [fn(&Engine, &Key<'_>); 6] = [
        |cache, key| assert!(!cache.remove(key)),
        |cache, key| cache.remove_lineage(key, 1),
        Engine::remove_reusable,
        |cache, _| cache.clear(),
        |cache, key| assert!(cache.take(key).is_none()),
        |cache, key| assert_eq!(cache.copy_out(key, |_, _| true), None),
    ];
    for (at, act) in acts.into_iter().enumerate() {
        let world = World::new(WIDE);
        let cache = world.engine();
        let key = cache.key(Space::Caller, b"key");
        cache
            .put(&key, session(Kind::Reusable, 1, START))
            .expect("kept");
        world.at(LIFETIME);
        act(cache, &key);
        let stats = cache.stats();
        assert_eq!(
            (stats.expired, stats.removed, stats.endpoints),
            (1, 0, 0),
            "act {at}"
        );
    }
}

/// Other threads may map something where one was, but not where all were.
#[cfg(target_os = "linux")]
#[test]
fn caches_that_are_gone_give_their_pages_back() {
    const MANY: usize = 50;
    let cache = |_| {
        let cache = Cache::new(Options::default());
        let info = crate::session_info::SessionInfo::tls12(HOUR);
        cache.put(b"key", &info, b"session").expect("kept");
        let session = cache.get(b"key").expect("there");
        let at = session.bytes().expect("bytes").as_ptr().addr();
        (cache, at)
    };
    let (caches, places): (Vec<_>, Vec<usize>) = (0..MANY).map(cache).unzip();
    let mapped = || {
        let maps = std::fs::read_to_string("/proc/self/maps").expect("readable");
        let range = |line: &str| {
            let (from, to) = line.split_once(' ')?.0.split_once('-')?;
            let number = |hex| usize::from_str_radix(hex, 16).ok();
            Some(number(from)?..number(to)?)
        };
        let ranges: Vec<_> = maps.lines().filter_map(range).collect();
        let is_mapped = |at: &&usize| ranges.iter().any(|range| range.contains(*at));
        places.iter().filter(is_mapped).count()
    };
    assert_eq!(mapped(), MANY);
    drop(caches);
    assert!(mapped() < MANY);
}

#[test]
fn an_endpoint_of_which_a_part_is_over_can_still_be_evicted() {
    // More than one shard.
    let world = World::new(Options {
        max_endpoints: 1000,
        max_bytes: 100,
        ..WIDE
    });
    let cache = world.engine();
    let put = |name: &[u8], size, at| {
        let session = session(Kind::SingleUse, size, START + at);
        cache
            .put(&cache.key(Space::Caller, name), session)
            .expect("kept");
    };
    put(b"first", 40, 0);
    put(b"first", 40, LIFETIME / 2);
    world.at(LIFETIME);
    // The first look finds what is over, and that makes room. The next ones have to find the rest.
    put(b"second", 50, LIFETIME);
    put(b"third", 100, LIFETIME);
    let stats = cache.stats();
    assert_eq!((stats.expired, stats.evicted, stats.sessions), (1, 2, 1));
}

#[test]
fn bytes_that_shards_hold_and_do_not_use_make_room_before_anything_is_evicted() {
    const ENDPOINTS: u8 = 65;
    let world = World::new(Options {
        max_endpoints: ENDPOINTS.into(),
        max_bytes: 3200,
        ..WIDE
    });
    let cache = world.engine();
    let put = |name: &[u8], size| {
        let session = session(Kind::SingleUse, size, START);
        cache.put(&cache.key(Space::Caller, name), session)
    };
    // With an endpoint in each shard, each keeps what one of them no longer uses.
    for name in 0..ENDPOINTS {
        put(&[name], 100).expect("kept");
        cache
            .take(&cache.key(Space::Caller, &[name]))
            .expect("it is there");
    }
    // The second only fits without what shards keep.
    put(b"large", 2500).expect("kept");
    put(b"small", 600).expect("kept");
    let stats = cache.stats();
    assert_eq!(
        (stats.evicted, stats.sessions, stats.bytes),
        (0, 2, 2500 + 600)
    );
}
