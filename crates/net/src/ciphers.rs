//! The attributes `cipher_list` and `tls_protocolmin` of the ApiListener, read for rustls.
//!
//! `cipher_list` is an OpenSSL cipher string and governs TLS 1.2 only, as in Icinga 2. Suites that
//! rustls does not have (CBC, static RSA, DHE) are named in a warning and left out.

use rustls::crypto::aws_lc_rs::cipher_suite as suite;
use rustls::{SupportedCipherSuite, SupportedProtocolVersion};

/// TLS 1.2 suites: OpenSSL's name, the words of cipher strings that stand for it, the suite.
/// The order is Icinga 2's default.
static TLS12: [(&str, &[&str], SupportedCipherSuite); 6] = [
    (
        "ECDHE-ECDSA-AES256-GCM-SHA384",
        &["ECDSA", "AES", "AES256", "AESGCM", "SHA384"],
        suite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
    ),
    (
        "ECDHE-RSA-AES256-GCM-SHA384",
        &["RSA", "AES", "AES256", "AESGCM", "SHA384"],
        suite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
    ),
    (
        "ECDHE-ECDSA-CHACHA20-POLY1305",
        &["ECDSA", "CHACHA20", "SHA256"],
        suite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
    ),
    (
        "ECDHE-RSA-CHACHA20-POLY1305",
        &["RSA", "CHACHA20", "SHA256"],
        suite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
    ),
    (
        "ECDHE-ECDSA-AES128-GCM-SHA256",
        &["ECDSA", "AES", "AES128", "AESGCM", "SHA256"],
        suite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
    ),
    (
        "ECDHE-RSA-AES128-GCM-SHA256",
        &["RSA", "AES", "AES128", "AESGCM", "SHA256"],
        suite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
    ),
];

static TLS13: [SupportedCipherSuite; 3] = [
    suite::TLS13_AES_256_GCM_SHA384,
    suite::TLS13_CHACHA20_POLY1305_SHA256,
    suite::TLS13_AES_128_GCM_SHA256,
];

static BOTH_VERSIONS: [&SupportedProtocolVersion; 2] =
    [&rustls::version::TLS13, &rustls::version::TLS12];
static ONLY_TLS13: [&SupportedProtocolVersion; 1] = [&rustls::version::TLS13];

/// What the attributes mean.
pub(crate) struct Ciphers {
    pub(crate) suites: Vec<SupportedCipherSuite>,
    pub(crate) versions: &'static [&'static SupportedProtocolVersion],
    pub(crate) warnings: Vec<String>,
}

impl Ciphers {
    /// Warns when nobody could connect to a node with this kind of key by TLS 1.2: its suites are
    /// divided by that.
    pub(crate) fn warn_unless_for(&mut self, is_rsa: bool) {
        let speaks_tls12 = self.versions.len() > 1;
        let mut tls12 = TLS12.iter().filter(|row| self.suites.contains(&row.2));
        let word = if is_rsa { "RSA" } else { "ECDSA" };
        if !speaks_tls12 || tls12.clone().next().is_none() || tls12.any(|row| row.1.contains(&word))
        {
            return;
        }
        self.warnings.push(format!(
            "cipher_list has no suite for TLS 1.2 with this node's kind of key, so only TLS 1.3 \
             peers can connect to it; add one of ECDHE-{word}-…"
        ));
    }
}

/// Reads both attributes.
///
/// # Errors
/// When the protocol is unknown, or the list leaves nothing that could ever have been meant.
pub(crate) fn read(
    cipher_list: Option<&str>,
    protocol_min: Option<&str>,
) -> Result<Ciphers, String> {
    let versions: &'static [_] = match protocol_min {
        None | Some("" | "TLSv1.2") => &BOTH_VERSIONS,
        Some("TLSv1.3") => &ONLY_TLS13,
        Some(other) => {
            return Err(format!(
                "invalid TLS protocol minimum '{other}', use 'TLSv1.2' or 'TLSv1.3'"
            ));
        }
    };
    let mut warnings = Vec::new();
    let tls12 = match cipher_list.map(str::trim).filter(|list| !list.is_empty()) {
        None => (0..TLS12.len()).collect(),
        Some(list) => select(list, &mut warnings)?,
    };
    let mut suites = TLS13.to_vec();
    suites.extend(tls12.into_iter().map(|index| TLS12[index].2));
    Ok(Ciphers {
        suites,
        versions,
        warnings,
    })
}

