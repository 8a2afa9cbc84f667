//! Valkey, as one primary or a cluster of several.

use super::cluster::Cluster;
use super::link::Link;
use std::rc::Rc;

pub(super) enum Engine {
    One(Rc<Link>),
    Cluster(Box<Cluster>),
}

impl Engine {
    /// To the primary that has this slot; `None`: it is not known which one that is.
    pub(super) async fn link(&self, slot: u16) -> Option<Rc<Link>> {
        match self {
            Self::One(link) => Some(Rc::clone(link)),
            Self::Cluster(cluster) => cluster.link(slot).await,
        }
    }

    /// Whether that primary is left alone for a while.
    pub(super) fn is_paused(&self, slot: u16) -> bool {
        match self {
            Self::One(link) => link.is_paused(),
            Self::Cluster(cluster) => cluster.is_paused(slot),
        }
    }

    pub(super) fn is_up(&self) -> bool {
        match self {
            Self::One(link) => link.is_up(),
            Self::Cluster(cluster) => cluster.is_up(),
        }
    }

    /// Connects again, if need be.
    pub(super) async fn tend(&self) {
        match self {
            Self::One(link) => drop(link.open().await),
            Self::Cluster(cluster) => cluster.tend().await,
        }
    }
}
