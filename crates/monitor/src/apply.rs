//! The one door: commands that change live state.

use std::sync::Arc;

use bheka_model::{Acknowledgement, CheckResult, CheckableName, Command, EventKind, Origin};
use bheka_value::{Str, Timestamp};

use crate::dependencies::Purpose;
use crate::monitor::Monitor;
use crate::state_machine::{self, Change, Rules};
use crate::{Severity, scope};

/// Peers' wishes for a next check are ignored when they lie before the start plus this.
const NEXT_CHECK_GRACE_S: f64 = 60.0;

impl Monitor {
    pub(crate) fn apply_command(&mut self, command: Command, origin: &Origin, now: Timestamp) {
        let name = command.checkable().clone();
        if !self.live.contains_key(&name) {
            return;
        }
        match command {
            Command::ProcessResult { result, .. } => {
                let origin = self.origin_of_result(&name, origin);
                if origin.is_local() && !result.active && !self.accepts_results(&name, now) {
                    let text = format!(
                        "Ignoring passive check result for unreachable object '{}'",
                        name.full()
                    );
                    self.log(Severity::Notice, "Checkable", text);
                    return;
                }
                self.process_result(&name, *result, &origin, now);
            }
            Command::SetNextCheck { at, .. } => {
                let too_early = at < self.program_start + NEXT_CHECK_GRACE_S;
                if origin.is_local() || !too_early {
                    self.set_next_check(&name, at, origin);
                }
            }
            Command::SetLastCheckStarted { at, .. } => {
                self.change(&name, |state| state.last_check_started = at);
                self.emit(&name, origin, EventKind::LastCheckStarted(at));
            }
            Command::SetForceNextCheck { forced, .. } => {
                self.change(&name, |state| state.force_next_check = forced);
                self.emit(&name, origin, EventKind::ForceNextCheck(forced));
            }
            Command::SetForceNextNotification { forced, .. } => {
                self.change(&name, |state| state.force_next_notification = forced);
                self.emit(&name, origin, EventKind::ForceNextNotification(forced));
            }
            Command::SetStateBeforeSuppression { state: raw, .. } => {
                self.change(&name, |state| state.state_before_suppression = raw);
                self.emit(&name, origin, EventKind::StateBeforeSuppression(raw));
            }
            Command::SetSuppressedNotifications { types, .. } => {
                self.change(&name, |state| state.suppressed_notifications = types);
                self.emit(&name, origin, EventKind::SuppressedNotifications(types));
            }
            Command::SetAcknowledgement {
                author,
                comment,
                kind,
                notify,
                persistent,
                expiry,
                change_time,
                ..
            } => {
                let event = EventKind::AcknowledgementSet {
                    author,
                    comment,
                    kind,
                    notify,
                    persistent,
                    expiry,
                    change_time,
                };
                self.acknowledge(&name, event, origin);
            }
            Command::ClearAcknowledgement {
                author,
                change_time,
                ..
            } => {
                self.clear_acknowledgement(&name, author, change_time, origin);
            }
            Command::UpdateExecutions { executions, .. } => {
                self.update_executions(&name, executions, origin);
            }
        }
    }

    /// A result of the command endpoint of a checkable that is ours counts as our own.
    fn origin_of_result(&self, name: &CheckableName, origin: &Origin) -> Origin {
        let (Some(live), Some(settings)) = (self.live.get(name), self.settings(name)) else {
            return origin.clone();
        };
        let from_executor =
            origin.endpoint.is_some() && origin.endpoint == settings.command_endpoint;
        if from_executor && live.authoritative && settings.own_zone {
            return Origin::local();
        }
        origin.clone()
    }

