//! What the tests of connections share: an authority, identities, a listener.
#![allow(
    unreachable_pub,
    dead_code,
    reason = "each test binary uses a part of it"
)]

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bheka_net::pki::{
    Certificate, CertificateAuthority, KeyKind, PrivateKey, TrustAnchors, self_signed,
};
use bheka_net::{
    AcceptError, Accepted, Connection, Deadlines, DialTarget, Gate, Identity, IdentityParts,
    TlsSettings, accept, listen,
};
use bheka_value::Timestamp;
use tokio::net::{TcpListener, TcpStream};

/// A moment at which the certificates of [`Authority`] are valid.
pub const NOW: Timestamp = Timestamp(1_795_416_106.0);

/// The real time, for tests with other programs, which look at their own clock.
#[allow(
    clippy::disallowed_methods,
    reason = "other programs look at the real clock, too"
)]
pub fn real_now() -> Timestamp {
    Timestamp(
        SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap()
            .as_secs_f64(),
    )
}

pub struct Authority {
    pub ca: CertificateAuthority,
    pub now: Timestamp,
}

impl Authority {
    pub fn new(now: Timestamp) -> Self {
        let ca = CertificateAuthority::generate(KeyKind::EcP256, now - 3600.0).unwrap();
        Self { ca, now }
    }

    /// An authority as Icinga 2 makes it. Stock Icinga 2 can't sign with a key on a curve: such a
    /// request stays pending there.
    pub fn like_icinga(now: Timestamp) -> Self {
        let ca = CertificateAuthority::generate(KeyKind::Rsa4096, now - 3600.0).unwrap();
        Self { ca, now }
    }

    pub fn anchors(&self) -> TrustAnchors {
        TrustAnchors::new(vec![self.ca.certificate().clone()]).unwrap()
    }

    pub fn leaf(&self, cn: &str) -> (Certificate, PrivateKey) {
        let key = PrivateKey::generate(KeyKind::EcP256).unwrap();
        (self.ca.issue(cn, &key, self.now - 60.0).unwrap(), key)
    }

    pub fn parts(&self, own: (Certificate, PrivateKey)) -> IdentityParts {
        IdentityParts {
            own: Some(own),
            anchors: Some(self.anchors()),
        }
    }

    /// A node with a certificate of this authority.
    pub fn node(&self, cn: &str) -> Arc<Identity> {
        self.node_with(cn, TlsSettings::default())
    }

    pub fn node_with(&self, cn: &str, settings: TlsSettings) -> Arc<Identity> {
        Arc::new(Identity::new(self.parts(self.leaf(cn)), settings).unwrap())
    }

    /// A node that trusts this authority but has only a self-signed certificate.
    pub fn newcomer(&self, cn: &str) -> Arc<Identity> {
        let key = PrivateKey::generate(KeyKind::EcP256).unwrap();
        let own = self_signed(cn, &key, self.now - 60.0).unwrap();
        Arc::new(Identity::new(self.parts((own, key)), TlsSettings::default()).unwrap())
    }
}

pub fn listener() -> (TcpListener, u16) {
    let listener = listen(Some("127.0.0.1"), 0).unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

pub fn target(endpoint_name: &str, port: u16) -> DialTarget {
    DialTarget {
        endpoint_name: endpoint_name.to_owned(),
        host: "127.0.0.1".to_owned(),
        port,
        hello: Some(b"{\"hello\":1}".to_vec()),
    }
}

/// Deadlines for tests that wait for one of them to pass.
pub fn short() -> Deadlines {
    Deadlines::new(Duration::from_millis(400), Duration::from_millis(200))
}

pub async fn accept_one(
    listener: &TcpListener,
    identity: &Identity,
    now: Timestamp,
) -> Result<Accepted, AcceptError> {
    let (tcp, _) = listener.accept().await.unwrap();
    accept(tcp, identity, &Deadlines::default(), &Gate::default(), now).await
}

pub async fn accept_json(
    listener: &TcpListener,
    identity: &Identity,
    now: Timestamp,
) -> Connection {
    match accept_one(listener, identity, now).await.unwrap() {
        Accepted::JsonRpc(connection) => *connection,
        Accepted::Http(http) => panic!("taken for HTTP: {http:?}"),
    }
}

pub async fn raw(port: u16) -> TcpStream {
    TcpStream::connect(("127.0.0.1", port)).await.unwrap()
}

pub fn testdata(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("testdata/pki")
        .join(name)
}
