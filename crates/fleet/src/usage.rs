//! What a process and its descendants use, as `/proc` shows it.

use std::collections::HashMap;
use std::fs;

use serde::Serialize;

/// What a process and all its descendants use at a moment.
#[derive(Clone, Copy, PartialEq, Debug, Default, Serialize)]
#[non_exhaustive]
pub struct Usage {
    /// CPU time in seconds since their starts, that of descendants which have ended included.
    pub cpu_s: f64,
    /// Resident memory in bytes.
    pub rss_bytes: u64,
    /// Open file descriptors; 0 where they may not be looked at.
    pub descriptors: u64,
    /// How many processes they are.
    pub processes: u64,
}

impl Usage {
    /// Looks at a process; none when it does not exist (or this is no Linux).
    #[must_use]
    pub fn of(pid: u32) -> Option<Self> {
        let mut usage = Self::without_descriptors(pid)?;
        for member in Self::family(pid) {
            let open = fs::read_dir(format!("/proc/{member}/fd"));
            usage.descriptors += open.map_or(0, |entries| entries.count() as u64);
        }
        Some(usage)
    }

    /// The same, but does not count descriptors: with thousands of them that takes milliseconds.
    #[must_use]
    pub fn without_descriptors(pid: u32) -> Option<Self> {
        let processes = processes();
        processes.get(&pid)?;
        let mut usage = Self::default();
        for process in family(&processes, pid)
            .iter()
            .filter_map(|member| processes.get(member))
        {
            usage.add(process);
        }
        Some(usage)
    }

    /// The process and its descendants; parents come before their children.
    #[must_use]
    pub fn family(pid: u32) -> Vec<u32> {
        family(&processes(), pid)
    }

    fn add(&mut self, process: &Process) {
        #[allow(clippy::cast_precision_loss, reason = "seconds of CPU")]
        let seconds = process.ticks as f64 / rustix::param::clock_ticks_per_second() as f64;
        self.cpu_s += seconds;
        self.rss_bytes += process.pages * rustix::param::page_size() as u64;
        self.processes += 1;
    }
}

fn family(processes: &HashMap<u32, Process>, pid: u32) -> Vec<u32> {
    let mut children: HashMap<u32, Vec<u32>> = HashMap::new();
    for (child, process) in processes {
        children.entry(process.parent).or_default().push(*child);
    }
    let mut family = vec![pid];
    let mut index = 0;
    while let Some(parent) = family.get(index) {
        // Taken out, so that a circle could not go on for ever.
        family.extend(children.remove(parent).unwrap_or_default());
        index += 1;
    }
    family
}

#[derive(Debug)]
struct Process {
    parent: u32,
    /// Of itself and of the children that it has waited for.
    ticks: u64,
    pages: u64,
}

fn processes() -> HashMap<u32, Process> {
    let Ok(entries) = fs::read_dir("/proc") else {
        return HashMap::new();
    };
    let pids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    pids.filter_map(|pid: u32| {
        let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        Some((pid, read(&text)?))
    })
    .collect()
}

/// Reads `/proc/PID/stat`.
fn read(text: &str) -> Option<Process> {
    // The name of the program may hold spaces; what follows its parenthesis does not.
    let (_, rest) = text.rsplit_once(')')?;
    let fields: Vec<&str> = rest.split_whitespace().collect();
    let number = |index: usize| fields.get(index)?.parse::<u64>().ok();
    Some(Process {
        parent: fields.get(1)?.parse().ok()?,
        ticks: number(11)? + number(12)? + number(13)? + number(14)?,
        pages: number(21)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_proc() {
        let text = "4711 (odd ) name) S 17 4711 4711 0 -1 4194560 1 2 3 4 100 50 7 3 20 0 1 0 99 \
                    1000000 321 18446744073709551615 1";
        let process = read(text).unwrap();
        assert_eq!(
            (process.parent, process.ticks, process.pages),
            (17, 160, 321)
        );
        assert!(read("nonsense").is_none());
        assert!(read("1 (x) S 1").is_none());
    }

    #[test]
    fn this_process_and_its_child() {
        let own = std::process::id();
        let mut child = std::process::Command::new("sleep")
            .arg("60")
            .spawn()
            .unwrap();
        let usage = Usage::of(own).unwrap();
        assert!(usage.processes >= 2 && usage.rss_bytes > 0 && usage.descriptors > 0);
        let family = Usage::family(own);
        assert_eq!(family.first(), Some(&own));
        assert!(family.contains(&child.id()));
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(Usage::of(u32::MAX).is_none());
    }
}
