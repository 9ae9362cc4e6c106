//! What helps to mend a faulty configuration: the nearest known word, notes, an identifier of the
//! kind of fault.

use std::collections::BTreeSet;

use crate::Str;

/// What a finding about a configuration says beyond its text. Tools read it; people get the
/// suggestion and the notes below the marked lines.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Advice {
    /// The kind of fault (`unknown-attribute`); empty when it has no name of its own. The names
    /// are listed in `docs/diagnostics.md` and do not change.
    pub code: &'static str,
    /// Known words that are near to the one that was written, the nearest first.
    pub suggestions: Vec<String>,
    /// Explanations and remedies, one sentence each, without a full stop.
    pub notes: Vec<String>,
    /// The attribute that it is about, with the way into it joined by dots.
    pub attribute: Option<String>,
}

impl Advice {
    /// Advice that only names the kind of fault.
    #[must_use]
    pub fn of(code: &'static str) -> Self {
        Self {
            code,
            ..Self::default()
        }
    }

    /// The lines for people: the question, and the notes.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        let is_asked = self.notes.iter().any(|note| note.contains("did you mean"));
        if let Some(question) = question(&self.suggestions).filter(|_| !is_asked) {
            lines.push(format!("Help: {question}"));
        }
        lines.extend(self.notes.iter().map(|note| format!("Help: {note}")));
        lines
    }
}

/// "did you mean 'a' or 'b'?"; nothing without suggestions.
#[must_use]
pub fn question<T: AsRef<str>>(suggestions: &[T]) -> Option<String> {
    let quoted: Vec<String> = suggestions
        .iter()
        .map(|it| format!("'{}'", it.as_ref()))
        .collect();
    let (last, others) = quoted.split_last()?;
    Some(if others.is_empty() {
        format!("did you mean {last}?")
    } else {
        format!("did you mean {} or {last}?", others.join(", "))
    })
}

/// What may be missing because of errors that were reported: whoever needs one of these has no
/// fault of its own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Doubts {
    /// A file could not be read: anything may be missing.
    pub all: bool,
    /// Global variables, constants and functions.
    pub globals: BTreeSet<Str>,
    /// Types and names of objects and templates. The name `*` stands for all of the type.
    pub objects: BTreeSet<(Str, Str)>,
}

impl Doubts {
    /// Adds those of another.
    pub fn extend(&mut self, other: Self) {
        self.all |= other.all;
        self.globals.extend(other.globals);
        self.objects.extend(other.objects);
    }

    /// Whether a global of that name may be missing.
    #[must_use]
    pub fn global(&self, name: &str) -> bool {
        self.all || self.globals.contains(name)
    }

    /// Whether an object or template may be missing.
    #[must_use]
    pub fn object(&self, type_name: &str, name: &str) -> bool {
        let has = |name: &str| self.objects.contains(&(type_name.into(), name.into()));
        self.all || (!self.objects.is_empty() && (has(name) || has("*")))
    }

    /// Whether any object of a type may be missing.
    #[must_use]
    pub fn any_of(&self, type_name: &str) -> bool {
        self.all || self.objects.iter().any(|(of, _)| of == type_name)
    }
}

/// Finds near words, with a limit on the work of all searches together: a configuration with
/// 100,000 objects and 1,000 errors must not keep its author waiting for suggestions.
#[derive(Clone, Debug)]
pub struct Suggester {
    /// What is left to spend: one for each word looked at, [`DISTANCE_COST`] for each compared.
    left: u32,
}

/// Enough for a hundred searches among 20,000 names; some tenths of a second at most.
const BUDGET: u32 = 2_000_000;
const DISTANCE_COST: u32 = 10;
/// Suggestions that are equally near.
const SUGGESTIONS_MAX: usize = 3;
/// Longer words are never compared.
const WORD_MAX: usize = 80;

impl Default for Suggester {
    fn default() -> Self {
        Self { left: BUDGET }
    }
}

impl Suggester {
    /// The known words nearest to `word`: those that differ by the fewest slips of the keyboard
    /// (at most a third of their letters, and three); else those that have all its parts
    /// (`interval` in `check_interval`). Equally near ones in the order of the alphabet; none when
    /// they are more than three, when the word itself is known, or when the work is used up.
    pub fn nearest<'a>(
        &mut self,
        word: &str,
        known: impl IntoIterator<Item = &'a str>,
    ) -> Vec<String> {
        let given = Folded::new(word);
        if given.length == 0 || given.length > WORD_MAX {
            return Vec::new();
        }
        let mut best: Vec<(Rank, &str)> = Vec::new();
        for candidate in known {
            let Some(left) = self.left.checked_sub(1) else {
                return Vec::new();
            };
            self.left = left;
            if candidate == word {
                return Vec::new();
            }
            let Some(rank) = self.rank(word, &given, candidate) else {
                continue;
            };
            best.push((rank, candidate));
            if best.len() > 64 {
                best.sort_unstable();
                best.truncate(SUGGESTIONS_MAX + 1);
            }
        }
        best.sort_unstable();
        best.dedup();
        let Some((first, _)) = best.first().copied() else {
            return Vec::new();
        };
        best.retain(|(rank, _)| *rank == first);
        if best.len() > SUGGESTIONS_MAX {
            return Vec::new();
        }
        best.into_iter().map(|(_, word)| word.to_owned()).collect()
    }

    fn rank(&mut self, word: &str, given: &Folded, candidate: &str) -> Option<Rank> {
        if candidate.len() > WORD_MAX * 2 {
            return None;
        }
        let other = Folded::new(candidate);
        if given.digits_differ(&other) {
            return None;
        }
        let longest = given.length.max(other.length);
        let budget = match longest {
            0..=2 => 0,
            _ => (longest / 3).clamp(1, 3),
        };
        if given.length.abs_diff(other.length) <= budget && given.letters_differ(&other) <= budget {
            self.left = self.left.saturating_sub(DISTANCE_COST);
            let slips = strsim::osa_distance(&given.text, &other.text);
            if slips <= budget {
                return Some(Rank::Slips(slips, strsim::osa_distance(word, candidate)));
            }
        }
        (given.length >= 4 && given.is_part_of(&other)).then_some(Rank::Parts)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    /// Slips without and with regard to case.
    Slips(usize, usize),
    /// All parts of the word are parts of the other.
    Parts,
}

