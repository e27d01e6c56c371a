//! Python literals, as far as .npy headers have them: strings, integers, booleans, tuples, lists and dictionaries.
//!
//! The text may come from anyone. Nesting is bounded by [`MAX_NESTING`], and time and memory grow with the text alone.

use std::fmt::{self, Write as _};

/// How deep brackets may be nested: four times what the deepest dtype needs.
const MAX_NESTING: usize = 128;

/// A value written in Python's notation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Literal {
    Str(String),
    Int(usize),
    Bool(bool),
    Tuple(Vec<Literal>),
    List(Vec<Literal>),
    /// Keys are strings, in the order of the text; nobody has looked for twins.
    Dict(Vec<(String, Literal)>),
}

/// Where a text stops being a literal, and what should stand there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SyntaxError {
    at: usize,
    expected: &'static str,
}

impl fmt::Display for SyntaxError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "expected {} at byte {}", self.expected, self.at)
    }
}

impl Literal {
    /// Reads one literal that fills `text`, space around it left out.
    ///
    /// # Errors
    /// What [`SyntaxError`] says; also for what Python would take but no .npy header has: negative numbers, floats, `None`,
    /// string prefixes, strings side by side.
    pub(crate) fn parse(text: &str) -> Result<Self, SyntaxError> {
        let mut parser = Parser { text, at: 0 };
        let literal = parser.value(0)?;
        if parser.peek().is_some() { parser.fail("the end") } else { Ok(literal) }
    }

    /// The number that it is, if it is one.
    pub(crate) fn as_int(&self) -> Option<usize> {
        match self {
            Self::Int(number) => Some(*number),
            _ => None,
        }
    }
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
}

