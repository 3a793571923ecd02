"""Numbers that are read back from CSV are those that were written, to the last bit."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ganlore import frames
from ganlore.analysis import tables

HARD = [0.12109187700580004, 0.022454496099831526, 0.0009348800516443102, 1 / 3, 5e-324, -1.7e308]
"""The first three are read beside themselves by the default parser of pandas before 3.1."""


def written(numbers: list[float]) -> str:
    """As the project writes its CSV files: Python's shortest digits that name one float."""
    return "value\n" + "".join(f"{number!r}\n" for number in numbers)


def test_hard_numbers_keep_their_last_bit() -> None:
    assert frames.read_csv(io.StringIO(written(HARD)))["value"].tolist() == HARD


def test_many_numbers_keep_their_last_bit() -> None:
    numbers = np.random.default_rng(0).lognormal(0, 3, 20_000).tolist()
    assert frames.read_csv(io.StringIO(written(numbers)))["value"].tolist() == numbers
    text = pd.DataFrame({"value": numbers}).to_csv(index=False)  # and as pandas writes them
    assert frames.read_csv(io.StringIO(text))["value"].tolist() == numbers


def test_the_floor_is_read_exactly(tmp_path: Path) -> None:
    path = tmp_path / "floor.csv"
    path.write_text(written(HARD), encoding="utf-8")
    assert tables._read(path, ["value"])["value"].tolist() == HARD


@pytest.mark.parametrize(
    "version, asked", [("3.0.6", {"float_precision": "round_trip"}), ("3.1.0", {}), ("3.10.0", {})]
)
def test_an_older_pandas_is_asked_for_the_exact_parser(monkeypatch, version, asked) -> None:
    """From 3.1 on it is the only one, and asking for it warns."""
    monkeypatch.setattr(pd, "__version__", version)
    monkeypatch.setattr(pd, "read_csv", lambda source, **options: options)
    assert frames.read_csv(io.StringIO()) == asked
