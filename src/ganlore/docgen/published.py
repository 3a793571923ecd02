"""Published results for the pages: every number is read from `results/` and `reports/`."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from ganlore import formatting, storage
from ganlore.analysis import matrices, tables
from ganlore.analysis.claims.describe import directed, which
from ganlore.analysis.claims.results import NOUNS
from ganlore.analysis.claims.verdicts import VERDICTS, counted
from ganlore.errors import GanloreError, unknown
from ganlore.metrics import metrics
from ganlore.publishing.publication import REMEDY, Publication, opened

Row = dict[str, Any]

CAPTIONS = {
    "heat-fid": "FID of every loss and trick on {data}: mean over {seeds} seeds with its "
    "{level} % interval; lower is better",
    "aggregates": "Effect of each trick on FID on {data}, over all losses that it can be combined "
    "with (their number is given behind its name), {seeds} seeds. Left: log of plain FID over FID "
    "with the trick, further right is better; right: the probability that a run with the trick is "
    "better than one without",
    "curves": "FID on {data} over the images shown to the discriminator, mean over {seeds} seeds",
    "best-of-draws": "The lowest FID that so many draws of a search are expected to find on "
    "{data}, in the features by which it chooses, with {level} % intervals by resampling the "
    "search",
    "forest": "Every control and claim that was tested, with the effect of the test that its "
    "verdict depends on and its {level} % interval over its seeds, losses or rounds; to the "
    "right is in the claim's favour. Grey band: effects smaller than the margin. A hollow mark "
    "has no verdict: a gate before it is shut",
    "cost": "Time of a step against FID on {data}, and what each trick adds to it; means over "
    "{seeds} seeds",
    "precision-recall": "Precision against recall on {data}, means over {seeds} seeds",
}
"""The caption of a figure, by the beginning of its file's name."""


IMAGES, POINTS = ("fid", "precision", "recall"), ("modes", "reverse_kl")
"""What is said of a cell of images, and of points."""


class Numbers(dict[str, str]):
    """The numbers of a study's paper, by name."""

    def __missing__(self, name: str) -> str:
        """An unknown number is an error that names the nearest one."""
        raise unknown("number", name, self, "numbers.json")


