//! Session bytes, which are keys, in pages of their own.
//!
//! Pages can be kept out of core dumps and out of forked children; heap blocks cannot. They are cut into
//! spans, and each span into blocks of one size: to hand out a block is to take the first of a list, and
//! a block that was just released, and so is near the processor, is the next to be handed out.

#![allow(
    unsafe_code,
    reason = "hands out pieces of mapped pages; SecretBytes owns its piece alone"
)]

use crate::sync::Mutex;
use crate::sys;
use smallvec::SmallVec;
use std::ptr::NonNull;
use zeroize::Zeroize;

/// Blocks begin with a cache line, so that copying one out reads no line twice.
const ALIGN: usize = 64;

/// More pools than this would only scatter the bytes of a cache over more spans.
const POOLS: usize = 16;

/// The size of a block, one of a few. A block is an eighth larger than was asked for at the most.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Class(u32);

impl Class {
    /// Larger ones have a span each.
    const LARGEST: usize = 64 << 10;
    const COUNT: usize = 64;
    const SMALLEST_SPAN: usize = 64 << 10;
    const ALONE: Self = Self(Self::COUNT as u32);
    /// So many sizes between a power of two and the next.
    const STEPS: usize = 8;

    /// The smallest that so many bytes, and not none, fit in.
    #[inline]
    fn of(len: usize) -> Self {
        if len > Self::LARGEST {
            return Self::ALONE;
        }
        let units = len.div_ceil(ALIGN);
        if units <= 2 * Self::STEPS {
            return Self(units as u32 - 1);
        }
        // units lies above 2^(shift + 3) and not above twice that.
        let shift = (units - 1).ilog2() as usize - 3;
        let steps = units.div_ceil(1 << shift);
        Self((shift * Self::STEPS + steps - 1) as u32)
    }

    /// Bytes of a block.
    fn size(self) -> usize {
        let at = self.0 as usize;
        if at < 2 * Self::STEPS {
            return (at + 1) * ALIGN;
        }
        let shift = at / Self::STEPS - 1;
        ((at % Self::STEPS + Self::STEPS + 1) << shift) * ALIGN
    }

    /// Bytes of a span, which begins at a multiple of them.
    fn span(self) -> usize {
        const BLOCKS: usize = 16;
        Self::SMALLEST_SPAN.max((self.size() * BLOCKS).next_power_of_two())
    }
}

/// What is at the start of each span, wiped with the rest in a forked child.
#[repr(C, align(64))]
struct Span {
    /// `None` is what a forked child reads. Never changed, and read without the lock.
    pool: Option<NonNull<Pool>>,
    blocks: Blocks,
}

/// The blocks of a span, under the lock of its pool.
struct Blocks {
    /// Bytes that are mapped.
    len: usize,
    /// Where the blocks begin that were never handed out.
    fresh: usize,
    used: usize,
    released: Option<NonNull<Released>>,
    /// Those of the same class that have room.
    next: Option<NonNull<Span>>,
    previous: Option<NonNull<Span>>,
}

/// What is in a block that nobody has. The rest of it is zeros.
struct Released {
    next: Option<NonNull<Released>>,
}

/// Spans under a lock. It lives as long as its arena, or the last block of it.
struct Pool {
    generation: u32,
    spans: Mutex<Spans>,
}

struct Spans {
    /// For each class, the first of its spans that have room.
    with_room: [Option<NonNull<Span>>; Class::COUNT],
    /// Blocks that somebody has.
    used: usize,
    abandoned: bool,
}

// SAFETY: the spans belong to the pool alone, and the pointers to them are used under its lock.
unsafe impl Send for Spans {}

/// Pages that session bytes are kept in.
pub(super) struct Arena {
    pools: Vec<NonNull<Pool>>,
}

// SAFETY: a pool is used under its own lock, and freed when nobody has any of it.
unsafe impl Send for Arena {}
// SAFETY: as above.
unsafe impl Sync for Arena {}

