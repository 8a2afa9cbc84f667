//! The primary, as sentinels know it.

use super::link::{Open, connect, error, first};
use super::url::at;
use redis::{Client, ConnectionInfo, RedisResult};
use std::rc::Rc;

pub(super) struct Sentinels {
    pub(super) clients: Vec<Client>,
    /// What they call the primary and its replicas.
    pub(super) service: String,
    /// How to speak to a server of it, wherever that is.
    pub(super) server: ConnectionInfo,
}

impl Sentinels {
    /// Asks all of them at once, since any may be gone, hang, or not have heard of a failover; the first one that
    /// leads to a primary will do.
    pub(super) async fn open(self: &Rc<Self>) -> RedisResult<Open> {
        first(self.clients.iter().map(|client| {
            let (own, client) = (Rc::clone(self), client.clone());
            async move { Open::to(&own.primary(&client).await?).await }
        }))
        .await
    }

    async fn primary(&self, sentinel: &Client) -> RedisResult<Client> {
        let mut connection = connect(sentinel).await?;
        let mut ask = redis::cmd("SENTINEL");
        ask.arg("GET-MASTER-ADDR-BY-NAME").arg(&self.service);
        match ask.query_async(&mut connection).await? {
            Some((host, port)) => Client::open(at(&self.server, host, port)),
            None => Err(error("sentinel does not know this service")),
        }
    }
}
