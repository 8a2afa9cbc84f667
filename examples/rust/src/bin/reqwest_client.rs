//! Asks for a page again and again with reqwest, on a new connection each time, as a client does that is
//! idle for long in between:
//!
//! ```text
//! reqwest_client URL CAFILE REQUESTS
//! ```

use libtsc::{Cache, Options};
use libtsc_clients::{Outcome, arguments, check_books, trust};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Outcome {
    let [url, cafile, requests] = arguments(["URL", "CAFILE", "REQUESTS"])?;
    let mut tls = trust(&cafile)?;
    // [tsc]
    let cache = Cache::new(Options::default());
    tls.resumption = libtsc::rustls::resumption(&cache);
    // [/tsc]
    let client = reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .pool_max_idle_per_host(0)
        .build()?;
    for _ in 0..requests.parse()? {
        print!("{}", client.get(&url).send().await?.text().await?);
    }
    check_books(&cache)
}
