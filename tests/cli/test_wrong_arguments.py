"""A user's mistake is told in one message, without a traceback: every command x wrong arguments.

Commands and their parameters are read from the application, so that a new one is tested as well.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml
from typer.testing import CliRunner

from ganlore.cli.main import app
from ganlore.errors import GanloreError
from tiny import TINY

COMMANDS: dict[str, Any] = typer.main.get_command(app).commands  # type: ignore[attr-defined]

TYPES = {info.name or "": typing.get_type_hints(info.callback) for info in app.registered_commands}
"""The type of each parameter, by its command."""

RIGHT = {
    "dataset": "ring", "extractor": "coordinates", "protocol": "{}", "study": "study.yaml",
    "run": "ring/mlp/hinge/none/base/seed0",
}  # fmt: skip
"""What a command gets in its other arguments, where it needs them."""

TEXTS = [
    "{",
    "none",
    "folder",
    "latin.yaml",
    "binary",
    "a\0b",
    "x" * 300,
    "-1",
    "[]",
    "null",
    "broken.yaml",
]
"""What nothing is called: no file, a folder, files that are not text, no name at all."""

JSON = ["{", "[]", "null", "1", '{"nothing": 1}', '{"x": NaN}', "[" * 100_000, '{"a": "\\u0000"}']
STUDIES = [*TEXTS, "", "{}", '{"name": 1}', "[" * 100_000, "{" + '"a":{' * 5_000, "unclosed.yaml", "list.yaml",
           "extends-folder.yaml", "claims-folder.yaml", "extends-latin.yaml", "claims-list.yaml",
           "plain.txt/study.yaml"]  # fmt: skip
NUMBERS = ["-1", "x", "", "nan", "1e400"]

WRONG = {
    "study": STUDIES,
    "settings": [j for j in JSON if j != "{}"],
    "protocol": JSON,
    "keep": JSON,
    "what": ["x", "{", "a\0b"],
    "run": ["x", "{", "a\0b", "../..", "ring/mlp/hing/none/base/seed0"],
    "dataset": [text for text in TEXTS if text != "none"],
    "extractor": [text for text in TEXTS if text != "none"],
}  # fmt: skip
"""By the parameter's name; numbers, folders and files are wrong by their type."""

PLACES = ["plain.txt", "plain.txt/x", "x" * 300]
"""Folders that cannot be."""

READ_ONLY = {("docs", "root")}
"""Parameters whose folder need not be one that can be made: what is there is read."""

UNUSED = {("train", "data"), ("train", "results"), ("evaluate", "data"), ("evaluate", "results")}
"""Read with --settings alone, and tested so below."""


def cases() -> Iterator[Any]:
    for name, command in sorted(COMMANDS.items()):
        for parameter in command.params:
            kind = TYPES[name][parameter.name]
            if parameter.name in WRONG:
                values = WRONG[parameter.name]
            elif kind in (int, float):
                values = NUMBERS[: 3 if kind is int else None]
            elif kind in (Path, Path | None) and (name, parameter.name) not in UNUSED | READ_ONLY:
                values = PLACES if parameter.name != "benchmark" else []
            else:
                values = []
            for value in values:
                marks = f"{name}-{parameter.name}-{value[:20]!a}"
                yield pytest.param(name, parameter.name, value, id=marks)


