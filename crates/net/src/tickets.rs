//! Session tickets for peers that dial us: what lets them come back without a new proof of who
//! they are costing a signature on either side.
//!
//! A ticket is the session itself, encrypted so that only this node can read it; idle peers cost
//! no memory here. The keys derive from secrets that lie in a file, so tickets of before a restart
//! are good after it, and a fleet that returns at once returns cheaply. They derive from the own
//! certificate and authority as well, so that a new certificate voids all tickets: each peer must
//! see it.
//!
//! *Who may come back* is not decided here: the certificates that the peer showed at first are in
//! its ticket, and are judged anew on each connection (see [`crate::Identity::judge`]).
//!
//! *What the file is worth to a thief:* whoever reads it can decrypt what was recorded of resumed
//! TLS 1.2 connections while its secrets were in use, and pose as a peer whose ticket he forges.
//! So it is for its owner alone, one that others may read is replaced, and secrets change every
//! few hours.

use std::fmt;
use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Salt};
use aws_lc_rs::rand;
use bheka_value::{Timestamp, Value, from_json, to_json};
use rustls::server::ProducesTickets;

use crate::pki::{Mode, PkiError, write_atomic};

/// A secret makes new tickets for this long.
const ROTATION_S: f64 = 6.0 * 3600.0;
/// What peers are told of how long a ticket is good.
const LIFETIME_S: u32 = 12 * 3600;
const SECRET_LEN: usize = 32;
const KEY_LEN: usize = 32;
/// The first bytes of a ticket tell which key made it.
const NAME_LEN: usize = 16;
/// A session with a long chain of certificates; what is larger gets no ticket.
const SESSION_BYTES_MAX: usize = 24 * 1024;
/// The file is far smaller.
const FILE_BYTES_MAX: u64 = 4096;

/// The secrets behind the keys of session tickets: the one in use and the one before.
pub struct TicketKeys {
    file: Option<PathBuf>,
    secrets: ArcSwap<Secrets>,
    rotating: Mutex<()>,
}

#[derive(Clone)]
struct Secrets {
    current: Secret,
    previous: Option<Secret>,
}

#[derive(Clone)]
struct Secret {
    /// When it came into use.
    since: Timestamp,
    bytes: [u8; SECRET_LEN],
}

impl TicketKeys {
    /// Secrets that end with the process.
    ///
    /// # Errors
    /// When the system gives no randomness.
    pub fn in_memory() -> Result<Self, PkiError> {
        // Without a clock they count as old, so the first rotation replaces them.
        Ok(Self::new(None, Secrets::generate(Timestamp(0.0))?))
    }

    /// Secrets in a file. One that is missing is made. One that is damaged, or that others may
    /// read, is made anew, which costs the peers a full handshake; that, and a file that cannot be
    /// written, is told in the text beside. Blocks for the disk.
    ///
    /// # Errors
    /// When the system gives no randomness.
    pub fn open(file: &Path, now: Timestamp) -> Result<(Self, Option<String>), PkiError> {
        let (found, mut warning) = match read(file) {
            Ok(found) => (found, None),
            Err(reason) => {
                let text = format!(
                    "the keys of session tickets in '{}' {reason}; new ones are made, peers that \
                     come back need a full handshake once",
                    file.display()
                );
                (None, Some(text))
            }
        };
        let is_new = found.is_none();
        let secrets = match found {
            Some(secrets) => secrets,
            None => Secrets::generate(now)?,
        };
        let keys = Self::new(Some(file.to_owned()), secrets);
        let saved = if is_new {
            keys.save()
        } else {
            keys.rotate(now).map(drop)
        };
        if let Err(error) = saved {
            warning = Some(format!(
                "{error}; the keys of session tickets end with this process"
            ));
        }
        Ok((keys, warning))
    }

    fn new(file: Option<PathBuf>, secrets: Secrets) -> Self {
        Self {
            file,
            secrets: ArcSwap::from_pointee(secrets),
            rotating: Mutex::default(),
        }
    }

    /// Takes a new secret into use when the present one is six hours old; to be called every hour.
    /// Tickets of the present one stay good until the next time, so each lives for six to fourteen
    /// hours. Yields whether it did. Blocks for the disk.
    ///
    /// # Errors
    /// When the file can't be written (the new secret is in use nonetheless), or the system gives
    /// no randomness.
    pub fn rotate(&self, now: Timestamp) -> Result<bool, PkiError> {
        let _one_at_a_time = self.rotating.lock().unwrap_or_else(PoisonError::into_inner);
        let before = self.secrets.load_full();
        // A clock that was set back must not keep a secret in use for years.
        let age = (now - before.current.since).abs();
        if age < ROTATION_S {
            return Ok(false);
        }
        let fresh = Secrets::generate(now)?;
        self.secrets.store(Arc::new(Secrets {
            // After a long rest nobody holds a ticket that is still good.
            previous: (age < f64::from(LIFETIME_S)).then(|| before.current.clone()),
            ..fresh
        }));
        self.save()?;
        Ok(true)
    }

