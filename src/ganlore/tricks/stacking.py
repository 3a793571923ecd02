"""StackGAN: a first GAN generates small images, a second one refines them to large ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Self, cast

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional

from ganlore.networks import Critic, Generator
from ganlore.settings import Fraction, PositiveInt
from ganlore.tricks._resolution import Rising, Staged, enlarge

if TYPE_CHECKING:
    from ganlore.networks import Discriminator, Network, Spec


def half(spec: Spec) -> Spec:
    """The spec of images of half the height and width.

    Raises:
        ValueError: for images with an odd side.
    """
    channels, height, width = spec.shape
    if height % 2 or width % 2:
        raise ValueError(f"stacking needs images with even sides, not {height}x{width}")
    return replace(spec, shape=(channels, height // 2, width // 2))


class StackedGenerator(Staged, Generator):
    """Stage I from noise to small images, stage II from these to large ones.

    Stage II receives stage I's images, codes and the label, but no noise, as in the paper: the
    images already depend on it.

    Args:
        first: stage I's generator.
        reader: the encoder of stage I's images.
        second: stage II's generator; its codes are the encoder's, then those of the loss.
        spec: of the data.
    """

    def __init__(
        self, first: Generator, reader: Discriminator, second: Generator, spec: Spec
    ) -> None:
        super().__init__(nn.ModuleList([first, reader, second]), spec)
        self.noise = spec.latent

    def forward(self, latent: Tensor, labels: Tensor | None = None) -> Tensor:
        """Images (N, C, H, W); those of stage I as blocks of equal pixels."""
        first, reader, second = cast("nn.ModuleList", self.body)
        if self.level == 0:
            return enlarge(first(latent, labels), 1)
        code = reader(self._frozen(first, latent, labels)).reshape(len(latent), -1)
        out: Tensor = second(torch.cat([code, latent[:, self.noise :]], dim=1), labels)
        return out

    @staticmethod
    def _frozen(first: nn.Module, latent: Tensor, labels: Tensor | None) -> Tensor:
        """Stage I's images, without a gradient to its weights, but with one to encoded inputs."""
        if not latent.requires_grad:
            with torch.no_grad():
                out: Tensor = first(latent, labels)
                return out
        weights = {name: weight.detach() for name, weight in first.named_parameters()}
        out = functional_call(first, weights, (latent, labels))
        return out

    def enter(self, level: int, share: float) -> None:
        """Set the stage."""
        super().enter(level, share)
        self.train(self.training)

    def train(self, mode: bool = True) -> Self:
        """In stage II, stage I stays in evaluation mode.

        With fixed batch norm statistics, stage II's inputs are the same in training and evaluation,
        and do not depend on the rest of the batch.
        """
        super().train(mode)
        if self.level:
            cast("nn.ModuleList", self.body)[0].eval()
        return self


class StackedCritic(Staged, Critic):
    """A critic for each stage; features are padded with zeros to one width.

    Args:
        first: stage I's critic, of small images.
        second: stage II's.
    """

    def __init__(self, first: Critic, second: Critic) -> None:
        super().__init__(second.spec, max(first.width, second.width))
        self.critics = nn.ModuleList([first, second])

    @property
    def critic(self) -> Critic:
        """The current stage's critic."""
        return self.critics[self.level]  # type: ignore[return-value]

    def features(self, images: Tensor) -> Tensor:
        """From images of the stage's size to features, (N, width)."""
        features = self.critic.features(images)
        missing = self.width - features.shape[1]
        return functional.pad(features, (0, missing)) if missing else features

    def classify(self, features: Tensor, labels: Tensor | None = None) -> Tensor:
        """The output of the stage's critic."""
        return self.critic.classify(features[:, : self.critic.width], labels)


@dataclass
class Stacking(Rising):
    """A GAN at half resolution first; then a second GAN refines its images, with stage I frozen.

    Each stage has its own generator and discriminator. Stage II receives a code of stage I's image
    from an encoder with the discriminator's architecture; the paper uses feature maps. A
    conditional loss's labels replace the paper's text embeddings; its pairs of image and
    mismatched text are not used.
    """

    paper = "arXiv:1612.03242"
    deviations = (
        "Stage II reads a code of stage I's image; the paper's reads feature maps.",
        "Class labels take the place of text, without conditioning augmentation and without "
        "pairs of an image and a wrong text.",
    )
    tip = "a second GAN refines the first one's output"
    requires = {"images": "stage I generates images of half the resolution; points have none"}
    share: Fraction = 0.5
    code: PositiveInt = 64

    def __post_init__(self) -> None:
        super().__post_init__()
        self.levels = 2

    def generator_network(
        self, make: Callable[[Spec], Generator], network: Network
    ) -> Callable[[Spec], Generator]:
        """Both stages' generators, and the encoder of stage I's images."""

        def make_both(spec: Spec) -> Generator:
            low = half(spec)
            reader = network.discriminator(replace(low, classes=0, outputs=self.code))
            second = make(replace(spec, latent=0, codes=spec.codes + self.code))
            return StackedGenerator(make(low), reader, second, spec)

        return make_both

    def discriminator_network(
        self, make: Callable[[Spec], Critic], network: Network
    ) -> Callable[[Spec], Critic]:
        """Both stages' critics."""
        return lambda spec: StackedCritic(make(half(spec)), make(spec))

    def level_at(self, progress: float) -> tuple[int, float]:
        """Stage I for the share `share` of the budget, then stage II."""
        return int(progress >= self.share), 1.0


TRICK = Stacking
