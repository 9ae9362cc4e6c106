//! The command line as a whole: the real program in temporary directories, and next to the real
//! Icinga 2 where that is installed.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

#[path = "support/place.rs"]
mod place;

use place::{Answer, Place};

/// Whether Icinga 2 can be compared with; says so when not.
fn has_icinga2(test: &str) -> bool {
    let found = Command::new("icinga2")
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    if !found {
        eprintln!("{test}: left out, because icinga2 is not installed (Debian: icinga2-bin)");
    }
    found
}

#[test]
fn misuse_is_answered_as_icinga2_does() {
    if !has_icinga2("misuse_is_answered_as_icinga2_does") {
        return;
    }
    let place = Place::new();
    for line in [
        "daemon --frob",
        "daemon x y",
        "feature list x",
        "feature enable",
        "node setup --c",
        "node setup",
        "node setup --cn a --endpoint m",
        "pki ticket",
        "pki ticket --cn a",
        "pki ticket --cn a --salt b",
        "pki ticket --cn=a --sal=b",
        "pki new-cert",
        "pki new-cert --cn a",
        "pki sign-csr",
        "pki sign-csr --csr x",
        "pki save-cert",
        "pki save-cert --host localhost",
        "pki request",
        "pki verify",
        "pki verify --cn a",
        "ca list",
        "ca list --json",
        "ca sign",
        "ca sign aa",
        "ca remove ../../x",
        "ca restore aa",
        "variable get",
        "console --eval 1+1",
        "console --syntax-only --eval 1+1",
    ] {
        let words: Vec<&str> = line.split_whitespace().collect();
        let (ours, theirs) = (place.bheka(&words), place.icinga2(&words));
        assert_eq!(ours.code, theirs.code, "{line}: {ours:?}");
        let facility = |line: &String| line.replace("critical/icinga-app:", "critical/bheka:");
        let theirs: Vec<String> = theirs.lines().iter().map(facility).collect();
        assert_eq!(ours.lines(), theirs, "{line}");
    }
}

#[test]
fn log_options_take_known_values_only() {
    let place = Place::new();
    let format = place.bheka(&["pki", "ticket", "--cn", "a", "--log-format", "bad"]);
    assert_eq!(format.code, 1);
    assert_eq!(
        format.lines(),
        ["critical/bheka: Invalid log format 'bad' set. Known are 'text' and 'json'."]
    );
    for good in ["text", "json"] {
        let words = ["pki", "ticket", "--cn=a", "--salt=b", "--log-format", good];
        assert_eq!(place.bheka(&words).code, 0, "{good}");
    }
    let level = place.bheka(&["variable", "list", "-x", "foo"]);
    assert_eq!(level.code, 1);
    let words = "critical/bheka: Invalid log level set. Default is 'information'.";
    assert_eq!(level.lines(), [words]);
}

#[test]
fn what_is_no_command_shows_the_commands() {
    let place = Place::new();
    for words in [
        &[][..],
        &["frob"],
        &["node"],
        &["feature", "li"],
        &["--help"],
    ] {
        let answer = place.bheka(words);
        assert_eq!(answer.code, 0, "{words:?}");
        assert!(
            answer.out.contains("  * node setup ("),
            "{words:?}: {}",
            answer.out
        );
    }
    let answer = place.bheka(&["node", "setup", "-h"]);
    assert!(answer.out.contains("--accept-commands") && answer.out.contains("-D [ --define ] K=V"));
    assert!(
        answer.out.lines().all(|line| line.chars().count() <= 80),
        "{}",
        answer.out
    );
    let answer = place.bheka(&["--version"]);
    assert_eq!(answer.code, 0);
    let cache = format!("  Cache directory: {}", place.at("cache").display());
    assert!(answer.has(&cache), "{}", answer.out);
}

#[test]
fn old_path_constants_move_what_is_below_them() {
    let output = Command::new(env!("CARGO_BIN_EXE_bheka"))
        .args([
            "--icinga2",
            "-V",
            "-DLocalStateDir=/l",
            "-D",
            "Configuration.RunDir=/r",
        ])
        .output()
        .expect("program");
    let out = String::from_utf8_lossy(&output.stdout).into_owned();
    for line in [
        "  Config directory: /etc/icinga2",
        "  Data directory: /l/lib/icinga2",
        "  PID path: /r/icinga2/icinga2.pid",
        "  Vars path: /l/cache/icinga2/icinga2.vars",
    ] {
        assert!(out.lines().any(|found| found == line), "{line}: {out}");
    }
}

