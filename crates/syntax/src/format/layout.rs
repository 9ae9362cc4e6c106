//! Writes the pieces out.
//!
//! The rules are such that a text written by them is written the same again: whether a group stands
//! on one line depends on line ends in it and on the column where it begins, and where it does not,
//! everything around it has line ends, too.

use super::Style;
use super::groups::{Form, Group, Groups, Role, WHOLE};
use super::pieces::{BLANKS, Kind, Piece};

/// Levels of indentation that are shown. Deeper ones would make the text grow with the square of
/// their number, and nobody reads them.
const LEVELS_MAX: usize = 40;

/// Writes the pieces in the given style.
pub(super) fn write(pieces: &[Piece<'_>], groups: &Groups, style: &Style) -> String {
    let length = pieces.last().map_or(0, |piece| piece.span.end as usize);
    let mut writer = Writer {
        pieces,
        groups,
        style,
        out: String::with_capacity(length + length / 8),
        column: 0,
        level: 0,
        frames: Vec::new(),
        forced: vec![false; groups.groups.len()],
        before: None,
        dropped: None,
    };
    writer.push_frame(WHOLE, 0);
    for (index, piece) in pieces.iter().enumerate() {
        writer.piece(index, piece);
    }
    if !writer.out.is_empty() {
        writer.out.push('\n');
    }
    writer.out
}

/// How the group around a place is written.
#[derive(Clone, Copy)]
struct Frame {
    form: Form,
    /// In several lines: a block has each statement on its own, a list its brackets.
    is_broken: bool,
    /// A list that was on one line and is too long for it: each element is on its own.
    is_wrapped: bool,
    /// Line ends do not separate statements.
    ignores_lines: bool,
    /// Level of what is in it.
    inner: usize,
    /// Level of its brackets.
    outer: usize,
}

struct Writer<'p> {
    pieces: &'p [Piece<'p>],
    groups: &'p Groups,
    style: &'p Style,
    out: String,
    /// Characters in the last line.
    column: usize,
    /// Level of the last line.
    level: usize,
    frames: Vec<Frame>,
    /// Blocks in several lines because the one before `else` is.
    forced: Vec<bool>,
    /// The piece that was written last.
    before: Option<usize>,
    /// A separator was left out after it, with so many line ends before that.
    dropped: Option<u32>,
}

