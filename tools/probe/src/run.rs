//! What is looked at, in which order.

use crate::args::Args;
use crate::client::{Backend, Client, Settings, Visit};
use crate::embedded::Server;
use crate::facts::{
    Unknown, bad_ticket, hello, identity, key_exchange, lifetime, matrix, pool, saving, size,
    ticket_request, tickets, twice,
};
use crate::pace::{Pace, Stopped};
use crate::product::Product;
use crate::protocol::Protocol;
use crate::question::Question;
use crate::report::{Report, SCHEMA, Verdict, Version};
use crate::target::{self, Target};
use crate::{advice, settings, verdict, watch};
use anyhow::{Context as _, bail};
use indicatif::{ProgressBar, ProgressStyle};
use openssl::ssl::SslVersion;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// How many connections offer a session before it is judged.
const ROUNDS: u32 = 5;

/// The most connections, and seconds, unless the user names others.
const CONNECTIONS: u32 = 400;
const TIME: u64 = 120;

/// Of a watch.
const MOST_CHECKS: u32 = 200;

/// The best first.
const VERSIONS: [(&str, SslVersion); 2] = [
    ("TLS 1.3", SslVersion::TLS1_3),
    ("TLS 1.2", SslVersion::TLS1_2),
];

pub fn run(args: &Args) -> anyhow::Result<Report> {
    let Where {
        targets,
        settings,
        kept: _kept,
    } = where_to(args)?;
    let connections = args.connections.unwrap_or(CONNECTIONS);
    let stopped = Arc::new(AtomicBool::new(false));
    let flag = stopped.clone();
    ctrlc::set_handler(move || flag.store(true, Ordering::Relaxed))?;
    let watched = checks(args).unwrap_or(0);
    if watched > MOST_CHECKS {
        bail!("--watch looks {watched} times, and {MOST_CHECKS} is the most: make --every longer");
    }
    if watched > 0 && settings.backend == Backend::Rustls {
        bail!("--watch needs --backend openssl: rustls does not offer what is too old");
    }
    // A watch comes on top, with what a few reloads need.
    let most = connections + 4 * watched;
    let time = args.time.unwrap_or(TIME) + u64::from(args.watch.unwrap_or(0));
    let pace = Pace::new(most, args.rate, Duration::from_secs(time), stopped);
    let planned = planned(args, targets.len()).min(connections) + 4 * watched;
    let first = &targets[0];
    eprintln!(
        "tsc-probe: at most {planned} connections to {}, at most {} a second",
        targets
            .iter()
            .map(Target::label)
            .collect::<Vec<_>>()
            .join(", "),
        args.rate
    );
    let bar = ProgressBar::new(u64::from(planned));
    bar.set_style(ProgressStyle::with_template("{bar:40} {pos}/{len} {msg}")?);

    let mut report = Report {
        schema: SCHEMA,
        when: SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| since.as_secs()),
        targets: targets.iter().map(Target::label).collect(),
        protocol: settings.protocol,
        name: settings.name.clone(),
        verified: !settings.insecure,
        verdict: String::new(),
        resumes: Verdict::Unreachable,
        versions: Vec::new(),
        version: None,
        twice: None,
        ticket_request: None,
        bad_ticket: None,
        matrix: None,
        pool: None,
        saving: None,
        connections: 0,
        advice: Vec::new(),
        settings: Vec::new(),
        unknown: Vec::new(),
        identity: None,
        backend: settings.backend,
        hello: None,
        key_exchange: None,
        watch: None,
        product: None,
    };
    let step = |message: &'static str| {
        bar.set_message(message);
        bar.set_position(u64::from(pace.made()));
    };

    step("sessions");
    for (name, version) in VERSIONS {
        let client = Client::new(&settings, version, 0)?;
        match tickets::look(&pace, &client, first.address, ROUNDS) {
            Ok((found, visits)) => {
                let mut answers = visits.iter().map(|visit| &visit.answer);
                let shown = answers.find_map(|answer| Product::of(report.protocol, answer));
                report.product = report.product.or(shown);
                report.versions.push(spoken(name, found, &visits));
            }
            Err(Unknown::Refused(refusal)) => report.versions.push(Version {
                version: name.to_owned(),
                tickets: None,
                lifetime: None,
                size: None,
                refused: Some(refusal.to_string()),
            }),
            Err(why) => report.unknown.push(format!("{name}: {why}")),
        }
    }
    let spoken = report
        .versions
        .iter()
        .find(|version| version.tickets.is_some());
    report.version = spoken.map(|version| version.version.clone());
    report.resumes = verdict::word(&report);

    let judged = VERSIONS
        .iter()
        .find(|(name, _)| report.version.as_deref() == Some(*name));
    if let Some(&(_, version)) = judged {
        let client = Client::new(&settings, version, 0)?;
        let resumes = matches!(report.resumes, Verdict::Yes | Verdict::Sometimes);
        let issued = report.resumes != Verdict::NothingIssued;
        let mut unknown = Vec::new();
        let mut note = |what: &str, why: Unknown| unknown.push(format!("{what}: {why}"));
        let openssl = settings.backend == Backend::Openssl;
        if openssl && version == SslVersion::TLS1_3 {
            step("ticket request");
            let asking = Client::new(&settings, version, ticket_request::ASKED_FOR)?;
            let unasked = report
                .judged()
                .and_then(|version| version.tickets.as_ref())
                .map_or(0, |tickets| tickets.after_full.len());
            match ticket_request::look(&pace, &asking, first.address, unasked) {
                Ok(found) => report.ticket_request = Some(found),
                Err(why) => note("ticket request", why),
            }
        }
        if version == SslVersion::TLS1_3 {
            step("the ClientHello");
            match hello::look(&pace, &settings, first.address) {
                Ok(found) => report.hello = Some(found),
                Err(why) => note("the ClientHello", why),
            }
        }
        // Also where no session is taken: the server may know no other key exchange than psk_ke.
        if openssl && issued && version == SslVersion::TLS1_3 {
            step("the key exchange");
            match key_exchange::look(&pace, &settings, &client, first.address, resumes) {
                Ok(found) => report.key_exchange = found,
                Err(why) => note("the key exchange", why),
            }
        }
        // One that harms any that offer says nothing by harming these.
        if issued && openssl && report.resumes != Verdict::Harmful {
            step("the same twice");
            match twice::look(&pace, &client, first.address) {
                Ok(found) => report.twice = found,
                Err(why) => note("the same session twice", why),
            }
            step("a damaged ticket");
            match bad_ticket::look(&pace, &client, first.address) {
                Ok(found) => report.bad_ticket = found,
                Err(why) => note("a damaged ticket", why),
            }
        }
        if settings.certificate.is_some() {
            step("the identity");
            let anonymous = Settings {
                certificate: None,
                ..settings.clone()
            };
            let anonymous = Client::new(&anonymous, version, 0)?;
            let question = question(args, &settings);
            let found =
                identity::look(&pace, &client, &anonymous, first.address, question.as_ref());
            match found {
                Ok(found) => report.identity = Some(found),
                Err(why) => note("the identity", why),
            }
        }
        if issued && openssl && targets.len() > 1 {
            step("who takes whose");
            let clients = targets
                .iter()
                .map(|target| {
                    let mut own = settings.clone();
                    if args.name.is_none() {
                        own.name = target.host.clone();
                    }
                    Client::new(&own, version, 0)
                })
                .collect::<anyhow::Result<Vec<_>>>()?;
            match matrix::look(&pace, &targets, &clients) {
                Ok(found) => report.matrix = Some(found),
                Err(why) => note("who takes whose", why),
            }
        }
        if resumes {
            step("what it saves");
            let tick = || bar.set_position(u64::from(pace.made()));
            match saving::look(&pace, &client, first.address, args.pairs, tick) {
                Ok(found) => report.saving = found,
                Err(why) => note("what it saves", why),
            }
            step("a pool");
            let forecast = report
                .judged()
                .zip(report.saving.as_ref())
                .and_then(|(version, saving)| pool::forecast(version, saving, args.burst));
            match pool::look(&pace, &client, first, args.burst, forecast) {
                Ok(found) => report.pool = Some(found),
                Err(why) => note("a pool", why),
            }
        }
        if let (true, Some(checks)) = (issued, checks(args)) {
            bar.set_message("growing old");
            let mut world = watch::Real {
                pace: &pace,
                client: &client,
                address: first.address,
            };
            let every = Duration::from_secs(args.every.into());
            let found = watch::watch(&mut world, every, checks, |check| {
                bar.suspend(|| eprintln!("tsc-probe: {check}"));
            });
            report.watch = Some(found);
        }
        if !openssl {
            report.unknown.push(
                "lifetime, the same session twice, bad tickets, a ticket request, who takes whose: rustls does \
                 not let them be seen (--backend openssl)"
                    .to_owned(),
            );
        }
        report.unknown.append(&mut unknown);
        report.resumes = verdict::word(&report);
    }
    bar.finish_and_clear();
    if report.versions.is_empty() && pace.is_stopped() {
        return Err(Stopped::ByUser.into());
    }
    report.connections = pace.made();
    report.verdict = verdict::sentence(&report);
    report.advice = advice::advice(&report);
    report.settings = settings::settings(&report);
    Ok(report)
}

