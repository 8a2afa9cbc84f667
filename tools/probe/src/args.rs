//! The command line.

use crate::client::Backend;
use crate::protocol::Protocol;
use clap::{Parser, ValueHint};
use clap_complete::Shell;
use std::net::SocketAddr;
use std::path::PathBuf;

/// Shows what TLS session resumption gives you on a server: how many sessions it issues, when and for how long,
/// which servers accept whose, and what a resumed handshake saves.
///
/// Without a host it starts a server of its own on loopback and probes that.
#[derive(Parser, Debug)]
#[command(name = "tsc-probe", version, max_term_width = 100, after_help = EXIT)]
#[command(args_override_self = true)]
pub struct Args {
    /// The server, at port 443 unless you name another; with several, also which of them accepts whose sessions.
    #[arg(value_name = "HOST[:PORT]", value_hint = ValueHint::Hostname)]
    pub hosts: Vec<String>,
    /// The protocol within TLS; by default the usual one of the port
    #[arg(long, value_enum)]
    pub protocol: Option<Protocol>,
    /// The client's TLS stack
    #[arg(long, value_enum, default_value_t)]
    pub backend: Backend,
    /// The name to ask for (SNI) and to verify, instead of the host's
    #[arg(long)]
    pub name: Option<String>,
    /// Trust these certificates instead of the system's
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub ca: Option<PathBuf>,
    /// Do not verify who the server is: the report may be about an impostor
    #[arg(long)]
    pub insecure: bool,
    /// The client's certificate, with its chain
    #[arg(long, value_name = "FILE", requires = "key", value_hint = ValueHint::FilePath)]
    pub cert: Option<PathBuf>,
    /// The key of --cert
    #[arg(long, value_name = "FILE", requires = "cert", value_hint = ValueHint::FilePath)]
    pub key: Option<PathBuf>,
    /// With --cert: an HTTP path that only this client may read
    #[arg(long, value_name = "PATH", requires = "cert")]
    pub identity_path: Option<String>,
    /// The HTTP status that this client gets for --identity-path
    #[arg(long, value_name = "STATUS", default_value_t = 200)]
    pub identity_status: u16,
    /// With --cert: the PostgreSQL user to log in as
    #[arg(long, value_name = "USER", default_value = "postgres")]
    pub identity_user: String,
    /// With --cert: the PostgreSQL database to log in to
    #[arg(long, value_name = "DATABASE", default_value = "postgres")]
    pub identity_database: String,
    /// With --cert: a command that talks to the server through its standard input and output, and succeeds if the
    /// server knows the client
    #[arg(
        long,
        value_name = "COMMAND",
        requires = "cert",
        conflicts_with = "identity_path"
    )]
    pub identity_command: Option<String>,
    /// Application protocols to offer (ALPN), preferred first: h2,http/1.1
    #[arg(long, value_delimiter = ',')]
    pub alpn: Vec<String>,
    /// Key exchange groups to offer, by OpenSSL's names: X25519MLKEM768:X25519
    #[arg(long)]
    pub groups: Option<String>,
    /// The number of connections that the pool opens at once
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u32).range(2..=256))]
    pub burst: u32,
    /// The number of full and resumed handshakes to compare
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(5..=1000))]
    pub pairs: u32,
    /// Make at most so many connections [default: 400; without a limit for --monitor]
    #[arg(long)]
    pub connections: Option<u32>,
    /// Make at most so many connections a second
    #[arg(long, default_value_t = 50)]
    pub rate: u32,
    /// Take at most so many seconds [default: 120; without a limit for --monitor]
    #[arg(long, value_parser = clap::value_parser!(u64).range(..=u64::from(u32::MAX)))]
    pub time: Option<u64>,
    /// Wait at most so many milliseconds for the server at each step
    #[arg(long, default_value_t = 5000)]
    pub patience: u64,
    /// Listen for more tickets until the server has been quiet for so many milliseconds
    #[arg(long, default_value_t = 100)]
    pub quiet: u64,
    /// Then watch for so many seconds how sessions age; you may reload the server meanwhile
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..=2_592_000))]
    pub watch: Option<u32>,
    /// Repeat one full and one resumed handshake until Ctrl-C, and serve the results to Prometheus
    #[arg(
        long,
        value_name = "ADDRESS:PORT",
        num_args = 0..=1,
        default_missing_value = "127.0.0.1:9464",
        conflicts_with_all = ["watch", "json", "html"]
    )]
    pub monitor: Option<SocketAddr>,
    /// With --watch or --monitor: the seconds from one look to the next
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..))]
    pub every: u32,
    /// Print the report as JSON
    #[arg(long)]
    pub json: bool,
    /// Also write the report as an HTML page
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub html: Option<PathBuf>,
    /// Print the schema of --json, the man page, or completions for a shell
    #[arg(long, value_name = "WHAT", exclusive = true)]
    pub print: Option<Print>,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub enum Print {
    Schema,
    Man,
    Bash,
    Zsh,
    Fish,
}

impl Print {
    pub fn shell(self) -> Option<Shell> {
        match self {
            Self::Schema | Self::Man => None,
            Self::Bash => Some(Shell::Bash),
            Self::Zsh => Some(Shell::Zsh),
            Self::Fish => Some(Shell::Fish),
        }
    }
}

const EXIT: &str = "Exit status: 0 the server resumes; 1 it does not, or not always; 2 wrong usage; 3 no connection, or a \
file cannot be read; 4 connections that offer a session fail or lose the client's identity; 130 Ctrl-C, unless it only ended \
a --watch.";
