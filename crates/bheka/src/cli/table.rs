//! The one table of commands and options: parsing, help, completion and manual pages come from it.

use clap::{Arg, ArgAction, Command, ValueHint};

/// The whole command line.
pub(crate) fn table() -> Command {
    let root = Command::new(crate::version::PROGRAM)
        .about(crate::version::DESCRIPTION)
        .version(crate::version::VERSION)
        .subcommand(group("api", "the REST API").subcommand(api_setup()))
        .subcommand(ca())
        .subcommand(completion())
        .subcommand(console())
        .subcommand(daemon())
        .subcommand(demo())
        .subcommand(feature())
        .subcommand(group("fleet", "the endpoints of a running node").subcommand(fleet_status()))
        .subcommand(fmt())
        .subcommand(man())
        .subcommand(node())
        .subcommand(group("object", "configuration objects").subcommand(object_list()))
        .subcommand(pki())
        .subcommand(storm())
        .subcommand(variable());
    with_globals(root)
}

/// The options that every command takes, before or after its name.
pub(crate) const GLOBAL_HEADING: &str = "Global options";
/// The options of one command.
pub(crate) const COMMAND_HEADING: &str = "Command options";

fn with_globals(command: Command) -> Command {
    let subcommands: Vec<Command> = command
        .get_subcommands()
        .cloned()
        .map(with_globals)
        .collect();
    let mut command = command
        .disable_help_flag(true)
        .disable_version_flag(true)
        .disable_help_subcommand(true)
        .infer_long_args(true)
        .args_override_self(true)
        .next_help_heading(GLOBAL_HEADING)
        .args(globals());
    for subcommand in subcommands {
        let name = subcommand.get_name().to_owned();
        command = command.mut_subcommand(name, |_| subcommand);
    }
    command
}

fn globals() -> [Arg; 10] {
    [
        flag("help", "show this help").short('h'),
        flag("version", "show the version and the paths in use").short('V'),
        flag(
            "color",
            "colour the console log even when it does not go to a terminal",
        ),
        many(
            "define",
            "K=V",
            "define a constant (also Configuration.K=V); a path: ConfigDir, \
             DataDir, LogDir, CacheDir, SpoolDir, InitRunDir",
        )
        .short('D'),
        many(
            "include",
            "DIR",
            "add a directory to search for include <…>",
        )
        .short('I')
        .value_hint(ValueHint::DirPath),
        value(
            "log-level",
            "LEVEL",
            "what the console log shows: debug, notice, information \
             (default), warning or critical",
        )
        .short('x'),
        value(
            "log-format",
            "FORMAT",
            "how the console log is written: text (default) or json",
        ),
        flag(
            "script-debugger",
            "accepted for compatibility; breakpoints are not supported",
        )
        .short('X'),
        flag(
            "icinga2",
            "use Icinga 2's directories (/etc/icinga2, /var/lib/icinga2, …) and its \
             template library; BHEKA_ICINGA2=1 does the same",
        ),
        flag("no-stack-rlimit", "accepted for compatibility").hide(true),
    ]
}

fn daemon() -> Command {
    leaf(
        "daemon",
        "starts the monitoring daemon",
        "Starts the monitoring daemon.",
        [
            many(
                "config",
                "FILE",
                "read this configuration file (may be given several times)",
            )
            .short('c')
            .value_hint(ValueHint::FilePath),
            flag("no-config", "start without a configuration file").short('z'),
            flag("validate", "check the configuration and exit").short('C'),
            flag("dump-objects", "write the file that 'object list' reads"),
            value(
                "format",
                "FORMAT",
                "with --validate: how findings are written: text (default), or json: one object \
                 a line on standard output and nothing else there",
            ),
            value(
                "errorlog",
                "FILE",
                "write fatal errors to this file (with --daemonize or \
             --close-stdio)",
            )
            .short('e')
            .value_hint(ValueHint::FilePath),
            flag("daemonize", "go into the background once the daemon runs").short('d'),
            flag("close-stdio", "do not log to the console after the start"),
            // For the process that --daemonize starts.
            value(
                "detached-ready-file",
                "FILE",
                "file to make once the daemon runs",
            )
            .hide(true),
        ],
    )
}

