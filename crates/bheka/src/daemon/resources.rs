//! What the process uses of the machine, as the kernel tells it.

use std::fs;

use bheka_api::Resources;

/// Memory, descriptors, threads and processor time; zeros where the kernel does not tell.
pub(crate) fn of_process() -> Resources {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    Resources {
        cpu_s: cpu_s(&stat).unwrap_or(0.0),
        resident_bytes: field(&status, "VmRSS:").unwrap_or(0) * 1024,
        virtual_bytes: field(&status, "VmSize:").unwrap_or(0) * 1024,
        threads: field(&status, "Threads:").unwrap_or(0),
        open_fds: open_fds(),
        max_fds: limit.current,
    }
}

/// A number in `/proc/self/status`.
fn field(status: &str, name: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

/// Time in user and in kernel mode.
#[allow(clippy::cast_precision_loss, reason = "ticks fit")]
fn cpu_s(stat: &str) -> Option<f64> {
    // The name of the program, in parentheses, may hold anything.
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    let per_second = rustix::param::clock_ticks_per_second();
    Some((user + system) as f64 / per_second.max(1) as f64)
}

/// Descriptors of the process; newer kernels tell by the size of the directory.
fn open_fds() -> u64 {
    const DESCRIPTORS: &str = "/proc/self/fd";
    let told = fs::metadata(DESCRIPTORS).map_or(0, |directory| directory.len());
    if told > 0 {
        return told;
    }
    let counted = fs::read_dir(DESCRIPTORS).map_or(0, Iterator::count);
    // Without the one that reads.
    (counted as u64).saturating_sub(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_tells() {
        let resources = of_process();
        assert!(resources.resident_bytes > 1 << 20, "{resources:?}");
        assert!(resources.virtual_bytes >= resources.resident_bytes);
        assert!(
            resources.threads > 0 && resources.open_fds > 2,
            "{resources:?}"
        );
    }

    #[test]
    fn names_of_programs_do_not_confuse() {
        let ticks = rustix::param::clock_ticks_per_second();
        let stat = format!("1 (a) b (c)) S 0 0 0 0 0 0 0 0 0 0 {} {ticks} 0", 2 * ticks);
        assert_eq!(cpu_s(&stat), Some(3.0));
    }
}
