"""What every plug-in must do, over all plug-ins and all combinations that are not declared n/a."""

from __future__ import annotations

import math
import re

import pytest
import torch

from ganlore.losses import LogitLoss
from ganlore.networks import Spec
from ganlore.steps import Step
from ganlore.study import declarations, registry
from ganlore.study.expand import expand
from ganlore.study.schema import load
from ganlore.training import build
from ganlore.training.batches import Batches
from tiny import PLACES, at_step, equal, every_combination, tiny

PLAN = every_combination(steps=3)


@pytest.mark.parametrize("run", PLAN.runs, ids=lambda run: run.id)
def test_trains_finite_and_both_networks_learn(run, trained, stores) -> None:
    """Three generator steps of every combination: finite, and weights moved."""
    store = stores[run.dataset.name]
    start = build.train_state(run, store.shape, store.classes, torch.device("cpu"))
    status, saved = trained(run)
    assert status == "done"
    for row in saved["history"]:
        # a layer without a gradient has no slope: kernels that tell nothing of far-apart points
        reported = {name: value for name, value in row.items() if name != "d_gradient_slope"}
        assert all(math.isfinite(value) for value in reported.values()), row
    for part in saved["networks"].values():
        assert all(bool(value.isfinite().all()) for value in part.values())
    for part in ("generator", "discriminator"):
        moved = [
            name
            for name, value in getattr(start, part).named_parameters()
            if not torch.equal(value, saved["networks"][part][name])
        ]
        assert moved, part


@pytest.mark.parametrize("run", PLAN.runs[::7], ids=lambda run: run.id)
def test_a_whole_training_has_the_same_bits_again(run, trained) -> None:
    """Of every seventh combination; test_graphs.py has the steps of all of them made twice."""
    one, other = (trained(run)[1] for _ in range(2))
    for part in ("networks", "snapshots"):
        assert equal(one[part], other[part]), part


def test_every_combination_runs_or_has_a_reason() -> None:
    wanted = len(PLACES) * len(registry.find("loss")) * len(registry.find("trick"))
    assert len(PLAN.runs) + len(PLAN.missing) == wanted
    for gap in PLAN.missing:
        assert len(gap.reason) > 30, gap


@pytest.mark.parametrize("kind", registry.KINDS)
def test_declarations_read_without_running_are_those_of_the_class(kind: str) -> None:
    """What the syntax tree says is what Python says: settings, defaults and facts."""
    for name in registry.find(kind):
        declared = registry.declaration(kind, name)
        instance = registry.create(kind, name, {})
        for field in declared.model.model_fields:
            assert getattr(instance, field) == declared.model.model_fields[field].default, name
        for fact, value in declared.facts.items():
            assert getattr(instance, fact) == value, (name, fact)
        assert instance.name == name
        assert declared.summary.endswith("."), name


@pytest.mark.parametrize("name", registry.find("loss"))
def test_losses_cite_their_source_and_show_their_formula(name: str) -> None:
    declared = registry.declaration("loss", name)
    assert re.search(r"arXiv:\d{4}\.\d{4,5}", declared.fact("paper")), name
    assert len(declared.fact("formula")) == 2, name


def test_no_plug_in_is_named_outside_its_own_kind_of_place() -> None:
    """The loop and its helpers know no loss and no trick: only plug-ins name plug-ins."""
    names = set(registry.find("loss")) | set(registry.find("trick")) - {"none"}
    for folder in ("steps", "training", "evaluation", "execution", "study"):
        for path in (declarations.PACKAGE / folder).glob("*.py"):
            strings = set(re.findall(r"[\"']([a-z0-9+-]+)[\"']", path.read_text(encoding="utf-8")))
            assert not strings & names, (path, strings & names)


def test_the_training_loop_is_short() -> None:
    modules = (declarations.PACKAGE / "training" / f"{name}.py" for name in ("loop", "trainer"))
    assert sum(len(path.read_text(encoding="utf-8").splitlines()) for path in modules) < 250


