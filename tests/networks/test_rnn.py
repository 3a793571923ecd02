"""The network `rnn`: its order, both directions, its cell against torch's, second derivatives."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from ganlore.losses import Loss
from ganlore.networks import AutoEncoder, Spec
from ganlore.networks.rnn import Lstm, Reader, RowNorm, Writer
from ganlore.study import registry, schema
from ganlore.study.expand import expand
from ganlore.training import build
from tiny import tiny

SHAPE = (2, 6, 5)
"""Neither square nor a power of two."""


def family(**settings):
    return registry.create("network", "rnn", {"width": 4, **settings})


def drawn(module: nn.Module, seed: int = 0) -> nn.Module:
    family().initialise(module, lambda name: torch.Generator().manual_seed(seed + len(name)))
    return module


# -- the cell ------------------------------------------------------------------------------------


def torchs(own: Lstm, inputs: int) -> nn.LSTM:
    """torch's LSTM with the same weights; its gates stand as input, forget, cell, output."""
    two = len(own.read) == 2
    theirs = nn.LSTM(inputs, own.width, bidirectional=two, dtype=torch.float64)

    def order(value: torch.Tensor) -> torch.Tensor:
        enter, keep, show, new = value.detach().chunk(4)
        return torch.cat([enter, keep, new, show])

    named = dict(theirs.named_parameters())
    with torch.no_grad():
        for direction, (read, recall) in enumerate(zip(own.read, own.recall, strict=True)):
            end = "l0" + ("_reverse" if direction else "")
            named[f"weight_ih_{end}"].copy_(order(read.weight))
            named[f"weight_hh_{end}"].copy_(order(recall.weight))
            named[f"bias_ih_{end}"].copy_(order(read.bias))
            named[f"bias_hh_{end}"].zero_()
    return theirs


