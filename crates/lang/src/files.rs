//! Walking directories through [`Sources`].

use crate::cost::PLACE;
use crate::fault::{Fault, Outcome};
use crate::run::Run;
use crate::{DirEntry, Sources};

/// Regular files.
pub(crate) const FILE: u8 = 1;
/// Directories.
pub(crate) const DIRECTORY: u8 = 2;

const DEPTH_MAX: usize = 64;

/// The entries of a directory, sorted by name.
pub(crate) fn list(sources: &dyn Sources, dir: &str) -> Outcome<Vec<DirEntry>> {
    let mut entries = sources.list(dir).map_err(|error| {
        Fault::new(format!(
            "Function call 'opendir' for file '{dir}' failed with error code {}, '{}'",
            error.code(),
            error.text()
        ))
    })?;
    entries.sort_by(|left, right| left.name.cmp(&right.name));
    Ok(entries)
}

/// All files (or directories) below a directory whose names match: those of a directory before
/// those of its subdirectories.
pub(crate) fn recursive(
    run: &Run<'_>,
    sources: &dyn Sources,
    dir: &str,
    pattern: &str,
    kinds: u8,
) -> Outcome<Vec<String>> {
    let mut found = Vec::new();
    let mut waiting = vec![(dir.to_owned(), 0)];
    while let Some((dir, depth)) = waiting.pop() {
        if depth > DEPTH_MAX {
            return Err(Fault::new(format!(
                "Directory '{dir}' nests too deep: the limit is {DEPTH_MAX} levels."
            )));
        }
        let entries = list(sources, &dir)?;
        count(run, &dir, entries.len())?;
        let below = walk(sources, &dir, &entries, (pattern, kinds), &mut found);
        waiting.extend(below.into_iter().rev().map(|dir| (dir, depth + 1)));
    }
    Ok(found)
}

/// Counts a directory that was listed: symbolic links can make a few ones endless.
fn count(run: &Run<'_>, dir: &str, entries: usize) -> Outcome<()> {
    // Each entry is asked the kernel for.
    const STEPS_A_DIRECTORY: u64 = 1_000;
    const STEPS_AN_ENTRY: u64 = 100;
    let entries = entries as u64;
    run.steps(STEPS_A_DIRECTORY + STEPS_AN_ENTRY * entries)?;
    run.bytes(entries.saturating_mul(dir.len() as u64 + PLACE))
}

/// Notes the entries that match, files first; yields the directories below.
fn walk(
    sources: &dyn Sources,
    dir: &str,
    entries: &[DirEntry],
    (pattern, kinds): (&str, u8),
    found: &mut Vec<String>,
) -> Vec<String> {
    let path = |entry: &DirEntry| format!("{}/{}", dir.trim_end_matches('/'), entry.name);
    let (directories, files): (Vec<_>, Vec<_>) = entries.iter().partition(|entry| entry.is_dir);
    for entry in files.into_iter().chain(directories) {
        let kind = if entry.is_dir { DIRECTORY } else { FILE };
        if kinds & kind != 0 && crate::builtins::text::wildcard(pattern, &entry.name) {
            let path = path(entry);
            // A link that leads nowhere is neither.
            if entry.is_dir || sources.is_file(&path) {
                found.push(path);
            }
        }
    }
    let below = entries.iter().filter(|entry| entry.is_dir);
    below.map(path).collect()
}

/// Paths that match a shell pattern (`*`, `?`, `[…]`): files, then directories, each sorted.
pub(crate) fn glob(
    run: &Run<'_>,
    sources: &dyn Sources,
    pattern: &str,
    kinds: u8,
) -> Outcome<Vec<String>> {
    if pattern.is_empty() {
        return Ok(Vec::new());
    }
    let absolute = pattern.starts_with('/');
    let parts: Vec<&str> = pattern.split('/').collect();
    let mut found = vec![if absolute {
        "/".to_owned()
    } else {
        String::new()
    }];
    let count = parts.len();
    for (at, part) in parts.iter().enumerate() {
        if part.is_empty() {
            if at > 0 && at + 1 == count {
                found.retain(|path| sources.list(path).is_ok());
                for path in &mut found {
                    path.push('/');
                }
            } else if at > 0 {
                for base in &mut found {
                    base.push_str(if base.ends_with('/') { "/" } else { "//" });
                }
            }
            continue;
        }
        let last = at + 1 == count;
        let mut next = Vec::new();
        for base in &found {
            step(run, sources, base, part, last, &mut next)?;
        }
        found = next;
    }
    found.sort();
    let (mut files, others): (Vec<_>, Vec<_>) =
        found.into_iter().partition(|path| sources.is_file(path));
    if kinds & FILE == 0 {
        files.clear();
    }
    if kinds & DIRECTORY != 0 {
        // What is neither, such as a link that leads nowhere, is left out.
        files.extend(others.into_iter().filter(|path| sources.list(path).is_ok()));
    }
    Ok(files)
}

