//! The command line.

use crate::client::Backend;
use crate::protocol::Protocol;
use clap::{Parser, ValueHint};
use clap_complete::Shell;
use std::net::SocketAddr;
use std::path::PathBuf;

/// Shows what TLS session resumption gives on a server: how many sessions it issues and when, for how long,
/// who takes whose, and what a resumed handshake saves.
///
/// Without a host it starts a server of its own on loopback and looks at that.
#[derive(Parser, Debug)]
#[command(name = "tsc-probe", version, max_term_width = 100, after_help = EXIT)]
#[command(args_override_self = true)]
pub struct Args {
    /// The server; with several, also who takes whose sessions. The port is 443 unless given.
    #[arg(value_name = "HOST[:PORT]", value_hint = ValueHint::Hostname)]
    pub hosts: Vec<String>,
    /// What is spoken there; by default what its port usually means
    #[arg(long, value_enum)]
    pub protocol: Option<Protocol>,
    /// The TLS stack of the client
    #[arg(long, value_enum, default_value_t)]
    pub backend: Backend,
    /// Name to ask for and to verify, in place of the host
    #[arg(long)]
    pub name: Option<String>,
    /// Certificates to trust, in place of the system's
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub ca: Option<PathBuf>,
    /// Trust anybody: what is found may be another's
    #[arg(long)]
    pub insecure: bool,
    /// The client's certificate, with its chain
    #[arg(long, value_name = "FILE", requires = "key", value_hint = ValueHint::FilePath)]
    pub cert: Option<PathBuf>,
    /// Its key
    #[arg(long, value_name = "FILE", requires = "cert", value_hint = ValueHint::FilePath)]
    pub key: Option<PathBuf>,
    /// With --cert: a path that only this client may read, asked for by HTTP
    #[arg(long, value_name = "PATH", requires = "cert")]
    pub identity_path: Option<String>,
    /// The status with which it is answered then
    #[arg(long, value_name = "STATUS", default_value_t = 200)]
    pub identity_status: u16,
    /// With --cert: the user to log in as to PostgreSQL
    #[arg(long, value_name = "USER", default_value = "postgres")]
    pub identity_user: String,
    /// And the database
    #[arg(long, value_name = "DATABASE", default_value = "postgres")]
    pub identity_database: String,
    /// With --cert: a command that has the connection as standard input and output, and succeeds if the server
    /// knows the client
    #[arg(
        long,
        value_name = "COMMAND",
        requires = "cert",
        conflicts_with = "identity_path"
    )]
    pub identity_command: Option<String>,
    /// Application protocols to offer, the best first
    #[arg(long, value_delimiter = ',')]
    pub alpn: Vec<String>,
    /// Key exchanges to offer, as OpenSSL names them: X25519MLKEM768:X25519
    #[arg(long)]
    pub groups: Option<String>,
    /// How many connections the pool opens at once
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u32).range(2..=256))]
    pub burst: u32,
    /// How many full and resumed handshakes are compared
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(5..=1000))]
    pub pairs: u32,
    /// The most connections to make [default: 400; without a limit for --monitor]
    #[arg(long)]
    pub connections: Option<u32>,
    /// The most connections a second
    #[arg(long, default_value_t = 50)]
    pub rate: u32,
    /// The longest time to take, in seconds [default: 120; without a limit for --monitor]
    #[arg(long, value_parser = clap::value_parser!(u64).range(..=u64::from(u32::MAX)))]
    pub time: Option<u64>,
    /// How long to wait for the server at each step, in milliseconds
    #[arg(long, default_value_t = 5000)]
    pub patience: u64,
    /// How long to listen for more tickets, in milliseconds
    #[arg(long, default_value_t = 100)]
    pub quiet: u64,
    /// Afterwards look for so many seconds at how sessions grow old, also while you reload the server
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..=2_592_000))]
    pub watch: Option<u32>,
    /// Look at one full and one resumed handshake again and again, and serve what was seen to Prometheus
    #[arg(
        long,
        value_name = "ADDRESS:PORT",
        num_args = 0..=1,
        default_missing_value = "127.0.0.1:9464",
        conflicts_with_all = ["watch", "json", "html"]
    )]
    pub monitor: Option<SocketAddr>,
    /// How many seconds are between two looks of --watch or --monitor
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..))]
    pub every: u32,
    /// Write the report as JSON, and nothing else
    #[arg(long)]
    pub json: bool,
    /// Also write it as a page
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub html: Option<PathBuf>,
    /// Write the schema of the JSON, or shell completions, or the man page
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

const EXIT: &str = "Exit status: 0 it resumes; 1 it does not, or not always; 2 wrong usage; 3 no connection; 4 \
connections fail, or lose the client's identity, because they offer a session; 130 you stopped it (a --watch ends that way and has one of the others).";
