//! What the crate's own API promises of its types, and what it makes of odd input.

use crate::{
    Attempt, AttemptInfo, AttemptState, Cache, Config, Endpoint, Error, Event, Export, Failure,
    Forecast, Options, Ready, Session, SessionInfo, Stats,
};
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

#[test]
fn any_thread_may_use_any_of_it_and_an_executor_may_move_a_future() {
    fn shared<T: Send + Sync + 'static>() {}
    fn movable<T: Unpin>() {}
    shared::<Attempt>();
    shared::<Cache>();
    shared::<Config>();
    shared::<Endpoint<'static>>();
    shared::<Error>();
    shared::<Event<'static>>();
    shared::<Export>();
    shared::<Failure>();
    shared::<Forecast>();
    shared::<AttemptInfo>();
    shared::<Options>();
    shared::<Ready>();
    shared::<Session>();
    shared::<SessionInfo>();
    shared::<AttemptState>();
    shared::<Stats>();
    movable::<Ready>();
    #[cfg(feature = "rustls")]
    {
        shared::<crate::rustls::Attempt>();
        shared::<crate::rustls::Config>();
    }
}

#[test]
fn odd_input_is_an_error_and_no_panic() {
    let options = Options {
        max_endpoints: 0,
        max_sessions_per_endpoint: 0,
        ttl_seconds: u32::MAX,
        max_session_bytes: u32::MAX,
        max_lineage_age_seconds: u32::MAX,
        max_full_handshakes: u32::MAX,
        failure_budget: 0,
        ..Options::default()
    };
    let cache = Cache::new(options);
    let config = Config::new(&cache).client_not_after(i64::MAX);
    let long = "x".repeat(256);
    let good = Endpoint::new("h", 0);
    for (endpoint, why) in [
        (Endpoint::new("", 1), Error::InvalidArgument),
        (
            Endpoint::new("", 1).server_name("n").group(b"g"),
            Error::InvalidArgument,
        ),
        (Endpoint::new(&long, 1), Error::TooLarge),
        (good.server_name(&long), Error::TooLarge),
        (good.group(long.as_bytes()), Error::TooLarge),
    ] {
        assert_eq!(config.begin(&endpoint).err(), Some(why));
        assert_eq!(config.available(&endpoint), Err(why));
        assert_eq!(config.forecast(&endpoint), Err(why));
    }
    assert_eq!(
        config.clone().identity(b"").err(),
        Some(Error::InvalidArgument)
    );
    assert_eq!(
        config.clone().identity(long.as_bytes()).err(),
        Some(Error::TooLarge)
    );

    for not_after in [i64::MIN, -1, 0, i64::MAX] {
        let attempt = config.begin(&good).expect("good");
        attempt.set_not_after(not_after).expect("this process");
        let info = SessionInfo::tls13(u32::MAX).not_after(not_after);
        let _ = attempt.receive(&info, b"x");
        attempt.established(false).expect("open");
    }
    let attempt = config.begin(&good).expect("good");
    for info in [0, 0x0300, 0x0305, u16::MAX] {
        let info = SessionInfo {
            tls_version: info,
            ..SessionInfo::tls13(1)
        };
        assert_eq!(attempt.receive(&info, b"x"), Err(Error::InvalidArgument));
        assert_eq!(cache.put(b"k", &info, b"x"), Err(Error::InvalidArgument));
    }
    let info = SessionInfo::tls13(1);
    assert_eq!(attempt.receive(&info, b""), Err(Error::InvalidArgument));
    let huge = attempt.receive_object(&info, std::sync::Arc::new(()), usize::MAX);
    assert_eq!(huge, Err(Error::TooLarge));
    for key in [vec![], vec![0; 1025]] {
        assert!(cache.put(&key, &info, b"x").is_err());
        assert!(cache.get(&key).is_none());
        assert!(!cache.remove(&key));
    }
    for wait in [Duration::ZERO, Duration::MAX] {
        // A wait for nothing ends at once.
        let attempt = config.begin(&Endpoint::new("other", 1)).expect("good");
        let mut ready = pin!(attempt.ready(wait));
        let polled = ready.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        assert_eq!(polled, Poll::Ready(Ok(())));
        attempt.wait(wait).expect("open");
    }
}
