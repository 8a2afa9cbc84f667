//! The report as people read it: at most 80 columns, in colour where there is any.

use crate::client::Backend;
use crate::report::{Report, Verdict};
use crate::rows;
use anstyle::{AnsiColor, Style};
use comfy_table::{ContentArrangement, Table, presets};
use std::io::{self, Write};

const WIDTH: u16 = 80;
const BOLD: Style = Style::new().bold();

pub fn print(out: &mut impl Write, report: &Report) -> io::Result<()> {
    let colour = match report.resumes {
        Verdict::Yes => AnsiColor::Green,
        Verdict::Sometimes | Verdict::NothingIssued => AnsiColor::Yellow,
        Verdict::Refuses | Verdict::Harmful | Verdict::IdentityLost | Verdict::Unreachable => {
            AnsiColor::Red
        }
    };
    let style = colour.on_default().bold();
    for line in wrap(&report.verdict, "") {
        writeln!(out, "{style}{line}{style:#}")?;
    }
    if !report.verified {
        let style = AnsiColor::Red.on_default();
        writeln!(
            out,
            "{style}--insecure: whose server this is was not verified{style:#}"
        )?;
    }
    list(out, "On the server", &report.advice)?;
    if report.backend == Backend::Rustls {
        writeln!(out, "\nSeen from a client on rustls, through libtsc.")?;
    }
    sections(out, report)?;
    matrix(out, report)?;
    if !report.settings.is_empty() {
        heading(out, "Settings of libtsc, to copy")?;
        for snippet in &report.settings {
            writeln!(out, "  {BOLD}{}{BOLD:#}", snippet.language)?;
            for line in snippet.text.lines() {
                writeln!(out, "    {line}")?;
            }
        }
    }
    list(out, "Not found out", &report.unknown)?;
    writeln!(out, "\n{} connections were made.", report.connections)
}

fn sections(out: &mut impl Write, report: &Report) -> io::Result<()> {
    for section in rows::sections(report) {
        heading(out, &section.title)?;
        let mut table = Table::new();
        table
            .load_style(presets::NOTHING)
            .set_content_arrangement(ContentArrangement::Dynamic)
            .set_width(WIDTH);
        for row in section.rows {
            table.add_row(row);
        }
        // The table fills its last column with blanks.
        for line in table.to_string().lines() {
            writeln!(out, "{}", line.trim_end())?;
        }
    }
    Ok(())
}

fn matrix(out: &mut impl Write, report: &Report) -> io::Result<()> {
    let Some(matrix) = report
        .matrix
        .as_ref()
        .filter(|matrix| matrix.targets.len() > 1)
    else {
        return Ok(());
    };
    heading(
        out,
        "Who takes whose sessions (issued by the row, offered to the column)",
    )?;
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_width(WIDTH);
    let numbers = (1..=matrix.targets.len()).map(|n| n.to_string());
    table.set_header(std::iter::once(String::new()).chain(numbers));
    for (n, (target, row)) in matrix.targets.iter().zip(&matrix.taken).enumerate() {
        let name = format!("{} {target}", n + 1);
        match row {
            None => table.add_row(vec![name, "issues none".to_owned()]),
            Some(row) => table.add_row(
                std::iter::once(name).chain(row.iter().map(|reaction| reaction.word().to_owned())),
            ),
        };
    }
    for line in table.to_string().lines() {
        writeln!(out, "{}", line.trim_end())?;
    }
    Ok(())
}

fn heading(out: &mut impl Write, text: &str) -> io::Result<()> {
    writeln!(out, "\n{BOLD}{text}{BOLD:#}")
}

fn list(out: &mut impl Write, title: &str, items: &[String]) -> io::Result<()> {
    if items.is_empty() {
        return Ok(());
    }
    heading(out, title)?;
    for item in items {
        for (n, line) in wrap(item, "  ").into_iter().enumerate() {
            writeln!(out, "{}{line}", if n == 0 { "- " } else { "  " })?;
        }
    }
    Ok(())
}

/// Lines that fit, behind a margin.
fn wrap(text: &str, margin: &str) -> Vec<String> {
    let most = usize::from(WIDTH) - margin.len();
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let line = lines.last_mut().expect("there is one");
        if !line.is_empty() && line.len() + 1 + word.len() > most {
            lines.push(word.to_owned());
        } else {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    lines
}
