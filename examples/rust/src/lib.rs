//! What the clients in `src/bin` share: how they are started, and whom they trust.

use rustls::client::Resumption;
use rustls::pki_types::{CertificateDer, pem::PemObject};
use rustls::{ClientConfig, RootCertStore};
use std::env;
use std::error::Error;

/// What a client's `main` returns.
pub type Outcome = Result<(), Box<dyn Error + Send + Sync>>;

/// The arguments that a client was started with.
///
/// # Errors
/// There are not as many as it has names for.
pub fn arguments<const N: usize>(names: [&str; N]) -> Result<[String; N], String> {
    let given: Vec<String> = env::args().skip(1).collect();
    given
        .try_into()
        .map_err(|_| format!("usage: {}", names.join(" ")))
}

/// A TLS configuration that trusts the certificates in a file.
///
/// It resumes nothing: rustls would have a store of its own, and whatever is resumed here is to come from
/// libtsc's.
///
/// # Errors
/// They cannot be read.
pub fn trust(cafile: &str) -> Result<ClientConfig, Box<dyn Error + Send + Sync>> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(cafile)? {
        roots.add(certificate?)?;
    }
    let config = ClientConfig::builder().with_root_certificates(roots);
    let mut config = config.with_no_client_auth();
    config.resumption = Resumption::disabled();
    Ok(config)
}

/// Whether what came into the cache went for one of the reasons in its statistics, or is there.
///
/// # Errors
/// The counts, if they do not add up.
pub fn check_books(cache: &libtsc::Cache) -> Outcome {
    let stats = cache.stats();
    let dropped = stats.expired + stats.evicted + stats.displaced + stats.removed;
    if stats.stored + stats.returned == stats.taken + dropped + stats.sessions {
        Ok(())
    } else {
        Err(format!("the books do not balance: {stats:?}").into())
    }
}
