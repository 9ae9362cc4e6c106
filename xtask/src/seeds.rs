//! Seed corpora for the fuzz targets that read the configuration language.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::Context as _;
use serde_json::Value;

/// Longer sources would only slow the fuzzers down.
const BYTES_MAX: usize = 2000;

/// The byte in front that tells the targets with a grammar to read a text, and to look twice.
const TEXT: u8 = 0x80;

/// Writes the sources of `testdata/dsl` to `fuzz/corpus/<target>/`, a file each.
pub(crate) fn write(root: &Path) -> anyhow::Result<()> {
    let (configurations, expressions) = sources(&root.join("testdata/dsl"))?;
    let all: Vec<&String> = configurations.iter().chain(&expressions).collect();
    for target in ["lexer", "parser", "format"] {
        save(
            root,
            target,
            all.iter().map(|text| text.as_bytes().to_vec()),
        )?;
    }
    let marked = |text: &String| [&[TEXT], text.as_bytes()].concat();
    save(root, "loader", configurations.iter().map(marked))?;
    for target in ["evaluator", "filter"] {
        save(root, target, expressions.iter().map(marked))?;
    }
    Ok(())
}

/// Files of configurations, and expressions.
fn sources(folder: &Path) -> anyhow::Result<(BTreeSet<String>, BTreeSet<String>)> {
    let mut configurations = BTreeSet::new();
    let mut expressions = BTreeSet::new();
    let entries =
        std::fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    for entry in entries {
        let path = entry?.path();
        if path.extension().is_none_or(|kind| kind != "jsonl") {
            continue;
        }
        let lines = std::fs::read_to_string(&path)
            .with_context(|| format!("cannot read {}", path.display()))?;
        for line in lines.lines().filter(|line| !line.is_empty()) {
            let case: Value = serde_json::from_str(line)
                .with_context(|| format!("a line of {}", path.display()))?;
            let files = case["files"].as_object().into_iter().flatten();
            configurations.extend(files.filter_map(|(_, text)| text.as_str().map(str::to_owned)));
            expressions.extend(case["source"].as_str().map(str::to_owned));
        }
    }
    configurations.retain(|text| text.len() <= BYTES_MAX);
    expressions.retain(|text| text.len() <= BYTES_MAX);
    Ok((configurations, expressions))
}

fn save(root: &Path, target: &str, inputs: impl Iterator<Item = Vec<u8>>) -> anyhow::Result<()> {
    let folder = root.join("fuzz/corpus").join(target);
    std::fs::create_dir_all(&folder)
        .with_context(|| format!("cannot make {}", folder.display()))?;
    let mut count = 0;
    for (number, input) in inputs.enumerate() {
        let path = folder.join(format!("seed-{number:04}"));
        std::fs::write(&path, input).with_context(|| format!("cannot write {}", path.display()))?;
        count = number + 1;
    }
    println!("{count} seeds in {}", folder.display());
    Ok(())
}