    fn save(&self) -> Result<(), PkiError> {
        match &self.file {
            Some(file) => {
                write_atomic(file, self.secrets.load().to_text().as_bytes(), Mode::Secret)
            }
            None => Ok(()),
        }
    }
}

impl fmt::Debug for TicketKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TicketKeys({:?})", self.file)
    }
}

impl Secrets {
    fn generate(now: Timestamp) -> Result<Self, PkiError> {
        let mut bytes = [0; SECRET_LEN];
        rand::fill(&mut bytes)
            .map_err(|_| PkiError::Crypto("the system gives no randomness".into()))?;
        Ok(Self {
            current: Secret { since: now, bytes },
            previous: None,
        })
    }

    fn to_text(&self) -> String {
        let entry = |secret: &Secret| {
            Value::dictionary([
                ("since", Value::Number(secret.since.seconds())),
                ("secret", Value::from(to_hex(&secret.bytes))),
            ])
        };
        let all = std::iter::once(&self.current).chain(&self.previous);
        to_json(&Value::dictionary([
            ("version", Value::Number(1.0)),
            ("secrets", Value::array(all.map(entry))),
        ]))
    }

    fn from_text(text: &[u8]) -> Option<Self> {
        let value = from_json(text).ok()?;
        let fields = value.as_dictionary()?;
        if fields.get("version")?.to_number()? != 1.0 {
            return None;
        }
        let mut secrets = Vec::new();
        for entry in fields.get("secrets")?.as_array()?.items() {
            let entry = entry.as_dictionary()?;
            let since = entry
                .get("since")?
                .to_number()
                .filter(|it| it.is_finite())?;
            secrets.push(Secret {
                since: Timestamp(since),
                bytes: from_hex(entry.get("secret")?.as_str()?)?,
            });
        }
        let mut secrets = secrets.into_iter();
        let all = Self {
            current: secrets.next()?,
            previous: secrets.next(),
        };
        secrets.next().is_none().then_some(all)
    }
}

/// The secrets of a file; none when there is no file. The error says what is wrong with it.
fn read(path: &Path) -> Result<Option<Secrets>, String> {
    let unreadable = |error: io::Error| format!("cannot be read ({error})");
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unreadable(error)),
    };
    let metadata = file.metadata().map_err(unreadable)?;
    if metadata.mode() & 0o077 != 0 {
        return Err("may be read by others than their owner".to_owned());
    }
    let mut text = Vec::new();
    file.take(FILE_BYTES_MAX)
        .read_to_end(&mut text)
        .map_err(unreadable)?;
    match Secrets::from_text(&text) {
        Some(secrets) => Ok(Some(secrets)),
        None => Err("are damaged".to_owned()),
    }
}

fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn from_hex(text: &str) -> Option<[u8; SECRET_LEN]> {
    let digits: Option<Vec<u8>> = text
        .chars()
        .map(|digit| {
            digit
                .to_digit(16)
                .and_then(|digit| u8::try_from(digit).ok())
        })
        .collect();
    let bytes: Vec<u8> = digits?
        .chunks(2)
        .map(|pair| pair.iter().fold(0, |byte, digit| byte << 4 | digit))
        .collect();
    (text.len() == 2 * SECRET_LEN)
        .then(|| bytes.try_into().ok())
        .flatten()
}

/// Makes and reads the tickets of one certificate.
pub(crate) struct Ticketer {
    keys: Arc<TicketKeys>,
    /// Stands for certificate and authority.
    binding: Vec<u8>,
    derived: ArcSwap<Derived>,
}

/// The keys of a pair of secrets.
struct Derived {
    of: Arc<Secrets>,
    current: Option<TicketKey>,
    previous: Option<TicketKey>,
}

struct TicketKey {
    name: [u8; NAME_LEN],
    key: RandomizedNonceKey,
}

impl Ticketer {
    /// `binding` is whatever must be the same for a ticket to be good.
    pub(crate) fn new(keys: Arc<TicketKeys>, binding: Vec<u8>) -> Self {
        let derived = Derived::new(keys.secrets.load_full(), &binding);
        Self {
            derived: ArcSwap::from_pointee(derived),
            keys,
            binding,
        }
    }

