//! Connected agents over time, as SVG.

use std::fmt::Write as _;

use bheka_fleet::Point;

use super::stage::Part;
use super::{Measured, Scenario};

const WIDTH: f64 = 900.0;
const HEIGHT: f64 = 420.0;
/// Room for what stands around the axes: left, right, top, bottom.
const MARGIN: (f64, f64, f64, f64) = (70.0, 20.0, 40.0, 80.0);
/// Most points of one line.
const POINTS_MAX: usize = 1_000;

/// One line.
struct Series<'a> {
    name: String,
    color: &'static str,
    dashed: bool,
    points: &'a [Point],
}

/// A plot for each scenario of a setting, with a name for its file.
pub(crate) fn plots(measured: &Measured) -> Vec<(String, String)> {
    let setting = measured.setting;
    let mut plots = Vec::new();
    for scenario in [
        Scenario::Start,
        Scenario::Busy,
        Scenario::Blackhole,
        Scenario::DialIn,
        Scenario::Kill,
        Scenario::Cut,
        Scenario::Reload,
    ] {
        let parts: Vec<&Part> = [("Icinga 2"), ("Bheka")]
            .iter()
            .filter_map(|program| typical(measured, scenario, program))
            .collect();
        if parts.is_empty() {
            continue;
        }
        let mut series = Vec::new();
        for part in &parts {
            let color = if part.program == "Bheka" {
                "#0a7d4b"
            } else {
                "#c2410c"
            };
            series.push(Series {
                name: part.program.to_owned(),
                color,
                dashed: false,
                points: part.observed.timeline.points(),
            });
            // Agents that are cut off can't know whether their master still holds them connected.
            if scenario == Scenario::Cut
                && let Some(api) = &part.observed.api
            {
                series.push(Series {
                    name: format!("{} says", part.program),
                    color,
                    dashed: true,
                    points: &api.connected,
                });
            }
        }
        let title = format!(
            "{}: {} agents with {} keys, master with {}",
            scenario.title(),
            setting.agents,
            setting.key.name(),
            setting.master_key.name()
        );
        let name = format!(
            "{}-{}-{}-{}",
            scenario.name(),
            setting.agents,
            file_part(setting.key.name()),
            file_part(setting.master_key.name())
        );
        let marks: Vec<(f64, &str)> = parts
            .iter()
            .filter_map(|part| Some((part.mended_s?, "network back")))
            .take(1)
            .collect();
        plots.push((name, svg(&title, setting.agents as u64, &series, &marks)));
    }
    plots
}

fn file_part(name: &str) -> String {
    name.to_lowercase().replace('-', "")
}

/// The round in the middle, by the time until all were connected.
fn typical<'a>(measured: &'a Measured, scenario: Scenario, program: &str) -> Option<&'a Part> {
    let mut parts: Vec<&Part> = measured
        .parts
        .iter()
        .filter(|part| part.scenario == scenario && part.program == program)
        .collect();
    parts.sort_by(|left, right| {
        let end = |part: &Part| part.observed.milestones.t100_s.unwrap_or(f64::INFINITY);
        end(left).total_cmp(&end(right))
    });
    parts.get(parts.len() / 2).copied()
}

