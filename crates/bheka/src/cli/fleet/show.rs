//! The fleet for people: a few lines for all of it, and a table.

use std::fmt::Write as _;

use bheka_value::{Timestamp, Value};

use super::ask::{Endpoint, Overview};
use crate::client::at;

/// How much can be shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Room {
    /// A terminal with so many lines.
    Lines(usize),
    /// A pipe, a file, or somebody who wants everything.
    Unlimited,
}

impl Room {
    pub(super) const fn lines(self) -> Option<usize> {
        match self {
            Self::Lines(lines) => Some(lines),
            Self::Unlimited => None,
        }
    }
}

/// What holds for all endpoints together, in a few lines.
pub(super) fn overview(overview: &Overview, now: Timestamp) -> String {
    let mut text = format!(
        "{}: {} of {} endpoints connected",
        overview.identity,
        overview.connected(),
        overview.listed.len()
    );
    let number = |path: &str| at(&overview.status, path).and_then(|it| it.as_number());
    let states = ["syncing", "connecting", "queued", "waiting", "unproven"];
    for state in states {
        let count = number(&format!("fleet.states.{state}")).unwrap_or(0.0);
        if count > 0.0 {
            let _ = write!(text, ", {count} {state}");
        }
    }
    text.push('\n');
    if number("fleet.dials").is_none() {
        // An Icinga 2.
        return text;
    }
    let of = |path: &str| number(path).unwrap_or(0.0);
    let _ = writeln!(
        text,
        "dials: {} under way, {} waiting, {:.1}/s, {:.1}/s fail; handshakes: {} of {} under way, \
         {} waiting",
        of("openings.dials_running"),
        of("openings.dials_waiting"),
        of("fleet.dials_per_second"),
        of("fleet.failures_per_second"),
        of("openings.handshakes_running"),
        of("openings.handshakes_running_max"),
        of("openings.handshakes_inbound_waiting") + of("openings.handshakes_outbound_waiting"),
    );
    for (key, name) in [("storm", "storm"), ("last_storm", "last storm")] {
        if let Some(storm) = at(&overview.status, &format!("fleet.{key}"))
            && storm.as_dictionary().is_some()
        {
            text.push_str(&storm_line(name, &storm, now));
        }
    }
    text
}

fn storm_line(name: &str, storm: &Value, now: Timestamp) -> String {
    let number = |path: &str| at(storm, path).and_then(|it| it.as_number());
    let of = |path: &str| number(path).unwrap_or(0.0);
    let mut text = format!(
        "{name}: {} ago, {} connected",
        span(now.seconds() - of("began")),
        of("connected")
    );
    if let (Some(t50), Some(t90), Some(t100)) = (
        number("seconds.t50"),
        number("seconds.t90"),
        number("seconds.t100"),
    ) {
        let _ = write!(
            text,
            " in {t100:.1} s (half {t50:.1} s, nine tenths {t90:.1} s)"
        );
    }
    let _ = writeln!(
        text,
        ", {} missing; {} dials, {} handshakes in vain",
        of("missing"),
        of("dials"),
        of("handshakes_in_vain")
    );
    text
}

/// Endpoints, one a line.
pub(super) struct Table {
    rows: Vec<[String; COLUMNS]>,
}

const COLUMNS: usize = 9;
const HEAD: [&str; COLUMNS] = [
    "ENDPOINT",
    "ZONE",
    "STATE",
    "SINCE",
    "WAY",
    "ADDRESS",
    "TLS",
    "NEXT",
    "LAST ERROR",
];

impl Table {
    pub(super) fn of(endpoints: &[Endpoint], now: Timestamp) -> Self {
        Self {
            rows: endpoints.iter().map(|it| row(it, now)).collect(),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    /// The first so many lines, with a head.
    pub(super) fn text(&self, lines: Option<usize>) -> String {
        let rows = &self.rows[..lines.map_or(self.rows.len(), |lines| lines.min(self.rows.len()))];
        if rows.is_empty() {
            return String::new();
        }
        let mut widths = HEAD.map(str::len);
        for row in rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.chars().count());
            }
        }
        let mut text = String::new();
        let head = HEAD.map(str::to_owned);
        for row in std::iter::once(&head).chain(rows) {
            let mut line = String::new();
            for (width, cell) in widths.iter().zip(row) {
                let _ = write!(line, "{cell:<width$}  ");
            }
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }
}