impl Parser<'_> {
    fn fail<T>(&self, expected: &'static str) -> Result<T, SyntaxError> {
        Err(SyntaxError { at: self.at, expected })
    }

    /// The next byte that is not space. Every byte that matters here is ASCII, so bytes do.
    fn peek(&mut self) -> Option<u8> {
        let rest = &self.text.as_bytes()[self.at..];
        let blank = rest.iter().take_while(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r')).count();
        self.at += blank;
        rest.get(blank).copied()
    }

    fn take(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn value(&mut self, nesting: usize) -> Result<Literal, SyntaxError> {
        if nesting > MAX_NESTING {
            return self.fail("fewer nested brackets");
        }
        match self.peek() {
            Some(b'\'' | b'"') => self.string().map(Literal::Str),
            Some(b'0'..=b'9') => self.integer(),
            Some(b'T' | b'F') => self.boolean(),
            Some(b'(') => self.tuple(nesting + 1),
            Some(b'[') => {
                self.at += 1;
                Ok(Literal::List(self.items(b']', "',' or ']'", nesting + 1)?.0))
            }
            Some(b'{') => self.dict(nesting + 1),
            _ => self.fail("a value"),
        }
    }

    fn tuple(&mut self, nesting: usize) -> Result<Literal, SyntaxError> {
        self.at += 1;
        let (mut items, trailing_comma) = self.items(b')', "',' or ')'", nesting)?;
        // Python's tuples are made by commas: `(3)` is a number.
        match items.pop() {
            Some(only) if items.is_empty() && !trailing_comma => Ok(only),
            last => Ok(Literal::Tuple(items.into_iter().chain(last).collect())),
        }
    }

    /// Values up to `close`, and whether the last is followed by a comma.
    fn items(
        &mut self,
        close: u8,
        expected: &'static str,
        nesting: usize,
    ) -> Result<(Vec<Literal>, bool), SyntaxError> {
        let mut items = Vec::new();
        let mut comma = false;
        while !self.take(close) {
            if !items.is_empty() && !comma {
                return self.fail(expected);
            }
            items.push(self.value(nesting)?);
            comma = self.take(b',');
        }
        Ok((items, comma))
    }

    fn dict(&mut self, nesting: usize) -> Result<Literal, SyntaxError> {
        self.at += 1;
        let mut items = Vec::new();
        let mut comma = true;
        while !self.take(b'}') {
            if !comma {
                return self.fail("',' or '}'");
            }
            if !matches!(self.peek(), Some(b'\'' | b'"')) {
                return self.fail("a string as key");
            }
            let key = self.string()?;
            if !self.take(b':') {
                return self.fail("':'");
            }
            items.push((key, self.value(nesting)?));
            comma = self.take(b',');
        }
        Ok(Literal::Dict(items))
    }

    fn integer(&mut self) -> Result<Literal, SyntaxError> {
        let rest = &self.text[self.at..];
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(rest.len());
        match rest[..end].parse() {
            Ok(number) if end == 1 || !rest.starts_with('0') => {
                self.at += end;
                Ok(Literal::Int(number))
            }
            _ => self.fail("a whole number of 64 bits"),
        }
    }

    fn boolean(&mut self) -> Result<Literal, SyntaxError> {
        let rest = &self.text[self.at..];
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(rest.len());
        let value = match &rest[..end] {
            "True" => true,
            "False" => false,
            _ => return self.fail("True or False"),
        };
        self.at += end;
        Ok(Literal::Bool(value))
    }

    fn string(&mut self) -> Result<String, SyntaxError> {
        let mut chars = self.text[self.at..].chars();
        let quote = chars.next();
        let mut value = String::new();
        loop {
            self.at = self.text.len() - chars.as_str().len();
            match chars.next() {
                Some('\\') => match escape(&mut chars) {
                    Some(c) => value.push(c),
                    None => return self.fail("an escape of a character"),
                },
                None | Some('\n') => return self.fail("the end of the string"),
                end if end == quote => break,
                Some(c) => value.push(c),
            }
        }
        self.at += 1;
        Ok(value)
    }
}

/// Reads an escape after its backslash: those that Python's `repr` writes. Half a surrogate pair is not a character.
fn escape(chars: &mut std::str::Chars<'_>) -> Option<char> {
    let digits = match chars.next()? {
        c @ ('\\' | '\'' | '"') => return Some(c),
        'n' => return Some('\n'),
        'r' => return Some('\r'),
        't' => return Some('\t'),
        'x' => 2,
        'u' => 4,
        'U' => 8,
        _ => return None,
    };
    let code = (0..digits).try_fold(0, |code: u32, _| Some((code << 4) | chars.next()?.to_digit(16)?))?;
    char::from_u32(code)
}

/// Writes a string as Python's `repr` does.
pub(crate) fn repr(text: &str) -> String {
    let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    let mut out = String::with_capacity(text.len() + 2);
    out.push(quote);
    for c in text.chars() {
        // Writing to a String cannot fail.
        let _ = match c {
            '\\' => out.write_str("\\\\"),
            '\n' => out.write_str("\\n"),
            '\r' => out.write_str("\\r"),
            '\t' => out.write_str("\\t"),
            c if c == quote => write!(out, "\\{c}"),
            c if is_printable(c) => out.write_char(c),
            c if c < '\u{100}' => write!(out, "\\x{:02x}", u32::from(c)),
            c if c < '\u{10000}' => write!(out, "\\u{:04x}", u32::from(c)),
            c => write!(out, "\\U{:08x}", u32::from(c)),
        };
    }
    out.push(quote);
    out
}

/// Whether Python and the standard library would show the character as it is; both go by the same Unicode categories.
fn is_printable(c: char) -> bool {
    if c.is_ascii() {
        return !c.is_ascii_control();
    }
    // Not `char::escape_debug`: alone, a combining mark would be escaped too.
    let mut after_a_letter = String::from("a");
    after_a_letter.push(c);
    after_a_letter.escape_debug().nth(1) == Some(c)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fails(text: &str) -> String {
        Literal::parse(text).map_or_else(|error| error.to_string(), |literal| format!("{literal:?}"))
    }

    #[test]
    fn literals_are_read_as_python_reads_them() {
        use Literal::{Bool, Dict, Int, List, Str, Tuple};
        let cases = [
            ("'a'", Str("a".into())),
            (" \"it's\" ", Str("it's".into())),
            (r"'\\\'\n\xe9\u65e5\U0001f600'", Str("\\'\né日😀".into())),
            ("()", Tuple(vec![])),
            ("(3)", Int(3)),
            ("(3,)", Tuple(vec![Int(3)])),
            ("( 3 , 0 )", Tuple(vec![Int(3), Int(0)])),
            ("[]", List(vec![])),
            ("[True, False,]", List(vec![Bool(true), Bool(false)])),
            ("{'a': (1, 2), }", Dict(vec![("a".into(), Tuple(vec![Int(1), Int(2)]))])),
            ("18446744073709551615", Int(usize::MAX)),
        ];
        for (text, literal) in cases {
            assert_eq!(Literal::parse(text), Ok(literal), "{text}");
        }
    }

    #[test]
    fn errors_say_what_and_where() {
        assert_eq!(fails("(1 2)"), "expected ',' or ')' at byte 3");
        assert_eq!(fails("{'a' 1}"), "expected ':' at byte 5");
        assert_eq!(fails("{1: 2}"), "expected a string as key at byte 1");
        assert_eq!(fails("'abc"), "expected the end of the string at byte 4");
        assert_eq!(fails(r"'\ud800'"), "expected an escape of a character at byte 1");
        assert_eq!(fails("18446744073709551616"), "expected a whole number of 64 bits at byte 0");
        for text in ["", "(", "[,]", "(,)", "-1", "007", "3L", "1.5", "None", "u'a'", "'a' 'b'", "1 2", "Tru", "True1"]
        {
            assert!(fails(text).starts_with("expected"), "{text}");
        }
    }

    #[test]
    fn nesting_is_bounded() {
        assert!(fails(&"[".repeat(100_000)).starts_with("expected fewer nested brackets"));
        assert!(fails(&"{'a':".repeat(100_000)).starts_with("expected fewer nested brackets"));
    }

    #[test]
    fn strings_are_written_as_python_writes_them() {
        // As CPython prints them.
        let cases = [
            ("plain", "'plain'"),
            ("it's", "\"it's\""),
            ("both'\"", r#"'both\'"'"#),
            ("nl\n\t\\\x7f\0", r"'nl\n\t\\\x7f\x00'"),
            ("é日😀", "'é日😀'"),
            ("\u{ad}\u{200b}\u{301}e\u{e000}\u{10ffff}", "'\\xad\\u200b\u{301}e\\ue000\\U0010ffff'"),
        ];
        for (text, written) in cases {
            assert_eq!(repr(text), written);
            assert_eq!(Literal::parse(written), Ok(Literal::Str(text.into())));
        }
    }
}
