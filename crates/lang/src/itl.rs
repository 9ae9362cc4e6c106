//! Sources that are part of the program: what Icinga 2 compiles in, and a small template library
//! for where none is installed. Manual: chapter 10, "Generic Templates" and "Check Commands".

/// Evaluated before any file, one after the other; each is committed before the next.
pub(crate) const SYSTEM: &[(&str, &str)] = &[
    ("db_ido-itl.conf", include_str!("itl/ido.conf")),
    ("methods-itl.conf", include_str!("itl/methods.conf")),
    ("icingadb-itl.conf", include_str!("itl/icingadb.conf")),
];

/// The text for `include <name>` when no file of that name is found.
pub(crate) fn embedded(name: &str) -> Option<&'static str> {
    match name {
        "itl" => Some(include_str!("itl/itl.conf")),
        _ => None,
    }
}
