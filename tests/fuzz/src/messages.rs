//! Any bytes as a message of the agent's protocol: what is read is written as the same bytes, and what a key names
//! is within it.

use libtsc::agent::protocol::{LENGTH, MAX_MESSAGE, Reply, Request, length, whose};

pub fn run(data: &[u8]) {
    if let Some((head, rest)) = data.split_first_chunk::<LENGTH>()
        && let Some(length) = length(*head)
    {
        assert!((1..=MAX_MESSAGE).contains(&length));
        // What a stream gives at once may end in the middle of a message.
        read(&rest[..length.min(rest.len())]);
    }
    read(data);
}

fn read(message: &[u8]) {
    if let Some(request) = Request::decode(message) {
        let (head, tail) = request.encode();
        assert_eq!([&head[LENGTH..], tail].concat(), message, "{request:?}");
        if let Request::Lease { key, .. } | Request::Begin { key, .. } = request {
            named(key);
        }
    }
    if let Some(reply) = Reply::decode(message) {
        let (head, tail) = reply.encode();
        assert_eq!([&head[LENGTH..], tail].concat(), message, "{reply:?}");
    }
}

fn named(key: &[u8]) {
    if let Some((identity, _)) = whose(key) {
        let mut pieces = key.windows(identity.len().max(1));
        assert!(identity.is_empty() || pieces.any(|piece| piece == identity));
    }
}
