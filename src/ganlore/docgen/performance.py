"""Measurements for the pages, from `docs/performance.json`; `benchmarks/` writes that file.

A section of the file is a measurement: its numbers, and under `measured` the commit, the machine
and the versions that they were measured with.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ganlore import storage
from ganlore.docgen import catalogue
from ganlore.errors import unknown
from ganlore.forecast import rates

FILE = Path("docs") / "performance.json"
UNITS = ("seconds", "ms", "mb", "share", "jobs")


class Quantity(float):
    """A number that is written with its unit, one of `UNITS`."""

    unit: str

    def __new__(cls, number: float, unit: str) -> Quantity:
        """A number in a unit."""
        made = super().__new__(cls, number)
        made.unit = unit
        return made

    def __str__(self) -> str:
        """For example `16 min 29 s`, `2.9 ms`, `684 MB`, `19 %`."""
        number = float(self)
        match self.unit:
            case "seconds":
                return _seconds(number)
            case "ms":
                return f"{_digits(number)} ms"
            case "mb":
                return f"{number:,.0f} MB"
            case "share":
                return f"{100 * number:.0f} %"
        return f"{number:,.0f}"


def _seconds(number: float) -> str:
    if number < 120:
        return f"{_digits(number)} s"
    if number > 7200:
        return f"{_digits(number / 3600)} hours"
    minutes, rest = divmod(round(number), 60)
    return f"{minutes} min {rest} s" if rest else f"{minutes} minutes"


def _digits(number: float) -> str:
    """Two significant digits, and never fewer than the whole number has."""
    return f"{number:.0f}" if number >= 10 else f"{number:.1f}" if number >= 1 else f"{number:.2g}"


def read(root: Path) -> dict[str, Any]:
    """All measurements as they are in the file."""
    sections: dict[str, Any] = storage.read_json(
        root / FILE, "python benchmarks/document.py --help"
    )
    return sections


def measured(root: Path, name: str) -> dict[str, Any]:
    """One measurement: numbers whose key ends with a unit are a `Quantity`.

    `machine` is the cores and the processor, `made_with` adds memory, versions and commit;
    `own_code` is the project's share of a step by network (`profiles`); `not_measured`
    lists the plug-ins that a table of step costs lacks.

    Raises:
        GanloreError: if it has not been made.
    """
    sections = read(root)
    if name not in sections:
        raise unknown("measurement", name, sections, str(FILE))
    section: dict[str, Any] = _with_units(sections[name])
    section |= provenance(section["measured"])
    if name == "profiles":
        section["own_code"] = _own_code(section["runs"])
    if "axis" in section:
        names = {row["name"] for row in section["rows"]}
        section["rows"].sort(key=lambda row: (row["name"] != section["baseline"], row["name"]))
        own = catalogue.own(section["axis"])
        section["not_measured"] = [plugin for plugin in own if plugin not in names]
    return section


def cards(root: Path) -> list[str]:
    """The measurements of training on a GPU, by card, the latest first."""
    return [f"{rates.SECTION}{card.name}" for card in rates.cards(root / FILE)]


def is_measured(root: Path, name: str) -> bool:
    """Whether a measurement has been made."""
    return name in read(root)


def _with_units(value: Any, key: str = "") -> Any:
    if isinstance(value, dict):
        return {name: _with_units(item, name) for name, item in value.items()}
    if isinstance(value, list):
        return [_with_units(item) for item in value]
    unit = key.rpartition("_")[2]
    return Quantity(value, unit) if unit in UNITS and isinstance(value, int | float) else value


def _own_code(runs: list[dict[str, Any]]) -> dict[str, Quantity]:
    """For each network, the largest share of a step that is this project's own code."""
    shares: dict[str, Quantity] = {}
    for row in runs:
        network, share = row["run"].split("/")[1], Quantity(1 - row["torch_share"], "share")
        shares[network] = max(shares.get(network, share), share)
    return shares


def provenance(made: dict[str, Any]) -> dict[str, str]:
    """What a measurement was made with: `machine`, and `made_with` for a page."""
    article = "an" if made["processor"][0] in "AEIO" else "a"
    machine = f"{made['cores']} cores of {article} {made['processor']}"
    versions = {"Python": made["python"], **made["versions"]}
    packages = ", ".join(f"{package} {version}" for package, version in versions.items())
    git = made["git"]
    commit = f"commit `{git['commit'][:7]}`" if git["commit"] else "not under version control"
    dirty = " with uncommitted changes" if git["dirty"] else ""
    note = f"; {made['note']}" if made.get("note") else ""
    memory = f"{made['memory_gb']:.0f} GB, {made['device']}"
    return {
        "machine": machine,
        "made_with": f"{machine}, {memory}; {packages}; {commit}{dirty}{note}",
    }
