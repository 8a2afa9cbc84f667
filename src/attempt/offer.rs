//! What an attempt offers to the server, and whether it has left.

use crate::engine::{Lineage, Session};

/// What the attempt offers to the server.
#[derive(Default)]
pub(super) struct Offer {
    stage: Stage,
    /// What was taken from the cache; the payload may be lent to the caller, also once it was sent.
    session: Option<Session>,
}

#[derive(Clone, Copy, Default)]
enum Stage {
    /// Nobody has asked yet.
    #[default]
    Unasked,
    /// There is a session.
    Leased,
    /// On the wire, or may be: of this lineage.
    Sent(Lineage),
    /// Nothing, and nothing will be: the ClientHello left without one.
    Nothing,
}

impl Offer {
    pub(super) fn is_unasked(&self) -> bool {
        matches!(self.stage, Stage::Unasked)
    }

    /// Has `take` put a session into its place, where it stays: moving it costs as much as looking it up.
    /// False: there was none.
    #[inline]
    pub(super) fn lease(&mut self, take: impl FnOnce(&mut Option<Session>)) -> bool {
        take(&mut self.session);
        let found = self.session.is_some();
        if found {
            self.stage = Stage::Leased;
        }
        found
    }

    /// What may be offered now.
    #[inline]
    pub(super) fn leased(&self) -> Option<&Session> {
        match self.stage {
            Stage::Leased => self.session.as_ref(),
            _ => None,
        }
    }

    pub(super) fn lineage(&self) -> Option<Lineage> {
        match self.stage {
            Stage::Sent(lineage) => Some(lineage),
            _ => self.leased().map(|session| session.lineage),
        }
    }

    /// The ClientHello has left, or may have.
    pub(super) fn send(&mut self) {
        self.stage = self.lineage().map_or(Stage::Nothing, Stage::Sent);
    }

    /// Gives what was leased to a stack that sends it at once and keeps it as its own.
    pub(super) fn give(&mut self) -> Option<Session> {
        self.leased()?;
        self.send();
        self.session.take()
    }

    /// There is nothing to offer from here on. Gives what was taken and not sent, and what was sent.
    pub(super) fn end(&mut self) -> (Option<Session>, Option<Session>) {
        let unsent = self.leased().is_some();
        self.stage = Stage::Nothing;
        let session = self.session.take();
        if unsent {
            (session, None)
        } else {
            (None, session)
        }
    }
}
