//! What to change on the server, and which settings of libtsc to use.

use crate::client::Phase;
use crate::facts::Reaction;
use crate::protocol::Protocol;
use crate::report::{Report, Snippet, Verdict};

/// Sentences, the most important first.
pub fn advice(report: &Report) -> Vec<String> {
    let mut advice = Vec::new();
    let tls13 = report.version.as_deref() == Some("TLS 1.3");
    match report.resumes {
        Verdict::NothingIssued => {
            advice.push(
                "Switch sessions on. nginx: ssl_session_tickets on, and ssl_session_cache shared:tls:10m. HAProxy: \
                 remove no-tls-tickets. Scylla: enable_session_tickets: true in client_encryption_options. Programs \
                 on OpenSSL: SSL_CTX_set_num_tickets, and a session id context where clients show certificates."
                    .to_owned(),
            );
            if report.protocol == Protocol::Postgres {
                advice.push(
                    "PostgreSQL issues no sessions, by its own choice: put a TLS proxy in front, or do \
                     without."
                        .to_owned(),
                );
            }
            if report.protocol == Protocol::None {
                advice.push(
                    "Some servers send tickets only after the first request: name the protocol (--protocol), so \
                     that it is asked something."
                        .to_owned(),
                );
            }
        }
        Verdict::Refuses => advice.push(
            "Sessions are issued and not taken. Usual reasons: several processes or nodes behind this address \
             with keys of their own (share the ticket key), keys that change with each reload, or a client \
             certificate without a session id context (SSL_CTX_set_session_id_context)."
                .to_owned(),
        ),
        Verdict::Sometimes => advice.push(
            "Some sessions are not taken. Several processes or nodes behind this address seem to have ticket keys \
             of their own: share them, or have connections return to the node that issued."
                .to_owned(),
        ),
        Verdict::Harmful => advice.push(
            "The server breaks connections that offer a session. Switch tickets off there until it is repaired; \
             clients with libtsc stop offering by themselves after a few."
                .to_owned(),
        ),
        Verdict::IdentityLost => advice.push(
            "The server no longer knows the client on a resumed connection, so requests that need an identity fail \
             there. Let it read the certificate that the session keeps (HAProxy: ssl_c_used in place of \
             ssl_fc_has_crt), or switch sessions off where it asks for certificates. With libtsc, report such a \
             login as failed: it then stops offering."
                .to_owned(),
        ),
        Verdict::Yes | Verdict::Unreachable => {}
    }
    if let Some(bad) = &report.bad_ticket {
        let harmful = [bad.foreign, bad.damaged];
        if let Some(reaction) = harmful.into_iter().find(|reaction| reaction.is_harmful()) {
            advice.push(format!(
                "A ticket that the server cannot read should lead to a full handshake; here it leads to {reaction}. \
                 After each change of its keys, clients will fail to connect."
            ));
        } else if bad.damaged == Reaction::Resumed {
            advice.push(
                "The server took a ticket in which a byte had been changed: it does not authenticate them. That is \
                 a hole in its security."
                    .to_owned(),
            );
        }
    }
    let exchange = report.key_exchange.as_ref();
    let after_retry = exchange.and_then(|exchange| exchange.after_retry);
    if let Some(reaction) = after_retry.filter(|reaction| reaction.is_harmful()) {
        advice.push(format!(
            "When the server has to ask for another key exchange, a connection that offers a session ends in \
             {reaction}. Let it support X25519 and P-256, which most clients try first."
        ));
    }
    if report
        .judged()
        .and_then(|version| version.size.as_ref())
        .is_some_and(|size| size.retried)
    {
        advice.push(
            "Each full handshake begins with a HelloRetryRequest and takes a round trip more: let the server accept \
             X25519."
                .to_owned(),
        );
    }
    if let Some(matrix) = &report.matrix
        && matrix.is_shared() == Some(false)
    {
        advice.push(
            "The targets do not take each other's sessions. If clients may reach either, share the ticket keys."
                .to_owned(),
        );
    }
    if let Some(tickets) = report.judged().and_then(|version| version.tickets.as_ref()) {
        if tls13 && tickets.resumed > 0 && tickets.after_resumed.is_empty() {
            advice.push(
                "No ticket comes after a resumed handshake, so every other connection is a full one at best: send at \
                 least one with each."
                    .to_owned(),
            );
        }
        let late = |phase: Phase| {
            let mut when = tickets.after_full.iter();
            !tickets.after_full.is_empty() && when.all(|when| when.phase == phase)
        };
        if tls13 && late(Phase::AfterRequest) {
            advice.push(
                "Tickets come only after the first request: a client that never reads, or closes before, has none."
                    .to_owned(),
            );
        }
    }
    if tls13
        && report.versions.iter().any(|version| {
            version
                .lifetime
                .as_ref()
                .is_some_and(|l| l.longest > 0 && l.longest < 300)
        })
    {
        advice.push(
            "Sessions live for less than five minutes: a pool that reconnects later finds none."
                .to_owned(),
        );
    }
    advice
}