/// Interprets the cipher string; yields indices into [`TLS12`] in order of preference.
fn select(list: &str, warnings: &mut Vec<String>) -> Result<Vec<usize>, String> {
    let mut chosen: Vec<usize> = Vec::new();
    let mut banned: Vec<usize> = Vec::new();
    let (mut unsupported, mut unknown) = (Vec::new(), Vec::new());
    for word in list.split([':', ',', ' ']).filter(|word| !word.is_empty()) {
        if word.starts_with('@') {
            continue;
        }
        let (operator, name) = match word.as_bytes()[0] {
            b'!' | b'-' | b'+' => word.split_at(1),
            _ => ("", word),
        };
        let Some(meant) = matching(name) else {
            if operator.is_empty() {
                let list = if is_openssl_name(name) {
                    &mut unsupported
                } else {
                    &mut unknown
                };
                list.push(name.to_owned());
            }
            continue;
        };
        match operator {
            "" => {
                for index in meant {
                    if !chosen.contains(&index) && !banned.contains(&index) {
                        chosen.push(index);
                    }
                }
            }
            "+" => {
                let (moved, kept): (Vec<_>, Vec<_>) =
                    chosen.into_iter().partition(|index| meant.contains(index));
                chosen = [kept, moved].concat();
            }
            operator => {
                chosen.retain(|index| !meant.contains(index));
                if operator == "!" {
                    banned.extend(meant);
                }
            }
        }
    }
    if !unsupported.is_empty() {
        warnings.push(format!(
            "cipher_list names cipher suites that are not supported and left out: {}",
            unsupported.join(", ")
        ));
    }
    if !unknown.is_empty() {
        warnings.push(format!(
            "cipher_list names unknown ciphers: {}",
            unknown.join(", ")
        ));
    }
    if chosen.is_empty() {
        if unsupported.is_empty() {
            return Err(format!(
                "invalid cipher list '{list}', it leaves no cipher suite"
            ));
        }
        warnings.push(
            "cipher_list leaves no supported cipher suite for TLS 1.2, so only TLS 1.3 peers can \
             connect"
                .into(),
        );
    }
    Ok(chosen)
}

/// The suites that a word of a cipher string stands for; `None` when it is not known here.
fn matching(name: &str) -> Option<Vec<usize>> {
    if let Some(index) = TLS12.iter().position(|(suite, _, _)| *suite == name) {
        return Some(vec![index]);
    }
    let mut all: Vec<usize> = (0..TLS12.len()).collect();
    for part in name.split('+') {
        match part {
            "ALL"
            | "HIGH"
            | "DEFAULT"
            | "ECDHE"
            | "EECDH"
            | "kECDHE"
            | "kEECDH"
            | "TLSv1.2"
            | "COMPLEMENTOFDEFAULT" => {}
            "aRSA" => all.retain(|index| TLS12[*index].1.contains(&"RSA")),
            "aECDSA" => all.retain(|index| TLS12[*index].1.contains(&"ECDSA")),
            // Groups in which none of the suites here is: `!aNULL` and the like change nothing.
            "aNULL" | "eNULL" | "NULL" | "EXPORT" | "EXP" | "LOW" | "MEDIUM" | "MD5" | "RC4"
            | "DES" | "3DES" | "PSK" | "SRP" | "SSLv2" | "SSLv3" | "kRSA" | "DSS" | "aDSS"
            | "ADH" | "AECDH" | "CAMELLIA" | "SEED" | "IDEA" | "SHA" | "SHA1" | "kDHE" | "DHE"
            | "kEDH" | "EDH" | "ARIA" | "AESCCM" => all.clear(),
            // `RSA` as a group is key exchange by RSA, which no suite here has.
            "RSA" => all.clear(),
            word => {
                if !TLS12.iter().any(|(_, words, _)| words.contains(&word)) {
                    return None;
                }
                all.retain(|index| TLS12[*index].1.contains(&word));
            }
        }
    }
    Some(all)
}

