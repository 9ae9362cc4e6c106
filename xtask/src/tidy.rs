//! The house rules that a compiler does not check: who may depend on whom, how long a file may
//! be, which calls are banned where, which licences come in, whether links in the papers lead
//! somewhere.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail};
use serde_json::Value;

/// The crates and what each may use of ours. `ARCHITECTURE.md` says why; arrows go down only.
const LAYERS: &[(&str, &[&str])] = &[
    ("value", &[]),
    ("syntax", &[]),
    ("lang", &["value", "syntax"]),
    ("model", &["value"]),
    ("monitor", &["value", "model"]),
    ("exec", &[]),
    ("cluster", &["value", "model"]),
    ("net", &["value", "cluster"]),
    ("api", &["value", "lang", "model"]),
    ("fleet", &["value", "cluster", "net"]),
    ("sim", &["value", "lang", "model", "monitor", "cluster"]),
    (
        "bench",
        &["value", "lang", "model", "cluster", "net", "fleet"],
    ),
    (
        "bheka",
        &[
            "value", "syntax", "lang", "model", "monitor", "exec", "cluster", "net", "api", "fleet",
        ],
    ),
];

/// Lines a source file may have; tables are excepted.
const LINES_MAX: usize = 1000;

/// Text that must not occur in sources, where it may all the same, and why not.
const BANNED: &[(&str, &[&str], &str)] = &[
    (
        "SystemTime::now",
        &[
            "crates/bheka/",
            "crates/exec/",
            "crates/fleet/",
            "crates/net/",
            "bench/",
        ],
        "pure crates take the time as an argument",
    ),
    (
        "Instant::now",
        &[
            "crates/bheka/",
            "crates/exec/",
            "crates/fleet/",
            "crates/net/",
            "crates/api/",
            "bench/",
            "xtask/",
        ],
        "pure crates take the time as an argument",
    ),
    (
        "pre_exec",
        &[],
        "it forces fork instead of posix_spawn, 77 ms against 1 ms at 2 GiB",
    ),
    ("unbounded_channel", &[], "every queue has a bound"),
    (
        "mpsc::channel()",
        &[],
        "every queue has a bound; use sync_channel",
    ),
    (
        "std::env::var",
        &["crates/bheka/", "bench/", "xtask/"],
        "only the edge reads the environment",
    ),
];

/// Runs all checks on the tree at `root`.
///
/// # Errors
/// With all findings, when there are any.
pub(crate) fn check(root: &Path) -> anyhow::Result<()> {
    let mut findings = Vec::new();
    let metadata = metadata(root)?;
    findings.extend(layering(&metadata));
    findings.extend(dependencies(&metadata, root)?);
    for path in sources(root)? {
        let text = std::fs::read_to_string(root.join(&path))
            .with_context(|| format!("cannot read {}", path.display()))?;
        findings.extend(source(&path, &text));
    }
    for path in papers(root)? {
        let text = std::fs::read_to_string(root.join(&path))
            .with_context(|| format!("cannot read {}", path.display()))?;
        findings.extend(links(root, &path, &text));
    }
    if findings.is_empty() {
        return Ok(());
    }
    let mut message = format!("{} finding(s):", findings.len());
    for finding in findings {
        let _ = write!(message, "\n  {finding}");
    }
    bail!(message)
}

fn metadata(root: &Path) -> anyhow::Result<Value> {
    let output = Command::new(crate::cargo_program())
        .args(["metadata", "--format-version", "1", "--locked"])
        .current_dir(root)
        .output()
        .context("cannot start cargo metadata")?;
    if !output.status.success() {
        bail!(
            "cargo metadata failed: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    serde_json::from_slice(&output.stdout).context("cargo metadata gave no JSON")
}

fn array<'v>(value: &'v Value, key: &str) -> &'v [Value] {
    value[key].as_array().map_or(&[], Vec::as_slice)
}

