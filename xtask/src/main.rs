//! Checks and chores of the project.
//!
//! * `cargo xtask test`: installs what the tests need (as root on Debian; otherwise names it),
//!   then runs every check and all tests. This is what CI runs.
//! * `cargo xtask docs`: writes `docs/objects.md` from the table of types.
//! * `cargo xtask fuzz-seeds`: writes seed corpora for the fuzz targets from the golden cases.
//! * `cargo xtask tidy`: layering, file lengths, banned calls, licences, dead links.

mod packages;
mod seeds;
mod tidy;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Instant;

use anyhow::{Context as _, bail};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let outcome = match arguments
        .iter()
        .map(String::as_str)
        .collect::<Vec<_>>()
        .as_slice()
    {
        ["test"] => test(),
        ["docs"] => docs(&root()),
        ["fuzz-seeds"] => seeds::write(&root()),
        ["tidy"] => tidy::check(&root()).map(|()| println!("tidy: everything in its place")),
        _ => {
            eprintln!("usage: cargo xtask test | docs | fuzz-seeds | tidy");
            return ExitCode::from(2);
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// The workspace's folder.
fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_path_buf()
}

/// Writes what is made of the program's own tables.
fn docs(root: &Path) -> anyhow::Result<()> {
    let path = root.join("docs/objects.md");
    std::fs::write(&path, bheka_model::type_reference())
        .with_context(|| format!("cannot write {}", path.display()))?;
    println!("written: {}", path.display());
    Ok(())
}

fn test() -> anyhow::Result<()> {
    let started = Instant::now();
    let left_out = packages::provide();
    tidy::check(&root()).context("tidy")?;
    println!("tidy: everything in its place");
    if has_component("fmt") {
        cargo(&["fmt", "--all", "--check"])?;
    } else {
        println!("left out: formatting (add it with: rustup component add rustfmt)");
    }
    // Everything is built once, with all targets, before anything runs.
    // Newer compilers know more lints; those are for whoever moves the project there.
    let deny = if compiler_minor().is_some_and(|minor| minor <= CHECKED_MINOR) {
        "warnings"
    } else {
        println!("this compiler is newer than 1.{CHECKED_MINOR}: warnings are shown, not errors");
        "unsafe_code"
    };
    if has_component("clippy") {
        cargo(&[
            "clippy",
            "--workspace",
            "--all-targets",
            "--locked",
            "--",
            "-D",
            deny,
        ])?;
    } else {
        println!("left out: lints (add them with: rustup component add clippy)");
    }
    cargo_with(
        &[
            "doc",
            "--workspace",
            "--no-deps",
            "--locked",
            "--document-private-items",
        ],
        &[(
            "RUSTDOCFLAGS",
            if deny == "warnings" {
                "-D warnings"
            } else {
                ""
            },
        )],
    )?;
    // Debian's users do not have the folder of `icinga2` in their path.
    let path = std::env::var("PATH").unwrap_or_default() + ":/usr/sbin:/sbin";
    cargo_with(&["test", "--workspace", "--locked"], &[("PATH", &path)])?;
    println!("all tests passed in {} s", started.elapsed().as_secs());
    for what in left_out {
        println!("left out: {what}");
    }
    Ok(())
}

/// The minor version of the compiler with which the project is checked.
const CHECKED_MINOR: u32 = 95;

fn compiler_minor() -> Option<u32> {
    let output = Command::new("rustc").arg("--version").output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.split_whitespace()
        .nth(1)?
        .split('.')
        .nth(1)?
        .parse()
        .ok()
}

fn has_component(name: &str) -> bool {
    Command::new(cargo_program())
        .args([name, "--version"])
        .output()
        .is_ok_and(|output| output.status.success())
}

fn cargo(arguments: &[&str]) -> anyhow::Result<()> {
    cargo_with(arguments, &[])
}

fn cargo_with(arguments: &[&str], variables: &[(&str, &str)]) -> anyhow::Result<()> {
    println!("$ cargo {}", arguments.join(" "));
    std::io::stdout()
        .flush()
        .context("cannot write to the terminal")?;
    let status = Command::new(cargo_program())
        .args(arguments)
        .envs(variables.iter().copied())
        .current_dir(root())
        .status()
        .context("cannot start cargo")?;
    if !status.success() {
        bail!("'cargo {}' ended with {status}", arguments.join(" "));
    }
    Ok(())
}

fn cargo_program() -> String {
    std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned())
}
