//! `sharray ls`: what is there.

use crate::args::Ls;
use crate::failure::Outcome;
use crate::rates::Rates;
use crate::screen::{self, Out, Screen};
use crate::table::Table;
use crate::{json, kinds, text, who};
use serde_json::Value;
use sharray::{Directory, Info};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// How long it looks how fast things go.
const LOOK: Duration = Duration::from_millis(250);

pub(crate) fn run(args: &Ls, place: &Directory, out: &mut Out) -> Outcome {
    let (infos, rates) = look_twice(place)?;
    if args.json.json {
        let with_rate = |(info, rate): (&Info, &f64)| {
            let mut one = json::info(info);
            one["rate"] = json::number(*rate);
            one
        };
        return json::print(out, &infos.iter().zip(&rates).map(with_rate).collect::<Value>());
    }
    let mut table = Table::new(&["NAME", "KIND", "DTYPE", "SHAPE", ">SIZE", ">SEQUENCE", ">RATE", "WHO"])
        .giving_way(&[1, 5, 2, 6, 3, 4, 7]);
    for (info, rate) in infos.iter().zip(rates) {
        table.row([
            info.name.clone(),
            kinds::words(info.kind).kind.to_owned(),
            info.dtype.to_string(),
            text::shape(&info.shape),
            text::bytes(kinds::size(info)),
            kinds::sequence(info).to_string(),
            text::rate(rate),
            who::summary(info),
        ]);
    }
    Ok(screen::table(out, &table.lines(Screen::of_stdout().table_width()))?)
}

/// Where nobody is, nothing changes: then one look is enough.
fn look_twice(place: &Directory) -> Outcome<(Vec<Info>, Vec<f64>)> {
    let mut rates = Rates::default();
    let mut infos = place.list()?;
    rates.look(&infos, Instant::now());
    if infos.iter().any(|info| info.participants.iter().any(|one| one.is_alive)) {
        sleep(LOOK);
        infos = place.list()?;
    }
    let rates = rates.look(&infos, Instant::now());
    Ok((infos, rates))
}
