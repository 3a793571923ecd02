"""Kills `ganlore train` and whole workflows at random moments, resumes them, and compares all bits.

python tests/campaigns/kills.py                      100 trainings and 20 workflows
python tests/campaigns/kills.py -n 10 --workflows 2 --no-record
"""

from __future__ import annotations

import shutil
import sys
import time
from pathlib import Path

import campaign
from campaign import Tally

RUNS = [
    f"ring/mlp/{loss}/{trick}/base/seed0"
    for loss in ("hinge", "wgan-gp")
    for trick in ("none", "ema")
]
TRAINING = {"training": {"budget": 16_000, "batch": 16, "snapshots": 8, "history": 20}}
PROTOCOL = {"protocol": {"n_real": 400, "n_fake": 200, "pictures": 8}}
TRICKS = {
    "grids": [
        {
            "datasets": ["ring"],
            "networks": ["mlp"],
            "losses": ["hinge", "wgan-gp"],
            "tricks": ["none", "ema"],
        }
    ]
}


def train(run: str) -> list[str]:
    """A training that saves its state often."""
    words = ["train", run, "--study", "study.yaml", "--save-every", "0.1"]
    return [sys.executable, "-m", "ganlore", *words]


def trainings(tally: Tally, n: int, seed: int) -> None:
    """Kill and resume trainings."""
    campaign.study(Path("study.yaml"), **TRAINING, **PROTOCOL, **TRICKS)
    prepared = campaign.command(*campaign.snakemake("data"))
    assert prepared.code == 0, prepared.text
    expected, seconds = {}, {}
    for run in RUNS:
        began = time.monotonic()
        whole = campaign.command(*train(run))
        seconds[run] = time.monotonic() - began
        assert whole.code == 0, whole.text
        expected[run] = evaluated(run)
        shutil.rmtree(Path("results/runs"))
    for index, share in campaign.moments(seed):
        killed = tally.counts.get("trainings killed", 0)
        if killed == n:
            return
        campaign.progress(tally, killed, n)
        run = RUNS[index % len(RUNS)]
        moment = share * seconds[run]
        where = (
            f"{run} killed after {moment:.2f} of {seconds[run]:.2f} s (--seed {seed}, kill {index})"
        )
        process = campaign.start(train(run), Path("killed.log"))
        time.sleep(moment)
        if process.poll() is not None:
            tally.count("trainings that had ended")
            shutil.rmtree(Path("results"), ignore_errors=True)
            continue
        tally.count("trainings killed")
        campaign.kill(process)
        resumed = campaign.command(*train(run))
        if resumed.code != 0:
            tally.fail("trainings not resumed", where, resumed.text)
        else:
            tally.count("trainings resumed")
            if "continuing after" in resumed.text:
                tally.count("trainings resumed from a saved state")
            compare(tally, where, expected[run], evaluated(run))
        shutil.rmtree(Path("results"), ignore_errors=True)


def evaluated(run: str) -> dict[str, str]:
    """The bits of a trained run once it is evaluated."""
    outcome = campaign.ganlore("evaluate", run, "--study", "study.yaml")
    assert outcome.code == 0, outcome.text
    return campaign.bits(Path("results/runs") / run)


def compare(tally: Tally, where: str, expected: dict[str, str], actual: dict[str, str]) -> None:
    """Count a run whose bits are those of the unkilled one."""
    different = [name for name in expected if expected[name] != actual.get(name)]
    if different:
        tally.fail("with other bits", where, f"different: {', '.join(different)}")


def workflows(tally: Tally, n: int, seed: int) -> None:
    """Kill and resume whole workflows, from nothing to the report."""
    campaign.study(Path("study.yaml"), **TRAINING, **PROTOCOL)
    began = time.monotonic()
    whole = campaign.command(*campaign.snakemake(), patience=1200)
    seconds = time.monotonic() - began
    assert whole.code == 0, whole.text
    expected = all_bits()
    for index, share in campaign.moments(seed + 1):
        killed = tally.counts.get("workflows killed", 0)
        if killed == n:
            return
        campaign.progress(tally, killed, n)
        for name in ("data", "results", "reports", ".snakemake"):
            shutil.rmtree(name, ignore_errors=True)
        moment = share * seconds
        where = f"workflow killed after {moment:.1f} of {seconds:.1f} s (--seed {seed}, workflow {index})"
        process = campaign.start(campaign.snakemake(), Path("killed.log"))
        time.sleep(moment)
        if process.poll() is not None:
            tally.count("workflows that had ended")
            continue
        tally.count("workflows killed")
        campaign.kill(process)
        time.sleep(1)  # its workers end with it
        unlocked = campaign.command(*campaign.snakemake("--unlock"))
        resumed = campaign.command(*campaign.snakemake("--rerun-incomplete"), patience=1200)
        checked = campaign.ganlore("verify", "study.yaml")
        if resumed.code != 0 or checked.code != 0:
            text = unlocked.text + resumed.text + checked.text
            tally.fail("workflows not resumed", where, text)
            continue
        tally.count("workflows resumed")
        actual = all_bits()
        flat = {
            f"{run}/{name}": digest for run, made in actual.items() for name, digest in made.items()
        }
        compare(
            tally,
            where,
            {f"{r}/{k}": v for r, made in expected.items() for k, v in made.items()},
            flat,
        )


def all_bits() -> dict[str, dict[str, str]]:
    """The bits of all runs."""
    runs = sorted(path.parent for path in Path("results/runs").rglob("run.json"))
    return {str(run): campaign.bits(run) for run in runs}


def main() -> None:
    """Run the campaign."""
    parser = campaign.arguments(__doc__ or "", 100)
    parser.add_argument("--workflows", type=int, default=20, help="workflows; 20 by default")
    options, tally = parser.parse_args(), Tally()
    for work, n in ((trainings, options.n), (workflows, options.workflows)):
        if n:
            with campaign.folder():
                work(tally, n, options.seed)
    zero = ("trainings killed", "trainings resumed", "workflows killed", "workflows resumed",
            "trainings not resumed", "workflows not resumed", "with other bits")  # fmt: skip
    campaign.finish("kills", tally, options, zero)


if __name__ == "__main__":
    main()
