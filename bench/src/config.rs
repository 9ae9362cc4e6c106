//! `daemon -C` of Icinga 2 and of Bheka on the same tree, in turns, on the same machine.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::json;

use crate::generate::{self, Size};
use crate::median::median;

/// What to compare, and how often.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Hosts of each tree that is measured; each has an agent with an endpoint and a zone
    #[arg(long, value_delimiter = ',', default_values_t = [1750, 7000])]
    hosts: Vec<usize>,
    /// Services of each host
    #[arg(long, default_value_t = 20)]
    services: usize,
    /// Rounds; medians are shown
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// The Icinga 2 to compare with
    #[arg(long, default_value = "icinga2")]
    icinga2: PathBuf,
    /// The Bheka to measure: build it with `cargo build --release -p bheka`
    #[arg(long, default_value = "target/release/bheka")]
    bheka: PathBuf,
    /// Measure Bheka alone
    #[arg(long)]
    alone: bool,
    /// Let Bheka write the list of objects, as Icinga 2 2.13 always does
    #[arg(long)]
    dump_objects: bool,
    /// Print JSON instead of a table
    #[arg(long)]
    json: bool,
}

/// One run of a program.
#[derive(Clone, Copy, Debug)]
struct Run {
    wall: f64,
    cpu: f64,
    peak_mib: f64,
}

/// How long a program may take.
const PATIENCE: Duration = Duration::from_secs(600);
/// How often the memory of a program is looked at. Peaks do not fall, so the last look before the
/// end counts.
const LOOK: Duration = Duration::from_millis(5);

pub(crate) fn run(options: &Options) -> Result<()> {
    let programs: Vec<(&str, &Path)> = match options.alone {
        true => vec![("Bheka", &options.bheka)],
        false => vec![("Icinga 2", &options.icinga2), ("Bheka", &options.bheka)],
    };
    for (name, program) in &programs {
        eprintln!("{name}: {}", version(program)?);
    }
    let folder = std::env::temp_dir().join(format!("bheka-bench-{}", std::process::id()));
    let result = measure(options, &programs, &folder);
    fs::remove_dir_all(&folder).ok();
    let sizes = result?;
    if options.json {
        println!("{}", serde_json::to_string_pretty(&as_json(&sizes))?);
    } else {
        print!("{}", as_table(&sizes));
    }
    Ok(())
}

/// The medians of each program at a size.
struct Measured {
    objects: usize,
    hosts: usize,
    services: usize,
    medians: Vec<(String, Run)>,
}

fn measure(options: &Options, programs: &[(&str, &Path)], folder: &Path) -> Result<Vec<Measured>> {
    let mut sizes = Vec::new();
    for &hosts in &options.hosts {
        let size = Size {
            hosts,
            services: options.services,
            endpoints: hosts,
            satellites: 10,
        };
        let tree = folder.join(format!("tree-{hosts}"));
        generate::write(&tree, size)?;
        let mut runs: Vec<Vec<Run>> = programs.iter().map(|_| Vec::new()).collect();
        for round in 0..options.rounds {
            for ((name, program), runs) in programs.iter().zip(&mut runs) {
                eprint!(
                    "\r{hosts} hosts: round {} of {}, {name}      ",
                    round + 1,
                    options.rounds
                );
                let state = folder.join(format!("state-{}", name.replace(' ', "")));
                let extra = options.dump_objects && *name == "Bheka";
                runs.push(check(program, &tree, &state, extra)?);
            }
        }
        eprintln!();
        sizes.push(Measured {
            objects: generate::objects(size),
            hosts,
            services: hosts * options.services,
            medians: programs
                .iter()
                .zip(runs)
                .map(|((name, _), runs)| ((*name).to_owned(), median_run(&runs)))
                .collect(),
        });
        fs::remove_dir_all(&tree).ok();
    }
    Ok(sizes)
}

fn version(program: &Path) -> Result<String> {
    let output = Command::new(program)
        .arg("--version")
        .output()
        .with_context(|| {
            format!(
                "cannot run '{}': build Bheka with 'cargo build --release -p bheka', install \
                 Icinga 2 with 'apt-get install icinga2-bin', or use --alone",
                program.display()
            )
        })?;
    let text = String::from_utf8_lossy(&output.stdout);
    Ok(text.lines().next().unwrap_or_default().to_owned())
}