fn node() -> Command {
    group("node", "this node's place in a cluster")
        .subcommand(leaf(
            "setup",
            "sets up this node",
            "Sets up this node as a master, or as an \
             agent or satellite of a parent.",
            [
                value("zone", "NAME", "name of the local zone"),
                many(
                    "endpoint",
                    "CN[,HOST[,PORT]]",
                    "connect to this endpoint of the parent zone",
                ),
                value(
                    "parent_host",
                    "HOST[,PORT]",
                    "ask this parent to sign the certificate",
                ),
                value("parent_zone", "NAME", "name of the parent zone"),
                value("listen", "HOST,PORT", "listen on this address"),
                value(
                    "ticket",
                    "TICKET",
                    "ticket for having the certificate signed at once",
                ),
                value(
                    "trustedcert",
                    "FILE",
                    "the parent's certificate, from 'pki save-cert'",
                )
                .value_hint(ValueHint::FilePath),
                value("cn", "CN", "common name of the certificate"),
                flag("accept-config", "accept configuration from the parent"),
                flag("accept-commands", "accept commands from the parent"),
                flag("master", "set up a master"),
                many(
                    "global_zones",
                    "NAME",
                    "further global zones beside 'global-templates' and \
                 'director-global'",
                ),
                flag("disable-confd", "do not read conf.d"),
                key_type(
                    "kind of key: rsa4096 or p256 (default: p256 for masters and satellites, \
                     rsa4096 for agents, whose zone has their own name)",
                ),
            ],
        ))
        .subcommand(leaf(
            "wizard",
            "sets up this node, asking questions",
            "Sets up this node by \
             asking questions on the terminal.",
            [flag("verbose", "log more")],
        ))
}

fn pki() -> Command {
    let file = |name: &'static str, help: &'static str| {
        value(name, "FILE", help).value_hint(ValueHint::FilePath)
    };
    group("pki", "certificates")
        .subcommand(leaf(
            "new-ca",
            "creates a certificate authority",
            "Creates a certificate \
             authority in the data directory.",
            [],
        ))
        .subcommand(leaf(
            "new-cert",
            "creates a key with a request or certificate",
            "Creates a \
             key, and a signing request, a self-signed certificate, or both.",
            [
                value("cn", "CN", "common name"),
                file("key", "key (written)"),
                file("csr", "signing request (written)"),
                file("cert", "certificate (written)"),
                key_type("kind of key: rsa4096 (default) or p256"),
            ],
        ))
        .subcommand(leaf(
            "rekey",
            "gives this node another key",
            "Makes another key for this node, and the certificate for it: at once where the CA's \
             key is on this node, else a parent is asked for it while the key in use stays. The \
             running daemon takes both up without dropping connections; the pair of before is \
             kept with the ending .bak.",
            [
                key_type("kind of key: p256 (default) or rsa4096"),
                value("cn", "CN", "common name of this node (default: NodeName)"),
                value(
                    "ticket",
                    "TICKET",
                    "ticket for having it signed at once by a parent",
                ),
            ],
        ))
        .subcommand(leaf(
            "request",
            "asks a parent for a certificate",
            "Asks a parent to sign \
             this node's certificate.",
            [
                file("key", "key (read)"),
                file("cert", "certificate (read and written)"),
                file("ca", "certificate of the authority (written)"),
                file("trustedcert", "the parent's certificate (read)"),
                value("host", "HOST", "the parent"),
                value("port", "PORT", "its port").default_value("5665"),
                value("ticket", "TICKET", "ticket for having it signed at once"),
            ],
        ))
        .subcommand(leaf(
            "save-cert",
            "fetches another node's certificate",
            "Fetches another \
             node's certificate, to be trusted later.",
            [
                file("trustedcert", "certificate (written)"),
                value("host", "HOST", "the node"),
                value("port", "PORT", "its port").default_value("5665"),
            ],
        ))
        .subcommand(leaf(
            "sign-csr",
            "signs a request",
            "Signs a certificate signing request with \
             the local authority.",
            [
                file("csr", "signing request (read)"),
                file("cert", "certificate (written)"),
            ],
        ))
        .subcommand(leaf(
            "ticket",
            "prints the ticket of a node",
            "Prints the ticket with which a \
             node gets its certificate signed at once.",
            [
                value("cn", "CN", "common name of the node"),
                value("salt", "SALT", "the authority's TicketSalt"),
            ],
        ))
        .subcommand(leaf(
            "verify",
            "checks certificates",
            "Prints a certificate, or checks its \
             name, its authority and its revocation.",
            [
                value("cn", "CN", "with --cert: the common name it must have"),
                file("cert", "certificate; alone: print it"),
                file(
                    "cacert",
                    "authority; alone: check that it is one; with --cert: that it signed \
                 the certificate",
                ),
                file("crl", "revocation list to check against"),
            ],
        ))
}

