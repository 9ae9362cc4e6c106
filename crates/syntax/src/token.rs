//! Tokens and the names under which messages speak of them.

use crate::ast::{AssignOp, Span};

/// A token: what it is and where it stands. Its text is read from the source when needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Token {
    pub(crate) kind: Tok,
    pub(crate) span: Span,
}

macro_rules! tokens {
    ($($name:ident = $display:literal),* $(,)?) => {
        /// The kinds of tokens.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u8)]
        pub(crate) enum Tok { $($name),* }

        impl Tok {
            /// The name in messages. Users and scripts look for these words, so they are the ones
            /// that Icinga 2 prints.
            pub(crate) fn name(self) -> &'static str {
                match self { $(Tok::$name => $display),* }
            }
        }
    };
}

tokens! {
    Newline = "new-line",
    String = "T_STRING",
    RawString = "T_STRING",
    AnglePath = "T_STRING_ANGLE",
    Number = "T_NUMBER",
    True = "T_BOOLEAN",
    False = "T_BOOLEAN",
    Null = "T_NULL",
    Identifier = "T_IDENTIFIER",
    Set = "= (T_SET)",
    SetAdd = "+= (T_SET_ADD)",
    SetSubtract = "-= (T_SET_SUBTRACT)",
    SetMultiply = "*= (T_SET_MULTIPLY)",
    SetDivide = "/= (T_SET_DIVIDE)",
    SetModulo = "%= (T_SET_MODULO)",
    SetXor = "^= (T_SET_XOR)",
    SetBinaryAnd = "&= (T_SET_BINARY_AND)",
    SetBinaryOr = "|= (T_SET_BINARY_OR)",
    ShiftLeft = "<< (T_SHIFT_LEFT)",
    ShiftRight = ">> (T_SHIFT_RIGHT)",
    Equal = "== (T_EQUAL)",
    NotEqual = "!= (T_NOT_EQUAL)",
    NotIn = "!in (T_NOT_IN)",
    LogicalAnd = "&& (T_LOGICAL_AND)",
    LogicalOr = "|| (T_LOGICAL_OR)",
    LessOrEqual = "<= (T_LESS_THAN_OR_EQUAL)",
    GreaterOrEqual = ">= (T_GREATER_THAN_OR_EQUAL)",
    Plus = "+ (T_PLUS)",
    Minus = "- (T_MINUS)",
    Multiply = "* (T_MULTIPLY)",
    Divide = "/ (T_DIVIDE_OP)",
    Modulo = "% (T_MODULO)",
    Xor = "^ (T_XOR)",
    BinaryAnd = "& (T_BINARY_AND)",
    BinaryOr = "| (T_BINARY_OR)",
    Less = "< (T_LESS_THAN)",
    Greater = "> (T_GREATER_THAN)",
    Follows = "=> (T_FOLLOWS)",
    LambdaBegin = "{{ (T_NULLARY_LAMBDA_BEGIN)",
    LambdaEnd = "}} (T_NULLARY_LAMBDA_END)",
    BraceOpen = "'{'",
    BraceClose = "'}'",
    BracketOpen = "'['",
    BracketClose = "']'",
    ParenOpen = "'('",
    ParenClose = "')'",
    Not = "'!'",
    Tilde = "'~'",
    Dot = "'.'",
    Comma = "','",
    Semicolon = "';'",
    Question = "'?'",
    Colon = "':'",
    Object = "object (T_OBJECT)",
    Template = "template (T_TEMPLATE)",
    Include = "include (T_INCLUDE)",
    IncludeRecursive = "include_recursive (T_INCLUDE_RECURSIVE)",
    IncludeZones = "include_zones (T_INCLUDE_ZONES)",
    Library = "library (T_LIBRARY)",
    Const = "const (T_CONST)",
    Var = "var (T_VAR)",
    This = "T_THIS",
    Globals = "globals (T_GLOBALS)",
    Locals = "locals (T_LOCALS)",
    Use = "use (T_USE)",
    Using = "using (T_USING)",
    Apply = "apply (T_APPLY)",
    Default = "default (T_DEFAULT)",
    To = "to (T_TO)",
    Where = "where (T_WHERE)",
    Import = "import (T_IMPORT)",
    Assign = "assign (T_ASSIGN)",
    Ignore = "ignore (T_IGNORE)",
    IgnoreOnError = "ignore_on_error (T_IGNORE_ON_ERROR)",
    CurrentFilename = "current_filename (T_CURRENT_FILENAME)",
    CurrentLine = "current_line (T_CURRENT_LINE)",
    Debugger = "debugger (T_DEBUGGER)",
    Namespace = "namespace (T_NAMESPACE)",
    Function = "function (T_FUNCTION)",
    Return = "return (T_RETURN)",
    Break = "break (T_BREAK)",
    Continue = "continue (T_CONTINUE)",
    For = "for (T_FOR)",
    If = "if (T_IF)",
    Else = "else (T_ELSE)",
    While = "while (T_WHILE)",
    Throw = "throw (T_THROW)",
    Try = "try (T_TRY)",
    Except = "except (T_EXCEPT)",
    In = "in (T_IN)",
    Invalid = "invalid token",
    Eof = "end of file",
}

