"""The documentation's site is built strictly, from files alone, and asks nothing of a network."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tiny import REPOSITORY


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir"]
    done = subprocess.run(
        [*command, str(folder)], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def text_of(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def test_every_page_is_in_it(site: Path) -> None:
    pages = {path.stem for path in (REPOSITORY / "docs").glob("*.md")}
    assert pages | {"index", "contributing"} <= {path.stem for path in site.glob("*.html")}
    assert "packing cures" in text_of(site / "index.html")
    assert len(list((site / "adr").glob("*.html"))) == len(
        list((REPOSITORY / "docs/adr").glob("*.md"))
    )
    for private in ("templates", "notes", "site_hooks.py"):
        assert not (site / private).exists()


def test_its_links_and_pictures_are_there(site: Path) -> None:
    for page in set(site.glob("*.html")) - {site / "404.html"}:  # whose links are a server's
        for place in re.findall(r'(?:href|src)="([^"#:]+)(?:#[^"]*)?"', text_of(page)):
            assert (page.parent / place).exists(), (page.name, place)
    assert "reports/study/figures/" in text_of(site / "index.html")


def test_nothing_is_fetched_when_a_page_is_looked_at(site: Path) -> None:
    for page in site.glob("*.html"):
        loaded = re.findall(r'<(?:script|img|iframe)[^>]*src="(http[^"]*)"', text_of(page))
        loaded += re.findall(
            r'<link rel="(?:stylesheet|preconnect)"[^>]*href="(http[^"]*)"', text_of(page)
        )
        assert not loaded, (page.name, loaded)