fn ca() -> Command {
    let fingerprint = || operands("FINGERPRINT", "fingerprint from 'ca list'");
    group("ca", "certificate requests of other nodes")
        .subcommand(leaf(
            "list",
            "lists certificate requests",
            "Lists certificate requests that \
             wait for a signature.",
            [
                flag("all", "list signed ones, too (they are kept for a week)"),
                flag("removed", "list removed ones, for 'ca restore'"),
                flag("json", "print JSON"),
            ],
        ))
        .subcommand(leaf(
            "remove",
            "removes a request",
            "Removes a certificate request that \
             waits.",
            [fingerprint()],
        ))
        .subcommand(leaf(
            "restore",
            "restores a removed request",
            "Restores a certificate request \
             that was removed.",
            [fingerprint()],
        ))
        .subcommand(leaf(
            "sign",
            "signs a request",
            "Signs a certificate request that waits.",
            [fingerprint()],
        ))
}

fn object_list() -> Command {
    leaf(
        "list",
        "lists objects",
        "Lists the objects of the configuration that was loaded or \
         validated last.",
        [
            flag("count", "only count them by type").short('c'),
            value("name", "PATTERN", "only those whose name matches (* and ?)").short('n'),
            value("type", "PATTERN", "only those whose type matches (* and ?)").short('t'),
        ],
    )
}

fn variable() -> Command {
    group("variable", "global variables")
        .subcommand(leaf(
            "get",
            "prints a variable",
            "Prints the value of one global variable.",
            [
                flag(
                    "current",
                    "use this process's value instead of the one last loaded",
                ),
                operands("NAME", "name of the variable"),
            ],
        ))
        .subcommand(leaf(
            "list",
            "lists variables",
            "Lists the global variables of the \
             configuration that was loaded or validated last.",
            [],
        ))
}

fn feature() -> Command {
    let names = || operands(FEATURE, "name of a feature");
    group("feature", "features")
        .subcommand(leaf(
            "disable",
            "disables features",
            "Disables features.",
            [names()],
        ))
        .subcommand(leaf(
            "enable",
            "enables features",
            "Enables features.",
            [names()],
        ))
        .subcommand(leaf(
            "list",
            "lists features",
            "Lists all features, enabled or not.",
            [],
        ))
}

fn fmt() -> Command {
    leaf(
        "fmt",
        "formats configuration files",
        "Formats configuration files in place; meaning and comments do not change.\n\
         Each PATH is a file, or a directory in which all *.conf are formatted, or '-'\n\
         for standard input, which goes to standard output. A file with a syntax error\n\
         is left as it is.\n\n\
         Exit codes: 1 if --check found files that would change, 2 if a file could not\n\
         be formatted.",
        [
            flag(
                "check",
                "change nothing; print the names of files that would change",
            ),
            flag("diff", "change nothing; print what would change"),
            operands(PATH, "file or directory to format, or '-'").value_hint(ValueHint::AnyPath),
        ],
    )
}

fn console() -> Command {
    leaf(
        "console",
        "evaluates expressions",
        "Evaluates expressions of the configuration \
         language.",
        [
            value(
                "connect",
                "URL",
                "evaluate them in a running daemon: https://USER:PASSWORD@HOST:5665/ \
                 (the environment variables ICINGA2_API_USERNAME and ICINGA2_API_PASSWORD win)",
            )
            .short('c'),
            value("eval", "EXPRESSION", "evaluate this and exit")
                .short('e')
                .allow_hyphen_values(true),
            value("file", "FILE", "evaluate this file and exit")
                .short('r')
                .value_hint(ValueHint::FilePath),
            flag(
                "syntax-only",
                "only check the syntax (with --eval or --file)",
            ),
            flag("sandbox", "forbid side effects"),
            value(
                "format",
                "FORMAT",
                "with --eval or --file: how answers are written: text (default), or json: one \
                 object a line",
            ),
        ],
    )
}

