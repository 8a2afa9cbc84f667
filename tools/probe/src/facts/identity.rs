//! Whether a resumed connection still belongs to the client that showed its certificate in the full handshake.

use super::{Unknown, usable};
use crate::client::{Client, Open, Phase, until_ticket};
use crate::pace::Pace;
use crate::question::{Answer, Question};
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;

#[derive(Clone, Debug, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Identity {
    pub outcome: Outcome,
    /// What the server was asked; null: nothing that needs an identity was known to ask.
    pub question: Option<String>,
    /// What it answered after a full handshake with the client's certificate.
    pub full: Option<String>,
    /// After a full handshake without it: the control.
    pub without: Option<String>,
    /// After a resumed handshake.
    pub resumed: Option<String>,
    /// If it is not determined.
    pub why: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The server did a full handshake, or failed, in place of resuming.
    Refused,
    /// It resumed and knew the client.
    Kept,
    /// It resumed and no longer knew the client.
    Lost,
    NotDetermined,
}

impl Identity {
    fn unknown(why: &str) -> Self {
        Self {
            outcome: Outcome::NotDetermined,
            question: None,
            full: None,
            without: None,
            resumed: None,
            why: Some(why.to_owned()),
        }
    }

    /// What the three answers mean; `resumed`: None if the server did not resume.
    fn judge(question: &Question, without: Answer, full: Answer, resumed: Option<Answer>) -> Self {
        let (outcome, why) = match &resumed {
            _ if !full.knows() => (
                Outcome::NotDetermined,
                Some("the client is not known after a full handshake either"),
            ),
            // Whoever answers everybody alike says nothing about an identity.
            _ if without == full => (
                Outcome::NotDetermined,
                Some("a client without a certificate gets the same answer"),
            ),
            None => (Outcome::Refused, None),
            Some(resumed) if *resumed == full => (Outcome::Kept, None),
            Some(Answer::Silence) => (
                Outcome::NotDetermined,
                Some("the server did not answer on the resumed connection"),
            ),
            Some(_) => (Outcome::Lost, None),
        };
        Self {
            outcome,
            question: Some(question.to_string()),
            full: Some(full.to_string()),
            without: Some(without.to_string()),
            resumed: resumed.map(|answer| answer.to_string()),
            why: why.map(str::to_owned),
        }
    }
}

/// `anonymous`: a client like the other, without the certificate.
pub fn look(
    pace: &Pace,
    client: &Client,
    anonymous: &Client,
    address: SocketAddr,
    question: Option<&Question>,
) -> Result<Identity, Unknown> {
    let Some(question) = question else {
        return Ok(Identity::unknown(
            "this protocol has no first request that is known to need an identity: --identity-path, \
             --identity-command",
        ));
    };
    pace.connection()?;
    let without = match anonymous.open(address, None) {
        Ok(mut open) => {
            let answer = question.ask(&mut open);
            open.close();
            answer
        }
        Err(refusal) => Answer::Refused(refusal.to_string()),
    };
    pace.connection()?;
    let mut open = client.open(address, None)?;
    let full = question.ask(&mut open);
    let offer = usable(&hear_out(open));
    let Some(offer) = offer else {
        let mut found = Identity::judge(question, without, full, None);
        if found.outcome == Outcome::Refused {
            found.outcome = Outcome::NotDetermined;
            found.why = Some("the server issued no session".to_owned());
        }
        return Ok(found);
    };
    pace.connection()?;
    let resumed = match client.open(address, Some(&offer)) {
        Ok(mut open) => {
            let answer = open.resumed().then(|| question.ask(&mut open));
            open.close();
            answer
        }
        Err(_) => None,
    };
    Ok(Identity::judge(question, without, full, resumed))
}

/// Listens for tickets that come after the answer.
fn hear_out(mut open: Open) -> crate::client::Visit {
    if open.tickets().is_empty() {
        open.listen(Phase::AfterRequest, until_ticket);
    }
    open.close()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn says(text: &str) -> Answer {
        Answer::Known(text.to_owned())
    }

    fn outcome(without: Answer, full: Answer, resumed: Option<Answer>) -> Outcome {
        Identity::judge(&Question::Redis, without, full, resumed).outcome
    }

    #[test]
    fn an_identity_is_kept_lost_or_refused() {
        let nobody = || Answer::Refused("ERR".to_owned());
        assert_eq!(outcome(nobody(), says("a"), Some(says("a"))), Outcome::Kept);
        assert_eq!(outcome(nobody(), says("a"), Some(says("b"))), Outcome::Lost);
        assert_eq!(outcome(nobody(), says("a"), Some(nobody())), Outcome::Lost);
        assert_eq!(
            outcome(nobody(), says("a"), Some(Answer::Closed)),
            Outcome::Lost
        );
        assert_eq!(outcome(nobody(), says("a"), None), Outcome::Refused);
    }

    #[test]
    fn what_proves_nothing_is_not_determined() {
        let nobody = || Answer::Refused("ERR".to_owned());
        for (without, full, resumed) in [
            (says("a"), says("a"), says("a")),
            (nobody(), nobody(), nobody()),
            (nobody(), Answer::Silence, says("a")),
            (nobody(), says("a"), Answer::Silence),
        ] {
            assert_eq!(
                outcome(without, full, Some(resumed)),
                Outcome::NotDetermined
            );
        }
    }
}
