//! The listener: where it is bound, which certificate it shows, and how a reload changes that
//! without touching links that exist.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use bheka_api::Api;
use bheka_model::{ConfigObject, Generation};
use bheka_net::pki::NextPair;
use bheka_net::{Gate, Identity, IdentityFiles, IdentityParts, TicketKeys, TlsSettings};
use bheka_value::Str;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::clock;
use super::links::Dialler;
use crate::paths::Paths;
use crate::settings::Settings;

/// What listens, or could.
pub(crate) struct Listener {
    dialler: Dialler,
    api: Arc<Api>,
    identity: Arc<Identity>,
    files: IdentityFiles,
    /// The bytes of certificate, key and CA that are in use; none when the node began without an
    /// ApiListener.
    loaded: Option<Vec<Vec<u8>>>,
    bound: Option<Bound>,
}

struct Bound {
    address: Address,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Bound {
    /// Accepts what has knocked already, and closes the socket. Done when it is closed.
    async fn close(self) {
        drop(self.stop);
        let _ = self.task.await;
    }
}

#[derive(Clone, Debug, PartialEq)]
struct Address {
    host: Option<Str>,
    port: u16,
}

impl Listener {
    /// Nothing is bound yet.
    pub(crate) fn new(
        dialler: Dialler,
        api: Arc<Api>,
        identity: Arc<Identity>,
        files: IdentityFiles,
        generation: &Generation,
    ) -> Self {
        let has_listener = generation.of_type("ApiListener").next().is_some();
        let loaded = has_listener.then(|| contents(&files));
        Self {
            dialler,
            api,
            identity,
            files,
            loaded,
            bound: None,
        }
    }

    /// Puts in force what a generation says: the address, the certificate and the settings of TLS.
    /// Links that exist stay as they are; new ones are made under what is new.
    ///
    /// # Errors
    /// When the address cannot be bound; what was bound before stays.
    pub(crate) async fn apply(
        &mut self,
        generation: &Generation,
        settings: &Settings,
    ) -> anyhow::Result<()> {
        let endpoints = generation.of_type("Endpoint");
        let dialled = endpoints.filter(|it| it.optional("host").is_some());
        self.identity
            .keep_sessions_of(dialled.map(|it| it.name.as_str()));
        let Some(listener) = generation.of_type("ApiListener").next() else {
            if let Some(bound) = self.bound.take() {
                let port = bound.address.port;
                bound.close().await;
                tracing::info!(target: "ApiListener", "Stopped listening on port {port}");
                remove_api_state(settings);
            }
            return Ok(());
        };
        self.reload_identity(listener);
        let address = address_of(listener);
        if self
            .bound
            .as_ref()
            .is_some_and(|bound| bound.address == address)
        {
            return Ok(());
        }
        let socket = self.bind(&address).await?;
        let local = socket
            .local_addr()
            .context("cannot find the listener's own address")?;
        tracing::info!(target: "ApiListener", "Started new listener on '[{}]:{}'", local.ip(),
            local.port());
        write_api_state(settings, &local);
        let now = self.serve(socket, address);
        if let Some(before) = self.bound.replace(now) {
            // The new one is there first, so that who is turned away at the old one finds it.
            before.close().await;
        }
        Ok(())
    }

    fn serve(&self, socket: TcpListener, address: Address) -> Bound {
        let (stop, stopped) = oneshot::channel();
        let (dialler, api) = (self.dialler.clone(), Arc::clone(&self.api));
        let gate = dialler.gate();
        let welcome = move |tcp| dialler.welcome(tcp, &api);
        let task = tokio::spawn(accept_until(stopped, socket, gate, welcome));
        Bound {
            address,
            stop,
            task,
        }
    }

    /// Binds an address. One that overlaps the present one (all addresses instead of one, the
    /// same port) can only be had when that is given up first.
    async fn bind(&mut self, address: &Address) -> anyhow::Result<TcpListener> {
        let listen = |address: &Address| bheka_net::listen(address.host.as_deref(), address.port);
        let mut bound = listen(address);
        let overlaps = self
            .bound
            .as_ref()
            .is_some_and(|before| before.address.port == address.port);
        if bound.is_err()
            && overlaps
            && let Some(before) = self.bound.take()
        {
            let address_before = before.address.clone();
            before.close().await;
            bound = listen(address);
            if bound.is_err()
                && let Ok(socket) = listen(&address_before)
            {
                self.bound = Some(self.serve(socket, address_before));
            }
        }
        bound.with_context(|| {
            format!(
                "cannot listen on '{}' port {}; end what listens there, or set 'bind_host' and \
                 'bind_port' of the ApiListener",
                address.host.as_deref().unwrap_or("::"),
                address.port
            )
        })
    }

