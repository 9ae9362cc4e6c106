//! Changes to files of the configuration, each with a backup of what was there first.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use bheka_net::pki::{Mode, write_atomic};

use super::info;
use crate::cli::literal::quoted;
use crate::log::Record;
use crate::settings::Settings;

/// Keeps a copy beside a file, unless there is one already.
pub(super) fn back_up(path: &Path) -> anyhow::Result<()> {
    if !path.exists() {
        return Ok(());
    }
    let mut copy = path.as_os_str().to_owned();
    copy.push(".orig");
    let copy = PathBuf::from(copy);
    if copy.exists() {
        info(&format!(
            "Backup file '{}' already exists. Skipping backup.",
            copy.display()
        ));
        return Ok(());
    }
    // Copies the permissions, too: keys stay secret.
    fs::copy(path, &copy).with_context(|| format!("cannot back up '{}'", path.display()))?;
    info(&format!("Created backup file '{}'.", copy.display()));
    Ok(())
}

/// Replaces a file that everybody may read.
pub(super) fn replace(path: &Path, text: &str) -> anyhow::Result<()> {
    back_up(path)?;
    Ok(write_atomic(path, text.as_bytes(), Mode::Public)?)
}

/// Sets a constant in `constants.conf`: in the line that has it, commented out or not, else in a
/// new line at the end.
pub(super) fn set_constant(settings: &Settings, name: &str, value: &str) -> anyhow::Result<()> {
    let path = settings.paths.config_dir.join("constants.conf");
    info(&format!(
        "Updating '{name}' constant in '{}'.",
        path.display()
    ));
    let text = fs::read_to_string(&path).unwrap_or_default();
    replace(&path, &with_constant(&text, name, value))
}

fn with_constant(text: &str, name: &str, value: &str) -> String {
    let new = format!("const {name} = {}", quoted(value));
    let mut found = false;
    let mut lines: Vec<&str> = Vec::new();
    for line in text.lines() {
        let words = line.trim_start().trim_start_matches("//").trim_start();
        let is_it = words.strip_prefix("const ").is_some_and(|rest| {
            rest.trim_start()
                .strip_prefix(name)
                .is_some_and(|rest| rest.trim_start().starts_with('='))
        });
        if !is_it {
            lines.push(line);
        } else if !found {
            found = true;
            lines.push(&new);
        }
    }
    if !found {
        lines.push(&new);
    }
    lines.join("\n") + "\n"
}

/// Turns off the include of `conf.d` in the main file; with `keep`, includes that file instead.
pub(super) fn disable_confd(settings: &Settings, keep: Option<&str>) -> anyhow::Result<()> {
    let path = settings.paths.main_file();
    info(&format!(
        "Updating '\"conf.d\"' include in '{}'.",
        path.display()
    ));
    let text =
        fs::read_to_string(&path).with_context(|| format!("cannot read '{}'", path.display()))?;
    replace(&path, &without_confd(&text, keep, &now_text()))
}

fn without_confd(text: &str, keep: Option<&str>, now: &str) -> String {
    let mut out = String::new();
    for line in text.lines() {
        let words = line.trim_start();
        let is_include = ["include_recursive", "include"]
            .iter()
            .find_map(|word| words.strip_prefix(word))
            .is_some_and(|rest| rest.trim() == "\"conf.d\"");
        if is_include {
            out.push_str(&format!(
                "// Disabled by 'node setup' on {now}\n// {line}\n"
            ));
        } else {
            out.push_str(line);
            out.push('\n');
        }
    }
    if let Some(keep) = keep {
        let include = format!("include {}", quoted(keep));
        if !text.lines().any(|line| line.trim() == include) {
            out.push_str(&format!("// Added by 'node setup' on {now}\n{include}\n"));
        }
    }
    out
}

/// The time, for comments.
pub(super) fn now_text() -> String {
    let record = Record::now(crate::log::Severity::Information, "", "");
    record.time.strftime("%Y-%m-%d %H:%M:%S %z").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn constants_are_set_in_place() {
        let text = "/* x */\n//const NodeName = \"localhost\"\nconst ZoneName = NodeName\n";
        assert_eq!(
            with_constant(text, "NodeName", "a\"b"),
            "/* x */\nconst NodeName = \"a\\\"b\"\nconst ZoneName = NodeName\n"
        );
        assert_eq!(
            with_constant("const NodeNameX = 1\n", "NodeName", "n"),
            "const NodeNameX = 1\nconst NodeName = \"n\"\n"
        );
        assert_eq!(
            with_constant("", "ZoneName", "z"),
            "const ZoneName = \"z\"\n"
        );
    }

    #[test]
    fn confd_is_commented_out_once() {
        let once = without_confd(
            "include <itl>\ninclude_recursive \"conf.d\"\n",
            Some("conf.d/api-users.conf"),
            "now",
        );
        assert_eq!(
            once,
            "include <itl>\n// Disabled by 'node setup' on now\n// include_recursive \"conf.d\"\n\
             // Added by 'node setup' on now\ninclude \"conf.d/api-users.conf\"\n"
        );
        assert_eq!(
            without_confd(&once, Some("conf.d/api-users.conf"), "later"),
            once
        );
    }
}