impl Arena {
    /// As many pools as threads may ask at the same time, if they ask with different numbers.
    pub(super) fn new(shards: usize) -> Self {
        let pool = |_| {
            NonNull::from(Box::leak(Box::new(Pool {
                generation: sys::generation(),
                spans: Mutex::new(Spans {
                    with_room: [None; Class::COUNT],
                    used: 0,
                    abandoned: false,
                }),
            })))
        };
        Self {
            pools: (0..shards.min(POOLS)).map(pool).collect(),
        }
    }

    /// A copy of `bytes`, or `None` if memory could not be had. `number` chooses the pool.
    pub(super) fn keep(&self, number: usize, bytes: &[u8]) -> Option<SecretBytes> {
        // SAFETY: a pool lives as long as its arena.
        unsafe { Pool::keep(self.pools[number % self.pools.len()], bytes) }
    }
}

impl Drop for Arena {
    fn drop(&mut self) {
        for &pool in &self.pools {
            // SAFETY: alive until here.
            let mut spans = unsafe { pool.as_ref() }.spans.lock();
            spans.abandoned = true;
            let over = spans.used == 0;
            drop(spans);
            if over {
                // SAFETY: the arena is gone and nobody has a block.
                unsafe { Pool::free(pool) };
            }
        }
    }
}

impl Pool {
    /// # Safety
    /// The pool is alive.
    unsafe fn keep(pool: NonNull<Self>, bytes: &[u8]) -> Option<SecretBytes> {
        if bytes.is_empty() {
            return None;
        }
        let class = Class::of(bytes.len());
        // SAFETY: the caller's promise.
        let mut spans = unsafe { pool.as_ref() }.spans.lock();
        let block = if class == Class::ALONE {
            let span = Span::map(pool, ALIGN + bytes.len(), ALIGN)?;
            // SAFETY: just mapped, with a header and so many bytes after it.
            unsafe { span.cast::<u8>().add(ALIGN) }
        } else {
            spans.take(pool, class)?
        };
        spans.used += 1;
        drop(spans);
        // SAFETY: the block is ours alone, and so long at least.
        unsafe { block.copy_from_nonoverlapping(NonNull::from(bytes).cast(), bytes.len()) };
        Some(SecretBytes {
            block,
            len: bytes.len(),
        })
    }

    /// # Safety
    /// Nobody has a block of it, and nobody will ask for one.
    unsafe fn free(pool: NonNull<Self>) {
        // SAFETY: leaked by the arena, and freed here only.
        let mut pool = unsafe { Box::from_raw(pool.as_ptr()) };
        for first in pool.spans.get_mut().with_room {
            let mut next = first;
            while let Some(span) = next {
                // SAFETY: all of its blocks are here, so nothing refers to it any more.
                unsafe {
                    next = Span::blocks(span).next;
                    Span::unmap(span);
                }
            }
        }
    }
}

impl Spans {
    fn take(&mut self, pool: NonNull<Pool>, class: Class) -> Option<NonNull<u8>> {
        let place = &mut self.with_room[class.0 as usize];
        let span = match *place {
            Some(span) => span,
            None => *place.insert(Span::map(pool, class.span(), class.span())?),
        };
        // SAFETY: a span of this pool, under its lock.
        let header = unsafe { Span::blocks(span) };
        let block = if let Some(released) = header.released {
            // SAFETY: a block of this span that nobody has.
            header.released = unsafe { released.as_ref() }.next;
            released.cast()
        } else {
            // SAFETY: within the span: it has room.
            let block = unsafe { span.cast::<u8>().add(header.fresh) };
            header.fresh += class.size();
            block
        };
        header.used += 1;
        if !header.has_room(class) {
            self.unlink(span, class);
        }
        Some(block)
    }

    /// # Safety
    /// The block is of this class and span, wiped, and not used after.
    unsafe fn release(&mut self, block: NonNull<u8>, span: NonNull<Span>, class: Class) {
        if class == Class::ALONE {
            // SAFETY: its only block is not used after.
            return unsafe { Span::unmap(span) };
        }
        // SAFETY: a span of this pool, under its lock.
        let header = unsafe { Span::blocks(span) };
        let had_room = header.has_room(class);
        let released: NonNull<Released> = block.cast();
        let next = header.released.replace(released);
        // SAFETY: nobody has the block, and it is large enough and aligned.
        unsafe { released.write(Released { next }) };
        header.used -= 1;
        if !had_room {
            self.link(span, class);
        } else if header.used == 0
            && (header.next.is_some()
                || header.previous.is_some()
                || class.span() > Class::SMALLEST_SPAN)
        {
            // A small one that is the last of its class is kept, or sessions that come and go would map one
            // each time.
            self.unlink(span, class);
            // SAFETY: all of its blocks are here.
            unsafe { Span::unmap(span) };
        }
    }

