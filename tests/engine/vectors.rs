//! tests/vectors/attempt.txt, in Rust.

use super::{TLS_1_2, TLS_1_3, received};
use crate::cache::Cache;
use crate::config::Config;
use crate::connection::{Connection, Failure, NotNow};
use crate::endpoint::{Endpoint, Invalid};
use crate::engine::{Clock, Discard, Options, Payload, Reason};
use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// The defaults of `tsc_options`, as far as a vector can meet them.
const DEFAULTS: Options = Options {
    enabled: true,
    max_endpoints: 100,
    max_sessions_per_endpoint: 64,
    ttl_seconds: 3600,
    max_bytes: 8 << 20,
    max_session_bytes: 64 << 10,
    max_lineage_age_seconds: 86400,
    reuse_when_dry: false,
    max_full_handshakes: 0,
    failure_budget: 12,
};

struct World {
    time: Arc<AtomicU64>,
    cache: Arc<Cache>,
    configs: HashMap<String, Arc<Config>>,
    attempts: HashMap<String, Arc<Connection>>,
}

impl World {
    fn new() -> Self {
        let time = Arc::new(AtomicU64::new(0));
        let read = Arc::clone(&time);
        let clock = Clock::Driven(Box::new(move || read.load(Relaxed)));
        Self {
            time,
            cache: Cache::over(DEFAULTS, clock, None),
            configs: HashMap::new(),
            attempts: HashMap::new(),
        }
    }

    #[cfg(agent)]
    fn sharing(self) -> Self {
        let nowhere = crate::agent::Agent::at("/dev/null/agent");
        Self {
            cache: self.cache.with_agent(nowhere),
            ..self
        }
    }

    /// Does what a line says, and gives what is answered; nothing, for what has no answer.
    fn run(&mut self, words: &[&str]) -> String {
        match *words {
            ["config", name, ref identity @ ..] => {
                let config = Config::new(&self.cache);
                let config = identity.iter().try_fold(config, |config, identity| {
                    config.identity(identity.as_bytes())
                });
                let config = config.expect("a good identity");
                self.configs.insert(name.to_owned(), Arc::new(config));
                String::new()
            }
            ["clock", seconds] => {
                let seconds: u64 = seconds.parse().expect("a number");
                self.time.fetch_add(seconds * 1000, Relaxed);
                String::new()
            }
            ["clear"] => {
                self.cache.clear();
                String::new()
            }
            ["close"] => {
                self.cache.engine().close();
                String::new()
            }
            ["available", config, ref to @ ..] => self.configs[config]
                .available(&endpoint(to))
                .expect("a good endpoint")
                .to_string(),
            ["attempt", name, config, ref to @ ..] => {
                match Connection::new(&self.configs[config], &endpoint(to)) {
                    Ok(attempt) => {
                        self.attempts.insert(name.to_owned(), attempt);
                        "ok".to_owned()
                    }
                    Err(Invalid::NoHost) => "invalid_argument".to_owned(),
                    Err(Invalid::NameTooLong) => "too_large".to_owned(),
                }
            }
            ["free", name] => {
                self.attempts.remove(name).expect("an attempt").release();
                String::new()
            }
            ["receive", name, version, seconds, session] => {
                let version = if version == "13" { TLS_1_3 } else { TLS_1_2 };
                let seconds = seconds.parse().expect("a number");
                let info = received(version, seconds);
                let payload = Payload::Value(Arc::new(session.to_owned()));
                let received = self.attempts[name].receive(payload, session.len(), &info);
                match received {
                    Ok(()) => "ok",
                    Err((Discard::TooLarge, _)) => "too_large",
                    Err((Discard::NoMemory, _)) => "no_memory",
                    Err((Discard::Closed, _)) => "closed",
                    Err(_) => "discarded",
                }
                .to_owned()
            }
            ["offer", name] => match self.attempts[name].offer(|session, _| text(&session.payload))
            {
                Ok(Some(session)) => session,
                Ok(None) => "not_found".to_owned(),
                Err(why) => status(Err(why)),
            },
            ["wait", name, millis] => {
                let millis = millis.parse().expect("a number");
                self.attempts[name].wait(millis).expect("open");
                String::new()
            }
            ["withdraw", name] => status(self.attempts[name].withdraw()),
            ["sent", name] => status(self.attempts[name].sent()),
            ["established", name, how] => status(self.attempts[name].established(how == "resumed")),
            ["failed", name, facts] => status(self.attempts[name].failed(seen(facts))),
            ["reason", name] => {
                let info = self.attempts[name].info().expect("the same process");
                reason(info.reason).to_owned()
            }
            _ => panic!("no such line: {words:?}"),
        }
    }
}

