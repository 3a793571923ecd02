"""The quick ways of many dimensions give what float64 gives, whatever the data."""

import tracemalloc

import numpy as np
import pytest

from ganlore.metrics import Comparison, Reference, _pairs, frechet, measure_all, neighbours
from ganlore.metrics.frechet import frechet_from_features
from ganlore.metrics.neighbours import neighbour_metrics

D = 256


def clouds(n=140, m=170, d=D, seed=0, kind=np.float32):
    rng = np.random.default_rng(seed)
    real = rng.standard_normal((n, d))
    fake = 0.97 * rng.standard_normal((m, d)) + 0.01
    return real.astype(kind), fake.astype(kind)


def double(monkeypatch, real, fake, **more):
    with monkeypatch.context() as patch:
        patch.setattr(neighbours, "_SINGLE_FROM", 10**9)
        return neighbour_metrics(real, fake, **more)


SETS = {
    "two clouds": lambda rng: clouds(),
    "float64": lambda rng: clouds(kind=np.float64),
    "far from 0": lambda rng: tuple(x + 1000 for x in clouds()),
    "tiny": lambda rng: tuple(x * 1e-6 for x in clouds()),
    "too tiny for float32": lambda rng: tuple(x.astype(np.float64) * 1e-30 for x in clouds()),
    "one sample gone astray": lambda rng: (clouds()[0], np.vstack([clouds()[1], 1e9 * np.ones(D)])),
    "beyond float32": lambda rng: (
        clouds(kind=np.float64)[0], np.vstack([clouds()[1], 1e30 * np.ones(D)])
    ),
    "a set against itself": lambda rng: (clouds()[0], clouds()[0].copy()),
    "repeated training samples": lambda rng: (
        clouds()[0], np.vstack([clouds()[1], clouds()[0][rng.integers(0, 140, 60)]])
    ),
    "one sample for all": lambda rng: (clouds()[0], np.repeat(clouds()[1][:1], 50, axis=0)),
    "few distinct samples": lambda rng: (
        clouds()[0][rng.integers(0, 9, 120)], clouds()[0][rng.integers(0, 12, 130)]
    ),
    "a grid full of ties": lambda rng: tuple(
        np.eye(D)[rng.integers(0, D, n)] * rng.integers(1, 3, (n, 1)) for n in (90, 100)
    ),
    "fewer than candidates": lambda rng: clouds(7, 8),
    "a narrow line": lambda rng: tuple(
        np.linspace(0, 1, n)[:, None] * np.ones(D) + 1e-6 * rng.standard_normal((n, D))
        for n in (100, 90)
    ),
}  # fmt: skip


@pytest.mark.parametrize("tile", [16, 1024])
@pytest.mark.parametrize("name", SETS)
@pytest.mark.filterwarnings("error")
def test_single_precision_decides_nothing_wrongly(name, tile, monkeypatch):
    real, fake = SETS[name](np.random.default_rng(1))
    expected = double(monkeypatch, real, fake)
    monkeypatch.setattr(_pairs, "_TILE", tile)
    assert neighbour_metrics(real, fake) == expected
    assert neighbour_metrics(real, fake, precision_k=1, density_k=3) == double(
        monkeypatch, real, fake, precision_k=1, density_k=3
    )


def test_its_bound_is_needed(monkeypatch):
    """Without the interval, float32 alone would decide pairs wrongly."""
    rng = np.random.default_rng(2)
    # all at nearly one distance from each other, and far from the centre
    real, fake = (10 * np.sign(rng.standard_normal((300, D))) for _ in range(2))
    real, fake = (x + 1e-4 * rng.standard_normal(x.shape) for x in (real, fake))
    expected = double(monkeypatch, real, fake)
    assert neighbour_metrics(real, fake) == expected
    monkeypatch.setattr(_pairs.Points, "slack", property(lambda self: 0 * self.norms))
    assert neighbour_metrics(real, fake) != expected


def test_the_nearest_are_those_of_the_definition():
    real, _ = clouds(60)
    points = _pairs.Points.of(real, real.mean(axis=0, dtype=np.float64))
    wide = real.astype(np.float64)
    squared = ((wide[:, None] - wide[None]) ** 2).sum(axis=2)
    np.fill_diagonal(squared, np.inf)
    expected = np.sort(squared, axis=1)[:, :5]
    assert np.allclose(_pairs.nearest(points, 5), expected, rtol=1e-13)


