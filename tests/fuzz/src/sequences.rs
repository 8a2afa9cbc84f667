//! Any sequence of calls on shared handles, beside a ledger that knows who was handed what.

use crate::input::Input;
use crate::ledger::{Ledger, Limits, LineageId, Number, Place, Record};
use crate::objects;
use crate::raw::{Endpoint, Meaning, check_books, ok, pointer, stats, status, zero};
use libtsc::capi::tsc_status::*;
use libtsc::capi::*;
use std::cell::Cell;
use std::ffi::c_void;
use std::ptr::{null, null_mut};
use std::time::Instant;

const START: u64 = 1_000_000_000;
/// Below so many bytes, what attempts have staged can leave no room for others.
const CROWDED: u64 = 1 << 20;

/// A day, less what a test may wait: what this hides from the ledger is said where it is used.
const LONG: u64 = 80_000_000;

const ENDPOINTS: [Endpoint<'static>; 12] = [
    to(b"db.example", 9142),
    to(b"DB.Example", 9142),
    to(b"db.example", 9143),
    to(b"b.example", 9142),
    // The same as the first: the name is the host's.
    Endpoint {
        server_name: b"db.EXAMPLE",
        ..to(b"db.example", 9142)
    },
    Endpoint {
        server_name: b"b.example",
        ..to(b"db.example", 9142)
    },
    Endpoint {
        group: b"g",
        ..to(b"db.example", 9142)
    },
    Endpoint {
        group: b"g",
        ..to(b"db.example", 1)
    },
    Endpoint {
        group: b"G",
        ..to(b"db.example", 9142)
    },
    // The same as the first with a config that verifies that.
    Endpoint {
        verification: b"v",
        ..to(b"db.example", 9142)
    },
    Endpoint {
        verification: b"V",
        ..to(b"db.example", 9142)
    },
    to(b"db.example", 0),
];

