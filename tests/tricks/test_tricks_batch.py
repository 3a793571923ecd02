"""LeCam, statistics of the batch, self-attention, and SAGAN's combination of tricks."""

from __future__ import annotations

import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import yaml
from torch import nn
from torch.nn.utils import parametrize
from typer.testing import CliRunner

import step_costs
from ganlore.cli.main import app
from ganlore.docgen import catalogue
from ganlore.errors import GanloreError
from ganlore.networks import AutoEncoder, Discriminator, Generator, Spec, Stages
from ganlore.steps import Step
from ganlore.study import fingerprint, registry, schema
from ganlore.study.compatibility import applied, why_not
from ganlore.study.expand import expand
from ganlore.study.run import Run
from ganlore.training import build
from ganlore.tricks import Trick
from ganlore.tricks._batch_statistics import Beside
from ganlore.tricks.lecam import Anchors
from ganlore.tricks.minibatch_discrimination import Kernels
from ganlore.tricks.minibatch_stddev import spread
from ganlore.tricks.self_attention import Attention, attend
from tiny import TINY, at_step, equal, tiny, tiny_run

CPU = torch.device("cpu")
MINE = [
    "lecam",
    "minibatch-stddev",
    "minibatch-discrimination",
    "self-attention",
    "sagan",
]


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def make_state(stores, run):
    store = stores[run.dataset.name]
    return build.train_state(run, store.shape, store.classes, CPU)


def step_of(stores, run, phase="discriminator", train_state=None, n=8):
    shape = stores[run.dataset.name].shape
    images = torch.randn(n, *shape, generator=rng())
    labels = torch.zeros(n, dtype=torch.int64)
    return Step(
        train_state or make_state(stores, run),
        phase,
        images,
        labels,
        rng(1),
        at_step(train_state or make_state(stores, run)),
        4,
    )


@pytest.mark.parametrize("trick", MINE)
def test_no_pass_is_made_twice(trick, stores) -> None:
    bench = step_costs.Bench(tiny_run("digits", trick=trick), stores["digits"])
    for step in range(2):
        for phase in step_costs.TURNS:
            assert not step_costs.watch(bench, phase, step).twice, phase


@pytest.mark.parametrize(
    "dataset, loss, trick",
    [
        ("ring", "began", "lecam+minibatch-stddev+minibatch-discrimination"),
        ("digits", "cgan", "sagan+packing"),
    ],
)
def test_an_interrupted_run_goes_on_to_the_same_bits(
    trained, interrupted, dataset, loss, trick
) -> None:
    run = tiny_run(dataset, loss, trick, training={"budget": 480, "history": 6})
    whole, resumed = trained(run)[1], interrupted(run, killed=15)
    for part in ("networks", "optimizers", "snapshots"):
        assert equal(whole[part], resumed[part])


# -- LeCam -----------------------------------------------------------------------------------------


def test_lecam_s_averages_equal_their_closed_form() -> None:
    """After n batches: sum_k d^(n-k) m_k / sum_k d^(n-k)."""
    trick = registry.create("trick", "lecam", {"decay": 0.9})
    modules = trick.modules(nn.Identity(), nn.Identity(), {})
    batches = torch.randn(7, 2, 5, generator=rng())
    for n in range(1, 8):
        real, fake = batches[n - 1]
        step = SimpleNamespace(modules=modules, real_logits=real, fake_logits=fake)
        trick.after_discriminator(step)
        weights = 0.9 ** np.arange(n - 1, -1, -1)
        means = batches[:n].mean(2).numpy()
        by_hand = (weights[:, None] * means).sum(0) / weights.sum()
        assert modules["lecam"].means.numpy() == pytest.approx(by_hand, rel=1e-5)


def test_lecam_s_averages_begin_as_a_plain_mean() -> None:
    """With a long memory the first batch counts no more than the second."""
    anchors = Anchors()
    for value in (1.0, 2.0, 6.0):
        anchors.update(torch.tensor([value, -value]), 0.9999)
    assert anchors.means.tolist() == pytest.approx([3, -3], rel=1e-3)


PAPER = {"one_sided": False, "current": False}


