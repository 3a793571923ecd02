"""A made-up study with claims, small enough to be built twice in a test."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import synthetic_study

from ganlore.study.run import Plan


def _test(dataset: str, network: str, treatment: str, control: str) -> dict[str, Any]:
    cells = {"datasets": [dataset], "networks": [network]}
    return {
        "take": "end", "of": "fid", "scale": "log", "claimed": "lower", "margin": 0.05,
        "treatment": {**cells, "losses": [treatment]}, "control": {**cells, "losses": [control]},
    }  # fmt: skip


CLAIMS: dict[str, Any] = {
    "articles": {name: {"language": "Latin", "about": "losses"} for name in ("000", "001", "004")},
    "claims": {
        "C01": {
            "statement": "`cgan` is better than mini_max.",
            "articles": ["000", "004"],
            "tests": [_test("digits", "dcgan", "cgan", "minimax")],
        },
        "C02": {
            "statement": "Least squares are better than clipping on the ring.",
            "articles": ["001"],
            "tests": [_test("ring", "mlp", "lsgan", "wgan")] * 2,
        },
    },
}
GRIDS = [
    {"datasets": ["digits"], "networks": ["dcgan"], "losses": ["cgan", "minimax"],
     "tricks": ["none", "packing"]},
    {"datasets": ["ring"], "networks": ["mlp"], "losses": ["lsgan", "wgan"], "tricks": ["none"],
     "protocol": {"n_real": 2500, "n_fake": 2500}},
]  # fmt: skip


def make(folder: Path, **changes: Any) -> Plan:
    """Its plan, with all that a report reads."""
    plan = synthetic_study.small(folder, **{"claims": CLAIMS, "grids": GRIDS, **changes})
    return synthetic_study.make(plan)
