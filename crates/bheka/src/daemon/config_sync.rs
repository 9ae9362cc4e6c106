//! Configuration that a parent sends.

use bheka_cluster::config_sync::ConfigUpdate;
use bheka_value::Str;

/// Takes a `config::Update`. An empty one changes nothing; one with files is refused as a whole
/// for now, and said so, rather than applied in part.
pub(crate) fn take(endpoint: &Str, update: &ConfigUpdate) {
    let files: usize = update
        .zones
        .values()
        .map(std::collections::BTreeMap::len)
        .sum();
    if files == 0 {
        tracing::debug!(target: "ApiListener",
            "Configuration update from '{endpoint}' holds no files; nothing to do");
        return;
    }
    let zones: Vec<&str> = update.zones.keys().map(Str::as_str).collect();
    tracing::warn!(target: "ApiListener",
        "Ignoring {files} configuration files for zones '{}' from '{endpoint}': this version does \
         not take configuration from a parent yet; put the files into this node's own \
         configuration", zones.join("', '"));
}
