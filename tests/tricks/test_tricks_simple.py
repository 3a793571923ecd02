"""The defining property of tricks that are a term, a view, a rate or a parametrisation."""

from __future__ import annotations

import copy
from collections import Counter
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

import step_costs
from ganlore.losses import LogitLoss
from ganlore.steps import Step
from ganlore.study import registry
from ganlore.study.compatibility import why_not
from ganlore.study.expand import expand
from ganlore.training import build, session
from ganlore.tricks import _augment
from tiny import at_step, equal, tiny, tiny_run

CPU = torch.device("cpu")
LOSSES = registry.find("loss")


def draws(seed: int = 1) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def make_state(stores, run):
    store = stores[run.dataset.name]
    return build.train_state(run, store.shape, store.classes, CPU)


def step_of(stores, run, phase="discriminator", progress=0.0, seed=1):
    store = stores[run.dataset.name]
    images = torch.randn(8, *store.shape, generator=draws(0))
    labels = torch.arange(8)
    return Step(
        make_state(stores, run),
        phase,
        images,
        labels,
        draws(seed),
        at_step(make_state(stores, run), 0, progress),
        4,
    )


def chosen(dataset="ring", loss="nonsaturating", trick="none", **settings):
    """A run whose (last) trick has these settings."""
    changed = {trick.split("+")[-1]: settings} if settings else {}
    return tiny_run(dataset, loss, trick, settings={"tricks": changed})


def number(value) -> float:
    return float(value.detach())


# -- relativistic-paired ---------------------------------------------------------------------------


def test_paired_logits_both_ways() -> None:
    trick = registry.create("trick", "relativistic-paired", {})
    real, fake = trick.logits(torch.tensor([2.0, 0.0, 5.0]), torch.tensor([-2.0, 1.0, 5.0]))
    assert real.tolist() == [4.0, -1.0, 0.0]
    assert fake.tolist() == [-4.0, 1.0, 0.0]


def test_paired_cross_entropy_is_twice_the_papers_one_half_in_both_turns(stores) -> None:
    """E sp(-(r - f)) for the discriminator, E sp(-(f - r)) for the generator, of equal halves."""
    for phase, sign in (("discriminator", 1), ("generator", -1)):
        step = step_of(stores, tiny_run(trick="relativistic-paired"), phase)
        difference = step.real_logits - step.fake_logits
        by_hand = 2 * functional.softplus(-sign * difference).mean()
        actual = getattr(step.state.loss, phase)(step)
        assert number(actual) == pytest.approx(number(by_hand), rel=1e-6)
    assert not step.real_logits.requires_grad and step.fake_logits.requires_grad


@pytest.mark.parametrize("other", ["wgan", "wgan-gp", "r3gan", "began"])
def test_paired_has_no_meaning_where_logits_are_relative_already(other: str) -> None:
    assert why_not("ring", "mlp", other, ["relativistic-paired"]) is not None
    assert why_not("ring", "mlp", "hinge", ["relativistic", "relativistic-paired"]) is not None


# -- dragan-penalty --------------------------------------------------------------------------------


@pytest.mark.parametrize("dataset", ["ring", "digits"])
def test_dragan_is_the_nonsaturating_loss_with_this_penalty(dataset, stores) -> None:
    loss = step_of(stores, tiny_run(dataset, "dragan"))
    trick = step_of(stores, tiny_run(dataset, trick="dragan-penalty"))
    assert torch.equal(loss.discriminator_loss(), trick.discriminator_loss())


def test_dragan_penalty_by_hand_around_the_data_only(stores) -> None:
    step = step_of(stores, chosen("ring", "hinge", "dragan-penalty", weight=3.0, scale=0.2))
    step.images = 3 * step.images  # of a spread that is not 1
    state = step.rng.get_state()
    actual = step.state.tricks[0].penalty(step)
    rng = draws()
    rng.set_state(state)
    spread = step.images.numpy().std(ddof=1)
    points = step.images + 0.2 * float(spread) * torch.randn(step.images.shape, generator=rng)
    points.requires_grad_()
    (gradient,) = torch.autograd.grad(step.state.discriminator(points).sum(), points)
    norms = gradient.square().sum(1).sqrt()
    assert number(actual) == pytest.approx(number(3 * (norms - 1).square().mean()), rel=1e-5)
    assert "generated" not in vars(step)  # not even asked for


