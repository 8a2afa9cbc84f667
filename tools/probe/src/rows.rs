//! What was found, in rows of a name and what there is to say.

use crate::client::{Backend, Phase};
use crate::facts::Reaction;
use crate::facts::identity::Outcome;
use crate::facts::key_exchange::Mode;
use crate::facts::tickets::When;
use crate::measure::Ratio;
use crate::report::Report;
use crate::verdict;

/// What --backend rustls is about.
pub const BY_RUSTLS: &str = "Seen from a client on rustls, through libtsc. What rustls does not show was asked with \
    OpenSSL: the lifetime, the same session twice, bad tickets, a ticket request, the key exchange, who takes whose.";

pub struct Section {
    pub title: String,
    pub rows: Vec<[String; 2]>,
}

impl Section {
    fn new(title: &str) -> Self {
        Self {
            title: title.to_owned(),
            rows: Vec::new(),
        }
    }

    fn add_row<T: Into<String>>(&mut self, row: [T; 2]) {
        self.rows.push(row.map(Into::into));
    }
}

/// What was found about each version of TLS, and then about the one that was judged.
pub fn sections(report: &Report) -> Vec<Section> {
    let mut sections = Vec::new();
    for version in &report.versions {
        let mut table = Section::new(&version.version);
        if let Some(refused) = verdict::refusal(report, version) {
            table.add_row(["not spoken", refused]);
        }
        if let Some(tickets) = &version.tickets {
            table.add_row(["cipher", &tickets.cipher]);
            table.add_row([
                "sessions after a full handshake",
                &when(&tickets.after_full),
            ]);
            if tickets.resumed > 0 {
                table.add_row(["after a resumed one", &when(&tickets.after_resumed)]);
            }
            table.add_row([
                "resumed",
                &format!(
                    "{} of {} connections that offered one",
                    tickets.resumed, tickets.offered
                ),
            ]);
            if tickets.failed_when_offered > 0 {
                table.add_row([
                    "failed, only when offered one",
                    &tickets.failed_when_offered.to_string(),
                ]);
            }
        }
        if let Some(lifetime) = &version.lifetime {
            table.add_row(["lifetime", &seconds(lifetime.shortest, lifetime.longest)]);
        }
        if let Some(size) = &version.size {
            let ticket = match size.ticket {
                None => "rustls does not show it".to_owned(),
                Some(0) => "none: the server keeps the session and gave its id".to_owned(),
                Some(bytes) => format!("{bytes} bytes"),
            };
            table.add_row(["ticket", &ticket]);
            let fits = fits(size.fits_one_segment);
            table.add_row([
                "ClientHello",
                &format!(
                    "{} bytes, {} with a session; {fits}",
                    size.client_hello_full, size.client_hello_resumed
                ),
            ]);
            table.add_row([
                "full handshake",
                &format!(
                    "{} bytes, {} of them certificates; {}; {}",
                    size.full,
                    size.certificates,
                    packets(size.full_packets, size.full_segments),
                    plural(size.full_round_trips, "round trip")
                ),
            ]);
            table.add_row([
                "resumed handshake",
                &format!(
                    "{} bytes; {}; {}",
                    size.resumed,
                    packets(size.resumed_packets, size.resumed_segments),
                    plural(size.resumed_round_trips, "round trip")
                ),
            ]);
            if size.retried {
                table.add_row(["HelloRetryRequest", "yes: it costs a round trip"]);
            }
        }
        if !table.rows.is_empty() {
            sections.push(table);
        }
    }
    let about = report.version.as_deref().unwrap_or_default();
    let mut table = Section::new(&format!("{about}: more"));
    facts(&mut table, report);
    if !table.rows.is_empty() {
        sections.push(table);
    }
    sections
}

