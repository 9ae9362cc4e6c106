//! Check commands whose `execute` is a function of the configuration: it gets the checkable and a
//! check result to fill in, and hands results over by `checkable.process_check_result(cr)`.

use std::any::Any;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use bheka_model::{CheckResult, CheckableName};
use bheka_value::{CallError, Callable, Map, ObjectView, Str, Timestamp, Value};

use crate::execute::Execution;
use crate::monitor::Monitor;
use crate::scope::CheckableView;

/// The checkable as the function sees it: a host or service that takes results.
#[derive(Debug)]
struct Receiver {
    view: Arc<CheckableView>,
    results: Mutex<Vec<Value>>,
}

impl ObjectView for Receiver {
    fn type_name(&self) -> &str {
        self.view.type_name()
    }

    fn object_name(&self) -> Str {
        self.view.object_name()
    }

    fn attribute(&self, name: &str) -> Option<Value> {
        self.view.attribute(name)
    }

    fn attribute_names(&self) -> Vec<Str> {
        self.view.attribute_names()
    }

    fn set_attribute(&self, name: &str, value: Value) -> Result<(), CallError> {
        if name != "process_check_result" {
            return Err(CallError::new(format!(
                "attribute '{name}' of '{}' cannot be changed by a check",
                self.object_name()
            )));
        }
        self.results
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(value);
        Ok(())
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// A check result to fill in.
#[derive(Debug)]
struct Draft(RwLock<Map>);

impl Draft {
    fn of(result: &CheckResult) -> Self {
        let fields = result.to_value();
        let fields = fields
            .as_dictionary()
            .map(|fields| fields.entries())
            .unwrap_or_default();
        Self(RwLock::new(fields))
    }
}

impl ObjectView for Draft {
    fn type_name(&self) -> &str {
        "CheckResult"
    }

    fn object_name(&self) -> Str {
        Str::default()
    }

    fn attribute(&self, name: &str) -> Option<Value> {
        self.0
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(name)
            .cloned()
    }

    fn attribute_names(&self) -> Vec<Str> {
        self.0
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .keys()
            .cloned()
            .collect()
    }

    fn set_attribute(&self, name: &str, value: Value) -> Result<(), CallError> {
        let mut fields = self.0.write().unwrap_or_else(PoisonError::into_inner);
        match fields.get_mut(name) {
            Some(field) => {
                *field = value;
                Ok(())
            }
            None => Err(CallError::new(format!(
                "a check result has no attribute '{name}'"
            ))),
        }
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// An object of the language, such as a filled-in result or a PerfdataValue, as the dictionary in
/// which it travels.
fn plain(value: &Value, depth: u32) -> Value {
    match value {
        Value::Object(object) if depth < 4 => {
            let fields = object.attribute_names().into_iter().filter_map(|name| {
                let field = object.attribute(&name)?;
                Some((name, plain(&field, depth + 1)))
            });
            let kind = ("type".into(), Value::string(object.type_name()));
            Value::dictionary(fields.chain([kind]))
        }
        Value::Array(items) if depth < 4 => {
            Value::array(items.items().iter().map(|item| plain(item, depth + 1)))
        }
        other => other.clone(),
    }
}

impl Monitor {
    /// Calls `execute` of a check command; the last result that it hands over counts.
    pub(crate) fn call_execute(
        &self,
        function: &dyn Callable,
        checkable: Option<&CheckableName>,
        now: Timestamp,
    ) -> Result<Execution, String> {
        let Some(view) = checkable.and_then(|name| self.view(name)) else {
            let name = &function.info().name;
            return Err(format!(
                "Error: the function '{name}' can only check objects of this node"
            ));
        };
        let receiver = Arc::new(Receiver {
            view,
            results: Mutex::default(),
        });
        let draft = CheckResult {
            execution_start: now,
            execution_end: now,
            schedule_end: now,
            ..CheckResult::default()
        };
        let draft = CheckResult { state: 0, ..draft };
        let arguments = [
            Value::Object(Arc::clone(&receiver) as Arc<dyn ObjectView>),
            Value::Object(Arc::new(Draft::of(&draft))),
            Value::Empty,
            Value::Boolean(false),
        ];
        function
            .call(None, &arguments)
            .map_err(|error| format!("Error: {}", error.message))?;
        let handed = receiver
            .results
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop();
        let result = handed.and_then(|handed| CheckResult::from_value(&plain(&handed, 0)));
        Ok(result.map_or(Execution::Nothing, |result| {
            Execution::Done(Box::new(result))
        }))
    }
}

#[cfg(test)]
mod tests {
    use bheka_value::NativeFunction;

    use super::*;
    use crate::Input;
    use crate::testing::{generation, object};

    #[test]
    fn a_function_fills_in_a_result_and_hands_it_over() {
        let function = NativeFunction::effectful("<anonymous>", &[], |_, arguments| {
            let checkable = arguments[0].as_object().unwrap();
            let result = arguments[1].as_object().unwrap();
            result.set_attribute("output", Value::string("mine"))?;
            result.set_attribute("state", Value::Number(2.0))?;
            assert!(result.set_attribute("nonsense", Value::Empty).is_err());
            assert!(checkable.set_attribute("vars", Value::Empty).is_err());
            checkable.set_attribute("process_check_result", arguments[1].clone())?;
            Ok(Value::Empty)
        });
        let command = object(
            "CheckCommand",
            "own",
            [("execute", Value::Function(function))],
        );
        let host = object(
            "Host",
            "h",
            [
                ("check_command", Value::string("own")),
                ("check_interval", Value::Number(60.0)),
            ],
        );
        let start = Timestamp(1000.0);
        let mut monitor = Monitor::new("here".into(), start);
        monitor.handle(Input::Reconfigure(generation([command, host])), start);
        let due = monitor.next_wakeup().unwrap();
        monitor.handle(Input::Tick, due);
        let state = monitor.state(&CheckableName::host("h")).unwrap();
        let result = state.last_check_result.as_ref().unwrap();
        assert_eq!((result.output.as_str(), result.state), ("mine", 2));
        assert_eq!(result.check_source, "here");
    }
}
