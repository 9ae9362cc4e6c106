//! What values and library functions cost: steps for what is read, bytes for what is made.
//!
//! A step of the evaluator is small; a library function can do the work of millions with one call,
//! and a value that holds another one twice, which holds another one twice, … is endless for
//! everybody who walks through it. So values are weighed before they are walked through, and what
//! is made is counted. Functions cost as much as the strictest rule says unless they are named
//! here: a new one that is forgotten counts too much rather than nothing.

use bheka_value::{MAX_NESTING, Value};

use crate::fault::{Fault, Outcome};
use crate::namespace::as_namespace;
use crate::run::Run;

/// Weight of a place in a collection; that of a string is its length in bytes.
pub(crate) const PLACE: u64 = 64;
/// Weight that costs one step.
const WEIGHT_A_STEP: u64 = 64;
/// Items of an array that are moved by one place for one step.
const ITEMS_MOVED_A_STEP: u64 = 64;
/// Bytes that an item of an array takes.
const ITEM_BYTES: u64 = 16;
/// Bytes that an entry of a dictionary takes, beside its key.
pub(crate) const ENTRY_BYTES: u64 = 64;
/// Bytes of a collection, a function or a string, beside what it holds.
pub(crate) const HEAD_BYTES: u64 = 64;
/// Bytes of an object, a template or a rule before it is evaluated.
const DECLARATION_BYTES: u64 = 512;
/// Most that a value read from a text takes for each byte of that text (`[[],[],…`).
const DECODED_BYTES: u64 = 40;

/// Why a value was not weighed to the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Excess {
    /// It is heavier than allowed.
    Heavy,
    /// It nests deeper than [`MAX_NESTING`]; maybe it holds itself.
    Deep,
}

/// What is walked through beside arrays and dictionaries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Through {
    /// Nothing else.
    Collections,
    /// Namespaces.
    Namespaces,
    /// Objects of every kind with their attributes, as JSON shows them.
    Objects,
}

impl Through {
    fn opens(self, value: &Value) -> bool {
        match self {
            Self::Collections => false,
            Self::Namespaces => as_namespace(value).is_some(),
            Self::Objects => true,
        }
    }
}

/// The weight of a value with everything in it, counted as often as it is met on the way.
pub(crate) fn weight(value: &Value, max: u64, through: Through) -> Result<u64, Excess> {
    let mut total = match value {
        Value::String(text) => text.len() as u64,
        Value::Array(_) | Value::Dictionary(_) => PLACE,
        Value::Object(_) if through.opens(value) => PLACE,
        _ => return Ok(0),
    };
    let mut waiting = vec![(value.clone(), 0)];
    while let Some((value, depth)) = waiting.pop() {
        if depth > MAX_NESTING {
            return Err(Excess::Deep);
        }
        let mut visit = |item: &Value| match item {
            Value::String(text) => total = total.saturating_add(PLACE + text.len() as u64),
            Value::Array(_) | Value::Dictionary(_) => {
                total = total.saturating_add(PLACE);
                waiting.push((item.clone(), depth + 1));
            }
            Value::Object(_) if through.opens(item) => {
                total = total.saturating_add(PLACE);
                waiting.push((item.clone(), depth + 1));
            }
            _ => total = total.saturating_add(PLACE),
        };
        match &value {
            Value::Array(array) => array.read().iter().for_each(&mut visit),
            Value::Dictionary(dictionary) => {
                let entries = dictionary.read();
                let keys: u64 = entries.keys().map(|key| key.len() as u64).sum();
                entries.values().for_each(&mut visit);
                total = total.saturating_add(keys);
            }
            Value::Object(object) => match as_namespace(&value) {
                Some(namespace) => namespace.values().iter().for_each(&mut visit),
                None => {
                    let names = object.attribute_names();
                    let values = names.iter().filter_map(|name| object.attribute(name));
                    values.for_each(|value| visit(&value));
                }
            },
            _ => {}
        }
        if total > max {
            return Err(Excess::Heavy);
        }
    }
    Ok(total)
}

