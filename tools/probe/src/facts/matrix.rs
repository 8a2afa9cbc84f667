//! Who accepts whose sessions: each address of each host against each other.

use super::{Reaction, Unknown, react, session};
use crate::client::Client;
use crate::pace::Pace;
use crate::target::Target;
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Matrix {
    /// Host, port and address.
    pub targets: Vec<String>,
    /// A row for each target that gave a session, a column for each that was offered it. Null: it gave none.
    pub taken: Vec<Option<Vec<Reaction>>>,
}

impl Matrix {
    /// Whether all take each other's; None: there is but one, or nothing to judge by.
    pub fn is_shared(&self) -> Option<bool> {
        let mut between = self.taken.iter().enumerate().flat_map(|(from, row)| {
            row.iter()
                .flatten()
                .enumerate()
                .filter(move |&(to, _)| to != from)
                .map(|(_, reaction)| *reaction)
        });
        let first = between.next()?;
        Some(first == Reaction::Resumed && between.all(|reaction| reaction == Reaction::Resumed))
    }
}

/// `clients`: one for each target, as each has a name of its own.
pub fn look(pace: &Pace, targets: &[Target], clients: &[Client]) -> Result<Matrix, Unknown> {
    let mut taken = Vec::new();
    for (from, client) in targets.iter().zip(clients) {
        let mut row = Vec::new();
        for (to, other) in targets.iter().zip(clients) {
            // A new one for each: it may be good only once.
            match session(pace, client, from.address) {
                Ok(Some(offer)) => row.push(react(pace, other, to.address, &offer)?),
                Err(why @ (Unknown::Stopped(_) | Unknown::Client(_))) => return Err(why),
                Ok(None) | Err(Unknown::Refused(_)) => break,
            }
        }
        taken.push((row.len() == targets.len()).then_some(row));
    }
    Ok(Matrix {
        targets: targets.iter().map(Target::label).collect(),
        taken,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use Reaction::{Full, Resumed};

    fn matrix(taken: Vec<Option<Vec<Reaction>>>) -> Matrix {
        Matrix {
            targets: taken.iter().map(|_| String::new()).collect(),
            taken,
        }
    }

    #[test]
    fn shared_is_what_all_others_take() {
        assert_eq!(matrix(vec![Some(vec![Resumed])]).is_shared(), None);
        assert_eq!(matrix(vec![None, None]).is_shared(), None);
        let all = vec![Some(vec![Resumed, Resumed]), Some(vec![Resumed, Resumed])];
        assert_eq!(matrix(all).is_shared(), Some(true));
        let own = vec![Some(vec![Resumed, Full]), Some(vec![Full, Resumed])];
        assert_eq!(matrix(own).is_shared(), Some(false));
        let one_way = vec![Some(vec![Resumed, Resumed]), Some(vec![Full, Resumed])];
        assert_eq!(matrix(one_way).is_shared(), Some(false));
    }
}
