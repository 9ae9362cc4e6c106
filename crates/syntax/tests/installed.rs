//! The configuration that Debian's Icinga 2 packages install parses without a diagnostic.

use std::path::{Path, PathBuf};

fn files_below(directory: &Path, found: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(directory) else {
        return;
    };
    for entry in entries.flatten() {
        let path = entry.path();
        if path.is_dir() {
            files_below(&path, found);
        } else if is_configuration(&path) {
            found.push(path);
        }
    }
}

/// By name: `*.conf`, and the libraries without a suffix (`itl`, `plugins`, …).
fn is_configuration(path: &Path) -> bool {
    match path.extension() {
        Some(extension) => extension == "conf",
        None => path
            .parent()
            .is_some_and(|parent| parent.ends_with("icinga2/include")),
    }
}

#[test]
fn parses_without_diagnostics() {
    let mut found = Vec::new();
    files_below(Path::new("/usr/share/icinga2/include"), &mut found);
    files_below(Path::new("/etc/icinga2"), &mut found);
    if found.is_empty() {
        println!("skipped: icinga2-common is not installed");
        return;
    }
    for path in found {
        let Ok(bytes) = std::fs::read(&path) else {
            println!("skipped: {} is not readable for this user", path.display());
            continue;
        };
        let source = String::from_utf8_lossy(&bytes);
        let parsed = bheka_syntax::parse(&source);
        assert!(
            parsed.diagnostics.is_empty(),
            "{}: {:?}",
            path.display(),
            parsed.diagnostics
        );
    }
}
