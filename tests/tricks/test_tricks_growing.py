"""Progressive growing and stacking: what is drawn, classified and learned at which resolution."""

from __future__ import annotations

import copy
import math
from types import SimpleNamespace

import pytest
import torch
from torch import nn
from torch.nn import functional

import step_costs
from ganlore.evaluation import sampling
from ganlore.networks import Spec, Stages
from ganlore.study import registry
from ganlore.study.compatibility import why_not
from ganlore.study.expand import expand
from ganlore.training import session
from ganlore.tricks._resolution import enlarge, shrink
from tiny import equal, tiny

CPU = torch.device("cpu")
TRICKS = ["progressive", "stacking"]


def run_of(loss="nonsaturating", trick="progressive", network="dcgan", **changes):
    """A run on digits, 8x8, with any network."""
    axes = {"datasets": ["digits"], "networks": [network], "losses": [loss]}
    return expand(tiny(grids=[{**axes, "tricks": [trick.split("+")]}], **changes)).runs[0]


def stepper_of(stores, run):
    torch.set_num_threads(run.training.threads)
    return session.build_trainer(run, stores["digits"], CPU)


def at_level(train_state, level: int, alpha: float = 1.0):
    """All networks at a level, the growing trick included."""
    for trick in train_state.tricks:
        if hasattr(trick, "level_at"):
            trick.level_at = lambda progress: (level, alpha)
            trick.stage({"level": level, "share": alpha}, train_state.networks)
    return train_state


def make_state(stores, run, level: int = 0, alpha: float = 1.0):
    return at_level(stepper_of(stores, run).state, level, alpha)


def noise(train_state, n: int = 8):
    return train_state.loss.latent(n, 4, torch.Generator().manual_seed(3))


def images(n: int = 8, size: int = 8):
    return torch.rand(n, 1, size, size, generator=torch.Generator().manual_seed(4)) * 2 - 1


