//! The documentation of the types, made of the table: `docs/objects.md`.

use std::fmt::Write as _;

use bheka_value::Value;
use bheka_value::schema::{DefaultValue, FieldInfo, FieldKind, Flags, Limit, Naming, TypeInfo};

use super::catalogue;
use crate::literal::literal;

const HEAD: &str = "\
# Object types

<!-- Made of the table in crates/model/src/types by `cargo xtask docs`. Do not edit. -->

Every type of object with its attributes. A default in *italics* is worked out when the object is
made. **Since** names the release of Icinga 2 that brought a type or an attribute, where that is
later than 2.13. Times are seconds since 1970, durations seconds; `5m`, `1h` and the like are
numbers of seconds in the configuration language. What is marked *deprecated* earns a warning.
*Fixed* attributes cannot be changed at run time, *secret* ones are never shown by the API.

";

/// The page about all types.
#[must_use]
pub fn reference() -> String {
    let mut page = HEAD.to_owned();
    let types = || catalogue().types().iter();
    for info in types().filter(|info| !info.is_abstract) {
        let _ = writeln!(page, "- [{0}](#{1})", info.name, info.name.to_lowercase());
    }
    page.push_str("\nWhat several types have in common:\n\n");
    for info in types().filter(|info| info.is_abstract && own_fields(info).next().is_some()) {
        let _ = writeln!(page, "- [{0}](#{1})", info.name, info.name.to_lowercase());
    }
    for info in types().filter(|info| !info.is_abstract || own_fields(info).next().is_some()) {
        section(info, &mut page);
    }
    page
}

/// What the type adds to its base.
fn own_fields(info: &'static TypeInfo) -> impl Iterator<Item = &'static FieldInfo> {
    crate::reflection::own_fields(info).map(|(_, field)| field)
}

fn section(info: &'static TypeInfo, page: &mut String) {
    let _ = write!(page, "\n## {}\n\n{}\n", info.name, info.doc);
    let mut remarks = Vec::new();
    if let Some(since) = info.since {
        remarks.push(format!("Icinga 2 has it since {since}."));
    }
    if let Some(until) = info.until {
        remarks.push(format!("Icinga 2 had it until {until}."));
    }
    if let Some(made_of) = composition(info.naming) {
        remarks.push(format!("The full name is {made_of}."));
    }
    if !info.apply_targets.is_empty() {
        remarks.push(format!(
            "Can be applied to {}.",
            info.apply_targets
                .iter()
                .map(|target| link(target))
                .collect::<Vec<_>>()
                .join(" and ")
        ));
    }
    if let Some(member) = info.assign_target {
        remarks.push(format!("`assign where` chooses {} objects.", link(member)));
    }
    if let Some(base) = documented_base(info) {
        remarks.push(format!("Has all attributes of {}, too.", link(base)));
    }
    if !remarks.is_empty() {
        let _ = write!(page, "\n{}\n", remarks.join(" "));
    }
    let config: Vec<_> = own_fields(info).filter(|it| is_config(it)).collect();
    let live: Vec<_> = own_fields(info).filter(|it| is_live(it)).collect();
    if !config.is_empty() {
        page.push_str("\n| attribute | type | default | required | since | description |\n");
        page.push_str("|---|---|---|---|---|---|\n");
        for field in config {
            let _ = writeln!(
                page,
                "| `{}` | {} | {} | {} | {} | {} |",
                field.name,
                kind(field),
                default(field),
                if field.flags.has(Flags::REQUIRED) {
                    "yes"
                } else {
                    ""
                },
                field.since().unwrap_or_default(),
                description(field)
            );
        }
    }
    if !live.is_empty() {
        page.push_str("\nAt run time:\n\n| attribute | type | since | description |\n");
        page.push_str("|---|---|---|---|\n");
        for field in live {
            let _ = writeln!(
                page,
                "| `{}` | {} | {} | {} |",
                field.name,
                kind(field),
                field.since().unwrap_or_default(),
                description(field)
            );
        }
    }
}

/// The nearest type above that adds attributes, and so has a section.
fn documented_base(info: &TypeInfo) -> Option<&'static str> {
    let base = catalogue().type_info(info.base?)?;
    if own_fields(base).next().is_some() {
        Some(base.name)
    } else {
        documented_base(base)
    }
}

fn is_config(field: &FieldInfo) -> bool {
    field.flags.has(Flags::CONFIG)
}

fn is_live(field: &FieldInfo) -> bool {
    !is_config(field) && !field.flags.has(Flags::INTERNAL)
}