/// A word in small letters, with `-` and blanks as `_`.
struct Folded {
    text: String,
    length: usize,
    /// How often each letter occurs, a few kinds of characters together.
    letters: [u8; 32],
}

impl Folded {
    fn new(word: &str) -> Self {
        let text: String = word
            .chars()
            .map(|c| match c {
                '-' | ' ' => '_',
                c => c.to_ascii_lowercase(),
            })
            .collect();
        let mut letters = [0u8; 32];
        let mut length = 0;
        for character in text.chars() {
            let slot = character as usize & 31;
            if let Some(count) = letters.get_mut(slot) {
                *count = count.saturating_add(1);
            }
            length += 1;
        }
        Self {
            text,
            length,
            letters,
        }
    }

    /// A lower bound of the distance: letters that the one has and the other has not.
    fn letters_differ(&self, other: &Self) -> usize {
        let pairs = self.letters.iter().zip(&other.letters);
        let (more, less) = pairs.fold((0usize, 0usize), |(more, less), (a, b)| {
            (
                more + usize::from(a.saturating_sub(*b)),
                less + usize::from(b.saturating_sub(*a)),
            )
        });
        more.max(less)
    }

    /// `web-1` is no slip for `web-2`.
    fn digits_differ(&self, other: &Self) -> bool {
        let digits = |text: &'_ str| -> Vec<u8> {
            text.bytes().filter(u8::is_ascii_digit).collect::<Vec<u8>>()
        };
        let has = |text: &str| text.bytes().any(|byte| byte.is_ascii_digit());
        has(&self.text) && has(&other.text) && digits(&self.text) != digits(&other.text)
    }

    fn is_part_of(&self, other: &Self) -> bool {
        let parts = |text: &'_ str| -> Vec<String> { text.split('_').map(str::to_owned).collect() };
        if !other.text.contains('_') {
            return false;
        }
        let known = parts(&other.text);
        parts(&self.text).iter().all(|part| known.contains(part))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ATTRIBUTES: [&str; 9] = [
        "address",
        "address6",
        "check_command",
        "check_interval",
        "display_name",
        "event_command",
        "max_check_attempts",
        "retry_interval",
        "vars",
    ];

    fn nearest(word: &str, known: &[&str]) -> Vec<String> {
        Suggester::default().nearest(word, known.iter().copied())
    }

    #[test]
    fn slips_of_the_keyboard() {
        for (word, meant) in [
            ("check_comand", "check_command"),
            ("check_intervall", "check_interval"),
            ("chekc_interval", "check_interval"),
            ("CheckInterval", "check_interval"),
            ("check-interval", "check_interval"),
            ("adress", "address"),
            ("Address", "address"),
            ("max_attempts_check", "max_check_attempts"),
            ("var", "vars"),
        ] {
            assert_eq!(nearest(word, &ATTRIBUTES), [meant], "{word}");
        }
        assert_eq!(nearest("Hots", &["Host", "HostGroup"]), ["Host"]);
    }

    #[test]
    fn what_is_equally_near_is_told_together() {
        assert_eq!(
            nearest("ping", &["ping6", "ping4", "http"]),
            ["ping4", "ping6"]
        );
        assert_eq!(
            nearest("interval", &ATTRIBUTES),
            ["check_interval", "retry_interval"]
        );
        let many: Vec<String> = (b'a'..=b'z')
            .map(|c| format!("part_{}", c as char))
            .collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        assert!(nearest("part", &many).is_empty());
    }

    #[test]
    fn other_words_are_not_suggested() {
        for word in ["parents", "x", "", "os", "completely_different", "address"] {
            assert!(nearest(word, &ATTRIBUTES).is_empty(), "{word}");
        }
        assert!(nearest("web-1", &["web-2", "web-11"]).is_empty());
        assert_eq!(nearest("wbe-1", &["web-1", "web-2"]), ["web-1"]);
    }

    #[test]
    fn the_work_is_limited() {
        let names: Vec<String> = (0..20_000).map(|it| format!("host-{it:05}")).collect();
        let mut suggester = Suggester::default();
        let mut searches = 0;
        while suggester.left > 0 && searches < 10_000 {
            suggester.nearest("hots-00007", names.iter().map(String::as_str));
            searches += 1;
        }
        assert!(searches < 500, "{searches}");
        assert!(suggester.nearest("a", ["ab"]).is_empty());
    }

    #[test]
    fn questions() {
        assert_eq!(question::<&str>(&[]), None);
        assert_eq!(question(&["a"]).as_deref(), Some("did you mean 'a'?"));
        assert_eq!(
            question(&["a", "b", "c"]).as_deref(),
            Some("did you mean 'a', 'b' or 'c'?")
        );
    }
}