fn fleet_status() -> Command {
    leaf(
        "status",
        "shows how endpoints stand, and why they are not connected",
        "Shows how the endpoints of a running node stand, those without a connection first, and \
         why they are not connected. The exit code is 0 when all that were asked for are \
         connected, 2 when some are not, and 1 when the node cannot be asked.",
        [
            operands(
                ENDPOINT,
                "only these: names, also with * and ? (may be several)",
            ),
            value("zone", "ZONE", "only those of this zone, also with * and ?").short('z'),
            flag("failing", "only those that are dialled in vain"),
            flag(
                "connecting",
                "only those to which a connection is being made",
            ),
            flag(
                "all",
                "all of them, also where they do not fit the terminal",
            ),
            flag("watch", "show it again and again").short('w'),
            value("interval", "SECONDS", "with --watch: how often").default_value("2"),
            flag("json", "as JSON; with --watch one line each time"),
            value(
                "connect",
                "URL",
                "the node: https://USER:PASSWORD@HOST:5665/ (default https://localhost:5665/; \
                 the environment variables ICINGA2_API_USERNAME and ICINGA2_API_PASSWORD win; \
                 without a user the one in conf.d/api-users.conf)",
            )
            .short('c'),
        ],
    )
}

fn api_setup() -> Command {
    leaf(
        "setup",
        "prepares the API",
        "Creates what the API needs: an authority, a certificate, a \
         user, and the feature 'api'.",
        [
            value("cn", "CN", "common name of the certificate"),
            key_type("kind of key: p256 (default) or rsa4096"),
        ],
    )
}

fn demo() -> Command {
    leaf(
        "demo",
        "shows a master with a fleet of agents",
        "Starts, in a temporary directory, a \
         master and a simulated fleet of agents with real TLS connections, and shows a reload that \
         loses none of them.",
        [
            value("agents", "N", "how many agents").default_value("200"),
            flag("once", "end with a summary instead of running on"),
        ],
    )
}

fn storm() -> Command {
    leaf(
        "storm",
        "tests a master with simulated agents",
        "Tests a master with a simulated fleet of agents: real TLS connections, real messages. Any \
         master that speaks Icinga 2's protocol will do; --start runs one just for that, and \
         --config writes what another one has to know. The end is a report: when which share of \
         the agents was connected, what failed and why, how the API answered, what the master used.",
        [
            value("agents", "N", "how many agents").default_value("200"),
            value("prefix", "TEXT", "their names are this and a number").default_value("agent-"),
            value(
                "key",
                "KIND",
                "their keys: p256, rsa4096, or mixed (half of them each)",
            )
            .default_value("p256"),
            value(
                "keys",
                "N",
                "how many different keys of a kind they share (RSA keys take seconds each)",
            )
            .default_value("8"),
            value(
                "ca",
                "DIR",
                "sign their certificates with this directory's ca.crt and ca.key; \
                 otherwise with an authority made for them",
            )
            .value_hint(ValueHint::DirPath),
            value(
                "directory",
                "DIR",
                "keep authority and configuration here, and find them there again \
                 next time; otherwise in a temporary directory",
            )
            .value_hint(ValueHint::DirPath),
            value(
                "direction",
                "WHO",
                "who dials: master (default), agents, or both",
            )
            .default_value("master"),
            value(
                "listen",
                "ADDRESS",
                "where the agents wait: an address of this machine, or a network \
                 (127.1.0.0/16) of which each has its own",
            )
            .default_value("127.0.0.1"),
            value(
                "port",
                "PORT",
                "the port at which they wait; otherwise a free one",
            ),
            value("dial", "HOST:PORT", "the master that the agents dial"),
            value("retry", "SECONDS", "when agents that dial try again").default_value("10"),
            value(
                "spread",
                "SECONDS",
                "within this time agents begin to dial, instead of all at once",
            )
            .default_value("0"),
            value("master", "NAME", "the name of the master's endpoint").default_value("master"),
            value(
                "zone",
                "NAME",
                "the master's zone; otherwise the name of its endpoint",
            ),
            value(
                "config",
                "FILE",
                "write the agents' endpoints and zones for the master's configuration",
            )
            .value_hint(ValueHint::FilePath),
            value(
                "checks",
                "SECONDS",
                "let the master have a check run by each agent this often",
            ),
            value(
                "start",
                "PROGRAM",
                "run a master just for the test: bheka or icinga2",
            )
            .value_hint(ValueHint::CommandName),
            value(
                "api",
                "URL",
                "ask this API meanwhile: https://user:password@host:5665; \
                 ICINGA2_API_USERNAME and ICINGA2_API_PASSWORD win over the URL",
            ),
            value("api-interval", "SECONDS", "how often to ask").default_value("0.25"),
            value(
                "pid",
                "PID",
                "the master's process, or a file that holds its number: what it uses is \
                 reported",
            ),
            value("delay", "SECONDS", "how long a check runs").default_value("0"),
            value(
                "handshake-delay",
                "SECONDS",
                "how long agents hesitate before each handshake",
            )
            .default_value("0"),
            value("blackhole", "PERCENT", "agents whose packets are lost").default_value("0"),
            value(
                "mute",
                "PERCENT",
                "agents that take connections and say nothing",
            )
            .default_value("0"),
            value("refuse", "PERCENT", "agents that refuse connections").default_value("0"),
            value(
                "slow",
                "PERCENT",
                "agents that pause after each message that they read",
            )
            .default_value("0"),
            value("slow-pause", "SECONDS", "how long").default_value("1"),
            value(
                "waves",
                "N",
                "once all are connected, let agents leave and come back so often",
            )
            .default_value("0"),
            value("wave", "PERCENT", "how many leave in each wave").default_value("30"),
            flag("abrupt", "they leave without a word, as if killed"),
            value("cut", "SECONDS", "then cut the network for so long"),
            value(
                "reloads",
                "N",
                "then reload the master so often (with --start or --pid)",
            )
            .default_value("0"),
            value("hold", "SECONDS", "then watch for so long").default_value("0"),
            value(
                "patience",
                "SECONDS",
                "how long to wait until all are connected",
            )
            .default_value("600"),
            value(
                "json",
                "FILE",
                "write the report as JSON; - is standard output, and then nothing \
                 else is shown",
            )
            .value_hint(ValueHint::FilePath),
        ],
    )
}

