//! Help in the shape that operators know, from the table.

use std::fmt::Write as _;

use clap::{Arg, Command};

use crate::cli::table::{COMMAND_HEADING, GLOBAL_HEADING};
use crate::version;

/// The help of a command (its words, e.g. `["node", "setup"]`), of a group (`["node"]`), or of the
/// program (`[]`).
pub(crate) fn help(table: &Command, words: &[&str]) -> String {
    let mut command = table;
    for word in words {
        match command.find_subcommand(word) {
            Some(found) => command = found,
            None => break,
        }
    }
    let mut out = format!("{}\n\nUsage:\n", version::headline());
    if command.has_subcommands() {
        let _ = writeln!(
            out,
            "  {} <command> [<arguments>]\n\nSupported commands:",
            program()
        );
        list_commands(command, words, &mut out);
    } else {
        let _ = writeln!(out, "  {} {} [<arguments>]", program(), words.join(" "));
        if let Some(about) = command.get_long_about() {
            let _ = writeln!(out, "\n{about}");
        }
    }
    list_options(command, GLOBAL_HEADING, &mut out);
    if !command.has_subcommands() {
        list_options(command, COMMAND_HEADING, &mut out);
    }
    out
}

fn program() -> &'static str {
    version::PROGRAM
}

fn list_commands(command: &Command, words: &[&str], out: &mut String) {
    for subcommand in command
        .get_subcommands()
        .filter(|subcommand| !subcommand.is_hide_set())
    {
        let mut words = words.to_vec();
        words.push(subcommand.get_name());
        if subcommand.has_subcommands() {
            list_commands(subcommand, &words, out);
        } else if let Some(about) = subcommand.get_about() {
            let _ = writeln!(out, "  * {} ({about})", words.join(" "));
        }
    }
}

fn list_options(command: &Command, heading: &str, out: &mut String) {
    let _ = writeln!(out, "\n{heading}:");
    let shown = |arg: &&Arg| {
        !arg.is_hide_set() && !arg.is_positional() && arg.get_help_heading() == Some(heading)
    };
    for arg in command.get_arguments().filter(shown) {
        let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
        option(&spelling(arg), &help, out);
    }
}

/// `-c [ --config ] FILE`
fn spelling(arg: &Arg) -> String {
    let long = arg.get_long().unwrap_or_default();
    let mut text = match arg.get_short() {
        Some(short) => format!("-{short} [ --{long} ]"),
        None => format!("--{long}"),
    };
    if arg.get_action().takes_values()
        && let Some(name) = arg.get_value_names().and_then(|names| names.first())
    {
        let _ = write!(text, " {name}");
        if let Some(default) = arg.get_default_values().first() {
            let _ = write!(text, " (={})", default.display());
        }
    }
    text
}

fn option(spelling: &str, help: &str, out: &mut String) {
    let _ = write!(out, "  {spelling:<width$}", width = HELP_COLUMN - 3);
    if spelling.len() > HELP_COLUMN - 3 {
        let _ = write!(out, "\n{:width$}", "", width = HELP_COLUMN - 1);
    }
    let mut column = 0;
    for word in help.split_whitespace() {
        if column > 0 && column + 1 + word.chars().count() > LINE - HELP_COLUMN {
            let _ = write!(out, "\n{:width$}", "", width = HELP_COLUMN - 1);
            column = 0;
        }
        let _ = write!(out, " {word}");
        column += 1 + word.chars().count();
    }
    out.push('\n');
}

const HELP_COLUMN: usize = 28;
const LINE: usize = 80;
