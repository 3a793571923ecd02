"""Convolutional networks: the published layers counted by hand, and what they compute."""

from __future__ import annotations

from itertools import pairwise
from math import sqrt

import pytest
import torch
from torch import nn
from torch.nn import functional

from ganlore.errors import GanloreError
from ganlore.networks import Generator, Spec
from ganlore.networks._convolutional import Convolutional, stages
from ganlore.networks.resnet import ConditionalNorm, down, up
from ganlore.steps import seeding
from ganlore.study import registry
from ganlore.study.compatibility import why_not
from ganlore.study.expand import expand
from ganlore.training import build
from ganlore.tricks import Trick
from ganlore.tricks.self_attention import Attention, attend
from tiny import tiny

CONVOLUTIONAL = [
    name
    for name in registry.find("network")
    if "halving size" in registry.declaration("network", name).fact("requires", {})
]
SIZES = (28, 32, 48, 64)
LATENT = 128


def family(name: str, **settings: int):
    return registry.create("network", name, settings)


def made(name: str, size: int, classes: int = 0, channels: int = 3, **settings: int):
    """Both networks, drawn as for a run."""
    networks = family(name, **settings)
    spec = Spec((channels, size, size), 5, classes)
    pair = networks.generator(spec), networks.discriminator(spec)
    for part in pair:
        networks.initialise(part, lambda key: seeding.generator(0, key))
    return pair


def noise(n: int = 4, width: int = 5) -> torch.Tensor:
    return torch.randn(n, width, generator=torch.Generator().manual_seed(1))


def images(size: int, n: int = 4, channels: int = 3) -> torch.Tensor:
    return torch.randn(n, channels, size, size, generator=torch.Generator().manual_seed(2))


# -- the layers, counted ---------------------------------------------------------------------------