# -- r2 --------------------------------------------------------------------------------------------


def test_r2_is_half_gamma_times_the_squared_gradient_at_generated_samples(stores) -> None:
    step = step_of(stores, chosen("digits", trick="r2", gamma=3.0))
    images = step.generated.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(step.state.discriminator(images).sum(), images)
    by_hand = 1.5 * gradient.square().sum((1, 2, 3)).mean()
    assert number(step.state.tricks[0].penalty(step)) == pytest.approx(float(by_hand), rel=1e-5)


def test_r1_and_r2_are_r3gans_penalties(stores) -> None:
    """At the same gamma, on the same networks and samples."""
    whole = step_of(stores, tiny_run(loss="r3gan"))
    actual = whole.state.loss.discriminator(whole)
    paired = functional.softplus(whole.fake_logits - whole.real_logits).mean()
    parts = step_of(stores, tiny_run(trick="r1+r2"))
    for trick in parts.state.tricks:
        trick.gamma = whole.state.loss.gamma
    penalty = sum(trick.penalty(parts) for trick in parts.state.tricks)
    assert number(actual - paired) == pytest.approx(number(penalty), rel=1e-3)


# -- spectral-norm-both ----------------------------------------------------------------------------


def largest(network: nn.Module) -> list[float]:
    """The largest singular value of each layer's matrix, inputs of transposed layers in columns."""
    actual = []
    for layer in network.modules():
        if isinstance(layer, (nn.Linear, nn.Conv2d, nn.ConvTranspose2d, nn.Embedding)):
            weight = layer.weight.detach()
            if isinstance(layer, nn.ConvTranspose2d):  # (inputs, outputs, ...)
                weight = weight.transpose(0, 1)
            actual.append(float(torch.linalg.svdvals(weight.flatten(1))[0]))
    assert len(actual) > 2
    return actual


@pytest.mark.parametrize(
    "dataset, loss", [("ring", "cgan"), ("digits", "cgan"), ("digits", "began")]
)
def test_both_networks_have_singular_values_of_one(dataset, loss, stores) -> None:
    """In training, in evaluation and after a round trip through what a checkpoint keeps."""
    settings = {"networks": {"mlp": {"width": 8, "depth": 3}, "dcgan": {"width": 4}}}
    run = tiny_run(dataset, loss, trick="spectral-norm-both", settings=settings)
    train_state = make_state(stores, run)
    images, labels = torch.randn(8, *stores[dataset].shape), torch.arange(8)
    noise = torch.randn(8, 4)
    reported = labels if loss == "cgan" else None
    with torch.no_grad():
        for _ in range(30):  # one power iteration for each forward pass
            train_state.discriminator(images, reported)
            train_state.generator(noise, reported)
    networks = {"generator": train_state.generator, "discriminator": train_state.discriminator}
    for network in networks.values():
        assert largest(network) == pytest.approx([1.0] * len(largest(network)), abs=0.02)
        before = copy.deepcopy(network.state_dict())
        network.eval()
        assert largest(network) == pytest.approx([1.0] * len(largest(network)), abs=0.02)
        assert equal(before, network.state_dict())  # no power iteration
    other = make_state(stores, run)
    for name, network in networks.items():
        again = getattr(other, name)
        again.load_state_dict(copy.deepcopy(network.state_dict()))
        inputs = images if name == "discriminator" else noise
        assert equal(again.eval()(inputs, reported), network(inputs, reported))


def test_spectral_norm_of_both_begins_as_that_of_one_and_keeps_batch_norm(stores) -> None:
    both = make_state(stores, tiny_run("digits", trick="spectral-norm-both"))
    one = make_state(stores, tiny_run("digits", trick="spectral-norm"))
    assert equal(both.discriminator.state_dict(), one.discriminator.state_dict())
    norms = [m for m in both.generator.modules() if isinstance(m, nn.BatchNorm2d)]
    assert norms and not any(hasattr(m, "parametrizations") for m in norms)


# -- learning-rate-decay ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "start, progress, factor",
    [(0.5, 0.0, 1), (0.5, 0.5, 1), (0.5, 0.75, 0.5), (0.5, 0.9, 0.2), (0.0, 0.25, 0.75)],
)
def test_decay_is_its_closed_form(start, progress, factor) -> None:
    trick = registry.create("trick", "learning-rate-decay", {"start": start})
    assert trick.learning_rate(progress) == pytest.approx(factor)
    assert trick.learning_rate(1.0) == 0


