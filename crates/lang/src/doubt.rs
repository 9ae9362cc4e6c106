//! Going on after an error, without blaming what only follows from it.
//!
//! A statement that failed leaves something out: a constant, a template, an attribute. Whatever
//! fails because of that is no fault of its own. So what a failed statement would have defined is
//! noted ([`defines`]), and the errors of statements that read such a name ([`reads`]) are held
//! back. All of this costs time only where something has failed.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;

use bheka_syntax::ast::{Expr, ExprKind};
use bheka_value::{Doubts, Str};

use crate::diag::LangDiagnostic;
use crate::fault::{Eval, Fault, Stop};
use crate::source::each_child;
use crate::suggest::quotes;

/// Errors beyond this number end the evaluation.
const SLIPS_MAX: usize = 10_000;

/// An error that did not end the evaluation.
pub(crate) enum Slip {
    /// A statement failed.
    Statement {
        fault: Fault,
        /// The variables that it reads.
        reads: BTreeSet<Str>,
        /// What would be there had it not failed.
        defines: Doubts,
    },
    /// A text has errors, or deserves warnings.
    Text {
        diagnostics: Vec<LangDiagnostic>,
        /// What it would have defined when it could not be evaluated.
        defines: Doubts,
    },
}

impl Slip {
    pub(crate) fn new(fault: Fault, statement: &Expr) -> Self {
        Self::Statement {
            fault,
            reads: reads(statement),
            defines: defines(statement),
        }
    }

    /// The findings about a text, with what it would have defined if they forbid to evaluate it.
    pub(crate) fn of_text(diagnostics: Vec<LangDiagnostic>, text: &str) -> Self {
        let broken = diagnostics.iter().any(LangDiagnostic::is_error);
        Self::Text {
            diagnostics,
            defines: if broken {
                scan(text)
            } else {
                Doubts::default()
            },
        }
    }

    pub(crate) fn is_error(&self) -> bool {
        match self {
            Self::Statement { .. } => true,
            Self::Text { diagnostics, .. } => diagnostics.iter().any(LangDiagnostic::is_error),
        }
    }
}

/// Takes the errors of statements, so that the next ones are evaluated, too: while a file is
/// loaded or an object is made, but not inside of `try`.
#[derive(Default)]
pub(crate) struct Keeper {
    on: Cell<bool>,
    slips: RefCell<Vec<Slip>>,
    spoiled: RefCell<Spoiled>,
}

impl Keeper {
    pub(crate) fn start(&self) {
        self.on.set(true);
    }

    /// Keeps no more; yields what was kept.
    pub(crate) fn finish(&self) -> Vec<Slip> {
        self.on.set(false);
        self.spoiled.take();
        self.slips.take()
    }

    pub(crate) fn is_on(&self) -> bool {
        self.on.get()
    }

    /// Runs what must see its errors itself.
    pub(crate) fn aside<T>(&self, work: impl FnOnce() -> T) -> T {
        let before = self.on.replace(false);
        let result = work();
        self.on.set(before);
        result
    }

    /// Takes an error that need not end the evaluation; otherwise hands it back.
    pub(crate) fn keep(&self, stop: Stop, statement: &Expr) -> Eval<()> {
        let Stop::Error(fault) = stop else {
            return Err(stop);
        };
        if !self.is_on() || fault.is_limit() || self.slips.borrow().len() >= SLIPS_MAX {
            return Err(Stop::Error(fault));
        }
        let follows = self.spoiled.borrow_mut().covers(&fault, statement);
        let mut fault = if follows { fault.follows() } else { *fault };
        // `check_command = ping4`
        if let ExprKind::Assign { value, .. } = &statement.kind
            && let ExprKind::Variable(name) = &value.kind
            && fault.lacks_variable(name)
        {
            fault = fault.note(quotes(name));
        }
        self.slips.borrow_mut().push(Slip::new(fault, statement));
        Ok(())
    }

    /// Keeps the findings about a text.
    pub(crate) fn add(&self, slip: Slip) {
        self.slips.borrow_mut().push(slip);
    }
}

/// What the statements of a body could not set.
#[derive(Default)]
pub(crate) struct Spoiled {
    names: BTreeSet<Str>,
    /// A template could not be imported: any attribute may be missing.
    all: bool,
}

