//! How glibc keeps the program's memory. Where there is no glibc, memory is as the system has it.

#[cfg(all(target_os = "linux", target_env = "gnu"))]
pub use glibc::Heaps;

/// Sets how memory is kept; to be called before there is another thread.
pub fn set_up() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    glibc::set_up();
}

/// Gives back to the system what was freed between things that are still in use, which glibc keeps: before so much more is
/// needed in large pieces that it would be missing from a limit of memory.
pub fn give_back() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    glibc::give_back();
}

#[cfg(all(target_os = "linux", target_env = "gnu"))]
mod glibc {
    #![allow(unsafe_code)]

    use libc::{M_ARENA_MAX, M_MMAP_THRESHOLD, M_TOP_PAD, M_TRIM_THRESHOLD, c_int};
    use libc::{MAP_ANONYMOUS, MAP_FAILED, MAP_PRIVATE, PROT_READ, PROT_WRITE, mmap, munmap};
    use std::alloc::{GlobalAlloc, Layout, System};
    use std::ptr::null_mut;

    /// What is freed at a heap's end stays there up to this size: to get it again, page by page, takes longer than to read the
    /// logs that go there.
    const KEPT: c_int = 64 << 20;
    /// How much more than asked for a heap grows by.
    const AHEAD: c_int = 16 << 20;
    /// What is larger is not in a heap; the largest that glibc takes.
    const LARGEST: c_int = 32 << 20;

    /// Sets numbers; those that glibc does not take stay as they are.
    pub fn set_up() {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        // By itself it has eight heaps a core, and what is freed in one stays there: many times what a limit of memory allows.
        // With fewer than two threads would wait.
        let heaps = cores.clamp(2, 64) as c_int;
        let numbers =
            [(M_ARENA_MAX, heaps), (M_TRIM_THRESHOLD, KEPT), (M_TOP_PAD, AHEAD), (M_MMAP_THRESHOLD, LARGEST)];
        for (what, number) in numbers {
            // SAFETY: only sets a number, before there is another thread.
            unsafe { libc::mallopt(what, number) };
        }
    }

    pub fn give_back() {
        // SAFETY: gives back nothing but what is free.
        unsafe { libc::malloc_trim(0) };
    }

    /// glibc, but for many whole pages, which come from the system as they are: zeroed, and not there before they are used.
    /// Polars keeps 8 MiB of zeros, of which it uses the first few; to write them all takes as long as to read 10 MB of logs.
    pub struct Heaps;

    /// The least that a page has.
    const PAGE: usize = 4096;

    /// Whether this comes from the system.
    const fn is_pages(layout: Layout) -> bool {
        layout.align() == PAGE && layout.size() >= 1 << 20
    }

    // SAFETY: what is allocated one way is freed the same way, for that depends on nothing but the layout. The system gives
    // memory that begins at a page, is zeroed and belongs to nobody else.
    unsafe impl GlobalAlloc for Heaps {
        unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
            if is_pages(layout) {
                unsafe { self.alloc_zeroed(layout) }
            } else {
                unsafe { System.alloc(layout) }
            }
        }

        unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
            if !is_pages(layout) {
                return unsafe { System.alloc_zeroed(layout) };
            }
            let (access, kind) = (PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS);
            match unsafe { mmap(null_mut(), layout.size(), access, kind, -1, 0) } {
                MAP_FAILED => null_mut(),
                pages => pages.cast(),
            }
        }

        unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
            if is_pages(layout) {
                unsafe { munmap(pointer.cast(), layout.size()) };
            } else {
                unsafe { System.dealloc(pointer, layout) };
            }
        }

        unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
            if layout.align() != PAGE {
                return unsafe { System.realloc(pointer, layout, size) };
            }
            // SAFETY: the caller says that the size makes a layout.
            let new = unsafe { self.alloc(Layout::from_size_align_unchecked(size, PAGE)) };
            if !new.is_null() {
                // SAFETY: both hold that many bytes, and the new ones are nobody else's.
                unsafe {
                    pointer.copy_to_nonoverlapping(new, size.min(layout.size()));
                    self.dealloc(pointer, layout);
                }
            }
            new
        }
    }
}