@pytest.mark.parametrize(
    "loss, others", [("nonsaturating", "none"), ("hinge", "ttur"), ("r3gan", "none")]
)
def test_decay_reaches_both_optimisers_beside_their_own_schedules(loss, others, stores) -> None:
    """At 9 of 10 steps a factor of .2, times those of ttur and of r3gan's half cosine."""

    def rates(trick: str) -> list[float]:
        run = tiny_run("ring", loss, trick, training={"policy": "published", "budget": 160})
        trainer = session.build_trainer(run, stores["ring"], CPU)
        trainer.begin(9)
        return [
            float(group["lr"]) for used in trainer.state.optimizers for group in used.param_groups
        ]

    plain, decayed = rates(others), rates(f"{others}+learning-rate-decay")
    assert decayed == pytest.approx([0.2 * rate for rate in plain])
    assert len(plain) == 2 and min(plain) > 0


# -- label-smoothing -------------------------------------------------------------------------------

LABELLED = [name for name in LOSSES if why_not("digits", "mlp", name, ["label-smoothing"]) is None]


def against_label(loss: str, logits: torch.Tensor, label: float) -> torch.Tensor:
    """Written on its own: cross-entropy or half the squared distance, of logits and a label."""
    labels = torch.full_like(logits, label)
    if loss == "lsgan":
        return functional.mse_loss(logits, labels) / 2
    return functional.binary_cross_entropy_with_logits(logits, labels)


def real_gradient(step: Step, objective) -> torch.Tensor:
    """What an objective of a step says to the logits of real images, which are spread out."""
    leaf = torch.linspace(-3, 3, len(step.real), requires_grad=True)
    step._real, step._fake = (step.real_features, leaf), step._fake
    return torch.autograd.grad(objective(step), leaf)[0]


def test_losses_with_a_label_are_known() -> None:
    assert set(LABELLED) >= {"minimax", "nonsaturating", "lsgan", "dragan", "cgan", "infogan"}
    assert set(LABELLED) >= {"improved-gan", "vaegan", "gan-mse", "gan-mae", "fgan-jensen-shannon"}
    for name in LOSSES:
        if name not in LABELLED:
            reported = why_not("digits", "mlp", name, ["label-smoothing"])
            assert (
                reported is not None
                and reported.plugin == "label-smoothing"
                and reported.other == name
            )


@pytest.mark.parametrize("label", [0.9, 0.6])
@pytest.mark.parametrize("loss", LABELLED)
def test_a_smoothed_label_is_another_label_to_the_real_logits(loss, label, stores) -> None:
    """The whole step's gradient is that of the term with the other label, and of no other term."""
    step = step_of(stores, chosen("digits", loss, "label-smoothing", label=label))
    actual = real_gradient(step, Step.discriminator_loss)
    by_hand = real_gradient(step, lambda changed: against_label(loss, changed.real_logits, label))
    assert torch.allclose(actual, by_hand, atol=1e-6)


@pytest.mark.parametrize("loss", LABELLED)
def test_a_smoothed_label_changes_the_loss_by_the_exact_difference_and_a_constant(
    loss, stores
) -> None:
    step = step_of(stores, chosen("digits", loss, "label-smoothing"))
    constants = []
    for scale in (0.1, 4.0):
        logits = scale * torch.linspace(-1, 1, 8, dtype=torch.float64)
        step.logits = logits, -logits
        smoothed = against_label(loss, logits, 0.9) - against_label(loss, logits, 1.0)
        constants.append(number(step.state.tricks[0].penalty(step) - smoothed))
    assert constants[0] == pytest.approx(constants[1], abs=1e-6)
    assert constants[0] == pytest.approx(0.5 * (1 - 0.81) if loss == "lsgan" else 0, abs=1e-6)


@pytest.mark.parametrize("loss", LOSSES)
def test_only_losses_with_a_label_have_the_trick(loss: str) -> None:
    """The real term of a loss of logits that is smoothed is one of the two."""
    plugin = registry.create("loss", loss, {})
    if not isinstance(plugin, LogitLoss):
        return
    real = torch.linspace(-3, 3, 7, requires_grad=True)
    (actual,) = torch.autograd.grad(plugin.discriminator_loss(real, torch.zeros(7)), real)
    terms = [against_label(form, real, 1.0) for form in ("nonsaturating", "lsgan")]
    alike = [torch.allclose(torch.autograd.grad(term, real)[0], actual) for term in terms]
    # a pair's difference from logits of 0 looks like a logit, but there is no label on logits
    assert any(alike) or loss not in LABELLED or plugin.relative


