//! A monitoring daemon that speaks Icinga 2.
fn main() {}