    /// Puts a span before those of its class that have room.
    fn link(&mut self, span: NonNull<Span>, class: Class) {
        let first = &mut self.with_room[class.0 as usize];
        // SAFETY: spans of this pool, under its lock.
        unsafe {
            if let Some(first) = *first {
                Span::blocks(first).previous = Some(span);
            }
            let header = Span::blocks(span);
            (header.next, header.previous) = (*first, None);
        }
        *first = Some(span);
    }

    fn unlink(&mut self, span: NonNull<Span>, class: Class) {
        // SAFETY: spans of this pool, under its lock.
        unsafe {
            let &mut Blocks { next, previous, .. } = Span::blocks(span);
            match previous {
                Some(previous) => Span::blocks(previous).next = next,
                None => self.with_room[class.0 as usize] = next,
            }
            if let Some(next) = next {
                Span::blocks(next).previous = previous;
            }
        }
    }
}

impl Span {
    fn map(pool: NonNull<Pool>, len: usize, align: usize) -> Option<NonNull<Self>> {
        let pages = sys::map_secret_pages(len, align)?;
        let span: NonNull<Self> = pages.cast();
        // SAFETY: just mapped, ours alone, and aligned.
        unsafe {
            span.write(Self {
                pool: Some(pool),
                blocks: Blocks {
                    len: pages.len(),
                    fresh: ALIGN,
                    used: 0,
                    released: None,
                    next: None,
                    previous: None,
                },
            });
        }
        Some(span)
    }

    /// # Safety
    /// Nothing refers to it any more.
    unsafe fn unmap(span: NonNull<Self>) {
        // SAFETY: from `map`, and the caller's promise.
        unsafe {
            let len = Self::blocks(span).len;
            sys::unmap(NonNull::slice_from_raw_parts(span.cast(), len));
        }
    }

    /// # Safety
    /// Under the lock of the pool, or where nobody else knows the span; and nothing of it is borrowed already.
    #[inline]
    unsafe fn blocks<'a>(span: NonNull<Self>) -> &'a mut Blocks {
        // SAFETY: the caller's promise. Not by way of a reference to all of it: `pool` is read meanwhile.
        unsafe { &mut (*span.as_ptr()).blocks }
    }
}

impl Blocks {
    #[inline]
    fn has_room(&self, class: Class) -> bool {
        self.released.is_some() || self.fresh + class.size() <= self.len
    }
}

/// Bytes that are wiped when released. They have no `Debug` and are copied only on purpose.
pub(crate) struct SecretBytes {
    block: NonNull<u8>,
    len: usize,
}

impl SecretBytes {
    /// Another copy; `None`: memory could not be had.
    pub(crate) fn duplicate(&self) -> Option<Self> {
        // SAFETY: a pool is alive while somebody has a block of it.
        unsafe { Pool::keep(self.pool()?, self) }
    }

    /// Whether so many bytes can take the place of these in their block.
    #[inline]
    pub(super) fn has_room(&self, len: usize) -> bool {
        let class = self.class();
        len != 0 && class != Class::ALONE && class == Class::of(len)
    }

    /// Copies bytes over these, for which there is room, and wipes what they do not cover.
    #[inline]
    pub(super) fn overwrite(&mut self, bytes: &[u8]) {
        debug_assert!(self.has_room(bytes.len()));
        if let Some(left) = self.len.checked_sub(bytes.len()).filter(|&left| left != 0) {
            // SAFETY: the block is ours and `len` long.
            unsafe { std::slice::from_raw_parts_mut(self.block.add(bytes.len()).as_ptr(), left) }
                .zeroize();
        }
        self.len = bytes.len();
        // SAFETY: the block is ours alone, and of a class that so many bytes fit in.
        unsafe {
            self.block
                .copy_from_nonoverlapping(NonNull::from(bytes).cast(), bytes.len())
        };
    }

