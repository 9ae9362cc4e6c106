//! The formatter: what its style looks like, and that it changes nothing else.

#[path = "../../../fuzz/bodies/format.rs"]
mod body;

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use bheka_syntax::format::{Style, format};
use bheka_syntax::{parse, tokens};
use proptest::prelude::*;
use serde_json::Value;

/// Formats `source`, which must be possible, and checks what must hold for every text.
fn formatted(source: &str) -> String {
    body::check(source);
    match format(source, &Style::default()) {
        Ok(text) => text,
        Err(diagnostics) => panic!("{source:.2000}\n{:?}", diagnostics.first()),
    }
}

#[track_caller]
fn becomes(source: &str, expected: &str) {
    let found = formatted(source);
    assert_eq!(
        found, expected,
        "\n--- found\n{found}--- expected\n{expected}---"
    );
}

#[track_caller]
fn stays(source: &str) {
    becomes(source, source);
}

// Style

#[test]
fn objects_are_indented_by_two() {
    becomes(
        "object   Host\t\"a\"{\n\timport \"generic\"\n\n\n\n\taddress=\"192.0.2.1\";vars.os = \"Linux\"\n}",
        "object Host \"a\" {\n  import \"generic\"\n\n  address = \"192.0.2.1\"\n  vars.os = \"Linux\"\n}\n",
    );
    stays("object Host \"a\" { }\n");
    becomes("object Host \"a\" {}", "object Host \"a\" { }\n");
    stays("template Host \"a\" default {\n}\n");
    becomes(
        "template  User \"a\" use(x , y=5m)ignore_on_error {\n\n}\n",
        "template User \"a\" use (x, y = 5m) ignore_on_error {\n}\n",
    );
}

#[test]
fn one_line_stays_one_line_if_it_fits() {
    stays("object Endpoint \"a\" { host = \"192.0.2.1\"; port = 5665 }\n");
    becomes("x={a=1,b=2,}", "x = { a = 1, b = 2 }\n");
    becomes("x={ a=1\nb=2 }", "x = {\n  a = 1\n  b = 2\n}\n");
    let long = "a".repeat(60);
    becomes(
        &format!("x={{ y = \"{long}\"; z = \"{long}\" }}"),
        &format!("x = {{\n  y = \"{long}\"\n  z = \"{long}\"\n}}\n"),
    );
    becomes("a = 1; b = 2, c = 3", "a = 1\nb = 2\nc = 3\n");
}

#[test]
fn lists() {
    becomes("x=[]\ny=[  ]\nz=[\n]", "x = []\ny = []\nz = []\n");
    becomes("x=[1,2 ,3,]", "x = [ 1, 2, 3 ]\n");
    becomes(
        "x=[1,2,\n   3,4,\n\n\n5]",
        "x = [\n  1, 2,\n  3, 4,\n\n  5\n]\n",
    );
    let long = "a".repeat(30);
    becomes(
        &format!("object X \"y\" {{\n x = [ \"{long}\", \"{long}\", f(\"{long}\", 1), ]\n}}"),
        &format!(
            "object X \"y\" {{\n  x = [\n    \"{long}\",\n    \"{long}\",\n    f(\"{long}\", 1),\n  ]\n}}\n"
        ),
    );
    becomes(
        "x = [ {\n a = 1 }, {\n b = 2 } ]",
        "x = [ {\n  a = 1\n}, {\n  b = 2\n} ]\n",
    );
}

#[test]
fn exactly_as_wide_as_allowed() {
    let list = |length: usize| format!("x = [ \"{}\", 1 ]\n", "a".repeat(length));
    stays(&list(87));
    assert_eq!(list(87).len(), 101, "with the line end");
    becomes(
        &list(88),
        &format!("x = [\n  \"{}\",\n  1\n]\n", "a".repeat(88)),
    );
    // Characters count, not bytes.
    stays(&format!("x = [ \"{}\", 1 ]\n", "ä".repeat(87)));
}