fn facts(table: &mut Section, report: &Report) {
    if let Some(product) = report.product {
        table.add_row([
            "server",
            &format!("{}, as its answers show", product.name()),
        ]);
    }
    if let Some(twice) = &report.twice {
        table.add_row([
            "the same session twice",
            &format!(
                "{}; of 4 at once {} resumed",
                twice.one_after_the_other, twice.resumed_of_four_at_once
            ),
        ]);
    }
    if let Some(request) = &report.ticket_request {
        let answer = match request.promised {
            Some(number) => format!("answered: {number}"),
            None => "not answered".to_owned(),
        };
        table.add_row([
            "ticket request (RFC 9149)",
            &format!(
                "{answer}; asked for {}, {} came, {} unasked",
                request.asked_for, request.came, request.unasked
            ),
        ]);
    }
    if let Some(bad) = &report.bad_ticket {
        table.add_row(["a damaged ticket", &bad.damaged.to_string()]);
        table.add_row(["another node's ticket", &bad.foreign.to_string()]);
        table.add_row(["an expired ticket", &expired(report, bad.expired)]);
    }
    if let Some(hello) = &report.hello {
        let stack = match (hello.backend, report.backend) {
            (Backend::Rustls, Backend::Openssl) => " (rustls)",
            _ => "",
        };
        for (name, groups) in [
            ("with X25519MLKEM768", &hello.with),
            ("without it", &hello.without),
        ] {
            let resumed = groups
                .resumed
                .map_or(String::new(), |bytes| format!(", {bytes} with a session"));
            let retried = if groups.retried {
                ", after a HelloRetryRequest"
            } else {
                ""
            };
            table.add_row([
                format!("ClientHello {name}{stack}"),
                format!(
                    "{} bytes{resumed}; {}{retried}",
                    groups.full,
                    fits(groups.fits_one_segment)
                ),
            ]);
        }
        let chosen = if hello.chosen { "chosen" } else { "not chosen" };
        table.add_row(["X25519MLKEM768 is", chosen]);
    }
    if let Some(exchange) = &report.key_exchange {
        if let Some(mode) = exchange.mode {
            let text = match mode {
                Mode::PskDheKe => "psk_dhe_ke: with a new key exchange",
                Mode::PskKe => "psk_ke: without forward secrecy, as the client allowed it",
            };
            table.add_row(["key exchange when resumed", text]);
        }
        if let Some(reaction) = exchange.after_retry {
            let text = reaction.to_string();
            table.add_row(["offered, and a HelloRetryRequest", &text]);
        }
    }
    if let Some(identity) = &report.identity {
        let outcome = match identity.outcome {
            Outcome::Refused => "not resumed",
            Outcome::Kept => "kept when resumed",
            Outcome::Lost => "lost when resumed",
            Outcome::NotDetermined => "not determined",
        };
        let why = identity.why.iter().map(|why| format!(": {why}"));
        table.add_row([
            "the client's identity".to_owned(),
            std::iter::once(outcome.to_owned()).chain(why).collect(),
        ]);
        for (name, text) in [
            ("- asked by", &identity.question),
            ("- full handshake", &identity.full),
            ("- without a certificate", &identity.without),
            ("- resumed", &identity.resumed),
        ] {
            if let Some(text) = text {
                table.add_row([name, text]);
            }
        }
    }
    if let Some(pool) = &report.pool {
        for (name, burst) in [("", &pool.without_waiting), (", waiting", &pool.waiting)] {
            let failed = match burst.failed {
                0 => String::new(),
                n => format!(", {n} failed"),
            };
            let forecast = match (pool.forecast, name) {
                (None, _) => String::new(),
                (Some(forecast), "") => format!("; forecast: {}", forecast.without_waiting),
                (Some(forecast), _) => format!(
                    "; forecast: {} in {:.0} ms",
                    forecast.waiting, forecast.milliseconds
                ),
            };
            table.add_row([
                format!("a pool of {}{name}", pool.connections),
                format!(
                    "{} resumed{failed} in {:.0} ms{forecast}",
                    burst.resumed, burst.milliseconds
                ),
            ]);
        }
        if let Some(seconds) = pool
            .forecast
            .map(|forecast| forecast.seconds)
            .filter(|&s| s > 0)
        {
            table.add_row([
                "the sessions that it leaves",
                &format!("serve another pool for {seconds} s"),
            ]);
        }
    }
    if let Some(saving) = &report.saving {
        for (name, ratio) in [
            ("client CPU, resumed to full", saving.client_cpu),
            ("time to ServerHello", saving.time_to_server_hello),
            ("time of the handshake", saving.time_of_handshake),
        ] {
            if let Some(ratio) = ratio {
                table.add_row([name, &claim(ratio)]);
            }
        }
    }
    if let Some(watch) = &report.watch {
        let old = match (watch.oldest_resumed, watch.too_old) {
            (Some(taken), None) => format!("taken at {taken} s, the oldest that was offered"),
            (Some(taken), Some(old)) => format!("taken at {taken} s, not at {old} s"),
            (None, Some(old)) => format!("not taken at {old} s"),
            (None, None) => "none was taken".to_owned(),
        };
        table.add_row(["growing old", &old]);
        let refused = watch.renewal_refused.map_or(String::new(), |times| {
            format!("; one renewed {times} times was refused")
        });
        table.add_row(["renewed", &format!("{} times{refused}", watch.renewals)]);
        for [from, to] in &watch.lost {
            table.add_row(["all lost", &format!("between {from} s and {to} s")]);
        }
        if let Some(why) = &watch.ended {
            table.add_row(["the watch ended", why]);
        }
    }
}

