//! Zones, endpoints, and where commands run.

use std::collections::BTreeMap;

use bheka_value::{Advice, Str, Value};
use rustc_hash::FxHashMap;

use super::{Draft, Fault, Index, ModelDiagnostic, Severity};

/// How many zones may lie above one.
const ANCESTORS_MAX: usize = 32;

/// Faults of zones, endpoints, the API listener and the placement of checkables, with the position
/// of the draft.
pub(super) fn check(
    drafts: &[Draft],
    index: &Index<'_>,
    globals: &BTreeMap<Str, Value>,
) -> Vec<(usize, Fault)> {
    let mut faults = Vec::new();
    let membership = Membership::of(drafts, index, &mut faults);
    for at in index.of_type("Endpoint") {
        if !membership.zone_of.contains_key(&at) {
            let text = format!(
                "Endpoint '{}' does not belong to a zone.",
                drafts[at].name()
            );
            faults.push((at, Fault::plain(text)));
        }
    }
    for at in index.of_type("Zone") {
        check_zone(at, drafts, index, &mut faults);
    }
    for type_name in ["Host", "Service"] {
        for at in index.of_type(type_name) {
            check_placement(at, drafts, index, &membership, &mut faults);
        }
    }
    check_listener(index, globals, &mut faults);
    faults
}

/// What deserves a warning.
pub(super) fn warnings(drafts: &[Draft]) -> Vec<ModelDiagnostic> {
    drafts
        .iter()
        .filter(|draft| draft.type_name() == "Zone" && draft.names("endpoints").len() > 2)
        .map(|draft| ModelDiagnostic {
            severity: Severity::Warning,
            facility: "Zone",
            message: format!(
                "The Zone object '{}' has more than two endpoints. Due to a known issue this type \
                 of configuration is strongly discouraged and may cause Icinga to use excessive \
                 amounts of CPU time.",
                draft.name()
            ),
            location: Some(draft.declaration.location.clone()),
            object: Some(("Zone", draft.name().clone())),
            advice: Advice::of("crowded-zone"),
        })
        .collect()
}

/// Which zone each endpoint is in, by positions.
struct Membership {
    zone_of: FxHashMap<usize, usize>,
}

impl Membership {
    fn of(drafts: &[Draft], index: &Index<'_>, faults: &mut Vec<(usize, Fault)>) -> Self {
        let mut zone_of = FxHashMap::default();
        for zone in index.of_type("Zone") {
            for name in drafts[zone].names("endpoints") {
                let Some(endpoint) = index.find("Endpoint", &name) else {
                    continue;
                };
                // Twice in the same zone counts, too.
                if zone_of.insert(endpoint, zone).is_some() {
                    let text = format!("Endpoint '{name}' is in more than one zone.");
                    faults.push((endpoint, Fault::plain(text)));
                }
            }
        }
        Self { zone_of }
    }
}

fn parent_of(at: usize, drafts: &[Draft], index: &Index<'_>) -> Option<usize> {
    drafts[at]
        .text("parent")
        .and_then(|parent| index.find("Zone", parent))
}

fn is_global(draft: &Draft) -> bool {
    draft.get("global").is_true()
}

fn check_zone(at: usize, drafts: &[Draft], index: &Index<'_>, faults: &mut Vec<(usize, Fault)>) {
    let mut above = 0;
    let mut current = at;
    while let Some(parent) = parent_of(current, drafts, index) {
        if current == at && is_global(&drafts[parent]) {
            let name = drafts[at].name();
            let text = format!("Zone '{name}' can not have a global zone as parent.");
            faults.push((at, Fault::plain(text)));
        }
        above += 1;
        if above > ANCESTORS_MAX {
            let text = "Infinite recursion detected while resolving zone graph. Check your zone \
                        hierarchy.";
            faults.push((at, Fault::plain(text)));
            return;
        }
        current = parent;
    }
}

fn check_placement(
    at: usize,
    drafts: &[Draft],
    index: &Index<'_>,
    membership: &Membership,
    faults: &mut Vec<(usize, Fault)>,
) {
    let draft = &drafts[at];
    let zone_name = draft
        .declaration
        .zone
        .as_deref()
        .filter(|zone| !zone.is_empty());
    let zone = zone_name.and_then(|zone| index.find("Zone", zone));
    if zone_name.is_some() && zone.is_none() {
        return;
    }
    if let Some(zone) = zone.filter(|zone| is_global(&drafts[*zone])) {
        let text = format!(
            "{} '{}' cannot be put into global zone '{}'.",
            draft.type_name(),
            draft.name(),
            drafts[zone].name()
        );
        faults.push((at, Fault::global(text)));
    }
    let Some(endpoint) = draft
        .text("command_endpoint")
        .and_then(|it| index.find("Endpoint", it))
    else {
        return;
    };
    let Some(zone) = zone else {
        let text = "Checkable with command endpoint requires a zone. Please check the \
                    troubleshooting documentation.";
        faults.push((at, Fault::at_head("command_endpoint", text)));
        return;
    };
    let Some(&home) = membership.zone_of.get(&endpoint) else {
        return;
    };
    if home != zone && parent_of(home, drafts, index) != Some(zone) {
        let text = format!(
            "Command endpoint must be in zone '{}' or in a direct child zone thereof.",
            drafts[zone].name()
        );
        faults.push((at, Fault::at_head("command_endpoint", text)));
    }
}

fn check_listener(
    index: &Index<'_>,
    globals: &BTreeMap<Str, Value>,
    faults: &mut Vec<(usize, Fault)>,
) {
    let listeners = index.of_type("ApiListener");
    for extra in listeners.iter().skip(1) {
        faults.push((
            *extra,
            Fault::plain("Only one ApiListener object is allowed."),
        ));
    }
    let Some(&listener) = listeners.first() else {
        return;
    };
    let Some(Value::String(node)) = globals.get("NodeName") else {
        return;
    };
    if !node.is_empty() && !index.has("Endpoint", node) {
        faults.push((
            listener,
            Fault::plain(format!("Endpoint object for '{node}' is missing.")),
        ));
    }
}
