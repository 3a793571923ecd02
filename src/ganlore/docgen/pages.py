"""README.md, CONTRIBUTING.md and docs/*.md, rendered by Jinja from docs/templates/*.md.j2.

Templates call plain functions: `catalogue` describes plug-ins and studies, `performance` gives
measurements, `published` gives published results, `reliability` gives the campaigns' counts, and
`architecture` reads the source. A file in docs/notes/losses or docs/notes/tricks is inserted below
what that plug-in declares.
"""

from __future__ import annotations

import difflib
import functools
import inspect
import traceback
from collections.abc import Callable, Iterator
from itertools import zip_longest
from pathlib import Path
from typing import Any

import jinja2

from ganlore import formatting, storage
from ganlore.analysis.claims.verdicts import VERDICTS
from ganlore.docgen import (
    architecture,
    catalogue,
    performance,
    published,
    reliability,
    revised,
    studies,
)
from ganlore.errors import GanloreError
from ganlore.study import registry

TEMPLATES = Path("docs") / "templates"
FUNCTIONS: dict[str, Callable[..., Any]] = {
    "losses": catalogue.losses,
    "tricks": catalogue.tricks,
    "networks": catalogue.networks,
    "deviating_studies": studies.deviating_studies,
    "replications": studies.replications,
    "replicated": studies.replicated,
    "note": catalogue.note,
    "n_critic_phrase": catalogue.n_critic_phrase,
    "hooks": catalogue.hooks,
    "properties": catalogue.properties,
    "compatibility": catalogue.compatibility,
    "study": studies.study,
    "measured": performance.measured,
    "is_measured": performance.is_measured,
    "cards": performance.cards,
    "published": published.published,
    "revised": revised.revised,
    "campaign": reliability.campaign,
    "packages": architecture.packages,
    "import_graph": architecture.import_graph,
}
"""What templates may call. A first parameter `root` is the project's folder, and is filled in."""


class _NearestName(jinja2.StrictUndefined):
    """An undefined name whose error suggests the nearest defined one."""

    @property
    def _undefined_message(self) -> str:
        name = str(self._undefined_name)
        if self._undefined_obj is jinja2.utils.missing:
            options, place = [*FUNCTIONS, "legend"], ""
        else:
            options = [key for key in dir(self._undefined_obj) if not key.startswith("_")]
            if isinstance(self._undefined_obj, dict):
                options = list(map(str, self._undefined_obj))
            place = f" of {type(self._undefined_obj).__name__}"
        nearest = difflib.get_close_matches(name, options, n=1, cutoff=0.4)
        return f"unknown name {name!r}{place}" + (
            f"\n  did you mean {nearest[0]!r}?" if nearest else ""
        )


def pages(root: Path) -> dict[str, Path]:
    """The pages that have a template: {page: its template}, both relative to the project's folder.

    Templates in capital letters (README, CONTRIBUTING) are pages of the project's own folder.

    Raises:
        GanloreError: if the folder is not the project's.
    """
    templates = sorted((root / TEMPLATES).glob("*.md.j2"))
    if not templates:
        raise GanloreError(
            f"{(root / TEMPLATES).resolve()}: no templates (*.md.j2)\n"
            "  run this in the project's own folder"
        )
    names = [path.name.removesuffix(".j2") for path in templates]
    return {
        name if name.split(".")[0].isupper() else f"docs/{name}": TEMPLATES / path.name
        for name, path in zip(names, templates, strict=True)
    }


def environment(root: Path) -> jinja2.Environment:
    """The Jinja environment of the pages, with `FUNCTIONS` as its globals."""
    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader(root / TEMPLATES),
        undefined=_NearestName,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # Markdown, not HTML
    )
    made.globals = {name: _bound(function, root) for name, function in FUNCTIONS.items()}
    made.globals |= {"legend": formatting.LEGEND, "verdicts": VERDICTS}
    made.filters |= {
        "cell": lambda text: str(text).replace("|", r"\|"),
        "prose": catalogue.prose,
        "codes": catalogue.codes,
        "listed": formatting.listed,
        "yaml": lambda value: str(value).lower() if isinstance(value, bool) else str(value),
    }
    return made


def _bound(function: Callable[..., Any], root: Path) -> Callable[..., Any]:
    """A function of templates, with its results kept: pages ask for the same things again."""
    needs_root = next(iter(inspect.signature(function).parameters), "") == "root"
    return functools.cache(functools.partial(function, root) if needs_root else function)


def render(root: Path, template: Path, made: jinja2.Environment | None = None) -> str:
    """A page as its template gives it, below a comment that names the template.

    Args:
        root: the project's folder.
        template: relative to it.
        made: the environment that several pages share.

    Raises:
        GanloreError: for an unknown name or a wrong argument, with the template and the line.
    """
    comment = f"<!-- Rendered by `ganlore docs` from {template.as_posix()}: edit that file. -->\n\n"
    try:
        return comment + (made or environment(root)).get_template(template.name).render()
    except jinja2.TemplateSyntaxError as error:
        raise GanloreError(f"{template}:{error.lineno}: {error.message}") from None
    except (GanloreError, jinja2.UndefinedError, TypeError) as error:
        frames = traceback.extract_tb(error.__traceback__)
        lines = [frame.lineno for frame in frames if frame.filename.endswith(".md.j2")]
        raise GanloreError(f"{template}:{lines[-1] if lines else 1}: {error}") from error


def _rendered(root: Path) -> Iterator[tuple[str, str, Path]]:
    """Every page, its text and its template. No plug-in's file changes meanwhile."""
    with registry.unchanging():
        made = environment(root)
        for page, template in pages(root).items():
            yield page, render(root, template, made), template


def write(root: Path) -> list[str]:
    """Render every page; returns those that changed."""
    changed = []
    for page, text, _ in _rendered(root):
        if not (root / page).is_file() or (root / page).read_text(encoding="utf-8") != text:
            storage.write_text(root / page, text)
            changed.append(page)
    return changed


def check(root: Path) -> list[str]:
    """What `write` would change: a text for each page, with the first lines that differ."""
    different = []
    for page, expected, template in _rendered(root):
        text = (root / page).read_text(encoding="utf-8") if (root / page).is_file() else ""
        if text != expected:
            line, lines = _first_difference(text, expected)
            different.append(f"{page}:{line}: differs from its template {template}\n{lines}")
    return different


def _first_difference(text: str, expected: str) -> tuple[int, str]:
    pairs = zip_longest(text.split("\n"), expected.split("\n"))
    line, pair = next((n, pair) for n, pair in enumerate(pairs, 1) if pair[0] != pair[1])
    labelled = zip(("there:   ", "expected:"), pair, strict=True)
    return line, "\n".join(f"  {label} {part}" for label, part in labelled if part is not None)
