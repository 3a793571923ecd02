"""The policy `searched`: draws of settings, and the one that a search has chosen for each cell.

`trials` has the runs by which it chooses. Here nothing is trained and no run is named.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import Any

from ganlore import storage
from ganlore.errors import GanloreError
from ganlore.study import registry
from ganlore.study.schema import Study
from ganlore.study.space import Search

Settings = dict[str, dict[str, Any]]
"""Settings by the kind of plug-in that has them: loss or network."""

OPTIMIZER = ("lr", "ratio", "beta1")
NETWORK = "network."


def check(study: Study) -> None:
    """Refuse a search that cannot be one.

    Raises:
        GanloreError: where the policy and the key do not go together, where a search would choose
            by what it is judged by, or on the seeds that it is judged on, and for a setting that
            nothing in the study has.
    """
    where = f"study {study.name}"
    search = study.search
    policies = {study.training.policy, *(_policy(grid.training, study) for grid in study.grids)}
    if (search is not None) != ("searched" in policies) or (len(policies) > 1 and search):
        raise GanloreError(
            f"{where}: the policy `searched` and the key `search` go together, for the whole "
            "study\n  set `training: {policy: searched}` and `search:`, or neither"
        )
    if search is None:
        return
    if study.variants or study.claims:
        raise GanloreError(
            f"{where}: a searched study has neither variants nor claims: every cell has settings "
            "of its own already\n  leave them out"
        )
    if both := sorted(set(search.seeds) & set(study.seeds)):
        raise GanloreError(
            f"{where}: search.seeds: {both} are seeds of the study too: what was chosen on a seed "
            "cannot be judged on it\n  choose others"
        )
    _check_protocol(study, search)


def _policy(change: dict[str, Any], study: Study) -> Any:
    return change.get("policy", study.training.policy)


def _check_protocol(study: Study, search: Search) -> None:
    """Each grid with what it changes: what judges it must not be what chooses for it."""
    for grid in study.grids:
        judged = study.protocol.model_dump() | grid.protocol
        chosen = judged | search.protocol
        own, other = judged["extractors"], search.protocol.get("extractors")
        same = chosen["reference"] == judged["reference"]
        if same or not other or set(other) & set(own or ()):
            raise GanloreError(
                f"study {study.name}: search.protocol: a search chooses by other data and other "
                f"features than the study is judged by, which are {judged['reference']} and "
                f"{', '.join(own or ['each data set its own'])}\n"
                "  name another `reference` and other `extractors` there"
            )


def check_space(space: Iterable[str], where: str, losses: set[str], networks: set[str]) -> None:
    """Refuse a setting that no loss or network of the cells has.

    Args:
        space: the names of what is drawn.
        where: its place in the study, for the message.
        losses: of the cells.
        networks: likewise.
    """
    of_losses = {key for name in losses for key in registry.declaration("loss", name).settings({})}
    of_networks = {
        f"{NETWORK}{key}"
        for name in networks
        for key in registry.declaration("network", name).settings({})
    }
    allowed = {*OPTIMIZER, *of_losses - {"optimizer"}, *of_networks}
    if wrong := sorted(set(space) - allowed):
        raise GanloreError(
            f"{where}: no loss or network of the study has "
            f"{', '.join(wrong)}\n  there are: {', '.join(sorted(allowed))}"
        )


def draws(search: Search) -> list[dict[str, Any]]:
    """All draws: {name in the space: value} each, the same for whoever asks."""
    names = sorted(search.space)
    points = _sobol(len(names), search.draws, search.seed)
    return [
        {name: search.space[name].at(x) for name, x in zip(names, point, strict=True)}
        for point in points
    ]


def seeds_own(study: Study, variant: str, seed: int) -> dict[str, Any]:
    """What a variant draws for a seed: {name in its space: value}, the same for all its cells.

    Independent draws, so that seeds are independent observations; each setting has its own.
    """
    space = study.variants[variant].draw if variant in study.variants else {}
    # a string is hashed the same by every version of Python, unlike a tuple
    return {name: of.at(random.Random(f"{name}/{seed}").random()) for name, of in space.items()}


@lru_cache(maxsize=8)
def _sobol(dimensions: int, n: int, seed: int) -> list[list[float]]:
    """Scrambled points in [0, 1)^d (Owen 1998); the sequence is balanced over powers of two."""
    from scipy.stats import qmc  # other studies are planned without it

    points = qmc.Sobol(dimensions, rng=seed).random_base2((n - 1).bit_length())[:n]
    return [[float(x) for x in point] for point in points]


def settings(study: Study, draw: dict[str, Any], loss: str, network: str) -> Settings:
    """What a draw sets of a loss and of a network; what they do not have is left out."""
    optimizer = study.training.optimizer
    rate = draw.get("lr", optimizer.lr)
    changed: dict[str, Any] = {"lr": rate}
    if "ratio" in draw:
        changed["lr_discriminator"] = rate * draw["ratio"]
    if "beta1" in draw:
        changed["betas"] = [draw["beta1"], optimizer.betas[1]]
    has = registry.declaration("loss", loss).settings({}).keys() - {"optimizer"}
    of_network = registry.declaration("network", network).settings({}).keys()
    return {
        "loss": {"optimizer": changed} | {k: v for k, v in draw.items() if k in has},
        "network": {
            key: value
            for name, value in draw.items()
            if name.startswith(NETWORK) and (key := name.removeprefix(NETWORK)) in of_network
        },
    }


def key(dataset: str, network: str, loss: str, trick: str) -> str:
    """A cell's name in what a search writes."""
    return f"{dataset}/{network}/{loss}/{trick}"


def chosen(study: Study, dataset: str, network: str, loss: str, trick: str) -> Settings:
    """What the search has chosen for a cell; nothing where there is no search, or no end of it."""
    if study.search is None or study.search.chosen is None:
        return {}
    cell = key(dataset, network, loss, trick)
    number = study.search.chosen.get(cell)
    if number is None or number >= study.search.draws:
        raise GanloreError(
            f"study {study.name}: search.chosen: no draw for {cell}\n"
            "  leave `chosen` out: the search writes it"
        )
    return settings(study, draws(study.search)[number], loss, network)


# -- what a search has written ---------------------------------------------------------------------


def identity(study: Study) -> str:
    """A hash of all that a search depends on, but code, which its trials answer for."""
    assert study.search is not None
    parts = {"seeds", "keep", "title", "deviations", "results", "reports", "data", "search"}
    text = study.model_dump_json(exclude=parts)
    text += study.search.model_dump_json(exclude={"chosen"})
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def record(study: Study, rung: int) -> Path:
    """The file of what a rung keeps; its scores are beside it."""
    return Path(study.results) / "search" / f"rung{rung}.json"


def read(study: Study, rung: int) -> dict[str, Any] | None:
    """A rung's record; None where there is none of this search."""
    path = record(study, rung)
    if not path.exists():
        return None
    found: dict[str, Any] = storage.read_record(path, f"delete {path} and run snakemake")
    return found if found["search"] == identity(study) else None


def settled(study: Study) -> Study:
    """A study with the choice that its search has written; the same study where it is not done."""
    if study.search is None or study.search.chosen is not None:
        return study
    last = read(study, len(study.search.rungs))
    if last is None:
        return study
    best = {cell: kept[0] for cell, kept in last["kept"].items()}
    search = study.search.model_copy(update={"chosen": best})
    return study.model_copy(update={"search": search})


def waits(study: Study) -> bool:
    """Whether a study's own runs wait for its search."""
    return study.search is not None and study.search.chosen is None