fn composition(naming: Naming) -> Option<&'static str> {
    match naming {
        Naming::Plain | Naming::Generated => None,
        Naming::OnHost => Some("`host_name!name`"),
        Naming::OnCheckable => Some("`host_name!name` or `host_name!service_name!name`"),
        Naming::OnChildCheckable => {
            Some("`child_host_name!name` or `child_host_name!child_service_name!name`")
        }
    }
}

fn link(type_name: &str) -> String {
    format!("[{type_name}](#{})", type_name.to_lowercase())
}

fn kind(field: &FieldInfo) -> String {
    let of = |words: &str| match field.reference {
        Some(type_name) => format!("{words} {}", link(type_name)),
        None => words.to_owned(),
    };
    match field.kind {
        FieldKind::Any => "any".to_owned(),
        FieldKind::Number | FieldKind::Enum if field.flags.has(Flags::WHOLE) => {
            "whole number".to_owned()
        }
        FieldKind::Number | FieldKind::Enum => "number".to_owned(),
        FieldKind::Duration => "duration".to_owned(),
        FieldKind::Timestamp => "time".to_owned(),
        FieldKind::Boolean => "boolean".to_owned(),
        FieldKind::String => "string".to_owned(),
        FieldKind::Name => of("name of"),
        FieldKind::NameArray if field.reference.is_some() => of("names of"),
        FieldKind::Array | FieldKind::NameArray => "array".to_owned(),
        FieldKind::Dictionary => "dictionary".to_owned(),
        FieldKind::Function => "function".to_owned(),
        FieldKind::CheckResult => "check result".to_owned(),
    }
}

fn default(field: &FieldInfo) -> String {
    match field.default {
        DefaultValue::ShortName => "*short name*".to_owned(),
        DefaultValue::Now => "*now*".to_owned(),
        DefaultValue::Path(constant, tail) => format!("*`{constant}`* + `\"{tail}\"`"),
        DefaultValue::Empty => String::new(),
        DefaultValue::String("") => String::new(),
        other => {
            let text = match other.to_value() {
                Value::Number(number) => bheka_value::format_number(number),
                value => literal(&value, bheka_value::format_number),
            };
            let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
            format!("`{}`", line.replace('|', "\\|"))
        }
    }
}

fn description(field: &FieldInfo) -> String {
    let mut text = field.doc.trim().to_owned();
    match field.limit {
        Limit::None => {}
        Limit::Positive(_) => text.push_str(" More than 0."),
        Limit::AtLeast(least, _) => {
            let _ = write!(text, " At least {least}.");
        }
        Limit::Between(least, most, _) => {
            let _ = write!(text, " From {least} to {most}.");
        }
        Limit::OneOf(words, _) | Limit::OneOfOrWhole(words, _) => {
            let words: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
            let _ = write!(text, " One of {}.", words.join(", "));
        }
        Limit::Macro => text.push_str(" Each `$` needs its partner."),
    }
    let marks = [
        (Flags::DEPRECATED, "deprecated"),
        (Flags::FIXED, "fixed"),
        (Flags::NO_USER_VIEW, "secret"),
    ];
    let is_fixed = is_config(field) && field.flags.has(Flags::NO_USER_MODIFY);
    for (flag, word) in marks {
        if field.flags.has(flag) || (word == "fixed" && is_fixed) {
            let _ = write!(text, " *{}*", word);
        }
    }
    text.replace('|', "\\|")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The committed page is the one that the table yields.
    #[test]
    fn the_page_is_up_to_date() {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/objects.md");
        let committed = std::fs::read_to_string(&path).unwrap_or_default();
        let differs = committed
            .lines()
            .zip(reference().lines().map(str::to_owned).collect::<Vec<_>>())
            .find(|(theirs, ours)| theirs != ours)
            .map(|(theirs, ours)| format!("\n- {theirs}\n+ {ours}"));
        assert!(
            committed == reference(),
            "docs/objects.md is out of date, run `cargo xtask docs`: {}",
            differs.unwrap_or_default()
        );
    }

    #[test]
    fn every_attribute_has_its_sentence() {
        for info in catalogue().types() {
            assert!(info.doc.ends_with('.'), "{}", info.name);
            for field in info.fields() {
                let doc = field.doc.trim();
                assert!(
                    doc.len() > 8 && doc.ends_with('.'),
                    "{}.{}: {doc:?}",
                    info.name,
                    field.name
                );
                assert_eq!(
                    field.since().is_some(),
                    field.flags.has(Flags::NEWER),
                    "{}.{}",
                    info.name,
                    field.name
                );
            }
        }
    }
}