    fn wipe(&mut self) {
        // SAFETY: the block is ours and `len` long.
        unsafe { std::slice::from_raw_parts_mut(self.block.as_ptr(), self.len) }.zeroize();
    }

    #[inline]
    fn class(&self) -> Class {
        Class::of(self.len)
    }

    fn span(&self) -> NonNull<Span> {
        let before = if self.class() == Class::ALONE {
            ALIGN
        } else {
            self.block.addr().get() % self.class().span()
        };
        // SAFETY: within the span that the block is in.
        unsafe { self.block.sub(before).cast() }
    }

    /// `None` in a forked child, where the pages are the parent's no more: wiped, or perhaps caught in the
    /// middle of a change.
    fn pool(&self) -> Option<NonNull<Pool>> {
        // SAFETY: mapped for as long as the block is.
        let pool = unsafe { (*self.span().as_ptr()).pool }?;
        // SAFETY: alive while somebody has a block of it; in a child, what it was at the fork.
        let generation = unsafe { pool.as_ref() }.generation;
        (generation == sys::generation()).then_some(pool)
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
        let Some(pool) = self.pool() else { return };
        self.wipe();
        // SAFETY: alive while we have a block of it.
        let mut spans = unsafe { pool.as_ref() }.spans.lock();
        // SAFETY: wiped, of this class and span, and not used after.
        unsafe { spans.release(self.block, self.span(), self.class()) };
        spans.used -= 1;
        let over = spans.abandoned && spans.used == 0;
        drop(spans);
        if over {
            // SAFETY: the arena is gone, and this was the last block.
            unsafe { Pool::free(pool) };
        }
    }
}

/// A few blocks for the next sessions of a shard, which are most often as long as those that just went.
#[derive(Default)]
pub(super) struct Stash(SmallVec<[SecretBytes; 2]>);

impl Stash {
    /// Wipes bytes and keeps their block, or gives them back.
    #[cfg(any(test, feature = "capi"))]
    #[inline]
    pub(super) fn put(&mut self, mut bytes: SecretBytes) -> Option<SecretBytes> {
        const MOST: usize = 4;
        // Of larger ones, to keep some would cost more memory than time is saved.
        const LARGEST: usize = 8 << 10;
        if self.0.len() == MOST || bytes.len() > LARGEST {
            return Some(bytes);
        }
        bytes.wipe();
        self.0.push(bytes);
        None
    }

