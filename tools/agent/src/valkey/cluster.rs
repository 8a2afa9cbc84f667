//! The primaries of a cluster, each of which has some of the slots.

use super::link::{Link, PATIENCE, Primary, Trouble, connect, error, first};
use super::pause::Pause;
use super::url::at;
use redis::{Client, ConnectionInfo, RedisResult, Value};
use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::rc::Rc;
use std::time::Duration;
use tokio::sync::Mutex;

pub(super) struct Cluster {
    seeds: Vec<ConnectionInfo>,
    map: RefCell<Map>,
    /// Locked while somebody asks for the map: the others wait for that.
    asking: Mutex<()>,
    /// After the map was asked for.
    pause: Pause,
    trouble: Trouble,
}

#[derive(Default)]
struct Map {
    ranges: Vec<Range>,
    links: HashMap<Address, Rc<Link>>,
}

/// From the first to the last slot, and which server has them.
type Range = (u16, u16, Address);

type Address = (String, u16);

/// For how long the map is not asked for again at the most. The first answer after a node failed may be out of date.
const PAUSE: Duration = Duration::from_secs(2);

/// How many servers are asked at once at the most.
const ASKED: usize = 16;

impl Cluster {
    pub(super) fn new(seeds: Vec<ConnectionInfo>) -> Self {
        Self {
            seeds,
            map: RefCell::default(),
            asking: Mutex::default(),
            pause: Pause::up_to(PAUSE),
            trouble: Trouble::default(),
        }
    }

    pub(super) async fn link(&self, slot: u16) -> Option<Rc<Link>> {
        let known = self.map.borrow().link(slot);
        if known.is_none() {
            self.refresh().await;
            return self.map.borrow().link(slot);
        }
        known
    }

    pub(super) fn is_paused(&self, slot: u16) -> bool {
        match self.map.borrow().link(slot) {
            Some(link) => link.is_paused(),
            None => self.pause.is_on(),
        }
    }

    pub(super) fn is_up(&self) -> bool {
        let map = self.map.borrow();
        let trouble = map.links.values().any(|link| link.is_in_trouble());
        self.trouble.is_none() && !map.ranges.is_empty() && !trouble
    }

    pub(super) async fn tend(&self) {
        let moved = self.map.borrow().links.values().any(|link| link.moved());
        if self.is_up() && !moved {
            self.pause.reset();
            return;
        }
        self.refresh().await;
        let links: Vec<_> = self.map.borrow().links.values().map(Rc::clone).collect();
        for link in links.iter().filter(|link| link.is_in_trouble()) {
            link.open().await;
        }
    }

    async fn refresh(&self) {
        let _asking = self.asking.lock().await;
        if self.pause.is_on() {
            return;
        }
        match tokio::time::timeout(PATIENCE, self.ask()).await {
            Ok(Ok(ranges)) => {
                self.map.borrow_mut().update(ranges, &self.seeds[0]);
                self.trouble.ends();
            }
            Ok(Err(why)) => self.trouble.begins(&why.to_string()),
            Err(_) => self.trouble.begins("no answer"),
        }
        self.pause.begin();
    }

    /// Asks all at once that were named, and those that were found since: the first answer will do. If it is out of
    /// date, a server says so that is asked for what it does not have.
    async fn ask(&self) -> RedisResult<Vec<Range>> {
        let known: HashSet<Address> = self.map.borrow().links.keys().cloned().collect();
        let known = known.into_iter();
        let known = known.map(|(host, port)| at(&self.seeds[0], host, port));
        let servers = self.seeds.iter().cloned().chain(known).take(ASKED);
        first(servers.map(|server| async move {
            let host = match server.addr() {
                redis::ConnectionAddr::Tcp(host, _) => host.clone(),
                redis::ConnectionAddr::TcpTls { host, .. } => host.clone(),
                _ => String::new(),
            };
            let mut connection = connect(&Client::open(server)?).await?;
            let mut ask = redis::cmd("CLUSTER");
            let slots = ask.arg("SLOTS").query_async(&mut connection).await?;
            ranges(slots, &host)
        }))
        .await
    }
}

