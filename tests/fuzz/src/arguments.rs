//! Any arguments to any function, within what the header asks of a caller: pointers are NULL or point to what they
//! should, and lengths are those of the buffers, or less, or such as no object has. Each call answers with a status;
//! an output is written on success alone, and never beyond the size that the caller gave.

use crate::input::Input;
use crate::objects;
use crate::raw::{check_books, stats, status, zero};
use libtsc::capi::tsc_status::*;
use libtsc::capi::*;
use std::ffi::c_void;
use std::ptr::{null, null_mut};

/// Two bytes of a length that was cut off are still within it.
const BUFFER: usize = 1 << 17;
const ROOM: usize = 512;
const UNTOUCHED: u8 = 0xc3;

struct World {
    cache: *mut tsc_cache,
    config: *mut tsc_config,
    attempt: *mut tsc_attempt,
    buffer: Vec<u8>,
}

/// Where an output goes, with something after it.
struct Room([u8; ROOM]);

impl Room {
    fn new() -> Self {
        Self([UNTOUCHED; ROOM])
    }

    fn at<T>(&mut self, input: &mut Input<'_>) -> *mut T {
        if input.below(8) == 0 {
            null_mut()
        } else {
            self.0.as_mut_ptr().cast()
        }
    }

    fn untouched_from(&self, at: usize) -> bool {
        self.0[at..].iter().all(|&byte| byte == UNTOUCHED)
    }

    /// What was not written stays, and so does what is beyond the size.
    #[track_caller]
    fn check(&self, answer: tsc_status, size: usize, may_be_written: bool) {
        assert!(self.untouched_from(size.min(ROOM)), "beyond the size");
        let written = matches!(answer, TSC_OK) || may_be_written;
        assert!(
            written || self.untouched_from(0),
            "written without success: {answer:?}"
        );
    }
}

impl World {
    fn handle<T>(handle: *mut T, input: &mut Input<'_>) -> *mut T {
        if input.below(8) == 0 {
            null_mut()
        } else {
            handle
        }
    }

    /// Bytes that the caller lends.
    fn slice(&self, input: &mut Input<'_>) -> (*const u8, usize) {
        let len = match input.below(10) {
            0 => 0,
            1 => 255,
            2 => 256,
            3 => 1024,
            4 => 1025,
            5 => BUFFER,
            6 => isize::MAX as usize + 1,
            7 => usize::MAX,
            _ => input.below(40),
        };
        let at = if input.below(8) == 0 {
            null()
        } else {
            self.buffer.as_ptr()
        };
        (at, len)
    }

    /// The size of a struct: what it should be, less, more, or nonsense.
    fn size<T>(input: &mut Input<'_>) -> usize {
        let ours = size_of::<T>();
        match input.below(8) {
            0 => input.byte().into(),
            1 => ours + 8,
            2 => ours - 8,
            3 => usize::MAX - usize::from(input.byte()),
            4 => 0,
            _ => ours,
        }
    }

    /// A struct of any content, in a place that is larger.
    fn lend<T: Copy>(value: T, input: &mut Input<'_>) -> (Box<[u64; 64]>, *const T, usize) {
        let mut place = Box::new([0u64; 64]);
        if input.below(6) == 0 {
            place[size_of::<T>().div_ceil(8)] = 1;
        }
        // SAFETY: it is larger than any struct of the header.
        unsafe { place.as_mut_ptr().cast::<T>().write(value) };
        let size = Self::size::<T>(input);
        let at = if input.below(8) == 0 {
            null()
        } else {
            place.as_ptr().cast()
        };
        (place, at, size)
    }

    fn number(input: &mut Input<'_>) -> u32 {
        match input.below(6) {
            0 => 1,
            1 => input.byte().into(),
            2 => u32::MAX,
            3 => u32::from_be_bytes(input.number()),
            _ => 0,
        }
    }

    fn info(input: &mut Input<'_>) -> tsc_session_info {
        tsc_session_info {
            tls_version: input.pick(&[0x0304, 0x0304, 0x0303, 0x0301, 0x0300, 0x0305, 0x10304, 0]),
            lifetime_seconds: Self::number(input),
            not_after: input.pick(&[0, 0, 1, -1, i64::MAX, i64::MIN]),
            age_ms: u64::from(Self::number(input)),
            certificates: Self::number(input),
            certificate_bytes: Self::number(input),
        }
    }

    fn endpoint(&self, input: &mut Input<'_>) -> tsc_endpoint {
        let (host, host_len) = self.slice(input);
        let mut endpoint: tsc_endpoint = zero();
        (endpoint.host, endpoint.host_len) = (host, host_len);
        if input.flag() {
            (endpoint.server_name, endpoint.server_name_len) = self.slice(input);
            (endpoint.group, endpoint.group_len) = self.slice(input);
            (endpoint.verification, endpoint.verification_len) = self.slice(input);
        }
        endpoint.port = input.pick(&[0, 443, 65535, 65536, u32::MAX]);
        endpoint.flags = u32::from(input.below(8) == 0);
        endpoint
    }
}

