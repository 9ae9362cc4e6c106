//! A strict reader of the text format of Prometheus, version 0.0.4.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};

/// A page of metrics.
#[derive(Debug, Default)]
pub struct Page {
    /// By name.
    pub metrics: BTreeMap<String, Metric>,
}

/// One metric.
#[derive(Debug, Default)]
pub struct Metric {
    pub kind: String,
    pub help: String,
    pub samples: Vec<Sample>,
}

/// One line of a metric.
#[derive(Debug, Default)]
pub struct Sample {
    pub name: String,
    pub labels: BTreeMap<String, String>,
    pub value: f64,
}

impl Page {
    /// Reads a page.
    ///
    /// # Panics
    /// When it breaks the rules of the format, or of good names.
    pub fn read(text: &str) -> Self {
        assert!(text.ends_with('\n'), "the last line has an end");
        let mut page = Self::default();
        let mut current: Option<String> = None;
        for line in text.lines() {
            if let Some(rest) = line.strip_prefix("# HELP ") {
                let (name, help) = rest.split_once(' ').expect(line);
                check_name(name, true);
                check_escapes(help, "\\n");
                let metric = Metric {
                    help: help.to_owned(),
                    ..Metric::default()
                };
                let before = page.metrics.insert(name.to_owned(), metric);
                assert!(before.is_none(), "{name} comes twice");
                current = Some(name.to_owned());
            } else if let Some(rest) = line.strip_prefix("# TYPE ") {
                let (name, kind) = rest.split_once(' ').expect(line);
                assert_eq!(current.as_deref(), Some(name), "TYPE follows HELP: {line}");
                assert!(
                    ["counter", "gauge", "histogram", "summary"].contains(&kind),
                    "{line}"
                );
                assert_eq!(kind == "counter", name.ends_with("_total"), "{line}");
                let metric = page.metrics.get_mut(name).unwrap();
                assert!(
                    metric.kind.is_empty() && metric.samples.is_empty(),
                    "{line}"
                );
                kind.clone_into(&mut metric.kind);
            } else {
                let sample = Sample::read(line);
                let name = current.as_deref().expect(line);
                let metric = page.metrics.get_mut(name).unwrap();
                let suffix = sample.name.strip_prefix(name).expect(line);
                let suffixes: &[&str] = match metric.kind.as_str() {
                    "histogram" => &["_bucket", "_sum", "_count"],
                    "summary" => &["", "_sum", "_count"],
                    "counter" | "gauge" => &[""],
                    _ => panic!("no TYPE before {line}"),
                };
                assert!(suffixes.contains(&suffix), "{line}");
                if metric.kind != "gauge" {
                    assert!(sample.value >= 0.0, "{line}");
                }
                metric.samples.push(sample);
            }
        }
        page.check();
        page
    }

    fn check(&self) {
        let mut seen = BTreeSet::new();
        for (name, metric) in &self.metrics {
            assert!(!metric.help.is_empty(), "{name}");
            for sample in &metric.samples {
                assert!(
                    seen.insert((sample.name.clone(), sample.labels.clone())),
                    "{sample:?} comes twice"
                );
            }
            if metric.kind == "histogram" {
                metric.check_histogram(name);
            }
        }
    }

    /// The value of a series.
    ///
    /// # Panics
    /// When there is none.
    pub fn value(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        self.find(name, labels)
            .unwrap_or_else(|| panic!("no {name} {labels:?}"))
    }

    /// The value of a series, when there is one.
    pub fn find(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let labels: BTreeMap<String, String> = labels
            .iter()
            .map(|(label, value)| ((*label).to_owned(), (*value).to_owned()))
            .collect();
        let mut samples = self.metrics.values().flat_map(|metric| &metric.samples);
        let found = samples.find(|sample| sample.name == name && sample.labels == labels);
        found.map(|sample| sample.value)
    }
}

impl Metric {
    fn check_histogram(&self, name: &str) {
        let mut groups: BTreeMap<BTreeMap<String, String>, Vec<(f64, f64)>> = BTreeMap::new();
        for sample in &self.samples {
            if sample.name.ends_with("_bucket") {
                let mut labels = sample.labels.clone();
                let bound = labels.remove("le").expect("a bucket has a bound");
                let bound = number(&bound);
                groups
                    .entry(labels)
                    .or_default()
                    .push((bound, sample.value));
            }
        }
        for (labels, buckets) in groups {
            let ordered = buckets
                .windows(2)
                .all(|pair| pair[0].0 < pair[1].0 && pair[0].1 <= pair[1].1);
            assert!(ordered, "{name} {labels:?} {buckets:?}");
            let (bound, all) = *buckets.last().unwrap();
            assert!(bound.is_infinite(), "{name} {labels:?}");
            let of = |suffix: &str| {
                let wanted = format!("{name}{suffix}");
                let mut samples = self.samples.iter();
                samples.find(|it| it.name == wanted && it.labels == labels)
            };
            assert_eq!(of("_count").unwrap().value, all, "{name} {labels:?}");
            assert!(of("_sum").is_some(), "{name} {labels:?}");
        }
    }
}

impl Sample {
    fn read(line: &str) -> Self {
        let end = line
            .find(['{', ' '])
            .unwrap_or_else(|| panic!("no sample: {line}"));
        let name = &line[..end];
        check_name(name, true);
        let mut rest = &line[end..];
        let mut labels = BTreeMap::new();
        if let Some(mut inside) = rest.strip_prefix('{') {
            loop {
                let (label, after) = inside.split_once("=\"").expect(line);
                check_name(label, false);
                let (value, length) = unescape(after, line);
                assert!(
                    labels.insert(label.to_owned(), value).is_none(),
                    "a label comes twice: {line}"
                );
                inside = &after[length..];
                if let Some(after) = inside.strip_prefix('}') {
                    rest = after;
                    break;
                }
                inside = inside.strip_prefix(',').expect(line);
            }
        }
        let value = rest.strip_prefix(' ').expect(line);
        assert!(!value.contains(' '), "no timestamps here: {line}");
        Self {
            name: name.to_owned(),
            labels,
            value: number(value),
        }
    }
}

fn number(text: &str) -> f64 {
    match text {
        "+Inf" => f64::INFINITY,
        "-Inf" => f64::NEG_INFINITY,
        "NaN" => f64::NAN,
        text => {
            let plain = text.bytes().all(|it| b"0123456789.-+e".contains(&it));
            assert!(plain, "no number: {text}");
            text.parse().unwrap_or_else(|_| panic!("no number: {text}"))
        }
    }
}

/// The value of a label, and how many bytes it takes with its end.
fn unescape(text: &str, line: &str) -> (String, usize) {
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return (value, at + 1),
            '\\' => match characters.next() {
                Some((_, 'n')) => value.push('\n'),
                Some((_, other @ ('"' | '\\'))) => value.push(other),
                other => panic!("no escape: {other:?} in {line}"),
            },
            other => value.push(other),
        }
    }
    panic!("a label has no end: {line}");
}

fn check_escapes(text: &str, known: &str) {
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        if character == '\\' {
            let next = characters.next().expect(text);
            assert!(known.contains(next), "{text}");
        }
    }
}

fn check_name(name: &str, colons: bool) {
    let first = |it: char| it.is_ascii_alphabetic() || it == '_' || (colons && it == ':');
    assert!(
        name.starts_with(first) && name.chars().all(|it| first(it) || it.is_ascii_digit()),
        "no name: '{name}'"
    );
}