    fn derived(&self) -> Arc<Derived> {
        let secrets = self.keys.secrets.load_full();
        let derived = self.derived.load_full();
        if Arc::ptr_eq(&derived.of, &secrets) {
            return derived;
        }
        let derived = Arc::new(Derived::new(secrets, &self.binding));
        self.derived.store(Arc::clone(&derived));
        derived
    }
}

impl Derived {
    fn new(of: Arc<Secrets>, binding: &[u8]) -> Self {
        let derive = |secret: &Secret| TicketKey::derive(&secret.bytes, binding);
        Self {
            current: derive(&of.current),
            previous: of.previous.as_ref().and_then(derive),
            of,
        }
    }
}

impl TicketKey {
    fn derive(secret: &[u8], binding: &[u8]) -> Option<Self> {
        struct Length;
        impl KeyType for Length {
            fn len(&self) -> usize {
                KEY_LEN + NAME_LEN
            }
        }
        let mut bytes = [0; KEY_LEN + NAME_LEN];
        Salt::new(HKDF_SHA256, b"bheka session tickets 1")
            .extract(secret)
            .expand(&[binding], Length)
            .and_then(|okm| okm.fill(&mut bytes))
            .ok()?;
        let (key, name) = bytes.split_at(KEY_LEN);
        Some(Self {
            name: name.try_into().ok()?,
            key: RandomizedNonceKey::new(&AES_256_GCM, key).ok()?,
        })
    }

    /// Name, nonce, encrypted session with its tag.
    fn seal(&self, session: &[u8]) -> Option<Vec<u8>> {
        let mut sealed = session.to_vec();
        let nonce = self
            .key
            .seal_in_place_append_tag(Aad::from(&self.name), &mut sealed)
            .ok()?;
        Some([&self.name, nonce.as_ref().as_slice(), &sealed].concat())
    }

    fn open(&self, ticket: &[u8]) -> Option<Vec<u8>> {
        let rest = ticket.strip_prefix(&self.name)?;
        let (nonce, sealed) = rest.split_at_checked(NONCE_LEN)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut session = sealed.to_vec();
        let len = self
            .key
            .open_in_place(nonce, Aad::from(&self.name), &mut session)
            .ok()?
            .len();
        session.truncate(len);
        Some(session)
    }
}

impl ProducesTickets for Ticketer {
    fn enabled(&self) -> bool {
        true
    }

    fn lifetime(&self) -> u32 {
        LIFETIME_S
    }

    fn encrypt(&self, plain: &[u8]) -> Option<Vec<u8>> {
        if plain.len() > SESSION_BYTES_MAX {
            return None;
        }
        self.derived().current.as_ref()?.seal(plain)
    }

    fn decrypt(&self, cipher: &[u8]) -> Option<Vec<u8>> {
        let derived = self.derived();
        let mut keys = derived.current.iter().chain(&derived.previous);
        keys.find_map(|key| key.open(cipher))
    }
}

