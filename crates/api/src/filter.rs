//! Filters that users write.

use bheka_value::{CallError, Value};

/// A filter, compiled once for a request.
pub(crate) struct Filter;

impl Filter {
    pub(crate) fn compile(source: &str) -> Result<Self, CallError> {
        Err(CallError::new(format!(
            "filters are not available yet: {source}"
        )))
    }

    pub(crate) fn eval(&self, _scope: &[(&str, Value)]) -> Result<Value, CallError> {
        Err(CallError::new("filters are not available yet"))
    }
}
