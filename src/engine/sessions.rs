//! The sessions of one key, in the order in which they were received.

use super::Session;
use std::collections::VecDeque;

/// Oldest first. One is the usual case, and lies where its entry does; of several, each end is at hand.
pub(super) enum Sessions {
    One(Session),
    Many(VecDeque<Session>),
}

impl Sessions {
    pub(super) fn len(&self) -> usize {
        match self {
            Self::One(_) => 1,
            Self::Many(sessions) => sessions.len(),
        }
    }

    /// Whether there is memory for one more.
    pub(super) fn can_grow(&mut self) -> bool {
        match self {
            Self::One(_) => true,
            Self::Many(sessions) => sessions.try_reserve(1).is_ok(),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Session> {
        let (one, many) = match self {
            Self::One(session) => (Some(session), None),
            Self::Many(sessions) => (None, Some(sessions)),
        };
        one.into_iter().chain(many.into_iter().flatten())
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Session> {
        let (one, many) = match self {
            Self::One(session) => (Some(session), None),
            Self::Many(sessions) => (None, Some(sessions)),
        };
        one.into_iter().chain(many.into_iter().flatten())
    }

    #[inline]
    pub(super) fn newest(&self) -> Option<&Session> {
        match self {
            Self::One(session) => Some(session),
            Self::Many(sessions) => sessions.back(),
        }
    }

    pub(super) fn newest_mut(&mut self) -> Option<&mut Session> {
        match self {
            Self::One(session) => Some(session),
            Self::Many(sessions) => sessions.back_mut(),
        }
    }

    pub(super) fn oldest(&self) -> Option<&Session> {
        match self {
            Self::One(session) => Some(session),
            Self::Many(sessions) => sessions.front(),
        }
    }

    /// Has the oldest take the place of the newest.
    #[inline]
    pub(super) fn oldest_to_newest(&mut self) -> Option<&mut Session> {
        match self {
            Self::One(session) => Some(session),
            Self::Many(sessions) => {
                if sessions.len() > 1 {
                    sessions.rotate_left(1);
                }
                sessions.back_mut()
            }
        }
    }

    #[inline]
    pub(super) fn pop_newest(&mut self) -> Option<Session> {
        match self {
            Self::One(_) => self.take_one(),
            Self::Many(sessions) => sessions.pop_back(),
        }
    }

    pub(super) fn pop_oldest(&mut self) -> Option<Session> {
        match self {
            Self::One(_) => self.take_one(),
            Self::Many(sessions) => sessions.pop_front(),
        }
    }

    fn take_one(&mut self) -> Option<Session> {
        match self {
            Self::Many(_) => None,
            Self::One(_) => match std::mem::take(self) {
                Self::One(session) => Some(session),
                Self::Many(_) => None,
            },
        }
    }

    /// Takes a session in, behind those that were not received later.
    pub(super) fn add(&mut self, session: Session) {
        if self.is_empty() {
            // What was there before may have left room, which a key that has several needs again.
            match self {
                Self::Many(sessions) if sessions.capacity() != 0 => sessions.push_back(session),
                _ => *self = Self::One(session),
            }
            return;
        }
        let sessions = self.several();
        match sessions.back() {
            Some(newest) if newest.received > session.received => {
                let at = sessions.partition_point(|other| other.received <= session.received);
                sessions.insert(at, session);
            }
            _ => sessions.push_back(session),
        }
    }

    /// Drops the sessions that `which` names into `to`.
    pub(super) fn extract(
        &mut self,
        which: impl Fn(&Session) -> bool,
        mut to: impl FnMut(Session),
    ) {
        match self {
            Self::One(session) => {
                if which(session) {
                    self.take_one().into_iter().for_each(to);
                }
            }
            Self::Many(sessions) => {
                let mut at = 0;
                while let Some(session) = sessions.get(at) {
                    if which(session) {
                        sessions.remove(at).into_iter().for_each(&mut to);
                    } else {
                        at += 1;
                    }
                }
            }
        }
    }

    fn several(&mut self) -> &mut VecDeque<Session> {
        if let Some(one) = self.take_one() {
            *self = Self::Many(VecDeque::from([one]));
        }
        match self {
            Self::Many(sessions) => sessions,
            Self::One(_) => unreachable!("it was made several"),
        }
    }
}

impl Default for Sessions {
    fn default() -> Self {
        Self::Many(VecDeque::new())
    }
}

impl IntoIterator for Sessions {
    type Item = Session;
    type IntoIter = std::collections::vec_deque::IntoIter<Session>;

    fn into_iter(mut self) -> Self::IntoIter {
        std::mem::take(self.several()).into_iter()
    }
}
