"""Samples as small pictures inside the page: PNG for images, SVG for points.

A picture holds one pixel for each pixel of the data; CSS enlarges it. That keeps hundreds of sample
sheets within a few megabytes.
"""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ganlore import storage
from ganlore.errors import GanloreError
from ganlore.study.run import Plan, Run

REMEDY = "run snakemake"

GREYS = 15
"""Grey levels of a picture; with a transparent one for the gaps they make 4 bits a pixel."""

COLOURS = 63


def sheet(samples: NDArray[np.uint8], columns: int, limit: int = 64) -> tuple[bytes, int, int]:
    """Images side by side with a transparent gap of one pixel, as a palette PNG.

    Args:
        samples: (n, C, H, W) with one channel (grey) or three (RGB); a fourth is left out.
        columns: images in a row.
        limit: larger images are averaged over blocks until no side is longer.

    Returns:
        The PNG's bytes, its width and its height in pixels.
    """
    from PIL import Image

    images = _shrink(samples, limit)
    colour = images.shape[1] >= 3
    pixels, gaps = _lay_out(images[:, :3] if colour else images[:, :1], columns)
    if colour:
        drawn = Image.fromarray(pixels, "RGB").quantize(COLOURS, dither=Image.Dither.NONE)
        palette = (drawn.getpalette() or [])[: 3 * COLOURS]
        index = np.asarray(drawn).copy()
        clear, bits = COLOURS, 8
    else:
        index = np.rint(pixels[..., 0] / 255 * (GREYS - 1)).astype(np.uint8)
        palette = [round(255 * level / (GREYS - 1)) for level in range(GREYS) for _ in range(3)]
        clear, bits = GREYS, 4
    index[gaps] = clear
    picture = Image.fromarray(index, "P")
    picture.putpalette([*palette, *[128] * (3 * (clear + 1) - len(palette))])
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", optimize=True, transparency=clear, bits=bits)
    return buffer.getvalue(), picture.width, picture.height


def data_uri(png: bytes) -> str:
    """A PNG as the address of an image that lies within the page."""
    return "data:image/png;base64," + base64.b64encode(png).decode()


def dots(points: NDArray[Any], extent: float) -> str:
    """Points as the data of one SVG path, in which every point is a line of no length.

    Drawn with round caps it is a scatter plot, at ten bytes a point.

    Args:
        points: (n, 2). What lies outside is drawn on the border, so that it is not overlooked.
        extent: the picture shows -extent ... extent on both axes, as 0 ... 100, y upwards.
    """
    scaled = np.clip(50 + 50 * np.asarray(points, dtype=np.float64) / extent, 1, 99)
    return "".join(f"M{x:.1f} {100 - y:.1f}h0" for x, y in scaled)