const fn to(host: &'static [u8], port: u16) -> Endpoint<'static> {
    Endpoint {
        host,
        port,
        server_name: b"",
        group: b"",
        verification: b"",
    }
}

const KEYS: [&[u8]; 3] = [b"a", b"b", b"a longer key than the others"];

/// Identities and what the configs verify.
const CONFIGS: [(&[u8], &[u8]); 6] = [
    (b"", b""),
    (b"", b""),
    (b"one", b""),
    (b"one", b"v"),
    (b"ONE", b""),
    (b"two", b""),
];

/// Whose sessions are meant.
#[derive(Clone, PartialEq, Eq, Hash)]
enum Key {
    Caller(usize),
    Config(Identity, Meaning),
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Identity {
    Own(usize),
    Given(&'static [u8]),
}

struct Config {
    handle: *mut tsc_config,
    identity: Identity,
    verification: &'static [u8],
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    Established(Option<LineageId>),
    /// Established, and what it brings is no longer kept: by an alert, or it was withdrawn before.
    Ended,
    Failed,
    Withdrawn,
}

impl State {
    fn keeps(self) -> bool {
        matches!(self, Self::Open | Self::Established(_))
    }
}

#[derive(Clone, Copy)]
struct Lease {
    number: Number,
    /// The cache has it as well.
    stays: bool,
}

struct Attempt {
    handle: *mut tsc_attempt,
    scope: usize,
    begun: u64,
    state: State,
    lease: Option<Lease>,
    /// The lineage of what was offered.
    offered: Option<Option<LineageId>>,
    sent: bool,
    /// It waits, or waited: what it has, only the library knows.
    hidden: bool,
    /// What it leased was refused meanwhile.
    refused: bool,
    /// The server's certificate is over.
    over: bool,
    staged: Vec<Number>,
    /// How often `ready` was called.
    ready: Box<Cell<u32>>,
    waits: bool,
}

struct Blob {
    bytes: Vec<u8>,
    /// `None`: the caller's own keys.
    identity: Option<Identity>,
    sessions: Vec<(Number, u64, u64)>,
    at: u64,
    imported: bool,
}

struct World {
    cache: *mut tsc_cache,
    time: Box<Cell<u64>>,
    configs: Vec<Config>,
    attempts: Vec<Attempt>,
    blobs: Vec<Blob>,
    owns: usize,
    ledger: Ledger<Key>,
    began: Instant,
}

unsafe extern "C" fn read_clock(arg: *mut c_void) -> u64 {
    // SAFETY: `World::time`, which outlives the cache.
    unsafe { (*arg.cast::<Cell<u64>>()).get() }
}

unsafe extern "C" fn on_ready(arg: *mut c_void) {
    // SAFETY: `Attempt::ready`, which outlives the attempt's handle.
    let calls = unsafe { &*arg.cast::<Cell<u32>>() };
    calls.set(calls.get() + 1);
}

unsafe extern "C" fn on_event(_: *mut c_void, event: *const tsc_event, size: usize) {
    // SAFETY: lent for the call.
    let event = unsafe { &*event };
    assert_eq!(size, size_of::<tsc_event>());
    assert!(event.port <= 65535 && event.host_len <= 255 && event.key_len <= 1024);
    let of_caller = !event.key.is_null();
    assert!(
        of_caller == event.server_name.is_null(),
        "either a key or an endpoint"
    );
}

fn or(given: u64, default: u64) -> u64 {
    if given == 0 { default } else { given }
}

pub fn run(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let mut world = World::new(&mut input);
    let mut steps = 0;
    while !input.is_empty() && steps < 300 {
        world.step(&mut input);
        world.check();
        steps += 1;
    }
    world.end();
}

impl World {
    fn new(input: &mut Input<'_>) -> Self {
        let time = Box::new(Cell::new(START));
        let mut options: tsc_options = zero();
        options.flags = match input.below(8) {
            0 => TSC_REUSE_WHEN_DRY,
            1 => TSC_DISABLED,
            _ => 0,
        };
        options.max_endpoints = input.pick(&[0, 0, 0, 1, 2, 3]);
        options.max_sessions_per_endpoint = input.pick(&[0, 0, 1, 2, 3]);
        options.ttl_seconds = input.pick(&[0, 10, 100]);
        options.max_bytes = input.pick(&[0, 0, 64, 2000]);
        options.max_session_bytes = input.pick(&[0, 40]);
        options.max_lineage_age_seconds = input.pick(&[0, 20, 60]);
        options.max_full_handshakes = input.pick(&[0, 0, 1, 2]);
        options.failure_budget = input.pick(&[0, 1, 3, u32::MAX]);
        options.clock = Some(read_clock);
        options.clock_arg = (&raw const *time).cast_mut().cast();
        options.on_event = Some(on_event);
        let limits = Limits {
            enabled: options.flags & TSC_DISABLED == 0,
            reuse: options.flags & TSC_REUSE_WHEN_DRY != 0,
            endpoints: or(options.max_endpoints.into(), 100),
            per_endpoint: or(options.max_sessions_per_endpoint.into(), 64) as usize,
            ttl: or(options.ttl_seconds.into(), 3600),
            bytes: or(options.max_bytes, 8 << 20),
            session_bytes: or(options.max_session_bytes.into(), 64 << 10),
            lineage_age: or(options.max_lineage_age_seconds.into(), 86400),
        };
        let mut cache = null_mut();
        // SAFETY: here and below, what the header asks for: handles are alive, lengths are those of the buffers.
        ok(unsafe { tsc_cache_new(&raw const options, size_of::<tsc_options>(), &raw mut cache) });
        let mut world = Self {
            cache,
            time,
            configs: Vec::new(),
            attempts: Vec::new(),
            blobs: Vec::new(),
            owns: 0,
            ledger: Ledger::new(limits, START),
            began: Instant::now(),
        };
        for which in 0..CONFIGS.len() {
            let config = world.new_config(which);
            world.configs.push(config);
        }
        world
    }

    fn new_config(&mut self, which: usize) -> Config {
        let (identity, verification) = CONFIGS[which];
        let mut options: tsc_config_options = zero();
        options.identity = pointer(identity);
        options.identity_len = identity.len();
        options.verification = pointer(verification);
        options.verification_len = verification.len();
        let mut handle = null_mut();
        let size = size_of::<tsc_config_options>();
        let made = unsafe { tsc_config_new(self.cache, &raw const options, size, &raw mut handle) };
        assert_eq!(
            made,
            if self.ledger.closed {
                TSC_CLOSED
            } else {
                TSC_OK
            }
        );
        self.owns += 1;
        let identity = if identity.is_empty() {
            Identity::Own(self.owns)
        } else {
            Identity::Given(identity)
        };
        Config {
            handle,
            identity,
            verification,
        }
    }

    fn scope(&mut self, config: usize, endpoint: usize) -> usize {
        let config = &self.configs[config];
        let meaning = ENDPOINTS[endpoint].meaning(config.verification);
        self.ledger
            .scope(Key::Config(config.identity.clone(), meaning))
    }

    fn step(&mut self, input: &mut Input<'_>) {
        match input.below(32) {
            0..=3 => self.begin(input),
            4..=8 => self.of_attempt(input, Self::receive),
            9..=11 => self.of_attempt(input, Self::offer),
            12..=13 => self.of_attempt(input, Self::established),
            14 => self.of_attempt(input, Self::failed),
            15 => self.of_attempt(input, Self::sent),
            16 => self.of_attempt(input, Self::wait),
            17 => self.of_attempt(input, Self::rarely),
            18 => self.free(input),
            19..=20 => self.put(input),
            21 => self.get(input),
            22 => self.config_put(input),
            23 => self.config_get(input),
            24 => self.remove(input),
            25 => self.count(input),
            26..=27 => self.advance(input),
            28 => self.export(input),
            29 => self.import(input),
            30 => self.replace_config(input),
            _ => self.of_all(input),
        }
    }

    // ---- Attempts -----------------------------------------------------------------------------------------

    fn begin(&mut self, input: &mut Input<'_>) {
        let (config, endpoint) = (input.below(CONFIGS.len()), input.below(ENDPOINTS.len()));
        let handle = self.configs[config].handle;
        if handle.is_null() || self.attempts.len() >= 24 {
            return;
        }
        let scope = self.scope(config, endpoint);
        let endpoint = ENDPOINTS[endpoint].lend();
        let mut attempt = null_mut();
        ok(unsafe {
            tsc_attempt_new(
                handle,
                &raw const endpoint,
                size_of::<tsc_endpoint>(),
                &raw mut attempt,
            )
        });
        self.attempts.push(Attempt {
            handle: attempt,
            scope,
            begun: self.ledger.now,
            state: State::Open,
            lease: None,
            offered: None,
            sent: false,
            hidden: false,
            refused: false,
            over: false,
            staged: Vec::new(),
            ready: Box::default(),
            waits: false,
        });
    }

    fn of_attempt(
        &mut self,
        input: &mut Input<'_>,
        act: impl Fn(&mut Self, usize, &mut Input<'_>),
    ) {
        let at = input.byte();
        if !self.attempts.is_empty() {
            act(self, usize::from(at) % self.attempts.len(), input);
        }
    }

    /// What a session is that the server sends. `Err`: nothing that may be kept.
    fn info(&mut self, input: &mut Input<'_>) -> (tsc_session_info, bool, Option<u64>, bool) {
        let mut info: tsc_session_info = zero();
        let single = !input.flag();
        info.tls_version = if single { 0x0304 } else { 0x0303 };
        info.lifetime_seconds = input.pick(&[3600, 3600, 30, 5, 1, 0, u32::MAX]);
        info.not_after = input.pick(&[0, 0, 0, 0, 1, i64::MAX]);
        let lifetime = match info.lifetime_seconds {
            0 if !single => None,
            seconds => Some(u64::from(seconds)),
        };
        (
            info,
            single,
            lifetime,
            lifetime != Some(0) && info.not_after != 1,
        )
    }

    /// The bytes of a session say which it is.
    fn content(number: Number, size: usize) -> Vec<u8> {
        let mut bytes = vec![0xa5; size];
        bytes[..4].copy_from_slice(&(number as u32).to_le_bytes());
        bytes
    }

    #[track_caller]
    fn number_of(bytes: &[u8]) -> Number {
        let (number, rest) = bytes.split_first_chunk().expect("four bytes at least");
        assert!(
            rest.iter().all(|&byte| byte == 0xa5),
            "the bytes are not as they were"
        );
        u32::from_le_bytes(*number) as usize
    }

    fn receive(&mut self, at: usize, input: &mut Input<'_>) {
        let (info, single, lifetime, good) = self.info(input);
        let size = input.pick(&[4, 10, 10, 39, 40, 41, 65]);
        let as_object = input.below(4) == 0;
        let scope = self.attempts[at].scope;
        let number = self.ledger.received(scope, single, lifetime, size);
        let (info, info_size) = (&raw const info, size_of::<tsc_session_info>());
        let attempt = self.attempts[at].handle;
        let answer = status(if as_object {
            let object = objects::new(number);
            let release = Some(objects::release as unsafe extern "C" fn(_));
            let answer = unsafe {
                tsc_attempt_receive_object(attempt, info, info_size, object, size, release)
            };
            if answer != TSC_OK {
                unsafe { objects::release(object) };
            }
            answer
        } else {
            let bytes = Self::content(number, size);
            unsafe { tsc_attempt_receive(attempt, info, info_size, bytes.as_ptr(), bytes.len()) }
        });
        self.ledger.set_object(number, as_object);
        self.note_sent(at);
        let attempt = &mut self.attempts[at];
        let kept = good && attempt.state.keeps() && self.ledger.admits(number);
        // All attempts together stage no more than the cache may hold: that is not reckoned up here.
        let crowded = self.ledger.limits.bytes < CROWDED && attempt.state == State::Open;
        if kept && crowded {
            assert!(matches!(answer, TSC_OK | TSC_DISCARDED), "{answer:?}");
            self.ledger.scope_mut(scope).doubtful = true;
        } else {
            assert_eq!(answer == TSC_OK, kept, "{answer:?}");
        }
        if answer != TSC_OK {
            return;
        }
        match attempt.state {
            State::Open => {
                if attempt.staged.len() >= self.ledger.limits.per_endpoint {
                    let oldest = attempt.staged.remove(0);
                    self.ledger.records[oldest].place = Place::Gone;
                }
                attempt.staged.push(number);
                self.ledger.records[number].place = Place::Staged;
            }
            State::Established(lineage) => self.publish(at, number, lineage),
            State::Ended | State::Failed | State::Withdrawn => unreachable!("nothing is kept"),
        }
    }

    fn publish(&mut self, at: usize, number: Number, lineage: Option<LineageId>) {
        let end = self.ledger.lineage_end(lineage);
        let record = &mut self.ledger.records[number];
        record.lineage = lineage;
        record.expires = record.expires.min(end);
        if self.attempts[at].over {
            record.place = Place::Gone;
        } else {
            self.ledger.insert(number);
        }
        // Those that wait are served, and what they have is not counted.
        self.doubt_waiting(self.attempts[at].scope);
    }

    fn doubt_waiting(&mut self, scope: usize) {
        if self
            .attempts
            .iter()
            .any(|attempt| attempt.scope == scope && attempt.hidden)
        {
            self.ledger.scope_mut(scope).doubtful = true;
        }
    }

    /// The ClientHello has left, or must have.
    fn note_sent(&mut self, at: usize) {
        let attempt = &mut self.attempts[at];
        if attempt.state != State::Open {
            return;
        }
        attempt.sent = true;
        if let Some(lease) = attempt.lease.take() {
            let record = &mut self.ledger.records[lease.number];
            if !lease.stays {
                record.place = Place::Gone;
            }
        }
    }

    fn sent(&mut self, at: usize, _: &mut Input<'_>) {
        ok(unsafe { tsc_attempt_sent(self.attempts[at].handle) });
        self.note_sent(at);
    }

    fn lease(&mut self, at: usize, number: Number) {
        let scope = self.attempts[at].scope;
        let stays = self.ledger.hand_out(number, scope);
        if !stays {
            self.ledger.records[number].place = Place::Leased;
        }
        let attempt = &mut self.attempts[at];
        attempt.lease = Some(Lease { number, stays });
        attempt.offered = Some(self.ledger.records[number].lineage);
        attempt.refused = false;
    }

    fn offer(&mut self, at: usize, _: &mut Input<'_>) {
        let mut session: tsc_session = zero();
        let attempt = self.attempts[at].handle;
        let answer = status(unsafe {
            tsc_attempt_offer(attempt, &raw mut session, size_of::<tsc_session>())
        });
        let attempt = &mut self.attempts[at];
        attempt.waits = false;
        let scope = attempt.scope;
        let past = attempt.state != State::Open || attempt.sent;
        match answer {
            TSC_OK => {
                assert!(!past, "an offer after the ClientHello");
                let number = if session.object.is_null() {
                    // SAFETY: lent until the attempt ends.
                    Self::number_of(unsafe {
                        std::slice::from_raw_parts(session.data, session.len)
                    })
                } else {
                    objects::number_of(session.object)
                };
                match attempt.lease {
                    Some(lease) => assert_eq!(lease.number, number, "another session than before"),
                    None => self.lease(at, number),
                }
                let record = &self.ledger.records[number];
                assert_eq!(record.object, !session.object.is_null());
                assert_eq!(
                    session.tls_version,
                    if record.single { 0x0304 } else { 0x0303 }
                );
                self.check_age(session.age_ms, record);
            }
            TSC_NOT_FOUND => {
                assert!(!past);
                assert!(attempt.lease.is_none(), "what was leased is lost");
                if !attempt.hidden {
                    self.ledger.has_nothing(scope);
                }
            }
            TSC_WRONG_STATE => assert!(past),
            other => panic!("{other:?}"),
        }
    }

    fn refuse(&mut self, scope: usize, lineage: Option<LineageId>) {
        self.ledger.refuse(scope, lineage);
        for attempt in self
            .attempts
            .iter_mut()
            .filter(|attempt| attempt.scope == scope)
        {
            let Some(lease) = attempt.lease else { continue };
            match (self.ledger.records[lease.number].lineage, lineage) {
                (Some(its), Some(refused)) => attempt.refused |= its == refused,
                // It goes back or not.
                _ => self.ledger.scope_mut(scope).doubtful = true,
            }
        }
    }

    fn established(&mut self, at: usize, input: &mut Input<'_>) {
        let resumed = input.flag();
        let answer =
            status(unsafe { tsc_attempt_established(self.attempts[at].handle, resumed.into()) });
        let attempt = &mut self.attempts[at];
        match attempt.state {
            State::Open => {}
            State::Withdrawn if resumed => return assert_eq!(answer, TSC_INVALID_ARGUMENT),
            State::Withdrawn => {
                attempt.state = State::Ended;
                return assert_eq!(answer, TSC_OK);
            }
            _ => return assert_eq!(answer, TSC_WRONG_STATE),
        }
        if answer == TSC_INVALID_ARGUMENT {
            return assert!(resumed && attempt.offered.is_none());
        }
        assert_eq!(answer, TSC_OK);
        assert!(
            !resumed || attempt.offered.is_some() || attempt.hidden,
            "resumed what?"
        );
        let (scope, offered, begun, hidden) = (
            attempt.scope,
            attempt.offered,
            attempt.begun,
            attempt.hidden,
        );
        self.note_sent(at);
        if let (Some(lineage), false) = (offered, resumed) {
            self.refuse(scope, lineage);
        }
        self.doubt_waiting(scope);
        if hidden {
            self.ledger.scope_mut(scope).doubtful = true;
        }
        let lineage = if resumed {
            offered.flatten()
        } else {
            Some(self.ledger.new_lineage(begun))
        };
        let attempt = &mut self.attempts[at];
        attempt.state = State::Established(lineage);
        attempt.hidden = false;
        for number in std::mem::take(&mut attempt.staged) {
            self.publish(at, number, lineage);
        }
    }

    /// An attempt ends without success: what it leased and did not send goes back.
    fn end_of(&mut self, at: usize) {
        let attempt = &mut self.attempts[at];
        attempt.state = State::Failed;
        let (scope, hidden) = (attempt.scope, std::mem::take(&mut attempt.hidden));
        for number in std::mem::take(&mut attempt.staged) {
            self.ledger.records[number].place = Place::Gone;
        }
        if let Some(Lease {
            number,
            stays: false,
        }) = attempt.lease.take()
        {
            if attempt.refused {
                self.ledger.records[number].place = Place::Gone;
            } else {
                self.ledger.insert(number);
            }
        }
        if hidden {
            self.ledger.scope_mut(scope).doubtful = true;
        }
        self.doubt_waiting(scope);
    }

    fn failed(&mut self, at: usize, input: &mut Input<'_>) {
        let facts = u32::from(input.byte() % 80);
        let answer = status(unsafe { tsc_attempt_failed(self.attempts[at].handle, facts) });
        if facts >= 64 {
            return assert_eq!(answer, TSC_UNSUPPORTED);
        }
        let is = |fact| facts & fact != 0;
        let (scope, offered) = (self.attempts[at].scope, self.attempts[at].offered);
        match self.attempts[at].state {
            State::Established(lineage) if is(TSC_FACT_ALERT) => {
                assert_eq!(answer, TSC_OK);
                self.attempts[at].state = State::Ended;
                self.refuse(scope, lineage);
            }
            State::Open => {
                assert_eq!(answer, TSC_OK);
                if is(TSC_FACT_SENT) {
                    self.note_sent(at);
                    self.ledger.scope_mut(scope).guarded = true;
                }
                self.end_of(at);
                let handshake = !is(TSC_FACT_HANDSHAKE_DONE) || is(TSC_FACT_ALERT);
                if let (Some(lineage), true) = (
                    offered,
                    is(TSC_FACT_SENT) && !is(TSC_FACT_CANCELLED) && handshake,
                ) {
                    self.refuse(scope, lineage);
                }
            }
            State::Withdrawn => {
                assert_eq!(answer, TSC_OK);
                self.attempts[at].state = State::Failed;
            }
            _ => assert_eq!(answer, TSC_WRONG_STATE),
        }
    }

    fn withdraw(&mut self, at: usize) {
        let answer = status(unsafe { tsc_attempt_withdraw(self.attempts[at].handle) });
        let attempt = &self.attempts[at];
        if attempt.state != State::Open || (attempt.sent && attempt.offered.is_some()) {
            return assert_eq!(answer, TSC_WRONG_STATE);
        }
        assert_eq!(answer, TSC_OK);
        self.end_of(at);
        self.attempts[at].state = State::Withdrawn;
        assert_ne!(self.info_of(at).reason, TSC_REASON_NONE);
    }

    fn wait(&mut self, at: usize, input: &mut Input<'_>) {
        let millis = input.pick(&[0, 10, 1000, u32::MAX]);
        let attempt = &self.attempts[at];
        let arg = (&raw const *attempt.ready).cast_mut().cast();
        let begun = attempt.state != State::Open || attempt.sent || attempt.lease.is_some();
        let answer = status(unsafe {
            tsc_attempt_wait_callback(attempt.handle, millis, Some(on_ready), arg)
        });
        let attempt = &mut self.attempts[at];
        let scope = attempt.scope;
        match answer {
            TSC_OK => {
                assert!(!begun);
                // One may have been kept for it, which it comes for with its offer.
                if self.ledger.in_doubt(scope) || !self.ledger.held(scope).is_empty() {
                    attempt.hidden = true;
                    self.ledger.scope_mut(scope).doubtful = true;
                }
            }
            TSC_WAIT => {
                assert!(!begun && attempt.ready.get() == 0);
                attempt.hidden = true;
                attempt.waits = true;
                self.ledger.scope_mut(scope).doubtful = true;
            }
            TSC_WRONG_STATE => assert!(begun || attempt.hidden),
            other => panic!("{other:?}"),
        }
    }

    fn info_of(&self, at: usize) -> tsc_attempt_info {
        let mut info = zero();
        let size = size_of::<tsc_attempt_info>();
        ok(unsafe { tsc_attempt_info_get(self.attempts[at].handle, &raw mut info, size) });
        info
    }

    /// What is seldom called.
    fn rarely(&mut self, at: usize, input: &mut Input<'_>) {
        let attempt = self.attempts[at].handle;
        match input.below(5) {
            4 => self.withdraw(at),
            0 => {
                let answer = status(unsafe { tsc_attempt_wait_end(attempt) });
                let attempt = &mut self.attempts[at];
                if answer == TSC_OK {
                    assert!(attempt.waits && attempt.ready.get() == 0, "no wait to end");
                    attempt.waits = false;
                } else {
                    assert_eq!(answer, TSC_WRONG_STATE);
                }
            }
            1 => {
                let answer = status(unsafe { tsc_attempt_wants_another(attempt) });
                self.note_sent(at);
                let open = self.attempts[at].state.keeps() && self.ledger.is_open();
                assert!(open || answer != TSC_OK, "nothing is kept any more");
            }
            2 => {
                let over = input.below(3) == 0;
                ok(unsafe { tsc_attempt_set_not_after(attempt, if over { 1 } else { i64::MAX }) });
                self.attempts[at].over |= over;
                if let (true, State::Established(lineage)) = (over, self.attempts[at].state) {
                    // What it brought is over, too, and what is on loan of it does not come back.
                    self.refuse(self.attempts[at].scope, lineage);
                }
            }
            _ => {
                let info = self.info_of(at);
                let attempt = &self.attempts[at];
                let state = match attempt.state {
                    State::Open | State::Withdrawn => TSC_ATTEMPT_OPEN,
                    State::Established(_) | State::Ended => TSC_ATTEMPT_ESTABLISHED,
                    State::Failed => TSC_ATTEMPT_FAILED,
                };
                assert_eq!(info.state, state);
                let staged = attempt.staged.len() as u32;
                // Where it is crowded, some that were staged have been displaced since.
                if self.ledger.limits.bytes >= CROWDED || staged == 0 {
                    assert_eq!(
                        info.received,
                        info.stored + info.discarded + staged,
                        "the attempt's own books"
                    );
                }
            }
        }
    }

    fn free(&mut self, input: &mut Input<'_>) {
        let at = input.byte();
        if self.attempts.is_empty() {
            return;
        }
        let at = usize::from(at) % self.attempts.len();
        if self.attempts[at].state == State::Open {
            self.end_of(at);
        }
        let scope = self.attempts[at].scope;
        let attempt = self.attempts.swap_remove(at);
        unsafe { tsc_attempt_free(attempt.handle) };
        self.doubt_waiting(scope);
    }

    // ---- Keys of the caller's own, and configs without attempts -------------------------------------------------

    fn put(&mut self, input: &mut Input<'_>) {
        let key = input.below(KEYS.len());
        let (info, single, lifetime, good) = self.info(input);
        let size = input.pick(&[4, 10, 10, 40, 41, 65]);
        let as_object = input.below(4) == 0;
        let scope = self.ledger.scope(Key::Caller(key));
        let number = self.ledger.received(scope, single, lifetime, size);
        let lineage = self.ledger.new_lineage(self.ledger.now);
        let end = self.ledger.lineage_end(Some(lineage));
        self.ledger.set_object(number, as_object);
        let record = &mut self.ledger.records[number];
        record.lineage = Some(lineage);
        record.expires = record.expires.min(end);
        let (key, key_len) = (KEYS[key].as_ptr(), KEYS[key].len());
        let (info, info_size) = (&raw const info, size_of::<tsc_session_info>());
        let cache = self.cache;
        let answer = status(if as_object {
            let object = objects::new(number);
            let release = Some(objects::release as unsafe extern "C" fn(_));
            let answer = unsafe {
                tsc_put_object(cache, key, key_len, info, info_size, object, size, release)
            };
            if answer != TSC_OK {
                unsafe { objects::release(object) };
            }
            answer
        } else {
            let bytes = Self::content(number, size);
            unsafe { tsc_put(cache, key, key_len, info, info_size, bytes.as_ptr(), size) }
        });
        let kept = good && self.ledger.admits(number);
        assert_eq!(answer == TSC_OK, kept, "{answer:?}");
        if kept {
            self.ledger.insert(number);
        }
    }

    fn get(&mut self, input: &mut Input<'_>) {
        let key = input.below(KEYS.len());
        let scope = self.ledger.scope(Key::Caller(key));
        let (key, key_len) = (KEYS[key].as_ptr(), KEYS[key].len());
        if input.below(3) == 0 {
            let mut object = null_mut();
            let retain = Some(objects::retain as unsafe extern "C" fn(_));
            let answer = status(unsafe {
                tsc_get_object(
                    self.cache,
                    key,
                    key_len,
                    &raw mut object,
                    retain,
                    null_mut(),
                    0,
                )
            });
            match answer {
                TSC_OK => {
                    self.ledger.hand_out(objects::number_of(object), scope);
                    unsafe { objects::release(object) };
                }
                TSC_NOT_FOUND => self.has_none_of(scope, true),
                other => assert!(other == TSC_CLOSED && self.ledger.closed),
            }
            return;
        }
        let cap = input.pick(&[0, 4, 10, 100, 100]);
        let cache = self.cache;
        self.copy_out(scope, cap, |buf, len, info, info_size| unsafe {
            tsc_get(cache, key, key_len, buf, cap, len, info, info_size)
        });
    }

    /// An age by the clock that is driven. The wall clock is not, and an export grows older by it.
    fn check_age(&self, age: u64, record: &Record) {
        let least = self.ledger.now - record.received;
        let on_its_way = self.began.elapsed().as_millis() as u64 + 1;
        assert!(
            (least..=least + on_its_way).contains(&age),
            "{age} and not {least}"
        );
    }

    /// Nothing was found, of this kind.
    fn has_none_of(&self, scope: usize, object: bool) {
        let newest = self.ledger.held(scope).last().copied();
        if newest.is_none_or(|newest| self.ledger.records[newest].object == object) {
            self.ledger.has_nothing(scope);
        }
    }

    fn copy_out(
        &mut self,
        scope: usize,
        cap: usize,
        get: impl FnOnce(*mut u8, *mut usize, *mut tsc_session_info, usize) -> tsc_status,
    ) {
        let mut buffer = vec![0u8; cap];
        let buf = if cap == 0 {
            null_mut()
        } else {
            buffer.as_mut_ptr()
        };
        let (mut len, mut info): (usize, tsc_session_info) = (usize::MAX, zero());
        let answer = status(get(
            buf,
            &raw mut len,
            &raw mut info,
            size_of::<tsc_session_info>(),
        ));
        match answer {
            TSC_OK => {
                let number = Self::number_of(&buffer[..len]);
                self.ledger.hand_out(number, scope);
                let record = &self.ledger.records[number];
                assert!(!record.object && record.size == len);
                self.check_age(info.age_ms, record);
                assert!(
                    u64::from(info.lifetime_seconds) * 1000 <= record.expires - self.ledger.now
                );
            }
            TSC_TOO_SMALL => {
                assert!(len > cap);
                let held = self.ledger.held(scope);
                let any = held
                    .iter()
                    .any(|&number| self.ledger.records[number].size == len);
                assert!(any, "the length of what is not there");
            }
            TSC_NOT_FOUND => self.has_none_of(scope, false),
            other => assert!(other == TSC_CLOSED && self.ledger.closed, "{other:?}"),
        }
    }

    fn config_put(&mut self, input: &mut Input<'_>) {
        let (config, endpoint) = (input.below(CONFIGS.len()), input.below(ENDPOINTS.len()));
        let (info, single, lifetime, good) = self.info(input);
        let size = input.pick(&[4, 10, 40, 41]);
        let handle = self.configs[config].handle;
        if handle.is_null() {
            return;
        }
        let scope = self.scope(config, endpoint);
        let number = self.ledger.received(scope, single, lifetime, size);
        let bytes = Self::content(number, size);
        let endpoint = ENDPOINTS[endpoint].lend();
        let answer = status(unsafe {
            tsc_config_put(
                handle,
                &raw const endpoint,
                size_of::<tsc_endpoint>(),
                &raw const info,
                size_of::<tsc_session_info>(),
                bytes.as_ptr(),
                bytes.len(),
            )
        });
        // When the lineage began that all of it counts as, the ledger does not know.
        let bounded = self.ledger.limits.lineage_age < 86400 || self.ledger.now > START + LONG;
        if bounded {
            self.ledger.scope_mut(scope).doubtful = true;
        }
        let kept = good && self.ledger.admits(number);
        assert!(answer != TSC_OK || kept, "kept, and should not be");
        assert!(answer == TSC_OK || !kept || bounded, "{answer:?}");
        if answer == TSC_OK {
            self.ledger.insert(number);
            self.doubt_waiting(scope);
        }
    }

    fn config_get(&mut self, input: &mut Input<'_>) {
        let (config, endpoint) = (input.below(CONFIGS.len()), input.below(ENDPOINTS.len()));
        let cap = input.pick(&[0, 4, 100, 100]);
        let handle = self.configs[config].handle;
        if handle.is_null() {
            return;
        }
        let scope = self.scope(config, endpoint);
        let endpoint = ENDPOINTS[endpoint].lend();
        self.copy_out(scope, cap, |buf, len, info, info_size| unsafe {
            let size = size_of::<tsc_endpoint>();
            tsc_config_get(
                handle,
                &raw const endpoint,
                size,
                buf,
                cap,
                len,
                info,
                info_size,
            )
        });
    }

    // ---- Everything else --------------------------------------------------------------------------------------

    /// Where attempts may have something of which the ledger does not know.
    fn hidden(&self) -> Vec<usize> {
        self.attempts
            .iter()
            .filter(|attempt| attempt.hidden)
            .map(|attempt| attempt.scope)
            .collect()
    }

    fn remove(&mut self, input: &mut Input<'_>) {
        let (config, endpoint) = (input.below(CONFIGS.len() + 1), input.below(ENDPOINTS.len()));
        let (scope, answer) = if config == CONFIGS.len() {
            let key = endpoint % KEYS.len();
            let scope = self.ledger.scope(Key::Caller(key));
            (scope, unsafe {
                tsc_remove(self.cache, KEYS[key].as_ptr(), KEYS[key].len())
            })
        } else {
            let handle = self.configs[config].handle;
            if handle.is_null() {
                return;
            }
            let scope = self.scope(config, endpoint);
            let endpoint = ENDPOINTS[endpoint].lend();
            (scope, unsafe {
                tsc_config_remove(handle, &raw const endpoint, size_of::<tsc_endpoint>())
            })
        };
        match status(answer) {
            TSC_OK => assert_ne!(self.ledger.held(scope), [], "what was removed?"),
            TSC_NOT_FOUND if self.ledger.in_doubt(scope) => {}
            TSC_NOT_FOUND => assert_eq!(self.ledger.held(scope), [], "something was there"),
            other => assert!(other == TSC_CLOSED && self.ledger.closed, "{other:?}"),
        }
        let hidden = self.hidden();
        self.ledger.drop_held(|of| of == scope, &hidden);
    }

    fn count(&mut self, input: &mut Input<'_>) {
        let (config, endpoint) = (input.below(CONFIGS.len() + 1), input.below(ENDPOINTS.len()));
        if config == CONFIGS.len() {
            return self.count_caller(endpoint % KEYS.len());
        }
        self.count_config(config, endpoint);
    }

    fn count_caller(&mut self, key: usize) {
        let scope = self.ledger.scope(Key::Caller(key));
        let mut count = 0;
        let answer = status(unsafe {
            tsc_available(
                self.cache,
                KEYS[key].as_ptr(),
                KEYS[key].len(),
                &raw mut count,
            )
        });
        if answer == TSC_OK {
            self.ledger.counted(scope, count);
        } else {
            assert!(answer == TSC_CLOSED && self.ledger.closed);
        }
    }

    fn count_config(&mut self, config: usize, endpoint: usize) {
        let handle = self.configs[config].handle;
        if handle.is_null() {
            return;
        }
        let scope = self.scope(config, endpoint);
        let (endpoint, size) = (ENDPOINTS[endpoint].lend(), size_of::<tsc_endpoint>());
        let mut count = 0;
        ok(unsafe { tsc_config_available(handle, &raw const endpoint, size, &raw mut count) });
        self.ledger.counted(scope, count);
        let mut forecast: tsc_forecast = zero();
        let forecast_size = size_of::<tsc_forecast>();
        ok(unsafe {
            tsc_config_forecast(
                handle,
                &raw const endpoint,
                size,
                &raw mut forecast,
                forecast_size,
            )
        });
        assert_eq!(forecast.available, count as u64);
        let waiting = self
            .attempts
            .iter()
            .filter(|attempt| attempt.scope == scope && attempt.waits);
        assert!(
            forecast.waiting <= waiting.count() as u64,
            "more wait than asked"
        );
    }

    fn advance(&mut self, input: &mut Input<'_>) {
        let step = u64::from(input.byte());
        let unit = input.pick(&[1, 100, 1000, 1000]);
        self.ledger.now += step * unit;
        self.time.set(self.ledger.now);
    }

    fn export(&mut self, input: &mut Input<'_>) {
        let which = input.below(CONFIGS.len() + 1);
        let room = !input.flag();
        let key = [7u8; TSC_EXPORT_KEY];
        let (cache, config) = (
            self.cache,
            self.configs.get(which).map(|config| config.handle),
        );
        if config.is_some_and(|config| config.is_null()) {
            return;
        }
        let export = |buf: *mut u8, cap: usize, len: &mut usize| unsafe {
            status(match config {
                Some(config) => {
                    tsc_config_export(config, key.as_ptr(), key.len(), buf, cap, len, null_mut())
                }
                None => tsc_cache_export(cache, key.as_ptr(), key.len(), buf, cap, len, null_mut()),
            })
        };
        let mut len = 0;
        let answer = export(null_mut(), 0, &mut len);
        let identity = self
            .configs
            .get(which)
            .map(|config| config.identity.clone());
        if self.ledger.closed {
            return assert_eq!(answer, TSC_CLOSED);
        }
        if matches!(identity, Some(Identity::Own(_))) {
            return assert_eq!(answer, TSC_UNSUPPORTED);
        }
        assert_eq!(answer, TSC_TOO_SMALL);
        if !room {
            // One byte less than it takes.
            let mut buffer = vec![0; len - 1];
            let mut again = 0;
            assert_eq!(
                export(buffer.as_mut_ptr(), buffer.len(), &mut again),
                TSC_TOO_SMALL
            );
            return assert_eq!(again, len);
        }
        let mut bytes = vec![0; len];
        ok(export(bytes.as_mut_ptr(), bytes.len(), &mut len));
        bytes.truncate(len);

        let (hidden, now) = (self.hidden(), self.ledger.now);
        let mut sessions = Vec::new();
        for scope in self.scopes_of(identity.as_ref()) {
            for number in self.ledger.held(scope) {
                let record = &self.ledger.records[number];
                if record.object {
                    continue;
                }
                let lineage = self.ledger.lineage_end(record.lineage);
                sessions.push((number, record.expires - now, lineage.saturating_sub(now)));
                if record.single && !hidden.contains(&scope) {
                    self.ledger.records[number].place = Place::Exported;
                }
                if hidden.contains(&scope) {
                    self.ledger.scope_mut(scope).doubtful = true;
                }
            }
        }
        if self.blobs.len() < 4 {
            self.blobs.push(Blob {
                bytes,
                identity,
                sessions,
                at: now,
                imported: false,
            });
        }
    }

    /// The scopes of an identity, or of the caller's own keys.
    fn scopes_of(&mut self, identity: Option<&Identity>) -> Vec<usize> {
        let mut scopes = Vec::new();
        let Some(identity) = identity else {
            return (0..KEYS.len())
                .map(|key| self.ledger.scope(Key::Caller(key)))
                .collect();
        };
        for endpoint in &ENDPOINTS {
            for (_, verifies) in CONFIGS {
                let scope = self
                    .ledger
                    .scope(Key::Config(identity.clone(), endpoint.meaning(verifies)));
                if !scopes.contains(&scope) {
                    scopes.push(scope);
                }
            }
        }
        scopes
    }

    fn import(&mut self, input: &mut Input<'_>) {
        let (blob, which, spoil) = (input.byte(), input.below(CONFIGS.len() + 1), input.byte());
        if self.blobs.is_empty() {
            return;
        }
        let at = usize::from(blob) % self.blobs.len();
        let config = self
            .configs
            .get(which)
            .map(|config| (config.handle, config.identity.clone()));
        if config.as_ref().is_some_and(|(handle, _)| handle.is_null()) {
            return;
        }
        let blob = &self.blobs[at];
        let (mut bytes, mut key) = (blob.bytes.clone(), [7u8; TSC_EXPORT_KEY]);
        match spoil {
            0 => key[31] ^= 1,
            1 => bytes.truncate(bytes.len() - 1),
            2 => bytes.push(0),
            3..=40 => {
                let at = usize::from(input.byte()) * 7 % bytes.len();
                bytes[at] ^= spoil;
            }
            _ => {}
        }
        let whole = spoil > 40;
        if whole && blob.imported {
            // Twice is what the header forbids.
            return;
        }
        let mut count = usize::MAX;
        let answer = status(unsafe {
            match &config {
                Some((config, _)) => tsc_config_import(
                    *config,
                    key.as_ptr(),
                    key.len(),
                    bytes.as_ptr(),
                    bytes.len(),
                    &raw mut count,
                ),
                None => tsc_cache_import(
                    self.cache,
                    key.as_ptr(),
                    key.len(),
                    bytes.as_ptr(),
                    bytes.len(),
                    &raw mut count,
                ),
            }
        });
        let identity = config.map(|(_, identity)| identity);
        if self.ledger.closed {
            return assert_eq!(answer, TSC_CLOSED);
        }
        if matches!(identity, Some(Identity::Own(_))) {
            return assert_eq!(answer, TSC_UNSUPPORTED);
        }
        if !whole || identity != blob.identity {
            return assert_eq!(answer, TSC_NOT_AUTHENTIC);
        }
        // The wall clock may have been set back.
        assert!(answer == TSC_OK || answer == TSC_DISCARDED);
        if answer == TSC_OK {
            assert!(count <= blob.sessions.len());
            self.blobs[at].imported = true;
            self.take_in(at);
        }
    }

    /// The clock that is driven does not drive the wall clock, so lifetimes go on from where they were.
    fn take_in(&mut self, at: usize) {
        let (sessions, exported, now) = (
            self.blobs[at].sessions.clone(),
            self.blobs[at].at,
            self.ledger.now,
        );
        for (number, left, lineage_left) in sessions {
            let record = &self.ledger.records[number];
            let age = exported.saturating_sub(record.received);
            let lineage = record.lineage.map(|_| self.ledger.new_lineage(now));
            let longest = (self.ledger.limits.ttl * 1000).saturating_sub(age);
            let record = &mut self.ledger.records[number];
            record.received = now - age.min(now);
            record.expires = now + left.min(longest).min(lineage_left);
            // Which of them were of one lineage, the ledger forgets.
            record.lineage = lineage.and(None);
            self.ledger
                .scope_mut(self.ledger.records[number].scope)
                .doubtful = true;
            self.ledger.insert(number);
        }
    }

    fn replace_config(&mut self, input: &mut Input<'_>) {
        let which = input.below(CONFIGS.len());
        let old = self.configs[which].handle;
        unsafe { tsc_config_free(old) };
        self.configs[which].handle = null_mut();
        self.configs[which] = self.new_config(which);
    }

    fn of_all(&mut self, input: &mut Input<'_>) {
        let hidden = self.hidden();
        match input.below(16) {
            0 => {
                let answer = status(unsafe { tsc_cache_close(self.cache) });
                assert_eq!(answer, TSC_OK);
                self.ledger.closed = true;
                self.ledger.drop_held(|_| true, &hidden);
            }
            1..=3 => {
                let answer = status(unsafe { tsc_clear(self.cache) });
                assert_eq!(
                    answer,
                    if self.ledger.closed {
                        TSC_CLOSED
                    } else {
                        TSC_OK
                    }
                );
                self.ledger.drop_held(|_| true, &hidden);
            }
            4..=6 => {
                let answer = status(unsafe { tsc_clear_expired(self.cache, null_mut()) });
                assert_eq!(
                    answer,
                    if self.ledger.closed {
                        TSC_CLOSED
                    } else {
                        TSC_OK
                    }
                );
            }
            7 => {
                let mut second = null_mut();
                ok(unsafe { tsc_cache_share(self.cache, &raw mut second) });
                unsafe { tsc_cache_free(std::mem::replace(&mut self.cache, second)) };
            }
            _ => {
                let mut len = 0;
                let answer = unsafe {
                    tsc_stats_prometheus(self.cache, null(), 0, null_mut(), 0, &raw mut len)
                };
                assert_eq!(answer, TSC_TOO_SMALL);
            }
        }
    }

    /// What holds after every call.
    fn check(&self) {
        let (stats, limits) = (stats(self.cache), &self.ledger.limits);
        check_books(&stats);
        assert!(
            stats.endpoints <= limits.endpoints,
            "{} endpoints",
            stats.endpoints
        );
        assert!(stats.bytes <= limits.bytes, "{} bytes", stats.bytes);
        assert!(
            stats.sessions <= stats.endpoints * limits.per_endpoint as u64,
            "{} sessions",
            stats.sessions
        );
        assert!((stats.endpoints == 0) == (stats.sessions == 0));
        assert!(
            !self.ledger.closed || stats.sessions == 0,
            "a closed cache holds something"
        );
        for attempt in &self.attempts {
            assert!(attempt.ready.get() <= 1, "ready was called twice");
        }
    }

    /// Looks into every corner, and leaves nothing behind.
    fn end(mut self) {
        for config in 0..CONFIGS.len() {
            for endpoint in 0..ENDPOINTS.len() {
                self.count_config(config, endpoint);
            }
        }
        for key in 0..KEYS.len() {
            self.count_caller(key);
        }
        if !self.ledger.closed {
            ok(unsafe { tsc_clear_expired(self.cache, null_mut()) });
            if let Some((sessions, bytes)) = self.ledger.totals() {
                let stats = stats(self.cache);
                assert_eq!(
                    (stats.sessions, stats.bytes),
                    (sessions, bytes),
                    "sessions and bytes"
                );
            }
        }
        for attempt in self.attempts.drain(..) {
            unsafe { tsc_attempt_free(attempt.handle) };
        }
        for config in self.configs.drain(..) {
            unsafe { tsc_config_free(config.handle) };
        }
        unsafe { tsc_cache_free(self.cache) };
        objects::assert_none_left();
    }
}
