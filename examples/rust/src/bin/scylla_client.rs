//! Opens a session with a cluster of ScyllaDB or Cassandra again and again, with the scylla driver:
//!
//! ```text
//! scylla_client NODE CAFILE SESSIONS
//! ```

use libtsc::{Cache, Options};
use libtsc_clients::{Outcome, arguments, check_books, trust};
use scylla::client::session::TlsContext;
use scylla::client::session_builder::SessionBuilder;
use std::sync::Arc;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Outcome {
    let [node, cafile, sessions] = arguments(["NODE", "CAFILE", "SESSIONS"])?;
    let mut tls = trust(&cafile)?;
    let cache = Cache::new(Options::default());
    tls.resumption = libtsc::rustls::resumption(&cache);
    let tls = Arc::new(tls);
    for _ in 0..sessions.parse()? {
        let session = SessionBuilder::new()
            .known_node(&node)
            .tls_context(Some(TlsContext::Rustls023(Arc::clone(&tls))))
            .build()
            .await?;
        let answer = session
            .query_unpaged("SELECT release_version FROM system.local", ())
            .await?;
        let (version,) = answer.into_rows_result()?.single_row::<(String,)>()?;
        println!("{version}");
    }
    check_books(&cache)
}
