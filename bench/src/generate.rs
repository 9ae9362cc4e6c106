//! Writes a configuration as large sites have it: hosts with nested custom variables, services,
//! notifications and dependencies by apply rules, groups by membership rules, an endpoint and a
//! zone for each agent, satellites between them and the master.
//!
//! Both programs read the tree: nothing in it is newer than Icinga 2.13.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};

/// How large the tree is to be.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(crate) struct Size {
    /// Hosts
    #[arg(long, default_value_t = 7000)]
    pub(crate) hosts: usize,
    /// Services of each host, by apply rules (at least 4)
    #[arg(long, default_value_t = 20)]
    pub(crate) services: usize,
    /// Agents: endpoints with a zone of their own, one for each of the first hosts
    #[arg(long, default_value_t = 7000)]
    pub(crate) endpoints: usize,
    /// Satellite zones between the master and the agents
    #[arg(long, default_value_t = 10)]
    pub(crate) satellites: usize,
}

/// Hosts in one file.
const HOSTS_IN_A_FILE: usize = 500;

/// The name of the node that the tree is written for.
pub(crate) const NODE: &str = "master";

/// Writes the tree into a directory, which is made.
pub(crate) fn write(directory: &Path, size: Size) -> Result<()> {
    ensure!(size.services >= 4, "--services must be at least 4");
    ensure!(
        size.endpoints <= size.hosts,
        "--endpoints must not be larger than --hosts: each agent is a host"
    );
    let parts = directory.join("conf.d");
    fs::create_dir_all(&parts).with_context(|| format!("cannot make {}", parts.display()))?;
    let put = |path: &Path, text: String| {
        fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
    };
    put(&directory.join("icinga2.conf"), main_file())?;
    put(&directory.join("zones.conf"), zones(size))?;
    put(&parts.join("templates.conf"), TEMPLATES.to_owned())?;
    put(&parts.join("groups.conf"), groups())?;
    put(&parts.join("services.conf"), services(size))?;
    put(&parts.join("notifications.conf"), NOTIFICATIONS.to_owned())?;
    for first in (0..size.hosts).step_by(HOSTS_IN_A_FILE) {
        let mut text = String::new();
        for number in first..size.hosts.min(first + HOSTS_IN_A_FILE) {
            host(&mut text, size, number);
        }
        put(&parts.join(format!("hosts-{first:06}.conf")), text)?;
    }
    Ok(())
}

/// Objects that the tree declares, for the report.
pub(crate) fn objects(size: Size) -> usize {
    let checkables = size.hosts * (1 + size.services);
    // A notification for each host, a dependency for all but the routers, an endpoint and a zone.
    checkables + size.hosts + (size.hosts - routers(size)) + 2 * size.endpoints
}

fn routers(size: Size) -> usize {
    size.hosts.div_ceil(HOSTS_OF_A_ROUTER)
}

/// How many hosts hang on one router, itself included.
const HOSTS_OF_A_ROUTER: usize = 50;

fn main_file() -> String {
    let mut text = String::from(
        "const PluginDir = \"/usr/lib/nagios/plugins\"\ninclude <itl>\ninclude <plugins>\n",
    );
    text.push_str("const TicketSalt = \"\"\n");
    text.push_str("include \"zones.conf\"\ninclude_recursive \"conf.d\"\n");
    text
}

fn satellite(size: Size, number: usize) -> String {
    match size.satellites {
        0 => "master".to_owned(),
        count => format!("satellite-{:03}", number % count),
    }
}

fn zones(size: Size) -> String {
    let mut text = format!(
        "object Endpoint \"{NODE}\" {{ }}\nobject Zone \"master\" {{ endpoints = [ \"{NODE}\" ] }}\n\
         object Zone \"global-templates\" {{ global = true }}\n"
    );
    for number in 0..size.satellites {
        let name = satellite(size, number);
        let _ = write!(
            text,
            "object Endpoint \"{name}\" {{ host = \"127.0.1.{number}\" }}\n\
             object Zone \"{name}\" {{\n  endpoints = [ \"{name}\" ]\n  parent = \"master\"\n}}\n"
        );
    }
    for number in 0..size.endpoints {
        let parent = satellite(size, number);
        let _ = write!(
            text,
            "object Endpoint \"host-{number:05}\" {{\n  host = \"127.{}.{}.{}\"\n  \
             log_duration = 0\n}}\n\
             object Zone \"host-{number:05}\" {{\n  endpoints = [ \"host-{number:05}\" ]\n  \
             parent = \"{parent}\"\n}}\n",
            2 + number / 65_536,
            number / 256 % 256,
            number % 256
        );
    }
    text
}

fn host(text: &mut String, size: Size, number: usize) {
    let (os, template) = if number % 3 == 2 {
        ("Windows", "windows-host")
    } else {
        ("Linux", "linux-host")
    };
    let zone = satellite(size, number);
    let _ = write!(
        text,
        "object Host \"host-{number:05}\" {{\n  import \"{template}\"\n  zone = \"{zone}\"\n  \
         address = \"10.{}.{}.{}\"\n  vars.os = \"{os}\"\n  vars.rack = {{\n    \
         room = \"r{}\"\n    row = {}\n    unit = {}\n  }}\n",
        number / 65_536,
        number / 256 % 256,
        number % 256,
        number % 12,
        number % 40,
        number % 42
    );
    let role = ["web", "database", "mail", "proxy"][number % 4];
    let _ = write!(
        text,
        "  vars.roles = [ \"{role}\", \"tier-{}\" ]\n  vars.disks[\"disk /\"] = {{\n    \
         disk_partitions = \"/\"\n  }}\n  vars.disks[\"disk /var\"] = {{\n    \
         disk_partitions = \"/var\"\n    disk_wfree = \"{}%\"\n  }}\n  \
         vars.contact[\"mail\"] = {{\n    groups = [ \"team-{}\" ]\n  }}\n",
        number % 3,
        5 + number % 10,
        number % 10
    );
    if number < size.endpoints {
        let _ = writeln!(text, "  vars.agent = \"host-{number:05}\"");
    }
    let router = number - number % HOSTS_OF_A_ROUTER;
    if router != number {
        let _ = writeln!(text, "  vars.router = \"host-{router:05}\"");
    }
    text.push_str("}\n");
}

