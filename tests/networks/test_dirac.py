"""The Dirac-GAN: this project's own updates against the closed forms of arXiv:1801.04406.

G(z) = theta and D(x) = psi x, all data at 0. With f(t) = -log(1 + exp(-t)) for binary cross-entropy
f'(0) = 1/2 and f''(0) = -1/4; for Wasserstein f'(0) = 1 and f''(0) = 0.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from ganlore import data as datasets
from ganlore import features
from ganlore.data import Store
from ganlore.evaluation import evaluate
from ganlore.study import registry
from ganlore.study.expand import expand
from ganlore.study.run import Run
from ganlore.training import session
from ganlore.training.trainer import Trainer
from tiny import tiny

CPU = torch.device("cpu")
SIZE = 20_000
RATE = 0.1
SLOPE = {"minimax": 0.5, "nonsaturating": 0.5, "wgan": 1.0}
"""f'(0)."""
CURVATURE = -0.25
"""f''(0) of binary cross-entropy."""


@pytest.fixture(scope="module")
def dirac(tmp_path_factory: pytest.TempPathFactory) -> Store:
    settings = registry.declaration("dataset", "dirac").settings({"n_train": SIZE})
    plugin = registry.create("dataset", "dirac", settings)
    folder = tmp_path_factory.mktemp("data") / "prepared" / "dirac"
    return datasets.prepare("dirac", plugin, settings, folder)


def dirac_run(loss: str, trick: str = "none", **changes: Any) -> Run:
    """One run of SGD at `RATE`; `training` and `settings` may be changed."""
    training = {
        "optimizer": {"kind": "sgd", "lr": RATE},
        "budget": 4 * 4000,
        "batch": 4,
        "latent": 1,
        "snapshots": 1,
        **changes.pop("training", {}),
    }
    grid = {"datasets": ["dirac"], "networks": ["dirac"], "losses": [loss], "tricks": [trick]}
    settings = {"datasets": {"dirac": {"n_train": SIZE}}, **changes.pop("settings", {})}
    return expand(tiny(grids=[grid], training=training, settings=settings, **changes)).runs[0]


def parameters(trainer: Trainer) -> tuple[torch.nn.Parameter, torch.nn.Parameter]:
    """Theta and psi."""
    (theta,), (psi,) = (
        list(network.parameters())
        for network in (trainer.state.generator, trainer.state.discriminator)
    )
    return theta, psi


def place(trainer: Trainer) -> NDArray[np.float64]:
    """(theta, psi) as they are."""
    return np.array([parameter.item() for parameter in parameters(trainer)])


@torch.no_grad()
def put(trainer: Trainer, at: tuple[float, float]) -> None:
    for parameter, value in zip(parameters(trainer), at, strict=True):
        parameter.fill_(value)


def jacobian(run: Run, store: Store, distance: float = 0.01) -> NDArray[np.float64]:
    """The derivative at (0, 0) of the update up to the generator's, by central differences."""
    trainer = session.build_trainer(run, store, CPU)

    def update(at: tuple[float, float]) -> NDArray[np.float64]:
        put(trainer, at)
        for number in range(trainer.state.n_critic):
            trainer.step(number)  # noise is keyed by the step: the same at each place
        return place(trainer)

    columns = [
        (update(at) - update((-at[0], -at[1]))) / (2 * distance)
        for at in ((distance, 0.0), (0.0, distance))
    ]
    return np.stack(columns, axis=1)


def eigenvalues(matrix: NDArray[np.float64]) -> NDArray[np.complex128]:
    return np.sort_complex(np.linalg.eigvals(matrix).astype(complex))


def pair(centre: complex, squared: complex) -> NDArray[np.complex128]:
    """centre +- sqrt(squared)."""
    root = np.sqrt(complex(squared))
    return np.sort_complex(np.array([centre - root, centre + root]))


