"""Hooks of the documentation's site (mkdocs.yml): pages and pictures that lie outside of docs/."""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[1]
PAGES = {"README.md": "index.md", "CONTRIBUTING.md": "contributing.md"}
"""Pages of the project's own folder, and what they are called in the site."""

LINK = re.compile(r"(!?)\[([^\]]*)\]\(([^)#\s]+)(#[^)]*)?\)")


def on_files(files: Files, config: Any) -> Files:
    """Add README.md and CONTRIBUTING.md as pages, and the figures that pages show."""
    texts = {place: (ROOT / place).read_text(encoding="utf-8") for place in PAGES}
    for place, text in texts.items():
        files.append(File.generated(config, PAGES[place], content=_moved(text, place)))
    for page in files.documentation_pages():
        if page.abs_src_path:
            place = f"docs/{page.src_uri}"
            texts[place] = Path(page.abs_src_path).read_text(encoding="utf-8")
    for place, text in texts.items():
        for picture in _pictures(text, place):
            if files.get_file_from_path(picture) is None:
                content = (ROOT / picture).read_bytes()
                files.append(File.generated(config, picture, content=content))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Let links of a page of docs/ lead to what is in the site."""
    uri = page.file.src_uri
    return markdown if uri in PAGES.values() else _moved(markdown, f"docs/{uri}")


def _target(link: str, place: str) -> str:
    """The file that a link of a page leads to, relative to the project's folder."""
    return posixpath.normpath(posixpath.join(posixpath.dirname(place), link))


def _pictures(text: str, place: str) -> set[str]:
    targets = {_target(link, place) for sign, _, link, _ in LINK.findall(text) if sign}
    return {target for target in targets if not target.startswith(("http", "docs/"))}


def _moved(text: str, place: str) -> str:
    """A page's links as the site has them; what is not in the site is named and no link."""
    uri = PAGES.get(place, place.removeprefix("docs/"))

    def replaced(match: re.Match[str]) -> str:
        sign, words, link, anchor = match.groups()
        if "://" in link:
            return match[0]
        target = _target(link, place)
        if target in PAGES:
            inside = PAGES[target]
        elif target.startswith("docs/") and (ROOT / target).is_file():
            inside = target.removeprefix("docs/")
        elif sign:
            inside = target
        else:
            return words if words.strip("`") == target else f"{words} (`{target}`)"
        relative = posixpath.relpath(inside, posixpath.dirname(uri) or ".")
        return f"{sign}[{words}]({relative}{anchor or ''})"

    return LINK.sub(replaced, text)
