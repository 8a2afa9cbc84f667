//! What is looked at, in which order.

use crate::args::Args;
use crate::client::{Backend, Client, Refusal, Settings, Visit};
use crate::embedded::Server;
use crate::facts::product::{self, Product};
use crate::facts::{
    Unknown, bad_ticket, hello, identity, key_exchange, lifetime, matrix, pool, saving, size,
    ticket_request, tickets, twice, unless_stopped, visit_briefly,
};
use crate::interrupt::Interrupt;
use crate::pace::Pace;
use crate::protocol::Protocol;
use crate::question::Question;
use crate::report::{Report, SCHEMA, Verdict, Version};
use crate::target::{self, Target};
use crate::{advice, settings, verdict, watch};
use anyhow::{Context as _, bail};
use indicatif::{ProgressBar, ProgressStyle};
use openssl::ssl::SslVersion;
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
    let watched = checks(args).unwrap_or(0);
    if watched > MOST_CHECKS {
        bail!("--watch looks {watched} times, and {MOST_CHECKS} is the most: make --every longer");
    }
    // A watch comes on top, with what a few reloads need.
    let most = connections + 4 * watched;
    let time = args.time.unwrap_or(TIME) + u64::from(args.watch.unwrap_or(0));
    let interrupt = settings.interrupt.clone();
    let pace = Pace::new(most, args.rate, Duration::from_secs(time), interrupt);
    let planned = planned(args, &settings, targets.len()).min(connections) + 4 * watched;
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
    let mut looks = Looks {
        pace: &pace,
        bar: &bar,
        missed: Vec::new(),
    };

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
        interrupted: false,
    };
    // For what the server does whoever asks, and a client on rustls cannot ask.
    let by_openssl = Settings {
        backend: Backend::Openssl,
        ..settings.clone()
    };

    for (name, version) in VERSIONS {
        let client = Client::new(&settings, version, 0)?;
        looks.begin("sessions");
        match unless_stopped(&pace, tickets::look(&pace, &client, first.address, ROUNDS)) {
            Ok((found, visits)) => {
                let mut answers = visits.iter().map(|visit| &visit.answer);
                let shown = answers.find_map(|answer| Product::of(report.protocol, answer));
                report.product = report.product.or(shown);
                let mut spoken = spoken(name, found, &visits);
                if settings.backend == Backend::Rustls {
                    spoken.lifetime = looks.look("lifetime", || {
                        let client = Client::new(&by_openssl, version, 0)?;
                        let visit = visit_briefly(&pace, &client, first.address, None)?;
                        Ok(lifetime::look(&[visit]))
                    });
                }
                report.versions.push(spoken);
            }
            Err(Unknown::Refused(refusal)) => {
                let ends = matches!(refusal, Refusal::Connect(_) | Refusal::Prelude(_));
                report.versions.push(Version {
                    version: name.to_owned(),
                    tickets: None,
                    lifetime: None,
                    size: None,
                    refused: Some(refusal.to_string()),
                });
                // It would be the same for any other.
                if ends {
                    break;
                }
            }
            Err(why) => looks.miss(name, &why),
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
        let address = first.address;
        let client = Client::new(&settings, version, 0)?;
        let resumes = matches!(report.resumes, Verdict::Yes | Verdict::Sometimes);
        let issued = report.resumes != Verdict::NothingIssued;
        let tls13 = version == SslVersion::TLS1_3;
        if settings.protocol == Protocol::Http {
            let answer = looks.look("the server's name", || {
                product::look(&pace, &client, address)
            });
            if let Some(answer) = answer {
                // What was shown before may be the name of one behind it.
                report.product = Product::of(settings.protocol, &answer);
            }
        }
        if tls13 {
            let tickets = report.judged().and_then(|version| version.tickets.as_ref());
            let unasked = tickets.map_or(0, |tickets| tickets.after_full.len());
            report.ticket_request = looks.look("ticket request", || {
                let asking = Client::new(&by_openssl, version, ticket_request::ASKED_FOR)?;
                ticket_request::look(&pace, &asking, address, unasked).map(Some)
            });
            report.hello = looks.look("the ClientHello", || {
                hello::look(&pace, &settings, address).map(Some)
            });
        }
        // Also where no session is taken: the server may know no other key exchange than psk_ke.
        if issued && tls13 {
            report.key_exchange = looks.look("the key exchange", || {
                let client = Client::new(&by_openssl, version, 0)?;
                key_exchange::look(&pace, &by_openssl, &client, address, resumes)
            });
        }
        let mut aging = None;
        // One that harms any that offer says nothing by harming these.
        if issued && report.resumes != Verdict::Harmful {
            report.twice = looks.look("the same session twice", || {
                let client = Client::new(&by_openssl, version, 0)?;
                twice::look(&pace, &client, address)
            });
            let found = looks.look("a bad ticket", || {
                let client = Client::new(&by_openssl, version, 0)?;
                bad_ticket::look(&pace, &client, address)
            });
            (report.bad_ticket, aging) =
                found.map_or((None, None), |(bad, aging)| (Some(bad), aging));
        }
        if settings.certificate.is_some() {
            let anonymous = Settings {
                certificate: None,
                ..settings.clone()
            };
            let question = question(args, &settings);
            report.identity = looks.look("the identity", || {
                let anonymous = Client::new(&anonymous, version, 0)?;
                identity::look(&pace, &client, &anonymous, address, question.as_ref()).map(Some)
            });
        }
        if issued && targets.len() > 1 {
            report.matrix = looks.look("who takes whose", || {
                let clients = targets.iter().map(|target| {
                    let mut own = by_openssl.clone();
                    if args.name.is_none() {
                        own.name = target.host.clone();
                    }
                    // As clients do: one of them may not speak what another does.
                    Client::any_version(&own)
                });
                let clients = clients.collect::<anyhow::Result<Vec<_>>>()?;
                matrix::look(&pace, &targets, &clients).map(Some)
            });
        }
        if resumes {
            let tick = || bar.set_position(u64::from(pace.made()));
            report.saving = looks.look("what it saves", || {
                saving::look(&pace, &client, address, args.pairs, tick)
            });
            let forecast = report
                .judged()
                .zip(report.saving.as_ref())
                .and_then(|(version, saving)| pool::forecast(version, saving, args.burst));
            report.pool = looks.look("a pool", || {
                pool::look(&pace, &client, first, args.burst, forecast).map(Some)
            });
        }
        // A watch is ended by Ctrl-C as by its time.
        report.interrupted = pace.is_stopped();
        if let (true, false, Some(checks)) = (issued, report.interrupted, checks(args)) {
            looks.begin("growing old");
            let client = Client::new(&by_openssl, version, 0)?;
            let mut world = watch::Real {
                pace: &pace,
                client: &client,
                address,
            };
            let every = Duration::from_secs(args.every.into());
            let found = watch::watch(&mut world, every, checks, |check| {
                bar.suspend(|| eprintln!("tsc-probe: {check}"));
            });
            report.watch = Some(found);
        }
        if let (Some(bad), Some(aging)) = (&mut report.bad_ticket, aging) {
            bad.expired = looks.look("an expired ticket", || {
                let client = Client::new(&by_openssl, version, 0)?;
                aging.offer(&pace, &client, address)
            });
        }
        report.resumes = verdict::word(&report);
    } else {
        report.interrupted = pace.is_stopped();
    }
    report.unknown = looks.unknown();
    bar.finish_and_clear();
    report.connections = pace.made();
    report.verdict = verdict::sentence(&report);
    report.advice = advice::advice(&report);
    report.settings = settings::settings(&report);
    Ok(report)
}