@dataclass(frozen=True)
class Published:
    """A published study, as pages show it."""

    study: str
    publication: Publication

    @cached_property
    def numbers(self) -> Numbers:
        """The numbers of `numbers.json`, as the study's paper has them."""
        return Numbers(storage.read_json(self.publication.reports / "numbers.json", REMEDY))

    @property
    def claims(self) -> list[Row]:
        """The row of each claim's deciding test in the report's table of verdicts.

        With `effect_words`, its effect and direction and of what it is, `where`, the scope of its
        verdict, `observations`, how many of what, and `besides`, what its other tests say.
        """
        return [row for row in self._deciding if not row.get("control")]

    @property
    def controls(self) -> list[Row]:
        """The same of each control; none where the report was made before there were any."""
        return [row for row in self._deciding if row.get("control")]

    @cached_property
    def _deciding(self) -> list[Row]:
        rows = list(self._rows("verdicts.csv"))
        tests = {row["claim"]: [r for r in rows if r["claim"] == row["claim"]] for row in rows}
        deciding = [row for row in rows if row["deciding"] == "True"]
        return [row | _in_words(row, tests[row["claim"]]) for row in deciding]

    @property
    def verdict_counts(self) -> list[str]:
        """How many claims have which verdict: `1 holds`, `3 do not hold`; not those of none."""
        names = {verdict: f"claims-{verdict.replace(' ', '-')}" for verdict in VERDICTS}
        counts = {
            verdict: int(self.numbers[name])
            for verdict, name in names.items()
            if name in self.numbers  # a report of an earlier version has not all words
        }
        return [counted(verdict, count) for verdict, count in counts.items() if count]

    def figure(self, name: str) -> str:
        """A figure with its caption; `name` is that of its file, without the ending.

        Raises:
            GanloreError: if there is no such figure, or no caption for its kind.
        """
        names = sorted(path.stem for path in (self.publication.reports / "figures").glob("*.svg"))
        if name not in names:
            raise unknown("figure", name, names, f"reports/{self.study}/figures")
        kind = next((kind for kind in CAPTIONS if f"{name}-".startswith(f"{kind}-")), None)
        if kind is None:
            raise GanloreError(f"figure {name!r}: no caption\n  add one to CAPTIONS in {__name__}")
        data = name.removeprefix(f"{kind}-").removesuffix("-base")
        numbers = self.numbers
        caption = CAPTIONS[kind].format(
            data=f"`{data}`", seeds=numbers["seeds"], level=numbers["level"]
        )
        image = f"![{caption.replace('`', '')}](reports/{self.study}/figures/{name}.svg)"
        return f"{image}\n\n*{caption}.*"

    @cached_property
    def cells(self) -> list[Row]:
        """The rows of the report's table of cells, numbers as numbers."""
        rows = self._rows("cells.csv")
        return [{key: _number(text) for key, text in row.items()} for row in rows]

    def _rows(self, name: str) -> Iterable[Row]:
        """The rows of a table of the report, as text."""
        path = self.publication.reports / "tables" / name
        if not path.exists():
            raise GanloreError(f"{path}: missing\n  to make it: {REMEDY}")
        return csv.DictReader(io.StringIO(path.read_text(encoding="utf-8")))

    @property
    def trick_names(self) -> list[str]:
        """The tricks of the study, but for none."""
        return sorted({row["trick"] for row in self.cells} - {tables.PLAIN})

    @cached_property
    def _headline(self) -> set[tuple[str, str]]:
        """The extractors whose FID is shown: (data set, the first of its extractors)."""
        return {(data, names[0]) for data, names in self.publication.plan().extractors.items()}

    @property
    def fid_rows(self) -> list[list[str]]:
        """For each loss, the best first: its name, plain FID, and FID with each trick."""
        shown = [row for row in self.cells if (row["dataset"], row["extractor"]) in self._headline]
        cells = {(row["loss"], row["trick"]): row for row in shown}
        plain = [row for row in shown if row["trick"] == tables.PLAIN]
        plain.sort(key=lambda row: (row["fid"] != row["fid"], row["fid"]))  # NaN is last
        tricks = (tables.PLAIN, *self.trick_names)
        return [
            [row["loss"], *(_fid(cells.get((row["loss"], trick))) for trick in tricks)]
            for row in plain
        ]

    def of_loss(self, name: str) -> list[str]:
        """What a loss came to without a trick, for each data set and network that says something.

        Of points those with modes alone: FID sees their mean and covariance and no more.
        """
        lines = []
        for row in self.cells:
            if (row["loss"], row["trick"], row["variant"]) != (name, tables.PLAIN, "base"):
                continue
            shown = POINTS if _is_points(row) else IMAGES
            texts = [
                f"{metrics()[metric].label} {formatting.estimate(row, metric)}" for metric in shown
            ]
            if row[shown[0]] == row[shown[0]]:  # data without modes have none
                lines.append(f"`{row['dataset']}`, `{row['network']}`: {', '.join(texts)}")
        return lines

    def of_trick(self, name: str) -> list[str]:
        """What a trick did to FID over the losses that ran with it and without it.

        For points what it did to modes, of each loss.
        """
        lines = self._of_points(name)
        points = {f"{row['dataset']}-{row['network']}" for row in self.cells if _is_points(row)}
        for path in sorted((self.publication.reports / "tables").glob("tricks-*-base.csv")):
            where = path.stem.removeprefix("tricks-").removesuffix("-base")
            for row in self._rows(path.name) if where not in points else ():
                if row["trick"] in {name, f"{name}+ema"}:
                    value, low, high = (_number(row[key]) for key in ("effect", "low", "high"))
                    losses = f"{row['losses']} {'loss' if row['losses'] == '1' else 'losses'}"
                    lines.append(
                        f"`{where}`: `{row['trick']}` against `{row['against']}`, FID "
                        f"{directed((value, low, high), True)}, over {losses}"
                    )
        return lines

    def _of_points(self, name: str) -> list[str]:
        ordinary = [row for row in self.cells if row["variant"] == "base" and _is_points(row)]
        plain = {
            (row["dataset"], row["network"], row["loss"]): row
            for row in ordinary
            if row["trick"] == tables.PLAIN and row["modes"] == row["modes"]
        }
        lines = []
        for row in ordinary:
            base = plain.get((row["dataset"], row["network"], row["loss"]))
            if row["trick"] == name != tables.PLAIN and base:
                texts = [
                    f"{metrics()[metric].label} {formatting.estimate(row, metric)} with it, "
                    f"{formatting.estimate(base, metric)} without"
                    for metric in POINTS
                ]
                where = f"`{row['dataset']}`, `{row['network']}`, `{row['loss']}`"
                lines.append(f"{where}: {'; '.join(texts)}")
        return lines

    @property
    def setting(self) -> Row:
        """What the result was made with: runs, seeds, budget, machine, sample sizes."""
        runs = [record["run"] for record in self.publication.records.values()]
        images = {run["steps"] * run["settings"]["training"]["batch"] for run in runs}
        n_real, n_fake = max((row["n_real"], row["n_fake"]) for row in self.cells)
        return {
            "runs": len(runs),
            "seeds": len({run["settings"]["seed"] for run in runs}),
            "images": f"{max(images):,}",
            "machine": " and ".join(sorted({run["environment"]["processor"] for run in runs})),
            "hours": f"{sum(run['seconds'] for run in runs) / 3600:.1f}",
            "n_real": f"{n_real:,}",
            "n_fake": f"{n_fake:,}",
        }

    @property
    def extractors(self) -> list[Row]:
        """The records of the feature extractors."""
        paths = sorted((self.publication.folder / "extractors").rglob("record.json"))
        return [json.loads(path.read_text(encoding="utf-8")) for path in paths]

    @property
    def fid_of_real(self) -> str:
        """The FID of held-out real data under the same protocol."""
        rows = csv.DictReader(
            io.StringIO((self.publication.folder / "floor.csv").read_text(encoding="utf-8"))
        )
        (value,) = {
            float(row["value"])
            for row in rows
            if row["metric"] == "fid" and (row["dataset"], row["extractor"]) in self._headline
        }
        return formatting.number(value)


