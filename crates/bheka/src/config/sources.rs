//! The disk, as the language sees it.

use std::fs;
use std::path::Path;

use bheka_lang::{DirEntry, SourceError, Sources};

/// Files of this machine and the environment of this process.
#[derive(Debug, Clone, Copy)]
pub(crate) struct DiskSources;

/// Larger files are no configuration: a device or a mistaken path must not fill the memory.
const FILE_BYTES_MAX: u64 = 1 << 30;

impl Sources for DiskSources {
    fn read(&self, path: &str) -> Result<Vec<u8>, SourceError> {
        let data = fs::metadata(path)?;
        if data.is_file() && data.len() > FILE_BYTES_MAX {
            return Err(std::io::Error::from_raw_os_error(EFBIG).into());
        }
        Ok(fs::read(path)?)
    }

    fn is_file(&self, path: &str) -> bool {
        // Pipes and the like count: `-c /dev/stdin` works.
        fs::metadata(path).is_ok_and(|data| !data.is_dir())
    }

    fn list(&self, dir: &str) -> Result<Vec<DirEntry>, SourceError> {
        let mut entries = Vec::new();
        for entry in fs::read_dir(if dir.is_empty() { "." } else { dir })? {
            let entry = entry?;
            // A name that is not UTF-8 cannot be spelled in the language either.
            if let Ok(name) = entry.file_name().into_string() {
                let is_dir = Path::is_dir(&entry.path());
                entries.push(DirEntry { name, is_dir });
            }
        }
        Ok(entries)
    }

    fn env(&self, name: &str) -> Option<String> {
        std::env::var(name).ok()
    }
}

/// "File too large".
const EFBIG: i32 = 27;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_to_directories_are_directories() {
        let folder = tempfile::tempdir().expect("folder");
        let at = |name: &str| folder.path().join(name);
        fs::create_dir(at("real")).expect("directory");
        std::os::unix::fs::symlink("real", at("link")).expect("link");
        std::os::unix::fs::symlink("nowhere", at("dangling")).expect("link");
        fs::write(at("file"), "x").expect("file");
        let root = folder.path().to_str().expect("path");
        let mut entries = DiskSources.list(root).expect("list");
        entries.sort_by(|left, right| left.name.cmp(&right.name));
        let entries: Vec<(&str, bool)> = entries
            .iter()
            .map(|entry| (entry.name.as_str(), entry.is_dir))
            .collect();
        assert_eq!(
            entries,
            [
                ("dangling", false),
                ("file", false),
                ("link", true),
                ("real", true)
            ]
        );
        assert!(DiskSources.is_file(&format!("{root}/file")));
        assert!(!DiskSources.is_file(&format!("{root}/real")));
        assert_eq!(
            DiskSources
                .read(&format!("{root}/none"))
                .expect_err("none")
                .code(),
            2
        );
    }
}
