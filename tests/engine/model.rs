//! The engine against a model so plain that it is seen to be right: the same operations, the same
//! answers. And, where many shards make the order of use approximate, what must hold all the same.

use crate::engine::{
    Clock, Discard, Engine, EventKind, Key, Kind, Lineage, Listener, Options, Payload, Session,
    Space, Stats, Time,
};
use proptest::prelude::*;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// A cache whose time is set by hand, in milliseconds.
fn driven(options: Options) -> (Engine, Arc<AtomicU64>) {
    telling(options, None)
}

fn telling(options: Options, listener: Option<Listener>) -> (Engine, Arc<AtomicU64>) {
    let time = Arc::new(AtomicU64::new(0));
    let read = Arc::clone(&time);
    let clock = Clock::Driven(Box::new(move || read.load(Relaxed)));
    (Engine::new(options, clock, listener), time)
}

/// What a test's session is told apart by. The token's count says how many there are.
struct Known {
    number: usize,
    _token: Arc<()>,
}

fn number_of(session: &Session) -> usize {
    match &session.payload {
        Payload::Value(value) => value.downcast_ref::<Known>().expect("one of ours").number,
        Payload::Bytes(bytes) => {
            let (number, rest) = bytes.split_first_chunk().expect("eight bytes or more");
            let number = usize::from_be_bytes(*number);
            assert_eq!(rest, &bytes_of(number)[size_of::<usize>()..]);
            number
        }
        Payload::Unique(_) => panic!("these tests store none"),
    }
}

/// Bytes that tell the number of their session: of three lengths, two of which have blocks of the same size.
fn bytes_of(number: usize) -> Vec<u8> {
    let mut bytes = number.to_be_bytes().to_vec();
    bytes.resize([8, 70, 120][number % 3], number as u8);
    bytes
}

// ---------------------------------------------------------------------------------------------------
// The model

/// What the model knows of a session.
#[derive(Clone, Debug)]
struct Kept {
    number: usize,
    kind: Kind,
    size: usize,
    label: u16,
    received: u64,
    expires: u64,
    lineage: u64,
}

impl Kept {
    fn session<P>(&self, payload: P) -> Session<P> {
        Session {
            payload,
            kind: self.kind,
            label: self.label,
            size: self.size,
            received: Time(self.received),
            expires: Time(self.expires),
            lineage: Lineage {
                id: self.lineage,
                ends: Time::NEVER,
            },
            uses: crate::engine::Uses::default(),
        }
    }
}

/// A cache as one would write it on paper. What is over goes at once; sums are added up when asked for.
struct Model {
    options: Options,
    now: u64,
    /// Least recently used first; the sessions of each in the order in which they were received.
    endpoints: Vec<(usize, Vec<Kept>)>,
    stats: Stats,
}

impl Model {
    fn new(options: Options) -> Self {
        Self {
            options,
            now: 0,
            endpoints: Vec::new(),
            stats: Stats::default(),
        }
    }

    fn advance(&mut self, milliseconds: u64) {
        self.now += milliseconds;
        for (_, sessions) in &mut self.endpoints {
            let before = sessions.len();
            sessions.retain(|session| session.expires > self.now);
            self.stats.expired += (before - sessions.len()) as u64;
        }
        self.endpoints.retain(|(_, sessions)| !sessions.is_empty());
    }

    fn sessions(&self, key: usize) -> &[Kept] {
        let found = self.endpoints.iter().find(|(of, _)| *of == key);
        found.map_or(&[], |(_, sessions)| sessions)
    }

    /// Takes an endpoint off the list; nothing if it is not there.
    fn detach(&mut self, key: usize) -> Vec<Kept> {
        match self.endpoints.iter().position(|(of, _)| *of == key) {
            Some(at) => self.endpoints.remove(at).1,
            None => Vec::new(),
        }
    }

    /// Puts an endpoint at the end of the list: it was used just now.
    fn attach(&mut self, key: usize, sessions: Vec<Kept>) {
        if !sessions.is_empty() {
            self.endpoints.push((key, sessions));
        }
    }