    /// Takes certificate, key and CA anew when a file has changed, and the settings of TLS when the
    /// configuration has.
    fn reload_identity(&mut self, listener: &ConfigObject) {
        finish_change_of_key(&self.files);
        let files = Some(contents(&self.files));
        let settings = tls_settings(listener);
        let (new_files, new_settings) =
            (files != self.loaded, settings != self.identity.settings());
        if !new_files && !new_settings {
            return;
        }
        let replaced = IdentityParts::read(&self.files)
            .and_then(|parts| self.identity.reconfigure(parts, settings));
        if let Err(error) = replaced {
            tracing::error!(target: "ApiListener", "cannot put the changed certificate and TLS \
                settings in force: {error}; those before stay in use");
            return;
        }
        self.loaded = files;
        if new_files {
            tracing::info!(target: "ApiListener", "Loaded the changed certificate '{}'; new \
                connections use it, those that exist stay", self.files.certificate.display());
        }
        if new_settings {
            tracing::info!(target: "ApiListener", "Changed 'cipher_list', 'tls_protocolmin' or \
                'crl_path'; new connections go by them, those that exist stay");
            tell_warnings(&self.identity);
        }
    }
}

/// Accepts connections until the other end of `stopped` is gone. Then those are accepted that wait in
/// the socket's queue: closing it would reset them, although their peers believe to be connected.
async fn accept_until(
    mut stopped: oneshot::Receiver<()>,
    listener: TcpListener,
    gate: Gate,
    welcome: impl Fn(TcpStream),
) {
    loop {
        let next = async {
            gate.room().await;
            listener.accept().await
        };
        let accepted = tokio::select! {
            _ = &mut stopped => break,
            accepted = next => accepted,
        };
        match accepted {
            Ok((tcp, _)) => welcome(tcp),
            Err(error) => {
                // Out of descriptors, most likely: those in use must not suffer, so wait.
                tracing::error!(target: "ApiListener", "Cannot accept new connection: {error}");
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        }
    }
    // What the runtime knows of the socket may be late, so the system is asked. It does not block.
    let Ok(listener) = listener.into_std() else {
        return;
    };
    for _ in 0..WAITING_MAX {
        let Ok((tcp, _)) = listener.accept() else {
            return;
        };
        if let Ok(tcp) = tcp
            .set_nonblocking(true)
            .and_then(|()| TcpStream::from_std(tcp))
        {
            welcome(tcp);
        }
    }
}

/// Connections that are accepted from a socket that is to be closed: more than its queue holds, and
/// not for ever.
const WAITING_MAX: usize = 8192;

/// The identity for a generation: its listener's, or none.
///
/// # Errors
/// When there is a listener and its certificate is not usable.
pub(crate) fn load_identity(
    listener: Option<&ConfigObject>,
    files: &IdentityFiles,
    paths: &Paths,
) -> anyhow::Result<Arc<Identity>> {
    let (keys, warning) = TicketKeys::open(&paths.ticket_keys_file(), clock::now())
        .context("cannot make keys for session tickets")?;
    if let Some(warning) = warning {
        tracing::warn!(target: "ApiListener", "{warning}");
    }
    let keys = Arc::new(keys);
    let Some(listener) = listener else {
        let identity = Identity::anonymous().context("cannot set up TLS")?;
        return Ok(Arc::new(identity.with_ticket_keys(keys)));
    };
    finish_change_of_key(files);
    let identity = Identity::load(files, tls_settings(listener)).with_context(|| {
        let folder = files
            .certificate
            .parent()
            .map(|folder| folder.display().to_string());
        format!(
            "the ApiListener has no usable certificate in '{}'; run 'api setup' or 'node setup', \
             or disable the feature with 'feature disable api'",
            folder.unwrap_or_default()
        )
    })?;
    tell_warnings(&identity);
    Ok(Arc::new(identity.with_ticket_keys(keys)))
}

/// The settings of TLS that a listener asks for.
pub(crate) fn tls_settings(listener: &ConfigObject) -> TlsSettings {
    TlsSettings {
        crl: listener
            .optional("crl_path")
            .map(|path| PathBuf::from(path.as_str())),
        // The default names what OpenSSL has; only a list that somebody wrote is worth a warning.
        cipher_list: listener
            .attributes
            .contains_key("cipher_list")
            .then(|| listener.string("cipher_list").to_string()),
        protocol_min: listener.optional("tls_protocolmin").map(String::from),
        ..TlsSettings::default()
    }
}

/// Puts the certificate in place that an interrupted `pki rekey` left beside.
fn finish_change_of_key(files: &IdentityFiles) {
    match NextPair::of(files).finish() {
        Ok(false) => {}
        Ok(true) => {
            tracing::info!(target: "ApiListener", "Ended an interrupted change of the key: \
            the new certificate is in '{}'", files.certificate.display())
        }
        Err(error) => tracing::warn!(target: "ApiListener", "cannot end an interrupted change of \
            the key: {error}"),
    }
}

fn tell_warnings(identity: &Identity) {
    for warning in identity.warnings() {
        tracing::warn!(target: "ApiListener", "{warning}");
    }
}

/// What of a listener takes effect on links that are made from now on.
pub(crate) fn deadlines(listener: &ConfigObject) -> bheka_net::Deadlines {
    let seconds = |name: &str, default: f64| {
        let configured = listener
            .get(name)
            .to_number()
            .filter(|seconds| *seconds > 0.0);
        Duration::from_secs_f64(configured.unwrap_or(default).min(3600.0))
    };
    bheka_net::Deadlines::new(
        seconds("connect_timeout", 15.0),
        seconds("tls_handshake_timeout", 10.0),
    )
}

fn address_of(listener: &ConfigObject) -> Address {
    let port = listener.get("bind_port").to_number().unwrap_or(5665.0);
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "saturates"
    )]
    let port = port as u16;
    Address {
        host: listener.optional("bind_host"),
        port,
    }
}

