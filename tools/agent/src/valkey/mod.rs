//! What agents of many hosts share through an engine, Valkey or Redis: docs/sharing.md, "Between hosts".
//!
//! No handshake waits for the engine unless its attempt would wait for a session anyway: what is missing here is
//! fetched ahead, and what is left over published, in tasks of their own.

mod cluster;
mod engine;
mod keys;
mod link;
mod pause;
mod sentinel;
mod stock;
mod url;

pub(crate) use stock::Stock;

use crate::args::Args;
use engine::Engine;
use keys::Keys;
use libtsc::Cache;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

pub(crate) struct Fleet {
    common: Rc<Common>,
    stocks: RefCell<HashMap<Whose, Rc<Stock>>>,
}

/// The user and the key.
type Whose = (String, Box<[u8]>);

/// What all stocks need.
struct Common {
    keys: Keys,
    engine: Engine,
    /// How many sessions of each endpoint stay here.
    stock: usize,
    /// How many of each endpoint the engine has at the most.
    most: usize,
    counts: Counts,
}

#[derive(Default)]
struct Counts {
    published: Cell<u64>,
    fetched: Cell<u64>,
    /// Fetched, and of no use.
    dropped: Cell<u64>,
    /// Published, and dropped for newer ones.
    displaced: Cell<u64>,
    /// Published or taken, or not: that is not known.
    lost: Cell<u64>,
}

/// Of how many endpoints sessions are shared with other hosts at the same time.
const MAX_STOCKS: usize = 10_000;

/// How long it may take to give back all that is here.
const FAREWELL: Duration = Duration::from_secs(3);

impl Fleet {
    /// `None`: this agent shares with none.
    pub(crate) fn new(args: &Args) -> anyhow::Result<Option<Rc<Self>>> {
        let (Some(url), Some(key)) = (&args.valkey, &args.valkey_key) else {
            return Ok(None);
        };
        let common = Rc::new(Common {
            keys: Keys::read(key)?,
            engine: url::engine(
                url,
                &url::Files {
                    authorities: args.valkey_ca.as_deref(),
                    own: args.valkey_certificate(),
                },
            )?,
            stock: args.valkey_stock(),
            most: args.valkey_sessions as usize,
            counts: Counts::default(),
        });
        let stocks = RefCell::default();
        Ok(Some(Rc::new(Self { common, stocks })))
    }

    fn stock(&self, user: &str, cache: &Arc<Cache>, key: &[u8]) -> Option<Rc<Stock>> {
        let mut stocks = self.stocks.borrow_mut();
        let whose = (String::from(user), Box::from(key));
        if let Some(stock) = stocks.get(&whose) {
            return Some(Rc::clone(stock));
        }
        if stocks.len() >= MAX_STOCKS {
            return None;
        }
        let stock = Rc::new(Stock::new(&self.common, cache, user, key));
        stocks.insert(whose, Rc::clone(&stock));
        Some(stock)
    }

    /// Sees to what nothing else calls for: the engine is back, there is room again, time has passed.
    pub(crate) fn sweep(self: &Rc<Self>) {
        let mut stocks = self.stocks.borrow_mut();
        stocks.retain(|_, stock| Rc::strong_count(stock) > 1 || !stock.is_idle());
        stocks.values().for_each(Stock::tend);
        let common = Rc::clone(&self.common);
        tokio::task::spawn_local(async move { common.engine.tend().await });
    }

    /// Gives what is here to the other hosts.
    pub(crate) async fn give_back(&self) {
        let stocks: Vec<_> = self.stocks.borrow().values().map(Rc::clone).collect();
        let all = async {
            for stock in stocks {
                stock.publish(usize::MAX).await;
            }
        };
        let _ = tokio::time::timeout(FAREWELL, all).await;
    }

    /// Tells `number` how it is: kind, name, meaning and value.
    pub(crate) fn status(&self, number: &mut impl FnMut(&str, &str, &str, u64)) {
        let Common { counts, engine, .. } = &*self.common;
        number(
            "gauge",
            "valkey_up",
            "Whether there is a connection to Valkey.",
            engine.is_up().into(),
        );
        number(
            "gauge",
            "valkey_endpoints",
            "Endpoints whose sessions are shared with other hosts.",
            self.stocks.borrow().len() as u64,
        );
        for (name, help, count) in [
            (
                "valkey_published_total",
                "Sessions that other hosts may fetch.",
                &counts.published,
            ),
            (
                "valkey_fetched_total",
                "Sessions that came from other hosts.",
                &counts.fetched,
            ),
            (
                "valkey_dropped_total",
                "What was fetched and is of no use: expired, refused, not authentic, or there is no room.",
                &counts.dropped,
            ),
            (
                "valkey_displaced_total",
                "Sessions that made room in Valkey for newer ones of their endpoint.",
                &counts.displaced,
            ),
            (
                "valkey_lost_total",
                "Sessions that are nobody's, at the most: Valkey did not answer when they were published or fetched.",
                &counts.lost,
            ),
        ] {
            number("counter", name, help, count.get());
        }
    }
}

/// A user's sessions of other hosts.
pub(crate) struct Shared {
    fleet: Rc<Fleet>,
    /// As which they are known there: by the number of the user.
    user: String,
    cache: Arc<Cache>,
}

impl Shared {
    /// `None`: of all users.
    pub(crate) fn new(fleet: &Rc<Fleet>, user: Option<u32>, cache: &Arc<Cache>) -> Self {
        Self {
            fleet: Rc::clone(fleet),
            user: user.map_or("all".into(), |uid| uid.to_string()),
            cache: Arc::clone(cache),
        }
    }

    /// Those of an endpoint; `None`: they stay on this host.
    pub(crate) fn stock(&self, key: &[u8]) -> Option<Rc<Stock>> {
        self.fleet.stock(&self.user, &self.cache, key)
    }
}