#[test]
fn expressions() {
    becomes(
        "x=a+b*-c- -d%!e&&(  ~f ||g )!=h.i [ 0 ] . j",
        "x = a + b * -c - -d % !e && (~f || g) != h.i[0].j\n",
    );
    becomes("x=& &y", "x = & &y\n");
    becomes("x = ! inside", "x = ! inside\n");
    becomes("x = a !in b", "x = a !in b\n");
    becomes("*x=5\n &x . y", "*x = 5\n&x.y\n");
    becomes("x=a<b\ny = c>d", "x = a < b\ny = c > d\n");
    becomes("x=a?b:c", "x = a ? b : c\n");
    becomes(
        "f = function (a,b)use(c){return a }",
        "f = function(a, b) use (c) { return a }\n",
    );
    becomes("function   f ( ) { }", "function f() { }\n");
    becomes(
        "f=(x)use(y)=>x+y\ng=x=>x\nh={{1}}\ni={{}}\nj = () => {}",
        "f = (x) use (y) => x + y\ng = x => x\nh = {{ 1 }}\ni = {{}}\nj = () => {}\n",
    );
    becomes("f( 1 , g (2), )", "f(1, g(2),)\n");
    becomes("x = {{ {} }}", "x = {{ {} }}\n");
    becomes("x = { y = {{ 1 }} }", "x = { y = {{ 1 }} }\n");
    becomes("x.@import=1", "x.@import = 1\n");
}

#[test]
fn statements() {
    becomes(
        "if(a){b()}else if(c){d()}else{e()}",
        "if (a) { b() } else if (c) { d() } else { e() }\n",
    );
    becomes(
        "if(a){\nb()}else if(c){d()}else{e()}",
        "if (a) {\n  b()\n} else if (c) {\n  d()\n} else {\n  e()\n}\n",
    );
    becomes(
        "if(a){b()}else{\ne()}",
        "if (a) {\n  b()\n} else {\n  e()\n}\n",
    );
    becomes(
        "while(a){b()}\nfor(k=>v in c){d()}\ntry{a()}except{\nb() }",
        "while (a) { b() }\nfor (k => v in c) { d() }\ntry {\n  a()\n} except {\n  b()\n}\n",
    );
    becomes(
        "include<itl>\ninclude \"a\"\ninclude_recursive \"a\",\"b\"\ninclude_zones \"a\",\"b\",\"c\",\nx = 1",
        "include <itl>\ninclude \"a\"\ninclude_recursive \"a\", \"b\"\ninclude_zones \"a\", \"b\", \"c\"\nx = 1\n",
    );
    becomes(
        "apply Service(\"a\"+b)for(d=>c in host.vars.d)to Host{assign where a&&\"b\"in c;ignore where x}",
        "apply Service (\"a\" + b) for (d => c in host.vars.d) to Host {\n  assign where a && \"b\" in c\n  ignore where x\n}\n",
    );
    becomes(
        "const X=1\nvar y=2\nnamespace a.b{c=1}\nusing d\nlibrary \"e\"\nthrow f",
        "const X = 1\nvar y = 2\nnamespace a.b { c = 1 }\nusing d\nlibrary \"e\"\nthrow f\n",
    );
}

#[test]
fn line_ends_in_parentheses_stay() {
    becomes(
        "object X \"y\" {\nassign where (a||\n b&&(c\n||d)\n)\n}",
        "object X \"y\" {\n  assign where (a ||\n    b && (c\n      || d)\n  )\n}\n",
    );
    becomes(
        "f(a,{\nb=1\n},\n[1,\n2])\n",
        "f(a, {\n  b = 1\n},\n  [\n    1,\n    2\n  ])\n",
    );
    becomes("if (a &&\nb) {\nc()\n}", "if (a &&\n  b) {\n  c()\n}\n");
    becomes("f(\n)", "f()\n");
}

/// Icinga 2 ignores line ends in parentheses also in `{{ }}` and in the body of `=>`, but not in
/// other braces, unless these are in such a body.
#[test]
fn separators_stay_where_line_ends_are_none() {
    becomes(
        "f({{ a = 1;b = 2, // c\n /* d */ g(); }})",
        "f({{\n  a = 1;\n  b = 2, // c\n  /* d */ g()\n}})\n",
    );
    becomes(
        "f(x => {\na=1;b(); /*c*/ d = [ e => {\nh = 1;i\n} ];})",
        "f(x => {\n  a = 1;\n  b();\n  /*c*/ d = [ e => {\n    h = 1;\n    i\n  } ]\n})\n",
    );
    becomes(
        "f({{ x = {\na = 1;b = {{\nc = 1;d = 2 }} } }})",
        "f({{\n  x = {\n    a = 1\n    b = {{\n      c = 1\n      d = 2\n    }}\n  }\n}})\n",
    );
    becomes(
        "f(x => {\nif (x) {\na = 1;b = {{\nc = 1;d = 2 }} } })",
        "f(x => {\n  if (x) {\n    a = 1;\n    b = {{\n      c = 1;\n      d = 2\n    }}\n  }\n})\n",
    );
    becomes(
        "f = x => {\na = 1;b = ({\nc = 1;d = 2 })}",
        "f = x => {\n  a = 1\n  b = ({\n    c = 1;\n    d = 2\n  })\n}\n",
    );
    becomes(
        "f(function() {\na = 1;b = 2;\n})",
        "f(function() {\n  a = 1\n  b = 2\n})\n",
    );
    becomes("x = {{\na = 1;b = 2;\n}}", "x = {{\n  a = 1\n  b = 2\n}}\n");
}