fn contents(files: &IdentityFiles) -> Vec<Vec<u8>> {
    // A file that cannot be read counts as empty here; loading it gives the error.
    let read = |path: &PathBuf| std::fs::read(path).unwrap_or_default();
    [&files.certificate, &files.key, &files.ca]
        .map(read)
        .to_vec()
}

/// `CacheDir/api-state.json`: where the listener is, for other programs.
fn write_api_state(settings: &Settings, address: &std::net::SocketAddr) {
    let state = bheka_value::Value::dictionary([
        ("host", address.ip().to_string().into()),
        ("port", f64::from(address.port()).into()),
    ]);
    let path = settings.paths.cache_dir.join("api-state.json");
    let written = std::fs::create_dir_all(&settings.paths.cache_dir)
        .and_then(|()| super::store::replace(&path, bheka_value::to_json(&state).as_bytes()));
    if let Err(error) = written {
        tracing::warn!(target: "ApiListener", "cannot write '{}': {error}", path.display());
    }
}

/// Removes what [`Listener::apply`] wrote.
pub(crate) fn remove_api_state(settings: &Settings) {
    let _ = std::fs::remove_file(settings.paths.cache_dir.join("api-state.json"));
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[tokio::test]
    async fn who_waits_at_a_socket_that_is_closed_gets_in() {
        let socket = bheka_net::listen(Some("127.0.0.1"), 0).unwrap();
        let address = socket.local_addr().unwrap();
        // Nobody accepts yet: all of them wait in the queue of the socket.
        let knocking: Vec<_> = (0..50)
            .map(|_| std::net::TcpStream::connect(address).unwrap())
            .collect();
        let welcomed = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&welcomed);
        let (stop, stopped) = oneshot::channel();
        drop(stop);
        let welcome = move |_tcp| {
            counter.fetch_add(1, Ordering::Relaxed);
        };
        accept_until(stopped, socket, Gate::default(), welcome).await;
        assert_eq!(welcomed.load(Ordering::Relaxed), knocking.len());
        assert!(std::net::TcpStream::connect(address).is_err());
    }
}
