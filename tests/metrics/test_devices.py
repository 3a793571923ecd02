"""Metrics on a device: torch in float64 beside numpy, here on the processor and, where one is, a GPU.

The tolerances are those of docs/adr/0031-evaluation-on-a-gpu.md.
"""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import torch

from ganlore.metrics import (
    Comparison,
    Reference,
    _arrays,
    frechet,
    measure_all,
    metrics,
    neighbours,
)

CPU = torch.device("cpu")
COUNTED = ("precision", "recall", "density", "coverage")
GPU = pytest.param(
    torch.device("cuda"),
    marks=pytest.mark.gpu,
)


@pytest.fixture(autouse=True)
def few_are_many(monkeypatch):
    """The way of many dimensions, which a device takes from 512 on, in a tenth of them."""
    monkeypatch.setattr(frechet, "_QUICK_FROM", 50)


def clouds(n, m, d, kind="f4", seed=0):
    """Features like a network's: rectified, correlated, of two distributions."""
    rng = np.random.default_rng(seed)
    real, fake = (
        np.maximum(rng.standard_normal((rows, d)) @ rng.standard_normal((d, d)) / np.sqrt(d), 0)
        for rows in (n, m)
    )
    return real.astype(kind), (0.9 * fake).astype(kind)


def repeated():
    real, fake = clouds(300, 240, 12)
    fake[:100], fake[150:200] = fake[0], real[:50]
    return real, fake


def constant_columns(d=12):
    real, fake = clouds(300, 240, d)
    real[:, 1] = fake[:, 1] = 2
    real[:, 2] = fake[:, 2] = 0
    return real, fake


def grid():
    """Nothing but ties: neighbours at equal distances, on and between the points of a grid."""
    axis = np.arange(12.0)
    points = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2) / 3
    return points, np.concatenate([points[::2], points[::3] + 1 / 6])


def far_away():
    real, fake = clouds(200, 200, 8)
    return real + np.float32(1e4), fake + np.float32(1e4)


def strong_and_weak(d=60):
    """Directions whose variances differ by 14 orders of magnitude: the quick trace is refused."""
    rng = np.random.default_rng(3)
    scales = np.logspace(0, -7, d)
    return tuple((rng.standard_normal((n, d)) * scales) for n in (90, 80))


CASES = {
    "few dimensions": lambda: clouds(300, 200, 8),
    "float64": lambda: clouds(300, 200, 8, "f8"),
    "classifier": lambda: clouds(700, 600, 40),
    "fewer samples than dimensions": lambda: clouds(40, 50, 96),
    "fewer samples on one side": lambda: clouds(150, 40, 96),
    "many dimensions": lambda: clouds(300, 240, 70),
    "many dimensions, few samples": lambda: clouds(300, 60, 70),
    "repeated samples": repeated,
    "constant columns": constant_columns,
    "dead units in many dimensions": lambda: constant_columns(60),
    "a collapsed generator": lambda: (clouds(90, 60, 8)[0], np.full((60, 8), 0.5, np.float32)),
    "a set against itself": lambda: (clouds(90, 60, 8)[0],) * 2,
    "a grid of ties": grid,
    "far from the origin": far_away,
    "strong and weak directions": strong_and_weak,
    "one column": lambda: clouds(50, 60, 1),
}


def scales(real, fake):
    """What each metric's error is measured against, beside its own value."""
    real, fake = real.astype(float), fake.astype(float)
    d = real.shape[1]
    norms = [np.square(x).sum(axis=1) for x in (real, fake)]
    return {
        "fid": real.var(axis=0).sum() + fake.var(axis=0).sum(),
        "kid": max((n.max() / d + 1) ** 3 for n in norms),
        # the root of a squared distance's rounding, where samples are copies of the data
        "far_distance": 1e4 * np.sqrt(max(np.square(x - real.mean(axis=0)).sum(axis=1).max() for x in (real, fake))),
    }  # fmt: skip


# The roots of eigenvalues that should be 0 keep half of the digits, on a processor too: what that
# may do to FID is bounded by this share of the variances (`frechet._LOST`), or is not accepted.
SINGULAR = {"dead units in many dimensions": 1e-7}


def check_equal(real, fake, device, lost=1e-12, **fields):
    expected = measure_all(Comparison(real, fake, **fields))
    actual = measure_all(Comparison(real, fake, device=device, **fields))
    scale = scales(real, fake)
    assert actual.keys() == expected.keys() == {*COUNTED, "fid", "kid", "far_distance"}
    for name, value in expected.items():
        if name in COUNTED:
            assert actual[name] == value, name
        else:
            share = lost if name == "fid" else 1e-12
            near = pytest.approx(value, rel=1e-10, abs=share * scale[name])
            assert actual[name] == near, (name, abs(actual[name] - value) / scale[name])


@pytest.mark.parametrize("device", [CPU, GPU], ids=str)
@pytest.mark.parametrize("case", CASES)
def test_a_device_gives_numpys_numbers(case, device):
    check_equal(*CASES[case](), device, lost=SINGULAR.get(case, 1e-12))


