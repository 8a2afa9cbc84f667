//! The man page and the completions, which are made of what the command line says.

use crate::args::{Args, Page};
use clap::CommandFactory as _;
use clap_complete::Shell;

pub fn print(which: Page) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    let mut command = Args::command();
    let shell = match which {
        Page::Man => return Ok(clap_mangen::Man::new(command).render(&mut out)?),
        Page::Bash => Shell::Bash,
        Page::Zsh => Shell::Zsh,
        Page::Fish => Shell::Fish,
    };
    clap_complete::generate(shell, &mut command, "tsc-agent", &mut out);
    Ok(())
}
