//! One connection of a process: its requests, and the replies.

use crate::frames::Frames;
use crate::host::Host;
use crate::process::Process;
use libtsc::Reason;
use libtsc::agent::protocol::{Reply, Request, VERSION};
use std::io;
use std::rc::Rc;
use std::time::Duration;
use tokio::net::UnixStream;

/// Answers a process until it closes the connection or sends something that is no message. A process whose user has too
/// many connections gets no answer, and goes on alone.
pub async fn serve(host: &Host, stream: UnixStream) -> io::Result<()> {
    let peer = stream.peer_cred()?;
    let Some(user) = host.users.of(peer.uid()) else {
        return Ok(());
    };
    let places = (host.connections.take(), user.connections.take());
    let (Some(_), Some(_)) = places else {
        return Ok(());
    };
    let mut frames = Frames::new(stream);
    let Some(hello) = frames.next().await? else {
        return Ok(());
    };
    let Some(Request::Hello { version, process }) = Request::decode(hello) else {
        return Err(io::ErrorKind::InvalidData.into());
    };
    frames.consume();
    if version != VERSION {
        return Ok(());
    }
    // A connection that only asks for the status stands for no process.
    while is_status(&mut frames).await? {
        frames.consume();
        let text = host.status();
        let text = text.as_bytes();
        frames.send(Reply::Text { text }.encode()).await?;
    }
    let Some(process) = host.process(&user, peer.pid(), process) else {
        return Ok(());
    };
    while answer(&process, &mut frames).await? {}
    Ok(())
}

async fn is_status(frames: &mut Frames) -> io::Result<bool> {
    let next = frames.next().await?;
    Ok(next.and_then(Request::decode) == Some(Request::Status))
}

/// Answers the next request; false: there is none.
async fn answer(process: &Rc<Process>, frames: &mut Frames) -> io::Result<bool> {
    let Some(message) = frames.next().await? else {
        return Ok(false);
    };
    let request = Request::decode(message).ok_or(io::ErrorKind::InvalidData)?;
    let noted = match request {
        Request::Lease {
            attempt,
            wait_ms,
            key,
        } => {
            let key = Box::<[u8]>::from(key);
            frames.consume();
            return lend(process, frames, attempt, &key, wait_ms).await;
        }
        Request::Begin { attempt, key } => Some(process.begin_full(attempt, key)),
        Request::Received {
            attempt,
            tls_version,
            left_ms,
            session,
        } => Some(process.received(attempt, tls_version, left_ms, session)),
        Request::Established {
            attempt,
            resumed,
            lineage_ms,
        } => Some(process.established(attempt, resumed, lineage_ms)),
        Request::Failed { attempt, facts } => {
            process.failed(attempt, facts);
            None
        }
        Request::Gone { attempt } => {
            process.gone(attempt);
            None
        }
        // What it was to end has ended by itself.
        Request::Cancel => None,
        Request::Hello { .. } | Request::Status => return Err(io::ErrorKind::InvalidData.into()),
    };
    let attempt = request.attempt().unwrap_or_default();
    frames.consume();
    let reply = match noted {
        Some(true) => Reply::Done { attempt },
        Some(false) => Reply::Unknown { attempt },
        None => return Ok(true),
    };
    frames.queue(reply.encode()).await?;
    Ok(true)
}

/// Lends an attempt a session, as soon as there is one and in any case when it waits no longer.
async fn lend(
    process: &Rc<Process>,
    frames: &mut Frames,
    attempt: u64,
    key: &[u8],
    wait_ms: u32,
) -> io::Result<bool> {
    let Some(begun) = process.begin(attempt, key) else {
        let denied = Reply::None {
            attempt,
            reason: Reason::AgentAway as u8,
            waited: false,
        };
        frames.send(denied.encode()).await?;
        return Ok(true);
    };
    let mut still_there = true;
    let given_up = async {
        // Whatever comes now says that it does not wait any more; it is looked at after the answer.
        still_there = matches!(frames.next().await, Ok(Some(_)));
    };
    let wait = Duration::from_millis(wait_ms.into());
    let lease = begun.lease(wait, given_up).await;
    if !still_there {
        // Nobody has seen it.
        process.failed(attempt, 0);
        return Ok(false);
    }
    let sent = frames.send(lease.reply(attempt).encode()).await;
    match (&sent, &lease.session) {
        (Err(_), _) => {
            process.gone(attempt);
        }
        (Ok(()), Ok(_)) => process.lent(),
        (Ok(()), Err(_)) => {}
    }
    sent.map(|()| true)
}
