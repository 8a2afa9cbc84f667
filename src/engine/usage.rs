//! What all shards together use, and what attempts have staged. Nothing is stored or staged that was not
//! reserved here first, so the limits hold at every moment.

use super::visit::Visit;
use super::{Options, Session};
use crate::sync::{AtomicBool, AtomicUsize};
use std::sync::atomic::Ordering::Relaxed;

/// What all shards together use.
pub(super) struct Usage {
    endpoints: AtomicUsize,
    bytes: AtomicUsize,
    staged: AtomicUsize,
    /// Bytes that a shard may hold without using them.
    spare_each: usize,
    /// Above this, shards give back at once what they do not use.
    spare_up_to: usize,
    /// Whether any shard may hold such bytes.
    any_spare: AtomicBool,
}

impl Usage {
    pub(super) fn new(options: &Options, shards: usize) -> Self {
        const SPARE: usize = 16 << 10;
        let bytes = usize::try_from(options.max_bytes).unwrap_or(usize::MAX);
        Self {
            endpoints: AtomicUsize::new(0),
            bytes: AtomicUsize::new(0),
            staged: AtomicUsize::new(0),
            spare_each: SPARE.min(bytes / 8 / shards),
            spare_up_to: bytes - bytes / 4,
            any_spare: AtomicBool::new(false),
        }
    }

    /// Whether shards may hold bytes that they do not use. They are to be asked for them, before anything
    /// is evicted for bytes.
    pub(super) fn take_any_spare(&self) -> bool {
        self.any_spare.load(Relaxed) && self.any_spare.swap(false, Relaxed)
    }

    /// Some shards were not asked.
    pub(super) fn leave_some_spare(&self) {
        self.any_spare.store(true, Relaxed);
    }

    /// Sets aside room for a session, and for an endpoint if it is a new one; both or nothing.
    ///
    /// For the moment in which an endpoint is set aside and given back because the bytes do not fit,
    /// another thread may see one endpoint too many. Then it evicts one; no limit is ever exceeded.
    fn reserve(&self, options: &Options, new_endpoint: bool, bytes: usize) -> Result<(), Short> {
        let add = |counter: &AtomicUsize, n: usize, max: u64| {
            let fits = |used: usize| used.checked_add(n).filter(|&sum| sum as u64 <= max);
            n == 0 || counter.fetch_update(Relaxed, Relaxed, fits).is_ok()
        };
        if !add(
            &self.endpoints,
            new_endpoint.into(),
            options.max_endpoints.into(),
        ) {
            return Err(Short::OfEndpoints);
        }
        if !add(&self.bytes, bytes, options.max_bytes) {
            self.release(new_endpoint.into(), 0);
            return Err(Short::OfBytes(bytes));
        }
        Ok(())
    }

    fn release(&self, endpoints: u32, bytes: usize) {
        if endpoints != 0 {
            self.endpoints.fetch_sub(endpoints as usize, Relaxed);
        }
        if bytes != 0 {
            self.bytes.fetch_sub(bytes, Relaxed);
        }
    }

    /// Sets aside room for a session that an attempt stages which has staged `own` bytes before. Its first
    /// session gets what room there is; with more, no attempt takes more than it leaves to all others, so that
    /// a server that floods a few attempts keeps nobody else from staging.
    pub(super) fn stage(&self, options: &Options, own: usize, bytes: usize) -> bool {
        let most = usize::try_from(options.max_bytes).unwrap_or(usize::MAX);
        let fits = |staged: usize| {
            let left = most.checked_sub(staged)?;
            let share = if own == 0 {
                left
            } else {
                left.saturating_sub(own)
            };
            (bytes <= share).then(|| staged + bytes)
        };
        self.staged.fetch_update(Relaxed, Relaxed, fits).is_ok()
    }

    pub(super) fn unstage(&self, bytes: usize) {
        if bytes != 0 {
            self.staged.fetch_sub(bytes, Relaxed);
        }
    }

    pub(super) fn staged(&self) -> usize {
        self.staged.load(Relaxed)
    }

    pub(super) fn endpoints(&self) -> usize {
        self.endpoints.load(Relaxed)
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes.load(Relaxed)
    }
}

/// What there is no room for.
#[derive(Clone, Copy)]
pub(super) enum Short {
    OfEndpoints,
    /// So many: what was to come in.
    OfBytes(usize),
}

/// What one shard holds, or what left it in one visit.
#[derive(Default)]
pub(super) struct Held {
    pub(super) endpoints: u32,
    pub(super) sessions: u32,
    pub(super) bytes: usize,
    /// Set aside of the cache's bytes and not used: what comes and goes in one shard changes nothing that
    /// others read.
    pub(super) spare: usize,
}

impl Held {
    pub(super) fn add<P>(&mut self, session: &Session<P>) {
        self.sessions += 1;
        self.bytes += session.size;
    }

    /// Gives up what has left in this visit.
    #[inline]
    pub(super) fn settle(&mut self, visit: &mut Visit<'_, '_>) {
        let left = std::mem::take(&mut visit.left);
        self.endpoints -= left.endpoints;
        self.sessions -= left.sessions;
        self.bytes -= left.bytes;
        self.spare += left.bytes;
        let usage = &visit.era.usage;
        let keep = if usage.bytes() <= usage.spare_up_to {
            usage.spare_each
        } else {
            0
        };
        if self.spare != 0 && keep != 0 && !usage.any_spare.load(Relaxed) {
            usage.any_spare.store(true, Relaxed);
        }
        let over = self.spare.saturating_sub(keep);
        self.spare -= over;
        usage.release(left.endpoints, over);
    }

    /// The same, and sets aside room for a session, and for an endpoint if it is a new one.
    #[inline]
    pub(super) fn reserve(
        &mut self,
        visit: &mut Visit<'_, '_>,
        new_endpoint: bool,
        bytes: usize,
    ) -> Result<(), Short> {
        // What left makes room for what comes, so this is not given up to be reserved again.
        let left = std::mem::take(&mut visit.left.bytes);
        self.bytes -= left;
        self.spare += left;
        let own = self.spare.min(bytes);
        if own == bytes && !new_endpoint && visit.left.sessions == 0 {
            // The usual case where tickets come and go: nothing has left in this visit, and nothing is asked for.
            self.spare -= own;
            return Ok(());
        }
        let reserved = visit
            .era
            .usage
            .reserve(visit.options, new_endpoint, bytes - own);
        if reserved.is_ok() {
            self.spare -= own;
            self.endpoints += u32::from(new_endpoint);
        }
        self.settle(visit);
        reserved
    }

    /// Sets aside room for a session that takes the place of another one; false: there is not enough at hand, and
    /// nothing has changed.
    #[inline]
    pub(super) fn exchange(
        &mut self,
        visit: &mut Visit<'_, '_>,
        gone: usize,
        bytes: usize,
    ) -> bool {
        if gone == bytes && visit.left.sessions == 0 {
            return true;
        }
        let Some(spare) = (self.spare + gone).checked_sub(bytes) else {
            return false;
        };
        self.bytes = self.bytes - gone + bytes;
        self.spare = spare;
        self.settle(visit);
        true
    }

    /// Gives up what is not used, and says how much.
    pub(super) fn give_spare(&mut self, usage: &Usage) -> usize {
        let spare = std::mem::take(&mut self.spare);
        usage.release(0, spare);
        spare
    }

    /// Gives up everything.
    pub(super) fn clear(&mut self, usage: &Usage) {
        usage.release(self.endpoints, self.bytes + self.spare);
        *self = Self::default();
    }
}
