//! Which rules can match a target at all.
//!
//! With thousands of rules such as `assign where host.vars.role == "x"`, each target would be held
//! against each of them. Here the value is looked up once, and leads to the rules that want it.

use bheka_value::{Str, Value};
use rustc_hash::{FxHashMap, FxHashSet};

use super::condition::{Key, Path, Roots, Test};

/// Rules by what they demand of a target; a rule is known by its position.
#[derive(Default)]
pub(super) struct Index {
    /// Rules that must be tried everywhere.
    always: Vec<usize>,
    paths: Vec<Demands>,
}

/// The rules that look at one place of the target.
struct Demands {
    path: Path,
    all: Vec<usize>,
    texts: FxHashMap<Str, Vec<usize>>,
    /// Those that look into a list.
    listed: Vec<usize>,
    members: FxHashMap<Str, Vec<usize>>,
    prefixes: FxHashMap<Str, Vec<usize>>,
    /// How long the prefixes are, in bytes.
    lengths: FxHashSet<usize>,
}

impl Index {
    /// Adds a rule with its `assign where`, of which one must hold; `None` when the evaluator must
    /// be asked.
    pub(super) fn add(&mut self, rule: usize, assign: Option<&[Test]>) {
        let keys: Option<Vec<Key>> = assign.filter(|it| !it.is_empty()).and_then(|tests| {
            let keys: Option<Vec<_>> = tests.iter().map(Test::keys).collect();
            keys.map(|keys| keys.into_iter().flatten().collect())
        });
        let Some(keys) = keys else {
            self.always.push(rule);
            return;
        };
        for key in keys {
            let (Key::Text(path, _) | Key::Member(path, _) | Key::Prefix(path, _)) = &key;
            let demands = self.demands(path);
            demands.all.push(rule);
            match key {
                Key::Text(_, text) => demands.texts.entry(text).or_default().push(rule),
                Key::Member(_, text) => {
                    demands.listed.push(rule);
                    demands.members.entry(text).or_default().push(rule);
                }
                Key::Prefix(_, prefix) => {
                    demands.lengths.insert(prefix.len());
                    demands.prefixes.entry(prefix).or_default().push(rule);
                }
            }
        }
    }

    fn demands(&mut self, path: &Path) -> &mut Demands {
        let at = self.paths.iter().position(|it| it.path == *path);
        let at = at.unwrap_or_else(|| {
            self.paths.push(Demands {
                path: path.clone(),
                all: Vec::new(),
                texts: FxHashMap::default(),
                listed: Vec::new(),
                members: FxHashMap::default(),
                prefixes: FxHashMap::default(),
                lengths: FxHashSet::default(),
            });
            self.paths.len() - 1
        });
        &mut self.paths[at]
    }

    /// The rules that are worth trying, in order.
    pub(super) fn candidates(&self, roots: Roots<'_>, found: &mut Vec<usize>) {
        found.clear();
        found.extend(&self.always);
        for demands in &self.paths {
            demands.candidates(roots, found);
        }
        found.sort_unstable();
        found.dedup();
    }
}

impl Demands {
    fn candidates(&self, roots: Roots<'_>, found: &mut Vec<usize>) {
        match self.path.read(roots) {
            Some(Value::Empty) => {}
            Some(Value::String(text)) => {
                self.fitting(&text, found);
                found.extend(&self.listed);
            }
            Some(Value::Array(items)) => {
                for item in items.read().iter() {
                    match item {
                        Value::String(text) => {
                            found.extend(self.members.get(text.as_str()).into_iter().flatten());
                        }
                        // What is equal to a text without being one, the conditions know.
                        _ => found.extend(&self.all),
                    }
                }
                // match() takes lists, too.
                found.extend(self.prefixes.values().flatten());
            }
            _ => found.extend(&self.all),
        }
    }

    fn fitting(&self, text: &Str, found: &mut Vec<usize>) {
        found.extend(self.texts.get(text.as_str()).into_iter().flatten());
        if self.lengths.is_empty() {
            return;
        }
        let text = text.to_ascii_lowercase();
        for length in &self.lengths {
            let prefix = text.get(..*length);
            let rules = prefix.and_then(|prefix| self.prefixes.get(prefix));
            found.extend(rules.into_iter().flatten());
        }
    }
}