unsafe extern "C" fn clock(_: *mut c_void) -> u64 {
    5
}

/// Structs with functions in them are cut between fields only.
fn options(input: &mut Input<'_>) -> (Box<[u64; 64]>, *const tsc_options, usize) {
    let mut options: tsc_options = zero();
    options.flags = input.pick(&[0, 0, 1, 2, 3, 4, u32::MAX]);
    options.max_endpoints = World::number(input);
    options.max_sessions_per_endpoint = World::number(input);
    options.ttl_seconds = World::number(input);
    options.max_bytes = u64::from(World::number(input));
    options.max_session_bytes = World::number(input);
    options.max_lineage_age_seconds = World::number(input);
    options.clock = input
        .flag()
        .then_some(clock as unsafe extern "C" fn(_) -> _);
    options.max_full_handshakes = World::number(input);
    options.failure_budget = World::number(input);
    let (place, at, _) = World::lend(options, input);
    let ours = size_of::<tsc_options>();
    let size = input.pick(&[
        ours,
        ours,
        0,
        4,
        8,
        12,
        16,
        24,
        28,
        32,
        40,
        48,
        56,
        64,
        ours + 8,
        usize::MAX,
    ]);
    (place, at, size)
}

pub fn run(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let mut world = World {
        cache: null_mut(),
        config: null_mut(),
        attempt: null_mut(),
        buffer: (0..BUFFER).map(|at| b'a' + (at % 26) as u8).collect(),
    };
    for _ in 0..60 {
        if input.is_empty() {
            break;
        }
        world.call(&mut input);
    }
    if !world.cache.is_null() {
        check_books(&stats(world.cache));
    }
    // SAFETY: here and below, what the header asks for, as said at the top.
    unsafe {
        tsc_attempt_free(world.attempt);
        tsc_config_free(world.config);
        tsc_cache_free(world.cache);
    }
    objects::assert_none_left();
}

impl World {
    fn call(&mut self, input: &mut Input<'_>) {
        let which = input.below(30);
        match which {
            0 => self.new_cache(input),
            1..=3 => self.make(which, input),
            4..=6 => self.put(which, input),
            7..=8 => self.get(which, input),
            9..=13 => self.ask(which, input),
            14..=17 => self.seal(which, input),
            18..=20 => self.read(which, input),
            _ => self.tell(which, input),
        }
    }

    fn new_cache(&mut self, input: &mut Input<'_>) {
        let (_place, options, size) = options(input);
        let mut out = null_mut();
        let to = if input.below(8) == 0 {
            null_mut()
        } else {
            &raw mut out
        };
        let answer = status(unsafe { tsc_cache_new(options, size, to) });
        assert_eq!(answer == TSC_OK, !out.is_null());
        if !out.is_null() {
            unsafe { tsc_cache_free(std::mem::replace(&mut self.cache, out)) };
        }
    }

    fn make(&mut self, which: usize, input: &mut Input<'_>) {
        let cache = Self::handle(self.cache, input);
        match which {
            1 => {
                let mut out = null_mut();
                let to = if input.below(8) == 0 {
                    null_mut()
                } else {
                    &raw mut out
                };
                let answer = status(unsafe { tsc_cache_share(cache, to) });
                assert_eq!(answer == TSC_OK, !out.is_null());
                unsafe { tsc_cache_free(out) };
            }
            2 => {
                let mut options: tsc_config_options = zero();
                (options.identity, options.identity_len) = self.slice(input);
                (options.verification, options.verification_len) = self.slice(input);
                options.client_not_after = input.pick(&[0, 0, 1, i64::MAX, -1]);
                options.tickets_new_session = input.pick(&[0, 0, 1, 256]);
                options.tickets_resumption = input.pick(&[0, 0, 255, u32::MAX]);
                let (_place, options, size) = Self::lend(options, input);
                let mut out = null_mut();
                let to = if input.below(8) == 0 {
                    null_mut()
                } else {
                    &raw mut out
                };
                let answer = status(unsafe {
                    if input.below(8) == 0 {
                        tsc_config_attach(cache, null(), options, size, to)
                    } else {
                        tsc_config_new(cache, options, size, to)
                    }
                });
                assert_eq!(answer == TSC_OK, !out.is_null());
                if !out.is_null() {
                    unsafe { tsc_config_free(std::mem::replace(&mut self.config, out)) };
                }
            }
            _ => {
                let config = Self::handle(self.config, input);
                let (_place, endpoint, size) = Self::lend(self.endpoint(input), input);
                let mut out = null_mut();
                let to = if input.below(8) == 0 {
                    null_mut()
                } else {
                    &raw mut out
                };
                let answer = status(unsafe { tsc_attempt_new(config, endpoint, size, to) });
                assert_eq!(answer == TSC_OK, !out.is_null());
                if !out.is_null() {
                    unsafe { tsc_attempt_free(std::mem::replace(&mut self.attempt, out)) };
                }
            }
        }
    }

