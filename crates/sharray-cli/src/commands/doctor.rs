//! `sharray doctor`: whether this machine is fit, and what to do where it is not.

mod machine;
mod places;

use crate::args::{self, Place};
use crate::failure::{Code, Failure, Outcome};
use crate::screen::Out;
use crate::{json, text};
use serde_json::{Value, json};
use std::io::Write;

/// How something was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Fit,
    /// It works; something could be better, or wants looking after.
    Note,
    Unfit,
}

/// One line: what was looked at, how it is, and what to do.
#[derive(Debug)]
struct Finding {
    what: &'static str,
    state: State,
    said: String,
}

impl Finding {
    fn new(what: &'static str, state: State, said: impl Into<String>) -> Self {
        Self { what, state, said: said.into() }
    }

    fn json(&self) -> Value {
        json!({ "what": self.what, "state": self.state.word(), "said": self.said })
    }
}

impl State {
    fn word(self) -> &'static str {
        match self {
            Self::Fit => "fit",
            Self::Note => "note",
            Self::Unfit => "unfit",
        }
    }

    fn style(self) -> anstyle::Style {
        let colour = match self {
            Self::Fit => anstyle::AnsiColor::Green,
            Self::Note => anstyle::AnsiColor::Yellow,
            Self::Unfit => anstyle::AnsiColor::Red,
        };
        colour.on_default()
    }
}

pub(crate) fn run(args: &args::Doctor, place: &Place, out: &mut Out) -> Outcome {
    let mut findings = machine::look();
    findings.extend(places::look(place));
    if args.json.json {
        json::print(out, &findings.iter().map(Finding::json).collect())?;
    } else {
        for Finding { what, state, said } in &findings {
            let style = state.style();
            writeln!(out, "{style}{:<5}{style:#}  {what:<13}  {}", state.word(), text::safe(said))?;
        }
    }
    let is_fit = findings.iter().all(|finding| finding.state != State::Unfit);
    if is_fit { Ok(()) } else { Err(Failure::Silent(Code::Error)) }
}