def alternating(slope: float, damping: float = 0.0, n: int = 1) -> NDArray[np.complex128]:
    """Eigenvalues of n updates of psi by `damping` psi and theta's force, then one of theta.

    Undamped: 1 - a^2 / 2 +- sqrt((1 - a^2 / 2)^2 - 1) with a = sqrt(n) h f'(0), of modulus 1. Else
    n = 1: the roots of z^2 - (2 - a^2 - h damping) z + (1 - h damping).
    """
    assert n == 1 or not damping
    squared, lost = n * (RATE * slope) ** 2, RATE * damping
    half = 1 - (squared + lost) / 2
    return pair(half, half**2 - (1 - lost))


def simultaneous(slope: float, damping: float = 0.0) -> NDArray[np.complex128]:
    """1 + h l, with l = -damping / 2 +- sqrt(damping^2 / 4 - f'(0)^2) of the continuous system."""
    return 1 + RATE * pair(-damping / 2, damping**2 / 4 - slope**2)


UNREGULARISED = ("minimax", "nonsaturating", "wgan")


@pytest.mark.parametrize("loss", UNREGULARISED)
@pytest.mark.parametrize("n", [1, 3])
def test_alternating_updates_have_eigenvalues_on_the_unit_circle(dirac, loss, n) -> None:
    """Each keeps its distance: neither converges nor diverges, whatever n_critic is."""
    run = dirac_run(loss, settings={"losses": {loss: {"n_critic": n} | clip(loss)}})
    actual = eigenvalues(jacobian(run, dirac))
    assert actual == pytest.approx(alternating(SLOPE[loss], n=n), abs=1e-4)
    assert abs(actual) == pytest.approx([1, 1], abs=1e-4)


@pytest.mark.parametrize("loss", UNREGULARISED)
def test_simultaneous_updates_have_eigenvalues_outside(dirac, loss) -> None:
    """`generator-first`: the discriminator sees the samples from before the generator's update."""
    settings = {"losses": {loss: {"n_critic": 1} | clip(loss)}}
    run = dirac_run(loss, settings=settings, training={"order": "generator-first"})
    actual = eigenvalues(jacobian(run, dirac))
    assert actual == pytest.approx(simultaneous(SLOPE[loss]), abs=1e-4)
    assert abs(actual).min() > 1


def clip(loss: str, bound: float = 1000.0) -> dict[str, float]:
    """Wasserstein's constraint, by default so wide that it does not act."""
    return {"clip": bound} if loss == "wgan" else {}


@pytest.mark.parametrize("trick", ["r1", "r2"])
@pytest.mark.parametrize("gamma", [0.3, 1.0, 4.0])
@pytest.mark.parametrize("order", ["discriminator-first", "generator-first"])
def test_gradient_penalties_have_the_papers_eigenvalues(dirac, trick, gamma, order) -> None:
    """Complex below gamma = 2 f'(0), at it equal, above it real; all inside the unit circle."""
    run = dirac_run(
        "nonsaturating",
        trick,
        settings={"tricks": {trick: {"gamma": gamma}}},
        training={"order": order},
    )
    expected = (alternating if order == "discriminator-first" else simultaneous)(0.5, gamma)
    actual = jacobian(run, dirac)
    # trace and determinant: two equal roots move by the root of an error
    assert np.trace(actual) == pytest.approx(expected.sum().real, abs=1e-4)
    assert np.linalg.det(actual) == pytest.approx(expected.prod().real, abs=1e-4)
    assert abs(eigenvalues(actual)).max() < 1


@pytest.mark.parametrize("order", ["discriminator-first", "generator-first"])
@pytest.mark.parametrize("std", [1.0, 2.0])
def test_instance_noise_has_the_papers_eigenvalues(dirac, std, order) -> None:
    """f'' s^2 +- sqrt(f''^2 s^4 - f'^2): as a penalty of gamma = -2 f'' s^2."""
    run = dirac_run(
        "nonsaturating",
        "instance-noise",
        settings={"tricks": {"instance-noise": {"start": std, "end": std}}},
        training={"order": order, "batch": SIZE, "budget": 5 * SIZE},
    )
    expected = (alternating if order == "discriminator-first" else simultaneous)(
        0.5, -2 * CURVATURE * std**2
    )
    actual = eigenvalues(jacobian(run, dirac))
    assert actual == pytest.approx(expected, abs=0.01)  # 20,000 samples of the noise
    assert abs(actual).max() < 0.99


