//! What can be typed.

#![allow(clippy::doc_markdown, rustdoc::invalid_html_tags, reason = "these comments are the help, which is plain text")]

use crate::failure::{Failure, Outcome};
use clap::{Args as ClapArgs, Parser, Subcommand, ValueHint};
use sharray::{DType, Directory};
use std::path::PathBuf;
use std::time::Duration;

const EXIT_CODES: &str = "\
Exit codes:
    0  all is well            3  no such array or file
    1  an error               4  it did not come in time
    2  wrong usage          130  interrupted by Ctrl-C

Names that arrays can have, and where they are found, are explained in the documentation of the library.";

/// The shortest time between two looks.
const SHORTEST: Duration = Duration::from_millis(20);

/// Looks at shared arrays, shows them, moves them from and to files, and tidies up.
#[derive(Debug, Parser)]
#[command(name = "sharray", version, after_help = EXIT_CODES, max_term_width = 100, disable_help_subcommand = true)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) place: Place,
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

/// Where the arrays are.
#[derive(ClapArgs, Clone, Debug)]
pub(crate) struct Place {
    /// The folder of the arrays [default: $SHARRAY_DIR, or else /dev/shm/sharray-<uid>]
    #[arg(long, global = true, value_name = "PATH", value_hint = ValueHint::DirPath)]
    pub(crate) dir: Option<PathBuf>,
    /// Also use what other users may write to
    #[arg(long, global = true, requires = "dir")]
    pub(crate) trust_others: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    Ls(Ls),
    Info(Info),
    Top(Top),
    Watch(Watch),
    Show(Show),
    Put(Put),
    Get(Get),
    Rm(Rm),
    Gc(Gc),
    Recover(Recover),
    Doctor(Doctor),
    Completions(Completions),
    Man(Man),
}

/// Lists the arrays: kind, dtype, shape, size, sequence, how often it changes, who is here
#[derive(ClapArgs, Debug)]
pub(crate) struct Ls {
    #[command(flatten)]
    pub(crate) json: Json,
}

/// Tells everything about one array, with the line of NumPy that opens it without this library
#[derive(ClapArgs, Debug)]
pub(crate) struct Info {
    /// The array
    pub(crate) name: String,
    /// Print where everything stands in the file, instead
    #[arg(long, conflicts_with = "json")]
    pub(crate) layout: bool,
    #[command(flatten)]
    pub(crate) json: Json,
}

/// A live table of all arrays; `q` leaves it, `?` shows its keys
#[derive(ClapArgs, Debug)]
pub(crate) struct Top {
    /// Seconds between two looks
    #[arg(long, value_name = "SECONDS", default_value = "1", value_parser = period)]
    pub(crate) every: Duration,
}

/// Prints a line for each frame of a stream, or change of an array or a cell, from now on
#[derive(ClapArgs, Debug)]
pub(crate) struct Watch {
    /// The array
    pub(crate) name: String,
    /// End after so many lines
    #[arg(long, value_name = "N")]
    pub(crate) count: Option<u64>,
    /// Give up if nothing came for so many seconds
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub(crate) timeout: Option<Duration>,
    #[command(flatten)]
    pub(crate) field: Field,
    #[command(flatten)]
    pub(crate) json: Json,
}

/// Shows an array as a picture: a line, a heat map, an image
///
/// One dimension is drawn as a line, two as a heat map, three of which the last is 3 or 4 long as an image in colours. Of
/// others it shows one slice. What is larger than the picture is made smaller so that nothing is lost from sight: each cell of
/// a heat map has the greatest of its numbers, each column of a line reaches from the least to the greatest; images have
/// the mean. A NaN or an infinity among them shows in a colour of its own.
#[derive(ClapArgs, Debug)]
pub(crate) struct Show {
    /// The array
    pub(crate) name: String,
    /// Which slice, along the first axes
    #[arg(long, value_name = "I,J,...", value_delimiter = ',')]
    pub(crate) index: Vec<usize>,
    #[command(flatten)]
    pub(crate) field: Field,
    /// The ends of the scale of colours [default: those of the numbers]
    #[arg(long, num_args = 2, value_names = ["LOW", "HIGH"], allow_negative_numbers = true, value_parser = finite)]
    pub(crate) range: Option<Vec<f64>>,
    /// Write a picture to a file, instead
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, conflicts_with_all = ["every", "follow"])]
    pub(crate) png: Option<PathBuf>,
    /// Show it again after so many seconds, until Ctrl-C
    #[arg(long, value_name = "SECONDS", value_parser = period, conflicts_with = "follow")]
    pub(crate) every: Option<Duration>,
    /// Show it again whenever it has changed, until Ctrl-C
    #[arg(long)]
    pub(crate) follow: bool,
}

