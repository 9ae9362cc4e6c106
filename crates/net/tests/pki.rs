//! Certificates of Icinga 2 and OpenSSL, read and judged as the original does. The files in
//! `testdata/pki` were made by Icinga 2 2.13.6 (`ca`, `c1`, `c1self`, `namesake2`) and OpenSSL; the
//! texts and verdicts are what `icinga2 pki verify` prints for them.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use bheka_net::pki::{
    Certificate, CertificateAuthority, Crl, KeyKind, PkiError, PrivateKey, Purpose, RequestStore,
    SigningRequest, TrustAnchors, host_matches, new_csr, self_signed, ticket,
};
use bheka_value::{Timestamp, from_json, to_json};

/// When the files were made.
const NOW: Timestamp = Timestamp(1_795_416_106.0);
const DAY: f64 = 86_400.0;

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("testdata/pki")
        .join(name)
}

fn certificate(name: &str) -> Certificate {
    Certificate::read(&data(name)).unwrap()
}

fn verdict(leaf: &str, ca: &str, purpose: Purpose, crl: Option<&str>) -> String {
    let anchors = TrustAnchors::read(&data(ca)).unwrap();
    let crl = crl.map(|name| Crl::read(&data(name)).unwrap());
    match anchors.verify(&certificate(leaf), &[], purpose, crl.as_ref(), NOW) {
        Ok(()) => "OK".to_owned(),
        Err(untrusted) => untrusted.to_string(),
    }
}

#[test]
fn information_as_icinga_prints_it() {
    for name in ["names", "v1-self", "serial0", "c1", "ca", "wild"] {
        let expected = fs::read_to_string(data(&format!("{name}.txt"))).unwrap();
        assert_eq!(
            certificate(&format!("{name}.crt")).info_text(),
            expected,
            "{name}"
        );
    }
}

#[test]
fn verdicts_of_icinga() {
    let cases = [
        ("c1.crt", "ca.crt", "OK"),
        ("c1self.crt", "ca.crt", "self-signed certificate (code 18)"),
        (
            "namesake.crt",
            "ca.crt",
            "unable to get local issuer certificate (code 20)",
        ),
        (
            "namesake2.crt",
            "ca.crt",
            "certificate signature failure (code 7)",
        ),
        (
            "foreign.crt",
            "ca.crt",
            "unable to get local issuer certificate (code 20)",
        ),
        ("serverauth.crt", "ca.crt", "OK"),
        ("codesign.crt", "ca.crt", "OK"),
        ("leafca.crt", "ca.crt", "OK"),
        ("expired.crt", "ca.crt", "certificate has expired (code 10)"),
        ("v1-signed.crt", "ca.crt", "OK"),
        (
            "below.crt",
            "ca.crt",
            "unable to get local issuer certificate (code 20)",
        ),
        (
            "below.crt",
            "inter.crt",
            "unable to get issuer certificate (code 2)",
        ),
        (
            "noca.crt",
            "noca-ca.crt",
            "invalid CA certificate (code 79)",
        ),
        ("underv1.crt", "v1r-ca.crt", "OK"),
        (
            "c1.crt",
            "c1.crt",
            "unable to get local issuer certificate (code 20)",
        ),
        ("v1-self.crt", "v1-self.crt", "OK"),
        ("ca.crt", "ca.crt", "OK"),
        ("c1self.crt", "c1self.crt", "OK"),
    ];
    for (leaf, ca, expected) in cases {
        assert_eq!(
            verdict(leaf, ca, Purpose::Any, None),
            expected,
            "{leaf} under {ca}"
        );
    }
}

#[test]
fn revocation_as_icinga_judges_it() {
    let cases = [
        (
            "c1.crt",
            "ca.crt",
            "v1.crl",
            "certificate revoked (code 23)",
        ),
        (
            "c1.crt",
            "ca.crt",
            "v2.crl",
            "certificate revoked (code 23)",
        ),
        ("leafca.crt", "ca.crt", "v2.crl", "OK"),
        (
            "foreign.crt",
            "foreign-ca.crt",
            "v2.crl",
            "unable to get certificate CRL (code 3)",
        ),
        (
            "c1self.crt",
            "c1self.crt",
            "v2.crl",
            "unable to get certificate CRL (code 3)",
        ),
    ];
    for (leaf, ca, crl, expected) in cases {
        assert_eq!(
            verdict(leaf, ca, Purpose::Any, Some(crl)),
            expected,
            "{leaf}, {crl}"
        );
    }
    let anchors = TrustAnchors::read(&data("ca.crt")).unwrap();
    let crl = Crl::read(&data("v2.crl")).unwrap();
    let later = NOW + 60.0 * DAY;
    let untrusted = anchors
        .verify(
            &certificate("leafca.crt"),
            &[],
            Purpose::Any,
            Some(&crl),
            later,
        )
        .unwrap_err();
    assert_eq!(untrusted.to_string(), "CRL has expired (code 12)");
}

