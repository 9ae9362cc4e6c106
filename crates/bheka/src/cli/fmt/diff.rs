//! Two texts → a unified diff, as `patch` reads it.
//!
//! Lines that occur once in both texts are what people orient themselves by; they are matched
//! first, then what lies between them. The time is bounded by that, whatever the texts are: where
//! nothing stands out and there is much of it, it is shown as replaced.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::ops::Range;

/// Lines shown around a change.
const CONTEXT: usize = 3;
/// Line pairs that are compared one by one where no line stands out.
const PAIRS_MAX: usize = 1 << 20;
/// How often what lies between matched lines is looked at again.
const ROUNDS_MAX: usize = 16;

/// The changes from `old` to `new`; empty if there are none.
pub(super) fn unified(name: &str, old: &str, new: &str) -> String {
    let a: Vec<&str> = old.split_inclusive('\n').collect();
    let b: Vec<&str> = new.split_inclusive('\n').collect();
    let hunks = hunks(&changes(&a, &b), a.len(), b.len());
    let mut out = String::new();
    if !hunks.is_empty() {
        let _ = write!(out, "--- {name}\n+++ {name} (formatted)\n");
    }
    for hunk in hunks {
        let _ = writeln!(out, "@@ -{} +{} @@", place(&hunk.old), place(&hunk.new));
        let mut at = hunk.old.start;
        for change in &hunk.changes {
            lines(&mut out, ' ', &a, at..change.old.start);
            lines(&mut out, '-', &a, change.old.clone());
            lines(&mut out, '+', &b, change.new.clone());
            at = change.old.end;
        }
        lines(&mut out, ' ', &a, at..hunk.old.end);
    }
    out
}

/// Lines that are replaced by others.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Change {
    old: Range<usize>,
    new: Range<usize>,
}

/// Changes that are near each other, with the lines around.
struct Hunk {
    old: Range<usize>,
    new: Range<usize>,
    changes: Vec<Change>,
}

/// A range as a diff names it: from 1, and the line before it if it is empty.
fn place(range: &Range<usize>) -> String {
    let first = if range.is_empty() {
        range.start
    } else {
        range.start + 1
    };
    match range.len() {
        1 => first.to_string(),
        length => format!("{first},{length}"),
    }
}

fn lines(out: &mut String, sign: char, text: &[&str], range: Range<usize>) {
    for line in text.get(range).unwrap_or_default() {
        out.push(sign);
        out.push_str(line);
        if !line.ends_with('\n') {
            out.push_str("\n\\ No newline at end of file\n");
        }
    }
}

fn hunks(changes: &[Change], old_count: usize, new_count: usize) -> Vec<Hunk> {
    let mut hunks: Vec<Hunk> = Vec::new();
    for change in changes {
        let last = hunks.last_mut();
        let near = last.filter(|hunk| change.old.start <= hunk.old.end + CONTEXT);
        let hunk = match near {
            Some(hunk) => hunk,
            None => {
                let before = CONTEXT.min(change.old.start);
                hunks.push(Hunk {
                    old: change.old.start - before..change.old.end,
                    new: change.new.start - before..change.new.end,
                    changes: Vec::new(),
                });
                match hunks.last_mut() {
                    Some(hunk) => hunk,
                    None => continue,
                }
            }
        };
        hunk.old.end = (change.old.end + CONTEXT).min(old_count);
        hunk.new.end = (change.new.end + CONTEXT).min(new_count);
        hunk.changes.push(change.clone());
    }
    hunks
}

/// What differs, in order.
fn changes(a: &[&str], b: &[&str]) -> Vec<Change> {
    let mut matched = matches(a, b);
    matched.sort_unstable();
    matched.push((a.len(), b.len()));
    let (mut i, mut j) = (0, 0);
    let mut changes = Vec::new();
    for (old, new) in matched {
        if i < old || j < new {
            changes.push(Change {
                old: i..old,
                new: j..new,
            });
        }
        (i, j) = (old + 1, new + 1);
    }
    changes
}

/// Two ranges of lines, and how often they were looked at.
struct Gap {
    a: Range<usize>,
    b: Range<usize>,
    round: usize,
}

