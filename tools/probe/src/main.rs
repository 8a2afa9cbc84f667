//! Shows what TLS session resumption gives on a server.

mod advice;
mod args;
mod client;
mod embedded;
mod facts;
mod ffi;
mod hello;
mod html;
mod interrupt;
mod measure;
mod monitor;
mod pace;
mod protocol;
mod question;
mod report;
mod rows;
mod run;
mod settings;
mod target;
mod tcp;
mod terminal;
mod ticket;
mod verdict;
mod watch;
mod wire;

use args::{Args, Print};
use clap::{CommandFactory as _, Parser as _};
use report::Verdict;
use std::io::Write as _;
use std::process::ExitCode;

fn main() -> ExitCode {
    let args = Args::parse();
    let done = match args.print {
        Some(what) => print(what).map(|()| ExitCode::SUCCESS),
        None => probe(&args),
    };
    match done {
        Ok(code) => code,
        Err(error) => {
            eprintln!("tsc-probe: {error:#}");
            ExitCode::from(3)
        }
    }
}

fn probe(args: &Args) -> anyhow::Result<ExitCode> {
    if let Some(listen) = args.monitor {
        monitor::run(args, listen)?;
        return Ok(ExitCode::SUCCESS);
    }
    let report = run::run(args)?;
    let mut out = anstream::stdout();
    if args.json {
        serde_json::to_writer_pretty(&mut out, &report)?;
        writeln!(out)?;
    } else {
        terminal::print(&mut out, &report)?;
    }
    if let Some(file) = &args.html {
        std::fs::write(file, html::page(&report))?;
    }
    Ok(ExitCode::from(match report.resumes {
        _ if report.interrupted => 130,
        Verdict::Yes => 0,
        Verdict::Sometimes | Verdict::Refuses | Verdict::NothingIssued => 1,
        Verdict::Unreachable => 3,
        Verdict::Harmful | Verdict::IdentityLost => 4,
    }))
}

fn print(what: Print) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    let mut command = Args::command();
    if let Some(shell) = what.shell() {
        clap_complete::generate(shell, &mut command, "tsc-probe", &mut out);
    } else if matches!(what, Print::Man) {
        clap_mangen::Man::new(command).render(&mut out)?;
    } else {
        serde_json::to_writer_pretty(&mut out, &schemars::schema_for!(report::Report))?;
        writeln!(out)?;
    }
    Ok(())
}
