//! The Debian packages that some tests need: the real Icinga 2 as peer and oracle.

use std::path::Path;
use std::process::{Command, Stdio};

/// A package, how to tell that it is there, and what is left out without it.
struct Package {
    name: &'static str,
    proof: &'static str,
    purpose: &'static str,
}

const PACKAGES: &[Package] = &[
    Package {
        name: "icinga2-bin",
        proof: "/usr/sbin/icinga2",
        purpose: "the tests of interoperability with the real Icinga 2",
    },
    Package {
        name: "icinga2-common",
        proof: "/usr/share/icinga2/include/itl",
        purpose: "the tests on Debian's stock configuration tree",
    },
    Package {
        name: "monitoring-plugins-basic",
        proof: "/usr/lib/nagios/plugins/check_dummy",
        purpose: "the tests that run real plugins",
    },
    Package {
        name: "iproute2",
        proof: "/usr/bin/ss",
        purpose: "the tests that compare TCP connections around a reload",
    },
    Package {
        name: "procps",
        proof: "/usr/bin/kill",
        purpose: "the tests that send signals",
    },
    Package {
        name: "openssl",
        proof: "/usr/bin/openssl",
        purpose: "the tests of TLS and certificates against OpenSSL",
    },
];

/// Debian's stock configuration, readable for root and Icinga 2 itself.
const STOCK_TREE: &str = "/etc/icinga2/icinga2.conf";

/// Installs what is missing when this is Debian and we are root; else says how. Returns what the
/// tests will leave out.
pub(crate) fn provide() -> Vec<String> {
    let missing = missing();
    let mut unreadable = Vec::new();
    if std::fs::File::open(STOCK_TREE).is_err() && Path::new("/usr/sbin/icinga2").exists() {
        unreadable.push(format!(
            "the tests on {STOCK_TREE}, which only root can read"
        ));
    }
    if missing.is_empty() {
        return unreadable;
    }
    let names: Vec<&str> = missing.iter().map(|package| package.name).collect();
    if is_root() && Path::new("/usr/bin/apt-get").exists() {
        println!("installing for the tests: {}", names.join(" "));
        install(&names);
    } else {
        println!(
            "to run every test, install as root: apt-get install {}",
            names.join(" ")
        );
    }
    self::missing()
        .iter()
        .map(|package| format!("{} (package {} is missing)", package.purpose, package.name))
        .chain(unreadable)
        .collect()
}

fn missing() -> Vec<&'static Package> {
    PACKAGES
        .iter()
        .filter(|package| !Path::new(package.proof).exists())
        .collect()
}

fn install(names: &[&str]) {
    // A failed update is not final: the lists may be there already.
    apt(&["update", "-qq"]);
    let mut arguments = vec!["install", "-y", "-qq", "--no-install-recommends"];
    arguments.extend(names);
    apt(&arguments);
}

fn apt(arguments: &[&str]) {
    let outcome = Command::new("/usr/bin/apt-get")
        .args(arguments)
        .env("DEBIAN_FRONTEND", "noninteractive")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .status();
    match outcome {
        Ok(status) if status.success() => {}
        Ok(status) => eprintln!("apt-get {} ended with {status}", arguments.join(" ")),
        Err(error) => eprintln!("cannot start apt-get: {error}"),
    }
}

fn is_root() -> bool {
    // The owner of /proc/self is the effective user, so no system call of our own is needed.
    use std::os::unix::fs::MetadataExt as _;
    std::fs::metadata("/proc/self").is_ok_and(|metadata| metadata.uid() == 0)
}
