//! How to mend what is wrong with an object: the kind of fault, near words, what is expected.

use bheka_value::schema::Limit;
use bheka_value::{Advice, Doubts, Location, Str, Suggester, Value};
use rustc_hash::FxHashMap;

use super::{Draft, Fault, Index, ModelDiagnostic, Place, Severity, coerce};

/// Something that was named and is not there.
#[derive(Clone, Debug)]
pub(super) enum Wanted {
    /// An object.
    Object { type_name: &'static str, name: Str },
    /// A service on a host that exists.
    Service { host: Str, service: Str },
    /// One of some words: a key, the value of an enumeration.
    Word {
        given: Str,
        known: Vec<&'static str>,
    },
}

impl Wanted {
    /// The first word of a list that is none of the known ones.
    pub(super) fn in_list(list: &Value, known: &[&'static str]) -> Option<Self> {
        let Value::Array(items) = list else {
            return None;
        };
        let items = items.read();
        let words = items.iter().filter_map(Value::as_str);
        let given = words.into_iter().find(|word| !known.contains(word))?.into();
        let known = known.to_vec();
        Some(Self::Word { given, known })
    }

    /// What an attribute says that takes certain words only.
    fn of_limit(draft: &Draft, fault: &Fault) -> Option<Self> {
        let Place::Attribute(path) = &fault.place else {
            return None;
        };
        let [attribute] = path.as_slice() else {
            return None;
        };
        let limit = draft.declaration.type_info.field(attribute)?.limit;
        let (Limit::OneOf(known, _) | Limit::OneOfOrWhole(known, _)) = limit else {
            return None;
        };
        let given: Str = coerce::text_of(&draft.get(attribute)).into();
        let known = known.to_vec();
        (!known.contains(&given.as_str())).then_some(Self::Word { given, known })
    }
}

/// Collects the faults of all objects as diagnostics: with advice, without consequences of other
/// errors, and without showing the same fault of a template for each object that imports it.
pub(super) struct Collector<'a> {
    drafts: &'a [Draft],
    index: &'a Index<'a>,
    doubts: &'a Doubts,
    suggester: Suggester,
    findings: Vec<ModelDiagnostic>,
    /// The place and text of errors, with how many there were and the position of the last shown.
    known: FxHashMap<(Option<Location>, String), (usize, usize)>,
    /// Errors that follow from others.
    pub(super) held: usize,
    /// Errors that are not shown.
    pub(super) more: usize,
}

/// Objects for which the same fault at the same place is shown.
const SAME_MAX: usize = 3;
/// Errors beyond this number are counted only.
const ERRORS_MAX: usize = 1000;

impl<'a> Collector<'a> {
    pub(super) fn new(drafts: &'a [Draft], index: &'a Index<'a>, doubts: &'a Doubts) -> Self {
        Self {
            drafts,
            index,
            doubts,
            suggester: Suggester::default(),
            findings: Vec::new(),
            known: FxHashMap::default(),
            held: 0,
            more: 0,
        }
    }

    /// Takes a fault of an object.
    pub(super) fn add(&mut self, draft: &Draft, fault: &Fault) {
        let found = fault
            .wanted
            .is_none()
            .then(|| Wanted::of_limit(draft, fault));
        let wanted = found.flatten().or_else(|| fault.wanted.clone());
        let wanted = wanted.as_ref();
        let code = code_of(fault, wanted);
        if draft.incomplete && !is_certain(fault, code) {
            return;
        }
        if self.is_consequence(wanted, code) {
            self.held += 1;
            return;
        }
        let key = (draft.location_of(fault), fault.text.clone());
        let (count, last) = self.known.get(&key).copied().unwrap_or_default();
        if count >= SAME_MAX || self.findings.len() >= ERRORS_MAX {
            self.more += 1;
            self.known.insert(key, (count + 1, last));
            return;
        }
        self.known.insert(key, (count + 1, self.findings.len()));
        let mut finding = draft.error(fault);
        finding.advice = self.advice(draft, fault, wanted, code);
        self.findings.push(finding);
    }

    /// Takes what is no error.
    pub(super) fn remark(&mut self, finding: ModelDiagnostic) {
        self.findings.push(finding);
    }

