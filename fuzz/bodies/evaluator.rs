//! Any text, and any program of a grammar, evaluated at a console: no panic, no endless run; errors
//! and values can be shown; and it comes out the same again.

use std::cell::RefCell;
use std::sync::Arc;

use bheka_lang::{Console, ConsoleSettings, MemorySources};
use bheka_value::{Timestamp, to_json};

use crate::grammar::Choices;

/// Steps that an input may take; few, so that a round stays short.
const STEPS_MAX: u64 = 20_000;
/// The longest message of an error, with room for what is put in front of it.
const MESSAGE_MAX: usize = 40_000;

fn console(files: &MemorySources) -> Console {
    Console::new(ConsoleSettings {
        catalogue: bheka_model::catalogue(),
        sources: Arc::new(files.clone()),
        include_dirs: vec!["/m".to_owned()],
        constants: Vec::new(),
        now: Timestamp(1_795_400_000.0),
    })
}

/// Words by which an input can change what outlives it; the others share a console.
const LASTING: &[&str] = &[
    "globals",
    "const",
    "namespace",
    "Internal",
    "object",
    "template",
    "apply",
    "include",
    "=>",
    "function",
    "{{",
    "prototype",
    "this",
    "locals",
    "base",
    "using",
    "System",
    "Icinga",
    "Types",
];

/// What an input comes to, as text.
fn outcome(text: &str, files: &MemorySources) -> String {
    thread_local! {
        static SHARED: RefCell<Option<Console>> = const { RefCell::new(None) };
    }
    if LASTING.iter().any(|word| text.contains(word)) {
        return evaluate(text, &mut console(files));
    }
    SHARED.with_borrow_mut(|shared| {
        let shared = shared.get_or_insert_with(|| console(&MemorySources::default()));
        let outcome = evaluate(text, shared);
        shared.forget();
        outcome
    })
}

fn evaluate(text: &str, console: &mut Console) -> String {
    let mut shown = match console.eval_as("<1>", text) {
        Ok(value) => {
            // It can be walked through, so it can be a text, too.
            let _ = bheka_lang::to_text(&value);
            to_json(&value)
        }
        Err(error) => {
            assert!(
                error.message.len() <= MESSAGE_MAX,
                "{} bytes",
                error.message.len()
            );
            format!("{} {:?}", error.message, error.is_syntax)
        }
    };
    for line in console.take_log() {
        shown.push_str(&line.message);
    }
    shown
}

/// What must hold. The first byte tells whether the rest is a text or choices of a grammar.
pub(crate) fn check(bytes: &[u8]) {
    bheka_lang::limit_evaluation(STEPS_MAX, 64 << 20);
    let Some((mode, rest)) = bytes.split_first() else {
        return;
    };
    let text = match mode % 4 {
        0 => String::from_utf8_lossy(rest).into_owned(),
        _ => {
            let mut choices = Choices::new(rest);
            choices.program();
            choices.text
        }
    };
    let files = MemorySources::new([
        ("/m/a.conf", text.as_str()),
        ("/m/b.conf", "globals.b = 1\nvar a = 2\n"),
    ]);
    let first = outcome(&text, &files);
    // The rest of the bits: whether to look twice. Addresses and chance differ each time.
    if mode & 0x80 != 0 && !["ptr", "random"].iter().any(|word| text.contains(word)) {
        assert_eq!(outcome(&text, &files), first, "{text}");
    }
}
