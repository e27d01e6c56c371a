//! The part of the page that is written by hand: it stays when the page is made anew.

const BEGIN: &str = "<!-- notes: from here to the end of the notes the page is written by hand -->";
const END: &str = "<!-- end of the notes -->";

/// The notes of a page, with the marks around them; empty ones if the page has none.
pub(crate) fn kept(page: &str) -> String {
    let inside = page.split_once(BEGIN).and_then(|(_, rest)| rest.split_once(END));
    format!("{BEGIN}{}{END}", inside.map_or("\n", |(notes, _)| notes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_outlive_the_page_around_them() {
        let notes = format!("{BEGIN}\n\nIt is the cache.\n\n{END}");
        assert_eq!(kept(&format!("old figures\n{notes}\nmore of them")), notes);
        assert_eq!(kept(&notes), notes);
    }

    #[test]
    fn a_page_without_notes_gets_room_for_them() {
        let empty = format!("{BEGIN}\n{END}");
        assert_eq!(kept(""), empty);
        assert_eq!(kept(&format!("a page that was cut {BEGIN} in the middle")), empty);
        assert_eq!(kept(&empty), empty);
    }
}