@pytest.mark.parametrize("loss", ["wgan-gp", "began", "nonsaturating"])
def test_lecam_s_penalty_by_hand_as_in_the_paper(stores, loss) -> None:
    settings = {"settings": {"tricks": {"lecam": PAPER}}}
    step = step_of(stores, tiny_run("digits", loss, "lecam", **settings))
    trick, anchors = step.state.tricks[0], step.modules["lecam"]
    assert float(trick.penalty(step).detach()) == 0  # nothing is known before the first step
    anchors.update(torch.tensor([3.0, -40.0]), trick.decay)
    real, fake = (t.detach().double() for t in (step.real_logits, step.fake_logits))
    by_hand = 0.3 * (((real + 40) ** 2).mean() + ((fake - 3) ** 2).mean())
    assert float(trick.penalty(step).detach()) == pytest.approx(float(by_hand), rel=1e-5)
    assert trick.wrap_generator_loss(step.state.loss.generator) == step.state.loss.generator


def test_lecam_s_penalty_by_hand_as_released() -> None:
    """google/lecam-gan: relu(r - a_f)^2 and relu(a_r - f)^2, averages with this batch."""
    trick = registry.create("trick", "lecam", {"decay": 0.9})
    modules = nn.ModuleDict(trick.modules(nn.Identity(), nn.Identity(), {}))
    batches = 2 * torch.randn(3, 2, 6, generator=rng())  # they overlap
    sums = np.zeros(2)
    for n, (real, fake) in enumerate(batches, start=1):
        step = SimpleNamespace(modules=modules, real_logits=real, fake_logits=fake)
        sums = 0.9 * sums + 0.1 * np.array([float(real.mean()), float(fake.mean())])
        mean_real, mean_fake = sums / (1 - 0.9**n)
        above = np.maximum(real.numpy() - mean_fake, 0)
        below = np.maximum(mean_real - fake.numpy(), 0)
        by_hand = 0.3 * ((above**2).mean() + (below**2).mean())
        assert float(trick.penalty(step)) == pytest.approx(by_hand, rel=1e-5)
        assert by_hand > 0
        assert float(trick.penalty(step)) == pytest.approx(by_hand, rel=1e-5)  # not counted twice
        trick.after_discriminator(step)
    # on the wrong side of the averages nothing pulls, where the paper's squares do
    wrong = SimpleNamespace(
        modules=modules, real_logits=torch.full((4,), -9.0), fake_logits=torch.full((4,), 9.0)
    )
    assert float(trick.penalty(wrong)) == 0
    paper = registry.create("trick", "lecam", PAPER | {"decay": 0.9})
    assert float(paper.penalty(wrong)) > 40


def test_lecam_s_gradient_goes_through_the_logits_alone() -> None:
    trick = registry.create("trick", "lecam", PAPER)
    modules = nn.ModuleDict(trick.modules(nn.Identity(), nn.Identity(), {}))
    assert not list(modules.parameters())
    modules["lecam"].update(torch.tensor([1.0, -2.0]), trick.decay)
    real, fake = (torch.randn(4, generator=rng(seed), requires_grad=True) for seed in (0, 1))
    step = SimpleNamespace(modules=modules, real_logits=real, fake_logits=fake)
    actual = torch.autograd.grad(trick.penalty(step), (real, fake))
    torch.testing.assert_close(actual[0], 0.3 * 2 / 4 * (real + 2).detach())
    torch.testing.assert_close(actual[1], 0.3 * 2 / 4 * (fake - 1).detach())


def test_lecam_follows_the_logits_of_the_steps_in_training(stores) -> None:
    """Whose raw logits a trick that compares them does not change."""
    run = tiny_run(trick="relativistic+lecam")
    bench = step_costs.Bench(run, stores["ring"])
    seen = []
    for step in range(3):
        made, _ = bench.trainer.discriminator(bench.trainer.begin(step))
        logits = torch.stack([made.real_logits, made.fake_logits]).detach()
        claim_results = bench.state.discriminator(made.real)
        assert not torch.equal(claim_results, made.real_logits)  # the weights have moved since
        seen.append(logits.mean(1))
    weights = torch.tensor([0.99**2, 0.99, 1])
    by_hand = (weights[:, None] * torch.stack(seen)).sum(0) / weights.sum()
    torch.testing.assert_close(bench.state.modules["lecam"].means, by_hand)


def test_lecam_without_weight_changes_nothing(trained) -> None:
    none = trained(tiny_run())[1]["networks"]
    changes = {"settings": {"tricks": {"lecam": {"weight": 0.0}}}}
    without = trained(tiny_run(trick="lecam", **changes))[1]["networks"]
    with_it = trained(tiny_run(trick="lecam"))[1]["networks"]
    assert equal(none["generator"], without["generator"])
    assert equal(none["discriminator"], without["discriminator"])
    assert not equal(none["discriminator"], with_it["discriminator"])


# -- statistics of the batch -----------------------------------------------------------------------


