//! The memory of this machine, as the kernel reports it in /proc.

use std::fs;
use std::path::Path;

/// Where the kernel reports it.
pub const PROC: &str = "/proc";

/// Bytes of memory.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Memory {
    /// What programs can have without swap: `MemAvailable`.
    pub available: u64,
    pub total: u64,
    pub swap: u64,
    pub swap_free: u64,
}

impl Memory {
    /// What `meminfo` in `proc` says (proc(5)); `None` when it does not say what is available.
    pub fn read(proc: &Path) -> Option<Self> {
        let text = fs::read_to_string(proc.join("meminfo")).ok()?;
        let of = |name: &str| Some(number(&text, name, ":")? * 1024);
        Some(Self {
            available: of("MemAvailable")?,
            total: of("MemTotal").unwrap_or_default(),
            swap: of("SwapTotal").unwrap_or_default(),
            swap_free: of("SwapFree").unwrap_or_default(),
        })
    }
}

/// How many processes the kernel has killed for want of memory since it was booted: `oom_kill` of `vmstat` in `proc` (Linux 4.13).
pub fn killed(proc: &Path) -> Option<u64> {
    number(&fs::read_to_string(proc.join("vmstat")).ok()?, "oom_kill", " ")
}

fn number(text: &str, name: &str, separator: &str) -> Option<u64> {
    let value = |line: &str| {
        line.strip_prefix(name)?
            .strip_prefix(separator)?
            .trim()
            .split(' ')
            .next()?
            .parse()
            .ok()
    };
    text.lines().find_map(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lines_of_the_kernel_are_read() {
        let proc = tempfile::tempdir().unwrap();
        assert_eq!((Memory::read(proc.path()), killed(proc.path())), (None, None));
        let put = |name: &str, text: &str| fs::write(proc.path().join(name), text).unwrap();
        put(
            "meminfo",
            "MemTotal:        2048000 kB\nMemFree: 9 kB\nMemAvailable:    1000 kB\nSwapTotal:  20 kB\nSwapFree:  10 kB\n",
        );
        put("vmstat", "nr_free_pages 1\noom_kill_more 5\noom_kill 3\n");
        let memory = Memory::read(proc.path()).unwrap();
        assert_eq!(
            memory,
            Memory {
                available: 1_024_000,
                total: 2_097_152_000,
                swap: 20480,
                swap_free: 10240
            }
        );
        assert_eq!(killed(proc.path()), Some(3));
    }
}
