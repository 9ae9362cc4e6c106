//! What of the daemon a generation decides about, and how the next one takes its place.

use std::sync::Arc;

use anyhow::Context as _;
use arc_swap::{ArcSwap, ArcSwapOption};
use bheka_api::Template;
use bheka_cluster::Input;
use bheka_lang::Globals;
use bheka_model::{Board, Generation};
use bheka_value::Str;
use tokio::sync::oneshot;

use super::certificates::Certificates;
use super::job::{Exchange, Job, Jobs, Swapped};
use super::links::{Dialler, LinkSettings};
use super::listener::{self, Listener};
use super::logging::{self, Console};
use super::{clock, notices, replay, runtime, zone_files};
use crate::cli::DaemonOptions;
use crate::settings::Settings;

/// The parts of the daemon that follow the configuration.
pub(crate) struct InForce {
    pub(crate) settings: Settings,
    pub(crate) options: DaemonOptions,
    pub(crate) jobs: Jobs,
    pub(crate) dialler: Dialler,
    pub(crate) certificates: Certificates,
    pub(crate) node_name: Str,
    pub(crate) local_endpoint: Str,
    pub(crate) listener: Option<Listener>,
    pub(crate) templates: Arc<ArcSwap<Vec<(Str, Template)>>>,
    pub(crate) globals: Arc<ArcSwapOption<Globals>>,
    pub(crate) board: Arc<Board>,
    pub(crate) zone_files: Arc<zone_files::Zones>,
}

impl InForce {
    /// Puts a generation in the place of the one before, while everything runs.
    ///
    /// # Errors
    /// When the writer has ended.
    pub(crate) async fn replace(
        &mut self,
        next: &Exchange,
        templates: Vec<(Str, Template)>,
        globals: Globals,
    ) -> anyhow::Result<Swapped> {
        let generation = next.generation();
        let console = Console::when_running(&self.options);
        logging::configure(&self.options.logs, &self.settings, console, generation);
        self.templates.store(Arc::new(templates));
        self.apply_listener(generation);
        if let Some(listener) = &mut self.listener
            && let Err(error) = listener.apply(generation, &self.settings).await
        {
            tracing::error!(target: "ApiListener", "{error:#}; the listener stays as it was");
        }
        self.attach(&globals);
        let swapped = self.swap(next).await?;
        notices::warn_of_what_has_no_effect(generation);
        self.adopt(globals).await;
        self.hand_in_zone_files().await;
        Ok(swapped)
    }

    /// Hands a generation to the writer and waits until it is in force.
    ///
    /// # Errors
    /// When the writer has ended.
    pub(crate) async fn swap(&self, next: &Exchange) -> anyhow::Result<Swapped> {
        let (done, applied) = oneshot::channel();
        self.jobs.send(Job::Reconfigure(next.clone(), done)).await;
        applied.await.context("the daemon is ending")
    }

    /// Tells the core what lies on disk of log and certificates.
    pub(crate) async fn introduce(&self, found: replay::Found) {
        let input = Input::LogState {
            files: found.files,
            current_records: found.current_records,
            last_timestamp: found.last_timestamp,
        };
        self.jobs.send(Job::Cluster(input)).await;
        let certificates = self.certificates.clone();
        let state = tokio::task::spawn_blocking(move || certificates.state()).await;
        if let Ok(state) = state {
            self.jobs.send(Job::Cluster(Input::PkiState(state))).await;
        }
    }

    /// Reads the files that other nodes get of this one, and tells the core when they changed.
    pub(crate) async fn hand_in_zone_files(&mut self) {
        let zones_dir = self.settings.paths.zones_dir.clone();
        let before = Arc::clone(&self.zone_files);
        let reading = tokio::task::spawn_blocking(move || {
            zone_files::collect(&zones_dir, clock::now(), &before)
        });
        let Ok(zones) = reading.await else { return };
        if Arc::ptr_eq(&zones, &self.zone_files) {
            return;
        }
        self.zone_files = Arc::clone(&zones);
        let authoritative = zones.keys().cloned().collect();
        self.jobs
            .send(Job::Cluster(Input::ZoneFiles {
                zones,
                authoritative,
            }))
            .await;
    }

    /// Lets functions of the configuration see the running daemon: before the first of them can be
    /// called, for without it they see no objects.
    pub(crate) fn attach(&self, globals: &Globals) {
        let board = Arc::clone(&self.board);
        let logs = Arc::clone(&self.options.logs);
        globals.attach(Arc::new(runtime::LiveRuntime { board, logs }));
    }

    /// Keeps the globals of the generation in force; those of the one before come free.
    pub(crate) async fn adopt(&self, globals: Globals) {
        if let Some(before) = self.globals.swap(Some(Arc::new(globals))) {
            // Taking a large configuration apart takes a while.
            let _ = tokio::task::spawn_blocking(move || before.retire()).await;
        }
    }

    /// What of the ApiListener takes effect at once.
    pub(crate) fn apply_listener(&self, generation: &Generation) {
        let Some(listener) = generation.of_type("ApiListener").next() else {
            return;
        };
        let deadlines = listener::deadlines(listener);
        self.dialler.set_settings(LinkSettings { deadlines });
        let salt = listener.optional("ticket_salt");
        let salt = salt.or_else(|| generation.global_string("TicketSalt"));
        self.certificates
            .set_salt(salt.as_deref().unwrap_or_default());
        self.certificates.ask_for_next_key();
    }
}