def _shrink(samples: NDArray[np.uint8], limit: int) -> NDArray[np.uint8]:
    block = -(-max(samples.shape[2:]) // limit)
    if block == 1:
        return samples
    n, channels, height, width = samples.shape
    height, width = height // block * block, width // block * block
    cut = samples[:, :, :height, :width].astype(np.float64)
    blocks = cut.reshape(n, channels, height // block, block, width // block, block)
    means: NDArray[np.float64] = blocks.mean(axis=(3, 5))
    return np.rint(means).astype(np.uint8)


def _lay_out(
    images: NDArray[np.uint8], columns: int
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """One array (rows, width, C) with all images, and where no image is."""
    n, channels, height, width = images.shape
    columns = min(columns, n)
    rows = -(-n // columns)
    shape = (rows * (height + 1) - 1, columns * (width + 1) - 1)
    pixels = np.zeros((*shape, channels), dtype=np.uint8)
    gaps = np.ones(shape, dtype=np.bool_)
    for index, image in enumerate(images):
        top, left = index // columns * (height + 1), index % columns * (width + 1)
        place: Sequence[slice] = (slice(top, top + height), slice(left, left + width))
        pixels[*place] = image.transpose(1, 2, 0)
        gaps[*place] = False
    return pixels, gaps


# -- the samples of a study ----------------------------------------------------------------------

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


class Album:
    """The samples of a plan's runs as pictures.

    Args:
        plan: the study's plan.
    """

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._data = Path(plan.study.data) / "prepared"
        self._shapes = {name: self._shape(name) for name in plan.datasets}
        shown = sum(math.prod(self._shapes[run.dataset.name][-2:]) for run in plan.runs)
        self._each = max(8, min(64, PIXELS // max(shown, 1)))
        snapshots = max(run.training.snapshots for run in plan.runs)
        few, most = COURSE
        self._along = max(few, min(most, PIXELS // max(shown * snapshots, 1)))

    def samples(self, run: Run) -> NDArray[Any] | None:
        """The samples of a run's last finite snapshot; None if it diverged before the first."""
        return self._arrays(run).get("samples")

    def own(self, run: Run) -> dict[str, Picture]:
        """The pictures that the run's loss makes of its last snapshot, by name."""
        found = {}
        for name, grid in self._arrays(run).items():
            if name not in ("samples", "strip", "step"):
                png, width, height = sheet(grid.reshape(-1, *grid.shape[2:]), grid.shape[1])
                zoom = max(1, 16 // grid.shape[-1])
                found[name] = Picture(zoom * width, zoom * height, address=data_uri(png))
        return found

    def _arrays(self, run: Run) -> dict[str, NDArray[Any]]:
        """What evaluation kept to look at.

        Raises:
            GanloreError: if the file is missing or is not the one that was recorded.
        """
        folder = self._plan.folder(run)
        record = storage.read_json(folder / "evaluation.json", REMEDY)
        path = storage.check(
            folder / "samples.npz", record["files"]["samples.npz"], f"delete {folder} and {REMEDY}"
        )
        with np.load(path) as found:
            return dict(found)

    def strip(self, run: Run) -> Picture | None:
        """A few samples of a run."""
        return self._picture(run.dataset.name, self.samples(run), *STRIP)

    def sheet(self, run: Run) -> Picture | None:
        """Many samples of a run."""
        return self._picture(run.dataset.name, self.samples(run), self._each, SHEET_ROW)

    def course(self, run: Run) -> Picture | None:
        """A row of samples of each snapshot, the first on top; None for points, or without any."""
        strip = self._arrays(run).get("strip")
        if strip is None or self.points(run.dataset.name):
            return None
        rows = strip[:, : self._along]
        return self._picture(
            run.dataset.name, rows.reshape(-1, *rows.shape[2:]), rows[..., 0, 0, 0].size,
            rows.shape[1],
        )  # fmt: skip

    def real(self, dataset: str) -> Picture | None:
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
        """Whether a data set has points in a plane rather than images."""
        return len(self._shapes[dataset]) == 1

    def _picture(
        self, dataset: str, samples: NDArray[Any] | None, count: int, columns: int
    ) -> Picture | None:
        if samples is None:
            return None
        if self.points(dataset):
            path = dots(samples, self._extent(dataset))
            return Picture(100, 100, path=path, backdrop=f"real-{dataset}")
        png, width, height = sheet(samples[:count], columns, limit=32)
        # A multiple of a pixel, so that all pixels of a sample are equally large.
        zoom = max(1, (24 if columns == STRIP[1] else 16) // min(32, samples.shape[-1]))
        return Picture(zoom * width, zoom * height, address=data_uri(png))

    def _shape(self, dataset: str) -> list[int]:
        manifest = storage.read_json(self._data / dataset / "manifest.json", REMEDY)
        return list(manifest["shape"])

    def _test(self, dataset: str) -> NDArray[Any]:
        path = self._data / dataset / "test.npy"
        try:
            found: NDArray[Any] = np.load(path, mmap_mode="r")
        except (OSError, ValueError) as error:
            raise GanloreError(
                f"{path}: missing or damaged ({error})\n"
                f"  to make it again: delete {path.parent} and {REMEDY}"
            ) from None
        return found

    def _extent(self, dataset: str) -> float:
        """Half the width of what is shown: a little more than the data needs."""
        return 1.35 * float(np.abs(self._test(dataset)[:1000]).max())
