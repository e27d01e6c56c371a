//! Whoever looks up a public item finds how it is used. Each type, trait, function and constant has an example that runs; each
//! method is called in one, in its own or in another of the same module.
//!
//! The lint `unreachable_pub` refuses `pub` on what is not public, so whatever is `pub` in the source is meant here.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// What is documented, and where.
#[derive(Debug)]
struct Item {
    /// Such as `pub fn loan(`.
    line: String,
    name: String,
    is_method: bool,
    /// Its own examples.
    examples: String,
    file: PathBuf,
}

impl Item {
    /// The module that it belongs to, with those below: `stream` for `src/stream/frame.rs`.
    fn module(&self) -> String {
        let below = self.file.components().find(|part| part.as_os_str() != "src");
        below.map(|part| part.as_os_str().to_string_lossy().trim_end_matches(".rs").to_owned()).unwrap_or_default()
    }
}

/// The code of a doc comment that is compiled and run.
fn examples(comment: &[&str]) -> String {
    let mut code = String::new();
    let mut is_run = None;
    for line in comment {
        match (line.trim().strip_prefix("```"), is_run) {
            (Some(_), Some(_)) => is_run = None,
            (Some(kind), None) => is_run = Some(kind.is_empty()),
            (None, Some(true)) => code.extend([line, "\n"]),
            (None, _) => {}
        }
    }
    code
}

/// The name that a line gives to something public, unless it is a field, a module or a re-export.
fn name_in(line: &str) -> Option<&str> {
    let rest = line.strip_prefix("pub ")?;
    let rest = ["const fn ", "unsafe trait ", "const ", "enum ", "fn ", "struct ", "trait ", "type "]
        .iter()
        .find_map(|word| rest.strip_prefix(word))?;
    rest.split(|c: char| !(c.is_alphanumeric() || c == '_')).next()
}

/// The public items of a file of `root`.
fn items_in(root: &Path, file: &Path, found: &mut Vec<Item>) {
    let text = fs::read_to_string(file).expect("the source can be read");
    let (mut comment, mut is_hidden, mut in_attribute) = (Vec::new(), false, false);
    for line in text.lines() {
        let bare = line.trim_start();
        if let Some(doc) = bare.strip_prefix("///") {
            comment.push(doc);
        } else if in_attribute || bare.starts_with('#') {
            in_attribute = !bare.ends_with(']');
            is_hidden |= bare == "#[doc(hidden)]";
        } else {
            // What else stands in a block is a constant of a type, which is like a variant of an enum, or a sealed trait.
            let is_method = line.starts_with(' ');
            let is_meant = !is_method || bare.contains("fn ");
            let name = name_in(bare).filter(|_| is_meant && !is_hidden);
            found.extend(name.map(|name| Item {
                line: bare.to_owned(),
                name: name.to_owned(),
                is_method,
                examples: examples(&comment),
                file: file.strip_prefix(root).expect("it is below").to_owned(),
            }));
            (comment, is_hidden) = (Vec::new(), false);
        }
    }
}

fn visit(root: &Path, folder: &Path, found: &mut Vec<Item>) {
    for entry in fs::read_dir(folder).expect("the folder can be read").flatten() {
        let path = entry.path();
        match path.extension() {
            None if path.is_dir() => visit(root, &path, found),
            Some(extension) if extension == "rs" => items_in(root, &path, found),
            _ => {}
        }
    }
}

/// Whether some code calls a function or method of this name.
fn calls(code: &str, name: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    code.match_indices(name).any(|(at, _)| {
        let after = code[at + name.len()..].trim_start_matches(':');
        !code[..at].ends_with(is_part) && (after.starts_with('(') || after.starts_with('<'))
    })
}

#[test]
fn every_public_item_has_an_example() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    visit(root, &root.join("src"), &mut found);
    // For the project's own crash tests; no page shows it.
    found.retain(|item| item.module() != "step");
    assert!(found.len() > 400, "the source is read otherwise: {} items", found.len());

    let mut shown: BTreeMap<String, String> = BTreeMap::new();
    for item in &found {
        shown.entry(item.module()).or_default().push_str(&item.examples);
    }
    // What macros give to the builders of several modules is shown in any of them.
    let everywhere: String = shown.values().map(String::as_str).collect();
    shown.insert("options".to_owned(), everywhere);

    let is_shown =
        |item: &Item| !item.examples.is_empty() || (item.is_method && calls(&shown[&item.module()], &item.name));
    let missing: Vec<String> = found
        .iter()
        .filter(|item| !is_shown(item))
        .map(|item| format!("{}: {}", item.file.display(), item.line))
        .collect();
    assert!(missing.is_empty(), "{} without an example:\n{}", missing.len(), missing.join("\n"));
}