impl fmt::Debug for Ticketer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ticketer")
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    const NOW: Timestamp = Timestamp(1_795_416_106.0);
    const HOUR: f64 = 3600.0;

    fn open(file: &Path, now: Timestamp) -> Arc<TicketKeys> {
        let (keys, warning) = TicketKeys::open(file, now).unwrap();
        assert_eq!(warning, None);
        Arc::new(keys)
    }

    fn ticketer(keys: &Arc<TicketKeys>) -> Ticketer {
        Ticketer::new(Arc::clone(keys), b"certificate".to_vec())
    }

    #[test]
    fn tickets_survive_a_restart_but_no_other_certificate() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("keys");
        let ticket = ticketer(&open(&file, NOW)).encrypt(b"session").unwrap();
        assert_eq!(fs::metadata(&file).unwrap().mode() & 0o777, 0o600);
        let again = open(&file, NOW + HOUR);
        assert_eq!(ticketer(&again).decrypt(&ticket).unwrap(), b"session");
        let other = Ticketer::new(again, b"another".to_vec());
        assert_eq!(other.decrypt(&ticket), None);
        let strangers = Arc::new(TicketKeys::in_memory().unwrap());
        assert_eq!(ticketer(&strangers).decrypt(&ticket), None);
    }

    #[test]
    fn only_whole_tickets_are_opened() {
        let keys = Arc::new(TicketKeys::in_memory().unwrap());
        let ticketer = ticketer(&keys);
        let ticket = ticketer.encrypt(b"session").unwrap();
        assert_ne!(
            ticket,
            ticketer.encrypt(b"session").unwrap(),
            "nonces differ"
        );
        for len in 0..ticket.len() {
            assert_eq!(ticketer.decrypt(&ticket[..len]), None);
        }
        for index in 0..ticket.len() {
            let mut damaged = ticket.clone();
            damaged[index] ^= 1;
            assert_eq!(ticketer.decrypt(&damaged), None);
        }
        assert_eq!(ticketer.encrypt(&[0; SESSION_BYTES_MAX + 1]), None);
    }

    #[test]
    fn keys_change_every_six_hours_and_the_last_is_kept() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("keys");
        let keys = open(&file, NOW);
        let ticketer = ticketer(&keys);
        let first = ticketer.encrypt(b"first").unwrap();
        assert!(!keys.rotate(NOW + 5.9 * HOUR).unwrap());
        assert!(keys.rotate(NOW + 6.0 * HOUR).unwrap());
        let second = ticketer.encrypt(b"second").unwrap();
        assert_eq!(ticketer.decrypt(&first).unwrap(), b"first");
        assert!(!keys.rotate(NOW + 11.0 * HOUR).unwrap());
        assert!(keys.rotate(NOW + 12.5 * HOUR).unwrap());
        assert_eq!(ticketer.decrypt(&first), None);
        assert_eq!(ticketer.decrypt(&second).unwrap(), b"second");

        // The file knows, and a rest of days voids everything.
        let again = open(&file, NOW + 13.0 * HOUR);
        assert_eq!(
            super::tests::ticketer(&again).decrypt(&second).unwrap(),
            b"second"
        );
        let third = ticketer.encrypt(b"third").unwrap();
        let later = open(&file, NOW + 72.0 * HOUR);
        assert_eq!(super::tests::ticketer(&later).decrypt(&third), None);
        // So does a clock that was wrong.
        let fourth = super::tests::ticketer(&later).encrypt(b"fourth").unwrap();
        let earlier = open(&file, NOW);
        assert_eq!(super::tests::ticketer(&earlier).decrypt(&fourth), None);
    }

    #[test]
    fn a_file_that_is_damaged_or_open_to_others_is_made_anew() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("keys");
        let ticket = ticketer(&open(&file, NOW)).encrypt(b"session").unwrap();
        let good = fs::read(&file).unwrap();
        let with_secret = |hex: &str| {
            let text = r#"{"version":1,"secrets":[{"since":1,"secret":"HEX"}]}"#;
            text.replace("HEX", hex).into_bytes()
        };
        let damaged = [
            Vec::new(),
            good[..good.len() - 3].to_vec(),
            b"\xff\xfe".to_vec(),
            br#"{"version":1,"secrets":[]}"#.to_vec(),
            with_secret("ab"),
            with_secret(&"g".repeat(64)),
            with_secret(&"é".repeat(32)),
            String::from_utf8(good.clone())
                .unwrap()
                .replace("\"version\":1", "\"version\":2")
                .into_bytes(),
        ];
        let refused = |words: &str| {
            let (keys, warning) = TicketKeys::open(&file, NOW).unwrap();
            assert!(warning.unwrap().contains(words));
            assert_eq!(ticketer(&Arc::new(keys)).decrypt(&ticket), None);
            open(&file, NOW);
        };
        for text in damaged {
            fs::write(&file, text).unwrap();
            refused("are damaged");
        }
        for mode in [0o604, 0o640, 0o620] {
            write_atomic(&file, &good, Mode::Secret).unwrap();
            fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
            refused("may be read by others");
            assert_eq!(fs::metadata(&file).unwrap().mode() & 0o777, 0o600);
        }
        write_atomic(&file, &good, Mode::Secret).unwrap();
        assert_eq!(
            ticketer(&open(&file, NOW)).decrypt(&ticket).unwrap(),
            b"session"
        );
    }

    #[test]
    fn without_a_place_for_the_file_they_last_as_long_as_the_process() {
        let directory = tempfile::tempdir().unwrap();
        let nowhere = directory.path().join("missing/keys");
        let (keys, warning) = TicketKeys::open(&nowhere, NOW).unwrap();
        assert!(warning.unwrap().contains("end with this process"));
        let ticketer = ticketer(&Arc::new(keys));
        let ticket = ticketer.encrypt(b"session").unwrap();
        assert_eq!(ticketer.decrypt(&ticket).unwrap(), b"session");
    }
}
