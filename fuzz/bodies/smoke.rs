//! Runs a fuzz body without a fuzzer, for ordinary tests: all inputs of a corpus as they are, then
//! what a seeded random source makes of them. No coverage leads it, so it finds less than the
//! fuzzer; but it runs with every compiler, always.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

/// Inputs longer than this are cut, so that a round stays short.
const BYTES_MAX: usize = 2000;

/// A small random source (SplitMix64): the same numbers for the same seed, everywhere.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `limit`, which is not 0.
    pub(crate) fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit as u64) as usize
    }

    /// Random bytes, or an input of the corpus damaged at some places.
    pub(crate) fn input(&mut self, corpus: &[Vec<u8>]) -> Vec<u8> {
        if corpus.is_empty() || self.below(4) == 0 {
            let length = self.below(200);
            return (0..length).map(|_| self.next() as u8).collect();
        }
        let mut bytes = corpus[self.below(corpus.len())].clone();
        bytes.truncate(BYTES_MAX);
        for _ in 0..=self.below(8) {
            self.damage(&mut bytes, corpus);
        }
        bytes
    }

    fn damage(&mut self, bytes: &mut Vec<u8>, corpus: &[Vec<u8>]) {
        let at = self.below(bytes.len() + 1);
        match self.below(6) {
            0 => bytes.insert(at, self.next() as u8),
            1 => bytes.insert(at, TELLING[self.below(TELLING.len())]),
            2 if at < bytes.len() => bytes[at] ^= 1 << self.below(8),
            3 => bytes.truncate(at),
            4 => {
                let end = (at + self.below(20)).min(bytes.len());
                bytes.drain(at..end);
            }
            _ => {
                let other = &corpus[self.below(corpus.len())];
                let from = self.below(other.len() + 1);
                let to = (from + self.below(40)).min(other.len());
                bytes.splice(at..at, other[from..to].iter().copied());
            }
        }
    }
}

/// Bytes that mean something to one reader or another.
const TELLING: &[u8] = b"{}[]()\"\\'`$:,;.=!<>&|/*#\n\r\t \x000189-+eEuntf@%\xc3\xff";

/// Runs `check` on random input, as many rounds as told. A failure names the seed of its round;
/// with that in `BHEKA_FUZZ_SEED` the round is repeated alone.
pub(crate) fn rounds(count: u64, check: impl Fn(&mut Random)) {
    let one = std::env::var("BHEKA_FUZZ_SEED")
        .ok()
        .map(|seed| seed.parse::<u64>().expect("BHEKA_FUZZ_SEED is a number"));
    let seeds = one.map_or(0..count, |seed| seed..seed + 1);
    for seed in seeds {
        let mut random = Random(seed);
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| check(&mut random))) {
            eprintln!("to repeat this round alone: BHEKA_FUZZ_SEED={seed}");
            resume_unwind(panic);
        }
    }
}

/// The lines of the files `testdata/<folder>/*.jsonl`, seen from a crate's directory.
pub(crate) fn lines(folder: &str) -> Vec<Vec<u8>> {
    let folder = std::path::Path::new("../../testdata").join(folder);
    let mut files: Vec<_> = std::fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.expect("entry").path())
        .filter(|path| path.extension().is_some_and(|name| name == "jsonl"))
        .collect();
    files.sort();
    let lines: Vec<Vec<u8>> = files
        .iter()
        .map(|path| std::fs::read(path).expect("file"))
        .flat_map(|text| {
            text.split(|byte| *byte == b'\n')
                .map(<[u8]>::to_vec)
                .collect::<Vec<_>>()
        })
        .filter(|line| !line.is_empty())
        .collect();
    assert!(lines.len() >= 10, "the corpus is there");
    lines
}
