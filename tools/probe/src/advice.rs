//! What to change on the server.

use crate::client::Phase;
use crate::facts::Reaction;
use crate::facts::key_exchange::Mode;
use crate::facts::product::Product;
use crate::protocol::Protocol;
use crate::report::{Report, Verdict};

/// Sentences, the most important first.
pub fn advice(report: &Report) -> Vec<String> {
    let mut advice = Vec::new();
    let tls13 = report.version.as_deref() == Some("TLS 1.3");
    let keys = report.product.and_then(Product::keeps_keys);
    let keys = keys.map_or(String::new(), |how| format!(" ({how})"));
    match report.resumes {
        Verdict::NothingIssued => {
            let general = "Switch sessions on. nginx: ssl_session_tickets on, and ssl_session_cache shared:tls:10m. \
                           HAProxy: remove no-tls-tickets. Scylla: enable_session_tickets: true in \
                           client_encryption_options. Programs on OpenSSL: SSL_CTX_set_num_tickets, and a session id \
                           context where clients show certificates.";
            advice.push(report.product.map_or(general, Product::switches_on).to_owned());
            if report.protocol == Protocol::None {
                advice.push(
                    "Some servers send tickets only after the first request: name the protocol (--protocol), so \
                     that it is asked something."
                        .to_owned(),
                );
            }
        }
        Verdict::Harmful | Verdict::Refuses if by_psk_ke(report) => advice.push(
            "The server resumes without a new key exchange only (psk_ke), which gives up forward secrecy and which \
             most clients do not offer. Let it do psk_dhe_ke."
                .to_owned(),
        ),
        Verdict::Refuses => {
            let general = "Sessions are issued and not taken. Usual reasons: several processes or nodes behind this \
                           address with keys of their own (share the ticket key), keys that change with each reload, \
                           or a client certificate without a session id context (SSL_CTX_set_session_id_context).";
            advice.push(report.product.map_or(general, Product::takes_its_own).to_owned());
        }
        Verdict::Sometimes => advice.push(format!(
            "Some sessions are not taken. Several processes or nodes behind this address seem to have ticket keys \
             of their own: share them{keys}, or have connections return to the node that issued."
        )),
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
        advice.push(format!(
            "The targets do not take each other's sessions. If clients may reach either, share the ticket keys{keys}."
        ));
    }
    if report
        .watch
        .as_ref()
        .is_some_and(|watch| !watch.lost.is_empty())
    {
        advice.push(format!(
            "All sessions were lost at a time: a restart, or a reload, changed the server's keys. Have it keep \
             them{keys}."
        ));
    }
    if let Some(pool) = &report.pool {
        let bursts = [&pool.waiting, &pool.without_waiting];
        if let Some((burst, why)) = bursts
            .into_iter()
            .find_map(|b| Some((b, b.failure.as_ref()?)))
        {
            advice.push(format!(
                "{} of {} connections that were opened at once failed ({why}). Look for a limit of connections at the \
                 server, or for one that shakes hands with one client at a time; --burst tries fewer.",
                burst.failed, pool.connections
            ));
        }
    }
    if let Some(tickets) = report.judged().and_then(|version| version.tickets.as_ref()) {
        if tls13 && tickets.resumed > 0 && tickets.after_resumed.is_empty() {
            let how = match report.product {
                Some(Product::Haproxy) => {
                    " HAProxy does so with keys of its own, and does not with tls-ticket-keys."
                }
                _ => "",
            };
            advice.push(format!(
                "No ticket comes after a resumed handshake, so every other connection is a full one at best: send at \
                 least one with each.{how}"
            ));
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

fn by_psk_ke(report: &Report) -> bool {
    let exchange = report.key_exchange.as_ref();
    exchange.and_then(|exchange| exchange.mode) == Some(Mode::PskKe)
}
