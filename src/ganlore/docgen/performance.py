"""Measured numbers of the pages, from `docs/performance.json`; `benchmarks/` writes that file.

A section of the file is a measurement: its numbers, and under `measured` the commit, the machine
and the versions that they were measured with.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from ganlore import formatting, storage
from ganlore.docgen import catalogue
from ganlore.docgen.catalogue import code, table
from ganlore.errors import GanloreError, unknown

FILE = Path("docs") / "performance.json"
TURNS = ("discriminator", "generator")


def read(root: Path) -> dict[str, Any]:
    """All measurements."""
    found: dict[str, Any] = storage.read_json(root / FILE, "python benchmarks/document.py --help")
    return found


def section(root: Path, name: str) -> dict[str, Any]:
    """One measurement.

    Raises:
        GanloreError: if it has not been made.
    """
    found = read(root)
    if name not in found:
        raise unknown("measurement", name, found, str(FILE))
    chosen: dict[str, Any] = found[name]
    return chosen


def value(root: Path, path: str) -> str:
    """One number with its unit, by `section.key`; the key's last part is its unit."""
    name, _, key = path.partition(".")
    found = section(root, name)
    if key not in found:
        raise unknown("number", key, found, f"{FILE}: {name}")
    return with_unit(key, found[key])


def with_unit(key: str, number: float) -> str:
    """A number with the unit that its key ends with."""
    unit = key.rpartition("_")[2]
    if unit not in UNITS:
        raise GanloreError(f"{FILE}: the key {key!r} ends with none of {', '.join(UNITS)}")
    return UNITS[unit](number)


def _seconds(number: float) -> str:
    if number < 120:
        return f"{_digits(number)} s"
    if number > 7200:
        return f"{_digits(number / 3600)} hours"
    minutes, rest = divmod(round(number), 60)
    return f"{minutes} min {rest} s" if rest else f"{minutes} minutes"


def _digits(number: float) -> str:
    """Two digits that count, and never fewer than a whole number has."""
    return f"{number:.0f}" if number >= 10 else f"{number:.1f}" if number >= 1 else f"{number:.2g}"


def _share(number: float) -> str:
    return f"{100 * number:.0f} %"


UNITS: dict[str, Callable[[float], str]] = {
    "seconds": _seconds,
    "ms": lambda number: f"{_digits(number)} ms",
    "mb": lambda number: f"{number:,.0f} MB",
    "share": _share,
    "jobs": lambda number: f"{number:,}",
}


def measured(root: Path, name: str) -> str:
    """With what a measurement was made: machine, versions, commit."""
    found = section(root, name)["measured"]
    versions = {"Python": found["python"], **found["versions"]}
    told = ", ".join(f"{package} {version}" for package, version in versions.items())
    git = found["git"]
    commit = f"commit {code(git['commit'][:7])}" if git["commit"] else "not under version control"
    return (
        f"{machine(root, name)}, {found['memory_gb']:.0f} GB, {found['device']}; {told}; "
        f"{commit}{' with uncommitted changes' if git['dirty'] else ''}"
        f"{'; ' + found['note'] if found.get('note') else ''}"
    )


def machine(root: Path, name: str) -> str:
    """Cores and processor that a measurement was made on."""
    found = section(root, name)["measured"]
    return f"{found['cores']} cores of {_article(found['processor'])}"


def _article(name: str) -> str:
    return f"{'an' if name[0] in 'AEIO' else 'a'} {name}"


# -- tables ----------------------------------------------------------------------------------------


def jobs(root: Path, name: str) -> str:
    """The jobs of a study, by rule, and what the runs' own records tell of training alone."""
    found = section(root, name)
    rows = [
        [job["rule"], f"{job['jobs']:,}", *(with_unit(k, job[k]) for k in ("seconds", "rss_mb"))]
        for job in found["rules"]
    ]
    text = table(["job", "number", "mean wall time", "largest memory (RSS)"], rows, numbers=3)
    if "trainings" not in found:
        return text
    keys = ("mean_seconds", "total_seconds", "memory_mb")
    mean, total, memory = (with_unit(key, found["trainings"][key]) for key in keys)
    told = f"{mean} a run, {total} in all, at most {memory} of memory"
    return f"{text}\n\nTraining alone, by the runs' own records: {told}."


def idle(root: Path, name: str) -> str:
    """Commands with nothing to do."""
    rows = [
        [f"{code(row['command'])}{row.get('note', '')}", with_unit("seconds", row["seconds"])]
        for row in section(root, name)["commands"]
    ]
    return table(["with nothing to do", "wall time"], rows, numbers=1)