#[test]
fn completions_and_manual_pages_come_from_the_table() {
    let place = Place::new();
    let answer = place.bheka(&["completion", "bash"]);
    assert_eq!(answer.code, 0);
    assert!(answer.out.contains("--accept-commands"));
    assert_eq!(place.bheka(&["completion", "nosh"]).code, 1);
    let man = place.at("man").display().to_string();
    assert_eq!(place.bheka(&["man", &man]).code, 0);
    let pages: BTreeSet<String> = fs::read_dir(man)
        .expect("folder")
        .map(|entry| {
            entry
                .expect("entry")
                .file_name()
                .to_string_lossy()
                .into_owned()
        })
        .collect();
    assert!(
        pages.contains("bheka.1") && pages.contains("bheka-node-setup.1"),
        "{pages:?}"
    );
}

const SAMPLE: &str = r#"
const NodeName = "node"
const Sample = { a = 1.5, b = [ 1, "x", { }, null, true ], c = 5 }
template Host "base" { check_interval = 1m }
template CheckCommand "none" { command = [ "/bin/true" ] }
object CheckCommand "check" { import "none" }
object Host "h" {
  import "base"
  check_command = "check"
  vars.a += [ 1, 2 ]
  vars.c["x y"] = { z = 5 }
  address = "1.2.3.4"
  groups = [ "g" ]
}
object HostGroup "g" { }
apply Service for (k => v in { aa = 1, bb = 2 }) {
  check_command = "check"
  vars.v = v
  assign where true
}
object User "u" { states = [ OK, Warning ] }
log(LogWarning, "sample", "said")
"#;

#[test]
fn validation_lists_and_variables_are_icinga2s() {
    let (ours, theirs) = (Place::new(), Place::new());
    ours.write("sample.conf", SAMPLE);
    theirs.write("sample.conf", SAMPLE);
    let words = ["daemon", "-C", "-c", "sample.conf"];
    let validated = ours.bheka(&words);
    assert_eq!(validated.code, 0, "{}", validated.out);
    assert!(validated.has("warning/sample: said"));
    assert!(validated.has("information/ConfigItem: Instantiated 2 Services."));
    let get = |name: &str| ours.bheka(&["variable", "get", name]).out;
    assert_eq!(get("NodeName"), "node\n");
    assert!(get("Sample").starts_with("{\n\ta = 1.500000\n"));
    assert_eq!(get("Nothing"), "\n");
    // What belongs to System.Configuration is no variable.
    let listed = ours.bheka(&["variable", "list"]);
    assert!(listed.has("NodeName = node") && !listed.out.contains("ProgramData"));
    if !has_icinga2("validation_lists_and_variables_are_icinga2s") {
        return;
    }
    let other = theirs.icinga2(&words);
    assert_eq!(other.code, 0, "{}", other.out);
    let counts = |answer: &Answer| -> BTreeSet<String> {
        answer
            .lines()
            .into_iter()
            .filter(|line| line.contains("Instantiated"))
            .collect()
    };
    assert_eq!(counts(&validated), counts(&other));
    for name in ["h", "U", "g"] {
        let words = ["object", "list", "--name", name];
        assert_eq!(ours.bheka(&words), theirs.icinga2(&words), "{name}");
    }
    let count = ["object", "list", "-c", "-t", "noth*"];
    assert_eq!(ours.bheka(&count), theirs.icinga2(&count));
    let sample = ["variable", "get", "Sample"];
    assert_eq!(ours.bheka(&sample), theirs.icinga2(&sample));
}