@pytest.mark.parametrize("directions", [1, 2])
@pytest.mark.parametrize("length", [1, 7])
def test_the_cell_is_torchs(directions: int, length: int) -> None:
    """Outputs and gradients in both directions equal those of `torch.nn.LSTM`."""
    own = drawn(Lstm(3, 5, directions)).double()
    theirs = torchs(own, 3)
    sequence = torch.randn(length, 4, 3, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(length, 4, 5 * directions, dtype=torch.float64)
    actual, expected = own(sequence), theirs(sequence)[0]
    assert torch.allclose(actual, expected, atol=1e-12, rtol=0)
    one = torch.autograd.grad((actual * weight).sum(), sequence)[0]
    other = torch.autograd.grad((expected * weight).sum(), sequence)[0]
    assert torch.allclose(one, other, atol=1e-12, rtol=0)


def test_the_cell_is_the_papers_step_by_step() -> None:
    """Sak et al. 2014, equations 1 to 5 without peepholes, with plain loops and numbers."""
    own = drawn(Lstm(1, 1, 1)).double()
    x = [0.3, -1.2, 0.7]
    w, b = own.read[0].weight[:, 0].tolist(), own.read[0].bias.tolist()
    u = own.recall[0].weight[:, 0].tolist()
    assert b == [0, 1, 0, 0]  # the forget gate begins open
    state = cell = 0.0
    actual = own(torch.tensor(x, dtype=torch.float64).reshape(3, 1, 1)).flatten().tolist()
    for value, out in zip(x, actual, strict=True):
        sums = [w[k] * value + u[k] * state + b[k] for k in range(4)]
        enter, keep, show = (1 / (1 + math.exp(-s)) for s in sums[:3])
        cell = keep * cell + enter * math.tanh(sums[3])
        state = show * math.tanh(cell)
        assert out == pytest.approx(state, abs=1e-12)


def test_second_derivatives_of_the_cell() -> None:
    """Gradient penalties differentiate the discriminator twice, weights included."""
    own = drawn(Lstm(2, 1, 2)).double()
    sequence = torch.randn(3, 1, 2, dtype=torch.float64, requires_grad=True)
    weights = {name: value.detach().requires_grad_() for name, value in own.named_parameters()}

    def states(x, *values):
        return torch.func.functional_call(own, dict(zip(weights, values, strict=True)), (x,))

    assert torch.autograd.gradcheck(states, (sequence, *weights.values()))
    assert torch.autograd.gradgradcheck(states, (sequence, *weights.values()))


def test_second_derivatives_of_the_discriminator() -> None:
    discriminator = drawn(family(width=2, layers=2).discriminator(Spec((1, 3, 2), 4))).double()
    images = torch.randn(2, 1, 3, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradgradcheck(discriminator, (images,))


@pytest.mark.gpu
def test_second_derivatives_on_a_gpu() -> None:
    """Where cuDNN's own LSTM has none."""
    cpu = drawn(family().discriminator(Spec(SHAPE, 4)))
    images = torch.randn(3, *SHAPE)
    actual = []
    for device in ("cpu", "cuda"):
        network, seen = cpu.to(device), images.to(device).requires_grad_()
        (gradient,) = torch.autograd.grad(network(seen).sum(), seen, create_graph=True)
        parameters = list(network.trunk.parameters())
        actual.append([g.cpu() for g in torch.autograd.grad(gradient.square().sum(), parameters)])
    for one, other in zip(*actual, strict=True):
        assert torch.allclose(one, other, atol=1e-5)


def test_one_power_iteration_for_each_pass() -> None:
    """Spectral normalisation reaches all of the cell's products, once each, whatever the length."""
    run = expand(study(losses=["hinge"], tricks=["spectral-norm"])).runs[0]
    critic = build.train_state(run, (1, 8, 8), 10, torch.device("cpu")).discriminator
    layers = [m for m in critic.modules() if isinstance(m, nn.Linear)]
    assert len(layers) == 5  # two to read, two to recall, the head
    calls = []
    for layer in layers:
        norm = layer.parametrizations.weight[0]
        norm.register_forward_hook(lambda *_, layer=layer: calls.append(layer))
    critic(torch.randn(3, 1, 8, 8))
    assert len(calls) == len(layers) and set(calls) == set(layers)
    for _ in range(200):
        critic(torch.zeros(1, 1, 8, 8))
    for layer in layers:
        norm = torch.linalg.matrix_norm(layer.weight.detach(), 2)
        assert float(norm) == pytest.approx(1, abs=1e-3)


# -- the generator -------------------------------------------------------------------------------


@pytest.mark.parametrize("latent", [4, 12, 16])
@pytest.mark.parametrize("layers", [1, 2])
def test_a_row_depends_on_its_own_and_earlier_noise_alone(latent: int, layers: int) -> None:
    """While training as well: no statistics of the batch tell a row of later ones."""
    generator = drawn(family(layers=layers).generator(Spec(SHAPE, latent))).train()
    rows, piece = SHAPE[1], math.ceil(latent / SHAPE[1])
    others = torch.randn(8, latent)

    def row_sums(noise):
        return generator(torch.cat([noise[None], others]))[0].sum((0, 2))

    jacobian = torch.autograd.functional.jacobian(row_sums, torch.randn(latent))
    for row in range(rows):
        for place in range(latent):
            assert (jacobian[row, place] != 0) == (place // piece <= row), (row, place)


@pytest.mark.parametrize("reported", ["codes", "classes"])
def test_every_row_hears_codes_and_label(reported: str) -> None:
    """InfoGAN's code is for the whole image, not for the row at whose place it stands."""
    generator = drawn(family().generator(Spec(SHAPE, 12, batch_norm=False, **{reported: 3})))
    jacobian = torch.autograd.functional.jacobian(
        lambda arguments: generator.body(arguments[None])[0].sum((0, 2)), torch.randn(15)
    )
    assert (jacobian[:, 12:] != 0).all()


def test_a_decoder_gives_its_whole_code_to_every_row() -> None:
    generator = drawn(family().generator(Spec(SHAPE, 0, codes=5, batch_norm=False)))
    assert generator(torch.randn(4, 5)).shape == (4, *SHAPE)


def test_rows_stand_where_they_belong() -> None:
    """The image of the body's rows, channel by channel, against a loop over rows."""
    writer = drawn(Writer(Spec(SHAPE, 12, batch_norm=False), 4, 1))
    noise = torch.randn(3, 12)
    states = writer.memory(noise.reshape(3, 6, 2).transpose(0, 1))
    image = writer(noise)
    for row in range(6):
        flat = torch.tanh(writer.row(states[row]))
        assert torch.allclose(image[:, :, row], flat.reshape(3, 2, 5), atol=1e-6)


def test_each_row_is_normalised_by_itself() -> None:
    norm = RowNorm(3, 4).train()
    rows = torch.randn(3, 50, 4) * torch.tensor([1.0, 5.0, 0.1])[:, None, None] + 7
    actual = norm(rows)
    for row in range(3):
        centred = rows[row] - rows[row].mean(0)
        expected = centred / (centred.square().mean(0) + 1e-5).sqrt()
        assert torch.allclose(actual[row], expected, atol=1e-4)


def test_a_conditional_generator_hears_the_label_at_each_row() -> None:
    spec = Spec(SHAPE, 12, classes=3)
    generator = drawn(family().generator(spec)).eval()
    noise = torch.randn(1, 12)
    reported = torch.nn.functional.one_hot(torch.tensor([2]), 3).float().requires_grad_()
    heard = []
    hook = generator.body.memory.register_forward_pre_hook(
        lambda _, arguments: heard.append(arguments[0])
    )
    image = generator(noise, torch.tensor([2]))
    hook.remove()
    assert torch.equal(heard[0][:, 0, 2:], reported.expand(6, 3))
    assert torch.equal(heard[0][:, 0, :2], noise.reshape(6, 2))
    again = generator.body(torch.cat([noise, reported], 1))
    assert torch.equal(again, image)
    for row in range(6):
        (gradient,) = torch.autograd.grad(again[0, :, row].sum(), reported, retain_graph=True)
        assert gradient.abs().min() > 0
    others = generator(noise.expand(3, -1), torch.arange(3))
    assert not torch.allclose(others[0], others[1])


def test_a_generator_without_batch_norm_treats_each_sample_by_itself() -> None:
    """As the decoder of an auto-encoding critic: what it draws does not depend on the others."""
    decoder = drawn(family().generator(Spec(SHAPE, 7, batch_norm=False))).train()
    codes = torch.randn(5, 7)
    alone = torch.cat([decoder(code[None]) for code in codes])
    assert torch.allclose(decoder(codes), alone, atol=1e-6)


# -- the discriminator ---------------------------------------------------------------------------


@pytest.mark.parametrize("half", ["downwards", "upwards"])
@pytest.mark.parametrize("layers", [1, 2])
def test_both_directions_see_the_first_and_the_last_row(half: str, layers: int) -> None:
    reader = drawn(Reader(Spec(SHAPE, 4), 4, layers))
    images = torch.randn(1, *SHAPE, requires_grad=True)
    features = reader(images)
    part = features[:, :4] if half == "downwards" else features[:, 4:]
    (gradient,) = torch.autograd.grad(part.sum(), images)
    assert gradient[0].abs().amin((0, 2)).min() > 0


def test_directions_read_in_opposite_order() -> None:
    """What is seen first is all that a direction knows at its first step."""
    lstm = drawn(Lstm(3, 4, 2))
    sequence = torch.randn(5, 1, 3, requires_grad=True)
    states = lstm(sequence)
    for step in range(5):
        down, up = states[step, 0].split(4)
        for part, earlier in ((down, range(step + 1)), (up, range(step, 5))):
            (gradient,) = torch.autograd.grad(part.sum(), sequence, retain_graph=True)
            assert [bool(g.any()) for g in gradient] == [k in earlier for k in range(5)]


def test_the_logit_is_the_mean_of_each_rows_answer() -> None:
    """The paper's layer with weights shared over time, averaged: before the sigmoid."""
    discriminator = drawn(family().discriminator(Spec(SHAPE, 4)))
    images = torch.randn(3, *SHAPE)
    rows = images.permute(2, 0, 1, 3).reshape(6, 3, 10)
    answers = discriminator.head(discriminator.trunk.memory(rows))
    assert torch.allclose(discriminator(images), answers.mean(0).squeeze(1), atol=1e-6)


def test_the_order_of_rows_matters() -> None:
    discriminator = drawn(family().discriminator(Spec(SHAPE, 4)))
    images = torch.randn(3, *SHAPE)
    assert not torch.allclose(discriminator(images), discriminator(images.flip(2)), atol=1e-3)


def test_packs_and_codes() -> None:
    packs = drawn(family().discriminator(Spec((3 * 2, 6, 5), 4, classes=3, pack=3)))
    labels = torch.tensor([[0, 1, 2], [2, 1, 0]])
    assert packs(torch.randn(2, 6, 6, 5), labels).shape == (2,)
    encoder = family().discriminator(Spec(SHAPE, 4, outputs=7))
    decoder = family().generator(Spec(SHAPE, 7, batch_norm=False))
    critic = drawn(AutoEncoder(encoder, decoder))
    images = torch.randn(4, *SHAPE)
    assert critic.features(images).shape == (4, 7)
    assert critic(images).shape == images.shape


# -- both ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("layers", [1, 2, 3])
def test_parameters_are_as_many_as_counted_by_hand(layers: int) -> None:
    width, latent, classes = 4, 10, 3
    channels, rows, columns = SHAPE
    network = family(layers=layers)

    def lstm(inputs: int) -> int:
        return 4 * width * (inputs + width + 1)

    piece = 2  # 10 numbers for 6 rows
    writer = lstm(piece + classes) + (layers - 1) * lstm(width)
    writer += width * 2 * width + 2 * rows * 2 * width  # a hidden layer, gains and biases
    writer += (2 * width + 1) * channels * columns
    reader = 2 * lstm(channels * columns) + (layers - 1) * 2 * lstm(2 * width)
    critic = reader + (2 * width + 1) + classes * 2 * width
    spec = Spec(SHAPE, latent, classes)
    for module, count in ((network.generator(spec), writer), (network.discriminator(spec), critic)):
        assert sum(parameter.numel() for parameter in module.parameters()) == count


def test_initialisation() -> None:
    discriminator = family(width=16).discriminator(Spec((1, 8, 8), 4))
    drawn(discriminator)
    for part in discriminator.modules():
        if isinstance(part, Lstm):
            for layer in part.recall:
                for gate in layer.weight.chunk(4):
                    assert torch.allclose(gate @ gate.T, torch.eye(16), atol=1e-5)
            for layer in part.read:
                assert layer.bias.reshape(4, 16).mean(1).tolist() == [0, 1, 0, 0]
                assert float(layer.weight.detach().std()) == pytest.approx(8**-0.5, rel=0.15)
    assert not discriminator.head.bias.any()
    for part in drawn(family().generator(Spec(SHAPE, 4))).modules():
        if isinstance(part, nn.BatchNorm1d):
            assert bool((part.weight == 1).all()) and not part.bias.any()


def study(**axes) -> schema.Study:
    """A few steps of `rnn` on digits."""
    return tiny(
        grids=[{"datasets": ["digits"], "networks": ["rnn"], **axes}],
        settings={"networks": {"rnn": {"width": 4}}},
        training={"budget": 16 * 15, "snapshots": 1, "history": 3},
    )


PLAN = expand(
    study(
        losses="all",
        tricks=["none", "gradient-penalty", "r1", "spectral-norm", "packing", ["packing", "relativistic"]],
    )
)  # fmt: skip


@pytest.mark.parametrize("run", PLAN.runs, ids=lambda run: run.id)
def test_it_trains_with_every_loss(run, trained) -> None:
    """Three generator steps: finite, and both networks move."""
    status, saved = trained(run)
    assert status == "done"
    start = build.train_state(run, (1, 8, 8), 10, torch.device("cpu"))
    for part in ("generator", "discriminator"):
        for name, value in saved["networks"][part].items():
            assert value.isfinite().all(), name
        named = getattr(start, part).named_parameters()
        weights = [(name, value) for name, value in named if value.dim() > 1]
        still = [n for n, value in weights if torch.equal(value, saved["networks"][part][n])]
        assert not still, still


def test_no_loss_is_missing_without_a_reason() -> None:
    plain = {run.loss.name for run in PLAN.runs if run.trick == "none"}
    reasons = {gap.loss for gap in PLAN.missing if gap.trick == "none"}
    assert plain | reasons == set(registry.find("loss"))
    assert not reasons or all(issubclass(registry.load("loss", name), Loss) for name in reasons)


def test_it_needs_images() -> None:
    gaps = expand(
        tiny(
            grids=[
                {
                    "datasets": ["ring"],
                    "networks": ["mlp", "rnn"],
                    "losses": ["hinge"],
                    "tricks": ["none"],
                }
            ]
        )
    ).missing
    assert {gap.network for gap in gaps if "images" in gap.reason} == {"rnn"}