#[test]
fn literals_are_not_rewritten() {
    stays("x = [ 5m, 300, 5.0, 0.50s, 007, 10ms ]\n");
    stays("x = \"\\\"\\n\\101\\\\\"\n");
    becomes("x={{{  a\n   b }}}", "x = {{{  a\n   b }}}\n");
    stays("x = {{{ \r\n \r\n }}}\n");
    becomes(
        "object X \"y\" {\n   x = \"a\\\n  b\"\n}",
        "object X \"y\" {\n  x = \"a\\\n  b\"\n}\n",
    );
}

#[test]
fn comments_stay_where_they_are() {
    becomes(
        "  // first  \n#second\n\n\nx=1;// third\n{{}}() # fourth\n\n// last",
        "// first\n#second\n\nx = 1 // third\n{{}}() # fourth\n\n// last\n",
    );
    becomes(
        "x={// a\n\n/* b */y=1 /* c */;/* d */z=2/* e */\n// f\n}",
        "x = { // a\n\n  /* b */ y = 1 /* c */\n  /* d */ z = 2 /* e */\n  // f\n}\n",
    );
    becomes(
        "x=[1,// a\n2/*b*/,/*c*/3 // d\n// e\n]",
        "x = [\n  1, // a\n  2 /*b*/, /*c*/ 3 // d\n  // e\n]\n",
    );
    becomes("f(// a\n/*b*/x,y/*c*/)", "f( // a\n  /*b*/ x, y /*c*/)\n");
    becomes(
        "object Host/*a*/\"b\"/*c*/{ /*d*/ }",
        "object Host /*a*/ \"b\" /*c*/ { /*d*/ }\n",
    );
    stays("/* only */\n");
    stays("// only\n");
}

#[test]
fn comments_of_several_lines() {
    becomes(
        "object X \"y\" {\n/**\n* a  \n    * b\n*/\nx = 1\n}",
        "object X \"y\" {\n  /**\n   * a\n   * b\n   */\n  x = 1\n}\n",
    );
    becomes(
        "object X \"y\" {\n\t/*\n  a\t\n\n      b\n*/\nx = 1\n}",
        "object X \"y\" {\n  /*\n  a\n\n      b\n*/\n  x = 1\n}\n",
    );
}

#[test]
fn nothing_is_nothing() {
    becomes("", "");
    becomes(" \n\t\r\n\n", "");
}

#[test]
fn carriage_returns_become_line_ends() {
    becomes(
        "a = 1\r\nb = 2\rc = 3 // d\r\n",
        "a = 1\nb = 2\nc = 3 // d\n",
    );
}

#[test]
fn the_documentation_is_in_style() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/fmt.md");
    let page = std::fs::read_to_string(page).expect("docs/fmt.md");
    let example = page.split("```\n").find(|part| part.starts_with("/**"));
    stays(example.expect("an example"));
}

#[test]
fn the_style_can_be_told() {
    let style = Style {
        indent: 4,
        width: 20,
    };
    assert_eq!(
        format("x = { y = [ 1, 2, 3, 4, 5 ] }", &style).as_deref(),
        Ok(
            "x = {\n    y = [\n        1,\n        2,\n        3,\n        4,\n        5\n    ]\n}\n"
        )
    );
}

// What is refused

#[track_caller]
fn refused(source: &str, message: &str) {
    body::check(source);
    let errors = format(source, &Style::default()).expect_err(source);
    assert!(errors[0].message.contains(message), "{source}: {errors:?}");
}

#[test]
fn what_does_not_parse_is_refused_with_its_errors() {
    refused("object Host \"a\" {\n", "unexpected end of file");
    refused("x = \"a", "End-of-file while in string");
    refused("1 + 1\n2", "Value computed is not used");
}