/// An empty answer means that there are no such objects, and nothing else.
#[test]
fn object_list_says_why_there_is_nothing() {
    let place = Place::new();
    place.write("sample.conf", SAMPLE);
    let list = |more: &[&str]| place.bheka(&[&["object", "list"], more].concat());
    let none = list(&[]);
    assert_eq!(none.code, 1);
    assert!(
        none.out.contains("Cannot open objects file '"),
        "{}",
        none.out
    );
    assert_eq!(place.bheka(&["daemon", "-C", "-c", "sample.conf"]).code, 0);
    let misspelt = list(&["--type", "Hots"]);
    assert_eq!(misspelt.code, 1);
    let text = "critical/cli: There is no type 'Hots'; did you mean 'Host'?";
    assert!(misspelt.has(text), "{}", misspelt.out);
    for pattern in ["host", "Downtime", "No*"] {
        assert_eq!(list(&["--type", pattern]).code, 0, "{pattern}");
    }
    // What a load left is damaged: then that is said, and not that it is missing.
    let cache = place.at("cache");
    let files = std::fs::read_dir(&cache).unwrap().flatten();
    let files: Vec<_> = files.map(|file| file.path()).collect();
    let of = |end: &str| {
        let mut files = files.iter();
        files
            .find(|file| file.to_string_lossy().ends_with(end))
            .unwrap()
    };
    let objects = of(".debug");
    let whole = std::fs::read(objects).unwrap();
    std::fs::write(objects, &whole[..whole.len() - 5]).unwrap();
    let cut = list(&[]);
    assert_eq!(cut.code, 1);
    let damage = "damaged: there is no whole record at byte ";
    assert!(cut.out.contains(damage), "{}", cut.out);
    assert!(cut.out.contains("daemon -C'"), "{}", cut.out);
    std::fs::remove_file(objects).unwrap();
    std::fs::write(of(".inputs"), "7:garbage,").unwrap();
    let lost = list(&[]);
    assert!(
        lost.code == 1 && lost.out.contains(".inputs' is damaged"),
        "{}",
        lost.out
    );
}

/// Downtimes and comments are made when they are evaluated, unless they say otherwise.
#[test]
fn what_is_made_knows_when() {
    let place = Place::new();
    let text = r#"
object CheckCommand "c" { command = [ "x" ] }
object Host "h" { check_command = "c" }
object Comment "now" { host_name = "h"; author = "a"; text = "t" }
object Comment "then" { host_name = "h"; author = "a"; text = "t"; entry_time = 5 }
object Downtime "d" {
  host_name = "h"; author = "a"; comment = "t"; start_time = 1; end_time = 2; fixed = true
  if (entry_time < 1700000000) { throw "before this was written" }
}
"#;
    place.write("sample.conf", text);
    let checked = place.bheka(&["daemon", "-C", "-c", "sample.conf"]);
    assert_eq!(checked.code, 0, "{}", checked.out);
    let listed = place.bheka(&["object", "list", "--name", "h!*"]);
    let times = listed.lines();
    let times: Vec<&str> = times
        .iter()
        .filter_map(|line| line.trim().strip_prefix("* entry_time = "))
        .collect();
    assert_eq!(times.len(), 3);
    assert_eq!(times.iter().filter(|it| **it == "5").count(), 1);
    assert!(!times.contains(&"0"), "{}", listed.out);
}

#[test]
fn a_master_computes_tickets_with_its_own_salt() {
    let (ours, theirs) = (Place::new(), Place::new());
    let compared = has_icinga2("a_master_computes_tickets_with_its_own_salt");
    let both = |words: &[&str]| {
        let answer = ours.bheka(words);
        if compared && words[0] == "pki" {
            assert_eq!(answer, theirs.icinga2(words), "{words:?}");
        }
        answer
    };
    let ticket = ["pki", "ticket", "--cn", "X"];
    let missing = "critical/cli: Ticket salt (--salt) must be specified.\n";
    let refused = |answer: Answer| assert_eq!((answer.out.as_str(), answer.code), (missing, 1));
    let given = [&ticket[..], &["-DTicketSalt=zzz"]].concat();
    refused(both(&ticket));
    refused(both(&given));
    for (salt, out) in [
        ("abc", "3bc69d0d0e194a2a7401bc11710bbd717092042d\n"),
        ("", missing),
    ] {
        let config = format!("const TicketSalt = \"{salt}\"\ninclude <itl>\n{SAMPLE}");
        for place in [&ours, &theirs] {
            place.write("salt.conf", &config);
        }
        let words = ["daemon", "-C", "-c", "salt.conf"];
        let validated = ours.bheka(&words);
        assert_eq!(validated.code, 0, "{}", validated.out);
        if compared {
            assert_eq!(theirs.icinga2(&words).code, 0);
        }
        assert_eq!(both(&ticket).out, out);
        // What the validation saw counts, not what this command is given.
        assert_eq!(both(&given).out, out);
    }
    let other = both(&[&ticket[..], &["--salt", "zzz"]].concat());
    assert_eq!(other.out, "315f776b88388c1d6f933cfbdef3f1b2ee1a0130\n");
}