/// Makes a named array from a file: .npy, or plain binary with --dtype and --shape
#[derive(ClapArgs, Debug)]
pub(crate) struct Put {
    /// The file; `-` is standard input
    #[arg(value_hint = ValueHint::FilePath)]
    pub(crate) file: PathBuf,
    /// The name of the new array
    pub(crate) name: String,
    /// The dtype of a file without a header, as NumPy says it: f4, >i2, uint8
    #[arg(long, value_parser = DType::parse, requires = "shape")]
    pub(crate) dtype: Option<DType>,
    /// The shape of a file without a header
    #[arg(long, value_name = "N,M,...", value_parser = shape, requires = "dtype")]
    pub(crate) shape: Option<Lengths>,
    /// Take the place of an array that is there, once the new one is whole. Who has the old one attached keeps it, and is told
    #[arg(long)]
    pub(crate) replace: bool,
}

/// Writes an array, or a frame of a stream, to a .npy file
#[derive(ClapArgs, Debug)]
pub(crate) struct Get {
    /// The array
    pub(crate) name: String,
    /// The file; `-` is standard output
    #[arg(value_hint = ValueHint::FilePath)]
    pub(crate) file: PathBuf,
    /// Of a stream, the newest frame; otherwise it is the next one that comes
    #[arg(long)]
    pub(crate) latest: bool,
    /// Write the bytes alone, without a header
    #[arg(long)]
    pub(crate) raw: bool,
    /// Give up if the next frame of a stream has not come after so many seconds
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub(crate) timeout: Option<Duration>,
    /// Take the place of a file that is there
    #[arg(long)]
    pub(crate) replace: bool,
}

/// Removes names, also of arrays in use: who has one attached keeps it, and is told
#[derive(ClapArgs, Debug)]
pub(crate) struct Rm {
    /// The arrays
    #[arg(required = true)]
    pub(crate) names: Vec<String>,
}

/// Removes what nobody will ever need again
///
/// That is what processes left that died while they made or removed an array; and, in the default place, streams in memory that
/// have no producer and that nobody has attached. Arrays in place and everything on a disk stay.
#[derive(ClapArgs, Debug)]
pub(crate) struct Gc {
    #[command(flatten)]
    pub(crate) json: Json,
}

/// Undoes what dead processes held of an array, and says what it found
#[derive(ClapArgs, Debug)]
pub(crate) struct Recover {
    /// The array
    pub(crate) name: String,
    /// Say that blocks are whole again whose writer did not come to the end: readers then see what is there
    #[arg(long)]
    pub(crate) repair: bool,
    #[command(flatten)]
    pub(crate) json: Json,
}

/// Looks whether this machine is fit: kernel, locks, memory, file systems, and what is stale
#[derive(ClapArgs, Debug)]
pub(crate) struct Doctor {
    #[command(flatten)]
    pub(crate) json: Json,
}

/// Prints what makes a shell complete the command's words
#[derive(ClapArgs, Debug)]
pub(crate) struct Completions {
    /// The shell
    pub(crate) shell: clap_complete::Shell,
}

/// Prints the manual page, as `man -l -` reads it
#[derive(ClapArgs, Debug)]
pub(crate) struct Man {
    /// Of this verb alone
    pub(crate) verb: Option<String>,
}

#[derive(ClapArgs, Clone, Copy, Debug)]
pub(crate) struct Json {
    /// Print what programs read
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(ClapArgs, Clone, Debug)]
pub(crate) struct Field {
    /// The field of a structured dtype; `pose.x` is a field of a field
    #[arg(long)]
    pub(crate) field: Option<String>,
}

/// The lengths of all dimensions, as one value.
#[derive(Clone, Debug)]
pub(crate) struct Lengths(pub(crate) Vec<usize>);

impl Place {
    /// Opens it. A folder that is not there is made if it is to be filled.
    pub(crate) fn open(&self, fills: bool) -> Outcome<Directory> {
        let Some(path) = &self.dir else { return Ok(Directory::default_place()?) };
        if !fills {
            path.metadata().map_err(|error| Failure::io("open the folder", path, &error))?;
        }
        Ok(if self.trust_others { Directory::open_trusting_others(path) } else { Directory::open(path) }?)
    }
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| "expected a number of seconds".to_owned())?;
    Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())
}

/// Seconds between two looks: more of them than a screen shows would only keep a processor busy.
fn period(text: &str) -> Result<Duration, String> {
    let period = seconds(text)?;
    if period >= SHORTEST { Ok(period) } else { Err(format!("expected {} or more", SHORTEST.as_secs_f64())) }
}

fn finite(text: &str) -> Result<f64, String> {
    let number = text.parse().ok().filter(|number: &f64| number.is_finite());
    number.ok_or_else(|| "expected a number that is finite".to_owned())
}

fn shape(text: &str) -> Result<Lengths, String> {
    let length = |length: &str| length.trim().parse().map_err(|_| format!("{length:?} is no length"));
    let lengths = text.split(',').filter(|length| !length.trim().is_empty()).map(length);
    lengths.collect::<Result<_, _>>().map(Lengths)
}