    fn acknowledge(&mut self, name: &CheckableName, event: EventKind, origin: &Origin) {
        let EventKind::AcknowledgementSet {
            kind,
            expiry,
            change_time,
            ..
        } = &event
        else {
            return;
        };
        let (kind, expiry, change_time) = (*kind, *expiry, *change_time);
        let known = self.live.get(name).map(|live| live.state.acknowledgement);
        if !origin.is_local() && known != Some(Acknowledgement::None) {
            self.log(
                Severity::Warning,
                "ClusterEvents",
                format!(
                    "Discarding 'acknowledgement set' message: '{}' is already acknowledged",
                    name.full()
                ),
            );
            return;
        }
        self.change(name, |state| {
            state.acknowledgement = kind;
            state.acknowledgement_expiry = expiry;
            state.acknowledgement_last_change = change_time;
        });
        if expiry.is_never() {
            self.expiries.remove(name);
        } else {
            self.expiries.set(name, expiry);
        }
        self.emit(name, origin, event);
    }

    fn clear_acknowledgement(
        &mut self,
        name: &CheckableName,
        author: Str,
        change_time: Timestamp,
        origin: &Origin,
    ) {
        self.expiries.remove(name);
        let before = self.live.get(name).map(|live| live.state.acknowledgement);
        if before.is_none_or(|before| before == Acknowledgement::None) {
            return;
        }
        self.change(name, |state| {
            state.acknowledgement = Acknowledgement::None;
            state.acknowledgement_expiry = Timestamp::NEVER;
            state.acknowledgement_last_change = change_time;
        });
        self.emit(
            name,
            origin,
            EventKind::AcknowledgementCleared {
                author,
                change_time,
            },
        );
    }

    /// Ends acknowledgements whose time is over.
    pub(crate) fn expire(&mut self, now: Timestamp) {
        while let Some(name) = self.expiries.pop_due(now) {
            self.clear_acknowledgement(&name, Str::default(), now, &Origin::local());
        }
    }

    fn update_executions(
        &mut self,
        name: &CheckableName,
        executions: bheka_value::Value,
        origin: &Origin,
    ) {
        let Some(added) = executions.as_dictionary().map(|added| added.entries()) else {
            return;
        };
        self.change(name, |state| {
            let mut all = state
                .executions
                .as_dictionary()
                .map(|all| all.entries())
                .unwrap_or_default();
            all.extend(added);
            state.executions = bheka_value::Value::dictionary(all);
        });
        self.emit(name, origin, EventKind::Executions(executions));
    }

    /// Processes a result: state machine, next check, events in Icinga 2's order (`SetNextCheck`
    /// stands before `CheckResult`, which newer peers rely on).
    pub(crate) fn process_result(
        &mut self,
        name: &CheckableName,
        mut result: CheckResult,
        origin: &Origin,
        now: Timestamp,
    ) {
        self.complete(name, &mut result, origin, now);
        let Some(rules) = self.rules(name, now) else {
            return;
        };
        let Some(live) = self.live.get_mut(name) else {
            return;
        };
        if !origin.is_local() && is_repeated(live.state.last_check_result.as_deref(), &result) {
            return;
        }
        let state = Arc::make_mut(&mut live.state);
        let Some((result, change)) = state_machine::apply(state, &rules, result, now) else {
            return;
        };
        self.out.push(crate::Effect::Publish(name.clone()));
        self.counters.count(name.is_service(), &result, now);
        if change.acknowledgement_cleared {
            self.expiries.remove(name);
            self.emit(
                name,
                origin,
                EventKind::AcknowledgementCleared {
                    author: Str::default(),
                    change_time: result.execution_end,
                },
            );
        }
        if origin.is_local() {
            self.plan_after(name, &result, origin, now);
        }
        let state_type = result.vars_after.map(|vars| vars.state_type);
        if change.state_change || state_type != Some(change.old_state_type as u8) {
            self.refresh_reachability(name, now);
        }
        self.emit(name, origin, EventKind::CheckResult(Arc::clone(&result)));
        self.tell_change(name, &change, &result, &rules, origin);
        if change.event_handler {
            self.run_event_handler(name, now);
        }
        if change.was_flapping != change.is_flapping {
            self.tell_flapping(name, change.is_flapping, &rules, origin);
        }
    }

