//! What the cache holds. Nothing is stored that was not reserved here first, so the limits hold at every
//! moment.

use super::visit::Visit;
use super::{Options, Session};
use crate::sync::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;

/// What all shards together use.
#[derive(Default)]
pub(super) struct Usage {
    endpoints: AtomicUsize,
    bytes: AtomicUsize,
}

impl Usage {
    /// Sets aside room for a session, and for an endpoint if it is a new one; both or nothing.
    ///
    /// For the moment in which an endpoint is set aside and given back because the bytes do not fit,
    /// another thread may see one endpoint too many. Then it evicts one; no limit is ever exceeded.
    fn reserve(&self, options: &Options, new_endpoint: bool, bytes: usize) -> bool {
        let add = |counter: &AtomicUsize, n: usize, max: u64| {
            let fits = |used: usize| used.checked_add(n).filter(|&sum| sum as u64 <= max);
            n == 0 || counter.fetch_update(Relaxed, Relaxed, fits).is_ok()
        };
        if !add(
            &self.endpoints,
            new_endpoint.into(),
            options.max_endpoints.into(),
        ) {
            return false;
        }
        let fits = add(&self.bytes, bytes, options.max_bytes);
        if !fits {
            self.release(new_endpoint.into(), 0);
        }
        fits
    }

    fn release(&self, endpoints: usize, bytes: usize) {
        if endpoints != 0 {
            self.endpoints.fetch_sub(endpoints, Relaxed);
        }
        if bytes != 0 {
            self.bytes.fetch_sub(bytes, Relaxed);
        }
    }

    pub(super) fn endpoints(&self) -> usize {
        self.endpoints.load(Relaxed)
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes.load(Relaxed)
    }
}

/// What one shard holds, or what left it in one visit.
#[derive(Default)]
pub(super) struct Held {
    pub(super) endpoints: usize,
    pub(super) sessions: usize,
    pub(super) bytes: usize,
}

impl Held {
    pub(super) fn add(&mut self, session: &Session) {
        self.sessions += 1;
        self.bytes += session.size;
    }

    /// Gives up what has left in this visit.
    pub(super) fn settle(&mut self, visit: &mut Visit<'_, '_>) {
        let left = std::mem::take(&mut visit.left);
        self.subtract(&left);
        visit.usage.release(left.endpoints, left.bytes);
    }

    /// The same, and sets aside room for a session, and for an endpoint if it is a new one. What left made
    /// room for what comes, so between sessions of the same size nothing changes that the shards share.
    pub(super) fn reserve(
        &mut self,
        visit: &mut Visit<'_, '_>,
        new_endpoint: bool,
        bytes: usize,
    ) -> bool {
        let kept = visit.left.bytes.min(bytes);
        self.bytes -= kept;
        visit.left.bytes -= kept;
        self.settle(visit);
        let reserved = visit
            .usage
            .reserve(visit.options, new_endpoint, bytes - kept);
        if reserved {
            self.endpoints += usize::from(new_endpoint);
        } else {
            visit.usage.release(0, kept);
        }
        reserved
    }

    /// Gives up everything.
    pub(super) fn clear(&mut self, usage: &Usage) {
        usage.release(self.endpoints, self.bytes);
        *self = Self::default();
    }

    fn subtract(&mut self, left: &Self) {
        self.endpoints -= left.endpoints;
        self.sessions -= left.sessions;
        self.bytes -= left.bytes;
    }
}