def profiles(root: Path, name: str) -> str:
    """Where the time of a training step goes, by run."""
    keys = ("step_ms", "operations_share", "torch_share")
    rows = [
        [row["run"], *(with_unit(key, row[key]) for key in keys)]
        for row in section(root, name)["runs"]
    ]
    head = ["run", "a discriminator step", "in torch's operations", "in torch, its Python included"]
    return table(head, rows, numbers=3)


def ours(root: Path, name: str, network: str) -> str:
    """The largest share of a step that is this project's own code, among the runs of a network."""
    rows = section(root, name)["runs"]
    shares = [1 - row["torch_share"] for row in rows if row["run"].split("/")[1] == network]
    if not shares:
        raise GanloreError(f"{FILE}: {name}: no run with the network {network!r}")
    return _share(max(shares))


def step_costs(root: Path, name: str) -> str:
    """What a step costs, beside the same loss's or trick's passes and arithmetic."""
    found = section(root, name)
    axis, rows = found["axis"], found["rows"]
    body = [
        [
            row["name"],
            str(row["n_critic"]),
            *(_step(row[turn]) for turn in TURNS),
            f"{row['image']['ratio']:.2f}",
            f"{row['image']['arithmetic']:.2f}",
            *(row[turn]["passes"] for turn in TURNS),
        ]
        for row in sorted(rows, key=lambda row: (row["name"] != found["baseline"], row["name"]))
    ]
    head = [axis, "n_critic", "D step", "G step", "an image", "its arithmetic"]
    lines = [table([*head, "passes, D step", "passes, G step"], body)]
    first = next(row for row in rows if row["name"] == found["baseline"])
    times = (with_unit("step_ms", first[turn]["step_ms"]) for turn in TURNS)
    lines.append("The first row's steps took {} (discriminator) and {} (generator).".format(*times))
    told = {row["name"] for row in rows}
    if left := [name for name in catalogue.own(axis) if name not in told]:
        lines.append(f"Not measured yet: {formatting.listed(left)}.")
    return "\n\n".join(lines)


def evaluation(root: Path, name: str) -> str:
    """Time and memory of the metrics on given features, beside other packages'."""
    found = section(root, name)
    keys = ("seconds", "memory_mb", "added_mb")
    rows = [[row["name"], *(with_unit(key, row[key]) for key in keys)] for row in found["rows"]]
    head = [f"{found['samples']:,} + {found['samples']:,} x {found['dimensions']:,}"]
    text = table([*head, "time", "memory (RSS)", "added by the computation"], rows, numbers=3)
    shares = [_share(found[key]) for key in ("memory_share", "added_share")]
    return (
        f"{text}\n\n{found['times_faster']:.1f} times as fast ({found['times_faster_kept']:.1f} "
        f"with the data's own part kept), with {shares[0]} of the memory ({shares[1]} of what the "
        f"computation adds); no number differs by more than "
        f"{found['largest_difference']:.0e}. Medians of turns: {found['repeats']}."
    )


def _step(row: dict[str, Any]) -> str:
    low, high = row["quartiles"]
    spread = f" ({low:.2f}-{high:.2f})" if f"{low:.2f}" != f"{high:.2f}" else ""
    return f"{row['ratio']:.2f}{spread}"


def training_speed(root: Path, name: str) -> str:
    """Images of data in a second, beside the textbook loop's."""
    found = section(root, name)
    rows = [
        [
            row["device"],
            row["network"] + (f", width {row['width']}" if row["width"] else ""),
            row["loss"],
            f"{row['textbook']['images']:,.0f}",
            *(_against(row[loop]) for loop in ("plain", "fast")),
        ]
        for row in found["rows"]
    ]
    head = ["device", "network", "loss", "textbook, images/s", "default settings", "fast settings"]
    fast = [
        f"{device}: {', '.join(f'`{key}: {_yaml(value)}`' for key, value in settings.items())}"
        for device, settings in found["settings"].items()
        if any(row["device"] == device for row in found["rows"])
    ]
    told = f"Batch {found['batch']}. Fast settings, {'; '.join(fast)}."
    spread = "In brackets the smallest and the largest ratio of a round."
    return f"{table(head, rows, numbers=3)}\n\n{told} {spread}"


def _against(told: dict[str, Any]) -> str:
    low, high = told["range"]
    return f"{told['images']:,.0f}: {told['ratio']:.2f}x ({low:.2f}-{high:.2f})"


def _yaml(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


BLOCKS: dict[str, Callable[..., str]] = {
    "measured": measured,
    "machine": machine,
    "value": value,
    "jobs": jobs,
    "idle": idle,
    "profiles": profiles,
    "own-code": ours,
    "step-costs": step_costs,
    "training-speed": training_speed,
    "evaluation": evaluation,
}
"""The blocks of pages that are made here."""