#[test]
fn what_the_parser_does_not_reach_is_refused() {
    refused("\u{feff}x = 1\n", "reads this text only up to here");
    refused("x = 1\n\0", "reads this text only up to here");
    refused("x = 1\nä = 2\n", "reads this text only up to here");
}

#[test]
fn the_value_of_current_line_does_not_change() {
    refused("\n\n\nx = current_line\n", "would move to line 1");
    refused("a = 1; b = current_line\n", "would move to line 2");
    stays("a = 1\nb = current_line\n");
    becomes("a = 1\nb=current_line", "a = 1\nb = current_line\n");
}

// Meaning

fn sources() -> Vec<String> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/dsl");
    let mut sources = Vec::new();
    for entry in std::fs::read_dir(directory).expect("testdata/dsl") {
        let path = entry.expect("entry").path();
        if path
            .extension()
            .is_none_or(|extension| extension != "jsonl")
        {
            continue;
        }
        let text = std::fs::read_to_string(path).expect("text");
        for line in text.lines() {
            let case: Value = serde_json::from_str(line).expect("JSON");
            sources.extend(case["source"].as_str().map(str::to_owned));
            let files = case["files"].as_object().into_iter().flatten();
            sources.extend(files.filter_map(|(_, text)| text.as_str().map(str::to_owned)));
        }
    }
    sources.sort();
    assert!(sources.len() > 900, "only {} sources", sources.len());
    sources
}

#[test]
fn golden_cases_keep_their_meaning() {
    let mut done = 0;
    for source in sources() {
        body::check(&source);
        done += usize::from(format(&source, &Style::default()).is_ok());
    }
    assert!(done > 700, "only {done} could be formatted");
}

fn files_below(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            files_below(&path, found);
        } else {
            found.push(path);
        }
    }
}

#[test]
fn installed_configuration_keeps_its_meaning() {
    let mut found = Vec::new();
    files_below(Path::new("/usr/share/icinga2/include"), &mut found);
    files_below(Path::new("/etc/icinga2"), &mut found);
    if found.is_empty() {
        println!("skipped: icinga2-common is not installed");
    }
    for path in found {
        let Ok(bytes) = std::fs::read(&path) else {
            println!("skipped: {} is not readable for this user", path.display());
            continue;
        };
        let source = String::from_utf8_lossy(&bytes);
        if path
            .extension()
            .is_some_and(|extension| extension == "conf")
        {
            formatted(&source);
        } else {
            body::check(&source);
        }
    }
}

#[test]
fn deep_nesting_does_not_overflow_the_stack() {
    for (open, inner, close, count) in [
        ("(", "1", ")", 3000),
        ("(\n", "1", "\n)", 3000),
        ("[", "", "]", 990),
        ("[\n", "", "]", 990),
        ("{ a = ", "1", " }", 490),
        ("{\na = ", "1", " }", 490),
        ("x => ", "1", "", 990),
        ("{{ ", "1", " }}", 490),
        ("if (1) { ", "f()", " }", 490),
        ("-", "1", "", 990),
        ("f(", "1", ")", 990),
        ("", "1", " + 1", 990),
    ] {
        formatted(&format!(
            "x = {}{inner}{}",
            open.repeat(count),
            close.repeat(count)
        ));
    }
    let chain = "if (a) { b() } else ".repeat(900) + "{ c() }";
    formatted(&chain);
    for unit in ["(", "[", "{", "{{", "f(\n", "if (a) {\n"] {
        body::check(&unit.repeat(100_000));
    }
}

#[test]
fn large_texts() {
    let stock = "apply Service \"ping\" {\n\timport \"generic\"; check_command=\"ping4\" // why\n\
                 \tvars.list = [ 1,2, \"three\", { four = 4 } ]\n\tassign where host.address\n}\n\n";
    let formatted = formatted(&stock.repeat(2000));
    assert_eq!(formatted.lines().count(), 7 * 2000 - 1);
    // One statement of many lines, one list of many elements, one line of many statements.
    for text in [
        format!("x = {{\n{}}}", "a = [ 1 ] // b\n".repeat(20_000)),
        format!("x = [ {} ]", "\"abcdef\", ".repeat(20_000)),
        "a = 1; ".repeat(20_000),
        "/* a */ ".repeat(20_000),
        format!("x = {{ {} }}", "a = 1; /* b */ ".repeat(20_000)),
    ] {
        body::check(&text);
        assert!(format(&text, &Style::default()).is_ok());
    }
}

