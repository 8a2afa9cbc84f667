//! Any two endpoints of any two configs: what one stored the other finds if, and only if, the header says that they
//! are the same. And what events say of an endpoint is what it was.

use crate::input::Input;
use crate::raw::{Endpoint, Meaning, Place, check_books, ok, pointer, stats, status, zero};
use libtsc::capi::tsc_status::*;
use libtsc::capi::*;
use std::cell::RefCell;
use std::ffi::c_void;
use std::ptr::null_mut;

/// As many as a name may have, and one more.
const LONGEST: usize = TSC_MAX_NAME + 1;

#[derive(Clone, Default)]
struct Owned {
    host: Vec<u8>,
    port: u16,
    server_name: Vec<u8>,
    group: Vec<u8>,
    verification: Vec<u8>,
}

impl Owned {
    fn read(input: &mut Input<'_>) -> Self {
        Self {
            host: name(input),
            port: u16::from_be_bytes(input.number()),
            server_name: name(input),
            group: name(input),
            verification: name(input),
        }
    }

    fn lend(&self) -> Endpoint<'_> {
        Endpoint {
            host: &self.host,
            port: self.port,
            server_name: &self.server_name,
            group: &self.group,
            verification: &self.verification,
        }
    }

    fn names(&mut self) -> [&mut Vec<u8>; 4] {
        [
            &mut self.host,
            &mut self.server_name,
            &mut self.group,
            &mut self.verification,
        ]
    }

    fn is_good(&self) -> bool {
        let names = [
            &self.host,
            &self.server_name,
            &self.group,
            &self.verification,
        ];
        !self.host.is_empty() && names.iter().all(|name| name.len() <= TSC_MAX_NAME)
    }

    /// Another one that differs little, or not at all.
    fn vary(mut self, input: &mut Input<'_>) -> Self {
        let at = input.below(4);
        match input.below(8) {
            0 => self.port = u16::from_be_bytes(input.number()),
            1 => self.port ^= 1 << input.below(16),
            // The same but for the case.
            2 => self.names()[at]
                .iter_mut()
                .for_each(|byte| *byte ^= if byte.is_ascii_alphabetic() { 0x20 } else { 0 }),
            3 => {
                let more = input.byte();
                self.names()[at].push(more);
            }
            4 => {
                self.names()[at].pop();
            }
            // What belongs to one name moves to the next.
            5 => {
                let last = self.names()[at].pop();
                self.names()[(at + 1) % 4].splice(0..0, last);
            }
            6 => {
                let names = self.names();
                let taken = std::mem::take(names[at]);
                let other = std::mem::replace(names[(at + 1) % 4], taken);
                *names[at] = other;
            }
            _ => {}
        }
        self
    }
}

fn name(input: &mut Input<'_>) -> Vec<u8> {
    let len = usize::from(input.byte());
    match len {
        0..=199 => input.bytes(len % 24).to_vec(),
        // Long ones need no long input.
        200..=220 => vec![input.byte(); LONGEST - 1 - len % 3],
        221 => vec![input.byte(); LONGEST],
        _ => Vec::new(),
    }
}

/// What the last event said.
#[derive(Default)]
struct Heard(RefCell<Option<(Place, Vec<u8>)>>);

unsafe extern "C" fn on_event(arg: *mut c_void, event: *const tsc_event, _: usize) {
    // SAFETY: `Heard` outlives the cache, and what the event points to is lent for the call.
    let (heard, event) = unsafe { (&*arg.cast::<Heard>(), &*event) };
    let bytes = |from: *const u8, len| {
        if len == 0 {
            return Vec::new();
        }
        // SAFETY: as above.
        unsafe { std::slice::from_raw_parts(from, len) }.to_vec()
    };
    if event.kind != TSC_EVENT_STORED || !event.key.is_null() {
        return;
    }
    let place = if event.group_len == 0 {
        Place::Host(bytes(event.host, event.host_len), event.port as u16)
    } else {
        Place::Group(bytes(event.group, event.group_len))
    };
    heard.0.replace(Some((
        place,
        bytes(event.server_name, event.server_name_len),
    )));
}

/// A config, with what tells it from others.
struct Config {
    handle: *mut tsc_config,
    identity: Vec<u8>,
    verification: Vec<u8>,
}

impl Config {
    fn new(cache: *mut tsc_cache, identity: Vec<u8>, verification: Vec<u8>) -> Option<Self> {
        let mut options: tsc_config_options = zero();
        options.identity = pointer(&identity);
        options.identity_len = identity.len();
        options.verification = pointer(&verification);
        options.verification_len = verification.len();
        let mut handle = null_mut();
        // SAFETY: here and below, handles are alive and lengths those of the buffers.
        let made = unsafe {
            tsc_config_new(
                cache,
                &raw const options,
                size_of::<tsc_config_options>(),
                &raw mut handle,
            )
        };
        let fits = identity.len() <= TSC_MAX_NAME && verification.len() <= TSC_MAX_NAME;
        assert_eq!(made, if fits { TSC_OK } else { TSC_TOO_LARGE });
        fits.then_some(Self {
            handle,
            identity,
            verification,
        })
    }

