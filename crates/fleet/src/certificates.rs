//! Certificates for a whole fleet, made on all processors.

use std::sync::Arc;

use bheka_net::pki::{CertificateAuthority, KeyKind, PrivateKey, TrustAnchors};
use bheka_net::{Identity, IdentityParts, TlsSettings};
use bheka_value::Timestamp;

use crate::{FleetError, Options};

/// Issued this long ago, so that a master whose clock is a little behind trusts them.
const BACKDATED_SECONDS: f64 = 3600.0;

/// One identity per name, in the order of the names. Blocks.
pub(crate) fn identities(
    options: &Options,
    names: &[String],
) -> Result<Vec<Arc<Identity>>, FleetError> {
    let maker = Maker {
        authority: &options.authority,
        anchors: TrustAnchors::new(vec![options.authority.certificate().clone()])?,
        key_kind: options.key_kind,
        pool: in_parallel(
            &vec![(); options.keys_max.unwrap_or(0).min(names.len())],
            |_, ()| Ok(PrivateKey::generate(options.key_kind)?),
        )?,
        issued: options.clock.now() - BACKDATED_SECONDS,
    };
    in_parallel(names, |index, name| maker.identity(index, name))
}

struct Maker<'a> {
    authority: &'a CertificateAuthority,
    anchors: TrustAnchors,
    key_kind: KeyKind,
    pool: Vec<PrivateKey>,
    issued: Timestamp,
}

impl Maker<'_> {
    fn identity(&self, index: usize, name: &str) -> Result<Arc<Identity>, FleetError> {
        let key = match self.pool.len() {
            0 => PrivateKey::generate(self.key_kind)?,
            len => self.pool[index % len].clone(),
        };
        let certificate = self.authority.issue(name, &key, self.issued)?;
        let parts = IdentityParts {
            own: Some((certificate, key)),
            anchors: Some(self.anchors.clone()),
            crl: None,
        };
        // An agent dials one master, so it needs to remember one session.
        let settings = TlsSettings {
            client_sessions_max: Some(1),
            ..TlsSettings::default()
        };
        Ok(Arc::new(Identity::new(parts, settings)?))
    }
}

/// Does the work for each item on as many threads as there are processors; the first error wins.
fn in_parallel<I: Sync, O: Send>(
    items: &[I],
    work: impl Fn(usize, &I) -> Result<O, FleetError> + Sync,
) -> Result<Vec<O>, FleetError> {
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let share = items.len().div_ceil(threads).max(1);
    let work = &work;
    std::thread::scope(|scope| {
        let workers: Vec<_> = items
            .chunks(share)
            .enumerate()
            .map(|(chunk, items)| {
                scope.spawn(move || {
                    let indexed = items.iter().enumerate();
                    indexed
                        .map(|(index, item)| work(chunk * share + index, item))
                        .collect::<Result<Vec<O>, FleetError>>()
                })
            })
            .collect();
        let mut all = Vec::with_capacity(items.len());
        for worker in workers {
            let part = worker
                .join()
                .map_err(|_| FleetError::Work("a worker failed".into()))?;
            all.extend(part?);
        }
        Ok(all)
    })
}