fn endpoint<'a>(words: &[&'a str]) -> Endpoint<'a> {
    let (host, port, server_name, group, verification) = match *words {
        [host, port, server_name, group] => (host, port, server_name, group, "-"),
        [host, port, server_name, group, verification] => {
            (host, port, server_name, group, verification)
        }
        _ => panic!("no endpoint: {words:?}"),
    };
    let bytes = |word: &'a str| if word == "-" { b"" } else { word.as_bytes() };
    Endpoint {
        host: bytes(host),
        port: port.parse().expect("a port"),
        server_name: bytes(server_name),
        group: bytes(group),
        verification: bytes(verification),
        client_certificate: false,
    }
}

fn seen(facts: &str) -> Failure {
    let mut seen = Failure::NOT_SENT;
    for fact in facts.split('|') {
        match fact {
            "none" => {}
            "sent" => seen.sent = true,
            "handshake_done" => seen.handshake_done = true,
            "resumed" => seen.resumed = true,
            "timed_out" => seen.timed_out = true,
            "cancelled" => seen.cancelled = true,
            "alert" => seen.alert = true,
            _ => panic!("no such fact: {fact}"),
        }
    }
    seen
}

fn reason(reason: Reason) -> &'static str {
    match reason {
        Reason::None => "none",
        Reason::NothingStored => "nothing_stored",
        Reason::OtherVerification => "other_verification",
        Reason::Expired => "expired",
        Reason::Evicted => "evicted",
        Reason::Taken => "taken",
        Reason::Refused => "refused",
        Reason::Withheld => "withheld",
        Reason::WaitedInVain => "waited_in_vain",
        Reason::NotSent => "not_sent",
        Reason::NotAsked => "not_asked",
        Reason::CacheOff => "cache_off",
        Reason::Failed => "failed",
        Reason::AgentAway => "agent_away",
    }
}

fn text(payload: &Payload) -> String {
    let Payload::Value(value) = payload else {
        panic!("this test stores values");
    };
    value.downcast_ref::<String>().expect("a string").clone()
}

fn status(answer: Result<(), NotNow>) -> String {
    match answer {
        Ok(()) => "ok",
        Err(NotNow::WrongState) => "wrong_state",
        Err(NotNow::NothingOffered) => "invalid_argument",
        Err(NotNow::Forked) => "closed",
    }
    .to_owned()
}

#[test]
fn every_language_is_answered_the_same() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/attempt.txt");
    let lines = fs::read_to_string(path).expect("it is there");
    let mut world = World::new();
    let (mut answers, mut skips) = (0, false);
    for (number, line) in lines.lines().enumerate() {
        let (does, expected) = match line.split_once(" = ") {
            Some((does, expected)) => (does, expected.trim()),
            None => (line, ""),
        };
        let words: Vec<&str> = does.split_whitespace().collect();
        match words.first() {
            None => {}
            Some(word) if word.starts_with('#') => {}
            Some(&"case") => (world, skips) = (World::new(), false),
            Some(_) if skips => {}
            #[cfg(agent)]
            Some(&"share") => world = world.sharing(),
            #[cfg(not(agent))]
            Some(&"share") => skips = true,
            Some(_) => {
                let answer = world.run(&words);
                assert_eq!(answer, expected, "line {}: {line}", number + 1);
                answers += usize::from(!expected.is_empty());
            }
        }
    }
    assert!(answers > 100);
}