@pytest.mark.parametrize("device", [CPU, GPU], ids=str)
def test_fewer_samples_for_metrics_over_all_pairs(device):
    real, fake = clouds(300, 200, 8)
    check_equal(real, fake, device, n_pairs=90)


def test_the_quick_trace_is_what_a_device_computes_and_refuses(monkeypatch):
    """On a regular covariance by eigenvalues of tensors; with lost digits by singular values."""
    tried = []
    original = frechet._quick_trace_of_root

    def watched(root, covariance):
        assert isinstance(root, torch.Tensor) and isinstance(covariance, torch.Tensor)
        tried.append(original(root, covariance))
        return tried[-1]

    for pair in (clouds(300, 240, 60), strong_and_weak()):
        with monkeypatch.context() as patch:
            expected = measure_all(Comparison(*pair))["fid"]
            patch.setattr(frechet, "_quick_trace_of_root", watched)
            actual = frechet.measure(Comparison(*pair, device=CPU))["fid"]
        assert actual == pytest.approx(expected, rel=1e-10)
    assert tried[0] is not None and tried[1] is None


# --- memory ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("block", [1, 2**14, 2**18])
def test_the_blocks_of_a_device_do_not_matter(block, monkeypatch):
    real, fake = clouds(500, 400, 20)
    whole = measure_all(Comparison(real, fake, device=CPU))
    monkeypatch.setattr(_arrays, "_DEVICE_BLOCK_BYTES", block)
    parts = measure_all(Comparison(real, fake, device=CPU))
    for name, value in whole.items():
        assert parts[name] == (value if name in COUNTED else pytest.approx(value, rel=1e-10))


def test_no_table_of_all_pairs_on_a_device(monkeypatch):
    sizes = []
    original = _arrays.squared_distances

    def watched(*arrays):
        table = original(*arrays)
        sizes.append(table.numel())
        return table

    monkeypatch.setattr(neighbours, "squared_distances", watched)
    monkeypatch.setattr(_arrays, "_DEVICE_BLOCK_BYTES", 2**16)
    neighbours.measure(Comparison(*clouds(1000, 900, 4), device=CPU))
    # 64 KiB are 8,192 distances, and a block has at least 128 rows
    assert len(sizes) > 20 and max(sizes) <= 128 * 1000


# --- what is kept of the data ---------------------------------------------------------------------


@pytest.mark.parametrize("first", [None, CPU])
def test_what_one_computed_of_the_data_serves_the_other(first):
    """Kept in numpy, as it is written to a file, whoever computed it."""
    real, fake = clouds(300, 240, 60)
    reference = Reference(real)
    one = measure_all(Comparison(real, fake, reference=reference, device=first))
    kept = {name: tuple(map(np.copy, parts)) for name, parts in reference.computed.items()}
    for parts in reference.computed.values():
        assert all(isinstance(part, np.ndarray) and part.dtype == np.float64 for part in parts)
    again, names = Reference(real, kept), set(kept)
    other = measure_all(
        Comparison(real, fake, reference=again, device=CPU if first is None else None)
    )
    assert set(again.computed) == names  # nothing was computed again
    for name, value in one.items():
        assert other[name] == (value if name in COUNTED else pytest.approx(value, rel=1e-10))


def test_the_data_is_copied_to_a_device_once():
    real, fake = clouds(60, 50, 8)
    reference = Reference(real)
    placed = [Comparison(real, fake, reference=reference, device=CPU).placed for _ in range(2)]
    assert placed[0].real is placed[1].real and placed[0].fake is not placed[1].fake
    assert placed[0].real.dtype == torch.float32


def test_numpy_stays_numpy():
    """A metric that does not ask for the device gets arrays, and without one nothing is copied."""
    real, fake = clouds(60, 50, 8)
    here = Comparison(real, fake)
    assert here.placed.real is here.real and here.placed.fake is here.fake
    there = Comparison(real, fake, device=CPU)
    assert isinstance(there.real, np.ndarray) and isinstance(there.fake, np.ndarray)
    (mean,) = there.of_real(lambda features: (features.mean(axis=0, dtype=float),))
    assert isinstance(mean, np.ndarray)


def test_metrics_in_numpy_do_not_import_torch():
    code = (
        "import sys, numpy as np; from ganlore.metrics import Comparison, measure_all\n"
        "x = np.random.default_rng(0).standard_normal((2, 600, 520))\n"
        "measure_all(Comparison(*x)); assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_every_metric_over_all_pairs_asks_for_the_device(monkeypatch):
    """What grows with the square of the samples is not left to one core."""
    real, fake = clouds(60, 50, 8)
    comparison = Comparison(real, fake, device=CPU)
    values = measure_all(comparison)
    pairs = {name for name, metric in metrics().items() if metric.pairs}
    assert pairs | {"fid"} == values.keys()
    # without the arrays of numpy they still have all that they need
    object.__setattr__(comparison, "real", None)
    object.__setattr__(comparison, "fake", np.zeros((50, 0)))
    object.__setattr__(comparison, "n_pairs", None)
    assert measure_all(comparison) == values