/// Whether it looks like a suite of OpenSSL rather than a slip.
fn is_openssl_name(name: &str) -> bool {
    let shape = |character: char| character.is_ascii_alphanumeric() || "-_".contains(character);
    name.chars().all(shape)
        && ["AES", "CHACHA", "CAMELLIA", "ARIA", "DES", "RC4", "SEED"]
            .iter()
            .any(|cipher| name.contains(cipher))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(list: &str) -> Vec<&'static str> {
        select(list, &mut Vec::new())
            .unwrap()
            .into_iter()
            .map(|index| TLS12[index].0)
            .collect()
    }

    #[test]
    fn the_default_of_icinga() {
        let list = "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:\
                    ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305:\
                    ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:\
                    ECDHE-ECDSA-AES256-SHA384:DHE-RSA-AES128-GCM-SHA256:AES256-GCM-SHA384";
        let mut warnings = Vec::new();
        assert_eq!(select(list, &mut warnings).unwrap(), [0, 1, 2, 3, 4, 5]);
        assert_eq!(
            warnings,
            [
                "cipher_list names cipher suites that are not supported and left out: \
              ECDHE-ECDSA-AES256-SHA384, DHE-RSA-AES128-GCM-SHA256, AES256-GCM-SHA384"
            ]
        );
    }

    #[test]
    fn groups_and_operators() {
        assert_eq!(names("ALL:!LOW:!WEAK:!MEDIUM:!EXP:!NULL").len(), 6);
        assert_eq!(names("ALL:!ECDSA:!AES128").len(), 2);
        assert_eq!(
            names("EECDH+AESGCM+aRSA:@STRENGTH"),
            ["ECDHE-RSA-AES256-GCM-SHA384", "ECDHE-RSA-AES128-GCM-SHA256"]
        );
        assert_eq!(names("ALL:-AES:AES128")[2], "ECDHE-ECDSA-AES128-GCM-SHA256");
        assert_eq!(names("!CHACHA20:ALL").len(), 4);
        assert_eq!(names("ALL:+AES256")[4], "ECDHE-ECDSA-AES256-GCM-SHA384");
    }

    #[test]
    fn nothing_left() {
        assert!(select("nonsense", &mut Vec::new()).is_err());
        assert!(select("ALL:!ALL", &mut Vec::new()).is_err());
        let mut warnings = Vec::new();
        assert!(
            select("AES256-GCM-SHA384", &mut warnings)
                .unwrap()
                .is_empty()
        );
        assert!(warnings[1].contains("only TLS 1.3"), "{warnings:?}");
    }

    #[test]
    fn suites_must_fit_the_key() {
        let warnings = |list: Option<&str>, is_rsa| {
            let mut ciphers = read(list, None).unwrap();
            ciphers.warn_unless_for(is_rsa);
            ciphers.warnings.len()
        };
        assert_eq!(warnings(None, true) + warnings(None, false), 0);
        let rsa = Some("ECDHE-RSA-AES128-GCM-SHA256");
        assert_eq!((warnings(rsa, true), warnings(rsa, false)), (0, 1));
        let ecdsa = Some("ALL:!aRSA");
        assert_eq!((warnings(ecdsa, true), warnings(ecdsa, false)), (1, 0));
        let mut ciphers = read(rsa, Some("TLSv1.3")).unwrap();
        ciphers.warn_unless_for(false);
        assert!(ciphers.warnings.is_empty());
    }

    #[test]
    fn protocols() {
        assert_eq!(read(None, Some("TLSv1.3")).unwrap().versions.len(), 1);
        assert_eq!(read(None, Some("TLSv1.2")).unwrap().versions.len(), 2);
        assert!(read(None, Some("TLSv1.1")).is_err());
    }
}
