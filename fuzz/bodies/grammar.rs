//! Programs of the configuration language made of random bytes: each byte is a choice, so that a
//! fuzzer that changes bytes changes the program a little, and nearly all programs parse.

// Not every target begins with the same rule.
#![allow(dead_code)]

/// Bytes as choices; behind their end every choice is the first one.
pub(crate) struct Choices<'b> {
    bytes: &'b [u8],
    at: usize,
    /// Text that was made so far.
    pub(crate) text: String,
}

/// A program stops growing at this size.
const TEXT_MAX: usize = 8000;
/// Expressions nest no deeper.
const DEPTH_MAX: usize = 6;

const NAMES: &[&str] = &["a", "b", "c", "d", "f", "g", "x", "k"];
const KEYS: &[&str] = &[
    "a", "b", "k", "0", "1", "name", "type", "vars", "value", "x y",
];
const LITERALS: &[&str] = &[
    "0",
    "1",
    "2",
    "3",
    "10",
    "-1",
    "0.5",
    "1e9",
    "1e308",
    "5m",
    "2.5h",
    "400",
    "65536",
    "true",
    "false",
    "null",
    "\"\"",
    "\"a\"",
    "\"b,c;d\"",
    "\"%Y-%m-%d %H:%M:%S\"",
    "\"*a?\"",
    "\"(a|b)*c\"",
    "\"[[1,{\\\"a\\\":2}]]\"",
    "\"12.5\"",
    "\"äöü€😀\"",
    "\"192.0.2.1\"",
    "\"192.0.2.0/24\"",
    "\"/etc\"",
    "\"a=1ms;2;3;0;4\"",
    "\"\\n\\t\\\"\\\\\"",
    "{{{ raw }}}",
    "[]",
    "{}",
    "[ 1, 2, 3 ]",
    "[ \"b\", \"a\" ]",
    "[ [ 1 ], [ 2 ] ]",
    "{ a = 1 }",
    "{ a = { b = [ 1 ] } }",
    "x => x",
    "(x, y) => x",
    "() => a",
    "this",
    "locals",
    "globals",
    "MatchAll",
    "MatchAny",
    "Math.PI",
    "Host",
    "String",
    "Array",
    "Dictionary",
    "Number",
    "Function",
    "current_line",
    "current_filename",
    "System",
    "Icinga",
    "Types",
];
const BINARY: &[&str] = &[
    "+", "-", "*", "/", "%", "==", "!=", "<", ">", "<=", ">=", "&&", "||", "in", "!in", "&", "|",
    "^", "<<", ">>",
];
const UNARY: &[&str] = &["!", "-", "~", "&", "*"];
const ASSIGN: &[&str] = &["=", "+=", "-=", "*=", "/=", "%=", "&=", "|=", "^="];
const METHODS: &[&str] = &[
    "add",
    "all",
    "any",
    "call",
    "callv",
    "clear",
    "clone",
    "contains",
    "filter",
    "find",
    "format",
    "freeze",
    "get",
    "join",
    "keys",
    "len",
    "lower",
    "map",
    "reduce",
    "remove",
    "replace",
    "reverse",
    "set",
    "shallow_clone",
    "sort",
    "split",
    "substr",
    "to_string",
    "trim",
    "unique",
    "upper",
    "values",
    "prototype",
    "name",
    "base",
    "modify_attribute",
    "restore_attribute",
    "process_check_result",
    "notify_attribute",
    "register_attribute_handler",
];
const FUNCTIONS: &[&str] = &[
    "len",
    "keys",
    "typeof",
    "string",
    "number",
    "bool",
    "range",
    "union",
    "intersection",
    "match",
    "regex",
    "cidr_match",
    "log",
    "assert",
    "basename",
    "dirname",
    "escape_shell_arg",
    "escape_shell_cmd",
    "get_object",
    "get_objects",
    "get_template",
    "get_templates",
    "getenv",
    "glob",
    "glob_recursive",
    "path_exists",
    "parse_performance_data",
    "track_parents",
    "Json.encode",
    "Json.decode",
    "DateTime",
    "Array",
    "Dictionary",
    "Number",
    "String",
    "Boolean",
    "Namespace",
    "CheckResult",
    "PerfdataValue",
    "Host",
    "Service",
    "Math.max",
    "Math.min",
    "Math.pow",
    "Math.round",
    "Math.abs",
    "Math.sqrt",
    "Math.floor",
    "get_host",
    "get_service",
    "get_services",
    "get_user",
    "get_time_period",
    "exit",
    "msi_get_component_path",
];

