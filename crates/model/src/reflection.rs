//! What `/v1/types` says about types and attributes, beyond the table.

use bheka_value::schema::{FieldInfo, FieldKind, Flags, TypeInfo};

/// The name of the type of an attribute, as `/v1/types` shows it.
#[must_use]
pub fn api_type(field: &FieldInfo) -> &'static str {
    match field.name {
        // 2.13 shows the C++ types of these.
        "capabilities" => "uint_fast64_t",
        "icinga_version" => "unsigned long",
        "last_soft_states_raw" | "last_hard_states_raw" => "unsigned short",
        "host" if field.flags.has(Flags::NAVIGATION) => "Host",
        _ => field.kind.api_name(),
    }
}

/// `array_rank`: 1 for lists of names, else 0.
#[must_use]
pub fn array_rank(field: &FieldInfo) -> u8 {
    u8::from(field.kind == FieldKind::NameArray)
}

/// The name under which a navigation attribute's object is reached: the attribute's without
/// `_name`.
#[must_use]
pub fn navigation_name(attribute: &str) -> &str {
    attribute.strip_suffix("_name").unwrap_or(attribute)
}

/// The attributes that a type adds to its base, with their `id` in `/v1/types`.
pub fn own_fields(info: &TypeInfo) -> impl Iterator<Item = (usize, &'static FieldInfo)> {
    let base = info
        .base
        .and_then(|base| crate::catalogue().type_info(base));
    let inherited = base.map_or(0, |base| base.fields().count());
    info.fields()
        .enumerate()
        .skip(inherited)
        .map(|(at, field)| (at + 1, field))
}