fn step(
    run: &Run<'_>,
    sources: &dyn Sources,
    base: &str,
    part: &str,
    last: bool,
    next: &mut Vec<String>,
) -> Outcome<()> {
    let join = |name: &str| match base {
        "" => name.to_owned(),
        base if base.ends_with('/') => format!("{base}{name}"),
        base => format!("{base}/{name}"),
    };
    if !part.contains(['*', '?', '[', '\\']) {
        let path = join(part);
        count(run, base, 1)?;
        if !last || sources.is_file(&path) || sources.list(&path).is_ok() {
            next.push(path);
        }
        return Ok(());
    }
    let Ok(entries) = sources.list(if base.is_empty() { "." } else { base }) else {
        return Ok(());
    };
    count(run, base, entries.len())?;
    let names = entries.iter().map(|entry| entry.name.as_str());
    for name in [".", ".."].into_iter().chain(names) {
        let hidden = name.starts_with('.') && !part.starts_with('.');
        if !hidden && shell_match(part.as_bytes(), name.as_bytes()) {
            next.push(join(name));
        }
    }
    Ok(())
}

/// `*`, `?` and `[a-z]`, `[!a]` as the shell knows them.
fn shell_match(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut retry: Option<(usize, usize)> = None;
    while t < text.len() {
        let step = match pattern.get(p) {
            Some(b'*') => {
                retry = Some((p, t));
                p += 1;
                continue;
            }
            Some(b'?') => Some(1),
            Some(b'[') => class(&pattern[p..], text[t]),
            Some(b'\\') if pattern.get(p + 1) == Some(&text[t]) => Some(2),
            Some(&byte) if byte == text[t] => Some(1),
            _ => None,
        };
        match (step, retry) {
            (Some(width), _) => {
                p += width;
                t += 1;
            }
            (None, Some((star, from))) => {
                retry = Some((star, from + 1));
                p = star + 1;
                t = from + 1;
            }
            (None, None) => return false,
        }
    }
    pattern[p.min(pattern.len())..]
        .iter()
        .all(|&byte| byte == b'*')
}

/// The width of a bracket expression that matches the byte.
fn class(pattern: &[u8], byte: u8) -> Option<usize> {
    let negated = matches!(pattern.get(1), Some(b'!' | b'^'));
    let mut at = if negated { 2 } else { 1 };
    let first = at;
    let mut hit = false;
    loop {
        let low = *pattern.get(at)?;
        if low == b']' && at > first {
            break;
        }
        if let Some((width, fits)) = posix_class(&pattern[at..], byte) {
            hit |= fits;
            at += width;
            continue;
        }
        if pattern.get(at + 1) == Some(&b'-') && pattern.get(at + 2).is_some_and(|&b| b != b']') {
            let high = *pattern.get(at + 2)?;
            hit |= (low..=high).contains(&byte);
            at += 3;
        } else {
            hit |= low == byte;
            at += 1;
        }
    }
    (hit != negated).then_some(at + 1)
}

/// The width of a `[:name:]` inside a bracket expression, and whether the byte is of that class.
fn posix_class(pattern: &[u8], byte: u8) -> Option<(usize, bool)> {
    let rest = pattern.strip_prefix(b"[:")?;
    let end = rest.windows(2).position(|pair| pair == b":]")?;
    let fits = match &rest[..end] {
        b"alnum" => byte.is_ascii_alphanumeric(),
        b"alpha" => byte.is_ascii_alphabetic(),
        b"blank" => matches!(byte, b' ' | b'\t'),
        b"cntrl" => byte.is_ascii_control(),
        b"digit" => byte.is_ascii_digit(),
        b"graph" => byte.is_ascii_graphic(),
        b"lower" => byte.is_ascii_lowercase(),
        b"print" => byte.is_ascii_graphic() || byte == b' ',
        b"punct" => byte.is_ascii_punctuation(),
        b"space" => byte.is_ascii_whitespace() || byte == 0x0b,
        b"upper" => byte.is_ascii_uppercase(),
        b"xdigit" => byte.is_ascii_hexdigit(),
        _ => return None,
    };
    Some((end + 4, fits))
}

/// The directory part of a path, as `dirname` has it.
pub(crate) fn directory_of(path: &str) -> &str {
    match path.trim_end_matches('/').rfind('/') {
        Some(0) => "/",
        Some(at) => &path[..at],
        None => ".",
    }
}

/// Text of a file: a byte order mark is skipped, invalid UTF-8 replaced.
pub(crate) fn decode(bytes: &[u8]) -> String {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    String::from_utf8_lossy(bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shell_patterns() {
        assert!(shell_match(b"*.conf", b"a.conf"));
        assert!(!shell_match(b"*.conf", b"a.confx"));
        assert!(shell_match(b"[ab].conf", b"b.conf"));
        assert!(shell_match(b"[!a]x", b"bx"));
        assert!(!shell_match(b"[a-c]x", b"dx"));
        assert!(shell_match(b"a*b*c", b"axxbyyc"));
        assert!(!shell_match(b"[a", b"a"));
        assert!(shell_match(b"[[:alpha:]_]*", b"_x"));
        assert!(!shell_match(b"[[:digit:]]", b"x"));
        assert!(shell_match(b"\\*x", b"*x"));
    }

    #[test]
    fn directories() {
        assert_eq!(directory_of("/a/b"), "/a");
        assert_eq!(directory_of("/a"), "/");
        assert_eq!(directory_of("a"), ".");
    }
}
