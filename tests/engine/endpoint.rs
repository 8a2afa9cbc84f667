//! Who a session is for: endpoints and configs.

use super::*;
use crate::endpoint::Invalid;
use crate::endpoint::MAX_NAME;
use crate::error::Error;

#[test]
fn a_session_is_offered_only_to_its_own_endpoint() {
    let others = [
        to(b"db.example", 9143, b"", b""),
        to(b"db.example.", 9142, b"", b""),
        to(b"other", 9142, b"", b""),
        to(b"other", 9142, b"db.example", b""),
        to(b"db.example", 9142, b"other", b""),
        to(b"db.example", 9142, b"", b"db.example"),
        to(b"db.example", 9142, b"", b"g"),
        to(b"db.example", 9142, b"", b"G"),
        to(b"db.example", 9142, b"other", b"g"),
        // Names next to each other must not run into one another.
        to(b"ab", 9142, b"c", b""),
        to(b"a", 9142, b"bc", b""),
    ];
    let world = World::new(WIDE);
    world.full(&[1]);
    let owners: Vec<_> = others
        .iter()
        .zip(100..)
        .map(|(endpoint, number)| {
            let attempt = connect(&world.config, endpoint);
            assert_eq!(offer(&attempt), Ok(None), "{endpoint:?}");
            receive(&attempt, number, TLS_1_2, HOUR).expect("kept");
            attempt.established(false).expect("open");
            (endpoint, number)
        })
        .collect();
    for (endpoint, number) in owners {
        let attempt = connect(&world.config, endpoint);
        assert_eq!(offer(&attempt), Ok(Some(number)), "{endpoint:?}");
    }
    assert_eq!(offer(&world.connect()), Ok(Some(1)));
}

#[test]
fn endpoints_that_are_the_same_share() {
    let world = World::new(WIDE);
    let same = [
        (HOST, to(b"DB.example", 9142, b"", b"")),
        (HOST, to(b"db.example", 9142, b"db.Example", b"")),
        (to(b"a", 1, b"n", b"g"), to(b"b", 2, b"n", b"g")),
    ];
    for (number, (one, other)) in (0..).zip(same) {
        let attempt = connect(&world.config, &one);
        receive(&attempt, number, TLS_1_3, HOUR).expect("kept");
        attempt.established(false).expect("open");
        assert_eq!(world.config.available(&other), Ok(1));
        assert_eq!(offer(&connect(&world.config, &other)), Ok(Some(number)));
    }
}

#[test]
fn sessions_never_cross_configs_unless_these_say_that_they_are_the_same() {
    let world = World::new(WIDE);
    let config = |identity| {
        Arc::new(Config {
            identity,
            client_not_after: None,
            ..Config::new(&world.config.cache)
        })
    };
    let given = |bytes: &[u8]| config(Identity::Given(bytes.into()));
    let own = Identity::own();
    let Identity::Own(number) = own else {
        panic!("its own is its own");
    };
    let configs = [
        config(own),
        config(Identity::own()),
        given(b"a"),
        given(b"b"),
        given(&number.to_be_bytes()),
    ];
    for (config, number) in configs.iter().zip(0..) {
        let attempt = connect(config, &HOST);
        assert_eq!(offer(&attempt), Ok(None), "{:?}", config.identity);
        receive(&attempt, number, TLS_1_2, HOUR).expect("kept");
        attempt.established(false).expect("open");
    }
    for (config, number) in configs.iter().zip(0..) {
        assert_eq!(offer(&connect(config, &HOST)), Ok(Some(number)));
    }
    assert_eq!(offer(&connect(&given(b"a"), &HOST)), Ok(Some(2)));
}

#[test]
fn names_have_a_limit() {
    let world = World::new(WIDE);
    let (fits, long) = ([b'a'; MAX_NAME], [b'a'; MAX_NAME + 1]);
    let refused = |endpoint| Connection::new(&world.config, &endpoint).map(|_| ());
    let names = |name| {
        [
            to(name, 9142, b"", b""),
            to(b"db.example", 9142, name, b""),
            to(b"db.example", 9142, b"", name),
        ]
    };
    for (good, bad) in names(&fits).into_iter().zip(names(&long)) {
        assert_eq!(refused(good), Ok(()));
        assert_eq!(refused(bad), Err(Invalid::NameTooLong));
        assert_eq!(world.config.available(&bad), Err(Error::TooLarge));
    }
    assert_eq!(refused(to(b"", 9142, b"", b"")), Err(Invalid::NoHost));
    assert_eq!(world.connect().server_name(), HOST.host);
    let named = to(b"db.example", 9142, b"name", b"");
    assert_eq!(connect(&world.config, &named).server_name(), b"name");
}