def words(name: str, wrong: str, value: str) -> list[str]:
    """A command line with one wrong argument, and right ones where the command needs others."""
    positional, options = [], []
    for parameter in COMMANDS[name].params:
        chosen = value if parameter.name == wrong else RIGHT.get(parameter.name)
        if chosen is None:
            continue
        if parameter.param_type_name == "argument":
            positional.append(chosen)
        elif parameter.name == wrong or parameter.required or parameter.name == "study":
            options.append(f"{parameter.opts[0]}={chosen}")
    return [name, *options, "--", *positional]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with files of every wrong kind, and a right study."""
    folder = tmp_path_factory.mktemp("wrong")
    (folder / "folder").mkdir()
    (folder / "latin.yaml").write_bytes("name: größe\n".encode("latin-1"))
    (folder / "binary").write_bytes(bytes(range(256)))
    (folder / "plain.txt").write_text("text", encoding="utf-8")
    grids = [{"datasets": ["ring"], "networks": ["mlp"], "losses": ["hinge"], "tricks": ["none"]}]
    right = yaml.safe_dump({**TINY, "grids": grids})
    texts = {
        "study": right,
        "broken": "a: [",
        "unclosed": "'",
        "list": "- a",
        "extends-folder": "extends: .",
        "claims-folder": right + "claims: .",
        "extends-latin": "extends: latin.yaml",
        "claims-list": right + "claims: list.yaml",
    }
    for name, text in texts.items():
        (folder / f"{name}.yaml").write_text(text, encoding="utf-8")
    return folder


@pytest.mark.parametrize(("name", "parameter", "value"), list(cases()))
def test_a_wrong_argument_is_told(name, parameter, value, place, monkeypatch) -> None:
    monkeypatch.chdir(place)
    result = CliRunner().invoke(app, words(name, parameter, value))
    said_by_us = isinstance(result.exception, GanloreError)
    said_by_click = isinstance(result.exception, SystemExit) and result.exit_code == 2
    assert said_by_us or said_by_click, f"{result.output}\n{result.exception!r}"
    message = str(result.exception) if said_by_us else result.output
    assert message.strip() and "Traceback" not in message + result.output
    assert len(message) < 6_000, "more than a screen"


def test_every_command_has_a_wrong_argument_or_takes_none() -> None:
    tried = {case.values[0] for case in cases()}
    assert {name for name, command in COMMANDS.items() if command.params} - tried <= {"docs"}
    assert len(COMMANDS) > 10 and len(list(cases())) > 200


@pytest.mark.parametrize("name", COMMANDS)
def test_an_option_or_argument_too_many_is_told(name: str, place: Path, monkeypatch) -> None:
    monkeypatch.chdir(place)
    for more in (["--nothing"], ["1", "2", "3", "4"]):
        result = CliRunner().invoke(app, [name, *more])
        assert result.exit_code == 2 and "Traceback" not in result.output


def ganlore(place: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "ganlore", *arguments], cwd=place, capture_output=True, text=True,
        check=False, env=os.environ | variables, encoding="utf-8",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "reported"),
    [
        (["plan", ""], "name a study's file"),
        (["plan", "{"], "not valid JSON"),
        (["plan", "folder"], "this is a folder"),
        (["plan", "latin.yaml"], "not UTF-8 text: byte 8 is 0xf6"),
        (["plan", "extends-folder.yaml"], "this is a folder"),
        (["plan", "claims-folder.yaml"], "this is a folder"),
        (["verify", "folder"], "publication.json: missing"),
        (["train", "--settings", "{"], "--settings: not valid JSON"),
        (["prepare", "ring", "--data", "plain.txt"], "plain.txt"),
        (["list", "nothing"], "unknown list or plug-in 'nothing'"),
    ],
)  # fmt: skip
def test_a_process_ends_with_one_message(arguments, reported, place: Path) -> None:
    done = ganlore(place, *arguments)
    assert done.returncode == 1 and done.stdout == ""
    assert done.stderr.startswith("error: ") and done.stderr.count("error: ") == 1
    assert reported in done.stderr and "Traceback" not in done.stderr


def test_a_folder_of_results_that_cannot_be_written_is_told(stores, place, monkeypatch) -> None:
    from tiny import tiny_run

    monkeypatch.chdir(place)
    run, data = tiny_run(), str(stores["ring"].folder.parents[1])
    for results in ("plain.txt", "/proc/nothing"):
        words = ["train", "--settings", run.model_dump_json(), "--data", data, "--results", results]
        error = CliRunner().invoke(app, words).exception
        assert isinstance(error, GanloreError) and results in str(error)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_a_full_disk_is_told(stores, place, monkeypatch) -> None:
    """Each write of a run's files fails in turn as on a full disk."""
    from ganlore import storage
    from tiny import tiny_run

    monkeypatch.chdir(place)
    run, data = tiny_run(), str(stores["ring"].folder.parents[1])
    real = os.fdopen
    arguments = ["train", "--settings", run.model_dump_json(), "--data", data, "--results", "full"]
    for file in ("progress.json", "state.pt", "snapshots.pt", "run.json"):

        def full(descriptor: int, *more: Any, stop: str = f".{file}.") -> Any:
            path = Path(f"/proc/self/fd/{descriptor}").readlink()
            if path.name.startswith(stop):
                os.dup2(os.open("/dev/full", os.O_WRONLY), descriptor)
            return real(descriptor, *more)

        monkeypatch.setattr(storage.os, "fdopen", full)
        error = CliRunner().invoke(app, arguments).exception
        assert isinstance(error, GanloreError), repr(error)
        assert f"{file}: No space left on device\n  the disk is full" in str(error)
    monkeypatch.setattr(storage.os, "fdopen", real)
    assert CliRunner().invoke(app, arguments).exit_code == 0


def test_a_home_that_cannot_be_written_hinders_nothing(place: Path) -> None:
    done = ganlore(place, "plan", "study.yaml", HOME="/proc/nothing")
    assert done.returncode == 0, done.stderr


def test_a_message_that_the_locale_cannot_write_is_written(place: Path) -> None:
    title = json.dumps(
        {**yaml.safe_load((place / "study.yaml").read_text(encoding="utf-8")), "title": "\u2192"}
    )
    done = ganlore(place, "plan", title, "--no-measure", LC_ALL="C", PYTHONIOENCODING="latin-1")
    assert done.returncode == 0 and r"\u2192" in done.stdout


def test_a_code_file_that_may_not_be_read_is_told(place: Path, monkeypatch) -> None:
    monkeypatch.chdir(place)

    def refused(self: Path, **_: Any) -> str:
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "read_text", refused)
    error = CliRunner().invoke(app, ["plan", "study.yaml"]).exception
    assert isinstance(error, GanloreError)
    assert "study.yaml: Permission denied\n  check who may read" in str(error)
