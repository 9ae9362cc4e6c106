//! Membership through nested groups: a member of a group is a member of the groups of the group.

use bheka_value::{Advice, Str, Value};
use rustc_hash::{FxHashMap, FxHashSet};

use super::{Draft, ModelDiagnostic, Severity};

/// How deep groups may nest.
const NESTING_MAX: usize = 20;

/// Types of members and of their groups.
const KINDS: &[(&str, &str)] = &[
    ("Host", "HostGroup"),
    ("Service", "ServiceGroup"),
    ("User", "UserGroup"),
];

/// Adds to the attribute `groups` of hosts, services and users the groups of their groups.
pub(super) fn complete(drafts: &mut [Draft], diagnostics: &mut Vec<ModelDiagnostic>) {
    for (member_type, group_type) in KINDS {
        let parents: FxHashMap<Str, Vec<Str>> = drafts
            .iter()
            .filter(|draft| draft.type_name() == *group_type)
            .map(|draft| (draft.name().clone(), draft.names("groups")))
            .filter(|(_, groups)| !groups.is_empty())
            .collect();
        if parents.is_empty() {
            continue;
        }
        let members = drafts
            .iter_mut()
            .filter(|draft| draft.type_name() == *member_type);
        for member in members {
            extend(member, (member_type, group_type), &parents, diagnostics);
        }
    }
}

fn extend(
    member: &mut Draft,
    (member_type, group_type): (&str, &'static str),
    parents: &FxHashMap<Str, Vec<Str>>,
    diagnostics: &mut Vec<ModelDiagnostic>,
) {
    let direct = member.names("groups");
    let mut all = direct.clone();
    let mut known: FxHashSet<Str> = direct.iter().cloned().collect();
    for group in &direct {
        let mut found = Vec::new();
        match collect(group, parents, 0, &mut FxHashSet::default(), &mut found) {
            Ok(()) => all.extend(found.into_iter().filter(|it| known.insert(it.clone()))),
            Err(TooDeep(group)) => diagnostics.push(ModelDiagnostic {
                severity: Severity::Warning,
                facility: group_type,
                message: format!(
                    "Too many nested groups for group '{group}': {member_type} '{}' membership \
                     assignment failed.",
                    member.name()
                ),
                location: None,
                object: Some((group_type, group)),
                advice: Advice::of("nested-groups"),
            }),
        }
    }
    if all.len() > direct.len() {
        let groups = Value::array(all.into_iter().map(Value::String));
        member.attributes.insert("groups".into(), groups);
    }
}

struct TooDeep(Str);

/// The groups above, innermost last come first; refuses chains that are too long (or rings).
fn collect(
    group: &Str,
    parents: &FxHashMap<Str, Vec<Str>>,
    depth: usize,
    done: &mut FxHashSet<Str>,
    found: &mut Vec<Str>,
) -> Result<(), TooDeep> {
    if depth > NESTING_MAX {
        return Err(TooDeep(group.clone()));
    }
    if done.contains(group) {
        return Ok(());
    }
    for parent in parents.get(group).into_iter().flatten() {
        collect(parent, parents, depth + 1, done, found)?;
    }
    done.insert(group.clone());
    if depth > 0 {
        found.push(group.clone());
    }
    Ok(())
}
