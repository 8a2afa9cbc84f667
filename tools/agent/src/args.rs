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
pub struct Args {
    #[command(subcommand)]
    pub command: Option<Command>,

    /// The Unix socket to listen on, in a folder that only you can write to. With systemd's socket activation, the
    /// unit names the socket. Default: $XDG_RUNTIME_DIR/tsc-agent/socket, or /run/tsc-agent/socket for root
    #[arg(long, value_name = "PATH", env = "TSC_AGENT", global = true)]
    socket: Option<PathBuf>,

    /// Also serve the members of this group, given by name or number. Each user's sessions stay with that user.
    /// Programs of other users trust an agent only if it runs as root
    #[arg(long, group = "others")]
    group: Option<String>,

    /// Serve all users. Each user's sessions stay with that user
    #[arg(long, group = "others")]
    all_users: bool,

    /// With --group or --all-users: let these users share their sessions. A user who publishes a session can
    /// impersonate the server to every user who resumes it, so do this only if they trust each other
    #[arg(long, requires = "others")]
    pub(crate) share_between_users: bool,

    /// Endpoints with sessions, for each user; the least recently used is dropped first
    #[arg(long, value_name = "N", default_value_t = 1000)]
    pub(crate) max_endpoints: u32,

    /// Sessions for each endpoint; the oldest is dropped first
    #[arg(long, value_name = "N", default_value_t = 256)]
    pub(crate) max_sessions: u32,

    /// Memory for the sessions of each user, in MiB
    #[arg(long, value_name = "MIB", default_value_t = 64)]
    pub(crate) max_mib: u64,

    /// The longest time that a session may be offered, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 3600)]
    pub(crate) ttl: u32,

    /// Full handshakes to one endpoint at the same time, over all processes, while other attempts wait for their
    /// tickets; 0: no limit
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) max_full_handshakes: u32,

    /// If a process has been silent for this long, in seconds, the sessions that it was lent count as used
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    lease: u64,

    /// Users to remember; if more come, the agent forgets users without a connected process
    #[arg(long, value_name = "N", default_value_t = 100)]
    pub(crate) max_users: usize,

    /// Connections, over all processes
    #[arg(long, value_name = "N", default_value_t = 4096)]
    pub(crate) max_connections: usize,

    /// Connections for each user, and also processes. Default: --max-connections, or a quarter of it with --group or
    /// --all-users
    #[arg(long, value_name = "N")]
    max_user_connections: Option<usize>,

    /// Connection attempts for each process, under way or established
    #[arg(long, value_name = "N", default_value_t = 16384)]
    pub(crate) max_attempts: usize,

    /// Connection attempts for each user, under way or established
    #[arg(long, value_name = "N", default_value_t = 65536)]
    pub(crate) max_user_attempts: usize,

    /// Also share with the agents of other hosts, through this Valkey, or Redis 7.0 or newer:
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

    /// The file with the keys that seal the sessions in Valkey, one on each line, as `openssl rand -hex 32` prints
    /// them. The first key seals, all of them open
    #[arg(long, value_name = "FILE", requires = "valkey")]
    pub(crate) valkey_key: Option<PathBuf>,

    /// The certificate authorities to trust for Valkey, in PEM. Default: the system's
    #[arg(long, value_name = "FILE", requires = "valkey")]
    pub(crate) valkey_ca: Option<PathBuf>,

    /// The certificate to show to Valkey, in PEM
    #[arg(long, value_name = "FILE", requires_all = ["valkey", "valkey_cert_key"])]
    valkey_cert: Option<PathBuf>,

    /// Its key, in PEM
    #[arg(long, value_name = "FILE", requires = "valkey_cert")]
    valkey_cert_key: Option<PathBuf>,

    /// Sessions to keep on this host for each endpoint in use; the others go to Valkey
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u32).range(1..))]
    valkey_stock: u32,

    /// Sessions in Valkey for each endpoint; the oldest is dropped first
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) valkey_sessions: u32,

    /// Print the man page or the completions of a shell, and do nothing else
    #[arg(long, value_name = "WHAT", exclusive = true)]
    pub print: Option<Page>,
}

#[derive(Clone, Copy, clap::ValueEnum)]
pub enum Page {
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
pub enum Command {
    /// Print the statistics of the running agent, as text for Prometheus
    Status,
}

impl Args {
    /// What these words say, which follow the program's name on a command line. Ends the process if they say nothing.
    #[must_use]
    pub fn of(words: &[&str]) -> Self {
        Self::parse_from([&["tsc-agent"], words].concat())
    }

    pub(crate) fn lease(&self) -> Duration {
        Duration::from_secs(self.lease)
    }

    pub(crate) fn max_user_connections(&self) -> usize {
        let others = self.all_users || self.group.is_some();
        let all = self.max_connections;
        let share = if others { all.div_ceil(4) } else { all };
        self.max_user_connections.unwrap_or(share)
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

    pub fn socket(&self) -> PathBuf {
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
