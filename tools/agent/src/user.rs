//! Users: what each of them has here, and how much that may be.

use crate::args::Args;
use crate::quota::Quota;
use libtsc::{Cache, Options};
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

pub(crate) struct User {
    pub(crate) uid: u32,
    /// What one user publishes is offered to no other, unless the agent was told to.
    pub(crate) cache: Arc<Cache>,
    /// How many of its sessions were lent.
    pub(crate) lent: Rc<Cell<u64>>,
    pub(crate) connections: Quota,
    /// Those with a connection, and those that may have sessions on loan: a descriptor for each.
    pub(crate) processes: Quota,
    pub(crate) attempts: Quota,
}

pub(crate) struct Users {
    options: Options,
    max_users: usize,
    max_connections: usize,
    max_attempts: usize,
    /// Of all users together, if they share.
    common: Option<(Arc<Cache>, Rc<Cell<u64>>)>,
    known: RefCell<HashMap<u32, Rc<User>>>,
}

impl Users {
    pub(crate) fn new(args: &Args) -> Self {
        let options = args.options();
        Self {
            options,
            max_users: args.max_users,
            max_connections: args.max_user_connections(),
            max_attempts: args.max_user_attempts,
            common: args
                .share_between_users
                .then(|| (Cache::new(options), Rc::default())),
            known: RefCell::default(),
        }
    }

    pub(crate) fn are_apart(&self) -> bool {
        self.common.is_none()
    }

    /// `None`: there are as many as may be, and all of them are connected.
    pub(crate) fn of(&self, uid: u32) -> Option<Rc<User>> {
        let mut known = self.known.borrow_mut();
        if let Some(user) = known.get(&uid) {
            return Some(Rc::clone(user));
        }
        if known.len() >= self.max_users {
            let idle = known.values().filter(|user| self.is_idle(user));
            let fewest = idle.min_by_key(|user| user.cache.stats().sessions)?.uid;
            known.remove(&fewest);
        }
        let common = self.common.clone();
        let (cache, lent) = common.unwrap_or_else(|| (Cache::new(self.options), Rc::default()));
        let user = Rc::new(User {
            uid,
            cache,
            lent,
            connections: Quota::new(self.max_connections),
            processes: Quota::new(self.max_connections),
            attempts: Quota::new(self.max_attempts),
        });
        known.insert(uid, Rc::clone(&user));
        Some(user)
    }

    /// Whether nobody has anything of this user's: no connection, no process, no stock for other hosts.
    fn is_idle(&self, user: &Rc<User>) -> bool {
        let caches = if self.are_apart() { 1 } else { usize::MAX };
        Rc::strong_count(user) == 1 && Arc::strong_count(&user.cache) <= caches
    }

    /// The sessions, with the name of whose they are, and how many of them were lent.
    pub(crate) fn caches(&self) -> Vec<(String, Arc<Cache>, u64)> {
        if let Some((common, lent)) = &self.common {
            return vec![("all".into(), Arc::clone(common), lent.get())];
        }
        let known = self.known.borrow();
        let mut users: Vec<_> = known.values().collect();
        users.sort_unstable_by_key(|user| user.uid);
        let named = |user: &Rc<User>| {
            (
                user.uid.to_string(),
                Arc::clone(&user.cache),
                user.lent.get(),
            )
        };
        users.into_iter().map(named).collect()
    }
}