    fn put(&mut self, key: usize, session: Kept) -> Result<(), Discard> {
        let largest = self.options.max_bytes;
        if session.expires <= self.now {
            self.stats.discarded_lifetime += 1;
            return Err(Discard::Lifetime);
        }
        if session.size as u64 > largest {
            self.stats.discarded_too_large += 1;
            return Err(Discard::TooLarge);
        }
        self.stats.stored += 1;
        self.insert(key, session);
        Ok(())
    }

    fn put_back(&mut self, key: usize, session: Kept) {
        self.stats.returned += 1;
        if session.expires <= self.now {
            self.stats.expired += 1;
        } else {
            self.insert(key, session);
        }
    }

    fn insert(&mut self, key: usize, session: Kept) {
        let mut own = self.detach(key);
        if session.kind == Kind::Reusable {
            let before = own.len();
            own.retain(|other| other.kind != Kind::Reusable);
            self.stats.displaced += (before - own.len()) as u64;
        }
        if own.len() >= self.options.max_sessions_per_endpoint as usize {
            self.stats.displaced += 1;
            if session.received < own[0].received {
                return self.attach(key, own);
            }
            own.remove(0);
        }
        while !self.has_room(&own, session.size) {
            if !self.endpoints.is_empty() {
                let (_, others) = self.endpoints.remove(0);
                self.stats.evicted += others.len() as u64;
                continue;
            }
            self.stats.evicted += 1;
            if session.received < own[0].received {
                return self.attach(key, own);
            }
            own.remove(0);
        }
        own.push(session);
        own.sort_by_key(|session| session.received);
        self.attach(key, own);
    }

    fn has_room(&self, own: &[Kept], size: usize) -> bool {
        let others = self.endpoints.iter().flat_map(|(_, sessions)| sessions);
        let bytes: usize = others.chain(own).map(|session| session.size).sum();
        self.endpoints.len() < self.options.max_endpoints as usize
            && (bytes + size) as u64 <= self.options.max_bytes
    }

    fn take(&mut self, key: usize) -> Option<Kept> {
        let mut own = self.detach(key);
        let Some(newest) = own.last().cloned() else {
            self.stats.missed += 1;
            return None;
        };
        self.stats.offered += 1;
        if newest.kind == Kind::SingleUse {
            own.pop();
            self.stats.taken += 1;
        }
        self.attach(key, own);
        Some(newest)
    }

    /// Drops some sessions of a key, and says how many. That is no use.
    fn remove(&mut self, key: usize, which: impl Fn(&Kept) -> bool) -> usize {
        let Some((_, own)) = self.endpoints.iter_mut().find(|(of, _)| *of == key) else {
            return 0;
        };
        let before = own.len();
        own.retain(|session| !which(session));
        let removed = before - own.len();
        self.stats.removed += removed as u64;
        self.endpoints.retain(|(_, sessions)| !sessions.is_empty());
        removed
    }

    fn clear(&mut self) {
        for (_, sessions) in self.endpoints.drain(..) {
            self.stats.removed += sessions.len() as u64;
        }
    }

    fn stats(&self) -> Stats {
        let all = || self.endpoints.iter().flat_map(|(_, sessions)| sessions);
        Stats {
            endpoints: self.endpoints.len() as u64,
            sessions: all().count() as u64,
            bytes: all().map(|session| session.size as u64).sum(),
            ..self.stats
        }
    }
}

// ---------------------------------------------------------------------------------------------------
// The same operations on both

const KEYS: usize = 7;

#[derive(Clone, Debug)]
enum Operation {
    Put(NewSession),
    Take(usize),
    /// Puts back one of those that were taken.
    PutBack(usize),
    CopyOut(usize, bool),
    Remove(usize),
    RemoveLineage(usize, u64),
    RemoveReusable(usize),
    Clear,
    Advance(u64),
}

#[derive(Clone, Debug)]
struct NewSession {
    key: usize,
    as_bytes: bool,
    kind: Kind,
    size: usize,
    label: u16,
    /// How long it waited, received, until it was put.
    waited: u64,
    lifetime: u64,
    lineage: u64,
}

