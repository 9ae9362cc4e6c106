//! The built-in check, event, notification and time period functions. They do nothing by
//! themselves: the monitor knows them by name.

use std::sync::{Arc, Weak};

use bheka_value::{FunctionInfo, Value};

use crate::env::Env;
use crate::eval::call::{Arity, Builtin};
use crate::fault::Fault;

const CHECK: &[&str] = &["checkable", "cr", "resolvedMacros", "useResolvedMacros"];
const EVENT: &[&str] = &["checkable", "resolvedMacros", "useResolvedMacros"];
const NOTIFICATION: &[&str] = &[
    "notification",
    "user",
    "cr",
    "itype",
    "author",
    "comment",
    "resolvedMacros",
    "useResolvedMacros",
];
const PERIOD: &[&str] = &["tp", "begin", "end"];

const NAMES: &[(&str, &[&str])] = &[
    ("PluginCheck", CHECK),
    ("IcingaCheck", CHECK),
    ("ClusterCheck", CHECK),
    ("ClusterZoneCheck", CHECK),
    ("DummyCheck", CHECK),
    ("RandomCheck", CHECK),
    ("ExceptionCheck", CHECK),
    ("SleepCheck", CHECK),
    ("NullCheck", CHECK),
    ("IdoCheck", CHECK),
    ("IcingadbCheck", CHECK),
    ("IfwApiCheck", CHECK),
    ("PluginEvent", EVENT),
    ("NullEvent", EVENT),
    ("PluginNotification", NOTIFICATION),
    ("LegacyTimePeriod", PERIOD),
    ("EmptyTimePeriod", PERIOD),
    ("EvenMinutesTimePeriod", PERIOD),
];

/// Name and function of each.
pub(super) fn checks(env: &Weak<Env>) -> impl Iterator<Item = (&'static str, Value)> {
    NAMES.iter().map(move |(name, arguments)| {
        let full = format!("Internal#{name}");
        let info = FunctionInfo {
            name: full.as_str().into(),
            arguments: arguments.iter().map(|&argument| argument.into()).collect(),
            side_effect_free: false,
            deprecated: false,
        };
        let body = Box::new(move |_: &crate::eval::call::Call<'_>| {
            Err(Fault::new(format!(
                "{full} is run by the daemon and cannot be called"
            )))
        });
        (
            *name,
            Value::Function(Arc::new(Builtin::new(env, info, Arity::Any, body))),
        )
    })
}

/// Their names.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    NAMES.iter().map(|(name, _)| *name)
}
