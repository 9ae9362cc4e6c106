//! Dependencies that lead back to where they began: refused since Icinga 2.14 (issue 8389), for
//! nothing in such a ring can be told to be the cause of a failure. A service depends on its host
//! without saying so.

use rustc_hash::{FxHashMap, FxHashSet};

use super::{Draft, Fault, Index};

/// An edge from child to parent; the dependency that makes it, if any.
struct Edge {
    parent: usize,
    dependency: Option<usize>,
}

/// One fault for each ring found, at a dependency in it.
pub(super) fn check(drafts: &[Draft], index: &Index<'_>) -> Vec<(usize, Fault)> {
    let edges = edges(drafts, index);
    let mut faults = Vec::new();
    let mut done = vec![false; drafts.len()];
    let mut starts: Vec<usize> = edges.keys().copied().collect();
    starts.sort_unstable();
    for start in starts {
        walk(start, drafts, &edges, &mut done, &mut faults);
    }
    faults
}

fn edges(drafts: &[Draft], index: &Index<'_>) -> FxHashMap<usize, Vec<Edge>> {
    let mut edges: FxHashMap<usize, Vec<Edge>> = FxHashMap::default();
    for at in index.of_type("Dependency") {
        let draft = &drafts[at];
        let end = |host, service| index.checkable(draft.text(host)?, draft.text(service));
        let child = end("child_host_name", "child_service_name");
        let parent = end("parent_host_name", "parent_service_name");
        if let (Some(child), Some(parent)) = (child, parent) {
            edges.entry(child).or_default().push(Edge {
                parent,
                dependency: Some(at),
            });
        }
    }
    if edges.is_empty() {
        return edges;
    }
    // A service that nothing depends on is in no ring.
    let parents: FxHashSet<usize> = edges.values().flatten().map(|edge| edge.parent).collect();
    for at in index.of_type("Service") {
        if !parents.contains(&at) {
            continue;
        }
        let host = drafts[at]
            .text("host_name")
            .and_then(|host| index.find("Host", host));
        if let Some(parent) = host {
            edges.entry(at).or_default().push(Edge {
                parent,
                dependency: None,
            });
        }
    }
    edges
}

/// Depth first, with an explicit stack: configurations may chain thousands.
fn walk(
    start: usize,
    drafts: &[Draft],
    edges: &FxHashMap<usize, Vec<Edge>>,
    done: &mut [bool],
    faults: &mut Vec<(usize, Fault)>,
) {
    if done[start] {
        return;
    }
    let mut on_path: FxHashMap<usize, usize> = FxHashMap::default();
    let mut path: Vec<(usize, usize)> = vec![(start, 0)];
    on_path.insert(start, 0);
    while let Some((node, next)) = path.last_mut() {
        let node = *node;
        let Some(edge) = edges.get(&node).and_then(|all| all.get(*next)) else {
            done[node] = true;
            on_path.remove(&node);
            path.pop();
            continue;
        };
        *next += 1;
        if let Some(&from) = on_path.get(&edge.parent) {
            if let Some(fault) = ring(&path[from..], drafts, edges) {
                faults.push(fault);
            }
        } else if !done[edge.parent] {
            on_path.insert(edge.parent, path.len());
            path.push((edge.parent, 0));
        }
    }
}

/// The fault for a ring; `None` when no declared dependency is in it.
fn ring(
    path: &[(usize, usize)],
    drafts: &[Draft],
    edges: &FxHashMap<usize, Vec<Edge>>,
) -> Option<(usize, Fault)> {
    let taken = |(node, next): &(usize, usize)| edges.get(node)?.get(next.checked_sub(1)?);
    let at = path.iter().rev().find_map(|step| taken(step)?.dependency)?;
    let label = |node: usize| format!("{} '{}'", drafts[node].type_name(), drafts[node].name());
    let mut links = Vec::new();
    for step in path {
        let edge = taken(step)?;
        let by = match edge.dependency {
            Some(dependency) => format!(" (Dependency '{}')", drafts[dependency].name()),
            None => String::new(),
        };
        links.push(format!(
            "{} depends on {}{by}",
            label(step.0),
            label(edge.parent)
        ));
    }
    let text = format!("Dependency cycle detected: {}", links.join(", "));
    Some((at, Fault::plain(text)))
}
