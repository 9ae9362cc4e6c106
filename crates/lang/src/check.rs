//! Looking at a text without evaluating it.

use bheka_value::Timestamp;
use bheka_value::schema::Catalogue;

use crate::diag::LangDiagnostic;
use crate::env::{Env, Settings};
use crate::load::parse_all;
use crate::source::Origin;

/// What is wrong with a text before anything is evaluated: its syntax, and apply rules for types
/// that have none.
#[must_use]
pub fn check_text(
    catalogue: &'static dyn Catalogue,
    path: &str,
    text: &str,
) -> Vec<LangDiagnostic> {
    let env = Env::new(Settings {
        catalogue,
        constants: Vec::new(),
        include_dirs: Vec::new(),
        now: Timestamp::NEVER,
        zone: jiff::tz::TimeZone::UTC,
        tracking: false,
        threads: 1,
    });
    parse_all(&env, path, text, Origin::default()).1
}
