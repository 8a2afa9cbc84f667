//! Any bytes as an export: without the key, nothing comes in. With it, what is sealed comes in whole if it has the
//! form of an export, and otherwise not at all; and nothing of it lives longer than the cache allows.

use crate::input::Input;
use crate::raw::{check_books, ok, stats, status, zero};
use chacha20poly1305::aead::AeadInPlace;
use chacha20poly1305::{ChaCha20Poly1305, KeyInit};
use libtsc::capi::tsc_status::*;
use libtsc::capi::*;
use std::cell::Cell;
use std::ffi::c_void;
use std::ptr::null_mut;

const KEY: [u8; TSC_EXPORT_KEY] = [7; TSC_EXPORT_KEY];
const IDENTITY: &[u8] = b"one";
/// Magic bytes, version, scope, two of padding, time, nonce.
const HEADER: usize = 28;
const NONCE: usize = 12;
const TTL: u64 = 100;

unsafe extern "C" fn read_clock(arg: *mut c_void) -> u64 {
    // SAFETY: it outlives the cache.
    unsafe { (*arg.cast::<Cell<u64>>()).get() }
}

struct World {
    cache: *mut tsc_cache,
    config: *mut tsc_config,
    of_config: bool,
}

impl World {
    fn new(time: &Cell<u64>, of_config: bool) -> Self {
        let mut options: tsc_options = zero();
        options.clock = Some(read_clock);
        options.clock_arg = std::ptr::from_ref(time).cast_mut().cast();
        options.ttl_seconds = TTL as u32;
        options.max_bytes = 4096;
        let (mut cache, mut config) = (null_mut(), null_mut());
        // SAFETY: here and below, handles are alive and lengths those of the buffers.
        ok(unsafe { tsc_cache_new(&raw const options, size_of::<tsc_options>(), &raw mut cache) });
        let mut options: tsc_config_options = zero();
        (options.identity, options.identity_len) = (IDENTITY.as_ptr(), IDENTITY.len());
        let size = size_of::<tsc_config_options>();
        ok(unsafe { tsc_config_new(cache, &raw const options, size, &raw mut config) });
        Self {
            cache,
            config,
            of_config,
        }
    }

    /// An export of this scope, with nothing in it.
    fn empty(&self) -> Vec<u8> {
        let (mut bytes, mut len) = (vec![0u8; 64], 0);
        let (key, key_len, buf, cap) = (KEY.as_ptr(), KEY.len(), bytes.as_mut_ptr(), bytes.len());
        ok(unsafe {
            if self.of_config {
                tsc_config_export(
                    self.config,
                    key,
                    key_len,
                    buf,
                    cap,
                    &raw mut len,
                    null_mut(),
                )
            } else {
                tsc_cache_export(self.cache, key, key_len, buf, cap, &raw mut len, null_mut())
            }
        });
        bytes.truncate(len);
        bytes
    }

    fn import(&self, export: &[u8]) -> Result<usize, tsc_status> {
        let mut count = usize::MAX;
        let (key, key_len, data, len) = (KEY.as_ptr(), KEY.len(), export.as_ptr(), export.len());
        let answer = status(unsafe {
            if self.of_config {
                tsc_config_import(self.config, key, key_len, data, len, &raw mut count)
            } else {
                tsc_cache_import(self.cache, key, key_len, data, len, &raw mut count)
            }
        });
        if answer == TSC_OK {
            return Ok(count);
        }
        assert_eq!(count, usize::MAX, "written without success");
        let stats = stats(self.cache);
        assert_eq!(
            (stats.stored, stats.sessions, stats.bytes),
            (0, 0, 0),
            "some of it was imported"
        );
        Err(answer)
    }

    /// Seals any text as an export of this scope, with any time.
    fn seal(&self, exported: Option<i64>, text: &[u8]) -> Vec<u8> {
        let mut export = self.empty()[..HEADER].to_vec();
        if let Some(exported) = exported {
            export[8..16].copy_from_slice(&exported.to_be_bytes());
        }
        let identity = if self.of_config { IDENTITY } else { b"" };
        let authenticated = [&export[..], identity].concat();
        let nonce: [u8; NONCE] = export[HEADER - NONCE..].try_into().expect("so many");
        let mut text = text.to_vec();
        let cipher = ChaCha20Poly1305::new(&KEY.into());
        let tag = cipher.encrypt_in_place_detached(&nonce.into(), &authenticated, &mut text);
        export.extend(text);
        export.extend(tag.expect("short"));
        export
    }
}

impl Drop for World {
    fn drop(&mut self) {
        unsafe {
            tsc_config_free(self.config);
            tsc_cache_free(self.cache);
        }
    }
}

/// A session of an export, read by the words of src/export/record.rs.
struct Record<'a> {
    kind: u8,
    left: u64,
    key: &'a [u8],
    bytes: &'a [u8],
}

/// `None`: it does not have the form of an export.
fn parse(mut text: &[u8], of_config: bool) -> Option<Vec<Record<'_>>> {
    let mut records = Vec::new();
    while !text.is_empty() {
        let (fixed, rest) = text.split_first_chunk::<41>()?;
        let number = |at: usize| u64::from_be_bytes(fixed[at..at + 8].try_into().expect("eight"));
        let key = usize::from(u16::from_be_bytes([fixed[35], fixed[36]]));
        let len = u32::from_be_bytes([fixed[37], fixed[38], fixed[39], fixed[40]]) as usize;
        let (key, rest) = rest.split_at_checked(key)?;
        let (bytes, rest) = rest.split_at_checked(len)?;
        text = rest;
        let good = if of_config {
            is_endpoint(key)
        } else {
            (1..=TSC_MAX_KEY).contains(&key.len())
        };
        if fixed[0] > 1 || bytes.is_empty() || !good {
            return None;
        }
        records.push(Record {
            kind: fixed[0],
            left: number(11),
            key,
            bytes,
        });
    }
    Some(records)
}

