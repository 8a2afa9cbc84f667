//! What all shards together use, and what attempts have staged. Nothing is stored or staged that was not
//! reserved here first, so the limits hold at every moment.

use super::Options;
use crate::sync::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;

#[derive(Default)]
pub(super) struct Usage {
    endpoints: AtomicUsize,
    bytes: AtomicUsize,
    staged: AtomicUsize,
}

impl Usage {
    /// Sets aside room for a session, and for an endpoint if it is a new one; both or nothing.
    ///
    /// For the moment in which an endpoint is set aside and given back because the bytes do not fit,
    /// another thread may see one endpoint too many. Then it evicts one; no limit is ever exceeded.
    pub(super) fn reserve(&self, options: &Options, new_endpoint: bool, bytes: usize) -> bool {
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
            self.release(new_endpoint, 0);
        }
        fits
    }

    pub(super) fn release(&self, endpoint: bool, bytes: usize) {
        if endpoint {
            self.endpoints.fetch_sub(1, Relaxed);
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
