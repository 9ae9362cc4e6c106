//! Going on after an error.

use super::scope::{Closer, Effects, Flow};
use super::{Failed, Parser, Result};
use crate::token::Tok;

impl Parser<'_> {
    /// Skips to where the next statement can begin: a separator, the end of the block, or a word
    /// that only begins statements. Blocks on the way are read for their own errors.
    pub(super) fn synchronize(&mut self) {
        let mut open = 0u32;
        loop {
            match self.kind() {
                Tok::Eof | Tok::BraceClose | Tok::LambdaEnd => return,
                Tok::Newline | Tok::Semicolon if open == 0 => return,
                kind if kind.begins_statement_only() && self.at > self.statement_start => return,
                Tok::BraceOpen => self.skip_block(Closer::Brace),
                Tok::LambdaBegin => self.skip_block(Closer::Lambda),
                Tok::ParenOpen | Tok::BracketOpen => {
                    open += 1;
                    self.advance();
                }
                Tok::ParenClose | Tok::BracketClose => {
                    open = open.saturating_sub(1);
                    self.advance();
                }
                _ => {
                    self.advance();
                }
            }
        }
    }

    fn skip_block(&mut self, closer: Closer) {
        let read = |parser: &mut Self| -> Result<()> {
            let open = parser.advance();
            let around = std::mem::replace(&mut parser.flow, Flow::Anything);
            parser.statements(closer, Effects::AllButLast, Some(open));
            parser.flow = around;
            Ok(())
        };
        if let Err(Failed) = self.nested(read) {
            self.at = self.tokens.len().saturating_sub(1);
        }
    }
}
