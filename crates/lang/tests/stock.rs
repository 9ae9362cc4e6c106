//! The configuration that Debian's `icinga2-common` installs, unmodified: the same objects as
//! Icinga 2 2.13.6 makes of it. Left out where that package is not installed.

// Tests may give up on what they set up themselves.
#![allow(clippy::unwrap_used)]

mod support;

use std::collections::BTreeSet;
use std::path::Path;

use bheka_lang::{Load, load};
use bheka_value::Timestamp;
use support::{Disk, constants};

#[test]
fn same_objects_as_icinga() {
    let main = "/etc/icinga2/icinga2.conf";
    if !Path::new(main).exists() || !Path::new("/usr/share/icinga2/include/plugins").exists() {
        println!("left out: icinga2-common is not installed");
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let disk = Disk {
        directory: directory.path().to_owned(),
    };
    let mut results = Vec::new();
    for threads in [1, 2] {
        let loaded = load(Load {
            catalogue: bheka_model::catalogue(),
            sources: &disk,
            include_dirs: vec!["/usr/share/icinga2/include".to_owned()],
            files: vec![main.to_owned()],
            constants: constants(Path::new("/etc/icinga2")),
            zone_dirs: Vec::new(),
            now: Timestamp(1_795_415_000.0),
            track_modifications: threads == 1,
            threads,
        });
        // The group of Windows servers has no member there, which is worth a notice.
        let grave = loaded.diagnostics.iter();
        let grave = grave.filter(|it| it.severity != bheka_lang::Severity::Notice);
        let errors: Vec<_> = grave.map(ToString::to_string).collect();
        assert!(errors.is_empty(), "{}", errors.join("\n"));
        let declared: Vec<String> = loaded
            .declarations
            .iter()
            .map(|d| format!("{} {} {:?}", d.type_info.name, d.name, d.attributes))
            .collect();
        let built = bheka_model::build(1, loaded.declarations, loaded.globals.to_map());
        let errors: Vec<_> = built
            .diagnostics
            .iter()
            .map(|d| d.message.clone())
            .collect();
        assert!(errors.is_empty(), "{}", errors.join("\n"));
        let objects: BTreeSet<String> = built
            .generation
            .all()
            // What the system brings along belongs to no package, and Icinga 2 does not list it.
            .filter(|object| !object.package.is_empty())
            .map(|object| format!("{} {}", object.type_info.name, object.name))
            .collect();
        loaded.globals.retire();
        results.push((declared, objects));
    }
    assert_eq!(
        results[0].0, results[1].0,
        "the number of threads must not matter"
    );
    let text = include_str!("../../../testdata/dsl/stock-objects.txt");
    let expected: BTreeSet<String> = text
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(str::to_owned)
        .collect();
    let missing: Vec<_> = expected.difference(&results[0].1).collect();
    let extra: Vec<_> = results[0].1.difference(&expected).collect();
    assert!(
        missing.is_empty() && extra.is_empty(),
        "missing {missing:?}, extra {extra:?}"
    );
}
