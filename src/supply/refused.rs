//! The lineages that the server refused.

use std::collections::BTreeSet;

/// How many are remembered, the youngest that there are. An attempt that has taken a session of an older one
/// offers it in vain, or puts it back for one other to.
const REMEMBERED: usize = 1024;

/// So that a session of such a lineage which an attempt has taken is not offered any more, wherever it is.
#[derive(Default)]
pub(super) struct Refused(BTreeSet<u64>);

impl Refused {
    pub(super) fn add(&mut self, lineage: u64) {
        self.0.insert(lineage);
        if self.0.len() > REMEMBERED {
            self.0.pop_first();
        }
    }

    pub(super) fn contains(&self, lineage: u64) -> bool {
        self.0.contains(&lineage)
    }
}
