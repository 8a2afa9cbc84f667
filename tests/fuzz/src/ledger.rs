//! Who was handed what: each session that a target ever gave to the library, and where it may be.
//!
//! The engine's own model (tests/engine/model.rs) says what the store does to the last count, for one key after the
//! other. This one knows what that cannot: attempts, staging, lineages, configs, exports. Where a limit or a wait
//! leaves to the library what becomes of a session, the ledger keeps it as one that may be there; it may then be
//! missing, but still never be handed out to others, twice, too early or too late.

use std::collections::HashMap;
use std::hash::Hash;

/// A session's place in the ledger, which is also what its bytes say.
pub(crate) type Number = usize;
pub(crate) type LineageId = usize;

const SEVEN_DAYS: u64 = 7 * 24 * 3600;

/// The options of a cache, as the header explains them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) enabled: bool,
    pub(crate) reuse: bool,
    pub(crate) endpoints: u64,
    pub(crate) per_endpoint: usize,
    pub(crate) ttl: u64,
    pub(crate) bytes: u64,
    pub(crate) session_bytes: u64,
    pub(crate) lineage_age: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// With an attempt that is not established.
    Staged,
    /// In the cache, if it was not evicted.
    Held,
    /// With an attempt that may give it back.
    Leased,
    Exported,
    Gone,
}

#[derive(Clone, Debug)]
pub(crate) struct Record {
    pub(crate) scope: usize,
    pub(crate) single: bool,
    pub(crate) object: bool,
    pub(crate) size: usize,
    /// What it takes in memory.
    pub(crate) memory: usize,
    pub(crate) received: u64,
    pub(crate) expires: u64,
    /// `None`: the library knows, and the ledger does not.
    pub(crate) lineage: Option<LineageId>,
    pub(crate) place: Place,
    /// When it came into the cache, among those received at the same moment.
    order: usize,
}

/// What is known of one endpoint of one config, or of one key of the caller's own.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Scope {
    /// Something may have gone that the ledger still has.
    pub(crate) doubtful: bool,
    /// Attempts failed: the library may withhold what is there.
    pub(crate) guarded: bool,
}

pub(crate) struct Ledger<K> {
    pub(crate) limits: Limits,
    pub(crate) now: u64,
    pub(crate) closed: bool,
    pub(crate) records: Vec<Record>,
    scopes: Vec<Scope>,
    by_key: HashMap<K, usize>,
    /// When each lineage ends.
    lineages: Vec<u64>,
    /// A limit of the whole cache was met.
    evicting: bool,
    order: usize,
}

impl<K: Hash + Eq> Ledger<K> {
    pub(crate) fn new(limits: Limits, now: u64) -> Self {
        Self {
            limits,
            now,
            closed: false,
            records: Vec::new(),
            scopes: Vec::new(),
            by_key: HashMap::new(),
            lineages: Vec::new(),
            evicting: false,
            order: 0,
        }
    }

    pub(crate) fn scope(&mut self, key: K) -> usize {
        *self.by_key.entry(key).or_insert_with(|| {
            self.scopes.push(Scope::default());
            self.scopes.len() - 1
        })
    }

    pub(crate) fn scope_mut(&mut self, scope: usize) -> &mut Scope {
        &mut self.scopes[scope]
    }

    pub(crate) fn new_lineage(&mut self, begun: u64) -> LineageId {
        self.lineages.push(begun + self.limits.lineage_age * 1000);
        self.lineages.len() - 1
    }

    pub(crate) fn lineage_end(&self, lineage: Option<LineageId>) -> u64 {
        lineage.map_or(u64::MAX, |lineage| self.lineages[lineage])
    }

    pub(crate) fn push(&mut self, record: Record) -> Number {
        self.records.push(record);
        self.records.len() - 1
    }

    /// A session that came just now, and is nowhere yet. `lifetime`: in seconds; `None`: the server said nothing.
    pub(crate) fn received(
        &mut self,
        scope: usize,
        single: bool,
        lifetime: Option<u64>,
        size: usize,
    ) -> Number {
        let seconds = lifetime
            .unwrap_or(SEVEN_DAYS)
            .min(SEVEN_DAYS)
            .min(self.limits.ttl);
        self.push(Record {
            scope,
            single,
            object: false,
            size,
            memory: size,
            received: self.now,
            expires: self.now + seconds * 1000,
            lineage: None,
            place: Place::Gone,
            order: 0,
        })
    }

    /// Says whether it is an object, which takes more memory than its length.
    pub(crate) fn set_object(&mut self, number: Number, object: bool) {
        /// As in the library's `src/size.rs`.
        const OBJECT: usize = 640;
        let record = &mut self.records[number];
        record.object = object;
        if object {
            record.memory += OBJECT;
        }
    }

    /// Whether it comes in at all.
    pub(crate) fn admits(&self, number: Number) -> bool {
        let record = &self.records[number];
        let fits = record.size as u64 <= self.limits.session_bytes
            && record.memory as u64 <= self.limits.bytes;
        self.is_open() && fits
    }

    pub(crate) fn is_open(&self) -> bool {
        self.limits.enabled && !self.closed
    }

    fn is_alive(&self, record: &Record) -> bool {
        record.place == Place::Held && record.expires > self.now
    }