#[test]
fn errors_are_shown_as_icinga2_shows_them() {
    let (ours, theirs) = (Place::new(), Place::new());
    let compared = has_icinga2("errors_are_shown_as_icinga2_shows_them");
    for (text, message) in [
        (
            "object Host \"a\" {\n\tcheck_command = \"nope\"\n}\n",
            "critical/config: Error: Validation failed for object 'a' of type 'Host'; Attribute \
             'check_command': Object 'nope' of type 'CheckCommand' does not exist.",
        ),
        (
            "object Host \"a\" {\n  import \"undefined\"\n}\n",
            "critical/config: Error: Import references unknown template: 'undefined'",
        ),
    ] {
        ours.write("bad.conf", text);
        theirs.write("bad.conf", text);
        let words = ["daemon", "-C", "-c", "bad.conf"];
        let answer = ours.bheka(&words);
        assert_eq!(answer.code, 1);
        assert!(answer.has(message), "{}", answer.out);
        assert!(answer.has("critical/config: 1 error"), "{}", answer.out);
        if compared {
            let other = theirs.icinga2(&words);
            let lines = |answer: &Answer, skipped: &str| -> Vec<String> {
                let lines = answer.lines().into_iter();
                lines
                    .skip_while(|line| !line.contains("critical"))
                    .filter(|line| !line.contains(skipped) && !line.starts_with("Help: "))
                    .collect()
            };
            let skipped = "Re-run with";
            assert_eq!(lines(&answer, skipped), lines(&other, skipped));
        }
    }
    let answer = ours.bheka(&["daemon", "-C", "-c", "missing.conf"]);
    assert_eq!(answer.code, 1);
    assert!(answer.out.contains("missing.conf") && answer.out.contains("No such file"));
}

#[test]
fn the_untouched_debian_configuration_is_valid() {
    let test = "the_untouched_debian_configuration_is_valid";
    if !has_icinga2(test) || !Path::new("/etc/icinga2/icinga2.conf").exists() {
        eprintln!("{test}: left out, because icinga2-common is not installed");
        return;
    }
    let place = Place::new();
    // Given last, this wins over the place's own.
    let words = ["daemon", "-C"];
    let arguments = |place: &Place| -> Vec<String> {
        let defines = place
            .defines()
            .into_iter()
            .filter(|it| !it.starts_with("-DConfigDir"));
        defines
            .chain(["-DConfigDir=/etc/icinga2".to_owned()])
            .collect()
    };
    let run = |program: &str, more: &[&str]| {
        let output = Command::new(program)
            .args(words)
            .args(more)
            .args(arguments(&place))
            .output()
            .expect("program");
        let out = String::from_utf8_lossy(&output.stdout).into_owned();
        Answer {
            out,
            code: output.status.code().unwrap_or(-1),
        }
    };
    let theirs = run("icinga2", &[]);
    if theirs.code != 0 {
        eprintln!(
            "{test}: left out, because icinga2 itself refuses it: {}",
            theirs.out
        );
        return;
    }
    let ours = run(env!("CARGO_BIN_EXE_bheka"), &["--icinga2", "-DRunAsUser="]);
    assert_eq!(ours.code, 0, "{}", ours.out);
    let counts = |answer: &Answer| -> BTreeSet<String> {
        answer
            .lines()
            .into_iter()
            .filter(|line| line.contains("Instantiated"))
            .collect()
    };
    assert_eq!(counts(&ours), counts(&theirs));
}