def means(x, k: int = 2):
    """Means of k x k blocks, written another way."""
    n, c, h, w = x.shape
    return x.double().reshape(n, c, h // k, k, w // k, k).mean((3, 5)).float()


def blocks(x, k: int = 2):
    return x.repeat_interleave(k, 2).repeat_interleave(k, 3)


# -- resolution ------------------------------------------------------------------------------------


@pytest.mark.parametrize("times", [0, 1, 2, 3])
def test_shrinking_takes_back_what_enlarging_did_to_the_bit(times: int) -> None:
    small = torch.rand(500, 2, 4, 4) * 3 - 1
    large = enlarge(small, times)
    assert torch.equal(large, blocks(small, 2**times))
    assert torch.equal(shrink(large, times), small)
    other = torch.rand(4, 2, 32, 32)
    assert torch.allclose(shrink(other, times), means(other, 2**times), atol=1e-6)


@pytest.mark.parametrize("trick", TRICKS)
@pytest.mark.parametrize("loss", ["nonsaturating", "infogan", "cgan"])
def test_what_the_discriminator_sees_is_the_very_image_that_was_drawn(stores, loss, trick) -> None:
    stepper = stepper_of(stores, run_of(loss, trick, training={"budget": 16 * 30}))
    train_state = stepper.state
    training_step = stepper.see("generator", stepper.begin(0))
    assert training_step.generated.shape == (16, 1, 8, 8) and training_step.fake.shape == (
        16,
        1,
        4,
        4,
    )
    assert torch.equal(blocks(training_step.fake), training_step.generated)
    assert torch.allclose(training_step.real, means(stepper.batches[0][0]), atol=1e-6)
    assert torch.equal(training_step.images, blocks(training_step.real))
    training_step = stepper.see("generator", stepper.begin(29))
    assert torch.equal(
        training_step.fake, training_step.generated
    ) and training_step.fake.shape == (16, 1, 8, 8)
    assert (
        torch.equal(training_step.real, stepper.batches[29][0])
        and training_step.real is training_step.images
    )
    assert train_state.tricks[0].doublings == 0


def test_real_images_fade_as_generated_ones_do(stores) -> None:
    """By hand, at the upper of three levels and at the middle one."""
    trick = registry.create("trick", "progressive", {})
    trick.levels, x = 3, images(size=16)
    trick.level, step = 2, SimpleNamespace(scheduled=lambda plugin, name: 0.25)
    expected = 0.75 * blocks(means(x)) + 0.25 * x
    assert torch.allclose(trick.data(x, step), expected, atol=1e-6)
    trick.level = 1
    expected = 0.75 * blocks(means(x, 4), 4) + 0.25 * blocks(means(x))
    assert torch.allclose(trick.data(x, step), expected, atol=1e-6)
    seen = trick.view(trick.data(x, step), None)
    assert seen.shape == (8, 1, 8, 8) and torch.equal(blocks(seen), trick.data(x, step))


@pytest.mark.parametrize("trick", TRICKS)
def test_packs_are_the_same_in_either_order(stores, trick) -> None:
    seen = []
    for order in (f"packing+{trick}", f"{trick}+packing"):
        stepper = stepper_of(stores, run_of(trick=order))
        training_step = stepper.see("discriminator", stepper.begin(0))
        seen.append((training_step.real, training_step.fake, training_step.real_logits))
        assert training_step.real.shape == (8, 2, 4, 4) and training_step.real_logits.shape == (8,)
    assert equal(*seen)


# -- progressive: schedule and networks ------------------------------------------------------------


def test_the_budget_has_equal_parts_for_levels_and_fades() -> None:
    trick = registry.create("trick", "progressive", {})
    trick.levels = 3  # five parts: 0, to 1, 1, to 2, 2
    for progress, (level, alpha) in {
        0.0: (0, 1), 0.19: (0, 1), 0.25: (1, 0.25), 0.3: (1, 0.5), 0.41: (1, 1), 0.59: (1, 1),
        0.61: (2, 0.05), 0.75: (2, 0.75), 0.81: (2, 1), 0.999: (2, 1),
    }.items():  # fmt: skip
        assert trick.level_at(progress) == (level, pytest.approx(alpha))
    trick.levels = 2
    assert [trick.level_at(step / 12) for step in (0, 3, 8, 11)] == [(0, 1), (0, 1), (1, 1), (1, 1)]
    assert [trick.level_at(step / 12)[1] for step in (4, 5, 6, 7)] == pytest.approx(
        [0, 0.25, 0.5, 0.75]
    )


SIZES = {
    # network, its settings, image size: sizes; G's parts before a way out; D's parts left out
    ("dcgan", (), 8): ([4, 8], [2, 3], [1, 0]),
    ("dcgan", (), 32): ([4, 8, 16, 32], [1, 2, 3, 4], [3, 2, 1, 0]),
    ("dcgan", (), 28): ([7, 14, 28], [1, 2, 3], [2, 1, 0]),
    ("sndcgan", (), 32): ([4, 8, 16, 32], [1, 2, 3, 5], [3, 2, 1, 0]),
    ("infogan-small", (), 28): ([7, 14, 28], [2, 3, 4], [2, 1, 0]),
    ("mlp", (("depth", 3),), 8): ([4, 8], [2, 4], [2, 0]),
    ("mlp", (("depth", 3),), 32): ([8, 16, 32], [1, 2, 4], [3, 2, 0]),
    ("mlp", (("depth", 2),), 28): ([14, 28], [1, 3], [2, 0]),
}


@pytest.mark.parametrize("case", SIZES, ids=str)
def test_a_larger_size_has_a_part_more(case) -> None:
    """Sizes, and the parts that run at each, are those counted by hand."""
    (network, settings, size), (sizes, before, skipped) = case, SIZES[case]
    family = registry.create("network", network, {"width": 4, **dict(settings)})
    trick = registry.create("trick", "progressive", {})
    spec = Spec((3, size, size), 4)
    generator = trick.generator_network(family.generator, family)(spec)
    critic = trick.discriminator_network(family.discriminator, family)(spec)
    assert trick.levels == len(sizes)
    ran: list[nn.Module] = []
    for part in (*generator.body, *critic.trunk):
        part.register_forward_hook(lambda module, *_: ran.append(module))
    for level, side in enumerate(sizes):
        trick.stage({"level": level, "share": 1.0}, (generator, critic))
        ran.clear()
        drawn = generator(torch.randn(2, 4))
        assert ran == list(generator.body)[: before[level]]
        assert drawn.shape == (2, 3, size, size)
        seen = trick.view(drawn, None)
        assert seen.shape == (2, 3, side, side)
        assert torch.equal(enlarge(seen, len(sizes) - 1 - level), drawn)
        ran.clear()
        assert critic(seen).shape == (2,)
        assert ran == list(critic.trunk)[skipped[level] :]


def test_images_that_have_no_smaller_size_are_refused() -> None:
    for network, settings, size in (("mlp", {"depth": 1}, 8), ("mlp", {}, 6), ("dcgan", {}, 4)):
        family = registry.create("network", network, settings)
        trick = registry.create("trick", "progressive", {})
        make = trick.generator_network(family.generator, family)
        with pytest.raises(ValueError, match="halved"):
            make(Spec((1, size, size), 4))
    trick = registry.create("trick", "stacking", {})
    with pytest.raises(ValueError, match="even sides, not 7x5"):
        trick.discriminator_network(family.discriminator, family)(Spec((1, 7, 5), 4))


@pytest.mark.parametrize("network", ["dcgan", "mlp"])
def test_the_last_level_is_the_network_itself(stores, network) -> None:
    """The same weights by the same names, so the same images and logits, bit for bit."""
    grown = make_state(stores, run_of(network=network), level=1)
    plain = make_state(stores, run_of(trick="none", network=network))
    latent, x = noise(plain), images()
    assert torch.equal(grown.generator(latent), plain.generator(latent))
    assert torch.equal(grown.discriminator(x), plain.discriminator(x))
    begun = grown.generator.state_dict() | grown.discriminator.state_dict()
    plainly = plain.generator.state_dict() | plain.discriminator.state_dict()
    assert all(
        torch.equal(begun[name], value) for name, value in plainly.items() if "running" not in name
    )
    new = {name.split(".")[1] for name in begun.keys() - plainly.keys()}
    assert new == {"to_rgb", "from_rgb", "_extra_state"}


@pytest.mark.parametrize("network", ["dcgan", "mlp"])
def test_a_fade_begins_at_the_smaller_images_and_ends_at_the_larger(stores, network) -> None:
    train_state = make_state(stores, run_of(network=network))
    latent, x = noise(train_state), images()

    def go(level: int, alpha: float = 1.0):
        at_level(train_state, level, alpha)
        return train_state.generator(latent), train_state.discriminator(x if level else means(x))

    low, high = go(0), go(1)
    assert torch.equal(low[0], blocks(means(low[0])))
    assert torch.equal(go(1, 0.0)[0], low[0])
    assert torch.allclose(go(1, 0.0)[1], low[1], atol=1e-6)
    assert torch.equal(go(1, 1 - 2**-24)[0], high[0]) or torch.allclose(
        go(1, 1 - 2**-24)[0], high[0], atol=1e-6
    )
    for alpha in (0.25, 0.5, 0.75):
        drawn = go(1, alpha)[0]
        assert torch.allclose(drawn, (1 - alpha) * low[0] + alpha * high[0], atol=1e-6)
    fading = torch.stack([go(1, step / 64)[1] for step in range(64)] + [high[1]])
    jumps, whole = fading.diff(dim=0).abs(), (high[1] - low[1]).abs()
    assert jumps.max() < 0.1 * whole.max() + 1e-5  # no step of a fade is a leap


def test_a_fading_discriminator_by_hand(stores) -> None:
    """Features: part 1 of alpha part 0(x) + (1 - alpha) leaky(conv(mean of 2x2 pixels))."""
    train_state = make_state(stores, run_of(), level=1, alpha=0.25)
    trunk, x = train_state.discriminator.trunk, images()
    conv, head = trunk.from_rgb[0][0], train_state.discriminator.head
    small = means(x)
    entered = torch.einsum("nchw,oc->nohw", small, conv.weight[:, :, 0, 0])
    entered = functional.leaky_relu(entered + conv.bias[:, None, None], 0.2)
    mixed = 0.25 * trunk[0](x) + 0.75 * entered
    expected = head(trunk[1](mixed).flatten(1)).squeeze(1)
    assert torch.allclose(train_state.discriminator(x), expected, atol=1e-6)
    at_level(train_state, 0)
    expected = head(trunk[1](entered).flatten(1)).squeeze(1)
    assert torch.allclose(train_state.discriminator(small), expected, atol=1e-6)


def test_a_decoder_redraws_images_of_the_level_s_size(stores) -> None:
    for trick in TRICKS:
        train_state = make_state(stores, run_of("began", trick))
        assert train_state.discriminator(images(size=4)).shape == (8, 1, 4, 4)
        at_level(train_state, 1)
        assert train_state.discriminator(images()).shape == (8, 1, 8, 8)
    at_level(train_state := make_state(stores, run_of("began")), 1, 0.0)
    redrawn = train_state.discriminator(images())
    at_level(train_state, 0)
    assert torch.allclose(redrawn, blocks(train_state.discriminator(means(images()))), atol=1e-6)


def test_replaced_parts_are_those_that_grow(stores) -> None:
    """Who finds `Stages` and replaces a part, as attention does, changes every level that has it."""
    train_state = make_state(stores, run_of())
    (stages,) = (m for m in train_state.generator.modules() if isinstance(m, Stages))
    assert len(stages) == len(list(stages)) == len(stages.shapes) == 3
    before = train_state.generator(noise(train_state))
    place = stages.shapes.index((4, 4, 4))
    stages[place] = nn.Sequential(stages[place], nn.ReLU(), nn.Threshold(10.0, 0.0))
    after = train_state.generator(noise(train_state))
    assert not torch.equal(before, after)
    assert len(after.unique()) == 1  # all features are 0 behind the threshold: the bias is left


# -- stacking --------------------------------------------------------------------------------------


def test_stage_two_takes_over_at_its_share() -> None:
    assert registry.create("trick", "stacking", {}).level_at(0.499) == (0, 1.0)
    assert registry.create("trick", "stacking", {}).level_at(0.5) == (1, 1.0)
    assert registry.create("trick", "stacking", {"share": 0.25}).level_at(0.25) == (1, 1.0)


@pytest.mark.parametrize("loss", ["nonsaturating", "infogan", "cgan"])
@pytest.mark.parametrize("network", ["dcgan", "mlp", "rnn"])
def test_stage_two_draws_from_stage_one_s_image_codes_and_label(stores, loss, network) -> None:
    """By hand: its generator is given the code of stage I's image, the loss's codes, the label."""
    train_state = make_state(stores, run_of(loss, "stacking", network), level=1)
    latent = noise(train_state)
    labels = torch.arange(8) if loss == "cgan" else None
    generator = train_state.generator
    first, reader, second = generator.body
    generator.eval()
    assert first.shape == reader.spec.shape == (1, 4, 4) and second.shape == (1, 8, 8)
    code = reader(first(latent, labels))
    expected = second(torch.cat([code, latent[:, 4:]], 1), labels)
    assert torch.equal(generator(latent, labels), expected)
    inputs = []
    second.body.register_forward_pre_hook(lambda _, x: inputs.append(x[0]))
    drawn = generator(latent, labels)
    widths = {"nonsaturating": 0, "infogan": 12, "cgan": 10}
    assert inputs[0].shape == (8, 64 + widths[loss])
    other = latent.clone()
    other[:, :4] += 1  # the noise is heard through stage I's image alone
    assert not torch.equal(generator(other, labels), drawn)
    nn.init.zeros_(reader.head.weight)
    assert torch.equal(generator(other, labels), generator(latent, labels))


def test_an_encoder_learns_through_the_frozen_stage(stores) -> None:
    train_state = make_state(stores, run_of("gan-mse", "stacking"), level=1)
    code = noise(train_state).requires_grad_()
    train_state.generator(code).square().sum().backward()
    assert code.grad is not None and code.grad.abs().sum() > 0
    first, reader, second = train_state.generator.body
    assert all(p.grad is None for p in first.parameters())
    assert all(p.grad is not None for p in (*reader.parameters(), *second.parameters()))


MOVES = [
    ("nonsaturating", {}),
    ("nonsaturating", {"optimizer": {"kind": "rmsprop", "lr": 1e-3}}),
    ("wgan", {"policy": "published"}),
    ("vaegan", {}),
    ("began", {}),
]


@pytest.mark.parametrize("loss, training", MOVES)
def test_each_stage_moves_in_its_own_time_alone(stores, loss, training) -> None:
    """Weights and statistics; a clipped weight of a critic that rests is not moved again."""
    run = run_of(loss, "stacking", training={"budget": 16 * 30, **training})
    stepper = stepper_of(stores, run)

    first, *second = stepper.state.generator.body
    one, two = stepper.state.discriminator.critics
    parts = {"I": [first, one], "II": [*second, two]}

    def state():
        states = {stage: [m.state_dict() for m in modules] for stage, modules in parts.items()}
        for part in (part for actual in states.values() for part in actual):
            for name in [name for name in part if "extra_state" in name]:
                part.pop(name)
        return copy.deepcopy(states)

    stepper.step(0)  # after which all weights that are ever to be clipped are
    start = state()
    for step in range(1, 15):
        stepper.step(step)
    middle = state()
    assert equal(start["II"], middle["II"])
    assert not any(equal(*pair) for pair in zip(start["I"], middle["I"], strict=True))
    for step in range(15, 30):
        stepper.step(step)
    end = state()
    assert equal(middle["I"], end["I"])
    assert not any(equal(*pair) for pair in zip(middle["II"], end["II"], strict=True))


def test_stage_two_sees_stage_one_as_it_will_be_sampled(stores) -> None:
    """Stage I is in evaluation mode in stage II, whatever mode the generator is put into."""
    train_state = make_state(stores, run_of("vaegan", "stacking"))
    first, _, second = train_state.generator.body
    train_state.generator(noise(train_state))
    before = copy.deepcopy(first.state_dict())
    at_level(train_state, 1)
    train_state.generator.eval()
    train_state.generator.train()
    assert not first.training and second.training
    train_state.generator(noise(train_state))
    assert equal(before, first.state_dict())
    alone = first(noise(train_state))
    assert torch.allclose(
        torch.cat([first(row[None]) for row in noise(train_state)]), alone, atol=1e-6
    )
    at_level(train_state, 0)
    assert first.training


def test_features_of_both_stages_have_one_width(stores) -> None:
    train_state = make_state(stores, run_of("infogan", "stacking"))
    one, two = train_state.discriminator.critics
    assert one.width < two.width == train_state.discriminator.width
    features = train_state.discriminator.features(images(size=4))
    assert features.shape == (8, two.width) and not features[:, one.width :].any()
    logits = train_state.discriminator.classify(features)
    assert torch.equal(logits, one(images(size=4)))
    at_level(train_state, 1)
    assert torch.equal(train_state.discriminator(images()), two(images()))


# -- runs ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "loss, trick, network",
    [
        ("wgan-gp", "progressive", "mlp"), ("began", "progressive+packing", "mlp"),
        ("cgan", "progressive+spectral-norm+r1", "dcgan"), ("r3gan", "progressive", "mlp"),
        ("vaegan", "packing+progressive+relativistic", "dcgan"), ("infogan", "stacking", "rnn"),
        ("began", "stacking+packing", "rnn"), ("cgan", "stacking+packing+ema", "mlp"),
        ("vaegan", "stacking+spectral-norm", "mlp"), ("improved-gan", "stacking", "dcgan"),
    ],
)  # fmt: skip
def test_losses_and_tricks_go_through_every_stage(trained, loss, trick, network) -> None:
    budget = {"training": {"budget": 16 * 15, "snapshots": 1}}
    run = run_of(loss, trick, network, **budget)
    status, saved = trained(run)
    assert status == "done"
    assert all(math.isfinite(value) for row in saved["history"] for value in row.values())