SHAPES = {
    "points": [(2,)],
    "halving size": [(1, 8, 8), *((3, size, size) for size in (16, 28, 32, 64))],
    "images": [(1, 8, 8), (3, 32, 32), (2, 7, 5), (1, 1, 1)],
}
"""Shapes of samples that a network can have, by the narrowest thing that it requires of them."""


def small_network(name: str):
    """A network family, of width 8 if it has that setting."""
    settings = registry.declaration("network", name).model.model_fields
    return registry.create("network", name, {"width": 8} if "width" in settings else {})


def shapes_of(network: str) -> list[tuple[int, ...]]:
    required = registry.declaration("network", network).fact("requires", {})
    narrowest = (shapes for need, shapes in SHAPES.items() if need in required)
    return next(narrowest, [*SHAPES["points"], *SHAPES["halving size"]])


@pytest.mark.parametrize(
    "network, shape",
    [(network, shape) for network in registry.find("network") for shape in shapes_of(network)],
)
def test_networks_have_the_shapes_that_they_promise(network: str, shape) -> None:
    family = small_network(network)
    spec = Spec(shape, latent=5)
    generator, discriminator = family.generator(spec), family.discriminator(spec)
    samples = generator(torch.randn(4, 5))
    assert samples.shape == (4, *shape)
    if spec.images:
        assert samples.abs().max() <= 1
    assert discriminator(samples).shape == (4,)
    assert discriminator.features(samples).shape == (4, discriminator.width)
    encoder = family.discriminator(Spec(shape, 5, outputs=7))
    assert encoder(samples).shape == (4, 7)


@pytest.mark.parametrize("network", registry.find("network"))
def test_discriminators_judge_each_sample_by_itself(network: str) -> None:
    """Penalties, packing and relativistic means need outputs that do not depend on the batch."""
    family, shape = small_network(network), shapes_of(network)[0]
    discriminator = family.discriminator(Spec(shape, 5)).train()
    images = torch.randn(6, *shape)
    alone = torch.cat([discriminator(image[None]) for image in images])
    assert torch.allclose(discriminator(images), alone, atol=1e-5)


def test_cells_of_a_seed_begin_equal_where_they_are_alike(stores) -> None:
    """The same seed gives every loss and trick the same start, as far as their layers agree."""

    def weights(network) -> dict[str, torch.Tensor]:
        """By the layer's own names: a weight that is parametrised is drawn as any other."""
        actual = network.state_dict()
        return {
            n.replace("parametrizations.", "").removesuffix(".original"): actual[n] for n in actual
        }

    starts = [
        weights(build.train_state(run, (2,), 8, torch.device("cpu")).generator)
        for run in PLAN.runs
        if run.dataset.name == "ring"
    ]
    for start in starts:
        assert start.keys() >= starts[0].keys()
        different = [
            name
            for name, value in starts[0].items()
            if value.shape == start[name].shape and not torch.equal(value, start[name])
        ]
        assert not different
    assert sum(equal(starts[0], start) for start in starts) > len(starts) / 2


def test_another_seed_begins_elsewhere(stores) -> None:
    plan = expand(tiny(seeds=[0, 1], grids=[{"datasets": ["ring"], "networks": ["mlp"]}]))
    one, two = (
        build.train_state(run, (2,), 8, torch.device("cpu")).generator.state_dict()
        for run in plan.runs[:2]
    )
    assert not equal(one, two)


def test_the_study_of_the_recurrent_network_holds_every_loss() -> None:
    """Or says why not; binary cross-entropy in both of its forms among them."""
    plan = expand(load("configs/rnn.yaml"))
    assert {run.network.name for run in plan.runs} == {"rnn"}
    cells = [*plan.runs, *plan.missing]
    assert {cell.loss if isinstance(cell.loss, str) else cell.loss.name for cell in cells} == set(
        registry.find("loss")
    )
    assert {"minimax", "nonsaturating"} <= {run.loss.name for run in plan.runs}
    assert {run.seed for run in plan.runs} == {0, 1, 2}
    assert plan.study.results != load("configs/default.yaml").results