fn new_session() -> impl Strategy<Value = NewSession> {
    let kind = prop_oneof![1 => Just(Kind::Reusable), 3 => Just(Kind::SingleUse)];
    let size = prop_oneof![1 => Just(0usize), 8 => 1usize..300, 2 => 300usize..420];
    let waited = prop_oneof![3 => Just(0u64), 1 => 0u64..50];
    let lifetime = prop_oneof![1 => Just(0u64), 4 => 1u64..80, 4 => Just(100_000u64)];
    let key = (0..KEYS, any::<bool>());
    (key, kind, size, any::<u16>(), waited, lifetime, 0u64..3).prop_map(
        |((key, as_bytes), kind, size, label, waited, lifetime, lineage)| NewSession {
            key,
            as_bytes,
            kind,
            size,
            label,
            waited,
            lifetime,
            lineage,
        },
    )
}

fn operation() -> impl Strategy<Value = Operation> {
    use Operation::*;
    prop_oneof![
        24 => new_session().prop_map(Put),
        12 => (0..KEYS).prop_map(Take),
        8 => any::<usize>().prop_map(PutBack),
        4 => (0..KEYS, any::<bool>()).prop_map(|(key, yes)| CopyOut(key, yes)),
        2 => (0..KEYS).prop_map(Remove),
        2 => (0..KEYS, 0u64..3).prop_map(|(key, lineage)| RemoveLineage(key, lineage)),
        2 => (0..KEYS).prop_map(RemoveReusable),
        1 => Just(Clear),
        8 => (0u64..40).prop_map(Advance),
    ]
}

/// Limits so small that all of them are met. One shard: the order of use is exact.
fn small_options() -> impl Strategy<Value = Options> {
    (1u32..6, 1u32..5, 300u64..1600, 200u32..500).prop_map(
        |(max_endpoints, max_sessions_per_endpoint, max_bytes, max_session_bytes)| Options {
            max_endpoints,
            max_sessions_per_endpoint,
            max_bytes,
            max_session_bytes,
            ..Options::default()
        },
    )
}

/// Keys come in pairs that differ only in who made them up.
fn key(cache: &Engine, key: usize) -> Key<'_> {
    const BYTES: [&[u8]; KEYS.div_ceil(2)] = [b"", b"a", b"b", b"a longer key than the others"];
    let space = [Space::Caller, Space::Endpoint][key % 2];
    cache.key(space, BYTES[key / 2])
}

/// Both caches, and the sessions that were taken from them.
struct Both {
    cache: Engine,
    time: Arc<AtomicU64>,
    /// How many sessions were told of, by kind of event.
    told: Arc<[AtomicU64; 4]>,
    model: Model,
    token: Arc<()>,
    /// Whether some sessions are bytes.
    mixed: bool,
    numbers: usize,
    taken: Vec<(usize, Session, Kept)>,
}

/// What the engine tells by itself.
const TOLD: [EventKind; 4] = [
    EventKind::Stored,
    EventKind::Offered,
    EventKind::Expired,
    EventKind::Evicted,
];

impl Both {
    fn new(options: Options, mixed: bool) -> Self {
        let told: Arc<[AtomicU64; 4]> = Arc::default();
        let counts = Arc::clone(&told);
        let listener: Listener = Box::new(move |event| {
            let at = TOLD.iter().position(|&kind| kind == event.kind);
            counts[at.expect("one of these")].fetch_add(event.count, Relaxed);
        });
        let (cache, time) = telling(options, Some(listener));
        Self {
            cache,
            time,
            told,
            model: Model::new(options),
            token: Arc::new(()),
            mixed,
            numbers: 0,
            taken: Vec::new(),
        }
    }

