"""Events for TensorBoard, beside the results: a run's history, its metrics and its samples.

They are copies: the numbers are in `history.csv` and `metrics.csv` with all their digits, of which
an event has those of single precision. Nothing here is part of a fingerprint.
"""

from __future__ import annotations

import math
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ganlore import arrays
from ganlore.errors import GanloreError
from ganlore.forecast import needs
from ganlore.report.samples import sheet

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

    from ganlore.data import Store
    from ganlore.study.keep import Beside
    from ganlore.study.run import Plan

Row = Mapping[str, Any]

TRAINING, EVALUATION = ".training", ".evaluation"
"""How the names of a run's files of events end."""

FLUSH = 30
"""Seconds after which a TensorBoard that is open sees what is new."""

SIDE = 128
"""Pixels of a picture of points."""

COLUMNS = 8
"""Images side by side."""


def refuse_without_package() -> None:
    """Refuse to begin where the package is missing.

    Raises:
        GanloreError: naming what to install.
    """
    for need in needs.tensorboard():
        raise GanloreError(f"{need.what}\n{need.remedy}")


def clear(folder: Path, part: str = "") -> None:
    """Delete a run's events, or those of a part, which are of a training or evaluation before."""
    if not part:
        shutil.rmtree(folder, ignore_errors=True)
    for path in folder.glob(f"*{part}"):
        path.unlink()


@contextmanager
def _writer(folder: Path, part: str, purge: bool = False) -> Iterator[SummaryWriter]:
    """A writer of torch; `purge` makes a TensorBoard that is open forget what it has of the run."""
    from torch.utils.tensorboard import SummaryWriter

    _wait_for_a_name(folder)
    with SummaryWriter(
        str(folder), 0 if purge else None, flush_secs=FLUSH, filename_suffix=part
    ) as writer:
        yield writer


def _wait_for_a_name(folder: Path) -> None:
    """Wait until a new file comes last: names begin with a second, and are read in their order."""
    taken = {path.name.split(".")[3] for path in folder.glob("events.out.tfevents.*")}
    while f"{int(time.time()):010d}" in taken:
        time.sleep(0.05)


class History:
    """The history of a run in training.

    What a killed training had written is written again from its saved history, so that no step is
    there twice and no event is cut in two.

    Args:
        folder: the run's, `Beside.events`.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._open: Any = None
        self._writer: SummaryWriter | None = None
        self._written = 0
        self._began = 0.0

    def begin(self, rows: Sequence[Row], seconds: float) -> None:
        """Write the rows of a saved history in place of all events of the run.

        Args:
            rows: as in `history.History`.
            seconds: training time so far.
        """
        again = self.folder.exists()
        clear(self.folder)
        self._began = time.time() - seconds
        self._open = _writer(self.folder, TRAINING, purge=again)
        self._writer = self._open.__enter__()
        self.add(rows)

    def add(self, rows: Sequence[Row]) -> None:
        """Write those rows of a history that are not written yet; nan has no event."""
        if self._writer is None:
            return
        for row in rows[self._written :]:
            when = self._began + row["seconds"]
            for name, value in row.items():
                if name != "step" and not math.isnan(value):
                    self._writer.add_scalar(f"training/{name}", value, int(row["step"]), when)
        self._written = len(rows)

    def close(self) -> None:
        """Write all to the disk."""
        if self._open is not None:
            self._open.__exit__(None, None, None)
            self._open = self._writer = None


def measured(
    beside: Beside,
    store: Store,
    rows: Sequence[Row],
    steps: Sequence[int],
    pictures: Mapping[str, NDArray[Any]],
) -> None:
    """Write what an evaluation has found, as `evaluated`, where the study asks for events.

    Where it does not, those of an evaluation before go.
    """
    if not beside.tensorboard:
        clear(beside.events, EVALUATION)
        return
    refuse_without_package()
    evaluated(beside.events, rows, steps, pictures, _extent(store.samples("test")))


def _extent(samples: NDArray[Any]) -> float:
    """Half the width of a picture of points, as the report has it."""
    return 1.35 * (float(np.abs(samples[:1000]).max()) or 1.0)


def complete(plan: Plan) -> None:
    """Write the events of finished runs that were made before the study asked for them."""
    if not plan.study.training.tensorboard:
        return
    refuse_without_package()
    for run in plan.runs:
        place = {"results": Path(plan.study.results), "run": run.id}
        folder, made = plan.study.beside.model_copy(update=place).events, plan.folder(run)
        if folder.exists():
            continue
        with closing(History(folder)) as history:
            rows = _rows(made / "history.csv")
            history.begin(rows, rows[-1]["seconds"] if rows else 0.0)
        rows = _rows(made / "metrics.csv")
        steps = sorted({row["step"] for row in rows if row["status"] == "done"})
        pictures = arrays.read_archive(made / "samples.npz")
        test = Path(plan.study.data) / "prepared" / run.dataset.name / "test.npy"
        evaluated(folder, rows, steps, pictures, _extent(arrays.read(test, mapped=True)))


def _rows(path: Path) -> list[dict[str, Any]]:
    """The rows of a table."""
    from ganlore import frames

    return [{str(k): v for k, v in row.items()} for row in frames.read_csv(path).to_dict("records")]


def evaluated(
    folder: Path,
    rows: Sequence[Row],
    steps: Sequence[int],
    pictures: Mapping[str, NDArray[Any]],
    extent: float,
) -> None:
    """Write a run's metrics and samples in place of those of an evaluation before.

    Args:
        folder: the run's, `Beside.events`.
        rows: of the metrics table; what has no value has no event.
        steps: of the snapshots.
        pictures: as `evaluate.evaluate` gives them.
        extent: as in `drawn`.
    """
    clear(folder, EVALUATION)
    with _writer(folder, EVALUATION) as writer:
        for row in rows:
            if math.isfinite(row["value"]):
                tag = f"{row['extractor']}/{row['metric']}"
                writer.add_scalar(tag, row["value"], int(row["step"]))
        if "samples" in pictures:
            image = drawn(pictures["samples"], extent)
            writer.add_image("samples/last", image, int(pictures["step"]), dataformats="HWC")
        strip = pictures.get("strip")
        if strip is not None and strip.ndim == 5:  # a few points show nothing
            for step, samples in zip(steps, strip, strict=False):
                image = drawn(samples, extent)
                writer.add_image("samples/course", image, step, dataformats="HWC")


def drawn(samples: NDArray[Any], extent: float) -> NDArray[np.uint8]:
    """Samples as one image, (height, width, 3).

    Args:
        samples: images (n, C, H, W) as stored, side by side; or points (n, D), of which the first
            two coordinates are drawn, y upwards, and what lies outside on the border.
        extent: a picture of points shows -extent ... extent.
    """
    if samples.ndim == 4:
        return sheet(samples, COLUMNS, limit=max(samples.shape[2:]), size=1).pixels
    plane = np.zeros((len(samples), 2))
    plane[:, : samples.shape[1]] = samples[:, :2]
    cells = np.clip((plane / extent + 1) / 2 * SIDE, 0, SIDE - 1).astype(int)
    image = np.full((SIDE, SIDE, 3), 255, np.uint8)
    image[SIDE - 1 - cells[:, 1], cells[:, 0]] = 0
    return image
