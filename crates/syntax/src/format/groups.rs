//! Which brackets belong together, what the tokens are to each other, and what could stand on one
//! line.

use super::pieces::{Kind, Piece};
use crate::token::Tok;

/// What a pair of brackets encloses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// Statements: `{ … }`, `{{ … }}`, and the whole text.
    Block,
    /// `[ a, b ]`
    List,
    /// `(…)`, where line ends have no meaning.
    Parens,
    /// `a[…]`
    Index,
}

/// A pair of brackets.
#[derive(Clone, Copy, Debug)]
pub(super) struct Group {
    pub(super) form: Form,
    /// A block that belongs to the words before it, and is no value.
    pub(super) is_body: bool,
    /// Line ends separate nothing in it for Icinga 2, because it is in parentheses and no braces
    /// between end their power.
    pub(super) ignores_lines: bool,
    /// Braces in it do not end the power of parentheses over line ends. So it is in the body of a
    /// `x => { … }`, where Icinga 2's parser does not know what the braces are before they end.
    pub(super) braces_are_weak: bool,
    /// Its opening bracket.
    pub(super) open: usize,
    /// Its closing bracket.
    pub(super) close: usize,
    /// The author put a line end directly into it.
    pub(super) has_breaks: bool,
    /// Something in it has several lines.
    pub(super) is_stiff: bool,
    /// The block of the `else` or `except` behind it.
    pub(super) next: Option<usize>,
    /// The last bracket of that chain, or its own.
    pub(super) chain_end: usize,
}

/// What a piece is to its neighbours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Plain,
    /// An operator before its only operand.
    Unary,
    /// Between statements.
    Separator,
    /// Between the elements of a list.
    ListComma,
    /// Opens this group; `is_tight`: without a blank before it.
    Open {
        group: usize,
        is_tight: bool,
    },
    /// Closes this group.
    Close {
        group: usize,
    },
}

/// What is known about all pieces of a text.
pub(super) struct Groups {
    /// The first one is the whole text; the others are in the order of their opening brackets.
    pub(super) groups: Vec<Group>,
    /// One for each piece.
    pub(super) roles: Vec<Role>,
    /// Whether only comments in the same line stand between this piece and the next line end or
    /// closing bracket.
    pub(super) ends_line: Vec<bool>,
    /// Whether only comments stand between this piece and the next closing bracket or the end.
    pub(super) ends_group: Vec<bool>,
    /// The column of each piece if the whole text stood in one line.
    pub(super) columns: Vec<usize>,
}

/// The whole text.
pub(super) const WHOLE: usize = 0;

