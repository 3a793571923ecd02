"""Whether the extractors that a study is measured with see what tells its pictures apart."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ganlore import storage
from ganlore.errors import GanloreError
from ganlore.study.run import Plan


def weakness(dataset: str, extractor: str, record: Mapping[str, Any]) -> str | None:
    """A warning of a classifier less than half of the way from guessing to no error, else None.

    In the features of such a one even noise can get a low FID; the report says the same.

    Args:
        dataset: the data set's name.
        extractor: the extractor's name.
        record: its `record.json`; an extractor that is no classifier has no `test_accuracy`.
    """
    accuracy, share = record.get("test_accuracy"), record.get("majority_share")
    if accuracy is None or share is None or accuracy >= (1 + share) / 2:
        return None
    return (
        f"warning: {extractor} on {dataset} is right for {accuracy:.1%} of the test pictures, and "
        f"always guessing the commonest class for {share:.1%}: even noise can get a low FID in its "
        "features\n  use more training pictures, or another extractor (protocol.extractors)"
    )


def warnings(plan: Plan) -> list[str]:
    """The warnings of a study's extractors that are fitted already."""
    texts = []
    for dataset, extractors in plan.extractors.items():
        for name in extractors:
            path = Path(plan.study.data, "extractors", dataset, name, "record.json")
            try:
                record = storage.open_record(path, "run snakemake")
            except (GanloreError, FileNotFoundError):
                continue  # not fitted, or damaged: its runs are stale, and who reads it says why
            text = weakness(dataset, name, record)
            texts += [text] if text else []
    return texts
