//! Sessions as they grow old: for how long they are taken, what a reload does to them, and how often they can be
//! renewed.

use crate::facts::{Unknown, unless_stopped, usable};
use crate::pace::{Clock, Stopped};
use serde::{Deserialize, Serialize};
use std::time::Duration;

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Watch {
    pub checks: Vec<Check>,
    /// In seconds: the age of the oldest session that was resumed, and of the youngest that had grown too old;
    /// null: none had.
    pub oldest_resumed: Option<u64>,
    pub too_old: Option<u64>,
    /// Between which checks, in seconds since the begin, all that had been issued became worthless: a restart, or
    /// a reload with new keys.
    pub lost: Vec<[u64; 2]>,
    /// The longest chain of connections that each offered what the one before received.
    pub renewals: u32,
    /// How often a session had been renewed that was refused although an older one was taken that had not.
    pub renewal_refused: Option<u32>,
    /// Why it ended before its time.
    pub ended: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Check {
    /// Seconds since the begin.
    pub at: u64,
    /// Of the session that had not been renewed; null: the server had given none.
    pub age: Option<u64>,
    pub resumed: Option<bool>,
    /// How often the other one had been renewed.
    pub renewed: u32,
    pub renewal_resumed: Option<bool>,
}

impl std::fmt::Display for Check {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let word = |resumed: Option<bool>| match resumed {
            Some(true) => "resumed",
            Some(false) => "refused",
            None => "none",
        };
        let age = self.age.unwrap_or(self.at);
        write!(
            f,
            "{} s: a session {age} s old: {}; one renewed {} times: {}",
            self.at,
            word(self.resumed),
            self.renewed,
            word(self.renewal_resumed)
        )
    }
}

/// The server, and the time.
pub trait World: Clock {
    type Session;

    /// A session from a full handshake.
    fn fresh(&mut self) -> Result<Option<Self::Session>, Unknown>;

    /// Whether the server resumes, and what it gives then.
    fn offer(&mut self, session: Self::Session) -> Result<(bool, Option<Self::Session>), Unknown>;
}

/// Looks now and after each interval; `tell` is called after each look.
pub fn watch<W: World>(
    world: &mut W,
    every: Duration,
    checks: u32,
    tell: impl FnMut(&Check),
) -> Watch {
    let mut watching = Watching {
        world,
        every,
        checks,
        found: Watch::default(),
        old: Vec::new(),
        issued: Duration::ZERO,
        chain: None,
        renewed: 0,
        last: 0,
    };
    if let Err(why) = watching.run(tell) {
        watching.found.ended = Some(why.to_string());
    }
    watching.found
}

struct Watching<'a, W: World> {
    world: &'a mut W,
    every: Duration,
    checks: u32,
    found: Watch,
    /// One for each check that is to come: a session may be good only once.
    old: Vec<W::Session>,
    issued: Duration,
    chain: Option<W::Session>,
    renewed: u32,
    /// When the last check was, in seconds.
    last: u64,
}

