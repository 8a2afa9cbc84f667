use anyhow::Context as _;
use clap::Parser as _;
use std::process::ExitCode;
use tsc_agent::args::{Args, Command};
use tsc_agent::{listener, page, status};

fn main() -> ExitCode {
    let args = Args::parse();
    let done = match (args.print, &args.command) {
        (Some(which), _) => page::print(which),
        (None, Some(Command::Status)) => status::print(&args.socket()),
        (None, None) => serve(&args),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("tsc-agent: {why:#}");
            ExitCode::FAILURE
        }
    }
}

fn serve(args: &Args) -> anyhow::Result<()> {
    keep_memory_to_ourselves();
    allow_many_connections();
    // One thread: no request waits for another, since none does more than look something up.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start")?;
    let local = tokio::task::LocalSet::new();
    local.block_on(&runtime, listener::run(args))
}

/// The usual limit of descriptors is for programs that use `select`.
fn allow_many_connections() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    let _ = setrlimit(Resource::Nofile, limit);
}

/// Sessions are keys: they go into no core dump, no other process of the user reads them, and, where the
/// limits allow it, they are not paged out.
fn keep_memory_to_ourselves() {
    use rustix::mm::{MlockAllFlags, mlockall};
    use rustix::process::{DumpableBehavior, set_dumpable_behavior};
    if let Err(why) = set_dumpable_behavior(DumpableBehavior::NotDumpable) {
        eprintln!("tsc-agent: cannot keep sessions out of core dumps: {why}");
    }
    let all = MlockAllFlags::CURRENT | MlockAllFlags::FUTURE | MlockAllFlags::ONFAULT;
    if mlockall(all).is_err() {
        eprintln!(
            "tsc-agent: sessions may be written to swap: raise the limit of locked memory (LimitMEMLOCK=, ulimit -l)"
        );
    }
}
