//! `zones.conf` and `features-available/api.conf`.

use std::fmt::Write as _;

use super::{Wishes, files, info};
use crate::cli::literal::quoted;
use crate::settings::Settings;

/// An endpoint, and where to reach it.
pub(super) struct Endpoint {
    pub(super) name: String,
    pub(super) host: Option<String>,
    pub(super) port: Option<String>,
}

impl Endpoint {
    /// `cn[,host[,port]]`
    pub(super) fn parse(text: &str) -> Self {
        let mut parts = text.split(',').map(|part| part.trim().to_owned());
        let name = parts.next().unwrap_or_default();
        let mut rest = parts.map(|part| Some(part).filter(|part| !part.is_empty()));
        Self {
            name,
            host: rest.next().flatten(),
            port: rest.next().flatten(),
        }
    }

    fn named(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            host: None,
            port: None,
        }
    }
}

/// The zone above the local one.
pub(super) struct Parent {
    pub(super) zone: String,
    pub(super) endpoints: Vec<Endpoint>,
}

/// Writes `zones.conf`.
pub(super) fn write_zones(
    wishes: &Wishes,
    zone: &str,
    parent: Option<&Parent>,
    settings: &Settings,
) -> anyhow::Result<()> {
    info("Generating zone and object configuration.");
    let path = settings.paths.config_dir.join("zones.conf");
    info(&format!(
        "Dumping config items to file '{}'.",
        path.display()
    ));
    let now = files::now_text();
    files::replace(&path, &zones_text(wishes, zone, parent, &now))
}

fn zones_text(wishes: &Wishes, zone: &str, parent: Option<&Parent>, now: &str) -> String {
    let mut out = format!("/*\n * Written by 'node setup' on {now}.\n */\n\n");
    if let Some(parent) = parent {
        parent
            .endpoints
            .iter()
            .for_each(|endpoint| endpoint_text(endpoint, &mut out));
        let names: Vec<&str> = parent.endpoints.iter().map(|it| it.name.as_str()).collect();
        zone_text(&parent.zone, &names, None, &mut out);
    }
    endpoint_text(&Endpoint::named(&wishes.cn), &mut out);
    let above = parent.map(|parent| parent.zone.as_str());
    zone_text(zone, &[wishes.cn.as_str()], above, &mut out);
    for global in &wishes.global_zones {
        let _ = writeln!(
            out,
            "object Zone {} {{\n\tglobal = true\n}}\n",
            quoted(global)
        );
    }
    out
}

fn endpoint_text(endpoint: &Endpoint, out: &mut String) {
    let _ = writeln!(out, "object Endpoint {} {{", quoted(&endpoint.name));
    if let Some(host) = &endpoint.host {
        let _ = writeln!(out, "\thost = {}", quoted(host));
    }
    if let Some(port) = &endpoint.port {
        let _ = writeln!(out, "\tport = {}", quoted(port));
    }
    out.push_str("}\n\n");
}

fn zone_text(name: &str, endpoints: &[&str], parent: Option<&str>, out: &mut String) {
    let endpoints: Vec<String> = endpoints.iter().map(|endpoint| quoted(endpoint)).collect();
    let _ = writeln!(out, "object Zone {} {{", quoted(name));
    let _ = writeln!(out, "\tendpoints = [ {} ]", endpoints.join(", "));
    if let Some(parent) = parent {
        let _ = writeln!(out, "\tparent = {}", quoted(parent));
    }
    out.push_str("}\n\n");
}

/// Writes `features-available/api.conf`; a signing master gets its salt.
pub(super) fn write_listener(
    wishes: &Wishes,
    signs: bool,
    settings: &Settings,
) -> anyhow::Result<()> {
    let path = settings
        .paths
        .config_dir
        .join("features-available/api.conf");
    files::replace(&path, &listener_text(wishes, signs))
}

fn listener_text(wishes: &Wishes, signs: bool) -> String {
    let mut out = String::from(
        "/*\n * Connections to other nodes, and the REST API.\n */\nobject ApiListener \"api\" {\n",
    );
    if let Some((host, port)) = &wishes.listen {
        let _ = writeln!(
            out,
            "  bind_host = {}\n  bind_port = {port}\n",
            quoted(host)
        );
    }
    let _ = writeln!(
        out,
        "  accept_config = {}\n  accept_commands = {}",
        wishes.accept_config, wishes.accept_commands
    );
    if signs {
        out.push_str("\n  ticket_salt = TicketSalt\n");
    }
    out.push_str("}\n");
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wishes() -> Wishes {
        Wishes {
            cn: "a1".into(),
            zone: None,
            listen: Some(("0.0.0.0".into(), 5888)),
            global_zones: vec!["global-templates".into(), "gg".into()],
            disable_confd: false,
            accept_config: true,
            accept_commands: false,
            key_kind: None,
        }
    }

    #[test]
    fn zones_of_an_agent() {
        let parent = Parent {
            zone: "pz".into(),
            endpoints: vec![
                Endpoint::parse("m1,10.0.0.1,5999"),
                Endpoint::parse("m2, ,"),
            ],
        };
        assert_eq!(
            zones_text(&wishes(), "a1", Some(&parent), "now"),
            "/*
 * Written by 'node setup' on now.
 */

object Endpoint \"m1\" {
\thost = \"10.0.0.1\"
\tport = \"5999\"
}

object Endpoint \"m2\" {
}

object Zone \"pz\" {
\tendpoints = [ \"m1\", \"m2\" ]
}

object Endpoint \"a1\" {
}

object Zone \"a1\" {
\tendpoints = [ \"a1\" ]
\tparent = \"pz\"
}

object Zone \"global-templates\" {
\tglobal = true
}

object Zone \"gg\" {
\tglobal = true
}

"
        );
    }

    #[test]
    fn only_masters_have_a_salt() {
        let text = listener_text(&wishes(), false);
        assert!(text.contains("bind_port = 5888") && text.contains("accept_config = true"));
        assert!(!text.contains("ticket_salt"));
        assert!(listener_text(&wishes(), true).contains("ticket_salt = TicketSalt"));
    }
}
