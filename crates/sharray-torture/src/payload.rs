//! Arrays that check themselves.
//!
//! Every word of a version is computed from the array's name, the version and the word's place, so a mixture of two
//! versions, or of two arrays, is seen at the first word that is not the others'. A version has a salt, drawn anew
//! whenever somebody fills a slot: two that fill a slot for the same sequence, one of whom died, differ too.

use crate::Outcome;
use std::time::Duration;

/// What tells the words of one array, or of one frame of it, from all others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Key(u64);

impl Key {
    pub(crate) fn of(name: &str) -> Self {
        Self(name.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| mix(hash ^ u64::from(byte))))
    }

    /// The key of one frame, or of one block.
    pub(crate) fn part(self, number: u64) -> Self {
        Self(mix(self.0 ^ number.wrapping_mul(0x9e37_79b9_7f4a_7c15)))
    }

    /// What the word at a position must be.
    #[inline]
    pub(crate) fn word(self, salt: u64, at: usize) -> u64 {
        mix(self.0 ^ salt.rotate_left(17) ^ (at as u64).wrapping_mul(0xd1b5_4a32_d192_ed03))
    }

    /// Writes a version.
    pub(crate) fn fill(self, words: &mut [u64], salt: u64) {
        self.fill_from(words, salt, 0);
    }

    /// Writes a part of a version, which begins at a position.
    pub(crate) fn fill_from(self, words: &mut [u64], salt: u64, first: usize) {
        for (at, word) in words.iter_mut().enumerate() {
            *word = self.word(salt, first + at);
        }
    }

    /// Fails at the first word that is not this version's.
    pub(crate) fn check(self, words: &[u64], salt: u64) -> Outcome {
        let wrong = words.iter().enumerate().find(|(at, word)| **word != self.word(salt, *at));
        wrong.map_or(Ok(()), |(at, word)| {
            let len = words.len();
            Err(format!("torn: word {at} of {len} is {word:#x}, expected {:#x}", self.word(salt, at)))
        })
    }
}

/// What an array in place, a block of it or a cell holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Version {
    /// Counted up at each write; 0: never written.
    pub(crate) count: u64,
    pub(crate) salt: u64,
}

impl Key {
    /// Writes a version, the halves with a pause between them.
    pub(crate) fn fill_version(self, words: &mut [u64], version: Version, pause: Duration) {
        let key = self.part(version.count);
        words[0] = version.count;
        words[1] = version.salt;
        let half = words.len() / 2;
        key.fill_from(&mut words[2..half], version.salt, 2);
        if !pause.is_zero() {
            std::thread::sleep(pause);
        }
        key.fill_from(&mut words[half..], version.salt, half);
    }

    /// Fails unless this is one version, whole.
    pub(crate) fn check_version(self, words: &[u64]) -> Outcome<Version> {
        let version = Version { count: words[0], salt: words[1] };
        if version.count == 0 {
            let wrong = words.iter().position(|word| *word != 0);
            return wrong.map_or(Ok(version), |at| Err(format!("torn: never written, but word {at} is not zero")));
        }
        let key = self.part(version.count);
        let wrong = (2..words.len()).find(|at| words[*at] != key.word(version.salt, *at));
        wrong.map_or(Ok(version), |at| Err(format!("torn: word {at} of {} is not of {version:?}", words.len())))
    }
}

fn mix(mut x: u64) -> u64 {
    x ^= x >> 32;
    x = x.wrapping_mul(0xbea2_25f9_eb34_556d);
    x ^= x >> 29;
    x = x.wrapping_mul(0xbea2_25f9_eb34_556d);
    x ^ (x >> 32)
}

/// The salt of a frame that a stream was created with: it has no tags that could tell one.
pub(crate) const FIRST: u64 = 1;

/// How many items the version of this salt has: mostly all, sometimes fewer.
pub(crate) fn len(salt: u64, most: usize) -> usize {
    if salt % 4 == 0 { 1 + (salt / 4) as usize % most } else { most }
}