#[test]
fn intermediates_from_the_peer_or_from_ca_crt() {
    let (leaf, inter) = (certificate("below.crt"), certificate("inter.crt"));
    let root = TrustAnchors::read(&data("ca.crt")).unwrap();
    let sent = [inter.der().clone()];
    assert_eq!(
        root.verify(&leaf, &sent, Purpose::Client, None, NOW),
        Ok(())
    );
    let both = TrustAnchors::new(vec![inter, certificate("ca.crt")]).unwrap();
    assert_eq!(both.verify(&leaf, &[], Purpose::Server, None, NOW), Ok(()));
}

#[test]
fn extended_usage_counts_in_connections() {
    assert_eq!(
        verdict("serverauth.crt", "ca.crt", Purpose::Server, None),
        "OK"
    );
    assert_eq!(
        verdict("serverauth.crt", "ca.crt", Purpose::Client, None),
        "unsuitable certificate purpose (code 26)"
    );
}

#[test]
fn time_is_an_argument() {
    let anchors = TrustAnchors::read(&data("ca.crt")).unwrap();
    let leaf = certificate("c1.crt");
    let at = |now| {
        anchors
            .verify(&leaf, &[], Purpose::Any, None, now)
            .map_err(|u| u.code)
    };
    assert_eq!(at(leaf.not_before() - 1.0), Err(9));
    assert_eq!(at(leaf.not_after() - 1.0), Ok(()));
    assert_eq!(at(leaf.not_after() + 1.0), Err(10));
    // The root's end counts as well.
    let young = CertificateAuthority::generate(KeyKind::EcP256, NOW - 15.0 * 365.0 * DAY).unwrap();
    let key = PrivateKey::generate(KeyKind::EcP256).unwrap();
    let leaf = young.issue("late", &key, NOW - DAY).unwrap();
    let anchors = TrustAnchors::new(vec![young.certificate().clone()]).unwrap();
    let verdict = anchors
        .verify(&leaf, &[], Purpose::Any, None, NOW + DAY)
        .unwrap_err();
    assert_eq!(verdict.to_string(), "certificate has expired (code 10)");
}

#[test]
fn host_names() {
    let cases = [
        ("c1.crt", "c1", true),
        ("c1.crt", "C1", true),
        ("c1.crt", "c2", false),
        // Only common name: it counts.
        ("v1-signed.crt", "v1only", true),
        // A DNS name is there: the common name does not count.
        ("names.crt", "host 1", false),
        ("names.crt", "b.example", true),
        ("wild.crt", "x.example.org", true),
        ("wild.crt", "x.y.example.org", false),
        ("wild.crt", "example.org", false),
        ("wild.crt", ".example.org", false),
        ("wild.crt", "node1", false),
        ("wild.crt", "10.0.0.1", false),
    ];
    for (name, host, expected) in cases {
        assert_eq!(
            host_matches(&certificate(name), host),
            expected,
            "{name} {host}"
        );
    }
}

#[test]
fn keys_of_icinga_and_back() {
    let text = fs::read_to_string(data("c1.key")).unwrap();
    let key = PrivateKey::from_pem(text.as_bytes()).unwrap();
    assert_eq!(key.to_pem(), text, "PKCS#1 is written as it was read");
    assert_eq!(key.public_key_der(), certificate("c1.crt").public_key_der());
    let curve = PrivateKey::generate(KeyKind::EcP256).unwrap();
    let again = PrivateKey::from_pem(curve.to_pem().as_bytes()).unwrap();
    assert_eq!(again.public_key_der(), curve.public_key_der());
    let locked =
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
    let error = PrivateKey::from_pem(locked.as_bytes())
        .unwrap_err()
        .to_string();
    assert!(error.contains("encrypted"), "{error}");
    assert!(PrivateKey::from_pem(b"nothing").is_err());
}

