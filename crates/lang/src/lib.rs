//! Tree to declarations: evaluation, scopes, closures, built-ins, includes, apply