impl<W: World> Watching<'_, W> {
    fn run(&mut self, mut tell: impl FnMut(&Check)) -> Result<(), Unknown> {
        let begin = self.world.now();
        self.stock(self.checks)?;
        self.chain = self.world.fresh()?;
        for number in 0..self.checks {
            self.world.wait_until(begin + self.every * number)?;
            let check = self.check(begin, self.checks - number - 1)?;
            tell(&check);
            self.last = check.at;
            self.found.checks.push(check);
            if self.found.oldest_resumed.is_none() && self.found.renewals == 0 {
                self.found.ended = Some("the server takes none of its sessions".to_owned());
                break;
            }
        }
        Ok(())
    }

    fn stock(&mut self, number: u32) -> Result<(), Unknown> {
        self.old.clear();
        self.issued = self.world.now();
        for _ in 0..number {
            self.old.extend(self.world.fresh()?);
        }
        Ok(())
    }

    /// `left`: how many checks come after this one.
    fn check(&mut self, begin: Duration, left: u32) -> Result<Check, Unknown> {
        let now = self.world.now();
        let mut check = Check {
            at: (now - begin).as_secs(),
            age: None,
            resumed: None,
            renewed: self.renewed,
            renewal_resumed: None,
        };
        let age = (now - self.issued).as_secs();
        if let Some(session) = self.old.pop() {
            check.age = Some(age);
            check.resumed = Some(self.world.offer(session)?.0);
        }
        if let Some(session) = self.chain.take() {
            let (resumed, next) = self.world.offer(session)?;
            check.renewal_resumed = Some(resumed);
            self.renewed = match (resumed, &next) {
                (true, Some(_)) => self.renewed + 1,
                _ => 0,
            };
            self.found.renewals = self.found.renewals.max(self.renewed);
            self.chain = next;
        }
        if self.chain.is_none() {
            // The server does not renew, or did not answer.
            self.chain = self.world.fresh().ok().flatten();
        }
        match (check.resumed, check.renewal_resumed) {
            (Some(true), renewal) => {
                self.found.oldest_resumed = self.found.oldest_resumed.max(Some(age));
                if renewal == Some(false) {
                    // The keys may have changed between the two: another old one tells.
                    match self.old.pop().map(|another| self.world.offer(another)) {
                        Some(Ok((true, _))) => {
                            self.found.renewal_refused.get_or_insert(check.renewed);
                        }
                        Some(Ok((false, _))) => self.lose(check.at, left)?,
                        Some(Err(why)) => return Err(why),
                        None => {}
                    }
                }
            }
            // A younger one is taken, so it is its age.
            (Some(false), Some(true)) => {
                self.found.too_old = Some(self.found.too_old.map_or(age, |known| known.min(age)));
                self.stock(left)?;
            }
            // Both at once: the server has forgotten all that it issued.
            (Some(false), Some(false)) => {
                self.lose(check.at, left)?;
            }
            (Some(false) | None, _) => {}
        }
        Ok(check)
    }

    fn lose(&mut self, at: u64, left: u32) -> Result<(), Unknown> {
        self.found.lost.push([self.last, at]);
        self.stock(left)
    }
}

/// A real server, in real time.
pub struct Real<'a> {
    pub pace: &'a crate::pace::Pace,
    pub client: &'a crate::client::Client,
    pub address: std::net::SocketAddr,
}

impl Clock for Real<'_> {
    fn now(&self) -> Duration {
        self.pace.now()
    }

    fn wait_until(&self, then: Duration) -> Result<(), Stopped> {
        Clock::wait_until(self.pace, then)
    }
}

