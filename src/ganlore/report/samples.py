"""Samples as small pictures inside the page: PNG for images, SVG for points.

A picture holds one pixel for each pixel of the data; CSS enlarges it. That keeps hundreds of sample
sheets within a few megabytes.
"""

from __future__ import annotations

import base64
import io
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ganlore import arrays, shapes, storage
from ganlore.execution import records
from ganlore.study.run import Plan, Run

REMEDY = "run snakemake"

GREYS, COLOURS = 15, 63
"""Colours of a picture; with a transparent one for the gaps, greys make 4 bits a pixel."""

STRIP = (10, 5)
"""Samples of a strip, and in a row of it."""

SHEET_ROW = 16
PIXELS = 6_000_000
"""Pixels of all sample sheets of a page together, and of all snapshots' samples again; a large
study shows fewer samples of each run."""

COURSE = (3, 8)
"""Samples of each snapshot, at least and at most."""

REAL_POINTS = 400


@dataclass(frozen=True)
class Picture:
    """Something that a page can show.

    Attributes:
        width: of the picture in a page, in CSS pixels.
        height: likewise.
        address: a data URI, for images.
        path: the data of an SVG path in a box of 100 x 100, for points.
        backdrop: the anchor of what lies behind the points.
    """

    width: int
    height: int
    address: str = ""
    path: str = ""
    backdrop: str = ""


