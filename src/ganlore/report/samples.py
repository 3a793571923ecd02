"""Samples as small pictures: PNG files beside the page for images, SVG inside it for points.

A picture holds one pixel for each pixel of the data; CSS enlarges it. The pictures of a cell's
seeds are in one file, below each other, and so are the strips of a matrix: a page of thousands of
pictures has hundreds of files, and a browser loads those that are looked at.
"""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ganlore import arrays, shapes, storage
from ganlore.execution import records
from ganlore.study.run import Plan, Run

REMEDY = "run snakemake"

FOLDER = "pictures"
"""Of the report, where its pictures lie."""

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
        address: of the file, relative to the page, for images.
        place: where the picture is in its file, from 0 (top) to 100 (bottom).
        path: the data of an SVG path in a box of 100 x 100, for points.
        backdrop: the anchor of what lies behind the points.
    """

    width: int
    height: int
    address: str = ""
    place: float = 0.0
    path: str = ""
    backdrop: str = ""


@dataclass(frozen=True)
class Sheet:
    """Images side by side with a gap of one pixel.

    Attributes:
        pixels: (height, width, 3).
        filled: where there is an image and no gap, (height, width).
        zoom: CSS pixels of a pixel.
    """

    pixels: NDArray[np.uint8]
    filled: NDArray[np.bool_]
    zoom: int


def sheet(samples: NDArray[np.uint8], columns: int, limit: int, size: int) -> Sheet:
    """Images side by side.

    Args:
        samples: (n, C, H, W) with one channel (grey) or three (RGB); a fourth is left out.
        columns: images in a row.
        limit: larger images are averaged over blocks until no side is longer.
        size: of an image in the page, in CSS pixels, as far as a pixel stays a whole one.
    """
    n, channels, height, width = samples.shape
    zoom = max(1, size // min(limit, width))
    block = -(-max(height, width) // limit)
    if block > 1:
        height, width = height // block, width // block
        whole = samples[:, :, : height * block, : width * block]
        blocks = whole.reshape(n, channels, height, block, width, block)
        samples = np.rint(blocks.mean(axis=(3, 5))).astype(np.uint8)
    columns = min(columns, n)
    images = samples[:, :3] if channels >= 3 else samples[:, [0, 0, 0]]
    filled = _tiled(np.ones_like(images[:, :1]), columns)[..., 0] > 0
    return Sheet(_tiled(images, columns), filled, zoom)


def stacked(sheets: Sequence[Sheet]) -> tuple[bytes, list[float]]:
    """Sheets of one size below each other, as one palette PNG with transparent gaps.

    Returns:
        The file, and where each sheet is in it, from 0 to 100: what CSS calls `object-position`.
    """
    from PIL import Image

    high = max(len(one.pixels) for one in sheets)
    wide = max(one.pixels.shape[1] for one in sheets)

    def whole(part: NDArray[Any]) -> NDArray[Any]:
        missing = ((0, high + 1 - part.shape[0]), (0, wide - part.shape[1]), (0, 0))
        return np.pad(part, missing[: part.ndim])

    pixels = np.concatenate([whole(one.pixels) for one in sheets])[:-1]
    filled = np.concatenate([whole(one.filled) for one in sheets])[:-1]
    grey = bool((pixels == pixels[..., :1]).all())
    colours = GREYS if grey else COLOURS
    drawn = Image.fromarray(pixels).quantize(colours, dither=Image.Dither.NONE)
    index = np.asarray(drawn).copy()
    index[~filled] = colours
    picture = Image.fromarray(index, "P")
    palette = (drawn.getpalette() or [])[: 3 * colours]
    picture.putpalette([*palette, *[128] * (3 * (colours + 1) - len(palette))])
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", optimize=True, transparency=colours, bits=4 if grey else 8)
    last = max(len(sheets) - 1, 1)
    return buffer.getvalue(), [round(100 * i / last, 4) for i in range(len(sheets))]


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
    """The samples of a plan's runs as pictures: a file for each cell, beside the page.

    Args:
        plan: the study's plan.
        folder: of the report; pictures go into `FOLDER` in it.
    """

    def __init__(self, plan: Plan, folder: Path) -> None:
        self._plan = plan
        self._folder = folder / FOLDER
        self._written: set[Path] = set()
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

    def of_cell(self, name: str, runs: Sequence[Run]) -> list[dict[str, Any]]:
        """The pictures of a cell's runs.

        Args:
            name: of the cell's files.
            runs: in the order of their seeds.

        Returns:
            For each run `strip`, a few samples of its last finite snapshot, and `sheet`, many of
            them, None if it diverged before the first; `course`: a row of samples of each
            snapshot, the first on top, None for points; `own`: those that the loss makes, by name.
            A strip of images is a `Sheet`, which `strips` files.

        Raises:
            GanloreError: if a file is missing or is not the one that was recorded.
        """
        drawn = [self._drawn(run) for run in runs]
        pictures = [dict[str, Any](strip=None, sheet=None, course=None, own={}) for _ in runs]
        dataset = runs[0].dataset.name
        for picture, one in zip(pictures, drawn, strict=True):
            if "samples" in one:
                picture["strip"] = self._strip(dataset, one["samples"])
        self._file(f"{name}.png", pictures, "sheet", [self._sheet(dataset, one) for one in drawn])
        if not self.points(dataset):
            courses = [self._course(one) for one in drawn]
            self._file(f"{name}-course.png", pictures, "course", courses)
        for picture, one in zip(pictures, drawn, strict=True):
            own = {key: grid for key, grid in one.items() if key not in ("samples", "strip")}
            if own and not any(other["own"] for other in pictures):  # a page shows one seed's
                picture["own"] = {key: self._own(f"{name}-{key}", own[key]) for key in own}
        return pictures

    def strips(self, name: str, strips: Sequence[Any]) -> list[Any]:
        """Strips as pictures in one file; what is no `Sheet` stays as it is."""
        wrapped = [{"strip": one} for one in strips]
        sheets = [one if isinstance(one, Sheet) else None for one in strips]
        self._file(f"{name}.png", wrapped, "strip", sheets)
        return [one["strip"] for one in wrapped]

    def finish(self) -> None:
        """Delete the pictures of an earlier report that this one has not.

        The folder is there even if there is nothing in it: Snakemake expects it.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        for path in self._folder.glob("*.png"):
            if path not in self._written:
                path.unlink()

    def real(self, dataset: str) -> Any:
        """A strip of the data itself, for comparison."""
        return self._strip(dataset, self._test(dataset)[:64])

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

    def _drawn(self, run: Run) -> dict[str, NDArray[Any]]:
        """The arrays of a run's samples."""
        folder = self._plan.folder(run)
        digest = storage.hashes(records.evaluated(run, folder))["samples.npz"]
        path = storage.check(folder / "samples.npz", digest, records.remedy(folder))
        drawn = dict(arrays.read_archive(path))
        drawn.pop("step", None)
        return drawn

    def _strip(self, dataset: str, samples: NDArray[Any]) -> Picture | Sheet:
        count, columns = STRIP
        if self.points(dataset):
            return self._scatter(dataset, samples)
        return sheet(samples[:count], columns, limit=32, size=24)

    def _sheet(self, dataset: str, drawn: dict[str, NDArray[Any]]) -> Picture | Sheet | None:
        if "samples" not in drawn:
            return None
        if self.points(dataset):
            return self._scatter(dataset, drawn["samples"])
        return sheet(drawn["samples"][: self._each], SHEET_ROW, limit=32, size=16)

    def _course(self, drawn: dict[str, NDArray[Any]]) -> Sheet | None:
        if "strip" not in drawn:
            return None
        rows = drawn["strip"][:, : self._along]
        return sheet(rows.reshape(-1, *rows.shape[2:]), rows.shape[1], limit=32, size=16)

    def _own(self, name: str, grid: NDArray[Any]) -> Picture:
        made = sheet(grid.reshape(-1, *grid.shape[2:]), grid.shape[1], limit=64, size=16)
        (picture,) = self.strips(name, [made])
        assert isinstance(picture, Picture)
        return picture

    def _scatter(self, dataset: str, samples: NDArray[Any]) -> Picture:
        path = dots(samples, self._extent(dataset))
        return Picture(100, 100, path=path, backdrop=f"real-{dataset}")

    def _file(
        self, name: str, pictures: Sequence[dict[str, Any]], key: str, drawn: Sequence[Any]
    ) -> None:
        """Put sheets into one file, and what a page needs to show each into `pictures`."""
        sheets = [one for one in drawn if isinstance(one, Sheet)]
        data, places = stacked(sheets) if sheets else (b"", [])
        if sheets:
            storage.write_bytes(self._folder / name, data)
            self._written.add(self._folder / name)
        place = iter(places)
        for picture, one in zip(pictures, drawn, strict=True):
            if isinstance(one, Sheet):
                height, width = (one.zoom * side for side in one.filled.shape)
                address = f"{FOLDER}/{name}"
                picture[key] = Picture(width, height, address=address, place=next(place))
            elif one is not None:
                picture[key] = one

    def _test(self, dataset: str) -> NDArray[Any]:
        return arrays.read(self._data / dataset / "test.npy", mapped=True)

    def _extent(self, dataset: str) -> float:
        """Half the width of what a picture has: a little more than the data needs, not 0."""
        return 1.35 * (float(np.abs(self._test(dataset)[:1000]).max()) or 1.0)