/// The keyword that `word` spells, if it does. Manual chapter 17, "Reserved Keywords", and
/// `debugger`.
pub(crate) fn keyword(word: &[u8]) -> Option<Tok> {
    // A word of the language has 2 to 17 letters, all small or `_`: most identifiers end here.
    let first = *word.first()?;
    if !(2..=17).contains(&word.len()) || !first.is_ascii_lowercase() {
        return None;
    }
    let found = match word {
        b"object" => Tok::Object,
        b"template" => Tok::Template,
        b"include" => Tok::Include,
        b"include_recursive" => Tok::IncludeRecursive,
        b"include_zones" => Tok::IncludeZones,
        b"library" => Tok::Library,
        b"null" => Tok::Null,
        b"true" => Tok::True,
        b"false" => Tok::False,
        b"const" => Tok::Const,
        b"var" => Tok::Var,
        b"this" => Tok::This,
        b"globals" => Tok::Globals,
        b"locals" => Tok::Locals,
        b"use" => Tok::Use,
        b"using" => Tok::Using,
        b"apply" => Tok::Apply,
        b"default" => Tok::Default,
        b"to" => Tok::To,
        b"where" => Tok::Where,
        b"import" => Tok::Import,
        b"assign" => Tok::Assign,
        b"ignore" => Tok::Ignore,
        b"ignore_on_error" => Tok::IgnoreOnError,
        b"current_filename" => Tok::CurrentFilename,
        b"current_line" => Tok::CurrentLine,
        b"debugger" => Tok::Debugger,
        b"namespace" => Tok::Namespace,
        b"function" => Tok::Function,
        b"return" => Tok::Return,
        b"break" => Tok::Break,
        b"continue" => Tok::Continue,
        b"for" => Tok::For,
        b"if" => Tok::If,
        b"else" => Tok::Else,
        b"while" => Tok::While,
        b"throw" => Tok::Throw,
        b"try" => Tok::Try,
        b"except" => Tok::Except,
        b"in" => Tok::In,
        _ => return None,
    };
    Some(found)
}

impl Tok {
    /// The assignment that this token stands for.
    pub(crate) fn assignment(self) -> Option<AssignOp> {
        Some(match self {
            Tok::Set => AssignOp::Set,
            Tok::SetAdd => AssignOp::Add,
            Tok::SetSubtract => AssignOp::Subtract,
            Tok::SetMultiply => AssignOp::Multiply,
            Tok::SetDivide => AssignOp::Divide,
            Tok::SetModulo => AssignOp::Modulo,
            Tok::SetXor => AssignOp::Xor,
            Tok::SetBinaryAnd => AssignOp::BinaryAnd,
            Tok::SetBinaryOr => AssignOp::BinaryOr,
            _ => return None,
        })
    }

    /// Whether the token ends an operand, so that what follows is an operator.
    pub(crate) fn ends_operand(self) -> bool {
        matches!(
            self,
            Tok::String
                | Tok::RawString
                | Tok::Number
                | Tok::True
                | Tok::False
                | Tok::Null
                | Tok::Identifier
                | Tok::This
                | Tok::Globals
                | Tok::Locals
                | Tok::CurrentFilename
                | Tok::CurrentLine
                | Tok::ParenClose
                | Tok::BracketClose
                | Tok::BraceClose
                | Tok::LambdaEnd
        )
    }

    /// Whether the token can only begin a statement, never stand inside an expression.
    pub(crate) fn begins_statement_only(self) -> bool {
        matches!(
            self,
            Tok::Object
                | Tok::Template
                | Tok::Apply
                | Tok::Include
                | Tok::IncludeRecursive
                | Tok::IncludeZones
                | Tok::Library
                | Tok::Const
                | Tok::Import
                | Tok::Assign
                | Tok::Ignore
                | Tok::Namespace
                | Tok::Using
                | Tok::Debugger
                | Tok::Return
                | Tok::Break
                | Tok::Continue
                | Tok::While
                | Tok::Throw
                | Tok::Try
        )
    }
}