fn is_endpoint(key: &[u8]) -> bool {
    fn skip(key: &[u8]) -> Option<&[u8]> {
        let (&len, key) = key.split_first()?;
        Some(key.split_at_checked(len.into())?.1)
    }
    let rest = match key {
        [0, key @ ..] => skip(key).and_then(|key| Some(key.split_at_checked(2)?.1)),
        [1, key @ ..] => skip(key),
        _ => None,
    };
    rest.and_then(skip).and_then(skip) == Some(&[])
}

pub fn run(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let time = Cell::new(1_000_000_000);
    let world = World::new(&time, input.flag());
    match input.below(4) {
        0 => assert_eq!(world.import(input.rest()), Err(TSC_NOT_AUTHENTIC)),
        1 => spoilt(&world, &mut input),
        2 => sealed(&world, &time, None, input.rest()),
        _ => {
            let exported = input.flag().then(|| i64::from_be_bytes(input.number()));
            let text = records(&mut input);
            sealed(&world, &time, exported, &text);
        }
    }
}

/// What is no longer as it was sealed.
fn spoilt(world: &World, input: &mut Input<'_>) {
    let mut export = world.seal(None, &records(input));
    let (at, change) = (
        usize::from(u16::from_be_bytes(input.number())),
        input.byte(),
    );
    match change {
        0 => export.truncate(at % export.len()),
        1 => export.push(input.byte()),
        _ => {
            let at = at % export.len();
            export[at] ^= change;
        }
    }
    assert_eq!(world.import(&export), Err(TSC_NOT_AUTHENTIC));
}

/// Records that may be good ones.
fn records(input: &mut Input<'_>) -> Vec<u8> {
    let mut text = Vec::new();
    while !input.is_empty() && text.len() < 8192 {
        let shape = input.byte();
        if shape == 255 {
            return text;
        }
        text.push(if shape & 7 == 7 {
            input.byte()
        } else {
            shape & 1
        });
        text.extend([3, 4]);
        for _ in 0..4 {
            let number = match input.below(6) {
                0 => 0,
                1 => u64::from(input.byte()) * 1000,
                2 => u64::MAX,
                3 => u64::MAX - u64::from(input.byte()),
                4 => u64::from_be_bytes(input.number()),
                _ => 50_000,
            };
            text.extend(number.to_be_bytes());
        }
        let key: &[u8] = match shape >> 4 {
            0 | 1 => b"k",
            2 | 3 => &[0, 1, b'h', 0, 1, 1, b'h', 0],
            4 | 5 => &[1, 1, b'g', 1, b'h', 1, b'v'],
            6 => input.bytes(9),
            _ => b"another",
        };
        let len = usize::from(shape >> 3 & 1) * usize::from(input.byte()) * 24 + 1;
        text.extend((key.len() as u16).to_be_bytes());
        text.extend((len as u32 + u32::from(shape & 127 == 77)).to_be_bytes());
        text.extend(key);
        text.extend(std::iter::repeat_n(shape, len));
    }
    text
}

fn sealed(world: &World, time: &Cell<u64>, exported: Option<i64>, text: &[u8]) {
    let export = world.seal(exported, text);
    let parsed = parse(text, world.of_config);
    let answer = world.import(&export);
    let Some(records) = parsed else {
        return assert_eq!(
            answer,
            Err(TSC_NOT_AUTHENTIC),
            "it has not the form of an export"
        );
    };
    let count = match answer {
        Ok(count) => count,
        // The export is of a time that has not come.
        Err(why) => return assert!(why == TSC_DISCARDED && exported.is_some(), "{why:?}"),
    };
    check_books(&stats(world.cache));
    let stored = stats(world.cache);
    assert!(count <= records.len() && stored.stored == count as u64);
    assert!(stored.bytes <= 4096);
    if world.of_config {
        return;
    }
    // Each is what was sealed, and none lives on.
    let left = records
        .iter()
        .map(|record| record.left)
        .max()
        .unwrap_or(0)
        .min(TTL * 1000);
    let mut handed_out = 0;
    for record in &records {
        if let Some((bytes, info)) = get(world, record.key) {
            let sealed = |other: &&Record<'_>| other.key == record.key && other.bytes == bytes;
            let sealed = records.iter().find(sealed).expect("what nobody sealed");
            assert!(
                u64::from(info.lifetime_seconds) * 1000 <= left,
                "longer than it may"
            );
            handed_out += usize::from(sealed.kind == 1);
        }
    }
    assert!(handed_out <= count, "more than came in");
    time.set(time.get() + left);
    for record in &records {
        assert!(get(world, record.key).is_none(), "after its end");
    }
}

fn get(world: &World, key: &[u8]) -> Option<(Vec<u8>, tsc_session_info)> {
    let (mut buffer, mut len, mut info) = (vec![0u8; 8192], 0, zero());
    let answer = status(unsafe {
        tsc_get(
            world.cache,
            key.as_ptr(),
            key.len(),
            buffer.as_mut_ptr(),
            buffer.len(),
            &raw mut len,
            &raw mut info,
            size_of::<tsc_session_info>(),
        )
    });
    buffer.truncate(len);
    (answer == TSC_OK).then_some((buffer, info))
}