    fn available(&self, endpoint: &Endpoint<'_>) -> Result<usize, tsc_status> {
        let (endpoint, mut count) = (endpoint.lend(), 0);
        let size = size_of::<tsc_endpoint>();
        match status(unsafe {
            tsc_config_available(self.handle, &raw const endpoint, size, &raw mut count)
        }) {
            TSC_OK => Ok(count),
            why => Err(why),
        }
    }

    fn put(&self, endpoint: &Endpoint<'_>) -> tsc_status {
        let endpoint = endpoint.lend();
        let mut info: tsc_session_info = zero();
        (info.tls_version, info.lifetime_seconds) = (0x0304, 3600);
        let (size, info_size) = (size_of::<tsc_endpoint>(), size_of::<tsc_session_info>());
        status(unsafe {
            tsc_config_put(
                self.handle,
                &raw const endpoint,
                size,
                &raw const info,
                info_size,
                b"x".as_ptr(),
                1,
            )
        })
    }
}

pub fn run(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let heard = Heard::default();
    let mut options: tsc_options = zero();
    options.on_event = Some(on_event);
    options.event_arg = (&raw const heard).cast_mut().cast();
    let mut cache = null_mut();
    ok(unsafe { tsc_cache_new(&raw const options, size_of::<tsc_options>(), &raw mut cache) });

    let first = Owned::read(&mut input);
    let second = if input.below(4) == 0 {
        Owned::read(&mut input)
    } else {
        first.clone().vary(&mut input)
    };
    let one = Config::new(cache, name(&mut input), name(&mut input));
    let (identity, verification) = match (input.below(4), &one) {
        (0 | 1, Some(one)) => (one.identity.clone(), name(&mut input)),
        (2, Some(one)) => (one.identity.clone(), one.verification.clone()),
        _ => (name(&mut input), name(&mut input)),
    };
    let another = Config::new(cache, identity, verification);
    if let (Some(one), Some(another)) = (&one, &another) {
        compare(cache, (one, &first), (another, &second), &heard, &mut input);
    }
    for config in [one, another].into_iter().flatten() {
        unsafe { tsc_config_free(config.handle) };
    }
    check_books(&stats(cache));
    unsafe { tsc_cache_free(cache) };
}

fn compare(
    cache: *mut tsc_cache,
    (one, first): (&Config, &Owned),
    (another, second): (&Config, &Owned),
    heard: &Heard,
    input: &mut Input<'_>,
) {
    // A key of the caller's own, whatever it is, is no endpoint's.
    let key = input.rest();
    let mut info: tsc_session_info = zero();
    (info.tls_version, info.lifetime_seconds) = (0x0304, 3600);
    let info_size = size_of::<tsc_session_info>();
    let stored = unsafe {
        tsc_put(
            cache,
            pointer(key),
            key.len(),
            &raw const info,
            info_size,
            b"x".as_ptr(),
            1,
        )
    };
    assert_eq!(stored == TSC_OK, (1..=TSC_MAX_KEY).contains(&key.len()));

    for (config, endpoint) in [(one, first), (another, second)] {
        let counted = config.available(&endpoint.lend());
        assert_eq!(counted.is_ok(), endpoint.is_good(), "{counted:?}");
        assert_eq!(counted.unwrap_or(0), 0, "it belongs to nobody");
    }
    if !first.is_good() {
        return assert_ne!(one.put(&first.lend()), TSC_OK);
    }
    ok(one.put(&first.lend()));
    let meaning = first.lend().meaning(&one.verification);
    let said = heard.0.take().expect("told of");
    assert_eq!(
        said,
        (meaning.place.clone(), meaning.name.clone()),
        "told of another endpoint"
    );

    // It is where it was put, in any case of letters.
    assert_eq!(one.available(&first.lend()), Ok(1));
    let mut shouted = first.clone();
    shouted.host.make_ascii_uppercase();
    shouted.server_name.make_ascii_uppercase();
    assert_eq!(one.available(&shouted.lend()), Ok(1), "case decides");

    if second.is_good() {
        let shared = std::ptr::eq(one, another)
            || !one.identity.is_empty() && one.identity == another.identity;
        let other: Meaning = second.lend().meaning(&another.verification);
        let same = shared && meaning == other;
        assert_eq!(
            another.available(&second.lend()),
            Ok(usize::from(same)),
            "{meaning:?} and {other:?}"
        );
    }
}
