//! Another key for a node that has one already.
//!
//! A new key means a new certificate, and both must come into use together. They lie beside those
//! in use (`<name>.key.new`, `<name>.crt.new`) until they are complete; then they take their
//! places, and the pair of before stays as `.bak`. Two files cannot be replaced in one step: a
//! process that is killed between the two leaves the new key with the old certificate, and the new
//! certificate still beside. That is recognised wherever the pair is read
//! ([`crate::IdentityParts::read`]), and put right by [`NextPair::finish`].

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::{Certificate, Mode, PkiError, PrivateKey, files};
use crate::IdentityFiles;

/// The key and certificate that are to replace those in use.
#[derive(Clone, Debug)]
pub struct NextPair {
    key: Places,
    certificate: Places,
}

#[derive(Clone, Debug)]
struct Places {
    used: PathBuf,
    next: PathBuf,
    before: PathBuf,
}

impl Places {
    fn new(used: &Path) -> Self {
        let beside = |ending: &str| {
            let mut name: OsString = used.as_os_str().to_owned();
            name.push(ending);
            PathBuf::from(name)
        };
        Self {
            used: used.to_owned(),
            next: beside(".new"),
            before: beside(".bak"),
        }
    }

    fn keep_before(&self, mode: Mode) -> Result<(), PkiError> {
        let content = files::read(&self.used, "file")?;
        files::write_atomic(&self.before, &content, mode)
    }

    fn take_place(&self) -> Result<(), PkiError> {
        fs::rename(&self.next, &self.used).map_err(|cause| PkiError::Io {
            action: "rename",
            path: self.next.clone(),
            cause,
        })
    }
}

impl NextPair {
    /// The next pair of a node with these files.
    #[must_use]
    pub fn of(files: &IdentityFiles) -> Self {
        Self {
            key: Places::new(&files.key),
            certificate: Places::new(&files.certificate),
        }
    }

    /// Where the next key waits for its certificate.
    #[must_use]
    pub fn key_path(&self) -> &Path {
        &self.key.next
    }

    /// Where the key and certificate that were in use before are kept.
    #[must_use]
    pub fn paths_before(&self) -> (&Path, &Path) {
        (&self.key.before, &self.certificate.before)
    }