#[test]
fn directories_of_unknown_zones_do_not_count() {
    let place = Place::new();
    let host = |name: &str| format!("object Host \"{name}\" {{ check_command = \"c\" }}\n");
    place.write(
        "conf/bheka.conf",
        "object CheckCommand \"c\" { command = [ \"x\" ] }\nobject Endpoint \"n\" { }\n\
         object Zone \"known\" { endpoints = [ \"n\" ] }\nconst NodeName = \"n\"\n",
    );
    place.write("conf/zones.d/known/sub/a.conf", &host("in-known"));
    place.write("conf/zones.d/unknown/a.conf", &host("in-unknown"));
    place.write("data/api/zones/known/_etc/b.conf", &host("sent-but-ours"));
    place.write(
        "data/api/packages/pack/include.conf",
        "include \"*/include.conf\"\n",
    );
    place.write("data/api/packages/pack/active-stage", "s\n");
    place.write(
        "data/api/packages/pack/s/include.conf",
        "include_recursive \"conf.d\"\n",
    );
    place.write(
        "data/api/packages/pack/s/conf.d/x.conf",
        &host("in-package"),
    );
    let answer = place.bheka(&["daemon", "-C", "-x", "notice"]);
    assert_eq!(answer.code, 0, "{}", answer.out);
    let dir = place.at("conf/zones.d/unknown");
    assert!(answer.has(&format!(
        "warning/config: Ignoring directory '{}' for unknown zone 'unknown'.",
        dir.display()
    )));
    assert!(
        answer
            .out
            .contains("Ignoring non local config include for zone 'known'")
    );
    let listed = place.bheka(&["object", "list", "--type", "Host"]).out;
    assert!(
        listed.contains("'in-known'") && listed.contains("zone = \"known\""),
        "{listed}"
    );
    assert!(
        listed.contains("'in-package'") && listed.contains("package = \"pack\""),
        "{listed}"
    );
    assert!(
        !listed.contains("in-unknown") && !listed.contains("sent-but-ours"),
        "{listed}"
    );
}

#[test]
fn a_master_is_set_up_from_nothing() {
    let place = Place::new();
    let answer = place.bheka(&[
        "node",
        "setup",
        "--master",
        "--cn",
        "m1",
        "--zone",
        "mz",
        "--listen",
        "127.0.0.1,5777",
        "--global_zones",
        "extra",
    ]);
    assert_eq!(answer.code, 0, "{}", answer.out);
    for (file, mode) in [
        ("data/ca/ca.crt", 0o644),
        ("data/ca/ca.key", 0o600),
        ("data/certs/ca.crt", 0o644),
        ("data/certs/m1.crt", 0o644),
        ("data/certs/m1.key", 0o600),
        ("conf/conf.d/api-users.conf", 0o600),
        ("data/ca", 0o700),
    ] {
        assert_eq!(place.mode(file), mode, "{file}");
    }
    let constants = place.read("conf/constants.conf");
    assert!(
        constants.contains("const NodeName = \"m1\"\n"),
        "{constants}"
    );
    assert!(
        constants.contains("const ZoneName = \"mz\"\n"),
        "{constants}"
    );
    assert!(
        !constants.contains("const TicketSalt = \"\""),
        "{constants}"
    );
    assert!(
        place
            .read("conf/features-enabled/api.conf")
            .contains("bind_port = 5777")
    );
    assert!(
        place
            .read("conf/zones.conf")
            .contains("object Zone \"extra\"")
    );
    assert!(place.at("conf/zones.conf.orig").exists());
    let valid = place.bheka(&["daemon", "-C"]);
    assert_eq!(valid.code, 0, "{}", valid.out);
    let path = |name: &str| place.at(name).display().to_string();
    let verified = place.bheka(&[
        "pki",
        "verify",
        "--cert",
        &path("data/certs/m1.crt"),
        "--cacert",
        &path("data/certs/ca.crt"),
    ]);
    assert!(verified.has("information/cli: OK: Certificate with CN 'm1' is signed by CA."));
    // The CA's key is of the kind that every Icinga 2 can sign with, the node's is a cheap one.
    let head = |file: &str| place.read(file).lines().next().map(str::to_owned);
    assert_eq!(
        head("data/ca/ca.key").as_deref(),
        Some("-----BEGIN RSA PRIVATE KEY-----")
    );
    assert_eq!(
        head("data/certs/m1.key").as_deref(),
        Some("-----BEGIN PRIVATE KEY-----")
    );

    let (salted, key) = (
        place.read("conf/constants.conf"),
        place.read("data/certs/m1.key"),
    );
    let again = place.bheka(&["node", "setup", "--master", "--cn", "m1", "--zone", "mz"]);
    assert_eq!(again.code, 0, "{}", again.out);
    assert_eq!(
        place.read("conf/constants.conf"),
        salted,
        "the salt and with it all tickets stay"
    );
    assert_eq!(place.read("data/certs/m1.key"), key);
}

