"""What one step of training sees: networks, a real batch, noise; logits on demand, once each."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal, TypeVar

import torch
from torch import Tensor, nn

from ganlore.losses import Loss
from ganlore.networks import Critic, Generator
from ganlore.tricks import Trick

Made = TypeVar("Made")

Logged = Tensor | float | Callable[[], Tensor]
"""A number for the history, or what gives it."""


@dataclass
class Player:
    """Everything that lives through a run.

    Attributes:
        generator, discriminator: the two networks.
        modules: the loss's and the tricks' own modules, by name.
        loss, tricks: the plug-ins.
        n_critic: discriminator steps for each generator step.
        optimizers: the generator's and the discriminator's.
        scale: a factor on what the discriminator minimises.
        forward: what a forward pass of generator or discriminator is made within
            (`accelerate.forward`).
        extractors: what the tricks need of extractors fitted to the data, by name; empty where
            nothing is trained.
    """

    generator: Generator
    discriminator: Critic
    modules: nn.ModuleDict
    loss: Loss
    tricks: tuple[Trick, ...]
    n_critic: int
    scale: float = 1.0
    forward: Callable[[], AbstractContextManager[Any]] = nullcontext
    optimizers: tuple[torch.optim.Optimizer, torch.optim.Optimizer] = field(init=False)
    extractors: dict[str, Any] = field(default_factory=dict)

    @cached_property
    def relative(self) -> bool:
        """Whether the loss or a trick compares logits with each other."""
        return self.loss.relative or any(trick.relative for trick in self.tricks)

    @cached_property
    def differentiates_real(self) -> bool:
        """Whether a plug-in needs gradients of the logits with respect to real images."""
        return self.loss.differentiates_real or any(t.differentiates_real for t in self.tricks)

    @cached_property
    def differentiates_fake(self) -> bool:
        """Whether a plug-in needs gradients of the logits with respect to generated images."""
        return self.loss.differentiates_fake or any(t.differentiates_fake for t in self.tricks)

    @cached_property
    def views(self) -> bool:
        """Whether a trick changes what the discriminator sees."""
        return any(type(trick).view is not Trick.view for trick in self.tricks)

    @cached_property
    def joins(self) -> bool:
        """Whether a discriminator step may judge real and generated images in one pass."""
        mixes = self.loss.mixes_batch or any(trick.mixes_batch for trick in self.tricks)
        return not (mixes or self.differentiates_real or self.differentiates_fake)

    def learning_rate(self, progress: float) -> float:
        """The tricks' factor on both learning rates."""
        return math.prod(trick.learning_rate(progress) for trick in self.tricks)

    def discriminator_loss(self, game: Game) -> Tensor:
        """What the discriminator minimises: the loss's part and the tricks' penalties, scaled."""
        penalties = sum(trick.penalty(game) for trick in self.tricks)
        return (self.loss.discriminator(game) + penalties) * self.scale

    @cached_property
    def generator_loss(self) -> Callable[[Game], Tensor]:
        """What the generator minimises: the loss's part, wrapped by the tricks."""
        step: Callable[[Game], Tensor] = self.loss.generator
        for trick in self.tricks:
            step = trick.generator_step(step)
        return step

    @cached_property
    def networks(self) -> tuple[nn.Module, ...]:
        """The networks that are trained, and the generator that is evaluated, once each."""
        return tuple(
            {id(n): n for n in (self.discriminator, self.generator, self.evaluated)}.values()
        )

    @property
    def weights(self) -> list[nn.Parameter]:
        """All parameters of the networks and the modules."""
        parts = (self.generator, self.discriminator, self.modules)
        return [parameter for part in parts for parameter in part.parameters()]

    @cached_property
    def evaluated_modules(self) -> dict[str, nn.Module]:
        """The modules that snapshots keep beside the generator."""
        found = {name: self.modules[name] for name in self.loss.evaluated_modules}
        for trick in self.tricks:
            found = trick.modules_for_evaluation(found, self.modules)
        return found

    @cached_property
    def evaluated(self) -> nn.Module:
        """The generator that snapshots keep."""
        generator: nn.Module = self.generator
        for trick in self.tricks:
            generator = trick.generator_for_evaluation(generator, self.modules)
        return generator


