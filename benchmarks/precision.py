"""FID by precision at equal steps, and how long the runs of a whole study take in turn on a card.

    python benchmarks/precision.py                 configs/precision.yaml, as Snakemake runs it
    python benchmarks/precision.py --dry           print, and write nothing

The study is run anew in a temporary folder, so that its wall time has everything in it: data, the
classifier, starts, captures, training in turn, evaluation.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch

import document
from ganlore.analysis import tables
from ganlore.study import schema
from ganlore.study.expand import expand

STUDY = document.ROOT / "configs/precision.yaml"
SECTION = "precision-gpu"

IN_TURN = re.compile(r"^.*runs in turn on this GPU.*$", re.MULTILINE)
"""The line of a run's log that says how many took turns, and what that gained."""


def study_in(folder: Path, source: Path = STUDY) -> Any:
    """The study, with all that it makes in a folder."""
    changes = {name: str(folder / name) for name in ("data", "results", "reports")}
    return schema.load(source, changes)


def rows(study: Any) -> list[dict[str, Any]]:
    """FID at the end by loss and precision: its mean and standard deviation over seeds."""
    plan = expand(study)
    ends = tables.finals(tables.read(plan).metrics)
    used = {run.variant: run.training.precision for run in plan.runs}
    ends["precision"] = ends["variant"].map(used)
    fid = ends.groupby(["loss", "precision"], sort=False)["fid"].agg(["mean", "std", "count"])
    return [
        {"loss": loss, "precision": precision, "fid": float(row["mean"]),
         "deviation": float(row["std"]), "seeds": int(row["count"])}
        for (loss, precision), row in fid.iterrows()
    ]  # fmt: skip


def measure(source: Path = STUDY) -> dict[str, Any]:
    """Run the study, and what it says."""
    with tempfile.TemporaryDirectory() as name:
        study = study_in(Path(name), source)
        words = [
            "snakemake",
            "--cores",
            str(os.cpu_count()),
            "--configfile",
            str(source),
            "--config",
        ]
        words += [f"{key}={Path(name) / key}" for key in ("data", "results", "reports")]
        began = time.perf_counter()
        subprocess.run([*words, "--", "runs"], check=True, cwd=document.ROOT)
        seconds = time.perf_counter() - began
        logs = (path.read_text(encoding="utf-8") for path in Path(name).rglob("*.log"))
        said = sorted({line for text in logs for line in IN_TURN.findall(text)})
        return {
            "steps": study.training.steps, "runs": len(expand(study).runs),
            "seconds": round(seconds, 1), "in_turn": said[-1] if said else "", "rows": rows(study),
        }  # fmt: skip


def main() -> None:
    """Measure, and write a section of docs/performance.json for the card."""
    parser = argparse.ArgumentParser(description=str(__doc__).split("\n", maxsplit=1)[0])
    parser.add_argument("--dry", action="store_true", help="print, and write nothing")
    asked = parser.parse_args()
    if not asked.dry and not torch.cuda.is_available():
        raise SystemExit("torch finds no GPU: --dry runs the study on a processor")
    made = document.made_with("")
    values = measure()
    print(json.dumps(values, indent=1), file=sys.stderr)
    if not asked.dry:
        document.record(SECTION, values, made)


if __name__ == "__main__":
    main()
