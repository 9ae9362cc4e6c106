//! The configuration of the nodes, from text.

use std::collections::BTreeMap;
use std::sync::Arc;

use bheka_lang::{Load, MemorySources};
use bheka_model::Generation;
use bheka_value::{Timestamp, Value};

/// The text is no valid configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SiteError(pub String);

impl std::fmt::Display for SiteError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for SiteError {}

/// The loaded configuration of each node; shared between runs, for it never changes.
#[derive(Clone, Debug, Default)]
pub struct Site {
    /// By name of the node.
    pub generations: BTreeMap<String, Arc<Generation>>,
}

impl Site {
    /// Loads the text of each node, as the daemon would.
    ///
    /// # Errors
    /// What the language or the model says about the first text that is wrong.
    pub fn load<'a>(texts: impl IntoIterator<Item = (&'a str, String)>) -> Result<Self, SiteError> {
        let mut generations = BTreeMap::new();
        for (node, text) in texts {
            generations.insert(node.to_owned(), load_node(node, &text, 1)?);
        }
        Ok(Self { generations })
    }
}

/// Loads the text of one node.
///
/// # Errors
/// What the language or the model says about it.
pub(crate) fn load_node(node: &str, text: &str, number: u64) -> Result<Arc<Generation>, SiteError> {
    let sources = MemorySources::new([("/site.conf", text)]);
    let loaded = bheka_lang::load(Load {
        catalogue: bheka_model::catalogue(),
        sources: &sources,
        include_dirs: Vec::new(),
        files: vec!["/site.conf".to_owned()],
        constants: vec![("NodeName".to_owned(), Value::string(node))],
        zone_dirs: Vec::new(),
        now: Timestamp(crate::world::START),
        track_modifications: false,
        threads: 1,
    });
    if let Some(error) = loaded.diagnostics.iter().find(|finding| finding.is_error()) {
        return Err(SiteError(format!("{node}: {}", error.message)));
    }
    let globals = loaded.globals.to_map();
    let built = bheka_model::build(number, loaded.declarations, globals);
    if built.has_errors() {
        let messages: Vec<&str> = built
            .diagnostics
            .iter()
            .map(|finding| finding.message.as_str())
            .collect();
        return Err(SiteError(format!("{node}: {}", messages.join("; "))));
    }
    Ok(Arc::new(built.generation))
}
