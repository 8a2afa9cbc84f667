//! How the running agent is.

use anyhow::{Context as _, bail};
use libtsc::agent::protocol::{LENGTH, Reply, Request, VERSION, length};
use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

pub fn print(path: &Path) -> anyhow::Result<()> {
    let answer = || format!("{}: no answer", path.display());
    let stream = UnixStream::connect(path);
    let mut stream = stream.with_context(|| format!("no agent listens at {}", path.display()))?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    let hello = Request::Hello {
        version: VERSION,
        process: Default::default(),
    };
    for request in [hello, Request::Status] {
        let (head, tail) = request.encode();
        stream.write_all(&head)?;
        stream.write_all(tail)?;
    }
    let mut start = [0; LENGTH];
    stream.read_exact(&mut start).with_context(answer)?;
    let mut message = vec![0; length(start).context("no agent of this version")?];
    stream.read_exact(&mut message).with_context(answer)?;
    match Reply::decode(&message) {
        Some(Reply::Text { text }) => Ok(std::io::stdout().write_all(text)?),
        _ => bail!("{}: no agent of this version", path.display()),
    }
}