def test_memory_is_bounded_by_the_tiles(monkeypatch):
    monkeypatch.setattr(_pairs, "_TILE", 256)
    real, fake = clouds(1500, 1500)
    tracemalloc.start()
    neighbour_metrics(real, fake)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 9e6  # all pairs at once are 18e6 bytes in float64; centred copies 3e6


# --- the trace by eigenvalues ---------------------------------------------------------------------


def correlated(n, d, seed, decay=0.0):
    rng = np.random.default_rng(seed)
    scales = (1.0 + np.arange(d)) ** -decay
    return (rng.standard_normal((n, d)) * scales) @ np.linalg.qr(rng.standard_normal((d, d)))[0]


@pytest.mark.parametrize("decay", [0.0, 1.0, 3.0])
@pytest.mark.parametrize("n", [(200, 180), (40, 200), (200, 40)])
def test_the_quick_trace_is_that_of_singular_values(n, decay, monkeypatch):
    real, fake = correlated(n[0], 60, 0, decay), correlated(n[1], 60, 1, decay) + 0.1
    expected = frechet_from_features(real, fake)
    monkeypatch.setattr(frechet, "_QUICK_FROM", 2)
    assert frechet_from_features(real, fake) == pytest.approx(expected, rel=1e-7)


def test_the_quick_trace_is_used_and_refused_where_digits_are_lost(monkeypatch):
    tried = []
    original = frechet._quick_trace_of_root

    def watched(root, covariance):
        tried.append(original(root, covariance))
        return tried[-1]

    monkeypatch.setattr(frechet, "_quick_trace_of_root", watched)
    regular = [correlated(90, 20, seed) for seed in (0, 1)]
    lost = [correlated(90, 20, seed, decay=9) for seed in (0, 1)]
    expected = [frechet_from_features(*pair) for pair in (regular, lost)]
    monkeypatch.setattr(frechet, "_QUICK_FROM", 2)
    found = [frechet_from_features(*pair) for pair in (regular, lost)]
    assert tried[0] is not None and tried[1] is None
    assert found == pytest.approx(expected, rel=1e-9)


def test_a_unit_that_never_fires_leaves_no_cholesky_factor(monkeypatch):
    real, fake = correlated(90, 20, 0), correlated(90, 20, 1)
    real[:, 3] = fake[:, 3] = 0.0
    expected = frechet_from_features(real, fake)
    monkeypatch.setattr(frechet, "_QUICK_FROM", 2)
    assert frechet_from_features(real, fake) == pytest.approx(expected, rel=1e-7)


# --- fewer samples for metrics over all pairs -----------------------------------------------------


def test_metrics_over_all_pairs_take_the_first_samples():
    real, fake = clouds(80, 90, 6)
    whole = measure_all(Comparison(real, fake))
    part = measure_all(Comparison(real[:30], fake[:30]))
    both = measure_all(Comparison(real, fake, n_pairs=30))
    assert both["fid"] == whole["fid"] != part["fid"]
    for name in ("kid", "precision", "recall", "density", "coverage"):
        assert both[name] == part[name], name
    assert measure_all(Comparison(real, fake, n_pairs=85))["kid"] == pytest.approx(
        measure_all(Comparison(real, fake[:85]))["kid"]
    )


def test_what_is_known_can_be_given_to_another_reference():
    real, fake = clouds(80, 90, 6)
    first = Reference(real)
    expected = measure_all(Comparison(real, fake, reference=first, n_pairs=30))
    known = {name: tuple(map(np.copy, parts)) for name, parts in first.everything().items()}
    assert any(name.startswith("first 30: ") for name in known)
    again = Comparison(real, fake, reference=Reference(real, known), n_pairs=30)
    assert measure_all(again) == expected
    # it is taken, and not computed again
    known["first 30: kernel._within_real"] = (np.array(7.0),)
    known["frechet._gaussian"] = (np.zeros(6), np.zeros((6, 1)))
    other = measure_all(Comparison(real, fake, reference=Reference(real, known), n_pairs=30))
    assert {name for name in expected if other[name] != expected[name]} == {"fid", "kid"}