#[test]
fn pem_with_text_around_it() {
    let pem = fs::read_to_string(data("c1.crt")).unwrap();
    let wrapped = format!(
        "Certificate:\n    Data: x\n{}junk\n",
        pem.replace('\n', "\r\n")
    );
    let read = Certificate::from_pem(wrapped.as_bytes()).unwrap();
    assert_eq!(read, certificate("c1.crt"));
    assert_eq!(read.to_pem(), pem, "PEM is written as Icinga 2 writes it");
    assert!(
        Certificate::from_pem(b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
            .is_err()
    );
}

#[test]
fn an_authority_and_what_it_signs() {
    let authority = CertificateAuthority::generate(KeyKind::EcP256, NOW).unwrap();
    let root = authority.certificate();
    assert_eq!(root.subject(), "CN = Icinga CA");
    assert!(root.is_ca() && root.is_self_issued() && root.is_signed_by(root));
    assert_eq!(root.not_after() - root.not_before(), 15.0 * 365.0 * DAY);

    let key = PrivateKey::generate(KeyKind::EcP256).unwrap();
    let own = self_signed("agent-1", &key, NOW).unwrap();
    let request = SigningRequest::from_pem(new_csr("agent-1", &key).unwrap().as_bytes()).unwrap();
    assert_eq!(request.cn(), "agent-1");
    for leaf in [
        authority.sign_csr(&request, NOW).unwrap(),
        authority.sign_request(&own, NOW).unwrap(),
        authority.issue("agent-1", &key, NOW).unwrap(),
    ] {
        assert!(leaf.is_signed_by(root) && leaf.replaces(&own) && !leaf.is_ca());
        assert_eq!(leaf.cn(), Some("agent-1"));
        assert_eq!(leaf.dns_names(), ["agent-1"]);
        assert_eq!(leaf.not_after() - leaf.not_before(), 397.0 * DAY);
        assert_eq!(leaf.version(), 3);
        let anchors = TrustAnchors::new(vec![root.clone()]).unwrap();
        assert_eq!(
            anchors.verify(&leaf, &[], Purpose::Client, None, NOW),
            Ok(())
        );
    }
    let renewed = authority.renewed(NOW + DAY).unwrap();
    assert!(own.replaces(&own) && renewed.certificate().replaces(root));
    assert!(
        authority
            .issue("x", &key, NOW)
            .unwrap()
            .is_signed_by(renewed.certificate())
    );
}

#[test]
fn requests_of_icinga_are_signed_and_broken_ones_are_not() {
    let authority = CertificateAuthority::generate(KeyKind::EcP256, NOW).unwrap();
    let request = SigningRequest::read(&data("c1.csr")).unwrap();
    let leaf = authority.sign_csr(&request, NOW).unwrap();
    assert!(leaf.replaces(&certificate("c1self.crt")));
    let key = PrivateKey::generate(KeyKind::EcP256).unwrap();
    let pem = new_csr("victim", &key).unwrap();
    let der = pem::parse(&pem).unwrap().into_contents();
    let position = der
        .windows(6)
        .position(|window| window == b"victim")
        .unwrap();
    let mut forged = der;
    forged[position] = b'V';
    let forged = pem::encode(&pem::Pem::new("CERTIFICATE REQUEST", forged));
    let error = SigningRequest::from_pem(forged.as_bytes())
        .unwrap_err()
        .to_string();
    assert!(error.contains("signature"), "{error}");
}

#[test]
fn renewal_rules() {
    let leaf = certificate("c1.crt");
    assert!(leaf.is_up_to_date(NOW));
    assert!(leaf.is_up_to_date(leaf.not_after() - 30.0 * DAY));
    assert!(!leaf.is_up_to_date(leaf.not_after() - 30.0 * DAY + 1.0));
    let key = PrivateKey::generate(KeyKind::EcP256).unwrap();
    let ancient = self_signed("old", &key, Timestamp(1_483_228_799.0)).unwrap();
    assert!(!ancient.is_up_to_date(Timestamp(1_483_228_800.0)));
    let root = certificate("ca.crt");
    assert!(root.is_ca_up_to_date(NOW));
    assert!(!root.is_ca_up_to_date(root.not_after() - 396.0 * DAY));
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn the_authority_on_disk() {
    let directory = tempfile::tempdir().unwrap();
    let ca = directory.path().join("data/ca");
    assert!(!CertificateAuthority::exists(&ca));
    CertificateAuthority::create(&ca, KeyKind::EcP256, NOW).unwrap();
    assert!(CertificateAuthority::exists(&ca));
    assert_eq!(mode(&ca), 0o700);
    assert_eq!(
        (mode(&ca.join("ca.key")), mode(&ca.join("ca.crt"))),
        (0o600, 0o644)
    );
    CertificateAuthority::load(&ca).unwrap();
    let again = CertificateAuthority::create(&ca, KeyKind::EcP256, NOW).unwrap_err();
    assert!(matches!(again, PkiError::Refused(_)), "{again}");
    certificate("ca.crt").write(&ca.join("ca.crt")).unwrap();
    let mixed = CertificateAuthority::load(&ca).unwrap_err().to_string();
    assert!(mixed.contains("does not belong"), "{mixed}");
}

#[test]
fn requests_on_disk() {
    let directory = tempfile::tempdir().unwrap();
    let store = RequestStore::new(directory.path().join("certificate-requests"));
    let authority = CertificateAuthority::generate(KeyKind::EcP256, NOW).unwrap();
    let key = PrivateKey::generate(KeyKind::EcP256).unwrap();
    let asked = self_signed("agent", &key, NOW).unwrap();
    let fingerprint = asked.fingerprint();
    assert!(
        store.list(false).unwrap().0.is_empty(),
        "no directory is no requests"
    );

    store.save(&asked, "T1", None).unwrap();
    let path = store.directory().join(format!("{fingerprint}.json"));
    assert_eq!((mode(store.directory()), mode(&path)), (0o700, 0o600));
    let fields = from_json(&fs::read(&path).unwrap()).unwrap();
    let keys: Vec<_> = fields
        .as_dictionary()
        .unwrap()
        .entries()
        .into_iter()
        .map(|e| e.0)
        .collect();
    assert_eq!(keys, ["cert_request", "ticket"]);
    assert_eq!(store.pending().unwrap()[0].ticket, "T1");

    store.remove(&fingerprint).unwrap();
    assert!(store.is_removed(&fingerprint) && store.get(&fingerprint).unwrap().is_none());
    assert!(store.remove(&fingerprint).is_err());
    assert_eq!(store.list(true).unwrap().0[0].request, asked);
    store.restore(&fingerprint).unwrap();
    assert!(store.restore(&fingerprint).is_err());

    let signed = store.sign(&fingerprint, &authority, NOW).unwrap();
    assert_eq!(mode(&path), 0o600, "the ticket is in it");
    let response = Certificate::from_pem(signed.response.unwrap().as_bytes()).unwrap();
    assert!(response.replaces(&asked) && response.is_signed_by(authority.certificate()));
    let again = store.sign(&fingerprint, &authority, NOW).unwrap();
    assert_eq!(
        again.response,
        Some(response.to_pem()),
        "signing twice changes nothing"
    );
    assert!(store.pending().unwrap().is_empty());
    let error = store.remove(&fingerprint).unwrap_err().to_string();
    assert!(error.contains("already signed"), "{error}");
    let shown = to_json(&store.get(&fingerprint).unwrap().unwrap().to_value());
    assert!(shown.contains("\"subject\":\"CN = agent\""), "{shown}");
    assert!(
        shown.contains("\"timestamp\":\"Nov 23 06:41:46 2026 GMT\""),
        "{shown}"
    );
}

#[test]
fn names_of_requests_stay_in_their_directory() {
    let directory = tempfile::tempdir().unwrap();
    let store = RequestStore::new(directory.path());
    for name in [
        "../../etc/passwd",
        "",
        "ABCDEF",
        "a/b",
        "a.b",
        &"a".repeat(65),
    ] {
        assert!(
            matches!(store.get(name), Err(PkiError::Refused(_))),
            "{name}"
        );
        assert!(store.respond(name, "x").is_err());
    }
    assert!(!store.respond("abcdef", "x").unwrap(), "nobody asked");
    fs::write(directory.path().join("abc.json"), "{broken").unwrap();
    fs::write(directory.path().join("abd.json"), "{}").unwrap();
    let (requests, errors) = store.list(false).unwrap();
    assert_eq!((requests.len(), errors.len()), (0, 2));
}

#[test]
fn old_requests_are_deleted() {
    let directory = tempfile::tempdir().unwrap();
    let store = RequestStore::new(directory.path());
    store.save(&certificate("c1self.crt"), "", None).unwrap();
    store.save(&certificate("v1-self.crt"), "", None).unwrap();
    let touch = |name: &str, at: f64| {
        let path = directory
            .path()
            .join(format!("{}.json", certificate(name).fingerprint()));
        let file = fs::File::open(path).unwrap();
        file.set_modified(UNIX_EPOCH + Duration::from_secs_f64(at))
            .unwrap();
    };
    touch("c1self.crt", NOW.0 - 7.0 * DAY - 1.0);
    touch("v1-self.crt", NOW.0 - 7.0 * DAY + 1.0);
    assert_eq!(store.clean_up(NOW).unwrap(), 1);
    assert_eq!(
        store.list(false).unwrap().0[0].request,
        certificate("v1-self.crt")
    );
}

#[test]
fn tickets() {
    assert_eq!(
        ticket("c1", "pepper"),
        "ebeedeb873b077dddc55cfb75aa4fb86c794c072"
    );
}
