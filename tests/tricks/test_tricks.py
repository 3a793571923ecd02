"""The defining property of each trick."""

from __future__ import annotations

import copy
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from ganlore.networks import Spec
from ganlore.settings import Optimizer
from ganlore.steps import Moment, Step
from ganlore.steps.schedule import learning_rates
from ganlore.study import registry
from ganlore.training import build
from tiny import at_step, equal, tiny_run


def make_state(stores, run):
    store = stores[run.dataset.name]
    return build.train_state(run, store.shape, store.classes, torch.device("cpu"))


def step_of(stores, run, phase="discriminator"):
    train_state = make_state(stores, run)
    store = stores[run.dataset.name]
    images = torch.randn(8, *store.shape, generator=torch.Generator().manual_seed(0))
    rng = torch.Generator().manual_seed(1)
    return Step(
        train_state,
        phase,
        images,
        torch.zeros(8, dtype=torch.int64),
        rng,
        at_step(train_state),
        4,
    )


def test_every_trick_has_a_tip_and_a_paper() -> None:
    for name in registry.find("trick"):
        declared = registry.declaration("trick", name)
        assert declared.summary.endswith("."), name
        assert declared.fact("tip") and declared.fact("paper"), name


def test_ttur_keeps_the_pace_and_changes_the_balance() -> None:
    trick = registry.create("trick", "ttur", {})
    settings = trick.optimizer(Optimizer(lr=2e-4))
    assert learning_rates(settings) == pytest.approx((1e-4, 4e-4))  # SAGAN's, arXiv:1805.08318
    assert trick.n_critic(5) == 1


@pytest.mark.parametrize("dataset", ["ring", "digits"])
@pytest.mark.parametrize("loss", ["nonsaturating", "cgan"])
def test_spectral_norm_is_one_in_training_evaluation_and_after_a_round_trip(
    stores, dataset, loss
) -> None:
    run = tiny_run(dataset, loss, trick="spectral-norm")
    train_state = make_state(stores, run)
    images, labels = torch.randn(8, *stores[dataset].shape), torch.arange(8)
    for _ in range(200):  # one power iteration for each forward pass
        train_state.discriminator(images, labels)

    def largest(network: nn.Module) -> list[float]:
        kinds = (nn.Linear, nn.Conv2d, nn.Embedding)
        layers = [m for m in network.modules() if isinstance(m, kinds)]
        assert len(layers) > 2
        assert (loss == "cgan") == any(isinstance(m, nn.Embedding) for m in layers)
        return [float(torch.linalg.matrix_norm(m.weight.detach().flatten(1), 2)) for m in layers]

    assert largest(train_state.discriminator) == pytest.approx(
        [1.0] * len(largest(train_state.discriminator)), abs=1e-3
    )
    train_state.discriminator.eval()
    assert largest(train_state.discriminator) == pytest.approx(
        [1.0] * len(largest(train_state.discriminator)), abs=1e-3
    )
    other = make_state(stores, run)
    other.discriminator.load_state_dict(copy.deepcopy(train_state.discriminator.state_dict()))
    other.discriminator.eval()
    assert equal(other.discriminator(images, labels), train_state.discriminator(images, labels))


def test_spectral_norm_makes_no_power_iteration_in_evaluation(stores) -> None:
    train_state = make_state(stores, tiny_run(trick="spectral-norm"))
    train_state.discriminator.eval()
    before = copy.deepcopy(train_state.discriminator.state_dict())
    train_state.discriminator(torch.randn(8, 2))
    assert equal(before, train_state.discriminator.state_dict())


