//! The result of a check.

use bheka_value::{Str, Timestamp, Value};

/// `previous_hard_state` of a checkable that never had one.
pub const NO_HARD_STATE: u8 = 99;

/// State of a checkable before or after a result.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ResultVars {
    /// Check attempt.
    pub attempt: u32,
    /// Whether no dependency made it unreachable.
    pub reachable: bool,
    /// Service state 0–3.
    pub state: u8,
    /// 0 soft, 1 hard.
    pub state_type: u8,
}

/// What a check found. Field by field what travels as `cr` between nodes and stands in
/// `last_check_result`; see the type `CheckResult` in the manual.
#[derive(Clone, Debug, PartialEq)]
pub struct CheckResult {
    /// 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN; for hosts too.
    pub state: u8,
    /// Exit status of the plugin.
    pub exit_status: i64,
    /// Short and long text, performance data removed.
    pub output: Str,
    /// Performance data: strings as the plugin gave them, or dictionaries with
    /// `"type": "PerfdataValue"`; `None` for none at all (`null` on the wire).
    pub performance_data: Option<Vec<Value>>,
    /// The command line (array), the name of an internal check (string), or `null`.
    pub command: Value,
    /// Whether the scheduler asked for it; false for passive results.
    pub active: bool,
    /// The node that executed.
    pub check_source: Str,
    /// The node that scheduled.
    pub scheduling_source: Str,
    /// When it was due.
    pub schedule_start: Timestamp,
    /// When it was done.
    pub schedule_end: Timestamp,
    /// When the plugin started.
    pub execution_start: Timestamp,
    /// When the plugin ended.
    pub execution_end: Timestamp,
    /// Seconds until a passive result is stale; 0 is the default.
    pub ttl: f64,
    /// Hard state before, 99 when there was none.
    pub previous_hard_state: u8,
    /// State before processing.
    pub vars_before: Option<ResultVars>,
    /// State after processing.
    pub vars_after: Option<ResultVars>,
}

impl Default for CheckResult {
    fn default() -> Self {
        Self {
            state: 3,
            exit_status: 0,
            output: Str::default(),
            performance_data: None,
            command: Value::Empty,
            active: true,
            check_source: Str::default(),
            scheduling_source: Str::default(),
            schedule_start: Timestamp::NEVER,
            schedule_end: Timestamp::NEVER,
            execution_start: Timestamp::NEVER,
            execution_end: Timestamp::NEVER,
            ttl: 0.0,
            previous_hard_state: NO_HARD_STATE,
            vars_before: None,
            vars_after: None,
        }
    }
}