/// What to write in each language.
pub fn settings(report: &Report) -> Vec<Snippet> {
    if !matches!(report.resumes, Verdict::Yes | Verdict::Sometimes) {
        return Vec::new();
    }
    let lifetime = report
        .judged()
        .and_then(|version| version.lifetime.as_ref())
        .map_or(0, |lifetime| lifetime.longest);
    // The default TTL, unless the server's own is shorter; longer ones gain little.
    let ttl = match lifetime {
        0 => 3600,
        seconds => seconds.min(3600),
    };
    let waits = report
        .pool
        .as_ref()
        .is_some_and(|pool| pool.waiting.resumed > pool.without_waiting.resumed);
    let milliseconds = crate::facts::pool::MAX_WAIT.as_millis();
    let seconds = crate::facts::pool::MAX_WAIT.as_secs();
    // With the line that waits last.
    let snippet = |language: &str, lines: [String; 2]| Snippet {
        language: language.to_owned(),
        text: if waits {
            lines.join("\n")
        } else {
            lines[0].clone()
        },
    };
    vec![
        snippet(
            "C",
            [
                format!(
                    "tsc_options options = {{.ttl_seconds = {ttl}}};\ntsc_cache_new(&options, sizeof options, &cache);"
                ),
                format!(
                    "tsc_ssl_prepare(ssl, host, port);\ntsc_attempt_wait(tsc_ssl_attempt(ssl), {milliseconds});\n\
                     tsc_ssl_offer(ssl);"
                ),
            ],
        ),
        snippet(
            "C++",
            [
                format!(
                    "tsc::options options{{}};\noptions.ttl_seconds = {ttl};\nauto cache = *tsc::cache::make(options);"
                ),
                format!(
                    "tsc::ssl::begin_wait(ssl, {{host, port}}, std::chrono::milliseconds({milliseconds}));"
                ),
            ],
        ),
        snippet(
            "Go",
            [
                format!("cache, err := tsc.NewCache(tsc.Options{{TTL: {ttl} * time.Second}})"),
                format!("dialer.MaxWait = {milliseconds} * time.Millisecond"),
            ],
        ),
        snippet(
            "Python",
            [
                format!("cache = tsc.TLSSessionCache(ttl={ttl})"),
                format!("context = tsc.create_default_context(cache=cache, max_wait={seconds})"),
            ],
        ),
        snippet(
            "Rust",
            [
                format!(
                    "let mut options = Options::default();\noptions.ttl_seconds = {ttl};\n\
                     let cache = Cache::new(options);"
                ),
                format!(
                    "let max_wait = Duration::from_millis({milliseconds});\n\
                     let _ = timeout(max_wait, attempt.ready(max_wait)).await;"
                ),
            ],
        ),
    ]
}
