//! The operator's keys, and what is derived from them.

use anyhow::{Context as _, bail};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use zeroize::Zeroizing;

/// The first one seals, all of them open: so a new key can be made known everywhere before it is used.
#[derive(Debug)]
pub(super) struct Keys(Vec<Key>);

#[derive(Debug)]
pub(super) struct Key(Zeroizing<[u8; LENGTH]>);

const LENGTH: usize = 32;

/// Goes into all that is derived: it changes with what entries look like.
const FORMAT: &[u8] = b"tsc-agent 1";

/// How many slots a cluster has.
const SLOTS: u16 = 16384;

/// Where the sessions of an endpoint are, and what they are sealed with.
pub(super) struct Place {
    /// A list of single-use sessions, the newest last.
    pub(super) list: String,
    /// The newest reusable session.
    pub(super) reusable: String,
    pub(super) seal: Zeroizing<[u8; LENGTH]>,
}

impl Keys {
    pub(super) fn read(path: &Path) -> anyhow::Result<Self> {
        const OTHERS: u32 = 0o026;
        let named = || path.display().to_string();
        let mode = fs::metadata(path).with_context(named)?.mode();
        if mode & OTHERS != 0 {
            bail!("{}: others can read or change it (chmod 600)", named());
        }
        let text = Zeroizing::new(fs::read_to_string(path).with_context(named)?);
        Self::parse(&text).with_context(named)
    }

    /// A key on each line, in hexadecimal.
    fn parse(text: &str) -> anyhow::Result<Self> {
        let lines = text.lines().map(str::trim);
        let lines = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
        let keys = lines.map(Key::parse).collect::<Option<Vec<_>>>();
        match keys {
            Some(keys) if !keys.is_empty() => Ok(Self(keys)),
            _ => bail!("want 64 hexadecimal digits a line, as `openssl rand -hex 32` prints"),
        }
    }

    pub(super) fn sealing(&self) -> &Key {
        &self.0[0]
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Key> {
        self.0.iter()
    }
}

impl Key {
    fn parse(line: &str) -> Option<Self> {
        let mut key = Zeroizing::new([0; LENGTH]);
        if line.len() != 2 * LENGTH || !line.is_ascii() {
            return None;
        }
        for (byte, at) in key.iter_mut().zip((0..).step_by(2)) {
            *byte = u8::from_str_radix(&line[at..at + 2], 16).ok()?;
        }
        Some(Self(key))
    }

    /// Where the sessions are of a user and an endpoint with its identity, as long as the engine is of this
    /// generation. Names say nothing of either, and what is put under another name does not open.
    pub(super) fn place(&self, user: &str, generation: &str, endpoint: &[u8]) -> Place {
        let tag = self.tag(user, endpoint);
        let whose = [user.as_bytes(), generation.as_bytes(), endpoint];
        let name = hexadecimal(&self.derive(b"name", &whose)[..16]);
        Place {
            list: format!("tsc:{{{tag}}}{name}:once"),
            reusable: format!("tsc:{{{tag}}}{name}:again"),
            seal: self.derive(b"seal", &whose),
        }
    }

    /// The slot of a cluster in which all of these are, whatever the generation: that of the server which has the
    /// slot is known only when it is asked.
    pub(super) fn slot(&self, user: &str, endpoint: &[u8]) -> u16 {
        crc16(self.tag(user, endpoint).as_bytes()) % SLOTS
    }

    /// What of a name decides the slot: the part in braces.
    fn tag(&self, user: &str, endpoint: &[u8]) -> String {
        hexadecimal(&self.derive(b"slot", &[user.as_bytes(), endpoint])[..4])
    }

    fn derive(&self, purpose: &[u8], whose: &[&[u8]]) -> Zeroizing<[u8; LENGTH]> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&*self.0).expect("of any length");
        for part in [FORMAT, purpose].iter().chain(whose) {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part);
        }
        Zeroizing::new(<[u8; LENGTH]>::from(mac.finalize().into_bytes()))
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// CRC-16/XMODEM, by which clusters assign slots.
fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |crc, &byte| {
        (0..8).fold(crc ^ (u16::from(byte) << 8), |crc, _| {
            (crc << 1) ^ if crc & 0x8000 == 0 { 0 } else { 0x1021 }
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
    const TWO: &str = "FFEEDDCCBBAA99887766554433221100ffeeddccbbaa99887766554433221100";

    #[test]
    fn a_file_has_a_key_a_line() {
        let keys = Keys::parse(&format!("# new\n{TWO}\n\n  {ONE}\n")).unwrap();
        let first: Vec<_> = keys.all().map(|key| key.0[0]).collect();
        assert_eq!(first, [0xff, 0]);
        assert_eq!(keys.sealing().0[1], 0xee);
        let tail = &ONE[1..];
        for bad in [
            "",
            "# none",
            tail,
            &format!("x{tail}"),
            &format!("{ONE}\nä{tail}"),
        ] {
            assert!(Keys::parse(bad).is_err(), "{bad}");
        }
    }

    /// Any of them changed, it is another place with another seal, also if the bytes are the same in a row.
    #[test]
    fn each_user_generation_and_endpoint_has_a_place_of_its_own() {
        let keys = Keys::parse(&format!("{ONE}\n{TWO}")).unwrap();
        let of = |whose: (&str, &str, &str)| {
            let (user, generation, endpoint) = whose;
            let places = keys.all().map(|key| {
                let place = key.place(user, generation, endpoint.as_bytes());
                (place.list, place.reusable, *place.seal)
            });
            places.collect::<Vec<_>>()
        };
        let whose = [
            ("1", "1", "1"),
            ("2", "1", "1"),
            ("1", "2", "1"),
            ("1", "1", "2"),
            ("11", "", "1"),
            ("", "11", "1"),
            ("1", "", "11"),
        ];
        let places: Vec<_> = whose.into_iter().flat_map(of).collect();
        for (at, one) in places.iter().enumerate() {
            for other in &places[..at] {
                assert!(one.0 != other.0 && one.1 != other.1 && one.2 != other.2);
            }
            assert_eq!(&of(whose[at / 2])[at % 2], one);
        }
    }

    #[test]
    fn slots_are_those_of_clusters() {
        // What CLUSTER KEYSLOT says.
        assert_eq!(crc16(b"123456789") % SLOTS, 12739);
        assert_eq!(crc16(b"foo") % SLOTS, 12182);
    }
}
