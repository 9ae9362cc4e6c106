//! Directories for commands that need no daemon.
#![allow(dead_code, unreachable_pub, missing_docs)]

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

/// A configuration directory and what else a node needs, all temporary.
pub struct Place {
    pub root: TempDir,
}

/// What a command printed, and its exit code.
#[derive(Debug, PartialEq, Eq)]
pub struct Answer {
    pub out: String,
    pub code: i32,
}

impl Answer {
    /// The output without the times in front of the lines.
    pub fn lines(&self) -> Vec<String> {
        self.out
            .lines()
            .map(|line| match line.split_once("] ") {
                Some((time, rest)) if time.starts_with('[') => rest.to_owned(),
                _ => line.to_owned(),
            })
            .collect()
    }

    pub fn has(&self, line: &str) -> bool {
        self.lines().iter().any(|found| found == line)
    }
}

impl Place {
    pub fn new() -> Self {
        let root = tempfile::tempdir().expect("folder");
        // Icinga 2, started by root, becomes another user.
        let open = |path: &Path| {
            fs::set_permissions(path, fs::Permissions::from_mode(0o777)).expect("mode");
        };
        open(root.path());
        for name in ["conf", "data", "log", "cache", "spool", "run"] {
            fs::create_dir(root.path().join(name)).expect("folder");
            open(&root.path().join(name));
        }
        Self { root }
    }

    pub fn at(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    pub fn write(&self, name: &str, text: &str) -> String {
        let path = self.at(name);
        fs::create_dir_all(path.parent().expect("parent")).expect("folder");
        fs::write(&path, text).expect("file");
        path.display().to_string()
    }

    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.at(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    pub fn mode(&self, name: &str) -> u32 {
        fs::metadata(self.at(name))
            .expect(name)
            .permissions()
            .mode()
            & 0o777
    }

    pub fn defines(&self) -> Vec<String> {
        let dir = |constant: &str, name: &str| format!("-D{constant}={}", self.at(name).display());
        vec![
            dir("ConfigDir", "conf"),
            dir("DataDir", "data"),
            dir("LogDir", "log"),
            dir("CacheDir", "cache"),
            dir("SpoolDir", "spool"),
            dir("InitRunDir", "run"),
        ]
    }

    pub fn run_with(&self, program: &str, words: &[&str], input: &str) -> Answer {
        let mut child = Command::new(program)
            .args(words)
            .args(self.defines())
            .current_dir(self.root.path())
            .env("HOME", self.root.path())
            .env_remove("BHEKA_ICINGA2")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("program");
        let mut stdin = child.stdin.take().expect("stdin");
        // The program need not read it.
        let _ = stdin.write_all(input.as_bytes());
        drop(stdin);
        let output = child.wait_with_output().expect("output");
        Answer {
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            code: output.status.code().unwrap_or(-1),
        }
    }

    pub fn bheka(&self, words: &[&str]) -> Answer {
        self.bheka_with(words, "")
    }

    pub fn bheka_with(&self, words: &[&str], input: &str) -> Answer {
        // Tests that root runs must not become another user.
        let words: Vec<&str> = words.iter().copied().chain(["-DRunAsUser="]).collect();
        self.run_with(env!("CARGO_BIN_EXE_bheka"), &words, input)
    }

    pub fn icinga2(&self, words: &[&str]) -> Answer {
        self.run_with("icinga2", words, "")
    }
}