@pytest.mark.parametrize("m", [1, 2, 4])
def test_packing_concatenates_neighbours_on_the_channel_axis(m: int) -> None:
    trick = registry.create("trick", "packing", {"m": m})
    images = torch.arange(8 * 3 * 2 * 2).float().reshape(8, 3, 2, 2)
    packed = trick.view(images, None)
    assert packed.shape == (8 // m, 3 * m, 2, 2)
    by_hand = torch.stack([torch.cat(list(images[i : i + m])) for i in range(0, 8, m)])
    assert torch.equal(packed, by_hand)
    assert trick.discriminator_spec(Spec((3, 2, 2), 4)).shape == (3 * m, 2, 2)


@pytest.mark.parametrize("dataset", ["ring", "digits"])
def test_packing_of_one_is_no_packing_bit_for_bit(trained, dataset) -> None:
    one = tiny_run(dataset, trick="packing", settings={"tricks": {"packing": {"m": 1}}})
    _, packed = trained(one)
    _, plain = trained(tiny_run(dataset))
    assert equal(packed["networks"], plain["networks"])


def test_packing_widens_the_first_layer_only(stores) -> None:
    for dataset in ("ring", "digits"):
        plain = make_state(stores, tiny_run(dataset)).discriminator.state_dict()
        packed = make_state(stores, tiny_run(dataset, trick="packing")).discriminator.state_dict()
        changed = [name for name in plain if plain[name].shape != packed[name].shape]
        assert len(changed) == 1
        assert all(torch.equal(plain[n], packed[n]) for n in plain if n not in changed)


def test_relativistic_logits_both_ways() -> None:
    trick = registry.create("trick", "relativistic", {})
    real, fake = trick.logits(torch.tensor([2.0, 0.0]), torch.tensor([-2.0, 0.0]))
    assert real.tolist() == [3.0, 1.0]  # minus the mean of the generated ones, -1
    assert fake.tolist() == [-3.0, -1.0]  # minus the mean of the real ones, 1


def test_relativistic_generator_swaps_roles_and_counts_both_halves(stores) -> None:
    """By hand for the non-saturating loss: E sp(-(f - E r)) + E sp(r - E f)."""
    step = step_of(stores, tiny_run(trick="relativistic"), "generator")
    real, fake = step.real_logits, step.fake_logits
    sp = nn.functional.softplus
    by_hand = sp(-(fake - real.mean())).mean() + sp(real - fake.mean()).mean()
    assert float(step.state.loss.generator(step).detach()) == pytest.approx(
        float(by_hand.detach()), rel=1e-6
    )
    assert not real.requires_grad and fake.requires_grad


def test_r1_is_half_gamma_times_the_squared_gradient(stores) -> None:
    run = tiny_run("digits", trick="r1", settings={"tricks": {"r1": {"gamma": 3.0}}})
    step = step_of(stores, run)
    images = step.images.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(step.state.discriminator(images).sum(), images)
    by_hand = 1.5 * gradient.flatten(1).square().sum(1).mean()
    assert float(step.state.tricks[0].penalty(step)) == pytest.approx(float(by_hand), rel=1e-5)


def test_gradient_penalty_pulls_the_norm_to_one(trained) -> None:
    """With the penalty at full weight the norms end near 1; the loss alone leaves them elsewhere."""
    from ganlore.steps import penalties

    norms = {}
    for trick in ("none", "gradient-penalty"):
        run = tiny_run(
            trick=trick,
            training={"budget": 16 * 300, "optimizer": {"lr": 5e-3}},
            settings={"networks": {"mlp": {"width": 32}}},
        )
        _, saved = trained(run)
        train_state = build.train_state(run, (2,), 8, torch.device("cpu"))
        train_state.discriminator.load_state_dict(saved["networks"]["discriminator"])
        points = torch.randn(200, 2, generator=torch.Generator().manual_seed(0)) * 0.5
        norms[trick] = penalties.gradient_norms(train_state.discriminator, points).detach()
    assert abs(float(norms["gradient-penalty"].mean()) - 1) < 0.25
    assert (norms["gradient-penalty"] - 1).square().mean() < (norms["none"] - 1).square().mean()


def test_ema_equals_its_closed_form() -> None:
    """After steps with weights w1, w2, ...: a <- d a + (1 - d) w, d = .5^(B / min(H, share seen))."""
    trick = registry.create("trick", "ema", {"halflife": 40, "rampup": 0.5})
    generator = nn.Linear(1, 1, bias=False)
    nn.init.zeros_(generator.weight)
    generator.norm = nn.BatchNorm1d(1, affine=False)  # its statistics go the same way
    generator.register_buffer("direction", torch.zeros(1))  # all other buffers are taken over
    encoder = nn.Linear(1, 1, bias=False)  # of a loss that has one, averaged with its generator
    modules = trick.modules(generator, nn.Identity(), {"encoder": encoder})
    modules["encoder"] = encoder
    start = float(encoder.weight.detach())
    expected = 0.0
    for n in range(6):
        nn.init.constant_(generator.weight, float(n + 1))
        generator.norm.running_mean.fill_(float(n + 1))
        generator.norm.num_batches_tracked.add_(1)
        generator.direction.fill_(float(n + 1))
        nn.init.constant_(encoder.weight, start + n + 1)
        loss = SimpleNamespace(evaluated_modules=("encoder",))
        train_state = SimpleNamespace(generator=generator, n_critic=2, loss=loss)
        share = torch.tensor(trick.scheduled(Moment(2 * n + 1, n, 0.0, batch=20))["share"])
        trick.after_generator(
            SimpleNamespace(
                modules=modules, state=train_state, scheduled=lambda *_, share=share: share
            )
        )
        # half-lives of 0, 10, 20, 30, 40 and then always 40 images, in steps of 20
        decay = [0, 0.25, 0.5, 0.5 ** (2 / 3), 0.5**0.5, 0.5**0.5][n]
        expected = decay * expected + (1 - decay) * (n + 1)
    assert float(modules["ema"].weight.detach()) == pytest.approx(expected, rel=1e-6)
    assert float(modules["ema"].norm.running_mean) == pytest.approx(expected, rel=1e-6)
    assert int(modules["ema"].norm.num_batches_tracked) == 6
    assert float(modules["ema"].direction) == 6
    assert trick.generator_for_evaluation(generator, modules) is modules["ema"]
    assert float(modules["ema-encoder"].weight.detach()) == pytest.approx(
        start + expected, rel=1e-6
    )
    evaluated = trick.modules_for_evaluation({"encoder": encoder}, modules)
    assert evaluated["encoder"] is modules["ema-encoder"]


def test_ema_keeps_the_unit_vectors_of_spectral_normalisation() -> None:
    """They are taken over; the mean of two unit vectors is shorter than one."""
    trick = registry.create("trick", "ema", {"decay": 0.9})
    generator = nn.utils.parametrizations.spectral_norm(nn.Linear(3, 4))
    modules = trick.modules(generator, nn.Identity(), {})
    vectors = generator.parametrizations.weight[0]
    vectors._u.copy_(torch.tensor([0.0, 0.0, 0.0, 1.0]))
    train_state = SimpleNamespace(
        generator=generator, n_critic=1, loss=SimpleNamespace(evaluated_modules=())
    )
    trick.after_generator(
        SimpleNamespace(modules=modules, state=train_state, scheduled=lambda *_: torch.tensor(0.1))
    )
    mine = modules["ema"].parametrizations.weight[0]
    assert mine._u.tolist() == [0, 0, 0, 1] and torch.equal(mine._v, vectors._v)


def test_ema_does_not_change_training(trained) -> None:
    _, averaged = trained(tiny_run("digits", trick="ema"))
    _, plain = trained(tiny_run("digits"))
    assert equal(averaged["networks"]["generator"], plain["networks"]["generator"])
    assert equal(averaged["networks"]["discriminator"], plain["networks"]["discriminator"])
    assert not equal(averaged["snapshots"], plain["snapshots"])


def test_tricks_of_a_combination_fold_from_left_to_right(stores) -> None:
    """Packing first, then what comes after it sees packs; n_critic and rates fold likewise."""
    train_state = make_state(
        stores, tiny_run("digits", loss="hinge", trick="packing+ttur+spectral-norm")
    )
    assert [trick.name for trick in train_state.tricks] == ["packing", "ttur", "spectral-norm"]
    assert train_state.n_critic == 1
    first = next(m for m in train_state.discriminator.modules() if isinstance(m, nn.Conv2d))
    assert first.weight.shape[1] == 2
    assert hasattr(first, "parametrizations")


@pytest.mark.parametrize("steps", [100, 100_000])
def test_every_half_life_and_decay_is_its_own_run_of_any_length(steps: int) -> None:
    """The last decays of short and long runs: none of a study's decays is another in disguise."""
    last = Moment(steps, steps, 0.5, batch=64)

    def decay(**settings) -> float:
        return 1 - registry.create("trick", "ema", settings).scheduled(last)["share"]

    assert len({decay(decay=d) for d in (0.99, 0.999, 0.9999)}) == 3
    decays = [0.99, 0.999, 0.9999]
    assert [decay(decay=d) for d in decays] == pytest.approx(decays, rel=1e-15)
    assert len({decay(rampup=share, halflife=1e9) for share in (0.01, 0.05, 0.09)}) == 3
    # by default weights count half after 5 % of the images so far, but after 10,000 at most
    assert decay() == pytest.approx(0.5 ** (64 / min(10_000, 0.05 * 64 * steps)))
    assert decay(start=steps + 1) == 0 == decay(start=steps + 1, decay=0.9)
    assert decay(rampup=None) == pytest.approx(0.5 ** (64 / 10_000))


def test_a_plan_says_which_settings_of_the_average_cannot_act() -> None:
    from ganlore.forecast import summary
    from ganlore.study.expand import expand
    from tiny import tiny

    def said(**settings) -> list[str]:
        grid = {"datasets": ["ring"], "networks": ["mlp"], "tricks": ["ema"]}
        grid["losses"] = ["nonsaturating"]
        study = tiny(grids=[grid], settings={"tricks": {"ema": settings}})
        return [line for line in summary.outline(expand(study)) if "warning" in line]

    assert said() == [] == said(rampup=0.1) == said(decay=0.9999) == said(halflife=3)
    (line,) = said(halflife=50_000)  # a tiny run makes 96 images, and 5 % of a million are 50,000
    assert (
        "halflife = 50000.0 has no effect" in line and "1,000,000 images" in line and "96" in line
    )
    (line,) = said(halflife=50, decay=0.9)
    assert "since decay = 0.9 takes its place" in line
    (line,) = said(decay=0.9, start=6)
    assert "decay = 0.9 has no effect" in line and "after 6 steps" in line
