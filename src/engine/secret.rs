//! Session bytes, which are keys, in pages of their own.
//!
//! Pages can be kept out of core dumps and out of forked children; heap blocks cannot. The pages are
//! cut up by a well-known allocator (TLSF, from rlsf).

#![allow(
    unsafe_code,
    reason = "hands out pieces of mapped pages; SecretBytes owns its piece alone"
)]

use crate::sync::Mutex;
use crate::sys::{self, SecretPages};
use rlsf::Tlsf;
use std::alloc::Layout;
use std::mem::MaybeUninit;
use std::ptr::NonNull;
use std::sync::Arc;
use zeroize::Zeroize;

/// Blocks begin with a cache line, so that copying one out reads no line twice.
const ALIGN: usize = 64;

/// Room enough for the largest session that `Options` can allow.
type Allocator = Tlsf<'static, u32, u16, 28, 16>;

/// Pages that session bytes are kept in.
pub(crate) struct Arena {
    generation: u32,
    pages: Mutex<Pages>,
}

/// Whoever holds a piece of it holds the arena.
struct Pages {
    allocator: Allocator,
    mapped: Vec<SecretPages>,
    /// Pieces that somebody has.
    used: usize,
}

impl Arena {
    pub(crate) fn new(generation: u32) -> Arc<Self> {
        Arc::new(Self {
            generation,
            pages: Mutex::new(Pages {
                allocator: Allocator::new(),
                mapped: Vec::new(),
                used: 0,
            }),
        })
    }

    /// A copy of `bytes`, or `None` if memory could not be had.
    pub(crate) fn keep(self: &Arc<Self>, bytes: &[u8]) -> Option<SecretBytes> {
        if bytes.is_empty() {
            return None;
        }
        let layout = Layout::from_size_align(bytes.len(), ALIGN).ok()?;
        let mut pages = self.pages.lock();
        let block = match pages.allocate(layout) {
            Some(block) => block,
            None => {
                pages.grow(layout)?;
                pages.allocate(layout)?
            }
        };
        pages.used += 1;
        drop(pages);
        // SAFETY: the block is new, ours alone, and of the length of `bytes`.
        unsafe { block.copy_from_nonoverlapping(NonNull::from(bytes).cast(), bytes.len()) };
        Some(SecretBytes {
            block,
            len: bytes.len(),
            arena: Arc::clone(self),
        })
    }
}

impl Pages {
    fn allocate(&mut self, layout: Layout) -> Option<NonNull<u8>> {
        self.allocator.allocate(layout)
    }

    fn grow(&mut self, layout: Layout) -> Option<()> {
        // The allocator finds a block by its size class, which may ask for a sixteenth more.
        let len = layout
            .size()
            .checked_add(layout.size() / 8)?
            .checked_add(1024)?;
        self.mapped.try_reserve(1).ok()?;
        self.add(SecretPages::map(len)?);
        Some(())
    }

    /// Has the allocator cut up pages of which nobody has a piece.
    fn add(&mut self, mapped: SecretPages) {
        let pages = mapped.whole();
        self.mapped.push(mapped);
        // SAFETY: nobody has a piece of them, and they are unmapped only when the allocator is gone.
        let block = unsafe {
            std::slice::from_raw_parts_mut(pages.as_ptr().cast::<MaybeUninit<u8>>(), pages.len())
        };
        let _ = self.allocator.insert_free_block(block);
    }

    /// Takes out, once nobody has a piece any more, what goes back to the system when dropped. A little
    /// stays, or sessions that come and go one by one would map it each time.
    fn take_idle(&mut self) -> Vec<SecretPages> {
        if self.used != 0 || self.mapped.len() < 2 {
            return Vec::new();
        }
        self.allocator = Allocator::new();
        let mut idle = std::mem::take(&mut self.mapped);
        self.add(idle.swap_remove(0));
        idle
    }
}

/// Bytes that are wiped when released. They have no `Debug` and are copied only on purpose.
pub(crate) struct SecretBytes {
    block: NonNull<u8>,
    len: usize,
    arena: Arc<Arena>,
}

impl SecretBytes {
    /// Another copy; `None`: memory could not be had.
    pub(crate) fn duplicate(&self) -> Option<Self> {
        self.arena.keep(self)
    }
}

// SAFETY: a `SecretBytes` owns its block as a `Box<[u8]>` would.
unsafe impl Send for SecretBytes {}
// SAFETY: shared, it is only read.
unsafe impl Sync for SecretBytes {}

impl std::ops::Deref for SecretBytes {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        // SAFETY: the block is ours and `len` long.
        unsafe { std::slice::from_raw_parts(self.block.as_ptr(), self.len) }
    }
}

impl Drop for SecretBytes {
    fn drop(&mut self) {
        // In a forked child the pages are the parent's no more: wiped, the allocator's notes in them
        // too, and perhaps cut off in the middle of a change.
        if self.arena.generation != sys::generation() {
            return;
        }
        // SAFETY: the block is ours and `len` long, and is not used after.
        unsafe { std::slice::from_raw_parts_mut(self.block.as_ptr(), self.len) }.zeroize();
        let mut pages = self.arena.pages.lock();
        // SAFETY: it came from this allocator, with this alignment.
        unsafe { pages.allocator.deallocate(self.block, ALIGN) };
        pages.used -= 1;
        let idle = pages.take_idle();
        drop(pages);
        drop(idle);
    }
}
