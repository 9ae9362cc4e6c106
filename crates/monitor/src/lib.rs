//! What a check result means: states, schedule, macros, downtimes, notifications
