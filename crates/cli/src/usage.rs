//! What the process has used.

/// CPU seconds of all threads so far, and the largest resident size in bytes.
#[cfg(unix)]
pub fn used() -> (f64, u64) {
    // SAFETY: rusage is plain data that the kernel fills.
    let usage = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        libc::getrusage(libc::RUSAGE_SELF, &mut usage);
        usage
    };
    let seconds = |t: libc::timeval| t.tv_sec as f64 + t.tv_usec as f64 * 1e-6;
    let unit = if cfg!(target_os = "macos") { 1 } else { 1024 };
    (seconds(usage.ru_utime) + seconds(usage.ru_stime), usage.ru_maxrss as u64 * unit)
}

/// Unknown on this system.
#[cfg(not(unix))]
pub fn used() -> (f64, u64) {
    (0.0, 0)
}