impl Spoiled {
    /// Whether an error of a statement most likely follows from what could not be set before; and
    /// notes what the statement would have set.
    pub(crate) fn covers(&mut self, fault: &Fault, statement: &Expr) -> bool {
        let of_its_own = fault.detail.as_ref().is_some_and(|it| it.unknown.is_some());
        let read = reads(statement);
        let follows = (self.all && !of_its_own) || read.iter().any(|name| self.has(name));
        match &statement.kind {
            ExprKind::Import(_) => self.all = true,
            ExprKind::Assign { target, .. } => self.names.extend(path(target)),
            ExprKind::Var { name, .. } => {
                self.names.insert(name.into());
            }
            _ => {}
        }
        follows
    }

    fn has(&self, name: &str) -> bool {
        let inside = |outer: &str, inner: &str| {
            inner
                .strip_prefix(outer)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        self.names
            .iter()
            .any(|known| inside(known, name) || inside(name, known))
    }
}

/// `a`, or `a.b` for anything inside it.
fn path(expr: &Expr) -> Option<Str> {
    match &expr.kind {
        ExprKind::Variable(name) | ExprKind::String(name) => Some(name.into()),
        ExprKind::Index { base, index } => match (&base.kind, &index.kind) {
            (ExprKind::Variable(base), ExprKind::String(key)) => {
                Some(format!("{base}.{key}").into())
            }
            (ExprKind::This | ExprKind::Globals, ExprKind::String(key)) => Some(key.into()),
            _ => path(base),
        },
        _ => None,
    }
}

/// The variables that an expression reads, `a.b` where it reads a field.
pub(crate) fn reads(expr: &Expr) -> BTreeSet<Str> {
    let mut found = BTreeSet::new();
    collect_reads(expr, &mut found);
    found
}

fn collect_reads(expr: &Expr, found: &mut BTreeSet<Str>) {
    match &expr.kind {
        ExprKind::Variable(name) => {
            found.insert(name.into());
        }
        ExprKind::Index { index, .. } => match path(expr) {
            Some(path) => {
                found.insert(path);
                collect_reads(index, found);
            }
            None => each_child(expr, &mut |child| collect_reads(child, found)),
        },
        ExprKind::Assign { target, value, .. } => {
            // The last name is written, not read.
            if !matches!(target.kind, ExprKind::Variable(_) | ExprKind::Index { .. }) {
                collect_reads(target, found);
            }
            collect_reads(value, found);
        }
        _ => each_child(expr, &mut |child| collect_reads(child, found)),
    }
}

/// What a statement would have left behind.
pub(crate) fn defines(expr: &Expr) -> Doubts {
    let mut found = Doubts::default();
    collect_defines(expr, &mut found);
    found
}

fn collect_defines(expr: &Expr, found: &mut Doubts) {
    match &expr.kind {
        ExprKind::Const { name, .. } | ExprKind::Var { name, .. } => {
            found.globals.insert(name.into());
        }
        ExprKind::Assign { target, .. } => {
            let path = path(target);
            let root = path.as_deref().and_then(|path| path.split('.').next());
            found.globals.extend(root.map(Str::from));
        }
        ExprKind::Function(function) => {
            found.globals.extend(function.name.as_ref().map(Str::from));
        }
        ExprKind::Namespace { name, .. } => found.globals.extend(path(name)),
        ExprKind::Object(object) => {
            let name = object.name.as_ref().map(|name| &name.kind);
            if let ExprKind::Variable(of) = &object.type_name.kind {
                found.objects.insert((of.into(), literal(name)));
            }
        }
        ExprKind::Apply(apply) => {
            let name = apply.name.as_ref().filter(|_| apply.for_loop.is_none());
            let name = literal(name.map(|name| &name.kind));
            found.objects.insert(((&apply.type_name).into(), name));
        }
        // What a file would have brought nobody knows.
        ExprKind::Include { .. }
        | ExprKind::IncludeRecursive { .. }
        | ExprKind::IncludeZones { .. } => found.all = true,
        _ => each_child(expr, &mut |child| collect_defines(child, found)),
    }
}

/// A name that is written there; else any.
fn literal(name: Option<&ExprKind>) -> Str {
    match name {
        Some(ExprKind::String(name)) => name.into(),
        _ => "*".into(),
    }
}

/// What a text that does not parse would have defined, by its words alone.
pub(crate) fn scan(text: &str) -> Doubts {
    let words = words(text);
    let mut found = Doubts::default();
    let mut depth = 0usize;
    for (at, word) in words.iter().enumerate() {
        let next = |ahead: usize| words.get(at + ahead).copied().unwrap_or(Word::Sign(' '));
        let mut global = |name: Word<'_>| {
            if let Word::Name(name) | Word::Text(name) = name {
                found.globals.insert(name.into());
            }
        };
        match *word {
            Word::Sign('{') => depth += 1,
            Word::Sign('}') => depth = depth.saturating_sub(1),
            Word::Name("const" | "function" | "namespace" | "var") => global(next(1)),
            Word::Name("globals") if matches!(next(1), Word::Sign('.')) => global(next(2)),
            Word::Name("include" | "include_recursive" | "include_zones") => found.all = true,
            Word::Name("object" | "template" | "apply") => {
                if let Word::Name(of) = next(1) {
                    let name = match next(2) {
                        Word::Text(name) => name,
                        _ => "*",
                    };
                    found.objects.insert((of.into(), name.into()));
                }
            }
            Word::Name(_) if depth == 0 && matches!(next(1), Word::Sign('=' | '+')) => {
                global(*word);
            }
            _ => {}
        }
    }
    found
}

