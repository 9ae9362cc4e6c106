//! The built-in check, event, notification, time period and status functions. They do nothing by
//! themselves: the daemon knows them by name.

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

/// What tells the status of each part of the daemon.
const STATS: &[&str] = &[
    "ApiListener",
    "CIB",
    "CheckResultReader",
    "CheckerComponent",
    "CompatLogger",
    "ElasticsearchWriter",
    "ExternalCommandListener",
    "FileLogger",
    "GelfWriter",
    "GraphiteWriter",
    "IcingaApplication",
    "IdoMysqlConnection",
    "IdoPgsqlConnection",
    "Influxdb2Writer",
    "InfluxdbWriter",
    "LivestatusListener",
    "NotificationComponent",
    "OpenTsdbWriter",
    "PerfdataWriter",
    "StatusDataWriter",
    "SyslogLogger",
];

/// Name and function of each check.
pub(super) fn checks(env: &Weak<Env>) -> impl Iterator<Item = (&'static str, Value)> {
    NAMES
        .iter()
        .map(move |(name, arguments)| (*name, named(env, "Internal", name, arguments)))
}

/// Name and function of each part's status.
pub(super) fn stats(env: &Weak<Env>) -> impl Iterator<Item = (&'static str, Value)> {
    STATS.iter().map(move |name| {
        (
            *name,
            named(env, "StatsFunctions", name, &["status", "perfdata"]),
        )
    })
}

fn named(env: &Weak<Env>, owner: &str, name: &str, arguments: &[&str]) -> Value {
    let full = format!("{owner}#{name}");
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
    Value::Function(Arc::new(Builtin::new(env, info, Arity::Any, body)))
}

/// Their names.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    NAMES.iter().map(|(name, _)| *name)
}