/// Edges between our crates that the table does not allow.
fn layering(metadata: &Value) -> Vec<String> {
    let mut findings = Vec::new();
    for package in array(metadata, "packages") {
        let Some(name) = package["name"].as_str().and_then(our_name) else {
            continue;
        };
        let Some((_, allowed)) = LAYERS.iter().find(|(layer, _)| *layer == name) else {
            findings.push(format!(
                "crate '{name}' has no place in the table of layers in {}",
                file!()
            ));
            continue;
        };
        for dependency in array(package, "dependencies") {
            let is_for_tests = dependency["kind"] == "dev";
            let Some(used) = dependency["name"].as_str().and_then(our_name) else {
                continue;
            };
            if !is_for_tests && !allowed.contains(&used) {
                findings.push(format!("crate '{name}' must not know '{used}'"));
            }
        }
    }
    findings
}

fn our_name(name: &str) -> Option<&str> {
    if name == "bheka" {
        Some(name)
    } else {
        name.strip_prefix("bheka-")
    }
}

/// Licences outside the list, and banned crates that are really in the build.
fn dependencies(metadata: &Value, root: &Path) -> anyhow::Result<Vec<String>> {
    let policy =
        std::fs::read_to_string(root.join("deny.toml")).context("cannot read deny.toml")?;
    let allowed = quoted_between(&policy, "allow = [", "]");
    let banned = quoted_between(&policy, "deny = [", "]\n");
    let mut findings = Vec::new();
    for package in array(metadata, "packages") {
        let name = package["name"].as_str().unwrap_or_default();
        let licence = package["license"].as_str().unwrap_or_default();
        if !licence_is_allowed(licence, &allowed) {
            findings.push(format!("dependency '{name}' has licence '{licence}'"));
        }
    }
    let tree = Command::new(crate::cargo_program())
        .args([
            "tree",
            "--workspace",
            "--prefix",
            "none",
            "--format",
            "{p}",
            "--locked",
        ])
        .current_dir(root)
        .output()
        .context("cannot start cargo tree")?;
    let tree = String::from_utf8_lossy(&tree.stdout).into_owned();
    let used: BTreeSet<&str> = tree
        .lines()
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    findings.extend(
        banned
            .iter()
            .filter(|name| used.contains(name.as_str()))
            .map(|name| format!("banned dependency '{name}' is in the build")),
    );
    Ok(findings)
}

fn quoted_between(text: &str, start: &str, end: &str) -> BTreeSet<String> {
    let Some((_, rest)) = text.split_once(start) else {
        return BTreeSet::new();
    };
    let part = rest.split_once(end).map_or(rest, |(part, _)| part);
    part.split('"')
        .skip(1)
        .step_by(2)
        .map(str::to_owned)
        .collect()
}

/// Whether an SPDX expression can be met with the allowed licences: one side of each `OR`, every
/// side of each `AND`.
fn licence_is_allowed(expression: &str, allowed: &BTreeSet<String>) -> bool {
    let expression = expression.replace('/', " OR ");
    let mut parts = Vec::new();
    let (mut depth, mut part) = (0usize, String::new());
    for word in expression
        .replace('(', " ( ")
        .replace(')', " ) ")
        .split_whitespace()
    {
        match word {
            "(" => depth += 1,
            ")" => depth = depth.saturating_sub(1),
            "AND" if depth == 0 => {
                parts.push(std::mem::take(&mut part));
                continue;
            }
            _ => {}
        }
        if word != "(" && word != ")" {
            let _ = write!(part, "{word} ");
        }
    }
    parts.push(part);
    parts.iter().all(|part| {
        part.trim()
            .split(" OR ")
            .any(|licence| allowed.contains(licence.trim()))
    })
}