def sheet(samples: NDArray[np.uint8], columns: int, limit: int, size: int) -> Picture:
    """Images side by side with a transparent gap of one pixel, as a palette PNG.

    Args:
        samples: (n, C, H, W) with one channel (grey) or three (RGB); a fourth is left out.
        columns: images in a row.
        limit: larger images are averaged over blocks until no side is longer.
        size: of an image in the page, in CSS pixels, as far as a pixel stays a whole one.
    """
    from PIL import Image

    n, channels, height, width = samples.shape
    zoom = max(1, size // min(limit, width))
    block = -(-max(height, width) // limit)
    if block > 1:
        height, width = height // block, width // block
        whole = samples[:, :, : height * block, : width * block]
        blocks = whole.reshape(n, channels, height, block, width, block)
        samples = np.rint(blocks.mean(axis=(3, 5))).astype(np.uint8)
    columns = min(columns, n)
    colours = COLOURS if channels >= 3 else GREYS
    images = samples[:, :3] if channels >= 3 else samples[:, [0, 0, 0]]
    drawn = Image.fromarray(_tiled(images, columns)).quantize(colours, dither=Image.Dither.NONE)
    index = np.asarray(drawn).copy()
    index[_tiled(np.ones_like(images[:, :1]), columns)[..., 0] == 0] = colours
    picture = Image.fromarray(index, "P")
    palette = (drawn.getpalette() or [])[: 3 * colours]
    picture.putpalette([*palette, *[128] * (3 * (colours + 1) - len(palette))])
    buffer = io.BytesIO()
    bits = 8 if channels >= 3 else 4
    picture.save(buffer, "PNG", optimize=True, transparency=colours, bits=bits)
    address = "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()
    return Picture(zoom * picture.width, zoom * picture.height, address=address)


def _tiled(images: NDArray[np.uint8], columns: int) -> NDArray[np.uint8]:
    """All images (n, C, H, W) in one of (height, width, C), with zeros where there is none."""
    n, channels, height, width = images.shape
    rows = -(-n // columns)
    padded = np.pad(images, ((0, rows * columns - n), (0, 0), (0, 1), (0, 1)))
    grid = padded.reshape(rows, columns, channels, height + 1, width + 1).transpose(0, 3, 1, 4, 2)
    return grid.reshape(rows * (height + 1), columns * (width + 1), channels)[:-1, :-1]


def dots(points: NDArray[Any], extent: float) -> str:
    """Points as the data of one SVG path, in which every point is a line of no length.

    Drawn with round caps it is a scatter plot, at ten bytes a point.

    Args:
        points: (n, d), of which the first two coordinates are drawn, and those of a line at the
            height 0. What lies outside is drawn on the border, so that it is not overlooked.
        extent: the picture shows -extent ... extent on both axes, as 0 ... 100, y upwards.
    """
    plane = np.zeros((len(points), 2))
    plane[:, : points.shape[1]] = points[:, :2]
    scaled = np.clip(50 + 50 * plane / extent, 1, 99)
    return "".join(f"M{x:.1f} {100 - y:.1f}h0" for x, y in scaled)


class Album:
    """The samples of a plan's runs as pictures.

    Args:
        plan: the study's plan.
    """

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._data = Path(plan.study.data) / "prepared"
        self._shapes: dict[str, list[int]] = {
            name: storage.open_record(self._data / name / "manifest.json", REMEDY, shapes.Form)[
                "shape"
            ]
            for name in plan.datasets
        }
        pixels = sum(math.prod(self._shapes[run.dataset.name][-2:]) for run in plan.runs)
        self._each = max(8, min(64, PIXELS // max(pixels, 1)))
        snapshots = max(run.training.snapshots for run in plan.runs)
        few, most = COURSE
        self._along = max(few, min(most, PIXELS // max(pixels * snapshots, 1)))

    def of_run(self, run: Run) -> dict[str, Any]:
        """The pictures of a run.

        Returns:
            `strip` and `sheet`: a few and many samples of the last finite snapshot, None if it
            diverged before the first; `course`: a row of samples of each snapshot, the first on
            top, None for points; `own`: those that the loss makes, by name.

        Raises:
            GanloreError: if the file is missing or is not the one that was recorded.
        """
        folder, dataset = self._plan.folder(run), run.dataset.name
        digest = storage.hashes(records.evaluated(run, folder))["samples.npz"]
        path = storage.check(folder / "samples.npz", digest, records.remedy(folder))
        drawn = arrays.read_archive(path)
        drawn.pop("step", None)
        samples, course = drawn.pop("samples", None), drawn.pop("strip", None)
        pictures: dict[str, Any] = {"strip": None, "sheet": None, "course": None}
        if samples is not None:
            pictures["strip"] = self._picture(dataset, samples, *STRIP)
            pictures["sheet"] = self._picture(dataset, samples, self._each, SHEET_ROW)
        if course is not None and not self.points(dataset):
            rows = course[:, : self._along]
            flat = rows.reshape(-1, *rows.shape[2:])
            pictures["course"] = self._picture(dataset, flat, len(flat), rows.shape[1])
        own = {
            name: sheet(grid.reshape(-1, *grid.shape[2:]), grid.shape[1], limit=64, size=16)
            for name, grid in drawn.items()
        }
        return pictures | {"own": own}

    def real(self, dataset: str) -> Picture:
        """A strip of the data itself, for comparison."""
        return self._picture(dataset, self._test(dataset)[:64], *STRIP)

    def backdrops(self) -> dict[str, str]:
        """What lies behind the samples of each set of points: data, by anchor."""
        return {
            f"real-{name}": dots(self._test(name)[:REAL_POINTS], self._extent(name))
            for name in self._plan.datasets
            if self.points(name)
        }

    def held_out(self, dataset: str) -> int:
        """Held-out samples that a run's reconstructions are measured on."""
        return min(len(self._test(dataset)), self._plan.protocols[dataset][0].n_fake)

    def points(self, dataset: str) -> bool:
        """Whether a data set has points rather than images."""
        return len(self._shapes[dataset]) == 1

    def _picture(self, dataset: str, samples: NDArray[Any], count: int, columns: int) -> Picture:
        if self.points(dataset):
            path = dots(samples, self._extent(dataset))
            return Picture(100, 100, path=path, backdrop=f"real-{dataset}")
        size = 24 if columns == STRIP[1] else 16
        return sheet(samples[:count], columns, limit=32, size=size)

    def _test(self, dataset: str) -> NDArray[Any]:
        return arrays.read(self._data / dataset / "test.npy", mapped=True)

    def _extent(self, dataset: str) -> float:
        """Half the width of what a picture has: a little more than the data needs, not 0."""
        return 1.35 * (float(np.abs(self._test(dataset)[:1000]).max()) or 1.0)