impl Groups {
    pub(super) fn new(pieces: &[Piece<'_>]) -> Self {
        let mut matcher = Matcher::new(pieces);
        for index in 0..pieces.len() {
            matcher.piece(index);
        }
        let mut groups = Self {
            groups: matcher.groups,
            roles: matcher.roles,
            ends_line: Vec::new(),
            ends_group: Vec::new(),
            columns: Vec::with_capacity(pieces.len()),
        };
        groups.link_chains(pieces);
        groups.look_ahead(pieces);
        groups.measure(pieces);
        groups
    }

    /// The group that a piece opens.
    pub(super) fn opened_by(&self, index: usize) -> Option<usize> {
        match self.roles.get(index) {
            Some(Role::Open { group, .. }) => Some(*group),
            _ => None,
        }
    }

    /// The group that a piece closes.
    pub(super) fn closed_by(&self, index: usize) -> Option<usize> {
        match self.roles.get(index) {
            Some(Role::Close { group }) => Some(*group),
            _ => None,
        }
    }

    fn form(&self, group: usize) -> Form {
        self.groups
            .get(group)
            .map_or(Form::Block, |group| group.form)
    }

    /// Columns from the opening bracket to the end of the chain, in one line.
    pub(super) fn width(&self, pieces: &[Piece<'_>], group: &Group) -> usize {
        let column = |index: usize| self.columns.get(index).copied().unwrap_or_default();
        let bracket = pieces.get(group.chain_end).map_or(0, Piece::width);
        column(group.chain_end) + bracket - column(group.open)
    }

    /// `if (…) { … } else { … }`: one branch in several lines puts all of them into several.
    fn link_chains(&mut self, pieces: &[Piece<'_>]) {
        for index in (1..self.groups.len()).rev() {
            let Some(group) = self.groups.get(index).filter(|it| it.form == Form::Block) else {
                continue;
            };
            let Some((next, is_stiff)) = self.next_branch(pieces, group.close) else {
                continue;
            };
            let Some(following) = self.groups.get(next).copied() else {
                continue;
            };
            if let Some(group) = self.groups.get_mut(index) {
                group.next = Some(next);
                group.chain_end = following.chain_end;
                group.is_stiff |= following.has_breaks || following.is_stiff || is_stiff;
            }
        }
        for index in 1..self.groups.len() {
            let Some(group) = self.groups.get(index).copied() else {
                continue;
            };
            let next = group.next.and_then(|next| self.groups.get_mut(next));
            if let Some(next) = next {
                next.is_stiff |= group.has_breaks || group.is_stiff;
            }
        }
    }

    /// The block behind `else`, `else if (…)` or `except` behind this piece, and whether something
    /// on the way has several lines.
    fn next_branch(&self, pieces: &[Piece<'_>], close: usize) -> Option<(usize, bool)> {
        let mut is_stiff = false;
        let mut next = |from: usize| {
            let rest = pieces.get(from + 1..)?;
            let comments = rest.iter().take_while(|piece| piece.is_comment());
            let mut at = from + 1;
            for comment in comments {
                is_stiff |= comment.text.contains('\n');
                at += 1;
            }
            Some(at)
        };
        let word = next(close)?;
        let mut at = next(word)?;
        match pieces.get(word)?.token()? {
            Tok::Else if pieces.get(at)?.is(Tok::If) => {
                let parens = self.groups.get(self.opened_by(next(at)?)?)?;
                at = next(parens.close)?;
                is_stiff |= parens.has_breaks || parens.is_stiff;
            }
            Tok::Else | Tok::Except => {}
            _ => return None,
        }
        Some((self.opened_by(at)?, is_stiff))
    }

    fn look_ahead(&mut self, pieces: &[Piece<'_>]) {
        self.ends_line = vec![true; pieces.len()];
        self.ends_group = vec![true; pieces.len()];
        for index in (1..pieces.len()).rev() {
            let Some(piece) = pieces.get(index) else {
                continue;
            };
            let closes = self.closed_by(index).is_some();
            let skips = |known: &[bool]| known.get(index).copied().unwrap_or(true);
            let ends_line =
                piece.breaks > 0 || closes || piece.is_comment() && skips(&self.ends_line);
            let ends_group = closes || piece.is_comment() && skips(&self.ends_group);
            if let Some(slot) = self.ends_line.get_mut(index - 1) {
                *slot = ends_line;
            }
            if let Some(slot) = self.ends_group.get_mut(index - 1) {
                *slot = ends_group;
            }
        }
    }

    fn measure(&mut self, pieces: &[Piece<'_>]) {
        let mut column = 0;
        let mut before = None;
        for (index, piece) in pieces.iter().enumerate() {
            if self.is_last_separator(index) {
                self.columns.push(column);
                continue;
            }
            column +=
                usize::from(before.is_some_and(|before| self.has_blank(pieces, before, index)));
            self.columns.push(column);
            column += piece.width();
            before = Some(index);
        }
    }

    /// A separator behind which nothing comes.
    pub(super) fn is_last_separator(&self, index: usize) -> bool {
        matches!(
            self.roles.get(index),
            Some(Role::Separator | Role::ListComma)
        ) && self.ends_group.get(index).copied().unwrap_or_default()
    }

    /// Whether a blank stands between two pieces in one line. Where it says no, the texts must not
    /// make another token together.
    pub(super) fn has_blank(&self, pieces: &[Piece<'_>], left: usize, right: usize) -> bool {
        let (Some(a), Some(b)) = (pieces.get(left), pieces.get(right)) else {
            return false;
        };
        let role = |index: usize| self.roles.get(index).copied().unwrap_or(Role::Plain);
        let is_narrow = |group| matches!(self.form(group), Form::Parens | Form::Index);
        if b.is(Tok::Comma) || b.is(Tok::Semicolon) {
            return false;
        }
        if a.is(Tok::Dot) || b.is(Tok::Dot) {
            return a.is_comment() || b.is_comment();
        }
        match (role(left), role(right)) {
            // The documentation has `object Host "a" { }`, but `vars = {}` and `groups = []`.
            (Role::Open { group, .. }, Role::Close { .. }) => {
                self.groups.get(group).is_some_and(|group| group.is_body)
            }
            (Role::Open { group, .. }, _) if is_narrow(group) => b.kind == Kind::LineComment,
            (_, Role::Close { group }) if is_narrow(group) => false,
            (Role::Unary, _) => b.is_comment() || would_join(a, b),
            (_, Role::Open { is_tight, .. }) => !is_tight,
            _ => true,
        }
    }
}

/// Whether an operator and its operand would be read as something else without a blank: `& &x`, and
/// `! inside`, which Icinga 2 reads as `!in side`.
fn would_join(operator: &Piece<'_>, operand: &Piece<'_>) -> bool {
    match operator.token() {
        Some(Tok::BinaryAnd) => operand.is(Tok::BinaryAnd),
        Some(Tok::Not) => operand.text.starts_with("in"),
        _ => false,
    }
}

/// A group that is not closed yet.
struct Frame {
    group: usize,
    /// The next token begins a statement.
    begins_statement: bool,
    /// Commas that belong to the statement: `include_zones "tag", "path", "pattern"`.
    own_commas: u8,
}

struct Matcher<'p> {
    pieces: &'p [Piece<'p>],
    groups: Vec<Group>,
    roles: Vec<Role>,
    frames: Vec<Frame>,
    /// The tokens before this place end an operand, so that an operator follows.
    after_operand: bool,
    /// The last token.
    before: Option<Tok>,
}

impl<'p> Matcher<'p> {
    fn new(pieces: &'p [Piece<'p>]) -> Self {
        let mut matcher = Self {
            pieces,
            groups: Vec::new(),
            roles: Vec::with_capacity(pieces.len()),
            frames: Vec::new(),
            after_operand: false,
            before: None,
        };
        matcher.open(Form::Block, 0);
        if let Some(whole) = matcher.groups.get_mut(WHOLE) {
            whole.has_breaks = true;
        }
        matcher
    }

    fn open(&mut self, form: Form, at: usize) -> usize {
        let group = self.groups.len();
        let ends_head = matches!(
            self.before,
            Some(Tok::Else | Tok::Try | Tok::Except | Tok::Default | Tok::IgnoreOnError)
        );
        let around = self.frames.last().map_or(WHOLE, |frame| frame.group);
        let around = self.groups.get(around);
        let (around_ignores, around_weak) = around.map_or((false, false), |around| {
            (around.ignores_lines, around.braces_are_weak)
        });
        let is_lambda = form == Form::Block && self.before == Some(Tok::Follows);
        let is_strong = form == Form::Block
            && !is_lambda
            && !around_weak
            && self.pieces.get(at).is_some_and(|it| it.is(Tok::BraceOpen));
        self.groups.push(Group {
            form,
            is_body: form == Form::Block && (self.after_operand || ends_head),
            ignores_lines: form == Form::Parens || around_ignores && !is_strong,
            braces_are_weak: around_weak || is_lambda,
            open: at,
            close: self.pieces.len(),
            has_breaks: false,
            is_stiff: false,
            next: None,
            chain_end: self.pieces.len(),
        });
        self.frames.push(Frame {
            group,
            begins_statement: true,
            own_commas: 0,
        });
        group
    }

    fn form(&self) -> Form {
        let group = self.frames.last().map_or(WHOLE, |frame| frame.group);
        self.groups
            .get(group)
            .map_or(Form::Block, |group| group.form)
    }

    fn piece(&mut self, index: usize) {
        let Some(piece) = self.pieces.get(index) else {
            return;
        };
        self.note_lines(index, piece);
        let form = self.form();
        if piece.breaks > 0 && form == Form::Block {
            self.begin_statement();
        }
        let Some(token) = piece.token() else {
            self.roles.push(Role::Plain);
            return;
        };
        let role = self.role(index, token, form);
        if form == Form::Block && !matches!(role, Role::Separator | Role::Close { .. }) {
            self.note_statement(&role, token);
        }
        self.roles.push(role);
        // `apply Service (name) …`: the type is no operand.
        let is_type = self.before == Some(Tok::Apply);
        self.after_operand = token.ends_operand() && !is_type;
        self.before = Some(token);
    }

    /// Notes which groups cannot stand on one line.
    fn note_lines(&mut self, index: usize, piece: &Piece<'_>) {
        let Some(frame) = self.frames.last() else {
            return;
        };
        let Some(group) = self.groups.get_mut(frame.group) else {
            return;
        };
        // A line end in brackets with nothing in them is none, except in those of a body.
        let closes_empty = index == group.open + 1
            && frame.group != WHOLE
            && matches!(piece.token(), Some(Tok::BracketClose | Tok::ParenClose));
        group.has_breaks |= piece.breaks > 0 && !closes_empty;
        group.is_stiff |= piece.text.contains('\n');
    }

    fn begin_statement(&mut self) {
        self.after_operand = false;
        if let Some(frame) = self.frames.last_mut() {
            frame.begins_statement = true;
            frame.own_commas = 0;
        }
    }

    /// If a statement begins here, notes how many commas are its own.
    fn note_statement(&mut self, role: &Role, token: Tok) {
        // An opening bracket has its frame above the one of the statement.
        let above = usize::from(matches!(role, Role::Open { .. }));
        let frame = self.frames.len().checked_sub(1 + above);
        if let Some(frame) = frame.and_then(|index| self.frames.get_mut(index))
            && frame.begins_statement
        {
            frame.begins_statement = false;
            frame.own_commas = match token {
                Tok::IncludeRecursive => 1,
                Tok::IncludeZones => 2,
                _ => 0,
            };
        }
    }

    fn role(&mut self, index: usize, token: Tok, form: Form) -> Role {
        let operand = self.after_operand;
        match token {
            Tok::BraceOpen | Tok::LambdaBegin => self.opens(Form::Block, index, false),
            Tok::BracketOpen if operand => self.opens(Form::Index, index, true),
            Tok::BracketOpen => self.opens(Form::List, index, false),
            Tok::ParenOpen => {
                let is_tight = operand || self.before == Some(Tok::Function);
                self.opens(Form::Parens, index, is_tight)
            }
            Tok::BraceClose | Tok::LambdaEnd | Tok::BracketClose | Tok::ParenClose => {
                self.closes(index)
            }
            Tok::Semicolon | Tok::Comma if form == Form::Block => self.separator(token),
            Tok::Comma if form == Form::List => Role::ListComma,
            Tok::Not | Tok::Tilde => Role::Unary,
            Tok::Minus | Tok::Plus | Tok::BinaryAnd | Tok::Multiply if !operand => Role::Unary,
            _ => Role::Plain,
        }
    }

    fn opens(&mut self, form: Form, index: usize, is_tight: bool) -> Role {
        let group = self.open(form, index);
        self.after_operand = false;
        Role::Open { group, is_tight }
    }

    fn closes(&mut self, index: usize) -> Role {
        // The text has no errors: every bracket has its partner.
        if self.frames.len() < 2 {
            return Role::Plain;
        }
        let Some(frame) = self.frames.pop() else {
            return Role::Plain;
        };
        let around = self.frames.last().map_or(WHOLE, |frame| frame.group);
        let mut is_stiff = false;
        if let Some(group) = self.groups.get_mut(frame.group) {
            group.close = index;
            group.chain_end = index;
            is_stiff = group.has_breaks || group.is_stiff;
        }
        if let Some(around) = self.groups.get_mut(around) {
            around.is_stiff |= is_stiff;
        }
        Role::Close { group: frame.group }
    }

    fn separator(&mut self, token: Tok) -> Role {
        if let Some(frame) = self.frames.last_mut()
            && token == Tok::Comma
            && frame.own_commas > 0
        {
            frame.own_commas -= 1;
            return Role::Plain;
        }
        self.begin_statement();
        Role::Separator
    }
}