    /// A copy of `bytes` in a block that is at hand.
    #[inline]
    pub(super) fn take(&mut self, bytes: &[u8]) -> Option<SecretBytes> {
        let at = self.0.iter().rposition(|kept| kept.has_room(bytes.len()))?;
        let mut kept = self.0.swap_remove(at);
        kept.overwrite(bytes);
        Some(kept)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_are_close_together_and_know_their_sizes() {
        let mut before = Class::of(1);
        // Miri takes a minute for all.
        let lengths = (1..=Class::LARGEST).step_by(if cfg!(miri) { ALIGN } else { 1 });
        for len in lengths {
            let class = Class::of(len);
            assert!(class.size() >= len, "{len}");
            assert!(
                class.size() - len < ALIGN.max(len / 8 + 1),
                "{len}: {}",
                class.size()
            );
            assert!(class == before || class.0 == before.0 + 1);
            assert!(class.span() - ALIGN >= class.size());
            before = class;
        }
        assert_eq!(before.0 as usize, Class::COUNT - 1);
        assert!(Class::of(Class::LARGEST + 1) == Class::ALONE);
    }

    #[cfg(not(shuttle))]
    fn mapped(arena: &Arena) -> usize {
        // SAFETY: as in `Arena`.
        let pools = arena.pools.iter().map(|pool| unsafe { pool.as_ref() });
        let spans = pools.flat_map(|pool| {
            let spans = pool.spans.lock();
            spans
                .with_room
                .iter()
                .flatten()
                // SAFETY: a span of this pool, under its lock.
                .map(|&span| unsafe { Span::blocks(span) }.len)
                .collect::<Vec<_>>()
        });
        spans.sum()
    }

    #[cfg(not(shuttle))]
    #[test]
    fn blocks_of_all_sizes_keep_their_bytes_apart_and_are_given_back() {
        let arena = Arena::new(1);
        let every_class = (0..Class::COUNT).map(|class| Class(class as u32).size());
        // Miri takes hours for so many bytes.
        let (many, largest) = if cfg!(miri) {
            (200, 4 << 10)
        } else {
            (4000, usize::MAX)
        };
        let sizes = (0..many)
            .map(|i| 1 + i * 7919 % 70_000)
            .chain(every_class)
            .filter(|&len| len <= largest);
        let kept: Vec<_> = sizes
            .map(|len| {
                let bytes = vec![len as u8 | 1; len];
                arena.keep(0, &bytes).expect("memory")
            })
            .collect();
        for (at, bytes) in kept.iter().enumerate() {
            let byte = bytes.len() as u8 | 1;
            assert!(bytes.iter().all(|&other| other == byte), "{at}");
        }
        // In another order than they came.
        let (even, odd): (Vec<_>, Vec<_>) = kept
            .into_iter()
            .enumerate()
            .partition(|(at, _)| at % 2 == 0);
        drop(even);
        drop(odd);
        // One empty span for each class, if it is a small one.
        let spans = (0..Class::COUNT).map(|class| Class(class as u32).span());
        let kept: usize = spans.filter(|&span| span == Class::SMALLEST_SPAN).sum();
        assert_eq!(mapped(&arena), kept);
    }

    #[cfg(not(shuttle))]
    #[test]
    fn a_released_block_holds_nothing_of_what_was_in_it() {
        let arena = Arena::new(1);
        let bytes = arena.keep(0, &[7; 1000]).expect("memory");
        let _keeps_the_span = arena.keep(0, &[8; 1000]).expect("memory");
        let block = bytes.block;
        drop(bytes);
        // SAFETY: still mapped; the allocator's note is at its begin.
        let left = unsafe { std::slice::from_raw_parts(block.as_ptr(), 1000) };
        assert!(left[size_of::<Released>()..].iter().all(|&byte| byte == 0));
    }

    #[cfg(not(shuttle))]
    #[test]
    fn a_stashed_block_holds_nothing_and_serves_the_next_of_its_class() {
        let arena = Arena::new(1);
        let mut stash = Stash::default();
        assert!(
            stash
                .put(arena.keep(0, &[7; 1000]).expect("memory"))
                .is_none()
        );
        assert!(stash.0[0].iter().all(|&byte| byte == 0));
        assert!(stash.take(&[8; 900]).is_none());
        let block = stash.0[0].block;
        let taken = stash.take(&[8; 990]).expect("of the same class");
        assert_eq!((&*taken, taken.block), (&[8; 990][..], block));
        assert!(stash.take(&[8; 990]).is_none());
    }

    #[cfg(not(shuttle))]
    #[test]
    fn what_is_overwritten_by_a_shorter_one_is_wiped_to_its_end() {
        let arena = Arena::new(1);
        let mut bytes = arena.keep(0, &[7; 1000]).expect("memory");
        assert!(!bytes.has_room(900) && !bytes.has_room(0));
        assert!(bytes.has_room(970) && bytes.has_room(1020));
        bytes.overwrite(&[8; 970]);
        assert_eq!(*bytes, [8; 970]);
        // SAFETY: in the block, which is as large as its class.
        let left = unsafe { std::slice::from_raw_parts(bytes.block.as_ptr().add(970), 30) };
        assert_eq!(left, [0; 30]);
        bytes.overwrite(&[9; 1020]);
        assert_eq!(*bytes, [9; 1020]);
    }

    #[cfg(not(shuttle))]
    #[test]
    fn the_last_block_outlives_its_arena() {
        let arena = Arena::new(1);
        let bytes = arena.keep(3, b"secret").expect("memory");
        drop(arena);
        assert_eq!(*bytes, *b"secret");
        let copy = bytes.duplicate().expect("memory");
        drop(bytes);
        assert_eq!(*copy, *b"secret");
    }
}