@pytest.mark.parametrize("killed", [5, 15])
@pytest.mark.parametrize("trick", ["progressive+ema", "stacking+spectral-norm"])
def test_a_run_resumed_before_within_and_after_a_change_has_the_same_bits(
    trained, interrupted, trick, killed
) -> None:
    """Of 30 steps: growing fades from the 11th to the 20th, stage II begins with the 16th."""
    run = run_of("infogan", trick, training={"budget": 480, "history": 6})
    _, undisturbed = trained(run)
    resumed = interrupted(run, killed)
    for part in ("networks", "optimizers", "snapshots"):
        assert equal(undisturbed[part], resumed[part])


@pytest.mark.parametrize(
    "trick, levels",
    [
        ("progressive", [(0, 1.0), (1, 0.25), (1, 1.0), (1, 1.0)]),  # of steps 3, 6, 9 and 12
        ("stacking+ema", [(0, 1.0), (0, 1.0), (1, 1.0), (1, 1.0)]),
    ],
)
def test_a_snapshot_is_evaluated_at_its_own_stage(stores, trained, trick, levels) -> None:
    run = run_of(trick=trick, training={"budget": 16 * 12, "snapshots": 4})
    _, saved = trained(run)
    train_state = make_state(stores, run)
    train_state.evaluated.eval()
    drawn = sampling.draw(train_state, run, stores["digits"])
    for snapshot, (level, alpha) in zip(saved["snapshots"], levels, strict=True):
        sampling.load(train_state, snapshot)
        with torch.no_grad():
            samples = drawn.generator(drawn.latent)
        inside = train_state.evaluated if trick == "stacking+ema" else train_state.evaluated.body
        assert (inside.level, inside.share) == (level, pytest.approx(alpha))
        assert torch.equal(samples, blocks(means(samples))) == (level == 0)
        with torch.no_grad():
            expected = make_state(stores, run, level, inside.share)
            expected.evaluated.load_state_dict(snapshot["weights"])
            assert torch.equal(samples, expected.evaluated.eval()(drawn.latent))
    sampling.load(train_state, saved["snapshots"][0])  # and back again
    assert (inside.level, inside.share) == (0, 1.0)