@pytest.mark.parametrize("compare", ["relativistic", "relativistic-paired"])
def test_the_label_is_that_of_the_compared_logit(compare, stores) -> None:
    step = step_of(stores, tiny_run(trick=f"{compare}+label-smoothing"))
    real, fake = step.real_logits, step.fake_logits
    other = fake.mean() if compare == "relativistic" else fake
    mine = real.mean() if compare == "relativistic" else real
    by_hand = against_label("", real - other, 0.9) + against_label("", fake - mine, 0.0)
    assert number(step.discriminator_loss()) == pytest.approx(number(by_hand), rel=1e-5)


def test_smoothing_is_one_sided(stores) -> None:
    """Neither the generator nor the label of generated samples knows of it."""
    smooth, plain = (
        step_of(stores, tiny_run(trick=name), "generator") for name in ("label-smoothing", "none")
    )
    assert torch.equal(smooth.generator_loss(), plain.generator_loss())
    step = step_of(stores, tiny_run(trick="label-smoothing"))
    leaf = torch.linspace(-2, 2, 8, requires_grad=True)
    step._real, step._fake = (torch.zeros(8, 1), torch.zeros(8)), (torch.zeros(8, 1), leaf)
    (actual,) = torch.autograd.grad(step.discriminator_loss(), leaf)
    assert torch.allclose(actual, leaf.sigmoid().detach() / 8)


# -- instance-noise --------------------------------------------------------------------------------


@pytest.mark.parametrize("phase", ["discriminator", "generator"])
@pytest.mark.parametrize("progress, spread", [(0.0, 0.4), (0.5, 0.25), (1.0, 0.1)])
def test_noise_has_the_schedules_spread_on_both_kinds(progress, spread, phase, stores) -> None:
    run = chosen("digits", trick="instance-noise", start=0.4, end=0.1)
    step = step_of(stores, run, phase, progress)
    real, fake = step.real - step.images, (step.fake - step.generated).detach()
    for noise in (real, fake):
        assert float(noise.std()) == pytest.approx(spread, rel=0.15)
        assert abs(float(noise.mean())) < 0.2 * spread
    correlation = torch.corrcoef(torch.stack([real.flatten(), fake.flatten()]))[0, 1]
    assert abs(float(correlation)) < 0.2
    assert step.fake.requires_grad == (phase == "generator")


def test_noise_is_none_at_the_end_and_where_it_is_not_chosen(stores) -> None:
    step = step_of(stores, tiny_run(trick="instance-noise"), progress=1.0)
    assert torch.equal(step.real, step.images) and torch.equal(step.fake, step.generated)
    plain = step_of(stores, tiny_run())
    assert plain.real is plain.images and plain.fake is plain.generated


# -- diffaugment -----------------------------------------------------------------------------------


def images(n=400, channels=3, size=8, dtype=torch.float64) -> torch.Tensor:
    return torch.randn(n, channels, size, size, generator=draws(3), dtype=dtype)


def test_saturation_keeps_each_pixels_mean_and_contrast_each_images() -> None:
    x, factor = images(4), torch.tensor([0.0, 0.5, 1.0, 2.0]).reshape(-1, 1, 1, 1).double()
    coloured = _augment.saturate(x, factor)
    assert torch.allclose(coloured.mean(1), x.mean(1))
    assert torch.allclose(coloured[:, 0] - coloured[:, 1], factor[:, 0] * (x[:, 0] - x[:, 1]))
    clear = _augment.contrast(x, factor)
    assert torch.allclose(clear.mean((1, 2, 3)), x.mean((1, 2, 3)))
    spreads = clear.flatten(1).std(1) / x.flatten(1).std(1)
    assert torch.allclose(spreads, factor.flatten())


