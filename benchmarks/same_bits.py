"""Whether two versions of the project train the same bits: runs a small study with both.

    python benchmarks/same_bits.py COMMIT           the working tree against a commit
    python benchmarks/same_bits.py COMMIT --keep F  keep the commit's numbers in a file, or use it

The study has every loss, every trick on one loss, all embedded networks and data sets, both
policies and both orders of a step, and runs on the CPU. Compared are the hashes of `checkpoint.pt`
and `snapshots.pt` and every metric and recorded number of each run, to the last digit; times and
memory are left out.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
MEASURED = {
    "metrics.csv": ("step", "extractor", "metric", "value", "status"),
    "history.csv": None,  # all but the following
}
TIMES = {"seconds", "images_per_second", "peak_memory_mb", "step_memory_mb"}

STUDY = {
    "name": "same-bits",
    "seeds": [0],
    "training": {"budget": 2560, "batch": 64, "latent": 16, "snapshots": 2, "history": 8},
    "protocol": {"n_fake": 400, "n_real": 400},
    "variants": {
        "published": {"training": {"policy": "published"}},
        "generator-first": {"training": {"order": "generator-first", "discriminator_scale": 0.5}},
        "corrupted": {"training": {"corrupted": 0.1}},
    },
    "grids": [
        {"datasets": ["digits"], "networks": ["mlp"], "tricks": ["none"]},
        {"datasets": ["digits"], "networks": ["dcgan"], "losses": ["nonsaturating"]},
        {"datasets": ["digits"], "networks": ["dcgan"], "tricks": ["none"],
         "variants": ["published", "generator-first"]},
        {"datasets": ["digits"], "networks": ["rnn"], "losses": ["wgan-gp", "minimax"],
         "tricks": ["none", "ema"]},
        {"datasets": ["ring"], "networks": ["mlp"],
         "losses": ["nonsaturating", "wgan", "infogan", "vaegan", "cgan", "r3gan"],
         "tricks": ["none", "packing", "unrolled", ["spectral-norm", "ttur"]]},
        {"datasets": ["grid"], "networks": ["mlp"], "losses": ["hinge"], "tricks": ["none", "r1"],
         "variants": ["base", "corrupted"]},
    ],
    "settings": {"datasets": {"ring": {"n_train": 5000}, "grid": {"n_train": 5000}}},
}  # fmt: skip


def run(tree: Path, cores: int) -> dict[str, dict[str, str]]:
    """The numbers of every run of the study, trained by the code of a tree."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "study.yaml").write_text(json.dumps(STUDY), encoding="utf-8")
        command = ["snakemake", "--snakefile", str(tree / "Snakefile"), "--cores", str(cores),
                   "--configfile", "study.yaml", "--quiet", "all", "--", "runs"]  # fmt: skip
        # on a GPU two runs of one version differ already
        environment = os.environ | {"PYTHONPATH": str(tree / "src"), "CUDA_VISIBLE_DEVICES": ""}
        done = subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, text=True, check=False
        )
        if done.returncode:
            sys.exit(f"{tree}: the study failed\n{done.stderr[-4000:]}")
        runs = sorted((folder / "results" / "runs").rglob("run.json"))
        return {
            str(p.parent.relative_to(folder / "results" / "runs")): numbers(p.parent) for p in runs
        }


def numbers(folder: Path) -> dict[str, str]:
    """What is compared of a run: a hash for each kind of number."""
    actual = {
        name: hashlib.sha256((folder / name).read_bytes()).hexdigest()
        for name in ("checkpoint.pt", "snapshots.pt")
    }
    for name, columns in MEASURED.items():
        with (folder / name).open(newline="", encoding="utf-8") as file:
            rows = [
                {k: v for k, v in row.items() if (k in columns if columns else k not in TIMES)}
                for row in csv.DictReader(file)
            ]
        actual[name] = hashlib.sha256(json.dumps(rows).encode()).hexdigest()
    return actual


def of_commit(commit: str, cores: int) -> dict[str, dict[str, str]]:
    """The numbers of a commit, from a work tree of its own."""
    with tempfile.TemporaryDirectory() as name:
        tree = Path(name) / "tree"
        git = ["git", "-C", str(ROOT), "worktree"]
        subprocess.run(
            [*git, "add", "--detach", str(tree), commit], check=True, capture_output=True
        )
        try:
            return run(tree, cores)
        finally:
            subprocess.run([*git, "remove", "--force", str(tree)], check=True)


def main() -> None:
    """Compare, print every run that differs, and fail if there is one."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("commit")
    parser.add_argument("--keep", type=Path, help="file with the commit's numbers")
    parser.add_argument("--cores", type=int, default=os.cpu_count())
    inputs = parser.parse_args()
    if inputs.keep and inputs.keep.exists():
        before = json.loads(inputs.keep.read_text(encoding="utf-8"))
    else:
        before = of_commit(inputs.commit, inputs.cores)
        if inputs.keep:
            inputs.keep.write_text(json.dumps(before, indent=1), encoding="utf-8")
    now = run(ROOT, inputs.cores)
    wrong = 0
    for name in sorted(before.keys() | now.keys()):
        one, other = before.get(name, {}), now.get(name, {})
        if differing := sorted(k for k in one.keys() | other.keys() if one.get(k) != other.get(k)):
            wrong += 1
            print(f"{name}: {', '.join(differing)} differ")
    print(f"{len(before)} runs of {inputs.commit}, {len(now)} now: {wrong} differ")
    sys.exit(wrong > 0)


if __name__ == "__main__":
    main()
