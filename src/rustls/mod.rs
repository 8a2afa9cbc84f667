//! rustls over an attempt: a session store for one connection, and the configuration that carries it.

mod attach;
mod lifetime;
mod store;

pub(crate) use attach::Attached;
