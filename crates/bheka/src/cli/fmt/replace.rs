//! A file, read as a whole and replaced as a whole: what reads it meanwhile sees the old text or
//! the new one.

use std::fs::{self, Metadata};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, fchown};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use rustix::fs::XattrFlags;
use rustix::io::Errno;

/// A file as it was read.
pub(super) struct File {
    /// Where it is; no link.
    path: PathBuf,
    was: Metadata,
    /// What is in it.
    pub(super) bytes: Vec<u8>,
}

impl File {
    /// Reads a file; a link is followed.
    pub(super) fn read(path: &Path) -> anyhow::Result<Self> {
        let path = path.canonicalize()?;
        if !fs::metadata(&path)?.is_file() {
            // Opening a pipe would wait for its other end.
            bail!("it is no regular file");
        }
        let mut file = fs::File::open(&path)?;
        let was = file.metadata()?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        Ok(Self { path, was, bytes })
    }

    /// Puts a new file in its place that has the same owner, mode and extended attributes.
    pub(super) fn replace(&self, text: &str) -> anyhow::Result<()> {
        if self.was.nlink() > 1 {
            bail!(
                "it has {} names (hard links), and the others would keep the old text; format a \
                 copy and put it in place by hand",
                self.was.nlink()
            );
        }
        let directory = self.path.parent().unwrap_or(Path::new("/"));
        // The name is one that no `include` matches.
        let mut new = tempfile::Builder::new()
            .prefix(".bheka-fmt-")
            .tempfile_in(directory)
            .context("cannot make a file beside it")?;
        new.write_all(text.as_bytes())?;
        self.dress(new.as_file())?;
        new.as_file().sync_all()?;
        if !is_same(&self.was, &fs::metadata(&self.path)?) {
            bail!("it was changed by somebody else just now; format it again");
        }
        new.persist(&self.path)?;
        // The new name must be on the disk, too; where that cannot be asked for, it will be soon.
        let _ = fs::File::open(directory).and_then(|directory| directory.sync_all());
        Ok(())
    }

    /// Gives the new file all that the old one has beside its text.
    fn dress(&self, new: &fs::File) -> anyhow::Result<()> {
        let is = new.metadata()?;
        if (is.uid(), is.gid()) != (self.was.uid(), self.was.gid()) {
            fchown(new, Some(self.was.uid()), Some(self.was.gid()))
                .context("cannot keep its owner and group")?;
        }
        let mode = fs::Permissions::from_mode(self.was.mode() & 0o7777);
        new.set_permissions(mode).context("cannot keep its mode")?;
        self.copy_attributes(new)
            .context("cannot keep its extended attributes")
    }

    /// Access lists and labels are extended attributes.
    fn copy_attributes(&self, new: &fs::File) -> io::Result<()> {
        let old = fs::File::open(&self.path)?;
        let names = match whole(|buffer| rustix::fs::flistxattr(&old, buffer)) {
            Ok(names) => names,
            // This file system has none.
            Err(Errno::NOTSUP) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        for name in names.split(|byte| *byte == 0).filter(|it| !it.is_empty()) {
            let value = whole(|buffer| rustix::fs::fgetxattr(&old, name, buffer))?;
            let present = whole(|buffer| rustix::fs::fgetxattr(new, name, buffer));
            if present.as_ref() != Ok(&value) {
                rustix::fs::fsetxattr(new, name, &value, XattrFlags::empty())?;
            }
        }
        Ok(())
    }
}

/// Calls `read` with a buffer that is large enough.
fn whole(read: impl Fn(&mut [u8]) -> rustix::io::Result<usize>) -> rustix::io::Result<Vec<u8>> {
    // The kernel's limit for a list and for a value.
    const BYTES_MAX: usize = 64 << 10;
    let mut buffer = vec![0; BYTES_MAX];
    let length = read(&mut buffer)?;
    buffer.truncate(length);
    Ok(buffer)
}

fn is_same(was: &Metadata, is: &Metadata) -> bool {
    let marks = |it: &Metadata| {
        (
            (it.dev(), it.ino(), it.size()),
            (it.mtime(), it.mtime_nsec(), it.ctime(), it.ctime_nsec()),
        )
    };
    marks(was) == marks(is)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(text: &str) -> (tempfile::TempDir, PathBuf) {
        let root = tempfile::tempdir().expect("folder");
        let path = root.path().join("a.conf");
        fs::write(&path, text).expect("file");
        (root, path)
    }

    #[test]
    fn a_file_that_changed_meanwhile_is_left_alone() {
        let (root, path) = place("old");
        let file = File::read(&path).expect("readable");
        fs::write(&path, "of somebody else").expect("file");
        let error = file.replace("new").expect_err("refused");
        assert!(error.to_string().contains("changed by somebody"), "{error}");
        assert_eq!(fs::read(&path).expect("file"), b"of somebody else");
        assert_eq!(fs::read_dir(root.path()).expect("folder").count(), 1);
    }

    #[test]
    fn a_file_that_was_replaced_meanwhile_is_left_alone() {
        let (root, path) = place("old");
        let file = File::read(&path).expect("readable");
        let other = root.path().join("other");
        fs::write(&other, "old").expect("file");
        fs::rename(&other, &path).expect("rename");
        assert!(file.replace("new").is_err());
        assert_eq!(fs::read(&path).expect("file"), b"old");
    }

    #[test]
    fn extended_attributes_stay() {
        let (_root, path) = place("old");
        let set = rustix::fs::setxattr(&path, "user.note", b"mine", XattrFlags::empty());
        if set.is_err() {
            eprintln!("extended_attributes_stay: left out, because this file system has none");
            return;
        }
        let file = File::read(&path).expect("readable");
        file.replace("new").expect("replaced");
        assert_eq!(fs::read(&path).expect("file"), b"new");
        let value = whole(|buffer| rustix::fs::getxattr(&path, "user.note", buffer));
        assert_eq!(value.as_deref(), Ok(&b"mine"[..]));
    }
}
