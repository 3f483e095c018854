//! How much memory the program has taken, against what it can have.

/// What must be left: a twelfth, and where that is little up to this, but no more than a quarter. It is looked at four times a second.
const LEFT: u64 = 512 << 20;

/// Whether nearly all memory that the program can have is taken. Where nothing is known of it, never.
#[cfg(target_os = "linux")]
pub(super) fn is_short() -> bool {
    let Some((size, resident)) = taken() else { return false };
    let beyond = |taken: u64, most: u64| taken + (most / 12).max(LEFT.min(most / 4)) >= most;
    let physical = |most| beyond(resident, most) || (resident > most / 4 && available() < most / 25);
    physical_memory().is_some_and(physical) || address_space().is_some_and(|most| beyond(size, most))
}

#[cfg(not(target_os = "linux"))]
pub(super) fn is_short() -> bool {
    false
}

/// Whether address space of this size can be set aside and leaves enough for the rest.
#[cfg(target_os = "linux")]
pub(super) fn has_room(length: usize) -> bool {
    let left = || Some(address_space()?.saturating_sub(taken()?.0));
    left().is_none_or(|left| left / 4 >= length as u64)
}

#[cfg(not(target_os = "linux"))]
pub(super) fn has_room(_: usize) -> bool {
    true
}

/// Address space and resident memory of the process, in bytes.
#[cfg(target_os = "linux")]
fn taken() -> Option<(u64, u64)> {
    let text = std::fs::read_to_string("/proc/self/statm").ok()?;
    let mut pages = text.split(' ').map_while(|word| word.parse::<u64>().ok());
    // SAFETY: always succeeds.
    let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) } as u64;
    Some((pages.next()? * page, pages.next()? * page))
}

/// The machine's memory, or the part of it that a container has.
#[cfg(target_os = "linux")]
fn physical_memory() -> Option<u64> {
    static MOST: std::sync::OnceLock<Option<u64>> = std::sync::OnceLock::new();
    *MOST.get_or_init(|| {
        let total = of_meminfo("MemTotal:")?;
        let group = std::fs::read_to_string("/sys/fs/cgroup/memory.max").ok();
        let group = group.and_then(|text| text.trim().parse::<u64>().ok());
        Some(group.map_or(total, |most| most.min(total)))
    })
}

/// What no program has taken.
#[cfg(target_os = "linux")]
fn available() -> u64 {
    of_meminfo("MemAvailable:").unwrap_or(u64::MAX)
}

#[cfg(target_os = "linux")]
fn of_meminfo(name: &str) -> Option<u64> {
    let info = std::fs::read_to_string("/proc/meminfo").ok()?;
    let value = info.lines().find_map(|line| line.strip_prefix(name))?.trim().strip_suffix(" kB")?;
    Some(value.parse::<u64>().ok()? << 10)
}

/// The limit of `ulimit -v`, if there is one.
#[cfg(target_os = "linux")]
fn address_space() -> Option<u64> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: fills a plain struct.
    let known = unsafe { libc::getrlimit(libc::RLIMIT_AS, &mut limit) } == 0;
    (known && limit.rlim_cur != libc::RLIM_INFINITY).then_some(limit.rlim_cur)
}