/// Bytes of a new value itself, without what it refers to.
pub(crate) fn own_bytes(value: &Value) -> u64 {
    match value {
        Value::String(text) => HEAD_BYTES + text.len() as u64,
        Value::Array(array) => HEAD_BYTES + ITEM_BYTES * array.len() as u64,
        // The first entry makes room for four.
        Value::Dictionary(dictionary) => 3 * HEAD_BYTES + ENTRY_BYTES * dictionary.len() as u64,
        Value::Function(_) => HEAD_BYTES,
        Value::Object(_) => 4 * HEAD_BYTES,
        Value::Empty | Value::Number(_) | Value::Boolean(_) => 0,
    }
}

/// Weight of a value that an attribute may have, or that the console shows.
const VALUE_MAX: u64 = 64 << 20;

/// Refuses values that are endless, or too large, for whoever writes them down.
pub(crate) fn check_finite(value: &Value) -> Outcome<()> {
    match weight(value, VALUE_MAX, Through::Objects) {
        Ok(_) => Ok(()),
        Err(Excess::Heavy) => Err(Fault::script(format!(
            "Value is too large: the limit is {VALUE_MAX} bytes, with each part counted as often as \
             it appears."
        ))),
        Err(Excess::Deep) => Err(match cycle(value) {
            Some(path) => Fault::script(format!(
                "Cannot serialize object which recursively refers to itself. Attribute path which \
                 leads to the cycle: {}",
                path.join(" -> ")
            )),
            None => too_deep(),
        }),
    }
}

/// The names on the way to a part that holds itself.
fn cycle(value: &Value) -> Option<Vec<String>> {
    // Values that share parts can have very many ways; a cycle is found soon or not at all.
    let mut visits_left = 100_000u32;
    let mut path = Vec::new();
    find_cycle(value, &mut path, &mut visits_left)
        .then(|| path.into_iter().map(|it| it.0).collect())
}

fn find_cycle(value: &Value, path: &mut Vec<(String, usize)>, visits_left: &mut u32) -> bool {
    let children: Vec<(String, Value)> = match value {
        Value::Array(array) => {
            let items = array.items().into_iter().enumerate();
            items.map(|(at, item)| (at.to_string(), item)).collect()
        }
        Value::Dictionary(dictionary) => {
            let entries = dictionary.entries();
            let entries = entries.iter();
            entries
                .map(|(key, item)| (key.as_str().to_owned(), item.clone()))
                .collect()
        }
        _ => return false,
    };
    for (name, child) in children {
        let address = match &child {
            Value::Array(array) => std::sync::Arc::as_ptr(array).addr(),
            Value::Dictionary(dictionary) => std::sync::Arc::as_ptr(dictionary).addr(),
            _ => continue,
        };
        *visits_left = visits_left.saturating_sub(1);
        if *visits_left == 0 || path.len() > MAX_NESTING {
            return false;
        }
        let is_known = path.iter().any(|(_, above)| *above == address);
        path.push((name, address));
        if is_known || find_cycle(&child, path, visits_left) {
            return true;
        }
        path.pop();
    }
    false
}

/// A value that nests too deep for what is to be done with it.
pub(crate) fn too_deep() -> Fault {
    Fault::script(format!(
        "Value nests too deep: the limit is {MAX_NESTING} levels. Does it contain itself?"
    ))
}

/// How much of its arguments, or of `this`, a function reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reads {
    Nothing,
    /// The first argument with everything in it.
    First,
    /// One level.
    Items,
    /// One level, whose items are only moved.
    Moved,
    /// Everything in it, and namespaces with their entries.
    Namespaces,
    /// Everything in it.
    All,
    /// Everything in it as often as sorting does.
    Sorted,
}

/// What a call of a library function costs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cost {
    this: Reads,
    arguments: Reads,
    /// Whether the result is new.
    makes: bool,
}