fn completion() -> Command {
    leaf(
        "completion",
        "prints a shell's completion script",
        "Prints a completion script for bash, \
         elvish, fish, powershell or zsh.",
        [operands("SHELL", "name of the shell")],
    )
}

fn man() -> Command {
    leaf(
        "man",
        "writes manual pages",
        "Writes a manual page for every command into a directory.",
        [operands("DIR", "where to write them").value_hint(ValueHint::DirPath)],
    )
}

fn group(name: &'static str, about: &'static str) -> Command {
    Command::new(name).about(about)
}

fn leaf<const N: usize>(
    name: &'static str,
    about: &'static str,
    long_about: &'static str,
    args: [Arg; N],
) -> Command {
    let command = Command::new(name).about(about).long_about(long_about);
    let takes_operands = args.iter().any(Arg::is_positional);
    let command = command.next_help_heading(COMMAND_HEADING).args(args);
    if takes_operands {
        command
    } else {
        command.arg(operands("", "").hide(true))
    }
}

fn flag(name: &'static str, help: &'static str) -> Arg {
    Arg::new(name)
        .long(name)
        .help(help)
        .action(ArgAction::SetTrue)
}

fn value(name: &'static str, placeholder: &'static str, help: &'static str) -> Arg {
    Arg::new(name)
        .long(name)
        .help(help)
        .value_name(placeholder)
        .action(ArgAction::Set)
}

fn many(name: &'static str, placeholder: &'static str, help: &'static str) -> Arg {
    value(name, placeholder, help).action(ArgAction::Append)
}

fn key_type(help: &'static str) -> Arg {
    value("key-type", "TYPE", help)
}

/// Words that are not options. How many a command takes is checked after parsing
/// ([`operand_limits`]), in Icinga 2's words.
fn operands(placeholder: &'static str, help: &'static str) -> Arg {
    let name = if placeholder.is_empty() {
        NO_OPERANDS
    } else {
        placeholder
    };
    Arg::new(OPERANDS)
        .value_name(name)
        .help(help)
        .num_args(0..)
        .action(ArgAction::Append)
}

/// The fewest and most operands that a command takes.
pub(crate) fn operand_limits(command: &Command) -> (usize, usize) {
    command.get_positionals().next().map_or((0, 0), |operands| {
        match operands
            .get_value_names()
            .and_then(|names| names.first())
            .map(|name| name.as_str())
        {
            Some(FEATURE) => (1, usize::MAX),
            Some(PATH | ENDPOINT) => (0, usize::MAX),
            Some(NO_OPERANDS) | None => (0, 0),
            Some(_) => (1, 1),
        }
    })
}

/// The id of the operands of every command.
pub(crate) const OPERANDS: &str = "operands";
const FEATURE: &str = "FEATURE";
const PATH: &str = "PATH";
const ENDPOINT: &str = "ENDPOINT";
const NO_OPERANDS: &str = "NONE";