    /// What may be in the cache for a scope, oldest first.
    pub(crate) fn held(&self, scope: usize) -> Vec<Number> {
        let mut held: Vec<_> = (0..self.records.len())
            .filter(|&at| self.records[at].scope == scope && self.is_alive(&self.records[at]))
            .collect();
        held.sort_by_key(|&at| (self.records[at].received, self.records[at].order));
        held
    }

    /// Whether the library may have less than the ledger.
    pub(crate) fn in_doubt(&self, scope: usize) -> bool {
        self.evicting || self.scopes[scope].doubtful
    }

    pub(crate) fn withholds(&self, scope: usize) -> bool {
        self.scopes[scope].guarded
    }

    /// A session comes into the cache, and may push others out.
    pub(crate) fn insert(&mut self, number: Number) {
        let record = &self.records[number];
        let (scope, single, received, size) =
            (record.scope, record.single, record.received, record.memory);
        self.records[number].place = Place::Gone;
        if self.closed || self.records[number].expires <= self.now {
            return;
        }
        if !single {
            for other in self.held(scope) {
                if !self.records[other].single {
                    self.records[other].place = Place::Gone;
                }
            }
        }
        // What is over may still take room.
        let all = self
            .records
            .iter()
            .filter(|record| record.place == Place::Held);
        let bytes: usize = all.clone().map(|record| record.memory).sum();
        let mut scopes: Vec<_> = all.map(|record| record.scope).chain([scope]).collect();
        scopes.sort_unstable();
        scopes.dedup();
        self.evicting |= (bytes + size) as u64 > self.limits.bytes
            || scopes.len() as u64 > self.limits.endpoints;

        let own = self.held(scope);
        if own.len() >= self.limits.per_endpoint && !self.in_doubt(scope) {
            let oldest = own[0];
            if received < self.records[oldest].received {
                return;
            }
            self.records[oldest].place = Place::Gone;
        }
        self.order += 1;
        self.records[number].order = self.order;
        self.records[number].place = Place::Held;
    }

    /// The library hands out a session to somebody who asks for those of a scope. Says whether it stays.
    #[track_caller]
    pub(crate) fn hand_out(&mut self, number: Number, scope: usize) -> bool {
        assert!(
            number < self.records.len(),
            "a session that nobody ever stored"
        );
        let record = &self.records[number];
        assert_eq!(
            record.scope, scope,
            "session {number} of another config or endpoint"
        );
        match record.place {
            Place::Held => {}
            Place::Staged => panic!("session {number} before its connection was established"),
            Place::Leased => panic!("session {number} while another has it"),
            Place::Exported => panic!("session {number} though it was exported"),
            Place::Gone => panic!("session {number} again, or though it was dropped"),
        }
        assert!(record.expires > self.now, "session {number} after its end");
        let held = self.held(scope);
        if !self.in_doubt(scope) {
            assert_eq!(held.last(), Some(&number), "not the newest");
        }
        if !self.records[number].single {
            return true;
        }
        if self.limits.reuse && (held.len() == 1 || self.in_doubt(scope)) {
            // Which is the last is the library's to know where the ledger is in doubt.
            return true;
        }
        self.records[number].place = Place::Gone;
        false
    }

    /// The library has nothing for somebody who asks.
    #[track_caller]
    pub(crate) fn has_nothing(&self, scope: usize) {
        if !self.in_doubt(scope) && !self.withholds(scope) {
            assert_eq!(
                self.held(scope),
                [],
                "something is there, and is not handed out"
            );
        }
    }

    /// The library says how many there are.
    #[track_caller]
    pub(crate) fn counted(&self, scope: usize, count: usize) {
        let held = self.held(scope).len();
        assert!(
            count <= held.min(self.limits.per_endpoint),
            "{count} are too many"
        );
        if !self.in_doubt(scope) {
            assert_eq!(count, held, "some are missing");
        }
    }

    /// A lineage was refused.
    pub(crate) fn refuse(&mut self, scope: usize, lineage: Option<LineageId>) {
        for record in self
            .records
            .iter_mut()
            .filter(|record| record.scope == scope && record.place == Place::Held)
        {
            match record.lineage {
                // Of which it is, only the library knows.
                None => self.scopes[scope].doubtful = true,
                known if known == lineage => record.place = Place::Gone,
                Some(_) => {}
            }
        }
        self.scopes[scope].doubtful |= lineage.is_none();
    }

    /// What is held of some scopes is dropped. `kept`: in these, attempts that wait may have some of it.
    pub(crate) fn drop_held(&mut self, scopes: impl Fn(usize) -> bool, kept: &[usize]) {
        for record in &mut self.records {
            if record.place != Place::Held || !scopes(record.scope) {
                continue;
            }
            if kept.contains(&record.scope) {
                self.scopes[record.scope].doubtful = true;
            } else {
                record.place = Place::Gone;
            }
        }
    }

    /// How many sessions are there, and their bytes, if that is certain.
    pub(crate) fn totals(&self) -> Option<(u64, u64)> {
        if self.evicting || self.scopes.iter().any(|scope| scope.doubtful) {
            return None;
        }
        let alive = self.records.iter().filter(|record| self.is_alive(record));
        let bytes = alive.clone().map(|record| record.memory as u64).sum();
        Some((alive.count() as u64, bytes))
    }
}
