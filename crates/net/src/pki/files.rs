//! Files of the certificate store: modes as Icinga 2 sets them, written atomically.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use super::PkiError;

/// Who may read a file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mode {
    /// 0600: keys, tickets, requests.
    Secret,
    /// 0644: certificates.
    Public,
}

impl Mode {
    const fn bits(self) -> u32 {
        match self {
            Self::Secret => 0o600,
            Self::Public => 0o644,
        }
    }
}

/// Writes a file so that a reader sees the old or the new content and never a part, also after a
/// crash: temporary neighbour, `fsync`, rename, `fsync` of the directory.
///
/// # Errors
/// When the directory can't be written.
pub fn write_atomic(path: &Path, content: &[u8], mode: Mode) -> Result<(), PkiError> {
    static COUNTER: AtomicU64 = AtomicU64::new(0);
    let number = COUNTER.fetch_add(1, Ordering::Relaxed);
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(format!(".{}.{number}.tmp", std::process::id()));
    let temporary = path.with_file_name(name);
    let result = write_and_rename(path, &temporary, content, mode);
    if result.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    result.map_err(|cause| PkiError::Io {
        action: "write",
        path: path.to_owned(),
        cause,
    })
}

fn write_and_rename(path: &Path, temporary: &Path, content: &[u8], mode: Mode) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode.bits())
        .open(temporary)?;
    // The mode of creation is subject to the umask; this is not.
    file.set_permissions(fs::Permissions::from_mode(mode.bits()))?;
    file.write_all(content)?;
    file.sync_all()?;
    fs::rename(temporary, path)?;
    sync_directory_of(path);
    Ok(())
}

/// Makes what was renamed in the directory of a file last over a crash. Some file systems refuse
/// to sync a directory; the content is safe already.
pub(crate) fn sync_directory_of(path: &Path) {
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let _ = File::open(directory).and_then(|directory| directory.sync_all());
}

/// Makes a directory and its parents with mode 0700, as `ca`, `certs` and `certificate-requests`
/// have it; one that exists stays as it is.
///
/// # Errors
/// When it can't be made.
pub fn create_private_dir(path: &Path) -> Result<(), PkiError> {
    if path.is_dir() {
        return Ok(());
    }
    if let Some(parent) = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty())
    {
        fs::create_dir_all(parent).map_err(|cause| PkiError::Io {
            action: "create directory",
            path: parent.to_owned(),
            cause,
        })?;
    }
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(|cause| PkiError::Io {
            action: "create directory",
            path: path.to_owned(),
            cause,
        })
}

/// Reads a whole file of at most 16 MiB.
pub(crate) fn read(path: &Path, what: &'static str) -> Result<Vec<u8>, PkiError> {
    const BYTES_MAX: u64 = 16 * 1024 * 1024;
    let io = |cause| PkiError::Io {
        action: "read",
        path: path.to_owned(),
        cause,
    };
    let metadata = fs::metadata(path).map_err(io)?;
    if metadata.len() > BYTES_MAX {
        return Err(PkiError::Malformed(format!(
            "{what} '{}' is too large",
            path.display()
        )));
    }
    fs::read(path).map_err(io)
}