    /// The next key, when there is one.
    ///
    /// # Errors
    /// When its file is unreadable.
    pub fn key(&self) -> Result<Option<PrivateKey>, PkiError> {
        match PrivateKey::read(&self.key.next) {
            Ok(key) => Ok(Some(key)),
            Err(PkiError::Io { cause, .. }) if cause.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Writes the next key, with mode 0600. What is in use stays.
    ///
    /// # Errors
    /// When the file can't be written.
    pub fn save_key(&self, key: &PrivateKey) -> Result<(), PkiError> {
        key.write(&self.key.next)
    }

    /// Whether the certificate is the one that the next key waits for: it is for that key, and for
    /// the subject of the certificate in use.
    ///
    /// # Errors
    /// When a file is unreadable.
    pub fn awaits(&self, certificate: &Certificate) -> Result<bool, PkiError> {
        let Some(key) = self.key()? else {
            return Ok(false);
        };
        let own = Certificate::read(&self.certificate.used)?;
        Ok(certificate.public_key_der() == key.public_key_der()
            && certificate.subject_der() == own.subject_der())
    }

    /// Puts the next key and its certificate in the places of those in use, which are kept. On an
    /// error those in use are what they were.
    ///
    /// # Errors
    /// When it is not the awaited certificate, or a file can't be written.
    pub fn install(&self, certificate: &Certificate) -> Result<(), PkiError> {
        if !self.awaits(certificate)? {
            return Err(PkiError::Refused(format!(
                "certificate '{}' is not the one for the new key in '{}'",
                certificate.subject(),
                self.key.next.display()
            )));
        }
        let prepared = certificate
            .write(&self.certificate.next)
            .and_then(|()| self.key.keep_before(Mode::Secret))
            .and_then(|()| self.certificate.keep_before(Mode::Public))
            .and_then(|()| self.key.take_place());
        if let Err(error) = prepared {
            let _ = fs::remove_file(&self.certificate.next);
            return Err(error);
        }
        // From here on the new pair is in use, whatever happens, unless it is undone.
        if let Err(error) = self.certificate.take_place() {
            self.undo()?;
            return Err(error);
        }
        files::sync_directory_of(&self.certificate.used);
        Ok(())
    }

    /// The key of before comes back, the next one waits again.
    fn undo(&self) -> Result<(), PkiError> {
        let next = files::read(&self.key.used, "private key")?;
        files::write_atomic(&self.key.next, &next, Mode::Secret)?;
        let before = files::read(&self.key.before, "private key")?;
        files::write_atomic(&self.key.used, &before, Mode::Secret)?;
        let _ = fs::remove_file(&self.certificate.next);
        Ok(())
    }

    /// The certificate of the key in use that an interrupted [`Self::install`] left beside.
    pub(crate) fn left_behind(&self, key: &PrivateKey) -> Option<Certificate> {
        let next = Certificate::read(&self.certificate.next).ok()?;
        (next.public_key_der() == key.public_key_der()).then_some(next)
    }

    /// Ends an [`Self::install`] that was interrupted between its two steps. Yields whether there
    /// was one.
    ///
    /// # Errors
    /// When a file can't be written.
    pub fn finish(&self) -> Result<bool, PkiError> {
        let (Ok(key), Ok(certificate)) = (
            PrivateKey::read(&self.key.used),
            Certificate::read(&self.certificate.used),
        ) else {
            return Ok(false);
        };
        if certificate.public_key_der() == key.public_key_der() || self.left_behind(&key).is_none()
        {
            return Ok(false);
        }
        self.certificate.take_place()?;
        files::sync_directory_of(&self.certificate.used);
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt as _;

    use bheka_value::Timestamp;

    use super::*;
    use crate::pki::{CertificateAuthority, KeyKind};
    use crate::{Identity, TlsSettings};

    const NOW: Timestamp = Timestamp(1_795_416_106.0);

    struct Stage {
        directory: tempfile::TempDir,
        files: IdentityFiles,
        authority: CertificateAuthority,
        old: (Certificate, PrivateKey),
        new: (Certificate, PrivateKey),
    }

    impl Stage {
        fn new() -> Self {
            let directory = tempfile::tempdir().unwrap();
            let files = IdentityFiles::in_directory(directory.path(), "node");
            let authority = CertificateAuthority::generate(KeyKind::EcP256, NOW).unwrap();
            authority.certificate().write(&files.ca).unwrap();
            let key = PrivateKey::generate(KeyKind::EcP256).unwrap();
            let old = (authority.issue("node", &key, NOW).unwrap(), key);
            old.0.write(&files.certificate).unwrap();
            old.1.write(&files.key).unwrap();
            let key = PrivateKey::generate(KeyKind::EcP256).unwrap();
            let new = (authority.reissue(&old.0, &key, NOW).unwrap(), key);
            Self {
                directory,
                files,
                authority,
                old,
                new,
            }
        }

        fn next(&self) -> NextPair {
            NextPair::of(&self.files)
        }

        /// The certificate that a start would use.
        fn used(&self) -> Certificate {
            let identity = Identity::load(&self.files, TlsSettings::default()).unwrap();
            identity.certificate().unwrap()
        }

        fn names(&self) -> Vec<String> {
            let entries = fs::read_dir(self.directory.path()).unwrap();
            let mut names: Vec<String> = entries
                .map(|entry| entry.unwrap().file_name().into_string().unwrap())
                .collect();
            names.sort();
            names
        }
    }

    #[test]
    fn the_pair_of_before_is_kept() {
        let stage = Stage::new();
        let next = stage.next();
        assert!(next.key().unwrap().is_none());
        assert!(!next.awaits(&stage.new.0).unwrap());
        next.install(&stage.new.0).unwrap_err();
        next.save_key(&stage.new.1).unwrap();
        assert!(next.awaits(&stage.new.0).unwrap());
        assert_eq!(stage.used(), stage.old.0);
        next.install(&stage.new.0).unwrap();
        assert_eq!(stage.used(), stage.new.0);
        assert_eq!(
            stage.names(),
            [
                "ca.crt",
                "node.crt",
                "node.crt.bak",
                "node.key",
                "node.key.bak"
            ]
        );
        let (key, certificate) = next.paths_before();
        assert_eq!(Certificate::read(certificate).unwrap(), stage.old.0);
        let before = PrivateKey::read(key).unwrap();
        assert_eq!(before.public_key_der(), stage.old.1.public_key_der());
        for file in [key, stage.files.key.as_path()] {
            assert_eq!(fs::metadata(file).unwrap().mode() & 0o777, 0o600);
        }
        assert!(!next.finish().unwrap());
    }

    #[test]
    fn certificates_of_others_are_refused() {
        let stage = Stage::new();
        let next = stage.next();
        next.save_key(&stage.new.1).unwrap();
        let other = stage.authority.issue("other", &stage.new.1, NOW).unwrap();
        for wrong in [&other, &stage.old.0] {
            assert!(!next.awaits(wrong).unwrap());
            let error = next.install(wrong).unwrap_err();
            assert!(error.to_string().contains("is not the one for"), "{error}");
        }
        assert_eq!(stage.used(), stage.old.0);
        assert_eq!(
            stage.names(),
            ["ca.crt", "node.crt", "node.key", "node.key.new"]
        );
    }

    #[test]
    fn an_interrupted_change_counts_and_is_ended() {
        let stage = Stage::new();
        let next = stage.next();
        // As it is when the process is killed between the two steps.
        next.save_key(&stage.new.1).unwrap();
        stage.new.0.write(&next.certificate.next).unwrap();
        assert!(!next.finish().unwrap(), "nothing has begun yet");
        assert_eq!(stage.used(), stage.old.0);
        next.key.take_place().unwrap();
        assert_eq!(stage.used(), stage.new.0, "read as a pair");
        assert!(next.finish().unwrap());
        assert_eq!(stage.names(), ["ca.crt", "node.crt", "node.key"]);
        assert_eq!(stage.used(), stage.new.0);
        assert!(!next.finish().unwrap());
    }

    #[test]
    fn a_failure_in_between_changes_nothing() {
        // The certificate's place cannot be taken when a directory is there: first for its copy,
        // then for itself.
        let stage = Stage::new();
        let next = stage.next();
        next.save_key(&stage.new.1).unwrap();
        fs::create_dir(&next.certificate.before).unwrap();
        next.install(&stage.new.0).unwrap_err();
        assert_eq!(stage.used(), stage.old.0);
        assert!(next.awaits(&stage.new.0).unwrap(), "it can be tried again");
        fs::remove_dir(&next.certificate.before).unwrap();
        next.key.keep_before(Mode::Secret).unwrap();
        next.key.take_place().unwrap();
        next.undo().unwrap();
        assert_eq!(stage.used(), stage.old.0);
        assert!(next.awaits(&stage.new.0).unwrap());
        next.install(&stage.new.0).unwrap();
        assert_eq!(stage.used(), stage.new.0);
    }
}