#[derive(Clone, Copy)]
enum Word<'t> {
    Name(&'t str),
    Text(&'t str),
    Sign(char),
}

/// Names, texts in quotes and signs; comments and blanks are left out.
fn words(text: &str) -> Vec<Word<'_>> {
    let mut words = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let mut length = first.len_utf8();
        if rest.starts_with('#') || rest.starts_with("//") {
            length = rest.find('\n').unwrap_or(rest.len());
        } else if rest.starts_with("/*") {
            length = rest.find("*/").map_or(rest.len(), |end| end + 2);
        } else if first == '"' {
            let inside = rest.get(1..).unwrap_or_default();
            let end = inside.find(['"', '\n']).unwrap_or(inside.len());
            words.push(Word::Text(inside.get(..end).unwrap_or_default()));
            length = (end + 2).min(rest.len());
        } else if first.is_ascii_alphanumeric() || first == '_' {
            let other = |c: char| !(c.is_ascii_alphanumeric() || c == '_');
            length = rest.find(other).unwrap_or(rest.len());
            words.push(Word::Name(rest.get(..length).unwrap_or_default()));
        } else if !first.is_whitespace() {
            words.push(Word::Sign(first));
        }
        rest = rest.get(length..).unwrap_or_default();
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn statement(text: &str) -> Expr {
        let parsed = bheka_syntax::parse(text);
        assert!(
            parsed.diagnostics.is_empty(),
            "{text}: {:?}",
            parsed.diagnostics
        );
        parsed.block.into_iter().next().expect("a statement")
    }

    fn show(doubts: &Doubts) -> String {
        let globals = doubts.globals.iter().map(|name| name.to_string());
        let objects = doubts
            .objects
            .iter()
            .map(|(of, name)| format!("{of}!{name}"));
        let mut all: Vec<String> = globals.chain(objects).collect();
        if doubts.all {
            all.push("all".to_owned());
        }
        all.join(" ")
    }

    #[test]
    fn what_statements_define() {
        for (text, defined) in [
            ("const A = 1", "A"),
            ("globals.b.c = 1", "b"),
            ("x.y = 1", "x"),
            ("function f(a) { return a }", "f"),
            ("namespace N { a = 1 }", "N"),
            ("object Host \"h\" { a = 1 }", "Host!h"),
            ("template Host \"t\" { a = 1 }", "Host!t"),
            ("object Host \"h\" + 1 { }", "Host!*"),
            ("apply Service \"s\" { assign where true }", "Service!s"),
            ("for (h in hosts) { object Host h { } }", "Host!*"),
            ("if (x) { const A = 1 }", "A"),
            ("include \"x\"", "all"),
            ("f(1)", ""),
        ] {
            assert_eq!(show(&defines(&statement(text))), defined, "{text}");
        }
    }

    #[test]
    fn what_statements_read() {
        for (text, read) in [
            ("const A = B + c.d", "B c.d"),
            ("vars.x = vars.y.z", "vars.y"),
            ("vars.x += 1", ""),
            ("f(a, this.b, c[d])", "a b c d f"),
        ] {
            let names: Vec<String> = reads(&statement(text))
                .iter()
                .map(|n| n.to_string())
                .collect();
            assert_eq!(names.join(" "), read, "{text}");
        }
    }

    #[test]
    fn what_a_broken_text_would_define() {
        let text = "const A = (1\nB = 2\n# const C\nobject Host \"h\" { x = 1 }\n\
                    template Service name { }\n/* object Host \"no\" */ globals.D = \"\n\
                    function f( { }\n";
        assert_eq!(show(&scan(text)), "A B D f Host!h Service!*");
        assert_eq!(show(&scan("include \"x\"")), "all");
        assert_eq!(show(&scan("")), "");
    }
}