    fn run(&mut self, operation: &Operation) {
        let Self { cache, model, .. } = self;
        match *operation {
            Operation::Put(ref new) => self.put(new),
            Operation::Take(of) => self.take(of),
            Operation::PutBack(at) => {
                if !self.taken.is_empty() {
                    let at = at % self.taken.len();
                    let (of, session, kept) = self.taken.swap_remove(at);
                    cache.put_back(&key(cache, of), session);
                    model.put_back(of, kept);
                }
            }
            Operation::CopyOut(of, accept) => {
                let mut shown = None;
                let copied = cache.copy_out(&key(cache, of), |session, now| {
                    shown = Some((number_of(session), now));
                    accept
                });
                let expected = model.sessions(of).last().map(|kept| kept.number);
                assert_eq!(shown, expected.map(|number| (number, Time(model.now))));
                assert_eq!(copied, expected.map(|_| accept));
                // A look at nothing is a miss; a look that is refused is nothing at all.
                if accept || expected.is_none() {
                    model.take(of);
                }
            }
            Operation::Remove(of) => {
                let removed = cache.remove(&key(cache, of));
                assert_eq!(removed, model.remove(of, |_| true) != 0);
            }
            Operation::RemoveLineage(of, lineage) => {
                cache.remove_lineage(&key(cache, of), lineage);
                model.remove(of, |kept| kept.lineage == lineage);
            }
            Operation::RemoveReusable(of) => {
                cache.remove_reusable(&key(cache, of));
                model.remove(of, |kept| kept.kind == Kind::Reusable);
            }
            Operation::Clear => {
                cache.clear();
                model.clear();
            }
            Operation::Advance(milliseconds) => {
                model.advance(milliseconds);
                self.time.store(model.now, Relaxed);
            }
        }
    }

    fn put(&mut self, new: &NewSession) {
        let Self { cache, model, .. } = self;
        self.numbers += 1;
        let received = model.now.saturating_sub(new.waited);
        let kept = Kept {
            number: self.numbers,
            kind: new.kind,
            size: new.size,
            label: new.label,
            received,
            expires: received + new.lifetime,
            lineage: new.lineage,
        };
        let key = key(cache, new.key);
        // Of what is too large and over as well, bytes are said to be too large.
        let put = if self.mixed && new.as_bytes && new.size as u64 <= model.options.max_bytes {
            let bytes = bytes_of(self.numbers);
            cache.put_bytes(&key, Time(model.now), kept.session(&bytes[..]))
        } else {
            let value = Known {
                number: self.numbers,
                _token: Arc::clone(&self.token),
            };
            cache.put(&key, kept.session(Payload::Value(Arc::new(value))))
        };
        assert_eq!(put, model.put(new.key, kept));
    }

    fn take(&mut self, of: usize) {
        let session = self.cache.take(&key(&self.cache, of));
        let kept = self.model.take(of);
        assert_eq!(
            session.as_ref().map(number_of),
            kept.as_ref().map(|kept| kept.number)
        );
        if let (Some(session), Some(kept)) = (session, kept) {
            let same = (kept.kind, kept.label, kept.size, kept.lineage);
            let lineage = session.lineage.id;
            assert_eq!((session.kind, session.label, session.size, lineage), same);
            assert_eq!(session.received, Time(kept.received));
            assert_eq!(session.expires, Time(kept.expires));
            if kept.kind == Kind::SingleUse {
                self.taken.push((of, session, kept));
            }
        }
    }

    /// What can be asked without changing anything is the same in both.
    fn compare(&self) {
        for of in 0..KEYS {
            let available = self.cache.available(&key(&self.cache, of));
            assert_eq!(available, self.model.sessions(of).len(), "key {of}");
        }
        let (is, should) = (self.cache.stats(), self.model.stats());
        // The engine drops what is over in small steps, so until then it still counts it as there.
        let late = should.expired.checked_sub(is.expired);
        let late = late.expect("nothing is dropped before it is over");
        assert_eq!(is.sessions, should.sessions + late);
        assert!(is.endpoints >= should.endpoints && is.endpoints <= should.endpoints + late);
        assert!(is.bytes >= should.bytes);
        let exact = match late {
            0 => should,
            _ => Stats {
                sessions: is.sessions,
                endpoints: is.endpoints,
                bytes: is.bytes,
                expired: is.expired,
                ..should
            },
        };
        assert_eq!(is, exact);
        let told = self.told.each_ref().map(|count| count.load(Relaxed));
        assert_eq!(told, [is.stored, is.offered, is.expired, is.evicted]);
        let options = self.cache.options();
        assert!(is.endpoints <= u64::from(options.max_endpoints));
        assert!(is.bytes <= options.max_bytes);
        // Nothing is kept in secret, and nothing is dropped that is still there.
        let alive = Arc::strong_count(&self.token) - 1;
        let kept = is.sessions as usize + self.taken.len();
        assert!(alive == kept || (self.mixed && alive < kept));
    }