/// Pairs of equal lines, increasing in both texts (in no order).
fn matches(a: &[&str], b: &[&str]) -> Vec<(usize, usize)> {
    let mut found = Vec::new();
    let mut gaps = vec![Gap {
        a: 0..a.len(),
        b: 0..b.len(),
        round: 0,
    }];
    while let Some(mut gap) = gaps.pop() {
        trim(a, b, &mut gap, &mut found);
        if gap.a.is_empty() || gap.b.is_empty() {
            continue;
        }
        let anchors = if gap.round < ROUNDS_MAX {
            anchors(a, b, &gap)
        } else {
            Vec::new()
        };
        if anchors.is_empty() {
            if gap.a.len().saturating_mul(gap.b.len()) <= PAIRS_MAX {
                longest_common(a, b, &gap, &mut found);
            }
            continue;
        }
        let (mut i, mut j) = (gap.a.start, gap.b.start);
        let end = (gap.a.end, gap.b.end);
        found.extend_from_slice(&anchors);
        for (old, new) in anchors.into_iter().chain([end]) {
            gaps.push(Gap {
                a: i..old,
                b: j..new,
                round: gap.round + 1,
            });
            (i, j) = (old + 1, new + 1);
        }
    }
    found
}

/// Matches equal lines at both ends.
fn trim(a: &[&str], b: &[&str], gap: &mut Gap, found: &mut Vec<(usize, usize)>) {
    while !gap.a.is_empty() && !gap.b.is_empty() && a.get(gap.a.start) == b.get(gap.b.start) {
        found.push((gap.a.start, gap.b.start));
        gap.a.start += 1;
        gap.b.start += 1;
    }
    while !gap.a.is_empty() && !gap.b.is_empty() && a.get(gap.a.end - 1) == b.get(gap.b.end - 1) {
        gap.a.end -= 1;
        gap.b.end -= 1;
        found.push((gap.a.end, gap.b.end));
    }
}

/// Lines that occur once in both ranges, as many as stand in the same order.
fn anchors(a: &[&str], b: &[&str], gap: &Gap) -> Vec<(usize, usize)> {
    /// Where a line is in each text; `None`: not yet, or more than once.
    #[derive(Default)]
    struct Seen {
        counts: (u32, u32),
        new: usize,
    }
    let mut seen: HashMap<&str, Seen> = HashMap::new();
    for line in a.get(gap.a.clone()).unwrap_or_default() {
        seen.entry(line).or_default().counts.0 += 1;
    }
    for (index, line) in b.get(gap.b.clone()).unwrap_or_default().iter().enumerate() {
        let entry = seen.entry(line).or_default();
        entry.counts.1 += 1;
        entry.new = gap.b.start + index;
    }
    let once = a.get(gap.a.clone()).unwrap_or_default().iter().enumerate();
    let pairs = once.filter_map(|(index, line)| {
        let entry = seen.get(line).filter(|entry| entry.counts == (1, 1))?;
        Some((gap.a.start + index, entry.new))
    });
    increasing(&pairs.collect::<Vec<_>>())
}

/// The longest part of `pairs`, which increase in the first number, that increases in the second.
fn increasing(pairs: &[(usize, usize)]) -> Vec<(usize, usize)> {
    // The last pair of the best row of each length, and the one before each pair.
    let mut ends: Vec<usize> = Vec::new();
    let mut before: Vec<Option<usize>> = Vec::with_capacity(pairs.len());
    let second = |index: usize| pairs.get(index).map_or(0, |pair| pair.1);
    for index in 0..pairs.len() {
        let length = ends.partition_point(|end| second(*end) < second(index));
        before.push(length.checked_sub(1).and_then(|it| ends.get(it).copied()));
        match ends.get_mut(length) {
            Some(end) => *end = index,
            None => ends.push(index),
        }
    }
    let mut row = Vec::with_capacity(ends.len());
    let mut next = ends.last().copied();
    while let Some(index) = next {
        row.extend(pairs.get(index).copied());
        next = before.get(index).copied().flatten();
    }
    row.reverse();
    row
}

