//! Memory back to the kernel, and the time this process had.

use std::time::Duration;

/// Gives free pages of every arena back. The C library keeps them otherwise, however long they are free.
pub fn trim() {
    // SAFETY: takes no pointers; the allocator locks itself.
    #[cfg(target_env = "gnu")]
    unsafe {
        libc::malloc_trim(0);
    }
}

/// One heap for all threads: the only one whose end `trim` gives back, too. For a process of which one thread allocates much; to be
/// called before there are others.
pub fn one_heap() {
    // SAFETY: takes no pointers; sets a limit of the allocator.
    #[cfg(target_env = "gnu")]
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, 1);
    }
}

/// CPU time of all threads so far.
#[must_use]
pub fn cpu_time() -> Duration {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the kernel writes one timespec.
    unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &raw mut now) };
    Duration::new(now.tv_sec.unsigned_abs(), u32::try_from(now.tv_nsec).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn freed_memory_leaves_the_process() {
        let resident = || {
            let text = std::fs::read_to_string("/proc/self/statm").expect("statm");
            text.split(' ').nth(1).and_then(|n| n.parse::<usize>().ok()).expect("pages") * 4096
        };
        let held: Vec<Vec<u8>> = (0..4_000).map(|_| vec![1u8; 8_000]).collect();
        // The last block holds the heap's end, so that nothing goes by itself.
        let end = vec![1u8; 8_000];
        drop(held);
        let before = resident();
        trim();
        assert!(cfg!(not(target_env = "gnu")) || before - resident() > 20_000_000, "{before} {}", resident());
        assert_eq!(end.len(), 8_000);
        assert!(cpu_time() > Duration::ZERO);
    }
}
