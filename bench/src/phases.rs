//! The phases of a load by themselves, for whoever works on their speed.

use std::fs;
use std::path::Path;
use std::time::Instant;

use anyhow::{Result, bail};
use bheka_lang::{DirEntry, Load, SourceError, Sources};
use bheka_value::{Timestamp, Value};

/// The disk.
struct Disk;

impl Sources for Disk {
    fn read(&self, path: &str) -> Result<Vec<u8>, SourceError> {
        fs::read(path).map_err(SourceError::from)
    }

    fn is_file(&self, path: &str) -> bool {
        Path::new(path).is_file()
    }

    fn list(&self, dir: &str) -> Result<Vec<DirEntry>, SourceError> {
        let mut found = Vec::new();
        for entry in fs::read_dir(dir)? {
            let entry = entry?;
            found.push(DirEntry {
                name: entry.file_name().to_string_lossy().into_owned(),
                is_dir: entry.file_type()?.is_dir(),
            });
        }
        Ok(found)
    }

    fn env(&self, name: &str) -> Option<String> {
        std::env::var(name).ok()
    }
}

/// Evaluates the tree.
pub(crate) fn load(directory: &Path, threads: usize) -> bheka_lang::Loaded {
    bheka_lang::load(Load {
        catalogue: bheka_model::catalogue(),
        sources: &Disk,
        include_dirs: vec!["/usr/share/icinga2/include".to_owned()],
        files: vec![directory.join("icinga2.conf").display().to_string()],
        constants: vec![("NodeName".to_owned(), Value::string(crate::generate::NODE))],
        zone_dirs: Vec::new(),
        now: Timestamp(0.0),
        track_modifications: false,
        threads,
    })
}

/// Loads the tree once and prints what each phase took.
pub(crate) fn run(directory: &Path, threads: usize) -> Result<()> {
    let start = Instant::now();
    let mut loaded = load(directory, threads);
    let evaluated = start.elapsed();
    println!(
        "evaluate  {:>8.3} s  {:>5} MiB in use, {:>5} MiB at most",
        evaluated.as_secs_f64(),
        status("VmRSS") / 1024,
        status("VmHWM") / 1024
    );
    let errors = loaded.diagnostics.iter().filter(|it| it.is_error());
    for error in errors.clone().take(5) {
        eprintln!("{}", error.message);
    }
    if errors.count() > 0 {
        bail!("the tree is not valid");
    }
    let declarations = std::mem::take(&mut loaded.declarations);
    let count = declarations.len();
    let built = bheka_model::build(1, declarations, loaded.globals.to_map());
    println!(
        "build     {:>8.3} s  {:>5} MiB in use, {:>5} MiB at most",
        (start.elapsed() - evaluated).as_secs_f64(),
        status("VmRSS") / 1024,
        status("VmHWM") / 1024
    );
    println!("{count} objects");
    if built.has_errors() {
        bail!("the model refuses the tree");
    }
    Ok(())
}

/// A line of `/proc/self/status` in KiB; 0 where there is none.
fn status(key: &str) -> u64 {
    let text = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = text.lines().find(|line| line.starts_with(key));
    line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok())
        .unwrap_or(0)
}