@pytest.mark.parametrize("name, seeds", [("default", 3), ("smoke", 1), ("matrix", 6)])
def test_the_studies_that_ship_hold_all_losses(name: str, seeds: int) -> None:
    """And the smoke test all tricks; the default study has those of the articles."""
    plan = expand(load(f"configs/{name}.yaml"))
    assert {run.loss.name for run in plan.runs} == set(registry.find("loss"))
    if name == "smoke":
        assert {run.trick for run in plan.runs} == set(registry.find("trick"))
    assert len({run.seed for run in plan.runs}) == seeds


@pytest.mark.parametrize("run", PLAN.runs, ids=lambda run: run.id)
def test_every_combination_is_finite_at_large_logits(run, stores) -> None:
    """Losses, penalties and gradients, in both turns, with logits of the order of 10,000."""
    store = stores[run.dataset.name]
    train_state = build.train_state(run, store.shape, store.classes, torch.device("cpu"))
    classify = train_state.discriminator.classify
    train_state.discriminator.classify = lambda features, labels=None: (
        1e4 * classify(features, labels)
    )
    batch = Batches(store, 16, 0, torch.device("cpu"))[0]
    for phase, network in (
        ("discriminator", train_state.discriminator),
        ("generator", train_state.generator),
    ):
        step = Step(
            train_state, phase, *batch, torch.Generator().manual_seed(0), at_step(train_state), 4
        )
        value = getattr(train_state.loss, phase)(step)
        if phase == "discriminator":
            value = value + sum(trick.penalty(step) for trick in train_state.tricks)
        assert value.isfinite()
        parameters = [p for p in network.parameters() if p.requires_grad]
        for gradient in torch.autograd.grad(value, parameters, allow_unused=True):
            assert gradient is None or gradient.isfinite().all()


@pytest.mark.parametrize("run", PLAN.runs, ids=lambda run: run.id)
def test_every_combination_pulls_the_right_way(run, stores) -> None:
    """Raising all real logits lowers the discriminator's loss, raising generated ones raises it and
    lowers the generator's, through the tricks' changes of logits."""
    loss = registry.create("loss", run.loss.name, run.loss.settings)
    tricks = [registry.create("trick", part.name, part.settings) for part in run.applied]

    if not isinstance(loss, LogitLoss):
        return _pulls_through_a_step(run, stores)

    def gradients(objective, at: float) -> tuple[float, float]:
        real = torch.zeros(4, requires_grad=True)
        fake = torch.full((4,), at, requires_grad=True)
        seen = real, fake
        for trick in tricks:
            seen = trick.logits(*seen)
        actual = torch.autograd.grad(objective(*seen), (real, fake), allow_unused=True)
        return tuple(0.0 if g is None else float(g.sum()) for g in actual)

    relative = loss.relative or any(trick.relative for trick in tricks)
    form = loss.relative_discriminator_loss if relative else loss.discriminator_loss
    real, fake = gradients(form, 0.25)  # above the target of generated samples
    assert real < 0 < fake
    form = loss.relative_generator_loss if relative else lambda r, f: loss.generator_loss(f)
    assert gradients(form, -2.0)[1] < 0  # below what the generator aims at


def _pulls_through_a_step(run, stores) -> None:
    """The same for a loss that is no function of two batches of logits: through its whole step."""
    store = stores[run.dataset.name]
    train_state = build.train_state(run, store.shape, store.classes, torch.device("cpu"))
    for module in train_state.modules.values():
        for state in module.buffers():
            state.fill_(0.5)  # a weight of generated samples that begins at 0 would hide its sign
    batch = Batches(store, 16, 0, torch.device("cpu"))[0]
    for phase in ("discriminator", "generator"):
        step = Step(
            train_state, phase, *batch, torch.Generator().manual_seed(0), at_step(train_state), 4
        )
        logits = [torch.zeros(16, requires_grad=True), torch.zeros(16, requires_grad=True)]
        step._real, step._fake = ((torch.zeros(16, 1), leaf) for leaf in logits)
        value = getattr(train_state.loss, phase)(step)
        real, fake = torch.autograd.grad(value, logits, allow_unused=True)
        if phase == "discriminator":
            assert (real < 0).all() and (fake > 0).all()
        else:
            assert (fake < 0).all()
