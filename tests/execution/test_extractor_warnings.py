"""A classifier that sees little is named where a user looks: when it is fitted, and by status."""

from __future__ import annotations

from pathlib import Path

import pytest

from by_hand import FILE, ok, prepared
from ganlore import features, storage
from ganlore.execution import extractors


@pytest.mark.parametrize(
    "accuracy, share, weak",
    [(0.52, 0.1, True), (0.549, 0.1, True), (0.55, 0.1, False), (0.9, 0.1, False),
     (0.9, 0.85, True), (None, 0.1, False)],
)  # fmt: skip
def test_half_way_from_guessing_to_no_error(accuracy, share, weak: bool) -> None:
    record = {"test_accuracy": accuracy, "majority_share": share}
    text = extractors.weakness("cifar10", "classifier", record)
    assert (text is not None) == weak
    if text:
        assert f"{accuracy:.1%}" in text and "even noise can get a low FID" in text


def test_fitting_and_status_warn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    prepared()
    assert "warning" not in ok("status", FILE)
    path = Path("data/extractors/ring/coordinates/record.json")
    record = storage.read_json(path, "") | {"test_accuracy": 0.3, "majority_share": 0.125}
    storage.write_record(path, record)
    assert "warning: coordinates on ring is right for 30.0% of the test pictures" in ok(
        "status", FILE
    )
    # and where it is fitted, as a classifier that has learned little would be
    monkeypatch.setattr(features, "fit", lambda *_: None)
    assert "warning: coordinates on ring" in ok("extract", "ring", "coordinates")