/// Writes programs that parse, with blanks, line ends and comments wherever they can be. What it
/// chooses comes from a row of bytes, so that a failing program can be made smaller.
struct Author<'b> {
    bytes: std::slice::Iter<'b, u8>,
    out: String,
    /// Whether line ends have no meaning here.
    in_parens: Vec<bool>,
}

impl Author<'_> {
    fn choose<'c>(&mut self, choices: &[&'c str]) -> &'c str {
        choices[self.below(choices.len())]
    }

    /// 0 once the bytes are used up: the first choice is always the simplest.
    fn below(&mut self, limit: usize) -> usize {
        usize::from(self.bytes.next().copied().unwrap_or(0)) % limit
    }

    fn write(&mut self, text: &str) {
        self.out.push_str(text);
    }

    /// What can stand between any two words.
    fn gap(&mut self) {
        let blanks = [
            " ",
            " ",
            "  ",
            "\t",
            " /* c */ ",
            " /*\n * c\n  */ ",
            " /* a\n b */ ",
        ];
        let lines = ["\n", " // c\n", "\n\n\n  # c  \r\n", "\n/* c */\n"];
        let line_ends_mean_nothing = self.in_parens.last() == Some(&true);
        let text = if line_ends_mean_nothing && self.below(3) == 1 {
            self.choose(&lines)
        } else {
            self.choose(&blanks)
        };
        self.write(text);
    }

    fn words(&mut self, words: &[&str]) {
        for word in words {
            self.write(word);
            self.gap();
        }
    }

    fn brackets(&mut self, open: &str, close: &str, inner: impl FnOnce(&mut Self)) {
        self.write(open);
        self.in_parens.push(open == "(");
        self.gap();
        inner(self);
        self.gap();
        self.in_parens.pop();
        self.write(close);
    }

    fn block(&mut self, open: &str, close: &str, depth: usize) {
        self.brackets(open, close, |author| author.statements(depth));
    }

    fn statements(&mut self, depth: usize) {
        let line_end = self.choose(&["", "\n", " // c\n", "\n\n"]);
        self.write(line_end);
        for _ in 0..self.below(4) {
            self.statement(depth);
            let separators = [
                "\n",
                ";",
                " ; ",
                ",",
                ";\n",
                " // c\n",
                "; // c\n",
                ", /* c */ ",
                "\n\n\n",
                " /* c */\n",
                "\n# c\n\n/* d */ ",
                "\r\n",
            ];
            let separator = self.choose(&separators);
            self.write(separator);
        }
    }

    fn statement(&mut self, depth: usize) {
        let depth = depth.saturating_sub(1);
        match if depth == 0 { 0 } else { self.below(15) } {
            0 | 1 => {
                let target = self.choose(&["x", "vars.y", "x[1]", "\"z\"", "this.@in"]);
                let operator = self.choose(&["=", "+=", "|="]);
                self.words(&[target, operator]);
                self.expression(depth);
            }
            2 => {
                self.words(&["var", "x", "="]);
                self.expression(depth);
            }
            3 | 4 => {
                self.words(&["if"]);
                self.brackets("(", ")", |author| author.expression(depth));
                self.gap();
                self.block("{", "}", depth);
                if self.below(2) == 1 {
                    self.gap();
                    self.words(&["else"]);
                    self.block("{", "}", depth);
                }
            }
            5 => {
                self.words(&["for"]);
                self.brackets("(", ")", |author| {
                    author.words(&["k", "=>", "v", "in"]);
                    author.expression(depth);
                });
                self.gap();
                self.block("{", "}", depth);
            }
            6 => {
                self.words(&["object", "Host", "\"a\"", "use"]);
                self.brackets("(", ")", |author| author.words(&["x", ",", "y"]));
                self.gap();
                self.block("{", "}", depth);
            }
            7 => {
                self.words(&[
                    "apply", "Service", "\"a\"", "to", "Host", "{", "assign", "where",
                ]);
                self.expression(depth);
                self.write(";");
                self.statements(depth);
                self.write("}");
            }
            8 => {
                self.words(&["function", "f"]);
                self.brackets("(", ")", |author| author.words(&["a", ",", "b"]));
                self.gap();
                self.block("{", "}", depth);
            }
            9 => {
                self.words(&["try"]);
                self.block("{", "}", depth);
                self.gap();
                self.words(&["except"]);
                self.block("{", "}", depth);
            }
            10 => self.words(&["include_recursive", "\"a\"", ",", "\"b\""]),
            11 => self.words(&["include_zones", "\"a\"", ",", "\"b\"", ",", "\"c\""]),
            12 => self.words(&["include", "<itl>"]),
            13 => {
                self.words(&["throw"]);
                self.expression(depth);
            }
            _ => {
                self.words(&["f"]);
                self.brackets("(", ")", |author| author.expression(depth));
            }
        }
    }

    fn expression(&mut self, depth: usize) {
        let depth = depth.saturating_sub(1);
        match if depth == 0 { 0 } else { self.below(14) } {
            0 | 1 => {
                let leaf = self.choose(&[
                    "1",
                    "5m",
                    "2.50ms",
                    "x",
                    "@if",
                    "\"a\\\\ \\\"\"",
                    "null",
                    "this",
                    "{{{a\n  b}}}",
                    "inside",
                    "\"a long text that does not fit into one line with many others\"",
                ]);
                self.write(leaf);
            }
            2 | 3 => {
                let operator = self.choose(&["-", "!", "~", "&", "*", "+"]);
                self.words(&[operator]);
                self.expression(depth);
            }
            4 => self.brackets("(", ")", |author| {
                author.expression(depth);
                author.gap();
                let operator = author.choose(&["+", "<", "<<", "<=", "in", "!in", "&&", "/", ">"]);
                author.words(&[operator]);
                author.brackets("(", ")", |author| author.expression(depth));
            }),
            5 => self.brackets("(", ")", |author| {
                author.brackets("(", ")", |author| author.expression(depth));
                author.gap();
                author.words(&["?"]);
                author.expression(depth);
                author.gap();
                author.words(&[":"]);
                author.expression(depth);
            }),
            6 => {
                self.words(&["x", ".", "@for"]);
                self.brackets("[", "]", |author| author.expression(depth));
            }
            7 => {
                self.words(&["f"]);
                self.brackets("(", ")", |author| {
                    author.expression(depth);
                    author.gap();
                    author.words(&[","]);
                    author.expression(depth);
                });
            }
            8 | 9 => self.list(depth),
            10 => self.block("{", "}", depth),
            11 => self.block("{{", "}}", depth),
            12 => self.brackets("(", ")", |author| {
                author.words(&["x", "=>"]);
                author.expression(depth);
            }),
            _ => self.brackets("(", ")", |author| {
                author.words(&["function"]);
                author.brackets("(", ")", |author| author.words(&["a"]));
                author.gap();
                author.block("{", "}", depth);
            }),
        }
    }

    fn list(&mut self, depth: usize) {
        let in_parens = self.in_parens.last() == Some(&true);
        self.write("[");
        self.in_parens.push(in_parens);
        let line_ends = ["", " ", "\n", " // c\n", " /* c */", "\n\n  "];
        for _ in 0..self.below(5) {
            let before = self.choose(&line_ends);
            self.write(before);
            self.expression(depth);
            self.gap();
            self.write(",");
        }
        let last = self.choose(&line_ends);
        self.write(last);
        self.in_parens.pop();
        self.write("]");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..Default::default() })]

    #[test]
    fn any_program(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let mut author = Author { bytes: bytes.iter(), out: String::new(), in_parens: vec![false] };
        author.statements(7);
        let errors = parse(&author.out).diagnostics;
        prop_assert!(errors.is_empty(), "not what it should be: {}\n{errors:?}", author.out);
        formatted(&author.out);
    }

    /// Other blanks and comments between the words of real programs.
    #[test]
    fn golden_cases_written_otherwise(bytes in proptest::collection::vec(any::<u8>(), 1..200)) {
        static SOURCES: OnceLock<Vec<String>> = OnceLock::new();
        let sources = SOURCES.get_or_init(sources);
        let (first, rest) = bytes.split_at(1);
        let at = usize::from(first[0]) * 256 + usize::from(rest.first().copied().unwrap_or(0));
        let source = &sources[at % sources.len()];
        let mut author = Author { bytes: rest.iter(), out: String::new(), in_parens: Vec::new() };
        let mut end = 0;
        for (name, span) in tokens(source) {
            if matches!(name, "new-line" | "end of file") {
                continue;
            }
            author.write(&source[end..span.start as usize]);
            author.gap();
            author.write(&source[span.start as usize..span.end as usize]);
            end = span.end as usize;
        }
        author.write(&source[end..]);
        body::check(&author.out);
        prop_assert_eq!(
            parse(&author.out).has_errors(),
            parse(source).has_errors(),
            "{}", author.out
        );
    }
}
