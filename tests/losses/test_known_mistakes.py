"""Mistakes that well-known GAN code has made, one test for each that the plug-ins here could make.

Each test was seen to fail with its mistake put in. Others are caught elsewhere: one interpolation
weight for a batch, norms over a part of a sample's dimensions, DRAGAN's penalty in other places and
the saturating generator in `test_losses`; BEGAN's k that is never clipped, InfoGAN's double softmax
and its bound without a gradient in `test_losses_with_modules`; precision and recall swapped in
`tests/metrics`; power iterations in evaluation in `test_tricks`, clipping
before the step in `test_train`.
"""

from __future__ import annotations

import ast
import math
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from ganlore.losses import LogitLoss
from ganlore.networks import Spec
from ganlore.study import declarations, registry

LOSSES = list(registry.find("loss"))


def logit_loss(name: str):
    return registry.create("loss", name, {})


def test_lsgan_is_on_logits() -> None:
    """compare_gan squares sigmoid outputs: its lsgan is another method.

    On logits the loss has no bound, and 0 only at the targets themselves.
    """
    loss = logit_loss("lsgan")
    one, zero = torch.ones(4), torch.zeros(4)
    assert float(loss.discriminator_loss(one, zero)) == 0
    assert float(loss.generator_loss(one)) == 0
    assert float(loss.discriminator_loss(11 * one, zero)) == pytest.approx(50)
    assert float(loss.generator_loss(-9 * one)) == pytest.approx(50)


def test_minimax_does_not_swap_labels() -> None:
    """mimicry's "minimax" labels generated samples as real, which is the non-saturating loss.

    Minimax gives the generator exactly what it takes from the discriminator: their gradients with
    respect to generated logits are opposite at every logit.
    """
    fake = torch.linspace(-8, 8, 33, requires_grad=True)
    loss = logit_loss("minimax")
    (critic,) = torch.autograd.grad(loss.discriminator_loss(torch.zeros(33), fake), fake)
    (actor,) = torch.autograd.grad(loss.generator_loss(fake), fake)
    torch.testing.assert_close(actor, -critic)


@pytest.mark.parametrize(
    "name", ["minimax", "nonsaturating", "fgan-jensen-shannon", "dragan", "r3gan"]
)
def test_no_logarithm_of_a_sigmoid(name: str) -> None:
    """log(sigmoid(x) + 1e-8) ends at 18.4, and its gradient at 0; softplus does neither."""
    loss = logit_loss(name)
    real, fake = torch.full((2,), -50.0), torch.full((2,), 50.0)
    real.requires_grad_(), fake.requires_grad_()
    value = loss.discriminator_loss(real, fake)
    assert float(value.detach()) == pytest.approx(
        {"r3gan": 100, "fgan-jensen-shannon": 100 - 2 * math.log(2)}.get(name, 100), rel=1e-5
    )
    for gradient in torch.autograd.grad(value, (real, fake)):
        assert gradient.abs().sum() == pytest.approx(1, rel=1e-5)


NORMS = (
    nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm,
    nn.InstanceNorm1d, nn.InstanceNorm2d, nn.GroupNorm,
)  # fmt: skip


@pytest.mark.parametrize("shape", [(2,), (1, 8, 8), (3, 32, 32)], ids=str)
@pytest.mark.parametrize("network", registry.find("network"))
def test_no_critic_has_batch_norm(network: str, shape: tuple[int, ...]) -> None:
    """PyTorch-StudioGAN and TTUR's code train WGAN-GP with batch norm in the critic.

    A gradient penalty is for each sample by itself. Here no discriminator has a layer that norms over
    a batch, and its gradient for one sample does not depend on the others.
    """
    needs = registry.declaration("network", network).fact("requires", {})
    if len(shape) == 1 and "images" in needs:
        pytest.skip("this network needs images")
    if len(shape) == 3 and "points" in needs:
        pytest.skip("this network needs points")
    fields = registry.declaration("network", network).model.model_fields
    family = registry.create("network", network, {"width": 8} if "width" in fields else {})
    critic = family.discriminator(Spec(shape, 4)).train()
    actual = [name for name, layer in critic.named_modules() if isinstance(layer, NORMS[:4])]
    assert not actual, f"{network}'s discriminator norms over the batch in {actual}"
    images = torch.randn(6, *shape, generator=torch.Generator().manual_seed(0)).requires_grad_()
    (gradient,) = torch.autograd.grad(critic(images)[0], images)
    assert gradient[0].abs().sum() > 0
    assert gradient[1:].abs().sum() == 0


