"""The project's pages: which there are, the blocks of code in them, and the Rust of them as a program."""

from __future__ import annotations

import json
import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
PAGES = [
    *(ROOT / name for name in ("README.md", "ARCHITECTURE.md", "CHANGELOG.md", "CONTRIBUTING.md")),
    *sorted((ROOT / "docs").glob("*.md")),
    *sorted((ROOT / "examples").glob("*/README.md")),
]
FENCE = re.compile(r"^```([^`\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PROGRAM = re.compile(r"(?:#|//) (\w+\.(?:py|rs))\n")

MANIFEST = f"""\
[package]
name = "pages"
edition = "2024"

[dependencies]
ndarray = "0.17.2"
sharray = {{ path = {json.dumps(os.fspath(ROOT))} }}

[lints.rust]
warnings = "deny"

[profile.dev]
debug = false

[workspace]
"""


@dataclass(frozen=True)
class Block:
    """A block of code of a page."""

    page: Path
    #: On which line of the page it begins.
    line: int
    language: str
    code: str

    @property
    def program(self) -> str | None:
        """The file's name, of a block that begins with one in a comment."""
        found = PROGRAM.match(self.code)
        return found[1] if found else None

    @property
    def in_place(self) -> str:
        """The code on the lines where it stands, so that tracebacks and compilers tell where to look."""
        return "\n" * self.line + self.code

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def blocks(page: Path) -> list[Block]:
    """The blocks of a page in their order."""
    text = page.read_text(encoding="utf-8")
    found = FENCE.finditer(text)
    return [Block(page, text.count("\n", 0, each.start(2)), each[1], each[2]) for each in found]


def build_rust(cargo: str) -> dict[Block, list[str]]:
    """Builds all Rust of the pages as one program, and returns how each block is run."""
    target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    folder = target / "pages"
    found = [block for page in PAGES for block in blocks(page) if block.language == "rust"]
    modules = {f"{block.page.stem.lower()}_{block.line}": block for block in found}
    files = {f"src/{name}.rs": module(block) for name, block in modules.items()}
    files |= {"Cargo.toml": MANIFEST, "src/main.rs": main_of(list(modules))}
    # The versions are those that everything else here is built with.
    files["Cargo.lock"] = (ROOT / "Cargo.lock").read_text(encoding="utf-8")
    for name, text in files.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        # Cargo builds anew what has been written since.
        if not file.exists() or file.read_text(encoding="utf-8") != text:
            file.write_text(text, encoding="utf-8")
    build = [cargo, "build", "--quiet", "--offline", "--manifest-path", folder / "Cargo.toml", "--target-dir", target]
    subprocess.run(build, check=True)
    return {block: [os.fspath(target / "debug" / "pages"), name] for name, block in modules.items()}


def module(block: Block) -> str:
    """A block as a module whose `run` is its `main`; a block without one is the inside of one, as in documentation."""
    if re.search(r"^fn main\(\)", block.code, re.MULTILINE):
        return f"{block.in_place}\npub fn run() -> impl std::process::Termination {{ main() }}\n"
    head = "pub fn run() -> Result<(), Box<dyn std::error::Error>> {"
    return f"{head}{block.in_place}\nOk(()) }}\n"


def main_of(modules: list[str]) -> str:
    """The program: it runs the module that its argument names."""
    lines = [f"mod {name};" for name in modules]
    lines += ["use std::process::{ExitCode, Termination};", "fn main() -> ExitCode {"]
    lines += ["match std::env::args().nth(1).as_deref() {"]
    lines += [f"Some({json.dumps(name)}) => {name}::run().report()," for name in modules]
    return "\n".join([*lines, "_ => ExitCode::from(2) } }", ""])