def test_colours_are_drawn_for_each_image_from_the_papers_ranges() -> None:
    x = images()
    y = _augment.recolour(x, draws())
    brightness = y.mean((1, 2, 3)) - x.mean((1, 2, 3))  # the others leave an image's mean
    centred = [z.mean(1) - z.mean((1, 2, 3))[:, None, None] for z in (x, y)]
    contrast = (centred[1] / centred[0]).flatten(1)  # saturation leaves a pixel's mean
    assert torch.allclose(contrast, contrast[:, :1])
    chroma = ((y[:, 0] - y[:, 1]) / (x[:, 0] - x[:, 1])).flatten(1)
    assert torch.allclose(chroma, chroma[:, :1])
    saturation = chroma[:, 0] / contrast[:, 0]
    ranges = [(brightness, -0.5, 0.5), (saturation, 0, 2), (contrast[:, 0], 0.5, 1.5)]
    for actual, low, high in ranges:
        tenth = (high - low) / 10
        assert low <= actual.min() < low + tenth and high - tenth < actual.max() <= high
        assert float(actual.mean()) == pytest.approx((low + high) / 2, abs=tenth / 2)
    drawn = torch.stack([actual for actual, _, _ in ranges])
    assert (torch.corrcoef(drawn) - torch.eye(3)).abs().max() < 0.2


def test_one_channel_has_no_saturation() -> None:
    x = images(5, channels=1)
    assert torch.allclose(_augment.saturate(x, torch.zeros(5, 1, 1, 1)), x)


def copies(x: torch.Tensor, high: int, wide: int, edge: str) -> dict[tuple[int, int], torch.Tensor]:
    """All images moved down and right by each of the moves, cut from a larger picture."""
    height, width = x.shape[2:]
    margin = [(0, 0), (0, 0), (high, high), (wide, wide)]
    large = np.pad(x.numpy(), margin, "edge" if edge == "nearest" else "constant")
    return {
        (a, b): torch.tensor(large[:, :, high - a :, wide - b :][:, :, :height, :width])
        for a in range(-high, high + 1)
        for b in range(-wide, wide + 1)
    }


def found_moves(x: torch.Tensor, y: torch.Tensor, high: int, wide: int, edge: str):
    """The move that makes each image of y of that of x, None where there is none."""
    alike = {move: (copy == y).all((1, 2, 3)) for move, copy in copies(x, high, wide, edge).items()}
    return [next((move for move in alike if alike[move][i]), None) for i in range(len(x))]


@pytest.mark.parametrize("edge", ["zeros", "nearest"])
@pytest.mark.parametrize("shape, high, wide", [((8, 8), 1, 1), ((12, 8), 2, 1), ((4, 3), 1, 0)])
@pytest.mark.parametrize("stay", [True, False])
def test_a_move_is_a_shifted_copy_of_each_image_by_itself(shape, high, wide, edge, stay) -> None:
    places = (2 * high + 1) * (2 * wide + 1)
    x = torch.randn(40 * places, 2, *shape, generator=draws(3))
    y = _augment.move(x, _augment.moves(x, 1 / 8, draws(), stay), edge)
    actual = found_moves(x, y, high, wide, edge)
    counts = Counter(actual)
    assert len(counts) == (places if stay else places - 1) and None not in counts
    assert stay or (0, 0) not in counts
    assert min(counts.values()) > 15 and max(counts.values()) < 80  # 40 expected of each


def test_no_share_is_no_move() -> None:
    x = images(5)
    for stay in (True, False):
        assert torch.equal(_augment.move(x, _augment.moves(x, 0.0, draws(), stay), "zeros"), x)


