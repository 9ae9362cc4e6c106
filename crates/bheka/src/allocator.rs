//! The allocator of the process.
//!
//! A configuration is evaluated on all cores and makes millions of small values; glibc's allocator
//! spends a quarter of that time on its locks and keeps what was freed. The only `unsafe` of the
//! project is here: an option of the allocator can be set only through its C interface.

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Position of `purge_delay` among the options of mimalloc 3 (`mi_option_e` in its header).
const PURGE_DELAY: libmimalloc_sys::mi_option_t = 15;

/// Has freed memory go back to the system at once: after a load most of what it took is free, and
/// a daemon runs for months. `MIMALLOC_PURGE_DELAY` in the environment takes precedence.
#[allow(unsafe_code)]
pub(crate) fn configure() {
    // SAFETY: the function checks the option's number, and writes one word that the allocator
    // reads later; no other thread runs yet.
    unsafe { libmimalloc_sys::mi_option_set_default(PURGE_DELAY, 0) }
    // Huge pages are cleared whole, also where little of them is used and whenever freed memory
    // comes back: slower to load, and a fifteenth more memory. A kernel without the call has none.
    let _ = rustix::thread::disable_transparent_huge_pages(true);
}

/// Lets the kernel use huge pages again: plugins inherit what holds for the process that starts
/// them, and it is not for us to decide for them.
pub(crate) fn before_plugins() {
    let _ = rustix::thread::disable_transparent_huge_pages(false);
}
