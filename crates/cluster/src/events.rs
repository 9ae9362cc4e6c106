//! `event::*` messages to and from commands and events, one table for all.

use std::sync::Arc;

use bheka_model::{Acknowledgement, CheckResult, CheckableName, Command, Event, EventKind};
use bheka_value::{Str, Timestamp, Value};

use crate::message::Message;

/// Who may send a message, as the zone checks see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// From within the own zone, from the object's zone, or from an ancestor of it.
    Object,
    /// Likewise, or from the object's `command_endpoint`.
    ObjectOrCommandEndpoint,
    /// From within the own zone only.
    Local,
    /// From the own zone or an ancestor.
    Parent,
}

/// The rule for an event about a checkable, or about a notification or another object.
#[must_use]
pub fn access(method: &str) -> Option<Access> {
    Some(match method {
        "event::CheckResult" => Access::ObjectOrCommandEndpoint,
        "event::SetNextCheck"
        | "event::SetLastCheckStarted"
        | "event::SetForceNextCheck"
        | "event::SetForceNextNotification"
        | "event::SetAcknowledgement"
        | "event::ClearAcknowledgement"
        | "event::UpdateExecutions"
        | "event::SetNextNotification" => Access::Object,
        "event::SetStateBeforeSuppression"
        | "event::SetSuppressedNotifications"
        | "event::SetSuppressedNotificationTypes"
        | "event::UpdateLastNotifiedStatePerUser"
        | "event::ClearLastNotifiedStatePerUser"
        | "event::SendNotifications"
        | "event::NotificationSentUser"
        | "event::NotificationSentToAllUsers" => Access::Local,
        "event::SetRemovalInfo" => Access::Parent,
        _ => return None,
    })
}

/// The object that an event is about.
#[must_use]
pub fn subject(message: &Message) -> Option<(&'static str, Str)> {
    if let Some(name) = checkable(message) {
        return Some((name.type_name(), name.full()));
    }
    if let Some(name) = message.text_param("notification") {
        return Some(("Notification", name));
    }
    let name = message.text_param("object_name")?;
    match message.param("object_type").as_str() {
        Some("Comment") => Some(("Comment", name)),
        Some("Downtime") => Some(("Downtime", name)),
        _ => None,
    }
}

/// The checkable that a message names by `host` and `service`.
#[must_use]
pub fn checkable(message: &Message) -> Option<CheckableName> {
    let host = message.text_param("host")?;
    Some(CheckableName {
        host,
        service: message.text_param("service"),
    })
}

/// What a message wants of live state. `Ok(None)` for events that this node does not act on.
///
/// # Errors
/// When a parameter that cannot be done without has no sensible value.
pub fn decode(
    method: &str,
    checkable: CheckableName,
    message: &Message,
) -> Result<Option<Command>, String> {
    let number = |name: &str| {
        message
            .number_param(name)
            .ok_or_else(|| format!("parameter '{name}' must be a number"))
    };
    let time = |name: &str| number(name).map(Timestamp);
    let optional_time = |name: &str| Timestamp(message.number_param(name).unwrap_or_default());
    let text = |name: &str| message.text_param(name).unwrap_or_default();
    let flag = |name: &str| message.param(name).is_true();
    Ok(Some(match method {
        "event::CheckResult" => {
            let result = CheckResult::from_value(&message.param("cr"))
                .ok_or("parameter 'cr' must be a check result")?;
            Command::ProcessResult {
                checkable,
                result: Box::new(result),
            }
        }
        "event::SetNextCheck" => Command::SetNextCheck {
            checkable,
            at: time("next_check")?,
        },
        "event::SetLastCheckStarted" => Command::SetLastCheckStarted {
            checkable,
            at: time("last_check_started")?,
        },
        "event::SetForceNextCheck" => Command::SetForceNextCheck {
            checkable,
            forced: flag("forced"),
        },
        "event::SetForceNextNotification" => Command::SetForceNextNotification {
            checkable,
            forced: flag("forced"),
        },
        "event::SetStateBeforeSuppression" => {
            let state = number("state_before_suppression")?;
            if !(0.0..=3.0).contains(&state) {
                return Err("parameter 'state_before_suppression' must be 0 to 3".into());
            }
            Command::SetStateBeforeSuppression {
                checkable,
                state: small(state),
            }
        }
        "event::SetSuppressedNotifications" => Command::SetSuppressedNotifications {
            checkable,
            types: bits(number("suppressed_notifications")?),
        },
        "event::SetAcknowledgement" => Command::SetAcknowledgement {
            checkable,
            author: text("author"),
            comment: text("comment"),
            kind: match message.number_param("acktype") {
                Some(2.0) => Acknowledgement::Sticky,
                _ => Acknowledgement::Normal,
            },
            notify: flag("notify"),
            persistent: flag("persistent"),
            expiry: optional_time("expiry"),
            change_time: optional_time("change_time"),
        },
        "event::ClearAcknowledgement" => Command::ClearAcknowledgement {
            checkable,
            author: text("author"),
            change_time: optional_time("change_time"),
        },
        "event::UpdateExecutions" => match message.param("executions") {
            Value::Dictionary(executions) => Command::UpdateExecutions {
                checkable,
                executions: Value::Dictionary(executions),
            },
            _ => return Err("parameter 'executions' must be a dictionary".into()),
        },
        _ => return Ok(None),
    }))
}