    /// Fills in what a result lacks.
    fn complete(
        &self,
        name: &CheckableName,
        result: &mut CheckResult,
        origin: &Origin,
        now: Timestamp,
    ) {
        for time in [
            &mut result.schedule_start,
            &mut result.schedule_end,
            &mut result.execution_start,
            &mut result.execution_end,
        ] {
            if time.is_never() {
                *time = now;
            }
        }
        if origin.is_local() {
            result.scheduling_source = self.node_name.clone();
        }
        if result.check_source.is_empty() {
            let executor = self
                .settings(name)
                .and_then(|settings| settings.command_endpoint.clone());
            if let Some(executor) = executor {
                result.check_source = executor;
            } else if origin.is_local() {
                result.check_source = self.node_name.clone();
            }
        }
    }

    fn rules(&self, name: &CheckableName, now: Timestamp) -> Option<Rules> {
        let settings = self.settings(name)?;
        Some(Rules {
            is_host: !name.is_service(),
            attempts_max: settings.attempts_max,
            volatile: settings.volatile,
            reachable: self.is_reachable(name, Purpose::State, now),
            flapping: settings.flapping && self.table.switches.flapping,
            flapping_low: settings.flapping_low,
            flapping_high: settings.flapping_high,
        })
    }

    /// After an active result the next check follows the interval; a passive one keeps active
    /// checks away for its time to live, or an interval.
    fn plan_after(
        &mut self,
        name: &CheckableName,
        result: &CheckResult,
        origin: &Origin,
        now: Timestamp,
    ) {
        if result.active {
            self.advance_next_check(name, origin, now);
            return;
        }
        let Some(settings) = self.settings(name) else {
            return;
        };
        let fresh_s = if result.ttl > 0.0 {
            result.ttl
        } else {
            settings.check_interval_s
        };
        self.set_next_check(name, now + fresh_s, origin);
    }

    fn tell_change(
        &mut self,
        name: &CheckableName,
        change: &Change,
        result: &Arc<CheckResult>,
        rules: &Rules,
        origin: &Origin,
    ) {
        if !change.hard_event && !change.soft_event {
            return;
        }
        let word = |raw: u8| {
            scope::state_word(
                rules.is_host,
                if rules.is_host {
                    state_machine::host_state(raw)
                } else {
                    raw
                },
            )
        };
        let text = format!(
            "State Change: Checkable '{}' {} state change from {} to {} detected.{}",
            name.full(),
            if change.hard_event { "hard" } else { "soft" },
            word(change.old_state),
            word(result.state),
            if change.hard_event && rules.volatile {
                " Checkable is volatile."
            } else {
                ""
            },
        );
        self.emit(
            name,
            origin,
            EventKind::StateChange {
                result: Arc::clone(result),
                state: result.state,
                hard: change.hard_event,
            },
        );
        self.log(Severity::Notice, "Checkable", text);
    }

    fn tell_flapping(
        &mut self,
        name: &CheckableName,
        flapping: bool,
        rules: &Rules,
        origin: &Origin,
    ) {
        let Some(live) = self.live.get(name) else {
            return;
        };
        let (verb, sign, threshold) = if flapping {
            ("started", "> high", rules.flapping_high)
        } else {
            ("stopped", "< low", rules.flapping_low)
        };
        let text = format!(
            "Flapping: Checkable '{}' {verb} flapping (Current flapping value {}% {sign} threshold {threshold}%).",
            name.full(),
            live.state.flapping_current,
        );
        self.log(Severity::Notice, "Checkable", text);
        self.emit(name, origin, EventKind::Flapping(flapping));
    }
}

/// Whether a peer has sent the very result that is stored. After a lost link the replay log may
/// bring it again; taken twice, it would count as another attempt.
fn is_repeated(stored: Option<&CheckResult>, result: &CheckResult) -> bool {
    stored.is_some_and(|stored| {
        stored.execution_start == result.execution_start
            && stored.execution_end == result.execution_end
            && stored.check_source == result.check_source
            && stored.state == result.state
            && stored.output == result.output
    })
}