@pytest.mark.parametrize("size, side", [(8, 4), (7, 4), (6, 3)])
def test_cutout_is_a_rectangle_of_zeros_of_half_the_side(size, side) -> None:
    """Around a centre anywhere in the image, as much of it as is inside."""
    n = 1000
    y = _augment.cut_out(torch.ones(n, 2, size, size), 0.5, draws())
    assert torch.equal(y[:, 0], y[:, 1])
    gone = y[:, 0] == 0
    rows, columns = gone.any(2), gone.any(1)
    assert torch.equal(gone, rows[:, :, None] & columns[:, None, :])
    centres = range(size + 1) if side % 2 == 0 else range(size)
    visible = [
        (max(c - side // 2, 0), min(c - side // 2 + side, size)) for c in centres
    ]  # first and last row of each
    for lines in (rows, columns):
        edges = [tuple(torch.nonzero(line).flatten().tolist()) for line in lines]
        expected = [tuple(range(*ends)) for ends in visible]
        counts = [edges.count(place) for place in expected]
        assert sum(counts) == n
        assert min(counts) > 0.6 * n / len(expected) and max(counts) < 1.5 * n / len(expected)
    assert not torch.equal(rows, columns)


def test_augmentation_is_differentiable_twice() -> None:
    """In float64 against differences: the generator learns through it, penalties differentiate it."""
    trick = registry.create("trick", "diffaugment", {})
    x = images(1, 2, 4).requires_grad_()

    def seen(inputs: torch.Tensor) -> torch.Tensor:
        return trick.view(inputs, SimpleNamespace(images=x, rng=draws(6))) ** 2

    assert float(seen(x).detach().abs().sum()) > 0
    assert torch.autograd.gradcheck(seen, (x,))
    assert torch.autograd.gradgradcheck(seen, (x,))


@pytest.mark.parametrize("phase", ["discriminator", "generator"])
def test_both_kinds_are_augmented_alike_in_both_turns(phase, stores) -> None:
    """The same images, once as real and once as generated: other draws of the same changes."""
    step = step_of(stores, tiny_run("digits", trick="diffaugment"), phase)
    step.images = torch.ones(8, 1, 8, 8)
    step.generated = step.images
    before = step.rng.get_state()
    real, fake = step.real, step.fake
    for seen in (real, fake):
        assert seen.shape == step.images.shape
        assert (seen.flatten(1) == 0).any(1).all()  # each has something cut out
        levels = [{round(float(v), 4) for v in image.unique()} - {0.0} for image in seen]
        assert all(len(level) == 1 for level in levels)  # of one brightness
        assert len({min(level) for level in levels}) == 8  # another in each
    assert not torch.equal(real, fake)
    step.rng.set_state(before)
    assert torch.equal(step.state.tricks[0].view(step.generated, step), real)  # knows no kind


@pytest.mark.parametrize(
    "settings",
    [
        {"colour": False, "translation": 0.0},
        {"colour": False, "cutout": 0.0},
        {"translation": 0.0, "cutout": 0.0},
        {"colour": False, "translation": 0.0, "cutout": 0.0},
    ],
)
def test_each_part_of_the_policy_can_be_left_out(settings) -> None:
    trick = registry.create("trick", "diffaugment", settings)
    x = images(50)
    y = trick.view(x, SimpleNamespace(images=x, rng=draws()))
    if len(settings) == 3:
        assert torch.equal(x, y)
    elif "colour" not in settings:
        assert torch.equal(y, _augment.recolour(x, draws()))
    elif "cutout" not in settings:
        assert torch.equal(y, _augment.cut_out(x, 0.5, draws()))
    else:
        assert None not in found_moves(x, y, 1, 1, "zeros") and not torch.equal(x, y)


def test_images_of_a_pack_are_augmented_by_themselves_in_either_order(stores) -> None:
    first, last = (
        step_of(stores, tiny_run("digits", trick=name))
        for name in ("diffaugment+packing", "packing+diffaugment")
    )
    assert first.real.shape == (4, 2, 8, 8)
    assert torch.equal(first.real, last.real) and torch.equal(first.fake, last.fake)


@pytest.mark.parametrize("trick", ["diffaugment", "instance-noise", "packing+diffaugment"])
def test_what_is_compared_with_real_images_is_seen_as_they_are(trick, stores) -> None:
    """A reconstruction without error has no feature error, whatever tricks draw."""
    step = step_of(stores, tiny_run("digits", "vaegan", trick), "generator")
    step.reconstruct = lambda codes: step.images + 0 * codes.sum()
    step.state.loss.generator(step)
    assert number(step.log["feature_error"]) == 0
    after = step.rng.get_state()
    assert torch.equal(step.view_as_real(step.images), step.real)
    assert torch.equal(step.rng.get_state(), after)  # nobody else's draws are changed
    assert not torch.equal(step.view(step.images), step.real)


# -- consistency -----------------------------------------------------------------------------------


def test_consistency_by_hand_for_a_linear_discriminator() -> None:
    """10 E <w, x - T x>^2 and its gradient, which goes through both logits."""
    trick = registry.create("trick", "consistency", {})
    x, weight = images(6, 1, 8), torch.randn(64, dtype=torch.float64).requires_grad_()

    def quality(inputs: torch.Tensor) -> torch.Tensor:
        return inputs.flatten(1) @ weight

    step = SimpleNamespace(
        images=x,
        rng=draws(),
        discriminate=quality,
        real_logits=quality(x),
        view_as_real=lambda inputs: inputs,
    )
    actual = trick.penalty(step)
    change = (x - trick.transform(x, SimpleNamespace(rng=draws()))).flatten(1)
    said = change @ weight.detach()
    assert number(actual) == pytest.approx(float(10 * said.square().mean()))
    (gradient,) = torch.autograd.grad(actual, weight)
    assert torch.allclose(gradient, 20 * (said[:, None] * change).mean(0))
    assert float(actual.detach()) > 0


@pytest.mark.parametrize("flip", [False, True])
def test_consistency_shifts_and_mirrors_where_it_is_asked_to(flip) -> None:
    trick = registry.create("trick", "consistency", {"flip": flip})
    x = images(200, 1, 8)
    y = trick.transform(x, SimpleNamespace(rng=draws()))
    plain = found_moves(x, y, 1, 1, "nearest")
    mirrored = found_moves(x.flip(3), y, 1, 1, "nearest")
    assert all((a is None) != (b is None) for a, b in zip(plain, mirrored, strict=True))
    assert (0, 0) not in (*plain, *mirrored)
    count = sum(move is not None for move in mirrored)
    assert 70 < count < 130 if flip else count == 0


@pytest.mark.parametrize("others", ["", "diffaugment+instance-noise+", "packing+"])
def test_consistency_is_zero_where_the_image_stays(others, stores) -> None:
    """What else is drawn for an image is drawn once: the change alone is what is penalised."""
    still = step_of(stores, chosen("digits", "cgan", f"{others}consistency", shift=0.0))
    assert number(still.state.tricks[-1].penalty(still)) < 1e-9
    step = step_of(stores, tiny_run("digits", "cgan", f"{others}consistency"))
    assert number(step.state.tricks[-1].penalty(step)) > 1e-7


# -- all of them -----------------------------------------------------------------------------------

ALL = [
    *("relativistic-paired", "dragan-penalty", "r2", "spectral-norm-both", "learning-rate-decay"),
    *("label-smoothing", "instance-noise", "diffaugment", "consistency"),
]


@pytest.mark.parametrize("loss", ["nonsaturating", "vaegan"])
@pytest.mark.parametrize("trick", ALL)
def test_no_forward_pass_is_computed_twice(trick, loss, stores) -> None:
    bench = step_costs.Bench(tiny_run("digits", loss, trick), stores["digits"])
    for phase in step_costs.TURNS:
        assert not step_costs.watch(bench, phase).twice, phase


@pytest.mark.parametrize("network", ["dcgan", "rnn", "mlp"])
@pytest.mark.parametrize(
    "tricks",
    [
        "diffaugment+packing+r1+r2+relativistic-paired+label-smoothing",
        "spectral-norm-both+ema+instance-noise+consistency+dragan-penalty+learning-rate-decay",
    ],
)
def test_they_go_together_and_resume_to_the_same_bits(
    tricks, network, trained, interrupted
) -> None:
    cells = {"datasets": ["digits"], "networks": [network], "losses": ["vaegan"]}
    study = tiny(
        grids=[{**cells, "tricks": [tricks.split("+")]}],
        settings={"networks": {"rnn": {"width": 4}}},
    )
    (run,) = expand(study).runs
    status, saved = trained(run)
    assert status == "done"
    for part in saved["networks"].values():
        assert all(bool(value.isfinite().all()) for value in part.values())

    resumed = interrupted(run)
    for kept in ("networks", "optimizers", "snapshots"):
        assert equal(saved[kept], resumed[kept])


def test_the_average_of_a_normalised_generator_is_sampled_from(trained, stores) -> None:
    """The snapshot's layers still have a largest singular value near 1."""
    run = tiny_run("digits", trick="spectral-norm-both+ema")
    _, saved = trained(run)
    train_state = make_state(stores, run)
    for part in ("generator", "discriminator"):
        getattr(train_state, part).load_state_dict(saved["networks"][part])
    train_state.modules.load_state_dict(saved["networks"]["modules"])
    samples = train_state.evaluated.eval()(torch.randn(5, 4, generator=draws()))
    assert samples.shape == (5, 1, 8, 8) and samples.isfinite().all()
    assert float(samples.std()) > 0 and max(largest(train_state.evaluated)) < 1.5
