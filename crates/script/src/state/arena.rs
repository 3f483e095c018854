//! The memory of one Lua state: addresses that depend only on the sequence of allocations, and a limit.
//!
//! Lua hashes tables, functions and userdata by the low 32 bits of their address. The arena's base is aligned to 4 GiB, so
//! those bits, and with them every order of `pairs`, are the same in every process in spite of address-space randomisation.

use std::alloc::Layout;
use std::ffi::c_void;
use std::ptr;

/// Sizes up to here are multiples of 16 bytes.
const SMALL: usize = 1024;
/// Blocks above this size come from the system: only strings and buffers are so large, and their addresses are never hashed.
const LARGE: usize = 1 << 20;
const CLASSES: usize = 64 + 4 * 10;
/// Usable address space; the low 32 bits of all addresses differ.
const SPACE: usize = 4 << 30;
/// Fresh memory is counted from here, so that no block has the address whose low bits are zero.
const FIRST: usize = 64;

/// An allocator for `lua_newstate`.
pub(super) struct Arena {
    base: *mut u8,
    mapping: Option<Mapping>,
    bump: usize,
    end: usize,
    used: u64,
    limit: u64,
    free: [*mut FreeBlock; CLASSES],
}

struct FreeBlock {
    next: *mut FreeBlock,
}

struct Mapping {
    start: *mut c_void,
    length: usize,
}

impl Arena {
    /// An arena that gives at most `limit` bytes (and at most 4 GiB).
    pub fn new(limit: u64) -> Box<Arena> {
        let mapping = reserve().or_else(|| reserve_little(limit));
        let base = mapping.as_ref().map_or(ptr::null_mut(), |mapping| {
            let start = mapping.start as usize;
            (start.next_multiple_of(SPACE)) as *mut u8
        });
        let end = mapping.as_ref().map_or(SPACE, |mapping| mapping.length.min(SPACE));
        Box::new(Arena { base, mapping, bump: FIRST, end, used: 0, limit, free: [ptr::null_mut(); CLASSES] })
    }

    /// Whether addresses are the same in every process; false where address space cannot be reserved.
    pub fn is_deterministic(&self) -> bool {
        self.mapping.is_some()
    }

    /// Bytes in use now.
    #[cfg(test)]
    pub fn used(&self) -> u64 {
        self.used
    }

    /// The function for `lua_newstate`; `ud` is the arena.
    ///
    /// # Safety
    /// As `lua_Alloc`: `ptr` is null or a live block of `old` bytes of this arena.
    pub unsafe extern "C" fn alloc(ud: *mut c_void, ptr: *mut c_void, old: usize, new: usize) -> *mut c_void {
        // SAFETY: `lua_newstate` was given a pointer to an arena that outlives the state.
        let arena = unsafe { &mut *ud.cast::<Arena>() };
        // Without a block, `old` is a type tag.
        let old = if ptr.is_null() { 0 } else { old };
        // SAFETY: the contract of `lua_Alloc`.
        unsafe { arena.resize(ptr.cast(), old, new).cast() }
    }

    unsafe fn resize(&mut self, block: *mut u8, old: usize, new: usize) -> *mut u8 {
        if rounded(old) == rounded(new) {
            return if new == 0 { ptr::null_mut() } else { block };
        }
        if new > old && self.used - rounded(old) as u64 + rounded(new) as u64 > self.limit {
            return ptr::null_mut();
        }
        if old > LARGE && new > LARGE {
            // SAFETY: `block` came from the system allocator with this layout.
            let moved = unsafe { std::alloc::realloc(block, layout(old), rounded(new)) };
            if !moved.is_null() {
                self.used = self.used - rounded(old) as u64 + rounded(new) as u64;
            }
            return moved;
        }
        let fresh = if new == 0 { ptr::null_mut() } else { self.take(new) };
        if new != 0 && fresh.is_null() {
            return fresh;
        }
        if old != 0 {
            // SAFETY: both blocks are at least so long, and they do not overlap.
            unsafe {
                ptr::copy_nonoverlapping(block, fresh, old.min(new));
                self.give(block, old);
            }
        }
        fresh
    }

    fn take(&mut self, size: usize) -> *mut u8 {
        let length = rounded(size);
        let block = if size > LARGE || self.mapping.is_none() {
            // SAFETY: the size is not zero.
            unsafe { std::alloc::alloc(layout(size)) }
        } else {
            let free = &mut self.free[class_of(size)];
            if !free.is_null() {
                let block = *free;
                // SAFETY: a block in a free list holds a `FreeBlock`.
                *free = unsafe { (*block).next };
                block.cast()
            } else if self.bump + length <= self.end {
                let block = self.base.wrapping_add(self.bump);
                self.bump += length;
                block
            } else {
                ptr::null_mut()
            }
        };
        if !block.is_null() {
            self.used += length as u64;
        }
        block
    }

    unsafe fn give(&mut self, block: *mut u8, size: usize) {
        self.used -= rounded(size) as u64;
        if size > LARGE || self.mapping.is_none() {
            // SAFETY: it came from the system allocator with this layout.
            unsafe { std::alloc::dealloc(block, layout(size)) };
            return;
        }
        let free = &mut self.free[class_of(size)];
        let block = block.cast::<FreeBlock>();
        // SAFETY: every block has at least 16 bytes, aligned to 16.
        unsafe { (*block).next = *free };
        *free = block;
    }
}