impl Map {
    fn link(&self, slot: u16) -> Option<Rc<Link>> {
        let mut ranges = self.ranges.iter();
        let (_, _, address) = ranges.find(|(first, last, _)| (*first..=*last).contains(&slot))?;
        self.links.get(address).map(Rc::clone)
    }

    /// Keeps the connections to servers that have slots.
    fn update(&mut self, ranges: Vec<Range>, like: &ConnectionInfo) {
        let mut old = std::mem::take(&mut self.links);
        for (_, _, address) in &ranges {
            if self.links.contains_key(address) {
                continue;
            }
            let link = old.remove(address).or_else(|| {
                let server = at(like, address.0.clone(), address.1);
                Some(Rc::new(Link::new(Primary::At(
                    Client::open(server).ok()?.into(),
                ))))
            });
            if let Some(link) = link {
                link.confirm();
                self.links.insert(address.clone(), link);
            }
        }
        self.ranges = ranges;
    }
}

/// What `CLUSTER SLOTS` says, asked of this host: on each range its first and last slot, and the servers, of which the
/// first is the primary.
fn ranges(slots: Vec<Vec<Value>>, asked: &str) -> RedisResult<Vec<Range>> {
    let mut ranges = Vec::new();
    for range in slots {
        let [first, last, Value::Array(primary), ..] = &range[..] else {
            return Err(error("CLUSTER SLOTS says something else"));
        };
        let [host, port, ..] = &primary[..] else {
            return Err(error("CLUSTER SLOTS says something else"));
        };
        let number = |value: &Value| {
            let number = redis::from_redis_value_ref::<i64>(value)?;
            u16::try_from(number).map_err(|_| error("CLUSTER SLOTS says something else"))
        };
        // Nothing: that of whom was asked.
        let host: Option<String> = redis::from_redis_value_ref(host)?;
        let host = host.filter(|host| !host.is_empty());
        let host = host.unwrap_or_else(|| asked.into());
        ranges.push((number(first)?, number(last)?, (host, number(port)?)));
    }
    if ranges.is_empty() {
        return Err(error("no server of the cluster has slots"));
    }
    Ok(ranges)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_server_of_a_range_has_it() {
        let text = |text: &str| Value::BulkString(text.into());
        let server = |host, port| Value::Array(vec![host, Value::Int(port), text("id")]);
        let range = |first, last, host| {
            let range = [Value::Int(first), Value::Int(last), server(host, 1)];
            let replica = server(text("replica"), 2);
            range.into_iter().chain([replica]).collect::<Vec<_>>()
        };
        // A server that does not know its own name, or has none to announce, is the one that was asked.
        let slots = vec![
            range(0, 5, text("a")),
            range(6, 6, text("")),
            range(8, 16383, Value::Nil),
        ];
        let address = |host: &str| (host.to_owned(), 1);
        let found = ranges(slots, "asked").unwrap();
        let expected = [
            (0, 5, address("a")),
            (6, 6, address("asked")),
            (8, 16383, address("asked")),
        ];
        assert_eq!(found, expected);
        for nonsense in [vec![], vec![Value::Int(1)], range(0, 16384 * 4, text("a"))] {
            assert!(ranges(vec![nonsense], "asked").is_err());
        }
        assert!(ranges(Vec::new(), "asked").is_err());

        let mut map = Map::default();
        let like = redis::IntoConnectionInfo::into_connection_info("redis://seed").unwrap();
        map.update(expected.to_vec(), &like);
        let kept = map.link(0).unwrap();
        assert!(!Rc::ptr_eq(&kept, &map.link(6).unwrap()));
        assert!(map.link(7).is_none());
        map.update(vec![(7, 7, address("a"))], &like);
        assert!(Rc::ptr_eq(&kept, &map.link(7).unwrap()));
        assert!(map.link(0).is_none() && map.links.len() == 1);
    }
}
