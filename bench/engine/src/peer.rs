//! Other caches, doing the same work: bytes are copied in and copied out.
//!
//! None of them wipes what it releases or keeps it in pages of its own.

use std::collections::{HashMap, VecDeque};
use std::ffi::c_void;
use std::sync::{Arc, Mutex};

/// Tickets that each cache keeps of one endpoint: as many as rustls's keeps.
pub const EACH: usize = 8;

pub trait Peer: Send + Sync {
    /// Copies out a session that stays (TLS 1.2).
    fn get(&self, key: &[u8], buf: &mut [u8]) -> bool;
    /// Stores a session that takes the place of the one before.
    fn put(&self, key: &[u8], data: &[u8]);
    /// Takes out the newest ticket (TLS 1.3).
    fn take(&self, key: &[u8], buf: &mut [u8]) -> bool;
    /// Stores a ticket; the oldest of `EACH` goes.
    fn put_ticket(&self, key: &[u8], data: &[u8]);
}

pub type Make = fn(usize) -> Box<dyn Peer>;

/// The name in the results, and how it is made for so many endpoints.
pub const PEERS: [(&str, Make); 8] = [
    ("libtsc", |n| Box::new(crate::tsc::Tsc::new(n, EACH))),
    ("rustls", |n| Box::new(Locked::new(Limited::new(n)))),
    ("lru", |n| Box::new(Locked::new(Lru::new(n)))),
    ("lru16", |n| {
        Box::new(Sharded(
            (0..16).map(|_| Locked::new(Lru::new(n / 8))).collect(),
        ))
    }),
    ("moka", |n| Box::new(Moka::new(n))),
    ("quick_cache", |n| Box::new(Quick::new(n))),
    ("foyer", |n| Box::new(Foyer::new(n))),
    ("cpp", |n| Box::new(Map::new(n))),
];

type Bytes = Box<[u8]>;

/// What one key has.
#[derive(Default)]
struct Data {
    session: Option<Bytes>,
    tickets: VecDeque<Bytes>,
}

impl Data {
    fn add(&mut self, ticket: Bytes) {
        if self.tickets.len() == EACH {
            self.tickets.pop_front();
        }
        self.tickets.push_back(ticket);
    }
}

fn copy(from: &[u8], to: &mut [u8]) {
    to[..from.len()].copy_from_slice(from);
}

/// A cache for one thread, which a lock makes one for all.
trait Single: Send {
    fn find(&mut self, key: &[u8]) -> Option<&mut Data>;
    fn edit(&mut self, key: &[u8], change: impl FnOnce(&mut Data));
}

struct Locked<T>(Mutex<T>);

impl<T> Locked<T> {
    fn new(single: T) -> Self {
        Self(Mutex::new(single))
    }
}

impl<T: Single> Peer for Locked<T> {
    fn get(&self, key: &[u8], buf: &mut [u8]) -> bool {
        let mut single = self.0.lock().unwrap();
        let session = single.find(key).and_then(|data| data.session.as_ref());
        session.map(|session| copy(session, buf)).is_some()
    }

    fn put(&self, key: &[u8], data: &[u8]) {
        let session = data.into();
        let mut single = self.0.lock().unwrap();
        single.edit(key, |data| data.session = Some(session));
    }

    fn take(&self, key: &[u8], buf: &mut [u8]) -> bool {
        let mut single = self.0.lock().unwrap();
        let ticket = single.find(key).and_then(|data| data.tickets.pop_back());
        drop(single);
        ticket.map(|ticket| copy(&ticket, buf)).is_some()
    }

    fn put_ticket(&self, key: &[u8], data: &[u8]) {
        let ticket = data.into();
        self.0.lock().unwrap().edit(key, |data| data.add(ticket));
    }
}

/// rustls's ClientSessionMemoryCache, which takes no bytes: its LimitedCache, line by line.
struct Limited {
    map: HashMap<Bytes, Data>,
    oldest: VecDeque<Bytes>,
    max: usize,
}

impl Limited {
    fn new(max: usize) -> Self {
        Self {
            map: HashMap::with_capacity(max),
            oldest: VecDeque::with_capacity(max),
            max,
        }
    }
}

impl Single for Limited {
    fn find(&mut self, key: &[u8]) -> Option<&mut Data> {
        self.map.get_mut(key)
    }

    fn edit(&mut self, key: &[u8], change: impl FnOnce(&mut Data)) {
        use std::collections::hash_map::Entry;
        // rustls hands over a name of its own each time.
        let inserted = match self.map.entry(key.into()) {
            Entry::Occupied(mut data) => {
                change(data.get_mut());
                false
            }
            Entry::Vacant(entry) => {
                self.oldest.push_back(entry.key().clone());
                change(entry.insert(Data {
                    session: None,
                    tickets: VecDeque::with_capacity(EACH),
                }));
                true
            }
        };
        if inserted
            && self.oldest.len() > self.max
            && let Some(oldest) = self.oldest.pop_front()
        {
            self.map.remove(&oldest);
        }
    }
}

struct Lru(lru::LruCache<Bytes, Data>);

impl Lru {
    fn new(capacity: usize) -> Self {
        Self(lru::LruCache::new(capacity.try_into().unwrap()))
    }
}

impl Single for Lru {
    fn find(&mut self, key: &[u8]) -> Option<&mut Data> {
        self.0.get_mut(key)
    }

    fn edit(&mut self, key: &[u8], change: impl FnOnce(&mut Data)) {
        match self.0.get_mut(key) {
            Some(data) => change(data),
            None => {
                let mut data = Data::default();
                change(&mut data);
                self.0.put(key.into(), data);
            }
        }
    }
}

struct Sharded<T>(Vec<Locked<T>>);