fn when(tickets: &[When]) -> String {
    let Some(last) = tickets.last() else {
        return "none".to_owned();
    };
    let phase = match last.phase {
        Phase::Handshake => "in the handshake".to_owned(),
        Phase::BeforeRequest => format!("{:.1} ms after it, unasked", last.milliseconds),
        Phase::AfterRequest => format!(
            "{:.1} ms after it, after the first request",
            last.milliseconds
        ),
    };
    format!("{}, {phase}", tickets.len())
}

/// As counted; and as computed for an Ethernet, if that is something else.
fn packets(counted: Option<u32>, computed: usize) -> String {
    match counted {
        None => format!("packets, computed for Ethernet: {computed}"),
        Some(number) if number as usize == computed => plural(computed, "packet"),
        Some(number) => format!(
            "{}, computed for Ethernet: {computed}",
            plural(number as usize, "packet")
        ),
    }
}

pub fn plural(number: usize, of: &str) -> String {
    match number {
        1 => format!("1 {of}"),
        _ => format!("{number} {of}s"),
    }
}

fn expired(report: &Report, reaction: Option<Reaction>) -> String {
    let lifetime = report
        .judged()
        .and_then(|version| version.lifetime.as_ref());
    match (reaction, lifetime.map_or(0, |lifetime| lifetime.longest)) {
        (Some(reaction), _) => reaction.to_string(),
        (None, 0) => "not tried: the server gives no lifetime".to_owned(),
        (None, seconds) => format!(
            "not tried: lifetime {seconds} s; --watch {} does",
            seconds.saturating_add(2)
        ),
    }
}

fn seconds(shortest: u32, longest: u32) -> String {
    match (shortest, longest) {
        (_, 0) => "not given".to_owned(),
        (one, other) if one == other => format!("{other} s"),
        (one, other) => format!("{one} to {other} s"),
    }
}

fn fits(one_segment: bool) -> &'static str {
    match one_segment {
        true => "one segment",
        false => "too long for one segment",
    }
}

fn claim(ratio: Ratio) -> String {
    match ratio.is_clear() {
        true => format!(
            "{:.2} ({:.2} to {:.2})",
            ratio.median, ratio.low, ratio.high
        ),
        false => format!(
            "no difference found ({:.2} to {:.2})",
            ratio.low, ratio.high
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_are_as_counted_and_as_computed_where_that_differs() {
        assert_eq!(packets(Some(3), 3), "3 packets");
        assert_eq!(packets(Some(1), 2), "1 packet, computed for Ethernet: 2");
        assert_eq!(packets(None, 2), "packets, computed for Ethernet: 2");
    }
}
