//! The site: the pages as they stand in the project, and what rustdoc and the docstrings say. A dead link is an error.

use crate::command::{Outcome, cargo, program, root, target};
use crate::python;
use std::fs;
use std::path::{Path, PathBuf};

/// What makes the site, from the Python Package Index.
const REQUIREMENTS: &str = "requirements-docs.txt";
/// What the site is made of. Everything keeps its place, so links that work in the project work there.
const PAGES: [&str; 8] = [
    "README.md",
    "ARCHITECTURE.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "LICENSE-APACHE",
    "LICENSE-MIT",
    "docs",
    "examples",
];
/// Where the pages that show pictures look for them in the documentation of the crate: the README is its first page.
const WITH_PICTURES: [&str; 3] = ["docs", "pages/command", "pages/benchmarks"];
/// A page that is nothing but docstrings.
const PYTHON_API: &str = "# Every name of the Python package\n\n::: sharray\n";

/// Builds the site into `target/site`.
pub(crate) fn build() -> Outcome {
    let (pages, site) = (target().join("site-pages"), target().join("site"));
    let python = python::with_wheel("venv-docs", REQUIREMENTS)?;
    rustdoc()?;
    emptied(&pages)?;
    for page in PAGES {
        copy(&root().join(page), &pages.join(page))?;
    }
    let api = pages.join("docs/python_api.md");
    fs::write(&api, PYTHON_API).map_err(|error| format!("cannot write {}: {error}", api.display()))?;
    copy(&target().join("doc"), &pages.join("rust"))?;
    for above in WITH_PICTURES {
        copy(&root().join("docs/pictures"), &pages.join("rust/sharray").join(above).join("pictures"))?;
    }
    check_links(&pages.join("rust/sharray"))?;
    program(&python, &["-m", "mkdocs", "build", "--strict", "--site-dir"])
        .arg(&site)
        .env("SHARRAY_PAGES", &pages)
        // Its makers recommend something else by it, at each build.
        .env("NO_MKDOCS_2_WARNING", "1")
        .run()?;
    eprintln!("{}", site.join("index.html").display());
    Ok(())
}

/// The documentation of the crate as users see it.
fn rustdoc() -> Outcome {
    // What was there, with private items for instance, would stay.
    emptied(&target().join("doc"))?;
    cargo(&["doc", "--package", "sharray", "--all-features", "--no-deps"]).env("RUSTDOCFLAGS", "-D warnings").run()
}

fn emptied(folder: &Path) -> Outcome {
    if folder.is_dir() {
        fs::remove_dir_all(folder).map_err(|error| format!("cannot empty {}: {error}", folder.display()))?;
    }
    fs::create_dir_all(folder).map_err(|error| format!("cannot create {}: {error}", folder.display()))
}

/// Copies a file, or a folder with all that is in it.
fn copy(from: &Path, to: &Path) -> Outcome {
    let failed = |error| format!("cannot copy {} to {}: {error}", from.display(), to.display());
    if !from.is_dir() {
        return fs::copy(from, to).map(drop).map_err(failed);
    }
    fs::create_dir_all(to).map_err(failed)?;
    for entry in fs::read_dir(from).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        copy(&entry.path(), &to.join(entry.file_name()))?;
    }
    Ok(())
}

/// Follows what links and pictures in rustdoc's pages lead to in the site: rustdoc does so for names of items only.
fn check_links(folder: &Path) -> Outcome {
    let mut dead = Vec::new();
    for page in html_in(folder)? {
        let text = fs::read_to_string(&page).map_err(|error| format!("cannot read {}: {error}", page.display()))?;
        let above = page.parent().unwrap_or(folder);
        // Before that are scripts, whose texts look like links.
        let told = text.split_once("<main>").map_or("", |(_, told)| told);
        let targets = ["href=\"", "src=\""].iter().flat_map(|word| told.split(word).skip(1)).filter_map(end_of_word);
        let here = targets.filter(|target| !target.is_empty() && !target.contains(':'));
        dead.extend(here.filter(|it| !above.join(it).exists()).map(|it| format!("{}: {it}", page.display())));
    }
    dead.dedup();
    if dead.is_empty() { Ok(()) } else { Err(format!("links that lead nowhere:\n{}", dead.join("\n"))) }
}

/// Up to the quotation mark, without what says where in the page.
fn end_of_word(rest: &str) -> Option<&str> {
    rest.split('"').next()?.split('#').next()
}

fn html_in(folder: &Path) -> Outcome<Vec<PathBuf>> {
    let cannot = |error| format!("cannot read {}: {error}", folder.display());
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(cannot)? {
        let path = entry.map_err(cannot)?.path();
        if path.is_dir() {
            found.extend(html_in(&path)?);
        } else if path.extension().is_some_and(|it| it == "html") {
            found.push(path);
        }
    }
    Ok(found)
}
