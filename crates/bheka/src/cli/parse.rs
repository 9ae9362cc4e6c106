//! From words to a command with its options, with complaints in Icinga 2's words.

use std::ffi::OsString;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{ArgMatches, Command};

use crate::cli::table::{OPERANDS, operand_limits, table};

/// A command as given.
#[derive(Debug)]
pub(crate) struct Invocation {
    /// The words that name it (`["node", "setup"]`); empty when none was named, or one that does
    /// not exist.
    pub(crate) words: Vec<String>,
    /// Whether it is a command, and not a group of commands or nothing.
    pub(crate) complete: bool,
    levels: Vec<ArgMatches>,
}

/// The command line cannot be used.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum UsageError {
    /// Wrong options.
    Options(String),
    /// Wrong number of operands.
    Operands(String),
}

impl Invocation {
    /// Reads the words after the program's name.
    pub(crate) fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Self, UsageError> {
        let table = table();
        // Strings are UTF-8 here; other bytes are replaced where they enter.
        let given = arguments
            .into_iter()
            .map(|word| word.to_string_lossy().into_owned().into());
        let program = OsString::from(crate::version::PROGRAM);
        let arguments: Vec<OsString> = std::iter::once(program).chain(given).collect();
        let matches = match table.clone().try_get_matches_from(&arguments) {
            Ok(matches) => matches,
            Err(error) => return refuse(&table, &arguments, &error),
        };
        let invocation = Self::from_matches(&table, matches);
        invocation.check_operands(&table)?;
        Ok(invocation)
    }

    fn from_matches(table: &Command, matches: ArgMatches) -> Self {
        let mut words = Vec::new();
        let mut levels = vec![matches];
        let mut command = table;
        while let Some((name, inner)) = levels.last_mut().and_then(ArgMatches::remove_subcommand) {
            if let Some(found) = command.find_subcommand(&name) {
                command = found;
            }
            words.push(name);
            levels.push(inner);
        }
        Self {
            complete: !command.has_subcommands(),
            words,
            levels,
        }
    }

    fn check_operands(&self, table: &Command) -> Result<(), UsageError> {
        let given = self.operands().len();
        let command = self
            .words
            .iter()
            .try_fold(table, |c, word| c.find_subcommand(word));
        let Some((least, most)) = command.filter(|_| self.complete).map(operand_limits) else {
            return Ok(());
        };
        if self.flag("help") || self.flag("version") {
            return Ok(());
        }
        let plural = |count: usize| if count == 1 { "" } else { "s" };
        if given < least {
            return Err(UsageError::Operands(format!(
                "Too few arguments. Command needs at least {least} argument{}.",
                plural(least)
            )));
        }
        if given > most {
            return Err(UsageError::Operands(format!(
                "Too many arguments. At most {most} argument{} may be specified.",
                plural(most)
            )));
        }
        Ok(())
    }

    /// Whether a flag was given, before or after the command's name.
    pub(crate) fn flag(&self, name: &str) -> bool {
        self.levels.iter().any(|level| {
            level
                .try_get_one::<bool>(name)
                .ok()
                .flatten()
                .copied()
                .unwrap_or_default()
        })
    }

    /// The value of an option: the last one given.
    pub(crate) fn value(&self, name: &str) -> Option<String> {
        self.levels
            .iter()
            .rev()
            .find_map(|level| level.try_get_one::<String>(name).ok().flatten())
            .cloned()
    }

    /// The value of an option, unless it is missing or empty.
    pub(crate) fn nonempty(&self, name: &str) -> Option<String> {
        self.value(name).filter(|value| !value.is_empty())
    }

    /// All values of an option, in the order given.
    pub(crate) fn values(&self, name: &str) -> Vec<String> {
        self.levels
            .iter()
            .filter_map(|level| level.try_get_many::<String>(name).ok().flatten())
            .flatten()
            .cloned()
            .collect()
    }

    /// The words that are not options.
    pub(crate) fn operands(&self) -> Vec<String> {
        self.values(OPERANDS)
    }

    /// The words that name the command.
    pub(crate) fn words(&self) -> Vec<&str> {
        self.words.iter().map(String::as_str).collect()
    }
}