/// An event as a message.
#[derive(Clone, Debug, PartialEq)]
pub struct Encoded {
    /// Method.
    pub method: &'static str,
    /// Parameters.
    pub params: Value,
    /// Whether the checkable decides who may see it; else the own zone and its ancestors do.
    pub by_object: bool,
}

/// The message that tells peers of an event; `None` for those they work out themselves.
#[must_use]
pub fn encode(event: &Event) -> Option<Encoded> {
    let (method, fields): (_, Vec<(&'static str, Value)>) = match &event.kind {
        EventKind::CheckResult(result) => ("event::CheckResult", vec![("cr", result.to_value())]),
        EventKind::NextCheck(at) => ("event::SetNextCheck", vec![("next_check", stamp(*at))]),
        EventKind::LastCheckStarted(at) => (
            "event::SetLastCheckStarted",
            vec![("last_check_started", stamp(*at))],
        ),
        EventKind::ForceNextCheck(forced) => (
            "event::SetForceNextCheck",
            vec![("forced", Value::Boolean(*forced))],
        ),
        EventKind::ForceNextNotification(forced) => (
            "event::SetForceNextNotification",
            vec![("forced", Value::Boolean(*forced))],
        ),
        EventKind::StateBeforeSuppression(state) => (
            "event::SetStateBeforeSuppression",
            vec![("state_before_suppression", Value::Number(f64::from(*state)))],
        ),
        EventKind::SuppressedNotifications(types) => (
            "event::SetSuppressedNotifications",
            vec![("suppressed_notifications", Value::Number(f64::from(*types)))],
        ),
        EventKind::AcknowledgementSet {
            author,
            comment,
            kind,
            notify,
            persistent,
            expiry,
            change_time,
        } => (
            "event::SetAcknowledgement",
            vec![
                ("acktype", Value::Number(f64::from(*kind as u8))),
                ("author", Value::String(author.clone())),
                ("change_time", stamp(*change_time)),
                ("comment", Value::String(comment.clone())),
                ("expiry", stamp(*expiry)),
                ("notify", Value::Boolean(*notify)),
                ("persistent", Value::Boolean(*persistent)),
            ],
        ),
        EventKind::AcknowledgementCleared {
            author,
            change_time,
        } => (
            "event::ClearAcknowledgement",
            vec![
                ("author", Value::String(author.clone())),
                ("change_time", stamp(*change_time)),
            ],
        ),
        EventKind::Executions(executions) => (
            "event::UpdateExecutions",
            vec![("executions", executions.clone())],
        ),
        kind @ (EventKind::StateChange { .. } | EventKind::Flapping(_)) => {
            debug_assert!(!is_told(kind));
            return None;
        }
    };
    let by_object = access(method) != Some(Access::Local);
    Some(Encoded {
        method,
        params: about(&event.checkable, fields),
        by_object,
    })
}

/// Whether peers are told of such an event at all; some they compute themselves.
#[must_use]
pub fn is_told(kind: &EventKind) -> bool {
    !matches!(kind, EventKind::StateChange { .. } | EventKind::Flapping(_))
}

/// Parameters about a checkable.
#[must_use]
pub fn about(checkable: &CheckableName, fields: Vec<(&'static str, Value)>) -> Value {
    let mut fields = fields;
    fields.push(("host", Value::String(checkable.host.clone())));
    if let Some(service) = &checkable.service {
        fields.push(("service", Value::String(service.clone())));
    }
    Value::dictionary(fields)
}

/// The event that a command from a peer causes when it is applied; the simulator and tests use it
/// to compare what goes in with what comes out.
#[must_use]
pub fn caused_by(command: &Command) -> EventKind {
    match command.clone() {
        Command::ProcessResult { result, .. } => EventKind::CheckResult(Arc::from(result)),
        Command::SetNextCheck { at, .. } => EventKind::NextCheck(at),
        Command::SetLastCheckStarted { at, .. } => EventKind::LastCheckStarted(at),
        Command::SetForceNextCheck { forced, .. } => EventKind::ForceNextCheck(forced),
        Command::SetForceNextNotification { forced, .. } => {
            EventKind::ForceNextNotification(forced)
        }
        Command::SetStateBeforeSuppression { state, .. } => {
            EventKind::StateBeforeSuppression(state)
        }
        Command::SetSuppressedNotifications { types, .. } => {
            EventKind::SuppressedNotifications(types)
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
        } => EventKind::AcknowledgementSet {
            author,
            comment,
            kind,
            notify,
            persistent,
            expiry,
            change_time,
        },
        Command::ClearAcknowledgement {
            author,
            change_time,
            ..
        } => EventKind::AcknowledgementCleared {
            author,
            change_time,
        },
        Command::UpdateExecutions { executions, .. } => EventKind::Executions(executions),
    }
}

fn stamp(time: Timestamp) -> Value {
    Value::Number(time.seconds())
}

/// A number that is known to be small, as it stands in a message.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
fn small(number: f64) -> u8 {
    number.clamp(0.0, 255.0) as u8
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
fn bits(number: f64) -> u32 {
    number.clamp(0.0, f64::from(u32::MAX)) as u32
}
