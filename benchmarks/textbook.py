"""The training loop of PyTorch's DCGAN tutorial, on the networks that the project builds.

A `Dataset` of pictures with torchvision's `ToTensor` and `Normalize`, a `DataLoader` with workers,
the discriminator on real and on generated images one after the other, the generator on the same
images again, Adam parameter by parameter, both losses read by `.item()` in every step, fp32,
contiguous.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from torch.nn.functional import relu, softplus

from ganlore.data import Store
from ganlore.study.run import Run
from ganlore.training import build

WORKERS = 2
"""Processes of the `DataLoader`."""


def steps(run: Run, store: Store, device: torch.device) -> Iterator[None]:
    """The steps of PyTorch's DCGAN tutorial, on the networks that the project builds."""
    state = build.train_state(run, store.shape, store.classes, device)
    generator, discriminator = state.generator, state.discriminator
    settings = run.optimizer
    slow = {"betas": settings.betas, "foreach": False, "fused": False}
    of_g, of_d = (
        torch.optim.Adam(network.parameters(), lr=settings.lr, **slow)
        for network in (generator, discriminator)
    )
    on_real, on_fake, of_generator = LOSSES[run.loss.name]
    weight = run.loss.settings["weight"] if run.loss.name in PENALISED else 0.0
    while True:
        for batch in loader(store, run.training.batch):
            real = batch.to(device)
            discriminator.zero_grad()
            loss_real = on_real(discriminator(real))
            loss_real.backward()
            fake = generator(torch.randn(len(real), run.training.latent, device=device))
            loss_fake = on_fake(discriminator(fake.detach()))
            loss_fake.backward()
            if weight:
                loss_slope = weight * penalty(discriminator, real, fake.detach())
                loss_slope.backward()
                loss_fake = loss_fake + loss_slope
            reported = (loss_real + loss_fake).item()
            of_d.step()
            generator.zero_grad()
            loss = of_generator(discriminator(fake))
            loss.backward()
            of_g.step()
            assert np.isfinite(reported) and np.isfinite(loss.item())
            yield


LOSSES: dict[str, tuple[Callable[[torch.Tensor], torch.Tensor], ...]] = {
    "nonsaturating": (
        lambda r: softplus(-r).mean(), lambda f: softplus(f).mean(), lambda f: softplus(-f).mean()
    ),
    "hinge": (lambda r: relu(1 - r).mean(), lambda f: relu(1 + f).mean(), lambda f: -f.mean()),
    "wgan-gp": (lambda r: -r.mean(), lambda f: f.mean(), lambda f: -f.mean()),
}  # fmt: skip
"""On real images, on generated ones, and the generator's."""

PENALISED = ("wgan-gp",)
"""The losses whose critic pays for its slope as well."""


def penalty(critic: torch.nn.Module, real: torch.Tensor, fake: torch.Tensor) -> torch.Tensor:
    """The textbook's gradient penalty, before its weight (arXiv:1704.00028, algorithm 1)."""
    share = torch.rand(len(real), 1, 1, 1, device=real.device)
    between = (share * real + (1 - share) * fake).requires_grad_()
    logits = critic(between)
    (slope,) = torch.autograd.grad(logits, between, torch.ones_like(logits), create_graph=True)
    return (slope.flatten(1).norm(2, dim=1) - 1).square().mean()


class Pictures(torch.utils.data.Dataset[torch.Tensor]):
    """Pictures one by one, as torchvision's data sets give them."""

    def __init__(self, samples: np.ndarray[Any, Any]) -> None:
        from torchvision import transforms

        self.samples = np.ascontiguousarray(samples.transpose(0, 2, 3, 1))
        steps = [transforms.ToTensor(), transforms.Normalize((0.5,) * 3, (0.5,) * 3)]
        self.transform = transforms.Compose(steps)

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> torch.Tensor:
        from PIL import Image

        seen: torch.Tensor = self.transform(Image.fromarray(self.samples[index]))
        return seen


def loader(store: Store, batch: int) -> torch.utils.data.DataLoader[torch.Tensor]:
    """Shuffled batches, made by workers."""
    return torch.utils.data.DataLoader(
        Pictures(store.samples("train")),
        batch,
        shuffle=True,
        num_workers=WORKERS,
        drop_last=True,
    )