    fn put(&mut self, which: usize, input: &mut Input<'_>) {
        let (cache, config, attempt) = self.handles(input);
        let (key, key_len) = self.slice(input);
        let (_info, info, info_size) = Self::lend(Self::info(input), input);
        let (data, len) = self.slice(input);
        let (_place, endpoint, size) = Self::lend(self.endpoint(input), input);
        if input.below(3) == 0 {
            let object = objects::new(0);
            let given = if input.below(8) == 0 {
                null_mut()
            } else {
                object
            };
            let release =
                (input.below(8) != 0).then_some(objects::release as unsafe extern "C" fn(_));
            let answer = status(unsafe {
                match which {
                    4 => tsc_put_object(cache, key, key_len, info, info_size, given, len, release),
                    5 => tsc_config_put_object(
                        config, endpoint, size, info, info_size, given, len, release,
                    ),
                    _ => tsc_attempt_receive_object(attempt, info, info_size, given, len, release),
                }
            });
            if answer != TSC_OK {
                unsafe { objects::release(object) };
            }
            return;
        }
        let _ = status(unsafe {
            match which {
                4 => tsc_put(cache, key, key_len, info, info_size, data, len),
                5 => tsc_config_put(config, endpoint, size, info, info_size, data, len),
                _ => tsc_attempt_receive(attempt, info, info_size, data, len),
            }
        });
    }

    fn handles(
        &self,
        input: &mut Input<'_>,
    ) -> (*mut tsc_cache, *mut tsc_config, *mut tsc_attempt) {
        (
            Self::handle(self.cache, input),
            Self::handle(self.config, input),
            Self::handle(self.attempt, input),
        )
    }

    fn get(&mut self, which: usize, input: &mut Input<'_>) {
        let (cache, config, _) = self.handles(input);
        let (key, key_len) = self.slice(input);
        let (mut room, mut len, mut info) = (Room::new(), Room::new(), Room::new());
        let (buf, length, out) = (room.at::<u8>(input), len.at::<usize>(input), info.at(input));
        let cap = input.pick(&[0, 1, 40, ROOM, isize::MAX as usize + 1, usize::MAX]);
        let size = Self::size::<tsc_session_info>(input);
        let (_place, endpoint, endpoint_size) = Self::lend(self.endpoint(input), input);
        if input.below(3) == 0 {
            let mut object = Room::new();
            let to = object.at::<*mut c_void>(input);
            let retain =
                (input.below(8) != 0).then_some(objects::retain as unsafe extern "C" fn(_));
            let answer = status(unsafe {
                if which == 7 {
                    tsc_get_object(cache, key, key_len, to, retain, out, size)
                } else {
                    tsc_config_get_object(config, endpoint, endpoint_size, to, retain, out, size)
                }
            });
            object.check(answer, size_of::<usize>(), false);
            info.check(answer, size, false);
            if answer == TSC_OK {
                // SAFETY: it was written.
                unsafe { objects::release(to.read_unaligned()) };
            }
            return;
        }
        let answer = status(unsafe {
            if which == 7 {
                tsc_get(cache, key, key_len, buf, cap, length, out, size)
            } else {
                tsc_config_get(config, endpoint, endpoint_size, buf, cap, length, out, size)
            }
        });
        room.check(answer, cap, false);
        len.check(answer, size_of::<usize>(), answer == TSC_TOO_SMALL);
        info.check(answer, size, false);
    }

    /// Functions with one output.
    fn ask(&mut self, which: usize, input: &mut Input<'_>) {
        let (cache, config, _) = self.handles(input);
        let (key, key_len) = self.slice(input);
        let mut room = Room::new();
        let count = room.at::<usize>(input);
        let (_place, endpoint, size) = Self::lend(self.endpoint(input), input);
        let (answer, size) = match which {
            9 => (unsafe { tsc_available(cache, key, key_len, count) }, 8),
            10 => (
                unsafe { tsc_config_available(config, endpoint, size, count) },
                8,
            ),
            11 => (unsafe { tsc_clear_expired(cache, count) }, 8),
            12 => (
                unsafe {
                    if input.flag() {
                        tsc_remove(cache, key, key_len)
                    } else {
                        tsc_config_remove(config, endpoint, size)
                    }
                },
                0,
            ),
            _ => {
                let out_size = Self::size::<tsc_forecast>(input);
                (
                    unsafe {
                        tsc_config_forecast(config, endpoint, size, room.at(input), out_size)
                    },
                    out_size,
                )
            }
        };
        room.check(status(answer), size, false);
    }