fn tracked(root: &Path, patterns: &[&str]) -> anyhow::Result<Vec<PathBuf>> {
    let output = Command::new("git")
        .args([
            "ls-files",
            "--cached",
            "--others",
            "--exclude-standard",
            "--",
        ])
        .args(patterns)
        .current_dir(root)
        .output()
        .context("cannot start git")?;
    if !output.status.success() || output.stdout.is_empty() {
        bail!(
            "git lists no {} files, so nothing was checked: {}",
            patterns.join(" "),
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    let names = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut paths: Vec<PathBuf> = names.lines().map(PathBuf::from).collect();
    paths.retain(|path| root.join(path).is_file());
    Ok(paths)
}

fn sources(root: &Path) -> anyhow::Result<Vec<PathBuf>> {
    tracked(root, &["*.rs"])
}

fn papers(root: &Path) -> anyhow::Result<Vec<PathBuf>> {
    tracked(root, &["*.md"])
}

fn source(path: &Path, text: &str) -> Vec<String> {
    let name = path.to_string_lossy();
    let mut findings = Vec::new();
    let lines = text.lines().count();
    let is_table = name.starts_with("crates/model/src/types/");
    if lines > LINES_MAX && !is_table {
        findings.push(format!(
            "{name} has {lines} lines, more than {LINES_MAX}: split it"
        ));
    }
    let is_test = name.contains("/tests/") || name.starts_with("fuzz/");
    // What follows the marker is test code, where the clock may be read.
    let product = text.split("#[cfg(test)]").next().unwrap_or(text);
    for (number, line) in product.lines().enumerate() {
        let code = line.split("//").next().unwrap_or(line);
        for (banned, excepted, reason) in BANNED {
            let is_excepted = excepted.iter().any(|prefix| name.starts_with(prefix));
            if code.contains(banned) && !is_excepted && !is_test && !name.starts_with("xtask/") {
                findings.push(format!(
                    "{name}:{}: '{banned}' is banned here: {reason}",
                    number + 1
                ));
            }
        }
    }
    findings
}

/// Links in Markdown that lead to no file of the tree, and links to lines, which rot.
fn links(root: &Path, path: &Path, text: &str) -> Vec<String> {
    let mut findings = Vec::new();
    for (_, rest) in text
        .match_indices("](")
        .map(|(at, _)| text.split_at(at + 2))
    {
        let Some((target, _)) = rest.split_once(')') else {
            continue;
        };
        if target.contains("://") || target.starts_with('#') || target.contains(char::is_whitespace)
        {
            continue;
        }
        let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
        if anchor.starts_with('L') && anchor[1..].chars().all(|c| c.is_ascii_digit()) {
            findings.push(format!("{}: link to a line: {target}", path.display()));
        }
        let folder = path.parent().unwrap_or(Path::new(""));
        if !root.join(folder).join(file).exists() {
            findings.push(format!("{}: dead link: {target}", path.display()));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tree_is_tidy() {
        if let Err(error) = check(&crate::root()) {
            panic!("{error:#}");
        }
    }

    #[test]
    fn a_crate_that_knows_too_much_is_found() {
        let metadata = serde_json::json!({ "packages": [
            { "name": "bheka-syntax", "dependencies": [
                { "name": "bheka-model", "kind": null },
                { "name": "bheka-lang", "kind": "dev" },
                { "name": "thiserror", "kind": null },
            ] },
            { "name": "bheka-attic", "dependencies": [] },
        ]});
        let findings = layering(&metadata);
        assert_eq!(findings.len(), 2, "{findings:?}");
        assert!(findings[0].contains("'syntax' must not know 'model'"));
        assert!(findings[1].contains("'attic' has no place"));
    }

    #[test]
    fn the_table_of_layers_has_no_cycle() {
        // Each crate may only use crates that stand above it in the table.
        for (position, (name, uses)) in LAYERS.iter().enumerate() {
            for used in *uses {
                let at = LAYERS.iter().position(|(layer, _)| layer == used);
                assert!(at.is_some_and(|at| at < position), "{name} uses {used}");
            }
        }
    }

    #[test]
    fn licences_are_judged_by_their_expression() {
        let allowed: BTreeSet<String> = ["MIT", "ISC"].map(str::to_owned).into();
        assert!(licence_is_allowed("MIT OR GPL-3.0", &allowed));
        assert!(licence_is_allowed("Apache-2.0/MIT", &allowed));
        assert!(licence_is_allowed("ISC AND (MIT OR MPL-2.0)", &allowed));
        assert!(!licence_is_allowed("ISC AND MPL-2.0", &allowed));
        assert!(!licence_is_allowed("", &allowed));
    }

    #[test]
    fn banned_calls_and_long_files_are_found() {
        let text = "fn now() { SystemTime::now(); }\n";
        assert_eq!(source(Path::new("crates/monitor/src/x.rs"), text).len(), 1);
        assert!(source(Path::new("crates/bheka/src/x.rs"), text).is_empty());
        let long = "\n".repeat(LINES_MAX + 1);
        assert_eq!(source(Path::new("crates/lang/src/x.rs"), &long).len(), 1);
    }
}
