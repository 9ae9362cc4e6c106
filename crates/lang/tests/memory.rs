//! A load as a whole has no more memory than the machine can spare.

// Tests may give up on what they set up themselves.
#![allow(clippy::unwrap_used)]

use std::sync::atomic::{AtomicU64, Ordering};

use bheka_lang::{DirEntry, Load, Loaded, Memory, MemorySources, SourceError, Sources, load};
use bheka_value::Timestamp;

fn load_files(sources: &dyn Sources) -> Loaded {
    load(Load {
        catalogue: bheka_model::catalogue(),
        sources,
        include_dirs: Vec::new(),
        files: vec!["/etc/main.conf".to_owned()],
        constants: Vec::new(),
        zone_dirs: Vec::new(),
        now: Timestamp(1000.0),
        track_modifications: false,
        threads: 2,
    })
}

fn errors(loaded: &Loaded) -> Vec<String> {
    let errors = loaded.diagnostics.iter().filter(|it| it.is_error());
    errors.map(|it| it.message.clone()).collect()
}

/// A machine that has less memory each time it is asked.
struct Shrinking(MemorySources, AtomicU64);

impl Sources for Shrinking {
    fn read(&self, path: &str) -> Result<Vec<u8>, SourceError> {
        self.0.read(path)
    }

    fn is_file(&self, path: &str) -> bool {
        self.0.is_file(path)
    }

    fn list(&self, dir: &str) -> Result<Vec<DirEntry>, SourceError> {
        self.0.list(dir)
    }

    fn env(&self, name: &str) -> Option<String> {
        self.0.env(name)
    }

    fn memory(&self) -> Option<Memory> {
        let looks = self.1.fetch_add(1, Ordering::Relaxed);
        Some(Memory {
            used: looks << 30,
            max: 2 << 30,
        })
    }
}

#[test]
fn many_objects_that_are_small_enough_end_together() {
    let text = "object CheckCommand \"c\" { command = [ \"c\" ] }\nfor (i in range(600)) {\n\
                object Host \"h\" + i {\n check_command = \"c\"\n vars.x = range(10000)\n}\n}\n";
    let files = MemorySources::new([("/etc/main.conf", text)]);
    let enough = load_files(&files);
    assert!(errors(&enough).is_empty(), "{:?}", enough.diagnostics);
    assert!(enough.declarations.len() > 600);
    let short = load_files(&Shrinking(files, 0.into()));
    let first = errors(&short).swap_remove(0);
    assert!(
        first.contains("needs too much memory: the process uses 3072 MiB, the limit is 2048 MiB"),
        "{first:?}"
    );
}