fn row(endpoint: &Endpoint, now: Timestamp) -> [String; COLUMNS] {
    let ago = |path: &str| {
        let at = endpoint.number(path).filter(|at| *at > 0.0);
        at.map_or_else(String::new, |at| span(now.seconds() - at))
    };
    let text = |path: &str| endpoint.text(path).unwrap_or_default();
    let tls = match endpoint.text("connection.tls.version") {
        Some(version) if endpoint.is_connected() => {
            let resumed = if endpoint.get("connection.tls.resumed").is_true() {
                ", resumed"
            } else {
                ""
            };
            let took = endpoint.number("connection.handshake_ms");
            let took = took.map_or_else(String::new, |ms| format!(" {ms:.0} ms"));
            format!("{}{took}{resumed}", version.trim_start_matches("TLSv"))
        }
        _ => String::new(),
    };
    let next = endpoint.number("connection.next_attempt");
    let next = next.map_or_else(String::new, |at| {
        format!("in {}", span((at - now.seconds()).max(0.0)))
    });
    [
        endpoint.name.clone(),
        if endpoint.zone == endpoint.name {
            "=".to_owned()
        } else {
            endpoint.zone.clone()
        },
        endpoint.state(),
        ago("connection.since"),
        text("connection.direction"),
        text("connection.address"),
        tls,
        next,
        last_error(endpoint, now),
    ]
    .map(|cell| plain(&cell))
}

/// `tcp refused (12 in a row, 3 s ago): 10.0.0.1:5665: Connection refused`
fn last_error(endpoint: &Endpoint, now: Timestamp) -> String {
    if endpoint.is_connected() {
        return String::new();
    }
    let Some(cause) = endpoint.text("connection.last_error.cause") else {
        // It was never dialled in vain; perhaps it was lost.
        let Some(cause) = endpoint.text("connection.last_disconnect.cause") else {
            return String::new();
        };
        return format!("lost: {cause}");
    };
    let of = |path: &str| endpoint.text(path).unwrap_or_default();
    let kind = of("connection.last_error.kind").replace('_', " ");
    let at = endpoint.number("connection.last_error.at").unwrap_or(0.0);
    let count = endpoint.number("connection.last_error.count");
    let count = match count.filter(|count| *count > 1.0) {
        Some(count) => format!("{count} in a row, "),
        None => String::new(),
    };
    format!(
        "{} {kind} ({count}{} ago): {cause}",
        of("connection.last_error.phase"),
        span(now.seconds() - at)
    )
}

/// Without what would move the cursor: names and causes come from outside.
fn plain(text: &str) -> String {
    text.chars()
        .map(|it| if it.is_control() { ' ' } else { it })
        .collect()
}

/// `4 s`, `3 min`, `2.5 h`, `12 d`
fn span(seconds: f64) -> String {
    let seconds = seconds.max(0.0);
    if seconds < 10.0 {
        format!("{seconds:.1} s")
    } else if seconds < 120.0 {
        format!("{seconds:.0} s")
    } else if seconds < 7200.0 {
        format!("{:.0} min", seconds / 60.0)
    } else if seconds < 172_800.0 {
        format!("{:.1} h", seconds / 3600.0)
    } else {
        format!("{:.0} d", seconds / 86_400.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_795_400_100.0);

    fn endpoint(name: &str, json: &str) -> Endpoint {
        Endpoint {
            name: name.to_owned(),
            zone: name.to_owned(),
            attributes: bheka_value::from_json(json.as_bytes()).unwrap(),
        }
    }

    #[test]
    fn a_table_tells_why() {
        let endpoints = [
            endpoint(
                "up",
                r#"{"connected":true,"connection":{"state":"connected","since":1795400040,
                    "direction":"out","address":"[10.0.0.1]:5665","handshake_ms":4.4,
                    "tls":{"version":"TLSv1.3","resumed":true}}}"#,
            ),
            endpoint(
                "down\u{1b}[2J",
                r#"{"connected":false,"connection":{"state":"waiting","since":1795400097,
                    "next_attempt":1795400107,"last_error":{"at":1795400097,"phase":"tcp",
                    "kind":"refused","count":12,"cause":"10.0.0.2:5665: Connection refused"}}}"#,
            ),
        ];
        let table = Table::of(&endpoints, NOW);
        let text = table.text(None);
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[0].starts_with("ENDPOINT"), "{text}");
        assert!(lines[1].contains("1.3 4 ms, resumed"), "{text}");
        assert!(
            lines[2].contains(
                "in 7.0 s  tcp refused (12 in a row, 3.0 s ago): 10.0.0.2:5665: Connection refused"
            ),
            "{text}"
        );
        assert!(
            !text.contains('\u{1b}'),
            "names cannot command the terminal"
        );
        assert_eq!(table.text(Some(1)).lines().count(), 2);
        assert_eq!(Table::of(&[], NOW).text(None), "");
    }

    #[test]
    fn spans_are_short() {
        assert_eq!(
            [0.04, 65.0, 600.0, 9000.0, 864_000.0].map(span),
            ["0.0 s", "65 s", "10 min", "2.5 h", "10 d"]
        );
    }
}