/// Validates the tree once with directories of its own.
fn check(program: &Path, tree: &Path, state: &Path, dump_objects: bool) -> Result<Run> {
    fs::remove_dir_all(state).ok();
    fs::create_dir_all(state)?;
    let mut command = Command::new(program);
    command
        .args(["daemon", "-C", "-c"])
        .arg(tree.join("icinga2.conf"));
    let mut define = |name: &str, value: &str| {
        command.arg(format!("-D{name}={value}"));
    };
    let state = state.display().to_string();
    for directory in ["DataDir", "CacheDir", "LogDir", "SpoolDir", "InitRunDir"] {
        define(directory, &state);
    }
    let tree = tree.display().to_string();
    define("ConfigDir", &tree);
    define("ZonesDir", &format!("{tree}/zones.d"));
    define("NodeName", generate::NODE);
    let (user, group) = account();
    define("RunAsUser", &user);
    define("RunAsGroup", &group);
    if dump_objects {
        command.arg("--dump-objects");
    }
    let log = format!("{state}/output");
    let output = fs::File::create(&log)?;
    command
        .stdin(Stdio::null())
        .stdout(output.try_clone()?)
        .stderr(output);
    let before = children_cpu();
    let start = Instant::now();
    let mut child = command.spawn()?;
    let peak_mib = watch(&mut child)?;
    let wall = start.elapsed().as_secs_f64();
    let status = child.wait()?;
    if !status.success() {
        let text = fs::read_to_string(&log).unwrap_or_default();
        let end: Vec<&str> = text.lines().rev().take(20).collect();
        let end: Vec<&str> = end.into_iter().rev().collect();
        bail!(
            "'{}' refused the tree:\n{}",
            program.display(),
            end.join("\n")
        );
    }
    Ok(Run {
        wall,
        cpu: children_cpu() - before,
        peak_mib,
    })
}

/// Waits for the end; yields the largest peak of memory of the process and its descendants.
fn watch(child: &mut Child) -> Result<f64> {
    let start = Instant::now();
    let mut peak = 0;
    while child.try_wait()?.is_none() {
        if start.elapsed() > PATIENCE {
            child.kill()?;
            child.wait()?;
            bail!("it took longer than {} s", PATIENCE.as_secs());
        }
        peak = peak.max(tree_peak(child.id()));
        std::thread::sleep(LOOK);
    }
    #[allow(clippy::cast_precision_loss)]
    Ok(peak as f64 / 1024.0)
}

/// The largest peak in KiB of a process and its descendants.
fn tree_peak(pid: u32) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = text.lines().find(|line| line.starts_with("VmHWM:"));
    let own = line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok());
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
    let children = children.unwrap_or_default();
    let below = children
        .split_whitespace()
        .filter_map(|child| child.parse().ok())
        .map(tree_peak);
    below.max().unwrap_or(0).max(own.unwrap_or(0))
}

/// Seconds of CPU of all children that have ended.
fn children_cpu() -> f64 {
    let text = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // The name of the program may hold spaces; what follows its parenthesis does not.
    let rest = text.rsplit(')').next().unwrap_or_default();
    let ticks = rest.split_whitespace().skip(13).take(2);
    let ticks: u64 = ticks.filter_map(|it| it.parse::<u64>().ok()).sum();
    #[allow(clippy::cast_precision_loss)]
    let seconds = ticks as f64 / rustix::param::clock_ticks_per_second() as f64;
    seconds
}

/// The account of this process by name, which both programs must not change from.
fn account() -> (String, String) {
    let name = |file: &str, id: u32| {
        let text = fs::read_to_string(file).unwrap_or_default();
        let mut lines = text.lines().map(|line| line.split(':').collect::<Vec<_>>());
        let found = lines.find(|parts| parts.get(2) == Some(&id.to_string().as_str()));
        found.map_or_else(|| id.to_string(), |parts| parts[0].to_owned())
    };
    (
        name("/etc/passwd", rustix::process::getuid().as_raw()),
        name("/etc/group", rustix::process::getgid().as_raw()),
    )
}