def path(run: Run, store: Store, steps: int, start: tuple[float, float]) -> NDArray[np.float64]:
    """(theta, psi) after each step, (steps + 1, 2)."""
    trainer = session.build_trainer(run, store, CPU)
    put(trainer, start)
    places = [place(trainer)]
    for number in range(steps):
        trainer.step(number)
        places.append(place(trainer))
    return np.stack(places)


def test_the_orbit_of_alternating_updates_is_an_ellipse(dirac) -> None:
    """theta^2 + psi^2 - a theta psi stays what it is, for 1,000 updates."""
    run = dirac_run("wgan", settings={"losses": {"wgan": {"n_critic": 1, "clip": 1000.0}}})
    theta, psi = path(run, dirac, 1000, (1.0, 0.5)).T
    kept = theta**2 + psi**2 - RATE * theta * psi
    assert kept == pytest.approx(np.full(1001, kept[0]), rel=1e-4)


def test_simultaneous_updates_spiral_out_at_the_rate_of_their_eigenvalue(dirac) -> None:
    """The distance grows by sqrt(1 + a^2) in each of 300 updates."""
    settings = {"losses": {"wgan": {"n_critic": 1, "clip": 1000.0}}}
    run = dirac_run("wgan", settings=settings, training={"order": "generator-first"})
    distance = np.linalg.norm(path(run, dirac, 300, (0.1, 0.1)), axis=1)
    assert distance == pytest.approx(distance[0] * (1 + RATE**2) ** (np.arange(301) / 2), rel=1e-4)


def test_r1_spirals_in_at_the_rate_of_its_eigenvalue(dirac) -> None:
    """sqrt(1 - h gamma) in each update, alternating."""
    run = dirac_run("nonsaturating", "r1", settings={"tricks": {"r1": {"gamma": 0.5}}})
    distance = np.linalg.norm(path(run, dirac, 400, (1.0, 1.0)), axis=1)
    assert (distance[400] / distance[100]) ** (1 / 300) == pytest.approx(
        np.sqrt(1 - RATE * 0.5), rel=0.002
    )


def test_without_a_penalty_nonsaturating_has_no_rate(dirac) -> None:
    """Its nonlinear terms shrink r^2 = theta^2 + psi^2 by the sum of (theta psi)^2 alone.

    d r^2 / dt = 2 theta psi (s(-theta psi) - s(theta psi)), s the sigmoid, is -(theta psi)^2 to
    fourth order, and r^4 / 8 on average over a circle. So r^2 = 1 / (1 / r0^2 + t / 8): the
    distance falls as the root of time, and by no factor in any number of steps.
    """
    distance = np.linalg.norm(path(dirac_run("nonsaturating"), dirac, 3000, (0.5, 0.0)), axis=1)
    for step in (1000, 3000):
        expected = 1 / (1 / 0.5**2 + RATE * step / 8)
        assert distance[step] ** 2 == pytest.approx(expected, rel=0.05)


def test_without_a_penalty_nonsaturating_keeps_a_radius_where_both_move_at_once(dirac) -> None:
    """Each update adds h^2 r^2 / 4 to r^2 and takes h r^4 / 8: both are equal at r^2 = 2 h.

    From the inside and from the outside; at once, the path of `dirac.yaml`.
    """
    run = dirac_run("nonsaturating", training={"order": "generator-first"})
    for start in ((0.2, 0.0), (0.8, 0.0)):
        distance = np.linalg.norm(path(run, dirac, 3000, start)[-200:], axis=1)
        assert distance.mean() == pytest.approx(np.sqrt(2 * RATE), rel=0.05)


