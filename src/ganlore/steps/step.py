"""One step of training: networks, a real batch and noise; outputs are computed on demand, once."""

from __future__ import annotations

import copy
from collections.abc import Callable
from contextlib import nullcontext
from functools import cached_property
from typing import Any, Literal, TypeVar

import torch
from torch import Tensor, nn

from ganlore.networks import Critic
from ganlore.steps.draws import Draws
from ganlore.steps.inputs import Input, views
from ganlore.steps.schedule import Schedule
from ganlore.steps.state import TrainState

T = TypeVar("T")

Phase = Literal["discriminator", "generator"]
"""The network that a step updates."""

Logged = Tensor | float | Callable[[], Tensor]
"""A number for the history, or a function that computes it."""


class Step:
    """One step, of the discriminator or of the generator.

    Outputs are computed on first access and cached: no forward pass is repeated for one input.

    Attributes:
        state: the training state.
        phase: the network that is updated. In the discriminator's phase generated samples have no
            gradient, in the generator's phase the logits of real images have none.
        schedule: the scheduled values of this step.
        discriminator: the state's, or an unrolled one (`look_ahead`).
        ahead: whether the discriminator is unrolled, so that its parameters, and with them all of
            its outputs, depend on the generator's.
        images: real images or points, (N, ...), after `Trick.data`.
        labels: their class labels, (N,), or None.
        condition: the labels for the generator, (N,), None if the loss is unconditional.
        class_labels: the labels for the discriminator, of each sample or pack, or None.
        latent: the generator's noise, (N, latent).
        rng: the step's random generator, on the device.
        draws: its random numbers, to draw the same again.
        log: scalars for the history by name, or functions that compute them, which are called only
            in recorded steps.
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
        draws: Draws | None = None,
    ) -> None:
        # before: the generator's step on this batch, if the discriminator uses the same samples
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
        self.condition = labels if state.loss.conditional else None
        self.class_labels = self.condition
        if self.class_labels is not None:
            for trick in state.tricks:
                self.class_labels = trick.class_labels(self.class_labels)
        self.rng = rng
        self.draws = draws or Draws(rng)
        self.log: dict[str, Logged] = {}
        if before is None:
            self.latent = state.loss.latent(len(images), latent_size, rng)
        else:
            self.latent = before.latent
            self.generated = before.generated.detach()

    def look_ahead(self, discriminator: Critic) -> Step:
        """A copy of this step in the discriminator's phase, for an unrolled update.

        It has the same real and generated samples under the same augmentation, which keep their
        gradient, the same random numbers in each unrolled update, and its own log.

        Args:
            discriminator: the discriminator of the unrolled update.
        """
        real, fake = self._real_input, self._fake_input  # cached before the copy
        inner = copy.copy(self)
        inner.phase, inner.log, inner.draws = "discriminator", {}, self.draws.fork()
        inner.rng = inner.draws.rng
        if self.state.differentiates_real:
            inner._real_input = inner._from(real.points.detach().requires_grad_(), real.position)
        # a new tensor, so that penalties differentiate with respect to these inputs only, and not
        # through the parameters, which depend on the samples by the updates before
        inner._fake_input = inner._from(fake.points.view_as(fake.points), fake.position)
        inner.use_discriminator(discriminator)
        return inner

    def use_discriminator(self, discriminator: Critic) -> None:
        """Replace the discriminator by an unrolled one, and clear the cached outputs."""
        self.discriminator, self.ahead = discriminator, True
        for output in ("_joined", "_real", "_fake", "logits"):
            self.__dict__.pop(output, None)

    def once(self, name: str, make: Callable[[Step], T]) -> T:
        """Cache `make(self)` by name, for this step and its unrolled updates.

        For results that do not depend on the discriminator.
        """
        if name not in self._once:
            self._once[name] = make(self)
        result: T = self._once[name]
        return result

    @property
    def modules(self) -> nn.ModuleDict:
        """The modules of the loss and the tricks."""
        return self.state.modules

    @property
    def relative(self) -> bool:
        """Whether real and generated logits are compared."""
        return self.state.relative

    @property
    def discriminator_parameters(self) -> list[Tensor]:
        """All parameters of the discriminator."""
        return list(self.state.discriminator.parameters())

    def view(self, images: Tensor) -> Tensor:
        """Apply the tricks' views, left to right, to get the discriminator's input."""
        return views(images, self, self.state.tricks)

    def _input(self, images: Tensor, differentiated: bool) -> Input:
        """All views of images; their points become a leaf if penalties differentiate them."""
        first = self.state.first_augmentation
        points = views(images, self, self.state.tricks[:first])
        if differentiated and self.phase == "discriminator":
            points = points.detach().requires_grad_()
        augmenting = self.state.tricks[first:]
        position = self.draws.position() if augmenting else None
        return Input(points, views(points, self, augmenting), position)

    def _from(self, points: Tensor, position: Any) -> Input:
        """The discriminator's input from other points, augmented alike."""
        augmenting = self.state.tricks[self.state.first_augmentation :]
        return Input(points, views(points, self, augmenting, position), position)

    def view_as_real(self, images: Tensor) -> Tensor:
        """Apply the tricks' views with the random numbers of `real`.

        For images that are compared with real ones one by one: both are augmented alike.
        """
        if not self.state.views:
            return images
        _ = self.real
        return views(images, self, self.state.tricks, self._before_real)

    @cached_property
    def generated(self) -> Tensor:
        """G(z), (N, ...)."""
        with torch.no_grad() if self.phase == "discriminator" else nullcontext():
            return self.generate(self.latent)

    def generate(self, latent: Tensor) -> Tensor:
        """The generator's output for an input (N, latent), in single precision."""
        with self.state.forward():
            out: Tensor = self.state.generator(latent, self.condition)
        return _widened(out)

    def reconstruct(self, codes: Tensor) -> Tensor:
        """G(codes) for an encoder's codes, (N, ...), in evaluation mode.

        Batch norm uses its running statistics and does not update them, so that they remain those
        of G(z), and the trained reconstructions are those of evaluation.

        Args:
            codes: (N, latent).
        """
        _ = self.generated  # first, since its pass updates the statistics in place
        generator = self.state.generator.train(False)
        try:
            return self.generate(codes)
        finally:
            generator.train()

    @cached_property
    def _real_input(self) -> Input:
        if self.state.views:
            self._before_real = self.draws.position()
        return self._input(self.images, self.state.differentiates_real)

    @cached_property
    def _fake_input(self) -> Input:
        return self._input(self.generated, self.state.differentiates_fake)

    @property
    def real(self) -> Tensor:
        """Real images as the discriminator's input."""
        return self._real_input.images

    @property
    def fake(self) -> Tensor:
        """Generated images as the discriminator's input."""
        return self._fake_input.images

    @property
    def real_points(self) -> Tensor:
        """Real images before their augmentation, with respect to which penalties differentiate."""
        return self._real_input.points

    @property
    def fake_points(self) -> Tensor:
        """Generated images before their augmentation, likewise."""
        return self._fake_input.points

    def discriminate(self, images: Tensor) -> Tensor:
        """Logits of images, (N,), larger for real.

        Args:
            images: after `view`, as `real` and `fake`.
        """
        return self.features_and_logits(images, self.class_labels)[1]

    def features_and_logits(
        self, images: Tensor, class_labels: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """The discriminator's features of images, (N, width), and their logits, (N,).

        Args:
            images: after `view`, as `real` and `fake`.
            class_labels: their labels, as the attribute of this name.
        """
        critic = self.discriminator
        # second derivatives: of a gradient penalty, or of unrolled updates
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
        """Features and logits of real and generated images from one forward pass, or None.

        One pass is faster than two, and equivalent if outputs do not depend on the rest of the
        batch. For gradients with respect to one half there are two passes, since backward would
        also go through the other half.
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

    def scheduled(self, plugin: Any, name: str) -> Any:
        """A value that a loss or a trick schedules (`scheduled`), in this step.

        A whole number or a truth is itself; any other is a tensor without dimensions, which is the
        same in every step, and not to be changed in place.
        """
        return self.schedule.numbers[f"{plugin.name}.{name}"]

    def discriminator_loss(self) -> Tensor:
        """The discriminator's loss: the loss's part plus the tricks' penalties, scaled."""
        penalties = sum(trick.penalty(self) for trick in self.state.tricks)
        loss: Tensor = self.state.loss.discriminator(self) + penalties
        return loss * self.state.discriminator_scale

    def generator_loss(self) -> Tensor:
        """The generator's loss, wrapped by the tricks."""
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
    """Convert autocast's bf16 to fp32; leave other precisions unchanged."""
    return values.float() if values.dtype == torch.bfloat16 else values