fn median_run(runs: &[Run]) -> Run {
    let of = |part: fn(&Run) -> f64| median(runs.iter().map(part));
    Run {
        wall: of(|run| run.wall),
        cpu: of(|run| run.cpu),
        peak_mib: of(|run| run.peak_mib),
    }
}

fn as_table(sizes: &[Measured]) -> String {
    let mut out = String::from(
        "| hosts | services | objects | program | wall s | CPU s | peak MiB |\n\
         |---|---|---|---|---|---|---|\n",
    );
    for size in sizes {
        for (name, run) in &size.medians {
            let _ = writeln!(
                out,
                "| {} | {} | {} | {name} | {:.2} | {:.2} | {:.0} |",
                size.hosts, size.services, size.objects, run.wall, run.cpu, run.peak_mib
            );
        }
    }
    for size in sizes {
        if let [(_, other), (_, ours)] = &size.medians[..] {
            let _ = writeln!(
                out,
                "\n{} services: {:.1} times as fast, {:.1} times less CPU, {:.2} of the memory.",
                size.services,
                other.wall / ours.wall,
                other.cpu / ours.cpu,
                ours.peak_mib / other.peak_mib
            );
        }
    }
    for pair in sizes.windows(2) {
        let [small, large] = pair else { continue };
        for ((name, small_run), (_, large_run)) in small.medians.iter().zip(&large.medians) {
            #[allow(clippy::cast_precision_loss)]
            let factor = large.objects as f64 / small.objects as f64;
            let _ = writeln!(
                out,
                "\n{name}: {factor:.1} times the objects take {:.1} times the time.",
                large_run.wall / small_run.wall
            );
        }
    }
    out
}

fn as_json(sizes: &[Measured]) -> serde_json::Value {
    let of = |size: &Measured| {
        let programs: Vec<_> = size
            .medians
            .iter()
            .map(|(name, run)| {
                json!({
                    "program": name,
                    "wall_s": run.wall,
                    "cpu_s": run.cpu,
                    "peak_mib": run.peak_mib,
                })
            })
            .collect();
        json!({
            "hosts": size.hosts,
            "services": size.services,
            "objects": size.objects,
            "programs": programs,
        })
    };
    sizes.iter().map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_are_taken_part_by_part() {
        let run = |wall, cpu, peak_mib| Run {
            wall,
            cpu,
            peak_mib,
        };
        let median = median_run(&[
            run(3.0, 1.0, 10.0),
            run(1.0, 2.0, 30.0),
            run(2.0, 9.0, 20.0),
        ]);
        assert_eq!((median.wall, median.cpu, median.peak_mib), (2.0, 2.0, 20.0));
        let median = median_run(&[run(1.0, 1.0, 1.0), run(2.0, 3.0, 5.0)]);
        assert_eq!((median.wall, median.cpu, median.peak_mib), (1.5, 2.0, 3.0));
    }

    #[test]
    fn the_tree_has_what_was_asked_for() {
        let folder = tempfile::tempdir().expect("folder");
        let size = Size {
            hosts: 60,
            services: 6,
            endpoints: 40,
            satellites: 3,
        };
        generate::write(folder.path(), size).expect("written");
        let loaded = crate::phases::load(folder.path(), 1);
        let errors: Vec<_> = loaded
            .diagnostics
            .iter()
            .filter(|it| it.is_error())
            .collect();
        assert!(errors.is_empty(), "{errors:?}");
        let count = |name: &str| {
            let of_type = loaded.declarations.iter();
            of_type.filter(|it| it.type_info.name == name).count()
        };
        assert_eq!(count("Host"), 60);
        assert_eq!(count("Service"), 360);
        assert_eq!(count("Zone"), 40 + 3 + 2);
        assert_eq!(count("Endpoint"), 40 + 3 + 1);
        assert_eq!(count("Notification"), 60);
        assert_eq!(count("Dependency"), 58);
        let own = ["Host", "Service", "Notification", "Dependency"];
        let made: usize = own.iter().map(|name| count(name)).sum();
        assert_eq!(generate::objects(size), made + 2 * 40);
        loaded.globals.retire();
    }
}
