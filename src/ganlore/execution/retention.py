"""Which of a run's files are not missing but let go: the study's `keep`, and what it was then."""

from __future__ import annotations

import contextlib
from pathlib import Path

from ganlore import storage
from ganlore.errors import GanloreError
from ganlore.study.schema import Keep


def let_go(keep: Keep, folder: Path) -> frozenset[str]:
    """The files that a run may lack, by name; their hashes stay in its `run.json`.

    Args:
        keep: what the study keeps now.
        folder: the run's. Its evaluation tells what the study kept when it was measured. A run that
            is not evaluated yet may lack nothing.
    """
    found: list[str] = []
    with contextlib.suppress(GanloreError):
        record = storage.read_json(folder / "evaluation.json", "run snakemake")
        found = [*keep.let_go, *record.get("let_go", ())]
    return frozenset(found)
