//! How much memory the process needs while something goes on.

use std::fs;

/// Watches the memory of the process from its making on.
///
/// The kernel keeps the highest value and can be asked to begin anew (`/proc/self/clear_refs`).
/// Where it does not let us (the process changed its user, or another system), what
/// [`MemoryWatch::sample`] sees has to do.
#[derive(Debug)]
pub(crate) struct MemoryWatch {
    before: u64,
    sampled: u64,
    kernel_keeps_it: bool,
}

impl MemoryWatch {
    /// Begins.
    pub(crate) fn begin() -> Self {
        let before = resident();
        Self {
            before,
            sampled: before,
            kernel_keeps_it: fs::write("/proc/self/clear_refs", RESET_PEAK).is_ok(),
        }
    }

    /// Looks at the memory now; to be called now and then.
    pub(crate) fn sample(&mut self) {
        if !self.kernel_keeps_it {
            self.sampled = self.sampled.max(resident());
        }
    }

    /// Bytes in use at the begin, and at most since.
    pub(crate) fn end(mut self) -> (u64, u64) {
        self.sampled = self.sampled.max(resident());
        let kept = self.kernel_keeps_it.then(|| status("VmHWM:")).flatten();
        (self.before, self.sampled.max(kept.unwrap_or(0)))
    }
}

/// What asks the kernel to forget the highest value.
const RESET_PEAK: &str = "5";

/// Bytes of the process that are in memory now.
fn resident() -> u64 {
    status("VmRSS:").unwrap_or(0)
}

/// A size in `/proc/self/status`, in bytes.
fn status(name: &str) -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_peak_is_seen() {
        let mut watch = MemoryWatch::begin();
        // Other tests take and give back memory meanwhile, though not so much.
        let block = vec![1_u8; 384 << 20];
        watch.sample();
        assert_eq!(
            block.iter().map(|byte| u64::from(*byte)).sum::<u64>(),
            384 << 20
        );
        drop(block);
        let (before, peak) = watch.end();
        assert!(before > 0 && peak >= 384 << 20, "{before} {peak}");
    }
}
