//! One input after the other, until the end of standard input. An input that ends too early goes on
//! in the next line.

use std::cell::RefCell;
use std::process::ExitCode;
use std::rc::Rc;

use bheka_lang::Unfinished;

use crate::cli::literal::literal;
use crate::cli::{print, say};
use crate::log::Severity;
use crate::version;

use super::complaint::Input;
use super::editor::{Line, Lines};
use super::target::{Failure, Target};

/// Talks until the user has enough.
pub(super) fn talk(mut target: Target, least: Severity) -> anyhow::Result<ExitCode> {
    print(&format!(
        "{} (version: {})\nType $help to view available commands.\n",
        version::PROGRAM,
        version::version()
    ));
    match target.probe() {
        Ok(()) => {}
        Err(Failure::Script(complaint)) => {
            complaint.show();
            return Ok(ExitCode::FAILURE);
        }
        Err(Failure::Unreachable(text)) => {
            say(Severity::Warning, "DebugConsole", &text);
            return Ok(ExitCode::FAILURE);
        }
    }
    let target = Rc::new(RefCell::new(target));
    let mut lines = Lines::new(&target)?;
    if matches!(lines, Lines::Terminal(..)) {
        target.borrow().interrupt_by_keyboard()?;
    }
    let mut number = 1;
    let mut pending = Unfinished::default();
    loop {
        let sign = if pending.is_empty() { "=>" } else { ".." };
        let line = match lines.next(&format!("<{number}> {sign} "))? {
            Line::Text(line) => line,
            Line::Interrupted => {
                pending.take();
                continue;
            }
            Line::End => break,
        };
        if pending.is_empty() && line.starts_with('$') {
            lines.remember(&line);
            match line.trim_end() {
                "$help" => print(HELP),
                "$quit" | "$exit" | "$continue" => return Ok(ExitCode::SUCCESS),
                other => print(&format!("Unknown debugger command: {other}\n")),
            }
            number += 1;
            continue;
        }
        if pending.add(&line) {
            continue;
        }
        let text = pending.take();
        lines.remember(&text);
        show(&mut target.borrow_mut(), number, text, least);
        number += 1;
    }
    if !pending.is_empty() {
        // There will be no more of it: it is evaluated as it is, which says what is missing.
        print("\n");
        show(&mut target.borrow_mut(), number, pending.take(), least);
    }
    print("\n");
    Ok(ExitCode::SUCCESS)
}

fn show(target: &mut Target, number: u32, text: String, least: Severity) {
    let input = Input {
        name: format!("<{number}>"),
        text,
        is_file: false,
    };
    let outcome = target.evaluate(&input);
    super::print_log(target, least);
    match outcome {
        Ok(value) => print(&format!("{}\n", literal(&value))),
        Err(Failure::Script(complaint)) => complaint.show(),
        Err(Failure::Unreachable(text)) => say(Severity::Warning, "DebugConsole", &text),
    }
}

const HELP: &str = "\
An input is an expression of the configuration language. Variables live on; what
is open at the end of a line goes on in the next one. A tab completes.
Usable commands:
  $continue, $quit, $exit   Quit the console.
  $help                     Print this help.
";