fn svg(title: &str, top: u64, series: &[Series<'_>], marks: &[(f64, &str)]) -> String {
    let ends = series.iter().filter_map(|it| it.points.last());
    let seconds = ends.map(|point| point.at_s).fold(1.0, f64::max);
    #[allow(clippy::cast_precision_loss, reason = "a coordinate")]
    let top_value = top.max(1) as f64;
    let (left, right, above, below) = MARGIN;
    let x = |at: f64| left + at / seconds * (WIDTH - left - right);
    let y = |value: f64| HEIGHT - below - value / top_value * (HEIGHT - above - below);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" \
         font-family=\"sans-serif\" font-size=\"13\">\n<title>{title}</title>\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n\
         <text x=\"{left}\" y=\"24\" font-size=\"16\" fill=\"#111111\">{title}</text>\n"
    );
    let mut line = |x1: f64, y1: f64, x2: f64, y2: f64, color: &str, extra: &str| {
        let _ = writeln!(
            out,
            "<line x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\" stroke=\"{color}\"{extra}/>"
        );
    };
    let (bottom, end) = (HEIGHT - below, WIDTH - right);
    let (x_ticks, y_ticks) = (ticks(seconds), ticks(top_value));
    for tick in &y_ticks {
        line(left, y(*tick), end, y(*tick), "#e5e5e5", "");
    }
    for tick in &x_ticks {
        line(x(*tick), bottom, x(*tick), bottom + 5.0, "#555555", "");
    }
    line(left, bottom, end, bottom, "#555555", "");
    line(left, above, left, bottom, "#555555", "");
    for (at, _) in marks {
        line(
            x(*at),
            above,
            x(*at),
            bottom,
            "#888888",
            " stroke-dasharray=\"3 3\"",
        );
    }
    let mut text = |x: f64, y: f64, anchor: &str, text: &str| {
        let _ = writeln!(
            out,
            "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\" fill=\"#333333\">{text}</text>"
        );
    };
    for tick in &y_ticks {
        text(left - 8.0, y(*tick) + 4.0, "end", &tick.to_string());
    }
    for tick in &x_ticks {
        text(x(*tick), bottom + 20.0, "middle", &tick.to_string());
    }
    for (at, what) in marks {
        text(x(*at) + 4.0, above + 12.0, "start", what);
    }
    text(f64::midpoint(left, end), bottom + 40.0, "middle", "seconds");
    for (index, series) in series.iter().enumerate() {
        #[allow(clippy::cast_precision_loss, reason = "a coordinate")]
        let from = left + index as f64 * 190.0;
        let dash = if series.dashed {
            " stroke-dasharray=\"6 4\""
        } else {
            ""
        };
        let _ = writeln!(
            out,
            "<line x1=\"{from:.1}\" y1=\"{0:.1}\" x2=\"{1:.1}\" y2=\"{0:.1}\" stroke=\"{2}\" \
             stroke-width=\"3\"{dash}/>\n<text x=\"{3:.1}\" y=\"{4:.1}\" fill=\"#333333\">{5}</text>",
            HEIGHT - 18.0,
            from + 30.0,
            series.color,
            from + 38.0,
            HEIGHT - 14.0,
            series.name
        );
        let step = series.points.len().div_ceil(POINTS_MAX).max(1);
        let last = series.points.len().saturating_sub(1);
        let (mut path, mut before) = (String::new(), None);
        for (index, point) in series.points.iter().enumerate() {
            if index % step == 0 || index == last {
                #[allow(clippy::cast_precision_loss, reason = "a coordinate")]
                let value = (point.connected as f64).min(top_value);
                // While nothing changes there are few points: a slope between them would lie.
                if let Some(before) = before {
                    let _ = write!(path, "{:.1},{:.1} ", x(point.at_s), y(before));
                }
                let _ = write!(path, "{:.1},{:.1} ", x(point.at_s), y(value));
                before = Some(value);
            }
        }
        let _ = writeln!(
            out,
            "<polyline fill=\"none\" stroke=\"{}\" stroke-width=\"2\"{dash} points=\"{}\"/>",
            series.color,
            path.trim_end()
        );
    }
    out.push_str("</svg>\n");
    out
}

/// Round numbers from 0 up to the end, about eight of them.
fn ticks(end: f64) -> Vec<f64> {
    let rough = end / 8.0;
    let power = 10_f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0]
        .map(|factor| factor * power)
        .into_iter()
        .find(|step| *step >= rough)
        .unwrap_or(rough);
    let mut ticks = Vec::new();
    let mut index = 0.0;
    while index * step <= end * 1.000_001 && ticks.len() < 20 {
        // 0.30000000000000004 is no label.
        ticks.push((index * step * 1e6).round() / 1e6);
        index += 1.0;
    }
    ticks
}

#[cfg(test)]
mod tests {
    use super::super::tests::measured;
    use super::*;

    #[test]
    fn round_numbers() {
        assert_eq!(ticks(2.4), [0.0, 0.5, 1.0, 1.5, 2.0]);
        assert_eq!(
            ticks(10_000.0),
            [0.0, 2_000.0, 4_000.0, 6_000.0, 8_000.0, 10_000.0]
        );
        assert_eq!(ticks(1.0)[1], 0.2);
    }

    #[test]
    fn a_line_for_each_master() {
        let plots = plots(&measured());
        assert_eq!(plots.len(), 1);
        let (name, svg) = &plots[0];
        assert_eq!(name, "start-100-p256-rsa4096");
        assert_eq!(svg.matches("<polyline").count(), 1);
        assert!(svg.contains("Icinga 2") && svg.ends_with("</svg>\n"));
        assert!(!svg.contains("NaN") && !svg.contains("inf"));
    }
}