#[test]
fn an_agent_is_set_up_without_its_parent() {
    let place = Place::new();
    let answer = place.bheka(&[
        "node",
        "setup",
        "--cn",
        "a1",
        "--zone",
        "a1",
        "--endpoint",
        "m1,10.0.0.1,5999",
        "--ticket",
        "12ab",
        "--accept-config",
        "--accept-commands",
        "--disable-confd",
        "--parent_zone",
        "pz",
    ]);
    assert_eq!(answer.code, 0, "{}", answer.out);
    // The address of the endpoint does not count: without --parent_host nobody is asked.
    assert!(answer.has(
        "warning/cli: Node to master/satellite connection setup skipped. Please configure your \
         parent node to"
    ));
    let missing = "No connection to the parent node was specified.";
    assert_eq!(answer.out.matches(missing).count(), 2, "{}", answer.out);
    assert_eq!(place.read("data/certs/ticket"), "12ab", "no line break");
    assert_eq!(place.mode("data/certs/ticket"), 0o600);
    assert!(!place.at("conf/features-enabled/notification.conf").exists());
    let listener = place.read("conf/features-available/api.conf");
    assert!(listener.contains("accept_commands = true") && !listener.contains("ticket_salt"));
    assert!(place.read("conf/zones.conf").contains("port = \"5999\""));
    assert!(
        place
            .read("conf/bheka.conf")
            .contains("// include_recursive \"conf.d\"")
    );
    // As the warnings say, the parent's CA certificate is still missing.
    assert_eq!(place.bheka(&["daemon", "-C"]).code, 1);
    let parent = Place::new();
    assert_eq!(parent.bheka(&["pki", "new-ca"]).code, 0);
    place.write("data/certs/ca.crt", &parent.read("data/ca/ca.crt"));
    let validated = place.bheka(&["daemon", "-C"]);
    assert_eq!(validated.code, 0, "{}", validated.out);
    // Nothing is overwritten when the parent cannot be asked.
    let key = place.read("data/certs/a1.key");
    assert!(
        key.starts_with("-----BEGIN RSA PRIVATE KEY-----"),
        "as Icinga 2 makes it"
    );
    let refused = place.bheka(&[
        "node",
        "setup",
        "--cn",
        "a1",
        "--zone",
        "a1",
        "--endpoint",
        "m1",
        "--parent_host",
        "127.0.0.1,1",
    ]);
    assert_eq!(refused.code, 1);
    assert_eq!(place.read("data/certs/a1.key"), key);
}

#[test]
fn requests_are_listed_removed_restored_and_signed() {
    let place = Place::new();
    let path = |name: &str| place.at(name).display().to_string();
    assert_eq!(place.bheka(&["pki", "new-ca"]).code, 0);
    assert_eq!(
        place.bheka(&["pki", "new-ca"]).code,
        1,
        "there is one already"
    );
    let (key, cert) = (path("c.key"), path("c.crt"));
    let made = place.bheka(&[
        "pki", "new-cert", "--cn", "c", "--key", &key, "--cert", &cert,
    ]);
    assert_eq!(made.code, 0, "{}", made.out);
    let shown = place.bheka(&["pki", "verify", "--cert", &cert]).out;
    let line = shown
        .lines()
        .find(|line| line.contains("Fingerprint:"))
        .expect("fingerprint");
    let (_, digits) = line.split_once(':').expect("colon");
    let fingerprint = digits.replace(' ', "").to_lowercase();
    let request = serde_json::json!({ "cert_request": place.read("c.crt"), "ticket": "" });
    place.write(
        &format!("data/certificate-requests/{fingerprint}.json"),
        &request.to_string(),
    );
    let run = |words: &[&str]| {
        let words: Vec<&str> = words
            .iter()
            .map(|w| if *w == "FP" { fingerprint.as_str() } else { *w })
            .collect();
        place.bheka(&words)
    };
    let listed = || place.bheka(&["ca", "list"]).out.contains(&fingerprint);
    assert!(listed());
    assert!(
        run(&["ca", "remove", "FP"]).has("information/cli: Certificate request for CN c removed.")
    );
    assert!(!listed() && run(&["ca", "list", "--removed"]).out.contains(&fingerprint));
    assert_eq!(run(&["ca", "sign", "FP"]).code, 1);
    assert_eq!(run(&["ca", "restore", "FP"]).code, 0);
    assert!(listed());
    assert!(run(&["ca", "sign", "FP"]).has("information/cli: Signed certificate for 'CN = c'."));
    assert!(!listed());
    assert_eq!(run(&["ca", "remove", "FP"]).code, 1, "signed requests stay");
    let json = run(&["ca", "list", "--all", "--json"]).out;
    let json: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(json[&fingerprint]["subject"], "CN = c");
    place.write(
        "signed.crt",
        json[&fingerprint]["cert_response"]
            .as_str()
            .expect("certificate"),
    );
    let verified = place.bheka(&[
        "pki",
        "verify",
        "--cert",
        &path("signed.crt"),
        "--cacert",
        &path("data/ca/ca.crt"),
    ]);
    assert_eq!(verified.code, 0, "{}", verified.out);
    let wrong = place.bheka(&[
        "pki",
        "verify",
        "--cert",
        &cert,
        "--cacert",
        &path("data/ca/ca.crt"),
    ]);
    assert_eq!(wrong.code, 2);
    assert!(
        wrong.out.contains("self-signed certificate (code 18)"),
        "{}",
        wrong.out
    );
}