@pytest.mark.parametrize("trick", TRICKS)
def test_an_average_of_weights_follows_the_stage(stores, trick) -> None:
    stepper = stepper_of(stores, run_of(trick=f"{trick}+ema", training={"budget": 16 * 12}))
    for step in range(12):
        stepper.step(step)
        actual = [
            [value.tolist() for name, value in network.state_dict().items() if "extra" in name]
            for network in (stepper.state.generator, stepper.state.evaluated)
        ]
        assert actual[0] == actual[1] == [list(stepper.state.tricks[0].level_at(step / 12))]
    assert actual[0][0][0] == 1


# -- cost ------------------------------------------------------------------------------------------


def arithmetic(stores, trick: str, step: int, phase: str = "discriminator", **changes) -> int:
    run = run_of(trick=trick, training={"budget": 16 * 30}, **changes)
    return step_costs.arithmetic(step_costs.Bench(run, stores["digits"]), phase, step)


@pytest.mark.parametrize("network", ["dcgan", "mlp"])
def test_a_level_costs_what_its_own_layers_cost(stores, network) -> None:
    """The last one what the network costs without growing; the first one less, by hand for mlp."""
    plain = arithmetic(stores, "none", 0, network=network)
    low, fade, high = (
        arithmetic(stores, "progressive", step, network=network) for step in (0, 15, 29)
    )
    assert low < high == plain < fade
    if network == "mlp":  # width 8, depth 2, 16 images; forward, weights, inputs but the first's
        generator = 2 * 16 * (4 * 8 + 8 * 16)
        critic = 2 * 32 * (16 * 8 + 8)
        assert low == generator + 2 * critic + 2 * 32 * 8


