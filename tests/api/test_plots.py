"""The figures that a notebook draws of any frame: what is drawn is what the rows say."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
import pytest

from ganlore import plots
from ganlore.errors import GanloreError

VALUES = {  # by loss and trick: the end of each seed
    ("hinge", "none"): (100.0, 200.0),
    ("hinge", "ema"): (50.0, 100.0),
    ("wgan", "none"): (400.0, 400.0),
    ("wgan", "ema"): (100.0, 100.0),
    ("wgan", "r1"): (800.0, None),  # the second seed diverged
}


@pytest.fixture
def frame() -> pd.DataFrame:
    rows = []
    setting = {"dataset": "ring", "network": "mlp", "variant": "base", "extractor": "coordinates"}
    for (loss, trick), ends in VALUES.items():
        for seed, end in enumerate(ends):
            for images, factor in ((100, 2.0), (200, 1.0)):
                failed = end is None and images == 200
                value = np.nan if failed else (end or 700.0) * factor
                for metric, scaled in (("fid", value), ("modes", 8.0)):
                    rows.append(
                        {**setting, "loss": loss, "trick": trick, "train_seed": seed,
                         "images": images, "metric": metric, "value": scaled,
                         "status": "diverged" if failed else "done"}
                    )  # fmt: skip
    return pd.DataFrame(rows)


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    from matplotlib import pyplot

    pyplot.switch_backend("Agg")
    yield
    pyplot.close("all")


def test_learning_curves_are_the_seeds_means(frame: pd.DataFrame) -> None:
    ax = plots.learning_curves(frame)
    lines = {line.get_label(): line.get_xydata().tolist() for line in ax.lines}
    assert lines["hinge"] == [[100, 300], [200, 150]]
    assert lines["wgan + ema"] == [[100, 200], [200, 100]]
    assert lines["wgan + r1"] == [[100, 1500], [200, 800]]  # of the seeds that are left
    assert ax.get_yscale() == "log" and "FID on ring" in ax.get_ylabel()


def test_a_trick_s_effect_is_the_mean_ratio_to_the_plain_loss(frame: pd.DataFrame) -> None:
    ax = plots.trick_effects(frame)
    assert [text.get_text() for text in ax.get_yticklabels()] == ["r1", "ema"]
    widths = [patch.get_width() for patch in ax.patches]
    # ema: 1/2 with hinge, 1/4 with wgan; r1: 2 with wgan, of the seed that did not diverge
    np.testing.assert_allclose(widths, [2 - 1, 8**-0.5 - 1])
    dots = [sorted(line.get_xdata()) for line in ax.lines if len(line.get_xdata()) <= 2]
    np.testing.assert_allclose(dots[1], [0.25, 0.5])


def test_the_leaderboard_has_the_lowest_first_and_no_cell_that_diverged(
    frame: pd.DataFrame,
) -> None:
    ax = plots.leaderboard(frame, top=3)
    names = [text.get_text() for text in ax.get_yticklabels()][::-1]
    assert names == ["hinge + ema", "wgan + ema", "hinge"]
    means = [line.get_xdata()[0] for line in ax.lines if len(line.get_xdata()) == 1][::-1]
    np.testing.assert_allclose(means, [5000**0.5, 100, 20000**0.5])
    assert "wgan + r1" not in str(
        [t.get_text() for t in plots.leaderboard(frame).get_yticklabels()]
    )


def test_a_loss_that_sees_labels_is_marked(frame: pd.DataFrame) -> None:
    ax = plots.leaderboard(frame.replace({"loss": {"wgan": "cgan", "hinge": "mine"}}))
    names = {text.get_text() for text in ax.get_yticklabels()}
    assert names == {"mine", "mine + ema", "cgan (with labels)", "cgan (with labels) + ema"}


def test_axes_of_one_s_own_are_drawn_on(frame: pd.DataFrame) -> None:
    from matplotlib import pyplot

    _, axes = pyplot.subplots(1, 3)
    for draw, ax in zip(
        (plots.learning_curves, plots.trick_effects, plots.leaderboard), axes, strict=True
    ):
        assert draw(frame, ax=ax) is ax
    assert len(pyplot.get_fignums()) == 1


def test_what_cannot_be_drawn_on_one_scale_is_refused(frame: pd.DataFrame) -> None:
    both = pd.concat([frame, frame.assign(dataset="digits")])
    for draw in (plots.learning_curves, plots.trick_effects, plots.leaderboard):
        with pytest.raises(GanloreError, match="2 values of dataset: digits, ring"):
            draw(both)
        with pytest.raises(GanloreError, match=r"no values of 'fd'\n  there are: fid, modes"):
            draw(frame, metric="fd")
        with pytest.raises(GanloreError, match="no column loss"):
            draw(frame.drop(columns="loss"))
    with pytest.raises(GanloreError, match="no trick can be compared"):
        plots.trick_effects(frame[frame["trick"] == "none"])
