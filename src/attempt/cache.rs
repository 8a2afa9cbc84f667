//! A cache, with what is on its way to each of its endpoints.

use super::supply::{Calls, Supply};
use crate::engine::{Engine, Space};
use crate::sync::Mutex;
use crate::sys::PerProcess;
use foldhash::quality::RandomState;
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

/// A cache and the cache of its endpoints.
///
/// A supply lives while an attempt uses it, and after that as long as there is room: as many are
/// remembered as endpoints.
pub struct Cache {
    engine: Arc<Engine>,
    table: PerProcess<Mutex<Table>>,
}

type Table = HashMap<Box<[u8]>, Arc<Supply>, RandomState>;

impl Cache {
    #[must_use]
    pub fn new(engine: Engine) -> Arc<Self> {
        Arc::new(Self {
            engine: Arc::new(engine),
            table: PerProcess::new(Mutex::default()),
        })
    }

    #[inline]
    #[must_use]
    pub fn engine(&self) -> &Arc<Engine> {
        &self.engine
    }

    /// Drops everything, keeps nothing from here on, and tells all attempts that wait.
    pub fn close(&self) {
        self.engine.close();
        let now = self.engine.now();
        let all: Vec<_> = self.table().lock().values().cloned().collect();
        let calls: Vec<Calls<'_>> = all.iter().map(|supply| supply.close(now)).collect();
        calls.into_iter().for_each(Calls::make);
    }

    /// The supply of a config and an endpoint.
    pub(super) fn of(&self, key: Box<[u8]>) -> Arc<Supply> {
        let mut table = self.table().lock();
        if let Some(supply) = table.get(&key) {
            return Arc::clone(supply);
        }
        let room = self.engine.options().max_endpoints.max(1) as usize;
        // Dropped after the lock is gone.
        let _idle = if table.len() >= room {
            take_idle(&mut table, room / 8 + 1)
        } else {
            Vec::new()
        };
        let of_cache = self.engine.key(Space::Attempt, &key).into();
        let supply = Arc::new(Supply::new(&self.engine, of_cache));
        table.insert(key, Arc::clone(&supply));
        drop(table);
        supply
    }

    fn table(&self) -> &Mutex<Table> {
        self.table.get(Mutex::default)
    }
}

/// Takes out some that no attempt uses, those first that were not used for the longest time. Several at
/// once, so that a full table is not searched for each newcomer.
fn take_idle(table: &mut Table, some: usize) -> Vec<Arc<Supply>> {
    let mut idle: Vec<_> = table
        .iter()
        .filter(|(_, supply)| Arc::strong_count(supply) == 1)
        .map(|(key, supply)| (supply.used.load(Relaxed), key.clone()))
        .collect();
    idle.sort_unstable();
    let keys = idle.into_iter().take(some);
    keys.filter_map(|(_, key)| table.remove(&key)).collect()
}

impl fmt::Debug for Cache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cache").finish_non_exhaustive()
    }
}
