"""Mutated study files through `ganlore plan --no-measure`: an error without traceback, or valid runs.

python tests/campaigns/fuzz.py                       1,000 studies
python tests/campaigns/fuzz.py -n 100 --no-record
python tests/campaigns/fuzz.py --seed 0 --only 17    one of them, printed
"""

from __future__ import annotations

import copy
import json
import random
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import campaign
import yaml
from campaign import Tally

PATIENCE = 20.0
"""Seconds that a plan may take."""

TRAIN_EVERY = 4
"""One accepted study of so many is really trained, if it is small."""

LARGEST = 20_000
"""Images and samples beyond which an accepted study is not trained here."""

ODD: tuple[Any, ...] = (
    None, True, False, -1, 0, 1, 2, 1.5, 1e308, 10**30, float("nan"), float("inf"), "", " ", "all",
    "010", "1:30", "yes", "nope", "\x00", "ü", "x" * 300, "../..", "{}", [], [[]], {}, {"a": {}},
    [None], ["hinge", "hinge"], "hinge+ema", -0.0, "1e3", "2026-11-28",
)  # fmt: skip
FACTORS = (-1, 0, 0.02, 0.1, 0.5, 2, 3, 10, 1000, 1e8, 1e30)
KEYS = (
    "extends", "claims", "training", "protocol", "keep", "exclude", "variants", "settings", "name",
    "extractors", "n_fake", "batch", "unknown", "grids", "", "ü", "seeds", "results", "data",
)  # fmt: skip
TEXTS = (
    "a: &a [*a]\n", "a: &a {<<: *a}\n", "\t- x\n", "%YAML 9.9\n---\n", "name: a\nname: b\n", "!!python/object:os.system {}\n",
    "a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b]\nd: [*c,*c,*c,*c,*c,*c,*c,*c]\n",
    "[" * 3000, "{", "---\n---\n", "? [a]\n: b\n", "extends: .\n", "extends: study.yaml\n", "claims: .\n", "",
)  # fmt: skip


def bases() -> list[dict[str, Any]]:
    """Small studies to begin from."""
    grid = {"datasets": ["ring"], "networks": ["mlp"], "losses": ["hinge"], "tricks": ["none"]}
    digits = {
        **grid,
        "datasets": ["digits"],
        "networks": ["dcgan"],
        "tricks": ["ema", ["r1", "ema"]],
    }
    lively = {
        "variants": {"fast": {"training": {"batch": 8}}},
        "exclude": [{"loss": "hinge", "trick": "ema", "reason": "left out"}],
        "keep": {"snapshots": "last"},
        "grids": [{**grid, "variants": ["base", "fast"], "tricks": ["none", "ema"]}],
    }
    return [
        campaign.schema.merge(campaign.TINY, {"grids": [grid]}),
        campaign.schema.merge(campaign.TINY, {"grids": [digits], "seeds": [0, 1]}),
        campaign.schema.merge(campaign.TINY, lively),
    ]


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of every key and entry of a document."""
    entries = (
        value.items()
        if isinstance(value, dict)
        else enumerate(value)
        if isinstance(value, list)
        else ()
    )
    for key, inner in entries:
        yield (*path, key)
        yield from places(inner, (*path, key))


def mutated(document: Any, rng: random.Random) -> None:
    """Change a document in one place: another value, a key less, more, or renamed."""
    all_places = list(places(document))
    if not all_places:
        return
    if rng.random() < 0.5:  # most other changes are refused at once
        leaves = [path for path in all_places if _is_number(_parent(document, path)[path[-1]])]
        all_places = leaves or all_places
    path = rng.choice(all_places)
    parent, key = _parent(document, path), path[-1]
    match rng.randrange(6):
        case _ if _is_number(parent[key]) and rng.random() < 0.8:
            parent[key] = type(parent[key])(parent[key] * rng.choice(FACTORS))
        case 0:
            del parent[key]
        case 1 if isinstance(parent, dict):
            parent[rng.choice(KEYS)] = parent.pop(key)
        case 2 if isinstance(parent, dict):
            parent[rng.choice(KEYS)] = copy.deepcopy(rng.choice(ODD))
        case 3 if isinstance(parent, list):
            parent.append(copy.deepcopy(rng.choice(parent)))
        case _:
            parent[key] = copy.deepcopy(rng.choice(ODD))


def _parent(document: Any, path: tuple[Any, ...]) -> Any:
    for part in path[:-1]:
        document = document[part]
    return document


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def study(seed: int, index: int) -> bytes:
    """The text of a mutated study; the same for the same numbers."""
    rng = random.Random(f"{seed}/{index}")
    document = copy.deepcopy(rng.choice(bases()))
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        mutated(document, rng)
    text = yaml.safe_dump(document, allow_unicode=True).encode()
    return damaged(text, rng) if rng.random() < 0.3 else text


def damaged(text: bytes, rng: random.Random) -> bytes:
    """The text of a study, broken as text."""
    place = rng.randrange(len(text))
    lines = text.splitlines(keepends=True)
    values = [match.span() for match in re.finditer(rb"(?<=: )\d+(?=\n)", text)] or [(place, place)]
    first, last = rng.choice(values)
    odd = rng.choice(("010", "1:30", "yes", "on", "0x10", "1_000", "~", ".inf", "!!binary x"))
    return rng.choice((
        text + rng.choice(TEXTS).encode(),
        rng.choice(TEXTS).encode(),
        text[:place] + rng.randbytes(rng.choice((1, 2, 8))) + text[place + 1 :],
        text[:place],
        b"".join([*lines, rng.choice(lines)]),
        text[:first] + odd.encode() + text[last:],
    ))  # fmt: skip


def check_runs() -> None:
    """That an accepted study's runs are all valid; run in a fork."""
    from ganlore.forecast import needs
    from ganlore.study import schema
    from ganlore.study.expand import expand
    from ganlore.study.run import Run

    plan = expand(schema.load("study.yaml"))
    assert plan.runs, "no runs"
    assert len({run.id for run in plan.runs}) == len(plan.runs), "two runs of one name"
    for run in plan.runs:
        parts = Path(run.id).parts
        assert len(parts) == 6 and not {"..", "."} & set(parts), f"no path: {run.id!r}"
        assert all(len(part.encode()) <= 255 and "\x00" not in part for part in parts), run.id
        assert Run.model_validate_json(run.model_dump_json()) == run, "settings do not travel"
        training, protocol = run.training, run.protocol
        assert training.steps >= max(training.snapshots, run.loss.settings["n_critic"])
        assert training.history <= 10**7, f"history = {training.history}"
        assert training.threads <= 4096, f"threads = {training.threads}"
        assert protocol.n_fake >= 2 and (protocol.n_real or 2) >= 2, "no covariance of one sample"
        assert run.extractors and run.dataset.settings is not None
    assert not needs.of(plan), "it needs what is not there"
    text = plan.study.model_dump_json()
    assert expand(schema.load(text)).runs == plan.runs, "the study as JSON is another"


