//! What function is at an address, in words that outlast the address.

#![allow(
    unsafe_code,
    reason = "reads the program's own modules, of which the loader says where they are"
)]

use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::OnceLock;

/// How long an id is.
pub(crate) const FUNCTION_ID: usize = 32;

/// The build of a module and a place in it; or, where the build cannot be told, where it is this time.
pub(crate) type FunctionId = [u8; FUNCTION_ID];

/// The longest build id that fits: SHA-1's.
const BUILD_ID: usize = 20;

/// Says which function is at an address: the same in every process that has loaded the same build of its
/// module, and never what another function has that gets the address once the module is unloaded.
///
/// `None`: it is in no module, but was made at run time. Nothing shows when such a function goes and another
/// comes to its address.
#[cfg(all(target_os = "linux", not(miri)))]
pub(crate) fn function_id(address: usize) -> Option<FunctionId> {
    modules::find(address)
}

/// Elsewhere an address is all there is, which is good for this process.
#[cfg(not(all(target_os = "linux", not(miri))))]
#[allow(clippy::unnecessary_wraps, reason = "as on Linux")]
pub(crate) fn function_id(address: usize) -> Option<FunctionId> {
    Some(here(address, 0))
}

/// What a module's build is called, and where in it.
#[cfg(any(test, all(target_os = "linux", not(miri))))]
fn of_build(build_id: &[u8], offset: usize) -> FunctionId {
    let mut id = [0; FUNCTION_ID];
    id[..build_id.len()].copy_from_slice(build_id);
    id[BUILD_ID] = build_id.len() as u8;
    id[24..].copy_from_slice(&(offset as u64).to_le_bytes());
    id
}

/// An address in this process, as long as so many modules have been unloaded.
fn here(address: usize, unloaded: u64) -> FunctionId {
    static PROCESS: OnceLock<u64> = OnceLock::new();
    let process = PROCESS.get_or_init(|| RandomState::new().build_hasher().finish());
    let mut id = [0; FUNCTION_ID];
    id[..8].copy_from_slice(&process.to_le_bytes());
    id[8..16].copy_from_slice(&unloaded.to_le_bytes());
    id[BUILD_ID] = u8::MAX;
    id[24..].copy_from_slice(&(address as u64).to_le_bytes());
    id
}

#[cfg(all(target_os = "linux", not(miri)))]
mod modules {
    use super::{BUILD_ID, FunctionId, here, of_build};
    use std::ffi::{c_int, c_void};
    use std::ops::Range;
    use std::slice;
    use std::sync::Mutex;

    const NT_GNU_BUILD_ID: u32 = 3;

    /// A look through the modules, which takes the longer the more there are: so the last answers are kept,
    /// for as long as no module is unloaded.
    struct Search {
        address: usize,
        kept: Option<Answer>,
        unloaded: u64,
        found: Option<FunctionId>,
    }

    #[derive(Clone, Copy)]
    struct Answer {
        address: usize,
        unloaded: u64,
        id: FunctionId,
    }

    static KEPT: Mutex<[Option<Answer>; 4]> = Mutex::new([None; 4]);

    pub(super) fn find(address: usize) -> Option<FunctionId> {
        // Nobody waits here: a child may have been forked while it was locked.
        let kept = KEPT.try_lock().ok().and_then(|kept| {
            let same = |answer: &&Answer| answer.address == address;
            kept.iter().flatten().find(same).copied()
        });
        let mut search = Search {
            address,
            kept,
            unloaded: 0,
            found: None,
        };
        // SAFETY: `visit` has the type that is asked for, and gets the search, which it is done with when
        // this returns.
        unsafe { libc::dl_iterate_phdr(Some(visit), (&raw mut search).cast()) };
        let id = search.found?;
        if search.kept.is_none() {
            if let Ok(mut kept) = KEPT.try_lock() {
                kept.rotate_right(1);
                kept[0] = Some(Answer {
                    address,
                    unloaded: search.unloaded,
                    id,
                });
            }
        }
        Some(id)
    }