def test_stage_one_costs_less_and_stage_two_is_not_run_backwards_through_it(stores) -> None:
    plain = arithmetic(stores, "none", 0)
    assert arithmetic(stores, "stacking", 0) < plain
    run = run_of(trick="stacking", training={"budget": 16 * 30})
    bench = step_costs.Bench(run, stores["digits"])
    bench.trainer.begin(29)
    with step_costs.Arithmetic() as counter:
        first = bench.state.generator.body[0]
        first(torch.randn(16, 4))
    once = counter.total
    with step_costs.Arithmetic() as counter:
        bench.step("generator", 29)
    whole = counter.total
    bench.state.generator.body[0] = Fixed((1, 4, 4))
    with step_costs.Arithmetic() as counter:
        bench.step("generator", 29)
    assert whole - counter.total == once


class Fixed(nn.Module):
    """An image without a calculation."""

    def __init__(self, shape) -> None:
        super().__init__()
        self.shape = shape

    def forward(self, latent, labels=None):
        return torch.zeros(len(latent), *self.shape)


@pytest.mark.parametrize("loss", ["nonsaturating", "began", "vaegan", "infogan", "wgan-gp"])
@pytest.mark.parametrize("trick", TRICKS)
def test_no_forward_pass_is_computed_twice_at_any_stage(stores, loss, trick) -> None:
    run = run_of(loss, trick, training={"budget": 16 * 30})
    bench = step_costs.Bench(run, stores["digits"])
    for step in (0, 12, 29):
        for phase in step_costs.TURNS:
            assert not step_costs.watch(bench, phase, step).twice, (step, phase)


# -- what is declared ------------------------------------------------------------------------------


def test_growing_needs_images_and_parts() -> None:
    for dataset, network, trick, word in (
        ("ring", "mlp", "progressive", "resolution"),
        ("digits", "rnn", "progressive", "parts"),
        ("ring", "mlp", "stacking", "points"),
    ):
        assert word in str(why_not(dataset, network, None, [trick]))
    assert why_not("digits", "rnn", None, ["stacking"]) is None
    assert why_not("digits", "mlp", None, ["progressive"]) is None
    both = why_not("digits", "dcgan", None, ["stacking", "progressive"])
    assert both is not None and both.other == "stacking"
