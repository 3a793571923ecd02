"""A study in progress: what runs, what has failed, FID so far and the time left."""

from __future__ import annotations

import csv
import os
import time
from pathlib import Path

import pytest

from by_hand import FILE, ok, prepared
from ganlore import storage
from ganlore.cli.watch import picture
from ganlore.execution import status, watching
from ganlore.study.run import Plan

GRID = {"datasets": ["ring"], "networks": ["mlp"], "losses": ["hinge", "wgan"], "tricks": ["none"]}


@pytest.fixture(scope="module")
def half(tmp_path_factory: pytest.TempPathFactory) -> Plan:
    """Four runs: one is done, one has failed, one trains, one is missing."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("half"))
        plan = prepared(grids=[GRID], seeds=[0, 1])
        first, second, third, _ = plan.runs
        ok("train", first.id, "--study", FILE)
        ok("evaluate", first.id, "--study", FILE)
        state = Path("results/state")
        storage.write_json(state / second.id / "failed.json", {"error": "a <reason> of its own"})
        progress = {"step": 3, "seconds": 1.0, "pid": os.getpid(), "time": time.time()}
        storage.write_json(state / third.id / "progress.json", progress)
        yield plan


def fid_of(plan: Plan) -> float:
    path = plan.folder(plan.runs[0]) / "metrics.csv"
    with path.open(encoding="utf-8") as file:
        return [float(r["value"]) for r in csv.DictReader(file) if r["metric"] == "fid"][-1]


def test_a_view_has_every_run_as_it_stands(half: Plan) -> None:
    view = watching.Watcher(half, 2).look()
    assert view.counts == {"done": 1, "failed": 1, "running": 1, "missing": 1}
    assert [seen.stage.state for seen in view.attention] == ["running", "failed"]
    assert view.runs[0].fid == fid_of(half)
    assert view.cells(3) == [("ring/mlp/hinge/none/base", pytest.approx(fid_of(half)), 1)]
    assert view.share == pytest.approx((1 + 0.5) / 4) and not view.finished
    assert view.seconds_left is not None and view.seconds_left > 0


def test_the_terminal_shows_it_once(half: Plan) -> None:
    text = ok("watch", FILE, "--once")
    assert "4 runs: 1 done, 1 running, 1 failed, 1 missing; about" in text
    assert "step 3 of 6" in text and "a <reason> of its own" in text
    assert f"{fid_of(half):.4g}" in text


def test_the_page_refreshes_until_all_is_done(half: Plan) -> None:
    ok("watch", FILE, "--once", "--page", "--every", "7")
    text = Path("results/watch.html").read_text(encoding="utf-8")
    assert '<meta http-equiv="refresh" content="7">' in text
    assert "a &lt;reason&gt; of its own" in text and f"{fid_of(half):.4g}" in text
    whole = Plan(half.study, half.runs[:1], ())
    from ganlore.cli import watch

    view = watching.Watcher(whole, 1).look()
    assert view.finished
    watch.write_page(Path("done.html"), view, whole.folder, 5.0)
    assert "refresh" not in Path("done.html").read_text(encoding="utf-8")


def test_watching_ends_when_all_is_done(half: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second look finds the last run done."""
    views = []
    look = watching.Watcher.look

    def later(self: watching.Watcher) -> watching.View:
        views.append(look(self))
        done = views[-1].runs[:1] if len(views) > 1 else views[-1].runs
        return watching.View("tiny", done, None)

    monkeypatch.setattr(watching.Watcher, "look", later)
    assert "all runs are done" in ok("watch", FILE, "--every", "0.5")
    assert len(views) == 2


def test_a_run_that_diverged_has_no_fid(half: Plan, tmp_path: Path) -> None:
    path = tmp_path / "metrics.csv"
    path.write_text("metric,extractor,value\nfid,coordinates,3.5\nfid,coordinates,\n", "utf-8")
    assert watching._last_fid(path, "coordinates") is None
    assert watching._last_fid(tmp_path / "missing.csv", "coordinates") is None


def test_the_time_left_in_words() -> None:
    assert status.time_left(None) == status.UNKNOWN
    assert status.time_left(240) == "about 4 minutes"


def test_pictures_are_laid_out_in_rows(tmp_path: Path) -> None:
    import base64
    import io

    import numpy as np
    from PIL import Image

    samples = np.arange(4, dtype=np.uint8)[:, None, None, None] * np.ones((1, 3, 2, 5), np.uint8)
    np.savez(tmp_path / "samples.npz", samples=samples)
    image = Image.open(io.BytesIO(base64.b64decode(picture(tmp_path / "samples.npz"))))
    assert image.size == (11, 5)  # a white pixel between two
    rows = [[a] * 5 + [255] + [b] * 5 for a, b in ((0, 1), (2, 3))]
    assert np.array(image)[:, :, 0].tolist() == [rows[0]] * 2 + [[255] * 11] + [rows[1]] * 2
    np.savez(tmp_path / "points.npz", samples=np.zeros((4, 2), np.float32))
    assert picture(tmp_path / "points.npz") is None and picture(tmp_path / "none.npz") is None