/// Matches as many lines of two short ranges as possible.
fn longest_common(a: &[&str], b: &[&str], gap: &Gap, found: &mut Vec<(usize, usize)>) {
    let (rows, columns) = (gap.a.len(), gap.b.len());
    let equal = |i: usize, j: usize| a.get(gap.a.start + i) == b.get(gap.b.start + j);
    // lengths[i * width + j]: of the best for what begins at (i, j).
    let width = columns + 1;
    let mut lengths = vec![0u32; (rows + 1) * width];
    let at = |lengths: &[u32], i: usize, j: usize| lengths.get(i * width + j).copied().unwrap_or(0);
    for i in (0..rows).rev() {
        for j in (0..columns).rev() {
            let best = if equal(i, j) {
                at(&lengths, i + 1, j + 1) + 1
            } else {
                at(&lengths, i + 1, j).max(at(&lengths, i, j + 1))
            };
            if let Some(slot) = lengths.get_mut(i * width + j) {
                *slot = best;
            }
        }
    }
    let (mut i, mut j) = (0, 0);
    while i < rows && j < columns {
        if equal(i, j) {
            found.push((gap.a.start + i, gap.b.start + j));
            (i, j) = (i + 1, j + 1);
        } else if at(&lengths, i + 1, j) >= at(&lengths, i, j + 1) {
            i += 1;
        } else {
            j += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn diff(old: &str, new: &str) -> String {
        unified("f", &old.replace(' ', "\n"), &new.replace(' ', "\n"))
    }

    #[test]
    fn equal_texts_have_no_changes() {
        assert_eq!(diff("a b c ", "a b c "), "");
        assert_eq!(diff("", ""), "");
    }

    #[test]
    fn changes_stand_between_the_lines_around() {
        assert_eq!(
            diff("a b c d e f g h i j ", "a b c d X f g h i j "),
            "--- f\n+++ f (formatted)\n@@ -2,7 +2,7 @@\n b\n c\n d\n-e\n+X\n f\n g\n h\n"
        );
        assert_eq!(
            diff("", "a "),
            "--- f\n+++ f (formatted)\n@@ -0,0 +1 @@\n+a\n"
        );
        assert_eq!(
            diff("a b", "a "),
            "--- f\n+++ f (formatted)\n@@ -1,2 +1 @@\n a\n-b\n\\ No newline at end of file\n"
        );
        let far = "1 2 3 4 5 6 7 8 9 ";
        let found = diff(&format!("a {far}b "), &format!("c {far}d "));
        assert_eq!(found.matches("@@ -").count(), 2, "{found}");
        let near = "1 2 3 4 5 6 ";
        let found = diff(&format!("a {near}b "), &format!("c {near}d "));
        assert_eq!(found.matches("@@ -").count(), 1, "{found}");
    }

    /// Does what the diff says.
    fn patch(old: &str, diff: &str) -> String {
        let old: Vec<&str> = old.split_inclusive('\n').collect();
        let mut out = String::new();
        let mut at = 0;
        for line in diff.split_inclusive('\n').skip(2) {
            if let Some(head) = line.strip_prefix("@@ -") {
                let number: String = head.chars().take_while(char::is_ascii_digit).collect();
                let first: usize = number.parse().expect("a number");
                let is_empty = head[number.len()..].starts_with(",0");
                let first = if is_empty { first } else { first - 1 };
                out.extend(old[at..first].iter().copied());
                at = first;
            } else if let Some(text) = line.strip_prefix('+') {
                out.push_str(text);
            } else {
                assert_eq!(line[1..], *old[at]);
                if line.starts_with(' ') {
                    out.push_str(old[at]);
                }
                at += 1;
            }
        }
        out.extend(old[at..].iter().copied());
        out
    }

    #[test]
    fn a_diff_leads_from_the_old_text_to_the_new_one() {
        let mut random = 1u64;
        let mut next = |limit: u64| {
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (random >> 33) % limit
        };
        for round in 0..2000 {
            let kinds = 2 + next(30);
            let length = next(40);
            let old: Vec<String> = (0..length).map(|_| format!("{}\n", next(kinds))).collect();
            let mut new = old.clone();
            for _ in 0..next(8) {
                let at = next(new.len() as u64 + 1) as usize;
                match next(3) {
                    0 => new.insert(at, format!("{}\n", next(kinds))),
                    1 if at < new.len() => drop(new.remove(at)),
                    _ => new.truncate(new.len() - usize::from(at == 0 && !new.is_empty())),
                }
            }
            let (old, new) = (old.concat(), new.concat());
            let diff = unified("f", &old, &new);
            if old == new {
                assert_eq!(diff, "");
            } else {
                assert_eq!(patch(&old, &diff), new, "round {round}\n{old}\n{diff}");
            }
        }
    }

    #[test]
    fn long_texts_without_a_common_line() {
        let old = "\tsame\n".repeat(50_000);
        let new = "  same\n".repeat(50_000);
        let diff = unified("f", &old, &new);
        assert_eq!(diff.lines().count(), 100_003);
        assert_eq!(patch(&old, &diff), new);
    }
}