impl Cost {
    /// The cost of a function by its full name (`Array#len`).
    pub(crate) fn of(name: &str) -> Self {
        use Reads::{All, First, Items, Moved, Namespaces, Nothing, Sorted};
        let (this, arguments, makes) = match name {
            "Array#len" | "Array#get" | "Array#set" | "Array#clear" | "Array#freeze"
            | "Dictionary#len" | "Dictionary#clear" | "Dictionary#freeze" | "Function#call"
            | "Function#callv" | "String#len" | "Reference#get" | "System#typeof"
            | "System#ptr" | "System#assert" | "System#bool" | "System#len" => {
                (Nothing, Nothing, false)
            }
            "Array#add" => (Nothing, Nothing, true),
            "Dictionary#get"
            | "Dictionary#set"
            | "Dictionary#remove"
            | "Dictionary#contains"
            | "Namespace#get"
            | "Namespace#set"
            | "Namespace#remove"
            | "Namespace#contains" => (Nothing, First, false),
            "Array#remove" => (Moved, Nothing, false),
            "Array#any" | "Array#all" | "Array#reduce" => (Items, Nothing, false),
            "Array#map"
            | "Array#filter"
            | "Array#reverse"
            | "Array#shallow_clone"
            | "Dictionary#shallow_clone"
            | "Dictionary#keys"
            | "Dictionary#values"
            | "Namespace#keys"
            | "Namespace#values" => (Items, Nothing, true),
            "Array#sort" | "Array#unique" => (Sorted, Nothing, true),
            "System#keys" => (Nothing, Items, true),
            "System#union" | "System#intersection" => (Nothing, Sorted, true),
            // Their `this` is the namespace.
            "Json#encode" | "System#log" => (Nothing, Namespaces, true),
            _ if name.starts_with("Math#") => (Nothing, Sorted, false),
            _ if is_global(name) => (Nothing, All, true),
            _ => (All, All, true),
        };
        Self {
            this,
            arguments,
            makes,
        }
    }

    /// Counts what a call reads.
    pub(crate) fn before(self, run: &Run<'_>, this: &Value, arguments: &[Value]) -> Outcome<()> {
        read(run, self.this, this)?;
        let reads = match self.arguments {
            Reads::Nothing => return Ok(()),
            Reads::First => {
                let first = arguments.first();
                return first.map_or(Ok(()), |first| read(run, Reads::All, first));
            }
            other => other,
        };
        arguments
            .iter()
            .try_for_each(|argument| read(run, reads, argument))
    }

    /// Counts what a call has made.
    pub(crate) fn after(self, run: &Run<'_>, result: &Value) -> Outcome<()> {
        if self.makes { run.made(result) } else { Ok(()) }
    }
}

/// Functions of namespaces have the namespace, or nothing, as `this`.
fn is_global(name: &str) -> bool {
    ["System#", "Icinga#", "Internal#", "Json#"]
        .iter()
        .any(|owner| name.starts_with(owner))
}

fn read(run: &Run<'_>, reads: Reads, value: &Value) -> Outcome<()> {
    match (reads, value) {
        (Reads::Nothing, _) => Ok(()),
        (_, Value::Empty | Value::Number(_) | Value::Boolean(_) | Value::Function(_)) => Ok(()),
        (Reads::Items, Value::Array(array)) => run.steps(array.len() as u64),
        (Reads::Items, Value::Dictionary(dictionary)) => run.steps(dictionary.len() as u64),
        (Reads::Moved, Value::Array(array)) => run.steps(array.len() as u64 / ITEMS_MOVED_A_STEP),
        (Reads::Items | Reads::Moved, _) => Ok(()),
        (Reads::Namespaces, value) => run.weigh_through(value, Through::Namespaces),
        (Reads::Sorted, Value::Array(array)) => {
            let rounds = u64::from(array.len().checked_ilog2().unwrap_or(0)) + 1;
            run.weigh_times(value, rounds)
        }
        (Reads::First | Reads::All | Reads::Sorted, value) => run.weigh(value),
    }
}