CASES: dict[str, tuple[str, str, dict[str, Any], dict[str, Any], bool]] = {
    "minimax": ("minimax", "none", {}, {}, False),
    "nonsaturating": ("nonsaturating", "none", {}, {}, False),
    "wgan": ("wgan", "none", {"losses": {"wgan": {"clip": 1.0}}}, {}, False),
    "wgan-gp": ("wgan-gp", "none", {"losses": {"wgan-gp": {"weight": 0.25}}}, {}, False),
    "instance noise": (
        "nonsaturating",
        "instance-noise",
        {"tricks": {"instance-noise": {"start": 1.0, "end": 0.2}}},
        {"batch": 500, "budget": 500 * 2000},
        True,
    ),
    "r1": ("nonsaturating", "r1", {"tricks": {"r1": {"gamma": 0.5}}}, {}, True),
}
"""Loss, trick, settings, training, and whether it converges (section 2, figure 1)."""


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("seed", [0, 1])
def test_what_converges_is_what_the_paper_says(dirac, name, seed) -> None:
    """From where a run begins, in 2,000 steps: within .05 of the data, or away beyond .15."""
    loss, trick, settings, training, converges = CASES[name]
    run = dirac_run(loss, trick, settings=settings, training=training, seeds=[seed])
    trainer = session.build_trainer(run, dirac, CPU)
    assert np.all((place(trainer) >= 0.5) & (place(trainer) <= 1.5))
    theta = abs(path(run, dirac, 2000, tuple(place(trainer)))[1500:, 0])
    if converges:
        assert theta.max() < 0.05
    else:
        assert theta.max() > 0.15


@pytest.mark.parametrize(
    "loss, trick",
    [
        *((loss, "none") for loss in registry.find("loss")),
        *(("nonsaturating", trick) for trick in registry.find("trick")),
    ],
)
def test_every_loss_and_trick_runs_on_it_or_says_why_not(dirac, loss, trick, fitted) -> None:
    grid = {"datasets": ["dirac"], "networks": ["dirac"], "losses": [loss], "tricks": [trick]}
    ring = {"datasets": ["ring"], "networks": ["mlp"], "losses": ["nonsaturating"]}
    training = {"budget": 16 * 20, "snapshots": 1, "history": 1}
    plan = expand(tiny(grids=[grid, ring], training=training))
    runs = [run for run in plan.runs if run.dataset.name == "dirac"]
    if not runs:
        assert all(len(gap.reason) > 30 for gap in plan.missing)
        return
    trainer = session.build_trainer(runs[0], dirac, CPU)
    (theta,) = trainer.state.generator.parameters()
    start = theta.clone()
    for number in range(10):
        trainer.step(number)
    weights = [p for part in trainer.state.networks for p in part.parameters()]
    assert all(bool(p.isfinite().all()) for p in weights)
    assert not torch.equal(theta, start)


def test_its_distance_from_the_data_is_measured(dirac, tmp_path: Path) -> None:
    """`centre_distance` of a snapshot is |theta|."""
    store = Store(tmp_path / "prepared" / "dirac", dirac.manifest)
    store.folder.parent.mkdir()
    store.folder.symlink_to(dirac.folder)
    folder = tmp_path / "extractors" / "dirac" / "coordinates"
    features.fit("coordinates", store, folder)
    run = dirac_run("nonsaturating")
    trainer = session.build_trainer(run, store, CPU)
    put(trainer, (-0.75, 0.0))
    weights = {n: v.clone() for n, v in trainer.state.generator.state_dict().items()}
    snapshot = {"step": run.training.steps, "weights": weights, "modules": {}}
    rows, _ = evaluate.evaluate(run, {"status": "done"}, [snapshot], store, tmp_path)
    values = {row["metric"]: row["value"] for row in rows}
    assert values["centre_distance"] == 0.75
    assert values["fid"] == pytest.approx(0.75**2)
    floor = {
        row["metric"]: row["value"]
        for row in evaluate.floor("coordinates", store, tmp_path, run.protocol)
    }
    assert floor["centre_distance"] == 0 and floor["fid"] == pytest.approx(0, abs=1e-9)
