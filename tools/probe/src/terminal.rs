//! The report as people read it: at most 80 columns, in colour where there is any.

use crate::client::Backend;
use crate::facts::matrix::Matrix;
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
        writeln!(out)?;
        for line in wrap(rows::BY_RUSTLS, "") {
            writeln!(out, "{line}")?;
        }
    }
    sections(out, report)?;
    if let Some(found) = report
        .matrix
        .as_ref()
        .filter(|found| found.targets.len() > 1)
    {
        matrix(out, found)?;
    }
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
    let made = rows::plural(report.connections as usize, "connection");
    let stopped = if report.interrupted {
        ", and then you stopped it"
    } else {
        ""
    };
    writeln!(out, "\nMade {made}{stopped}.")
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

fn matrix(out: &mut impl Write, matrix: &Matrix) -> io::Result<()> {
    heading(
        out,
        "Who takes whose sessions (issued by the row, offered to the column)",
    )?;
    for (n, (target, row)) in matrix.targets.iter().zip(&matrix.taken).enumerate() {
        let issues = if row.is_some() { "" } else { ": issues none" };
        writeln!(out, " {:>2} {target}{issues}", n + 1)?;
    }
    // Words as long as there is room for them.
    const MOST_WORDS: usize = 7;
    let words = matrix.targets.len() <= MOST_WORDS;
    let width = if words { 9 } else { 3 };
    if !words {
        writeln!(
            out,
            "    + resumed, . full, A alert, R reset, H hang, ? not reachable"
        )?;
    }
    let numbers = (1..=matrix.targets.len()).map(|n| format!("{n:>width$}"));
    writeln!(out, "\n   {}", numbers.collect::<String>())?;
    for (n, row) in matrix.taken.iter().enumerate() {
        let cells = row.iter().flatten().map(|reaction| match words {
            true => format!("{:>width$}", reaction.word()),
            false => format!("{:>width$}", reaction.letter()),
        });
        writeln!(out, " {:>2}{}", n + 1, cells.collect::<String>())?;
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::Reaction::{Alert, Full, Resumed};

    fn printed(targets: usize) -> String {
        let matrix = Matrix {
            targets: (0..targets)
                .map(|n| format!("db{n}.example (192.0.2.{n}:9142)"))
                .collect(),
            taken: (0..targets)
                .map(|n| (n > 0).then(|| vec![if n == 1 { Alert } else { Resumed }; targets]))
                .collect(),
        };
        let mut out = Vec::new();
        super::matrix(&mut out, &matrix).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_matrix_fits_however_many_there_are() {
        for (targets, alerts, resumed) in [
            (3, "alert", "resumed"),
            (7, "alert", "resumed"),
            (25, "A", "+"),
        ] {
            let text = printed(targets);
            assert!(
                text.lines().all(|line| line.chars().count() <= 80),
                "{text}"
            );
            let row = |number: &str, cell: &str| {
                let mut lines = text
                    .lines()
                    .map(|line| line.split_whitespace().collect::<Vec<_>>());
                lines.any(|words| {
                    words[..].split_first() == Some((&number, &vec![cell; targets][..]))
                })
            };
            assert!(row("2", alerts) && row("3", resumed), "{text}");
            assert!(
                text.contains("1 db0.example (192.0.2.0:9142): issues none"),
                "{text}"
            );
        }
        assert_eq!(Full.letter(), '.');
    }
}
