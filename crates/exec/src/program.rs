//! Names: of programs on the search path, of signals, of command lines in logs.

use std::env;
use std::ffi::OsStr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

/// A command line as logs show it: each word in single quotes.
#[must_use]
pub fn quoted<S: AsRef<str>>(argv: &[S]) -> String {
    argv.iter()
        .map(|word| format!("'{}'", word.as_ref()))
        .collect::<Vec<_>>()
        .join(" ")
}

/// The system's name for a signal (`Terminated`), in English.
#[must_use]
pub fn signal_name(signal: i32) -> Option<&'static str> {
    Some(match signal {
        1 => "Hangup",
        2 => "Interrupt",
        3 => "Quit",
        4 => "Illegal instruction",
        5 => "Trace/breakpoint trap",
        6 => "Aborted",
        7 => "Bus error",
        8 => "Floating point exception",
        9 => "Killed",
        10 => "User defined signal 1",
        11 => "Segmentation fault",
        12 => "User defined signal 2",
        13 => "Broken pipe",
        14 => "Alarm clock",
        15 => "Terminated",
        16 => "Stack fault",
        17 => "Child exited",
        18 => "Continued",
        19 => "Stopped (signal)",
        20 => "Stopped",
        21 => "Stopped (tty input)",
        22 => "Stopped (tty output)",
        23 => "Urgent I/O condition",
        24 => "CPU time limit exceeded",
        25 => "File size limit exceeded",
        26 => "Virtual timer expired",
        27 => "Profiling timer expired",
        28 => "Window changed",
        29 => "I/O possible",
        30 => "Power failure",
        31 => "Bad system call",
        _ => return None,
    })
}

/// Where a program lies: as given when it holds a slash, else the first executable on the search
/// path; as given when there is none, so that starting it yields the system's error.
///
/// `PATH` of the program's own environment counts, as for `execvpe`. Looking here and not in the
/// standard library keeps `posix_spawn` in use when that variable is set.
pub(crate) fn locate(program: &str, search_path: Option<&str>) -> PathBuf {
    if program.is_empty() || program.contains('/') {
        return PathBuf::from(program);
    }
    let inherited;
    let search_path: &OsStr = match search_path {
        Some(given) => OsStr::new(given),
        None => {
            inherited = env::var_os("PATH").unwrap_or_else(|| DEFAULT_PATH.into());
            &inherited
        }
    };
    env::split_paths(search_path)
        .map(|folder| folder.join(program))
        .find(|candidate| is_executable(candidate))
        .unwrap_or_else(|| PathBuf::from(program))
}

fn is_executable(path: &Path) -> bool {
    path.metadata()
        .is_ok_and(|data| data.is_file() && data.permissions().mode() & 0o111 != 0)
}

/// What the C library searches when `PATH` is unset.
const DEFAULT_PATH: &str = "/bin:/usr/bin";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_programs_on_the_given_path_only() {
        assert_eq!(
            locate("sh", Some("/nonexistent:/bin")),
            Path::new("/bin/sh")
        );
        assert_eq!(locate("sh", Some("/nonexistent")), Path::new("sh"));
        assert_eq!(locate("./sh", Some("/bin")), Path::new("./sh"));
        assert!(locate("sh", None).is_absolute());
    }

    #[test]
    fn quotes_each_word() {
        assert_eq!(quoted(&["/bin/sh", "-c", "a b"]), "'/bin/sh' '-c' 'a b'");
    }
}