impl World for Real<'_> {
    type Session = crate::ticket::Session;

    fn fresh(&mut self) -> Result<Option<Self::Session>, Unknown> {
        let made = crate::facts::session(self.pace, self.client, self.address);
        unless_stopped(self.pace, made)
    }

    fn offer(&mut self, session: Self::Session) -> Result<(bool, Option<Self::Session>), Unknown> {
        // The client would not offer one that is past its lifetime, and the server is what is asked about.
        let session = session.rejuvenated().unwrap_or(session);
        self.pace.connection()?;
        let made = self.client.visit_briefly(self.address, Some(&session));
        match unless_stopped(self.pace, Ok(made))? {
            Ok(visit) => Ok((visit.resumed, usable(&visit))),
            // A server that is down for a moment, as in a restart, is no end of the watch.
            Err(_) => Ok((false, None)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    /// A server of which is known what it does, and a clock that moves only when it is waited for.
    struct Scripted {
        now: Cell<Duration>,
        lifetime: u64,
        reloads: Vec<u64>,
        most_renewals: u32,
        ends: u64,
        takes: bool,
        reloads_after_offers: Option<u32>,
        offers: u32,
    }

    struct Session {
        /// How many offers there had been.
        before: u32,
        issued: u64,
        renewed: u32,
    }

    impl Clock for Scripted {
        fn now(&self) -> Duration {
            self.now.get()
        }

        fn wait_until(&self, then: Duration) -> Result<(), Stopped> {
            if then.as_secs() >= self.ends {
                return Err(Stopped::ByUser);
            }
            self.now.set(self.now.get().max(then));
            Ok(())
        }
    }

    impl World for Scripted {
        type Session = Session;

        fn fresh(&mut self) -> Result<Option<Session>, Unknown> {
            Ok(Some(Session {
                before: self.offers,
                issued: self.now().as_secs(),
                renewed: 0,
            }))
        }

        fn offer(&mut self, session: Session) -> Result<(bool, Option<Session>), Unknown> {
            let now = self.now().as_secs();
            let reloaded = self
                .reloads
                .iter()
                .any(|at| (session.issued..now).contains(at));
            let reloaded = reloaded
                || self
                    .reloads_after_offers
                    .is_some_and(|after| session.before < after && self.offers >= after);
            self.offers += 1;
            let resumed = self.takes
                && now - session.issued <= self.lifetime
                && !reloaded
                && session.renewed <= self.most_renewals;
            let next = Session {
                before: self.offers,
                issued: now,
                renewed: if resumed { session.renewed + 1 } else { 0 },
            };
            Ok((resumed, Some(next)))
        }
    }

    fn looked_at(server: Scripted) -> Watch {
        let mut server = server;
        watch(&mut server, Duration::from_secs(60), 10, |_| {})
    }

    fn good() -> Scripted {
        Scripted {
            now: Cell::new(Duration::from_secs(5)),
            lifetime: 7200,
            reloads: Vec::new(),
            most_renewals: u32::MAX,
            ends: u64::MAX,
            takes: true,
            reloads_after_offers: None,
            offers: 0,
        }
    }

    #[test]
    fn what_lives_longer_is_resumed_each_time() {
        let found = looked_at(good());
        assert_eq!((found.oldest_resumed, found.too_old), (Some(540), None));
        assert_eq!((found.renewals, found.renewal_refused), (10, None));
        assert!(found.lost.is_empty() && found.ended.is_none(), "{found:?}");
    }

    #[test]
    fn a_lifetime_is_measured_between_two_checks() {
        let found = looked_at(Scripted {
            lifetime: 200,
            ..good()
        });
        assert_eq!(
            (found.oldest_resumed, found.too_old),
            (Some(180), Some(240))
        );
        // Renewed each minute, the other goes on.
        assert_eq!(found.renewals, 10);
        assert!(found.lost.is_empty(), "{found:?}");
    }

    #[test]
    fn a_reload_loses_both_and_the_watch_begins_again() {
        let found = looked_at(Scripted {
            reloads: vec![130],
            ..good()
        });
        assert_eq!(found.lost, [[120, 180]]);
        assert_eq!(found.too_old, None);
        assert_eq!(found.oldest_resumed, Some(360), "of those since the reload");
    }

    #[test]
    fn a_limit_of_renewals_is_none_of_age() {
        let found = looked_at(Scripted {
            most_renewals: 3,
            ..good()
        });
        assert_eq!(found.renewal_refused, Some(4));
        assert_eq!((found.renewals, found.too_old), (4, None));
        assert!(found.lost.is_empty(), "{found:?}");
    }

    #[test]
    fn who_takes_nothing_is_looked_at_once() {
        let found = looked_at(Scripted {
            takes: false,
            ..good()
        });
        assert_eq!(found.checks.len(), 1);
        assert_eq!((found.oldest_resumed, found.renewals), (None, 0));
        assert!(found.ended.is_some());
    }

    #[test]
    fn a_reload_within_a_look_is_no_limit_of_renewals() {
        let found = looked_at(Scripted {
            reloads_after_offers: Some(5), // the older one of the third look
            ..good()
        });
        assert_eq!(found.lost, [[60, 120]]);
        assert_eq!(found.renewal_refused, None);
    }

    #[test]
    fn who_stops_it_gets_what_was_found() {
        let found = looked_at(Scripted {
            ends: 150,
            ..good()
        });
        assert_eq!(found.checks.len(), 3);
        assert_eq!(found.oldest_resumed, Some(120));
        assert_eq!(found.ended.as_deref(), Some("stopped by you"));
    }
}