@pytest.mark.parametrize("n, group", [(8, 4), (8, 8), (10, 4), (3, 4), (1, 4), (6, 1), (7, 2)])
def test_the_spread_is_that_of_each_group(n: int, group: int) -> None:
    """With numpy: M = max(1, N // group) groups, sample i in group i mod M."""
    features = torch.randn(n, 5, generator=rng(), dtype=torch.float64)
    actual = spread(features, group)
    groups = max(1, n // group)
    for i in range(n):
        mine = features.numpy()[i % groups :: groups]
        assert group <= len(mine) <= 2 * group or n < group
        by_hand = np.sqrt(mine.var(axis=0) + 1e-8).mean()
        assert float(actual[i]) == pytest.approx(by_hand, rel=1e-9)


def test_the_spread_of_equal_samples_has_a_finite_gradient() -> None:
    features = torch.ones(8, 3, requires_grad=True)
    value = spread(features, 4)
    assert value.tolist() == pytest.approx([1e-4] * 8)
    (gradient,) = torch.autograd.grad(value.sum(), features)
    assert bool((gradient == 0).all())


def test_closeness_by_a_loop_over_pairs() -> None:
    """o(x_i)_b = sum_j exp(-|M_i,b - M_j,b|_1), over all j: section 3.2."""
    kernels = Kernels(6, kernels=3, dimension=2).double()
    features = torch.randn(5, 6, generator=rng(), dtype=torch.float64)
    with torch.no_grad():
        actual = kernels(features).numpy()
        tensor = kernels.rows.weight.numpy().reshape(3, 2, 6)  # T: kernel, dimension, feature
    m = np.einsum("na,bca->nbc", features.numpy(), tensor)
    for i in range(5):
        for b in range(3):
            by_hand = sum(math.exp(-np.abs(m[i, b] - m[j, b]).sum()) for j in range(5))
            assert actual[i, b] == pytest.approx(by_hand, rel=1e-9)


def test_kernels_begin_at_a_scale_that_tells_samples_apart() -> None:
    """Whatever the features' scale: a sample's nearest is at 2 on average, for each kernel."""
    for scale in (1e-4, 1.0, 1e4):
        features = scale * torch.randn(32, 6, generator=rng())
        kernels = Kernels(6, 4, 5)
        kernels.calibrate(features)
        with torch.no_grad():
            apart = kernels.distances(features) + 1e9 * torch.eye(32)[:, :, None]
        assert apart.amin(1).mean(0).tolist() == pytest.approx([2.0] * 4, rel=1e-4)
    kernels.calibrate(torch.ones(32, 6))
    assert bool(kernels.rows.weight.isfinite().all())


@pytest.mark.parametrize("trick", ["minibatch-stddev", "minibatch-discrimination"])
def test_statistics_can_be_differentiated_twice(trick) -> None:
    """As gradient penalties need; against finite differences."""
    family = registry.create("network", "mlp", {"width": 4, "depth": 1})
    critic = family.discriminator(Spec((2,), 4))
    tried = registry.create("trick", trick, {})
    statistic = tried.statistic(critic).double()
    if trick == "minibatch-discrimination":
        statistic = Kernels(4, 3, 2).double()
    features = torch.randn(5, 4, generator=rng(), dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(statistic, (features,))
    assert torch.autograd.gradgradcheck(statistic, (features,))


WIDER = {"minibatch-stddev": 1, "minibatch-discrimination": 100}


@pytest.mark.parametrize("trick", WIDER)
@pytest.mark.parametrize("dataset, loss", [("digits", "cgan"), ("ring", "began")])
def test_the_head_alone_widens_and_begins_as_it_was(stores, trick, dataset, loss) -> None:
    """Old columns keep their weights, new ones are 0; features keep their width."""
    plain = make_state(stores, tiny_run(dataset, loss)).discriminator
    with_it = make_state(stores, tiny_run(dataset, loss, trick)).discriminator
    one, other = (next(m for m in d.modules() if isinstance(m, Discriminator))
                  for d in (plain, with_it))  # fmt: skip
    assert isinstance(with_it, AutoEncoder) == (loss == "began")
    assert other.head.layer.in_features == other.width + WIDER[trick]
    assert torch.equal(other.head.layer.weight[:, : other.width], one.head.weight)
    assert torch.equal(other.head.layer.bias, one.head.bias)
    assert not other.head.layer.weight[:, other.width :].any()
    images = torch.randn(8, *one.spec.shape, generator=rng())
    labels = torch.arange(8) if loss == "cgan" else None
    assert torch.equal(other.features(images), one.features(images))
    torch.testing.assert_close(other(images, labels), one(images, labels))
    if dataset == "ring":
        assert equal(plain.decoder.state_dict(), with_it.decoder.state_dict())


@pytest.mark.parametrize("trick", WIDER)
def test_logits_depend_on_the_batch_by_the_statistic(stores, trick) -> None:
    """A logit is what it was plus the new columns times the statistic of its own batch."""
    train_state = make_state(stores, tiny_run("digits", trick=trick))
    head = train_state.discriminator.head
    images = torch.randn(8, 1, 8, 8, generator=rng())
    with torch.no_grad():
        before = train_state.discriminator(images)
        head.layer.weight[:, train_state.discriminator.width :] = 0.5
        features = train_state.discriminator.features(images)
        (statistic,) = head.statistics
        expected = before + 0.5 * statistic(features).sum(1)
        torch.testing.assert_close(train_state.discriminator(images), expected)
        assert not torch.allclose(train_state.discriminator(images[:4]), expected[:4])


@pytest.mark.parametrize("trick", WIDER)
def test_real_and_generated_images_are_batches_of_their_own(stores, trick) -> None:
    run = tiny_run("digits", trick=trick)
    train_state = make_state(stores, run)
    with torch.no_grad():
        train_state.discriminator.head.layer.weight[:, train_state.discriminator.width :] = 0.5
    step = step_of(stores, run, train_state=train_state)
    step.discriminator_loss()
    assert torch.equal(step.real_logits, train_state.discriminator(step.real))
    assert torch.equal(step.fake_logits, train_state.discriminator(step.fake))
    both = train_state.discriminator(torch.cat([step.real, step.fake]))
    assert not torch.allclose(both[:8], step.real_logits)


def test_a_penalty_s_gradient_includes_the_others_logits(stores) -> None:
    """What the docstring says: of the sum of all logits, not of a sample's own."""
    run = tiny_run(trick="minibatch-stddev+r1", settings={"tricks": {"r1": {"gamma": 2.0}}})
    train_state = make_state(stores, run)
    with torch.no_grad():
        train_state.discriminator.head.layer.weight[:, -1] = 3.0
    step = step_of(stores, run, train_state=train_state)
    jacobian = torch.autograd.functional.jacobian(train_state.discriminator, step.images)
    by_hand = jacobian.sum(0).square().sum(1).mean()  # (logit, sample, dimension)
    own = jacobian.diagonal(dim1=0, dim2=1).square().sum(0).mean()
    assert float(train_state.tricks[1].penalty(step).detach()) == pytest.approx(
        float(by_hand), rel=1e-4
    )
    assert float(by_hand) != pytest.approx(float(own), rel=1e-2)


def test_statistics_stand_beside_each_other(stores) -> None:
    train_state = make_state(stores, tiny_run(trick="minibatch-discrimination+minibatch-stddev"))
    head, width = train_state.discriminator.head, train_state.discriminator.width
    assert [s.width for s in head.statistics] == [100, 1]
    assert head.layer.weight.shape == (1, width + 101)
    features = torch.randn(8, width, generator=rng())
    with torch.no_grad():
        head.layer.weight.zero_()[0, -1] = 1.0
        head.layer.bias.zero_()
    torch.testing.assert_close(head(features)[:, 0], spread(features, 4))


def test_kernels_are_keyed_by_the_seed(stores) -> None:
    place = {"datasets": ["ring"], "networks": ["mlp"], "losses": ["nonsaturating"]}
    grids = [{**place, "tricks": ["minibatch-discrimination"]}]
    runs = expand(tiny(seeds=[0, 1], grids=grids)).runs
    first, again, other = (
        make_state(stores, run).discriminator.head.statistics[0].rows.weight
        for run in (runs[0], runs[0], runs[1])
    )
    assert torch.equal(first, again) and not torch.equal(first, other)


def largest(layer: nn.Module) -> float:
    return float(torch.linalg.matrix_norm(layer.weight.detach().flatten(1), 2))


@pytest.mark.parametrize("trick", WIDER)
def test_spectral_norm_holds_for_the_wider_head(stores, trick) -> None:
    """Put on afterwards it normalises all columns together, and the kernels."""
    train_state = make_state(stores, tiny_run(trick=f"{trick}+spectral-norm"))
    head = train_state.discriminator.head
    with torch.no_grad():
        head.layer.parametrizations.weight.original[:, -1] = 5.0
    for _ in range(100):
        train_state.discriminator(torch.randn(8, 2, generator=rng()))
    assert head.layer.weight.shape[1] == train_state.discriminator.width + WIDER[trick]
    layers = [m for m in train_state.discriminator.modules() if isinstance(m, nn.Linear)]
    assert len(layers) == 3 + (trick == "minibatch-discrimination")
    assert [largest(layer) for layer in layers] == pytest.approx([1.0] * len(layers), abs=1e-3)


@pytest.mark.parametrize("more", [*WIDER, "minibatch-discrimination+minibatch-stddev"])
def test_a_head_that_is_normalised_already_stays_so(stores, more) -> None:
    """Tricks fold from left to right: new columns stand beside it, and are not normalised."""
    before = make_state(stores, tiny_run(trick="spectral-norm")).discriminator
    after = make_state(stores, tiny_run(trick=f"spectral-norm+{more}")).discriminator
    layer = after.head.layer
    while isinstance(layer, Beside):
        assert not parametrize.is_parametrized(layer.more) and not layer.more.weight.any()
        layer = layer.layer
    assert parametrize.is_parametrized(layer)
    original = before.head.parametrizations.weight.original
    assert torch.equal(layer.parametrizations.weight.original, original)
    images = torch.randn(8, 2, generator=rng())
    for _ in range(100):
        actual, expected = after(images), before(images)
    torch.testing.assert_close(actual, expected, atol=1e-4, rtol=1e-4)


# -- self-attention --------------------------------------------------------------------------------


def test_attention_by_a_loop_over_places() -> None:
    """Section 3: o_j = W_v sum_i softmax_i(f(x_i) . g(x_j)) h(x_i), y_j = gain o_j + x_j."""
    torch.manual_seed(0)
    attention = Attention(8).double()
    with torch.no_grad():
        attention.gain.fill_(0.7)
    picture = torch.randn(2, 8, 2, 3, generator=rng(), dtype=torch.float64)
    with torch.no_grad():
        actual = attention(picture).numpy()
        rows = attention.weights(picture).numpy()
    query, key, value, out = (
        layer.weight.detach().numpy()[:, :, 0, 0]
        for layer in (attention.query, attention.key, attention.value, attention.out)
    )
    assert query.shape == key.shape == (1, 8) and value.shape == (4, 8) and out.shape == (8, 4)
    for sample in range(2):
        places = [picture.numpy()[sample, :, h, w] for h in range(2) for w in range(3)]
        for j, mine in enumerate(places):
            scores = np.array([math.exp(float((key @ x) @ (query @ mine))) for x in places])
            shares = scores / scores.sum()
            assert rows[sample, j] == pytest.approx(shares, rel=1e-9)
            gathered = sum(share * (value @ x) for share, x in zip(shares, places, strict=True))
            by_hand = 0.7 * (out @ gathered) + mine
            assert actual[sample, :, j // 3, j % 3] == pytest.approx(by_hand, rel=1e-9)
    assert rows.sum(2) == pytest.approx(np.ones((2, 6)))


def attentions(network: nn.Module) -> list[Attention]:
    return [part for part in network.modules() if isinstance(part, Attention)]


@pytest.mark.parametrize("loss", ["nonsaturating", "began", "cgan"])
def test_a_gain_of_0_is_no_attention_bit_for_bit(stores, loss) -> None:
    plain = step_of(stores, tiny_run("digits", loss), "generator")
    with_it = step_of(stores, tiny_run("digits", loss, "self-attention"), "generator")
    assert len(attentions(with_it.state.generator)) == 1
    assert len(attentions(with_it.state.discriminator)) == (2 if loss == "began" else 1)
    assert torch.equal(plain.generated, with_it.generated)
    assert torch.equal(plain.real_logits, with_it.real_logits)
    assert torch.equal(plain.fake_logits, with_it.fake_logits)


@pytest.mark.parametrize("size", [4, 8, 16, 32, 64])
def test_attention_stands_at_half_resolution(size: int) -> None:
    family = registry.create("network", "dcgan", {"width": 4})
    spec = Spec((3, size, size), 4)
    seen = []

    def note(module, inputs, out) -> None:
        seen.append((tuple(inputs[0].shape[2:]), tuple(out.shape[2:])))

    for network, inputs in (
        (family.generator(spec), torch.randn(2, 4)),
        (family.discriminator(spec), torch.randn(2, *spec.shape)),
    ):
        before = network(inputs)
        attend(network)
        (attention,) = attentions(network)
        attention.register_forward_hook(note)
        assert torch.equal(network(inputs), before)
    assert seen == [((size // 2, size // 2),) * 2] * 2


def test_attention_is_at_the_last_such_place_of_a_generator_and_the_first_of_a_critic() -> None:
    picture = [(nn.Identity(), (4, 4, 4)) for _ in range(3)]
    spec = Spec((4, 8, 8), 4)
    generator = Generator(Stages([*picture, (nn.Identity(), (4, 8, 8))]), spec)
    critic = Discriminator(Stages([*picture, (nn.Identity(), (4, 2, 2))]), 16, spec)
    attend(generator)
    attend(critic)
    for stages, at in ((generator.body, 2), (critic.trunk, 0)):
        assert [bool(attentions(part)) for part in stages] == [i == at for i in range(4)]


def test_attention_finds_stages_inside_other_modules() -> None:
    """A module that keeps the original stages inside itself; a network inside another one."""

    class Growing(nn.Module):
        def __init__(self, stages: Stages) -> None:
            super().__init__()
            self.inside = nn.ModuleDict({"stages": stages})

    family = registry.create("network", "dcgan", {"width": 4})
    generator = family.generator(Spec((1, 8, 8), 4))
    generator.body = Growing(generator.body)
    attend(generator)
    assert len(attentions(generator)) == 1
    # two generators, one for half the resolution: each at the half of its own
    pair = Generator(nn.Identity(), Spec((1, 32, 32), 4))
    pair.small, pair.large = (family.generator(Spec((1, s, s), 4)) for s in (16, 32))
    attend(pair)
    for network, size in ((pair.small, 8), (pair.large, 16)):
        (index,) = [i for i, part in enumerate(network.body) if attentions(part)]
        assert network.body.shapes[index][1] == size


def test_a_network_without_a_place_for_attention_is_told() -> None:
    family = registry.create("network", "mlp", {"width": 4})
    with pytest.raises(ValueError, match="feature map"):
        attend(family.generator(Spec((1, 8, 8), 4)))
    with pytest.raises(ValueError, match="no stages"):
        attend(registry.create("network", "rnn", {}).generator(Spec((1, 8, 8), 4)))


def test_the_gain_learns_first_and_the_layers_after_it(stores, trained) -> None:
    step = step_of(stores, tiny_run("digits", trick="self-attention"))
    (attention,) = attentions(step.state.discriminator)
    loss = step.discriminator_loss()
    wanted = (attention.gain, attention.query.weight, attention.out.weight)
    gain, *others = torch.autograd.grad(loss, wanted)
    assert float(gain.abs()) > 0 and not any(g.any() for g in others)
    end = trained(tiny_run("digits", trick="self-attention"))[1]["networks"]
    for part in ("generator", "discriminator"):
        names = [name for name in end[part] if name.endswith("gain")]
        assert len(names) == 1 and float(end[part][names[0]].abs()) > 0


@pytest.mark.parametrize("trick", ["self-attention", "sagan"])
def test_a_critic_that_attends_judges_each_sample_by_itself(stores, trick) -> None:
    train_state = make_state(stores, tiny_run("digits", trick=trick))
    with torch.no_grad():
        attentions(train_state.discriminator)[0].gain.fill_(2.0)
    critic = train_state.discriminator.eval()
    images = torch.randn(6, 1, 8, 8, generator=rng())
    alone = torch.cat([critic(image[None]) for image in images])
    torch.testing.assert_close(critic(images), alone, atol=1e-5, rtol=1e-5)
    moved = critic(torch.cat([images[:1], torch.randn(5, 1, 8, 8)]))
    torch.testing.assert_close(moved[0], alone[0], atol=1e-5, rtol=1e-5)


def test_attention_needs_feature_maps() -> None:
    for dataset, network, reported in (
        ("ring", "mlp", "points have none"),
        ("digits", "mlp", "recurrent networks have none"),
        ("digits", "rnn", "recurrent networks have none"),
    ):
        for trick in ("self-attention", "sagan"):
            assert reported in why_not(dataset, network, "hinge", [trick]).text
    assert why_not("digits", "dcgan", "hinge", ["self-attention"]) is None


# -- SAGAN: a combination under one name -----------------------------------------------------------

PARTS = ("self-attention", "spectral-norm-both", "ttur")


def study(tricks: list, losses: tuple[str, ...] = ("hinge",), **changes):
    place = {"datasets": ["digits"], "networks": ["dcgan"]}
    return tiny(grids=[{**place, "losses": list(losses), "tricks": tricks}], **changes)


@pytest.mark.parametrize("loss", ["hinge", "began"])
def test_sagan_is_its_parts_in_order_bit_for_bit(trained, loss) -> None:
    one, other = expand(study(["sagan", list(PARTS)], (loss,))).runs
    assert [part.name for part in one.applied] == [part.name for part in other.applied]
    (_, first), (_, second) = trained(one), trained(other)
    for kept in ("networks", "optimizers", "snapshots"):
        assert equal(first[kept], second[kept])
    assert one.training_code() == other.training_code()


def test_sagan_has_the_name_of_its_own() -> None:
    plan = expand(study(["sagan"]))
    (run,) = plan.runs
    assert run.trick == run.cell.trick == "sagan"
    assert run.id == "digits/dcgan/hinge/sagan/base/seed0"
    assert plan.folder(run).parts[-3:] == ("sagan", "base", "seed0")
    assert [part.name for part in run.tricks[0].parts] == list(PARTS)


def test_sagan_has_the_reasons_of_its_parts() -> None:
    for loss, place in (("wgan", ("digits", "dcgan")), ("hinge", ("ring", "mlp"))):
        mine = why_not(*place, loss, ["sagan"])
        assert mine is not None and mine == why_not(*place, loss, PARTS)
    assert why_not("digits", "dcgan", "hinge", ["sagan", "spectral-norm"])
    assert why_not("digits", "dcgan", "hinge", ["sagan"]) is None
    with pytest.raises(GanloreError, match="names a trick twice"):
        expand(study([["sagan", "ttur"]]))


def test_settings_of_parts_reach_sagan(stores) -> None:
    variants = {"slow": {"tricks": {"ttur": {"ratio": 1.0}}}}
    plan = expand(
        tiny(
            grids=[{"datasets": ["digits"], "networks": ["dcgan"], "losses": ["hinge"],
                    "tricks": ["sagan"], "variants": ["base", "slow"]}],
            settings={"tricks": {"ttur": {"ratio": 16.0}}},
            variants=variants,
        )
    )  # fmt: skip
    base, slow = (make_state(stores, run).optimizers for run in plan.runs)
    rates = [[o.param_groups[0]["lr"] for o in pair] for pair in (base, slow)]
    assert rates[0] == pytest.approx([5e-5, 8e-4]) and rates[1] == pytest.approx([2e-4, 2e-4])
    assert plan.runs[0].training_hash() != plan.runs[1].training_hash()
    assert make_state(stores, plan.runs[0]).n_critic == 1
    again = Run.model_validate_json(plan.runs[0].model_dump_json())
    assert again == plan.runs[0]  # as a job is handed over
    with pytest.raises(GanloreError, match="ratio"):
        expand(study(["sagan"], settings={"tricks": {"sagan": {"ratio": 2.0}}}))


PART = '''
from ganlore.tricks import Trick

class Part(Trick):
    """A part."""

    paper = "-"
    tip = "-"

    def n_critic(self, n):
        return n + 1

TRICK = Part
'''
WHOLE = '''
from ganlore.tricks import Trick

class Whole(Trick):
    """A whole."""

    paper = "-"
    tip = "-"
    combines = ("part", "ema")

TRICK = Whole
'''


def test_the_code_of_a_combination_is_that_of_its_parts(tmp_path, monkeypatch) -> None:
    folder = tmp_path / "tricks"
    folder.mkdir()
    monkeypatch.setenv("GANLORE_PLUGINS", str(tmp_path))
    (folder / "part.py").write_text(PART, encoding="utf-8")
    (folder / "whole.py").write_text(WHOLE, encoding="utf-8")

    def code() -> tuple[str, str]:
        fingerprint.training.cache_clear()
        fingerprint.evaluation.cache_clear()
        (run,) = expand(study(["whole"])).runs
        assert [part.name for part in run.applied] == ["part", "ema"]
        return run.training_code(), run.evaluation_code()

    try:
        first = code()
        (folder / "part.py").write_text(
            PART.replace("A part", "Some part") + "\n\n", encoding="utf-8"
        )
        assert code() == first
        (folder / "part.py").write_text(PART.replace("n + 1", "n + 2") + "\n\n\n", encoding="utf-8")
        assert all(one != other for one, other in zip(code(), first, strict=True))
    finally:
        fingerprint.training.cache_clear()
        fingerprint.evaluation.cache_clear()


def test_list_and_plan_show_what_sagan_combines(tmp_path, monkeypatch) -> None:
    text = CliRunner().invoke(app, ["list", "tricks"]).output
    entry = text.split("  sagan ")[1].split("\n  s")[0]
    assert "combines" in entry and "self-attention, spectral-norm-both and ttur" in entry
    (sagan,) = (trick for trick in catalogue.tricks() if trick.name == "sagan")
    assert sagan.settings == "those of `self-attention`, `spectral-norm-both` and `ttur`"
    assert any("`wgan`" in text for text in sagan.not_applicable)
    monkeypatch.chdir(tmp_path)
    grids = [{"datasets": ["digits"], "networks": ["dcgan"], "losses": ["hinge", "wgan"],
              "tricks": ["none", "sagan"]}]  # fmt: skip
    (tmp_path / "study.yaml").write_text(
        yaml.safe_dump(schema.merge(TINY, {"grids": grids})), encoding="utf-8"
    )
    reported = CliRunner().invoke(app, ["plan", "study.yaml", "--no-measure"]).output
    assert (
        "3 runs" in reported and "digits dcgan wgan sagan: spectral-norm-both with wgan" in reported
    )


def test_sagan_normalises_attention_too(stores) -> None:
    run = tiny_run("digits", trick="sagan")
    train_state = make_state(stores, run)
    images, latent = torch.randn(8, 1, 8, 8, generator=rng()), torch.randn(8, 4, generator=rng())
    for _ in range(200):
        train_state.discriminator(images)
        train_state.generator(latent)
    for network in (train_state.generator, train_state.discriminator):
        (attention,) = attentions(network)
        layers = [m for m in network.modules() if isinstance(m, (nn.Conv2d, nn.Linear))]
        assert set(attention.children()) <= set(layers)
        assert [largest(m) for m in layers] == pytest.approx([1.0] * len(layers), abs=1e-3)


# -- the order of a combination --------------------------------------------------------------------


def test_combinations_may_combine_combinations(tmp_path, monkeypatch) -> None:
    """All parts are applied, and what the combination itself declares holds."""
    (tmp_path / "tricks").mkdir()
    text = """from ganlore.tricks import Trick


class Nested(Trick):
    \"\"\"A combination of a combination.\"\"\"

    paper = "arXiv:1805.08318"
    tip = "nested"
    combines = ("sagan", "ema")
    incompatible = {"lsgan": "a reason of the combination's own, which is long enough"}


TRICK = Nested
"""
    (tmp_path / "tricks/nested.py").write_text(text, encoding="utf-8")
    monkeypatch.setenv("GANLORE_PLUGINS", str(tmp_path))
    parts = ["self-attention", "spectral-norm-both", "ttur", "ema"]
    assert applied(["nested"]) == parts
    run = tiny_run("digits", loss="hinge", trick="nested")
    assert [part.name for part in run.applied] == parts
    assert str(why_not("digits", "dcgan", "lsgan", ("nested",))).startswith("nested with")
    twice = why_not("digits", "dcgan", "hinge", ("sagan", "ttur"))
    assert twice is not None and "twice" in twice.text


@pytest.mark.parametrize("order", ["progressive+{}", "{}+progressive"])
@pytest.mark.parametrize("trick", ["minibatch-discrimination", "minibatch-stddev"])
def test_statistics_of_the_batch_go_with_networks_that_grow(trained, order, trick) -> None:
    status, _ = trained(tiny_run("digits", trick=order.format(trick)))
    assert status == "done"


@pytest.mark.parametrize("normalise", ["spectral-norm", "spectral-norm-both"])
def test_what_comes_after_normalisation_is_not_normalised(stores, normalise) -> None:
    for order, expected in (
        (f"self-attention+{normalise}", True),
        (f"{normalise}+self-attention", False),
    ):
        critic = make_state(stores, tiny_run("digits", trick=order)).discriminator
        (attention,) = attentions(critic)
        assert {parametrize.is_parametrized(layer) for layer in attention.children()} == {expected}
        others = [m for m in critic.modules() if isinstance(m, (nn.Conv2d, nn.Linear))]
        rest = set(others) - set(attention.children())
        assert rest and all(parametrize.is_parametrized(layer) for layer in rest)


class Shift(Trick):
    """Adds the number of a sample in its batch."""

    def view(self, images, training_step):
        places = torch.arange(len(images), dtype=images.dtype)
        return images + places.reshape(-1, *[1] * (images.dim() - 1))


def test_views_fold_from_left_to_right(stores) -> None:
    """Behind packing, what changes images sees packs: 4 of 2, rather than 8 images."""
    packing = registry.create("trick", "packing", {})
    run = tiny_run(trick="packing")
    for tricks, expected in (
        ((packing, Shift()), [0, 0, 1, 1, 2, 2, 3, 3]),
        ((Shift(), packing), [0, 1, 2, 3, 4, 5, 6, 7]),
    ):
        step = step_of(stores, run)
        step.state.tricks = tricks
        seen = (step.real.reshape(8, 2) - step.images)[:, 0]
        assert seen.tolist() == pytest.approx(expected, abs=1e-5)
