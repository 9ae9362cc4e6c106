//! Sites for the tests.
#![allow(unreachable_pub)]

use bheka_sim::Site;

/// Seconds between two checks of a host in these sites.
pub const INTERVAL_S: f64 = 20.0;

const COMMON: &str = r#"
object CheckerComponent "checker" { }
object ApiListener "api" {
  accept_config = true
  accept_commands = true
}
object CheckCommand "probe" { command = [ "/probe", "$address$" ] }
template Host "probed" {
  check_command = "probe"
  check_interval = 20s
  retry_interval = 10s
  max_check_attempts = 3
}
"#;

/// A zone with its members and parent.
pub struct ZoneOf {
    pub name: &'static str,
    pub members: &'static [&'static str],
    pub parent: &'static str,
}

/// Two masters, a zone of two satellites, an agent below them, one below the masters.
pub const TREE: [ZoneOf; 4] = [
    ZoneOf {
        name: "master",
        members: &["m1", "m2"],
        parent: "",
    },
    ZoneOf {
        name: "sat",
        members: &["s1", "s2"],
        parent: "master",
    },
    ZoneOf {
        name: "deep",
        members: &["d1"],
        parent: "sat",
    },
    ZoneOf {
        name: "agent",
        members: &["a1"],
        parent: "master",
    },
];

/// Hosts as (name, zone, command endpoint).
pub const HOSTS: [(&str, &str, &str); 8] = [
    ("hm1", "master", ""),
    ("hm2", "master", ""),
    ("hm3", "master", "a1"),
    ("hs1", "sat", ""),
    ("hs2", "sat", ""),
    ("hs3", "sat", "d1"),
    ("hd1", "deep", ""),
    ("ha1", "agent", ""),
];

pub fn tree() -> Site {
    let nodes: Vec<&str> = TREE.iter().flat_map(|zone| zone.members).copied().collect();
    Site::load(nodes.into_iter().map(|node| (node, text_of(node)))).expect("valid texts")
}

fn text_of(node: &str) -> String {
    let mut text = COMMON.to_owned();
    let own = TREE
        .iter()
        .find(|zone| zone.members.contains(&node))
        .expect("a zone");
    for zone in &TREE {
        for member in zone.members {
            // Parents dial their children, members of a zone each other.
            let is_dialled = *member != node && (zone.name == own.name || zone.parent == own.name);
            let host = if is_dialled {
                format!("host = \"{member}\"")
            } else {
                String::new()
            };
            text.push_str(&format!("object Endpoint \"{member}\" {{ {host} }}\n"));
        }
        let members: Vec<String> = zone
            .members
            .iter()
            .map(|member| format!("\"{member}\""))
            .collect();
        let parent = match zone.parent {
            "" => String::new(),
            parent => format!("parent = \"{parent}\""),
        };
        let members = members.join(", ");
        let name = zone.name;
        text.push_str(&format!(
            "object Zone \"{name}\" {{ endpoints = [ {members} ]\n{parent} }}\n"
        ));
    }
    for (name, zone, executor) in HOSTS {
        if !lineage(zone).contains(&own.name) {
            continue;
        }
        let executor = match executor {
            "" => String::new(),
            executor => format!("command_endpoint = \"{executor}\""),
        };
        text.push_str(&format!(
            "object Host \"{name}\" {{ import \"probed\"\naddress = \"{name}\"\nzone = \"{zone}\"\n{executor} }}\n"
        ));
    }
    text
}

/// A zone and those above it.
pub fn lineage(zone: &str) -> Vec<&'static str> {
    let mut names = Vec::new();
    let mut next = zone;
    while let Some(zone) = TREE.iter().find(|zone| zone.name == next) {
        names.push(zone.name);
        next = zone.parent;
    }
    names
}

/// The nodes that are entitled to the results of a host.
pub fn entitled(zone: &str) -> Vec<&'static str> {
    let zones = lineage(zone);
    TREE.iter()
        .filter(|zone| zones.contains(&zone.name))
        .flat_map(|zone| zone.members)
        .copied()
        .collect()
}

/// A master with so many agents, each with a host that it checks itself.
pub fn star_text(node: &str, agents: usize, hosts: usize) -> String {
    let mut text = COMMON.to_owned();
    text.push_str(
        "object Endpoint \"m1\" { }\nobject Zone \"master\" { endpoints = [ \"m1\" ] }\n",
    );
    for number in 0..agents {
        let name = format!("a{number}");
        let host = if node == "m1" {
            format!("host = \"{name}\"")
        } else {
            String::new()
        };
        text.push_str(&format!(
            "object Endpoint \"{name}\" {{ {host}\nlog_duration = 0 }}\nobject Zone \"{name}\" {{ endpoints = [ \"{name}\" ]\nparent = \"master\" }}\n"
        ));
    }
    if node == "m1" {
        for number in 0..hosts {
            let agent = number % agents;
            text.push_str(&format!(
                "object Host \"h{number}\" {{ import \"probed\"\naddress = \"h{number}\"\nzone = \"master\"\ncommand_endpoint = \"a{agent}\" }}\n"
            ));
        }
    }
    text
}

pub fn star(agents: usize, hosts: usize) -> Site {
    let names: Vec<String> = std::iter::once("m1".to_owned())
        .chain((0..agents).map(|n| format!("a{n}")))
        .collect();
    Site::load(
        names
            .iter()
            .map(|name| (name.as_str(), star_text(name, agents, hosts))),
    )
    .expect("valid texts")
}
