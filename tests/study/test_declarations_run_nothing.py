"""To list plug-ins, or to plan a study with all of them, runs nothing of a plug-in's file."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from ganlore.cli.main import app
from ganlore.errors import GanloreError
from ganlore.study import registry
from tiny import REPOSITORY, TINY

LOSS = '''"""Runs code wherever Python would let it."""
from pathlib import Path
Path("sprung-at-import").touch()
from ganlore.losses import LogitLoss
from ganlore.settings import PositiveFloat

class Trap(LogitLoss):
    """A trap."""

    formula = ("0", "0")
    Path("sprung-in-the-class").touch()
    {line}

LOSS = Trap
'''

REFUSED = [
    "margin: float = __import__('os').mkdir('sprung') or 1.0",
    "margin: float = ().__class__.__base__.__subclasses__()[0]",
    "margin: float = PositiveFloat.__class__",
    "margin: float = Path('sprung').touch()",
    "margin: float = [Path('sprung').touch() for _ in (1,)][0]",
    "margin: float = {x: open('sprung', 'w') for x in (1,)}",
    "margin: float = (lambda: Path('sprung').touch())()",
    "margin: float = f'{Path(\"sprung\").touch()}'",
    "margin: float = (x := Path('sprung').touch())",
    "margin: float = 1.0 if Path('sprung').touch() else 2.0",
    "margin: float = Path('sprung').touch() or 1.0",
    "margin: float = exec('Path(\"sprung\").touch()')",
    "margin: float = int(*[open('sprung', 'w')])",
    "margin: __import__('os').mkdir('sprung') = 1.0",
    "margin: 'Path(\"sprung\").touch()' = 1.0",
    "margin: tuple['Path(\"sprung\").touch()'] = (1.0,)",
    "margin: str(1) = 1.0",
    "margin: dict(a=1) = 1.0",
    "margin: 3 = 1.0",
    "_margin: float = 1.0",
    "paper = __import__('os').getcwd()",
    "incompatible = {'ema': Path('sprung').touch()}",
    "margin: float = " + "(" * 300 + "1.0" + ")" * 300,
    "margin: float = " + "-" * 5_000 + "1.0",
]
IGNORED = [
    "other = Path('sprung-ignored').name",
    "def __init_subclass__(cls): Path('sprung').touch()",
    "@property\n    def margin(self): Path('sprung').touch()",
]


def trap(folder: Path, line: str) -> None:
    (folder / "plugins/losses").mkdir(parents=True, exist_ok=True)
    source = LOSS.replace("{line}", line)
    (folder / "plugins/losses/trap.py").write_text(source, encoding="utf-8")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    grids = [{"datasets": ["ring"], "networks": ["mlp"], "losses": "all", "tricks": ["none"]}]
    Path("study.yaml").write_text(yaml.safe_dump({**TINY, "grids": grids}), encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize("line", REFUSED)
def test_what_would_have_to_be_run_is_refused_and_not_run(line: str, here: Path) -> None:
    trap(here, line)
    for words in (["list", "losses"], ["plan", "study.yaml", "--no-measure"]):
        error = CliRunner().invoke(app, words).exception
        assert isinstance(error, GanloreError), repr(error)
        assert "trap.py" in str(error)
    assert list(here.glob("sprung*")) == []


@pytest.mark.parametrize("line", IGNORED)
def test_what_declares_nothing_is_not_run(line: str, here: Path) -> None:
    trap(here, line)
    for words in (["list", "losses"], ["plan", "study.yaml", "--no-measure"]):
        result = CliRunner().invoke(app, words)
        assert result.exit_code == 0, repr(result.exception)
    assert list(here.glob("sprung*")) == []


def test_a_class_that_is_its_own_base_is_refused(here: Path) -> None:
    trap(here, "pass")
    path = here / "plugins/losses/trap.py"
    path.write_text(
        path.read_text(encoding="utf-8").replace("(LogitLoss)", "(Trap)"), encoding="utf-8"
    )
    error = CliRunner().invoke(app, ["list", "losses"]).exception
    assert isinstance(error, GanloreError) and "is its own base" in str(error)


@pytest.mark.parametrize("source", [b"\xff\xfe", b"x = 1\0", b"(" * 10_000, b"# caf\xe9\n"])
def test_a_file_that_is_no_python_is_named(source: bytes, here: Path) -> None:
    trap(here, "pass")
    (here / "plugins/losses/trap.py").write_bytes(source)
    for words in (["list", "losses"], ["plan", "study.yaml", "--no-measure"]):
        error = CliRunner().invoke(app, words).exception
        assert isinstance(error, GanloreError) and "trap.py" in str(error)


@pytest.mark.workflow
def test_a_dry_run_of_snakemake_runs_nothing(here: Path) -> None:
    trap(here, "margin: PositiveFloat = 1.0")
    done = subprocess.run(
        [sys.executable, "-m", "snakemake", "-n", "--quiet", "--cores", "1", "--directory", ".",
         "-s", str(REPOSITORY / "Snakefile"), "--configfile", "study.yaml"],
        cwd=here, capture_output=True, text=True, check=False, encoding="utf-8",
        env=os.environ | {"XDG_CACHE_HOME": str(here / "cache")},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "trap" in registry.find("loss") and list(here.glob("sprung*")) == []
