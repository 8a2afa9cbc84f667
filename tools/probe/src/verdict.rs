//! One word and one sentence about all that was found.

use crate::facts::Reaction;
use crate::facts::identity::Outcome;
use crate::facts::tickets::{Tickets, When};
use crate::report::{Report, Verdict, Version};
use std::fmt::Write as _;

pub fn word(report: &Report) -> Verdict {
    let Some(tickets) = report.judged().and_then(|version| version.tickets.as_ref()) else {
        return Verdict::Unreachable;
    };
    if tickets.failed_when_offered > 0 {
        Verdict::Harmful
    } else if tickets.offered == 0 {
        Verdict::NothingIssued
    } else if tickets.resumed == 0 {
        Verdict::Refuses
    } else if report
        .identity
        .as_ref()
        .is_some_and(|identity| identity.outcome == Outcome::Lost)
    {
        Verdict::IdentityLost
    } else if tickets.resumed < tickets.offered {
        Verdict::Sometimes
    } else {
        Verdict::Yes
    }
}

pub fn sentence(report: &Report) -> String {
    let Some(version) = report.judged() else {
        let why = match report.versions.first() {
            _ if report.interrupted => Some("you stopped it before anything was found"),
            Some(version) => version.refused.as_deref(),
            None => report.unknown.first().map(String::as_str),
        };
        return format!("resumes: unknown; {}", why.unwrap_or("nothing was tried"));
    };
    let Some(tickets) = &version.tickets else {
        return "resumes: unknown".into();
    };
    let name = &version.version;
    let mut text = match report.resumes {
        Verdict::Yes => format!("resumes: yes, {name}"),
        Verdict::Sometimes => format!(
            "resumes: sometimes, {name}; {} of {} connections",
            tickets.resumed, tickets.offered
        ),
        Verdict::Refuses => {
            format!("resumes: no, {name}; it issues sessions and takes none of them")
        }
        Verdict::NothingIssued => {
            format!("resumes: no, {name}; it issues no sessions that may be offered")
        }
        Verdict::Harmful => format!(
            "resumes: no, {name}; {} of {} connections failed because they offered a session",
            tickets.failed_when_offered, tickets.offered
        ),
        Verdict::IdentityLost => {
            format!("resumes: yes, {name}, but a resumed connection loses the client's identity")
        }
        Verdict::Unreachable => return "resumes: unknown".into(),
    };
    if tickets.offered > 0 {
        let _ = write!(text, "; {}", issued(tickets));
        if let Some(lifetime) = &version.lifetime {
            let _ = match lifetime.longest {
                0 => write!(text, "; lifetime not given"),
                seconds => write!(text, "; lifetime {seconds} s"),
            };
        }
    }
    if let Some(watch) = &report.watch {
        if let (Some(from), Some(to)) = (watch.oldest_resumed, watch.too_old) {
            let _ = write!(text, "; measured: taken at {from} s, not at {to} s");
        }
        match watch.lost.len() {
            0 => {}
            1 => text.push_str("; once, all sessions were lost at a time"),
            times => {
                let _ = write!(text, "; {times} times, all sessions were lost at a time");
            }
        }
    }
    if let Some(identity) = &report.identity {
        text.push_str(match identity.outcome {
            Outcome::Kept => "; keeps the client's identity",
            Outcome::Refused => "; does not resume with the client's certificate",
            Outcome::NotDetermined => "; whether the client's identity is kept is not determined",
            Outcome::Lost => "",
        });
    }
    if let Some(twice) = &report.twice {
        text.push_str(match twice.one_after_the_other {
            Reaction::Resumed => "; takes a session twice",
            _ => "; takes a session once",
        });
    }
    if let Some(cpu) = report.saving.as_ref().and_then(|saving| saving.client_cpu) {
        let _ = match cpu.is_clear() {
            true => write!(
                text,
                "; resumed handshakes cost {:.2} of a full one's client CPU here ({:.2} to {:.2})",
                cpu.median, cpu.low, cpu.high
            ),
            false => write!(
                text,
                "; no difference in client CPU was found ({:.2} to {:.2} of a full one's)",
                cpu.low, cpu.high
            ),
        };
    }
    text
}

/// How many, and when the last of them came.
fn issued(tickets: &Tickets) -> String {
    let plural = |n: usize| if n == 1 { "" } else { "s" };
    let full = tickets.after_full.len();
    let mut text = format!("{full} session{} after a full handshake", plural(full));
    if tickets.resumed > 0 {
        let _ = write!(
            text,
            " and {} after a resumed one",
            tickets.after_resumed.len()
        );
    }
    if let Some(last) = last(&tickets.after_full) {
        let digits = usize::from(last < 0.95);
        let _ = write!(text, ", {last:.digits$} ms after it");
    }
    text
}

/// Why a version is not spoken, unless the verdict has said it already.
pub fn refusal<'a>(report: &Report, version: &'a Version) -> Option<&'a str> {
    let refused = version.refused.as_deref()?;
    let said = report.version.is_none() && report.verdict.ends_with(refused);
    (!said).then_some(refused)
}

fn last(when: &[When]) -> Option<f64> {
    when.iter()
        .map(|when| when.milliseconds)
        .max_by(f64::total_cmp)
}
