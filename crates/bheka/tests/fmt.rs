//! `bheka fmt` as a whole: the real program on files in temporary directories.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use tempfile::TempDir;

const UNTIDY: &str = "object Host \"a\"{\n\taddress=\"192.0.2.1\";  // why\n}\n";
const TIDY: &str = "object Host \"a\" {\n  address = \"192.0.2.1\" // why\n}\n";
const BROKEN: &str = "object Host \"a\" {\n  address =\n}\n";

/// What a command printed, and its exit code.
#[derive(Debug, PartialEq, Eq)]
struct Answer {
    out: String,
    err: String,
    code: i32,
}

struct Place {
    root: TempDir,
}

impl Place {
    fn new() -> Self {
        Self {
            root: tempfile::tempdir().expect("folder"),
        }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        let path = self.at(name);
        fs::create_dir_all(path.parent().expect("parent")).expect("folder");
        fs::write(&path, text).expect("file");
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.at(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// Runs `bheka fmt` in the directory.
    fn fmt(&self, words: &[&str]) -> Answer {
        self.fmt_with(words, "")
    }

    fn fmt_with(&self, words: &[&str], input: &str) -> Answer {
        let mut child = Command::new(env!("CARGO_BIN_EXE_bheka"))
            .arg("fmt")
            .args(words)
            .current_dir(self.root.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("program");
        let mut stdin = child.stdin.take().expect("stdin");
        // The program need not read it.
        let _ = stdin.write_all(input.as_bytes());
        drop(stdin);
        let output = child.wait_with_output().expect("output");
        Answer {
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
            code: output.status.code().unwrap_or(-1),
        }
    }

    /// Everything in the directory, hidden files too.
    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.root.path()).expect("folder");
        let mut names: Vec<String> = entries
            .map(|entry| {
                entry
                    .expect("entry")
                    .file_name()
                    .to_string_lossy()
                    .into_owned()
            })
            .collect();
        names.sort();
        names
    }
}

fn answer(out: &str, code: i32) -> Answer {
    Answer {
        out: out.to_owned(),
        err: String::new(),
        code,
    }
}

#[test]
fn a_file_is_formatted_in_place() {
    let place = Place::new();
    place.write("a.conf", UNTIDY);
    fs::set_permissions(place.at("a.conf"), fs::Permissions::from_mode(0o604)).expect("mode");
    let said = place.fmt(&["a.conf"]);
    assert_eq!(said, answer("information/cli: Formatted 'a.conf'.\n", 0));
    assert_eq!(place.read("a.conf"), TIDY);
    assert_eq!(place.names(), ["a.conf"], "nothing is left behind");
    let before = fs::metadata(place.at("a.conf")).expect("file");
    assert_eq!(before.mode() & 0o7777, 0o604);
    // Formatted already: not touched.
    assert_eq!(place.fmt(&["a.conf"]), answer("", 0));
    let after = fs::metadata(place.at("a.conf")).expect("file");
    assert_eq!(
        (before.ino(), before.mtime_nsec()),
        (after.ino(), after.mtime_nsec())
    );
}

#[test]
fn the_owner_stays() {
    let place = Place::new();
    place.write("a.conf", UNTIDY);
    if std::os::unix::fs::chown(place.at("a.conf"), Some(65_533), Some(65_532)).is_err() {
        eprintln!("the_owner_stays: left out, because only root can give files away");
        return;
    }
    assert_eq!(place.fmt(&["a.conf"]).code, 0);
    let is = fs::metadata(place.at("a.conf")).expect("file");
    assert_eq!((is.uid(), is.gid()), (65_533, 65_532));
    assert_eq!(place.read("a.conf"), TIDY);
}

#[test]
fn directories_are_searched_for_configuration() {
    let place = Place::new();
    for name in ["conf/b.conf", "conf/a.conf", "conf/sub/dir/c.conf"] {
        place.write(name, UNTIDY);
    }
    place.write("conf/README", UNTIDY);
    place.write("conf/.hidden.conf", UNTIDY);
    place.write("conf/.git/x.conf", UNTIDY);
    place.write("elsewhere.conf", UNTIDY);
    symlink("../elsewhere.conf", place.at("conf/link.conf")).expect("link");
    symlink("..", place.at("conf/up")).expect("link");
    assert_eq!(
        place.fmt(&["--check", "conf"]),
        answer("conf/a.conf\nconf/b.conf\nconf/sub/dir/c.conf\n", 1)
    );
    assert_eq!(place.read("conf/a.conf"), UNTIDY, "--check changes nothing");
    let said = place.fmt(&["conf"]);
    assert_eq!((said.code, said.out.lines().count()), (0, 3), "{said:?}");
    assert_eq!(place.read("conf/sub/dir/c.conf"), TIDY);
    for name in [
        "conf/README",
        "conf/.hidden.conf",
        "conf/.git/x.conf",
        "elsewhere.conf",
    ] {
        assert_eq!(place.read(name), UNTIDY, "{name}");
    }
    assert_eq!(place.fmt(&["--check", "conf"]), answer("", 0));
}

#[test]
fn a_link_that_is_named_is_followed() {
    let place = Place::new();
    place.write("available/a.conf", UNTIDY);
    fs::create_dir(place.at("enabled")).expect("folder");
    symlink("../available/a.conf", place.at("enabled/a.conf")).expect("link");
    assert_eq!(place.fmt(&["enabled/a.conf"]).code, 0);
    assert_eq!(place.read("available/a.conf"), TIDY);
    let link = fs::symlink_metadata(place.at("enabled/a.conf")).expect("link");
    assert!(link.is_symlink());
}

#[test]
fn what_does_not_parse_is_left_alone_and_the_others_are_formatted() {
    let place = Place::new();
    place.write("a.conf", BROKEN);
    place.write("b.conf", UNTIDY);
    let said = place.fmt(&["a.conf", "b.conf", "missing.conf"]);
    assert_eq!(said.code, 2);
    assert_eq!(said.out, "information/cli: Formatted 'b.conf'.\n");
    let errors: Vec<&str> = said.err.lines().collect();
    assert!(
        errors[0].starts_with("critical/cli: a.conf:2:12: syntax error, unexpected new-line")
            || errors[0].starts_with("critical/cli: a.conf:3:1: syntax error, unexpected new-line"),
        "{said:?}"
    );
    assert!(errors.contains(&"a.conf(2):   address ="), "{said:?}");
    let last = errors.last().expect("a line");
    assert_eq!(
        *last,
        "critical/cli: cannot format 'missing.conf': No such file or directory"
    );
    assert_eq!(place.read("a.conf"), BROKEN);
    assert_eq!(place.read("b.conf"), TIDY);
    // Errors count more than differences.
    place.write("b.conf", UNTIDY);
    let said = place.fmt(&["--check", "."]);
    assert_eq!((said.code, said.out.as_str()), (2, "./b.conf\n"));
}

#[test]
fn what_could_lose_its_meaning_is_left_alone() {
    let place = Place::new();
    for (name, text, words) in [
        (
            "latin.conf",
            &b"x = 1\ny = \"\xe4\"\n"[..],
            "latin.conf:2: this line is not UTF-8",
        ),
        (
            "mark.conf",
            "\u{feff}x=1\n".as_bytes(),
            "mark.conf:1:1: the parser reads this text only",
        ),
        (
            "nul.conf",
            &b"x=1\n\0y=2\n"[..],
            "nul.conf:2:1: the parser reads this text only",
        ),
        (
            "line.conf",
            &b"\n\n\nx=current_line\n"[..],
            "line.conf:4:3: 'current_line' would move",
        ),
    ] {
        place.write(name, text);
        let said = place.fmt(&[name]);
        assert_eq!((said.code, said.out.as_str()), (2, ""), "{said:?}");
        assert!(said.err.contains(words), "{said:?}");
        assert_eq!(fs::read(place.at(name)).expect("file"), text, "{name}");
    }
    place.write("hard.conf", UNTIDY);
    fs::hard_link(place.at("hard.conf"), place.at("other.conf")).expect("link");
    let said = place.fmt(&["hard.conf"]);
    assert!(
        said.code == 2 && said.err.contains("2 names (hard links)"),
        "{said:?}"
    );
    assert_eq!(place.read("other.conf"), UNTIDY);
    assert_eq!(place.fmt(&["--check", "/dev/null"]).code, 2);
}

#[test]
fn a_diff_shows_what_would_change() {
    let place = Place::new();
    place.write("a.conf", UNTIDY);
    place.write("b.conf", TIDY);
    let diff = "--- a.conf\n+++ a.conf (formatted)\n@@ -1,3 +1,3 @@\n-object Host \"a\"{\n\
                -\taddress=\"192.0.2.1\";  // why\n+object Host \"a\" {\n\
                +  address = \"192.0.2.1\" // why\n }\n";
    assert_eq!(place.fmt(&["--diff", "."]).code, 0);
    assert_eq!(place.fmt(&["--diff", "a.conf", "b.conf"]), answer(diff, 0));
    assert_eq!(place.fmt(&["--diff", "--check", "a.conf"]), answer(diff, 1));
    assert_eq!(place.read("a.conf"), UNTIDY);
}

#[test]
fn standard_input_goes_to_standard_output() {
    let place = Place::new();
    assert_eq!(place.fmt_with(&["-"], UNTIDY), answer(TIDY, 0));
    assert_eq!(place.fmt_with(&[], UNTIDY), answer(TIDY, 0));
    assert_eq!(
        place.fmt_with(&["--check", "-"], UNTIDY),
        answer("<stdin>\n", 1)
    );
    assert_eq!(place.fmt_with(&["--check"], TIDY), answer("", 0));
    assert_eq!(place.fmt_with(&["-"], ""), answer("", 0));
    let said = place.fmt_with(&["-"], BROKEN);
    assert_eq!((said.code, said.out.as_str()), (2, ""));
    assert!(said.err.contains("<stdin>:"), "{said:?}");
    assert!(place.names().is_empty());
}

#[test]
fn help_tells_of_it() {
    let said = Place::new().fmt(&["--help"]);
    assert_eq!(said.code, 0);
    for words in [
        "bheka fmt",
        "--check",
        "--diff",
        "standard input",
        "Exit codes",
    ] {
        assert!(said.out.contains(words), "{words}: {}", said.out);
    }
}
