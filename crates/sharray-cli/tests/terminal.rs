//! What the command shows in a terminal, and what keys do to it.

mod support;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use sharray::{AnyArray, DType};
use std::time::Duration;
use support::terminal::Terminal;
use support::{Outcome, Place, publish};

const ENTER: &str = "\r";
const ESCAPE: &str = "\x1b";
const CTRL_C: &str = "\x03";
const DOWN: &str = "\x1b[B";

#[test]
fn top_is_live() -> Outcome {
    let place = Place::new()?;
    let mut camera = place.camera()?;
    drop(place.field()?);
    let mut top = Terminal::start(&place, &["top", "--every", "0.05"], &[])?;
    top.expect("2 arrays")?;
    top.expect("camera")?;
    top.expect("sim/field")?;
    top.expect("q leave")?;
    assert!(top.look(vt100::Screen::alternate_screen), "it draws over what was there");
    // A rate is shown as long as something changes.
    support::wait_until("a rate", || publish(&mut camera, 1).is_err() || top.text().contains("/s"))?;
    drop(place.line()?);
    top.expect("3 arrays")?;
    place.arrays.unlink("line")?;
    top.expect("2 arrays")?;
    top.press("q")?;
    assert_eq!(top.end()?, 0);
    assert!(!top.look(vt100::Screen::alternate_screen), "the terminal is not what it was");
    assert!(!top.look(vt100::Screen::hide_cursor), "the cursor is gone");
    Ok(())
}

#[test]
fn top_sorts_and_filters() -> Outcome {
    let place = Place::new()?;
    let _camera = place.camera()?;
    drop((place.field()?, place.line()?));
    let mut top = Terminal::start(&place, &["top", "--every", "0.05"], &[])?;
    top.expect("3 arrays")?;
    let first = |name: &'static str| {
        move |screen: &vt100::Screen| screen.contents().lines().nth(2).is_some_and(|line| line.starts_with(name))
    };
    top.wait_until("the first by name", first("camera"))?;
    top.press("r")?;
    top.wait_until("the last by name", first("sim/field"))?;
    top.press("rss")?;
    top.expect("SIZE▾")?;
    top.press("/")?;
    top.press("fie")?;
    top.expect("names with: fie")?;
    top.expect("1 array")?;
    top.press(ENTER)?;
    top.expect("names with \"fie\"")?;
    top.press(ESCAPE)?;
    top.expect("3 arrays")?;
    top.press("?")?;
    top.expect("another row")?;
    top.press(ESCAPE)?;
    top.expect("NAME")?;
    top.press(CTRL_C)?;
    assert_eq!(top.end()?, 130);
    assert!(!top.look(vt100::Screen::alternate_screen));
    Ok(())
}

/// The picture changes with the array, and the page says when the array is gone.
#[test]
fn top_has_details_with_a_live_picture() -> Outcome {
    let place = Place::new()?;
    let field = place.field()?;
    drop(place.line()?);
    let mut top = Terminal::start(&place, &["top", "--every", "0.05"], &[])?;
    top.expect("2 arrays")?;
    top.press(DOWN)?;
    top.press(ENTER)?;
    top.expect("array sim/field, float64 (3, 4)")?;
    top.expect("▀▀▀▀")?;
    let colours = |screen: &vt100::Screen| {
        let cells = (0..support::terminal::ROWS)
            .flat_map(|row| (0..support::terminal::COLUMNS).map(move |column| (row, column)));
        let mut colours: Vec<String> = cells
            .filter_map(|(row, column)| screen.cell(row, column))
            .filter(|cell| cell.contents() == "▀")
            .map(|cell| format!("{:?}", cell.fgcolor()))
            .collect();
        colours.sort();
        colours.dedup();
        colours.len()
    };
    top.wait_until("twelve colours", |screen| colours(screen) == 12)?;
    field.write()?.fill(1.0);
    top.wait_until("one colour", |screen| colours(screen) == 1)?;
    place.arrays.unlink("sim/field")?;
    top.expect("it was removed")?;
    top.press(ESCAPE)?;
    top.expect("1 array")?;
    top.press("q")?;
    assert_eq!(top.end()?, 0);
    Ok(())
}

/// Whatever ends it, the terminal is what it was.
#[test]
fn top_restores_the_terminal_when_it_is_killed_gently() -> Outcome {
    let place = Place::new()?;
    for (signal, code) in [(Signal::SIGINT, 130), (Signal::SIGTERM, 143)] {
        let mut top = Terminal::start(&place, &["top"], &[])?;
        top.expect("0 arrays")?;
        kill(Pid::from_raw(top.pid()?), signal)?;
        assert_eq!(top.end()?, code);
        assert!(!top.look(vt100::Screen::alternate_screen));
    }
    Ok(())
}

/// The dead are shown as such.
#[test]
fn top_says_who_is_dead() -> Outcome {
    let place = Place::new()?;
    let _camera = place.camera()?;
    let mut watch = place.command(["watch", "camera"]).spawn()?;
    let two = || place.arrays.inspect("camera").is_ok_and(|info| info.participants.len() == 2);
    support::wait_until("it watches", two)?;
    let mut top = Terminal::start(&place, &["top", "--every", "0.05"], &[])?;
    top.expect("1 array")?;
    watch.kill()?;
    watch.wait()?;
    top.expect("1 array, 1 dead")?;
    assert_eq!(place.run(["recover", "camera"])?.status.code(), Some(0));
    top.wait_until("nobody dead", |screen| !screen.contents().contains("1 dead"))?;
    top.press("q")?;
    assert_eq!(top.end()?, 0);
    Ok(())
}