impl Writer<'_> {
    fn piece(&mut self, index: usize, piece: &Piece<'_>) {
        let Some(frame) = self.frames.last().copied() else {
            return;
        };
        if self.is_dropped(index, frame) {
            self.dropped = Some(piece.breaks);
            return;
        }
        let breaks = piece.breaks + self.dropped.unwrap_or_default();
        if self.begins_line(index, piece, breaks, frame) {
            self.line_end(index, breaks, frame);
        } else if self
            .before
            .is_some_and(|before| self.groups.has_blank(self.pieces, before, index))
        {
            self.text(" ");
        }
        if let Some(group) = self.groups.opened_by(index) {
            // The column of a group is that of its bracket.
            self.push_frame(group, self.outer_level(frame));
        } else if self.groups.closed_by(index).is_some() {
            self.frames.pop();
        }
        if piece.kind == Kind::BlockComment {
            self.block_comment(piece.text);
        } else {
            self.text(piece.text);
        }
        self.before = Some(index);
        self.dropped = None;
    }

    /// Level of the brackets of a group in `frame`: that of the statement or element they stand in.
    fn outer_level(&self, frame: Frame) -> usize {
        match frame.form {
            Form::Block | Form::List if frame.is_broken => frame.inner,
            Form::Block | Form::List => frame.outer,
            Form::Parens | Form::Index => self.level,
        }
    }

    fn push_frame(&mut self, index: usize, outer: usize) {
        let Some(group) = self.groups.groups.get(index) else {
            return;
        };
        let is_long = index != WHOLE
            && !group.is_stiff
            && group.close > group.open + 1
            && self.column + self.groups.width(self.pieces, group) > self.style.width;
        let is_forced = self.forced.get(index).copied().unwrap_or_default();
        let is_broken = match group.form {
            Form::Block => group.has_breaks || group.is_stiff || is_forced || is_long,
            Form::List => group.has_breaks || is_long,
            Form::Parens | Form::Index => false,
        };
        self.force_next(group, is_broken);
        self.frames.push(Frame {
            form: group.form,
            is_broken,
            is_wrapped: is_long && !group.has_breaks,
            ignores_lines: group.ignores_lines,
            inner: outer + usize::from(index != WHOLE),
            outer,
        });
    }

    fn force_next(&mut self, group: &Group, is_broken: bool) {
        let next = group.next.and_then(|next| self.forced.get_mut(next));
        if let Some(next) = next {
            *next |= is_broken;
        }
    }

    /// Whether a separator is left out: a line end or a closing bracket takes its place.
    fn is_dropped(&self, index: usize, frame: Frame) -> bool {
        match self.groups.roles.get(index) {
            Some(Role::Separator) => {
                frame.is_broken && !frame.ignores_lines || self.groups.is_last_separator(index)
            }
            Some(Role::ListComma) => !frame.is_broken && self.groups.is_last_separator(index),
            _ => false,
        }
    }

    /// Whether a piece begins a line.
    fn begins_line(&self, index: usize, piece: &Piece<'_>, breaks: u32, frame: Frame) -> bool {
        let Some(before) = self.before else {
            return false;
        };
        let opened = self.groups.opened_by(before);
        let closed = self.groups.closed_by(index);
        if opened.is_some() && opened == closed && frame.form != Form::Block {
            return false;
        }
        match frame.form {
            Form::Parens | Form::Index => return breaks > 0,
            Form::Block | Form::List if !frame.is_broken => return false,
            Form::Block | Form::List => {}
        }
        if breaks > 0 || closed.is_some() {
            return true;
        }
        let ends_line = self.groups.ends_line.get(index).copied();
        if piece.is_comment() && ends_line.unwrap_or_default() {
            // It speaks of what is before it in its line.
            return false;
        }
        let after_separator = match self.groups.roles.get(before) {
            Some(Role::Separator) => true,
            Some(Role::ListComma) => frame.is_wrapped,
            _ => self.dropped.is_some(),
        };
        opened.is_some() || after_separator
    }

    fn line_end(&mut self, index: usize, breaks: u32, frame: Frame) {
        let opened = self.before.and_then(|before| self.groups.opened_by(before));
        let closes = self.groups.closed_by(index).is_some();
        self.out.push('\n');
        if breaks > 1 && opened.is_none() && !closes {
            self.out.push('\n');
        }
        self.level = if closes { frame.outer } else { frame.inner };
        self.column = self.level.min(LEVELS_MAX) * self.style.indent;
        self.out.extend(std::iter::repeat_n(' ', self.column));
    }

    fn text(&mut self, text: &str) {
        self.out.push_str(text);
        self.column = match text.rsplit_once('\n') {
            Some((_, last)) => last.chars().count(),
            None => self.column + text.chars().count(),
        };
    }

    /// The lines of a comment end without blanks. Where all of them begin with `*`, these stand
    /// below each other.
    fn block_comment(&mut self, text: &str) {
        let column = self.column;
        let mut lines = text.split('\n').map(|line| line.trim_end_matches(BLANKS));
        let has_stars = text
            .split('\n')
            .skip(1)
            .all(|line| line.trim_start_matches(BLANKS).starts_with('*'));
        self.text(lines.next().unwrap_or_default());
        for line in lines {
            self.text("\n");
            if has_stars {
                self.out.extend(std::iter::repeat_n(' ', column + 1));
                self.column = column + 1;
                self.text(line.trim_start_matches(BLANKS));
            } else {
                self.text(line);
            }
        }
    }
}