    /// The diagnostics, and how many errors are not among them (consequences, and others).
    pub(super) fn finish(mut self) -> (Vec<ModelDiagnostic>, usize, usize) {
        for (count, last) in self.known.into_values() {
            let Some(more) = count.checked_sub(SAME_MAX).filter(|more| *more > 0) else {
                continue;
            };
            let plural = if more == 1 { "" } else { "s" };
            if let Some(finding) = self.findings.get_mut(last) {
                let note = format!("{more} more object{plural} with the same error not shown");
                finding.advice.notes.push(note);
            }
        }
        (self.findings, self.held, self.more)
    }

    fn is_consequence(&self, wanted: Option<&Wanted>, code: &str) -> bool {
        let incomplete = |type_name: &str, name: &str| {
            let at = self.index.find(type_name, name);
            at.and_then(|at| self.drafts.get(at))
                .is_some_and(|draft| draft.incomplete)
        };
        match wanted {
            Some(Wanted::Object { type_name, name }) => self.doubts.object(type_name, name),
            Some(Wanted::Service { host, service }) => {
                incomplete("Host", host) || self.doubts.object("Service", service)
            }
            _ if code == "zone" => {
                let unsure = |of: &str| {
                    self.doubts.any_of(of)
                        || self
                            .index
                            .of_type(of)
                            .into_iter()
                            .any(|at| self.drafts.get(at).is_some_and(|draft| draft.incomplete))
                };
                unsure("Zone") || unsure("Endpoint")
            }
            _ => false,
        }
    }

    fn advice(
        &mut self,
        draft: &Draft,
        fault: &Fault,
        wanted: Option<&Wanted>,
        code: &'static str,
    ) -> Advice {
        let mut advice = Advice::of(code);
        if let Place::Attribute(path) | Place::Head(path) = &fault.place {
            let path: Vec<&str> = path.iter().map(Str::as_str).collect();
            advice.attribute = Some(path.join("."));
        } else if let Place::Assignment(name) = &fault.place {
            advice.attribute = Some(name.as_str().to_owned());
        }
        match wanted {
            Some(Wanted::Object { type_name, name }) => self.object(type_name, name, &mut advice),
            Some(Wanted::Service { host, service }) => {
                let prefix = format!("{host}!");
                let names = self.index.names("Service");
                let known = names.filter_map(|name| name.strip_prefix(prefix.as_str()));
                advice.suggestions = self.suggester.nearest(service, known);
                advice
                    .notes
                    .push(format!("host '{host}' has no service '{service}'"));
            }
            Some(Wanted::Word { given, known }) => {
                advice.suggestions = self.suggester.nearest(given, known.iter().copied());
                if advice.suggestions.is_empty() && known.len() <= 12 {
                    advice.notes.push(format!("expected {}", list(known)));
                }
            }
            None => {}
        }
        if code == "missing-attribute"
            && let Some(attribute) = &advice.attribute
            && let Some(field) = draft.declaration.type_info.field(attribute)
            && !field.doc.is_empty()
        {
            advice.notes.push(format!(
                "'{attribute}': {}",
                field.doc.trim().trim_end_matches('.')
            ));
        }
        if advice.suggestions.is_empty() && advice.notes.is_empty() {
            let found = REMEDIES
                .iter()
                .find(|(words, _)| fault.text.contains(words));
            let remedy = found.map(|(_, remedy)| (*remedy).to_owned());
            advice.notes.extend(remedy);
        }
        advice
    }

