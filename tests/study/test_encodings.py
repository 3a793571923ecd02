"""Text is UTF-8 whatever the machine's locale is: every read and write of text says so."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tiny import REPOSITORY

SOURCES = [p for part in ("src", "tests", "benchmarks") for p in (REPOSITORY / part).rglob("*.py")]


def in_the_locale(tree: ast.AST) -> Iterator[int]:
    """Lines that read or write text in the locale's encoding. Ruff's PLW1514 sees some of them."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or any(k.arg == "encoding" for k in node.keywords):
            continue
        words = [a.value for a in node.args if isinstance(a, ast.Constant)]
        of_mode = [str(k.value.value) for k in node.keywords if k.arg == "mode"]
        binary = any("b" in str(word) for word in [*words[-1:], *of_mode])
        match node.func:
            case ast.Attribute(value=ast.Name(id="storage")):
                continue
            case ast.Attribute(attr="read_text"):
                yield node.lineno
            case ast.Attribute(attr="write_text") if len(node.args) < 2:
                yield node.lineno
            case ast.Attribute(attr="open") if len(words) == len(node.args) and not binary:
                yield node.lineno
            case ast.Name(id="open") if not binary:
                yield node.lineno


def test_no_text_is_read_or_written_in_the_locale_s_encoding() -> None:
    assert len(SOURCES) > 200
    wrong = [
        f"{path.relative_to(REPOSITORY)}:{line}"
        for path in SOURCES
        for line in in_the_locale(ast.parse(path.read_text(encoding="utf-8")))
    ]
    assert wrong == []


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("p.read_text()", [1]),
        ("p.write_text(t)", [1]),
        ("p.open()", [1]),
        ("p.open('w')", [1]),
        ("open(p)", [1]),
        ("open(p, 'a')", [1]),
        ("p.read_text(encoding='utf-8')", []),
        ("p.open('wb')", []),
        ("open(p, mode='rb')", []),
        ("storage.write_text(p, t)", []),
    ],
)
def test_the_check_sees_what_it_should(text: str, lines: list[int]) -> None:
    assert list(in_the_locale(ast.parse(text))) == lines


def test_a_study_with_an_umlaut_is_read_under_any_locale(tmp_path: Path) -> None:
    study = (REPOSITORY / "configs/smoke.yaml").read_text(encoding="utf-8")
    (tmp_path / "umlaut.yaml").write_text(study.replace("A first look", "Größe"), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-X", "utf8=0", "-W", "error::EncodingWarning", "-X", "warn_default_encoding",
         "-m", "ganlore", "plan", "umlaut.yaml", "--no-measure"],
        cwd=tmp_path, env=os.environ | {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
