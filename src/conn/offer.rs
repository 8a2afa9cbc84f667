//! What an attempt offers to the server, and whether it has left.

use crate::cache::{Lineage, Session};

/// What the attempt offers to the server.
#[derive(Default)]
pub(super) enum Offer {
    /// Nobody has asked yet.
    #[default]
    Unasked,
    /// Taken; the payload may be lent to the caller.
    Leased(Session),
    /// On the wire, or may be: of this lineage; the payload is kept while it may be lent.
    Sent(
        Lineage,
        #[expect(dead_code, reason = "keeps alive what is lent")] Option<Session>,
    ),
    /// Nothing, and nothing will be: the ClientHello left without one.
    Nothing,
}

impl Offer {
    pub(super) fn lineage(&self) -> Option<Lineage> {
        match self {
            Offer::Leased(session) => Some(session.lineage),
            Offer::Sent(lineage, _) => Some(*lineage),
            Offer::Unasked | Offer::Nothing => None,
        }
    }

    /// The ClientHello has left, or may have.
    pub(super) fn send(&mut self) {
        *self = match std::mem::take(self) {
            Offer::Leased(session) => Offer::Sent(session.lineage, Some(session)),
            Offer::Unasked => Offer::Nothing,
            sent => sent,
        };
    }

    /// What was taken and not sent; there is nothing to offer from here on.
    pub(super) fn withdraw(&mut self) -> Option<Session> {
        match std::mem::replace(self, Offer::Nothing) {
            Offer::Leased(session) => Some(session),
            sent @ Offer::Sent(..) => {
                *self = sent;
                None
            }
            Offer::Unasked | Offer::Nothing => None,
        }
    }
}
