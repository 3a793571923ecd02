"""Plug-ins are found by their file's name; code has a fingerprint that follows meaning."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ganlore.errors import GanloreError
from ganlore.settings import Optimizer
from ganlore.study import declarations, fingerprint, registry

LOSS = '''"""A loss."""
from dataclasses import dataclass
from torch import Tensor
from ganlore.losses import LogitLoss, Optimizer
from ganlore.settings import PositiveFloat

@dataclass
class Mine(LogitLoss):
    """A loss of mine."""

    paper = "arXiv:0000.00000"
    formula = ("E f - E r", "-E f")
    margin: PositiveFloat = 2.0

    def discriminator_loss(self, real: Tensor, fake: Tensor) -> Tensor:
        """One."""
        return fake.mean() - real.mean()

    def generator_loss(self, fake: Tensor) -> Tensor:
        return -fake.mean()

LOSS = Mine
'''


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "losses").mkdir()
    monkeypatch.setenv("GANLORE_PLUGINS", str(tmp_path))
    return tmp_path / "losses"


def test_a_file_in_a_plug_in_folder_is_a_loss(folder: Path) -> None:
    (folder / "my_loss.py").write_text(LOSS, encoding="utf-8")
    assert "my-loss" in registry.find("loss")
    declared = registry.declaration("loss", "my-loss")
    assert declared.settings({"margin": 3})["margin"] == 3
    assert declared.settings({})["n_critic"] == 1  # inherited
    assert registry.create("loss", "my-loss", {"margin": 3}).margin == 3


def test_a_plug_in_beside_the_snakefile_is_found(tmp_path, monkeypatch) -> None:
    (tmp_path / "plugins/losses").mkdir(parents=True)
    (tmp_path / "plugins/losses/beside.py").write_text(LOSS, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    assert "beside" in registry.find("loss")


def test_two_files_of_one_name_are_refused(folder: Path) -> None:
    (folder / "hinge.py").write_text(LOSS, encoding="utf-8")
    with pytest.raises(GanloreError, match="two files define the loss 'hinge'"):
        registry.find("loss")


@pytest.mark.parametrize(
    "old, new, reported",
    [
        ("LOSS = Mine", "", "ends with one line `LOSS = <its class>`"),
        ("= 2.0", "= compute()", "cannot be read without running"),
        ("-> Tensor:", "-> Tensor", "not valid Python"),
        ("LOSS = Mine", "LOSS = Yours", "neither defined nor imported"),
    ],
)
def test_a_wrong_plug_in_is_told_with_its_place(folder: Path, old, new, reported) -> None:
    (folder / "wrong.py").write_text(LOSS.replace(old, new), encoding="utf-8")
    with pytest.raises(GanloreError, match=reported) as caught:
        registry.declaration("loss", "wrong")
    assert "wrong.py" in str(caught.value)


@pytest.mark.parametrize(
    "default",
    [
        "Optimizer.__init__.__globals__['json']",
        "().__class__.__base__.__subclasses__()",
        "__import__('os').getcwd()",
        "Optimizer(**{'lr': 1.0})",
        "tuple(*[[1]])",
        "Optimizer().model_dump()",
        "(lambda: 2.0)()",
        "[x for x in (1.0, 2.0)]",
        "f'{1}'",
        "2.0 if True else 1.0",
        "9 ** 9 ** 9",
        "(1, int.real)",
        "Optimizer(lr='fast')",
    ],
)
def test_a_declaration_runs_no_code(folder: Path, default: str) -> None:
    (folder / "wrong.py").write_text(LOSS.replace("= 2.0", f"= {default}"), encoding="utf-8")
    line = LOSS[: LOSS.index("margin:")].count("\n") + 1
    with pytest.raises(GanloreError, match=r"declaration of 'margin' cannot be read") as caught:
        registry.declaration("loss", "wrong")
    assert f"wrong.py:{line}:" in str(caught.value)
    assert "use literals" in str(caught.value) and "Optimizer" in str(caught.value)


@pytest.mark.parametrize("kind", ["'exit()'", "tuple['exit()', ...]", "PositiveFloat | 'exit()'"])
def test_a_string_in_a_type_is_not_run_either(folder: Path, kind: str) -> None:
    (folder / "wrong.py").write_text(
        LOSS.replace("margin: PositiveFloat", f"margin: {kind}"), encoding="utf-8"
    )
    with pytest.raises(GanloreError, match=r"wrong.py:\d+: the type of 'margin' has a string"):
        registry.declaration("loss", "wrong")


@pytest.mark.parametrize(
    ("kind", "default", "value"),
    [
        ("float", "-2.5", -2.5),
        ("tuple[float, ...]", "(1.0, -2.0)", (1.0, -2.0)),
        ("PositiveInt | None", "None", None),
        ("dict[str, int]", "{'a': 1}", {"a": 1}),
        ("list[tuple[int, str]]", "[(1, 'b')]", [(1, "b")]),
        ("Optimizer", "Optimizer(lr=1e-4, betas=(0.5, 0.9))", Optimizer(lr=1e-4, betas=(0.5, 0.9))),
        ("float", "float('inf')", float("inf")),
    ],
)
def test_a_declaration_is_read_as_python_has_it(folder: Path, kind, default, value) -> None:
    text = LOSS.replace("PositiveFloat = 2.0", f"{kind} = {default}")
    (folder / "right.py").write_text(text, encoding="utf-8")
    field = registry.declaration("loss", "right").model.model_fields["margin"]
    assert field.get_default() == value


def changed(folder: Path, old: str, new: str) -> bool:
    """Whether an edit changes the fingerprint."""
    path = folder / "edited.py"
    path.write_text(LOSS, encoding="utf-8")
    before = fingerprint.of([path])
    text = LOSS.replace(old, new)
    assert text != LOSS
    path.write_text(text + "\n" * 3, encoding="utf-8")
    return fingerprint.of([path]) != before


@pytest.mark.parametrize(
    "old, new",
    [
        ('"""A loss."""', '"""Another docstring of the module."""'),
        ('"""A loss of mine."""', '"""Another docstring of the class."""'),
        ('        """One."""\n', '        # a comment\n'),
        ("fake.mean() - real.mean()", "(  fake.mean()\n            - real.mean())"),
        ('"arXiv:0000.00000"', '"arXiv:1111.11111"'),
        ('("E f - E r", "-E f")', '("m(f) - m(r)", "-m(f)")'),
        ("    margin", '    incompatible = {"ema": "a reason"}\n    margin'),
        ("    margin", '    deviations: ClassVar[tuple[str, ...]] = ("A difference.",)\n    margin'),
    ],
)  # fmt: skip
def test_words_do_not_change_a_fingerprint(folder: Path, old: str, new: str) -> None:
    assert not changed(folder, old, new)


@pytest.mark.parametrize(
    "old, new",
    [
        ("fake.mean() - real.mean()", "fake.mean() - 2 * real.mean()"),
        ("= 2.0", "= 3.0"),
        ("-fake.mean()", "fake.mean()"),
    ],
)
def test_code_changes_a_fingerprint(folder: Path, old: str, new: str) -> None:
    assert changed(folder, old, new)


def names(paths: set[Path]) -> set[str]:
    return {str(path.relative_to(declarations.PACKAGE)) for path in paths}


def test_a_fingerprint_covers_what_a_file_imports() -> None:
    dragan = names(fingerprint.closure([registry.path_of("loss", "dragan")]))
    assert {"losses/dragan.py", "losses/nonsaturating.py", "steps/penalties.py"} <= dragan
    assert "losses/wgan.py" not in dragan


def test_training_depends_on_no_metric_no_figure_and_no_other_plug_in() -> None:
    covered = names(fingerprint.closure([fingerprint.module("training.session")]))
    assert {"steps/step.py", "steps/seeding.py", "steps/schedule.py"} <= covered
    assert {f"training/{name}.py" for name in ("loop", "trainer", "build", "batches")} <= covered
    assert {
        "training/checkpoint.py",
        "training/memory.py",
    } <= covered  # which come as arguments, or measure
    assert not {
        n
        for n in covered
        if n.startswith(("metrics/", "features/", "report/", "cli/", "evaluation/"))
    }
    assert "errors.py" not in covered
    plug_ins = {n for n in covered if n.startswith(("losses/", "tricks/", "networks/"))}
    assert all(n.endswith("__init__.py") for n in plug_ins)


def test_a_file_named_like_a_neutral_module_in_a_folder_still_counts(tmp_path) -> None:
    assert "losses/__init__.py" in names(fingerprint.closure([registry.path_of("loss", "hinge")]))


def test_a_folder_named_twice_is_searched_once(folder: Path, monkeypatch) -> None:
    (folder / "once.py").write_text(LOSS, encoding="utf-8")
    monkeypatch.setenv("GANLORE_PLUGINS", f"{folder.parent}:{folder.parent}/")
    assert "once" in registry.find("loss")


def test_a_variable_named_like_a_fact_is_code(folder: Path) -> None:
    """Facts are a class's; `tip = ...` inside a function decides what it computes."""
    text = LOSS.replace(
        "        return -fake.mean()", "        tip = 2\n        return -tip * fake.mean()"
    )
    path = folder / "two.py"
    path.write_text(text, encoding="utf-8")
    before = fingerprint.of([path])
    path.write_text(text.replace("tip = 2", "tip = 3") + "\n", encoding="utf-8")
    assert fingerprint.of([path]) != before


def test_a_loss_and_a_trick_of_one_name_are_two_files(folder: Path) -> None:
    trick = folder.parent / "tricks" / "same.py"
    trick.parent.mkdir()
    trick.write_text("x = 1", encoding="utf-8")
    (folder / "same.py").write_text(LOSS, encoding="utf-8")
    roles = {fingerprint._role(path) for path in (trick, folder / "same.py")}
    assert roles == {"tricks/same", "losses/same"}


def test_a_plan_looks_at_each_file_once_and_the_next_one_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "losses").mkdir()
    path = tmp_path / "losses" / "mine.py"
    text = registry.path_of("loss", "hinge").read_text(encoding="utf-8")
    path.write_text(text, encoding="utf-8")
    monkeypatch.setenv("GANLORE_PLUGINS", str(tmp_path))
    with registry.unchanging():
        first = registry.declaration("loss", "mine")
        path.write_text(text.replace('paper = "', 'paper = "arXiv:1, '), encoding="utf-8")
        os.utime(path, ns=(1, 1))
        assert registry.declaration("loss", "mine") is first
    with registry.unchanging():
        assert registry.declaration("loss", "mine").facts["paper"].startswith("arXiv:1, ")
    assert registry.declaration("loss", "mine") is not first
