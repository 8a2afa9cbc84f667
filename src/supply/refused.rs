//! The lineages that the server refused, or that end earlier than was known.

use crate::engine::{Lineage, Time};
use std::collections::BTreeMap;

/// How many are remembered, the youngest that there are. An attempt that has taken a session of an older one
/// offers it in vain, or puts it back for one other to.
const REMEMBERED: usize = 1024;

/// When each such lineage ends, so that a session that an attempt has taken, and that does not know of it, is not
/// offered any more, wherever it is. What came afterwards knows.
#[derive(Default)]
pub(super) struct Refused(BTreeMap<u64, Time>);

impl Refused {
    /// The server refused a session of this lineage: none is of use.
    pub(super) fn add(&mut self, lineage: u64) {
        self.bound(Lineage {
            id: lineage,
            ends: Time::default(),
        });
    }

    /// The lineage ends then.
    pub(super) fn bound(&mut self, lineage: Lineage) {
        let ends = self.0.entry(lineage.id).or_insert(lineage.ends);
        *ends = lineage.ends.min(*ends);
        if self.0.len() > REMEMBERED {
            self.0.pop_first();
        }
    }

    /// Whether a session of this lineage, that ends when the session thinks it does, is not to be offered.
    pub(super) fn contains(&self, lineage: Lineage) -> bool {
        self.0
            .get(&lineage.id)
            .is_some_and(|&ends| lineage.ends > ends)
    }
}
