import tracemalloc
from functools import partial

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from prdc import compute_prdc
from torch_fidelity import metric_prc

from ganlore.metrics import _arrays, neighbours
from ganlore.metrics.neighbours import neighbour_metrics


def in_chunks(rows, *sets, **ks):
    """The metrics, from distances of so many rows at a time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_arrays, "_BLOCK_BYTES", 0)
        patch.setattr(neighbours, "row_chunks", partial(_arrays.row_chunks, least=rows))
        return neighbour_metrics(*sets, **ks)


def line(*points):
    return np.array(points, dtype=float)[:, None]


def clouds(n_real=150, n_fake=200, d=8, seed=0):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((n_real, d)), 0.8 * rng.standard_normal((n_fake, d)) + 0.3


def precision_recall(real, fake, k=3):
    values = neighbour_metrics(real, fake, precision_k=k, density_k=k)
    return values["precision"], values["recall"]


def density_coverage(real, fake, k=5):
    values = neighbour_metrics(real, fake, precision_k=k, density_k=k)
    return values["density"], values["coverage"]


def by_differences(real, fake, precision_k=3, density_k=5):
    """The four metrics from sums of squared differences: equal pairs have equal distances."""
    real, fake = real.astype(float), fake.astype(float)

    def radii(points, k):
        squared = np.array([((points - x) ** 2).sum(axis=1) for x in points])
        np.fill_diagonal(squared, np.inf)
        return np.sort(squared, axis=1)[:, k - 1]

    between = np.array([((fake - x) ** 2).sum(axis=1) for x in real])
    inside = between < radii(real, density_k)[:, None]
    return {
        "precision": (between <= radii(real, precision_k)[:, None]).any(axis=0).mean(),
        "recall": (between <= radii(fake, precision_k)).any(axis=1).mean(),
        "density": inside.sum() / (density_k * len(fake)),
        "coverage": inside.any(axis=1).mean(),
    }


def by_definition(real, fake, precision_k=3, density_k=5):
    """The four metrics of integer points in exact arithmetic, loop by loop."""

    def squared(x, y):
        return int(((x - y) ** 2).sum())

    def radii(points, k):
        return [
            sorted(squared(p, q) for j, q in enumerate(points) if j != i)[k - 1]
            for i, p in enumerate(points)
        ]

    between = np.array([[squared(x, y) for y in fake] for x in real])
    narrow, wide = np.array(radii(real, precision_k)), np.array(radii(real, density_k))
    inside = between < wide[:, None]
    return {
        "precision": (between <= narrow[:, None]).any(axis=0).mean(),
        "recall": (between <= np.array(radii(fake, precision_k))).any(axis=1).mean(),
        "density": inside.sum() / (density_k * len(fake)),
        "coverage": inside.any(axis=1).mean(),
    }


# --- by hand --------------------------------------------------------------------------------------

# k = 1. Balls of A: 0 +- 1, 1 +- 1, 3 +- 2. Balls of B: 5 +- 3, 2 +- 3, 10 +- 5.
A, B = line(0, 1, 3), line(5, 2, 10)


def test_precision_and_recall_by_hand():
    # 5 is on the surface of 3's ball and counts, 2 is inside it, 10 is in none.
    # 2's ball holds all of A.
    assert precision_recall(A, B, k=1) == (pytest.approx(2 / 3), 1)
    assert precision_recall(B, A, k=1) == (1, pytest.approx(2 / 3))


def test_density_and_coverage_by_hand():
    # Surfaces do not count: one pair is left, 2 in the ball of 3. With `<=` it would be 1 and 2/3.
    assert density_coverage(A, B, k=1) == (pytest.approx(1 / 3), pytest.approx(1 / 3))


def test_density_exceeds_one_where_balls_overlap():
    # k = 1: the balls of -1, 0, 1 have radius 1; all of the generated samples are inside 0's ball,
    # and each of them in one more.
    density, coverage = density_coverage(line(-1, 0, 1), line(-0.5, 0.25, 0.5), k=1)
    assert (density, coverage) == (2, 1)


def test_a_collapsed_generator_has_precision_without_recall():
    rng = np.random.default_rng(0)
    left, right = rng.standard_normal((50, 2)), rng.standard_normal((50, 2)) + 100
    precision, recall = precision_recall(np.concatenate([left, right]), left + 1e-3)
    assert precision == 1
    assert recall == 0.5


def test_a_generator_that_adds_a_mode_has_recall_without_precision():
    rng = np.random.default_rng(0)
    left, right = rng.standard_normal((50, 2)), rng.standard_normal((50, 2)) + 100
    precision, recall = precision_recall(left, np.concatenate([left + 1e-3, right]))
    assert precision == 0.5
    assert recall == 1


@pytest.mark.parametrize("d", [1, 2, 64, 700])
def test_a_set_against_itself(d):
    # Each sample is in its own ball and in k - 1 others on average, and on one ball's surface: a
    # rounding error that let ties through would give a density above 1.
    points = np.random.default_rng(1).standard_normal((100, d)) + 5
    assert in_chunks(17, points, points.copy()) == {
        "precision": 1,
        "recall": 1,
        "density": 1,
        "coverage": 1,
    }


def test_repeated_points_have_balls_of_radius_zero():
    # A closed ball of radius 0 holds its centre, an open one holds nothing.
    same = np.full((10, 3), 0.1)
    assert neighbour_metrics(same, same) == {
        "precision": 1,
        "recall": 1,
        "density": 0,
        "coverage": 0,
    }


def test_a_generator_far_away():
    real, fake = clouds()
    values = neighbour_metrics(real, 1e8 + fake)
    assert values == {"precision": 0, "recall": 0, "density": 0, "coverage": 0}
    # One sample that has gone astray must not blur the others.
    stray = np.concatenate([fake, np.full((1, 8), 1e12)])
    assert neighbour_metrics(real, stray)["coverage"] == neighbour_metrics(real, fake)["coverage"]


# --- oracles --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("d", "spread"), [(1, 12), (2, 4), (3, 2), (64, 1), (300, 1)])
def test_ties_on_a_grid_are_exact(d, spread):
    rng = np.random.default_rng(d)
    real = rng.integers(-spread, spread + 1, (40, d))
    fake = rng.integers(-spread, spread + 1, (45, d))
    expected = pytest.approx(by_definition(real, fake), rel=1e-14)
    # Thirds are not exact in binary; quarters are, also far from 0, but not once they are centred.
    assert in_chunks(11, real / 3, fake / 3) == expected
    assert neighbour_metrics(real / 4 + 1000, fake / 4 + 1000) == expected


def wide(n=140, m=170, d=256, kind=np.float32):
    rng = np.random.default_rng(0)
    real, fake = rng.standard_normal((n, d)), 0.97 * rng.standard_normal((m, d)) + 0.01
    return real.astype(kind), fake.astype(kind)


SETS = {
    "two clouds": lambda rng: wide(),
    "float64": lambda rng: wide(kind=np.float64),
    "far from 0": lambda rng: tuple(x + 1000 for x in wide()),
    "tiny": lambda rng: tuple(x * 1e-6 for x in wide()),
    "too tiny for float32": lambda rng: tuple(x.astype(float) * 1e-30 for x in wide()),
    "one sample gone astray": lambda rng: (
        wide()[0], np.vstack([wide()[1], 1e9 * np.ones(256)])
    ),
    "beyond float32": lambda rng: (
        wide(kind=np.float64)[0], np.vstack([wide()[1], 1e30 * np.ones(256)])
    ),
    "a set against itself": lambda rng: (wide()[0], wide()[0].copy()),
    "repeated training samples": lambda rng: (
        wide()[0], np.vstack([wide()[1], wide()[0][rng.integers(0, 140, 60)]])
    ),
    "one sample for all": lambda rng: (wide()[0], np.repeat(wide()[1][:1], 50, axis=0)),
    "few distinct samples": lambda rng: (
        wide()[0][rng.integers(0, 9, 120)], wide()[0][rng.integers(0, 12, 130)]
    ),
    "a grid full of ties": lambda rng: tuple(
        np.eye(256)[rng.integers(0, 256, n)] * rng.integers(1, 3, (n, 1)) for n in (90, 100)
    ),
    "few samples": lambda rng: wide(7, 8),
    "a narrow line": lambda rng: tuple(
        np.linspace(0, 1, n)[:, None] * np.ones(256) + 1e-6 * rng.standard_normal((n, 256))
        for n in (100, 90)
    ),
}  # fmt: skip


@pytest.mark.parametrize("chunk_rows", [16, 1000])
@pytest.mark.parametrize("name", SETS)
@pytest.mark.filterwarnings("error")
def test_hard_sets_of_many_dimensions(name, chunk_rows):
    real, fake = SETS[name](np.random.default_rng(1))
    for ks in ({}, {"precision_k": 1, "density_k": 3}):
        values = in_chunks(chunk_rows, real, fake, **ks)
        assert values == pytest.approx(by_differences(real, fake, **ks), rel=1e-14)


@settings(max_examples=40, deadline=None)
@given(
    real=st.lists(st.tuples(st.integers(-3, 3), st.integers(-3, 3)), min_size=6, max_size=14),
    fake=st.lists(st.tuples(st.integers(-3, 3), st.integers(-3, 3)), min_size=6, max_size=14),
    chunk_rows=st.integers(1, 15),
)
def test_any_small_grid_in_any_chunks(real, fake, chunk_rows):
    real, fake = np.array(real), np.array(fake)
    values = in_chunks(chunk_rows, real / 7, fake / 7)
    assert values == pytest.approx(by_definition(real, fake), rel=1e-14)


@pytest.mark.parametrize("seed", range(3))
def test_agrees_with_prdc(seed, capsys):
    # prdc has one k, and `<` for all four; without ties that is the same as `<=`.
    real, fake = clouds(seed=seed)
    three, five = (compute_prdc(real, fake, nearest_k=k) for k in (3, 5))
    capsys.readouterr()
    assert neighbour_metrics(real, fake) == pytest.approx(
        {
            "precision": three["precision"],
            "recall": three["recall"],
            "density": five["density"],
            "coverage": five["coverage"],
        },
        rel=1e-14,
    )


@pytest.mark.parametrize("save_cpu_ram", [False, True])
def test_agrees_with_torch_fidelity(save_cpu_ram):
    real, fake = clouds(seed=3)
    oracle = metric_prc.prc_features_to_metric(
        torch.from_numpy(fake),
        torch.from_numpy(real),
        prc_neighborhood=3,
        prc_batch_size=64,
        save_cpu_ram=save_cpu_ram,
        verbose=False,
    )
    expected = oracle[metric_prc.KEY_METRIC_PRECISION], oracle[metric_prc.KEY_METRIC_RECALL]
    # torch-fidelity averages in float32.
    assert precision_recall(real, fake) == pytest.approx(expected, rel=1e-6)
    assert expected[0] != expected[1]


# --- properties -----------------------------------------------------------------------------------


@pytest.mark.parametrize("chunk_rows", [1, 4, 33, 150, 1000])
def test_the_chunks_do_not_matter(chunk_rows):
    real, fake = clouds()
    assert in_chunks(chunk_rows, real, fake) == neighbour_metrics(real, fake)


def test_the_order_of_rows_does_not_matter():
    real, fake = clouds()
    rng = np.random.default_rng(2)
    assert neighbour_metrics(rng.permutation(real), rng.permutation(fake)) == (
        neighbour_metrics(real, fake)
    )


def test_each_k_reaches_its_own_metrics():
    real, fake = clouds()
    values = neighbour_metrics(real, fake, precision_k=2, density_k=7)
    assert (values["precision"], values["recall"]) == precision_recall(real, fake, k=2)
    assert (values["density"], values["coverage"]) == density_coverage(real, fake, k=7)
    assert (
        neighbour_metrics(real, fake, precision_k=9, density_k=2)["coverage"]
        == (density_coverage(real, fake, k=2)[1])
    )


def test_memory_is_bounded_by_the_chunks():
    real, fake = clouds(2000, 2500, 4)
    tracemalloc.start()
    in_chunks(50, real, fake)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 6e6  # all pairs at once are 40e6 bytes


def test_memory_is_bounded_in_many_dimensions():
    real, fake = wide(1500, 1500)
    tracemalloc.start()
    neighbour_metrics(real, fake)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 9e6  # all pairs at once are 18e6 bytes; a centred copy is 3e6


# --- errors ---------------------------------------------------------------------------------------


def test_k_is_checked_against_the_counts():
    with pytest.raises(ValueError, match=r"at least 4 rows each \(k \+ 1, with k = 3\).*\(3, 1\)"):
        precision_recall(line(0, 1, 2), line(0, 1, 2, 3))
    with pytest.raises(ValueError, match=r"at least 6 rows each .* fake \(5, 1\)"):
        neighbour_metrics(line(*range(9)), line(*range(5)))
    assert precision_recall(line(0, 1, 2, 3), line(0, 1, 2, 3)) == (1, 1)
    with pytest.raises(ValueError, match="k must be at least 1: got 0"):
        density_coverage(A, B, k=0)