    fn seal(&mut self, which: usize, input: &mut Input<'_>) {
        let (cache, config, _) = self.handles(input);
        let (key, mut key_len) = self.slice(input);
        if input.below(4) != 0 {
            key_len = TSC_EXPORT_KEY;
        }
        let (mut room, mut len, mut left) = (Room::new(), Room::new(), Room::new());
        let (buf, length, left_out) = (
            room.at::<u8>(input),
            len.at::<usize>(input),
            left.at::<usize>(input),
        );
        let cap = input.pick(&[0, 40, 44, ROOM, isize::MAX as usize + 1]);
        let (data, data_len) = self.slice(input);
        let answer = status(unsafe {
            match which {
                14 => tsc_config_export(config, key, key_len, buf, cap, length, left_out),
                15 => tsc_cache_export(cache, key, key_len, buf, cap, length, left_out),
                16 => tsc_config_import(config, key, key_len, data, data_len, length),
                _ => tsc_cache_import(cache, key, key_len, data, data_len, length),
            }
        });
        room.check(answer, cap, false);
        len.check(answer, size_of::<usize>(), answer == TSC_TOO_SMALL);
        left.check(answer, size_of::<usize>(), false);
    }

    fn read(&mut self, which: usize, input: &mut Input<'_>) {
        let (cache, _, attempt) = self.handles(input);
        let mut room = Room::new();
        match which {
            18 => {
                let size = Self::size::<tsc_stats>(input);
                let answer = status(unsafe { tsc_stats_get(cache, room.at(input), size) });
                room.check(answer, size, false);
            }
            19 => {
                let size = Self::size::<tsc_attempt_info>(input);
                let answer = status(unsafe { tsc_attempt_info_get(attempt, room.at(input), size) });
                room.check(answer, size, false);
            }
            _ => {
                let len = input.below(40);
                let labels = input.bytes(len);
                let (mut text, mut len) = (Room::new(), Room::new());
                let (buf, length) = (text.at(input), len.at(input));
                let cap = input.pick(&[0, ROOM, usize::MAX]);
                let labels_len = if input.below(8) == 0 {
                    usize::MAX
                } else {
                    labels.len()
                };
                let labels = if input.below(8) == 0 {
                    null()
                } else {
                    labels.as_ptr().cast()
                };
                let answer = status(unsafe {
                    tsc_stats_prometheus(cache, labels, labels_len, buf, cap, length)
                });
                text.check(answer, cap, false);
                len.check(answer, size_of::<usize>(), answer == TSC_TOO_SMALL);
            }
        }
    }

    /// Functions of an attempt, and those that say something.
    fn tell(&mut self, which: usize, input: &mut Input<'_>) {
        let (cache, _, attempt) = self.handles(input);
        let mut room = Room::new();
        let answer = match which {
            21 => {
                let size = Self::size::<tsc_session>(input);
                let answer = status(unsafe { tsc_attempt_offer(attempt, room.at(input), size) });
                return room.check(answer, size, false);
            }
            22 => match input.below(4) {
                0 => unsafe { tsc_attempt_withdraw(attempt) },
                _ => unsafe { tsc_attempt_sent(attempt) },
            },
            23 => unsafe { tsc_attempt_wants_another(attempt) },
            24 => unsafe {
                tsc_attempt_set_not_after(attempt, input.pick(&[0, -1, 1, i64::MAX, i64::MIN]))
            },
            25 => unsafe { tsc_attempt_established(attempt, input.pick(&[0, 1, -1])) },
            26 => unsafe { tsc_attempt_failed(attempt, Self::number(input)) },
            27 => match input.below(5) {
                0 => unsafe { tsc_attempt_wait_callback(attempt, 0, None, null_mut()) },
                1 => unsafe { tsc_attempt_wait_end(attempt) },
                2 => unsafe { tsc_attempt_rustls_config(attempt, room.at(input)) },
                3 => {
                    let answer = status(unsafe { tsc_attempt_wait_fd(attempt, 0, room.at(input)) });
                    return room.check(answer, 4, answer == TSC_WAIT);
                }
                _ => unsafe { tsc_attempt_wait(attempt, 0) },
            },
            28 => unsafe { tsc_clear(cache) },
            _ if input.below(8) == 0 => unsafe { tsc_cache_close(cache) },
            _ => {
                let text =
                    unsafe { std::ffi::CStr::from_ptr(tsc_status_text(input.byte().into())) };
                return assert!(!text.is_empty());
            }
        };
        room.check(status(answer), size_of::<usize>(), false);
    }
}
