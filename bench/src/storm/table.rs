//! Medians as Markdown.

use std::fmt::Write as _;

use super::stage::Part;
use super::{Measured, Scenario};
use crate::median::median;

/// All tables.
pub(crate) fn all(all: &[Measured]) -> String {
    let mut out = String::new();
    for scenario in [
        Scenario::Start,
        Scenario::Busy,
        Scenario::Blackhole,
        Scenario::DialIn,
        Scenario::Kill,
        Scenario::Cut,
        Scenario::Reload,
        Scenario::Steady,
    ] {
        let rows: Vec<Vec<String>> = all
            .iter()
            .flat_map(|measured| rows(measured, scenario))
            .collect();
        if !rows.is_empty() {
            let _ = writeln!(out, "## {}\n", scenario.title());
            out.push_str(&table(&columns(scenario), &rows));
            out.push('\n');
        }
    }
    out
}

/// One run, for the eye of who waits.
pub(crate) fn in_short(part: &Part) -> String {
    let observed = &part.observed;
    let api = observed.api.clone().unwrap_or_default();
    format!(
        "all after {}, {} begun, {} made, {} lost; API p99 {:.0} ms, {} errors, {:.1} s silent; {} CPU",
        observed
            .milestones
            .t100_s
            .map_or("-".to_owned(), |at| format!("{at:.2} s")),
        observed.agents.attempts,
        observed.agents.connects,
        observed.agents.drops,
        api.latency.p99_ms,
        api.errors,
        api.longest_silence_s,
        observed
            .master
            .map_or("?".to_owned(), |master| format!("{:.1} s", master.cpu_s)),
    )
}

const SETTING: [&str; 4] = ["agents", "their keys", "its key", "master"];
const API: [&str; 5] = [
    "API p50 ms",
    "p99 ms",
    "max ms",
    "errors",
    "longest silence s",
];

fn columns(scenario: Scenario) -> Vec<&'static str> {
    let own: &[&str] = match scenario {
        Scenario::Steady => &[
            "minutes",
            "CPU % of a core",
            "lost",
            "MiB at first",
            "at last",
            "files at first",
            "at last",
        ],
        Scenario::Reload => &[
            "reloads",
            "lost",
            "in force s",
            "all back s",
            "CPU s",
            "MiB at first",
            "at last",
            "files at first",
            "at last",
        ],
        Scenario::Cut => &[
            "s without network",
            "lost",
            "all back s after",
            "begun",
            "in vain",
            "CPU s",
        ],
        _ => &[
            "t50 s",
            "t90 s",
            "t99 s",
            "t100 s",
            "of the bare client's",
            "begun",
            "in vain",
            "CPU s per 1,000",
            "peak MiB",
        ],
    };
    [&SETTING[..], own, &API[..]].concat()
}

/// The rows of one setting in one scenario.
fn rows(measured: &Measured, scenario: Scenario) -> Vec<Vec<String>> {
    let setting = measured.setting;
    let head = |master: &str| {
        vec![
            setting.agents.to_string(),
            setting.key.name().to_owned(),
            setting.master_key.name().to_owned(),
            master.to_owned(),
        ]
    };
    let mut rows = Vec::new();
    let bare: Vec<_> = measured
        .bare
        .iter()
        .filter(|(of, _)| *of == scenario)
        .collect();
    let bare_wall = median(bare.iter().map(|(_, bare)| bare.wall_s));
    if !bare.is_empty() {
        #[allow(clippy::cast_precision_loss, reason = "a figure for the eye")]
        let of = |part: fn(&super::Bare) -> f64| median(bare.iter().map(|(_, bare)| part(bare)));
        #[allow(clippy::cast_precision_loss, reason = "a figure for the eye")]
        let cpu = of(|bare| bare.cpu_s * 1e3 / bare.made as f64);
        #[allow(clippy::cast_precision_loss, reason = "a figure for the eye")]
        let (begun, failed) = (
            of(|bare| (bare.made + bare.failed) as f64),
            of(|bare| bare.failed as f64),
        );
        let mut row = head("bare client");
        row.extend(["", "", ""].map(str::to_owned));
        row.extend([
            number(bare_wall, 2),
            number(1.0, 2),
            number(begun, 0),
            number(failed, 0),
            number(cpu, 2),
        ]);
        rows.push(row);
    }
    let mut programs: Vec<&str> = Vec::new();
    for part in measured
        .parts
        .iter()
        .filter(|part| part.scenario == scenario)
    {
        if !programs.contains(&part.program) {
            programs.push(part.program);
        }
    }
    for program in programs {
        let parts: Vec<&Part> = measured
            .parts
            .iter()
            .filter(|part| part.scenario == scenario && part.program == program)
            .collect();
        let mut row = head(program);
        row.extend(figures(scenario, &parts, bare_wall));
        rows.push(row);
    }
    rows
}