class Game:
    """One step, of the discriminator or of the generator.

    What is computed from the batch is computed when a loss or a trick first asks for it, and kept:
    no forward pass is done twice for one input.

    Attributes:
        player: what lives through the run.
        turn: whose step it is. In the discriminator's, generated samples carry no gradient; in the
            generator's, the logits of real images carry none.
        discriminator: the one that judges: the player's, but for who looks ahead.
        ahead: whether the discriminator's parameters have made steps that are only thought of, so
            that they depend on the generator's: whatever is judged carries a gradient to it.
        images: real images or points, (N, ...), as training takes them.
        labels: their classes, (N,), or None.
        condition: what a conditional generator is told, (N,), None where the loss is none.
        told: what a conditional discriminator is told of each sample or pack.
        latent: the generator's noise, (N, latent).
        rng: this step's own random generator, on the device.
        step: discriminator steps done before this one.
        progress: the share of the budget used before this step, in [0, 1).
        log: what a loss or a trick wants in the history, scalars by name; or functions that give
            them, called only for the steps that are recorded.
    """

    def __init__(
        self,
        player: Player,
        turn: Literal["discriminator", "generator"],
        images: Tensor,
        labels: Tensor | None,
        rng: torch.Generator,
        step: int,
        progress: float,
        latent_size: int,
        before: Game | None = None,
    ) -> None:
        # before: the generator's turn of this step, where the discriminator is to judge the very
        # samples that the generator has just learned from
        self.player = player
        self.turn = turn
        self.discriminator = player.discriminator
        self.ahead = False
        self._once: dict[str, Any] = {}
        for trick in player.tricks:
            images = trick.data(images)
        self.images = images
        self.labels = labels
        # what the networks are told: an unconditional one has no use for labels
        self.condition = labels if player.loss.conditional else None
        self.told = self.condition
        if self.told is not None:
            for trick in player.tricks:
                self.told = trick.condition(self.told)
        self.rng = rng
        self.step = step
        self.progress = progress
        self.log: dict[str, Logged] = {}
        if before is None:
            self.latent = player.loss.latent(len(images), latent_size, rng)
        else:
            self.latent = before.latent
            self.generated = before.generated.detach()

    def look_ahead(self, discriminator: Critic) -> Game:
        """A discriminator's turn that is only thought of, on the very samples of this turn.

        Nothing is generated or viewed again, and what is drawn is the same for each that looks
        ahead from here. Generated samples keep their gradient. Its log is its own.

        Args:
            discriminator: whose turn it is.
        """
        real, fake = self.real, self.fake  # drawn here, before the copy
        inner = copy.copy(self)
        inner.turn, inner.rng, inner.log = "discriminator", self.rng.clone_state(), {}
        if self.player.differentiates_real:
            real = real.detach().requires_grad_()
        # a tensor of its own: logits are differentiated by what is judged here, not by what the
        # discriminator has learned from it in steps before
        inner.real, inner.fake = real, fake.view_as(fake)
        inner.answer(discriminator)
        return inner

    def answer(self, discriminator: Critic) -> None:
        """Go on with a discriminator that looks ahead, and forget what another one has judged."""
        self.discriminator, self.ahead = discriminator, True
        for judged in ("_joined", "_real", "_fake", "logits"):
            self.__dict__.pop(judged, None)

    def once(self, name: str, make: Callable[[Game], Made]) -> Made:
        """What `make` gives for this game, computed for it and for all that look ahead from it.

        For what a loss makes of the batch alone, whichever discriminator judges it.
        """
        if name not in self._once:
            self._once[name] = make(self)
        found: Made = self._once[name]
        return found

    @property
    def modules(self) -> nn.ModuleDict:
        """The loss's and the tricks' own modules."""
        return self.player.modules

    @property
    def relative(self) -> bool:
        """Whether logits are compared with each other."""
        return self.player.relative

    @property
    def discriminator_parameters(self) -> list[Tensor]:
        """All parameters of the discriminator."""
        return list(self.player.discriminator.parameters())

    def view(self, images: Tensor) -> Tensor:
        """What the discriminator sees of images: the tricks' views, left to right."""
        for trick in self.player.tricks:
            images = trick.view(images, self)
        return images

    def view_as_real(self, images: Tensor) -> Tensor:
        """What the discriminator sees of images that are compared with `real` one by one.

        As `view`, but with the draws that `real` was seen with: where tricks change what is seen
        at random, an image and its counterpart are changed alike.
        """
        if not self.player.views:
            return images
        _ = self.real
        now = self.rng.get_state()
        self.rng.set_state(self._before_real)
        seen = self.view(images)
        self.rng.set_state(now)
        return seen

    @cached_property
    def generated(self) -> Tensor:
        """G(z), (N, ...)."""
        with torch.no_grad() if self.turn == "discriminator" else nullcontext():
            return self.generate(self.latent)

    def generate(self, latent: Tensor) -> Tensor:
        """What the generator makes of an input (N, latent), in single precision."""
        with self.player.forward():
            out: Tensor = self.player.generator(latent, self.condition)
        return _widened(out)

    def reconstruct(self, codes: Tensor) -> Tensor:
        """G(codes) for codes that an encoder gave, (N, ...), as evaluation would compute it.

        Batch norm takes the statistics of generated samples, which it keeps, and keeps none of
        these: G(z) stays what it is without an encoder, and what is learned here is what is
        measured later.

        Args:
            codes: (N, latent).
        """
        _ = self.generated  # first: its pass changes statistics that this one's gradient reads
        generator = self.player.generator.train(False)
        try:
            return self.generate(codes)
        finally:
            generator.train()

    @cached_property
    def real(self) -> Tensor:
        """Real images as the discriminator sees them."""
        if self.player.views:
            self._before_real = self.rng.get_state()
        images = self.view(self.images)
        if self.player.differentiates_real and self.turn == "discriminator":
            images = images.detach().requires_grad_()
        return images

    @cached_property
    def fake(self) -> Tensor:
        """Generated images as the discriminator sees them."""
        images = self.view(self.generated)
        if self.player.differentiates_fake and self.turn == "discriminator":
            images = images.detach().requires_grad_()
        return images

    def judge(self, images: Tensor) -> Tensor:
        """One number for each image that the discriminator is shown, (N,), larger for real.

        Args:
            images: as `real` and `fake`, that is after `view`.
        """
        return self.examine(images, self.told)[1]

    def examine(self, images: Tensor, told: Tensor | None) -> tuple[Tensor, Tensor]:
        """The discriminator's features of images, (N, width), and what `judge` gives, (N,).

        Args:
            images: as `real` and `fake`, that is after `view`.
            told: the labels of each, as `told`.
        """
        critic = self.discriminator
        # what is differentiated twice: by images in a penalty, by weights when looking ahead
        twice = self.ahead or (self.turn == "discriminator" and images.requires_grad)
        within = nullcontext if twice else self.player.forward
        with within():
            features = critic.features(images)
        features = _widened(features)
        with nullcontext() if critic.reads_out else within():
            output = critic.classify(features, told)
        return features, self.player.loss.score(_widened(output), images)

    @cached_property
    def _joined(self) -> tuple[tuple[Tensor, Tensor], ...] | None:
        """Features and logits of real and generated images from one pass over both, or None.

        One pass is faster than two, and changes nothing where outputs do not depend on the rest of
        the batch. A gradient with respect to one half would run through the other for nothing:
        where one is wanted there are two passes.
        """
        if self.turn == "generator" or not self.player.joins:
            return None
        told = None if self.told is None else torch.cat([self.told, self.told])
        features, logits = self.examine(torch.cat([self.real, self.fake]), told)
        n = len(self.real)
        return (features[:n], logits[:n]), (features[n:], logits[n:])

    @cached_property
    def _real(self) -> tuple[Tensor, Tensor]:
        if self._joined is not None:
            return self._joined[0]
        constant = self.turn == "generator" and not self.ahead
        with torch.no_grad() if constant else nullcontext():
            return self.examine(self.real, self.told)

    @cached_property
    def _fake(self) -> tuple[Tensor, Tensor]:
        if self._joined is not None:
            return self._joined[1]
        return self.examine(self.fake, self.told)

    @property
    def real_features(self) -> Tensor:
        """The discriminator's features of real images, (N, width)."""
        return self._real[0]

    @property
    def fake_features(self) -> Tensor:
        """The discriminator's features of generated images, (N, width)."""
        return self._fake[0]

    @property
    def real_logits(self) -> Tensor:
        """Logits on real images, (N,), before the tricks' changes."""
        return self._real[1]

    @property
    def fake_logits(self) -> Tensor:
        """Logits on generated images, (N,), before the tricks' changes."""
        return self._fake[1]

    @cached_property
    def logits(self) -> tuple[Tensor, Tensor]:
        """Logits on real and on generated images, after the tricks' changes, left to right."""
        return self.compare(self.real_logits, self.fake_logits)

    def compare(self, real: Tensor, fake: Tensor) -> tuple[Tensor, Tensor]:
        """The tricks' changes of logits on real and on generated images, (N,) each."""
        for trick in self.player.tricks:
            real, fake = trick.logits(real, fake)
        return real, fake


def _widened(values: Tensor) -> Tensor:
    """Autocast's bf16 as fp32; any other precision as it is."""
    return values.float() if values.dtype == torch.bfloat16 else values
