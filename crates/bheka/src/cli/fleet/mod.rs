//! `fleet status`: how the endpoints of a running node stand, and why those that are not connected
//! are not. (What the words mean: `docs/fleet.md`.)

mod ask;
mod show;

use std::io::{IsTerminal as _, stdout};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, bail};

use self::ask::{Node, Overview};
use self::show::{Room, Table};
use super::{Invocation, matches, print};
use crate::daemon::clock;
use crate::settings::Settings;

/// Some of the endpoints that were asked for are not connected.
const NOT_ALL_CONNECTED: u8 = 2;
/// Lines of a terminal whose size is not known.
const TERMINAL_LINES: usize = 24;

/// Which endpoints are wanted.
#[derive(Debug, Default)]
struct Selection {
    patterns: Vec<String>,
    zone: Option<String>,
    failing: bool,
    connecting: bool,
}

impl Selection {
    fn read(invocation: &Invocation) -> Self {
        Self {
            patterns: invocation.operands(),
            zone: invocation.nonempty("zone"),
            failing: invocation.flag("failing"),
            connecting: invocation.flag("connecting"),
        }
    }

    /// Whether only those without a connection are wanted.
    const fn is_about_absent(&self) -> bool {
        self.failing || self.connecting
    }

    /// Whether it is by name or zone.
    fn is_narrow(&self) -> bool {
        !self.patterns.is_empty() || self.zone.is_some()
    }

    /// Whether an endpoint is wanted, as far as its name and zone decide.
    fn names(&self, endpoint: &str, zone: &str) -> bool {
        let by_name = self.patterns.is_empty()
            || self
                .patterns
                .iter()
                .any(|pattern| matches(pattern, endpoint));
        let by_zone = self.zone.as_ref().is_none_or(|it| matches(it, zone));
        by_name && by_zone
    }

    /// Whether it is wanted as it stands.
    fn admits(&self, endpoint: &ask::Endpoint) -> bool {
        if !self.is_about_absent() {
            return true;
        }
        (self.failing && endpoint.is_failing()) || (self.connecting && endpoint.is_connecting())
    }
}

/// Shows how the fleet stands, once or again and again.
pub(super) fn status(invocation: &Invocation, settings: &Settings) -> anyhow::Result<ExitCode> {
    let selection = Selection::read(invocation);
    let interval = interval(invocation)?;
    let json = invocation.flag("json");
    let node = Node::new(invocation.value("connect").as_deref(), settings)?;
    let is_terminal = stdout().is_terminal();
    let watching = invocation.flag("watch");
    let all = invocation.flag("all");
    loop {
        let room = if is_terminal && !json && (watching || !all) {
            Room::Lines(terminal_lines())
        } else {
            Room::Unlimited
        };
        let look = look(&node, &selection, room)?;
        let is_whole = look.is_whole();
        let text = if json {
            look.to_json(watching)
        } else {
            look.to_text(room, clock::now())
        };
        if !watching {
            print(&text);
            return Ok(ExitCode::from(if is_whole { 0 } else { NOT_ALL_CONNECTED }));
        }
        if is_terminal && !json {
            // From the top of the screen, and nothing of what stood there before.
            print(&format!("\x1b[H\x1b[2J{text}"));
        } else {
            print(&text);
        }
        std::thread::sleep(interval);
    }
}

/// What was found.
struct Look {
    overview: Overview,
    endpoints: Vec<ask::Endpoint>,
    /// Endpoints that are wanted, also those that are not shown.
    wanted: usize,
    /// Those among them that are connected.
    connected: usize,
}

impl Look {
    fn is_whole(&self) -> bool {
        self.wanted == self.connected
    }

    fn to_text(&self, room: Room, now: bheka_value::Timestamp) -> String {
        let mut text = show::overview(&self.overview, now);
        let head = text.lines().count() + 1;
        let table = Table::of(&self.endpoints, now);
        let left = room.lines().map(|lines| lines.saturating_sub(head + 3));
        text.push('\n');
        text.push_str(&table.text(left));
        let shown = left.map_or(table.len(), |lines| lines.min(table.len()));
        if self.wanted > shown {
            let more = self.wanted - shown;
            text.push_str(&format!(
                "… and {more} more, {} of {} connected; --all shows them\n",
                self.connected, self.wanted
            ));
        }
        text
    }

    fn to_json(&self, one_line: bool) -> String {
        let value = self.overview.to_json(&self.endpoints);
        let text = if one_line {
            serde_json::to_string(&value)
        } else {
            serde_json::to_string_pretty(&value)
        };
        format!("{}\n", text.unwrap_or_default())
    }
}

/// Asks the node: first for the names, then for as many endpoints as there is room for, those
/// without a connection before the others.
fn look(node: &Node, selection: &Selection, room: Room) -> anyhow::Result<Look> {
    let overview = node.overview()?;
    let wanted: Vec<&ask::Listed> = overview
        .listed
        .iter()
        .filter(|listed| selection.names(&listed.name, &listed.zone))
        .collect();
    if wanted.is_empty() && selection.is_narrow() {
        bail!(
            "no endpoint of the own, the parent or a child zone of '{}' fits; \
             'fleet status' without names lists them",
            overview.identity
        );
    }
    let connected = wanted.iter().filter(|listed| listed.is_connected).count();
    let names_of = |is_connected: bool| {
        let of = wanted
            .iter()
            .filter(move |it| it.is_connected == is_connected);
        of.map(|listed| listed.name.as_str())
    };
    let mut names: Vec<&str> = names_of(false).collect();
    if !selection.is_about_absent() {
        names.extend(names_of(true));
    }
    // With a filter by state, all have to be looked at.
    if let (Room::Lines(lines), false) = (room, selection.is_about_absent()) {
        names.truncate(lines);
    }
    let mut endpoints = node.endpoints(&names)?;
    for endpoint in &mut endpoints {
        endpoint.zone = overview.zone_of(&endpoint.name).to_owned();
    }
    endpoints.retain(|endpoint| selection.admits(endpoint));
    if room == Room::Unlimited {
        endpoints.sort_by(|one, other| one.name.cmp(&other.name));
    }
    let (wanted, connected) = if selection.is_about_absent() {
        (endpoints.len(), 0)
    } else {
        (wanted.len(), connected)
    };
    Ok(Look {
        overview,
        endpoints,
        wanted,
        connected,
    })
}

fn interval(invocation: &Invocation) -> anyhow::Result<Duration> {
    let text = invocation
        .value("interval")
        .unwrap_or_else(|| "2".to_owned());
    let seconds: f64 = text
        .parse()
        .ok()
        .filter(|it| (0.1..=3600.0).contains(it))
        .with_context(|| {
            format!(
                "--interval takes seconds from 0.1 to 3600, not '{text}'; for example --interval 5"
            )
        })?;
    Ok(Duration::from_secs_f64(seconds))
}

fn terminal_lines() -> usize {
    let size = rustix::termios::tcgetwinsize(stdout());
    size.map_or(TERMINAL_LINES, |size| usize::from(size.ws_row).max(8))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_may_have_wildcards() {
        let selection = Selection {
            patterns: vec!["agent-1*".to_owned(), "other".to_owned()],
            zone: Some("agent*".to_owned()),
            ..Selection::default()
        };
        assert!(selection.names("agent-12", "agent-12"));
        assert!(!selection.names("agent-22", "agent-22"));
        assert!(!selection.names("other", "elsewhere"));
    }
}
