//! What long commands show: bars and a live line on a terminal, plain lines elsewhere.

use std::io::{IsTerminal as _, Write as _, stdout};

/// Standard output.
#[derive(Debug)]
pub(crate) struct Screen {
    is_silent: bool,
    is_terminal: bool,
    /// Whether the last line may be overwritten.
    is_open: bool,
    last_tenth: Option<u64>,
}

impl Screen {
    pub(crate) fn new() -> Self {
        Self {
            is_silent: false,
            is_terminal: stdout().is_terminal(),
            is_open: false,
            last_tenth: None,
        }
    }

    /// One that shows nothing, because standard output is for something else.
    pub(crate) fn silent() -> Self {
        Self {
            is_silent: true,
            ..Self::new()
        }
    }

    /// A line that stays.
    pub(crate) fn line(&mut self, text: &str) {
        if self.is_silent {
            return;
        }
        self.erase();
        put(&format!("{text}\n"));
    }

    /// Progress: a bar on a terminal, a line for each tenth elsewhere.
    pub(crate) fn bar(&mut self, done: u64, total: u64, text: &str) {
        if self.is_silent {
            return;
        }
        if self.is_terminal {
            const WIDTH: u64 = 40;
            let filled = done * WIDTH / total.max(1);
            let bar: String = (0..WIDTH)
                .map(|place| if place < filled { '#' } else { '.' })
                .collect();
            self.overwrite(&format!("[{bar}] {text}"));
            return;
        }
        // Another stage begins at the left again.
        if self
            .last_tenth
            .is_some_and(|last| done * 10 / total.max(1) < last)
        {
            self.last_tenth = None;
        }
        let tenth = done * 10 / total.max(1);
        if self.last_tenth.is_none_or(|last| tenth > last) {
            self.last_tenth = Some(tenth);
            put(&format!("{text}\n"));
        }
    }

    /// Figures that replace the ones before on a terminal.
    pub(crate) fn status(&mut self, text: &str) {
        if self.is_silent {
            return;
        }
        if self.is_terminal {
            self.overwrite(text);
        } else {
            put(&format!("{text}\n"));
        }
    }

    fn overwrite(&mut self, text: &str) {
        // Longer than the line, it would scroll instead of being replaced.
        let width = rustix::termios::tcgetwinsize(stdout()).map_or(80, |size| size.ws_col);
        let text: String = text.chars().take(usize::from(width.max(20)) - 1).collect();
        put(&format!("\r\x1b[K{text}"));
        self.is_open = true;
    }

    fn erase(&mut self) {
        if self.is_open {
            put("\r\x1b[K");
            self.is_open = false;
        }
    }
}

fn put(text: &str) {
    let mut out = stdout().lock();
    // A closed pipe ends the command by its signal or at the next step; there is nobody to tell.
    let _ = out.write_all(text.as_bytes());
    let _ = out.flush();
}
