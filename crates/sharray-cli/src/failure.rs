//! What a verb comes to: exit codes, and errors that say in one line what to do next.

use crate::text;
use sharray::Error;
use std::io::{self, Write};
use std::path::Path;

/// What a verb comes to.
pub(crate) type Outcome<T = ()> = Result<T, Failure>;

/// The exit codes. `after_help` in `args` explains them to users.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Code {
    Fine = 0,
    Error = 1,
    Usage = 2,
    NotFound = 3,
    TimedOut = 4,
    HangUp = 129,
    Interrupted = 130,
    Terminated = 143,
}

/// Why a verb did not come to its end.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Something to tell.
    Said { code: Code, message: String },
    /// Everything was told.
    Silent(Code),
    /// Nobody reads on, as `head` does not: not an error.
    ClosedPipe,
}

impl Failure {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self::Said { code: Code::Error, message: message.into() }
    }

    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::Said { code: Code::Usage, message: message.into() }
    }

    pub(crate) fn timed_out(message: impl Into<String>) -> Self {
        Self::Said { code: Code::TimedOut, message: message.into() }
    }

    /// What the system said about a file.
    pub(crate) fn io(action: &str, path: &Path, error: &io::Error) -> Self {
        let code = if error.kind() == io::ErrorKind::NotFound { Code::NotFound } else { Code::Error };
        Self::Said { code, message: format!("cannot {action} {}: {error}", path.display()) }
    }

    /// What it says, for who prints it elsewhere.
    pub(crate) fn into_message(self) -> String {
        match self {
            Self::Said { message, .. } => message,
            Self::Silent(_) | Self::ClosedPipe => String::new(),
        }
    }

    /// Prints it, and returns the exit code.
    pub(crate) fn report(self) -> Code {
        match self {
            Self::Said { code, message } => {
                let style = clap::builder::Styles::styled();
                let (error, plain) = (style.get_error().render(), style.get_error().render_reset());
                // Nobody can be told that nobody can be told.
                _ = writeln!(anstream::stderr(), "{error}error:{plain} {}", text::safe(&message));
                code
            }
            Self::Silent(code) => code,
            Self::ClosedPipe => Code::Fine,
        }
    }
}

/// Writing to standard output is all that is not said to be something else.
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::ClosedPipe,
            _ => Self::new(format!("cannot write to standard output: {error}")),
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let code = match &error {
            Error::NotFound { .. } => Code::NotFound,
            Error::Io { source, .. } if source.kind() == io::ErrorKind::NotFound => Code::NotFound,
            Error::TimedOut { .. } => Code::TimedOut,
            Error::InvalidName { .. } => Code::Usage,
            _ => Code::Error,
        };
        let message = match advice(&error) {
            Some(advice) => format!("{error}; {advice}"),
            None => error.to_string(),
        };
        Self::Said { code, message }
    }
}

/// What to do next, where there is something to do.
fn advice(error: &Error) -> Option<String> {
    Some(match error {
        Error::NotFound { .. } => "`sharray ls` lists what is there".to_owned(),
        Error::AlreadyExists { .. } => "`--replace` takes its place, `sharray rm` removes it".to_owned(),
        Error::Poisoned { name, .. } => {
            format!("look at what it holds, and `sharray recover --repair {name}` lets readers in again")
        }
        Error::Untrusted { .. } => "`--dir PATH --trust-others` uses it all the same".to_owned(),
        Error::NoSpace { .. } => {
            "`sharray gc` frees what nobody needs, `sharray doctor` says how much there is".to_owned()
        }
        Error::Truncated { name, .. } | Error::Corrupt { name, .. } => {
            format!("nobody can attach it, and `sharray rm {name}` removes it")
        }
        Error::UnsupportedFormat { .. } => "a newer `sharray` can read it".to_owned(),
        Error::UnsupportedFilesystem { .. } => "`sharray doctor` looks at each place".to_owned(),
        Error::ProducerDied { name } => format!("`sharray info {name}` says who is there"),
        Error::TooManyParticipants { name, .. } => format!("`sharray info {name}` lists them"),
        Error::NeedsRecovery { name } => format!("`sharray recover {name}` does that"),
        _ => return None,
    })
}