#[allow(clippy::cast_precision_loss, reason = "figures for the eye")]
fn figures(scenario: Scenario, parts: &[&Part], bare_wall: f64) -> Vec<String> {
    let of = |figure: &dyn Fn(&Part) -> f64| median(parts.iter().map(|part| figure(part)));
    let agents = |figure: fn(&bheka_fleet::Snapshot) -> u64| {
        number(of(&|part| figure(&part.observed.agents) as f64), 0)
    };
    let master = |figure: fn(&bheka_fleet::MasterUse) -> f64| {
        of(&|part| part.observed.master.as_ref().map_or(f64::NAN, figure))
    };
    let milestone = |figure: fn(&bheka_fleet::Milestones) -> Option<f64>| {
        of(&|part| figure(&part.observed.milestones).unwrap_or(f64::NAN))
    };
    let t100 = milestone(|it| it.t100_s);
    let lost = agents(|it| it.drops);
    let begun = agents(|it| it.attempts);
    let in_vain = agents(|it| it.attempts.saturating_sub(it.connects));
    let cpu = number(master(|it| it.cpu_s), 1);
    let usage = |figure: fn(&(u64, u64)) -> u64, last: bool| {
        let at = |part: &Part| {
            if last {
                part.usage.last()
            } else {
                part.usage.first()
            }
            .copied()
        };
        number(
            of(&|part| at(part).as_ref().map_or(f64::NAN, |it| figure(it) as f64)),
            0,
        )
    };
    let kept = [
        usage(|it| it.0 >> 20, false),
        usage(|it| it.0 >> 20, true),
        usage(|it| it.1, false),
        usage(|it| it.1, true),
    ];
    let mut figures = match scenario {
        Scenario::Steady => {
            let minutes = of(&|part| part.observed.seconds / 60.0);
            let percent = master(|it| it.cpu_percent);
            [
                vec![number(minutes, 1), number(percent, 1), lost],
                kept.to_vec(),
            ]
            .concat()
        }
        Scenario::Reload => {
            let reloads = of(&|part| part.in_force_s.len() as f64);
            let in_force = of(&|part| median(part.in_force_s.iter().copied()));
            let own = vec![
                number(reloads, 0),
                lost,
                number(in_force, 2),
                number(t100, 1),
                cpu,
            ];
            [own, kept.to_vec()].concat()
        }
        Scenario::Cut => {
            let mended = of(&|part| part.mended_s.unwrap_or(f64::NAN));
            vec![
                number(mended, 0),
                lost,
                number((t100 - mended).max(0.0), 1),
                begun,
                in_vain,
                cpu,
            ]
        }
        _ => vec![
            number(milestone(|it| it.t50_s), 2),
            number(milestone(|it| it.t90_s), 2),
            number(milestone(|it| it.t99_s), 2),
            number(t100, 2),
            number(t100 / bare_wall, 2),
            begun,
            in_vain,
            number(master(|it| it.cpu_s_per_1000.unwrap_or(f64::NAN)), 2),
            number(master(|it| it.rss_peak_bytes as f64 / 1024.0 / 1024.0), 0),
        ],
    };
    let api = |figure: fn(&bheka_fleet::ApiReport) -> f64| {
        of(&|part| part.observed.api.as_ref().map_or(f64::NAN, figure))
    };
    // A master that never answered was not quick.
    let time = |figure: fn(&bheka_fleet::Quantiles) -> f64| {
        let answered = |part: &Part| {
            let api = part.observed.api.as_ref()?;
            (api.latency.count > 0).then(|| figure(&api.latency))
        };
        number(median(parts.iter().filter_map(|part| answered(part))), 1)
    };
    figures.extend([
        time(|it| it.p50_ms),
        time(|it| it.p99_ms),
        time(|it| it.max_ms),
        number(api(|it| it.errors as f64), 0),
        number(api(|it| it.longest_silence_s), 2),
    ]);
    figures
}

fn number(value: f64, digits: usize) -> String {
    if value.is_finite() {
        format!("{value:.digits$}")
    } else {
        "–".to_owned()
    }
}

fn table(columns: &[&str], rows: &[Vec<String>]) -> String {
    let mut out = format!(
        "| {} |\n|{}\n",
        columns.join(" | "),
        "---|".repeat(columns.len())
    );
    for row in rows {
        let empty = std::iter::repeat_n(String::new(), columns.len().saturating_sub(row.len()));
        let cells: Vec<String> = row.iter().cloned().chain(empty).collect();
        let _ = writeln!(out, "| {} |", cells.join(" | "));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::super::tests::measured;
    use super::*;

    #[test]
    fn medians_beside_the_bare_client() {
        let text = all(&[measured()]);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "## Start of the master");
        let cells = |line: &str| -> Vec<String> {
            line.split('|').map(|cell| cell.trim().to_owned()).collect()
        };
        let heads = cells(lines[2]);
        let bare = cells(lines[4]);
        let icinga = cells(lines[5]);
        let column = |name: &str| heads.iter().position(|head| head == name).expect("column");
        assert_eq!(heads.len(), bare.len());
        assert_eq!(heads.len(), icinga.len());
        assert_eq!(bare[column("t100 s")], "2.00");
        // Rounds of 3, 5 and 4 seconds.
        assert_eq!(icinga[column("t100 s")], "4.00");
        assert_eq!(icinga[column("of the bare client's")], "2.00");
        assert_eq!(icinga[column("in vain")], "20");
    }
}
