//! This machine: its name and what runs on it.

use std::fs;
use std::net::ToSocketAddrs as _;

/// The operating system, in the words of the `Platform…` constants.
#[derive(Debug, Default)]
pub(crate) struct Platform {
    /// E.g. `Debian GNU/Linux`.
    pub(crate) name: String,
    /// E.g. `12 (bookworm)`.
    pub(crate) version: String,
    /// E.g. `Linux`.
    pub(crate) kernel: String,
    /// E.g. `6.1.0-18-amd64`.
    pub(crate) kernel_version: String,
    /// E.g. `x86_64`.
    pub(crate) architecture: String,
}

/// Looks at this machine.
pub(crate) fn platform() -> Platform {
    let system = rustix::system::uname();
    let text = |text: &std::ffi::CStr| text.to_string_lossy().into_owned();
    let release = fs::read_to_string("/etc/os-release")
        .or_else(|_| fs::read_to_string("/usr/lib/os-release"))
        .unwrap_or_default();
    let kernel = text(system.sysname());
    Platform {
        name: release_field(&release, "NAME").unwrap_or_else(|| kernel.clone()),
        version: release_field(&release, "VERSION").unwrap_or_else(|| "Unknown".into()),
        kernel,
        kernel_version: text(system.release()),
        architecture: text(system.machine()),
    }
}

fn release_field(release: &str, name: &str) -> Option<String> {
    release.lines().find_map(|line| {
        let value = line.strip_prefix(name)?.strip_prefix('=')?;
        Some(value.trim_matches(['"', '\'']).to_owned())
    })
}

/// The fully qualified name of this machine, which is the default of `NodeName`; the short name
/// when no domain is known.
///
/// Follows what `hostname --fqdn` does on most machines: `/etc/hosts` first, then the search list
/// of `/etc/resolv.conf`.
pub(crate) fn fully_qualified_name() -> String {
    let name = rustix::system::uname()
        .nodename()
        .to_string_lossy()
        .into_owned();
    if name.contains('.') {
        return name;
    }
    let hosts = fs::read_to_string("/etc/hosts").unwrap_or_default();
    if let Some(canonical) = canonical_name(&hosts, &name) {
        return canonical;
    }
    let resolver = fs::read_to_string("/etc/resolv.conf").unwrap_or_default();
    search_domains(&resolver)
        .map(|domain| format!("{name}.{domain}"))
        .find(|candidate| (candidate.as_str(), 0).to_socket_addrs().is_ok())
        .unwrap_or(name)
}

/// The first name of the first line that lists this one.
fn canonical_name(hosts: &str, name: &str) -> Option<String> {
    hosts.lines().find_map(|line| {
        let line = line.split('#').next().unwrap_or_default();
        let mut names = line.split_whitespace().skip(1).peekable();
        let canonical = (*names.peek()?).to_owned();
        names
            .any(|candidate| candidate.eq_ignore_ascii_case(name))
            .then_some(canonical)
    })
}

fn search_domains(resolver: &str) -> impl Iterator<Item = &str> {
    resolver
        .lines()
        .filter_map(|line| {
            line.strip_prefix("search ")
                .or_else(|| line.strip_prefix("domain "))
        })
        .flat_map(str::split_whitespace)
        .map(|domain| domain.trim_end_matches('.'))
        .filter(|domain| !domain.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hosts_file_knows_the_long_name() {
        let hosts = "127.0.0.1 localhost\n# 10.0.0.1 no.example no\n127.0.1.1 a.example a\n";
        assert_eq!(canonical_name(hosts, "a").as_deref(), Some("a.example"));
        assert_eq!(canonical_name(hosts, "no"), None);
    }

    #[test]
    fn search_lists_are_read() {
        let resolver = "nameserver 10.0.0.1\nsearch one.example two.example.\n";
        assert_eq!(
            search_domains(resolver).collect::<Vec<_>>(),
            ["one.example", "two.example"]
        );
    }

    #[test]
    fn release_files_may_quote() {
        let release = "PRETTY_NAME=\"x\"\nNAME=\"Debian GNU/Linux\"\nVERSION=12\n";
        assert_eq!(
            release_field(release, "NAME").as_deref(),
            Some("Debian GNU/Linux")
        );
        assert_eq!(release_field(release, "VERSION").as_deref(), Some("12"));
    }
}