    /// Looks at one module; not 0 ends the search.
    unsafe extern "C" fn visit(
        info: *mut libc::dl_phdr_info,
        _: libc::size_t,
        search: *mut c_void,
    ) -> c_int {
        // SAFETY: the loader lends the one, and `find` the other. dlpi_subs is there since glibc 2.4, and in
        // every musl.
        let (info, search) = unsafe { (&*info, &mut *search.cast::<Search>()) };
        search.unloaded = info.dlpi_subs;
        search.kept = search.kept.filter(|it| it.unloaded == search.unloaded);
        if let Some(kept) = search.kept {
            search.found = Some(kept.id);
            return 1;
        }
        if info.dlpi_phdr.is_null() {
            return 0;
        }
        // SAFETY: a loaded module's program headers, which stay while the loader's lock is held, as it is here.
        let headers = unsafe { slice::from_raw_parts(info.dlpi_phdr, info.dlpi_phnum.into()) };
        let base = info.dlpi_addr as usize;
        let place = |from: usize, length: usize| {
            let start = base.wrapping_add(from);
            start..start.saturating_add(length)
        };
        let loaded = |wanted: &Range<usize>| {
            headers.iter().any(|header| {
                let part = place(header.p_vaddr as usize, header.p_memsz as usize);
                header.p_type == libc::PT_LOAD
                    && part.start <= wanted.start
                    && wanted.end <= part.end
            })
        };
        if !loaded(&(search.address..search.address.saturating_add(1))) {
            return 0;
        }
        let build_id = headers
            .iter()
            .filter(|header| header.p_type == libc::PT_NOTE)
            .map(|header| {
                let notes = place(header.p_vaddr as usize, header.p_memsz as usize);
                (notes, header.p_align as usize)
            })
            .filter(|(notes, _)| loaded(notes))
            .find_map(|(notes, align)| {
                // SAFETY: within a segment that is loaded, and nobody writes to notes.
                let notes = unsafe { slice::from_raw_parts(notes.start as *const u8, notes.len()) };
                build_id(notes, if align == 8 { 8 } else { 4 })
            });
        search.found = Some(match build_id {
            Some(build_id) => of_build(build_id, search.address - base),
            None => here(search.address, search.unloaded),
        });
        1
    }

    /// The build id among a module's notes, if it fits.
    fn build_id(mut notes: &[u8], align: usize) -> Option<&[u8]> {
        loop {
            let (head, rest) = notes.split_first_chunk::<12>()?;
            let word = |at: usize| {
                u32::from_ne_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]])
            };
            let [name, length] = [word(0), word(4)].map(|length| length as usize);
            // What the note says may be too much for 32 bits. Once the description is there, the rest is not.
            let after_name = name.checked_add(12)?.checked_next_multiple_of(align)? - 12;
            let description = rest.get(after_name..)?.get(..length)?;
            if word(8) == NT_GNU_BUILD_ID && rest.get(..name)? == b"GNU\0" {
                return Some(description).filter(|id| (1..=BUILD_ID).contains(&id.len()));
            }
            let next = (12 + after_name + length).next_multiple_of(align);
            notes = notes.get(next..)?;
        }
    }

    #[cfg(test)]
    mod tests {
        use super::build_id;

        fn note(name: &[u8], kind: u32, description: &[u8], align: usize) -> Vec<u8> {
            let mut note = Vec::new();
            for word in [name.len() as u32, description.len() as u32, kind] {
                note.extend(word.to_ne_bytes());
            }
            for part in [name, description] {
                note.extend(part);
                note.resize(note.len().next_multiple_of(align), 0);
            }
            note
        }

        #[test]
        fn a_build_id_is_found_among_other_notes() {
            for align in [4, 8] {
                let id = note(b"GNU\0", 3, &[7; 20], align);
                let others = [
                    note(b"GNU\0", 5, &[1; 13], align),
                    note(b"Go\0", 3, b"x", align),
                ];
                let notes = [others.concat(), id.clone()].concat();
                assert_eq!(build_id(&notes, align), Some(&[7; 20][..]));
                for end in 0..notes.len() - 20 {
                    assert_eq!(build_id(&notes[..end], align), None);
                }
                assert_eq!(build_id(&note(b"GNU\0", 3, &[7; 21], align), align), None);
                assert_eq!(build_id(&note(b"GNU\0", 3, &[], align), align), None);
                assert_eq!(
                    build_id(&note(b"GNU\0", 3, &[7; 8], align), align),
                    Some(&[7; 8][..])
                );
            }
            assert_eq!(build_id(&[0xff; 64], 4), None);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{function_id, here, of_build};

    fn address(function: fn()) -> usize {
        function as usize
    }

    fn one() {
        std::hint::black_box(1);
    }
    fn other() {
        std::hint::black_box(2);
    }

    #[test]
    fn functions_are_told_apart() {
        let id = function_id(address(one));
        assert!(id.is_some());
        assert_eq!(function_id(address(one)), id);
        assert_ne!(function_id(address(other)), id);
        // More than are kept.
        let base = address(one);
        let all: Vec<_> = (0..8).map(|i| function_id(base + i)).collect();
        assert_eq!(
            (0..8).map(|i| function_id(base + i)).collect::<Vec<_>>(),
            all
        );
        assert_eq!(all[0], id);
        let rest = all.iter().filter(|one| **one == id);
        assert_eq!(rest.count(), 1);
    }

    #[test]
    fn what_counts_is_in_the_id() {
        assert_ne!(of_build(&[1, 2], 3), of_build(&[1, 2], 4));
        assert_ne!(of_build(&[1, 2], 3), of_build(&[1, 2, 0], 3));
        assert_ne!(here(1, 0), here(2, 0));
        assert_ne!(here(1, 0), here(1, 1));
        assert_ne!(here(1, 0), of_build(&[], 1));
    }

    /// Such as a callback that libffi makes.
    #[cfg(all(target_os = "linux", not(miri)))]
    #[test]
    fn what_is_in_no_module_has_no_id() {
        let made = Box::new(0_u8);
        assert_eq!(function_id(&raw const *made as usize), None);
    }
}