    fn object(&mut self, type_name: &str, name: &str, advice: &mut Advice) {
        let kin = KIN.iter().filter(|pair| pair.contains(&type_name));
        let others = kin.flat_map(|pair| pair.iter().filter(|other| **other != type_name));
        for other in others {
            if self.index.has(other, name) {
                advice.notes.push(format!(
                    "there is '{name}' of type '{other}', but '{type_name}' is wanted here"
                ));
            }
        }
        if !advice.notes.is_empty() {
            return;
        }
        advice.suggestions = self.suggester.nearest(name, self.index.names(type_name));
        if !advice.suggestions.is_empty() {
            return;
        }
        if type_name == "CheckCommand" && !self.index.has(type_name, "dummy") {
            let note = "the library of check commands is not included: include <itl>, include \
                        <plugins>";
            advice.notes.push(note.to_owned());
        } else if self.index.names(type_name).next().is_none() {
            advice.notes.push(format!("there is no {type_name} at all"));
        }
    }
}

/// What helps with faults that are known by their text.
const REMEDIES: &[(&str, &str)] = &[
    (
        "Closing $",
        "a dollar sign that begins no macro is written twice: $$",
    ),
    (
        "Invalid time range",
        "times are ranges such as 09:00-17:00, separated with commas and no blanks",
    ),
    (
        "does not belong to a zone",
        "name it in 'endpoints' of the Zone object that it is part of",
    ),
    (
        "No users/user_groups specified",
        "set 'users' or 'user_groups'",
    ),
    (
        "requires a zone",
        "set 'zone', or put the object into the directory of a zone below zones.d",
    ),
    (
        "cannot be put into global zone",
        "objects of global zones are everywhere; hosts and services belong to one zone",
    ),
    (
        "Attribute 'command' must be an array",
        "write command = [ \"...\" ]",
    ),
];

/// Types whose names are mixed up.
const KIN: &[[&str; 2]] = &[
    ["User", "UserGroup"],
    ["Host", "HostGroup"],
    ["Service", "ServiceGroup"],
    ["Zone", "Endpoint"],
    ["Host", "Endpoint"],
    ["CheckCommand", "EventCommand"],
    ["CheckCommand", "NotificationCommand"],
    ["EventCommand", "NotificationCommand"],
];

fn list(words: &[&str]) -> String {
    let quoted: Vec<String> = words.iter().map(|word| format!("'{word}'")).collect();
    match quoted.split_last() {
        Some((last, others)) if !others.is_empty() => format!("{} or {last}", others.join(", ")),
        Some((only, _)) => only.clone(),
        None => "nothing".to_owned(),
    }
}

/// Whether a fault of an object of which some statements failed stands by itself.
fn is_certain(fault: &Fault, code: &str) -> bool {
    matches!(fault.place, Place::Attribute(_) | Place::Assignment(_))
        && matches!(
            code,
            "unknown-object"
                | "unknown-key"
                | "unknown-value"
                | "unknown-attribute"
                | "out-of-range"
                | "invalid-type"
                | "invalid-macro"
                | "invalid-time"
        )
}

/// The kind of a fault, by its text.
fn code_of(fault: &Fault, wanted: Option<&Wanted>) -> &'static str {
    match wanted {
        Some(Wanted::Object { .. } | Wanted::Service { .. }) => return "unknown-object",
        Some(Wanted::Word { .. }) if fault.text.starts_with("Invalid attribute") => {
            return "unknown-key";
        }
        Some(Wanted::Word { .. }) if !fault.text.starts_with("Invalid time") => {
            return "unknown-value";
        }
        Some(Wanted::Word { .. }) => return "invalid-time",
        None => {}
    }
    const KINDS: &[(&str, &str)] = &[
        ("Attribute must not be empty", "missing-attribute"),
        ("Required dictionary item", "missing-key"),
        ("Invalid attribute", "unknown-key"),
        ("Closing $", "invalid-macro"),
        ("Invalid time", "invalid-time"),
        ("Invalid type", "invalid-type"),
        ("convert ", "invalid-type"),
        ("cannot be set to value of type", "invalid-type"),
        ("must be greater than", "out-of-range"),
        ("must be smaller than", "out-of-range"),
        ("Dependency cycle", "dependency-cycle"),
        ("belong to a zone", "zone"),
        ("is in more than one zone", "zone"),
        ("Endpoint object for", "zone"),
        ("zone", "zone"),
    ];
    if let Place::Assignment(_) = fault.place
        && fault.text.ends_with("does not exist.")
    {
        return "unknown-attribute";
    }
    let kind = KINDS.iter().find(|(text, _)| fault.text.contains(text));
    kind.map_or("invalid-value", |(_, code)| code)
}

impl Draft {
    pub(super) fn location_of(&self, fault: &Fault) -> Option<Location> {
        match &fault.place {
            Place::Attribute(path) => Some(self.location(path)),
            Place::Assignment(name) => Some(self.location(std::slice::from_ref(name))),
            Place::Head(_) | Place::Whole | Place::Plain => Some(self.declaration.location.clone()),
            Place::Global => None,
        }
    }
}

impl ModelDiagnostic {
    /// Whether it forbids to use the configuration.
    #[must_use]
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}