fn groups() -> String {
    let mut text = String::new();
    for role in ["web", "database", "mail", "proxy"] {
        let _ = write!(
            text,
            "object HostGroup \"role-{role}\" {{\n  display_name = \"Role {role}\"\n  \
             assign where \"{role}\" in host.vars.roles\n}}\n"
        );
    }
    for os in ["Linux", "Windows"] {
        let _ = write!(
            text,
            "object HostGroup \"os-{os}\" {{\n  assign where host.vars.os == \"{os}\"\n}}\n"
        );
    }
    text.push_str(
        "object HostGroup \"first\" {\n  assign where match(\"host-000*\", host.name)\n}\n\
         object ServiceGroup \"disks\" {\n  assign where match(\"disk *\", service.name)\n}\n\
         object ServiceGroup \"basic\" {\n  assign where service.name == \"service-01\"\n}\n",
    );
    for team in 0..10 {
        let _ = write!(
            text,
            "object UserGroup \"team-{team}\" {{ }}\nobject User \"user-{team}\" {{\n  \
             import \"bench-user\"\n  groups = [ \"team-{team}\" ]\n  \
             email = \"user-{team}@example.org\"\n}}\n"
        );
    }
    text
}

/// Rules so that each host has exactly as many services as asked for: two disks, and of each
/// further pair of rules one.
fn services(size: Size) -> String {
    let mut text = String::from(
        "apply Service for (disk => config in host.vars.disks) {\n  import \"bench-service\"\n  \
         check_command = \"disk\"\n  vars += config\n  assign where host.vars.agent || true\n}\n",
    );
    for number in 1..=size.services - 2 {
        let shapes: &[&str] = match number % 4 {
            0 => &["host.vars.os == \"Linux\"", "host.vars.os == \"Windows\""],
            1 => &["host.address"],
            2 => &[
                "\"web\" in host.vars.roles || \"mail\" in host.vars.roles",
                "\"database\" in host.vars.roles || \"proxy\" in host.vars.roles",
            ],
            _ => &["match(\"host-*\", host.name) && host.vars.os"],
        };
        for (variant, condition) in shapes.iter().enumerate() {
            let _ = write!(
                text,
                "apply Service \"service-{number:02}\" {{\n  import \"bench-service\"\n  \
                 check_command = \"bench-check\"\n  vars.bench_warning = {}\n  \
                 vars.bench_critical = {}\n  vars.bench_labels = [ \"l{number}\", \"v{variant}\" ]\n  \
                 if (host.vars.os == \"Linux\") {{\n    vars.bench_mode = \"unix\"\n  }}\n  \
                 assign where {condition}\n  ignore where host.vars.no_services\n}}\n",
                number * 10,
                number * 20
            );
        }
    }
    text
}

const TEMPLATES: &str = r#"template Host "bench-host" {
  max_check_attempts = 3
  check_interval = 1m
  retry_interval = 30s
  check_command = "hostalive"
  vars.site = "example"
  vars.notes = { owner = "operations", escalate = true }
}
template Host "linux-host" {
  import "bench-host"
  vars.ssh_port = 22
}
template Host "windows-host" {
  import "bench-host"
  vars.wmi = true
}
template Service "bench-service" {
  max_check_attempts = 5
  check_interval = 5m
  retry_interval = 1m
  enable_perfdata = true
  if (host.vars.agent) {
    command_endpoint = host.vars.agent
  }
}
template User "bench-user" {
  states = [ OK, Warning, Critical, Unknown, Up, Down ]
  types = [ Problem, Acknowledgement, Recovery, Custom ]
  period = "bench-always"
}
template Notification "bench-notification" {
  command = "bench-notify"
  states = [ Up, Down ]
  types = [ Problem, Acknowledgement, Recovery, Custom ]
  period = "bench-always"
}
object CheckCommand "bench-check" {
  command = [ "/bin/true" ]
  arguments = {
    "-w" = "$bench_warning$"
    "-c" = "$bench_critical$"
    "-m" = {
      value = "$bench_mode$"
      set_if = {{ macro("$bench_mode$") == "unix" }}
    }
    "-l" = {
      value = "$bench_labels$"
      repeat_key = true
    }
  }
  vars.bench_mode = "default"
}
object NotificationCommand "bench-notify" {
  command = [ "/bin/true" ]
}
object TimePeriod "bench-always" {
  ranges = {
    "monday" = "00:00-24:00"
    "tuesday" = "00:00-24:00"
    "wednesday" = "00:00-24:00"
    "thursday" = "00:00-24:00"
    "friday" = "00:00-24:00"
    "saturday" = "00:00-24:00"
    "sunday" = "00:00-24:00"
  }
}
"#;

const NOTIFICATIONS: &str = r#"apply Notification "mail" to Host {
  import "bench-notification"
  user_groups = host.vars.contact.mail.groups
  assign where host.vars.contact.mail
}
apply Dependency "router" to Host {
  parent_host_name = host.vars.router
  disable_checks = true
  disable_notifications = true
  assign where host.vars.router
}
"#;