#[test]
fn features_are_links() {
    let place = Place::new();
    assert_eq!(
        place.bheka(&["feature", "list"]).code,
        1,
        "there is no configuration"
    );
    place.write("conf/features-available/one.conf", "");
    place.write("conf/features-available/two.conf", "");
    fs::create_dir(place.at("conf/features-enabled")).expect("folder");
    let enabled = place.bheka(&["feature", "enable", "one", "none", "../one"]);
    assert_eq!(enabled.code, 1);
    assert!(
        enabled.has("critical/cli: Cannot enable feature(s): none ../one"),
        "{}",
        enabled.out
    );
    let link = fs::read_link(place.at("conf/features-enabled/one.conf")).expect("link");
    assert_eq!(link, Path::new("../features-available/one.conf"));
    let listed = place.bheka(&["feature", "list"]);
    assert_eq!(
        listed.out,
        "Disabled features: two\nEnabled features: one\n"
    );
    if has_icinga2("features_are_links") {
        assert_eq!(place.icinga2(&["feature", "list"]).out, listed.out);
    }
    assert!(
        place
            .bheka(&["feature", "enable", "one"])
            .has("warning/cli: Feature 'one' already enabled.")
    );
    assert_eq!(place.bheka(&["feature", "disable", "one"]).code, 0);
    assert!(
        place
            .bheka(&["feature", "disable", "one"])
            .has("warning/cli: Feature 'one' already disabled.")
    );
}

#[test]
fn the_console_evaluates() {
    let place = Place::new();
    let eval = |text: &str| place.bheka(&["console", "--eval", text]);
    assert_eq!(eval("1 + 1").out, "2\n");
    assert_eq!(
        eval("[ 1, \"x\", { a = null } ]").out,
        "[1,\"x\",{\"a\":null}]\n"
    );
    assert_eq!(eval("log(\"hi\"); 5").out, "information/config: hi\n5\n");
    let failed = eval("nope");
    assert_eq!(failed.code, 1);
    assert!(
        failed
            .out
            .ends_with("Tried to access undefined script variable 'nope'\n")
    );
    let file = place.write("script", "var x = 3\nx * 2\n");
    assert_eq!(place.bheka(&["console", "-r", &file]).out, "6\n");
    assert_eq!(
        place.bheka(&["console", "-r", "missing"]).out,
        "Could not read file 'missing'.\n"
    );
    assert_eq!(
        place.bheka(&["console", "--syntax-only", "-e", "1 +"]).code,
        1
    );
    assert_eq!(
        place.bheka(&["console", "-DFoo=bar", "-e", "Foo"]).out,
        "\"bar\"\n"
    );
    let talk = place.bheka_with(&["console"], "x = 5\nfor (i in [ 1 ]) {\n  log(i)\n}\nx\n");
    assert!(talk.out.contains("<2> .. "), "{}", talk.out);
    assert!(talk.out.contains("5.000000\n"), "{}", talk.out);
}
