//! The report as one page that needs nothing else.

use crate::client::Backend;
use crate::facts::Reaction;
use crate::facts::pool::Burst;
use crate::facts::saving::Saving;
use crate::report::{Report, Verdict};
use crate::rows::{BY_RUSTLS, plural};
use openssl::asn1::Asn1Time;
use std::fmt::Write as _;

pub fn page(report: &Report) -> String {
    let mut out = String::new();
    let title = escape(report.targets.first().map_or("", String::as_str));
    let _ = write!(
        out,
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>\
         <title>tsc-probe: {title}</title><style>{STYLE}</style><main><h1>{title}</h1>\
         <p class='verdict {}'>{}</p>",
        class(report.resumes),
        text(&report.verdict)
    );
    if !report.verified {
        out.push_str("<p class=warning>--insecure: whose server this is was not verified.</p>");
    }
    list(&mut out, "On the server", &report.advice);
    if report.backend == Backend::Rustls {
        let _ = write!(out, "<p>{BY_RUSTLS}</p>");
    }
    for section in crate::rows::sections(report) {
        let _ = write!(
            out,
            "<h2>{}</h2><table class=facts>",
            escape(&section.title)
        );
        for [name, said] in section.rows {
            let _ = write!(out, "<tr><th>{}<td>{}", escape(&name), text(&said));
        }
        out.push_str("</table>");
    }
    if let Some(saving) = &report.saving {
        out.push_str("<h2>Handshakes, in milliseconds</h2>");
        distribution(&mut out, saving);
    }
    if let Some(pool) = &report.pool {
        let _ = write!(out, "<h2>A pool of {} at once</h2>", pool.connections);
        out.push_str(
            "<p class=legend><span class=full>\u{25A0}</span> a full handshake \
             <span class=resumed>\u{25A0}</span> a resumed one</p>",
        );
        timeline(&mut out, "without waiting", &pool.without_waiting);
        timeline(&mut out, "waiting for tickets", &pool.waiting);
    }
    if let Some(matrix) = report
        .matrix
        .as_ref()
        .filter(|matrix| matrix.targets.len() > 1)
    {
        out.push_str("<h2>Who takes whose sessions</h2><p>Issued by the row, offered to the column.</p><div class=wide><table><tr><th>");
        for n in 1..=matrix.targets.len() {
            let _ = write!(out, "<th>{n}");
        }
        for (n, (target, row)) in matrix.targets.iter().zip(&matrix.taken).enumerate() {
            let _ = write!(out, "<tr><th>{} {}", n + 1, escape(target));
            match row {
                None => {
                    let _ = write!(out, "<td colspan={}>issues none", matrix.targets.len());
                }
                Some(row) => {
                    for reaction in row {
                        let class = match reaction {
                            Reaction::Resumed => "good",
                            other if other.is_harmful() => "bad",
                            _ => "",
                        };
                        let _ = write!(out, "<td class='{class}'>{reaction}");
                    }
                }
            }
        }
        out.push_str("</table></div>");
    }
    if !report.settings.is_empty() {
        out.push_str("<h2>Settings of libtsc, to copy</h2>");
        for snippet in &report.settings {
            let _ = write!(
                out,
                "<h3>{}</h3><pre>{}</pre>",
                escape(&snippet.language),
                escape(&snippet.text)
            );
        }
    }
    list(&mut out, "Not found out", &report.unknown);
    let _ = writeln!(
        out,
        "<footer>{}{}, by tsc-probe {}.</footer></main></html>",
        plural(report.connections as usize, "connection"),
        when(report.when),
        env!("CARGO_PKG_VERSION")
    );
    out
}

fn when(seconds: u64) -> String {
    let time = i64::try_from(seconds).map(Asn1Time::from_unix);
    time.map_or(String::new(), |time| {
        time.map_or(String::new(), |time| format!(", {}", &*time))
    })
}

fn class(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Yes => "good",
        Verdict::Sometimes | Verdict::NothingIssued => "",
        Verdict::Refuses | Verdict::Harmful | Verdict::IdentityLost | Verdict::Unreachable => "bad",
    }
}

/// With options of the command line in one piece.
fn text(text: &str) -> String {
    let words = text.split(' ').map(|word| match word.contains("--") {
        true => format!("<span class=option>{}</span>", escape(word)),
        false => escape(word),
    });
    words.collect::<Vec<_>>().join(" ")
}