/// What only a client that is known gets the right answer to.
fn question(args: &Args, settings: &Settings) -> Option<Question> {
    if let Some(command) = &args.identity_command {
        return Some(Question::Command(command.clone()));
    }
    match &args.identity_path {
        Some(path) => Some(Question::Http {
            host: settings.name.clone(),
            path: path.clone(),
            status: args.identity_status,
        }),
        None => Question::of_protocol(
            settings.protocol,
            &args.identity_user,
            &args.identity_database,
        ),
    }
}

fn spoken(name: &str, found: tickets::Tickets, visits: &[Visit]) -> Version {
    Version {
        version: name.to_owned(),
        tickets: Some(found),
        lifetime: lifetime::look(visits),
        size: size::look(visits),
        refused: None,
    }
}

/// Where to connect and how; and a file to keep for as long as that lasts.
pub struct Where {
    pub targets: Vec<Target>,
    pub settings: Settings,
    pub kept: Option<TemporaryFile>,
}

pub fn where_to(args: &Args) -> anyhow::Result<Where> {
    // The TLS stacks say the same at greater length.
    for file in [&args.ca, &args.cert, &args.key].into_iter().flatten() {
        std::fs::File::open(file).with_context(|| format!("{} cannot be read", file.display()))?;
    }
    let mut targets = Vec::new();
    let mut ca = args.ca.clone();
    let mut kept = None;
    let mut name = args.name.clone();
    for host in &args.hosts {
        let (host, port) = target::parse(host)?;
        for target in target::resolve(&host, port)? {
            if !targets.contains(&target) {
                targets.push(target);
            }
        }
    }
    let mut protocol = args.protocol;
    if targets.is_empty() {
        eprintln!(
            "tsc-probe: no host was given, so this is a server of its own, on loopback (--help)"
        );
        let server = Server::start()?;
        let file = TemporaryFile::with(&server.certificate.to_pem()?)?;
        ca = Some(file.0.clone());
        kept = Some(file);
        name = Some("localhost".to_owned());
        protocol.get_or_insert(Protocol::Redis); // anything that asks
        targets.push(Target {
            host: "localhost".to_owned(),
            address: server.address,
        });
    }
    let first = &targets[0];
    let settings = Settings {
        backend: args.backend,
        name: name.unwrap_or_else(|| first.host.clone()),
        protocol: protocol.unwrap_or_else(|| Protocol::of_port(first.address.port())),
        insecure: args.insecure,
        ca,
        certificate: args.cert.clone().zip(args.key.clone()),
        alpn: args.alpn.clone(),
        groups: args.groups.clone(),
        patience: Duration::from_millis(args.patience),
        quiet: Duration::from_millis(args.quiet),
    };
    Ok(Where {
        targets,
        settings,
        kept,
    })
}

/// How often --watch looks.
fn checks(args: &Args) -> Option<u32> {
    args.watch.map(|seconds| seconds / args.every + 1)
}

/// How many connections it will be at most, if all goes well.
fn planned(args: &Args, targets: usize) -> u32 {
    let targets = targets as u32;
    let matrix = if targets > 1 {
        2 * targets * targets
    } else {
        0
    };
    let identity = if args.cert.is_some() { 3 } else { 0 };
    let saving = saving::connections(args.pairs);
    2 * (1 + 2 * ROUNDS) + 1 + 8 + 5 + 4 + 4 + identity + matrix + saving + 2 * args.burst
}

pub struct TemporaryFile(std::path::PathBuf);

impl TemporaryFile {
    fn with(bytes: &[u8]) -> std::io::Result<Self> {
        let name = format!("tsc-probe-{}-{}.pem", std::process::id(), fastrand::u64(..));
        let path = std::env::temp_dir().join(name);
        std::fs::write(&path, bytes)?;
        Ok(Self(path))
    }
}

impl Drop for TemporaryFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}
