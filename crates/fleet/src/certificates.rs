//! Certificates for a whole fleet, made on all processors.

use std::sync::Arc;

use bheka_net::pki::{KeyKind, PrivateKey, TrustAnchors};
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
    let of_kind = |kind: KeyKind| {
        let same = (0..names.len()).filter(|index| options.key_kind(*index) == kind);
        let count = same.count().min(options.keys_max.unwrap_or(0));
        in_parallel(&vec![(); count], |_, ()| Ok(PrivateKey::generate(kind)?))
    };
    let maker = Maker {
        options,
        anchors: TrustAnchors::new(vec![options.authority.certificate().clone()])?,
        rsa: of_kind(KeyKind::Rsa4096)?,
        p256: of_kind(KeyKind::EcP256)?,
        issued: options.clock.now() - BACKDATED_SECONDS,
    };
    in_parallel(names, |index, name| maker.identity(index, name))
}

struct Maker<'a> {
    options: &'a Options,
    anchors: TrustAnchors,
    /// Keys to share; empty when each agent has its own.
    rsa: Vec<PrivateKey>,
    p256: Vec<PrivateKey>,
    issued: Timestamp,
}

impl Maker<'_> {
    fn identity(&self, index: usize, name: &str) -> Result<Arc<Identity>, FleetError> {
        let kind = self.options.key_kind(index);
        let pool = match kind {
            KeyKind::Rsa4096 => &self.rsa,
            KeyKind::EcP256 => &self.p256,
        };
        let key = match pool.len() {
            0 => PrivateKey::generate(kind)?,
            len => pool[index % len].clone(),
        };
        let certificate = self.options.authority.issue(name, &key, self.issued)?;
        let parts = IdentityParts {
            own: Some((certificate, key)),
            anchors: Some(self.anchors.clone()),
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