impl Run<'_> {
    /// Counts the steps of walking through a value.
    pub(crate) fn weigh(&self, value: &Value) -> Outcome<()> {
        self.weigh_times(value, 1)
    }

    /// Counts the steps of walking through a value so many times.
    pub(crate) fn weigh_times(&self, value: &Value, times: u64) -> Outcome<()> {
        match value {
            Value::String(text) => self.steps(text.len() as u64 / WEIGHT_A_STEP * times),
            Value::Array(_) | Value::Dictionary(_) => {
                let weight = self.weight_within(value, times, Through::Collections)?;
                self.steps((weight / WEIGHT_A_STEP).saturating_mul(times))
            }
            _ => Ok(()),
        }
    }

    /// Counts the steps of walking through a value and certain objects in it.
    pub(crate) fn weigh_through(&self, value: &Value, through: Through) -> Outcome<()> {
        let weight = self.weight_within(value, 1, through)?;
        self.steps(weight / WEIGHT_A_STEP)
    }

    fn weight_within(&self, value: &Value, times: u64, through: Through) -> Outcome<u64> {
        let affordable = self.steps_left() / times.max(1) + 1;
        let max = affordable.saturating_mul(WEIGHT_A_STEP);
        match weight(value, max, through) {
            Ok(weight) => Ok(weight),
            Err(Excess::Heavy) => Err(self.too_long()),
            Err(Excess::Deep) => Err(too_deep()),
        }
    }

    /// Counts a new value: its bytes, and the steps of copying them.
    pub(crate) fn made(&self, value: &Value) -> Outcome<()> {
        let bytes = own_bytes(value);
        if bytes == 0 {
            return Ok(());
        }
        self.steps(bytes / WEIGHT_A_STEP / 4)?;
        self.bytes(bytes)
    }

    /// Counts items that are added to an array.
    pub(crate) fn adds_items(&self, count: usize) -> Outcome<()> {
        let bytes = ITEM_BYTES * count as u64;
        self.steps(1 + bytes / WEIGHT_A_STEP)?;
        self.bytes(bytes)
    }

    /// Counts a text that is to be turned into a value.
    pub(crate) fn decodes(&self, text: &str) -> Outcome<()> {
        self.steps(text.len() as u64 / 4)?;
        self.bytes((text.len() as u64).saturating_mul(DECODED_BYTES))
    }

    /// Counts a file of so many bytes that is to be parsed.
    pub(crate) fn parses(&self, bytes: usize) -> Outcome<()> {
        const STEPS_A_FILE: u64 = 100;
        self.steps(STEPS_A_FILE + bytes as u64 / 16)
    }

    /// Counts an object, a template or a rule.
    pub(crate) fn declares(&self) -> Outcome<()> {
        self.step()?;
        self.bytes(DECLARATION_BYTES)?;
        self.env.registry.declares()
    }

    /// Counts a pause.
    pub(crate) fn sleeps(&self, seconds: f64) -> Outcome<()> {
        const STEPS_A_SECOND: f64 = 1e6;
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        self.steps((seconds * STEPS_A_SECOND) as u64)
    }

    /// Counts a deep copy.
    pub(crate) fn copies(&self, value: &Value) -> Outcome<()> {
        let weight = self.weight_within(value, 1, Through::Collections)?;
        self.steps(weight / WEIGHT_A_STEP)?;
        self.bytes(weight.saturating_mul(2))
    }

    /// Gives back the bytes of a value that is going to be dropped, if nothing else refers to it.
    pub(crate) fn drops(&self, value: &Value) {
        let is_last = match value {
            Value::String(text) => !text.is_shared(),
            Value::Array(array) => std::sync::Arc::strong_count(array) == 1,
            Value::Dictionary(dictionary) => std::sync::Arc::strong_count(dictionary) == 1,
            _ => false,
        };
        if is_last {
            self.give_back(own_bytes(value));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn doubled(levels: usize) -> Value {
        (0..levels).fold(Value::Empty, |value, _| {
            Value::array([value.clone(), value])
        })
    }

    #[test]
    fn weighs_what_is_reached() {
        assert_eq!(weight(&Value::Number(1.0), 0, Through::Collections), Ok(0));
        assert_eq!(
            weight(&Value::string("abc"), 10, Through::Collections),
            Ok(3)
        );
        let three = doubled(3);
        assert_eq!(
            weight(&three, u64::MAX, Through::Collections),
            Ok(15 * PLACE)
        );
        assert_eq!(
            weight(&three, 10 * PLACE, Through::Collections),
            Err(Excess::Heavy)
        );
        assert_eq!(
            weight(&doubled(200), 1 << 20, Through::Collections),
            Err(Excess::Heavy)
        );
    }

    #[test]
    fn finds_depth_and_cycles() {
        let deep = (0..MAX_NESTING).fold(Value::Empty, |value, _| Value::array([value]));
        assert!(weight(&deep, u64::MAX, Through::Collections).is_ok());
        let deeper = (0..2).fold(deep, |value, _| Value::array([value]));
        assert_eq!(
            weight(&deeper, u64::MAX, Through::Collections),
            Err(Excess::Deep)
        );

        let cycle = Value::array([]);
        let array = cycle.as_array().cloned().unwrap_or_default();
        array.write().unwrap().push(cycle.clone());
        assert_eq!(
            weight(&cycle, u64::MAX, Through::Collections),
            Err(Excess::Deep)
        );
        array.write().unwrap().clear();
    }
}