/// Each handshake a dot, and the median a line: full above resumed, on one scale.
fn distribution(out: &mut String, saving: &Saving) {
    let both = [&saving.full_handshakes, &saving.resumed_handshakes];
    let most = both.into_iter().flatten().copied().fold(0.1, f64::max);
    let at = |milliseconds: f64| 90.0 + milliseconds / most * 590.0;
    let _ = write!(
        out,
        "<div class=wide><svg viewBox='0 0 700 110' role=img aria-label='times of full and resumed handshakes'>"
    );
    for (y, class, samples, median) in [
        (25, "full", both[0], saving.full_ms),
        (65, "resumed", both[1], saving.resumed_ms),
    ] {
        let _ = write!(out, "<text x=0 y={}>{class}</text>", y + 5);
        for &sample in samples {
            let x = at(sample);
            let _ = write!(out, "<circle class={class} cx={x:.1} cy={y} r=5 />");
        }
        let (x, top, bottom) = (at(median), y - 13, y + 13);
        let _ = write!(
            out,
            "<line class={class} x1={x:.1} x2={x:.1} y1={top} y2={bottom} />"
        );
    }
    axis(out, 90.0, 590.0, 90, most);
    out.push_str("</svg></div>");
}

/// Each connection a bar: from where it began its handshake to where it was up.
fn timeline(out: &mut String, name: &str, burst: &Burst) {
    let rows = burst.timeline.len();
    let height = rows * 8 + 30;
    let most = burst.milliseconds.max(0.1);
    let _ = write!(
        out,
        "<h3>{name}: {} resumed, up in {:.0} ms</h3><div class=wide><svg viewBox='0 0 700 {height}' role=img \
         aria-label='when each connection was up'>",
        burst.resumed, burst.milliseconds
    );
    for (row, bar) in burst.timeline.iter().enumerate() {
        let class = if bar.resumed { "resumed" } else { "full" };
        let x = 10.0 + bar.began / most * 680.0;
        let width = ((bar.up - bar.began) / most * 680.0).max(1.0);
        let _ = write!(
            out,
            "<rect class={class} x={x:.1} y={} width={width:.1} height=6 />",
            row * 8
        );
    }
    axis(out, 10.0, 680.0, rows * 8 + 8, most);
    out.push_str("</svg></div>");
}

fn axis(out: &mut String, left: f64, width: f64, y: usize, most: f64) {
    for part in 0..=4 {
        let share = f64::from(part) / 4.0;
        let anchor = match part {
            0 => "start",
            4 => "end",
            _ => "middle",
        };
        let _ = write!(
            out,
            "<text class=axis x={:.0} y={} text-anchor={anchor}>{:.1} ms</text>",
            left + share * width,
            y + 14,
            share * most
        );
    }
}

fn list(out: &mut String, title: &str, items: &[String]) {
    if items.is_empty() {
        return;
    }
    let _ = write!(out, "<h2>{title}</h2><ul>");
    for item in items {
        let _ = write!(out, "<li>{}", text(item));
    }
    out.push_str("</ul>");
}

/// What a server says is shown here, and no server may write the page.
fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '&' => safe.push_str("&amp;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            c => safe.push(c),
        }
    }
    safe
}

const STYLE: &str = "
:root { color-scheme: light dark; --back: #fff; --text: #1b1f24; --soft: #f2f4f7; --full: #c2570c; --resumed: #0a7d55; --bad: #c62828 }
@media (prefers-color-scheme: dark) { :root { --back: #15181c; --text: #e3e6ea; --soft: #20252b; --full: #f0964f; --resumed: #3fc492; --bad: #ff7a70 } }
body { background: var(--back); color: var(--text); font: 16px/1.5 system-ui, sans-serif; margin: 0 }
main { max-width: 46rem; margin: 0 auto; padding: 1rem }
.verdict { font-size: 1.15rem; font-weight: 600; border-left: .3rem solid var(--full); padding-left: .75rem }
.verdict.good { border-color: var(--resumed) } .verdict.bad { border-color: var(--bad) }
.option { white-space: nowrap } .legend .full { color: var(--full) } .legend .resumed { color: var(--resumed) }
footer { margin-top: 2rem; opacity: .7; font-size: .85rem }
.warning { color: var(--bad); font-weight: 600 }
pre { background: var(--soft); padding: .75rem; overflow-x: auto; border-radius: 6px; font-size: .85rem }
.wide { overflow-x: auto }
svg { width: 100%; min-width: 34rem; font: 14px system-ui, sans-serif; fill: var(--text) }
svg .full { fill: var(--full); fill-opacity: .7 } svg .resumed { fill: var(--resumed); fill-opacity: .7 }
svg line { stroke-width: 3 } svg line.full { stroke: var(--full) } svg line.resumed { stroke: var(--resumed) }
svg .axis { opacity: .7 }
.facts { width: 100%; table-layout: fixed } .facts th { font-weight: 400; opacity: .8; width: 40% } .facts th, .facts td { overflow-wrap: anywhere }
h1 { overflow-wrap: anywhere }
table { border-collapse: collapse } th, td { padding: .25rem .6rem; border: 1px solid var(--soft); text-align: left; vertical-align: top }
td.good { color: var(--resumed) } td.bad { color: var(--bad) }
";

#[cfg(test)]
mod tests {
    #[test]
    fn a_server_cannot_write_the_page() {
        assert_eq!(
            super::escape("<script>'\"&"),
            "&lt;script&gt;&#39;&quot;&amp;"
        );
    }
}