/// What to make of clap's complaint. An unknown command is none: the program then lists its
/// commands, as Icinga 2 does.
fn refuse(
    table: &Command,
    arguments: &[OsString],
    error: &clap::Error,
) -> Result<Invocation, UsageError> {
    let context = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => text.clone(),
        _ => String::new(),
    };
    let option = context(ContextKind::InvalidArg);
    let option = option.split_whitespace().next().unwrap_or_default();
    let text = match error.kind() {
        ErrorKind::InvalidSubcommand | ErrorKind::MissingSubcommand => return Ok(unknown_command()),
        ErrorKind::UnknownArgument if !option.starts_with('-') => return Ok(unknown_command()),
        ErrorKind::UnknownArgument => complaint_of_unknown(table, arguments, option),
        ErrorKind::InvalidValue if context(ContextKind::InvalidValue).is_empty() => {
            format!("the required argument for option '{option}' is missing")
        }
        ErrorKind::TooManyValues => format!("option '{option}' does not take any arguments"),
        _ => error
            .to_string()
            .lines()
            .next()
            .unwrap_or_default()
            .replace("error: ", ""),
    };
    Err(UsageError::Options(text))
}

fn unknown_command() -> Invocation {
    Invocation {
        words: Vec::new(),
        complete: false,
        levels: Vec::new(),
    }
}

/// Options may be cut short as long as they are unique.
fn complaint_of_unknown(table: &Command, arguments: &[OsString], option: &str) -> String {
    let given = option.split('=').next().unwrap_or_default();
    let command = arguments
        .iter()
        .skip(1)
        .filter_map(|word| word.to_str())
        .fold(table, |command, word| {
            command.find_subcommand(word).unwrap_or(command)
        });
    let mut candidates: Vec<String> = command
        .get_arguments()
        .filter_map(|arg| arg.get_long())
        .map(|long| format!("--{long}"))
        .filter(|long| given.len() > 2 && long.starts_with(given))
        .map(|long| format!("'{long}'"))
        .collect();
    candidates.sort();
    if candidates.len() > 1 {
        let last = candidates.pop().unwrap_or_default();
        return format!(
            "option '{given}' is ambiguous and matches {}, and {last}",
            candidates.join(", ")
        );
    }
    format!("unrecognised option '{option}'")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(words: &str) -> Result<Invocation, UsageError> {
        Invocation::parse(words.split_whitespace().map(OsString::from))
    }

    #[test]
    fn the_table_is_sound() {
        table().debug_assert();
    }

    #[test]
    fn globals_stand_before_or_after_the_command() {
        let given =
            parse("-D A=1 -xdebug daemon -DB=2 --define C=3 -C --color -c a -c b").expect("good");
        assert_eq!(given.words(), ["daemon"]);
        assert!(given.complete);
        assert_eq!(given.values("define"), ["A=1", "B=2", "C=3"]);
        assert_eq!(given.value("log-level").as_deref(), Some("debug"));
        assert!(given.flag("validate") && given.flag("color") && !given.flag("daemonize"));
        assert_eq!(given.values("config"), ["a", "b"]);
    }

    #[test]
    fn long_options_may_be_cut_short() {
        let given = parse("node setup --parent_h h,5665 --accept-conf --tick=x").expect("good");
        assert_eq!(given.value("parent_host").as_deref(), Some("h,5665"));
        assert!(given.flag("accept-config"));
        assert_eq!(given.value("ticket").as_deref(), Some("x"));
        assert_eq!(
            parse("node setup --c x").err(),
            Some(UsageError::Options(
                "option '--c' is ambiguous and matches '--cn', and '--color'".into()
            ))
        );
    }

    #[test]
    fn complaints_are_icingas() {
        for (words, complaint) in [
            ("daemon --frob", "unrecognised option '--frob'"),
            (
                "node setup --parent_h",
                "the required argument for option '--parent_host' is missing",
            ),
            (
                "pki ticket --cn",
                "the required argument for option '--cn' is missing",
            ),
        ] {
            assert_eq!(
                parse(words).err(),
                Some(UsageError::Options(complaint.into())),
                "{words}"
            );
        }
        for (words, complaint) in [
            (
                "daemon x y",
                "Too many arguments. At most 0 arguments may be specified.",
            ),
            (
                "ca sign",
                "Too few arguments. Command needs at least 1 argument.",
            ),
        ] {
            assert_eq!(
                parse(words).err(),
                Some(UsageError::Operands(complaint.into())),
                "{words}"
            );
        }
    }

    #[test]
    fn what_is_no_command_leads_to_the_list() {
        for words in ["", "frob", "frob --help", "node", "feature li"] {
            assert!(!parse(words).expect(words).complete, "{words}");
        }
        assert_eq!(
            parse("feature enable a b").expect("good").operands(),
            ["a", "b"]
        );
    }
}