@pytest.mark.parametrize("name", ["wgan-gp", "dragan", "r3gan"])
def test_a_penalty_belongs_to_the_loss_s_own_step(name: str) -> None:
    """mmgeneration and torchgan step on the penalty by itself: here it is in the one loss.

    The gradient of the discriminator's loss differs from that of its plain part: with a critic of
    constant slope w and equal batches only the penalty moves w.
    """
    critic = nn.Linear(3, 1)
    nn.init.constant_(critic.weight, 2.0)
    rng = torch.Generator().manual_seed(0)
    real = torch.randn(16, 3, generator=rng).requires_grad_()
    fake = real.detach().clone().requires_grad_()

    def quality(x: torch.Tensor) -> torch.Tensor:
        return critic(x).squeeze(1)

    logits = quality(real), quality(fake)
    step = SimpleNamespace(
        real=real, fake=fake, real_logits=logits[0], fake_logits=logits[1], logits=logits,
        rng=rng, discriminate=quality, log={}, scheduled=lambda plugin, name: 0.05,
        relative=False, real_points=real, fake_points=fake,
    )  # fmt: skip
    loss = logit_loss(name)
    whole, plain = loss.discriminator(step), loss.discriminator_loss(*logits)
    (moved,) = torch.autograd.grad(whole - plain, critic.weight)
    assert (moved > 0).all()  # towards a gentler slope: |w| = 3.5 is beyond 1, and beyond 0


@pytest.mark.parametrize("name", ["relativistic"])
def test_each_half_is_compared_with_the_other_kind(name: str) -> None:
    """The author's first code took the wrong mean in the second term.

    Far apart but equal in spread, real logits must stay above and generated ones below 0, and to
    move one kind as a whole must move both halves.
    """
    trick = registry.create("trick", name, {})
    real, fake = torch.tensor([9.0, 11.0]), torch.tensor([-4.0, -6.0])
    one, other = trick.logits(real, fake)
    assert one.tolist() == [14.0, 16.0] and other.tolist() == [-14.0, -16.0]
    moved = trick.logits(real, fake + 1)
    assert (moved[0] - one).tolist() == [-1.0, -1.0]
    assert (moved[1] - other).tolist() == [1.0, 1.0]


def test_a_relativistic_generator_s_loss_is_used() -> None:
    """PyTorch-GAN computes it and then overwrites it: real logits must count in it."""
    for name in LOSSES:
        loss = logit_loss(name)
        if type(loss).generator is not LogitLoss.generator:
            continue  # more than logits: tests/losses/test_losses_with_modules.py
        real, fake = torch.tensor([1.0, -1.0]), torch.tensor([0.5, -2.0])
        step = SimpleNamespace(relative=True, fake_logits=fake, logits=(real, fake))
        higher = SimpleNamespace(relative=True, fake_logits=fake, logits=(real + 0.5, fake))
        assert float(loss.generator(step)) != float(loss.generator(higher)), name


def test_the_ring_has_eight_modes() -> None:
    """`linspace(0, 2 pi, 8)` has the first twice."""
    centres = torch.from_numpy(registry.create("dataset", "ring", {}).centres())
    apart = torch.cdist(centres, centres) + 10 * torch.eye(8)
    assert float(apart.min()) == pytest.approx(2 * math.sin(math.pi / 8))


@pytest.mark.parametrize("kind", ["loss", "trick"])
def test_no_sigmoid_of_a_logit(kind: str) -> None:
    """A logit is raw everywhere: no loss and no trick puts a sigmoid on one.

    They write log sigmoid(x) as -softplus(-x).
    """
    folder = declarations.PACKAGE / registry.KINDS[kind].folder
    for path in [*folder.glob("*.py"), declarations.PACKAGE / "steps" / "penalties.py"]:
        names = {
            node.attr if isinstance(node, ast.Attribute) else node.id
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
            if isinstance(node, (ast.Attribute, ast.Name))
        }
        actual = {word for word in names if "sigmoid" in word.lower()} - {
            "logsigmoid",
            "LogSigmoid",
        }
        assert not actual, f"{path} has {sorted(actual)}"
