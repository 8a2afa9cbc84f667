//! Where processes connect.

use crate::args::{Args, Others};
use crate::connection;
use crate::host::Host;
use anyhow::{Context as _, bail};
use std::fs;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _, chown};
use std::os::unix::net::UnixListener as StdListener;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;
use tokio::net::{UnixListener, UnixStream};
use tokio::signal::unix::{SignalKind, signal};

/// The socket's file, which goes with the agent, unless another agent's has taken its place.
struct Own<'a> {
    path: &'a Path,
    file: (u64, u64),
}

impl<'a> Own<'a> {
    fn new(path: &'a Path) -> std::io::Result<Self> {
        let file = Self::file(path)?;
        Ok(Self { path, file })
    }

    fn file(path: &Path) -> std::io::Result<(u64, u64)> {
        let about = fs::symlink_metadata(path)?;
        Ok((about.dev(), about.ino()))
    }
}

impl Drop for Own<'_> {
    fn drop(&mut self) {
        if Self::file(self.path).is_ok_and(|file| file == self.file) {
            let _ = fs::remove_file(self.path);
        }
    }
}

/// Serves until it is told to end.
pub async fn run(args: &Args) -> anyhow::Result<()> {
    let path = args.socket();
    let others = args.others()?;
    let given = listenfd::ListenFd::from_env().take_unix_listener(0)?;
    let (listener, own) = match given {
        Some(listener) => {
            only_the_group(&listener, others)?;
            (listener, None)
        }
        None => (listen(&path, others)?, Some(Own::new(&path)?)),
    };
    listener.set_nonblocking(true)?;
    let listener = UnixListener::from_std(listener)?;
    let mut ends = [
        signal(SignalKind::terminate())?,
        signal(SignalKind::interrupt())?,
    ];
    let [terminated, interrupted] = &mut ends;
    let host = Host::new(args)?;
    eprintln!("tsc-agent: listening at {}", path.display());
    let mut sweep = tokio::time::interval(Duration::from_secs(1).min(host.lease));
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => admit(&host, others, stream),
                // Out of descriptors, say: those that there are will be closed again.
                Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
            },
            _ = sweep.tick() => host.sweep(),
            _ = terminated.recv() => break,
            _ = interrupted.recv() => break,
        }
    }
    // Another agent takes over where nobody listens. So this one's socket goes while it still does.
    drop(own);
    if let Some(fleet) = &host.fleet {
        fleet.give_back().await;
    }
    Ok(())
}

/// Of a socket that was handed over, the kernel lets in whoever its unit says.
fn only_the_group(listener: &StdListener, others: Others) -> anyhow::Result<()> {
    let Others::Group(group) = others else {
        return Ok(());
    };
    let address = listener.local_addr()?;
    let path = address.as_pathname().context("the socket has no path")?;
    let about = fs::metadata(path).with_context(|| path.display().to_string())?;
    if about.gid() != group || about.mode() & 0o007 != 0 {
        bail!(
            "{}: users outside the group may connect: set SocketGroup= and SocketMode=0660 in tsc-agent.socket",
            path.display()
        );
    }
    Ok(())
}

/// Serves a connection, if its user may have one. Of a group's members the kernel lets in nobody else: it looks at
/// the socket's owner, group and mode.
fn admit(host: &Rc<Host>, others: Others, stream: UnixStream) {
    let own = rustix::process::geteuid().as_raw();
    let allowed = |uid: u32| others != Others::Nobody || uid == own;
    let Ok(peer) = stream.peer_cred() else { return };
    if !allowed(peer.uid()) {
        return;
    }
    let host = Rc::clone(host);
    // What goes wrong on a connection is the other side's to see.
    tokio::task::spawn_local(async move { connection::serve(&host, stream).await });
}

/// Listens at a path, in place of an agent that is no more.
fn listen(path: &Path, others: Others) -> anyhow::Result<StdListener> {
    let Some(folder) = path.parent().filter(|_| path.is_absolute()) else {
        bail!("{}: give an absolute path", path.display());
    };
    if !folder.exists() {
        let mode = if others == Others::Nobody {
            0o700
        } else {
            0o755
        };
        let made = fs::DirBuilder::new().mode(mode).create(folder);
        made.with_context(|| format!("cannot make the folder {}", folder.display()))?;
    }
    let about = fs::metadata(folder).with_context(|| folder.display().to_string())?;
    let own = rustix::process::geteuid().as_raw();
    if about.mode() & 0o022 != 0 || (about.uid() != own && about.uid() != 0) {
        bail!(
            "{}: other users could replace the socket, so programs will not use it. \
             Choose a folder that only you can write to (chmod go-w)",
            folder.display()
        );
    }
    if std::os::unix::net::UnixStream::connect(path).is_ok() {
        bail!("{}: another agent is listening there", path.display());
    }
    let _ = fs::remove_file(path);
    // Until its mode is set, the socket is for the agent's own user alone.
    let umask = rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o177));
    let listener = StdListener::bind(path);
    rustix::process::umask(umask);
    let listener = listener.with_context(|| format!("cannot listen at {}", path.display()))?;
    let mode = match others {
        Others::Nobody => 0o600,
        Others::Group(group) => {
            chown(path, None, Some(group)).context("cannot give the socket to the group")?;
            0o660
        }
        Others::Everybody => 0o666,
    };
    fs::set_permissions(path, fs::Permissions::from_mode(mode))?;
    Ok(listener)
}
