"""StackGAN: a first GAN draws small images, a second one makes large ones of them."""

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
    """The same for images of half the height and width.

    Raises:
        ValueError: for images that have no half.
    """
    channels, height, width = spec.shape
    if height % 2 or width % 2:
        raise ValueError(f"stacking needs images with even sides, not {height}x{width}")
    return replace(spec, shape=(channels, height // 2, width // 2))


class StackedGenerator(Staged, Generator):
    """Stage I from noise to small images, stage II from these to large ones.

    Stage II hears what stage I has drawn, codes and the label again, but no noise: what there is of
    chance is in the drawing already, as the paper has it.

    Args:
        first: stage I's generator.
        reader: from its images to a code.
        second: stage II's generator; its codes are the reader's, then those of the loss.
        spec: of the whole.
    """

    def __init__(
        self, first: Generator, reader: Discriminator, second: Generator, spec: Spec
    ) -> None:
        super().__init__(nn.ModuleList([first, reader, second]), spec)
        self.noise = spec.latent

    def forward(self, latent: Tensor, labels: Tensor | None = None) -> Tensor:
        """Images (N, C, H, W), of stage I as blocks of equal pixels."""
        first, reader, second = cast("nn.ModuleList", self.body)
        if self.level == 0:
            return enlarge(first(latent, labels), 1)
        drawn = self._frozen(first, latent, labels)
        code = reader(drawn).reshape(len(latent), -1)
        out: Tensor = second(torch.cat([code, latent[:, self.noise :]], dim=1), labels)
        return out

    @staticmethod
    def _frozen(first: nn.Module, latent: Tensor, labels: Tensor | None) -> Tensor:
        """Stage I's images; none of its weights has a gradient, a code that an encoder gave has."""
        if not latent.requires_grad:
            with torch.no_grad():
                out: Tensor = first(latent, labels)
                return out
        weights = {name: weight.detach() for name, weight in first.named_parameters()}
        out = functional_call(first, weights, (latent, labels))
        return out

    def enter(self, level: int, share: float) -> None:
        """Go to a stage."""
        super().enter(level, share)
        self.train(self.training)

    def train(self, mode: bool = True) -> Self:
        """In stage II, stage I is in evaluation mode.

        Its batch norm then keeps the statistics that it has learned: what stage II is shown in
        training is what it is shown afterwards, and a sample's does not depend on its batch.
        """
        super().train(mode)
        if self.level:
            cast("nn.ModuleList", self.body)[0].eval()
        return self


class StackedCritic(Staged, Critic):
    """A critic for each stage, behind one width of features: zeros stand where one has fewer.

    Args:
        first: stage I's critic, of small images.
        second: stage II's.
    """

    def __init__(self, first: Critic, second: Critic) -> None:
        super().__init__(second.spec, max(first.width, second.width))
        self.critics = nn.ModuleList([first, second])

    @property
    def critic(self) -> Critic:
        """The stage's."""
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
    """A GAN at half resolution first; then a second GAN draws its frozen images again, larger.

    Each stage has a generator and a discriminator of its own. Stage II is told a code that the
    network's own discriminator, as an encoder, reads from stage I's image; the paper's has the
    image's features in their places. Its text embeddings are what a conditional loss's labels are
    here, and its pairs of image and wrong text are not used.
    """

    paper = "arXiv:1612.03242"
    tip = "a second GAN refines the first one's output"
    requires = {"images": "stage I draws images of half the resolution, and these data are points"}
    share: Fraction = 0.5
    code: PositiveInt = 64

    def __post_init__(self) -> None:
        super().__post_init__()
        self.levels = 2

    def generator_network(
        self, make: Callable[[Spec], Generator], network: Network
    ) -> Callable[[Spec], Generator]:
        """Both stages' generators, and what reads stage I's images for stage II."""

        def made(spec: Spec) -> Generator:
            low = half(spec)
            reader = network.discriminator(replace(low, classes=0, outputs=self.code))
            second = make(replace(spec, latent=0, codes=spec.codes + self.code))
            return StackedGenerator(make(low), reader, second, spec)

        return made

    def discriminator_network(
        self, make: Callable[[Spec], Critic], network: Network
    ) -> Callable[[Spec], Critic]:
        """Both stages' critics."""
        return lambda spec: StackedCritic(make(half(spec)), make(spec))

    def level_at(self, progress: float) -> tuple[int, float]:
        """Stage I for the first share of the budget."""
        return int(progress >= self.share), 1.0


TRICK = Stacking
