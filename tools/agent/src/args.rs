//! What the command line says.

use anyhow::Context as _;
use clap::{Parser, Subcommand};
use nix::unistd::Group;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Shares TLS client sessions among the processes of a machine that use libtsc.
///
/// Programs find it by the environment variable TSC_AGENT, if their cache allows sharing.
#[derive(Parser)]
#[command(version, max_term_width = 100)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,

    /// Where to listen: a Unix socket in a folder that only you can write to. With systemd's socket activation
    /// it is the unit's. Default: $XDG_RUNTIME_DIR/tsc-agent/socket, or /run/tsc-agent/socket for root
    #[arg(long, value_name = "PATH", env = "TSC_AGENT", global = true)]
    socket: Option<PathBuf>,

    /// Serve the members of this group as well, a name or a number. Each user's sessions stay with that user. To
    /// be trusted by programs of other users, the agent has to run as root
    #[arg(long, group = "others")]
    group: Option<String>,

    /// Serve all users, whoever the socket's mode lets in. Each user's sessions stay with that user
    #[arg(long, group = "others")]
    all_users: bool,

    /// With --group or --all-users: have all of them share. Whoever publishes a session can impersonate the
    /// server to whoever resumes it, so do this only among users that trust each other with that
    #[arg(long, requires = "others")]
    pub(crate) share_between_users: bool,

    /// Endpoints of each user that have sessions; the least recently used goes first
    #[arg(long, value_name = "N", default_value_t = 1000)]
    pub(crate) max_endpoints: u32,

    /// Sessions of each endpoint; the oldest goes first
    #[arg(long, value_name = "N", default_value_t = 256)]
    pub(crate) max_sessions: u32,

    /// Bytes of all sessions of a user, in MiB
    #[arg(long, value_name = "MIB", default_value_t = 64)]
    pub(crate) max_mib: u64,

    /// For how long a session may be offered at the most
    #[arg(long, value_name = "SECONDS", default_value_t = 3600)]
    pub(crate) ttl: u32,

    /// Full handshakes to one endpoint at the same time, over all processes, for attempts that wait; 0: any number
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) max_full_handshakes: u32,

    /// After how long a session counts as used that was lent to a process of which nothing was heard since
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    lease: u64,

    /// Connections of all processes together
    #[arg(long, value_name = "N", default_value_t = 4096)]
    pub(crate) max_connections: usize,

    /// Connection attempts of each process that are under way or established
    #[arg(long, value_name = "N", default_value_t = 16384)]
    pub(crate) max_attempts: usize,

    /// Share with the agents of other hosts as well, through this Valkey, or Redis from 7.0 on:
    /// redis://USER:PASSWORD@HOST:PORT, redis+sentinel://USER:PASSWORD@HOST:PORT,HOST:PORT/SERVICE,
    /// redis+cluster://USER:PASSWORD@HOST:PORT,HOST:PORT, with rediss for TLS, or unix:///PATH
    #[arg(
        long,
        value_name = "URL",
        env = "TSC_AGENT_VALKEY",
        hide_env_values = true,
        requires = "valkey_key"
    )]
    pub(crate) valkey: Option<String>,

    /// What sessions are sealed with on their way: a file with a key a line, as `openssl rand -hex 32` prints it.
    /// The first one seals, all of them open
    #[arg(long, value_name = "FILE", requires = "valkey")]
    pub(crate) valkey_key: Option<PathBuf>,

    /// Whom to trust as Valkey, in PEM. Default: the system's certificates
    #[arg(long, value_name = "FILE", requires = "valkey")]
    pub(crate) valkey_ca: Option<PathBuf>,

    /// The certificate to show to Valkey, in PEM
    #[arg(long, value_name = "FILE", requires_all = ["valkey", "valkey_cert_key"])]
    valkey_cert: Option<PathBuf>,

    /// Its key, in PEM
    #[arg(long, value_name = "FILE", requires = "valkey_cert")]
    valkey_cert_key: Option<PathBuf>,

    /// Sessions of each endpoint in use that stay at hand here; those beyond it are other hosts'
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u32).range(1..))]
    valkey_stock: u32,

    /// Sessions of each endpoint in Valkey; the oldest goes first
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) valkey_sessions: u32,

    /// Print the man page or the completions of a shell, and do nothing else
    #[arg(long, value_name = "WHAT", exclusive = true)]
    pub(crate) print: Option<Page>,
}

#[derive(Clone, Copy, clap::ValueEnum)]
pub(crate) enum Page {
    Man,
    Bash,
    Zsh,
    Fish,
}

/// Who else than the agent's own user is served.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Others {
    Nobody,
    /// The members of the group of that number.
    Group(u32),
    Everybody,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Print how the running agent is, as text for Prometheus
    Status,
}

impl Args {
    pub(crate) fn lease(&self) -> Duration {
        Duration::from_secs(self.lease)
    }

    pub(crate) fn valkey_certificate(&self) -> Option<(&Path, &Path)> {
        Some((
            self.valkey_cert.as_deref()?,
            self.valkey_cert_key.as_deref()?,
        ))
    }

    pub(crate) fn valkey_stock(&self) -> usize {
        // More than that would be evicted.
        self.valkey_stock.min(self.max_sessions) as usize
    }

    pub(crate) fn socket(&self) -> PathBuf {
        let default = || match std::env::var_os("XDG_RUNTIME_DIR") {
            Some(folder) => PathBuf::from(folder),
            None => PathBuf::from("/run"),
        };
        let given = self.socket.clone();
        given.unwrap_or_else(|| default().join("tsc-agent").join("socket"))
    }

    pub(crate) fn others(&self) -> anyhow::Result<Others> {
        let Some(group) = &self.group else {
            return Ok(if self.all_users {
                Others::Everybody
            } else {
                Others::Nobody
            });
        };
        if let Ok(number) = group.parse() {
            return Ok(Others::Group(number));
        }
        let found = Group::from_name(group).with_context(|| format!("cannot look up {group}"))?;
        let found = found.with_context(|| format!("there is no group {group}"))?;
        Ok(Others::Group(found.gid.as_raw()))
    }

    pub(crate) fn options(&self) -> libtsc::Options {
        let mut options = libtsc::Options::default();
        options.max_endpoints = self.max_endpoints;
        options.max_sessions_per_endpoint = self.max_sessions;
        options.max_bytes = self.max_mib << 20;
        options.ttl_seconds = self.ttl;
        options.max_full_handshakes = self.max_full_handshakes;
        options
    }
}