def published(root: Path, study: str) -> Published:
    """The published result `results/<study>`."""
    return Published(study, opened(root / "results" / study))


def _is_points(cell: Row) -> bool:
    return bool(cell["extractor"] == matrices.POINTS)


def _fid(cell: Row | None) -> str:
    return formatting.estimate(cell, "fid") if cell else ""


def _in_words(row: Row, tests: list[Row]) -> Row:
    """Effect and scope of a verdict in words.

    Args:
        row: of the deciding test. A report of an earlier version has no words for it: then the
            measure with its number.
        tests: the rows of all tests of the claim. Those that hold where the claim does not are
            said too.
    """
    where = ": ".join(filter(None, (row.get("scope"), row.get("settings"))))
    deciding = which(row["verdict"], len(tests))
    besides = f"The {deciding}." if deciding and row["shown"] else ""
    if row.get("of_tests"):
        besides += f" Asked by {len(tests)} of its {float(row['of_tests']):g} tests."
    if row["verdict"] in {"does not hold", "contradicted", "undecided"}:
        others = [test for test in tests if test.get("test_verdict") == "holds"]
        texts = [f"{_effect(test)}; {test['scope']}" for test in others]
        besides += f" What holds of it: {'. '.join(texts)}." if texts else ""
    noun = row.get("unit", "")
    several = dict(NOUNS.values()).get(noun, noun)
    return {
        "effect_words": _effect(row),
        "besides": besides,
        "where": where,
        "observations": f"{row['n']} {noun if row['n'] == '1' else several}".rstrip()
        if row["shown"]
        else "",
    }


def _effect(row: Row) -> str:
    """A test's effect and of what it is; where it could not be made, what it would be of."""
    measure, _, what = row["label"].partition(": ")
    if not row["shown"]:
        return str(row["label"])
    words = str(row.get("in_words") or f"{measure} {row['shown']}")
    if "held against" in words:
        what = what.rpartition(" against ")[0]
    return f"{words}: {what}" if what else words


def _number(text: str) -> Any:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text or float("nan")
