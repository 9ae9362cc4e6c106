//! Names of checkables.

use std::fmt;

use bheka_value::Str;

/// The name of a host, or of a service on a host: the key of live state.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CheckableName {
    /// Name of the host.
    pub host: Str,
    /// Short name of the service, when it is one.
    pub service: Option<Str>,
}

impl CheckableName {
    /// A host.
    #[must_use]
    pub fn host(host: impl Into<Str>) -> Self {
        Self {
            host: host.into(),
            service: None,
        }
    }

    /// A service.
    #[must_use]
    pub fn service(host: impl Into<Str>, service: impl Into<Str>) -> Self {
        Self {
            host: host.into(),
            service: Some(service.into()),
        }
    }

    /// From the full name of an object of type `Host` or `Service`. Host names may not hold `!`.
    #[must_use]
    pub fn from_full(full: &str) -> Self {
        match full.split_once('!') {
            Some((host, service)) => Self::service(host, service),
            None => Self::host(full),
        }
    }

    /// `host` or `host!service`.
    #[must_use]
    pub fn full(&self) -> Str {
        match &self.service {
            Some(service) => format!("{}!{service}", self.host).into(),
            None => self.host.clone(),
        }
    }

    /// `Host` or `Service`.
    #[must_use]
    pub fn type_name(&self) -> &'static str {
        if self.service.is_some() {
            "Service"
        } else {
            "Host"
        }
    }

    /// Whether it is a service.
    #[must_use]
    pub fn is_service(&self) -> bool {
        self.service.is_some()
    }
}

impl fmt::Display for CheckableName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.full())
    }
}
