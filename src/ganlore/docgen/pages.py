"""Generated parts of README.md and docs/*.md: what a page says of the code comes from the code.

A block begins with `<!-- ganlore: NAME ARGUMENTS -->` and ends with `<!-- end -->`. Where the first
mark is alone on its line, what is between them is lines of its own, otherwise a phrase within one.
Such a phrase may not begin its line: Markdown takes a line that begins with a comment for HTML.
`ganlore docs` writes the blocks, `ganlore docs --check` compares them. Marks in fenced code are not
marks.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

from ganlore import formatting, storage
from ganlore.docgen import catalogue, performance, published, published_study
from ganlore.errors import GanloreError, unknown

BEGIN = re.compile(r"<!-- ganlore: ([^>]*?) -->")
END = "<!-- end -->"
LINE_START = re.compile(r"\s*([-*+]\s+|\d+[.)]\s+)?")
FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)

BLOCKS: dict[str, Callable[..., str]] = {
    "losses": catalogue.losses,
    "loss": catalogue.loss,
    "tricks": catalogue.tricks,
    "trick": catalogue.trick,
    "critic-steps": catalogue.critic_steps,
    "not-applicable": catalogue.not_applicable,
    "runs": catalogue.runs,
    "more-runs": catalogue.more_runs,
    "legend": lambda: formatting.LEGEND,
    **performance.BLOCKS,
    **published.BLOCKS,
    **published_study.BLOCKS,
}
"""What renders a block, by its name. A first parameter `root` is the project's folder; the others
are the block's arguments."""

SECTIONS = {"docs/losses.md": "loss", "docs/tricks.md": "trick"}
"""Pages that have a section for each plug-in of a kind, with a block of the kind's name."""


@dataclass(frozen=True)
class Block:
    """A block of a page.

    Attributes:
        line: of its first mark, from 1.
        words: its name and arguments.
        start, stop: where its text lies in the page, between the marks.
        text: as it stands there.
        alone: whether the first mark is alone on its line.
    """

    line: int
    words: tuple[str, ...]
    start: int
    stop: int
    text: str
    alone: bool

    @property
    def name(self) -> str:
        """Name and arguments."""
        return " ".join(self.words)


def pages(root: Path) -> list[Path]:
    """The pages that may have blocks: README.md and docs/*.md.

    Raises:
        GanloreError: if the folder is not the project's.
    """
    if not (root / "README.md").is_file() or not (root / "docs").is_dir():
        raise GanloreError(
            f"{root.resolve()}: no README.md with docs/ beside it\n"
            "  run this in the project's own folder"
        )
    return [root / "README.md", *sorted((root / "docs").glob("*.md"))]


def blocks(text: str, where: str) -> Iterator[Block]:
    """The blocks of a page.

    Raises:
        GanloreError: for a block without an end, one within another, or one that begins a line.
    """
    fences = [match.span() for match in FENCE.finditer(text)]
    for match in BEGIN.finditer(text):
        if any(start <= match.start() < stop for start, stop in fences):
            continue
        line = text.count("\n", 0, match.start()) + 1
        stop, following = text.find(END, match.end()), BEGIN.search(text, match.end())
        if stop < 0 or (following and following.start() < stop):
            raise GanloreError(
                f"{where}:{line}: the block {match[1]!r} has no end\n  expected {END} after it"
            )
        alone = text[match.end() : match.end() + 1] == "\n"
        before = text[text.rfind("\n", 0, match.start()) + 1 : match.start()]
        if alone is not (LINE_START.fullmatch(before) is not None):
            raise GanloreError(
                f"{where}:{line}: the block {match[1]!r} must be alone on its line, or follow "
                "other words on it\n  Markdown takes a line that begins with a comment for HTML"
            )
        words = tuple(match[1].split())
        yield Block(line, words, match.end(), stop, text[match.end() : stop], alone)


def render(block: Block, root: Path, where: str) -> str:
    """What belongs between the marks of a block.

    Raises:
        GanloreError: for a block of an unknown name, or of other arguments than it takes.
    """
    name, *arguments = block.words or ("",)
    place = f"{where}:{block.line}"
    if name not in BLOCKS:
        raise unknown("block", name, BLOCKS, place)
    function = BLOCKS[name]
    expected = list(inspect.signature(function).parameters)
    given = [root, *arguments] if expected[:1] == ["root"] else arguments
    if len(given) != len(expected):
        wanted = " ".join(word.upper() for word in expected if word != "root")
        raise GanloreError(f"{place}: the block {block.name!r} should be {f'{name} {wanted}'!r}")
    try:
        text = function(*given)
    except GanloreError as error:
        raise GanloreError(f"{place}: block {block.name!r}: {error}") from None
    return f"\n{text}\n" if block.alone else text


def rendered(text: str, root: Path, where: str) -> str:
    """A page with all of its blocks as they should be."""
    parts, last = [], 0
    for block in blocks(text, where):
        parts += [text[last : block.start], render(block, root, where)]
        last = block.stop
    return "".join([*parts, text[last:]])


def write(root: Path) -> list[str]:
    """Write every block of every page, and a section for each plug-in that has none.

    Returns:
        The pages that changed.
    """
    changed = []
    for page in pages(root):
        name, old = str(page.relative_to(root)), page.read_text()
        text = old
        for plugin in _without_section(text, name):
            text = _with_section(text, name, plugin)
        text = rendered(text, root, name)
        if text != old:
            storage.write_text(page, text)
            changed.append(name)
    return changed


def check(root: Path) -> list[str]:
    """What differs from what `write` would write, one text for each block, with file and line."""
    wrong = []
    for page in pages(root):
        name, text = str(page.relative_to(root)), page.read_text()
        for block in blocks(text, name):
            expected = render(block, root, name)
            if block.text != expected:
                lines = _difference(block.text, expected)
                wrong.append(f"{name}:{block.line}: block {block.name!r} is out of date\n{lines}")
        wrong += [
            f"{name}: no block '{SECTIONS[name]} {plugin}'"
            for plugin in _without_section(text, name)
        ]
    return wrong


def _difference(text: str, expected: str) -> str:
    """The first lines that differ."""
    for mine, theirs in zip_longest(text.split("\n"), expected.split("\n")):
        if mine != theirs:
            pair = [f"  {label} {line}" for label, line in
                     (("there:   ", mine), ("expected:", theirs)) if line is not None]  # fmt: skip
            return "\n".join(pair)
    return ""


def _without_section(text: str, name: str) -> list[str]:
    """Plug-ins that a page should have a section for, and has none."""
    if name not in SECTIONS:
        return []
    told = {block.words for block in blocks(text, name)}
    kind = SECTIONS[name]
    return [plugin for plugin in catalogue.own(kind) if (kind, plugin) not in told]


def _with_section(text: str, name: str, plugin: str) -> str:
    """The page with a new section, in the order of names."""
    section = f"## {plugin}\n\n<!-- ganlore: {SECTIONS[name]} {plugin} -->\n{END}\n"
    for match in re.finditer(r"^## (\S+)$", text, re.MULTILINE):
        if match[1] > plugin:
            return f"{text[: match.start()]}{section}\n{text[match.start() :]}"
    return f"{text.rstrip()}\n\n{section}"