    /// Empties both caches session by session: the order is the same, to the last.
    fn drain(&mut self) {
        for of in 0..KEYS {
            for _ in 0..=self.model.options.max_sessions_per_endpoint {
                self.take(of);
            }
        }
        self.compare();
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn one_shard_does_what_the_model_does(
        options in small_options(),
        mixed in any::<bool>(),
        operations in prop::collection::vec(operation(), 1..80),
    ) {
        let mut both = Both::new(options, mixed);
        for operation in &operations {
            both.run(operation);
            both.compare();
        }
        both.drain();
    }
}

// ---------------------------------------------------------------------------------------------------
// Many shards

fn plain(kind: Kind, size: usize, now: u64, lifetime: u64) -> Session {
    Session {
        payload: Payload::Value(Arc::new(())),
        kind,
        label: 0,
        size,
        received: Time(now),
        expires: Time(now + lifetime),
        lineage: Lineage {
            id: 0,
            ends: Time::NEVER,
        },
        uses: crate::engine::Uses::default(),
    }
}

/// Numbers that look random and are the same in every run.
pub(super) struct Random(pub(super) u64);

impl Random {
    /// SplitMix64.
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(super) fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    /// From 0 up to but not including 1.
    fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }
}

fn assert_within_limits(cache: &Engine) {
    let (stats, options) = (cache.stats(), cache.options());
    assert!(stats.endpoints <= u64::from(options.max_endpoints));
    assert!(stats.bytes <= options.max_bytes);
    let most = stats.endpoints * u64::from(options.max_sessions_per_endpoint);
    assert!(stats.sessions <= most);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn many_shards_exceed_no_limit(
        max_endpoints in prop_oneof![Just(100u32), Just(1000)],
        bytes_per_endpoint in 20u64..100,
        seed in any::<u64>(),
    ) {
        let max_bytes = u64::from(max_endpoints) * bytes_per_endpoint;
        let (cache, time) = driven(Options {
            max_endpoints,
            max_bytes,
            max_sessions_per_endpoint: 3,
            ..Options::default()
        });
        let mut random = Random(seed);
        let mut now = 0;
        for _ in 0..4 * max_endpoints {
            let bytes = random.below(2 * max_endpoints as usize).to_be_bytes();
            let key = cache.key(Space::Caller, &bytes);
            let kind = [Kind::Reusable, Kind::SingleUse][random.below(2)];
            let size = random.below(200);
            let lifetime = 2 * u64::from(max_endpoints);
            prop_assert!(cache.put(&key, plain(kind, size, now, lifetime)).is_ok());
            // What was put last is there, whatever else had to go.
            prop_assert!(cache.available(&key) >= 1);
            if random.below(3) == 0 {
                prop_assert!(cache.take(&key).is_some(), "it was there just now");
            }
            now += random.below(3) as u64;
            time.store(now, Relaxed);
            assert_within_limits(&cache);
        }
        // Each went one way or is still there.
        cache.check_books();
        prop_assert!(cache.stats().evicted > 0);
    }
}