impl<T> Sharded<T> {
    fn of(&self, key: &[u8]) -> &Locked<T> {
        use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
        let hash = BuildHasherDefault::<DefaultHasher>::default().hash_one(key);
        &self.0[hash as usize % self.0.len()]
    }
}

impl<T: Single> Peer for Sharded<T> {
    fn get(&self, key: &[u8], buf: &mut [u8]) -> bool {
        self.of(key).get(key, buf)
    }
    fn put(&self, key: &[u8], data: &[u8]) {
        self.of(key).put(key, data);
    }
    fn take(&self, key: &[u8], buf: &mut [u8]) -> bool {
        self.of(key).take(key, buf)
    }
    fn put_ticket(&self, key: &[u8], data: &[u8]) {
        self.of(key).put_ticket(key, data);
    }
}

/// A concurrent cache: a session is its value, and of tickets, a locked list is.
macro_rules! concurrent {
    ($name:ident, $cache:ident, $new:expr, $find:expr, $insert:expr) => {
        struct $name {
            sessions: $cache<Arc<[u8]>>,
            tickets: $cache<Arc<Mutex<Data>>>,
        }

        impl $name {
            fn new(n: usize) -> Self {
                Self {
                    sessions: $new(n),
                    tickets: $new(n),
                }
            }
        }

        impl Peer for $name {
            fn get(&self, key: &[u8], buf: &mut [u8]) -> bool {
                let session = $find(&self.sessions, key);
                session.map(|session| copy(&session, buf)).is_some()
            }

            fn put(&self, key: &[u8], data: &[u8]) {
                $insert(&self.sessions, key, data.into());
            }

            fn take(&self, key: &[u8], buf: &mut [u8]) -> bool {
                let Some(tickets) = $find(&self.tickets, key) else {
                    return false;
                };
                let ticket = tickets.lock().unwrap().tickets.pop_back();
                ticket.map(|ticket| copy(&ticket, buf)).is_some()
            }

            fn put_ticket(&self, key: &[u8], data: &[u8]) {
                let ticket = data.into();
                match $find(&self.tickets, key) {
                    Some(tickets) => tickets.lock().unwrap().add(ticket),
                    None => {
                        let mut data = Data::default();
                        data.add(ticket);
                        $insert(&self.tickets, key, Arc::new(Mutex::new(data)));
                    }
                }
            }
        }
    };
}

type MokaOf<V> = moka::sync::Cache<Bytes, V>;
concurrent!(
    Moka,
    MokaOf,
    |n: usize| moka::sync::Cache::new(n as u64),
    |cache: &MokaOf<_>, key: &[u8]| cache.get(key),
    |cache: &MokaOf<_>, key: &[u8], value| cache.insert(key.into(), value)
);

type QuickOf<V> = quick_cache::sync::Cache<Bytes, V>;
concurrent!(
    Quick,
    QuickOf,
    |n: usize| quick_cache::sync::Cache::new(n),
    |cache: &QuickOf<_>, key: &[u8]| cache.get(key),
    |cache: &QuickOf<_>, key: &[u8], value| cache.insert(key.into(), value)
);

type FoyerOf<V> = foyer_memory::Cache<Bytes, V>;
concurrent!(
    Foyer,
    FoyerOf,
    |n: usize| foyer_memory::CacheBuilder::new(n).build(),
    find_in_foyer,
    |cache: &FoyerOf<_>, key: &[u8], value| drop(cache.insert(key.into(), value))
);

fn find_in_foyer<V: Clone + Send + Sync + 'static>(cache: &FoyerOf<V>, key: &[u8]) -> Option<V> {
    cache.get(key).map(|entry| entry.value().clone())
}

unsafe extern "C" {
    fn map_new(capacity: usize, each: usize) -> *mut c_void;
    fn map_free(cache: *mut c_void);
    fn map_get(cache: *mut c_void, key: *const u8, len: usize, out: *mut u8, take: bool) -> bool;
    fn map_put(
        cache: *mut c_void,
        key: *const u8,
        len: usize,
        data: *const u8,
        data_len: usize,
        ticket: bool,
    );
}

/// unordered_map.cpp
struct Map(*mut c_void);

// SAFETY: it has a mutex.
unsafe impl Send for Map {}
// SAFETY: as above.
unsafe impl Sync for Map {}

impl Map {
    fn new(capacity: usize) -> Self {
        // SAFETY: takes numbers.
        Self(unsafe { map_new(capacity, EACH) })
    }
}

impl Peer for Map {
    fn get(&self, key: &[u8], buf: &mut [u8]) -> bool {
        // SAFETY: alive, slices' parts, and room for a session.
        unsafe { map_get(self.0, key.as_ptr(), key.len(), buf.as_mut_ptr(), false) }
    }
    fn put(&self, key: &[u8], data: &[u8]) {
        // SAFETY: alive, and slices' parts.
        unsafe {
            map_put(
                self.0,
                key.as_ptr(),
                key.len(),
                data.as_ptr(),
                data.len(),
                false,
            )
        }
    }
    fn take(&self, key: &[u8], buf: &mut [u8]) -> bool {
        // SAFETY: alive, slices' parts, and room for a session.
        unsafe { map_get(self.0, key.as_ptr(), key.len(), buf.as_mut_ptr(), true) }
    }
    fn put_ticket(&self, key: &[u8], data: &[u8]) {
        // SAFETY: alive, and slices' parts.
        unsafe {
            map_put(
                self.0,
                key.as_ptr(),
                key.len(),
                data.as_ptr(),
                data.len(),
                true,
            )
        }
    }
}

impl Drop for Map {
    fn drop(&mut self) {
        // SAFETY: freed here only.
        unsafe { map_free(self.0) }
    }
}
