"""Claims with verdicts of all kinds, made up: nothing was judged."""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd


STATEMENTS = {
    "C01": ("Wasserstein training is more stable; the discriminator does not overpower", ("000", "001"), "holds"),
    "C02": ("Wasserstein prevents mode collapse", ("000", "001"), "does not hold"),
    "C03": ("Wasserstein gives the generator better gradients", ("000", "001"), "undecided"),
    "C10": ("Weight clipping is a poor constraint: simpler functions, exploding or vanishing gradients", ("004",), "holds"),
    "C14": ("Spectral normalisation improves training", ("004",), "contradicted"),
    "C25": ("A smaller generator loss means better samples", ("003",), "contradicted"),
    "C30": ("Binary cross-entropy is effective for RNN-GAN", ("002",), "not tested"),
}  # fmt: skip
ARTICLES = {
    name: SimpleNamespace(language=language, about="What it is about.")
    for name, language in zip(
        ("000", "001", "002", "003", "004"), ("a", "b", "c", "d", "e"), strict=True
    )
}
EFFECT = {"holds": 0.35, "does not hold": 0.01, "undecided": 0.08, "contradicted": -0.3}
MARGIN = 0.05


@dataclass(frozen=True)
class Measured:
    test: Any
    label: str
    outcome: Any
    values: pd.DataFrame
    diverged: tuple[int, int]
    missing: tuple[str, ...]
    scale: str

    @property
    def effect_text(self) -> str:
        found = self.outcome
        numbers = (found.effect, found.low, found.high)
        if self.scale == "ratio":
            mean, low, high = (f"{100 * (np.exp(v) - 1):+.0f} %".replace("-", "−") for v in numbers)
        else:
            mean, low, high = (f"{v:+.2f}".replace("-", "−") for v in numbers)
        return f"{mean} ({low} to {high})"


@dataclass(frozen=True)
class Judged:
    claim: Any
    verdict: str
    p_holds: float
    p_contradicted: float
    tests: tuple[Measured, ...]
    n: int
    note: str


def judged(n: int = 10) -> list[Judged]:
    """A claim of each verdict, some with two tests, in the words of the report."""
    return [_claim(name, *told, n) for name, told in STATEMENTS.items()]


def many(n: int = 10) -> list[Judged]:
    """As many as the articles have: 32."""
    kinds = list(STATEMENTS.values())
    return [_claim(f"C{i + 1:02}", *kinds[i % len(kinds)], n) for i in range(32)]


def _claim(name: str, statement: str, articles: tuple[str, ...], verdict: str, n: int) -> Judged:
    scales = ("ratio", "difference")[: 1 + (name in ("C01", "C14", "C08"))]
    untested = verdict == "not tested"
    tests = tuple(_test(f"{name}/{i}", scale, verdict, n) for i, scale in enumerate(scales))
    claim = SimpleNamespace(id=name, statement=statement, articles=articles, note="", elsewhere="")
    note = {
        "undecided": "About 24 seeds would decide it if the effect is as it looks.",
        "not tested": "Missing: digits/rnn/minimax/none.",
    }.get(verdict, "")
    low = 0.004 if verdict == "holds" else 0.4
    against = 0.004 if verdict == "contradicted" else 0.9
    nan = float("nan")
    return Judged(claim, verdict, nan if untested else low, nan if untested else against, tests,
                  0 if untested else n, note)  # fmt: skip


def _cells(*losses: str) -> SimpleNamespace:
    return SimpleNamespace(datasets=["digits"], networks=["dcgan"], losses=list(losses),
                           tricks=["none"], variants=["base"])  # fmt: skip


def _test(key: str, scale: str, verdict: str, n: int) -> Measured:
    log = scale == "ratio"
    definition = SimpleNamespace(
        take="end", of="fid" if log else "precision", along="fid", scale="log" if log else "value",
        distance_from=None, constant=None, margin=MARGIN, treatment=_cells("wgan"),
        control=_cells("minimax", "lsgan"),
    )  # fmt: skip
    label = (
        f"{'FID' if scale == 'ratio' else 'Precision'}: wgan, wgan-gp against minimax (digits, mlp)"
    )
    if verdict == "not tested":
        empty = pd.DataFrame(columns=["train_seed", "treatment", "control", "difference"])
        return Measured(definition, label, None, empty, (0, 0), ("digits/rnn/minimax/none",), scale)
    rng = np.random.default_rng(sum(key.encode()))
    spread = {"undecided": 0.3, "does not hold": 0.02}.get(verdict, 0.12)
    found = EFFECT[verdict] + spread * rng.standard_normal(n)
    control = 3 + 0.1 * rng.standard_normal(n)
    values = pd.DataFrame({"train_seed": range(n), "treatment": control - found,
                           "control": control, "difference": found})  # fmt: skip
    half = 2 * found.std(ddof=1) / np.sqrt(n) if n > 1 else float("nan")
    mean = float(found.mean())
    outcome = SimpleNamespace(
        n=n, effect=mean, low=mean - half, high=mean + half, floor=2.0 ** (1 - n),
        p_holds=0.002 if verdict == "holds" else 0.2,
        p_contradicted=0.002 if verdict == "contradicted" else 0.7,
        seeds_needed=24 if verdict == "undecided" else None,
    )  # fmt: skip
    return Measured(definition, label, outcome, values, (1, 0), (), scale)
