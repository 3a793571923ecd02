"""Damages one file of a finished study at a time, and sees whether the commands notice.

    python tests/campaigns/damage.py                     500 checks
    python tests/campaigns/damage.py -n 50 --no-record

A check is a file, a damage and a command. A damage is silent if none of verify, collect and report
ends with an error; every traceback and every hang is a failure, whatever the command.
"""

from __future__ import annotations

import io
import itertools
import random
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import campaign
import pandas as pd
from campaign import Outcome, Tally

PUBLISHED = ("published/results", "published/reports")
FORMS = (
    "data/prepared/ring/*", "data/extractors/ring/coordinates/*",
    "data/extractors/ring/coordinates/reference/*/*", "results/runs/*/*/hinge/*/*/seed0/*",
    "results/*.parquet", "results/floor.csv", "reports/*.*", "reports/figures/*.svg",
    "reports/tables/*.csv", "published/results/*", "published/results/data/*/*",
    "published/reports/*.*", "published/reports/tables/*.csv",
)  # fmt: skip
"""The files of a finished study, of each kind: globs below the working directory."""

PER_FORM = 8
"""The most files of a glob."""


# -- damages: the file's bytes become these, None where the file goes, its own where it cannot ------


def halved(data: bytes, path: Path, rng: random.Random) -> bytes | None:
    return data[: len(data) // 2]


def emptied(data: bytes, path: Path, rng: random.Random) -> bytes | None:
    return b""


def deleted(data: bytes, path: Path, rng: random.Random) -> bytes | None:
    return None


def flipped(data: bytes, path: Path, rng: random.Random) -> bytes | None:
    """One bit is another."""
    if not data:
        return data
    place = rng.randrange(len(data))
    return data[:place] + bytes([data[place] ^ 1 << rng.randrange(8)]) + data[place + 1 :]


def an_object(data: bytes, path: Path, rng: random.Random) -> bytes | None:
    return b"{}"


def a_list(data: bytes, path: Path, rng: random.Random) -> bytes | None:
    return b"[]"


def anothers(data: bytes, path: Path, rng: random.Random) -> bytes | None:
    """The file of another run, or another file beside it of the same kind."""
    other = Path(str(path).replace("/hinge/", "/wgan-gp/"))
    beside = [p for p in sorted(path.parent.glob(f"*{path.suffix}")) if p != path and p.is_file()]
    if other != path and other.exists():
        return other.read_bytes()
    return rng.choice(beside).read_bytes() if beside else data


def changed(data: bytes, path: Path, rng: random.Random) -> bytes | None:
    """One number is another: a digit of a text, half of a value in Parquet."""
    if path.suffix == ".parquet":
        table = pd.read_parquet(path)
        column = "value" if "value" in table else "seconds"
        table.loc[rng.randrange(len(table)), column] *= 0.5
        file = io.BytesIO()
        table.to_parquet(file, index=False)
        return file.getvalue()
    if path.suffix not in {".json", ".jsonl", ".csv", ".html", ".tex", ".svg"}:
        return data
    digits = [match.start() for match in re.finditer(rb"\d", data)]
    if not digits:
        return data
    place = rng.choice(digits)
    return data[:place] + bytes([48 + (data[place] - 47) % 10]) + data[place + 1 :]


Damage = Callable[[bytes, Path, random.Random], bytes | None]
DAMAGES: tuple[Damage, ...] = (
    halved, emptied, deleted, flipped, an_object, a_list, anothers, changed
)  # fmt: skip


# -- the study and the commands --------------------------------------------------------------------


def finished() -> None:
    """A finished study of the ring, published."""
    campaign.study(Path("study.yaml"), seeds=[0, 1])
    made = campaign.command(*campaign.snakemake(), patience=1200)
    assert made.code == 0, made.text
    results, reports = PUBLISHED
    published = campaign.ganlore("publish", "study.yaml", "--to", results, "--reports", reports)
    assert published.code == 0, published.text


def files() -> list[Path]:
    """Files of every kind, the kinds in turns."""
    kinds = [
        [path for path in sorted(Path().glob(form)) if path.is_file()][:PER_FORM] for form in FORMS
    ]
    assert all(kinds), [form for form, kind in zip(FORMS, kinds, strict=True) if not kind]
    turns = itertools.zip_longest(*kinds)
    return [path for group in turns for path in group if path is not None]


def commands(path: Path) -> dict[str, Callable[[], Outcome]]:
    """What meets a damaged file, in order; the last one mends it and is no judge of it."""
    if path.parts[0] == "published":
        return {
            "verify": lambda: campaign.ganlore("verify", PUBLISHED[0]),
            "publish": lambda: campaign.ganlore(
                "publish", "study.yaml", "--to", PUBLISHED[0], "--reports", PUBLISHED[1]
            ),
        }
    own = {
        name: (lambda name=name: campaign.ganlore(name, "study.yaml"))
        for name in ("verify", "status")
    }
    return own | {
        "snakemake -n": lambda: campaign.command(*campaign.snakemake("-n", "--quiet", "all")),
        "collect": lambda: campaign.ganlore("collect", "study.yaml"),
        "report": lambda: campaign.ganlore("report", "study.yaml"),
        "snakemake": lambda: campaign.command(*campaign.snakemake()),
    }


JUDGES = ("verify", "collect", "report")


def check(tally: Tally, path: Path, damage: Damage, rng: random.Random, left: int) -> int:
    """Damage a file of a fresh copy and run the commands; gives how many checks were made."""
    before = path.read_bytes()
    after = damage(before, path, rng)
    if after == before:
        return 0
    path.unlink()
    if after is not None:
        path.write_bytes(after)
    tally.count("damages")
    what = f"{path}: {damage.__name__}"
    noticed, outputs = [], []
    wanted = list(commands(path).items())[: max(left, len(JUDGES) + 2)]
    for name, run in wanted:
        outcome = run()
        tally.count("checks")
        if name in JUDGES:
            outputs.append(f"{name}: {outcome.text.strip()[-300:]}")
        if name in JUDGES and outcome.code != 0:
            noticed.append(name)
        if outcome.traceback:
            tally.fail("tracebacks", f"{what}, then {name}", outcome.text)
        if outcome.code is None:
            tally.fail("hangs", f"{what}, then {name}", outcome.text)
        if name == "collect" and outcome.code == 0 and path.match("results/*.*"):
            path.unlink(
                missing_ok=True
            )  # collect has made it again: the report's turn is before it
            if after is not None:
                path.write_bytes(after)
    if noticed:
        tally.count("damages that were noticed")
    else:
        tally.fail("silent", what, "\n".join(outputs))
    return len(wanted)


def main() -> None:
    """Run the campaign."""
    options, tally = campaign.arguments(__doc__ or "", 500).parse_args(), Tally()
    import ganlore.training.session  # noqa: F401  forks have it

    with campaign.folder() as place:
        finished()
        pairs = [(path, damage) for damage in DAMAGES for path in files()]
        rng = random.Random(options.seed)
        rng.shuffle(pairs)
        whole, made = place / "whole", 0
        shutil.copytree(place, whole, ignore=shutil.ignore_patterns("whole", "work"))
        for path, damage in itertools.cycle(pairs):
            if made >= options.n:
                break
            work = place / "work"
            shutil.rmtree(work, ignore_errors=True)
            shutil.copytree(whole, work)  # with the files' times
            with campaign.contextlib.chdir(work):
                campaign.progress(tally, made, options.n)
                made += check(tally, path, damage, rng, options.n - made)
    zero = ("damages", "checks", "damages that were noticed", "silent", "tracebacks", "hangs")
    campaign.finish("damage", tally, options, zero)


if __name__ == "__main__":
    main()
