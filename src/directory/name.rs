//! What may name an array.

use crate::error::{Error, Result};

/// The longest name, in bytes; the longest that file systems take for one part, and enough for a path.
const MAX_LEN: usize = 255;

/// One or more parts of `[A-Za-z0-9._-]` joined by `/`, none of which starts with a dot.
#[derive(Clone, Debug)]
pub(crate) struct Name<'a>(&'a str);

impl<'a> Name<'a> {
    pub(crate) fn parse(text: &'a str) -> Result<Self> {
        let invalid = |reason: &str| Err(Error::InvalidName { name: text.to_owned(), reason: reason.to_owned() });
        if text.len() > MAX_LEN {
            return invalid("it is longer than 255 bytes");
        }
        for part in text.split('/') {
            if part.is_empty() {
                return invalid("a part of it is empty");
            }
            if part.starts_with('.') {
                return invalid("a part of it starts with a dot");
            }
            if !part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte)) {
                return invalid("its parts may hold only A-Z, a-z, 0-9, '.', '_' and '-', joined by '/'");
            }
        }
        Ok(Self(text))
    }

    pub(crate) fn as_str(&self) -> &'a str {
        self.0
    }

    /// The last part.
    pub(crate) fn leaf(&self) -> &'a str {
        self.0.rsplit_once('/').map_or(self.0, |(_, leaf)| leaf)
    }

    /// What stands before the last part; empty for a name of one part.
    pub(crate) fn parent(&self) -> &'a str {
        self.0.rsplit_once('/').map_or("", |(parent, _)| parent)
    }

    /// The folders that it stands in, from the outermost: `a`, `a/b` for `a/b/c`.
    pub(crate) fn parents(&self) -> impl DoubleEndedIterator<Item = &'a str> + use<'a> {
        let text = self.0;
        text.match_indices('/').map(move |(at, _)| &text[..at])
    }

    pub(crate) fn is_folder(&self) -> Error {
        Error::InvalidName { name: self.0.to_owned(), reason: "it is a folder of arrays".to_owned() }
    }

    pub(crate) fn is_below_array(&self) -> Error {
        Error::InvalidName { name: self.0.to_owned(), reason: "a part of it is an array, not a folder".to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_what_is_none() {
        for good in ["a", "camera", "sim/field", "a.b-c_d/E9", &"x".repeat(255)] {
            assert!(Name::parse(good).is_ok(), "{good}");
        }
        let long = "x".repeat(256);
        for bad in ["", "/", "/a", "a/", "a//b", ".", "..", "a/..", ".hidden", "a/.b", "a b", "ä", "a\0b", "~", &long]
        {
            let error = Name::parse(bad).expect_err(bad).to_string();
            assert!(error.contains("cannot name an array"), "{error}");
        }
    }

    #[test]
    fn a_name_knows_its_folders() {
        let name = Name::parse("a/b/c").expect("it is a name");
        assert_eq!(name.parents().collect::<Vec<_>>(), ["a", "a/b"]);
        assert_eq!((name.parent(), name.leaf()), ("a/b", "c"));
        assert_eq!(Name::parse("c").expect("it is a name").parents().count(), 0);
    }
}