#[test]
fn show_draws_in_colours() -> Outcome {
    let place = Place::new()?;
    drop(place.field()?);
    let mut show = Terminal::start(&place, &["show", "sim/field"], &[])?;
    assert_eq!(show.end()?, 0);
    let text = show.text();
    assert!(text.starts_with("sim/field float64 (3, 4), write 3\n▀▀▀▀"), "{text}");
    // The ends of the scale, in the first corner and the last.
    let colour = |row, column| show.look(|screen| screen.cell(row, column).map(vt100::Cell::fgcolor));
    assert_eq!(colour(1, 0), Some(vt100::Color::Rgb(68, 1, 84)));
    let last = text.lines().filter(|line| line.starts_with('▀')).count();
    assert_eq!(colour(u16::try_from(last)?, 10), colour(u16::try_from(last)?, 12));
    assert!(text.contains("█"), "{text}");
    Ok(())
}

/// Fewer colours, or none, where a terminal or its user says so.
#[test]
fn show_uses_the_colours_there_are() -> Outcome {
    let place = Place::new()?;
    drop(place.field()?);
    let mut show = Terminal::start(&place, &["show", "sim/field"], &[("COLORTERM", "")])?;
    assert_eq!(show.end()?, 0);
    let colour = show.look(|screen| screen.cell(1, 0).map(vt100::Cell::fgcolor));
    assert!(matches!(colour, Some(vt100::Color::Idx(_))), "{colour:?}");

    let mut show = Terminal::start(&place, &["show", "sim/field"], &[("NO_COLOR", "1")])?;
    assert_eq!(show.end()?, 0);
    let cells = 0..support::terminal::ROWS;
    let is_plain =
        |row| show.look(|screen| screen.cell(row, 3).is_none_or(|cell| cell.fgcolor() == vt100::Color::Default));
    assert!(cells.into_iter().all(is_plain), "{}", show.text());
    assert!(show.text().contains("[ .:-=+*#%@]"), "{}", show.text());
    Ok(())
}

/// Each picture stands where the one before stood.
#[test]
fn show_follows() -> Outcome {
    let place = Place::new()?;
    let mut camera = place.camera()?;
    publish(&mut camera, 1)?;
    let mut show = Terminal::start(&place, &["show", "camera", "--follow"], &[])?;
    show.expect("frame 1")?;
    let mut number = 1;
    for value in [2, 3] {
        support::wait_until("the next is shown", || {
            number += 1;
            let published = publish(&mut camera, value);
            std::thread::sleep(Duration::from_millis(20));
            published.is_err() || show.text().contains(&format!("{value} █"))
        })?;
    }
    let titles = show.text().lines().filter(|line| line.starts_with("camera uint8")).count();
    assert_eq!(titles, 1, "{}", show.text());
    // The frame fits the screen: nothing was scrolled away.
    assert!(show.text().starts_with("camera uint8 (4, 6), frame "), "{}", show.text());
    show.press(CTRL_C)?;
    assert_eq!(show.end()?, 130);
    Ok(())
}

/// Of a structured array the page shows the first field that has numbers, and says so; and what has none it says, too.
#[test]
fn top_draws_a_field() -> Outcome {
    let place = Place::new()?;
    let dtype = DType::parse("[('name', 'S4'), ('pose', [('x', '<f8'), ('y', '<f8')])]")?;
    let _table = AnyArray::builder().directory(&place.arrays).create("a", &dtype, &[5])?;
    let _text = AnyArray::builder().directory(&place.arrays).create("b", &DType::parse("S4")?, &[5])?;
    let mut top = Terminal::start(&place, &["top", "--every", "0.05"], &[])?;
    top.expect("2 arrays")?;
    top.press(ENTER)?;
    top.expect("newest, field pose.x")?;
    top.press(ESCAPE)?;
    top.expect("q leave  enter")?;
    top.press(DOWN)?;
    top.press(ENTER)?;
    top.expect("has no numbers")?;
    Ok(())
}

/// What is wider than the terminal is cut, not wrapped.
#[test]
fn tables_fit_the_terminal() -> Outcome {
    let place = Place::new()?;
    let name = "a-name-that-is-much-longer-than-a-terminal-is-wide".repeat(3);
    let builder = sharray::SharedCell::builder().directory(&place.arrays);
    drop(builder.create(&name, 1_u8)?);
    let mut ls = Terminal::start(&place, &["ls"], &[])?;
    assert_eq!(ls.end()?, 0);
    let text = ls.text();
    assert!(text.contains('…') && text.contains("nobody") && text.trim_end().lines().count() == 2, "{text}");
    Ok(())
}

/// A bar is shown where somebody can see it.
#[test]
fn progress_is_shown() -> Outcome {
    let place = Place::new()?;
    let file = std::fs::File::create(place.file("big"))?;
    file.set_len(256 << 20)?;
    let shape = (256 << 20).to_string();
    let mut put = Terminal::start(&place, &["put", "big", "array", "--dtype", "u1", "--shape", &shape], &[])?;
    assert_eq!(put.end()?, 0);
    assert!(put.said().contains("of 256.00 MiB"), "{:?}", put.said());
    assert_eq!(put.text().trim(), "", "the bar stays");
    Ok(())
}