/// One look after the other, and what could not be found out.
struct Looks<'a> {
    pace: &'a Pace,
    bar: &'a ProgressBar,
    /// Why, and what.
    missed: Vec<(String, Vec<&'static str>)>,
}

impl Looks<'_> {
    fn begin(&self, what: &'static str) {
        self.bar.set_message(what);
        self.bar.set_position(u64::from(self.pace.made()));
    }

    /// None: there is nothing to see, or it was missed.
    fn look<T>(
        &mut self,
        what: &'static str,
        look: impl FnOnce() -> Result<Option<T>, Unknown>,
    ) -> Option<T> {
        self.begin(what);
        // Neither begun nor believed after Ctrl-C.
        let begun = unless_stopped(self.pace, Ok(()));
        let looked = begun.and_then(|()| unless_stopped(self.pace, look()));
        match looked {
            Ok(found) => found,
            Err(why) => {
                self.miss(what, &why);
                None
            }
        }
    }

    fn miss(&mut self, what: &'static str, why: &Unknown) {
        let why = why.to_string();
        match self.missed.iter_mut().find(|(known, _)| *known == why) {
            Some((_, all)) => all.push(what),
            None => self.missed.push((why, vec![what])),
        }
    }

    /// A sentence for each reason.
    fn unknown(self) -> Vec<String> {
        let missed = self.missed.into_iter();
        missed
            .map(|(why, what)| format!("{}: {why}", what.join(", ")))
            .collect()
    }
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
        interrupt: Interrupt::by_ctrl_c()?,
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
fn planned(args: &Args, settings: &Settings, targets: usize) -> u32 {
    let targets = targets as u32;
    let matrix = if targets > 1 {
        2 * targets * targets
    } else {
        0
    };
    let identity = if args.cert.is_some() { 3 } else { 0 };
    let http = u32::from(settings.protocol == Protocol::Http);
    let lifetimes = match settings.backend {
        Backend::Openssl => 0,
        Backend::Rustls => 2,
    };
    let saving = saving::connections(args.pairs);
    let always = 2 * (1 + 2 * ROUNDS) + 1 + 8 + 5 + 4 + 4 + 2 * args.burst;
    always + http + lifetimes + identity + matrix + saving
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
