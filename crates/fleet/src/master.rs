//! What a master needs to know of a fleet, as configuration.

use std::fmt::Write as _;

use crate::AgentEndpoint;

/// How the agents are to be configured.
#[derive(Clone, Debug)]
pub struct MasterConfig {
    /// The master's zone: the parent of all agents' zones.
    pub parent_zone: String,
    /// Seconds between two checks that each agent has to run; no checks when missing.
    pub check_interval_s: Option<u32>,
}

/// The check command that the agents are asked to run. They only pretend to.
const COMMAND: &str = "storm-check";

impl MasterConfig {
    /// Objects for a master's configuration, Icinga 2's or another's that reads the same language:
    /// an endpoint and a zone for each agent, and a host when there are to be checks.
    #[must_use]
    pub fn objects(&self, agents: &[AgentEndpoint]) -> String {
        let zone = quoted(&self.parent_zone);
        let mut text = String::from("// Simulated agents.\n");
        if self.check_interval_s.is_some() {
            let _ = write!(
                text,
                "\n// The agents only pretend to run it.\nobject CheckCommand \"{COMMAND}\" {{\n  \
                 command = [ \"/bin/true\" ]\n}}\n"
            );
        }
        for agent in agents {
            let name = quoted(&agent.name);
            let _ = write!(text, "\nobject Endpoint {name} {{\n");
            if let Some(address) = agent.address {
                let _ = write!(
                    text,
                    "  host = \"{}\"\n  port = \"{}\"\n",
                    address.ip(),
                    address.port()
                );
            }
            let _ = write!(
                text,
                "  log_duration = 0\n}}\nobject Zone {name} {{\n  endpoints = [ {name} ]\n  \
                 parent = {zone}\n}}\n"
            );
            if let Some(interval) = self.check_interval_s {
                let _ = write!(
                    text,
                    "object Host {name} {{\n  zone = {zone}\n  check_command = \"{COMMAND}\"\n  \
                     command_endpoint = {name}\n  check_interval = {interval}s\n  retry_interval \
                     = {interval}s\n}}\n"
                );
            }
        }
        text
    }
}

/// A string literal of the configuration language.
fn quoted(text: &str) -> String {
    let mut literal = String::from("\"");
    for character in text.chars() {
        match character {
            '"' | '\\' => literal.extend(['\\', character]),
            '\n' => literal.push_str("\\n"),
            other => literal.push(other),
        }
    }
    literal.push('"');
    literal
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Role;

    #[test]
    fn objects_of_agents() {
        let agents = [
            AgentEndpoint {
                name: "a\"1".into(),
                address: Some("127.1.0.1:5665".parse().unwrap()),
                role: Role::Healthy,
            },
            AgentEndpoint {
                name: "a2".into(),
                address: None,
                role: Role::Healthy,
            },
        ];
        let mut config = MasterConfig {
            parent_zone: "master".into(),
            check_interval_s: None,
        };
        assert_eq!(
            config.objects(&agents),
            "// Simulated agents.\n\n\
             object Endpoint \"a\\\"1\" {\n  host = \"127.1.0.1\"\n  port = \"5665\"\n  \
             log_duration = 0\n}\n\
             object Zone \"a\\\"1\" {\n  endpoints = [ \"a\\\"1\" ]\n  parent = \"master\"\n}\n\n\
             object Endpoint \"a2\" {\n  log_duration = 0\n}\n\
             object Zone \"a2\" {\n  endpoints = [ \"a2\" ]\n  parent = \"master\"\n}\n"
        );
        config.check_interval_s = Some(60);
        let text = config.objects(&agents);
        assert!(text.contains("command_endpoint = \"a2\""), "{text}");
    }
}
