"""A loss that is another one under another name: a check, which counts nowhere."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
import synthetic_study

from ganlore.analysis import results, tables
from ganlore.report import files, leaderboard
from ganlore.report.figures import ranking
from ganlore.report.page import build
from ganlore.study import registry
from tiny import equal, tiny_run

TWIN, LOSS = "fgan-jensen-shannon", "nonsaturating"


@pytest.mark.parametrize("trick", ["none", "r1", "relativistic"])
@pytest.mark.parametrize("name", [n for n in registry.find("loss") if registry.checks([n, LOSS])])
def test_what_is_declared_equal_gives_the_same_run(trained, name: str, trick: str) -> None:
    """The same weights and samples; the discriminator's loss differs by a constant, 2 log 2."""
    one, other = (trained(tiny_run("digits", loss, trick))[1] for loss in (name, LOSS))
    assert equal(one["snapshots"], other["snapshots"])
    assert equal(one["networks"], other["networks"])
    for row, plain in zip(one["history"], other["history"], strict=True):
        assert plain["d_loss"] - row["d_loss"] == pytest.approx(2 * math.log(2), abs=1e-5)


def test_only_one_of_the_two_counts(tmp_path: Path) -> None:
    losses = [LOSS, TWIN, "lsgan", "minimax"]
    grids = [
        {"datasets": ["ring"], "networks": ["mlp"], "losses": losses, "tricks": ["none", "r1"]}
    ]
    plan = synthetic_study.make(synthetic_study.small(tmp_path, grids=grids))
    mine = results.Results(plan, tables.read(plan))
    (matrix,) = mine.matrices
    assert set(matrix.losses) == set(losses)  # it is shown
    assert TWIN in set(mine.cells["loss"])
    assert len(matrix.counted) == 6 and list(matrix.counted["rank"]) == [1, 2, 3, 4, 5, 6]
    assert set(matrix.cells.loc[TWIN, "rank"]) == {7, 8}  # after all that count
    board = leaderboard.of(mine)
    assert TWIN not in set(board["loss"]) and LOSS in set(board["loss"])
    assert list(board["rank"]) == [0, 1, 2, 3, 4, 5, 6]
    values, _ = ranking.blocks(matrix)
    assert set(values.columns) == set(losses) - {TWIN}
    numbers = json.loads(files.texts(mine)["numbers.json"])
    assert numbers["losses"] == "3"
    text = build(plan).read_text(encoding="utf-8")  # and the pictures say why it is last
    assert f"without a rank: {TWIN}, another loss" in text


def test_alone_it_counts(tmp_path: Path) -> None:
    """Without the other loss it is no double."""
    grids = [{"datasets": ["ring"], "networks": ["mlp"], "losses": [TWIN, "lsgan"]}]
    plan = synthetic_study.make(synthetic_study.small(tmp_path, grids=grids))
    assert TWIN in set(leaderboard.of(results.Results(plan, tables.read(plan)))["loss"])


def test_what_a_loss_is_equal_to_is_a_loss_that_counts() -> None:
    losses = registry.find("loss")
    for name in losses:
        other = registry.declaration("loss", name).fact("equal_to")
        assert other is None or other in set(losses) - registry.checks(losses)
