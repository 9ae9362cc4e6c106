//! Which user the daemon runs as.

use std::os::unix::fs::MetadataExt as _;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use anyhow::{Context as _, bail};

/// When started as root with another `RunAsUser`, starts this program again as that user and group
/// in this process's place (so that no thread or file opened as root is carried over), as Icinga 2
/// does. Returns when nothing has to change.
///
/// # Errors
/// When the user or group does not exist, or the program cannot be started again.
pub(crate) fn change(user: &str, group: &str) -> anyhow::Result<()> {
    let is_root = std::fs::metadata("/proc/self").is_ok_and(|metadata| metadata.uid() == 0);
    if !is_root || user.is_empty() || user == "root" {
        return Ok(());
    }
    let Some((uid, primary)) = lookup("/etc/passwd", user) else {
        bail!(
            "user '{user}' does not exist; create it, or name another one with -D RunAsUser=NAME"
        );
    };
    if uid == 0 {
        // Another name of root: starting again would change nothing and never end.
        return Ok(());
    }
    let gid = if group.is_empty() {
        primary
    } else {
        lookup("/etc/group", group)
            .map(|(gid, _)| gid)
            .with_context(|| {
                format!("group '{group}' does not exist; name another one with -D RunAsGroup=NAME")
            })?
    };
    let program = std::env::current_exe().context("cannot find this program's own file")?;
    let error = Command::new(program)
        .args(std::env::args_os().skip(1))
        .uid(uid)
        .gid(gid)
        .exec();
    Err(error).with_context(|| format!("cannot run as user '{user}', group '{group}'"))
}

/// The id in the third field of the line that starts with that name, and the fourth field where
/// it is a number (the primary group in `/etc/passwd`).
fn lookup(path: &str, name: &str) -> Option<(u32, u32)> {
    if let Ok(id) = name.parse() {
        return Some((id, id));
    }
    let text = std::fs::read_to_string(path).ok()?;
    find(&text, name)
}

fn find(text: &str, name: &str) -> Option<(u32, u32)> {
    text.lines().find_map(|line| {
        let mut fields = line.split(':');
        if fields.next() != Some(name) {
            return None;
        }
        let id = fields.nth(1)?.parse().ok()?;
        let second = fields
            .next()
            .and_then(|field| field.parse().ok())
            .unwrap_or(id);
        Some((id, second))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_found_by_name() {
        let text = "root:x:0:0:root:/root:/bin/sh\nnagios:x:107:114::/var/lib/nagios:/bin/false\n";
        assert_eq!(find(text, "nagios"), Some((107, 114)));
        assert_eq!(find(text, "nag"), None);
        assert_eq!(lookup("/nonexistent", "12"), Some((12, 12)));
    }
}
