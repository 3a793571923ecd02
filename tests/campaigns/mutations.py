"""Puts known mistakes into plug-ins, and sees whether the study's controls fail.

python tests/campaigns/mutations.py             each mistake of MISTAKES
python tests/campaigns/mutations.py -n 2        the first two
python tests/campaigns/mutations.py --runs .    with the finished runs of study.yaml there, not trained again
"""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import campaign
import yaml
from campaign import ROOT, Tally

from ganlore import frames


class Mistake(NamedTuple):
    """A control, what is wrong, and how a plug-in's text becomes so.

    Attributes:
        control: which must fail.
        what: is wrong, in words.
        plugin: the file, in the package.
        right: a passage of it, which must be there once.
        wrong: what stands in its place.
    """

    control: str
    what: str
    plugin: str
    right: str
    wrong: str


MISTAKES = (
    Mistake(
        "P02",
        "spectral normalisation that does nothing",
        "tricks/spectral_norm.py",
        "        normalise(discriminator)\n",
        "",
    ),
    Mistake(
        "P05",
        "packing that shows one image, m times",
        "tricks/packing.py",
        "return images.reshape(-1, self.m * images.shape[1], *images.shape[2:])",
        "return images[:: self.m].repeat(1, self.m, *[1] * (images.ndim - 2))",
    ),
    Mistake(
        "P04",
        "a gradient penalty without its weight",
        "tricks/gradient_penalty.py",
        "return self.weight * ",
        "return 0.0 * self.weight * ",
    ),
    Mistake(
        "P01",
        "R1 whose penalty is 0",
        "tricks/r1.py",
        "return self.gamma / 2 * ",
        "return 0.0 * self.gamma / 2 * ",
    ),
)


def study(controls: list[str]) -> None:
    """Write the shipped study, with these controls and no claims."""
    claims = yaml.safe_load((ROOT / "configs/claims.yaml").read_text(encoding="utf-8"))
    kept = {name: claims["controls"][name] for name in controls}
    for control in kept.values():
        control.pop("gates", None)  # of data sets that are not trained on here
    # a file has at least one claim: one with a control's tests needs no cell more
    name, claim = next(iter(claims["claims"].items()))
    claim["tests"] = kept[controls[0]]["tests"]
    text = yaml.safe_dump({**claims, "controls": kept, "claims": {name: claim}})
    Path("claims.yaml").write_text(text, encoding="utf-8")
    whole = yaml.safe_load((ROOT / "configs/study.yaml").read_text(encoding="utf-8"))
    whole.pop("ask")  # names claims that are not in this file
    datasets = {
        name
        for control in kept.values()
        for test in control["tests"]
        for name in test["treatment"].get("datasets", ["digits"])
    }
    plain = {"losses": ["nonsaturating"], "tricks": ["none"]}
    grids = [
        {**grid, **plain}
        for grid in whole["grids"]
        if grid["networks"][0] in ("mlp", "dirac") and grid["datasets"][0] in datasets
    ]
    own = {"extends": str(ROOT / "configs/default.yaml"), "grids": grids, "claims": "claims.yaml"}
    own |= {"results": "results", "reports": "reports"}
    Path("study.yaml").write_text(yaml.safe_dump({**whole, **own}), encoding="utf-8")


def source(folder: Path, mistake: Mistake | None = None) -> Path:
    """A copy of the package with its workflow, with a mistake put in."""
    for name in ("src", "profiles"):
        shutil.copytree(ROOT / name, folder / name)
    shutil.copy2(ROOT / "Snakefile", folder)
    if mistake:
        plugin = folder / "src/ganlore" / mistake.plugin
        text = plugin.read_text(encoding="utf-8")
        if text.count(mistake.right) != 1:
            sys.exit(f"{mistake.plugin} has no single {mistake.right!r}: mend MISTAKES")
        plugin.write_text(text.replace(mistake.right, mistake.wrong), encoding="utf-8")
    return folder


def forget(folder: Path, mistake: Mistake) -> None:
    """Delete the runs of a plug-in with a mistake: Snakemake knows no code of runs from elsewhere."""
    name = Path(mistake.plugin).stem.replace("_", "-")
    for trick in (folder / "results/runs").glob("*/*/*/*"):
        if name in trick.name.split("+"):
            shutil.rmtree(trick)


def verdicts(package: Path) -> dict[str, str]:
    """Run the study with a copy of the package; the verdict of each control."""
    words = campaign.snakemake()
    words[words.index(str(ROOT / "Snakefile"))] = str(package / "Snakefile")
    words[words.index(str(ROOT / "profiles" / "default"))] = str(package / "profiles" / "default")
    environment = {**campaign.environment(), "PYTHONPATH": str(package / "src")}
    with Path("study.log").open("wb") as log:
        made = subprocess.run(words, env=environment, stdout=log, stderr=log, check=False)
    if made.returncode:
        sys.exit(Path("study.log").read_text(encoding="utf-8", errors="replace")[-3000:])
    rows = frames.read_csv("reports/tables/verdicts.csv")
    return dict(zip(rows["claim"], rows["verdict"], strict=True))


def main() -> None:
    """Run the campaign."""
    parser, tally = campaign.arguments(__doc__ or "", len(MISTAKES)), Tally()
    parser.add_argument("--runs", type=Path, help="where configs/study.yaml was run")
    options = parser.parse_args()
    mistakes, there = MISTAKES[: options.n], options.runs and options.runs.resolve()
    with campaign.folder() as folder:
        right = folder / "right"
        right.mkdir()
        if there:
            shutil.copytree(there / "data", right / "data")
            shutil.copytree(there / "study/results/runs", right / "results/runs")
        with contextlib.chdir(right):
            study([mistake.control for mistake in mistakes])
            found = verdicts(source(folder / "package"))
        for number, mistake in enumerate(mistakes):
            name = mistake.control
            where = f"{name}: {found[name]}"
            tally.count("controls")
            if found[name] != "holds":
                tally.fail("controls not found", where, "")
            # what the mistake does not touch is not trained again
            wrong = Path(shutil.copytree(right, folder / f"wrong-{number}"))
            forget(wrong, mistake)
            with contextlib.chdir(wrong):
                now = verdicts(source(folder / f"package-{number}", mistake))[name]
            campaign.progress(tally, number + 1, len(mistakes))
            print(f"{name}, {mistake.what}: {found[name]} -> {now}", flush=True)
            tally.count("mistakes")
            if now == "holds":
                tally.fail("mistakes that no control saw", f"{name}, {mistake.what}", "")
            else:
                tally.count("mistakes that their control saw")
    zero = ("controls", "controls not found", "mistakes", "mistakes that their control saw",
            "mistakes that no control saw")  # fmt: skip
    campaign.finish("mutations", tally, options, zero)


if __name__ == "__main__":
    main()
