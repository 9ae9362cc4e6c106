//! What a user may do.

use std::sync::Arc;

use bheka_model::{ConfigObject, Generation};
use bheka_value::{Callable, Str, Value};

/// One entry of `permissions` of an `ApiUser`.
#[derive(Debug, Clone)]
pub(crate) struct Permission {
    /// The pattern, e.g. `objects/query/*`.
    pub(crate) pattern: Str,
    /// Only objects for which it holds.
    pub(crate) filter: Option<Arc<dyn Callable>>,
}

/// A permission that was found.
#[derive(Debug, Clone, Default)]
pub(crate) struct Grant {
    /// An object is accessible when one of them holds; all objects are when there is none.
    filters: Vec<Arc<dyn Callable>>,
}

/// The permissions of a user, in the order of the configuration.
pub(crate) fn permissions(user: &ConfigObject) -> Vec<Permission> {
    let Value::Array(entries) = user.get("permissions") else {
        return Vec::new();
    };
    let entries = entries.items();
    entries
        .iter()
        .map(|entry| match entry {
            Value::Dictionary(entry) => Permission {
                pattern: entry
                    .get("permission")
                    .as_ref()
                    .map(crate::params::text_of)
                    .unwrap_or_default(),
                filter: entry
                    .get("filter")
                    .and_then(|filter| filter.as_function().cloned()),
            },
            other => Permission {
                pattern: crate::params::text_of(other),
                filter: None,
            },
        })
        .collect()
}

/// Looks for a permission.
///
/// # Errors
/// "Missing permission: …" when the user lacks it.
pub(crate) fn check(user: &ConfigObject, required: &str) -> Result<Grant, String> {
    let required = required.to_lowercase();
    let mut grant = Grant::default();
    let mut found = false;
    let mut unrestricted = false;
    for permission in permissions(user) {
        if matches(&permission.pattern.to_lowercase(), &required) {
            found = true;
            match permission.filter {
                Some(filter) => grant.filters.push(filter),
                None => unrestricted = true,
            }
        }
    }
    if !found {
        return Err(format!("Missing permission: {required}\n"));
    }
    if unrestricted {
        grant.filters.clear();
    }
    Ok(grant)
}

/// Whether the user may send filters of their own. All may, but are named in the log, unless
/// `enforce_filter_expression_permission` of the `ApiListener` is set (since 2.14.10).
///
/// # Errors
/// "Missing permission: …" when the user lacks it.
pub(crate) fn check_filter_expression(
    user: &ConfigObject,
    generation: &Generation,
) -> Result<(), String> {
    const REQUIRED: &str = "filter-expression";
    if has(user, REQUIRED) {
        return Ok(());
    }
    let mut listeners = generation.of_type("ApiListener");
    if listeners.any(|it| it.get("enforce_filter_expression_permission").is_true()) {
        tracing::warn!(
            target: "FilterUtility",
            "ApiUser '{}' sent a filter and lacks the permission '{REQUIRED}'.",
            user.name,
        );
        return Err(format!("Missing permission: {REQUIRED}"));
    }
    tracing::warn!(
        target: "FilterUtility",
        "ApiUser '{}' may use a filter without the permission '{REQUIRED}' only because \
         enforce_filter_expression_permission of the ApiListener is false.",
        user.name,
    );
    Ok(())
}

/// Whether the user has it at all, with whatever filter.
pub(crate) fn has(user: &ConfigObject, required: &str) -> bool {
    check(user, required).is_ok()
}

impl Grant {
    /// Whether it covers all there is.
    pub(crate) fn is_unrestricted(&self) -> bool {
        self.filters.is_empty()
    }

    /// Whether it covers an object. `scope` holds the variables that the filters see.
    ///
    /// # Errors
    /// What the filter threw.
    pub(crate) fn covers(&self, scope: impl FnOnce() -> Value) -> Result<bool, String> {
        if self.filters.is_empty() {
            return Ok(true);
        }
        let scope = scope();
        for filter in &self.filters {
            let verdict = filter
                .call(Some(&scope), &[])
                .map_err(|error| error.message)?;
            if verdict.is_true() {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// Wildcard match: `*` stands for any text, `?` for one character.
pub(crate) fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) =
        (pattern.chars().collect(), text.chars().collect());
    let (mut at_pattern, mut at_text) = (0, 0);
    // Where to resume when the rest fails: behind the last star, one character further on.
    let mut resume: Option<(usize, usize)> = None;
    while at_text < text.len() {
        match pattern.get(at_pattern) {
            Some('*') => {
                resume = Some((at_pattern + 1, at_text));
                at_pattern += 1;
            }
            Some(&character) if character == '?' || character == text[at_text] => {
                at_pattern += 1;
                at_text += 1;
            }
            _ => match resume {
                Some((after_star, covered)) => {
                    resume = Some((after_star, covered + 1));
                    at_pattern = after_star;
                    at_text = covered + 1;
                }
                None => return false,
            },
        }
    }
    pattern[at_pattern..]
        .iter()
        .all(|&character| character == '*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards() {
        for (pattern, text, expected) in [
            ("*", "objects/query/host", true),
            ("objects/*/host", "objects/query/host", true),
            ("objects/*/host", "objects/query/hostgroup", false),
            ("objects/query/*", "objects/query/", true),
            ("types", "types", true),
            ("types", "types/x", false),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("*a*b", "xaxbxb", true),
            ("", "", true),
            ("", "x", false),
        ] {
            assert_eq!(matches(pattern, text), expected, "{pattern} {text}");
        }
    }
}