/// However the keys fall into the shards, nothing is evicted while there is room.
#[test]
fn a_working_set_that_fits_always_hits() {
    const SIZE: usize = 10;
    for endpoints in [65usize, 90, 100, 1000] {
        let (cache, _) = driven(Options {
            max_endpoints: endpoints.try_into().expect("small"),
            max_bytes: (endpoints * SIZE) as u64,
            ..Options::default()
        });
        let numbers: Vec<_> = (0..endpoints).map(usize::to_be_bytes).collect();
        let keys: Vec<_> = numbers
            .iter()
            .map(|number| cache.key(Space::Caller, number))
            .collect();
        let put = |key| cache.put(key, plain(Kind::Reusable, SIZE, 0, 1000));
        for key in &keys {
            assert_eq!(put(key), Ok(()));
        }
        let mut random = Random(1);
        for _ in 0..5 * endpoints {
            let key = &keys[random.below(endpoints)];
            assert!(cache.take(key).is_some());
            if random.below(2) == 0 {
                assert_eq!(put(key), Ok(()));
            }
        }
        let stats = cache.stats();
        assert_eq!((stats.missed, stats.evicted), (0, 0));
        let full = (
            endpoints as u64,
            endpoints as u64,
            (endpoints * SIZE) as u64,
        );
        assert_eq!((stats.endpoints, stats.sessions, stats.bytes), full);
    }
}

/// Draws 0 to n - 1, each number with a weight of (number + 1)^-0.99.
struct Zipf(Vec<f64>);

impl Zipf {
    fn new(n: usize) -> Self {
        let mut sum = 0.0;
        Self(
            (1..=n)
                .map(|rank| {
                    sum += (rank as f64).powf(-0.99);
                    sum
                })
                .collect(),
        )
    }

    fn draw(&self, random: &mut Random) -> usize {
        let at = random.unit() * self.0[self.0.len() - 1];
        self.0.partition_point(|&sum| sum <= at)
    }
}

/// The least recently used goes first, exactly.
struct Lru {
    capacity: usize,
    uses: u64,
    used: HashMap<usize, u64>,
    order: BTreeMap<u64, usize>,
}

impl Lru {
    /// Uses a key, which comes in if it is not there, and says whether it was.
    fn hits(&mut self, key: usize) -> bool {
        self.uses += 1;
        self.order.insert(self.uses, key);
        let before = self.used.insert(key, self.uses);
        if let Some(before) = before {
            self.order.remove(&before);
        } else if self.used.len() > self.capacity {
            let (_, oldest) = self.order.pop_first().expect("it is over its capacity");
            self.used.remove(&oldest);
        }
        before.is_some()
    }
}

/// The hit rates of a cache and of exact LRU, in percent, where ten times as many endpoints as fit are
/// asked for, the few often and the many seldom.
fn hit_rates(capacity: usize, requests: usize) -> (f64, f64) {
    let (cache, _) = driven(Options {
        max_endpoints: capacity.try_into().expect("small"),
        max_bytes: u64::MAX,
        ..Options::default()
    });
    let mut lru = Lru {
        capacity,
        uses: 0,
        used: HashMap::new(),
        order: BTreeMap::new(),
    };
    let zipf = Zipf::new(10 * capacity);
    let mut random = Random(2);
    let (mut cache_hits, mut lru_hits) = (0u32, 0u32);
    for _ in 0..requests {
        let number = zipf.draw(&mut random);
        let bytes = number.to_be_bytes();
        let key = cache.key(Space::Caller, &bytes);
        if cache.take(&key).is_some() {
            cache_hits += 1;
        } else {
            let put = cache.put(&key, plain(Kind::Reusable, 1, 0, 1000));
            assert_eq!(put, Ok(()));
        }
        lru_hits += u32::from(lru.hits(number));
    }
    let percent = |hits: u32| 100.0 * f64::from(hits) / requests as f64;
    (percent(cache_hits), percent(lru_hits))
}

#[test]
fn the_hit_rate_is_that_of_exact_lru() {
    for (capacity, requests, points) in [
        (50, 20_000, 0.0),
        (100, 100_000, 1.5),
        (1000, 100_000, 0.5),
        (10_000, 200_000, 0.5),
    ] {
        let (cache, lru) = hit_rates(capacity, requests);
        println!("{capacity} endpoints: {cache:.2} % of requests hit, exact LRU {lru:.2} %");
        assert!(
            (cache - lru).abs() <= points,
            "{capacity} endpoints: {cache:.2} % of requests hit, exact LRU {lru:.2} %"
        );
    }
}