def small() -> str | None:
    """The first run of the study, if training it takes seconds."""
    from ganlore.study import schema
    from ganlore.study.expand import expand

    run = expand(schema.load("study.yaml")).runs[0]
    sizes = (
        run.training.budget,
        run.protocol.n_fake,
        run.training.history,
        10 * run.training.latent,
    )
    settings = json.dumps([run.network.settings, run.dataset.settings])
    large = [number for number in map(int, re.findall(r"\b\d+\b", settings)) if number > LARGEST]
    return run.id if max(sizes) <= LARGEST and not large else None


def train() -> None:
    """Really train and evaluate the first run; run in a fork."""
    from ganlore.cli import jobs
    from ganlore.study import schema
    from ganlore.study.expand import expand

    plan = expand(schema.load("study.yaml"))
    run, data = plan.runs[0], Path(plan.study.data)
    name = run.dataset.name
    jobs.prepare(name, data=data, settings=json.dumps(run.dataset.settings))
    for extractor in plan.extractors[name]:
        jobs.extract(name, extractor, data=data, device="cpu")
    jobs.train(run.id, study="study.yaml")
    jobs.evaluate(run.id, study="study.yaml")


def check(tally: Tally, seed: int, index: int) -> None:
    """One study."""
    where = f"python tests/campaigns/fuzz.py --seed {seed} --only {index}"
    Path("study.yaml").write_bytes(study(seed, index))
    tally.count("studies")
    planned = campaign.ganlore("plan", "study.yaml", "--no-measure", patience=PATIENCE)
    if planned.code is None:
        tally.fail("hangs", where, planned.text)
    elif planned.traceback or planned.code not in (0, 1):
        tally.fail("tracebacks", where, planned.text)
    elif planned.code:
        tally.count("refused with a clear error")
    else:
        tally.count("accepted")
        valid = campaign.forked(check_runs, PATIENCE)
        if valid.code != 0:
            tally.fail("accepted and not valid", where, valid.text)
        elif tally.counts["accepted"] % TRAIN_EVERY == 0:
            really_train(tally, where)


def really_train(tally: Tally, where: str) -> None:
    """Train an accepted study's first run, if it is small."""
    chosen = campaign.forked(lambda: print(small() or ""), PATIENCE)
    if chosen.code or not chosen.text.strip():
        return
    trained = campaign.forked(train, 300.0)
    tally.count("trained and evaluated")
    if trained.code != 0:
        tally.fail("accepted and failing", where, trained.text)


def main() -> None:
    """Run the campaign."""
    parser = campaign.arguments(__doc__ or "", 1000)
    parser.add_argument("--only", type=int, help="the number of one study")
    options, tally = parser.parse_args(), Tally()
    import ganlore.training.session  # noqa: F401

    if options.only is not None:
        sys.stdout.buffer.write(study(options.seed, options.only))
        options.no_record = True
    numbers = range(options.n) if options.only is None else [options.only]
    for index in numbers:
        if index % 50 == 0:
            campaign.progress(tally, index, len(numbers))
        with campaign.folder():
            check(tally, options.seed, index)
    zero = ("studies", "refused with a clear error", "accepted", "trained and evaluated",
            "tracebacks", "hangs", "accepted and not valid", "accepted and failing")  # fmt: skip
    campaign.finish("fuzz", tally, options, zero)


if __name__ == "__main__":
    main()