impl<'b> Choices<'b> {
    pub(crate) fn new(bytes: &'b [u8]) -> Self {
        Self {
            bytes,
            at: 0,
            text: String::new(),
        }
    }

    pub(crate) fn byte(&mut self) -> usize {
        let byte = self.bytes.get(self.at).copied().unwrap_or(0);
        self.at += 1;
        usize::from(byte)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.at >= self.bytes.len() || self.text.len() > TEXT_MAX
    }

    pub(crate) fn pick<'w>(&mut self, words: &[&'w str]) -> &'w str {
        let at = self.byte();
        words[at % words.len()]
    }

    pub(crate) fn say(&mut self, text: &str) {
        self.text.push_str(text);
        self.text.push(' ');
    }

    pub(crate) fn say_one(&mut self, words: &[&str]) {
        let word = self.pick(words);
        self.say(word);
    }

    /// Statements until the bytes are used up.
    pub(crate) fn program(&mut self) {
        while !self.is_empty() {
            self.statement(0);
            self.text.push('\n');
        }
    }

    pub(crate) fn block(&mut self, depth: usize) {
        self.say("{");
        for _ in 0..self.byte() % 4 {
            self.statement(depth + 1);
            self.text.push('\n');
        }
        self.say("}");
    }

    pub(crate) fn statement(&mut self, depth: usize) {
        if depth > DEPTH_MAX || self.is_empty() {
            return self.say("1");
        }
        match self.byte() % 20 {
            0 | 1 => {
                self.say("var");
                self.say_one(NAMES);
                self.say("=");
                self.expression(depth + 1);
            }
            2..=6 => {
                self.place(depth + 1);
                self.say_one(ASSIGN);
                self.expression(depth + 1);
            }
            7 => {
                self.say("if (");
                self.expression(depth + 1);
                self.say(")");
                self.block(depth);
                if self.byte().is_multiple_of(2) {
                    self.say("else");
                    self.block(depth);
                }
            }
            8 => {
                self.say("for (");
                self.say_one(NAMES);
                if self.byte().is_multiple_of(3) {
                    self.say("=>");
                    self.say_one(NAMES);
                }
                self.say("in");
                self.expression(depth + 1);
                self.say(")");
                self.block(depth);
            }
            9 => {
                self.say("while (");
                self.expression(depth + 1);
                self.say(")");
                self.block(depth);
            }
            10 => {
                self.say("try");
                self.block(depth);
                self.say("except");
                self.block(depth);
            }
            11 => {
                self.say("function");
                self.say_one(NAMES);
                self.say_one(&["()", "(a)", "(x, k)", "(x) use(a)", "(x) use(b = a)"]);
                self.block(depth);
            }
            12 => self.say_one(&["break", "continue", "return", "debugger"]),
            13 => {
                self.say_one(&["return", "throw"]);
                self.expression(depth + 1);
            }
            14 => self.seldom(depth),
            _ => self.expression(depth + 1),
        }
    }

    fn seldom(&mut self, depth: usize) {
        match self.byte() % 8 {
            0 => {
                self.say("const");
                self.say_one(NAMES);
                self.say("=");
                self.expression(depth + 1);
            }
            1 => {
                self.say("namespace");
                self.say_one(NAMES);
                self.block(depth);
            }
            2 => {
                self.say("using");
                self.expression(depth + 1);
            }
            3 => self.say_one(&[
                "include \"a.conf\"",
                "include \"/m/a.conf\"",
                "include \"/m/*.conf\"",
                "include_recursive \"/m\"",
                "include <itl>",
                "include_zones \"etc\", \"/m\"",
            ]),
            4 => {
                self.say("Internal.run_with_activation_context(() use(a, b) =>");
                self.block(depth);
                self.say(")");
            }
            5 => {
                self.say("object Host");
                self.expression(depth + 1);
                self.block(depth);
            }
            6 => self.say_one(&["import \"t\"", "library \"x\"", "template Host \"t\" { }"]),
            _ => {
                self.say("apply Service \"s\" to Host");
                self.block(depth);
            }
        }
    }

    fn place(&mut self, depth: usize) {
        match self.byte() % 6 {
            0..=2 => self.say_one(NAMES),
            3 => {
                self.say_one(&["globals", "this", "locals", "a", "b"]);
                self.text.push('.');
                self.say_one(NAMES);
            }
            4 => {
                self.say_one(NAMES);
                self.say("[");
                self.expression(depth + 1);
                self.say("]");
            }
            _ => {
                self.say("*");
                self.say_one(NAMES);
            }
        }
    }

    pub(crate) fn expression(&mut self, depth: usize) {
        if depth > DEPTH_MAX || self.is_empty() {
            return self.say_one(NAMES);
        }
        match self.byte() % 16 {
            0..=2 => self.say_one(NAMES),
            3..=5 => self.say_one(LITERALS),
            6 | 7 => {
                self.say("(");
                self.expression(depth + 1);
                self.say_one(BINARY);
                self.expression(depth + 1);
                self.say(")");
            }
            8 => {
                self.say_one(UNARY);
                self.say("(");
                self.expression(depth + 1);
                self.say(")");
            }
            9 | 10 => {
                self.say("(");
                self.expression(depth + 1);
                self.text.push_str(").");
                self.say_one(METHODS);
                self.arguments(depth + 1);
            }
            11 | 12 => {
                self.say_one(FUNCTIONS);
                self.arguments(depth + 1);
            }
            13 => self.collection(depth + 1),
            14 => self.function(depth + 1),
            _ => self.access(depth + 1),
        }
    }

    fn access(&mut self, depth: usize) {
        self.say("(");
        self.expression(depth);
        self.say(")");
        match self.byte() % 3 {
            0 => {
                self.say("[");
                self.expression(depth);
                self.say("]");
            }
            1 => {
                self.text.push('.');
                self.say_one(METHODS);
            }
            _ => self.arguments(depth),
        }
    }

    fn collection(&mut self, depth: usize) {
        let count = self.byte() % 4;
        if self.byte().is_multiple_of(2) {
            self.say("[");
            for _ in 0..count {
                self.expression(depth);
                self.say(",");
            }
            self.say("]");
        } else {
            self.say("{");
            for _ in 0..count {
                let key = self.pick(KEYS);
                self.say(&format!("\"{key}\""));
                self.say_one(ASSIGN);
                self.expression(depth);
                self.text.push('\n');
            }
            self.say("}");
        }
    }

    fn function(&mut self, depth: usize) {
        match self.byte() % 4 {
            0 => {
                self.say_one(&[
                    "x =>",
                    "(x, k) =>",
                    "() =>",
                    "(x) use(a) =>",
                    "() use(f) =>",
                ]);
                self.expression(depth);
            }
            1 => {
                self.say("{{");
                self.statement(depth);
                self.say("}}");
            }
            2 => {
                self.say("function");
                self.say_one(&["()", "(a)", "(x, k)", "(x) use(a)"]);
                self.block(depth);
            }
            _ => {
                self.say("(if (");
                self.expression(depth);
                self.say(")");
                self.block(depth);
                self.say("else");
                self.block(depth);
                self.say(")");
            }
        }
    }

    fn arguments(&mut self, depth: usize) {
        self.say("(");
        for at in 0..self.byte() % 4 {
            if at > 0 {
                self.say(",");
            }
            self.expression(depth);
        }
        self.say(")");
    }
}
