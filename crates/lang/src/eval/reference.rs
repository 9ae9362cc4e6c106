//! `&x` and `*p`.

use std::any::Any;
use std::sync::Arc;

use bheka_syntax::ast::Expr;
use bheka_value::{ObjectView, Str, Value};

use super::{Frame, access, assign};
use crate::convert::not_an_object;
use crate::fault::{Eval, Fault, Outcome};
use crate::run::Run;

/// A place that can be read and set: a field of an object.
#[derive(Debug)]
pub(crate) struct Reference {
    parent: Value,
    index: Value,
}

impl Drop for Reference {
    fn drop(&mut self) {
        bheka_value::drop_flat([std::mem::take(&mut self.parent)]);
    }
}

impl ObjectView for Reference {
    fn type_name(&self) -> &str {
        "Reference"
    }

    fn object_name(&self) -> Str {
        Str::default()
    }

    fn attribute(&self, _name: &str) -> Option<Value> {
        None
    }

    fn attribute_names(&self) -> Vec<Str> {
        Vec::new()
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

pub(super) fn eval_reference(frame: &mut Frame<'_>, operand: &Expr) -> Eval {
    match assign::resolve(frame, operand, false, false)? {
        Some(place) => {
            let is_object = matches!(
                place.parent,
                Value::Array(_) | Value::Dictionary(_) | Value::Function(_) | Value::Object(_)
            );
            if !is_object {
                return Err(Fault::script(
                    "Cannot obtain reference for expression because parent is not an object.",
                )
                .into());
            }
            let reference = Reference {
                parent: place.parent,
                index: place.index,
            };
            Ok(Value::Object(Arc::new(reference)))
        }
        None => Err(Fault::script("Cannot obtain reference for expression.").into()),
    }
}

/// Object and field that a reference refers to.
pub(crate) fn target(value: &Value) -> Outcome<(Value, Value)> {
    match value {
        Value::Number(_) | Value::Boolean(_) | Value::String(_) => Err(not_an_object(value)),
        Value::Object(object) => match object.as_any().downcast_ref::<Reference>() {
            Some(reference) => Ok((reference.parent.clone(), reference.index.clone())),
            None => Err(Fault::script("Invalid reference specified.")),
        },
        _ => Err(Fault::script("Invalid reference specified.")),
    }
}

/// What a reference refers to.
pub(crate) fn read(run: &Run<'_>, value: &Value) -> Outcome {
    let (parent, index) = target(value)?;
    access::get_field(run, &parent, &index)
}
