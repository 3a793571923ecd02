"""What one step of training sees: networks, a real batch, noise; logits on demand, once each."""

from __future__ import annotations

import copy
from collections.abc import Callable
from contextlib import nullcontext
from functools import cached_property
from typing import Any, Literal, TypeVar

import torch
from torch import Tensor, nn

from ganlore.networks import Critic
from ganlore.steps.schedule import Schedule
from ganlore.steps.state import TrainState

T = TypeVar("T")

Phase = Literal["discriminator", "generator"]
"""Whose update a step makes."""

Logged = Tensor | float | Callable[[], Tensor]
"""A number for the history, or what gives it."""


class Step:
    """One step, of the discriminator or of the generator.

    What is computed from the batch is computed when a loss or a trick first asks for it, and kept:
    no forward pass is done twice for one input.

    Attributes:
        state: what lives through the run.
        phase: whose update it makes. In the discriminator's, generated samples carry no gradient;
            in the generator's, the logits of real images carry none.
        schedule: the numbers that change from step to step.
        discriminator: the state's, or one that is some steps ahead of it (`look_ahead`).
        ahead: whether the discriminator is ahead, so that its parameters depend on the generator's
            and all of its outputs carry a gradient to them.
        images: real images or points, (N, ...), as training takes them.
        labels: their classes, (N,), or None.
        condition: the labels of a conditional generator, (N,), None where the loss has none.
        class_labels: the labels of a conditional discriminator, of each sample or pack.
        latent: the generator's noise, (N, latent).
        rng: this step's own random generator, on the device.
        log: what a loss or a trick wants in the history, scalars by name; or functions that give
            them, called only for the steps that are recorded.
    """

    def __init__(
        self,
        state: TrainState,
        phase: Phase,
        images: Tensor,
        labels: Tensor | None,
        rng: torch.Generator,
        schedule: Schedule,
        latent_size: int,
        before: Step | None = None,
    ) -> None:
        # before: the generator's step on this batch, where the discriminator is to learn from the
        # very samples that the generator has just learned from
        self.state = state
        self.phase = phase
        self.schedule = schedule
        self.discriminator = state.discriminator
        self.ahead = False
        self._once: dict[str, Any] = {}
        for trick in state.tricks:
            images = trick.data(images, self)
        self.images = images
        self.labels = labels
        # unconditional networks have no use for labels
        self.condition = labels if state.loss.conditional else None
        self.class_labels = self.condition
        if self.class_labels is not None:
            for trick in state.tricks:
                self.class_labels = trick.class_labels(self.class_labels)
        self.rng = rng
        self.log: dict[str, Logged] = {}
        if before is None:
            self.latent = state.loss.latent(len(images), latent_size, rng)
        else:
            self.latent = before.latent
            self.generated = before.generated.detach()

    def look_ahead(self, discriminator: Critic) -> Step:
        """A discriminator's step on the samples of this one, which changes no weights.

        Nothing is generated or augmented again, and random numbers are the same for every look
        ahead from here. Generated samples keep their gradient. Its log is its own.

        Args:
            discriminator: the one that makes the step.
        """
        real, fake = self.real, self.fake  # drawn here, before the copy
        inner = copy.copy(self)
        inner.phase, inner.rng, inner.log = "discriminator", self.rng.clone_state(), {}
        if self.state.differentiates_real:
            real = real.detach().requires_grad_()
        # a tensor of its own: logits are differentiated by these samples, not by what the
        # discriminator has learned from them in steps before
        inner.real, inner.fake = real, fake.view_as(fake)
        inner.use_discriminator(discriminator)
        return inner

    def use_discriminator(self, discriminator: Critic) -> None:
        """Go on with a discriminator that is ahead, and forget the outputs of the one before."""
        self.discriminator, self.ahead = discriminator, True
        for output in ("_joined", "_real", "_fake", "logits"):
            self.__dict__.pop(output, None)

    def once(self, name: str, make: Callable[[Step], T]) -> T:
        """What `make` gives for this step, computed once for it and all that look ahead from it.

        For what a loss makes of the batch alone, whatever the discriminator.
        """
        if name not in self._once:
            self._once[name] = make(self)
        result: T = self._once[name]
        return result

    @property
    def modules(self) -> nn.ModuleDict:
        """The loss's and the tricks' own modules."""
        return self.state.modules

    @property
    def relative(self) -> bool:
        """Whether logits are compared with each other."""
        return self.state.relative

    @property
    def discriminator_parameters(self) -> list[Tensor]:
        """All parameters of the discriminator."""
        return list(self.state.discriminator.parameters())

    def view(self, images: Tensor) -> Tensor:
        """What the discriminator sees of images: the tricks' views, left to right."""
        for trick in self.state.tricks:
            images = trick.view(images, self)
        return images

    def view_as_real(self, images: Tensor) -> Tensor:
        """What the discriminator sees of images that are compared with `real` one by one.

        As `view`, but with the draws that `real` was seen with: where tricks change what is seen
        at random, an image and its counterpart are changed alike.
        """
        if not self.state.views:
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
        with torch.no_grad() if self.phase == "discriminator" else nullcontext():
            return self.generate(self.latent)

    def generate(self, latent: Tensor) -> Tensor:
        """What the generator makes of an input (N, latent), in single precision."""
        with self.state.forward():
            out: Tensor = self.state.generator(latent, self.condition)
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
        generator = self.state.generator.train(False)
        try:
            return self.generate(codes)
        finally:
            generator.train()

    @cached_property
    def real(self) -> Tensor:
        """Real images as the discriminator sees them."""
        if self.state.views:
            self._before_real = self.rng.get_state()
        images = self.view(self.images)
        if self.state.differentiates_real and self.phase == "discriminator":
            images = images.detach().requires_grad_()
        return images

    @cached_property
    def fake(self) -> Tensor:
        """Generated images as the discriminator sees them."""
        images = self.view(self.generated)
        if self.state.differentiates_fake and self.phase == "discriminator":
            images = images.detach().requires_grad_()
        return images

    def discriminate(self, images: Tensor) -> Tensor:
        """One number for each image that the discriminator is shown, (N,), larger for real.

        Args:
            images: as `real` and `fake`, that is after `view`.
        """
        return self.features_and_logits(images, self.class_labels)[1]

    def features_and_logits(
        self, images: Tensor, class_labels: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """The discriminator's features of images, (N, width), and what `discriminate` gives, (N,).

        Args:
            images: as `real` and `fake`, that is after `view`.
            class_labels: the labels of each, as the attribute of this name.
        """
        critic = self.discriminator
        # what is differentiated twice: by images in a penalty, by weights when looking ahead
        twice = self.ahead or (self.phase == "discriminator" and images.requires_grad)
        within = nullcontext if twice else self.state.forward
        with within():
            features = critic.features(images)
        features = _widened(features)
        with nullcontext() if critic.reads_out else within():
            output = critic.classify(features, class_labels)
        return features, self.state.loss.score(_widened(output), images)

    @cached_property
    def _joined(self) -> tuple[tuple[Tensor, Tensor], ...] | None:
        """Features and logits of real and generated images from one pass over both, or None.

        One pass is faster than two, and changes nothing where outputs do not depend on the rest of
        the batch. A gradient with respect to one half would run through the other for nothing:
        where one is wanted there are two passes.
        """
        if self.phase == "generator" or not self.state.joins:
            return None
        labels = None if self.class_labels is None else torch.cat([self.class_labels] * 2)
        features, logits = self.features_and_logits(torch.cat([self.real, self.fake]), labels)
        n = len(self.real)
        return (features[:n], logits[:n]), (features[n:], logits[n:])

    @cached_property
    def _real(self) -> tuple[Tensor, Tensor]:
        if self._joined is not None:
            return self._joined[0]
        constant = self.phase == "generator" and not self.ahead
        with torch.no_grad() if constant else nullcontext():
            return self.features_and_logits(self.real, self.class_labels)

    @cached_property
    def _fake(self) -> tuple[Tensor, Tensor]:
        if self._joined is not None:
            return self._joined[1]
        return self.features_and_logits(self.fake, self.class_labels)

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

    def scheduled(self, plugin: Any, name: str) -> float:
        """A number that a loss or a trick schedules itself (`scheduled`), at this step."""
        return self.schedule.numbers[f"{plugin.name}.{name}"]

    def discriminator_loss(self) -> Tensor:
        """What the discriminator minimises: the loss's part and the tricks' penalties, scaled."""
        penalties = sum(trick.penalty(self) for trick in self.state.tricks)
        loss: Tensor = self.state.loss.discriminator(self) + penalties
        return loss * self.state.discriminator_scale

    def generator_loss(self) -> Tensor:
        """What the generator minimises: the loss's part, wrapped by the tricks."""
        loss: Callable[[Step], Tensor] = self.state.loss.generator
        for trick in self.state.tricks:
            loss = trick.wrap_generator_loss(loss)
        return loss(self)

    def compare(self, real: Tensor, fake: Tensor) -> tuple[Tensor, Tensor]:
        """The tricks' changes of logits on real and on generated images, (N,) each."""
        for trick in self.state.tricks:
            real, fake = trick.logits(real, fake)
        return real, fake


def _widened(values: Tensor) -> Tensor:
    """Autocast's bf16 as fp32; any other precision as it is."""
    return values.float() if values.dtype == torch.bfloat16 else values
