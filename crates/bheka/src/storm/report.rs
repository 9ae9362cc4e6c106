//! What a storm has shown, for people and for programs.

use std::fmt::Write as _;

use bheka_fleet::{Failures, Observed};
use serde_json::json;

use super::StormOptions;

/// The report.
#[derive(Debug)]
pub(super) struct Report<'a> {
    pub(super) options: &'a StormOptions,
    /// How many agents could be connected at all.
    pub(super) connectable: u64,
    /// How many of those were connected in the end.
    pub(super) connected: u64,
    pub(super) parts: &'a [Observed],
}

impl Report<'_> {
    pub(super) fn json(&self) -> serde_json::Value {
        let options = self.options;
        let roles = options.roles;
        json!({
            "version": crate::version::VERSION,
            "agents": options.agents,
            "connectable": self.connectable,
            "connected": self.connected,
            "complete": self.connected >= self.connectable,
            "rsa_percent": options.rsa_percent,
            "master_dials": options.listen.is_some(),
            "agents_dial": options.dials,
            "roles_percent": {
                "blackhole": roles.blackhole,
                "mute": roles.mute,
                "refuse": roles.refuse,
                "slow": roles.slow,
            },
            "check_interval_s": options.check_interval_s,
            "parts": self.parts,
        })
    }

    /// The last line for people.
    pub(super) fn conclusion(&self) -> String {
        let unreachable = self.options.agents as u64 - self.connectable;
        let mut text = format!(
            "{} of {} agents are connected.",
            self.connected, self.connectable
        );
        if unreachable > 0 {
            let _ = write!(text, " {unreachable} more cannot be.");
        }
        text
    }
}

/// One part as a few lines.
pub(super) fn describe(part: &Observed) -> String {
    let agents = &part.agents;
    let mut text = format!("{}: {:.1} s; ", part.name, part.seconds);
    let milestones = part.milestones;
    let lowest = part.timeline.lowest();
    if milestones.t100_s == Some(0.0) {
        let _ = writeln!(text, "{} connected all the time", agents.connected);
    } else {
        let mut reached = String::new();
        for (share, at) in [
            ("50 %", milestones.t50_s),
            ("90 %", milestones.t90_s),
            ("99 %", milestones.t99_s),
            ("all", milestones.t100_s),
        ] {
            if let Some(at) = at.filter(|at| *at > 0.0) {
                let _ = write!(reached, ", {share} after {at:.2} s");
            }
        }
        let _ = writeln!(
            text,
            "{} connected, {lowest} at least{reached}",
            agents.connected
        );
    }
    let _ = writeln!(
        text,
        "  connections  {} begun, {} made ({:.0} % resumed), {} failed, {} lost, {} left by themselves",
        agents.attempts,
        agents.connects,
        agents.resumed_share() * 100.0,
        agents.handshake_failures,
        agents.drops,
        agents.left,
    );
    if agents.handshake_failures > 0 {
        let _ = writeln!(text, "  failures     {}", failures(&agents.failures));
    }
    let odd = [
        (agents.strangers, "without a trusted certificate"),
        (agents.duplicates, "to agents that had one already"),
    ];
    for (count, what) in odd {
        if count > 0 {
            let _ = writeln!(text, "  in vain      {count} {what}");
        }
    }
    if part.handshakes.count > 0 {
        let _ = writeln!(
            text,
            "  handshakes   {}",
            times(
                part.handshakes.p50_ms,
                part.handshakes.p99_ms,
                part.handshakes.max_ms
            )
        );
    }
    if agents.checks_answered > 0 {
        let _ = writeln!(text, "  checks       {} answered", agents.checks_answered);
    }
    if let Some(api) = &part.api {
        let latency = api.latency;
        let answers = match latency.count {
            0 => "no answers".to_owned(),
            count => format!(
                "{count} answers, {}",
                times(latency.p50_ms, latency.p99_ms, latency.max_ms)
            ),
        };
        let _ = writeln!(
            text,
            "  API          {answers}; longest silence {:.2} s; {} errors{}",
            api.longest_silence_s,
            api.errors,
            api.last_error
                .as_ref()
                .map_or_else(String::new, |error| format!(", the last: {error}")),
        );
    }
    if let Some(master) = part.master {
        let per_1000 = master.cpu_s_per_1000.map_or_else(String::new, |cpu| {
            format!(", {cpu:.2} s per 1,000 connections")
        });
        let _ = writeln!(
            text,
            "  master       {:.2} s CPU ({:.0} % of a core{per_1000}), {} MiB, {} open files",
            master.cpu_s,
            master.cpu_percent,
            master.rss_bytes >> 20,
            master.descriptors,
        );
    }
    text
}

fn times(p50_ms: f64, p99_ms: f64, max_ms: f64) -> String {
    format!("p50 {p50_ms:.1} ms, p99 {p99_ms:.1} ms, max {max_ms:.1} ms")
}

fn failures(failures: &Failures) -> String {
    let by_phase = [
        ("name resolution", failures.resolve),
        ("TCP", failures.tcp),
        ("admission", failures.admission),
        ("TLS", failures.tls),
        ("certificate or name", failures.identity),
        ("first message", failures.first_byte),
    ];
    let by_phase = by_phase.iter().filter(|(_, count)| *count > 0);
    let by_phase: Vec<String> = by_phase
        .map(|(phase, count)| format!("{phase} {count}"))
        .collect();
    format!("{} ({} timed out)", by_phase.join(", "), failures.timed_out)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bheka_fleet::{ApiReport, Milestones, Quantiles, Snapshot, Timeline};

    use super::*;

    fn part(notes: &[(u64, u64)]) -> Observed {
        let mut timeline = Timeline::new(20);
        for (ms, connected) in notes {
            timeline.note(Duration::from_millis(*ms), *connected);
        }
        let mut agents = Snapshot::default();
        agents.connected = 20;
        Observed {
            name: "reload 1".into(),
            seconds: 3.06,
            in_force_s: None,
            milestones: timeline.milestones(),
            agents,
            handshakes: Quantiles::default(),
            api: None,
            master: None,
            timeline,
        }
    }

    #[test]
    fn a_dip_and_none() {
        let none = describe(&part(&[(0, 20), (3_000, 20)]));
        assert!(
            none.starts_with("reload 1: 3.1 s; 20 connected all the time\n"),
            "{none}"
        );
        let mut dipped = part(&[(0, 20), (100, 15), (2_000, 20)]);
        dipped.agents.drops = 5;
        dipped.agents.handshake_failures = 3;
        dipped.agents.failures.tls = 2;
        dipped.agents.failures.tcp = 1;
        dipped.agents.failures.timed_out = 2;
        dipped.api = Some(ApiReport::default());
        assert_eq!(
            describe(&dipped),
            "reload 1: 3.1 s; 20 connected, 15 at least, 90 % after 2.00 s, 99 % after 2.00 s, all \
             after 2.00 s\n\
             \x20 connections  0 begun, 0 made (0 % resumed), 3 failed, 5 lost, 0 left by themselves\n\
             \x20 failures     TCP 1, TLS 2 (2 timed out)\n\
             \x20 API          no answers; longest silence 0.00 s; 0 errors\n"
        );
        assert_eq!(
            dipped.milestones,
            Milestones {
                t50_s: Some(0.0),
                ..dipped.milestones
            }
        );
    }
}