/// Position of a size's class: multiples of 16 up to 1 KiB, then four classes per doubling.
fn class_of(size: usize) -> usize {
    if size <= SMALL {
        return size.div_ceil(16) - 1;
    }
    let octave = (size - 1).ilog2() as usize;
    let quarter = ((size - 1) >> (octave - 2)) & 3;
    64 + (octave - 10) * 4 + quarter
}

/// What a block of `size` bytes really takes.
fn rounded(size: usize) -> usize {
    if size <= SMALL {
        return size.next_multiple_of(16);
    }
    if size > LARGE {
        return size.next_multiple_of(4096);
    }
    let step = 1 << ((size - 1).ilog2() - 2);
    size.next_multiple_of(step)
}

fn layout(size: usize) -> Layout {
    Layout::from_size_align(rounded(size), 16).expect("Lua asks for less than half the address space")
}

#[cfg(all(unix, target_pointer_width = "64"))]
fn reserve() -> Option<Mapping> {
    let length = 2 * SPACE;
    if !super::machine::has_room(length) {
        return None;
    }
    #[cfg(any(target_os = "linux", target_os = "android"))]
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    let flags = libc::MAP_PRIVATE | libc::MAP_ANON;
    // SAFETY: a fresh private mapping, wherever the system likes.
    let start =
        unsafe { libc::mmap(ptr::null_mut(), length, libc::PROT_READ | libc::PROT_WRITE, flags, -1, 0) };
    (start != libc::MAP_FAILED).then_some(Mapping { start, length })
}

/// Where address space is short (`ulimit -v`): only what the script may use, or a part of it, at an address of that kind which happens
/// to be free.
#[cfg(all(any(target_os = "linux", target_os = "android"), target_pointer_width = "64"))]
fn reserve_little(limit: u64) -> Option<Mapping> {
    let most = (limit.saturating_add(limit / 8) as usize).clamp(LARGE, SPACE).next_multiple_of(4096);
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE | libc::MAP_FIXED_NOREPLACE;
    // The rest of the program, other runs among it, needs address space as well.
    let lengths = [1, 2, 4, 8, 16, 64].map(|part| (most / part).next_multiple_of(4096));
    let first = lengths.iter().position(|length| super::machine::has_room(*length));
    let lengths = &lengths[first.unwrap_or(lengths.len() - 1)..];
    let mut places = lengths.iter().flat_map(|length| (256..512).map(move |i| (*length, i)));
    places.find_map(|(length, i)| {
        let wanted = (i * SPACE) as *mut c_void;
        // SAFETY: a fresh private mapping that replaces none.
        let start = unsafe { libc::mmap(wanted, length, libc::PROT_READ | libc::PROT_WRITE, flags, -1, 0) };
        // Old kernels take the address as a hint only.
        let mapping = (start != libc::MAP_FAILED).then_some(Mapping { start, length })?;
        (start == wanted).then_some(mapping)
    })
}

#[cfg(not(all(any(target_os = "linux", target_os = "android"), target_pointer_width = "64")))]
fn reserve_little(_: u64) -> Option<Mapping> {
    None
}

#[cfg(not(all(unix, target_pointer_width = "64")))]
fn reserve() -> Option<Mapping> {
    None
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: the mapping is ours, and the state that used it is closed.
        #[cfg(unix)]
        unsafe {
            libc::munmap(self.start, self.length);
        }
        #[cfg(not(unix))]
        let _ = (self.start, self.length);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_size_fits_its_class_and_the_next_size_needs_another() {
        for size in 1..=LARGE {
            assert!(rounded(size) >= size && rounded(size).is_multiple_of(16), "{size}");
            assert_eq!(class_of(size), class_of(rounded(size)), "{size}");
            assert!(class_of(size) < CLASSES, "{size}");
            if rounded(size) == size && size < LARGE {
                assert_eq!(class_of(size + 1), class_of(size) + 1, "{size}");
            }
        }
    }

    #[test]
    fn blocks_are_reused_last_in_first_out_and_counted() {
        let mut arena = Arena::new(1 << 20);
        let low = |arena: &mut Arena| {
            let a = arena.take(40);
            let b = arena.take(40);
            // SAFETY: both are live blocks of 40 bytes.
            unsafe {
                arena.give(a, 40);
                arena.give(b, 40);
            }
            assert_eq!(arena.take(48), b);
            assert_eq!(arena.take(33), a);
            (a as usize as u32, arena.used())
        };
        let first = low(&mut arena);
        assert_eq!(first.1, 96);
        let mut other = Arena::new(1 << 20);
        assert_eq!(low(&mut other), first, "low 32 bits of addresses are the same in every arena");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_short_address_space_changes_no_address() {
        let [one, two] = [reserve_little(64 << 20), reserve_little(64 << 20)].map(Option::unwrap);
        for mapping in [&one, &two] {
            assert_eq!((mapping.start as usize as u32, mapping.length), (0, 72 << 20));
        }
        assert_ne!(one.start, two.start);
    }

    #[test]
    fn the_limit_is_kept_and_contents_survive_growth() {
        let mut arena = Arena::new(8 << 20);
        // SAFETY: blocks are passed back with the sizes they were asked for.
        unsafe {
            let mut size = 1;
            let mut block = arena.resize(ptr::null_mut(), 0, size);
            block.write(7);
            loop {
                let next = arena.resize(block, size, size * 3);
                if next.is_null() {
                    break;
                }
                assert_eq!(next.read(), 7);
                (block, size) = (next, size * 3);
            }
            assert!(size > 1 << 20 && arena.used() <= 8 << 20);
            arena.resize(block, size, 0);
        }
        assert_eq!(arena.used(), 0);
    }
}