def size_of(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def conv(inputs: int, outputs: int, kernel: int) -> int:
    """With a bias."""
    return outputs * (inputs * kernel * kernel + 1)


def normed(weights: int, channels: int) -> int:
    """A layer without a bias, and gains and shifts of its batch norm, for channels or for units."""
    return weights + 2 * channels


def sndcgan_generator(inner: int) -> int:
    """arXiv:1802.05957, table 3 (a): dense, three 4x4 deconvolutions, a 3x3 convolution."""
    dense = normed(LATENT * inner * inner * 512, inner * inner * 512)
    deconvolutions = sum(normed(a * b * 16, b) for a, b in pairwise((512, 256, 128, 64)))
    return dense + deconvolutions + conv(64, 3, 3)


def sndcgan_discriminator(inner: int) -> int:
    """Table 3 (b): 3x3 and 4x4 with 64, 128 and 256 channels, 3x3 with 512, dense."""
    first = conv(3, 64, 3) + conv(64, 64, 4)
    more = conv(64, 128, 3) + conv(128, 128, 4) + conv(128, 256, 3) + conv(256, 256, 4)
    return first + more + conv(256, 512, 3) + inner * inner * 512 + 1


def resnet_generator(widths: tuple[int, ...], inner: int, classes: int = 0) -> int:
    """Tables 4 to 6 (a): dense, a block that doubles from each width to the next, BN, 3x3."""
    tables = max(classes, 1)  # the blocks' gains and shifts, of each class or of all
    dense = (LATENT + 1) * inner * inner * widths[0]
    blocks = sum(
        conv(a, b, 3) + conv(b, b, 3) + conv(a, b, 1) + tables * 2 * (a + b)
        for a, b in pairwise(widths)
    )
    return dense + blocks + 2 * widths[-1] + conv(widths[-1], 3, 3)


def resnet_discriminator(widths: tuple[int, ...], plain: int) -> int:
    """Tables 4 to 6 (b): blocks, the last `plain` of which do not halve; a dense layer.

    Only a block that halves or widens has a convolution beside it.
    """
    first = conv(3, widths[0], 3) + conv(widths[0], widths[0], 3) + conv(3, widths[0], 1)
    blocks = 0
    for index, (a, b) in enumerate(pairwise(widths), start=2):
        beside = conv(a, b, 1) if a != b or index <= len(widths) - plain else 0
        blocks += conv(a, a, 3) + conv(a, b, 3) + beside
    return first + blocks + widths[-1] + 1


COUNTS = {
    # DCGAN's code: 64 channels next to the image, twice as many at each size further in
    ("dcgan", 64): (
        normed(LATENT * 16 * 512, 512)
        + sum(normed(a * b * 16, b) for a, b in pairwise((512, 256, 128, 64)))
        + conv(64, 3, 4),
        sum(conv(a, b, 4) for a, b in pairwise((3, 64, 128, 256, 512))) + 16 * 512 + 1,
    ),
    ("dcgan", 28): (
        normed(LATENT * 49 * 128, 128) + normed(128 * 64 * 16, 64) + conv(64, 3, 4),
        conv(3, 64, 4) + conv(64, 128, 4) + 49 * 128 + 1,
    ),
    ("sndcgan", 32): (sndcgan_generator(4), sndcgan_discriminator(4)),
    ("sndcgan", 48): (sndcgan_generator(6), sndcgan_discriminator(6)),
    ("sndcgan", 64): (sndcgan_generator(8), sndcgan_discriminator(8)),
    ("resnet", 32): (
        resnet_generator((256, 256, 256, 256), 4),
        resnet_discriminator((128, 128, 128, 128), plain=2),
    ),
    ("resnet", 48): (
        resnet_generator((512, 256, 128, 64), 6),
        resnet_discriminator((64, 128, 256, 512, 1024), plain=1),
    ),
    ("resnet", 64): (
        resnet_generator((1024, 512, 256, 128, 64), 4),
        resnet_discriminator((64, 128, 256, 512, 1024), plain=0),
    ),
    ("resnet", 128): (
        resnet_generator((1024, 1024, 512, 256, 128, 64), 4),
        resnet_discriminator((64, 128, 256, 512, 1024, 1024), plain=1),
    ),
    # arXiv:1606.03657, table 1: FC 1024, FC 7x7x128, 4x4 upconv 64, 4x4 upconv; and backwards
    **{
        ("infogan-small", size): (
            normed(LATENT * 1024, 1024)
            + normed(1024 * (size // 4) ** 2 * 128, (size // 4) ** 2 * 128)
            + normed(128 * 64 * 16, 64)
            + conv(64, 3, 4),
            conv(3, 64, 4) + conv(64, 128, 4) + ((size // 4) ** 2 * 128 + 1) * 1024 + 1024 + 1,
        )
        for size in (28, 32, 64)
    },
}


@pytest.mark.parametrize("name, size", COUNTS)
def test_networks_have_the_papers_numbers_of_parameters(name: str, size: int) -> None:
    spec = Spec((3, size, size), LATENT)
    networks = family(name)
    with torch.device("meta"):
        actual = size_of(networks.generator(spec)), size_of(networks.discriminator(spec))
    assert actual == COUNTS[name, size]


def test_totals_are_those_that_were_added_up_elsewhere() -> None:
    """SNGAN's networks for CIFAR-10: 4.28 and 1.05 million; and DCGAN's for 64x64.

    3,576,704 and 2,765,568 are those of DCGAN's code with 100 numbers of noise: this generator has
    three biases more, and this discriminator biases in place of batch norm's gains and shifts.
    """
    assert COUNTS["resnet", 32] == (4_276_739, 1_053_825)
    spec = Spec((3, 64, 64), 100)
    networks = family("dcgan")
    assert size_of(networks.generator(spec)) == 3_576_704 + 3
    biases, norms = 64 + 128 + 256 + 512 + 1, 2 * (128 + 256 + 512)
    assert size_of(networks.discriminator(spec)) == 2_765_568 - norms + biases


def test_conditional_resnets_have_tables_of_classes() -> None:
    """The authors' code: gains and shifts of each class in all blocks, one row of the head each."""
    spec = Spec((3, 32, 32), LATENT, classes=10)
    networks = family("resnet")
    assert size_of(networks.generator(spec)) == resnet_generator((256,) * 4, 4, classes=10)
    assert size_of(networks.discriminator(spec)) == COUNTS["resnet", 32][1] + 10 * 128


# -- sizes -----------------------------------------------------------------------------------------


def test_sizes_are_halved_by_hand() -> None:
    actual = {size: stages((1, size, size)) for size in (4, 6, 8, 12, 14, 16, 20, 28, 32, 48, 64)}
    assert actual == {
        4: (2, 1), 6: (3, 1), 8: (2, 2), 12: (3, 2), 14: (7, 1), 16: (4, 2), 20: (5, 2), 28: (7, 2),
        32: (4, 3), 48: (6, 3), 64: (4, 4),
    }  # fmt: skip
    assert [stages((1, size, size), 2) for size in (8, 14, 28, 32, 64)] == [
        (2, 2), (7, 1), (7, 2), (8, 2), (16, 2),
    ]  # fmt: skip


@pytest.mark.parametrize("name", CONVOLUTIONAL)
@pytest.mark.parametrize("shape", [(1, 2, 2), (1, 7, 7), (3, 27, 27), (1, 8, 16)], ids=str)
def test_other_sizes_are_refused_with_what_to_do(name: str, shape) -> None:
    for make in (family(name).generator, family(name).discriminator):
        with pytest.raises(GanloreError, match=f"not {shape[1]}x{shape[2]}\n  prepare the data"):
            make(Spec(shape, 5))


@pytest.mark.parametrize("name", CONVOLUTIONAL)
@pytest.mark.parametrize("size", [4, 8, 14, 16, *SIZES])
def test_parts_give_the_shapes_that_they_say(name: str, size: int) -> None:
    generator, discriminator = made(name, size, width=2)
    for network, first in ((generator.body, noise()), (discriminator.trunk, images(size))):
        inside = first
        for part, shape in zip(network, network.shapes, strict=True):
            inside = part(inside)
            assert inside.shape == (4, *shape)
    assert generator(noise()).shape == (4, 3, size, size)
    assert generator(noise()).abs().max() <= 1
    assert discriminator(images(size)).shape == (4,)
    assert discriminator.features(images(size)).shape == (4, discriminator.width)
    encoder = family(name, width=2).discriminator(Spec((3, size, size), 5, outputs=7))
    assert encoder(images(size)).shape == (4, 7)


@pytest.mark.parametrize("name", CONVOLUTIONAL)
@pytest.mark.parametrize("size", SIZES)
def test_attention_finds_its_place(name: str, size: int) -> None:
    """Once in each network, at half resolution."""
    generator, discriminator = made(name, size, width=2)
    seen: list[tuple[int, ...]] = []
    for network, arguments in ((generator, noise()), (discriminator, images(size))):
        attend(network)
        for part in network.modules():
            if isinstance(part, Attention):
                part.register_forward_hook(lambda _, x, y: seen.append(tuple(y.shape[2:])))
        network(arguments)
    assert seen == [(size // 2, size // 2)] * 2


@pytest.mark.parametrize("name", CONVOLUTIONAL)
@pytest.mark.parametrize("size", [28, 32])
def test_they_can_be_stacked(name: str, size: int) -> None:
    """The first network draws half the size: 14x14 for MNIST."""
    networks, trick = family(name, width=2), registry.create("trick", "stacking", {})
    spec = Spec((1, size, size), 5)
    generator = trick.generator_network(networks.generator, networks)(spec)
    critic = trick.discriminator_network(networks.discriminator, networks)(spec)
    for level in (0, 1):
        trick.stage({"level": level, "share": 1.0}, (generator, critic))
        drawn = generator(noise())
        assert drawn.shape == (4, 1, size, size)
        assert critic(trick.view(drawn, None)).shape == (4,)


# -- what they compute -----------------------------------------------------------------------------


def test_a_block_that_doubles_by_hand() -> None:
    """SNGAN's: BN, ReLU, double, 3x3, BN, ReLU, 3x3; beside it double, 1x1."""
    block = up(6, 4, nn.BatchNorm2d).eval()
    x = images(5, channels=6)
    with torch.no_grad():
        for part in (block.body[0], block.body[4]):
            part.weight.normal_()
            part.running_mean.normal_()

    def norm(part: nn.BatchNorm2d, y: torch.Tensor) -> torch.Tensor:
        scale = part.weight / (part.running_var + part.eps).sqrt()
        return (y - part.running_mean[:, None, None]) * scale[:, None, None]

    def double(y: torch.Tensor) -> torch.Tensor:
        return y.repeat_interleave(2, 2).repeat_interleave(2, 3)

    first, second, beside = block.body[3], block.body[6], block.shortcut[0]
    hidden = double(norm(block.body[0], x).clamp(min=0))
    hidden = functional.conv2d(hidden, first.weight, first.bias, padding=1)
    hidden = norm(block.body[4], hidden).clamp(min=0)
    expected = functional.conv2d(hidden, second.weight, second.bias, padding=1)
    expected += functional.conv2d(double(x), beside.weight, beside.bias)
    assert torch.allclose(block(x), expected, atol=1e-5)


@pytest.mark.parametrize("first", [False, True])
def test_a_block_that_halves_by_hand(first: bool) -> None:
    """SNGAN's: ReLU (but of an image), 3x3, ReLU, 3x3, halve; beside it 1x1, halve."""
    block = down(6, 4, halves=True, first=first)
    x = images(8, channels=6)
    one, two = (part for part in block.body if isinstance(part, nn.Conv2d))
    assert one.out_channels == (4 if first else 6)
    hidden = functional.conv2d(x if first else x.clamp(min=0), one.weight, one.bias, padding=1)
    hidden = functional.conv2d(hidden.clamp(min=0), two.weight, two.bias, padding=1)
    beside = functional.conv2d(x, block.shortcut[-1].weight, block.shortcut[-1].bias)
    expected = (hidden + beside).reshape(4, 4, 4, 2, 4, 2).mean((3, 5))
    assert torch.allclose(block(x), expected, atol=1e-5)


def test_a_block_of_one_size_and_width_keeps_what_there_was() -> None:
    block = down(4, 4, halves=False)
    x = images(8, channels=4)
    with torch.no_grad():
        for parameter in block.parameters():
            parameter.zero_()
    assert torch.equal(block(x), x)


def test_the_discriminators_features_are_sums_over_places() -> None:
    _, discriminator = made("resnet", 32, width=2)
    inside = images(32)
    for part in list(discriminator.trunk)[:4]:
        inside = part(inside)
    expected = inside.clamp(min=0).flatten(2).sum(2)
    assert torch.allclose(discriminator.features(images(32)), expected, atol=1e-5)


@pytest.mark.parametrize("name", CONVOLUTIONAL)
def test_every_parameter_has_a_gradient(name: str) -> None:
    """Of an initialised network; with statistics of batches a bias before batch norm has none."""
    labels = torch.arange(4) % 3
    generator, discriminator = made(name, 28, classes=3, channels=1, width=4)
    discriminator(generator.eval()(noise(), labels), labels).sum().backward()
    for network in (generator, discriminator):
        for key, parameter in network.named_parameters():
            assert parameter.grad is not None and parameter.grad.any(), key
    generator.train().zero_grad()
    discriminator(generator(noise(), labels), labels).square().sum().backward()
    for key, parameter in generator.named_parameters():
        if parameter.dim() > 1:
            assert parameter.grad.any(), key


@pytest.mark.parametrize("name", CONVOLUTIONAL)
@pytest.mark.parametrize("size", [28, 32])
def test_another_memory_format_gives_the_same_numbers(name: str, size: int) -> None:
    pairs = zip(made(name, size, width=4), (noise().double(), images(size).double()), strict=True)
    for network, arguments in pairs:
        expected = network.double()(arguments).detach()
        network.to(memory_format=torch.channels_last)
        other = (
            arguments.to(memory_format=torch.channels_last) if arguments.dim() == 4 else arguments
        )
        assert torch.allclose(network(other), expected, atol=1e-9 * float(expected.std()), rtol=0)


@pytest.mark.parametrize("classes", [0, 3])
@pytest.mark.parametrize("name", CONVOLUTIONAL)
def test_they_run_in_bfloat16(name: str, classes: int) -> None:
    """Near to what they are in float32, with gradients of the weights' own precision."""
    labels = torch.arange(8) % 3 if classes else None
    generator, discriminator = made(name, 28, classes, width=4)

    def claim_results() -> torch.Tensor:
        return discriminator(generator(noise(8), labels), labels)

    exact = claim_results().detach()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        rounded = claim_results()
        rounded.sum().backward()
    assert torch.allclose(rounded.float(), exact, atol=0.05 * float(exact.abs().max()) + 1e-4)
    for network in (generator, discriminator):
        for parameter in network.parameters():
            assert parameter.grad.dtype == torch.float32 and parameter.grad.isfinite().all()


# -- how they begin --------------------------------------------------------------------------------


def begins_small(name: str) -> bool:
    """Whether a family draws its weights as `Convolutional` does."""
    family = registry.load("network", name)
    return getattr(family, "initialise", None) is Convolutional.initialise


@pytest.mark.parametrize("name", filter(begins_small, CONVOLUTIONAL))
def test_weights_begin_small(name: str) -> None:
    """N(0, 0.02), biases 0; gains 1, in DCGAN's paper N(1, 0.02)."""
    for network in made(name, 32, classes=10):
        for key, parameter in network.named_parameters():
            if parameter.dim() > 1:
                values = parameter.detach()
                assert abs(float(values.mean())) < 5 * 0.02 / sqrt(values.numel()), key
                chance = 4 / sqrt(2 * values.numel())  # of a spread's estimate, in a small layer
                assert float(values.std()) == pytest.approx(0.02, rel=max(0.1, chance)), key
            elif key.endswith("bias"):
                assert not parameter.any(), key
        norms = [
            m.weight.detach()
            for m in network.modules()
            if isinstance(m, nn.BatchNorm1d | nn.BatchNorm2d)
        ]
        spread = float(torch.cat(norms).std()) if norms else 0.0
        expected = registry.load("network", name).gain_spread if norms else 0.0
        assert spread == pytest.approx(expected, rel=0.1)
        assert not norms or float(torch.cat(norms).mean()) == pytest.approx(1.0, abs=0.005)


def test_resnets_begin_as_glorot_has_it() -> None:
    """Uniform within gain * sqrt(6 / (inputs + outputs)), the gain sqrt(2) in 3x3 of blocks."""
    for network, inside in zip(made("resnet", 32, classes=10, width=16), (6, 8), strict=True):
        wide = 0
        for key, parameter in network.named_parameters():
            if parameter.dim() < 2 or "gain" in key or key.endswith("bias"):
                continue
            area = parameter[0, 0].numel()
            bound = sqrt(6 / (area * (parameter.shape[0] + parameter.shape[1])))
            in_block = ".body." in key.removeprefix("body.") and area == 9
            wide += in_block
            bound *= sqrt(2) if in_block else 1
            values = parameter.detach()
            assert 0.9 * bound < float(values.abs().max()) <= bound * (1 + 1e-6), key
            assert float(values.std()) == pytest.approx(bound / sqrt(3), rel=0.15), key
        assert wide == inside
        for part in network.modules():
            if isinstance(part, ConditionalNorm):
                assert (part.gain == 1).all() and not part.bias.any()


# -- labels ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CONVOLUTIONAL)
def test_conditional_forms_depend_on_the_label(name: str) -> None:
    generator, discriminator = made(name, 28, classes=3, width=4)
    with torch.no_grad():
        for part in generator.modules():
            if isinstance(part, ConditionalNorm):  # all classes begin alike
                part.gain.add_(torch.randn(part.gain.shape))
    generator.eval()
    same = noise(1).repeat(3, 1)
    drawn = generator(same, torch.arange(3))
    assert not torch.allclose(drawn[0], drawn[1], atol=1e-7)
    assert torch.allclose(generator(same, torch.tensor([2, 2, 2]))[0], drawn[2], atol=1e-6)
    logits = discriminator(images(28, 1).repeat(3, 1, 1, 1), torch.arange(3))
    assert len(logits.unique()) == 3


def test_conditional_batch_norm_by_hand() -> None:
    norm = ConditionalNorm(4, 3)
    with torch.no_grad():
        norm.gain.normal_()
        norm.bias.normal_()
    x, labels = images(8, channels=4), torch.tensor([2, 0, 2, 1])
    norm.class_labels = functional.one_hot(labels, 3).float()
    mean = x.mean((0, 2, 3), keepdim=True)
    centred = x - mean
    scaled = centred / (centred.square().mean((0, 2, 3), keepdim=True) + 1e-5).sqrt()
    for i, label in enumerate(labels.tolist()):
        expected = scaled[i] * norm.gain[label][:, None, None] + norm.bias[label][:, None, None]
        assert torch.allclose(norm(x)[i], expected, atol=1e-5)


def test_a_decoder_that_judges_has_no_batch_norm() -> None:
    """Conditional or not: then the label stands beside the noise, as in all other networks."""
    for name in CONVOLUTIONAL:
        for classes in (0, 3):
            spec = Spec((1, 28, 28), 5, classes, batch_norm=False)
            decoder = family(name, width=2).generator(spec)
            kinds = nn.modules.batchnorm._BatchNorm | ConditionalNorm
            assert not any(isinstance(part, kinds) for part in decoder.modules())
            assert type(decoder) is Generator
            labels = torch.arange(4) % 3 if classes else None
            assert decoder(noise(), labels).shape == (4, 1, 28, 28)


# -- with all losses, and with the tricks that change networks -------------------------------------

HOOKS = ("networks", "generator_network", "discriminator_network", "discriminator_spec", "modules")


def changes_networks(name: str) -> bool:
    kind = type(registry.create("trick", name, {}))
    return any(getattr(kind, hook) is not getattr(Trick, hook) for hook in HOOKS)


def cells():
    structural = [name for name in registry.find("trick") if changes_networks(name)]
    others = [name for name in CONVOLUTIONAL if name != "dcgan"]  # the contracts have dcgan
    place = {"datasets": ["digits"], "networks": others}
    losses = sorted(registry.find("loss"))
    n_critic = {
        loss: registry.declaration("loss", loss).settings({})["n_critic"] for loss in losses
    }
    plain = [
        {
            **place,
            "losses": [loss],
            "tricks": ["none"],
            "training": {"budget": 8 * n_critic[loss], "batch": 8},
        }
        for loss in losses
    ]
    few = {"budget": 16, "batch": 8}
    changed = {**place, "losses": ["cgan"], "tricks": structural, "training": few}
    settings = {name: {"width": 2} for name in others}
    settings["infogan-small"]["hidden"] = 8
    small = {"training": {"snapshots": 1, "history": 1}, "settings": {"networks": settings}}
    return expand(tiny(grids=[*plain, changed], **small))


PLAN = cells()


@pytest.mark.parametrize("run", PLAN.runs, ids=lambda run: run.id)
def test_they_train_with_every_loss_and_every_trick_that_changes_networks(
    run, trained, stores
) -> None:
    status, saved = trained(run)
    assert status == "done"
    start = build.train_state(run, (1, 8, 8), 10, torch.device("cpu"))
    for part in ("generator", "discriminator"):
        now = saved["networks"][part]
        assert all(bool(value.isfinite().all()) for value in now.values())
        before = getattr(start, part).named_parameters()
        assert any(not torch.equal(value, now[name]) for name, value in before)


def test_what_they_do_not_train_with_has_a_reason_of_its_own() -> None:
    reported = {(gap.network, gap.trick): gap.reason for gap in PLAN.missing}
    assert "8x8" in reported["resnet", "progressive"]
    assert ("sndcgan", "progressive") not in reported and (
        "infogan-small",
        "progressive",
    ) not in reported
    needs = why_not("ring", "sndcgan")
    assert needs is not None and "images" in needs.text
