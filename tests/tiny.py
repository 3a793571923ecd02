"""Tiny studies, and single runs that train in milliseconds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from ganlore.settings import Optimizer
from ganlore.steps import Moment, Schedule, TrainState
from ganlore.study import registry, schema
from ganlore.study.expand import expand
from ganlore.study.run import Plan, Run
from ganlore.training import build
from ganlore.training.scheduled import schedule_at
from ganlore.training.trainer import Trainer

REPOSITORY = Path(__file__).parents[1]
STUDIES = [
    path for path in sorted((REPOSITORY / "configs").glob("*.yaml")) if path.stem != "claims"
]
"""The studies that ship; beside them lies the file of claims."""

TINY: dict[str, Any] = {
    "name": "tiny",
    "seeds": [0],
    "training": {"budget": 96, "batch": 16, "latent": 4, "snapshots": 2, "history": 3},
    "protocol": {"n_real": 100, "n_fake": 50, "pictures": 8},
    "settings": {
        "networks": {"mlp": {"width": 8, "depth": 2}, "dcgan": {"width": 4}},
        "datasets": {"ring": {"n_train": 400, "n_test": 100}},
    },
    "grids": [{"datasets": ["ring"], "networks": ["mlp"]}],
}

PLACES = {"ring": "mlp", "digits": "dcgan"}
"""A data set of each kind, and the network it is tested with."""

N_CRITIC = 2
"""What the losses that make several critic steps make of them here: two kinds of steps suffice."""


def tiny(**changes: Any) -> schema.Study:
    """A study of a few steps, with changed keys."""
    return schema.parse(schema.merge(TINY, changes), "tiny study")


def tiny_run(
    dataset: str = "ring", loss: str = "nonsaturating", trick: str = "none", **changes: Any
) -> Run:
    """One run of a tiny study."""
    axes = {"datasets": [dataset], "networks": [PLACES[dataset]]}
    tricks = [trick.split("+")] if "+" in trick else [trick]
    study = tiny(grids=[{**axes, "losses": [loss], "tricks": tricks}], **changes)
    return expand(study).runs[0]


def every_combination(steps: int, **training: Any) -> Plan:
    """All losses with all tricks in `PLACES`, each for so many steps of its generator."""
    grids, settings = [], {}
    for loss in registry.find("loss"):
        several = registry.declaration("loss", loss).settings({})["n_critic"] > 1
        n_critic = N_CRITIC if several else 1
        settings[loss] = {"n_critic": n_critic}
        grids += [
            {
                "datasets": [dataset],
                "networks": [network],
                "losses": [loss],
                "training": {"budget": 16 * steps * n_critic},
            }
            for dataset, network in PLACES.items()
        ]
    training = {"snapshots": 1, "history": 3, **training}
    return expand(tiny(grids=grids, training=training, settings={"losses": settings}))


def at_step(state: TrainState, step: int = 0, progress: float = 0.0) -> Schedule:
    """The schedule of a step."""
    return schedule_at(state, Optimizer(), Moment(step, step // state.n_critic, progress))


def trainer_of(run: Run, state: TrainState, batches: Any) -> Trainer:
    """What makes a run's steps on the CPU, from networks and batches that are there."""
    optimizer = build.optimizer_settings(run, state.tricks)
    return Trainer(state, batches, run.training, optimizer, run.seed, torch.device("cpu"))


def equal(one: Any, other: Any) -> bool:
    """Whether nested containers of tensors are bitwise equal."""
    if isinstance(one, torch.Tensor):
        return bool(torch.equal(one, other))
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(equal(one[k], other[k]) for k in one)
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(map(equal, one, other))
    return bool(one == other)
